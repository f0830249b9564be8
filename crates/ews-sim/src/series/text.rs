//! The Recurrence element of a request as a rule.

use jiff::civil::{Date, DateTime};

use crate::load::{Recurrence, RuleEnd};
use crate::op::Failure;
use crate::xml::Element;

/// Days in which a rule must happen for the first time: some rules have one day in four years.
const SEARCHED_DAYS: usize = 1_600;

/// Reads a Recurrence for an appointment whose Start is at a local time: the rule, and the time of
/// the first occurrence, which is the first day on or after the range's that the rule has.
pub(crate) fn read(
    recurrence: &Element<'_>,
    start: DateTime,
) -> Result<(Recurrence, DateTime), Failure> {
    let bad = || {
        Failure::new(
            "ErrorCalendarInvalidRecurrence",
            "The recurrence pattern is not valid.",
        )
    };
    let [pattern, range] = &recurrence.children[..] else {
        return Err(bad());
    };
    let rule = format!(
        "{}{}",
        rule_of(pattern, start).ok_or_else(bad)?,
        end_of(range).ok_or_else(bad)?
    );
    let first: Date = match range.child_text("StartDate") {
        // A date may carry an offset, which says nothing about the day.
        Some(text) => text
            .get(..10)
            .and_then(|text| text.parse().ok())
            .ok_or_else(bad)?,
        None => start.date(),
    };
    let days = std::iter::successors(Some(first), |day| day.tomorrow().ok());
    for day in days.take(SEARCHED_DAYS) {
        let at = day.to_datetime(start.time());
        let read = Recurrence::read(&rule, at, |_| Some(at));
        if let Some(found) = read.filter(|found| found.occurs(day, day)) {
            if matches!(found.end, RuleEnd::Until(last) if last < day) {
                break;
            }
            return Ok((found, at));
        }
    }
    Err(Failure::new(
        "ErrorCalendarEndDateIsEarlierThanStartDate",
        "The series never happens.",
    ))
}

fn rule_of(pattern: &Element<'_>, start: DateTime) -> Option<String> {
    let text = |name| pattern.child_text(name).unwrap_or_default();
    let interval = || match pattern.child_text("Interval") {
        None => Some(String::new()),
        Some(text) => text
            .parse::<u16>()
            .ok()
            .filter(|interval| (1..=99).contains(interval))
            .map(|interval| format!(";INTERVAL={interval}")),
    };
    let month = || {
        let names = [
            "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
        ];
        let wanted = text("Month").get(..3)?.to_ascii_uppercase();
        let number = names.iter().position(|name| *name == wanted)?;
        Some(format!(";BYMONTH={}", number + 1))
    };
    let day = || {
        text("DayOfMonth")
            .parse::<u8>()
            .ok()
            .filter(|day| (1..=31).contains(day))
    };
    let nth = || {
        let index = ["First", "Second", "Third", "Fourth", "Last"];
        let at = index
            .iter()
            .position(|name| *name == text("DayOfWeekIndex"))?;
        let days = days_of(text("DaysOfWeek"))?;
        Some(format!(
            ";BYDAY={days};BYSETPOS={}",
            if at == 4 { -1 } else { at as i32 + 1 }
        ))
    };
    Some(match pattern.name.as_ref() {
        "DailyRecurrence" | "DailyRegeneration" => format!("FREQ=DAILY{}", interval()?),
        "WeeklyRegeneration" => {
            let weekday = usize::from(start.weekday().to_sunday_zero_offset().unsigned_abs());
            let day = ["SU", "MO", "TU", "WE", "TH", "FR", "SA"].get(weekday)?;
            format!("FREQ=WEEKLY{};BYDAY={day};WKST=SU", interval()?)
        }
        "MonthlyRegeneration" => format!("FREQ=MONTHLY{};BYMONTHDAY={}", interval()?, start.day()),
        "YearlyRegeneration" => format!(
            "FREQ=YEARLY{};BYMONTH={};BYMONTHDAY={}",
            interval()?,
            start.month(),
            start.day()
        ),
        "WeeklyRecurrence" => {
            let first = days_of(text("FirstDayOfWeek")).unwrap_or_else(|| "SU".to_owned());
            let days = days_of(text("DaysOfWeek"))?;
            format!("FREQ=WEEKLY{};BYDAY={days};WKST={first}", interval()?)
        }
        "AbsoluteMonthlyRecurrence" => format!("FREQ=MONTHLY{};BYMONTHDAY={}", interval()?, day()?),
        "RelativeMonthlyRecurrence" => format!("FREQ=MONTHLY{}{}", interval()?, nth()?),
        "AbsoluteYearlyRecurrence" => format!("FREQ=YEARLY{};BYMONTHDAY={}", month()?, day()?),
        "RelativeYearlyRecurrence" => format!("FREQ=YEARLY{}{}", month()?, nth()?),
        _ => return None,
    })
}

/// Days in the words of a rule.
fn days_of(text: &str) -> Option<String> {
    let names = [
        "Sunday",
        "Monday",
        "Tuesday",
        "Wednesday",
        "Thursday",
        "Friday",
        "Saturday",
    ];
    let mut days = Vec::new();
    for word in text.split_whitespace() {
        match word {
            "Day" => days.extend(["SU", "MO", "TU", "WE", "TH", "FR", "SA"].map(str::to_owned)),
            "Weekday" => days.extend(["MO", "TU", "WE", "TH", "FR"].map(str::to_owned)),
            "WeekendDay" => days.extend(["SU", "SA"].map(str::to_owned)),
            name if names.contains(&name) => days.push(name.get(..2)?.to_ascii_uppercase()),
            _ => return None,
        }
    }
    (!days.is_empty()).then(|| days.join(","))
}

fn end_of(range: &Element<'_>) -> Option<String> {
    Some(match range.name.as_ref() {
        "NoEndRecurrence" => String::new(),
        "EndDateRecurrence" => {
            let last: Date = range.child_text("EndDate")?.get(..10)?.parse().ok()?;
            format!(
                ";UNTIL={:04}{:02}{:02}",
                last.year(),
                last.month(),
                last.day()
            )
        }
        "NumberedRecurrence" => {
            let count: u32 = range.child_text("NumberOfOccurrences")?.parse().ok()?;
            format!(";COUNT={}", count.clamp(1, 999))
        }
        _ => return None,
    })
}

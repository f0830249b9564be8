//! A rule as the Recurrence element (MS-OXWSCDATA 2.2.4.50).

use jiff::civil::Date;

use super::Series;
use crate::load::{Frequency, Pattern, RuleEnd};
use crate::xml::XmlWriter;

const WEEKDAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const INDEXES: [&str; 5] = ["First", "Second", "Third", "Fourth", "Last"];

/// Writes a task's Recurrence (MS-OXWSTASK 2.2.4.7).
pub(crate) fn write_task_rule(w: &mut XmlWriter, series: &Series, slides: bool) {
    if !slides {
        w.start("t:Recurrence");
        write_pattern(w, series);
        write_range(w, series, "Z");
        return w.end("t:Recurrence");
    }
    let name = match series.rule.frequency {
        Frequency::Daily => "t:DailyRegeneration",
        Frequency::Weekly => "t:WeeklyRegeneration",
        Frequency::Monthly => "t:MonthlyRegeneration",
        Frequency::Yearly => "t:YearlyRegeneration",
    };
    w.start("t:Recurrence");
    w.start(name);
    w.number("t:Interval", series.rule.interval);
    w.end(name);
    write_range(w, series, "Z");
    w.end("t:Recurrence");
}

/// Writes a series' Recurrence.
pub(crate) fn write_rule(w: &mut XmlWriter, series: &Series) {
    w.start("t:Recurrence");
    write_pattern(w, series);
    write_range(w, series, "");
    w.end("t:Recurrence");
}

fn write_pattern(w: &mut XmlWriter, series: &Series) {
    let rule = &series.rule;
    let month = usize::from(series.start.month().unsigned_abs()).saturating_sub(1);
    let month = MONTHS.get(month).copied().unwrap_or_default();
    match (rule.frequency, &rule.pattern) {
        (Frequency::Yearly, Pattern::MonthNth(mask, nth)) => {
            w.start("t:RelativeYearlyRecurrence");
            w.leaf("t:DaysOfWeek", &one_day(*mask));
            w.leaf("t:DayOfWeekIndex", index(*nth));
            w.leaf("t:Month", month);
            w.end("t:RelativeYearlyRecurrence");
        }
        (Frequency::Yearly, pattern) => {
            w.start("t:AbsoluteYearlyRecurrence");
            w.number("t:DayOfMonth", month_day(pattern, series.start.date()));
            w.leaf("t:Month", month);
            w.end("t:AbsoluteYearlyRecurrence");
        }
        (Frequency::Monthly, Pattern::MonthNth(mask, nth)) => {
            w.start("t:RelativeMonthlyRecurrence");
            w.number("t:Interval", rule.interval);
            w.leaf("t:DaysOfWeek", &one_day(*mask));
            w.leaf("t:DayOfWeekIndex", index(*nth));
            w.end("t:RelativeMonthlyRecurrence");
        }
        (Frequency::Monthly, pattern) => {
            w.start("t:AbsoluteMonthlyRecurrence");
            w.number("t:Interval", rule.interval);
            w.number("t:DayOfMonth", month_day(pattern, series.start.date()));
            w.end("t:AbsoluteMonthlyRecurrence");
        }
        (_, Pattern::Week(mask)) => {
            w.start("t:WeeklyRecurrence");
            w.number("t:Interval", rule.interval);
            w.leaf("t:DaysOfWeek", &days(*mask));
            let first = rule.first_weekday.to_sunday_zero_offset().unsigned_abs();
            w.leaf(
                "t:FirstDayOfWeek",
                WEEKDAYS
                    .get(usize::from(first))
                    .copied()
                    .unwrap_or_default(),
            );
            w.end("t:WeeklyRecurrence");
        }
        _ => {
            w.start("t:DailyRecurrence");
            w.number("t:Interval", rule.interval);
            w.end("t:DailyRecurrence");
        }
    }
}

/// Writes from when to when a rule holds. The days of tasks say that they are in UTC.
fn write_range(w: &mut XmlWriter, series: &Series, zone: &str) {
    let rule = &series.rule;
    let range = match rule.end {
        RuleEnd::Never => "t:NoEndRecurrence",
        RuleEnd::Until(_) => "t:EndDateRecurrence",
        RuleEnd::Count(_) => "t:NumberedRecurrence",
    };
    w.start(range);
    let date = |day| format!("{}{zone}", date(day));
    w.leaf("t:StartDate", &date(series.start.date()));
    match rule.end {
        RuleEnd::Never => {}
        RuleEnd::Until(last) => w.leaf("t:EndDate", &date(last)),
        RuleEnd::Count(count) => w.number("t:NumberOfOccurrences", count),
    }
    w.end(range);
}

fn date(day: Date) -> String {
    format!("{:04}-{:02}-{:02}", day.year(), day.month(), day.day())
}

fn month_day(pattern: &Pattern, start: Date) -> i8 {
    match pattern {
        Pattern::MonthDay(day) => *day,
        _ => start.day(),
    }
}

fn index(nth: i8) -> &'static str {
    let at = usize::from(nth.unsigned_abs()).saturating_sub(1);
    INDEXES.get(at).copied().unwrap_or("Last")
}

/// The days of a bit mask, separated by spaces.
fn days(mask: u32) -> String {
    let days = (0..)
        .zip(WEEKDAYS)
        .filter(|(bit, _)| mask & (1 << bit) != 0);
    days.map(|(_, name)| name).collect::<Vec<_>>().join(" ")
}

/// The one word for a bit mask in a relative rule.
fn one_day(mask: u32) -> String {
    match mask {
        0x7F => "Day".to_owned(),
        0x3E => "Weekday".to_owned(),
        0x41 => "WeekendDay".to_owned(),
        mask => days(mask),
    }
}

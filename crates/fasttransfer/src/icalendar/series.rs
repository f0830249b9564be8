//! Recurrences as RRULE and EXDATE (RFC 5545 3.8.5; MS-OXCICAL 2.1.3.2).

use std::fmt::Write as _;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::clock::{Clock, local_time};
use crate::content_line::ContentLines;
use crate::recurrence::{Days, End, Frequency, Recurrence};

/// The two letters of a weekday; 0 is Sunday.
pub(super) fn weekday(number: u32) -> &'static str {
    ["SU", "MO", "TU", "WE", "TH", "FR", "SA"]
        .get(number as usize)
        .copied()
        .unwrap_or("SU")
}

/// A series' first start, as its clocks show it.
pub(super) fn first_start(series: &Recurrence) -> Option<DateTime> {
    local_time(series.start_date.checked_add(series.start_offset)?)
}

/// Writes the rule, and the occurrences that do not happen or happen otherwise.
pub(super) fn write(series: &Recurrence, clock: &Clock, lines: &mut ContentLines) {
    lines.raw("RRULE", &rule(series, clock));
    // What was modified has an event of its own, which takes its occurrence's place.
    let moved: Vec<u32> = series
        .exceptions
        .iter()
        .map(|exception| exception.original_start / 1_440)
        .collect();
    let gone: Vec<DateTime> = series
        .deleted
        .iter()
        .filter(|day| !moved.contains(&(**day / 1_440)))
        .filter_map(|day| local_time(day.checked_add(series.start_offset)?))
        .collect();
    if !gone.is_empty() {
        clock.write_all(lines, "EXDATE", &gone);
    }
}

fn rule(series: &Recurrence, clock: &Clock) -> String {
    let frequency = match series.frequency {
        Frequency::Daily => "DAILY",
        Frequency::Weekly => "WEEKLY",
        Frequency::Monthly => "MONTHLY",
        Frequency::Yearly => "YEARLY",
    };
    let mut rule = format!("FREQ={frequency}");
    match series.end {
        End::Never => {}
        End::After(count) => {
            let _ = write!(rule, ";COUNT={count}");
        }
        End::On(day) => until(day, series, clock, &mut rule),
    }
    if series.interval > 1 {
        let _ = write!(rule, ";INTERVAL={}", series.interval);
    }
    if series.frequency == Frequency::Yearly
        && let Some(start) = local_time(series.start_date)
    {
        let _ = write!(rule, ";BYMONTH={}", start.month());
    }
    match series.days {
        Days::Each => {}
        Days::Week(days) => {
            let _ = write!(rule, ";BYDAY={}", weekdays(days));
            if series.interval > 1 {
                let _ = write!(rule, ";WKST={}", weekday(series.first_weekday));
            }
        }
        Days::Month(31) => rule.push_str(";BYMONTHDAY=-1"),
        // Shorter months have it on their last day.
        Days::Month(30) => rule.push_str(";BYMONTHDAY=28,29,30;BYSETPOS=-1"),
        Days::Month(29) => rule.push_str(";BYMONTHDAY=28,29;BYSETPOS=-1"),
        Days::Month(day) => {
            let _ = write!(rule, ";BYMONTHDAY={day}");
        }
        Days::Nth(days, nth) => {
            let nth = if nth >= 5 { -1 } else { i64::from(nth) };
            if days.count_ones() == 1 {
                let _ = write!(rule, ";BYDAY={nth}{}", weekdays(days));
            } else {
                let _ = write!(rule, ";BYDAY={};BYSETPOS={nth}", weekdays(days));
            }
        }
    }
    rule
}

/// The last start: a day for days, else in UTC.
fn until(day: u32, series: &Recurrence, clock: &Clock, rule: &mut String) {
    let Some(last) = day.checked_add(series.start_offset).and_then(local_time) else {
        return;
    };
    let text = if clock.all_day {
        last.strftime("%Y%m%d").to_string()
    } else {
        let Some(utc) = clock.utc(last) else { return };
        let utc = utc.to_zoned(TimeZone::UTC);
        utc.strftime("%Y%m%dT%H%M%SZ").to_string()
    };
    let _ = write!(rule, ";UNTIL={text}");
}

fn weekdays(days: u32) -> String {
    let days: Vec<&str> = (0..7)
        .filter(|day| days & (1 << day) != 0)
        .map(weekday)
        .collect();
    days.join(",")
}

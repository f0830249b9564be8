//! Rules that name days of the calendar.

use jiff::Timestamp;
use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;

/// Days looked at for the next one that fits; the rarest rule (the 31st, or a fifth weekday) fits
/// every few months.
const HORIZON_DAYS: usize = 400;

/// On which days.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DayRule {
    Daily,
    Weekly(Vec<Weekday>),
    /// Days of the month; months without one pass it over.
    MonthDays {
        days: Vec<i8>,
        last: bool,
    },
    /// The first to fifth, or with -1 the last, such weekday of the month.
    NthWeekday {
        nth: i8,
        weekday: Weekday,
    },
}

impl DayRule {
    fn has(&self, date: Date) -> bool {
        match self {
            Self::Daily => true,
            Self::Weekly(weekdays) => weekdays.contains(&date.weekday()),
            Self::MonthDays { days, last } => {
                days.contains(&date.day()) || (*last && date.day() == date.days_in_month())
            }
            Self::NthWeekday { nth, weekday } => date
                .nth_weekday_of_month(*nth, *weekday)
                .is_ok_and(|fitting| fitting == date),
        }
    }

    pub(crate) fn next_after(
        &self,
        times: &[Time],
        after: Timestamp,
        zone: &TimeZone,
    ) -> Option<Timestamp> {
        // From the day before: where a zone left out a whole day, its times fell on the next.
        let today = after.to_zoned(zone.clone()).date();
        let mut date = today.yesterday().ok()?;
        let mut best: Option<Timestamp> = None;
        for _ in 0..HORIZON_DAYS {
            if self.has(date) {
                let found = times
                    .iter()
                    .filter_map(|time| timestamp(date, *time, zone))
                    .filter(|time| *time > after)
                    .min();
                match (best, found) {
                    // The day after the first fitting one may begin before it only in such a zone.
                    (Some(best), found) => return Some(found.map_or(best, |f| f.min(best))),
                    (None, found) => best = found,
                }
            }
            date = date.tomorrow().ok()?;
        }
        best
    }
}

/// The instant of a local time: as much later where the clock skips it, the first where it comes
/// twice.
pub(crate) fn timestamp(date: Date, time: Time, zone: &TimeZone) -> Option<Timestamp> {
    zone.to_ambiguous_timestamp(date.to_datetime(time))
        .compatible()
        .ok()
}

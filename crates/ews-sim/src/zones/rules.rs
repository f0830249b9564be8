//! When a zone's clocks change, as Windows tells it: by one rule for every year.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::TimeZone;

/// How far from UTC a zone is, and when that changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rules {
    /// Minutes that standard time is ahead of UTC.
    pub(crate) standard_minutes: i32,
    pub(crate) daylight: Option<Daylight>,
}

/// The part of the year in which clocks are ahead of standard time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Daylight {
    /// Minutes ahead of UTC.
    pub(crate) minutes: i32,
    pub(crate) begins: Change,
    pub(crate) ends: Change,
}

/// A day of every year on which clocks change, and the time that they show before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) month: i8,
    pub(crate) weekday: Weekday,
    /// Which such weekday of the month it is, 1 to 4; -1 for the last.
    pub(crate) nth: i8,
    pub(crate) hour: i8,
    pub(crate) minute: i8,
}

impl Rules {
    /// What holds in a year. A year in which clocks do not change twice has no daylight time.
    pub(crate) fn in_year(zone: &TimeZone, year: i16) -> Rules {
        let begin = first_day(year);
        let changes: Vec<(i32, Change)> = zone
            .following(begin)
            .take_while(|next| next.timestamp() < first_day(year.saturating_add(1)))
            .map(|next| {
                let just_before = next.timestamp() - jiff::SignedDuration::from_secs(1);
                let before = zone.to_offset(just_before).to_datetime(next.timestamp());
                (next.offset().seconds() / 60, Change::at(before))
            })
            .collect();
        // Some zones call what they have in summer their standard time; Windows never does.
        match changes.as_slice() {
            [first, second] if first.0 != second.0 => {
                let (begins, ends) = match first.0 > second.0 {
                    true => (first, second),
                    false => (second, first),
                };
                Rules {
                    standard_minutes: ends.0,
                    daylight: Some(Daylight {
                        minutes: begins.0,
                        begins: begins.1,
                        ends: ends.1,
                    }),
                }
            }
            _ => Rules {
                standard_minutes: zone.to_offset(begin).seconds() / 60,
                daylight: None,
            },
        }
    }
}

fn first_day(year: i16) -> Timestamp {
    Date::new(year, 1, 1)
        .ok()
        .and_then(|day| TimeZone::UTC.to_timestamp(day.at(0, 0, 0, 0)).ok())
        .unwrap_or(Timestamp::MAX)
}

impl Change {
    fn at(time: DateTime) -> Change {
        let day = time.date();
        let is_last = day.day() + 7 > day.days_in_month();
        Change {
            month: day.month(),
            weekday: day.weekday(),
            nth: if is_last { -1 } else { (day.day() - 1) / 7 + 1 },
            hour: time.hour(),
            minute: time.minute(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Standard and daylight minutes, and when the latter begins and ends: month, which one, hour.
    type Told = (i32, Option<(i32, [i8; 3], [i8; 3])>);

    #[track_caller]
    fn check(zone: &str, year: i16, wanted: Told) {
        let rules = Rules::in_year(&TimeZone::get(zone).unwrap(), year);
        let change = |change: Change| [change.month, change.nth, change.hour];
        let daylight = rules.daylight.map(|daylight| {
            (
                daylight.minutes,
                change(daylight.begins),
                change(daylight.ends),
            )
        });
        assert_eq!((rules.standard_minutes, daylight), wanted, "{zone}");
    }

    #[test]
    fn one_rule_tells_a_year_north_and_south() {
        check(
            "Europe/Berlin",
            2026,
            (60, Some((120, [3, -1, 2], [10, -1, 3]))),
        );
        check(
            "America/New_York",
            2026,
            (-300, Some((-240, [3, 2, 2], [11, 1, 2]))),
        );
        // Another rule held twenty years earlier.
        check(
            "America/New_York",
            2006,
            (-300, Some((-240, [4, 1, 2], [10, -1, 2]))),
        );
        check(
            "Australia/Sydney",
            2026,
            (600, Some((660, [10, 1, 2], [4, 1, 3]))),
        );
        check("Asia/Kolkata", 2026, (330, None));
        // What is called standard time there is the later one of summer.
        check(
            "Europe/Dublin",
            2026,
            (0, Some((60, [3, -1, 1], [10, -1, 2]))),
        );
        // Clocks changed once, and for good.
        check("Asia/Pyongyang", 2018, (510, None));
    }
}

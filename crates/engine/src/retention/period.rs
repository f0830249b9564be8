//! Lengths of time as people write them: `30d`, `12w`, `6mo`, `2y`, `1y6mo`.

use std::fmt;
use std::str::FromStr;

use jiff::{Span, Timestamp, Zoned};
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind};

/// No part of a period is larger than this; a thousand years are enough for anybody.
const MAX_COUNT: u32 = 10_000;

/// A length of time in calendar units: a year ago is the same date of last year, a day ago the
/// same time of yesterday, whatever the clock did in between.
///
/// Written as numbers with units, larger ones first: `y`, `mo`, `w`, `d`, `h`. There is no unit
/// `m`: it could be minutes or months.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Period {
    counts: [u32; UNITS.len()],
}

/// Units from the largest to the smallest, with the words that are understood.
const UNITS: [&[&str]; 5] = [
    &["y", "year", "years"],
    &["mo", "month", "months"],
    &["w", "week", "weeks"],
    &["d", "day", "days"],
    &["h", "hour", "hours"],
];

impl Period {
    /// A number of days.
    pub fn days(days: u32) -> Self {
        let days = days.min(MAX_COUNT);
        Self {
            counts: [0, 0, 0, days, 0],
        }
    }

    /// The moment this long before `now`, by the calendar of `now`'s time zone; the beginning of
    /// time where that lies before it.
    pub fn before(&self, now: &Zoned) -> Timestamp {
        now.checked_sub(self.span())
            .map_or(Timestamp::MIN, |time| time.timestamp())
    }

    fn span(&self) -> Span {
        let [years, months, weeks, days, hours] = self.counts.map(i64::from);
        // At most MAX_COUNT of each, which is below jiff's limits.
        Span::new()
            .years(years)
            .months(months)
            .weeks(weeks)
            .days(days)
            .hours(hours)
    }
}

impl FromStr for Period {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let invalid = || {
            Error::new(
                ErrorKind::Invalid,
                format!("write `{text}` as 36h, 30d, 12w, 6mo, 2y or 1y6mo"),
            )
        };
        let mut period = Self::default();
        let mut rest = text.trim();
        let mut next_unit = 0;
        while !rest.is_empty() {
            let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            let (number, behind) = rest.split_at(digits);
            let behind = behind.trim_start();
            let letters = behind.len() - behind.trim_start_matches(char::is_alphabetic).len();
            let (unit, behind) = behind.split_at(letters);
            let unit = unit.to_lowercase();
            let place = UNITS.iter().position(|words| words.contains(&&*unit));
            let place = place
                .filter(|place| *place >= next_unit)
                .ok_or_else(invalid)?;
            let count = number
                .parse::<u32>()
                .ok()
                .filter(|count| *count <= MAX_COUNT);
            period.counts[place] = count.ok_or_else(invalid)?;
            next_unit = place + 1;
            rest = behind.trim_start();
        }
        if period == Self::default() {
            return Err(invalid());
        }
        Ok(period)
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = self
            .counts
            .iter()
            .zip(UNITS)
            .filter(|(count, _)| **count > 0);
        parts.try_for_each(|(count, words)| write!(f, "{count}{}", words[0]))
    }
}

impl From<Period> for String {
    fn from(period: Period) -> Self {
        period.to_string()
    }
}

impl TryFrom<String> for Period {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, expected: Option<&str>) {
        let parsed = text.parse::<Period>().ok().map(|period| period.to_string());
        assert_eq!(parsed.as_deref(), expected, "{text:?}");
    }

    #[test]
    fn periods_are_numbers_with_units_from_large_to_small() {
        check("30d", Some("30d"));
        check(" 12 weeks ", Some("12w"));
        check("2y", Some("2y"));
        check("1y6mo", Some("1y6mo"));
        check("1y 6mo 3d 4h", Some("1y6mo3d4h"));
        for bad in [
            "", "0d", "d", "30", "30m", "-3d", "1d1y", "1d2d", "99999d", "3d!",
        ] {
            check(bad, None);
        }
    }

    #[test]
    fn a_period_goes_back_by_the_calendar_and_not_by_seconds() {
        let before = |now: &str, period: &str| {
            let now: Zoned = now.parse().unwrap();
            let period: Period = period.parse().unwrap();
            period
                .before(&now)
                .to_zoned(now.time_zone().clone())
                .to_string()
        };
        // The clocks go back on 25 October: that day has 25 hours.
        assert_eq!(
            before("2026-10-26T02:30[Europe/Berlin]", "2d"),
            "2026-10-24T02:30:00+02:00[Europe/Berlin]"
        );
        assert_eq!(
            before("2026-03-31T10:00[Europe/Berlin]", "1mo"),
            "2026-02-28T10:00:00+01:00[Europe/Berlin]"
        );
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(counts in prop::array::uniform5(0..=MAX_COUNT)) {
            prop_assume!(counts.iter().any(|count| *count > 0));
            let period = Period { counts };
            prop_assert_eq!(period.to_string().parse::<Period>().unwrap(), period);
            let json = serde_json::to_string(&period).unwrap();
            prop_assert_eq!(serde_json::from_str::<Period>(&json).unwrap(), period);
            let _ = period.before(&"2026-11-22T12:00[Europe/Berlin]".parse().unwrap());
        }

        #[test]
        fn anything_is_read_or_refused(text in "\\PC{0,20}") {
            let _ = text.parse::<Period>();
        }
    }
}

//! Decides which items of a chosen folder are meant: by class, age and size.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Selection, class_matches};
use crate::error::{Error, ErrorKind};

const DAY_MS: i64 = 24 * 3600 * 1000;

/// A point in the past: so long before a run, or a day.
///
/// Written `30d`, `8w`, `2y` (of 365 days), or as a date, `2024-05-31`, which begins at midnight UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Age {
    /// As the user wrote it.
    text: String,
    point: Point,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Point {
    BeforeNowMs(i64),
    UnixMs(i64),
}

impl Age {
    /// The point in time, milliseconds since 1970 UTC.
    pub fn unix_ms(&self, now_unix_ms: i64) -> i64 {
        match self.point {
            Point::BeforeNowMs(ms) => now_unix_ms.saturating_sub(ms),
            Point::UnixMs(ms) => ms,
        }
    }

    /// When a thing of that time will be as old as this; `None` where that never changes.
    fn reached_by_unix_ms(&self, time_unix_ms: i64) -> Option<i64> {
        match self.point {
            Point::BeforeNowMs(ms) => Some(time_unix_ms.saturating_add(ms)),
            Point::UnixMs(_) => None,
        }
    }
}

impl FromStr for Age {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        let wrong = || {
            let message = format!("{text} is no age: write 30d, 8w or 2y, or a day: 2024-05-31");
            Error::new(ErrorKind::Invalid, message)
        };
        let days = [('d', 1), ('w', 7), ('y', 365)];
        let counted = days.into_iter().find_map(|(unit, days)| {
            let number: u16 = text.strip_suffix(unit)?.parse().ok()?;
            Some(Point::BeforeNowMs(i64::from(number) * days * DAY_MS))
        });
        let point = match counted {
            Some(point) => point,
            None => {
                let date: Date = text.parse().map_err(|_| wrong())?;
                let start = date.to_zoned(TimeZone::UTC).map_err(|_| wrong())?;
                Point::UnixMs(start.timestamp().as_millisecond())
            }
        };
        Ok(Self {
            text: text.to_owned(),
            point,
        })
    }
}

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for Age {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Age {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A number of bytes; written `500`, `10k`, `25M` or `1G`, of 1,024 each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteCount(pub u64);

/// The units with their letters, largest first.
const UNITS: [(char, u64); 3] = [('G', 1 << 30), ('M', 1 << 20), ('k', 1 << 10)];

impl FromStr for ByteCount {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        let number = text.trim_end_matches(['b', 'B']);
        let unit = UNITS.into_iter().find(|(letter, _)| {
            number.ends_with([letter.to_ascii_lowercase(), letter.to_ascii_uppercase()])
        });
        let (digits, factor) = match unit {
            Some((_, factor)) => (number.get(..number.len() - 1).unwrap_or_default(), factor),
            None => (number, 1),
        };
        let bytes = digits.trim_end().parse::<u64>().ok();
        bytes
            .and_then(|number| number.checked_mul(factor))
            .map(Self)
            .ok_or_else(|| {
                let message = format!("{text} is no size: write 500, 10k, 25M or 1G");
                Error::new(ErrorKind::Invalid, message)
            })
    }
}

impl fmt::Display for ByteCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = UNITS
            .into_iter()
            .find(|(_, factor)| self.0 > 0 && self.0.is_multiple_of(*factor));
        match unit {
            Some((letter, factor)) => write!(f, "{}{letter}", self.0 / factor),
            None => write!(f, "{}", self.0),
        }
    }
}

impl Serialize for ByteCount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ByteCount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrNumber;

        impl Visitor<'_> for TextOrNumber {
            type Value = ByteCount;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a size such as 25M, or a number of bytes")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<ByteCount, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_u64<E: serde::de::Error>(self, bytes: u64) -> Result<ByteCount, E> {
                Ok(ByteCount(bytes))
            }

            fn visit_i64<E: serde::de::Error>(self, bytes: i64) -> Result<ByteCount, E> {
                u64::try_from(bytes).map(ByteCount).map_err(E::custom)
            }
        }

        deserializer.deserialize_any(TextOrNumber)
    }
}

/// What the decision about an item needs to know of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ItemFacts<'a> {
    pub(crate) class: &'a str,
    pub(crate) size_bytes: u64,
    /// From when its age counts; `None` for items without one.
    pub(crate) time_unix_ms: Option<i64>,
}

/// Whether an item is meant, and if not, why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ItemVerdict {
    Selected,
    Class,
    TooOld,
    /// It is too young, and will be old enough at that time, milliseconds since 1970; `None` if
    /// never.
    TooYoung(Option<i64>),
    TooLarge,
    TooSmall,
}

impl ItemVerdict {
    /// Why an item is not meant, in words for a report.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Selected => "selected",
            Self::Class => "of a class that is not selected",
            Self::TooOld => "older than selected",
            Self::TooYoung(_) => "newer than selected",
            Self::TooLarge => "larger than selected",
            Self::TooSmall => "smaller than selected",
        }
    }
}

impl Selection {
    /// Whether an item is meant by its class, age and size.
    pub(crate) fn judge(&self, item: &ItemFacts<'_>, now_unix_ms: i64) -> ItemVerdict {
        let is_of = |classes: &[String]| {
            classes
                .iter()
                .any(|wanted| class_matches(wanted, item.class))
        };
        if is_of(&self.exclude_classes) || !(self.classes.is_empty() || is_of(&self.classes)) {
            return ItemVerdict::Class;
        }
        if self
            .larger_than
            .is_some_and(|limit| item.size_bytes <= limit.0)
        {
            return ItemVerdict::TooSmall;
        }
        if self
            .smaller_than
            .is_some_and(|limit| item.size_bytes >= limit.0)
        {
            return ItemVerdict::TooLarge;
        }
        let Some(time) = item.time_unix_ms else {
            return ItemVerdict::Selected;
        };
        if let Some(age) = &self.newer_than
            && time < age.unix_ms(now_unix_ms)
        {
            return ItemVerdict::TooOld;
        }
        match &self.older_than {
            Some(age) if time >= age.unix_ms(now_unix_ms) => {
                ItemVerdict::TooYoung(age.reached_by_unix_ms(time))
            }
            _ => ItemVerdict::Selected,
        }
    }

    /// Whether the decision needs times of items.
    pub(crate) fn asks_for_times(&self) -> bool {
        self.newer_than.is_some() || self.older_than.is_some()
    }
}

/// Whether items of this class have an age.
pub(crate) fn has_age(class: &str) -> bool {
    !["IPM.Contact", "IPM.DistList", "IPM.AbchPerson"]
        .iter()
        .any(|ageless| class_matches(ageless, class))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: i64 = 1_790_000_000_000;

    #[test]
    fn ages_and_sizes_are_written_short() {
        let age = |text: &str| text.parse::<Age>().map(|age| NOW - age.unix_ms(NOW)).ok();
        assert_eq!(age("30d"), Some(30 * DAY_MS));
        assert_eq!(age("2w"), Some(14 * DAY_MS));
        assert_eq!(age("1y"), Some(365 * DAY_MS));
        let day: Age = "1970-01-02".parse().unwrap();
        assert_eq!(day.unix_ms(NOW), DAY_MS);
        for bad in ["", "d", "-1d", "5m", "soon", "2024-13-01", "99999999d"] {
            assert!(bad.parse::<Age>().is_err(), "{bad}");
        }
        let size = |text: &str| text.parse::<ByteCount>().map(|size| size.0).ok();
        assert_eq!(size("500"), Some(500));
        assert_eq!(size("10k"), Some(10 << 10));
        assert_eq!(size("25MB"), Some(25 << 20));
        assert_eq!(size("1g"), Some(1 << 30));
        for bad in ["", "k", "-1", "1.5M", "99999999999G", "ß"] {
            assert!(bad.parse::<ByteCount>().is_err(), "{bad}");
        }
    }

    fn item(class: &str, size_bytes: u64, days: i64) -> ItemFacts<'_> {
        ItemFacts {
            class,
            size_bytes,
            time_unix_ms: Some(NOW - days * DAY_MS),
        }
    }

    #[test]
    fn items_are_judged_by_class_size_and_age() {
        let selection = Selection {
            exclude_classes: vec!["IPM.Post".into()],
            newer_than: Some("1y".parse().unwrap()),
            older_than: Some("30d".parse().unwrap()),
            larger_than: Some(ByteCount(100)),
            smaller_than: Some(ByteCount(1000)),
            ..Selection::default()
        };
        let check = |item: ItemFacts<'_>, expected| {
            assert_eq!(selection.judge(&item, NOW), expected, "{item:?}");
        };
        check(item("IPM.Note", 500, 100), ItemVerdict::Selected);
        check(item("IPM.Post.X", 500, 100), ItemVerdict::Class);
        check(item("IPM.Note", 100, 100), ItemVerdict::TooSmall);
        check(item("IPM.Note", 1000, 100), ItemVerdict::TooLarge);
        check(item("IPM.Note", 500, 366), ItemVerdict::TooOld);
        let ripe = ItemVerdict::TooYoung(Some(NOW + 28 * DAY_MS));
        check(item("IPM.Note", 500, 2), ripe);
        let ageless = ItemFacts {
            time_unix_ms: None,
            ..item("IPM.Contact", 500, 0)
        };
        check(ageless, ItemVerdict::Selected);
        assert!(!has_age("IPM.Contact.Mine") && has_age("IPM.Note"));
    }

    proptest! {
        #[test]
        fn sizes_are_read_as_they_are_written(bytes: u64) {
            prop_assert_eq!(ByteCount(bytes).to_string().parse::<ByteCount>().unwrap(), ByteCount(bytes));
        }

        #[test]
        fn what_is_too_young_is_old_enough_at_the_time_that_was_said(
            limit in 1u16..3000, age_ms in 0..300 * DAY_MS
        ) {
            let selection = Selection {
                older_than: Some(format!("{limit}d").parse().unwrap()),
                ..Selection::default()
            };
            let facts = ItemFacts { time_unix_ms: Some(NOW - age_ms), ..ItemFacts::default() };
            if let ItemVerdict::TooYoung(at) = selection.judge(&facts, NOW) {
                let at = at.unwrap();
                prop_assert!(at >= NOW);
                prop_assert!(selection.judge(&facts, at) != ItemVerdict::Selected);
                prop_assert_eq!(selection.judge(&facts, at + 1), ItemVerdict::Selected);
            }
        }

        #[test]
        fn a_class_is_never_both_chosen_and_excluded(class in "[A-C](\\.[A-C]){0,3}", rule in "[A-C*](\\.[A-C*]){0,2}") {
            let only = Selection { classes: vec![rule.clone()], ..Selection::default() };
            let but = Selection { exclude_classes: vec![rule], ..Selection::default() };
            let facts = ItemFacts { class: &class, ..ItemFacts::default() };
            let chosen = |selection: &Selection| selection.judge(&facts, NOW) == ItemVerdict::Selected;
            prop_assert!(chosen(&only) != chosen(&but));
        }
    }
}

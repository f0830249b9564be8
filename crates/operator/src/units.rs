//! Lengths of time, sizes, rates and shares, as people write them in a configuration.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Longest span that a configuration may name: a hundred years, so that sums never overflow.
const MAX_SPAN_SECS: u64 = 100 * 366 * 24 * 3600;

/// A length of time such as `90s`, `15m`, `4h`, `1h30m` or `2d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TimeSpan(pub Duration);

impl TimeSpan {
    /// A span of whole seconds.
    pub const fn secs(secs: u64) -> Self {
        Self(Duration::from_secs(secs))
    }

    /// The same in milliseconds.
    pub fn as_ms(self) -> i64 {
        i64::try_from(self.0.as_millis()).unwrap_or(i64::MAX)
    }
}

impl FromStr for TimeSpan {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "give a time such as 90s, 15m, 4h, 1h30m or 2d".to_owned();
        let mut secs: u64 = 0;
        let mut last_unit = u64::MAX;
        let mut rest = text.trim();
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
            let number: u64 = rest[..digits].parse().map_err(|_| wrong())?;
            rest = rest[digits..].trim_start();
            let end = rest
                .find(|c: char| !c.is_ascii_alphabetic())
                .unwrap_or(rest.len());
            let unit = match &rest[..end] {
                "s" | "sec" | "secs" | "second" | "seconds" => 1,
                "m" | "min" | "mins" | "minute" | "minutes" => 60,
                "h" | "hour" | "hours" => 3600,
                "d" | "day" | "days" => 24 * 3600,
                "w" | "week" | "weeks" => 7 * 24 * 3600,
                _ => return Err(wrong()),
            };
            // Units go down, so that `5m2h` is met as the mistake it probably is.
            if unit >= last_unit {
                return Err(wrong());
            }
            last_unit = unit;
            secs = number
                .checked_mul(unit)
                .and_then(|more| secs.checked_add(more))
                .filter(|secs| *secs <= MAX_SPAN_SECS)
                .ok_or_else(|| "the time is too long".to_owned())?;
            rest = rest[end..].trim_start();
        }
        match last_unit {
            u64::MAX => Err(wrong()),
            _ => Ok(Self::secs(secs)),
        }
    }
}

impl fmt::Display for TimeSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut left = self.0.as_secs();
        if left == 0 {
            return f.write_str("0s");
        }
        for (unit, name) in [(24 * 3600, "d"), (3600, "h"), (60, "m"), (1, "s")] {
            if left >= unit {
                write!(f, "{}{name}", left / unit)?;
                left %= unit;
            }
        }
        Ok(())
    }
}

/// A number of bytes such as `5 MB` or `256 MiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Size(pub u64);

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "give a size such as 500 kB, 5 MB, 1.5 GB or 256 MiB".to_owned();
        let text = text.trim();
        let end = text
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .ok_or_else(wrong)?;
        let number: f64 = text[..end].parse().map_err(|_| wrong())?;
        let unit: u64 = match text[end..].trim().to_ascii_lowercase().as_str() {
            "b" => 1,
            "k" | "kb" => 1_000,
            "m" | "mb" => 1_000_000,
            "g" | "gb" => 1_000_000_000,
            "t" | "tb" => 1_000_000_000_000,
            "kib" => 1 << 10,
            "mib" => 1 << 20,
            "gib" => 1 << 30,
            "tib" => 1 << 40,
            _ => return Err(wrong()),
        };
        let bytes = number * unit as f64;
        // Beyond 2^53 a float counts no single bytes any more, and nothing here is that large.
        if !(1.0..=9e15).contains(&bytes) {
            return Err("the size must be between 1 B and 9000 TB".to_owned());
        }
        Ok(Self(bytes.round() as u64))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [
            (1_000_000_000_000, "TB"),
            (1 << 40, "TiB"),
            (1_000_000_000, "GB"),
            (1 << 30, "GiB"),
            (1_000_000, "MB"),
            (1 << 20, "MiB"),
            (1_000, "kB"),
            (1 << 10, "KiB"),
        ];
        match units
            .iter()
            .find(|(unit, _)| self.0 > 0 && self.0.is_multiple_of(*unit))
        {
            Some((unit, name)) => write!(f, "{} {name}", self.0 / unit),
            None => write!(f, "{} B", self.0),
        }
    }
}

/// One of several machines that share a set, such as `2/5`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Shard {
    /// Which, from 1.
    pub number: u32,
    /// Of how many.
    pub of: u32,
}

impl Shard {
    /// Most machines that can share a set.
    const MAX: u32 = 1000;
    /// Domain of the hash, so that it agrees with nothing else by chance.
    const CONTEXT: &'static str = "postkeep v1 shard of a mailbox";

    /// The shard that a mailbox belongs to among `of`: the same on every machine and for ever.
    pub fn number_of(mailbox: &str, of: u32) -> u32 {
        let mut hasher = blake3::Hasher::new_derive_key(Self::CONTEXT);
        hasher.update(mailbox.trim().to_lowercase().as_bytes());
        let hash = hasher.finalize();
        let mut first = [0; 8];
        first.copy_from_slice(&hash.as_bytes()[..8]);
        let number = u64::from_le_bytes(first) % u64::from(of.max(1));
        u32::try_from(number).unwrap_or(0) + 1
    }

    /// Whether a mailbox is this shard's.
    pub fn has(self, mailbox: &str) -> bool {
        Self::number_of(mailbox, self.of) == self.number
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "give a shard as NUMBER/COUNT, such as 2/5".to_owned();
        let (number, of) = text.split_once('/').ok_or_else(wrong)?;
        let number: u32 = number.trim().parse().map_err(|_| wrong())?;
        let of: u32 = of.trim().parse().map_err(|_| wrong())?;
        if of == 0 || of > Self::MAX || number == 0 || number > of {
            return Err(format!(
                "shards count from 1 to at most {}, and the number is none above the count",
                Self::MAX
            ));
        }
        Ok(Self { number, of })
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

/// The texts that serde reads and writes are those of `FromStr` and `Display`.
macro_rules! as_text {
    ($($type:ty),+) => {$(
        impl TryFrom<String> for $type {
            type Error = String;

            fn try_from(text: String) -> Result<Self, String> {
                text.parse()
            }
        }

        impl From<$type> for String {
            fn from(value: $type) -> Self {
                value.to_string()
            }
        }
    )+};
}
as_text!(TimeSpan, Size, Shard);
pub(crate) use as_text;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_written_with_units_that_go_down() {
        let check = |text: &str, secs: Option<u64>| {
            let span = text.parse::<TimeSpan>().ok().map(|span| span.0.as_secs());
            assert_eq!(span, secs, "{text}");
        };
        check("90s", Some(90));
        check("1h30m", Some(5400));
        check("1h 30 min", Some(5400));
        check("2d", Some(172_800));
        for wrong in [
            "",
            "15",
            "m",
            "5m2h",
            "1h1h",
            "-5m",
            "99999999999d",
            "soon",
            "5 fortnights",
        ] {
            check(wrong, None);
        }
    }

    #[test]
    fn sizes_are_decimal_or_binary() {
        let check = |text: &str, bytes: Option<u64>| {
            assert_eq!(
                text.parse::<Size>().ok().map(|size| size.0),
                bytes,
                "{text}"
            );
        };
        check("5 MB", Some(5_000_000));
        check("1.5kB", Some(1500));
        check("256 MiB", Some(256 << 20));
        for wrong in [
            "", "5", "MB", "0 B", "1 parsec", "1..2 MB", "99999 TB", "NaN MB",
        ] {
            check(wrong, None);
        }
    }

    #[test]
    fn what_is_shown_is_read_back_the_same() {
        for text in ["1d2h3m4s", "45s", "7d"] {
            let span: TimeSpan = text.parse().unwrap();
            assert_eq!(span.to_string(), text);
        }
        for text in ["5 MB", "256 MiB", "1500 kB", "1 B"] {
            let size: Size = text.parse().unwrap();
            assert_eq!(size.to_string().parse::<Size>().unwrap(), size, "{text}");
        }
    }

    #[test]
    fn every_mailbox_belongs_to_exactly_one_shard_whatever_its_case() {
        let mut counts = [0_u32; 5];
        for n in 0..1000 {
            let mailbox = format!("user{n}@example.test");
            let number = Shard::number_of(&mailbox, 5);
            counts[number as usize - 1] += 1;
            let holders = (1..=5).filter(|number| {
                Shard {
                    number: *number,
                    of: 5,
                }
                .has(&mailbox.to_uppercase())
            });
            assert_eq!(holders.collect::<Vec<_>>(), [number]);
        }
        // A split that lets one machine do most of the work is none.
        assert!(
            counts.iter().all(|count| (150..250).contains(count)),
            "{counts:?}"
        );
        // Written down: another release must not move mailboxes between machines.
        assert_eq!(Shard::number_of("alice@example.test", 5), 3);
    }

    #[test]
    fn shards_are_numbers_within_a_count() {
        assert!("2/5".parse::<Shard>().is_ok());
        for wrong in ["0/5", "6/5", "1/0", "2", "a/b", "1/5000"] {
            assert!(wrong.parse::<Shard>().is_err(), "{wrong}");
        }
    }
}

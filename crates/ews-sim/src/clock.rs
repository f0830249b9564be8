//! Where the simulator's times come from.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;

/// Windows file time of 2026-01-05 08:00:00 UTC, where the logical clock starts.
const LOGICAL_START: u64 = 134_120_736_000_000_000;
/// The logical clock moves by one second (in 100 ns ticks) for each reading.
const LOGICAL_STEP: u64 = 10_000_000;

/// The simulator's clock: what a store-assigned time says.
///
/// The default is a logical clock: it starts at a fixed instant and moves on one second whenever
/// it is read, so that a world built twice from the same data is the same to the last bit.
#[derive(Clone)]
pub struct Clock(Source);

#[derive(Clone)]
enum Source {
    Logical(Arc<AtomicU64>),
    Function(Arc<dyn Fn() -> Timestamp + Send + Sync>),
}

impl Clock {
    /// Creates the logical clock.
    pub fn logical() -> Clock {
        Clock(Source::Logical(Arc::new(AtomicU64::new(LOGICAL_START))))
    }

    /// Creates a clock that asks a function, such as one reading the wall clock.
    pub fn from_fn(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Clock {
        Clock(Source::Function(Arc::new(now)))
    }

    /// Where the logical clock stands.
    pub(crate) fn ticks(&self) -> Option<u64> {
        match &self.0 {
            Source::Logical(ticks) => Some(ticks.load(Ordering::Relaxed)),
            Source::Function(_) => None,
        }
    }

    /// Lets the logical clock go on from where it stood.
    pub(crate) fn resume(&self, stood: u64) {
        if let Source::Logical(ticks) = &self.0 {
            ticks.fetch_max(stood, Ordering::Relaxed);
        }
    }

    /// Reads the clock, in 100 ns ticks since 1601 (a Windows file time).
    pub(crate) fn now(&self) -> u64 {
        match &self.0 {
            Source::Logical(ticks) => ticks.fetch_add(LOGICAL_STEP, Ordering::Relaxed),
            Source::Function(now) => ticks_of(now()),
        }
    }
}

impl Default for Clock {
    fn default() -> Clock {
        Clock::logical()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Source::Logical(_) => "Clock::logical",
            Source::Function(_) => "Clock::from_fn",
        })
    }
}

/// Seconds between 1601-01-01 and 1970-01-01.
const EPOCH_GAP_SECONDS: i64 = 11_644_473_600;

/// Converts a timestamp to 100 ns ticks since 1601; earlier times become 0.
pub(crate) fn ticks_of(time: Timestamp) -> u64 {
    let ticks = i128::from(time.as_second() + EPOCH_GAP_SECONDS) * 10_000_000
        + i128::from(time.subsec_nanosecond() / 100);
    u64::try_from(ticks).unwrap_or(0)
}

/// Converts ticks since 1601 to a timestamp; ticks beyond year 9999 become the last timestamp.
pub(crate) fn timestamp_of(ticks: u64) -> Timestamp {
    let seconds = i64::try_from(ticks / 10_000_000).unwrap_or(i64::MAX) - EPOCH_GAP_SECONDS;
    let nanoseconds = i32::try_from(ticks % 10_000_000).unwrap_or(0) * 100;
    Timestamp::new(seconds, nanoseconds).unwrap_or(Timestamp::MAX)
}

/// Formats ticks as an `xs:dateTime` in UTC with whole seconds, as Exchange writes times.
pub(crate) fn xml_time(ticks: u64) -> String {
    let civil = jiff::tz::Offset::UTC.to_datetime(timestamp_of(ticks));
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
        civil.year(),
        civil.month(),
        civil.day(),
        civil.hour(),
        civil.minute(),
        civil.second()
    )
}

/// Parses an `xs:dateTime`; a time without an offset is taken as UTC.
pub(crate) fn parse_xml_time(text: &str) -> Option<u64> {
    let text = text.trim();
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(ticks_of(time));
    }
    let civil = text
        .trim_end_matches('Z')
        .parse::<jiff::civil::DateTime>()
        .ok()?;
    let zoned = jiff::tz::Offset::UTC.to_timestamp(civil).ok()?;
    Some(ticks_of(zoned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_survive_a_round_trip() {
        for text in [
            "2026-01-05T08:00:00Z",
            "1999-12-31T23:59:59Z",
            "1601-01-01T00:00:00Z",
        ] {
            assert_eq!(xml_time(parse_xml_time(text).unwrap()), text);
        }
        assert_eq!(xml_time(LOGICAL_START), "2026-01-05T08:00:00Z");
    }

    #[test]
    fn offsets_and_missing_offsets_are_understood() {
        let utc = parse_xml_time("2026-01-05T08:00:00Z");
        assert_eq!(parse_xml_time("2026-01-05T09:00:00+01:00"), utc);
        assert_eq!(parse_xml_time("2026-01-05T08:00:00"), utc);
        assert_eq!(parse_xml_time("soon"), None);
    }
}

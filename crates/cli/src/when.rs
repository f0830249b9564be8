//! Times as people type them.

use engine::{TimeZone, Timestamp, Zoned};
use jiff::civil::{Date, DateTime};

use crate::config::Context;
use crate::exit::{Failure, Result};

/// A time zone by its name; this machine's if none is named.
pub fn zone(name: Option<&str>) -> Result<TimeZone> {
    match name {
        None => Ok(TimeZone::system()),
        Some(name) => TimeZone::get(name).map_err(|_| {
            Failure::usage(format!("{name} is no time zone")).hint("a name such as Europe/Berlin")
        }),
    }
}

/// Now, in a time zone.
pub fn now(context: &Context, zone: TimeZone) -> Result<Zoned> {
    let now = (context.environment.now_unix_ms)();
    Timestamp::from_millisecond(now)
        .map(|now| now.to_zoned(zone))
        .map_err(|_| Failure::usage("this machine's clock is out of range"))
}

/// A moment: `2026-11-02 14:00`, `2026-11-02` (its beginning), or with an offset or a time zone
/// of its own.
pub fn moment(text: &str, zone: &TimeZone) -> Result<Timestamp> {
    let text = text.trim();
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    if let Ok(time) = text.parse::<Zoned>() {
        return Ok(time.timestamp());
    }
    // With a time first: a date alone is read from the beginning of any time.
    let civil = match text.len() {
        ..=10 => text.parse::<Date>().map(|date| date.at(0, 0, 0, 0)),
        _ => text.parse::<DateTime>(),
    };
    let civil = civil.map_err(|_| {
        Failure::usage(format!("`{text}` is no date and time"))
            .hint("2026-11-02, or \"2026-11-02 14:00\", or 2026-11-02T14:00+01:00")
    })?;
    zone.to_timestamp(civil)
        .map_err(|_| Failure::usage(format!("`{text}` is out of range")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let found = moment(text, &berlin).ok().map(|time| time.to_string());
        assert_eq!(found.as_deref(), expected, "{text}");
    }

    #[test]
    fn a_moment_is_in_the_time_zone_unless_it_names_its_own() {
        check("2026-11-02 14:00", Some("2026-11-02T13:00:00Z"));
        check("2026-07-02 14:00", Some("2026-07-02T12:00:00Z"));
        check("2026-11-02T14:00:30", Some("2026-11-02T13:00:30Z"));
        check("2026-11-02", Some("2026-11-01T23:00:00Z"));
        check("2026-11-02T14:00:00Z", Some("2026-11-02T14:00:00Z"));
        check("2026-11-02T14:00+03:00", Some("2026-11-02T11:00:00Z"));
        check(
            "2026-11-02T14:00[America/New_York]",
            Some("2026-11-02T19:00:00Z"),
        );
        // The clocks go back at 03:00 on 25 October; the first of the two is meant.
        check("2026-10-25 02:30", Some("2026-10-25T00:30:00Z"));
        for bad in ["", "yesterday", "2026-13-01", "14:00", "2026-11-02 25:00"] {
            check(bad, None);
        }
    }
}

//! Time zones by the names that Windows and the tz database have for them.

pub(crate) mod definition;
mod rules;
mod table;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};

use crate::clock::timestamp_of;

pub(crate) use rules::{Change, Rules};
pub(crate) use table::ZONES;

/// The year whose rules hold where nothing names another; a server of that time knows no later ones.
pub(crate) const THIS_YEAR: i16 = 2026;

/// The zone of a name of either kind; UTC for none and for one that nobody knows.
pub(crate) fn find(name: Option<&str>) -> TimeZone {
    name.and_then(known).unwrap_or(TimeZone::UTC)
}

/// The zone of a name of either kind.
pub(crate) fn known(name: &str) -> Option<TimeZone> {
    let row = ZONES.iter().find(|row| row.0.eq_ignore_ascii_case(name));
    TimeZone::get(row.map_or(name, |row| row.2)).ok()
}

/// Windows' name for a zone of either kind of name, and what people see of it.
pub(crate) fn windows(name: &str) -> Option<(&'static str, &'static str)> {
    let is = |row: &&(&str, &str, &str)| {
        row.0.eq_ignore_ascii_case(name) || row.2.eq_ignore_ascii_case(name)
    };
    ZONES.iter().find(is).map(|row| (row.0, row.1))
}

/// A time as clocks in a zone show it, with their distance from UTC.
pub(crate) fn wall_clock(name: Option<&str>, ticks: u64) -> String {
    let at = timestamp_of(ticks).to_zoned(find(name));
    let sign = if at.offset().is_negative() { '-' } else { '+' };
    let minutes = at.offset().seconds().abs() / 60;
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}{sign}{:02}:{:02}",
        at.year(),
        at.month(),
        at.day(),
        at.hour(),
        at.minute(),
        at.second(),
        minutes / 60,
        minutes % 60
    )
}

/// What tells the local time of a series.
pub(crate) enum Clockwork {
    Zone(TimeZone),
    /// Nobody knows the zone: as far from UTC as the series begins.
    Fixed(TimeZone),
}

impl Clockwork {
    /// By the zone's name, if that agrees with how local and universal time of the first
    /// occurrence differ, where both are known.
    pub(crate) fn of(name: Option<&str>, local: DateTime, utc: Option<u64>) -> Clockwork {
        let zone = name.and_then(known);
        let Some(utc) = utc.map(timestamp_of) else {
            return Clockwork::Zone(zone.unwrap_or(TimeZone::UTC));
        };
        if let Some(zone) = zone.filter(|zone| zone.to_datetime(utc) == local) {
            return Clockwork::Zone(zone);
        }
        let far = Offset::UTC
            .to_timestamp(local)
            .map_or(0, |as_utc| (as_utc.as_second() - utc.as_second()) / 60 * 60);
        let offset = i32::try_from(far)
            .ok()
            .and_then(|far| Offset::from_seconds(far).ok());
        Clockwork::Fixed(offset.map_or(TimeZone::UTC, TimeZone::fixed))
    }

    fn zone(&self) -> &TimeZone {
        match self {
            Clockwork::Zone(zone) | Clockwork::Fixed(zone) => zone,
        }
    }

    /// The local time of an instant.
    pub(crate) fn local(&self, at: Timestamp) -> DateTime {
        self.zone().to_datetime(at)
    }

    /// The instant of a local time; of the later one where the clocks leave it out.
    pub(crate) fn utc(&self, local: DateTime) -> Timestamp {
        self.zone()
            .to_timestamp(local)
            .unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

//! Time zones by the names that Windows and the tz database have for them.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};

use crate::clock::timestamp_of;

/// Windows' name, what people see, and the tz database's name.
pub(crate) const ZONES: &[(&str, &str, &str)] = &[
    (
        "Dateline Standard Time",
        "(UTC-12:00) International Date Line West",
        "Etc/GMT+12",
    ),
    (
        "Hawaiian Standard Time",
        "(UTC-10:00) Hawaii",
        "Pacific/Honolulu",
    ),
    (
        "Alaskan Standard Time",
        "(UTC-09:00) Alaska",
        "America/Anchorage",
    ),
    (
        "Pacific Standard Time",
        "(UTC-08:00) Pacific Time (US & Canada)",
        "America/Los_Angeles",
    ),
    (
        "US Mountain Standard Time",
        "(UTC-07:00) Arizona",
        "America/Phoenix",
    ),
    (
        "Mountain Standard Time",
        "(UTC-07:00) Mountain Time (US & Canada)",
        "America/Denver",
    ),
    (
        "Central America Standard Time",
        "(UTC-06:00) Central America",
        "America/Guatemala",
    ),
    (
        "Central Standard Time",
        "(UTC-06:00) Central Time (US & Canada)",
        "America/Chicago",
    ),
    (
        "SA Pacific Standard Time",
        "(UTC-05:00) Bogota, Lima, Quito, Rio Branco",
        "America/Bogota",
    ),
    (
        "Eastern Standard Time",
        "(UTC-05:00) Eastern Time (US & Canada)",
        "America/New_York",
    ),
    (
        "Atlantic Standard Time",
        "(UTC-04:00) Atlantic Time (Canada)",
        "America/Halifax",
    ),
    (
        "Newfoundland Standard Time",
        "(UTC-03:30) Newfoundland",
        "America/St_Johns",
    ),
    (
        "E. South America Standard Time",
        "(UTC-03:00) Brasilia",
        "America/Sao_Paulo",
    ),
    (
        "Argentina Standard Time",
        "(UTC-03:00) City of Buenos Aires",
        "America/Argentina/Buenos_Aires",
    ),
    (
        "Azores Standard Time",
        "(UTC-01:00) Azores",
        "Atlantic/Azores",
    ),
    ("UTC", "(UTC) Coordinated Universal Time", "UTC"),
    (
        "GMT Standard Time",
        "(UTC+00:00) Dublin, Edinburgh, Lisbon, London",
        "Europe/London",
    ),
    (
        "Greenwich Standard Time",
        "(UTC+00:00) Monrovia, Reykjavik",
        "Atlantic/Reykjavik",
    ),
    (
        "W. Europe Standard Time",
        "(UTC+01:00) Amsterdam, Berlin, Bern, Rome, Stockholm, Vienna",
        "Europe/Berlin",
    ),
    (
        "Central Europe Standard Time",
        "(UTC+01:00) Belgrade, Bratislava, Budapest, Ljubljana, Prague",
        "Europe/Budapest",
    ),
    (
        "Romance Standard Time",
        "(UTC+01:00) Brussels, Copenhagen, Madrid, Paris",
        "Europe/Paris",
    ),
    (
        "Central European Standard Time",
        "(UTC+01:00) Sarajevo, Skopje, Warsaw, Zagreb",
        "Europe/Warsaw",
    ),
    (
        "W. Central Africa Standard Time",
        "(UTC+01:00) West Central Africa",
        "Africa/Lagos",
    ),
    (
        "GTB Standard Time",
        "(UTC+02:00) Athens, Bucharest",
        "Europe/Bucharest",
    ),
    (
        "FLE Standard Time",
        "(UTC+02:00) Helsinki, Kyiv, Riga, Sofia, Tallinn, Vilnius",
        "Europe/Kiev",
    ),
    (
        "South Africa Standard Time",
        "(UTC+02:00) Harare, Pretoria",
        "Africa/Johannesburg",
    ),
    (
        "Israel Standard Time",
        "(UTC+02:00) Jerusalem",
        "Asia/Jerusalem",
    ),
    (
        "Turkey Standard Time",
        "(UTC+03:00) Istanbul",
        "Europe/Istanbul",
    ),
    (
        "Russian Standard Time",
        "(UTC+03:00) Moscow, St. Petersburg",
        "Europe/Moscow",
    ),
    (
        "Arab Standard Time",
        "(UTC+03:00) Kuwait, Riyadh",
        "Asia/Riyadh",
    ),
    (
        "Arabian Standard Time",
        "(UTC+04:00) Abu Dhabi, Muscat",
        "Asia/Dubai",
    ),
    (
        "India Standard Time",
        "(UTC+05:30) Chennai, Kolkata, Mumbai, New Delhi",
        "Asia/Kolkata",
    ),
    (
        "SE Asia Standard Time",
        "(UTC+07:00) Bangkok, Hanoi, Jakarta",
        "Asia/Bangkok",
    ),
    (
        "China Standard Time",
        "(UTC+08:00) Beijing, Chongqing, Hong Kong, Urumqi",
        "Asia/Shanghai",
    ),
    (
        "Singapore Standard Time",
        "(UTC+08:00) Kuala Lumpur, Singapore",
        "Asia/Singapore",
    ),
    (
        "Tokyo Standard Time",
        "(UTC+09:00) Osaka, Sapporo, Tokyo",
        "Asia/Tokyo",
    ),
    ("Korea Standard Time", "(UTC+09:00) Seoul", "Asia/Seoul"),
    (
        "AUS Eastern Standard Time",
        "(UTC+10:00) Canberra, Melbourne, Sydney",
        "Australia/Sydney",
    ),
    (
        "New Zealand Standard Time",
        "(UTC+12:00) Auckland, Wellington",
        "Pacific/Auckland",
    ),
];

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

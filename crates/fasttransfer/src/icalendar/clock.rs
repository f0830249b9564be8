//! Times in calendar files: in the item's zone where it has one, else in UTC.

use jiff::civil::{DateTime, date};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::content_line::{ContentLines, quoted_parameter};
use crate::recurrence::Recurrence;
use crate::time_zone::{Change, Zone};
use crate::{PropertyBag, named};

/// The year from which a zone's yearly changes are written.
const FIRST_YEAR: i16 = 1970;

/// How an item's times are written.
pub(super) struct Clock {
    pub(super) zone: Option<Zone>,
    pub(super) all_day: bool,
}

impl Clock {
    /// The clock of an appointment.
    pub(super) fn of(props: &PropertyBag, series: Option<&Recurrence>) -> Self {
        let definition = |id| Zone::from_definition(props.binary(id)?);
        let described = props.text(named::TIME_ZONE_DESCRIPTION).unwrap_or_default();
        let of_series = || {
            definition(named::APPOINTMENT_TIME_ZONE_DEFINITION_RECUR)
                .or_else(|| Zone::from_struct(props.binary(named::TIME_ZONE_STRUCT)?, &described))
        };
        let zone = match series {
            Some(series) => of_series().or_else(|| fixed(props, series)),
            None => {
                definition(named::APPOINTMENT_TIME_ZONE_DEFINITION_START_DISPLAY).or_else(of_series)
            }
        };
        Self {
            zone: zone.filter(|zone| !zone.is_utc()).map(named_zone),
            all_day: props.boolean(named::APPOINTMENT_SUB_TYPE) == Some(true),
        }
    }

    /// What the clock shows at a moment.
    pub(super) fn local(&self, time: Timestamp) -> DateTime {
        self.zone
            .as_ref()
            .and_then(|zone| zone.to_local(time))
            .unwrap_or_else(|| time.to_zoned(TimeZone::UTC).datetime())
    }

    pub(super) fn utc(&self, local: DateTime) -> Option<Timestamp> {
        match &self.zone {
            Some(zone) => zone.to_utc(local),
            None => Some(local.to_zoned(TimeZone::UTC).ok()?.timestamp()),
        }
    }

    /// Writes a property whose value is a local time. Days are written as such if that loses
    /// nothing.
    pub(super) fn write(&self, lines: &mut ContentLines, name: &str, local: DateTime) {
        self.write_all(lines, name, &[local]);
    }

    /// The same for several times in one property.
    pub(super) fn write_all(&self, lines: &mut ContentLines, name: &str, local: &[DateTime]) {
        let join = |format: &str| {
            let texts: Vec<String> = local
                .iter()
                .map(|time| time.strftime(format).to_string())
                .collect();
            texts.join(",")
        };
        if self.all_day && local.iter().all(|time| time.date().at(0, 0, 0, 0) == *time) {
            lines.raw(&format!("{name};VALUE=DATE"), &join("%Y%m%d"));
            return;
        }
        match &self.zone {
            Some(zone) => {
                let zone = quoted_parameter(&zone.name);
                lines.raw(&format!("{name};TZID={zone}"), &join("%Y%m%dT%H%M%S"));
            }
            None => lines.raw(name, &join("%Y%m%dT%H%M%SZ")),
        }
    }

    /// The VTIMEZONE that the file's times name.
    pub(super) fn write_zone(&self, lines: &mut ContentLines) {
        let Some(zone) = &self.zone else { return };
        lines.raw("BEGIN", "VTIMEZONE");
        lines.raw("TZID", &zone.name);
        let (standard, daylight) = (zone.standard_minutes, zone.daylight_minutes);
        match &zone.changes {
            None => observance(lines, "STANDARD", standard, standard, None),
            Some((to_standard, to_daylight)) => {
                observance(lines, "STANDARD", daylight, standard, Some(to_standard));
                observance(lines, "DAYLIGHT", standard, daylight, Some(to_daylight));
            }
        }
        lines.raw("END", "VTIMEZONE");
    }
}

fn observance(lines: &mut ContentLines, name: &str, from: i32, to: i32, change: Option<&Change>) {
    lines.raw("BEGIN", name);
    let first = change
        .and_then(|change| (FIRST_YEAR..FIRST_YEAR + 200).find_map(|year| change.in_year(year)));
    let first = first.unwrap_or_else(|| date(FIRST_YEAR, 1, 1).at(0, 0, 0, 0));
    lines.raw("DTSTART", &first.strftime("%Y%m%dT%H%M%S").to_string());
    lines.raw("TZOFFSETFROM", &offset(from));
    lines.raw("TZOFFSETTO", &offset(to));
    if let Some(change) = change.filter(|change| change.is_yearly()) {
        let nth = if change.nth == 5 { -1 } else { change.nth };
        let day = super::series::weekday(change.weekday.unsigned_abs().into());
        let month = change.month;
        lines.raw(
            "RRULE",
            &format!("FREQ=YEARLY;BYMONTH={month};BYDAY={nth}{day}"),
        );
    }
    lines.raw("END", name);
}

fn offset(minutes: i32) -> String {
    let sign = if minutes < 0 { '-' } else { '+' };
    let minutes = minutes.abs();
    format!("{sign}{:02}{:02}", minutes / 60, minutes % 60)
}

/// A series without a zone says what its clocks show, and when in UTC it first happens.
fn fixed(props: &PropertyBag, series: &Recurrence) -> Option<Zone> {
    let start = props.time(named::APPOINTMENT_START_WHOLE)?.to_timestamp()?;
    let local = local_time(series.start_date)?
        .to_zoned(TimeZone::UTC)
        .ok()?;
    let shown = local.timestamp().as_second() + i64::from(series.start_offset) * 60;
    let minutes = i32::try_from((shown - start.as_second()) / 60).ok()?;
    (minutes.abs() <= 14 * 60).then(|| Zone {
        name: format!("UTC{}", offset(minutes)),
        standard_minutes: minutes,
        daylight_minutes: minutes,
        changes: None,
    })
}

fn named_zone(mut zone: Zone) -> Zone {
    if zone.name.trim().is_empty() {
        zone.name = format!("UTC{}", offset(zone.standard_minutes));
    }
    zone
}

/// A time in minutes since 1601, as recurrences have it.
pub(super) fn local_time(minutes: u32) -> Option<DateTime> {
    date(1601, 1, 1)
        .at(0, 0, 0, 0)
        .checked_add(SignedDuration::from_mins(i64::from(minutes)))
        .ok()
}

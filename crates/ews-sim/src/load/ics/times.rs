//! When events happen, and in which zone.

use fasttransfer::{PropertyBag, named, tag};
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};

use super::super::content_line::{Component, ContentLine};
use super::super::props::{put_bool, put_i32, put_opt, put_time};
use super::super::zone::{Zones, civil};
use crate::zones::{self, definition};

/// When an event happens, local and in UTC.
pub(super) struct Times {
    pub(super) local_start: Option<DateTime>,
    pub(super) start: Option<i64>,
    end: Option<i64>,
    pub(super) all_day: bool,
    pub(super) zone: Option<String>,
    end_zone: Option<String>,
    pub(super) zones: Zones,
    pub(super) deleted: Vec<Date>,
}

impl Times {
    pub(super) fn read(calendar: &Component, event: &Component) -> Self {
        let zones = Zones::read(calendar);
        let begin = event.line("DTSTART");
        let start = begin.and_then(|l| instant(&zones, l));
        let all_day = begin.is_some_and(|l| !l.value.contains(['T', 't']));
        let end = event
            .line("DTEND")
            .and_then(|l| instant(&zones, l))
            .or_else(|| Some(start? + duration_seconds(&event.text("DURATION")?)?))
            .or_else(|| Some(start? + if all_day { 86_400 } else { 0 }));
        let deleted = event
            .all("EXDATE")
            .flat_map(|l| l.value.split(','))
            .filter_map(|v| Some(civil(v)?.0.date()))
            .collect();
        Self {
            local_start: begin.and_then(|l| Some(civil(&l.value)?.0)),
            start,
            end: end.max(start),
            all_day,
            zone: begin.and_then(|l| l.param("TZID")).map(str::to_owned),
            end_zone: event
                .line("DTEND")
                .and_then(|l| l.param("TZID"))
                .map(str::to_owned),
            zones,
            deleted,
        }
    }

    pub(super) fn minutes(&self) -> i64 {
        match (self.start, self.end) {
            (Some(start), Some(end)) => (end - start) / 60,
            _ => 0,
        }
    }
}

pub(super) fn put_times(bag: &mut PropertyBag, times: &Times) {
    if let Some(start) = times.start {
        put_time(bag, named::APPOINTMENT_START_WHOLE, start);
        put_time(bag, named::COMMON_START, start);
        put_time(bag, tag::START_DATE, start);
        put_time(bag, named::CLIP_START, start);
    }
    if let Some(end) = times.end {
        put_time(bag, named::APPOINTMENT_END_WHOLE, end);
        put_time(bag, named::COMMON_END, end);
        put_time(bag, tag::END_DATE, end);
        put_time(bag, named::CLIP_END, end);
    }
    let minutes = i32::try_from(times.minutes()).unwrap_or(i32::MAX);
    put_i32(bag, named::APPOINTMENT_DURATION, minutes);
    put_bool(bag, named::APPOINTMENT_SUB_TYPE, times.all_day);
    put_zones(bag, times);
}

/// Keeps the zones of an event's times. A file's own definition counts, so a name that means
/// something else elsewhere says nothing of the zone but how it is called.
fn put_zones(bag: &mut PropertyBag, times: &Times) {
    put_opt(bag, named::TIME_ZONE_DESCRIPTION, times.zone.clone());
    let (Some(name), Some(local), Some(start)) = (&times.zone, times.local_start, times.start)
    else {
        return;
    };
    let zone = zones::known(name).zip(Timestamp::from_second(start).ok());
    if zone.is_none_or(|(zone, start)| zone.to_datetime(start) != local) {
        return;
    }
    let end = times
        .end_zone
        .as_deref()
        .filter(|end| zones::known(end).is_some());
    for (id, name) in [
        (
            named::APPOINTMENT_TIME_ZONE_DEFINITION_START_DISPLAY,
            name.as_str(),
        ),
        (
            named::APPOINTMENT_TIME_ZONE_DEFINITION_END_DISPLAY,
            end.unwrap_or(name),
        ),
    ] {
        definition::put(bag, &id, name, local.year());
    }
}

pub(super) fn instant(zones: &Zones, line: &ContentLine) -> Option<i64> {
    let (local, utc) = civil(&line.value)?;
    let zone = if utc { None } else { line.param("TZID") };
    Some(zones.to_utc(zone, local))
}

/// Minutes before the start of a relative trigger.
pub(super) fn lead_minutes(trigger: &ContentLine) -> Option<i32> {
    let seconds = duration_seconds(&trigger.value)?;
    i32::try_from(-seconds / 60).ok().filter(|m| *m >= 0)
}

/// A DURATION value (RFC 5545, 3.3.6) in seconds.
fn duration_seconds(text: &str) -> Option<i64> {
    let text = text.trim();
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let mut total: i64 = 0;
    let mut number = String::new();
    for c in text.strip_prefix(['P', 'p'])?.chars() {
        let unit = match c.to_ascii_uppercase() {
            '0'..='9' => {
                number.push(c);
                continue;
            }
            'T' => continue,
            'W' => 604_800,
            'D' => 86_400,
            'H' => 3_600,
            'M' => 60,
            'S' => 1,
            _ => return None,
        };
        let count: i64 = number.parse().ok()?;
        total = total.checked_add(count.checked_mul(unit)?)?;
        number.clear();
    }
    Some(sign * total.min(i64::from(i32::MAX)))
}

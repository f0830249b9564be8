//! Times without an offset, which a request may leave to its time zone (MS-OXWSGTZ 2.2.3.4,
//! TimeZoneContext): they become times in UTC before anything reads them.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::clock::{ticks_of, xml_time};
use crate::xml::Element;
use crate::zones;

/// Elements whose text is a time; in others, what looks like one is text.
const TIMES: &[&str] = &[
    "Start",
    "End",
    "StartTime",
    "EndTime",
    "BeginTime",
    "StartDate",
    "EndDate",
    "DueDate",
    "CompleteDate",
    "ReminderDueBy",
    "DateTimeSent",
    "DateTimeReceived",
    "NewReminderTime",
    "Birthday",
    "WeddingAnniversary",
];

/// The zone of a request's header.
pub(crate) fn zone_of(header: &Element<'_>) -> Option<TimeZone> {
    let context = header.child("TimeZoneContext")?;
    zones::known(context.child("TimeZoneDefinition")?.attr("Id")?)
}

/// Gives all times without an offset the one that their zone has then: an appointment's own, or
/// that of the request, or UTC.
pub(crate) fn settle(element: &mut Element<'_>, zone: Option<&TimeZone>) {
    settle_in(element, zone, &Own::default());
}

/// The zones that an appointment names for its times.
#[derive(Clone, Default)]
struct Own {
    start: Option<TimeZone>,
    end: Option<TimeZone>,
}

impl Own {
    /// Those of an appointment, or of the fields of an update, each of which comes in an element
    /// of its own.
    fn read(element: &Element<'_>) -> Own {
        let fields = element.children.iter().flat_map(|field| &field.children);
        let fields = fields.filter(|_| element.name == "Updates");
        let holders = || std::iter::once(element).chain(fields.clone());
        let zone = |name: &str| {
            let id = holders().find_map(|holder| holder.child(name)?.attr("Id"));
            id.and_then(zones::known)
        };
        let start = zone("StartTimeZone");
        Own {
            end: zone("EndTimeZone").or_else(|| start.clone()),
            start,
        }
    }
}

fn settle_in(element: &mut Element<'_>, zone: Option<&TimeZone>, outer: &Own) {
    let own = Own::read(element);
    let start = own.start.as_ref().or(outer.start.as_ref());
    let end = own.end.as_ref().or(outer.end.as_ref());
    let inner = Own {
        start: start.cloned(),
        end: end.cloned(),
    };
    for child in &mut element.children {
        let inside = match child.name.as_ref() {
            "Start" => start.or(zone),
            "End" => end.or(zone),
            _ => zone,
        };
        settle_in(child, inside, &inner);
    }
    let Some(zone) = zone else {
        return;
    };
    if TIMES.contains(&element.name.as_ref())
        && let Some(time) = in_utc(&element.text, zone)
    {
        element.text = time.into();
    }
    if matches!(element.name.as_ref(), "CalendarView" | "Constant") {
        for name in ["StartDate", "EndDate", "Value"] {
            let time = element.attr(name).and_then(|text| in_utc(text, zone));
            if let Some(time) = time {
                element.set_attr(name, time);
            }
        }
    }
}

/// A time without an offset in UTC; `None` for everything else.
fn in_utc(text: &str, zone: &TimeZone) -> Option<String> {
    let text = text.trim();
    let has_offset = text.ends_with(['Z', 'z'])
        || text
            .get(11..)
            .is_none_or(|time| time.contains('+') || time.contains('-'));
    if has_offset {
        return None;
    }
    let local: DateTime = text.parse().ok()?;
    Some(xml_time(ticks_of(zone.to_timestamp(local).ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_times_without_an_offset_change() {
        let zone = zones::known("W. Europe Standard Time").unwrap();
        let check = |text: &str, wanted: Option<&str>| {
            assert_eq!(in_utc(text, &zone).as_deref(), wanted, "{text}");
        };
        check("2026-01-05T09:00:00", Some("2026-01-05T08:00:00Z"));
        check("2026-07-05T09:00:00.5", Some("2026-07-05T07:00:00Z"));
        check("2026-01-05T09:00:00Z", None);
        check("2026-01-05T09:00:00-05:00", None);
        check("2026-01-05", None);
        check("soon", None);
    }
}

//! Tasks as VTODO (MS-OXOTASK), journal entries as VJOURNAL (MS-OXOJRNL).

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::clock::{Clock, local_time};
use super::event::moment;
use super::{common, people, series, uid};
use crate::content_line::ContentLines;
use crate::mime_header::one_line;
use crate::recurrence::Recurrence;
use crate::{Message, PropValue, PropertyBag, named, tag};

pub(super) fn write_task(message: &Message, lines: &mut ContentLines) {
    let props = &message.props;
    lines.raw("BEGIN", "VTODO");
    lines.text("UID", &any_uid(props));
    common::stamps(props, lines);
    lines.optional("SUMMARY", props.text(tag::SUBJECT));
    let series = props
        .binary(named::TASK_RECURRENCE)
        .filter(|_| props.boolean(named::TASK_F_RECURRING) != Some(false))
        .and_then(|bytes| Recurrence::read(bytes, 1252));
    let day = |id| local(props, id);
    let (start, due) = (day(named::TASK_START_DATE), day(named::TASK_DUE_DATE));
    // A rule counts from a start.
    let start = start
        .or_else(|| due.filter(|_| series.is_some()))
        .or_else(|| series.as_ref().and_then(|s| local_time(s.start_date)));
    let clock = Clock {
        zone: None,
        all_day: start
            .iter()
            .chain(&due)
            .all(|t| t.date().at(0, 0, 0, 0) == *t),
    };
    for (name, time) in [("DTSTART", start), ("DUE", due)] {
        if let Some(time) = time {
            clock.write(lines, name, time);
        }
    }
    if let Some(series) = &series {
        series::write(series, &clock, lines);
    }
    let complete = props.boolean(named::TASK_COMPLETE) == Some(true);
    let status = props.i32(named::TASK_STATUS);
    let status = match status {
        _ if complete => Some("COMPLETED"),
        Some(0) => Some("NEEDS-ACTION"),
        Some(1) => Some("IN-PROCESS"),
        Some(2) => Some("COMPLETED"),
        // Waiting for somebody, and deferred: no such words.
        Some(3) => Some("NEEDS-ACTION"),
        Some(4) => Some("CANCELLED"),
        _ => None,
    };
    lines.optional("STATUS", status);
    if let Some(PropValue::Double(part)) = props.get(named::PERCENT_COMPLETE) {
        let percent = (part * 100.0).round().clamp(0.0, 100.0);
        lines.raw("PERCENT-COMPLETE", &format!("{percent}"));
    }
    if let Some(day) = day(named::TASK_DATE_COMPLETED) {
        lines.raw("COMPLETED", &day.strftime("%Y%m%dT%H%M%SZ").to_string());
    }
    common::texts(message, lines);
    common::labels(props, lines);
    lines.optional("X-POSTKEEP-OWNER", props.text(named::TASK_OWNER));
    people::write(message, lines);
    common::attachments(message, lines);
    if props.boolean(named::REMINDER_SET) == Some(true)
        && let Some(time) = moment(props.time(named::REMINDER_TIME))
    {
        common::alarm("TRIGGER;VALUE=DATE-TIME", &time, lines);
    }
    lines.raw("END", "VTODO");
}

pub(super) fn write_journal(message: &Message, lines: &mut ContentLines) {
    let props = &message.props;
    lines.raw("BEGIN", "VJOURNAL");
    lines.text("UID", &any_uid(props));
    common::stamps(props, lines);
    let start = moment(
        props
            .time(named::LOG_START)
            .or(props.time(named::COMMON_START)),
    );
    if let Some(start) = start {
        lines.raw("DTSTART", &start);
    }
    lines.optional("SUMMARY", props.text(tag::SUBJECT));
    common::texts(message, lines);
    common::labels(props, lines);
    // VJOURNAL has neither an end nor a type.
    if let Some(end) = moment(props.time(named::LOG_END).or(props.time(named::COMMON_END))) {
        lines.raw("X-POSTKEEP-END", &end);
    }
    if let Some(minutes) = props.i32(named::LOG_DURATION) {
        lines.raw("X-POSTKEEP-DURATION", &format!("PT{}M", minutes.max(0)));
    }
    lines.optional("X-POSTKEEP-TYPE", props.text(named::LOG_TYPE));
    if let Some(PropValue::MultiUnicode(names)) = props.get(named::CONTACTS) {
        for name in names {
            lines.text("CONTACT", &one_line(name));
        }
    }
    common::attachments(message, lines);
    lines.raw("END", "VJOURNAL");
}

fn local(props: &PropertyBag, id: crate::NamedProp) -> Option<DateTime> {
    let time = props.time(id)?.to_timestamp()?;
    Some(time.to_zoned(TimeZone::UTC).datetime())
}

/// The item's id, or what tells it from others in its mailbox.
fn any_uid(props: &PropertyBag) -> String {
    uid(props)
        .or_else(|| {
            [tag::SEARCH_KEY, tag::SOURCE_KEY, tag::RECORD_KEY]
                .into_iter()
                .find_map(|id| Some(super::hex(props.binary(id)?)))
        })
        .unwrap_or_else(|| {
            let made = moment(props.time(tag::CREATION_TIME)).unwrap_or_default();
            format!("{made}-postkeep")
        })
}

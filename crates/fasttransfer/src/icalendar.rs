//! Appointments as iCalendar (RFC 5545; MS-OXCICAL for what goes where).

use std::fmt::Write as _;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::content_line::{ContentLines, escape};
use crate::mime::address;
use crate::mime_header::one_line;
use crate::{Message, NamedProp, PropValue, PropertyBag, named, tag};

/// What stands before a foreign UID in a global object id (MS-OXOCAL 2.2.1.27).
const VCAL_UID: &[u8] = b"vCal-Uid\x01\x00\x00\x00";
/// Where the data of a global object id begins.
const OBJECT_ID_DATA: usize = 40;

/// Writes an appointment. A recurrence is named in words only: its pattern is a binary structure
/// that the native stream keeps.
pub(crate) fn generate(message: &Message) -> Vec<u8> {
    let props = &message.props;
    let mut lines = ContentLines::default();
    lines.raw("BEGIN", "VCALENDAR");
    lines.raw("PRODID", "-//Postkeep//EN");
    lines.raw("VERSION", "2.0");
    lines.raw("BEGIN", "VEVENT");
    if let Some(uid) = uid(props) {
        lines.text("UID", &uid);
    }
    let stamp = [
        tag::LAST_MODIFICATION_TIME,
        tag::CREATION_TIME,
        tag::CLIENT_SUBMIT_TIME,
    ]
    .into_iter()
    .find_map(|id| props.time(id)?.to_timestamp());
    lines.raw("DTSTAMP", &utc(stamp.unwrap_or(Timestamp::UNIX_EPOCH)));
    times(props, &mut lines);
    lines.optional("SUMMARY", props.text(tag::SUBJECT));
    lines.optional("LOCATION", props.text(named::LOCATION));
    lines.optional("DESCRIPTION", props.text(tag::BODY));
    if let Some(PropValue::MultiUnicode(words)) = props.get(named::keywords()) {
        let words: Vec<String> = words.iter().map(|word| escape(word)).collect();
        lines.raw("CATEGORIES", &words.join(","));
    }
    if props.i32(tag::SENSITIVITY).is_some_and(|level| level > 0) {
        lines.raw("CLASS", "PRIVATE");
    }
    match props.i32(tag::IMPORTANCE) {
        Some(0) => lines.raw("PRIORITY", "9"),
        Some(2) => lines.raw("PRIORITY", "1"),
        _ => {}
    }
    if let Some(status) = props.i32(named::BUSY_STATUS) {
        lines.raw("TRANSP", if status == 0 { "TRANSPARENT" } else { "OPAQUE" });
        if status == 1 {
            lines.raw("STATUS", "TENTATIVE");
        }
    }
    if props.boolean(named::RECURRING) == Some(true) {
        lines.optional(
            "X-POSTKEEP-RECURRENCE",
            props.text(named::RECURRENCE_PATTERN),
        );
    }
    people(message, &mut lines);
    alarm(props, &mut lines);
    lines.raw("END", "VEVENT");
    lines.raw("END", "VCALENDAR");
    lines.finish()
}

fn times(props: &PropertyBag, lines: &mut ContentLines) {
    let time = |whole: NamedProp, common: NamedProp, tagged: u16| {
        props
            .time(whole)
            .or_else(|| props.time(common))
            .or_else(|| props.time(tagged))?
            .to_timestamp()
    };
    let start = time(
        named::APPOINTMENT_START_WHOLE,
        named::COMMON_START,
        tag::START_DATE,
    );
    let end = time(
        named::APPOINTMENT_END_WHOLE,
        named::COMMON_END,
        tag::END_DATE,
    );
    let all_day = props.boolean(named::APPOINTMENT_SUB_TYPE) == Some(true);
    for (name, time) in [("DTSTART", start), ("DTEND", end)] {
        let Some(time) = time else { continue };
        // Days are days of the organizer's time zone, which only a binary structure names. A
        // midnight in UTC is certain; elsewhere the exact time is the honest answer.
        if all_day && time.as_second().rem_euclid(86_400) == 0 {
            let day = time.to_zoned(TimeZone::UTC).strftime("%Y%m%d").to_string();
            lines.raw(&format!("{name};VALUE=DATE"), &day);
        } else {
            lines.raw(name, &utc(time));
        }
    }
    if all_day {
        lines.raw("X-MICROSOFT-CDO-ALLDAYEVENT", "TRUE");
    }
}

fn people(message: &Message, lines: &mut ContentLines) {
    let props = &message.props;
    let organizer = [
        tag::SENT_REPRESENTING_SMTP_ADDRESS,
        tag::SENT_REPRESENTING_EMAIL_ADDRESS,
        tag::SENDER_SMTP_ADDRESS,
        tag::SENDER_EMAIL_ADDRESS,
    ]
    .into_iter()
    .filter_map(|id| props.text(id))
    .find(|address| address.contains('@'));
    if message.recipients.is_empty() {
        return;
    }
    if let Some(organizer) = organizer {
        let name = props.text(tag::SENT_REPRESENTING_NAME);
        person(lines, "ORGANIZER", name.as_deref(), &organizer);
    }
    for recipient in &message.recipients {
        let Some(address) = address(recipient) else {
            continue;
        };
        let role = match recipient.i32(tag::RECIPIENT_TYPE).unwrap_or(1) & 0xF {
            2 => "ATTENDEE;ROLE=OPT-PARTICIPANT",
            3 => "ATTENDEE;CUTYPE=RESOURCE;ROLE=NON-PARTICIPANT",
            _ => "ATTENDEE;ROLE=REQ-PARTICIPANT",
        };
        let status = match recipient.i32(tag::RECIPIENT_TRACK_STATUS) {
            Some(2) => ";PARTSTAT=TENTATIVE",
            Some(3) => ";PARTSTAT=ACCEPTED",
            Some(4) => ";PARTSTAT=DECLINED",
            _ => "",
        };
        let name = recipient.text(tag::DISPLAY_NAME);
        person(lines, &format!("{role}{status}"), name.as_deref(), &address);
    }
}

fn person(lines: &mut ContentLines, property: &str, name: Option<&str>, address: &str) {
    // A parameter value cannot hold a double quote, not even escaped.
    let name = name
        .map(|name| one_line(name).replace('"', "'"))
        .filter(|name| !name.is_empty())
        .map(|name| format!(";CN=\"{name}\""))
        .unwrap_or_default();
    let address = one_line(address);
    lines.raw(&format!("{property}{name}"), &format!("mailto:{address}"));
}

fn alarm(props: &PropertyBag, lines: &mut ContentLines) {
    if props.boolean(named::REMINDER_SET) != Some(true) {
        return;
    }
    let minutes = props.i32(named::REMINDER_DELTA).unwrap_or(15).max(0);
    lines.raw("BEGIN", "VALARM");
    lines.raw("ACTION", "DISPLAY");
    lines.raw("DESCRIPTION", "Reminder");
    lines.raw("TRIGGER", &format!("-PT{minutes}M"));
    lines.raw("END", "VALARM");
}

fn uid(props: &PropertyBag) -> Option<String> {
    let id = props
        .binary(named::GLOBAL_OBJECT_ID)
        .or_else(|| props.binary(named::CLEAN_GLOBAL_OBJECT_ID))?;
    let foreign = id
        .get(OBJECT_ID_DATA..)
        .and_then(|data| data.strip_prefix(VCAL_UID))
        .map(|uid| uid.strip_suffix(&[0]).unwrap_or(uid))
        .and_then(|uid| str::from_utf8(uid).ok());
    if let Some(uid) = foreign {
        return Some(uid.to_owned());
    }
    let mut hex = String::with_capacity(2 * id.len());
    for byte in id {
        let _ = write!(hex, "{byte:02X}");
    }
    Some(hex)
}

fn utc(time: Timestamp) -> String {
    time.to_zoned(TimeZone::UTC)
        .strftime("%Y%m%dT%H%M%SZ")
        .to_string()
}

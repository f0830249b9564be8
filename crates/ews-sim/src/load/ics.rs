//! iCalendar files as appointments and tasks ([MS-OXCICAL], [MS-OXOCAL], [MS-OXOTASK]).

mod exceptions;
mod times;

use std::collections::HashMap;

use fasttransfer::{Message, PropertyBag, named, tag};

use super::content_line::{Component, ContentLine};
use super::header::Mailbox;
use super::props::{put_bool, put_i32, put_list, put_opt, put_str, put_time};
use super::recipients::{RecipientType, add_recipients, display_names, put_sender};
use super::recur::Recurrence;
use super::skeleton::keep_literally;
use super::zone::{Zones, civil, utc_seconds};
use crate::zones::definition;
pub(crate) use exceptions::{Exception, is_exception, write as write_exceptions};
use times::{Times, instant, lead_minutes, put_times};

/// Start of every GlobalObjectId ([MS-OXOCAL] 2.2.1.27).
const GLOBAL_ID_PREFIX: [u8; 16] = [
    0x04, 0x00, 0x00, 0x00, 0x82, 0x00, 0xE0, 0x00, 0x74, 0xC5, 0xB7, 0x10, 0x1A, 0x82, 0xE0, 0x08,
];
/// Marks a foreign UID inside a GlobalObjectId.
const FOREIGN_UID: &[u8] = b"vCal-Uid\x01\0\0\0";
/// Longest UID kept, in bytes.
const MAX_UID_BYTES: usize = 2_000;
/// Icons of PidTagIconIndex.
const ICON_APPOINTMENT: i32 = 0x400;
const ICON_RECURRING: i32 = 0x401;
const ICON_TASK: i32 = 0x500;

/// Loads an iCalendar file as one item: its first event without RECURRENCE-ID as an appointment,
/// else its first to-do as a task. All bytes of the file are kept, whatever else it holds.
pub fn from_ics(raw: &[u8]) -> Message {
    let mut message = Message::default();
    let file = Component::read(raw);
    let empty = Component::default();
    let calendar = file.find("VCALENDAR").unwrap_or(&file);
    if let Some(task) = calendar
        .find("VTODO")
        .filter(|_| calendar.find("VEVENT").is_none())
    {
        put_task(&mut message, calendar, task);
    } else {
        let event = master(calendar).unwrap_or(&empty);
        put_str(&mut message.props, tag::MESSAGE_CLASS, "IPM.Appointment");
        put_appointment(&mut message, calendar, event);
    }
    keep_literally(&mut message, raw);
    message
}

/// Sets what a `text/calendar` part says on the mail that carries it, and the meeting class.
pub(crate) fn put_meeting(message: &mut Message, raw: &[u8], method: &str) {
    let class = match method.to_ascii_uppercase().as_str() {
        "REQUEST" => "IPM.Schedule.Meeting.Request",
        "CANCEL" => "IPM.Schedule.Meeting.Canceled",
        "REPLY" => "IPM.Schedule.Meeting.Resp.",
        _ => return,
    };
    let file = Component::read(raw);
    let calendar = file.find("VCALENDAR").unwrap_or(&file);
    let Some(event) = master(calendar) else {
        return;
    };
    let times = Times::read(calendar, event);
    let bag = &mut message.props;
    let answer = if class.ends_with('.') {
        answer(event)
    } else {
        ""
    };
    put_str(bag, tag::MESSAGE_CLASS, &format!("{class}{answer}"));
    put_opt(bag, named::LOCATION, event.text("LOCATION"));
    put_ids(bag, event);
    put_times(bag, &times);
    put_recurrence(bag, event, &times, &[]);
}

/// What the one attendee of a reply says.
fn answer(event: &Component) -> &'static str {
    let status = event.line("ATTENDEE").and_then(|l| l.param("PARTSTAT"));
    match status.unwrap_or_default().to_ascii_uppercase().as_str() {
        "DECLINED" => "Neg",
        "TENTATIVE" => "Tent",
        _ => "Pos",
    }
}

/// The event that stands for the series: the first without RECURRENCE-ID, else the first.
fn master(calendar: &Component) -> Option<&Component> {
    let events = || calendar.children.iter().filter(|c| c.name == "VEVENT");
    events()
        .find(|e| e.line("RECURRENCE-ID").is_none())
        .or_else(|| events().next())
        .or_else(|| calendar.find("VEVENT"))
        .or_else(|| calendar.find("VJOURNAL"))
}

fn put_appointment(message: &mut Message, calendar: &Component, event: &Component) {
    let times = Times::read(calendar, event);
    put_common(&mut message.props, event);
    let attendees = put_people(message, event);
    let exceptions = exceptions::read(calendar, event, &times);
    message
        .attachments
        .extend(exceptions.iter().map(Exception::attachment));
    let bag = &mut message.props;
    put_i32(bag, tag::ICON_INDEX, ICON_APPOINTMENT);
    put_opt(bag, named::LOCATION, event.text("LOCATION"));
    put_ids(bag, event);
    put_times(bag, &times);
    put_recurrence(bag, event, &times, &exceptions);
    put_i32(bag, named::BUSY_STATUS, busy_status(event));
    let sequence = event
        .text("SEQUENCE")
        .and_then(|s| s.parse().ok())
        .unwrap_or(0);
    put_i32(bag, named::APPOINTMENT_SEQUENCE, sequence);
    // Bit 0: a meeting; bit 2: cancelled ([MS-OXOCAL] 2.2.1.10).
    let cancelled = event
        .text("STATUS")
        .is_some_and(|s| s.eq_ignore_ascii_case("CANCELLED"));
    let state = i32::from(attendees) | if cancelled { 4 } else { 0 };
    put_i32(bag, named::APPOINTMENT_STATE_FLAGS, state);
    // 1: organized by the owner; 0: no meeting.
    put_i32(bag, named::RESPONSE_STATUS, i32::from(attendees));
    let alarm = event.children.iter().find(|c| c.name == "VALARM");
    put_bool(bag, named::REMINDER_SET, alarm.is_some());
    if let Some(minutes) = alarm.and_then(|a| lead_minutes(a.line("TRIGGER")?)) {
        put_i32(bag, named::REMINDER_DELTA, minutes);
        if let Some(start) = times.start {
            put_time(bag, named::REMINDER_TIME, start);
            put_time(
                bag,
                named::REMINDER_SIGNAL_TIME,
                start - i64::from(minutes) * 60,
            );
        }
    }
}

fn put_task(message: &mut Message, calendar: &Component, task: &Component) {
    put_common(&mut message.props, task);
    put_people(message, task);
    let zones = Zones::read(calendar);
    let bag = &mut message.props;
    put_str(bag, tag::MESSAGE_CLASS, "IPM.Task");
    put_i32(bag, tag::ICON_INDEX, ICON_TASK);
    let status = match task
        .text("STATUS")
        .unwrap_or_default()
        .to_ascii_uppercase()
        .as_str()
    {
        "IN-PROCESS" => 1,
        "COMPLETED" => 2,
        "CANCELLED" => 4,
        _ => 0,
    };
    let percent = task
        .text("PERCENT-COMPLETE")
        .and_then(|p| p.parse::<i32>().ok());
    let percent = percent
        .unwrap_or(if status == 2 { 100 } else { 0 })
        .clamp(0, 100);
    put_i32(bag, named::TASK_STATUS, status);
    bag.set(
        named::PERCENT_COMPLETE,
        fasttransfer::PropValue::Double(f64::from(percent) / 100.0),
    );
    put_bool(bag, named::TASK_COMPLETE, status == 2);
    for (name, slot, common) in [
        ("DTSTART", named::TASK_START_DATE, Some(named::COMMON_START)),
        ("DUE", named::TASK_DUE_DATE, Some(named::COMMON_END)),
        ("COMPLETED", named::TASK_DATE_COMPLETED, None),
    ] {
        if let Some(seconds) = task.line(name).and_then(|l| instant(&zones, l)) {
            put_time(bag, slot, seconds);
            if let Some(common) = common {
                put_time(bag, common, seconds);
            }
        }
    }
    put_ids(bag, task);
}

fn put_common(bag: &mut PropertyBag, item: &Component) {
    let subject = item.text("SUMMARY").unwrap_or_default();
    put_str(bag, tag::SUBJECT, &subject);
    put_str(bag, tag::NORMALIZED_SUBJECT, &subject);
    put_str(bag, tag::CONVERSATION_TOPIC, &subject);
    if let Some(text) = item.text("DESCRIPTION") {
        bag.set(tag::BODY, text);
        put_i32(bag, tag::NATIVE_BODY, 1);
    }
    let importance = match item.text("PRIORITY").and_then(|p| p.parse::<u8>().ok()) {
        Some(1..=4) => 2,
        Some(6..=9) => 0,
        _ => 1,
    };
    put_i32(bag, tag::IMPORTANCE, importance);
    let sensitivity = match item
        .text("CLASS")
        .unwrap_or_default()
        .to_ascii_uppercase()
        .as_str()
    {
        "PRIVATE" => 2,
        "CONFIDENTIAL" => 3,
        _ => 0,
    };
    put_i32(bag, tag::SENSITIVITY, sensitivity);
    put_bool(bag, named::PRIVATE, sensitivity == 2);
    let categories: Vec<String> = item
        .all("CATEGORIES")
        .flat_map(|line| line.value.split(',').map(str::trim))
        .filter(|c| !c.is_empty())
        .map(str::to_owned)
        .collect();
    put_list(bag, named::keywords(), categories);
}

/// Organizer as sender, attendees as recipients. Tells whether there are attendees.
fn put_people(message: &mut Message, event: &Component) -> bool {
    if let Some(organizer) = event.line("ORGANIZER").map(person) {
        put_sender(&mut message.props, &organizer, &organizer);
        add_recipients(message, RecipientType::Originator, &[organizer]);
    }
    let (mut required, mut optional, mut resources) = (Vec::new(), Vec::new(), Vec::new());
    for line in event.all("ATTENDEE") {
        let role = line.param("ROLE").unwrap_or_default().to_ascii_uppercase();
        let kind = line
            .param("CUTYPE")
            .unwrap_or_default()
            .to_ascii_uppercase();
        let list = match (role.as_str(), kind.as_str()) {
            (_, "RESOURCE" | "ROOM") => &mut resources,
            ("OPT-PARTICIPANT" | "NON-PARTICIPANT", _) => &mut optional,
            _ => &mut required,
        };
        list.push(person(line));
    }
    add_recipients(message, RecipientType::To, &required);
    add_recipients(message, RecipientType::Cc, &optional);
    add_recipients(message, RecipientType::Bcc, &resources);
    put_answers(message, event);
    let bag = &mut message.props;
    put_str(bag, tag::DISPLAY_TO, &display_names(&required));
    put_str(bag, tag::DISPLAY_CC, &display_names(&optional));
    put_str(bag, named::TO_ATTENDEES_STRING, &display_names(&required));
    put_str(bag, named::CC_ATTENDEES_STRING, &display_names(&optional));
    required.extend(optional);
    required.extend(resources);
    put_str(bag, named::ALL_ATTENDEES_STRING, &display_names(&required));
    !required.is_empty()
}

/// PidTagRecipientTrackStatus of the attendees whose answers are known ([MS-OXOCAL] 2.2.4.10.2).
fn put_answers(message: &mut Message, event: &Component) {
    let mut answers: HashMap<String, i32> = HashMap::new();
    for line in event.all("ATTENDEE") {
        let answer = match line
            .param("PARTSTAT")
            .map(str::to_ascii_uppercase)
            .as_deref()
        {
            Some("TENTATIVE") => 2,
            Some("ACCEPTED") => 3,
            Some("DECLINED") => 4,
            Some("NEEDS-ACTION") => 5,
            _ => continue,
        };
        answers.insert(person(line).address, answer);
    }
    for row in &mut message.recipients {
        let address = row.text(tag::EMAIL_ADDRESS).unwrap_or_default();
        let is_attendee = row.i32(tag::RECIPIENT_TYPE) != Some(RecipientType::Originator as i32);
        if let Some(answer) = answers.get(&*address).filter(|_| is_attendee) {
            put_i32(row, tag::RECIPIENT_TRACK_STATUS, *answer);
        }
    }
}

fn person(line: &ContentLine) -> Mailbox {
    let address = line.text();
    let address = address.trim();
    let address = match address.get(..7) {
        Some(scheme) if scheme.eq_ignore_ascii_case("mailto:") => {
            address.get(7..).unwrap_or_default()
        }
        _ => address,
    };
    Mailbox {
        name: line.param("CN").unwrap_or_default().to_owned(),
        address: address.to_owned(),
    }
}

fn put_ids(bag: &mut PropertyBag, event: &Component) {
    if let Some(uid) = event.text("UID") {
        let id = global_object_id(&uid);
        bag.set(named::GLOBAL_OBJECT_ID, id.clone());
        bag.set(named::CLEAN_GLOBAL_OBJECT_ID, id);
    }
}

/// The id Exchange gives a foreign UID; a UID that is such an id in hexadecimal is decoded.
pub(crate) fn global_object_id(uid: &str) -> Vec<u8> {
    if let Some(id) = from_hex(uid).filter(|id| id.starts_with(&GLOBAL_ID_PREFIX)) {
        return id;
    }
    let uid = uid.as_bytes();
    let uid = uid.get(..uid.len().min(MAX_UID_BYTES)).unwrap_or_default();
    let mut id = GLOBAL_ID_PREFIX.to_vec();
    // Exception date, creation time and a reserved field, all unset.
    id.extend([0; 20]);
    let size = u32::try_from(FOREIGN_UID.len() + uid.len() + 1).unwrap_or(0);
    id.extend(size.to_le_bytes());
    id.extend(FOREIGN_UID);
    id.extend(uid);
    id.push(0);
    id
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || text.len() > 2 * MAX_UID_BYTES {
        return None;
    }
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok())
        .collect()
}

fn put_recurrence(
    bag: &mut PropertyBag,
    event: &Component,
    times: &Times,
    exceptions: &[Exception],
) {
    let rule = event.line("RRULE").map(|l| l.value.trim());
    put_bool(bag, named::RECURRING, rule.is_some());
    put_bool(bag, named::IS_RECURRING, rule.is_some());
    let (Some(rule), Some(start)) = (rule, times.local_start) else {
        return;
    };
    put_i32(bag, tag::ICON_INDEX, ICON_RECURRING);
    put_str(bag, named::RECURRENCE_PATTERN, rule);
    let to_local = |seconds| times.zones.to_local(times.zone.as_deref(), seconds);
    let Some(found) = Recurrence::read(rule, start, to_local) else {
        return;
    };
    put_i32(bag, named::RECURRENCE_TYPE, found.frequency as i32);
    if let Some(blob) = found.blob(start, times.minutes(), &times.deleted, exceptions) {
        bag.set(named::APPOINTMENT_RECUR, blob);
        definition::settle_series(bag);
    }
}

fn busy_status(event: &Component) -> i32 {
    let stated = event
        .text("X-MICROSOFT-CDO-BUSYSTATUS")
        .unwrap_or_default()
        .to_ascii_uppercase();
    let status = event.text("STATUS").unwrap_or_default();
    match stated.as_str() {
        "FREE" => 0,
        "TENTATIVE" => 1,
        "BUSY" => 2,
        "OOF" => 3,
        _ if status.eq_ignore_ascii_case("TENTATIVE") => 1,
        _ if event
            .text("TRANSP")
            .is_some_and(|t| t.eq_ignore_ascii_case("TRANSPARENT")) =>
        {
            0
        }
        _ => 2,
    }
}

/// Seconds since 1970 of a date-only or date-time value, read as UTC (birthdays).
pub(crate) fn calendar_date(value: &str) -> Option<i64> {
    civil(value).map(|(local, _)| utc_seconds(local))
}

//! Writes what a request says about an item into its properties.

mod appointment;
mod attachment;
mod contact;
mod people;
mod removal;
mod simple;
mod task;

use fasttransfer::{FileTime, Message, PropId, PropValue, named, tag};

use crate::clock::parse_xml_time;
use crate::item::{FLAG_READ, has_class, item_class};
use crate::load;
use crate::op::{Failure, Oops};
use crate::prop::{Path, parse_bool};
use crate::shape::{FLAG_COMPLETE_TIME, FLAG_STATUS, html_of, text_of};
use crate::xml::Element;

pub(crate) use appointment::settle;
pub(crate) use attachment::new_attachment;
pub(crate) use contact::{im_address, member};
pub(crate) use people::Placing;
pub(crate) use removal::remove;
pub(crate) use simple::{
    CONFERENCING_CHECK, CONFERENCING_TYPE, FILE_AS, Kind, MEETING_WORKSPACE_URL, NET_SHOW_URL,
    WHEN, simple,
};

use contact::{set_addresses, set_emails, set_im_addresses, set_phones};
use people::{set_people, set_reply_to, set_sender};

/// PidTagNativeBody values.
const NATIVE_TEXT: i32 = 1;
const NATIVE_HTML: i32 = 3;
const UTF8_CODE_PAGE: i32 = 65001;

/// What of an item lies outside its properties.
#[derive(Default)]
pub(crate) struct Outside {
    pub(crate) is_read: Option<bool>,
    pub(crate) associated: bool,
}

/// Builds a new item from its element in a CreateItem.
pub(crate) fn new_item(element: &Element<'_>) -> Result<(Message, Outside), Oops> {
    let mut message = match element.child("MimeContent") {
        Some(mime) => {
            let compact: String = mime.text.split_ascii_whitespace().collect();
            let raw = base64_simd::STANDARD
                .decode_to_vec(compact.as_bytes())
                .map_err(|_| {
                    Failure::new("ErrorMimeContentInvalid", "The MIME content is not base64.")
                })?;
            match element.name.as_ref() {
                "CalendarItem" => load::from_ics(&raw),
                "Task" if is_calendar(&raw) => load::from_ics(&raw),
                "Contact" | "DistributionList" => load::from_vcf(&raw),
                _ => load::message_from_mime(&raw),
            }
        }
        None => Message::default(),
    };
    if !message.props.contains(tag::MESSAGE_CLASS) {
        message
            .props
            .set(tag::MESSAGE_CLASS, class_of(&element.name));
    }
    let outside = apply(&mut message, element, Placing::Instead)?;
    settle(&mut message)?;
    Ok((message, outside))
}

/// Whether the MIME text of a task is iCalendar; otherwise it is a mail that describes it.
fn is_calendar(raw: &[u8]) -> bool {
    let start = raw.trim_ascii_start().get(..7);
    start.is_some_and(|start| start.eq_ignore_ascii_case(b"BEGIN:V"))
}

fn class_of(element: &str) -> &'static str {
    match element {
        "CalendarItem" => "IPM.Appointment",
        "Contact" => "IPM.Contact",
        "DistributionList" => "IPM.DistList",
        "Task" => "IPM.Task",
        "PostItem" => "IPM.Post",
        _ => "IPM.Note",
    }
}

/// Writes all properties of an item's element.
pub(crate) fn apply(
    message: &mut Message,
    element: &Element<'_>,
    placing: Placing,
) -> Result<Outside, Oops> {
    let mut outside = Outside::default();
    let mut flags_given = false;
    for child in &element.children {
        let text = child.text.as_ref();
        match child.name.as_ref() {
            "MimeContent" | "ItemId" | "ParentFolderId" => {}
            "IsRead" => outside.is_read = parse_bool(text),
            "IsAssociated" => outside.associated = parse_bool(text) == Some(true),
            "ExtendedProperty" => {
                set_extended(message, child)?;
                flags_given |= sets_flags(child);
            }
            "Body" => set_body(message, child, placing),
            "Attachments" => {
                for attachment in &child.children {
                    let attachment = new_attachment(attachment)?;
                    message.attachments.push(attachment);
                }
            }
            "ToRecipients" | "RequiredAttendees" => set_people(message, child, 1, placing),
            "CcRecipients" | "OptionalAttendees" => set_people(message, child, 2, placing),
            "BccRecipients" | "Resources" => set_people(message, child, 3, placing),
            "From" | "Sender" => set_sender(message, child),
            "ReplyTo" => set_reply_to(message, child),
            "ImAddresses" => set_im_addresses(message, child),
            "EmailAddresses" => set_emails(message, child),
            "PhoneNumbers" => set_phones(message, child),
            "PhysicalAddresses" => set_addresses(message, child),
            "Recurrence" if is_task(message) => task::set_recurrence(message, child)?,
            "Recurrence" => appointment::set_recurrence(message, child, element)?,
            "StartTimeZone" => {
                appointment::set_zone(message, child.attr("Id").or(child.attr("Name")))
            }
            "StartTimeZoneId" => appointment::set_zone(message, Some(text.trim())),
            "EndTimeZone" => {
                appointment::set_end_zone(message, child.attr("Id").or(child.attr("Name")))
            }
            "EndTimeZoneId" => appointment::set_end_zone(message, Some(text.trim())),
            "MeetingTimeZone" => appointment::set_zone(message, child.attr("TimeZoneName")),
            name => set_simple(message, name, child)?,
        }
    }
    // Given as a property, the read state counts for items of every kind.
    if flags_given && outside.is_read.is_none() {
        let flags = message.props.i32(tag::MESSAGE_FLAGS);
        outside.is_read = flags.map(|flags| flags & FLAG_READ != 0);
    }
    Ok(outside)
}

/// Whether an extended property is PidTagMessageFlags.
fn sets_flags(property: &Element<'_>) -> bool {
    let id = PropId::Tag(tag::MESSAGE_FLAGS);
    matches!(Path::inside(property), Ok(Path::Extended(extended)) if extended.id == id)
}

/// Sets a simple property; elements without one here are passed over, as those that a store
/// computes.
fn set_simple(message: &mut Message, name: &str, element: &Element<'_>) -> Result<(), Failure> {
    if name == "Flag" {
        set_flag(message, element);
        return Ok(());
    }
    if name == "UID" {
        set_uid(message, element.text.trim());
        return Ok(());
    }
    let Some((id, kind)) = simple(name) else {
        return Ok(());
    };
    let value = simple::value_of(name, kind, element)?;
    let text = element.text.as_ref();
    if name == "Subject" {
        message.props.set(tag::NORMALIZED_SUBJECT, text);
        message.props.remove(tag::SUBJECT_PREFIX);
    }
    // A task's dates and a flag's bear the same names.
    let id = match name {
        "CompleteDate" if !is_task(message) => PropId::Tag(FLAG_COMPLETE_TIME),
        _ => id,
    };
    message.props.set(id, value);
    if is_task(message) {
        task::settle(message, name);
    }
    Ok(())
}

fn is_task(message: &Message) -> bool {
    has_class(&item_class(message), "IPM.Task")
}

/// Flags an item for follow-up, with the times that the flag says.
pub(crate) fn set_flag(message: &mut Message, flag: &Element<'_>) {
    let wanted = flag.child_text("FlagStatus");
    let Some((status, _)) = (0..)
        .zip(FLAG_STATUS)
        .find(|(_, name)| Some(*name) == wanted)
    else {
        return;
    };
    message
        .props
        .set(tag::FLAG_STATUS, PropValue::Int32(status));
    let times: [(&str, PropId); 3] = [
        ("StartDate", (&named::TASK_START_DATE).into()),
        ("DueDate", (&named::TASK_DUE_DATE).into()),
        ("CompleteDate", PropId::Tag(FLAG_COMPLETE_TIME)),
    ];
    // A task's dates are its own.
    for (name, id) in times.into_iter().skip(if is_task(message) { 2 } else { 0 }) {
        match flag.child_text(name).and_then(parse_xml_time) {
            Some(ticks) => drop(message.props.set(id, PropValue::Time(FileTime(ticks)))),
            None => drop(message.props.remove(id)),
        }
    }
}

/// Keeps a foreign UID in a global object id (MS-OXCICAL 2.1.3.1.1.20.26).
fn set_uid(message: &mut Message, uid: &str) {
    let mut id = vec![
        0x04, 0x00, 0x00, 0x00, 0x82, 0x00, 0xE0, 0x00, 0x74, 0xC5, 0xB7, 0x10, 0x1A, 0x82, 0xE0,
        0x08,
    ];
    id.extend_from_slice(&[0; 20]);
    let length = u32::try_from(uid.len() + 13).unwrap_or(13);
    id.extend_from_slice(&length.to_le_bytes());
    id.extend_from_slice(b"vCal-Uid\x01\0\0\0");
    id.extend_from_slice(uid.as_bytes());
    id.push(0);
    message.props.set(&named::GLOBAL_OBJECT_ID, id.clone());
    message.props.set(&named::CLEAN_GLOBAL_OBJECT_ID, id);
}

fn set_extended(message: &mut Message, property: &Element<'_>) -> Result<(), Failure> {
    let Path::Extended(extended) = Path::inside(property)? else {
        return Err(Failure::new(
            "ErrorInvalidExtendedProperty",
            "The property path is not an extended one.",
        ));
    };
    let value = extended.value_in(property).ok_or(Failure::new(
        "ErrorInvalidExtendedPropertyValue",
        "The value of an extended property is not of its type.",
    ))?;
    message.props.set(&extended.id, value);
    Ok(())
}

fn set_body(message: &mut Message, body: &Element<'_>, placing: Placing) {
    let html = body.attr("BodyType") == Some("HTML");
    let text = match placing {
        Placing::Instead => body.text.as_ref().to_owned(),
        Placing::Behind => appended(message, html, &body.text),
    };
    // What is appended takes the form of the body that is there.
    let html = html || placing == Placing::Behind && message.props.contains(tag::HTML);
    message.props.remove(tag::RTF_COMPRESSED);
    message.props.remove(tag::RTF_IN_SYNC);
    if html {
        message.props.remove(tag::BODY);
        message.props.set(tag::HTML, text.into_bytes());
        message.props.set(tag::INTERNET_CODEPAGE, UTF8_CODE_PAGE);
    } else {
        message.props.remove(tag::HTML);
        message.props.set(tag::BODY, text);
    }
    let native = if html { NATIVE_HTML } else { NATIVE_TEXT };
    message.props.set(tag::NATIVE_BODY, native);
}

/// The body with a text behind it.
fn appended(message: &Message, html: bool, text: &str) -> String {
    match html_of(message) {
        Some(old) if message.props.contains(tag::HTML) => {
            let end = old.to_ascii_lowercase().rfind("</body>");
            let (head, tail) = old.split_at(end.unwrap_or(old.len()));
            let escaped = text.replace('&', "&amp;").replace('<', "&lt;");
            format!("{head}{}{tail}", if html { text } else { &escaped })
        }
        _ => format!("{}{text}", text_of(message)),
    }
}

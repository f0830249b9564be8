//! Writes what a request says about an item into its properties.

mod appointment;

use fasttransfer::{
    Attachment, FileTime, Message, NamedProp, PropId, PropValue, PropertyBag, guid, named, tag,
};

use crate::clock::parse_xml_time;
use crate::item::FLAG_READ;
use crate::load;
use crate::op::{Failure, Oops};
use crate::prop::{Path, parse_bool};
use crate::shape::{CONTACT_PHONES, TASK_STATUS};
use crate::xml::Element;

pub(crate) use appointment::settle;

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
    let outside = apply(&mut message, element)?;
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
pub(crate) fn apply(message: &mut Message, element: &Element<'_>) -> Result<Outside, Oops> {
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
            "Body" => set_body(message, child),
            "Attachments" => {
                for attachment in &child.children {
                    let attachment = new_attachment(attachment)?;
                    message.attachments.push(attachment);
                }
            }
            "ToRecipients" | "RequiredAttendees" => set_people(message, child, 1),
            "CcRecipients" | "OptionalAttendees" => set_people(message, child, 2),
            "BccRecipients" | "Resources" => set_people(message, child, 3),
            "From" | "Sender" => set_sender(message, child),
            "EmailAddresses" => set_emails(message, child),
            "PhoneNumbers" => set_phones(message, child),
            "PhysicalAddresses" => set_addresses(message, child),
            "Recurrence" => appointment::set_recurrence(message, child, element)?,
            "StartTimeZone" => {
                appointment::set_zone(message, child.attr("Id").or(child.attr("Name")))
            }
            "StartTimeZoneId" => appointment::set_zone(message, Some(text.trim())),
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

/// How the text of an element becomes a value.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    Flag,
    Number,
    Time,
    /// The index of a name in a list.
    Name(&'static [&'static str]),
    /// A list of String elements.
    Strings,
    Bytes,
    /// A whole number of hundredths.
    Percent,
}

/// The property and kind of a simple element.
fn simple(name: &str) -> Option<(PropId, Kind)> {
    let tagged = |id: u16, kind| Some((PropId::Tag(id), kind));
    let lid = |id: &NamedProp, kind| Some((PropId::from(id), kind));
    match name {
        "ItemClass" => tagged(tag::MESSAGE_CLASS, Kind::Text),
        "Subject" => tagged(tag::SUBJECT, Kind::Text),
        "Sensitivity" => tagged(
            tag::SENSITIVITY,
            Kind::Name(&["Normal", "Personal", "Private", "Confidential"]),
        ),
        "Importance" => tagged(tag::IMPORTANCE, Kind::Name(&["Low", "Normal", "High"])),
        "Categories" => Some((
            PropId::Named(NamedProp::named(guid::PS_PUBLIC_STRINGS, "Keywords")),
            Kind::Strings,
        )),
        "InReplyTo" => tagged(tag::IN_REPLY_TO_ID, Kind::Text),
        "References" => tagged(tag::INTERNET_REFERENCES, Kind::Text),
        "InternetMessageId" => tagged(tag::INTERNET_MESSAGE_ID, Kind::Text),
        "ConversationTopic" => tagged(tag::CONVERSATION_TOPIC, Kind::Text),
        "ConversationIndex" => tagged(tag::CONVERSATION_INDEX, Kind::Bytes),
        "IsReadReceiptRequested" => tagged(tag::READ_RECEIPT_REQUESTED, Kind::Flag),
        "IsDeliveryReceiptRequested" => {
            tagged(tag::ORIGINATOR_DELIVERY_REPORT_REQUESTED, Kind::Flag)
        }
        "IsResponseRequested" => tagged(tag::RESPONSE_REQUESTED, Kind::Flag),
        "DateTimeReceived" => tagged(tag::MESSAGE_DELIVERY_TIME, Kind::Time),
        "DateTimeSent" => tagged(tag::CLIENT_SUBMIT_TIME, Kind::Time),
        "ReminderDueBy" => lid(&named::REMINDER_TIME, Kind::Time),
        "ReminderIsSet" => lid(&named::REMINDER_SET, Kind::Flag),
        "ReminderMinutesBeforeStart" => lid(&named::REMINDER_DELTA, Kind::Number),
        "Start" => lid(&named::APPOINTMENT_START_WHOLE, Kind::Time),
        "End" => lid(&named::APPOINTMENT_END_WHOLE, Kind::Time),
        "IsAllDayEvent" => lid(&named::APPOINTMENT_SUB_TYPE, Kind::Flag),
        "LegacyFreeBusyStatus" => lid(
            &named::BUSY_STATUS,
            Kind::Name(&["Free", "Tentative", "Busy", "OOF", "WorkingElsewhere"]),
        ),
        "Location" => lid(&named::LOCATION, Kind::Text),
        "FileAs" => lid(&named::FILE_UNDER, Kind::Text),
        "DisplayName" => tagged(tag::DISPLAY_NAME, Kind::Text),
        "GivenName" => tagged(tag::GIVEN_NAME, Kind::Text),
        "Initials" => tagged(tag::INITIALS, Kind::Text),
        "MiddleName" => tagged(tag::MIDDLE_NAME, Kind::Text),
        "Nickname" => tagged(tag::NICKNAME, Kind::Text),
        "CompanyName" => tagged(tag::COMPANY_NAME, Kind::Text),
        "AssistantName" => tagged(tag::ASSISTANT, Kind::Text),
        "Birthday" => tagged(tag::BIRTHDAY, Kind::Time),
        "WeddingAnniversary" => tagged(tag::WEDDING_ANNIVERSARY, Kind::Time),
        "BusinessHomePage" => tagged(tag::BUSINESS_HOME_PAGE, Kind::Text),
        "Department" => tagged(tag::DEPARTMENT_NAME, Kind::Text),
        "Generation" => tagged(tag::GENERATION, Kind::Text),
        "JobTitle" => tagged(tag::TITLE, Kind::Text),
        "Manager" => tagged(tag::MANAGER_NAME, Kind::Text),
        "OfficeLocation" => tagged(tag::OFFICE_LOCATION, Kind::Text),
        "Profession" => tagged(tag::PROFESSION, Kind::Text),
        "SpouseName" => tagged(tag::SPOUSE_NAME, Kind::Text),
        "Surname" => tagged(tag::SURNAME, Kind::Text),
        "DueDate" => lid(&named::TASK_DUE_DATE, Kind::Time),
        "StartDate" => lid(&named::TASK_START_DATE, Kind::Time),
        "CompleteDate" => lid(&named::TASK_DATE_COMPLETED, Kind::Time),
        "PercentComplete" => lid(&named::PERCENT_COMPLETE, Kind::Percent),
        "Status" => lid(&named::TASK_STATUS, Kind::Name(TASK_STATUS)),
        "Owner" => lid(&named::TASK_OWNER, Kind::Text),
        _ => None,
    }
}

/// Sets a simple property; elements without one here are passed over, as those that a store
/// computes.
fn set_simple(message: &mut Message, name: &str, element: &Element<'_>) -> Result<(), Failure> {
    if name == "Flag" {
        let status = ["NotFlagged", "Complete", "Flagged"];
        let wanted = element.child_text("FlagStatus");
        if let Some(number) = (0..).zip(status).find(|(_, name)| Some(*name) == wanted) {
            message
                .props
                .set(tag::FLAG_STATUS, PropValue::Int32(number.0));
        }
        return Ok(());
    }
    if name == "UID" {
        set_uid(message, element.text.trim());
        return Ok(());
    }
    let Some((id, kind)) = simple(name) else {
        return Ok(());
    };
    let text = element.text.as_ref();
    let bad = || {
        Failure::with_text(
            "ErrorInvalidPropertySet",
            format!("The value of {name} is not valid."),
        )
    };
    let value = match kind {
        Kind::Text => PropValue::Unicode(text.to_owned()),
        Kind::Flag => PropValue::Boolean(parse_bool(text).ok_or_else(bad)?),
        Kind::Number => PropValue::Int32(text.trim().parse().map_err(|_| bad())?),
        Kind::Time => PropValue::Time(FileTime(parse_xml_time(text).ok_or_else(bad)?)),
        Kind::Name(names) => {
            let number = (0..).zip(names).find(|(_, name)| **name == text.trim());
            PropValue::Int32(number.ok_or_else(bad)?.0)
        }
        Kind::Strings => PropValue::MultiUnicode(
            element
                .children
                .iter()
                .map(|child| child.text.clone().into_owned())
                .collect(),
        ),
        Kind::Bytes => PropValue::Binary(
            base64_simd::STANDARD
                .decode_to_vec(text.trim())
                .map_err(|_| bad())?
                .into(),
        ),
        Kind::Percent => PropValue::Double(text.trim().parse::<f64>().map_err(|_| bad())? / 100.0),
    };
    if name == "Subject" {
        message.props.set(tag::NORMALIZED_SUBJECT, text);
        message.props.remove(tag::SUBJECT_PREFIX);
    }
    if name == "Status" || name == "PercentComplete" {
        let complete = text.trim() == "Completed" || text.trim() == "100";
        message
            .props
            .set(&named::TASK_COMPLETE, PropValue::Boolean(complete));
    }
    message.props.set(id, value);
    Ok(())
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

fn set_body(message: &mut Message, body: &Element<'_>) {
    let html = body.attr("BodyType") == Some("HTML");
    message.props.remove(tag::RTF_COMPRESSED);
    message.props.remove(tag::RTF_IN_SYNC);
    if html {
        message.props.remove(tag::BODY);
        message.props.set(tag::HTML, body.text.as_bytes().to_vec());
        message.props.set(tag::INTERNET_CODEPAGE, UTF8_CODE_PAGE);
    } else {
        message.props.remove(tag::HTML);
        message.props.set(tag::BODY, body.text.as_ref());
    }
    let native = if html { NATIVE_HTML } else { NATIVE_TEXT };
    message.props.set(tag::NATIVE_BODY, native);
}

/// Builds an attachment from its element.
pub(crate) fn new_attachment(element: &Element<'_>) -> Result<Attachment, Oops> {
    let mut attachment = Attachment::default();
    let props = &mut attachment.props;
    for (name, id) in [
        ("Name", tag::ATTACH_LONG_FILENAME),
        ("ContentType", tag::ATTACH_MIME_TAG),
        ("ContentId", tag::ATTACH_CONTENT_ID),
        ("ContentLocation", tag::ATTACH_CONTENT_LOCATION),
    ] {
        if let Some(text) = element.child_text(name) {
            props.set(id, text);
        }
    }
    if let Some(name) = element.child_text("Name") {
        props.set(tag::DISPLAY_NAME, name);
    }
    if element.child_text("IsInline").and_then(parse_bool) == Some(true) {
        props.set(tag::ATTACH_FLAGS, PropValue::Int32(4));
    }
    props.set(tag::RENDERING_POSITION, PropValue::Int32(-1));
    if element.name == "FileAttachment" {
        let text = element
            .child("Content")
            .map(|content| content.text.as_ref());
        let compact: String = text.unwrap_or_default().split_ascii_whitespace().collect();
        let data = base64_simd::STANDARD
            .decode_to_vec(compact.as_bytes())
            .map_err(|_| {
                Failure::new(
                    "ErrorInvalidValueForProperty",
                    "The attachment is not base64.",
                )
            })?;
        props.set(tag::ATTACH_METHOD, PropValue::Int32(1));
        props.set(
            tag::ATTACH_SIZE,
            i32::try_from(data.len()).unwrap_or(i32::MAX),
        );
        props.set(tag::ATTACH_DATA_BINARY, data);
        return Ok(attachment);
    }
    let described = [
        "Name",
        "ContentType",
        "ContentId",
        "ContentLocation",
        "IsInline",
        "AttachmentId",
    ];
    let inner = element
        .children
        .iter()
        .find(|child| !described.contains(&child.name.as_ref()) && !child.children.is_empty())
        .ok_or(Failure::new(
            "ErrorMissingItemForCreateItemAttachment",
            "The attachment has no item.",
        ))?;
    attachment
        .props
        .set(tag::ATTACH_METHOD, PropValue::Int32(5));
    let (message, _) = new_item(inner)?;
    attachment.embedded = Some(Box::new(message));
    Ok(attachment)
}

/// Replaces the recipients of a type.
fn set_people(message: &mut Message, list: &Element<'_>, kind: i32) {
    message
        .recipients
        .retain(|bag| bag.i32(tag::RECIPIENT_TYPE).unwrap_or(1) & 0xF != kind);
    for element in &list.children {
        let mailbox = if element.name == "Attendee" {
            element.child("Mailbox")
        } else {
            Some(element)
        };
        let Some(mailbox) = mailbox else {
            continue;
        };
        message.recipients.push(recipient(mailbox, kind));
    }
    for (row, bag) in (0..).zip(&mut message.recipients) {
        bag.set(tag::ROWID, PropValue::Int32(row));
    }
    let display = match kind {
        1 => tag::DISPLAY_TO,
        2 => tag::DISPLAY_CC,
        _ => tag::DISPLAY_BCC,
    };
    let names: Vec<String> = message
        .recipients
        .iter()
        .filter(|bag| bag.i32(tag::RECIPIENT_TYPE) == Some(kind))
        .filter_map(|bag| bag.text(tag::DISPLAY_NAME))
        .map(|name| name.into_owned())
        .collect();
    message.props.set(display, names.join("; "));
}

fn recipient(mailbox: &Element<'_>, kind: i32) -> PropertyBag {
    let email = mailbox.child_text("EmailAddress").unwrap_or_default();
    let name = mailbox
        .child_text("Name")
        .filter(|name| !name.is_empty())
        .unwrap_or(email);
    let mut bag = PropertyBag::new();
    bag.set(tag::ROWID, PropValue::Int32(0));
    bag.set(tag::RECIPIENT_TYPE, PropValue::Int32(kind));
    bag.set(tag::DISPLAY_NAME, name);
    bag.set(tag::ADDRESS_TYPE, "SMTP");
    bag.set(tag::EMAIL_ADDRESS, email);
    bag.set(tag::SMTP_ADDRESS, email);
    bag
}

fn set_sender(message: &mut Message, element: &Element<'_>) {
    let Some(mailbox) = element.child("Mailbox") else {
        return;
    };
    let email = mailbox.child_text("EmailAddress").unwrap_or_default();
    let name = mailbox
        .child_text("Name")
        .filter(|name| !name.is_empty())
        .unwrap_or(email);
    let ids = if element.name == "From" {
        [
            tag::SENT_REPRESENTING_NAME,
            tag::SENT_REPRESENTING_ADDRESS_TYPE,
            tag::SENT_REPRESENTING_EMAIL_ADDRESS,
            tag::SENT_REPRESENTING_SMTP_ADDRESS,
        ]
    } else {
        [
            tag::SENDER_NAME,
            tag::SENDER_ADDRESS_TYPE,
            tag::SENDER_EMAIL_ADDRESS,
            tag::SENDER_SMTP_ADDRESS,
        ]
    };
    for (id, text) in ids.into_iter().zip([name, "SMTP", email, email]) {
        message.props.set(id, text);
    }
}

fn set_emails(message: &mut Message, list: &Element<'_>) {
    for entry in &list.children {
        let (address, kind) = match entry.attr("Key") {
            Some("EmailAddress1") => (named::EMAIL1_EMAIL_ADDRESS, named::EMAIL1_ADDRESS_TYPE),
            Some("EmailAddress2") => (named::EMAIL2_EMAIL_ADDRESS, named::EMAIL2_ADDRESS_TYPE),
            Some("EmailAddress3") => (named::EMAIL3_EMAIL_ADDRESS, named::EMAIL3_ADDRESS_TYPE),
            _ => continue,
        };
        message.props.set(address, entry.text.as_ref());
        message.props.set(kind, "SMTP");
    }
}

fn set_phones(message: &mut Message, list: &Element<'_>) {
    for entry in &list.children {
        let key = entry.attr("Key").unwrap_or_default();
        if let Some((_, id)) = CONTACT_PHONES.iter().find(|(name, _)| *name == key) {
            message.props.set(*id, entry.text.as_ref());
        }
    }
}

fn set_addresses(message: &mut Message, list: &Element<'_>) {
    for entry in &list.children {
        for part in &entry.children {
            let id: Option<PropId> = match (entry.attr("Key"), part.name.as_ref()) {
                (Some("Business"), "Street") => Some((&named::WORK_ADDRESS_STREET).into()),
                (Some("Business"), "City") => Some((&named::WORK_ADDRESS_CITY).into()),
                (Some("Business"), "State") => Some((&named::WORK_ADDRESS_STATE).into()),
                (Some("Business"), "CountryOrRegion") => {
                    Some((&named::WORK_ADDRESS_COUNTRY).into())
                }
                (Some("Business"), "PostalCode") => Some((&named::WORK_ADDRESS_POSTAL_CODE).into()),
                (Some("Home"), "Street") => Some(tag::HOME_ADDRESS_STREET.into()),
                (Some("Home"), "City") => Some(tag::HOME_ADDRESS_CITY.into()),
                (Some("Home"), "State") => Some(tag::HOME_ADDRESS_STATE_OR_PROVINCE.into()),
                (Some("Home"), "CountryOrRegion") => Some(tag::HOME_ADDRESS_COUNTRY.into()),
                (Some("Home"), "PostalCode") => Some(tag::HOME_ADDRESS_POSTAL_CODE.into()),
                (Some("Other"), "Street") => Some(tag::OTHER_ADDRESS_STREET.into()),
                (Some("Other"), "City") => Some(tag::OTHER_ADDRESS_CITY.into()),
                (Some("Other"), "State") => Some(tag::OTHER_ADDRESS_STATE_OR_PROVINCE.into()),
                (Some("Other"), "CountryOrRegion") => Some(tag::OTHER_ADDRESS_COUNTRY.into()),
                (Some("Other"), "PostalCode") => Some(tag::OTHER_ADDRESS_POSTAL_CODE.into()),
                _ => None,
            };
            if let Some(id) = id {
                message.props.set(id, part.text.as_ref());
            }
        }
    }
}

/// Removes a property that a DeleteItemField names.
pub(crate) fn remove(message: &mut Message, path: &Path) -> Result<(), Failure> {
    let refused = || {
        Failure::new(
            "ErrorInvalidPropertyDelete",
            "The property cannot be deleted.",
        )
    };
    match path {
        Path::Extended(extended) => drop(message.props.remove(&extended.id)),
        Path::Field(uri) => match uri.split_once(':').map_or("", |(_, name)| name) {
            "Body" => {
                message.props.remove(tag::BODY);
                message.props.remove(tag::HTML);
                message.props.remove(tag::RTF_COMPRESSED);
            }
            "Attachments" => message.attachments.clear(),
            "ToRecipients" | "RequiredAttendees" => clear_people(message, 1),
            "CcRecipients" | "OptionalAttendees" => clear_people(message, 2),
            "BccRecipients" | "Resources" => clear_people(message, 3),
            name => {
                let (id, _) = simple(name).ok_or_else(refused)?;
                message.props.remove(id);
            }
        },
        Path::Indexed { uri, index } if uri == "contacts:PhoneNumber" => {
            let phone = CONTACT_PHONES.iter().find(|(name, _)| name == index);
            message.props.remove(phone.ok_or_else(refused)?.1);
        }
        Path::Indexed { uri, index } if uri == "contacts:EmailAddress" => {
            let id = match index.as_str() {
                "EmailAddress1" => named::EMAIL1_EMAIL_ADDRESS,
                "EmailAddress2" => named::EMAIL2_EMAIL_ADDRESS,
                "EmailAddress3" => named::EMAIL3_EMAIL_ADDRESS,
                _ => return Err(refused()),
            };
            message.props.remove(id);
        }
        Path::Indexed { .. } => return Err(refused()),
    }
    Ok(())
}

fn clear_people(message: &mut Message, kind: i32) {
    message
        .recipients
        .retain(|bag| bag.i32(tag::RECIPIENT_TYPE).unwrap_or(1) & 0xF != kind);
    let display = [tag::DISPLAY_TO, tag::DISPLAY_CC, tag::DISPLAY_BCC];
    if let Some(id) = usize::try_from(kind - 1)
        .ok()
        .and_then(|index| display.get(index))
    {
        message.props.remove(*id);
    }
}

//! Properties that are one value of one MAPI property.

use fasttransfer::{FileTime, NamedProp, PropId, PropValue, guid, named, tag};

use crate::clock::parse_xml_time;
use crate::op::Failure;
use crate::prop::parse_bool;
use crate::shape::TASK_STATUS;
use crate::xml::Element;

/// PidLidConferencingCheck.
pub(crate) const CONFERENCING_CHECK: NamedProp = NamedProp::lid(guid::PSETID_APPOINTMENT, 0x8240);
/// PidLidConferencingType.
pub(crate) const CONFERENCING_TYPE: NamedProp = NamedProp::lid(guid::PSETID_APPOINTMENT, 0x8241);
/// PidLidNetShowUrl.
pub(crate) const NET_SHOW_URL: NamedProp = NamedProp::lid(guid::PSETID_APPOINTMENT, 0x8248);
/// PidLidMeetingWorkspaceUrl.
pub(crate) const MEETING_WORKSPACE_URL: NamedProp =
    NamedProp::lid(guid::PSETID_APPOINTMENT, 0x8209);

/// What an organizer says of the time, in words.
pub(crate) const WHEN: NamedProp = NamedProp::lid(guid::PSETID_MEETING, 0x0022);

/// The values of PidLidFileUnderId (MS-OXOCNTC 2.2.1.1.12) by their names in the schema.
pub(crate) const FILE_AS: &[(&str, i32)] = &[
    ("None", 0),
    ("DisplayName", 0x3001),
    ("FirstName", 0x3A06),
    ("LastName", 0x3A11),
    ("Company", 0x3A16),
    ("LastCommaFirst", 0x8017),
    ("CompanyLastCommaFirst", 0x8018),
    ("LastCommaFirstCompany", 0x8019),
    ("LastFirst", 0x8030),
    ("LastSpaceFirst", 0x8031),
    ("CompanyLastFirst", 0x8032),
    ("CompanyLastSpaceFirst", 0x8033),
    ("LastFirstCompany", 0x8034),
    ("LastSpaceFirstCompany", 0x8035),
    ("LastFirstSuffix", 0x8036),
    ("FirstSpaceLast", 0x8037),
    ("LastFirstMiddleSuffix", 0x8038),
];

/// How the text of an element becomes a value.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
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
    /// A flag that is kept the other way round.
    Not,
    /// A name in a list that says each name's number.
    Coded(&'static [(&'static str, i32)]),
}

/// The property and kind of a simple element.
pub(crate) fn simple(name: &str) -> Option<(PropId, Kind)> {
    of_items(name).or_else(|| of_contacts_and_tasks(name))
}

fn tagged(id: u16, kind: Kind) -> Option<(PropId, Kind)> {
    Some((PropId::Tag(id), kind))
}

fn lid(id: &NamedProp, kind: Kind) -> Option<(PropId, Kind)> {
    Some((PropId::from(id), kind))
}

fn of_items(name: &str) -> Option<(PropId, Kind)> {
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
        "When" => lid(&WHEN, Kind::Text),
        "AllowNewTimeProposal" => lid(&named::APPOINTMENT_NOT_ALLOW_PROPOSE, Kind::Not),
        "IsOnlineMeeting" => lid(&CONFERENCING_CHECK, Kind::Flag),
        "ConferenceType" => lid(&CONFERENCING_TYPE, Kind::Number),
        "MeetingWorkspaceUrl" => lid(&MEETING_WORKSPACE_URL, Kind::Text),
        "NetShowUrl" => lid(&NET_SHOW_URL, Kind::Text),
        _ => None,
    }
}

fn of_contacts_and_tasks(name: &str) -> Option<(PropId, Kind)> {
    match name {
        "FileAsMapping" => lid(&named::FILE_UNDER_ID, Kind::Coded(FILE_AS)),
        "Children" => tagged(tag::CHILDRENS_NAMES, Kind::Strings),
        "Companies" => lid(&named::COMPANIES, Kind::Strings),
        "Contacts" => lid(&named::CONTACTS, Kind::Strings),
        "Mileage" => lid(&named::MILEAGE, Kind::Text),
        "BillingInformation" => lid(&named::BILLING, Kind::Text),
        "PostalAddressIndex" => lid(
            &named::POSTAL_ADDRESS_ID,
            Kind::Name(&["None", "Home", "Business", "Other"]),
        ),
        "ActualWork" => lid(&named::TASK_ACTUAL_EFFORT, Kind::Number),
        "TotalWork" => lid(&named::TASK_ESTIMATED_EFFORT, Kind::Number),
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

/// Reads the value of an element.
pub(super) fn value_of(
    name: &str,
    kind: Kind,
    element: &Element<'_>,
) -> Result<PropValue, Failure> {
    let text = element.text.as_ref();
    let bad = || {
        Failure::with_text(
            "ErrorInvalidPropertySet",
            format!("The value of {name} is not valid."),
        )
    };
    let named_in = |names: &[(&str, i32)]| {
        let number = names.iter().find(|(name, _)| *name == text.trim());
        number.map(|(_, number)| PropValue::Int32(*number))
    };
    Ok(match kind {
        Kind::Text => PropValue::Unicode(text.to_owned()),
        Kind::Flag => PropValue::Boolean(parse_bool(text).ok_or_else(bad)?),
        Kind::Not => PropValue::Boolean(!parse_bool(text).ok_or_else(bad)?),
        Kind::Number => PropValue::Int32(text.trim().parse().map_err(|_| bad())?),
        Kind::Time => PropValue::Time(FileTime(parse_xml_time(text).ok_or_else(bad)?)),
        Kind::Name(names) => {
            let number = (0..).zip(names).find(|(_, name)| **name == text.trim());
            PropValue::Int32(number.ok_or_else(bad)?.0)
        }
        Kind::Coded(names) => named_in(names).ok_or_else(bad)?,
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
    })
}

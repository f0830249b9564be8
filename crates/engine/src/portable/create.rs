//! What CreateItem is asked to make of a portable item.

use ews_client::{
    DistinguishedPropertySet as Set, ExtendedKey, ExtendedPath, ExtendedProperty, Item, ItemKind,
    MapiType, NewItem, PropertySet,
};

use super::convert::time_property;
use super::properties::{
    BEYOND_ICALENDAR, DELIVERY_TIME, DISPLAY_TO, FROM_ADDRESS, FROM_NAME, Group, MESSAGE_FLAGS,
    RECURRENCE, SUBMIT_TIME,
};

/// mfRead, mfUnmodified, mfUnsent, mfFromMe and mfResend (MS-OXCMSG 2.2.1.6); the others are
/// computed by the store.
const SETTABLE_FLAGS: i64 = 0x01 | 0x02 | 0x08 | 0x20 | 0x80;
const READ: i64 = 0x01;
const UNSENT: i64 = 0x08;

/// How much of an item a server is asked to take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Extent {
    /// Everything that is stored.
    Whole,
    /// Of MAPI properties only times, flags and origin, and no elements.
    Plain,
    /// As `Plain`, without MIME text: subject and body instead.
    Bare,
}

impl Extent {
    /// What to try when this much was refused.
    pub(crate) fn less(self) -> Option<Self> {
        match self {
            Self::Whole => Some(Self::Plain),
            Self::Plain => Some(Self::Bare),
            Self::Bare => None,
        }
    }
}

/// The item to create, with the read state it had in the snapshot and its origin.
pub(crate) fn new_item(
    item: &Item,
    is_read: Option<bool>,
    origin: ExtendedProperty,
    extent: Extent,
) -> NewItem {
    let group = Group::of_class(item.item_class.as_deref().unwrap_or_default());
    let mime = item
        .mime_content
        .as_ref()
        .filter(|mime| extent != Extent::Bare && takes_mime(group, mime));
    let is_read = is_read.or(item.is_read);
    let mut extended = essential(item, is_read);
    extended.push(origin);
    if extent == Extent::Whole {
        let wanted = item
            .extended
            .iter()
            .filter(|p| is_sent(&p.path.key, group, mime.map(|m| &**m)));
        extended.extend(wanted.cloned());
    }
    NewItem {
        kind: match &item.kind {
            // Meeting messages and the rest are messages to CreateItem; the class tells them apart.
            ItemKind::CalendarItem
            | ItemKind::Contact
            | ItemKind::DistributionList
            | ItemKind::Task
            | ItemKind::PostItem => item.kind.clone(),
            _ => ItemKind::Message,
        },
        item_class: item.item_class.clone(),
        subject: item.subject.clone().filter(|_| mime.is_none()),
        body: item.body.clone().filter(|_| mime.is_none()),
        sensitivity: item.sensitivity,
        importance: item.importance,
        categories: item.categories.clone(),
        fields: if extent == Extent::Whole {
            item.fields.clone()
        } else {
            Vec::new()
        },
        mime_content: mime.cloned(),
        is_read,
        extended,
        ..NewItem::default()
    }
}

/// Whether servers make items of this kind from this MIME, iCalendar or vCard text. A mail that
/// describes a list or a task says too little, and a journal entry's or note's calendar file is no
/// mail to make a message of.
fn takes_mime(group: Group, mime: &[u8]) -> bool {
    match group {
        Group::List | Group::Task => is_calendar_or_card(mime),
        Group::Other => !is_calendar_or_card(mime),
        Group::Mail | Group::Meeting | Group::Calendar | Group::Contact => true,
    }
}

/// Whether a file is of a kind that says everything of a list or task.
fn is_calendar_or_card(mime: &[u8]) -> bool {
    let start = mime.trim_ascii_start();
    start
        .get(..7)
        .is_some_and(|head| head.eq_ignore_ascii_case(b"BEGIN:V"))
}

/// Times and flags, which every item has.
fn essential(item: &Item, is_read: Option<bool>) -> Vec<ExtendedProperty> {
    let mut essential = Vec::new();
    for (tag, time) in [
        (DELIVERY_TIME, item.date_time_received),
        (SUBMIT_TIME, item.date_time_sent),
    ] {
        // The property is exact; the element may say the time of creation where there is none.
        match item.property(tag) {
            Some(property) => essential.push(property.clone()),
            None if item.extended.is_empty() => {
                essential.extend(time.map(|time| time_property(tag, time)));
            }
            None => {}
        }
    }
    let stored = item
        .property(MESSAGE_FLAGS)
        .and_then(ExtendedProperty::as_i64);
    let draft = if item.is_draft == Some(true) {
        UNSENT
    } else {
        0
    };
    let mut flags = stored.unwrap_or(draft) & SETTABLE_FLAGS;
    match is_read {
        Some(true) => flags |= READ,
        Some(false) => flags &= !READ,
        None => {}
    }
    let path = ExtendedPath::tag(MESSAGE_FLAGS, MapiType::Integer);
    essential.push(ExtendedProperty::single(path, flags.to_string()));
    essential
}

/// Whether a stored property is worth sending beside the MIME text. A calendar's times and names
/// are in its iCalendar text, and must not contradict it; a recurrence is sent where the text
/// has none.
fn is_sent(key: &ExtendedKey, group: Group, mime: Option<&[u8]>) -> bool {
    match key {
        ExtendedKey::Tag(DELIVERY_TIME | SUBMIT_TIME | MESSAGE_FLAGS | DISPLAY_TO) => false,
        ExtendedKey::Tag(FROM_NAME | FROM_ADDRESS) => mime.is_none(),
        ExtendedKey::Id {
            set: PropertySet::Distinguished(set),
            id,
        } if group == Group::Calendar => {
            let Some(text) = mime else { return true };
            match set {
                Set::Appointment if RECURRENCE.contains(id) => !has_line(text, b"RRULE"),
                Set::Appointment => BEYOND_ICALENDAR.contains(id),
                Set::Meeting => !has_line(text, b"UID"),
                _ => true,
            }
        }
        ExtendedKey::Tag(0x0060..=0x0063) => mime.is_none() || group == Group::Meeting,
        _ => true,
    }
}

/// Whether an iCalendar text has a line of that name.
fn has_line(text: &[u8], name: &[u8]) -> bool {
    text.split(|byte| matches!(byte, b'\n' | b'\r'))
        .any(|line| {
            line.split_at_checked(name.len())
                .is_some_and(|(head, rest)| {
                    head.eq_ignore_ascii_case(name) && matches!(rest.first(), Some(b':' | b';'))
                })
        })
}

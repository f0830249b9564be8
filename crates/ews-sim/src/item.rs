//! Items.

use std::borrow::Cow;
use std::sync::Arc;

use fasttransfer::{FileTime, Message, PropValue, tag};

use serde::{Deserialize, Serialize};

use crate::changes::EventKind;
use crate::generate;
use crate::id::KeyKind;
use crate::payload::LargeContent;
use crate::shape::has_visible;

/// PidTagMessageFlags: mfRead.
pub(crate) const FLAG_READ: i32 = 0x1;
/// PidTagMessageFlags: mfUnsent, a draft.
pub(crate) const FLAG_UNSENT: i32 = 0x8;
/// PidTagMessageFlags: mfHasAttach.
pub(crate) const FLAG_HAS_ATTACH: i32 = 0x10;

/// Events kept per item for sync rounds in progress; older ones are of no use to anyone.
const MAX_EVENTS: usize = 64;

/// What an item consists of.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    /// Properties in memory.
    Message(Arc<Message>),
    /// Computed from a seed whenever it is looked at.
    Synthetic { seed: u64, number: u64 },
    /// Properties in memory, one huge attachment computed piece by piece.
    Large(Arc<LargeContent>),
}

impl Default for Content {
    fn default() -> Content {
        Content::Message(Arc::default())
    }
}

/// An item in a folder.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Item {
    pub(crate) key: u64,
    /// A state file keeps it apart.
    #[serde(skip)]
    pub(crate) content: Content,
    pub(crate) is_read: bool,
    /// Whether the item is folder-associated information, hidden from normal listings.
    pub(crate) associated: bool,
    /// Change numbers with what they were, the creation first.
    pub(crate) events: Vec<(u64, EventKind)>,
    /// Store-assigned times, in 100 ns ticks since 1601.
    pub(crate) created: u64,
    pub(crate) modified: u64,
    /// Set in what stands for one occurrence of a series; nothing kept has it.
    #[serde(skip)]
    pub(crate) occurrence: Option<Occurrence>,
}

/// Which occurrence of a series is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Occurrence {
    /// Its day, in minutes since 1601.
    pub(crate) day: u32,
    pub(crate) is_exception: bool,
}

impl Item {
    /// The number of the item's creation in this folder.
    pub(crate) fn created_change(&self) -> u64 {
        self.events.first().map_or(0, |event| event.0)
    }

    /// The number of the last change.
    pub(crate) fn change(&self) -> u64 {
        self.events.last().map_or(0, |event| event.0)
    }

    /// The number of the last change up to a limit.
    pub(crate) fn change_as_of(&self, limit: u64) -> Option<u64> {
        let mut events = self.events.iter().rev();
        events.find(|event| event.0 <= limit).map(|event| event.0)
    }

    /// What a client that knows everything up to `base` must be told, as of a limit.
    pub(crate) fn classify(&self, base: u64, as_of: u64) -> EventKind {
        if self.created_change() > base {
            return EventKind::Created;
        }
        let mut window = self
            .events
            .iter()
            .filter(|event| event.0 > base && event.0 <= as_of);
        if window.any(|event| event.1 == EventKind::Updated) {
            EventKind::Updated
        } else {
            EventKind::ReadFlag
        }
    }

    pub(crate) fn push_event(&mut self, change: u64, kind: EventKind) {
        if self.events.len() >= MAX_EVENTS {
            self.events.remove(1);
        }
        self.events.push((change, kind));
    }

    /// The item's properties; computed for synthetic items.
    pub(crate) fn message(&self) -> Cow<'_, Message> {
        match &self.content {
            Content::Message(message) => Cow::Borrowed(message),
            Content::Large(large) => Cow::Borrowed(&large.message),
            Content::Synthetic { seed, number } => {
                let mut message = generate::synthetic(*seed, *number);
                stamp(&mut message, self.is_read, self.created, self.modified);
                Cow::Owned(message)
            }
        }
    }

    /// Size in bytes as EWS tells it; for huge items without building them.
    pub(crate) fn size(&self, message: &Message) -> u64 {
        let extra = match &self.content {
            Content::Large(large) => large.payload.bytes,
            _ => 0,
        };
        message_bytes(message) + extra
    }
}

/// Writes the store-assigned properties into a message.
pub(crate) fn stamp(message: &mut Message, is_read: bool, created: u64, modified: u64) {
    let has_attachments = has_visible(message);
    let props = &mut message.props;
    let mut flags = props.i32(tag::MESSAGE_FLAGS).unwrap_or(0);
    flags = if is_read {
        flags | FLAG_READ
    } else {
        flags & !FLAG_READ
    };
    flags &= !FLAG_HAS_ATTACH;
    if has_attachments {
        flags |= FLAG_HAS_ATTACH;
    }
    props.set(tag::MESSAGE_FLAGS, PropValue::Int32(flags));
    props.set(tag::CREATION_TIME, PropValue::Time(FileTime(created)));
    props.set(
        tag::LAST_MODIFICATION_TIME,
        PropValue::Time(FileTime(modified)),
    );
}

/// Bytes of all property values, the attachments' and recipients' included.
pub(crate) fn message_bytes(message: &Message) -> u64 {
    let own: u64 = bag_bytes(&message.props);
    let recipients: u64 = message.recipients.iter().map(bag_bytes).sum();
    let attachments: u64 = message
        .attachments
        .iter()
        .map(|attachment| {
            bag_bytes(&attachment.props) + attachment.embedded.as_deref().map_or(0, message_bytes)
        })
        .sum();
    own + recipients + attachments
}

fn bag_bytes(bag: &fasttransfer::PropertyBag) -> u64 {
    bag.iter()
        .map(|property| match &property.value {
            PropValue::Unicode(text) => 4 + 2 * text.len() as u64,
            PropValue::String8 { bytes, .. } => 4 + bytes.len() as u64,
            value => 12 + value.bytes().map_or(0, |bytes| bytes.len() as u64),
        })
        .sum()
}

/// The class of a message, `IPM.Note` when it has none.
pub(crate) fn item_class(message: &Message) -> Cow<'_, str> {
    message
        .props
        .text(tag::MESSAGE_CLASS)
        .filter(|class| !class.is_empty())
        .unwrap_or(Cow::Borrowed("IPM.Note"))
}

/// The kind of change key an item of a class has.
pub(crate) fn key_kind(class: &str) -> KeyKind {
    if has_class(class, "IPM.Appointment") {
        KeyKind::Calendar
    } else if has_class(class, "IPM.Contact") || has_class(class, "IPM.DistList") {
        KeyKind::Contact
    } else if has_class(class, "IPM.Task") {
        KeyKind::Task
    } else {
        KeyKind::Message
    }
}

/// Tells whether a class is the given one or derived from it.
pub(crate) fn has_class(class: &str, base: &str) -> bool {
    class
        .get(..base.len())
        .is_some_and(|head| head.eq_ignore_ascii_case(base))
        && matches!(class.as_bytes().get(base.len()), None | Some(b'.'))
}

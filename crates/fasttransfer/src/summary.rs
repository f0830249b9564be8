//! A few facts about an item, picked up while its stream passes by.

use jiff::Timestamp;

use crate::lexer::{Event, Lexer, LexerSink, PropDef};
use crate::wire::marker;
use crate::{Deframer, FrameEvent, FrameSink, NamedProp, PropId, PropValue, decode, named, tag};

/// The longest value looked at, in bytes; longer strings are cut.
const VALUE_LIMIT: usize = 8192;
/// Bit 0 of PidTagMessageFlags.
const FLAG_READ: i32 = 1;
/// Bit 4 of PidTagMessageFlags.
const FLAG_HAS_ATTACHMENT: i32 = 0x10;

/// What a list of items shows about one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// PidTagMessageClass, such as `IPM.Note`.
    pub item_class: Option<String>,
    /// PidTagSubject; a contact's display name when it has no subject.
    pub subject: Option<String>,
    /// The name of the person it is from.
    pub sender_name: Option<String>,
    /// Their address, by preference the SMTP one.
    pub sender_address: Option<String>,
    /// PidTagDisplayTo.
    pub display_to: Option<String>,
    /// PidTagDisplayCc.
    pub display_cc: Option<String>,
    /// PidTagClientSubmitTime.
    pub sent: Option<Timestamp>,
    /// PidTagMessageDeliveryTime.
    pub received: Option<Timestamp>,
    /// PidTagCreationTime.
    pub created: Option<Timestamp>,
    /// PidTagLastModificationTime.
    pub modified: Option<Timestamp>,
    /// PidTagMessageSize, or the length of the stream in bytes.
    pub size: u64,
    /// PidTagImportance: 0 low, 1 normal, 2 high.
    pub importance: Option<i32>,
    /// Whether there is an attachment that is not hidden.
    pub has_attachments: bool,
    /// PidTagInternetMessageId.
    pub internet_message_id: Option<String>,
    /// Whether PidTagMessageFlags says it was read, if it says anything.
    pub read: Option<bool>,
    /// PidTagConversationTopic.
    pub conversation_topic: Option<String>,
    /// When an appointment begins.
    pub start: Option<Timestamp>,
    /// When an appointment ends.
    pub end: Option<Timestamp>,
    /// Where an appointment is.
    pub location: Option<String>,
    /// The categories.
    pub categories: Vec<String>,
    /// Whether something in the stream could not be read, so that facts may be missing.
    pub partial: bool,
}

/// Summarises an item from its native stream.
#[must_use]
pub fn summarise(data: &[u8]) -> Summary {
    let mut summariser = Summariser::new();
    summariser.feed(data);
    summariser.finish()
}

/// [`summarise`] for data that arrives in pieces. Memory is constant; large values are skipped.
#[derive(Debug, Default)]
pub struct Summariser {
    deframer: Deframer,
    inner: Inner,
}

impl Summariser {
    /// A summariser at the beginning of the data.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Looks at more data.
    pub fn feed(&mut self, data: &[u8]) {
        self.inner.total += data.len() as u64;
        self.deframer.feed(data, &mut self.inner);
    }

    /// Ends the data.
    #[must_use]
    pub fn finish(self) -> Summary {
        let complete = self.deframer.at_boundary()
            && self.inner.lexer.at_boundary()
            && self.inner.picker.depth == 0;
        let mut summary = self.inner.picker.finish();
        summary.partial = !complete;
        if summary.size == 0 {
            summary.size = self.inner.total;
        }
        summary
    }
}

#[derive(Debug, Default)]
struct Inner {
    lexer: Lexer,
    picker: Picker,
    total: u64,
}

impl FrameSink for Inner {
    fn event(&mut self, event: FrameEvent<'_>) {
        if let FrameEvent::Stream(bytes) = event {
            self.lexer.feed(bytes, &mut self.picker);
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Class,
    Subject,
    DisplayName,
    SenderName,
    SenderSmtp,
    SenderAddress,
    RepresentingName,
    RepresentingSmtp,
    RepresentingAddress,
    DisplayTo,
    DisplayCc,
    Sent,
    Received,
    Created,
    Modified,
    Size,
    Importance,
    HasAttachments,
    MessageId,
    Flags,
    Topic,
    Start,
    End,
    Location,
    Keywords,
    AttachmentHidden,
}

/// Picks the fields out of the lexer's events.
#[derive(Debug, Default)]
struct Picker {
    /// Recipients, attachments and embedded messages that are open.
    depth: usize,
    in_attachment: bool,
    attachment_hidden: bool,
    visible_attachments: u64,
    field: Option<(Field, u16)>,
    value: Vec<u8>,
    summary: Summary,
    flags: Option<i32>,
    has_attachments: Option<bool>,
    display_name: Option<String>,
    sender: [Option<String>; 3],
    representing: [Option<String>; 3],
}

impl LexerSink for Picker {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Marker(value) => self.marker(value),
            Event::Property { def, .. } => {
                self.value.clear();
                self.field = self.field_of(def).map(|field| (field, def.property_type));
            }
            Event::Bytes(bytes) if self.field.is_some() => {
                let room = VALUE_LIMIT - self.value.len().min(VALUE_LIMIT);
                self.value
                    .extend_from_slice(&bytes[..bytes.len().min(room)]);
            }
            Event::ElementEnd => {
                if let Some((field, property_type)) = self.field {
                    if let Some((value, _)) = decode::element(property_type, &mut self.value) {
                        self.set(field, value);
                    }
                    self.value.clear();
                }
            }
            Event::PropertyEnd => self.field = None,
            _ => {}
        }
    }
}

impl Picker {
    fn marker(&mut self, value: u32) {
        match value {
            marker::START_RECIP | marker::START_EMBED => self.depth += 1,
            marker::NEW_ATTACH => {
                self.depth += 1;
                if self.depth == 1 {
                    self.in_attachment = true;
                    self.attachment_hidden = false;
                }
            }
            marker::END_TO_RECIP | marker::END_EMBED => self.depth = self.depth.saturating_sub(1),
            marker::END_ATTACH => {
                self.depth = self.depth.saturating_sub(1);
                if self.depth == 0 && std::mem::take(&mut self.in_attachment) {
                    self.visible_attachments += u64::from(!self.attachment_hidden);
                }
            }
            _ => {}
        }
    }

    fn field_of(&self, def: &PropDef) -> Option<Field> {
        match (&def.id, self.depth) {
            (PropId::Tag(tag), 0) => tag_field(*tag),
            (PropId::Named(named), 0) => named_field(named),
            (PropId::Tag(tag::ATTACHMENT_HIDDEN), 1) if self.in_attachment => {
                Some(Field::AttachmentHidden)
            }
            _ => None,
        }
    }

    fn set(&mut self, field: Field, value: PropValue) {
        let time = match &value {
            PropValue::Time(time) => time.to_timestamp(),
            _ => None,
        };
        let number = match &value {
            PropValue::Int32(number) => Some(*number),
            _ => None,
        };
        let flag = match &value {
            PropValue::Boolean(flag) => Some(*flag),
            _ => None,
        };
        let text = || match value {
            PropValue::Unicode(text) => Some(text),
            other => other.text().map(std::borrow::Cow::into_owned),
        };
        let summary = &mut self.summary;
        match field {
            Field::Class => summary.item_class = text(),
            Field::Subject => summary.subject = text(),
            Field::DisplayName => self.display_name = text(),
            Field::SenderName => self.sender[0] = text(),
            Field::SenderSmtp => self.sender[1] = text(),
            Field::SenderAddress => self.sender[2] = text(),
            Field::RepresentingName => self.representing[0] = text(),
            Field::RepresentingSmtp => self.representing[1] = text(),
            Field::RepresentingAddress => self.representing[2] = text(),
            Field::DisplayTo => summary.display_to = text(),
            Field::DisplayCc => summary.display_cc = text(),
            Field::Sent => summary.sent = time,
            Field::Received => summary.received = time,
            Field::Created => summary.created = time,
            Field::Modified => summary.modified = time,
            Field::Size => summary.size = number.and_then(|n| u64::try_from(n).ok()).unwrap_or(0),
            Field::Importance => summary.importance = number,
            Field::HasAttachments => self.has_attachments = flag,
            Field::MessageId => summary.internet_message_id = text(),
            Field::Flags => self.flags = number,
            Field::Topic => summary.conversation_topic = text(),
            Field::Start => summary.start = time,
            Field::End => summary.end = time,
            Field::Location => summary.location = text(),
            Field::Keywords => {
                if summary.categories.len() < 64 {
                    summary.categories.extend(text());
                }
            }
            Field::AttachmentHidden => self.attachment_hidden = flag == Some(true),
        }
    }

    fn finish(self) -> Summary {
        let mut summary = self.summary;
        summary.subject = summary.subject.or(self.display_name);
        // Who a message is from is whom it represents; the sender may be a delegate.
        let [name, smtp, address] = self.representing;
        let [sender_name, sender_smtp, sender_address] = self.sender;
        summary.sender_name = name.or(sender_name);
        summary.sender_address = smtp.or(sender_smtp).or(address).or(sender_address);
        summary.read = self.flags.map(|flags| flags & FLAG_READ != 0);
        summary.has_attachments = self.has_attachments.unwrap_or(self.visible_attachments > 0)
            || self.flags.is_some_and(|flags| {
                flags & FLAG_HAS_ATTACHMENT != 0 && self.has_attachments.is_none()
            });
        summary
    }
}

fn tag_field(id: u16) -> Option<Field> {
    Some(match id {
        tag::MESSAGE_CLASS => Field::Class,
        tag::SUBJECT => Field::Subject,
        tag::DISPLAY_NAME => Field::DisplayName,
        tag::SENDER_NAME => Field::SenderName,
        tag::SENDER_SMTP_ADDRESS => Field::SenderSmtp,
        tag::SENDER_EMAIL_ADDRESS => Field::SenderAddress,
        tag::SENT_REPRESENTING_NAME => Field::RepresentingName,
        tag::SENT_REPRESENTING_SMTP_ADDRESS => Field::RepresentingSmtp,
        tag::SENT_REPRESENTING_EMAIL_ADDRESS => Field::RepresentingAddress,
        tag::DISPLAY_TO => Field::DisplayTo,
        tag::DISPLAY_CC => Field::DisplayCc,
        tag::CLIENT_SUBMIT_TIME => Field::Sent,
        tag::MESSAGE_DELIVERY_TIME => Field::Received,
        tag::CREATION_TIME => Field::Created,
        tag::LAST_MODIFICATION_TIME => Field::Modified,
        tag::MESSAGE_SIZE => Field::Size,
        tag::IMPORTANCE => Field::Importance,
        tag::HAS_ATTACHMENTS => Field::HasAttachments,
        tag::INTERNET_MESSAGE_ID => Field::MessageId,
        tag::MESSAGE_FLAGS => Field::Flags,
        tag::CONVERSATION_TOPIC => Field::Topic,
        _ => return None,
    })
}

fn named_field(prop: &NamedProp) -> Option<Field> {
    let lids = [
        (named::APPOINTMENT_START_WHOLE, Field::Start),
        (named::APPOINTMENT_END_WHOLE, Field::End),
        (named::LOCATION, Field::Location),
    ];
    lids.into_iter()
        .find_map(|(lid, field)| (lid == *prop).then_some(field))
        .or_else(|| (*prop == named::keywords()).then_some(Field::Keywords))
}

//! Items.

use bytes::Bytes;
use jiff::Timestamp;

use crate::model::property::{ExtendedProperty, find_tag, named};
use crate::model::{Body, FolderId, ItemField, ItemId};

/// The element an item comes in (`ItemType` and what is made of it, MS-OXWSCORE 2.2.4.24).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ItemKind {
    /// Anything without an element of its own, such as a note.
    #[default]
    Item,
    /// A mail (`MessageType`, MS-OXWSMSG 2.2.4.3).
    Message,
    /// A mail that shares a folder (`SharingMessageType`).
    SharingMessage,
    /// An appointment or a meeting (`CalendarItemType`, MS-OXWSMTGS 2.2.4.6).
    CalendarItem,
    /// A person (`ContactItemType`, MS-OXWSCONT 2.2.4.3).
    Contact,
    /// A personal list of addresses (`DistributionListType`, MS-OXWSDLIST 2.2.4.1).
    DistributionList,
    /// A mail about a meeting, of none of the next kinds (`MeetingMessageType`, MS-OXWSMTGS
    /// 2.2.4.15).
    MeetingMessage,
    /// An invitation, or an update of one (`MeetingRequestMessageType`, MS-OXWSMTGS 2.2.4.17).
    MeetingRequest,
    /// An attendee's answer (`MeetingResponseMessageType`, MS-OXWSMTGS 2.2.4.18).
    MeetingResponse,
    /// Word that a meeting does not take place (`MeetingCancellationMessageType`, MS-OXWSMTGS
    /// 2.2.4.14).
    MeetingCancellation,
    /// A thing to do (`TaskType`, MS-OXWSTASK 2.2.4.6).
    Task,
    /// A text left in a folder, sent to nobody (`PostItemType`, MS-OXWSPOST 2.2.4.1).
    PostItem,
    /// An element this list lacks, by its name.
    Other(Box<str>),
}

impl ItemKind {
    /// The element's local name.
    pub fn as_str(&self) -> &str {
        match self {
            ItemKind::Item => "Item",
            ItemKind::Message => "Message",
            ItemKind::SharingMessage => "SharingMessage",
            ItemKind::CalendarItem => "CalendarItem",
            ItemKind::Contact => "Contact",
            ItemKind::DistributionList => "DistributionList",
            ItemKind::MeetingMessage => "MeetingMessage",
            ItemKind::MeetingRequest => "MeetingRequest",
            ItemKind::MeetingResponse => "MeetingResponse",
            ItemKind::MeetingCancellation => "MeetingCancellation",
            ItemKind::Task => "Task",
            ItemKind::PostItem => "PostItem",
            ItemKind::Other(name) => name,
        }
    }

    /// The kind of an element's local name.
    pub fn parse(name: &str) -> ItemKind {
        match name {
            "Item" => ItemKind::Item,
            "Message" => ItemKind::Message,
            "SharingMessage" => ItemKind::SharingMessage,
            "CalendarItem" => ItemKind::CalendarItem,
            "Contact" => ItemKind::Contact,
            "DistributionList" => ItemKind::DistributionList,
            "MeetingMessage" => ItemKind::MeetingMessage,
            "MeetingRequest" => ItemKind::MeetingRequest,
            "MeetingResponse" => ItemKind::MeetingResponse,
            "MeetingCancellation" => ItemKind::MeetingCancellation,
            "Task" => ItemKind::Task,
            "PostItem" => ItemKind::PostItem,
            other => ItemKind::Other(other.into()),
        }
    }
}

named! {
    /// How urgent the sender finds it (`ImportanceChoicesType`, MS-OXWSCORE 2.2.5.3).
    Importance {
        Low, Normal, High,
    }
}

named! {
    /// Who is meant to read it (`SensitivityChoicesType`, MS-OXWSCDATA 2.2.5.25).
    Sensitivity {
        Normal, Personal, Private, Confidential,
    }
}

/// A correspondent (`EmailAddressType`, MS-OXWSCDATA 2.2.4.31). Any part may be missing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct EmailAddress {
    /// The display name.
    pub name: Option<String>,
    /// The address, in the form `routing_type` says.
    pub address: Option<String>,
    /// `SMTP` or `EX`.
    pub routing_type: Option<String>,
    /// `Mailbox`, `PublicDL`, `Contact`… (`MailboxTypeType`, MS-OXWSCDATA 2.2.5.18).
    pub mailbox_type: Option<String>,
}

/// An item (`ItemType`, MS-OXWSCORE 2.2.4.24). Only what the shape asked for and the item has is
/// filled in. Times are in UTC.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Item {
    /// Its id; `None` only where an answer left it out.
    pub id: Option<ItemId>,
    /// The folder it lies in.
    pub parent_folder_id: Option<FolderId>,
    /// For example `IPM.Note`.
    pub item_class: Option<String>,
    /// Its subject.
    pub subject: Option<String>,
    /// Its size in bytes as the server counts it.
    pub size: Option<u64>,
    /// When it arrived.
    pub date_time_received: Option<Timestamp>,
    /// When it was sent.
    pub date_time_sent: Option<Timestamp>,
    /// When it was created in this store.
    pub date_time_created: Option<Timestamp>,
    /// When it last changed.
    pub last_modified: Option<Timestamp>,
    /// Whether it was read.
    pub is_read: Option<bool>,
    /// Whether it is a draft.
    pub is_draft: Option<bool>,
    /// Whether it has attachments, as the server counts them.
    pub has_attachments: Option<bool>,
    /// Whether it belongs to the folder's hidden contents (FAI).
    pub is_associated: Option<bool>,
    /// The Message-ID header.
    pub internet_message_id: Option<String>,
    /// Whom it is from.
    pub from: Option<EmailAddress>,
    /// How urgent.
    pub importance: Option<Importance>,
    /// Who is meant to read it.
    pub sensitivity: Option<Sensitivity>,
    /// Its MIME text.
    pub mime_content: Option<Bytes>,
    /// Its body.
    pub body: Option<Body>,
    /// The categories' names.
    pub categories: Vec<String>,
    /// The iCalendar UID of a calendar item or meeting message.
    pub uid: Option<String>,
    /// The elements of a contact, a list or a task that can be written again.
    pub fields: Vec<ItemField>,
    /// The MAPI properties asked for and present.
    pub extended: Vec<ExtendedProperty>,
    /// The element it came in.
    pub kind: ItemKind,
}

impl Item {
    /// The MAPI property with that tag, as in [`ExtendedKey::Tag`](crate::ExtendedKey::Tag).
    pub fn property(&self, tag: u16) -> Option<&ExtendedProperty> {
        find_tag(&self.extended, tag)
    }
}

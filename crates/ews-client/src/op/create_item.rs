//! CreateItem (MS-OXWSCORE 3.1.4.2).

use bytes::Bytes;

use crate::answer;
use crate::element;
use crate::error::Result;
use crate::model::{
    Body, ExtendedProperty, FolderIdRef, Importance, ItemField, ItemId, ItemKind, Outcome,
    Sensitivity,
};
use crate::op::{Operation, item_fields, require};
use crate::version::SchemaVersion;
use crate::xml::{Node, Writer};

/// What becomes of a new or changed message (`MessageDispositionType`): the values that send it
/// are left out on purpose.
pub(super) const SAVE_ONLY: &str = "SaveOnly";

/// Creates items in one folder (CreateItem, MS-OXWSCORE 3.1.4.2). Nothing is ever sent:
/// messages are only saved, and meetings invite nobody.
#[derive(Clone, Debug)]
pub struct CreateItem {
    /// Where.
    pub folder: FolderIdRef,
    /// The items; at least one.
    pub items: Vec<NewItem>,
}

/// An item to be created (an entry of CreateItem, MS-OXWSCORE 3.1.4.2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewItem {
    /// The element it goes in. [`ItemKind::Other`] is refused.
    pub kind: ItemKind,
    /// Its MIME text (iCalendar for calendar items, vCard for contacts).
    pub mime_content: Option<Bytes>,
    /// For example `IPM.Note`.
    pub item_class: Option<String>,
    /// Its subject.
    pub subject: Option<String>,
    /// Who is meant to read it.
    pub sensitivity: Option<Sensitivity>,
    /// Its body, for items without MIME text.
    pub body: Option<Body>,
    /// The categories' names.
    pub categories: Vec<String>,
    /// How urgent.
    pub importance: Option<Importance>,
    /// MAPI properties to set. A message is a draft unless PidTagMessageFlags (0x0E07, Integer)
    /// is set without the value 8.
    pub extended: Vec<ExtendedProperty>,
    /// Whether it belongs to the folder's hidden contents (FAI); `None` and `false` are the same.
    pub is_associated: Option<bool>,
    /// The elements of a contact, a list or a task; written in the order of the schema, and only
    /// those that an item of the kind has.
    pub fields: Vec<ItemField>,
    /// Whether it was read; messages and posts only.
    pub is_read: Option<bool>,
}

impl Operation for CreateItem {
    const NAME: &'static str = "CreateItem";
    const IDEMPOTENT: bool = false;
    /// The new ids.
    type Answer = Vec<Outcome<ItemId>>;

    fn validate(&self) -> Result<()> {
        require(!self.items.is_empty(), "no item given")?;
        let foreign = self
            .items
            .iter()
            .any(|item| element_name(&item.kind).is_none());
        require(!foreign, "an item kind that CreateItem cannot write")
    }

    fn write(&self, writer: &mut Writer, _version: SchemaVersion) {
        writer
            .open("m:CreateItem")
            .attribute("MessageDisposition", SAVE_ONLY)
            .attribute("SendMeetingInvitations", "SendToNone");
        element::target_folder(writer, "m:SavedItemFolderId", &self.folder);
        writer.open("m:Items");
        for item in &self.items {
            write_item(writer, item);
        }
        writer.close().close();
    }

    fn read(&self, response: Node<'_>) -> Result<Self::Answer> {
        answer::outcomes(response, self.items.len(), |message| {
            let items = answer::required(message, "Items")?;
            let id = items
                .children()
                .find_map(|item| answer::item_id(item.child("ItemId")?));
            id.ok_or_else(|| crate::Error::protocol("a created item without an id"))
        })
    }
}

/// Writes the properties in the order of the schema's `ItemType`.
fn write_item(writer: &mut Writer, item: &NewItem) {
    writer.open(element_name(&item.kind).unwrap_or("t:Item"));
    if let Some(mime) = &item.mime_content {
        writer
            .open("t:MimeContent")
            .attribute("CharacterSet", "UTF-8");
        writer
            .raw(|text| base64_simd::STANDARD.encode_append(mime, text))
            .close();
    }
    if let Some(class) = &item.item_class {
        writer.leaf("t:ItemClass", class);
    }
    if let Some(subject) = &item.subject {
        writer.leaf("t:Subject", subject);
    }
    if let Some(sensitivity) = item.sensitivity {
        writer.leaf("t:Sensitivity", sensitivity);
    }
    if let Some(body) = &item.body {
        let kind = if body.is_html { "HTML" } else { "Text" };
        writer
            .open("t:Body")
            .attribute("BodyType", kind)
            .text(&body.text)
            .close();
    }
    categories(writer, &item.categories);
    if let Some(importance) = item.importance {
        writer.leaf("t:Importance", importance);
    }
    for property in &item.extended {
        element::extended_property(writer, property);
    }
    if let Some(is_associated) = item.is_associated {
        writer.leaf("t:IsAssociated", is_associated);
    }
    if let Some(is_read) = item.is_read.filter(|_| has_is_read(&item.kind)) {
        writer.leaf("t:IsRead", is_read);
    }
    item_fields::write(writer, &item.kind, &item.fields);
    writer.close();
}

pub(super) fn categories(writer: &mut Writer, names: &[String]) {
    if names.is_empty() {
        return;
    }
    writer.open("t:Categories");
    for name in names {
        writer.leaf("t:String", name);
    }
    writer.close();
}

fn has_is_read(kind: &ItemKind) -> bool {
    matches!(
        kind,
        ItemKind::Message
            | ItemKind::SharingMessage
            | ItemKind::MeetingMessage
            | ItemKind::MeetingRequest
            | ItemKind::MeetingResponse
            | ItemKind::MeetingCancellation
            | ItemKind::PostItem
    )
}

fn element_name(kind: &ItemKind) -> Option<&'static str> {
    Some(match kind {
        ItemKind::Item => "t:Item",
        ItemKind::Message => "t:Message",
        ItemKind::SharingMessage => "t:SharingMessage",
        ItemKind::CalendarItem => "t:CalendarItem",
        ItemKind::Contact => "t:Contact",
        ItemKind::DistributionList => "t:DistributionList",
        ItemKind::MeetingMessage => "t:MeetingMessage",
        ItemKind::MeetingRequest => "t:MeetingRequest",
        ItemKind::MeetingResponse => "t:MeetingResponse",
        ItemKind::MeetingCancellation => "t:MeetingCancellation",
        ItemKind::Task => "t:Task",
        ItemKind::PostItem => "t:PostItem",
        ItemKind::Other(_) => return None,
    })
}

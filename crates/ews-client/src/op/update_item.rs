//! UpdateItem (MS-OXWSCORE 3.1.4.9).

use crate::answer;
use crate::element;
use crate::error::Result;
use crate::model::property::named;
use crate::model::{ExtendedProperty, Importance, ItemId, Outcome, PropertyPath};
use crate::op::create_item::{SAVE_ONLY, categories};
use crate::op::{Operation, require};
use crate::version::SchemaVersion;
use crate::xml::{Node, Writer};

named! {
    /// What happens if the item changed meanwhile (`ConflictResolutionType`, MS-OXWSCORE
    /// 3.1.4.9.4.1).
    ConflictResolution {
        NeverOverwrite, AutoResolve, AlwaysOverwrite,
    }
}

/// Changes properties of items (UpdateItem, MS-OXWSCORE 3.1.4.9). Nobody is told: no meeting
/// update, no read receipt.
#[derive(Clone, Debug)]
pub struct UpdateItem {
    /// The changes; at least one item.
    pub items: Vec<ItemUpdate>,
    /// What happens if an item changed meanwhile.
    pub conflict: ConflictResolution,
}

/// The changes to one item (`ItemChangeType`, MS-OXWSCORE 3.1.4.9).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemUpdate {
    /// The item.
    pub id: ItemId,
    /// The changes in order; at least one.
    pub changes: Vec<FieldChange>,
}

/// One property's change (`ItemChangeDescriptionType`, MS-OXWSCORE 3.1.4.9).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FieldChange {
    /// Marks it read or unread.
    IsRead(bool),
    /// Sets the subject.
    Subject(String),
    /// Sets the class.
    ItemClass(String),
    /// Sets the importance.
    Importance(Importance),
    /// Replaces the categories; none removes them.
    Categories(Vec<String>),
    /// Sets a MAPI property.
    Extended(ExtendedProperty),
    /// Removes a property.
    Delete(PropertyPath),
}

impl Operation for UpdateItem {
    const NAME: &'static str = "UpdateItem";
    // Setting the same values twice ends in the same state, but conflicts with itself under
    // NeverOverwrite: the answer to a repeat would be wrong.
    const IDEMPOTENT: bool = false;
    /// The ids with their new change keys.
    type Answer = Vec<Outcome<ItemId>>;

    fn validate(&self) -> Result<()> {
        require(!self.items.is_empty(), "no item given")?;
        require(
            self.items.iter().all(|item| !item.changes.is_empty()),
            "an item without a change",
        )
    }

    fn write(&self, writer: &mut Writer, version: SchemaVersion) {
        writer
            .open("m:UpdateItem")
            .attribute("ConflictResolution", self.conflict.as_str())
            .attribute("MessageDisposition", SAVE_ONLY)
            .attribute("SendMeetingInvitationsOrCancellations", "SendToNone");
        if version >= SchemaVersion::Exchange2013 {
            writer.attribute("SuppressReadReceipts", "true");
        }
        writer.open("m:ItemChanges");
        for item in &self.items {
            writer.open("t:ItemChange");
            element::item_id(writer, &item.id);
            writer.open("t:Updates");
            for change in &item.changes {
                write_change(writer, change);
            }
            writer.close().close();
        }
        writer.close().close();
    }

    fn read(&self, response: Node<'_>) -> Result<Self::Answer> {
        answer::outcomes(response, self.items.len(), |message| {
            let items = message.child("Items");
            let id = items.and_then(|items| {
                items
                    .children()
                    .find_map(|item| answer::item_id(item.child("ItemId")?))
            });
            id.ok_or_else(|| crate::Error::protocol("an updated item without an id"))
        })
    }
}

fn write_change(writer: &mut Writer, change: &FieldChange) {
    match change {
        FieldChange::IsRead(value) => {
            set(writer, "message:IsRead", "t:Message", |writer| {
                writer.leaf("t:IsRead", value);
            });
        }
        FieldChange::Subject(value) => {
            set(writer, "item:Subject", "t:Item", |writer| {
                writer.leaf("t:Subject", value);
            });
        }
        FieldChange::ItemClass(value) => {
            set(writer, "item:ItemClass", "t:Item", |writer| {
                writer.leaf("t:ItemClass", value);
            });
        }
        FieldChange::Importance(value) => {
            set(writer, "item:Importance", "t:Item", |writer| {
                writer.leaf("t:Importance", value);
            });
        }
        FieldChange::Categories(names) if names.is_empty() => {
            delete(writer, &PropertyPath::field("item:Categories"));
        }
        FieldChange::Categories(names) => {
            set(writer, "item:Categories", "t:Item", |writer| {
                categories(writer, names)
            });
        }
        FieldChange::Extended(property) => {
            writer.open("t:SetItemField");
            element::extended_path(writer, &property.path);
            writer.open("t:Item");
            element::extended_property(writer, property);
            writer.close().close();
        }
        FieldChange::Delete(path) => delete(writer, path),
    }
}

fn set(writer: &mut Writer, uri: &str, element: &'static str, write: impl FnOnce(&mut Writer)) {
    writer.open("t:SetItemField");
    writer.open("t:FieldURI").attribute("FieldURI", uri).close();
    writer.open(element);
    write(writer);
    writer.close().close();
}

fn delete(writer: &mut Writer, path: &PropertyPath) {
    writer.open("t:DeleteItemField");
    element::property_path(writer, path);
    writer.close();
}

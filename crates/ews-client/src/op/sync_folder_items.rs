//! SyncFolderItems (MS-OXWSSYNC 3.1.4.2).

use crate::answer;
use crate::element;
use crate::error::Result;
use crate::model::property::named;
use crate::model::{FolderIdRef, Item, ItemId, ItemShape, SyncState};
use crate::op::{Operation, require};
use crate::version::SchemaVersion;
use crate::xml::{Node, Writer};

/// Most changes one call may ask for (`MaxSyncChangesReturnedType`, MS-OXWSSYNC
/// 3.1.4.2.4.1).
pub const MAX_SYNC_CHANGES: u32 = 512;

named! {
    /// Which of a folder's contents to follow (`SyncFolderItemsScopeType`, MS-OXWSSYNC
    /// 3.1.4.2.4.2).
    SyncScope {
        NormalItems, NormalAndAssociatedItems,
    }
}

/// Asks what changed in one folder (SyncFolderItems, MS-OXWSSYNC 3.1.4.2). Neither public nor
/// search folders support it.
#[derive(Clone, Debug)]
pub struct SyncFolderItems {
    /// The folder.
    pub folder: FolderIdRef,
    /// The properties wanted; SyncFolderItems sends no MIME and no body.
    pub shape: ItemShape,
    /// Where the last call ended; `None` to start over.
    pub sync_state: Option<SyncState>,
    /// Most changes wanted, 1 to [`MAX_SYNC_CHANGES`].
    pub max_changes: u32,
    /// Items not to report.
    pub ignore: Vec<ItemId>,
    /// Whether hidden items are wanted too.
    pub scope: SyncScope,
}

impl SyncFolderItems {
    /// The next page of a folder's normal items: ids and change keys only.
    pub fn new(folder: impl Into<FolderIdRef>, sync_state: Option<SyncState>) -> SyncFolderItems {
        SyncFolderItems {
            folder: folder.into(),
            shape: ItemShape::new(crate::model::BaseShape::IdOnly),
            sync_state,
            max_changes: MAX_SYNC_CHANGES,
            ignore: Vec::new(),
            scope: SyncScope::NormalItems,
        }
    }
}

/// A change in a folder (`SyncFolderItemsChangesType`, MS-OXWSSYNC 3.1.4.2).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ItemChange {
    /// An item the client does not know yet. Servers also send it for known items after they
    /// lost track; compare change keys.
    Create(Box<Item>),
    /// A known item changed.
    Update(Box<Item>),
    /// A known item is gone from this folder.
    Delete(ItemId),
    /// A known item was marked read or unread.
    ReadFlagChange {
        /// The item, with its new change key.
        id: ItemId,
        /// Its new state.
        is_read: bool,
    },
}

/// A page of changes (SyncFolderItems' answer, MS-OXWSSYNC 3.1.4.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncPage {
    /// Where to continue.
    pub sync_state: SyncState,
    /// Whether the server says that nothing remains. Some say so too early.
    pub includes_last: bool,
    /// The changes in order.
    pub changes: Vec<ItemChange>,
}

impl Operation for SyncFolderItems {
    const NAME: &'static str = "SyncFolderItems";
    const IDEMPOTENT: bool = true;
    type Answer = SyncPage;

    fn validate(&self) -> Result<()> {
        require(
            (1..=MAX_SYNC_CHANGES).contains(&self.max_changes),
            "max_changes must be 1 to 512",
        )
    }

    fn write(&self, writer: &mut Writer, version: SchemaVersion) {
        writer.open("m:SyncFolderItems");
        element::item_shape(writer, &self.shape);
        element::target_folder(writer, "m:SyncFolderId", &self.folder);
        if let Some(state) = &self.sync_state {
            writer.leaf("m:SyncState", state.as_str());
        }
        if !self.ignore.is_empty() {
            element::item_ids(writer, "m:Ignore", &self.ignore);
        }
        writer.leaf("m:MaxChangesReturned", self.max_changes);
        if self.scope != SyncScope::NormalItems && version >= SchemaVersion::Exchange2010 {
            writer.leaf("m:SyncScope", self.scope);
        }
        writer.close();
    }

    fn read(&self, response: Node<'_>) -> Result<Self::Answer> {
        let message = answer::single(response)?;
        let mut changes = Vec::new();
        for node in message
            .child("Changes")
            .into_iter()
            .flat_map(Node::children)
        {
            changes.extend(change(node)?);
        }
        let sync_state = answer::sync_state(message, self.sync_state.as_ref(), changes.is_empty())?;
        let includes_last = message
            .child_bool("IncludesLastItemInRange")
            .unwrap_or(changes.is_empty());
        Ok(SyncPage {
            sync_state,
            includes_last,
            changes,
        })
    }
}

/// Reads one change; kinds this client does not know, and items without an id, are passed over.
fn change(node: Node<'_>) -> Result<Option<ItemChange>> {
    let id = || node.child("ItemId").and_then(answer::item_id);
    Ok(match node.name() {
        "Create" => changed_item(node)?.map(ItemChange::Create),
        "Update" => changed_item(node)?.map(ItemChange::Update),
        "Delete" => id().map(ItemChange::Delete),
        "ReadFlagChange" => id()
            .zip(node.child_bool("IsRead"))
            .map(|(id, is_read)| ItemChange::ReadFlagChange { id, is_read }),
        _ => None,
    })
}

fn changed_item(node: Node<'_>) -> Result<Option<Box<Item>>> {
    let Some(element) = node.children().next() else {
        return Ok(None);
    };
    let mut item = Box::<Item>::default();
    answer::fill(&mut item, element)?;
    Ok(item.id.is_some().then_some(item))
}

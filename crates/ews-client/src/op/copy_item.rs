//! CopyItem (MS-OXWSCORE 3.1.4.1).

use crate::answer;
use crate::element;
use crate::error::Result;
use crate::model::{FolderIdRef, ItemId, Outcome};
use crate::op::{Operation, require};
use crate::version::SchemaVersion;
use crate::xml::{Node, Writer};

/// Copies items into a folder (CopyItem, MS-OXWSCORE 3.1.4.1). The server does it: nothing is
/// downloaded.
#[derive(Clone, Debug)]
pub struct CopyItem {
    /// Where to.
    pub to: FolderIdRef,
    /// The items; at least one.
    pub ids: Vec<ItemId>,
}

impl Operation for CopyItem {
    const NAME: &'static str = "CopyItem";
    // A repeat makes another copy.
    const IDEMPOTENT: bool = false;
    /// The copies' ids; `None` where the server gives none, as between mailboxes.
    type Answer = Vec<Outcome<Option<ItemId>>>;

    fn validate(&self) -> Result<()> {
        require(!self.ids.is_empty(), "no item id given")
    }

    fn write(&self, writer: &mut Writer, version: SchemaVersion) {
        writer.open("m:CopyItem");
        element::target_folder(writer, "m:ToFolderId", &self.to);
        element::item_ids(writer, "m:ItemIds", &self.ids);
        if version >= SchemaVersion::Exchange2010_SP1 {
            writer.leaf("m:ReturnNewItemIds", true);
        }
        writer.close();
    }

    fn read(&self, response: Node<'_>) -> Result<Self::Answer> {
        answer::outcomes(response, self.ids.len(), |message| {
            let items = message.child("Items");
            let item = items.and_then(|items| items.children().next());
            Ok(item
                .and_then(|item| item.child("ItemId"))
                .and_then(answer::item_id))
        })
    }
}

//! CopyItem (MS-OXWSCORE 3.1.4.1).

use crate::error::Result;
use crate::model::{FolderIdRef, ItemId, Outcome};
use crate::op::{Operation, relocation, require};
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
        relocation::write_items(writer, "m:CopyItem", &self.to, &self.ids, version);
    }

    fn read(&self, response: Node<'_>) -> Result<Self::Answer> {
        relocation::read_items(response, self.ids.len())
    }
}

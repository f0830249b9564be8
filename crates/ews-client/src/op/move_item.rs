//! MoveItem (MS-OXWSCORE 3.1.4.7).

use crate::error::Result;
use crate::model::{FolderIdRef, ItemId, Outcome};
use crate::op::{Operation, relocation, require};
use crate::version::SchemaVersion;
use crate::xml::{Node, Writer};

/// Moves items to another folder (MoveItem, MS-OXWSCORE 3.1.4.7).
#[derive(Clone, Debug)]
pub struct MoveItem {
    /// Where to.
    pub to: FolderIdRef,
    /// The items; at least one.
    pub ids: Vec<ItemId>,
}

impl Operation for MoveItem {
    const NAME: &'static str = "MoveItem";
    // The old ids are gone after the move.
    const IDEMPOTENT: bool = false;
    /// The new ids; `None` where the server gives none, as between mailboxes.
    type Answer = Vec<Outcome<Option<ItemId>>>;

    fn validate(&self) -> Result<()> {
        require(!self.ids.is_empty(), "no item id given")
    }

    fn write(&self, writer: &mut Writer, version: SchemaVersion) {
        relocation::write_items(writer, "m:MoveItem", &self.to, &self.ids, version);
    }

    fn read(&self, response: Node<'_>) -> Result<Self::Answer> {
        relocation::read_items(response, self.ids.len())
    }
}

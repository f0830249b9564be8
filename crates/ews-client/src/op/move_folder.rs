//! MoveFolder (MS-OXWSFOLD 3.1.4.7).

use crate::error::Result;
use crate::model::{Folder, FolderIdRef, Outcome};
use crate::op::{Operation, relocation, require};
use crate::version::SchemaVersion;
use crate::xml::{Node, Writer};

/// Moves folders with everything in them into another folder of the same mailbox (MoveFolder,
/// MS-OXWSFOLD 3.1.4.7).
#[derive(Clone, Debug)]
pub struct MoveFolder {
    /// Where to.
    pub to: FolderIdRef,
    /// The folders; at least one.
    pub ids: Vec<FolderIdRef>,
}

impl Operation for MoveFolder {
    const NAME: &'static str = "MoveFolder";
    // A repeat meets the folder's own name at the target.
    const IDEMPOTENT: bool = false;
    /// The ids, which stay the same.
    type Answer = Vec<Outcome<Folder>>;

    fn validate(&self) -> Result<()> {
        require(!self.ids.is_empty(), "no folder id given")
    }

    fn write(&self, writer: &mut Writer, _version: SchemaVersion) {
        relocation::write_folders(writer, "m:MoveFolder", &self.to, &self.ids);
    }

    fn read(&self, response: Node<'_>) -> Result<Self::Answer> {
        relocation::read_folders(response, self.ids.len())
    }
}

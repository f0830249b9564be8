//! CopyFolder (MS-OXWSFOLD 3.1.4.1).

use crate::error::Result;
use crate::model::{Folder, FolderIdRef, Outcome};
use crate::op::{Operation, relocation, require};
use crate::version::SchemaVersion;
use crate::xml::{Node, Writer};

/// Copies folders with everything in them into another folder of the same mailbox (CopyFolder,
/// MS-OXWSFOLD 3.1.4.1). Exchange 2013 and later refuse it for public folders.
#[derive(Clone, Debug)]
pub struct CopyFolder {
    /// Where to.
    pub to: FolderIdRef,
    /// The folders; at least one.
    pub ids: Vec<FolderIdRef>,
}

impl Operation for CopyFolder {
    const NAME: &'static str = "CopyFolder";
    // A repeat meets the copy's name, or makes another copy.
    const IDEMPOTENT: bool = false;
    /// The copies' ids.
    type Answer = Vec<Outcome<Folder>>;

    fn validate(&self) -> Result<()> {
        require(!self.ids.is_empty(), "no folder id given")
    }

    fn write(&self, writer: &mut Writer, _version: SchemaVersion) {
        relocation::write_folders(writer, "m:CopyFolder", &self.to, &self.ids);
    }

    fn read(&self, response: Node<'_>) -> Result<Self::Answer> {
        relocation::read_folders(response, self.ids.len())
    }
}

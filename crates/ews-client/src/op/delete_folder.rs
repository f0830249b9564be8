//! DeleteFolder (MS-OXWSFOLD 3.1.4.4).

use crate::answer;
use crate::element;
use crate::error::Result;
use crate::model::{FolderIdRef, Outcome};
use crate::op::{DisposalType, Operation, require};
use crate::version::SchemaVersion;
use crate::xml::{Node, Writer};

/// Deletes folders with everything in them (DeleteFolder, MS-OXWSFOLD 3.1.4.4).
#[derive(Clone, Debug)]
pub struct DeleteFolder {
    /// The folders; at least one.
    pub ids: Vec<FolderIdRef>,
    /// How. Exchange refuses `SoftDelete` for some kinds of folders.
    pub disposal: DisposalType,
}

impl Operation for DeleteFolder {
    const NAME: &'static str = "DeleteFolder";
    // A repeat finds the folders gone.
    const IDEMPOTENT: bool = false;
    type Answer = Vec<Outcome<()>>;

    fn validate(&self) -> Result<()> {
        require(!self.ids.is_empty(), "no folder id given")
    }

    fn write(&self, writer: &mut Writer, _version: SchemaVersion) {
        writer
            .open("m:DeleteFolder")
            .attribute("DeleteType", self.disposal.as_str());
        element::folder_refs(writer, "m:FolderIds", &self.ids);
        writer.close();
    }

    fn read(&self, response: Node<'_>) -> Result<Self::Answer> {
        answer::outcomes(response, self.ids.len(), |_| Ok(()))
    }
}

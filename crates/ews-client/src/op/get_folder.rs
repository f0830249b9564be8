//! GetFolder (MS-OXWSFOLD 3.1.4.6).

use crate::answer;
use crate::element;
use crate::error::{Error, Result};
use crate::model::{Folder, FolderIdRef, FolderShape, Outcome};
use crate::op::{Operation, require};
use crate::version::SchemaVersion;
use crate::xml::{Node, Writer};

/// Asks for folders by id or fixed name (GetFolder, MS-OXWSFOLD 3.1.4.6).
#[derive(Clone, Debug)]
pub struct GetFolder {
    /// The properties wanted.
    pub shape: FolderShape,
    /// The folders; at least one.
    pub ids: Vec<FolderIdRef>,
}

impl Operation for GetFolder {
    const NAME: &'static str = "GetFolder";
    const IDEMPOTENT: bool = true;
    type Answer = Vec<Outcome<Folder>>;

    fn validate(&self) -> Result<()> {
        require(!self.ids.is_empty(), "no folder id given")
    }

    fn write(&self, writer: &mut Writer, _version: SchemaVersion) {
        writer.open("m:GetFolder");
        element::folder_shape(writer, &self.shape);
        element::folder_refs(writer, "m:FolderIds", &self.ids);
        writer.close();
    }

    fn read(&self, response: Node<'_>) -> Result<Self::Answer> {
        answer::outcomes(response, self.ids.len(), first_folder)
    }
}

/// The first folder of a message's `Folders`.
pub(super) fn first_folder(message: Node<'_>) -> Result<Folder> {
    let folders = answer::required(message, "Folders")?;
    let folder = folders.children().find_map(answer::folder);
    folder.ok_or_else(|| Error::protocol("a folder without an id"))
}

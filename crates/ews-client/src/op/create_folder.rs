//! CreateFolder (MS-OXWSFOLD 3.1.4.2).

use crate::answer;
use crate::element;
use crate::error::Result;
use crate::model::{ExtendedProperty, Folder, FolderIdRef, FolderKind, Outcome};
use crate::op::get_folder::first_folder;
use crate::op::{Operation, require};
use crate::version::SchemaVersion;
use crate::xml::{Node, Writer};

/// Creates folders in one parent (CreateFolder, MS-OXWSFOLD 3.1.4.2).
#[derive(Clone, Debug)]
pub struct CreateFolder {
    /// Where.
    pub parent: FolderIdRef,
    /// The folders; at least one.
    pub folders: Vec<NewFolder>,
}

/// A folder to be created (an entry of CreateFolder, MS-OXWSFOLD 3.1.4.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewFolder {
    /// Its name.
    pub display_name: String,
    /// Its container class, for example `IPF.Note`; `None` leaves it to the kind. Exchange
    /// accepts a class only where it agrees with the kind.
    pub class: Option<String>,
    /// What it holds. Search folders cannot be created this way.
    pub kind: FolderKind,
    /// MAPI properties to set.
    pub extended: Vec<ExtendedProperty>,
}

impl NewFolder {
    /// A folder of that name and kind.
    pub fn new(display_name: impl Into<String>, kind: FolderKind) -> NewFolder {
        NewFolder {
            display_name: display_name.into(),
            class: None,
            kind,
            extended: Vec::new(),
        }
    }
}

impl Operation for CreateFolder {
    const NAME: &'static str = "CreateFolder";
    const IDEMPOTENT: bool = false;
    /// The id, and little else.
    type Answer = Vec<Outcome<Folder>>;

    fn validate(&self) -> Result<()> {
        require(!self.folders.is_empty(), "no folder given")?;
        let search = self
            .folders
            .iter()
            .any(|folder| folder.kind == FolderKind::Search);
        require(!search, "a search folder needs search parameters")
    }

    fn write(&self, writer: &mut Writer, _version: SchemaVersion) {
        writer.open("m:CreateFolder");
        element::target_folder(writer, "m:ParentFolderId", &self.parent);
        writer.open("m:Folders");
        for folder in &self.folders {
            writer.open(match folder.kind {
                FolderKind::Calendar => "t:CalendarFolder",
                FolderKind::Contacts => "t:ContactsFolder",
                FolderKind::Tasks => "t:TasksFolder",
                FolderKind::Folder | FolderKind::Search => "t:Folder",
            });
            if let Some(class) = &folder.class {
                writer.leaf("t:FolderClass", class);
            }
            writer.leaf("t:DisplayName", &folder.display_name);
            for property in &folder.extended {
                element::extended_property(writer, property);
            }
            writer.close();
        }
        writer.close().close();
    }

    fn read(&self, response: Node<'_>) -> Result<Self::Answer> {
        answer::outcomes(response, self.folders.len(), first_folder)
    }
}

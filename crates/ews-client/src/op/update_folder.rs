//! UpdateFolder (MS-OXWSFOLD 3.1.4.8).

use crate::answer;
use crate::element;
use crate::error::{Error, Result};
use crate::model::{
    ExtendedProperty, FolderId, FolderIdRef, FolderKind, FolderPermissions, Outcome, PropertyPath,
};
use crate::op::{Operation, require};
use crate::version::SchemaVersion;
use crate::xml::{Node, Writer};

/// Changes properties of folders (UpdateFolder, MS-OXWSFOLD 3.1.4.8).
#[derive(Clone, Debug)]
pub struct UpdateFolder {
    /// The changes; at least one folder.
    pub folders: Vec<FolderUpdate>,
}

/// The changes to one folder (`FolderChangeType`, MS-OXWSFOLD 2.2.4.10).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderUpdate {
    /// The folder.
    pub id: FolderIdRef,
    /// What it holds; it must be the folder's own kind, and no search folder.
    pub kind: FolderKind,
    /// The changes in order; at least one.
    pub changes: Vec<FolderFieldChange>,
}

/// One property's change (`FolderChangeDescriptionType`, MS-OXWSFOLD 2.2.4.9).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FolderFieldChange {
    /// Sets the name.
    DisplayName(String),
    /// Sets the container class.
    FolderClass(String),
    /// Replaces everyone's permissions; in the form for calendars where the folder is one.
    Permissions(FolderPermissions),
    /// Sets a MAPI property.
    Extended(ExtendedProperty),
    /// Removes a property.
    Delete(PropertyPath),
}

impl Operation for UpdateFolder {
    const NAME: &'static str = "UpdateFolder";
    // The same values twice are the same folder; a folder's change key is not compared.
    const IDEMPOTENT: bool = true;
    /// The ids with their new change keys.
    type Answer = Vec<Outcome<FolderId>>;

    fn validate(&self) -> Result<()> {
        require(!self.folders.is_empty(), "no folder given")?;
        for folder in &self.folders {
            require(!folder.changes.is_empty(), "a folder without a change")?;
            let is_calendar = folder.kind == FolderKind::Calendar;
            let fits = folder.changes.iter().all(|change| match change {
                FolderFieldChange::Permissions(set) => set.is_calendar == is_calendar,
                _ => true,
            });
            require(fits, "permissions in the form of another kind of folder")?;
        }
        Ok(())
    }

    fn write(&self, writer: &mut Writer, _version: SchemaVersion) {
        writer.open("m:UpdateFolder").open("m:FolderChanges");
        for folder in &self.folders {
            writer.open("t:FolderChange");
            element::folder_ref(writer, &folder.id);
            writer.open("t:Updates");
            for change in &folder.changes {
                write_change(writer, element_name(folder.kind), change);
            }
            writer.close().close();
        }
        writer.close().close();
    }

    fn read(&self, response: Node<'_>) -> Result<Self::Answer> {
        answer::outcomes(response, self.folders.len(), |message| {
            let folders = message.child("Folders");
            let id = folders.and_then(|folders| {
                folders
                    .children()
                    .find_map(|folder| answer::folder_id(folder.child("FolderId")?))
            });
            id.ok_or_else(|| Error::protocol("an updated folder without an id"))
        })
    }
}

fn write_change(writer: &mut Writer, element: &'static str, change: &FolderFieldChange) {
    match change {
        FolderFieldChange::DisplayName(name) => {
            set(writer, "folder:DisplayName", element, |writer| {
                writer.leaf("t:DisplayName", name);
            });
        }
        FolderFieldChange::FolderClass(class) => {
            set(writer, "folder:FolderClass", element, |writer| {
                writer.leaf("t:FolderClass", class);
            });
        }
        FolderFieldChange::Permissions(permissions) => {
            set(writer, "folder:PermissionSet", element, |writer| {
                permissions.to_update().write(writer);
            });
        }
        FolderFieldChange::Extended(property) => {
            writer.open("t:SetFolderField");
            element::extended_path(writer, &property.path);
            writer.open(element);
            element::extended_property(writer, property);
            writer.close().close();
        }
        FolderFieldChange::Delete(path) => {
            writer.open("t:DeleteFolderField");
            element::property_path(writer, path);
            writer.close();
        }
    }
}

fn set(writer: &mut Writer, uri: &str, element: &'static str, write: impl FnOnce(&mut Writer)) {
    writer.open("t:SetFolderField");
    writer.open("t:FieldURI").attribute("FieldURI", uri).close();
    writer.open(element);
    write(writer);
    writer.close().close();
}

fn element_name(kind: FolderKind) -> &'static str {
    match kind {
        FolderKind::Calendar => "t:CalendarFolder",
        FolderKind::Contacts => "t:ContactsFolder",
        FolderKind::Tasks => "t:TasksFolder",
        FolderKind::Search => "t:SearchFolder",
        FolderKind::Folder => "t:Folder",
    }
}

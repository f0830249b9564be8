//! Folders.

use crate::model::property::{ExtendedProperty, find_tag};
use crate::model::{DistinguishedFolder, FolderId, FolderPermissions};

/// The element a folder comes in (`BaseFolderType` and what is made of it, MS-OXWSFOLD
/// 2.2.4.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FolderKind {
    /// Mail, or anything without an element of its own.
    #[default]
    Folder,
    /// A calendar.
    Calendar,
    /// Contacts.
    Contacts,
    /// Tasks.
    Tasks,
    /// A search folder: its items live elsewhere.
    Search,
}

/// A folder (`FolderType`, MS-OXWSFOLD 2.2.4.12). Only what the shape asked for is filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    /// Its id.
    pub id: FolderId,
    /// The folder it lies in.
    pub parent: Option<FolderId>,
    /// Its name; empty when not asked for.
    pub display_name: String,
    /// Its container class, for example `IPF.Note`.
    pub class: Option<String>,
    /// Its fixed name, verbatim (servers know more than [`DistinguishedFolder`] lists).
    pub distinguished_id: Option<String>,
    /// The element it came in.
    pub kind: FolderKind,
    /// Number of items.
    pub total_count: Option<u64>,
    /// Number of unread items.
    pub unread_count: Option<u64>,
    /// Number of direct subfolders.
    pub child_folder_count: Option<u64>,
    /// Who may do what in it; as `folder:PermissionSet`, which only GetFolder tells.
    pub permissions: Option<FolderPermissions>,
    /// The mailboxes that hold a public folder's content, where asked for as
    /// `folder:ReplicaList`.
    pub replica_list: Vec<String>,
    /// The MAPI properties asked for and present.
    pub extended: Vec<ExtendedProperty>,
}

impl Folder {
    /// Its fixed name, where the schema knows it.
    pub fn distinguished(&self) -> Option<DistinguishedFolder> {
        DistinguishedFolder::parse(self.distinguished_id.as_deref()?)
    }

    /// The MAPI property with that tag, as in [`ExtendedKey::Tag`](crate::ExtendedKey::Tag).
    pub fn property(&self, tag: u16) -> Option<&ExtendedProperty> {
        find_tag(&self.extended, tag)
    }
}

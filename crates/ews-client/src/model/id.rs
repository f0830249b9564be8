//! Identifiers.

use std::fmt;

use crate::model::DistinguishedFolder;

/// An item's id, and the change key of the version meant or seen (`ItemIdType`, MS-OXWSCORE
/// 2.2.4.25).
///
/// Two versions of one item share `id`; a move to another folder gives the item a new `id`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ItemId {
    /// Opaque, case-sensitive.
    pub id: String,
    /// Opaque; changes with every modification of the item.
    pub change_key: Option<String>,
}

impl ItemId {
    /// The item, whatever its version.
    pub fn new(id: impl Into<String>) -> ItemId {
        ItemId {
            id: id.into(),
            change_key: None,
        }
    }

    /// One version of the item.
    pub fn with_change_key(id: impl Into<String>, change_key: impl Into<String>) -> ItemId {
        ItemId {
            id: id.into(),
            change_key: Some(change_key.into()),
        }
    }
}

/// A folder's id (`FolderIdType`, MS-OXWSCDATA 2.2.4.36). Stays the same when the folder is moved
/// or renamed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FolderId {
    /// Opaque, case-sensitive.
    pub id: String,
    /// Opaque; changes with every modification of the folder.
    pub change_key: Option<String>,
}

impl FolderId {
    /// The folder, whatever its version.
    pub fn new(id: impl Into<String>) -> FolderId {
        FolderId {
            id: id.into(),
            change_key: None,
        }
    }
}

/// A folder as a request names it (`NonEmptyArrayOfBaseFolderIdsType`, MS-OXWSFOLD
/// 3.1.4.6.3.3): by id, or by its fixed name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum FolderIdRef {
    /// By the id the server gave.
    Id(FolderId),
    /// By its fixed name, in the caller's mailbox or in another one.
    Distinguished {
        /// The name.
        folder: DistinguishedFolder,
        /// The SMTP address of the mailbox, for delegate access; `None` is the caller's (or the
        /// impersonated) mailbox.
        mailbox: Option<String>,
    },
}

impl From<FolderId> for FolderIdRef {
    fn from(id: FolderId) -> FolderIdRef {
        FolderIdRef::Id(id)
    }
}

impl From<&FolderId> for FolderIdRef {
    fn from(id: &FolderId) -> FolderIdRef {
        FolderIdRef::Id(id.clone())
    }
}

impl From<DistinguishedFolder> for FolderIdRef {
    fn from(folder: DistinguishedFolder) -> FolderIdRef {
        FolderIdRef::Distinguished {
            folder,
            mailbox: None,
        }
    }
}

/// The server's opaque memory of what a client has already been told about one folder
/// (`SyncState`, MS-OXWSSYNC 3.1.4.1.3.6 and 3.1.4.2.3.8). Kept by the caller; up to
/// tens of kilobytes.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SyncState(pub String);

impl SyncState {
    /// The opaque text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for SyncState {
    fn from(text: String) -> SyncState {
        SyncState(text)
    }
}

impl fmt::Debug for SyncState {
    /// The length only: states run to tens of kilobytes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SyncState({} bytes)", self.0.len())
    }
}

//! The typed model: what requests name and answers carry.

mod distinguished;
mod field;
mod folder;
mod id;
mod item;
mod item_error;
pub(crate) mod property;
mod shape;
pub(crate) mod time;

pub use distinguished::DistinguishedFolder;
pub use field::{Body, ItemField};
pub use folder::{Folder, FolderKind};
pub use id::{FolderId, FolderIdRef, ItemId, SyncState};
pub use item::{EmailAddress, Importance, Item, ItemKind, Sensitivity};
pub use item_error::{ItemError, Outcome};
pub use property::{
    DistinguishedPropertySet, ExtendedKey, ExtendedPath, ExtendedProperty, MapiType, PropertyPath,
    PropertySet, PropertyValue,
};
pub use shape::{BaseShape, FolderShape, ItemShape};

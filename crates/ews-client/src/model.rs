//! The typed model: what requests name and answers carry.

mod delegate;
mod distinguished;
mod field;
mod folder;
mod id;
mod item;
mod item_error;
mod oof;
mod permission;
pub(crate) mod property;
mod rule;
mod shape;
pub(crate) mod time;
mod user_configuration;
mod xml_element;

pub use delegate::{Delegate, DelegateLevel, DeliverMeetingRequests};
pub use distinguished::DistinguishedFolder;
pub use field::{Body, ItemField};
pub use folder::{Folder, FolderKind};
pub use id::{FolderId, FolderIdRef, ItemId, SyncState};
pub use item::{EmailAddress, Importance, Item, ItemKind, Sensitivity};
pub use item_error::{ItemError, Outcome};
pub use oof::{ExternalAudience, OofReply, OofSettings, OofState};
pub use permission::{
    DistinguishedUser, FolderPermissions, Permission, PermissionAction, PermissionLevel,
    PermissionReadAccess, UserId,
};
pub use property::{
    DistinguishedPropertySet, ExtendedKey, ExtendedPath, ExtendedProperty, MapiType, PropertyPath,
    PropertySet, PropertyValue,
};
pub use rule::InboxRule;
pub use shape::{BaseShape, FolderShape, ItemShape};
pub use user_configuration::{
    DictionaryEntry, DictionaryObject, DictionaryType, UserConfiguration, UserConfigurationName,
};
pub use xml_element::XmlElement;

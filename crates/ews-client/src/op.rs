//! The operations: one file each, with request, answer and codec.

mod convert_id;
mod copy_folder;
mod copy_item;
mod create_folder;
mod create_item;
mod delegate;
mod delete_folder;
mod delete_item;
mod expand_dl;
mod export_items;
mod find_folder;
mod find_item;
mod find_people;
mod get_folder;
mod get_item;
mod get_persona;
mod get_searchable_mailboxes;
mod inbox_rules;
pub(crate) mod item_fields;
mod move_folder;
mod move_item;
mod relocation;
mod resolve_names;
mod restriction;
mod streaming_events;
mod subscribe;
mod sync_folder_hierarchy;
mod sync_folder_items;
mod update_folder;
mod update_item;
mod upload_items;
mod user_configuration;
mod user_oof;

pub use convert_id::{AlternateId, ConvertId, IdFormat};
pub use copy_folder::CopyFolder;
pub use copy_item::CopyItem;
pub use create_folder::{CreateFolder, NewFolder};
pub use create_item::{CreateItem, NewItem};
pub use delegate::{AddDelegate, Delegates, GetDelegate, RemoveDelegate, UpdateDelegate};
pub use delete_folder::DeleteFolder;
pub use delete_item::{DeleteItem, DisposalType};
pub use expand_dl::{ExpandDl, GroupMember, GroupPage, GroupRef};
pub(crate) use export_items::ExportItems;
pub use export_items::{ExportEvent, ExportStream};
pub use find_folder::{FindFolder, FindFolderPage, FolderTraversal};
pub use find_item::{FindItem, FindItemPage, ItemTraversal, SortDirection};
pub use find_people::{FindPeople, PeoplePage, Persona};
pub use get_folder::GetFolder;
pub use get_item::GetItem;
pub use get_persona::{GetPersona, PersonaDetails};
pub use get_searchable_mailboxes::{
    GetSearchableMailboxes, SearchableMailbox, SearchableMailboxes,
};
pub use inbox_rules::{GetInboxRules, InboxRules, RuleError, RuleOperation, UpdateInboxRules};
pub use move_folder::MoveFolder;
pub use move_item::MoveItem;
pub use resolve_names::{Resolution, ResolveNames, SearchScope};
pub use restriction::{ContainmentComparison, ContainmentMode, Restriction};
pub(crate) use streaming_events::GetStreamingEvents;
pub use streaming_events::{EventStream, MAX_CONNECTION_MINUTES, StreamEvent};
pub use subscribe::{
    Delivery, Event, EventKind, GetEvents, MAX_SUBSCRIPTION_MINUTES, Notification, Subscribe,
    Subscription, Unsubscribe,
};
pub use sync_folder_hierarchy::{FolderChange, HierarchyPage, SyncFolderHierarchy};
pub use sync_folder_items::{ItemChange, MAX_SYNC_CHANGES, SyncFolderItems, SyncPage, SyncScope};
pub use update_folder::{FolderFieldChange, FolderUpdate, UpdateFolder};
pub use update_item::{ConflictResolution, FieldChange, ItemUpdate, UpdateItem};
pub(crate) use upload_items::UploadItems;
pub use upload_items::{UploadAction, UploadData, UploadItem};
pub use user_configuration::{
    CreateUserConfiguration, DeleteUserConfiguration, GetUserConfiguration, UpdateUserConfiguration,
};
pub use user_oof::{GetUserOofSettings, SetUserOofSettings, UserOof};

use crate::error::Result;
use crate::transport::RequestBody;
use crate::version::SchemaVersion;
use crate::xml::{Node, Writer};

/// Default bound on one answer in bytes, decompressed. The largest legitimate ones are FindFolder
/// over tens of thousands of folders and FindItem with every property: a few megabytes.
pub(crate) const MAX_ANSWER_BYTES: u64 = 96 << 20;

/// Where an answer is paged (`IndexedPageViewType`, MS-OXWSSRCH 2.2.4.16): how many rows, from
/// where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paging {
    /// The first row wanted, counted from 0.
    pub offset: u32,
    /// Most rows wanted, at least 1 (0 asks for 1); servers may send fewer (Exchange: 1,000).
    pub max_entries: u32,
}

/// An operation whose answer is read as a whole.
pub(crate) trait Operation {
    /// Its name, which is also its request element's.
    const NAME: &'static str;
    /// Whether sending it twice does no harm.
    const IDEMPOTENT: bool;
    /// Most bytes of an answer.
    const MAX_ANSWER_BYTES: u64 = MAX_ANSWER_BYTES;
    /// Whether the answer goes on for minutes with long silences.
    const STREAMING: bool = false;
    /// What the caller gets.
    type Answer;

    /// Refuses what the schema forbids before anything is sent.
    fn validate(&self) -> Result<()> {
        Ok(())
    }

    /// Writes the request element.
    fn write(&self, writer: &mut Writer, version: SchemaVersion);

    /// Completes the envelope whose body element is open in `writer`, if the request is more
    /// than what [`Operation::write`] can hold in memory.
    fn body(&self, writer: Writer) -> RequestBody {
        RequestBody::Bytes(writer.finish().into())
    }

    /// Reads the response element.
    fn read(&self, response: Node<'_>) -> Result<Self::Answer>;
}

/// The part most operations' `validate` consists of.
pub(crate) fn require(condition: bool, message: &str) -> Result<()> {
    if condition {
        Ok(())
    } else {
        Err(crate::Error::invalid(message))
    }
}

//! What the index keeps about folders and items.

use crate::row_key::{FolderKey, ItemKey, RowKey};

/// What the index knows of a folder.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FolderRow {
    /// The server's id of the folder.
    pub folder_id: String,
    /// The parent folder; `None` below the mailbox's root.
    pub parent: Option<FolderKey>,
    /// The name people see.
    pub display_name: String,
    /// The container class, such as `IPF.Note`; empty if the server names none.
    pub folder_class: String,
    /// The distinguished name, such as `inbox`, if the folder has one.
    pub distinguished: Option<String>,
    /// Number of items the server counted.
    pub total_count: u32,
    /// The server's opaque synchronisation state as of the last page that was taken.
    pub sync_state: Option<String>,
    /// Whether the synchronisation reached its last page.
    pub sync_done: bool,
    /// Time of the newest change in the folder (PidTagLocalCommitTimeMax), as a FILETIME: 100 ns
    /// steps since 1601.
    pub commit_time: Option<i64>,
    /// Number of deleted items the server counted (PidTagDeletedCountTotal).
    pub deleted_count: Option<u32>,
    /// When the folder was last synchronised whatever its counters said, in milliseconds since
    /// 1970; 0 for never.
    pub last_full_sync_unix_ms: i64,
    /// Bytes of the caller; this crate does not look into them.
    pub extra: Vec<u8>,
}

/// What the index knows of an item.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ItemRow {
    /// The server's id of the item.
    pub item_id: String,
    /// The server's change key as of the stored content.
    pub change_key: String,
    /// The message class, such as `IPM.Note`.
    pub item_class: String,
    /// The read flag, where the item has one.
    pub is_read: Option<bool>,
    /// Size of the item in bytes.
    pub size_bytes: u64,
    /// When it was received, in milliseconds since 1970.
    pub received_unix_ms: Option<i64>,
    /// When it was sent, in milliseconds since 1970.
    pub sent_unix_ms: Option<i64>,
    /// The subject.
    pub subject: String,
    /// The sender, as the caller wants it searched and shown.
    pub sender: String,
    /// Where the content is, opaque to this crate: two rows with equal bytes here are the same
    /// version of the item.
    pub content: Vec<u8>,
}

/// A folder's or an item's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Row {
    /// A folder's row.
    Folder(FolderRow),
    /// An item's row.
    Item(ItemRow),
}

/// One change of what the next snapshot will hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Adds or replaces a folder's row.
    PutFolder(FolderKey, FolderRow),
    /// Removes a folder with all its items. Folders below it are not touched.
    DeleteFolder(FolderKey),
    /// Adds or replaces an item's row. The folder need not be known.
    PutItem(ItemKey, ItemRow),
    /// Removes an item.
    DeleteItem(ItemKey),
}

impl Change {
    /// Returns what is changed.
    pub fn row_key(&self) -> RowKey {
        match self {
            Self::PutFolder(key, _) | Self::DeleteFolder(key) => RowKey::Folder(*key),
            Self::PutItem(key, _) | Self::DeleteItem(key) => RowKey::Item(*key),
        }
    }
}

/// The net effect of all staged changes on one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StagedChange {
    /// The bytes of `row_key`: pass them to continue a listing.
    pub key: Vec<u8>,
    /// The folder or item.
    pub row_key: RowKey,
    /// The new row, of the same sort as the key; `None` if the row goes away.
    pub row: Option<Row>,
}

/// An earlier content of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemVersion {
    /// Stamp of the newest snapshot this index recorded with this content in it; `None` if the
    /// index recorded none before `gone_in`.
    pub last_in: Option<String>,
    /// Stamp of the snapshot in which the item was deleted or had another content.
    pub gone_in: String,
    /// The item as it was.
    pub row: ItemRow,
}

/// A snapshot that was published into this index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotRecord {
    /// The snapshot's id.
    pub stamp: String,
    /// The snapshot's time in milliseconds since 1970.
    pub time_unix_ms: i64,
}

/// Sizes of the published state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Number of folder rows.
    pub folders: u64,
    /// Number of item rows.
    pub items: u64,
    /// Sum of the items' `size_bytes`.
    pub item_bytes: u64,
    /// Number of earlier item versions.
    pub versions: u64,
    /// Number of recorded snapshots.
    pub snapshots: u64,
}

/// What a publication changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PublishStats {
    /// Folder rows added or replaced.
    pub folders_put: u64,
    /// Folder rows removed.
    pub folders_deleted: u64,
    /// Item rows that did not exist before.
    pub items_added: u64,
    /// Item rows replaced, with or without a new content.
    pub items_replaced: u64,
    /// Item rows removed.
    pub items_deleted: u64,
    /// Rows kept as earlier versions.
    pub versions_kept: u64,
    /// Item rows published now, changed or not.
    pub items_total: u64,
}

/// Number of changed rows below which compaction is not worth its time.
const FEW_ROWS: u64 = 10_000;

impl PublishStats {
    /// Returns whether the publication left much unused space, as a first backup does: then
    /// [`MailIndex::compact`](crate::MailIndex::compact) makes the file about three times smaller.
    pub fn worth_compacting(&self) -> bool {
        let changed = self.items_added + self.items_replaced + self.items_deleted;
        changed >= FEW_ROWS && changed >= self.items_total / 2
    }
}

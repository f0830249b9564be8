//! The way of a change: staged, read back in order, published.

use std::ops::Bound;

use redb::{Durability, ReadableTable, ReadableTableMetadata, Table, WriteTransaction};

use crate::codec::{encode_folder, encode_item};
use crate::error::{Error, Fault};
use crate::index::{MailIndex, PageRoom, folder_row, item_row, staged_row, version_key};
use crate::row::{Change, ItemRow, PublishStats, Row, StagedChange};
use crate::row_key::{FolderKey, ItemKey, RowKey, stored_key};
use crate::schema::{
    FOLDERS, ITEMS, STAGED, STAGED_DELETE, STAGED_PUT, TOTALS, VERSIONS, clear_staged,
    is_rebuilding, set_stamp,
};

impl MailIndex {
    /// Adds changes to what the next snapshot will hold, all or none.
    ///
    /// A later change of a row replaces an earlier one. A change that leads back to the published
    /// row is dropped, so that what is staged is always a real difference. Deleting a folder stages
    /// the deletion of each of its items. Staged changes are on disk but not durable: an end of
    /// the process discards them.
    ///
    /// # Errors
    ///
    /// `Invalid` for a row larger than [`MAX_ROW_BYTES`](crate::MAX_ROW_BYTES), and while a rebuild
    /// is under way.
    pub fn stage(&self, changes: &[Change]) -> Result<(), Error> {
        self.write("stage changes in", Durability::None, |txn| {
            refuse_while_rebuilding(txn)?;
            let mut stage = Stage {
                staged: txn.open_table(STAGED)?,
                folders: txn.open_table(FOLDERS)?,
                items: txn.open_table(ITEMS)?,
                value: Vec::new(),
            };
            changes.iter().try_for_each(|change| stage.apply(change))
        })
    }

    /// Returns staged changes in key order, behind the key `after` where given.
    ///
    /// Folders and items share one order, a folder directly before its items; every row appears
    /// once. A page has at most `limit` changes and may have fewer; an empty page is the end.
    ///
    /// # Errors
    ///
    /// The kinds every operation may have.
    pub fn staged(&self, after: Option<Vec<u8>>, limit: usize) -> Result<Vec<StagedChange>, Error> {
        self.read("list staged changes of", |txn| {
            let mut page = Vec::new();
            let mut room = PageRoom::new(limit);
            let from = after.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
            for entry in txn
                .open_table(STAGED)?
                .range::<&[u8]>((from, Bound::Unbounded))?
            {
                let (key, value) = entry?;
                if !room.take(value.value().len()) {
                    break;
                }
                let row_key = stored_key(key.value())?;
                let row = staged_row(value.value());
                page.push(StagedChange {
                    key: key.value().to_vec(),
                    row_key,
                    row: row.map(|row| decode_row(&row_key, row)).transpose()?,
                });
            }
            Ok(page)
        })
    }

    /// Returns the number of staged changes.
    ///
    /// # Errors
    ///
    /// The kinds every operation may have.
    pub fn staged_count(&self) -> Result<u64, Error> {
        self.read("count staged changes of", |txn| {
            Ok(txn.open_table(STAGED)?.len()?)
        })
    }

    /// Forgets all staged changes.
    ///
    /// # Errors
    ///
    /// The kinds every operation may have.
    pub fn discard_staged(&self) -> Result<(), Error> {
        self.write("discard staged changes of", Durability::None, clear_staged)
    }

    /// Makes the staged changes the published state and `stamp` its snapshot, in one durable
    /// transaction.
    ///
    /// Call it once the snapshot is committed in the repository. Item rows that are deleted, or
    /// replaced by rows with another `content`, are kept as [versions](Self::versions).
    /// `time_unix_ms` is the snapshot's time in milliseconds since 1970. After an error nothing has
    /// changed: the old state is published and the changes are still staged.
    ///
    /// # Errors
    ///
    /// `Invalid` for an empty or very long stamp, and while a rebuild is under way.
    pub fn publish(&self, stamp: &str, time_unix_ms: i64) -> Result<PublishStats, Error> {
        self.write("publish changes in", Durability::Immediate, |txn| {
            refuse_while_rebuilding(txn)?;
            let sequence = set_stamp(txn, stamp, time_unix_ms)?;
            let stats = move_staged(txn, sequence)?;
            clear_staged(txn)?;
            Ok(stats)
        })
    }
}

fn refuse_while_rebuilding(txn: &WriteTransaction) -> Result<(), Fault> {
    if is_rebuilding(txn)? {
        return Err(Fault::Invalid("a rebuild is under way".to_owned()));
    }
    Ok(())
}

fn decode_row(key: &RowKey, bytes: &[u8]) -> Result<Row, Fault> {
    Ok(match key {
        RowKey::Folder(key) => Row::Folder(folder_row(key, bytes)?),
        RowKey::Item(key) => Row::Item(item_row(key, bytes)?),
    })
}

type BytesTable<'txn> = Table<'txn, &'static [u8], &'static [u8]>;
type FolderTable<'txn> = Table<'txn, &'static [u8; 8], &'static [u8]>;
type ItemTable<'txn> = Table<'txn, &'static [u8; 24], &'static [u8]>;

/// The tables a staged change is compared with, and a buffer for its bytes.
struct Stage<'txn> {
    staged: BytesTable<'txn>,
    folders: FolderTable<'txn>,
    items: ItemTable<'txn>,
    value: Vec<u8>,
}

impl Stage<'_> {
    fn apply(&mut self, change: &Change) -> Result<(), Fault> {
        self.value.clear();
        self.value.push(STAGED_PUT);
        match change {
            Change::PutFolder(key, row) => {
                encode_folder(row, &mut self.value)?;
                let published = self.folders.get(&key.0)?;
                let same = published.is_some_and(|old| old.value() == &self.value[1..]);
                put(&mut self.staged, &key.0, &self.value, same)
            }
            Change::PutItem(key, row) => {
                encode_item(row, &mut self.value)?;
                let key = key.to_bytes();
                let published = self.items.get(&key)?;
                let same = published.is_some_and(|old| old.value() == &self.value[1..]);
                put(&mut self.staged, &key, &self.value, same)
            }
            Change::DeleteItem(key) => {
                let key = key.to_bytes();
                let absent = self.items.get(&key)?.is_none();
                put(&mut self.staged, &key, &[STAGED_DELETE], absent)
            }
            Change::DeleteFolder(key) => self.delete_folder(*key),
        }
    }

    fn delete_folder(&mut self, folder: FolderKey) -> Result<(), Fault> {
        let (first, last) = folder.item_bounds();
        let (first, last) = (first.to_bytes(), last.to_bytes());
        self.staged
            .retain_in::<&[u8], _>(folder.0.as_slice()..=last.as_slice(), |_, _| false)?;
        let absent = self.folders.get(&folder.0)?.is_none();
        put(&mut self.staged, &folder.0, &[STAGED_DELETE], absent)?;
        for entry in self.items.range::<&[u8; 24]>(&first..=&last)? {
            self.staged
                .insert(entry?.0.value().as_slice(), [STAGED_DELETE].as_slice())?;
        }
        Ok(())
    }
}

/// Stages a value, or unstages the row if the change leads to what is published.
fn put(
    staged: &mut BytesTable<'_>,
    key: &[u8],
    value: &[u8],
    as_published: bool,
) -> Result<(), Fault> {
    if as_published {
        staged.remove(key)?;
    } else {
        staged.insert(key, value)?;
    }
    Ok(())
}

/// Applies every staged change to the published tables.
fn move_staged(txn: &WriteTransaction, sequence: u64) -> Result<PublishStats, Fault> {
    let staged = txn.open_table(STAGED)?;
    let mut folders = txn.open_table(FOLDERS)?;
    let mut items = ItemMover {
        items: txn.open_table(ITEMS)?,
        versions: txn.open_table(VERSIONS)?,
        totals: Totals::new(txn)?,
        sequence,
        stats: PublishStats::default(),
    };
    for entry in staged.iter()? {
        let (key, value) = entry?;
        let row = staged_row(value.value());
        match (stored_key(key.value())?, row) {
            (RowKey::Folder(key), Some(row)) => {
                folders.insert(&key.0, row)?;
                items.stats.folders_put += 1;
            }
            (RowKey::Folder(key), None) => {
                folders.remove(&key.0)?;
                items.stats.folders_deleted += 1;
            }
            (RowKey::Item(key), row) => items.apply(&key, row)?,
        }
    }
    items.totals.flush()?;
    items.stats.items_total = items.items.len()?;
    Ok(items.stats)
}

struct ItemMover<'txn> {
    items: ItemTable<'txn>,
    versions: Table<'txn, &'static [u8; 32], &'static [u8]>,
    totals: Totals<'txn>,
    sequence: u64,
    stats: PublishStats,
}

impl ItemMover<'_> {
    fn apply(&mut self, key: &ItemKey, row: Option<&[u8]>) -> Result<(), Fault> {
        let bytes = key.to_bytes();
        let new = row.map(|row| item_row(key, row)).transpose()?;
        let old = match row {
            Some(row) => self.items.insert(&bytes, row)?,
            None => self.items.remove(&bytes)?,
        };
        let Some(old) = old else {
            if let Some(new) = new {
                self.stats.items_added += 1;
                self.totals.add(key.folder, &new)?;
            }
            return Ok(());
        };
        let old_row = item_row(key, old.value())?;
        let same_content = new
            .as_ref()
            .is_some_and(|new| new.content == old_row.content);
        if !same_content {
            let version = version_key(&bytes, self.sequence);
            self.versions.insert(&version, old.value())?;
            self.stats.versions_kept += 1;
        }
        self.totals.remove(key.folder, &old_row)?;
        match new {
            Some(new) => {
                self.stats.items_replaced += 1;
                self.totals.add(key.folder, &new)
            }
            None => {
                self.stats.items_deleted += 1;
                Ok(())
            }
        }
    }
}

/// Keeps the totals table in step. Rows mostly come folder by folder, so it holds one folder's
/// totals and writes them when the next folder begins.
pub(crate) struct Totals<'txn> {
    table: Table<'txn, &'static [u8; 8], (u64, u64)>,
    folder: Option<FolderKey>,
    items: u64,
    bytes: u64,
}

impl<'txn> Totals<'txn> {
    pub(crate) fn new(txn: &'txn WriteTransaction) -> Result<Self, Fault> {
        Ok(Self {
            table: txn.open_table(TOTALS)?,
            folder: None,
            items: 0,
            bytes: 0,
        })
    }

    pub(crate) fn add(&mut self, folder: FolderKey, row: &ItemRow) -> Result<(), Fault> {
        self.select(folder)?;
        self.items = self.items.saturating_add(1);
        self.bytes = self.bytes.saturating_add(row.size_bytes);
        Ok(())
    }

    pub(crate) fn remove(&mut self, folder: FolderKey, row: &ItemRow) -> Result<(), Fault> {
        self.select(folder)?;
        self.items = self.items.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(row.size_bytes);
        Ok(())
    }

    /// Writes the held totals. Must be called before the transaction is committed.
    pub(crate) fn flush(&mut self) -> Result<(), Fault> {
        let Some(folder) = self.folder.take() else {
            return Ok(());
        };
        if self.items == 0 {
            self.table.remove(&folder.0)?;
        } else {
            self.table.insert(&folder.0, (self.items, self.bytes))?;
        }
        Ok(())
    }

    fn select(&mut self, folder: FolderKey) -> Result<(), Fault> {
        if self.folder == Some(folder) {
            return Ok(());
        }
        self.flush()?;
        let held = self.table.get(&folder.0)?.map(|held| held.value());
        (self.items, self.bytes) = held.unwrap_or_default();
        self.folder = Some(folder);
        Ok(())
    }
}

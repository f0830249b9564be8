//! The handle and its readers.

use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use redb::{
    Database, Durability, ReadTransaction, ReadableDatabase, ReadableTable, ReadableTableMetadata,
    WriteTransaction,
};

use crate::codec::{decode_folder, decode_item};
use crate::error::{Error, Fault};
use crate::index_file::IndexFile;
use crate::row::{Counts, FolderRow, ItemRow, ItemVersion, SnapshotRecord};
use crate::row_key::{FolderKey, ItemKey, RowKey, hex, stored_key};
use crate::schema::{
    FOLDERS, ITEMS, KEY_STAMP, META, SNAPSHOTS, STAGED, STAGED_PUT, TOTALS, VERSIONS,
    stored_snapshot,
};

/// Most rows one call returns, whatever limit it is given.
pub const MAX_PAGE_ROWS: usize = 10_000;

/// Encoded bytes after which a page ends, so that pages of large rows do not fill the memory.
pub const MAX_PAGE_BYTES: usize = 32 * 1024 * 1024;

/// The index of one mailbox.
///
/// Readers see the published state, unless their page says otherwise. All methods take `&self` and
/// may be called from several threads; writers wait for one another. The file is locked until the
/// handle is dropped.
#[derive(Debug)]
pub struct MailIndex {
    // Transactions share the lock, compaction needs the database for itself.
    database: RwLock<Database>,
    file: IndexFile,
    path: PathBuf,
}

impl MailIndex {
    pub(crate) fn new(database: Database, file: IndexFile, path: &Path) -> Self {
        Self {
            database: RwLock::new(database),
            file,
            path: path.to_owned(),
        }
    }

    /// Returns the file's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the id of the snapshot whose contents are published; `None` if the contents are not
    /// those of any snapshot: then they must be rebuilt, or there is no snapshot yet.
    ///
    /// # Errors
    ///
    /// The kinds every operation may have.
    pub fn stamp(&self) -> Result<Option<String>, Error> {
        self.read("read the stamp of", |txn| {
            let meta = txn.open_table(META)?;
            let Some(stamp) = meta.get(KEY_STAMP)? else {
                return Ok(None);
            };
            let stamp = String::from_utf8(stamp.value().to_vec()).map_err(|_| Fault::Row {
                what: "value",
                key: KEY_STAMP.to_owned(),
                reason: "it is not UTF-8",
            })?;
            Ok(Some(stamp))
        })
    }

    /// Forgets which snapshot the contents belong to, durably. The next run will rebuild.
    ///
    /// # Errors
    ///
    /// The kinds every operation may have.
    pub fn clear_stamp(&self) -> Result<(), Error> {
        self.write("unstamp", Durability::Immediate, |txn| {
            txn.open_table(META)?.remove(KEY_STAMP)?;
            Ok(())
        })
    }

    /// Returns all published folders in key order.
    ///
    /// # Errors
    ///
    /// The kinds every operation may have.
    pub fn folders(&self) -> Result<Vec<(FolderKey, FolderRow)>, Error> {
        self.read("list folders of", |txn| {
            let mut folders = Vec::new();
            for entry in txn.open_table(FOLDERS)?.iter()? {
                let (key, row) = entry?;
                let key = FolderKey(*key.value());
                folders.push((key, folder_row(&key, row.value())?));
            }
            Ok(folders)
        })
    }

    /// Returns a folder as the next snapshot will have it: a staged row or deletion hides the
    /// published row.
    ///
    /// # Errors
    ///
    /// The kinds every operation may have.
    pub fn folder(&self, key: &FolderKey) -> Result<Option<FolderRow>, Error> {
        self.read("read a folder of", |txn| {
            if let Some(staged) = txn.open_table(STAGED)?.get(key.0.as_slice())? {
                return staged_row(staged.value())
                    .map(|row| folder_row(key, row))
                    .transpose();
            }
            match txn.open_table(FOLDERS)?.get(&key.0)? {
                None => Ok(None),
                Some(row) => folder_row(key, row.value()).map(Some),
            }
        })
    }

    /// Returns an item as the next snapshot will have it: a staged row or deletion hides the
    /// published row.
    ///
    /// # Errors
    ///
    /// The kinds every operation may have.
    pub fn item(&self, key: &ItemKey) -> Result<Option<ItemRow>, Error> {
        let bytes = key.to_bytes();
        self.read("read an item of", |txn| {
            if let Some(staged) = txn.open_table(STAGED)?.get(bytes.as_slice())? {
                return staged_row(staged.value())
                    .map(|row| item_row(key, row))
                    .transpose();
            }
            match txn.open_table(ITEMS)?.get(&bytes)? {
                None => Ok(None),
                Some(row) => item_row(key, row.value()).map(Some),
            }
        })
    }

    /// Returns published items of a folder in key order, behind `after` where given.
    ///
    /// A page has at most `limit` rows and may have fewer; an empty page is the end.
    ///
    /// # Errors
    ///
    /// The kinds every operation may have.
    pub fn items(
        &self,
        folder: &FolderKey,
        after: Option<ItemKey>,
        limit: usize,
    ) -> Result<Vec<(ItemKey, ItemRow)>, Error> {
        let (first, last) = folder.item_bounds();
        let last = last.to_bytes();
        let after = after
            .filter(|after| *after >= first)
            .map(|after| after.to_bytes());
        // A cursor of a later folder has nothing behind it here, and redb refuses such a range.
        if after.is_some_and(|after| after >= last) {
            return Ok(Vec::new());
        }
        let first = first.to_bytes();
        let from = after
            .as_ref()
            .map_or(Bound::Included(&first), Bound::Excluded);
        self.read("list items of", |txn| {
            let mut page = Vec::new();
            let mut room = PageRoom::new(limit);
            let items = txn.open_table(ITEMS)?;
            for entry in items.range::<&[u8; 24]>((from, Bound::Included(&last)))? {
                let (key, row) = entry?;
                if !room.take(row.value().len()) {
                    break;
                }
                let key = ItemKey::from_bytes(key.value());
                page.push((key, item_row(&key, row.value())?));
            }
            Ok(page)
        })
    }

    /// Returns the number of published items of a folder, without counting them.
    ///
    /// # Errors
    ///
    /// The kinds every operation may have.
    pub fn item_count(&self, folder: &FolderKey) -> Result<u64, Error> {
        self.read("count items of", |txn| {
            let totals = txn.open_table(TOTALS)?;
            let total = totals.get(&folder.0)?;
            Ok(total.map_or(0, |total| total.value().0))
        })
    }

    /// Returns the number of items a folder will have in the next snapshot.
    ///
    /// Costs a pass over the folder's staged changes.
    ///
    /// # Errors
    ///
    /// The kinds every operation may have.
    pub fn item_count_with_staged(&self, folder: &FolderKey) -> Result<u64, Error> {
        let (first, last) = folder.item_bounds();
        let (first, last) = (first.to_bytes(), last.to_bytes());
        let published = self.item_count(folder)?;
        self.read("count staged items of", |txn| {
            let net = NetChange::of(
                txn,
                (Bound::Included(&first[..]), Bound::Included(&last[..])),
            )?;
            Ok(published.saturating_add_signed(net.items))
        })
    }

    /// Returns the sizes of the next snapshot: folders, items and their bytes. Versions and
    /// snapshots are the published ones.
    ///
    /// Costs a pass over the staged changes.
    ///
    /// # Errors
    ///
    /// The kinds every operation may have.
    pub fn counts_with_staged(&self) -> Result<Counts, Error> {
        let mut counts = self.counts()?;
        self.read("count staged rows of", |txn| {
            let net = NetChange::of(txn, (Bound::Unbounded, Bound::Unbounded))?;
            counts.folders = counts.folders.saturating_add_signed(net.folders);
            counts.items = counts.items.saturating_add_signed(net.items);
            counts.item_bytes = counts.item_bytes.saturating_add_signed(net.bytes);
            Ok(counts)
        })
    }

    /// Returns the sizes of the published state, without reading rows.
    ///
    /// # Errors
    ///
    /// The kinds every operation may have.
    pub fn counts(&self) -> Result<Counts, Error> {
        self.read("count rows of", |txn| {
            let mut item_bytes = 0u64;
            for entry in txn.open_table(TOTALS)?.iter()? {
                item_bytes = item_bytes.saturating_add(entry?.1.value().1);
            }
            Ok(Counts {
                folders: txn.open_table(FOLDERS)?.len()?,
                items: txn.open_table(ITEMS)?.len()?,
                item_bytes,
                versions: txn.open_table(VERSIONS)?.len()?,
                snapshots: txn.open_table(SNAPSHOTS)?.len()?,
            })
        })
    }

    /// Returns the earlier contents of an item, oldest first, at most [`MAX_PAGE_ROWS`].
    ///
    /// # Errors
    ///
    /// The kinds every operation may have.
    pub fn versions(&self, key: &ItemKey) -> Result<Vec<ItemVersion>, Error> {
        let from = version_key(&key.to_bytes(), 0);
        let to = version_key(&key.to_bytes(), u64::MAX);
        self.read("list versions of an item of", |txn| {
            let snapshots = txn.open_table(SNAPSHOTS)?;
            let stamp = |entry| -> Result<Option<String>, Fault> {
                let Some((sequence, record)): Option<SnapshotEntry<'_>> = entry else {
                    return Ok(None);
                };
                Ok(Some(
                    stored_snapshot(sequence.value(), record.value())?.stamp,
                ))
            };
            let mut versions = Vec::new();
            for entry in txn
                .open_table(VERSIONS)?
                .range::<&[u8; 32]>(&from..=&to)?
                .take(MAX_PAGE_ROWS)
            {
                let (version, row) = entry?;
                let gone_in = version_sequence(version.value());
                let at = snapshots.range(gone_in..=gone_in)?.next().transpose()?;
                let before = snapshots.range(..gone_in)?.next_back().transpose()?;
                versions.push(ItemVersion {
                    last_in: stamp(before)?,
                    gone_in: stamp(at)?.ok_or_else(|| Fault::Row {
                        what: "version",
                        key: hex(version.value()),
                        reason: "its snapshot is not recorded",
                    })?,
                    row: item_row(key, row.value())?,
                });
            }
            Ok(versions)
        })
    }

    /// Returns the newest [`MAX_PAGE_ROWS`] published snapshots, oldest first.
    ///
    /// # Errors
    ///
    /// The kinds every operation may have.
    pub fn snapshots(&self) -> Result<Vec<SnapshotRecord>, Error> {
        self.read("list snapshots of", |txn| {
            let mut records = Vec::new();
            for entry in txn.open_table(SNAPSHOTS)?.iter()?.rev().take(MAX_PAGE_ROWS) {
                let (sequence, record) = entry?;
                records.push(stored_snapshot(sequence.value(), record.value())?);
            }
            records.reverse();
            Ok(records)
        })
    }

    /// Gives space that staged and replaced rows left behind back to the file system; returns
    /// whether the file became smaller.
    ///
    /// It rewrites much of the file and keeps all other calls waiting, so it is for when
    /// [`PublishStats::worth_compacting`](crate::PublishStats::worth_compacting) says so, not for
    /// every run. An interruption leaves a valid file.
    ///
    /// # Errors
    ///
    /// The kinds every operation may have.
    pub fn compact(&self) -> Result<bool, Error> {
        let mut database = self
            .database
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        database
            .compact()
            .map_err(|error| Error::new("compact", &self.path, error.into()))
    }

    /// A caller that panicked holding the lock left no half-done transaction: redb aborts a
    /// transaction that is dropped.
    fn shared(&self) -> RwLockReadGuard<'_, Database> {
        self.database.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn read<T>(
        &self,
        operation: &'static str,
        body: impl FnOnce(&ReadTransaction) -> Result<T, Fault>,
    ) -> Result<T, Error> {
        let run = || body(&self.shared().begin_read()?);
        run().map_err(|fault| Error::new(operation, &self.path, fault))
    }

    /// Runs `body` in a transaction that is committed if it succeeds and leaves no trace if not.
    pub(crate) fn write<T>(
        &self,
        operation: &'static str,
        durability: Durability,
        body: impl FnOnce(&WriteTransaction) -> Result<T, Fault>,
    ) -> Result<T, Error> {
        let run = || {
            let value = commit(&self.shared(), durability, body)?;
            if matches!(durability, Durability::Immediate) {
                self.file.force().map_err(Fault::File)?;
            }
            Ok(value)
        };
        run().map_err(|fault| Error::new(operation, &self.path, fault))
    }
}

type SnapshotEntry<'a> = (
    redb::AccessGuard<'a, u64>,
    redb::AccessGuard<'a, &'static [u8]>,
);

pub(crate) fn commit<T>(
    database: &Database,
    durability: Durability,
    body: impl FnOnce(&WriteTransaction) -> Result<T, Fault>,
) -> Result<T, Fault> {
    let mut txn = database.begin_write()?;
    txn.set_durability(durability)?;
    let result = body(&txn);
    match result {
        Ok(value) => {
            txn.commit()?;
            Ok(value)
        }
        Err(fault) => {
            txn.abort()?;
            Err(fault)
        }
    }
}

/// Counts down what may still go into one page.
pub(crate) struct PageRoom {
    rows: usize,
    bytes: usize,
}

impl PageRoom {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            rows: limit.min(MAX_PAGE_ROWS),
            bytes: MAX_PAGE_BYTES,
        }
    }

    /// Takes room for a row of `bytes`; refuses if the page is full. A first row always fits.
    pub(crate) fn take(&mut self, bytes: usize) -> bool {
        if self.rows == 0 || self.bytes == 0 {
            return false;
        }
        self.rows -= 1;
        self.bytes = self.bytes.saturating_sub(bytes);
        true
    }
}

/// Returns the row of a staged value; `None` if the row is to be deleted.
pub(crate) fn staged_row(value: &[u8]) -> Option<&[u8]> {
    match value.split_first() {
        Some((&STAGED_PUT, row)) => Some(row),
        _ => None,
    }
}

pub(crate) fn folder_row(key: &FolderKey, bytes: &[u8]) -> Result<FolderRow, Fault> {
    decode_folder(bytes).map_err(|reason| Fault::Row {
        what: "folder",
        key: hex(&key.0),
        reason,
    })
}

pub(crate) fn item_row(key: &ItemKey, bytes: &[u8]) -> Result<ItemRow, Fault> {
    decode_item(bytes).map_err(|reason| Fault::Row {
        what: "item",
        key: hex(&key.to_bytes()),
        reason,
    })
}

pub(crate) fn version_key(item: &[u8; 24], sequence: u64) -> [u8; 32] {
    let mut key = [0; 32];
    key[..24].copy_from_slice(item);
    key[24..].copy_from_slice(&sequence.to_be_bytes());
    key
}

fn version_sequence(key: &[u8; 32]) -> u64 {
    let mut sequence = [0; 8];
    sequence.copy_from_slice(&key[24..]);
    u64::from_be_bytes(sequence)
}

/// What publishing the staged changes would do to the counts.
#[derive(Default)]
struct NetChange {
    folders: i64,
    items: i64,
    bytes: i64,
}

impl NetChange {
    fn of(txn: &ReadTransaction, range: (Bound<&[u8]>, Bound<&[u8]>)) -> Result<Self, Fault> {
        let folders = txn.open_table(FOLDERS)?;
        let items = txn.open_table(ITEMS)?;
        let mut net = Self::default();
        for entry in txn.open_table(STAGED)?.range::<&[u8]>(range)? {
            let (key, staged) = entry?;
            let is_put = staged.value().first() == Some(&STAGED_PUT);
            match stored_key(key.value())? {
                RowKey::Folder(key) => {
                    let was = folders.get(&key.0)?.is_some();
                    net.folders += i64::from(is_put) - i64::from(was);
                }
                RowKey::Item(key) => {
                    let size = |row: &ItemRow| i64::try_from(row.size_bytes).unwrap_or(i64::MAX);
                    let was = items.get(&key.to_bytes())?;
                    let old = was.map(|row| item_row(&key, row.value())).transpose()?;
                    let new = staged_row(staged.value());
                    let new = new.map(|row| item_row(&key, row)).transpose()?;
                    net.items += i64::from(new.is_some()) - i64::from(old.is_some());
                    net.bytes += new.as_ref().map_or(0, size) - old.as_ref().map_or(0, size);
                }
            }
        }
        Ok(net)
    }
}

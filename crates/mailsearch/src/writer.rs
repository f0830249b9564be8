//! Building an index: snapshot by snapshot, durable now and then.

use std::collections::HashMap;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::builder::Builder;
use crate::columns::{READ_UNKNOWN, RowColumns};
use crate::document::{ContentKey, Document, Mark, Row, RowKey};
use crate::error::{Doing, Error, ErrorKind, Fault, Result};
use crate::manifest::{Manifest, manifest_path, segment_path};
use crate::merge;
use crate::seal::{IndexKey, Salt};
use crate::segment::Segment;

/// Texts and rows in memory before they become a segment.
const FLUSH_BYTES: usize = 64 << 20;
/// Rows and texts are numbered with 32 bits.
const MAX_NUMBER: u32 = u32::MAX - 1;
const LOCK_FILE: &str = "lock";

/// Fills a buffer with random bytes that nobody can predict.
pub type Random = Arc<dyn Fn(&mut [u8]) + Send + Sync>;

/// How an index was found by its writer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opened {
    /// There was none.
    Created,
    /// It is there and sound as far as was looked: its manifest and each segment's footer.
    Existing,
    /// It was damaged, of another format, or of another key; it is empty now.
    Replaced {
        /// What was wrong with it.
        reason: String,
    },
}

/// The one writer of an index. Readers may read at the same time.
pub struct IndexWriter {
    folder: PathBuf,
    key: IndexKey,
    random: Random,
    manifest: Manifest,
    flush_bytes: usize,
    // Held until it is dropped.
    _lock: File,
}

impl IndexWriter {
    /// Opens the index in a folder of its own, or makes an empty one. What a killed writer left
    /// unfinished is removed.
    ///
    /// # Errors
    /// `Busy` if there is another writer, and those of the file system.
    pub fn open(folder: &Path, key: &[u8; 32], random: Random) -> Result<(Self, Opened)> {
        let what = || "open the folder".to_owned();
        std::fs::create_dir_all(folder).doing(what)?;
        let lock = File::create(folder.join(LOCK_FILE)).doing(what)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::new(what(), Fault::Busy)),
            Err(TryLockError::Error(error)) => return Err(Error::new(what(), Fault::File(error))),
        }
        let key = IndexKey::new(key);
        let (manifest, opened) = match load(folder, &key) {
            Ok(manifest) => (manifest, Opened::Existing),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                (Manifest::default(), Opened::Created)
            }
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                let reason = std::error::Error::source(&error)
                    .map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"));
                (Manifest::default(), Opened::Replaced { reason })
            }
            Err(error) => return Err(error),
        };
        let writer = Self {
            folder: folder.to_owned(),
            key,
            random,
            manifest,
            flush_bytes: FLUSH_BYTES,
            _lock: lock,
        };
        writer.remove_strays();
        Ok((writer, opened))
    }

    /// Writes a segment whenever so many bytes are in memory; 64 MiB unless said otherwise.
    #[must_use]
    pub fn flush_at(mut self, bytes: usize) -> Self {
        self.flush_bytes = bytes;
        self
    }

    /// The snapshots that the index covers, in the order they were added.
    pub fn marks(&self) -> &[Mark] {
        &self.manifest.marks
    }

    /// Begins to add snapshots. Takes memory for each item of the mailbox, about 150 bytes.
    ///
    /// # Errors
    /// `Corrupt`, and those of the file system.
    pub fn update(self) -> Result<Update> {
        Update::begin(self)
    }

    fn salt(&self) -> Salt {
        let mut salt = Salt::default();
        (self.random)(&mut salt);
        salt
    }

    /// Makes the manifest durable. Files it no longer names go afterwards.
    fn commit(&self) -> Result<()> {
        self.manifest.store(&self.folder, &self.key, &self.salt())?;
        sync_folder(&self.folder);
        self.remove_strays();
        Ok(())
    }

    /// Removes files that the manifest does not name. One that cannot be removed, because a
    /// reader has it open, goes the next time.
    fn remove_strays(&self) {
        let segments = self.manifest.segments.iter();
        let mut named: Vec<PathBuf> = segments
            .map(|info| segment_path(&self.folder, &info.salt))
            .collect();
        named.push(self.folder.join(LOCK_FILE));
        if !(self.manifest.segments.is_empty() && self.manifest.marks.is_empty()) {
            named.push(manifest_path(&self.folder));
        }
        let Ok(entries) = std::fs::read_dir(&self.folder) else {
            return;
        };
        for path in entries.flatten().map(|entry| entry.path()) {
            if !named.contains(&path) {
                let _ = std::fs::remove_file(path);
            }
        }
    }

    fn merge_last(&mut self) -> Result<()> {
        while merge::is_due(&self.manifest.segments) {
            let segments = open_segments(&self.folder, &self.key, &self.manifest)?;
            if let [.., first, second] = segments.as_slice() {
                let salt = self.salt();
                let merged = merge::merge(&self.folder, &self.key, salt, first, second)?;
                let keep = segments.len() - 2;
                self.manifest.segments.truncate(keep);
                self.manifest.segments.push(merged);
            }
        }
        Ok(())
    }
}

/// Removes an index, whatever state it is in.
///
/// # Errors
/// Those of the file system; an index that is not there is none.
pub fn remove_index(folder: &Path) -> Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).doing(|| "remove the files".to_owned())
        }
        _ => Ok(()),
    }
}

fn load(folder: &Path, key: &IndexKey) -> Result<Manifest> {
    let manifest = Manifest::load(folder, key)?;
    open_segments(folder, key, &manifest)?;
    Ok(manifest)
}

pub(crate) fn open_segments(
    folder: &Path,
    key: &IndexKey,
    manifest: &Manifest,
) -> Result<Vec<Segment>> {
    let (mut texts, mut rows) = (0_u32, 0_u32);
    let mut segments = Vec::new();
    for info in &manifest.segments {
        segments.push(Segment::open(folder, key, info, texts, rows)?);
        let next = texts
            .checked_add(info.texts)
            .zip(rows.checked_add(info.rows));
        (texts, rows) = next.ok_or_else(|| Error::corrupt("the manifest", "it counts too far"))?;
    }
    Ok(segments)
}

/// Makes renames durable where the system can; elsewhere they are with the file.
fn sync_folder(folder: &Path) {
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
}

/// The newest row of an item.
#[derive(Clone, Copy)]
struct Latest {
    row: u32,
    item: u32,
    text: u32,
    folder: u32,
    read: u8,
    /// Whether it is in the newest snapshot.
    live: bool,
    /// The snapshot that it was offered for last.
    seen: Option<u32>,
}

/// What the index makes of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// All is known; the item is in the snapshot.
    Known,
    /// The item's document is needed: give it with [`Update::add`].
    Wanted,
}

/// What an update did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UpdateStats {
    /// Documents added.
    pub documents: u64,
    /// Rows added: new items, and items that were moved, changed or flagged.
    pub rows: u64,
    /// Rows that ended.
    pub ended: u64,
}

/// Snapshots being added, oldest first.
pub struct Update {
    writer: IndexWriter,
    builder: Builder,
    latest: HashMap<RowKey, Latest>,
    texts: HashMap<ContentKey, u32>,
    folders: HashMap<String, u32>,
    stats: UpdateStats,
}

impl Update {
    fn begin(writer: IndexWriter) -> Result<Self> {
        let segments = open_segments(&writer.folder, &writer.key, &writer.manifest)?;
        let mut rows = RowColumns::default();
        let mut keys = Vec::new();
        let mut texts = HashMap::new();
        for segment in &segments {
            segment.read_rows(&mut rows)?;
            keys.extend(segment.read_row_keys()?);
            let contents = segment.read_contents()?;
            texts.extend(contents.into_iter().zip(segment.text_base..));
        }
        let mut latest = HashMap::with_capacity(keys.len());
        for (row, key) in keys.iter().enumerate() {
            let damaged = || Error::corrupt("a segment", "its columns differ in length");
            let value = |column: &[u32]| column.get(row).copied().ok_or_else(damaged);
            let entry = Latest {
                row: row as u32,
                item: value(&rows.item)?,
                text: value(&rows.text)?,
                folder: value(&rows.folder)?,
                read: rows.read.get(row).copied().ok_or_else(damaged)?,
                live: true,
                seen: None,
            };
            latest.insert(*key, entry);
        }
        for (row, _) in &rows.ended {
            let key = keys.get(*row as usize);
            if let Some(entry) = key.and_then(|key| latest.get_mut(key))
                && entry.row == *row
            {
                entry.live = false;
            }
        }
        let folders = rows.folders.into_iter().zip(0..).collect();
        let (text_base, row_base) = totals(&writer.manifest);
        Ok(Self {
            writer,
            builder: Builder::new(text_base, row_base),
            latest,
            texts,
            folders,
            stats: UpdateStats::default(),
        })
    }

    /// The snapshots covered so far.
    pub fn marks(&self) -> &[Mark] {
        &self.writer.manifest.marks
    }

    /// Says that an item is in the snapshot being added.
    ///
    /// # Errors
    /// `Internal` when the index is full.
    pub fn offer(&mut self, row: &Row) -> Result<Offer> {
        let Some(text) = self.texts.get(&row.content).copied() else {
            return Ok(Offer::Wanted);
        };
        self.place(row, text)?;
        Ok(Offer::Known)
    }

    /// Adds an item with a document that was wanted.
    ///
    /// # Errors
    /// `Internal` when the index is full, and those of the file system.
    pub fn add(&mut self, row: &Row, document: &Document) -> Result<()> {
        if self.offer(row)? == Offer::Known {
            return Ok(());
        }
        let text = self.builder.text(&row.content, document);
        check_number(text)?;
        self.texts.insert(row.content, text);
        self.stats.documents += 1;
        self.place(row, text)?;
        if self.builder.memory_bytes() >= self.writer.flush_bytes {
            self.flush()?;
        }
        Ok(())
    }

    /// Ends a snapshot: items that were not offered for it are not in it.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn end_snapshot(&mut self, mark: Mark) -> Result<()> {
        let snapshot = self.snapshot();
        let mut ended = Vec::new();
        for entry in self.latest.values_mut() {
            if entry.live && entry.seen != Some(snapshot) {
                entry.live = false;
                ended.push((entry.row, snapshot));
            }
        }
        ended.sort_unstable();
        self.stats.ended += ended.len() as u64;
        self.builder.columns.rows.ended.extend(ended);
        self.writer.manifest.marks.push(mark);
        Ok(())
    }

    /// Makes everything durable.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn finish(mut self) -> Result<(IndexWriter, UpdateStats)> {
        self.flush()?;
        Ok((self.writer, self.stats))
    }

    fn snapshot(&self) -> u32 {
        self.writer.manifest.marks.len() as u32
    }

    /// Puts an item whose text is known into the snapshot.
    fn place(&mut self, row: &Row, text: u32) -> Result<()> {
        let snapshot = self.snapshot();
        let folder = self.folder(&row.folder);
        let read = row.is_read.map_or(READ_UNKNOWN, u8::from);
        let known = self.latest.get_mut(&row.key);
        let mut item = None;
        if let Some(entry) = known {
            item = Some(entry.item);
            if entry.live {
                if (entry.text, entry.folder, entry.read) == (text, folder, read) {
                    entry.seen = Some(snapshot);
                    return Ok(());
                }
                self.builder.columns.rows.ended.push((entry.row, snapshot));
                self.stats.ended += 1;
            }
        }
        let number = self.builder.row_base + self.builder.columns.row_keys.len() as u32;
        check_number(number)?;
        let item = item.unwrap_or(number);
        self.builder.columns.row_keys.push(row.key);
        let rows = &mut self.builder.columns.rows;
        rows.text.push(text);
        rows.item.push(item);
        rows.from.push(snapshot);
        rows.folder.push(folder);
        rows.read.push(read);
        self.stats.rows += 1;
        let entry = Latest {
            row: number,
            item,
            text,
            folder,
            read,
            live: true,
            seen: Some(snapshot),
        };
        self.latest.insert(row.key, entry);
        Ok(())
    }

    fn folder(&mut self, path: &str) -> u32 {
        if let Some(number) = self.folders.get(path) {
            return *number;
        }
        let number = self.folders.len() as u32;
        self.folders.insert(path.to_owned(), number);
        self.builder.columns.rows.folders.push(path.to_owned());
        number
    }

    fn flush(&mut self) -> Result<()> {
        if !self.builder.is_empty() {
            let salt = self.writer.salt();
            let written = self
                .builder
                .write(&self.writer.folder, &self.writer.key, salt)?;
            self.writer.manifest.segments.push(written);
            self.writer.merge_last()?;
            let (text_base, row_base) = totals(&self.writer.manifest);
            self.builder = Builder::new(text_base, row_base);
        }
        self.writer.commit()
    }
}

fn totals(manifest: &Manifest) -> (u32, u32) {
    let segments = &manifest.segments;
    (
        segments.iter().map(|info| info.texts).sum(),
        segments.iter().map(|info| info.rows).sum(),
    )
}

fn check_number(number: u32) -> Result<()> {
    if number < MAX_NUMBER {
        return Ok(());
    }
    let fault = Fault::Limit("it has more items than it can number");
    Err(Error::new("add to a segment", fault))
}

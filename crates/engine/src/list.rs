//! Looks into snapshots: folders with their paths, items with their summaries. No server needed.

use std::collections::{HashMap, HashSet};

use chunkstore::{Content, Entry, TreeReader};
use futures::{StreamExt, TryStreamExt};
use mailindex::{FolderKey, FolderRow};
use serde::Serialize;

use crate::catalog::shown_key;
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::folders::hidden_path;
use crate::keys::{FOLDER_RANGE, Holds, TreeKey, items_of};
use crate::path::level;
use crate::selection::{FolderChooser, ItemFacts, ItemMatcher, ItemVerdict, Selection, has_age};
use crate::snapshot::Snapshot;
use crate::state::{ItemState, ItemSummary, folder_row, item_state};
use crate::vault::Vault;

/// A path is cut off here, so that a loop in damaged data ends.
const MAX_DEPTH: usize = 300;

/// Summaries read at the same time; neighbours share segments, so most come from memory.
const SUMMARIES_AT_ONCE: usize = 16;

/// The largest item that is given out as a whole; EWS cannot carry larger ones back either.
const MAX_WHOLE_BYTES: u64 = 256 << 20;

/// A folder of a snapshot.
#[derive(Clone, Debug, Serialize)]
pub struct FolderEntry {
    /// Its path from the mailbox's root.
    pub path: String,
    /// Its EWS distinguished name, if it has one.
    pub distinguished: Option<String>,
    /// Its class, such as IPF.Note.
    pub class: String,
    /// Whether this is what the folder holds beside the items that users see: views, categories,
    /// rules, settings of programs.
    pub associated: bool,
    /// Items in it.
    pub items: u64,
    /// Bytes of these items as the server counts them.
    pub bytes: u64,
}

/// An item of a snapshot.
#[derive(Clone, Debug, Serialize)]
pub struct ItemEntry {
    /// The key by which commands take it.
    pub key: String,
    /// The path of its folder.
    pub folder: String,
    /// Its EWS ItemId at the time.
    pub item_id: String,
    /// Its class, such as IPM.Note.
    pub class: String,
    /// Whether it was read.
    pub is_read: Option<bool>,
    /// Its size as the server counts it.
    pub bytes: u64,
    /// Bytes of its native stream.
    pub stream_bytes: u64,
    /// Subject, sender, times.
    #[serde(flatten)]
    pub summary: ItemSummary,
}

/// A folder of a snapshot with all that is stored of it.
#[derive(Clone, Debug)]
pub(crate) struct StoredFolder {
    pub(crate) key: FolderKey,
    pub(crate) row: FolderRow,
    /// Its path; of associated items, that of the folder they belong to.
    pub(crate) path: String,
    pub(crate) holds: Holds,
}

impl StoredFolder {
    /// How listings and reports call it.
    pub(crate) fn title(&self) -> String {
        match self.holds {
            Holds::Items => self.path.clone(),
            Holds::Associated => hidden_path(&self.path),
        }
    }
}

/// An item of a snapshot with where its bytes are.
#[derive(Clone, Debug)]
pub(crate) struct StoredItem {
    pub(crate) key: mailindex::ItemKey,
    pub(crate) state: ItemState,
    pub(crate) entry: Entry,
}

impl StoredItem {
    /// Where the native stream is.
    pub(crate) fn content(&self) -> Result<&Content> {
        self.entry
            .contents
            .first()
            .ok_or_else(|| Error::new(ErrorKind::Corrupt, "an item of the snapshot has no content"))
    }

    /// Whether a user means this item: by its EWS id, or by the beginning of its shown key.
    pub(crate) fn is_meant(&self, wanted: &str) -> bool {
        const SHORTEST: usize = 6;
        self.state.item_id == wanted
            || (wanted.len() >= SHORTEST
                && shown_key(&self.key).starts_with(&wanted.to_lowercase()))
    }
}

impl Vault {
    /// The folders of a snapshot, sorted by path.
    pub async fn folders(&self, snapshot: &Snapshot) -> Result<Vec<FolderEntry>> {
        let mut folders = Vec::new();
        for folder in self.all_folders(snapshot).await? {
            let (mut items, mut bytes) = (0, 0u64);
            let mut entries = self.stored_items(snapshot, folder.key);
            while let Some(item) = entries.try_next().await? {
                items += 1;
                bytes += item.state.size_bytes;
            }
            folders.push(FolderEntry {
                path: folder.path,
                distinguished: folder.row.distinguished,
                class: folder.row.folder_class,
                associated: folder.holds == Holds::Associated,
                items,
                bytes,
            });
        }
        Ok(folders)
    }

    /// The items of a snapshot that a selection means, folder by folder, newest first.
    ///
    /// # Errors
    /// `NotFound` if the selection names a folder or an item that the snapshot does not hold.
    pub async fn items(
        &self,
        snapshot: &Snapshot,
        selection: &Selection,
    ) -> Result<Vec<ItemEntry>> {
        let mut listed = Vec::new();
        for (folder, items) in self.chosen_of_all(snapshot, selection).await? {
            let mut entries: Vec<ItemEntry> = futures::stream::iter(items)
                .map(|item| self.item_entry(folder.title(), item))
                .buffered(SUMMARIES_AT_ONCE)
                .try_collect()
                .await?;
            entries.sort_by_key(|entry| std::cmp::Reverse(entry.summary.received_unix_ms));
            listed.extend(entries);
        }
        Ok(listed)
    }

    /// One item of a snapshot and its native stream.
    ///
    /// # Errors
    /// `NotFound` if the snapshot does not hold it, `Corrupt` if its bytes are damaged, `Sealed` for
    /// a vault that a writer's key opened.
    pub async fn item(&self, snapshot: &Snapshot, wanted: &str) -> Result<(ItemEntry, Vec<u8>)> {
        self.refuse_writer("showing an item")?;
        let selection = Selection::of_items([wanted.to_owned()]);
        let (folder, mut items) = self
            .chosen_of_all(snapshot, &selection)
            .await?
            .into_iter()
            .next()
            .ok_or_else(|| {
                Error::new(
                    ErrorKind::NotFound,
                    format!("the snapshot has no item {wanted}"),
                )
            })?;
        let item = items.remove(0);
        let stream = self.read_whole(item.content()?, MAX_WHOLE_BYTES).await?;
        Ok((self.item_entry(folder.title(), item).await?, stream))
    }

    async fn item_entry(&self, folder: String, item: StoredItem) -> Result<ItemEntry> {
        // A summary that cannot be read hides nothing: the item is listed without it.
        let summary = self.summary(&item.entry).await.unwrap_or_default();
        Ok(ItemEntry {
            key: shown_key(&item.key),
            folder,
            stream_bytes: item.content().map_or(0, |content| content.len),
            item_id: item.state.item_id,
            class: item.state.item_class,
            is_read: item.state.is_read,
            bytes: item.state.size_bytes,
            summary,
        })
    }

    /// The folders that users see, with their paths, parents before children.
    pub(crate) async fn stored_folders(&self, snapshot: &Snapshot) -> Result<Vec<StoredFolder>> {
        let mut folders = self.all_folders(snapshot).await?;
        folders.retain(|folder| folder.holds == Holds::Items);
        Ok(folders)
    }

    /// All folders of a snapshot with their paths, parents before children, and behind each what
    /// it holds of associated items.
    pub(crate) async fn all_folders(&self, snapshot: &Snapshot) -> Result<Vec<StoredFolder>> {
        let tree = TreeReader::new(self.source(), snapshot.root.clone());
        let (from, to) = FOLDER_RANGE;
        let entries: Vec<Entry> = tree
            .range(&[from], Some(&[to]))
            .try_collect()
            .await
            .doing(|| format!("read snapshot {}", snapshot.short_id()))?;
        let mut rows = HashMap::new();
        for entry in &entries {
            if let TreeKey::Folder(key) = TreeKey::from_bytes(&entry.key)? {
                rows.insert(key, folder_row(entry)?);
            }
        }
        let mut folders: Vec<StoredFolder> = rows
            .iter()
            .map(|(key, row)| {
                let holds = Holds::of(*key, &row.folder_id);
                let shown = match holds {
                    Holds::Items => Some(*key),
                    Holds::Associated => row.parent,
                };
                StoredFolder {
                    key: *key,
                    row: row.clone(),
                    path: shown.map(|key| path(key, &rows)).unwrap_or_default(),
                    holds,
                }
            })
            .collect();
        let is_hidden = |folder: &StoredFolder| folder.holds == Holds::Associated;
        folders.sort_by(|a, b| (&a.path, is_hidden(a)).cmp(&(&b.path, is_hidden(b))));
        Ok(folders)
    }

    /// The items of one folder of a snapshot, in the order of their keys.
    pub(crate) fn stored_items(
        &self,
        snapshot: &Snapshot,
        folder: FolderKey,
    ) -> futures::stream::BoxStream<'static, Result<StoredItem>> {
        let (from, to) = items_of(folder);
        let id = snapshot.short_id().to_owned();
        TreeReader::new(self.source(), snapshot.root.clone())
            .range(&from, Some(&to))
            .map(move |entry| stored_item(entry.doing(|| format!("read snapshot {id}"))?))
            .boxed()
    }

    /// Folders and items that a selection means, of what users see; folders without any such item
    /// only if they were chosen as folders.
    pub(crate) async fn chosen(
        &self,
        snapshot: &Snapshot,
        selection: &Selection,
    ) -> Result<Vec<(StoredFolder, Vec<StoredItem>)>> {
        let folders = self.chosen_folders(snapshot, selection).await?;
        // Items that are named one by one are meant whatever they are.
        let named = !selection.items.is_empty();
        let visible = folders
            .into_iter()
            .filter(|folder| named || folder.holds == Holds::Items);
        self.chosen_in(snapshot, selection, visible.collect()).await
    }

    /// The same, associated items included. Conditions on items leave them out.
    pub(crate) async fn chosen_of_all(
        &self,
        snapshot: &Snapshot,
        selection: &Selection,
    ) -> Result<Vec<(StoredFolder, Vec<StoredItem>)>> {
        let folders = self.chosen_folders(snapshot, selection).await?;
        self.chosen_in(snapshot, selection, folders).await
    }

    async fn chosen_in(
        &self,
        snapshot: &Snapshot,
        selection: &Selection,
        folders: Vec<StoredFolder>,
    ) -> Result<Vec<(StoredFolder, Vec<StoredItem>)>> {
        let mut chosen = Vec::new();
        let mut missing: HashSet<&str> = selection.items.iter().map(String::as_str).collect();
        let matcher = ItemMatcher::new(selection);
        for folder in folders {
            let mut items = Vec::new();
            let mut entries = self.stored_items(snapshot, folder.key);
            while let Some(item) = entries.try_next().await? {
                if !self.meets(selection, &item).await? {
                    continue;
                }
                if selection.items.is_empty() {
                    items.push(item);
                } else if let Some(wanted) = matcher.meaning(&item) {
                    missing.remove(wanted);
                    items.push(item);
                }
            }
            let narrow = !selection.items.is_empty() || selection.has_conditions();
            if !narrow || !items.is_empty() {
                chosen.push((folder, items));
            }
        }
        match missing.into_iter().min() {
            Some(item) => {
                let message = format!("snapshot {} has no item {item}", snapshot.short_id());
                Err(Error::new(ErrorKind::NotFound, message))
            }
            None => Ok(chosen),
        }
    }

    pub(crate) async fn chosen_folders(
        &self,
        snapshot: &Snapshot,
        selection: &Selection,
    ) -> Result<Vec<StoredFolder>> {
        let mut folders = self.all_folders(snapshot).await?;
        let distinguished = folders.iter().filter_map(|folder| {
            Some((folder.path.as_str(), folder.row.distinguished.as_deref()?))
        });
        let chooser = FolderChooser::new(selection, distinguished);
        let missing = chooser.missing(folders.iter().map(|folder| folder.path.as_str()));
        if let Some(wanted) = missing.first() {
            let message = format!("snapshot {} has no folder {wanted}", snapshot.short_id());
            return Err(Error::new(ErrorKind::NotFound, message));
        }
        let narrow = selection.has_conditions();
        folders.retain(|folder| {
            chooser.has(&folder.path) && !(narrow && folder.holds == Holds::Associated)
        });
        Ok(folders)
    }

    /// Whether an item of a snapshot meets a selection's conditions of class, age and size. The
    /// age counts from when it was received or sent.
    pub(crate) async fn meets(&self, selection: &Selection, item: &StoredItem) -> Result<bool> {
        if !selection.has_conditions() {
            return Ok(true);
        }
        let mut facts = ItemFacts {
            class: &item.state.item_class,
            size_bytes: item.state.size_bytes,
            time_unix_ms: None,
        };
        if selection.asks_for_times() && has_age(facts.class) {
            let summary = self.summary(&item.entry).await?;
            facts.time_unix_ms = summary.received_unix_ms.or(summary.sent_unix_ms);
        }
        Ok(selection.judge(&facts, self.now_unix_ms()) == ItemVerdict::Selected)
    }
}

pub(crate) fn stored_item(entry: Entry) -> Result<StoredItem> {
    match TreeKey::from_bytes(&entry.key)? {
        TreeKey::Item(key) => Ok(StoredItem {
            key,
            state: item_state(&entry)?,
            entry,
        }),
        TreeKey::Folder(_) | TreeKey::Setting(..) | TreeKey::Unknown => Err(Error::new(
            ErrorKind::Corrupt,
            "a snapshot holds a folder among items",
        )),
    }
}

fn path(key: FolderKey, rows: &HashMap<FolderKey, FolderRow>) -> String {
    let mut parts = Vec::new();
    let mut at = Some(key);
    while let Some(row) = at.and_then(|key| rows.get(&key)) {
        parts.push(level(&row.display_name));
        at = row.parent;
        if parts.len() > MAX_DEPTH {
            break;
        }
    }
    parts.reverse();
    parts.join("/")
}

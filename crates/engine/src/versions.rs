//! All versions of an item: which snapshots had it, and what changed between them.

mod changed;

use std::collections::BTreeMap;

use chunkstore::{Entry, TreeReader};
use futures::TryStreamExt;
use mailindex::{FolderKey, ItemKey};
use serde::Serialize;

pub use changed::Changed;

use crate::catalog::shown_key;
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::keys::TreeKey;
use crate::list::StoredItem;
use crate::snapshot::Snapshot;
use crate::state::{ItemSummary, item_state};
use crate::vault::Vault;

/// A move is followed through at most this many folders, so that damaged data ends.
const MAX_MOVES: usize = 100;

/// The versions of one item.
#[derive(Clone, Debug, Serialize)]
pub struct ItemHistory {
    /// Its mailbox.
    pub mailbox: String,
    /// The key by which commands take it, where it was seen last.
    pub key: String,
    /// Its versions, oldest first.
    pub versions: Vec<ItemVersion>,
    /// The first snapshot without it, if it is gone; milliseconds since 1970 UTC.
    pub gone_unix_ms: Option<i64>,
}

/// One version of an item.
#[derive(Clone, Debug, Serialize)]
pub struct ItemVersion {
    /// The newest snapshot that has it, or the tree of kept items: from there it can be viewed,
    /// exported and restored.
    pub snapshot: String,
    /// Its key there: a move to another folder gives an item another key.
    pub key: String,
    /// Whether it is in no snapshot any more but was kept by a rule or a hold.
    pub kept: bool,
    /// The first snapshot that had it, milliseconds since 1970 UTC.
    pub first_unix_ms: i64,
    /// The last snapshot that had it.
    pub last_unix_ms: i64,
    /// What makes it another version than the one before.
    pub changed: Vec<Changed>,
    /// The path of its folder.
    pub folder: String,
    /// Whether it was read.
    pub is_read: Option<bool>,
    /// Its size as the server counts it.
    pub bytes: u64,
    /// Whether its bytes are lost: damage that a repair could not heal.
    pub lost: bool,
    /// Subject, sender, times.
    #[serde(flatten)]
    pub summary: ItemSummary,
}

/// A version under way.
struct Stretch {
    tree: Snapshot,
    entry: Entry,
    key: ItemKey,
    folder: String,
    first_unix_ms: i64,
    last_unix_ms: i64,
}

impl Vault {
    /// All versions of an item: named by its EWS id, by the key that listings show or the
    /// beginning of it; in the mailbox given, or in whichever has it. A move to another folder is
    /// followed where the item can be told by its message id, or by everything a listing shows.
    ///
    /// # Errors
    /// `NotFound` if no snapshot has such an item, `Invalid` if the beginning of a key fits
    /// several, and those of the repository.
    pub async fn versions(&self, wanted: &str, mailbox: Option<&str>) -> Result<ItemHistory> {
        let mut trees = self.snapshots_and_kept().await?;
        trees.extend(self.held_snapshots().await?);
        if let Some(mailbox) = mailbox {
            trees.retain(|tree| tree.mailbox.eq_ignore_ascii_case(mailbox));
        }
        let (mailbox, key) = self.find_item(wanted, &trees).await?;
        trees.retain(|tree| tree.mailbox == mailbox);
        let states: Vec<&Snapshot> = trees.iter().filter(|tree| !tree.kept).collect();
        let mut stretches = self.stretches(key, &trees).await?;
        for _ in 0..MAX_MOVES {
            match self.moved_from(&stretches, &states).await? {
                Some(before) => {
                    let mut before = self.stretches(before, &trees).await?;
                    before.append(&mut stretches);
                    stretches = before;
                }
                None => break,
            }
        }
        for _ in 0..MAX_MOVES {
            match self.moved_to(&stretches, &states).await? {
                Some(after) => stretches.append(&mut self.stretches(after, &trees).await?),
                None => break,
            }
        }
        let last = stretches.last();
        let gone_unix_ms = last.and_then(|last| gone(last, &states));
        let key = last.map_or_else(String::new, |last| shown_key(&last.key));
        let mut versions: Vec<ItemVersion> = Vec::with_capacity(stretches.len());
        let mut before: Option<&Stretch> = None;
        for stretch in &stretches {
            let changed = self.what_changed(before, stretch).await?;
            versions.push(self.version(stretch, changed).await?);
            before = Some(stretch);
        }
        Ok(ItemHistory {
            mailbox,
            key,
            versions,
            gone_unix_ms,
        })
    }

    async fn version(&self, stretch: &Stretch, changed: Vec<Changed>) -> Result<ItemVersion> {
        let state = item_state(&stretch.entry)?;
        Ok(ItemVersion {
            snapshot: stretch.tree.id.clone(),
            key: shown_key(&stretch.key),
            kept: stretch.tree.kept,
            first_unix_ms: stretch.first_unix_ms,
            last_unix_ms: stretch.last_unix_ms,
            changed,
            folder: stretch.folder.clone(),
            is_read: state.is_read,
            bytes: state.size_bytes,
            lost: self.is_lost(&stretch.entry),
            summary: self.summary(&stretch.entry).await.unwrap_or_default(),
        })
    }

    /// Whether the bytes of an item are known to be lost.
    fn is_lost(&self, entry: &Entry) -> bool {
        let item = entry.contents.first();
        item.is_some_and(|item| self.repository.is_lost(item))
    }

    /// The item a user means, in the newest tree that has it.
    async fn find_item(&self, wanted: &str, trees: &[Snapshot]) -> Result<(String, ItemKey)> {
        let mut looked_at = Vec::new();
        for tree in trees.iter().rev() {
            // Snapshots between which nothing changed are looked at once.
            if looked_at.contains(&&tree.root) {
                continue;
            }
            looked_at.push(&tree.root);
            let mut found: BTreeMap<ItemKey, ()> = BTreeMap::new();
            let mut entries =
                TreeReader::new(self.source(), tree.root.clone()).range(&[ITEMS], None);
            let read = || format!("read snapshot {}", tree.short_id());
            while let Some(entry) = entries.try_next().await.doing(read)? {
                if let TreeKey::Item(key) = TreeKey::from_bytes(&entry.key)? {
                    let state = item_state(&entry)?;
                    let item = StoredItem { key, state, entry };
                    if item.is_meant(wanted) {
                        found.insert(key, ());
                    }
                }
            }
            match found.len() {
                0 => {}
                1 => {
                    let key = found.into_keys().next();
                    return key.map(|key| (tree.mailbox.clone(), key)).ok_or_else(|| {
                        Error::new(ErrorKind::Internal, "an item was found and lost")
                    });
                }
                many => {
                    let message = format!("{many} items begin with {wanted}: give more of the key");
                    return Err(Error::new(ErrorKind::Invalid, message));
                }
            }
        }
        let message = format!("no snapshot has an item {wanted}");
        Err(Error::new(ErrorKind::NotFound, message))
    }

    /// The versions of an item in one place, in the order of their times.
    async fn stretches(&self, key: ItemKey, trees: &[Snapshot]) -> Result<Vec<Stretch>> {
        let mut seen: Vec<Stretch> = Vec::new();
        let tree_key = TreeKey::Item(key).to_bytes();
        for tree in trees {
            let read = || format!("read snapshot {}", tree.short_id());
            let reader = TreeReader::new(self.source(), tree.root.clone());
            let Some(entry) = reader.get(&tree_key).await.doing(read)? else {
                continue;
            };
            let itself = item_state(&entry)?.seen.filter(|_| tree.kept);
            seen.push(Stretch {
                folder: String::new(),
                first_unix_ms: itself.map_or(tree.time_unix_ms, |seen| seen.first_unix_ms),
                last_unix_ms: itself.map_or(tree.time_unix_ms, |seen| seen.last_unix_ms),
                tree: tree.clone(),
                entry,
                key,
            });
        }
        seen.sort_by_key(|stretch| (stretch.last_unix_ms, !stretch.tree.kept));
        let mut stretches: Vec<Stretch> = Vec::new();
        let mut known: Option<(chunkstore::TreeRoot, String)> = None;
        for mut stretch in seen {
            let path = match &known {
                Some((root, path)) if *root == stretch.tree.root => path.clone(),
                _ => self.path_of(key.folder, &stretch.tree).await?,
            };
            known = Some((stretch.tree.root.clone(), path.clone()));
            stretch.folder = path;
            match stretches.last_mut() {
                Some(last) if same_version(last, &stretch)? => {
                    stretch.first_unix_ms = stretch.first_unix_ms.min(last.first_unix_ms);
                    *last = stretch;
                }
                _ => stretches.push(stretch),
            }
        }
        Ok(stretches)
    }

    async fn path_of(&self, folder: FolderKey, tree: &Snapshot) -> Result<String> {
        let folders = self.all_folders(tree).await?;
        let found = folders.into_iter().find(|known| known.key == folder);
        Ok(found.map(|folder| folder.title()).unwrap_or_default())
    }

    /// The key an item had in the folder it came from when it appeared.
    async fn moved_from(
        &self,
        stretches: &[Stretch],
        states: &[&Snapshot],
    ) -> Result<Option<ItemKey>> {
        let Some(first) = stretches.first() else {
            return Ok(None);
        };
        let at = states
            .iter()
            .position(|state| state.time_unix_ms >= first.first_unix_ms);
        match at.and_then(|at| Some((states.get(at.checked_sub(1)?)?, states.get(at)?))) {
            Some((before, after)) => self.twin(first, before, after).await,
            None => Ok(None),
        }
    }

    /// The key an item has in the folder it went to when it disappeared.
    async fn moved_to(
        &self,
        stretches: &[Stretch],
        states: &[&Snapshot],
    ) -> Result<Option<ItemKey>> {
        let Some(last) = stretches.last() else {
            return Ok(None);
        };
        let at = states
            .iter()
            .position(|state| state.time_unix_ms > last.last_unix_ms);
        match at.and_then(|at| Some((states.get(at.checked_sub(1)?)?, states.get(at)?))) {
            Some((before, after)) => self.twin(last, after, before).await,
            None => Ok(None),
        }
    }

    /// An item that `with` has and `without` has not, and that is the one we know.
    async fn twin(
        &self,
        of: &Stretch,
        with: &Snapshot,
        without: &Snapshot,
    ) -> Result<Option<ItemKey>> {
        let known = self.summary(&of.entry).await.unwrap_or_default();
        if known.message_id.is_empty() && known.subject.is_empty() {
            return Ok(None);
        }
        let class = item_state(&of.entry)?.item_class;
        for entry in self.only_in(with, without).await? {
            let TreeKey::Item(key) = TreeKey::from_bytes(&entry.key)? else {
                continue;
            };
            if key == of.key || item_state(&entry)?.item_class != class {
                continue;
            }
            let summary = self.summary(&entry).await.unwrap_or_default();
            let same = match known.message_id.as_str() {
                "" => summary == known,
                id => summary.message_id == id,
            };
            if same {
                return Ok(Some(key));
            }
        }
        Ok(None)
    }

    /// Entries of items whose keys only the first of two trees has.
    async fn only_in(&self, with: &Snapshot, without: &Snapshot) -> Result<Vec<Entry>> {
        let read = || "compare two snapshots".to_owned();
        let mut only = Vec::new();
        if with.root == without.root {
            return Ok(only);
        }
        let items = |tree: &Snapshot| {
            TreeReader::new(self.source(), tree.root.clone()).range(&[ITEMS], None)
        };
        let (mut these, mut those) = (items(with), items(without));
        let mut other = those.try_next().await.doing(read)?;
        while let Some(entry) = these.try_next().await.doing(read)? {
            while other.as_ref().is_some_and(|other| other.key < entry.key) {
                other = those.try_next().await.doing(read)?;
            }
            if other.as_ref().is_none_or(|other| other.key != entry.key) {
                only.push(entry);
            }
        }
        Ok(only)
    }

    async fn what_changed(&self, before: Option<&Stretch>, now: &Stretch) -> Result<Vec<Changed>> {
        let Some(before) = before else {
            return Ok(vec![Changed::New]);
        };
        let (old, new) = (item_state(&before.entry)?, item_state(&now.entry)?);
        let mut changed = Vec::new();
        if before.folder != now.folder {
            changed.push(Changed::Folder);
        }
        if old.is_read != new.is_read {
            changed.push(Changed::ReadState);
        }
        if !same_content(&before.entry, &now.entry) {
            let parts = self.changed_parts(&before.entry, &now.entry).await;
            // A move makes the server write the stream anew, without any change of the item.
            if !(parts.is_empty() && changed.contains(&Changed::Folder)) {
                let parts = parts.into_iter().filter(|part| *part != Changed::ReadState);
                changed.extend(parts);
            }
        }
        if changed.is_empty() {
            changed.push(Changed::Content);
        }
        Ok(changed)
    }
}

/// What keys of items begin with.
const ITEMS: u8 = crate::keys::FOLDER_RANGE.1;

/// The first snapshot behind the last that had the item.
fn gone(last: &Stretch, states: &[&Snapshot]) -> Option<i64> {
    let told = item_state(&last.entry).ok()?.seen;
    let told = told
        .filter(|_| last.tree.kept)
        .and_then(|seen| seen.gone_unix_ms);
    let found = states
        .iter()
        .map(|state| state.time_unix_ms)
        .find(|time| *time > last.last_unix_ms);
    match (told, found) {
        (Some(told), Some(found)) => Some(told.min(found)),
        (told, found) => told.or(found),
    }
}

fn same_content(a: &Entry, b: &Entry) -> bool {
    match (a.contents.first(), b.contents.first()) {
        (Some(a), Some(b)) => a.hash == b.hash && a.len == b.len,
        (a, b) => a.is_none() && b.is_none(),
    }
}

fn same_version(a: &Stretch, b: &Stretch) -> Result<bool> {
    Ok(same_content(&a.entry, &b.entry)
        && a.folder == b.folder
        && item_state(&a.entry)?.is_read == item_state(&b.entry)?.is_read)
}

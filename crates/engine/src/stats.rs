//! What takes space: by mailbox, folder, kind and snapshot; and what forgetting would free.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use chunkstore::{
    ChunkId, CollectHost, CollectStage, Entry, OnOpen, OpenSession, SnapshotId, TreeReader,
    content_chunks,
};
use futures::TryStreamExt;
use mailindex::FolderKey;
use serde::Serialize;

use crate::error::{Doing, Result};
use crate::keys::TreeKey;
use crate::monitor::{Event, Monitor};
use crate::snapshot::Snapshot;
use crate::state::item_state;
use crate::vault::Vault;

/// Items and the stored bytes of what they need.
#[derive(Clone, Debug, Default, Serialize, PartialEq, Eq)]
pub struct SpaceUse {
    /// A mailbox, a folder's path, or a family of item classes such as IPM.Note.
    pub name: String,
    /// Item versions: an item that changed twice counts three times.
    pub items: u64,
    /// Stored bytes. What several items share counts for the first only, so that sums are true.
    pub bytes: u64,
}

/// What one mailbox takes.
#[derive(Clone, Debug, Default, Serialize, PartialEq, Eq)]
pub struct MailboxSpace {
    /// The mailbox as a whole.
    #[serde(flatten)]
    pub total: SpaceUse,
    /// Of its bytes, those of the trees that list its items; the rest is in `folders`, and once
    /// more in `kinds`.
    pub tree_bytes: u64,
    /// Its folders, the largest first.
    pub folders: Vec<SpaceUse>,
    /// Its kinds of items, the largest first.
    pub kinds: Vec<SpaceUse>,
}

/// What one snapshot alone takes.
#[derive(Clone, Debug, Serialize, PartialEq, Eq)]
pub struct SnapshotSpace {
    /// The snapshot's id.
    pub id: String,
    /// The mailbox.
    pub mailbox: String,
    /// When it was taken, in milliseconds since 1970-01-01T00:00:00Z.
    pub time_unix_ms: i64,
    /// Whether it is a tree of items that outlived their snapshots.
    pub kept: bool,
    /// Bytes that forgetting this snapshot alone would free.
    pub own_bytes: u64,
}

/// What takes space in a repository.
#[derive(Clone, Debug, Default, Serialize, PartialEq, Eq)]
pub struct StatsReport {
    /// Packs at the destination that count.
    pub packs: u64,
    /// Their bytes.
    pub stored_bytes: u64,
    /// Bytes of them that snapshots need; the rest is waste that a prune frees, and padding.
    pub needed_bytes: u64,
    /// The mailboxes, the largest first. Their bytes add up to `needed_bytes`.
    pub mailboxes: Vec<MailboxSpace>,
    /// The snapshots, oldest first.
    pub snapshots: Vec<SnapshotSpace>,
    /// Bytes that forgetting the chosen snapshots together would free, if any were chosen.
    pub freed_bytes: Option<u64>,
}

impl Vault {
    /// Measures what takes space; reads trees and no bodies, and changes nothing.
    ///
    /// # Errors
    /// `Corrupt` when a snapshot cannot be read; those of the destination.
    pub async fn stats(&self, monitor: Arc<dyn Monitor>) -> Result<StatsReport> {
        let usage = self.repository.usage(&Watch(monitor)).await;
        let usage = usage.doing(|| "measure the snapshots".into())?;
        let own: HashMap<String, u64> = usage
            .snapshots
            .iter()
            .map(|snapshot| (snapshot.id.to_string(), snapshot.own_bytes))
            .collect();
        let snapshots = self.snapshots_and_kept().await?;
        let mut counted = Counted::default();
        for snapshot in snapshots.iter().chain(&self.held_snapshots().await?) {
            self.count(snapshot, &mut counted).await?;
        }
        let stored = self.repository.stats();
        let space = snapshots.into_iter().map(|snapshot| SnapshotSpace {
            own_bytes: own.get(&snapshot.id).copied().unwrap_or(0),
            id: snapshot.id,
            mailbox: snapshot.mailbox,
            time_unix_ms: snapshot.time_unix_ms,
            kept: snapshot.kept,
        });
        Ok(StatsReport {
            packs: stored.packs,
            stored_bytes: stored.stored_bytes,
            needed_bytes: usage.needed_bytes,
            mailboxes: counted.finish(),
            snapshots: space.collect(),
            freed_bytes: None,
        })
    }

    /// Measures how many stored bytes only these snapshots need: what forgetting all of them, and
    /// then a prune, frees.
    ///
    /// # Errors
    /// As for [`Vault::stats`].
    pub async fn freed_by(&self, ids: &[String], monitor: Arc<dyn Monitor>) -> Result<u64> {
        let wanted: HashSet<&str> = ids.iter().map(String::as_str).collect();
        let known = self.repository.snapshots().into_iter().map(|info| info.id);
        let chosen: Vec<SnapshotId> = known
            .filter(|id| wanted.contains(id.to_string().as_str()))
            .collect();
        let freed = self.repository.freed_by(&chosen, &Watch(monitor)).await;
        freed.doing(|| "measure what would be freed".into())
    }

    /// Counts what a snapshot needs and no earlier one did.
    async fn count(&self, snapshot: &Snapshot, counted: &mut Counted) -> Result<()> {
        let reading = || format!("read snapshot {}", snapshot.short_id());
        let folders = self.all_folders(snapshot).await?.into_iter();
        let titles: HashMap<FolderKey, String> =
            folders.map(|folder| (folder.key, folder.title())).collect();
        let tree = TreeReader::new(self.source(), snapshot.root.clone());
        let mut nodes = tree.node_ids();
        while let Some(id) = nodes.try_next().await.doing(reading)? {
            let bytes = self.new_bytes(&id, counted);
            counted.mailbox(snapshot).tree_bytes += bytes;
        }
        let mut entries = tree.all();
        while let Some(entry) = entries.try_next().await.doing(reading)? {
            let Some(content) = entry.contents.first() else {
                continue;
            };
            let TreeKey::Item(key) = TreeKey::from_bytes(&entry.key)? else {
                // Nothing that users call an item.
                let bytes = self.entry_bytes(&entry, counted).await.doing(reading)?;
                counted.mailbox(snapshot).tree_bytes += bytes;
                continue;
            };
            if !counted.versions.insert(content.hash) {
                continue;
            }
            let bytes = self.entry_bytes(&entry, counted).await.doing(reading)?;
            let folder = titles.get(&key.folder).cloned().unwrap_or_default();
            let family = family(&item_state(&entry)?.item_class);
            let sums = counted.mailbox(snapshot);
            sums.total.add(bytes);
            sums.folders.entry(folder).or_default().add(bytes);
            sums.kinds.entry(family).or_default().add(bytes);
        }
        Ok(())
    }

    async fn entry_bytes(&self, entry: &Entry, counted: &mut Counted) -> chunkstore::Result<u64> {
        let mut bytes = 0;
        for content in &entry.contents {
            let mut chunks = content_chunks(self.source(), content);
            while let Some(id) = chunks.try_next().await? {
                bytes += self.new_bytes(&id, counted);
            }
        }
        Ok(bytes)
    }

    /// The stored bytes of a chunk that was not counted before.
    fn new_bytes(&self, id: &ChunkId, counted: &mut Counted) -> u64 {
        match counted.chunks.insert(*id) {
            true => self.repository.stored_chunk_bytes(id).unwrap_or(0),
            false => 0,
        }
    }
}

/// What was counted already, and the sums.
#[derive(Default)]
struct Counted {
    versions: HashSet<[u8; 16]>,
    chunks: HashSet<ChunkId>,
    mailboxes: BTreeMap<String, Sums>,
}

#[derive(Default)]
struct Sums {
    total: SpaceUse,
    tree_bytes: u64,
    folders: BTreeMap<String, SpaceUse>,
    kinds: BTreeMap<String, SpaceUse>,
}

impl SpaceUse {
    fn add(&mut self, bytes: u64) {
        self.items += 1;
        self.bytes += bytes;
    }
}

impl Counted {
    fn mailbox(&mut self, snapshot: &Snapshot) -> &mut Sums {
        self.mailboxes.entry(snapshot.mailbox.clone()).or_default()
    }

    fn finish(self) -> Vec<MailboxSpace> {
        let mailboxes = self.mailboxes.into_iter().map(|(name, sums)| MailboxSpace {
            total: SpaceUse {
                name,
                items: sums.total.items,
                bytes: sums.total.bytes + sums.tree_bytes,
            },
            tree_bytes: sums.tree_bytes,
            folders: largest_first(sums.folders),
            kinds: largest_first(sums.kinds),
        });
        let mut mailboxes: Vec<MailboxSpace> = mailboxes.collect();
        mailboxes.sort_by_key(|mailbox| std::cmp::Reverse(mailbox.total.bytes));
        mailboxes
    }
}

fn largest_first(sums: BTreeMap<String, SpaceUse>) -> Vec<SpaceUse> {
    let named = sums.into_iter().map(|(name, sum)| SpaceUse { name, ..sum });
    let mut all: Vec<SpaceUse> = named.collect();
    all.sort_by_key(|sum| std::cmp::Reverse(sum.bytes));
    all
}

/// The first two words of an item class: IPM.Note of IPM.Note.SMIME.
fn family(class: &str) -> String {
    let words: Vec<&str> = class.splitn(3, '.').take(2).collect();
    words.join(".")
}

/// Shows progress; nothing is collected, so nobody is waited for.
struct Watch(Arc<dyn Monitor>);

#[async_trait::async_trait]
impl CollectHost for Watch {
    fn progress(&self, _stage: CollectStage, done: u64, total: u64) {
        self.0.event(Event::Checked { done, total });
    }

    async fn open_sessions(&self, _open: &[OpenSession]) -> OnOpen {
        OnOpen::Leave
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_gathered_by_their_first_two_words() {
        assert_eq!(family("IPM.Note.SMIME.MultipartSigned"), "IPM.Note");
        assert_eq!(family("IPM.Contact"), "IPM.Contact");
        assert_eq!(family("IPM"), "IPM");
        assert_eq!(family(""), "");
    }
}

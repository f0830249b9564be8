//! Checks a repository and says which items damage would cost.

mod rotation;

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use chunkstore::{CheckOptions, CheckPart, Content, LostChunks, TreeReader, content_chunks};
use futures::TryStreamExt;
use serde::{Deserialize, Serialize};

use crate::error::{Doing, Result};
use crate::keys::TreeKey;
use crate::list::StoredItem;
use crate::monitor::{Event, Monitor};
use crate::snapshot::Snapshot;
use crate::state::item_state;
use crate::vault::Vault;

pub use rotation::PartRead;

/// How much of what is stored a check reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReadData {
    /// Only names, lengths and headers.
    #[default]
    None,
    /// Every stored byte.
    All,
    /// Every stored byte of one part, the same whenever it is asked for.
    Part(CheckPart),
    /// Of so many parts the one that was not read for the longest time on this machine. What was
    /// read when is remembered in the cache folder.
    Rotate(u32),
}

/// An object of the repository with something wrong.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct DamagedObject {
    /// Its name at the destination.
    pub object: String,
    /// What is wrong with it.
    pub what: String,
}

/// An item that cannot be restored whole.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(default)]
pub struct DamagedItem {
    /// The mailbox.
    pub mailbox: String,
    /// The snapshot that lists it.
    pub snapshot: String,
    /// The path of its folder.
    pub folder: String,
    /// Its subject, if its summary can still be read.
    pub subject: String,
    /// The key by which commands take it.
    pub key: String,
}

/// What a check found.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct VaultCheck {
    /// Objects looked at.
    pub objects: u64,
    /// Bytes read.
    pub bytes: u64,
    /// The part that was read, where it was not everything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part: Option<PartRead>,
    /// Chunks that were not opened, since a writer's key does not: the hashes of their packs were
    /// compared.
    pub chunks_not_opened: u64,
    /// Snapshots walked.
    pub snapshots: u64,
    /// Items whose chunks were looked for.
    pub items: u64,
    /// Damaged or missing objects.
    pub objects_damaged: Vec<DamagedObject>,
    /// Snapshots whose tree cannot be read, with the reason.
    pub snapshots_damaged: Vec<DamagedObject>,
    /// Items that cannot be restored whole.
    pub items_damaged: Vec<DamagedItem>,
}

impl VaultCheck {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.objects_damaged.is_empty()
            && self.snapshots_damaged.is_empty()
            && self.items_damaged.is_empty()
    }
}

impl Vault {
    /// Checks all objects, then walks all snapshots and names the items that damage costs. With
    /// `read_data` every stored byte is read, decrypted, decompressed and compared with its id;
    /// without it, names, lengths and headers are.
    ///
    /// Never blocks a backup, and changes nothing.
    pub async fn check(&self, read_data: bool, monitor: Arc<dyn Monitor>) -> Result<VaultCheck> {
        let read = match read_data {
            true => ReadData::All,
            false => ReadData::None,
        };
        self.check_data(read, monitor).await
    }

    /// The same, reading as much as is asked for.
    ///
    /// # Errors
    /// `Invalid` for more than 1,000 parts; those of the destination.
    pub async fn check_data(
        &self,
        read: ReadData,
        monitor: Arc<dyn Monitor>,
    ) -> Result<VaultCheck> {
        let part = self.part_to_read(read).await?;
        let options = CheckOptions {
            read_data: read != ReadData::None,
            part,
        };
        let progress = |progress: chunkstore::CheckProgress| {
            let event = Event::Checked {
                done: progress.objects,
                total: progress.objects_total,
            };
            monitor.event(event);
        };
        let found = self
            .repository
            .check(&options, &progress)
            .await
            .doing(|| "check the repository".into())?;
        let mut check = VaultCheck {
            objects: found.objects,
            bytes: found.bytes,
            chunks_not_opened: found.closed_chunks,
            objects_damaged: found
                .problems
                .into_iter()
                .map(|problem| DamagedObject {
                    object: problem.object,
                    what: problem.what,
                })
                .collect(),
            part: self.note_read(read, part).await?,
            ..VaultCheck::default()
        };
        // Neighbouring snapshots share almost everything: an entry is looked at once.
        let mut sound = HashSet::new();
        let mut trees = self.snapshots_and_kept().await?;
        trees.extend(self.held_snapshots().await?);
        trees.extend(self.replaced_snapshots().await?);
        for snapshot in trees {
            check.snapshots += 1;
            if let Err(error) = self
                .walk(&snapshot, &found.lost_chunks, &mut sound, &mut check)
                .await
            {
                check.snapshots_damaged.push(DamagedObject {
                    object: format!("snapshot {} of {}", snapshot.short_id(), snapshot.mailbox),
                    what: crate::backup::one_line(&error),
                });
            }
        }
        Ok(check)
    }

    async fn walk(
        &self,
        snapshot: &Snapshot,
        lost: &LostChunks,
        sound: &mut HashSet<[u8; 16]>,
        check: &mut VaultCheck,
    ) -> Result<()> {
        let mut damaged = BTreeSet::new();
        let mut entries = TreeReader::new(self.source(), snapshot.root.clone()).all();
        while let Some(entry) = entries
            .try_next()
            .await
            .doing(|| format!("read snapshot {}", snapshot.short_id()))?
        {
            let TreeKey::Item(key) = TreeKey::from_bytes(&entry.key)? else {
                continue;
            };
            let Some(content) = entry.contents.first() else {
                continue;
            };
            let mark = mark(content);
            if sound.contains(&mark) {
                continue;
            }
            check.items += 1;
            if self.is_whole(content, lost).await {
                sound.insert(mark);
            } else {
                damaged.insert(key);
                let state = item_state(&entry)?;
                let item = StoredItem { key, state, entry };
                check
                    .items_damaged
                    .push(self.damaged_item(snapshot, &item).await);
            }
        }
        if damaged.is_empty() {
            return Ok(());
        }
        let folders = self.all_folders(snapshot).await?;
        let id = snapshot.short_id();
        for item in check
            .items_damaged
            .iter_mut()
            .filter(|item| item.snapshot == id)
        {
            let found = folders.iter().find(|folder| {
                damaged.iter().any(|key| {
                    key.folder == folder.key && crate::catalog::shown_key(key) == item.key
                })
            });
            item.folder = found.map(|folder| folder.title()).unwrap_or_default();
        }
        Ok(())
    }

    /// Whether every chunk an item needs is there; a chunk list that cannot be read is not.
    async fn is_whole(&self, content: &Content, lost: &LostChunks) -> bool {
        let mut chunks = content_chunks(self.source(), content);
        loop {
            match chunks.try_next().await {
                Ok(Some(id)) if lost.contains(&id) || !self.repository.has_chunk(&id) => {
                    return false;
                }
                Ok(Some(_)) => {}
                Ok(None) => return true,
                Err(_) => return false,
            }
        }
    }

    async fn damaged_item(&self, snapshot: &Snapshot, item: &StoredItem) -> DamagedItem {
        DamagedItem {
            mailbox: snapshot.mailbox.clone(),
            snapshot: snapshot.short_id().to_owned(),
            folder: String::new(),
            subject: self.summary(&item.entry).await.unwrap_or_default().subject,
            key: crate::catalog::shown_key(&item.key),
        }
    }
}

/// Stands for where an item's bytes are: items stored in the same place are looked at once.
fn mark(content: &Content) -> [u8; 16] {
    let mut mark = [0; 16];
    mark.copy_from_slice(&blake3::hash(&content.encode()).as_bytes()[..16]);
    mark
}

//! Trees of items that outlive their snapshots.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use chunkstore::{ChunkSink, Entry, TreeRoot, write_tree};
use futures::{StreamExt, stream};
use mailindex::FolderKey;

use crate::error::{Error, Result};
use crate::keys::TreeKey;
use crate::list::StoredFolder;
use crate::snapshot::Snapshot;
use crate::state::folder_entry;
use crate::vault::Vault;

/// A tree being gathered: items, and the folders that lead to them.
#[derive(Default)]
pub(crate) struct KeptTree {
    items: BTreeMap<Vec<u8>, Entry>,
    /// Folders that items lie in, and which are not there yet.
    wanted: BTreeSet<[u8; 8]>,
    folders: BTreeMap<[u8; 8], Entry>,
}

impl KeptTree {
    pub(crate) fn add(&mut self, entry: Entry) {
        if let Ok(TreeKey::Item(key)) = TreeKey::from_bytes(&entry.key) {
            if !self.folders.contains_key(&key.folder.0) {
                self.wanted.insert(key.folder.0);
            }
            self.items.insert(entry.key.clone(), entry);
        }
    }

    pub(crate) fn items(&self) -> u64 {
        self.items.len() as u64
    }

    pub(crate) fn folders(&self) -> u64 {
        self.folders.len() as u64
    }

    /// Whether folders are still to be looked for.
    fn lacks_folders(&self) -> bool {
        !self.wanted.is_empty()
    }

    /// Adds the folders that are still missing and that a snapshot has, with those above them.
    pub(crate) async fn add_folders(&mut self, vault: &Vault, snapshot: &Snapshot) -> Result<()> {
        if !self.lacks_folders() {
            return Ok(());
        }
        let folders = vault.stored_folders(snapshot).await?;
        let by_key: HashMap<FolderKey, &StoredFolder> =
            folders.iter().map(|folder| (folder.key, folder)).collect();
        let wanted = std::mem::take(&mut self.wanted);
        for key in wanted {
            let mut at = by_key.get(&FolderKey(key));
            if at.is_none() {
                self.wanted.insert(key);
            }
            while let Some(folder) = at.filter(|f| !self.folders.contains_key(&f.key.0)) {
                let mut row = folder.row.clone();
                // How far it was read means nothing for what is kept of it.
                (row.sync_state, row.sync_done) = (None, false);
                (row.commit_time, row.deleted_count) = (None, None);
                (row.last_full_sync_unix_ms, row.total_count) = (0, 0);
                row.extra = Vec::new();
                self.folders
                    .insert(folder.key.0, folder_entry(folder.key, &row));
                at = folder.row.parent.and_then(|parent| by_key.get(&parent));
            }
        }
        Ok(())
    }

    /// Writes it as a base of its own: leaves that an earlier tree had are there already.
    pub(crate) async fn write(self, vault: &Vault, sink: Arc<dyn ChunkSink>) -> Result<TreeRoot> {
        let entries = self.folders.into_values().chain(self.items.into_values());
        let changes = entries.map(|entry| Ok::<_, Error>(entry.into()));
        write_tree(sink, vault.source(), None, stream::iter(changes).boxed()).await
    }
}

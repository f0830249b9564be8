//! What of all snapshots cannot be read.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use chunkstore::{Content, Entry, Repair, TreeReader, TreeRoot, content_chunks};
use futures::TryStreamExt;

use super::trees::Tree;
use crate::catalog::shown_key;
use crate::check::DamagedItem;
use crate::error::{Doing, Result};
use crate::keys::TreeKey;
use crate::list::StoredFolder;
use crate::vault::Vault;

/// A content whose bytes cannot be read where it says they are.
#[derive(Clone, Debug)]
pub(super) struct Lost {
    pub(super) content: Content,
    /// The place of the content in its entry: 0 the item, 1 its summary.
    pub(super) number: usize,
    /// An entry that has it.
    pub(super) entry: Entry,
    /// The trees that have it, by their number, with the key there.
    pub(super) found: Vec<(usize, Vec<u8>)>,
}

impl Lost {
    /// The newest tree that has it: trees are in the order of their times.
    pub(super) fn newest(&self) -> Option<usize> {
        self.found.iter().map(|(tree, _)| *tree).max()
    }
}

/// Everything that is lost, by the hash of the bytes.
#[derive(Debug, Default)]
pub(super) struct Losses {
    lost: BTreeMap<[u8; 16], Lost>,
    healed: HashSet<[u8; 16]>,
    /// Contents that were found whole, by their records: the same bytes may lie elsewhere, too.
    sound: HashSet<[u8; 32]>,
    /// By the hash of bytes: a place where they are whole.
    twins: HashMap<[u8; 16], Content>,
    /// Of these, the ones whose bytes an earlier repair put somewhere else.
    moved: Vec<(Content, Content)>,
    /// Entries of trees that could not be read at all.
    entries: BTreeMap<usize, u64>,
}

impl Losses {
    /// Looks through a tree.
    ///
    /// # Errors
    /// Damage, if the tree itself cannot be read.
    pub(super) async fn walk(
        &mut self,
        vault: &Vault,
        repair: &Repair,
        number: usize,
        root: &TreeRoot,
    ) -> Result<()> {
        let session = std::sync::Arc::new(repair.session().clone());
        let mut entries = TreeReader::new(session, root.clone()).all();
        // Taken over at the end: of a tree that turns out to be damaged nothing counts.
        let mut met: Vec<(usize, Content, Entry)> = Vec::new();
        while let Some(entry) = entries
            .try_next()
            .await
            .doing(|| "read a snapshot".into())?
        {
            for (place, content) in entry.contents.iter().enumerate() {
                let mark = *blake3::hash(&content.encode()).as_bytes();
                if self.sound.contains(&mark) {
                    continue;
                }
                if is_whole(vault, repair, content).await {
                    self.sound.insert(mark);
                    let there = vault.source().substitute(content);
                    let twin = there.clone().unwrap_or_else(|| content.clone());
                    self.twins.insert(content.hash, twin);
                    self.moved
                        .extend(there.map(|there| (content.clone(), there)));
                    continue;
                }
                met.push((place, content.clone(), entry.clone()));
            }
        }
        for (place, content, entry) in met {
            let key = entry.key.clone();
            let lost = self.lost.entry(content.hash).or_insert_with(|| Lost {
                content,
                number: place,
                entry,
                found: Vec::new(),
            });
            lost.found.push((number, key));
        }
        Ok(())
    }

    /// Heals what lies somewhere else with the same bytes: what is lost, and where it is.
    pub(super) fn take_twins(&mut self) -> Vec<(Content, Content)> {
        let left = self.left().filter_map(|lost| {
            let twin = self.twins.get(&lost.content.hash)?;
            (twin.len == lost.content.len).then(|| (lost.content.clone(), twin.clone()))
        });
        let found: Vec<(Content, Content)> = left.collect();
        self.healed.extend(found.iter().map(|(lost, _)| lost.hash));
        found
    }

    /// Says again what an earlier repair said.
    pub(super) fn carry_over(&self, repair: &mut Repair) -> Result<()> {
        for (content, there) in &self.moved {
            let put = repair.put(content, there.clone());
            put.doing(|| "write down what was healed".into())?;
        }
        Ok(())
    }

    /// What was lost to begin with.
    pub(super) fn all(&self) -> impl Iterator<Item = &Lost> {
        self.lost.values()
    }

    /// What is lost still.
    pub(super) fn left(&self) -> impl Iterator<Item = &Lost> {
        let lost = self.lost.iter();
        lost.filter(|(hash, _)| !self.healed.contains(*hash))
            .map(|(_, lost)| lost)
    }

    pub(super) fn heal(&mut self, content: &Content) {
        self.healed.insert(content.hash);
    }

    pub(super) fn note_entries(&mut self, tree: usize, count: u64) {
        if count > 0 {
            self.entries.insert(tree, count);
        }
    }

    /// How many entries of each tree are lost, as a whole or in part.
    pub(super) fn entries_by_tree(&self) -> BTreeMap<usize, u64> {
        let mut keys: BTreeMap<usize, BTreeSet<&[u8]>> = BTreeMap::new();
        for (tree, key) in self.left().flat_map(|lost| &lost.found) {
            keys.entry(*tree).or_default().insert(key);
        }
        let mut counts = self.entries.clone();
        for (tree, keys) in keys {
            *counts.entry(tree).or_default() += keys.len() as u64;
        }
        counts
    }
}

/// Whether every chunk of a content is stored where it counts.
async fn is_whole(vault: &Vault, repair: &Repair, content: &Content) -> bool {
    let mut chunks = content_chunks(vault.source(), content);
    loop {
        match chunks.try_next().await {
            Ok(Some(id)) if !repair.is_stored(&id) => return false,
            Ok(Some(_)) => {}
            Ok(None) => return true,
            Err(_) => return false,
        }
    }
}

impl Vault {
    /// Says which item it is that cannot be restored.
    pub(super) async fn name_lost(
        &self,
        lost: &Lost,
        tree: &Tree,
        folders: &[StoredFolder],
    ) -> DamagedItem {
        let snapshot = tree.snapshot();
        let key = match lost.found.iter().find(|(at, _)| Some(*at) == lost.newest()) {
            Some((_, key)) => TreeKey::from_bytes(key).ok(),
            None => None,
        };
        let (folder, key) = match key {
            Some(TreeKey::Item(key)) => {
                let folder = folders.iter().find(|folder| folder.key == key.folder);
                (folder.map(StoredFolder::title), shown_key(&key))
            }
            _ => (None, String::new()),
        };
        DamagedItem {
            mailbox: snapshot.mailbox.clone(),
            snapshot: snapshot.short_id().to_owned(),
            folder: folder.unwrap_or_default(),
            subject: self.summary(&lost.entry).await.unwrap_or_default().subject,
            key,
        }
    }
}

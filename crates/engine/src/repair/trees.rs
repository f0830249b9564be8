//! Snapshots whose trees are damaged: their entries from wherever they are to be had.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chunkstore::{Content, Entry, TreeReader, TreeRoot};
use futures::TryStreamExt;
use mailindex::Identity;
use serde::Serialize;

use super::heal::Healer;
use crate::blocking::IndexHandle;
use crate::copy::carry::{Staged, StagedContent};
use crate::copy::wanted::Wanted;
use crate::error::{Doing, Result};
use crate::keys::{INDEXED_RANGE, TreeKey};
use crate::snapshot::Snapshot;
use crate::state::{folder_entry, item_entry};

/// Rows read from the local index at once.
const INDEX_ROWS: usize = 2_000;

/// Where the entries of a damaged tree came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TreeSource {
    /// The same snapshot in the second repository.
    OtherRepository,
    /// The mailbox's index in the cache folder.
    LocalIndex,
    /// What of the tree could still be read.
    WhatWasLeft,
}

/// A tree that can be read.
#[derive(Clone, Debug)]
pub(super) struct Tree {
    pub(super) wanted: Wanted,
}

impl Tree {
    pub(super) fn of(wanted: Wanted) -> Self {
        Self { wanted }
    }

    pub(super) fn rebuilt(rebuilt: Rebuilt, root: TreeRoot) -> Self {
        let mut wanted = rebuilt.wanted;
        wanted.info.root = root;
        Self { wanted }
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        self.wanted.snapshot()
    }
}

/// A tree that is to be written again.
pub(super) struct Rebuilt {
    pub(super) wanted: Wanted,
    pub(super) entries: Vec<Staged>,
    pub(super) from: TreeSource,
    pub(super) lost: u64,
}

impl Rebuilt {
    pub(super) fn report(&self) -> super::RebuiltSnapshot {
        super::RebuiltSnapshot {
            snapshot: self.wanted.snapshot().short_id().to_owned(),
            mailbox: self.wanted.mailbox.clone(),
            from: self.from,
            entries_lost: self.lost,
        }
    }
}

/// Where contents of entries lie, by key and value: what has both is the same version of an item.
type Pool = HashMap<(Vec<u8>, Vec<u8>), Vec<Content>>;

impl Healer<'_> {
    /// Finds the entries of a damaged tree.
    pub(super) async fn rebuild(&mut self, wanted: Wanted, trees: &[Tree]) -> Result<Rebuilt> {
        let lost = Arc::new(AtomicU64::new(0));
        let reader = TreeReader::new(self.session(), wanted.info.root.clone());
        let left: Vec<Entry> = reader
            .readable(&lost)
            .try_collect()
            .await
            .doing(|| "read what is left of a snapshot".into())?;
        let indexed = self.indexed(&wanted, &left).await;
        if let Some(entries) = self
            .taken_from_other(&wanted, trees, (&left, &indexed))
            .await?
        {
            return Ok(Rebuilt {
                wanted,
                entries,
                from: TreeSource::OtherRepository,
                lost: 0,
            });
        }
        let (entries, from, lost) = match indexed {
            Some(entries) => (entries, TreeSource::LocalIndex, 0),
            None => (left, TreeSource::WhatWasLeft, lost.load(Ordering::Relaxed)),
        };
        Ok(Rebuilt {
            wanted,
            entries: entries.into_iter().map(there).collect(),
            from,
            lost,
        })
    }

    /// The entries as the local index has them, if it is of this very snapshot. Settings, which it
    /// does not know, are what is left of them.
    async fn indexed(&self, wanted: &Wanted, left: &[Entry]) -> Option<Vec<Entry>> {
        if !wanted.is_state {
            return None;
        }
        let path = self.vault.index_path(&wanted.mailbox);
        if !path.exists() {
            return None;
        }
        let identity = Identity {
            repository: self.vault.repository.id().to_bytes(),
            mailbox: wanted.mailbox.clone(),
        };
        let (index, _) = IndexHandle::open(path, identity).await.ok()?;
        let stamp = index.run(|index| index.stamp()).await.ok()??;
        if stamp != wanted.info.id.to_string() {
            return None;
        }
        let mut entries = Vec::new();
        for (key, row) in index.run(|index| index.folders()).await.ok()? {
            entries.push(folder_entry(key, &row));
            let mut after = None;
            loop {
                let page = index.run(move |index| index.items(&key, after, INDEX_ROWS));
                let page = page.await.ok()?;
                let Some((last, _)) = page.last() else { break };
                after = Some(*last);
                for (key, row) in &page {
                    entries.push(item_entry(*key, row).ok()?);
                }
            }
        }
        let (from, to) = INDEXED_RANGE;
        let indexed =
            |entry: &&Entry| matches!(entry.key.first(), Some(first) if (from..to).contains(first));
        entries.extend(left.iter().filter(|entry| !indexed(entry)).cloned());
        entries.sort_by(|a, b| a.key.cmp(&b.key));
        Some(entries)
    }

    /// The entries of the same snapshot in the second repository. Contents that this one has are
    /// used, all others copied.
    async fn taken_from_other(
        &mut self,
        wanted: &Wanted,
        trees: &[Tree],
        (left, indexed): (&[Entry], &Option<Vec<Entry>>),
    ) -> Result<Option<Vec<Staged>>> {
        let Some(other) = self.donors.other else {
            return Ok(None);
        };
        let there = other.repository.snapshots().into_iter();
        let Some(there) = there.map(Wanted::of).find(|s| s.info.id == wanted.info.id) else {
            return Ok(None);
        };
        let mut pool = Pool::new();
        for tree in trees
            .iter()
            .filter(|tree| tree.wanted.mailbox == wanted.mailbox)
        {
            let mut entries = TreeReader::new(self.session(), tree.wanted.info.root.clone()).all();
            while let Some(entry) = entries
                .try_next()
                .await
                .doing(|| "read a snapshot".into())?
            {
                pool.insert((entry.key, entry.value), entry.contents);
            }
        }
        for entry in left.iter().chain(indexed.iter().flatten()) {
            let key = (entry.key.clone(), entry.value.clone());
            pool.insert(key, entry.contents.clone());
        }
        let mut staged = Vec::new();
        let mut entries = TreeReader::new(other.source(), there.info.root.clone()).all();
        loop {
            let entry = match entries.try_next().await {
                Ok(Some(entry)) => entry,
                Ok(None) => return Ok(Some(staged)),
                Err(error) => {
                    let error = Err::<(), _>(error).doing(|| "read the second repository".into());
                    self.note_failure("the second repository", error);
                    return Ok(None);
                }
            };
            match self.entry_from(&pool, entry).await? {
                Some(entry) => staged.push(entry),
                None => return Ok(None),
            }
        }
    }

    /// An entry of the second repository as one of this; `None` if it cannot be read there.
    async fn entry_from(&mut self, pool: &Pool, entry: Entry) -> Result<Option<Staged>> {
        let Entry {
            key,
            value,
            contents,
        } = entry;
        let place = (key, value);
        let known = pool.get(&place).filter(|known| {
            known.len() == contents.len()
                && known.iter().zip(&contents).all(|(a, b)| a.len == b.len)
        });
        let mut staged = Vec::with_capacity(contents.len());
        match known {
            Some(known) => staged.extend(known.iter().cloned().map(StagedContent::There)),
            None => {
                for (number, content) in contents.iter().enumerate() {
                    match self.copy(number, content).await? {
                        Some(pending) => staged.push(StagedContent::Coming(pending)),
                        None => return Ok(None),
                    }
                }
            }
        }
        let (key, value) = place;
        if matches!(TreeKey::from_bytes(&key), Ok(TreeKey::Item(_))) && known.is_none() {
            self.counts.from_repository += 1;
        }
        Ok(Some(Staged {
            key,
            value,
            contents: staged,
        }))
    }
}

/// An entry whose contents are in place.
fn there(entry: Entry) -> Staged {
    Staged {
        key: entry.key,
        value: entry.value,
        contents: entry
            .contents
            .into_iter()
            .map(StagedContent::There)
            .collect(),
    }
}

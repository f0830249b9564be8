//! What repairs wrote down: packs that were given up, bytes that lie somewhere else now, bytes that
//! are lost, and snapshots that others took the place of.
//!
//! A record is a snapshot of the store's own with a tree, so that it becomes visible together with
//! what it speaks of, and a collection spares what it refers to.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::TryStreamExt;

use crate::admin::is_damage;
use crate::check::Problem;
use crate::chunk_id::ChunkId;
use crate::chunks::{ChunkSource, ContentKeys};
use crate::content::Content;
use crate::content::codec::put_varint;
use crate::error::{Error, Result};
use crate::layout::{PackName, SessionId};
use crate::repository::{Repository, SnapshotId, SnapshotInfo};
use crate::tree::Entry;
use crate::tree_reader::TreeReader;

/// What names of snapshots that belong to the store itself begin with.
const OWN: char = '\0';
/// The name of a repair's record.
pub(crate) const RECORD: &str = "\0repair";

/// First bytes of the keys of a record's tree.
const PACK: u8 = 1;
const CONTENT: u8 = 2;
const REPLACED: u8 = 3;
const LOST_ENTRIES: u8 = 4;

/// Whether a snapshot's name is the store's own.
pub(crate) fn is_own(name: &str) -> bool {
    name.starts_with(OWN)
}

/// One snapshot as one session added it.
pub(crate) type Added = (SessionId, SnapshotId);

/// What all records together say.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Repairs {
    /// The records that were read.
    pub(crate) records: Vec<SnapshotId>,
    pub(crate) packs: HashSet<PackName>,
    /// By the hash of an item: where its bytes lie; `None` if they are lost.
    pub(crate) contents: HashMap<[u8; 16], Option<Content>>,
    pub(crate) replaced: HashSet<Added>,
    pub(crate) lost_entries: HashMap<SnapshotId, u64>,
}

impl Repairs {
    pub(crate) fn given_up(&self) -> Arc<HashSet<PackName>> {
        Arc::new(self.packs.clone())
    }

    pub(crate) fn substitute(&self, content: &Content) -> Option<Content> {
        let there = self.contents.get(&content.hash)?.as_ref()?;
        (there.len == content.len).then(|| there.clone())
    }

    pub(crate) fn is_lost(&self, content: &Content) -> bool {
        matches!(self.contents.get(&content.hash), Some(None))
    }

    pub(crate) fn is_replaced(&self, snapshot: &SnapshotInfo) -> bool {
        !self.replaced.is_empty() && self.replaced.contains(&(snapshot.session, snapshot.id))
    }

    pub(crate) fn lost_entries(&self, snapshot: &SnapshotId) -> u64 {
        self.lost_entries.get(snapshot).copied().unwrap_or(0)
    }

    /// Whether there is anything to write down.
    pub(crate) fn is_empty(&self) -> bool {
        self.packs.is_empty()
            && self.contents.is_empty()
            && self.replaced.is_empty()
            && self.lost_entries.is_empty()
    }

    /// The entries of a record's tree, sorted.
    pub(crate) fn entries(&self) -> Vec<Entry> {
        let entry = |first: u8, key: &[&[u8]]| Entry {
            key: [&[first][..], &key.concat()].concat(),
            value: Vec::new(),
            contents: Vec::new(),
        };
        let mut entries: Vec<Entry> = Vec::new();
        entries.extend(self.packs.iter().map(|pack| entry(PACK, &[&pack.0])));
        for (hash, content) in &self.contents {
            let mut entry = entry(CONTENT, &[hash]);
            entry.contents.extend(content.clone());
            entries.push(entry);
        }
        for (session, snapshot) in &self.replaced {
            entries.push(entry(REPLACED, &[&session.0.to_bytes(), &snapshot.0]));
        }
        for (snapshot, count) in &self.lost_entries {
            let mut entry = entry(LOST_ENTRIES, &[&snapshot.0]);
            put_varint(&mut entry.value, *count);
            entries.push(entry);
        }
        entries.sort_by(|a, b| a.key.cmp(&b.key));
        entries
    }

    /// Takes an entry of a record over; those of later versions are passed over.
    fn take(&mut self, entry: Entry) -> Result<()> {
        let damaged = || Error::corrupt("the record of a repair", "an entry is damaged");
        let Some((first, key)) = entry.key.split_first() else {
            return Err(damaged());
        };
        match *first {
            PACK => {
                let name = key.try_into().map_err(|_| damaged())?;
                self.packs.insert(PackName(name));
            }
            CONTENT => {
                let hash = key.try_into().map_err(|_| damaged())?;
                let content = entry.contents.into_iter().next();
                // What one of two repairs has found is found.
                let known = self.contents.entry(hash).or_default();
                *known = known.take().or(content);
            }
            REPLACED => {
                let (session, snapshot) = key.split_first_chunk::<16>().ok_or_else(damaged)?;
                let session = SessionId(ulid::Ulid::from_bytes(*session));
                let snapshot = snapshot.try_into().map_err(|_| damaged())?;
                self.replaced.insert((session, SnapshotId(snapshot)));
            }
            LOST_ENTRIES => {
                let snapshot = SnapshotId(key.try_into().map_err(|_| damaged())?);
                let mut reader = crate::content::codec::RecordReader::new(&entry.value, "record");
                self.lost_entries.insert(snapshot, reader.varint()?);
            }
            _ => {}
        }
        Ok(())
    }
}

/// Reads the records of repairs, if others count than those that were read.
pub(crate) async fn load(repository: &Repository) -> Result<()> {
    let (mut records, known) = {
        let catalogue = repository.catalogue();
        let mut records = catalogue.snapshots();
        records.retain(|snapshot| snapshot.name == RECORD);
        (records, catalogue.repairs.records.clone())
    };
    records.sort_by_key(|record| record.id);
    let ids: Vec<SnapshotId> = records.iter().map(|record| record.id).collect();
    if ids == known {
        return Ok(());
    }
    let mut repairs = Repairs {
        records: ids,
        ..Repairs::default()
    };
    for record in records {
        match read(repository, &record, &mut repairs).await {
            Ok(()) => {}
            Err(error) if is_damage(error.kind()) => {
                let problem = Problem {
                    object: format!("record {} of a repair", record.id),
                    what: error.to_string(),
                };
                repository.catalogue_mut().add_problems(vec![problem]);
            }
            Err(error) => return Err(error),
        }
    }
    repository.catalogue_mut().set_repairs(repairs);
    Ok(())
}

async fn read(repository: &Repository, record: &SnapshotInfo, repairs: &mut Repairs) -> Result<()> {
    let source = Arc::new(Direct(repository.clone()));
    let mut entries = TreeReader::new(source, record.root.clone()).all();
    while let Some(entry) = entries.try_next().await? {
        repairs.take(entry)?;
    }
    Ok(())
}

/// Reads chunks without looking whether a custodian moved them: whoever loads records is in the
/// middle of finding that out.
struct Direct(Repository);

#[async_trait]
impl ChunkSource for Direct {
    async fn get_chunk(&self, id: &ChunkId) -> Result<Bytes> {
        self.0.try_places(id).await
    }

    fn content_keys(&self) -> &ContentKeys {
        self.0.content_keys()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::{Payload, Skeleton};

    #[test]
    fn a_record_comes_back_from_its_entries() {
        let content = Content {
            format: 0,
            len: 0,
            hash: [7; 16],
            skeleton: Skeleton::Chunks(Payload::empty()),
            payloads: Vec::new(),
        };
        let session = SessionId(ulid::Ulid::from_bytes([3; 16]));
        let repairs = Repairs {
            records: Vec::new(),
            packs: [PackName([1; 32]), PackName([2; 32])].into(),
            contents: [([7; 16], Some(content.clone())), ([8; 16], None)].into(),
            replaced: [(session, SnapshotId([4; 16]))].into(),
            lost_entries: [(SnapshotId([5; 16]), 300)].into(),
        };
        let mut back = Repairs::default();
        for entry in repairs.entries() {
            back.take(entry).unwrap();
        }
        assert_eq!(back, repairs);
        assert_eq!(back.substitute(&content), Some(content.clone()));
        assert!(!back.is_lost(&content));
        assert!(back.is_lost(&Content {
            hash: [8; 16],
            ..content
        }));
    }

    #[test]
    fn entries_of_later_versions_are_passed_over_and_damaged_ones_refused() {
        let entry = |key: &[u8]| Entry {
            key: key.to_vec(),
            value: Vec::new(),
            contents: Vec::new(),
        };
        let mut repairs = Repairs::default();
        repairs.take(entry(&[9, 1, 2])).unwrap();
        assert!(repairs.is_empty());
        for key in [&[][..], &[1, 2], &[2, 3], &[3, 4], &[4; 17]] {
            assert!(repairs.take(entry(key)).is_err(), "{key:?}");
        }
    }
}

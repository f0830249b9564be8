//! Erasing: what only some snapshots refer to, and whether any of it is still to be found.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use ulid::Ulid;

use crate::admin::is_damage;
use crate::catalogue::{read_headers, read_segment};
use crate::collect::mark::{Live, Marker, mark};
use crate::collect::{CollectHost, CollectStage, list_packs};
use crate::error::Result;
use crate::layout::{self, PackName, parse_ulid};
use crate::pack_index::Run;
use crate::repository::{Repository, SnapshotId, SnapshotInfo};

/// Packs whose headers are held at a time: a repository's together are gigabytes where it has
/// a hundred million chunks.
const PACKS_AT_ONCE: usize = 1000;

/// The chunks that some snapshots refer to and no other does.
#[derive(Clone, Debug, Default)]
pub struct SoleChunks {
    ids: Arc<HashSet<[u8; 16]>>,
    snapshots: Arc<HashSet<SnapshotId>>,
    /// Their sealed bytes.
    pub bytes: u64,
    /// The packs that hold them, as far as the index tells.
    pub packs: u64,
    /// Bytes of these packs.
    pub pack_bytes: u64,
    /// Chunks that other snapshots refer to, too.
    pub shared: u64,
    /// Their sealed bytes: these stay.
    pub shared_bytes: u64,
}

/// What is left of erased chunks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traces {
    /// Packs whose header names one of them.
    pub packs: Vec<String>,
    /// Index objects that name one of them.
    pub index: Vec<String>,
    /// Snapshots that are still described.
    pub snapshots: u64,
    /// Chunks that a snapshot made since refers to: they are not only the erased ones' any more.
    pub needed_again: u64,
    /// Packs and index objects that cannot be read, so that nobody can tell.
    pub unreadable: Vec<String>,
}

impl Traces {
    /// Whether nothing is left, as far as everything could be read.
    pub fn is_clean(&self) -> bool {
        self.packs.is_empty()
            && self.index.is_empty()
            && self.snapshots == 0
            && self.unreadable.is_empty()
    }
}

impl SoleChunks {
    /// How many they are.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The packs that hold one of them, as far as the index tells.
    pub(crate) fn holding(&self, live: &Live) -> HashSet<PackName> {
        let packs = live.index().packs();
        let slots = live.index().runs().iter().flat_map(Run::slots);
        let holding = slots.filter(|slot| self.ids.contains(&slot.id));
        let holding = holding.filter_map(|slot| packs.get(slot.pack as usize));
        holding.map(|pack| pack.name).collect()
    }
}

impl Repository {
    /// The snapshots known so far, those included that were forgotten and that no collection has
    /// tidied away yet, sorted by time, then id.
    pub fn snapshots_and_forgotten(&self) -> Vec<SnapshotInfo> {
        let mut all: Vec<_> = self.catalogue().all_snapshots().cloned().collect();
        all.sort_by_key(|snapshot| (snapshot.time_unix_ms, snapshot.id));
        all
    }

    /// Finds the chunks that only these snapshots refer to. What was forgotten and is not among
    /// them counts for nobody. Reads trees and no bodies.
    ///
    /// # Errors
    /// `Corrupt` when a tree cannot be read, otherwise from the destination.
    pub async fn sole_chunks(
        &self,
        snapshots: &[SnapshotId],
        host: &dyn CollectHost,
    ) -> Result<SoleChunks> {
        self.refresh().await?;
        let going: HashSet<SnapshotId> = snapshots.iter().copied().collect();
        let mut stay = self.catalogue().snapshots();
        stay.retain(|snapshot| !going.contains(&snapshot.id));
        let mut go = self.snapshots_and_forgotten();
        go.retain(|snapshot| going.contains(&snapshot.id));
        let total = (stay.len() + go.len()) as u64;
        let mut live = Live::new(self.catalogue().index.clone());
        let mut marker = Marker::default();
        for (done, snapshot) in (0..).zip(&stay) {
            host.progress(CollectStage::Mark, done, total);
            let mut needed = |id| {
                live.mark(id);
                true
            };
            marker.walk(self, snapshot, &mut needed).await?;
        }
        let (mut sole, mut shared) = (HashSet::new(), HashSet::new());
        for (done, snapshot) in (stay.len() as u64..).zip(&go) {
            host.progress(CollectStage::Mark, done, total);
            let mut needed = |id| {
                match live.contains(id) {
                    true => shared.insert(id),
                    false => sole.insert(id),
                };
                true
            };
            match marker.walk(self, snapshot, &mut needed).await {
                // Of what was forgotten before, a part may be gone already.
                Err(error) if self.is_forgotten(&snapshot.id) && is_damage(error.kind()) => {}
                walked => walked?,
            }
        }
        let bytes = |ids: &HashSet<[u8; 16]>| ids.iter().map(|id| live.bytes_of(*id)).sum();
        let mut found = SoleChunks {
            bytes: bytes(&sole),
            packs: 0,
            pack_bytes: 0,
            shared: shared.len() as u64,
            shared_bytes: bytes(&shared),
            ids: Arc::new(sole),
            snapshots: Arc::new(going),
        };
        let holding = found.holding(&live);
        let described = live.index().packs().iter();
        let lens = described.filter(|pack| holding.contains(&pack.name));
        found.pack_bytes = lens.map(|pack| u64::from(pack.len)).sum();
        found.packs = holding.len() as u64;
        Ok(found)
    }

    /// Looks for chunks that were to be erased: in the header of every pack that is there, in every
    /// index object, and among the snapshots that sessions and checkpoints describe.
    ///
    /// # Errors
    /// From the destination; `Corrupt` when a snapshot that stays cannot be read.
    pub async fn traces(&self, erased: &SoleChunks, host: &dyn CollectHost) -> Result<Traces> {
        self.refresh().await?;
        let snapshots = self.catalogue().snapshots();
        let total = snapshots.len() as u64;
        let on_done = |done| host.progress(CollectStage::Mark, done, total);
        let live = mark(self, &snapshots, &on_done).await?;
        let is_needed = |id: &&[u8; 16]| live.contains(**id);
        let again: HashSet<[u8; 16]> = erased.ids.iter().filter(is_needed).copied().collect();
        let gone = |id: &[u8; 16]| erased.ids.contains(id) && !again.contains(id);
        let mut traces = Traces {
            needed_again: again.len() as u64,
            snapshots: self.still_described(erased),
            ..Traces::default()
        };
        let packs: Vec<_> = list_packs(&self.store().objects)
            .await?
            .into_iter()
            .collect();
        let mut holding = BTreeSet::new();
        for packs in packs.chunks(PACKS_AT_ONCE) {
            let (described, problems) = read_headers(self.store(), packs.to_vec()).await?;
            for segment in &described {
                for slot in segment.slots.iter().filter(|slot| gone(&slot.id)) {
                    let pack = segment.packs.get(slot.pack as usize);
                    holding.extend(pack.map(|pack| pack.name.object()));
                }
            }
            let unreadable = problems.into_iter().map(|problem| problem.object);
            traces.unreadable.extend(unreadable);
        }
        traces.packs = holding.into_iter().collect();
        for id in self.index_ids().await? {
            let name = layout::index_name(id);
            match read_segment(self.store(), &name).await {
                Ok(segment) if segment.slots.iter().any(|slot| gone(&slot.id)) => {
                    traces.index.push(name);
                }
                Ok(_) => {}
                Err(error) if is_damage(error.kind()) => traces.unreadable.push(name),
                Err(error) => return Err(error),
            }
        }
        Ok(traces)
    }

    /// How many of the erased snapshots a session or a checkpoint still describes.
    fn still_described(&self, erased: &SoleChunks) -> u64 {
        let catalogue = self.catalogue();
        let all = catalogue.all_snapshots();
        all.filter(|snapshot| erased.snapshots.contains(&snapshot.id))
            .count() as u64
    }

    async fn index_ids(&self) -> Result<Vec<Ulid>> {
        let listed = self.store().objects.list(layout::INDEX).await?;
        let ids = listed.iter().filter_map(|meta| meta.location.filename());
        Ok(ids.filter_map(parse_ulid).collect())
    }
}

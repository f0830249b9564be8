//! What takes space, and what forgetting would free.

use std::collections::HashSet;

use crate::chunk_id::ChunkId;
use crate::collect::mark::{Live, Marker};
use crate::collect::{CollectHost, CollectStage};
use crate::error::Result;
use crate::pack_index::PackIndex;
use crate::repository::{Repository, SnapshotId};

/// Needed by more than one snapshot.
const SHARED: u32 = u32::MAX;

/// What snapshots need, in sealed bytes of chunks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// All of them together.
    pub needed_bytes: u64,
    /// Each snapshot, sorted by time, with the bytes that no other needs.
    pub snapshots: Vec<SnapshotUse>,
}

/// What one snapshot alone needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotUse {
    /// The snapshot.
    pub id: SnapshotId,
    /// Sealed bytes of the chunks that no other snapshot refers to: what forgetting it alone frees.
    pub own_bytes: u64,
}

impl Repository {
    /// Measures what snapshots need. Reads their trees, no bodies, and what they share twice at
    /// most.
    ///
    /// # Errors
    /// `Corrupt` when a tree cannot be read, otherwise from the destination.
    pub async fn usage(&self, host: &dyn CollectHost) -> Result<Usage> {
        self.refresh().await?;
        let snapshots = self.snapshots();
        let mut owners = Owners::new(self.catalogue().index.clone());
        let total = snapshots.len() as u64;
        for (number, snapshot) in (1u32..).zip(&snapshots) {
            host.progress(CollectStage::Mark, u64::from(number) - 1, total);
            Marker::default()
                .walk(self, snapshot, &mut |id| owners.add(id, number))
                .await?;
        }
        let own = owners.sums(snapshots.len());
        Ok(Usage {
            needed_bytes: owners.needed_bytes(),
            snapshots: snapshots
                .iter()
                .zip(own)
                .map(|(snapshot, own_bytes)| SnapshotUse {
                    id: snapshot.id,
                    own_bytes,
                })
                .collect(),
        })
    }

    /// Sealed bytes of the chunks that only these snapshots need: what forgetting all of them
    /// frees.
    ///
    /// # Errors
    /// As for [`Repository::usage`].
    pub async fn freed_by(&self, forget: &[SnapshotId], host: &dyn CollectHost) -> Result<u64> {
        self.refresh().await?;
        let forget: HashSet<_> = forget.iter().collect();
        let (mut go, mut all): (Vec<_>, Vec<_>) = self
            .snapshots()
            .into_iter()
            .partition(|snapshot| forget.contains(&snapshot.id));
        let stay = all.len();
        all.append(&mut go);
        let mut live = Live::new(self.catalogue().index.clone());
        let mut marker = Marker::default();
        let mut freed = 0;
        for (done, snapshot) in all.iter().enumerate() {
            host.progress(CollectStage::Mark, done as u64, all.len() as u64);
            let mut needed = |id| {
                // Of what is marked already all that is below is, too.
                let news = live.mark(id);
                if news && done >= stay {
                    freed += live.bytes_of(id);
                }
                news
            };
            marker.walk(self, snapshot, &mut needed).await?;
        }
        Ok(freed)
    }

    /// Whether a snapshot was forgotten, and no collection has tidied that away since.
    pub fn is_forgotten(&self, id: &SnapshotId) -> bool {
        self.catalogue().forgotten().contains(id)
    }

    /// The sealed bytes of a chunk, if it is stored.
    pub fn stored_chunk_bytes(&self, id: &ChunkId) -> Option<u64> {
        let catalogue = self.catalogue();
        let first = catalogue.index.ordinals(id.short()).next();
        first.map(|(_, _, slot)| u64::from(slot.sealed_len()))
    }
}

/// For each entry of an index, the number of the snapshot that needs it: 0 none.
struct Owners {
    index: PackIndex,
    owners: Vec<Vec<u32>>,
}

impl Owners {
    fn new(index: PackIndex) -> Self {
        let owners = index.runs().iter().map(|run| vec![0; run.len()]).collect();
        Self { index, owners }
    }

    /// Notes that a snapshot needs a chunk; returns whether what is below it is to be walked. What
    /// was found shared was walked twice already, and so was all below it.
    fn add(&mut self, id: [u8; 16], snapshot: u32) -> bool {
        let Some((run, position, _)) = self.index.ordinals(id).next() else {
            return true;
        };
        let run = self.owners.get_mut(run);
        let Some(owner) = run.and_then(|run| run.get_mut(position)) else {
            return true;
        };
        match *owner {
            SHARED => false,
            0 => {
                *owner = snapshot;
                true
            }
            same if same == snapshot => true,
            _ => {
                *owner = SHARED;
                true
            }
        }
    }

    fn entries(&self) -> impl Iterator<Item = (u32, u64)> {
        let runs = self.index.runs().iter().zip(&self.owners);
        runs.flat_map(|(run, owners)| {
            let entries = run.slots().zip(owners);
            entries.map(|(slot, owner)| (*owner, u64::from(slot.sealed_len())))
        })
    }

    fn needed_bytes(&self) -> u64 {
        let needed = self.entries().filter(|(owner, _)| *owner != 0);
        needed.map(|(_, bytes)| bytes).sum()
    }

    fn sums(&self, snapshots: usize) -> Vec<u64> {
        let mut sums = vec![0; snapshots];
        for (owner, bytes) in self.entries() {
            let number = (owner as usize).checked_sub(1);
            if let Some(sum) = number.and_then(|number| sums.get_mut(number)) {
                *sum += bytes;
            }
        }
        sums
    }
}

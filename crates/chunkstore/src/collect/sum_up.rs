//! Making a checkpoint: what all ended sessions add up to.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use futures::StreamExt;
use ulid::Ulid;

use crate::catalogue::{self, Catalogue, SegmentInfo};
use crate::checkpoint::{Checkpoint, KeptSession};
use crate::collect::epoch::read_doomed;
use crate::collect::refuse_damage;
use crate::collect::survey::Survey;
use crate::error::{Error, Result};
use crate::layout::{self, PackName, parse_ulid};
use crate::pack_index::IndexSegment;
use crate::repository::Repository;
use crate::seal::ObjectKind;
use crate::store::Store;

/// Index segments with fewer entries are merged with others: 7 MB.
const MERGE_BELOW_ENTRIES: usize = 250_000;
/// Index segments of which more than one pack in so many is gone are written anew.
const MAX_DEAD_SHARE: usize = 4;
/// Index segments read at the same time.
const PARALLEL_SEGMENTS: usize = 8;

/// Sums up every session that has ended.
///
/// `survey` is given when every session that was open at its time has ended since: index objects
/// in it that nothing names are then left over from sessions that never committed. A `thorough` index
/// names no chunk of a pack that goes.
pub(crate) async fn sum_up(
    repository: &Repository,
    epoch: u32,
    survey: Option<Survey>,
    thorough: bool,
) -> Result<Checkpoint> {
    repository.refresh().await?;
    refuse_damage(repository)?;
    let store = repository.store();
    let doomed = read_doomed(repository, epoch).await?;
    let (mut checkpoint, objects, segments) = {
        let catalogue = repository.catalogue();
        let checkpoint = gather(&catalogue, &doomed);
        let segments = catalogue.segments().clone();
        (checkpoint, catalogue.index_objects(), segments)
    };
    checkpoint.epoch = epoch;
    checkpoint.time_unix_ms = store.env.now();
    checkpoint.dictionaries = store.codec.dictionaries();
    checkpoint.index = merge_index(store, &checkpoint.packs, &segments, thorough).await?;
    let current: HashSet<_> = checkpoint.index.iter().copied().collect();
    let left_over = survey.map(|survey| survey.index).unwrap_or_default();
    let superseded: BTreeSet<[u8; 16]> = objects.union(&left_over).copied().collect();
    checkpoint.superseded = superseded
        .into_iter()
        .filter(|id| !current.contains(id))
        .collect();
    checkpoint.dead = doomed;
    Ok(checkpoint)
}

/// All that the catalogue alone tells.
fn gather(catalogue: &Catalogue, doomed: &[PackName]) -> Checkpoint {
    let doomed: HashSet<&PackName> = doomed.iter().collect();
    let forgotten = catalogue.forgotten();
    let mut checkpoint = Checkpoint::default();
    if let Some(base) = catalogue.base() {
        checkpoint.committed.clone_from(&base.committed);
        checkpoint.killed.clone_from(&base.killed);
        checkpoint.kept.clone_from(&base.kept);
    }
    for commit in catalogue.commits() {
        checkpoint.committed.push(commit.info.id);
        checkpoint.kept.push(KeptSession {
            id: commit.info.id,
            time_unix_ms: commit.info.time_unix_ms,
            writer: commit.info.writer.clone(),
            packs: u32::try_from(commit.info.packs).unwrap_or(u32::MAX),
            snapshots: commit.snapshots.clone(),
        });
    }
    for session in &mut checkpoint.kept {
        session
            .snapshots
            .retain(|snapshot| !forgotten.contains(&snapshot.id));
    }
    checkpoint
        .kept
        .retain(|session| !session.snapshots.is_empty());
    checkpoint.killed.extend(catalogue.killed());
    checkpoint.committed.sort_unstable();
    checkpoint.killed.sort_unstable();
    checkpoint.packs = catalogue
        .packs()
        .into_iter()
        .filter(|(name, _)| !doomed.contains(name))
        .collect();
    // Every session that is known is summed up, so no decision is needed any more.
    checkpoint.forgets = catalogue
        .forget_decisions()
        .keys()
        .filter_map(|name| parse_ulid(name.rsplit('/').next()?))
        .map(|id| id.to_bytes())
        .collect();
    checkpoint
}

/// Writes what is missing of an index of these packs, and returns the ids of all its segments.
async fn merge_index(
    store: &Store,
    packs: &[(PackName, u64)],
    segments: &BTreeMap<[u8; 16], SegmentInfo>,
    thorough: bool,
) -> Result<Vec<[u8; 16]>> {
    let live: HashSet<PackName> = packs.iter().map(|(name, _)| *name).collect();
    let mut index = Vec::new();
    let mut merged = Vec::new();
    for (id, segment) in segments {
        let dead = segment.packs.iter().filter(|pack| !live.contains(*pack));
        let dead = dead.count();
        if dead == segment.packs.len() {
            continue;
        }
        let wasteful = dead * MAX_DEAD_SHARE > segment.packs.len() || (thorough && dead > 0);
        if wasteful || segment.entries < MERGE_BELOW_ENTRIES {
            merged.push((*id, dead > 0));
        } else {
            index.push(*id);
        }
    }
    if let [(id, false)] = merged.as_slice() {
        index.push(*id);
        merged.clear();
    }
    let mut described: HashSet<PackName> = index
        .iter()
        .filter_map(|id| segments.get(id))
        .flat_map(|segment| segment.packs.iter().copied())
        .collect();
    let mut parts = Vec::new();
    let mut reads = futures::stream::iter(merged)
        .map(|(id, _)| async move {
            let name = layout::index_name(Ulid::from_bytes(id));
            catalogue::read_segment(store, &name).await
        })
        .buffered(PARALLEL_SEGMENTS);
    while let Some(segment) = reads.next().await {
        let Ok(mut segment) = segment else {
            // Its packs are described by their headers below.
            continue;
        };
        let wanted = segment.packs.iter().map(|pack| pack.name);
        let wanted = wanted.filter(|pack| live.contains(pack) && !described.contains(pack));
        let wanted: HashSet<PackName> = wanted.collect();
        segment.retain_packs(&wanted);
        described.extend(wanted);
        parts.push(segment);
    }
    let missing = packs.iter().filter(|(name, _)| !described.contains(name));
    let (rebuilt, _) = catalogue::read_headers(store, missing.copied().collect()).await?;
    parts.extend(rebuilt);
    parts.retain(|part| !part.packs.is_empty());
    for segment in IndexSegment::join(parts) {
        index.push(write_segment(store, &segment).await?);
    }
    Ok(index)
}

/// Writes a segment and reads it back: others are deleted for it.
async fn write_segment(store: &Store, segment: &IndexSegment) -> Result<[u8; 16]> {
    let id = store.env.ulid();
    let name = layout::index_name(id);
    store
        .write_sealed(&name, ObjectKind::Index, &segment.encode()?)
        .await?;
    if &catalogue::read_segment(store, &name).await? != segment {
        return Err(Error::corrupt(
            &name,
            "it does not read back as it was written",
        ));
    }
    Ok(id.to_bytes())
}

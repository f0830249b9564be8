//! What an open repository knows: sessions, snapshots, index, and what was found damaged.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Arc, RwLock};

use futures::StreamExt;
use ulid::Ulid;

use crate::check::Problem;
use crate::checkpoint::{self, Checkpoint};
use crate::error::{Error, ErrorKind, Result};
use crate::layout::{self, CheckpointCopy, PackName, SESSIONS, SessionId, SessionObject};
use crate::pack_index::{Cached, IndexSegment, PackIndex};
use crate::repairs::{self, Repairs};
use crate::repository::{SessionInfo, SnapshotId, SnapshotInfo};
use crate::seal::ObjectKind;
use crate::session_record::{CommitRecord, EndRecord};
use crate::store::Store;
use crate::{admin, dictionary};

/// Sessions read at the same time.
const PARALLEL_SESSIONS: usize = 8;
/// Pack headers read at the same time when an index is rebuilt.
const PARALLEL_HEADERS: usize = 8;

/// Times a refresh begins again because a custodian tidied up under it.
const MAX_ATTEMPTS: usize = 5;

/// The state in memory.
#[derive(Debug, Default)]
pub(crate) struct Catalogue {
    /// What the sessions before it added up to.
    base: Option<Base>,
    /// Ended sessions since: committed ones with what they committed, the others as `None`.
    sessions: BTreeMap<SessionId, Option<Commit>>,
    forgotten: BTreeMap<String, Vec<SnapshotId>>,
    pub(crate) index: PackIndex,
    segments: BTreeMap<[u8; 16], SegmentInfo>,
    /// The index objects that local files stand for.
    cached: Arc<Cached>,
    problems: BTreeMap<String, String>,
    pub(crate) repairs: Repairs,
}

/// The checkpoint that everything else comes on top of.
#[derive(Debug)]
pub(crate) struct Base {
    pub(crate) checkpoint: Checkpoint,
    ended: HashSet<SessionId>,
}

/// What stays in memory of a commit.
#[derive(Debug)]
pub(crate) struct Commit {
    pub(crate) info: SessionInfo,
    pub(crate) snapshots: Vec<SnapshotInfo>,
    pub(crate) packs: Vec<(PackName, u64)>,
    pub(crate) index: Vec<[u8; 16]>,
}

/// An index object that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SegmentInfo {
    pub(crate) entries: usize,
    pub(crate) packs: Vec<PackName>,
}

/// One index object with its id, which segments made from pack headers do not have.
pub(crate) type Segment = (Option<[u8; 16]>, IndexSegment);

impl Catalogue {
    fn from_checkpoint(checkpoint: Checkpoint, loaded: Loaded, old: &mut Self) -> Self {
        let live: HashSet<PackName> = checkpoint.packs.iter().map(|(name, _)| *name).collect();
        let mut catalogue = Self {
            index: old.index.files_only(),
            cached: Arc::clone(&old.cached),
            ..Self::default()
        };
        catalogue.index.retain_packs(|pack| live.contains(pack));
        catalogue.note_cached(loaded.cached);
        for (id, mut segment) in loaded.segments {
            catalogue.note_segment(id, &segment);
            segment.retain_packs(&live);
            catalogue.index.add(segment);
        }
        let ended = checkpoint.ended();
        catalogue.base = Some(Base { checkpoint, ended });
        catalogue.set_repairs(std::mem::take(&mut old.repairs));
        catalogue
    }

    /// Begins with what local files have of the index.
    pub(crate) fn set_cached(&mut self, index: PackIndex, cached: Cached) {
        let given_up = Arc::clone(self.index.given_up());
        self.index = index;
        self.index.give_up(given_up);
        self.cached = Arc::new(cached);
        self.retain_packs();
    }

    /// Of the packs that local files describe, only those count that sessions name.
    fn retain_packs(&mut self) {
        let packs = self.packs();
        self.index.retain_packs(|pack| packs.contains_key(pack));
    }

    /// Takes over what local files know of index objects.
    fn note_cached(&mut self, ids: Vec<[u8; 16]>) {
        for id in ids {
            if let Some(info) = self.cached.get(&id) {
                self.segments.insert(id, info.clone());
            }
        }
    }

    fn note_segment(&mut self, id: Option<[u8; 16]>, segment: &IndexSegment) {
        if let Some(id) = id {
            let info = SegmentInfo {
                entries: segment.slots.len(),
                packs: segment.packs.iter().map(|pack| pack.name).collect(),
            };
            self.segments.insert(id, info);
        }
    }

    /// Adds a commit and what its index describes.
    pub(crate) fn add(&mut self, session: SessionId, record: CommitRecord, segments: Vec<Segment>) {
        for (id, segment) in segments {
            self.note_segment(id, &segment);
            self.index.add(segment);
        }
        let commit = Commit {
            info: SessionInfo {
                id: session,
                time_unix_ms: record.time_unix_ms,
                writer: record.writer,
                snapshots: record.snapshots.len(),
                packs: record.packs.len(),
            },
            snapshots: record.snapshots,
            packs: record.packs,
            index: record.index,
        };
        self.sessions.insert(session, Some(commit));
    }

    /// Starts the index afresh.
    pub(crate) fn replace_index(&mut self, segments: Vec<IndexSegment>) {
        let given_up = Arc::clone(self.index.given_up());
        self.index = PackIndex::default();
        self.index.give_up(given_up);
        for segment in segments {
            self.index.add(segment);
        }
    }

    /// Takes over what repairs wrote down.
    pub(crate) fn set_repairs(&mut self, repairs: Repairs) {
        self.index.give_up(repairs.given_up());
        self.repairs = repairs;
    }

    pub(crate) fn base(&self) -> Option<&Checkpoint> {
        self.base.as_ref().map(|base| &base.checkpoint)
    }

    /// The epoch of the checkpoint, 0 before the first.
    pub(crate) fn epoch(&self) -> u32 {
        self.base().map_or(0, |checkpoint| checkpoint.epoch)
    }

    fn is_summed_up(&self, session: &SessionId) -> bool {
        let base = self.base.as_ref();
        base.is_some_and(|base| base.ended.contains(session))
    }

    /// Whether a session is known to have ended.
    pub(crate) fn has_ended(&self, session: &SessionId) -> bool {
        self.sessions.contains_key(session) || self.is_summed_up(session)
    }

    /// The commits since the checkpoint.
    pub(crate) fn commits(&self) -> impl Iterator<Item = &Commit> {
        self.sessions.values().flatten()
    }

    /// The sessions since the checkpoint that ended without a commit.
    pub(crate) fn killed(&self) -> impl Iterator<Item = SessionId> {
        let ended = self.sessions.iter();
        ended.filter_map(|(id, commit)| commit.is_none().then_some(*id))
    }

    /// Every pack that committed sessions uploaded and no collection deleted, with its length.
    pub(crate) fn packs(&self) -> BTreeMap<PackName, u64> {
        let summed_up = self.base().map_or(&[][..], |base| &base.packs);
        let since = self.commits().flat_map(|commit| &commit.packs);
        summed_up.iter().chain(since).copied().collect()
    }

    /// Every index object that counts.
    pub(crate) fn index_objects(&self) -> BTreeSet<[u8; 16]> {
        let summed_up = self.base().map_or(&[][..], |base| &base.index);
        let since = self.commits().flat_map(|commit| &commit.index);
        summed_up.iter().chain(since).copied().collect()
    }

    /// No longer counts on an index object: its packs are described by their headers.
    pub(crate) fn drop_segment(&mut self, object: &str) {
        let damaged = |id: &[u8; 16]| layout::index_name(Ulid::from_bytes(*id)) == object;
        self.segments.retain(|id, _| !damaged(id));
    }

    /// The index objects that were read.
    pub(crate) fn segments(&self) -> &BTreeMap<[u8; 16], SegmentInfo> {
        &self.segments
    }

    pub(crate) fn sessions(&self) -> Vec<SessionInfo> {
        let kept = self.base().map_or(&[][..], |base| &base.kept);
        let kept = kept.iter().map(|session| SessionInfo {
            id: session.id,
            time_unix_ms: session.time_unix_ms,
            writer: session.writer.clone(),
            snapshots: session.snapshots.len(),
            packs: session.packs as usize,
        });
        let since = self.commits().map(|commit| commit.info.clone());
        let mut sessions: Vec<_> = kept.chain(since).collect();
        sessions.sort_by_key(|session| session.id);
        sessions
    }

    /// Every snapshot that is known, forgotten ones since the checkpoint and the store's own
    /// records included. Those that a repair replaced are none.
    pub(crate) fn all_snapshots(&self) -> impl Iterator<Item = &SnapshotInfo> {
        let kept = self.base().map_or(&[][..], |base| &base.kept);
        let kept = kept.iter().flat_map(|session| &session.snapshots);
        let all = kept.chain(self.commits().flat_map(|commit| &commit.snapshots));
        all.filter(|snapshot| !self.repairs.is_replaced(snapshot))
    }

    /// What users of the store added, sorted, without what was forgotten.
    pub(crate) fn user_snapshots(&self) -> Vec<SnapshotInfo> {
        let mut snapshots = self.snapshots();
        snapshots.retain(|snapshot| !repairs::is_own(&snapshot.name));
        snapshots
    }

    /// The same with the store's own records.
    pub(crate) fn snapshots(&self) -> Vec<SnapshotInfo> {
        let forgotten = self.forgotten();
        let mut snapshots: Vec<_> = self
            .all_snapshots()
            .filter(|snapshot| !forgotten.contains(&snapshot.id))
            .cloned()
            .collect();
        snapshots.sort_by_key(|snapshot| (snapshot.time_unix_ms, snapshot.id));
        snapshots
    }

    /// The snapshots that decisions since the checkpoint name.
    pub(crate) fn forgotten(&self) -> HashSet<SnapshotId> {
        self.forgotten.values().flatten().copied().collect()
    }

    /// The decisions to forget that are known, by object name.
    pub(crate) fn forget_decisions(&self) -> &BTreeMap<String, Vec<SnapshotId>> {
        &self.forgotten
    }

    pub(crate) fn forget(&mut self, decision: String, snapshots: Vec<SnapshotId>) {
        self.forgotten.insert(decision, snapshots);
    }

    pub(crate) fn problems(&self) -> Vec<Problem> {
        let problem = |(object, what): (&String, &String)| Problem {
            object: object.clone(),
            what: what.clone(),
        };
        self.problems.iter().map(problem).collect()
    }

    pub(crate) fn add_problems(&mut self, problems: Vec<Problem>) {
        for problem in problems {
            tracing::warn!(object = problem.object, "{}", problem.what);
            self.problems.insert(problem.object, problem.what);
        }
    }
}

/// Reads what ended, and what was forgotten, since the last time.
///
/// Sessions and decisions are listed before checkpoints: what was tidied away before a listing is
/// then in a checkpoint that the later listing shows.
pub(crate) async fn refresh(store: &Store, catalogue: &RwLock<Catalogue>) -> Result<()> {
    let mut attempt = 1;
    loop {
        match refresh_once(store, catalogue).await {
            // Tidied away between a listing and the reading.
            Err(error) if error.kind() == ErrorKind::NotFound && attempt < MAX_ATTEMPTS => {
                attempt += 1;
            }
            done => return done,
        }
    }
}

async fn refresh_once(store: &Store, catalogue: &RwLock<Catalogue>) -> Result<()> {
    let listed = store.objects.list(SESSIONS).await?;
    let decisions = admin::list_forgotten(store).await?;
    refresh_base(store, catalogue).await?;
    let new: Vec<SessionId> = {
        let known = catalogue.read().unwrap_or_else(|e| e.into_inner());
        let ended = listed.iter().filter_map(|meta| {
            match SessionObject::parse(meta.location.filename()?) {
                Some(SessionObject::End(id)) => Some(id),
                _ => None,
            }
        });
        ended.filter(|id| !known.has_ended(id)).collect()
    };
    let cached = cached_of(catalogue);
    let mut loads = futures::stream::iter(new)
        .map(|session| {
            let cached = Arc::clone(&cached);
            async move { (session, load_session(store, session, &cached).await) }
        })
        .buffer_unordered(PARALLEL_SESSIONS);
    while let Some((session, loaded)) = loads.next().await {
        let vanished = match &loaded {
            Ok(loaded) => loaded.vanished,
            Err(error) => error.kind() == ErrorKind::NotFound,
        };
        if vanished {
            refuse_outdated(store, catalogue).await?;
        }
        let mut catalogue = catalogue.write().unwrap_or_else(|e| e.into_inner());
        match loaded {
            Ok(Loaded {
                record: Some(record),
                segments,
                cached,
                problems,
                ..
            }) => {
                catalogue.note_cached(cached);
                catalogue.add(session, record, segments);
                catalogue.add_problems(problems);
            }
            Ok(_) => drop(catalogue.sessions.insert(session, None)),
            // Left unknown, so that a repaired object is found by the next refresh.
            Err(error) if admin::is_damage(error.kind()) => {
                catalogue.add_problems(vec![Problem {
                    object: session.end_name(),
                    what: error.to_string(),
                }]);
            }
            Err(error) => return Err(error),
        }
    }
    drop(loads);
    refresh_forgotten(store, decisions, catalogue).await
}

/// The index objects that need not be read.
fn cached_of(catalogue: &RwLock<Catalogue>) -> Arc<Cached> {
    let catalogue = catalogue.read().unwrap_or_else(|e| e.into_inner());
    Arc::clone(&catalogue.cached)
}

/// An error of kind `NotFound` if a newer checkpoint has taken the place of what was listed.
async fn refuse_outdated(store: &Store, catalogue: &RwLock<Catalogue>) -> Result<()> {
    let newest = checkpoint::newest_epoch(store).await?.unwrap_or(0);
    let known = catalogue.read().unwrap_or_else(|e| e.into_inner()).epoch();
    if newest > known {
        return Err(Error::new(
            ErrorKind::NotFound,
            "the repository was tidied up while its sessions were read",
        ));
    }
    Ok(())
}

/// Starts from the newest checkpoint that can be read, if it is newer than the one known.
async fn refresh_base(store: &Store, catalogue: &RwLock<Catalogue>) -> Result<()> {
    let known = catalogue.read().unwrap_or_else(|e| e.into_inner()).epoch();
    let epochs = checkpoint::list(store).await?;
    let mut problems = Vec::new();
    for epoch in epochs.into_iter().rev().take_while(|epoch| *epoch > known) {
        let (checkpoint, mut met) = match checkpoint::read(store, epoch).await {
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(error),
            Err(error) if admin::is_damage(error.kind()) => {
                problems.push(Problem {
                    object: layout::checkpoint_name(epoch, CheckpointCopy::Decision),
                    what: error.to_string(),
                });
                continue;
            }
            Err(error) => return Err(error),
        };
        dictionary::restore(store, &checkpoint.dictionaries)?;
        let cached = cached_of(catalogue);
        let parts = (checkpoint.index.as_slice(), checkpoint.packs.as_slice());
        let mut loaded = load_index(store, parts, &cached).await?;
        if loaded.vanished && checkpoint::newest_epoch(store).await? > Some(epoch) {
            return Err(Error::new(
                ErrorKind::NotFound,
                "the repository was tidied up while its index was read",
            ));
        }
        problems.append(&mut met);
        problems.append(&mut loaded.problems);
        let mut catalogue = catalogue.write().unwrap_or_else(|e| e.into_inner());
        *catalogue = Catalogue::from_checkpoint(checkpoint, loaded, &mut catalogue);
        catalogue.add_problems(problems);
        return Ok(());
    }
    let mut catalogue = catalogue.write().unwrap_or_else(|e| e.into_inner());
    catalogue.add_problems(problems);
    Ok(())
}

async fn refresh_forgotten(
    store: &Store,
    decisions: Vec<String>,
    catalogue: &RwLock<Catalogue>,
) -> Result<()> {
    let mut forgotten = {
        let known = catalogue.read().unwrap_or_else(|e| e.into_inner());
        known.forgotten.clone()
    };
    let unreadable = admin::read_forgotten(store, decisions, &mut forgotten).await?;
    let mut catalogue = catalogue.write().unwrap_or_else(|e| e.into_inner());
    catalogue.retain_packs();
    catalogue.forgotten.append(&mut forgotten);
    catalogue.add_problems(unreadable);
    Ok(())
}

#[derive(Default)]
struct Loaded {
    record: Option<CommitRecord>,
    segments: Vec<Segment>,
    /// Index objects that local files stand for, and that were not read.
    cached: Vec<[u8; 16]>,
    problems: Vec<Problem>,
    /// Whether an object was missing, which a newer checkpoint may explain.
    vanished: bool,
}

async fn load_session(store: &Store, session: SessionId, cached: &Cached) -> Result<Loaded> {
    let name = session.end_name();
    let record = store.read_sealed(&name, ObjectKind::SessionEnd).await?;
    let EndRecord::Committed(record) = EndRecord::decode(&name, &record, session)? else {
        return Ok(Loaded::default());
    };
    let mut loaded = load_index(store, (&record.index, &record.packs), cached).await?;
    loaded.record = Some(record);
    Ok(loaded)
}

/// Reads index segments; what they lack of the packs is rebuilt from pack headers.
async fn load_index(
    store: &Store,
    (index, packs): (&[[u8; 16]], &[(PackName, u64)]),
    cached: &Cached,
) -> Result<Loaded> {
    let mut loaded = Loaded::default();
    let mut described = HashSet::new();
    let known = index.iter().filter_map(|id| Some((id, cached.get(id)?)));
    for (id, info) in known {
        loaded.cached.push(*id);
        described.extend(info.packs.iter().copied());
    }
    let new = index.iter().filter(|id| !cached.contains_key(*id));
    let mut reads = futures::stream::iter(new.copied().collect::<Vec<_>>())
        .map(|id| async move {
            let name = layout::index_name(Ulid::from_bytes(id));
            let read = read_segment(store, &name).await;
            (id, name, read)
        })
        .buffered(PARALLEL_HEADERS);
    while let Some((id, name, read)) = reads.next().await {
        match read {
            Ok(segment) => {
                described.extend(segment.packs.iter().map(|pack| pack.name));
                loaded.segments.push((Some(id), segment));
            }
            Err(error) if admin::is_damage(error.kind()) => {
                loaded.vanished |= error.kind() == ErrorKind::NotFound;
                loaded.problems.push(Problem {
                    object: name,
                    what: format!("{error}; the index was rebuilt from pack headers"),
                });
            }
            Err(error) => return Err(error),
        }
    }
    let missing = packs.iter().filter(|(name, _)| !described.contains(name));
    let (rebuilt, mut unreadable) = read_headers(store, missing.copied().collect()).await?;
    let rebuilt = rebuilt.into_iter().map(|segment| (None, segment));
    loaded.segments.extend(rebuilt);
    loaded.problems.append(&mut unreadable);
    Ok(loaded)
}

/// Reads one index object.
pub(crate) async fn read_segment(store: &Store, name: &str) -> Result<IndexSegment> {
    let record = store.read_sealed(name, ObjectKind::Index).await?;
    IndexSegment::decode(name, &record)
}

/// Describes packs by their own headers.
pub(crate) async fn read_headers(
    store: &Store,
    packs: Vec<(PackName, u64)>,
) -> Result<(Vec<IndexSegment>, Vec<Problem>)> {
    let headers: Vec<(PackName, Result<IndexSegment>)> = futures::stream::iter(packs)
        .map(|(name, len)| async move {
            let header = store.read_pack_header(&name, len).await;
            let segment = header.map(|(info, header)| IndexSegment::of_pack(info, &header));
            (name, segment)
        })
        .buffer_unordered(PARALLEL_HEADERS)
        .collect()
        .await;
    let mut segments = Vec::new();
    let mut problems = Vec::new();
    for (name, segment) in headers {
        match segment {
            Ok(segment) => segments.push(segment),
            Err(error) if admin::is_damage(error.kind()) => problems.push(Problem {
                object: name.object(),
                what: error.to_string(),
            }),
            Err(error) => return Err(error),
        }
    }
    Ok((IndexSegment::join(segments), problems))
}

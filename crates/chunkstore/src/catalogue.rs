//! What an open repository knows: sessions, snapshots, index, and what was found damaged.

use std::collections::{BTreeMap, HashSet};
use std::sync::RwLock;

use futures::StreamExt;
use ulid::Ulid;

use crate::admin;
use crate::check::Problem;
use crate::error::Result;
use crate::layout::{self, PackName, SESSIONS, SessionId, SessionObject};
use crate::pack_index::{IndexSegment, PackIndex};
use crate::repository::{SessionInfo, SnapshotId, SnapshotInfo};
use crate::seal::ObjectKind;
use crate::session_record::{CommitRecord, EndRecord};
use crate::store::Store;

/// Sessions read at the same time.
const PARALLEL_SESSIONS: usize = 8;
/// Pack headers read at the same time when an index is rebuilt.
const PARALLEL_HEADERS: usize = 8;

/// The state in memory.
#[derive(Debug, Default)]
pub(crate) struct Catalogue {
    /// Ended sessions: committed ones with what they committed, the others as `None`.
    sessions: BTreeMap<SessionId, Option<Commit>>,
    forgotten: BTreeMap<String, Vec<SnapshotId>>,
    pub(crate) index: PackIndex,
    problems: BTreeMap<String, String>,
}

/// What stays in memory of a commit.
#[derive(Debug)]
pub(crate) struct Commit {
    pub(crate) info: SessionInfo,
    pub(crate) snapshots: Vec<SnapshotInfo>,
    pub(crate) packs: Vec<(PackName, u64)>,
    pub(crate) index: Vec<[u8; 16]>,
}

impl Catalogue {
    /// Adds a commit and what its index describes.
    pub(crate) fn add(
        &mut self,
        session: SessionId,
        record: CommitRecord,
        segments: Vec<IndexSegment>,
    ) {
        for segment in segments {
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
        self.index = PackIndex::default();
        for segment in segments {
            self.index.add(segment);
        }
    }

    pub(crate) fn commits(&self) -> impl Iterator<Item = &Commit> {
        self.sessions.values().flatten()
    }

    pub(crate) fn sessions(&self) -> Vec<SessionInfo> {
        self.commits().map(|commit| commit.info.clone()).collect()
    }

    pub(crate) fn snapshots(&self) -> Vec<SnapshotInfo> {
        let forgotten: HashSet<_> = self.forgotten.values().flatten().collect();
        let mut snapshots: Vec<_> = self
            .commits()
            .flat_map(|commit| &commit.snapshots)
            .filter(|snapshot| !forgotten.contains(&snapshot.id))
            .cloned()
            .collect();
        snapshots.sort_by_key(|snapshot| (snapshot.time_unix_ms, snapshot.id));
        snapshots
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
pub(crate) async fn refresh(store: &Store, catalogue: &RwLock<Catalogue>) -> Result<()> {
    let listed = store.objects.list(SESSIONS).await?;
    let new: Vec<SessionId> = {
        let known = catalogue.read().unwrap_or_else(|e| e.into_inner());
        let ended = listed.iter().filter_map(|meta| {
            match SessionObject::parse(meta.location.filename()?) {
                Some(SessionObject::End(id)) => Some(id),
                _ => None,
            }
        });
        ended
            .filter(|id| !known.sessions.contains_key(id))
            .collect()
    };
    let mut loads = futures::stream::iter(new)
        .map(|session| async move { (session, load_session(store, session).await) })
        .buffer_unordered(PARALLEL_SESSIONS);
    while let Some((session, loaded)) = loads.next().await {
        let mut catalogue = catalogue.write().unwrap_or_else(|e| e.into_inner());
        match loaded {
            Ok(Loaded {
                record: Some(record),
                segments,
                problems,
            }) => {
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
    refresh_forgotten(store, catalogue).await
}

async fn refresh_forgotten(store: &Store, catalogue: &RwLock<Catalogue>) -> Result<()> {
    let mut forgotten = {
        let known = catalogue.read().unwrap_or_else(|e| e.into_inner());
        known.forgotten.clone()
    };
    let unreadable = admin::read_forgotten(store, &mut forgotten).await?;
    let mut catalogue = catalogue.write().unwrap_or_else(|e| e.into_inner());
    catalogue.forgotten.append(&mut forgotten);
    catalogue.add_problems(unreadable);
    Ok(())
}

#[derive(Default)]
struct Loaded {
    record: Option<CommitRecord>,
    segments: Vec<IndexSegment>,
    problems: Vec<Problem>,
}

async fn load_session(store: &Store, session: SessionId) -> Result<Loaded> {
    let name = session.end_name();
    let record = store.read_sealed(&name, ObjectKind::SessionEnd).await?;
    let EndRecord::Committed(record) = EndRecord::decode(&name, &record, session)? else {
        return Ok(Loaded::default());
    };
    let (segments, problems) = load_index(store, &record.index, &record.packs).await?;
    Ok(Loaded {
        record: Some(record),
        segments,
        problems,
    })
}

/// Reads the index segments of a commit; what they lack is rebuilt from pack headers.
async fn load_index(
    store: &Store,
    index: &[[u8; 16]],
    packs: &[(PackName, u64)],
) -> Result<(Vec<IndexSegment>, Vec<Problem>)> {
    let mut segments = Vec::new();
    let mut problems = Vec::new();
    let mut described = HashSet::new();
    for id in index {
        let name = layout::index_name(Ulid::from_bytes(*id));
        match read_segment(store, &name).await {
            Ok(segment) => {
                described.extend(segment.packs.iter().map(|pack| pack.name));
                segments.push(segment);
            }
            Err(error) if admin::is_damage(error.kind()) => problems.push(Problem {
                object: name,
                what: format!("{error}; the index was rebuilt from pack headers"),
            }),
            Err(error) => return Err(error),
        }
    }
    let missing = packs.iter().filter(|(name, _)| !described.contains(name));
    let (rebuilt, mut unreadable) = read_headers(store, missing.copied().collect()).await?;
    segments.extend(rebuilt);
    problems.append(&mut unreadable);
    Ok((segments, problems))
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

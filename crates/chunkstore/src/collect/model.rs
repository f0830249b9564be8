//! The real code under every interleaving, up to a bound.
//!
//! Writers and custodians run on one store, and a scheduler decides at each of their creates,
//! deletes and listings who goes on. Schedules are searched depth first up to a number of
//! *switches* away from an actor that could go on; states that were seen are not searched again,
//! and schedules drawn at random come on top. After each run the repository is opened and
//! everything that a snapshot refers to is read.
//!
//! `POSTKEEP_MODEL_RUNS` (default 1,500) bounds the runs of each search; more is better.

mod gate;
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use object_store::ObjectStore;
use object_store::memory::InMemory;

use self::gate::{Floor, Gate, Lie};
use super::epoch::Custodian;
use super::{CollectHost, CollectOptions, CollectStage, OnOpen, OpenSession};
use crate::chunks::{ChunkKind, ChunkSink, ChunkSource};
use crate::config::CreateOptions;
use crate::content::{ChunkRefs, Content, Payload, Skeleton};
use crate::env::Environment;
use crate::error::{ErrorKind, Result};
use crate::keyring::{Argon2Params, Passphrase};
use crate::repository::{Repository, SnapshotId};
use crate::session::{NewSnapshot, SessionOptions};
use crate::tree::{Change, TreeRoot};
use crate::tree_writer::write_tree;
use crate::unlock::{NewKey, Unlock};
use crate::writer_key::WriterKey;

/// A step of the protocol that a broken custodian leaves out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum LeftOut {
    #[default]
    Nothing,
    /// It does not wait for open sessions.
    Wait,
    /// It does not mark again.
    SecondMark,
    /// At the second mark it takes as forgotten what was forgotten since the first.
    ForgottenSince,
}

/// What a run is made of.
#[derive(Clone, Debug)]
struct Scenario {
    writers: usize,
    custodians: usize,
    left_out: LeftOut,
    writers_lie: Lie,
    custodians_lie: Lie,
    /// Broken: `.end` objects of sessions that were ended are deleted.
    tombstones_deleted: bool,
    /// Writers build on the newest snapshot instead of naming its chunk.
    build_on_parent: bool,
    /// The first writer forgets what it has just committed.
    first_forgets: bool,
    /// Everybody but who looks at the end has a writer's key.
    sealed: bool,
}

const SOUND: Scenario = Scenario {
    writers: 2,
    custodians: 2,
    left_out: LeftOut::Nothing,
    writers_lie: Lie::None,
    custodians_lie: Lie::None,
    tombstones_deleted: false,
    build_on_parent: false,
    first_forgets: false,
    sealed: false,
};

fn environment(seed: u64) -> Environment {
    let drawn = AtomicU64::new(0);
    Environment::new(
        move || 1_790_000_000_000,
        move |buffer| {
            let nth = drawn.fetch_add(1, Ordering::Relaxed);
            let mut hasher = blake3::Hasher::new();
            hasher
                .update(&seed.to_le_bytes())
                .update(&nth.to_le_bytes());
            hasher.finalize_xof().fill(buffer);
        },
    )
}

async fn open(store: Arc<dyn ObjectStore>, seed: u64) -> Result<Repository> {
    Repository::open(store, &Passphrase::new("p"), environment(seed)).await
}

async fn open_writer(
    store: Arc<dyn ObjectStore>,
    key: &WriterKey,
    seed: u64,
) -> Result<Repository> {
    Repository::open(store, Unlock::Writer(key.clone()), environment(seed)).await
}

/// The chunk that the first snapshot refers to, and that writers want too.
const SHARED: &[u8] = b"what everybody refers to";

/// Writes a snapshot that refers to chunks.
async fn snapshot(
    repository: &Repository,
    texts: &[&[u8]],
    build_on_parent: bool,
) -> Result<SnapshotId> {
    let options = SessionOptions {
        zstd_level: 1,
        ..SessionOptions::default()
    };
    let session = repository.session(options).await?;
    let parent = repository.snapshots().pop().filter(|_| build_on_parent);
    let mut changes = Vec::new();
    for text in texts {
        if parent.is_some() && *text == SHARED {
            continue;
        }
        let id = session
            .put_chunk(ChunkKind::Data, Bytes::copy_from_slice(text))
            .await?;
        let content = Content {
            format: 0,
            len: text.len() as u64,
            hash: [0; 16],
            skeleton: Skeleton::Chunks(Payload {
                len: text.len() as u64,
                chunks: ChunkRefs::Inline(vec![id]),
            }),
            payloads: Vec::new(),
        };
        changes.push(Ok(Change::put(text.to_vec(), Vec::new(), vec![content])));
    }
    changes.sort_by(|a: &Result<Change>, b| a.as_ref().unwrap().key.cmp(&b.as_ref().unwrap().key));
    let root: TreeRoot = write_tree::<crate::Error>(
        Arc::new(session.clone()),
        Arc::new(session.clone()),
        parent.as_ref().map(|parent| &parent.root),
        futures::stream::iter(changes).boxed(),
    )
    .await?;
    let id = session.add_snapshot(NewSnapshot {
        name: "box".to_owned(),
        // The newest is the one with the most before it.
        time_unix_ms: i64::try_from(repository.snapshots().len()).unwrap_or(0),
        partial: false,
        root,
        value: Vec::new(),
    })?;
    session.commit().await?;
    Ok(id)
}

/// Ends whatever is open: in a schedule where it waits longer, the session ends by itself first.
struct Impatient;

#[async_trait]
impl CollectHost for Impatient {
    fn progress(&self, _stage: CollectStage, _done: u64, _total: u64) {}

    async fn open_sessions(&self, open: &[OpenSession]) -> OnOpen {
        OnOpen::End(open.iter().map(|session| session.id).collect())
    }
}

/// What an actor did.
enum Done {
    Committed(SnapshotId),
    Refused,
    Collected,
}

async fn write(
    repository: Repository,
    own: &'static [u8],
    (parent, forgets): (bool, bool),
) -> Done {
    match snapshot(&repository, &[SHARED, own], parent).await {
        Ok(id) if forgets => {
            repository.forget(&[id]).await.unwrap();
            Done::Collected
        }
        Ok(id) => Done::Committed(id),
        Err(error) => {
            assert!(
                matches!(
                    error.kind(),
                    ErrorKind::Conflict | ErrorKind::Corrupt | ErrorKind::NotFound
                ),
                "{error:?}"
            );
            Done::Refused
        }
    }
}

async fn collect(repository: Repository, forget: Option<SnapshotId>, scenario: Scenario) -> Done {
    if let Some(id) = forget {
        repository.forget(&[id]).await.unwrap();
    }
    let options = CollectOptions::default();
    let mut custodian = Custodian::new(&repository, &options, &Impatient);
    custodian.left_out = scenario.left_out;
    let _ = custodian.run().await;
    if scenario.tombstones_deleted {
        repository.refresh().await.unwrap();
        let killed: Vec<_> = repository.catalogue().killed().collect();
        let base = repository.catalogue().base().cloned().unwrap_or_default();
        for id in killed.into_iter().chain(base.killed) {
            let _ = repository.store().objects.delete(&id.end_name()).await;
        }
    }
    Done::Collected
}

/// Who went on at each step, and who could have.
type Trace = Vec<(usize, Vec<usize>, u64)>;

/// Chooses who goes on: the planned actors first, then whoever the policy says.
enum Policy<'a> {
    /// After the plan, stay with the same actor as long as possible.
    Plan(&'a [usize]),
    Random(u64),
    /// One after the other: an actor, until it waits to make a call whose name holds the text, or
    /// to its end. The flag tells whether a call of the present part was made.
    Script(&'a [(usize, &'a str)], bool),
}

impl Policy<'_> {
    fn choose(&mut self, step: usize, last: Option<usize>, calls: &[(usize, String)]) -> usize {
        let waiting: Vec<usize> = calls.iter().map(|(actor, _)| *actor).collect();
        match self {
            Self::Script(script, begun) => {
                while let [(actor, until), rest @ ..] = script {
                    let call = calls.iter().find(|(who, _)| who == actor);
                    let goes_on = call.is_some_and(|(_, call)| {
                        !*begun || until.is_empty() || !call.contains(until)
                    });
                    if goes_on {
                        *begun = true;
                        return *actor;
                    }
                    (*script, *begun) = (rest, false);
                }
                waiting[0]
            }
            Self::Plan(plan) => match plan.get(step) {
                Some(actor) if waiting.contains(actor) => *actor,
                _ => last
                    .filter(|last| waiting.contains(last))
                    .unwrap_or(waiting[0]),
            },
            Self::Random(state) => {
                *state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                let draw = (*state >> 33) as usize;
                // Mostly on with the same, as busy machines do.
                match last.filter(|last| waiting.contains(last)) {
                    Some(last) if !draw.is_multiple_of(4) => last,
                    _ => waiting[(draw / 4) % waiting.len()],
                }
            }
        }
    }
}

struct World {
    prepared: Arc<InMemory>,
    first: SnapshotId,
    scenario: Scenario,
    writer: WriterKey,
}

impl World {
    async fn new(scenario: Scenario) -> Self {
        let prepared = Arc::new(InMemory::new());
        let argon2 = Argon2Params {
            memory_kib: 8,
            passes: 1,
            lanes: 1,
        };
        let options = CreateOptions {
            argon2,
            ..CreateOptions::default()
        };
        let store: Arc<dyn ObjectStore> = prepared.clone();
        let repository = Repository::create(store, &Passphrase::new("p"), &options, environment(1))
            .await
            .unwrap();
        let writer = WriterKey::generate(&environment(2));
        let repository = match scenario.sealed {
            true => {
                let new = NewKey::Writer(writer.public_key());
                repository.add_key(&new, "").await.unwrap();
                open_writer(prepared.clone(), &writer, 3).await.unwrap()
            }
            false => repository,
        };
        let first = snapshot(&repository, &[SHARED], false).await.unwrap();
        Self {
            prepared,
            first,
            scenario,
            writer,
        }
    }

    async fn open(&self, store: Arc<dyn ObjectStore>, seed: u64) -> Repository {
        let opened = match self.scenario.sealed {
            true => open_writer(store, &self.writer, seed).await,
            false => open(store, seed).await,
        };
        opened.unwrap()
    }

    /// One run; the schedule, or what was lost.
    async fn run(&self, mut policy: Policy<'_>) -> Result<Trace, (String, Vec<String>)> {
        const OWN: [&[u8]; 2] = [b"own 0", b"own 1"];
        let store = Arc::new(self.prepared.fork());
        let floor: Arc<Mutex<Floor>> = Arc::default();
        let mut tasks = Vec::new();
        let Scenario {
            writers,
            custodians,
            ..
        } = self.scenario;
        for actor in 0..writers + custodians {
            let lie = match actor < writers {
                true => self.scenario.writers_lie,
                false => self.scenario.custodians_lie,
            };
            let gate = Gate::new(store.clone(), floor.clone(), (actor, lie));
            let repository = self.open(Arc::new(gate), 100 + actor as u64).await;
            tasks.push((actor, repository));
        }
        floor.lock().unwrap().is_open = true;
        let (first, scenario) = (self.first, self.scenario.clone());
        let tasks: Vec<_> = tasks
            .into_iter()
            .map(|(actor, repository)| match actor < writers {
                true => {
                    let forgets = scenario.first_forgets && actor == 0;
                    let how = (scenario.build_on_parent, forgets);
                    tokio::spawn(write(repository, OWN[actor], how))
                }
                false => {
                    let forget = (actor == writers).then_some(first);
                    tokio::spawn(collect(repository, forget, scenario.clone()))
                }
            })
            .collect();
        let mut trace = Trace::new();
        let mut log = Vec::new();
        let mut last = None;
        loop {
            stand_still(&floor).await;
            let (waiting, signature) = {
                let floor = floor.lock().unwrap();
                (floor.waiting(), floor.signature())
            };
            if waiting.is_empty() {
                break;
            }
            let actors: Vec<usize> = waiting.iter().map(|(actor, _)| *actor).collect();
            let next = policy.choose(trace.len(), last, &waiting);
            let call = waiting.iter().find(|(actor, _)| *actor == next);
            log.push(format!("{next}: {}", call.map_or("", |(_, call)| call)));
            trace.push((next, actors, signature));
            last = Some(next);
            floor.lock().unwrap().grant(next);
        }
        let mut committed = Vec::new();
        for task in tasks {
            if let Done::Committed(id) = task.await.unwrap() {
                committed.push(id);
            }
        }
        match lost(store, &committed).await {
            None => Ok(trace),
            Some(what) => Err((what, log)),
        }
    }
}

/// Waits until every actor waits for its turn or has ended.
async fn stand_still(floor: &Mutex<Floor>) {
    loop {
        let before = floor.lock().unwrap().events;
        for _ in 0..40 {
            tokio::task::yield_now().await;
        }
        if floor.lock().unwrap().events == before {
            return;
        }
    }
}

/// Whether a snapshot lost something, or a writer was told of a commit that is not there.
async fn lost(store: Arc<InMemory>, committed: &[SnapshotId]) -> Option<String> {
    let repository = match open(store, 999).await {
        Ok(repository) => repository,
        Err(error) => return Some(format!("it does not open: {error:?}")),
    };
    let snapshots = repository.snapshots();
    for id in committed {
        if !snapshots.iter().any(|snapshot| snapshot.id == *id) {
            return Some(format!("commit of {id} was reported and is not there"));
        }
    }
    for snapshot in snapshots {
        let reader = crate::TreeReader::new(Arc::new(repository.clone()), snapshot.root.clone());
        let entries: Vec<_> = reader.all().collect().await;
        for entry in entries {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => return Some(format!("{}: {error:?}", snapshot.id)),
            };
            for id in entry.contents.iter().flat_map(Content::chunk_ids) {
                if let Err(error) = repository.get_chunk(&id).await {
                    return Some(format!("{}: {error:?}", snapshot.id));
                }
            }
        }
    }
    None
}

/// What a search did.
struct Searched {
    runs: usize,
    /// Whether no schedule within the bound was left out.
    exhausted: bool,
    violation: Option<(String, Vec<String>)>,
}

fn runs_allowed() -> usize {
    std::env::var("POSTKEEP_MODEL_RUNS")
        .ok()
        .and_then(|runs| runs.parse().ok())
        .unwrap_or(1500)
}

/// Runs all schedules with at most so many switches, then some at random.
fn search(scenario: Scenario, switches: usize, random: usize) -> Searched {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let world = World::new(scenario).await;
        let mut searched = Searched {
            runs: 0,
            exhausted: true,
            violation: None,
        };
        // Plans with what they may still switch; the fewest switches first.
        let mut plans: BTreeMap<usize, Vec<Vec<usize>>> = BTreeMap::from([(0, vec![Vec::new()])]);
        let mut seen: HashMap<(u64, usize), usize> = HashMap::new();
        while let Some((used, plan)) = next_plan(&mut plans) {
            if searched.runs >= runs_allowed() {
                searched.exhausted = false;
                break;
            }
            searched.runs += 1;
            let trace = match world.run(Policy::Plan(&plan)).await {
                Ok(trace) => trace,
                Err(violation) => {
                    searched.violation = Some(violation);
                    return searched;
                }
            };
            let mut last = None;
            for (step, (actor, waiting, signature)) in trace.iter().enumerate() {
                let free = last.is_none_or(|last| !waiting.contains(&last));
                if step >= plan.len() {
                    for other in waiting.iter().filter(|other| *other != actor) {
                        let cost = used + usize::from(!free);
                        let best = seen.entry((*signature, *other)).or_insert(usize::MAX);
                        if cost <= switches && cost < *best {
                            *best = cost;
                            let mut plan: Vec<usize> =
                                trace.iter().take(step).map(|t| t.0).collect();
                            plan.push(*other);
                            plans.entry(cost).or_default().push(plan);
                        }
                    }
                }
                last = Some(*actor);
            }
        }
        for seed in 0..random {
            searched.runs += 1;
            if let Err(violation) = world.run(Policy::Random(seed as u64 * 77 + 5)).await {
                searched.violation = Some(violation);
                break;
            }
        }
        searched
    })
}

fn next_plan(plans: &mut BTreeMap<usize, Vec<Vec<usize>>>) -> Option<(usize, Vec<usize>)> {
    loop {
        let mut first = plans.first_entry()?;
        let used = *first.key();
        match first.get_mut().pop() {
            Some(plan) => return Some((used, plan)),
            None => drop(first.remove()),
        }
    }
}

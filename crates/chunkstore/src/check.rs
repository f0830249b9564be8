//! Examination of everything stored.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use futures::StreamExt;

use crate::catalogue::Catalogue;
use crate::chunk_id::ChunkId;
use crate::collect::list_packs;
use crate::config::{Config, MAX_CONFIG_BYTES};
use crate::error::{Error, Result};
use crate::layout::{self, DICTS, KEYS, PackName, REPOSITORY, SESSIONS, SessionObject};
use crate::repository::Repository;
use crate::seal::ObjectKind;
use crate::session_record::{EndRecord, OpenRecord};
use crate::{admin, catalogue, checkpoint, dictionary, keys, notes, sealed};

mod pack_check;
mod part;

use pack_check::PackVerdict;
pub use part::CheckPart;

/// Small objects read at the same time.
const PARALLEL_OBJECTS: usize = 8;
/// Packs read and decoded at the same time: two cores, and each is held in memory.
const PARALLEL_PACKS: usize = 2;

/// How thorough a check is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CheckOptions {
    /// Reads and decodes every pack. Off by default: only the catalogue, and packs by listing.
    pub read_data: bool,
    /// Of all packs, reads only those of this part. Default all; means nothing without `read_data`.
    pub part: Option<CheckPart>,
}

impl CheckOptions {
    /// Whether a pack is read.
    fn reads(&self, pack: &PackName) -> bool {
        self.read_data && self.part.is_none_or(|part| part.holds(pack))
    }
}

/// How far a check is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CheckProgress {
    /// Objects examined.
    pub objects: u64,
    /// Objects to examine.
    pub objects_total: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Bytes to read.
    pub bytes_total: u64,
}

/// One damaged or missing object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The object's name in the destination.
    pub object: String,
    /// What is wrong with it, in one line.
    pub what: String,
}

/// Chunks that committed sessions stored and that cannot be read from any pack.
///
/// The index knows chunks by the first half of their id, which is all that is left of a chunk
/// whose pack is gone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LostChunks(HashSet<[u8; 16]>);

impl LostChunks {
    /// Whether a chunk is lost.
    pub fn contains(&self, id: &ChunkId) -> bool {
        self.0.contains(&id.short())
    }

    /// How many are lost.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether none is lost.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Packs that are damaged or missing, for [`Repository::start_repair`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DamagedPacks(pub(crate) Vec<PackName>);

impl DamagedPacks {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The result of a check.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckReport {
    /// Everything found wrong, by object name.
    pub problems: Vec<Problem>,
    /// Chunks that cannot be read any more: what refers to them is damaged.
    pub lost_chunks: LostChunks,
    /// Packs with something wrong, those among them that a repair gave up: these are no problems
    /// any more.
    pub damaged_packs: DamagedPacks,
    /// Chunks that were not opened since the repository was opened with a writer's key: only the
    /// hashes of their packs were compared.
    pub closed_chunks: u64,
    /// Objects examined.
    pub objects: u64,
    /// Bytes read from the destination.
    pub bytes: u64,
}

impl CheckReport {
    /// Whether nothing was found.
    pub fn is_clean(&self) -> bool {
        self.problems.is_empty() && self.lost_chunks.is_empty()
    }
}

/// Runs a check of a repository whose catalogue is fresh.
pub(crate) async fn run(
    repository: &Repository,
    options: &CheckOptions,
    on_progress: &(dyn Fn(CheckProgress) + Send + Sync),
) -> Result<CheckReport> {
    let mut findings = Findings::new(repository, on_progress);
    for problem in repository.problems() {
        findings.problem(&problem.object, problem.what);
    }
    let small = small_objects(repository).await?;
    let packs = committed_packs(repository);
    let listed = list_packs(&repository.store().objects).await?;
    findings.expect(&small, &packs, options);
    // Owned values: a stream over borrowed ones makes a future that is not known to be `Send`.
    let mut reads = futures::stream::iter(small)
        .map(|(name, size)| async move {
            let outcome = examine(repository, &name).await;
            (name, size, outcome)
        })
        .buffer_unordered(PARALLEL_OBJECTS);
    while let Some((name, size, outcome)) = reads.next().await {
        if let Err(error) = outcome {
            findings.problem(&name, describe(&error));
        }
        findings.examined(size);
    }
    drop(reads);
    let given_up = Arc::clone(&findings.given_up);
    let mut verdicts = futures::stream::iter(packs)
        .map(|(name, len)| {
            let listed = listed.get(&name).copied();
            // A pack that was given up and came back is to be known for what it is.
            let reads = options.reads(&name) || given_up.contains(&name);
            pack_check::judge(repository, name, (len, listed), reads)
        })
        .buffer_unordered(PARALLEL_PACKS);
    while let Some(verdict) = verdicts.next().await {
        findings.judged(verdict);
    }
    drop(verdicts);
    Ok(findings.finish(repository))
}

/// One line with all causes.
fn describe(error: &Error) -> String {
    let mut text = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

/// What a check collects.
struct Findings<'a> {
    problems: BTreeMap<String, String>,
    /// Chunks that a pack should give and does not.
    bad: HashMap<[u8; 16], HashSet<PackName>>,
    damaged_packs: Vec<PackName>,
    closed_chunks: u64,
    given_up: Arc<HashSet<PackName>>,
    progress: CheckProgress,
    on_progress: &'a (dyn Fn(CheckProgress) + Send + Sync),
}

impl<'a> Findings<'a> {
    fn new(
        repository: &Repository,
        on_progress: &'a (dyn Fn(CheckProgress) + Send + Sync),
    ) -> Self {
        Self {
            problems: BTreeMap::new(),
            bad: HashMap::new(),
            damaged_packs: Vec::new(),
            closed_chunks: 0,
            given_up: Arc::clone(repository.catalogue().index.given_up()),
            progress: CheckProgress::default(),
            on_progress,
        }
    }

    fn problem(&mut self, object: &str, what: String) {
        self.problems.entry(object.to_owned()).or_insert(what);
    }

    fn expect(
        &mut self,
        small: &[(String, u64)],
        packs: &[(PackName, u64)],
        options: &CheckOptions,
    ) {
        self.progress.objects_total = (small.len() + packs.len()) as u64;
        self.progress.bytes_total = small.iter().map(|(_, size)| size).sum();
        let read = |name: &PackName| options.reads(name) || self.given_up.contains(name);
        let read = packs.iter().filter(|(name, _)| read(name));
        self.progress.bytes_total += read.map(|(_, len)| len).sum::<u64>();
        (self.on_progress)(self.progress);
    }

    fn examined(&mut self, bytes: u64) {
        self.progress.objects += 1;
        self.progress.bytes += bytes;
        (self.on_progress)(self.progress);
    }

    fn judged(&mut self, verdict: PackVerdict) {
        if !verdict.problems.is_empty() {
            self.damaged_packs.push(verdict.name);
        }
        // What is given up is known, and counts nowhere.
        if self.given_up.contains(&verdict.name) {
            return self.examined(verdict.bytes_read);
        }
        for what in verdict.problems {
            self.problem(&verdict.name.object(), what);
        }
        self.closed_chunks += verdict.closed_chunks;
        for id in verdict.bad_chunks {
            self.bad.entry(id).or_default().insert(verdict.name);
        }
        self.examined(verdict.bytes_read);
    }

    fn finish(self, repository: &Repository) -> CheckReport {
        let catalogue = repository.catalogue();
        let lost = self.bad.into_iter().filter(|(id, packs)| {
            let mut places = catalogue.index.places(*id);
            !places.any(|pack| !packs.contains(&pack.name))
        });
        CheckReport {
            damaged_packs: DamagedPacks(self.damaged_packs),
            closed_chunks: self.closed_chunks,
            lost_chunks: LostChunks(lost.map(|(id, _)| id).collect()),
            problems: self
                .problems
                .into_iter()
                .map(|(object, what)| Problem { object, what })
                .collect(),
            objects: self.progress.objects,
            bytes: self.progress.bytes,
        }
    }
}

/// Every object that is not a pack, with its size. What is missing has size 0.
async fn small_objects(repository: &Repository) -> Result<Vec<(String, u64)>> {
    let objects = &repository.store().objects;
    let mut found = BTreeMap::from([(REPOSITORY.to_owned(), 0)]);
    for folder in [
        KEYS,
        DICTS,
        SESSIONS,
        layout::SEALED,
        layout::FORGET,
        layout::GC,
        layout::CHECKPOINT,
        layout::NOTES,
    ] {
        for meta in objects.list(folder).await? {
            found.insert(meta.location.to_string(), meta.size);
        }
    }
    let index: BTreeMap<String, u64> = objects
        .list(layout::INDEX)
        .await?
        .into_iter()
        .map(|meta| (meta.location.to_string(), meta.size))
        .collect();
    let catalogue = repository.catalogue();
    // Those of older sessions may go: a checkpoint stands for them.
    for commit in catalogue.commits() {
        found.entry(commit.info.id.open_name()).or_insert(0);
    }
    for name in needed_keys(&catalogue) {
        found.entry(name).or_insert(0);
    }
    for id in catalogue.index_objects() {
        let name = layout::index_name(ulid::Ulid::from_bytes(id));
        let size = index.get(&name).copied().unwrap_or(0);
        found.insert(name, size);
    }
    Ok(found.into_iter().collect())
}

/// The keys of the sealed sessions that packs name.
fn needed_keys(catalogue: &Catalogue) -> impl Iterator<Item = String> {
    let committed = catalogue.packs();
    let counting = catalogue.index.packs().iter();
    let counting = counting.filter(|pack| committed.contains_key(&pack.name));
    let epochs: BTreeSet<u32> = counting.map(|pack| pack.epoch).collect();
    let epochs = epochs.into_iter().filter(|epoch| sealed::is_sealed(*epoch));
    epochs.flat_map(sealed::names)
}

fn committed_packs(repository: &Repository) -> Vec<(PackName, u64)> {
    repository.catalogue().packs().into_iter().collect()
}

/// Reads and decodes one small object.
async fn examine(repository: &Repository, name: &str) -> Result<()> {
    let store = repository.store();
    let (folder, file) = name.rsplit_once('/').unwrap_or(("", name));
    match folder {
        KEYS => keys::inspect(store, name).await?,
        DICTS => match layout::parse_dictionary(file) {
            Some(id) => dictionary::inspect(store, name, id).await?,
            None => return Err(unknown(name)),
        },
        layout::INDEX => {
            catalogue::read_segment(store, name).await?;
        }
        layout::SEALED => match layout::parse_session_key(file) {
            Some(_) => {
                sealed::read_copy(store, name).await?;
            }
            None => return Err(unknown(name)),
        },
        layout::FORGET | layout::GC => admin::inspect(store, name).await?,
        layout::CHECKPOINT => match layout::parse_checkpoint(file) {
            Some((epoch, copy)) => drop(checkpoint::read_copy(store, epoch, copy).await?),
            None => return Err(unknown(name)),
        },
        folder if notes::is_folder(folder) => notes::inspect(store, name).await?,
        // A later version may keep other things among the notes.
        _ if name.starts_with(layout::NOTES) => {}
        SESSIONS => match SessionObject::parse(file) {
            Some(SessionObject::Open(_)) => {
                let record = store.read_sealed(name, ObjectKind::SessionOpen).await?;
                OpenRecord::decode(name, &record)?;
            }
            Some(SessionObject::End(id)) => {
                let record = store.read_sealed(name, ObjectKind::SessionEnd).await?;
                EndRecord::decode(name, &record, id)?;
            }
            None => return Err(unknown(name)),
        },
        _ => {
            let bytes = store.objects.get(name, MAX_CONFIG_BYTES).await?;
            if &Config::decode(&bytes)? != repository.config() {
                return Err(Error::corrupt(
                    name,
                    "it was exchanged while the repository was open",
                ));
            }
        }
    }
    Ok(())
}

fn unknown(name: &str) -> Error {
    Error::corrupt(name, "it is not an object that this program knows")
}

//! Collection: what is needed stays, what is not goes, whatever happens in between.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use chunkstore::{
    Change, CheckOptions, ChunkSource, CollectHost, CollectOptions, CollectReport, CollectStage,
    Error, ErrorKind, Formats, ItemWriter, KeyRole, ObjectStore, OnOpen, Opaque, OpenSession,
    Repository, SegmentOptions, SegmentStore, Session, SessionOptions, SnapshotId, SnapshotInfo,
    TreeReader, WriterKey, content_chunks, read_content_to_vec, write_tree,
};
use futures::{StreamExt, TryStreamExt};
use object_store::memory::InMemory;
use proptest::prelude::*;
use testkit::{Fault, FaultyStore, Rule};

use crate::sealed::{open_writer, with_writer};

use crate::support::{names, noise, open, small_packs, snapshot};

/// What a snapshot holds: items by their key.
pub type Items = BTreeMap<Vec<u8>, Bytes>;

struct EndAll;

#[async_trait::async_trait]
impl CollectHost for EndAll {
    fn progress(&self, _stage: CollectStage, _done: u64, _total: u64) {}

    async fn open_sessions(&self, open: &[OpenSession]) -> OnOpen {
        OnOpen::End(open.iter().map(|session| session.id).collect())
    }
}

fn thorough() -> CollectOptions {
    CollectOptions {
        rewrite_below_percent: 100,
        session: small_packs(),
        ..CollectOptions::default()
    }
}

pub async fn collect(repository: &Repository) -> Result<CollectReport, Error> {
    repository.collect(&thorough(), &EndAll).await
}

/// Changes a mailbox (`None` removes) on top of its newest snapshot, and commits it.
pub async fn back_up(
    repository: &Repository,
    name: &str,
    changes: &BTreeMap<Vec<u8>, Option<Bytes>>,
) -> Result<SnapshotId, Error> {
    let session = repository.session(small_packs()).await?;
    write(&session, name, changes).await
}

async fn write(
    session: &Session,
    name: &str,
    changes: &BTreeMap<Vec<u8>, Option<Bytes>>,
) -> Result<SnapshotId, Error> {
    let repository = session.repository().clone();
    let mut parents = repository.snapshots().into_iter();
    let parent = parents.rfind(|snapshot| snapshot.name == name);
    let segments = SegmentStore::new(Arc::new(session.clone()), SegmentOptions::default());
    let mut pending = Vec::new();
    for (key, bytes) in changes {
        let content = match bytes {
            None => None,
            Some(bytes) => {
                let mut writer = ItemWriter::new(&segments, 0, Arc::new(Opaque));
                writer.push(bytes).await?;
                Some(writer.finish().await?)
            }
        };
        pending.push((key.clone(), content));
    }
    segments.flush_all().await?;
    let changes = pending.into_iter().map(|(key, content)| {
        Ok(match content {
            None => Change::remove(key),
            Some(content) => Change::put(key, Vec::new(), vec![content.try_content().unwrap()]),
        })
    });
    let root = write_tree::<Error>(
        Arc::new(session.clone()),
        Arc::new(session.clone()),
        parent.as_ref().map(|parent| &parent.root),
        futures::stream::iter(changes.collect::<Vec<_>>()).boxed(),
    )
    .await?;
    let id = session.add_snapshot(chunkstore::NewSnapshot {
        root,
        ..snapshot(name, b"")
    })?;
    session.commit().await?;
    Ok(id)
}

/// A snapshot holds these items, byte for byte, and no others.
pub async fn assert_holds(repository: &Repository, found: &SnapshotInfo, items: &Items) {
    let source: Arc<dyn ChunkSource> = Arc::new(repository.clone());
    let reader = TreeReader::new(source.clone(), found.root.clone());
    let entries: Vec<_> = reader.all().try_collect().await.unwrap();
    assert_eq!(entries.len(), items.len());
    for entry in entries {
        let content = &entry.contents[0];
        let read = read_content_to_vec(source.clone(), Formats::new(), content, 1 << 20);
        assert_eq!(read.await.unwrap(), items[&entry.key], "{}", found.name);
    }
}

/// A repository and what must be in it.
struct World {
    store: Arc<InMemory>,
    repository: Repository,
    expected: BTreeMap<SnapshotId, (String, Items)>,
    machines: u64,
    /// The key of machines that write and do not read.
    writer: WriterKey,
}

impl World {
    async fn new() -> Self {
        let store = Arc::new(InMemory::new());
        let destination: Arc<dyn ObjectStore> = store.clone();
        let (repository, writer) = with_writer(destination).await;
        Self {
            repository,
            store,
            expected: BTreeMap::new(),
            machines: 1,
            writer,
        }
    }

    async fn reopen(&mut self) {
        self.reopen_as(Opened::Reading).await;
    }

    async fn reopen_as(&mut self, opened: Opened) {
        self.repository = self.open(self.store.clone(), opened).await;
    }

    /// Opens the repository as another machine would.
    async fn open(&mut self, store: Arc<dyn ObjectStore>, opened: Opened) -> Repository {
        self.machines += 1;
        match opened {
            Opened::Reading => open(store, self.machines).await,
            Opened::Sealed => open_writer(store, &self.writer, self.machines).await,
        }
        .unwrap()
    }

    fn newest(&self, name: &str) -> Items {
        let snapshots = self.repository.snapshots();
        let newest = snapshots.iter().rfind(|snapshot| snapshot.name == name);
        let newest = newest.and_then(|newest| self.expected.get(&newest.id));
        newest.map(|(_, items)| items.clone()).unwrap_or_default()
    }

    fn after(&self, name: &str, changes: &BTreeMap<Vec<u8>, Option<Bytes>>) -> Items {
        let mut items = self.newest(name);
        for (key, bytes) in changes {
            match bytes {
                Some(bytes) => items.insert(key.clone(), bytes.clone()),
                None => items.remove(key),
            };
        }
        items
    }

    async fn back_up(&mut self, name: &str, changes: &BTreeMap<Vec<u8>, Option<Bytes>>) {
        let items = self.after(name, changes);
        let id = back_up(&self.repository, name, changes).await.unwrap();
        self.expected.insert(id, (name.to_owned(), items));
    }

    async fn forget(&mut self, nth: usize) {
        let snapshots = self.repository.snapshots();
        if let Some(gone) = snapshots.get(nth % snapshots.len().max(1)) {
            self.repository.forget(&[gone.id]).await.unwrap();
            self.expected.remove(&gone.id);
        }
    }

    /// Runs something on a destination that dies at a call, and opens what is left.
    async fn crash_in_backup(
        &mut self,
        (nth, opened): (u64, Opened),
        changes: &BTreeMap<Vec<u8>, Option<Bytes>>,
    ) {
        let items = self.after("box 0", changes);
        let faulty = FaultyStore::new(self.store.clone());
        let repository = self.open(Arc::new(faulty.clone()), opened).await;
        faulty.inject(Rule::any_call(Fault::CrashAfter).nth(nth));
        let _ = back_up(&repository, "box 0", changes).await;
        self.reopen().await;
        // Committed without the answer having been heard: it counts.
        for found in self.repository.snapshots() {
            self.expected
                .entry(found.id)
                .or_insert_with(|| ("box 0".to_owned(), items.clone()));
        }
    }

    async fn crash_in_collection(&mut self, nth: u64, opened: Opened) {
        let faulty = FaultyStore::new(self.store.clone());
        let repository = self.open(Arc::new(faulty.clone()), opened).await;
        faulty.inject(Rule::any_call(Fault::CrashAfter).nth(nth));
        let _ = collect(&repository).await;
        self.reopen().await;
    }

    /// Every snapshot holds what it must, byte for byte, and there are no others.
    async fn assert_kept(&self) {
        let repository = open(self.store.clone(), 777).await.unwrap();
        let there: BTreeSet<_> = repository.snapshots().iter().map(|s| s.id).collect();
        assert_eq!(there, self.expected.keys().copied().collect());
        for found in repository.snapshots() {
            let (name, items) = &self.expected[&found.id];
            assert_eq!(&found.name, name);
            assert_holds(&repository, &found, items).await;
        }
        let read_data = CheckOptions {
            read_data: true,
            part: None,
        };
        let report = repository.check(&read_data, &|_| {}).await.unwrap();
        assert!(report.is_clean(), "{report:?}");
    }

    /// After collections nothing is left that no snapshot needs.
    async fn assert_tidy(&mut self) {
        for _ in 0..3 {
            self.reopen().await;
            collect(&self.repository).await.unwrap();
        }
        let fresh = open(self.store.clone(), 778).await.unwrap();
        let plan = fresh.plan_collection(&thorough(), &EndAll).await.unwrap();
        assert!(plan.is_empty(), "{plan:?}");
        let source: Arc<dyn ChunkSource> = Arc::new(fresh.clone());
        let mut needed = HashSet::new();
        for found in fresh.snapshots() {
            let reader = TreeReader::new(source.clone(), found.root.clone());
            let nodes: Vec<_> = reader.node_ids().try_collect().await.unwrap();
            needed.extend(nodes);
            let entries: Vec<_> = reader.all().try_collect().await.unwrap();
            for content in entries.iter().flat_map(|entry| &entry.contents) {
                let chunks = content_chunks(source.clone(), content);
                needed.extend(chunks.try_collect::<Vec<_>>().await.unwrap());
            }
        }
        let stats = fresh.stats();
        assert_eq!(stats.chunks, needed.len() as u64);
        assert_eq!(
            names(&*self.store, "packs").await.len() as u64,
            stats.packs,
            "no pack is left that no session names"
        );
        for folder in ["admin/forget", "admin/gc"] {
            assert!(names(&*self.store, folder).await.is_empty(), "{folder}");
        }
        assert!(names(&*self.store, "admin/checkpoint").await.len() <= 2);
    }
}

/// Items of one mailbox: a key of a few, and bytes of a few, so that both meet again.
fn changes(seeds: &[(u8, u8)]) -> BTreeMap<Vec<u8>, Option<Bytes>> {
    let change = |(key, content): &(u8, u8)| {
        let len = 5_000 + usize::from(*content % 11) * 9_973;
        let bytes = (*content % 5 > 0).then(|| noise(u64::from(*content), len));
        (vec![1 + key % 12], bytes)
    };
    seeds.iter().map(change).collect()
}

#[derive(Clone, Debug)]
enum Step {
    Backup(u8, Vec<(u8, u8)>),
    CrashedBackup(u64, Opened, Vec<(u8, u8)>),
    Forget(usize),
    Collect,
    CrashedCollection(u64, Opened),
    Reopen(Opened),
}

/// With which kind of key.
#[derive(Clone, Copy, Debug)]
enum Opened {
    Reading,
    Sealed,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let seeds = || proptest::collection::vec(any::<(u8, u8)>(), 0..6);
    let opened = || prop_oneof![Just(Opened::Reading), Just(Opened::Sealed)];
    let step = prop_oneof![
        6 => (0..3u8, seeds()).prop_map(|(name, seeds)| Step::Backup(name, seeds)),
        2 => (1..25u64, opened(), seeds())
            .prop_map(|(nth, opened, seeds)| Step::CrashedBackup(nth, opened, seeds)),
        4 => (0..20usize).prop_map(Step::Forget),
        2 => Just(Step::Collect),
        3 => (1..70u64, opened()).prop_map(|(nth, opened)| Step::CrashedCollection(nth, opened)),
        3 => opened().prop_map(Step::Reopen),
    ];
    proptest::collection::vec(step, 1..24)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn what_snapshots_refer_to_is_kept_and_in_the_end_nothing_else(steps in steps()) {
        runtime().block_on(async {
            let mut world = World::new().await;
            for step in steps {
                match step {
                    Step::Backup(name, seeds) => {
                        world.back_up(&format!("box {name}"), &changes(&seeds)).await;
                    }
                    Step::CrashedBackup(nth, opened, seeds) => {
                        world.crash_in_backup((nth, opened), &changes(&seeds)).await;
                    }
                    Step::Forget(nth) => world.forget(nth).await,
                    Step::Collect => drop(collect(&world.repository).await.unwrap()),
                    Step::CrashedCollection(nth, opened) => {
                        world.crash_in_collection(nth, opened).await;
                    }
                    Step::Reopen(opened) => world.reopen_as(opened).await,
                }
            }
            world.assert_kept().await;
            world.assert_tidy().await;
            world.assert_kept().await;
        });
    }
}

/// Two mailboxes with three snapshots each, two of them forgotten, and a session that died.
async fn lived_in() -> World {
    let mut world = World::new().await;
    for round in 0..3u8 {
        for name in ["box 0", "box 1"] {
            let seeds: Vec<_> = (0..8).map(|n| (n, n * 7 + round * 50 + 1)).collect();
            world.back_up(name, &changes(&seeds)).await;
        }
    }
    world.forget(0).await;
    world.forget(2).await;
    let session = world.repository.session(small_packs()).await.unwrap();
    let put = chunkstore::ChunkSink::put_chunk(
        &session,
        chunkstore::ChunkKind::Data,
        noise(9_999, 90_000),
    );
    put.await.unwrap();
    session.flush().await.unwrap();
    world
}

#[tokio::test]
async fn a_collection_that_dies_after_any_call_loses_nothing_and_is_taken_up() {
    let world = lived_in().await;
    let mut calls = 0;
    for nth in 1.. {
        let mut copy = World {
            writer: world.writer.clone(),
            store: Arc::new(world.store.fork()),
            repository: world.repository.clone(),
            expected: world.expected.clone(),
            machines: 10,
        };
        let faulty = FaultyStore::new(copy.store.clone());
        let repository = open(Arc::new(faulty.clone()), 5).await.unwrap();
        faulty.inject(Rule::any_call(Fault::CrashAfter).nth(nth));
        let done = collect(&repository).await;
        if !faulty.has_crashed() {
            done.unwrap();
            break;
        }
        calls = nth;
        copy.assert_kept().await;
        copy.assert_tidy().await;
        copy.assert_kept().await;
    }
    assert!(calls > 50, "{calls}");
}

#[tokio::test]
async fn a_dry_run_says_what_goes_and_changes_nothing() {
    let world = lived_in().await;
    let before = names(&*world.store, "").await;
    let stored = world.repository.stats().stored_bytes;
    let plan = world
        .repository
        .plan_collection(&thorough(), &EndAll)
        .await
        .unwrap();
    assert_eq!(names(&*world.store, "").await, before);
    assert_eq!(plan.forgotten, 2);
    assert!(
        plan.stray_packs >= 1 && plan.stray_bytes > 90_000,
        "{plan:?}"
    );
    assert!(
        plan.freed_bytes() > 90_000 && plan.live_bytes < stored,
        "{plan:?}"
    );
    let report = collect(&world.repository).await.unwrap();
    assert_eq!(report.plan, plan);
    assert_eq!(
        report.deleted_packs,
        plan.dead_packs + plan.stray_packs + plan.rewrite_packs
    );
}

#[tokio::test]
async fn an_open_session_is_waited_for_and_what_it_refers_to_is_rescued() {
    let mut world = World::new().await;
    let one = changes(&[(1, 9), (2, 13)]);
    world.back_up("box 0", &one).await;
    // A second machine begins while the first snapshot counts, and commits after it is forgotten.
    let writer = open(world.store.clone(), 50).await.unwrap();
    let session = writer.session(small_packs()).await.unwrap();
    world.forget(0).await;
    let left = world
        .repository
        .collect(&thorough(), &chunkstore::LeaveOpen)
        .await
        .unwrap();
    assert!(!left.finished);
    assert_eq!(left.waiting_for.len(), 1);
    assert_eq!(left.waiting_for[0].id, session.id());
    assert_eq!(left.deleted_packs, 0);
    let id = write(&session, "box 0", &changes(&[(3, 17)]))
        .await
        .unwrap();
    let items: Items = [changes(&[(1, 9), (2, 13), (3, 17)])]
        .into_iter()
        .flatten()
        .filter_map(|(key, bytes)| Some((key, bytes?)))
        .collect();
    world.expected.insert(id, ("box 0".to_owned(), items));
    let done = collect(&world.repository).await.unwrap();
    assert!(done.finished && done.rescued_packs > 0, "{done:?}");
    world.assert_kept().await;
}

#[tokio::test]
async fn a_writer_whose_session_was_ended_is_told_and_nothing_of_it_stays() {
    let mut world = World::new().await;
    world.back_up("box 0", &changes(&[(1, 9)])).await;
    let writer = open(world.store.clone(), 50).await.unwrap();
    let session = writer.session(small_packs()).await.unwrap();
    chunkstore::ChunkSink::put_chunk(&session, chunkstore::ChunkKind::Data, noise(1, 70_000))
        .await
        .unwrap();
    session.flush().await.unwrap();
    let report = collect(&world.repository).await.unwrap();
    assert_eq!(report.ended, [session.id()]);
    assert!(report.deleted_packs > 0);
    let refused = write(&session, "box 1", &changes(&[(4, 8)])).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Conflict);
    world.assert_kept().await;
    world.assert_tidy().await;
}

#[tokio::test]
async fn after_a_collection_opening_reads_the_checkpoint_and_nothing_else() {
    let mut world = World::new().await;
    for round in 0..20u8 {
        world.back_up("box 0", &changes(&[(round, round)])).await;
    }
    let keys = world.repository.keys().await.unwrap().keys;
    let writer = keys.iter().find(|key| key.role() == KeyRole::Writer);
    let removed = world.repository.remove_key(writer.unwrap().id);
    removed.await.unwrap();
    collect(&world.repository).await.unwrap();
    let faulty = FaultyStore::new(world.store.clone());
    let repository = open(Arc::new(faulty.clone()), 70).await.unwrap();
    assert_eq!(repository.snapshots().len(), 20);
    let counts = faulty.counts();
    assert!(
        counts.gets <= 4,
        "{counts:?}: repository.json, a key, checkpoint, index"
    );
    // And a repository that was open all the time sees the same.
    world.repository.refresh().await.unwrap();
    assert_eq!(world.repository.snapshots(), repository.snapshots());
    world.assert_kept().await;
}

#[tokio::test]
async fn either_copy_of_a_checkpoint_is_enough() {
    let mut world = lived_in().await;
    collect(&world.repository).await.unwrap();
    world.reopen().await;
    for name in names(&*world.store, "admin/checkpoint").await {
        let copy = Arc::new(world.store.fork());
        let path = object_store::path::Path::from(name);
        testkit::flip_byte(&*copy, &path, 100).await;
        let repository = open(copy, 80).await.unwrap();
        assert_eq!(repository.snapshots().len(), world.expected.len());
    }
}

/// Futures of a repository can be spawned.
#[test]
fn checks_and_collections_are_send() {
    fn assert_send<T: Send>(_: T) {}
    fn of(repository: &'static Repository) {
        const CHECK: CheckOptions = CheckOptions {
            read_data: true,
            part: None,
        };
        static OPTIONS: std::sync::OnceLock<CollectOptions> = std::sync::OnceLock::new();
        assert_send(repository.check(&CHECK, &|_| {}));
        assert_send(repository.collect(OPTIONS.get_or_init(CollectOptions::default), &EndAll));
        assert_send(repository.session(SessionOptions::default()));
    }
    // That it compiles is the test; there is nothing to run.
    let _: fn(&'static Repository) = of;
}

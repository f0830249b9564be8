//! Sealed mode: writers that add and cannot read, readers that read all of it, custodians of either
//! kind.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use chunkstore::{
    CheckOptions, ChunkKind, ChunkSink, ChunkSource, CollectOptions, Error, ErrorKind, KeyFile,
    KeyMethod, KeyRole, KeyState, LeaveOpen, NewKey, ObjectStore, Repository, SessionOptions,
    WriterKey,
};
use object_store::ObjectStoreExt;
use object_store::memory::InMemory;
use object_store::path::Path;
use testkit::{Fault, FaultyStore, Rule};

use crate::collecting::{Items, assert_holds, back_up, collect};
use crate::support::{
    assert_readable, create, environment, fill, names, noise, open, passphrase, put_all,
    small_packs,
};

const READ_DATA: CheckOptions = CheckOptions {
    read_data: true,
    part: None,
};

/// A repository in which its reader stored something, and a key for a writer.
pub async fn with_writer(store: Arc<dyn ObjectStore>) -> (Repository, WriterKey) {
    let reader = create(store).await;
    let key = WriterKey::generate(&environment(50));
    let new = NewKey::Writer(key.public_key());
    reader.add_key(&new, "host a").await.unwrap();
    (reader, key)
}

pub async fn open_writer(
    store: Arc<dyn ObjectStore>,
    key: &WriterKey,
    seed: u64,
) -> Result<Repository, Error> {
    let unlock = chunkstore::Unlock::Writer(key.clone());
    Repository::open(store, unlock, environment(seed)).await
}

#[track_caller]
fn refused<T>(done: Result<T, Error>) -> String {
    match done {
        Ok(_) => panic!("a writer's key did what takes more"),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Sealed, "{error}");
            error.to_string()
        }
    }
}

fn items(seed: u64, count: u8) -> BTreeMap<Vec<u8>, Option<Bytes>> {
    (0..count)
        .map(|n| (vec![1 + n], Some(noise(seed << 8 | u64::from(n), 20_000))))
        .collect()
}

fn held(changes: &BTreeMap<Vec<u8>, Option<Bytes>>) -> Items {
    let bytes = |(key, bytes): (&Vec<u8>, &Option<Bytes>)| Some((key.clone(), bytes.clone()?));
    changes.iter().filter_map(bytes).collect()
}

#[tokio::test]
async fn writers_add_what_only_readers_read_and_store_nothing_twice() {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let (reader, key) = with_writer(store.clone()).await;
    let before = fill(&reader, 1, 20).await;
    let writer = open_writer(store.clone(), &key, 60).await.unwrap();
    assert_eq!(
        (reader.role(), writer.role()),
        (KeyRole::Full, KeyRole::Writer)
    );
    // The same chunks once more, and new ones.
    let session = writer.session(small_packs()).await.unwrap();
    let again = put_all(&session, 1, 20).await.unwrap();
    assert_eq!(session.stats().chunks_new, 0);
    assert!(
        names(&*store, "sealed").await.is_empty(),
        "nothing to seal yet"
    );
    let new = put_all(&session, 2, 20).await.unwrap();
    assert_readable(&session, &new).await;
    session.commit().await.unwrap();
    assert_eq!(session.stats().chunks_new, 20);
    assert_eq!(again, before);
    // Another writer's session deduplicates against the sealed one, too.
    let other = open_writer(store.clone(), &key, 61).await.unwrap();
    let session = other.session(small_packs()).await.unwrap();
    put_all(&session, 2, 20).await.unwrap();
    assert_eq!(session.commit().await.unwrap().stats.chunks_new, 0);
    for (n, (id, plain)) in before.iter().chain(&new).enumerate() {
        let read = other.get_chunk(id).await;
        // Every fourth is a meta chunk.
        match n % 20 % 4 == 3 {
            true => assert_eq!(&read.unwrap(), plain),
            false => drop(refused(read)),
        }
    }
    reader.refresh().await.unwrap();
    assert_readable(&reader, &new).await;
    let fresh = open(store.clone(), 62).await.unwrap();
    assert_readable(&fresh, &before).await;
    assert_readable(&fresh, &new).await;
    assert_eq!(
        names(&*store, "sealed").await.len(),
        2,
        "one key, two copies"
    );
}

#[tokio::test]
async fn a_check_by_a_writer_compares_hashes_and_calls_nothing_damaged_that_it_cannot_open() {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let (reader, key) = with_writer(store.clone()).await;
    fill(&reader, 1, 20).await;
    let writer = open_writer(store.clone(), &key, 60).await.unwrap();
    fill(&writer, 2, 20).await;
    let by_writer = writer.check(&READ_DATA, &|_| {}).await.unwrap();
    assert!(by_writer.is_clean(), "{by_writer:?}");
    assert_eq!(by_writer.closed_chunks, 30);
    reader.refresh().await.unwrap();
    let by_reader = reader.check(&READ_DATA, &|_| {}).await.unwrap();
    assert!(by_reader.is_clean(), "{by_reader:?}");
    assert_eq!(by_reader.closed_chunks, 0);
    // One byte of each data pack: the writer names the packs, the reader the chunks, too.
    for name in names(&*store, "packs").await {
        let path = Path::from(name);
        let mut bytes = store
            .get(&path)
            .await
            .unwrap()
            .bytes()
            .await
            .unwrap()
            .to_vec();
        if bytes[9] == 1 {
            bytes[100] ^= 1;
            store.put(&path, bytes.into()).await.unwrap();
        }
    }
    let by_writer = writer.check(&READ_DATA, &|_| {}).await.unwrap();
    let by_reader = reader.check(&READ_DATA, &|_| {}).await.unwrap();
    assert_eq!(by_writer.damaged_packs.len(), by_reader.damaged_packs.len());
    assert!(by_writer.damaged_packs.len() >= 2);
    assert!(by_writer.lost_chunks.is_empty());
    assert!(!by_reader.lost_chunks.is_empty());
    refused(writer.start_repair(&by_writer, small_packs()).await);
    let repair = reader
        .start_repair(&by_reader, small_packs())
        .await
        .unwrap();
    assert!(
        repair.salvage().await.unwrap() > 0,
        "whole chunks of sealed packs, too"
    );
    repair.finish().await.unwrap();
}

#[tokio::test]
async fn what_takes_a_key_that_reads_is_refused_in_words() {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let (reader, key) = with_writer(store.clone()).await;
    let writer = open_writer(store.clone(), &key, 60).await.unwrap();
    let new = NewKey::KeyFile(KeyFile::generate(&environment(1)));
    let said = refused(writer.add_key(&new, "").await);
    assert_eq!(
        said,
        "a writer's key does not change who opens the repository"
    );
    refused(writer.add_key(&NewKey::Writer(key.public_key()), "").await);
    refused(writer.remove_key(reader.opened_with()).await);
    refused(writer.rotate_keys(&[(new, String::new())]).await);
    let listed = writer.keys().await.unwrap().keys;
    assert_eq!(listed.len(), 2);
    let own = listed.iter().find(|one| one.id == writer.opened_with());
    let own = own.unwrap();
    assert_eq!(
        (&own.method, own.role()),
        (&KeyMethod::Writer, KeyRole::Writer)
    );
    assert_eq!(
        (own.label.as_str(), own.state),
        ("host a", KeyState::Usable)
    );
    // The last key that reads stays, whatever writers there are.
    let last = reader.remove_key(reader.opened_with()).await.unwrap_err();
    assert_eq!(last.kind(), ErrorKind::Conflict);
    let only_writers = [(NewKey::Writer(key.public_key()), String::new())];
    let kept = reader.rotate_keys(&only_writers).await.unwrap_err();
    assert_eq!(kept.kind(), ErrorKind::Invalid);
    // A writer that is removed is out.
    reader.remove_key(own.id).await.unwrap();
    let out = open_writer(store, &key, 61).await.unwrap_err();
    assert_eq!(out.kind(), ErrorKind::Auth);
}

#[tokio::test]
async fn writers_outlive_a_rotation_and_what_they_seal_then_is_sealed_with_new_keys() {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let (reader, key) = with_writer(store.clone()).await;
    let writer = open_writer(store.clone(), &key, 60).await.unwrap();
    let cache = writer.derive_key("cache");
    let before = fill(&writer, 1, 12).await;
    // One that is under way when the keys are rotated still commits.
    let under_way = writer.session(small_packs()).await.unwrap();
    let meanwhile = put_all(&under_way, 2, 12).await.unwrap();
    let dropped = reader.rotation_drops(&[]).await.unwrap();
    assert!(dropped.iter().all(|one| one.role() == KeyRole::Full));
    let keep = [(NewKey::from(passphrase()), String::new())];
    let rotated = reader.rotate_keys(&keep).await.unwrap();
    assert_eq!((rotated.epoch, rotated.keys.len()), (2, 2));
    under_way.commit().await.unwrap();
    let writer = open_writer(store.clone(), &key, 61).await.unwrap();
    assert_eq!(
        writer.derive_key("cache"),
        cache,
        "its local files stay its own"
    );
    let after = fill(&writer, 3, 12).await;
    let fresh = open(store.clone(), 62).await.unwrap();
    for chunks in [&before, &meanwhile, &after] {
        assert_readable(&fresh, chunks).await;
        refused(writer.get_chunk(&chunks[0].0).await);
    }
    let report = fresh.check(&READ_DATA, &|_| {}).await.unwrap();
    assert!(report.is_clean(), "{report:?}");
    // The reader of before knows nothing of the new epoch.
    assert_eq!(reader.refresh().await.unwrap_err().kind(), ErrorKind::Auth);
}

/// Many small packs become a few large ones, and none may have waste.
fn thorough() -> CollectOptions {
    CollectOptions {
        rewrite_below_percent: 100,
        ..CollectOptions::default()
    }
}

/// Ten writers' snapshots of which half are forgotten, in many small packs.
async fn lived_in(
    store: &Arc<dyn ObjectStore>,
    key: &WriterKey,
) -> BTreeMap<String, BTreeMap<Vec<u8>, Option<Bytes>>> {
    let mut kept = BTreeMap::new();
    for machine in 0..10u64 {
        let writer = open_writer(store.clone(), key, 100 + machine)
            .await
            .unwrap();
        let name = format!("box {machine}");
        let all = items(machine + 1, 8);
        let first = back_up(&writer, &name, &all).await.unwrap();
        let mut changes = items(machine + 10, 5);
        back_up(&writer, &name, &changes).await.unwrap();
        writer.forget(&[first]).await.unwrap();
        for (key, bytes) in all {
            changes.entry(key).or_insert(bytes);
        }
        kept.insert(name, changes);
    }
    kept
}

async fn assert_kept(
    reader: &Repository,
    kept: &BTreeMap<String, BTreeMap<Vec<u8>, Option<Bytes>>>,
) {
    let snapshots = reader.snapshots();
    assert_eq!(snapshots.len(), kept.len());
    for found in snapshots {
        assert_holds(reader, &found, &held(&kept[&found.name])).await;
    }
    let report = reader.check(&READ_DATA, &|_| {}).await.unwrap();
    assert!(report.is_clean(), "{report:?}");
}

#[tokio::test]
async fn a_custodian_that_cannot_read_copies_verbatim_and_keeps_the_keys_of_what_it_copied() {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let (_, key) = with_writer(store.clone()).await;
    let mut kept = lived_in(&store, &key).await;
    assert_eq!(names(&*store, "sealed").await.len(), 40, "twenty sessions");
    let custodian = open_writer(store.clone(), &key, 200).await.unwrap();
    let report = custodian.collect(&thorough(), &LeaveOpen).await.unwrap();
    assert!(
        report.finished && report.copied_bytes > 0 && report.deleted_packs > 0,
        "{report:?}"
    );
    let report = custodian.check(&READ_DATA, &|_| {}).await.unwrap();
    assert!(report.is_clean(), "{report:?}");
    let reader = open(store.clone(), 201).await.unwrap();
    assert_kept(&reader, &kept).await;
    // Once more: copies of copies.
    let writer = open_writer(store.clone(), &key, 202).await.unwrap();
    let gone = writer.snapshots().remove(0);
    writer.forget(&[gone.id]).await.unwrap();
    kept.remove(&gone.name).unwrap();
    let custodian = open_writer(store.clone(), &key, 203).await.unwrap();
    let report = custodian.collect(&thorough(), &LeaveOpen).await.unwrap();
    assert!(report.finished && report.copied_bytes > 0, "{report:?}");
    let fresh = open(store.clone(), 204).await.unwrap();
    assert_kept(&fresh, &kept).await;
    // Opened before, it follows where everything went.
    reader.refresh().await.unwrap();
    assert_kept(&reader, &kept).await;
}

#[tokio::test]
async fn a_custodian_that_reads_seals_anew_and_drops_keys_that_nothing_needs_any_more() {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let (_, key) = with_writer(store.clone()).await;
    let mut kept = lived_in(&store, &key).await;
    let reader = open(store.clone(), 200).await.unwrap();
    // A session under way keeps its key, though no pack of it counts.
    let writer = open_writer(store.clone(), &key, 201).await.unwrap();
    let under_way = writer.session(small_packs()).await.unwrap();
    let put = under_way
        .put_chunk(ChunkKind::Data, noise(77, 90_000))
        .await;
    let id = put.unwrap();
    under_way.flush().await.unwrap();
    let before = names(&*store, "sealed").await.len();
    assert_eq!(before, 42);
    let report = reader.collect(&thorough(), &LeaveOpen).await.unwrap();
    assert!(!report.finished, "it waits for the session");
    under_way.commit().await.unwrap();
    let report = reader.collect(&thorough(), &LeaveOpen).await.unwrap();
    assert!(report.finished, "{report:?}");
    assert!(
        names(&*store, "sealed").await.len() < before,
        "some keys are dropped"
    );
    assert_kept(&open(store.clone(), 202).await.unwrap(), &kept).await;
    // What nobody refers to goes, and with the last blob each key.
    let machine = open(store.clone(), 203).await.unwrap();
    let ids: Vec<_> = machine.snapshots().iter().map(|one| one.id).collect();
    machine.forget(&ids).await.unwrap();
    kept.clear();
    for seed in 204..207 {
        let machine = open(store.clone(), seed).await.unwrap();
        machine.collect(&thorough(), &LeaveOpen).await.unwrap();
    }
    assert!(names(&*store, "packs").await.is_empty());
    assert!(names(&*store, "sealed").await.is_empty());
    let machine = open(store.clone(), 208).await.unwrap();
    assert_eq!(
        machine.get_chunk(&id).await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
}

#[tokio::test]
async fn either_copy_of_a_sessions_key_is_enough_and_without_both_it_is_said_what_is_lost() {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let (_, key) = with_writer(store.clone()).await;
    let writer = open_writer(store.clone(), &key, 60).await.unwrap();
    let chunks = fill(&writer, 2, 20).await;
    let copies = names(&*store, "sealed").await;
    let [decision, spare] = copies.as_slice() else {
        panic!("{copies:?}");
    };
    for (damaged, whole) in [(decision, spare), (spare, decision)] {
        let path = Path::from(damaged.as_str());
        let good = store.get(&path).await.unwrap().bytes().await.unwrap();
        let mut bytes = good.to_vec();
        *bytes.last_mut().unwrap() ^= 1;
        store.put(&path, bytes.into()).await.unwrap();
        let reader = open(store.clone(), 61).await.unwrap();
        assert_readable(&reader, &chunks).await;
        let report = reader.check(&READ_DATA, &|_| {}).await.unwrap();
        let named: Vec<_> = report.problems.iter().map(|one| &one.object).collect();
        assert_eq!(named, [damaged], "{whole} is good");
        assert!(report.lost_chunks.is_empty());
        store.put(&path, good.into()).await.unwrap();
    }
    for copy in &copies {
        store.delete(&Path::from(copy.as_str())).await.unwrap();
    }
    let reader = open(store.clone(), 62).await.unwrap();
    let error = reader.get_chunk(&chunks[0].0).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    assert_eq!(reader.get_chunk(&chunks[3].0).await.unwrap(), chunks[3].1);
    let quick = reader
        .check(&CheckOptions::default(), &|_| {})
        .await
        .unwrap();
    assert_eq!(quick.problems.len(), 2, "{:?}", quick.problems);
    let whole = reader.check(&READ_DATA, &|_| {}).await.unwrap();
    assert_eq!(whole.lost_chunks.len(), 15);
}

/// Every call of a sealed backup may be the last of a machine: nothing that was committed is lost,
/// and what is left is tidied away.
#[tokio::test]
async fn a_sealed_backup_that_dies_after_any_call_leaves_nothing_that_stays() {
    for nth in 1.. {
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let (_, key) = with_writer(store.clone()).await;
        let writer = open_writer(store.clone(), &key, 60).await.unwrap();
        let first = items(1, 4);
        back_up(&writer, "box", &first).await.unwrap();
        let faulty = FaultyStore::new(store.clone());
        let dying = Arc::new(faulty.clone());
        let dying = open_writer(dying, &key, 61).await.unwrap();
        faulty.inject(Rule::any_call(Fault::CrashAfter).nth(nth));
        let second = items(2, 4);
        let done = back_up(&dying, "box", &second).await;
        let reader = open(store.clone(), 62).await.unwrap();
        let snapshots = reader.snapshots();
        assert!(done.is_err() || snapshots.len() == 2);
        assert_holds(&reader, &snapshots[0], &held(&first)).await;
        if let Some(newest) = snapshots.get(1) {
            assert_holds(&reader, newest, &held(&second)).await;
        }
        let report = reader.check(&READ_DATA, &|_| {}).await.unwrap();
        assert!(report.is_clean(), "{nth}: {report:?}");
        for _ in 0..2 {
            collect(&reader).await.unwrap();
        }
        // Like its `.open`, the key of a session that died stays until something is to be deleted.
        let open = reader.open_sessions().await.unwrap().len();
        let left = names(&*store, "sealed").await.len();
        assert!(left <= 2 * (snapshots.len() + open), "{nth}: {left}");
        assert_kept_snapshots(&store, snapshots.len()).await;
        if done.is_ok() {
            return;
        }
    }
}

async fn assert_kept_snapshots(store: &Arc<dyn ObjectStore>, count: usize) {
    let fresh = open(store.clone(), 63).await.unwrap();
    assert_eq!(fresh.snapshots().len(), count);
    let report = fresh.check(&READ_DATA, &|_| {}).await.unwrap();
    assert!(report.is_clean(), "{report:?}");
}

#[tokio::test]
async fn a_session_that_stores_no_data_needs_no_key() {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let (_, key) = with_writer(store.clone()).await;
    let writer = open_writer(store.clone(), &key, 60).await.unwrap();
    let session = writer.session(SessionOptions::default()).await.unwrap();
    session
        .put_chunk(ChunkKind::Meta, noise(1, 500))
        .await
        .unwrap();
    session.commit().await.unwrap();
    assert!(names(&*store, "sealed").await.is_empty());
}

//! Trees: histories against a model, damage, and what a year of a mailbox costs.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use chunkstore::{
    Change, ChunkId, ChunkRefs, Content, Entry, Error, ErrorKind, Formats, ItemWriter,
    MAX_KEY_BYTES, MAX_VALUE_BYTES, NewSnapshot, ObjectStore, Opaque, Payload, SegmentOptions,
    SegmentStore, Skeleton, TreeReader, TreeRoot, read_content_to_vec, write_tree,
};
use futures::stream::{self, StreamExt, TryStreamExt};
use object_store::memory::InMemory;
use proptest::prelude::*;

use crate::content::{MemoryChunks, noise};
use crate::support::{create, open, small_packs, snapshot};

type Model = BTreeMap<Vec<u8>, (Vec<u8>, Vec<Content>)>;

async fn apply(
    chunks: &Arc<MemoryChunks>,
    parent: Option<&TreeRoot>,
    changes: Vec<Change>,
) -> Result<TreeRoot, Error> {
    let changes = stream::iter(changes.into_iter().map(Ok::<_, Error>)).boxed();
    write_tree(chunks.clone(), chunks.clone(), parent, changes).await
}

fn reader(chunks: &Arc<MemoryChunks>, root: &TreeRoot) -> TreeReader {
    // Through the stored form, as a snapshot would carry it.
    TreeReader::new(chunks.clone(), TreeRoot::decode(&root.encode()).unwrap())
}

async fn entries(chunks: &Arc<MemoryChunks>, root: &TreeRoot) -> Vec<Entry> {
    reader(chunks, root).all().try_collect().await.unwrap()
}

fn entries_of<'a>(
    model: impl IntoIterator<Item = (&'a Vec<u8>, &'a (Vec<u8>, Vec<Content>))>,
) -> Vec<Entry> {
    let entry = |(key, (value, contents)): (&Vec<u8>, &(Vec<u8>, Vec<Content>))| Entry {
        key: key.clone(),
        value: value.clone(),
        contents: contents.clone(),
    };
    model.into_iter().map(entry).collect()
}

fn change_model(model: &mut Model, changes: &[Change]) {
    for change in changes {
        match &change.entry {
            Some(entry) => model.insert(change.key.clone(), entry.clone()),
            None => model.remove(&change.key),
        };
    }
}

fn number(n: u64) -> Vec<u8> {
    format!("item/{n:08}").into_bytes()
}

fn put(n: u64, value: &[u8]) -> Change {
    Change::put(number(n), value.to_vec(), Vec::new())
}

fn sorted(changes: impl IntoIterator<Item = Change>) -> Vec<Change> {
    let by_key: BTreeMap<_, _> = changes
        .into_iter()
        .map(|change| (change.key.clone(), change))
        .collect();
    by_key.into_values().collect()
}

/// A small generator with a seed, so that a failing history can be run again.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.roll(256) as u8).collect()
    }
}

fn content(dice: &mut Dice, segment: u64, index: u32) -> Content {
    let mut id = [0; 32];
    id.copy_from_slice(&noise(segment, 32));
    let payloads = match dice.roll(10) {
        0 => vec![Payload {
            len: 8192 + dice.roll(200_000),
            chunks: ChunkRefs::Inline(vec![ChunkId::from_bytes(
                dice.bytes(32).try_into().unwrap(),
            )]),
        }],
        _ => Vec::new(),
    };
    Content {
        format: 1,
        len: 3000 + dice.roll(40_000),
        hash: dice.bytes(16).try_into().unwrap(),
        skeleton: Skeleton::InSegment {
            segment: ChunkId::from_bytes(id),
            index,
        },
        payloads,
    }
}

/// Runs a random history and compares every snapshot of it with the model, at the end.
async fn check_history(seed: u64, steps: usize, keys: u64, largest: u64) {
    let mut dice = Dice(seed);
    let chunks = MemoryChunks::new();
    let mut model = Model::new();
    let mut snapshots: Vec<(TreeRoot, Model)> = Vec::new();
    for _ in 0..steps {
        let count = match dice.roll(8) {
            0 => 0,
            1 => dice.roll(largest) * 10,
            _ => dice.roll(largest),
        };
        let changes = sorted((0..count).map(|_| {
            let key = number(dice.roll(keys));
            match dice.roll(4) {
                0 => Change::remove(key),
                1 => {
                    let content = content(&mut dice, 3, 4);
                    Change::put(key, dice.bytes(30), vec![content])
                }
                _ => Change::put(key, dice.bytes(12), Vec::new()),
            }
        }));
        change_model(&mut model, &changes);
        let parent = snapshots.last().map(|(root, _)| root);
        let root = apply(&chunks, parent, changes).await.unwrap();
        snapshots.push((root, model.clone()));
    }
    for (at, (root, model)) in snapshots.iter().enumerate() {
        let name = format!("seed {seed}, snapshot {at}");
        assert_eq!(entries(&chunks, root).await, entries_of(model), "{name}");
        let tree = reader(&chunks, root);
        for _ in 0..20 {
            let key = number(dice.roll(keys));
            let expected = entries_of(model.get_key_value(&key)).pop();
            assert_eq!(tree.get(&key).await.unwrap(), expected, "{name}");
            let to = number(dice.roll(keys));
            let range: Vec<Entry> = tree.range(&key, Some(&to)).try_collect().await.unwrap();
            let wanted = model.iter().filter(|(k, _)| **k >= key && **k < to);
            assert_eq!(range, entries_of(wanted), "{name}");
        }
        let ids: Vec<ChunkId> = tree.node_ids().try_collect().await.unwrap();
        assert!(ids.iter().all(|id| chunks.ids().contains(id)), "{name}");
    }
}

#[tokio::test]
async fn every_snapshot_of_a_random_history_reads_like_the_model() {
    for seed in 0..6 {
        check_history(seed, 40, 60, 20).await;
        check_history(100 + seed, 30, 5000, 150).await;
    }
}

#[tokio::test]
async fn large_changes_read_like_the_model() {
    check_history(7, 8, 40_000, 4000).await;
}

#[tokio::test]
async fn a_tree_without_changes_writes_nothing() {
    let chunks = MemoryChunks::new();
    let empty = apply(&chunks, None, Vec::new()).await.unwrap();
    assert!(empty.is_empty() && chunks.count() == 0);
    assert_eq!(entries(&chunks, &empty).await, []);
    assert_eq!(reader(&chunks, &empty).get(b"none").await.unwrap(), None);
    let root = apply(&chunks, Some(&empty), vec![put(1, b"one")])
        .await
        .unwrap();
    let count = chunks.count();
    let reads = chunks.reads();
    let same = apply(&chunks, Some(&root), Vec::new()).await.unwrap();
    assert_eq!(
        (same, chunks.count(), chunks.reads()),
        (root.clone(), count, reads)
    );
    let gone = vec![Change::remove(number(1))];
    assert!(apply(&chunks, Some(&root), gone).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_new_base_shares_the_leaves_that_did_not_change() {
    let chunks = MemoryChunks::new();
    let all = (0..40_000).map(|n| put(n, &noise(n, 24))).collect();
    let root = apply(&chunks, None, all).await.unwrap();
    assert_eq!((root.base_entries(), root.runs.len()), (40_000, 0));
    assert!(root.base.as_ref().unwrap().height >= 1);
    let (base_bytes, base_count) = (chunks.plain_bytes(), chunks.count());
    // Many changes in one stretch of keys, the first half; twice, so that a new base is due.
    let changes = |seed: u64| sorted((0..21_000).map(|n| put(n, &noise(seed + n, 23))));
    let run = apply(&chunks, Some(&root), changes(1 << 20)).await.unwrap();
    assert_eq!((run.base_entries(), run.runs.len()), (40_000, 1));
    let (before, count) = (chunks.plain_bytes(), chunks.count());
    let new = apply(&chunks, Some(&run), changes(2 << 20)).await.unwrap();
    assert_eq!((new.base_entries(), new.runs.len()), (40_000, 0));
    assert!(chunks.plain_bytes() - before < base_bytes * 2 / 3);
    assert!(chunks.count() - count < base_count * 2 / 3);
}

#[tokio::test]
async fn a_prefix_and_a_range_read_only_their_part() {
    let chunks = MemoryChunks::new();
    let mut all: Vec<Change> = (0..50_000).map(|n| put(n, &noise(n, 24))).collect();
    all.push(Change::put(vec![0xff, 0xff, 1], Vec::new(), Vec::new()));
    let root = apply(&chunks, None, all).await.unwrap();
    let tree = reader(&chunks, &root);
    let reads = chunks.reads();
    let part: Vec<Entry> = tree.prefix(b"item/000312").try_collect().await.unwrap();
    assert_eq!(part.len(), 100);
    assert!(chunks.reads() - reads < 10);
    let last: Vec<Entry> = tree.prefix(&[0xff]).try_collect().await.unwrap();
    assert_eq!(last.len(), 1);
    let last: Vec<Entry> = tree.prefix(&[0xff, 0xff]).try_collect().await.unwrap();
    assert_eq!(last.len(), 1);
}

#[tokio::test]
async fn changes_out_of_order_or_out_of_bounds_are_refused() {
    let chunks = MemoryChunks::new();
    let root = apply(&chunks, None, (0..50).map(|n| put(n, b"old")).collect())
        .await
        .unwrap();
    for changes in [
        vec![put(2, b"b"), put(1, b"a")],
        vec![put(2, b"b"), put(2, b"b")],
        vec![Change::put(Vec::new(), Vec::new(), Vec::new())],
        vec![Change::remove(Vec::new())],
        vec![Change::put(
            vec![1; MAX_KEY_BYTES + 1],
            Vec::new(),
            Vec::new(),
        )],
        vec![Change::put(
            vec![1],
            vec![0; MAX_VALUE_BYTES + 1],
            Vec::new(),
        )],
        vec![Change::put(
            vec![1],
            Vec::new(),
            vec![content(&mut Dice(1), 1, 1); 65],
        )],
    ] {
        for parent in [None, Some(&root)] {
            let error = apply(&chunks, parent, changes.clone()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{changes:?}");
        }
    }
    let longest = vec![Change::put(
        vec![1; MAX_KEY_BYTES],
        vec![7; MAX_VALUE_BYTES],
        vec![content(&mut Dice(1), 1, 1); 64],
    )];
    let root = apply(&chunks, Some(&root), longest.clone()).await.unwrap();
    let entry = reader(&chunks, &root)
        .get(&longest[0].key)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(Change::from(entry), longest[0]);
}

#[derive(Debug, PartialEq)]
enum CallerError {
    Mine,
    Store,
}

impl From<Error> for CallerError {
    fn from(_: Error) -> Self {
        Self::Store
    }
}

#[tokio::test]
async fn an_error_of_the_stream_comes_back_as_it_was() {
    let chunks = MemoryChunks::new();
    let failing = || stream::iter([Ok(put(1, b"1")), Err(CallerError::Mine)]).boxed();
    let result = write_tree(chunks.clone(), chunks.clone(), None, failing()).await;
    assert_eq!(result, Err(CallerError::Mine));
    chunks.refuse(true);
    let changes = stream::iter([Ok::<_, CallerError>(put(1, b"1"))]).boxed();
    let result = write_tree(chunks.clone(), chunks.clone(), None, changes).await;
    assert_eq!(result, Err(CallerError::Store));
}

#[tokio::test]
async fn many_large_entries_stay_within_chunks() {
    let chunks = MemoryChunks::new();
    let all: Vec<Change> = (0..200)
        .map(|n| put(n, &noise(n, MAX_VALUE_BYTES)))
        .collect();
    let root = apply(&chunks, None, all[..150].to_vec()).await.unwrap();
    let root = apply(&chunks, Some(&root), all[150..].to_vec())
        .await
        .unwrap();
    let read = entries(&chunks, &root).await;
    assert_eq!(read.into_iter().map(Change::from).collect::<Vec<_>>(), all);
}

#[tokio::test]
async fn falsified_nodes_are_errors_and_never_panics() {
    let chunks = MemoryChunks::new();
    let all = (0..5000).map(|n| {
        let content = content(&mut Dice(n), n / 70, n as u32 % 70);
        Change::put(number(n), noise(n, 24), vec![content])
    });
    let root = apply(&chunks, None, all.collect()).await.unwrap();
    let root = apply(
        &chunks,
        Some(&root),
        (0..200).map(|n| put(n * 7, b"new")).collect(),
    )
    .await
    .unwrap();
    let tree = reader(&chunks, &root);
    let mut dice = Dice(11);
    for id in chunks.ids() {
        let plain = chunks.plain(&id);
        chunks.falsify(&id, None);
        let error = tree.all().try_collect::<Vec<_>>().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        for round in 0..60 {
            let mut bytes = plain.to_vec();
            match round {
                0 => bytes.clear(),
                1..10 => bytes.truncate(dice.roll(plain.len() as u64) as usize),
                // The head says how much follows: most is to be had there.
                10..40 => bytes[dice.roll(12) as usize] = dice.roll(256) as u8,
                _ => bytes[dice.roll(plain.len() as u64) as usize] ^= 1 << dice.roll(8),
            }
            chunks.falsify(&id, Some(Bytes::from(bytes)));
            if let Err(error) = tree.all().try_collect::<Vec<_>>().await {
                assert!(matches!(
                    error.kind(),
                    ErrorKind::Corrupt | ErrorKind::NotFound
                ));
            }
            let _ = tree.get(&number(dice.roll(5000))).await;
        }
        chunks.falsify(&id, Some(plain));
    }
    assert_eq!(
        tree.all().try_collect::<Vec<_>>().await.unwrap().len(),
        5000
    );
}

/// The items of one mailbox, as its tree sees them.
struct Mailbox {
    dice: Dice,
    items: Vec<Vec<u8>>,
    made: u64,
    realistic: bool,
}

impl Mailbox {
    const FOLDERS: u64 = 40;

    fn change(&mut self, key: Vec<u8>) -> Change {
        self.made += 1;
        if !self.realistic {
            return Change::put(key, self.dice.bytes(24), Vec::new());
        }
        // A change key, a time, a size, a class, flags; and where the bytes are.
        let mut value = self.dice.bytes(8);
        value.extend_from_slice(&(1_700_000_000 + self.made * 300).to_be_bytes());
        value.extend_from_slice(&self.dice.roll(60_000).to_be_bytes()[5..]);
        value.extend_from_slice(b"\x08IPM.Note");
        value.push(self.dice.roll(4) as u8);
        // 70 skeletons fill a segment.
        let folder = u64::from(key[1]);
        let content = content(
            &mut self.dice,
            (folder << 32) | (self.made / 70 / Self::FOLDERS),
            (self.made % 70) as u32,
        );
        Change::put(key, value, vec![content])
    }

    fn new_item(&mut self) -> Change {
        // Folder, then an id that counts up in its high half, as entry ids do.
        let mut key = vec![b'i', self.dice.roll(Self::FOLDERS) as u8];
        if self.realistic {
            key.extend_from_slice(b"AAMkADk2");
            key.extend_from_slice(&(self.made as u32).to_be_bytes());
            key.extend_from_slice(&self.dice.bytes(4));
        } else {
            key.extend_from_slice(&self.dice.bytes(8));
        }
        self.items.push(key.clone());
        self.change(key)
    }

    fn take_item(&mut self) -> Vec<u8> {
        let at = self.dice.roll(self.items.len() as u64) as usize;
        self.items.swap_remove(at)
    }

    /// 150 new, 30 deleted, 20 moved, 90 flags: STORAGE's day.
    fn day(&mut self) -> Vec<Change> {
        let mut changes = Vec::new();
        for _ in 0..30 {
            changes.push(Change::remove(self.take_item()));
        }
        for _ in 0..20 {
            changes.push(Change::remove(self.take_item()));
            changes.push(self.new_item());
        }
        for _ in 0..90 {
            let at = self.dice.roll(self.items.len() as u64) as usize;
            let key = self.items[at].clone();
            changes.push(self.change(key));
        }
        for _ in 0..150 {
            changes.push(self.new_item());
        }
        sorted(changes)
    }
}

/// Returns stored bytes a day, and a line that tells more.
async fn days_of_a_mailbox(realistic: bool, days: usize) -> (usize, usize, String) {
    let mut mailbox = Mailbox {
        dice: Dice(2026),
        items: Vec::new(),
        made: 0,
        realistic,
    };
    let chunks = MemoryChunks::measuring();
    let first = sorted((0..60_000).map(|_| mailbox.new_item()));
    let mut model = Model::new();
    change_model(&mut model, &first);
    let mut root = apply(&chunks, None, first).await.unwrap();
    let base = chunks.stored_bytes();
    let mut kept = Vec::new();
    let (mut most_runs, mut most_read, mut largest) = (0, 0, 0);
    for day in 0..days {
        let changes = mailbox.day();
        change_model(&mut model, &changes);
        root = apply(&chunks, Some(&root), changes).await.unwrap();
        most_runs = most_runs.max(root.runs.len());
        most_read = most_read.max(root.node_bytes());
        let read = stored_bytes_of(&chunks, &root).await;
        // What is read for 60,000 items, however many there are by then.
        largest = largest.max(read * 60_000 / mailbox.items.len());
        if day % 90 == 7 || day + 1 == days {
            kept.push((root.clone(), model.clone()));
        }
    }
    for (root, model) in &kept {
        assert_eq!(entries(&chunks, root).await, entries_of(model));
    }
    let bytes = (chunks.stored_bytes() - base) / days;
    let (last, _) = kept.last().unwrap();
    let ids: Vec<ChunkId> = reader(&chunks, last)
        .node_ids()
        .try_collect()
        .await
        .unwrap();
    let last_read = stored_bytes_of(&chunks, last).await;
    let report = format!(
        "{days} days, realistic {realistic}: base {base} B ({} B an item), {bytes} B a day, \
         at most {most_runs} runs and {most_read} B of nodes before compression; the last \
         snapshot has {} items and is read with {} chunks of {last_read} B; of any day, at most \
         {largest} B for each 60,000 items",
        base / 60_000,
        mailbox.items.len(),
        ids.len(),
    );
    (bytes, largest, report)
}

/// What reading a whole snapshot takes from the repository.
async fn stored_bytes_of(chunks: &Arc<MemoryChunks>, root: &TreeRoot) -> usize {
    let ids: Vec<ChunkId> = reader(chunks, root).node_ids().try_collect().await.unwrap();
    ids.iter().map(|id| chunks.stored_size(id)).sum()
}

#[tokio::test]
async fn a_year_of_hash_like_values_stores_less_than_60_kb_a_day() {
    let (bytes, read, report) = days_of_a_mailbox(false, 365).await;
    println!("{report}");
    assert!(bytes < 60_000 && read < 5_000_000, "{report}");
}

#[tokio::test]
async fn a_year_of_a_realistic_mailbox_stores_less_than_60_kb_a_day() {
    let (bytes, read, report) = days_of_a_mailbox(true, 365).await;
    println!("{report}");
    assert!(bytes < 60_000 && read < 5_000_000, "{report}");
}

#[tokio::test]
async fn items_and_trees_go_through_a_real_repository() {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let repository = Arc::new(create(store.clone()).await);
    let items: Vec<Vec<u8>> = (0..300u64)
        .map(|n| noise(n, 40 + (n as usize * 1201) % 90_000))
        .chain([noise(1000, 6 << 20)])
        .collect();
    let mut parent = None;
    for (time_unix_ms, part) in [(1, 0..200), (2, 200..items.len())] {
        let session = Arc::new(repository.session(small_packs()).await.unwrap());
        let segments = SegmentStore::new(session.clone(), SegmentOptions::default());
        let mut pending = Vec::new();
        for n in part {
            let mut writer = ItemWriter::new(&segments, 5, Arc::new(Opaque));
            writer.push(&items[n]).await.unwrap();
            pending.push((number(n as u64), writer.finish().await.unwrap()));
        }
        segments.flush_all().await.unwrap();
        let changes = pending.into_iter().map(|(key, content)| {
            let contents = vec![content.try_content().unwrap()];
            Ok::<_, Error>(Change::put(key, b"value".to_vec(), contents))
        });
        let changes = stream::iter(changes).boxed();
        let root = write_tree(session.clone(), session.clone(), parent.as_ref(), changes);
        let root = root.await.unwrap();
        let snapshot = NewSnapshot {
            root: root.clone(),
            time_unix_ms,
            ..snapshot("alice", b"")
        };
        session.add_snapshot(snapshot).unwrap();
        session.commit().await.unwrap();
        parent = Some(root);
    }
    let other = Arc::new(open(store, 2).await.unwrap());
    let snapshot = other.snapshots().pop().unwrap();
    assert_eq!(Some(&snapshot.root), parent.as_ref());
    let mut entries = TreeReader::new(other.clone(), snapshot.root).all();
    for item in &items {
        let entry = entries.try_next().await.unwrap().unwrap();
        let content = &entry.contents[0];
        let bytes = read_content_to_vec(other.clone(), Formats::new(), content, u64::MAX);
        assert!(bytes.await.unwrap() == *item);
    }
    assert_eq!(entries.try_next().await.unwrap(), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_are_a_root_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(root) = TreeRoot::decode(&bytes) {
            prop_assert_eq!(root.encode(), bytes);
        }
    }

    #[test]
    fn any_keys_and_values_come_back(
        states in proptest::collection::vec(
            proptest::collection::btree_map(
                proptest::collection::vec(any::<u8>(), 1..6),
                proptest::option::of(proptest::collection::vec(any::<u8>(), 0..9)),
                0..30,
            ),
            1..6,
        ),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let chunks = MemoryChunks::new();
            let mut model = Model::new();
            let mut root = None;
            for state in states {
                let changes: Vec<Change> = state
                    .into_iter()
                    .map(|(key, value)| Change { key, entry: value.map(|value| (value, Vec::new())) })
                    .collect();
                change_model(&mut model, &changes);
                let new = apply(&chunks, root.as_ref(), changes).await.unwrap();
                assert_eq!(entries(&chunks, &new).await, entries_of(&model));
                root = Some(new);
            }
        });
    }
}

//! Snapshots day after day: any of them may be forgotten, and all others stay as they were.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use chunkstore::{
    Change, CheckOptions, CollectOptions, Error, ItemWriter, LeaveOpen, NewSnapshot, ObjectStore,
    Opaque, Repository, SegmentOptions, SegmentStore, SnapshotId, TreeReader, read_content_to_vec,
    write_tree,
};
use futures::{StreamExt, TryStreamExt, stream};
use object_store::memory::InMemory;

use crate::support::{create, noise, open, snapshot};

const DAYS: u64 = 30;
const ITEMS: u64 = 1_500;

/// What one day's snapshot holds: the number of each item's content.
type State = BTreeMap<u64, u64>;

fn key(item: u64) -> Vec<u8> {
    // Anywhere in the tree, as hashes of ids are.
    noise(item, 12).to_vec()
}

fn bytes_of(content: u64) -> Bytes {
    noise(content ^ 0xcc, 60 + (content % 300) as usize)
}

/// Adds, changes and removes a few items; returns what changed.
fn a_day(state: &mut State, day: u64) -> BTreeMap<u64, Option<u64>> {
    let mut changes = BTreeMap::new();
    for n in 0..8 {
        let some = (day * 7_919 + n * 104_729) % (ITEMS + day * 8);
        let changed = match n % 4 {
            0 => None,
            _ => Some(1_000_000 + day * 100 + n),
        };
        changes.insert(some, changed);
        changes.insert(ITEMS + day * 8 + n, Some(2_000_000 + day * 100 + n));
    }
    for (item, content) in &changes {
        match content {
            Some(content) => state.insert(*item, *content),
            None => state.remove(item),
        };
    }
    changes
}

/// A repository with a snapshot of each day.
async fn a_month(store: &Arc<dyn ObjectStore>) -> Vec<(SnapshotId, State)> {
    let repository = create(Arc::clone(store)).await;
    let mut state: State = (0..ITEMS).map(|item| (item, item)).collect();
    let mut changes: BTreeMap<u64, Option<u64>> =
        state.iter().map(|(k, v)| (*k, Some(*v))).collect();
    let (mut parent, mut days) = (None, Vec::new());
    for day in 0..DAYS {
        let session = Arc::new(repository.session(Default::default()).await.unwrap());
        let segments = SegmentStore::new(session.clone(), SegmentOptions::default());
        let mut pending = BTreeMap::new();
        for (item, content) in &changes {
            if let Some(content) = content {
                let mut writer = ItemWriter::new(&segments, 1, Arc::new(Opaque));
                writer.push(&bytes_of(*content)).await.unwrap();
                pending.insert(*item, writer.finish().await.unwrap());
            }
        }
        segments.flush_all().await.unwrap();
        let mut sorted: Vec<Change> = changes
            .keys()
            .map(|item| match pending.get(item) {
                Some(pending) => {
                    let contents = vec![pending.try_content().unwrap()];
                    Change::put(key(*item), item.to_be_bytes().to_vec(), contents)
                }
                None => Change::remove(key(*item)),
            })
            .collect();
        sorted.sort_by(|a, b| a.key.cmp(&b.key));
        let sorted = stream::iter(sorted.into_iter().map(Ok::<_, Error>)).boxed();
        let root = write_tree(session.clone(), session.clone(), parent.as_ref(), sorted);
        let root = root.await.unwrap();
        let new = NewSnapshot {
            root: root.clone(),
            time_unix_ms: day as i64,
            ..snapshot("alice", b"")
        };
        let id = session.add_snapshot(new).unwrap();
        session.commit().await.unwrap();
        days.push((id, state.clone()));
        parent = Some(root);
        changes = a_day(&mut state, day + 1);
    }
    days
}

async fn assert_state(repository: &Arc<Repository>, id: SnapshotId, state: &State) {
    let info = repository.snapshots().into_iter().find(|s| s.id == id);
    let tree = TreeReader::new(repository.clone(), info.unwrap().root);
    let mut found = State::new();
    let mut entries = tree.all();
    while let Some(entry) = entries.try_next().await.unwrap() {
        let item = u64::from_be_bytes(entry.value.as_slice().try_into().unwrap());
        let content = state[&item];
        let read = read_content_to_vec(
            repository.clone(),
            Default::default(),
            &entry.contents[0],
            u64::MAX,
        );
        assert_eq!(read.await.unwrap(), bytes_of(content));
        found.insert(item, content);
    }
    assert_eq!(&found, state);
}

#[tokio::test]
async fn whichever_days_are_forgotten_all_others_stay_readable() {
    let month: Arc<InMemory> = Arc::new(InMemory::new());
    let store: Arc<dyn ObjectStore> = month.clone();
    let days = a_month(&store).await;
    let subsets: [Box<dyn Fn(u64) -> bool>; 5] = [
        Box::new(|day| day < 29),
        Box::new(|day| day > 0),
        Box::new(|day| day % 2 == 0),
        Box::new(|day| (8..22).contains(&day)),
        Box::new(|day| (day * 2_654_435_761) >> 3 & 1 == 0),
    ];
    for (nth, is_forgotten) in (1u64..).zip(subsets) {
        let store: Arc<dyn ObjectStore> = Arc::new(month.fork());
        let repository = open(store.clone(), nth).await.unwrap();
        let forgotten: BTreeSet<usize> = (0..days.len())
            .filter(|day| is_forgotten(*day as u64))
            .collect();
        let ids: Vec<SnapshotId> = forgotten.iter().map(|day| days[*day].0).collect();
        repository.forget(&ids).await.unwrap();
        let options = CollectOptions::default();
        assert!(
            repository
                .collect(&options, &LeaveOpen)
                .await
                .unwrap()
                .finished
        );
        let repository = Arc::new(open(store, 100 + nth).await.unwrap());
        let full = CheckOptions {
            read_data: true,
            part: None,
        };
        assert!(repository.check(&full, &|_| ()).await.unwrap().is_clean());
        assert_eq!(repository.snapshots().len(), days.len() - forgotten.len());
        for (day, (id, state)) in days.iter().enumerate() {
            if !forgotten.contains(&day) {
                assert_state(&repository, *id, state).await;
            }
        }
    }
}

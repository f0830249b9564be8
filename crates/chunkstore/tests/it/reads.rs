//! What reading one item costs in requests, on a machine that knows nothing and on one that does.

use std::sync::Arc;

use chunkstore::{
    Change, CollectOptions, Error, ItemWriter, LeaveOpen, NewSnapshot, ObjectStore, Opaque,
    Repository, SegmentOptions, SegmentStore, TreeReader, read_content_to_vec, write_tree,
};
use futures::{StreamExt, stream};
use object_store::memory::InMemory;
use testkit::{Counts, FaultyStore};

use crate::support::{create, noise, open, snapshot};

const MAILBOXES: u64 = 1_000;
const ITEMS: u64 = 40;
/// Mailboxes that one session backs up.
const AT_ONCE: u64 = 100;

fn bytes_of(mailbox: u64, item: u64) -> Vec<u8> {
    noise(mailbox * 1_000 + item, 900).to_vec()
}

async fn back_up(repository: &Repository, mailboxes: std::ops::Range<u64>) {
    let session = Arc::new(repository.session(Default::default()).await.unwrap());
    let segments = SegmentStore::new(session.clone(), SegmentOptions::default());
    for mailbox in mailboxes {
        let mut pending = Vec::new();
        for item in 0..ITEMS {
            let mut writer = ItemWriter::new(&segments, mailbox, Arc::new(Opaque));
            writer.push(&bytes_of(mailbox, item)).await.unwrap();
            pending.push((item, writer.finish().await.unwrap()));
        }
        segments.flush_group(mailbox).await.unwrap();
        let changes = pending.into_iter().map(|(item, pending)| {
            let contents = vec![pending.try_content().unwrap()];
            Ok::<_, Error>(Change::put(
                item.to_be_bytes().to_vec(),
                vec![1; 60],
                contents,
            ))
        });
        let changes = stream::iter(changes.collect::<Vec<_>>()).boxed();
        let root = write_tree(session.clone(), session.clone(), None, changes);
        let new = NewSnapshot {
            root: root.await.unwrap(),
            ..snapshot(&format!("mailbox-{mailbox}@example.test"), b"{}")
        };
        session.add_snapshot(new).unwrap();
    }
    session.commit().await.unwrap();
}

async fn read_one(repository: &Arc<Repository>, mailbox: u64, item: u64) {
    let name = format!("mailbox-{mailbox}@example.test");
    let info = repository.snapshots().into_iter().find(|s| s.name == name);
    let tree = TreeReader::new(repository.clone(), info.unwrap().root);
    let entry = tree.get(&item.to_be_bytes()).await.unwrap().unwrap();
    let read = read_content_to_vec(
        repository.clone(),
        Default::default(),
        &entry.contents[0],
        u64::MAX,
    );
    assert_eq!(read.await.unwrap(), bytes_of(mailbox, item));
}

fn requests(counts: Counts) -> u64 {
    counts.gets + counts.heads + counts.lists
}

#[tokio::test]
async fn one_item_takes_two_reads_and_on_a_new_machine_twelve_requests() {
    let memory: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let repository = create(memory.clone()).await;
    for first in (0..MAILBOXES).step_by(AT_ONCE as usize) {
        back_up(&repository, first..first + AT_ONCE).await;
    }
    let options = CollectOptions::default();
    let report = repository.collect(&options, &LeaveOpen).await.unwrap();
    assert!(report.finished);

    let counting = FaultyStore::new(memory);
    let cold = open(Arc::new(counting.clone()), 2).await.unwrap();
    let cold = Arc::new(cold);
    read_one(&cold, 777, 5).await;
    let counts = counting.counts();
    println!("cold: {counts:?}");
    assert!(counts.gets <= 12 && requests(counts) <= 18, "{counts:?}");

    counting.reset_counts();
    read_one(&cold, 333, 17).await;
    let counts = counting.counts();
    println!("warm: {counts:?}");
    assert!(requests(counts) <= 2, "{counts:?}");
    counting.reset_counts();
    read_one(&cold, 333, 18).await;
    assert_eq!(
        requests(counting.counts()),
        0,
        "its neighbour was read along"
    );
}

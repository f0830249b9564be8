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

#[tokio::test(flavor = "multi_thread")]
async fn one_item_takes_two_reads_and_on_a_new_machine_twelve_requests() {
    let memory: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let repository = create(memory.clone()).await;
    for first in (0..MAILBOXES).step_by(AT_ONCE as usize) {
        back_up(&repository, first..first + AT_ONCE).await;
    }
    let options = CollectOptions::default();
    let report = repository.collect(&options, &LeaveOpen).await.unwrap();
    assert!(report.finished);

    let counting = FaultyStore::new(Arc::clone(&memory));
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
    #[cfg(feature = "s3")]
    over_http(&memory).await;
}

/// The same as an S3 server counts it: whole requests, whatever adapters make of a read.
#[cfg(feature = "s3")]
async fn over_http(memory: &Arc<dyn ObjectStore>) {
    use std::sync::Mutex;
    use std::time::Duration;

    use chunkstore::Destination;
    use futures::TryStreamExt;
    use object_store::ObjectStoreExt;
    use testkit::proxy::{Head, Mischief, Proxy};

    let Some(service) = testkit::service("moto") else {
        return;
    };
    let open_store = |url: &str| {
        let url = format!("{url}/reads-{}", std::process::id());
        let destination = Destination::new(&url).unwrap();
        let settings = service.settings.clone();
        destination.with_settings(settings).open().unwrap()
    };
    let bucket = open_store(&service.url);
    let objects: Vec<_> = memory.list(None).try_collect().await.unwrap();
    for meta in objects {
        let bytes = memory.get(&meta.location).await.unwrap().bytes().await;
        let bytes = bytes.unwrap();
        bucket.put(&meta.location, bytes.into()).await.unwrap();
    }
    let (_, rest) = service.url.split_once("://").unwrap();
    let address = rest.split('/').next().unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let proxy = Proxy::start(address, Duration::ZERO, move |head: &Head| {
        let line = format!("{} {}", head.method, head.target);
        log.lock().unwrap().push(line);
        Mischief::None
    })
    .await;
    let store = open_store(&service.url.replace(address, &proxy.address()));
    let take = || std::mem::take(&mut *seen.lock().unwrap());
    let cold = Arc::new(open(store, 3).await.unwrap());
    read_one(&cold, 777, 5).await;
    let asked = take();
    let is_listing = |line: &&String| line.contains("list-type=2");
    let listings = asked.iter().filter(is_listing).count();
    assert!(
        asked.iter().all(|line| line.starts_with("GET ")),
        "{asked:?}"
    );
    assert!(
        asked.len() - listings <= 12 && asked.len() <= 18,
        "{asked:?}"
    );
    read_one(&cold, 333, 17).await;
    let asked = take();
    assert!(!asked.is_empty() && asked.len() <= 2, "{asked:?}");
}

//! What a repository asks of a destination, as a suite that runs against any store.
//!
//! Every function panics with what was wrong; names are below a folder of the caller's choice, so
//! that several runs do not meet.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    Error, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload, PutResult, Result,
};

/// Objects in the listing: more than two pages of S3 (1,000 each), unless a protocol is slow.
pub const MANY: usize = 2_100;
/// Writers of one name at the same time.
const CONTENDERS: u8 = 16;

/// Everything below, for a store whose creates are atomic.
///
/// # Panics
/// At the first thing that is wrong.
pub async fn whole(store: &Arc<dyn ObjectStore>, folder: &str, listed: usize) {
    reads_back(store, folder).await;
    creates_once(store, folder).await;
    assert_eq!(
        race(store, folder, "race").await,
        1,
        "one of 16 creates wins"
    );
    lists_all(store, folder, listed).await;
    deletes(store, folder).await;
}

/// The same for a store that cannot create only what is not there, and says so.
///
/// # Panics
/// At the first thing that is wrong.
pub async fn of_one_writer(store: &Arc<dyn ObjectStore>, folder: &str, listed: usize) {
    let path = path(folder, "conditional");
    let refused = create(store, &path, Bytes::from_static(b"x")).await;
    assert!(
        matches!(
            refused,
            Err(Error::NotImplemented { .. } | Error::NotSupported { .. })
        ),
        "{refused:?}"
    );
    let gone = store.head(&path).await.unwrap_err();
    assert!(matches!(gone, Error::NotFound { .. }), "{gone}");
    reads_back(store, folder).await;
    overwrites(store, folder).await;
    lists_all(store, folder, listed).await;
    deletes(store, folder).await;
}

/// Writes a new object: by a create where the store has that.
///
/// # Errors
/// Those of the store; as for [`create`] where it has that.
pub async fn write(store: &Arc<dyn ObjectStore>, path: &Path, body: Bytes) -> Result<PutResult> {
    match create(store, path, body.clone()).await {
        Err(Error::NotImplemented { .. } | Error::NotSupported { .. }) => {
            store.put(path, PutPayload::from(body)).await
        }
        done => done,
    }
}

/// Creates an object as a repository does.
///
/// # Errors
/// `AlreadyExists` or `Precondition` where something has the name.
pub async fn create(store: &Arc<dyn ObjectStore>, path: &Path, body: Bytes) -> Result<PutResult> {
    let options = PutOptions::from(PutMode::Create);
    store.put_opts(path, PutPayload::from(body), options).await
}

fn path(folder: &str, name: &str) -> Path {
    Path::from(format!("{folder}/{name}"))
}

/// Bytes that differ everywhere.
fn body(len: usize) -> Bytes {
    (0..len)
        .map(|n| (n % 251) as u8 ^ (n >> 12) as u8)
        .collect()
}

/// Whole objects and ranges, also of many megabytes, right after they were written.
async fn reads_back(store: &Arc<dyn ObjectStore>, folder: &str) {
    for (name, len) in [("empty", 0), ("small", 300), ("deep/er/large", 9 << 20)] {
        let (path, bytes) = (path(folder, name), body(len));
        write(store, &path, bytes.clone()).await.unwrap();
        let answer = store.get(&path).await.unwrap();
        assert_eq!(answer.meta.size, len as u64, "{name}");
        assert!(answer.bytes().await.unwrap() == bytes, "{name} differs");
        assert_eq!(store.head(&path).await.unwrap().size, len as u64, "{name}");
        for range in [
            0..1,
            100..300,
            len / 2..len / 2 + 64,
            len.saturating_sub(64)..len,
        ] {
            if range.start < range.end && range.end <= len {
                let asked = range.start as u64..range.end as u64;
                let part = store.get_range(&path, asked).await.unwrap();
                assert!(
                    part == bytes.slice(range.clone()),
                    "{name} {range:?} differs"
                );
            }
        }
    }
    let gone = store.get(&path(folder, "nothing")).await.unwrap_err();
    assert!(matches!(gone, Error::NotFound { .. }), "{gone}");
    let gone = store.head(&path(folder, "nothing")).await.unwrap_err();
    assert!(matches!(gone, Error::NotFound { .. }), "{gone}");
}

/// A put replaces what was there.
async fn overwrites(store: &Arc<dyn ObjectStore>, folder: &str) {
    let path = path(folder, "deep/twice");
    for body in [&b"first"[..], b"the second", b"3"] {
        store
            .put(&path, PutPayload::from_static(body))
            .await
            .unwrap();
        let there = store.get(&path).await.unwrap().bytes().await.unwrap();
        assert_eq!(there, body);
    }
}

/// A second create is refused and changes nothing.
///
/// # Panics
/// Where it is not so.
pub async fn creates_once(store: &Arc<dyn ObjectStore>, folder: &str) {
    let path = path(folder, "once");
    create(store, &path, Bytes::from_static(b"first"))
        .await
        .unwrap();
    let second = create(store, &path, Bytes::from_static(b"second")).await;
    let refused = second.unwrap_err();
    assert!(
        matches!(
            refused,
            Error::AlreadyExists { .. } | Error::Precondition { .. }
        ),
        "{refused}"
    );
    let there = store.get(&path).await.unwrap().bytes().await.unwrap();
    assert_eq!(there, "first");
}

/// Sixteen creates of one name at once; returns how many succeeded.
///
/// # Panics
/// For another error than "exists", and when the body is none of a winner's.
pub async fn race(store: &Arc<dyn ObjectStore>, folder: &str, name: &str) -> usize {
    let path = path(folder, name);
    let outcomes: Vec<_> = futures::stream::iter(0..CONTENDERS)
        .map(|contender| {
            let (store, path) = (Arc::clone(store), path.clone());
            let body = Bytes::from(vec![contender; 20_000]);
            tokio::spawn(async move { (contender, create(&store, &path, body).await) })
        })
        .buffer_unordered(usize::from(CONTENDERS))
        .collect()
        .await;
    let mut winners = Vec::new();
    for outcome in outcomes {
        match outcome.unwrap() {
            (contender, Ok(_)) => winners.push(contender),
            (_, Err(Error::AlreadyExists { .. } | Error::Precondition { .. })) => {}
            (_, Err(error)) => panic!("a create failed otherwise: {error}"),
        }
    }
    let there = store.get(&path).await.unwrap().bytes().await.unwrap();
    assert_eq!(there.len(), 20_000);
    assert!(
        winners
            .iter()
            .any(|winner| there.iter().all(|byte| byte == winner)),
        "the body is not a winner's"
    );
    winners.len()
}

/// A listing gives every object once, right after the last was written, and no others.
async fn lists_all(store: &Arc<dyn ObjectStore>, folder: &str, count: usize) {
    let names: BTreeSet<String> = (0..count)
        .map(|n| format!("{folder}/many/{:02x}/{n:05}", n % 7))
        .collect();
    futures::stream::iter(names.iter().cloned())
        .map(|name| {
            let store = Arc::clone(store);
            async move { write(&store, &Path::from(name), Bytes::from_static(b"x")).await }
        })
        .buffer_unordered(16)
        .try_collect::<Vec<_>>()
        .await
        .unwrap();
    write(store, &path(folder, "many-others"), Bytes::new())
        .await
        .unwrap();
    let listed = list(store, &path(folder, "many")).await;
    assert_eq!(listed.len(), count, "each object is listed once");
    let listed: BTreeSet<String> = listed.into_iter().collect();
    assert!(listed == names, "the listing has other names");
    assert!(list(store, &path(folder, "none")).await.is_empty());
}

/// The names below a folder, in the order of the listing; a folder that is not there is empty.
pub async fn list(store: &Arc<dyn ObjectStore>, folder: &Path) -> Vec<String> {
    let listed: Result<Vec<_>> = store.list(Some(folder)).try_collect().await;
    match listed {
        Ok(listed) => listed
            .into_iter()
            .map(|meta| meta.location.to_string())
            .collect(),
        Err(Error::NotFound { .. }) => Vec::new(),
        Err(error) => panic!("the listing failed: {error}"),
    }
}

/// A deleted object is gone from reads and listings, and its name can be created again.
async fn deletes(store: &Arc<dyn ObjectStore>, folder: &str) {
    let path = path(folder, "deleted/one");
    write(store, &path, Bytes::from_static(b"x")).await.unwrap();
    store.delete(&path).await.unwrap();
    let gone = store.get(&path).await.unwrap_err();
    assert!(matches!(gone, Error::NotFound { .. }), "{gone}");
    assert!(
        list(store, &Path::from(format!("{folder}/deleted")))
            .await
            .is_empty()
    );
    write(store, &path, Bytes::from_static(b"y")).await.unwrap();
    // Of a name that is not there, destinations say either.
    let never = store.delete(&Path::from(format!("{folder}/never"))).await;
    assert!(
        matches!(never, Ok(()) | Err(Error::NotFound { .. })),
        "{never:?}"
    );
}

//! What a repository is for.

use std::sync::Arc;

use chunkstore::{
    CheckOptions, ChunkId, ChunkKind, ChunkSink, ChunkSource, ErrorKind, Passphrase, Repository,
    SessionOptions, Suite, create_destination_from_url, destination_from_url,
};
use object_store::ObjectStore;
use object_store::memory::InMemory;

use crate::support::{
    assert_readable, cheap, create, environment, fill, names, noise, open, passphrase, prose,
    put_all, small_packs, snapshot,
};

#[tokio::test]
async fn a_committed_session_is_read_by_another_machine() {
    for suite in [Suite::Aes256Gcm, Suite::ChaCha20Poly1305] {
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let options = chunkstore::CreateOptions { suite, ..cheap() };
        let repository = Repository::create(store.clone(), &passphrase(), &options, environment(1))
            .await
            .unwrap();
        let chunks = fill(&repository, 7, 60).await;
        assert_readable(&repository, &chunks).await;
        let other = open(store.clone(), 2).await.unwrap();
        assert_eq!(other.id(), repository.id());
        assert_readable(&other, &chunks).await;
        let [snapshot] = other.snapshots().try_into().unwrap();
        assert_eq!((snapshot.name.as_str(), snapshot.partial), ("alice", false));
        assert_eq!(snapshot.value, 7u64.to_le_bytes());
        assert_eq!(repository.snapshots(), [snapshot]);
        assert_eq!(other.stats(), repository.stats());
        assert_eq!(other.stats().chunks, 60);
        assert!(
            other.stats().packs > 3,
            "several packs: {:?}",
            other.stats()
        );
        let report = other
            .check(
                &CheckOptions {
                    read_data: true,
                    part: None,
                },
                &|_| {},
            )
            .await
            .unwrap();
        assert!(report.is_clean(), "{report:?}");
        assert!(report.bytes > other.stats().stored_bytes);
    }
}

#[tokio::test]
async fn nothing_is_visible_before_the_commit_except_to_the_session_itself() {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let repository = create(store.clone()).await;
    let session = repository.session(small_packs()).await.unwrap();
    let chunks = put_all(&session, 1, 40).await.unwrap();
    session.add_snapshot(snapshot("bob", b"")).unwrap();
    assert_readable(&session, &chunks).await;
    let other = open(store, 2).await.unwrap();
    for (id, _) in &chunks {
        assert!(!repository.has_chunk(id));
        assert_eq!(
            other.get_chunk(id).await.unwrap_err().kind(),
            ErrorKind::NotFound
        );
    }
    assert!(other.snapshots().is_empty());
    let committed = session.commit().await.unwrap();
    assert_eq!(session.commit().await.unwrap(), committed);
    assert_eq!(committed.stats.chunks_new, 40);
    assert!(other.snapshots().is_empty());
    other.refresh().await.unwrap();
    assert_eq!(other.snapshots().len(), 1);
    assert_eq!(other.snapshots()[0].id, committed.snapshots[0]);
    assert_readable(&other, &chunks).await;
    assert_readable(&repository, &chunks).await;
    let late = session.put_chunk(ChunkKind::Data, noise(9, 10)).await;
    assert_eq!(late.unwrap_err().kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn a_chunk_is_stored_once() {
    let repository = create(Arc::new(InMemory::new())).await;
    let first = repository.session(small_packs()).await.unwrap();
    let plain = prose(1, 9_000);
    let id = first
        .put_chunk(ChunkKind::Data, plain.clone())
        .await
        .unwrap();
    assert_eq!(
        first
            .put_chunk(ChunkKind::Data, plain.clone())
            .await
            .unwrap(),
        id
    );
    first.commit().await.unwrap();
    let second = repository.session(small_packs()).await.unwrap();
    assert_eq!(
        second
            .put_chunk(ChunkKind::Data, plain.clone())
            .await
            .unwrap(),
        id
    );
    let stats = second.commit().await.unwrap().stats;
    assert_eq!(
        (stats.chunks_new, stats.chunks_deduplicated, stats.packs),
        (0, 1, 0)
    );
    assert_eq!(stats.deduplicated_bytes, 9_000);
    assert_eq!(repository.stats().chunks, 1);
}

#[tokio::test]
async fn an_abandoned_session_leaves_nothing_visible_and_can_not_commit() {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let repository = create(store.clone()).await;
    let session = repository.session(small_packs()).await.unwrap();
    put_all(&session, 3, 30).await.unwrap();
    session.add_snapshot(snapshot("carol", b"")).unwrap();
    session.flush().await.unwrap();
    session.abandon().await.unwrap();
    session.abandon().await.unwrap();
    assert_eq!(
        session.commit().await.unwrap_err().kind(),
        ErrorKind::Conflict
    );
    let other = open(store.clone(), 2).await.unwrap();
    assert!(other.snapshots().is_empty() && other.sessions().is_empty());
    assert!(other.problems().is_empty());
    assert!(!names(&*store, "packs").await.is_empty());
    let report = other
        .check(
            &CheckOptions {
                read_data: true,
                part: None,
            },
            &|_| {},
        )
        .await
        .unwrap();
    assert!(report.is_clean(), "{report:?}");
}

#[tokio::test]
async fn forgotten_snapshots_are_gone_for_everyone() {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let repository = create(store.clone()).await;
    fill(&repository, 1, 3).await;
    fill(&repository, 2, 3).await;
    let first = repository.snapshots()[0].id;
    repository.forget(&[first]).await.unwrap();
    assert_eq!(repository.snapshots().len(), 1);
    let other = open(store, 2).await.unwrap();
    assert_eq!(other.snapshots(), repository.snapshots());
    assert_eq!(
        other.forget(&[first]).await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
}

#[tokio::test]
async fn two_sessions_at_a_time_both_commit() {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let here = create(store.clone()).await;
    let there = open(store.clone(), 2).await.unwrap();
    let (a, b) = (
        here.session(small_packs()).await,
        there.session(small_packs()).await,
    );
    let (a, b) = (a.unwrap(), b.unwrap());
    // The same chunks in both, and some of their own.
    let (put_a, put_b) = tokio::join!(put_all(&a, 5, 30), put_all(&b, 5, 45));
    let (put_a, put_b) = (put_a.unwrap(), put_b.unwrap());
    let (done_a, done_b) = tokio::join!(a.commit(), b.commit());
    done_a.unwrap();
    done_b.unwrap();
    let reader = open(store, 3).await.unwrap();
    assert_eq!(reader.sessions().len(), 2);
    assert_readable(&reader, &put_a).await;
    assert_readable(&reader, &put_b).await;
    let report = reader
        .check(
            &CheckOptions {
                read_data: true,
                part: None,
            },
            &|_| {},
        )
        .await
        .unwrap();
    assert!(report.is_clean(), "{report:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_tasks_put_into_one_session() {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let repository = create(store.clone()).await;
    let session = repository.session(small_packs()).await.unwrap();
    let tasks: Vec<_> = (0..16u64)
        .map(|task| {
            let session = session.clone();
            // Every chunk is put by two tasks.
            tokio::spawn(async move { put_all(&session, task / 2, 40).await.unwrap() })
        })
        .collect();
    let mut all = Vec::new();
    for task in tasks {
        all.extend(task.await.unwrap());
    }
    assert_readable(&session, &all).await;
    let stats = session.commit().await.unwrap().stats;
    assert_eq!((stats.chunks_new, stats.chunks_deduplicated), (320, 320));
    let reader = open(store, 2).await.unwrap();
    assert_readable(&reader, &all).await;
}

#[tokio::test]
async fn only_the_passphrase_opens() {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    create(store.clone()).await;
    let wrong = Passphrase::new("correct horsf");
    let error = Repository::open(store.clone(), &wrong, environment(2))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Auth);
    assert!(open(store, 3).await.is_ok());
}

#[tokio::test]
async fn a_repository_is_created_once_and_only_found_where_it_is() {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    assert_eq!(
        open(store.clone(), 2).await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
    create(store.clone()).await;
    let again = Repository::create(store, &passphrase(), &cheap(), environment(2)).await;
    assert_eq!(again.unwrap_err().kind(), ErrorKind::AlreadyExists);
    let empty = Passphrase::new("");
    let refused =
        Repository::create(Arc::new(InMemory::new()), &empty, &cheap(), environment(2)).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn options_out_of_range_are_refused() {
    let repository = create(Arc::new(InMemory::new())).await;
    for options in [
        SessionOptions {
            zstd_level: 0,
            ..small_packs()
        },
        SessionOptions {
            data_pack_bytes: 1,
            ..small_packs()
        },
        SessionOptions {
            writer: "w".repeat(257),
            ..small_packs()
        },
    ] {
        assert_eq!(
            repository.session(options).await.unwrap_err().kind(),
            ErrorKind::Invalid
        );
    }
    let session = repository.session(small_packs()).await.unwrap();
    let long = session
        .put_chunk(ChunkKind::Data, noise(1, (4 << 20) + 1))
        .await;
    assert_eq!(long.unwrap_err().kind(), ErrorKind::Invalid);
    let full = session
        .put_chunk(ChunkKind::Data, noise(1, 4 << 20))
        .await
        .unwrap();
    assert_eq!(session.get_chunk(&full).await.unwrap(), noise(1, 4 << 20));
    let empty = session
        .put_chunk(ChunkKind::Meta, noise(1, 0))
        .await
        .unwrap();
    session.commit().await.unwrap();
    assert_eq!(repository.get_chunk(&empty).await.unwrap(), noise(1, 0));
    let unknown = ChunkId::from_bytes([7; 32]);
    assert_eq!(
        repository.get_chunk(&unknown).await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
}

#[tokio::test]
async fn a_folder_is_a_destination() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new").join("repository");
    let url = path.to_str().unwrap();
    assert_eq!(
        destination_from_url(url).unwrap_err().kind(),
        ErrorKind::NotFound
    );
    let repository = create(create_destination_from_url(url).unwrap()).await;
    let chunks = fill(&repository, 1, 20).await;
    let other = open(destination_from_url(&format!("file://{url}")).unwrap(), 2)
        .await
        .unwrap();
    assert_readable(&other, &chunks).await;
    let report = other
        .check(
            &CheckOptions {
                read_data: true,
                part: None,
            },
            &|_| {},
        )
        .await
        .unwrap();
    assert!(report.is_clean(), "{report:?}");
}

#[tokio::test]
async fn a_dictionary_shrinks_small_chunks_and_is_stored_twice() {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let repository = create(store.clone()).await;
    let text = prose(3, 4_000);
    let samples: Vec<u8> = noise(5, 3_000).iter().chain(&text).copied().collect();
    repository.add_dictionary(&samples).await.unwrap();
    repository.add_dictionary(&samples).await.unwrap();
    let dictionaries = names(&*store, "dicts").await;
    assert_eq!(dictionaries.len(), 2);
    let session = repository.session(small_packs()).await.unwrap();
    let inside = noise(5, 3_000);
    let id = session
        .put_chunk(ChunkKind::Data, inside.clone())
        .await
        .unwrap();
    let stats = session.commit().await.unwrap().stats;
    assert!(stats.stored_bytes < 2_000, "{stats:?}");
    // One copy is enough to read.
    let first = object_store::path::Path::from(dictionaries[0].as_str());
    testkit::flip_byte(&*store, &first, 80).await;
    let other = open(store, 2).await.unwrap();
    assert_eq!(other.get_chunk(&id).await.unwrap(), inside);
    assert_eq!(other.problems().len(), 1);
    assert_eq!(other.problems()[0].object, dictionaries[0]);
}

#[tokio::test]
async fn neither_names_nor_lengths_of_content_appear_in_what_is_stored() {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let repository = create(store.clone()).await;
    let session = repository.session(small_packs()).await.unwrap();
    let secret = "the merger is off, says alice@example.test";
    let id = session
        .put_chunk(ChunkKind::Data, secret.into())
        .await
        .unwrap();
    session
        .add_snapshot(snapshot("alice@example.test", secret.as_bytes()))
        .unwrap();
    session.commit().await.unwrap();
    for name in names(&*store, "").await {
        let path = object_store::path::Path::from(name.as_str());
        let bytes = object_store::ObjectStoreExt::get(&*store, &path)
            .await
            .unwrap()
            .bytes()
            .await
            .unwrap();
        let holds = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
        assert!(
            !holds(b"alice") && !holds(b"merger") && !holds(&id.as_bytes()[..8]),
            "{name}"
        );
    }
}

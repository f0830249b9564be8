//! An index kept in files: opening reads only what is new, and damage of a file costs nothing else.

use std::path::Path;
use std::sync::Arc;

use chunkstore::{ChunkKind, ChunkSink, ObjectStore, Repository};
use testkit::{Call, FaultyStore};

use crate::support::{assert_readable, create, environment, noise, passphrase, snapshot};

/// Enough chunks that an index goes into a file.
const MANY: u64 = 270_000;

async fn open_in(store: &Arc<FaultyStore>, folder: &Path, seed: u64) -> Repository {
    let destination: Arc<dyn ObjectStore> = store.clone();
    let folder = Some(folder);
    Repository::open_with(destination, &passphrase(), folder, environment(seed))
        .await
        .unwrap()
}

async fn put(repository: &Repository, numbers: std::ops::Range<u64>) {
    let session = repository.session(Default::default()).await.unwrap();
    for number in numbers {
        session
            .put_chunk(ChunkKind::Data, noise(number, 24))
            .await
            .unwrap();
    }
    session.add_snapshot(snapshot("alice", b"")).unwrap();
    session.commit().await.unwrap();
}

/// How often objects of the index were read.
fn index_gets(store: &FaultyStore) -> usize {
    let log = store.log();
    let gets = log.iter().filter(|record| record.call == Call::Get);
    gets.filter(|record| record.path.as_ref().starts_with("index/"))
        .count()
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let chunks = std::fs::read_dir(folder)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let files = std::fs::read_dir(chunks.join("chunks")).unwrap();
    files.map(|file| file.unwrap().path()).collect()
}

#[tokio::test]
async fn opening_reads_only_what_is_new_and_nothing_is_lost_with_a_file() {
    let store = Arc::new(FaultyStore::in_memory());
    let folder = tempfile::tempdir().unwrap();
    put(&create(store.clone()).await, 0..MANY).await;
    let opened = |seed| open_in(&store, folder.path(), seed);

    let first = opened(2).await;
    let stored = first.stats();
    assert_eq!(stored.chunks, MANY);
    let ids: Vec<_> = {
        let session = first.session(Default::default()).await.unwrap();
        let mut ids = Vec::new();
        for number in (0..MANY).step_by(9_001) {
            let plain = noise(number, 24);
            ids.push((
                session
                    .put_chunk(ChunkKind::Data, plain.clone())
                    .await
                    .unwrap(),
                plain,
            ));
        }
        assert_eq!(session.stats().chunks_new, 0, "all of them are known");
        session.abandon().await.unwrap();
        ids
    };
    assert_eq!(files(folder.path()).len(), 2, "a run, and the list of runs");

    let before = index_gets(&store);
    let second = opened(3).await;
    assert_eq!(
        index_gets(&store),
        before,
        "nothing of the index was read again"
    );
    assert_eq!(second.stats(), stored);
    assert_readable(&second, &ids).await;

    put(&second, MANY..MANY + 100).await;
    let before = index_gets(&store);
    let third = opened(4).await;
    assert_eq!(index_gets(&store), before + 1, "only what is new");
    assert_eq!(third.stats().chunks, MANY + 100);

    // Pages of the file are damaged: everything is found all the same, by reading the index anew.
    let run = files(folder.path())
        .into_iter()
        .max_by_key(|f| f.metadata().unwrap().len());
    let run = run.unwrap();
    let mut bytes = std::fs::read(&run).unwrap();
    for page in 0..MANY as usize / 146 {
        bytes[page * 4096 + 100] ^= 1;
    }
    std::fs::write(&run, bytes).unwrap();
    let fourth = opened(5).await;
    assert_readable(&fourth, &ids).await;
    assert_eq!(fourth.stats().chunks, MANY + 100);
    // What follows has no damaged file to begin with.
    let before = index_gets(&store);
    assert_readable(&opened(6).await, &ids).await;
    assert!(index_gets(&store) <= before + 3);
}

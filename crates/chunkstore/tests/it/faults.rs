//! A destination that fails, lies about creates, fills up, or outlives the process.

use std::sync::Arc;

use chunkstore::{
    CheckOptions, ChunkId, ChunkSource, Error, ErrorKind, ObjectStore, Repository, SessionOptions,
    Writers,
};
use object_store::memory::InMemory;
use testkit::{Call, Fault, FaultyStore, Rule};

use crate::support::{
    assert_readable, cheap, create, environment, fill, names, noise, open, passphrase, put_all,
    small_packs, snapshot,
};

const FULL: CheckOptions = CheckOptions {
    read_data: true,
    part: None,
};

/// One whole run of a writer on a repository that holds one commit.
async fn second_run(
    store: Arc<dyn ObjectStore>,
    machine: u64,
) -> Result<Vec<(ChunkId, bytes::Bytes)>, Error> {
    let repository = open(store, machine).await?;
    let session = repository.session(small_packs()).await?;
    let chunks = put_all(&session, 2, 20).await?;
    session.add_snapshot(snapshot("second", b"2"))?;
    session.commit().await?;
    Ok(chunks)
}

/// After a crash the repository holds the first commit whole, and the second whole or not at all.
async fn assert_whole(
    store: Arc<dyn ObjectStore>,
    first: &[(ChunkId, bytes::Bytes)],
    n: u64,
) -> bool {
    let repository = open(store.clone(), 3).await.unwrap();
    assert_readable(&repository, first).await;
    let report = repository.check(&FULL, &|_| {}).await.unwrap();
    assert!(report.is_clean(), "after call {n}: {report:?}");
    let committed = repository.snapshots().len() == 2;
    // And it can be written to: the same run succeeds now.
    let again = second_run(store.clone(), 5).await.unwrap();
    let repository = open(store, 4).await.unwrap();
    assert_eq!(repository.snapshots().len(), if committed { 3 } else { 2 });
    assert_readable(&repository, &again).await;
    assert!(repository.check(&FULL, &|_| {}).await.unwrap().is_clean());
    committed
}

#[tokio::test]
async fn a_crash_before_or_after_any_store_call_leaves_the_commit_whole_or_absent() {
    let base = InMemory::new();
    let prepared: Arc<InMemory> = Arc::new(base);
    let first = fill(&create(prepared.clone()).await, 1, 20).await;
    for fault in [Fault::Crash, Fault::CrashAfter] {
        let mut outcomes = Vec::new();
        for n in 1.. {
            let faulty = FaultyStore::new(Arc::new(prepared.fork()));
            faulty.inject(Rule::any_call(fault.clone()).nth(n));
            let done = second_run(Arc::new(faulty.clone()), 2).await;
            if !faulty.has_crashed() {
                done.unwrap();
                break;
            }
            let committed = assert_whole(faulty.inner(), &first, n).await;
            assert!(
                committed || done.is_err(),
                "success was reported for a lost commit"
            );
            outcomes.push(committed);
        }
        assert!(outcomes.len() > 15, "{outcomes:?}");
        assert!(
            outcomes
                .iter()
                .take(outcomes.len() - 1)
                .all(|committed| !committed)
        );
        assert_eq!(outcomes.last(), Some(&(fault == Fault::CrashAfter)));
    }
}

#[tokio::test]
async fn creation_can_be_repeated_after_a_crash_at_any_call() {
    for n in 1.. {
        let faulty = FaultyStore::in_memory();
        faulty.inject(Rule::any_call(Fault::CrashAfter).nth(n));
        let store: Arc<dyn ObjectStore> = Arc::new(faulty.clone());
        let done = Repository::create(store, &passphrase(), &cheap(), environment(1)).await;
        if !faulty.has_crashed() {
            done.unwrap();
            break;
        }
        let inner = faulty.inner();
        let there = names(&*inner, "")
            .await
            .contains(&"repository.json".to_owned());
        let again =
            Repository::create(inner.clone(), &passphrase(), &cheap(), environment(2)).await;
        assert_eq!(again.is_err(), there, "call {n}");
        open(inner, 3).await.unwrap();
    }
}

#[tokio::test]
async fn a_create_that_succeeded_unheard_and_was_retried_is_a_success() {
    let faulty = FaultyStore::in_memory();
    let repository = create(Arc::new(faulty.clone())).await;
    // Every create of the session: `.open`, packs, index, `.end`.
    for folder in ["sessions", "packs", "index"] {
        faulty.inject(
            Rule::new(Call::Put, Fault::RetriedCreate)
                .under(folder)
                .always(),
        );
    }
    let chunks = fill(&repository, 1, 20).await;
    faulty.heal();
    let reader = open(faulty.inner(), 2).await.unwrap();
    assert_readable(&reader, &chunks).await;
    assert_eq!(reader.snapshots().len(), 1);
}

#[tokio::test]
async fn a_commit_whose_answer_was_lost_can_be_repeated() {
    let faulty = FaultyStore::in_memory();
    let repository = create(Arc::new(faulty.clone())).await;
    let session = repository.session(small_packs()).await.unwrap();
    let chunks = put_all(&session, 1, 20).await.unwrap();
    session.add_snapshot(snapshot("alice", b"")).unwrap();
    session.flush().await.unwrap();
    faulty.inject(Rule::new(Call::Put, Fault::LoseAnswer).under("sessions"));
    let error = session.commit().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let committed = session.commit().await.unwrap();
    assert_eq!(committed.snapshots, [repository.snapshots()[0].id]);
    assert_readable(&repository, &chunks).await;
    let reader = open(faulty.inner(), 2).await.unwrap();
    assert_eq!(reader.snapshots().len(), 1);
    assert!(reader.check(&FULL, &|_| {}).await.unwrap().is_clean());
}

#[tokio::test]
async fn a_session_ended_by_somebody_else_can_not_commit() {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let repository = create(store.clone()).await;
    let custodian = open(store.clone(), 2).await.unwrap();
    let session = repository.session(small_packs()).await.unwrap();
    put_all(&session, 1, 5).await.unwrap();
    session.add_snapshot(snapshot("alice", b"")).unwrap();
    assert!(custodian.end_session(session.id()).await.unwrap());
    assert!(custodian.end_session(session.id()).await.unwrap());
    assert_eq!(
        session.commit().await.unwrap_err().kind(),
        ErrorKind::Conflict
    );
    assert_eq!(
        session.commit().await.unwrap_err().kind(),
        ErrorKind::Conflict
    );
    session.abandon().await.unwrap();
    assert!(open(store.clone(), 3).await.unwrap().snapshots().is_empty());
    let committed = repository.session(small_packs()).await.unwrap();
    committed.commit().await.unwrap();
    assert!(!custodian.end_session(committed.id()).await.unwrap());
    assert_eq!(
        committed.abandon().await.unwrap_err().kind(),
        ErrorKind::Invalid
    );
}

#[tokio::test]
async fn an_end_copied_from_another_session_is_no_decision() {
    let faulty = FaultyStore::in_memory();
    let repository = create(Arc::new(faulty.clone())).await;
    let session = repository.session(small_packs()).await.unwrap();
    let other = repository.session(small_packs()).await.unwrap();
    other.abandon().await.unwrap();
    let end = |id| object_store::path::Path::from(format!("sessions/{id}.end"));
    let store = faulty.inner();
    // Authentication binds the name.
    object_store::ObjectStoreExt::copy(&*store, &end(other.id()), &end(session.id()))
        .await
        .unwrap();
    assert_eq!(
        session.commit().await.unwrap_err().kind(),
        ErrorKind::Corrupt
    );
}

#[tokio::test]
async fn a_full_destination_is_reported_and_loses_nothing() {
    let faulty = FaultyStore::in_memory();
    let repository = create(Arc::new(faulty.clone())).await;
    let first = fill(&repository, 1, 20).await;
    faulty.inject(Rule::new(Call::Put, Fault::NoSpace).under("packs").always());
    let session = repository.session(small_packs()).await.unwrap();
    put_all(&session, 2, 4).await.unwrap();
    let error = session.commit().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoSpace, "{error:?}");
    assert!(error.to_string().contains("packs/"), "{error}");
    // It stays failed: its chunks are gone.
    faulty.heal();
    assert_eq!(
        session.commit().await.unwrap_err().kind(),
        ErrorKind::NoSpace
    );
    let more = session.stats();
    assert_eq!(more.packs, 0);
    assert_readable(&repository, &first).await;
    let again = fill(&repository, 2, 4).await;
    assert_readable(&open(faulty.inner(), 2).await.unwrap(), &again).await;
}

#[tokio::test]
async fn a_destination_that_lets_all_creates_win_is_limited_to_one_writer() {
    let faulty = FaultyStore::in_memory();
    faulty.inject(
        Rule::new(Call::Put, Fault::IgnoreCreate)
            .under("admin/probe")
            .always(),
    );
    let repository = create(Arc::new(faulty.clone())).await;
    assert_eq!(repository.writers(), Writers::Single);
    assert_eq!(
        open(faulty.inner(), 2).await.unwrap().writers(),
        Writers::Single
    );
    assert_eq!(
        create(Arc::new(InMemory::new())).await.writers(),
        Writers::Many
    );
}

#[tokio::test]
async fn a_probe_whose_answers_are_lost_still_knows_the_winner() {
    let faulty = FaultyStore::in_memory();
    faulty.inject(
        Rule::new(Call::Put, Fault::RetriedCreate)
            .under("admin/probe")
            .always(),
    );
    let repository = create(Arc::new(faulty.clone())).await;
    assert_eq!(repository.writers(), Writers::Many);
}

#[tokio::test]
async fn reading_a_chunk_is_one_ranged_read_and_neighbours_are_cached() {
    let faulty = FaultyStore::in_memory();
    let repository = create(Arc::new(faulty.clone())).await;
    let chunks = fill(&repository, 1, 20).await;
    let reader = open(Arc::new(faulty.clone()), 2).await.unwrap();
    faulty.reset_counts();
    for _ in 0..3 {
        reader.get_chunk(&chunks[4].0).await.unwrap();
    }
    assert_eq!(faulty.counts().total(), 1);
    assert_eq!(faulty.counts().gets, 1);
}

#[tokio::test]
async fn a_refresh_reads_only_what_is_new() {
    let faulty = FaultyStore::in_memory();
    let repository = create(Arc::new(faulty.clone())).await;
    for seed in 0..5 {
        fill(&repository, seed, 3).await;
    }
    let reader = open(Arc::new(faulty.clone()), 2).await.unwrap();
    faulty.reset_counts();
    reader.refresh().await.unwrap();
    assert_eq!(faulty.counts().gets, 0);
    fill(&repository, 9, 3).await;
    faulty.reset_counts();
    reader.refresh().await.unwrap();
    assert_eq!(faulty.counts().gets, 2, "one `.end`, one index");
    assert_eq!(reader.snapshots().len(), 6);
}

#[tokio::test]
async fn slow_uploads_hold_the_writer_back() {
    let faulty = FaultyStore::in_memory();
    let repository = create(Arc::new(faulty.clone())).await;
    faulty.inject(Rule::new(Call::Put, Fault::Crash).under("packs").nth(100));
    let session = repository
        .session(SessionOptions {
            data_pack_bytes: 64 << 10,
            ..small_packs()
        })
        .await
        .unwrap();
    // 8 MiB in 64 KiB packs: far more packs than may wait; dropped puts lose nothing.
    for n in 0..128 {
        let put = chunkstore::ChunkSink::put_chunk(
            &session,
            chunkstore::ChunkKind::Data,
            noise(n, 64 << 10),
        );
        match tokio::time::timeout(std::time::Duration::from_millis(1), put).await {
            Ok(Ok(_)) | Err(_) => {}
            Ok(Err(error)) => {
                assert!(faulty.has_crashed(), "{error:?}");
                return;
            }
        }
    }
    let failed = session.commit().await;
    assert!(failed.is_err() && faulty.has_crashed());
}

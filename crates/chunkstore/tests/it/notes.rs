//! Notes: kept beside the snapshots, sealed, in order, and looked at by a check.

use std::sync::Arc;

use chunkstore::{CheckOptions, ErrorKind};
use object_store::ObjectStoreExt;
use object_store::memory::InMemory;
use object_store::path::Path;

use crate::support::{create, names, open};

#[tokio::test]
async fn notes_are_read_back_in_order_by_another_machine() {
    let store: Arc<InMemory> = Arc::new(InMemory::new());
    let repository = create(store.clone()).await;
    for n in 0..3_u8 {
        repository.add_note("run", &[n; 100]).await.unwrap();
    }
    repository
        .add_note("drill", b"another topic")
        .await
        .unwrap();
    let other = open(store.clone(), 9).await.unwrap();
    let notes = other.notes("run").await.unwrap();
    assert!(notes.is_sorted() && notes.len() == 3);
    for (n, note) in (0_u8..).zip(&notes) {
        assert_eq!(other.read_note(note).await.unwrap(), [n; 100]);
        assert!(note.time_unix_ms() >= 1_790_000_000_000);
    }
    assert!(other.notes("nothing").await.unwrap().is_empty());
    for topic in ["", "Run", "a/b", "..", "seventeenletterss"] {
        assert_eq!(
            other.notes(topic).await.unwrap_err().kind(),
            ErrorKind::Invalid
        );
        assert_eq!(
            other.add_note(topic, b"").await.unwrap_err().kind(),
            ErrorKind::Invalid
        );
    }
}

#[tokio::test]
async fn a_damaged_note_is_named_by_a_check_and_costs_no_other() {
    let store: Arc<InMemory> = Arc::new(InMemory::new());
    let repository = create(store.clone()).await;
    let first = repository.add_note("run", b"first").await.unwrap();
    let second = repository.add_note("run", b"second").await.unwrap();
    let quick = CheckOptions::default();
    assert!(
        repository
            .check(&quick, &|_| {})
            .await
            .unwrap()
            .problems
            .is_empty()
    );
    let name = names(&store, "notes").await[0].clone();
    let path = Path::from(name.as_str());
    let mut bytes = store
        .get(&path)
        .await
        .unwrap()
        .bytes()
        .await
        .unwrap()
        .to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    store.put(&path, bytes.into()).await.unwrap();
    let report = repository.check(&quick, &|_| {}).await.unwrap();
    assert_eq!(report.problems.len(), 1, "{:?}", report.problems);
    assert_eq!(report.problems[0].object, name);
    let error = repository.read_note(&first).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert_eq!(repository.read_note(&second).await.unwrap(), b"second");
}

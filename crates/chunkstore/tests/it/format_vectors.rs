//! The bytes of a small repository, as `docs/format-vectors.txt` shows them to other readers.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use chunkstore::{
    Change, ChunkKind, ChunkSink, ChunkSource, CollectOptions, Error, ItemWriter, LeaveOpen,
    NewKey, NewSnapshot, ObjectStore, Opaque, Repository, SegmentOptions, SegmentStore, Unlock,
    WriterKey, write_tree,
};
use futures::{StreamExt, stream};
use object_store::ObjectStoreExt;
use testkit::{Call, Fault, FaultyStore, Rule};

use crate::support::{cheap, environment, names, passphrase, snapshot};

const HEAD: &str = "\
# A small repository, for readers written from docs/format.md: every object in hexadecimal, and what
# a reader finds in it. The passphrase is `correct horse`. A test of chunkstore makes this file and
# compares it; POSTKEEP_BLESS=1 writes it anew.
";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn show(out: &mut String, store: &dyn ObjectStore, name: &str) {
    let bytes = store.get(&name.into()).await.unwrap();
    let bytes = hex(&bytes.bytes().await.unwrap());
    writeln!(out, "\n{name}").unwrap();
    for line in bytes.as_bytes().chunks(96) {
        writeln!(out, "  {}", std::str::from_utf8(line).unwrap()).unwrap();
    }
}

/// Two items in a segment, a long one in a chunk of its own, and one of nothing.
fn items() -> [(&'static str, Vec<u8>); 4] {
    let long = "a line of a long letter\r\n".repeat(12_000);
    [
        ("empty", Vec::new()),
        ("first", b"Subject: first\r\n\r\nabc".to_vec()),
        ("long", long.into_bytes()),
        ("second", b"Subject: second\r\n\r\nabc".to_vec()),
    ]
}

/// Commits a snapshot of all items, and tells what is in it.
async fn commit(out: &mut String, repository: &Repository) {
    let session = repository.session(Default::default()).await.unwrap();
    let session = Arc::new(session);
    let segments = SegmentStore::new(session.clone(), SegmentOptions::default());
    let mut pending = Vec::new();
    for (name, bytes) in items() {
        let mut writer = ItemWriter::new(&segments, 1, Arc::new(Opaque));
        writer.push(&bytes).await.unwrap();
        pending.push((name, bytes, writer.finish().await.unwrap()));
    }
    segments.flush_all().await.unwrap();
    let mut changes = Vec::new();
    writeln!(out, "\nitems: key, length, BLAKE3, content record").unwrap();
    for (name, bytes, pending) in pending {
        let content = pending.try_content().unwrap();
        let (hash, record) = (blake3::hash(&bytes).to_hex(), hex(&content.encode()));
        writeln!(out, "  {name} {} {hash}\n    {record}", bytes.len()).unwrap();
        let change = Change::put(name.as_bytes().to_vec(), b"value".to_vec(), vec![content]);
        changes.push(Ok::<_, Error>(change));
    }
    let changes = stream::iter(changes).boxed();
    let root = write_tree(session.clone(), session.clone(), None, changes);
    let root = root.await.unwrap();
    let node = root.base.clone().unwrap().id;
    writeln!(out, "\ntree root\n  {}", hex(&root.encode())).unwrap();
    let plain = session.get_chunk(&node).await.unwrap();
    writeln!(out, "\nits node, id {node}\n  {}", hex(&plain)).unwrap();
    let new = NewSnapshot {
        root,
        ..snapshot("alice@example.test", br#"{"items":4}"#)
    };
    let id = session.add_snapshot(new).unwrap();
    session.commit().await.unwrap();
    writeln!(out, "\nsnapshot {id} of alice@example.test").unwrap();
}

async fn vectors() -> String {
    let faulty = FaultyStore::in_memory();
    let store: Arc<dyn ObjectStore> = Arc::new(faulty.clone());
    let env = environment(11);
    let repository = Repository::create(Arc::clone(&store), &passphrase(), &cheap(), env)
        .await
        .unwrap();
    let mut out = HEAD.to_owned();
    commit(&mut out, &repository).await;
    let dictionary = b"Subject: a line of a long letter\r\n\r\n".repeat(4);
    repository.add_dictionary(&dictionary).await.unwrap();
    repository
        .add_note("run", br#"{"version":1}"#)
        .await
        .unwrap();
    // A snapshot that is forgotten, and with it a pack that nothing needs.
    let session = repository.session(Default::default()).await.unwrap();
    crate::support::put_all(&session, 3, 1).await.unwrap();
    let forgotten = session
        .add_snapshot(snapshot("bob@example.test", b""))
        .unwrap();
    session.commit().await.unwrap();
    repository.forget(&[forgotten]).await.unwrap();
    writeln!(out, "\nforgotten: {forgotten} of bob@example.test").unwrap();
    let config = store.get(&"repository.json".into()).await.unwrap();
    let config = String::from_utf8(config.bytes().await.unwrap().to_vec()).unwrap();
    write!(out, "\nrepository.json\n{config}").unwrap();
    writeln!(out, "\nbefore the collection").unwrap();
    for name in names(&*store, "").await {
        if name != "repository.json" && !name.starts_with("admin/probe") {
            show(&mut out, &*store, &name).await;
        }
    }
    let known = names(&*store, "").await;
    // What a collection decides stays to be looked at: nothing can be deleted.
    faulty.inject(Rule::new(Call::Delete, Fault::Fail).always());
    let options = CollectOptions {
        rewrite_below_percent: 0,
        ..CollectOptions::default()
    };
    assert!(repository.collect(&options, &LeaveOpen).await.is_err());
    writeln!(
        out,
        "\nwhat the collection created; nothing could be deleted"
    )
    .unwrap();
    let after = names(&*store, "").await;
    for name in after.iter().filter(|name| !known.contains(name)) {
        show(&mut out, &*store, name).await;
    }
    out
}

/// What a writer stores that cannot read: the session's key, and a pack that is sealed with it.
async fn sealed() -> String {
    let store: Arc<dyn ObjectStore> = Arc::new(object_store::memory::InMemory::new());
    let reader = Repository::create(store.clone(), &passphrase(), &cheap(), environment(12))
        .await
        .unwrap();
    let key = WriterKey::generate(&environment(13));
    let new = NewKey::Writer(key.public_key());
    reader.add_key(&new, "").await.unwrap();
    let known = names(&*store, "").await;
    let unlock = Unlock::Writer(key.clone());
    let writer = Repository::open(store.clone(), unlock, environment(14));
    let writer = writer.await.unwrap();
    let session = writer.session(Default::default()).await.unwrap();
    let plain = bytes::Bytes::from_static(b"what only readers open");
    let id = session.put_chunk(ChunkKind::Data, plain.clone());
    let id = id.await.unwrap();
    session.commit().await.unwrap();
    reader.refresh().await.unwrap();
    assert_eq!(reader.get_chunk(&id).await.unwrap(), plain);
    let mut out = "\nanother repository, with a sealed session\n".to_owned();
    let config = store.get(&"repository.json".into()).await.unwrap();
    let config = String::from_utf8(config.bytes().await.unwrap().to_vec()).unwrap();
    write!(out, "\nrepository.json\n{config}").unwrap();
    writeln!(out, "\nthe writer's key: {}", *key.to_text()).unwrap();
    writeln!(out, "\nchunk {id}\n  {}", hex(&plain)).unwrap();
    for name in known.iter().filter(|name| name.starts_with("keys/")) {
        show(&mut out, &*store, name).await;
    }
    for name in names(&*store, "").await {
        if !known.contains(&name) {
            show(&mut out, &*store, &name).await;
        }
    }
    out
}

#[tokio::test]
async fn format_vectors_are_what_the_document_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/format-vectors.txt");
    let made = vectors().await + &sealed().await;
    if std::env::var_os("POSTKEEP_BLESS").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    let shown = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        made == shown,
        "docs/format-vectors.txt is not what is stored"
    );
}

use std::error::Error;
use std::io;
use std::time::Duration;

use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions};
use testkit::{Call, CallRecord, Fault, FaultyStore, Rule, flip_byte, truncate};

async fn put(store: &FaultyStore, name: &str, bytes: &str) -> object_store::Result<()> {
    let options = PutOptions::from(PutMode::Create);
    let payload = bytes.to_owned().into();
    store.put_opts(&Path::from(name), payload, options).await?;
    Ok(())
}

async fn get(store: &dyn ObjectStore, name: &str) -> object_store::Result<String> {
    let bytes = store.get(&Path::from(name)).await?.bytes().await?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[tokio::test]
async fn every_kind_of_call_is_counted_and_logged() {
    let store = FaultyStore::in_memory();
    put(&store, "a/1", "hello").await.unwrap();
    get(&store, "a/1").await.unwrap();
    store.head(&"a/1".into()).await.unwrap();
    store.get_range(&"a/1".into(), 1..3).await.unwrap();
    let listed: Vec<_> = store.list(Some(&"a".into())).try_collect().await.unwrap();
    assert_eq!(listed.len(), 1);
    store.copy(&"a/1".into(), &"a/2".into()).await.unwrap();
    store.delete(&"a/1".into()).await.unwrap();
    let counts = store.counts();
    assert_eq!((counts.puts, counts.gets, counts.heads), (1, 2, 1));
    assert_eq!((counts.deletes, counts.lists, counts.copies), (1, 1, 1));
    assert_eq!((counts.bytes_written, counts.bytes_read), (5, 7));
    assert_eq!(counts.total(), 7);
    let first = CallRecord {
        call: Call::Put,
        path: "a/1".into(),
    };
    assert_eq!(store.log().first(), Some(&first));
    store.reset_counts();
    assert_eq!(store.counts().total(), 0);
}

#[tokio::test]
async fn a_rule_strikes_its_nth_call_under_its_prefix_and_no_other() {
    let store = FaultyStore::in_memory();
    store.inject(Rule::new(Call::Put, Fault::Fail).under("packs/").nth(2));
    put(&store, "index/1", "x").await.unwrap();
    put(&store, "packs/1", "x").await.unwrap();
    get(&store, "packs/1").await.unwrap();
    put(&store, "packs/2", "x").await.unwrap_err();
    assert!(get(&store, "packs/2").await.is_err(), "nothing was stored");
    put(&store, "packs/2", "x").await.unwrap();
}

#[tokio::test]
async fn a_lost_answer_leaves_the_object_behind() {
    let store = FaultyStore::in_memory();
    store.inject(Rule::new(Call::Put, Fault::LoseAnswer));
    put(&store, "a", "x").await.unwrap_err();
    assert_eq!(get(&store, "a").await.unwrap(), "x");
    store.inject(Rule::new(Call::Put, Fault::RetriedCreate));
    let error = put(&store, "b", "y").await.unwrap_err();
    assert!(matches!(error, object_store::Error::AlreadyExists { .. }));
    assert_eq!(get(&store, "b").await.unwrap(), "y");
}

#[tokio::test]
async fn a_store_that_ignores_create_overwrites() {
    let store = FaultyStore::in_memory();
    put(&store, "a", "first").await.unwrap();
    put(&store, "a", "second").await.unwrap_err();
    store.inject(Rule::new(Call::Put, Fault::IgnoreCreate).always());
    put(&store, "a", "second").await.unwrap();
    assert_eq!(get(&store, "a").await.unwrap(), "second");
}

#[tokio::test]
async fn after_a_crash_every_call_fails_until_the_store_is_healed() {
    for (fault, survives) in [(Fault::Crash, false), (Fault::CrashAfter, true)] {
        let store = FaultyStore::in_memory();
        store.inject(Rule::any_call(fault).nth(2));
        put(&store, "a", "x").await.unwrap();
        put(&store, "b", "x").await.unwrap_err();
        assert!(store.has_crashed());
        get(&store, "a").await.unwrap_err();
        let listed: object_store::Result<Vec<_>> = store.list(None).try_collect().await;
        listed.unwrap_err();
        assert_eq!(get(&*store.inner(), "b").await.is_ok(), survives);
        store.heal();
        assert_eq!(get(&store, "a").await.unwrap(), "x");
    }
}

#[tokio::test]
async fn a_full_disk_refuses_puts_until_something_is_deleted() {
    let store = FaultyStore::in_memory();
    store.set_capacity_bytes(Some(10));
    put(&store, "a", "1234567").await.unwrap();
    let error = put(&store, "b", "1234567").await.unwrap_err();
    assert!(is_storage_full(&error), "{error:?}");
    assert!(get(&store, "b").await.is_err());
    store.delete(&"a".into()).await.unwrap();
    put(&store, "b", "1234567").await.unwrap();
    store.set_capacity_bytes(None);
    store.inject(Rule::new(Call::Put, Fault::NoSpace));
    assert!(is_storage_full(&put(&store, "c", "1").await.unwrap_err()));
}

fn is_storage_full(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            return io.kind() == io::ErrorKind::StorageFull;
        }
        cause = error.source();
    }
    false
}

#[tokio::test]
async fn damaged_reads_hit_the_object_offset_also_in_a_range() {
    let store = FaultyStore::in_memory();
    put(&store, "a", "0123456789").await.unwrap();
    let flip = Rule::new(Call::Get, Fault::FlipByte { offset: 5 });
    store.inject(flip.clone().always());
    let whole = store.get(&"a".into()).await.unwrap().bytes().await.unwrap();
    assert_eq!(whole[5], b'5' ^ 0xff);
    let range = store.get_range(&"a".into(), 4..8).await.unwrap();
    assert_eq!(range[..], [b'4', b'5' ^ 0xff, b'6', b'7']);
    let range = store.get_range(&"a".into(), 6..8).await.unwrap();
    assert_eq!(range[..], *b"67");
    store.heal();
    store.inject(Rule::new(Call::Get, Fault::Truncate { bytes: 6 }).always());
    assert_eq!(get(&store, "a").await.unwrap(), "012345");
    let range = store.get_range(&"a".into(), 4..8).await.unwrap();
    assert_eq!(range[..], *b"45");
    store.heal();
    assert_eq!(get(&store, "a").await.unwrap(), "0123456789");
}

#[tokio::test(start_paused = true)]
async fn a_delay_waits_on_the_virtual_clock() {
    let store = FaultyStore::in_memory();
    store.inject(Rule::new(
        Call::Put,
        Fault::Delay(Duration::from_secs(3600)),
    ));
    let before = tokio::time::Instant::now();
    put(&store, "a", "x").await.unwrap();
    assert!(before.elapsed() >= Duration::from_secs(3600));
}

#[tokio::test]
async fn parts_of_an_upload_are_puts_and_their_object_appears_at_the_end() {
    let store = FaultyStore::in_memory();
    store.inject(Rule::new(Call::Put, Fault::Fail).nth(4));
    let mut upload = store.put_multipart(&"big".into()).await.unwrap();
    upload.put_part("ab".into()).await.unwrap();
    upload.put_part("cd".into()).await.unwrap();
    upload.complete().await.unwrap();
    assert_eq!(get(&store, "big").await.unwrap(), "abcd");
    assert_eq!(store.counts().bytes_written, 4);
    let mut upload = store.put_multipart(&"other".into()).await.unwrap();
    upload.put_part("ab".into()).await.unwrap_err();
}

#[tokio::test]
async fn lasting_damage_stays() {
    let store = FaultyStore::in_memory();
    put(&store, "a", "0123").await.unwrap();
    flip_byte(&store, &"a".into(), 0).await;
    truncate(&store, &"a".into(), 2).await;
    let bytes = store.get(&"a".into()).await.unwrap().bytes().await.unwrap();
    assert_eq!(bytes[..], [b'0' ^ 0xff, b'1']);
}

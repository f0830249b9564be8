//! One person's mail is erased, and nothing of it is left; everybody else's stays as it was.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use chunkstore::{ChunkId, ChunkSource, TreeReader, content_chunks};
use engine::{
    EraseOptions, ErrorKind, HoldOptions, HoldTarget, Passphrase, Selection, Silent, Snapshot,
    SnapshotSelector, Vault, VaultOptions,
};
use futures::TryStreamExt;
use object_store::memory::InMemory;
use object_store::{ObjectStore, ObjectStoreExt};
use serde_json::Value;

use crate::space::with_attachment;
use crate::world::{PASSPHRASE, Server, backup, environment, in_memory, sim_with};

const ALICE: &str = "alice@example.test";
const BOB: &str = "bob@example.test";

fn options() -> EraseOptions {
    EraseOptions {
        mailbox: "Alice@Example.test".into(),
        who: "Ann".into(),
        why: "request 4711".into(),
        wait: false,
        end_open_after: Duration::from_secs(3600),
    }
}

/// Every chunk that the snapshots of a mailbox refer to.
async fn chunks_of(vault: &Vault, mailbox: &str) -> HashSet<ChunkId> {
    let source = Arc::new(vault.repository().clone());
    let mut chunks = HashSet::new();
    for info in vault.repository().snapshots() {
        if info.name != mailbox {
            continue;
        }
        let tree = TreeReader::new(source.clone(), info.root);
        let nodes: Vec<ChunkId> = tree.node_ids().try_collect().await.unwrap();
        chunks.extend(nodes);
        let mut entries = tree.all();
        while let Some(entry) = entries.try_next().await.unwrap() {
            for content in &entry.contents {
                let of_content: Vec<ChunkId> = content_chunks(source.clone(), content)
                    .try_collect()
                    .await
                    .unwrap();
                chunks.extend(of_content);
            }
        }
    }
    chunks
}

/// Every item of every snapshot, with its bytes.
async fn contents(vault: &Vault) -> BTreeMap<(String, String), Vec<u8>> {
    let mut all = BTreeMap::new();
    for snapshot in vault.snapshots().await.unwrap() {
        for entry in items(vault, &snapshot).await {
            let (_, stream) = vault.item(&snapshot, &entry).await.unwrap();
            all.insert((snapshot.id.clone(), entry), stream);
        }
    }
    all
}

async fn items(vault: &Vault, snapshot: &Snapshot) -> Vec<String> {
    let items = vault.items(snapshot, &Selection::default()).await.unwrap();
    items.into_iter().map(|entry| entry.key).collect()
}

/// A copy of what is stored without its index, so that only pack headers tell what is where, opened
/// by somebody who has never seen the repository.
async fn known_by_packs_alone(stored: &dyn ObjectStore) -> (Vault, tempfile::TempDir) {
    let copy = Arc::new(InMemory::new());
    let all: Vec<_> = stored.list(None).try_collect().await.unwrap();
    for meta in all {
        if !meta.location.as_ref().starts_with("index/") {
            let bytes = stored.get(&meta.location).await.unwrap().bytes().await;
            let bytes = bytes.unwrap();
            copy.put(&meta.location, bytes.into()).await.unwrap();
        }
    }
    let cache = tempfile::tempdir().unwrap();
    let options = VaultOptions {
        cache_dir: cache.path().to_path_buf(),
        environment: environment(),
    };
    let passphrase = Passphrase::new(PASSPHRASE);
    (
        Vault::open(copy, &passphrase, options).await.unwrap(),
        cache,
    )
}

async fn names(stored: &dyn ObjectStore) -> Vec<String> {
    let all: Vec<_> = stored.list(None).try_collect().await.unwrap();
    let mut names: Vec<String> = all.iter().map(|meta| meta.location.to_string()).collect();
    names.sort();
    names
}

/// Two people with mail of their own and one attachment in common, backed up together twice.
async fn two_people() -> (Server, Vault, Arc<testkit::FaultyStore>, tempfile::TempDir) {
    let sim = sim_with(&[ALICE, BOB], 20);
    for (name, own) in [(ALICE, 7), (BOB, 8)] {
        let mailbox = sim.mailbox(name).unwrap();
        mailbox.add_mime("Plans", &with_attachment(1)).unwrap();
        mailbox.add_mime("Inbox", &crate::world::mail(own)).unwrap();
    }
    let server = Server::start(sim).await;
    let (vault, disk, cache) = in_memory().await;
    backup(&vault, &server, &[ALICE, BOB]).await;
    let alice = server.sim.mailbox(ALICE).unwrap();
    alice.add_mime("Inbox", &crate::world::mail(4711)).unwrap();
    backup(&vault, &server, &[ALICE, BOB]).await;
    let note = serde_json::json!({
        "version": 1,
        "mailboxes": [{"mailbox": ALICE, "items": 22}, {"mailbox": BOB, "items": 22}],
        "line": format!("{ALICE} and {BOB}"),
    });
    let note = serde_json::to_vec(&note).unwrap();
    vault.add_note("run", &note).await.unwrap();
    (server, vault, disk, cache)
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_an_erased_mailbox_is_left_and_the_other_is_as_it_was() {
    let (_server, vault, disk, cache) = two_people().await;
    let (alice, bob) = (chunks_of(&vault, ALICE).await, chunks_of(&vault, BOB).await);
    let shared: HashSet<ChunkId> = alice.intersection(&bob).copied().collect();
    assert!(!shared.is_empty() && shared.len() < alice.len());
    let mut of_bob = contents(&vault).await;
    let snapshots = vault.snapshots().await.unwrap();
    of_bob.retain(|(id, _), _| snapshots.iter().any(|s| s.id == *id && s.mailbox == BOB));
    let local = |who: &str| {
        let folder = cache.path().join(vault.id());
        let files = std::fs::read_dir(folder).unwrap();
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with(who)).count()
    };
    // The index, and the file beside it that is locked.
    assert_eq!((local("alice"), local("bob")), (2, 2));

    let before = names(&*disk).await;
    let plan = vault
        .plan_erase(&options(), Arc::new(Silent))
        .await
        .unwrap();
    assert_eq!(names(&*disk).await, before);
    assert_eq!((plan.snapshots, plan.records, plan.notes), (2, 0, 1));
    assert_eq!(plan.chunks, (alice.len() - shared.len()) as u64);
    assert_eq!(plan.shared_chunks, shared.len() as u64);
    assert!(
        plan.shared_bytes > 60_000 && plan.bytes < plan.pack_bytes,
        "{plan:#?}"
    );

    let report = vault.erase(&options(), Arc::new(Silent)).await.unwrap();
    assert!(report.erased, "{report:#?}");
    // Which packs they share is left to chance; some they do.
    assert!(report.copied_bytes > 0, "{report:#?}");
    assert_eq!((report.notes, report.local_files), (1, 2), "{report:#?}");
    assert_eq!((local("alice"), local("bob")), (0, 2));
    assert!(
        vault
            .check(true, Arc::new(Silent))
            .await
            .unwrap()
            .is_clean()
    );

    // Whoever reads every pack that is left finds bob's chunks and none that were only alice's.
    let (other, _cache) = known_by_packs_alone(&*disk).await;
    for id in alice.difference(&shared) {
        assert_eq!(other.repository().stored_chunk_bytes(id), None);
        assert!(other.repository().get_chunk(id).await.is_err());
    }
    for id in &bob {
        other.repository().get_chunk(id).await.unwrap();
    }
    assert!(contents(&other).await == of_bob);
    let described = other.repository().snapshots_and_forgotten();
    assert!(described.iter().all(|info| !info.name.contains("alice")));
    let mut topics = BTreeMap::new();
    for topic in ["run", "erasure"] {
        for note in other.notes(topic).await.unwrap() {
            let body = other.read_note(&note).await.unwrap();
            let text = String::from_utf8(body).unwrap().to_lowercase();
            assert!(!text.contains("alice"), "{text}");
            let document: Value = serde_json::from_str(&text).unwrap();
            assert!(topics.insert(topic, document).is_none());
        }
    }
    assert_eq!(topics["run"]["mailboxes"].as_array().unwrap().len(), 1);
    assert_eq!(topics["run"]["line"], "(erased) and bob@example.test");
    assert_eq!(topics["erasure"]["why"], "request 4711");
    assert_eq!(topics["erasure"]["erased"], true);
    let again = vault.erase(&options(), Arc::new(Silent)).await;
    assert_eq!(again.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_is_in_the_way_until_it_is_released() {
    let (_server, vault, disk, _cache) = two_people().await;
    let because = HoldOptions {
        who: "Ann".into(),
        why: "a case".into(),
        until_unix_ms: None,
    };
    let target = HoldTarget::Mailbox(ALICE.into());
    let hold = vault.hold(target, &because).await.unwrap().remove(0);
    let before = names(&*disk).await;
    let refused = vault.erase(&options(), Arc::new(Silent)).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Denied);
    assert_eq!(names(&*disk).await, before);
    vault.release_hold(&hold.id, &because).await.unwrap();
    let report = vault.erase(&options(), Arc::new(Silent)).await.unwrap();
    assert!(report.erased && report.plan.records > 0, "{report:#?}");
    assert!(vault.holds().await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_under_way_delays_the_end_and_the_next_call_brings_it() {
    let (server, vault, _disk, _cache) = two_people().await;
    let only = chunks_of(&vault, ALICE).await;
    let open = vault
        .repository()
        .session(Default::default())
        .await
        .unwrap();
    let report = vault.erase(&options(), Arc::new(Silent)).await.unwrap();
    assert!(!report.erased && !report.left.is_empty(), "{report:#?}");
    assert_eq!(report.waiting_for.len(), 1);
    assert!(
        vault
            .select(&SnapshotSelector::Latest, Some(ALICE))
            .await
            .is_err()
    );
    open.abandon().await.unwrap();
    let report = vault.erase(&options(), Arc::new(Silent)).await.unwrap();
    assert!(report.erased && report.plan.snapshots == 2, "{report:#?}");
    // Erased is erased: a backup afterwards begins anew, and can be erased as well.
    backup(&vault, &server, &[ALICE]).await;
    assert!(!chunks_of(&vault, ALICE).await.is_disjoint(&only));
    let report = vault.erase(&options(), Arc::new(Silent)).await.unwrap();
    assert!(report.erased && report.plan.snapshots == 1, "{report:#?}");
    let named = EraseOptions {
        why: format!("{ALICE} asked for it"),
        ..options()
    };
    let refused = vault.erase(&named, Arc::new(Silent)).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Invalid);
}

/// In a bucket whose locks last half a minute: a day, by a clock that is behind.
#[cfg(feature = "s3")]
#[tokio::test(flavor = "multi_thread")]
async fn what_locks_keep_is_named_and_a_later_call_finishes() {
    const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
    let Some(service) = testkit::service("moto") else {
        return;
    };
    let folder = format!("/postkeep-locked/erase-{}", std::process::id());
    let url = service.url.replace("/postkeep/tests", &folder);
    let real = environment();
    let now = Arc::clone(&real.now_unix_ms);
    let behind = engine::Environment {
        now_unix_ms: Arc::new(move || now() - DAY_MS + 30_000),
        random: Arc::clone(&real.random),
    };
    let days = ("S3_OBJECT_LOCK_DAYS".to_owned(), "1".to_owned());
    let destination = engine::Destination::new(&url)
        .unwrap()
        .with_settings(service.settings.into_iter().chain([days]))
        .with_clock(&behind);
    let cache = tempfile::tempdir().unwrap();
    let options_of_vault = VaultOptions {
        cache_dir: cache.path().to_path_buf(),
        environment: environment(),
    };
    let (store, lock) = (destination.open().unwrap(), destination.object_lock());
    let passphrase = Passphrase::new(PASSPHRASE);
    let create = crate::world::cheap();
    let vault = Vault::create(store, &passphrase, &create, options_of_vault);
    let vault = vault.await.unwrap().with_object_lock(lock.unwrap());
    let server = Server::start(sim_with(&[ALICE, BOB], 5)).await;
    backup(&vault, &server, &[ALICE, BOB]).await;

    let report = vault.erase(&options(), Arc::new(Silent)).await.unwrap();
    assert!(!report.erased && !report.kept.is_empty(), "{report:#?}");
    assert!(
        report.left.is_empty() && !report.kept_unknown,
        "{report:#?}"
    );
    let until = report.locked_until_unix_ms.unwrap();
    let last = report.kept.iter().filter_map(|one| one.until_unix_ms).max();
    assert_eq!(last, Some(until));
    let plan = vault
        .plan_erase(&options(), Arc::new(Silent))
        .await
        .unwrap();
    assert_eq!(plan.snapshots + plan.records + plan.notes, 0);
    assert_eq!(plan.kept_before, report.kept.len() as u64);

    // As if it had been interrupted at its end: nothing tells what was hidden, so all of that counts.
    let last = vault.notes("erasure").await.unwrap().pop().unwrap();
    let removed = vault.repository().replace_note(&last, None).await;
    removed.unwrap();
    let known = report.kept.len();
    let report = vault.erase(&options(), Arc::new(Silent)).await.unwrap();
    assert_eq!(report.plan.kept_before, known as u64 + 1);
    assert!(!report.erased && report.kept.len() == known + 1);
    let until = report.locked_until_unix_ms.unwrap();

    let wait = until - (real.now_unix_ms)() + 1_500;
    tokio::time::sleep(Duration::from_millis(wait.max(0) as u64)).await;
    let report = vault.erase(&options(), Arc::new(Silent)).await.unwrap();
    assert!(report.erased && report.kept.is_empty(), "{report:#?}");
    let again = vault.erase(&options(), Arc::new(Silent)).await;
    assert_eq!(again.unwrap_err().kind(), ErrorKind::NotFound);
}

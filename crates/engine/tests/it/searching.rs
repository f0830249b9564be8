//! Searching over snapshots: what is found, where it is found, and how the index is kept.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use engine::{
    ErrorKind, ExportOptions, Policy, RetentionOptions, SearchIndexReport, SearchOptions,
    SearchResults, SnapshotSelector, TimeZone, Timestamp, Vault,
};
use ews_sim::{Deletion, Sim};
use tokio_util::sync::CancellationToken;

use crate::world::{Recorder, Server, Store, backup, latest, set, sim_with};

const ALICE: &str = "alice@example.test";
const BOB: &str = "bob@example.test";

async fn search(vault: &Vault, query: &str, options: &SearchOptions) -> SearchResults {
    let query = vault.parse_query(query).unwrap();
    let cancel = CancellationToken::new();
    let silent = Arc::new(engine::Silent);
    vault
        .search(&query, options, &cancel, silent)
        .await
        .unwrap()
}

async fn subjects(vault: &Vault, query: &str) -> Vec<String> {
    let found = search(vault, query, &SearchOptions::default()).await;
    assert_eq!(found.total, Some(found.hits.len() as u64), "{query}");
    let mut subjects: Vec<_> = found
        .hits
        .into_iter()
        .map(|hit| hit.summary.subject)
        .collect();
    subjects.sort();
    subjects
}

async fn index(vault: &Vault, rebuild: bool) -> Vec<SearchIndexReport> {
    let cancel = CancellationToken::new();
    let silent = Arc::new(engine::Silent);
    vault
        .index_for_search(&[], rebuild, &cancel, silent)
        .await
        .unwrap()
}

fn plan() -> Vec<u8> {
    b"From: Carol <carol@example.test>\r\nTo: Bob <bob@example.test>\r\nSubject: Bridge plans\r\n\
      Date: Mon, 02 Nov 2026 10:00:00 +0000\r\nMIME-Version: 1.0\r\n\
      Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: text/html\r\n\r\n\
      <p>The ca&ntilde;on <b>br</b>idge opens late.</p>\r\n--x\r\nContent-Type: text/plain\r\n\
      Content-Disposition: attachment; filename=\"girders.txt\"\r\n\r\nsteel and rivets\r\n\
      --x--\r\n"
        .to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn words_are_found_in_subject_body_and_attachments_and_hits_can_be_exported() {
    let sim = sim_with(&[ALICE, BOB], 3);
    sim.mailbox(BOB)
        .unwrap()
        .add_mime("Inbox", &plan())
        .unwrap();
    let server = Server::start(sim).await;
    let store = Store::create().await;
    backup(&store.vault, &server, &[ALICE, BOB]).await;
    let vault = &store.vault;
    for query in [
        "plans",
        "bridge opens",
        "cañon",
        "girders",
        "rivets",
        "\"opens late\"",
        "from:carol",
        "subject:\"bridge plans\"",
        "to:bob girder*",
        "has:attachment",
        "from:carol@example.test",
        "rivets mailbox:bob kind:mail folder:inbox after:2026-11 before:2026-12 size<1M",
    ] {
        assert_eq!(subjects(vault, query).await, ["Bridge plans"], "{query}");
    }
    for query in [
        "\"late opens\"",
        "rivets mailbox:alice",
        "bridge -steel",
        "nowhere",
    ] {
        assert_eq!(subjects(vault, query).await, [""; 0], "{query}");
    }
    assert_eq!(subjects(vault, "number").await.len(), 6);
    assert_eq!(subjects(vault, "").await.len(), 7);

    let found = search(vault, "rivets", &SearchOptions::default()).await;
    let (selector, mailbox, selection) = found.selections().remove(0);
    let snapshot = vault
        .select(&selector, Some(&mailbox))
        .await
        .unwrap()
        .remove(0);
    let out = tempfile::tempdir().unwrap();
    let options = ExportOptions {
        selection,
        ..ExportOptions::default()
    };
    let cancel = CancellationToken::new();
    let silent = Arc::new(engine::Silent);
    let exported = vault
        .export(&snapshot, &options, out.path(), &cancel, silent)
        .await
        .unwrap();
    assert_eq!((exported.files, exported.failures.len()), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_gone_is_found_in_the_last_snapshot_that_had_it() {
    let sim = sim_with(&[ALICE], 5);
    let mailbox = sim.mailbox(ALICE).unwrap();
    let server = Server::start(sim.clone()).await;
    let store = Store::create().await;
    backup(&store.vault, &server, &[ALICE]).await;
    let first = latest(&store.vault, ALICE).await;
    let reports = index(&store.vault, false).await;
    assert_eq!((reports[0].documents, reports[0].snapshots), (5, 1));

    let items = mailbox.items("Inbox").unwrap();
    mailbox.delete(&items[0].id, Deletion::Hard).unwrap();
    mailbox.set_read(&items[1].id, !items[1].is_read).unwrap();
    mailbox.add_mime("Inbox", &plan()).unwrap();
    backup(&store.vault, &server, &[ALICE]).await;
    let second = latest(&store.vault, ALICE).await;
    // Only the new mail is read; nothing at all the next time.
    let reports = index(&store.vault, false).await;
    assert_eq!((reports[0].documents, reports[0].snapshots), (1, 1));
    let reports = index(&store.vault, false).await;
    assert_eq!((reports[0].documents, reports[0].snapshots), (0, 0));

    let gone = search(&store.vault, "deleted-since:1d", &SearchOptions::default()).await;
    assert_eq!(gone.hits.len(), 1);
    assert_eq!(gone.hits[0].snapshot, first.id);
    assert_eq!(gone.hits[0].gone_unix_ms, Some(second.time_unix_ms));
    let (item, _) = store.vault.item(&first, &gone.hits[0].key).await.unwrap();
    assert_eq!(item.summary.subject, gone.hits[0].summary.subject);

    let of = |selector| SearchOptions {
        snapshot: Some(selector),
        ..SearchOptions::default()
    };
    for (selector, count) in [
        (SnapshotSelector::Latest, 5),
        (SnapshotSelector::Id(first.id), 5),
    ] {
        let found = search(&store.vault, "", &of(selector)).await;
        assert_eq!(found.total, Some(count));
    }
    assert_eq!(
        search(&store.vault, "", &SearchOptions::default())
            .await
            .total,
        Some(6)
    );
}

fn index_files(cache: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(cache).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(index_files(&path));
        } else if path.extension().is_some_and(|ending| ending == "pks") {
            files.push(path);
        }
    }
    files
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_index_is_made_anew_and_said_so() {
    let server = Server::start(sim_with(&[ALICE], 4)).await;
    let store = Store::create().await;
    backup(&store.vault, &server, &[ALICE]).await;
    index(&store.vault, false).await;
    for damage_manifest in [false, true] {
        let mut files = index_files(store.folder.path());
        assert_eq!(files.len(), 2);
        files.retain(|path| path.ends_with("manifest.pks") == damage_manifest);
        let path = files.remove(0);
        let mut bytes = std::fs::read(&path).unwrap();
        // A block in the middle of the segment, or the manifest's only one.
        let at = if bytes.len() > 300 {
            60
        } else {
            bytes.len() - 3
        };
        bytes[at] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let recorder = Arc::new(Recorder::default());
        let query = store.vault.parse_query("mail").unwrap();
        let cancel = CancellationToken::new();
        let options = SearchOptions::default();
        let vault = &store.vault;
        let found = vault
            .search(&query, &options, &cancel, recorder.clone())
            .await
            .unwrap();
        assert_eq!(found.total, Some(4));
        let rebuilt = recorder.rebuilt.lock().unwrap();
        assert_eq!(rebuilt.len(), 1, "{rebuilt:?}");
        assert_eq!(rebuilt[0].0, ALICE);
    }
    let reports = index(&store.vault, true).await;
    assert_eq!(reports[0].documents, 4);
    let missing = store.vault.parse_query("before:soon");
    assert_eq!(missing.unwrap_err().kind(), ErrorKind::Invalid);
}

#[tokio::test(flavor = "multi_thread")]
async fn items_without_a_native_stream_are_found_too() {
    let builder = Sim::builder().without_export_items().mailbox(BOB);
    let sim = builder.build().unwrap();
    sim.mailbox(BOB)
        .unwrap()
        .add_mime("Inbox", &plan())
        .unwrap();
    let server = Server::start(sim).await;
    let store = Store::create().await;
    backup(&store.vault, &server, &[BOB]).await;
    for query in ["plans", "cañon", "\"opens late\"", "from:carol", "to:bob"] {
        assert_eq!(
            subjects(&store.vault, query).await,
            ["Bridge plans"],
            "{query}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_outlived_its_snapshots_is_found_and_can_be_exported() {
    let (store, clock) = Store::with_clock("2026-11-01T12:00:00Z").await;
    let server = Server::start(sim_with(&[ALICE], 5)).await;
    let alice = server.sim.mailbox(ALICE).unwrap();
    backup(&store.vault, &server, &[ALICE]).await;
    let items = alice.items("Inbox").unwrap();
    alice.delete(&items[0].id, Deletion::Hard).unwrap();
    alice.edit_subject(&items[1].id, "another").unwrap();
    set(&clock, "2026-11-02T12:00:00Z");
    backup(&store.vault, &server, &[ALICE]).await;
    // The index knows the snapshot that goes, too.
    index(&store.vault, false).await;
    let now: Timestamp = "2026-11-03T12:00:00Z".parse().unwrap();
    let rules = RetentionOptions {
        policy: Policy {
            last: 1,
            deleted_items: Some("30d".parse().unwrap()),
            versions: 5,
            ..Policy::default()
        },
        mailboxes: Vec::new(),
        now: now.to_zoned(TimeZone::UTC),
        list_items: false,
    };
    store.vault.retention_apply(&rules).await.unwrap();
    assert_eq!(store.vault.snapshots().await.unwrap().len(), 1);

    let vault = &store.vault;
    let kept = |found: &SearchResults| -> Vec<(String, bool)> {
        let hits = found.hits.iter();
        hits.map(|hit| (hit.summary.subject.clone(), hit.kept))
            .collect()
    };
    let all = SearchOptions::default();
    for (query, expected) in [
        ("subject:\"mail 0\"", vec![("mail 0", true)]),
        ("subject:0", vec![("mail 0", true)]),
        ("subject:0 deleted-since:2026-11-02", vec![("mail 0", true)]),
        ("subject:0 deleted-since:2026-11-03", vec![]),
        ("subject:0 -deleted-since:2026-11-02", vec![]),
        // An older version of what is still there was not deleted.
        ("subject:1", vec![("mail 1", true)]),
        ("subject:1 deleted-since:2026-11-01", vec![]),
        ("subject:another", vec![("another", false)]),
    ] {
        let expected: Vec<(String, bool)> = expected
            .into_iter()
            .map(|(subject, kept): (&str, bool)| (subject.to_owned(), kept))
            .collect();
        let found = search(vault, query, &all).await;
        assert_eq!(kept(&found), expected, "{query}");
        assert_eq!(found.total, Some(expected.len() as u64), "{query}");
    }
    let newest = SearchOptions {
        snapshot: Some(SnapshotSelector::Latest),
        ..SearchOptions::default()
    };
    assert_eq!(search(vault, "subject:0", &newest).await.total, Some(0));

    let found = search(vault, "subject:0", &all).await;
    let (selector, mailbox, selection) = found.selections().remove(0);
    let tree = vault.select(&selector, Some(&mailbox)).await.unwrap();
    let out = tempfile::tempdir().unwrap();
    let options = ExportOptions {
        selection,
        ..ExportOptions::default()
    };
    let (cancel, silent) = (CancellationToken::new(), Arc::new(engine::Silent));
    let exported = vault
        .export(&tree[0], &options, out.path(), &cancel, silent)
        .await
        .unwrap();
    assert_eq!((exported.files, exported.failures.len()), (1, 0));
}

//! Copies into a repository with other keys: the same bytes, and never twice.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use engine::{
    CopyOptions, CopyReport, ErrorKind, Event, HoldOptions, HoldTarget, Monitor, Policy,
    RetentionOptions, Selection, Silent, TimeZone, Timestamp, Vault,
};
use ews_sim::Deletion;
use tokio_util::sync::CancellationToken;

use crate::world::{Server, Store, backup, latest, set, sim_with};

const ALICE: &str = "alice@example.test";
const BOB: &str = "bob@example.test";

async fn copy_with(from: &Vault, to: &Vault, options: &CopyOptions) -> CopyReport {
    let (cancel, monitor) = (CancellationToken::new(), Arc::new(Silent));
    let copied = from.copy_to(to, options, &cancel, monitor).await;
    copied.unwrap()
}

async fn copy(from: &Vault, to: &Vault) -> CopyReport {
    copy_with(from, to, &CopyOptions::default()).await
}

/// Every item of every snapshot and kept tree: what listings show, and its bytes.
async fn content(vault: &Vault) -> BTreeMap<(String, i64, String), (String, Vec<u8>)> {
    let mut all = BTreeMap::new();
    for snapshot in vault.snapshots_and_kept().await.unwrap() {
        let listed = vault.items(&snapshot, &Selection::default()).await;
        for entry in listed.unwrap() {
            let (_, stream) = vault.item(&snapshot, &entry.key).await.unwrap();
            let id = format!("{} {}", snapshot.id, snapshot.mailbox);
            let key = (id, snapshot.time_unix_ms, entry.key.clone());
            all.insert(key, (serde_json::to_string(&entry).unwrap(), stream));
        }
    }
    all
}

async fn assert_clean(vault: &Vault) {
    let check = vault.check(true, Arc::new(Silent)).await.unwrap();
    assert!(check.is_clean(), "{check:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_copy_moves_only_what_is_new_and_everything_is_the_same() {
    let server = Server::start(sim_with(&[ALICE, BOB], 30)).await;
    let (store, vault) = (Store::create().await, Store::create().await);
    let (from, to) = (&store.vault, &vault.vault);
    backup(from, &server, &[ALICE, BOB]).await;
    let plan = CopyOptions {
        dry_run: true,
        ..CopyOptions::default()
    };
    let planned = copy_with(from, to, &plan).await;
    assert!(to.snapshots().await.unwrap().is_empty());
    let first = copy(from, to).await;
    assert_eq!((first.snapshots.len(), first.items), (2, 60));
    assert_eq!((planned.items, planned.bytes), (first.items, first.bytes));
    assert_eq!(copy(from, to).await.snapshots_there, 2);

    let alice = server.sim.mailbox(ALICE).unwrap();
    let items = alice.items("Inbox").unwrap();
    alice.delete(&items[0].id, Deletion::Hard).unwrap();
    alice.edit_subject(&items[1].id, "edited").unwrap();
    alice.set_read(&items[2].id, true).unwrap();
    alice
        .add_mime("Inbox/New", &crate::world::mail(99))
        .unwrap();
    backup(from, &server, &[ALICE, BOB]).await;
    backup(from, &server, &[ALICE, BOB]).await;
    let planned = copy_with(from, to, &plan).await;
    let verify = CopyOptions {
        verify: true,
        ..CopyOptions::default()
    };
    let second = copy_with(from, to, &verify).await;
    assert_eq!((second.snapshots.len(), second.snapshots_there), (4, 2));
    // The edited and the new one; the read state is no reason to read an item again.
    assert_eq!((second.items, second.items_verified), (2, 2));
    assert_eq!((planned.items, planned.bytes), (second.items, second.bytes));
    assert!(second.bytes_stored < first.bytes_stored, "{second:#?}");
    assert!(content(from).await == content(to).await);
    assert_clean(to).await;
    let again = copy(from, to).await;
    assert_eq!((again.snapshots.len(), again.bytes_stored), (0, 0));

    // The copy is a repository like any other: a backup into it goes on from there.
    server.sim.reset_stats();
    let report = backup(to, &server, &[ALICE, BOB]).await;
    assert_eq!(server.sim.stats().items_exported, 0);
    assert_eq!(report.mailboxes[0].items, 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn kept_items_holds_releases_and_reports_go_along() {
    let (store, clock) = Store::with_clock("2026-11-01T12:00:00Z").await;
    let target = Store::create().await;
    let (from, to) = (&store.vault, &target.vault);
    let server = Server::start(sim_with(&[ALICE], 6)).await;
    let alice = server.sim.mailbox(ALICE).unwrap();
    backup(from, &server, &[ALICE]).await;
    let item = alice.items("Inbox").unwrap()[0].id.clone();
    alice.delete(&item, Deletion::Hard).unwrap();
    set(&clock, "2026-11-02T12:00:00Z");
    backup(from, &server, &[ALICE]).await;
    let because = |why: &str| HoldOptions {
        who: "Ann".into(),
        why: why.into(),
        until_unix_ms: None,
    };
    let held = HoldTarget::Snapshot(Box::new(latest(from, ALICE).await));
    from.hold(held, &because("a case")).await.unwrap();
    let mailbox = HoldTarget::Mailbox(BOB.to_owned());
    let released = from.hold(mailbox, &because("another")).await.unwrap();
    set(&clock, "2026-11-03T12:00:00Z");
    backup(from, &server, &[ALICE]).await;
    from.add_note("run", b"{\"version\":1}").await.unwrap();
    let options = RetentionOptions {
        policy: Policy {
            last: 1,
            deleted_items: Some("1y".parse().unwrap()),
            ..Policy::default()
        },
        mailboxes: Vec::new(),
        now: "2026-11-04T00:00:00Z"
            .parse::<Timestamp>()
            .unwrap()
            .to_zoned(TimeZone::UTC),
        list_items: false,
    };
    from.retention_apply(&options).await.unwrap();

    let report = copy(from, to).await;
    assert_eq!(
        (report.snapshots.len(), report.records),
        (2, 3),
        "{report:#?}"
    );
    assert_eq!((report.items, report.reports), (6, 1));
    assert_eq!(from.holds().await.unwrap(), to.holds().await.unwrap());
    assert!(content(from).await == content(to).await);
    let notes = to.notes("run").await.unwrap();
    assert_eq!(notes, from.notes("run").await.unwrap());
    assert_eq!(to.read_note(&notes[0]).await.unwrap(), b"{\"version\":1}");

    from.release_hold(&released[0].id, &because("closed"))
        .await
        .unwrap();
    assert_eq!(copy(from, to).await.records, 1);
    assert_eq!(from.holds().await.unwrap(), to.holds().await.unwrap());
    let again = copy(from, to).await;
    assert_eq!((again.records, again.reports), (0, 0));
    assert_clean(to).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn some_mailboxes_or_some_snapshots_are_copied_and_forgotten_ones_stay_away() {
    let server = Server::start(sim_with(&[ALICE, BOB], 3)).await;
    let (store, target) = (Store::create().await, Store::create().await);
    let (from, to) = (&store.vault, &target.vault);
    backup(from, &server, &[ALICE, BOB]).await;
    backup(from, &server, &[ALICE, BOB]).await;
    let only_bob = CopyOptions {
        mailboxes: vec!["Bob@Example.Test".into()],
        ..CopyOptions::default()
    };
    let report = copy_with(from, to, &only_bob).await;
    assert_eq!((report.snapshots.len(), report.items), (2, 3));
    let newest = latest(from, ALICE).await;
    let only_newest = CopyOptions {
        snapshots: vec![newest.id.clone()],
        ..CopyOptions::default()
    };
    assert_eq!(copy_with(from, to, &only_newest).await.snapshots.len(), 1);
    assert_eq!(latest(to, ALICE).await.id, newest.id);

    let first = to.snapshots().await.unwrap().remove(0);
    let options = RetentionOptions {
        policy: Policy::default(),
        mailboxes: Vec::new(),
        now: Timestamp::UNIX_EPOCH.to_zoned(TimeZone::UTC),
        list_items: false,
    };
    let forgotten = to.forget_snapshots(std::slice::from_ref(&first), &options, false, false);
    forgotten.await.unwrap();
    let report = copy(from, to).await;
    assert_eq!((report.snapshots.len(), report.snapshots_forgotten), (1, 1));
    let left = to.snapshots().await.unwrap();
    assert!(left.iter().all(|snapshot| snapshot.id != first.id));

    let same = store.open().await.unwrap();
    let (cancel, monitor) = (CancellationToken::new(), Arc::new(Silent));
    let all = CopyOptions::default();
    let error = from.copy_to(&same, &all, &cancel, monitor);
    assert_eq!(error.await.unwrap_err().kind(), ErrorKind::Invalid);
}

/// Cancels after so many items.
struct StopAfter(AtomicU64, CancellationToken);

impl Monitor for StopAfter {
    fn event(&self, event: Event<'_>) {
        if let Event::Transferred { items, .. } = event
            && self.0.fetch_sub(items, Ordering::Relaxed) <= items
        {
            self.1.cancel();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_copy_goes_on_and_reads_nothing_twice() {
    let server = Server::start(sim_with(&[ALICE, BOB], 40)).await;
    let (store, target) = (Store::create().await, Store::create().await);
    let (from, to) = (&store.vault, &target.vault);
    backup(from, &server, &[ALICE, BOB]).await;
    let mut items = 0;
    for after in [10, 50, 1000] {
        let cancel = CancellationToken::new();
        let monitor = Arc::new(StopAfter(AtomicU64::new(after), cancel.clone()));
        let options = CopyOptions::default();
        let report = from.copy_to(to, &options, &cancel, monitor).await.unwrap();
        assert_eq!(report.interrupted, after < 1000, "{report:#?}");
        items += report.items;
    }
    // What was under way when it was stopped is read again.
    assert!((80..=96).contains(&items), "{items}");
    assert!(content(from).await == content(to).await);
    let left = to.snapshots().await.unwrap();
    assert!(left.iter().all(|snapshot| !snapshot.partial), "{left:#?}");
    assert_clean(to).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_item_is_named_and_copied_when_it_can_be_read_again() {
    let sim = sim_with(&[ALICE], 5);
    let large = crate::space::with_attachment(1);
    let alice = sim.mailbox(ALICE).unwrap();
    alice.add_mime("Plans", &large).unwrap();
    let server = Server::start(sim).await;
    let (store, target) = (Store::create().await, Store::create().await);
    backup(&store.vault, &server, &[ALICE]).await;
    // The attachment and the others' skeletons lie in different packs, or not: every pack is
    // tried, and each time what is not copied is named.
    let packs = crate::damage::packs(&store.repository());
    let mut named = 0;
    for (round, pack) in packs.iter().enumerate() {
        let whole = std::fs::read(pack).unwrap();
        let mut damaged = whole.clone();
        for byte in &mut damaged[64..whole.len() / 2] {
            *byte ^= 0x55;
        }
        std::fs::write(pack, &damaged).unwrap();
        let from = store.open().await.unwrap();
        let target = Store::create().await;
        let (cancel, monitor) = (CancellationToken::new(), Arc::new(Silent));
        let options = CopyOptions::default();
        let report = from
            .copy_to(&target.vault, &options, &cancel, monitor)
            .await;
        std::fs::write(pack, &whole).unwrap();
        let Ok(report) = report else {
            // The tree itself: nothing is known of the snapshot.
            continue;
        };
        let there = target.vault.snapshots().await.unwrap();
        assert_eq!(there.len(), 1, "{round}: {report:#?}");
        assert_eq!(there[0].partial, !report.failures.is_empty());
        named += report.failures.len();
        for failure in &report.failures {
            assert!(!failure.folder.is_empty(), "{failure:?}");
        }
        let from = store.open().await.unwrap();
        let report = copy(&from, &target.vault).await;
        assert!(report.is_complete());
        assert!(content(&from).await == content(&target.vault).await);
    }
    assert!(named > 0);
    drop(target);
}

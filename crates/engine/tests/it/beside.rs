//! What people have beside their primary mailboxes: archives, recoverable items, public folders.

use std::sync::Arc;

use engine::{BackupOptions, BackupReport, ErrorKind, Gap, RestoreOptions, Selection, Vault};
use ews_sim::{Deletion, FaultAction, FaultPlan, FaultWhen, Sim};
use tokio_util::sync::CancellationToken;

use crate::world::{Server, Store, latest, mail, of, restore};

const ALICE: &str = "alice@example.test";
const BOB: &str = "bob@example.test";
const PUBLIC: &str = "example.test/public";

async fn run(vault: &Vault, server: &Server, options: &BackupOptions) -> BackupReport {
    vault
        .backup(
            &server.exchange(),
            options,
            &CancellationToken::new(),
            Arc::new(engine::Silent),
        )
        .await
        .unwrap()
}

fn names(report: &BackupReport) -> Vec<(&str, u64)> {
    let mailboxes = report.mailboxes.iter();
    mailboxes.map(|m| (m.mailbox.as_str(), m.items)).collect()
}

fn to(mailbox: &str) -> RestoreOptions {
    RestoreOptions {
        to_mailbox: Some(mailbox.to_owned()),
        verify: true,
        ..RestoreOptions::default()
    }
}

/// Alice's archive is in German, Bob's in English; Alice has two mails in her inbox.
async fn archives() -> Server {
    let sim = Sim::builder()
        .mailbox(ALICE)
        .mailbox(BOB)
        .archive(ALICE)
        .archive(BOB)
        .build()
        .unwrap();
    let alice = sim.mailbox(ALICE).unwrap();
    alice.add_mime("Inbox", &mail(1)).unwrap();
    alice.add_mime("Inbox", &mail(2)).unwrap();
    let archive = sim.archive(ALICE).unwrap();
    archive
        .rename_folder("Deleted Items", "Gelöschte Elemente")
        .unwrap();
    archive.add_mime("Gelöschte Elemente", &mail(3)).unwrap();
    archive.add_mime("Projekte/Alt", &mail(4)).unwrap();
    Server::start(sim).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_is_a_mailbox_of_its_own_and_a_gap_when_nobody_asks_for_it() {
    let server = archives().await;
    let store = Store::create().await;
    let report = run(&store.vault, &server, &of(&[ALICE])).await;
    assert_eq!(names(&report), [(ALICE, 2)]);
    let gaps: Vec<_> = report
        .gaps
        .iter()
        .map(|gap| (gap.what.as_str(), gap.reason.as_str()))
        .collect();
    assert!(
        gaps.contains(&("archive mailbox", "not selected")),
        "{gaps:?}"
    );
    assert!(
        gaps.contains(&("recoverable items", "not selected")),
        "{gaps:?}"
    );

    let options = BackupOptions {
        archives: true,
        recoverable: true,
        ..of(&[ALICE])
    };
    let report = run(&store.vault, &server, &options).await;
    assert_eq!(
        names(&report),
        [
            (ALICE, 2),
            ("alice@example.test/recoverable", 0),
            ("alice@example.test/archive", 2),
            ("alice@example.test/archive/recoverable", 0),
        ]
    );
    assert!(report.gaps.is_empty(), "{:?}", report.gaps);

    // Nothing changed: two requests each.
    server.sim.reset_stats();
    run(&store.vault, &server, &options).await;
    assert_eq!(server.sim.stats().requests_total, 8);
    assert_eq!(server.sim.stats().items_exported, 0);

    // By its name alone, and only what changed.
    let archive = server.sim.archive(ALICE).unwrap();
    archive.add_mime("Projekte/Alt", &mail(5)).unwrap();
    server.sim.reset_stats();
    let report = run(&store.vault, &server, &of(&["Alice@Example.Test/archive"])).await;
    assert_eq!(names(&report), [("alice@example.test/archive", 3)]);
    assert_eq!(server.sim.stats().items_exported, 1);

    let snapshot = latest(&store.vault, "alice@example.test/archive").await;
    let folders = store.vault.folders(&snapshot).await.unwrap();
    let deleted = folders
        .iter()
        .find(|folder| folder.path == "Gelöschte Elemente")
        .unwrap();
    assert_eq!(deleted.distinguished.as_deref(), Some("deleteditems"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lies_outside_the_visible_folders_is_named_as_not_covered() {
    let server = archives().await;
    let alice = server.sim.mailbox(ALICE).unwrap();
    for (folder, number) in [
        ("/Common Views", 11),
        ("/Common Views", 12),
        ("/Shortcuts", 13),
    ] {
        alice.add_mime(folder, &mail(number)).unwrap();
    }
    let store = Store::create().await;
    let report = run(&store.vault, &server, &of(&[ALICE])).await;
    assert_eq!(names(&report), [(ALICE, 2)]);
    let outside = |report: &BackupReport| {
        let mut gaps = report.gaps.iter();
        let outside = gaps.find(|gap| gap.what == "folders outside the visible tree");
        outside.map(|gap| gap.reason.clone())
    };
    let reason = "programs and the server keep 3 items in 2 folders: Common Views, Shortcuts";
    assert_eq!(outside(&report).as_deref(), Some(reason));
    assert_eq!(server.sim.stats().requests["FindFolder"], 1);

    // A server that lists no more than what users see is asked for that.
    let rule = FaultPlan::none().rule(
        "FindFolder",
        FaultWhen::Nth(1),
        FaultAction::Fail("ErrorAccessDenied".into()),
    );
    server.sim.set_faults(rule);
    alice.add_mime("Inbox", &mail(14)).unwrap();
    let report = run(&store.vault, &server, &of(&[ALICE])).await;
    assert_eq!(names(&report), [(ALICE, 3)]);
    assert_eq!(outside(&report), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_lists_one_level_only_is_asked_level_by_level() {
    let server = archives().await;
    let alice = server.sim.mailbox(ALICE).unwrap();
    alice.add_mime("Inbox/Projects/Old", &mail(11)).unwrap();
    // The store and the root, all levels of each.
    let refusal = FaultAction::Fail("ErrorInvalidOperation".into());
    let rule = FaultPlan::none().rule("FindFolder", FaultWhen::First(2), refusal);
    server.sim.set_faults(rule);
    let store = Store::create().await;
    let report = run(&store.vault, &server, &of(&[ALICE])).await;
    assert_eq!(names(&report), [(ALICE, 3)]);
    let snapshot = latest(&store.vault, ALICE).await;
    let folders = store.vault.folders(&snapshot).await.unwrap();
    assert!(
        folders
            .iter()
            .any(|folder| folder.path == "Inbox/Projects/Old")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn archives_come_back_across_languages_into_archives_and_mailboxes() {
    let server = archives().await;
    let store = Store::create().await;
    run(&store.vault, &server, &of(&["alice@example.test/archive"])).await;
    let snapshot = latest(&store.vault, "alice@example.test/archive").await;

    let report = restore(
        &store.vault,
        &snapshot,
        &server,
        &to("bob@example.test/archive"),
    )
    .await;
    assert_eq!((report.items_restored, report.items_verified), (2, 2));
    let bobs = server.sim.archive(BOB).unwrap();
    assert_eq!(bobs.item_count("Deleted Items").unwrap(), 1);
    assert_eq!(bobs.item_count("Projekte/Alt").unwrap(), 1);
    assert!(bobs.item_count("Gelöschte Elemente").is_err());

    let report = restore(&store.vault, &snapshot, &server, &to(BOB)).await;
    assert_eq!(report.items_restored, 2);
    let bob = server.sim.mailbox(BOB).unwrap();
    assert_eq!(bob.item_count("deleteditems").unwrap(), 1);
    assert_eq!(bob.item_count("Projekte/Alt").unwrap(), 1);

    // Back to where it came from: what is gone, and nothing else.
    let archive = server.sim.archive(ALICE).unwrap();
    let gone = archive.items("Projekte/Alt").unwrap().remove(0);
    archive.delete(&gone.id, Deletion::Hard).unwrap();
    let report = restore(&store.vault, &snapshot, &server, &RestoreOptions::default()).await;
    assert_eq!((report.items_restored, report.items_skipped), (1, 1));
    assert_eq!(archive.item_count("Projekte/Alt").unwrap(), 1);
    let again = restore(&store.vault, &snapshot, &server, &RestoreOptions::default()).await;
    assert_eq!(again.items_restored, 0);
    assert_eq!(server.sim.sent_messages(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn recoverable_items_are_read_and_go_back_into_the_mailbox() {
    let server = archives().await;
    let alice = server.sim.mailbox(ALICE).unwrap();
    for item in alice.items("Inbox").unwrap() {
        alice.delete(&item.id, Deletion::Soft).unwrap();
    }
    let store = Store::create().await;
    let name = "alice@example.test/recoverable";
    let report = run(&store.vault, &server, &of(&[name])).await;
    assert_eq!(names(&report), [(name, 2)]);
    let snapshot = latest(&store.vault, name).await;
    let deletions = Selection::of_folders(["@recoverableitemsdeletions".to_owned()]);
    let items = store.vault.items(&snapshot, &deletions).await.unwrap();
    assert_eq!(items.len(), 2);

    let report = restore(&store.vault, &snapshot, &server, &RestoreOptions::default()).await;
    assert_eq!((report.mailbox.as_str(), report.items_restored), (ALICE, 2));
    assert_eq!(alice.item_count("Recovered Items/Deletions").unwrap(), 2);
    let again = restore(&store.vault, &snapshot, &server, &RestoreOptions::default()).await;
    assert_eq!((again.items_restored, again.items_skipped), (0, 2));

    let error = store
        .vault
        .restore(
            &snapshot,
            &server.exchange(),
            &to(name),
            &CancellationToken::new(),
            Arc::new(engine::Silent),
        )
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
}

#[tokio::test(flavor = "multi_thread")]
async fn public_folders_are_listed_level_by_level_and_compared_without_any_sync() {
    let sim = Sim::builder()
        .mailbox(ALICE)
        .public_folders()
        .build()
        .unwrap();
    let public = sim.public_folders().unwrap();
    for number in 0..5 {
        public.add_mime("Sales/Offers/2026", &mail(number)).unwrap();
    }
    public.add_mime("News", &mail(7)).unwrap();
    let server = Server::start(sim).await;
    let store = Store::create().await;
    let reader = of(&["alice@example.test/public"]);
    let report = run(&store.vault, &server, &reader).await;
    assert_eq!(names(&report), [(PUBLIC, 6)]);
    assert!(!server.sim.stats().requests.contains_key("SyncFolderItems"));

    // Unchanged: only the hierarchy is looked at.
    server.sim.reset_stats();
    run(&store.vault, &server, &reader).await;
    let stats = server.sim.stats();
    assert_eq!(stats.items_exported, 0);
    assert_eq!(
        stats.requests.keys().collect::<Vec<_>>(),
        ["FindFolder", "GetFolder"]
    );

    let items = public.items("Sales/Offers/2026").unwrap();
    public.edit_subject(&items[0].id, "edited").unwrap();
    public.delete(&items[1].id, Deletion::Hard).unwrap();
    public.add_mime("Sales/Offers/2026", &mail(8)).unwrap();
    server.sim.reset_stats();
    let report = run(&store.vault, &server, &reader).await;
    let mine = &report.mailboxes[0];
    assert_eq!(
        (mine.items, mine.items_downloaded, mine.items_deleted),
        (6, 2, 1)
    );
    assert_eq!(server.sim.stats().items_exported, 2);
    // A new machine has the same to compare with.
    let fresh = Store::create().await;
    let report = run(&fresh.vault, &server, &reader).await;
    assert_eq!(names(&report), [(PUBLIC, 6)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn items_go_from_public_folders_into_mailboxes_and_back() {
    let sim = Sim::builder()
        .mailbox(ALICE)
        .mailbox(BOB)
        .public_folders()
        .build()
        .unwrap();
    let public = sim.public_folders().unwrap();
    public.add_mime("Sales/Offers", &mail(1)).unwrap();
    sim.mailbox(ALICE)
        .unwrap()
        .add_mime("Projects/Bridge", &mail(2))
        .unwrap();
    let server = Server::start(sim).await;
    let store = Store::create().await;
    run(
        &store.vault,
        &server,
        &of(&[ALICE, "bob@example.test/public"]),
    )
    .await;

    let snapshot = latest(&store.vault, PUBLIC).await;
    let report = restore(&store.vault, &snapshot, &server, &to(BOB)).await;
    assert_eq!((report.items_restored, report.items_verified), (1, 1));
    let bob = server.sim.mailbox(BOB).unwrap();
    assert_eq!(bob.item_count("Sales/Offers").unwrap(), 1);

    let snapshot = latest(&store.vault, ALICE).await;
    let projects = RestoreOptions {
        selection: Selection::of_folders(["Projects".to_owned()]),
        to_folder: Some("From Alice".into()),
        ..to("bob@example.test/public")
    };
    let report = restore(&store.vault, &snapshot, &server, &projects).await;
    assert_eq!(report.items_restored, 1);
    assert_eq!(public.item_count("From Alice/Projects/Bridge").unwrap(), 1);
    let again = restore(&store.vault, &snapshot, &server, &projects).await;
    assert_eq!((again.items_restored, again.items_skipped), (0, 1));
    assert_eq!(server.sim.sent_messages(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_that_cannot_be_opened_is_a_gap_with_its_reason() {
    let server = archives().await;
    let store = Store::create().await;
    let report = run(&store.vault, &server, &of(&[ALICE, "nobody@example.test"])).await;
    assert!(!report.is_complete());
    let gap = report
        .gaps
        .iter()
        .find(|gap| gap.what == Gap::WHOLE_MAILBOX)
        .unwrap();
    assert_eq!(gap.mailbox, "nobody@example.test");
    assert!(!gap.reason.is_empty());
}

//! Where restored items go, and that they never come twice.

use engine::{RestoreOptions, Selection};
use ews_sim::{Deletion, FaultAction, FaultPlan, FaultWhen, Sim};

use crate::world::{Server, Store, backup, latest, restore, sim_with};

const ALICE: &str = "alice@example.test";
const BOB: &str = "bob@example.test";

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_counts_and_writes_nothing() {
    let server = Server::start(sim_with(&[ALICE, BOB], 20)).await;
    let store = Store::create().await;
    backup(&store.vault, &server, &[ALICE]).await;
    let snapshot = latest(&store.vault, ALICE).await;
    server.sim.reset_stats();
    for to_folder in [Some("Restored"), None] {
        let options = RestoreOptions {
            to_mailbox: Some(BOB.into()),
            to_folder: to_folder.map(str::to_owned),
            dry_run: true,
            ..RestoreOptions::default()
        };
        let plan = restore(&store.vault, &snapshot, &server, &options).await;
        assert_eq!(plan.items_restored, 20);
        let inbox = to_folder.map_or("Inbox".to_owned(), |folder| format!("{folder}/Inbox"));
        let planned = plan
            .folders
            .iter()
            .find(|folder| folder.path == inbox)
            .unwrap();
        assert_eq!(planned.created, to_folder.is_some());
        assert_eq!(server.sim.stats().items_uploaded, 0);
        let bob = server.sim.mailbox(BOB).unwrap();
        assert_eq!(bob.item_count("Inbox").unwrap(), 20);
        assert!(!bob.folders().iter().any(|folder| folder.path == "Restored"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_restore_adds_nothing() {
    let server = Server::start(sim_with(&[ALICE], 120)).await;
    let store = Store::create().await;
    backup(&store.vault, &server, &[ALICE]).await;
    let snapshot = latest(&store.vault, ALICE).await;
    let mailbox = server.sim.mailbox(ALICE).unwrap();
    for item in &mailbox.items("Inbox").unwrap()[..50] {
        mailbox.delete(&item.id, Deletion::Hard).unwrap();
    }
    let options = RestoreOptions::default();
    let first = restore(&store.vault, &snapshot, &server, &options).await;
    assert_eq!((first.items_restored, first.items_skipped), (50, 70));
    let second = restore(&store.vault, &snapshot, &server, &options).await;
    assert_eq!((second.items_restored, second.items_skipped), (0, 120));
    assert_eq!(mailbox.item_count("Inbox").unwrap(), 120);

    // The same after the restored items were backed up themselves.
    backup(&store.vault, &server, &[ALICE]).await;
    let snapshot = latest(&store.vault, ALICE).await;
    let third = restore(&store.vault, &snapshot, &server, &options).await;
    assert_eq!((third.items_restored, third.items_skipped), (0, 120));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_breaks_while_uploading_doubles_nothing() {
    let server = Server::start(sim_with(&[ALICE], 300)).await;
    let store = Store::create().await;
    backup(&store.vault, &server, &[ALICE]).await;
    let snapshot = latest(&store.vault, ALICE).await;
    let target = Server::start(Sim::builder().mailbox(ALICE).build().unwrap()).await;
    // The server takes the items; the answer is lost.
    target.sim.set_faults(FaultPlan::none().rule(
        "UploadItems",
        FaultWhen::Every(3),
        FaultAction::Cut(100),
    ));
    let options = RestoreOptions {
        verify: true,
        ..RestoreOptions::default()
    };
    let report = restore(&store.vault, &snapshot, &target, &options).await;
    assert_eq!((report.items_restored, report.items_verified), (300, 300));
    assert_eq!(
        target
            .sim
            .mailbox(ALICE)
            .unwrap()
            .item_count("Inbox")
            .unwrap(),
        300
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_read_state_of_the_snapshot_comes_back() {
    let server = Server::start(sim_with(&[ALICE], 10)).await;
    let store = Store::create().await;
    backup(&store.vault, &server, &[ALICE]).await;
    let mailbox = server.sim.mailbox(ALICE).unwrap();
    for (number, item) in mailbox.items("Inbox").unwrap().iter().enumerate() {
        mailbox.set_read(&item.id, number % 3 == 0).unwrap();
    }
    backup(&store.vault, &server, &[ALICE]).await;
    let snapshot = latest(&store.vault, ALICE).await;
    let target = Server::start(Sim::builder().mailbox(ALICE).build().unwrap()).await;
    let options = RestoreOptions {
        verify: true,
        ..RestoreOptions::default()
    };
    let report = restore(&store.vault, &snapshot, &target, &options).await;
    assert_eq!(report.items_verified, 10);
    let restored = target.sim.mailbox(ALICE).unwrap().items("Inbox").unwrap();
    for item in mailbox.items("Inbox").unwrap() {
        let back = restored
            .iter()
            .find(|other| other.subject == item.subject)
            .unwrap();
        assert_eq!(back.is_read, item.is_read, "{}", item.subject);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_the_server_refuses_is_restored_from_its_portable_form_and_told() {
    let server = Server::start(sim_with(&[ALICE], 10)).await;
    let store = Store::create().await;
    backup(&store.vault, &server, &[ALICE]).await;
    let snapshot = latest(&store.vault, ALICE).await;
    let target = Server::start(Sim::builder().mailbox(ALICE).build().unwrap()).await;
    target.sim.set_faults(FaultPlan::none().rule(
        "UploadItems",
        FaultWhen::Every(4),
        FaultAction::Fail("ErrorCorruptData".into()),
    ));
    let options = RestoreOptions::default();
    let report = restore(&store.vault, &snapshot, &target, &options).await;
    assert_eq!((report.items_restored, report.items_converted), (10, 2));
    assert_eq!(report.fallbacks.len(), 2);
    for fallback in &report.fallbacks {
        assert!(fallback.subject.starts_with("mail "), "{fallback:?}");
        assert!(fallback.reason.contains("ErrorCorruptData"), "{fallback:?}");
    }
    let inbox = || target.sim.mailbox(ALICE).unwrap().items("Inbox").unwrap();
    let mut subjects: Vec<_> = inbox().into_iter().map(|item| item.subject).collect();
    subjects.sort();
    let mut expected: Vec<_> = (0..10).map(|number| format!("mail {number}")).collect();
    expected.sort();
    assert_eq!(subjects, expected);
    assert_eq!(target.sim.sent_messages(), 0);
    let again = restore(&store.vault, &snapshot, &target, &options).await;
    assert_eq!((again.items_restored, again.items_skipped), (0, 10));
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_are_chosen_and_placed() {
    let server = Server::start(sim_with(&[ALICE, BOB], 5)).await;
    let alice = server.sim.mailbox(ALICE).unwrap();
    alice.create_folder("Inbox/Projects/Deep").unwrap();
    alice
        .add_mime("Inbox/Projects/Deep", &crate::world::mail(77))
        .unwrap();
    let store = Store::create().await;
    backup(&store.vault, &server, &[ALICE]).await;
    let snapshot = latest(&store.vault, ALICE).await;
    let options = |folder: &str, to: Option<&str>| RestoreOptions {
        selection: Selection::of_folders([folder.to_owned()]),
        to_mailbox: Some(BOB.into()),
        to_folder: to.map(str::to_owned),
        ..RestoreOptions::default()
    };
    let bob = server.sim.mailbox(BOB).unwrap();
    restore(
        &store.vault,
        &snapshot,
        &server,
        &options("Inbox/Projects", Some("From Alice")),
    )
    .await;
    assert_eq!(bob.item_count("From Alice/Projects/Deep").unwrap(), 1);
    restore(
        &store.vault,
        &snapshot,
        &server,
        &options("Inbox/Projects", None),
    )
    .await;
    assert_eq!(bob.item_count("Inbox/Projects/Deep").unwrap(), 1);

    let item = &alice.items("Inbox/Projects/Deep").unwrap()[0];
    let single = RestoreOptions {
        selection: Selection::of_items([item.id.clone()]),
        ..options("", Some("Just this"))
    };
    restore(&store.vault, &snapshot, &server, &single).await;
    assert_eq!(bob.item_count("Just this").unwrap(), 1);
    assert_eq!(bob.item_count("Inbox").unwrap(), 5);
}

//! Operations that a server stops half way: batches that run out of time, servers that end with a
//! batch half done. What got through is found out; nothing is there twice and nothing is missing.

use std::collections::BTreeMap;

use engine::{RestoreMode, RestoreOptions};
use ews_sim::{FaultAction, FaultPlan, FaultWhen, MailboxHandle, Sim};

use crate::world::{Server, Store, backup, latest, restore, sim_with};

const ALICE: &str = "alice@example.test";
const MAILS: usize = 300;

/// How often each subject is there.
fn subjects(mailbox: &MailboxHandle) -> BTreeMap<String, u32> {
    let mut all = BTreeMap::new();
    for item in mailbox.items("Inbox").unwrap() {
        *all.entry(item.subject).or_default() += 1;
    }
    all
}

fn assert_each_once(server: &Server) {
    let all = subjects(&server.sim.mailbox(ALICE).unwrap());
    assert_eq!(all.len(), MAILS);
    let twice: Vec<_> = all.iter().filter(|(_, times)| **times != 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
}

/// The first requests stop after some entries, later ones now and then after more.
fn plan(operation: &str, stop: impl Fn(u32) -> FaultAction) -> FaultPlan {
    FaultPlan::none()
        .rule(operation, FaultWhen::Nth(1), stop(0))
        .rule(operation, FaultWhen::Nth(1), stop(1))
        .rule(operation, FaultWhen::Every(3), stop(7))
}

async fn stored() -> (Server, Store) {
    let server = Server::start(sim_with(&[ALICE], MAILS)).await;
    let store = Store::create().await;
    backup(&store.vault, &server, &[ALICE]).await;
    (server, store)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_that_stops_half_way_is_continued_with_what_is_missing() {
    for stop in [FaultAction::Stop, FaultAction::Expire] {
        let server = Server::start(sim_with(&[ALICE], MAILS)).await;
        server.sim.set_faults(plan("ExportItems", stop));
        let store = Store::create().await;
        let report = backup(&store.vault, &server, &[ALICE]).await;
        assert_eq!(report.mailboxes[0].items, MAILS as u64);
        assert!(server.sim.stats().faults_injected >= 3);
        let target = Server::start(Sim::builder().mailbox(ALICE).build().unwrap()).await;
        let snapshot = latest(&store.vault, ALICE).await;
        restore(&store.vault, &snapshot, &target, &RestoreOptions::default()).await;
        assert_each_once(&target);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_whose_tail_runs_out_of_time_keep_what_was_served() {
    let server = Server::start(sim_with(&[ALICE], MAILS)).await;
    let limit = FaultPlan::none().rule("ExportItems", FaultWhen::Always, FaultAction::Expire(20));
    server.sim.set_faults(limit);
    let store = Store::create().await;
    let report = backup(&store.vault, &server, &[ALICE]).await;
    assert_eq!(report.mailboxes[0].items, MAILS as u64);
    // Each item was sent once: what a batch served was kept, and only the rest was asked for.
    assert_eq!(server.sim.stats().items_exported, MAILS as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_stops_half_way_doubles_nothing_and_loses_nothing() {
    let (_source, store) = stored().await;
    let snapshot = latest(&store.vault, ALICE).await;
    for stop in [FaultAction::Stop, FaultAction::Expire] {
        let target = Server::start(Sim::builder().mailbox(ALICE).build().unwrap()).await;
        target.sim.set_faults(plan("UploadItems", stop));
        let options = RestoreOptions {
            verify: true,
            ..RestoreOptions::default()
        };
        let report = restore(&store.vault, &snapshot, &target, &options).await;
        assert_eq!(report.items_restored, MAILS as u64);
        // Items whose answers were lost are read back like all others.
        assert_eq!(report.items_verified, MAILS as u64);
        assert_each_once(&target);
        // The server stored every item once: what had got through was never sent again.
        assert_eq!(target.sim.stats().items_uploaded, MAILS as u64);
        assert!(target.sim.stats().faults_injected >= 3);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn replacing_live_items_that_stops_half_way_ends_with_what_is_stored() {
    let (server, store) = stored().await;
    let snapshot = latest(&store.vault, ALICE).await;
    let mailbox = server.sim.mailbox(ALICE).unwrap();
    for item in &mailbox.items("Inbox").unwrap()[..90] {
        mailbox.edit_subject(&item.id, "edited").unwrap();
    }
    server
        .sim
        .set_faults(plan("UploadItems", FaultAction::Stop));
    let options = RestoreOptions {
        mode: RestoreMode::Overwrite,
        ..RestoreOptions::default()
    };
    let report = restore(&store.vault, &snapshot, &server, &options).await;
    assert_eq!(report.items_replaced, 90);
    assert_each_once(&server);
    assert!(!subjects(&mailbox).contains_key("edited"));
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_back_that_stops_half_way_is_continued_with_what_is_missing() {
    let (_source, store) = stored().await;
    let snapshot = latest(&store.vault, ALICE).await;
    for stop in [FaultAction::Stop, FaultAction::Expire] {
        let native = Sim::builder().mailbox(ALICE);
        let portable = Sim::builder().mailbox(ALICE).without_export_items();
        for (target, read) in [(native, "ExportItems"), (portable, "GetItem")] {
            let target = Server::start(target.build().unwrap()).await;
            target.sim.set_faults(plan(read, stop));
            let options = RestoreOptions {
                verify: true,
                ..RestoreOptions::default()
            };
            let report = restore(&store.vault, &snapshot, &target, &options).await;
            assert_eq!(report.items_verified, MAILS as u64);
            assert!(target.sim.stats().faults_injected >= 3);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn creating_items_that_stops_half_way_doubles_nothing_and_loses_nothing() {
    let (_source, store) = stored().await;
    let snapshot = latest(&store.vault, ALICE).await;
    for stop in [FaultAction::Stop, FaultAction::Expire] {
        let target = Sim::builder().mailbox(ALICE).without_export_items();
        let target = Server::start(target.build().unwrap()).await;
        target.sim.set_faults(plan("CreateItem", stop));
        let options = RestoreOptions {
            verify: true,
            ..RestoreOptions::default()
        };
        let report = restore(&store.vault, &snapshot, &target, &options).await;
        assert_eq!(report.items_converted, MAILS as u64);
        assert_eq!(report.items_verified, MAILS as u64);
        assert_each_once(&target);
        assert_eq!(target.sim.stats().items_created, MAILS as u64);
    }
}

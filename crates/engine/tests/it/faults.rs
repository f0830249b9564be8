//! A server that is busy, cuts answers short, or refuses single items.

use ews_sim::{BusyShape, FaultAction, FaultPlan, FaultWhen};

use crate::world::{Server, Store, backup, sim_with, try_backup};

const ALICE: &str = "alice@example.test";

async fn survives(plan: FaultPlan) {
    let server = Server::start(sim_with(&[ALICE], 400)).await;
    server.sim.set_faults(plan.clone());
    let store = Store::create().await;
    let report = backup(&store.vault, &server, &[ALICE]).await;
    assert_eq!(report.mailboxes[0].items, 400, "{plan:?}");
    assert!(server.sim.stats().faults_injected > 0, "{plan:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_server_is_waited_for() {
    for shape in [BusyShape::Http503, BusyShape::Fault500, BusyShape::Inner200] {
        let busy = FaultAction::Busy {
            back_off_ms: 20,
            shape,
        };
        survives(FaultPlan::none().rule("ExportItems", FaultWhen::First(3), busy.clone())).await;
        survives(FaultPlan::none().rule("SyncFolderItems", FaultWhen::First(2), busy)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_cut_short_are_asked_for_again() {
    survives(FaultPlan::none().rule("ExportItems", FaultWhen::First(2), FaultAction::Truncate))
        .await;
    survives(FaultPlan::none().rule("ExportItems", FaultWhen::Every(3), FaultAction::Cut(20_000)))
        .await;
    survives(FaultPlan::none().rule(
        "ExportItems",
        FaultWhen::Chance(0.05),
        FaultAction::Fail("ErrorTimeoutExpired".into()),
    ))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_that_cannot_be_read_is_named_and_tried_again_next_time() {
    let server = Server::start(sim_with(&[ALICE], 100)).await;
    server.sim.set_faults(FaultPlan::none().rule_for(
        "ExportItems",
        "mail 42",
        FaultWhen::Always,
        FaultAction::Fail("ErrorCorruptData".into()),
    ));
    let store = Store::create().await;
    let report = try_backup(&store.vault, &server, &[ALICE]).await.unwrap();
    assert!(!report.is_complete());
    assert_eq!(report.failures.len(), 1, "{:#?}", report.failures);
    let failure = &report.failures[0];
    assert_eq!(
        (failure.folder.as_str(), failure.subject.as_str()),
        ("Inbox", "mail 42")
    );
    assert!(
        failure.reason.contains("ErrorCorruptData"),
        "{}",
        failure.reason
    );
    assert_eq!(report.mailboxes[0].items, 99);

    server.sim.set_faults(FaultPlan::none());
    server.sim.reset_stats();
    let report = backup(&store.vault, &server, &[ALICE]).await;
    assert_eq!(server.sim.stats().items_exported, 1);
    assert_eq!(report.mailboxes[0].items, 100);
}

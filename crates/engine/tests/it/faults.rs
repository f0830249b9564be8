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

/// Ends every session that is open, as a custodian does who takes it for dead, a few times.
struct Impatient {
    vault: engine::Vault,
    times: std::sync::atomic::AtomicU32,
    warnings: std::sync::atomic::AtomicU32,
}

impl engine::Monitor for Impatient {
    fn event(&self, event: engine::Event<'_>) {
        use std::sync::atomic::Ordering::Relaxed;
        if let engine::Event::Warning { .. } = event {
            self.warnings.fetch_add(1, Relaxed);
        }
        if !matches!(event, engine::Event::MailboxFinished { .. }) || self.times.load(Relaxed) == 0
        {
            return;
        }
        self.times.fetch_sub(1, Relaxed);
        let repository = self.vault.repository().clone();
        tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(async {
                for open in repository.open_sessions().await.unwrap() {
                    assert!(repository.end_session(open.id).await.unwrap());
                }
            });
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_a_custodian_ended_is_read_again_a_few_times() {
    let server = Server::start(sim_with(&[ALICE], 8)).await;
    for (times, whole) in [(2, true), (9, false)] {
        let store = Store::create().await;
        let monitor = std::sync::Arc::new(Impatient {
            vault: store.open().await.unwrap(),
            times: times.into(),
            warnings: 0.into(),
        });
        let exchange = server.exchange();
        let (options, cancel) = (
            crate::world::of(&[ALICE]),
            tokio_util::sync::CancellationToken::new(),
        );
        let run = store
            .vault
            .backup(&exchange, &options, &cancel, monitor.clone());
        let run = run.await;
        let warnings = monitor.warnings.load(std::sync::atomic::Ordering::Relaxed);
        match whole {
            true => {
                assert_eq!((run.unwrap().mailboxes[0].items, warnings), (8, 2));
                let check = store.vault.check(true, std::sync::Arc::new(engine::Silent));
                assert!(check.await.unwrap().is_clean());
            }
            false => {
                assert_eq!(run.unwrap_err().kind(), engine::ErrorKind::Conflict);
                assert_eq!(warnings, 3);
            }
        }
    }
}

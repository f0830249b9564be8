//! What a second run costs.

use ews_sim::Deletion;
use fasttransfer::tag;
use tokio_util::sync::CancellationToken;

use crate::world::{Server, Store, backup, latest, restore, sim_with};
use engine::{RestoreOptions, Selection};

const ALICE: &str = "alice@example.test";

#[tokio::test(flavor = "multi_thread")]
async fn a_run_without_changes_makes_at_most_three_requests_a_mailbox_and_downloads_nothing() {
    let mailboxes = [ALICE, "bob@example.test", "carol@example.test"];
    let server = Server::start(sim_with(&mailboxes, 30)).await;
    let store = Store::create().await;
    backup(&store.vault, &server, &mailboxes).await;
    server.sim.reset_stats();
    let report = backup(&store.vault, &server, &mailboxes).await;
    let stats = server.sim.stats();
    assert!(
        stats.requests_total <= 3 * mailboxes.len() as u64,
        "{stats:#?}"
    );
    assert_eq!(stats.items_exported, 0);
    assert!(
        report
            .mailboxes
            .iter()
            .all(|mailbox| mailbox.items == 30 && mailbox.items_downloaded == 0)
    );
    assert_eq!(store.vault.snapshots().await.unwrap().len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_changed_is_downloaded_and_the_deleted_stays_restorable() {
    let server = Server::start(sim_with(&[ALICE], 1000)).await;
    let store = Store::create().await;
    let first = backup(&store.vault, &server, &[ALICE]).await;
    assert_eq!(first.mailboxes[0].items_downloaded, 1000);
    let before = latest(&store.vault, ALICE).await;

    let mailbox = server.sim.mailbox(ALICE).unwrap();
    let items = mailbox.items("Inbox").unwrap();
    mailbox.create_folder("Inbox/Archive").unwrap();
    for number in 1000..1020 {
        mailbox
            .add_mime("Inbox", &crate::world::mail(number))
            .unwrap();
    }
    for item in &items[0..5] {
        mailbox.edit_subject(&item.id, "edited").unwrap();
    }
    for item in &items[5..10] {
        mailbox.move_item(&item.id, "Inbox/Archive").unwrap();
    }
    for item in &items[10..15] {
        mailbox.delete(&item.id, Deletion::Hard).unwrap();
    }
    for item in &items[15..20] {
        mailbox.set_read(&item.id, !item.is_read).unwrap();
    }
    server.sim.reset_stats();
    let report = backup(&store.vault, &server, &[ALICE]).await;
    let mine = &report.mailboxes[0];
    assert_eq!(
        server.sim.stats().items_exported,
        30,
        "20 new, 5 edited, 5 moved"
    );
    assert_eq!(
        (mine.items_downloaded, mine.items_flagged, mine.items),
        (30, 5, 1015)
    );

    let after = latest(&store.vault, ALICE).await;
    let diff = store.vault.diff(&before, &after).await.unwrap();
    let inbox = &diff.folders["Inbox"];
    assert_eq!(
        (inbox.added, inbox.removed, inbox.changed, inbox.flagged),
        (20, 10, 5, 5)
    );
    assert_eq!(diff.folders["Inbox/Archive"].added, 5);
    assert_eq!(diff.folders_added, ["Inbox/Archive"]);

    let gone = &items[12];
    let options = RestoreOptions {
        selection: Selection {
            items: vec![gone.id.clone()],
            ..Selection::default()
        },
        verify: true,
        ..RestoreOptions::default()
    };
    let report = restore(&store.vault, &before, &server, &options).await;
    assert_eq!((report.items_restored, report.items_verified), (1, 1));
    let back = mailbox.items("Inbox").unwrap();
    assert!(back.iter().any(|item| item.subject == gone.subject));
    assert_eq!(server.sim.sent_messages(), 0);
}

/// A server tells of a flag as of any other change, so the item is read again (decision 0017).
#[tokio::test(flavor = "multi_thread")]
async fn a_flag_costs_a_download_and_almost_no_room() {
    const PAYLOAD: usize = 2 << 20;
    let server = Server::start(sim_with(&[ALICE], 3)).await;
    let alice = server.sim.mailbox(ALICE).unwrap();
    let id = alice.items("Inbox").unwrap()[1].id.clone();
    let mut noise = vec![0; PAYLOAD];
    fastrand::Rng::with_seed(17).fill(&mut noise);
    let attach = |message: &mut fasttransfer::Message| {
        let mut attachment = fasttransfer::Attachment::default();
        let data = fasttransfer::PropValue::Binary(noise.into());
        attachment.props.set(tag::ATTACH_DATA_BINARY, data);
        message.attachments.push(attachment);
    };
    alice.edit(&id, attach).unwrap();
    let store = Store::create().await;
    backup(&store.vault, &server, &[ALICE]).await;

    let flag = |message: &mut fasttransfer::Message| {
        let followed_up = fasttransfer::PropValue::Int32(2);
        message.props.set(tag::FLAG_STATUS, followed_up);
    };
    alice.edit(&id, flag).unwrap();
    let report = backup(&store.vault, &server, &[ALICE]).await;
    let mine = &report.mailboxes[0];
    assert_eq!((mine.items_downloaded, mine.items_flagged), (1, 0));
    assert!(mine.bytes_downloaded > PAYLOAD as u64, "{mine:#?}");
    // Packs are padded, whatever is in them.
    assert!(report.bytes_stored < 3 * (64 << 10), "{report:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_state_the_server_forgot_costs_no_second_download() {
    let server = Server::start(sim_with(&[ALICE], 700)).await;
    let store = Store::create().await;
    backup(&store.vault, &server, &[ALICE]).await;
    let mailbox = server.sim.mailbox(ALICE).unwrap();
    let items = mailbox.items("Inbox").unwrap();
    mailbox.delete(&items[3].id, Deletion::Hard).unwrap();
    mailbox
        .add_mime("Inbox", &crate::world::mail(5000))
        .unwrap();
    let rule = ews_sim::FaultPlan::none().rule(
        "SyncFolderItems",
        ews_sim::FaultWhen::Nth(1),
        ews_sim::FaultAction::Fail("ErrorInvalidSyncStateData".into()),
    );
    server.sim.set_faults(rule);
    server.sim.reset_stats();
    let report = backup(&store.vault, &server, &[ALICE]).await;
    assert_eq!(server.sim.stats().items_exported, 1);
    let mine = &report.mailboxes[0];
    assert_eq!((mine.items, mine.items_deleted), (700, 1), "{mine:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_run_commits_what_it_read_and_the_next_one_continues() {
    let server = Server::start(sim_with(&[ALICE], 3000)).await;
    let store = Store::create().await;
    let cancel = CancellationToken::new();
    let stopper = std::sync::Arc::new(StopAfter {
        items: 600.into(),
        cancel: cancel.clone(),
    });
    let options = crate::world::of(&[ALICE]);
    let report = store
        .vault
        .backup(&server.exchange(), &options, &cancel, stopper)
        .await
        .unwrap();
    assert!(report.interrupted);
    let read = server.sim.stats().items_exported;
    assert!((600..3000).contains(&read), "{read}");
    let snapshots = store.vault.snapshots().await.unwrap();
    assert!(snapshots.len() == 1 && snapshots[0].partial);

    backup(&store.vault, &server, &[ALICE]).await;
    assert_eq!(
        server.sim.stats().items_exported,
        3000,
        "nothing was downloaded twice"
    );
    assert!(!latest(&store.vault, ALICE).await.partial);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_run_commits_in_rounds() {
    let server = Server::start(sim_with(&[ALICE], 3000)).await;
    let store = Store::create().await;
    let options = engine::BackupOptions {
        seal_after: std::time::Duration::from_millis(1),
        ..crate::world::of(&[ALICE])
    };
    let silent = std::sync::Arc::new(engine::Silent);
    let cancel = CancellationToken::new();
    let report = store
        .vault
        .backup(&server.exchange(), &options, &cancel, silent)
        .await
        .unwrap();
    assert!(report.is_complete(), "{report:#?}");
    assert_eq!(report.mailboxes[0].items_downloaded, 3000);
    assert_eq!(server.sim.stats().items_exported, 3000);
    assert!(store.vault.snapshots().await.unwrap().len() > 1);
}

/// A mailbox's index stays open until its round is committed, and a process may not have any
/// number of files open.
#[tokio::test(flavor = "multi_thread")]
async fn many_mailboxes_are_committed_in_rounds_and_reported_in_order() {
    let names: Vec<String> = (0..300)
        .map(|n| format!("user{n:03}@example.test"))
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let server = Server::start(sim_with(&names, 0)).await;
    let store = Store::create().await;
    let rounds = std::sync::Arc::new(Rounds::default());
    let exchange = server.exchange();
    let options = crate::world::of(&names);
    let cancel = CancellationToken::new();
    let run = store
        .vault
        .backup(&exchange, &options, &cancel, rounds.clone());
    let report = run.await.unwrap();
    assert!(report.is_complete(), "{report:#?}");
    let reported: Vec<&str> = report.mailboxes.iter().map(|m| &*m.mailbox).collect();
    assert_eq!(reported, names);
    assert_eq!(
        rounds
            .committed_early
            .load(std::sync::atomic::Ordering::Relaxed),
        1
    );
    // Those that were under way when the first round ended have a partial one besides.
    let snapshots = store.vault.snapshots().await.unwrap();
    assert_eq!(snapshots.iter().filter(|one| !one.partial).count(), 300);
    assert!(snapshots.len() < 304, "{}", snapshots.len());
}

/// Counts the rounds that others followed.
#[derive(Default)]
struct Rounds {
    committed_early: std::sync::atomic::AtomicU64,
}

impl engine::Monitor for Rounds {
    fn event(&self, event: engine::Event<'_>) {
        if matches!(event, engine::Event::Checkpoint) {
            self.committed_early
                .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn single_folders_and_items_are_backed_up_alone() {
    let server = Server::start(sim_with(&[ALICE], 20)).await;
    let mailbox = server.sim.mailbox(ALICE).unwrap();
    for number in 100..105 {
        mailbox
            .add_mime("Projects/Deep", &crate::world::mail(number))
            .unwrap();
    }
    let run = async |store: &Store, selection: Selection| {
        let options = engine::BackupOptions {
            selection,
            ..crate::world::of(&[ALICE])
        };
        let silent = std::sync::Arc::new(engine::Silent);
        let cancel = CancellationToken::new();
        let exchange = server.exchange();
        let run = store.vault.backup(&exchange, &options, &cancel, silent);
        run.await
    };
    let folders = |path: &str| Selection {
        folders: vec![path.into()],
        ..Selection::default()
    };
    let store = Store::create().await;
    let report = run(&store, folders("projects")).await.unwrap();
    assert_eq!(report.mailboxes[0].items, 5);
    assert!(report.gaps.iter().any(|gap| gap.what == "Inbox"));
    let error = run(&store, folders("Nowhere")).await.unwrap_err();
    assert_eq!(error.kind(), engine::ErrorKind::NotFound);

    let store = Store::create().await;
    let wanted = mailbox.items("Inbox").unwrap()[3].clone();
    let one = Selection {
        items: vec![wanted.id.clone()],
        ..Selection::default()
    };
    let report = run(&store, one).await.unwrap();
    assert_eq!(report.mailboxes[0].items, 1);
    let snapshot = latest(&store.vault, ALICE).await;
    let (item, _) = store.vault.item(&snapshot, &wanted.id).await.unwrap();
    assert_eq!(item.summary.subject, wanted.subject);
    // The next whole backup adds what is missing, and only that.
    server.sim.reset_stats();
    let report = backup(&store.vault, &server, &[ALICE]).await;
    assert_eq!(report.mailboxes[0].items, 25);
    assert_eq!(server.sim.stats().items_exported, 24);
}

/// Cancels when so many items have come through.
struct StopAfter {
    items: std::sync::atomic::AtomicI64,
    cancel: CancellationToken,
}

impl engine::Monitor for StopAfter {
    fn event(&self, event: engine::Event<'_>) {
        if matches!(event, engine::Event::Transferred { .. })
            && self
                .items
                .fetch_sub(1, std::sync::atomic::Ordering::Relaxed)
                <= 1
        {
            self.cancel.cancel();
        }
    }
}

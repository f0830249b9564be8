//! Restores are recorded and can be taken back: exactly what they did, and nothing else.

use std::sync::Arc;

use engine::{
    RestoreMode, RestoreOptions, RunState, Selection, Silent, Snapshot, SnapshotSelector,
    UndoOptions, UndoReport, Vault,
};
use ews_sim::{Deletion, MailboxHandle};
use tokio_util::sync::CancellationToken;

use crate::world::{Server, Store, backup, latest, restore, sim_with};

const ALICE: &str = "alice@example.test";
const BOB: &str = "bob@example.test";

pub async fn undo(vault: &Vault, run: &str, server: &Server, options: &UndoOptions) -> UndoReport {
    let run = vault.restore_run(run).await.unwrap();
    let cancel = CancellationToken::new();
    vault
        .undo_restore(&run, &server.exchange(), options, &cancel, Arc::new(Silent))
        .await
        .unwrap()
}

/// Deleted, put back, folders deleted, gone, left.
fn counts(report: &UndoReport) -> (u64, u64, u64, u64, usize) {
    (
        report.items_deleted,
        report.items_put_back,
        report.folders_deleted,
        report.items_gone,
        report.left.len(),
    )
}

fn dry() -> UndoOptions {
    UndoOptions {
        dry_run: true,
        ..UndoOptions::default()
    }
}

fn force() -> UndoOptions {
    UndoOptions {
        force: true,
        ..UndoOptions::default()
    }
}

/// What a mailbox holds: folder, subject, read state and all properties of each item.
fn state(mailbox: &MailboxHandle) -> Vec<String> {
    let mut state = Vec::new();
    for folder in mailbox.folders() {
        if folder.path.starts_with("Recoverable") || folder.path.contains("Deletions") {
            continue;
        }
        state.push(format!("folder {}", folder.path));
        for item in mailbox.items(&folder.path).unwrap_or_default() {
            let mut message = mailbox.message(&item.id).unwrap();
            for of_the_store in [0x3007u16, 0x3008, 0x65E2, 0x65E3, 0x67A4, 0x6709] {
                message.props.remove(of_the_store);
            }
            // A bag keeps the order in which it was filled, which is no property of the item.
            let props = message.props.iter();
            let mut props: Vec<String> = props.map(|prop| format!("{prop:?}")).collect();
            props.sort();
            let parts = format!(
                "{props:?} {:?} {:?}",
                message.recipients, message.attachments
            );
            let hash = blake3::hash(parts.as_bytes()).to_hex();
            state.push(format!("{} {} {hash}", folder.path, item.subject));
        }
    }
    state.sort();
    state
}

/// Makes a run look as if it had been killed before it wrote anything down but its beginning and
/// what it replaced.
async fn as_if_killed(vault: &Vault) {
    let repository = vault.repository();
    repository.refresh().await.unwrap();
    let late = repository.snapshots().into_iter().filter(|info| {
        let value = String::from_utf8_lossy(&info.value);
        info.name == "\u{1}run"
            && (value.contains("\"record\":\"made\"") || value.contains("\"record\":\"ended\""))
    });
    let late: Vec<_> = late.map(|info| info.id).collect();
    assert!(!late.is_empty());
    repository.forget(&late).await.unwrap();
}

async fn world(mails: usize) -> (Server, Store, Snapshot) {
    let server = Server::start(sim_with(&[ALICE], mails)).await;
    server.sim.add_mailbox(BOB).unwrap();
    let store = Store::create().await;
    backup(&store.vault, &server, &[ALICE]).await;
    let snapshot = latest(&store.vault, ALICE).await;
    (server, store, snapshot)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_restore_created_is_taken_back_and_nothing_else() {
    let (server, store, snapshot) = world(120).await;
    let alice = server.sim.mailbox(ALICE).unwrap();
    for item in &alice.items("Inbox").unwrap()[..50] {
        alice.delete(&item.id, Deletion::Hard).unwrap();
    }
    let before = state(&alice);
    let options = RestoreOptions {
        command: "a test".into(),
        ..RestoreOptions::default()
    };
    let report = restore(&store.vault, &snapshot, &server, &options).await;
    let run = report.run.unwrap();
    let recorded = store.vault.restore_run("latest").await.unwrap();
    assert_eq!(
        (recorded.id.as_str(), recorded.state, recorded.items_created),
        (run.as_str(), RunState::Done, 50)
    );
    assert_eq!(
        (
            recorded.mailbox.as_str(),
            recorded.command.as_str(),
            recorded.snapshot == snapshot.id
        ),
        (ALICE, "a test", true)
    );
    let items = store.vault.restore_run_items(&recorded).await.unwrap();
    assert_eq!(items.len(), 50);
    assert!(
        items
            .iter()
            .all(|item| item.folder == "Inbox" && !item.replaced)
    );

    let planned = undo(&store.vault, &run, &server, &dry()).await;
    assert_eq!(counts(&planned), (50, 0, 0, 0, 0));
    assert_eq!(alice.item_count("Inbox").unwrap(), 120);
    let undone = undo(&store.vault, &run[..8], &server, &UndoOptions::default()).await;
    assert_eq!(counts(&undone), (50, 0, 0, 0, 0));
    assert_eq!(state(&alice), before);
    let again = undo(&store.vault, &run, &server, &UndoOptions::default()).await;
    assert_eq!(counts(&again), (0, 0, 0, 50, 0));
    let recorded = store.vault.restore_run(&run).await.unwrap();
    assert_eq!(recorded.state, RunState::Undone);
    assert_eq!(recorded.undone_unix_ms.len(), 1);

    // Restored again, it is a run of its own.
    let report = restore(&store.vault, &snapshot, &server, &options).await;
    assert_eq!(report.items_restored, 50);
    let again = undo(&store.vault, &run, &server, &UndoOptions::default()).await;
    assert_eq!(counts(&again), (0, 0, 0, 50, 0));
    assert_eq!(alice.item_count("Inbox").unwrap(), 120);
    assert_eq!(server.sim.sent_messages(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_replaced_becomes_again_what_it_was() {
    let (server, store, snapshot) = world(8).await;
    let alice = server.sim.mailbox(ALICE).unwrap();
    let items = alice.items("Inbox").unwrap();
    for item in &items[..3] {
        alice.edit_subject(&item.id, "edited").unwrap();
        alice.set_read(&item.id, !item.is_read).unwrap();
    }
    alice.delete(&items[3].id, Deletion::Hard).unwrap();
    let before = state(&alice);
    let options = RestoreOptions {
        mode: RestoreMode::Overwrite,
        ..RestoreOptions::default()
    };
    let report = restore(&store.vault, &snapshot, &server, &options).await;
    assert_eq!((report.items_restored, report.items_replaced), (1, 3));
    assert_ne!(state(&alice), before);

    // What was replaced can be looked at, and is damage to a check if it gets lost.
    let run = store.vault.restore_run("latest").await.unwrap();
    let kept = SnapshotSelector::Id(run.replaced_kept[0].clone());
    let kept = store.vault.select(&kept, None).await.unwrap().remove(0);
    let listed = store
        .vault
        .items(&kept, &Selection::default())
        .await
        .unwrap();
    assert_eq!(listed.len(), 3);
    assert!(
        listed
            .iter()
            .all(|item| item.summary.subject == "edited" && item.folder == "Inbox")
    );
    let check = store.vault.check(true, Arc::new(Silent)).await.unwrap();
    assert!(check.is_clean());

    let undone = undo(&store.vault, &run.id, &server, &dry()).await;
    assert_eq!(counts(&undone), (1, 3, 0, 0, 0));
    let undone = undo(&store.vault, &run.id, &server, &UndoOptions::default()).await;
    assert_eq!(counts(&undone), (1, 3, 0, 0, 0));
    assert_eq!(state(&alice), before);
    let again = undo(&store.vault, &run.id, &server, &UndoOptions::default()).await;
    assert_eq!(counts(&again), (0, 0, 0, 1, 0));
    assert_eq!(state(&alice), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_changed_since_is_left_unless_forced() {
    let (server, store, snapshot) = world(6).await;
    let bob = server.sim.mailbox(BOB).unwrap();
    let options = RestoreOptions {
        to_mailbox: Some(BOB.into()),
        ..RestoreOptions::default()
    };
    let report = restore(&store.vault, &snapshot, &server, &options).await;
    let run = report.run.unwrap();
    let items = bob.items("Inbox").unwrap();
    bob.edit_subject(&items[0].id, "worked on").unwrap();
    bob.move_item(&items[1].id, "Drafts").unwrap();
    let undone = undo(&store.vault, &run, &server, &UndoOptions::default()).await;
    assert_eq!(counts(&undone), (4, 0, 0, 1, 1));
    assert!(undone.left[0].reason.contains("changed since"));
    let recorded = store.vault.restore_run(&run).await.unwrap();
    assert_eq!(recorded.state, RunState::PartlyUndone);
    let undone = undo(&store.vault, &run, &server, &force()).await;
    assert_eq!(counts(&undone), (1, 0, 0, 5, 0));
    assert_eq!(bob.item_count("Inbox").unwrap(), 0);
    assert_eq!(bob.item_count("Drafts").unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_that_a_restore_created_go_if_they_are_empty() {
    let (server, store, _) = world(3).await;
    let alice = server.sim.mailbox(ALICE).unwrap();
    for folder in ["Projects/Bridge", "Projects/Tunnel"] {
        alice.add_mime(folder, &crate::world::mail(50)).unwrap();
    }
    backup(&store.vault, &server, &[ALICE]).await;
    let snapshot = latest(&store.vault, ALICE).await;
    let bob = server.sim.mailbox(BOB).unwrap();
    let before = state(&bob);
    let options = RestoreOptions {
        selection: Selection::of_folders(["Projects".to_owned()]),
        to_mailbox: Some(BOB.into()),
        to_folder: Some("Restored".into()),
        ..RestoreOptions::default()
    };
    let report = restore(&store.vault, &snapshot, &server, &options).await;
    let run = report.run.unwrap();
    // Restored, Projects, Bridge, Tunnel.
    let planned = undo(&store.vault, &run, &server, &dry()).await;
    assert_eq!(counts(&planned), (2, 0, 4, 0, 0));
    let own = bob
        .add_mime("Restored/Projects/Tunnel", &crate::world::mail(51))
        .unwrap();
    let undone = undo(&store.vault, &run, &server, &UndoOptions::default()).await;
    assert_eq!(counts(&undone), (2, 0, 1, 0, 0));
    assert_eq!(
        undone.folders_left,
        ["Restored/Projects/Tunnel", "Restored/Projects", "Restored"]
    );
    bob.delete(&own, Deletion::Hard).unwrap();
    let undone = undo(&store.vault, &run, &server, &UndoOptions::default()).await;
    assert_eq!(counts(&undone), (0, 0, 3, 2, 0));
    assert_eq!(state(&bob), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_restore_is_taken_back_by_what_its_items_say() {
    let (server, store, snapshot) = world(30).await;
    let alice = server.sim.mailbox(ALICE).unwrap();
    let items = alice.items("Inbox").unwrap();
    for item in &items[..10] {
        alice.delete(&item.id, Deletion::Hard).unwrap();
    }
    for item in &items[10..15] {
        alice.edit_subject(&item.id, "edited").unwrap();
    }
    let before = state(&alice);
    let options = RestoreOptions {
        mode: RestoreMode::Overwrite,
        ..RestoreOptions::default()
    };
    let report = restore(&store.vault, &snapshot, &server, &options).await;
    assert_eq!((report.items_restored, report.items_replaced), (10, 5));
    as_if_killed(&store.vault).await;
    let run = store.vault.restore_run("latest").await.unwrap();
    assert_eq!(run.state, RunState::Unfinished);

    let restored = alice.items("Inbox").unwrap();
    let created = restored
        .iter()
        .find(|item| !items.iter().any(|old| old.id == item.id));
    alice
        .edit_subject(&created.unwrap().id, "worked on")
        .unwrap();
    let undone = undo(&store.vault, &run.id, &server, &UndoOptions::default()).await;
    assert_eq!(counts(&undone), (9, 5, 0, 0, 1));
    let undone = undo(&store.vault, &run.id, &server, &force()).await;
    assert_eq!(counts(&undone), (1, 0, 0, 0, 0));
    assert_eq!(state(&alice), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_snapshot_a_killed_run_goes_only_by_force() {
    let (server, store, snapshot) = world(4).await;
    let alice = server.sim.mailbox(ALICE).unwrap();
    let gone = alice.items("Inbox").unwrap().remove(0);
    alice.delete(&gone.id, Deletion::Hard).unwrap();
    let before = state(&alice);
    restore(&store.vault, &snapshot, &server, &RestoreOptions::default()).await;
    as_if_killed(&store.vault).await;
    backup(&store.vault, &server, &[ALICE]).await;
    let repository = store.vault.repository();
    let id = repository
        .snapshots()
        .into_iter()
        .find(|info| info.id.to_string() == snapshot.id);
    repository.forget(&[id.unwrap().id]).await.unwrap();

    let run = store.vault.restore_run("latest").await.unwrap();
    let undone = undo(&store.vault, &run.id, &server, &UndoOptions::default()).await;
    assert_eq!(counts(&undone), (0, 0, 0, 0, 1));
    let reason = &undone.left[0].reason;
    assert!(
        reason.starts_with("nothing tells whether it was changed"),
        "{reason}"
    );
    let undone = undo(&store.vault, &run.id, &server, &force()).await;
    assert_eq!(counts(&undone), (1, 0, 0, 0, 0));
    assert_eq!(state(&alice), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_moved_since_a_restore_stays_where_it_is() {
    let (server, store, _) = world(4).await;
    let alice = server.sim.mailbox(ALICE).unwrap();
    let items = alice.items("Inbox").unwrap();
    let drafts = alice.move_item(&items[3].id, "Drafts").unwrap();
    backup(&store.vault, &server, &[ALICE]).await;
    let second = latest(&store.vault, ALICE).await;
    for id in [&items[0].id, &items[1].id, &drafts] {
        alice.delete(id, Deletion::Hard).unwrap();
    }
    let report = restore(&store.vault, &second, &server, &RestoreOptions::default()).await;
    assert_eq!(report.items_restored, 3);
    let restored = alice.items("Inbox").unwrap();
    let moved = restored
        .iter()
        .find(|item| item.subject == items[0].subject);
    alice.move_item(&moved.unwrap().id, "Drafts").unwrap();
    let undone = undo(&store.vault, "latest", &server, &UndoOptions::default()).await;
    assert_eq!(counts(&undone), (2, 0, 0, 1, 0));
    let left = alice.items("Drafts").unwrap();
    assert_eq!((left.len(), &left[0].subject), (1, &items[0].subject));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forgotten_run_is_gone_and_its_kept_versions_with_it() {
    let (server, store, snapshot) = world(2).await;
    let alice = server.sim.mailbox(ALICE).unwrap();
    let item = &alice.items("Inbox").unwrap()[0];
    alice.edit_subject(&item.id, "edited").unwrap();
    let options = RestoreOptions {
        mode: RestoreMode::Changed,
        ..RestoreOptions::default()
    };
    let report = restore(&store.vault, &snapshot, &server, &options).await;
    let run = report.run.unwrap();
    let kept = store.vault.restore_run(&run).await.unwrap().replaced_kept;
    store.vault.forget_restore_run(&run[..6]).await.unwrap();
    assert!(store.vault.restore_runs().await.unwrap().is_empty());
    let selector = SnapshotSelector::Id(kept[0].clone());
    assert!(store.vault.select(&selector, None).await.is_err());
}

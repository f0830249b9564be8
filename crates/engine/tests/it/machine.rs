//! A new machine: repository and passphrase, no cache.

use engine::{RestoreOptions, Selection, SnapshotSelector};
use ews_sim::Sim;

use crate::world::{Server, Store, backup, latest, restore, sim_with};

const ALICE: &str = "alice@example.test";

#[tokio::test(flavor = "multi_thread")]
async fn listing_restoring_and_the_next_incremental_need_no_cache() {
    let server = Server::start(sim_with(&[ALICE], 500)).await;
    let store = Store::create().await;
    backup(&store.vault, &server, &[ALICE]).await;
    let Store { folder, vault } = store;
    drop(vault);
    std::fs::remove_dir_all(folder.path().join("cache")).unwrap();

    let vault = crate::world::open(folder.path(), crate::world::PASSPHRASE)
        .await
        .unwrap();
    let snapshot = latest(&vault, ALICE).await;
    let listed = vault.items(&snapshot, &Selection::default()).await.unwrap();
    assert_eq!(listed.len(), 500);
    assert!(listed.iter().any(|item| item.summary.subject == "mail 7"));

    let mailbox = server.sim.mailbox(ALICE).unwrap();
    mailbox
        .add_mime("Inbox", &crate::world::mail(9000))
        .unwrap();
    server.sim.reset_stats();
    let report = backup(&vault, &server, &[ALICE]).await;
    assert_eq!(server.sim.stats().items_exported, 1);
    assert_eq!(report.mailboxes[0].items, 501);

    let other = Server::start(Sim::builder().mailbox(ALICE).build().unwrap()).await;
    let options = RestoreOptions {
        verify: true,
        ..RestoreOptions::default()
    };
    let chosen = vault.select(&SnapshotSelector::Latest, None).await.unwrap();
    let report = restore(&vault, &chosen[0], &other, &options).await;
    assert_eq!((report.items_restored, report.items_verified), (501, 501));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_index_full_of_garbage_is_rebuilt_and_the_others_stay() {
    let mailboxes = [ALICE, "bob@example.test"];
    let server = Server::start(sim_with(&mailboxes, 50)).await;
    let store = Store::create().await;
    backup(&store.vault, &server, &mailboxes).await;
    let Store { folder, vault } = store;
    drop(vault);
    let mut garbled = 0;
    for entry in walk(&folder.path().join("cache")) {
        let name = entry.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with("alice") && name.ends_with(".redb") {
            std::fs::write(&entry, vec![0x5a; 100_000]).unwrap();
            garbled += 1;
        }
    }
    assert_eq!(garbled, 1);

    let vault = crate::world::open(folder.path(), crate::world::PASSPHRASE)
        .await
        .unwrap();
    server.sim.reset_stats();
    let recorder = std::sync::Arc::new(crate::world::Recorder::default());
    let report = vault
        .backup(
            &server.exchange(),
            &crate::world::of(&mailboxes),
            &tokio_util::sync::CancellationToken::new(),
            recorder.clone(),
        )
        .await
        .unwrap();
    assert!(report.is_complete());
    assert_eq!(server.sim.stats().items_exported, 0);
    let rebuilt = recorder.rebuilt.lock().unwrap();
    assert!(
        !rebuilt.is_empty() && rebuilt.iter().all(|(mailbox, _)| mailbox == ALICE),
        "{rebuilt:?}"
    );
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(walk(&path))
        } else {
            files.push(path)
        }
    }
    files
}

//! Damaged packs are healed: from what is left, the local index, a second repository, the server.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use engine::{
    CopyOptions, Donors, ExportOptions, PackRepairOptions, PackRepairReport, PruneOptions,
    RestoreOptions, Selection, Silent, Snapshot, TreeSource, Vault,
};
use tokio_util::sync::CancellationToken;

use crate::damage::packs;
use crate::world::{Server, Store, backup, latest, sim_with};

const ALICE: &str = "alice@example.test";

/// What is done to a pack.
#[derive(Clone, Copy, Debug)]
enum Damage {
    /// A byte in each 3,000.
    Flip,
    /// Cut to half.
    Truncate,
    Delete,
}

const DAMAGES: [Damage; 3] = [Damage::Flip, Damage::Truncate, Damage::Delete];

impl Damage {
    fn apply(self, path: &Path) {
        let mut bytes = std::fs::read(path).unwrap();
        match self {
            Self::Flip => bytes
                .iter_mut()
                .skip(100)
                .step_by(3_000)
                .for_each(|b| *b ^= 1),
            Self::Truncate => bytes.truncate(bytes.len() / 2),
            Self::Delete => return std::fs::remove_file(path).unwrap(),
        }
        std::fs::write(path, bytes).unwrap();
    }
}

/// Kind 1 packs hold items, kind 2 trees and summaries.
fn packs_of_kind(repository: &Path, kind: u8) -> Vec<PathBuf> {
    let mut packs = packs(repository);
    packs.retain(|path| std::fs::read(path).unwrap()[9] == kind);
    packs
}

/// By snapshot and key: what listings show of an item, and its bytes.
type Contents = BTreeMap<(String, String), (String, Vec<u8>)>;

/// Every item of every snapshot.
async fn content(vault: &Vault) -> Contents {
    let mut all = BTreeMap::new();
    for snapshot in vault.snapshots().await.unwrap() {
        for entry in vault.items(&snapshot, &Selection::default()).await.unwrap() {
            let (_, stream) = vault.item(&snapshot, &entry.key).await.unwrap();
            let key = (snapshot.id.clone(), entry.key.clone());
            all.insert(key, (serde_json::to_string(&entry).unwrap(), stream));
        }
    }
    all
}

/// Compares what two repositories gave, and names the first difference.
fn assert_same(found: &Contents, wanted: &Contents, damage: Damage) {
    assert_eq!(found.len(), wanted.len(), "{damage:?}");
    for (key, value) in wanted {
        let other = &found[key];
        assert_eq!(other.0, value.0, "{damage:?}: {key:?}");
        assert!(other.1 == value.1, "{damage:?}: {key:?}");
    }
}

async fn heal(vault: &Vault, donors: Donors<'_>) -> PackRepairReport {
    let options = PackRepairOptions::default();
    let healed = vault.repair_packs(donors, options, Arc::new(Silent)).await;
    healed.unwrap()
}

async fn is_clean(vault: &Vault) -> bool {
    vault
        .check(true, Arc::new(Silent))
        .await
        .unwrap()
        .is_clean()
}

async fn prune(vault: &Vault) {
    let options = PruneOptions::default();
    let report = vault.prune(&options, Arc::new(Silent)).await.unwrap();
    assert!(report.finished, "{report:#?}");
}

/// A mailbox of 40 mails, two snapshots of it, and a copy in another repository.
async fn world() -> (Server, Store, Store) {
    let server = Server::start(sim_with(&[ALICE], 40)).await;
    let (store, second) = (Store::create().await, Store::create().await);
    backup(&store.vault, &server, &[ALICE]).await;
    let alice = server.sim.mailbox(ALICE).unwrap();
    alice.add_mime("Inbox", &crate::world::mail(4711)).unwrap();
    backup(&store.vault, &server, &[ALICE]).await;
    let (cancel, monitor) = (CancellationToken::new(), Arc::new(Silent));
    let options = CopyOptions::default();
    store
        .vault
        .copy_to(&second.vault, &options, &cancel, monitor)
        .await
        .unwrap();
    (server, store, second)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_repository_heals_items_whatever_the_damage() {
    for damage in DAMAGES {
        let (_server, store, second) = world().await;
        let before = content(&store.vault).await;
        for pack in packs_of_kind(&store.repository(), 1) {
            damage.apply(&pack);
        }
        let vault = store.open().await.unwrap();
        let donors = Donors {
            other: Some(&second.vault),
            exchange: None,
        };
        let report = heal(&vault, donors).await;
        assert!(report.is_whole(), "{damage:?}: {report:#?}");
        assert!(report.items_from_repository > 0, "{damage:?}: {report:#?}");
        assert!(is_clean(&vault).await, "{damage:?}");
        assert_same(&content(&vault).await, &before, damage);
        // Another machine knows of it, and nothing is left to be done.
        let vault = store.open().await.unwrap();
        assert_same(&content(&vault).await, &before, damage);
        prune(&vault).await;
        let vault = store.open().await.unwrap();
        assert!(is_clean(&vault).await, "{damage:?}");
        assert_same(&content(&vault).await, &before, damage);
        let again = heal(&vault, Donors::default()).await;
        assert!(again.is_whole() && again.packs_given_up == 0, "{again:#?}");
        assert_same(&content(&vault).await, &before, damage);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_heals_items_that_it_still_has_as_they_were() {
    let (server, store, _) = world().await;
    let before = content(&store.vault).await;
    for pack in packs_of_kind(&store.repository(), 1) {
        Damage::Delete.apply(&pack);
    }
    let alice = server.sim.mailbox(ALICE).unwrap();
    let edited = alice.items("Inbox").unwrap()[0].id.clone();
    alice.edit_subject(&edited, "edited").unwrap();
    let vault = store.open().await.unwrap();
    let exchange = server.exchange();
    let donors = Donors {
        other: None,
        exchange: Some(&exchange),
    };
    let report = heal(&vault, donors).await;
    assert_eq!(report.items_from_server, 40, "{report:#?}");
    let [lost] = &report.items_lost[..] else {
        panic!("{report:#?}");
    };
    assert_eq!(
        (lost.mailbox.as_str(), lost.folder.as_str()),
        (ALICE, "Inbox")
    );
    assert!(!lost.subject.is_empty() && lost.subject != "edited");
    let snapshots = vault.snapshots().await.unwrap();
    assert!(snapshots.iter().all(|snapshot| snapshot.lost == 1));
    let history = vault.versions(&lost.key, None).await.unwrap();
    assert!(history.versions.iter().all(|version| version.lost));
    let healthy = before.keys().find(|(_, key)| *key != lost.key).unwrap();
    let history = vault.versions(&healthy.1, None).await.unwrap();
    assert!(history.versions.iter().all(|version| !version.lost));
    damaged_items_are_named_and_the_rest_goes_on(&server, &store, &vault, &lost.subject).await;

    // The next backup stores the edited item; the damaged version stays lost.
    backup(&vault, &server, &[ALICE]).await;
    assert_eq!(latest(&vault, ALICE).await.lost, 0);
    prune(&vault).await;
    let vault = store.open().await.unwrap();
    let check = vault.check(true, Arc::new(Silent)).await.unwrap();
    assert!(check.objects_damaged.is_empty(), "{check:#?}");
    assert_eq!(check.items_damaged.len(), 2, "one in each old snapshot");
}

/// Restore and export name what is lost and give everything else.
async fn damaged_items_are_named_and_the_rest_goes_on(
    server: &Server,
    store: &Store,
    vault: &Vault,
    subject: &str,
) {
    let newest = latest(vault, ALICE).await;
    let options = RestoreOptions {
        to_folder: Some("Healed".to_owned()),
        ..RestoreOptions::default()
    };
    let cancel = CancellationToken::new();
    let exchange = server.exchange();
    let restored = vault.restore(&newest, &exchange, &options, &cancel, Arc::new(Silent));
    let report = restored.await.unwrap();
    let failures: Vec<_> = report.failures.iter().map(|f| f.subject.as_str()).collect();
    assert_eq!(failures, [subject]);
    let folder = store.folder.path().join("exported");
    let options = ExportOptions::default();
    let exported = vault
        .export(&newest, &options, &folder, &cancel, Arc::new(Silent))
        .await
        .unwrap();
    let failures: Vec<_> = exported
        .failures
        .iter()
        .map(|f| f.subject.as_str())
        .collect();
    assert_eq!(failures, [subject]);
}

#[tokio::test(flavor = "multi_thread")]
async fn trees_come_back_from_a_second_repository() {
    for damage in DAMAGES {
        let (_server, store, second) = world().await;
        let before = content(&store.vault).await;
        for pack in packs_of_kind(&store.repository(), 2) {
            damage.apply(&pack);
        }
        let fresh = store.open().await.unwrap();
        let donors = Donors {
            other: Some(&second.vault),
            exchange: None,
        };
        let report = heal(&fresh, donors).await;
        assert!(report.is_whole(), "{damage:?}: {report:#?}");
        let rebuilt = &report.snapshots_rebuilt;
        assert!(
            rebuilt
                .iter()
                .all(|tree| tree.from == TreeSource::OtherRepository)
        );
        assert!(matches!(damage, Damage::Flip) || !rebuilt.is_empty());
        let vault = store.open().await.unwrap();
        assert_same(&content(&vault).await, &before, damage);
        assert!(is_clean(&vault).await, "{damage:?}");
        prune(&vault).await;
        let vault = store.open().await.unwrap();
        assert_same(&content(&vault).await, &before, damage);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_tree_comes_back_from_the_local_index() {
    let (server, store, _) = world().await;
    let before: Snapshot = latest(&store.vault, ALICE).await;
    let all = content(&store.vault).await;
    for pack in packs_of_kind(&store.repository(), 2) {
        Damage::Delete.apply(&pack);
    }
    let vault = store.open().await.unwrap();
    let report = heal(&vault, Donors::default()).await;
    let from: Vec<_> = report
        .snapshots_rebuilt
        .iter()
        .map(|tree| tree.from)
        .collect();
    assert_eq!(from, [TreeSource::WhatWasLeft, TreeSource::LocalIndex]);
    let newest = latest(&vault, ALICE).await;
    assert_eq!(
        (&newest.id, newest.time_unix_ms),
        (&before.id, before.time_unix_ms)
    );
    assert_eq!(newest.lost, 0);
    assert!(report.summaries_made > 0, "{report:#?}");
    let healed = content(&vault).await;
    for (key, value) in all.iter().filter(|((id, _), _)| *id == newest.id) {
        assert_eq!(healed.get(key), Some(value));
    }
    // It goes on from there, without downloading anything again.
    server.sim.reset_stats();
    backup(&vault, &server, &[ALICE]).await;
    assert_eq!(server.sim.stats().items_exported, 0);
    prune(&vault).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pack_that_is_put_back_counts_again() {
    let (_server, store, _) = world().await;
    let before = content(&store.vault).await;
    let pack = packs_of_kind(&store.repository(), 1).remove(0);
    let whole = std::fs::read(&pack).unwrap();
    Damage::Delete.apply(&pack);
    let vault = store.open().await.unwrap();
    let report = heal(&vault, Donors::default()).await;
    assert!(!report.is_whole());
    // What cannot be healed is not deleted either.
    prune(&vault).await;
    std::fs::create_dir_all(pack.parent().unwrap()).unwrap();
    std::fs::write(&pack, whole).unwrap();
    prune(&vault).await;
    let vault = store.open().await.unwrap();
    let report = heal(&vault, Donors::default()).await;
    assert!(report.is_whole(), "{report:#?}");
    assert!(content(&vault).await == before);
    assert!(vault.snapshots().await.unwrap().iter().all(|s| s.lost == 0));
    assert!(is_clean(&vault).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_repository_is_left_alone() {
    let (_server, store, second) = world().await;
    let files = packs(&store.repository());
    let donors = Donors {
        other: Some(&second.vault),
        exchange: None,
    };
    let report = heal(&store.vault, donors).await;
    assert!(report.is_clean(), "{report:#?}");
    assert_eq!(packs(&store.repository()), files);
}

//! What policies and holds do to snapshots and items in a real repository.

use std::sync::Arc;

use engine::{
    ErrorKind, HoldOptions, HoldTarget, ItemReason, Policy, RetentionOptions, RetentionPlan,
    SearchOptions, Selection, SnapshotSelector, TimeZone, Timestamp, Vault,
};
use ews_sim::Deletion;
use tokio_util::sync::CancellationToken;

use crate::world::{Clock, Server, Store, backup, latest, restore, set, sim_with};

const ALICE: &str = "alice@example.test";

fn options(policy: &str, now: &str) -> RetentionOptions {
    let mut parsed = Policy::default();
    for (name, value) in policy.split(' ').filter_map(|part| part.split_once('=')) {
        match name {
            "last" => parsed.last = value.parse().unwrap(),
            "daily" => parsed.daily = value.parse().unwrap(),
            "deleted" => parsed.deleted_items = Some(value.parse().unwrap()),
            "versions" => parsed.versions = value.parse().unwrap(),
            other => panic!("no rule {other}"),
        }
    }
    RetentionOptions {
        policy: parsed,
        mailboxes: Vec::new(),
        now: now.parse::<Timestamp>().unwrap().to_zoned(TimeZone::UTC),
        list_items: true,
    }
}

fn because(why: &str) -> HoldOptions {
    HoldOptions {
        who: "Ann".into(),
        why: why.into(),
        until_unix_ms: None,
    }
}

/// Backs alice up on some days of November at noon.
async fn on(day: u32, clock: &Clock, store: &Store, server: &Server) {
    set(clock, &format!("2026-11-{day:02}T12:00:00Z"));
    backup(&store.vault, server, &[ALICE]).await;
}

async fn ids(vault: &Vault) -> Vec<String> {
    vault
        .snapshots()
        .await
        .unwrap()
        .into_iter()
        .map(|s| s.id)
        .collect()
}

fn counts(plan: &RetentionPlan) -> (usize, Option<u64>, Option<u64>) {
    let mailbox = &plan.mailboxes[0];
    (
        plan.going().count(),
        mailbox.item_versions_kept,
        mailbox.item_versions_lost,
    )
}

/// Five mails; on the 2nd one is deleted, on the 3rd another is changed, on the 4th again.
async fn history(store: &Store, clock: &Clock) -> Server {
    let server = Server::start(sim_with(&[ALICE], 5)).await;
    let alice = server.sim.mailbox(ALICE).unwrap();
    on(1, clock, store, &server).await;
    let items = alice.items("Inbox").unwrap();
    alice.delete(&items[0].id, Deletion::Hard).unwrap();
    on(2, clock, store, &server).await;
    alice.edit_subject(&items[1].id, "second").unwrap();
    on(3, clock, store, &server).await;
    alice.edit_subject(&items[1].id, "third").unwrap();
    on(4, clock, store, &server).await;
    on(5, clock, store, &server).await;
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_changes_nothing_and_applying_it_twice_changes_nothing_more() {
    let (store, clock) = Store::with_clock("2026-11-01T12:00:00Z").await;
    let _server = history(&store, &clock).await;
    let before = ids(&store.vault).await;
    let options = options("last=1", "2026-11-06T00:00:00Z");
    let plan = store.vault.retention_plan(&options).await.unwrap();
    // The deleted mail, and the two older contents of the changed one.
    assert_eq!(counts(&plan), (4, Some(0), Some(3)));
    assert_eq!(plan.mailboxes[0].items.len(), 3);
    assert_eq!(ids(&store.vault).await, before);
    let applied = store.vault.retention_apply(&options).await.unwrap();
    assert_eq!(
        (counts(&applied), applied.applied),
        ((4, Some(0), Some(3)), true)
    );
    assert_eq!(ids(&store.vault).await, before[4..]);
    let again = store.vault.retention_apply(&options).await.unwrap();
    assert_eq!(again.going().count(), 0);
    // Another process sees the same, and the newest snapshot is whole.
    let vault = store.open().await.unwrap();
    assert_eq!(ids(&vault).await, before[4..]);
    let newest = latest(&vault, ALICE).await;
    assert_eq!(
        vault
            .items(&newest, &Selection::default())
            .await
            .unwrap()
            .len(),
        4
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted_items_and_older_versions_outlive_their_snapshots_for_as_long_as_they_should() {
    let (store, clock) = Store::with_clock("2026-11-01T12:00:00Z").await;
    let server = history(&store, &clock).await;
    let rules = "last=1 deleted=30d versions=2";
    let applied = store
        .vault
        .retention_apply(&options(rules, "2026-11-06T00:00:00Z"))
        .await
        .unwrap();
    // The deleted mail and "second" stay; the first content of that mail goes.
    assert_eq!(counts(&applied), (4, Some(2), Some(1)));
    let reasons: Vec<_> = applied.mailboxes[0]
        .items
        .iter()
        .map(|item| item.kept_by)
        .collect();
    assert!(reasons.contains(&Some(ItemReason::DeletedItems)));
    assert!(reasons.contains(&Some(ItemReason::Versions)));
    let kept = kept(&store.vault).await;
    assert_eq!(kept.len(), 1, "one tree holds one version of each item");
    let items = store
        .vault
        .items(&kept[0], &Selection::default())
        .await
        .unwrap();
    let mut subjects: Vec<_> = items
        .iter()
        .map(|item| item.summary.subject.as_str())
        .collect();
    subjects.sort_unstable();
    assert_eq!(subjects, ["mail 0", "second"]);
    assert!(items.iter().all(|item| item.folder == "Inbox"));

    restores_by_id(&store, &server, &kept[0].id, &items).await;
    // The same again changes nothing, not even the tree.
    let again = options(rules, "2026-11-06T00:00:00Z");
    store.vault.retention_apply(&again).await.unwrap();
    assert_eq!(self::kept(&store.vault).await[0].id, kept[0].id);
    // It was missed on the 2nd at noon: thirty days later it goes, and the version stays.
    let late = options(rules, "2026-12-02T12:00:00Z");
    let applied = store.vault.retention_apply(&late).await.unwrap();
    assert_eq!(counts(&applied), (0, Some(1), Some(1)));
    let kept = self::kept(&store.vault).await;
    let items = store
        .vault
        .items(&kept[0], &Selection::default())
        .await
        .unwrap();
    assert_eq!(items.len(), 1);
    assert_eq!(items[0].summary.subject, "second");
    // Under a policy without such rules nothing outlives its snapshots.
    let bare = options("last=1", "2026-12-02T12:00:00Z");
    store.vault.retention_apply(&bare).await.unwrap();
    assert_eq!(self::kept(&store.vault).await.len(), 0);
}

/// A kept item is restored as from a snapshot, by the id of its tree.
async fn restores_by_id(store: &Store, server: &Server, tree: &str, items: &[engine::ItemEntry]) {
    let by_id = SnapshotSelector::Id(tree[..12].to_owned());
    let found = store.vault.select(&by_id, None).await.unwrap();
    let gone = items
        .iter()
        .find(|item| item.summary.subject == "mail 0")
        .unwrap();
    let single = engine::RestoreOptions {
        selection: Selection {
            items: vec![gone.key.clone()],
            ..Selection::default()
        },
        ..engine::RestoreOptions::default()
    };
    let report = restore(&store.vault, &found[0], server, &single).await;
    assert_eq!(report.items_restored, 1);
    assert_eq!(
        server
            .sim
            .mailbox(ALICE)
            .unwrap()
            .item_count("Inbox")
            .unwrap(),
        5
    );
}

async fn kept(vault: &Vault) -> Vec<engine::Snapshot> {
    let mut all = vault.snapshots_and_kept().await.unwrap();
    all.retain(|snapshot| snapshot.kept);
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn kept_items_do_not_disturb_the_next_backup_and_are_told_in_a_check() {
    let (store, clock) = Store::with_clock("2026-11-01T12:00:00Z").await;
    let server = history(&store, &clock).await;
    let rules = options("last=1 deleted=30d versions=3", "2026-11-06T00:00:00Z");
    store.vault.retention_apply(&rules).await.unwrap();
    // Three versions of one mail: beside the newest two, so there are two trees.
    assert_eq!(kept(&store.vault).await.len(), 2);
    set(&clock, "2026-11-07T12:00:00Z");
    let report = backup(&store.vault, &server, &[ALICE]).await;
    assert_eq!(report.mailboxes[0].items_downloaded, 0);
    let checked = store
        .vault
        .check(true, Arc::new(engine::Silent))
        .await
        .unwrap();
    assert!(checked.is_clean(), "{checked:?}");
    assert_eq!(checked.snapshots, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_survives_policies_and_forgetting_until_it_is_released() {
    let (store, clock) = Store::with_clock("2026-11-01T12:00:00Z").await;
    let _server = history(&store, &clock).await;
    let all = store.vault.snapshots().await.unwrap();
    let first = HoldTarget::Snapshot(Box::new(all[0].clone()));
    let held = store.vault.hold(first, &because("case 1")).await.unwrap();
    let rules = options("last=1", "2026-11-06T00:00:00Z");
    let plan = store.vault.retention_apply(&rules).await.unwrap();
    assert_eq!(plan.holds, held);
    assert_eq!(
        ids(&store.vault).await,
        [all[0].id.clone(), all[4].id.clone()]
    );
    let refused = store
        .vault
        .forget_snapshots(&all[..1], &options("", "2026-11-06T00:00:00Z"), true, false)
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Denied);

    let nobody = store
        .vault
        .release_hold("ffff", &because("x"))
        .await
        .unwrap_err();
    assert_eq!(nobody.kind(), ErrorKind::NotFound);
    let without_reason = store.vault.release_hold(&held[0].id, &because(" ")).await;
    assert_eq!(without_reason.unwrap_err().kind(), ErrorKind::Invalid);
    store
        .vault
        .release_hold(&held[0].id[..8], &because("closed"))
        .await
        .unwrap();
    let holds = store.open().await.unwrap().holds().await.unwrap();
    assert_eq!(holds.len(), 1);
    assert_eq!(
        (holds[0].why.as_str(), &*holds[0].id),
        ("case 1", &*held[0].id)
    );
    assert_eq!(holds[0].released.as_ref().unwrap().why, "closed");
    store.vault.retention_apply(&rules).await.unwrap();
    assert_eq!(
        ids(&store.vault).await,
        all[4..].iter().map(|s| s.id.clone()).collect::<Vec<_>>()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_on_hold_loses_nothing_and_a_hold_ends_at_its_time() {
    let (store, clock) = Store::with_clock("2026-11-01T12:00:00Z").await;
    let server = history(&store, &clock).await;
    backup(&store.vault, &server, &[ALICE]).await;
    let until = "2026-11-20T00:00:00Z"
        .parse::<Timestamp>()
        .unwrap()
        .as_millisecond();
    let timed = HoldOptions {
        until_unix_ms: Some(until),
        ..because("case 2")
    };
    let mailbox = HoldTarget::Mailbox(ALICE.to_uppercase());
    store.vault.hold(mailbox, &timed).await.unwrap();
    let rules = |now: &str| options("last=1", now);
    let plan = store
        .vault
        .retention_apply(&rules("2026-11-19T23:59:59Z"))
        .await
        .unwrap();
    assert_eq!(plan.going().count(), 0);
    set(&clock, "2026-11-20T00:00:00Z");
    let plan = store
        .vault
        .retention_apply(&rules("2026-11-20T00:00:00Z"))
        .await
        .unwrap();
    assert_eq!((plan.going().count(), plan.holds.len()), (5, 0));
    let holds = store.vault.holds().await.unwrap();
    assert_eq!(holds[0].released.as_ref().unwrap().who, "retention");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_search_found_can_be_held_without_its_snapshots() {
    let (store, clock) = Store::with_clock("2026-11-01T12:00:00Z").await;
    let server = history(&store, &clock).await;
    let query = "subject:\"mail 0\"";
    let found = store
        .vault
        .search(
            &store.vault.parse_query(query).unwrap(),
            &SearchOptions::default(),
            &CancellationToken::new(),
            Arc::new(engine::Silent),
        )
        .await
        .unwrap();
    let target = HoldTarget::Items {
        query: query.into(),
        hits: found.hits,
    };
    let held = store.vault.hold(target, &because("case 3")).await.unwrap();
    assert_eq!(held.len(), 1);
    let rules = options("last=1", "2026-11-06T00:00:00Z");
    let plan = store.vault.retention_apply(&rules).await.unwrap();
    assert_eq!(counts(&plan), (4, Some(1), Some(2)));
    let by_id = SnapshotSelector::Id(held[0].id.clone());
    let tree = store.vault.select(&by_id, None).await.unwrap().remove(0);
    let items = store
        .vault
        .items(&tree, &Selection::default())
        .await
        .unwrap();
    assert_eq!(
        (items.len(), items[0].summary.subject.as_str()),
        (1, "mail 0")
    );
    let to_bob = engine::RestoreOptions {
        to_folder: Some("Held".into()),
        verify: true,
        ..engine::RestoreOptions::default()
    };
    let report = restore(&store.vault, &tree, &server, &to_bob).await;
    assert_eq!((report.items_restored, report.items_verified), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn snapshots_are_forgotten_by_hand_but_not_the_newest_unless_told_so() {
    let (store, clock) = Store::with_clock("2026-11-01T12:00:00Z").await;
    let _server = history(&store, &clock).await;
    let all = store.vault.snapshots().await.unwrap();
    let by_hand = options("deleted=1y", "2026-11-06T00:00:00Z");
    let forget = |which: std::ops::Range<usize>, newest: bool, dry_run: bool| {
        let (vault, by_hand) = (store.vault.clone(), by_hand.clone());
        let snapshots = all[which].to_vec();
        async move {
            vault
                .forget_snapshots(&snapshots, &by_hand, newest, dry_run)
                .await
        }
    };
    assert_eq!(
        forget(4..5, false, false).await.unwrap_err().kind(),
        ErrorKind::Denied
    );
    let plan = forget(0..2, false, true).await.unwrap();
    assert_eq!(
        (counts(&plan), plan.applied),
        ((2, Some(1), Some(1)), false)
    );
    assert_eq!(ids(&store.vault).await.len(), 5);
    forget(0..2, false, false).await.unwrap();
    assert_eq!(ids(&store.vault).await.len(), 3);
    assert_eq!(kept(&store.vault).await.len(), 1);
    // Forgetting by hand without a rule about items leaves what is kept alone.
    let bare = options("", "2026-11-06T00:00:00Z");
    store
        .vault
        .forget_snapshots(&all[2..3], &bare, false, false)
        .await
        .unwrap();
    assert_eq!(kept(&store.vault).await.len(), 1);
    forget(4..5, true, false).await.unwrap();
    assert_eq!(ids(&store.vault).await, [all[3].id.clone()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_on_what_was_forgotten_and_pruned_meanwhile_is_refused_and_leaves_nothing() {
    let (store, clock) = Store::with_clock("2026-11-01T12:00:00Z").await;
    let _server = history(&store, &clock).await;
    let all = store.vault.snapshots().await.unwrap();
    let chosen = all[0].clone();
    // Another process applies a policy and gives the space back.
    let other = store.open_later(86_400_000).await;
    let options = options("last=1", "2026-11-06T00:00:00Z");
    other.retention_apply(&options).await.unwrap();
    let prune = engine::PruneOptions {
        end_open_after: std::time::Duration::ZERO,
        ..engine::PruneOptions::default()
    };
    other.prune(&prune, Arc::new(engine::Silent)).await.unwrap();
    let target = HoldTarget::Snapshot(Box::new(chosen));
    let refused = store
        .vault
        .hold(target, &because("a case"))
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::NotFound);
    assert!(store.vault.holds().await.unwrap().is_empty());
    let check = store
        .vault
        .check(true, Arc::new(engine::Silent))
        .await
        .unwrap();
    assert!(check.is_clean(), "{check:#?}");
    // No session was left open, for which a prune would have to wait.
    let report = other.prune(&prune, Arc::new(engine::Silent)).await.unwrap();
    assert!(
        report.waiting_for.is_empty() && report.ended.is_empty(),
        "{report:#?}"
    );
}

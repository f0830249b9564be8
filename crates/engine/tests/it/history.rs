//! Versions of items over snapshots, differences to the live mailbox, and points in time.

use std::sync::Arc;

use engine::{
    Changed, Difference, ErrorKind, ExportOptions, Policy, RestoreOptions, RetentionOptions,
    Selection, SnapshotSelector, TimeZone, Timestamp,
};
use ews_sim::{Deletion, Sim};
use tokio_util::sync::CancellationToken;

use crate::world::{Clock, Server, Store, backup, latest, restore, set, sim_with};

const ALICE: &str = "alice@example.test";

async fn on(day: u32, clock: &Clock, store: &Store, server: &Server) {
    set(clock, &format!("2026-11-{day:02}T12:00:00Z"));
    backup(&store.vault, server, &[ALICE]).await;
}

fn noon(day: u32) -> i64 {
    let time = format!("2026-11-{day:02}T12:00:00Z");
    time.parse::<Timestamp>().unwrap().as_millisecond()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_version_of_an_item_is_told_with_its_times_and_what_changed() {
    let (store, clock) = Store::with_clock("2026-11-01T12:00:00Z").await;
    let server = Server::start(sim_with(&[ALICE], 4)).await;
    let alice = server.sim.mailbox(ALICE).unwrap();
    alice.create_folder("Inbox/Done").unwrap();
    on(1, &clock, &store, &server).await;
    let id = alice.items("Inbox").unwrap()[2].id.clone();
    on(2, &clock, &store, &server).await;
    let was_read = alice.items("Inbox").unwrap()[2].is_read;
    alice.set_read(&id, !was_read).unwrap();
    on(3, &clock, &store, &server).await;
    alice.edit_subject(&id, "another subject").unwrap();
    on(4, &clock, &store, &server).await;
    alice.move_item(&id, "Inbox/Done").unwrap();
    on(5, &clock, &store, &server).await;
    let moved = alice.items("Inbox/Done").unwrap()[0].id.clone();
    alice.delete(&moved, Deletion::Hard).unwrap();
    on(6, &clock, &store, &server).await;

    // By its first id, by its last, and by the beginning of the key that listings show.
    let history = store.vault.versions(&id, None).await.unwrap();
    let by_last_id = store.vault.versions(&moved, Some(ALICE)).await.unwrap();
    let by_key = store
        .vault
        .versions(&history.key[..12], None)
        .await
        .unwrap();
    for other in [&by_last_id, &by_key] {
        assert_eq!(format!("{other:?}"), format!("{history:?}"));
    }
    assert_eq!(history.gone_unix_ms, Some(noon(6)));
    let told: Vec<_> = history
        .versions
        .iter()
        .map(|v| {
            (
                v.first_unix_ms,
                v.last_unix_ms,
                v.changed.clone(),
                v.folder.as_str(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (noon(1), noon(2), vec![Changed::New], "Inbox"),
            (noon(3), noon(3), vec![Changed::ReadState], "Inbox"),
            (noon(4), noon(4), vec![Changed::Subject], "Inbox"),
            (noon(5), noon(5), vec![Changed::Folder], "Inbox/Done"),
        ]
    );
    // Each can be viewed where it is said to be.
    for version in &history.versions {
        let id = SnapshotSelector::Id(version.snapshot.clone());
        let snapshot = store.vault.select(&id, None).await.unwrap().remove(0);
        let (entry, _) = store.vault.item(&snapshot, &version.key).await.unwrap();
        assert_eq!(entry.summary, version.summary);
        assert_eq!(entry.is_read, version.is_read);
    }
    let nobody = store
        .vault
        .versions("ffffffffffff", None)
        .await
        .unwrap_err();
    assert_eq!(nobody.kind(), ErrorKind::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_that_outlived_their_snapshots_are_told_as_before() {
    let (store, clock) = Store::with_clock("2026-11-01T12:00:00Z").await;
    let server = Server::start(sim_with(&[ALICE], 3)).await;
    let alice = server.sim.mailbox(ALICE).unwrap();
    let id = alice.items("Inbox").unwrap()[0].id.clone();
    for day in 1..=6 {
        on(day, &clock, &store, &server).await;
        if day % 2 == 0 {
            alice.edit_subject(&id, &format!("on day {day}")).unwrap();
        }
    }
    on(7, &clock, &store, &server).await;
    let before = store.vault.versions(&id, None).await.unwrap();
    let options = RetentionOptions {
        policy: Policy {
            last: 1,
            versions: 3,
            ..Policy::default()
        },
        mailboxes: Vec::new(),
        now: "2026-11-07T13:00:00Z"
            .parse::<Timestamp>()
            .unwrap()
            .to_zoned(TimeZone::UTC),
        list_items: false,
    };
    store.vault.retention_apply(&options).await.unwrap();
    let after = store.vault.versions(&id, None).await.unwrap();
    assert_eq!((before.versions.len(), after.versions.len()), (4, 3));
    let times = |versions: &[engine::ItemVersion]| -> Vec<_> {
        versions
            .iter()
            .map(|v| (v.first_unix_ms, v.last_unix_ms))
            .collect()
    };
    assert_eq!(times(&after.versions), times(&before.versions[1..]));
    let kept: Vec<bool> = after.versions.iter().map(|v| v.kept).collect();
    assert_eq!(kept, [true, true, false]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_is_compared_with_the_live_mailbox_without_any_download() {
    let (store, clock) = Store::with_clock("2026-11-01T12:00:00Z").await;
    let server = Server::start(sim_with(&[ALICE], 1_203)).await;
    let alice = server.sim.mailbox(ALICE).unwrap();
    on(1, &clock, &store, &server).await;
    let snapshot = latest(&store.vault, ALICE).await;
    let same = store
        .vault
        .diff_live(&snapshot, &server.exchange())
        .await
        .unwrap();
    assert_eq!((same.items.len(), same.folders.len()), (0, 0));

    let items = alice.items("Inbox").unwrap();
    alice.delete(&items[0].id, Deletion::Hard).unwrap();
    alice.edit_subject(&items[1].id, "changed").unwrap();
    alice.create_folder("New").unwrap();
    alice.add_mime("New", &crate::world::mail(7_000)).unwrap();
    alice.add_mime("Inbox", &crate::world::mail(7_001)).unwrap();
    server.sim.reset_stats();
    let live = store
        .vault
        .diff_live(&snapshot, &server.exchange())
        .await
        .unwrap();
    assert_eq!(server.sim.stats().items_exported, 0);
    let inbox = &live.folders["Inbox"];
    assert_eq!((inbox.added, inbox.removed, inbox.changed), (1, 1, 1));
    assert_eq!(live.folders_added, ["New"]);
    assert_eq!(live.folders["New"].added, 1);
    assert_eq!(live.items.len(), 4);
    let gone = live
        .items
        .iter()
        .find(|i| i.difference == Difference::Removed)
        .unwrap();
    assert_eq!(gone.subject, items[0].subject);

    let elsewhere = Server::start(Sim::builder().mailbox("bob@example.test").build().unwrap());
    let elsewhere = elsewhere.await;
    let error = store
        .vault
        .diff_live(&snapshot, &elsewhere.exchange())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_point_in_time_is_the_snapshot_made_then_or_before() {
    let (store, clock) = Store::with_clock("2026-11-01T12:00:00Z").await;
    let server = Server::start(sim_with(&[ALICE], 2)).await;
    for day in [1, 3, 5] {
        on(day, &clock, &store, &server).await;
        let number = 100 + day as usize;
        server
            .sim
            .mailbox(ALICE)
            .unwrap()
            .add_mime("Inbox", &crate::world::mail(number))
            .unwrap();
    }
    for (time, items) in [(noon(1), 2), (noon(3) - 1, 2), (noon(3), 3), (noon(30), 4)] {
        let as_of = SnapshotSelector::AsOf(time);
        let snapshot = store
            .vault
            .select(&as_of, Some(ALICE))
            .await
            .unwrap()
            .remove(0);
        assert_eq!(snapshot.about.items, items);
    }
    let too_early = SnapshotSelector::AsOf(noon(1) - 1);
    let error = store.vault.select(&too_early, None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_version_is_exported_and_restored_by_its_snapshot_and_key_even_when_kept() {
    let (store, clock) = Store::with_clock("2026-11-01T12:00:00Z").await;
    let server = Server::start(sim_with(&[ALICE], 3)).await;
    let alice = server.sim.mailbox(ALICE).unwrap();
    let id = alice.items("Inbox").unwrap()[0].id.clone();
    let mut subjects = vec![alice.item(&id).unwrap().subject];
    on(1, &clock, &store, &server).await;
    for day in 2..=4 {
        let subject = format!("on day {day}");
        alice.edit_subject(&id, &subject).unwrap();
        subjects.push(subject);
        on(day, &clock, &store, &server).await;
    }
    // The first two outlive their snapshots.
    let now = "2026-11-04T13:00:00Z".parse::<Timestamp>().unwrap();
    let options = RetentionOptions {
        policy: Policy {
            last: 2,
            versions: 4,
            ..Policy::default()
        },
        mailboxes: Vec::new(),
        now: now.to_zoned(TimeZone::UTC),
        list_items: false,
    };
    store.vault.retention_apply(&options).await.unwrap();
    let history = store.vault.versions(&id, None).await.unwrap();
    let kept: Vec<bool> = history.versions.iter().map(|v| v.kept).collect();
    assert_eq!(kept, [true, true, false, false]);
    let silent = || Arc::new(engine::Silent);
    for (number, (version, subject)) in history.versions.iter().zip(&subjects).enumerate() {
        let selector = SnapshotSelector::Id(version.snapshot.clone());
        let snapshot = store.vault.select(&selector, None).await.unwrap().remove(0);
        let selection = Selection::of_items([version.key.clone()]);
        let to_folder = format!("Version {number}");
        let options = RestoreOptions {
            selection: selection.clone(),
            to_folder: Some(to_folder.clone()),
            verify: true,
            ..RestoreOptions::default()
        };
        let report = restore(&store.vault, &snapshot, &server, &options).await;
        assert_eq!((report.items_restored, report.items_verified), (1, 1));
        let restored = alice.items(&to_folder).unwrap();
        assert_eq!(restored[0].subject, *subject);
        let out = tempfile::tempdir().unwrap();
        let options = ExportOptions {
            selection,
            ..ExportOptions::default()
        };
        let cancel = CancellationToken::new();
        let exported = store
            .vault
            .export(&snapshot, &options, out.path(), &cancel, silent());
        assert_eq!(exported.await.unwrap().files, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_read_state_alone_is_a_version_that_costs_no_download() {
    let (store, clock) = Store::with_clock("2026-11-01T12:00:00Z").await;
    let server = Server::start(sim_with(&[ALICE], 40)).await;
    let alice = server.sim.mailbox(ALICE).unwrap();
    on(1, &clock, &store, &server).await;
    let items = alice.items("Inbox").unwrap();
    for item in &items[..25] {
        alice.set_read(&item.id, !item.is_read).unwrap();
    }
    server.sim.reset_stats();
    set(&clock, "2026-11-02T12:00:00Z");
    let report = backup(&store.vault, &server, &[ALICE]).await;
    let mine = &report.mailboxes[0];
    let counts = (mine.items, mine.items_downloaded, mine.items_flagged);
    assert_eq!(counts, (40, 0, 25));
    let stats = server.sim.stats();
    assert_eq!((stats.items_exported, stats.items_read), (0, 0));
    assert!(!stats.requests.contains_key("ExportItems"), "{stats:?}");
    for (number, item) in items.iter().enumerate() {
        let history = store.vault.versions(&item.id, None).await.unwrap();
        let told: Vec<_> = history.versions.iter().map(|v| v.changed.clone()).collect();
        let expected = match number < 25 {
            true => vec![vec![Changed::New], vec![Changed::ReadState]],
            false => vec![vec![Changed::New]],
        };
        assert_eq!(told, expected, "{}", item.subject);
    }
}

//! Which folders and items a backup and a restore take, and what their reports say of the rest.

use std::sync::Arc;

use engine::{BackupOptions, BackupReport, RestoreOptions, Selection, Vault};
use tokio_util::sync::CancellationToken;

use crate::world::{Server, Store, environment, latest, of, restore, sim_with};

const ALICE: &str = "alice@example.test";
const BOB: &str = "bob@example.test";
const DAY_MS: i64 = 24 * 3600 * 1000;

async fn run(vault: &Vault, server: &Server, selection: &Selection) -> BackupReport {
    let options = BackupOptions {
        selection: selection.clone(),
        ..of(&[ALICE])
    };
    let report = vault
        .backup(
            &server.exchange(),
            &options,
            &CancellationToken::new(),
            Arc::new(engine::Silent),
        )
        .await
        .unwrap();
    assert!(report.is_complete(), "{report:#?}");
    report
}

/// A mail that is so many days old, with so many bytes of text.
fn aged(number: usize, days: i64, bytes: usize) -> Vec<u8> {
    let now = (environment().now_unix_ms)();
    let date = jiff::Timestamp::from_millisecond(now - days * DAY_MS).unwrap();
    let date = date.strftime("%a, %d %b %Y %H:%M:%S +0000");
    let text = "word ".repeat(bytes / 5);
    format!(
        "From: Ann <ann@example.test>\r\nTo: bob@example.test\r\nSubject: mail {number}\r\n\
         Date: {date}\r\nMessage-ID: <{number}@example.test>\r\n\r\n{text}\r\n"
    )
    .into_bytes()
}

fn reasons(report: &BackupReport, what: &str) -> Vec<String> {
    let gaps = report.gaps.iter().filter(|gap| gap.what == what);
    gaps.map(|gap| gap.reason.clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_are_included_and_excluded_by_path_pattern_and_distinguished_name() {
    let server = Server::start(sim_with(&[ALICE], 4)).await;
    let mailbox = server.sim.mailbox(ALICE).unwrap();
    for (folder, number) in [
        ("Inbox/Old/Deep", 11),
        ("Inbox/New", 12),
        ("Projects/Old", 13),
    ] {
        mailbox
            .add_mime(folder, &crate::world::mail(number))
            .unwrap();
    }
    let selection = Selection {
        folders: vec!["@inbox".into(), "Proj*".into(), "Nowhere".into()],
        exclude_folders: vec!["@inbox/Old".into()],
        ..Selection::default()
    };
    let store = Store::create().await;
    let report = run(&store.vault, &server, &selection).await;
    assert_eq!(report.mailboxes[0].items, 6);
    assert_eq!(
        reasons(&report, "Inbox/Old/Deep"),
        ["excluded by @inbox/Old"]
    );
    assert_eq!(reasons(&report, "Calendar"), ["not selected"]);
    assert_eq!(
        reasons(&report, "Nowhere"),
        ["selected, but the mailbox has no such folder"]
    );
    let snapshot = latest(&store.vault, ALICE).await;
    assert_eq!(
        snapshot.about.selection,
        [
            "folder @inbox",
            "folder Proj*",
            "folder Nowhere",
            "not folder @inbox/Old"
        ]
    );
    // What an earlier selection took stays, and a wider one adds only what is missing.
    server.sim.reset_stats();
    let report = run(&store.vault, &server, &Selection::default()).await;
    assert_eq!(report.mailboxes[0].items, 7);
    assert_eq!(server.sim.stats().items_exported, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn items_are_left_out_by_class_age_and_size_and_counted_until_they_are_meant() {
    let server = Server::start(sim_with(&[ALICE], 0)).await;
    let mailbox = server.sim.mailbox(ALICE).unwrap();
    for (number, (days, bytes)) in [(400, 100), (20, 100), (20, 100), (3, 100), (20, 200_000)]
        .into_iter()
        .enumerate()
    {
        mailbox
            .add_mime("Inbox", &aged(number, days, bytes))
            .unwrap();
    }
    let selection = Selection {
        exclude_classes: vec!["IPM.Post".into()],
        newer_than: Some("1y".parse().unwrap()),
        older_than: Some("7d".parse().unwrap()),
        smaller_than: Some("100k".parse().unwrap()),
        ..Selection::default()
    };
    let store = Store::create().await;
    let report = run(&store.vault, &server, &selection).await;
    assert_eq!(report.mailboxes[0].items, 2);
    assert_eq!(server.sim.stats().items_exported, 2);
    let left_out = [
        "1 item larger than selected",
        "1 item newer than selected",
        "1 item older than selected",
    ];
    assert_eq!(reasons(&report, "Inbox"), left_out);

    // Nothing changed: nothing is asked for again, and the report says the same.
    server.sim.reset_stats();
    let report = run(&store.vault, &server, &selection).await;
    let requests = server.sim.stats().requests_total;
    assert!(requests <= 3, "{requests}");
    assert_eq!(reasons(&report, "Inbox"), left_out);

    // A wider selection takes what the narrower one left out, and downloads nothing twice.
    let wider = Selection {
        smaller_than: None,
        older_than: None,
        ..selection
    };
    server.sim.reset_stats();
    let report = run(&store.vault, &server, &wider).await;
    assert_eq!(report.mailboxes[0].items, 4);
    assert_eq!(server.sim.stats().items_exported, 2);
    assert_eq!(reasons(&report, "Inbox"), ["1 item older than selected"]);

    // A narrower one keeps what it has.
    let report = run(
        &store.vault,
        &server,
        &Selection {
            classes: vec!["IPM.Task".into()],
            ..Selection::default()
        },
    )
    .await;
    assert_eq!(report.mailboxes[0].items, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_too_young_is_read_when_it_is_old_enough() {
    let server = Server::start(sim_with(&[ALICE], 0)).await;
    let mailbox = server.sim.mailbox(ALICE).unwrap();
    mailbox.add_mime("Inbox", &aged(1, 5, 100)).unwrap();
    let selection = Selection {
        older_than: Some("7d".parse().unwrap()),
        ..Selection::default()
    };
    let store = Store::create().await;
    let report = run(&store.vault, &server, &selection).await;
    assert_eq!(report.mailboxes[0].items, 0);
    let later = store.open_later(3 * DAY_MS).await;
    let report = run(&later, &server, &selection).await;
    assert_eq!(report.mailboxes[0].items, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_takes_only_items_of_the_chosen_class_and_size() {
    let server = Server::start(sim_with(&[ALICE, BOB], 0)).await;
    let mailbox = server.sim.mailbox(ALICE).unwrap();
    mailbox.add_mime("Inbox", &aged(1, 5, 100)).unwrap();
    mailbox
        .add_mime("Inbox/Large", &aged(2, 5, 200_000))
        .unwrap();
    mailbox.add_mime("Inbox", &aged(3, 50, 200_000)).unwrap();
    let store = Store::create().await;
    run(&store.vault, &server, &Selection::default()).await;
    let snapshot = latest(&store.vault, ALICE).await;
    let options = RestoreOptions {
        selection: Selection {
            larger_than: Some("100k".parse().unwrap()),
            newer_than: Some("30d".parse().unwrap()),
            ..Selection::default()
        },
        to_mailbox: Some(BOB.into()),
        ..RestoreOptions::default()
    };
    let report = restore(&store.vault, &snapshot, &server, &options).await;
    assert_eq!(report.items_restored, 1);
    assert_eq!(report.folders.len(), 1, "{:?}", report.folders);
    let bob = server.sim.mailbox(BOB).unwrap();
    assert_eq!(bob.item_count("Inbox/Large").unwrap(), 1);
}

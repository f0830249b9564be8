//! Which mailboxes a choice means: by list, group and pattern, with and without the right to list
//! them, and what a report says of the others.

use std::sync::Arc;

use engine::{BackupOptions, BackupReport, Exchange, Gap, MailboxSelection, Roster, Selection};
use ews_sim::{Account, FaultAction, FaultPlan, FaultWhen, Sim};
use tokio_util::sync::CancellationToken;

use crate::world::{Server, Store, exchange, latest, of};

const NAMES: [&str; 5] = [
    "alice@example.test",
    "bob@example.test",
    "sales-1@example.test",
    "sales-2@example.test",
    "test-1@example.test",
];

async fn server() -> Server {
    let builder = NAMES
        .iter()
        .fold(Sim::builder(), |builder, name| builder.mailbox(name));
    let builder = builder
        .group(
            "staff@example.test",
            ["alice@example.test", "sales@example.test"],
        )
        .group(
            "sales@example.test",
            ["sales-1@example.test", "staff@example.test"],
        )
        .account(Account::impersonator("svc@example.test", "secret"))
        .account(Account::new("reader@example.test", "secret"));
    Server::start(builder.build().unwrap()).await
}

fn whole(mailbox: &str, reason: &str) -> Gap {
    Gap {
        mailbox: mailbox.to_owned(),
        what: Gap::WHOLE_MAILBOX.to_owned(),
        reason: reason.to_owned(),
    }
}

async fn found(exchange: &Exchange, selection: MailboxSelection) -> Roster {
    exchange.roster(&selection).await.unwrap()
}

async fn run(store: &Store, exchange: &Exchange, options: &BackupOptions) -> BackupReport {
    let monitor = Arc::new(engine::Silent);
    let cancel = CancellationToken::new();
    store
        .vault
        .backup(exchange, options, &cancel, monitor)
        .await
        .unwrap()
}

fn all() -> MailboxSelection {
    MailboxSelection {
        all: true,
        ..MailboxSelection::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mailboxes_are_found_by_list_group_and_pattern_and_the_others_are_named() {
    let server = server().await;
    let service = server.exchange();
    let everybody = found(&service, all()).await;
    assert_eq!(
        (everybody.mailboxes, everybody.gaps),
        (NAMES.map(String::from).to_vec(), vec![])
    );

    let selection = MailboxSelection {
        addresses: vec!["bob@example.test/archive".into()],
        groups: vec!["staff@example.test".into()],
        patterns: vec!["sales-*".into(), "test-*".into()],
        exclude: vec!["test-?@*".into()],
        ..MailboxSelection::default()
    };
    let some = found(&service, selection).await;
    assert_eq!(
        some.mailboxes,
        ["bob@example.test/archive", NAMES[0], NAMES[2], NAMES[3]]
    );
    let gaps = [
        whole(NAMES[1], "not selected"),
        whole(NAMES[4], "excluded by test-?@*"),
    ];
    assert_eq!(some.gaps, gaps);

    // A group costs one request a group, and no list of mailboxes.
    server.sim.reset_stats();
    let group = MailboxSelection {
        groups: vec!["staff@example.test".into()],
        ..MailboxSelection::default()
    };
    assert_eq!(found(&service, group).await.mailboxes, [NAMES[0], NAMES[2]]);
    assert_eq!(server.sim.stats().requests_total, 2);
    let nobody = MailboxSelection {
        groups: vec!["nobody@example.test".into()],
        ..MailboxSelection::default()
    };
    assert!(service.roster(&nobody).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_may_not_list_mailboxes_reads_the_address_book_and_says_so() {
    let server = server().await;
    let reader = exchange(server.url(), "reader@example.test", "secret");
    let everybody = found(&reader, all()).await;
    assert_eq!(everybody.mailboxes, NAMES);
    assert_eq!(everybody.gaps.len(), 1);
    let gap = &everybody.gaps[0];
    assert_eq!(gap.what, "the list of mailboxes");
    assert!(
        gap.reason.starts_with("found in the address book, where"),
        "{gap:?}"
    );

    // Without FindPeople, name by name.
    let refused = FaultAction::Fail("ErrorInvalidOperation".into());
    server
        .sim
        .set_faults(FaultPlan::none().rule("FindPeople", FaultWhen::Always, refused));
    let everybody = found(&reader, all()).await;
    assert_eq!(everybody.mailboxes, NAMES);
    let gap = &everybody.gaps[0];
    assert!(
        gap.reason
            .starts_with("found in the address book, name by name"),
        "{gap:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_a_pattern_reports_who_is_not_covered() {
    let server = server().await;
    let store = Store::create().await;
    let exchange = server.exchange();
    let selection = MailboxSelection {
        patterns: vec!["sales-*".into()],
        ..MailboxSelection::default()
    };
    let roster = found(&exchange, selection).await;
    let options = BackupOptions {
        mailboxes: roster.mailboxes,
        known_gaps: roster.gaps,
        ..BackupOptions::default()
    };
    let report = run(&store, &exchange, &options).await;
    assert!(report.is_complete());
    assert_eq!(report.mailboxes.len(), 2);
    assert!(
        report
            .gaps
            .contains(&whole("alice@example.test", "not selected"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_never_selected_is_no_difference_to_the_live_mailbox() {
    let server = Server::start(crate::world::sim_with(&[NAMES[0]], 3)).await;
    let mailbox = server.sim.mailbox(NAMES[0]).unwrap();
    mailbox
        .add_mime("Sent Items", &crate::world::mail(10))
        .unwrap();
    let store = Store::create().await;
    let options = BackupOptions {
        selection: Selection {
            folders: vec!["@inbox".into()],
            smaller_than: Some("10k".parse().unwrap()),
            ..Selection::default()
        },
        ..of(&[NAMES[0]])
    };
    let exchange = server.exchange();
    run(&store, &exchange, &options).await;
    let snapshot = latest(&store.vault, NAMES[0]).await;
    let large = [crate::world::mail(11), vec![b'x'; 20_000]].concat();
    mailbox.add_mime("Inbox", &large).unwrap();
    let same = store.vault.diff_live(&snapshot, &exchange).await.unwrap();
    assert_eq!(
        (same.folders_added.len(), same.items.len()),
        (0, 0),
        "{same:#?}"
    );
    assert!(same.folders_not_selected.contains(&"Sent Items".to_owned()));
    // A folder that is new and would be taken is a difference.
    mailbox.create_folder("Inbox/New").unwrap();
    mailbox
        .add_mime("Inbox/New", &crate::world::mail(12))
        .unwrap();
    let other = store.vault.diff_live(&snapshot, &exchange).await.unwrap();
    assert_eq!(other.folders_added, ["Inbox/New"]);
    assert_eq!(other.items.len(), 1);
}

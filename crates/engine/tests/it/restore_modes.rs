//! What a restore does about live items: four modes, each the same a second time.

use engine::{MeetingOutcome, RestoreMode, RestoreOptions, RestoreReport, Snapshot};
use ews_sim::{Deletion, MailboxHandle, Sim};
use fasttransfer::{Attachment, Message, PropValue, named, tag};

use crate::world::{Server, Store, backup, latest, mail, restore, sim_with};

const ALICE: &str = "alice@example.test";
const BOB: &str = "bob@example.test";

fn mode(mode: RestoreMode) -> RestoreOptions {
    RestoreOptions {
        mode,
        ..RestoreOptions::default()
    }
}

fn into_bob(mode: RestoreMode) -> RestoreOptions {
    RestoreOptions {
        mode,
        to_mailbox: Some(BOB.into()),
        ..RestoreOptions::default()
    }
}

/// Created, replaced, there already, not there.
fn counts(report: &RestoreReport) -> (u64, u64, u64, u64) {
    (
        report.items_restored,
        report.items_replaced,
        report.items_skipped,
        report.items_absent,
    )
}

fn subjects(mailbox: &MailboxHandle, folder: &str) -> Vec<String> {
    let items = mailbox.items(folder).unwrap().into_iter();
    let mut subjects: Vec<String> = items.map(|item| item.subject).collect();
    subjects.sort();
    subjects
}

fn ids(mailbox: &MailboxHandle) -> Vec<String> {
    let items = mailbox.items("Inbox").unwrap().into_iter();
    items.map(|item| item.id).collect()
}

/// Ten mails in a snapshot; then three have other subjects, one is read, two are gone.
async fn changed_since() -> (Server, Store, Snapshot) {
    let server = Server::start(sim_with(&[ALICE, BOB], 10)).await;
    let store = Store::create().await;
    backup(&store.vault, &server, &[ALICE]).await;
    let snapshot = latest(&store.vault, ALICE).await;
    let alice = server.sim.mailbox(ALICE).unwrap();
    let items = alice.items("Inbox").unwrap();
    for (number, item) in items.iter().enumerate().take(6) {
        match number {
            0..=2 => alice
                .edit_subject(&item.id, &format!("edited {number}"))
                .unwrap(),
            3 => alice.set_read(&item.id, !item.is_read).unwrap(),
            _ => alice.delete(&item.id, Deletion::Hard).unwrap(),
        }
    }
    (server, store, snapshot)
}

fn original() -> Vec<String> {
    (0..10).map(|number| format!("mail {number}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn only_changed_replaces_what_differs_and_creates_nothing() {
    let (server, store, snapshot) = changed_since().await;
    let alice = server.sim.mailbox(ALICE).unwrap();
    let before = ids(&alice);
    let plan = RestoreOptions {
        dry_run: true,
        ..mode(RestoreMode::Changed)
    };
    let planned = restore(&store.vault, &snapshot, &server, &plan).await;
    assert_eq!(counts(&planned), (0, 4, 4, 2));
    assert_eq!(server.sim.stats().items_uploaded, 0);
    assert!(store.vault.restore_runs().await.unwrap().is_empty());

    let options = RestoreOptions {
        verify: true,
        ..mode(RestoreMode::Changed)
    };
    let report = restore(&store.vault, &snapshot, &server, &options).await;
    assert_eq!(counts(&report), (0, 4, 4, 2));
    assert_eq!(report.items_verified, 4);
    assert_eq!(ids(&alice), before, "replaced items keep their ids");
    let there = original()
        .into_iter()
        .filter(|subject| !["mail 4", "mail 5"].contains(&subject.as_str()));
    assert_eq!(subjects(&alice, "Inbox"), there.collect::<Vec<_>>());

    // What was replaced is read again, and found to be as it should.
    server.sim.reset_stats();
    let again = restore(
        &store.vault,
        &snapshot,
        &server,
        &mode(RestoreMode::Changed),
    )
    .await;
    assert_eq!(counts(&again), (0, 0, 8, 2));
    let stats = server.sim.stats();
    assert_eq!((stats.items_exported, stats.items_uploaded), (4, 0));
    assert_eq!(again.run, None);
    assert_eq!(server.sim.sent_messages(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn overwrite_makes_everything_as_it_was_and_trusts_no_change_key() {
    let (server, store, snapshot) = changed_since().await;
    let alice = server.sim.mailbox(ALICE).unwrap();
    server.sim.reset_stats();
    let options = mode(RestoreMode::Overwrite);
    let report = restore(&store.vault, &snapshot, &server, &options).await;
    assert_eq!(counts(&report), (2, 4, 4, 0));
    assert_eq!(server.sim.stats().items_exported, 8);
    assert_eq!(subjects(&alice, "Inbox"), original());
    let again = restore(&store.vault, &snapshot, &server, &options).await;
    assert_eq!(counts(&again), (0, 0, 10, 0));
    assert_eq!(alice.item_count("Inbox").unwrap(), 10);
    assert_eq!(server.sim.sent_messages(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn keeping_both_adds_a_second_item_once() {
    let (server, store, snapshot) = changed_since().await;
    let alice = server.sim.mailbox(ALICE).unwrap();
    let options = mode(RestoreMode::Both);
    let report = restore(&store.vault, &snapshot, &server, &options).await;
    assert_eq!(counts(&report), (6, 0, 4, 0));
    let mut expected = original();
    expected.extend((0..3).map(|number| format!("edited {number}")));
    expected.push("mail 3".to_owned());
    expected.sort();
    assert_eq!(subjects(&alice, "Inbox"), expected);
    let again = restore(&store.vault, &snapshot, &server, &options).await;
    assert_eq!(counts(&again), (0, 0, 10, 0));

    // The same after all of it was backed up, from the old snapshot and from the new one.
    backup(&store.vault, &server, &[ALICE]).await;
    let newer = latest(&store.vault, ALICE).await;
    let again = restore(&store.vault, &snapshot, &server, &options).await;
    assert_eq!(counts(&again), (0, 0, 10, 0));
    let again = restore(&store.vault, &newer, &server, &options).await;
    assert_eq!(counts(&again), (0, 0, 14, 0));
    assert_eq!(alice.item_count("Inbox").unwrap(), 14);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_that_was_changed_and_changed_back_is_not_replaced() {
    let server = Server::start(sim_with(&[ALICE], 3)).await;
    let store = Store::create().await;
    backup(&store.vault, &server, &[ALICE]).await;
    let snapshot = latest(&store.vault, ALICE).await;
    let alice = server.sim.mailbox(ALICE).unwrap();
    let item = &alice.items("Inbox").unwrap()[0];
    // A new change key, and nothing else.
    alice.edit(&item.id, |_| {}).unwrap();
    for mode in [RestoreMode::Changed, RestoreMode::Both] {
        let options = RestoreOptions {
            mode,
            ..RestoreOptions::default()
        };
        let report = restore(&store.vault, &snapshot, &server, &options).await;
        assert_eq!(counts(&report), (0, 0, 3, 0), "{mode}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_mailbox_knows_restored_items_by_their_origin_whatever_version_they_are() {
    let server = Server::start(sim_with(&[ALICE], 6)).await;
    server.sim.add_mailbox(BOB).unwrap();
    let store = Store::create().await;
    backup(&store.vault, &server, &[ALICE]).await;
    let first = latest(&store.vault, ALICE).await;
    let done = restore(
        &store.vault,
        &first,
        &server,
        &into_bob(RestoreMode::Missing),
    )
    .await;
    assert_eq!(counts(&done), (6, 0, 0, 0));

    let alice = server.sim.mailbox(ALICE).unwrap();
    let bob = server.sim.mailbox(BOB).unwrap();
    let item = &alice.items("Inbox").unwrap()[0];
    alice.edit_subject(&item.id, "a newer version").unwrap();
    backup(&store.vault, &server, &[ALICE]).await;
    let second = latest(&store.vault, ALICE).await;
    let changed = into_bob(RestoreMode::Changed);
    for expected in [(0, 1, 5, 0), (0, 0, 6, 0)] {
        let done = restore(&store.vault, &second, &server, &changed).await;
        assert_eq!(counts(&done), expected);
    }
    assert!(subjects(&bob, "Inbox").contains(&"a newer version".to_owned()));
    assert_eq!(bob.item_count("Inbox").unwrap(), 6);

    let theirs = &bob.items("Inbox").unwrap()[1];
    bob.edit_subject(&theirs.id, "edited by bob").unwrap();
    let both = into_bob(RestoreMode::Both);
    for expected in [(1, 0, 5, 0), (0, 0, 6, 0)] {
        let done = restore(&store.vault, &second, &server, &both).await;
        assert_eq!(counts(&done), expected);
    }
    assert_eq!(bob.item_count("Inbox").unwrap(), 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_a_restored_one_is_attached_to_comes_once() {
    let server = Server::start(sim_with(&[ALICE], 1)).await;
    server.sim.add_mailbox(BOB).unwrap();
    let store = Store::create().await;
    backup(&store.vault, &server, &[ALICE]).await;
    let snapshot = latest(&store.vault, ALICE).await;
    restore(
        &store.vault,
        &snapshot,
        &server,
        &into_bob(RestoreMode::Missing),
    )
    .await;

    // Bob forwards what was restored; the forward carries its origin within.
    let bob = server.sim.mailbox(BOB).unwrap();
    let restored = bob.message(&bob.items("Inbox").unwrap()[0].id).unwrap();
    let mut forward = Message::default();
    forward.props.set(tag::MESSAGE_CLASS, "IPM.Note");
    forward.props.set(tag::SUBJECT, "FW: mail 0");
    forward.attachments.push(Attachment {
        embedded: Some(Box::new(restored)),
        ..Attachment::default()
    });
    bob.add_message("Drafts", forward).unwrap();
    backup(&store.vault, &server, &[BOB]).await;
    let snapshot = latest(&store.vault, BOB).await;
    let target = Server::start(Sim::builder().mailbox(ALICE).build().unwrap()).await;
    let options = RestoreOptions {
        to_mailbox: Some(ALICE.into()),
        verify: true,
        ..RestoreOptions::default()
    };
    for expected in [(2, 0, 0, 0), (0, 0, 2, 0)] {
        let report = restore(&store.vault, &snapshot, &target, &options).await;
        assert_eq!(counts(&report), expected);
    }
    let alice = target.sim.mailbox(ALICE).unwrap();
    assert_eq!(alice.item_count("Drafts").unwrap(), 1);
}

fn event(number: usize) -> String {
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\nBEGIN:VEVENT\r\nUID:m{number}@x\r\n\
         SEQUENCE:1\r\nSUMMARY:Meeting {number}\r\nORGANIZER:mailto:ann@example.test\r\n\
         ATTENDEE:mailto:alice@example.test\r\nDTSTART:2026110{}T090000Z\r\n\
         DTEND:2026110{}T100000Z\r\nDTSTAMP:20261101T000000Z\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
        number + 1,
        number + 1
    )
}

/// A snapshot of four meetings, of which then one is cancelled, one moved, one only renamed.
async fn meetings() -> (Server, Store, Snapshot) {
    let sim = Sim::builder().mailbox(ALICE).mailbox(BOB).build().unwrap();
    let alice = sim.mailbox(ALICE).unwrap();
    for number in 0..4 {
        alice.add_ics("Calendar", event(number).as_bytes()).unwrap();
    }
    let server = Server::start(sim).await;
    let store = Store::create().await;
    backup(&store.vault, &server, &[ALICE]).await;
    let snapshot = latest(&store.vault, ALICE).await;
    for item in alice.items("Calendar").unwrap() {
        let edit = |message: &mut Message| match item.subject.as_str() {
            "Meeting 0" => {
                let state = &named::APPOINTMENT_STATE_FLAGS;
                message.props.set(state, PropValue::Int32(7));
            }
            "Meeting 1" => {
                let start = message.props.time(&named::APPOINTMENT_START_WHOLE).unwrap();
                let later = fasttransfer::FileTime(start.0 + 36_000_000_000);
                let start = &named::APPOINTMENT_START_WHOLE;
                message.props.set(start, PropValue::Time(later));
                let sequence = &named::APPOINTMENT_SEQUENCE;
                message.props.set(sequence, PropValue::Int32(2));
            }
            "Meeting 2" => drop(message.props.set(tag::SUBJECT, "Meeting 2 renamed")),
            _ => {}
        };
        alice.edit(&item.id, edit).unwrap();
    }
    (server, store, snapshot)
}

#[tokio::test(flavor = "multi_thread")]
async fn meetings_that_have_moved_on_are_told_one_by_one() {
    let (server, store, snapshot) = meetings().await;
    let check = |report: &RestoreReport, outcome: MeetingOutcome| {
        let mut moved = report.meetings_moved.clone();
        moved.sort_by(|a, b| a.subject.cmp(&b.subject));
        let subjects: Vec<&str> = moved.iter().map(|moved| moved.subject.as_str()).collect();
        assert_eq!(subjects, ["Meeting 0", "Meeting 1"]);
        assert_eq!(moved[0].how, ["it was cancelled"]);
        assert_eq!(
            moved[1].how,
            [
                "it was updated: sequence number 2, in the backup 1",
                "it begins 2026-11-02 10:00 UTC, in the backup 2026-11-02 09:00 UTC"
            ]
        );
        assert!(moved.iter().all(|moved| moved.outcome == outcome));
    };
    let left = restore(
        &store.vault,
        &snapshot,
        &server,
        &mode(RestoreMode::Missing),
    )
    .await;
    assert_eq!(counts(&left), (0, 0, 4, 0));
    check(&left, MeetingOutcome::LeftAlone);
    let plan = RestoreOptions {
        dry_run: true,
        ..mode(RestoreMode::Both)
    };
    let beside = restore(&store.vault, &snapshot, &server, &plan).await;
    check(&beside, MeetingOutcome::CreatedBeside);
    let replaced = restore(
        &store.vault,
        &snapshot,
        &server,
        &mode(RestoreMode::Overwrite),
    )
    .await;
    assert_eq!(counts(&replaced), (0, 3, 1, 0));
    check(&replaced, MeetingOutcome::Replaced);
    let again = restore(
        &store.vault,
        &snapshot,
        &server,
        &mode(RestoreMode::Overwrite),
    )
    .await;
    assert_eq!(again.meetings_moved, []);
    assert_eq!(server.sim.sent_messages(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_meeting_under_another_id_is_not_missing_from_the_mailbox_it_came_from() {
    let (server, store, snapshot) = meetings().await;
    let alice = server.sim.mailbox(ALICE).unwrap();
    // Deleted by mistake, and accepted anew: the organiser has sent it again.
    let cancelled = alice.items("Calendar").unwrap().into_iter();
    let cancelled = cancelled.filter(|item| item.subject == "Meeting 0");
    for item in cancelled {
        let message = alice.message(&item.id).unwrap();
        alice.delete(&item.id, Deletion::Hard).unwrap();
        alice.add_message("Calendar", message).unwrap();
    }
    let report = restore(
        &store.vault,
        &snapshot,
        &server,
        &mode(RestoreMode::Missing),
    )
    .await;
    assert_eq!(counts(&report), (0, 0, 4, 0));
    assert_eq!(report.meetings_moved.len(), 2);
    // In another mailbox it is somebody else's: it is created, and the report says what is there.
    let done = restore(
        &store.vault,
        &snapshot,
        &server,
        &into_bob(RestoreMode::Missing),
    )
    .await;
    assert_eq!(counts(&done), (4, 0, 0, 0));
    assert_eq!(done.meetings_moved, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_native_streams_replaces_by_creating_and_deleting() {
    let (server, store, snapshot) = portable_changed().await;
    let alice = server.sim.mailbox(ALICE).unwrap();
    let options = mode(RestoreMode::Overwrite);
    let report = restore(&store.vault, &snapshot, &server, &options).await;
    assert_eq!(counts(&report), (1, 1, 2, 0));
    assert_eq!(
        subjects(&alice, "Inbox"),
        ["mail 0", "mail 1", "mail 2", "mail 3"]
    );
    let again = restore(&store.vault, &snapshot, &server, &options).await;
    assert_eq!(counts(&again), (0, 0, 4, 0));
    assert_eq!(server.sim.sent_messages(), 0);

    let run = report.run.unwrap();
    let undone = crate::undo::undo(&store.vault, &run, &server, &Default::default()).await;
    assert_eq!((undone.items_deleted, undone.items_put_back), (1, 1));
    assert_eq!(undone.left, []);
    assert_eq!(subjects(&alice, "Inbox"), ["edited", "mail 1", "mail 2"]);
    let undone = crate::undo::undo(&store.vault, &run, &server, &Default::default()).await;
    assert_eq!((undone.items_deleted, undone.items_put_back), (0, 0));
    assert_eq!(alice.item_count("Inbox").unwrap(), 3);
}

async fn portable_changed() -> (Server, Store, Snapshot) {
    let sim = Sim::builder()
        .mailbox(ALICE)
        .without_export_items()
        .build()
        .unwrap();
    let alice = sim.mailbox(ALICE).unwrap();
    for number in 0..4 {
        alice.add_mime("Inbox", &mail(number)).unwrap();
    }
    let server = Server::start(sim).await;
    let store = Store::create().await;
    backup(&store.vault, &server, &[ALICE]).await;
    let snapshot = latest(&store.vault, ALICE).await;
    let items = alice.items("Inbox").unwrap();
    alice.edit_subject(&items[0].id, "edited").unwrap();
    alice.delete(&items[3].id, Deletion::Hard).unwrap();
    (server, store, snapshot)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_and_its_restored_copy_in_one_snapshot_do_not_replace_one_another() {
    let server = Server::start(sim_with(&[ALICE], 1)).await;
    let store = Store::create().await;
    backup(&store.vault, &server, &[ALICE]).await;
    let first = latest(&store.vault, ALICE).await;
    let alice = server.sim.mailbox(ALICE).unwrap();
    let item = alice.items("Inbox").unwrap().remove(0);
    alice.edit_subject(&item.id, "edited").unwrap();
    let both = mode(RestoreMode::Both);
    restore(&store.vault, &first, &server, &both).await;
    assert_eq!(subjects(&alice, "Inbox"), ["edited", "mail 0"]);

    backup(&store.vault, &server, &[ALICE]).await;
    let second = latest(&store.vault, ALICE).await;
    alice.delete(&item.id, Deletion::Hard).unwrap();
    let options = mode(RestoreMode::Overwrite);
    let report = restore(&store.vault, &second, &server, &options).await;
    assert_eq!(counts(&report), (1, 0, 1, 0));
    assert_eq!(subjects(&alice, "Inbox"), ["edited", "mail 0"]);
    let again = restore(&store.vault, &second, &server, &options).await;
    assert_eq!(counts(&again), (0, 0, 2, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_that_cannot_be_written_to_gives_mail_back_and_replaces_nothing() {
    let server = Server::start(sim_with(&[ALICE], 3)).await;
    let (vault, disk, _cache) = crate::world::in_memory().await;
    backup(&vault, &server, &[ALICE]).await;
    let snapshot = latest(&vault, ALICE).await;
    let alice = server.sim.mailbox(ALICE).unwrap();
    let items = alice.items("Inbox").unwrap();
    alice.delete(&items[0].id, Deletion::Hard).unwrap();
    alice.edit_subject(&items[1].id, "edited").unwrap();
    disk.set_capacity_bytes(Some(0));

    let report = restore(&vault, &snapshot, &server, &mode(RestoreMode::Missing)).await;
    assert_eq!(
        (counts(&report), report.run.as_deref()),
        ((1, 0, 2, 0), None)
    );
    assert!(report.unrecorded.is_some(), "{report:#?}");
    let refused = vault
        .restore(
            &snapshot,
            &server.exchange(),
            &mode(RestoreMode::Overwrite),
            &tokio_util::sync::CancellationToken::new(),
            std::sync::Arc::new(engine::Silent),
        )
        .await;
    assert_eq!(refused.unwrap_err().kind(), engine::ErrorKind::NoSpace);
    assert_eq!(subjects(&alice, "Inbox"), ["edited", "mail 0", "mail 2"]);
}

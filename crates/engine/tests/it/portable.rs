//! Servers without ExportItems and UploadItems: the portable form, there and back.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use engine::{ExportOptions, RestoreOptions, RestoreReport, Selection, to_file_bytes};
use ews_sim::{BusyShape, FaultAction, FaultPlan, FaultWhen, MailboxHandle, Sim};
use fasttransfer::{Message, PropValue, named, tag};
use tokio_util::sync::CancellationToken;

use crate::world::{Server, Store, backup, latest, mail, restore, sim_with};

const ALICE: &str = "alice@example.test";
const BOB: &str = "bob@example.test";

/// What has to come back of an item besides its file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Facts {
    folder: String,
    class: String,
    file: Vec<u8>,
    is_read: bool,
    categories: Vec<String>,
    importance: Option<i32>,
    delivered: Option<u64>,
    submitted: Option<u64>,
    object_id: Option<Vec<u8>>,
    is_draft: bool,
}

fn facts(mailbox: &MailboxHandle) -> BTreeMap<Facts, u32> {
    let mut all = BTreeMap::new();
    for folder in mailbox
        .folders()
        .into_iter()
        .filter(|folder| !folder.path.starts_with('/'))
    {
        for item in mailbox.items(&folder.path).unwrap() {
            let message = mailbox.message(&item.id).unwrap();
            let props = &message.props;
            let time = |id| props.time(id).map(|time| time.0);
            let facts = Facts {
                folder: folder.path.clone(),
                class: item.class,
                file: mailbox.mime(&item.id).unwrap(),
                is_read: item.is_read,
                categories: match props.get(named::keywords()) {
                    Some(PropValue::MultiUnicode(words)) => words.clone(),
                    _ => Vec::new(),
                },
                // Normal is what an item without the property has.
                importance: props.i32(tag::IMPORTANCE).filter(|value| *value != 1),
                delivered: time(tag::MESSAGE_DELIVERY_TIME),
                submitted: time(tag::CLIENT_SUBMIT_TIME),
                object_id: props.binary(named::GLOBAL_OBJECT_ID).map(<[u8]>::to_vec),
                is_draft: props.i32(tag::MESSAGE_FLAGS).unwrap_or(0) & 8 != 0,
            };
            *all.entry(facts).or_default() += 1;
        }
    }
    all
}

/// Takes the ids away from appointments that had none: a server that creates one gives it an id.
fn told_by_the_old(all: BTreeMap<Facts, u32>, old: &BTreeMap<Facts, u32>) -> BTreeMap<Facts, u32> {
    let mut told = BTreeMap::new();
    for (facts, count) in all {
        let unnamed = Facts {
            object_id: None,
            ..facts.clone()
        };
        let is_new = !old.contains_key(&facts) && old.contains_key(&unnamed);
        *told
            .entry(if is_new { unnamed } else { facts })
            .or_default() += count;
    }
    told
}

/// Fails with the first item that is not the same on both sides.
fn assert_same(before: &MailboxHandle, after: &MailboxHandle) {
    let before = facts(before);
    let after = told_by_the_old(facts(after), &before);
    let show = |facts: &Facts| {
        let file = String::from_utf8_lossy(&facts.file)
            .chars()
            .take(600)
            .collect::<String>();
        format!(
            "{:?}\n{file}",
            Facts {
                file: Vec::new(),
                ..facts.clone()
            }
        )
    };
    let missing: Vec<_> = before
        .keys()
        .filter(|f| after.get(*f) != before.get(*f))
        .collect();
    if let Some(first) = missing.first() {
        let other = after.keys().find(|other| !before.contains_key(*other));
        panic!(
            "{} of {} differ, first:\n{}\n--- came back as perhaps\n{}",
            missing.len(),
            before.len(),
            show(first),
            other.map(show).unwrap_or_default(),
        );
    }
    assert_eq!(before.values().sum::<u32>(), after.values().sum::<u32>());
}

fn without(mailboxes: &[&str]) -> Sim {
    let builder = Sim::builder().without_export_items();
    mailboxes
        .iter()
        .fold(builder, |builder, name| builder.mailbox(name))
        .build()
        .unwrap()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(self::files(&path))
        } else {
            files.push(path)
        }
    }
    files.sort();
    files
}

/// About `wanted` files of a part of the corpus, spread over all of it.
fn sample(part: &str, wanted: usize) -> Option<Vec<Vec<u8>>> {
    let files = files(&testkit::shared_dir()?.join("corpus").join(part));
    let step = (files.len() / wanted).max(1);
    Some(
        files
            .iter()
            .step_by(step)
            .map(|file| std::fs::read(file).unwrap())
            .collect(),
    )
}

/// Backs a mailbox up, restores it to an empty server without UploadItems, verified, and
/// exports it; everything has to be the same.
async fn there_and_back(sim: Sim) -> RestoreReport {
    let source = Server::start(sim).await;
    let store = Store::create().await;
    backup(&store.vault, &source, &[ALICE]).await;
    let target = Server::start(without(&[ALICE])).await;
    let snapshot = latest(&store.vault, ALICE).await;
    let options = RestoreOptions {
        verify: true,
        ..RestoreOptions::default()
    };
    let report = restore(&store.vault, &snapshot, &target, &options).await;
    assert_eq!(report.items_restored, snapshot.about.items);
    assert_eq!(report.items_verified, snapshot.about.items);
    let before = source.sim.mailbox(ALICE).unwrap();
    assert_same(&before, &target.sim.mailbox(ALICE).unwrap());
    assert_eq!(source.sim.sent_messages() + target.sim.sent_messages(), 0);

    let again = restore(&store.vault, &snapshot, &target, &options).await;
    assert_eq!(
        (again.items_restored, again.items_skipped),
        (0, snapshot.about.items)
    );

    let out = tempfile::tempdir().unwrap();
    let exported = store
        .vault
        .export(
            &snapshot,
            &ExportOptions::default(),
            out.path(),
            &CancellationToken::new(),
            Arc::new(engine::Silent),
        )
        .await
        .unwrap();
    assert_eq!(exported.failures, []);
    let is_item = |path: &PathBuf| {
        let ending = path
            .extension()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        ["eml", "ics", "vcf"].contains(&&*ending)
    };
    let mut written: Vec<Vec<u8>> = files(out.path())
        .into_iter()
        .filter(is_item)
        .map(|path| std::fs::read(path).unwrap())
        .collect();
    written.sort();
    let mut originals: Vec<Vec<u8>> = facts(&before)
        .into_iter()
        .flat_map(|(facts, times)| vec![facts.file; times as usize])
        .collect();
    originals.sort();
    assert!(written == originals, "exported files");
    report
}

/// Marks every second item as read, gives every third categories and every fifth importance.
fn vary(mailbox: &MailboxHandle, folder: &str) {
    for (number, item) in mailbox.items(folder).unwrap().into_iter().enumerate() {
        if number % 3 == 0 {
            let words = vec![
                "Projects & <plans>".to_owned(),
                format!("Nr. {}", number % 7),
            ];
            mailbox
                .edit(&item.id, |message| {
                    message
                        .props
                        .set(named::keywords(), PropValue::MultiUnicode(words));
                })
                .unwrap();
        }
        if number % 5 == 0 {
            let value = PropValue::Int32(if number % 2 == 0 { 2 } else { 0 });
            mailbox
                .edit(&item.id, |message| {
                    drop(message.props.set(tag::IMPORTANCE, value))
                })
                .unwrap();
        }
        mailbox.set_read(&item.id, number % 2 == 0).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn real_and_difficult_mail_comes_back() {
    let Some(mails) = sample("mail", 400) else {
        return;
    };
    let sim = without(&[ALICE]);
    let mailbox = sim.mailbox(ALICE).unwrap();
    for mail in &mails {
        mailbox.add_mime("Inbox", mail).unwrap();
    }
    for mail in &sample("difficult", 100).unwrap() {
        mailbox.add_mime("Inbox/Difficult", mail).unwrap();
    }
    for folder in ["Inbox", "Inbox/Difficult"] {
        vary(&mailbox, folder);
    }
    let report = there_and_back(sim).await;
    assert!(report.items_restored >= 500);
    assert_eq!(report.items_reduced, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn calendars_and_contacts_come_back() {
    let Some(calendars) = sample("calendar", usize::MAX) else {
        return;
    };
    let sim = without(&[ALICE]);
    let mailbox = sim.mailbox(ALICE).unwrap();
    for calendar in &calendars {
        mailbox.add_ics("Calendar", calendar).unwrap();
    }
    for card in &sample("contacts", usize::MAX).unwrap() {
        mailbox.add_vcf("Contacts", card).unwrap();
    }
    for folder in ["Calendar", "Contacts"] {
        vary(&mailbox, folder);
    }
    let report = there_and_back(sim).await;
    assert_eq!((report.items_restored, report.items_reduced), (274, 0));
}

fn message(class: &str, subject: &str, fill: impl FnOnce(&mut Message)) -> Message {
    let mut message = Message::default();
    message.props.set(tag::MESSAGE_CLASS, class);
    message.props.set(tag::SUBJECT, subject);
    fill(&mut message);
    message
}

/// One item of every kind that has no MIME form to be made from, with its folder.
fn items_without_mime() -> Vec<(&'static str, Message)> {
    let when = PropValue::Time(fasttransfer::FileTime(133_000_000_000_000_000));
    let members = vec![
        bytes::Bytes::from_static(b"one"),
        bytes::Bytes::from_static(b"two"),
    ];
    let due = when.clone();
    vec![
        (
            "Tasks",
            message("IPM.Task", "pay", move |m| {
                m.props.set(tag::BODY, "the bill");
                m.props.set(named::TASK_DUE_DATE, due);
                m.props.set(named::TASK_STATUS, PropValue::Int32(1));
                m.props.set(named::PERCENT_COMPLETE, PropValue::Double(0.5));
                m.props.set(named::TASK_OWNER, "Ann");
            }),
        ),
        (
            "Contacts",
            message("IPM.DistList", "friends", |m| {
                m.props.set(tag::DISPLAY_NAME, "friends");
                m.props.set(named::DISTRIBUTION_LIST_NAME, "friends");
                m.props.set(
                    named::DISTRIBUTION_LIST_MEMBERS,
                    PropValue::MultiBinary(members),
                );
            }),
        ),
        (
            "Contacts",
            message("IPM.Contact", "Ann Doe", |m| {
                m.props.set(tag::GIVEN_NAME, "Ann");
                m.props.set(tag::SURNAME, "Doe");
                m.props.set(tag::DISPLAY_NAME, "Ann Doe");
                m.props.set(tag::HOME_TELEPHONE_NUMBER, "+41 1");
                m.props.set(named::EMAIL1_EMAIL_ADDRESS, "ann@example.test");
                m.props.set(named::WORK_ADDRESS_CITY, "Bern");
            }),
        ),
        (
            "Notes",
            message("IPM.StickyNote", "a note", |m| {
                m.props.set(tag::BODY, "a note\r\nof two lines");
            }),
        ),
        (
            "Inbox",
            message("IPM.Post", "posted", |m| {
                m.props.set(tag::BODY, "text");
                m.props.set(tag::MESSAGE_DELIVERY_TIME, when);
            }),
        ),
        (
            "Drafts",
            message("IPM.Note", "not ready", |m| {
                m.props.set(tag::BODY, "text");
                m.props.set(tag::MESSAGE_FLAGS, PropValue::Int32(8));
            }),
        ),
    ]
}

/// The first item's properties, those aside that the store assigns, are the second's.
fn assert_same_properties(old: &Message, new: &Message, class: &str) {
    let store_assigned = [tag::CREATION_TIME, tag::LAST_MODIFICATION_TIME];
    for property in old.props.iter() {
        if store_assigned.iter().all(|id| property.id != (*id).into()) {
            let found = new.props.get(&property.id);
            assert_eq!(found, Some(&property.value), "{:?} of {class}", property.id);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_lists_notes_posts_and_drafts_keep_their_properties() {
    let sim = without(&[ALICE]);
    let mailbox = sim.mailbox(ALICE).unwrap();
    for (folder, item) in items_without_mime() {
        mailbox.add_message(folder, item).unwrap();
    }
    let source = Server::start(sim).await;
    let store = Store::create().await;
    backup(&store.vault, &source, &[ALICE]).await;
    let target = Server::start(without(&[ALICE])).await;
    let snapshot = latest(&store.vault, ALICE).await;
    let options = RestoreOptions {
        verify: true,
        ..RestoreOptions::default()
    };
    let report = restore(&store.vault, &snapshot, &target, &options).await;
    assert_eq!((report.items_restored, report.items_verified), (6, 6));

    let there = target.sim.mailbox(ALICE).unwrap();
    for folder in ["Tasks", "Contacts", "Notes", "Inbox", "Drafts"] {
        let mut before = mailbox.items(folder).unwrap();
        let mut after = there.items(folder).unwrap();
        before.sort_by(|a, b| a.class.cmp(&b.class));
        after.sort_by(|a, b| a.class.cmp(&b.class));
        assert_eq!(before.len(), after.len(), "{folder}");
        for (before, after) in before.iter().zip(&after) {
            assert_eq!(
                (&before.class, &before.subject),
                (&after.class, &after.subject)
            );
            let (old, new) = (
                mailbox.message(&before.id).unwrap(),
                there.message(&after.id).unwrap(),
            );
            assert_same_properties(&old, &new, &before.class);
        }
    }
}

/// A mail with an attachment of 150 KB, in lines of 76 characters.
fn with_attachment(number: usize) -> Vec<u8> {
    let bytes: Vec<u8> = (0..150_000usize).map(|n| (n * n / 7 + n) as u8).collect();
    let text = base64_simd::STANDARD.encode_to_string(bytes);
    let lines: Vec<&str> = text
        .as_bytes()
        .chunks(76)
        .map(|l| std::str::from_utf8(l).unwrap())
        .collect();
    format!(
        "From: ann@example.test\r\nTo: {number}@example.test\r\nSubject: report {number}\r\n\
         MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\
         Content-Type: text/plain\r\n\r\nHello {number}\r\n--x\r\n\
         Content-Type: application/pdf; name=a.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n\
         {}\r\n--x--\r\n",
        lines.join("\r\n")
    )
    .into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attachment_is_stored_once_whatever_the_form() {
    let native = Sim::builder().mailbox(BOB).build().unwrap();
    native
        .mailbox(BOB)
        .unwrap()
        .add_mime("Inbox", &with_attachment(0))
        .unwrap();
    let sim = without(&[ALICE]);
    let mailbox = sim.mailbox(ALICE).unwrap();
    for number in 1..=20 {
        mailbox.add_mime("Inbox", &with_attachment(number)).unwrap();
    }
    let store = Store::create().await;
    let first = backup(&store.vault, &Server::start(native).await, &[BOB]).await;
    assert!(first.bytes_stored > 0);
    let report = backup(&store.vault, &Server::start(sim).await, &[ALICE]).await;
    assert!(report.bytes_deduplicated >= 20 * 150_000, "{report:#?}");
    assert!(report.bytes_stored < 100_000, "{report:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn native_items_come_back_to_a_server_without_upload() {
    let sim = sim_with(&[ALICE], 30);
    let mailbox = sim.mailbox(ALICE).unwrap();
    mailbox.add_mime("Inbox", &with_attachment(7)).unwrap();
    vary(&mailbox, "Inbox");
    let source = Server::start(sim).await;
    let store = Store::create().await;
    backup(&store.vault, &source, &[ALICE]).await;
    let target = Server::start(without(&[ALICE])).await;
    let snapshot = latest(&store.vault, ALICE).await;
    let options = RestoreOptions {
        verify: true,
        ..RestoreOptions::default()
    };
    let report = restore(&store.vault, &snapshot, &target, &options).await;
    assert_eq!(
        (
            report.items_restored,
            report.items_verified,
            report.items_converted
        ),
        (31, 31, 31)
    );
    assert_same(&mailbox, &target.sim.mailbox(ALICE).unwrap());
    let again = restore(&store.vault, &snapshot, &target, &options).await;
    assert_eq!((again.items_restored, again.items_skipped), (0, 31));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_operation_costs_one_failed_call() {
    let mailboxes = [ALICE, BOB];
    let sim = without(&mailboxes);
    for name in mailboxes {
        for number in 0..600 {
            sim.mailbox(name)
                .unwrap()
                .add_mime("Inbox", &mail(number))
                .unwrap();
        }
    }
    let server = Server::start(sim).await;
    let store = Store::create().await;
    backup(&store.vault, &server, &mailboxes).await;
    let stats = server.sim.stats();
    assert_eq!(
        stats.requests.get("ExportItems"),
        Some(&1),
        "{:?}",
        stats.requests
    );
    assert_eq!(stats.items_read, 1200);
    assert!(
        stats
            .requests
            .get("GetItem")
            .is_some_and(|calls| *calls <= 16)
    );

    server.sim.reset_stats();
    let report = backup(&store.vault, &server, &mailboxes).await;
    assert_eq!(
        report
            .mailboxes
            .iter()
            .map(|m| m.items_downloaded)
            .sum::<u64>(),
        0
    );
    assert_eq!(server.sim.stats().requests.get("ExportItems"), None);

    let native = Server::start(sim_with(&[ALICE], 600)).await;
    let other = Store::create().await;
    backup(&other.vault, &native, &[ALICE]).await;
    let target = Server::start(without(&[ALICE])).await;
    let snapshot = latest(&other.vault, ALICE).await;
    let report = restore(&other.vault, &snapshot, &target, &RestoreOptions::default()).await;
    assert_eq!((report.items_restored, report.items_converted), (600, 600));
    assert_eq!(target.sim.stats().requests.get("UploadItems"), Some(&1));
}

#[tokio::test(flavor = "multi_thread")]
async fn listing_and_single_files_need_no_server() {
    let sim = without(&[ALICE]);
    sim.mailbox(ALICE)
        .unwrap()
        .add_mime("Inbox", &mail(7))
        .unwrap();
    let store = Store::create().await;
    backup(&store.vault, &Server::start(sim).await, &[ALICE]).await;
    let snapshot = latest(&store.vault, ALICE).await;
    let listed = store
        .vault
        .items(&snapshot, &Selection::default())
        .await
        .unwrap();
    assert_eq!(listed.len(), 1);
    let summary = &listed[0].summary;
    assert_eq!((&*summary.subject, &*summary.sender), ("mail 7", "Ann"));
    assert!(summary.received_unix_ms.is_some() && summary.message_id.contains("7@example.test"));
    let (_, stored) = store.vault.item(&snapshot, &listed[0].key).await.unwrap();
    assert_eq!(to_file_bytes(&stored).unwrap(), mail(7));
    let check = store
        .vault
        .check(true, Arc::new(engine::Silent))
        .await
        .unwrap();
    assert!(check.is_clean() && check.items == 1);
}

fn fails(code: &str) -> FaultAction {
    FaultAction::Fail(code.to_owned())
}

/// A mailbox of 120 mails on a server without ExportItems that misbehaves while it is read.
async fn read_under(plan: FaultPlan) -> (Server, Store) {
    let sim = without(&[ALICE]);
    for number in 0..120 {
        sim.mailbox(ALICE)
            .unwrap()
            .add_mime("Inbox", &mail(number))
            .unwrap();
    }
    let server = Server::start(sim).await;
    server.sim.set_faults(plan.clone());
    let store = Store::create().await;
    let report = backup(&store.vault, &server, &[ALICE]).await;
    assert_eq!(report.mailboxes[0].items, 120, "{plan:?}");
    (server, store)
}

async fn restored_under(plan: FaultPlan, store: &Store) -> (Server, RestoreReport) {
    let target = Server::start(without(&[ALICE])).await;
    target.sim.set_faults(plan.clone());
    let snapshot = latest(&store.vault, ALICE).await;
    let report = restore(&store.vault, &snapshot, &target, &RestoreOptions::default()).await;
    assert_eq!(report.items_restored, 120, "{plan:?}");
    (target, report)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_busy_or_breaks_off_is_asked_again_and_nothing_doubles() {
    let busy = |shape| FaultAction::Busy {
        back_off_ms: 20,
        shape,
    };
    for action in [
        busy(BusyShape::Http503),
        busy(BusyShape::Inner200),
        FaultAction::Cut(3000),
    ] {
        let plan = FaultPlan::none().rule("GetItem", FaultWhen::First(2), action.clone());
        let (source, store) = read_under(plan).await;
        let plan = FaultPlan::none().rule("CreateItem", FaultWhen::First(2), action);
        let (target, report) = restored_under(plan, &store).await;
        assert_eq!(report.items_reduced, 0);
        assert_same(
            &source.sim.mailbox(ALICE).unwrap(),
            &target.sim.mailbox(ALICE).unwrap(),
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_refuses_is_tried_with_less() {
    let plan = FaultPlan::none().rule_for(
        "GetItem",
        "mail 77",
        FaultWhen::First(1),
        fails("ErrorUnsupportedMimeConversion"),
    );
    let (_source, store) = read_under(plan).await;
    let plan = FaultPlan::none()
        .rule_for(
            "CreateItem",
            "mail 9",
            FaultWhen::First(1),
            fails("ErrorInvalidPropertySet"),
        )
        .rule_for(
            "CreateItem",
            "mail 42",
            FaultWhen::First(2),
            fails("ErrorMimeContentInvalid"),
        );
    let (target, report) = restored_under(plan, &store).await;
    assert_eq!(report.items_reduced, 2);
    let mailbox = target.sim.mailbox(ALICE).unwrap();
    let subjects: Vec<String> = mailbox
        .items("Inbox")
        .unwrap()
        .into_iter()
        .map(|item| item.subject)
        .collect();
    for number in [9, 42, 77] {
        assert_eq!(
            subjects
                .iter()
                .filter(|s| **s == format!("mail {number}"))
                .count(),
            1
        );
    }
    let bodies = mailbox
        .items("Inbox")
        .unwrap()
        .into_iter()
        .filter(|item| item.subject == "mail 77");
    for item in bodies {
        let file = String::from_utf8(mailbox.mime(&item.id).unwrap()).unwrap();
        assert!(file.contains("This is mail number 77."), "{file}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mime_text_that_a_server_makes_anew_each_time_is_the_same_item() {
    let odd = || {
        let sim = Sim::builder().mailbox(ALICE).without_export_items();
        sim.mime_made_anew().build().unwrap()
    };
    let sim = odd();
    let alice = sim.mailbox(ALICE).unwrap();
    for number in 0..20 {
        alice.add_mime("Inbox", &with_attachment(number)).unwrap();
    }
    let source = Server::start(sim).await;
    let store = Store::create().await;
    backup(&store.vault, &source, &[ALICE]).await;
    // Nothing changed, whatever the text would be by now.
    source.sim.reset_stats();
    let report = backup(&store.vault, &source, &[ALICE]).await;
    assert_eq!(report.mailboxes[0].items_downloaded, 0);
    assert_eq!(source.sim.stats().items_read, 0);

    let target = Server::start(odd()).await;
    let snapshot = latest(&store.vault, ALICE).await;
    let options = RestoreOptions {
        verify: true,
        ..RestoreOptions::default()
    };
    let report = restore(&store.vault, &snapshot, &target, &options).await;
    assert_eq!((report.items_restored, report.items_verified), (20, 20));
    let again = restore(&store.vault, &snapshot, &target, &options).await;
    assert_eq!((again.items_restored, again.items_skipped), (0, 20));
}

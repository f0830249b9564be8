//! From one company's servers to another's: other languages, other names, other mail domains.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::{BackupOptions, RestoreOptions, UserMap};
use ews_sim::{Deletion, Language, MailboxHandle, Sim};
use fasttransfer::{named, tag};
use tokio_util::sync::CancellationToken;

use crate::world::{Server, Store, latest, mail, of, restore};

/// Who had which mailbox, and has which now.
const USERS: &str = "old,new\n\
    anna@alt.example,suzuki.anna@neu.example\n\
    @alt.example,@neu.example\n";
const ANNA: &str = "anna@alt.example";
const BEN: &str = "ben@alt.example";

const MEETING: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//example//EN\r\nBEGIN:VEVENT\r\n\
UID:besprechung@alt.example\r\nDTSTAMP:20261001T080000Z\r\nDTSTART:20261120T130000Z\r\n\
DTEND:20261120T140000Z\r\nSUMMARY:Besprechung\r\nORGANIZER;CN=Ben:mailto:ben@alt.example\r\n\
ATTENDEE;CN=Anna;PARTSTAT=ACCEPTED:mailto:anna@alt.example\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";

fn world(language: Language, people: [&str; 2]) -> Sim {
    let [anna, ben] = people;
    Sim::builder()
        .language(language)
        .mailbox(anna)
        .archive(anna)
        .mailbox(ben)
        .build()
        .unwrap()
}

/// A German mailbox: mail where everybody has it, folders of its own, a folder that is called as
/// Japanese ones are not, and one below a distinguished folder.
fn german() -> Sim {
    let sim = world(Language::German, [ANNA, BEN]);
    let anna = sim.mailbox(ANNA).unwrap();
    anna.add_mime("Posteingang", &mail(1)).unwrap();
    anna.add_mime("Posteingang/Projekt Brücke/Angebote", &mail(2))
        .unwrap();
    anna.add_mime("Gesendete Elemente", &mail(3)).unwrap();
    anna.add_mime("Entwürfe", &mail(4)).unwrap();
    anna.add_mime("Gelöschte Elemente", &mail(5)).unwrap();
    anna.add_mime("Ablage 2026", &mail(6)).unwrap();
    anna.add_ics("Kalender", MEETING.as_bytes()).unwrap();
    anna.add_vcf(
        "Kontakte",
        b"BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Ben\r\nN:B;Ben\r\nEND:VCARD\r\n",
    )
    .unwrap();
    let archive = sim.archive(ANNA).unwrap();
    archive.add_mime("Gelöschte Elemente", &mail(7)).unwrap();
    sim.mailbox(BEN)
        .unwrap()
        .add_mime("Posteingang", &mail(8))
        .unwrap();
    sim
}

/// Items by the path of their folder.
fn counts(mailbox: &MailboxHandle) -> BTreeMap<String, u64> {
    let folders = mailbox.folders().into_iter();
    let seen = folders.filter(|folder| folder.total > 0 && !folder.path.starts_with('/'));
    seen.map(|folder| (folder.path, folder.total)).collect()
}

#[track_caller]
fn check(mailbox: &MailboxHandle, expected: &[(&str, u64)]) {
    let expected: BTreeMap<String, u64> = expected
        .iter()
        .map(|(path, items)| ((*path).to_owned(), *items))
        .collect();
    assert_eq!(counts(mailbox), expected);
}

async fn backed_up(store: &Store, server: &Server) {
    let options = BackupOptions {
        archives: true,
        ..of(&[ANNA, BEN])
    };
    let silent = Arc::new(engine::Silent);
    let cancel = CancellationToken::new();
    let report = store
        .vault
        .backup(&server.exchange(), &options, &cancel, silent)
        .await
        .unwrap();
    assert!(report.failures.is_empty(), "{report:#?}");
}

/// Restores everything by the list of users, and returns how many items came and how many were
/// there.
async fn moved(store: &Store, target: &Server) -> (u64, u64) {
    let users = UserMap::parse(USERS).unwrap();
    let (mut restored, mut skipped) = (0, 0);
    for mailbox in [ANNA, "anna@alt.example/archive", BEN] {
        let snapshot = latest(&store.vault, mailbox).await;
        let options = RestoreOptions {
            to_mailbox: users.target(&snapshot.mailbox),
            verify: true,
            ..RestoreOptions::default()
        };
        let report = restore(&store.vault, &snapshot, target, &options).await;
        assert_eq!(report.items_verified, report.items_restored, "{mailbox}");
        restored += report.items_restored;
        skipped += report.items_skipped;
    }
    (restored, skipped)
}

#[tokio::test(flavor = "multi_thread")]
async fn german_mailboxes_move_to_japanese_ones_of_other_people_in_another_domain() {
    let source = Server::start(german()).await;
    let store = Store::create().await;
    backed_up(&store, &source).await;
    let people = ["suzuki.anna@neu.example", "ben@neu.example"];
    let target = Server::start(world(Language::Japanese, people)).await;
    // She has begun to work there.
    let anna = target.sim.mailbox(people[0]).unwrap();
    anna.add_mime("受信トレイ", &mail(100)).unwrap();
    assert_eq!(moved(&store, &target).await, (10, 0));
    check(
        &anna,
        &[
            ("受信トレイ", 2),
            ("受信トレイ/Projekt Brücke/Angebote", 1),
            ("送信済みアイテム", 1),
            ("下書き", 1),
            ("削除済みアイテム", 1),
            ("Ablage 2026", 1),
            ("予定表", 1),
            ("連絡先", 1),
        ],
    );
    check(
        &target.sim.archive(people[0]).unwrap(),
        &[("削除済みアイテム", 1)],
    );
    check(
        &target.sim.mailbox(people[1]).unwrap(),
        &[("受信トレイ", 1)],
    );

    // What happened is not rewritten: the meeting is Ben's, by his old name, and Anna accepted.
    let meeting = anna.items("calendar").unwrap().remove(0);
    let meeting = anna.message(&meeting.id).unwrap();
    let organizer = meeting.props.text(tag::SENT_REPRESENTING_SMTP_ADDRESS);
    assert_eq!(organizer.as_deref(), Some("ben@alt.example"));
    let uid = meeting.props.binary(named::GLOBAL_OBJECT_ID).unwrap();
    assert!(
        uid.windows(23)
            .any(|part| part == b"besprechung@alt.example")
    );
    let answers: Vec<_> = meeting
        .recipients
        .iter()
        .filter_map(|row| row.i32(tag::RECIPIENT_TRACK_STATUS))
        .collect();
    assert_eq!(answers, [3]);

    assert_eq!(moved(&store, &target).await, (0, 10));
    assert_eq!(source.sim.sent_messages() + target.sim.sent_messages(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_whose_language_changed_takes_back_what_was_deleted() {
    let sim = german();
    let anna = sim.mailbox(ANNA).unwrap();
    let source = Server::start(sim).await;
    let store = Store::create().await;
    backed_up(&store, &source).await;
    for (german, french) in [
        ("Posteingang", "Boîte de réception"),
        ("Kalender", "Calendrier"),
    ] {
        anna.rename_folder(german, french).unwrap();
    }
    for folder in ["inbox", "calendar", "inbox/Projekt Brücke/Angebote"] {
        let item = anna.items(folder).unwrap().remove(0);
        anna.delete(&item.id, Deletion::Hard).unwrap();
    }
    let snapshot = latest(&store.vault, ANNA).await;
    let report = restore(&store.vault, &snapshot, &source, &RestoreOptions::default()).await;
    assert_eq!((report.items_restored, report.items_skipped), (3, 5));
    let found = counts(&anna);
    assert_eq!(found["Boîte de réception"], 1);
    assert_eq!(found["Calendrier"], 1);
    assert_eq!(found["Boîte de réception/Projekt Brücke/Angebote"], 1);
    assert!(!found.contains_key("Posteingang"), "{found:?}");
    assert_eq!(source.sim.sent_messages(), 0);
}

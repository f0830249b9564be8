use mailindex::{Change, ItemRow, MailIndex, Query};

use crate::rows::{Place, folder, item, item_row};

/// Folder, subject, sender, class, received, sent.
type Mail = (
    u8,
    &'static str,
    &'static str,
    &'static str,
    Option<i64>,
    Option<i64>,
);

const MAILS: [Mail; 6] = [
    (
        1,
        "Straße gesperrt",
        "Ämter <amt@example.test>",
        "IPM.Note",
        Some(100),
        None,
    ),
    (
        1,
        "Invoice 42",
        "bob@example.test",
        "IPM.Note",
        Some(300),
        Some(1),
    ),
    (
        2,
        "re: invoice 42",
        "Carol",
        "IPM.Note.SMIME",
        Some(200),
        None,
    ),
    (2, "Draft", "me", "IPM.Note", None, Some(250)),
    (
        2,
        "Lunch",
        "bob@example.test",
        "IPM.Appointment",
        Some(50),
        None,
    ),
    (3, "Undated", "x", "IPM.Notes", None, None),
];

fn filled(place: &Place) -> MailIndex {
    let index = place.open();
    let changes = MAILS.iter().enumerate().map(|(n, mail)| {
        let row = ItemRow {
            sender: mail.2.into(),
            item_class: mail.3.into(),
            received_unix_ms: mail.4,
            sent_unix_ms: mail.5,
            ..item_row(mail.1, b"c")
        };
        Change::PutItem(item(mail.0, n as u32), row)
    });
    index.stage(&changes.collect::<Vec<_>>()).unwrap();
    index.publish("s1", 1).unwrap();
    index
}

#[track_caller]
fn check(query: Query, expected: &[&str]) {
    let place = Place::new();
    let index = filled(&place);
    let found = index.search(&query, 100).unwrap();
    let subjects: Vec<_> = found.iter().map(|(_, row)| row.subject.as_str()).collect();
    assert_eq!(subjects, expected);
    // A smaller limit keeps the newest.
    let one = index.search(&query, 1).unwrap();
    assert_eq!(one, found[..found.len().min(1)]);
    assert_eq!(index.search(&query, 0).unwrap(), []);
}

#[test]
fn an_empty_query_finds_everything_newest_first() {
    let all = [
        "Invoice 42",
        "Draft",
        "re: invoice 42",
        "Straße gesperrt",
        "Lunch",
        "Undated",
    ];
    check(Query::default(), &all);
}

#[test]
fn text_is_found_in_subject_and_sender_in_any_case() {
    let text = |text: &str| Query {
        text: Some(text.into()),
        ..Query::default()
    };
    check(text("INVOICE"), &["Invoice 42", "re: invoice 42"]);
    check(text("Bob@"), &["Invoice 42", "Lunch"]);
    check(text("ÄMTER"), &["Straße gesperrt"]);
    check(text("nowhere"), &[]);
}

#[test]
fn dates_bound_from_the_first_to_before_the_last() {
    let between = |since, until| Query {
        since_unix_ms: since,
        until_unix_ms: until,
        ..Query::default()
    };
    check(
        between(Some(200), None),
        &["Invoice 42", "Draft", "re: invoice 42"],
    );
    check(between(None, Some(200)), &["Straße gesperrt", "Lunch"]);
    check(
        between(Some(100), Some(250)),
        &["re: invoice 42", "Straße gesperrt"],
    );
}

#[test]
fn folder_and_class_narrow_a_search() {
    let class = |class: &str| Query {
        class: Some(class.into()),
        ..Query::default()
    };
    check(class("ipm.appointment"), &["Lunch"]);
    check(
        class("IPM.Note"),
        &["Invoice 42", "Draft", "re: invoice 42", "Straße gesperrt"],
    );
    check(
        Query {
            folder: Some(folder(2)),
            ..class("IPM.Note")
        },
        &["Draft", "re: invoice 42"],
    );
}

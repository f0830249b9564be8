//! Generated content: the same seed, the same bytes.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use ews_sim::{
    FolderKind, LoadedFolder, LoadedItem, Mailboxes, load_dir, message_from_mime, mime_of,
    new_mail, synthetic,
};
use fasttransfer::{Limits, WriteOptions, read_message, tag, write_message};

fn all_items<'a>(folders: &'a [LoadedFolder], found: &mut Vec<&'a LoadedItem>) {
    for folder in folders {
        found.extend(&folder.items);
        all_items(&folder.folders, found);
    }
}

#[test]
fn a_generated_mailbox_is_the_same_every_time_and_has_what_was_asked_for() {
    let wanted = Mailboxes {
        seed: 7,
        mailboxes: 3,
        items: 150,
    };
    let (first, second) = (wanted.generate(), wanted.generate());
    let addresses: Vec<&str> = first.iter().map(|m| m.address.as_str()).collect();
    assert_eq!(
        addresses,
        [
            "alice@example.test",
            "bob@example.test",
            "carol@example.test"
        ]
    );
    for (a, b) in first.iter().zip(&second) {
        assert_eq!(a.item_count(), 150);
        let (mut left, mut right) = (Vec::new(), Vec::new());
        all_items(&a.folders, &mut left);
        all_items(&b.folders, &mut right);
        assert!(left.iter().zip(&right).all(|(l, r)| l.message == r.message));
        let sources: HashSet<_> = left.iter().map(|item| &item.source).collect();
        assert_eq!(sources.len(), 150);
    }
    let other = Mailboxes { seed: 8, ..wanted }.mailbox(0);
    assert_ne!(
        other.folders[0].items[0].message,
        first[0].folders[0].items[0].message
    );
}

#[test]
fn generated_mail_is_like_real_mail() {
    let mailboxes = Mailboxes {
        seed: 1,
        mailboxes: 2,
        items: 400,
    }
    .generate();
    let mut items = Vec::new();
    mailboxes
        .iter()
        .for_each(|m| all_items(&m.folders, &mut items));
    let mut payloads = Vec::new();
    let (mut replies, mut categories) = (0, 0);
    for item in &items {
        let props = &item.message.props;
        replies += usize::from(props.str(tag::SUBJECT_PREFIX) == Some("RE: "));
        categories += usize::from(props.get(fasttransfer::named::keywords()).is_some());
        if props.str(tag::MESSAGE_CLASS) == Some("IPM.Note") {
            assert!(props.str(tag::BODY).is_some() && props.binary(tag::HTML).is_some());
        }
        for attachment in &item.message.attachments {
            payloads.push(attachment.props.binary(tag::ATTACH_DATA_BINARY).unwrap());
        }
    }
    let unread = items.iter().filter(|item| !item.is_read).count();
    let distinct: HashSet<_> = payloads.iter().collect();
    assert!(replies > 50 && categories > 10 && unread > 50);
    assert!(payloads.len() > distinct.len(), "no file is shared");
}

#[test]
fn a_synthetic_item_depends_on_its_seed_and_number_only() {
    let item = synthetic(5, 999_999);
    assert_eq!(item, synthetic(5, 999_999));
    assert_ne!(item, synthetic(5, 0));
    assert_ne!(item, synthetic(6, 999_999));
    assert_eq!(mime_of(&item), mime_of(&synthetic(5, 999_999)));
    let again = message_from_mime(&mime_of(&item));
    assert_eq!(again.props.str(tag::SUBJECT), item.props.str(tag::SUBJECT));
    assert_eq!(
        again.props.str(tag::INTERNET_MESSAGE_ID),
        item.props.str(tag::INTERNET_MESSAGE_ID)
    );
}

#[test]
fn a_synthetic_item_survives_the_native_stream() {
    for n in 0..200 {
        let item = synthetic(3, n);
        let native = write_message(&item, &WriteOptions::default());
        let parsed = read_message(&native, &Limits::default()).unwrap();
        // The stream sorts properties, so items are compared as streams.
        assert_eq!(
            write_message(&parsed.message, &WriteOptions::default()),
            native
        );
        assert_eq!(parsed.message.props.len(), item.props.len());
    }
}

#[test]
fn a_new_mail_goes_to_the_address_given() {
    let mail = new_mail(1, 2, "alice@example.test");
    assert_eq!(
        mail.recipients[0].str(tag::SMTP_ADDRESS),
        Some("alice@example.test")
    );
    assert_ne!(mail, new_mail(1, 3, "alice@example.test"));
}

fn write(root: &Path, path: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, b"Subject: x\r\n\r\nx\r\n").unwrap();
}

#[test]
fn a_folder_tree_becomes_mailboxes_and_folders() {
    let dir = tempfile::tempdir().unwrap();
    for path in [
        "alice@example.test/Inbox/1.eml",
        "alice@example.test/Inbox/Sub/2.eml",
        "alice@example.test/sent items/3.eml",
        "alice@example.test/loose.eml",
        "alice@example.test/Plans/a.ics",
        "bob@example.test/People/a.vcf",
        "bob@example.test/People/readme.txt",
    ] {
        write(dir.path(), path);
    }
    let mailboxes = load_dir(dir.path()).unwrap();
    let [alice, bob] = &mailboxes[..] else {
        panic!()
    };
    assert_eq!((alice.item_count(), bob.item_count()), (5, 1));
    let inbox = alice
        .folders
        .iter()
        .find(|f| f.distinguished == Some("inbox"))
        .unwrap();
    assert_eq!(
        (inbox.items.len(), inbox.folders[0].name.as_str()),
        (2, "Sub")
    );
    assert_eq!(inbox.folders[0].distinguished, None);
    assert!(
        alice
            .folders
            .iter()
            .any(|f| f.distinguished == Some("sentitems"))
    );
    let plans = alice.folders.iter().find(|f| f.name == "Plans").unwrap();
    assert_eq!(plans.kind, FolderKind::Calendar);
    assert_eq!(bob.folders[0].kind, FolderKind::Contacts);
}

#[test]
fn loose_files_and_plain_folders_are_alices() {
    let dir = tempfile::tempdir().unwrap();
    for path in ["1.eml", "2.EML", "Projects/3.eml"] {
        write(dir.path(), path);
    }
    let mailboxes = load_dir(dir.path()).unwrap();
    let [alice] = &mailboxes[..] else { panic!() };
    assert_eq!(alice.address, "alice@example.test");
    assert_eq!(alice.item_count(), 3);
    let inbox = alice.folders.iter().find(|f| f.name == "Inbox").unwrap();
    assert_eq!(inbox.items.len(), 2);
}

#[test]
fn a_path_that_is_no_folder_is_refused_by_name() {
    let error = load_dir("no/such/folder").unwrap_err();
    assert_eq!(error.kind(), ews_sim::ErrorKind::Invalid);
    assert!(error.to_string().contains("no/such/folder"));
}

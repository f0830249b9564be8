use std::fs;

use mailindex::{Change, ErrorKind, Identity, MailIndex, Opened};
use redb::{Database, TableDefinition};

use crate::rows::{Place, chain, folder, folder_row, identity, item, item_row, with_suffix};

/// An index with a few hundred published rows, closed again.
fn published() -> Place {
    let place = Place::new();
    let index = place.open();
    let mut changes = vec![Change::PutFolder(folder(1), folder_row("Inbox"))];
    changes.extend((0..500).map(|n| {
        Change::PutItem(
            item(1, n),
            item_row(&format!("subject {n}"), &[n as u8; 50]),
        )
    }));
    index.stage(&changes).unwrap();
    index.publish("s1", 1).unwrap();
    place
}

/// Opens a bad file: it must be replaced by an empty index that works, and be kept aside.
#[track_caller]
fn check_replaced(place: &Place, identity: &Identity) -> String {
    let (index, opened) = MailIndex::open(&place.path, identity).unwrap();
    let Opened::Replaced { reason } = opened else {
        panic!("the file was not replaced: {opened:?}");
    };
    assert!(!reason.is_empty());
    assert!(place.damaged().exists());
    assert_eq!(index.stamp().unwrap(), None);
    assert_eq!(index.counts().unwrap(), Default::default());
    index
        .stage(&[Change::PutFolder(folder(1), folder_row("Inbox"))])
        .unwrap();
    index.publish("s2", 2).unwrap();
    drop(index);
    let (index, opened) = MailIndex::open(&place.path, identity).unwrap();
    assert_eq!(opened, Opened::Existing);
    assert_eq!(index.stamp().unwrap().as_deref(), Some("s2"));
    reason
}

#[test]
fn a_sound_file_is_opened_with_its_rows() {
    let place = published();
    let index = place.open();
    assert_eq!(index.stamp().unwrap().as_deref(), Some("s1"));
    assert_eq!(index.item_count(&folder(1)).unwrap(), 500);
    assert!(!place.damaged().exists());
}

#[test]
fn garbage_of_any_length_is_replaced() {
    for length in [1, 9, 320, 4096, 70_000] {
        for fill in [0x00, 0xff, b'x'] {
            let place = Place::new();
            fs::create_dir_all(place.path.parent().unwrap()).unwrap();
            fs::write(&place.path, vec![fill; length]).unwrap();
            check_replaced(&place, &identity());
        }
    }
}

#[test]
fn an_empty_file_is_replaced_and_not_mistaken_for_a_new_one() {
    let place = published();
    fs::write(&place.path, []).unwrap();
    assert_eq!(check_replaced(&place, &identity()), "the file is empty");
}

#[test]
fn a_second_bad_file_replaces_the_first_one_kept_aside() {
    let place = published();
    fs::write(&place.path, b"first").unwrap();
    check_replaced(&place, &identity());
    fs::write(&place.path, b"second").unwrap();
    check_replaced(&place, &identity());
    assert_eq!(fs::read(place.damaged()).unwrap(), b"second");
}

#[test]
fn a_truncated_file_is_replaced_wherever_it_ends() {
    let place = published();
    let whole = fs::read(&place.path).unwrap();
    for keep in [
        1,
        100,
        319,
        4096,
        8192,
        whole.len() / 2,
        whole.len() - 4096,
        whole.len() - 1,
    ] {
        fs::write(&place.path, &whole[..keep]).unwrap();
        check_replaced(&place, &identity());
    }
}

/// A flipped byte may hit nothing that matters; then the file opens and all rows are as they were.
#[track_caller]
fn check_flip(place: &Place, whole: &[u8], at: usize, bits: u8) -> bool {
    let mut bytes = whole.to_vec();
    bytes[at] ^= bits;
    fs::write(&place.path, &bytes).unwrap();
    let (index, opened) = MailIndex::open(&place.path, &identity())
        .unwrap_or_else(|error| panic!("byte {at}: {}", chain(&error)));
    match opened {
        Opened::Replaced { .. } => {
            assert_eq!(index.stamp().unwrap(), None);
            true
        }
        _ => {
            assert_eq!(index.stamp().unwrap().as_deref(), Some("s1"), "byte {at}");
            let items = index.items(&folder(1), None, 1000).unwrap();
            assert_eq!(items.len(), 500, "byte {at}");
            for (n, (key, row)) in items.into_iter().enumerate() {
                assert_eq!(key, item(1, n as u32), "byte {at}");
                let expected = item_row(&format!("subject {n}"), &[n as u8; 50]);
                assert_eq!(row, expected, "byte {at}");
            }
            false
        }
    }
}

#[test]
fn every_flipped_byte_of_the_header_is_noticed_or_harmless() {
    let place = published();
    let whole = fs::read(&place.path).unwrap();
    let flips = (0..320).map(|at| (at, [0x01, 0xff][at % 2]));
    let noticed = flips
        .filter(|(at, bits)| check_flip(&place, &whole, *at, *bits))
        .count();
    assert!(
        noticed >= 9,
        "the magic number alone has nine bytes, noticed {noticed}"
    );
}

#[test]
fn flipped_bytes_anywhere_never_change_a_row() {
    let place = published();
    let whole = fs::read(&place.path).unwrap();
    let places = (320..whole.len()).step_by(whole.len() / 150 + 1);
    let noticed = places
        .filter(|at| check_flip(&place, &whole, *at, 0x10))
        .count();
    assert!(noticed > 0);
}

/// After a crash redb may go back to the commit before, when the last one is damaged; the stamp then
/// tells the caller.
#[test]
fn a_crashed_and_damaged_file_never_pairs_a_stamp_with_rows_of_another_snapshot() {
    let place = Place::new();
    let index = place.open();
    let rows = |content: u8| {
        (0..300).map(move |n| Change::PutItem(item(1, n), item_row("subject", &[content; 60])))
    };
    for (content, stamp) in [(1, "s1"), (2, "s2")] {
        index.stage(&rows(content).collect::<Vec<_>>()).unwrap();
        index.publish(stamp, 1).unwrap();
    }
    let crashed = fs::read(&place.path).unwrap();
    drop(index);
    let header = (0..320).step_by(5);
    let pages = (320..crashed.len()).step_by(crashed.len() / 60 + 1);
    for at in header.chain(pages) {
        let mut bytes = crashed.clone();
        bytes[at] ^= 0xff;
        fs::write(&place.path, &bytes).unwrap();
        let (index, _) = MailIndex::open(&place.path, &identity()).unwrap();
        let items = index.items(&folder(1), None, 1000).unwrap();
        let (length, content) = match index.stamp().unwrap().as_deref() {
            Some("s1") => (300, 1),
            Some("s2") => (300, 2),
            _ => (0, 0),
        };
        assert_eq!(items.len(), length, "byte {at}");
        let all_same = |(_, row): &(_, mailindex::ItemRow)| row.content == [content; 60];
        assert!(items.iter().all(all_same), "byte {at}");
    }
}

#[test]
fn an_index_of_another_mailbox_or_repository_is_replaced() {
    let place = published();
    let other = Identity {
        mailbox: "bob@example.test".into(),
        ..identity()
    };
    assert!(check_replaced(&place, &other).contains("another"));
    let other = Identity {
        repository: [8; 16],
        ..identity()
    };
    assert!(check_replaced(&place, &other).contains("another"));
}

#[test]
fn another_format_number_is_replaced_and_named() {
    let place = published();
    let meta = TableDefinition::<&str, &[u8]>::new("meta");
    let database = Database::open(&place.path).unwrap();
    let txn = database.begin_write().unwrap();
    let newer = 99u32.to_le_bytes();
    txn.open_table(meta)
        .unwrap()
        .insert("format", newer.as_slice())
        .unwrap();
    txn.commit().unwrap();
    drop(database);
    assert!(check_replaced(&place, &identity()).contains("format 99"));
}

#[test]
fn a_redb_file_of_another_program_is_replaced() {
    for meta_of_other_type in [false, true] {
        let place = Place::new();
        fs::create_dir_all(place.path.parent().unwrap()).unwrap();
        let database = Database::create(&place.path).unwrap();
        let txn = database.begin_write().unwrap();
        if meta_of_other_type {
            txn.open_table(TableDefinition::<u64, u64>::new("meta"))
                .unwrap();
        } else {
            txn.open_table(TableDefinition::<&str, &[u8]>::new("meta"))
                .unwrap();
        }
        txn.commit().unwrap();
        drop(database);
        check_replaced(&place, &identity());
    }
}

#[test]
fn a_second_handle_is_busy_and_leaves_the_first_alone() {
    let place = published();
    let index = place.open();
    let error = MailIndex::open(&place.path, &identity()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy);
    assert!(error.to_string().contains("alice.redb"), "{error}");
    // Not even one that would replace the file.
    let other = Identity {
        repository: [8; 16],
        ..identity()
    };
    assert_eq!(
        MailIndex::open(&place.path, &other).unwrap_err().kind(),
        ErrorKind::Busy
    );
    assert_eq!(index.item_count(&folder(1)).unwrap(), 500);
    drop(index);
    assert!(!place.damaged().exists());
    place.open();
}

#[test]
fn an_opening_under_way_elsewhere_is_busy() {
    let place = published();
    fs::write(&place.path, b"garbage that the other one is replacing").unwrap();
    let lock = fs::File::create(with_suffix(&place.path, ".lock")).unwrap();
    lock.lock().unwrap();
    let error = MailIndex::open(&place.path, &identity()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy);
    assert!(!place.damaged().exists());
    drop(lock);
    check_replaced(&place, &identity());
}

#[test]
fn a_folder_in_place_of_the_file_is_an_error_and_stays() {
    let place = Place::new();
    fs::create_dir_all(&place.path).unwrap();
    let error = MailIndex::open(&place.path, &identity()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{}", chain(&error));
    assert!(place.path.is_dir());
}

#[test]
fn a_file_in_place_of_the_folder_is_an_error_and_stays() {
    let place = Place::new();
    let parent = place.path.parent().unwrap();
    fs::create_dir_all(parent.parent().unwrap()).unwrap();
    fs::write(parent, b"mine").unwrap();
    let error = MailIndex::open(&place.path, &identity()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{}", chain(&error));
    assert_eq!(fs::read(parent).unwrap(), b"mine");
}

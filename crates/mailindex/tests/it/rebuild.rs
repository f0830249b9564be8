use std::fs;

use mailindex::{Change, Counts, ErrorKind, MailIndex, Opened, Row, RowKey};

use crate::rows::{Place, folder, folder_row, identity, item, item_row, with_suffix};

fn batch(folder_number: u8, items: std::ops::Range<u32>) -> Vec<(RowKey, Row)> {
    let folder_key = RowKey::Folder(folder(folder_number));
    let mut rows = vec![(folder_key, Row::Folder(folder_row("f")))];
    rows.extend(items.map(|n| {
        let key = RowKey::Item(item(folder_number, n));
        (key, Row::Item(item_row("rebuilt", &n.to_le_bytes())))
    }));
    rows
}

#[test]
fn a_rebuild_replaces_everything() {
    let place = Place::new();
    let index = place.open();
    for (stamp, subject) in [("s1", "a"), ("s2", "b")] {
        let row = item_row(subject, subject.as_bytes());
        index.stage(&[Change::PutItem(item(9, 1), row)]).unwrap();
        index.publish(stamp, 1).unwrap();
    }
    index.stage(&[Change::DeleteItem(item(9, 1))]).unwrap();
    // Folder 1 comes in two batches that overlap by five items.
    index
        .rebuild("s7", 7, [batch(1, 0..10), batch(1, 5..20), batch(2, 0..3)])
        .unwrap();
    drop(index);
    let index = place.open();
    assert_eq!(index.stamp().unwrap().as_deref(), Some("s7"));
    let expected = Counts {
        folders: 2,
        items: 23,
        item_bytes: 2300,
        versions: 0,
        snapshots: 1,
    };
    assert_eq!(index.counts().unwrap(), expected);
    assert_eq!(index.item_count(&folder(1)).unwrap(), 20);
    assert_eq!(index.item_count(&folder(9)).unwrap(), 0);
    assert_eq!(index.staged_count().unwrap(), 0);
    assert_eq!(index.versions(&item(9, 1)).unwrap(), []);
    // And it goes on from there.
    index.stage(&[Change::DeleteItem(item(1, 1))]).unwrap();
    index.publish("s8", 8).unwrap();
    assert_eq!(
        index.versions(&item(1, 1)).unwrap()[0].last_in.as_deref(),
        Some("s7")
    );
}

#[test]
fn an_interrupted_rebuild_leaves_an_empty_index_without_a_stamp() {
    let place = Place::new();
    let index = place.open();
    index
        .stage(&[Change::PutItem(item(1, 1), item_row("a", b"a"))])
        .unwrap();
    index.publish("s1", 1).unwrap();
    index.rebuild_start().unwrap();
    index.rebuild_push(&batch(1, 0..5000)).unwrap();
    assert_eq!(index.stamp().unwrap(), None);
    // Killed: the file as it is now.
    let copy = with_suffix(&place.path, ".crashed");
    fs::copy(&place.path, &copy).unwrap();
    let (crashed, opened) = MailIndex::open(&copy, &identity()).unwrap();
    assert_eq!(opened, Opened::Existing);
    assert_eq!(crashed.stamp().unwrap(), None);
    assert_eq!(crashed.counts().unwrap(), Counts::default());
    // Ended in order: the same.
    drop(index);
    let index = place.open();
    assert_eq!(index.stamp().unwrap(), None);
    assert_eq!(index.counts().unwrap(), Counts::default());
    index.rebuild("s1", 1, [batch(1, 0..3)]).unwrap();
    assert_eq!(index.item_count(&folder(1)).unwrap(), 3);
}

#[test]
fn a_cleared_index_is_as_a_new_one() {
    let place = Place::new();
    let index = place.open();
    let put = [Change::PutItem(item(1, 1), item_row("a", b"a"))];
    index.stage(&put).unwrap();
    index.publish("s1", 1).unwrap();
    index.stage(&put).unwrap();
    index.clear().unwrap();
    assert_eq!(index.stamp().unwrap(), None);
    assert_eq!(index.counts().unwrap(), Counts::default());
    index.stage(&put).unwrap();
    index.publish("s2", 2).unwrap();
    assert_eq!(index.item_count(&folder(1)).unwrap(), 1);
}

#[test]
fn calls_out_of_order_are_refused_and_change_nothing() {
    let place = Place::new();
    let index = place.open();
    let invalid = |error: mailindex::Error| assert_eq!(error.kind(), ErrorKind::Invalid);
    invalid(index.rebuild_push(&batch(1, 0..1)).unwrap_err());
    invalid(index.rebuild_finish("s1", 1).unwrap_err());
    index.rebuild_start().unwrap();
    invalid(index.stage(&[]).unwrap_err());
    invalid(index.publish("s1", 1).unwrap_err());
    let wrong = (RowKey::Folder(folder(1)), Row::Item(item_row("a", b"a")));
    invalid(index.rebuild_push(&[wrong]).unwrap_err());
    assert_eq!(index.counts().unwrap(), Counts::default());
    assert_eq!(index.stamp().unwrap(), None);
}

use std::fs;

use mailindex::{Change, Counts, ErrorKind, FolderKey, MailIndex, PublishStats, Row, RowKey};

use crate::rows::{Place, folder, folder_row, identity, item, item_row, with_suffix};

fn put(folder_number: u8, number: u32, subject: &str) -> Change {
    Change::PutItem(
        item(folder_number, number),
        item_row(subject, subject.as_bytes()),
    )
}

fn staged_keys(index: &MailIndex) -> Vec<RowKey> {
    let staged = index.staged(None, 1000).unwrap();
    staged.into_iter().map(|change| change.row_key).collect()
}

#[test]
fn staged_rows_hide_published_ones_until_they_are_discarded() {
    let place = Place::new();
    let index = place.open();
    index.stage(&[put(1, 1, "old"), put(1, 2, "gone")]).unwrap();
    index.publish("s1", 1).unwrap();
    index
        .stage(&[
            put(1, 1, "new"),
            Change::DeleteItem(item(1, 2)),
            Change::PutFolder(folder(1), folder_row("Inbox")),
        ])
        .unwrap();
    let subject = |n| index.item(&item(1, n)).unwrap().map(|row| row.subject);
    assert_eq!(subject(1).as_deref(), Some("new"));
    assert_eq!(subject(2), None);
    assert!(index.folder(&folder(1)).unwrap().is_some());
    // Listings stay with the published state.
    assert_eq!(index.items(&folder(1), None, 10).unwrap().len(), 2);
    assert_eq!(index.folders().unwrap(), []);

    assert_eq!(index.staged_count().unwrap(), 3);
    index.discard_staged().unwrap();
    assert_eq!(index.staged_count().unwrap(), 0);
    assert_eq!(subject(1).as_deref(), Some("old"));
    assert_eq!(subject(2).as_deref(), Some("gone"));
    assert_eq!(index.stamp().unwrap().as_deref(), Some("s1"));
}

#[test]
fn staged_changes_come_in_key_order_and_in_pages() {
    let place = Place::new();
    let index = place.open();
    index
        .stage(&[
            put(2, 1, "c"),
            put(1, 9, "b"),
            Change::PutFolder(folder(2), folder_row("Two")),
            put(1, 3, "a"),
            Change::PutFolder(folder(1), folder_row("One")),
        ])
        .unwrap();
    let mut keys = Vec::new();
    let mut after = None;
    loop {
        let page = index.staged(after.take(), 2).unwrap();
        let Some(last) = page.last() else { break };
        assert!(page.len() <= 2);
        after = Some(last.key.clone());
        for change in page {
            assert_eq!(change.key, change.row_key.to_bytes());
            assert_eq!(
                matches!(change.row, Some(Row::Folder(_))),
                matches!(change.row_key, RowKey::Folder(_))
            );
            keys.push(change.row_key);
        }
    }
    let expected = [
        RowKey::Folder(folder(1)),
        RowKey::Item(item(1, 3)),
        RowKey::Item(item(1, 9)),
        RowKey::Folder(folder(2)),
        RowKey::Item(item(2, 1)),
    ];
    assert_eq!(keys, expected);
}

#[test]
fn a_change_back_to_the_published_row_is_no_change() {
    let place = Place::new();
    let index = place.open();
    index
        .stage(&[
            put(1, 1, "a"),
            Change::PutFolder(folder(1), folder_row("One")),
        ])
        .unwrap();
    index.publish("s1", 1).unwrap();
    index
        .stage(&[
            put(1, 1, "b"),
            put(1, 1, "a"),
            Change::DeleteFolder(folder(1)),
            Change::PutFolder(folder(1), folder_row("One")),
            put(1, 1, "a"),
            put(1, 5, "never published"),
            Change::DeleteItem(item(1, 5)),
            Change::DeleteItem(item(1, 6)),
            Change::DeleteFolder(folder(9)),
        ])
        .unwrap();
    assert_eq!(staged_keys(&index), []);
}

#[test]
fn deleting_a_folder_deletes_its_items_and_no_others() {
    let place = Place::new();
    let index = place.open();
    let mut changes: Vec<Change> = (1..=3)
        .map(|n| Change::PutFolder(folder(n), folder_row("f")))
        .collect();
    changes.extend((1..=3).flat_map(|f| (0..4).map(move |n| put(f, n, "x"))));
    // The extreme keys of a folder.
    let (low, high) = ([0x00; 16], [0xff; 16]);
    for edge in [low, high] {
        let key = mailindex::ItemKey {
            folder: folder(2),
            item: edge,
        };
        changes.push(Change::PutItem(key, item_row("edge", b"e")));
    }
    index.stage(&changes).unwrap();
    index.publish("s1", 1).unwrap();

    index
        .stage(&[put(2, 77, "staged only"), Change::DeleteFolder(folder(2))])
        .unwrap();
    let staged = index.staged(None, 100).unwrap();
    // The folder, and five items: item 0 has the lowest key, so it is one of the edges.
    assert_eq!(staged.len(), 1 + 5);
    assert!(staged.iter().all(|change| change.row.is_none()));
    assert!(
        staged
            .iter()
            .all(|change| change.row_key.folder() == folder(2))
    );
    let stats = index.publish("s2", 2).unwrap();
    let expected = PublishStats {
        folders_deleted: 1,
        items_deleted: 5,
        versions_kept: 5,
        items_total: 8,
        ..PublishStats::default()
    };
    assert_eq!(stats, expected);
    assert_eq!(index.item_count(&folder(2)).unwrap(), 0);
    assert_eq!(index.items(&folder(2), None, 10).unwrap(), []);
    assert_eq!(index.folder(&folder(2)).unwrap(), None);
    assert_eq!(index.item_count(&folder(1)).unwrap(), 4);
    assert_eq!(index.item_count(&folder(3)).unwrap(), 4);
}

#[test]
fn a_folder_of_the_highest_key_can_be_listed_and_deleted() {
    let place = Place::new();
    let index = place.open();
    index
        .stage(&[
            Change::PutFolder(folder(255), folder_row("f")),
            put(255, 1, "x"),
        ])
        .unwrap();
    index.publish("s1", 1).unwrap();
    let page = index.items(&folder(255), None, 10).unwrap();
    assert_eq!(page.len(), 1);
    assert_eq!(index.items(&folder(255), Some(page[0].0), 10).unwrap(), []);
    index.stage(&[Change::DeleteFolder(folder(255))]).unwrap();
    index.publish("s2", 2).unwrap();
    assert_eq!(index.counts().unwrap().items, 0);
}

#[test]
fn only_a_changed_content_makes_a_version() {
    let place = Place::new();
    let index = place.open();
    let key = item(1, 1);
    index.stage(&[put(1, 1, "first")]).unwrap();
    index.publish("s1", 10).unwrap();
    index.publish("s2", 20).unwrap();

    let read = mailindex::ItemRow {
        is_read: Some(true),
        ..item_row("first", b"first")
    };
    index.stage(&[Change::PutItem(key, read.clone())]).unwrap();
    let stats = index.publish("s3", 30).unwrap();
    assert_eq!((stats.items_replaced, stats.versions_kept), (1, 0));
    assert_eq!(index.versions(&key).unwrap(), []);

    index.stage(&[put(1, 1, "second")]).unwrap();
    index.publish("s4", 40).unwrap();
    index.stage(&[Change::DeleteItem(key)]).unwrap();
    index.publish("s5", 50).unwrap();

    let versions = index.versions(&key).unwrap();
    assert_eq!(versions.len(), 2);
    assert_eq!(versions[0].row, read);
    assert_eq!(versions[0].last_in.as_deref(), Some("s3"));
    assert_eq!(versions[0].gone_in, "s4");
    assert_eq!(versions[1].row.subject, "second");
    assert_eq!(versions[1].last_in.as_deref(), Some("s4"));
    assert_eq!(versions[1].gone_in, "s5");
    assert_eq!(index.versions(&item(1, 2)).unwrap(), []);

    let snapshots = index.snapshots().unwrap();
    let stamps: Vec<_> = snapshots
        .iter()
        .map(|s| (s.stamp.as_str(), s.time_unix_ms))
        .collect();
    assert_eq!(
        stamps,
        [("s1", 10), ("s2", 20), ("s3", 30), ("s4", 40), ("s5", 50)]
    );
    let expected = Counts {
        versions: 2,
        snapshots: 5,
        ..Counts::default()
    };
    assert_eq!(index.counts().unwrap(), expected);
}

#[test]
fn a_stamp_published_twice_is_one_snapshot() {
    let place = Place::new();
    let index = place.open();
    index.publish("s1", 1).unwrap();
    index.publish("s1", 1).unwrap();
    assert_eq!(index.snapshots().unwrap().len(), 1);
}

#[test]
fn a_cleared_stamp_stays_cleared_and_keeps_the_rows() {
    let place = Place::new();
    let index = place.open();
    index.stage(&[put(1, 1, "a")]).unwrap();
    index.publish("s1", 1).unwrap();
    index.clear_stamp().unwrap();
    drop(index);
    let index = place.open();
    assert_eq!(index.stamp().unwrap(), None);
    assert_eq!(index.item_count(&folder(1)).unwrap(), 1);
}

#[test]
fn items_are_paged_within_their_folder() {
    let place = Place::new();
    let index = place.open();
    let changes: Vec<Change> = (1..=3)
        .flat_map(|f| (0..10).map(move |n| put(f, n, "x")))
        .collect();
    index.stage(&changes).unwrap();
    index.publish("s1", 1).unwrap();
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let page = index.items(&folder(2), after, 3).unwrap();
        let Some((last, _)) = page.last() else { break };
        after = Some(*last);
        seen.extend(page.into_iter().map(|(key, _)| key));
    }
    let expected: Vec<_> = (0..10).map(|n| item(2, n)).collect();
    assert_eq!(seen, expected);
    // Cursors of other folders: all of it behind, or all of it before.
    assert_eq!(
        index
            .items(&folder(2), Some(item(1, 5)), 100)
            .unwrap()
            .len(),
        10
    );
    assert_eq!(index.items(&folder(2), Some(item(3, 5)), 100).unwrap(), []);
    assert_eq!(index.items(&FolderKey([9; 8]), None, 100).unwrap(), []);
}

#[test]
fn a_stage_with_one_bad_row_stages_nothing() {
    let place = Place::new();
    let index = place.open();
    let huge = vec![0; mailindex::MAX_ROW_BYTES];
    let changes = [
        put(1, 1, "good"),
        Change::PutItem(item(1, 2), item_row("huge", &huge)),
    ];
    assert_eq!(
        index.stage(&changes).unwrap_err().kind(),
        ErrorKind::Invalid
    );
    assert_eq!(index.staged_count().unwrap(), 0);
}

#[test]
fn an_impossible_stamp_publishes_nothing() {
    let place = Place::new();
    let index = place.open();
    index.stage(&[put(1, 1, "a")]).unwrap();
    for stamp in ["", "x".repeat(5000).as_str()] {
        assert_eq!(
            index.publish(stamp, 1).unwrap_err().kind(),
            ErrorKind::Invalid
        );
    }
    assert_eq!(index.counts().unwrap(), Counts::default());
    assert_eq!(index.staged_count().unwrap(), 1);
}

#[test]
fn a_closed_index_has_lost_what_was_only_staged() {
    let place = Place::new();
    let index = place.open();
    index.stage(&[put(1, 1, "published")]).unwrap();
    index.publish("s1", 1).unwrap();
    index
        .stage(&[put(1, 1, "staged"), put(1, 2, "staged")])
        .unwrap();
    // Durable, and takes the staged rows to the disk with it.
    index.clear_stamp().unwrap();
    drop(index);
    let index = place.open();
    assert_eq!(index.staged_count().unwrap(), 0);
    assert_eq!(
        index.item(&item(1, 1)).unwrap().unwrap().subject,
        "published"
    );
    assert_eq!(index.item(&item(1, 2)).unwrap(), None);
}

/// What a killed process leaves is the file as it is on disk at that moment: a copy of it.
#[test]
fn a_crash_between_staging_and_publication_leaves_the_published_state() {
    let place = Place::new();
    let index = place.open();
    index.stage(&[put(1, 1, "published")]).unwrap();
    index.publish("s1", 1).unwrap();
    let copy = with_suffix(&place.path, ".crashed");
    for round in 0..5u32 {
        let changes: Vec<Change> = (0..2000)
            .map(|n| put(2, round * 2000 + n, "staged"))
            .collect();
        index.stage(&changes).unwrap();
        fs::copy(&place.path, &copy).unwrap();
        let (crashed, opened) = MailIndex::open(&copy, &identity()).unwrap();
        assert_eq!(opened, mailindex::Opened::Existing);
        assert_eq!(crashed.stamp().unwrap().as_deref(), Some("s1"));
        assert_eq!(crashed.staged_count().unwrap(), 0);
        let expected = Counts {
            items: 1,
            item_bytes: 100,
            snapshots: 1,
            ..Counts::default()
        };
        assert_eq!(crashed.counts().unwrap(), expected);
    }
    index.publish("s2", 2).unwrap();
    fs::copy(&place.path, &copy).unwrap();
    let (crashed, _) = MailIndex::open(&copy, &identity()).unwrap();
    assert_eq!(crashed.stamp().unwrap().as_deref(), Some("s2"));
    assert_eq!(crashed.counts().unwrap().items, 10_001);
}

#[test]
fn threads_share_one_index() {
    let place = Place::new();
    let index = place.open();
    std::thread::scope(|scope| {
        for f in 1..=4 {
            let index = &index;
            scope.spawn(move || {
                for n in 0..50 {
                    index.stage(&[put(f, n, "x")]).unwrap();
                    assert!(index.item(&item(f, n)).unwrap().is_some());
                }
            });
        }
    });
    assert_eq!(index.publish("s1", 1).unwrap().items_added, 200);
    index.compact().unwrap();
    assert_eq!(index.item_count(&folder(4)).unwrap(), 50);
}

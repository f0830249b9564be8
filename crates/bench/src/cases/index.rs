//! The local index of a mailbox.

use std::hint::black_box;
use std::io::Write;

use mailindex::{Change, FolderKey, Identity, ItemKey, ItemRow, MailIndex};

use super::Named;
use crate::case::Prepared;
use crate::material::{noise, text};

pub(super) const CASES: &[Named] = &[("redb-commit", commit)];

const ROWS: usize = 512;

/// A page of 512 rows staged and published, which ends in a file's synchronisation.
fn commit() -> Prepared {
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let identity = Identity {
        repository: [1; 16],
        mailbox: "alice@example.test".into(),
    };
    let path = folder.path().join("alice.redb");
    let (index, _) = MailIndex::open(path, &identity).expect("a new index");
    let mut rows: Vec<Change> = (0..ROWS).map(row).collect();
    let mut count = 0;
    let run = move || {
        count += 1;
        for row in &mut rows {
            if let Change::PutItem(_, row) = row {
                row.change_key = format!("CQ{count:0>30}");
            }
        }
        index.stage(&rows).expect("a row is staged");
        let stats = index.publish(&count.to_string(), count);
        black_box(stats.expect("rows are published"));
    };
    let bytes = ROWS * 400;
    let mut file = tempfile::tempfile().expect("a temporary file");
    let data = noise(bytes);
    let alone = move || {
        file.write_all(&data).expect("a write");
        file.sync_data().expect("a synchronisation");
        let _keep = &folder;
    };
    Prepared {
        bytes,
        run: Box::new(run),
        limit: ("write and synchronise", Box::new(alone)),
    }
}

fn row(number: usize) -> Change {
    let mut item = [0; 16];
    item.copy_from_slice(&blake3::hash(&number.to_le_bytes()).as_bytes()[..16]);
    let key = ItemKey {
        folder: FolderKey([1; 8]),
        item,
    };
    let row = ItemRow {
        item_id: format!("AAMkADA2{number:0>144}"),
        item_class: "IPM.Note".into(),
        is_read: Some(true),
        size_bytes: 14_000,
        subject: text(40, number as u64),
        sender: "Alice Example <alice@example.test>".into(),
        content: noise(90),
        ..ItemRow::default()
    };
    Change::PutItem(key, row)
}

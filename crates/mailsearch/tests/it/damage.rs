//! Broken, cut and missing files.

use std::path::{Path, PathBuf};

use mailsearch::{
    Document, ErrorKind, Index, IndexWriter, Mark, Opened, Query, Row, Scope, UpdateStats,
};

use crate::corpus::{KEY, random};

const TEXTS: [&str; 4] = [
    "the quick brown fox",
    "a lazy dog",
    "quick thinking",
    "nothing",
];

fn fill(folder: &Path) -> (Opened, UpdateStats) {
    let (writer, opened) = IndexWriter::open(folder, &KEY, random()).unwrap();
    let mut update = writer.update().unwrap();
    for (number, text) in TEXTS.iter().enumerate() {
        let row = Row {
            key: [number as u8; 24],
            content: [number as u8; 10],
            folder: "Inbox".into(),
            is_read: None,
        };
        let document = Document {
            texts: vec![(*text).to_owned()],
            ..Document::default()
        };
        update.add(&row, &document).unwrap();
    }
    update
        .end_snapshot(Mark {
            id: "one".into(),
            time_unix_ms: 1,
        })
        .unwrap();
    let (_, stats) = update.finish().unwrap();
    (opened, stats)
}

fn quick(folder: &Path) -> Result<u64, ErrorKind> {
    let query = Query::parse("quick", 0).unwrap();
    Index::open(folder, &KEY)
        .and_then(|index| index.search(&query, &Scope::All, 10))
        .map(|found| found.total)
        .map_err(|error| error.kind())
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .filter(|path| path.extension().is_some_and(|e| e == "pks"))
        .collect()
}

#[test]
fn a_flipped_bit_is_noticed_or_harmless_and_the_writer_says_so() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path());
    assert_eq!(quick(folder.path()), Ok(2));
    let mut noticed = 0;
    for path in files(folder.path()) {
        let sound = std::fs::read(&path).unwrap();
        for at in 0..sound.len() {
            let mut damaged = sound.clone();
            damaged[at] ^= 1 << (at % 8);
            std::fs::write(&path, &damaged).unwrap();
            match quick(folder.path()) {
                Ok(found) => assert_eq!(found, 2, "byte {at} of {}", path.display()),
                Err(kind) => {
                    assert_eq!(kind, ErrorKind::Corrupt);
                    noticed += 1;
                }
            }
        }
        std::fs::write(&path, &sound).unwrap();
    }
    assert!(noticed > 300, "{noticed}");
    assert_eq!(quick(folder.path()), Ok(2));
}

#[test]
fn a_cut_or_missing_file_leads_to_an_empty_index_that_can_be_filled() {
    for damage in [cut, remove, replace] {
        for which in 0..2 {
            let folder = tempfile::tempdir().unwrap();
            fill(folder.path());
            let mut files = files(folder.path());
            files.sort();
            assert_eq!(files.len(), 2);
            let manifest = files[which].file_name().unwrap() == "manifest.pks";
            damage(&files[which]);
            if manifest && !files[which].exists() {
                assert_eq!(quick(folder.path()), Err(ErrorKind::NotFound));
                assert_eq!(fill(folder.path()).0, Opened::Created);
            } else {
                assert_eq!(quick(folder.path()), Err(ErrorKind::Corrupt));
                let (opened, stats) = fill(folder.path());
                assert!(matches!(opened, Opened::Replaced { .. }), "{opened:?}");
                assert_eq!(stats.documents, 4);
            }
            assert_eq!(quick(folder.path()), Ok(2));
        }
    }
}

fn cut(path: &Path) {
    let bytes = std::fs::read(path).unwrap();
    std::fs::write(path, &bytes[..bytes.len() - 1]).unwrap();
}

fn remove(path: &Path) {
    std::fs::remove_file(path).unwrap();
}

fn replace(path: &Path) {
    std::fs::write(path, b"PKSEARCH but no more than that").unwrap();
}

#[test]
fn there_is_one_writer_at_a_time_and_readers_do_not_mind() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path());
    let (writer, opened) = IndexWriter::open(folder.path(), &KEY, random()).unwrap();
    assert_eq!(opened, Opened::Existing);
    let second = IndexWriter::open(folder.path(), &KEY, random());
    assert_eq!(second.err().unwrap().kind(), ErrorKind::Busy);
    assert_eq!(quick(folder.path()), Ok(2));
    drop(writer);
    assert!(IndexWriter::open(folder.path(), &KEY, random()).is_ok());
}

//! A writer that is killed while it writes. The test starts itself as the writer.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

use mailsearch::{Document, ErrorKind, Index, IndexWriter, Mark, Offer, Opened, Query, Row, Scope};

use crate::corpus::{Dice, KEY, random};

const FOLDER: &str = "MAILSEARCH_KILLED_TEST_FOLDER";
const ITEMS: usize = 6_000;

fn document(number: usize) -> Document {
    let mut dice = Dice(number as u64);
    let words: Vec<String> = (0..60).map(|_| format!("w{}", dice.roll(5_000))).collect();
    Document {
        subject: format!("number n{number}"),
        texts: vec![words.join(" ")],
        ..Document::default()
    }
}

fn row(number: usize) -> Row {
    let mut key = [0; 24];
    key[..8].copy_from_slice(&number.to_be_bytes());
    Row {
        key,
        content: *key.first_chunk().unwrap(),
        folder: "Inbox".into(),
        is_read: None,
    }
}

/// Indexes everything with many small segments; returns how many documents it was asked for.
fn index_all(folder: &Path, mut on_document: impl FnMut()) -> u64 {
    let (writer, opened) = IndexWriter::open(folder, &KEY, random()).unwrap();
    // Beginning anew is for damage, and being killed does none.
    if let Opened::Replaced { reason } = opened {
        panic!("the index was made anew: {reason}");
    }
    if !writer.marks().is_empty() {
        return 0;
    }
    let mut update = writer.flush_at(100 << 10).update().unwrap();
    for number in 0..ITEMS {
        if update.offer(&row(number)).unwrap() == Offer::Wanted {
            update.add(&row(number), &document(number)).unwrap();
            on_document();
        }
    }
    update
        .end_snapshot(Mark {
            id: "one".into(),
            time_unix_ms: 0,
        })
        .unwrap();
    update.finish().unwrap().1.documents
}

#[test]
fn a_killed_writer_leaves_an_index_that_opens_and_is_completed() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        index_all(Path::new(&folder), || {
            use std::io::Write;
            let _ = std::io::stderr().write_all(b".");
        });
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut dice = Dice(9);
    let mut again = 0;
    for _ in 0..8 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "killed::a_killed_writer_leaves_an_index_that_opens_and_is_completed",
                "--exact",
            ])
            .args(["--nocapture", "--test-threads=1"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Somewhere within the work it still has to do.
        let wait = 200 + dice.roll(900);
        let mut written = vec![0; wait];
        let _ = child.stderr.take().unwrap().read_exact(&mut written);
        child.kill().unwrap();
        let status = child.wait().unwrap();
        assert_ne!(status.code(), Some(101), "the writer panicked");
        again += 1;
        // What is there can be read at any time; an unfinished snapshot has no hits.
        match Index::open(folder.path(), &KEY) {
            Ok(index) => {
                let found = index.search(&Query::default(), &Scope::All, 10).unwrap();
                let complete = !index.marks().is_empty();
                assert_eq!(found.total, if complete { ITEMS as u64 } else { 0 });
            }
            // Killed before the first segment was whole.
            Err(error) => assert_eq!(error.kind(), ErrorKind::NotFound, "{error}"),
        }
    }
    assert_eq!(again, 8);
    let rest = index_all(folder.path(), || {});
    assert!(
        rest < ITEMS as u64,
        "nothing of what was done before was kept"
    );
    let index = Index::open(folder.path(), &KEY).unwrap();
    let stats = index.stats();
    assert_eq!((stats.texts, stats.rows), (ITEMS as u64, ITEMS as u64));
    for number in (0..ITEMS).step_by(97) {
        let query = Query::parse(&format!("subject:n{number}"), 0).unwrap();
        let found = index.search(&query, &Scope::All, 10).unwrap();
        assert_eq!(found.hits.len(), 1);
        assert_eq!(found.hits[0].key, row(number).key);
    }
}

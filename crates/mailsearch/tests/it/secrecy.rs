//! Nothing readable in the files.

use std::collections::HashSet;

use mailsearch::{ErrorKind, Index, IndexWriter, Mark, Row, word_list};

use crate::corpus::{KEY, documents, random};

#[test]
fn no_word_of_a_mail_is_in_the_files_and_no_other_key_opens_them() {
    let Some(documents) = documents(20) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let (writer, _) = IndexWriter::open(folder.path(), &KEY, random()).unwrap();
    let mut update = writer.update().unwrap();
    let mut known = HashSet::new();
    for (number, document) in documents.iter().enumerate() {
        let mut key = [0; 24];
        key[..8].copy_from_slice(&number.to_le_bytes());
        let row = Row {
            key,
            content: *key.first_chunk().unwrap(),
            folder: "Confidential plans".to_owned(),
            is_read: None,
        };
        update.add(&row, document).unwrap();
        let texts = document
            .texts
            .iter()
            .chain([&document.subject, &document.from, &document.to]);
        // Short words occur in random bytes by chance.
        let words = texts.flat_map(|text| word_list(text));
        known.extend(
            words
                .filter(|word| word.len() >= 6)
                .map(|word| word.as_bytes()[..6].to_vec()),
        );
    }
    known.extend(["Confid", "confid", "monday"].map(|word| word.as_bytes().to_vec()));
    update
        .end_snapshot(Mark {
            id: "monday evening".into(),
            time_unix_ms: 0,
        })
        .unwrap();
    drop(update.finish().unwrap());

    let mut files = 0;
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        let bytes = std::fs::read(entry.path()).unwrap();
        files += usize::from(!bytes.is_empty());
        for window in bytes.windows(6) {
            if known.contains(window) {
                found.push(String::from_utf8_lossy(window).into_owned());
            }
        }
        let name = entry.file_name().into_string().unwrap();
        assert!(!name.contains("onfid"), "{name}");
    }
    assert!(files >= 2);
    assert_eq!(found, Vec::<String>::new());
    let error = Index::open(folder.path(), &[7; 32]).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
}

//! Nothing readable in the files.

use std::collections::HashSet;

use mailsearch::{ErrorKind, Index, IndexWriter, Mark, Row, word_list};

use crate::corpus::{Dice, KEY, documents, random};

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
        assert!(looks_random(&bytes), "{}", entry.path().display());
        let name = entry.file_name().into_string().unwrap();
        assert!(!name.contains("onfid"), "{name}");
    }
    assert!(files >= 2);
    assert_eq!(found, Vec::<String>::new());
    let error = Index::open(folder.path(), &[7; 32]).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
}

/// Whether all bytes are about equally frequent, as they are not in anything that is only
/// compressed: its words would not be found either.
fn looks_random(bytes: &[u8]) -> bool {
    let mut counts = [0_f64; 256];
    bytes
        .iter()
        .for_each(|byte| counts[usize::from(*byte)] += 1.0);
    let mean = bytes.len() as f64 / 256.0;
    let squares: f64 = counts.iter().map(|count| (count - mean).powi(2)).sum();
    // Chi squared of 255 degrees of freedom: 255 on average, with a deviation of 22.6. Short files
    // say nothing.
    mean < 8.0 || squares / mean < 255.0 + 10.0 * 22.6
}

#[test]
fn what_is_only_compressed_does_not_look_random() {
    let mut dice = Dice(7);
    let words: Vec<String> = (0..200_000)
        .map(|_| format!("w{}", dice.roll(50_000)))
        .collect();
    let packed = zstd::bulk::compress(words.join(" ").as_bytes(), 3).unwrap();
    assert!(packed.len() > 1 << 16 && !looks_random(&packed));
    let mut noise = vec![0; 1 << 20];
    random()(&mut noise);
    assert!(looks_random(&noise));
}

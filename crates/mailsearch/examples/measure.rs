//! Measures size and speed: `cargo run --release --example measure -- FOLDER MAILS [CORPUS]`.
//!
//! With a corpus folder, mails are real ones; otherwise short ones are made up from words that
//! are as unevenly common as those of a language.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use mail_parser::{MessageParser, MimeHeaders};
use mailsearch::{Document, Index, IndexWriter, Mark, Query, Row, Scope};

const KEY: [u8; 32] = [1; 32];

const QUERIES: [&str; 20] = [
    "w1",
    "w100",
    "w5000",
    "w1 w2 w3",
    "w100 -w7 before:2020",
    "subject:w50 is:unread",
    "w12*",
    "from:person77",
    "size>2k folder:\"Folder 3\"",
    "",
    "the",
    "meeting budget",
    "is:read has:attachment after:2001",
    "subject:w3",
    "to:person12 w20",
    "w77 w78",
    "from:person5 before:2019-06",
    "-w1 is:unread",
    "kind:appointment",
    "w9* folder:\"Folder 7\"",
];

#[allow(clippy::print_stdout)]
fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, folder, mails, rest @ ..] = arguments.as_slice() else {
        println!("measure FOLDER MAILS [CORPUS]");
        return;
    };
    let (folder, mails) = (Path::new(folder), mails.parse::<usize>().unwrap());
    let corpus: Vec<Document> = rest.iter().flat_map(|path| read(Path::new(path))).collect();
    let mails = if corpus.is_empty() {
        mails
    } else {
        corpus.len()
    };
    build(folder, mails, &corpus);
    ask(folder);
}

#[allow(clippy::disallowed_methods, clippy::print_stdout)]
fn build(folder: &Path, mails: usize, corpus: &[Document]) {
    let drawn = AtomicU64::new(u64::from(std::process::id()) << 32);
    let random = Arc::new(move |bytes: &mut [u8]| {
        let number = drawn.fetch_add(1, Ordering::Relaxed);
        let hash = blake3::hash(&number.to_le_bytes());
        bytes.copy_from_slice(&hash.as_bytes()[..bytes.len()]);
    });
    let (writer, _) = IndexWriter::open(folder, &KEY, random).unwrap();
    let begun = Instant::now();
    let mut update = writer.update().unwrap();
    let mut text_bytes = 0;
    for number in 0..mails {
        let mut key = [0; 24];
        key[..16].copy_from_slice(&blake3::hash(&number.to_le_bytes()).as_bytes()[..16]);
        let row = Row {
            key,
            content: *key.first_chunk().unwrap(),
            folder: format!("Inbox/Folder {}", number % 40),
            is_read: Some(number.is_multiple_of(3)),
        };
        let document = corpus
            .get(number)
            .cloned()
            .unwrap_or_else(|| made_up(number));
        let fields = [&document.subject, &document.from, &document.to];
        text_bytes += document
            .texts
            .iter()
            .chain(fields)
            .map(String::len)
            .sum::<usize>();
        update.add(&row, &document).unwrap();
    }
    let mark = Mark {
        id: "one".into(),
        time_unix_ms: 0,
    };
    update.end_snapshot(mark).unwrap();
    update.finish().unwrap();
    let took = begun.elapsed();
    println!(
        "{mails} mails, {} KB of text: built in {took:?}",
        text_bytes / 1000
    );
    let stats = Index::open(folder, &KEY).unwrap().stats();
    let share = 100.0 * stats.bytes as f64 / text_bytes as f64;
    println!(
        "{} KB in {} segments: {share:.1} % of the text",
        stats.bytes / 1000,
        stats.segments
    );
}

#[allow(clippy::disallowed_methods, clippy::print_stdout)]
fn ask(folder: &Path) {
    let (mut opened, mut open) = (Vec::new(), Vec::new());
    for text in QUERIES {
        let query = Query::parse(text, 0).unwrap();
        let begun = Instant::now();
        let index = Index::open(folder, &KEY).unwrap();
        let found = index.search(&query, &Scope::All, 50).unwrap();
        let cold = begun.elapsed();
        let begun = Instant::now();
        index.search(&query, &Scope::All, 50).unwrap();
        let again = begun.elapsed();
        println!(
            "{text:36}{:8} found, with opening {cold:?}, again {again:?}",
            found.total
        );
        opened.push(cold);
        open.push(again);
    }
    for (what, mut times) in [("with opening", opened), ("index open", open)] {
        times.sort();
        println!(
            "{what}: median {:?}, worst {:?} of {}",
            times[times.len() / 2],
            times[times.len() - 1],
            times.len()
        );
    }
}

fn made_up(number: usize) -> Document {
    let mut state = number as u64;
    let mut roll = move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as f64 / f64::from(1_u32 << 31)
    };
    // Zipf's law over a vocabulary of 200,000 words.
    let mut word = || format!("w{}", (200_000_f64.powf(roll()) as usize));
    let subject = (0..5).map(|_| word()).collect::<Vec<_>>().join(" ");
    let body = (0..60).map(|_| word()).collect::<Vec<_>>().join(" ");
    Document {
        subject,
        from: format!("person{} example.test", number % 500),
        to: format!("person{} example.test", number % 300),
        texts: vec![body],
        date_unix_ms: Some(1_500_000_000_000 + (number as i64 * 7919 % 1_000_000) * 200_000),
        size_bytes: 1000 + (number as u64 * 31) % 5000,
        ..Document::default()
    }
}

fn read(folder: &Path) -> Vec<Document> {
    let mut documents = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            documents.extend(read(&path));
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        let Some(mail) = MessageParser::default().parse(&bytes) else {
            continue;
        };
        let address = |list: Option<&mail_parser::Address<'_>>| {
            let list = list.into_iter().flat_map(mail_parser::Address::iter);
            list.map(|a| format!("{} {} ", a.name().unwrap_or(""), a.address().unwrap_or("")))
                .collect::<String>()
        };
        let mut texts: Vec<String> = (0..mail.text_body_count())
            .filter_map(|at| mail.body_text(at).map(std::borrow::Cow::into_owned))
            .collect();
        texts.extend(
            mail.attachments()
                .filter_map(|p| p.attachment_name().map(str::to_owned)),
        );
        documents.push(Document {
            subject: mail.subject().unwrap_or("").to_owned(),
            from: address(mail.from()),
            to: address(mail.to()),
            texts,
            date_unix_ms: mail.date().map(|date| date.to_timestamp() * 1000),
            size_bytes: bytes.len() as u64,
            has_attachments: mail.attachment_count() > 0,
            ..Document::default()
        });
    }
    documents
}

//! Real mail as documents, and numbers that look random and repeat.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use mail_parser::{MessageParser, MimeHeaders};
use mailsearch::{Document, Kind, Random};

pub const KEY: [u8; 32] = [42; 32];

/// Random bytes that no two writers share.
pub fn random() -> Random {
    static NEXT: Mutex<u64> = Mutex::new(0);
    Arc::new(|bytes| {
        let mut next = NEXT.lock().unwrap();
        *next += 1;
        let seed = (u64::from(std::process::id()) << 32) + *next;
        blake3::Hasher::new()
            .update(&seed.to_le_bytes())
            .finalize_xof()
            .fill(bytes);
    })
}

/// SplitMix64.
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % sides as u64) as usize
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.roll(from.len())]
    }
}

/// The shared test material, if it is there.
#[allow(clippy::print_stdout)]
pub fn shared_dir() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let folder = std::env::var_os("POSTKEEP_SHARED").map_or(beside, PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    assert!(std::env::var_os("CI").is_none(), "no {}", folder.display());
    println!("skipped: there is no {}", folder.display());
    None
}

/// Every `step`th mail of the corpus, and every calendar file and contact.
pub fn documents(step: usize) -> Option<Vec<Document>> {
    let corpus = shared_dir()?.join("corpus");
    let mut paths = Vec::new();
    for part in ["mail", "difficult"] {
        collect(&corpus.join(part), &mut paths);
    }
    paths.sort();
    let parser = MessageParser::default();
    let documents = paths.iter().step_by(step).filter_map(|path| {
        let bytes = std::fs::read(path).unwrap();
        Some(document(&parser.parse(&bytes)?, bytes.len() as u64))
    });
    let mut documents: Vec<Document> = documents.collect();
    for (part, kind) in [("calendar", Kind::Appointment), ("contacts", Kind::Contact)] {
        let mut paths = Vec::new();
        collect(&corpus.join(part), &mut paths);
        paths.sort();
        documents.extend(paths.iter().map(|path| {
            let bytes = std::fs::read(path).unwrap();
            lines_document(&String::from_utf8_lossy(&bytes), kind, bytes.len() as u64)
        }));
    }
    Some(documents)
}

/// A calendar file or contact as a document: the values of its lines.
fn lines_document(file: &str, kind: Kind, size_bytes: u64) -> Document {
    let unfolded = file
        .replace("\r\n", "\n")
        .replace("\n ", "")
        .replace("\n\t", "");
    let lines: Vec<(&str, &str)> = unfolded
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.split(';').next().unwrap_or(name), value))
        .collect();
    let of = |wanted: &[&str]| -> Vec<String> {
        let named = lines.iter().filter(|(name, _)| wanted.contains(name));
        named.map(|(_, value)| (*value).to_owned()).collect()
    };
    let is_task = lines.contains(&("BEGIN", "VTODO"));
    Document {
        subject: of(&["SUMMARY", "FN"]).join(" "),
        from: of(&["ORGANIZER", "EMAIL"]).join(" "),
        to: of(&["ATTENDEE"]).join(" "),
        texts: of(&[
            "DESCRIPTION",
            "LOCATION",
            "NOTE",
            "ORG",
            "TITLE",
            "ADR",
            "TEL",
        ]),
        size_bytes,
        kind: if is_task { Kind::Task } else { kind },
        is_important: !of(&["PRIORITY"]).is_empty(),
        ..Document::default()
    }
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, paths);
        } else {
            paths.push(path);
        }
    }
}

fn document(mail: &mail_parser::Message<'_>, size_bytes: u64) -> Document {
    let addresses = |list: Option<&mail_parser::Address<'_>>| {
        let list = list.into_iter().flat_map(mail_parser::Address::iter);
        let texts: Vec<String> = list
            .map(|one| {
                format!(
                    "{} {}",
                    one.name().unwrap_or(""),
                    one.address().unwrap_or("")
                )
            })
            .collect();
        texts.join(" ")
    };
    let mut texts: Vec<String> = (0..mail.text_body_count())
        .filter_map(|at| mail.body_text(at).map(std::borrow::Cow::into_owned))
        .collect();
    for part in mail.attachments() {
        texts.extend(part.attachment_name().map(str::to_owned));
        texts.extend(part.text_contents().map(str::to_owned));
    }
    Document {
        subject: mail.subject().unwrap_or("").to_owned(),
        from: addresses(mail.from()),
        to: addresses(mail.to()) + " " + &addresses(mail.cc()),
        texts,
        date_unix_ms: mail.date().map(|date| date.to_timestamp() * 1000),
        size_bytes,
        kind: if size_bytes.is_multiple_of(7) {
            Kind::Meeting
        } else {
            Kind::Mail
        },
        has_attachments: mail.attachment_count() > 0,
        is_flagged: size_bytes.is_multiple_of(5),
        is_draft: size_bytes.is_multiple_of(11),
        is_important: size_bytes.is_multiple_of(3),
    }
}

//! Loading: every byte of every corpus file comes back, and nothing is carried twice.

#![allow(clippy::print_stdout, reason = "the totals are for people to read")]

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use ews_sim::{from_ics, from_vcf, load_dir, message_from_mime, mime_of};
use fasttransfer::{Limits, Message, WriteOptions, read_message, tag, write_message};

/// The shared corpus, or `None` where the machine has none (never in CI).
pub(crate) fn corpus(folder: &str) -> Option<PathBuf> {
    let root = std::env::var_os("POSTKEEP_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    );
    let path = root.join("corpus").join(folder);
    if path.is_dir() {
        return Some(path);
    }
    assert!(
        std::env::var_os("CI").is_none(),
        "the shared corpus is missing at {}",
        path.display()
    );
    println!("SKIPPED: no shared corpus at {}", path.display());
    None
}

/// Every file with that extension below a folder, sorted.
pub(crate) fn files(root: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|e| e == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

#[derive(Debug, Default)]
struct Totals {
    files: usize,
    raw: usize,
    native: usize,
    /// Attachments and HTML, each once.
    payload: usize,
    /// Text and transport headers as UTF-16.
    text: usize,
    skeleton: usize,
}

impl Totals {
    fn add(&mut self, other: &Self) {
        self.files += other.files;
        self.raw += other.raw;
        self.native += other.native;
        self.payload += other.payload;
        self.text += other.text;
        self.skeleton += other.skeleton;
    }

    /// Counts what a message holds, embedded messages included.
    fn message(&mut self, message: &Message) {
        let props = &message.props;
        let utf16 = |id| props.str(id).map_or(0, |t| 2 * t.encode_utf16().count());
        self.text += utf16(tag::BODY) + utf16(tag::TRANSPORT_MESSAGE_HEADERS);
        self.payload += props.binary(tag::HTML).map_or(0, <[u8]>::len);
        self.skeleton += props.binary(tag::MIME_SKELETON).map_or(0, <[u8]>::len);
        for attachment in &message.attachments {
            let data = attachment.props.binary(tag::ATTACH_DATA_BINARY);
            self.payload += data.map_or(0, <[u8]>::len);
            if let Some(embedded) = &attachment.embedded {
                self.message(embedded);
            }
        }
    }
}

fn round_trip(path: &Path, load: fn(&[u8]) -> Message) -> Totals {
    let raw = std::fs::read(path).unwrap();
    let message = load(&raw);
    let native = write_message(&message, &WriteOptions::default());
    let parsed = read_message(&native, &Limits::default()).unwrap();
    assert!(
        parsed.problems.is_empty(),
        "{}: {:?}",
        path.display(),
        parsed.problems
    );
    assert!(
        mime_of(&parsed.message) == raw,
        "{} came back changed",
        path.display()
    );
    let mut totals = Totals {
        files: 1,
        raw: raw.len(),
        native: native.len(),
        ..Totals::default()
    };
    totals.message(&parsed.message);
    if std::env::var_os("SHOW_SKELETONS").is_some() && totals.skeleton > 20_000 {
        println!("{} of {} {}", totals.skeleton, raw.len(), path.display());
    }
    totals
}

/// Round-trips all files on all cores.
fn check_folder(folder: &str, extension: &str, load: fn(&[u8]) -> Message) -> Option<Totals> {
    let files = files(&corpus(folder)?, extension);
    let totals = Mutex::new(Totals::default());
    let next = AtomicUsize::new(0);
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                let mut own = Totals::default();
                while let Some(path) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                    own.add(&round_trip(path, load));
                }
                totals.lock().unwrap().add(&own);
            });
        }
    });
    let totals = totals.into_inner().unwrap();
    println!("{folder}: {totals:?}");
    Some(totals)
}

#[test]
fn every_real_mail_comes_back_byte_identical_through_the_native_stream() {
    let Some(totals) = check_folder("mail", "eml", message_from_mime) else {
        return;
    };
    assert_eq!(totals.files, 4_356);
    // Nothing twice: beyond payloads and text there are boundaries, part headers and the
    // properties made from the headers.
    let overhead = totals.native - totals.payload - totals.text;
    assert!(totals.skeleton < totals.raw / 30, "skeletons carry content");
    assert!(
        overhead < totals.files * 4_096,
        "{overhead} bytes beside the content"
    );
}

#[test]
fn every_difficult_mail_comes_back_byte_identical_through_the_native_stream() {
    if let Some(totals) = check_folder("difficult", "eml", message_from_mime) {
        assert_eq!(totals.files, 444);
    }
}

#[test]
fn every_calendar_file_comes_back_byte_identical() {
    if let Some(totals) = check_folder("calendar", "ics", from_ics) {
        assert!(totals.files > 200);
    }
}

#[test]
fn every_contact_file_comes_back_byte_identical() {
    if let Some(totals) = check_folder("contacts", "vcf", from_vcf) {
        assert!(totals.files >= 50);
    }
}

#[test]
fn the_whole_corpus_is_one_mailbox_of_many_folders() {
    let Some(path) = corpus("mail") else { return };
    let mailboxes = load_dir(path).unwrap();
    let [alice] = &mailboxes[..] else { panic!() };
    assert_eq!(alice.address, "alice@example.test");
    assert_eq!(alice.item_count(), 4_356);
    let names: Vec<&str> = alice.folders.iter().map(|f| f.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "enron",
            "openbmc",
            "sisimai-bounces",
            "spamassassin",
            "usrp"
        ]
    );
}

/// Base64 with something foreign in it cannot be written again from its bytes: it is read as well
/// as it goes, and kept literally.
#[test]
fn base64_that_cannot_be_rebuilt_is_read_and_kept() {
    let raw = b"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: image/png\n\
Content-Transfer-Encoding: base64\n\niVBO<foreign>Rw0=\n--b--\n";
    let message = message_from_mime(raw);
    let data = message.attachments[0]
        .props
        .binary(tag::ATTACH_DATA_BINARY)
        .unwrap();
    assert!(data.starts_with(b"\x89PN"));
    assert_eq!(mime_of(&message), raw);
}

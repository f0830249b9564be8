use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use engine::{
    ErrorKind, Event, ExportFormat, ExportOptions, ExportReport, Monitor, Result, Selection,
    Snapshot, Vault,
};
use ews_sim::Sim;
use tokio_util::sync::CancellationToken;

use crate::world::{Server, Store, backup, latest, mail, sim_with};

const ALICE: &str = "alice@example.test";

const FORMATS: [ExportFormat; 7] = [
    ExportFormat::Eml,
    ExportFormat::Mbox,
    ExportFormat::Maildir,
    ExportFormat::Ics,
    ExportFormat::Vcf,
    ExportFormat::Msg,
    ExportFormat::Json,
];

/// Stops an export after some items.
struct Stopper {
    after: u64,
    seen: AtomicU64,
    token: CancellationToken,
}

impl Monitor for Stopper {
    fn event(&self, event: Event<'_>) {
        if let Event::Transferred { items, bytes, .. } = event
            && bytes > 0
            && self.seen.fetch_add(items, Ordering::Relaxed) + items >= self.after
        {
            self.token.cancel();
        }
    }
}

async fn try_export(
    vault: &Vault,
    snapshot: &Snapshot,
    out: &Path,
    options: &ExportOptions,
) -> Result<ExportReport> {
    let silent = Arc::new(engine::Silent);
    vault
        .export(snapshot, options, out, &CancellationToken::new(), silent)
        .await
}

async fn export(
    vault: &Vault,
    snapshot: &Snapshot,
    out: &Path,
    format: ExportFormat,
) -> ExportReport {
    let selection = Selection::default();
    let report = try_export(vault, snapshot, out, &ExportOptions { selection, format }).await;
    let report = report.unwrap();
    assert_eq!(report.failures, [], "{format:?}");
    report
}

/// All files below a folder, with their bytes.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    fn walk(root: &Path, folder: &Path, files: &mut BTreeMap<String, Vec<u8>>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(root, &path, files);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap();
                files.insert(name.replace('\\', "/"), std::fs::read(&path).unwrap());
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(folder, folder, &mut found);
    found
}

fn manifest(files: &BTreeMap<String, Vec<u8>>) -> serde_json::Value {
    serde_json::from_slice(&files[&format!("{ALICE}/manifest.json")]).unwrap()
}

/// A mailbox with mail, an appointment and a contact.
async fn mixed() -> (Server, Store, Snapshot) {
    let sim = sim_with(&[ALICE], 12);
    let mailbox = sim.mailbox(ALICE).unwrap();
    let event = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:1@x\r\n\
        DTSTAMP:20260101T000000Z\r\nDTSTART:20261102T100000Z\r\nDTEND:20261102T110000Z\r\n\
        SUMMARY:Bridge\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
    let card = "BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Eva Beispiel\r\nN:Beispiel;Eva;;;\r\n\
        EMAIL:eva@example.test\r\nEND:VCARD\r\n";
    mailbox.add_ics("Calendar", event.as_bytes()).unwrap();
    mailbox.add_vcf("Contacts", card.as_bytes()).unwrap();
    let server = Server::start(sim).await;
    let store = Store::create().await;
    backup(&store.vault, &server, &[ALICE]).await;
    let snapshot = latest(&store.vault, ALICE).await;
    (server, store, snapshot)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_format_is_the_same_on_every_run_and_needs_no_server() {
    let (server, store, snapshot) = mixed().await;
    drop(server);
    for format in FORMATS {
        let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let report = export(&store.vault, &snapshot, first.path(), format).await;
        let (mail, others) = match format {
            ExportFormat::Ics | ExportFormat::Vcf => (1, 13),
            _ => (14, 0),
        };
        assert_eq!((report.files, report.others), (mail, others), "{format:?}");
        export(&store.vault, &snapshot, second.path(), format).await;
        let written = files(first.path());
        assert!(
            written == files(second.path()),
            "{format:?} differs between two runs"
        );
        let again = export(&store.vault, &snapshot, first.path(), format).await;
        assert_eq!((again.files, again.skipped), (0, mail), "{format:?}");
        assert!(
            written == files(first.path()),
            "{format:?} differs after a second run"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_export_continues_to_the_same_files() {
    let (_server, store, snapshot) = mixed().await;
    for format in [
        ExportFormat::Eml,
        ExportFormat::Mbox,
        ExportFormat::Maildir,
        ExportFormat::Msg,
        ExportFormat::Json,
    ] {
        let (whole, broken) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        export(&store.vault, &snapshot, whole.path(), format).await;
        let token = CancellationToken::new();
        let stopper = Stopper {
            after: 5,
            seen: AtomicU64::new(0),
            token: token.clone(),
        };
        let options = ExportOptions {
            format,
            ..ExportOptions::default()
        };
        let stopped = store
            .vault
            .export(
                &snapshot,
                &options,
                broken.path(),
                &token,
                Arc::new(stopper),
            )
            .await
            .unwrap();
        assert!(
            stopped.interrupted && stopped.files == 5,
            "{format:?}: {stopped:?}"
        );
        if format == ExportFormat::Mbox {
            // What a crash in the middle of a mail leaves behind.
            let path = broken.path().join(ALICE).join("Inbox/messages.mbox");
            let mut bytes = std::fs::read(&path).unwrap_or_default();
            bytes.extend_from_slice(b"From half a mail");
            std::fs::write(&path, bytes).unwrap();
        }
        let rest = export(&store.vault, &snapshot, broken.path(), format).await;
        assert_eq!((rest.files, rest.skipped), (9, 5), "{format:?}");
        assert!(files(whole.path()) == files(broken.path()), "{format:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_manifest_names_every_file_with_its_digest_and_the_page_links_to_it() {
    let (_server, store, snapshot) = mixed().await;
    let out = tempfile::tempdir().unwrap();
    export(&store.vault, &snapshot, out.path(), ExportFormat::Eml).await;
    let written = files(out.path());
    let manifest = manifest(&written);
    let entries = manifest["entries"].as_array().unwrap();
    assert_eq!(entries.len(), 14);
    let sums = String::from_utf8(written[&format!("{ALICE}/SHA256SUMS")].clone()).unwrap();
    let page = String::from_utf8(written[&format!("{ALICE}/index.html")].clone()).unwrap();
    assert_eq!(sums.lines().count(), 16);
    for entry in entries {
        let file = entry["file"].as_str().unwrap();
        let bytes = &written[&format!("{ALICE}/{file}")];
        assert_eq!(entry["bytes"], bytes.len());
        let sum = entry["sha256"].as_str().unwrap();
        assert!(sum.len() == 64 && sums.contains(&format!("{sum}  {file}\n")));
        assert!(page.contains(sum) && !page.contains("<script"));
    }
    let mail = entries
        .iter()
        .find(|entry| entry["subject"] == "mail 3")
        .unwrap();
    assert_eq!(mail["folder"], "Inbox");
    assert_eq!(mail["sent"], "2026-11-02T10:00:00Z");
    assert_eq!(mail["from"], "Ann <ann@example.test>");
    assert!(!written.keys().any(|name| name.contains(".postkeep-export")));
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_files_are_written_again_and_other_formats_are_kept_apart() {
    let (_server, store, snapshot) = mixed().await;
    let out = tempfile::tempdir().unwrap();
    export(&store.vault, &snapshot, out.path(), ExportFormat::Eml).await;
    let before = files(out.path());
    let mails: Vec<&String> = before
        .keys()
        .filter(|name| name.ends_with(".eml"))
        .collect();
    std::fs::remove_file(out.path().join(mails[0])).unwrap();
    std::fs::write(out.path().join(mails[1]), "half").unwrap();
    let again = export(&store.vault, &snapshot, out.path(), ExportFormat::Eml).await;
    assert_eq!((again.files, again.skipped), (2, 12));
    assert!(before == files(out.path()));
    let options = ExportOptions {
        format: ExportFormat::Msg,
        ..ExportOptions::default()
    };
    let refused = try_export(&store.vault, &snapshot, out.path(), &options).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Conflict);
    assert!(before == files(out.path()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_that_changed_is_brought_up_to_date() {
    for format in [
        ExportFormat::Mbox,
        ExportFormat::Maildir,
        ExportFormat::Json,
    ] {
        let (server, store, snapshot) = mixed().await;
        let out = tempfile::tempdir().unwrap();
        export(&store.vault, &snapshot, out.path(), format).await;
        let mailbox = server.sim.mailbox(ALICE).unwrap();
        let first = mailbox.items("Inbox").unwrap().remove(0);
        mailbox.set_read(&first.id, !first.is_read).unwrap();
        mailbox.add_mime("Inbox", &mail(99)).unwrap();
        backup(&store.vault, &server, &[ALICE]).await;
        let newer = latest(&store.vault, ALICE).await;
        let report = export(&store.vault, &newer, out.path(), format).await;
        // An mbox file cannot be changed in its middle.
        let expected = if format == ExportFormat::Mbox { 13 } else { 2 };
        assert_eq!(report.files, expected, "{format:?}");
        let fresh = tempfile::tempdir().unwrap();
        export(&store.vault, &newer, fresh.path(), format).await;
        assert!(files(out.path()) == files(fresh.path()), "{format:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_with_hostile_names_stay_inside_and_apart() {
    let sim = Sim::builder().mailbox(ALICE).build().unwrap();
    let mailbox = sim.mailbox(ALICE).unwrap();
    let names = [
        "..",
        "con",
        "a:b",
        "A?B",
        "manifest.json",
        "dots...",
        "cur",
        "x\u{202e}gpj",
    ];
    for (number, name) in names.iter().enumerate() {
        mailbox.add_mime(name, &mail(number)).unwrap();
    }
    let server = Server::start(sim).await;
    let store = Store::create().await;
    backup(&store.vault, &server, &[ALICE]).await;
    let snapshot = latest(&store.vault, ALICE).await;
    for format in [ExportFormat::Eml, ExportFormat::Maildir, ExportFormat::Mbox] {
        let out = tempfile::tempdir().unwrap();
        let report = export(&store.vault, &snapshot, out.path(), format).await;
        assert_eq!(report.files, names.len() as u64);
        let written = files(out.path());
        assert!(written.keys().all(|name| name.starts_with(ALICE)));
        let mut folded: Vec<String> = written.keys().map(|name| name.to_lowercase()).collect();
        folded.sort();
        folded.dedup();
        assert_eq!(folded.len(), written.len());
        for name in written.keys().flat_map(|path| path.split('/')) {
            let colon = if format == ExportFormat::Maildir {
                ""
            } else {
                ":"
            };
            assert!(
                !name.contains(['<', '>', '"', '\\', '|', '?', '*']),
                "{name}"
            );
            assert!(colon.is_empty() || !name.contains(colon), "{name}");
            assert!(!name.ends_with(['.', ' ']) && name.len() <= 255, "{name}");
            assert!(
                !name.eq_ignore_ascii_case("con") && !name.contains('\u{202e}'),
                "{name}"
            );
        }
    }
}

/// Whether Windows and Linux take a name, and give it back as it is.
fn is_safe(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end();
    let reserved = ["con", "prn", "aux", "nul", "conin$", "conout$"]
        .iter()
        .any(|word| stem.eq_ignore_ascii_case(word))
        || ["com", "lpt"].iter().any(|port| {
            let number = stem.to_lowercase().strip_prefix(port).map(str::to_owned);
            number.is_some_and(|n| n.chars().count() == 1 && "0123456789¹²³".contains(&n))
        });
    let forbidden = |c: char| c.is_control() || "<>:\"/\\|?*".contains(c);
    !reserved
        && !name.is_empty()
        && !name.contains(forbidden)
        && !name.ends_with(['.', ' '])
        && !name.starts_with(' ')
        && name.len() <= 255
        && name.encode_utf16().count() <= 255
}

#[tokio::test(flavor = "multi_thread")]
async fn items_with_hostile_subjects_get_safe_names_and_the_same_ones_every_time() {
    let subjects = [
        "CON".to_owned(),
        "nul.txt".to_owned(),
        "com1".to_owned(),
        "../../etc/passwd".to_owned(),
        "C:\\Windows\\x".to_owned(),
        "ends with dots...".to_owned(),
        "ends with blanks   ".to_owned(),
        "a\u{1}b\u{7f}c\u{85}d".to_owned(),
        "<>:\"|?*".to_owned(),
        "Plan".to_owned(),
        "PLAN".to_owned(),
        "plan".to_owned(),
        "long ".repeat(200),
        "\u{1f4a9}".repeat(300),
        "stra\u{df}e und STRASSE".to_owned(),
        String::new(),
        ".".to_owned(),
        "x\u{202e}gpj.exe".to_owned(),
    ];
    let sim = Sim::builder().mailbox(ALICE).build().unwrap();
    let mailbox = sim.mailbox(ALICE).unwrap();
    for subject in &subjects {
        let id = mailbox.add_mime("Inbox", &mail(7)).unwrap();
        mailbox.edit_subject(&id, subject).unwrap();
    }
    let server = Server::start(sim).await;
    let store = Store::create().await;
    backup(&store.vault, &server, &[ALICE]).await;
    let snapshot = latest(&store.vault, ALICE).await;
    for format in [ExportFormat::Eml, ExportFormat::Msg, ExportFormat::Json] {
        let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let report = export(&store.vault, &snapshot, first.path(), format).await;
        assert_eq!(report.files, subjects.len() as u64);
        let written = files(first.path());
        let inbox = format!("{ALICE}/Inbox/");
        let names: Vec<&str> = written
            .keys()
            .filter_map(|path| path.strip_prefix(inbox.as_str()))
            .collect();
        assert_eq!(names.len(), subjects.len());
        for name in &names {
            assert!(is_safe(name), "{format:?}: {name:?}");
        }
        // Windows tells names apart by their capitals' code units.
        let mut folded: Vec<String> = names.iter().map(|name| name.to_uppercase()).collect();
        folded.sort();
        folded.dedup();
        assert_eq!(folded.len(), names.len(), "{names:?}");
        export(&store.vault, &snapshot, second.path(), format).await;
        assert!(written.keys().eq(files(second.path()).keys()), "{format:?}");
    }
}

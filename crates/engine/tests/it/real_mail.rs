//! Real mail, difficult mail, calendars and contacts: there, back, and out as files.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use engine::{ExportOptions, RestoreOptions};
use ews_sim::{MailboxHandle, Sim};
use tokio_util::sync::CancellationToken;

use crate::world::{Server, Store, backup, latest, restore};

/// What a mailbox holds, by folder and file bytes: how often each occurs, and its read state.
type Holdings = BTreeMap<(String, Vec<u8>, bool), u32>;

fn holdings(mailbox: &MailboxHandle) -> Holdings {
    let mut holdings = Holdings::new();
    for folder in mailbox
        .folders()
        .into_iter()
        .filter(|folder| !folder.path.starts_with('/'))
    {
        for item in mailbox.items(&folder.path).unwrap() {
            let bytes = mailbox.mime(&item.id).unwrap();
            *holdings
                .entry((folder.path.clone(), bytes, item.is_read))
                .or_default() += 1;
        }
    }
    holdings
}

fn counts(mailbox: &MailboxHandle) -> BTreeMap<String, u64> {
    mailbox
        .folders()
        .into_iter()
        .filter(|folder| !folder.path.starts_with('/'))
        .map(|folder| (folder.path, folder.total))
        .collect()
}

/// Loads a folder of files, backs it up, restores it into an empty mailbox of another server,
/// and exports it; returns how many items there were.
async fn there_and_back(sim: Sim) -> u64 {
    let mailboxes = sim.mailboxes();
    let names: Vec<&str> = mailboxes.iter().map(String::as_str).collect();
    let source = Server::start(sim).await;
    let store = Store::create().await;
    let report = backup(&store.vault, &source, &names).await;
    let items: u64 = report.mailboxes.iter().map(|mailbox| mailbox.items).sum();

    let empty = names
        .iter()
        .fold(Sim::builder(), |builder, name| builder.mailbox(name));
    let target = Server::start(empty.build().unwrap()).await;
    let out = tempfile::tempdir().unwrap();
    for name in &names {
        let snapshot = latest(&store.vault, name).await;
        let options = RestoreOptions {
            verify: true,
            ..RestoreOptions::default()
        };
        let report = restore(&store.vault, &snapshot, &target, &options).await;
        let (before, after) = (
            source.sim.mailbox(name).unwrap(),
            target.sim.mailbox(name).unwrap(),
        );
        assert_eq!(
            report.items_verified, snapshot.about.items,
            "native streams of {name}"
        );
        assert_eq!(
            counts(&before),
            counts(&after),
            "folders and counts of {name}"
        );
        let (before, after) = (holdings(&before), holdings(&after));
        assert!(before == after, "MIME and read states of {name}");

        let silent = Arc::new(engine::Silent);
        let exported = store
            .vault
            .export(
                &snapshot,
                &ExportOptions::default(),
                out.path(),
                &CancellationToken::new(),
                silent,
            )
            .await
            .unwrap();
        assert_eq!(exported.failures, []);
        assert_eq!(exported.files, snapshot.about.items);
        let mut files: Vec<Vec<u8>> = files_below(out.path());
        files.sort();
        let mut originals: Vec<Vec<u8>> = before
            .into_iter()
            .flat_map(|((_, bytes, _), times)| vec![bytes; times as usize])
            .collect();
        originals.sort();
        assert!(files == originals, "exported files of {name}");
        std::fs::remove_dir_all(out.path()).unwrap();
    }
    assert_eq!(target.sim.sent_messages() + source.sim.sent_messages(), 0);
    items
}

fn files_below(folder: &Path) -> Vec<Vec<u8>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else if path
            .extension()
            .and_then(|ending| ending.to_str())
            .is_some_and(|ending| ["eml", "ics", "vcf"].contains(&ending))
        {
            files.push(std::fs::read(path).unwrap());
        }
    }
    files
}

async fn corpus(part: &str) -> Option<u64> {
    let folder = testkit::shared_dir()?.join("corpus").join(part);
    let sim = Sim::builder().load_dir(folder).build().unwrap();
    Some(there_and_back(sim).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn real_mail_comes_back_byte_for_byte() {
    assert_eq!(corpus("mail").await.unwrap_or(4356), 4356);
}

#[tokio::test(flavor = "multi_thread")]
async fn difficult_mail_comes_back_byte_for_byte() {
    assert_eq!(corpus("difficult").await.unwrap_or(444), 444);
}

#[tokio::test(flavor = "multi_thread")]
async fn calendars_and_contacts_come_back_byte_for_byte() {
    assert_eq!(corpus("calendar").await.unwrap_or(224), 224);
    assert_eq!(corpus("contacts").await.unwrap_or(50), 50);
}

//! What a restore reads of the repository: each segment once, however its items are scattered.

use std::sync::Arc;

use chunkstore::{Passphrase, destination_from_url};
use engine::{RestoreOptions, Vault, VaultOptions};
use ews_sim::{MailboxHandle, Sim};
use testkit::FaultyStore;

use crate::world::{PASSPHRASE, Server, Store, backup, environment, latest, restore};

const ALICE: &str = "alice@example.test";
const FOLDERS: [&str; 4] = ["Inbox", "Inbox/Projects", "Archive", "Drafts"];

/// Mails of 100 kB that hardly compress, so that they fill several segments of 4 MiB.
fn add(mailbox: &MailboxHandle, numbers: std::ops::Range<usize>) {
    for number in numbers {
        let mut text = String::new();
        let mut output = blake3::Hasher::new()
            .update(&number.to_le_bytes())
            .finalize_xof();
        for _ in 0..1_200 {
            let mut line = [0; 40];
            output.fill(&mut line);
            text.extend(line.iter().map(|byte| format!("{byte:02x}")));
            text.push_str("\r\n");
        }
        let mail = format!("Subject: mail {number}\r\nContent-Type: text/plain\r\n\r\n{text}");
        let folder = FOLDERS[number % FOLDERS.len()];
        mailbox.add_mime(folder, mail.as_bytes()).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_restore_reads_no_segment_twice() {
    let sim = Sim::builder().mailbox(ALICE).build().unwrap();
    let server = Server::start_unseen(sim).await;
    let alice = server.sim.mailbox(ALICE).unwrap();
    let store = Store::create().await;
    // Two backups: each folder has items in segments of both.
    add(&alice, 0..300);
    backup(&store.vault, &server, &[ALICE]).await;
    add(&alice, 300..500);
    backup(&store.vault, &server, &[ALICE]).await;

    let folder = store.repository();
    let destination = destination_from_url(folder.to_str().unwrap()).unwrap();
    let counting = FaultyStore::new(destination);
    let options = VaultOptions {
        cache_dir: store.folder.path().join("another cache"),
        environment: environment(),
    };
    let passphrase = Passphrase::new(PASSPHRASE);
    let vault = Vault::open(Arc::new(counting.clone()), &passphrase, options)
        .await
        .unwrap();
    let snapshot = latest(&vault, ALICE).await;
    let size = vault.repository().stats();
    assert!(
        size.stored_bytes > 20 << 20,
        "more than a cache holds: {size:?}"
    );
    counting.reset_counts();
    let target = Server::start_unseen(Sim::builder().mailbox(ALICE).build().unwrap()).await;
    let report = restore(&vault, &snapshot, &target, &RestoreOptions::default()).await;
    assert_eq!(report.items_restored, 500);
    let log = counting.log();
    let gets = log
        .iter()
        .filter(|call| call.call == testkit::Call::Get && call.path.as_ref().starts_with("packs/"));
    let gets = gets.count() as u64;
    assert!(
        gets <= size.chunks,
        "{gets} reads of {} chunks",
        size.chunks
    );
    let read = counting.counts().bytes_read;
    assert!(
        read <= size.stored_bytes,
        "{read} bytes of {}",
        size.stored_bytes
    );
}

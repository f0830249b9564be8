//! Peak memory, each case in a process of its own.
// The measured peaks are what these tests are for: they are printed.
#![allow(clippy::print_stderr)]

use std::process::Command;

use ews_sim::Sim;

use crate::world::{Server, Store, backup};

const ALICE: &str = "alice@example.test";

/// Tells the child process that it is one.
const CHILD: &str = "POSTKEEP_MEMORY_CHILD";

/// What the whole process may hold, the simulator in it included.
const LIMIT_BYTES: u64 = 350 << 20;

/// Runs a test of this module again, alone in a process; says whether this is that process.
fn alone(name: &str) -> bool {
    if std::env::var_os(CHILD).is_some() {
        return true;
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    let measured: String = text.lines().filter(|line| line.contains("peak")).collect();
    eprintln!("{measured}");
    false
}

async fn measure(what: &str, sim: Sim, items: u64) {
    let server = Server::start_unseen(sim).await;
    let store = Store::create().await;
    let report = backup(&store.vault, &server, &[ALICE]).await;
    assert_eq!(report.mailboxes[0].items, items);
    let Some(peak) = testkit::peak_rss_bytes() else {
        return;
    };
    eprintln!("{what}: peak resident memory {} MB", peak / 1_000_000);
    assert!(peak < LIMIT_BYTES, "{peak} bytes");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_item_of_150_megabytes() {
    if alone("memory::one_item_of_150_megabytes") {
        let sim = Sim::builder().large_item(ALICE, "Inbox", "large", 150_000_000, 7);
        measure("one item of 150 MB", sim.build().unwrap(), 1).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_of_200_000_small_items() {
    if alone("memory::a_folder_of_200_000_small_items") {
        let sim = Sim::builder()
            .synthetic(ALICE, "Inbox", 200_000, 7)
            .build()
            .unwrap();
        measure("200,000 small items", sim, 200_000).await;
    }
}

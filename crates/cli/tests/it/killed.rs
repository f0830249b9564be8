//! kill -9 at random moments: whatever was committed stays whole, and all of it can be tidied up.
#![cfg(unix)]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;

use crate::desk::{Desk, Server, files};

/// Mailboxes of the simulator, so that there is always one with something new to read.
const MAILBOXES: [&str; 5] = ["alice", "bob", "carol", "dave", "erin"];

/// How many processes are killed; `POSTKEEP_KILLS` asks for more.
fn kills() -> u64 {
    let asked = std::env::var("POSTKEEP_KILLS").ok();
    asked.and_then(|kills| kills.parse().ok()).unwrap_or(50)
}

#[allow(clippy::disallowed_methods)]
fn wait(time: Duration) {
    std::thread::sleep(time);
}

/// Starts the program and kills it after a while; whether it was still running.
fn kill_after(desk: &Desk, args: &[&str], after: Duration) -> bool {
    let mut child = desk
        .command(args)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait(after);
    let running = child.try_wait().unwrap().is_none();
    child.kill().unwrap();
    child.wait().unwrap();
    running
}

fn address(name: &str) -> String {
    format!("{name}@example.test")
}

fn backup_args<'a>(server: &'a Server, mailbox: &'a str) -> Vec<&'a str> {
    let user = "svc@example.test";
    vec![
        "backup",
        "--server",
        &server.url,
        "--user",
        user,
        "--mailbox",
        mailbox,
    ]
}

/// The exported mails of all mailboxes, by path.
fn exported(desk: &Desk, out: &str) -> BTreeMap<String, Vec<u8>> {
    desk.ok(&["export", "--out", out]);
    let root = desk.path(out);
    let mails = files(&root)
        .into_iter()
        .filter(|path| path.ends_with(".eml"));
    mails
        .map(|path| {
            let bytes = std::fs::read(Path::new(&root).join(&path)).unwrap();
            (path, bytes)
        })
        .collect()
}

/// Forgets one snapshot through the library: there is nothing to be killed in it but one create.
fn forget(desk: &Desk, nth: usize) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = engine::destination_from_url(desk.path("repo").to_str().unwrap()).unwrap();
        let passphrase = engine::Passphrase::new(crate::desk::PASSPHRASE);
        let environment = engine::Environment::new(
            || 1_790_000_000_000,
            |buffer| getrandom::fill(buffer).unwrap(),
        );
        let options = engine::VaultOptions {
            cache_dir: desk.path("cache-of-the-test"),
            environment,
        };
        let vault = engine::Vault::open(store, &passphrase, options)
            .await
            .unwrap();
        let snapshots = vault.repository().snapshots();
        if let Some(snapshot) = snapshots.get(nth % snapshots.len().max(1)) {
            vault.repository().forget(&[snapshot.id]).await.unwrap();
        }
    });
}

#[test]
fn a_repository_survives_kills_of_backup_and_prune_at_any_moment() {
    let desk = Desk::new();
    let all: Vec<String> = MAILBOXES.iter().map(|name| address(name)).collect();
    let generate = all.join(",");
    let mailboxes = MAILBOXES.len().to_string();
    let server = Server::start(&desk, &["--generate", &mailboxes, "--items", "40"]);
    desk.ok(&["init"]);
    // Where nothing is killed, to compare with.
    let calm = Desk::new();
    calm.ok(&["init"]);
    calm.back_up(&server, &generate);
    let expected = exported(&calm, "out");
    assert!(expected.len() > 50, "{}", expected.len());

    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut draw = |below: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let mut killed = 0;
    for round in 0..kills() {
        let mailbox = address(MAILBOXES[draw(5) as usize]);
        let after = Duration::from_millis(100 + draw(900));
        killed += u64::from(match draw(5) {
            0..=2 => kill_after(&desk, &backup_args(&server, &mailbox), after),
            _ => kill_after(&desk, &["prune", "--end-open-after", "0"], after),
        });
        if round % 4 == 3 {
            forget(&desk, draw(100) as usize);
        }
    }
    assert!(
        killed * 3 > kills(),
        "only {killed} were still running when they were killed"
    );

    desk.ok(&["check", "--read-data"]);
    desk.ok(&["prune", "--end-open-after", "0"]);
    desk.back_up(&server, &generate);
    desk.ok(&["prune", "--end-open-after", "0"]);
    let check = desk.json(&["check", "--read-data"]);
    assert_eq!(
        check["objects_damaged"],
        Value::Array(Vec::new()),
        "{check}"
    );
    assert!(exported(&desk, "out") == expected, "an item differs");
    let plan = desk.json(&["prune", "--dry-run"]);
    assert_eq!(plan["stray_packs"], 0, "{plan}");
    assert_eq!(plan["dead_packs"], 0, "{plan}");
}

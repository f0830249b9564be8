//! Search: what it finds, what can be done with it, and what its files tell.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;

use crate::desk::{Desk, Server, files};

const USER: &str = "svc@example.test";

/// Subjects of a search's hits, sorted.
#[track_caller]
fn subjects(desk: &Desk, query: &[&str]) -> Vec<String> {
    let args: Vec<&str> = std::iter::once("search")
        .chain(query.iter().copied())
        .collect();
    let found = desk.json(&args);
    let hits = found["hits"].as_array().unwrap();
    assert_eq!(found["total"], hits.len(), "{found}");
    let mut subjects: Vec<String> = hits
        .iter()
        .map(|hit| hit["subject"].as_str().unwrap().to_owned())
        .collect();
    subjects.sort();
    subjects
}

#[test]
fn what_a_search_finds_is_listed_exported_and_restored() {
    let desk = Desk::new();
    let server = Server::with_mail(&desk, &[]);
    desk.ok(&["init"]);
    desk.back_up(&server, "alice@example.test,bob@example.test");
    assert_eq!(subjects(&desk, &["bridge"]), ["Bridge plans"]);
    assert_eq!(subjects(&desk, &["from:dora"]).len(), 4);
    assert_eq!(subjects(&desk, &["about", "mailbox:bob"]), ["Welcome Bob"]);
    assert_eq!(subjects(&desk, &["\"lunch on\""]), ["Lunch on Friday"]);
    assert!(subjects(&desk, &["is:draft"]).is_empty());
    let table = desk.ok(&["search", "folder:projects"]);
    assert!(table.contains("Bridge plans") && table.contains("Inbox/Projects"));
    assert_eq!(desk.ok(&["search", "nowhere"]), "nothing found\n");

    let exported = desk.json(&["export", "--search", "about -bob", "--out", "out"]);
    assert_eq!(exported["mailboxes"][0]["files"], 3, "{exported}");
    assert_eq!(exported["mailboxes"].as_array().unwrap().len(), 1);
    assert!(
        files(&desk.path("out"))
            .iter()
            .any(|file| file.contains("Lunch"))
    );

    let restore = |more: &[&str]| -> Value {
        let args = [
            "restore",
            "--user",
            USER,
            "--search",
            "subject:\"bridge plans\"",
        ];
        let args = [&args[..], &["--to-mailbox", "carol@example.test"], more].concat();
        desk.json(&args)["restores"].clone()
    };
    let plan = restore(&["--dry-run"]);
    assert_eq!(plan[0]["items_restored"], 1, "{plan}");
    let done = restore(&["--verify"]);
    assert_eq!(done[0]["items_verified"], 1, "{done}");
    assert_eq!(done.as_array().unwrap().len(), 1);
    assert_eq!(restore(&[])[0]["items_skipped"], 1);

    let nothing = desk.run(&["restore", "--user", USER, "--search", "nowhere"]);
    assert_eq!(nothing.code, 7, "{}", nothing.stderr);
    // Two mailboxes do not fit into one.
    let mixed = ["restore", "--user", USER, "--search", "about"];
    let mixed = desk.run(&[&mixed[..], &["--to-mailbox", "carol@example.test"]].concat());
    assert_eq!(mixed.code, 2, "{}", mixed.stderr);
}

/// The files of search indexes.
fn index_files(desk: &Desk) -> Vec<PathBuf> {
    let cache = desk.path("cache");
    if !cache.exists() {
        return Vec::new();
    }
    let found = files(&cache).into_iter();
    found
        .filter(|path| path.ends_with(".pks"))
        .map(|path| cache.join(path))
        .collect()
}

fn contains(path: &Path, words: &[&[u8]]) -> bool {
    let bytes = std::fs::read(path).unwrap().to_ascii_lowercase();
    words
        .iter()
        .any(|word| bytes.windows(word.len()).any(|window| window == *word))
}

#[test]
fn a_backup_can_build_the_index_whose_files_tell_nothing() {
    let desk = Desk::new();
    let server = Server::with_mail(&desk, &[]);
    desk.ok(&["init"]);
    let args = ["backup", "--server", &server.url, "--user", USER];
    let mailbox = ["--mailbox", "alice@example.test"];
    let report = desk.json(&[&args[..], &mailbox, &["--search-index"]].concat());
    assert_eq!(report["search_indexes"][0]["documents"], 3, "{report}");
    let written = index_files(&desk);
    assert!(!written.is_empty());
    // Without the option the next run leaves the index to the next search.
    let report = desk.json(&[&args[..], &mailbox].concat());
    assert!(report.get("search_indexes").is_none(), "{report}");
    drop(server);
    assert_eq!(subjects(&desk, &["quarterly"]), ["Quarterly numbers"]);

    let words: [&[u8]; 7] = [
        b"quarterly",
        b"numbers",
        b"bridge",
        b"dora",
        b"alice",
        b"inbox",
        b"projects",
    ];
    for path in index_files(&desk) {
        assert!(!contains(&path, &words), "{}", path.display());
        let name = path.to_string_lossy().to_lowercase();
        assert!(!name.contains("alice"), "{name}");
    }
    // The same words are in what can be read with the key.
    desk.ok(&["export", "--format", "json", "--out", "out"]);
    let readable = files(&desk.path("out"));
    assert!(
        readable
            .iter()
            .any(|path| contains(&desk.path("out").join(path), &words))
    );
}

#[test]
fn an_index_whose_making_was_killed_is_completed_and_right() {
    let desk = Desk::new();
    let server = Server::start(&desk, &["--generate", "1", "--items", "1500"]);
    desk.ok(&["init"]);
    desk.back_up(&server, "alice@example.test");
    drop(server);
    let queries = ["", "budget", "is:unread has:attachment", "kind:contact"];
    let answers = |desk: &Desk| -> Vec<Value> {
        let ask = |query: &&str| desk.json(&["search", "--limit", "3000", query]);
        queries.iter().map(ask).collect()
    };
    for kill_after_ms in [1, 120, 350] {
        let mut child = desk
            .command(&["search", "--reindex", "--quiet"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Begun: its folder is there.
        let locked = || {
            files(&desk.path("cache"))
                .iter()
                .any(|file| file.ends_with("/lock"))
        };
        while child.try_wait().unwrap().is_none() && !(desk.path("cache").exists() && locked()) {
            wait(Duration::from_millis(5));
        }
        wait(Duration::from_millis(kill_after_ms));
        // SIGKILL on Unix: nothing of the program runs any more.
        let _ = child.kill();
        child.wait().unwrap();
    }
    let after = answers(&desk);
    desk.ok(&["search", "--reindex"]);
    let fresh = answers(&desk);
    assert_eq!(fresh[0]["total"], 1500);
    for ((query, after), fresh) in queries.iter().zip(after).zip(fresh) {
        assert_eq!(after["total"], fresh["total"], "{query}");
        assert_eq!(after["hits"], fresh["hits"], "{query}");
    }
}

#[test]
fn every_format_is_exported_with_sums_that_hold() {
    let desk = Desk::new();
    let server = Server::start(&desk, &["--generate", "1", "--items", "60"]);
    desk.ok(&["init"]);
    desk.back_up(&server, "alice@example.test");
    drop(server);
    for format in ["eml", "mbox", "maildir", "ics", "vcf", "msg", "json"] {
        let args = ["export", "--format", format, "--out", format];
        let report = desk.json(&args);
        let mailbox = &report["mailboxes"][0];
        let (files, others) = (&mailbox["files"], &mailbox["others"]);
        assert_eq!(files.as_u64().unwrap() + others.as_u64().unwrap(), 60);
        let root = desk.path(format).join("alice@example.test");
        let sums = std::fs::read_to_string(root.join("SHA256SUMS")).unwrap();
        for line in sums.lines() {
            let (sum, file) = line.split_once("  ").unwrap();
            assert_eq!(sum.len(), 64);
            assert!(root.join(file).is_file(), "{format}: {file}");
        }
        let page = std::fs::read_to_string(root.join("index.html")).unwrap();
        assert!(page.contains("alice@example.test"));
        let again = desk.json(&args);
        assert_eq!(again["mailboxes"][0]["files"], 0, "{format}");
    }
    let other = desk.run(&["export", "--format", "msg", "--out", "eml"]);
    assert_ne!(other.code, 0);
    assert!(
        other.stderr.contains("choose another folder"),
        "{}",
        other.stderr
    );
}

#[allow(clippy::disallowed_methods)]
fn wait(time: Duration) {
    std::thread::sleep(time);
}

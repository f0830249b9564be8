//! A machine that backs up with a writer's key, and what it cannot do.

use std::process::Command;

use serde_json::Value;

use crate::desk::{Desk, PASSPHRASE, Run, Server, mail};

/// Without the passphrase that desks have in their environment, and with the writer's key.
fn as_writer(desk: &Desk, args: &[&str]) -> Command {
    let mut command = desk.command(args);
    command
        .env_remove("POSTKEEP_PASSPHRASE")
        .env("POSTKEEP_KEY_FILE", desk.path("writer.key"))
        .env("POSTKEEP_OTHER_PASSPHRASE", PASSPHRASE);
    command
}

#[track_caller]
fn json(mut command: Command) -> Value {
    let run = Run::of(command.arg("--json"));
    assert_eq!(run.code, 0, "{}", run.stderr);
    serde_json::from_slice(&run.stdout).unwrap()
}

#[track_caller]
fn refused(desk: &Desk, args: &[&str], words: &str) {
    let run = Run::of(&mut as_writer(desk, args));
    assert_eq!(run.code, 6, "{args:?} {}", run.stderr);
    let lines: Vec<&str> = run.stderr.lines().collect();
    assert_eq!(lines.len(), 2, "{args:?} {}", run.stderr);
    assert!(lines[0].contains(words), "{args:?} {}", run.stderr);
    assert!(lines[1].starts_with("  try: open the repository with a key that reads"));
}

fn backup_of(server: &Server) -> [&str; 7] {
    [
        "backup",
        "--server",
        &server.url,
        "--user",
        "svc@example.test",
        "--mailbox",
        "alice@example.test",
    ]
}

fn what_reads_is_refused(desk: &Desk, server: &Server, item: &str) {
    let out = desk.path("out").to_str().unwrap().to_owned();
    let restore = [
        "restore",
        "--to-server",
        &server.url,
        "--user",
        "svc@example.test",
        "--mailbox",
        "alice@example.test",
    ];
    refused(desk, &restore, "a restore takes one that reads");
    refused(
        desk,
        &["export", "--out", &out],
        "an export takes one that reads",
    );
    refused(desk, &["cat", item], "showing an item takes one that reads");
    refused(desk, &["search", "letter"], "a search takes one that reads");
    let add = ["key", "add", "--writer", "--new-key-file", "other.key"];
    refused(desk, &add, "changing who opens it takes one that reads");
    refused(
        desk,
        &["key", "rotate"],
        "changing who opens it takes one that reads",
    );
    refused(
        desk,
        &["repair", "packs"],
        "a repair of packs takes one that reads",
    );
    desk.write("other.txt", b"other\n");
    let other = desk.path("other").to_str().unwrap().to_owned();
    desk.ok(&["init", "--repo", &other]);
    let copy = ["copy", "--to", &other];
    refused(desk, &copy, "a copy's source takes one that reads");
    assert!(!desk.path("out").exists());
}

#[test]
fn a_writers_key_backs_up_incrementally_and_reads_nothing_of_it() {
    let desk = Desk::new();
    let inbox = desk.mail().join("alice@example.test").join("Inbox");
    std::fs::create_dir_all(&inbox).unwrap();
    for n in 10..14 {
        std::fs::write(inbox.join(format!("{n}.eml")), mail(&format!("letter {n}"))).unwrap();
    }
    let server = Server::with_mail(&desk, &[]);
    desk.ok(&["init"]);
    let add = ["key", "add", "--writer", "--new-key-file", "writer.key"];
    desk.ok(&[&add[..], &["--label", "host a"]].concat());
    let text = std::fs::read_to_string(desk.path("writer.key")).unwrap();
    assert!(
        text.lines().last().unwrap().starts_with("pkwriter1"),
        "{text}"
    );
    let backup = backup_of(&server);
    // By the reader, by the writer: what is there is not stored once more.
    desk.back_up(&server, "alice@example.test");
    let first = json(as_writer(&desk, &backup));
    assert_eq!(first["mailboxes"][0]["items_downloaded"], 0, "{first}");
    // Where it is read last: the simulator numbers items in that order.
    let last = "mail/alice@example.test/Inbox/Zz/19.eml";
    desk.write(last, &mail("letter 19"));
    drop(server);
    let server = Server::with_mail(&desk, &[]);
    let backup = backup_of(&server);
    json(as_writer(&desk, &backup));
    let snapshots = json(as_writer(&desk, &["snapshots"]));
    let listed = snapshots["snapshots"].as_array().unwrap();
    assert_eq!(listed.last().unwrap()["items"], 8, "{snapshots}");
    let list = json(as_writer(
        &desk,
        &["ls", "--mailbox", "alice@example.test", "Inbox"],
    ));
    let items = list["mailboxes"][0]["items"].as_array().unwrap();
    let newest = items.iter().find(|item| item["subject"] == "letter 19");
    let newest = newest.unwrap()["key"].as_str().unwrap();

    what_reads_is_refused(&desk, &server, newest);
    let check = json(as_writer(&desk, &["check", "--read-data"]));
    assert!(check["chunks_not_opened"].as_u64().unwrap() > 0, "{check}");
    assert_eq!(check["objects_damaged"], Value::Array(Vec::new()));
    json(as_writer(&desk, &["prune"]));
    let keys = desk.json(&["key", "list"]);
    let roles: Vec<_> = keys["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| &key["role"])
        .collect();
    assert_eq!(roles, ["full", "writer"]);
    assert!(desk.ok(&["key", "list"]).contains("writes, does not read"));

    // Its reader reads all of it, after a rotation, too, that the writer outlives.
    desk.ok(&["key", "rotate"]);
    json(as_writer(&desk, &backup));
    let check = desk.json(&["check", "--read-data"]);
    assert_eq!(check["chunks_not_opened"], 0);
    assert!(desk.ok(&["cat", newest]).contains("letter"));
    desk.ok(&["export", "--out", desk.path("out").to_str().unwrap()]);
    let found = desk.json(&["search", "letter"]);
    assert_eq!(found["hits"].as_array().unwrap().len(), 5, "{found}");
}

#[test]
fn a_writers_key_creates_nothing_and_is_no_key_for_the_first_time() {
    let desk = Desk::new();
    desk.ok(&["init"]);
    desk.ok(&["key", "add", "--writer", "--new-key-file", "writer.key"]);
    let other = desk.path("other").to_str().unwrap().to_owned();
    let run = Run::of(&mut as_writer(&desk, &["init", "--repo", &other]));
    assert_eq!(run.code, 2, "{}", run.stderr);
    assert!(run.stderr.contains("is a writer's key"), "{}", run.stderr);
    let run = desk.run(&["key", "add", "--writer"]);
    assert_eq!(run.code, 2, "{}", run.stderr);
}

//! What takes space, checks in parts, a second repository, a damaged index: as users type them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::desk::{Desk, Run, Server, files};

const ALICE: &str = "alice@example.test";
const BOTH: &str = "alice@example.test,bob@example.test";

/// A desk with two snapshots of each of two mailboxes.
fn desk() -> (Desk, Server) {
    let desk = Desk::new();
    let server = Server::with_mail(&desk, &[]);
    desk.json(&["init"]);
    desk.back_up(&server, BOTH);
    desk.back_up(&server, BOTH);
    (desk, server)
}

#[test]
fn space_is_shown_and_what_is_forgotten_is_freed_at_once() {
    let (desk, _server) = desk();
    let stats = desk.json(&["stats"]);
    let mailboxes = stats["mailboxes"].as_array().unwrap();
    assert_eq!((mailboxes.len(), &mailboxes[0]["items"]), (2, &3.into()));
    assert_eq!(mailboxes[0]["kinds"][0]["name"], "IPM.Note");
    assert!(stats["freed_bytes"].is_null());
    let snapshots = stats["snapshots"].as_array().unwrap().clone();
    assert_eq!(snapshots.len(), 4);
    let first = snapshots[0]["id"].as_str().unwrap();
    let text = desk.ok(&["stats", "--snapshot", &first[..10]]);
    assert!(
        text.contains(ALICE) && text.contains("would free"),
        "{text}"
    );
    assert_eq!(desk.run(&["stats", "--snapshot", "latest"]).code, 2);

    let plan = desk.json(&["forget", first, "--dry-run"]);
    assert_eq!(plan["freed_bytes"], snapshots[0]["own_bytes"]);
    assert_eq!(plan["applied"], false);
    let done = desk.json(&["forget", first, "--prune"]);
    assert_eq!(
        (&done["applied"], &done["prune"]["finished"]),
        (&true.into(), &true.into())
    );
    let plan = desk.ok(&["retention", "plan", "--keep-last", "1", "--space"]);
    assert!(plan.contains("would free"), "{plan}");
    let text = desk.ok(&["retention", "apply", "--keep-last", "1", "--prune"]);
    assert!(
        text.contains("forgot 1 snapshot") && text.contains("deleted"),
        "{text}"
    );
    assert_eq!(
        desk.json(&["stats"])["snapshots"].as_array().unwrap().len(),
        2
    );
}

#[test]
fn a_check_takes_one_part_after_the_other() {
    let (desk, _server) = desk();
    let mut parts = Vec::new();
    for round in 1..=4 {
        let check = desk.json(&["check", "--rotate", "3"]);
        let part = &check["part"];
        assert_eq!(part["of"], 3);
        parts.push(part["number"].as_u64().unwrap());
        assert_eq!(part["all_since_unix_ms"].is_i64(), round >= 3, "{part}");
    }
    assert_eq!(parts[0], parts[3]);
    parts.sort_unstable();
    parts.dedup();
    assert_eq!(parts, [1, 2, 3]);
    let text = desk.ok(&["check", "--rotate", "3"]);
    assert!(text.contains("everything was read since"), "{text}");
    let text = desk.ok(&["check", "--read-data-part", "2/3"]);
    assert!(text.contains("read part 2 of 3\n"), "{text}");
    for wrong in [
        &["check", "--read-data-part", "4/3"][..],
        &["check", "--rotate", "0"],
        &["check", "--rotate", "3", "--read-data"],
    ] {
        assert_eq!(desk.run(wrong).code, 2, "{wrong:?}");
    }
}

#[test]
fn a_second_repository_with_another_passphrase_gets_everything_once() {
    let (desk, server) = desk();
    let second = Desk::new();
    let mut init = second.command(&["init"]);
    let run = Run::of(init.env("POSTKEEP_PASSPHRASE", "another one"));
    assert_eq!(run.code, 0, "{}", run.stderr);
    let secret = desk.write("second.txt", b"another one\n");
    let (to, secret) = (second.path("repo"), secret.to_str().unwrap().to_owned());
    let to = to.to_str().unwrap();
    let args = ["copy", "--to", to, "--other-passphrase-file", &secret];
    let with = |more: &[&str]| desk.json(&[&args[..], more].concat());

    let before = files(&second.path("repo"));
    let plan = with(&["--dry-run"]);
    assert_eq!(
        (&plan["items"], &plan["dry_run"]),
        (&4.into(), &true.into())
    );
    assert_eq!(files(&second.path("repo")), before);
    let only = with(&["--mailbox", ALICE, "--snapshot", "latest"]);
    assert_eq!(only["snapshots"].as_array().unwrap().len(), 1);
    let all = with(&["--verify"]);
    assert_eq!(
        (&all["items"], &all["items_verified"]),
        (&1.into(), &1.into())
    );
    desk.back_up(&server, BOTH);
    let text = desk.ok(&args);
    assert!(
        text.contains("copied 2 snapshots with 0 new items"),
        "{text}"
    );

    let mut listed = second.command(&["snapshots", "--json"]);
    let run = Run::of(listed.env("POSTKEEP_PASSPHRASE", "another one"));
    let copied: serde_json::Value = serde_json::from_slice(&run.stdout).unwrap();
    assert_eq!(copied["snapshots"], desk.json(&["snapshots"])["snapshots"]);

    let refused = desk.run(&["copy", "--to", to]);
    assert_eq!(refused.code, 5, "{}", refused.stderr);
    assert!(
        refused.stderr.contains("--other-passphrase-file"),
        "{}",
        refused.stderr
    );
    let own = desk.path("repo");
    let refused = desk.run(&["copy", "--to", own.to_str().unwrap()]);
    assert_eq!(refused.code, 2, "{}", refused.stderr);
    let nowhere = desk.path("nowhere");
    let refused = desk.run(&["copy", "--to", nowhere.to_str().unwrap()]);
    assert_eq!(refused.code, 7, "{}", refused.stderr);
}

#[test]
fn a_damaged_index_is_found_and_repaired() {
    let (desk, _server) = desk();
    assert!(desk.ok(&["repair", "index"]).contains("the index is whole"));
    let index = files(&desk.path("repo/index"));
    std::fs::write(desk.path("repo/index").join(&index[0]), b"nothing").unwrap();
    assert_eq!(desk.run(&["check"]).code, 4);
    let plan = desk.run(&["repair", "index", "--dry-run"]);
    assert_eq!(plan.code, 4, "{}", plan.stderr);
    let done = desk.json(&["repair", "index"]);
    assert_eq!(
        (&done["written"], &done["dry_run"]),
        (&true.into(), &false.into())
    );
    assert_eq!(done["damaged"].as_array().unwrap().len(), 1);
    desk.ok(&["check", "--read-data"]);
}

/// Removes every pack of a repository that holds items: their bytes are gone, whatever stays readable
/// elsewhere.
fn lose_packs(desk: &Desk) {
    let mut lost = 0;
    for file in files(&desk.path("repo/packs")) {
        let path = desk.path("repo/packs").join(file);
        // The preamble's byte for the kind of object: 1 is a pack of data.
        if std::fs::read(&path).unwrap()[9] == 1 {
            std::fs::remove_file(path).unwrap();
            lost += 1;
        }
    }
    assert!(lost > 0);
}

/// Every item of the newest snapshots: mailbox and subject, and its bytes.
fn contents(desk: &Desk) -> BTreeMap<(String, String), Vec<u8>> {
    let mut found = BTreeMap::new();
    for mailbox in BOTH.split(',') {
        let listing = desk.json(&["ls", "--mailbox", mailbox, "Inbox"]);
        for item in listing["mailboxes"][0]["items"].as_array().unwrap() {
            let key = item["key"].as_str().unwrap();
            let cat = desk.run(&["cat", "--format", "native", "--mailbox", mailbox, key]);
            assert_eq!(cat.code, 0, "{}", cat.stderr);
            let subject = item["subject"].as_str().unwrap().to_owned();
            found.insert((mailbox.to_owned(), subject), cat.stdout);
        }
    }
    found
}

/// Mailbox and subject of what a repair calls lost.
fn lost(report: &Value) -> BTreeSet<(String, String)> {
    let items = report["items_lost"].as_array().unwrap().iter();
    let text = |item: &Value, name: &str| item[name].as_str().unwrap().to_owned();
    items
        .map(|item| (text(item, "mailbox"), text(item, "subject")))
        .collect()
}

#[test]
fn lost_packs_are_healed_from_a_second_repository_and_from_the_server() {
    let (desk, server) = desk();
    let second = Desk::new();
    second.json(&["init"]);
    let other = second.path("repo");
    let other = other.to_str().unwrap();
    desk.json(&["copy", "--to", other]);
    let text = desk.ok(&["repair", "packs"]);
    assert!(text.contains("all packs are whole"), "{text}");
    let whole = contents(&desk);
    let all: BTreeSet<_> = whole.keys().cloned().collect();
    assert!(!all.is_empty());

    // Alone it can only say what is lost: all that was there, by name.
    lose_packs(&desk);
    let before = files(&desk.path("repo"));
    let plan = desk.run(&["repair", "packs", "--dry-run"]);
    assert_eq!(plan.code, 4, "{}", plan.stderr);
    assert_eq!(files(&desk.path("repo")), before);
    let alone = desk.run(&["repair", "packs", "--json"]);
    assert_eq!(alone.code, 4, "{}", alone.stderr);
    let report: Value = serde_json::from_slice(&alone.stdout).unwrap();
    assert_eq!(lost(&report), all);
    assert!(desk.ok(&["snapshots"]).contains("damaged"));
    assert_eq!(desk.run(&["repair", "packs", "--server", "x"]).code, 2);

    // The second repository has all of it.
    let healed = desk.json(&["check", "--read-data", "--repair-from", other]);
    assert_eq!(lost(&healed["repair"]), BTreeSet::new(), "{healed}");
    assert_ne!(healed["repair"]["items_from_repository"], 0, "{healed}");
    desk.ok(&["check", "--read-data"]);
    assert!(!desk.ok(&["snapshots"]).contains("damaged"));
    assert!(contents(&desk) == whole);
    desk.ok(&["prune"]);
    desk.ok(&["check", "--read-data"]);

    // So has the server, where nothing changed.
    lose_packs(&desk);
    let user = ["--server", &server.url, "--user", "svc@example.test"];
    let healed = desk.json(&[&["repair", "packs"][..], &user].concat());
    assert_eq!(lost(&healed), BTreeSet::new(), "{healed}");
    assert_ne!(healed["items_from_server"], 0, "{healed}");
    desk.ok(&["check", "--read-data"]);
    assert!(contents(&desk) == whole);
}

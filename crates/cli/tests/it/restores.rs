//! Restores: modes, records, taking them back, also after a kill in the middle.

use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;

use crate::desk::{Desk, Server};

const ALICE: &str = "alice@example.test";
const CAROL: &str = "carol@example.test";
const USER: [&str; 2] = ["--user", "svc@example.test"];

fn restore<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["restore", "--mailbox", ALICE], &USER[..], more].concat()
}

fn undo<'a>(run: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["restores", "undo", run], &USER[..], more].concat()
}

fn number(value: &Value, name: &str) -> u64 {
    value[name]
        .as_u64()
        .unwrap_or_else(|| panic!("{name}: {value}"))
}

#[test]
fn a_restore_is_recorded_shown_and_taken_back() {
    let desk = Desk::new();
    let server = Server::with_mail(&desk, &[]);
    desk.ok(&["init"]);
    desk.back_up(&server, ALICE);
    assert!(
        desk.ok(&["restores", "list"])
            .contains("no restore was recorded")
    );
    let nothing = desk.run(&undo("latest", &[]));
    assert_eq!(nothing.code, 7, "{}", nothing.stderr);
    assert!(
        nothing.stderr.contains("try: postkeep restores list"),
        "{}",
        nothing.stderr
    );

    let text = desk.ok(&restore(&["--to-mailbox", CAROL]));
    assert!(
        text.contains("to take it back: postkeep restores undo "),
        "{text}"
    );
    // The same again writes nothing, and so is no run.
    let again = desk.json(&restore(&["--to-mailbox", CAROL]));
    assert_eq!(number(&again["restores"][0], "items_restored"), 0);
    assert_eq!(again["restores"][0]["run"], Value::Null);
    for mode in ["changed", "overwrite", "both"] {
        let again = desk.json(&restore(&["--to-mailbox", CAROL, "--mode", mode]));
        let report = &again["restores"][0];
        assert_eq!(number(report, "items_restored"), 0, "{mode}");
        assert_eq!(number(report, "items_replaced"), 0, "{mode}");
        assert_eq!(report["mode"], mode);
    }

    shown_and_taken_back(&desk);
}

fn shown_and_taken_back(desk: &Desk) {
    let listed = desk.json(&["restores", "list", "--mailbox", CAROL]);
    let runs = listed["restores"].as_array().unwrap();
    assert_eq!(runs.len(), 1);
    assert_eq!(
        (runs[0]["state"].as_str(), number(&runs[0], "items_created")),
        (Some("done"), 3)
    );
    assert!(
        runs[0]["command"]
            .as_str()
            .unwrap()
            .contains("restore --mailbox alice")
    );
    let id = runs[0]["id"].as_str().unwrap();
    let shown = desk.ok(&["restores", "show", &id[..8]]);
    assert!(
        shown.contains("Inbox/Projects") && shown.contains("created 3 items"),
        "{shown}"
    );

    let plan = desk.ok(&undo(&id[..8], &["--dry-run"]));
    assert!(
        plan.contains("would delete 3 items, would put back 0 items"),
        "{plan}"
    );
    let other = desk.run(&undo(&id[..8], &["--mailbox", "ann@example.test/public"]));
    assert_eq!(other.code, 2, "{}", other.stderr);
    assert!(
        other
            .stderr
            .contains("does not say who opens carol@example.test"),
        "{}",
        other.stderr
    );
    let done = desk.json(&undo(&id[..8], &[]));
    assert_eq!(number(&done["undo"], "items_deleted"), 3);
    assert_eq!(number(&done["undo"], "folders_deleted"), 1);
    let again = desk.json(&undo("latest", &[]));
    assert_eq!(
        (
            number(&again["undo"], "items_deleted"),
            number(&again["undo"], "items_gone")
        ),
        (0, 3)
    );
    assert!(desk.ok(&["restores", "list"]).contains("undone"));
    assert!(
        desk.ok(&["restores", "forget", id])
            .contains("cannot take back")
    );
    assert!(
        desk.ok(&["restores", "list"])
            .contains("no restore was recorded")
    );
}

/// Restores alice's mailbox into carol's and kills the program in the middle of it.
fn kill_in_the_middle(desk: &Desk, server: &Server) {
    let args = restore(&["--to-mailbox", CAROL, "--to-folder", "Rescued", "--json"]);
    let mut program = desk
        .command(&args)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let before = server.stats();
    let uploaded = |stats: &Value| number(stats, "items_uploaded");
    while uploaded(&server.stats()) == uploaded(&before) {
        assert!(
            program.try_wait().unwrap().is_none(),
            "it ended before it could be killed"
        );
        wait(Duration::from_millis(5));
    }
    program.kill().unwrap();
    program.wait().unwrap();
    // What was under way when it died is still carried out.
    while server.stats()["in_flight"] != 0 {
        wait(Duration::from_millis(20));
    }
}

fn items_of_carol(desk: &Desk, server: &Server) -> u64 {
    number(&desk.back_up(server, CAROL)["mailboxes"][0], "items")
}

#[test]
fn a_restore_that_is_killed_is_continued_and_taken_back_to_the_item() {
    let desk = Desk::new();
    // Answers take long enough to be killed in the middle of the work.
    let slow = ["--generate", "1", "--items", "300", "--mailbox", CAROL];
    let slow = [&slow[..], &["--fault", "UploadItems always delay 300"]].concat();
    let server = Server::start(&desk, &slow);
    desk.ok(&["init"]);
    desk.back_up(&server, ALICE);
    kill_in_the_middle(&desk, &server);
    let first = items_of_carol(&desk, &server);
    assert!((1..300).contains(&first), "{first}");
    let listed = desk.json(&["restores", "list"]);
    assert_eq!(listed["restores"][0]["state"], "unfinished");

    // Nothing is doubled.
    let args = restore(&["--to-mailbox", CAROL, "--to-folder", "Rescued"]);
    let second = desk.json(&args);
    let second = &second["restores"][0];
    assert_eq!(number(second, "items_skipped"), first);
    assert_eq!(number(second, "items_restored"), 300 - first);
    assert_eq!(items_of_carol(&desk, &server), 300);

    // Each is taken back for itself, and leaves what is the other's.
    let listed = desk.json(&["restores", "list"]);
    let id = |at: usize| listed["restores"][at]["id"].as_str().unwrap();
    let plan = desk.json(&undo(id(0), &["--dry-run"]));
    assert_eq!(number(&plan["undo"], "items_deleted"), first);
    let done = desk.json(&undo(id(0), &[]));
    assert_eq!(number(&done["undo"], "items_deleted"), first);
    assert_eq!(items_of_carol(&desk, &server), 300 - first);
    let done = desk.json(&undo(id(1), &[]));
    assert_eq!(number(&done["undo"], "items_deleted"), 300 - first);
    assert_eq!(items_of_carol(&desk, &server), 0);
    // The folders were the first one's, and could not go while they held the second one's items.
    let done = desk.json(&undo(id(0), &[]));
    assert_eq!(done["undo"]["folders_left"].as_array().unwrap().len(), 0);
    let left = desk.json(&["ls", "--mailbox", CAROL]);
    let left = left.to_string();
    desk.back_up(&server, CAROL);
    let gone = desk.json(&["ls", "--mailbox", CAROL]).to_string();
    assert!(
        left.contains("Rescued") && !gone.contains("Rescued"),
        "{gone}"
    );
    assert_eq!(number(&server.stats(), "sent_messages"), 0);
}

#[allow(clippy::disallowed_methods)]
fn wait(time: Duration) {
    std::thread::sleep(time);
}

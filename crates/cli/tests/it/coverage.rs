//! What of which mailboxes is covered, as users ask for it, and how the program ends.

use crate::desk::{Desk, Server};

const ALICE: &str = "alice@example.test";

/// Runs a backup of a mailbox with more options, as JSON.
fn back_up(desk: &Desk, server: &Server, mailbox: &str, more: &[&str]) -> (i32, serde_json::Value) {
    let mut args = vec![
        "backup",
        "--server",
        &server.url,
        "--user",
        "svc@example.test",
    ];
    args.extend(["--mailbox", mailbox, "--json"]);
    args.extend(more);
    let run = desk.run(&args);
    let json = serde_json::from_slice(&run.stdout).unwrap_or_default();
    (run.code, json)
}

#[test]
fn what_is_left_out_is_told_with_its_reason() {
    let desk = Desk::new();
    let server = Server::with_mail(&desk, &[]);
    desk.json(&["init"]);
    let more = [
        "--exclude-folder",
        "@inbox/Proj*",
        "--exclude-class",
        "IPM.Post",
    ];
    let (code, report) = back_up(&desk, &server, ALICE, &more);
    assert_eq!((code, &report["mailboxes"][0]["items"]), (0, &2.into()));
    let gaps = report["gaps"].as_array().unwrap();
    let gap = gaps.iter().find(|gap| gap["what"] == "Inbox/Projects");
    assert_eq!(gap.unwrap()["reason"], "excluded by @inbox/Proj*");
    let (code, _) = back_up(&desk, &server, ALICE, &["--folder", "Nowhere"]);
    assert_eq!(code, 7);
}

#[test]
fn mailboxes_are_named_with_their_part() {
    let desk = Desk::new();
    let server = Server::with_mail(&desk, &[]);
    desk.json(&["init"]);
    let (code, report) = back_up(&desk, &server, ALICE, &["--archive", "--recoverable"]);
    assert_eq!(code, 0);
    let mailboxes = report["mailboxes"].as_array().unwrap();
    let names: Vec<_> = mailboxes
        .iter()
        .map(|m| m["mailbox"].as_str().unwrap())
        .collect();
    assert_eq!(names, [ALICE, "alice@example.test/recoverable"]);
    // She has no archive: to ask for it by name fails, to take along what there is does not.
    let (code, _) = back_up(&desk, &server, "alice@example.test/archive", &[]);
    assert_eq!(code, 7);
    for wrong in ["alice", "alice@example.test/inbox", "example.test/archive"] {
        let (code, report) = back_up(&desk, &server, wrong, &[]);
        assert_eq!(
            (code, &report["error"]["kind"]),
            (2, &"usage".into()),
            "{wrong}"
        );
    }
    let (code, _) = back_up(&desk, &server, ALICE, &["--newer-than", "soon"]);
    assert_eq!(code, 2);
    let (code, report) = back_up(
        &desk,
        &server,
        "alice@example.test,nobody@example.test",
        &[],
    );
    assert_eq!(code, 3);
    let gaps = report["gaps"].as_array().unwrap();
    assert!(
        gaps.iter()
            .any(|gap| gap["mailbox"] == "nobody@example.test")
    );
}

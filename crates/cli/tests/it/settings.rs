//! Settings from the command line, and mailboxes by pattern and list.

use crate::desk::{Desk, Server};

const ALICE: &str = "alice@example.test";

#[test]
fn settings_are_listed_shown_exported_and_restored() {
    let desk = Desk::new();
    let server = Server::with_mail(&desk, &[]);
    desk.json(&["init"]);
    desk.back_up(&server, ALICE);
    let list = desk.ok(&["settings", "list", "--mailbox", ALICE]);
    for kind in ["permissions", "delegates", "rules", "oof"] {
        assert!(list.contains(kind), "{list}");
    }
    let shown = desk.ok(&[
        "settings",
        "show",
        "--mailbox",
        ALICE,
        "permissions",
        "--folder",
        "@inbox",
    ]);
    assert!(
        shown.contains("permissions of Inbox\n  everybody: None"),
        "{shown}"
    );
    let json = desk.json(&["settings", "show", "--mailbox", ALICE, "oof"]);
    let setting = &json["snapshots"][0]["settings"][0];
    assert_eq!(setting["kind"], "oof");
    assert!(
        setting["xml"]
            .as_str()
            .unwrap()
            .starts_with("<UserOofSettings>")
    );
    let history = desk.json(&["settings", "history", "--mailbox", ALICE]);
    assert_eq!(history["versions"].as_array().unwrap().len(), 1);

    let out = desk.path("settings");
    let exported = desk.json(&["settings", "export", "--out", out.to_str().unwrap()]);
    assert_eq!(exported["files"].as_array().unwrap().len(), 1);
    let file = std::fs::read(out.join("alice@example.test.settings.json")).unwrap();
    let file: serde_json::Value = serde_json::from_slice(&file).unwrap();
    assert_eq!(file["mailbox"], ALICE);

    let restore = |more: &[&str]| {
        let mut args = vec!["settings", "restore", "--mailbox", ALICE];
        args.extend(["--user", "svc@example.test"]);
        args.extend(more);
        desk.run(&args)
    };
    let done = restore(&["all", "--dry-run"]);
    let text = String::from_utf8(done.stdout).unwrap();
    assert_eq!(done.code, 0, "{text}");
    assert!(text.contains("would change 0"), "{text}");
    assert_eq!(restore(&[]).code, 2, "which settings?");
    assert_eq!(restore(&["everything"]).code, 2);
    assert_eq!(restore(&["all", "--folder", "Nowhere"]).code, 7);
}

#[test]
fn a_backup_without_settings_says_so() {
    let desk = Desk::new();
    let server = Server::with_mail(&desk, &[]);
    desk.json(&["init"]);
    let account = ["--server", &server.url, "--user", "svc@example.test"];
    let run = |more: &[&str]| {
        let mut args = vec!["backup"];
        args.extend(account);
        args.extend(more);
        desk.json(&args)
    };
    let report = run(&["--mailbox", ALICE, "--settings", "never"]);
    let gaps = report["gaps"].as_array().unwrap();
    assert!(gaps.iter().any(|gap| gap["what"] == "mailbox settings"));
    let none = desk.run(&[
        "settings",
        "restore",
        "--mailbox",
        ALICE,
        "--user",
        "svc@example.test",
        "rules",
    ]);
    assert_eq!(none.code, 7);

    // By pattern, and all of them: who is left out is named.
    let report = run(&["--mailbox", "al*@example.test"]);
    assert_eq!(report["mailboxes"][0]["mailbox"], ALICE);
    let report = run(&["--all", "--exclude-mailbox", "bob*"]);
    let names = report["mailboxes"].as_array().unwrap().iter();
    assert!(names.clone().any(|mailbox| mailbox["mailbox"] == ALICE));
    assert!(
        !names
            .clone()
            .any(|mailbox| mailbox["mailbox"] == "bob@example.test")
    );
    let mut args = vec!["backup", "--mailbox", "nobody-*@example.test"];
    args.extend(account);
    assert_eq!(desk.run(&args).code, 7);
    let mut args = vec!["backup", "--exclude-mailbox", "bob*"];
    args.extend(account);
    assert_eq!(desk.run(&args).code, 2);
}

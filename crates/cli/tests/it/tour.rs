//! Each command on the way a user takes, for people and as JSON.

use serde_json::Value;

use crate::desk::{Desk, Server, files, mail};

#[test]
fn a_user_backs_up_looks_around_restores_exports_and_checks() {
    let desk = Desk::new();
    let server = Server::with_mail(&desk, &[]);
    let created = desk.json(&["init"]);
    assert_eq!(created["id"].as_str().unwrap().len(), 26);
    let first = desk.back_up(&server, "alice@example.test,bob@example.test");
    assert_eq!(first["mailboxes"][0]["items_downloaded"], 3);
    assert_eq!(first["mailboxes"][1]["items_downloaded"], 1);
    look_around(&desk);
    print_an_item(&desk);
    restore(&desk);
    compare(&desk, &server);
    export(&desk);
    check(&desk);
}

fn look_around(desk: &Desk) {
    let snapshots = desk.json(&["snapshots"]);
    assert_eq!(snapshots["snapshots"].as_array().unwrap().len(), 2);
    let table = desk.ok(&["snapshots", "--mailbox", "bob@example.test"]);
    assert!(
        table.contains("bob@example.test") && !table.contains("alice"),
        "{table}"
    );
    let folders = desk.json(&["ls", "--mailbox", "alice@example.test"]);
    let folders = folders["mailboxes"][0]["folders"].as_array().unwrap();
    let projects = folders
        .iter()
        .find(|folder| folder["path"] == "Inbox/Projects")
        .unwrap();
    assert_eq!(projects["items"], 1);
    let text = desk.ok(&["ls"]);
    assert!(
        text.contains("alice@example.test") && text.contains("bob@example.test"),
        "{text}"
    );
    let text = desk.ok(&["ls", "Inbox", "--mailbox", "alice@example.test"]);
    for subject in [
        "Quarterly numbers",
        "Lunch on Friday",
        "Bridge plans",
        "Dora",
    ] {
        assert!(text.contains(subject), "{text}");
    }
}

/// The key of an item by its subject.
fn key(desk: &Desk, mailbox: &str, subject: &str) -> String {
    let listed = desk.json(&["ls", "--mailbox", mailbox, "inbox"]);
    let items = listed["mailboxes"][0]["items"].as_array().unwrap();
    let item = items
        .iter()
        .find(|item| item["subject"] == subject)
        .unwrap();
    item["key"].as_str().unwrap().to_owned()
}

fn print_an_item(desk: &Desk) {
    let key = key(desk, "alice@example.test", "Bridge plans");
    let cat = |format: &str| {
        let args = [
            "cat",
            "--mailbox",
            "alice@example.test",
            &key[..12],
            "--format",
            format,
        ];
        let run = desk.run(&args);
        assert_eq!(run.code, 0, "{}", run.stderr);
        run.stdout
    };
    assert_eq!(cat("eml"), mail("Bridge plans"));
    let headers = String::from_utf8(cat("headers")).unwrap();
    assert!(
        headers.contains("X-Odd:   kept as it  is") && !headers.contains("About"),
        "{headers}"
    );
    let entry: Value = serde_json::from_slice(&cat("json")).unwrap();
    assert_eq!(entry["subject"], "Bridge plans");
    assert_eq!(entry["stream_bytes"], cat("native").len());
}

fn restore(desk: &Desk) {
    let to_carol = |more: &[&str]| {
        let mut args = vec!["restore", "--user", "svc@example.test"];
        args.extend([
            "--mailbox",
            "alice@example.test",
            "--to-mailbox",
            "carol@example.test",
        ]);
        args.extend(more);
        desk.json(&args)["restores"][0].clone()
    };
    let plan = to_carol(&["--dry-run"]);
    assert_eq!(
        (&plan["dry_run"], &plan["items_restored"]),
        (&true.into(), &3.into())
    );
    let done = to_carol(&["--verify"]);
    assert_eq!(
        (&done["items_restored"], &done["items_verified"]),
        (&3.into(), &3.into())
    );
    let again = to_carol(&[]);
    assert_eq!(
        (&again["items_restored"], &again["items_skipped"]),
        (&0.into(), &3.into())
    );
    let text = desk.ok(&["restore", "--user", "svc@example.test", "--dry-run"]);
    assert!(text.contains("nothing was changed"), "{text}");
}

fn compare(desk: &Desk, server: &Server) {
    let only = desk.run(&["diff", "--mailbox", "alice@example.test"]);
    assert_eq!(only.code, 7, "{}", only.stderr);
    let key = key(desk, "bob@example.test", "Welcome Bob");
    let args = [
        "restore",
        "--user",
        "svc@example.test",
        "--mailbox",
        "bob@example.test",
    ];
    let more = [
        "--item",
        &key,
        "--to-mailbox",
        "alice@example.test",
        "--to-folder",
        "From Bob",
    ];
    desk.ok(&[&args[..], &more].concat());
    let report = desk.back_up(server, "alice@example.test");
    assert_eq!(report["mailboxes"][0]["items_downloaded"], 1);
    let difference = desk.json(&["diff", "--mailbox", "alice@example.test"]);
    let items = difference["differences"][0]["items"].as_array().unwrap();
    assert_eq!(items.len(), 1);
    assert_eq!(
        (&items[0]["difference"], &items[0]["subject"]),
        (&"added".into(), &"Welcome Bob".into())
    );
    let text = desk.ok(&["diff"]);
    assert!(
        text.contains("Welcome Bob") && text.contains("new folder"),
        "{text}"
    );
    let snapshots = desk.json(&["snapshots", "--mailbox", "alice@example.test"]);
    let first = snapshots["snapshots"][0]["id"].as_str().unwrap();
    let text = desk.ok(&["diff", "latest", &first[..12]]);
    assert!(text.contains("folder gone"), "{text}");
}

fn export(desk: &Desk) {
    let args = [
        "export",
        "--mailbox",
        "alice@example.test",
        "--folder",
        "inbox",
        "--out",
        "out",
    ];
    assert_eq!(desk.json(&args)["mailboxes"][0]["files"], 3);
    let written = files(&desk.path("out"));
    assert_eq!(written.len(), 6, "{written:?}"); // the manifest, the sums and the page, too
    let plans = written
        .iter()
        .find(|path| path.contains("Bridge plans"))
        .unwrap();
    assert!(
        plans.starts_with("alice@example.test/Inbox/Projects/"),
        "{plans}"
    );
    assert_eq!(
        std::fs::read(desk.path("out").join(plans)).unwrap(),
        mail("Bridge plans")
    );
    assert!(desk.ok(&args).contains("3 items were there already"));
}

fn check(desk: &Desk) {
    assert!(desk.ok(&["check"]).contains("no damage found"));
    let found = desk.json(&["check", "--read-data"]);
    assert_eq!(found["objects_damaged"], Value::Array(Vec::new()));
    assert!(found["items"].as_u64().unwrap() >= 4);
}

#[test]
fn mailboxes_can_come_from_a_file_and_secrets_too() {
    let desk = Desk::new();
    let server = Server::with_mail(&desk, &[]);
    desk.write("pass", b"from a file\r\n");
    desk.write("password", b"secret\n");
    desk.write(
        "boxes",
        b"# our mailboxes\nbob@example.test\nalice@example.test # twice\n",
    );
    let init = ["init", "--passphrase-file", "pass"];
    desk.ok(&init);
    let bare = |args: &[&str]| {
        let mut command = desk.command(args);
        command
            .env_remove("POSTKEEP_PASSPHRASE")
            .env_remove("POSTKEEP_PASSWORD");
        crate::desk::Run::of(&mut command)
    };
    let args = [
        "backup",
        "--server",
        &server.url,
        "--user",
        "svc@example.test",
    ];
    let more = ["--mailbox", "@boxes", "--mailbox", "ALICE@example.test"];
    let files = ["--passphrase-file", "pass", "--password-file", "password"];
    let run = bare(&[&args[..], &more, &files].concat());
    assert_eq!(run.code, 0, "{}", run.stderr);
    let text = String::from_utf8(run.stdout).unwrap();
    assert!(
        text.contains("alice@example.test") && text.contains("downloaded 4 items"),
        "{text}"
    );
}

#[test]
fn a_backup_without_mailboxes_reads_the_accounts_own() {
    let desk = Desk::new();
    let server = Server::with_mail(&desk, &[]);
    desk.ok(&["init", "--cipher", "chacha20-poly1305"]);
    let text = desk.ok(&[
        "backup",
        "--server",
        &server.url,
        "--user",
        "bob@example.test",
    ]);
    assert!(
        text.contains("bob@example.test") && text.contains("downloaded 1 item "),
        "{text}"
    );
}

#[test]
fn quiet_says_nothing_but_the_result() {
    let desk = Desk::new();
    let run = desk.run(&["init", "--quiet"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    let run = desk.run(&["snapshots", "-q"]);
    assert_eq!((run.code, run.stdout), (0, b"no snapshots yet\n".to_vec()));
}

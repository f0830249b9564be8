//! The commands that work from a configuration.

use std::path::PathBuf;

use crate::desk::{Desk, Run, Server};

/// A configuration for the desk's repository and a server.
fn configuration(desk: &Desk, server: &str, more: &str) -> PathBuf {
    let text = format!(
        "state_dir = \"state\"\n[destinations.main]\nurl = \"repo\"\n\
         passphrase_env = \"POSTKEEP_PASSPHRASE\"\n[sets.office]\nserver = \"{server}\"\n\
         user = \"svc@example.test\"\npassword_command = [\"echo\", \"secret\"]\n\
         mailboxes = [\"alice@example.test\", \"bob@example.test\"]\ndestinations = \"main\"\n\
         schedule = [\"daily 22:00\", \"every 6h\"]\ntarget_age = \"1d\"\n{more}"
    );
    desk.write("postkeep.toml", text.as_bytes())
}

#[test]
fn a_set_is_backed_up_reported_and_shown_by_status() {
    let desk = Desk::new();
    let server = Server::with_mail(&desk, &[]);
    configuration(
        &desk,
        &server.url,
        "[sets.office.hooks]\nafter = [\"tee\", \"after.json\"]\n",
    );
    desk.ok(&["init"]);
    let before = desk.run(&["status", "--json"]);
    assert_eq!(
        before.code, 3,
        "nothing is backed up yet: {}",
        before.stderr
    );
    // `backup --set` and `run --set` are one command.
    let first = desk.json(&["backup", "--set", "office"]);
    let run = &first["runs"][0];
    assert_eq!(run["outcome"], "success", "{run:#}");
    let backup = &run["destinations"][0]["backup"];
    assert_eq!(backup["mailboxes"].as_array().unwrap().len(), 2);
    let folders = run["destinations"][0]["folders"].as_array().unwrap();
    assert!(
        folders
            .iter()
            .any(|f| f["path"] == "Inbox/Projects" && f["items"] == 1)
    );
    // The hook got the same report.
    let told: serde_json::Value =
        serde_json::from_slice(&std::fs::read(desk.path("after.json")).unwrap()).unwrap();
    assert_eq!(told["destinations"], run["destinations"]);
    let second = desk.json(&["run", "--all-sets", "--quiet"]);
    assert_eq!(second["runs"][0]["outcome"], "success");
    let check = desk.json(&["run", "--set", "office", "--check"]);
    assert_eq!(check["runs"][0]["destinations"][0]["check"]["items"], 4);
    let status = desk.json(&["status"]);
    assert_eq!(status["good"], true, "{status:#}");
    let mailboxes = status["sets"][0]["destinations"][0]["mailboxes"]
        .as_array()
        .unwrap();
    assert_eq!(mailboxes.len(), 2);
    assert!(
        mailboxes
            .iter()
            .all(|m| m["late"] == false && m["items"].as_u64() > Some(0))
    );
    // The repository keeps every report; the page needs no script and nothing from elsewhere.
    let page = desk.path("page.html");
    let report = desk.json(&["report", "--html", page.to_str().unwrap(), "--back", "1"]);
    assert_eq!(report["work"], "backup");
    let html = std::fs::read_to_string(page).unwrap();
    assert_eq!(html.matches("<svg").count(), 4);
    assert!(!html.contains("<script") && !html.contains("http://") && html.contains("alice@"));
}

#[test]
fn a_pre_hook_that_fails_stops_the_run_and_shards_share_a_set() {
    let desk = Desk::new();
    let server = Server::with_mail(&desk, &[]);
    configuration(
        &desk,
        &server.url,
        "[sets.office.hooks]\nbefore = [\"false\"]\n",
    );
    desk.ok(&["init"]);
    let asked = server.requests();
    let run = desk.run(&["run", "--set", "office"]);
    assert_eq!(run.code, 2, "{}", run.stderr);
    assert!(String::from_utf8_lossy(&run.stdout).contains("hook `before` failed"));
    assert_eq!(server.requests(), asked);
    let mut covered = Vec::new();
    for shard in ["1/2", "2/2"] {
        let with = format!("shard={shard}");
        let hook = "hooks.before_must_succeed=false";
        let run = desk.run(&[
            "run", "--set", "office", "--with", &with, "--with", hook, "--json",
        ]);
        assert_eq!(run.code, 3, "a hook failed: {}", run.stderr);
        let document: serde_json::Value = serde_json::from_slice(&run.stdout).unwrap();
        let backup = &document["runs"][0]["destinations"][0]["backup"];
        for mailbox in backup["mailboxes"].as_array().unwrap() {
            covered.push(mailbox["mailbox"].as_str().unwrap().to_owned());
        }
    }
    covered.sort();
    assert_eq!(covered, ["alice@example.test", "bob@example.test"]);
    let status = desk.json(&["status"]);
    assert_eq!(
        status["sets"][0]["destinations"][0]["mailboxes"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[test]
fn mistakes_in_a_configuration_are_told_with_their_place() {
    let desk = Desk::new();
    let file = configuration(&desk, "http://127.0.0.1:9", "jiter = \"5m\"\n");
    let run = desk.run(&["config", "check"]);
    assert_eq!(run.code, 2);
    let text = String::from_utf8(run.stdout).unwrap();
    assert!(
        text.contains("postkeep.toml:13:1: there is no setting `jiter`"),
        "{text}"
    );
    assert!(text.contains("  try: jitter"), "{text}");
    let Run { code, stderr, .. } = desk.run(&["run", "--set", "office"]);
    assert_eq!(code, 2);
    assert!(
        stderr.contains("postkeep.toml:13:1:") && stderr.contains("try: jitter"),
        "{stderr}"
    );
    std::fs::remove_file(file).unwrap();
    let Run { code, stderr, .. } = desk.run(&["config", "check"]);
    assert_eq!(code, 7);
    assert!(stderr.contains("postkeep config init"), "{stderr}");
    configuration(&desk, "http://127.0.0.1:9", "");
    desk.ok(&["config", "check"]);
    let wrong = desk.run(&["run", "--set", "ofice"]);
    assert_eq!(wrong.code, 7);
    assert!(
        wrong.stderr.contains("did you mean office?"),
        "{}",
        wrong.stderr
    );
    let wrong = desk.run(&["run", "--set", "office", "--with", "limits.requests=900"]);
    assert_eq!(wrong.code, 2, "{}", wrong.stderr);
    let shown = desk.ok(&["config", "show"]);
    assert!(
        shown.contains("requests = 4") && !shown.contains("secret\"\n"),
        "{shown}"
    );
}

#[test]
fn a_configuration_is_written_from_options_and_its_next_runs_are_listed() {
    let desk = Desk::new();
    let answers = [
        "config",
        "init",
        "--server",
        "mail.example.test",
        "--user",
        "svc@example.test",
        "--mailbox",
        "alice@example.test",
        "--repo",
        "/srv/backup",
        "--time-zone",
        "Europe/Berlin",
        "--name",
        "office",
    ];
    desk.ok(&answers);
    assert_eq!(desk.run(&answers).code, 9, "nothing is overwritten");
    desk.ok(&["config", "check"]);
    let next = desk.json(&["schedule", "next", "--count", "3"]);
    let runs = next["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 3);
    assert!(runs.iter().all(|run| run["set"] == "office"));
    let schema = desk.json(&["config", "schema"]);
    assert_eq!(schema["title"], "postkeep.toml");
    let units = desk.ok(&["service", "install", "--dry-run"]);
    assert!(
        units.contains("ExecStart=") && units.contains("daemon --config"),
        "{units}"
    );
    assert!(units.contains("ReadWritePaths=/srv/backup"), "{units}");
    let units = desk.ok(&["service", "install", "--timer", "--dry-run"]);
    assert!(
        units.contains("daemon --once --config") && units.contains("OnCalendar=*:0/2"),
        "{units}"
    );
}

#[test]
fn a_timer_starts_a_daemon_that_does_what_is_due_and_ends() {
    let desk = Desk::new();
    let server = Server::with_mail(&desk, &[]);
    configuration(&desk, &server.url, "");
    desk.ok(&["init"]);
    // A set that is new has missed nothing.
    let new = desk.run(&["daemon", "--once"]);
    assert_eq!((new.code, new.stderr.as_str()), (0, ""));
    let long_ago =
        r#"{"sets":{"office":{"backup":{"handled":"2026-01-01T00:00:00Z","missed":0}}}}"#;
    desk.write("state/daemon.json", long_ago.as_bytes());
    let due = desk.run(&["daemon", "--once"]);
    assert_eq!(due.code, 0, "{}", due.stderr);
    assert!(due.stderr.contains("backup of office"), "{}", due.stderr);
    let snapshots = desk.ok(&["snapshots"]);
    assert!(snapshots.contains("alice@example.test") && snapshots.contains("bob@example.test"));
    let idle = desk.run(&["daemon", "--once"]);
    assert_eq!((idle.code, idle.stderr.as_str()), (0, ""));
}

#[test]
fn machines_share_a_set_by_numbers() {
    let desk = Desk::new();
    let server = Server::with_mail(&desk, &[]);
    configuration(&desk, &server.url, "");
    desk.ok(&["init"]);
    let mut mailboxes = Vec::new();
    for shard in ["1/7", "2/7", "3/7", "4/7", "5/7", "6/7", "7/7"] {
        let run = desk.json(&["run", "--all-sets", "--shard", shard]);
        assert_eq!(run["runs"][0]["shard"], shard);
        let backup = &run["runs"][0]["destinations"][0]["backup"];
        let names = backup["mailboxes"].as_array().into_iter().flatten();
        mailboxes.extend(names.map(|line| line["mailbox"].as_str().unwrap().to_owned()));
    }
    mailboxes.sort();
    assert_eq!(mailboxes, ["alice@example.test", "bob@example.test"]);
    let wrong = desk.run(&["run", "--all-sets", "--shard", "8/7"]);
    assert_eq!(wrong.code, 2, "{}", wrong.stderr);
}

#[test]
fn packages_get_completions_and_manual_pages() {
    let desk = Desk::new();
    for shell in ["bash", "zsh", "fish"] {
        assert!(desk.ok(&["completions", shell]).contains("postkeep"));
    }
    desk.ok(&["man", "--dir", "man"]);
    let page = std::fs::read_to_string(desk.path("man/postkeep-backup.1")).unwrap();
    assert!(page.contains("seal\\-after"));
    assert!(desk.path("man/postkeep-config-init.1").exists());
}

#[test]
fn a_set_of_all_mailboxes_asks_the_server_which_there_are() {
    let desk = Desk::new();
    let server = Server::with_mail(&desk, &[]);
    configuration(&desk, &server.url, "");
    desk.ok(&["init"]);
    let run = desk.json(&[
        "run",
        "--set",
        "office",
        "--with",
        "mailboxes=[]",
        "--with",
        "all=true",
        "--with",
        "exclude_mailboxes=\"bob*\"",
    ]);
    let backup = &run["runs"][0]["destinations"][0]["backup"];
    let names: Vec<_> = backup["mailboxes"].as_array().unwrap().iter().collect();
    assert!(names.iter().any(|m| m["mailbox"] == "alice@example.test"));
    assert!(!names.iter().any(|m| m["mailbox"] == "bob@example.test"));
    let gaps = backup["gaps"].as_array().unwrap();
    let bob = gaps.iter().find(|gap| gap["mailbox"] == "bob@example.test");
    assert_eq!(bob.unwrap()["reason"], "excluded by bob*");
}

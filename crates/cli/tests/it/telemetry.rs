//! Logs, metrics and the daemon in continuous mode, as somebody at a terminal sees them.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;

use crate::desk::{Desk, Server};

fn configuration(desk: &Desk, server: &str, more: &str) -> PathBuf {
    let text = format!(
        "{more}\n[destinations.main]\nurl = \"repo\"\n\
         passphrase_env = \"POSTKEEP_PASSPHRASE\"\n[sets.office]\nserver = \"{server}\"\n\
         user = \"svc@example.test\"\npassword_env = \"POSTKEEP_PASSWORD\"\n\
         mailboxes = [\"alice@example.test\", \"bob@example.test\"]\ndestinations = \"main\"\n"
    );
    desk.write("postkeep.toml", text.as_bytes())
}

fn events(log: &str) -> Vec<Value> {
    let event = |line: &str| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
    log.lines().map(event).collect()
}

#[test]
fn a_log_goes_to_a_file_as_json_or_text_and_is_put_aside_when_full() {
    let desk = Desk::new();
    let server = Server::with_mail(&desk, &[]);
    configuration(&desk, &server.url, "[log]\nfile = \"by-config.log\"");
    desk.ok(&["init"]);
    let read = |name: &str| std::fs::read_to_string(desk.path(name)).unwrap();
    desk.ok(&["run", "--set", "office"]);
    let text = read("by-config.log");
    assert!(text.contains("INFO") && text.contains("office"), "{text}");
    let json = ["--log-file", "log", "--log-format", "json"];
    let run = desk.run(&[&json[..], &["run", "--set", "office"]].concat());
    assert_eq!(
        (run.code, run.stderr.as_str()),
        (0, ""),
        "nothing is logged elsewhere"
    );
    let told = events(&read("log"));
    let ended = told.iter().find(|event| event["outcome"] == "success");
    let ended = ended.unwrap_or_else(|| panic!("{told:#?}"));
    assert_eq!(
        (&ended["set"], &ended["level"]),
        (&"office".into(), &"info".into())
    );
    assert!(ended["time"].as_str().unwrap().ends_with('Z'));
    assert_eq!(read("by-config.log"), text, "options win");
    // However often it is put aside, every line stays whole, and no secret is in any.
    let small = ["--log-size", "2k", "--log-keep", "3", "-vvv"];
    for _ in 0..3 {
        desk.ok(&[&json[..], &small, &["run", "--set", "office"]].concat());
    }
    for name in ["log", "log.1", "log.2", "log.3"] {
        let log = read(name);
        assert!(!events(&log).is_empty());
        assert!(
            !log.contains("correct horse") && !log.contains("\"secret\""),
            "{log}"
        );
    }
    assert!(!desk.path("log.4").exists());
    let run = desk.run(&["--log-file", "no/such/folder/log", "snapshots"]);
    assert_eq!(run.code, 7, "{}", run.stderr);
    assert!(
        run.stderr.contains("write the log no/such/folder/log"),
        "{}",
        run.stderr
    );
}

#[test]
fn a_value_of_the_command_line_that_is_wrong_is_told_behind_the_files_name() {
    let desk = Desk::new();
    configuration(&desk, "mail.example.test", "");
    let run = desk.run(&["run", "--set", "office", "--with", "limits.requests=0"]);
    assert_eq!(run.code, 2);
    let expected = "postkeep.toml: give a whole number from 1 to 64";
    assert!(run.stderr.contains(expected), "{}", run.stderr);
}

/// A port where nobody listens.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn metrics(port: u16) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    let request = "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

#[cfg(unix)]
#[test]
fn a_daemon_saves_what_changes_serves_metrics_and_ends_cleanly() {
    let desk = Desk::new();
    let server = Server::with_mail(&desk, &[]);
    let port = free_port();
    let head = format!("state_dir = \"state\"\n[daemon]\nmetrics = \"{port}\"");
    let file = configuration(&desk, &server.url, &head);
    let mut text = std::fs::read_to_string(&file).unwrap();
    text.push_str("[sets.office.continuous]\nsettle = \"1s\"\n");
    std::fs::write(&file, text).unwrap();
    desk.ok(&["init"]);
    let daemon = desk
        .command(&["daemon"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let alice = "postkeep_mailbox_items{set=\"office\",destination=\"main\",\
                 mailbox=\"alice@example.test\"} 3";
    let mut last = None;
    for _ in 0..600 {
        last = metrics(port);
        if last.as_ref().is_some_and(|text| text.contains(alice)) {
            break;
        }
        wait(Duration::from_millis(100));
    }
    let id = daemon.id().to_string();
    let killed = std::process::Command::new("kill")
        .args(["-TERM", &id])
        .status();
    assert!(killed.unwrap().success());
    let ended = daemon.wait_with_output().unwrap();
    let stderr = String::from_utf8(ended.stderr).unwrap();
    assert!(last.is_some_and(|text| text.contains(alice)), "{stderr}");
    assert_eq!(ended.status.code(), Some(0), "{stderr}");
    for said in [
        "waiting for changes",
        "listening to 2 mailboxes over 1 connections",
        "stopped",
    ] {
        assert!(stderr.contains(said), "{said}\n{stderr}");
    }
    let snapshots = desk.ok(&["snapshots"]);
    assert!(snapshots.contains("alice@example.test") && snapshots.contains("bob@example.test"));
}

#[allow(clippy::disallowed_methods)]
fn wait(time: Duration) {
    std::thread::sleep(time);
}

//! Ctrl-C: what was read is committed, and the next run continues. Windows has no way to send it to
//! one program alone.
#![cfg(unix)]

use std::process::{Command, Stdio};
use std::time::Duration;

use crate::desk::{Desk, Server};

#[test]
fn an_interrupted_backup_ends_cleanly_and_is_continued() {
    let desk = Desk::new();
    // Every answer takes long enough to be interrupted in the middle of the work.
    let slow = [
        "--generate",
        "1",
        "--items",
        "200",
        "--fault",
        "* always delay 400",
    ];
    let server = Server::start(&desk, &slow);
    desk.ok(&["init"]);
    let args = [
        "backup",
        "--server",
        &server.url,
        "--user",
        "svc@example.test",
    ];
    let args = [&args[..], &["--mailbox", "alice@example.test", "--json"]].concat();
    let backup = desk
        .command(&args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The work has begun when a few requests were made; how soon depends on the machine.
    while server.requests() < 4 {
        wait(Duration::from_millis(20));
    }
    let id = backup.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-INT", &id])
            .status()
            .unwrap()
            .success()
    );
    let ended = backup.wait_with_output().unwrap();
    let stderr = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(130), "{stderr}");
    assert!(stderr.contains("stopping"), "{stderr}");
    let report = desk.back_up(&server, "alice@example.test");
    assert_eq!(report["mailboxes"][0]["complete"], true);
    assert_eq!(report["mailboxes"][0]["items"], 200);
}

#[allow(clippy::disallowed_methods)]
fn wait(time: Duration) {
    std::thread::sleep(time);
}

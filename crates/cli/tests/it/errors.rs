//! Every documented exit code, with the line that says what went wrong and what to do.

use std::io::{Read, Write};
use std::net::TcpListener;

use serde_json::Value;

use crate::desk::{Desk, Run, Server, files, mail};

/// A failed run has its code, and one line that holds `what` with a second that holds `hint`.
#[track_caller]
fn check(run: &Run, code: i32, what: &str, hint: &str) {
    let Run { stderr, .. } = run;
    assert_eq!(run.code, code, "{stderr}");
    let lines: Vec<&str> = stderr.lines().collect();
    assert_eq!(lines.len(), 2, "{stderr}");
    assert!(
        lines[0].starts_with("postkeep: ") && lines[0].contains(what),
        "{stderr}"
    );
    assert!(
        lines[1].starts_with("  try: ") && lines[1].contains(hint),
        "{stderr}"
    );
    assert!(!stderr.contains("panic"), "{stderr}");
}

fn backup(desk: &Desk, server: &str, user: &str, mailbox: &str) -> Run {
    desk.run(&[
        "backup",
        "--server",
        server,
        "--user",
        user,
        "--mailbox",
        mailbox,
    ])
}

#[test]
fn a_wrong_passphrase_is_code_5() {
    let desk = Desk::new();
    desk.ok(&["init"]);
    let run = Run::of(
        desk.command(&["snapshots"])
            .env("POSTKEEP_PASSPHRASE", "wrong"),
    );
    check(
        &run,
        5,
        "passphrase",
        "passphrase that the repository was created with",
    );
}

#[test]
fn a_wrong_password_is_code_5_and_unknown_mailboxes_are_7_and_no_right_is_6() {
    let desk = Desk::new();
    let server = Server::with_mail(&desk, &[]);
    desk.ok(&["init"]);
    let args = [
        "backup",
        "--server",
        &server.url,
        "--user",
        "svc@example.test",
    ];
    let run = Run::of(desk.command(&args).env("POSTKEEP_PASSWORD", "wrong"));
    check(
        &run,
        5,
        "refuses the user name or password",
        "check the account's name",
    );
    let run = backup(
        &desk,
        &server.url,
        "svc@example.test",
        "nobody@example.test",
    );
    check(&run, 7, "nobody@example.test", "primary SMTP address");
    let run = backup(&desk, &server.url, "alice@example.test", "bob@example.test");
    check(
        &run,
        6,
        "bob@example.test",
        "ApplicationImpersonation -User alice@example.test",
    );
    assert!(!run.stderr.contains("secret"));
}

#[test]
fn an_unreachable_or_foreign_server_is_code_8() {
    let desk = Desk::new();
    desk.ok(&["init"]);
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let run = backup(
        &desk,
        &format!("http://{closed}"),
        "a@example.test",
        "a@example.test",
    );
    check(&run, 8, &closed.to_string(), "host name");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || serve_web_pages(&listener));
    let run = backup(
        &desk,
        &format!("http://{address}"),
        "a@example.test",
        "a@example.test",
    );
    check(&run, 8, "web page", "https://HOST/EWS/Exchange.asmx");
}

/// Something that speaks HTTP and is no Exchange.
fn serve_web_pages(listener: &TcpListener) {
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        let mut request = [0; 64 * 1024];
        let _ = stream.read(&mut request);
        let page = "<!DOCTYPE html><html><body>Welcome to the printer</body></html>";
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close";
        let _ = write!(
            stream,
            "{head}\r\nContent-Length: {}\r\n\r\n{page}",
            page.len()
        );
    }
}

#[test]
fn what_is_no_repository_is_code_7_and_a_second_one_is_9() {
    let desk = Desk::new();
    check(&desk.run(&["snapshots"]), 7, "repo", "postkeep init --repo");
    std::fs::create_dir(desk.path("repo")).unwrap();
    check(&desk.run(&["ls"]), 7, "repo", "postkeep init --repo");
    desk.ok(&["init"]);
    let run = desk.run(&["init"]);
    check(&run, 9, "repository", "another folder");
}

#[test]
fn a_missing_secret_is_code_2_and_the_line_names_all_three_ways() {
    let desk = Desk::new();
    desk.ok(&["init"]);
    let run = Run::of(
        desk.command(&["snapshots"])
            .env_remove("POSTKEEP_PASSPHRASE"),
    );
    check(&run, 2, "no passphrase given", "--passphrase-file");
    for way in ["POSTKEEP_PASSPHRASE", "terminal"] {
        assert!(run.stderr.contains(way), "{}", run.stderr);
    }
    let args = [
        "backup",
        "--server",
        "http://127.0.0.1:1",
        "--user",
        "a@example.test",
    ];
    let run = Run::of(desk.command(&args).env_remove("POSTKEEP_PASSWORD"));
    check(&run, 2, "no password given", "POSTKEEP_PASSWORD");
}

#[test]
fn what_makes_no_sense_is_code_2() {
    let desk = Desk::new();
    assert_eq!(desk.run(&["backup", "--unknown"]).code, 2);
    assert_eq!(desk.run(&[]).code, 2);
    let run = backup(
        &desk,
        "https://a:b@host/",
        "a@example.test",
        "a@example.test",
    );
    check(
        &run,
        2,
        "must not hold a name or password",
        "--password-file",
    );
    let run = backup(&desk, "https://host/", "a@example.test", "alice");
    check(&run, 2, "alice is not a mailbox address", "primary SMTP");
}

#[test]
fn several_mailboxes_are_not_mixed_up() {
    let desk = Desk::new();
    let server = Server::with_mail(&desk, &[]);
    desk.ok(&["init"]);
    desk.back_up(&server, "alice@example.test,bob@example.test");
    let hint = "--mailbox alice@example.test";
    check(&desk.run(&["cat", "abcdef"]), 2, "2 snapshots", hint);
    let args = [
        "restore",
        "--user",
        "svc@example.test",
        "--to-mailbox",
        "carol@example.test",
    ];
    check(&desk.run(&args), 2, "carol@example.test is only one", hint);
    let run = desk.run(&["cat", "abcdef", "--mailbox", "bob@example.test"]);
    check(&run, 7, "no item abcdef", "postkeep ls");
    check(
        &desk.run(&["ls", "--snapshot", "ffffffff"]),
        7,
        "no snapshot",
        "postkeep snapshots",
    );
    check(
        &desk.run(&["ls", "Nowhere"]),
        7,
        "no folder Nowhere",
        "postkeep ls",
    );
}

#[test]
fn an_item_that_fails_is_named_and_the_code_is_3() {
    let desk = Desk::new();
    let fault = "ExportItems@Lunch always fail ErrorItemCorrupt";
    let server = Server::with_mail(&desk, &["--fault", fault]);
    desk.ok(&["init"]);
    let args = [
        "backup",
        "--server",
        &server.url,
        "--user",
        "svc@example.test",
    ];
    let args = [
        &args[..],
        &["--mailbox", "alice@example.test,nobody@example.test"],
    ]
    .concat();
    let run = desk.run(&args);
    let text = String::from_utf8(run.stdout).unwrap();
    assert_eq!(run.code, 3, "{text}{}", run.stderr);
    assert!(
        text.contains("Lunch on Friday") && text.contains("ErrorItemCorrupt"),
        "{text}"
    );
    assert!(
        text.contains("not backed up: nobody@example.test"),
        "{text}"
    );
    let run = desk.run(&[&args[..], &["--json"]].concat());
    let document: Value = serde_json::from_slice(&run.stdout).unwrap();
    assert_eq!(
        (run.code, &document["failures"][0]["subject"]),
        (3, &"Lunch on Friday".into())
    );
}

#[test]
fn damage_is_code_4_and_the_item_is_named() {
    let desk = Desk::new();
    let server = Server::with_mail(&desk, &[]);
    desk.ok(&["init"]);
    desk.back_up(&server, "alice@example.test");
    for pack in files(&desk.path("repo"))
        .iter()
        .filter(|path| path.starts_with("packs/"))
    {
        let path = desk.path("repo").join(pack);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[40] ^= 1;
        std::fs::write(&path, bytes).unwrap();
    }
    let run = desk.run(&["check", "--read-data"]);
    let text = String::from_utf8(run.stdout).unwrap();
    assert_eq!(run.code, 4, "{text}{}", run.stderr);
    assert!(text.contains("packs/"), "{text}");
}

#[test]
fn json_tells_errors_too() {
    let desk = Desk::new();
    let run = desk.run(&["snapshots", "--json"]);
    let document: Value = serde_json::from_slice(&run.stdout).unwrap();
    assert_eq!(document["error"]["exit_code"], 7);
    assert_eq!(document["error"]["kind"], "not-found");
    assert!(
        document["error"]["hint"]
            .as_str()
            .unwrap()
            .contains("postkeep init")
    );
}

#[test]
fn the_documented_codes_are_those_of_the_help() {
    let documented = include_str!("../../../../docs/exit-codes.md");
    let help = Desk::new().ok(&["--help"]);
    let listed = help.split("Exit codes:").nth(1).unwrap();
    let mut codes = 0;
    for line in listed.lines().filter(|line| !line.trim().is_empty()) {
        let code = line.split_whitespace().next().unwrap();
        assert!(documented.contains(&format!("| {code} |")), "{line}");
        codes += 1;
    }
    assert_eq!(
        codes,
        documented
            .lines()
            .filter(|line| line.starts_with("| "))
            .count()
            - 2
    );
}

#[test]
fn text_from_mail_cannot_command_the_terminal() {
    let desk = Desk::new();
    desk.write(
        "mail/alice@example.test/Inbox/1.eml",
        &mail("=?utf-8?Q?a=1B]0;evil=07b?="),
    );
    let server = Server::start(&desk, &["--mail", desk.path("mail").to_str().unwrap()]);
    desk.ok(&["init"]);
    desk.back_up(&server, "alice@example.test");
    let text = desk.ok(&["ls", "inbox"]);
    assert!(
        text.contains("evil") && !text.contains('\u{1b}'),
        "{text:?}"
    );
}

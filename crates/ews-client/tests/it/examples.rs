//! The examples do what they say, against the simulator. `cargo test` builds them beside the tests.

use std::path::PathBuf;
use std::process::Output;

use ews_sim::{RunningServer, Sim};

const ALICE: &str = "alice@example.test";

async fn simulator() -> (Sim, RunningServer) {
    let sim = Sim::builder()
        .mailbox(ALICE)
        .public_folder_mailbox("pf1@example.test", "mbx1")
        .public_folder_mailbox("pf2@example.test", "mbx2");
    let sim = sim.build().unwrap();
    let alice = sim.mailbox(ALICE).unwrap();
    for number in 0..3 {
        let mail = format!(
            "From: bob@example.test\r\nTo: {ALICE}\r\nSubject: mail {number}\r\n\
             Date: Mon, 02 Nov 2026 10:0{number}:00 +0000\r\n\r\nHello\r\n"
        );
        alice.add_mime("Inbox", mail.as_bytes()).unwrap();
    }
    sim.place_public_folder("News", "pf2@example.test").unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = sim.serve(listener).await.unwrap();
    (sim, server)
}

/// An example's program, or nothing where only the tests were built.
fn program(name: &str) -> Option<PathBuf> {
    let tests = std::env::current_exe().unwrap();
    let folder = tests.parent().unwrap().parent().unwrap().join("examples");
    let program = folder
        .join(name)
        .with_extension(std::env::consts::EXE_EXTENSION);
    if program.is_file() {
        return Some(program);
    }
    assert!(
        std::env::var_os("CI").is_none(),
        "{} was not built",
        program.display()
    );
    println!("skipped: {} was not built", program.display());
    None
}

async fn output(name: &str, server: &RunningServer, user: &str, state: &str) -> Option<Output> {
    let mut command = tokio::process::Command::new(program(name)?);
    command
        .args([server.url(), user])
        .env("EWS_PASSWORD", "secret")
        .env("EWS_STATE", state);
    Some(command.output().await.unwrap())
}

/// Runs an example and looks for these words in what it prints.
async fn check(name: &str, user: &str, expected: &[&str]) -> Option<Sim> {
    let (sim, server) = simulator().await;
    let output = output(name, &server, user, "").await?;
    let told = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}{errors}");
    for words in expected {
        assert!(told.contains(words), "{words:?} is missing in:\n{told}");
    }
    server.stop().await;
    Some(sim)
}

#[tokio::test]
async fn folders_are_listed_and_errors_told() {
    let expected = [
        "\"Inbox\": Some(3) items",
        "not found: ErrorInvalidIdMalformed",
    ];
    check("folders", ALICE, &expected).await;
}

#[tokio::test]
async fn a_second_synchronisation_tells_only_what_is_new() {
    let (sim, server) = simulator().await;
    let file = std::env::temp_dir().join(format!("ews-client-example-{}", std::process::id()));
    let state = file.to_str().unwrap();
    let mut told = Vec::new();
    for _ in 0..2 {
        let Some(output) = output("sync", &server, ALICE, state).await else {
            return;
        };
        assert!(output.status.success(), "{output:?}");
        told.push(String::from_utf8(output.stdout).unwrap());
        let mail = b"From: bob@example.test\r\nSubject: mail 9\r\n\r\nHello\r\n";
        sim.mailbox(ALICE).unwrap().add_mime("Inbox", mail).unwrap();
    }
    std::fs::remove_file(&file).unwrap();
    assert_eq!(told[0].matches("new: ").count(), 3, "{}", told[0]);
    assert_eq!(told[1], "new: Some(\"mail 9\")\n");
}

#[tokio::test]
async fn items_are_exported_and_uploaded() {
    let expected = ["exported 3 items", "uploaded 3 items"];
    if let Some(sim) = check("export", ALICE, &expected).await {
        let alice = sim.mailbox(ALICE).unwrap();
        assert_eq!(alice.item_count("Copies").unwrap(), 3);
    }
}

#[tokio::test]
async fn unread_mail_is_found_and_read() {
    let expected = ["3 unread", "bob@example.test: mail 2", "bytes of MIME text"];
    check("find", ALICE, &expected).await;
}

#[tokio::test]
async fn an_item_of_each_kind_is_created() {
    let kinds = [
        "Message: ",
        "CalendarItem: ",
        "Contact: ",
        "DistributionList: ",
        "Task: ",
    ];
    if let Some(sim) = check("create", ALICE, &kinds).await {
        let alice = sim.mailbox(ALICE).unwrap();
        let counts = ["Inbox", "Calendar", "Contacts", "Tasks", "Notes"]
            .map(|folder| alice.item_count(folder).unwrap());
        assert_eq!(counts, [5, 1, 2, 1, 1]);
        assert_eq!(sim.sent_messages(), 0);
    }
}

#[tokio::test]
async fn news_are_pulled_and_streamed() {
    let expected = ["pulled: CreatedEvent", "streamed: CreatedEvent"];
    check("notifications", ALICE, &expected).await;
}

#[tokio::test]
async fn settings_are_shown_and_changed() {
    let expected = [
        "0 delegates",
        "0 objections",
        "rule \"Invoices are important\"",
        "out of office: Disabled",
        "out of office: Enabled",
    ];
    check("settings", ALICE, &expected).await;
}

#[tokio::test]
async fn mailboxes_and_public_folders_are_found() {
    let expected = [
        "alice@example.test",
        "is no group",
        "Some(3) items",
        "public: \"News\" in Some(\"pf2@example.test\")",
    ];
    check("mailboxes", "svc@example.test", &expected).await;
}

//! The examples do what they say, against the simulator. `cargo test` builds them beside the tests.

use std::path::PathBuf;
use std::process::Output;

use ews_client::Url;
use ews_sim::{RunningServer, Sim};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const ALICE: &str = "alice@example.test";
/// An account that may act for everybody.
const SERVICE: &str = "svc@example.test";

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

fn assert_told(output: &Output, expected: &[&str]) {
    let told = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}{errors}");
    for words in expected {
        assert!(told.contains(words), "{words:?} is missing in:\n{told}");
    }
}

/// Runs an example and looks for these words in what it prints.
async fn check(name: &str, user: &str, expected: &[&str]) -> Option<Sim> {
    let (sim, server) = simulator().await;
    let output = output(name, &server, user, "").await?;
    assert_told(&output, expected);
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
    check("mailboxes", SERVICE, &expected).await;
}

#[tokio::test]
async fn items_are_changed_copied_moved_and_deleted() {
    let expected = ["\"mail ", "is read", "copied", "moved", "deleted"];
    if let Some(sim) = check("change", ALICE, &expected).await {
        let alice = sim.mailbox(ALICE).unwrap();
        let counts = ["Inbox", "Drafts", "Junk Email", "Deleted Items"]
            .map(|folder| alice.item_count(folder).unwrap());
        assert_eq!(counts, [3, 0, 0, 1]);
        let read = alice.items("Inbox").unwrap();
        assert_eq!(read.iter().filter(|item| item.is_read).count(), 1);
    }
}

#[tokio::test]
async fn categories_are_written_and_read() {
    let expected = ["after: Some(", "associated: IPM.Configuration.CategoryList"];
    check("categories", ALICE, &expected).await;
}

#[tokio::test]
async fn requests_are_counted_while_many_are_under_way() {
    check("throttle_state", ALICE, &["192 requests sent"]).await;
}

#[tokio::test]
async fn who_signs_in_is_told_whose_inbox_it_is() {
    check("sign_in", ALICE, &["Inbox"]).await;
}

#[tokio::test]
async fn the_endpoint_of_an_address_is_found() {
    let (_sim, server) = simulator().await;
    let Some(program) = program("autodiscover") else {
        return;
    };
    let mut command = tokio::process::Command::new(program);
    command
        .args([ALICE, &page(&server, "/")])
        .env("EWS_PASSWORD", "secret");
    let output = command.output().await.unwrap();
    assert_told(&output, &["/EWS/Exchange.asmx"]);
}

#[tokio::test]
async fn an_application_signs_in_with_its_secret() {
    let (_sim, server) = simulator().await;
    let Some(program) = program("oauth") else {
        return;
    };
    let token_url = page(&server, "/sim/token");
    let mut command = tokio::process::Command::new(program);
    command
        .args([server.url(), ALICE, &token_url, SERVICE])
        .env("EWS_CLIENT_SECRET", "secret");
    let expected = ["alice@example.test has Some(3) items"];
    assert_told(&command.output().await.unwrap(), &expected);
    command.env("EWS_CLIENT_SECRET", "wrong");
    let refused = command.output().await.unwrap();
    assert!(!refused.status.success(), "{refused:?}");
}

#[tokio::test]
async fn tokens_of_a_file_sign_in() {
    let (_sim, server) = simulator().await;
    let Some(program) = program("oauth") else {
        return;
    };
    let file = std::env::temp_dir().join(format!("ews-client-token-{}", std::process::id()));
    std::fs::write(&file, token(&server).await).unwrap();
    let mut command = tokio::process::Command::new(program);
    command
        .args([server.url(), ALICE])
        .env("EWS_TOKEN_FILE", &file);
    let output = command.output().await.unwrap();
    std::fs::remove_file(&file).unwrap();
    assert_told(&output, &["alice@example.test has Some(3) items"]);
}

/// Another page of the server.
fn page(server: &RunningServer, path: &str) -> String {
    let mut url: Url = server.url().parse().unwrap();
    url.set_path(path);
    url.into()
}

/// A token as the server gives it to an application, by a request that is nobody's code.
async fn token(server: &RunningServer) -> String {
    let url: Url = server.url().parse().unwrap();
    let address = url.socket_addrs(|| None).unwrap()[0];
    let mut stream = TcpStream::connect(address).await.unwrap();
    let form = format!("grant_type=client_credentials&client_id={SERVICE}&client_secret=secret");
    let request = format!(
        "POST /sim/token HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{form}",
        form.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (_, rest) = answer.split_once("\"access_token\":\"").unwrap();
    rest.split_once('"').unwrap().0.to_owned()
}

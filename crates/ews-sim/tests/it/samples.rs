//! Requests that others wrote: the samples of the documentation, recorded traffic, and what real
//! clients send. Each gets an answer that the schema allows, or a fault that says why not.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ews_sim::{Account, Sim};

use crate::support::{ALICE, Bench, between, shared, validate_all};

/// Faults that a sample may deserve: it breaks the schema, asks for what is not offered here, or
/// names people and folders of another organisation.
const DESERVED: &[&str] = &[
    "ErrorSchemaValidation",
    "ErrorInvalidOperation",
    "ErrorInvalidServerVersion",
    "ErrorInvalidExchangeImpersonationHeaderData",
    "ErrorImpersonateUserDenied",
    "ErrorNonExistentMailbox",
    "ErrorInvalidTimeInterval",
];

async fn bench() -> Bench {
    let sim = Sim::builder()
        .mailbox(ALICE)
        .archive(ALICE)
        .mailbox("bob@example.com")
        .account(Account::impersonator("svc@example.test", "secret"));
    let sim = sim.build().unwrap();
    let alice = sim.mailbox(ALICE).unwrap();
    alice
        .add_mime("Inbox", b"Subject: one\r\n\r\ntext\r\n")
        .unwrap();
    Bench::start(sim).await
}

/// Files of an ending anywhere below a folder, in order.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.to_string_lossy().ends_with(ending) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The fault's code, if an answer is one.
fn fault(body: &str) -> Option<&str> {
    body.contains("<s:Fault>")
        .then(|| between(body, "e:ResponseCode xmlns:e=\"", "</e:ResponseCode>"))
        .and_then(|text| text.rsplit('>').next())
}

#[tokio::test]
async fn every_sample_is_answered_within_the_schema() {
    let Some(samples) = shared("ews/samples") else {
        return;
    };
    let bench = bench().await;
    let mut answers = Vec::new();
    let mut faults: BTreeMap<String, usize> = BTreeMap::new();
    for path in files(&samples, ".request.xml") {
        let operation = path.parent().unwrap().file_name().unwrap();
        let operation = operation.to_string_lossy().into_owned();
        if operation.starts_with("Autodiscover") {
            continue;
        }
        let request = std::fs::read(&path).unwrap();
        let answer = bench.post_bytes(ALICE, request).await;
        let shown = path.display();
        match fault(&answer.body) {
            None => {
                assert_eq!(answer.status, 200, "{shown}: {}", answer.body);
                assert!(
                    answer.body.contains("ResponseClass=") || answer.body.contains("Response "),
                    "{shown}"
                );
            }
            Some(code) => {
                assert_eq!(answer.status, 500, "{shown}");
                assert!(DESERVED.contains(&code), "{shown}: {}", answer.body);
                *faults.entry(format!("{operation} {code}")).or_default() += 1;
            }
        }
        answers.push(answer.body);
    }
    assert!(answers.len() > 350, "only {} samples", answers.len());
    validate_all(&answers);
    let refused: usize = faults.values().sum();
    // Most of what is refused is elided in the documentation or asks for unified messaging.
    assert!(refused < 110, "{refused} refused: {faults:#?}");
}

#[tokio::test]
async fn what_real_clients_send_first_is_answered() {
    let Some(requests) = shared("ews/client-requests") else {
        return;
    };
    let bench = bench().await;
    let mut answers = Vec::new();
    for path in files(&requests, ".http") {
        let text = std::fs::read_to_string(&path).unwrap();
        let (head, body) = text
            .split_once("\r\n\r\n")
            .or_else(|| text.split_once("\n\n"))
            .unwrap();
        if !head.starts_with("POST") {
            continue;
        }
        let answer = bench.post_bytes(ALICE, body.as_bytes().to_vec()).await;
        let shown = path.display();
        // Each names a mailbox or ids of the server it was recorded with; that is no fault.
        assert_eq!(answer.status, 200, "{shown}: {}", answer.body);
        answers.push(answer.body);
    }
    assert!(answers.len() > 250, "only {} requests", answers.len());
    validate_all(&answers);
}

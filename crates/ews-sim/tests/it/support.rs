//! What the protocol tests share: a raw HTTP client and the official schemas.

#![allow(clippy::print_stdout, reason = "skipped checks are said aloud")]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use ews_sim::{RunningServer, Sim};

pub(crate) const ALICE: &str = "alice@example.com";

/// A simulator being served, with an HTTP client.
pub(crate) struct Bench {
    pub(crate) sim: Sim,
    pub(crate) server: RunningServer,
    http: reqwest::Client,
}

/// An answer as it came.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Bench {
    pub(crate) async fn start(sim: Sim) -> Bench {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = sim.serve(listener).await.unwrap();
        // The tests speak plain HTTP; the client wants a TLS provider all the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Bench { sim, server, http }
    }

    /// Sends a body as a user.
    pub(crate) async fn post(&self, user: &str, body: String) -> Answer {
        self.post_bytes(user, body.into_bytes()).await
    }

    /// Sends bytes as a user.
    pub(crate) async fn post_bytes(&self, user: &str, body: Vec<u8>) -> Answer {
        let response = self
            .http
            .post(self.server.url())
            .basic_auth(user, Some("secret"))
            .header("content-type", "text/xml; charset=utf-8")
            .body(body)
            .send()
            .await
            .unwrap();
        Answer {
            status: response.status().as_u16(),
            body: response.text().await.unwrap(),
        }
    }

    /// Sends an operation as the owner of a mailbox and checks the answer against the schema.
    pub(crate) async fn ask(&self, user: &str, operation: &str) -> String {
        let answer = self.post(user, envelope("", operation)).await;
        validate(&answer.body);
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body
    }

    pub(crate) fn http(&self) -> &reqwest::Client {
        &self.http
    }
}

/// Wraps an operation.
pub(crate) fn envelope(header: &str, operation: &str) -> String {
    format!(
        "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         xmlns:m=\"http://schemas.microsoft.com/exchange/services/2006/messages\" \
         xmlns:t=\"http://schemas.microsoft.com/exchange/services/2006/types\"><s:Header>\
         <t:RequestServerVersion Version=\"Exchange2013_SP1\"/>{header}</s:Header>\
         <s:Body>{operation}</s:Body></s:Envelope>"
    )
}

/// The shared material, or `None` where the machine has none (never in CI).
pub(crate) fn shared(path: &str) -> Option<PathBuf> {
    let root = std::env::var_os("POSTKEEP_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    );
    let found = root.join(path);
    if found.exists() {
        return Some(found);
    }
    assert!(
        std::env::var_os("CI").is_none(),
        "{} is missing",
        found.display()
    );
    println!("SKIPPED: {} is missing", found.display());
    None
}

/// Validates an answer with xmllint and the official schemas.
pub(crate) fn validate(body: &str) {
    validate_all(&[body.to_owned()]);
}

/// Validates answers in one run of xmllint: reading the schemas takes longer than all else.
pub(crate) fn validate_all(bodies: &[String]) {
    let Some(schema) = shared("ews/schema/ews-soap.xsd") else {
        return;
    };
    if Command::new("xmllint").arg("--version").output().is_err() {
        assert!(std::env::var_os("CI").is_none(), "xmllint is missing");
        println!("SKIPPED: xmllint is missing");
        return;
    }
    let files: Vec<tempfile::NamedTempFile> = bodies
        .iter()
        .map(|body| {
            let mut file = tempfile::NamedTempFile::new().unwrap();
            file.write_all(body.as_bytes()).unwrap();
            file
        })
        .collect();
    let output = Command::new("xmllint")
        .args(["--noout", "--nonet", "--huge", "--schema"])
        .arg(schema)
        .args(files.iter().map(|file| file.path()))
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    let shown: String = match bodies {
        [body] => body.chars().take(4000).collect(),
        _ => String::new(),
    };
    assert!(output.status.success(), "{errors}\n{shown}");
}

/// The text between two marks, the first time.
pub(crate) fn between<'t>(text: &'t str, from: &str, to: &str) -> &'t str {
    let start = text
        .find(from)
        .unwrap_or_else(|| panic!("no {from} in {text}"))
        + from.len();
    let end = text[start..]
        .find(to)
        .unwrap_or_else(|| panic!("no {to} in {text}"));
    &text[start..start + end]
}

/// All values of an attribute of an element.
pub(crate) fn attrs(text: &str, element: &str, attr: &str) -> Vec<String> {
    text.split(&format!("<{element} "))
        .skip(1)
        .map(|rest| between(rest, &format!("{attr}=\""), "\"").to_owned())
        .collect()
}

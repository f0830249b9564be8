//! Mail about runs, taken by a mail server over plain connections and over TLS.

use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::reports::{desk, run, runner};

/// How the mail server protects its connections.
enum Protection {
    None,
    StartTls(TlsAcceptor),
    Tls(TlsAcceptor),
}

/// A certificate of its own, in PEM form, and what serves with it.
fn certificate() -> (String, TlsAcceptor) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    (made.cert.pem(), TlsAcceptor::from(Arc::new(config)))
}

/// A mail server that takes one mail and gives all it was told, with a line where TLS began.
async fn mail_server(protection: Protection) -> (u16, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let served = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        match protection {
            Protection::None => {
                greet(&mut stream).await;
                talk(&mut BufReader::new(stream), false).await
            }
            Protection::Tls(tls) => {
                let Ok(mut stream) = tls.accept(stream).await else {
                    return String::new();
                };
                greet(&mut stream).await;
                "TLS\n".to_owned() + &talk(&mut BufReader::new(stream), false).await
            }
            Protection::StartTls(tls) => {
                greet(&mut stream).await;
                let mut stream = BufReader::new(stream);
                let plain = talk(&mut stream, true).await;
                match tls.accept(stream.into_inner()).await {
                    Ok(stream) => plain + "TLS\n" + &talk(&mut BufReader::new(stream), false).await,
                    Err(_) => plain,
                }
            }
        }
    });
    (port, served)
}

async fn greet(stream: &mut (impl AsyncWrite + Unpin)) {
    stream.write_all(b"220 sink ESMTP\r\n").await.unwrap();
}

/// Answers until the other side leaves, or until TLS is to begin.
async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut BufReader<S>,
    offers: bool,
) -> String {
    let (mut all, mut in_data) = (String::new(), false);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
            return all;
        }
        all.push_str(&line);
        let answer = match line.trim_end() {
            "." if in_data => {
                in_data = false;
                "250 kept\r\n"
            }
            _ if in_data => continue,
            "DATA" => {
                in_data = true;
                "354 go on\r\n"
            }
            "QUIT" => "221 bye\r\n",
            "STARTTLS" => {
                stream.write_all(b"220 go on\r\n").await.unwrap();
                return all;
            }
            other if other.starts_with("EHLO") && offers => "250-sink\r\n250 STARTTLS\r\n",
            other if other.starts_with("EHLO") => "250-sink\r\n250-AUTH PLAIN\r\n250 8BITMIME\r\n",
            other if other.starts_with("AUTH") => "235 welcome\r\n",
            _ => "250 fine\r\n",
        };
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return all;
        }
    }
}

fn mail_to(server: &str, port: u16, security: &str, more: &str) -> String {
    format!(
        "destinations = \"one\"\n[[notify]]\nwhen = \"always\"\nmail = {{ to = \"admin@x.test\", \
         from = \"backup@x.test\", server = \"{server}\", port = {port}, security = \
         \"{security}\"{more} }}\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_server_receives_the_report_with_its_page() {
    let desk = desk("").await;
    let (port, served) = mail_server(Protection::None).await;
    let (_, notes) = run(&runner(&desk, &mail_to("127.0.0.1", port, "none", ""))).await;
    assert!(notes.is_empty(), "{notes:?}");
    let mail = served.await.unwrap();
    assert!(mail.contains("RCPT TO:<admin@x.test>"), "{mail}");
    assert!(
        mail.contains("Subject: [postkeep] backup of office is complete"),
        "{mail}"
    );
    assert!(mail.contains("Auto-Submitted: auto-generated"));
    assert!(mail.contains("office.html") && mail.contains("text/html"));
}

#[tokio::test(flavor = "multi_thread")]
async fn over_tls_the_mail_and_the_password_are_sent_once_nobody_can_read_them() {
    let desk = desk("").await;
    for security in ["tls", "starttls"] {
        let (pem, tls) = certificate();
        let ca = desk.folder.path().join(format!("{security}.pem"));
        std::fs::write(&ca, pem).unwrap();
        let (port, served) = mail_server(match security {
            "tls" => Protection::Tls(tls),
            _ => Protection::StartTls(tls),
        })
        .await;
        let more = format!(", ca_file = {ca:?}, user = \"backup\", password_env = \"TOKEN\"");
        let (_, notes) = run(&runner(&desk, &mail_to("localhost", port, security, &more))).await;
        assert!(notes.is_empty(), "{notes:?}");
        let told = served.await.unwrap();
        let (plain, sealed) = told.split_once("TLS\n").unwrap();
        for secret in ["AUTH", "admin@x.test", "Subject"] {
            assert!(!plain.contains(secret), "{plain}");
            assert!(sealed.contains(secret), "{sealed}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_server_with_a_strange_certificate_gets_nothing() {
    let desk = desk("").await;
    let (_, tls) = certificate();
    let (port, served) = mail_server(Protection::Tls(tls)).await;
    let (_, notes) = run(&runner(&desk, &mail_to("localhost", port, "tls", ""))).await;
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].contains("certificate"), "{notes:?}");
    assert!(!served.await.unwrap().contains("MAIL FROM"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_server_without_tls_gets_nothing_unless_told_so_and_nobody_hears_of_good_runs() {
    let desk = desk("").await;
    let (port, served) = mail_server(Protection::None).await;
    let (_, notes) = run(&runner(&desk, &mail_to("127.0.0.1", port, "starttls", ""))).await;
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(
        notes[0].starts_with("admin@x.test is not told:"),
        "{notes:?}"
    );
    assert!(!served.await.unwrap().contains("MAIL FROM"));
    // A port at which nobody listens: a good run does not even try.
    let when = mail_to("127.0.0.1", 1, "none", "").replace("always", "warning");
    let (_, notes) = run(&runner(&desk, &when)).await;
    assert!(notes.is_empty(), "{notes:?}");
}

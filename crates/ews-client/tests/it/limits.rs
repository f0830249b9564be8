//! Answers without measure: each is refused in one line, after a bounded number of bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use ews_client::*;
use futures::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::support::{ENDPOINT, Notes, envelope};

/// Gives a beginning and then the same piece for ever; counts the bytes that were taken.
#[derive(Clone)]
struct Endless {
    begin: String,
    piece: Bytes,
    taken: Arc<AtomicU64>,
}

#[async_trait]
impl Transport for Endless {
    async fn send(
        &self,
        _request: TransportRequest,
    ) -> std::result::Result<TransportResponse, TransportError> {
        let taken = Arc::clone(&self.taken);
        let begin = Bytes::from(self.begin.clone());
        let rest = futures::stream::repeat(self.piece.clone());
        let pieces = futures::stream::once(std::future::ready(begin)).chain(rest);
        let body = pieces.map(move |piece| {
            taken.fetch_add(piece.len() as u64, Ordering::Relaxed);
            Ok(piece)
        });
        Ok(TransportResponse {
            status: 200,
            headers: vec![("content-type".into(), "text/xml".into())],
            body: body.boxed(),
        })
    }
}

fn options(endpoint: &str) -> ClientOptions {
    let credentials = Credentials::basic("svc@example.test", "secret");
    let mut options = ClientOptions::new(endpoint.parse().unwrap(), credentials);
    options.sleeper = Arc::new(Notes::default());
    options.retry = RetryPolicy::none();
    options
}

fn endless(begin: &str, piece: &str) -> (Client, Arc<AtomicU64>) {
    let taken = Arc::new(AtomicU64::new(0));
    let transport = Endless {
        begin: begin.to_owned(),
        // Large pieces, so that the test is quick.
        piece: Bytes::from(piece.repeat((64 << 10) / piece.len() + 1)),
        taken: Arc::clone(&taken),
    };
    let client = Client::with_transport(options(ENDPOINT), Arc::new(transport));
    (client, taken)
}

fn get_inbox() -> GetFolder {
    GetFolder {
        shape: FolderShape::new(BaseShape::IdOnly),
        ids: vec![DistinguishedFolder::Inbox.into()],
    }
}

/// The beginning of an answer up to an open element of its body.
fn opened(inside: &str) -> String {
    let whole = envelope("|");
    let (begin, _) = whole.split_once('|').unwrap();
    format!("{begin}{inside}")
}

#[track_caller]
fn refused(error: &Error, expected: &str) {
    let told = error.to_string();
    assert_eq!(error.kind(), ErrorKind::Protocol, "{told}");
    assert!(told.contains(expected), "{told}, not {expected}");
    assert!(!told.contains('\n') && told.len() < 400, "{told}");
}

/// Reads an answer that never ends as a document and as a stream of exports. Both end with an
/// error, after no more bytes than these.
async fn check(begin: &str, piece: &str, whole_bytes: u64, export_bytes: u64, told: &str) {
    let begin = opened(begin);
    let (client, taken) = endless(&begin, piece);
    let error = client.get_folder(&get_inbox()).await.unwrap_err();
    refused(&error, "the answer is longer than");
    assert!(taken.load(Ordering::Relaxed) <= whole_bytes + (128 << 10));

    let (client, taken) = endless(&begin, piece);
    let error = match client.export_items(&[ItemId::new("a")]).await {
        Err(error) => error,
        Ok(mut stream) => loop {
            match stream.next().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("an endless answer ended"),
                Err(error) => break error,
            }
        },
    };
    refused(&error, told);
    let taken = taken.load(Ordering::Relaxed);
    assert!(taken <= export_bytes + (128 << 10), "{taken} bytes");
}

/// Most bytes of a GetFolder answer.
const WHOLE: u64 = 96 << 20;

#[tokio::test]
async fn an_endless_depth_is_refused() {
    let told = "nests deeper than 128 elements";
    check("", "<a>", WHOLE, 256 << 10, told).await;
}

#[tokio::test]
async fn an_endless_attribute_is_refused() {
    check("<a b=\"", "xxxx", WHOLE, 1 << 20, "longer than").await;
}

#[tokio::test]
async fn an_endless_number_of_attributes_is_refused() {
    check("<a", " b=\"\"", WHOLE, 1 << 20, "longer than").await;
}

#[tokio::test]
async fn an_endless_text_is_refused() {
    let message = "<m:ExportItemsResponse><m:ResponseMessages><m:ExportItemsResponseMessage \
                   ResponseClass=\"Error\"><m:MessageText>";
    check(message, "text ", WHOLE, 1 << 20, "longer than").await;
}

#[tokio::test]
async fn an_endless_number_of_rows_is_refused() {
    let begin = opened("<m:GetFolderResponse>");
    let (client, taken) = endless(&begin, "<m:a/>");
    let error = client.get_folder(&get_inbox()).await.unwrap_err();
    refused(&error, "the answer is longer than");
    assert!(taken.load(Ordering::Relaxed) <= WHOLE + (128 << 10));
}

#[tokio::test]
async fn entities_are_never_expanded() {
    let mut laughs = String::from("<!DOCTYPE l [<!ENTITY a0 \"ha\">");
    for level in 1..20 {
        let one = format!("&a{};", level - 1).repeat(10);
        laughs.push_str(&format!("<!ENTITY a{level} \"{one}\">"));
    }
    let outside = "<!DOCTYPE l [<!ENTITY a19 SYSTEM \"file:///etc/passwd\">".to_owned();
    for head in [laughs, outside] {
        let begin = format!("{head}]><s:Envelope><s:Body>&a19;</s:Body></s:Envelope>");
        let (client, taken) = endless(&begin, " ");
        let error = client.export_items(&[ItemId::new("a")]).await.unwrap_err();
        refused(&error, "document type");
        assert!(taken.load(Ordering::Relaxed) <= 1 << 20);
    }
}

/// Answers every connection with a status line and then headers for ever; counts what it could
/// send before the client hung up.
async fn endless_header(line: &'static [u8]) -> (Client, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let sent = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&sent);
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let _ = socket.read(&mut request).await;
            let _ = socket.write_all(b"HTTP/1.1 200 OK\r\n").await;
            while socket.write_all(line).await.is_ok() {
                count.fetch_add(line.len() as u64, Ordering::Relaxed);
            }
        }
    });
    let mut options = options(&format!("http://{address}/EWS/Exchange.asmx"));
    options.request_timeout = Duration::from_secs(20);
    (Client::new(options).unwrap(), sent)
}

#[tokio::test]
async fn an_endless_header_is_refused() {
    // One line that never ends, and lines that never end.
    for line in [&b"X-Padding-Padding-Padding-Padding"[..], b"X-Line: 1\r\n"] {
        let (client, sent) = endless_header(line).await;
        let error = client.get_folder(&get_inbox()).await.unwrap_err();
        let told = error.to_string();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{told}");
        assert!(told.contains("headers") && !told.contains('\n'), "{told}");
        // What the client read, and what lay in the system's buffers.
        assert!(sent.load(Ordering::Relaxed) < 16 << 20, "{sent:?}");
    }
}

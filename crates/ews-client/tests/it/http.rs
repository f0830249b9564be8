//! The real transport against a server of a few lines.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use ews_client::*;
use futures::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{Notes, message, response};

/// Answers each connection's requests with these bytes in turn, closing after each; notes heads
/// and bodies.
async fn serve(answers: Vec<Vec<u8>>) -> (Client, Arc<Mutex<Vec<(String, Vec<u8>)>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let notes = Arc::clone(&seen);
    tokio::spawn(async move {
        for answer in answers {
            let (mut socket, _) = listener.accept().await.unwrap();
            let request = read_request(&mut socket).await;
            notes.lock().unwrap().push(request);
            socket.write_all(&answer).await.unwrap();
            socket.shutdown().await.unwrap();
        }
    });
    let endpoint = format!("http://user:hidden@{address}/EWS/Exchange.asmx?x=hidden")
        .parse()
        .unwrap();
    let mut options =
        ClientOptions::new(endpoint, Credentials::basic("svc@example.test", "geheim"));
    options.sleeper = Arc::new(Notes::default());
    options.request_timeout = Duration::from_secs(2);
    options.connect_timeout = Duration::from_secs(2);
    (Client::new(options).unwrap(), seen)
}

async fn read_request(socket: &mut TcpStream) -> (String, Vec<u8>) {
    let mut bytes = Vec::new();
    let mut buffer = [0; 65536];
    loop {
        let head_end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
        if let Some(end) = head_end {
            let head = String::from_utf8(bytes[..end].to_vec())
                .unwrap()
                .to_ascii_lowercase();
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "))
                .and_then(|n| n.parse::<usize>().ok());
            let body = bytes[end + 4..].to_vec();
            if body.len() >= length.expect("a declared length") {
                return (head, body);
            }
        }
        let count = socket.read(&mut buffer).await.unwrap();
        assert!(count > 0, "the request ends early");
        bytes.extend_from_slice(&buffer[..count]);
    }
}

fn http(status: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n{body}"
    )
    .into_bytes()
}

fn inbox() -> String {
    response(
        "GetFolder",
        &[&message(
            "GetFolder",
            "Success",
            "NoError",
            "<m:Folders><t:Folder><t:FolderId Id=\"inbox\"/></t:Folder></m:Folders>",
        )],
    )
}

async fn get_inbox(client: &Client) -> Result<Vec<Outcome<Folder>>> {
    let request = GetFolder {
        shape: FolderShape::new(BaseShape::IdOnly),
        ids: vec![DistinguishedFolder::Inbox.into()],
    };
    client.get_folder(&request).await
}

#[tokio::test]
async fn a_request_carries_the_headers_servers_want() {
    let (client, seen) = serve(vec![http("200 OK", "Content-Type: text/xml\r\n", &inbox())]).await;
    assert_eq!(
        get_inbox(&client).await.unwrap()[0].as_ref().unwrap().id.id,
        "inbox"
    );
    let (head, body) = seen.lock().unwrap().remove(0);
    assert!(
        head.starts_with("post /ews/exchange.asmx?x=hidden http/1.1"),
        "{head}"
    );
    for line in [
        "content-type: text/xml; charset=utf-8",
        "accept-encoding: gzip",
        "soapaction: \"http://schemas.microsoft.com/exchange/services/2006/messages/getfolder\"",
        "authorization: basic c3zjqgv4yw1wbguudgvzddpnzwhlaw0=",
    ] {
        assert!(head.contains(line), "{line} in {head}");
    }
    assert!(!head.contains("chunked"));
    assert!(body.starts_with(b"<?xml"));
    let stats = client.stats();
    assert_eq!(
        (stats.bytes_out, stats.bytes_in),
        (body.len() as u64, inbox().len() as u64)
    );
}

#[tokio::test]
async fn a_streamed_upload_has_a_declared_length() {
    let answer = response(
        "UploadItems",
        &[&message(
            "UploadItems",
            "Success",
            "NoError",
            "<m:ItemId Id=\"x\"/>",
        )],
    );
    let (client, seen) = serve(vec![http("503 Busy", "", ""), http("200 OK", "", &answer)]).await;
    let open = || futures::stream::iter((0..300).map(|_| Ok(Bytes::from(vec![9; 1000])))).boxed();
    let data = UploadData::Stream {
        len: 300_000,
        open: Arc::new(open),
    };
    let item = UploadItem {
        parent: FolderId::new("f"),
        action: UploadAction::CreateNew,
        associated: None,
        data,
    };
    assert_eq!(
        client.upload_items(vec![item]).await.unwrap()[0]
            .as_ref()
            .unwrap()
            .id,
        "x"
    );
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 2);
    for (head, body) in seen.iter() {
        assert!(
            head.contains("content-length: 40") && !head.contains("transfer-encoding"),
            "{head}"
        );
        assert!(body.len() > 400_000 && body.ends_with(b"</soap:Envelope>"));
    }
}

#[tokio::test]
async fn busy_then_broken_then_good() {
    let cut = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n<s:Envelope>".to_vec();
    let (client, _) = serve(vec![
        http("503 Busy", "Retry-After: 1\r\n", ""),
        cut,
        http("200 OK", "", &inbox()),
    ])
    .await;
    assert!(get_inbox(&client).await.is_ok());
    let stats = client.stats();
    assert_eq!((stats.requests, stats.retries), (3, 2));
}

#[tokio::test]
async fn redirects_and_pages_are_named_and_nothing_secret_is() {
    let (client, seen) = serve(vec![
        http(
            "302 Found",
            "Location: https://elsewhere.example.test/\r\n",
            "",
        ),
        http(
            "200 OK",
            "Content-Type: text/html\r\n",
            "<html>Sign in</html>",
        ),
        http("401 Unauthorized", "WWW-Authenticate: Negotiate\r\n", ""),
    ])
    .await;
    let redirect = get_inbox(&client).await.unwrap_err();
    assert!(
        redirect
            .to_string()
            .contains("redirects to https://elsewhere.example.test/"),
        "{redirect}"
    );
    assert_eq!(
        get_inbox(&client).await.unwrap_err().kind(),
        ErrorKind::NotEws
    );
    let auth = get_inbox(&client).await.unwrap_err();
    assert_eq!(auth.kind(), ErrorKind::Auth);
    assert!(auth.to_string().contains("only Negotiate"), "{auth}");
    for text in [
        redirect.to_string(),
        format!("{auth:?}"),
        format!("{client:?}"),
    ] {
        assert!(
            !text.contains("hidden") && !text.contains("geheim"),
            "{text}"
        );
    }
    assert_eq!(
        seen.lock().unwrap().len(),
        3,
        "nothing was followed or repeated"
    );
}

#[tokio::test]
async fn a_compressed_answer_is_read() {
    // gzip's "stored" form needs no compressor.
    let body = inbox().into_bytes();
    let length = u16::try_from(body.len()).unwrap();
    let mut gzip = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 1];
    gzip.extend_from_slice(&length.to_le_bytes());
    gzip.extend_from_slice(&(!length).to_le_bytes());
    gzip.extend_from_slice(&body);
    let crc = body.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            if crc & 1 == 1 {
                (crc >> 1) ^ 0xEDB8_8320
            } else {
                crc >> 1
            }
        })
    });
    gzip.extend_from_slice(&(!crc).to_le_bytes());
    gzip.extend_from_slice(&u32::from(length).to_le_bytes());
    let mut answer = format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", gzip.len()).into_bytes();
    answer.extend_from_slice(&gzip);
    let (client, _) = serve(vec![answer]).await;
    assert_eq!(get_inbox(&client).await.unwrap().len(), 1);
}

#[tokio::test]
async fn an_absent_server_is_unreachable_and_a_silent_one_times_out() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut options = ClientOptions::new(
        format!("http://{address}/").parse().unwrap(),
        Credentials::basic("u", "p"),
    );
    options.sleeper = Arc::new(Notes::default());
    options.retry = RetryPolicy::none();
    options.request_timeout = Duration::from_millis(200);
    let client = Client::new(options).unwrap();
    assert_eq!(
        get_inbox(&client).await.unwrap_err().kind(),
        ErrorKind::Timeout
    );
    drop(listener);
    let error = get_inbox(&client).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert!(error.to_string().contains("cannot connect"), "{error}");
}

#[test]
fn addresses_and_certificates_are_checked_at_once() {
    let options =
        |url: &str| ClientOptions::new(url.parse().unwrap(), Credentials::basic("u", "p"));
    assert_eq!(
        Client::new(options("ftp://a/")).unwrap_err().kind(),
        ErrorKind::Invalid
    );
    let mut bad = options("https://a/");
    bad.extra_root_pem =
        Some(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_vec());
    assert_eq!(Client::new(bad).unwrap_err().kind(), ErrorKind::Invalid);
    assert!(Client::new(options("https://a/")).is_ok());
}

#[tokio::test]
async fn a_connection_serves_many_requests() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let export = response(
        "ExportItems",
        &[&message(
            "ExportItems",
            "Success",
            "NoError",
            "<m:ItemId Id=\"a\"/><m:Data>QUJD</m:Data>",
        )],
    );
    // Chunked, with white space after the envelope: the end is only known from the last chunk.
    let answer = format!(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{export}\r\n2\r\n\r\n\r\n0\r\n\r\n",
        export.len()
    );
    let server = tokio::spawn(async move {
        // One connection only: a second one would never be answered.
        let (mut socket, _) = listener.accept().await.unwrap();
        for _ in 0..3 {
            read_request(&mut socket).await;
            socket.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    let mut options = ClientOptions::new(
        format!("http://{address}/").parse().unwrap(),
        Credentials::basic("u", "p"),
    );
    options.request_timeout = Duration::from_secs(5);
    options.retry = RetryPolicy::none();
    let client = Client::new(options).unwrap();
    for _ in 0..3 {
        let mut stream = client.export_items(&[ItemId::new("a")]).await.unwrap();
        while stream.next().await.unwrap().is_some() {}
    }
    server.await.unwrap();
}

//! A proxy for HTTP on loopback that misbehaves when told to.
//!
//! It knows just enough of HTTP/1.1 to see where a request begins and ends.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// The longest head of a request.
const MAX_HEAD: usize = 64 << 10;

/// What the proxy does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mischief {
    /// Passes it on.
    None,
    /// Answers 503 without asking the server.
    Unavailable,
    /// Passes on the head and so many bytes of the body, then closes both connections.
    CutBody(usize),
    /// Passes it on, and closes without handing over the answer.
    LoseAnswer,
    /// Answers 403 without asking the server.
    Forbidden,
}

/// A request's first line and headers.
#[derive(Clone, Debug)]
pub struct Head {
    /// `PUT`, `GET` …
    pub method: String,
    /// Path and query, still encoded.
    pub target: String,
    /// All of it, as it came.
    text: String,
}

impl Head {
    /// A header's value, by its name in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.text.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.trim().eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    fn body_len(&self) -> usize {
        let length = self.header("content-length");
        length.and_then(|text| text.parse().ok()).unwrap_or(0)
    }
}

type Judge = dyn FnMut(&Head) -> Mischief + Send;

/// A running proxy; it ends when dropped.
pub struct Proxy {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Starts a proxy in front of a server (`host:port`). `judge` is asked for each request, in the
    /// order in which they come; `pause` is the time between two pieces of 16 KiB of an answer or a
    /// body.
    ///
    /// # Panics
    /// When no port can be had.
    pub async fn start(
        server: &str,
        pause: Duration,
        judge: impl FnMut(&Head) -> Mischief + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let judge: Arc<Mutex<Box<Judge>>> = Arc::new(Mutex::new(Box::new(judge)));
        let server = server.to_owned();
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let (server, judge) = (server.clone(), Arc::clone(&judge));
                connections.spawn(async move {
                    // Whichever side closes, the other is closed with it.
                    let _ = serve(client, &server, pause, &judge).await;
                });
            }
        });
        Self { address, task }
    }

    /// Where it listens: `127.0.0.1:port`.
    pub fn address(&self) -> String {
        self.address.to_string()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Serves one connection: one request after the other, each over a connection of its own.
async fn serve(
    client: TcpStream,
    server: &str,
    pause: Duration,
    judge: &Mutex<Box<Judge>>,
) -> std::io::Result<()> {
    client.set_nodelay(true)?;
    let mut client = BufReader::new(client);
    loop {
        let Some(head) = read_head(&mut client).await? else {
            return Ok(());
        };
        let mischief = {
            let mut judge = judge.lock().unwrap_or_else(PoisonError::into_inner);
            judge(&head)
        };
        let refusal = match mischief {
            Mischief::Unavailable => Some("503 Service Unavailable"),
            Mischief::Forbidden => Some("403 Forbidden"),
            _ => None,
        };
        if let Some(status) = refusal {
            let mut body = vec![0; head.body_len()];
            expect_continue(&head, &mut client).await?;
            client.read_exact(&mut body).await?;
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
            client.write_all(answer.as_bytes()).await?;
            continue;
        }
        return forward(client, &head, server, pause, mischief).await;
    }
}

/// Passes one request and its answer on, then closes.
async fn forward(
    mut client: BufReader<TcpStream>,
    head: &Head,
    server: &str,
    pause: Duration,
    mischief: Mischief,
) -> std::io::Result<()> {
    let mut upstream = TcpStream::connect(server).await?;
    upstream.set_nodelay(true)?;
    let sent = one_request_only(&head.text);
    upstream.write_all(sent.as_bytes()).await?;
    let len = match mischief {
        Mischief::CutBody(at) => at.min(head.body_len()),
        _ => head.body_len(),
    };
    expect_continue(head, &mut client).await?;
    copy(&mut (&mut client).take(len as u64), &mut upstream, pause).await?;
    match mischief {
        Mischief::CutBody(_) => return Ok(()),
        Mischief::LoseAnswer => {
            let mut answer = Vec::new();
            upstream.read_to_end(&mut answer).await?;
            return Ok(());
        }
        _ => {}
    }
    copy(&mut upstream, client.get_mut(), pause).await
}

/// The server is told to close after its answer, so that the end of the answer is the end of the
/// connection; whether to wait for a body was settled here.
fn one_request_only(head: &str) -> String {
    let kept = head.lines().filter(|line| {
        let name = line.split(':').next().unwrap_or_default();
        !["connection", "expect"].contains(&name.to_ascii_lowercase().as_str())
    });
    let mut text: String = kept
        .filter(|line| !line.is_empty())
        .map(|line| format!("{line}\r\n"))
        .collect();
    text.push_str("connection: close\r\n\r\n");
    text
}

async fn expect_continue(head: &Head, client: &mut BufReader<TcpStream>) -> std::io::Result<()> {
    if head.header("expect").is_some() {
        client.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
    }
    Ok(())
}

async fn copy(
    from: &mut (impl tokio::io::AsyncRead + Unpin),
    to: &mut (impl tokio::io::AsyncWrite + Unpin),
    pause: Duration,
) -> std::io::Result<()> {
    let mut buffer = vec![0; 16 << 10];
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            return to.flush().await;
        }
        to.write_all(&buffer[..read]).await?;
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
    }
}

async fn read_head(client: &mut BufReader<TcpStream>) -> std::io::Result<Option<Head>> {
    let mut text = String::new();
    loop {
        let before = text.len();
        if client.read_line(&mut text).await? == 0 || text.len() > MAX_HEAD {
            return Ok(None);
        }
        if text[before..].trim().is_empty() {
            break;
        }
    }
    let mut words = text.split_whitespace();
    let (Some(method), Some(target)) = (words.next(), words.next()) else {
        return Ok(None);
    };
    Ok(Some(Head {
        method: method.to_owned(),
        target: target.to_owned(),
        text: text.clone(),
    }))
}

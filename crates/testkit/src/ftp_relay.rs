//! A relay in front of an FTP server that misbehaves when told to.
//!
//! It passes lines on in both directions and puts itself into data connections: passive ones (PASV,
//! RFC 959; EPSV, RFC 2428) are the only ones it knows.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// Bytes between two pauses of a data connection.
const PIECE: usize = 16 << 10;
/// The longest line of a command or an answer.
const MAX_LINE: u64 = 8 << 10;

/// What the relay does with a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FtpMischief {
    /// Passes it on.
    None,
    /// Answers this line without asking the server; after a 421 it closes the connection, as RFC 959
    /// wants it.
    Answer(&'static str),
    /// Passes it on, and closes its data connection after so many bytes.
    CutData(usize),
}

type Judge = dyn FnMut(&str) -> FtpMischief + Send;

/// A running relay; it ends when dropped.
pub struct FtpRelay {
    address: SocketAddr,
    task: JoinHandle<()>,
}

/// What the connections of one relay share.
struct Shared {
    server: String,
    pause: Duration,
    judge: Mutex<Box<Judge>>,
}

/// Bytes after which the data connection at hand is cut.
type Limit = Arc<Mutex<Option<usize>>>;

impl FtpRelay {
    /// Starts a relay in front of a server (`host:port`). `judge` is asked for each command, in the
    /// order in which they come; `pause` is the time between two pieces of 16 KiB of a transfer.
    ///
    /// # Panics
    /// When no port can be had.
    pub async fn start(
        server: &str,
        pause: Duration,
        judge: impl FnMut(&str) -> FtpMischief + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            server: server.to_owned(),
            pause,
            judge: Mutex::new(Box::new(judge)),
        });
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let shared = Arc::clone(&shared);
                connections.spawn(async move {
                    // Whichever side closes, the other is closed with it.
                    let _ = serve(client, &shared).await;
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

impl Drop for FtpRelay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(client: TcpStream, shared: &Shared) -> std::io::Result<()> {
    let server = TcpStream::connect(&shared.server).await?;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    // Both sides write to the client.
    let to_client = Arc::new(tokio::sync::Mutex::new(to_client));
    let limit = Limit::default();
    tokio::select! {
        done = commands(from_client, to_server, &to_client, (shared, &limit)) => done,
        done = answers(from_server, &to_client, (shared, &limit)) => done,
    }
}

type ToClient = Arc<tokio::sync::Mutex<OwnedWriteHalf>>;

async fn commands(
    client: OwnedReadHalf,
    mut server: OwnedWriteHalf,
    to_client: &ToClient,
    (shared, limit): (&Shared, &Limit),
) -> std::io::Result<()> {
    let mut client = BufReader::new(client);
    while let Some(line) = read_line(&mut client).await? {
        let mischief = {
            let mut judge = lock(&shared.judge);
            judge(line.trim_end())
        };
        match mischief {
            FtpMischief::None => {}
            FtpMischief::CutData(bytes) => *lock(limit) = Some(bytes),
            FtpMischief::Answer(answer) => {
                let answer_line = format!("{answer}\r\n");
                let mut to_client = to_client.lock().await;
                to_client.write_all(answer_line.as_bytes()).await?;
                if answer.starts_with("421") {
                    return Ok(());
                }
                continue;
            }
        }
        server.write_all(line.as_bytes()).await?;
    }
    Ok(())
}

async fn answers(
    server: OwnedReadHalf,
    to_client: &ToClient,
    (shared, limit): (&Shared, &Limit),
) -> std::io::Result<()> {
    let host = shared.server.split(':').next().unwrap_or_default();
    let mut server = BufReader::new(server);
    let mut transfers = JoinSet::new();
    while let Some(mut line) = read_line(&mut server).await? {
        if let Some(port) = data_port(&line) {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            let own = listener.local_addr()?.port();
            line = match line.starts_with("229") {
                true => format!("229 Entering extended passive mode (|||{own}|).\r\n"),
                false => {
                    let (high, low) = (own >> 8, own & 255);
                    format!("227 Entering passive mode (127,0,0,1,{high},{low}).\r\n")
                }
            };
            *lock(limit) = None;
            let (address, pause) = (format!("{host}:{port}"), shared.pause);
            let limit = Arc::clone(limit);
            transfers.spawn(async move {
                let _ = transfer(listener, &address, pause, &limit).await;
            });
        }
        to_client.lock().await.write_all(line.as_bytes()).await?;
    }
    Ok(())
}

/// The port that an answer to PASV or EPSV names.
fn data_port(line: &str) -> Option<u16> {
    let (_, rest) = line.split_once('(')?;
    let (inside, _) = rest.split_once(')')?;
    match line.get(..4)? {
        "229 " => inside.trim_matches('|').parse().ok(),
        "227 " => {
            let mut numbers = inside.rsplit(',').map(|text| text.trim().parse::<u16>());
            let (low, high) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
            high.checked_mul(256)?.checked_add(low)
        }
        _ => None,
    }
}

async fn transfer(
    listener: TcpListener,
    server: &str,
    pause: Duration,
    limit: &Limit,
) -> std::io::Result<()> {
    let (mut client, _) = listener.accept().await?;
    let mut server = TcpStream::connect(server).await?;
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = server.split();
    let up = copy(&mut from_client, &mut to_server, pause, limit);
    let down = copy(&mut from_server, &mut to_client, pause, limit);
    let (up, down) = tokio::join!(up, down);
    up.and(down)
}

/// Copies until the end, or until the limit; then the other side sees an end.
async fn copy(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    pause: Duration,
    limit: &Limit,
) -> std::io::Result<()> {
    let mut piece = vec![0; PIECE];
    let mut copied = 0usize;
    loop {
        let most = lock(limit).map_or(PIECE, |limit| limit.saturating_sub(copied).min(PIECE));
        if most == 0 {
            // What still comes is taken and lost: the sender believes that it was sent.
            to.shutdown().await?;
            tokio::io::copy(from, &mut tokio::io::sink()).await?;
            return Ok(());
        }
        let read = from.read(&mut piece[..most]).await?;
        if read == 0 {
            return to.shutdown().await;
        }
        to.write_all(&piece[..read]).await?;
        copied += read;
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
    }
}

async fn read_line(from: &mut BufReader<OwnedReadHalf>) -> std::io::Result<Option<String>> {
    let mut line = Vec::new();
    let read = from.take(MAX_LINE).read_until(b'\n', &mut line).await?;
    Ok((read > 0).then(|| String::from_utf8_lossy(&line).into_owned()))
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

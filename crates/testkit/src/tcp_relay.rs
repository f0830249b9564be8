//! A relay for any protocol over TCP that cuts connections when told to.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// A running relay; it ends when dropped.
pub struct TcpRelay {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl TcpRelay {
    /// Starts a relay in front of a server (`host:port`). `judge` is asked for each connection, in
    /// the order in which they come, after how many bytes from the client it is cut; `None` passes
    /// on all of it.
    ///
    /// # Panics
    /// When no port can be had.
    pub async fn start(server: &str, judge: impl FnMut() -> Option<u64> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let judge = Arc::new(Mutex::new(judge));
        let server = server.to_owned();
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let limit = (judge.lock().unwrap_or_else(PoisonError::into_inner))();
                let server = server.clone();
                connections.spawn(async move {
                    // Whichever side closes, the other is closed with it.
                    let _ = pass(client, &server, limit).await;
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

impl Drop for TcpRelay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(mut client: TcpStream, server: &str, limit: Option<u64>) -> std::io::Result<u64> {
    let mut server = TcpStream::connect(server).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = server.split();
    let mut from_client = from_client.take(limit.unwrap_or(u64::MAX));
    tokio::select! {
        up = tokio::io::copy(&mut from_client, &mut to_server) => up,
        down = tokio::io::copy(&mut from_server, &mut to_client) => down,
    }
}

//! What servers answer.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use ews_client::{
    Bytes, Client, ClientOptions, Credentials, Sleeper, Transport, TransportError,
    TransportRequest, TransportResponse, async_trait,
};
use futures::StreamExt;

use crate::operations;

/// Statuses that a first byte chooses, where the input does not begin with markup.
const STATUSES: [u16; 6] = [200, 500, 503, 401, 302, 404];
/// Seconds that pass while an operation is repeated, all told.
const MAX_WAITED: Duration = Duration::from_secs(60);

/// Gives every request the same answer.
struct Feed {
    status: u16,
    pieces: Vec<Bytes>,
}

#[async_trait]
impl Transport for Feed {
    async fn send(&self, _: TransportRequest) -> Result<TransportResponse, TransportError> {
        let pieces = self.pieces.clone().into_iter().map(Ok);
        Ok(TransportResponse {
            status: self.status,
            headers: vec![("content-type".into(), "text/xml".into())],
            body: futures::stream::iter(pieces).boxed(),
        })
    }
}

/// A clock that jumps instead of waiting.
#[derive(Debug, Default)]
struct Jump(std::sync::Mutex<Duration>);

#[async_trait]
impl Sleeper for Jump {
    async fn sleep(&self, duration: Duration) {
        *self.0.lock().unwrap() += duration;
    }

    fn now(&self) -> Duration {
        *self.0.lock().unwrap()
    }
}

fn client(status: u16, pieces: Vec<Bytes>) -> Client {
    let endpoint = "https://mail.example.test/EWS/Exchange.asmx".parse();
    let credentials = Credentials::basic("svc@example.test", "secret");
    let mut options = ClientOptions::new(endpoint.expect("a URL"), credentials);
    options.sleeper = Arc::new(Jump::default());
    options.retry.max_total_wait = MAX_WAITED;
    options.retry.max_attempts = 2;
    Client::with_transport(options, Arc::new(Feed { status, pieces }))
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    thread_local! {
        static RUNTIME: RefCell<tokio::runtime::Runtime> = RefCell::new(
            tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .build()
                .expect("a runtime"),
        );
    }
    RUNTIME.with_borrow(|runtime| runtime.block_on(future))
}

/// An answer of the operation whose name it holds.
pub fn answer(data: &[u8]) {
    let (status, data) = match data {
        [b'<', ..] | [] => (200, data),
        [first, rest @ ..] => (STATUSES[usize::from(*first) % STATUSES.len()], rest),
    };
    let text = String::from_utf8_lossy(data);
    let operation = operation_of(&text);
    let client = client(status, vec![Bytes::copy_from_slice(data)]);
    let count = operations::entries(&text).min(50);
    drop(block_on(operations::run(&client, operation, count)));
}

/// The operation of the first element that is called as one's response.
fn operation_of(text: &str) -> &'static str {
    let named = text.match_indices("Response").find_map(|(at, _)| {
        let mut known = operations::OPERATIONS.iter();
        known.find(|name| text[..at].ends_with(**name))
    });
    named.copied().unwrap_or("GetFolder")
}

/// An answer in pieces: the first byte says how long they are, and which of the two operations.
pub fn stream(data: &[u8]) {
    let Some((&first, data)) = data.split_first() else {
        return;
    };
    let piece = usize::from(first >> 1) * 3 + 1;
    let pieces = data.chunks(piece).map(Bytes::copy_from_slice).collect();
    let client = client(200, pieces);
    block_on(async {
        if first & 1 == 0 {
            drop(operations::run(&client, "ExportItems", 3).await);
            return;
        }
        let Ok(mut stream) = client.stream_events(["a".to_owned(), "b".to_owned()], 1) else {
            return;
        };
        // The same answer comes again whenever the connection ends.
        for _ in 0..40 {
            if !matches!(stream.next().await, Ok(Some(_))) {
                break;
            }
        }
    });
}

/// Autodiscover, signing in, settings kept as XML.
pub fn beside(data: &[u8]) {
    match data.split_first() {
        Some((b'<' | b'{', _)) => {
            ews_client::fuzzing::autodiscover(data);
            ews_client::fuzzing::setting(data);
        }
        _ => ews_client::fuzzing::sign_in(data),
    }
}

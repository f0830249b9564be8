//! What carries requests to a server and answers back.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use url::Url;
use zeroize::Zeroizing;

/// Opens a payload from its beginning; called again for each repeat of a request. An error in it
/// breaks the request off, which fails with the kind `Invalid` or `Interrupted`.
pub type OpenStream = Arc<dyn Fn() -> BoxStream<'static, io::Result<Bytes>> + Send + Sync>;

/// Carries one request at a time; the real one is HTTP, tests bring their own.
#[async_trait]
pub trait Transport: Send + Sync {
    /// Sends a request and returns once the answer's head has arrived.
    ///
    /// # Errors
    ///
    /// Only where no answer arrived; any HTTP status is an answer.
    ///
    /// # Cancellation
    ///
    /// The future may be dropped at any time; the request's connection goes with it.
    async fn send(&self, request: TransportRequest) -> Result<TransportResponse, TransportError>;
}

/// One POST.
#[derive(Clone)]
pub struct TransportRequest {
    /// Where to.
    pub url: Url,
    /// Header names in lower case, with their values.
    pub headers: Vec<(&'static str, String)>,
    /// The value of the Authorization header, where it is the same for every request (Basic);
    /// otherwise empty: the transport signs in.
    pub authorization: Zeroizing<String>,
    /// The body; its length must be declared, never chunked.
    pub body: RequestBody,
    /// How long the answer's head may take, the time to send the body included.
    pub time_limit: Duration,
}

impl fmt::Debug for TransportRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransportRequest")
            .field("url", &self.url.as_str())
            .field("headers", &self.headers)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// A request's body.
#[derive(Clone)]
pub enum RequestBody {
    /// In memory.
    Bytes(Bytes),
    /// Made while it is sent.
    Stream {
        /// Its exact length in bytes.
        len: u64,
        /// Starts it.
        open: OpenStream,
    },
}

impl RequestBody {
    /// The length in bytes.
    pub fn len(&self) -> u64 {
        match self {
            RequestBody::Bytes(bytes) => bytes.len() as u64,
            RequestBody::Stream { len, .. } => *len,
        }
    }

    /// Whether there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// An answer whose body is still arriving.
pub struct TransportResponse {
    /// The HTTP status.
    pub status: u16,
    /// Header names in lower case, with their values as far as they are text.
    pub headers: Vec<(String, String)>,
    /// The body, decompressed.
    pub body: BoxStream<'static, Result<Bytes, TransportError>>,
}

impl TransportResponse {
    /// All headers of that lower-case name.
    pub(crate) fn headers<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let headers = self.headers.iter().filter(move |(key, _)| key == name);
        headers.map(|(_, value)| value.as_str())
    }

    /// The first header of that lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

impl fmt::Debug for TransportResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransportResponse")
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

/// What broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TransportErrorKind {
    /// No connection came about: nothing was sent.
    Unreachable,
    /// Nothing arrived in time.
    Timeout,
    /// The connection broke after the request may have been received.
    Interrupted,
    /// The request's own payload could not be read.
    Payload,
    /// Signing in failed before the server could judge it.
    Auth,
    /// What arrived is no HTTP, or its headers are without measure.
    Protocol,
    /// The server offers only TLS that this client does not speak: nothing was sent.
    OldTls,
}

/// Why no whole answer arrived.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct TransportError {
    /// What broke.
    pub kind: TransportErrorKind,
    /// One line saying how, without credentials.
    pub message: String,
}

impl TransportError {
    /// An error of that kind.
    pub fn new(kind: TransportErrorKind, message: impl Into<String>) -> TransportError {
        TransportError {
            kind,
            message: message.into(),
        }
    }
}

//! An answer's body as it arrives: counted, and bounded in time and length.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use tokio::io::{AsyncBufRead, AsyncRead, ReadBuf};
use tokio::time::Instant;

use crate::error::{Error, ErrorKind, Result};
use crate::pace::Pace;
use crate::stats::Counters;
use crate::transport::{TransportError, TransportErrorKind};

/// The body's pieces, or why they stopped.
pub(crate) type Body = BoxStream<'static, Result<Bytes>>;

/// Most bytes one XML event may take, payloads left out.
const MAX_EVENT_BYTES: usize = 1 << 20;

/// Most bytes read after an answer's end for the connection's sake.
const MAX_DRAIN_BYTES: usize = 64 << 10;

/// The slowest answer waited for, in bytes a second, once the time-out's worth of waiting is used
/// up: one that trickles without end would otherwise never be given up.
const MIN_DOWNLOAD_RATE: u64 = 1 << 10;

/// Wraps a transport's body: bytes are counted, and waiting longer than `idle` is an error, be it
/// at once or little by little. Only time spent waiting counts, not what the caller takes.
pub(crate) fn watched(
    body: BoxStream<'static, std::result::Result<Bytes, TransportError>>,
    idle: Duration,
    counters: Arc<Counters>,
    pace: Option<Arc<dyn Pace>>,
) -> Body {
    stream::unfold(Some((body, idle)), move |state| {
        let (counters, pace) = (Arc::clone(&counters), pace.clone());
        async move {
            let (mut body, patience) = state?;
            let asked = Instant::now();
            match tokio::time::timeout(patience, body.next()).await {
                Ok(Some(Ok(bytes))) => {
                    let len = bytes.len() as u64;
                    counters.update(|stats| stats.bytes_in += len);
                    let earned =
                        Duration::from_millis(len.saturating_mul(1000) / MIN_DOWNLOAD_RATE);
                    let left = patience.saturating_sub(asked.elapsed());
                    let patience = left.saturating_add(earned).min(idle);
                    if let Some(pace) = pace {
                        pace.take(len).await;
                    }
                    Some((Ok(bytes), Some((body, patience))))
                }
                Ok(Some(Err(error))) => Some((Err(from_transport(error)), None)),
                Ok(None) => None,
                Err(_) => {
                    let text = format!("the answer stalled for {} s", idle.as_secs());
                    Some((Err(Error::new(ErrorKind::Timeout, text)), None))
                }
            }
        }
    })
    // The XML reader asks again after the end.
    .fuse()
    .boxed()
}

/// Wraps the body of an answer that is silent between pieces of news: bytes are counted, and only a
/// silence longer than `idle` is an error. Servers send a sign of life every 30 seconds or so.
pub(crate) fn followed(
    body: BoxStream<'static, std::result::Result<Bytes, TransportError>>,
    idle: Duration,
    counters: Arc<Counters>,
) -> Body {
    stream::unfold(Some(body), move |body| {
        let counters = Arc::clone(&counters);
        async move {
            let mut body = body?;
            match tokio::time::timeout(idle, body.next()).await {
                Ok(Some(Ok(bytes))) => {
                    let len = bytes.len() as u64;
                    counters.update(|stats| stats.bytes_in += len);
                    Some((Ok(bytes), Some(body)))
                }
                Ok(Some(Err(error))) => Some((Err(from_transport(error)), None)),
                Ok(None) => None,
                Err(_) => {
                    let text = format!("nothing was heard for {} s", idle.as_secs());
                    Some((Err(Error::new(ErrorKind::Timeout, text)), None))
                }
            }
        }
    })
    .fuse()
    .boxed()
}

/// The transport's failure in this crate's terms.
pub(crate) fn from_transport(error: TransportError) -> Error {
    let kind = match error.kind {
        TransportErrorKind::Unreachable => ErrorKind::Unreachable,
        TransportErrorKind::Timeout => ErrorKind::Timeout,
        TransportErrorKind::Interrupted => ErrorKind::Interrupted,
        TransportErrorKind::Payload => ErrorKind::Invalid,
        TransportErrorKind::Auth => ErrorKind::Auth,
        TransportErrorKind::Protocol => ErrorKind::Protocol,
        TransportErrorKind::OldTls => ErrorKind::OldTls,
    };
    Error::new(kind, error.message)
}

/// Reads a whole body of at most `limit` bytes.
pub(crate) async fn collect(mut body: Body, limit: u64) -> Result<Bytes> {
    let mut whole = BytesMut::new();
    while let Some(piece) = body.next().await {
        let piece = piece?;
        if whole.len() as u64 + piece.len() as u64 > limit {
            return Err(Error::protocol(format!(
                "the answer is longer than {limit} bytes"
            )));
        }
        whole.extend_from_slice(&piece);
    }
    Ok(whole.freeze())
}

/// A body as the XML reader wants it.
pub(crate) struct BodyReader {
    body: Body,
    piece: Bytes,
    /// Bytes the current event may still take.
    allowance: usize,
    failure: Option<Error>,
}

impl BodyReader {
    pub(crate) fn new(body: Body) -> BodyReader {
        BodyReader {
            body,
            piece: Bytes::new(),
            allowance: MAX_EVENT_BYTES,
            failure: None,
        }
    }

    /// Begins a new event.
    pub(crate) fn allow(&mut self) {
        self.allowance = MAX_EVENT_BYTES;
    }

    /// Reads what is left, as far as it is little; what it says does not matter any more.
    pub(crate) async fn drain(&mut self) {
        let mut left = MAX_DRAIN_BYTES;
        while let Some(Ok(piece)) = self.body.next().await {
            match left.checked_sub(piece.len()) {
                Some(rest) => left = rest,
                None => break,
            }
        }
    }

    /// Why reading failed, if it was the body and not its XML.
    pub(crate) fn failure(&mut self) -> Option<Error> {
        self.failure.take()
    }
}

impl AsyncBufRead for BodyReader {
    fn poll_fill_buf(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        if this.allowance == 0 {
            this.failure = Some(Error::protocol(format!(
                "a part of the answer is longer than {MAX_EVENT_BYTES} bytes"
            )));
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        }
        while this.piece.is_empty() {
            match ready!(this.body.poll_next_unpin(context)) {
                Some(Ok(piece)) => this.piece = piece,
                Some(Err(error)) => {
                    this.failure = Some(error);
                    return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
                }
                None => break,
            }
        }
        let len = this.piece.len().min(this.allowance);
        Poll::Ready(Ok(this.piece.get(..len).unwrap_or_default()))
    }

    fn consume(self: Pin<&mut Self>, amount: usize) {
        let this = self.get_mut();
        let amount = amount.min(this.piece.len());
        this.piece.advance(amount);
        this.allowance = this.allowance.saturating_sub(amount);
    }
}

impl AsyncRead for BodyReader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let piece = ready!(self.as_mut().poll_fill_buf(context))?;
        let len = piece.len().min(buf.remaining());
        buf.put_slice(piece.get(..len).unwrap_or_default());
        self.consume(len);
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trickle(bytes: usize, each: Duration) -> Body {
        let pieces = stream::repeat(()).then(move |()| async move {
            tokio::time::sleep(each).await;
            Ok(Bytes::from(vec![b' '; bytes]))
        });
        let idle = Duration::from_secs(120);
        watched(pieces.take(3000).boxed(), idle, Arc::default(), None)
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_trickles_is_given_up() {
        let error = collect(trickle(1, Duration::from_secs(1)), u64::MAX).await;
        assert_eq!(error.unwrap_err().kind(), ErrorKind::Timeout);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_line_and_a_busy_server_are_waited_for() {
        let slow = collect(trickle(2000, Duration::from_secs(1)), u64::MAX).await;
        assert_eq!(slow.unwrap().len(), 6_000_000);
        let pauses = collect(trickle(100_000, Duration::from_secs(90)), u64::MAX).await;
        assert!(pauses.is_ok());
    }
}

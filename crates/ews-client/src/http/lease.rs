//! Connections that serve one request at a time, and come back when its answer was read.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt};

use super::Sent;

/// The connections that nobody uses just now.
pub(super) struct Free<T>(Arc<Mutex<Vec<T>>>);

impl<T> Default for Free<T> {
    fn default() -> Free<T> {
        Free(Arc::default())
    }
}

impl<T> Free<T> {
    /// The one that was used last.
    pub(super) fn take(&self) -> Option<T> {
        lock(&self.0).pop()
    }

    /// A connection that an answer is being read from.
    pub(super) fn lease(&self, connection: T) -> Lease<T> {
        Lease {
            connection: Some(connection),
            free: Arc::clone(&self.0),
        }
    }
}

/// A connection in use. It goes back when its answer was read to the end; otherwise it is closed.
pub(crate) struct Lease<T> {
    connection: Option<T>,
    free: Arc<Mutex<Vec<T>>>,
}

impl<T: Send + Unpin + 'static> Lease<T> {
    /// A body that holds its connection.
    pub(super) fn hold(
        self,
        body: BoxStream<'static, Sent<Bytes>>,
    ) -> BoxStream<'static, Sent<Bytes>> {
        Leased { body, lease: self }.boxed()
    }

    fn give_back(&mut self) {
        if let Some(connection) = self.connection.take() {
            lock(&self.free).push(connection);
        }
    }
}

struct Leased<T> {
    body: BoxStream<'static, Sent<Bytes>>,
    lease: Lease<T>,
}

impl<T: Send + Unpin + 'static> Stream for Leased<T> {
    type Item = Sent<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Sent<Bytes>>> {
        let item = ready!(self.body.poll_next_unpin(context));
        if item.is_none() {
            self.lease.give_back();
        }
        Poll::Ready(item)
    }
}

fn lock<T>(free: &Mutex<Vec<T>>) -> MutexGuard<'_, Vec<T>> {
    free.lock().unwrap_or_else(PoisonError::into_inner)
}

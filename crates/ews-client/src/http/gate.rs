//! A connector that connects only when told to, so that a client keeps to one connection.
//!
//! A connection pool races the checkout of an idle connection against a new one, and a request
//! could go out on a second connection that nobody signed in. With the gate shut the checkout
//! wins; where there is no connection left, the failed connect says so.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

/// How long the checkout gets before there is no connection.
const CHECKOUT: Duration = Duration::from_millis(250);

/// Whether the next connect may happen; each opening is good for one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gate(Arc<AtomicBool>);

impl Gate {
    pub(crate) fn open(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type BoxFuture<T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>>;

impl<S> tower_layer::Layer<S> for Gate {
    type Service = Gated<S>;

    fn layer(&self, inner: S) -> Gated<S> {
        Gated {
            gate: self.clone(),
            inner,
        }
    }
}

#[derive(Clone)]
pub(crate) struct Gated<S> {
    gate: Gate,
    inner: S,
}

impl<S, R> tower_service::Service<R> for Gated<S>
where
    S: tower_service::Service<R, Error = BoxError> + Clone + Send + 'static,
    S::Future: Send,
    R: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = BoxFuture<S::Response>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let gate = self.gate.clone();
        let mut inner = self.inner.clone();
        Box::pin(async move {
            if !gate.0.swap(false, Ordering::SeqCst) {
                tokio::time::sleep(CHECKOUT).await;
                return Err("the signed-in connection is gone".into());
            }
            inner.call(request).await
        })
    }
}

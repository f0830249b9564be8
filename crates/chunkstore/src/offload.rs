//! Heavy work off the async threads.

use tokio::runtime::{Handle, RuntimeFlavor};

use crate::error::{Error, Result};

/// Runs work of some tens of milliseconds on a thread of its own.
///
/// On a runtime of one thread it runs in place: who chose that runtime has no other thread to keep
/// free, and the order of events stays the same on every run.
pub(crate) async fn offload<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T> {
    if Handle::current().runtime_flavor() == RuntimeFlavor::CurrentThread {
        return Ok(work());
    }
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|e| Error::internal("work on another thread ended early").with_source(e))
}

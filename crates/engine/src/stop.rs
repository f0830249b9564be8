//! When to stop: because the caller says so, or because enough is waiting to be committed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio_util::sync::CancellationToken;

/// Asked between steps of a run. Stopping early is always clean: what was read is kept, and the
/// next run, or the next round of this one, continues from there.
#[derive(Clone)]
pub(crate) struct Stop {
    cancel: CancellationToken,
    now_unix_ms: Arc<dyn Fn() -> i64 + Send + Sync>,
    seal_at_unix_ms: i64,
    seal: Arc<AtomicBool>,
    progressed: Arc<AtomicBool>,
}

impl Stop {
    pub(crate) fn new(
        cancel: CancellationToken,
        now_unix_ms: Arc<dyn Fn() -> i64 + Send + Sync>,
        seal_after_ms: i64,
    ) -> Self {
        let seal_at_unix_ms = now_unix_ms().saturating_add(seal_after_ms);
        Self {
            cancel,
            now_unix_ms,
            seal_at_unix_ms,
            seal: Arc::default(),
            progressed: Arc::default(),
        }
    }

    /// Whether no further work should be started.
    pub(crate) fn now(&self) -> bool {
        if self.cancelled() {
            return true;
        }
        // A round that was due before it read anything would be followed by another like it.
        if self.progressed.load(Ordering::Relaxed) && (self.now_unix_ms)() >= self.seal_at_unix_ms {
            self.seal.store(true, Ordering::Relaxed);
        }
        self.seal.load(Ordering::Relaxed)
    }

    /// Says that something was read which the next round need not read again.
    pub(crate) fn progressed(&self) {
        self.progressed.store(true, Ordering::Relaxed);
    }

    /// Says that enough waits to be committed, whatever the time.
    pub(crate) fn seal(&self) {
        self.seal.store(true, Ordering::Relaxed);
    }

    /// Whether the caller asked to stop.
    pub(crate) fn cancelled(&self) -> bool {
        self.cancel.is_cancelled()
    }
}

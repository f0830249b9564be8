//! Pauses, as an input.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

/// Waits; tests bring one that only takes notes.
#[async_trait]
pub trait Sleeper: Send + Sync + fmt::Debug {
    /// Returns after that time.
    async fn sleep(&self, duration: Duration);
}

/// Waits on the Tokio runtime's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct TokioSleeper;

#[async_trait]
impl Sleeper for TokioSleeper {
    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

//! Pauses, as an input.

use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

/// Waits, and knows how much time has passed; tests bring one that only takes notes.
#[async_trait]
pub trait Sleeper: Send + Sync + fmt::Debug {
    /// Returns after that time. The future may be dropped before.
    async fn sleep(&self, duration: Duration);

    /// The time since some moment that stays the same. It never runs backwards, and has advanced
    /// by at least the time slept when [`Sleeper::sleep`] returns.
    fn now(&self) -> Duration;
}

/// Waits on the Tokio runtime's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct TokioSleeper;

#[async_trait]
impl Sleeper for TokioSleeper {
    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    fn now(&self) -> Duration {
        static START: OnceLock<Instant> = OnceLock::new();
        Instant::now().saturating_duration_since(*START.get_or_init(Instant::now))
    }
}

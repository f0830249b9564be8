//! How fast bytes may flow, as an input.

use std::fmt;

use async_trait::async_trait;

/// Lets bytes pass no faster than it likes.
#[async_trait]
pub trait Pace: Send + Sync + fmt::Debug {
    /// Returns once so many bytes may pass. The future may be dropped before.
    async fn take(&self, bytes: u64);
}

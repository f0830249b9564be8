//! Bytes in flight: one budget, however many runs, mailboxes and requests share it.

use std::fmt;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What permits are counted in, so that budgets of terabytes fit.
const UNIT: u64 = 1024;

/// How many bytes of items may be on their way from a server into a repository at one time; clones
/// share it.
#[derive(Clone)]
pub struct MemoryBudget {
    total: u32,
    free: Arc<Semaphore>,
}

impl MemoryBudget {
    /// The default: 256 MiB.
    pub const DEFAULT_BYTES: u64 = 256 << 20;

    /// A budget of so many bytes, rounded to kibibytes.
    pub fn new(bytes: u64) -> Self {
        let total = u32::try_from(bytes / UNIT).unwrap_or(u32::MAX).max(1);
        // The most that a semaphore counts is less on small machines.
        let total = total.min(u32::try_from(Semaphore::MAX_PERMITS).unwrap_or(u32::MAX));
        Self {
            total,
            free: Arc::new(Semaphore::new(total as usize)),
        }
    }

    /// Waits until so many bytes are free, and holds them. What is more than all there is gets all
    /// of it, and so is alone.
    pub(crate) async fn hold(&self, bytes: u64) -> Option<OwnedSemaphorePermit> {
        let units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX);
        let units = units.clamp(1, self.total);
        // The semaphore is never closed.
        Arc::clone(&self.free).acquire_many_owned(units).await.ok()
    }
}

impl Default for MemoryBudget {
    fn default() -> Self {
        Self::new(Self::DEFAULT_BYTES)
    }
}

impl fmt::Debug for MemoryBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kib = |units: usize| units as u64 * UNIT;
        f.debug_struct("MemoryBudget")
            .field("bytes", &kib(self.total as usize))
            .field("free", &kib(self.free.available_permits()))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn what_is_larger_than_the_budget_goes_alone() {
        let budget = MemoryBudget::new(10 * UNIT);
        let (a, b) = (budget.hold(4 * UNIT).await, budget.hold(4 * UNIT).await);
        assert!(budget.hold(3 * UNIT).now_or_never().is_none());
        let small = budget.hold(1).await;
        assert!(budget.hold(u64::MAX).now_or_never().is_none());
        drop((a, b, small));
        let all = budget.hold(u64::MAX).now_or_never();
        assert!(all.is_some() && budget.hold(1).now_or_never().is_none());
    }
}

//! An object store that misbehaves on request.

mod answer;
mod rule;
mod state;
mod store;
mod upload;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use object_store::ObjectStore;
use object_store::memory::InMemory;

pub use rule::{Call, CallRecord, Counts, Fault, Rule};
use state::State;

/// Wraps an object store, counts its calls and injects faults into them.
///
/// Cloning is cheap, and all clones share rules, counters and the crashed state: keep one clone to
/// command it and hand the other to the code under test. Rules may be added at any time, also
/// while calls are in flight.
#[derive(Clone)]
pub struct FaultyStore {
    inner: Arc<dyn ObjectStore>,
    state: Arc<Mutex<State>>,
}

impl FaultyStore {
    /// Wraps a store; without rules, every call passes through unchanged.
    pub fn new(inner: Arc<dyn ObjectStore>) -> Self {
        let state = Arc::default();
        FaultyStore { inner, state }
    }

    /// Wraps a new, empty store in memory.
    pub fn in_memory() -> Self {
        FaultyStore::new(Arc::new(InMemory::new()))
    }

    /// Returns the store beneath, which always behaves: for reopening after a crash, for looking
    /// at what was stored and for damaging it.
    pub fn inner(&self) -> Arc<dyn ObjectStore> {
        Arc::clone(&self.inner)
    }

    /// Adds a rule. When several match one call, the one added first decides; all of them count it.
    pub fn inject(&self, rule: Rule) {
        self.lock().inject(rule);
    }

    /// Removes all rules and the capacity limit, and ends a crash. Counters stay.
    pub fn heal(&self) {
        self.lock().heal();
    }

    /// Limits the bytes written through this wrapper, minus those of objects deleted through it;
    /// beyond it, a put fails as on a full disk and stores nothing. `None` lifts the limit.
    pub fn set_capacity_bytes(&self, limit: Option<u64>) {
        self.lock().set_capacity(limit);
    }

    /// Returns what was called since the creation or the last [`reset_counts`](Self::reset_counts),
    /// failed calls included.
    pub fn counts(&self) -> Counts {
        self.lock().counts()
    }

    /// Sets all counters to zero and empties the log. Rules keep their own count.
    pub fn reset_counts(&self) {
        self.lock().reset_counts();
    }

    /// Returns every call since the creation or the last [`reset_counts`](Self::reset_counts), in
    /// the order in which they began.
    pub fn log(&self) -> Vec<CallRecord> {
        self.lock().log()
    }

    /// Tells whether a [`Fault::Crash`] or [`Fault::CrashAfter`] has struck: from then on every
    /// call fails, until [`heal`](Self::heal).
    pub fn has_crashed(&self) -> bool {
        self.lock().has_crashed()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panicking test elsewhere must not hide behind a second panic here.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultyStore")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FaultyStore({})", self.inner)
    }
}

//! What a client has done so far.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Counters of a client and everything cloned from it, since its creation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Requests sent, repeats included.
    pub requests: u64,
    /// Requests that repeated an earlier one.
    pub retries: u64,
    /// Pauses before a repeat, and waits for the end of a pause that the server asked of others.
    pub waits: u64,
    /// Their total length.
    pub waited: Duration,
    /// Bytes of answers received, decompressed, headers left out.
    pub bytes_in: u64,
    /// Bytes of requests sent, headers left out.
    pub bytes_out: u64,
    /// Requests by EWS operation, repeats included.
    pub operations: BTreeMap<&'static str, u64>,
}

#[derive(Debug, Default)]
pub(crate) struct Counters(Mutex<Stats>);

impl Counters {
    pub(crate) fn update(&self, change: impl FnOnce(&mut Stats)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub(crate) fn read(&self) -> Stats {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

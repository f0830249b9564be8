//! Emptied buffers, kept for the next piece of work.
//!
//! A page that comes fresh from the system costs several times what is then written to it, and
//! growing a buffer by doubling copies it.

use std::ops::RangeInclusive;
use std::sync::{Mutex, PoisonError};

/// A few buffers for whoever needs one next.
#[derive(Debug)]
pub(crate) struct Buffers {
    spare: Mutex<Vec<Vec<u8>>>,
    most: usize,
    capacities: RangeInclusive<usize>,
}

impl Buffers {
    /// Keeps at most so many buffers of at most so many bytes.
    pub(crate) const fn new(most: usize, max_bytes: usize) -> Self {
        Self {
            spare: Mutex::new(Vec::new()),
            most,
            capacities: 1..=max_bytes,
        }
    }

    /// An empty buffer, as a rule with room.
    pub(crate) fn take(&self) -> Vec<u8> {
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        spare.pop().unwrap_or_default()
    }

    /// Takes a buffer back; what is in it is forgotten.
    pub(crate) fn give_back(&self, mut buffer: Vec<u8>) {
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.len() < self.most && self.capacities.contains(&buffer.capacity()) {
            buffer.clear();
            spare.push(buffer);
        }
    }
}

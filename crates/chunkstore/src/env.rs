//! Time and randomness, handed in by the program.

use std::fmt;
use std::sync::Arc;

use ulid::Ulid;

/// Fills a buffer with random bytes.
type FillRandom = dyn Fn(&mut [u8]) + Send + Sync;

/// The clock and the source of randomness that a repository uses.
///
/// Programs pass the system's; tests pass a counter and a seeded generator and can replay every
/// decision. No safety argument rests on the clock: times are only recorded.
#[derive(Clone)]
pub struct Environment {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub now_unix_ms: Arc<dyn Fn() -> i64 + Send + Sync>,
    /// Fills a buffer. Keys and salts come from here: it must be cryptographically strong in programs.
    pub random: Arc<FillRandom>,
}

impl Environment {
    /// Builds an environment from two functions.
    pub fn new(
        now_unix_ms: impl Fn() -> i64 + Send + Sync + 'static,
        random: impl Fn(&mut [u8]) + Send + Sync + 'static,
    ) -> Self {
        Self {
            now_unix_ms: Arc::new(now_unix_ms),
            random: Arc::new(random),
        }
    }

    pub(crate) fn now(&self) -> i64 {
        (self.now_unix_ms)()
    }

    pub(crate) fn random_array<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        (self.random)(&mut bytes);
        bytes
    }

    pub(crate) fn ulid(&self) -> Ulid {
        let time = u64::try_from(self.now()).unwrap_or(0);
        Ulid::from_parts(time, u128::from_le_bytes(self.random_array()))
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment").finish_non_exhaustive()
    }
}

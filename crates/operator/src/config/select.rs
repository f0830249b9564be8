//! What of each mailbox a set means, and how hard it may work.

use engine::{Age, ByteCount, MemoryBudget, Selection};
use serde::{Deserialize, Serialize};

use super::one_or_many;
use crate::bandwidth::RateRule;
use crate::units::TimeSpan;

/// What of each mailbox is meant; everything if nothing is said.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SelectConfig {
    /// Only these folders, with all below them.
    #[serde(deserialize_with = "one_or_many")]
    pub folders: Vec<String>,
    /// Not these folders, with all below them.
    #[serde(deserialize_with = "one_or_many")]
    pub exclude_folders: Vec<String>,
    /// Only items of these classes.
    #[serde(deserialize_with = "one_or_many")]
    pub classes: Vec<String>,
    /// No items of these classes.
    #[serde(deserialize_with = "one_or_many")]
    pub exclude_classes: Vec<String>,
    /// Only items younger than this.
    pub newer_than: Option<Age>,
    /// Only items older than this.
    pub older_than: Option<Age>,
    /// Only items larger than this.
    pub larger_than: Option<ByteCount>,
    /// Only items smaller than this.
    pub smaller_than: Option<ByteCount>,
}

impl SelectConfig {
    /// The same for the engine.
    pub fn selection(&self) -> Selection {
        Selection {
            folders: self.folders.clone(),
            exclude_folders: self.exclude_folders.clone(),
            classes: self.classes.clone(),
            exclude_classes: self.exclude_classes.clone(),
            newer_than: self.newer_than.clone(),
            older_than: self.older_than.clone(),
            larger_than: self.larger_than,
            smaller_than: self.smaller_than,
            ..Selection::default()
        }
    }
}

/// How hard a set may work.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct LimitsConfig {
    /// Mailboxes read at the same time.
    pub mailboxes_at_once: u16,
    /// Requests under way for each mailbox.
    pub requests: u16,
    /// Requests under way at the server, of all sets that read from it.
    pub server_requests: u16,
    /// How fast the server may be read from and written to, by time of day.
    #[serde(deserialize_with = "one_or_many")]
    pub bandwidth: Vec<RateRule>,
    /// After how long what was read so far is committed.
    pub seal_after: TimeSpan,
}

/// What all sets together may use of this machine.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct MachineLimits {
    /// Bytes of items on their way from servers into repositories.
    pub memory: ByteCount,
    /// Bytes of local index files.
    pub cache: Option<ByteCount>,
}

impl Default for MachineLimits {
    fn default() -> Self {
        Self {
            memory: ByteCount(MemoryBudget::DEFAULT_BYTES),
            cache: None,
        }
    }
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            mailboxes_at_once: 4,
            requests: 4,
            server_requests: 27,
            bandwidth: Vec::new(),
            seal_after: TimeSpan::secs(15 * 60),
        }
    }
}

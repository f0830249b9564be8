//! How a set is backed up as changes happen.

use serde::{Deserialize, Serialize};

use crate::units::TimeSpan;

/// Backup of changes as they happen.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct ContinuousConfig {
    /// How long changes are gathered after the first.
    pub settle: TimeSpan,
    /// How often mailboxes are asked that cannot be listened to.
    pub poll: TimeSpan,
    /// Most connections that listen.
    pub connections: u16,
    /// Most mailboxes on one of them.
    pub mailboxes_per_connection: u16,
}

impl Default for ContinuousConfig {
    fn default() -> Self {
        Self {
            settle: TimeSpan::secs(20),
            poll: TimeSpan::secs(5 * 60),
            connections: 10,
            mailboxes_per_connection: 200,
        }
    }
}

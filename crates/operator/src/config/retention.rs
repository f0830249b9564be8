//! What stays of a set's snapshots.

use engine::{Period, Policy};
use serde::{Deserialize, Serialize};

use super::one_or_many;
use crate::schedule::Schedule;

/// What stays, and when the rest goes.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct RetentionConfig {
    /// When the policy is applied.
    #[serde(deserialize_with = "one_or_many")]
    pub schedule: Vec<Schedule>,
    /// The newest snapshots of a mailbox, this many.
    pub keep_last: u32,
    /// Every snapshot that is younger than this.
    pub keep_within: Option<Period>,
    /// The newest snapshot of each of the last hours that have one, this many.
    pub keep_hourly: u32,
    /// The same by days.
    pub keep_daily: u32,
    /// The same by weeks.
    pub keep_weekly: u32,
    /// The same by months.
    pub keep_monthly: u32,
    /// The same by quarters.
    pub keep_quarterly: u32,
    /// The same by years.
    pub keep_yearly: u32,
    /// How long deleted items stay, though their snapshots go.
    pub keep_deleted_items: Option<Period>,
    /// How many versions of each item stay, though their snapshots go.
    pub keep_versions: u32,
    /// Whether the space of what went is given back at once.
    pub prune: bool,
}

impl Default for RetentionConfig {
    fn default() -> Self {
        Self {
            schedule: Vec::new(),
            keep_last: 0,
            keep_within: None,
            keep_hourly: 0,
            keep_daily: 0,
            keep_weekly: 0,
            keep_monthly: 0,
            keep_quarterly: 0,
            keep_yearly: 0,
            keep_deleted_items: None,
            keep_versions: 0,
            prune: true,
        }
    }
}

impl RetentionConfig {
    /// The same for the engine.
    pub fn policy(&self) -> Policy {
        Policy {
            last: self.keep_last,
            within: self.keep_within,
            hourly: self.keep_hourly,
            daily: self.keep_daily,
            weekly: self.keep_weekly,
            monthly: self.keep_monthly,
            quarterly: self.keep_quarterly,
            yearly: self.keep_yearly,
            deleted_items: self.keep_deleted_items,
            versions: self.keep_versions,
        }
    }
}

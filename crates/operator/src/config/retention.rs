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
    /// The rules by which something stays.
    #[serde(flatten, with = "Rules")]
    pub policy: Policy,
    /// Whether the space of what went is given back at once.
    pub prune: bool,
}

impl Default for RetentionConfig {
    fn default() -> Self {
        Self {
            schedule: Vec::new(),
            policy: Policy::default(),
            prune: true,
        }
    }
}

/// The engine's policy under the names of settings.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Policy")]
struct Rules {
    #[serde(rename = "keep_last", default)]
    last: u32,
    #[serde(rename = "keep_within", default)]
    within: Option<Period>,
    #[serde(rename = "keep_hourly", default)]
    hourly: u32,
    #[serde(rename = "keep_daily", default)]
    daily: u32,
    #[serde(rename = "keep_weekly", default)]
    weekly: u32,
    #[serde(rename = "keep_monthly", default)]
    monthly: u32,
    #[serde(rename = "keep_quarterly", default)]
    quarterly: u32,
    #[serde(rename = "keep_yearly", default)]
    yearly: u32,
    #[serde(rename = "keep_deleted_items", default)]
    deleted_items: Option<Period>,
    #[serde(rename = "keep_versions", default)]
    versions: u32,
}

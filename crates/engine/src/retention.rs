//! Which snapshots, and which versions of items, a policy keeps.
//!
//! Deciding is a pure function of snapshots, policy, holds and an explicit time with its time
//! zone; it names, for each snapshot, every rule that keeps it.

mod apply;
mod decide;
mod items;
mod kept;
mod period;
mod plan;
#[cfg(test)]
mod tests;
mod walk;

use serde::{Deserialize, Serialize};

pub use decide::{Bucket, Reason, SnapshotTime, Verdict, decide};
pub use items::ItemReason;
pub(crate) use kept::KeptTree;
pub use period::Period;
pub use plan::{ItemPlan, MailboxPlan, RetentionOptions, RetentionPlan, SnapshotPlan};

/// What to keep. Rules add up: a snapshot stays if any rule keeps it.
///
/// A count of 0 and an absent period mean that the rule is not used. A policy in which no rule
/// for snapshots is used keeps every snapshot. Whatever the policy, the newest complete snapshot
/// of a mailbox stays, and so does an unfinished one behind it from which the next run continues.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Policy {
    /// The newest snapshots of a mailbox, this many.
    pub last: u32,
    /// Every snapshot that is younger than this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub within: Option<Period>,
    /// The newest snapshot of each of the last hours that have one, this many.
    pub hourly: u32,
    /// The same by days.
    pub daily: u32,
    /// The same by weeks, which begin on Monday.
    pub weekly: u32,
    /// The same by months.
    pub monthly: u32,
    /// The same by quarters.
    pub quarterly: u32,
    /// The same by years.
    pub yearly: u32,
    /// For how long an item stays after the backup that found it gone, though its snapshots go.
    #[serde(skip_serializing_if = "Option::is_none", alias = "deleted_items")]
    pub deleted_items: Option<Period>,
    /// How many versions of each item's content stay, though their snapshots go.
    pub versions: u32,
}

impl Policy {
    /// Whether any rule for snapshots is used; without one, every snapshot stays.
    pub fn has_snapshot_rule(&self) -> bool {
        self.within.is_some()
            || [
                self.last,
                self.hourly,
                self.daily,
                self.weekly,
                self.monthly,
                self.quarterly,
                self.yearly,
            ]
            .iter()
            .any(|count| *count > 0)
    }

    /// Whether items of snapshots that go may have to stay.
    pub fn has_item_rule(&self) -> bool {
        self.deleted_items.is_some() || self.versions > 0
    }
}

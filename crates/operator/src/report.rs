//! What a run did, whole: for people, for machines and for the years to come.

mod advice;
mod charts;
mod history;
mod page;
mod text;

use engine::{BackupReport, Drill, ErrorKind, ItemFailure, VaultCheck};
use serde::{Deserialize, Serialize};

use crate::plan::{Outcome, Work};
pub use history::{Point, history, recent_reports};
pub use page::report_page;
pub(crate) use text::bytes;
pub use text::{report_subject, report_text};

/// The topic under which reports are kept in a repository.
pub(crate) const TOPIC: &str = "run";

/// Why a run took place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// Somebody asked for it.
    #[default]
    ByHand,
    /// The schedule said so.
    Schedule,
    /// Something changed on the server.
    Change,
}

/// One run of a set.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RunReport {
    /// The form of this document.
    pub version: u32,
    /// The set.
    pub set: String,
    /// What was done for it.
    pub work: Option<Work>,
    /// Why.
    pub reason: Reason,
    /// The machine.
    pub machine: String,
    /// The program and its version.
    pub program: String,
    /// This machine's part of the mailboxes, if the set is shared.
    pub shard: Option<String>,
    /// When it began, milliseconds since 1970 UTC.
    pub started_unix_ms: i64,
    /// When it ended.
    pub ended_unix_ms: i64,
    /// How it ended, all destinations together.
    pub outcome: Option<Outcome>,
    /// Why nothing could be done at all, if so.
    pub error: Option<String>,
    /// What kind of error it was; not kept.
    #[serde(skip)]
    pub error_kind: Option<ErrorKind>,
    /// Mailboxes that were selected.
    pub mailboxes: u64,
    /// What the hooks did.
    pub hooks: Vec<HookReport>,
    /// One entry for each destination.
    pub destinations: Vec<DestinationReport>,
    /// What somebody should do now, the most urgent first.
    pub next_steps: Vec<String>,
}

/// What a hook did.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct HookReport {
    /// `before` or `after`.
    pub when: String,
    /// Its program.
    pub program: String,
    /// Whether it succeeded.
    pub success: bool,
    /// How it ended.
    pub ended: String,
}

/// What a run did for one destination.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct DestinationReport {
    /// Its name in the configuration.
    pub name: String,
    /// Where it is.
    pub url: String,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// Why nothing could be done, if so.
    pub error: Option<String>,
    /// What kind of error it was; not kept.
    #[serde(skip)]
    pub error_kind: Option<ErrorKind>,
    /// What was read and stored.
    pub backup: Option<BackupReport>,
    /// What was copied, for a destination that is brought up to date from another one.
    pub copy: Option<CopyLine>,
    /// What the server was asked, and what it made us wait.
    pub traffic: Traffic,
    /// The folders of the mailboxes in which something changed.
    pub folders: Vec<FolderLine>,
    /// What a check found.
    pub check: Option<VaultCheck>,
    /// What a drill found.
    pub drill: Option<Drill>,
    /// What was forgotten.
    pub retention: Option<RetentionLine>,
    /// How much the repository holds after the run; nothing where it could not be opened.
    pub size: Option<Size>,
}

/// What was copied from another destination.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CopyLine {
    /// The other destination.
    pub from: String,
    /// Snapshots.
    pub snapshots: u64,
    /// Items that had to be read.
    pub items: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes that were added.
    pub bytes_stored: u64,
    /// Items that could not be read; the next copy tries again.
    pub failures: Vec<ItemFailure>,
    /// Whether it was stopped before its end.
    pub interrupted: bool,
}

/// What a policy did, and what became of the space.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RetentionLine {
    /// Snapshots that no rule kept.
    pub snapshots_forgotten: u64,
    /// Those that stay.
    pub snapshots_kept: u64,
    /// Versions of items that stay though their snapshots went.
    pub item_versions_kept: u64,
    /// Holds in force.
    pub holds: u64,
    /// Bytes of packs that were deleted.
    pub deleted_bytes: u64,
    /// Objects that the destination refused to delete.
    pub undeletable: u64,
    /// A backup that is running keeps some of the space until the next time.
    pub prune_waits: bool,
    /// It was stopped before its end; the next one goes on.
    pub stopped: bool,
}

/// Requests and waits.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Traffic {
    /// Requests, repeats included.
    pub requests: u64,
    /// Repeats.
    pub retries: u64,
    /// Times the server was busy or unreachable, so that we waited.
    pub waits: u64,
    /// How long, in milliseconds; waits of several requests at the same time add up.
    pub waited_ms: u64,
    /// Bytes of answers.
    pub bytes_in: u64,
}

/// A folder of a snapshot.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct FolderLine {
    /// The mailbox.
    pub mailbox: String,
    /// The folder's path.
    pub path: String,
    /// Items in it.
    pub items: u64,
    /// Their bytes as the server counts them.
    pub bytes: u64,
}

/// How much a repository holds.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Size {
    /// Bytes of all packs.
    pub stored_bytes: u64,
    /// Chunks.
    pub chunks: u64,
    /// Snapshots.
    pub snapshots: u64,
}

impl RunReport {
    /// The kind of the first error, of the run or of a destination.
    pub fn first_error(&self) -> Option<ErrorKind> {
        let of_destinations = self.destinations.iter().find_map(|d| d.error_kind);
        self.error_kind.or(of_destinations)
    }

    /// How long it took, in milliseconds.
    pub fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.ended_unix_ms - self.started_unix_ms).unwrap_or(0)
    }

    /// Settles how it ended and what should be done, from what was found.
    pub(crate) fn conclude(&mut self) {
        let mut outcome = match self.error {
            Some(_) => Outcome::Failure,
            None => Outcome::Success,
        };
        for destination in &self.destinations {
            outcome = outcome.max(destination.outcome.unwrap_or(Outcome::Failure));
        }
        if self.hooks.iter().any(|hook| !hook.success) {
            outcome = outcome.max(Outcome::Warning);
        }
        self.outcome = Some(outcome);
        self.next_steps = advice::next_steps(self);
    }
}

impl DestinationReport {
    /// How it ended, from what was found.
    pub(crate) fn conclude(&mut self) {
        let backup = self.backup.as_ref().map(|backup| {
            if backup.interrupted {
                Outcome::Stopped
            } else if backup.is_complete() {
                Outcome::Success
            } else {
                Outcome::Warning
            }
        });
        let check = self.check.as_ref().map(|check| match check.is_clean() {
            true => Outcome::Success,
            false => Outcome::Failure,
        });
        let retention = self.retention.as_ref().map(|retention| {
            match (retention.stopped, retention.undeletable) {
                (true, _) => Outcome::Stopped,
                (false, 0) => Outcome::Success,
                (false, _) => Outcome::Warning,
            }
        });
        let drill = self.drill.as_ref().map(|drill| match drill.passed {
            true => Outcome::Success,
            false => Outcome::Failure,
        });
        let copy =
            self.copy
                .as_ref()
                .map(|copy| match (copy.interrupted, copy.failures.is_empty()) {
                    (true, _) => Outcome::Stopped,
                    (false, true) => Outcome::Success,
                    (false, false) => Outcome::Warning,
                });
        let done = backup.or(copy).or(check).or(retention).or(drill);
        self.outcome = Some(match (&self.error, done) {
            (None, Some(outcome)) => outcome,
            _ => Outcome::Failure,
        });
    }
}

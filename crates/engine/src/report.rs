//! What a run reports: counts, failures, and what is not covered.

use ews_client::ThrottleState;
use serde::{Deserialize, Serialize};

use crate::restore::RestoreMode;
use crate::search::SearchIndexReport;

/// An item that could not be transferred.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
#[serde(default)]
pub struct ItemFailure {
    /// The mailbox.
    pub mailbox: String,
    /// The folder's path.
    pub folder: String,
    /// The item's subject, empty where it is not known.
    pub subject: String,
    /// The item's EWS ItemId.
    pub item_id: String,
    /// The reason, as the server gave it or as we found it.
    pub reason: String,
}

/// Something that exists but was not backed up.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
#[serde(default)]
pub struct Gap {
    /// The mailbox.
    pub mailbox: String,
    /// What it is: a folder's path or the mailbox itself.
    pub what: String,
    /// Why it is not covered.
    pub reason: String,
}

impl Gap {
    /// What a gap says it is when a mailbox could not be opened at all.
    pub const WHOLE_MAILBOX: &'static str = "the whole mailbox";
}

/// What happened to one mailbox in a backup.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct MailboxReport {
    /// The mailbox.
    pub mailbox: String,
    /// The snapshot made, if one was.
    pub snapshot: Option<String>,
    /// Whether everything selected was read.
    pub complete: bool,
    /// Folders in the snapshot.
    pub folders: u64,
    /// Folders whose contents were looked at, because they may have changed.
    pub folders_read: u64,
    /// Items in the snapshot.
    pub items: u64,
    /// Items new or changed, and so downloaded.
    pub items_downloaded: u64,
    /// Items whose read state alone changed.
    pub items_flagged: u64,
    /// Items that have gone from the server since the snapshot before.
    pub items_deleted: u64,
    /// Bytes of the downloaded items.
    pub bytes_downloaded: u64,
    /// Why the mailbox as a whole failed, if it did.
    pub error: Option<String>,
}

/// How far the server held a run back.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
pub struct Throttling {
    /// Requests that the server turned away as busy; each was sent again.
    pub refusals: u64,
    /// Milliseconds in which at least one request waited because the server asked for a pause.
    pub held_back_ms: u64,
    /// The least number of requests at one time that the server left to a mailbox.
    pub lowest_limit: u32,
}

impl Throttling {
    /// What happened between two looks at a client's state.
    pub(crate) fn between(before: &ThrottleState, after: &ThrottleState) -> Self {
        let held_back = after.held_back.saturating_sub(before.held_back);
        Self {
            refusals: after.refusals.saturating_sub(before.refusals),
            held_back_ms: u64::try_from(held_back.as_millis()).unwrap_or(u64::MAX),
            lowest_limit: after.lowest_limit,
        }
    }
}

/// What a backup did.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct BackupReport {
    /// One entry a mailbox, in the order asked for.
    pub mailboxes: Vec<MailboxReport>,
    /// Items that were not backed up, though selected.
    pub failures: Vec<ItemFailure>,
    /// What exists and was not selected or cannot be covered.
    pub gaps: Vec<Gap>,
    /// Chunks that were new to the repository.
    pub chunks_new: u64,
    /// Chunks that the repository already had.
    pub chunks_deduplicated: u64,
    /// Bytes the deduplicated chunks would have taken, before compression.
    pub bytes_deduplicated: u64,
    /// Bytes added to the repository.
    pub bytes_stored: u64,
    /// Requests made to the server, retries included.
    pub requests: u64,
    /// How far the server held it back.
    #[serde(default)]
    pub throttling: Throttling,
    /// Milliseconds the run took.
    pub elapsed_ms: u64,
    /// Whether the run was stopped before its end; what was read is committed.
    pub interrupted: bool,
    /// The search indexes brought up to date, if that was asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub search_indexes: Vec<SearchIndexReport>,
}

impl BackupReport {
    /// Whether everything selected is now in the repository.
    pub fn is_complete(&self) -> bool {
        !self.interrupted
            && self.failures.is_empty()
            && self.mailboxes.iter().all(|mailbox| mailbox.error.is_none())
    }
}

/// What a restore did, or would do.
#[derive(Clone, Debug, Default, Serialize)]
pub struct RestoreReport {
    /// Where to: the mailbox.
    pub mailbox: String,
    /// What it did about items that were there already.
    pub mode: RestoreMode,
    /// The id of the run, by which it can be taken back; `None` if nothing was written.
    pub run: Option<String>,
    /// Why the run is not recorded, or not to its end, though it wrote something: it cannot be
    /// taken back, or only what its items say of themselves.
    pub unrecorded: Option<String>,
    /// Whether nothing was written because only a plan was asked for.
    pub dry_run: bool,
    /// One entry a folder.
    pub folders: Vec<FolderRestore>,
    /// Items created.
    pub items_restored: u64,
    /// Live items replaced by what they were in the snapshot.
    pub items_replaced: u64,
    /// Items left alone because they are there already.
    pub items_skipped: u64,
    /// Items that are not there, and were not created since the mode does not.
    pub items_absent: u64,
    /// Meetings and appointments whose live item has moved on since the snapshot.
    pub meetings_moved: Vec<MeetingMoved>,
    /// Restored items that were read back and found equal to the snapshot's.
    pub items_verified: u64,
    /// Items stored as native streams that were created from MIME text and properties, since the
    /// server has no UploadItems: what neither of these holds was lost.
    pub items_converted: u64,
    /// Items whose native streams the server refused, one by one with its reason: an older server,
    /// an item too large. They were created from MIME text and properties, and count as converted.
    pub fallbacks: Vec<ItemFailure>,
    /// Items of which the server refused some properties, or the MIME text.
    pub items_reduced: u64,
    /// Bytes of the restored items.
    pub bytes_restored: u64,
    /// Items that could not be restored.
    pub failures: Vec<ItemFailure>,
    /// Requests made to the server, retries included.
    pub requests: u64,
    /// How far the server held it back.
    #[serde(default)]
    pub throttling: Throttling,
    /// Milliseconds the restore took.
    pub elapsed_ms: u64,
    /// Whether it was stopped before its end; running it again continues.
    pub interrupted: bool,
}

/// What a restore does to one folder.
#[derive(Clone, Debug, Default, Serialize)]
pub struct FolderRestore {
    /// The folder's path in the target mailbox.
    pub path: String,
    /// Whether the folder has to be created.
    pub created: bool,
    /// Items to create.
    pub items: u64,
    /// Live items to replace.
    pub replaced: u64,
    /// Items there already.
    pub skipped: u64,
    /// Items that are not there, and not to be created.
    pub absent: u64,
}

/// A meeting or appointment whose live item is not in the state of the snapshot any more.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
#[serde(default)]
pub struct MeetingMoved {
    /// The folder's path.
    pub folder: String,
    /// The subject in the snapshot.
    pub subject: String,
    /// The live item's EWS ItemId.
    pub item_id: String,
    /// How it has moved on, in words.
    pub how: Vec<String>,
    /// What the restore does about it.
    pub outcome: MeetingOutcome,
}

/// What a restore does about a meeting that has moved on.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum MeetingOutcome {
    /// The live item stays as it is.
    #[default]
    LeftAlone,
    /// The live item is replaced by what it was in the snapshot.
    Replaced,
    /// The snapshot's is put beside it.
    CreatedBeside,
}

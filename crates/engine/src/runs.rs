//! Runs of restores: what each did, kept in the repository, so that it can be taken back.
//!
//! A run is several records (see [`crate::ledger`]): one before anything is written to the server,
//! one with the earlier versions of items before these are replaced, some with what was made, one
//! at the end, and one for each time it was taken back. What a killed run did not live to write
//! down shows on the server itself: every item carries the run in its origin, every folder that
//! was created in a property. See `docs/decisions/0014`.

mod kept;
mod log;
mod read;
mod undo;

pub(crate) use kept::{Keeping, Kept};
pub(crate) use log::{MadeItem, RunLog};
pub use read::{RestoreRun, RunItem, RunState};
pub use undo::{UndoOptions, UndoReport};

use serde::{Deserialize, Serialize};

use crate::origin::RunId;

/// A record of a run, as stored: JSON in the value of a record.
#[derive(Serialize, Deserialize)]
pub(crate) struct StoredRun {
    pub(crate) run: RunId,
    #[serde(flatten)]
    pub(crate) what: What,
}

/// What a record of a run says.
#[derive(Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "kebab-case")]
pub(crate) enum What {
    /// Before anything is written to the server.
    Began(Began),
    /// The tree holds the versions that items had before the run replaced them.
    Kept {
        #[serde(default)]
        items: u64,
    },
    /// The tree names items that were created or replaced, with their change keys.
    Made {
        #[serde(default)]
        items_created: u64,
        #[serde(default)]
        items_replaced: u64,
    },
    /// At the end.
    Ended(Ended),
    /// It was taken back.
    Undone(Undone),
    /// Something of a later version.
    #[serde(other)]
    Other,
}

/// What a run is about to do.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Began {
    pub(crate) mailbox: String,
    /// As whom public folders were opened, where a user was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reader: Option<String>,
    pub(crate) server: String,
    pub(crate) from_mailbox: String,
    pub(crate) snapshot: String,
    pub(crate) snapshot_time_unix_ms: i64,
    pub(crate) mode: String,
    pub(crate) to_folder: Option<String>,
    pub(crate) selection: Vec<String>,
    pub(crate) command: String,
}

/// What a run did.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Ended {
    /// Whether it went through: not interrupted, and no error stopped it.
    pub(crate) complete: bool,
    pub(crate) items_created: u64,
    pub(crate) items_replaced: u64,
    pub(crate) folders_created: u64,
    pub(crate) failures: u64,
}

/// How a run was taken back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Undone {
    /// Whether nothing was left.
    pub(crate) complete: bool,
    pub(crate) items_deleted: u64,
    pub(crate) items_put_back: u64,
    pub(crate) folders_deleted: u64,
    pub(crate) items_left: u64,
    pub(crate) command: String,
}

//! What an export remembers of each item: a line in its journal, and an entry of its manifest.

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::list::StoredItem;
use crate::report::ItemFailure;
use crate::state::{ItemState, ItemSummary};

/// States that a Maildir writes into file names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Flags {
    pub(super) draft: bool,
    pub(super) flagged: bool,
    pub(super) passed: bool,
    pub(super) replied: bool,
}

/// One exported item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    /// The file, below the mailbox's folder, with `/` between names.
    pub(super) file: String,
    /// Where the item begins in a file of several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) offset: Option<u64>,
    /// Bytes of the item in the file.
    pub(super) bytes: u64,
    /// SHA-256 of these bytes, hexadecimal.
    pub(super) sha256: String,
    /// The item's key in the repository's listings.
    pub(super) key: String,
    /// The folder's path in the mailbox.
    pub(super) folder: String,
    pub(super) class: String,
    pub(super) subject: String,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) message_id: String,
    /// Times in UTC, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) sent: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) received: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) is_read: Option<bool>,
    /// The item's change key: another one is another content.
    pub(super) change_key: String,
    /// What of the item could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) problem: Option<String>,
}

impl Record {
    /// Whether this is the present state of an item.
    pub(super) fn is_of(&self, item: &StoredItem) -> bool {
        self.change_key == item.state.change_key && self.is_read == item.state.is_read
    }
}

/// What of an item is known before it is read.
pub(super) struct Subject {
    /// The folder's path.
    pub(super) folder: String,
    pub(super) key: String,
    pub(super) state: ItemState,
    pub(super) summary: ItemSummary,
}

impl Subject {
    /// The time that names and separator lines show, in seconds since 1970.
    pub(super) fn seconds(&self) -> i64 {
        let time = self.summary.received_unix_ms.or(self.summary.sent_unix_ms);
        time.unwrap_or(0).div_euclid(1000)
    }

    pub(super) fn record(&self, file: String, bytes: &[u8], problem: Option<String>) -> Record {
        let summary = &self.summary;
        let from = match (summary.sender.as_str(), summary.sender_address.as_str()) {
            (name, "") => name.to_owned(),
            ("", address) => address.to_owned(),
            (name, address) if name == address => address.to_owned(),
            (name, address) => format!("{name} <{address}>"),
        };
        Record {
            file,
            offset: None,
            bytes: bytes.len() as u64,
            sha256: super::digest::sha256(bytes),
            key: self.key.clone(),
            folder: self.folder.clone(),
            class: self.state.item_class.clone(),
            subject: summary.subject.clone(),
            from,
            to: summary.to.clone(),
            message_id: summary.message_id.clone(),
            sent: summary.sent_unix_ms.and_then(time),
            received: summary.received_unix_ms.and_then(time),
            is_read: self.state.is_read,
            change_key: self.state.change_key.clone(),
            problem,
        }
    }

    pub(super) fn failure(&self, mailbox: String, error: &Error) -> ItemFailure {
        ItemFailure {
            mailbox,
            folder: self.folder.clone(),
            subject: self.summary.subject.clone(),
            item_id: self.state.item_id.clone(),
            reason: crate::backup::one_line(error),
        }
    }
}

/// A time as people and programs read it.
pub(super) fn time(unix_ms: i64) -> Option<String> {
    jiff::Timestamp::from_millisecond(unix_ms)
        .ok()
        .map(|time| time.to_string())
}

//! What differs between two snapshots, or between one and the live mailbox.

mod live;

use std::collections::HashMap;

use chunkstore::{Entry, TreeReader};
use futures::TryStreamExt;
use mailindex::FolderKey;
use serde::Serialize;

use crate::catalog::shown_key;
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::keys::TreeKey;
use crate::snapshot::Snapshot;
use crate::state::item_state;
use crate::vault::Vault;

/// How an item differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Difference {
    /// Only the second snapshot has it.
    Added,
    /// Only the first snapshot has it.
    Removed,
    /// Its content differs.
    Changed,
    /// Only its read state differs.
    Flagged,
}

/// One item that differs.
#[derive(Clone, Debug, Serialize)]
pub struct ItemDifference {
    /// How.
    pub difference: Difference,
    /// The path of its folder.
    pub folder: String,
    /// The key by which commands take it.
    pub key: String,
    /// Its subject.
    pub subject: String,
}

/// Counts of one folder.
#[derive(Clone, Debug, Default, Serialize, PartialEq, Eq)]
pub struct FolderDifference {
    /// Items only in the second snapshot.
    pub added: u64,
    /// Items only in the first snapshot.
    pub removed: u64,
    /// Items with another content.
    pub changed: u64,
    /// Items with another read state.
    pub flagged: u64,
}

/// What differs between two snapshots of a mailbox.
#[derive(Clone, Debug, Default, Serialize)]
pub struct DiffReport {
    /// Paths of folders that only the second snapshot has.
    pub folders_added: Vec<String>,
    /// Paths of folders that only the first snapshot has.
    pub folders_removed: Vec<String>,
    /// Paths of live folders that the snapshot was not meant to have, which are not compared.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub folders_not_selected: Vec<String>,
    /// Counts by folder path, of folders with differences.
    pub folders: std::collections::BTreeMap<String, FolderDifference>,
    /// The items, by folder.
    pub items: Vec<ItemDifference>,
}

impl Vault {
    /// Compares two snapshots of one mailbox. A moved item is removed in one folder and added in
    /// another, as Exchange gives it a new id.
    ///
    /// # Errors
    /// `Invalid` if the snapshots are of different mailboxes.
    pub async fn diff(&self, first: &Snapshot, second: &Snapshot) -> Result<DiffReport> {
        if first.mailbox != second.mailbox {
            return Err(Error::new(
                ErrorKind::Invalid,
                format!(
                    "snapshots of two mailboxes: {} and {}",
                    first.mailbox, second.mailbox
                ),
            ));
        }
        let mut paths = HashMap::new();
        let mut report = DiffReport::default();
        let before = self.all_folders(first).await?;
        let after = self.all_folders(second).await?;
        for folder in &before {
            paths.insert(folder.key, folder.title());
            if !after.iter().any(|other| other.key == folder.key) {
                report.folders_removed.push(folder.title());
            }
        }
        for folder in &after {
            paths.insert(folder.key, folder.title());
            if !before.iter().any(|other| other.key == folder.key) {
                report.folders_added.push(folder.title());
            }
        }
        if first.root != second.root {
            self.diff_items(first, second, &paths, &mut report).await?;
        }
        report
            .items
            .sort_by(|a, b| (&a.folder, &a.subject).cmp(&(&b.folder, &b.subject)));
        Ok(report)
    }

    /// Walks both trees side by side.
    async fn diff_items(
        &self,
        first: &Snapshot,
        second: &Snapshot,
        paths: &HashMap<FolderKey, String>,
        report: &mut DiffReport,
    ) -> Result<()> {
        let read = || "compare the snapshots".to_owned();
        let mut before = TreeReader::new(self.source(), first.root.clone()).all();
        let mut after = TreeReader::new(self.source(), second.root.clone()).all();
        let mut old = before.try_next().await.doing(read)?;
        let mut new = after.try_next().await.doing(read)?;
        loop {
            let (difference, entry) = match (&old, &new) {
                (None, None) => return Ok(()),
                (Some(a), Some(b)) if a.key == b.key => (difference(a, b)?, new.clone()),
                (Some(a), Some(b)) if a.key > b.key => (Some(Difference::Added), new.clone()),
                (None, Some(_)) => (Some(Difference::Added), new.clone()),
                (Some(_), _) => (Some(Difference::Removed), old.clone()),
            };
            if let (Some(difference), Some(entry)) = (difference, &entry) {
                self.note(difference, entry, paths, report).await?;
            }
            let (take_old, take_new) = match (&old, &new) {
                (Some(a), Some(b)) => (a.key <= b.key, b.key <= a.key),
                (a, b) => (a.is_some(), b.is_some()),
            };
            if take_old {
                old = before.try_next().await.doing(read)?;
            }
            if take_new {
                new = after.try_next().await.doing(read)?;
            }
        }
    }

    async fn note(
        &self,
        difference: Difference,
        entry: &Entry,
        paths: &HashMap<FolderKey, String>,
        report: &mut DiffReport,
    ) -> Result<()> {
        let TreeKey::Item(key) = TreeKey::from_bytes(&entry.key)? else {
            return Ok(());
        };
        let folder = paths.get(&key.folder).cloned().unwrap_or_default();
        report.count(&folder, difference);
        let subject = self.summary(entry).await.unwrap_or_default().subject;
        report.items.push(ItemDifference {
            difference,
            folder,
            key: shown_key(&key),
            subject,
        });
        Ok(())
    }
}

impl DiffReport {
    fn count(&mut self, folder: &str, difference: Difference) {
        let counts = self.folders.entry(folder.to_owned()).or_default();
        *match difference {
            Difference::Added => &mut counts.added,
            Difference::Removed => &mut counts.removed,
            Difference::Changed => &mut counts.changed,
            Difference::Flagged => &mut counts.flagged,
        } += 1;
    }
}

/// How two entries of the same key differ; only items count.
fn difference(old: &Entry, new: &Entry) -> Result<Option<Difference>> {
    if old == new || !matches!(TreeKey::from_bytes(&new.key)?, TreeKey::Item(_)) {
        return Ok(None);
    }
    let same_content = match (old.contents.first(), new.contents.first()) {
        (Some(a), Some(b)) => a.hash == b.hash && a.len == b.len,
        (a, b) => a.is_none() && b.is_none(),
    };
    if !same_content {
        return Ok(Some(Difference::Changed));
    }
    Ok((item_state(old)?.is_read != item_state(new)?.is_read).then_some(Difference::Flagged))
}

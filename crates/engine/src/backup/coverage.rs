//! What of a mailbox is covered, what is not and why, and the parts of a folder that no sync tells
//! of: associated items, and whatever public folders hold.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use mailindex::{Change, FolderRow};

use super::mailbox::Mailbox;
use crate::error::{Error, ErrorKind, Result};
use crate::folders::{RemoteFolder, RemoteFolders};
use crate::mailbox_name::{MailboxName, MailboxPart};
use crate::report::Gap;
use crate::selection::{FolderChooser, FolderVerdict};
use crate::state::Reading;

/// Whether a folder's associated items have to be looked at though its marks are what they were:
/// they were never read, or not to their end.
pub(super) fn hidden_can_have_changed(folder: &RemoteFolder, row: Option<&FolderRow>) -> bool {
    match row {
        Some(row) => !row.sync_done,
        None => folder.associated.is_some_and(|count| count > 0),
    }
}

/// What a part of somebody's mail is called in a report of another part.
fn title(part: MailboxPart) -> &'static str {
    match part {
        MailboxPart::Archive => "archive mailbox",
        MailboxPart::Recoverable | MailboxPart::ArchiveRecoverable => "recoverable items",
        MailboxPart::Primary => "primary mailbox",
        MailboxPart::Public => "public folders",
    }
}

/// What lies in the store beside the folders that users see, in two lines at most: servers have
/// dozens of such folders.
fn gaps_unseen(unseen: &[RemoteFolder]) -> Vec<(&'static str, String)> {
    let (searches, mut others): (Vec<_>, Vec<_>) =
        unseen.iter().partition(|folder| folder.is_search);
    others.retain(|folder| folder.total > 0);
    let mut gaps = Vec::new();
    if !others.is_empty() {
        others.sort_by_key(|folder| std::cmp::Reverse(folder.total));
        let items: u64 = others.iter().map(|folder| u64::from(folder.total)).sum();
        let reason = format!(
            "programs and the server keep {items} items in {}: {}",
            counted(others.len(), "folder"),
            some_names(&others)
        );
        gaps.push(("folders outside the visible tree", reason));
    }
    if !searches.is_empty() {
        let reason = format!(
            "{} with no items of their own: {}",
            counted(searches.len(), "search folder"),
            some_names(&searches)
        );
        gaps.push(("saved searches", reason));
    }
    gaps
}

fn counted(count: usize, what: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{count} {what}{s}")
}

/// The names of folders; of many, the first few.
fn some_names(folders: &[&RemoteFolder]) -> String {
    const NAMED: usize = 5;
    let names = folders
        .iter()
        .take(NAMED)
        .map(|folder| folder.name.as_str());
    let mut names: Vec<&str> = names.collect();
    if folders.len() > NAMED {
        names.push("...");
    }
    names.join(", ")
}

impl Mailbox {
    /// What else of the owner's mail exists and is asked for by this run's options.
    pub(super) fn asked_beside(&self, remote: &RemoteFolders) -> Vec<MailboxName> {
        let options = &self.round.options;
        let wanted = |part: &MailboxPart| match part {
            MailboxPart::Archive => options.archives,
            MailboxPart::Recoverable | MailboxPart::ArchiveRecoverable => options.recoverable,
            MailboxPart::Primary | MailboxPart::Public => false,
        };
        let parts = remote.beside.iter().copied().filter(wanted);
        parts.map(|part| self.name.other(part)).collect()
    }

    /// What else of the owner's mail exists, and no one asked for.
    pub(super) fn gaps_beside(&self, remote: &RemoteFolders) -> Vec<Gap> {
        let asked = self.asked_beside(remote);
        let named = &self.round.options.mailboxes;
        let is_covered = |name: &MailboxName| {
            asked.contains(name)
                || named
                    .iter()
                    .any(|n| n.parse::<MailboxName>().is_ok_and(|n| n == *name))
        };
        let beside = remote.beside.iter();
        let unselected = beside
            .filter(|part| !is_covered(&self.name.other(**part)))
            .map(|part| self.gap(title(*part), "not selected"));
        let closed = remote.closed.iter();
        let closed = closed.map(|(part, reason)| {
            self.gap(
                title(*part),
                &format!("the server does not open it: {reason}"),
            )
        });
        let unseen = gaps_unseen(&remote.unseen)
            .into_iter()
            .map(|(what, reason)| self.gap(what, &reason));
        unselected.chain(closed).chain(unseen).collect()
    }

    /// The folders that are meant and hold items; the others become gaps.
    pub(super) fn chosen_folders<'a>(
        &self,
        remote: &'a RemoteFolders,
        gaps: &mut Vec<Gap>,
    ) -> Result<Vec<&'a RemoteFolder>> {
        let paths = || remote.folders.iter().map(|folder| folder.path.as_str());
        let distinguished = remote
            .folders
            .iter()
            .filter_map(|folder| Some((folder.path.as_str(), folder.distinguished.as_deref()?)));
        let chooser = FolderChooser::new(&self.round.options.selection, distinguished);
        let missing = chooser.missing(paths());
        let mut chosen = Vec::new();
        for folder in &remote.folders {
            let verdict = chooser.verdict(&folder.path);
            let reason = match verdict {
                _ if folder.is_search => "a search folder holds no items of its own".to_owned(),
                FolderVerdict::NotSelected => "not selected".to_owned(),
                FolderVerdict::Excluded(pattern) => format!("excluded by {pattern}"),
                FolderVerdict::Selected => {
                    chosen.push(folder);
                    continue;
                }
            };
            gaps.push(self.gap(&folder.path, &reason));
        }
        if chosen.is_empty() && !missing.is_empty() {
            let wanted = missing.join(", ");
            let message = format!("the mailbox has no folder {wanted}");
            return Err(Error::new(ErrorKind::NotFound, message));
        }
        gaps.extend(missing.iter().map(|wanted| {
            let reason = "selected, but the mailbox has no such folder";
            self.gap(wanted, reason)
        }));
        Ok(chosen)
    }

    /// What the conditions on items leave out of folders that are covered.
    pub(super) async fn gaps_within(
        &self,
        remote: &RemoteFolders,
        gaps: &mut Vec<Gap>,
    ) -> Result<()> {
        if !self.round.options.selection.has_conditions() {
            return Ok(());
        }
        for folder in &remote.folders {
            let left_out = self.reading(folder.key).await?.left_out;
            gaps.extend(left_out.counts.iter().map(|(reason, count)| {
                let items = if *count == 1 { "item" } else { "items" };
                self.gap(&folder.path, &format!("{count} {items} {reason}"))
            }));
        }
        Ok(())
    }

    /// Counts the rows that hold the associated items of folders, which are no folders to users.
    pub(super) async fn count_hidden(&self, remote: &RemoteFolders) -> Result<()> {
        let keys: Vec<_> = remote.folders.iter().map(|f| f.hidden().key).collect();
        let count = self
            .index
            .run(move |index| {
                let mut count = 0u64;
                for key in &keys {
                    count += u64::from(index.folder(key)?.is_some());
                }
                Ok(count)
            })
            .await?;
        self.hidden_folders.store(count, Ordering::Relaxed);
        Ok(())
    }

    /// Reads a folder's associated items, which no sync tells of: by listing them, which takes
    /// one request, and none where the server says that there are none.
    pub(super) async fn read_hidden(self: &Arc<Self>, folder: &RemoteFolder) -> Result<()> {
        let hidden = folder.hidden();
        let key = hidden.key;
        let is_stored = self
            .index
            .run(move |index| Ok(index.folder(&key)?.is_some()))
            .await?;
        let is_known_not_to_be = self.round.exchange.associated().is_lacking();
        if (folder.associated == Some(0) || is_known_not_to_be) && !is_stored {
            return Ok(());
        }
        match self.list_whole(&hidden).await? {
            Some(0) => {
                let gone = [Change::DeleteFolder(key)];
                self.index.run(move |index| index.stage(&gone)).await
            }
            _ => Ok(()),
        }
    }

    /// Reads a folder that cannot be synchronised.
    pub(super) async fn read_by_listing(self: &Arc<Self>, folder: &RemoteFolder) -> Result<()> {
        self.list_whole(folder).await.map(drop)
    }

    /// Lists a folder as a whole, downloads what is not stored, and writes its row. Returns how
    /// many items it has; `None` if the run stopped before the end.
    async fn list_whole(self: &Arc<Self>, folder: &RemoteFolder) -> Result<Option<u64>> {
        let key = folder.key;
        let known = self.index.run(move |index| index.folder(&key)).await?;
        let mut row = self.folder_row(folder, known.as_ref());
        row.sync_done = false;
        let reading = Reading {
            conditions: self.conditions(),
            ..Reading::default()
        };
        row.extra = reading.to_bytes();
        let open = [Change::PutFolder(key, row.clone())];
        self.index.run(move |index| index.stage(&open)).await?;
        let Some(count) = self.compare_all(folder).await? else {
            return Ok(None);
        };
        // What the listing left out is written by now.
        row.extra = self.reading(key).await?.to_bytes();
        row.sync_done = self.failures_in(&folder.path) == 0;
        row.last_full_sync_unix_ms = self.round.vault.now_unix_ms();
        if folder.associated.is_none() {
            row.total_count = u32::try_from(count).unwrap_or(u32::MAX);
        }
        let done = [Change::PutFolder(key, row)];
        self.index.run(move |index| index.stage(&done)).await?;
        Ok(Some(count))
    }
}

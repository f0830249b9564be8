//! Writes items of a snapshot into a live mailbox.
//!
//! First the plan: which folder goes where, which folders have to be created, and, folder by
//! folder, which items are there already. Then the uploads. An item is there if it carries the
//! same origin (a named property that every restored item gets) or, in the mailbox it came from,
//! if its id is still alive; so a restore that is repeated or was interrupted adds nothing twice.
//! Nothing is ever sent or deleted: items come back through UploadItems, which does neither.

mod again;
mod compare;
mod portable;
mod rewrite;
mod stream;
mod target;
mod upload;
mod user_map;

pub(crate) use compare::is_of_the_store;
pub use user_map::UserMap;

use std::collections::HashMap;
use std::sync::Arc;

use futures::TryStreamExt;
use mailindex::FolderKey;
use tokio_util::sync::CancellationToken;

use crate::error::{Error, ErrorKind, Result};
use crate::folders::hidden_path;
use crate::keys::Holds;
use crate::list::{StoredFolder, StoredItem};
use crate::monitor::{Event, Monitor};
use crate::report::{FolderRestore, RestoreReport, Throttling};
use crate::selection::{ItemMatcher, Selection};
use crate::snapshot::Snapshot;
use crate::source::Exchange;
use crate::vault::Vault;
use target::{Place, Present, Target};
use upload::Uploads;

/// What to restore and where to.
#[derive(Clone, Debug)]
pub struct RestoreOptions {
    /// What of the snapshot; empty means everything.
    pub selection: Selection,
    /// The name of the mailbox to write to; the snapshot's own if `None`. What a server keeps of
    /// deleted items cannot be written to: recoverable items go back into the mailbox or archive
    /// that they were deleted from, below a folder of their own.
    pub to_mailbox: Option<String>,
    /// A folder below which everything is put, created where it is missing.
    pub to_folder: Option<String>,
    /// Plan only: nothing is written.
    pub dry_run: bool,
    /// Read every restored item back and compare it with the snapshot.
    pub verify: bool,
    /// Requests under way at the same time; default 4.
    pub requests_at_once: usize,
}

impl Default for RestoreOptions {
    fn default() -> Self {
        Self {
            selection: Selection::default(),
            to_mailbox: None,
            to_folder: None,
            dry_run: false,
            verify: false,
            requests_at_once: 4,
        }
    }
}

impl Vault {
    /// Restores items of a snapshot into a mailbox. Items that are there already are left alone.
    ///
    /// # Errors
    /// `NotFound` for a selection that is not in the snapshot or a mailbox that does not exist,
    /// `Auth`, `Denied`, `Unreachable`, `NotEws`. Single items that fail are in the report.
    ///
    /// # Cancellation
    /// Cancelling the token stops after the requests under way; running the restore again
    /// continues.
    pub async fn restore(
        &self,
        snapshot: &Snapshot,
        exchange: &Exchange,
        options: &RestoreOptions,
        cancel: &CancellationToken,
        monitor: Arc<dyn Monitor>,
    ) -> Result<RestoreReport> {
        let started = self.now_unix_ms();
        let requests_before = exchange.client().stats().requests;
        let throttle_before = exchange.client().throttle();
        let place = Place::new(snapshot, options)?;
        let mailbox = place.mailbox.stored();
        let folders = self.wanted_folders(snapshot, &options.selection).await?;
        let target = Target::open(exchange, place, snapshot, options).await?;
        let mut restore = Restore {
            vault: self,
            snapshot,
            options,
            cancel,
            monitor,
            target,
            report: RestoreReport {
                mailbox,
                dry_run: options.dry_run,
                ..RestoreReport::default()
            },
        };
        restore.monitor.event(Event::MailboxStarted {
            mailbox: &restore.report.mailbox,
        });
        let items = folders.iter().map(|(_, items)| *items).sum();
        let event = Event::ItemsExpected {
            mailbox: &restore.report.mailbox,
            items,
        };
        restore.monitor.event(event);
        let all = self.stored_folders(snapshot).await?;
        let visible = folders.iter().map(|(folder, _)| folder);
        let visible: Vec<_> = visible.filter(|f| f.holds == Holds::Items).collect();
        let mut paths = restore.target.place(&all, &visible);
        restore.target.place_hidden(&folders, &mut paths);
        for (folder, _) in &folders {
            if cancel.is_cancelled() {
                restore.report.interrupted = true;
                break;
            }
            let path = paths
                .get(&folder.key)
                .cloned()
                .unwrap_or_else(|| folder.path.clone());
            restore.folder(folder, &path).await?;
        }
        let mut report = restore.report;
        let event = Event::MailboxFinished {
            mailbox: &report.mailbox,
            complete: !report.interrupted,
        };
        restore.monitor.event(event);
        report.requests = exchange.client().stats().requests - requests_before;
        report.throttling = Throttling::between(&throttle_before, &exchange.client().throttle());
        report.elapsed_ms = u64::try_from(self.now_unix_ms() - started).unwrap_or(0);
        Ok(report)
    }

    /// The folders that hold something to restore, with how many items, parents first. With no
    /// items chosen one by one, empty folders come too: they are part of the mailbox.
    async fn wanted_folders(
        &self,
        snapshot: &Snapshot,
        selection: &Selection,
    ) -> Result<Vec<(StoredFolder, u64)>> {
        if !selection.items.is_empty() || selection.has_conditions() {
            let chosen = self.chosen_of_all(snapshot, selection).await?;
            return Ok(chosen
                .into_iter()
                .map(|(f, items)| (f, items.len() as u64))
                .collect());
        }
        let mut folders = Vec::new();
        for folder in self.chosen_folders(snapshot, selection).await? {
            let count = u64::from(folder.row.total_count);
            folders.push((folder, count));
        }
        Ok(folders)
    }
}

/// A restore in progress.
struct Restore<'a> {
    vault: &'a Vault,
    snapshot: &'a Snapshot,
    options: &'a RestoreOptions,
    cancel: &'a CancellationToken,
    monitor: Arc<dyn Monitor>,
    target: Target,
    report: RestoreReport,
}

impl Restore<'_> {
    async fn folder(&mut self, folder: &StoredFolder, path: &str) -> Result<()> {
        let event = Event::Folder {
            mailbox: &self.report.mailbox,
            path,
        };
        self.monitor.event(event);
        let existing = self.target.existing(path);
        let mut line = FolderRestore {
            path: match folder.holds {
                Holds::Items => path.to_owned(),
                Holds::Associated => hidden_path(path),
            },
            created: existing.is_none() && folder.holds == Holds::Items,
            ..FolderRestore::default()
        };
        let present = match &existing {
            Some(id) => self.target.present(id, path, folder.holds).await?,
            None => Present::default(),
        };
        let id = match existing {
            Some(id) => Some(id),
            None if self.options.dry_run => None,
            None => Some(self.target.create(path, folder).await?),
        };
        let mut uploads = Uploads::new(self.vault, self.snapshot, &self.target, self.options);
        uploads.holds = folder.holds;
        let selection = &self.options.selection;
        let matcher = ItemMatcher::new(selection);
        let mut items = self.vault.stored_items(self.snapshot, folder.key);
        while let Some(item) = items.try_next().await? {
            if !selection.items.is_empty() && matcher.meaning(&item).is_none() {
                continue;
            }
            if !self.vault.meets(selection, &item).await? {
                continue;
            }
            let origin = self.origin(&item)?;
            if present.has(&origin, &item.state.item_id)
                || self.is_there(folder, &item, &present).await
            {
                line.skipped += 1;
                continue;
            }
            line.items += 1;
            if let Some(id) = id.as_ref().filter(|_| !self.options.dry_run) {
                uploads.add(id, path, item, origin).await?;
            }
            self.take(&mut uploads);
            if self.cancel.is_cancelled() {
                self.report.interrupted = true;
                break;
            }
        }
        uploads.finish().await?;
        self.take(&mut uploads);
        self.report.items_skipped += line.skipped;
        if self.options.dry_run {
            self.report.items_restored += line.items;
        }
        if line.items + line.skipped > 0 || line.created {
            self.report.folders.push(line);
        }
        Ok(())
    }

    /// Whether an associated item has a counterpart. Programs look for theirs by class and
    /// subject, and would meet two of them.
    async fn is_there(&self, folder: &StoredFolder, item: &StoredItem, present: &Present) -> bool {
        if folder.holds == Holds::Items {
            return false;
        }
        let summary = self.vault.summary(&item.entry).await.unwrap_or_default();
        present.has_associated(&item.state.item_class, &summary.subject)
    }

    /// Moves what the uploads have done so far into the report.
    fn take(&mut self, uploads: &mut Uploads<'_>) {
        let done = uploads.take();
        for (items, bytes) in &done.restored {
            let (items, bytes) = (*items, *bytes);
            self.report.items_restored += items;
            self.report.bytes_restored += bytes;
            let event = Event::Transferred {
                mailbox: &self.report.mailbox,
                items,
                bytes,
            };
            self.monitor.event(event);
        }
        self.report.items_verified += done.verified;
        self.report.items_converted += done.converted;
        self.report.items_reduced += done.reduced;
        self.report.fallbacks.extend(done.fallbacks);
        for failure in done.failures {
            self.monitor.event(Event::ItemFailed { failure: &failure });
            self.report.failures.push(failure);
        }
    }

    /// What identifies this version of this item of this repository wherever it is restored.
    fn origin(&self, item: &StoredItem) -> Result<String> {
        let mut hasher = blake3::Hasher::new_derive_key("postkeep restore origin 1");
        hasher.update(&self.vault.repository.id().to_bytes());
        hasher.update(self.snapshot.mailbox.as_bytes());
        hasher.update(&item.key.folder.0);
        hasher.update(&item.key.item);
        hasher.update(&item.content()?.hash);
        Ok(hasher.finalize().to_hex()[..32].to_owned())
    }
}

/// Where each stored folder goes, as paths in the target mailbox.
type Places = HashMap<FolderKey, String>;

/// An error for a folder that should be there by now.
fn no_folder(path: &str) -> Error {
    Error::new(
        ErrorKind::Internal,
        format!("the folder {path} is not there"),
    )
}

//! Writes items of a snapshot into a live mailbox.
//!
//! First the plan: which folder goes where, which folders have to be created, and, folder by
//! folder, which items are there already. Then the uploads. An item is there if it carries the
//! same origin (a named property that every restored item gets) or, in the mailbox it came from,
//! if its id is still alive; so a restore that is repeated or was interrupted adds nothing twice.
//! Nothing is ever sent: items come back through UploadItems, which does not. What is replaced is
//! kept in the repository before.

mod compare;
pub(crate) mod live;
mod meeting;
mod mode;
mod plan;
mod portable;
pub(crate) mod present;
mod replace;
mod rewrite;
mod stream;
mod target;
pub(crate) mod upload;
mod user_map;
mod verify;

pub(crate) use compare::is_of_the_store;
pub use mode::RestoreMode;
pub(crate) use replace::{differs, differs_as_portable};
pub(crate) use target::run_path;
pub use user_map::UserMap;

use std::collections::HashMap;
use std::sync::Arc;

use mailindex::FolderKey;
use tokio_util::sync::CancellationToken;

use crate::error::{Error, ErrorKind, Result};
use crate::keys::Holds;
use crate::list::{StoredFolder, StoredItem};
use crate::mailbox_name::MailboxName;
use crate::monitor::{Event, Monitor};
use crate::origin::{Origin, RunId};
use crate::report::{FolderRestore, RestoreReport, Throttling};
use crate::runs::{Began, MadeItem, RunLog};
use crate::selection::Selection;
use crate::snapshot::Snapshot;
use crate::source::Exchange;
use crate::vault::Vault;
use plan::Work;
use target::{Place, Target};
use upload::{FolderPlace, Uploads};

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
    /// What becomes of items that are live already.
    pub mode: RestoreMode,
    /// What asked for it, as the record of the run says it; no secrets.
    pub command: String,
    /// Whether the run is recorded, so that it can be taken back; default yes. Only a restore into
    /// a server that ends with the program does without.
    pub recorded: bool,
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
            mode: RestoreMode::default(),
            command: String::new(),
            recorded: true,
            dry_run: false,
            verify: false,
            requests_at_once: 4,
        }
    }
}

impl Vault {
    /// Restores items of a snapshot into a mailbox; the mode says what becomes of those that are
    /// there already. What it does is recorded, see [`Vault::restore_runs`].
    ///
    /// # Errors
    /// `NotFound` for a selection that is not in the snapshot or a mailbox that does not exist,
    /// `Sealed` for a vault that a writer's key opened,
    /// `Auth`, `Denied`, `Unreachable`, `NotEws`; where items are replaced, those of a repository
    /// that cannot keep the replaced ones. Single items that fail are in the report.
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
        self.refuse_writer("a restore")?;
        let started = self.now_unix_ms();
        let requests_before = exchange.client().stats().requests;
        let throttle_before = exchange.client().throttle();
        let place = Place::new(snapshot, options)?;
        let mailbox = place.mailbox.stored();
        let folders = self.wanted_folders(snapshot, &options.selection).await?;
        let began = began(&place.mailbox, snapshot, exchange, options);
        let log = RunLog::new(self, began, options.mode.replaces());
        let log = if options.recorded {
            log
        } else {
            log.unwanted()
        };
        let run = log.run().clone();
        let target = Target::open(exchange, place, snapshot, options, run).await?;
        let mut restore = Restore {
            vault: self,
            snapshot,
            options,
            cancel,
            monitor,
            uploads: Uploads::new(self, target.way(snapshot, options)),
            target,
            log,
            places: Vec::new(),
            work: Vec::new(),
            report: RestoreReport {
                mailbox,
                mode: options.mode,
                dry_run: options.dry_run,
                ..RestoreReport::default()
            },
        };
        restore.announce(&folders);
        let done = restore.all(&folders).await;
        restore.close(done.is_ok()).await?;
        done?;
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

/// What is written down of a restore before it does anything.
fn began(
    mailbox: &MailboxName,
    snapshot: &Snapshot,
    exchange: &Exchange,
    options: &RestoreOptions,
) -> Began {
    Began {
        mailbox: mailbox.stored(),
        reader: mailbox.reader().map(str::to_owned),
        server: exchange.server().to_owned(),
        from_mailbox: snapshot.mailbox.clone(),
        snapshot: snapshot.id.clone(),
        snapshot_time_unix_ms: snapshot.time_unix_ms,
        mode: options.mode.to_string(),
        to_folder: options.to_folder.clone(),
        selection: options.selection.describe(),
        command: options.command.clone(),
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
    uploads: Uploads,
    log: RunLog,
    /// The live folders, by the number of their line in the report; none in a dry run that would
    /// create them.
    places: Vec<Option<FolderPlace>>,
    /// What was decided and is still to be done.
    work: Vec<Work>,
    report: RestoreReport,
}

impl Restore<'_> {
    fn announce(&self, folders: &[(StoredFolder, u64)]) {
        let mailbox = &self.report.mailbox;
        self.monitor.event(Event::MailboxStarted { mailbox });
        let items = folders.iter().map(|(_, items)| *items).sum();
        self.monitor.event(Event::ItemsExpected { mailbox, items });
    }

    /// Plans and acts, folder by folder; what is to be done is gathered up to a bound, so that the
    /// repository is read in its own order.
    async fn all(&mut self, folders: &[(StoredFolder, u64)]) -> Result<()> {
        let all = self.vault.stored_folders(self.snapshot).await?;
        let visible = folders.iter().map(|(folder, _)| folder);
        let visible: Vec<_> = visible.filter(|f| f.holds == Holds::Items).collect();
        let mut paths = self.target.place(&all, &visible);
        self.target.place_hidden(folders, &mut paths);
        for (folder, _) in folders {
            if self.is_cancelled() {
                return Ok(());
            }
            let path = paths.get(&folder.key).unwrap_or(&folder.path).clone();
            self.plan_folder(folder, &path).await?;
        }
        self.carry_out().await
    }

    fn is_cancelled(&mut self) -> bool {
        self.report.interrupted |= self.cancel.is_cancelled();
        self.report.interrupted
    }

    /// Waits for what is under way, and writes down how it ended.
    async fn close(&mut self, complete: bool) -> Result<()> {
        let finished = self.uploads.finish().await;
        self.take().await?;
        let failures = self.report.failures.len() as u64;
        let complete = complete && finished.is_ok() && !self.report.interrupted;
        let folders = &self.target.remote.folders;
        self.log.end(folders, failures, complete).await;
        self.report.run = self.log.recorded();
        self.report.unrecorded = self.log.unrecorded();
        let lines = std::mem::take(&mut self.report.folders);
        let says_something = |line: &FolderRestore| {
            line.created || line.items + line.replaced + line.skipped + line.absent > 0
        };
        self.report.folders = lines.into_iter().filter(says_something).collect();
        for line in &self.report.folders {
            self.report.items_skipped += line.skipped;
            self.report.items_absent += line.absent;
            if self.options.dry_run {
                self.report.items_restored += line.items;
                self.report.items_replaced += line.replaced;
            }
        }
        finished
    }

    /// Moves what the uploads have done so far into the report and the log.
    async fn take(&mut self) -> Result<()> {
        let done = self.uploads.take();
        let (mut items, mut bytes, mut is_full) = (0, 0, false);
        for made in done.made {
            items += 1;
            bytes += made.bytes;
            match made.replaced {
                true => self.report.items_replaced += 1,
                false => self.report.items_restored += 1,
            }
            is_full = self.log.note(MadeItem {
                folder_id: made.folder.id,
                holds: made.holds,
                item_id: made.id.id,
                change_key: made.id.change_key.unwrap_or_default(),
                class: made.class,
                origin: made.origin,
                replaced: made.replaced,
            });
        }
        self.report.bytes_restored += bytes;
        if items > 0 {
            self.monitor.event(Event::Transferred {
                mailbox: &self.report.mailbox,
                items,
                bytes,
            });
        }
        self.report.items_verified += done.verified;
        self.report.items_converted += done.converted;
        self.report.items_reduced += done.reduced;
        self.report.fallbacks.extend(done.fallbacks);
        for failure in done.failures {
            self.monitor.event(Event::ItemFailed { failure: &failure });
            self.report.failures.push(failure);
        }
        if is_full {
            self.log.seal(&self.target.remote.folders).await;
        }
        Ok(())
    }

    /// What identifies this version of this item of this repository wherever it is restored.
    fn origin(&self, item: &StoredItem) -> Result<Origin> {
        self.vault
            .origin(&self.snapshot.mailbox, item, self.log.run())
    }
}

impl Vault {
    /// The origin of a stored item of a mailbox that a run restores.
    pub(crate) fn origin(&self, mailbox: &str, item: &StoredItem, run: &RunId) -> Result<Origin> {
        let repository = self.repository.id().to_bytes();
        let hash = &item.content()?.hash;
        Ok(Origin::new(&repository, mailbox, &item.key, hash, run))
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

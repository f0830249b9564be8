//! Takes a restore back: what it created goes, what it replaced comes again.
//!
//! What a run did shows on the server: items carry it in their origin, folders in a property. The
//! records add what items were like right after, so that those that somebody changed since are
//! told from those that may go, and what was there before.

mod folders;
mod look;

use std::collections::BTreeMap;
use std::sync::Arc;

use ews_client::{DeleteItem, DisposalType, FolderId, ItemId, ResponseCode};
use mailindex::FolderKey;
use serde::Serialize;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::read::RestoreRun;
use super::{StoredRun, Undone, What};
use crate::again::{ATTEMPTS, may_pass, own_wait};
use crate::error::{Doing, Result};
use crate::folders::{RemoteFolder, RemoteFolders};
use crate::ledger::{Kind, Record};
use crate::mailbox_name::MailboxName;
use crate::monitor::{Event, Monitor};
use crate::origin::RunId;
use crate::report::ItemFailure;
use crate::restore::upload::{FolderPlace, Piece, Uploads, Way};
use crate::source::Exchange;
use crate::vault::Vault;
use look::{Found, Seen};

/// Items deleted with one request.
const DELETED_AT_ONCE: usize = 100;

/// How to take a restore back.
#[derive(Clone, Debug)]
pub struct UndoOptions {
    /// Plan only: nothing is written.
    pub dry_run: bool,
    /// Also take back what somebody changed since.
    pub force: bool,
    /// What asked for it, as the record says it; no secrets.
    pub command: String,
    /// Requests under way at the same time; default 4.
    pub requests_at_once: usize,
}

impl Default for UndoOptions {
    fn default() -> Self {
        Self {
            dry_run: false,
            force: false,
            command: String::new(),
            requests_at_once: 4,
        }
    }
}

/// How a restore was taken back, or would be.
#[derive(Clone, Debug, Default, Serialize)]
pub struct UndoReport {
    /// The run.
    pub run: String,
    /// The mailbox.
    pub mailbox: String,
    /// Whether nothing was written because only a plan was asked for.
    pub dry_run: bool,
    /// Items that the restore had created, and that were deleted. The server keeps them among its
    /// recoverable items.
    pub items_deleted: u64,
    /// Items that are again what they were before the restore replaced them.
    pub items_put_back: u64,
    /// Folders that the restore had created, and that were empty and deleted.
    pub folders_deleted: u64,
    /// Items that the restore made and that are not where it put them: deleted or moved since, or
    /// taken back earlier.
    pub items_gone: u64,
    /// Items that were left as they are, each with its reason.
    pub left: Vec<ItemFailure>,
    /// Folders that the restore had created and that are not empty.
    pub folders_left: Vec<String>,
    /// Why it is not recorded that the restore was taken back, though it was.
    pub unrecorded: Option<String>,
    /// Whether it was stopped before its end; running it again continues.
    pub interrupted: bool,
    /// Requests made to the server, retries included.
    pub requests: u64,
    /// Milliseconds it took.
    pub elapsed_ms: u64,
}

impl Vault {
    /// Takes a restore back: deletes the items that it created, puts back what it replaced, and
    /// deletes the folders that it created if they are empty then. Items that were changed since
    /// are left as they are and named, unless options say otherwise. Taking it back again, or after
    /// an interruption, does what is left to be done.
    ///
    /// # Errors
    /// `NotFound` if the mailbox does not exist, `Sealed` for a vault that a writer's key opened,
    /// `Auth`, `Denied`, `Unreachable`; those of the repository.
    ///
    /// # Cancellation
    /// Cancelling the token stops after the requests under way; running it again continues.
    pub async fn undo_restore(
        &self,
        run: &RestoreRun,
        exchange: &Exchange,
        options: &UndoOptions,
        cancel: &CancellationToken,
        monitor: Arc<dyn Monitor>,
    ) -> Result<UndoReport> {
        self.refuse_writer("taking a restore back")?;
        let started = self.now_unix_ms();
        let requests_before = exchange.client().stats().requests;
        let name: MailboxName = run.mailbox.parse()?;
        let name = name.read_by(run.reader.as_deref());
        let permits = Arc::new(Semaphore::new(options.requests_at_once.max(1)));
        let remote = RemoteFolders::read(exchange, &name, &permits)
            .await
            .doing(|| format!("open the mailbox {name}"))?;
        let way = Way {
            exchange: exchange.clone(),
            permits,
            mailbox: run.mailbox.clone(),
            verify: false,
            at_once: options.requests_at_once,
        };
        let report = UndoReport {
            run: run.id.clone(),
            mailbox: run.mailbox.clone(),
            dry_run: options.dry_run,
            ..UndoReport::default()
        };
        let mailbox = &run.mailbox;
        monitor.event(Event::MailboxStarted { mailbox });
        let mut undo = Undo {
            vault: self,
            run,
            id: RunId::parse(&run.id)?,
            options,
            cancel,
            monitor,
            uploads: Uploads::new(self, way.clone()),
            way,
            name,
            remote,
            emptied: BTreeMap::new(),
            report,
        };
        let done = undo.all().await;
        undo.record(done.is_ok()).await;
        done?;
        let complete = !undo.report.interrupted;
        let mut report = undo.report;
        undo.monitor
            .event(Event::MailboxFinished { mailbox, complete });
        report.requests = exchange.client().stats().requests - requests_before;
        report.elapsed_ms = u64::try_from(self.now_unix_ms() - started).unwrap_or(0);
        Ok(report)
    }
}

/// A restore being taken back.
struct Undo<'a> {
    vault: &'a Vault,
    run: &'a RestoreRun,
    id: RunId,
    options: &'a UndoOptions,
    cancel: &'a CancellationToken,
    monitor: Arc<dyn Monitor>,
    uploads: Uploads,
    way: Way,
    name: MailboxName,
    remote: RemoteFolders,
    /// How many items go from each folder.
    emptied: BTreeMap<FolderKey, u64>,
    report: UndoReport,
}

impl Undo<'_> {
    async fn all(&mut self) -> Result<()> {
        let seen = Seen::read(self.vault, self.run).await?;
        let folders: Vec<RemoteFolder> = self
            .remote
            .folders
            .iter()
            .flat_map(|folder| [folder.clone(), folder.hidden()])
            .filter(|folder| !folder.is_search && seen.concerns(folder))
            .collect();
        let mut origins = None;
        for (number, folder) in folders.iter().enumerate() {
            if self.is_cancelled() {
                return Ok(());
            }
            let event = Event::Folder {
                mailbox: &self.run.mailbox,
                path: &folder.path,
            };
            self.monitor.event(event);
            let found = self.look(folder, &seen, &mut origins).await?;
            self.take_back(number, folder, found).await?;
        }
        self.report.items_gone += seen.in_folders_that_are_gone(&self.remote);
        self.uploads.finish().await?;
        self.take();
        if !self.is_cancelled() {
            self.folders().await?;
        }
        Ok(())
    }

    /// Sets the origins of what is put back apart from those of what is restored.
    fn kept_mailbox(&self) -> String {
        format!("{}\u{1}{}", self.run.mailbox, self.id)
    }

    fn is_cancelled(&mut self) -> bool {
        self.report.interrupted |= self.cancel.is_cancelled();
        self.report.interrupted
    }

    async fn take_back(
        &mut self,
        number: usize,
        folder: &RemoteFolder,
        found: Found,
    ) -> Result<()> {
        self.report.items_gone += found.gone;
        self.report.left.extend(found.left);
        let going = found.created.len() as u64;
        *self.emptied.entry(folder.key).or_default() += going;
        if self.options.dry_run {
            self.report.items_deleted += going;
            self.report.items_put_back += found.replaced.len() as u64;
            return Ok(());
        }
        let place = FolderPlace {
            folder: FolderId::new(folder.id.clone()),
            client: self.remote.routes.of(folder.key).clone(),
            path: folder.path.clone(),
            holds: folder.holds,
        };
        for (item, live) in found.replaced {
            let mailbox = self.kept_mailbox();
            let origin = self.vault.origin(&mailbox, &item, &self.id.undoing())?;
            let mut piece = Piece::new(item, origin, live.clone())?;
            // One that was deleted meanwhile is made anew, and must be known again.
            piece.verbatim = live.is_some();
            self.uploads.add(number, &place, piece).await?;
        }
        self.take();
        for ids in found.created.chunks(DELETED_AT_ONCE) {
            if self.is_cancelled() {
                return Ok(());
            }
            self.delete(folder, ids).await?;
        }
        Ok(())
    }

    /// Moves what was put back into the report.
    fn take(&mut self) {
        let done = self.uploads.take();
        let items = done.made.len() as u64;
        self.report.items_put_back += items;
        let bytes = done.made.iter().map(|made| made.bytes).sum();
        self.report.left.extend(done.failures);
        if items > 0 {
            self.monitor.event(Event::Transferred {
                mailbox: &self.run.mailbox,
                items,
                bytes,
            });
        }
    }

    /// Deletes items; those that are gone already are so by an earlier try.
    async fn delete(&mut self, folder: &RemoteFolder, ids: &[ItemId]) -> Result<()> {
        let request = DeleteItem {
            ids: ids.to_vec(),
            disposal: DisposalType::SoftDelete,
        };
        let mut attempt = 1;
        let outcomes = loop {
            let answer = {
                let _permit = self.way.permits.acquire().await;
                self.remote
                    .routes
                    .of(folder.key)
                    .delete_item(&request)
                    .await
            };
            match answer {
                Ok(outcomes) => break outcomes,
                Err(error) if attempt < ATTEMPTS && may_pass(error.kind()) => {
                    let wait = error.retry_after().unwrap_or(own_wait(attempt));
                    tokio::time::sleep(wait).await;
                    attempt += 1;
                }
                Err(error) => return Err(error).doing(|| "delete restored items".into()),
            }
        };
        let mut deleted = 0;
        for (id, outcome) in ids.iter().zip(outcomes) {
            match outcome {
                Err(error) if error.code != ResponseCode::ErrorItemNotFound => {
                    self.left(folder, &id.id, format!("it cannot be deleted: {error}"));
                }
                _ => deleted += 1,
            }
        }
        self.report.items_deleted += deleted;
        self.monitor.event(Event::Transferred {
            mailbox: &self.run.mailbox,
            items: deleted,
            bytes: 0,
        });
        Ok(())
    }

    fn left(&mut self, folder: &RemoteFolder, item_id: &str, reason: String) {
        self.report.left.push(ItemFailure {
            mailbox: self.run.mailbox.clone(),
            folder: folder.path.clone(),
            subject: String::new(),
            item_id: item_id.to_owned(),
            reason,
        });
    }

    /// Writes down what was done.
    async fn record(&mut self, went_through: bool) {
        let report = &self.report;
        let did = report.items_deleted + report.items_put_back + report.folders_deleted;
        if self.options.dry_run || (did == 0 && !self.run.undone_unix_ms.is_empty()) {
            return;
        }
        let undone = Undone {
            complete: went_through && !report.interrupted && report.left.is_empty(),
            items_deleted: report.items_deleted,
            items_put_back: report.items_put_back,
            folders_deleted: report.folders_deleted,
            items_left: report.left.len() as u64,
            command: self.options.command.clone(),
        };
        let stored = StoredRun {
            run: self.id.clone(),
            what: What::Undone(undone),
        };
        let now = self.vault.now_unix_ms();
        let root = chunkstore::TreeRoot::empty();
        let written = match Record::new(Kind::Run, now, root, &stored) {
            Ok(record) => self.vault.write_record(record).await.map(drop),
            Err(error) => Err(error),
        };
        if let Err(error) = written {
            self.report.unrecorded = Some(crate::backup::one_line(&error));
        }
    }
}

//! One run of a backup: rounds of sessions until every mailbox is read.
//!
//! A round opens a session, reads mailboxes (a few at once) and commits. When a round has lasted
//! long enough, or has read so many mailboxes that their open indexes would become too many, those
//! under way stop at the next page, their partial snapshots are committed, and the next round
//! continues from them: a crash costs at most one round, and an interrupted run, a crashed one and
//! a new one all continue in the same way.

mod choose;
mod coverage;
mod fetch;
mod folder;
mod mailbox;
mod portable;
mod reconcile;
mod settings;
mod settle;
mod single;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use chunkstore::{Session, SessionOptions, SnapshotId};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

pub(crate) use choose::{condition_fields, time_of};
pub(crate) use fetch::worth_asking_again;
pub use settings::SettingsReading;

use crate::blocking::IndexHandle;
use crate::budget::MemoryBudget;
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::mailbox_name::{MailboxName, MailboxPart};
use crate::monitor::{Event, Monitor};
use crate::report::{BackupReport, Gap, ItemFailure, MailboxReport, Throttling};
use crate::selection::Selection;
use crate::snapshot::Snapshot;
use crate::source::Exchange;
use crate::stop::Stop;
use crate::vault::Vault;

/// Rounds of a run that are read again because a custodian ended their sessions.
const MAX_LOST_ROUNDS: u32 = 3;

/// Mailboxes read in one round. Each has its index open until the round is committed, and a process
/// may have 1,024 files open on many systems.
const MAX_MAILBOXES_A_ROUND: usize = 256;

/// How a backup is run.
#[derive(Clone, Debug)]
pub struct BackupOptions {
    /// Names of the mailboxes, see [`MailboxName`]; empty means the account's own.
    pub mailboxes: Vec<String>,
    /// The archives of these mailboxes too, where there are any; default no.
    pub archives: bool,
    /// The recoverable items of these mailboxes, and of their archives, too; default no.
    pub recoverable: bool,
    /// What of each mailbox; empty means everything.
    pub selection: Selection,
    /// What is known beforehand not to be covered, such as mailboxes that were not chosen; the
    /// report tells it with the rest.
    pub known_gaps: Vec<Gap>,
    /// Mailboxes read at the same time; default 4.
    pub mailboxes_at_once: usize,
    /// Requests under way for each of them; default 4.
    pub requests_per_mailbox: usize,
    /// Bytes of items on their way at one time; runs that share one share its bytes. Default: 256
    /// MiB of this run's own.
    pub memory: MemoryBudget,
    /// After how long what was read so far is committed; default 15 minutes, at most 30, since
    /// collection waits for open sessions.
    pub seal_after: Duration,
    /// After how long a folder is looked at even if the server says that nothing changed;
    /// default 7 days.
    pub full_sync_after: Duration,
    /// When the mailboxes' settings are read; default [`SettingsReading::Auto`].
    pub settings: SettingsReading,
    /// After how long the settings of an unchanged mailbox are read again; default 20 hours, so
    /// that a daily run does it every day though it begins a little earlier or later.
    pub settings_after: Duration,
    /// Whether the mailboxes' search indexes are brought up to date at the end, which reads the
    /// new items back from the repository; default no. A search does it otherwise.
    pub search_index: bool,
    /// Whether a mailbox in which nothing changed gets no new snapshot, as suits runs that come
    /// every few minutes; default no: a daily snapshot of each mailbox also says that it was looked
    /// at.
    pub only_changed: bool,
    /// What the snapshot says about the program that made it.
    pub program: String,
}

impl Default for BackupOptions {
    fn default() -> Self {
        Self {
            mailboxes: Vec::new(),
            archives: false,
            recoverable: false,
            selection: Selection::default(),
            known_gaps: Vec::new(),
            mailboxes_at_once: 4,
            requests_per_mailbox: 4,
            memory: MemoryBudget::default(),
            seal_after: Duration::from_secs(15 * 60),
            full_sync_after: Duration::from_secs(7 * 24 * 3600),
            settings: SettingsReading::Auto,
            settings_after: Duration::from_secs(20 * 3600),
            search_index: false,
            only_changed: false,
            program: concat!("postkeep ", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

/// What all mailboxes of a round share.
#[derive(Clone)]
struct Round {
    vault: Vault,
    exchange: Exchange,
    options: Arc<BackupOptions>,
    session: Session,
    stop: Stop,
    monitor: Arc<dyn Monitor>,
}

/// What one mailbox's part of a round came to.
struct MailboxOutcome {
    mailbox: MailboxName,
    result: Result<Read>,
}

/// A mailbox that was read, wholly or up to a stop.
struct Read {
    report: MailboxReport,
    failures: Vec<ItemFailure>,
    gaps: Vec<Gap>,
    index: IndexHandle,
    /// `None` if nothing changed and none was wanted.
    snapshot: Option<SnapshotId>,
    time_unix_ms: i64,
    /// What else of the owner's mail is to be read, since the options ask for it and it exists.
    also: Vec<MailboxName>,
}

impl Vault {
    /// Backs up mailboxes.
    ///
    /// What cannot be read of a mailbox, and mailboxes that cannot be opened, are in the report;
    /// an error means that nothing useful could be done at all.
    ///
    /// # Errors
    /// `Auth`, `Denied`, `NotFound`, `Unreachable`, `NotEws` if no mailbox could be opened;
    /// those of the repository.
    ///
    /// # Cancellation
    /// Cancelling the token ends the run cleanly: what was read is committed, and the next run
    /// continues from there. Dropping the future leaves an open session without effect.
    pub async fn backup(
        &self,
        exchange: &Exchange,
        options: &BackupOptions,
        cancel: &CancellationToken,
        monitor: Arc<dyn Monitor>,
    ) -> Result<BackupReport> {
        let started = self.now_unix_ms();
        let requests_before = exchange.client().stats().requests;
        let throttle_before = exchange.client().throttle();
        let mut run = Run {
            vault: self,
            exchange,
            options: Arc::new(options.clone()),
            cancel,
            monitor,
            report: BackupReport::default(),
            errors: Vec::new(),
            lost_rounds: 0,
        };
        let mut waiting = run.mailboxes()?;
        while !waiting.is_empty() {
            waiting = run.round(waiting).await?;
            if cancel.is_cancelled() {
                break;
            }
        }
        let monitor = Arc::clone(&run.monitor);
        let mut report = run.finish(&waiting)?;
        report.gaps.extend(options.known_gaps.iter().cloned());
        if options.search_index {
            self.index_backed_up(&mut report, cancel, monitor).await;
        }
        report.requests = exchange.client().stats().requests - requests_before;
        report.throttling = Throttling::between(&throttle_before, &exchange.client().throttle());
        report.elapsed_ms = u64::try_from(self.now_unix_ms() - started).unwrap_or(0);
        Ok(report)
    }
}

/// A run in progress.
struct Run<'a> {
    vault: &'a Vault,
    exchange: &'a Exchange,
    options: Arc<BackupOptions>,
    cancel: &'a CancellationToken,
    monitor: Arc<dyn Monitor>,
    report: BackupReport,
    errors: Vec<Error>,
    /// Rounds whose sessions a custodian ended.
    lost_rounds: u32,
}

impl Run<'_> {
    /// The mailboxes asked for, each once.
    fn mailboxes(&self) -> Result<Vec<MailboxName>> {
        if self.options.mailboxes.is_empty() {
            // The account's own, by whatever name it signs in with.
            let own = MailboxName::new(self.exchange.account(), MailboxPart::Primary);
            return Ok(vec![own]);
        }
        let mut known = HashSet::new();
        let mut mailboxes: Vec<MailboxName> = Vec::new();
        for asked in &self.options.mailboxes {
            let name: MailboxName = asked.parse()?;
            if known.insert(name.stored()) {
                mailboxes.push(name);
            }
        }
        Ok(mailboxes)
    }

    /// Reads mailboxes until all are done or enough waits to be committed; returns those with work
    /// left.
    async fn round(&mut self, mailboxes: Vec<MailboxName>) -> Result<Vec<MailboxName>> {
        let session = self
            .vault
            .repository
            .session(SessionOptions::default())
            .await
            .doing(|| "open a session in the repository".into())?;
        // Only now: a snapshot forgotten before the session began may be half collected already.
        let newest = self.vault.newest_snapshots().await?;
        let seal_after = i64::try_from(self.options.seal_after.as_millis()).unwrap_or(i64::MAX);
        let round = Round {
            vault: self.vault.clone(),
            exchange: self.exchange.clone(),
            options: Arc::clone(&self.options),
            session: session.clone(),
            stop: Stop::new(
                self.cancel.clone(),
                Arc::clone(&self.vault.environment.now_unix_ms),
                seal_after,
            ),
            monitor: Arc::clone(&self.monitor),
        };
        let (outcomes, unread) = read_all(&round, mailboxes.clone(), newest).await;
        let has_news = |read: &Read| read.snapshot.is_some();
        if outcomes
            .iter()
            .any(|outcome| outcome.result.as_ref().is_ok_and(has_news))
        {
            let committed = match session.commit().await {
                Err(error) if self.may_read_again(&error) => return Ok(mailboxes),
                committed => committed.doing(|| "commit the session".into())?,
            };
            self.report.chunks_new += committed.stats.chunks_new;
            self.report.chunks_deduplicated += committed.stats.chunks_deduplicated;
            self.report.bytes_deduplicated += committed.stats.deduplicated_bytes;
            self.report.bytes_stored += committed.stats.stored_bytes;
        } else {
            session
                .abandon()
                .await
                .doing(|| "close the session".into())?;
        }
        let mut waiting = self.account(outcomes).await?;
        waiting.extend(unread);
        if !waiting.is_empty() && !self.cancel.is_cancelled() {
            self.monitor.event(Event::Checkpoint);
        }
        Ok(waiting)
    }

    /// Whether a round that could not be committed is simply read again: a prune took it for dead.
    fn may_read_again(&mut self, error: &chunkstore::Error) -> bool {
        if error.kind() != chunkstore::ErrorKind::Conflict || self.lost_rounds == MAX_LOST_ROUNDS {
            return false;
        }
        self.lost_rounds += 1;
        let message = "a prune took this backup for dead; what was not committed is read again";
        self.monitor.event(Event::Warning { message });
        true
    }

    /// Publishes the indexes of what was committed, and adds to the report.
    async fn account(&mut self, outcomes: Vec<MailboxOutcome>) -> Result<Vec<MailboxName>> {
        let mut waiting = Vec::new();
        for MailboxOutcome { mailbox, result } in outcomes {
            match result {
                Ok(read) => {
                    if let Some(stamp) = read.snapshot.map(|id| id.to_string()) {
                        let time = read.time_unix_ms;
                        read.index
                            .run(move |index| index.publish(&stamp, time).map(drop))
                            .await?;
                    }
                    if !read.report.complete {
                        waiting.push(mailbox);
                    }
                    self.report.add(read.report, read.failures, read.gaps);
                }
                Err(error) => {
                    let reason = one_line(&error);
                    let report = MailboxReport {
                        mailbox: mailbox.stored(),
                        error: Some(reason.clone()),
                        ..MailboxReport::default()
                    };
                    let gap = Gap {
                        mailbox: mailbox.stored(),
                        what: Gap::WHOLE_MAILBOX.to_owned(),
                        reason,
                    };
                    self.report.add(report, Vec::new(), vec![gap]);
                    self.errors.push(error);
                }
            }
        }
        Ok(waiting)
    }

    fn finish(self, waiting: &[MailboxName]) -> Result<BackupReport> {
        let Self {
            mut report, errors, ..
        } = self;
        if report
            .mailboxes
            .iter()
            .all(|mailbox| mailbox.error.is_some())
            && let Some(error) = errors.into_iter().next()
        {
            return Err(error);
        }
        report.interrupted = !waiting.is_empty();
        let begun: HashSet<String> = report.mailboxes.iter().map(|m| m.mailbox.clone()).collect();
        let unread = waiting.iter().map(MailboxName::stored);
        let unread = unread.filter(|mailbox| !begun.contains(mailbox));
        report.mailboxes.extend(unread.map(|mailbox| MailboxReport {
            mailbox,
            ..MailboxReport::default()
        }));
        Ok(report)
    }
}

/// Reads mailboxes side by side, as many at once as the options say, and what the options ask for
/// beside them. Returns what came of each, and those that were not begun. A panic in one of them
/// becomes that mailbox's error.
async fn read_all(
    round: &Round,
    mailboxes: Vec<MailboxName>,
    newest: Vec<Snapshot>,
) -> (Vec<MailboxOutcome>, Vec<MailboxName>) {
    let mut newest: HashMap<String, Snapshot> = newest
        .into_iter()
        .map(|snapshot| (snapshot.mailbox.clone(), snapshot))
        .collect();
    let mut known: HashSet<MailboxName> = mailboxes.iter().cloned().collect();
    // What belongs to a mailbox stands behind it.
    let places = (0..).map(|number| vec![number]);
    let mut waiting: VecDeque<(Vec<usize>, MailboxName)> = places.zip(mailboxes).collect();
    let mut tasks = JoinSet::new();
    let mut begun = HashMap::new();
    let mut outcomes = Vec::new();
    loop {
        while tasks.len() < round.options.mailboxes_at_once.max(1)
            && !round.stop.now()
            && let Some((place, mailbox)) = waiting.pop_front()
        {
            let parent = newest.remove(&mailbox.stored());
            let span = tracing::info_span!("mailbox", mailbox = mailbox.stored());
            let read = mailbox::read(round.clone(), mailbox.clone(), parent);
            let task = tasks.spawn(read.instrument(span));
            begun.insert(task.id(), (place, mailbox));
        }
        let Some(joined) = tasks.join_next_with_id().await else {
            break;
        };
        let (id, result) = match joined {
            Ok((id, result)) => (id, result),
            Err(panic) => {
                let message = "a defect stopped the mailbox";
                let error = |panic| Error::with_source(ErrorKind::Internal, message, panic);
                (panic.id(), Err(error(panic)))
            }
        };
        let Some((place, mailbox)) = begun.remove(&id) else {
            continue;
        };
        round.monitor.event(Event::MailboxFinished {
            mailbox: &mailbox.stored(),
            complete: result.as_ref().is_ok_and(|read| read.report.complete),
        });
        let also = result.iter().flat_map(|read| read.also.iter().rev());
        for (number, other) in also.enumerate() {
            if known.insert(other.clone()) {
                let behind = [&place[..], &[number]].concat();
                waiting.push_front((behind, other.clone()));
            }
        }
        let result = result.doing(|| format!("back up {}", mailbox.stored()));
        outcomes.push((place, MailboxOutcome { mailbox, result }));
        if outcomes.len() >= MAX_MAILBOXES_A_ROUND {
            round.stop.seal();
        }
    }
    outcomes.sort_by(|(one, _), (other, _)| one.cmp(other));
    let outcomes = outcomes.into_iter().map(|(_, outcome)| outcome).collect();
    (
        outcomes,
        waiting.into_iter().map(|(_, name)| name).collect(),
    )
}

/// An error and its causes in one line.
pub(crate) fn one_line(error: &Error) -> String {
    let mut line = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        line.push_str(": ");
        line.push_str(&cause.to_string());
        source = cause.source();
    }
    line.replace(['\r', '\n'], " ")
}

impl BackupReport {
    /// Adds a mailbox's part of a round; rounds of the same mailbox add up.
    fn add(&mut self, report: MailboxReport, failures: Vec<ItemFailure>, gaps: Vec<Gap>) {
        match self
            .mailboxes
            .iter_mut()
            .find(|known| known.mailbox == report.mailbox)
        {
            Some(known) => {
                known.items_downloaded += report.items_downloaded;
                known.items_flagged += report.items_flagged;
                known.items_deleted += report.items_deleted;
                known.bytes_downloaded += report.bytes_downloaded;
                known.folders_read += report.folders_read;
                known.complete = report.complete;
                known.error = report.error;
                if report.snapshot.is_some() {
                    known.snapshot = report.snapshot;
                    known.folders = report.folders;
                    known.items = report.items;
                }
            }
            None => self.mailboxes.push(report),
        }
        for failure in failures {
            // An item that failed in an earlier round of this run failed once.
            self.failures
                .retain(|known| known.item_id != failure.item_id);
            self.failures.push(failure);
        }
        self.gaps.extend(gaps);
    }
}

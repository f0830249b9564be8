//! Runs a set: hooks, destinations, report, notifications.

mod drill;
mod mailboxes;
mod retain;

use std::any::Any;
use std::sync::Arc;

use async_trait::async_trait;
use engine::{
    BackupOptions, Environment, Error, ErrorKind, Exchange, Monitor, ReadData, Result, Roster,
    SnapshotSelector, Vault,
};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio_util::sync::CancellationToken;

use crate::config::{Config, DestinationConfig, SetConfig};
use crate::notify;
use crate::plan::{Outcome, Work};
use crate::process::{self, Invocation};
use crate::report::{
    DestinationReport, FolderLine, HookReport, Reason, RunReport, Size, TOPIC, Traffic, history,
};
pub(crate) use mailboxes::of_last_runs;
pub use mailboxes::{mailboxes_of, roster_of};

/// Items whose folders a report lists at most: beyond, listing them costs more than it tells.
const MAX_ITEMS_LISTED: u64 = 200_000;
/// Runs that the charts of a report show.
pub const CHARTED_RUNS: usize = 60;
/// The form of reports that this version writes.
const REPORT_VERSION: u32 = 1;

/// Looks up an environment variable.
pub type Lookup = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Makes connections; the program knows how, with all its ways to sign in and to unlock.
#[async_trait]
pub trait Connections: Send + Sync {
    /// A connection of its own to a set's server.
    async fn exchange(&self, name: &str, set: &SetConfig) -> Result<Exchange>;

    /// A place to restore into that is nobody's mailbox.
    async fn probe(&self) -> Result<ProbeMailbox>;

    /// An open repository.
    async fn vault(&self, name: &str, destination: &DestinationConfig) -> Result<Vault>;
}

/// A place to restore into, for as long as this lives.
pub struct ProbeMailbox {
    /// The connection.
    pub exchange: Exchange,
    /// The mailbox.
    pub mailbox: String,
    /// What has to live as long: a server of the program's own.
    pub server: Box<dyn Any + Send + Sync>,
}

/// Runs sets of a configuration.
#[derive(Clone)]
pub struct Runner {
    /// The configuration.
    pub config: Arc<Config>,
    /// How connections are made.
    pub connections: Arc<dyn Connections>,
    /// The clock and randomness.
    pub environment: Environment,
    /// The machine's time zone.
    pub zone: TimeZone,
    /// The machine's name, for reports.
    pub machine: String,
    /// Environment variables, for secrets of notifications.
    pub lookup: Lookup,
}

impl Runner {
    /// The set of a name.
    ///
    /// # Errors
    /// `NotFound` if there is none.
    pub fn set(&self, name: &str) -> Result<&SetConfig> {
        self.config.sets.get(name).ok_or_else(|| {
            let names = self.config.sets.keys().map(String::as_str);
            let near = crate::suggest::nearest(name, names.clone());
            let known = match near {
                Some(near) => format!("did you mean {near}?"),
                None => format!("there are {}", names.collect::<Vec<_>>().join(", ")),
            };
            Error::new(
                ErrorKind::NotFound,
                format!("there is no set {name}; {known}"),
            )
        })
    }

    /// Does some work for a set, keeps the report and tells of it. Problems of the work are in
    /// the report; lines about problems of telling come back beside it.
    ///
    /// # Errors
    /// `NotFound` for a set that is not there.
    ///
    /// # Cancellation
    /// Cancelling the token stops cleanly; what was read is kept.
    pub async fn run(
        &self,
        (name, work, reason): (&str, Work, Reason),
        cancel: &CancellationToken,
        monitor: Arc<dyn Monitor>,
    ) -> Result<(RunReport, Vec<String>)> {
        let set = self.set(name)?;
        let mut report = RunReport {
            version: REPORT_VERSION,
            set: name.to_owned(),
            work: Some(work),
            reason,
            machine: self.machine.clone(),
            program: concat!("postkeep ", env!("CARGO_PKG_VERSION")).to_owned(),
            shard: set.shard.map(|shard| shard.to_string()),
            started_unix_ms: (self.environment.now_unix_ms)(),
            ..RunReport::default()
        };
        let mut notes = Vec::new();
        let done = self.work(set, &mut report, cancel, monitor).await;
        let vaults = done.unwrap_or_else(|error| {
            report.error = Some(one_line(&error));
            report.error_kind = Some(error.kind());
            Vec::new()
        });
        self.finish(set, &mut report).await;
        notes.extend(keep(&report, &vaults).await);
        notes.extend(self.tell(&report, &vaults).await);
        Ok((report, notes))
    }

    async fn tell(&self, report: &RunReport, vaults: &[(String, Vault)]) -> Vec<String> {
        let mut notify = self.config.notify.iter();
        let has_page = notify.any(|n| n.mail.is_some() && notify::wants(n, report));
        let mut histories = Vec::new();
        if has_page {
            for (name, vault) in vaults {
                let points = history(vault, (&report.set, name), CHARTED_RUNS).await;
                // Charts that cannot be drawn must not keep a failure secret.
                histories.push((name.clone(), points.unwrap_or_default()));
            }
        }
        let news = notify::News {
            report,
            histories: &histories,
            zone: &self.zone,
        };
        notify::tell(&self.config, &news, &self.lookup).await
    }

    /// What the daemon's log and exit codes need of a report.
    pub fn outcome(report: &RunReport) -> Outcome {
        report.outcome.unwrap_or(Outcome::Failure)
    }

    async fn work(
        &self,
        set: &SetConfig,
        report: &mut RunReport,
        cancel: &CancellationToken,
        monitor: Arc<dyn Monitor>,
    ) -> Result<Vec<(String, Vault)>> {
        let mailboxes = mailboxes_of(set).await?;
        report.mailboxes = mailboxes.len().max(1) as u64;
        if let Some(command) = &set.hooks.before {
            let hook = self.hook("before", command, set, report).await;
            let refused = !hook.success && set.hooks.before_must_succeed;
            let ended = hook.ended.clone();
            report.hooks.push(hook);
            if refused {
                let message = format!("the hook `before` failed: {ended}");
                return Err(Error::new(ErrorKind::Invalid, message));
            }
        }
        let work = report.work.unwrap_or(Work::Backup);
        let one = |name: &'_ String| {
            let (name, mailboxes, monitor) =
                (name.clone(), mailboxes.clone(), Arc::clone(&monitor));
            let set_name = report.set.clone();
            async move {
                let task = Task {
                    runner: self,
                    set_name,
                    set,
                    mailboxes,
                    cancel,
                    monitor,
                };
                task.destination(name, work).await
            }
        };
        let mut done = Vec::new();
        if set.together {
            done = futures::future::join_all(set.destinations.iter().map(one)).await;
        } else {
            for name in &set.destinations {
                done.push(one(name).await);
            }
        }
        let (destinations, vaults): (Vec<_>, Vec<_>) = done.into_iter().unzip();
        let backups = destinations.iter().flat_map(|done| &done.backup);
        let most = backups.map(|backup| backup.mailboxes.len()).max();
        if let Some(most) = most.filter(|_| set.asks_server()) {
            report.mailboxes = most as u64;
        }
        report.destinations = destinations;
        let named = set.destinations.iter().cloned().zip(vaults);
        let opened = named.filter_map(|(name, vault)| Some((name, vault?)));
        Ok(opened.collect())
    }

    /// Concludes the report and runs the hook that gets it.
    async fn finish(&self, set: &SetConfig, report: &mut RunReport) {
        report.ended_unix_ms = (self.environment.now_unix_ms)();
        report.conclude();
        if let Some(command) = &set.hooks.after {
            let hook = self.hook("after", command, set, report).await;
            report.hooks.push(hook);
            report.conclude();
        }
    }

    async fn hook(
        &self,
        when: &str,
        command: &[String],
        set: &SetConfig,
        report: &RunReport,
    ) -> HookReport {
        let stdin = serde_json::to_vec(report).unwrap_or_default();
        let invocation = Invocation {
            command,
            stdin: &stdin,
            timeout: set.hooks.timeout.0,
        };
        let done = process::run(&invocation).await;
        HookReport {
            when: when.to_owned(),
            program: command.first().cloned().unwrap_or_default(),
            success: done.as_ref().is_ok_and(|done| done.success),
            ended: match &done {
                Ok(done) => done.summary(),
                Err(error) => one_line(error),
            },
        }
    }
}

/// The work for one destination.
struct Task<'a> {
    runner: &'a Runner,
    set_name: String,
    set: &'a SetConfig,
    mailboxes: Vec<String>,
    cancel: &'a CancellationToken,
    monitor: Arc<dyn Monitor>,
}

impl Task<'_> {
    async fn destination(&self, name: String, work: Work) -> (DestinationReport, Option<Vault>) {
        let config = self.runner.config.destinations.get(&name).cloned();
        let config = config.unwrap_or_default();
        let mut report = DestinationReport {
            name,
            url: config.url.clone(),
            ..DestinationReport::default()
        };
        let mut opened = None;
        // The next destination of a run that was stopped is left for its continuation.
        if self.cancel.is_cancelled() {
            report.outcome = Some(Outcome::Stopped);
            return (report, None);
        }
        match self.runner.connections.vault(&report.name, &config).await {
            Ok(vault) => {
                let done = match work {
                    Work::Backup => self.back_up(&vault, &mut report).await,
                    Work::Check => self.check(&vault, &mut report).await,
                    Work::Drill => self.drill(&vault, &mut report).await,
                    Work::Retention => self.retain(&vault, &mut report).await,
                };
                if let Err(error) = done {
                    report.error = Some(one_line(&error));
                    report.error_kind = Some(error.kind());
                }
                let size = vault.size();
                report.size = Size {
                    stored_bytes: size.stored_bytes,
                    chunks: size.chunks,
                    snapshots: size.snapshots,
                };
                opened = Some(vault);
            }
            Err(error) => {
                report.error = Some(one_line(&error));
                report.error_kind = Some(error.kind());
            }
        }
        report.conclude();
        (report, opened)
    }

    async fn check(&self, vault: &Vault, report: &mut DestinationReport) -> Result<()> {
        let config = self.set.check.clone().unwrap_or_default();
        let read = match config.rotate {
            Some(parts) => ReadData::Rotate(parts),
            None if config.read_data => ReadData::All,
            None => ReadData::None,
        };
        let check = vault.check_data(read, Arc::clone(&self.monitor)).await?;
        report.check = Some(check);
        Ok(())
    }

    async fn back_up(&self, vault: &Vault, report: &mut DestinationReport) -> Result<()> {
        let connections = &self.runner.connections;
        let exchange = connections.exchange(&self.set_name, self.set).await?;
        let limits = &self.set.limits;
        let roster = match self.set.asks_server() {
            true => roster_of(self.set, &exchange).await?,
            false => Roster {
                mailboxes: self.mailboxes.clone(),
                ..Roster::default()
            },
        };
        let options = BackupOptions {
            mailboxes: roster.mailboxes,
            known_gaps: roster.gaps,
            archives: self.set.archives,
            recoverable: self.set.recoverable,
            settings: self.set.settings,
            selection: self.set.select.selection(),
            mailboxes_at_once: usize::from(limits.mailboxes_at_once),
            requests_per_mailbox: usize::from(limits.requests),
            seal_after: limits.seal_after.0,
            ..BackupOptions::default()
        };
        let done = vault
            .backup(&exchange, &options, self.cancel, Arc::clone(&self.monitor))
            .await;
        let stats = exchange.client().stats();
        report.traffic = Traffic {
            requests: stats.requests,
            retries: stats.retries,
            waits: stats.waits,
            waited_ms: u64::try_from(stats.waited.as_millis()).unwrap_or(u64::MAX),
            bytes_in: stats.bytes_in,
        };
        let backup = done?;
        // A listing that fails takes nothing from the backup.
        report.folders = folders(vault, &backup).await.unwrap_or_default();
        report.backup = Some(backup);
        Ok(())
    }
}

/// The folders of the mailboxes in which something changed.
async fn folders(vault: &Vault, backup: &engine::BackupReport) -> Result<Vec<FolderLine>> {
    let mut lines = Vec::new();
    let mut left = MAX_ITEMS_LISTED;
    for mailbox in &backup.mailboxes {
        let changed = mailbox.items_downloaded + mailbox.items_deleted + mailbox.items_flagged;
        let Some(id) = mailbox.snapshot.clone().filter(|_| changed > 0) else {
            continue;
        };
        if mailbox.items > left {
            continue;
        }
        left -= mailbox.items;
        let chosen = SnapshotSelector::Id(id);
        for snapshot in vault.select(&chosen, Some(&mailbox.mailbox)).await? {
            for folder in vault.folders(&snapshot).await? {
                lines.push(FolderLine {
                    mailbox: mailbox.mailbox.clone(),
                    path: folder.path,
                    items: folder.items,
                    bytes: folder.bytes,
                });
            }
        }
    }
    Ok(lines)
}

/// Keeps the report, sealed, in every repository that could be opened.
async fn keep(report: &RunReport, vaults: &[(String, Vault)]) -> Vec<String> {
    let Ok(body) = serde_json::to_vec(report) else {
        return Vec::new();
    };
    let mut notes = Vec::new();
    for (_, vault) in vaults {
        if let Err(error) = vault.add_note(TOPIC, &body).await {
            notes.push(format!("the report is not kept: {}", one_line(&error)));
        }
    }
    notes
}

/// An error and its causes in one line.
pub(crate) fn one_line(error: &Error) -> String {
    let mut line = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let text = cause.to_string();
        if !line.contains(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
        source = cause.source();
    }
    line.replace(['\r', '\n'], " ")
}

/// The daemon's worker: runs sets and writes down what became of them.
pub struct RunWorker {
    /// Runs the sets.
    pub runner: Runner,
    /// Watches the runs.
    pub monitor: Arc<dyn Monitor>,
    /// Is told of everything that belongs into the log.
    pub log: Arc<dyn Fn(&str) + Send + Sync>,
}

#[async_trait(?Send)]
impl crate::daemon::Worker for RunWorker {
    async fn work(
        &self,
        job: &crate::plan::JobId,
        due: Option<Timestamp>,
        cancel: CancellationToken,
    ) -> Outcome {
        match due {
            Some(due) => (self.log)(&format!("{job}: starts, due since {due}")),
            None => (self.log)(&format!("{job}: starts")),
        }
        let what = (job.set.as_str(), job.work, Reason::Schedule);
        match self
            .runner
            .run(what, &cancel, Arc::clone(&self.monitor))
            .await
        {
            Ok((report, notes)) => {
                (self.log)(&format!(
                    "{job}: {}",
                    crate::report::report_subject(&report)
                ));
                for step in report.next_steps.iter().chain(&notes) {
                    (self.log)(&format!("{job}: {step}"));
                }
                Runner::outcome(&report)
            }
            Err(error) => {
                (self.log)(&format!("{job}: {}", one_line(&error)));
                Outcome::Failure
            }
        }
    }

    fn note(&self, line: &str) {
        (self.log)(line);
    }
}

//! Runs a set: hooks, destinations, report, notifications.

mod backup;
mod cache;
mod copies;
mod drill;
mod mailboxes;
mod retain;
mod warm;
mod worker;

use std::any::Any;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use engine::{
    Environment, Error, ErrorKind, Exchange, MemoryBudget, Monitor, ReadData, Result, Vault,
};
use jiff::tz::TimeZone;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::config::{Config, DestinationConfig, SetConfig};
use crate::notify;
use crate::plan::{Outcome, Work};
use crate::process::{self, Invocation};
use crate::report::{DestinationReport, HookReport, Reason, RunReport, Size, TOPIC, history};
use crate::secret::Lookup;
pub(crate) use mailboxes::of_last_runs;
pub use mailboxes::{mailboxes_of, roster_of};
pub(crate) use warm::Warm;
pub use worker::RunWorker;

/// Runs that the charts of a report show.
pub const CHARTED_RUNS: usize = 60;
/// The form of reports that this version writes.
const REPORT_VERSION: u32 = 1;

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
    /// Bytes of items on their way, of all runs together.
    pub memory: MemoryBudget,
    /// Where local index files are kept, to keep them within their limit.
    pub cache_dir: Option<PathBuf>,
    /// The machine's time zone.
    pub zone: TimeZone,
    /// The machine's name, for reports.
    pub machine: String,
    /// Where secrets of notifications are looked up.
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
        let mut report = self.begin(name, set, work, reason);
        let mut notes = Vec::new();
        let through = self.through(set, &mut report, None, (cancel, monitor));
        // Boxed, since the futures of whole runs are large.
        let vaults = Box::pin(through).await;
        notes.extend(keep(&report, &vaults).await);
        notes.extend(self.tell(&report, &vaults).await);
        notes.extend(self.tidy_cache().await);
        Ok((report, notes))
    }

    /// Saves mailboxes that told of changes. Such runs come every minute: only those that something
    /// is wrong with are kept, and told of unless `quiet`, since the one before was as bad.
    ///
    /// # Errors
    /// `NotFound` for a set that is not there.
    ///
    /// # Cancellation
    /// Cancelling the token stops cleanly; what was read is kept.
    pub(crate) async fn save_changes(
        &self,
        name: &str,
        mailboxes: Vec<String>,
        quiet: bool,
        cancel: &CancellationToken,
        monitor: Arc<dyn Monitor>,
    ) -> Result<(RunReport, Vec<String>)> {
        let set = self.set(name)?;
        let mut report = self.begin(name, set, Work::Changes, Reason::Change);
        let through = self.through(set, &mut report, Some(mailboxes), (cancel, monitor));
        // Boxed, since the futures of whole runs are large.
        let vaults = Box::pin(through).await;
        let mut notes = Vec::new();
        if report.outcome != Some(Outcome::Success) && !quiet {
            notes.extend(keep(&report, &vaults).await);
            notes.extend(self.tell(&report, &vaults).await);
        }
        Ok((report, notes))
    }

    fn begin(&self, name: &str, set: &SetConfig, work: Work, reason: Reason) -> RunReport {
        RunReport {
            version: REPORT_VERSION,
            set: name.to_owned(),
            work: Some(work),
            reason,
            machine: self.machine.clone(),
            program: concat!("postkeep ", env!("CARGO_PKG_VERSION")).to_owned(),
            shard: set.shard.map(|shard| shard.to_string()),
            started_unix_ms: (self.environment.now_unix_ms)(),
            ..RunReport::default()
        }
    }

    /// From the hook before to the hook after; gives the repositories that could be opened.
    async fn through(
        &self,
        set: &SetConfig,
        report: &mut RunReport,
        only: Option<Vec<String>>,
        (cancel, monitor): (&CancellationToken, Arc<dyn Monitor>),
    ) -> Vec<(String, Vault)> {
        let work = report.work.map_or("", Work::word);
        let span = tracing::info_span!(
            "run",
            set = report.set,
            work,
            outcome = tracing::field::Empty,
            otel.status_code = tracing::field::Empty,
        );
        let through = self.in_span(set, report, only, (cancel, monitor));
        let vaults = through.instrument(span.clone()).await;
        let outcome = report.outcome.unwrap_or(Outcome::Failure);
        span.record("outcome", outcome.word());
        if outcome == Outcome::Failure {
            span.record("otel.status_code", "ERROR");
        }
        vaults
    }

    /// The same within the run's span.
    async fn in_span(
        &self,
        set: &SetConfig,
        report: &mut RunReport,
        only: Option<Vec<String>>,
        (cancel, monitor): (&CancellationToken, Arc<dyn Monitor>),
    ) -> Vec<(String, Vault)> {
        let work = report.work.map_or("", Work::word);
        tracing::info!(set = report.set, work, "run begins");
        let done = self.work(set, report, only, (cancel, monitor)).await;
        let vaults = done.unwrap_or_else(|error| {
            report.error = Some(one_line(&error));
            report.error_kind = Some(error.kind());
            Vec::new()
        });
        self.finish(set, report).await;
        let outcome = report.outcome.map_or("", Outcome::word);
        let (set, elapsed_ms) = (&report.set, report.elapsed_ms());
        tracing::info!(set, work, outcome, elapsed_ms, "run ended");
        vaults
    }

    /// Keeps local index files within their limit.
    async fn tidy_cache(&self) -> Option<String> {
        let (dir, limit) = (self.cache_dir.clone()?, self.config.limits.cache?);
        let tidied = tokio::task::spawn_blocking(move || cache::tidy(&dir, limit.0)).await;
        match tidied {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(format!("the cache cannot be tidied: {error}")),
            Err(_) => Some("the cache cannot be tidied: a defect".to_owned()),
        }
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
        only: Option<Vec<String>>,
        (cancel, monitor): (&CancellationToken, Arc<dyn Monitor>),
    ) -> Result<Vec<(String, Vault)>> {
        let is_chosen = only.is_some();
        let mailboxes = match only {
            Some(mailboxes) => Some(mailboxes),
            None => mailboxes_of(set).await?,
        };
        // Other machines do all of it.
        let Some(mailboxes) = mailboxes else {
            return Ok(Vec::new());
        };
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
        let task = Task {
            runner: self,
            set_name: report.set.clone(),
            set,
            mailboxes,
            source: None,
            cancel,
            monitor,
        };
        let done = task.destinations(report.work.unwrap_or(Work::Backup)).await;
        let (destinations, vaults): (Vec<_>, Vec<_>) = done.into_iter().unzip();
        let backups = destinations.iter().flat_map(|done| &done.backup);
        let most = backups.map(|backup| backup.mailboxes.len()).max();
        if let Some(most) = most.filter(|_| set.asks_server() && !is_chosen) {
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
#[derive(Clone)]
struct Task<'a> {
    runner: &'a Runner,
    set_name: String,
    set: &'a SetConfig,
    mailboxes: Vec<String>,
    /// What has been backed up already and is to be copied.
    source: Option<copies::Source>,
    cancel: &'a CancellationToken,
    monitor: Arc<dyn Monitor>,
}

impl Task<'_> {
    /// Serves all destinations, one after the other or side by side.
    async fn destinations(mut self, work: Work) -> Vec<(DestinationReport, Option<Vault>)> {
        let names = &self.set.destinations;
        let mut done = Vec::new();
        let mut rest = names.as_slice();
        if self.set.copy
            && matches!(work, Work::Backup | Work::Changes)
            && let Some((first, others)) = names.split_first()
        {
            let (report, vault) = self.destination(first.clone(), work).await;
            // Without it the others are served from the server, as they would be alone.
            self.source = vault
                .as_ref()
                .and_then(|vault| copies::Source::of(vault, &report));
            done.push((report, vault));
            rest = others;
        }
        let one = |name: &String| {
            let (task, name) = (self.clone(), name.clone());
            async move { task.destination(name, work).await }
        };
        if self.set.together {
            done.extend(futures::future::join_all(rest.iter().map(one)).await);
        } else {
            for name in rest {
                done.push(one(name).await);
            }
        }
        done
    }

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
                    Work::Backup | Work::Changes if self.source.is_some() => {
                        self.copy(&vault, &mut report).await
                    }
                    Work::Backup | Work::Changes => self.back_up(&vault, work, &mut report).await,
                    Work::Check => self.check(&vault, &mut report).await,
                    Work::Drill => self.drill(&vault, &mut report).await,
                    Work::Retention => self.retain(&vault, &mut report).await,
                };
                if let Err(error) = done {
                    report.error = Some(one_line(&error));
                    report.error_kind = Some(error.kind());
                }
                let size = vault.size();
                report.size = Some(Size {
                    stored_bytes: size.stored_bytes,
                    chunks: size.chunks,
                    snapshots: size.snapshots,
                });
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

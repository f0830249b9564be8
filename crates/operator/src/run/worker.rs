//! The daemon's worker: runs sets and writes down what became of them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use engine::Monitor;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::{Runner, Warm, one_line};
use crate::daemon::Worker;
use crate::metrics::Metrics;
use crate::plan::{JobId, Outcome, Planner, Work};
use crate::report::{Reason, RunReport, report_subject};
use crate::watch::{Saved, Watches};

/// Runs sets and writes down what became of them.
pub struct RunWorker {
    runner: Runner,
    /// The same with connections that stay open, for what is done every minute.
    warm: Runner,
    monitor: Arc<dyn Monitor>,
    log: Arc<dyn Fn(&str) + Send + Sync>,
    watches: Watches,
    metrics: Metrics,
    /// How the changes of each set were last saved.
    last: Mutex<BTreeMap<String, Outcome>>,
}

impl RunWorker {
    /// A worker for a runner's configuration. `monitor` watches the runs, `log` is told of
    /// everything that belongs into the log.
    pub fn new(
        runner: Runner,
        monitor: Arc<dyn Monitor>,
        log: Arc<dyn Fn(&str) + Send + Sync>,
    ) -> Self {
        Self {
            watches: Watches::new(&runner.config),
            warm: Runner {
                connections: Arc::new(Warm::new(Arc::clone(&runner.connections))),
                ..runner.clone()
            },
            runner,
            monitor,
            log,
            metrics: Metrics::new(),
            last: Mutex::default(),
        }
    }

    /// The numbers of its runs.
    pub fn metrics(&self) -> Metrics {
        self.metrics.clone()
    }

    fn now_ms(&self) -> i64 {
        (self.runner.environment.now_unix_ms)()
    }

    async fn save_changes(&self, job: &JobId, cancel: &CancellationToken) -> Outcome {
        let taken = self.watches.take(&job.set, self.now_ms());
        if taken.is_empty() {
            return Outcome::Success;
        }
        let quiet = self.was_bad(&job.set);
        let monitor = Arc::clone(&self.monitor);
        let done = self
            .warm
            .save_changes(&job.set, taken.clone(), quiet, cancel, monitor);
        let (outcome, became) = match done.await {
            Ok((report, notes)) => {
                self.tell(job, &report, &notes);
                let became = taken.into_iter().map(|mailbox| {
                    let saved = what_became(&report, &mailbox);
                    (mailbox, saved)
                });
                (Runner::outcome(&report), became.collect::<Vec<_>>())
            }
            Err(error) => {
                (self.log)(&format!("{job}: {}", one_line(&error)));
                let failed = taken.into_iter().map(|mailbox| (mailbox, Saved::No));
                (Outcome::Failure, failed.collect())
            }
        };
        self.watches.settle(&job.set, self.now_ms(), &became);
        // A run that was stopped says nothing about how the others go.
        if outcome != Outcome::Stopped {
            let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
            last.insert(job.set.clone(), outcome);
        }
        outcome
    }

    /// Whether somebody knows already that something is wrong.
    fn was_bad(&self, set: &str) -> bool {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.get(set).is_some_and(|last| *last != Outcome::Success)
    }

    fn tell(&self, job: &JobId, report: &RunReport, notes: &[String]) {
        self.metrics.run(report);
        (self.log)(&format!("{job}: {}", report_subject(report)));
        for step in report.next_steps.iter().chain(notes) {
            (self.log)(&format!("{job}: {step}"));
        }
    }
}

/// What became of a mailbox at the worst of the destinations.
fn what_became(report: &RunReport, mailbox: &str) -> Saved {
    let of_destinations = report.destinations.iter().map(|destination| {
        if destination.copy.is_some() {
            return match destination.outcome {
                Some(Outcome::Success) => Saved::Yes,
                Some(Outcome::Stopped) => Saved::Stopped,
                _ => Saved::No,
            };
        }
        let mailboxes = destination
            .backup
            .iter()
            .flat_map(|backup| &backup.mailboxes);
        let mut found = mailboxes.filter(|line| line.mailbox.eq_ignore_ascii_case(mailbox));
        match found.next() {
            Some(line) if line.error.is_none() && line.complete => Saved::Yes,
            _ if destination.outcome == Some(Outcome::Stopped) => Saved::Stopped,
            _ => Saved::No,
        }
    });
    let mut worst = match report.error {
        Some(_) => Saved::No,
        None => Saved::Yes,
    };
    for saved in of_destinations {
        worst = match (worst, saved) {
            (Saved::No, _) | (_, Saved::No) => Saved::No,
            (Saved::Stopped, _) | (_, Saved::Stopped) => Saved::Stopped,
            _ => Saved::Yes,
        };
    }
    worst
}

#[async_trait(?Send)]
impl Worker for RunWorker {
    async fn work(
        &self,
        job: &JobId,
        due: Option<Timestamp>,
        cancel: CancellationToken,
    ) -> Outcome {
        if job.work == Work::Changes {
            return self.save_changes(job, &cancel).await;
        }
        match due {
            Some(due) => (self.log)(&format!("{job}: starts, due since {due}")),
            None => (self.log)(&format!("{job}: starts")),
        }
        let what = (job.set.as_str(), job.work, Reason::Schedule);
        let monitor = Arc::clone(&self.monitor);
        match self.runner.run(what, &cancel, monitor).await {
            Ok((report, notes)) => {
                self.tell(job, &report, &notes);
                Runner::outcome(&report)
            }
            Err(error) => {
                (self.log)(&format!("{job}: {}", one_line(&error)));
                Outcome::Failure
            }
        }
    }

    fn demands(&self) -> Vec<(JobId, i64)> {
        let job = |(set, due)| {
            let work = Work::Changes;
            (JobId { set, work }, due)
        };
        self.watches.due().into_iter().map(job).collect()
    }

    async fn stirred(&self) {
        self.watches.stirred().await;
    }

    async fn accompany(&self) {
        self.watches.follow(&self.runner, &*self.log).await;
    }

    fn planned(&self, planner: &Planner, now: Timestamp) {
        self.metrics.plan(planner, now);
    }

    fn note(&self, line: &str) {
        (self.log)(line);
    }
}

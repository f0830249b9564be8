//! Every set at a glance: the last good snapshot of each mailbox, against what is wanted.

use std::collections::{BTreeMap, BTreeSet};

use engine::{Result, Vault};
use serde::Serialize;

use crate::config::SetConfig;
use crate::plan::{JobId, JobState, Outcome, Planner, Work};
use crate::report::{recent_reports, report_subject};
use crate::run::{Runner, mailboxes_of, of_last_runs, one_line};
use crate::units::Shard;

/// A set.
#[derive(Clone, Debug, Default, Serialize)]
pub struct SetStatus {
    /// Its name.
    pub set: String,
    /// When it is backed up next, milliseconds since 1970 UTC.
    pub next_run_unix_ms: Option<i64>,
    /// Whether a daemon is at it, as far as its memory says.
    pub running: bool,
    /// Times of the schedule that passed without a run.
    pub missed: u64,
    /// Whether all is as it should be.
    pub good: bool,
    /// One entry a destination.
    pub destinations: Vec<DestinationStatus>,
}

/// A destination of a set.
#[derive(Clone, Debug, Default, Serialize)]
pub struct DestinationStatus {
    /// Its name.
    pub name: String,
    /// Why it could not be looked at, if so.
    pub error: Option<String>,
    /// How the last run ended.
    pub last_outcome: Option<Outcome>,
    /// The last run in one line, whichever machine it was.
    pub last_run: Option<String>,
    /// The mailboxes of all shards.
    pub mailboxes: Vec<MailboxStatus>,
}

/// A mailbox of a set in a destination.
#[derive(Clone, Debug, Default, Serialize)]
pub struct MailboxStatus {
    /// Its address.
    pub mailbox: String,
    /// The shard that it belongs to, if the set is shared among machines.
    pub shard: Option<u32>,
    /// When its last complete snapshot was made, milliseconds since 1970 UTC.
    pub last_good_unix_ms: Option<i64>,
    /// How old that is, in milliseconds.
    pub age_ms: Option<u64>,
    /// Items in it.
    pub items: u64,
    /// Whether it is older than the set's target, or missing.
    pub late: bool,
}

/// Looks at every set: the mailboxes of all shards, whichever machine backs them up.
///
/// # Errors
/// None as a whole: what cannot be looked at says so in its place.
pub async fn status(runner: &Runner, planner: &Planner) -> Vec<SetStatus> {
    let mut all = Vec::new();
    for (name, set) in &runner.config.sets {
        let job = JobId {
            set: name.clone(),
            work: Work::Backup,
        };
        let state = planner.state().job(&job).cloned().unwrap_or_default();
        let mut status = SetStatus {
            set: name.clone(),
            next_run_unix_ms: next(runner, planner, &job, &state),
            running: state.running_since.is_some(),
            missed: state.missed,
            ..SetStatus::default()
        };
        for destination in &set.destinations {
            status
                .destinations
                .push(of_destination(runner, (name, set), destination).await);
        }
        status.good = status.destinations.iter().all(|destination| {
            destination.error.is_none()
                && destination.last_outcome != Some(Outcome::Failure)
                && destination.mailboxes.iter().all(|mailbox| !mailbox.late)
        });
        all.push(status);
    }
    all
}

fn next(runner: &Runner, planner: &Planner, job: &JobId, state: &JobState) -> Option<i64> {
    let now = (runner.environment.now_unix_ms)();
    if state.pending.is_some() && state.running_since.is_none() {
        return Some(now);
    }
    planner.next_of(job, now).map(|next| next.as_millisecond())
}

async fn of_destination(
    runner: &Runner,
    (name, set): (&str, &SetConfig),
    destination: &str,
) -> DestinationStatus {
    let mut status = DestinationStatus {
        name: destination.to_owned(),
        ..DestinationStatus::default()
    };
    let config = runner.config.destinations.get(destination).cloned();
    let opened = runner
        .connections
        .vault(destination, &config.unwrap_or_default())
        .await;
    let looked = match opened {
        Ok(vault) => look(runner, (name, set), &vault, &mut status).await,
        Err(error) => Err(error),
    };
    status.error = looked.err().map(|error| one_line(&error));
    status
}

async fn look(
    runner: &Runner,
    (name, set): (&str, &SetConfig),
    vault: &Vault,
    status: &mut DestinationStatus,
) -> Result<()> {
    let whole = SetConfig {
        shard: None,
        ..set.clone()
    };
    let mut mailboxes = mailboxes_of(&whole).await?.unwrap_or_default();
    if set.asks_server() {
        let known = of_last_runs(name, vault).await?.into_iter();
        let named: BTreeSet<String> = mailboxes.iter().map(|m| m.to_lowercase()).collect();
        mailboxes.extend(known.filter(|mailbox| !named.contains(mailbox)));
    } else if mailboxes.is_empty() {
        mailboxes.push(set.user.clone());
    }
    let mut newest: BTreeMap<String, (i64, u64)> = BTreeMap::new();
    for snapshot in vault.snapshots().await? {
        if !snapshot.partial {
            let entry = (snapshot.time_unix_ms, snapshot.about.items);
            newest.insert(snapshot.mailbox.to_lowercase(), entry);
        }
    }
    let now = (runner.environment.now_unix_ms)();
    let target = set.target_age.map(|target| target.as_ms());
    for mailbox in mailboxes {
        let found = newest.get(&mailbox.to_lowercase());
        let age = found.map(|(time, _)| u64::try_from(now - time).unwrap_or(0));
        let is_old =
            |age: u64| target.is_some_and(|target| i64::try_from(age).unwrap_or(i64::MAX) > target);
        status.mailboxes.push(MailboxStatus {
            shard: set.shard.map(|shard| Shard::number_of(&mailbox, shard.of)),
            last_good_unix_ms: found.map(|(time, _)| *time),
            age_ms: age,
            items: found.map_or(0, |(_, items)| *items),
            late: age.is_none_or(is_old),
            mailbox,
        });
    }
    let last = recent_reports(vault, 1, |report| {
        report.set == name && report.work == Some(Work::Backup)
    });
    if let Some(report) = last.await?.last() {
        status.last_outcome = report.outcome;
        status.last_run = Some(report_subject(report));
    }
    Ok(())
}

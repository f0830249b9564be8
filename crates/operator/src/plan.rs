//! What the daemon does next: a pure function of the clock, the configuration and what was done.
//!
//! A [`Planner`] is asked at any time what is to be started and stopped, and when to ask again. A
//! time of a schedule makes a job *pending*, however often it was missed; a pending job starts when
//! its window is open, its set is idle and a place is free. One that is stopped before its end, by
//! the window, a shutdown or a crash, stays pending and so continues as soon as it may.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::config::{Config, SetConfig};
use crate::schedule::{Occurrence, Schedule, Timetable, Window};
use crate::units::TimeSpan;

/// A time that passed this long ago without the daemon was missed; what is younger was merely late.
const MISSED_AFTER_MS: i64 = 5 * 60 * 1000;
/// Jobs that are started at random within one second of one another are one run.
const DOMAIN: &str = "postkeep v1 seed of a job's jitter";

/// What is done for a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Work {
    /// Reading mailboxes.
    Backup,
    /// Reading those mailboxes that told of changes.
    Changes,
    /// Looking for damage.
    Check,
    /// Forgetting what the policy does not keep.
    Retention,
    /// Proving that backups come back.
    Drill,
}

impl Work {
    /// The work in one word, for machines.
    pub fn word(self) -> &'static str {
        match self {
            Self::Backup => "backup",
            Self::Changes => "changes",
            Self::Check => "check",
            Self::Retention => "retention",
            Self::Drill => "drill",
        }
    }
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Changes => "backup of changes",
            other => other.word(),
        })
    }
}

/// One thing that is done again and again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct JobId {
    /// The set.
    pub set: String,
    /// What is done for it.
    pub work: Work,
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.work, self.set)
    }
}

/// How a job ended, from best to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// All was done.
    Success,
    /// All was done that could be; something is missing.
    Warning,
    /// It was stopped before its end and is to be continued.
    Stopped,
    /// It failed.
    Failure,
}

impl Outcome {
    /// The outcome in one word, for machines.
    pub fn word(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Warning => "warning",
            Self::Failure => "failure",
            Self::Stopped => "stopped",
        }
    }
}

/// What is remembered of a job, also when the daemon is not running.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct JobState {
    /// Times of the schedule up to here are dealt with.
    #[serde(with = "crate::moment")]
    pub handled: Option<Timestamp>,
    /// The time for which it is to run, or to go on.
    #[serde(with = "crate::moment")]
    pub pending: Option<Timestamp>,
    /// When it was started, if it has not ended.
    #[serde(with = "crate::moment")]
    pub running_since: Option<Timestamp>,
    /// When it last ended.
    #[serde(with = "crate::moment")]
    pub ended: Option<Timestamp>,
    /// How it last ended.
    pub outcome: Option<Outcome>,
    /// When it last succeeded, with or without something missing.
    #[serde(with = "crate::moment")]
    pub succeeded: Option<Timestamp>,
    /// Times of the schedule that passed without a run of their own.
    pub missed: u64,
}

/// What is remembered of all jobs, by set and work.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The jobs.
    pub sets: BTreeMap<String, BTreeMap<Work, JobState>>,
}

impl State {
    /// What is remembered of a job.
    pub fn job(&self, id: &JobId) -> Option<&JobState> {
        self.sets.get(&id.set)?.get(&id.work)
    }

    fn job_mut(&mut self, id: &JobId) -> &mut JobState {
        let set = self.sets.entry(id.set.clone()).or_default();
        set.entry(id.work).or_default()
    }
}

/// What is to be done now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// Jobs to start.
    pub start: Vec<JobId>,
    /// Running jobs whose window has closed.
    pub stop: Vec<JobId>,
    /// When to ask again, if nothing ends before; `None` if nothing will ever be due.
    pub wake: Option<Timestamp>,
}

struct Job {
    id: JobId,
    timetable: Timetable,
    window: Window,
    catch_up: bool,
    /// Whether it is due when somebody says so.
    on_demand: bool,
    /// The first time that is not dealt with: looking for it is what costs.
    next: Option<Timestamp>,
}

/// Decides what is done when.
pub struct Planner {
    jobs: Vec<Job>,
    state: State,
    runs_at_once: usize,
}

impl Planner {
    /// A planner for the sets of a configuration. `machine` is the machine's time zone, `seed`
    /// its own number for jitter, and `state` what an earlier planner remembered.
    pub fn new(
        config: &Config,
        machine: &TimeZone,
        seed: u64,
        state: State,
        now: Timestamp,
    ) -> Self {
        let mut jobs = Vec::new();
        for (name, set) in &config.sets {
            for (work, schedules) in works(set) {
                let id = JobId {
                    set: name.clone(),
                    work,
                };
                jobs.push(Job::new(config, set, id, schedules, (machine, seed)));
            }
        }
        let mut planner = Self {
            jobs,
            state,
            runs_at_once: usize::from(config.daemon.runs_at_once.max(1)),
        };
        for job in &mut planner.jobs {
            let state = planner.state.job_mut(&job.id);
            // A set that is new has missed nothing, and where the clock went back, what was done
            // is not done again until it has caught up.
            let handled = *state.handled.get_or_insert(now);
            job.next = job.timetable.next_after(handled).map(|next| next.at);
            // What was running when the daemon died is to be continued.
            if let Some(since) = state.running_since.take() {
                state.pending = state.pending.or(Some(since));
                state.outcome = Some(Outcome::Stopped);
            }
        }
        planner
    }

    /// A planner to look into what a daemon remembers, which may be running.
    pub fn looking(
        config: &Config,
        machine: &TimeZone,
        seed: u64,
        state: State,
        now: Timestamp,
    ) -> Self {
        let mut planner = Self::new(config, machine, seed, state.clone(), now);
        planner.state = state;
        planner
    }

    /// What is remembered, to be kept for the next planner.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Says when a job that has no schedule is due; the earliest of what was said counts.
    pub fn demand(&mut self, id: &JobId, due: Timestamp) {
        let mut jobs = self.jobs.iter_mut();
        if let Some(job) = jobs.find(|job| job.id == *id && job.on_demand) {
            job.next = Some(job.next.map_or(due, |known| known.min(due)));
        }
    }

    /// What is to be done now. Jobs to start count as running from here on.
    pub fn step(&mut self, now: Timestamp) -> Step {
        self.observe(now);
        let mut step = Step::default();
        for job in &self.jobs {
            let running = self.state.job(&job.id).and_then(|job| job.running_since);
            if running.is_some() && !job.window.is_open(now) {
                step.stop.push(job.id.clone());
            }
        }
        for n in self.ready(now) {
            let job = &self.jobs[n];
            let is_full = !job.on_demand && self.running() >= self.runs_at_once;
            if is_full || self.is_busy(&job.id) {
                continue;
            }
            let id = job.id.clone();
            self.state.job_mut(&id).running_since = Some(now);
            step.start.push(id);
        }
        step.wake = self.jobs.iter().filter_map(|job| self.wake(job, now)).min();
        step
    }

    /// Says that a job has ended.
    pub fn ended(&mut self, id: &JobId, now: Timestamp, outcome: Outcome) {
        let state = self.state.job_mut(id);
        let since = state.running_since.take();
        state.ended = Some(now);
        state.outcome = Some(outcome);
        match outcome {
            Outcome::Stopped => {}
            Outcome::Success | Outcome::Warning => state.succeeded = Some(now),
            Outcome::Failure => {}
        }
        // A time that came while it was running has set `pending` anew and is due now.
        let newer = state
            .pending
            .zip(since)
            .is_some_and(|(due, since)| due > since);
        if outcome != Outcome::Stopped && !newer {
            state.pending = None;
        }
    }

    /// All jobs, with what is remembered of them.
    pub fn jobs(&self) -> impl Iterator<Item = (JobId, JobState)> {
        self.jobs.iter().map(|job| {
            let state = self.state.job(&job.id).cloned();
            (job.id.clone(), state.unwrap_or_default())
        })
    }

    /// When a job is due next, its window included.
    pub fn next_of(&self, id: &JobId, now_unix_ms: i64) -> Option<Timestamp> {
        let now = Timestamp::from_millisecond(now_unix_ms).ok()?;
        let job = self.jobs.iter().find(|job| job.id == *id)?;
        let next = job.timetable.next_after(now)?;
        job.window.next_open(next.at)
    }

    /// The next times of all jobs together, earliest first.
    pub fn next_runs(&self, now: Timestamp, count: usize) -> Vec<(JobId, Occurrence)> {
        let mut runs = Vec::new();
        for job in &self.jobs {
            let mut after = now;
            for _ in 0..count {
                let Some(next) = job.timetable.next_after(after) else {
                    break;
                };
                after = next.at;
                let at = job.window.next_open(next.at).unwrap_or(next.at);
                runs.push((job.id.clone(), Occurrence { at, ..next }));
            }
        }
        runs.sort_by(|a, b| (a.1.at, &a.0).cmp(&(b.1.at, &b.0)));
        // What waits for the same opening is one run.
        runs.dedup_by(|later, earlier| later.0 == earlier.0 && later.1.at == earlier.1.at);
        runs.truncate(count);
        runs
    }

    /// Notes which times of the schedules have passed.
    fn observe(&mut self, now: Timestamp) {
        for job in &mut self.jobs {
            if job.next.is_none_or(|next| next > now) {
                continue;
            }
            let state = self.state.job_mut(&job.id);
            if job.on_demand {
                state.pending = job.next.take();
                continue;
            }
            let handled = state.handled.unwrap_or(now);
            let Some((last, count)) = job.timetable.last_between(handled, now) else {
                continue;
            };
            state.handled = Some(last.at);
            job.next = job.timetable.next_after(last.at).map(|next| next.at);
            let late_ms = now.as_millisecond() - last.at.as_millisecond();
            if late_ms > MISSED_AFTER_MS && !job.catch_up {
                state.missed += count;
                continue;
            }
            let waiting = u64::from(state.pending.is_some() && state.running_since.is_none());
            state.missed += count - 1 + waiting;
            state.pending = Some(last.at);
        }
    }

    /// Jobs that are due and may run, those that wait longest first.
    fn ready(&self, now: Timestamp) -> Vec<usize> {
        let mut ready: Vec<(Timestamp, usize)> = Vec::new();
        for (n, job) in self.jobs.iter().enumerate() {
            let Some(state) = self.state.job(&job.id) else {
                continue;
            };
            if let (Some(due), None) = (state.pending, state.running_since)
                && job.window.is_open(now)
            {
                ready.push((due, n));
            }
        }
        ready.sort_unstable();
        ready.into_iter().map(|(_, n)| n).collect()
    }

    /// When something changes for a job by itself.
    fn wake(&self, job: &Job, now: Timestamp) -> Option<Timestamp> {
        let state = self.state.job(&job.id)?;
        let edge = match (state.running_since, state.pending) {
            (Some(_), _) => job.window.closes_after(now),
            (None, Some(_)) => job.window.next_open(now).filter(|open| *open > now),
            (None, None) => None,
        };
        job.next.into_iter().chain(edge).min()
    }

    /// Jobs that take a place: what is done on demand is short, and must not wait for hours.
    fn running(&self) -> usize {
        let all = self.state.sets.values().flatten();
        let counts =
            |work: Work, job: &JobState| job.running_since.is_some() && work != Work::Changes;
        all.filter(|(work, job)| counts(**work, job)).count()
    }

    /// Whether something runs that the job must not overlap with: anything of the same set,
    /// except that changes are saved beside all but a backup.
    fn is_busy(&self, id: &JobId) -> bool {
        let of_set = self.state.sets.get(&id.set).into_iter().flatten();
        let overlaps = |other: Work| match (id.work, other) {
            (Work::Changes, other) => other == Work::Backup,
            (own, Work::Changes) => own == Work::Backup,
            _ => true,
        };
        of_set
            .into_iter()
            .any(|(work, job)| job.running_since.is_some() && overlaps(*work))
    }
}

/// What a set has schedules for.
fn works(set: &SetConfig) -> Vec<(Work, &[Schedule])> {
    let mut works = vec![(Work::Backup, &set.schedule[..])];
    if let Some(check) = &set.check {
        works.push((Work::Check, &check.schedule[..]));
    }
    if let Some(retention) = &set.retention {
        works.push((Work::Retention, &retention.schedule[..]));
    }
    if let Some(drill) = &set.drill {
        works.push((Work::Drill, &drill.schedule[..]));
    }
    works.retain(|(_, schedules)| !schedules.is_empty());
    if set.continuous.is_some() {
        works.push((Work::Changes, &[]));
    }
    works
}

impl Job {
    fn new(
        config: &Config,
        set: &SetConfig,
        id: JobId,
        schedules: &[Schedule],
        (machine, seed): (&TimeZone, u64),
    ) -> Self {
        let zone = config.zone_of(set, machine);
        let mut hasher = blake3::Hasher::new_derive_key(DOMAIN);
        hasher.update(&seed.to_le_bytes());
        hasher.update(id.to_string().as_bytes());
        let mut own = [0; 8];
        own.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
        Self {
            timetable: Timetable {
                schedules: schedules.to_vec(),
                zone: zone.clone(),
                jitter: set.jitter.unwrap_or(TimeSpan::secs(0)),
                seed: u64::from_le_bytes(own),
            },
            window: Window {
                rules: set.window.clone(),
                zone,
            },
            catch_up: set.catch_up,
            on_demand: id.work == Work::Changes,
            next: None,
            id,
        }
    }
}

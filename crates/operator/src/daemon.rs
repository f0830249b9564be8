//! Carries out what the planner decides, until told to stop.

mod memory;

use std::rc::Rc;
use std::time::Duration;

use async_trait::async_trait;
use engine::{Environment, Result};
use futures::FutureExt;
use futures::stream::{FuturesUnordered, StreamExt};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::plan::{JobId, Outcome, Planner};
pub use memory::Memory;

/// Longest sleep: the clock may be set, and machines sleep, without anybody telling.
const MAX_SLEEP: Duration = Duration::from_secs(5 * 60);
/// Shortest sleep, so that a clock that stands still does not keep the processor busy.
const MIN_SLEEP: Duration = Duration::from_millis(50);

/// Does the work of a job.
#[async_trait(?Send)]
pub trait Worker {
    /// Does it. Cancelling the token asks for a clean stop, after which the job is continued
    /// another time. `due` is when the schedule wanted it.
    async fn work(&self, job: &JobId, due: Option<Timestamp>, cancel: CancellationToken)
    -> Outcome;

    /// Jobs without a schedule, and when they are due, milliseconds since 1970.
    fn demands(&self) -> Vec<(JobId, i64)> {
        Vec::new()
    }

    /// Returns when [`Worker::demands`] may say something else than before.
    async fn stirred(&self) {
        std::future::pending().await
    }

    /// Does what goes on beside all jobs, for ever; dropped when the daemon ends.
    async fn accompany(&self) {
        std::future::pending().await
    }

    /// Is shown the planner each time it has decided.
    fn planned(&self, _planner: &Planner, _now: Timestamp) {}

    /// Something that the log should tell.
    fn note(&self, _line: &str) {}
}

/// How long a daemon stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stay {
    /// Until it is told to stop.
    ForEver,
    /// Until nothing is due any more: another program's timer starts it again and again.
    WhileDue,
}

/// Runs jobs as the planner says until the token is cancelled, or as long as `stay` says; then
/// stops what is running and waits for it. Jobs run side by side within this future, which need not
/// be `Send`; what is heavy in them are tasks of the engine's. Gives the worst end of a job.
///
/// # Errors
/// If what must be remembered cannot be written: a daemon that forgets would run wrongly.
///
/// # Cancellation
/// Dropping the future drops running jobs; they are continued by the next daemon.
pub async fn run_daemon(
    mut planner: Planner,
    memory: &Memory,
    worker: Rc<dyn Worker>,
    environment: &Environment,
    stay: Stay,
    shutdown: &CancellationToken,
) -> Result<Option<Outcome>> {
    let mut worst = None;
    let mut running = FuturesUnordered::new();
    let mut tokens: Vec<(JobId, CancellationToken)> = Vec::new();
    let beside = worker.accompany().fuse();
    futures::pin_mut!(beside);
    loop {
        let now = now(environment);
        for (id, due) in worker.demands() {
            planner.demand(&id, Timestamp::from_millisecond(due).unwrap_or(now));
        }
        let step = planner.step(now);
        memory.save(planner.state())?;
        worker.planned(&planner, now);
        for id in &step.stop {
            if let Some((_, token)) = tokens.iter().find(|(known, _)| known == id)
                && !token.is_cancelled()
            {
                worker.note(&format!(
                    "the window of the {id} has closed: it is being stopped"
                ));
                token.cancel();
            }
        }
        for id in step.start {
            let token = CancellationToken::new();
            tokens.push((id.clone(), token.clone()));
            let due = planner.state().job(&id).and_then(|job| job.pending);
            let worker = Rc::clone(&worker);
            running.push(async move {
                let outcome = work(worker, &id, due, token).await;
                (id, outcome)
            });
        }
        if stay == Stay::WhileDue && running.is_empty() {
            break;
        }
        tokio::select! {
            biased;
            Some(ended) = running.next() => {
                worst = worst.max(Some(ended.1));
                end(&mut planner, &mut tokens, ended, environment);
            }
            () = shutdown.cancelled() => break,
            () = &mut beside => {}
            () = worker.stirred() => {}
            () = tokio::time::sleep(pause(now, step.wake)) => {}
        }
    }
    for (_, token) in &tokens {
        token.cancel();
    }
    while let Some(ended) = running.next().await {
        worst = worst.max(Some(ended.1));
        end(&mut planner, &mut tokens, ended, environment);
    }
    memory.save(planner.state())?;
    Ok(worst)
}

/// A defect in one job must not end the others.
async fn work(
    worker: Rc<dyn Worker>,
    id: &JobId,
    due: Option<Timestamp>,
    token: CancellationToken,
) -> Outcome {
    let work = std::panic::AssertUnwindSafe(worker.work(id, due, token));
    match work.catch_unwind().await {
        Ok(outcome) => outcome,
        Err(_) => {
            worker.note(&format!("a defect ended the {id}"));
            Outcome::Failure
        }
    }
}

fn end(
    planner: &mut Planner,
    tokens: &mut Vec<(JobId, CancellationToken)>,
    (id, outcome): (JobId, Outcome),
    environment: &Environment,
) {
    tokens.retain(|(known, _)| *known != id);
    planner.ended(&id, now(environment), outcome);
}

fn pause(now: Timestamp, wake: Option<Timestamp>) -> Duration {
    let until = wake.map_or(MAX_SLEEP, |wake| {
        let ms = wake.as_millisecond() - now.as_millisecond();
        Duration::from_millis(u64::try_from(ms).unwrap_or(0))
    });
    until.clamp(MIN_SLEEP, MAX_SLEEP)
}

/// The environment's time.
pub(crate) fn now(environment: &Environment) -> Timestamp {
    Timestamp::from_millisecond((environment.now_unix_ms)()).unwrap_or(Timestamp::UNIX_EPOCH)
}

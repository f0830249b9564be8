//! Exchange's throttling, modelled: how many requests a user may have open, how much of the
//! server's time they may use, and what they hear when they use more.
//!
//! The numbers are those that Microsoft publishes for the default policy (`Get-ThrottlingPolicy`,
//! "EWS throttling in Exchange"): 27 connections, a budget of five minutes of server time that
//! refills by fifteen minutes an hour, micro-delays once it is used up, and a lock once fifty
//! minutes more are. How long the lock lasts is not published; the back-off times that clients
//! recorded are a little under five minutes.

mod budget;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use budget::{Budget, Verdict};

/// Most entries kept in the log; later ones are only counted.
const LOG_LIMIT: usize = 500_000;

/// What a user may do, and how long the server's work takes.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ThrottlePolicy {
    /// EwsMaxConcurrency: requests open at one time; more get `ErrorExceededConnectionCount`.
    pub max_concurrency: u32,
    /// Synchronisation calls open at one time; more get `ErrorServerBusy` for a second.
    pub max_sync_calls: u32,
    /// EwsMaxBurst: server time that may be used at once.
    pub burst: Duration,
    /// EwsRechargeRate: server time that comes back in an hour.
    pub recharge_per_hour: Duration,
    /// EwsCutoffBalance: server time beyond the burst after which the user is locked out.
    pub cutoff: Duration,
    /// How long a lock lasts.
    pub lock: Duration,
    /// Server time that each request takes.
    pub request_time: Duration,
    /// Server time that each id in a request takes on top.
    pub item_time: Duration,
    /// How long the work on one request goes on; the ids that are left by then are answered with
    /// `ErrorBatchProcessingStopped`.
    pub batch_time: Duration,
    /// EwsFindCountLimit: most rows of one answer to FindItem or FindFolder.
    pub find_count: u64,
    /// The same where rows are searched by a restriction or a query.
    pub searched_count: u64,
}

impl ThrottlePolicy {
    /// The default policy of Exchange 2013 and later.
    pub fn exchange_default() -> ThrottlePolicy {
        let minutes = |count: u64| Duration::from_secs(60 * count);
        ThrottlePolicy {
            max_concurrency: 27,
            max_sync_calls: 5,
            burst: minutes(5),
            recharge_per_hour: minutes(15),
            cutoff: minutes(50),
            lock: minutes(5),
            request_time: Duration::from_millis(10),
            item_time: Duration::from_millis(5),
            batch_time: minutes(1),
            find_count: 1000,
            searched_count: 250,
        }
    }

    /// The policy of this name: `default`; `None` for `unlimited`, which is no policy.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::Invalid`] for any other name.
    pub fn named(name: &str) -> Result<Option<ThrottlePolicy>, crate::Error> {
        match name {
            "default" => Ok(Some(ThrottlePolicy::exchange_default())),
            "unlimited" => Ok(None),
            _ => Err(crate::Error::invalid(format!(
                "there is no throttling policy '{name}', only default and unlimited"
            ))),
        }
    }

    /// How many of so many ids there is time for; the first always gets its answer.
    fn ids_in_time(&self, ids: u32) -> u32 {
        let left = self.batch_time.saturating_sub(self.request_time);
        match self.item_time.as_nanos() {
            0 => ids,
            each => u32::try_from(left.as_nanos() / each).map_or(ids, |fit| fit.max(1).min(ids)),
        }
    }

    /// The most server time that a user can use within some time, however it asks.
    pub fn most_work_in(&self, time: Duration) -> Duration {
        let hours = time.as_secs_f64() / 3600.0;
        self.burst + self.cutoff + self.recharge_per_hour.mul_f64(hours)
    }
}

/// What the throttling model made of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ThrottleVerdict {
    /// It was let in.
    Admitted,
    /// It came while the user was locked out, or locked the user out.
    Busy {
        /// The back-off that the client was told.
        back_off: Duration,
    },
    /// Too many synchronisation calls were open.
    TooManySyncs {
        /// The back-off that the client was told.
        back_off: Duration,
    },
    /// Too many connections were open.
    TooManyConnections,
}

/// One request as the throttling model saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ThrottleEntry {
    /// When it came, since the model began.
    pub at: Duration,
    /// Whose budget it counted against: the impersonated mailbox or the account, in lower case.
    pub user: String,
    /// The operation.
    pub operation: String,
    /// What became of it.
    pub verdict: ThrottleVerdict,
    /// The server time it was charged.
    pub charged: Duration,
    /// The micro-delay it got.
    pub delayed: Duration,
    /// How many ids it had.
    pub ids: u32,
    /// How many of them there was no time for.
    pub stopped: u32,
}

/// The model at work.
pub(crate) struct Throttle {
    pub(crate) policy: ThrottlePolicy,
    start: Instant,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    budgets: HashMap<String, Budget>,
    log: Vec<ThrottleEntry>,
}

/// What a request is, before it is looked at.
pub(crate) struct Asked {
    pub(crate) user: String,
    pub(crate) operation: String,
    /// How many ids it has.
    pub(crate) ids: u32,
}

impl Asked {
    fn is_sync(&self) -> bool {
        self.operation.starts_with("Sync")
    }
}

impl Throttle {
    pub(crate) fn new(policy: ThrottlePolicy) -> Throttle {
        Throttle {
            policy,
            // The runtime's clock, which tests can pause.
            start: Instant::now(),
            state: Mutex::default(),
        }
    }

    /// Lets a request in after the time its work takes, or says why not.
    pub(crate) async fn enter(
        self: &Arc<Self>,
        asked: Asked,
    ) -> Result<Admission, ThrottleVerdict> {
        let now = self.start.elapsed();
        let ids = asked.ids;
        let verdict = {
            let mut state = self.lock();
            let budget = state.budgets.entry(asked.user.clone()).or_default();
            budget.enter(&self.policy, now, asked.is_sync())
        };
        let refused = match verdict {
            Verdict::Run => None,
            Verdict::Locked { left } => Some(ThrottleVerdict::Busy { back_off: left }),
            Verdict::TooManySyncs { wait } => {
                Some(ThrottleVerdict::TooManySyncs { back_off: wait })
            }
            Verdict::TooManyConnections => Some(ThrottleVerdict::TooManyConnections),
        };
        if let Some(verdict) = refused {
            self.note(now, &asked, verdict, Duration::ZERO, Duration::ZERO);
            return Err(verdict);
        }
        let mut admission = Admission {
            throttle: Arc::clone(self),
            asked,
            at: now,
            delayed: Duration::ZERO,
            is_open: true,
            ids_in_time: self.policy.ids_in_time(ids),
        };
        let work = self.policy.request_time + self.policy.item_time * admission.ids_in_time;
        tokio::time::sleep(work).await;
        admission.charge(work).await;
        Ok(admission)
    }

    /// What happened so far.
    pub(crate) fn log(&self) -> Vec<ThrottleEntry> {
        self.lock().log.clone()
    }

    fn note(
        &self,
        at: Duration,
        asked: &Asked,
        verdict: ThrottleVerdict,
        charged: Duration,
        delayed: Duration,
    ) {
        let mut state = self.lock();
        if state.log.len() < LOG_LIMIT {
            state.log.push(ThrottleEntry {
                at,
                user: asked.user.clone(),
                operation: asked.operation.clone(),
                verdict,
                charged,
                delayed,
                ids: asked.ids,
                stopped: match verdict {
                    ThrottleVerdict::Admitted => {
                        asked.ids.saturating_sub(self.policy.ids_in_time(asked.ids))
                    }
                    _ => 0,
                },
            });
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that was let in; it is open until this is dropped.
pub(crate) struct Admission {
    throttle: Arc<Throttle>,
    asked: Asked,
    at: Duration,
    delayed: Duration,
    is_open: bool,
    ids_in_time: u32,
}

impl Admission {
    /// How many ids of the request there is time for, if not for all.
    pub(crate) fn ids_in_time(&self) -> Option<u32> {
        (self.ids_in_time < self.asked.ids).then_some(self.ids_in_time)
    }

    /// Charges the work to the user, and makes the micro-delay that is due.
    async fn charge(&mut self, work: Duration) {
        let now = self.throttle.start.elapsed();
        self.delayed = {
            let mut state = self.throttle.lock();
            let budget = state.budgets.entry(self.asked.user.clone()).or_default();
            budget.charge(&self.throttle.policy, now, work)
        };
        let verdict = ThrottleVerdict::Admitted;
        self.throttle
            .note(self.at, &self.asked, verdict, work, self.delayed);
        tokio::time::sleep(self.delayed).await;
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        if std::mem::take(&mut self.is_open) {
            let mut state = self.throttle.lock();
            if let Some(budget) = state.budgets.get_mut(&self.asked.user) {
                budget.leave(self.asked.is_sync());
            }
        }
    }
}

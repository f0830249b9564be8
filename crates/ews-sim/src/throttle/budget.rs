//! One user's budget: a token bucket with the time as input.

use std::time::Duration;

use super::ThrottlePolicy;

/// How long a synchronisation call too many is told to wait.
const SYNC_WAIT: Duration = Duration::from_secs(1);
/// The longest micro-delay of one request.
const MAX_MICRO_DELAY: Duration = Duration::from_secs(60);
const NANOS_PER_HOUR: i128 = 3600 * 1_000_000_000;

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Run,
    Locked { left: Duration },
    TooManySyncs { wait: Duration },
    TooManyConnections,
}

/// What a user has used.
#[derive(Clone, Debug, Default)]
pub(crate) struct Budget {
    open: u32,
    syncs: u32,
    /// Server time used and not yet refilled, in nanoseconds; the balance is the burst less this.
    used: i128,
    refilled: Duration,
    locked_until: Duration,
}

impl Budget {
    pub(crate) fn enter(&mut self, policy: &ThrottlePolicy, now: Duration, sync: bool) -> Verdict {
        self.refill(policy, now);
        if self.locked_until > now {
            return Verdict::Locked {
                left: whole_ms(self.locked_until - now),
            };
        }
        if self.open >= policy.max_concurrency {
            return Verdict::TooManyConnections;
        }
        if sync && self.syncs >= policy.max_sync_calls {
            return Verdict::TooManySyncs { wait: SYNC_WAIT };
        }
        if self.used > nanos(policy.burst + policy.cutoff) {
            self.locked_until = now + policy.lock;
            return Verdict::Locked {
                left: whole_ms(policy.lock),
            };
        }
        self.open += 1;
        self.syncs += u32::from(sync);
        Verdict::Run
    }

    /// Takes the time that a request's work took; gives the micro-delay before its answer.
    pub(crate) fn charge(
        &mut self,
        policy: &ThrottlePolicy,
        now: Duration,
        work: Duration,
    ) -> Duration {
        self.refill(policy, now);
        self.used += nanos(work);
        let refill = nanos(policy.recharge_per_hour);
        if self.used <= nanos(policy.burst) || refill == 0 || refill >= NANOS_PER_HOUR {
            return Duration::ZERO;
        }
        // As long as makes a single thread use no more than what is refilled.
        let delay = nanos(work) * (NANOS_PER_HOUR - refill) / refill;
        duration(delay).min(MAX_MICRO_DELAY)
    }

    pub(crate) fn leave(&mut self, sync: bool) {
        self.open = self.open.saturating_sub(1);
        self.syncs = self.syncs.saturating_sub(u32::from(sync));
    }

    fn refill(&mut self, policy: &ThrottlePolicy, now: Duration) {
        let passed = nanos(now.saturating_sub(self.refilled));
        self.refilled = self.refilled.max(now);
        let refill = passed * nanos(policy.recharge_per_hour) / NANOS_PER_HOUR;
        self.used = (self.used - refill).max(0);
    }
}

fn nanos(time: Duration) -> i128 {
    i128::try_from(time.as_nanos()).unwrap_or(i128::MAX)
}

fn duration(nanos: i128) -> Duration {
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// Back-off times are told in milliseconds: rounded up, or the client would come too early.
fn whole_ms(time: Duration) -> Duration {
    let ms = time.as_nanos().div_ceil(1_000_000);
    Duration::from_millis(u64::try_from(ms).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn policy() -> ThrottlePolicy {
        ThrottlePolicy {
            max_concurrency: 3,
            max_sync_calls: 1,
            burst: 10 * SECOND,
            recharge_per_hour: 900 * SECOND,
            cutoff: 20 * SECOND,
            lock: 30 * SECOND,
            ..ThrottlePolicy::exchange_default()
        }
    }

    #[test]
    fn connections_and_syncs_have_their_limits() {
        let (policy, mut budget) = (policy(), Budget::default());
        assert_eq!(budget.enter(&policy, SECOND, true), Verdict::Run);
        let wait = SYNC_WAIT;
        assert_eq!(
            budget.enter(&policy, SECOND, true),
            Verdict::TooManySyncs { wait }
        );
        assert_eq!(budget.enter(&policy, SECOND, false), Verdict::Run);
        assert_eq!(budget.enter(&policy, SECOND, false), Verdict::Run);
        assert_eq!(
            budget.enter(&policy, SECOND, false),
            Verdict::TooManyConnections
        );
        budget.leave(true);
        assert_eq!(budget.enter(&policy, SECOND, true), Verdict::Run);
    }

    #[test]
    fn a_used_up_budget_delays_then_locks_and_then_opens_again() {
        let (policy, mut budget) = (policy(), Budget::default());
        assert_eq!(budget.charge(&policy, SECOND, 10 * SECOND), Duration::ZERO);
        // A quarter is refilled, so a second of work takes three of delay.
        assert_eq!(budget.charge(&policy, SECOND, SECOND), 3 * SECOND);
        budget.charge(&policy, SECOND, 20 * SECOND);
        let locked = |left| Verdict::Locked { left };
        assert_eq!(budget.enter(&policy, SECOND, false), locked(30 * SECOND));
        let almost = 31 * SECOND - Duration::from_nanos(1);
        assert_eq!(
            budget.enter(&policy, almost, false),
            locked(Duration::from_millis(1))
        );
        assert_eq!(budget.enter(&policy, 31 * SECOND, false), Verdict::Run);
    }

    proptest! {
        #[test]
        fn nobody_gets_more_than_the_policy_allows(steps in prop::collection::vec((0..5000u64, 0..3000u64), 1..300)) {
            let (policy, mut budget) = (policy(), Budget::default());
            let (mut now, mut used, mut last) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
            for (pause, work) in steps {
                now += Duration::from_millis(pause);
                if budget.enter(&policy, now, false) == Verdict::Run {
                    last = Duration::from_millis(work);
                    budget.charge(&policy, now, last);
                    budget.leave(false);
                    used += last;
                }
                // The last request may go over by its own length.
                let most = policy.most_work_in(now) + last.max(3 * SECOND) + Duration::from_millis(1);
                prop_assert!(used <= most, "{used:?} of {most:?}");
            }
        }
    }
}

//! Whether to send a request again, and when: pure.

use std::time::Duration;

use crate::transport::TransportErrorKind;

/// How persistent a client is. The defaults suit a backup: patient with a busy server, quick to
/// report one that is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// How often the server may turn one request away as busy before it is given up. Default 10.
    pub max_busy_attempts: u32,
    /// How often connections may break, or the server fail, before it is given up; being turned
    /// away does not count. Default 4.
    pub max_attempts: u32,
    /// The first pause where the server names none; doubles each time. Default 500 ms.
    pub first_wait: Duration,
    /// The longest such pause. A pause the server names is honoured as it is. Default 60 s.
    pub max_wait: Duration,
    /// Most time one request spends in pauses. Default 20 min.
    pub max_total_wait: Duration,
    /// Spreads pauses of many clients; equal seeds pause equally.
    pub jitter_seed: u64,
}

impl Default for RetryPolicy {
    fn default() -> RetryPolicy {
        RetryPolicy {
            max_busy_attempts: 10,
            max_attempts: 4,
            first_wait: Duration::from_millis(500),
            max_wait: Duration::from_secs(60),
            max_total_wait: Duration::from_secs(20 * 60),
            jitter_seed: 0,
        }
    }
}

impl RetryPolicy {
    /// Never sends anything twice.
    pub fn none() -> RetryPolicy {
        RetryPolicy {
            max_busy_attempts: 1,
            max_attempts: 1,
            ..RetryPolicy::default()
        }
    }
}

/// How an attempt failed, as far as repeating it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The server refused to look at it: repeating is safe for every operation.
    Refused,
    /// It never reached the server.
    NotSent,
    /// It may have been carried out.
    Unknown,
    /// Repeating would not change the answer.
    Final,
}

impl Failure {
    /// What it means for a repeat that no whole answer arrived.
    pub(crate) fn of(kind: TransportErrorKind) -> Failure {
        match kind {
            TransportErrorKind::Unreachable => Failure::NotSent,
            TransportErrorKind::Payload
            | TransportErrorKind::Auth
            | TransportErrorKind::Protocol
            | TransportErrorKind::OldTls => Failure::Final,
            TransportErrorKind::Timeout | TransportErrorKind::Interrupted => Failure::Unknown,
        }
    }
}

/// What happened so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempt {
    /// How the last attempt failed.
    pub(crate) failure: Failure,
    /// How many failed so: refusals and other failures are counted apart.
    pub(crate) made: u32,
    /// Whether the operation may be carried out twice.
    pub(crate) idempotent: bool,
    /// The pause the server asked for.
    pub(crate) server_wait: Option<Duration>,
    /// The pauses made so far.
    pub(crate) waited: Duration,
}

/// How long to wait before the next attempt; `None` to give up.
pub(crate) fn decide(policy: &RetryPolicy, attempt: Attempt) -> Option<Duration> {
    let limit = match attempt.failure {
        Failure::Refused => policy.max_busy_attempts,
        Failure::NotSent => policy.max_attempts,
        Failure::Unknown if attempt.idempotent => policy.max_attempts,
        Failure::Unknown | Failure::Final => return None,
    };
    if attempt.made >= limit {
        return None;
    }
    let wait = attempt
        .server_wait
        .unwrap_or_else(|| own_wait(policy, attempt.made));
    (attempt.waited.saturating_add(wait) <= policy.max_total_wait).then_some(wait)
}

/// Doubling pauses, shortened by up to a quarter so that clients do not return in step.
fn own_wait(policy: &RetryPolicy, made: u32) -> Duration {
    let doublings = made.saturating_sub(1).min(20);
    let full = policy
        .first_wait
        .saturating_mul(1 << doublings)
        .min(policy.max_wait);
    let quarter = u64::try_from(full.as_millis() / 4).unwrap_or(u64::MAX);
    let spread = mix(policy.jitter_seed ^ u64::from(made)) % quarter.max(1);
    full.saturating_sub(Duration::from_millis(spread))
}

/// SplitMix64's finaliser: enough to spread pauses.
fn mix(seed: u64) -> u64 {
    let z = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(failure: Failure, made: u32) -> Attempt {
        Attempt {
            failure,
            made,
            idempotent: true,
            server_wait: None,
            waited: Duration::ZERO,
        }
    }

    #[test]
    fn the_servers_number_is_honoured_to_the_millisecond() {
        let mut busy = attempt(Failure::Refused, 1);
        busy.server_wait = Some(Duration::from_millis(297_749));
        assert_eq!(
            decide(&RetryPolicy::default(), busy),
            Some(Duration::from_millis(297_749))
        );
    }

    #[test]
    fn what_may_have_happened_is_not_repeated_blindly() {
        let mut unknown = attempt(Failure::Unknown, 1);
        assert!(decide(&RetryPolicy::default(), unknown).is_some());
        unknown.idempotent = false;
        assert_eq!(decide(&RetryPolicy::default(), unknown), None);
        unknown.failure = Failure::NotSent;
        assert!(decide(&RetryPolicy::default(), unknown).is_some());
    }

    #[test]
    fn pauses_grow_stay_bounded_and_end() {
        let policy = RetryPolicy::default();
        let waits: Vec<_> = (1..10)
            .filter_map(|made| decide(&policy, attempt(Failure::Refused, made)))
            .collect();
        assert_eq!(waits.len(), 9);
        assert!(waits.windows(2).all(|pair| pair[1] > pair[0] / 2));
        assert!(waits.iter().all(|wait| *wait <= policy.max_wait));
        assert_eq!(
            decide(&policy, attempt(Failure::Refused, policy.max_busy_attempts)),
            None
        );
    }

    #[test]
    fn a_pause_beyond_the_budget_ends_it() {
        let policy = RetryPolicy::default();
        let mut busy = attempt(Failure::Refused, 1);
        busy.server_wait = Some(policy.max_total_wait + Duration::from_millis(1));
        assert_eq!(decide(&policy, busy), None);
    }
}

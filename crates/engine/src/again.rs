//! What is sent again after a request that the server did not, or not wholly, carry out, in
//! backups and restores: pure.

use std::time::Duration;

/// How often a request is sent when the server is busy, and one that changes something when the
/// connection breaks.
pub(crate) const ATTEMPTS: u32 = 5;

/// The same of what only reads, when the connection breaks: it changes nothing, and where a
/// connection breaks says little about the item it broke in.
pub(crate) const READ_ATTEMPTS: u32 = 8;

/// The first wait before that, where the server names none; it doubles up to the wait after
/// [`ATTEMPTS`].
const FIRST_WAIT: Duration = Duration::from_millis(250);

/// What a request left undone.
pub(crate) struct Again<T> {
    /// To be sent in these batches, each with the number of its attempt.
    pub(crate) batches: Vec<(Vec<T>, u32)>,
    /// To be sent after this wait.
    pub(crate) wait: Duration,
    /// Given up.
    pub(crate) failed: Vec<(T, String)>,
}

impl<T> Again<T> {
    /// Decides after a request of `sent` items of which some are left, the `attempt`-th of at most
    /// `limit` for a single item. A server that took a part will take more, and one that took none
    /// may manage half of it.
    pub(crate) fn new(
        sent: usize,
        attempt: u32,
        limit: u32,
        left: Vec<(T, String)>,
        wait: Option<Duration>,
    ) -> Self {
        let attempt = if left.len() < sent { 1 } else { attempt };
        let mut again = Self {
            batches: Vec::new(),
            wait: wait.unwrap_or(own_wait(attempt)),
            failed: Vec::new(),
        };
        if attempt >= limit && (left.len() <= 1 || attempt >= 2 * limit) {
            again.failed = left;
            return again;
        }
        let mut first: Vec<T> = left.into_iter().map(|(item, _)| item).collect();
        let second = first.split_off(first.len().div_ceil(2));
        again.batches = [first, second]
            .into_iter()
            .filter(|half| !half.is_empty())
            .map(|half| (half, attempt + 1))
            .collect();
        again
    }
}

/// How long to wait after an attempt where the server does not say.
pub(crate) fn own_wait(attempt: u32) -> Duration {
    FIRST_WAIT * 2u32.pow(attempt.clamp(1, ATTEMPTS) - 1)
}

/// Whether a call that failed like this can succeed later.
pub(crate) fn may_pass(kind: ews_client::ErrorKind) -> bool {
    use ews_client::ErrorKind as Leaf;
    matches!(
        kind,
        Leaf::Busy | Leaf::Timeout | Leaf::Interrupted | Leaf::Unreachable | Leaf::Protocol
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(items: usize) -> Vec<(usize, String)> {
        (0..items).map(|item| (item, "busy".to_owned())).collect()
    }

    #[test]
    fn a_batch_of_which_a_part_was_taken_begins_anew_in_halves() {
        let again = Again::new(
            50,
            ATTEMPTS,
            ATTEMPTS,
            left(47),
            Some(Duration::from_millis(70)),
        );
        let sizes: Vec<_> = again.batches.iter().map(|(b, n)| (b.len(), *n)).collect();
        assert_eq!(sizes, [(24, 2), (23, 2)]);
        assert_eq!(again.wait, Duration::from_millis(70));
        assert!(again.failed.is_empty());
    }

    #[test]
    fn a_batch_gets_smaller_before_it_is_given_up() {
        let (mut waiting, mut requests) = (vec![(50, 1)], 0);
        let mut failed = 0;
        while let Some((sent, attempt)) = waiting.pop() {
            requests += 1;
            // A server that takes at most four items at once.
            if sent <= 4 {
                continue;
            }
            let again = Again::new(sent, attempt, ATTEMPTS, left(sent), None);
            failed += again.failed.len();
            waiting.extend(again.batches.iter().map(|(b, n)| (b.len(), *n)));
        }
        assert_eq!((failed, requests < 40), (0, true));
    }

    #[test]
    fn a_single_item_is_given_up_in_the_end() {
        for limit in [ATTEMPTS, READ_ATTEMPTS] {
            let again = Again::new(1, limit, limit, left(1), None);
            assert_eq!((again.failed.len(), again.batches.len()), (1, 0));
            let again = Again::new(1, limit - 1, limit, left(1), None);
            assert_eq!((again.failed.len(), again.batches.len()), (0, 1));
        }
        let again = Again::new(1, 1, ATTEMPTS, left(1), None);
        assert_eq!((again.failed.len(), again.wait), (0, FIRST_WAIT));
    }
}

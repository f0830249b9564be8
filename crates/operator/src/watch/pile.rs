//! Mailboxes that wait to be backed up: a state machine with the time as input.

use std::collections::BTreeMap;

/// Before a mailbox that failed is tried again; twice as long each further time.
const FIRST_WAIT_MS: i64 = 60_000;
/// Longest such wait: the set's schedule tries it as well.
const MAX_WAIT_MS: i64 = 3_600_000;

/// What changed and is not yet saved. Changes of a mailbox count once, and whatever waits when one
/// of them has settled goes into one session, so that few sessions hold many changes.
#[derive(Debug, Default)]
pub(crate) struct Pile {
    /// When each may go.
    waiting: BTreeMap<String, i64>,
    /// Failures in a row.
    failures: BTreeMap<String, u32>,
}

impl Pile {
    /// Notes a change; what waits already goes when it would have gone.
    pub(crate) fn note(&mut self, mailbox: &str, now_ms: i64, settle_ms: i64) {
        let wait = match self.failures.get(mailbox) {
            Some(failures) => backed_off(*failures),
            None => settle_ms,
        };
        let at = now_ms.saturating_add(wait);
        match self.waiting.get_mut(mailbox) {
            Some(known) => *known = (*known).min(at),
            None => {
                self.waiting.insert(mailbox.to_owned(), at);
            }
        }
    }

    /// When the next session should begin.
    pub(crate) fn due(&self) -> Option<i64> {
        self.waiting.values().min().copied()
    }

    /// Takes what goes into a session that begins now: everything, except what failed and has to
    /// wait.
    pub(crate) fn take(&mut self, now_ms: i64) -> Vec<String> {
        if self.due().is_none_or(|due| due > now_ms) {
            return Vec::new();
        }
        let failures = &self.failures;
        let goes = |name: &String, at: &i64| *at <= now_ms || !failures.contains_key(name);
        let taken = self.waiting.iter().filter(|(name, at)| goes(name, at));
        let taken: Vec<String> = taken.map(|(name, _)| name.clone()).collect();
        for name in &taken {
            self.waiting.remove(name);
        }
        taken
    }

    /// A mailbox was saved.
    pub(crate) fn saved(&mut self, mailbox: &str) {
        self.failures.remove(mailbox);
    }

    /// A mailbox could not be saved.
    pub(crate) fn failed(&mut self, mailbox: &str, now_ms: i64) {
        let failures = self.failures.entry(mailbox.to_owned()).or_default();
        *failures = failures.saturating_add(1);
        let at = now_ms.saturating_add(backed_off(*failures));
        // A change that came meanwhile waits with it.
        self.waiting.insert(mailbox.to_owned(), at);
    }
}

fn backed_off(failures: u32) -> i64 {
    let doubled = FIRST_WAIT_MS.saturating_mul(1 << failures.saturating_sub(1).min(10));
    doubled.min(MAX_WAIT_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_while_the_first_settles_goes_with_it() {
        let mut pile = Pile::default();
        assert_eq!((pile.due(), pile.take(0)), (None, Vec::new()));
        pile.note("a", 0, 20_000);
        pile.note("b", 15_000, 20_000);
        pile.note("a", 19_000, 20_000);
        assert_eq!(
            pile.due(),
            Some(20_000),
            "a change does not put off another"
        );
        assert_eq!(pile.take(19_999), [""; 0]);
        assert_eq!(pile.take(20_000), ["a", "b"]);
        assert_eq!(pile.due(), None);
    }

    #[test]
    fn what_fails_waits_longer_each_time_and_holds_up_nobody() {
        let mut pile = Pile::default();
        pile.failed("a", 0);
        assert_eq!(pile.due(), Some(60_000));
        pile.note("a", 1_000, 20_000);
        pile.note("b", 1_000, 20_000);
        assert_eq!(pile.due(), Some(21_000));
        assert_eq!(pile.take(21_000), ["b"]);
        assert_eq!(pile.take(60_000), ["a"]);
        pile.failed("a", 60_000);
        assert_eq!(pile.due(), Some(180_000));
        for _ in 0..40 {
            pile.failed("a", 0);
        }
        assert_eq!(pile.due(), Some(MAX_WAIT_MS));
        pile.saved("a");
        pile.note("a", 0, 20_000);
        assert_eq!(pile.due(), Some(20_000));
    }
}

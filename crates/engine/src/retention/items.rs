//! Which versions of items outlive their snapshots: pure.

use jiff::{Timestamp, Zoned};
use serde::Serialize;

use super::Policy;

/// Why a version of an item outlives its snapshots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ItemReason {
    /// [`Policy::deleted_items`].
    DeletedItems,
    /// [`Policy::versions`].
    Versions,
    /// A hold on it.
    Held,
}

/// One version of an item in one tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sighting {
    /// Stands for the content: the hash and the length.
    pub(crate) content: ([u8; 16], u64),
    /// The first and the last snapshot that had it.
    pub(crate) first_unix_ms: i64,
    pub(crate) last_unix_ms: i64,
    /// The first snapshot without it, where the tree says so itself.
    pub(crate) gone_unix_ms: Option<i64>,
    /// The newest tree that has it.
    pub(crate) tree: usize,
    /// Whether a snapshot that stays has it.
    pub(crate) stays: bool,
    /// Whether a hold on items has it.
    pub(crate) held: bool,
}

impl Sighting {
    /// Whether this and its neighbour are one version.
    pub(super) fn is_one_with(&self, other: &Self) -> bool {
        self.content == other.content && !self.begins_behind(other) && !other.begins_behind(self)
    }

    /// Whether a kept tree says that this began later. It was written when all that lies before it
    /// was known, so what came between was another version, though no tree has that any more.
    fn begins_behind(&self, other: &Self) -> bool {
        self.gone_unix_ms.is_some() && self.first_unix_ms > other.last_unix_ms
    }

    /// Takes another sighting of the same version in.
    pub(crate) fn join(&mut self, other: &Self) {
        self.first_unix_ms = self.first_unix_ms.min(other.first_unix_ms);
        if other.last_unix_ms >= self.last_unix_ms {
            self.last_unix_ms = other.last_unix_ms;
            self.tree = other.tree;
        }
        self.gone_unix_ms = match (self.gone_unix_ms, other.gone_unix_ms) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        self.stays |= other.stays;
        self.held |= other.held;
    }
}

/// What is known of a mailbox when its items are decided about.
pub(crate) struct Course<'a> {
    /// Times of all its snapshots, those that go included, in order.
    pub(crate) times: &'a [i64],
    pub(crate) policy: &'a Policy,
    /// Items gone at this time or before have stayed long enough.
    pub(crate) gone_after: Option<Timestamp>,
}

impl<'a> Course<'a> {
    pub(crate) fn new(times: &'a [i64], policy: &'a Policy, now: &Zoned) -> Self {
        let gone_after = policy.deleted_items.map(|period| period.before(now));
        Self {
            times,
            policy,
            gone_after,
        }
    }

    /// The first snapshot behind a time.
    fn next(&self, unix_ms: i64) -> Option<i64> {
        let at = self.times.partition_point(|time| *time <= unix_ms);
        self.times.get(at).copied()
    }
}

/// What becomes of a version that no remaining snapshot has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fate {
    pub(crate) version: Sighting,
    /// Why it stays; it goes if nothing keeps it.
    pub(crate) kept_by: Option<ItemReason>,
    /// The kept tree it goes into, counted from the newest version; only for what a rule keeps.
    pub(crate) slot: usize,
}

/// An item's versions, oldest first: sightings of one content without another between them are
/// one version. A version behind which an older content came back is a version of its own.
pub(crate) fn versions(mut sightings: Vec<Sighting>) -> Vec<Sighting> {
    sightings.sort_by_key(|seen| (seen.last_unix_ms, seen.first_unix_ms));
    let mut versions: Vec<Sighting> = Vec::with_capacity(sightings.len());
    for seen in sightings {
        match versions.last_mut() {
            Some(last) if last.is_one_with(&seen) => last.join(&seen),
            _ => versions.push(seen),
        }
    }
    versions
}

/// Decides about the versions of one item that no snapshot which stays has.
pub(crate) fn fates(sightings: Vec<Sighting>, course: &Course<'_>) -> Vec<Fate> {
    let mut versions = versions(sightings);
    let Some(last) = versions.last_mut() else {
        return Vec::new();
    };
    let found_missing = course.next(last.last_unix_ms);
    let gone = match (last.gone_unix_ms, found_missing) {
        // It came back: what an older tree says of its end is over.
        (Some(known), _) if known <= last.last_unix_ms => found_missing,
        (known, None) => known,
        (known, Some(missing)) => Some(known.map_or(missing, |known| known.min(missing))),
    };
    last.gone_unix_ms = gone;
    for at in 1..versions.len() {
        let followed = course.next(versions[at - 1].last_unix_ms);
        let known = versions[at - 1].gone_unix_ms;
        versions[at - 1].gone_unix_ms = known.or(followed);
    }
    let (wanted, reason) = match gone {
        None => (course.policy.versions, ItemReason::Versions),
        Some(gone) => {
            let after = course.gone_after.map(Timestamp::as_millisecond);
            let wanted = match after {
                Some(after) if gone > after => course.policy.versions.max(1),
                _ => 0,
            };
            (wanted, ItemReason::DeletedItems)
        }
    };
    let mut slot = 0;
    let mut fates = Vec::new();
    for (age, version) in versions.into_iter().rev().enumerate() {
        if version.stays {
            continue;
        }
        let by_rule = (age as u64) < u64::from(wanted);
        let kept_by = if by_rule {
            let older = age > 0 && reason == ItemReason::DeletedItems;
            Some(if older { ItemReason::Versions } else { reason })
        } else {
            version.held.then_some(ItemReason::Held)
        };
        fates.push(Fate {
            version,
            kept_by,
            slot,
        });
        slot += usize::from(by_rule);
    }
    fates
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Snapshots daily at noon, the first on the 1st; `at` is the day.
    const DAY: i64 = 86_400_000;

    fn seen(content: u8, first: i64, last: i64, stays: bool) -> Sighting {
        Sighting {
            content: ([content; 16], 1),
            first_unix_ms: first * DAY,
            last_unix_ms: last * DAY,
            gone_unix_ms: None,
            tree: 0,
            stays,
            held: false,
        }
    }

    #[track_caller]
    fn check(
        (deleted, versions): (Option<&str>, u32),
        sightings: &[Sighting],
        expected: &[(u8, Option<ItemReason>)],
    ) {
        let policy = Policy {
            deleted_items: deleted.map(|text| text.parse().unwrap()),
            versions,
            ..Policy::default()
        };
        let times: Vec<i64> = (1..=20).map(|day| day * DAY).collect();
        let now = Timestamp::from_millisecond(20 * DAY).unwrap();
        let now = now.to_zoned(jiff::tz::TimeZone::UTC);
        let course = Course::new(&times, &policy, &now);
        let fates = fates(sightings.to_vec(), &course);
        let found: Vec<_> = fates
            .iter()
            .map(|fate| (fate.version.content.0[0], fate.kept_by))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_deleted_item_stays_for_a_while_after_the_backup_that_missed_it() {
        use ItemReason::{DeletedItems, Versions};
        let gone_on_11 = [seen(1, 1, 5, false), seen(2, 6, 10, false)];
        check((None, 0), &gone_on_11, &[(2, None), (1, None)]);
        check((None, 5), &gone_on_11, &[(2, None), (1, None)]);
        check((Some("9d"), 0), &gone_on_11, &[(2, None), (1, None)]);
        check(
            (Some("10d"), 0),
            &gone_on_11,
            &[(2, Some(DeletedItems)), (1, None)],
        );
        check(
            (Some("10d"), 2),
            &gone_on_11,
            &[(2, Some(DeletedItems)), (1, Some(Versions))],
        );
        // Its last version is in a snapshot that stays: nothing to do for it.
        let covered = [seen(1, 1, 5, false), seen(2, 6, 10, true)];
        check((Some("10d"), 1), &covered, &[(1, None)]);
    }

    #[test]
    fn versions_of_a_living_item_are_counted_from_the_newest() {
        use ItemReason::Versions;
        let living = [
            seen(1, 1, 5, false),
            seen(2, 6, 10, false),
            seen(1, 11, 12, false),
            seen(3, 13, 20, true),
        ];
        check((None, 1), &living, &[(1, None), (2, None), (1, None)]);
        check(
            (Some("1d"), 3),
            &living,
            &[(1, Some(Versions)), (2, Some(Versions)), (1, None)],
        );
    }

    #[test]
    fn sightings_in_kept_trees_and_snapshots_are_one_version() {
        let mut kept = seen(1, 1, 5, false);
        kept.gone_unix_ms = Some(3 * DAY);
        let joined = versions(vec![seen(1, 7, 9, true), kept]);
        assert_eq!(joined.len(), 1);
        assert_eq!(
            (joined[0].first_unix_ms, joined[0].last_unix_ms),
            (DAY, 9 * DAY)
        );
        assert!(joined[0].stays);
    }

    #[test]
    fn a_kept_version_is_not_one_with_what_was_the_same_before_another() {
        // 1, then 2, which nothing has any more, then 1 again, then 3.
        let mut kept = seen(1, 7, 9, false);
        kept.gone_unix_ms = Some(10 * DAY);
        let sightings = [seen(1, 1, 5, true), kept, seen(3, 10, 20, true)];
        assert_eq!(versions(sightings.to_vec()).len(), 3);
        check((None, 2), &sightings, &[(1, Some(ItemReason::Versions))]);
    }

    #[test]
    fn what_a_kept_tree_says_of_the_end_counts_while_the_item_is_gone() {
        // It was missed on the 6th; the snapshots of those days are gone, the next one is the 20th.
        let mut kept = seen(1, 1, 5, false);
        kept.gone_unix_ms = Some(6 * DAY);
        check((Some("13d"), 0), &[kept.clone()], &[(1, None)]);
        check(
            (Some("15d"), 0),
            &[kept],
            &[(1, Some(ItemReason::DeletedItems))],
        );
    }

    #[test]
    fn a_held_version_is_named_so_and_needs_no_kept_tree() {
        let mut held = seen(1, 1, 5, false);
        held.held = true;
        check((None, 0), &[held], &[(1, Some(ItemReason::Held))]);
    }
}

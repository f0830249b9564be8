//! Items over random histories of changes, backups and policies, against a plain model that
//! remembers everything that ever was.

use jiff::{Timestamp, tz::TimeZone};
use proptest::prelude::*;

use super::super::items::{Course, ItemReason, Sighting, fates};
use super::super::{Period, Policy, SnapshotTime, decide};

const DAY: i64 = 86_400_000;

/// What an item is on each day: some content, or not there.
type Days = Vec<Option<u8>>;

/// One item in the repository: snapshots that are left, by day, and what was kept beside them.
#[derive(Default)]
struct Stored {
    snapshots: Vec<(i64, Option<u8>)>,
    kept: Vec<Sighting>,
}

impl Stored {
    /// Applies a policy as `retention apply` does.
    fn apply(&mut self, policy: &Policy, today: i64) {
        let now = Timestamp::from_millisecond(today * DAY).unwrap();
        let now = now.to_zoned(TimeZone::UTC);
        let times: Vec<SnapshotTime> = self
            .snapshots
            .iter()
            .map(|(day, _)| SnapshotTime {
                id: format!("{day:04}"),
                mailbox: "alice@example.test".into(),
                time_unix_ms: day * DAY,
                partial: false,
            })
            .collect();
        let verdicts = decide(&times, policy, &[], &now);
        let stays: Vec<bool> = verdicts.iter().map(|v| !v.kept_by.is_empty()).collect();
        let mut sightings: Vec<Sighting> = Vec::new();
        for ((day, content), stays) in self.snapshots.iter().zip(&stays) {
            sightings.extend(content.map(|content| Sighting {
                content: ([content; 16], 1),
                first_unix_ms: day * DAY,
                last_unix_ms: day * DAY,
                gone_unix_ms: None,
                tree: 0,
                stays: *stays,
                held: false,
            }));
        }
        sightings.append(&mut self.kept);
        let times: Vec<i64> = times.iter().map(|time| time.time_unix_ms).collect();
        let course = Course::new(&times, policy, &now);
        let wanted = fates(sightings, &course)
            .into_iter()
            .filter(|fate| matches!(fate.kept_by, Some(reason) if reason != ItemReason::Held));
        self.kept = wanted.map(|fate| fate.version).collect();
        let mut stays = stays.into_iter();
        self.snapshots.retain(|_| stays.next().unwrap());
    }

    /// Whether a content can be had. On which days it is told of does not matter: where what came
    /// between two equal contents is gone, they are one version, and one place has it.
    fn has(&self, content: u8) -> bool {
        self.snapshots
            .iter()
            .any(|(_, found)| *found == Some(content))
            || self.kept.iter().any(|kept| kept.content.0[0] == content)
    }
}

/// The versions that backups ever saw: content, first and last day, oldest first.
fn versions(backups: &[(i64, Option<u8>)]) -> Vec<(u8, i64, i64)> {
    let mut versions: Vec<(u8, i64, i64)> = Vec::new();
    for (day, content) in backups {
        let Some(content) = content else { continue };
        match versions.last_mut() {
            Some(last) if last.0 == *content => last.2 = *day,
            _ => versions.push((*content, *day, *day)),
        }
    }
    versions
}

fn check(days: &Days, backed_up: &[bool], applied: &[bool], policy: &Policy) {
    let mut backups: Vec<(i64, Option<u8>)> = Vec::new();
    let mut stored = Stored::default();
    // What the policy promised when it was applied last: nothing else has to be there again.
    let (mut promised, mut applied_on) = (Vec::new(), 0);
    for (day, content) in (1..).zip(days) {
        if backed_up[day as usize - 1] {
            backups.push((day, *content));
            stored.snapshots.push((day, *content));
        }
        if !applied[day as usize - 1] || backups.is_empty() {
            continue;
        }
        stored.apply(policy, day);
        let kept = stored.kept.clone();
        stored.apply(policy, day);
        assert_eq!(kept, stored.kept, "applying again changes nothing");

        let all = versions(&backups);
        let newest = backups.last().unwrap();
        let period: i64 = policy.deleted_items.map_or(0, |period| {
            period.to_string().trim_end_matches('d').parse().unwrap()
        });
        let wanted = match (newest.1, all.last()) {
            (Some(_), _) => policy.versions,
            (None, Some(last)) => {
                let missed = backups.iter().find(|(day, _)| *day > last.2).unwrap().0;
                match policy.deleted_items.is_some() && day < missed + period {
                    true => policy.versions.max(1),
                    false => 0,
                }
            }
            (None, None) => 0,
        };
        let mut promise = Vec::new();
        for (content, first, last) in all.iter().rev().take(wanted as usize) {
            if *last <= applied_on && !promised.contains(&(*content, *first)) {
                continue;
            }
            promise.push((*content, *first));
            assert!(
                stored.has(*content),
                "on day {day} content {content} of days {first} to {last} is lost"
            );
        }
        (promised, applied_on) = (promise, day);
        // And no hoarding: what is kept is among the newest versions, as many as the policy says.
        let most = policy
            .versions
            .max(u32::from(policy.deleted_items.is_some()));
        assert!(stored.kept.len() <= most as usize, "{:?}", stored.kept);
        if newest.1.is_none() && policy.deleted_items.is_none() {
            assert!(stored.kept.is_empty());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5_000))]

    #[test]
    fn what_the_policy_promises_of_an_item_can_be_had_on_every_day(
        days in prop::collection::vec(prop::option::weighted(0.7, 0u8..4), 40),
        backed_up in prop::collection::vec(prop::bool::weighted(0.8), 40),
        applied in prop::collection::vec(prop::bool::weighted(0.4), 40),
        (last, daily, weekly) in (1u32..4, 0u32..6, 0u32..4),
        (deleted, versions) in (prop::option::of(1u32..20), 0u32..4),
    ) {
        let policy = Policy {
            last,
            daily,
            weekly,
            deleted_items: deleted.map(Period::days),
            versions,
            ..Policy::default()
        };
        check(&days, &backed_up, &applied, &policy);
    }
}

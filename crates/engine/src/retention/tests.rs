//! The decision about snapshots, against a slow implementation that shares nothing with it.

mod history;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{Span, Timestamp, ToSpan, Zoned};
use proptest::prelude::*;

use super::{Policy, Reason, SnapshotTime, decide};
use crate::hold::{Held, Hold};

const NOW: &str = "2026-11-22T23:00[Europe/Berlin]";
const ALICE: &str = "alice@example.test";

fn now() -> Zoned {
    NOW.parse().unwrap()
}

/// Every evening for three years, through six changes of the clocks.
fn three_years() -> Vec<SnapshotTime> {
    let first: Zoned = "2023-11-23T22:30[Europe/Berlin]".parse().unwrap();
    let days = (0..).map(|day: i64| first.checked_add(Span::new().days(day)).unwrap());
    days.take_while(|time| *time < now())
        .map(|time| SnapshotTime {
            id: time.strftime("%Y-%m-%d").to_string(),
            mailbox: ALICE.into(),
            time_unix_ms: time.timestamp().as_millisecond(),
            partial: false,
        })
        .collect()
}

/// `last=3 daily=7 within=30d`, as tables write it.
fn policy(text: &str) -> Policy {
    let mut policy = Policy::default();
    for (name, value) in text.split(' ').filter_map(|part| part.split_once('=')) {
        let count = || value.parse().unwrap();
        match name {
            "last" => policy.last = count(),
            "within" => policy.within = Some(value.parse().unwrap()),
            "hourly" => policy.hourly = count(),
            "daily" => policy.daily = count(),
            "weekly" => policy.weekly = count(),
            "monthly" => policy.monthly = count(),
            "quarterly" => policy.quarterly = count(),
            "yearly" => policy.yearly = count(),
            other => panic!("no rule {other}"),
        }
    }
    policy
}

fn survivors(snapshots: &[SnapshotTime], policy: &Policy, holds: &[Hold]) -> BTreeSet<String> {
    let verdicts = decide(snapshots, policy, holds, &now());
    assert_eq!(verdicts.len(), snapshots.len());
    let kept = verdicts.into_iter().filter(|v| !v.kept_by.is_empty());
    kept.map(|verdict| verdict.id).collect()
}

/// The same by brute force: each snapshot is compared with each other, and stretches of the
/// calendar are what the time is called.
fn slowly(snapshots: &[SnapshotTime], policy: &Policy, now: &Zoned) -> BTreeSet<String> {
    let mut kept = BTreeSet::new();
    let order = |s: &SnapshotTime| (s.time_unix_ms, s.id.clone());
    let rules = [
        (policy.last, "%s %f"),
        (policy.hourly, "%F %H %z"),
        (policy.daily, "%F"),
        (policy.weekly, "%G %V"),
        (policy.monthly, "%Y %m"),
        (policy.quarterly, "%Y Q%q"),
        (policy.yearly, "%Y"),
    ];
    let called = |s: &SnapshotTime, nth: usize, format: &str| {
        let time = Timestamp::from_millisecond(s.time_unix_ms).unwrap();
        let time = time.to_zoned(now.time_zone().clone());
        match nth {
            0 => format!("{:?}", order(s)),
            5 => format!("{} {}", time.year(), (time.month() + 2) / 3),
            _ => time.strftime(format).to_string(),
        }
    };
    let used: Vec<(u32, Vec<String>)> = rules
        .iter()
        .enumerate()
        .filter(|(_, (count, _))| *count > 0)
        .map(|(nth, (count, format))| {
            let names = snapshots.iter().map(|s| called(s, nth, format));
            (*count, names.collect())
        })
        .collect();
    for (at, one) in snapshots.iter().enumerate() {
        let newer: Vec<usize> = (0..snapshots.len())
            .filter(|other| snapshots[*other].mailbox == one.mailbox)
            .filter(|other| order(&snapshots[*other]) > order(one))
            .collect();
        let complete = || newer.iter().filter(|other| !snapshots[**other].partial);
        let mut keep = policy.within.is_none() && used.is_empty();
        keep |= complete().next().is_none() && (!one.partial || newer.is_empty());
        if let Some(within) = policy.within {
            keep |= one.time_unix_ms > before(now, &within.to_string());
        }
        for (count, names) in used.iter().filter(|_| !one.partial) {
            let mut before: BTreeSet<&str> = BTreeSet::new();
            keep |= complete().all(|other| {
                before.insert(&names[*other]);
                names[*other] != names[at] && before.len() < *count as usize
            });
        }
        if keep {
            kept.insert(one.id.clone());
        }
    }
    kept
}

/// The moment a period such as `2y6mo` before a time: so much less on the calendar.
fn before(now: &Zoned, period: &str) -> i64 {
    let mut span = Span::new();
    let mut rest = period;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap();
        let number: i64 = rest[..digits].parse().unwrap();
        let letters = rest[digits..].find(|c: char| c.is_ascii_digit());
        let end = letters.map_or(rest.len(), |length| digits + length);
        span = match &rest[digits..end] {
            "h" => span.hours(number),
            "d" => span.days(number),
            "w" => span.weeks(number),
            "mo" => span.months(number),
            "y" => span.years(number),
            unit => panic!("no unit {unit}"),
        };
        rest = &rest[end..];
    }
    now.checked_sub(span).unwrap().timestamp().as_millisecond()
}

/// Policy, how many survive, and the oldest three of them.
const TABLE: [(&str, usize, &[&str]); 30] = [
    ("", 1096, &["2023-11-23", "2023-11-24", "2023-11-25"]),
    ("last=1", 1, &["2026-11-22"]),
    ("last=2", 2, &["2026-11-21", "2026-11-22"]),
    ("last=30", 30, &["2026-10-24", "2026-10-25", "2026-10-26"]),
    (
        "last=5000",
        1096,
        &["2023-11-23", "2023-11-24", "2023-11-25"],
    ),
    ("within=1h", 1, &["2026-11-22"]),
    ("within=36h", 2, &["2026-11-21", "2026-11-22"]),
    (
        "within=14d",
        14,
        &["2026-11-09", "2026-11-10", "2026-11-11"],
    ),
    ("within=4w", 28, &["2026-10-26", "2026-10-27", "2026-10-28"]),
    (
        "within=1mo",
        31,
        &["2026-10-23", "2026-10-24", "2026-10-25"],
    ),
    (
        "within=1y",
        365,
        &["2025-11-23", "2025-11-24", "2025-11-25"],
    ),
    (
        "within=2y6mo",
        914,
        &["2024-05-23", "2024-05-24", "2024-05-25"],
    ),
    ("hourly=24", 24, &["2026-10-30", "2026-10-31", "2026-11-01"]),
    ("daily=7", 7, &["2026-11-16", "2026-11-17", "2026-11-18"]),
    (
        "daily=400",
        400,
        &["2025-10-19", "2025-10-20", "2025-10-21"],
    ),
    ("weekly=4", 4, &["2026-11-01", "2026-11-08", "2026-11-15"]),
    ("weekly=60", 60, &["2025-10-05", "2025-10-12", "2025-10-19"]),
    (
        "monthly=12",
        12,
        &["2025-12-31", "2026-01-31", "2026-02-28"],
    ),
    (
        "monthly=36",
        36,
        &["2023-12-31", "2024-01-31", "2024-02-29"],
    ),
    (
        "quarterly=4",
        4,
        &["2026-03-31", "2026-06-30", "2026-09-30"],
    ),
    (
        "quarterly=13",
        13,
        &["2023-12-31", "2024-03-31", "2024-06-30"],
    ),
    ("yearly=2", 2, &["2025-12-31", "2026-11-22"]),
    ("yearly=10", 4, &["2023-12-31", "2024-12-31", "2025-12-31"]),
    (
        "daily=7 weekly=4",
        10,
        &["2026-11-01", "2026-11-08", "2026-11-15"],
    ),
    (
        "daily=7 weekly=4 monthly=12",
        21,
        &["2025-12-31", "2026-01-31", "2026-02-28"],
    ),
    (
        "daily=7 weekly=4 monthly=12 yearly=10",
        23,
        &["2023-12-31", "2024-12-31", "2025-12-31"],
    ),
    (
        "last=3 within=14d monthly=6",
        19,
        &["2026-06-30", "2026-07-31", "2026-08-31"],
    ),
    (
        "within=30d quarterly=8 yearly=3",
        38,
        &["2024-12-31", "2025-03-31", "2025-06-30"],
    ),
    (
        "hourly=48 daily=14 weekly=8 monthly=24 quarterly=12 yearly=7",
        75,
        &["2023-12-31", "2024-03-31", "2024-06-30"],
    ),
    (
        "last=10 daily=10",
        10,
        &["2026-11-13", "2026-11-14", "2026-11-15"],
    ),
];

#[test]
fn thirty_policies_over_three_years_keep_what_they_should() {
    let snapshots = three_years();
    assert_eq!(snapshots.len(), 1096);
    let mut wrong = Vec::new();
    for (text, count, oldest) in TABLE {
        let policy = policy(text);
        let kept = survivors(&snapshots, &policy, &[]);
        assert_eq!(kept, slowly(&snapshots, &policy, &now()), "{text}");
        let first: Vec<&str> = kept.iter().take(3).map(String::as_str).collect();
        if (kept.len(), first.as_slice()) != (count, oldest) {
            wrong.push(format!("{:?}", (text, kept.len(), first)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join(",\n"));
}

#[test]
fn an_hour_that_the_clocks_repeat_is_two_hours() {
    let at = |text: &str| SnapshotTime {
        id: text.into(),
        mailbox: ALICE.into(),
        time_unix_ms: text.parse::<Timestamp>().unwrap().as_millisecond(),
        partial: false,
    };
    let snapshots = [
        at("2026-10-25T00:20Z"),
        at("2026-10-25T00:40Z"),
        at("2026-10-25T01:20Z"),
        at("2026-10-25T01:40Z"),
    ];
    let kept = survivors(&snapshots, &policy("hourly=10"), &[]);
    assert_eq!(
        kept,
        [snapshots[1].id.clone(), snapshots[3].id.clone()].into()
    );
    let kept = survivors(&snapshots, &policy("daily=10"), &[]);
    assert_eq!(kept, [snapshots[3].id.clone()].into());
}

#[test]
fn every_rule_that_keeps_a_snapshot_is_named() {
    let snapshots = three_years();
    let verdicts = decide(&snapshots, &policy("last=2 daily=1 yearly=2"), &[], &now());
    let of = |id: &str| {
        let verdict = verdicts.iter().find(|v| v.id == id).unwrap();
        serde_json::to_string(&verdict.kept_by).unwrap()
    };
    assert_eq!(
        of("2026-11-22"),
        r#"[{"rule":"newest-complete"},{"rule":"last","number":1},{"rule":"newest","of":"daily","number":1},{"rule":"newest","of":"yearly","number":1}]"#
    );
    assert_eq!(of("2026-11-21"), r#"[{"rule":"last","number":2}]"#);
    assert_eq!(
        of("2025-12-31"),
        r#"[{"rule":"newest","of":"yearly","number":2}]"#
    );
    assert_eq!(of("2025-12-30"), "[]");
}

#[test]
fn holds_keep_what_a_policy_would_not_until_they_end() {
    let snapshots = three_years();
    let hold = |held: Held, until: Option<&str>| Hold {
        id: "h".into(),
        mailbox: ALICE.into(),
        held,
        time_unix_ms: 0,
        who: "Ann".into(),
        why: "a case".into(),
        until_unix_ms: until.map(|t| t.parse::<Timestamp>().unwrap().as_millisecond()),
        released: None,
    };
    let one = Held::Snapshot {
        snapshot: "2024-02-29".into(),
    };
    let kept = |hold: Hold| survivors(&snapshots, &policy("last=1"), &[hold]).len();
    assert_eq!(kept(hold(one.clone(), None)), 2);
    assert_eq!(kept(hold(one.clone(), Some("2026-11-22T22:00:01Z"))), 2);
    assert_eq!(kept(hold(one, Some("2026-11-22T22:00Z"))), 1);
    assert_eq!(kept(hold(Held::Mailbox, None)), 1096);
    let of_bob = Hold {
        mailbox: "bob@example.test".into(),
        ..hold(Held::Mailbox, None)
    };
    assert_eq!(kept(of_bob), 1);
}

/// Times within two years in minutes before now, some after it; a mailbox; whether partial.
fn history() -> impl Strategy<Value = Vec<SnapshotTime>> {
    let one = (-1000i64..1_000_000, 0usize..2, prop::bool::weighted(0.2));
    prop::collection::vec(one, 0..60).prop_map(|times| {
        let snapshots = times.into_iter().enumerate();
        snapshots
            .map(|(nth, (minutes, mailbox, partial))| SnapshotTime {
                id: format!("{nth:02}"),
                mailbox: [ALICE, "bob@example.test"][mailbox].into(),
                time_unix_ms: (now() - minutes.minutes()).timestamp().as_millisecond(),
                partial,
            })
            .collect()
    })
}

fn any_policy() -> impl Strategy<Value = Policy> {
    let within = prop::option::of((1u32..40).prop_map(super::Period::days));
    (prop::array::uniform7(0u32..8), within).prop_map(|(counts, within)| {
        let [last, hourly, daily, weekly, monthly, quarterly, yearly] = counts;
        Policy {
            last,
            within,
            hourly,
            daily,
            weekly,
            monthly,
            quarterly,
            yearly,
            ..Policy::default()
        }
    })
}

/// A policy that keeps at least as much.
fn more(policy: &Policy, by: [u32; 7], days: u32) -> Policy {
    let within = policy.within.map(|period| {
        let had: u32 = period.to_string().trim_end_matches('d').parse().unwrap();
        super::Period::days(had + days)
    });
    Policy {
        last: policy.last + by[0],
        hourly: policy.hourly + by[1],
        daily: policy.daily + by[2],
        weekly: policy.weekly + by[3],
        monthly: policy.monthly + by[4],
        quarterly: policy.quarterly + by[5],
        yearly: policy.yearly + by[6],
        within: within.or((days > 20).then(|| super::Period::days(days))),
        ..Policy::default()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_slow_implementation_agrees(snapshots in history(), policy in any_policy()) {
        prop_assert_eq!(survivors(&snapshots, &policy, &[]), slowly(&snapshots, &policy, &now()));
    }

    #[test]
    fn the_newest_complete_snapshot_of_each_mailbox_stays(
        snapshots in history(), policy in any_policy()
    ) {
        let kept = survivors(&snapshots, &policy, &[]);
        let mut newest: BTreeMap<&str, &SnapshotTime> = BTreeMap::new();
        for one in snapshots.iter().filter(|s| !s.partial) {
            let known = newest.entry(&one.mailbox).or_insert(one);
            if (one.time_unix_ms, &one.id) > (known.time_unix_ms, &known.id) {
                *known = one;
            }
        }
        prop_assert!(newest.values().all(|one| kept.contains(&one.id)));
    }

    #[test]
    fn what_has_a_reason_stays_and_deciding_again_changes_nothing(
        snapshots in history(), policy in any_policy()
    ) {
        let kept = survivors(&snapshots, &policy, &[]);
        let left: Vec<_> = snapshots.iter().filter(|s| kept.contains(&s.id)).cloned().collect();
        prop_assert_eq!(survivors(&left, &policy, &[]), kept);
        let before = decide(&snapshots, &policy, &[], &now());
        for verdict in decide(&left, &policy, &[], &now()) {
            let was = before.iter().find(|v| v.id == verdict.id).unwrap();
            prop_assert_eq!(&was.kept_by, &verdict.kept_by);
        }
    }

    #[test]
    fn more_of_a_policy_never_keeps_less(
        snapshots in history(), policy in any_policy(),
        by in prop::array::uniform7(0u32..5), days in 0u32..40
    ) {
        prop_assume!(policy.has_snapshot_rule());
        let kept = survivors(&snapshots, &policy, &[]);
        let more = survivors(&snapshots, &more(&policy, by, days), &[]);
        prop_assert!(kept.is_subset(&more));
    }

    #[test]
    fn a_hold_adds_its_snapshots_and_takes_none(
        snapshots in history(), policy in any_policy(), which in 0usize..60
    ) {
        prop_assume!(which < snapshots.len());
        let hold = Hold {
            id: "h".into(),
            mailbox: snapshots[which].mailbox.clone(),
            held: Held::Snapshot { snapshot: snapshots[which].id.clone() },
            time_unix_ms: 0,
            who: "Ann".into(),
            why: "a case".into(),
            until_unix_ms: None,
            released: None,
        };
        let mut expected = survivors(&snapshots, &policy, &[]);
        expected.insert(snapshots[which].id.clone());
        prop_assert_eq!(survivors(&snapshots, &policy, std::slice::from_ref(&hold)), expected);
        let verdicts = decide(&snapshots, &policy, &[hold], &now());
        let reason = Reason::Held { hold: "h".into() };
        prop_assert!(verdicts[which].kept_by.contains(&reason));
    }
}

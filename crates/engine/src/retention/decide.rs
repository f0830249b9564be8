//! Which snapshots stay, and which rule keeps each: pure.

use std::collections::{BTreeMap, HashMap};

use jiff::civil::Date;
use jiff::{Timestamp, Zoned};
use serde::Serialize;

use super::Policy;
use crate::hold::{Held, Hold};

/// A snapshot as far as a policy looks at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotTime {
    /// Its id.
    pub id: String,
    /// Its mailbox.
    pub mailbox: String,
    /// When it was made, milliseconds since 1970 UTC.
    pub time_unix_ms: i64,
    /// Whether the run that made it had not read everything yet.
    pub partial: bool,
}

/// Why a snapshot stays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "rule")]
pub enum Reason {
    /// The policy has no rule for snapshots.
    NoRule,
    /// It is the newest complete snapshot of its mailbox.
    NewestComplete,
    /// It is unfinished, newer than every complete one, and the next run continues from it.
    Continued,
    /// [`Policy::last`]; the newest is number 1.
    Last {
        /// Its place among the newest.
        number: u32,
    },
    /// [`Policy::within`].
    Within,
    /// It is the newest of an hour, a day, a week …
    Newest {
        /// Which rule: `hourly` to `yearly`.
        #[serde(rename = "of")]
        bucket: Bucket,
        /// The place of its hour, day, week … among those that have a snapshot, newest first.
        number: u32,
    },
    /// A hold on it or on its mailbox.
    Held {
        /// The hold's id.
        hold: String,
    },
}

/// A stretch of the calendar of which one snapshot stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bucket {
    /// [`Policy::hourly`].
    Hourly,
    /// [`Policy::daily`].
    Daily,
    /// [`Policy::weekly`].
    Weekly,
    /// [`Policy::monthly`].
    Monthly,
    /// [`Policy::quarterly`].
    Quarterly,
    /// [`Policy::yearly`].
    Yearly,
}

/// What becomes of one snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The snapshot's id.
    pub id: String,
    /// Every rule that keeps it; it goes if there is none.
    pub kept_by: Vec<Reason>,
}

impl Bucket {
    const ALL: [Self; 6] = [
        Self::Hourly,
        Self::Daily,
        Self::Weekly,
        Self::Monthly,
        Self::Quarterly,
        Self::Yearly,
    ];

    fn count(self, policy: &Policy) -> u32 {
        match self {
            Self::Hourly => policy.hourly,
            Self::Daily => policy.daily,
            Self::Weekly => policy.weekly,
            Self::Monthly => policy.monthly,
            Self::Quarterly => policy.quarterly,
            Self::Yearly => policy.yearly,
        }
    }

    /// When the stretch that a time lies in began: times of one stretch give the same.
    fn start(self, time: &Zoned) -> Start {
        let date = time.date();
        let day = |year, month| Date::new(year, month, 1).unwrap_or(date);
        match self {
            // An hour that the clocks repeat is two hours: told apart by what they are from UTC.
            Self::Hourly => (date, time.hour(), time.offset().seconds()),
            Self::Daily => (date, 0, 0),
            Self::Weekly => {
                let since_monday = i64::from(date.weekday().to_monday_zero_offset());
                let monday = date.checked_sub(jiff::Span::new().days(since_monday));
                (monday.unwrap_or(date), 0, 0)
            }
            Self::Monthly => (day(date.year(), date.month()), 0, 0),
            Self::Quarterly => (day(date.year(), (date.month() - 1) / 3 * 3 + 1), 0, 0),
            Self::Yearly => (day(date.year(), 1), 0, 0),
        }
    }
}

type Start = (Date, i8, i32);

/// Decides about snapshots of any mailboxes, each mailbox for itself; the verdicts are in the
/// order of the snapshots.
///
/// A pure function: the time, with the time zone that bounds days and years, is an argument.
/// Counting rules look at complete snapshots only. Holds that have ended at `now` keep nothing.
pub fn decide(
    snapshots: &[SnapshotTime],
    policy: &Policy,
    holds: &[Hold],
    now: &Zoned,
) -> Vec<Verdict> {
    let mut by_mailbox: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (at, snapshot) in snapshots.iter().enumerate() {
        by_mailbox.entry(&snapshot.mailbox).or_default().push(at);
    }
    let mut reasons: HashMap<usize, Vec<Reason>> = HashMap::new();
    for mut of_mailbox in by_mailbox.into_values() {
        // Newest first; of two made at one time the one with the greater id, as in listings.
        of_mailbox.sort_by(|a, b| {
            let order = |at: usize| (snapshots[at].time_unix_ms, &snapshots[at].id);
            order(*b).cmp(&order(*a))
        });
        for (at, reason) in of_one_mailbox(snapshots, &of_mailbox, policy, now) {
            reasons.entry(at).or_default().push(reason);
        }
    }
    let now_unix_ms = now.timestamp().as_millisecond();
    let active: Vec<&Hold> = holds.iter().filter(|h| h.is_active(now_unix_ms)).collect();
    let verdicts = snapshots.iter().enumerate().map(|(at, snapshot)| {
        let mut kept_by = reasons.remove(&at).unwrap_or_default();
        let of_hold = active.iter().filter(|hold| holds_snapshot(hold, snapshot));
        kept_by.extend(of_hold.map(|hold| Reason::Held {
            hold: hold.id.clone(),
        }));
        Verdict {
            id: snapshot.id.clone(),
            kept_by,
        }
    });
    verdicts.collect()
}

/// Whether a hold keeps a whole snapshot. One on items keeps these by a tree of its own.
pub(crate) fn holds_snapshot(hold: &Hold, snapshot: &SnapshotTime) -> bool {
    match &hold.held {
        Held::Mailbox => hold.mailbox.eq_ignore_ascii_case(&snapshot.mailbox),
        Held::Snapshot { snapshot: id } => *id == snapshot.id,
        Held::Items { .. } => false,
    }
}

/// The reasons for snapshots of one mailbox, which are given newest first.
fn of_one_mailbox(
    all: &[SnapshotTime],
    newest_first: &[usize],
    policy: &Policy,
    now: &Zoned,
) -> Vec<(usize, Reason)> {
    let mut reasons = Vec::new();
    if !policy.has_snapshot_rule() {
        reasons.extend(newest_first.iter().map(|at| (*at, Reason::NoRule)));
    }
    let complete: Vec<usize> = newest_first
        .iter()
        .copied()
        .filter(|at| !all[*at].partial)
        .collect();
    reasons.extend(complete.first().map(|at| (*at, Reason::NewestComplete)));
    if let Some(newest) = newest_first.first().filter(|at| all[**at].partial) {
        reasons.push((*newest, Reason::Continued));
    }
    for (number, at) in (1..=policy.last).zip(&complete) {
        reasons.push((*at, Reason::Last { number }));
    }
    if let Some(within) = &policy.within {
        let from = within.before(now);
        let young = |at: &&usize| time_of(&all[**at]) > from;
        let young = newest_first.iter().filter(young);
        reasons.extend(young.map(|at| (*at, Reason::Within)));
    }
    for bucket in Bucket::ALL {
        let mut number = 0;
        let mut last = None;
        for at in &complete {
            let time = time_of(&all[*at]).to_zoned(now.time_zone().clone());
            let start = bucket.start(&time);
            if last == Some(start) {
                continue;
            }
            last = Some(start);
            number += 1;
            if number > bucket.count(policy) {
                break;
            }
            reasons.push((*at, Reason::Newest { bucket, number }));
        }
    }
    reasons
}

fn time_of(snapshot: &SnapshotTime) -> Timestamp {
    Timestamp::from_millisecond(snapshot.time_unix_ms).unwrap_or(Timestamp::MIN)
}

//! What a policy leaves, computed as slowly and plainly as it can be said.

use std::collections::{BTreeMap, BTreeSet};

use engine::{Policy, Timestamp};

const DAY_MS: i64 = 86_400_000;

/// A snapshot: what it lists, by the ids of its items.
#[derive(Clone, Debug)]
pub struct Shot {
    pub id: String,
    pub time: i64,
    pub partial: bool,
    pub held: bool,
    /// Paths, with distinguished names.
    pub folders: BTreeMap<String, Option<String>>,
    pub items: BTreeMap<String, ShotItem>,
}

/// An item of a snapshot.
#[derive(Clone, Debug, PartialEq)]
pub struct ShotItem {
    pub folder: String,
    pub subject: String,
    pub body: String,
    pub edits: u32,
    pub is_read: bool,
}

/// A version of an item that outlived its snapshots.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    pub id: String,
    pub subject: String,
    edits: u32,
    first: i64,
    last: i64,
    gone: Option<i64>,
}

/// A policy of days, with what the rules here need of it.
#[derive(Clone, Debug)]
pub struct Rules {
    pub policy: Policy,
    pub within_days: Option<u32>,
    pub deleted_days: Option<u32>,
}

impl Rules {
    pub fn any(dice: &mut fastrand::Rng) -> Self {
        let some = |dice: &mut fastrand::Rng, most| dice.bool().then(|| dice.u32(1..most));
        let within_days = some(dice, 12).filter(|_| dice.bool());
        let deleted_days = some(dice, 40);
        let days = |days: Option<u32>| days.map(|days| format!("{days}d").parse().unwrap());
        let policy = Policy {
            last: some(dice, 4).unwrap_or(0),
            within: days(within_days),
            daily: some(dice, 6).unwrap_or(0),
            weekly: some(dice, 4).unwrap_or(0),
            deleted_items: days(deleted_days),
            versions: some(dice, 4).unwrap_or(0),
            ..Policy::default()
        };
        Self {
            policy,
            within_days,
            deleted_days,
        }
    }

    /// A policy that is about items alone.
    pub fn of_items(dice: &mut fastrand::Rng) -> Self {
        let any = Self::any(dice);
        let policy = Policy {
            deleted_items: any.policy.deleted_items,
            versions: any.policy.versions,
            ..Policy::default()
        };
        Self {
            policy,
            within_days: None,
            deleted_days: any.deleted_days,
        }
    }

    /// The ids of the snapshots that stay.
    pub fn survivors(&self, shots: &[Shot], now: i64) -> BTreeSet<String> {
        let policy = &self.policy;
        let nothing = policy.last + policy.daily + policy.weekly == 0 && self.within_days.is_none();
        let called = |shot: &Shot, format: &str| {
            let time = Timestamp::from_millisecond(shot.time).unwrap();
            time.strftime(format).to_string()
        };
        let mut stay = BTreeSet::new();
        for (at, shot) in shots.iter().enumerate() {
            let newer = || shots[at + 1..].iter().filter(|other| !other.partial);
            let mut stays = nothing || shot.held;
            stays |= match shot.partial {
                true => at + 1 == shots.len(),
                false => newer().next().is_none(),
            };
            stays |= self
                .within_days
                .is_some_and(|days| shot.time > now - i64::from(days) * DAY_MS);
            if !shot.partial {
                stays |= newer().count() < policy.last as usize;
                for (count, format) in [(policy.daily, "%F"), (policy.weekly, "%G %V")] {
                    let mine = called(shot, format);
                    let others: BTreeSet<String> =
                        newer().map(|other| called(other, format)).collect();
                    stays |= !others.contains(&mine) && others.len() < count as usize;
                }
            }
            if stays {
                stay.insert(shot.id.clone());
            }
        }
        stay
    }

    /// The versions of items that outlive the snapshots that go.
    pub fn kept(
        &self,
        shots: &[Shot],
        stay: &BTreeSet<String>,
        kept: &[Kept],
        now: i64,
    ) -> Vec<Kept> {
        let mut ids: BTreeSet<&String> = kept.iter().map(|kept| &kept.id).collect();
        ids.extend(shots.iter().flat_map(|shot| shot.items.keys()));
        let nothing_goes = stay.len() == shots.len() && kept.is_empty();
        if nothing_goes {
            return Vec::new();
        }
        ids.into_iter()
            .flat_map(|id| self.kept_of(id, shots, stay, kept, now))
            .collect()
    }

    fn kept_of(
        &self,
        id: &String,
        shots: &[Shot],
        stay: &BTreeSet<String>,
        kept: &[Kept],
        now: i64,
    ) -> Vec<Kept> {
        let mut versions: BTreeMap<u32, Kept> = BTreeMap::new();
        for known in kept.iter().filter(|kept| kept.id == *id) {
            versions.insert(known.edits, known.clone());
        }
        let mut stays = BTreeSet::new();
        for shot in shots {
            let Some(item) = shot.items.get(id) else {
                continue;
            };
            let version = versions.entry(item.edits).or_insert_with(|| Kept {
                id: id.clone(),
                subject: item.subject.clone(),
                edits: item.edits,
                first: shot.time,
                last: shot.time,
                gone: None,
            });
            version.first = version.first.min(shot.time);
            version.last = version.last.max(shot.time);
            if stay.contains(&shot.id) {
                stays.insert(item.edits);
            }
        }
        let newest = versions
            .values()
            .next_back()
            .expect("an id comes from a version");
        let missed = shots
            .iter()
            .map(|shot| shot.time)
            .find(|time| *time > newest.last);
        let known = newest.gone.filter(|gone| *gone > newest.last);
        let gone = match (known, missed) {
            (Some(known), Some(missed)) => Some(known.min(missed)),
            (known, missed) => known.or(missed),
        };
        let wanted = match gone {
            None => self.policy.versions,
            Some(gone) => match self.deleted_days {
                Some(days) if gone > now - i64::from(days) * DAY_MS => self.policy.versions.max(1),
                _ => 0,
            },
        };
        let newest = newest.edits;
        let young = versions.into_values().rev().take(wanted as usize);
        let outlived = young.filter(|version| !stays.contains(&version.edits));
        outlived
            .map(|version| match version.edits == newest {
                true => Kept { gone, ..version },
                false => version,
            })
            .collect()
    }
}

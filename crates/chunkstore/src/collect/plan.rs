//! Which packs go. Pure.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::collect::mark::Live;
use crate::collect::survey::Survey;
use crate::collect::{CollectOptions, CollectPlan};
use crate::layout::PackName;
use crate::pack_index::Run;
use crate::seal::ObjectKind;

/// So many small packs of one kind are worth making into larger ones.
const SMALL_PACKS: usize = 16;
/// A pack is small below one part in so many of what packs are closed at.
const SMALL_SHARE: u64 = 4;

/// What was chosen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Choice {
    pub(crate) plan: CollectPlan,
    /// Packs to be condemned: dead ones, strays, and those rewritten.
    pub(crate) condemned: Vec<PackName>,
    /// Packs whose needed chunks are copied first.
    pub(crate) rewritten: Vec<PackName>,
}

/// So few bytes of waste are never worth a copy.
const SMALL_WASTE: u64 = 4096;

/// One pack as far as the index tells.
struct Use {
    name: PackName,
    kind: ObjectKind,
    len: u64,
    /// Sealed bytes of all chunks in it.
    blobs: u64,
    /// Sealed bytes of needed chunks for which it is the first place.
    live: u64,
}

impl Use {
    fn waste(&self) -> u64 {
        self.blobs.saturating_sub(self.live)
    }
}

/// Chooses among the packs of a survey.
///
/// `committed` are the packs that committed sessions name. A committed pack that the index does
/// not describe stays: what is in it is unknown.
pub(crate) fn choose(
    live: &Live,
    survey: &Survey,
    committed: &BTreeMap<PackName, u64>,
    options: &CollectOptions,
) -> Choice {
    let mut choice = Choice::default();
    choice.plan.packs = survey.packs.len() as u64;
    choice.plan.stored_bytes = survey.packs.values().sum();
    choice.plan.missing_chunks = live.missing;
    let uses = measure(live, survey, committed);
    choice.plan.live_bytes = uses.iter().map(|pack| pack.live).sum();
    let limit = options.max_packs;
    for (name, len) in &survey.packs {
        if committed.contains_key(name) {
            continue;
        }
        if choice.condemned.len() < limit {
            choice.plan.stray_packs += 1;
            choice.plan.stray_bytes += len;
            choice.condemned.push(*name);
        } else {
            choice.plan.left_packs += 1;
        }
    }
    let (dead, used): (Vec<_>, Vec<_>) = uses.into_iter().partition(|pack| pack.live == 0);
    for pack in dead {
        if choice.condemned.len() < limit {
            choice.plan.dead_packs += 1;
            choice.plan.dead_bytes += pack.len;
            choice.condemned.push(pack.name);
        } else {
            choice.plan.left_packs += 1;
        }
    }
    for pack in missing_and_needless(live, survey, committed) {
        if choice.condemned.len() < limit {
            choice.plan.dead_packs += 1;
            choice.condemned.push(pack);
        }
    }
    let erased = options.erase.as_ref().map(|erase| erase.holding(live));
    let erased = erased.unwrap_or_default();
    for pack in worth_rewriting(used, live.index().given_up(), &erased, options) {
        let copied = choice.plan.copied_bytes + pack.live;
        let within = copied <= options.max_rewrite_bytes || erased.contains(&pack.name);
        if choice.condemned.len() < limit && within {
            choice.plan.rewrite_packs += 1;
            choice.plan.rewrite_bytes += pack.len;
            choice.plan.copied_bytes = copied;
            choice.condemned.push(pack.name);
            choice.rewritten.push(pack.name);
        } else {
            choice.plan.left_packs += 1;
        }
    }
    choice.condemned.sort_unstable();
    choice
}

/// Packs that are not there any more, were given up, and hold the last place of no needed chunk.
fn missing_and_needless(
    live: &Live,
    survey: &Survey,
    committed: &BTreeMap<PackName, u64>,
) -> BTreeSet<PackName> {
    let given_up = live.index().given_up().iter();
    let missing = given_up.filter(|pack| !survey.packs.contains_key(*pack));
    let mut missing: BTreeSet<PackName> = missing
        .filter(|pack| committed.contains_key(*pack))
        .copied()
        .collect();
    if missing.is_empty() {
        return missing;
    }
    for id in live.chunks() {
        for (pack, _) in live.places(id) {
            missing.remove(&pack);
        }
    }
    missing
}

/// Measures the packs that are committed, described and there.
fn measure(live: &Live, survey: &Survey, committed: &BTreeMap<PackName, u64>) -> Vec<Use> {
    let mut live_bytes: HashMap<PackName, u64> = HashMap::new();
    for id in live.chunks() {
        let place = live
            .places(id)
            .find(|(pack, _)| survey.packs.contains_key(pack));
        if let Some((pack, slot)) = place {
            *live_bytes.entry(pack).or_default() += u64::from(slot.sealed_len());
        }
    }
    let described = live.index().packs();
    let mut blobs = vec![0u64; described.len()];
    for slot in live.index().runs().iter().flat_map(Run::slots) {
        if let Some(bytes) = blobs.get_mut(slot.pack as usize) {
            *bytes += u64::from(slot.sealed_len());
        }
    }
    let there = described.iter().zip(blobs).filter_map(|(pack, blobs)| {
        let len = *survey.packs.get(&pack.name)?;
        committed.contains_key(&pack.name).then(|| Use {
            name: pack.name,
            kind: pack.kind,
            len,
            blobs,
            live: live_bytes.get(&pack.name).copied().unwrap_or(0),
        })
    });
    there.collect()
}

/// Packs that hold something to be erased; packs that are mostly waste, the most wasteful first; then
/// packs that are merely small.
///
/// A pack that was given up is not: what can be read of it was copied by the repair.
fn worth_rewriting(
    mut used: Vec<Use>,
    given_up: &HashSet<PackName>,
    erased: &HashSet<PackName>,
    options: &CollectOptions,
) -> Vec<Use> {
    used.retain(|pack| !given_up.contains(&pack.name));
    if options.rewrite_below_percent == 0 {
        used.retain(|pack| erased.contains(&pack.name));
        return used;
    }
    let below = u64::from(options.rewrite_below_percent);
    let small_below = |kind| {
        let full = match kind {
            ObjectKind::MetaPack => options.session.meta_pack_bytes,
            _ => options.session.data_pack_bytes,
        };
        full as u64 / SMALL_SHARE
    };
    let mut small: HashMap<u8, HashSet<PackName>> = HashMap::new();
    for pack in used.iter().filter(|pack| pack.len < small_below(pack.kind)) {
        small.entry(pack.kind as u8).or_default().insert(pack.name);
    }
    small.retain(|_, packs| packs.len() >= SMALL_PACKS);
    // Nothing is gained by copying one small pack into one as small.
    let is_small = |pack: &Use| {
        small
            .get(&(pack.kind as u8))
            .is_some_and(|packs| packs.contains(&pack.name))
    };
    let is_sparse = |pack: &Use| {
        pack.live.saturating_mul(100) < pack.len.saturating_mul(below) && pack.waste() > SMALL_WASTE
    };
    let is_erased = |pack: &Use| erased.contains(&pack.name);
    used.retain(|pack| is_erased(pack) || is_sparse(pack) || is_small(pack));
    used.sort_by_key(|pack| {
        let waste = std::cmp::Reverse(pack.waste());
        (!is_erased(pack), !is_sparse(pack), waste, pack.name)
    });
    used
}

//! Finds the versions of items that would go with their snapshots.
//!
//! Trees are read one after the other, so memory grows with items and not with snapshots. What is
//! remembered of an item's version takes about a hundred bytes; mailboxes of very many items are
//! walked in several passes, each of which looks at a share of the items.

use std::collections::{BTreeMap, HashSet};

use chunkstore::TreeReader;
use futures::TryStreamExt;
use mailindex::ItemKey;

use super::items::{Course, Fate, Sighting, fates};
use crate::error::{Doing, Result};
use crate::keys::{FOLDER_RANGE, TreeKey};
use crate::snapshot::Snapshot;
use crate::state::{Seen, item_state};
use crate::vault::Vault;

/// Items remembered in one pass: some 100 MB with a few versions each.
const ITEMS_A_PASS: u64 = 500_000;

/// What a tree means for the items in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// A snapshot that stays.
    Stays,
    /// A snapshot that goes.
    Goes,
    /// A kept tree, which will be replaced.
    Kept,
    /// The tree of a hold on items.
    Held,
}

/// A version that no remaining snapshot has, and what becomes of it.
#[derive(Clone, Debug)]
pub(crate) struct Outlived {
    pub(crate) key: ItemKey,
    pub(crate) fate: Fate,
}

/// Walks the trees of one mailbox, snapshots in the order of their times, and gives every version
/// that no snapshot which stays has to `sink`.
pub(crate) async fn walk(
    vault: &Vault,
    trees: &[(Role, Snapshot)],
    course: &Course<'_>,
    sink: &mut (dyn FnMut(Outlived) + Send),
) -> Result<()> {
    let most = trees.iter().map(|(_, tree)| tree.about.items).max();
    let passes = most.unwrap_or(0) / ITEMS_A_PASS + 1;
    for pass in 0..passes {
        let mut seen: BTreeMap<ItemKey, Vec<Sighting>> = BTreeMap::new();
        let mut at = 0;
        while at < trees.len() {
            // A run of snapshots between which nothing changed is read once.
            let same = trees[at..]
                .iter()
                .take_while(|(role, tree)| *role == trees[at].0 && tree.root == trees[at].1.root)
                .count();
            let last = at + same - 1;
            let share = |key: &ItemKey| u64::from(key.item[0]) % passes == pass;
            one_tree(vault, trees, (at, last), &share, &mut seen).await?;
            at = last + 1;
        }
        for (key, sightings) in seen {
            for fate in fates(sightings, course) {
                sink(Outlived { key, fate });
            }
        }
    }
    Ok(())
}

async fn one_tree(
    vault: &Vault,
    trees: &[(Role, Snapshot)],
    (first, last): (usize, usize),
    share: &(dyn Fn(&ItemKey) -> bool + Sync),
    seen: &mut BTreeMap<ItemKey, Vec<Sighting>>,
) -> Result<()> {
    let (role, tree) = &trees[first];
    let newest = &trees[last].1;
    let mut entries =
        TreeReader::new(vault.source(), tree.root.clone()).range(&[FOLDER_RANGE.1], None);
    let read = || format!("read snapshot {}", tree.short_id());
    while let Some(entry) = entries.try_next().await.doing(read)? {
        let TreeKey::Item(key) = TreeKey::from_bytes(&entry.key)? else {
            continue;
        };
        let Some(content) = entry.contents.first().filter(|_| share(&key)) else {
            continue;
        };
        let itself = match tree.kept {
            true => item_state(&entry)?.seen,
            false => None,
        };
        let itself = itself.unwrap_or(Seen {
            first_unix_ms: tree.time_unix_ms,
            last_unix_ms: newest.time_unix_ms,
            gone_unix_ms: None,
        });
        let sighting = Sighting {
            content: (content.hash, content.len),
            first_unix_ms: itself.first_unix_ms,
            last_unix_ms: itself.last_unix_ms,
            gone_unix_ms: itself.gone_unix_ms,
            tree: last,
            stays: *role == Role::Stays,
            held: *role == Role::Held,
        };
        let of_item = seen.entry(key).or_default();
        match of_item.last_mut() {
            Some(known) if known.is_one_with(&sighting) => known.join(&sighting),
            _ => of_item.push(sighting),
        }
    }
    Ok(())
}

/// The snapshots of one mailbox, its kept trees and what holds have of it, as they are walked.
pub(crate) fn trees_of(
    mailbox: &str,
    all: &[Snapshot],
    going: &HashSet<&str>,
    held: &[Snapshot],
) -> Vec<(Role, Snapshot)> {
    let of_mailbox = |snapshot: &&Snapshot| snapshot.mailbox == mailbox;
    let role = |snapshot: &Snapshot| match snapshot.kept {
        true => Role::Kept,
        false if going.contains(snapshot.id.as_str()) => Role::Goes,
        false => Role::Stays,
    };
    let mut trees: Vec<(Role, Snapshot)> = all
        .iter()
        .filter(of_mailbox)
        .map(|snapshot| (role(snapshot), snapshot.clone()))
        .collect();
    // Kept trees last: sightings of snapshots come in order, and join one another on the way.
    trees.sort_by_key(|(role, snapshot)| (*role == Role::Kept, snapshot.time_unix_ms));
    let held = held.iter().filter(of_mailbox).cloned();
    trees.extend(held.map(|snapshot| (Role::Held, snapshot)));
    trees
}

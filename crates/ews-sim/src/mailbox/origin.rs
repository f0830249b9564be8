//! Where items came from: what tells a move from a creation and a deletion.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Moves remembered; a subscription that looks back further sees creations and deletions.
const MAX_ORIGINS: usize = 100_000;

/// Where an item was before it was moved or copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Origin {
    pub(crate) folder: u64,
    pub(crate) key: u64,
    /// The number of the deletion in the old folder; none for a copy.
    pub(crate) left: Option<u64>,
}

/// The origins of items by the number of their creation.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Origins {
    by_creation: BTreeMap<u64, Origin>,
    creation_by_leaving: BTreeMap<u64, u64>,
}

impl Origins {
    pub(crate) fn note(&mut self, created: u64, origin: Origin) {
        self.by_creation.insert(created, origin);
        if let Some(left) = origin.left {
            self.creation_by_leaving.insert(left, created);
        }
        if self.by_creation.len() > MAX_ORIGINS
            && let Some((_, oldest)) = self.by_creation.pop_first()
            && let Some(left) = oldest.left
        {
            self.creation_by_leaving.remove(&left);
        }
    }

    /// Where the item created by that change was before.
    pub(crate) fn of(&self, created: u64) -> Option<Origin> {
        self.by_creation.get(&created).copied()
    }

    /// Whether a deletion was one half of a move.
    pub(crate) fn is_move(&self, deleted: u64) -> bool {
        self.creation_by_leaving.contains_key(&deleted)
    }
}

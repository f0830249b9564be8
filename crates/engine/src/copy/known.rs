//! What both repositories have: from there a copy goes on.

use std::collections::HashMap;

use chunkstore::{SnapshotId, SnapshotInfo, TreeRoot};

use super::wanted::Wanted;
use crate::vault::Vault;

/// An unfinished copy at the destination.
#[derive(Clone, Debug)]
pub(super) struct Unfinished {
    pub(super) id: SnapshotId,
    pub(super) root: TreeRoot,
    /// Items that it lacks since they cannot be read.
    pub(super) failures: u64,
}

/// What a snapshot is copied on top of.
#[derive(Clone, Debug, Default)]
pub(super) struct Donor {
    /// The tree that the destination has.
    pub(super) there: Option<TreeRoot>,
    /// What it is a copy of, if the source still has that.
    pub(super) source: Option<TreeRoot>,
}

/// What is known of the destination; read after a session was opened, it stays until that ends.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    /// Trees of the source, with their copies.
    copies: HashMap<TreeRoot, TreeRoot>,
    /// Of each mailbox the state that was copied last, with its copy.
    last: HashMap<String, (TreeRoot, TreeRoot)>,
    /// The newest state of each mailbox at the destination, whoever made it.
    newest: HashMap<String, TreeRoot>,
    unfinished: HashMap<String, Vec<Unfinished>>,
}

impl Known {
    pub(super) fn read(from: &Vault, to: &Vault) -> Self {
        let source = from.repository.snapshots().into_iter();
        let source: HashMap<SnapshotId, SnapshotInfo> =
            source.map(|info| (info.id, info)).collect();
        let mut known = Self::default();
        for there in to.repository.snapshots().into_iter().map(Wanted::of) {
            let about = there.about();
            if let Some(of) = about.copy_of.filter(|_| there.is_state) {
                let unfinished = Unfinished {
                    id: there.info.id,
                    root: there.info.root,
                    failures: about.failures,
                };
                known.unfinished.entry(of).or_default().push(unfinished);
                continue;
            }
            if there.is_state {
                let root = there.info.root.clone();
                known.newest.insert(there.mailbox.clone(), root);
            }
            if let Some(info) = source.get(&there.info.id) {
                known.add(&there, info.root.clone(), there.info.root.clone());
            }
        }
        known
    }

    /// Notes a copy.
    pub(super) fn add(&mut self, wanted: &Wanted, source: TreeRoot, there: TreeRoot) {
        if wanted.is_state {
            let both = (source.clone(), there.clone());
            self.last.insert(wanted.mailbox.clone(), both);
        }
        self.copies.insert(source, there);
    }

    /// The copy of exactly this tree.
    pub(super) fn same_tree(&self, root: &TreeRoot) -> Option<TreeRoot> {
        match root.is_empty() {
            true => Some(TreeRoot::empty()),
            false => self.copies.get(root).cloned(),
        }
    }

    pub(super) fn unfinished(&self, of: &Wanted) -> &[Unfinished] {
        let of = of.info.id.to_string();
        self.unfinished.get(&of).map_or(&[], Vec::as_slice)
    }

    pub(super) fn add_unfinished(&mut self, of: &Wanted, unfinished: Unfinished) {
        let of = of.info.id.to_string();
        self.unfinished.entry(of).or_default().push(unfinished);
    }

    pub(super) fn donor(&self, wanted: &Wanted) -> Donor {
        if let Some(unfinished) = self.unfinished(wanted).last() {
            return Donor {
                there: Some(unfinished.root.clone()),
                source: None,
            };
        }
        match self.last.get(&wanted.mailbox) {
            Some((source, there)) => Donor {
                there: Some(there.clone()),
                source: Some(source.clone()),
            },
            None => Donor {
                there: self.newest.get(&wanted.mailbox).cloned(),
                source: None,
            },
        }
    }
}

//! Runs of changes: merging them, and when to.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use futures::TryStreamExt;
use futures::stream::BoxStream;

use crate::chunks::ChunkSource;
use crate::error::{Error, Result};
use crate::tree::{Change, RunRef, TreeRoot};
use crate::tree_reader::cursor::Cursor;

/// Runs of one level that are merged into one of the next.
const FAN_OUT: usize = 10;

/// Changes in the runs, in percent of the base's entries, above which everything becomes a new
/// base.
///
/// Where changes are spread over all keys, a new base costs as much as a first one, and reading a
/// snapshot costs what its runs hold on top of its base. Both are measured over a year of a mailbox of
/// 60,000 items (`tests/it/year.rs`); with fewer percent it stores more than 60 KB a day.
const REBASE_PERCENT: u64 = 90;

/// Returns how many changes the runs of a tree may hold altogether.
pub(crate) fn run_entries_allowed(root: &TreeRoot) -> u64 {
    (root.base_entries() / 100)
        .saturating_mul(REBASE_PERCENT)
        .saturating_add(root.base_entries() % 100 * REBASE_PERCENT / 100)
}

/// Returns how many of the newest runs a new run takes with it, and the level of the result.
///
/// With the new one, [`FAN_OUT`] runs of a level make one of the next; that one may complete the
/// next level in turn, so that no run is written only to be merged at once.
pub(crate) fn runs_to_merge(runs: &[RunRef]) -> (usize, u8) {
    let mut merged = 0;
    let mut level = 0u8;
    loop {
        let older = runs.len() - merged;
        let same = runs
            .iter()
            .take(older)
            .rev()
            .take_while(|run| run.level <= level)
            .count();
        if same + 1 < FAN_OUT {
            return (merged, level);
        }
        merged += same;
        level = level.saturating_add(1);
    }
}

/// One sorted source of changes.
pub(crate) enum Input<'a> {
    Nodes(Box<Cursor>),
    Stream(BoxStream<'a, Result<Change>>),
}

impl Input<'_> {
    async fn next(&mut self) -> Result<Option<Change>> {
        match self {
            Self::Nodes(cursor) => cursor.next().await,
            Self::Stream(changes) => changes.try_next().await,
        }
    }
}

/// Merges sorted inputs into one; of equal keys the newest input's change wins.
pub(crate) struct Merge<'a> {
    /// Oldest first.
    inputs: Vec<Head<'a>>,
    last: Option<Vec<u8>>,
}

struct Head<'a> {
    /// `None` after its end.
    input: Option<Input<'a>>,
    next: Option<Change>,
}

impl<'a> Merge<'a> {
    /// Creates a merge of inputs, oldest first.
    pub(crate) fn new(inputs: Vec<Input<'a>>) -> Self {
        let inputs = inputs.into_iter().map(|input| Head {
            input: Some(input),
            next: None,
        });
        Self {
            inputs: inputs.collect(),
            last: None,
        }
    }

    /// Creates a merge of a tree's base and runs, from the first key not less than `from`.
    pub(crate) fn of_tree(source: &Arc<dyn ChunkSource>, root: &TreeRoot, from: &[u8]) -> Self {
        Self::new(tree_inputs(source, root, from))
    }

    /// Creates the same of what can be read: entries below damaged nodes are counted and left out.
    pub(crate) fn of_readable(
        source: &Arc<dyn ChunkSource>,
        root: &TreeRoot,
        losses: &Arc<AtomicU64>,
    ) -> Self {
        let nodes = root
            .base
            .iter()
            .chain(root.runs.iter().map(|run| &run.node));
        let inputs = nodes.map(|node| {
            let cursor = Cursor::lenient(Arc::clone(source), node, Arc::clone(losses));
            Input::Nodes(Box::new(cursor))
        });
        Self::new(inputs.collect())
    }

    /// Returns the next change, removals among them.
    pub(crate) async fn next(&mut self) -> Result<Option<Change>> {
        let mut least: Option<&[u8]> = None;
        for head in &mut self.inputs {
            if head.next.is_none()
                && let Some(input) = &mut head.input
            {
                head.next = input.next().await?;
                if head.next.is_none() {
                    head.input = None;
                }
            }
            if let Some(change) = &head.next
                && least.is_none_or(|least| change.key.as_slice() < least)
            {
                least = Some(&change.key);
            }
        }
        let Some(least) = least else {
            return Ok(None);
        };
        if self.last.as_deref().is_some_and(|last| least <= last) {
            return Err(Error::corrupt("a tree", "its keys do not ascend"));
        }
        let least = least.to_vec();
        let mut newest = None;
        for head in &mut self.inputs {
            if head.next.as_ref().is_some_and(|change| change.key == least) {
                newest = head.next.take();
            }
        }
        self.last = Some(least);
        Ok(newest)
    }
}

/// Returns base and runs of a tree as inputs, oldest first.
pub(crate) fn tree_inputs<'a>(
    source: &Arc<dyn ChunkSource>,
    root: &TreeRoot,
    from: &[u8],
) -> Vec<Input<'a>> {
    let nodes = root
        .base
        .iter()
        .chain(root.runs.iter().map(|run| &run.node));
    nodes
        .map(|node| Input::Nodes(Box::new(Cursor::new(Arc::clone(source), node, from))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk_id::ChunkId;
    use crate::tree::NodeRef;

    fn run(level: u8) -> RunRef {
        RunRef {
            level,
            node: NodeRef {
                id: ChunkId::from_bytes([0; 32]),
                height: 0,
                entries: 1,
                bytes: 1,
            },
        }
    }

    #[test]
    fn ten_runs_of_a_level_become_one_of_the_next_in_one_step() {
        let mut runs: Vec<RunRef> = Vec::new();
        let mut most = 0;
        for _ in 0..1000 {
            let (merged, level) = runs_to_merge(&runs);
            runs.truncate(runs.len() - merged);
            runs.push(run(level));
            most = most.max(runs.len());
        }
        assert_eq!(runs, [run(3)]);
        assert_eq!(most, 27);
    }

    #[test]
    fn the_allowance_survives_absurd_counts() {
        let root = |entries| TreeRoot {
            base: Some(NodeRef {
                entries,
                ..run(0).node
            }),
            runs: Vec::new(),
        };
        assert_eq!(run_entries_allowed(&TreeRoot::empty()), 0);
        assert!(run_entries_allowed(&root(1000)) < 1000);
        assert!(run_entries_allowed(&root(u64::MAX)) < u64::MAX);
    }
}

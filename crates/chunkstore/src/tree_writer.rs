//! Writing a tree: changes in, a new root out.

mod builder;

use std::sync::{Arc, Mutex, PoisonError};

use futures::stream::{BoxStream, StreamExt, TryStreamExt};

use self::builder::{Cut, TreeBuilder};
use crate::chunks::{ChunkSink, ChunkSource};
use crate::error::{Error, Result};
use crate::tree::{Change, MAX_KEY_BYTES, NodeRef, RunRef, TreeRoot};
use crate::tree_run::{Input, Merge, run_entries_allowed, runs_to_merge, tree_inputs};

/// Changes kept in memory before it is decided whether they become a run or a new base, in bytes.
const BUFFER_BYTES: usize = 8 << 20;

/// Bytes that a kept change costs beside its key, value and contents.
const CHANGE_BYTES: usize = 256;

/// Applies sorted changes to a tree and returns the root of the result.
///
/// `changes` are strictly ascending by key. Without a parent they become a base of their own.
/// Without changes the parent's root is returned and nothing is written. Memory is bounded by a
/// few megabytes, whatever the sizes of tree and changes. An error of the stream is returned as
/// it is; whatever was written by then is garbage that no root names.
///
/// # Errors
///
/// `Invalid` for changes out of order or beyond the limits of [`Entry`](crate::Entry), `Corrupt`
/// for a damaged parent, and those of sink, source and stream.
///
/// # Cancellation
///
/// A dropped call leaves garbage that no root names.
pub async fn write_tree<E>(
    sink: Arc<dyn ChunkSink>,
    source: Arc<dyn ChunkSource>,
    parent: Option<&TreeRoot>,
    changes: BoxStream<'_, Result<Change, E>>,
) -> Result<TreeRoot, E>
where
    E: From<Error> + Send,
{
    // The caller's error steps aside while the store's own code runs, and comes back unchanged.
    let stopped: Mutex<Option<E>> = Mutex::new(None);
    let aside = |error| {
        *stopped.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        Error::internal("the stream of changes failed")
    };
    let writer = TreeWriter {
        sink: sink.as_ref(),
        source: &source,
    };
    let mut last: Option<Vec<u8>> = None;
    let mut ascending = move |change: Change| {
        if last.as_ref().is_some_and(|last| change.key <= *last) {
            return Err(Error::invalid("the changes to a tree are out of order"));
        }
        if change.key.is_empty() || change.key.len() > MAX_KEY_BYTES {
            return Err(Error::invalid(format!(
                "a tree key has {} bytes, 1 to {MAX_KEY_BYTES} are allowed",
                change.key.len()
            )));
        }
        last = Some(change.key.clone());
        Ok(change)
    };
    let changes = changes
        .map_err(aside)
        .map(move |change| change.and_then(&mut ascending));
    let result = writer.write(parent, changes.boxed()).await;
    match stopped.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(error),
        None => Ok(result?),
    }
}

struct TreeWriter<'a> {
    sink: &'a dyn ChunkSink,
    source: &'a Arc<dyn ChunkSource>,
}

impl TreeWriter<'_> {
    async fn write(
        &self,
        parent: Option<&TreeRoot>,
        mut changes: BoxStream<'_, Result<Change>>,
    ) -> Result<TreeRoot> {
        let Some(parent) = parent.filter(|parent| !parent.is_empty()) else {
            return self.rebase(vec![Input::Stream(changes)]).await;
        };
        let allowed = run_entries_allowed(parent).saturating_sub(parent.run_entries());
        let buffer = Buffer::fill(&mut changes, allowed).await?;
        if buffer.changes.is_empty() {
            return Ok(parent.clone());
        }
        if buffer.changes.len() as u64 > allowed {
            let mut inputs = tree_inputs(self.source, parent, &[]);
            inputs.push(buffer.then(changes));
            return self.rebase(inputs).await;
        }
        let ended = buffer.ended;
        let root = self.add_run(parent, buffer.then(changes)).await?;
        // Only changes beyond the buffer can have passed what is allowed.
        if !ended && root.run_entries() > run_entries_allowed(&root) {
            return self.rebase(tree_inputs(self.source, &root, &[])).await;
        }
        Ok(root)
    }

    /// Makes one base of inputs, oldest first.
    async fn rebase(&self, inputs: Vec<Input<'_>>) -> Result<TreeRoot> {
        Ok(TreeRoot {
            base: self.build(Cut::Hashed, inputs).await?,
            runs: Vec::new(),
        })
    }

    /// Adds a run, merged with the runs that it completes.
    async fn add_run(&self, parent: &TreeRoot, changes: Input<'_>) -> Result<TreeRoot> {
        let (merged, level) = runs_to_merge(&parent.runs);
        let mut runs = parent.runs.clone();
        let newest = TreeRoot {
            base: None,
            runs: runs.split_off(runs.len().saturating_sub(merged)),
        };
        let mut inputs = tree_inputs(self.source, &newest, &[]);
        inputs.push(changes);
        if let Some(node) = self.build(Cut::Full, inputs).await? {
            runs.push(RunRef { level, node });
        }
        Ok(TreeRoot {
            base: parent.base.clone(),
            runs,
        })
    }

    async fn build(&self, cut: Cut, inputs: Vec<Input<'_>>) -> Result<Option<NodeRef>> {
        let mut merge = Merge::new(inputs);
        let mut builder = TreeBuilder::new(self.sink, cut);
        while let Some(change) = merge.next().await? {
            // A base has nothing below it that a removal could hide.
            if change.entry.is_some() || cut == Cut::Full {
                builder.push(&change).await?;
            }
        }
        builder.finish().await
    }
}

/// The first changes of a stream.
struct Buffer {
    changes: Vec<Change>,
    /// Whether these are all.
    ended: bool,
}

impl Buffer {
    /// Takes changes until there are more than `allowed`, or too many to keep.
    async fn fill(stream: &mut BoxStream<'_, Result<Change>>, allowed: u64) -> Result<Self> {
        let mut changes = Vec::new();
        let mut bytes = 0;
        while bytes < BUFFER_BYTES && changes.len() as u64 <= allowed {
            let Some(change) = stream.try_next().await? else {
                return Ok(Self {
                    changes,
                    ended: true,
                });
            };
            bytes += size_of_change(&change);
            changes.push(change);
        }
        Ok(Self {
            changes,
            ended: false,
        })
    }

    fn then<'a>(self, rest: BoxStream<'a, Result<Change>>) -> Input<'a> {
        let kept = futures::stream::iter(self.changes.into_iter().map(Ok));
        Input::Stream(kept.chain(rest).boxed())
    }
}

fn size_of_change(change: &Change) -> usize {
    let entry = change.entry.as_ref().map_or(0, |(value, contents)| {
        let ids: usize = contents
            .iter()
            .map(|content| content.chunk_ids().count())
            .sum();
        value.len() + contents.len() * CHANGE_BYTES + ids * crate::ChunkId::LEN
    });
    CHANGE_BYTES + change.key.len() + entry
}

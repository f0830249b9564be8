//! Reading a tree: base and runs as one sorted map.

pub(crate) mod cursor;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use futures::stream::{self, BoxStream, StreamExt};

use self::cursor::{NodeWalk, child_for, load};
use crate::chunk_id::ChunkId;
use crate::chunks::ChunkSource;
use crate::error::Result;
use crate::tree::{Change, Entry, NodeRef, TreeRoot};
use crate::tree_node::Node;
use crate::tree_run::Merge;

/// Reads one state of a tree. Cheap to clone.
#[derive(Clone)]
pub struct TreeReader {
    source: Arc<dyn ChunkSource>,
    root: Arc<TreeRoot>,
}

impl TreeReader {
    /// Creates a reader; nothing is read yet.
    pub fn new(source: Arc<dyn ChunkSource>, root: TreeRoot) -> Self {
        Self {
            source,
            root: Arc::new(root),
        }
    }

    /// Returns the root that is read.
    pub fn root(&self) -> &TreeRoot {
        &self.root
    }

    /// Returns the entry with this key, if there is one.
    ///
    /// Reads one path of each run and of the base; for many keys a range is cheaper.
    ///
    /// # Errors
    ///
    /// `Corrupt` for a damaged node, and those of the source.
    pub async fn get(&self, key: &[u8]) -> Result<Option<Entry>> {
        let newest_first = self.root.runs.iter().rev().map(|run| &run.node);
        for node in newest_first.chain(&self.root.base) {
            if let Some(change) = self.find(node, key).await? {
                return Ok(live(change));
            }
        }
        Ok(None)
    }

    /// Returns all entries in the order of their keys.
    ///
    /// # Errors
    ///
    /// In the stream, as for [`TreeReader::get`].
    pub fn all(&self) -> BoxStream<'static, Result<Entry>> {
        self.range(&[], None)
    }

    /// Returns the entries whose keys begin with `prefix`, in the order of their keys.
    ///
    /// # Errors
    ///
    /// In the stream, as for [`TreeReader::get`].
    pub fn prefix(&self, prefix: &[u8]) -> BoxStream<'static, Result<Entry>> {
        self.range(prefix, after_prefix(prefix).as_deref())
    }

    /// Returns the entries from `from` (inclusive) to `to` (exclusive; `None` = the end).
    ///
    /// Reads a few leaves ahead: up to some 100 KiB × 4 for the base and each run.
    ///
    /// # Errors
    ///
    /// In the stream, as for [`TreeReader::get`].
    pub fn range(&self, from: &[u8], to: Option<&[u8]>) -> BoxStream<'static, Result<Entry>> {
        let merge = Merge::of_tree(&self.source, &self.root, from);
        let to = to.map(<[u8]>::to_vec);
        stream::try_unfold((merge, to), |(mut merge, to)| async move {
            while let Some(change) = merge.next().await? {
                if to.as_ref().is_some_and(|to| change.key >= *to) {
                    break;
                }
                if let Some(entry) = live(change) {
                    return Ok(Some((entry, (merge, to))));
                }
            }
            Ok(None)
        })
        .boxed()
    }

    /// Returns the entries that can be read, in the order of their keys, and counts those below
    /// nodes that cannot: for repairs. Where a run is damaged, what it changed is as it was before.
    ///
    /// # Errors
    ///
    /// In the stream: those of the source that are no damage.
    pub fn readable(&self, lost: &Arc<AtomicU64>) -> BoxStream<'static, Result<Entry>> {
        let merge = Merge::of_readable(&self.source, &self.root, lost);
        stream::try_unfold(merge, |mut merge| async move {
            while let Some(change) = merge.next().await? {
                if let Some(entry) = live(change) {
                    return Ok(Some((entry, merge)));
                }
            }
            Ok(None)
        })
        .boxed()
    }

    /// Returns the ids of all nodes, for marking. Reads inner nodes only.
    ///
    /// # Errors
    ///
    /// In the stream, as for [`TreeReader::get`].
    pub fn node_ids(&self) -> BoxStream<'static, Result<ChunkId>> {
        let runs = self.root.runs.iter().map(|run| &run.node);
        let walks: Vec<NodeWalk> = runs
            .chain(&self.root.base)
            .map(|node| NodeWalk::new(node, &[]))
            .collect();
        let source = Arc::clone(&self.source);
        stream::try_unfold((source, walks), |(source, mut walks)| async move {
            while let Some(walk) = walks.last_mut() {
                if let Some(id) = walk.next_id(source.as_ref()).await? {
                    return Ok(Some((id, (source, walks))));
                }
                walks.pop();
            }
            Ok(None)
        })
        .boxed()
    }

    async fn find(&self, root: &NodeRef, key: &[u8]) -> Result<Option<Change>> {
        let mut node = root.clone();
        loop {
            match load(self.source.as_ref(), &node).await? {
                // Heights were verified to descend, so this ends.
                Node::Inner(mut children) => {
                    let at = child_for(&children, key);
                    if at >= children.len() {
                        return Ok(None);
                    }
                    node = children.swap_remove(at).node;
                }
                Node::Leaf(mut changes) => {
                    let found = changes.binary_search_by(|change| change.key.as_slice().cmp(key));
                    return Ok(found.ok().map(|at| changes.swap_remove(at)));
                }
            }
        }
    }
}

impl fmt::Debug for TreeReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TreeReader")
            .field("root", &self.root)
            .finish_non_exhaustive()
    }
}

fn live(change: Change) -> Option<Entry> {
    let Change { key, entry } = change;
    entry.map(|(value, contents)| Entry {
        key,
        value,
        contents,
    })
}

/// Returns the least key greater than all keys with this prefix, if there is one.
fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if let Some(next) = last.checked_add(1) {
            end.push(next);
            return Some(end);
        }
    }
    None
}

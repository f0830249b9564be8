//! Building the nodes of one sorted pass, leaves first.

use std::mem;

use bytes::Bytes;

use crate::chunks::{ChunkKind, ChunkSink};
use crate::error::{Error, Result};
use crate::tree::{Change, MAX_HEIGHT, NodeRef};
use crate::tree_node::{Child, LeafBuilder, MAX_CHILDREN, MAX_LEAF_ENTRIES, encode_inner};

/// Where nodes end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Where a keyed hash of the key says so: the nodes of unchanged stretches come out the same.
    Hashed,
    /// Where they are full: runs are written once, and large nodes compress best.
    Full,
}

/// Wanted entries of a hashed leaf: one key in so many ends one.
const LEAF_ENTRIES: u32 = 448;

/// Fewest entries of a hashed leaf; with these the mean is about 512.
const MIN_LEAF_ENTRIES: usize = 64;

/// Wanted and fewest children of a hashed inner node.
const CHILDREN: u32 = 112;
const MIN_CHILDREN: usize = 16;

/// A node is ended at this size; with one more entry it is still a chunk.
const NODE_BYTES: usize = 512 << 10;

/// Takes sorted changes and stores the nodes above them.
pub(crate) struct TreeBuilder<'a> {
    sink: &'a dyn ChunkSink,
    cut: Cut,
    leaf: LeafBuilder,
    /// Open inner nodes; the first holds leaves.
    levels: Vec<InnerBuilder>,
}

#[derive(Default)]
struct InnerBuilder {
    children: Vec<Child>,
    key_bytes: usize,
}

impl<'a> TreeBuilder<'a> {
    pub(crate) fn new(sink: &'a dyn ChunkSink, cut: Cut) -> Self {
        Self {
            sink,
            cut,
            leaf: LeafBuilder::default(),
            levels: Vec::new(),
        }
    }

    /// Adds a change whose key is greater than all before.
    pub(crate) async fn push(&mut self, change: &Change) -> Result<()> {
        self.leaf.push(change)?;
        let count = self.leaf.count();
        let full = count >= MAX_LEAF_ENTRIES || self.leaf.len() >= NODE_BYTES;
        let hashed = self.cut == Cut::Hashed
            && count >= MIN_LEAF_ENTRIES
            && self.ends_node(0, &change.key, LEAF_ENTRIES);
        if full || hashed {
            self.end_leaf().await?;
        }
        Ok(())
    }

    /// Ends the pass and returns its root, or `None` without changes.
    pub(crate) async fn finish(mut self) -> Result<Option<NodeRef>> {
        if self.leaf.count() > 0 {
            self.end_leaf().await?;
        }
        let mut height = 0;
        while let Some(level) = self.levels.get_mut(height) {
            let mut inner = mem::take(level);
            let top = height + 1 == self.levels.len();
            if top && inner.children.len() == 1 {
                return Ok(inner.children.pop().map(|child| child.node));
            }
            height += 1;
            if !inner.children.is_empty() {
                let child = self.store_inner(height, inner).await?;
                self.add_child(height, child);
            }
        }
        Ok(None)
    }

    async fn end_leaf(&mut self) -> Result<()> {
        let leaf = mem::take(&mut self.leaf);
        let entries = leaf.count() as u64;
        let (first_key, plain) = leaf.finish();
        let bytes = plain.len() as u64;
        let id = self
            .sink
            .put_chunk(ChunkKind::Meta, Bytes::from(plain))
            .await?;
        let node = NodeRef {
            id,
            height: 0,
            entries,
            bytes,
        };
        let mut child = Child { first_key, node };
        // A full inner node becomes a child of the next one, which may be full in turn.
        for level in 0.. {
            let Some(inner) = self.add_child(level, child) else {
                break;
            };
            child = self.store_inner(level + 1, inner).await?;
        }
        Ok(())
    }

    /// Adds a child to an open inner node and returns the node if it ends there.
    fn add_child(&mut self, level: usize, child: Child) -> Option<InnerBuilder> {
        let hashed =
            self.cut == Cut::Hashed && self.ends_node(level + 1, &child.first_key, CHILDREN);
        while self.levels.len() <= level {
            self.levels.push(InnerBuilder::default());
        }
        let inner = self.levels.get_mut(level)?;
        inner.key_bytes += child.first_key.len();
        inner.children.push(child);
        let count = inner.children.len();
        let ends = count >= MAX_CHILDREN
            || inner.key_bytes >= NODE_BYTES
            || (hashed && count >= MIN_CHILDREN);
        ends.then(|| mem::take(inner))
    }

    async fn store_inner(&self, height: usize, inner: InnerBuilder) -> Result<Child> {
        let height = u8::try_from(height)
            .ok()
            .filter(|height| *height <= MAX_HEIGHT)
            .ok_or_else(|| Error::invalid("a tree has too many entries"))?;
        let plain = encode_inner(height, &inner.children);
        let sum = |of: fn(&NodeRef) -> u64| {
            let parts = inner.children.iter().map(|child| of(&child.node));
            parts.fold(0, u64::saturating_add)
        };
        let entries = sum(|node| node.entries);
        let bytes = sum(|node| node.bytes).saturating_add(plain.len() as u64);
        let id = self
            .sink
            .put_chunk(ChunkKind::Meta, Bytes::from(plain))
            .await?;
        let first = inner.children.into_iter().next();
        Ok(Child {
            first_key: first.map(|child| child.first_key).unwrap_or_default(),
            node: NodeRef {
                id,
                height,
                entries,
                bytes,
            },
        })
    }

    /// Tells whether a node of a height ends after this key: one in `wanted` keys says yes.
    fn ends_node(&self, height: usize, key: &[u8], wanted: u32) -> bool {
        let hash = blake3::Hasher::new_keyed(self.sink.content_keys().tree_key())
            .update(&[height.min(usize::from(u8::MAX)) as u8])
            .update(key)
            .finalize();
        let [a, b, c, d, ..] = *hash.as_bytes();
        u32::from_le_bytes([a, b, c, d]) < u32::MAX / wanted
    }
}

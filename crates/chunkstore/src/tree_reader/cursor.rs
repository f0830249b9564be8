//! One sorted pass over the nodes below one reference, a few leaves ahead.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesOrdered;

use crate::admin::is_damage;
use crate::chunk_id::ChunkId;
use crate::chunks::ChunkSource;
use crate::error::{Error, Result};
use crate::tree::{Change, NodeRef};
use crate::tree_node::{Child, Node, decode_node};

/// Leaves fetched ahead by one cursor; a leaf has some 100 KiB.
const LEAVES_AHEAD: usize = 4;

/// Reads and decodes one node.
pub(crate) async fn load(source: &dyn ChunkSource, node: &NodeRef) -> Result<Node> {
    decode_node(node, &source.get_chunk(&node.id).await?)
}

/// Returns where in `children` the first leaf that may hold `key` lies.
pub(crate) fn child_for(children: &[Child], key: &[u8]) -> usize {
    children
        .partition_point(|child| child.first_key.as_slice() <= key)
        .saturating_sub(1)
}

/// Walks leaves in order, from the first that may hold the start key.
pub(crate) struct Cursor {
    source: Arc<dyn ChunkSource>,
    nodes: NodeWalk,
    ahead: FuturesOrdered<BoxFuture<'static, (NodeRef, Result<Node>)>>,
    leaf: std::vec::IntoIter<Change>,
    from: Vec<u8>,
    losses: Losses,
}

/// Where entries below nodes that cannot be read are counted; without it they are errors.
type Losses = Option<Arc<AtomicU64>>;

/// Counts what lies below a damaged node, where that is wanted.
fn note_loss(losses: &Losses, node: &NodeRef, error: Error) -> Result<()> {
    match losses {
        Some(losses) if is_damage(error.kind()) => {
            losses.fetch_add(node.entries, Ordering::Relaxed);
            Ok(())
        }
        _ => Err(error),
    }
}

impl Cursor {
    /// A cursor over all that can be read.
    pub(crate) fn lenient(
        source: Arc<dyn ChunkSource>,
        root: &NodeRef,
        losses: Arc<AtomicU64>,
    ) -> Self {
        let mut cursor = Self::new(source, root, &[]);
        cursor.nodes.losses = Some(Arc::clone(&losses));
        cursor.losses = Some(losses);
        cursor
    }

    pub(crate) fn new(source: Arc<dyn ChunkSource>, root: &NodeRef, from: &[u8]) -> Self {
        Self {
            nodes: NodeWalk::new(root, from),
            source,
            ahead: FuturesOrdered::new(),
            leaf: Vec::new().into_iter(),
            from: from.to_vec(),
            losses: None,
        }
    }

    /// Returns the next change.
    pub(crate) async fn next(&mut self) -> Result<Option<Change>> {
        loop {
            for change in self.leaf.by_ref() {
                if change.key >= self.from {
                    return Ok(Some(change));
                }
            }
            while self.ahead.len() < LEAVES_AHEAD {
                let Some(node) = self.nodes.next_leaf(self.source.as_ref()).await? else {
                    break;
                };
                let source = Arc::clone(&self.source);
                self.ahead.push_back(Box::pin(async move {
                    let loaded = load(source.as_ref(), &node).await;
                    (node, loaded)
                }));
            }
            match self.ahead.next().await {
                None => return Ok(None),
                // The walk hands out leaves by their height, and decoding verified it.
                Some((_, Ok(Node::Leaf(changes)))) => self.leaf = changes.into_iter(),
                Some((_, Ok(Node::Inner(_)))) => {}
                Some((node, Err(error))) => note_loss(&self.losses, &node, error)?,
            }
        }
    }
}

/// Walks references depth first without reading leaves.
pub(crate) struct NodeWalk {
    stack: Vec<std::vec::IntoIter<NodeRef>>,
    from: Vec<u8>,
    losses: Losses,
}

impl NodeWalk {
    pub(crate) fn new(root: &NodeRef, from: &[u8]) -> Self {
        Self {
            stack: vec![vec![root.clone()].into_iter()],
            from: from.to_vec(),
            losses: None,
        }
    }

    /// Returns the next leaf.
    pub(crate) async fn next_leaf(&mut self, source: &dyn ChunkSource) -> Result<Option<NodeRef>> {
        while let Some(node) = self.next_node(source).await? {
            if node.height == 0 {
                return Ok(Some(node));
            }
        }
        Ok(None)
    }

    /// Returns the next node's id; inner nodes come before what is below them.
    pub(crate) async fn next_id(&mut self, source: &dyn ChunkSource) -> Result<Option<ChunkId>> {
        Ok(self.next_node(source).await?.map(|node| node.id))
    }

    async fn next_node(&mut self, source: &dyn ChunkSource) -> Result<Option<NodeRef>> {
        while let Some(level) = self.stack.last_mut() {
            let Some(node) = level.next() else {
                self.stack.pop();
                continue;
            };
            let loaded = match node.height {
                0 => return Ok(Some(node)),
                _ => load(source, &node).await,
            };
            let loaded = match loaded {
                Ok(loaded) => loaded,
                Err(error) => {
                    note_loss(&self.losses, &node, error)?;
                    continue;
                }
            };
            if let Node::Inner(mut children) = loaded {
                // Only the path to the start key has something to skip: everywhere else the
                // start key lies before the first child.
                children.drain(..child_for(&children, &self.from));
                let below: Vec<NodeRef> = children.into_iter().map(|child| child.node).collect();
                self.stack.push(below.into_iter());
            }
            return Ok(Some(node));
        }
        Ok(None)
    }
}

//! Reading a tree: base and runs as one sorted map.

use std::sync::Arc;

use futures::stream::{self, BoxStream, StreamExt};

use crate::chunk_id::ChunkId;
use crate::chunks::ChunkSource;
use crate::error::{Error, Result};
use crate::tree::{Entry, TreeRoot};

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

    /// Returns the entry with this key, if there is one.
    ///
    /// # Errors
    ///
    /// `Corrupt` for a damaged node, and those of the source.
    pub async fn get(&self, _key: &[u8]) -> Result<Option<Entry>> {
        let _ = (&self.source, &self.root);
        Err(Error::internal("trees are not built yet"))
    }

    /// Returns all entries in the order of their keys.
    ///
    /// # Errors
    ///
    /// In the stream, as for [`TreeReader::get`].
    pub fn all(&self) -> BoxStream<'static, Result<Entry>> {
        self.range(&[], None)
    }

    /// Returns the entries from `from` (inclusive) to `to` (exclusive; `None` = the end).
    ///
    /// # Errors
    ///
    /// In the stream, as for [`TreeReader::get`].
    pub fn range(&self, _from: &[u8], _to: Option<&[u8]>) -> BoxStream<'static, Result<Entry>> {
        stream::once(async { Err(Error::internal("trees are not built yet")) }).boxed()
    }

    /// Returns the ids of all nodes, for marking.
    ///
    /// # Errors
    ///
    /// In the stream, as for [`TreeReader::get`].
    pub fn node_ids(&self) -> BoxStream<'static, Result<ChunkId>> {
        stream::once(async { Err(Error::internal("trees are not built yet")) }).boxed()
    }
}

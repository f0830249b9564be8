//! Writing a tree: changes in, a new root out.

use std::sync::Arc;

use futures::stream::BoxStream;

use crate::chunks::{ChunkSink, ChunkSource};
use crate::error::Error;
use crate::tree::{Change, TreeRoot};

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
pub async fn write_tree<E>(
    _sink: Arc<dyn ChunkSink>,
    _source: Arc<dyn ChunkSource>,
    _parent: Option<&TreeRoot>,
    _changes: BoxStream<'_, Result<Change, E>>,
) -> Result<TreeRoot, E>
where
    E: From<Error> + Send,
{
    Err(E::from(Error::internal("trees are not built yet")))
}

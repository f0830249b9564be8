//! The way of one item out of the store.

use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};

use crate::chunks::ChunkSource;
use crate::content::Content;
use crate::error::{Error, Result};
use crate::format::Formats;

/// Returns an item's bytes in pieces, in constant memory however long it is.
///
/// Length and hash are verified behind the last piece: a stream that ends without an error gave
/// exactly the item that was stored.
///
/// # Errors
///
/// In the stream: `Unsupported` for a format that `formats` lacks, `Corrupt` for bytes that are
/// not the item's, and those of the source.
pub fn read_content(
    _source: Arc<dyn ChunkSource>,
    _formats: Formats,
    _content: &Content,
) -> BoxStream<'static, Result<Bytes>> {
    stream::once(async { Err(Error::internal("items are not built yet")) }).boxed()
}

/// Returns an item's bytes, verified, when there are at most `limit`.
///
/// # Errors
///
/// `Invalid` for a longer item, otherwise as for [`read_content`].
pub async fn read_content_to_vec(
    _source: Arc<dyn ChunkSource>,
    _formats: Formats,
    _content: &Content,
    _limit: u64,
) -> Result<Vec<u8>> {
    Err(Error::internal("items are not built yet"))
}

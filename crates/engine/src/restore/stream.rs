//! Items too large for memory, rewritten while they are sent.

use std::io;

use bytes::Bytes;
use futures::future::ready;
use futures::{StreamExt, TryStreamExt, stream};

use super::rewrite::{Rewrite, is_enough};
use crate::error::{Doing, Result};

/// Bytes of a streamed item in which its own properties are looked for at first.
const HEAD_BYTES: usize = 256 << 10;

/// The most bytes in which they are looked for. Behind a body that is longer than this an origin
/// of an earlier restore would be overlooked.
const MAX_HEAD_BYTES: usize = 16 << 20;

/// The beginning of a stream: all that holds the message's own properties.
pub(super) async fn head(
    mut source: stream::BoxStream<'static, chunkstore::Result<Bytes>>,
) -> Result<Vec<u8>> {
    let mut head = Vec::new();
    let mut looked_at = HEAD_BYTES;
    while head.len() < MAX_HEAD_BYTES {
        match source.try_next().await.doing(|| "read an item".into())? {
            Some(piece) => head.extend_from_slice(&piece),
            None => break,
        }
        if head.len() >= looked_at {
            if is_enough(&head) {
                break;
            }
            looked_at *= 2;
        }
    }
    Ok(head)
}

/// A stored stream with its first `head_bytes` rewritten.
pub(super) async fn rewritten(
    mut source: stream::BoxStream<'static, chunkstore::Result<Bytes>>,
    head_bytes: usize,
    origin: String,
    is_read: Option<bool>,
) -> io::Result<stream::BoxStream<'static, io::Result<Bytes>>> {
    let mut head = Vec::with_capacity(head_bytes);
    while head.len() < head_bytes {
        match source.try_next().await.map_err(io::Error::other)? {
            Some(piece) => head.extend_from_slice(&piece),
            None => break,
        }
    }
    let rest = Bytes::from(head.split_off(head.len().min(head_bytes)));
    let origin = &origin;
    let head = Bytes::from(Rewrite { origin, is_read }.apply(&head));
    let begin = stream::iter([Ok(head), Ok(rest)]);
    Ok(begin
        .chain(source.map_err(io::Error::other))
        .try_filter(|piece: &Bytes| ready(!piece.is_empty()))
        .boxed())
}

//! Items too large for memory, rewritten while they are sent.

use std::io;

use bytes::Bytes;
use futures::future::ready;
use futures::{StreamExt, TryStreamExt, stream};

use super::rewrite::{OriginMask, Rewrite};
use crate::error::{Doing, Result};

/// Bytes of a streamed item in which the read state is looked for.
const HEAD_BYTES: usize = 256 << 10;

/// The beginning of a stream: up to [`HEAD_BYTES`], cut where the pieces end.
pub(super) async fn head(
    mut source: stream::BoxStream<'static, chunkstore::Result<Bytes>>,
) -> Result<Vec<u8>> {
    let mut head = Vec::new();
    while head.len() < HEAD_BYTES {
        match source.try_next().await.doing(|| "read an item".into())? {
            Some(piece) => head.extend_from_slice(&piece),
            None => break,
        }
    }
    head.truncate(HEAD_BYTES);
    Ok(head)
}

/// A stored stream with its beginning rewritten, and every origin in it set.
pub(super) async fn rewritten(
    mut source: stream::BoxStream<'static, chunkstore::Result<Bytes>>,
    origin: String,
    is_read: Option<bool>,
) -> io::Result<stream::BoxStream<'static, io::Result<Bytes>>> {
    let mut head = Vec::new();
    while head.len() < HEAD_BYTES {
        match source.try_next().await.map_err(io::Error::other)? {
            Some(piece) => head.extend_from_slice(&piece),
            None => break,
        }
    }
    let rest = Bytes::from(head.split_off(head.len().min(HEAD_BYTES)));
    let head = Bytes::from(
        Rewrite {
            origin: &origin,
            is_read,
        }
        .apply(&head),
    );
    let begin = stream::iter([Ok(head), Ok(rest)]);
    let pieces = begin.chain(source.map_err(io::Error::other)).boxed();
    let mask = Some((pieces, OriginMask::new(&origin)));
    let masked = stream::try_unfold(mask, |state| async move {
        let Some((mut pieces, mut mask)) = state else {
            return Ok::<_, io::Error>(None);
        };
        match pieces.try_next().await? {
            Some(piece) => Ok(Some((mask.push(&piece).into(), Some((pieces, mask))))),
            None => Ok(Some((mask.finish().into(), None))),
        }
    });
    Ok(masked
        .try_filter(|piece: &Bytes| ready(!piece.is_empty()))
        .boxed())
}

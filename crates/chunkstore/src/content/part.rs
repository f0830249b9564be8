//! One part on its way in or out: pieces and the list of their ids.

use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesOrdered;

use super::list::{ListReader, ListWriter};
use super::{ChunkRefs, Payload};
use crate::chunker::Chunker;
use crate::chunks::{ChunkKind, ChunkSink, ChunkSource};
use crate::error::{Error, ErrorKind, Result};

/// Pieces fetched ahead: hides one round trip, costs at most 2 MiB an open item.
const READ_AHEAD: usize = 2;

/// Cuts and stores one part while its bytes arrive.
#[derive(Default)]
pub(crate) struct PartWriter {
    chunker: Chunker,
    list: ListWriter,
    len: u64,
}

impl PartWriter {
    pub(crate) async fn push(
        &mut self,
        sink: &dyn ChunkSink,
        kind: ChunkKind,
        bytes: &[u8],
    ) -> Result<()> {
        self.len += bytes.len() as u64;
        self.chunker.push(bytes);
        while let Some(piece) = self.chunker.next_piece(sink.content_keys().gear()) {
            let id = sink.put_chunk(kind, piece).await?;
            self.list.push(sink, id).await?;
        }
        Ok(())
    }

    pub(crate) async fn finish(
        mut self,
        sink: &dyn ChunkSink,
        kind: ChunkKind,
        inline_limit: usize,
    ) -> Result<Payload> {
        while let Some(piece) = self.chunker.next_rest(sink.content_keys().gear()) {
            let id = sink.put_chunk(kind, piece).await?;
            self.list.push(sink, id).await?;
        }
        Ok(Payload {
            len: self.len,
            chunks: self.list.finish(sink, inline_limit).await?,
        })
    }
}

/// Reads one part piece by piece, a little ahead.
pub(crate) struct PartReader {
    source: Arc<dyn ChunkSource>,
    ids: ListReader,
    ahead: FuturesOrdered<BoxFuture<'static, Result<Bytes>>>,
    missing: u64,
}

impl PartReader {
    pub(crate) fn new(source: Arc<dyn ChunkSource>, part: &Payload) -> Self {
        // An empty part has no pieces, whatever else a record might claim.
        let none = ChunkRefs::Inline(Vec::new());
        let refs = if part.len == 0 { &none } else { &part.chunks };
        Self {
            source,
            ids: ListReader::new(refs, false),
            ahead: FuturesOrdered::new(),
            missing: part.len,
        }
    }

    /// Returns the next piece; after the last one the part's length is certain.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>> {
        while self.ahead.len() < READ_AHEAD {
            let Some(id) = self.ids.next(self.source.as_ref()).await? else {
                break;
            };
            let source = Arc::clone(&self.source);
            self.ahead
                .push_back(Box::pin(async move { source.get_piece(&id).await }));
        }
        let wrong = || {
            Error::new(
                ErrorKind::Corrupt,
                "a stored part has not its recorded length",
            )
        };
        match self.ahead.next().await {
            None if self.missing == 0 => Ok(None),
            None => Err(wrong()),
            Some(piece) => {
                let piece = piece?;
                self.missing = self
                    .missing
                    .checked_sub(piece.len() as u64)
                    .ok_or_else(wrong)?;
                Ok(Some(piece))
            }
        }
    }
}

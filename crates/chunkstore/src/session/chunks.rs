//! A session as a place for chunks, and as a source of those it has put.

use async_trait::async_trait;
use bytes::Bytes;

use super::Session;
use crate::chunk_id::ChunkId;
use crate::chunks::{ChunkKind, ChunkSink, ChunkSource, ContentKeys};
use crate::content::Content;
use crate::error::{Error, Result};

#[async_trait]
impl ChunkSink for Session {
    /// Waits only when packs fill faster than the destination takes them.
    async fn put_chunk(&self, kind: ChunkKind, plain: Bytes) -> Result<ChunkId> {
        // Before adding more: what waits for a place is memory.
        self.inner.uploads.advance().await?;
        let id = match self.inner.put(kind, &plain)? {
            Some(id) => id,
            None => {
                // On the heap: once a session, and every put would carry the room for it.
                Box::pin(self.inner.establish()).await?;
                let put = self.inner.put(kind, &plain)?;
                put.ok_or_else(|| Error::internal("a sealed session has no key"))?
            }
        };
        self.inner.uploads.advance().await?;
        Ok(id)
    }

    fn content_keys(&self) -> &ContentKeys {
        self.store().keyring().content_keys()
    }
}

#[async_trait]
impl ChunkSource for Session {
    /// Also finds chunks that this session has put and not yet committed.
    async fn get_chunk(&self, id: &ChunkId) -> Result<Bytes> {
        if let Some(bytes) = self.inner.repository.cached(id) {
            return Ok(bytes);
        }
        match self.inner.read_own(id).await? {
            Some(bytes) => Ok(bytes),
            None => self.inner.repository.get_chunk(id).await,
        }
    }

    fn substitute(&self, content: &Content) -> Option<Content> {
        self.inner.repository.substitute(content)
    }

    fn content_keys(&self) -> &ContentKeys {
        self.store().keyring().content_keys()
    }
}

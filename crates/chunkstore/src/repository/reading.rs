//! Reading chunks, from whichever place has them.

use std::sync::{Arc, PoisonError, Weak};

use async_trait::async_trait;
use bytes::Bytes;

use super::Repository;
use crate::chunk_id::ChunkId;
use crate::chunks::{ChunkSource, ContentKeys};
use crate::content::Content;
use crate::error::{Error, ErrorKind, Result};
use crate::{admin, checkpoint};

/// Turns remembered before those that nobody waits for are dropped.
const MAX_TURNS: usize = 256;

impl Repository {
    /// The turn to read a chunk.
    fn turn(&self, id: &ChunkId) -> Arc<tokio::sync::Mutex<()>> {
        let loading = self.inner.loading.lock();
        let mut loading = loading.unwrap_or_else(PoisonError::into_inner);
        if let Some(turn) = loading.get(id).and_then(Weak::upgrade) {
            return turn;
        }
        if loading.len() >= MAX_TURNS {
            loading.retain(|_, turn| turn.strong_count() > 0);
        }
        let turn = Arc::default();
        loading.insert(*id, Arc::downgrade(&turn));
        turn
    }

    /// Reads a chunk; where its pack is gone, looks again whether a custodian moved it.
    async fn read_chunk(&self, id: &ChunkId) -> Result<Bytes> {
        let known = self.catalogue().epoch();
        let error = match self.try_places(id).await {
            Err(error) if admin::is_damage(error.kind()) => error,
            read => return read,
        };
        let is_broken = self.catalogue().index.is_broken();
        if !is_broken && checkpoint::newest_epoch(self.store()).await?.unwrap_or(0) <= known {
            return Err(error);
        }
        self.refresh().await?;
        self.try_places(id).await
    }

    /// Tries every known place of a chunk; the last failure is reported when all fail.
    pub(crate) async fn try_places(&self, id: &ChunkId) -> Result<Bytes> {
        let places = self.catalogue().index.find(id);
        let (mut failure, mut closed) = (None, None);
        for (pack, slot) in places {
            match self.store().read_chunk(id, &pack, &slot).await {
                Ok(bytes) => return Ok(bytes),
                // That a key is missing is no damage, whatever is wrong with other places.
                Err(error) if error.kind() == ErrorKind::Sealed => closed = Some(error),
                Err(error) if admin::is_damage(error.kind()) => failure = Some(error),
                Err(error) => return Err(error),
            }
        }
        match closed.or(failure) {
            // The index says it is there: a missing pack is damage, not a wrong id.
            Some(error) if error.kind() == ErrorKind::NotFound => {
                Err(Error::new(ErrorKind::Corrupt, error.to_string()).with_source(error))
            }
            Some(error) => Err(error),
            None => Err(Error::new(
                ErrorKind::NotFound,
                format!("chunk {id} is not in the repository"),
            )),
        }
    }
}

#[async_trait]
impl ChunkSource for Repository {
    async fn get_chunk(&self, id: &ChunkId) -> Result<Bytes> {
        if let Some(bytes) = self.cached(id) {
            return Ok(bytes);
        }
        let turn = self.turn(id);
        let _turn = turn.lock().await;
        if let Some(bytes) = self.cached(id) {
            return Ok(bytes);
        }
        let bytes = self.read_chunk(id).await?;
        self.remember(id, &bytes);
        Ok(bytes)
    }

    async fn get_piece(&self, id: &ChunkId) -> Result<Bytes> {
        if let Some(bytes) = self.cached(id) {
            return Ok(bytes);
        }
        let bytes = self.read_chunk(id).await?;
        self.cache().insert_piece(*id, bytes.clone());
        Ok(bytes)
    }

    fn substitute(&self, content: &Content) -> Option<Content> {
        self.catalogue().repairs.substitute(content)
    }

    fn content_keys(&self) -> &ContentKeys {
        self.store().keyring().content_keys()
    }
}

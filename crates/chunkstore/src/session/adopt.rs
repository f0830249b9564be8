//! Taking over chunks that another pack holds, as they are.

use std::sync::PoisonError;

use super::{Inner, Session};
use crate::chunk_id::ChunkId;
use crate::chunks::ChunkKind;
use crate::error::Result;

impl Session {
    /// Whether a chunk needs no place in this session.
    pub(crate) fn has(&self, id: &ChunkId) -> bool {
        let known = self.inner.is_known(id);
        known || self.inner.state().chunks.contains_key(&id.short())
    }

    /// Takes over a chunk that is framed already, from another pack.
    pub(crate) async fn adopt(
        &self,
        (kind, id, plain_len): (ChunkKind, ChunkId, usize),
        frame: &[u8],
    ) -> Result<()> {
        self.inner.uploads.advance().await?;
        self.inner.adopt((kind, id, plain_len), frame)?;
        self.inner.uploads.advance().await
    }
}

impl Inner {
    fn adopt(&self, (kind, id, len): (ChunkKind, ChunkId, usize), frame: &[u8]) -> Result<()> {
        let _gate = self.gate.read().unwrap_or_else(PoisonError::into_inner);
        let known = self.is_known(&id);
        let Some(lane) = self.reserve(&id, (kind, len), known) else {
            return Ok(());
        };
        let stored = self.append(lane, (id, kind), frame, len);
        if let Err(error) = &stored {
            self.uploads.fail(error);
        }
        stored
    }
}

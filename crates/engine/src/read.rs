//! Reading items out of the repository.

use std::sync::Arc;

use bytes::Bytes;
use chunkstore::{ChunkSource, Content, KeyRole, read_content, read_content_to_vec};
use futures::stream::BoxStream;

use crate::error::{Doing, Error, ErrorKind, Result};
use crate::vault::Vault;

/// Summaries and other small records are refused above this.
const SMALL_BYTES: u64 = 1 << 20;

impl Vault {
    pub(crate) fn source(&self) -> Arc<dyn ChunkSource> {
        Arc::new(self.repository.clone())
    }

    /// An item's bytes in pieces, verified behind the last.
    pub(crate) fn read(&self, content: &Content) -> BoxStream<'static, chunkstore::Result<Bytes>> {
        read_content(self.source(), self.formats.clone(), content)
    }

    /// An item's bytes as a whole, if there are not more than `limit`.
    pub(crate) async fn read_whole(&self, content: &Content, limit: u64) -> Result<Vec<u8>> {
        read_content_to_vec(self.source(), self.formats.clone(), content, limit)
            .await
            .doing(|| "read an item".into())
    }

    /// Fails where the repository was opened with a writer's key, before anything is done that would
    /// fail item by item. `what` is what takes more.
    ///
    /// # Errors
    /// `Sealed`.
    pub(crate) fn refuse_writer(&self, what: &str) -> Result<()> {
        match self.repository.role() {
            KeyRole::Writer => Err(Error::new(
                ErrorKind::Sealed,
                format!("a writer's key opened the repository, and {what} takes one that reads"),
            )),
            _ => Ok(()),
        }
    }

    pub(crate) async fn read_small(&self, content: &Content) -> Result<Vec<u8>> {
        self.read_whole(content, SMALL_BYTES).await
    }
}

//! The way of one item into the store.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::format::Format;
use crate::segment::{PendingContent, SegmentStore};

/// Takes one item in pieces and stores it, in constant memory however long it is.
pub struct ItemWriter {
    store: SegmentStore,
}

impl ItemWriter {
    /// Starts an item of `group`, taken apart by `format`.
    pub fn new(store: &SegmentStore, _group: u64, _format: Arc<dyn Format>) -> Self {
        Self {
            store: store.clone(),
        }
    }

    /// Takes the next bytes of the item, cut anywhere.
    ///
    /// # Errors
    ///
    /// `SplitMismatch` when the format does not reproduce the item and more than 1 MiB of it is
    /// gone: feed the item again with [`Opaque`](crate::Opaque). Otherwise those of the sink. The
    /// writer is of no use after an error.
    pub async fn push(&mut self, _input: &[u8]) -> Result<()> {
        let _ = &self.store;
        Err(Error::internal("items are not built yet"))
    }

    /// Ends the item.
    ///
    /// # Errors
    ///
    /// As for [`ItemWriter::push`].
    pub async fn finish(self) -> Result<PendingContent> {
        Err(Error::internal("items are not built yet"))
    }
}

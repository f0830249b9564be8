//! Segments: small skeletons of one group, compressed together.

use std::sync::Arc;

use crate::chunks::{ChunkKind, ChunkSink};
use crate::content::Content;
use crate::error::{Error, Result};

/// How segments are filled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentOptions {
    /// Plain bytes after which a segment is closed; default and at most 1 MiB.
    pub target_bytes: usize,
    /// Plain bytes of all open segments together, above which the largest is closed early;
    /// default 32 MiB. Bounds memory when a mailbox has a thousand folders.
    pub max_open_bytes: usize,
    /// What segments and pieces of payloads are stored as; default [`ChunkKind::Data`].
    pub kind: ChunkKind,
}

impl Default for SegmentOptions {
    fn default() -> Self {
        Self {
            target_bytes: 1 << 20,
            max_open_bytes: 32 << 20,
            kind: ChunkKind::Data,
        }
    }
}

/// Collects small skeletons into segments, one open segment per group. Cheap to clone.
#[derive(Clone)]
pub struct SegmentStore {
    sink: Arc<dyn ChunkSink>,
}

impl SegmentStore {
    /// Creates a store that writes to `sink`.
    pub fn new(sink: Arc<dyn ChunkSink>, _options: SegmentOptions) -> Self {
        Self { sink }
    }

    /// Closes a group's open segment; the contents waiting for it are then known.
    ///
    /// # Errors
    ///
    /// Those of [`ChunkSink::put_chunk`]; the segment stays and is written by the next flush.
    pub async fn flush_group(&self, _group: u64) -> Result<()> {
        let _ = &self.sink;
        Err(Error::internal("segments are not built yet"))
    }

    /// Closes all open segments: every content handed out so far is then known.
    ///
    /// # Errors
    ///
    /// As for [`SegmentStore::flush_group`].
    pub async fn flush_all(&self) -> Result<()> {
        Err(Error::internal("segments are not built yet"))
    }
}

/// The content of a finished item, whose segment may still be open. Cheap to clone.
#[derive(Clone, Debug)]
pub struct PendingContent {
    content: Option<Content>,
}

impl PendingContent {
    /// Returns the content, or `None` while the item's segment is open: flush its group.
    pub fn try_content(&self) -> Option<Content> {
        self.content.clone()
    }
}

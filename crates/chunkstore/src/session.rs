//! One writer's batch.

use async_trait::async_trait;
use bytes::Bytes;

use crate::chunk_id::ChunkId;
use crate::chunks::{ChunkKind, ChunkSink, ChunkSource, ContentKeys};
use crate::error::Result;
use crate::layout::SessionId;
use crate::repository::SnapshotId;
use crate::tree::TreeRoot;

/// How a session writes.
#[derive(Clone, Debug)]
pub struct SessionOptions {
    /// What the writer calls itself (a machine's name); sealed. At most 256 bytes. Default empty.
    pub writer: String,
    /// zstd level, 1 to 19. Default 3.
    pub zstd_level: i32,
    /// Bytes at which a data pack is closed, 64 KiB to 64 MiB. Default 16 MiB. Two are open at a
    /// time and two more may be on their way.
    pub data_pack_bytes: usize,
    /// Bytes at which a pack of tree nodes and lists is closed. Default 8 MiB.
    pub meta_pack_bytes: usize,
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self {
            writer: String::new(),
            zstd_level: 3,
            data_pack_bytes: 16 << 20,
            meta_pack_bytes: 8 << 20,
        }
    }
}

/// A snapshot to be committed.
#[derive(Clone, Debug, PartialEq)]
pub struct NewSnapshot {
    /// The caller's name for what it is a state of, at most 1 KiB.
    pub name: String,
    /// When it was taken, in milliseconds since 1970-01-01T00:00:00Z.
    pub time_unix_ms: i64,
    /// Whether it is a checkpoint of an unfinished run.
    pub partial: bool,
    /// Its tree, written through this session.
    pub root: TreeRoot,
    /// The caller's metadata, at most 16 MiB.
    pub value: Vec<u8>,
}

/// What a session did so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionStats {
    /// Chunks stored by this session.
    pub chunks_new: u64,
    /// Chunks that were there already.
    pub chunks_deduplicated: u64,
    /// Plain bytes of the new chunks.
    pub plain_bytes: u64,
    /// Plain bytes of the chunks that were there already.
    pub deduplicated_bytes: u64,
    /// Bytes of the packs uploaded so far.
    pub stored_bytes: u64,
    /// Packs uploaded so far.
    pub packs: u64,
}

/// The outcome of [`Session::commit`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The session.
    pub session: SessionId,
    /// The snapshots it added, in the order of the calls of [`Session::add_snapshot`].
    pub snapshots: Vec<SnapshotId>,
    /// What it stored.
    pub stats: SessionStats,
}

/// An open session; clones share it.
///
/// Dropped without [`commit`](Session::commit) it leaves nothing visible: its packs are garbage
/// that a custodian collects.
#[derive(Clone, Debug)]
pub struct Session {}

impl Session {
    /// The session's id.
    pub fn id(&self) -> SessionId {
        todo!()
    }

    /// Adds a snapshot that becomes visible with the commit.
    ///
    /// # Errors
    /// `Invalid` when the name or value is too long, or the session was ended.
    pub fn add_snapshot(&self, snapshot: NewSnapshot) -> Result<SnapshotId> {
        todo!()
    }

    /// What was done so far.
    pub fn stats(&self) -> SessionStats {
        todo!()
    }

    /// Uploads all open packs and waits until they are durable.
    ///
    /// # Errors
    /// The first failed upload's; the session cannot be committed any more.
    pub async fn flush(&self) -> Result<()> {
        todo!()
    }

    /// Makes everything durable, then visible: packs, index, `.end`.
    ///
    /// # Errors
    /// `Conflict` when a custodian ended the session: nothing became visible, write it again in a
    /// new session. Otherwise the first failed upload's.
    ///
    /// # Cancellation
    /// Dropped before `.end` was sent, nothing is visible; afterwards it may be.
    pub async fn commit(&self) -> Result<Committed> {
        todo!()
    }

    /// Ends the session without making anything visible, so that no custodian waits for it.
    ///
    /// # Errors
    /// From the destination.
    pub async fn abandon(&self) -> Result<()> {
        todo!()
    }
}

#[async_trait]
impl ChunkSink for Session {
    async fn put_chunk(&self, kind: ChunkKind, plain: Bytes) -> Result<ChunkId> {
        todo!()
    }

    fn content_keys(&self) -> &ContentKeys {
        todo!()
    }
}

#[async_trait]
impl ChunkSource for Session {
    /// Also finds chunks that this session has put and not yet committed.
    async fn get_chunk(&self, id: &ChunkId) -> Result<Bytes> {
        todo!()
    }

    fn content_keys(&self) -> &ContentKeys {
        todo!()
    }
}

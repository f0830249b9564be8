//! What goes into a session, and what comes of it.

use crate::layout::SessionId;
use crate::repository::SnapshotId;
use crate::tree::TreeRoot;

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

/// The outcome of [`Session::commit`](super::Session::commit).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The session.
    pub session: SessionId,
    /// The snapshots it added, in the order of the calls of [`Session::add_snapshot`](super::Session::add_snapshot).
    pub snapshots: Vec<SnapshotId>,
    /// What it stored.
    pub stats: SessionStats,
}

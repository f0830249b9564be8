//! The repository as its users hold it.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use object_store::ObjectStore;

use crate::check::{CheckOptions, CheckProgress, CheckReport, Problem};
use crate::chunk_id::{ChunkId, parse_hex, write_hex};
use crate::chunks::{ChunkSource, ContentKeys};
use crate::config::{CreateOptions, RepositoryId, Writers};
use crate::env::Environment;
use crate::error::{Error, Result};
use crate::keyring::Passphrase;
use crate::layout::SessionId;
use crate::session::{Session, SessionOptions};
use crate::tree::TreeRoot;

/// Names a snapshot.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SnapshotId(pub(crate) [u8; 16]);

impl SnapshotId {
    /// The id's bytes.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for SnapshotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl fmt::Debug for SnapshotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SnapshotId({self})")
    }
}

impl FromStr for SnapshotId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        parse_hex(text)
            .map(Self)
            .ok_or_else(|| Error::invalid("a snapshot id is 32 hexadecimal digits"))
    }
}

/// One committed session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionInfo {
    /// Its id.
    pub id: SessionId,
    /// When the writer says it committed, in milliseconds since 1970-01-01T00:00:00Z.
    pub time_unix_ms: i64,
    /// What the writer called itself ([`SessionOptions::writer`]).
    pub writer: String,
    /// Snapshots it added, forgotten ones included.
    pub snapshots: usize,
    /// Packs it uploaded.
    pub packs: usize,
}

/// One snapshot: the immutable state of one named thing at one time.
#[derive(Clone, Debug, PartialEq)]
pub struct SnapshotInfo {
    /// Its id.
    pub id: SnapshotId,
    /// The caller's name for what it is a state of (a mailbox key).
    pub name: String,
    /// When it was taken, in milliseconds since 1970-01-01T00:00:00Z, as given by the writer.
    pub time_unix_ms: i64,
    /// Whether it is a checkpoint of an unfinished run.
    pub partial: bool,
    /// Its tree.
    pub root: TreeRoot,
    /// The caller's metadata.
    pub value: Vec<u8>,
    /// The session that committed it.
    pub session: SessionId,
}

/// How much a repository holds, as far as its index tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RepositoryStats {
    /// Bytes of all packs that committed sessions uploaded.
    pub stored_bytes: u64,
    /// Number of these packs.
    pub packs: u64,
    /// Chunks in them; a chunk stored twice counts twice.
    pub chunks: u64,
}

/// An open repository; clones share everything.
#[derive(Clone)]
pub struct Repository {}

impl Repository {
    /// Creates a repository at an empty destination.
    ///
    /// First the destination proves itself: of sixteen concurrent creates of one name exactly one
    /// may win, and its body must stay. Where that fails the repository is limited to one writer,
    /// see [`Repository::writers`].
    ///
    /// # Errors
    /// `AlreadyExists` when a repository stands there, `Invalid` for an empty passphrase or
    /// parameters out of range, `NoSpace`, `Denied`, `Unavailable` from the destination.
    ///
    /// # Cancellation
    /// What is left behind is no repository; creating again works.
    pub async fn create(
        destination: Arc<dyn ObjectStore>,
        passphrase: &Passphrase,
        options: &CreateOptions,
        env: Environment,
    ) -> Result<Self> {
        todo!()
    }

    /// Opens a repository and reads its catalogue: all committed sessions and their index.
    ///
    /// A damaged session or index object does not prevent opening: the index is rebuilt from the
    /// packs it describes, and what was found is in [`Repository::problems`].
    ///
    /// # Errors
    /// `NotFound` when there is no repository, `Auth` for a wrong passphrase, `Unsupported` for a
    /// newer format, `Corrupt` when `repository.json` or every key slot is damaged.
    pub async fn open(
        destination: Arc<dyn ObjectStore>,
        passphrase: &Passphrase,
        env: Environment,
    ) -> Result<Self> {
        todo!()
    }

    /// The repository's id.
    pub fn id(&self) -> RepositoryId {
        todo!()
    }

    /// How many writers the destination allows at the same time.
    pub fn writers(&self) -> Writers {
        todo!()
    }

    /// The committed sessions known so far, oldest first.
    pub fn sessions(&self) -> Vec<SessionInfo> {
        todo!()
    }

    /// The snapshots known so far without the forgotten ones, sorted by time, then id.
    pub fn snapshots(&self) -> Vec<SnapshotInfo> {
        todo!()
    }

    /// Damage met so far while reading the catalogue.
    pub fn problems(&self) -> Vec<Problem> {
        todo!()
    }

    /// Reads what other writers have committed, and what was forgotten, since the last time.
    ///
    /// # Errors
    /// From the destination; damage goes to [`Repository::problems`].
    pub async fn refresh(&self) -> Result<()> {
        todo!()
    }

    /// Whether a committed chunk is known.
    pub fn has_chunk(&self, id: &ChunkId) -> bool {
        todo!()
    }

    /// How much the repository holds.
    pub fn stats(&self) -> RepositoryStats {
        todo!()
    }

    /// Opens a session: creates its `.open` object and only then reads what is condemned.
    ///
    /// # Errors
    /// From the destination.
    ///
    /// # Cancellation
    /// May leave an open session behind, which the custodian ends.
    pub async fn session(&self, options: SessionOptions) -> Result<Session> {
        todo!()
    }

    /// Marks snapshots as forgotten; their bytes stay until a collection.
    ///
    /// # Errors
    /// `NotFound` when one is unknown (then none is forgotten).
    pub async fn forget(&self, snapshots: &[SnapshotId]) -> Result<()> {
        todo!()
    }

    /// Rebuilds the index in memory from the headers of all packs that committed sessions name.
    ///
    /// Returns what could not be read.
    ///
    /// # Errors
    /// From the destination.
    pub async fn rebuild_index(&self) -> Result<Vec<Problem>> {
        todo!()
    }

    /// Adds a compression dictionary for small chunks (see `docs/format.md`); later sessions use it.
    ///
    /// # Errors
    /// `Invalid` for an empty or oversized dictionary.
    pub async fn add_dictionary(&self, dictionary: &[u8]) -> Result<()> {
        todo!()
    }

    /// Examines stored objects and reports all damage; changes nothing.
    ///
    /// # Errors
    /// Only when continuing is pointless (the destination cannot be listed).
    pub async fn check(
        &self,
        options: &CheckOptions,
        on_progress: &(dyn Fn(CheckProgress) + Send + Sync),
    ) -> Result<CheckReport> {
        todo!()
    }
}

impl fmt::Debug for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Repository").finish_non_exhaustive()
    }
}

#[async_trait]
impl ChunkSource for Repository {
    async fn get_chunk(&self, id: &ChunkId) -> Result<Bytes> {
        todo!()
    }

    fn content_keys(&self) -> &ContentKeys {
        todo!()
    }
}

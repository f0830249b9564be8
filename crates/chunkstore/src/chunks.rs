//! The seam between what is stored (items, segments, trees) and how it is stored (packs, index).
//!
//! Everything above this module writes through a [`ChunkSink`] and reads through a
//! [`ChunkSource`]; `Session` and `Repository` implement them, tests use a map in memory.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use zeroize::Zeroizing;

use crate::chunk_id::ChunkId;
use crate::content::Content;
use crate::error::Result;
use crate::gear::GearTable;

/// The largest plain chunk that anything in this crate writes, in bytes.
///
/// A source may refuse longer chunks unread: nothing it is asked for is longer.
pub const MAX_CHUNK_BYTES: usize = 4 << 20;

/// What a chunk holds, which decides the pack it goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum ChunkKind {
    /// Pieces of payloads, and segments of skeletons. Stored byte 0.
    Data = 0,
    /// Tree nodes, delta runs, summaries and chunk lists: what listing and marking read. Stored
    /// byte 1.
    Meta = 1,
}

impl ChunkKind {
    /// Returns the stored byte.
    pub fn to_byte(self) -> u8 {
        self as u8
    }

    /// Returns the kind of a stored byte, or `None` for a byte that no released format wrote.
    pub fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Self::Data),
            1 => Some(Self::Meta),
            _ => None,
        }
    }
}

/// Takes chunks: deduplicates, compresses, seals and packs them.
#[async_trait]
pub trait ChunkSink: Send + Sync {
    /// Stores one chunk of at most [`MAX_CHUNK_BYTES`] and returns its id.
    ///
    /// A chunk that is already there is not stored again. The chunk is durable only after the
    /// session was committed.
    ///
    /// # Errors
    ///
    /// Whatever the destination answers, `Invalid` for a chunk that is too long.
    ///
    /// # Cancellation
    ///
    /// A dropped call may have stored the chunk; repeating it is harmless.
    async fn put_chunk(&self, kind: ChunkKind, plain: Bytes) -> Result<ChunkId>;

    /// Returns the repository's keys for cutting and hashing.
    fn content_keys(&self) -> &ContentKeys;
}

/// Gives chunks back.
#[async_trait]
pub trait ChunkSource: Send + Sync {
    /// Returns the plain bytes of a chunk, verified against its id.
    ///
    /// # Errors
    ///
    /// `NotFound` for an id that the repository does not know, `Corrupt` for damaged bytes.
    async fn get_chunk(&self, id: &ChunkId) -> Result<Bytes>;

    /// The same of a piece of an attachment, which is rarely asked for again: a source that
    /// remembers chunks must not forget others, which many items share, on its account.
    ///
    /// # Errors
    ///
    /// As for [`ChunkSource::get_chunk`].
    async fn get_piece(&self, id: &ChunkId) -> Result<Bytes> {
        self.get_chunk(id).await
    }

    /// Where the bytes of a content lie instead, if a repair put them somewhere else.
    fn substitute(&self, _content: &Content) -> Option<Content> {
        None
    }

    /// Returns the repository's keys for cutting and hashing.
    fn content_keys(&self) -> &ContentKeys;
}

/// The secrets by which content is cut and items are hashed, all derived from one root.
///
/// Cloning is cheap. `Debug` shows nothing.
#[derive(Clone)]
pub struct ContentKeys {
    inner: Arc<KeysInner>,
}

struct KeysInner {
    item_hash: Zeroizing<[u8; 32]>,
    tree: Zeroizing<[u8; 32]>,
    gear: GearTable,
}

impl ContentKeys {
    /// Derives the keys from a secret that all writers of the repository share.
    ///
    /// Each key is `blake3::derive_key(context, root)`; the contexts are part of the stored
    /// format, since other keys would cut the same content differently and end deduplication.
    pub fn derive(root: &[u8; 32]) -> Self {
        let key = |context: &str| Zeroizing::new(blake3::derive_key(context, root));
        Self {
            inner: Arc::new(KeysInner {
                item_hash: key("postkeep chunkstore v1 item hash"),
                tree: key("postkeep chunkstore v1 tree cut"),
                gear: GearTable::derive(&key("postkeep chunkstore v1 gear table")),
            }),
        }
    }

    /// Returns a hasher for whole items.
    pub(crate) fn item_hasher(&self) -> blake3::Hasher {
        blake3::Hasher::new_keyed(&self.inner.item_hash)
    }

    /// Returns the secret by which tree nodes are cut.
    pub(crate) fn tree_key(&self) -> &[u8; 32] {
        &self.inner.tree
    }

    /// Returns the secret table by which payloads are cut.
    pub(crate) fn gear(&self) -> &GearTable {
        &self.inner.gear
    }
}

impl fmt::Debug for ContentKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ContentKeys(..)")
    }
}

//! Recently read chunks, bounded in bytes.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;

use crate::chunk_id::ChunkId;

/// Plain bytes kept: the segments that neighbouring items are read from.
const SHARED_BYTES: usize = 32 << 20;

/// Plain bytes kept of pieces of attachments, for those that several neighbours have.
const PIECE_BYTES: usize = 16 << 20;

/// What is kept of the chunks that were read.
#[derive(Default)]
pub(crate) struct ChunkCache {
    shared: Recent,
    pieces: Recent,
}

impl ChunkCache {
    /// A chunk that was read not long ago, as whatever.
    pub(crate) fn get(&mut self, id: &ChunkId) -> Option<Bytes> {
        self.shared.get(id).or_else(|| self.pieces.get(id))
    }

    /// Keeps a chunk that many items may share.
    pub(crate) fn insert(&mut self, id: ChunkId, bytes: Bytes) {
        self.shared.insert(id, bytes, SHARED_BYTES);
    }

    /// Keeps a piece of an attachment.
    pub(crate) fn insert_piece(&mut self, id: ChunkId, bytes: Bytes) {
        self.pieces.insert(id, bytes, PIECE_BYTES);
    }
}

/// Least recently used chunks leave first.
#[derive(Default)]
struct Recent {
    chunks: HashMap<ChunkId, (u64, Bytes)>,
    by_use: BTreeMap<u64, ChunkId>,
    clock: u64,
    bytes: usize,
}

impl Recent {
    fn get(&mut self, id: &ChunkId) -> Option<Bytes> {
        let (used, bytes) = self.chunks.get_mut(id)?;
        self.by_use.remove(used);
        self.clock += 1;
        *used = self.clock;
        self.by_use.insert(self.clock, *id);
        Some(bytes.clone())
    }

    fn insert(&mut self, id: ChunkId, bytes: Bytes, max_bytes: usize) {
        self.clock += 1;
        self.bytes += bytes.len();
        if let Some((used, old)) = self.chunks.insert(id, (self.clock, bytes)) {
            self.by_use.remove(&used);
            self.bytes -= old.len();
        }
        self.by_use.insert(self.clock, id);
        while self.bytes > max_bytes
            && let Some((_, oldest)) = self.by_use.pop_first()
        {
            let left = self.chunks.remove(&oldest);
            self.bytes -= left.map_or(0, |(_, bytes)| bytes.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_used_chunk_leaves_first() {
        let id = |n: u8| ChunkId::from_bytes([n; 32]);
        let mut cache = ChunkCache::default();
        for n in 0..32 {
            cache.insert(id(n), Bytes::from(vec![n; 1 << 20]));
        }
        assert!(cache.get(&id(0)).is_some());
        cache.insert(id(40), Bytes::from(vec![0; 1 << 20]));
        assert!(cache.get(&id(0)).is_some());
        assert!(cache.get(&id(1)).is_none());
        assert_eq!(cache.shared.bytes, 32 << 20);
    }

    #[test]
    fn pieces_of_attachments_push_no_shared_chunk_out() {
        let id = |n: u8| ChunkId::from_bytes([n; 32]);
        let mut cache = ChunkCache::default();
        cache.insert(id(0), Bytes::from(vec![0; 1 << 20]));
        for n in 1..=200 {
            cache.insert_piece(id(n), Bytes::from(vec![n; 1 << 20]));
        }
        assert!(cache.get(&id(0)).is_some());
        assert!(cache.get(&id(200)).is_some() && cache.get(&id(1)).is_none());
        assert_eq!(cache.pieces.bytes, 16 << 20);
    }
}

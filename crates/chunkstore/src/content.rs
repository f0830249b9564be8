//! The record that says where one item's bytes are.
//!
//! # Stored form, version 1
//!
//! Numbers marked *n* are LEB128 (low seven bits first), ids are 32 bytes as they are. A record
//! carries no length of its own: it ends where its last field ends.
//!
//! | field | bytes | meaning |
//! | --- | --- | --- |
//! | format | 1 | number of the [`Format`](crate::Format) that took the item apart |
//! | length | *n* | bytes of the whole item |
//! | hash | 16 | first half of keyed BLAKE3-256 of the whole item |
//! | skeleton place | 1 | 0 = in a segment, 1 = chunks of its own |
//! | place 0: segment | 32 | id of the segment's chunk |
//! | place 0: index | *n* | which skeleton of the segment |
//! | place 1: pieces | … | as below |
//! | payload count | *n* | at most [`MAX_PAYLOADS`] |
//! | payloads | … | pieces of each payload, in the item's order |
//!
//! Pieces: the length in bytes (*n*; 0 ends the pieces), then a number *n*: 1 to 16 = that many
//! chunk ids follow, the bytes being their concatenation; 0 = the id of one chunk list follows.

pub(crate) mod codec;
pub(crate) mod list;
pub(crate) mod part;

use self::codec::{RecordReader, put_varint};
use crate::chunk_id::ChunkId;
use crate::error::Result;

/// The most chunk ids a record holds for one payload; longer lists are chunks of their own.
pub const MAX_INLINE_CHUNKS: usize = 16;

/// The most payloads one item may be split into; an item with more is stored opaque.
///
/// With payloads of 8 KiB and more this is reached by an item of 16 MiB that holds nothing but
/// the smallest payloads; the bound keeps a record, and so a tree entry, below 128 KiB.
pub const MAX_PAYLOADS: usize = 2048;

/// The most inline ids a record holds altogether; later payloads then use lists.
pub(crate) const MAX_INLINE_TOTAL: usize = 1024;

/// Where the bytes of one part are: its chunks in order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ChunkRefs {
    /// The chunks themselves, at most [`MAX_INLINE_CHUNKS`].
    Inline(Vec<ChunkId>),
    /// The chunk list that names them.
    List(ChunkId),
}

/// One part that is stored as chunks of its own: a payload, or a large skeleton.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Payload {
    /// Length in bytes.
    pub len: u64,
    /// Its chunks; none for an empty part.
    pub chunks: ChunkRefs,
}

impl Payload {
    pub(crate) fn empty() -> Self {
        Self {
            len: 0,
            chunks: ChunkRefs::Inline(Vec::new()),
        }
    }
}

/// Where an item's skeleton is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Skeleton {
    /// Among others in a segment.
    InSegment {
        /// The segment's chunk.
        segment: ChunkId,
        /// Its place in the segment, from 0.
        index: u32,
    },
    /// In chunks of its own: it is large, or empty.
    Chunks(Payload),
}

/// Where one item's bytes are, and how to know them again.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Content {
    /// Number of the format that took the item apart.
    pub format: u8,
    /// Bytes of the whole item.
    pub len: u64,
    /// First 16 bytes of the keyed BLAKE3 of the whole item. Equal hashes of one repository mean
    /// equal items, however they were split.
    pub hash: [u8; 16],
    /// Where the skeleton is.
    pub skeleton: Skeleton,
    /// The payloads, in the item's order.
    pub payloads: Vec<Payload>,
}

impl Content {
    /// Appends the stored form to `out`.
    pub fn encode_into(&self, out: &mut Vec<u8>) {
        out.push(self.format);
        put_varint(out, self.len);
        out.extend_from_slice(&self.hash);
        match &self.skeleton {
            Skeleton::InSegment { segment, index } => {
                out.push(0);
                out.extend_from_slice(segment.as_bytes());
                put_varint(out, u64::from(*index));
            }
            Skeleton::Chunks(pieces) => {
                out.push(1);
                encode_pieces(pieces, out);
            }
        }
        put_varint(out, self.payloads.len() as u64);
        for payload in &self.payloads {
            encode_pieces(payload, out);
        }
    }

    /// Returns the stored form.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64);
        self.encode_into(&mut out);
        out
    }

    /// Reads a stored form that fills `bytes` exactly.
    ///
    /// # Errors
    ///
    /// `Corrupt` for anything that [`Content::encode`] does not write.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let mut reader = RecordReader::new(bytes, "content record");
        let content = Self::read(&mut reader)?;
        reader.end()?;
        Ok(content)
    }

    pub(crate) fn read(reader: &mut RecordReader<'_>) -> Result<Self> {
        let format = reader.byte()?;
        let len = reader.varint()?;
        let hash = reader.array()?;
        let skeleton = match reader.byte()? {
            0 => Skeleton::InSegment {
                segment: reader.chunk_id()?,
                index: reader.count(u32::MAX as usize, "a skeleton's index")? as u32,
            },
            1 => Skeleton::Chunks(read_pieces(reader)?),
            _ => return Err(reader.damaged("a skeleton's place is unknown")),
        };
        let count = reader.count(MAX_PAYLOADS, "the number of payloads")?;
        let mut payloads = Vec::with_capacity(count.min(reader.remaining()));
        for _ in 0..count {
            payloads.push(read_pieces(reader)?);
        }
        Ok(Self {
            format,
            len,
            hash,
            skeleton,
            payloads,
        })
    }

    /// Returns the chunks this record names itself: segment, pieces and chunk lists.
    ///
    /// What a chunk list names is not among them: [`content_chunks`](crate::content_chunks) reads
    /// on.
    pub fn chunk_ids(&self) -> impl Iterator<Item = ChunkId> + '_ {
        let segment = match &self.skeleton {
            Skeleton::InSegment { segment, .. } => Some(*segment),
            Skeleton::Chunks(_) => None,
        };
        segment.into_iter().chain(self.parts().flat_map(|part| {
            match &part.chunks {
                ChunkRefs::Inline(ids) => ids.as_slice(),
                ChunkRefs::List(id) => std::slice::from_ref(id),
            }
            .iter()
            .copied()
        }))
    }

    /// Returns the parts that are stored as chunks of their own.
    pub(crate) fn parts(&self) -> impl Iterator<Item = &Payload> {
        let skeleton = match &self.skeleton {
            Skeleton::Chunks(pieces) => Some(pieces),
            Skeleton::InSegment { .. } => None,
        };
        skeleton.into_iter().chain(&self.payloads)
    }
}

fn encode_pieces(pieces: &Payload, out: &mut Vec<u8>) {
    put_varint(out, pieces.len);
    if pieces.len == 0 {
        return;
    }
    match &pieces.chunks {
        ChunkRefs::Inline(ids) => {
            put_varint(out, ids.len() as u64);
            for id in ids {
                out.extend_from_slice(id.as_bytes());
            }
        }
        ChunkRefs::List(id) => {
            out.push(0);
            out.extend_from_slice(id.as_bytes());
        }
    }
}

fn read_pieces(reader: &mut RecordReader<'_>) -> Result<Payload> {
    let len = reader.varint()?;
    if len == 0 {
        return Ok(Payload::empty());
    }
    let chunks = match reader.count(MAX_INLINE_CHUNKS, "the number of chunks")? {
        0 => ChunkRefs::List(reader.chunk_id()?),
        count => {
            let mut ids = Vec::with_capacity(count);
            for _ in 0..count {
                ids.push(reader.chunk_id()?);
            }
            ChunkRefs::Inline(ids)
        }
    };
    Ok(Payload { len, chunks })
}

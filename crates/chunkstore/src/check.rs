//! Examination of everything stored.

use std::collections::HashSet;

use crate::chunk_id::ChunkId;

/// How thorough a check is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CheckOptions {
    /// Reads and decodes every pack. Off by default: only the catalogue, and packs by listing.
    pub read_data: bool,
}

/// How far a check is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CheckProgress {
    /// Objects examined.
    pub objects: u64,
    /// Objects to examine.
    pub objects_total: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Bytes to read.
    pub bytes_total: u64,
}

/// One damaged or missing object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The object's name in the destination.
    pub object: String,
    /// What is wrong with it, in one line.
    pub what: String,
}

/// The result of a check.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckReport {
    /// Everything found wrong, by object name.
    pub problems: Vec<Problem>,
    /// Chunks that committed sessions stored and that cannot be read from any pack.
    pub lost_chunks: HashSet<ChunkId>,
    /// Objects examined.
    pub objects: u64,
    /// Bytes read from the destination.
    pub bytes: u64,
}

//! Sorted maps of key to small value and contents: what a snapshot of one mailbox is made of.
//!
//! A tree is an immutable *base* (a search tree whose leaves are cut by a keyed hash of the entry
//! keys, so that unchanged stretches stay the same chunks) and a few sorted *runs* of changes
//! since. Each write adds one run; ten runs of a level are merged into one of the next, and
//! when the runs hold a good part of what the base holds, everything becomes a new base. A root
//! names all it needs: any snapshot can be read, kept and forgotten on its own.
//!
//! # Stored form of a root, version 1
//!
//! | field | bytes | meaning |
//! | --- | --- | --- |
//! | version | 1 | 1 |
//! | base present | 1 | 0 or 1 |
//! | base | … | node reference, if present |
//! | run count | *n* | at most [`MAX_RUNS`] |
//! | runs, oldest first | … | each: level (1 byte), node reference |
//!
//! Node reference: chunk id (32), height (1; 0 = leaf, at most [`MAX_HEIGHT`]), entries below
//! (*n*), bytes of all nodes below and this one before compression (*n*). *n* is LEB128.

use crate::chunk_id::ChunkId;
use crate::content::Content;
use crate::content::codec::{RecordReader, put_varint};
use crate::error::{Error, Result};

/// The longest key, in bytes.
pub const MAX_KEY_BYTES: usize = 1024;

/// The longest value, in bytes.
pub const MAX_VALUE_BYTES: usize = 64 << 10;

/// The most contents of one entry.
pub const MAX_ENTRY_CONTENTS: usize = 64;

/// The longest encoded entry (key, value and contents), in bytes.
pub const MAX_ENTRY_BYTES: usize = 256 << 10;

/// The most runs of one root. With a fan-out of 10 this is far beyond what merging leaves.
pub const MAX_RUNS: usize = 64;

/// The greatest height of a tree; 512 entries a leaf and 128 children a node pass 10^13 entries
/// long before.
pub const MAX_HEIGHT: u8 = 8;

const ROOT_VERSION: u8 = 1;

/// One entry of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What the entry is found by, 1 to [`MAX_KEY_BYTES`] bytes; trees are sorted by it bytewise.
    pub key: Vec<u8>,
    /// The caller's bytes, at most [`MAX_VALUE_BYTES`].
    pub value: Vec<u8>,
    /// The stored items this entry refers to, at most [`MAX_ENTRY_CONTENTS`].
    pub contents: Vec<Content>,
}

/// One change to a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The entry concerned.
    pub key: Vec<u8>,
    /// Its new value and contents, or `None` to remove it.
    pub entry: Option<(Vec<u8>, Vec<Content>)>,
}

impl Change {
    /// Makes a change that adds an entry or takes an old one's place.
    pub fn put(key: Vec<u8>, value: Vec<u8>, contents: Vec<Content>) -> Self {
        Self {
            key,
            entry: Some((value, contents)),
        }
    }

    /// Makes a change that removes an entry; nothing happens where there is none.
    pub fn remove(key: Vec<u8>) -> Self {
        Self { key, entry: None }
    }
}

impl From<Entry> for Change {
    fn from(entry: Entry) -> Self {
        Self::put(entry.key, entry.value, entry.contents)
    }
}

/// A node and everything below it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NodeRef {
    /// The node's chunk.
    pub id: ChunkId,
    /// 0 for a leaf.
    pub height: u8,
    /// Entries in all leaves below; for runs this counts removals too.
    pub entries: u64,
    /// Bytes of all nodes from here down, before compression.
    pub bytes: u64,
}

/// One sorted run of changes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RunRef {
    /// How often its changes were merged: 0 as written, one more for each merge.
    pub level: u8,
    /// The run's nodes.
    pub node: NodeRef,
}

/// One state of a tree: all that is needed to read it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TreeRoot {
    /// The state at some earlier time; `None` while the tree is empty.
    pub base: Option<NodeRef>,
    /// Changes since, oldest first.
    pub runs: Vec<RunRef>,
}

impl TreeRoot {
    /// Returns the root of a tree without entries.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Returns whether the tree certainly has no entries.
    pub fn is_empty(&self) -> bool {
        self.base.is_none() && self.runs.is_empty()
    }

    /// Returns the entries of the base.
    pub fn base_entries(&self) -> u64 {
        self.base.as_ref().map_or(0, |base| base.entries)
    }

    /// Returns the changes in the runs; a key that changed twice may count twice.
    pub fn run_entries(&self) -> u64 {
        self.runs
            .iter()
            .fold(0, |sum, run| sum.saturating_add(run.node.entries))
    }

    /// Returns the bytes of all nodes, before compression: what reading the whole tree costs.
    pub fn node_bytes(&self) -> u64 {
        self.runs
            .iter()
            .map(|run| &run.node)
            .chain(&self.base)
            .fold(0, |sum, node| sum.saturating_add(node.bytes))
    }

    /// Returns the stored form, at most a few kilobytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![ROOT_VERSION, u8::from(self.base.is_some())];
        if let Some(base) = &self.base {
            base.encode_into(&mut out);
        }
        put_varint(&mut out, self.runs.len() as u64);
        for run in &self.runs {
            out.push(run.level);
            run.node.encode_into(&mut out);
        }
        out
    }

    /// Reads the stored form.
    ///
    /// # Errors
    ///
    /// `Unsupported` for another version, `Corrupt` for anything that [`TreeRoot::encode`] does
    /// not write.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let mut reader = RecordReader::new(bytes, "tree root");
        let version = reader.byte()?;
        if version != ROOT_VERSION {
            return Err(Error::new(
                crate::error::ErrorKind::Unsupported,
                format!("tree root has version {version}, this program reads {ROOT_VERSION}"),
            ));
        }
        let base = match reader.byte()? {
            0 => None,
            1 => Some(NodeRef::read(&mut reader)?),
            _ => return Err(reader.damaged("the base is neither there nor not")),
        };
        let count = reader.count(MAX_RUNS, "the number of runs")?;
        let mut runs = Vec::with_capacity(count);
        for _ in 0..count {
            runs.push(RunRef {
                level: reader.byte()?,
                node: NodeRef::read(&mut reader)?,
            });
        }
        reader.end()?;
        Ok(Self { base, runs })
    }
}

impl NodeRef {
    pub(crate) fn encode_into(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.id.as_bytes());
        out.push(self.height);
        put_varint(out, self.entries);
        put_varint(out, self.bytes);
    }

    fn read(reader: &mut RecordReader<'_>) -> Result<Self> {
        let id = reader.chunk_id()?;
        let height = reader.byte()?;
        if height > MAX_HEIGHT {
            return Err(reader.damaged("a node is too high"));
        }
        Ok(Self {
            id,
            height,
            entries: reader.varint()?,
            bytes: reader.varint()?,
        })
    }
}

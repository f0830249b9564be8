//! The bytes of one tree node, leaf or inner. Pure.
//!
//! # Stored form, version 1
//!
//! *n* is LEB128. Columns, not rows: likes beside likes compress better.
//!
//! | field | bytes | meaning |
//! | --- | --- | --- |
//! | version | 1 | 1 |
//! | height | 1 | 0 = leaf, otherwise one more than the children's |
//! | count | *n* | entries (at most 2,048) or children (at most 512), at least 1 |
//! | shared, rest | *n*, *n* each | bytes of the key equal to the previous key's first bytes (0 for the first key), and bytes that follow |
//! | keys | … | those following bytes, one key behind the other |
//!
//! then in a leaf
//!
//! | field | bytes | meaning |
//! | --- | --- | --- |
//! | value | *n* each | 0 = the key is removed, otherwise the value's length plus 1 |
//! | values | … | one behind the other |
//! | contents | *n* each | number of content records; not for removed keys |
//! | records | … | content records, one behind the other, to the end |
//!
//! and in an inner node
//!
//! | field | bytes | meaning |
//! | --- | --- | --- |
//! | entries, bytes | *n*, *n* each | of the child and all below it |
//! | ids | 32 each | chunks of the children, to the end |
//!
//! Keys ascend strictly. An inner node's keys are the first keys of its children. A base has no
//! removed keys. Nodes are `Meta` chunks.

use crate::chunk_id::ChunkId;
use crate::content::Content;
use crate::content::codec::{RecordReader, put_varint};
use crate::error::{Error, ErrorKind, Result};
use crate::tree::{
    Change, MAX_ENTRY_BYTES, MAX_ENTRY_CONTENTS, MAX_KEY_BYTES, MAX_VALUE_BYTES, NodeRef,
};

/// The most entries of a leaf.
pub(crate) const MAX_LEAF_ENTRIES: usize = 2048;

/// The most children of an inner node.
pub(crate) const MAX_CHILDREN: usize = 512;

const NODE_VERSION: u8 = 1;

/// What a node holds.
#[derive(Debug)]
pub(crate) enum Node {
    Leaf(Vec<Change>),
    Inner(Vec<Child>),
}

/// One child of an inner node.
#[derive(Clone, Debug)]
pub(crate) struct Child {
    pub(crate) first_key: Vec<u8>,
    pub(crate) node: NodeRef,
}

/// Collects keys, each without what it shares with the one before.
#[derive(Default)]
struct KeyColumn {
    lengths: Vec<u8>,
    bytes: Vec<u8>,
    last: Vec<u8>,
}

impl KeyColumn {
    fn push(&mut self, key: &[u8]) {
        let shared = self
            .last
            .iter()
            .zip(key)
            .take_while(|(a, b)| a == b)
            .count();
        let (_, rest) = key.split_at(shared);
        put_varint(&mut self.lengths, shared as u64);
        put_varint(&mut self.lengths, rest.len() as u64);
        self.bytes.extend_from_slice(rest);
        self.last.clear();
        self.last.extend_from_slice(key);
    }

    fn len(&self) -> usize {
        self.lengths.len() + self.bytes.len()
    }
}

/// Collects the entries of one leaf.
#[derive(Default)]
pub(crate) struct LeafBuilder {
    count: usize,
    first_key: Vec<u8>,
    keys: KeyColumn,
    value_lengths: Vec<u8>,
    values: Vec<u8>,
    content_counts: Vec<u8>,
    contents: Vec<u8>,
}

impl LeafBuilder {
    /// Adds a change whose key is greater than all before.
    pub(crate) fn push(&mut self, change: &Change) -> Result<()> {
        if self.count == 0 {
            self.first_key.clone_from(&change.key);
        } else if change.key <= self.keys.last {
            return Err(Error::invalid("the changes to a tree are out of order"));
        }
        let contents_before = self.contents.len();
        match &change.entry {
            None => put_varint(&mut self.value_lengths, 0),
            Some((value, contents)) => {
                put_varint(&mut self.value_lengths, value.len() as u64 + 1);
                self.values.extend_from_slice(value);
                put_varint(&mut self.content_counts, contents.len() as u64);
                for content in contents {
                    content.encode_into(&mut self.contents);
                }
            }
        }
        let value = change.entry.as_ref().map_or(0, |(value, _)| value.len());
        let bytes = change.key.len() + value + self.contents.len() - contents_before;
        check_limits(change, bytes)?;
        self.keys.push(&change.key);
        self.count += 1;
        Ok(())
    }

    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Returns the node's bytes so far, about.
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
            + self.value_lengths.len()
            + self.values.len()
            + self.content_counts.len()
            + self.contents.len()
    }

    /// Returns first key and stored form.
    pub(crate) fn finish(self) -> (Vec<u8>, Vec<u8>) {
        let mut out = Vec::with_capacity(self.len() + 8);
        out.extend_from_slice(&[NODE_VERSION, 0]);
        put_varint(&mut out, self.count as u64);
        for column in [
            &self.keys.lengths,
            &self.keys.bytes,
            &self.value_lengths,
            &self.values,
            &self.content_counts,
            &self.contents,
        ] {
            out.extend_from_slice(column);
        }
        (self.first_key, out)
    }
}

fn check_limits(change: &Change, bytes: usize) -> Result<()> {
    if let Some((value, contents)) = &change.entry {
        let too_long = value.len() > MAX_VALUE_BYTES
            || contents.len() > MAX_ENTRY_CONTENTS
            || bytes > MAX_ENTRY_BYTES;
        if too_long {
            return Err(Error::invalid(format!(
                "a tree entry has a value of {} bytes and {} contents, {bytes} bytes in all, \
                 which is more than allowed",
                value.len(),
                contents.len(),
            )));
        }
    }
    Ok(())
}

/// Returns the stored form of an inner node; `height` is at least 1.
pub(crate) fn encode_inner(height: u8, children: &[Child]) -> Vec<u8> {
    let mut keys = KeyColumn::default();
    let mut counts = Vec::new();
    for child in children {
        keys.push(&child.first_key);
        put_varint(&mut counts, child.node.entries);
        put_varint(&mut counts, child.node.bytes);
    }
    let mut out = vec![NODE_VERSION, height];
    put_varint(&mut out, children.len() as u64);
    out.extend_from_slice(&keys.lengths);
    out.extend_from_slice(&keys.bytes);
    out.extend_from_slice(&counts);
    for child in children {
        out.extend_from_slice(child.node.id.as_bytes());
    }
    out
}

/// Reads the node that `node` names.
pub(crate) fn decode_node(node: &NodeRef, plain: &[u8]) -> Result<Node> {
    decode(node.height, plain).map_err(|error| {
        Error::new(
            ErrorKind::Corrupt,
            format!("cannot read tree node {}", node.id),
        )
        .with_source(error)
    })
}

fn decode(expected_height: u8, plain: &[u8]) -> Result<Node> {
    let mut reader = RecordReader::new(plain, "tree node");
    if reader.byte()? != NODE_VERSION {
        return Err(reader.damaged("its version is unknown"));
    }
    let height = reader.byte()?;
    if height != expected_height {
        return Err(reader.damaged("its height is not what refers to it says"));
    }
    let limit = if height == 0 {
        MAX_LEAF_ENTRIES
    } else {
        MAX_CHILDREN
    };
    let count = reader.count(limit, "the number of entries")?;
    if count == 0 {
        return Err(reader.damaged("it is empty"));
    }
    let keys = read_keys(&mut reader, count)?;
    let node = match height.checked_sub(1) {
        None => Node::Leaf(read_entries(&mut reader, keys)?),
        Some(below) => Node::Inner(read_children(&mut reader, below, keys)?),
    };
    reader.end()?;
    Ok(node)
}

fn read_keys(reader: &mut RecordReader<'_>, count: usize) -> Result<Vec<Vec<u8>>> {
    let mut lengths = Vec::with_capacity(count);
    for _ in 0..count {
        let shared = reader.count(MAX_KEY_BYTES, "a key's shared length")?;
        let rest = reader.count(MAX_KEY_BYTES, "a key's length")?;
        lengths.push((shared, rest));
    }
    let mut keys: Vec<Vec<u8>> = Vec::with_capacity(count);
    for (shared, rest) in lengths {
        let last = keys.last().map_or(&[][..], Vec::as_slice);
        let rest = reader.bytes(rest)?;
        let head = last
            .get(..shared)
            .ok_or_else(|| reader.damaged("a key shares more than there is"))?;
        let key = [head, rest].concat();
        if key.as_slice() <= last || key.len() > MAX_KEY_BYTES {
            return Err(reader.damaged("its keys do not ascend"));
        }
        keys.push(key);
    }
    Ok(keys)
}

fn read_entries(reader: &mut RecordReader<'_>, keys: Vec<Vec<u8>>) -> Result<Vec<Change>> {
    let mut lengths = Vec::with_capacity(keys.len());
    for _ in &keys {
        let length = reader.count(MAX_VALUE_BYTES + 1, "a value's length")?;
        lengths.push(length.checked_sub(1));
    }
    let mut changes = Vec::with_capacity(keys.len());
    for (key, length) in keys.into_iter().zip(lengths) {
        let entry = match length {
            None => None,
            Some(length) => Some((reader.bytes(length)?.to_vec(), Vec::new())),
        };
        changes.push(Change { key, entry });
    }
    let mut counts = Vec::with_capacity(changes.len());
    for _ in changes.iter().filter(|change| change.entry.is_some()) {
        counts.push(reader.count(MAX_ENTRY_CONTENTS, "the number of contents")?);
    }
    let entries = changes
        .iter_mut()
        .filter_map(|change| change.entry.as_mut());
    for ((_, contents), count) in entries.zip(counts) {
        for _ in 0..count {
            contents.push(Content::read(reader)?);
        }
    }
    Ok(changes)
}

fn read_children(
    reader: &mut RecordReader<'_>,
    height: u8,
    keys: Vec<Vec<u8>>,
) -> Result<Vec<Child>> {
    let mut children = Vec::with_capacity(keys.len());
    for first_key in keys {
        let node = NodeRef {
            id: ChunkId::from_bytes([0; ChunkId::LEN]),
            height,
            entries: reader.varint()?,
            bytes: reader.varint()?,
        };
        children.push(Child { first_key, node });
    }
    for child in &mut children {
        child.node.id = reader.chunk_id()?;
    }
    Ok(children)
}

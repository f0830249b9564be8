//! Storages and streams in memory, and the compound file they become (MS-CFB).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{Cursor, Read as _, Write as _};
use std::time::SystemTime;

use cfb::{CompoundFile, Version};
use uuid::Uuid;

use crate::Error;

/// The class of a message file: {00020D0B-0000-0000-C000-000000000046}.
const MESSAGE_CLSID: Uuid = Uuid::from_u128(0x00020d0b_0000_0000_c000_000000000046);
/// Streams and storages copied from an attached compound file; real ones have a dozen.
const MAX_COPIED: usize = 10_000;

/// A storage: what a folder is in a file system.
#[derive(Default)]
pub(super) struct Storage<'a> {
    clsid: Uuid,
    children: BTreeMap<Name, Node<'a>>,
}

/// A name in the order of MS-CFB 2.6.4: by length, then by upper case.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Name {
    units: usize,
    upper: String,
    name: String,
}

enum Node<'a> {
    Storage(Storage<'a>),
    Stream(Cow<'a, [u8]>),
}

impl<'a> Storage<'a> {
    pub(super) fn add_storage(&mut self, name: &str, storage: Storage<'a>) {
        self.children
            .insert(Name::new(name), Node::Storage(storage));
    }

    pub(super) fn add_stream(&mut self, name: &str, data: Vec<u8>) {
        self.add_stream_of(name, Cow::Owned(data));
    }

    pub(super) fn add_stream_of(&mut self, name: &str, data: Cow<'a, [u8]>) {
        self.children.insert(Name::new(name), Node::Stream(data));
    }

    /// Writes the storage as the root of a message file.
    pub(super) fn into_compound_file(mut self) -> Result<Vec<u8>, Error> {
        self.clsid = MESSAGE_CLSID;
        let written = || -> std::io::Result<Vec<u8>> {
            let empty = Cursor::new(Vec::new());
            let mut file = CompoundFile::create_with_version(Version::V3, empty)?;
            self.write(&mut file, "/")?;
            file.flush()?;
            Ok(file.into_inner().into_inner())
        };
        written().map_err(|error| Error::io("write a compound file", error))
    }

    fn write(&self, file: &mut CompoundFile<Cursor<Vec<u8>>>, path: &str) -> std::io::Result<()> {
        file.set_storage_clsid(path, self.clsid)?;
        let children: Vec<(&Name, &Node<'_>)> = self.children.iter().collect();
        for at in balanced(children.len()) {
            let (name, node) = children[at];
            let path = format!("{path}{}", name.name);
            match node {
                Node::Stream(data) => file.create_stream(path)?.write_all(data)?,
                Node::Storage(storage) => {
                    file.create_storage(&path)?;
                    storage.write(file, &format!("{path}/"))?;
                }
            }
        }
        // The same item gives the same file, whenever that is.
        file.set_created_time(path, SystemTime::UNIX_EPOCH)?;
        file.set_modified_time(path, SystemTime::UNIX_EPOCH)
    }

    /// Reads a compound file that a value holds; `None` if it is none.
    pub(super) fn from_compound_file(bytes: &[u8]) -> Option<Storage<'static>> {
        let mut file = CompoundFile::open(Cursor::new(bytes)).ok()?;
        let entries: Vec<cfb::Entry> = file.walk().take(MAX_COPIED + 1).collect();
        // Streams can claim the same bytes more than once.
        let claimed = entries
            .iter()
            .try_fold(0u64, |sum, e| sum.checked_add(e.len()))?;
        if entries.len() > MAX_COPIED || claimed > bytes.len() as u64 {
            return None;
        }
        let mut root = Storage::default();
        for entry in entries {
            if entry.is_root() {
                root.clsid = *entry.clsid();
                continue;
            }
            let mut names: Vec<String> = entry
                .path()
                .components()
                .filter_map(|part| match part {
                    std::path::Component::Normal(name) => name.to_str().map(str::to_owned),
                    _ => None,
                })
                .collect();
            let name = names.pop()?;
            let parent = root.descend(&names)?;
            if entry.is_stream() {
                let mut data = Vec::new();
                let stream = file.open_stream(entry.path()).ok()?;
                stream.take(entry.len()).read_to_end(&mut data).ok()?;
                parent.add_stream(&name, data);
            } else {
                let clsid = *entry.clsid();
                let children = BTreeMap::new();
                parent.add_storage(&name, Storage { clsid, children });
            }
        }
        Some(root)
    }

    fn descend(&mut self, names: &[String]) -> Option<&mut Self> {
        names.iter().try_fold(self, |storage, name| {
            match storage.children.get_mut(&Name::new(name))? {
                Node::Storage(inner) => Some(inner),
                Node::Stream(_) => None,
            }
        })
    }
}

impl Name {
    fn new(name: &str) -> Self {
        Self {
            units: name.encode_utf16().count(),
            upper: name.to_uppercase(),
            name: name.to_owned(),
        }
    }
}

/// The middle first, then the middles of both halves: the directory is a search tree, and in this
/// order it grows no deeper than it must. Readers walk it recursively.
fn balanced(len: usize) -> Vec<usize> {
    let mut order = Vec::with_capacity(len);
    let mut ranges = std::collections::VecDeque::new();
    ranges.push_back(0..len);
    while let Some(range) = ranges.pop_front() {
        if !range.is_empty() {
            let middle = range.start + range.len() / 2;
            order.push(middle);
            ranges.extend([range.start..middle, middle + 1..range.end]);
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_child_is_written_once() {
        for len in 0..40 {
            let mut order = balanced(len);
            assert_eq!(order.first().copied(), (len > 0).then_some(len / 2));
            order.sort_unstable();
            assert_eq!(order, (0..len).collect::<Vec<_>>());
        }
    }
}

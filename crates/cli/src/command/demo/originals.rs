//! What a mailbox holds, for comparing it with what comes back: taken at the server itself, behind
//! the back of everything that is being demonstrated.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use ews_sim::{Error, MailboxHandle};

/// The MIME of every item by folder, as hashes in order.
#[derive(PartialEq, Eq)]
pub struct Originals {
    folders: BTreeMap<String, Vec<u64>>,
}

impl Originals {
    pub fn of(handle: &MailboxHandle) -> Result<Self, Error> {
        let mut folders = BTreeMap::new();
        for folder in handle.folders() {
            // Recoverable items are not part of the visible mailbox.
            if folder.total == 0 || folder.path.starts_with('/') {
                continue;
            }
            let mut items = Vec::new();
            for item in handle.items(&folder.path)? {
                items.push(hash(&handle.mime(&item.id)?));
            }
            items.sort_unstable();
            folders.insert(folder.path, items);
        }
        Ok(Self { folders })
    }

    /// How many items there are.
    pub fn len(&self) -> u64 {
        self.folders.values().map(|items| items.len() as u64).sum()
    }

    /// Folders whose items are not the same in both.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let paths = self.folders.keys().chain(other.folders.keys());
        let mut different: Vec<String> = paths
            .filter(|path| self.folders.get(*path) != other.folders.get(*path))
            .cloned()
            .collect();
        different.sort();
        different.dedup();
        different
    }
}

/// Whether exactly one item of a folder has this MIME.
pub fn has(handle: &MailboxHandle, folder: &str, mime: &[u8]) -> Result<bool, Error> {
    let mut found = 0;
    for item in handle.items(folder)? {
        found += u32::from(handle.mime(&item.id)? == mime);
    }
    Ok(found == 1)
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

//! Keys: fixed-length bytes whose order is the order of rows.
//!
//! A folder's key is 8 bytes, an item's is its folder's 8 bytes followed by 16 of its own. Compared
//! as byte strings, a folder comes directly before its items, so folders and items share one order.

use std::fmt;

use crate::error::Fault;

/// Identifies a folder within one mailbox.
///
/// The caller derives it, usually by hashing the folder's id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FolderKey(pub [u8; 8]);

/// Identifies an item within one mailbox.
///
/// The caller derives `item`, usually by hashing the item's id. The same id in another folder is
/// another key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ItemKey {
    /// The folder that holds the item.
    pub folder: FolderKey,
    /// The item within its folder.
    pub item: [u8; 16],
}

/// Identifies a folder or an item; ordered like its bytes: a folder, then its items.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum RowKey {
    /// A folder.
    Folder(FolderKey),
    /// An item.
    Item(ItemKey),
}

/// Length of a folder's key in bytes.
pub(crate) const FOLDER_KEY_BYTES: usize = 8;
/// Length of an item's key in bytes.
pub(crate) const ITEM_KEY_BYTES: usize = 24;

impl FolderKey {
    /// The smallest and the largest key an item of this folder can have.
    pub(crate) fn item_bounds(self) -> (ItemKey, ItemKey) {
        let key = |byte| ItemKey {
            folder: self,
            item: [byte; 16],
        };
        (key(0x00), key(0xff))
    }
}

impl ItemKey {
    /// Returns the 24 key bytes: folder, then item.
    pub fn to_bytes(&self) -> [u8; 24] {
        let mut bytes = [0; ITEM_KEY_BYTES];
        bytes[..FOLDER_KEY_BYTES].copy_from_slice(&self.folder.0);
        bytes[FOLDER_KEY_BYTES..].copy_from_slice(&self.item);
        bytes
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote.
    pub fn from_bytes(bytes: &[u8; 24]) -> Self {
        let mut folder = [0; FOLDER_KEY_BYTES];
        let mut item = [0; ITEM_KEY_BYTES - FOLDER_KEY_BYTES];
        folder.copy_from_slice(&bytes[..FOLDER_KEY_BYTES]);
        item.copy_from_slice(&bytes[FOLDER_KEY_BYTES..]);
        Self {
            folder: FolderKey(folder),
            item,
        }
    }
}

impl RowKey {
    /// Returns the key's bytes: 8 for a folder, 24 for an item.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Folder(folder) => folder.0.to_vec(),
            Self::Item(item) => item.to_bytes().to_vec(),
        }
    }

    /// Reads a key from its bytes; `None` if they are neither 8 nor 24.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if let Ok(item) = <&[u8; ITEM_KEY_BYTES]>::try_from(bytes) {
            return Some(Self::Item(ItemKey::from_bytes(item)));
        }
        let folder = <[u8; FOLDER_KEY_BYTES]>::try_from(bytes).ok()?;
        Some(Self::Folder(FolderKey(folder)))
    }

    /// Returns the folder, or the folder of the item.
    pub fn folder(&self) -> FolderKey {
        match self {
            Self::Folder(folder) => *folder,
            Self::Item(item) => item.folder,
        }
    }
}

/// Reads a key stored in the staging table.
pub(crate) fn stored_key(bytes: &[u8]) -> Result<RowKey, Fault> {
    RowKey::from_bytes(bytes).ok_or_else(|| Fault::Row {
        what: "key",
        key: hex(bytes),
        reason: "it has an impossible length",
    })
}

/// Writes bytes as hexadecimal digits, for messages.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing into a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

impl fmt::Debug for FolderKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FolderKey({})", hex(&self.0))
    }
}

impl fmt::Debug for ItemKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ItemKey({}/{})", hex(&self.folder.0), hex(&self.item))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_sorts_directly_before_its_items() {
        let folder = FolderKey([7; 8]);
        let (first, last) = folder.item_bounds();
        let keys = [
            RowKey::Item(FolderKey([6; 8]).item_bounds().1),
            RowKey::Folder(folder),
            RowKey::Item(first),
            RowKey::Item(last),
            RowKey::Folder(FolderKey([8; 8])),
        ];
        assert!(
            keys.windows(2)
                .all(|pair| pair[0].to_bytes() < pair[1].to_bytes())
        );
        for key in keys {
            assert_eq!(RowKey::from_bytes(&key.to_bytes()), Some(key));
        }
        assert_eq!(RowKey::from_bytes(&[0; 9]), None);
    }
}

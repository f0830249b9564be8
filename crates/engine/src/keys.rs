//! Keys of folders and items, derived from the ids the server gave them.
//!
//! A key is a hash of an id, so a change or a deletion that names only an id finds its row
//! without a look-up table. Keys sort folders before items, and items by folder.

use mailindex::{FolderKey, ItemKey};

use crate::error::{Error, ErrorKind, Result};
use crate::settings::SettingKey;

const FOLDER: u8 = 1;
const ITEM: u8 = 2;
const SETTING: u8 = 3;

/// The first byte of every key of a folder entry, and the end of their range.
pub(crate) const FOLDER_RANGE: (u8, u8) = (FOLDER, ITEM);

/// The first byte of every key of a setting, and the end of their range.
pub(crate) const SETTING_RANGE: (u8, u8) = (SETTING, SETTING + 1);

/// The first byte of the keys of what the local index knows, and the end of their range.
pub(crate) const INDEXED_RANGE: (u8, u8) = (FOLDER, SETTING);

/// The key of a folder, from its EWS FolderId.
pub(crate) fn folder_key(folder_id: &str) -> FolderKey {
    let hash = blake3::derive_key("postkeep folder key 1", folder_id.as_bytes());
    let mut key = [0; 8];
    key.copy_from_slice(&hash[..8]);
    FolderKey(key)
}

/// The key under which a folder's associated items stand, apart from its others.
pub(crate) fn associated_key(folder_id: &str) -> FolderKey {
    let hash = blake3::derive_key("postkeep associated folder key 1", folder_id.as_bytes());
    let mut key = [0; 8];
    key.copy_from_slice(&hash[..8]);
    FolderKey(key)
}

/// What stands under a folder's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holds {
    /// The items that users see.
    Items,
    /// Folder-associated items: views, categories, rules, settings of programs.
    Associated,
}

impl Holds {
    /// What stands under this key of that folder.
    pub(crate) fn of(key: FolderKey, folder_id: &str) -> Self {
        if key == associated_key(folder_id) {
            Self::Associated
        } else {
            Self::Items
        }
    }
}

/// The key of an item, from its folder and its EWS ItemId.
pub(crate) fn item_key(folder: FolderKey, item_id: &str) -> ItemKey {
    let hash = blake3::derive_key("postkeep item key 1", item_id.as_bytes());
    let mut item = [0; 16];
    item.copy_from_slice(&hash[..16]);
    ItemKey { folder, item }
}

/// Where a key of a snapshot's tree points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TreeKey {
    Folder(FolderKey),
    Item(ItemKey),
    /// A piece of a setting, by its number.
    Setting(SettingKey, u8),
    /// Something that a later version of the program put there.
    Unknown,
}

impl TreeKey {
    pub(crate) fn to_bytes(self) -> Vec<u8> {
        match self {
            TreeKey::Folder(folder) => [&[FOLDER][..], &folder.0].concat(),
            TreeKey::Item(key) => [&[ITEM][..], &key.folder.0, &key.item].concat(),
            TreeKey::Setting(key, piece) => [&[SETTING][..], &key.to_bytes(piece)].concat(),
            TreeKey::Unknown => Vec::new(),
        }
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let key = match bytes {
            [FOLDER, rest @ ..] => rest
                .try_into()
                .ok()
                .map(|folder| TreeKey::Folder(FolderKey(folder))),
            [ITEM, rest @ ..] => rest.split_first_chunk::<8>().and_then(|(folder, item)| {
                let item = item.try_into().ok()?;
                Some(TreeKey::Item(ItemKey {
                    folder: FolderKey(*folder),
                    item,
                }))
            }),
            [SETTING, rest @ ..] => Some(
                SettingKey::from_bytes(rest).map_or(TreeKey::Unknown, |(key, piece)| {
                    TreeKey::Setting(key, piece)
                }),
            ),
            [first, ..] if *first > SETTING => Some(TreeKey::Unknown),
            _ => None,
        };
        key.ok_or_else(|| {
            Error::new(
                ErrorKind::Corrupt,
                "a snapshot holds an entry that is no folder or item",
            )
        })
    }
}

/// The range of tree keys that holds all items of one folder.
pub(crate) fn items_of(folder: FolderKey) -> (Vec<u8>, Vec<u8>) {
    let start = [&[ITEM][..], &folder.0].concat();
    let mut end = start.clone();
    // The successor of a fixed-length prefix: add one with carry.
    for byte in end.iter_mut().rev() {
        let (sum, overflow) = byte.overflowing_add(1);
        *byte = sum;
        if !overflow {
            break;
        }
    }
    (start, end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_survive_their_bytes_and_sort_folders_first() {
        let folder = folder_key("AAMk");
        let item = item_key(folder, "AAMkItem");
        for key in [TreeKey::Folder(folder), TreeKey::Item(item)] {
            assert_eq!(TreeKey::from_bytes(&key.to_bytes()).unwrap(), key);
        }
        assert!(TreeKey::Folder(folder).to_bytes() < TreeKey::Item(item).to_bytes());
        assert!(TreeKey::from_bytes(&[]).is_err());
        assert!(TreeKey::from_bytes(&[2, 1]).is_err());
        for later in [&[3, 99, 0][..], &[4], &[255, 1]] {
            assert_eq!(TreeKey::from_bytes(later).unwrap(), TreeKey::Unknown);
        }
    }

    #[test]
    fn the_item_range_holds_exactly_one_folder() {
        let folder = FolderKey([0xff; 8]);
        let (start, end) = items_of(folder);
        let inside = TreeKey::Item(ItemKey {
            folder,
            item: [0xff; 16],
        })
        .to_bytes();
        assert!(start <= inside && inside < end);
        let (start, end) = items_of(FolderKey([1; 8]));
        assert!(!(start..end).contains(&inside));
    }
}

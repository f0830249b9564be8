//! Settings in a snapshot's tree.

use std::collections::{BTreeMap, BTreeSet};

use chunkstore::{Change, Entry, TreeReader};
use ews_client::XmlElement;
use futures::TryStreamExt;
use mailindex::FolderKey;

use super::kind::SettingKey;
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::keys::{SETTING_RANGE, TreeKey};
use crate::record::{FieldWriter, Fields};
use crate::snapshot::Snapshot;
use crate::vault::Vault;

/// Bytes of text in one entry: a tree's value holds 65,536, and an id stands beside the text.
const PIECE_BYTES: usize = 60_000;

/// Longest text kept of one setting. The rules of a mailbox have at most 256 KB on the server, a
/// signature with pictures is the largest thing seen.
pub(crate) const MAX_SETTING_BYTES: usize = 2 << 20;

mod field {
    pub(super) const TEXT: u8 = 1;
    pub(super) const FOLDER_ID: u8 = 2;
}

/// A setting as a snapshot keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredSetting {
    /// Of permissions, the EWS FolderId; it has a row of its own unless it is the top folder.
    pub(crate) folder_id: String,
    /// The XML text.
    pub(crate) text: String,
}

impl StoredSetting {
    /// What the text says.
    ///
    /// # Errors
    /// `Corrupt` for text that is no XML.
    pub(crate) fn element(&self) -> Result<XmlElement> {
        XmlElement::from_xml(&self.text).map_err(|error| {
            Error::with_source(ErrorKind::Corrupt, "a stored setting is damaged", error)
        })
    }

    /// The tree's entries, one a piece.
    fn entries(&self, key: SettingKey) -> Vec<Entry> {
        let pieces = pieces(&self.text);
        let entries = pieces.into_iter().zip(0u8..).map(|(text, piece)| {
            let mut writer = FieldWriter::default();
            writer.bytes(field::TEXT, text.as_bytes());
            if piece == 0 && !self.folder_id.is_empty() {
                writer.id(field::FOLDER_ID, &self.folder_id);
            }
            Entry {
                key: TreeKey::Setting(key, piece).to_bytes(),
                value: writer.finish(),
                contents: Vec::new(),
            }
        });
        entries.collect()
    }
}

/// Cuts a text between characters; an empty one is one empty piece.
fn pieces(mut text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    while text.len() > PIECE_BYTES {
        let mut at = PIECE_BYTES;
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        let (piece, rest) = text.split_at(at);
        pieces.push(piece);
        text = rest;
    }
    pieces.push(text);
    pieces
}

/// What makes a tree with one collection of settings into one with another, in the tree's order.
pub(crate) fn changes(
    before: &BTreeMap<SettingKey, StoredSetting>,
    after: &BTreeMap<SettingKey, StoredSetting>,
) -> Vec<Change> {
    let mut changed: BTreeMap<Vec<u8>, Change> = BTreeMap::new();
    let keys: BTreeSet<SettingKey> = before.keys().chain(after.keys()).copied().collect();
    for key in keys {
        let (old, new) = (before.get(&key), after.get(&key));
        if old == new {
            continue;
        }
        let old = old.map(|setting| setting.entries(key)).unwrap_or_default();
        let new = new.map(|setting| setting.entries(key)).unwrap_or_default();
        for entry in old {
            changed.insert(entry.key.clone(), Change::remove(entry.key));
        }
        for entry in new {
            changed.insert(entry.key.clone(), entry.into());
        }
    }
    changed.into_values().collect()
}

/// The folders whose permissions are among these.
pub(crate) fn folder_keys_of(
    settings: &BTreeMap<SettingKey, StoredSetting>,
) -> impl Iterator<Item = FolderKey> + '_ {
    settings.keys().filter_map(|key| key.folder)
}

impl Vault {
    /// The settings in a snapshot. Kinds of later versions are passed over.
    pub(crate) async fn stored_settings(
        &self,
        snapshot: &Snapshot,
    ) -> Result<BTreeMap<SettingKey, StoredSetting>> {
        let (from, to) = SETTING_RANGE;
        let mut entries =
            TreeReader::new(self.source(), snapshot.root.clone()).range(&[from], Some(&[to]));
        let mut settings: BTreeMap<SettingKey, StoredSetting> = BTreeMap::new();
        while let Some(entry) = entries
            .try_next()
            .await
            .doing(|| format!("read the settings in snapshot {}", snapshot.short_id()))?
        {
            let TreeKey::Setting(key, _) = TreeKey::from_bytes(&entry.key)? else {
                continue;
            };
            let fields = Fields::parse(&entry.value)?;
            let setting = settings.entry(key).or_insert_with(|| StoredSetting {
                folder_id: fields.id(field::FOLDER_ID),
                text: String::new(),
            });
            // Pieces stand in order: the number is the last byte of the key.
            setting.text.push_str(&fields.text(field::TEXT));
        }
        Ok(settings)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::settings::SettingKind;

    fn one(text: String) -> BTreeMap<SettingKey, StoredSetting> {
        let setting = StoredSetting {
            folder_id: String::new(),
            text,
        };
        BTreeMap::from([(SettingKey::of(SettingKind::Rules), setting)])
    }

    #[test]
    fn a_long_text_is_cut_between_characters_and_a_shorter_one_takes_its_pieces_away() {
        let long = "ä".repeat(100_000);
        assert_eq!(pieces(&long).concat(), long);
        let added = changes(&BTreeMap::new(), &one(long.clone()));
        assert_eq!(added.len(), 4);
        assert!(added.iter().all(|change| {
            change
                .entry
                .as_ref()
                .is_some_and(|(value, _)| value.len() <= 65_536)
        }));
        let shortened = changes(&one(long.clone()), &one("short".to_owned()));
        let removed = shortened.iter().filter(|change| change.entry.is_none());
        assert_eq!((shortened.len(), removed.count()), (4, 3));
        assert!(changes(&one(long.clone()), &one(long)).is_empty());
    }

    proptest! {
        #[test]
        fn changes_stand_in_the_trees_order(texts in proptest::collection::vec(".{0,20}", 8)) {
            let before = BTreeMap::new();
            let after = SettingKind::ALL.into_iter().zip(texts).map(|(kind, text)| {
                let folder = (kind == SettingKind::Permissions).then_some(FolderKey([255; 8]));
                (SettingKey { kind, folder }, StoredSetting { folder_id: "AAMk".into(), text })
            });
            let keys: Vec<_> = changes(&before, &after.collect()).into_iter().map(|change| change.key).collect();
            prop_assert!(keys.is_sorted());
        }
    }
}

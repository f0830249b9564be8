//! Which folder of the mailbox becomes which directory: the same on every run, whatever is chosen.

use std::collections::{BTreeMap, HashMap, HashSet};

use mailindex::FolderKey;

use crate::list::StoredFolder;
use crate::names::{distinct_name, safe_name};
use crate::path;

/// The file with the mails of a folder, in an mbox export.
pub(super) const MBOX_FILE: &str = "messages.mbox";
pub(super) const MANIFEST: &str = "manifest.json";
pub(super) const SUMS: &str = "SHA256SUMS";
pub(super) const PAGE: &str = "index.html";

/// Names an export uses itself, in lower case: no folder gets one.
const OUR_NAMES: [&str; 7] = ["cur", "new", "tmp", MBOX_FILE, MANIFEST, "sha256sums", PAGE];
/// Endings of files: a folder with one could stand in a file's way.
const OUR_ENDINGS: [&str; 6] = [".eml", ".ics", ".vcf", ".msg", ".json", ".part"];

/// The directories of a snapshot's folders.
pub(super) struct Layout {
    rows: HashMap<FolderKey, (Option<FolderKey>, String)>,
}

impl Layout {
    /// Names all folders of a snapshot. Two whose names differ only in case, or in what a file
    /// system cannot hold, are told apart by their keys.
    pub(super) fn of(folders: &[StoredFolder]) -> Self {
        let mut siblings: BTreeMap<(Option<FolderKey>, String), Vec<&StoredFolder>> =
            BTreeMap::new();
        for folder in folders {
            let name = safe_name(&shown_name(folder));
            siblings
                .entry((folder.row.parent, folded(&name)))
                .or_default()
                .push(folder);
        }
        let mut rows = HashMap::new();
        for ((parent, folded), mut alike) in siblings {
            alike.sort_by_key(|folder| folder.key);
            let taken = OUR_NAMES.contains(&folded.as_str())
                || OUR_ENDINGS.iter().any(|ending| folded.ends_with(ending));
            for (number, folder) in alike.into_iter().enumerate() {
                let name = shown_name(folder);
                let name = match number > 0 || taken {
                    true => distinct_name(&name, &key_text(folder.key)),
                    false => safe_name(&name),
                };
                rows.insert(folder.key, (parent, name));
            }
        }
        Self { rows }
    }

    /// A folder's directory below the mailbox's own, with `/` between names.
    pub(super) fn directory(&self, folder: FolderKey) -> String {
        let mut names = Vec::new();
        let mut seen = HashSet::new();
        let mut at = Some(folder);
        while let Some((parent, name)) = at.and_then(|key| self.rows.get(&key)) {
            // Damaged data could name a folder its own ancestor.
            if !seen.insert(at) {
                break;
            }
            names.push(name.as_str());
            at = *parent;
        }
        names.reverse();
        names.join("/")
    }
}

/// A folder's name; a slash that belongs to it becomes one that only looks like it.
fn shown_name(folder: &StoredFolder) -> String {
    let name = path::names(&folder.path).pop().unwrap_or_default();
    name.replace('/', "\u{2215}")
}

/// A name as file systems that ignore case see it.
fn folded(name: &str) -> String {
    name.to_uppercase().to_lowercase()
}

fn key_text(key: FolderKey) -> String {
    key.0
        .iter()
        .take(4)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use mailindex::FolderRow;

    fn folder(key: u8, parent: Option<u8>, name: &str) -> StoredFolder {
        let row = FolderRow {
            display_name: name.into(),
            parent: parent.map(|key| FolderKey([key; 8])),
            ..FolderRow::default()
        };
        StoredFolder {
            key: FolderKey([key; 8]),
            row,
            path: name.into(),
            holds: crate::keys::Holds::Items,
        }
    }

    #[test]
    fn folders_that_clash_get_a_directory_each_whatever_their_order() {
        let folders = [
            folder(1, None, "Plans"),
            folder(2, None, "plans"),
            folder(3, None, "a:b"),
            folder(4, None, "a?b"),
            folder(5, Some(4), "below"),
            folder(6, None, "Index.html"),
            folder(7, None, "Con"),
            folder(8, Some(7), "nested."),
        ];
        let mut turned = folders.to_vec();
        turned.reverse();
        for folders in [&folders[..], &turned] {
            let layout = Layout::of(folders);
            let check = |key: u8, expected: &str| {
                assert_eq!(layout.directory(FolderKey([key; 8])), expected);
            };
            check(1, "Plans");
            check(2, "plans (02020202)");
            check(3, "a_b");
            check(4, "a_b (04040404)");
            check(5, "a_b (04040404)/below");
            check(6, "Index.html (06060606)");
            check(7, "_Con");
            check(8, "_Con/nested");
        }
    }

    #[test]
    fn a_folder_that_is_its_own_ancestor_has_a_directory_all_the_same() {
        let layout = Layout::of(&[folder(1, Some(2), "a"), folder(2, Some(1), "b")]);
        assert_eq!(layout.directory(FolderKey([1; 8])), "b/a");
    }
}

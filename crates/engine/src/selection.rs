//! Which mailboxes of a server, and which folders and items of a mailbox are meant.
//!
//! Everything here is a decision about values: nothing is asked of a server or a repository. The
//! types can be read from and written to configuration files; their names there are kebab-case.

mod folders;
mod items;
mod mailboxes;
mod matcher;
mod pattern;

use serde::{Deserialize, Serialize};

pub use items::{Age, ByteCount};
pub use mailboxes::MailboxSelection;

pub(crate) use folders::{FolderChooser, FolderVerdict};
pub(crate) use items::{ItemFacts, ItemVerdict, has_age};
pub(crate) use matcher::ItemMatcher;
pub(crate) use pattern::{Glob, class_matches};

/// A choice of folders and items of a mailbox; empty means everything.
///
/// Folders are chosen by patterns: a path (`Inbox/Projects`) with `*` and `?` within a level and
/// `**` for any number of levels, or a distinguished name, which is the same in every language
/// (`@sentitems`, `@inbox/Projects`; a bare `inbox` works as well). What lies below a chosen folder
/// is chosen too; what an exclusion names, with all below it, is not, whatever else names it.
///
/// Item classes are names such as `IPM.Note`, which includes `IPM.Note.SMIME`, or patterns with
/// `*` and `?`. An item's age counts from when it was received; in a backup, an appointment's
/// from its end, and that of a series from its last. Contacts and distribution lists have no age.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Selection {
    /// Only these folders, and those below them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub folders: Vec<String>,
    /// Not these folders, nor those below them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exclude_folders: Vec<String>,
    /// Only these items: EWS ItemIds, or the keys that listings show, or the beginning of a key.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<String>,
    /// Only items of these classes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<String>,
    /// No items of these classes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exclude_classes: Vec<String>,
    /// Only items younger than this, or since this day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub newer_than: Option<Age>,
    /// Only items older than this, or before this day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub older_than: Option<Age>,
    /// Only items of more bytes than this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub larger_than: Option<ByteCount>,
    /// Only items of fewer bytes than this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub smaller_than: Option<ByteCount>,
}

impl Selection {
    /// A selection of single items.
    pub fn of_items(items: impl IntoIterator<Item = String>) -> Self {
        Self {
            items: items.into_iter().collect(),
            ..Self::default()
        }
    }

    /// A selection of folders with all below them.
    pub fn of_folders(folders: impl IntoIterator<Item = String>) -> Self {
        Self {
            folders: folders.into_iter().collect(),
            ..Self::default()
        }
    }

    /// Whether everything is meant.
    pub fn is_everything(&self) -> bool {
        *self == Self::default()
    }

    /// Whether all folders are meant.
    pub(crate) fn is_every_folder(&self) -> bool {
        self.folders.is_empty() && self.exclude_folders.is_empty()
    }

    /// Whether items are chosen by what they are, beside folders and single items.
    pub(crate) fn has_conditions(&self) -> bool {
        let plain = Self {
            folders: self.folders.clone(),
            exclude_folders: self.exclude_folders.clone(),
            items: self.items.clone(),
            ..Self::default()
        };
        *self != plain
    }

    /// What was chosen, one text each, for a snapshot's description.
    pub(crate) fn describe(&self) -> Vec<String> {
        let mut said = Vec::new();
        let lists = [
            ("folder", &self.folders),
            ("not folder", &self.exclude_folders),
            ("item", &self.items),
        ];
        for (what, values) in lists {
            said.extend(values.iter().map(|value| format!("{what} {value}")));
        }
        said.extend(self.describe_conditions());
        said
    }

    /// The selection that these texts describe; what a later version wrote is passed over.
    pub(crate) fn of_description(said: &[String]) -> Self {
        let mut selection = Self::default();
        for line in said {
            // Longer beginnings first: `not folder` is no `folder`.
            let rest = |what: &str| line.strip_prefix(what).map(str::to_owned);
            if let Some(value) = rest("not folder ") {
                selection.exclude_folders.push(value);
            } else if let Some(value) = rest("folder ") {
                selection.folders.push(value);
            } else if let Some(value) = rest("item ") {
                selection.items.push(value);
            } else if let Some(value) = rest("not class ") {
                selection.exclude_classes.push(value);
            } else if let Some(value) = rest("class ") {
                selection.classes.push(value);
            } else if let Some(value) = rest("newer than ") {
                selection.newer_than = value.parse().ok();
            } else if let Some(value) = rest("older than ") {
                selection.older_than = value.parse().ok();
            } else if let Some(value) = rest("larger than ") {
                selection.larger_than = value.parse().ok();
            } else if let Some(value) = rest("smaller than ") {
                selection.smaller_than = value.parse().ok();
            }
        }
        selection
    }

    /// The conditions on items, one text each; equal texts mean equal conditions.
    pub(crate) fn describe_conditions(&self) -> Vec<String> {
        let mut said = Vec::new();
        for (what, values) in [
            ("class", &self.classes),
            ("not class", &self.exclude_classes),
        ] {
            said.extend(values.iter().map(|value| format!("{what} {value}")));
        }
        let ages = [
            ("newer than", &self.newer_than),
            ("older than", &self.older_than),
        ];
        said.extend(
            ages.into_iter()
                .filter_map(|(what, age)| Some(format!("{what} {}", age.as_ref()?))),
        );
        let sizes = [
            ("larger than", self.larger_than),
            ("smaller than", self.smaller_than),
        ];
        said.extend(
            sizes
                .into_iter()
                .filter_map(|(what, size)| Some(format!("{what} {}", size?))),
        );
        said
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selection_reads_like_its_configuration() {
        let text = r#"{"folders":["@inbox"],"exclude-folders":["**/Old"],"exclude-classes":["IPM.Post"],
            "newer-than":"2y","larger-than":"10k","smaller-than":26214400}"#;
        let selection: Selection = serde_json::from_str(text).unwrap();
        assert_eq!(
            selection.describe(),
            [
                "folder @inbox",
                "not folder **/Old",
                "not class IPM.Post",
                "newer than 2y",
                "larger than 10k",
                "smaller than 25M"
            ]
        );
        let written = serde_json::to_string(&selection).unwrap();
        assert_eq!(
            serde_json::from_str::<Selection>(&written).unwrap(),
            selection
        );
        assert!(serde_json::from_str::<Selection>(r#"{"folder":["x"]}"#).is_err());
        assert_eq!(Selection::of_description(&selection.describe()), selection);
        assert!(Selection::default().is_everything());
        assert!(selection.has_conditions());
        assert!(!Selection::of_folders(["Inbox".to_owned()]).has_conditions());
    }
}

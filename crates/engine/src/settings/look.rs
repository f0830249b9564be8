//! Shows the settings in snapshots, and what changed in them. No server is asked.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use ews_client::XmlElement;
use mailindex::FolderKey;
use serde::Serialize;

use super::kind::{SettingKey, SettingKind};
use super::stored::StoredSetting;
use super::words;
use crate::error::{Error, ErrorKind, Result};
use crate::list::StoredFolder;
use crate::selection::{FolderChooser, FolderVerdict, Selection};
use crate::snapshot::{Snapshot, SnapshotSelector};
use crate::vault::Vault;

/// Which settings are meant.
#[derive(Clone, Debug, Default)]
pub struct SettingsOptions {
    /// Only these kinds; empty means all.
    pub kinds: Vec<SettingKind>,
    /// Only the permissions of these folders, in the way a [`Selection`] names them, and of those
    /// below them; empty means all.
    pub folders: Vec<String>,
}

impl SettingsOptions {
    /// Whether a kind is meant.
    pub(super) fn has(&self, kind: SettingKind) -> bool {
        // Folders alone mean their permissions.
        let by_folder = self.folders.is_empty() || kind == SettingKind::Permissions;
        if self.kinds.is_empty() {
            by_folder
        } else {
            self.kinds.contains(&kind)
        }
    }
}

/// A setting in a snapshot.
#[derive(Clone, Debug, Serialize, PartialEq, Eq)]
pub struct Setting {
    /// What it is.
    pub kind: SettingKind,
    /// Of permissions, the folder's path; empty for the top of the mailbox.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// What it says, a line each.
    pub lines: Vec<String>,
    /// The XML as the server gave it, without namespaces.
    pub xml: String,
}

/// How a setting differs between two snapshots.
#[derive(Clone, Debug, Serialize, PartialEq, Eq)]
pub struct SettingChange {
    /// What it is.
    pub kind: SettingKind,
    /// Of permissions, the folder's path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// Lines that it said before and no longer says.
    pub removed: Vec<String>,
    /// Lines that it did not say before.
    pub added: Vec<String>,
}

/// What changed in a mailbox's settings from one snapshot to the next.
#[derive(Clone, Debug, Serialize)]
pub struct SettingVersion {
    /// The snapshot's id.
    pub snapshot: String,
    /// When it was made, milliseconds since 1970 UTC.
    pub time_unix_ms: i64,
    /// What changed since the snapshot before; in the first, everything it has.
    pub changes: Vec<SettingChange>,
}

impl Vault {
    /// The settings in a snapshot, by kind and folder.
    ///
    /// # Errors
    /// `NotFound` for a folder that is not in the snapshot, `Corrupt`, and those of the repository.
    pub async fn settings(
        &self,
        snapshot: &Snapshot,
        options: &SettingsOptions,
    ) -> Result<Vec<Setting>> {
        let folders = self.stored_folders(snapshot).await?;
        let stored = self.stored_settings(snapshot).await?;
        let meant = meant(stored, &folders, options)?;
        let mut settings = meant
            .iter()
            .map(|((key, folder), stored)| {
                let element = shown(stored.element()?, &paths_by_id(&folders));
                Ok(Setting {
                    kind: key.kind,
                    folder: folder.clone(),
                    lines: words::lines(key.kind, &element)?,
                    xml: stored.text.clone(),
                })
            })
            .collect::<Result<Vec<_>>>()?;
        settings.sort_by(|a, b| (a.kind, &a.folder).cmp(&(b.kind, &b.folder)));
        Ok(settings)
    }

    /// How the settings of two snapshots differ.
    ///
    /// # Errors
    /// As those of [`Vault::settings`].
    pub async fn settings_diff(
        &self,
        before: &Snapshot,
        after: &Snapshot,
        options: &SettingsOptions,
    ) -> Result<Vec<SettingChange>> {
        let before = self.settings(before, options).await?;
        let after = self.settings(after, options).await?;
        Ok(compare(&before, &after))
    }

    /// How a mailbox's settings became what they are: the snapshots in which something differs
    /// from the one before, oldest first.
    ///
    /// # Errors
    /// `NotFound` if there is no snapshot of the mailbox, and those of [`Vault::settings`].
    pub async fn settings_history(
        &self,
        mailbox: &str,
        options: &SettingsOptions,
    ) -> Result<Vec<SettingVersion>> {
        let newest = self
            .select(&SnapshotSelector::Latest, Some(mailbox))
            .await?;
        let name = newest.first().map(|snapshot| snapshot.mailbox.clone());
        let mut versions = Vec::new();
        let mut before: Vec<Setting> = Vec::new();
        let mut read_unix_ms = None;
        for snapshot in self.snapshots().await? {
            let read = snapshot
                .about
                .settings
                .as_ref()
                .map(|read| read.read_unix_ms);
            // Where nothing was read since, nothing can differ.
            if Some(&snapshot.mailbox) != name.as_ref() || read.is_none() || read == read_unix_ms {
                continue;
            }
            read_unix_ms = read;
            // A folder named may not have been there yet.
            let now = match self.settings(&snapshot, options).await {
                Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
                now => now?,
            };
            let changes = compare(&before, &now);
            if !changes.is_empty() {
                versions.push(SettingVersion {
                    snapshot: snapshot.id.clone(),
                    time_unix_ms: snapshot.time_unix_ms,
                    changes,
                });
            }
            before = now;
        }
        Ok(versions)
    }
}

/// The settings that are meant, with the paths of their folders.
pub(super) fn meant(
    stored: BTreeMap<SettingKey, StoredSetting>,
    folders: &[StoredFolder],
    options: &SettingsOptions,
) -> Result<BTreeMap<(SettingKey, Option<String>), StoredSetting>> {
    let selection = Selection::of_folders(options.folders.iter().cloned());
    let distinguished = folders
        .iter()
        .filter_map(|folder| Some((folder.path.as_str(), folder.row.distinguished.as_deref()?)));
    let chooser = FolderChooser::new(&selection, distinguished);
    let missing = chooser.missing(folders.iter().map(|folder| folder.path.as_str()));
    if !missing.is_empty() {
        let message = format!("the snapshot has no folder {}", missing.join(", "));
        return Err(Error::new(ErrorKind::NotFound, message));
    }
    let paths: HashMap<FolderKey, &str> = folders
        .iter()
        .map(|folder| (folder.key, folder.path.as_str()))
        .collect();
    let found = stored.into_iter().filter_map(|(key, setting)| {
        let folder = key.folder.map(|folder| {
            let path = paths.get(&folder).copied().unwrap_or_default();
            path.to_owned()
        });
        let in_folder = match &folder {
            Some(path) if !options.folders.is_empty() => {
                !path.is_empty() && chooser.verdict(path) == FolderVerdict::Selected
            }
            _ => true,
        };
        (in_folder && options.has(key.kind)).then_some(((key, folder), setting))
    });
    Ok(found.collect())
}

fn paths_by_id(folders: &[StoredFolder]) -> HashMap<String, String> {
    let all = folders.iter();
    all.map(|folder| (folder.row.folder_id.clone(), folder.path.clone()))
        .collect()
}

/// A setting as it is shown: folders by their paths in place of their ids.
pub(super) fn shown(mut element: XmlElement, paths: &HashMap<String, String>) -> XmlElement {
    element.visit_mut("FolderId", &mut |folder| {
        folder.attributes.retain(|(name, _)| name == "Id");
        for (_, id) in &mut folder.attributes {
            if let Some(path) = paths.get(id) {
                id.clone_from(path);
            }
        }
    });
    element
}

fn compare(before: &[Setting], after: &[Setting]) -> Vec<SettingChange> {
    type Name<'a> = (SettingKind, Option<&'a str>);
    let by_name = |settings: &'_ [Setting]| -> BTreeMap<(SettingKind, Option<String>), Setting> {
        let all = settings.iter();
        all.map(|setting| ((setting.kind, setting.folder.clone()), setting.clone()))
            .collect()
    };
    let (before, after) = (by_name(before), by_name(after));
    let names: BTreeSet<Name<'_>> = before
        .keys()
        .chain(after.keys())
        .map(|(kind, folder)| (*kind, folder.as_deref()))
        .collect();
    let mut changes = Vec::new();
    for (kind, folder) in names {
        let name = (kind, folder.map(str::to_owned));
        let (old, new) = (before.get(&name), after.get(&name));
        if old.map(|old| &old.xml) == new.map(|new| &new.xml) {
            continue;
        }
        let lines = |setting: Option<&Setting>| setting.map_or(Vec::new(), |s| s.lines.clone());
        let (removed, added) = words::difference(&lines(old), &lines(new));
        changes.push(SettingChange {
            kind,
            folder: name.1,
            removed,
            added,
        });
    }
    changes
}

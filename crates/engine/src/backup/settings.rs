//! When a backup asks for a mailbox's settings, and what the snapshot has of them.
//!
//! No mark on the server tells that a setting changed (permissions and replies leave none), and
//! asking takes eight requests. So they are asked for when a run finds anything changed in the
//! mailbox, and otherwise once in a while: a run without changes stays as cheap as it is.

use std::collections::{BTreeMap, HashSet};

use chunkstore::Change;
use serde::{Deserialize, Serialize};

use super::mailbox::Mailbox;
use crate::error::Result;
use crate::folders::RemoteFolders;
use crate::keys::folder_key;
use crate::report::Gap;
use crate::settings::{Holder, LiveSettings, SettingKey, StoredSetting, changes, folder_keys_of};
use crate::snapshot::{SettingGap, SettingsRead, Snapshot};

/// When a backup reads the settings of mailboxes: permissions, delegates, rules and the like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SettingsReading {
    /// When anything has changed in a mailbox, and otherwise after
    /// [`BackupOptions::settings_after`](super::BackupOptions::settings_after).
    #[default]
    Auto,
    /// In every run.
    Always,
    /// Never: snapshots have none.
    Never,
}

/// What a snapshot has of settings.
#[derive(Default)]
pub(super) struct SettingsPart {
    /// What becomes of those of the snapshot before, in the order of the tree.
    pub(super) changes: Vec<Change>,
    /// What the snapshot says of them.
    pub(super) read: Option<SettingsRead>,
}

impl Mailbox {
    /// Reads the settings if it is time to, and says what the snapshot has of them. Nothing here
    /// ends a mailbox's backup: what cannot be read becomes a gap, and stays as it was.
    pub(super) async fn settings(
        &self,
        remote: &RemoteFolders,
        parent: Option<&Snapshot>,
        has_changed: bool,
        gaps: &mut Vec<Gap>,
    ) -> Result<SettingsPart> {
        let options = &self.round.options;
        let known = parent.and_then(|parent| parent.about.settings.clone());
        let kinds = LiveSettings::kinds_of(self.name.part());
        if kinds.is_empty() {
            return Ok(SettingsPart::default());
        }
        if options.settings == SettingsReading::Never {
            gaps.push(self.gap("mailbox settings", "not selected"));
            return Ok(SettingsPart {
                changes: changes(&self.stored(parent).await?, &BTreeMap::new()),
                read: None,
            });
        }
        let is_due = match (&known, options.settings) {
            (Some(read), SettingsReading::Auto) => {
                let age_ms = self.round.vault.now_unix_ms() - read.read_unix_ms;
                let limit = i64::try_from(options.settings_after.as_millis());
                has_changed || age_ms >= limit.unwrap_or(i64::MAX) || age_ms < 0
            }
            _ => true,
        };
        // A backup of single items looks at nothing else, and one that was told to stop stops.
        if !is_due || !options.selection.items.is_empty() || self.was_cut_short() {
            let unread = known.iter().flat_map(|read| &read.unread);
            gaps.extend(unread.map(|gap| self.gap(&gap.what, &gap.reason)));
            return Ok(SettingsPart {
                changes: Vec::new(),
                read: known,
            });
        }
        let before = self.stored(parent).await?;
        let holders = self.holders(remote)?;
        let live = LiveSettings::read(&self.routes, &self.permits, &self.name, kinds, &holders);
        let live = live.await;
        gaps.extend(
            live.unread
                .iter()
                .map(|gap| self.gap(&gap.what, &gap.reason)),
        );
        let unread = live.unread.iter().map(|gap| SettingGap {
            kind: gap.key.kind.name().to_owned(),
            what: gap.what.clone(),
            reason: gap.reason.clone(),
        });
        let read = SettingsRead {
            read_unix_ms: self.round.vault.now_unix_ms(),
            unread: unread.collect(),
        };
        let after = merged(&before, live, remote);
        Ok(SettingsPart {
            changes: changes(&before, &after),
            read: Some(read),
        })
    }

    async fn stored(
        &self,
        parent: Option<&Snapshot>,
    ) -> Result<BTreeMap<SettingKey, StoredSetting>> {
        match parent {
            Some(parent) if parent.about.settings.is_some() => {
                self.round.vault.stored_settings(parent).await
            }
            _ => Ok(BTreeMap::new()),
        }
    }

    /// The folders whose permissions are read: those that are backed up, and the top one, which
    /// decides who can open the mailbox at all.
    fn holders(&self, remote: &RemoteFolders) -> Result<Vec<Holder>> {
        let mut holders = vec![Holder {
            key: folder_key(&remote.root_id),
            id: remote.root_id.clone(),
            path: String::new(),
        }];
        // What is not chosen was told already.
        let chosen = self.chosen_folders(remote, &mut Vec::new())?;
        holders.extend(chosen.into_iter().map(|folder| Holder {
            key: folder.key,
            id: folder.id.clone(),
            path: folder.path.clone(),
        }));
        Ok(holders)
    }
}

/// The settings as the snapshot has them: what was read, and in place of what could not be read,
/// and of folders that are there and were not chosen this time, what was known before.
fn merged(
    before: &BTreeMap<SettingKey, StoredSetting>,
    live: LiveSettings,
    remote: &RemoteFolders,
) -> BTreeMap<SettingKey, StoredSetting> {
    let asked: HashSet<_> = folder_keys_of(&live.found).collect();
    let unread: HashSet<SettingKey> = live
        .unread
        .iter()
        .filter(|gap| !gap.is_partial)
        .map(|gap| gap.key)
        .collect();
    let exists: HashSet<_> = remote.folders.iter().map(|folder| folder.key).collect();
    let stays = |key: &SettingKey| {
        let unchosen = key
            .folder
            .is_some_and(|folder| exists.contains(&folder) && !asked.contains(&folder));
        unread.contains(key) || unchosen
    };
    let mut after = live.found;
    for (key, setting) in before {
        if stays(key) {
            after.entry(*key).or_insert_with(|| setting.clone());
        }
    }
    after
}

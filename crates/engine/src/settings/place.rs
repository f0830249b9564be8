//! Which folder of a live mailbox is which of a snapshot.

use std::collections::HashMap;

use mailindex::FolderKey;

use super::live::Holder;
use crate::folders::{RemoteFolder, RemoteFolders};
use crate::keys::folder_key;
use crate::list::StoredFolder;
use crate::path::last_level;

/// Where the folders of a snapshot are in a live mailbox.
pub(super) struct Places {
    /// By the folder's key in the snapshot: the live path, and the id where there is one.
    by_key: HashMap<FolderKey, (String, Option<String>)>,
    paths: HashMap<String, String>,
}

impl Places {
    /// Distinguished folders meet by what they are, others by their path below the nearest of
    /// these; the snapshot's folders come with parents before children.
    pub(super) fn new(stored: &[StoredFolder], remote: &RemoteFolders) -> Self {
        let live: HashMap<String, &RemoteFolder> = remote
            .folders
            .iter()
            .map(|folder| (folder.path.to_lowercase(), folder))
            .collect();
        let mut by_key: HashMap<FolderKey, (String, Option<String>)> = HashMap::new();
        for folder in stored {
            let named = folder.row.distinguished.as_deref();
            let counterpart = named.and_then(|name| remote.by_distinguished(name));
            let parent = folder.row.parent.and_then(|key| by_key.get(&key));
            let path = match (counterpart, parent) {
                (Some(counterpart), _) => counterpart.path.clone(),
                (None, Some((parent, _))) => format!("{parent}/{}", last_level(&folder.path)),
                (None, None) => folder.path.clone(),
            };
            let id = live.get(&path.to_lowercase()).map(|f| f.id.clone());
            by_key.insert(folder.key, (path, id));
        }
        let paths = remote.folders.iter();
        Self {
            by_key,
            paths: paths
                .map(|folder| (folder.id.clone(), folder.path.clone()))
                .collect(),
        }
    }

    /// The live folder for one of the snapshot; the top one, which has no row there, is the live
    /// top folder.
    pub(super) fn holder(
        &self,
        key: FolderKey,
        remote: &RemoteFolders,
        is_top: bool,
    ) -> Result<Holder, String> {
        if is_top {
            return Ok(Holder {
                key,
                id: remote.root_id.clone(),
                path: String::new(),
            });
        }
        match self.by_key.get(&key) {
            Some((path, Some(id))) => Ok(Holder {
                key,
                id: id.clone(),
                path: path.clone(),
            }),
            Some((path, None)) => Err(format!("the mailbox has no folder {path}")),
            None => Err("the snapshot does not hold the folder itself".to_owned()),
        }
    }

    /// The live id of a folder that the snapshot's mailbox had under this id.
    pub(super) fn live_id(&self, stored_id: &str) -> Option<String> {
        let (_, id) = self.by_key.get(&folder_key(stored_id))?;
        id.clone()
    }

    /// The paths of live folders by their ids.
    pub(super) fn paths(&self) -> &HashMap<String, String> {
        &self.paths
    }
}

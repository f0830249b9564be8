//! Reads single items by their ids.

use std::collections::HashMap;
use std::sync::Arc;

use ews_client::{GetItem, Item, ItemId, ItemShape, Outcome, PropertyPath};
use mailindex::{Change, FolderKey};

use super::fetch::Wanted;
use super::folder::{item_shape, wanted_item};
use super::mailbox::Mailbox;
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::folders::{RemoteFolder, RemoteFolders};
use crate::keys::{Holds, associated_key, folder_key};

impl Mailbox {
    /// Reads single items, each in the folder it lies in.
    pub(super) async fn read_items(self: &Arc<Self>, remote: &RemoteFolders) -> Result<u64> {
        let ids: Vec<ItemId> = self
            .round
            .options
            .selection
            .items
            .iter()
            .map(|id| ItemId::new(id.clone()))
            .collect();
        let mut shape = item_shape();
        for field in ["item:ParentFolderId", "item:IsAssociated"] {
            shape.additional.push(PropertyPath::field(field));
        }
        let outcomes = self.find_items(shape, &ids).await?;
        let mut by_folder: HashMap<FolderKey, Vec<Wanted>> = HashMap::new();
        for (id, outcome) in ids.iter().zip(outcomes) {
            let item = outcome.map_err(|error| {
                let kind = crate::error::kind_of_ews(error.kind());
                Error::with_source(kind, format!("find item {}", id.id), error)
            })?;
            let is_associated = item.is_associated == Some(true);
            let folder = item.parent_folder_id.as_ref().map(|folder| {
                if is_associated {
                    associated_key(&folder.id)
                } else {
                    folder_key(&folder.id)
                }
            });
            if let Some((folder, wanted)) =
                folder.and_then(|folder| Some((folder, wanted_item(folder, &item)?)))
            {
                by_folder.entry(folder).or_default().push(wanted);
            }
        }
        let folders = by_folder.len() as u64;
        for (key, wanted) in by_folder {
            let all = remote.folders.iter();
            let mut all = all.flat_map(|folder| [folder.clone(), folder.hidden()]);
            let Some(folder) = all.find(|folder| folder.key == key) else {
                return Err(Error::new(
                    ErrorKind::NotFound,
                    "an item lies outside the mailbox's folders",
                ));
            };
            let folder = &folder;
            if folder.holds == Holds::Associated {
                // Its folder needs a row too, or nothing would say where it lies.
                if let Some(parent) = remote.folders.iter().find(|f| f.id == folder.id) {
                    self.put_row(parent).await?;
                }
            }
            self.put_row(folder).await?;
            self.download(folder, wanted).await?;
        }
        Ok(folders)
    }

    /// Looks for items, wherever contents of the mailbox may lie.
    async fn find_items(&self, shape: ItemShape, ids: &[ItemId]) -> Result<Vec<Outcome<Item>>> {
        let mut found: Vec<Outcome<Item>> = Vec::new();
        for client in self.routes.all() {
            // All of them the first time, then those that were not found.
            let missing: Vec<usize> = (0..ids.len())
                .filter(|at| !matches!(found.get(*at), Some(Ok(_))))
                .collect();
            if missing.is_empty() {
                break;
            }
            let request = GetItem {
                shape: shape.clone(),
                ids: missing.iter().map(|at| ids[*at].clone()).collect(),
            };
            let outcomes = {
                let _permit = self.permits.acquire().await;
                let answer = client.get_item(&request).await;
                answer.doing(|| "find the items".into())?
            };
            if found.is_empty() {
                found = outcomes;
                continue;
            }
            for (at, outcome) in missing.into_iter().zip(outcomes) {
                if let (Some(place), Ok(item)) = (found.get_mut(at), outcome) {
                    *place = Ok(item);
                }
            }
        }
        Ok(found)
    }

    /// Writes the row of a folder that has none yet, as one that was never read.
    async fn put_row(&self, folder: &RemoteFolder) -> Result<()> {
        let key = folder.key;
        let known = self.index.run(move |index| index.folder(&key)).await?;
        if known.is_some() {
            return Ok(());
        }
        let mut row = self.folder_row(folder, None);
        (row.commit_time, row.deleted_count) = (None, None);
        self.index
            .run(move |index| index.stage(&[Change::PutFolder(key, row)]))
            .await
    }
}

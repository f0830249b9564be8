//! Deletes the folders that a restore created, if they are empty.

use std::collections::HashSet;

use ews_client::{
    BaseShape, DeleteFolder, DisposalType, FolderId, FolderIdRef, FolderShape, GetFolder,
    PropertyPath,
};
use mailindex::FolderKey;

use super::Undo;
use crate::error::{Doing, Result};
use crate::folders::{RemoteFolder, RemoteFolders};
use crate::restore::run_path;

/// Folders asked for with one request.
const FOLDERS_AT_ONCE: usize = 100;

impl Undo<'_> {
    /// Deletes the folders that the run created and that are empty by now, the deepest first.
    pub(super) async fn folders(&mut self) -> Result<()> {
        if self.run.folders_created == 0 && self.run.trees.ended {
            return Ok(());
        }
        let created = self.created_folders().await?;
        if created.is_empty() {
            return Ok(());
        }
        if !self.options.dry_run {
            // As they are now, and not as they were before the items went.
            let (exchange, permits) = (&self.way.exchange, &self.way.permits);
            self.remote = RemoteFolders::read(exchange, &self.name, permits).await?;
            self.emptied.clear();
        }
        let mut going: HashSet<FolderKey> = HashSet::new();
        // Parents come before their children.
        for folder in self.remote.folders.clone().into_iter().rev() {
            if !created.contains(&folder.key) {
                continue;
            }
            if !self.is_empty(&folder, &going) {
                self.report.folders_left.push(folder.path.clone());
            } else if self.options.dry_run || self.delete_folder(&folder).await? {
                self.report.folders_deleted += 1;
                going.insert(folder.key);
            }
        }
        Ok(())
    }

    fn is_empty(&self, folder: &RemoteFolder, going: &HashSet<FolderKey>) -> bool {
        let gone = |key: FolderKey| self.emptied.get(&key).copied().unwrap_or(0);
        let items = u64::from(folder.total).saturating_sub(gone(folder.key));
        let hidden = folder.hidden();
        let associated = u64::from(hidden.total).saturating_sub(gone(hidden.key));
        let folders = self.remote.folders.iter();
        let mut children = folders.filter(|other| other.parent == Some(folder.key));
        items + associated == 0 && children.all(|child| going.contains(&child.key))
    }

    /// The folders that carry the run.
    async fn created_folders(&self) -> Result<HashSet<FolderKey>> {
        let mut created = HashSet::new();
        let parts = self
            .remote
            .routes
            .split(&self.remote.folders, |folder| folder.key);
        let batches = parts.iter().flat_map(|(client, folders)| {
            let batches = folders.chunks(FOLDERS_AT_ONCE);
            batches.map(move |batch| (client, batch))
        });
        for (client, batch) in batches {
            let ids = batch.iter().map(|folder| FolderId::new(folder.id.clone()));
            let request = GetFolder {
                shape: FolderShape::new(BaseShape::IdOnly).with([PropertyPath::from(run_path())]),
                ids: ids.map(FolderIdRef::Id).collect(),
            };
            let outcomes = {
                let _permit = self.way.permits.acquire().await;
                let answer = client.get_folder(&request).await;
                answer.doing(|| "look which folders the restore created".into())?
            };
            for (folder, outcome) in batch.iter().zip(outcomes) {
                let Ok(found) = outcome else { continue };
                let mut properties = found.extended.iter();
                let run = properties.find(|property| property.path.key == run_path().key);
                if run.and_then(|run| run.as_str()) == Some(self.id.as_str()) {
                    created.insert(folder.key);
                }
            }
        }
        Ok(created)
    }

    /// Deletes an empty folder; what keeps it is told.
    async fn delete_folder(&mut self, folder: &RemoteFolder) -> Result<bool> {
        let request = DeleteFolder {
            ids: vec![FolderIdRef::Id(FolderId::new(folder.id.clone()))],
            disposal: DisposalType::HardDelete,
        };
        let outcomes = {
            let _permit = self.way.permits.acquire().await;
            let client = self.remote.routes.hierarchy();
            let answer = client.delete_folder(&request).await;
            answer.doing(|| format!("delete the folder {}", folder.path))?
        };
        if let Some(Err(error)) = outcomes.into_iter().next() {
            let path = format!("{}: {error}", folder.path);
            self.report.folders_left.push(path);
            return Ok(false);
        }
        Ok(true)
    }
}

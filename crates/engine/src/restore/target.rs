//! The mailbox a restore writes to: its folders, and what they hold already.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use ews_client::{
    BaseShape, Client, CreateFolder, FindFolder, FindItem, Folder, FolderId, FolderIdRef,
    FolderKind, FolderShape, FolderTraversal, ItemShape, NewFolder, Outcome, Paging, PropertyPath,
    ResponseCode,
};
use tokio::sync::Semaphore;

use super::again::{ATTEMPTS, may_pass, own_wait};
use super::rewrite::origin_path;
use super::{Places, RestoreOptions, no_folder};
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::folders::RemoteFolders;
use crate::list::StoredFolder;
use crate::path::{ends, last_level, name_of, parent_length};
use crate::snapshot::Snapshot;
use crate::source::Exchange;

/// Exchange returns at most 1,000 rows of a FindItem.
const PAGE: u32 = 1000;

/// A live mailbox being restored to.
pub(super) struct Target {
    pub(super) exchange: Exchange,
    pub(super) client: Client,
    pub(super) permits: Arc<Semaphore>,
    remote: RemoteFolders,
    /// Ids of folders by lower-case path, those created on the way included.
    by_path: HashMap<String, String>,
    /// Whether this is the very mailbox the snapshot was made of, so that item ids mean something.
    is_source: bool,
    below: Option<String>,
    /// Whether single items are restored, which go right into the folder given.
    single_items: bool,
}

/// What a folder holds already.
#[derive(Clone, Default)]
pub(super) struct Present {
    origins: HashSet<String>,
    ids: HashSet<String>,
}

impl Present {
    /// Whether an item is there: by its origin, or by its id.
    pub(super) fn has(&self, origin: &str, item_id: &str) -> bool {
        self.origins.contains(origin) || self.ids.contains(item_id)
    }
}

impl Target {
    pub(super) async fn open(
        exchange: &Exchange,
        mailbox: &str,
        snapshot: &Snapshot,
        options: &RestoreOptions,
    ) -> Result<Self> {
        let client = exchange.mailbox(mailbox);
        let permits = Arc::new(Semaphore::new(options.requests_at_once.max(1)));
        let remote = RemoteFolders::read(&client, &permits)
            .await
            .doing(|| format!("open the mailbox {mailbox}"))?;
        let by_path = remote
            .folders
            .iter()
            .map(|folder| (folder.path.to_lowercase(), folder.id.clone()))
            .collect();
        Ok(Self {
            exchange: exchange.clone(),
            client,
            permits,
            remote,
            by_path,
            is_source: mailbox.eq_ignore_ascii_case(&snapshot.mailbox)
                && exchange.server() == snapshot.about.server,
            single_items: !options.selection.items.is_empty(),
            below: options
                .to_folder
                .as_ref()
                .map(|path| path.trim_matches('/').to_owned()),
        })
    }

    /// Says where each chosen folder goes. Without a folder given to restore to, folders keep
    /// their place, and a distinguished one meets its counterpart whatever either is called;
    /// otherwise the chosen folders go below it, without the path that leads to them. Single
    /// items go right into it.
    pub(super) fn place(&self, all: &[StoredFolder], chosen: &[&StoredFolder]) -> Places {
        let mut places = Places::new();
        let Some(below) = &self.below else {
            for folder in all {
                let parent = folder
                    .row
                    .parent
                    .and_then(|parent| places.get(&parent))
                    .cloned();
                let counterpart = folder
                    .row
                    .distinguished
                    .as_deref()
                    .and_then(|name| self.remote.by_distinguished(name));
                let path = match (counterpart, parent) {
                    (Some(counterpart), _) => counterpart.path.clone(),
                    (None, Some(parent)) => format!("{parent}/{}", last_level(&folder.path)),
                    (None, None) => folder.path.clone(),
                };
                places.insert(folder.key, path);
            }
            return places;
        };
        let everything = chosen.len() == all.len();
        for folder in chosen {
            if self.single_items {
                places.insert(folder.key, below.clone());
                continue;
            }
            let top = chosen
                .iter()
                .filter(|other| {
                    folder.path == other.path
                        || folder.path.starts_with(&format!("{}/", other.path))
                })
                .map(|other| other.path.len())
                .min()
                .unwrap_or(folder.path.len());
            let from = if everything {
                0
            } else {
                parent_length(&folder.path[..top])
            };
            places.insert(folder.key, format!("{below}/{}", &folder.path[from..]));
        }
        places
    }

    /// The id of a folder that is there.
    pub(super) fn existing(&self, path: &str) -> Option<FolderId> {
        self.by_path
            .get(&path.to_lowercase())
            .map(|id| FolderId::new(id.clone()))
    }

    /// Creates a folder and those above it that are missing.
    pub(super) async fn create(&mut self, path: &str, like: &StoredFolder) -> Result<FolderId> {
        let mut parent = FolderId::new(self.remote.root_id.clone());
        for at in ends(path) {
            let part = &path[..at];
            parent = match self.existing(part) {
                Some(id) => id,
                None => {
                    let class =
                        (part.len() == path.len()).then_some(like.row.folder_class.as_str());
                    let id = self.create_one(&parent, part, class).await?;
                    self.by_path.insert(part.to_lowercase(), id.id.clone());
                    id
                }
            };
        }
        Ok(parent)
    }

    async fn create_one(
        &self,
        parent: &FolderId,
        path: &str,
        class: Option<&str>,
    ) -> Result<FolderId> {
        let name = name_of(last_level(path));
        let class = class.filter(|class| !class.is_empty());
        let kind = match class.unwrap_or_default().to_ascii_lowercase() {
            class if class.starts_with("ipf.appointment") => FolderKind::Calendar,
            class if class.starts_with("ipf.contact") => FolderKind::Contacts,
            class if class.starts_with("ipf.task") => FolderKind::Tasks,
            _ => FolderKind::Folder,
        };
        let folder = NewFolder {
            class: class.map(str::to_owned),
            ..NewFolder::new(name.clone(), kind)
        };
        let request = CreateFolder {
            parent: FolderIdRef::Id(parent.clone()),
            folders: vec![folder],
        };
        let (outcomes, attempts) = self
            .send_create(&request)
            .await
            .doing(|| format!("create the folder {path}"))?;
        match outcomes.into_iter().next() {
            Some(Ok(folder)) => Ok(folder.id),
            Some(Err(error)) if error.code == ResponseCode::ErrorFolderExists && attempts > 1 => {
                self.child(parent, &name)
                    .await?
                    .ok_or_else(|| no_folder(path))
            }
            Some(Err(error)) if error.code == ResponseCode::ErrorFolderExists => Err(Error::new(
                ErrorKind::Conflict,
                format!("the folder {path} was created by someone else meanwhile: run it again"),
            )),
            Some(Err(error)) => {
                let kind = crate::error::kind_of_ews(error.kind());
                Err(Error::with_source(
                    kind,
                    format!("create the folder {path}"),
                    error,
                ))
            }
            None => Err(no_folder(path)),
        }
    }

    /// Creates a folder, with a few attempts: whether one that failed got through shows in the
    /// next, which the server then refuses because the folder exists.
    async fn send_create(
        &self,
        request: &CreateFolder,
    ) -> ews_client::Result<(Vec<Outcome<Folder>>, u32)> {
        let mut attempt = 1;
        loop {
            let answer = {
                let _permit = self.permits.acquire().await;
                self.client.create_folder(request).await
            };
            let error = match answer {
                Ok(outcomes) => return Ok((outcomes, attempt)),
                Err(error) if attempt >= ATTEMPTS || !may_pass(error.kind()) => return Err(error),
                Err(error) => error,
            };
            let wait = error.retry_after().unwrap_or(own_wait(attempt));
            tokio::time::sleep(wait).await;
            attempt += 1;
        }
    }

    /// The folder of this name right below another.
    async fn child(&self, parent: &FolderId, name: &str) -> Result<Option<FolderId>> {
        let request = FindFolder {
            parents: vec![FolderIdRef::Id(parent.clone())],
            traversal: FolderTraversal::Shallow,
            shape: FolderShape::new(BaseShape::IdOnly)
                .with([PropertyPath::field("folder:DisplayName")]),
            restriction: None,
            paging: Some(Paging {
                offset: 0,
                max_entries: PAGE,
            }),
        };
        let _permit = self.permits.acquire().await;
        let page = self
            .client
            .find_folder(&request)
            .await
            .doing(|| format!("look for the folder {name}"))?;
        let found = page.folders.into_iter().find(|f| f.display_name == name);
        Ok(found.map(|folder| folder.id))
    }

    /// What a folder holds: the origins of restored items and, in the source mailbox, all ids.
    pub(super) async fn present(&self, folder: &FolderId, path: &str) -> Result<Present> {
        present_in(&self.client, &self.permits, folder, path, self.is_source).await
    }
}

/// What a folder holds: the origins of restored items and, if asked for, all ids.
pub(super) async fn present_in(
    client: &Client,
    permits: &Semaphore,
    folder: &FolderId,
    path: &str,
    ids: bool,
) -> Result<Present> {
    let mut present = Present::default();
    let mut previous = Vec::new();
    let (mut offset, mut listed) = (0, 0u64);
    loop {
        let shape = ItemShape::new(BaseShape::IdOnly).with([origin_path().into()]);
        let paging = Paging {
            offset,
            max_entries: PAGE,
        };
        let request = FindItem::new(FolderIdRef::Id(folder.clone()), shape, paging);
        let page = {
            let _permit = permits.acquire().await;
            client
                .find_item(&request)
                .await
                .doing(|| format!("look what the folder {path} holds"))?
        };
        let got = u32::try_from(page.items.len()).unwrap_or(u32::MAX);
        let mut listed_ids = Vec::with_capacity(page.items.len());
        for item in page.items {
            let origin = item
                .extended
                .iter()
                .find(|property| property.path.key == origin_path().key);
            present.origins.extend(
                origin
                    .and_then(|property| property.as_str())
                    .map(str::to_owned),
            );
            let Some(id) = item.id else { continue };
            if ids {
                present.ids.insert(id.id.clone());
            }
            listed_ids.push(id.id);
        }
        listed += u64::from(got);
        // Some servers claim the end too early, others never: the total decides where there is
        // one, and a page without anything new ends it all.
        let ended = page.includes_last && page.total.is_some_and(|total| listed >= total);
        if ended || got == 0 || listed_ids == previous {
            return Ok(present);
        }
        previous = listed_ids;
        offset = page
            .next_offset
            .filter(|next| *next > offset)
            .unwrap_or(offset + got);
    }
}

//! The mailbox a restore writes to: its folders, and what they hold already.

use std::collections::HashMap;
use std::sync::Arc;

use ews_client::{
    BaseShape, CreateFolder, DistinguishedPropertySet, ExtendedPath, ExtendedProperty, FindFolder,
    Folder, FolderId, FolderIdRef, FolderKind, FolderShape, FolderTraversal, MapiType, NewFolder,
    Outcome, Paging, PropertyPath, REPLICA_LIST, ResponseCode, Restriction,
};
use tokio::sync::Semaphore;

use super::upload::Way;
use super::{Places, RestoreOptions, no_folder};
use crate::again::{ATTEMPTS, may_pass, own_wait};
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::folders::{RemoteFolder, RemoteFolders};
use crate::keys::{Holds, folder_key};
use crate::list::StoredFolder;
use crate::mailbox_name::{MailboxName, MailboxPart};
use crate::origin::RunId;
use crate::path::{ends, last_level, name_of, parent_length};
use crate::snapshot::Snapshot;
use crate::source::Exchange;

/// Exchange returns at most 1,000 rows of a FindFolder.
const PAGE: u32 = 1000;

/// A live mailbox being restored to.
pub(super) struct Target {
    pub(super) exchange: Exchange,
    pub(super) permits: Arc<Semaphore>,
    pub(super) remote: RemoteFolders,
    /// The run that creates folders.
    run: RunId,
    /// Ids of folders by lower-case path, those created on the way included.
    by_path: HashMap<String, String>,
    /// Whether this is the very mailbox the snapshot was made of, so that item ids mean something.
    pub(super) is_source: bool,
    below: Option<String>,
    /// Whether single items are restored, which go right into the folder given.
    single_items: bool,
}

/// Below which folder recoverable items go back where no other is given.
const RECOVERED: &str = "Recovered Items";

/// Which mailbox a restore writes to, and below which of its folders.
pub(super) struct Place {
    pub(super) mailbox: MailboxName,
    below: Option<String>,
}

impl Place {
    /// Where the options and the snapshot say.
    ///
    /// # Errors
    /// `Invalid` for a name that is none, or one of a part that cannot be written to.
    pub(super) fn new(snapshot: &Snapshot, options: &RestoreOptions) -> Result<Self> {
        // A name without an address is an account's own, and so a primary mailbox.
        let own = || MailboxName::new(snapshot.mailbox.clone(), MailboxPart::Primary);
        let source = snapshot.mailbox_name().unwrap_or_else(|_| own());
        let below = options.to_folder.as_ref();
        let below = below
            .map(|path| path.trim_matches('/').to_owned())
            .or_else(|| (!source.part().is_writable()).then(|| RECOVERED.to_owned()));
        if let Some(wanted) = &options.to_mailbox {
            let mailbox: MailboxName = wanted.parse()?;
            if !mailbox.part().is_writable() {
                let message = format!("{mailbox} belongs to the server: nothing can be put there");
                return Err(Error::new(ErrorKind::Invalid, message));
            }
            return Ok(Self { mailbox, below });
        }
        Ok(Self {
            mailbox: source.other(source.part().restored_to()),
            below,
        })
    }
}

impl Target {
    pub(super) async fn open(
        exchange: &Exchange,
        place: Place,
        snapshot: &Snapshot,
        options: &RestoreOptions,
        run: RunId,
    ) -> Result<Self> {
        let mailbox = &place.mailbox;
        let permits = Arc::new(Semaphore::new(options.requests_at_once.max(1)));
        let remote = RemoteFolders::read(exchange, mailbox, &permits)
            .await
            .doing(|| format!("open the mailbox {mailbox}"))?;
        let by_path = remote
            .folders
            .iter()
            .map(|folder| (folder.path.to_lowercase(), folder.id.clone()))
            .collect();
        Ok(Self {
            exchange: exchange.clone(),
            permits,
            remote,
            run,
            by_path,
            is_source: mailbox.stored() == snapshot.mailbox
                && exchange.server() == snapshot.about.server,
            single_items: !options.selection.items.is_empty(),
            below: place.below,
        })
    }

    /// How uploads go there.
    pub(super) fn way(&self, snapshot: &Snapshot, options: &RestoreOptions) -> Way {
        Way {
            exchange: self.exchange.clone(),
            permits: Arc::clone(&self.permits),
            mailbox: snapshot.mailbox.clone(),
            verify: options.verify,
            at_once: options.requests_at_once,
        }
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

    /// Associated items go where their folder goes; what of them is restored without it is found
    /// by the folder's path.
    pub(super) fn place_hidden(&self, folders: &[(StoredFolder, u64)], places: &mut Places) {
        for (folder, _) in folders.iter().filter(|(f, _)| f.holds == Holds::Associated) {
            let of_folder = folder.row.parent.and_then(|key| places.get(&key)).cloned();
            let path = of_folder.unwrap_or_else(|| match &self.below {
                Some(below) => below.clone(),
                None => folder.path.clone(),
            });
            places.insert(folder.key, path);
        }
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
                    self.learn_place(&parent, part).await?;
                    self.by_path.insert(part.to_lowercase(), id.id.clone());
                    let made = created(&id, &parent, part, class, &self.remote.root_id);
                    self.remote.folders.push(made);
                    id
                }
            };
        }
        Ok(parent)
    }

    /// Learns where the contents of a new public folder lie: the server chooses.
    async fn learn_place(&mut self, parent: &FolderId, path: &str) -> Result<()> {
        if !self.remote.routes.are_several() {
            return Ok(());
        }
        let name = name_of(last_level(path));
        let made = self.child(parent, &name).await?;
        let made = made.ok_or_else(|| no_folder(path))?;
        self.remote.routes.learn(&self.exchange, &[made]).await
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
            // What was created can be taken back even if nobody lives to write down its id.
            extended: vec![ExtendedProperty::single(run_path(), self.run.as_str())],
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
                let found = self.child(parent, &name).await?;
                found.map(|folder| folder.id).ok_or_else(|| no_folder(path))
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
                self.remote.routes.hierarchy().create_folder(request).await
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
    async fn child(&self, parent: &FolderId, name: &str) -> Result<Option<Folder>> {
        let request = FindFolder {
            parents: vec![FolderIdRef::Id(parent.clone())],
            traversal: FolderTraversal::Shallow,
            shape: FolderShape::new(BaseShape::IdOnly).with([
                PropertyPath::field("folder:DisplayName"),
                PropertyPath::tag(REPLICA_LIST, MapiType::Binary),
            ]),
            restriction: Some(Restriction::IsEqualTo(
                PropertyPath::field("folder:DisplayName"),
                name.to_owned(),
            )),
            paging: Some(Paging {
                offset: 0,
                max_entries: PAGE,
            }),
        };
        let _permit = self.permits.acquire().await;
        let client = self.remote.routes.hierarchy();
        let answer = client.find_folder(&request).await;
        let page = answer.doing(|| format!("look for the folder {name}"))?;
        let found = page.folders.into_iter().find(|f| f.display_name == name);
        Ok(found)
    }
}

/// The property of a folder that says which run created it.
pub(crate) fn run_path() -> ExtendedPath {
    ExtendedPath::name(
        DistinguishedPropertySet::PublicStrings,
        "PostkeepRun",
        MapiType::String,
    )
}

/// A folder as it is right after it was created.
fn created(
    id: &FolderId,
    parent: &FolderId,
    path: &str,
    class: Option<&str>,
    root_id: &str,
) -> RemoteFolder {
    RemoteFolder {
        key: folder_key(&id.id),
        id: id.id.clone(),
        parent: (parent.id != root_id).then(|| folder_key(&parent.id)),
        path: path.to_owned(),
        name: name_of(last_level(path)),
        class: class.unwrap_or_default().to_owned(),
        distinguished: None,
        is_search: false,
        total: 0,
        commit_time: None,
        deleted: None,
        associated: None,
        beside: 0,
        holds: Holds::Items,
    }
}

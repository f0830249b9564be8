//! A mailbox's folders as the server lists them, with their paths.

use std::collections::{HashMap, HashSet};

use ews_client::{
    BaseShape, Client, DistinguishedFolder, FindFolder, Folder, FolderId, FolderIdRef, FolderKind,
    FolderShape, FolderTraversal, GetFolder, MapiType, Paging, PropertyPath, REPLICA_LIST,
};
use futures::{StreamExt, TryStreamExt, stream};
use mailindex::FolderKey;
use tokio::sync::Semaphore;

use crate::error::{Doing, Error, ErrorKind, Result};
use crate::keys::{Holds, associated_key, folder_key};
use crate::mailbox_name::{MailboxName, MailboxPart};
use crate::path::level;
use crate::routes::Routes;
use crate::source::Exchange;

/// PidTagLocalCommitTimeMax: when anything in the folder last changed.
const LOCAL_COMMIT_TIME_MAX: u16 = 0x670A;
/// PidTagDeletedCountTotal: how many items were ever deleted from the folder.
const DELETED_COUNT_TOTAL: u16 = 0x670B;

/// Rows asked for in one FindFolder answer; Exchange gives at most 1,000.
const PAGE: u32 = 1000;

/// A path is cut off here, so that a loop in a broken hierarchy ends.
const MAX_DEPTH: usize = 300;

/// PidTagAssociatedContentCount: how many associated items the folder has.
const ASSOCIATED_COUNT: u16 = 0x3617;

/// Public folders asked for their subfolders at the same time.
const PARENTS_AT_ONCE: usize = 4;

/// How a part of somebody's mail lies in EWS.
struct Layout {
    root: DistinguishedFolder,
    /// What holds the root and all that users do not see, where there is such a folder.
    store: Option<DistinguishedFolder>,
    /// The folders whose names depend on the mailbox's language, and what we call them: the same
    /// in every part, so that an archive's deleted items meet a primary mailbox's.
    distinguished: &'static [(DistinguishedFolder, &'static str)],
    /// What there is beside it, by the root of that.
    beside: &'static [(DistinguishedFolder, MailboxPart)],
}

const PRIMARY: Layout = Layout {
    root: DistinguishedFolder::MsgFolderRoot,
    store: Some(DistinguishedFolder::Root),
    distinguished: &[
        (DistinguishedFolder::Inbox, "inbox"),
        (DistinguishedFolder::SentItems, "sentitems"),
        (DistinguishedFolder::Drafts, "drafts"),
        (DistinguishedFolder::DeletedItems, "deleteditems"),
        (DistinguishedFolder::JunkEmail, "junkemail"),
        (DistinguishedFolder::Outbox, "outbox"),
        (DistinguishedFolder::Calendar, "calendar"),
        (DistinguishedFolder::Contacts, "contacts"),
        (DistinguishedFolder::Tasks, "tasks"),
        (DistinguishedFolder::Notes, "notes"),
        (DistinguishedFolder::Journal, "journal"),
    ],
    beside: &[
        (
            DistinguishedFolder::ArchiveMsgFolderRoot,
            MailboxPart::Archive,
        ),
        (
            DistinguishedFolder::RecoverableItemsRoot,
            MailboxPart::Recoverable,
        ),
    ],
};

const ARCHIVE: Layout = Layout {
    root: DistinguishedFolder::ArchiveMsgFolderRoot,
    store: Some(DistinguishedFolder::ArchiveRoot),
    distinguished: &[
        (DistinguishedFolder::ArchiveInbox, "inbox"),
        (DistinguishedFolder::ArchiveDeletedItems, "deleteditems"),
    ],
    beside: &[(
        DistinguishedFolder::ArchiveRecoverableItemsRoot,
        MailboxPart::ArchiveRecoverable,
    )],
};

const RECOVERABLE: Layout = Layout {
    root: DistinguishedFolder::RecoverableItemsRoot,
    store: None,
    distinguished: &[
        (
            DistinguishedFolder::RecoverableItemsDeletions,
            "recoverableitemsdeletions",
        ),
        (
            DistinguishedFolder::RecoverableItemsVersions,
            "recoverableitemsversions",
        ),
        (
            DistinguishedFolder::RecoverableItemsPurges,
            "recoverableitemspurges",
        ),
        (
            DistinguishedFolder::RecoverableItemsDiscoveryHolds,
            "recoverableitemsdiscoveryholds",
        ),
    ],
    beside: &[],
};

const ARCHIVE_RECOVERABLE: Layout = Layout {
    root: DistinguishedFolder::ArchiveRecoverableItemsRoot,
    store: None,
    distinguished: &[
        (
            DistinguishedFolder::ArchiveRecoverableItemsDeletions,
            "recoverableitemsdeletions",
        ),
        (
            DistinguishedFolder::ArchiveRecoverableItemsVersions,
            "recoverableitemsversions",
        ),
        (
            DistinguishedFolder::ArchiveRecoverableItemsPurges,
            "recoverableitemspurges",
        ),
        (
            DistinguishedFolder::ArchiveRecoverableItemsDiscoveryHolds,
            "recoverableitemsdiscoveryholds",
        ),
    ],
    beside: &[],
};

const PUBLIC: Layout = Layout {
    root: DistinguishedFolder::PublicFoldersRoot,
    store: None,
    distinguished: &[],
    beside: &[],
};

fn layout(part: MailboxPart) -> &'static Layout {
    match part {
        MailboxPart::Primary => &PRIMARY,
        MailboxPart::Archive => &ARCHIVE,
        MailboxPart::Recoverable => &RECOVERABLE,
        MailboxPart::ArchiveRecoverable => &ARCHIVE_RECOVERABLE,
        MailboxPart::Public => &PUBLIC,
    }
}

/// One folder of a live mailbox.
#[derive(Clone, Debug)]
pub(crate) struct RemoteFolder {
    pub(crate) key: FolderKey,
    pub(crate) id: String,
    pub(crate) parent: Option<FolderKey>,
    pub(crate) path: String,
    pub(crate) name: String,
    pub(crate) class: String,
    pub(crate) distinguished: Option<String>,
    pub(crate) is_search: bool,
    pub(crate) total: u32,
    pub(crate) commit_time: Option<i64>,
    pub(crate) deleted: Option<u32>,
    /// How many associated items it has, where the server says.
    pub(crate) associated: Option<u32>,
    /// How many ordinary items lie beside, where this stands for the associated items of a folder.
    pub(crate) beside: u32,
    pub(crate) holds: Holds,
}

impl RemoteFolder {
    /// The associated items of a folder, as a folder of their own.
    pub(crate) fn hidden(&self) -> Self {
        Self {
            key: associated_key(&self.id),
            id: self.id.clone(),
            parent: Some(self.key),
            path: hidden_path(&self.path),
            name: String::new(),
            class: String::new(),
            distinguished: None,
            is_search: self.is_search,
            total: self.associated.unwrap_or(0),
            commit_time: None,
            deleted: None,
            associated: None,
            beside: self.total,
            holds: Holds::Associated,
        }
    }
}

/// How a folder's associated items are called in listings and reports.
pub(crate) fn hidden_path(path: &str) -> String {
    format!("{path} (associated)")
}

/// The folders of a live mailbox.
pub(crate) struct RemoteFolders {
    /// The id of the folder that holds all others, such as msgfolderroot.
    pub(crate) root_id: String,
    /// All folders of the part, parents before children.
    pub(crate) folders: Vec<RemoteFolder>,
    /// Folders beside the root, which programs keep and users do not see; empty where the server
    /// does not list them.
    pub(crate) unseen: Vec<RemoteFolder>,
    /// What the owner has beside this part.
    pub(crate) beside: Vec<MailboxPart>,
    /// What the owner seems to have beside it and the server does not open, with its reason.
    pub(crate) closed: Vec<(MailboxPart, String)>,
    /// Who is asked for what.
    pub(crate) routes: Routes,
}

impl RemoteFolders {
    /// Reads the whole hierarchy of a part in two requests: one names the distinguished folders
    /// whatever the language, one lists the tree with all that tells whether a folder has
    /// changed. Public folders are listed level by level, since servers do not do it otherwise.
    pub(crate) async fn read(
        exchange: &Exchange,
        name: &MailboxName,
        permits: &Semaphore,
    ) -> Result<Self> {
        let part = name.part();
        let mut routes = exchange.routes(name).await?;
        let client = routes.hierarchy().clone();
        let named = distinguished(&client, permits, layout(part)).await?;
        let (found, unseen) = if part == MailboxPart::Public {
            let found = levels(&client, permits, &named.root).await?;
            routes.learn(exchange, &found).await?;
            (found, Vec::new())
        } else {
            seen_and_unseen(&client, permits, &named).await?
        };
        let root_id = named.root.id;
        Ok(Self {
            folders: with_paths(&root_id, found, &named.distinguished),
            unseen: with_paths(&root_id, unseen, &named.distinguished),
            root_id,
            beside: named.beside.into_iter().map(|(part, _)| part).collect(),
            closed: named.closed,
            routes,
        })
    }

    /// The folder with this distinguished name.
    pub(crate) fn by_distinguished(&self, name: &str) -> Option<&RemoteFolder> {
        self.folders
            .iter()
            .find(|folder| folder.distinguished.as_deref() == Some(name))
    }
}

/// The folders below the root, and those beside it. One listing of the whole store gives both;
/// where the server has none to give, the root alone is listed.
async fn seen_and_unseen(
    client: &Client,
    permits: &Semaphore,
    named: &Named,
) -> Result<(Vec<Folder>, Vec<Folder>)> {
    let deep = FolderTraversal::Deep;
    if let Some(store) = &named.store {
        let all = match below(client, permits, store, deep).await {
            Ok(all) => all,
            Err(error) if is_refusal(&error) => Vec::new(),
            Err(error) => return Err(error),
        };
        let parents: HashMap<String, String> = all
            .iter()
            .filter_map(|folder| Some((folder.id.id.clone(), folder.parent.clone()?.id)))
            .collect();
        let above = |folder: &Folder, others: &[&str]| {
            let mut at = Some(folder.id.id.as_str());
            for _ in 0..MAX_DEPTH {
                match at {
                    Some(id) if others.contains(&id) => return true,
                    Some(id) => at = parents.get(id).map(String::as_str),
                    None => break,
                }
            }
            false
        };
        let root = [named.root.id.as_str()];
        let (mut seen, mut unseen): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|folder| above(folder, &root));
        seen.retain(|folder| folder.id.id != named.root.id);
        // A mailbox without any folder is less likely than a listing that says nothing.
        if !seen.is_empty() {
            let parts: Vec<&str> = named.beside.iter().map(|(_, id)| id.as_str()).collect();
            unseen.retain(|folder| !above(folder, &parts));
            return Ok((seen, unseen));
        }
    }
    // Some servers know one level only.
    let seen = match below(client, permits, &named.root, deep).await {
        Err(error) if is_refusal(&error) => levels(client, permits, &named.root).await?,
        listed => listed?,
    };
    Ok((seen, Vec::new()))
}

/// Whether a server would not list a folder, as opposed to being out of reach.
fn is_refusal(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Denied
            | ErrorKind::NotFound
            | ErrorKind::Unsupported
            | ErrorKind::Invalid
            | ErrorKind::Internal
    )
}

/// The folders below one, all levels of them or one.
async fn below(
    client: &Client,
    permits: &Semaphore,
    parent: &FolderId,
    traversal: FolderTraversal,
) -> Result<Vec<Folder>> {
    let mut found: Vec<Folder> = Vec::new();
    let mut seen = HashSet::new();
    let mut offset = 0;
    loop {
        let page = {
            let _permit = permits.acquire().await;
            client
                .find_folder(&FindFolder {
                    parents: vec![FolderIdRef::Id(parent.clone())],
                    traversal,
                    shape: shape(),
                    restriction: None,
                    paging: Some(Paging {
                        offset,
                        max_entries: PAGE,
                    }),
                })
                .await
                .doing(|| "list the folders".into())?
        };
        let got = u32::try_from(page.folders.len()).unwrap_or(u32::MAX);
        let before = found.len();
        let new = page
            .folders
            .into_iter()
            .filter(|folder| seen.insert(folder.id.id.clone()));
        found.extend(new);
        let all = page.total.is_none_or(|total| seen.len() as u64 >= total);
        if got == 0 || (page.includes_last && (all || found.len() == before)) {
            return Ok(found);
        }
        if found.len() == before {
            // To take this for the whole list would make the others look deleted.
            let message = "the server repeats a part of its list of folders without end";
            return Err(Error::new(ErrorKind::Internal, message));
        }
        offset = page
            .next_offset
            .filter(|next| *next > offset)
            .unwrap_or(offset + got);
    }
}

/// All folders below one, level by level; those without subfolders are not asked for them.
async fn levels(client: &Client, permits: &Semaphore, root: &FolderId) -> Result<Vec<Folder>> {
    let mut found: Vec<Folder> = Vec::new();
    let mut seen = HashSet::from([root.id.clone()]);
    let mut parents = vec![root.clone()];
    for _ in 0..MAX_DEPTH {
        let reads: Vec<_> = parents
            .iter()
            .map(|parent| below(client, permits, parent, FolderTraversal::Shallow))
            .collect();
        let level: Vec<Vec<Folder>> = stream::iter(reads)
            .buffered(PARENTS_AT_ONCE)
            .try_collect()
            .await?;
        let mut next = Vec::new();
        for (parent, children) in parents.iter().zip(level) {
            for mut folder in children {
                if !seen.insert(folder.id.id.clone()) {
                    continue;
                }
                // Asked for one parent, so the answer says where it lies even where it does not.
                folder.parent.get_or_insert_with(|| parent.clone());
                if folder.child_folder_count != Some(0) {
                    next.push(folder.id.clone());
                }
                found.push(folder);
            }
        }
        if next.is_empty() {
            break;
        }
        parents = next;
    }
    Ok(found)
}

fn shape() -> FolderShape {
    let mut additional: Vec<PropertyPath> = [
        "folder:DisplayName",
        "folder:ParentFolderId",
        "folder:FolderClass",
        "folder:TotalCount",
        "folder:ChildFolderCount",
    ]
    .into_iter()
    .map(PropertyPath::field)
    .collect();
    additional.push(PropertyPath::tag(
        LOCAL_COMMIT_TIME_MAX,
        MapiType::SystemTime,
    ));
    for count in [DELETED_COUNT_TOTAL, ASSOCIATED_COUNT] {
        additional.push(PropertyPath::tag(count, MapiType::Integer));
    }
    // Only public folders have it: where their contents lie.
    additional.push(PropertyPath::tag(REPLICA_LIST, MapiType::Binary));
    FolderShape::new(BaseShape::IdOnly).with(additional)
}

/// What the server knows by name.
struct Named {
    root: FolderId,
    store: Option<FolderId>,
    /// The names of distinguished folders by their ids.
    distinguished: HashMap<String, &'static str>,
    /// Other parts, with the ids of their roots.
    beside: Vec<(MailboxPart, String)>,
    closed: Vec<(MailboxPart, String)>,
}

/// The root, and the ids of the distinguished folders. Servers that refuse the whole request
/// because they do not know one of the names are asked for the root alone.
async fn distinguished(client: &Client, permits: &Semaphore, layout: &Layout) -> Result<Named> {
    let ask = async |ids: Vec<FolderIdRef>| {
        let _permit = permits.acquire().await;
        client
            .get_folder(&GetFolder {
                shape: FolderShape::new(BaseShape::IdOnly),
                ids,
            })
            .await
    };
    let root = FolderIdRef::from(layout.root);
    let mut ids = vec![root.clone()];
    ids.extend(
        layout
            .distinguished
            .iter()
            .map(|(id, _)| FolderIdRef::from(*id)),
    );
    ids.extend(layout.beside.iter().map(|(id, _)| FolderIdRef::from(*id)));
    ids.extend(layout.store.map(FolderIdRef::from));
    let outcomes = match ask(ids).await {
        Ok(outcomes) => outcomes,
        Err(error)
            if matches!(
                error.kind(),
                ews_client::ErrorKind::Protocol | ews_client::ErrorKind::Invalid
            ) =>
        {
            ask(vec![root])
                .await
                .doing(|| "find the mailbox's root folder".into())?
        }
        Err(error) => return Err(error).doing(|| "open the mailbox".into()),
    };
    let mut outcomes = outcomes.into_iter();
    let root = outcomes.next().ok_or_else(|| {
        let message = "the server named no root folder";
        Error::new(ErrorKind::Internal, message)
    })?;
    let root = root.map_err(|error| {
        let kind = crate::error::kind_of_ews(error.kind());
        Error::with_source(kind, "open the mailbox", error)
    })?;
    let names = layout.distinguished.iter().map(|(_, name)| *name);
    // The names come first: a zip takes from its first side before it sees the second's end.
    let found = names
        .zip(outcomes.by_ref())
        .filter_map(|(name, outcome)| Some((outcome.ok()?.id.id, name)))
        .collect();
    let mut named = Named {
        root: root.id,
        store: None,
        distinguished: found,
        beside: Vec::new(),
        closed: Vec::new(),
    };
    for ((_, part), outcome) in layout.beside.iter().zip(outcomes.by_ref()) {
        match outcome {
            Ok(root) => named.beside.push((*part, root.id.id)),
            // Only a refusal speaks of something that is there.
            Err(error) if error.kind() == ews_client::ErrorKind::Denied => {
                named.closed.push((*part, error.to_string()));
            }
            Err(_) => {}
        }
    }
    named.store = outcomes.next().and_then(|store| Some(store.ok()?.id));
    Ok(named)
}

/// A name that only servers of later versions give, as we call it in every part.
fn plain_name(distinguished: &str) -> String {
    match distinguished.strip_prefix("archive") {
        Some(name) if !name.is_empty() => name.to_owned(),
        _ => distinguished.to_owned(),
    }
}

fn with_paths(
    root_id: &str,
    found: Vec<Folder>,
    distinguished: &HashMap<String, &'static str>,
) -> Vec<RemoteFolder> {
    let names: HashMap<&str, (&str, Option<&str>)> = found
        .iter()
        .map(|folder| {
            let parent = folder.parent.as_ref().map(|parent| parent.id.as_str());
            (
                folder.id.id.as_str(),
                (folder.display_name.as_str(), parent),
            )
        })
        .collect();
    let path_of = |id: &str| {
        let mut parts = Vec::new();
        let mut at = Some(id);
        while let Some((name, parent)) = at.filter(|id| *id != root_id).and_then(|id| names.get(id))
        {
            parts.push(level(name));
            at = *parent;
            if parts.len() > MAX_DEPTH {
                break;
            }
        }
        parts.reverse();
        parts.join("/")
    };
    let mut folders: Vec<RemoteFolder> = found
        .iter()
        .map(|folder| RemoteFolder {
            key: folder_key(&folder.id.id),
            id: folder.id.id.clone(),
            parent: folder
                .parent
                .as_ref()
                .filter(|parent| parent.id != root_id)
                .map(|parent| folder_key(&parent.id)),
            path: path_of(&folder.id.id),
            name: folder.display_name.clone(),
            class: folder.class.clone().unwrap_or_default(),
            distinguished: distinguished
                .get(&folder.id.id)
                .map(|name| (*name).to_owned())
                .or_else(|| folder.distinguished_id.as_deref().map(plain_name)),
            is_search: folder.kind == FolderKind::Search,
            total: folder
                .total_count
                .map_or(0, |total| u32::try_from(total).unwrap_or(u32::MAX)),
            commit_time: folder
                .property(LOCAL_COMMIT_TIME_MAX)
                .and_then(|property| property.as_timestamp())
                .and_then(|time| i64::try_from(time.as_nanosecond() / 100).ok()),
            deleted: folder
                .property(DELETED_COUNT_TOTAL)
                .and_then(|property| property.as_i64())
                .and_then(|count| u32::try_from(count).ok()),
            associated: folder
                .property(ASSOCIATED_COUNT)
                .and_then(|property| property.as_i64())
                .and_then(|count| u32::try_from(count).ok()),
            beside: 0,
            holds: Holds::Items,
        })
        .collect();
    folders.sort_by(|a, b| a.path.cmp(&b.path));
    folders
}

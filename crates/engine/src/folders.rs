//! A mailbox's folders as the server lists them, with their paths.

use std::collections::{HashMap, HashSet};

use ews_client::{
    BaseShape, Client, DistinguishedFolder, FindFolder, Folder, FolderIdRef, FolderKind,
    FolderShape, FolderTraversal, GetFolder, MapiType, Paging, PropertyPath,
};
use mailindex::FolderKey;
use tokio::sync::Semaphore;

use crate::error::{Doing, Error, ErrorKind, Result};
use crate::keys::folder_key;
use crate::path::level;

/// PidTagLocalCommitTimeMax: when anything in the folder last changed.
const LOCAL_COMMIT_TIME_MAX: u16 = 0x670A;
/// PidTagDeletedCountTotal: how many items were ever deleted from the folder.
const DELETED_COUNT_TOTAL: u16 = 0x670B;

/// Rows asked for in one FindFolder answer; Exchange gives at most 1,000.
const PAGE: u32 = 1000;

/// A path is cut off here, so that a loop in a broken hierarchy ends.
const MAX_DEPTH: usize = 300;

/// The folders whose names depend on the mailbox's language, and their ids in EWS.
const DISTINGUISHED: [DistinguishedFolder; 10] = [
    DistinguishedFolder::Inbox,
    DistinguishedFolder::SentItems,
    DistinguishedFolder::Drafts,
    DistinguishedFolder::DeletedItems,
    DistinguishedFolder::JunkEmail,
    DistinguishedFolder::Outbox,
    DistinguishedFolder::Calendar,
    DistinguishedFolder::Contacts,
    DistinguishedFolder::Tasks,
    DistinguishedFolder::Notes,
];

/// What a mailbox has beside its visible folders, by the root of it, and how a report calls it.
const BESIDE: [(DistinguishedFolder, &str); 2] = [
    (DistinguishedFolder::ArchiveMsgFolderRoot, "archive mailbox"),
    (
        DistinguishedFolder::RecoverableItemsRoot,
        "recoverable items",
    ),
];

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
}

/// The folders of a live mailbox.
pub(crate) struct RemoteFolders {
    /// The id of the folder that holds all visible ones (msgfolderroot).
    pub(crate) root_id: String,
    /// All visible folders, parents before children.
    pub(crate) folders: Vec<RemoteFolder>,
    /// What the mailbox has beside them, which a backup of the folders does not cover.
    pub(crate) beside: Vec<&'static str>,
}

impl RemoteFolders {
    /// Reads the whole hierarchy in two requests: one names the distinguished folders whatever
    /// the language, one lists the tree with all that tells whether a folder has changed.
    pub(crate) async fn read(client: &Client, permits: &Semaphore) -> Result<Self> {
        let (root, distinguished, beside) = distinguished(client, permits).await?;
        let root_id = root.id.id.clone();
        let mut found: Vec<Folder> = Vec::new();
        let mut seen = HashSet::new();
        let mut offset = 0;
        loop {
            let page = {
                let _permit = permits.acquire().await;
                client
                    .find_folder(&FindFolder {
                        parents: vec![FolderIdRef::Id(root.id.clone())],
                        traversal: FolderTraversal::Deep,
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
                break;
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
        Ok(Self {
            folders: with_paths(&root_id, found, &distinguished),
            root_id,
            beside,
        })
    }

    /// The folder with this distinguished name.
    pub(crate) fn by_distinguished(&self, name: &str) -> Option<&RemoteFolder> {
        self.folders
            .iter()
            .find(|folder| folder.distinguished.as_deref() == Some(name))
    }
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
    additional.push(PropertyPath::tag(DELETED_COUNT_TOTAL, MapiType::Integer));
    FolderShape::new(BaseShape::IdOnly).with(additional)
}

/// The root, and the ids of the distinguished folders. Servers that refuse the whole request
/// because they do not know one of the names are asked for the root alone.
async fn distinguished(
    client: &Client,
    permits: &Semaphore,
) -> Result<(Folder, HashMap<String, &'static str>, Vec<&'static str>)> {
    let ask = async |ids: Vec<FolderIdRef>| {
        let _permit = permits.acquire().await;
        client
            .get_folder(&GetFolder {
                shape: FolderShape::new(BaseShape::IdOnly),
                ids,
            })
            .await
    };
    let root = FolderIdRef::from(DistinguishedFolder::MsgFolderRoot);
    let mut ids = vec![root.clone()];
    ids.extend(DISTINGUISHED.map(FolderIdRef::from));
    ids.extend(BESIDE.map(|(folder, _)| FolderIdRef::from(folder)));
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
    let root = match outcomes.next() {
        Some(Ok(root)) => root,
        Some(Err(error)) => {
            let kind = crate::error::kind_of_ews(error.kind());
            return Err(Error::with_source(kind, "open the mailbox", error));
        }
        None => {
            return Err(Error::new(
                ErrorKind::Internal,
                "the server named no root folder",
            ));
        }
    };
    let names = DISTINGUISHED.map(DistinguishedFolder::as_str);
    // The names come first: a zip takes from its first side before it sees the second's end.
    let found = names
        .into_iter()
        .zip(outcomes.by_ref())
        .filter_map(|(name, outcome)| Some((outcome.ok()?.id.id, name)))
        .collect();
    let beside = outcomes
        .zip(BESIDE)
        .filter_map(|(outcome, (_, what))| outcome.is_ok().then_some(what))
        .collect();
    Ok((root, found, beside))
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
                .or_else(|| folder.distinguished_id.clone()),
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
        })
        .collect();
    folders.sort_by(|a, b| a.path.cmp(&b.path));
    folders
}

//! What differs between a snapshot and the live mailbox: one listing a folder, no downloads.

use std::collections::{HashMap, HashSet};

use ews_client::{
    BaseShape, Client, FindItem, FolderId, FolderIdRef, Item, ItemShape, Paging, PropertyPath,
};
use futures::TryStreamExt;
use mailindex::ItemKey;
use tokio::sync::Semaphore;

use super::{DiffReport, Difference, ItemDifference};
use crate::backup::{condition_fields, time_of};
use crate::catalog::shown_key;
use crate::error::{Doing, Result};
use crate::folders::{RemoteFolder, RemoteFolders};
use crate::keys::item_key;
use crate::list::{StoredFolder, StoredItem};
use crate::selection::{FolderChooser, ItemFacts, ItemVerdict, Selection};
use crate::snapshot::Snapshot;
use crate::source::Exchange;
use crate::vault::Vault;

/// Exchange returns at most 1,000 rows of a FindItem.
const PAGE: u32 = 1000;

impl Vault {
    /// Compares a snapshot with the mailbox as it is now: what was added, changed, marked as read
    /// or deleted since. Change keys are compared, so an item that was changed and changed back
    /// counts as changed. What folders hold beside the items that users see is left aside, and so
    /// is what the snapshot was not meant to have.
    ///
    /// # Errors
    /// `NotFound` if the server has no such mailbox, `Auth`, `Denied`, `Unreachable`, and those of
    /// the repository.
    pub async fn diff_live(&self, snapshot: &Snapshot, exchange: &Exchange) -> Result<DiffReport> {
        let name = snapshot.mailbox_name()?;
        let permits = Semaphore::new(4);
        let remote = RemoteFolders::read(exchange, &name, &permits)
            .await
            .doing(|| format!("open the mailbox {}", snapshot.mailbox))?;
        let stored = self.stored_folders(snapshot).await?;
        let mut report = DiffReport::default();
        let meant = Meant::new(snapshot, &remote);
        let live: Vec<&RemoteFolder> = remote.folders.iter().filter(|f| !f.is_search).collect();
        for folder in &stored {
            if !live.iter().any(|other| other.key == folder.key) {
                report.folders_removed.push(folder.path.clone());
                self.compare(snapshot, folder, HashMap::new(), &mut report)
                    .await?;
            }
        }
        for folder in live {
            let known = stored.iter().find(|known| known.key == folder.key);
            if known.is_none() && !meant.has_folder(&folder.path) {
                report.folders_not_selected.push(folder.path.clone());
                continue;
            }
            let mut items = list(remote.routes.of(folder.key), &permits, folder, &meant).await?;
            match known {
                Some(known) => {
                    self.keep_meant(snapshot, known, &meant, &mut items).await?;
                    self.compare(snapshot, known, items, &mut report).await?;
                }
                None => {
                    items.retain(|_, item| meant.has_item(item));
                    report.folders_added.push(folder.path.clone());
                    for (key, item) in items {
                        added(&folder.path, key, &item, &mut report);
                    }
                }
            }
        }
        report
            .items
            .sort_by(|a, b| (&a.folder, &a.subject).cmp(&(&b.folder, &b.subject)));
        Ok(report)
    }

    /// Takes away what is live in a folder, is not stored, and was not meant to be.
    async fn keep_meant(
        &self,
        snapshot: &Snapshot,
        folder: &StoredFolder,
        meant: &Meant,
        live: &mut HashMap<ItemKey, Item>,
    ) -> Result<()> {
        if meant.is_every_item() {
            return Ok(());
        }
        let mut known = HashSet::new();
        let mut items = self.stored_items(snapshot, folder.key);
        while let Some(item) = items.try_next().await? {
            known.insert(item.key);
        }
        live.retain(|key, item| known.contains(key) || meant.has_item(item));
        Ok(())
    }

    /// Compares the items of one stored folder with what is live in it.
    async fn compare(
        &self,
        snapshot: &Snapshot,
        folder: &StoredFolder,
        mut live: HashMap<ItemKey, Item>,
        report: &mut DiffReport,
    ) -> Result<()> {
        let mut items = self.stored_items(snapshot, folder.key);
        while let Some(item) = items.try_next().await? {
            let difference = match live.remove(&item.key) {
                None => Some(Difference::Removed),
                Some(now) => changed(&item, &now),
            };
            let Some(difference) = difference else {
                continue;
            };
            report.count(&folder.path, difference);
            let summary = self.summary(&item.entry).await.unwrap_or_default();
            report.items.push(ItemDifference {
                difference,
                folder: folder.path.clone(),
                key: shown_key(&item.key),
                subject: summary.subject,
            });
        }
        for (key, item) in live {
            added(&folder.path, key, &item, report);
        }
        Ok(())
    }
}

/// What the snapshot was meant to have, as its description says.
struct Meant {
    selection: Selection,
    folders: FolderChooser,
    /// When the snapshot was made: ages count from then.
    time_unix_ms: i64,
}

impl Meant {
    fn new(snapshot: &Snapshot, remote: &RemoteFolders) -> Self {
        let selection = Selection::of_description(&snapshot.about.selection);
        let distinguished = remote
            .folders
            .iter()
            .filter_map(|folder| Some((folder.path.as_str(), folder.distinguished.as_deref()?)));
        Self {
            folders: FolderChooser::new(&selection, distinguished),
            selection,
            time_unix_ms: snapshot.time_unix_ms,
        }
    }

    /// A folder whose rows the snapshot would have, had it been there.
    fn has_folder(&self, path: &str) -> bool {
        // A backup of single items takes no folder as a whole.
        self.selection.items.is_empty() && self.folders.has(path)
    }

    fn is_every_item(&self) -> bool {
        self.selection.items.is_empty() && !self.selection.has_conditions()
    }

    /// Whether an item that is not stored would have been, had it been there then.
    fn has_item(&self, item: &Item) -> bool {
        if !self.selection.items.is_empty() {
            return false;
        }
        let facts = ItemFacts {
            class: item.item_class.as_deref().unwrap_or_default(),
            size_bytes: item.size.unwrap_or_default(),
            time_unix_ms: time_of(item),
        };
        let verdict = self.selection.judge(&facts, self.time_unix_ms);
        verdict == ItemVerdict::Selected
    }
}

fn changed(stored: &StoredItem, live: &Item) -> Option<Difference> {
    let change_key = live.id.as_ref().and_then(|id| id.change_key.as_deref());
    if change_key.is_some_and(|key| key != stored.state.change_key) {
        return Some(Difference::Changed);
    }
    let flagged = live.is_read.is_some() && live.is_read != stored.state.is_read;
    flagged.then_some(Difference::Flagged)
}

fn added(folder: &str, key: ItemKey, item: &Item, report: &mut DiffReport) {
    report.count(folder, Difference::Added);
    report.items.push(ItemDifference {
        difference: Difference::Added,
        folder: folder.to_owned(),
        key: shown_key(&key),
        subject: item.subject.clone().unwrap_or_default(),
    });
}

/// All items of a live folder, by their keys.
async fn list(
    client: &Client,
    permits: &Semaphore,
    folder: &RemoteFolder,
    meant: &Meant,
) -> Result<HashMap<ItemKey, Item>> {
    let mut found = HashMap::new();
    let mut offset = 0;
    loop {
        let fields = ["item:Subject", "message:IsRead"].map(PropertyPath::field);
        let mut shape = ItemShape::new(BaseShape::IdOnly).with(fields);
        if meant.selection.has_conditions() {
            shape = shape.with(condition_fields());
        }
        let paging = Paging {
            offset,
            max_entries: PAGE,
        };
        let parent = FolderIdRef::Id(FolderId::new(folder.id.clone()));
        let page = {
            let _permit = permits.acquire().await;
            client
                .find_item(&FindItem::new(parent, shape, paging))
                .await
                .doing(|| format!("list {}", folder.path))?
        };
        let got = u32::try_from(page.items.len()).unwrap_or(u32::MAX);
        let before = found.len();
        for item in page.items {
            if let Some(id) = &item.id {
                found.insert(item_key(folder.key, &id.id), item);
            }
        }
        // As when a backup lists a folder: the end is believed where the total confirms it, or
        // where asking for more brings nothing new.
        let all = page.total.is_some_and(|total| found.len() as u64 >= total);
        if found.len() == before || (page.includes_last && all) {
            return Ok(found);
        }
        offset = page
            .next_offset
            .filter(|next| *next > offset)
            .unwrap_or(offset + got);
    }
}

//! Reads what changed in one folder, page by page.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use ews_client::{
    BaseShape, Client, FolderId, FolderIdRef, Item, ItemChange, ItemId, ItemShape, PropertyPath,
    ResponseCode, SyncFolderItems, SyncPage, SyncState,
};
use mailindex::{Change, FolderKey, FolderRow, ItemKey, ItemRow};
use tokio::task::JoinSet;
use tracing::Instrument;

use super::fetch::{Fetched, Wanted, batches, fetch};
use super::mailbox::Mailbox;
use super::settle::SettledPage;
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::folders::RemoteFolder;
use crate::keys::item_key;
use crate::report::ItemFailure;
use crate::selection::ItemVerdict;
use crate::state::{LeftOut, Reading};

/// Exchange returns at most 512 changes a page.
const PAGE: u32 = 512;

/// Pages of one folder that are downloaded at the same time.
const OPEN_PAGES: usize = 3;

/// Ids of failed items that a folder remembers for the next run. Where more fail, the folder is
/// compared as a whole next time: what is stored is not downloaded again.
const MAX_OWED: usize = 200;

/// What an empty page that is not the last counts for, when a server repeats itself.
const MIN_IDLE: u64 = 64;

/// A page whose items are being downloaded.
struct OpenPage {
    changes: Vec<Change>,
    downloads: JoinSet<Result<Vec<Fetched>>>,
    sync_state: Option<String>,
    last: bool,
}

/// The reading of one folder.
pub(super) struct FolderRead {
    mailbox: Arc<Mailbox>,
    folder: RemoteFolder,
    row: FolderRow,
    reading: Reading,
    /// All items seen since the sync began anew; what is stored and not seen has gone.
    seen: Option<HashSet<ItemKey>>,
    /// All items asked for in this run. Their rows may not be in the index yet.
    asked: HashSet<ItemKey>,
    /// Changes told in a row that brought nothing new.
    idle_changes: u64,
}

impl FolderRead {
    /// Prepares to read a folder from where the index stands.
    pub(super) async fn new(mailbox: Arc<Mailbox>, folder: RemoteFolder) -> Result<Self> {
        let key = folder.key;
        let (known, stored) = mailbox
            .index
            .run(move |index| Ok((index.folder(&key)?, index.item_count_with_staged(&key)?)))
            .await?;
        let mut row = mailbox.folder_row(&folder, known.as_ref());
        let mut reading = known
            .map(|row| Reading::from_bytes(&row.extra).unwrap_or_default())
            .unwrap_or_default();
        if mailbox.must_list(&reading) {
            // What was left out and is meant now shows in no sync: the folder is read anew, and
            // what is stored is recognised.
            row.sync_state = None;
            reading.left_out = LeftOut::default();
            reading.conditions = mailbox.conditions();
        }
        // Where nothing is stored nothing can be left over, and segments need not end here.
        let seen = (row.sync_state.is_none() && stored > 0).then(HashSet::new);
        Ok(Self {
            mailbox,
            folder,
            row,
            reading,
            seen,
            asked: HashSet::new(),
            idle_changes: 0,
        })
    }

    /// Reads the folder to its end, or to a stop.
    pub(super) async fn run(mut self) -> Result<()> {
        let mut pages: VecDeque<OpenPage> = VecDeque::new();
        self.row.sync_done = false;
        if let Some(page) = self.owed_page()? {
            pages.push_back(page);
        }
        let mut ended = false;
        loop {
            let ask = !ended && pages.len() < OPEN_PAGES && !self.mailbox.must_stop();
            if ask {
                let page = self.ask().await?;
                if self.speaks_of_asked(&page) {
                    // Only the index can tell what this means for items still on their way.
                    while let Some(open) = pages.pop_front() {
                        self.close(open).await?;
                    }
                    self.mailbox.settle_all().await?;
                }
                let page = self.next_page(page).await?;
                ended = page.last;
                pages.push_back(page);
            } else if let Some(page) = pages.pop_front() {
                self.close(page).await?;
            } else {
                break;
            }
        }
        if ended {
            self.remove_unseen().await?;
        }
        Ok(())
    }

    /// The items that failed in an earlier run, as a page of their own before the first.
    fn owed_page(&mut self) -> Result<Option<OpenPage>> {
        if self.reading.owed.is_empty() {
            return Ok(None);
        }
        let wanted: Vec<Wanted> = std::mem::take(&mut self.reading.owed)
            .into_iter()
            .map(|(id, subject)| Wanted {
                key: item_key(self.folder.key, &id),
                id: ItemId::new(id),
                class: String::new(),
                subject,
                size_bytes: 0,
                is_read: None,
                time_unix_ms: None,
            })
            .collect();
        self.asked.extend(wanted.iter().map(|wanted| wanted.key));
        let sync_state = self.row.sync_state.clone();
        Ok(Some(self.open(Vec::new(), wanted, sync_state, false)))
    }

    fn speaks_of_asked(&self, page: &SyncPage) -> bool {
        page.changes
            .iter()
            .filter_map(|change| key_of(self.folder.key, change))
            .any(|key| self.asked.contains(&key))
    }

    async fn next_page(&mut self, page: SyncPage) -> Result<OpenPage> {
        let told = page.changes.len() as u64;
        let merged = merge(self.folder.key, page.changes);
        let keys = merged
            .iter()
            .filter_map(|change| key_of(self.folder.key, change));
        let mut known = self.mailbox.known(keys.collect()).await?;
        let mut changes = Vec::new();
        let mut wanted = Vec::new();
        for change in merged {
            self.sort(change, &mut known, &mut changes, &mut wanted);
        }
        let mut news = !changes.is_empty();
        for wanted in &wanted {
            news |= self.asked.insert(wanted.key);
        }
        let state = page.sync_state.as_str().to_owned();
        let moved = self.row.sync_state.as_deref() != Some(state.as_str());
        self.row.sync_state = Some(state.clone());
        let last = self.is_last(page.includes_last, told, news, moved);
        Ok(self.open(changes, wanted, Some(state), last))
    }

    /// Whether a page was the last. Servers claim that too early, or never: one is believed when
    /// it has nothing more to tell, and a server that only repeats itself is asked no further.
    fn is_last(&mut self, claimed: bool, told: u64, news: bool, moved: bool) -> bool {
        self.idle_changes = if news {
            0
        } else {
            self.idle_changes + told.max(MIN_IDLE)
        };
        let repeats = self.idle_changes > u64::from(self.folder.total) + u64::from(PAGE);
        (claimed && told == 0) || (!news && !moved) || repeats
    }

    fn open(
        &self,
        changes: Vec<Change>,
        wanted: Vec<Wanted>,
        sync_state: Option<String>,
        last: bool,
    ) -> OpenPage {
        let mut downloads = JoinSet::new();
        for batch in batches(wanted) {
            downloads.spawn(fetch(Arc::clone(&self.mailbox), batch).in_current_span());
        }
        OpenPage {
            changes,
            downloads,
            sync_state,
            last,
        }
    }

    fn client(&self) -> &Client {
        self.mailbox.routes.of(self.folder.key)
    }

    /// Asks for the next page of changes; a sync state the server no longer accepts starts the
    /// sync anew, and what is stored already is recognised by its change keys.
    async fn ask(&mut self) -> Result<SyncPage> {
        loop {
            let folder = FolderIdRef::Id(FolderId::new(self.folder.id.clone()));
            let state = self.row.sync_state.clone().map(SyncState::from);
            let request = SyncFolderItems {
                shape: self.mailbox.item_shape(),
                max_changes: PAGE,
                ..SyncFolderItems::new(folder, state)
            };
            let answer = {
                let _permit = self.mailbox.permits.acquire().await;
                self.client().sync_folder_items(&request).await
            };
            match answer {
                Err(error)
                    if error.response_code() == Some(&ResponseCode::ErrorInvalidSyncStateData)
                        && self.row.sync_state.is_some() =>
                {
                    self.row.sync_state = None;
                    self.seen = Some(HashSet::new());
                    self.reading.left_out = LeftOut::default();
                }
                answer => {
                    return answer.doing(|| format!("read the changes of {}", self.folder.path));
                }
            }
        }
    }

    /// Decides what one change means: a download, a row to change, or nothing.
    fn sort(
        &mut self,
        change: ItemChange,
        known: &mut HashMap<ItemKey, ItemRow>,
        changes: &mut Vec<Change>,
        wanted: &mut Vec<Wanted>,
    ) {
        let folder = self.folder.key;
        match change {
            ItemChange::Create(item) | ItemChange::Update(item) => {
                let Some(found) = wanted_item(folder, &item) else {
                    return;
                };
                if let Some(seen) = &mut self.seen {
                    seen.insert(found.key);
                }
                let stored = known.remove(&found.key);
                if stored.is_none() && !self.is_meant(&found) {
                    return;
                }
                match compare(&found, stored) {
                    Known::Same => {}
                    Known::OtherFlag(row) => {
                        self.mailbox.counts.add_flagged();
                        changes.push(Change::PutItem(found.key, *row));
                    }
                    Known::No => wanted.push(found),
                }
            }
            ItemChange::Delete(id) => {
                let key = item_key(folder, &id.id);
                if known.remove(&key).is_some() {
                    self.mailbox.counts.add_deleted(1);
                    changes.push(Change::DeleteItem(key));
                }
            }
            ItemChange::ReadFlagChange { id, is_read } => {
                let key = item_key(folder, &id.id);
                if let Some(mut row) = known.remove(&key) {
                    row.is_read = Some(is_read);
                    row.change_key = id.change_key.unwrap_or(row.change_key);
                    self.mailbox.counts.add_flagged();
                    changes.push(Change::PutItem(key, row));
                }
            }
            // A kind of change this program does not know: the count of items will tell.
            _ => {}
        }
    }

    /// Whether an item that is not stored yet is meant; one that is stored stays.
    fn is_meant(&mut self, found: &Wanted) -> bool {
        let verdict = self.mailbox.judge(found);
        if verdict != ItemVerdict::Selected {
            self.reading.left_out.add(verdict);
        }
        verdict == ItemVerdict::Selected
    }

    /// Waits for a page's downloads and hands everything on.
    async fn close(&mut self, mut page: OpenPage) -> Result<()> {
        let mut rows = Vec::new();
        while let Some(joined) = page.downloads.join_next().await {
            let fetched = joined.unwrap_or_else(|panic| {
                Err(Error::with_source(
                    ErrorKind::Internal,
                    "a defect stopped a download",
                    panic,
                ))
            })?;
            for outcome in fetched {
                match outcome {
                    Fetched::Stored(row) => rows.push(*row),
                    Fetched::Gone => {}
                    Fetched::Failed { wanted, reason } => self.fail(wanted, reason),
                }
            }
        }
        let mut row = self.row.clone();
        row.sync_state = page.sync_state;
        row.sync_done = page.last;
        if self.reading.owed.len() > MAX_OWED {
            row.sync_state = None;
            row.sync_done = false;
        } else {
            row.extra = self.reading.to_bytes();
            // A folder that owes items is looked at again, whatever the server says of it.
            row.sync_done &= self.reading.owed.is_empty();
        }
        if page.last {
            row.last_full_sync_unix_ms = self.mailbox.round.vault.now_unix_ms();
        }
        self.mailbox.round.stop.progressed();
        let folder = Some((self.folder.key, row));
        self.mailbox
            .settle(SettledPage {
                changes: page.changes,
                rows,
                folder,
            })
            .await
    }

    fn fail(&mut self, wanted: Wanted, reason: String) {
        self.reading
            .owed
            .push((wanted.id.id.clone(), wanted.subject.clone()));
        self.mailbox.failed(ItemFailure {
            mailbox: self.mailbox.address.clone(),
            folder: self.folder.path.clone(),
            subject: wanted.subject,
            item_id: wanted.id.id,
            reason,
        });
    }

    /// After a sync that began anew: removes what is stored but was not seen.
    async fn remove_unseen(&mut self) -> Result<()> {
        let Some(seen) = self.seen.take() else {
            return Ok(());
        };
        self.mailbox.settle_all().await?;
        self.mailbox.remove_all_but(self.folder.key, &seen).await
    }
}

/// What the index knows of an item that the server lists.
pub(super) enum Known {
    /// It is stored as it is.
    Same,
    /// Only its read state differs; the row as it should be.
    OtherFlag(Box<ItemRow>),
    /// It is not stored, or in another version.
    No,
}

/// Compares a listed item with what is stored, by its change key.
pub(super) fn compare(found: &Wanted, stored: Option<ItemRow>) -> Known {
    let Some(mut row) = stored else {
        return Known::No;
    };
    if found
        .id
        .change_key
        .as_deref()
        .is_none_or(|key| key != row.change_key)
    {
        return Known::No;
    }
    if found.is_read.is_some() && found.is_read != row.is_read {
        row.is_read = found.is_read;
        return Known::OtherFlag(Box::new(row));
    }
    Known::Same
}

/// Reduces the changes of a page to one an item: the last, with a read mark set on what it marks.
fn merge(folder: FolderKey, changes: Vec<ItemChange>) -> Vec<ItemChange> {
    let mut places = HashMap::with_capacity(changes.len());
    let mut merged: Vec<ItemChange> = Vec::with_capacity(changes.len());
    for change in changes {
        let place = key_of(folder, &change).map_or(merged.len(), |key| {
            *places.entry(key).or_insert(merged.len())
        });
        match (merged.get_mut(place), change) {
            (None, change) => merged.push(change),
            (
                Some(ItemChange::Create(item) | ItemChange::Update(item)),
                ItemChange::ReadFlagChange { id, is_read },
            ) => {
                item.is_read = Some(is_read);
                if id.change_key.is_some() {
                    item.id = Some(id);
                }
            }
            (Some(earlier), change) => *earlier = change,
        }
    }
    merged
}

fn key_of(folder: FolderKey, change: &ItemChange) -> Option<ItemKey> {
    let id = match change {
        ItemChange::Create(item) | ItemChange::Update(item) => item.id.as_ref()?,
        ItemChange::Delete(id) | ItemChange::ReadFlagChange { id, .. } => id,
        _ => return None,
    };
    Some(item_key(folder, &id.id))
}

impl Mailbox {
    /// The stored rows of some items, those there are.
    pub(super) async fn known(&self, keys: Vec<ItemKey>) -> Result<HashMap<ItemKey, ItemRow>> {
        self.index
            .run(move |index| {
                let mut known = HashMap::with_capacity(keys.len());
                for key in keys {
                    if let Some(row) = index.item(&key)? {
                        known.insert(key, row);
                    }
                }
                Ok(known)
            })
            .await
    }
}

/// The properties a listing asks for: what batches, reports and comparisons need.
pub(super) fn item_shape() -> ItemShape {
    let fields = [
        "item:ItemClass",
        "item:Subject",
        "item:Size",
        "message:IsRead",
    ];
    ItemShape::new(BaseShape::IdOnly).with(fields.map(PropertyPath::field))
}

/// An item of a listing as something to download.
pub(super) fn wanted_item(folder: FolderKey, item: &Item) -> Option<Wanted> {
    let id = item.id.clone()?;
    Some(Wanted {
        key: item_key(folder, &id.id),
        id,
        class: item.item_class.clone().unwrap_or_default(),
        subject: item.subject.clone().unwrap_or_default(),
        size_bytes: item.size.unwrap_or(0),
        is_read: item.is_read,
        time_unix_ms: super::choose::time_of(item),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::folder_key;

    fn item(id: &str, change_key: &str) -> Box<Item> {
        let mut item = Box::new(Item::default());
        item.id = Some(ItemId {
            id: id.into(),
            change_key: Some(change_key.into()),
        });
        item
    }

    #[test]
    fn changes_of_one_item_in_a_page_become_one() {
        let mark = ItemChange::ReadFlagChange {
            id: ItemId::new("a"),
            is_read: true,
        };
        let changes = vec![
            ItemChange::Create(item("a", "1")),
            ItemChange::Create(item("b", "1")),
            ItemChange::Update(item("a", "2")),
            mark,
            ItemChange::Create(item("c", "1")),
            ItemChange::Delete(ItemId::new("c")),
            ItemChange::Create(item("b", "1")),
        ];
        let mut read = item("a", "2");
        read.is_read = Some(true);
        let expected = vec![
            ItemChange::Update(read),
            ItemChange::Create(item("b", "1")),
            ItemChange::Delete(ItemId::new("c")),
        ];
        assert_eq!(merge(folder_key("f"), changes), expected);
    }
}

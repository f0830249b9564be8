//! Proves that a folder is complete, and makes it so: by counting, and where the counts differ by
//! comparing all ids.

use std::collections::HashSet;
use std::sync::Arc;

use ews_client::{
    BaseShape, FindItem, FindItemPage, FolderId, FolderIdRef, FolderShape, GetFolder,
    ItemTraversal, Paging, PropertyPath,
};
use mailindex::{Change, FolderKey, ItemKey};
use tokio::task::JoinSet;
use tracing::Instrument;

use super::fetch::{Fetched, batches, fetch};
use super::folder::{Known, compare, wanted_item};
use super::mailbox::Mailbox;
use super::settle::SettledPage;
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::folders::RemoteFolder;
use crate::keys::Holds;
use crate::report::ItemFailure;
use crate::selection::ItemVerdict;
use crate::source::Trial;
use crate::state::{LeftOut, Reading};

/// Exchange returns at most 1,000 rows of a FindItem.
const PAGE: u32 = 1000;

/// Rows of the index looked at in one call.
const INDEX_PAGE: usize = 4096;

impl Mailbox {
    /// Compares the number of items in a folder that was just read with the server's own count,
    /// asked again only when they differ, and lists the folder where they still do.
    pub(super) async fn prove_complete(self: &Arc<Self>, folder: &RemoteFolder) -> Result<()> {
        let key = folder.key;
        let stored = self
            .index
            .run(move |index| index.item_count_with_staged(&key))
            .await?;
        let left_out = self.reading(key).await?.left_out.total();
        let accounted = stored + self.failures_in(&folder.path) + left_out;
        if accounted == u64::from(folder.total)
            || self
                .count_now(folder)
                .await?
                .is_none_or(|count| accounted == count)
        {
            return Ok(());
        }
        self.compare_all(folder).await.map(drop)
    }

    async fn count_now(&self, folder: &RemoteFolder) -> Result<Option<u64>> {
        let request = GetFolder {
            shape: FolderShape::new(BaseShape::IdOnly)
                .with([PropertyPath::field("folder:TotalCount")]),
            ids: vec![folder_ref(folder)],
        };
        let _permit = self.permits.acquire().await;
        let outcomes = self
            .routes
            .of(folder.key)
            .get_folder(&request)
            .await
            .doing(|| format!("count the items of {}", folder.path))?;
        let folder = outcomes.into_iter().next().and_then(Result::ok);
        Ok(folder.and_then(|folder| folder.total_count))
    }

    /// Lists all items of a folder: downloads what is not stored, removes what is not listed.
    /// Returns how many are listed; `None` if the run stopped before the end.
    pub(super) async fn compare_all(
        self: &Arc<Self>,
        folder: &RemoteFolder,
    ) -> Result<Option<u64>> {
        let mut seen = HashSet::new();
        let mut left_out = LeftOut::default();
        let mut offset = 0;
        loop {
            if self.must_stop() {
                return Ok(None);
            }
            let page = self.list_from(folder, folder.holds, offset).await?;
            if offset == 0 && self.are_ordinary(folder, &page).await? {
                break;
            }
            let got = u32::try_from(page.items.len()).unwrap_or(u32::MAX);
            let found: Vec<_> = page
                .items
                .iter()
                .filter_map(|item| wanted_item(folder.key, item))
                .collect();
            let before = seen.len();
            seen.extend(found.iter().map(|found| found.key));
            let news = seen.len() > before;
            let mut known = self
                .known(found.iter().map(|found| found.key).collect())
                .await?;
            let mut wanted = found;
            wanted.retain(|found| {
                let stored = known.remove(&found.key);
                // Conditions are about what users see; the rest belongs to the folder.
                let verdict = match (&stored, folder.holds) {
                    (None, Holds::Items) => self.judge(found),
                    _ => ItemVerdict::Selected,
                };
                if verdict != ItemVerdict::Selected {
                    left_out.add(verdict);
                    return false;
                }
                matches!(compare(found, stored), Known::No)
            });
            self.download(folder, wanted).await?;
            // What is not listed counts as deleted, so the end is believed only where the total
            // confirms it, or where asking for more brings nothing new.
            let all = page.total.is_some_and(|total| seen.len() as u64 >= total);
            if !news || (page.includes_last && all) {
                break;
            }
            offset = page
                .next_offset
                .filter(|next| *next > offset)
                .unwrap_or(offset + got);
        }
        self.settle_all().await?;
        self.note_left_out(folder.key, left_out).await?;
        self.remove_all_but(folder.key, &seen).await?;
        Ok(Some(seen.len() as u64))
    }

    /// A page of a folder's ordinary or associated items.
    async fn list_from(
        &self,
        folder: &RemoteFolder,
        holds: Holds,
        offset: u32,
    ) -> Result<FindItemPage> {
        let paging = Paging {
            offset,
            max_entries: PAGE,
        };
        let request = FindItem {
            traversal: match holds {
                Holds::Items => ItemTraversal::Shallow,
                Holds::Associated => ItemTraversal::Associated,
            },
            ..FindItem::new(folder_ref(folder), self.item_shape(), paging)
        };
        let _permit = self.permits.acquire().await;
        let client = self.routes.of(folder.key);
        let listed = client.find_item(&request).await;
        listed.doing(|| format!("list {}", folder.path))
    }

    /// Whether what a server lists as associated items are the ordinary ones: some ignore what is
    /// asked for, and each item would be stored twice. A count that fits these alone is believed;
    /// otherwise the two lists are compared, once a server.
    async fn are_ordinary(&self, hidden: &RemoteFolder, page: &FindItemPage) -> Result<bool> {
        if hidden.holds != Holds::Associated || page.items.is_empty() || fits_alone(hidden, page) {
            return Ok(false);
        }
        let ability = self.round.exchange.associated();
        let _turn = match ability.trial().await {
            Trial::Has => return Ok(false),
            Trial::Lacks => return Ok(true),
            Trial::Open { _turn } => _turn,
        };
        let ordinary = self.list_from(hidden, Holds::Items, 0).await?;
        if ordinary.items.is_empty() {
            // Nothing that could be taken for associated items; another folder will tell.
            return Ok(false);
        }
        let shared = have_an_item_in_common(&ordinary, page);
        ability.set(!shared);
        Ok(shared)
    }

    /// What is remembered of reading a folder.
    pub(super) async fn reading(&self, key: FolderKey) -> Result<Reading> {
        let row = self.index.run(move |index| index.folder(&key)).await?;
        Ok(row
            .map(|row| Reading::from_bytes(&row.extra).unwrap_or_default())
            .unwrap_or_default())
    }

    /// Writes down what a listing of the whole folder left out.
    async fn note_left_out(&self, key: FolderKey, left_out: LeftOut) -> Result<()> {
        let Some(mut row) = self.index.run(move |index| index.folder(&key)).await? else {
            return Ok(());
        };
        let mut reading = Reading::from_bytes(&row.extra).unwrap_or_default();
        if reading.left_out == left_out {
            return Ok(());
        }
        reading.left_out = left_out;
        row.extra = reading.to_bytes();
        self.index
            .run(move |index| index.stage(&[Change::PutFolder(key, row)]))
            .await
    }

    /// Downloads items outside of a sync and hands them on.
    pub(super) async fn download(
        self: &Arc<Self>,
        folder: &RemoteFolder,
        wanted: Vec<super::fetch::Wanted>,
    ) -> Result<()> {
        let mut downloads = JoinSet::new();
        for batch in batches(wanted) {
            downloads.spawn(fetch(Arc::clone(self), batch).in_current_span());
        }
        let mut rows = Vec::new();
        while let Some(joined) = downloads.join_next().await {
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
                    Fetched::Failed { wanted, reason } => self.failed(ItemFailure {
                        mailbox: self.address.clone(),
                        folder: folder.path.clone(),
                        subject: wanted.subject,
                        item_id: wanted.id.id,
                        reason,
                    }),
                }
            }
        }
        self.settle(SettledPage {
            changes: Vec::new(),
            rows,
            folder: None,
        })
        .await
    }

    /// Removes a folder's stored items that are not among `seen`.
    pub(super) async fn remove_all_but(
        &self,
        folder: FolderKey,
        seen: &HashSet<ItemKey>,
    ) -> Result<()> {
        let mut after: Option<ItemKey> = None;
        loop {
            let page = self
                .index
                .run(move |index| index.items(&folder, after, INDEX_PAGE))
                .await?;
            let Some((last, _)) = page.last() else {
                return Ok(());
            };
            after = Some(*last);
            let gone: Vec<Change> = page
                .iter()
                .filter(|(key, _)| !seen.contains(key))
                .map(|(key, _)| Change::DeleteItem(*key))
                .collect();
            if !gone.is_empty() {
                self.counts.add_deleted(gone.len() as u64);
                self.index.run(move |index| index.stage(&gone)).await?;
            }
        }
    }
}

/// Whether a list of associated items is as long as the folder said, and the other list is not.
fn fits_alone(hidden: &RemoteFolder, page: &FindItemPage) -> bool {
    let told = u64::from(hidden.total);
    page.total == Some(told) && hidden.beside != hidden.total
}

/// An id belongs to one of the two lists of a folder, never to both.
fn have_an_item_in_common(one: &FindItemPage, other: &FindItemPage) -> bool {
    let ids = |page: &'_ FindItemPage| -> HashSet<String> {
        let ids = page.items.iter().filter_map(|item| item.id.as_ref());
        ids.map(|id| id.id.clone()).collect()
    };
    !ids(one).is_disjoint(&ids(other))
}

fn folder_ref(folder: &RemoteFolder) -> FolderIdRef {
    FolderIdRef::Id(FolderId::new(folder.id.clone()))
}

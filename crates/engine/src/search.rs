//! Searches all snapshots of all mailboxes, without any server.
//!
//! Each mailbox has an index of its own in the cache folder, sealed under a key of the
//! repository, and another of what outlived its snapshots. They are brought up to the newest
//! snapshot before a search, which costs what changed.

mod build;
mod office;
mod text;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use chunkstore::TreeReader;
use futures::{StreamExt, TryStreamExt, stream};
use mailindex::{FolderKey, ItemKey};
use mailsearch::{Found, Hit, Index, Scope};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

pub use build::SearchIndexReport;
pub use mailsearch::Query;

use crate::blocking::in_background;
use crate::catalog::shown_key;
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::keys::TreeKey;
use crate::list::StoredItem;
use crate::monitor::{Event, Monitor};
use crate::selection::Selection;
use crate::snapshot::{Snapshot, SnapshotSelector};
use crate::state::{ItemSummary, item_state};
use crate::vault::Vault;

/// Items read at the same time to look for a phrase.
const READ_AT_ONCE: usize = 8;
/// Summaries of hits read at the same time.
const SUMMARIES_AT_ONCE: usize = 16;

/// Where to search, and how much to find.
#[derive(Clone, Debug)]
pub struct SearchOptions {
    /// Only this mailbox; a query's `mailbox:` narrows further.
    pub mailbox: Option<String>,
    /// Only what these snapshots hold; `None` for all there are.
    pub snapshot: Option<SnapshotSelector>,
    /// The newest so many hits; default 100.
    pub limit: usize,
}

impl Default for SearchOptions {
    fn default() -> Self {
        Self {
            mailbox: None,
            snapshot: None,
            limit: 100,
        }
    }
}

/// An item that a search found.
#[derive(Clone, Debug, Serialize)]
pub struct SearchHit {
    /// Its mailbox.
    pub mailbox: String,
    /// The newest snapshot that has it as found, or the tree of kept items: from there it can be
    /// exported and restored.
    pub snapshot: String,
    /// Whether it is in no snapshot any more but was kept by a rule or a hold.
    pub kept: bool,
    /// The key by which commands take it.
    pub key: String,
    /// Its folder's path in that snapshot.
    pub folder: String,
    /// What it is: mail, appointment, contact, task, note, meeting, journal, post or other.
    pub kind: &'static str,
    /// When it was received, otherwise sent, begins or was made; milliseconds since 1970 UTC.
    pub date_unix_ms: Option<i64>,
    /// Its size as the server counts it.
    pub bytes: u64,
    /// Whether it was read.
    pub is_read: Option<bool>,
    /// When the first snapshot without it was made, if it is gone from where it was.
    pub gone_unix_ms: Option<i64>,
    /// Subject, sender, times.
    #[serde(flatten)]
    pub summary: ItemSummary,
    #[serde(skip)]
    pub(crate) item: ItemKey,
}

/// Which trees an index is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Set {
    /// Snapshots: what is missing in the next is gone.
    Snapshots,
    /// Trees of items that outlived their snapshots: each stands alone.
    Kept,
}

impl Set {
    fn of_mailbox(self, trees: &[Snapshot], mailbox: &str) -> Vec<Snapshot> {
        let mine = trees
            .iter()
            .filter(|tree| tree.mailbox == mailbox && tree.kept == (self == Self::Kept));
        mine.cloned().collect()
    }
}

/// What is searched with one index.
struct Part<'a> {
    set: Set,
    mailbox: &'a str,
    /// All trees of the set, and those that hits may be in.
    known: Vec<Snapshot>,
    wanted: Vec<Snapshot>,
}

/// What a search found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct SearchResults {
    /// The newest hits, newest first.
    pub hits: Vec<SearchHit>,
    /// How many items fit; unknown where a search for a phrase stopped at its limit.
    pub total: Option<u64>,
}

impl SearchResults {
    /// The hits as selections of snapshots, for exporting and restoring.
    pub fn selections(&self) -> Vec<(SnapshotSelector, String, Selection)> {
        let mut selections: Vec<(SnapshotSelector, String, Selection)> = Vec::new();
        for hit in &self.hits {
            let id = SnapshotSelector::Id(hit.snapshot.to_lowercase());
            let known = selections
                .iter_mut()
                .find(|(known, mailbox, _)| *known == id && *mailbox == hit.mailbox);
            match known {
                Some((_, _, selection)) => selection.items.push(hit.key.clone()),
                None => {
                    let items = vec![hit.key.clone()];
                    let selection = Selection::of_items(items);
                    selections.push((id, hit.mailbox.clone(), selection));
                }
            }
        }
        selections
    }
}

impl Vault {
    /// Understands a query as users type it; [`Query::parse`] has the language.
    ///
    /// # Errors
    /// `Invalid`, with a text for the user.
    pub fn parse_query(&self, text: &str) -> Result<Query> {
        Query::parse(text, self.now_unix_ms())
            .map_err(|error| Error::new(ErrorKind::Invalid, error.to_string()))
    }

    /// Finds items in the snapshots of all mailboxes, or of one. Indexes are made and brought up
    /// to date first; one that another process is just doing that to is searched as it is.
    ///
    /// A phrase is looked for in the items themselves, newest first, among those that have its
    /// words; everything else is answered by the index alone.
    ///
    /// # Errors
    /// `NotFound` if there is no such mailbox or snapshot, `Sealed` for a vault that a writer's key
    /// opened, `Cancelled`, and those of the repository and the file system.
    pub async fn search(
        &self,
        query: &Query,
        options: &SearchOptions,
        cancel: &CancellationToken,
        monitor: Arc<dyn Monitor>,
    ) -> Result<SearchResults> {
        self.refuse_writer("a search")?;
        let trees = self.snapshots_and_kept().await?;
        let in_scope = match &options.snapshot {
            Some(selector) => selector.choose(trees.clone(), options.mailbox.as_deref())?,
            None => trees.clone(),
        };
        let named: Vec<String> = options.mailbox.iter().cloned().collect();
        let mut all = SearchResults {
            hits: Vec::new(),
            total: Some(0),
        };
        for mailbox in mailboxes_of(&trees, &named)? {
            for set in [Set::Snapshots, Set::Kept] {
                let part = Part {
                    set,
                    mailbox: &mailbox,
                    known: set.of_mailbox(&trees, &mailbox),
                    wanted: set.of_mailbox(&in_scope, &mailbox),
                };
                if part.wanted.is_empty() || !query.admits_mailbox(&mailbox) {
                    continue;
                }
                let found = self
                    .search_part(&part, query, options.limit, cancel, &*monitor)
                    .await?;
                all.hits.extend(found.hits);
                all.total = all.total.zip(found.total).map(|(a, b)| a + b);
            }
        }
        all.hits
            .sort_by_key(|hit| std::cmp::Reverse(hit.date_unix_ms));
        all.hits.truncate(options.limit);
        Ok(all)
    }

    /// Brings the index up to date and asks it; once more if it turns out to be damaged.
    async fn search_part(
        &self,
        part: &Part<'_>,
        query: &Query,
        limit: usize,
        cancel: &CancellationToken,
        monitor: &dyn Monitor,
    ) -> Result<SearchResults> {
        self.ready_index(part, cancel, monitor).await?;
        match self.ask(part, query, limit).await {
            Err(error) if build::is_damaged_index(&error) => {
                let reason = crate::backup::one_line(&error);
                monitor.event(Event::IndexRebuilt {
                    mailbox: part.mailbox,
                    reason: &reason,
                });
                self.remove_search_index(part.mailbox, part.set).await?;
                self.index_mailbox(part.mailbox, part.set, &part.known, cancel, monitor)
                    .await?;
                self.ask(part, query, limit).await
            }
            other => other,
        }
    }

    /// Brings an index up to date, unless another process is doing it.
    async fn ready_index(
        &self,
        part: &Part<'_>,
        cancel: &CancellationToken,
        monitor: &dyn Monitor,
    ) -> Result<()> {
        match self
            .index_mailbox(part.mailbox, part.set, &part.known, cancel, monitor)
            .await
        {
            Err(error) if error.kind() == ErrorKind::Busy => {
                let message = format!(
                    "the search index of {} is being written by another process: \
                     the newest snapshots may be missing",
                    part.mailbox
                );
                monitor.event(Event::Warning { message: &message });
                Ok(())
            }
            other => other.map(drop),
        }
    }

    async fn ask(&self, part: &Part<'_>, query: &Query, limit: usize) -> Result<SearchResults> {
        let deletions = match part.set {
            Set::Snapshots => Vec::new(),
            // No snapshot has what is kept, so each item says itself when it was deleted.
            Set::Kept => query.deletions(),
        };
        if deletions.is_empty() {
            return self.search_mailbox(part, query, limit).await;
        }
        let mut found = self
            .search_mailbox(part, &query.without_deletions(), usize::MAX)
            .await?;
        let newest = self.newest_snapshots().await?;
        let newest = newest.iter().find(|tree| tree.mailbox == part.mailbox);
        let mut hits = Vec::new();
        for hit in found.hits {
            // An older version of what is still there was replaced, not deleted.
            let gone = match self.is_in(&hit, newest).await? {
                true => None,
                false => hit.gone_unix_ms,
            };
            let fits = deletions.iter().all(|(since_unix_ms, negated)| {
                gone.is_some_and(|gone| gone >= *since_unix_ms) != *negated
            });
            hits.extend(fits.then_some(hit));
        }
        found.hits = hits;
        found.total = Some(found.hits.len() as u64);
        found.hits.truncate(limit);
        Ok(found)
    }

    async fn is_in(&self, hit: &SearchHit, snapshot: Option<&Snapshot>) -> Result<bool> {
        let Some(snapshot) = snapshot else {
            return Ok(false);
        };
        let reader = TreeReader::new(self.source(), snapshot.root.clone());
        let entry = reader.get(&TreeKey::Item(hit.item).to_bytes()).await;
        let entry = entry.doing(|| format!("read snapshot {}", snapshot.short_id()))?;
        Ok(entry.is_some())
    }

    async fn search_mailbox(
        &self,
        part: &Part<'_>,
        query: &Query,
        limit: usize,
    ) -> Result<SearchResults> {
        let place = self.search_place(part.mailbox, part.set);
        let scope = Scope::Of(part.wanted.iter().map(|s| s.id.clone()).collect());
        let (asked, phrases) = (query.clone(), query.has_phrases());
        let found: Found = in_background(move || {
            let limit = if phrases { usize::MAX } else { limit };
            Index::open(&place.folder, &place.key)
                .and_then(|index| index.search(&asked, &scope, limit))
                .doing(|| "search the index".into())
        })
        .await?;
        let by_id: HashMap<&str, &Snapshot> = part
            .wanted
            .iter()
            .map(|snapshot| (snapshot.id.as_str(), snapshot))
            .collect();
        if phrases {
            return self.check_phrases(found.hits, query, &by_id, limit).await;
        }
        let total = Some(found.total);
        let hits = stream::iter(found.hits)
            .map(|hit| self.search_hit(hit, &by_id))
            .buffered(SUMMARIES_AT_ONCE)
            .try_collect()
            .await?;
        Ok(SearchResults { hits, total })
    }

    /// Reads candidates, newest first, until enough have the phrases.
    async fn check_phrases(
        &self,
        candidates: Vec<Hit>,
        query: &Query,
        snapshots: &HashMap<&str, &Snapshot>,
        limit: usize,
    ) -> Result<SearchResults> {
        let mut results = SearchResults::default();
        let mut taken = HashSet::new();
        let mut checked = stream::iter(candidates)
            .map(|hit| async move {
                let Some(item) = self.item_of(&hit, snapshots).await? else {
                    return Ok::<_, Error>(None);
                };
                let (document, _) = self.document(&item).await?;
                let asked = query.clone();
                let fits = in_background(move || Ok(asked.has_phrases_of(&document))).await?;
                Ok(fits.then_some(hit))
            })
            .buffered(READ_AT_ONCE);
        while let Some(checked) = checked.try_next().await? {
            let Some(hit) = checked.filter(|hit| taken.insert(hit.key)) else {
                continue;
            };
            if results.hits.len() == limit {
                return Ok(results);
            }
            results.hits.push(self.search_hit(hit, snapshots).await?);
        }
        results.total = Some(results.hits.len() as u64);
        Ok(results)
    }

    async fn search_hit(
        &self,
        hit: Hit,
        snapshots: &HashMap<&str, &Snapshot>,
    ) -> Result<SearchHit> {
        let tree = snapshots.get(hit.snapshot.as_str());
        let kept = tree.is_some_and(|tree| tree.kept);
        let mut gone_unix_ms = hit.gone_unix_ms;
        let mut summary = ItemSummary::default();
        if let Some(item) = self.item_of(&hit, snapshots).await? {
            summary = self.summary(&item.entry).await.unwrap_or_default();
            if kept {
                gone_unix_ms = item.state.seen.and_then(|seen| seen.gone_unix_ms);
            }
        }
        Ok(SearchHit {
            mailbox: tree.map(|tree| tree.mailbox.clone()).unwrap_or_default(),
            kept,
            snapshot: hit.snapshot,
            key: shown_key(&item_key(&hit.key)),
            folder: hit.folder,
            kind: hit.kind.name(),
            date_unix_ms: hit.date_unix_ms,
            bytes: hit.size_bytes,
            is_read: hit.is_read,
            gone_unix_ms,
            item: item_key(&hit.key),
            summary,
        })
    }

    /// The item of a hit, in the snapshot it names.
    async fn item_of(
        &self,
        hit: &Hit,
        snapshots: &HashMap<&str, &Snapshot>,
    ) -> Result<Option<StoredItem>> {
        let Some(snapshot) = snapshots.get(hit.snapshot.as_str()) else {
            return Ok(None);
        };
        let key = item_key(&hit.key);
        let entry = TreeReader::new(self.source(), snapshot.root.clone())
            .get(&TreeKey::Item(key).to_bytes())
            .await
            .doing(|| format!("read snapshot {}", snapshot.short_id()))?;
        entry
            .map(|entry| {
                let state = item_state(&entry)?;
                Ok(StoredItem { key, state, entry })
            })
            .transpose()
    }
}

/// The mailboxes that have snapshots, or those that were named.
fn mailboxes_of(snapshots: &[Snapshot], named: &[String]) -> Result<Vec<String>> {
    let mut all: Vec<String> = snapshots.iter().map(|s| s.mailbox.clone()).collect();
    all.sort();
    all.dedup();
    if named.is_empty() {
        return Ok(all);
    }
    named
        .iter()
        .map(|name| {
            let known = all
                .iter()
                .find(|mailbox| mailbox.to_lowercase() == name.to_lowercase());
            known
                .cloned()
                .ok_or_else(|| Error::new(ErrorKind::NotFound, format!("no snapshot of {name}")))
        })
        .collect()
}

fn item_key(key: &mailsearch::RowKey) -> ItemKey {
    let mut folder = [0; 8];
    let mut item = [0; 16];
    folder.copy_from_slice(&key[..8]);
    item.copy_from_slice(&key[8..]);
    ItemKey {
        folder: FolderKey(folder),
        item,
    }
}

/// The text of an office document.
#[cfg(postkeep_fuzz)]
pub(crate) fn document_text(bytes: &[u8]) -> String {
    office::text(bytes)
}

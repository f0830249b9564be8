//! Brings search indexes up to the newest snapshots.

use std::path::PathBuf;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use mailsearch::{
    ContentKey, Document, ErrorKind as SearchErrorKind, IndexWriter, Mark, Offer, Opened, Row,
    Update, UpdateStats, remove_index,
};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use super::Set;
use super::text::{self, About};
use crate::blocking::in_background;
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::list::StoredItem;
use crate::monitor::{Event, Monitor};
use crate::report::BackupReport;
use crate::snapshot::Snapshot;
use crate::vault::Vault;

/// Items offered to the index at once.
const OFFERED_AT_ONCE: usize = 1_000;
/// Streams read and taken apart at the same time.
const READ_AT_ONCE: usize = 4;
/// Documents in memory at the same time.
const DOCUMENTS_AT_ONCE: usize = 64;
/// An item with a longer stream is found by its summary only: it is not worth reading hundreds of
/// megabytes of attachments for the words of a body.
const MAX_STREAM_BYTES: u64 = 64 << 20;

/// What became of a mailbox's search index.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SearchIndexReport {
    /// The mailbox.
    pub mailbox: String,
    /// Snapshots added.
    pub snapshots: u64,
    /// Items whose text was read and added.
    pub documents: u64,
    /// Items that could not be read, or are very large: found by subject, sender and recipients.
    pub by_summary_only: u64,
    /// Why the index was made anew, if it was.
    pub rebuilt: Option<String>,
}

/// A mailbox's index on disk.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) folder: PathBuf,
    pub(super) key: Arc<Zeroizing<[u8; 32]>>,
}

impl Vault {
    /// Where a mailbox's search index is. Its name tells nothing without the repository's key.
    pub(super) fn search_place(&self, mailbox: &str, set: Set) -> Place {
        // No address begins like the second.
        let about = match set {
            Set::Snapshots => "",
            Set::Kept => "\u{1}kept:",
        };
        let mailbox = mailbox.to_lowercase();
        let context = format!("postkeep search index 1 of {about}{mailbox}");
        let key = self.repository().derive_key(&context);
        let name = blake3::keyed_hash(&key, b"folder").to_hex();
        Place {
            folder: self.cache.join(self.id()).join("search").join(&name[..24]),
            key: Arc::new(key),
        }
    }

    /// Adds what is new in the snapshots of mailboxes to their search indexes; all mailboxes if
    /// none is named. Only texts that no earlier snapshot had are read. `rebuild` begins anew.
    ///
    /// An index that is damaged is made anew, and said so ([`Event::IndexRebuilt`]).
    ///
    /// # Errors
    /// `NotFound` if there is no snapshot of a mailbox, `Sealed` for a vault that a writer's key
    /// opened, `Busy` if another process is at the same
    /// work, `Cancelled` (what was done is kept), and those of the repository and the file system.
    pub async fn index_for_search(
        &self,
        mailboxes: &[String],
        rebuild: bool,
        cancel: &CancellationToken,
        monitor: Arc<dyn Monitor>,
    ) -> Result<Vec<SearchIndexReport>> {
        // Indexes are built from bodies: a machine that must not read has none.
        self.refuse_writer("an index for searching")?;
        let trees = self.snapshots_and_kept().await?;
        let mut reports = Vec::new();
        for mailbox in super::mailboxes_of(&trees, mailboxes)? {
            let mut report = SearchIndexReport::default();
            for set in [Set::Kept, Set::Snapshots] {
                if rebuild {
                    self.remove_search_index(&mailbox, set).await?;
                }
                let of_mailbox = set.of_mailbox(&trees, &mailbox);
                let before = report;
                report = self
                    .index_mailbox(&mailbox, set, &of_mailbox, cancel, &*monitor)
                    .await?;
                report.documents += before.documents;
                report.by_summary_only += before.by_summary_only;
            }
            reports.push(report);
        }
        Ok(reports)
    }

    /// Indexes what a backup has just committed. The backup is whole without it: what goes wrong
    /// is said and left to the next search.
    pub(crate) async fn index_backed_up(
        &self,
        report: &mut BackupReport,
        cancel: &CancellationToken,
        monitor: Arc<dyn Monitor>,
    ) {
        let committed = report.mailboxes.iter().filter(|m| m.snapshot.is_some());
        let mailboxes: Vec<String> = committed.map(|m| m.mailbox.clone()).collect();
        for mailbox in mailboxes {
            if cancel.is_cancelled() {
                return;
            }
            let one = std::slice::from_ref(&mailbox);
            match self
                .index_for_search(one, false, cancel, Arc::clone(&monitor))
                .await
            {
                Ok(indexed) => report.search_indexes.extend(indexed),
                Err(error) => {
                    let reason = crate::backup::one_line(&error);
                    let message =
                        format!("the search index of {mailbox} is not up to date: {reason}");
                    monitor.event(Event::Warning { message: &message });
                }
            }
        }
    }

    /// Removes all search indexes of a mailbox; returns how many there were.
    pub(crate) async fn remove_search_indexes(&self, mailbox: &str) -> Result<u64> {
        let mut removed = 0;
        for set in [Set::Kept, Set::Snapshots] {
            if self.search_place(mailbox, set).folder.exists() {
                self.remove_search_index(mailbox, set).await?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    pub(super) async fn remove_search_index(&self, mailbox: &str, set: Set) -> Result<()> {
        let place = self.search_place(mailbox, set);
        in_background(move || {
            remove_index(&place.folder).doing(|| "remove the search index".into())
        })
        .await
    }

    /// Indexes the snapshots that are not indexed yet; starts over once if the index is damaged.
    pub(super) async fn index_mailbox(
        &self,
        mailbox: &str,
        set: Set,
        snapshots: &[Snapshot],
        cancel: &CancellationToken,
        monitor: &dyn Monitor,
    ) -> Result<SearchIndexReport> {
        let mut report = SearchIndexReport {
            mailbox: mailbox.to_owned(),
            ..SearchIndexReport::default()
        };
        if set == Set::Kept && snapshots.is_empty() {
            return Ok(report);
        }
        let place = self.search_place(mailbox, set);
        match self
            .add_snapshots(place.clone(), snapshots, cancel, monitor, &mut report)
            .await
        {
            Err(error) if is_damaged_index(&error) => {
                let reason = crate::backup::one_line(&error);
                monitor.event(Event::IndexRebuilt {
                    mailbox,
                    reason: &reason,
                });
                self.remove_search_index(mailbox, set).await?;
                report = SearchIndexReport {
                    mailbox: mailbox.to_owned(),
                    rebuilt: Some(reason),
                    ..SearchIndexReport::default()
                };
                self.add_snapshots(place, snapshots, cancel, monitor, &mut report)
                    .await?;
            }
            other => other?,
        }
        Ok(report)
    }

    async fn add_snapshots(
        &self,
        place: Place,
        snapshots: &[Snapshot],
        cancel: &CancellationToken,
        monitor: &dyn Monitor,
        report: &mut SearchIndexReport,
    ) -> Result<()> {
        let random = Arc::clone(&self.environment.random);
        let (writer, opened) = in_background(move || {
            IndexWriter::open(&place.folder, &place.key, random)
                .doing(|| "open the search index".into())
        })
        .await?;
        if let Opened::Replaced { reason } = opened {
            let mailbox = &report.mailbox;
            monitor.event(Event::IndexRebuilt {
                mailbox,
                reason: &reason,
            });
            report.rebuilt = Some(reason);
        }
        let known: Vec<String> = writer.marks().iter().map(|mark| mark.id.clone()).collect();
        let new: Vec<&Snapshot> = snapshots
            .iter()
            .filter(|s| !known.contains(&s.id))
            .collect();
        if new.is_empty() {
            return Ok(());
        }
        let begin = || writer.update().doing(|| "read the search index".into());
        let mut update = in_background(begin).await?;
        for snapshot in new {
            update = self
                .add_snapshot(snapshot, update, cancel, monitor, report)
                .await?;
            report.snapshots += 1;
        }
        let stats = finish(update).await?;
        report.documents = stats.documents;
        Ok(())
    }

    async fn add_snapshot(
        &self,
        snapshot: &Snapshot,
        mut update: Update,
        cancel: &CancellationToken,
        monitor: &dyn Monitor,
        report: &mut SearchIndexReport,
    ) -> Result<Update> {
        let (mailbox, items) = (&snapshot.mailbox, snapshot.about.items);
        monitor.event(Event::ItemsExpected { mailbox, items });
        for folder in self.stored_folders(snapshot).await? {
            monitor.event(Event::Folder {
                mailbox,
                path: &folder.path,
            });
            let mut batches = self
                .stored_items(snapshot, folder.key)
                .try_chunks(OFFERED_AT_ONCE);
            while let Some(batch) = batches.next().await {
                let batch = batch.map_err(|error| error.1)?;
                let count = batch.len() as u64;
                update = self.add_batch(&folder.path, batch, update, report).await?;
                monitor.event(Event::Transferred {
                    mailbox,
                    items: count,
                    bytes: 0,
                });
                if cancel.is_cancelled() {
                    finish(update).await?;
                    let message = "indexing was stopped; it continues where it was";
                    return Err(Error::new(ErrorKind::Cancelled, message));
                }
            }
        }
        let mark = Mark {
            id: snapshot.id.clone(),
            time_unix_ms: snapshot.time_unix_ms,
        };
        in_background(move || {
            update
                .end_snapshot(mark)
                .doing(|| "write the search index".into())?;
            Ok(update)
        })
        .await
    }

    async fn add_batch(
        &self,
        folder: &str,
        items: Vec<StoredItem>,
        mut update: Update,
        report: &mut SearchIndexReport,
    ) -> Result<Update> {
        let rows: Vec<(StoredItem, Row)> = items
            .into_iter()
            .map(|item| {
                let row = row(&item, folder);
                (item, row)
            })
            .collect();
        let (mut update, wanted) = in_background(move || {
            let mut wanted = Vec::new();
            for (item, row) in rows {
                let offer = update
                    .offer(&row)
                    .doing(|| "write the search index".into())?;
                if offer == Offer::Wanted {
                    wanted.push((item, row));
                }
            }
            Ok((update, wanted))
        })
        .await?;
        let mut documents = stream::iter(wanted)
            .map(|(item, row)| async move {
                let (document, whole) = self.document(&item).await?;
                Ok::<_, Error>((row, document, whole))
            })
            .buffered(READ_AT_ONCE)
            .try_chunks(DOCUMENTS_AT_ONCE);
        while let Some(ready) = documents.next().await {
            let ready = ready.map_err(|error| error.1)?;
            report.by_summary_only += ready.iter().filter(|(_, _, whole)| !whole).count() as u64;
            update = in_background(move || {
                for (row, document, _) in &ready {
                    update
                        .add(row, document)
                        .doing(|| "write the search index".into())?;
                }
                Ok(update)
            })
            .await?;
        }
        Ok(update)
    }

    /// An item's document, and whether it was made from all of the item. Only a repository that
    /// cannot be reached is an error.
    pub(super) async fn document(&self, item: &StoredItem) -> Result<(Document, bool)> {
        let summary = self.summary(&item.entry).await.unwrap_or_default();
        let (class, size_bytes) = (item.state.item_class.clone(), item.state.size_bytes);
        let read = match item.content() {
            Ok(content) if content.len <= MAX_STREAM_BYTES => {
                self.read_whole(content, MAX_STREAM_BYTES).await.map(Some)
            }
            _ => Ok(None),
        };
        let native = match read {
            Ok(native) => native,
            Err(error) if error.kind() == ErrorKind::Unreachable => return Err(error),
            Err(_) => None,
        };
        in_background(move || {
            let about = About {
                class: &class,
                size_bytes,
                summary: &summary,
            };
            Ok(match native {
                Some(native) => (text::document(&native, &about), true),
                None => (text::from_summary(&about), false),
            })
        })
        .await
    }
}

fn row(item: &StoredItem, folder: &str) -> Row {
    let mut key = [0; 24];
    key[..8].copy_from_slice(&item.key.folder.0);
    key[8..].copy_from_slice(&item.key.item);
    // Equal streams have equal references, since chunks are named by their bytes; an item whose
    // stream is missing is known by its class and size.
    let mut hasher = blake3::Hasher::new_derive_key("postkeep search content 1");
    match item.content() {
        Ok(content) => hasher.update(&content.encode()),
        Err(_) => hasher.update(&item.key.item),
    };
    hasher.update(item.state.item_class.as_bytes());
    let mut content = ContentKey::default();
    let hash = hasher.finalize();
    let (begin, _) = hash.as_bytes().split_at(content.len());
    content.copy_from_slice(begin);
    Row {
        key,
        content,
        folder: folder.to_owned(),
        is_read: item.state.is_read,
    }
}

async fn finish(update: Update) -> Result<UpdateStats> {
    in_background(move || {
        let (_, stats) = update.finish().doing(|| "write the search index".into())?;
        Ok(stats)
    })
    .await
}

/// Whether the index, not the repository, is damaged.
pub(super) fn is_damaged_index(error: &Error) -> bool {
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        if let Some(cause) = cause.downcast_ref::<mailsearch::Error>() {
            return cause.kind() == SearchErrorKind::Corrupt;
        }
        source = cause.source();
    }
    false
}

impl<T> Doing<T> for Result<T, mailsearch::Error> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| {
            let kind = match error.kind() {
                SearchErrorKind::Busy => ErrorKind::Busy,
                SearchErrorKind::NotFound => ErrorKind::NotFound,
                SearchErrorKind::Corrupt => ErrorKind::Corrupt,
                SearchErrorKind::Denied => ErrorKind::Denied,
                SearchErrorKind::NoSpace => ErrorKind::NoSpace,
                SearchErrorKind::Invalid => ErrorKind::Invalid,
                _ => ErrorKind::Internal,
            };
            Error::with_source(kind, what(), error)
        })
    }
}

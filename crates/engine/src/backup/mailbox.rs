//! Reads one mailbox in one round: which folders can have changed, what changed in them, and the
//! snapshot that results.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use chunkstore::{ChunkKind, NewSnapshot, SegmentOptions, SegmentStore, write_tree};
use ews_client::Client;
use futures::future::ready;
use futures::{StreamExt, TryStreamExt, stream};
use mailindex::{Change, FolderKey, FolderRow, Row, RowKey};
use tokio::sync::Semaphore;

use super::coverage::hidden_can_have_changed;
use super::fetch::Wanted;
use super::folder::FolderRead;
use super::settings::SettingsPart;
use super::settle::Settling;
use super::{Read, Round};
use crate::blocking::IndexHandle;
use crate::error::{Doing, Error, Result};
use crate::folders::{RemoteFolder, RemoteFolders};
use crate::keys::TreeKey;
use crate::mailbox_name::{MailboxName, MailboxPart};
use crate::monitor::Event;
use crate::report::{Gap, ItemFailure, MailboxReport};
use crate::routes::Routes;
use crate::snapshot::{About, Snapshot};
use crate::state::{Reading, folder_entry, item_entry};

/// Staged rows read from the index at once when a snapshot is written.
const STAGED_PAGE: usize = 2_000;

/// A mailbox being read: what its downloads and pages share.
pub(super) struct Mailbox {
    pub(super) round: Round,
    /// The name under which its snapshots stand.
    pub(super) address: String,
    pub(super) name: MailboxName,
    /// Who is asked for what.
    pub(super) routes: Routes,
    /// Bounds the requests under way.
    pub(super) permits: Semaphore,
    pub(super) index: IndexHandle,
    pub(super) skeletons: SegmentStore,
    pub(super) summaries: SegmentStore,
    pub(super) settling: Settling,
    pub(super) counts: Counts,
    /// Rows of folders that hold the associated items of others.
    pub(super) hidden_folders: AtomicU64,
    failures: Mutex<Vec<ItemFailure>>,
    /// Whether work was left for the next round or run.
    cut_short: AtomicBool,
}

/// What came of looking at a mailbox's folders.
#[derive(Default)]
struct Looked {
    folders_read: u64,
    /// Whether anything at all can have changed since the last run.
    has_changed: bool,
    gaps: Vec<Gap>,
}

/// What was counted while a mailbox was read.
#[derive(Default)]
pub(super) struct Counts {
    downloaded: AtomicU64,
    bytes: AtomicU64,
    flagged: AtomicU64,
    deleted: AtomicU64,
}

impl Counts {
    pub(super) fn add_downloaded(&self, bytes: u64) {
        self.downloaded.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn add_flagged(&self) {
        self.flagged.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn add_deleted(&self, items: u64) {
        self.deleted.fetch_add(items, Ordering::Relaxed);
    }
}

/// Reads a mailbox and puts its snapshot into the round's session.
pub(super) async fn read(
    round: Round,
    name: MailboxName,
    parent: Option<Snapshot>,
) -> Result<Read> {
    let address = name.stored();
    round
        .monitor
        .event(Event::MailboxStarted { mailbox: &address });
    let permits = Semaphore::new(round.options.requests_per_mailbox.max(1));
    // Before anything is written here: a mailbox that cannot be opened leaves no trace.
    let remote = RemoteFolders::read(&round.exchange, &name, &permits).await?;
    let index = round
        .vault
        .index(&address, parent.as_ref(), &*round.monitor)
        .await?;
    let session = Arc::new(round.session.clone());
    let summaries = SegmentOptions {
        kind: ChunkKind::Meta,
        ..SegmentOptions::default()
    };
    let mailbox = Arc::new(Mailbox {
        routes: remote.routes.clone(),
        permits,
        index,
        skeletons: SegmentStore::new(session.clone(), SegmentOptions::default()),
        summaries: SegmentStore::new(session, summaries),
        settling: Settling::default(),
        counts: Counts::default(),
        failures: Mutex::new(Vec::new()),
        cut_short: AtomicBool::new(false),
        round,
        address,
        name,
        hidden_folders: AtomicU64::new(0),
    });
    let mut looked = if mailbox.round.options.selection.items.is_empty() {
        mailbox.read_folders(&remote).await?
    } else {
        Looked {
            folders_read: mailbox.read_items(&remote).await?,
            ..Looked::default()
        }
    };
    mailbox.settle_all().await?;
    mailbox.count_hidden(&remote).await?;
    let also = mailbox.asked_beside(&remote);
    let (has_changed, gaps) = (looked.has_changed, &mut looked.gaps);
    let settings = mailbox
        .settings(&remote, parent.as_ref(), has_changed, gaps)
        .await?;
    let same_settings =
        |parent: &Snapshot| settings.changes.is_empty() && settings.read == parent.about.settings;
    let unchanged = parent.as_ref().filter(|parent| {
        let asked = mailbox.round.options.only_changed && !parent.partial;
        asked && !has_changed && !mailbox.was_cut_short() && same_settings(parent)
    });
    let mut read = match unchanged {
        Some(parent) => mailbox.as_before(parent, looked),
        None => mailbox.snapshot(parent.as_ref(), looked, settings).await?,
    };
    if read.report.complete {
        read.also = also;
    }
    Ok(read)
}

impl Mailbox {
    /// Reads every selected folder that can have changed.
    async fn read_folders(self: &Arc<Self>, remote: &RemoteFolders) -> Result<Looked> {
        let known: HashMap<FolderKey, FolderRow> = self
            .index
            .run(|index| index.folders())
            .await?
            .into_iter()
            .collect();
        let mut gaps = self.gaps_beside(remote);
        let chosen = self.chosen_folders(remote, &mut gaps)?;
        let mut changed = Vec::new();
        let mut rows = Vec::new();
        for folder in chosen {
            let row = known.get(&folder.key);
            let hidden = known.get(&folder.hidden().key);
            if self.can_have_changed(folder, row) || hidden_can_have_changed(folder, hidden) {
                changed.push(folder.clone());
            }
            let mut new_row = self.folder_row(folder, row);
            if let Some(row) = row {
                // The marks of change are those at which the contents were last read.
                (new_row.commit_time, new_row.deleted_count) = (row.commit_time, row.deleted_count);
                new_row.total_count = row.total_count;
            } else {
                (new_row.commit_time, new_row.deleted_count) = (None, None);
            }
            if row != Some(&new_row) {
                rows.push(Change::PutFolder(folder.key, new_row));
            }
        }
        if self.round.options.selection.is_every_folder() {
            self.drop_folders(remote, &known, &mut rows).await?;
        }
        let has_changed = !(changed.is_empty() && rows.is_empty());
        if !rows.is_empty() {
            self.index.run(move |index| index.stage(&rows)).await?;
        }
        let items = changed.iter().map(|folder| u64::from(folder.total)).sum();
        self.round.monitor.event(Event::ItemsExpected {
            mailbox: &self.address,
            items,
        });
        let folders_read = changed.len() as u64;
        self.read_changed(changed).await?;
        self.gaps_within(remote, &mut gaps).await?;
        if self.round.exchange.export().is_lacking() {
            let reason = "the server has no ExportItems, so items are kept as MIME text and \
                          properties: what neither of these tells is not covered, and associated \
                          items cannot be put back";
            gaps.push(self.gap("items in full fidelity", reason));
        }
        if self.round.exchange.associated().is_lacking() {
            let reason = "the server lists ordinary items where associated ones are asked for \
                          (it ignores Traversal=\"Associated\"): what it has of these is not covered";
            gaps.push(self.gap("associated items", reason));
        }
        Ok(Looked {
            folders_read,
            has_changed,
            gaps,
        })
    }

    async fn read_changed(self: &Arc<Self>, changed: Vec<RemoteFolder>) -> Result<()> {
        let at_once = self.round.options.requests_per_mailbox.max(1);
        let reads: Vec<_> = changed
            .iter()
            .cloned()
            .map(|folder| self.clone().read_one(folder))
            .collect();
        stream::iter(reads)
            .buffer_unordered(at_once)
            .try_collect::<()>()
            .await?;
        self.settle_all().await?;
        if self.name.part() == MailboxPart::Public {
            // They are always listed as a whole.
            return Ok(());
        }
        for folder in &changed {
            if self.must_stop() {
                break;
            }
            self.prove_complete(folder).await?;
        }
        Ok(())
    }

    async fn read_one(self: Arc<Self>, folder: RemoteFolder) -> Result<()> {
        if self.must_stop() {
            return Ok(());
        }
        let event = Event::Folder {
            mailbox: &self.address,
            path: &folder.path,
        };
        self.round.monitor.event(event);
        // First what users do not see: the folder's own row says that all of it was read.
        self.read_hidden(&folder).await?;
        if self.name.part() == MailboxPart::Public {
            return self.read_by_listing(&folder).await;
        }
        FolderRead::new(self, folder).await?.run().await
    }

    /// Folders that are stored and no longer exist go, with all in them.
    async fn drop_folders(
        &self,
        remote: &RemoteFolders,
        known: &HashMap<FolderKey, FolderRow>,
        rows: &mut Vec<Change>,
    ) -> Result<()> {
        let live: std::collections::HashSet<_> = remote
            .folders
            .iter()
            .flat_map(|folder| [folder.key, folder.hidden().key])
            .collect();
        for key in known.keys().filter(|key| !live.contains(key)).copied() {
            let items = self.index.run(move |index| index.item_count(&key)).await?;
            self.counts.add_deleted(items);
            rows.push(Change::DeleteFolder(key));
        }
        Ok(())
    }

    /// Whether a folder has to be looked at: not if the marks the server keeps are what they
    /// were, it was read to its end, and that is not too long ago.
    fn can_have_changed(&self, folder: &RemoteFolder, row: Option<&FolderRow>) -> bool {
        let Some(row) = row else { return true };
        let age_ms = self.round.vault.now_unix_ms() - row.last_full_sync_unix_ms;
        let limit = i64::try_from(self.round.options.full_sync_after.as_millis());
        let reading = Reading::from_bytes(&row.extra).unwrap_or_default();
        !row.sync_done
            || self.must_list(&reading)
            || folder.commit_time.is_none()
            || folder.commit_time != row.commit_time
            || folder.deleted != row.deleted_count
            || folder.total != row.total_count
            || age_ms > limit.unwrap_or(i64::MAX)
    }

    /// A folder's row as the server describes it, with what is known of its reading.
    pub(super) fn folder_row(&self, folder: &RemoteFolder, known: Option<&FolderRow>) -> FolderRow {
        FolderRow {
            folder_id: folder.id.clone(),
            parent: folder.parent,
            display_name: folder.name.clone(),
            folder_class: folder.class.clone(),
            distinguished: folder.distinguished.clone(),
            total_count: folder.total,
            sync_state: known.and_then(|row| row.sync_state.clone()),
            sync_done: known.is_some_and(|row| row.sync_done),
            commit_time: folder.commit_time,
            deleted_count: folder.deleted,
            last_full_sync_unix_ms: known.map_or(0, |row| row.last_full_sync_unix_ms),
            extra: known.map(|row| row.extra.clone()).unwrap_or_default(),
        }
    }

    /// Who is asked for items, which are all of one folder.
    pub(super) fn client_of(&self, items: &[Wanted]) -> &Client {
        match items.first() {
            Some(first) => self.routes.of(first.key.folder),
            None => self.routes.hierarchy(),
        }
    }

    /// Asked where work is left: whether to leave it.
    pub(super) fn must_stop(&self) -> bool {
        let stop = self.round.stop.now();
        if stop {
            self.cut_short.store(true, Ordering::Relaxed);
        }
        stop
    }

    /// Whether work was left for the next round or run.
    pub(super) fn was_cut_short(&self) -> bool {
        self.cut_short.load(Ordering::Relaxed)
    }

    pub(super) fn failed(&self, failure: ItemFailure) {
        self.round
            .monitor
            .event(Event::ItemFailed { failure: &failure });
        self.failures
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(failure);
    }

    /// How many items of a folder could not be read in this round.
    pub(super) fn failures_in(&self, path: &str) -> u64 {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures
            .iter()
            .filter(|failure| failure.folder == path)
            .count() as u64
    }

    pub(super) fn gap(&self, what: &str, reason: &str) -> Gap {
        Gap {
            mailbox: self.address.clone(),
            what: what.into(),
            reason: reason.into(),
        }
    }

    /// Nothing changed, so that the snapshot there is says all.
    fn as_before(&self, parent: &Snapshot, looked: Looked) -> Read {
        let report = MailboxReport {
            mailbox: self.address.clone(),
            complete: true,
            folders: parent.about.folders,
            folders_read: looked.folders_read,
            items: parent.about.items,
            ..MailboxReport::default()
        };
        Read {
            report,
            failures: Vec::new(),
            gaps: looked.gaps,
            index: self.index.clone(),
            snapshot: None,
            time_unix_ms: parent.time_unix_ms,
            also: Vec::new(),
        }
    }

    /// Writes the tree of what changed and the snapshot that names it.
    async fn snapshot(
        &self,
        parent: Option<&Snapshot>,
        looked: Looked,
        settings: SettingsPart,
    ) -> Result<Read> {
        // Settings stand behind everything that the index has.
        let beside = stream::iter(settings.changes.into_iter().map(Ok));
        let changes = staged_changes(self.index.clone()).chain(beside);
        let session = Arc::new(self.round.session.clone());
        let parent_root = parent.map(|parent| &parent.root);
        let root = write_tree(
            session,
            self.round.vault.source(),
            parent_root,
            changes.boxed(),
        )
        .await?;
        let complete = !self.was_cut_short();
        let failures =
            std::mem::take(&mut *self.failures.lock().unwrap_or_else(PoisonError::into_inner));
        let totals = self.index.run(|index| index.counts_with_staged()).await?;
        let hidden = self.hidden_folders.load(Ordering::Relaxed);
        let folders = totals.folders.saturating_sub(hidden);
        let options = &self.round.options;
        let about = About {
            server: self.round.exchange.server().to_owned(),
            program: options.program.clone(),
            folders,
            items: totals.items,
            bytes: totals.item_bytes,
            failures: failures.len() as u64,
            selection: options.selection.describe(),
            settings: settings.read,
            reader: self.name.reader().map(str::to_owned),
            copy_of: None,
        };
        let value = about.to_bytes()?;
        let time_unix_ms = self.round.vault.now_unix_ms();
        let snapshot = self
            .round
            .session
            .add_snapshot(NewSnapshot {
                name: self.address.clone(),
                time_unix_ms,
                partial: !complete,
                root,
                value,
            })
            .doing(|| "add the snapshot".into())?;
        let report = MailboxReport {
            mailbox: self.address.clone(),
            snapshot: Some(snapshot.to_string()),
            complete,
            folders,
            folders_read: looked.folders_read,
            items: totals.items,
            items_downloaded: self.counts.downloaded.load(Ordering::Relaxed),
            items_flagged: self.counts.flagged.load(Ordering::Relaxed),
            items_deleted: self.counts.deleted.load(Ordering::Relaxed),
            bytes_downloaded: self.counts.bytes.load(Ordering::Relaxed),
            error: None,
        };
        Ok(Read {
            report,
            failures,
            gaps: looked.gaps,
            index: self.index.clone(),
            snapshot: Some(snapshot),
            time_unix_ms,
            also: Vec::new(),
        })
    }
}

/// The staged rows of the index as changes of the snapshot's tree, in its order.
fn staged_changes(
    index: IndexHandle,
) -> impl futures::Stream<Item = Result<chunkstore::Change>> + Send {
    // The index keeps a folder next to its items; the tree keeps all folders before all items.
    let folders = staged_rows(index.clone())
        .try_filter(|change| ready(matches!(change.row_key, RowKey::Folder(_))));
    let items =
        staged_rows(index).try_filter(|change| ready(matches!(change.row_key, RowKey::Item(_))));
    folders
        .chain(items)
        .and_then(|change| ready(tree_change(change)))
}

fn staged_rows(
    index: IndexHandle,
) -> impl futures::Stream<Item = Result<mailindex::StagedChange>> + Send {
    stream::try_unfold(None::<Vec<u8>>, move |after| {
        let index = index.clone();
        async move {
            let page = index
                .run(move |index| index.staged(after, STAGED_PAGE))
                .await?;
            let Some(last) = page.last().map(|change| change.key.clone()) else {
                return Ok(None);
            };
            Ok::<_, Error>(Some((stream::iter(page.into_iter().map(Ok)), Some(last))))
        }
    })
    .try_flatten()
}

fn tree_change(change: mailindex::StagedChange) -> Result<chunkstore::Change> {
    Ok(match (change.row_key, change.row) {
        (RowKey::Folder(key), Some(Row::Folder(row))) => folder_entry(key, &row).into(),
        (RowKey::Item(key), Some(Row::Item(row))) => item_entry(key, &row)?.into(),
        (RowKey::Folder(key), _) => chunkstore::Change::remove(TreeKey::Folder(key).to_bytes()),
        (RowKey::Item(key), _) => chunkstore::Change::remove(TreeKey::Item(key).to_bytes()),
    })
}

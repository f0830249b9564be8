//! Brings lost bytes back: from a second repository, from the server, from the items themselves.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use chunkstore::{
    ChunkKind, ChunkSink, ChunkSource, Content, Format, ItemWriter, Opaque, PendingContent, Repair,
    SegmentOptions, SegmentStore, Session, TreeReader, TreeRoot, write_tree,
};
use ews_client::ItemId;
use fasttransfer::Summariser;
use futures::{StreamExt, stream};
use tokio::sync::Semaphore;

use super::lost::{Losses, Lost};
use super::packs::{Donors, failed};
use super::trees::{Rebuilt, Tree};
use crate::copy::carry::{Staged, StagedContent};
use crate::copy::wanted::Wanted;
use crate::error::{Doing, Error, Result};
use crate::folders::RemoteFolders;
use crate::keys::TreeKey;
use crate::mailbox_name::{MailboxName, MailboxPart};
use crate::portable;
use crate::restore::live::{LiveRead, LiveReader, Wanted as WantedLive};
use crate::routes::Routes;
use crate::source::Exchange;
use crate::state::{Form, ItemSummary, item_state, summary_bytes};
use crate::vault::Vault;

/// The segment group of all that is healed.
const GROUP: u64 = 0;
/// Snapshots of the second repository that are looked through for one version of an item.
const MAX_TRIES: usize = 100;
/// Items asked of the server at once.
const LIVE_ITEMS: usize = 50;
/// Requests to the server at the same time.
const REQUESTS: usize = 2;
/// The largest item that a summary is made of; EWS cannot carry larger ones.
const MAX_ITEM_BYTES: u64 = 256 << 20;

/// What was healed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) from_repository: u64,
    pub(super) from_server: u64,
    pub(super) summaries: u64,
}

/// Writes healed bytes to the session of a repair.
pub(super) struct Healer<'a> {
    pub(super) vault: &'a Vault,
    pub(super) donors: Donors<'a>,
    pub(super) counts: Counts,
    pub(super) failures: Vec<String>,
    session: Session,
    skeletons: SegmentStore,
    summaries: SegmentStore,
    /// What takes the place of lost contents, when its segments are closed.
    coming: Vec<(Content, PendingContent)>,
}

impl<'a> Healer<'a> {
    pub(super) fn new(vault: &'a Vault, repair: &Repair, donors: Donors<'a>) -> Self {
        let session = repair.session().clone();
        let sink: Arc<Session> = Arc::new(session.clone());
        let summaries = SegmentOptions {
            kind: ChunkKind::Meta,
            ..SegmentOptions::default()
        };
        Self {
            vault,
            donors,
            counts: Counts::default(),
            failures: Vec::new(),
            skeletons: SegmentStore::new(sink.clone(), SegmentOptions::default()),
            summaries: SegmentStore::new(sink, summaries),
            session,
            coming: Vec::new(),
        }
    }

    pub(super) fn session(&self) -> Arc<dyn ChunkSource> {
        Arc::new(self.session.clone())
    }

    /// Notes that a donor could not help, once for each reason.
    pub(super) fn note_failure(&mut self, donor: &str, failure: Result<()>) {
        if let Err(error) = failure {
            let line = failed(donor, &error);
            if !self.failures.contains(&line) {
                self.failures.push(line);
            }
        }
    }

    /// Stores a content of the second repository; `None` if it cannot be read there.
    pub(super) async fn copy(
        &mut self,
        number: usize,
        content: &Content,
    ) -> Result<Option<PendingContent>> {
        let Some(other) = self.donors.other else {
            return Ok(None);
        };
        let bytes = other.read_whole(content, MAX_ITEM_BYTES).await;
        match bytes {
            Ok(bytes) => self.store(number, content.format, &bytes).await.map(Some),
            Err(error) => {
                self.note_failure("the second repository", Err(error));
                Ok(None)
            }
        }
    }

    /// Stores bytes as an item or a summary, taken apart by the format with this number where it
    /// reproduces them.
    async fn store(&self, number: usize, format: u8, bytes: &[u8]) -> Result<PendingContent> {
        let store = match number {
            0 => &self.skeletons,
            _ => &self.summaries,
        };
        let opaque: Arc<dyn Format> = Arc::new(Opaque);
        let format = self.vault.formats.get(format);
        match write_bytes(store, format.unwrap_or_else(|| opaque.clone()), bytes).await {
            Err(error) if error.kind() == chunkstore::ErrorKind::SplitMismatch => {
                write_bytes(store, opaque, bytes).await
            }
            done => done,
        }
        .doing(|| "store healed bytes".into())
    }

    /// Writes a tree anew.
    pub(super) async fn write(&self, rebuilt: &Rebuilt) -> Result<TreeRoot> {
        self.flush().await?;
        let entries: Result<Vec<_>> = rebuilt.entries.iter().map(Staged::settled).collect();
        let mut changes: Vec<chunkstore::Change> =
            entries?.into_iter().map(chunkstore::Change::from).collect();
        changes.sort_by(|a, b| a.key.cmp(&b.key));
        let sink: Arc<dyn ChunkSink> = Arc::new(self.session.clone());
        let changes = stream::iter(changes.into_iter().map(Ok::<_, Error>)).boxed();
        write_tree(sink, self.session(), None, changes).await
    }

    async fn flush(&self) -> Result<()> {
        let flushed = self.skeletons.flush_all().await;
        flushed.doing(|| "store healed bytes".into())?;
        let flushed = self.summaries.flush_all().await;
        flushed.doing(|| "store healed bytes".into())
    }

    /// Looks for all lost contents wherever they may be.
    pub(super) async fn contents(
        &mut self,
        losses: &mut Losses,
        trees: &[Tree],
        at_work: &(dyn Fn(&str) + Send + Sync),
    ) -> Result<()> {
        let lost: Vec<Lost> = losses.all().cloned().collect();
        let mut by_mailbox: BTreeMap<(String, Option<String>), Vec<Lost>> = BTreeMap::new();
        for lost in lost {
            let tree = lost.newest().and_then(|at| trees.get(at));
            let mailbox = tree.map_or(String::new(), |tree| tree.wanted.mailbox.clone());
            let reader = tree.and_then(|tree| tree.wanted.about().reader);
            by_mailbox.entry((mailbox, reader)).or_default().push(lost);
        }
        for ((mailbox, reader), lost) in by_mailbox {
            at_work(&mailbox);
            if let Some(other) = self.donors.other {
                self.ask_repository(other, &mailbox, &lost, losses).await?;
            }
            if let Some(exchange) = self.donors.exchange {
                // A name that is none is somebody's of whom no server knows.
                if let Ok(name) = mailbox.parse::<MailboxName>() {
                    let name = name.read_by(reader.as_deref());
                    self.ask_server(exchange, &name, &lost, losses).await?;
                }
            }
            self.make_summaries(&lost, losses).await?;
        }
        Ok(())
    }

    /// Takes bytes if they are those that were lost.
    async fn offer(&mut self, lost: &Lost, pending: PendingContent, losses: &mut Losses) -> bool {
        let same =
            pending.item_hash() == lost.content.hash && pending.item_bytes() == lost.content.len;
        if same {
            losses.heal(&lost.content);
            self.coming.push((lost.content.clone(), pending));
        }
        same
    }

    /// Looks for lost contents in the snapshots of the same mailbox in the second repository, the
    /// same snapshots first: there the same key has the same version.
    async fn ask_repository(
        &mut self,
        other: &Vault,
        mailbox: &str,
        lost: &[Lost],
        losses: &mut Losses,
    ) -> Result<()> {
        let mut donors: Vec<Wanted> = other
            .repository
            .snapshots()
            .into_iter()
            .map(Wanted::of)
            .collect();
        donors.retain(|donor| donor.mailbox == mailbox);
        donors.sort_by_key(|donor| std::cmp::Reverse(donor.info.time_unix_ms));
        let mut open: Vec<&Lost> = lost.iter().collect();
        for donor in donors.iter().take(MAX_TRIES) {
            if open.is_empty() {
                break;
            }
            let tree = TreeReader::new(other.source(), donor.info.root.clone());
            let mut left = Vec::new();
            let mut tried: HashSet<[u8; 16]> = HashSet::new();
            for lost in open {
                if !self.ask_tree(&tree, lost, losses, &mut tried).await? {
                    left.push(lost);
                }
            }
            open = left;
        }
        Ok(())
    }

    async fn ask_tree(
        &mut self,
        tree: &TreeReader,
        lost: &Lost,
        losses: &mut Losses,
        tried: &mut HashSet<[u8; 16]>,
    ) -> Result<bool> {
        let found = match tree.get(&lost.entry.key).await {
            Ok(found) => found,
            Err(error) => {
                let error = Err::<(), _>(error).doing(|| "read a snapshot".into());
                self.note_failure("the second repository", error);
                return Ok(false);
            }
        };
        let content = found.and_then(|entry| entry.contents.into_iter().nth(lost.number));
        let Some(content) = content.filter(|content| content.len == lost.content.len) else {
            return Ok(false);
        };
        if !tried.insert(content.hash) {
            return Ok(false);
        }
        let Some(pending) = self.copy(lost.number, &content).await? else {
            return Ok(false);
        };
        let healed = self.offer(lost, pending, losses).await;
        self.counts.from_repository += u64::from(healed && lost.number == 0);
        Ok(healed)
    }

    /// Asks the server for items that it may still have as they were.
    async fn ask_server(
        &mut self,
        exchange: &Exchange,
        name: &MailboxName,
        lost: &[Lost],
        losses: &mut Losses,
    ) -> Result<()> {
        let left: HashSet<[u8; 16]> = losses.left().map(|lost| lost.content.hash).collect();
        let mut asked: Vec<(&Lost, WantedLive)> = Vec::new();
        for lost in lost {
            let Ok(TreeKey::Item(key)) = TreeKey::from_bytes(&lost.entry.key) else {
                continue;
            };
            let Ok(state) = item_state(&lost.entry) else {
                continue;
            };
            if lost.number == 0 && left.contains(&lost.content.hash) {
                let wanted = WantedLive {
                    id: ItemId::new(state.item_id),
                    folder: key.folder,
                    class: state.item_class,
                };
                asked.push((lost, wanted));
            }
        }
        let permits = Semaphore::new(REQUESTS);
        let routes = match name.part() {
            _ if asked.is_empty() => return Ok(()),
            MailboxPart::Public => match RemoteFolders::read(exchange, name, &permits).await {
                Ok(remote) => remote.routes,
                Err(error) => {
                    self.note_failure(&format!("the server, {name}"), Err(error));
                    return Ok(());
                }
            },
            _ => Routes::plain(exchange.open(name)),
        };
        let reader = LiveReader {
            exchange,
            routes: &routes,
            permits: &permits,
        };
        while !asked.is_empty() {
            let rest = asked.split_off(asked.len().min(LIVE_ITEMS));
            let (lost, wanted): (Vec<&Lost>, Vec<WantedLive>) = asked.into_iter().unzip();
            asked = rest;
            let read = match reader.read(&wanted).await {
                Ok(read) => read,
                Err(error) => {
                    self.note_failure(&format!("the server, {name}"), Err(error));
                    return Ok(());
                }
            };
            for (lost, read) in lost.into_iter().zip(read) {
                if let LiveRead::Item(bytes, _) = read {
                    let pending = self.store(0, lost.content.format, &bytes).await?;
                    let healed = self.offer(lost, pending, losses).await;
                    self.counts.from_server += u64::from(healed);
                }
            }
        }
        Ok(())
    }

    /// Makes lost summaries anew, of items that can be read or were just healed.
    async fn make_summaries(&mut self, lost: &[Lost], losses: &mut Losses) -> Result<()> {
        self.flush().await?;
        let left: HashSet<[u8; 16]> = losses.left().map(|lost| lost.content.hash).collect();
        for lost in lost.iter().filter(|lost| lost.number == 1) {
            let Some(item) = lost.entry.contents.first() else {
                continue;
            };
            if !left.contains(&lost.content.hash) {
                continue;
            }
            let healed = self.coming.iter().find(|(old, _)| old.hash == item.hash);
            let item = healed
                .and_then(|(_, pending)| pending.try_content())
                .unwrap_or_else(|| item.clone());
            let source = self.session();
            let formats = self.vault.formats.clone();
            let read = chunkstore::read_content_to_vec(source, formats, &item, MAX_ITEM_BYTES);
            let Ok(bytes) = read.await else { continue };
            let Some(summary) = summary_of(lost, &bytes) else {
                continue;
            };
            let summary = summary_bytes(&summary);
            let pending = self.store(1, lost.content.format, &summary).await?;
            let healed = self.offer(lost, pending, losses).await;
            self.counts.summaries += u64::from(healed);
        }
        Ok(())
    }

    /// Tells the repair where everything is that was healed, now or earlier.
    pub(super) async fn settle(self, losses: &Losses, repair: &mut Repair) -> Result<()> {
        self.flush().await?;
        for (lost, pending) in &self.coming {
            if let Some(content) = pending.try_content() {
                let put = repair.put(lost, content);
                put.doing(|| "write down what was healed".into())?;
            }
        }
        // What an earlier repair put somewhere else is whole by that, and has to be said again.
        losses.carry_over(repair)
    }
}

async fn write_bytes(
    store: &SegmentStore,
    format: Arc<dyn Format>,
    bytes: &[u8],
) -> chunkstore::Result<PendingContent> {
    let mut writer = ItemWriter::new(store, GROUP, format);
    writer.push(bytes).await?;
    writer.finish().await
}

/// The summary that a backup made of an item, as far as the item tells.
fn summary_of(lost: &Lost, bytes: &[u8]) -> Option<ItemSummary> {
    match item_state(&lost.entry).ok()?.form {
        Form::Native => {
            let mut summariser = Summariser::new();
            summariser.feed(bytes);
            Some(ItemSummary::from_stream(&summariser.finish()))
        }
        Form::Portable => {
            let item = portable::from_bytes(bytes).ok()?;
            Some(portable::summary(&item))
        }
    }
}

impl Staged {
    /// The entry, when all its segments are closed.
    fn settled(&self) -> Result<chunkstore::Entry> {
        let contents = self.contents.iter().map(|content| match content {
            StagedContent::There(content) => Ok(content.clone()),
            StagedContent::Coming(pending) => pending.try_content().ok_or_else(|| {
                let message = "an item's segment was not closed";
                Error::new(crate::error::ErrorKind::Internal, message)
            }),
        });
        Ok(chunkstore::Entry {
            key: self.key.clone(),
            value: self.value.clone(),
            contents: contents.collect::<Result<_>>()?,
        })
    }
}

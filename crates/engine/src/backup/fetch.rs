//! Downloads batches of items as native streams and stores them while they arrive.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use chunkstore::{Format, ItemWriter, Opaque, PendingContent};
use ews_client::{Client, ExportEvent, ExportStream, ItemError, ItemId, ResponseCode};
use fasttransfer::Summariser;
use mailindex::{ItemKey, ItemRow};
use tokio::sync::SemaphorePermit;

use super::mailbox::Mailbox;
use crate::again::{ATTEMPTS, Again, READ_ATTEMPTS, may_pass};
use crate::error::{Doing, Error, Result};
use crate::monitor::Event;
use crate::source::{Trial, says_unknown};
use crate::split::FtsFormat;
use crate::state::{Form, ItemSummary, contents_to_bytes, summary_bytes};

/// Exchange takes at most 100 ids in one ExportItems.
const BATCH_ITEMS: usize = 100;

/// A batch is cut when its items have this many bytes, by the sizes the server told: enough to
/// make round trips cheap, little enough that a slow server answers within its minute.
const BATCH_BYTES: u64 = 8 << 20;

/// The segment group of skeletons; a mailbox has one, so that folders follow each other.
pub(super) const GROUP: u64 = 0;

/// An item to download, and what the listing said about it.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) key: ItemKey,
    pub(super) id: ItemId,
    pub(super) class: String,
    pub(super) subject: String,
    pub(super) size_bytes: u64,
    pub(super) is_read: Option<bool>,
    /// From when its age counts, milliseconds since 1970.
    pub(super) time_unix_ms: Option<i64>,
}

/// What became of a wanted item.
pub(super) enum Fetched {
    Stored(Box<PendingRow>),
    /// It has been moved or deleted since the listing: the next sync tells.
    Gone,
    Failed {
        wanted: Wanted,
        reason: String,
    },
}

/// A stored item whose segments may still be open.
pub(super) struct PendingRow {
    pub(super) key: ItemKey,
    row: ItemRow,
    item: PendingContent,
    summary: PendingContent,
    form: Form,
}

impl PendingRow {
    /// Whether both of its segments are closed, so that the row can be made.
    pub(super) fn is_settled(&self) -> bool {
        self.item.try_content().is_some() && self.summary.try_content().is_some()
    }

    /// The row, once both segments are closed.
    pub(super) fn settle(mut self) -> Option<(ItemKey, ItemRow)> {
        let contents = [self.item.try_content()?, self.summary.try_content()?];
        self.row.content = contents_to_bytes(&contents, self.form);
        Some((self.key, self.row))
    }
}

/// Cuts items into batches by number and by known size.
pub(super) fn batches(wanted: Vec<Wanted>) -> Vec<Vec<Wanted>> {
    let mut batches: Vec<Vec<Wanted>> = Vec::new();
    let mut bytes = 0;
    for item in wanted {
        match batches.last_mut() {
            Some(batch) if batch.len() < BATCH_ITEMS && bytes + item.size_bytes <= BATCH_BYTES => {
                bytes += item.size_bytes;
                batch.push(item);
            }
            _ => {
                bytes = item.size_bytes;
                batches.push(vec![item]);
            }
        }
    }
    batches
}

/// A try at some items.
pub(super) struct Try {
    pub(super) items: Vec<Wanted>,
    attempt: u32,
    pub(super) opaque: bool,
}

/// How one try ended.
#[derive(Default)]
pub(super) struct Tried {
    pub(super) done: Vec<Fetched>,
    /// Items to ask for again, each with the reason.
    pub(super) again: Vec<(Wanted, String)>,
    wait: Option<Duration>,
    /// Whether the request failed as a whole, or broke off under way.
    broken: bool,
    pub(super) opaque: bool,
}

/// Downloads a batch. Whatever comes through is kept; the rest is asked for again in halves,
/// after a wait, and reported when that does not help either.
///
/// # Errors
/// Those of the repository, of signing in, and of a mailbox that can no longer be reached.
pub(super) async fn fetch(mailbox: Arc<Mailbox>, batch: Vec<Wanted>) -> Result<Vec<Fetched>> {
    let mut fetched = Vec::with_capacity(batch.len());
    let bytes = batch.iter().map(|wanted| wanted.size_bytes).sum();
    let _held = mailbox.round.options.memory.hold(bytes).await;
    let mut tries = VecDeque::from([Try {
        items: batch,
        attempt: 1,
        opaque: false,
    }]);
    while let Some(next) = tries.pop_front() {
        let (attempt, sent) = (next.attempt, next.items.len());
        let tried = try_once(&mailbox, next).await?;
        let limit = if tried.broken {
            READ_ATTEMPTS
        } else {
            ATTEMPTS
        };
        fetched.extend(tried.done);
        let again = Again::new(sent, attempt, limit, tried.again, tried.wait);
        let failed = again.failed.into_iter();
        fetched.extend(failed.map(|(wanted, reason)| Fetched::Failed { wanted, reason }));
        if !again.batches.is_empty() {
            // The runtime's clock, which tests can pause.
            tokio::time::sleep(again.wait).await;
            let batches = again.batches.into_iter();
            tries.extend(batches.map(|(items, attempt)| Try {
                items,
                attempt,
                opaque: tried.opaque,
            }));
        }
    }
    Ok(fetched)
}

/// Calls ExportItems; `None` if the server does not have it. The permit is for reading the answer.
async fn export<'a>(
    mailbox: &'a Mailbox,
    client: &Client,
    ids: &[ItemId],
) -> Option<(
    ews_client::Result<ExportStream>,
    Option<SemaphorePermit<'a>>,
)> {
    let ability = mailbox.round.exchange.export();
    let trial = ability.trial().await;
    if matches!(trial, Trial::Lacks) {
        return None;
    }
    let permit = mailbox.permits.acquire().await.ok();
    let answer = client.export_items(ids).await;
    if matches!(trial, Trial::Open { .. }) {
        match &answer {
            Ok(_) => ability.set(true),
            Err(error) if says_unknown(error) => {
                ability.set(false);
                return None;
            }
            Err(_) => {}
        }
    }
    Some((answer, permit))
}

async fn try_once(mailbox: &Mailbox, attempt: Try) -> Result<Tried> {
    let ids: Vec<ItemId> = attempt.items.iter().map(|item| item.id.clone()).collect();
    let client = mailbox.client_of(&attempt.items);
    let Some((answer, _permit)) = export(mailbox, client, &ids).await else {
        return super::portable::try_once(mailbox, attempt).await;
    };
    let mut waiting: VecDeque<Wanted> = attempt.items.into();
    let mut tried = Tried::default();
    let mut stream = match answer {
        Ok(stream) => stream,
        Err(error) => return put_off(tried, waiting, &error, "export items"),
    };
    let mut open: Option<(Wanted, Storing)> = None;
    loop {
        match stream.next().await {
            Ok(Some(ExportEvent::Start(id))) => {
                open = take(&mut waiting, Some(&id))
                    .map(|wanted| (wanted, Storing::begin(mailbox, attempt.opaque)));
            }
            Ok(Some(ExportEvent::Data(bytes))) => {
                let Some((_, storing)) = open.as_mut() else {
                    continue;
                };
                if let Err(error) = storing.push(&bytes).await {
                    let (wanted, _) = open.take().expect("an item is open");
                    tried.opaque |= refused_split(error, &mut tried.again, wanted)?;
                }
            }
            Ok(Some(ExportEvent::End)) => {
                let Some((wanted, storing)) = open.take() else {
                    continue;
                };
                let bytes = storing.bytes;
                match storing.finish(mailbox, &wanted).await {
                    Ok(row) => {
                        mailbox.transferred(bytes);
                        tried.done.push(Fetched::Stored(Box::new(row)));
                    }
                    Err(error) => tried.opaque |= refused_split(error, &mut tried.again, wanted)?,
                }
            }
            Ok(Some(ExportEvent::Failed { id, error })) => {
                let wanted = match open.take() {
                    Some((wanted, _)) => Some(wanted),
                    None => take(&mut waiting, id.as_ref()),
                };
                if let Some(wanted) = wanted {
                    tried.refuse(wanted, &error);
                }
            }
            // An event this program does not know carries nothing it needs.
            Ok(Some(_)) => {}
            Ok(None) => break,
            Err(error) => {
                waiting.extend(open.take().map(|(wanted, _)| wanted));
                return put_off(tried, waiting, &error, "export items");
            }
        }
    }
    let silent = "the server's answer left it out";
    tried.again.extend(
        waiting
            .into_iter()
            .map(|wanted| (wanted, silent.to_owned())),
    );
    Ok(tried)
}

/// The waiting item that an answer speaks of: the one it names, or the next in order.
fn take(waiting: &mut VecDeque<Wanted>, id: Option<&ItemId>) -> Option<Wanted> {
    let named = id.and_then(|id| waiting.iter().position(|wanted| wanted.id.id == id.id));
    match (named, id) {
        (Some(at), _) => waiting.remove(at),
        // Some servers write ids differently in answers; the order of answers is fixed.
        (None, _) => waiting.pop_front(),
    }
}

/// Puts off all items of a call that failed as a whole, or gives up where trying again is idle.
pub(super) fn put_off(
    mut tried: Tried,
    waiting: VecDeque<Wanted>,
    error: &ews_client::Error,
    doing: &str,
) -> Result<Tried> {
    if !may_pass(error.kind()) {
        let kind = crate::error::kind_of_ews(error.kind());
        return Err(Error::new(kind, format!("{doing}: {error}")));
    }
    tried.wait = error.retry_after();
    tried.broken = true;
    let reason = error.to_string();
    tried
        .again
        .extend(waiting.into_iter().map(|wanted| (wanted, reason.clone())));
    Ok(tried)
}

/// Sorts out why storing failed: an item too large to be split anew from memory is asked for
/// again and stored as it is; anything else is the repository's trouble and ends the run.
pub(super) fn refused_split(
    error: chunkstore::Error,
    again: &mut Vec<(Wanted, String)>,
    wanted: Wanted,
) -> Result<bool> {
    if error.kind() == chunkstore::ErrorKind::SplitMismatch {
        again.push((wanted, error.to_string()));
        return Ok(true);
    }
    Err(error).doing(|| "store an item".into())
}

impl Tried {
    /// Sorts an item the server refused: gone, to be asked for again, or failed.
    pub(super) fn refuse(&mut self, wanted: Wanted, error: &ItemError) {
        match &error.code {
            ResponseCode::ErrorItemNotFound => {
                self.done.push(Fetched::Gone);
            }
            code if worth_asking_again(code) => {
                self.wait = self.wait.max(error.back_off);
                self.again.push((wanted, error.to_string()));
            }
            _ => self.done.push(Fetched::Failed {
                wanted,
                reason: error.to_string(),
            }),
        }
    }
}

/// Whether asking for the item again can help: the server was busy, gave up half-way, or cut the
/// item's data short.
pub(crate) fn worth_asking_again(code: &ResponseCode) -> bool {
    use ews_client::ErrorKind as Leaf;
    matches!(
        code,
        ResponseCode::TruncatedData | ResponseCode::CorruptData
    ) || matches!(code.kind(), Leaf::Busy | Leaf::Timeout | Leaf::Interrupted)
}

/// An item on its way into the store.
struct Storing {
    writer: ItemWriter,
    summariser: Summariser,
    bytes: u64,
}

impl Storing {
    fn begin(mailbox: &Mailbox, opaque: bool) -> Self {
        let format: Arc<dyn Format> = if opaque {
            Arc::new(Opaque)
        } else {
            Arc::new(FtsFormat)
        };
        Self {
            writer: ItemWriter::new(&mailbox.skeletons, GROUP, format),
            summariser: Summariser::new(),
            bytes: 0,
        }
    }

    async fn push(&mut self, bytes: &[u8]) -> chunkstore::Result<()> {
        self.bytes += bytes.len() as u64;
        self.summariser.feed(bytes);
        self.writer.push(bytes).await
    }

    async fn finish(self, mailbox: &Mailbox, wanted: &Wanted) -> chunkstore::Result<PendingRow> {
        let read = self.summariser.finish();
        let mut summary = ItemSummary::from_stream(&read);
        if summary.subject.is_empty() {
            summary.subject.clone_from(&wanted.subject);
        }
        let seen = Seen {
            class: read.item_class,
            is_read: read.read,
            bytes: self.bytes,
            form: Form::Native,
        };
        let item = self.writer.finish().await?;
        seen.row(mailbox, wanted, summary, item).await
    }
}

/// What was learnt of an item while it was stored.
pub(super) struct Seen {
    pub(super) class: Option<String>,
    pub(super) is_read: Option<bool>,
    pub(super) bytes: u64,
    pub(super) form: Form,
}

impl Seen {
    /// Stores the summary of a stored item and makes its row.
    pub(super) async fn row(
        self,
        mailbox: &Mailbox,
        wanted: &Wanted,
        summary: ItemSummary,
        item: PendingContent,
    ) -> chunkstore::Result<PendingRow> {
        let mut writer = ItemWriter::new(&mailbox.summaries, GROUP, Arc::new(Opaque));
        writer.push(&summary_bytes(&summary)).await?;
        let stored_summary = writer.finish().await?;
        let row = ItemRow {
            item_id: wanted.id.id.clone(),
            change_key: wanted.id.change_key.clone().unwrap_or_default(),
            item_class: if wanted.class.is_empty() {
                self.class.unwrap_or_default()
            } else {
                wanted.class.clone()
            },
            is_read: wanted.is_read.or(self.is_read),
            size_bytes: if wanted.size_bytes == 0 {
                self.bytes
            } else {
                wanted.size_bytes
            },
            received_unix_ms: summary.received_unix_ms,
            sent_unix_ms: summary.sent_unix_ms,
            subject: summary.subject,
            sender: summary.sender,
            content: Vec::new(),
        };
        Ok(PendingRow {
            key: wanted.key,
            row,
            item,
            summary: stored_summary,
            form: self.form,
        })
    }
}

impl Mailbox {
    pub(super) fn transferred(&self, bytes: u64) {
        self.counts.add_downloaded(bytes);
        let event = Event::Transferred {
            mailbox: &self.address,
            items: 1,
            bytes,
        };
        self.round.monitor.event(event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::{folder_key, item_key};

    fn wanted(id: &str, size_bytes: u64) -> Wanted {
        Wanted {
            key: item_key(folder_key("f"), id),
            id: ItemId {
                id: id.into(),
                change_key: None,
            },
            class: String::new(),
            subject: String::new(),
            size_bytes,
            is_read: None,
            time_unix_ms: None,
        }
    }

    #[test]
    fn batches_end_at_a_hundred_items_or_eight_mebibytes() {
        let sizes = |sizes: &[u64]| -> Vec<usize> {
            let items = sizes
                .iter()
                .enumerate()
                .map(|(n, size)| wanted(&n.to_string(), *size));
            batches(items.collect()).iter().map(Vec::len).collect()
        };
        assert_eq!(sizes(&[1; 250]), [100, 100, 50]);
        assert_eq!(sizes(&[5 << 20, 3 << 20, 1, 150 << 20, 1]), [2, 1, 1, 1]);
        assert_eq!(sizes(&[]), [0usize; 0]);
    }
}

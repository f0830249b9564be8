//! Uploads items in batches, a few requests at once, in constant memory.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use ews_client::{
    Client, ExportEvent, FolderId, ItemId, Outcome, UploadAction, UploadData, UploadItem,
};
use futures::{StreamExt, TryStreamExt, stream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::RestoreOptions;
use super::again::{Again, may_pass};
use super::compare::difference;
use super::rewrite::Rewrite;
use super::stream::{head, rewritten};
use super::target::{Look, Target, present_in};
use crate::backup::worth_asking_again;
use crate::error::{Error, ErrorKind, Result};
use crate::keys::Holds;
use crate::list::StoredItem;
use crate::report::ItemFailure;
use crate::snapshot::Snapshot;
use crate::source::{Exchange, Trial, says_unknown};
use crate::state::Form;
use crate::vault::Vault;

/// A request is closed at this many items or bytes. Exchange takes 64 MiB a request, base64
/// included.
const BATCH_ITEMS: usize = 50;
const BATCH_BYTES: u64 = 4 << 20;

/// Items larger than this are streamed from the repository while they are sent.
const WHOLE_BYTES: u64 = 4 << 20;

/// What was done since it was last asked.
#[derive(Default)]
pub(super) struct Done {
    /// Items and bytes of each batch.
    pub(super) restored: Vec<(u64, u64)>,
    pub(super) verified: u64,
    /// Native items that were created from their portable form.
    pub(super) converted: u64,
    /// Items created with less than what is stored.
    pub(super) reduced: u64,
    pub(super) failures: Vec<ItemFailure>,
    /// Native items whose streams the server refused, created from their portable form instead.
    pub(super) fallbacks: Vec<ItemFailure>,
}

/// An item on its way.
#[derive(Clone)]
pub(super) struct Piece {
    pub(super) item: StoredItem,
    pub(super) origin: String,
    pub(super) bytes: u64,
}

/// Everything a batch needs while it is sent.
pub(super) struct Sender {
    pub(super) vault: Vault,
    exchange: Exchange,
    pub(super) client: Client,
    pub(super) permits: Arc<Semaphore>,
    mailbox: String,
    pub(super) folder: FolderId,
    path: String,
    pub(super) holds: Holds,
    pub(super) verify: bool,
}

/// A restored item with its new id, and why it has to be read again.
type Restored = ((Piece, ItemId), String);

/// A request that reads items back.
struct Reading {
    /// By their places in the request; those answered for are taken out.
    left: Vec<Option<(Piece, ItemId)>>,
    again: Vec<Restored>,
    wait: Option<Duration>,
}

impl Reading {
    fn take(&mut self, place: usize) -> Option<(Piece, ItemId)> {
        self.left.get_mut(place)?.take()
    }

    /// Ends a request that answered to its end.
    fn rest(mut self, reason: &str) -> (Vec<Restored>, Option<Duration>) {
        let left = self.left.into_iter().flatten();
        self.again
            .extend(left.map(|left| (left, reason.to_owned())));
        (self.again, self.wait)
    }

    /// Ends a request that failed as a whole, or gives up where trying again is idle.
    fn broken(mut self, error: &ews_client::Error) -> Result<(Vec<Restored>, Option<Duration>)> {
        if !may_pass(error.kind()) {
            let kind = crate::error::kind_of_ews(error.kind());
            return Err(Error::new(
                kind,
                format!("read restored items back: {error}"),
            ));
        }
        self.wait = self.wait.max(error.retry_after());
        Ok(self.rest(&error.to_string()))
    }
}

/// The uploads of one folder.
pub(super) struct Uploads<'a> {
    vault: &'a Vault,
    snapshot: &'a Snapshot,
    exchange: Exchange,
    client: Client,
    permits: Arc<Semaphore>,
    options: &'a RestoreOptions,
    /// What the items are in their folder.
    pub(super) holds: Holds,
    place: Option<(FolderId, String)>,
    batch: Vec<Piece>,
    tasks: JoinSet<Result<Done>>,
    done: Done,
}

impl<'a> Uploads<'a> {
    pub(super) fn new(
        vault: &'a Vault,
        snapshot: &'a Snapshot,
        target: &Target,
        options: &'a RestoreOptions,
    ) -> Self {
        Self {
            vault,
            snapshot,
            exchange: target.exchange.clone(),
            client: target.client.clone(),
            permits: Arc::clone(&target.permits),
            options,
            holds: Holds::Items,
            place: None,
            batch: Vec::new(),
            tasks: JoinSet::new(),
            done: Done::default(),
        }
    }

    /// Takes an item; waits while enough requests are under way.
    pub(super) async fn add(
        &mut self,
        folder: &FolderId,
        path: &str,
        item: StoredItem,
        origin: String,
    ) -> Result<()> {
        self.place
            .get_or_insert_with(|| (folder.clone(), path.to_owned()));
        let bytes = item.content()?.len;
        let waiting: u64 = self.batch.iter().map(|piece| piece.bytes).sum();
        if self.batch.len() >= BATCH_ITEMS || waiting + bytes > BATCH_BYTES {
            self.send().await?;
        }
        self.batch.push(Piece {
            item,
            origin,
            bytes,
        });
        Ok(())
    }

    /// Sends what is left and waits for everything.
    pub(super) async fn finish(&mut self) -> Result<()> {
        self.send().await?;
        while self.join_one().await? {}
        Ok(())
    }

    /// What was done since the last call.
    pub(super) fn take(&mut self) -> Done {
        std::mem::take(&mut self.done)
    }

    async fn send(&mut self) -> Result<()> {
        let batch = std::mem::take(&mut self.batch);
        let Some((folder, path)) = self.place.clone().filter(|_| !batch.is_empty()) else {
            return Ok(());
        };
        while self.tasks.len() >= self.options.requests_at_once.max(1) {
            self.join_one().await?;
        }
        let sender = Sender {
            vault: self.vault.clone(),
            exchange: self.exchange.clone(),
            client: self.client.clone(),
            permits: Arc::clone(&self.permits),
            mailbox: self.snapshot.mailbox.clone(),
            folder,
            path,
            holds: self.holds,
            verify: self.options.verify,
        };
        self.tasks.spawn(async move { sender.run(batch).await });
        Ok(())
    }

    async fn join_one(&mut self) -> Result<bool> {
        let Some(joined) = self.tasks.join_next().await else {
            return Ok(false);
        };
        let done = joined.unwrap_or_else(|panic| {
            Err(Error::with_source(
                ErrorKind::Internal,
                "a defect stopped an upload",
                panic,
            ))
        })?;
        self.done.restored.extend(done.restored);
        self.done.verified += done.verified;
        self.done.converted += done.converted;
        self.done.reduced += done.reduced;
        self.done.failures.extend(done.failures);
        self.done.fallbacks.extend(done.fallbacks);
        Ok(true)
    }
}

impl Sender {
    /// Sends a batch. What the server refuses for a moment is sent again; what it may have taken
    /// before the connection broke is looked for first, since sending it again would double it.
    async fn run(&self, batch: Vec<Piece>) -> Result<Done> {
        let mut done = Done::default();
        let (portable, native): (Vec<Piece>, Vec<Piece>) = batch
            .into_iter()
            .partition(|piece| piece.item.state.form == Form::Portable);
        self.create(portable, &mut done).await?;
        let mut waiting = VecDeque::from([(native, 1u32)]);
        while let Some((batch, attempt)) = waiting.pop_front() {
            let ability = self.exchange.upload();
            let trial = ability.trial().await;
            if matches!(trial, Trial::Lacks) {
                self.create(batch, &mut done).await?;
                continue;
            }
            let (uploads, batch) = self.prepare(batch, &mut done).await;
            if uploads.is_empty() {
                continue;
            }
            let answer = {
                let _permit = self.permits.acquire().await;
                self.client.upload_items(uploads).await
            };
            if matches!(trial, Trial::Open { .. }) {
                let lacks = answer.as_ref().is_err_and(says_unknown);
                if lacks || answer.is_ok() {
                    ability.set(!lacks);
                }
                if lacks {
                    drop(trial);
                    self.create(batch, &mut done).await?;
                    continue;
                }
            }
            drop(trial);
            let sent = batch.len();
            let (again, wait) = match answer {
                Ok(outcomes) => self.sort(batch, outcomes, &mut done).await?,
                Err(error) => (self.broken(batch, &error, &mut done).await?, None),
            };
            let again = Again::new(sent, attempt, again, wait);
            for (piece, reason) in again.failed {
                done.failures.push(self.failure(&piece, reason).await);
            }
            if !again.batches.is_empty() {
                tokio::time::sleep(again.wait).await;
                waiting.extend(again.batches);
            }
        }
        Ok(done)
    }

    /// Reads the items of a batch; those that cannot be read are reported and left out.
    async fn prepare(&self, batch: Vec<Piece>, done: &mut Done) -> (Vec<UploadItem>, Vec<Piece>) {
        let mut uploads = Vec::with_capacity(batch.len());
        let mut kept = Vec::with_capacity(batch.len());
        for piece in batch {
            match self.data(&piece).await {
                Ok(data) => {
                    uploads.push(UploadItem {
                        parent: self.folder.clone(),
                        action: UploadAction::CreateNew,
                        associated: (self.holds == Holds::Associated).then_some(true),
                        data,
                    });
                    kept.push(piece);
                }
                Err(error) => {
                    let reason = crate::backup::one_line(&error);
                    done.failures.push(self.failure(&piece, reason).await);
                }
            }
        }
        (uploads, kept)
    }

    async fn data(&self, piece: &Piece) -> Result<UploadData> {
        let content = piece.item.content()?.clone();
        let is_read = piece.item.state.is_read;
        let rewrite = Rewrite {
            origin: &piece.origin,
            is_read,
        };
        if content.len <= WHOLE_BYTES {
            let stream = self.vault.read_whole(&content, WHOLE_BYTES).await?;
            return Ok(UploadData::Bytes(rewrite.apply(&stream).into()));
        }
        let head = head(self.vault.read(&content)).await?;
        let len = content.len + rewrite.growth(&head) as u64;
        let (vault, origin) = (self.vault.clone(), piece.origin.clone());
        let open = Arc::new(move || {
            let source = vault.read(&content);
            let origin = origin.clone();
            stream::once(async move { rewritten(source, origin, is_read).await })
                .try_flatten()
                .boxed()
        });
        Ok(UploadData::Stream { len, open })
    }

    /// Sorts the answers of a batch: done, to be sent again (after the wait the server wants, if
    /// it names one), failed.
    async fn sort(
        &self,
        batch: Vec<Piece>,
        outcomes: Vec<Outcome<ItemId>>,
        done: &mut Done,
    ) -> Result<(Vec<(Piece, String)>, Option<Duration>)> {
        use ews_client::ErrorKind as Leaf;
        let mut again = Vec::new();
        let mut wait = None;
        let mut created = Vec::new();
        let mut refused = Vec::new();
        for (piece, outcome) in batch.into_iter().zip(outcomes) {
            match outcome {
                Ok(id) => created.push((piece, id)),
                Err(error)
                    if matches!(error.kind(), Leaf::Busy | Leaf::Timeout | Leaf::Interrupted) =>
                {
                    wait = wait.max(error.back_off);
                    again.push((piece, error.to_string()));
                }
                Err(error)
                    if matches!(error.kind(), Leaf::Denied | Leaf::NotFound | Leaf::Auth) =>
                {
                    done.failures
                        .push(self.failure(&piece, error.to_string()).await);
                }
                Err(error) => refused.push((piece, error.to_string())),
            }
        }
        let bytes = created.iter().map(|(piece, _)| piece.bytes).sum();
        done.restored.push((created.len() as u64, bytes));
        if self.verify && !created.is_empty() {
            self.verify(created, done).await?;
        }
        for (piece, reason) in refused {
            self.fall_back(piece, &reason, done).await?;
        }
        Ok((again, wait))
    }

    /// Creates an item whose native stream the server refused from its MIME text and properties,
    /// and says so; where that fails, too, both reasons are told.
    async fn fall_back(&self, piece: Piece, reason: &str, done: &mut Done) -> Result<()> {
        let note = self.failure(&piece, reason.to_owned()).await;
        let failed_before = done.failures.len();
        self.create(vec![piece], done).await?;
        if done.failures.len() == failed_before {
            done.fallbacks.push(note);
        }
        for failure in done.failures.iter_mut().skip(failed_before) {
            failure.reason = format!("{reason}; without its native stream: {}", failure.reason);
        }
        Ok(())
    }

    /// After a call that failed as a whole: what got through is known by its origin.
    pub(super) async fn broken(
        &self,
        batch: Vec<Piece>,
        error: &ews_client::Error,
        done: &mut Done,
    ) -> Result<Vec<(Piece, String)>> {
        if !may_pass(error.kind()) {
            let kind = crate::error::kind_of_ews(error.kind());
            return Err(Error::new(kind, format!("upload items: {error}")));
        }
        if let Some(wait) = error.retry_after() {
            tokio::time::sleep(wait).await;
        }
        let look = Look {
            folder: &self.folder,
            path: &self.path,
            holds: self.holds,
            ids: false,
        };
        let present = present_in(&self.client, &self.permits, look).await?;
        let (there, missing): (Vec<Piece>, Vec<Piece>) = batch
            .into_iter()
            .partition(|piece| present.has(&piece.origin, ""));
        let bytes = there.iter().map(|piece| piece.bytes).sum();
        done.restored.push((there.len() as u64, bytes));
        let reason = error.to_string();
        Ok(missing
            .into_iter()
            .map(|piece| (piece, reason.clone()))
            .collect())
    }

    /// Reads restored items back and compares them with what is stored. Reading changes nothing,
    /// so whatever the server does not answer for is asked for again.
    async fn verify(&self, created: Vec<(Piece, ItemId)>, done: &mut Done) -> Result<()> {
        let mut waiting = VecDeque::from([(created, 1u32)]);
        while let Some((batch, attempt)) = waiting.pop_front() {
            let sent = batch.len();
            let (left, wait) = self.read_back(batch, done).await?;
            let again = Again::new(sent, attempt, left, wait);
            for ((piece, _), reason) in again.failed {
                let reason = format!("restored, but cannot be read back: {reason}");
                done.failures.push(self.failure(&piece, reason).await);
            }
            if !again.batches.is_empty() {
                tokio::time::sleep(again.wait).await;
                waiting.extend(again.batches);
            }
        }
        Ok(())
    }

    /// One request of a verification: what has to be asked for again, and after which wait.
    async fn read_back(
        &self,
        batch: Vec<(Piece, ItemId)>,
        done: &mut Done,
    ) -> Result<(Vec<Restored>, Option<Duration>)> {
        let ids: Vec<ItemId> = batch.iter().map(|(_, id)| id.clone()).collect();
        let mut reading = Reading {
            left: batch.into_iter().map(Some).collect(),
            again: Vec::new(),
            wait: None,
        };
        let _permit = self.permits.acquire().await;
        let mut stream = match self.client.export_items(&ids).await {
            Ok(stream) => stream,
            Err(error) => return reading.broken(&error),
        };
        let mut live = Vec::new();
        loop {
            let event = match stream.next().await {
                Ok(Some(event)) => event,
                Ok(None) => break,
                Err(error) => return reading.broken(&error),
            };
            match event {
                ExportEvent::Start(_) => live.clear(),
                ExportEvent::Data(bytes) => live.extend_from_slice(&bytes),
                ExportEvent::End => {
                    if let Some((piece, _)) = reading.take(stream.index()) {
                        self.judge(&piece, &live, done).await?;
                    }
                }
                ExportEvent::Failed { error, .. } => {
                    let Some((piece, id)) = reading.take(stream.index()) else {
                        continue;
                    };
                    if worth_asking_again(&error.code) {
                        reading.wait = reading.wait.max(error.back_off);
                        reading.again.push(((piece, id), error.to_string()));
                    } else {
                        let reason = format!("restored, but cannot be read back: {error}");
                        done.failures.push(self.failure(&piece, reason).await);
                    }
                }
                _ => {}
            }
        }
        Ok(reading.rest("the server's answer left it out"))
    }

    async fn judge(&self, piece: &Piece, live: &[u8], done: &mut Done) -> Result<()> {
        let content = piece.item.content()?;
        let stored = self.vault.read_whole(content, content.len).await?;
        match difference(&stored, live, piece.item.state.is_read) {
            None => done.verified += 1,
            Some(difference) => {
                let reason = format!("restored, but {difference}");
                done.failures.push(self.failure(piece, reason).await);
            }
        }
        Ok(())
    }

    pub(super) async fn failure(&self, piece: &Piece, reason: String) -> ItemFailure {
        ItemFailure {
            mailbox: self.mailbox.clone(),
            folder: self.path.clone(),
            subject: self
                .vault
                .summary(&piece.item.entry)
                .await
                .unwrap_or_default()
                .subject,
            item_id: piece.item.state.item_id.clone(),
            reason,
        }
    }
}

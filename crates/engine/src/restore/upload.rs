//! Uploads items in batches, a few requests at once, in constant memory.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use chunkstore::Content;
use ews_client::{
    Client, DeleteItem, DisposalType, FolderId, ItemId, Outcome, UploadAction, UploadData,
    UploadItem,
};
use futures::{StreamExt, TryStreamExt, stream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tracing::Instrument;

use super::present::{Live, Look, present_in};
use super::rewrite::Rewrite;
use super::stream::{head, rewritten};
use crate::again::{ATTEMPTS, Again, may_pass};
use crate::error::{Error, ErrorKind, Result};
use crate::keys::Holds;
use crate::list::StoredItem;
use crate::origin::Origin;
use crate::report::ItemFailure;
use crate::source::{Exchange, Trial, says_unknown};
use crate::state::Form;
use crate::vault::Vault;

/// A request is closed at this many items or bytes. Exchange takes 64 MiB a request, base64
/// included.
const BATCH_ITEMS: usize = 50;
const BATCH_BYTES: u64 = 2 << 20;

/// Items larger than this are streamed from the repository while they are sent.
const WHOLE_BYTES: u64 = 4 << 20;

/// What was done since it was last asked.
#[derive(Default)]
pub(crate) struct Done {
    /// What became of each item that was created or replaced.
    pub(crate) made: Vec<Made>,
    pub(crate) verified: u64,
    /// Native items that were created from their portable form.
    pub(crate) converted: u64,
    /// Items created with less than what is stored.
    pub(crate) reduced: u64,
    pub(crate) failures: Vec<ItemFailure>,
    /// Native items whose streams the server refused, created from their portable form instead.
    pub(crate) fallbacks: Vec<ItemFailure>,
}

/// An item on its way.
#[derive(Clone)]
pub(crate) struct Piece {
    pub(crate) item: StoredItem,
    pub(crate) origin: Origin,
    pub(crate) bytes: u64,
    /// The live item that it takes the place of.
    pub(crate) replaces: Option<ItemId>,
    /// Whether its stream is sent as it is stored, without an origin.
    pub(crate) verbatim: bool,
}

impl Piece {
    pub(crate) fn new(item: StoredItem, origin: Origin, replaces: Option<ItemId>) -> Result<Self> {
        let bytes = item.content()?.len;
        Ok(Self {
            item,
            origin,
            bytes,
            replaces,
            verbatim: false,
        })
    }
}

/// An item that was created, or that replaced another.
pub(crate) struct Made {
    /// The folder it lies in.
    pub(crate) folder: FolderId,
    pub(crate) holds: Holds,
    /// Its id and change key.
    pub(crate) id: ItemId,
    pub(crate) class: String,
    pub(crate) origin: Origin,
    pub(crate) replaced: bool,
    pub(crate) bytes: u64,
}

/// A folder that items go into.
#[derive(Clone)]
pub(crate) struct FolderPlace {
    pub(crate) folder: FolderId,
    /// Who is asked for what lies in it.
    pub(crate) client: Client,
    pub(crate) path: String,
    pub(crate) holds: Holds,
}

/// Everything a batch needs while it is sent.
pub(crate) struct Sender {
    pub(crate) vault: Vault,
    exchange: Exchange,
    pub(crate) client: Client,
    pub(crate) permits: Arc<Semaphore>,
    mailbox: String,
    pub(crate) place: FolderPlace,
    pub(crate) verify: bool,
}

/// Where uploads go, and how.
#[derive(Clone)]
pub(crate) struct Way {
    pub(crate) exchange: Exchange,
    pub(crate) permits: Arc<Semaphore>,
    /// The mailbox as failures name it.
    pub(crate) mailbox: String,
    /// Whether what was made is read back and compared.
    pub(crate) verify: bool,
    /// Requests under way at the same time.
    pub(crate) at_once: usize,
}

/// Uploads into the folders of a mailbox.
pub(crate) struct Uploads {
    vault: Vault,
    way: Way,
    /// Items waiting for company, by the number of the folder they go into.
    open: BTreeMap<usize, (FolderPlace, Vec<Piece>)>,
    tasks: JoinSet<Result<Done>>,
    done: Done,
}

impl Uploads {
    pub(crate) fn new(vault: &Vault, way: Way) -> Self {
        Self {
            vault: vault.clone(),
            way,
            open: BTreeMap::new(),
            tasks: JoinSet::new(),
            done: Done::default(),
        }
    }

    /// Takes an item for the folder of that number; waits while enough requests are under way.
    pub(crate) async fn add(
        &mut self,
        number: usize,
        place: &FolderPlace,
        piece: Piece,
    ) -> Result<()> {
        let open = self.open.get(&number);
        let is_full = open.is_some_and(|(_, batch)| {
            let waiting: u64 = batch.iter().map(|piece| piece.bytes).sum();
            batch.len() >= BATCH_ITEMS || waiting + piece.bytes > BATCH_BYTES
        });
        if is_full && let Some((place, batch)) = self.open.remove(&number) {
            self.send(place, batch).await?;
        }
        let new = || (place.clone(), Vec::new());
        self.open.entry(number).or_insert_with(new).1.push(piece);
        Ok(())
    }

    /// Sends what waits for company.
    pub(crate) async fn flush(&mut self) -> Result<()> {
        for (place, batch) in std::mem::take(&mut self.open).into_values() {
            self.send(place, batch).await?;
        }
        Ok(())
    }

    /// Sends what is left and waits for everything.
    pub(crate) async fn finish(&mut self) -> Result<()> {
        self.flush().await?;
        while self.join_one().await? {}
        Ok(())
    }

    /// What was done since the last call.
    pub(crate) fn take(&mut self) -> Done {
        std::mem::take(&mut self.done)
    }

    async fn send(&mut self, place: FolderPlace, batch: Vec<Piece>) -> Result<()> {
        while self.tasks.len() >= self.way.at_once.max(1) {
            self.join_one().await?;
        }
        let way = self.way.clone();
        let sender = Sender {
            vault: self.vault.clone(),
            exchange: way.exchange,
            client: place.client.clone(),
            permits: way.permits,
            mailbox: way.mailbox,
            place,
            verify: way.verify,
        };
        let send = async move { sender.run(batch).await };
        self.tasks.spawn(send.in_current_span());
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
        self.done.made.extend(done.made);
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
                Err(error) => {
                    let (found, missing) = self.broken(batch, &error).await?;
                    self.uploaded(found, &mut done).await?;
                    (missing, None)
                }
            };
            let again = Again::new(sent, attempt, ATTEMPTS, again, wait);
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
                        parent: self.place.folder.clone(),
                        action: match &piece.replaces {
                            Some(id) => UploadAction::Update(id.clone()),
                            None => UploadAction::CreateNew,
                        },
                        associated: (self.place.holds == Holds::Associated).then_some(true),
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
        if piece.verbatim {
            return self.verbatim(content).await;
        }
        let is_read = piece.item.state.is_read;
        let rewrite = Rewrite {
            origin: piece.origin.as_str(),
            is_read,
        };
        if content.len <= WHOLE_BYTES {
            let stream = self.vault.read_whole(&content, WHOLE_BYTES).await?;
            return Ok(UploadData::Bytes(rewrite.apply(&stream).into()));
        }
        let head = head(self.vault.read(&content)).await?;
        let len = content.len + rewrite.growth(&head) as u64;
        let (vault, origin) = (self.vault.clone(), piece.origin.as_str().to_owned());
        let head_bytes = head.len();
        let open = Arc::new(move || {
            let source = vault.read(&content);
            let origin = origin.clone();
            stream::once(async move { rewritten(source, head_bytes, origin, is_read).await })
                .try_flatten()
                .boxed()
        });
        Ok(UploadData::Stream { len, open })
    }

    async fn verbatim(&self, content: Content) -> Result<UploadData> {
        if content.len <= WHOLE_BYTES {
            let stream = self.vault.read_whole(&content, WHOLE_BYTES).await?;
            return Ok(UploadData::Bytes(stream.into()));
        }
        let (vault, len) = (self.vault.clone(), content.len);
        let open = Arc::new(move || vault.read(&content).map_err(io::Error::other).boxed());
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
        self.uploaded(created, done).await?;
        for (piece, reason) in refused {
            self.fall_back(piece, &reason, done).await?;
        }
        Ok((again, wait))
    }

    /// Counts what the server made of pieces, as it said itself or as it was found there, and
    /// reads it back if that is asked for.
    async fn uploaded(&self, created: Vec<(Piece, ItemId)>, done: &mut Done) -> Result<()> {
        let made = created.iter();
        done.made
            .extend(made.map(|(piece, id)| self.made(piece, id.clone())));
        if self.verify && !created.is_empty() {
            self.verify(created, done).await?;
        }
        Ok(())
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

    /// What was made of a piece.
    pub(crate) fn made(&self, piece: &Piece, id: ItemId) -> Made {
        Made {
            folder: self.place.folder.clone(),
            holds: self.place.holds,
            id,
            class: piece.item.state.item_class.clone(),
            origin: piece.origin.clone(),
            replaced: piece.replaces.is_some(),
            bytes: piece.bytes,
        }
    }

    /// Takes away the item in whose place another was created. What it was is stored, and the
    /// server keeps it among its recoverable items.
    pub(crate) async fn remove_replaced(&self, piece: &Piece, done: &mut Done) {
        let Some(old) = &piece.replaces else {
            return;
        };
        let request = DeleteItem {
            ids: vec![old.clone()],
            disposal: DisposalType::SoftDelete,
        };
        let answer = {
            let _permit = self.permits.acquire().await;
            self.client.delete_item(&request).await
        };
        let reason = match answer {
            Ok(outcomes) => match outcomes.into_iter().next() {
                Some(Err(error)) if error.kind() != ews_client::ErrorKind::NotFound => {
                    error.to_string()
                }
                _ => return,
            },
            Err(error) => error.to_string(),
        };
        let reason = format!("restored, but the item it replaces is still there: {reason}");
        done.failures.push(self.failure(piece, reason).await);
    }

    /// After a call that failed as a whole: what got through is known by its origin, and has an
    /// id; what did not is to be sent again, and the reason told if that does not help.
    pub(crate) async fn broken(
        &self,
        batch: Vec<Piece>,
        error: &ews_client::Error,
    ) -> Result<(Vec<(Piece, ItemId)>, Vec<(Piece, String)>)> {
        if !may_pass(error.kind()) {
            let kind = crate::error::kind_of_ews(error.kind());
            return Err(Error::new(kind, format!("upload items: {error}")));
        }
        if let Some(wait) = error.retry_after() {
            tokio::time::sleep(wait).await;
        }
        let look = Look {
            folder: &self.place.folder,
            path: &self.place.path,
            holds: self.place.holds,
            ids: false,
            details: true,
            meetings: false,
        };
        let present = present_in(&self.client, &self.permits, look).await?;
        let (mut found, mut missing) = (Vec::new(), Vec::new());
        for piece in batch {
            let ours = |live: &&Live| live.origin.as_ref() == Some(&piece.origin);
            let id = present.copies(&piece.origin).find(ours);
            match id.map(|live| live.id.clone()) {
                Some(id) => found.push((piece, id)),
                None => missing.push((piece, error.to_string())),
            }
        }
        Ok((found, missing))
    }

    pub(crate) async fn failure(&self, piece: &Piece, reason: String) -> ItemFailure {
        ItemFailure {
            mailbox: self.mailbox.clone(),
            folder: self.place.path.clone(),
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

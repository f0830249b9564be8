//! The packs of a session on their way: closed, verified, uploaded, described.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::{JoinError, JoinSet};

use crate::buffers::Buffers;
use crate::error::{Error, ErrorKind, Result};
use crate::objects::Created;
use crate::offload::offload;
use crate::pack_index::{IndexSegment, PackInfo};
use crate::pack_writer::{FinishedPack, PackWriter};
use crate::repository::Repository;

/// Packs verified and uploaded at the same time.
const MAX_UPLOADS: usize = 2;

/// Buffers kept for the next packs, and the longest that is kept: a pack's target, its last chunk,
/// and its header, doubled.
const MAX_SPARE: usize = 1;
const MAX_SPARE_BYTES: usize = 48 << 20;

/// Counts the packs of a session from 0, in the order in which they were opened.
pub(crate) type PackNumber = u32;

/// What stays of a pack that is durable.
type Described = (PackInfo, IndexSegment);

/// Uploads packs in tasks that belong to the session: dropping it ends them.
pub(crate) struct Uploads {
    repository: Repository,
    queue: Mutex<Queue>,
    /// Held while waiting, so that callers who fill packs faster than they leave wait in line.
    running: tokio::sync::Mutex<JoinSet<(PackNumber, Result<Described>)>>,
    buffers: Arc<Buffers>,
}

#[derive(Default)]
struct Queue {
    ready: VecDeque<(PackNumber, PackWriter)>,
    done: HashMap<PackNumber, PackInfo>,
    segments: Vec<IndexSegment>,
    failure: Option<(ErrorKind, String)>,
    stored_bytes: u64,
}

impl Uploads {
    pub(crate) fn new(repository: Repository) -> Self {
        Self {
            repository,
            queue: Mutex::default(),
            running: tokio::sync::Mutex::new(JoinSet::new()),
            buffers: Arc::new(Buffers::new(MAX_SPARE, MAX_SPARE_BYTES)),
        }
    }

    /// Hands a closed pack over; it is taken up by the next [`Uploads::advance`] or
    /// [`Uploads::drain`]. Nothing is lost when the caller is dropped in between.
    pub(crate) fn push(&self, number: PackNumber, pack: PackWriter) {
        self.queue().ready.push_back((number, pack));
    }

    /// Starts what can be started, and waits while packs are waiting for a place.
    pub(crate) async fn advance(&self) -> Result<()> {
        if self.queue().ready.is_empty() {
            return self.failure();
        }
        self.run(false).await
    }

    /// Waits until every pack handed over is durable.
    pub(crate) async fn drain(&self) -> Result<()> {
        self.run(true).await
    }

    async fn run(&self, until_all_done: bool) -> Result<()> {
        let mut running = self.running.lock().await;
        loop {
            while let Some(ended) = running.try_join_next() {
                self.note(ended);
            }
            self.failure()?;
            while running.len() < MAX_UPLOADS
                && let Some((number, pack)) = self.next_ready()
            {
                let repository = self.repository.clone();
                let buffers = Arc::clone(&self.buffers);
                running.spawn(async move { (number, upload(repository, pack, &buffers).await) });
            }
            let waiting = !self.queue().ready.is_empty();
            if running.is_empty() || !(waiting || until_all_done) {
                return Ok(());
            }
            if let Some(ended) = running.join_next().await {
                self.note(ended);
            }
        }
    }

    /// Buffers of packs that are durable, for those to come.
    pub(crate) fn buffers(&self) -> &Buffers {
        &self.buffers
    }

    fn next_ready(&self) -> Option<(PackNumber, PackWriter)> {
        self.queue().ready.pop_front()
    }

    fn note(&self, ended: Result<(PackNumber, Result<Described>), JoinError>) {
        let described = ended
            .map_err(|e| Error::internal("an upload was interrupted").with_source(e))
            .and_then(|(number, described)| Ok((number, described?)));
        let mut queue = self.queue();
        match described {
            Ok((number, (info, segment))) => {
                queue.stored_bytes += u64::from(info.len);
                queue.done.insert(number, info);
                queue.segments.push(segment);
            }
            Err(error) => {
                // Only the kind and text are kept: the error is told to every later caller.
                tracing::warn!(error = &error as &dyn std::error::Error, "an upload failed");
                queue.failure.get_or_insert((error.kind(), chain(&error)));
            }
        }
    }

    /// Marks the session as unable to commit.
    pub(crate) fn fail(&self, error: &Error) {
        self.queue()
            .failure
            .get_or_insert((error.kind(), chain(error)));
    }

    pub(crate) fn failure(&self) -> Result<()> {
        match &self.queue().failure {
            Some((kind, message)) => Err(Error::new(*kind, message.clone())),
            None => Ok(()),
        }
    }

    /// A pack that is durable.
    pub(crate) fn uploaded(&self, number: PackNumber) -> Option<PackInfo> {
        self.queue().done.get(&number).cloned()
    }

    /// Descriptions of all packs that are durable.
    pub(crate) fn segments(&self) -> Vec<IndexSegment> {
        self.queue().segments.clone()
    }

    /// Number and bytes of the packs that are durable.
    pub(crate) fn totals(&self) -> (u64, u64) {
        let queue = self.queue();
        (queue.done.len() as u64, queue.stored_bytes)
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn describe(pack: &FinishedPack) -> Result<Described> {
    let header_len = pack.header_len;
    let info = PackInfo::new(
        pack.name,
        &pack.preamble,
        (pack.bytes.len() as u64, header_len),
    )?;
    Ok((info.clone(), IndexSegment::of_pack(info, &pack.header)))
}

/// Verifies and uploads one pack; its bytes are let go as soon as they are durable.
async fn upload(repository: Repository, pack: PackWriter, buffers: &Buffers) -> Result<Described> {
    let finished = {
        let repository = repository.clone();
        // Tens of milliseconds of decoding: on the other core, not on an async thread.
        offload(move || {
            let store = repository.store();
            pack.finish(&store.sealer, &store.codec)
        })
        .await??
    };
    let name = finished.name.object();
    let created = repository
        .store()
        .objects
        .create(&name, finished.bytes.clone())
        .await?;
    if created == Created::Existed {
        return Err(Error::corrupt(&name, "its content does not match its name"));
    }
    let described = describe(&finished)?;
    // Nobody else has it any more, unless a destination kept it.
    if let Ok(mut bytes) = finished.bytes.try_into_mut() {
        bytes.clear();
        buffers.give_back(bytes.into());
    }
    Ok(described)
}

/// One line with all causes, for an error that is told more than once.
fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

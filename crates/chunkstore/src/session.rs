//! One writer's batch.

mod adopt;
mod chunks;
mod committed;
mod options;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use bytes::Bytes;

use crate::admin;
use crate::chunk_id::ChunkId;
use crate::chunks::{ChunkKind, MAX_CHUNK_BYTES};
use crate::error::{Error, ErrorKind, Result};
use crate::layout::{self, PackName, SessionId};
use crate::objects::Created;
use crate::pack_index::{IndexSegment, Slot};
use crate::pack_writer::{BlobPlace, PackWriter};
use crate::repository::{Repository, SnapshotInfo};
use crate::seal::ObjectKind;
use crate::sealed::{self, SessionKey};
use crate::session_record::{CommitRecord, EndRecord, OpenRecord};
use crate::store::Store;
use crate::uploads::{PackNumber, Uploads};

pub use committed::{Committed, NewSnapshot, SessionStats};
pub use options::SessionOptions;

/// Data chunks are spread at random over two open packs, so that the order and the lengths of the
/// pieces of one item cannot be read off a pack; tree nodes fill a third.
const DATA_LANES: usize = 2;
const META_LANE: usize = DATA_LANES;
/// Random bytes drawn at a time for choosing lanes.
const RANDOM_POOL: usize = 64;

/// An open session; clones share it.
///
/// Dropped without [`commit`](Session::commit) it leaves nothing visible: its packs are garbage
/// that a custodian collects.
#[derive(Clone)]
pub struct Session {
    inner: Arc<Inner>,
}

struct Inner {
    id: SessionId,
    nonce: [u8; 16],
    options: SessionOptions,
    repository: Repository,
    /// Packs that a custodian wants to delete: what lies only in them is stored again.
    absent: HashSet<PackName>,
    /// Read while a chunk is being added, written to see a state between chunks.
    gate: RwLock<()>,
    lanes: [Mutex<Option<Lane>>; DATA_LANES + 1],
    state: Mutex<State>,
    uploads: Uploads,
    /// Packs that other custodians have condemned.
    condemned: HashSet<PackName>,
    /// What the data is sealed with if the writer's key is one that does not read; drawn when
    /// there is data.
    sealed: tokio::sync::OnceCell<SessionKey>,
    /// Held while the outcome is written.
    outcome: tokio::sync::Mutex<Outcome>,
}

/// A pack being filled.
struct Lane {
    number: PackNumber,
    pack: PackWriter,
}

#[derive(Default)]
struct State {
    /// Chunks of this session by the start of their id.
    chunks: HashMap<[u8; 16], Placed>,
    snapshots: Vec<SnapshotInfo>,
    next_pack: PackNumber,
    random: Vec<u8>,
    stats: SessionStats,
}

#[derive(Clone, Copy)]
enum Placed {
    /// Another caller is compressing it right now.
    Coming,
    In(PackNumber, BlobPlace),
}

#[derive(Clone)]
enum Outcome {
    Open,
    Committed(Committed),
    Ended,
}

impl Session {
    pub(crate) async fn open(repository: Repository, options: SessionOptions) -> Result<Self> {
        Self::open_without(repository, options, HashSet::new()).await
    }

    /// Opens a session that counts some packs as absent, beside those that custodians condemned.
    pub(crate) async fn open_without(
        repository: Repository,
        options: SessionOptions,
        mut absent: HashSet<PackName>,
    ) -> Result<Self> {
        options.validate()?;
        let store = repository.store();
        let id = SessionId(store.env.ulid());
        let record = OpenRecord {
            nonce: store.env.random_array(),
            time_unix_ms: store.env.now(),
            writer: options.writer.clone(),
        };
        let name = id.open_name();
        store
            .write_sealed(&name, ObjectKind::SessionOpen, &record.encode()?)
            .await?;
        // Only now: a custodian that condemns a pack after this sees the session and waits for
        // it; one that condemned before is seen here. The other order loses data.
        let condemned = admin::absent_packs(store).await?;
        absent.extend(condemned.iter().copied());
        repository.refresh().await?;
        let uploads = Uploads::new(repository.clone());
        let inner = Inner {
            id,
            nonce: record.nonce,
            options,
            absent,
            gate: RwLock::default(),
            lanes: Default::default(),
            state: Mutex::default(),
            uploads,
            condemned,
            sealed: tokio::sync::OnceCell::new(),
            outcome: tokio::sync::Mutex::new(Outcome::Open),
            repository,
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// The session's id.
    pub fn id(&self) -> SessionId {
        self.inner.id
    }

    /// The repository it writes to.
    pub fn repository(&self) -> &Repository {
        &self.inner.repository
    }

    /// What was done so far.
    pub fn stats(&self) -> SessionStats {
        let (packs, stored_bytes) = self.inner.uploads.totals();
        SessionStats {
            packs,
            stored_bytes,
            ..self.inner.state().stats
        }
    }

    /// Uploads all open packs and waits until they are durable.
    ///
    /// # Errors
    /// The first failed upload's; the session cannot be committed any more.
    ///
    /// # Cancellation
    /// Uploads go on with the next call on the session.
    pub async fn flush(&self) -> Result<()> {
        self.inner.close_lanes();
        self.inner.uploads.drain().await
    }

    /// Makes everything durable, then visible: packs, index, `.end`.
    ///
    /// Calls after a successful commit return the same outcome.
    ///
    /// # Errors
    /// `Conflict` when a custodian ended the session: nothing became visible, write it again in a
    /// new session. Otherwise the first failed upload's; after a failure of the index or of `.end`
    /// it may be called again.
    ///
    /// # Cancellation
    /// Dropped before `.end` was sent, nothing is visible; afterwards it may be.
    pub async fn commit(&self) -> Result<Committed> {
        let mut outcome = self.inner.outcome.lock().await;
        match &*outcome {
            Outcome::Committed(committed) => return Ok(committed.clone()),
            Outcome::Ended => return Err(self.inner.ended()),
            Outcome::Open => {}
        }
        self.flush().await?;
        self.inner.forget_key();
        let segments = IndexSegment::join(self.inner.uploads.segments());
        let record = self.inner.write_index(&segments).await?;
        let name = self.inner.id.end_name();
        let end = EndRecord::Committed(record);
        let sealed = self
            .store()
            .seal(&name, ObjectKind::SessionEnd, &end.encode()?)?;
        // A refresh that listed before this commit must not put its older view over it.
        let _one = self.inner.repository.hold_refresh().await;
        let created = self.store().objects.create(&name, sealed).await?;
        let record = match (created, end) {
            (Created::New, EndRecord::Committed(record)) => record,
            // Our own earlier attempt, whose answer was lost, or a custodian's decision.
            _ => match self.inner.read_end().await? {
                EndRecord::Committed(record) if record.nonce == self.inner.nonce => record,
                _ => {
                    *outcome = Outcome::Ended;
                    return Err(self.inner.ended());
                }
            },
        };
        let committed = Committed {
            session: self.inner.id,
            snapshots: record
                .snapshots
                .iter()
                .map(|snapshot| snapshot.id)
                .collect(),
            stats: self.stats(),
        };
        let segments = match record.index.len() == segments.len() {
            true => record
                .index
                .iter()
                .copied()
                .map(Some)
                .zip(segments)
                .collect(),
            false => segments
                .into_iter()
                .map(|segment| (None, segment))
                .collect(),
        };
        self.inner
            .repository
            .catalogue_mut()
            .add(self.inner.id, record, segments);
        self.inner.uploads.fail(&Error::invalid(format!(
            "session {} is committed",
            self.inner.id
        )));
        *outcome = Outcome::Committed(committed.clone());
        Ok(committed)
    }

    /// Ends the session without making anything visible, so that no custodian waits for it.
    ///
    /// # Errors
    /// `Invalid` after a commit, otherwise from the destination.
    pub async fn abandon(&self) -> Result<()> {
        let mut outcome = self.inner.outcome.lock().await;
        match &*outcome {
            Outcome::Committed(_) => return Err(Error::invalid("the session is committed")),
            Outcome::Ended => return Ok(()),
            Outcome::Open => {}
        }
        let store = self.store();
        let end = EndRecord::Ended {
            nonce: self.inner.nonce,
            time_unix_ms: store.env.now(),
        };
        let name = self.inner.id.end_name();
        let sealed = store.seal(&name, ObjectKind::SessionEnd, &end.encode()?)?;
        // Refused: a custodian was faster, or a commit whose answer was lost.
        if store.objects.create(&name, sealed).await? == Created::Existed
            && let EndRecord::Committed(_) = self.inner.read_end().await?
        {
            return Err(Error::invalid("the session is committed"));
        }
        *outcome = Outcome::Ended;
        self.inner.uploads.fail(&self.inner.ended());
        self.inner.forget_key();
        Ok(())
    }

    fn store(&self) -> &Store {
        self.inner.repository.store()
    }
}

impl Inner {
    /// Whether a chunk lies in a pack that may be relied upon.
    fn is_known(&self, id: &ChunkId) -> bool {
        let catalogue = self.repository.catalogue();
        catalogue.index.contains(id, &self.absent)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ended(&self) -> Error {
        Error::new(
            ErrorKind::Conflict,
            format!("session {} was ended without a commit", self.id),
        )
    }

    async fn read_end(&self) -> Result<EndRecord> {
        let name = self.id.end_name();
        let record = self
            .repository
            .store()
            .read_sealed(&name, ObjectKind::SessionEnd)
            .await?;
        EndRecord::decode(&name, &record, self.id)
    }

    /// Draws the key of a sealed session's data, if it is one and has none yet.
    async fn establish(&self) -> Result<()> {
        let store = self.repository.store();
        if store.keyring().reads() {
            return Ok(());
        }
        let drawn = self
            .sealed
            .get_or_try_init(|| sealed::establish(store, self.id));
        drawn.await.map(drop)
    }

    /// Nothing more is sealed: from here on only readers open what was.
    fn forget_key(&self) {
        if let Some(session) = self.sealed.get() {
            self.repository.store().session_keys.forget(session.epoch);
        }
    }

    /// Whether data cannot be sealed before there is a key for it.
    fn lacks_key(&self, kind: ChunkKind) -> bool {
        let reads = self.repository.store().keyring().reads();
        kind == ChunkKind::Data && !reads && !self.sealed.initialized()
    }

    /// The whole of adding a chunk that needs no waiting: it cannot be dropped halfway. `None` when
    /// the session has to [establish](Inner::establish) its key first.
    fn put(&self, kind: ChunkKind, plain: &[u8]) -> Result<Option<ChunkId>> {
        if plain.len() > MAX_CHUNK_BYTES {
            return Err(Error::invalid("a chunk has at most 4 MiB"));
        }
        let store = self.repository.store();
        let id = store.chunk_id(plain);
        let _gate = self.gate.read().unwrap_or_else(PoisonError::into_inner);
        let known = self.is_known(&id);
        if !known && self.lacks_key(kind) {
            return Ok(None);
        }
        let Some(lane) = self.reserve(&id, (kind, plain.len()), known) else {
            return Ok(Some(id));
        };
        let stored = store
            .codec
            .encode(plain, self.options.zstd_level)
            .and_then(|frame| {
                let placed = self.append(lane, (id, kind), &frame, plain.len());
                store.codec.buffers().give_back(frame);
                placed
            });
        if let Err(error) = stored {
            // Another caller may have been told that this chunk is there.
            self.uploads.fail(&error);
            return Err(error);
        }
        Ok(Some(id))
    }

    /// Decides who stores a chunk: the lane to put it into, or `None` if it is there or coming.
    fn reserve(&self, id: &ChunkId, (kind, len): (ChunkKind, usize), known: bool) -> Option<usize> {
        let mut state = self.state();
        if known || state.chunks.contains_key(&id.short()) {
            state.stats.chunks_deduplicated += 1;
            state.stats.deduplicated_bytes += len as u64;
            return None;
        }
        state.chunks.insert(id.short(), Placed::Coming);
        state.stats.chunks_new += 1;
        state.stats.plain_bytes += len as u64;
        if kind == ChunkKind::Meta {
            return Some(META_LANE);
        }
        if state.random.is_empty() {
            let pool = self.repository.store().env.random_array::<RANDOM_POOL>();
            state.random.extend_from_slice(&pool);
        }
        Some(usize::from(state.random.pop().unwrap_or(0)) % DATA_LANES)
    }

    fn append(
        &self,
        lane: usize,
        (id, kind): (ChunkId, ChunkKind),
        frame: &[u8],
        plain_len: usize,
    ) -> Result<()> {
        self.append_to(lane, (id, kind), |pack| {
            pack.append((id, kind), frame, plain_len)
        })
    }

    /// Adds a blob to the open pack of a lane, which is handed over when it is full.
    fn append_to(
        &self,
        lane: usize,
        (id, kind): (ChunkId, ChunkKind),
        add: impl FnOnce(&mut PackWriter) -> Result<BlobPlace>,
    ) -> Result<()> {
        let mut open = self.lane(lane);
        let filling = match &mut *open {
            Some(filling) => filling,
            none => none.insert(self.start_pack(kind)?),
        };
        let number = filling.number;
        let place = add(&mut filling.pack)?;
        let limit = match kind {
            ChunkKind::Data => self.options.data_pack_bytes,
            ChunkKind::Meta => self.options.meta_pack_bytes,
        };
        self.state()
            .chunks
            .insert(id.short(), Placed::In(number, place));
        if (filling.pack.len() >= limit || filling.pack.has_all_origins())
            && let Some(full) = open.take()
        {
            self.uploads.push(full.number, full.pack);
        }
        Ok(())
    }

    fn lane(&self, lane: usize) -> MutexGuard<'_, Option<Lane>> {
        self.lanes[lane]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn start_pack(&self, kind: ChunkKind) -> Result<Lane> {
        let store = self.repository.store();
        let mut state = self.state();
        let number = state.next_pack;
        let room = self.uploads.buffers().take();
        let pack = PackWriter::new(kind, room, self.sealed.get(), &store.sealer, &store.env)?;
        state.next_pack += 1;
        Ok(Lane { number, pack })
    }

    /// Hands all open packs over for upload.
    fn close_lanes(&self) {
        let _gate = self.gate.write().unwrap_or_else(PoisonError::into_inner);
        for lane in 0..self.lanes.len() {
            if let Some(open) = self.lane(lane).take() {
                self.uploads.push(open.number, open.pack);
            }
        }
    }

    /// Uploads the index segments and puts together what `.end` will say.
    async fn write_index(&self, segments: &[IndexSegment]) -> Result<CommitRecord> {
        let store = self.repository.store();
        let mut record = CommitRecord {
            nonce: self.nonce,
            time_unix_ms: store.env.now(),
            writer: self.options.writer.clone(),
            index: Vec::with_capacity(segments.len()),
            packs: Vec::new(),
            snapshots: self.state().snapshots.clone(),
        };
        for segment in segments {
            let id = store.env.ulid();
            let name = layout::index_name(id);
            store
                .write_sealed(&name, ObjectKind::Index, &segment.encode()?)
                .await?;
            record.index.push(id.to_bytes());
            let packs = segment
                .packs
                .iter()
                .map(|pack| (pack.name, u64::from(pack.len)));
            record.packs.extend(packs);
        }
        Ok(record)
    }

    fn placed(&self, id: &ChunkId) -> Option<Placed> {
        let placed = self.state().chunks.get(&id.short()).copied();
        if let Some(Placed::Coming) = placed {
            // Wait for the callers that are compressing; the next look finds its place.
            drop(self.gate.write().unwrap_or_else(PoisonError::into_inner));
            return self.state().chunks.get(&id.short()).copied();
        }
        placed
    }

    /// Reads a chunk from a pack that is still being filled.
    fn read_open(
        &self,
        id: &ChunkId,
        number: PackNumber,
        place: BlobPlace,
    ) -> Option<Result<Bytes>> {
        let store = self.repository.store();
        for lane in 0..self.lanes.len() {
            let open = self.lane(lane);
            if let Some(open) = open.as_ref().filter(|open| open.number == number) {
                let read = open.pack.read(id, place, (&store.codec, &store.sealer));
                return Some(read.map(Bytes::from));
            }
        }
        None
    }

    /// Reads a chunk of this session that no commit has made visible yet.
    async fn read_own(&self, id: &ChunkId) -> Result<Option<Bytes>> {
        let Some(Placed::In(number, place)) = self.placed(id) else {
            return Ok(None);
        };
        if let Some(read) = self.read_open(id, number, place) {
            return read.map(Some);
        }
        if self.uploads.uploaded(number).is_none() {
            self.uploads.drain().await?;
        }
        let pack = self
            .uploads
            .uploaded(number)
            .ok_or_else(|| Error::internal("a pack of the session is neither open nor uploaded"))?;
        let slot = Slot::at(id, place);
        let bytes = self.repository.store().read_chunk(id, &pack, &slot).await?;
        self.repository.remember(id, &bytes);
        Ok(Some(bytes))
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.forget_key();
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("id", &self.inner.id)
            .finish_non_exhaustive()
    }
}

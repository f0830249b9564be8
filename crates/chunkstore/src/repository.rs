//! The repository as its users hold it.

mod index_files;
mod reading;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak,
};

use bytes::Bytes;
use object_store::ObjectStore;

use crate::catalogue::{self, Catalogue};
use crate::check::{self, CheckOptions, CheckProgress, CheckReport, Problem};
use crate::chunk_cache::ChunkCache;
use crate::chunk_id::{ChunkId, parse_hex, write_hex};
use crate::config::{Config, CreateOptions, MAX_CONFIG_BYTES, RepositoryId, Writers};
use crate::content::Content;
use crate::env::Environment;
use crate::error::{Error, ErrorKind, Result};
use crate::frame::Codec;
use crate::key_admin::KeyId;
use crate::key_slot::{self, Label, SlotPlace};
use crate::keyring::{Key, Keyring};
use crate::keys::{self, Unlocked};
use crate::layout::{self, REPOSITORY, SessionId};
use crate::objects::{Created, Objects, Sealer};
use crate::pack_index::IndexCache;
use crate::seal::ObjectKind;
use crate::sealed::SessionKeys;
use crate::session::{Session, SessionOptions};
use crate::session_record::EndRecord;
use crate::store::Store;
use crate::tree::TreeRoot;
use crate::unlock::{NewKey, Unlock};
use crate::{admin, dictionary, repairs};

/// Names a snapshot.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SnapshotId(pub(crate) [u8; 16]);

impl SnapshotId {
    /// The id's bytes.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for SnapshotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl fmt::Debug for SnapshotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SnapshotId({self})")
    }
}

impl FromStr for SnapshotId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        parse_hex(text)
            .map(Self)
            .ok_or_else(|| Error::invalid("a snapshot id is 32 hexadecimal digits"))
    }
}

/// One committed session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionInfo {
    /// Its id.
    pub id: SessionId,
    /// When the writer says it committed, in milliseconds since 1970-01-01T00:00:00Z.
    pub time_unix_ms: i64,
    /// What the writer called itself ([`SessionOptions::writer`]).
    pub writer: String,
    /// Snapshots it added, forgotten ones included.
    pub snapshots: usize,
    /// Packs it uploaded.
    pub packs: usize,
}

/// One snapshot: the immutable state of one named thing at one time.
#[derive(Clone, Debug, PartialEq)]
pub struct SnapshotInfo {
    /// Its id.
    pub id: SnapshotId,
    /// The caller's name for what it is a state of (a mailbox key).
    pub name: String,
    /// When it was taken, in milliseconds since 1970-01-01T00:00:00Z, as given by the writer.
    pub time_unix_ms: i64,
    /// Whether it is a checkpoint of an unfinished run.
    pub partial: bool,
    /// Its tree.
    pub root: TreeRoot,
    /// The caller's metadata.
    pub value: Vec<u8>,
    /// The session that committed it.
    pub session: SessionId,
}

/// How much a repository holds, as far as its index tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RepositoryStats {
    /// Bytes of all packs that committed sessions uploaded.
    pub stored_bytes: u64,
    /// Number of these packs.
    pub packs: u64,
    /// Chunks in them; a chunk stored twice counts twice.
    pub chunks: u64,
}

/// Where a chunk lies. Places sort as they follow one another in the packs; they mean nothing to
/// another opened repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChunkPlace {
    /// The number of the pack.
    pub pack: u32,
    /// Where in the pack it begins.
    pub offset: u32,
    /// How many bytes it takes there.
    pub stored_bytes: u32,
}

/// An open repository; clones share everything.
#[derive(Clone)]
pub struct Repository {
    inner: Arc<Inner>,
}

struct Inner {
    config: Config,
    /// The key that opened it.
    key: KeyId,
    store: Store,
    catalogue: RwLock<Catalogue>,
    cache: Mutex<ChunkCache>,
    /// Chunks that are being read: whoever else wants one waits for it.
    loading: Mutex<HashMap<ChunkId, Weak<tokio::sync::Mutex<()>>>>,
    /// Where the index is kept between two times the repository is opened.
    index_cache: Option<IndexCache>,
    /// One refresh at a time: two would read the same objects.
    refreshing: tokio::sync::Mutex<()>,
}

impl Repository {
    /// Creates a repository at a destination that holds none, opened by its `first` key; for more
    /// keys see [`Repository::add_key`].
    ///
    /// First the destination proves itself: of sixteen concurrent creates of one name exactly one
    /// may win, and its body must stay. Where that fails the repository is limited to one writer,
    /// see [`Repository::writers`].
    ///
    /// # Errors
    /// `AlreadyExists` when a repository stands there, `Invalid` for an empty passphrase or
    /// parameters out of range, `NoSpace`, `Denied`, `Unavailable` from the destination.
    ///
    /// # Cancellation
    /// What is left behind is no repository; creating again works.
    pub async fn create(
        destination: Arc<dyn ObjectStore>,
        first: impl Into<NewKey>,
        options: &CreateOptions,
        env: Environment,
    ) -> Result<Self> {
        let first = match first.into() {
            NewKey::Passphrase(passphrase, None) => {
                NewKey::Passphrase(passphrase, Some(options.argon2))
            }
            other => other,
        };
        first.validate()?;
        if matches!(first, NewKey::Writer(_)) {
            return Err(Error::invalid("the first key has to be one that reads"));
        }
        let objects = Objects::new(Arc::clone(&destination), Writers::Many);
        refuse_existing(&objects).await?;
        let writers = objects.probe(&env).await?;
        let objects = Objects::new(destination, writers);
        let id = RepositoryId(env.ulid());
        let config = Config::new(id, options.suite, writers, env.now());
        let config_bytes = config.encode();
        let keyring = Keyring::new(id, vec![Key::from_bytes(env.random_array())]);
        let place = SlotPlace {
            suite: options.suite,
            config: &config_bytes,
            env: &env,
        };
        let label = Label {
            created_unix_ms: env.now(),
            text: String::new(),
        };
        let slot = key_slot::seal(&keyring, &first, &label, &place).await?;
        let name = layout::key_slot_name(&slot);
        // The slot first: a repository that nobody can open must never exist, not even briefly.
        objects.create_own(&name, slot).await?;
        let unlocked = Unlocked {
            keyring,
            slot: layout::parse_key_slot(&name).unwrap_or_default(),
        };
        match objects.create(REPOSITORY, config_bytes.into()).await? {
            Created::New => Self::assemble((objects, None), config, unlocked, env),
            Created::Existed => Err(already_exists()),
        }
    }

    /// Opens a repository and reads its catalogue: all committed sessions and their index.
    ///
    /// A damaged session or index object does not prevent opening: the index is rebuilt from the
    /// packs it describes, and what was found is in [`Repository::problems`].
    ///
    /// # Errors
    /// `NotFound` when there is no repository, `Auth` for a secret that opens none of its keys,
    /// `Unsupported` for a newer format, `Corrupt` when `repository.json` or every key slot is
    /// damaged.
    pub async fn open(
        destination: Arc<dyn ObjectStore>,
        unlock: impl Into<Unlock>,
        env: Environment,
    ) -> Result<Self> {
        Self::open_with(destination, unlock, None, env).await
    }

    /// The same with a folder for local files, in which a large index is kept: opening then reads
    /// only what is new, and of the index some 10 bits a chunk are held in memory, instead of 28
    /// bytes. The folder may serve many repositories and processes, and may be deleted at any time.
    ///
    /// # Errors
    /// As for [`Repository::open`].
    pub async fn open_with(
        destination: Arc<dyn ObjectStore>,
        unlock: impl Into<Unlock>,
        cache_folder: Option<&Path>,
        env: Environment,
    ) -> Result<Self> {
        let unlock = unlock.into();
        let objects = Objects::new(Arc::clone(&destination), Writers::Many);
        let config_bytes = match objects.get(REPOSITORY, MAX_CONFIG_BYTES).await {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(Error::new(
                    ErrorKind::NotFound,
                    format!("there is no repository at the destination ({REPOSITORY} is missing)"),
                )
                .with_source(error));
            }
            Err(error) => return Err(error),
        };
        let config = Config::decode(&config_bytes)?;
        let objects = Objects::new(destination, config.writers());
        let folder = keys::read(&objects, config.id()?).await?;
        let place = (&objects, config.suite());
        let unlocked = folder.unlock(place, &unlock, &config_bytes).await?;
        let id = config.id()?;
        let cache = cache_folder.map(|folder| {
            let folder = folder.join(id.to_string()).join("chunks");
            IndexCache::new(folder, id.to_bytes())
        });
        let repository = Self::assemble((objects, cache), config, unlocked, env)?;
        repository.load_cached_index().await?;
        repository.refresh().await?;
        Ok(repository)
    }

    fn assemble(
        (objects, index_cache): (Objects, Option<IndexCache>),
        config: Config,
        unlocked: Unlocked,
        env: Environment,
    ) -> Result<Self> {
        let id = config.id()?;
        let sealer = Sealer {
            repository: id,
            suite: config.suite(),
            epoch: unlocked.keyring.newest_epoch(),
            keyring: unlocked.keyring,
        };
        let store = Store {
            objects,
            sealer,
            codec: Codec::default(),
            env,
            session_keys: SessionKeys::default(),
        };
        Ok(Self {
            inner: Arc::new(Inner {
                config,
                key: KeyId(unlocked.slot),
                store,
                catalogue: RwLock::default(),
                cache: Mutex::default(),
                loading: Mutex::default(),
                index_cache,
                refreshing: tokio::sync::Mutex::default(),
            }),
        })
    }

    /// The repository's id.
    pub fn id(&self) -> RepositoryId {
        self.store().sealer.repository
    }

    /// A key of the caller's own, derived from the repository's master key; wiped when dropped.
    ///
    /// For local files that only who opens the repository may read. The same context gives the
    /// same key for ever; keys of different contexts, and the repository's own, tell nothing of
    /// one another.
    pub fn derive_key(&self, context: &str) -> zeroize::Zeroizing<[u8; 32]> {
        self.store().keyring().caller_key(context)
    }

    /// How many writers the destination allows at the same time.
    pub fn writers(&self) -> Writers {
        self.inner.config.writers()
    }

    /// The committed sessions known so far, oldest first.
    pub fn sessions(&self) -> Vec<SessionInfo> {
        self.catalogue().sessions()
    }

    /// The snapshots known so far without the forgotten ones, sorted by time, then id.
    pub fn snapshots(&self) -> Vec<SnapshotInfo> {
        self.catalogue().user_snapshots()
    }

    /// Entries of a snapshot that a repair could not heal: what they refer to is lost.
    pub fn lost_entries(&self, snapshot: &SnapshotId) -> u64 {
        self.catalogue().repairs.lost_entries(snapshot)
    }

    /// Whether a repair wrote anything down.
    pub fn has_repairs(&self) -> bool {
        !self.catalogue().repairs.is_empty()
    }

    /// Whether a repair found that a content cannot be read and could not heal it.
    pub fn is_lost(&self, content: &Content) -> bool {
        self.catalogue().repairs.is_lost(content)
    }

    /// Damage met so far while reading the catalogue.
    pub fn problems(&self) -> Vec<Problem> {
        self.catalogue().problems()
    }

    /// Reads what other writers have committed, and what was forgotten, since the last time.
    ///
    /// # Errors
    /// From the destination; damage goes to [`Repository::problems`].
    pub async fn refresh(&self) -> Result<()> {
        let _one = self.inner.refreshing.lock().await;
        self.drop_broken_index();
        let problems = dictionary::load(self.store()).await?;
        self.catalogue_mut().add_problems(problems);
        let before = self.catalogue().epoch();
        catalogue::refresh(self.store(), &self.inner.catalogue).await?;
        if self.catalogue().epoch() != before {
            self.store().session_keys.forget_read();
        }
        repairs::load(self).await?;
        self.store_index().await;
        // Something of a later epoch: damaged, or our keys are not current any more.
        if self.store().keyring().take_later_epoch_met() {
            keys::refuse_replaced(self.store()).await?;
        }
        Ok(())
    }

    /// Keeps refreshes out while the guard lives.
    pub(crate) async fn hold_refresh(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.inner.refreshing.lock().await
    }

    /// Whether a committed chunk is known.
    pub fn has_chunk(&self, id: &ChunkId) -> bool {
        self.catalogue().index.contains(id, &HashSet::new())
    }

    /// Where a chunk lies, for callers that read many and want to go through the packs in order.
    /// `None` for a chunk that the index does not know.
    pub fn chunk_place(&self, id: &ChunkId) -> Option<ChunkPlace> {
        let catalogue = self.catalogue();
        let slot = catalogue.index.slot(id)?;
        Some(ChunkPlace {
            pack: slot.pack,
            offset: slot.offset,
            stored_bytes: slot.sealed_len(),
        })
    }

    /// How much the repository holds.
    pub fn stats(&self) -> RepositoryStats {
        let catalogue = self.catalogue();
        let packs = catalogue.packs();
        RepositoryStats {
            stored_bytes: packs.values().sum(),
            packs: packs.len() as u64,
            chunks: catalogue.index.chunk_count(),
        }
    }

    /// Opens a session: creates its `.open` object and only then reads what is condemned.
    ///
    /// # Errors
    /// `Invalid` for options out of range, otherwise from the destination.
    ///
    /// # Cancellation
    /// May leave an open session behind, which the custodian ends.
    pub async fn session(&self, options: SessionOptions) -> Result<Session> {
        Session::open(self.clone(), options).await
    }

    /// Ends a session that another writer left open: its commit will answer `Conflict`.
    ///
    /// For custodians, and for a writer that cleans up after its own crash. Returns whether the
    /// session is ended without a commit; `false` says that it was committed before.
    ///
    /// # Errors
    /// From the destination.
    pub async fn end_session(&self, session: SessionId) -> Result<bool> {
        let store = self.store();
        let name = session.end_name();
        let end = EndRecord::Ended {
            nonce: store.env.random_array(),
            time_unix_ms: store.env.now(),
        };
        let sealed = store.seal(&name, ObjectKind::SessionEnd, &end.encode()?)?;
        if store.objects.create(&name, sealed).await? == Created::New {
            return Ok(true);
        }
        let record = store.read_sealed(&name, ObjectKind::SessionEnd).await?;
        let there = EndRecord::decode(&name, &record, session)?;
        Ok(matches!(there, EndRecord::Ended { .. }))
    }

    /// Marks snapshots as forgotten; their bytes stay until a collection.
    ///
    /// # Errors
    /// `NotFound` when one is unknown (then none is forgotten), otherwise from the destination.
    pub async fn forget(&self, snapshots: &[SnapshotId]) -> Result<()> {
        let known: HashSet<_> = self.snapshots().into_iter().map(|s| s.id).collect();
        if let Some(unknown) = snapshots.iter().find(|id| !known.contains(id)) {
            return Err(Error::new(
                ErrorKind::NotFound,
                format!("there is no snapshot {unknown}"),
            ));
        }
        if snapshots.is_empty() {
            return Ok(());
        }
        self.decide_forgotten(snapshots).await
    }

    /// The same of whatever snapshots.
    pub(crate) async fn decide_forgotten(&self, snapshots: &[SnapshotId]) -> Result<()> {
        let name = layout::forget_name(self.store().env.ulid());
        let record = admin::encode_forgotten(snapshots)?;
        self.store()
            .write_sealed(&name, ObjectKind::Forget, &record)
            .await?;
        self.catalogue_mut().forget(name, snapshots.to_vec());
        Ok(())
    }

    /// Rebuilds the index in memory from the headers of all packs that committed sessions name.
    ///
    /// Returns what could not be read. [`Repository::open`] does this by itself for index objects
    /// that are missing or damaged.
    ///
    /// # Errors
    /// From the destination.
    pub async fn rebuild_index(&self) -> Result<Vec<Problem>> {
        let packs = self.catalogue().packs().into_iter().collect();
        let (segments, problems) = catalogue::read_headers(self.store(), packs).await?;
        self.catalogue_mut().replace_index(segments);
        Ok(problems)
    }

    /// Adds a compression dictionary for chunks of up to 256 KiB; sessions use the newest.
    ///
    /// It is stored twice and never deleted, since chunks compressed with it need it.
    ///
    /// # Errors
    /// `Invalid` unless it has 8 bytes to 1 MiB, otherwise from the destination.
    pub async fn add_dictionary(&self, dictionary: &[u8]) -> Result<()> {
        dictionary::add(self.store(), dictionary).await
    }

    /// Examines stored objects and reports all damage; changes nothing.
    ///
    /// # Errors
    /// Only when continuing is pointless: the destination cannot be listed or reached.
    pub async fn check(
        &self,
        options: &CheckOptions,
        on_progress: &(dyn Fn(CheckProgress) + Send + Sync),
    ) -> Result<CheckReport> {
        self.refresh().await?;
        check::run(self, options, on_progress).await
    }

    pub(crate) fn store(&self) -> &Store {
        &self.inner.store
    }

    pub(crate) fn key_id(&self) -> KeyId {
        self.inner.key
    }

    pub(crate) fn config(&self) -> &Config {
        &self.inner.config
    }

    pub(crate) fn catalogue(&self) -> RwLockReadGuard<'_, Catalogue> {
        self.inner
            .catalogue
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn catalogue_mut(&self) -> RwLockWriteGuard<'_, Catalogue> {
        self.inner
            .catalogue
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// A chunk read recently.
    pub(crate) fn cached(&self, id: &ChunkId) -> Option<Bytes> {
        self.cache().get(id)
    }

    pub(crate) fn remember(&self, id: &ChunkId, bytes: &Bytes) {
        self.cache().insert(*id, bytes.clone());
    }

    fn cache(&self) -> MutexGuard<'_, ChunkCache> {
        let cache = self.inner.cache.lock();
        cache.unwrap_or_else(PoisonError::into_inner)
    }
}

async fn refuse_existing(objects: &Objects) -> Result<()> {
    match objects.get(REPOSITORY, MAX_CONFIG_BYTES).await {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() != ErrorKind::Corrupt => Err(error),
        // Anything of that name, readable or not, is somebody's.
        _ => Err(already_exists()),
    }
}

fn already_exists() -> Error {
    Error::new(
        ErrorKind::AlreadyExists,
        format!("a repository already exists at the destination ({REPOSITORY} is there)"),
    )
}

impl fmt::Debug for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Repository")
            .field("id", &self.id())
            .finish_non_exhaustive()
    }
}

//! A store in memory whose calls wait for their turn, so that a test decides every interleaving.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use futures::stream::{self, BoxStream, StreamExt};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use tokio::sync::oneshot;

/// How a destination, or the code above it, misbehaves for one actor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Lie {
    #[default]
    None,
    /// Creates are carried out and answered "exists", as after an unheard success.
    RetriedCreates,
    /// Listings are made in two halves, with time between them.
    SlowListings,
    /// Broken: `.open` appears only when the first pack does, after the lists were read.
    LateOpen,
    /// Broken: `.end` overwrites the outcome that stands there.
    OverwrittenEnd,
    /// Broken: an open session is presumed dead, without an `.end` that says so.
    PresumedDead,
}

/// What all actors of one run share.
#[derive(Default)]
pub(super) struct Floor {
    waiting: Vec<(usize, String, oneshot::Sender<()>)>,
    /// Counts whatever happens, to see when everything stands still.
    pub(super) events: u64,
    /// The hash of each object.
    objects: BTreeMap<String, u64>,
    /// The hash of all that each actor has seen.
    seen: BTreeMap<usize, u64>,
    pub(super) is_open: bool,
}

impl Floor {
    /// Who waits, each actor with the oldest of its calls.
    pub(super) fn waiting(&self) -> Vec<(usize, String)> {
        let mut first = BTreeMap::new();
        for (actor, call, _) in &self.waiting {
            first.entry(*actor).or_insert_with(|| call.clone());
        }
        first.into_iter().collect()
    }

    pub(super) fn grant(&mut self, actor: usize) {
        if let Some(at) = self.waiting.iter().position(|(who, ..)| *who == actor) {
            let (.., turn) = self.waiting.remove(at);
            let _ = turn.send(());
        }
    }

    /// Stands for the whole state of a run: what is stored, and what each actor knows.
    pub(super) fn signature(&self) -> u64 {
        hash(&format!(
            "{:?}{:?}{:?}",
            self.objects,
            self.seen,
            self.waiting()
        ))
    }
}

fn hash(text: &str) -> u64 {
    let hash = blake3::hash(text.as_bytes());
    u64::from_le_bytes(*hash.as_bytes().first_chunk().unwrap())
}

/// One actor's view of the store.
#[derive(Clone)]
pub(super) struct Gate {
    pub(super) inner: Arc<InMemory>,
    pub(super) floor: Arc<Mutex<Floor>>,
    pub(super) actor: usize,
    pub(super) lie: Lie,
    held: Arc<Mutex<Option<(Path, PutPayload)>>>,
    presumed: Arc<Mutex<BTreeSet<String>>>,
}

impl Gate {
    pub(super) fn new(
        inner: Arc<InMemory>,
        floor: Arc<Mutex<Floor>>,
        (actor, lie): (usize, Lie),
    ) -> Self {
        Self {
            inner,
            floor,
            actor,
            lie,
            held: Arc::default(),
            presumed: Arc::default(),
        }
    }

    pub(super) fn floor(&self) -> MutexGuard<'_, Floor> {
        self.floor.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn turn(&self, call: String) {
        let turn = {
            let mut floor = self.floor();
            if !floor.is_open {
                return;
            }
            floor.events += 1;
            let (grant, turn) = oneshot::channel();
            floor.waiting.push((self.actor, call, grant));
            turn
        };
        let _ = turn.await;
        self.floor().events += 1;
    }

    fn saw(&self, what: String) {
        let mut floor = self.floor();
        let seen = floor.seen.entry(self.actor).or_default();
        *seen = hash(&format!("{seen} {what}"));
    }

    /// What a listing shows to this actor.
    fn shows(&self, name: &str) -> bool {
        let presumed = self.presumed.lock().unwrap_or_else(PoisonError::into_inner);
        !presumed.contains(name.trim_end_matches(".open"))
    }

    async fn list_now(&self, prefix: Option<&Path>) -> Vec<ObjectMeta> {
        let listed: Vec<_> = self.inner.list(prefix).collect().await;
        let mut listed: Vec<ObjectMeta> = listed.into_iter().map(Result::unwrap).collect();
        listed.sort_by(|a, b| a.location.cmp(&b.location));
        listed.retain(|meta| self.shows(meta.location.as_ref()));
        listed
    }

    async fn listing(self, prefix: Option<Path>) -> Vec<ObjectMeta> {
        let folder = prefix.clone().unwrap_or_default();
        if folder.as_ref() == "dicts" {
            return self.list_now(prefix.as_ref()).await;
        }
        self.turn(format!("list {folder}")).await;
        let mut listed = self.list_now(prefix.as_ref()).await;
        if self.lie == Lie::SlowListings {
            // The first half as it is now, the second as it will be.
            let half = listed.len() / 2;
            let border = listed.get(half).map(|meta| meta.location.clone());
            listed.truncate(half);
            self.turn(format!("list on {folder}")).await;
            let later = self.list_now(prefix.as_ref()).await;
            let later = later.into_iter();
            listed.extend(later.filter(|meta| border.as_ref().is_none_or(|b| meta.location >= *b)));
        }
        let names: Vec<_> = listed.iter().map(|meta| meta.location.as_ref()).collect();
        self.saw(format!("list {folder} {names:?}"));
        listed
    }
}

#[async_trait]
impl ObjectStore for Gate {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        mut options: PutOptions,
    ) -> Result<PutResult> {
        let name = location.to_string();
        if self.lie == Lie::LateOpen && name.ends_with(".open") {
            *self.held.lock().unwrap() = Some((location.clone(), payload));
            return Ok(PutResult {
                e_tag: None,
                version: None,
                extensions: Default::default(),
            });
        }
        let held = self.held.lock().unwrap().take();
        if let Some((open, record)) = held {
            self.turn(format!("put {open}")).await;
            self.inner.put(&open, record).await?;
        }
        self.turn(format!("put {name}")).await;
        if self.lie == Lie::PresumedDead && name.ends_with(".end") {
            let session = name.trim_end_matches(".end").to_owned();
            self.presumed.lock().unwrap().insert(session);
            return Ok(PutResult {
                e_tag: None,
                version: None,
                extensions: Default::default(),
            });
        }
        if self.lie == Lie::OverwrittenEnd && name.ends_with(".end") {
            options.mode = PutMode::Overwrite;
        }
        let bytes: bytes::Bytes = payload.clone().into();
        let done = self.inner.put_opts(location, payload, options).await;
        if done.is_ok() {
            let body = u64::from_le_bytes(*blake3::hash(&bytes).as_bytes().first_chunk().unwrap());
            self.floor().objects.insert(name.clone(), body);
        }
        self.saw(format!("put {name} {}", done.is_ok()));
        match done {
            Ok(_) if self.lie == Lie::RetriedCreates => Err(object_store::Error::AlreadyExists {
                path: name,
                source: "the retry of a create that had succeeded".into(),
            }),
            done => done,
        }
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let got = self.inner.get_opts(location, options).await;
        self.saw(format!("get {location} {}", got.is_ok()));
        got
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let gate = self.clone();
        locations
            .then(move |location| {
                let gate = gate.clone();
                async move {
                    let location = location?;
                    gate.turn(format!("delete {location}")).await;
                    gate.inner.delete(&location).await?;
                    gate.floor().objects.remove(location.as_ref());
                    Ok(location)
                }
            })
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let listing = self.clone().listing(prefix.cloned());
        stream::once(listing)
            .flat_map(|listed| stream::iter(listed.into_iter().map(Ok)))
            .boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Gate({})", self.actor)
    }
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Gate({})", self.actor)
    }
}

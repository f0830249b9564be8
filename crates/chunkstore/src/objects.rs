//! Write-once objects on a destination, and the sealed ones among them.

use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use object_store::{
    GetResultPayload, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload,
};

use crate::config::{RepositoryId, Writers};
use crate::env::Environment;
use crate::error::{Error, ErrorKind, Result};
use crate::frame::Codec;
use crate::keyring::Keyring;
use crate::layout;
use crate::seal::{Cipher, ObjectKind, PREAMBLE_LEN, Preamble, SealedBuffer, Suite};
use crate::sealed::{is_sealed, meta_epoch};

/// The largest sealed object other than a pack, sealed or plain: 9 million index entries.
pub(crate) const MAX_SEALED_BYTES: usize = 256 << 20;
/// Compression of sealed objects: they are small and written seldom.
const SEALED_LEVEL: i32 = 3;
/// Purpose of the key of a sealed object.
const SEALED_PURPOSE: &str = "sealed";

/// What became of a create.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Created {
    /// The object is ours.
    New,
    /// Something of that name was there, and was left alone.
    Existed,
}

/// A destination that is only ever added to.
#[derive(Clone, Debug)]
pub(crate) struct Objects {
    store: Arc<dyn ObjectStore>,
    writers: Writers,
}

impl Objects {
    pub(crate) fn new(store: Arc<dyn ObjectStore>, writers: Writers) -> Self {
        Self { store, writers }
    }

    /// Creates an object. A refused create is compared with the own bytes: a destination that
    /// repeats a request after a lost answer refuses what it has just accepted.
    pub(crate) async fn create(&self, name: &str, bytes: Bytes) -> Result<Created> {
        match self.try_create(name, bytes.clone()).await? {
            Created::New => Ok(Created::New),
            Created::Existed => {
                let there = self.get(name, bytes.len() as u64).await;
                match there {
                    Ok(there) if there == bytes => Ok(Created::New),
                    Ok(_) => Ok(Created::Existed),
                    // Longer than ours: not ours.
                    Err(error) if error.kind() == ErrorKind::Corrupt => Ok(Created::Existed),
                    Err(error) => Err(error),
                }
            }
        }
    }

    /// Creates an object whose name nobody else can have chosen.
    pub(crate) async fn create_own(&self, name: &str, bytes: Bytes) -> Result<()> {
        match self.create(name, bytes).await? {
            Created::New => Ok(()),
            Created::Existed => Err(Error::new(
                ErrorKind::Conflict,
                format!("cannot write {name}: something else stands there"),
            )),
        }
    }

    /// One create, without looking at what refused it.
    pub(crate) async fn try_create(&self, name: &str, bytes: Bytes) -> Result<Created> {
        use object_store::Error as Store;
        let path = layout::path(name);
        let options = PutOptions::from(PutMode::Create);
        match self
            .store
            .put_opts(&path, bytes.clone().into(), options)
            .await
        {
            Ok(_) => Ok(Created::New),
            Err(Store::AlreadyExists { .. } | Store::Precondition { .. }) => Ok(Created::Existed),
            Err(Store::NotImplemented { .. } | Store::NotSupported { .. })
                if self.writers == Writers::Single =>
            {
                self.create_unguarded(name, bytes).await
            }
            Err(error) => Err(Error::from_store("write", name, error)),
        }
    }

    /// Look, then put: good enough only because nobody else writes.
    async fn create_unguarded(&self, name: &str, bytes: Bytes) -> Result<Created> {
        let path = layout::path(name);
        match self.store.head(&path).await {
            Ok(_) => Ok(Created::Existed),
            Err(object_store::Error::NotFound { .. }) => {
                let put = self.store.put(&path, PutPayload::from(bytes)).await;
                put.map_err(|e| Error::from_store("write", name, e))?;
                Ok(Created::New)
            }
            Err(error) => Err(Error::from_store("look for", name, error)),
        }
    }

    /// Reads a whole object of at most `max` bytes.
    pub(crate) async fn get(&self, name: &str, max: u64) -> Result<Bytes> {
        let failed = |e| Error::from_store("read", name, e);
        let answer = self.store.get(&layout::path(name)).await.map_err(failed)?;
        let size = answer.meta.size;
        if size > max {
            return Err(Error::corrupt(name, "it is longer than it can be"));
        }
        if let GetResultPayload::File(..) = answer.payload {
            // In one go; a stream would read it in small pieces.
            return answer.bytes().await.map_err(failed);
        }
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
        let mut stream = answer.into_stream();
        while let Some(piece) = stream.try_next().await.map_err(failed)? {
            if (bytes.len() + piece.len()) as u64 > max {
                return Err(Error::corrupt(name, "it is longer than it can be"));
            }
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes.into())
    }

    /// Reads exactly `len` bytes at `offset`; fewer means that the object was truncated.
    pub(crate) async fn get_range(&self, name: &str, offset: u64, len: u64) -> Result<Bytes> {
        let range = offset..offset.saturating_add(len);
        match self.store.get_range(&layout::path(name), range).await {
            Ok(bytes) if bytes.len() as u64 == len => Ok(bytes),
            Ok(_) => Err(Error::corrupt(name, "it is truncated")),
            Err(error) => Err(self.range_error(name, offset + len, error).await),
        }
    }

    /// Destinations answer a range beyond the end in their own ways: ask for the length.
    async fn range_error(&self, name: &str, end: u64, error: object_store::Error) -> Error {
        if !matches!(error, object_store::Error::NotFound { .. })
            && let Ok(meta) = self.store.head(&layout::path(name)).await
            && meta.size < end
        {
            return Error::corrupt(name, "it is truncated");
        }
        Error::from_store("read", name, error)
    }

    /// Lists a folder and everything below it.
    pub(crate) async fn list(&self, folder: &str) -> Result<Vec<ObjectMeta>> {
        let prefix = layout::path(folder);
        let listed: Result<Vec<_>, _> = self.store.list(Some(&prefix)).try_collect().await;
        match listed {
            Ok(listed) => Ok(listed),
            // A folder that was never written to.
            Err(object_store::Error::NotFound { .. }) => Ok(Vec::new()),
            Err(error) => Err(Error::from_store("list", folder, error)),
        }
    }

    /// Deletes an object; one that is gone already counts as deleted.
    pub(crate) async fn delete(&self, name: &str) -> Result<()> {
        match self.store.delete(&layout::path(name)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(Error::from_store("delete", name, error)),
        }
    }

    /// Removes a probe; destinations that do not let writers delete keep it.
    pub(crate) async fn remove_probe(&self, name: &str) {
        let done = self.store.delete(&layout::path(name)).await;
        if let Err(error) = done {
            tracing::debug!(object = name, %error, "the probe stays");
        }
    }

    /// Finds out how many writers the destination can keep apart.
    ///
    /// Concurrent creates of one name: one S3 server passes the same test in sequence and lets all
    /// win the race. Several names, one after the other: on a busy machine that server once in a
    /// dozen did one create after the other, and only one of them won.
    pub(crate) async fn probe(&self, env: &Environment) -> Result<Writers> {
        const NAMES: u8 = 5;
        let stem = format!("{}/{}", layout::PROBE, env.ulid().to_string());
        let nonce = env.random_array::<16>();
        let mut raced = Vec::new();
        for number in 0..NAMES {
            let name = format!("{stem}-{number}");
            match self.race(&name, &nonce).await {
                Ok(winner) => raced.push((name, winner)),
                Err(error) if error.kind() == ErrorKind::Unsupported => return Ok(Writers::Single),
                Err(error) => return Err(error),
            }
            if raced.last().is_some_and(|(_, winner)| winner.is_none()) {
                break;
            }
        }
        let kept = raced.iter().map(|(name, winner)| self.keeps(name, winner));
        let kept = futures::future::try_join_all(kept).await?;
        let listed = self.list(layout::PROBE).await?;
        let is_listed = |name: &str| listed.iter().any(|meta| meta.location.as_ref() == name);
        let is_atomic =
            kept.iter().all(|kept| *kept) && raced.iter().all(|(name, _)| is_listed(name));
        for (name, _) in &raced {
            self.remove_probe(name).await;
        }
        Ok(match is_atomic {
            true => Writers::Many,
            false => Writers::Single,
        })
    }

    /// Creates one name many times at once; the body of the only winner, if there is only one.
    async fn race(&self, name: &str, nonce: &[u8; 16]) -> Result<Option<Bytes>> {
        const CONTENDERS: u8 = 16;
        let body = |contender: u8| Bytes::from([&nonce[..], &[contender]].concat());
        let outcomes: Vec<Result<Created>> = futures::stream::iter(0..CONTENDERS)
            .map(|contender| self.try_create(name, body(contender)))
            .buffered(usize::from(CONTENDERS))
            .collect()
            .await;
        let mut winners = Vec::new();
        for (contender, outcome) in (0..CONTENDERS).zip(outcomes) {
            if outcome? == Created::New {
                winners.push(body(contender));
            }
        }
        if winners.is_empty() {
            // A create that was repeated, since its answer was lost, was refused by its own success.
            let there = self.get(name, 64).await?;
            winners.extend((0..CONTENDERS).map(body).filter(|body| *body == there));
        }
        Ok(match winners.as_slice() {
            [winner] => Some(winner.clone()),
            _ => None,
        })
    }

    /// Whether a name holds what the winner wrote, also after another create.
    async fn keeps(&self, name: &str, winner: &Option<Bytes>) -> Result<bool> {
        let Some(winner) = winner else {
            return Ok(false);
        };
        let there = self.get(name, 64).await;
        let late = self.try_create(name, Bytes::from_static(b"late")).await?;
        let stays = self.get(name, 64).await;
        let is_winners = |body: Result<Bytes>| body.is_ok_and(|body| body == *winner);
        Ok(late == Created::Existed && is_winners(there) && is_winners(stays))
    }
}

/// Seals and opens the small objects: sessions, index segments, dictionaries, decisions.
#[derive(Debug)]
pub(crate) struct Sealer {
    pub(crate) repository: RepositoryId,
    pub(crate) suite: Suite,
    pub(crate) epoch: u32,
    pub(crate) keyring: Keyring,
}

impl Sealer {
    /// Makes the preamble of a new object.
    pub(crate) fn preamble(&self, kind: ObjectKind, env: &Environment) -> Preamble {
        Preamble {
            kind,
            suite: self.suite,
            epoch: self.epoch,
            repository: self.repository,
            salt: env.random_array(),
        }
    }

    /// Seals a record under its name.
    pub(crate) fn seal(
        &self,
        (name, kind): (&str, ObjectKind),
        record: &[u8],
        codec: &Codec,
        env: &Environment,
    ) -> Result<Bytes> {
        if record.len() > MAX_SEALED_BYTES {
            return Err(Error::invalid(format!("{name} would be too large")));
        }
        let preamble = self.preamble(kind, env);
        let clear = preamble.encode();
        let frame = codec.encode(record, SEALED_LEVEL)?;
        let mut buffer = SealedBuffer::new(&clear);
        let cipher = self.cipher(&preamble);
        buffer.append(&cipher, &aad(&clear, name), &frame)?;
        let bytes = Bytes::from(buffer.into_bytes());
        // Read back before it leaves: a faulty processor must not commit what nobody can open.
        if self.open((name, kind), &bytes, codec)? != record {
            return Err(Error::internal(format!(
                "{name} does not read back as it was written"
            )));
        }
        Ok(bytes)
    }

    /// Opens what [`Sealer::seal`] made under the same name.
    pub(crate) fn open(
        &self,
        (name, kind): (&str, ObjectKind),
        bytes: &[u8],
        codec: &Codec,
    ) -> Result<Vec<u8>> {
        let preamble = self.check_preamble(name, kind, bytes)?;
        let (clear, sealed) = bytes.split_at_checked(PREAMBLE_LEN).unwrap_or_default();
        let frame = self
            .cipher(&preamble)
            .open(PREAMBLE_LEN as u64, &aad(clear, name), sealed)
            .ok_or_else(|| Error::corrupt(name, "it fails authentication"))?;
        codec.decode(name, &frame, MAX_SEALED_BYTES)
    }

    /// Reads a preamble and refuses other kinds and other repositories.
    pub(crate) fn check_preamble(
        &self,
        name: &str,
        kind: ObjectKind,
        bytes: &[u8],
    ) -> Result<Preamble> {
        let preamble = Preamble::decode(name, bytes)?;
        if preamble.kind != kind {
            return Err(Error::corrupt(name, "it is an object of another kind"));
        }
        if preamble.repository != self.repository {
            return Err(Error::corrupt(name, "it belongs to another repository"));
        }
        if is_sealed(preamble.epoch) && kind != ObjectKind::DataPack {
            return Err(Error::corrupt(name, "its epoch is one of data packs only"));
        }
        let newest = self.keyring.newest_epoch();
        let epoch = meta_epoch(preamble.epoch);
        if epoch > newest {
            self.keyring.note_later_epoch();
            return Err(Error::corrupt(
                name,
                format!(
                    "it says it was sealed with keys of epoch {epoch}; this key opens up to {newest}"
                ),
            ));
        }
        Ok(preamble)
    }

    fn cipher(&self, preamble: &Preamble) -> Cipher {
        let parent = self.keyring.meta_key(preamble.epoch);
        Cipher::new(preamble.suite, &preamble.key(&parent, SEALED_PURPOSE))
    }
}

fn aad(clear: &[u8], name: &str) -> Vec<u8> {
    [clear, name.as_bytes()].concat()
}

//! Sealed sessions: their epochs, and the keys of their data, which their writers forget.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ulid::Ulid;

use crate::admin::is_damage;
use crate::encapsulation::{self, ENCAPSULATED_LEN, Purpose};
use crate::error::{Error, ErrorKind, Result};
use crate::keyring::{Key, Keyring};
use crate::layout::{self, CheckpointCopy, SessionId};
use crate::objects::Created;
use crate::pack::PackHeader;
use crate::record::{RecordReader, RecordWriter};
use crate::seal::{ObjectKind, Preamble};
use crate::store::Store;

/// Set in the epochs of sealed sessions.
const SEALED: u32 = 1 << 31;
/// Where the epoch of the meta key, less one, stands in them; the bits below are drawn by lot.
const EPOCH_SHIFT: u32 = 23;
const EPOCH_MASK: u32 = 0xff;
const LOT_MASK: u32 = (1 << EPOCH_SHIFT) - 1;
/// Times that an epoch is drawn before a destination is taken for faulty: one of eight million is
/// hardly ever taken already.
const MAX_DRAWS: usize = 8;
/// Binds the key of a session's data to its purpose.
const INFO: &[u8] = b"postkeep v1 session";
const EXPORT: &[u8] = b"postkeep v1 session data";
/// Keys that a reader remembers; more are read anew. 200 KB.
const MAX_REMEMBERED: usize = 4096;
/// The copies, in the order in which they are written and tried.
const COPIES: [CheckpointCopy; 2] = [CheckpointCopy::Decision, CheckpointCopy::Spare];

/// Whether an epoch is that of a sealed session.
pub(crate) fn is_sealed(epoch: u32) -> bool {
    epoch & SEALED != 0
}

/// The epoch of the meta key that belongs to any epoch.
pub(crate) fn meta_epoch(epoch: u32) -> u32 {
    match is_sealed(epoch) {
        true => (epoch >> EPOCH_SHIFT & EPOCH_MASK) + 1,
        false => epoch,
    }
}

/// The epochs of sealed sessions in which blobs of a pack were sealed.
pub(crate) fn epochs_of(preamble: &Preamble, header: &PackHeader) -> Vec<u32> {
    if preamble.kind != ObjectKind::DataPack {
        return Vec::new();
    }
    let origins = header.origins.iter().map(|origin| origin.epoch);
    let all = std::iter::once(preamble.epoch).chain(origins);
    let mut sealed: Vec<u32> = all.filter(|epoch| is_sealed(*epoch)).collect();
    sealed.sort_unstable();
    sealed.dedup();
    sealed
}

/// The key of a sealed session's data, while the session lives.
#[derive(Clone, Debug)]
pub(crate) struct SessionKey {
    pub(crate) epoch: u32,
    pub(crate) key: Key,
}

/// What `sealed/<epoch>` holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyRecord {
    /// The session: while it has not ended, the key is needed.
    pub(crate) session: SessionId,
    pub(crate) encapsulated: [u8; ENCAPSULATED_LEN],
}

impl KeyRecord {
    pub(crate) fn encode(&self) -> Result<Vec<u8>> {
        let mut out = RecordWriter::default();
        out.bytes(&self.session.0.to_bytes())
            .bytes(&self.encapsulated);
        Ok(out.0)
    }

    pub(crate) fn decode(object: &str, record: &[u8]) -> Result<Self> {
        let mut fields = RecordReader::new(object, record);
        let decoded = Self {
            session: SessionId(Ulid::from_bytes(fields.array()?)),
            encapsulated: fields.array()?,
        };
        fields.end()?;
        Ok(decoded)
    }
}

/// Keys of sealed sessions in memory.
#[derive(Debug, Default)]
pub(crate) struct SessionKeys {
    /// Those of sessions of this process that have not ended.
    own: Mutex<HashMap<u32, Key>>,
    /// Those that a reader decapsulated.
    read: Mutex<HashMap<u32, Key>>,
}

impl SessionKeys {
    fn get(&self, epoch: u32) -> Option<Key> {
        let own = lock(&self.own).get(&epoch).cloned();
        own.or_else(|| lock(&self.read).get(&epoch).cloned())
    }

    /// A session of this process is over: what it sealed is closed from here on.
    pub(crate) fn forget(&self, epoch: u32) {
        lock(&self.own).remove(&epoch);
    }

    /// A custodian may have dropped keys, and their numbers may have been drawn again.
    pub(crate) fn forget_read(&self) {
        lock(&self.read).clear();
    }

    fn remember(&self, epoch: u32, key: &Key) {
        let mut read = lock(&self.read);
        if read.len() >= MAX_REMEMBERED {
            read.clear();
        }
        read.insert(epoch, key.clone());
    }

    /// All keys held, for the test of what a thief has.
    #[cfg(test)]
    pub(crate) fn held(&self) -> Vec<Key> {
        let own: Vec<Key> = lock(&self.own).values().cloned().collect();
        own.into_iter()
            .chain(lock(&self.read).values().cloned())
            .collect()
    }
}

fn lock(keys: &Mutex<HashMap<u32, Key>>) -> MutexGuard<'_, HashMap<u32, Key>> {
    keys.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The keys of some sealed sessions, or why there is none.
#[derive(Debug, Default)]
pub(crate) struct DataKeys(HashMap<u32, Result<Key, (ErrorKind, String)>>);

impl DataKeys {
    /// Those of one session.
    pub(crate) fn of(session: Option<&SessionKey>) -> Self {
        let known = session.map(|session| (session.epoch, Ok(session.key.clone())));
        Self(known.into_iter().collect())
    }

    /// The key of an epoch for contents.
    ///
    /// # Errors
    /// `Sealed` where these keys do not open it, `Corrupt` or `NotFound` where the session's key
    /// is damaged or missing.
    pub(crate) fn find(&self, keyring: &Keyring, epoch: u32) -> Result<Key> {
        match self.0.get(&epoch) {
            Some(Ok(key)) => Ok(key.clone()),
            Some(Err((kind, message))) => Err(Error::new(*kind, message.clone())),
            None if is_sealed(epoch) => Err(closed()),
            None => keyring.data_key(epoch).ok_or_else(closed),
        }
    }
}

fn closed() -> Error {
    Error::sealed("does not open the contents that are stored")
}

impl Store {
    /// Finds the keys of sealed sessions.
    ///
    /// # Errors
    /// Only those of the destination: that a key is missing is part of the answer.
    pub(crate) async fn data_keys(&self, epochs: &[u32]) -> Result<DataKeys> {
        let mut found = DataKeys::default();
        for &epoch in epochs.iter().filter(|epoch| is_sealed(**epoch)) {
            let key = match self.data_key(epoch).await {
                Err(error) if is_damage(error.kind()) || error.kind() == ErrorKind::Sealed => {
                    Err((error.kind(), error.to_string()))
                }
                Err(error) => return Err(error),
                Ok(key) => Ok(key),
            };
            found.0.insert(epoch, key);
        }
        Ok(found)
    }

    async fn data_key(&self, epoch: u32) -> Result<Key> {
        if let Some(key) = self.session_keys.get(epoch) {
            return Ok(key);
        }
        let Some(private) = self.keyring().writers_private(meta_epoch(epoch)) else {
            return Err(closed());
        };
        let record = read(self, epoch).await?;
        let export = export(epoch);
        let purpose = self.purpose(&export);
        let key = encapsulation::decapsulate(private.as_bytes(), &record.encapsulated, purpose);
        let name = layout::session_key_name(epoch, CheckpointCopy::Decision);
        let key = key.ok_or_else(|| Error::corrupt(&name, "it holds no key"))?;
        self.session_keys.remember(epoch, &key);
        Ok(key)
    }

    fn purpose<'a>(&self, export: &'a [u8]) -> Purpose<'a> {
        Purpose {
            info: INFO,
            export,
            repository: self.sealer.repository,
        }
    }
}

fn export(epoch: u32) -> Vec<u8> {
    [EXPORT, &epoch.to_le_bytes()].concat()
}

/// Draws the data key of a sealed session and leaves it for readers, before anything is sealed
/// with it.
///
/// # Errors
/// From the destination.
pub(crate) async fn establish(store: &Store, session: SessionId) -> Result<SessionKey> {
    let public = store.keyring().writers_public();
    let public = public.ok_or_else(|| Error::internal("only writers seal sessions"))?;
    for _ in 0..MAX_DRAWS {
        let lot = u32::from_le_bytes(store.env.random_array()) & LOT_MASK;
        let epoch = SEALED | (store.sealer.epoch.saturating_sub(1) << EPOCH_SHIFT) | lot;
        let export = export(epoch);
        let sent = encapsulation::encapsulate(public, store.purpose(&export), &store.env)?;
        let (encapsulated, key) = sent;
        let record = KeyRecord {
            session,
            encapsulated,
        };
        let record = record.encode()?;
        let name = layout::session_key_name(epoch, CheckpointCopy::Decision);
        let sealed = store.seal(&name, ObjectKind::SessionKey, &record)?;
        if store.objects.create(&name, sealed).await? == Created::Existed {
            continue;
        }
        let spare = layout::session_key_name(epoch, CheckpointCopy::Spare);
        store
            .write_sealed(&spare, ObjectKind::SessionKey, &record)
            .await?;
        lock(&store.session_keys.own).insert(epoch, key.clone());
        return Ok(SessionKey { epoch, key });
    }
    Err(Error::new(
        ErrorKind::Conflict,
        "no number is free for this session's key",
    ))
}

/// Reads the key of a sealed session, from its spare copy if need be.
pub(crate) async fn read(store: &Store, epoch: u32) -> Result<KeyRecord> {
    let mut failure = None;
    for copy in COPIES {
        let name = layout::session_key_name(epoch, copy);
        match read_copy(store, &name).await {
            Err(error) if is_damage(error.kind()) => failure = failure.or(Some(error)),
            read => return read,
        }
    }
    Err(failure.unwrap_or_else(|| Error::internal("a session's key has no copies")))
}

/// Reads one copy.
pub(crate) async fn read_copy(store: &Store, name: &str) -> Result<KeyRecord> {
    let record = store.read_sealed(name, ObjectKind::SessionKey).await?;
    KeyRecord::decode(name, &record)
}

/// The names of both copies of a session's key.
pub(crate) fn names(epoch: u32) -> [String; 2] {
    COPIES.map(|copy| layout::session_key_name(epoch, copy))
}

/// The epochs of all session keys at the destination.
pub(crate) async fn list(store: &Store) -> Result<Vec<u32>> {
    let listed = store.objects.list(layout::SEALED).await?;
    let files = listed.iter().filter_map(|meta| meta.location.filename());
    let epochs = files.filter_map(layout::parse_session_key);
    let mut epochs: Vec<u32> = epochs.map(|(epoch, _)| epoch).collect();
    epochs.retain(|epoch| is_sealed(*epoch));
    epochs.sort_unstable();
    epochs.dedup();
    Ok(epochs)
}

#[cfg(test)]
mod tests;

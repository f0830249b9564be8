//! Keys: the master keys and what is derived from them.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use argon2::{Algorithm, Argon2, Params, Version};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::chunks::ContentKeys;
use crate::config::RepositoryId;
use crate::error::{Error, ErrorKind, Result};
use crate::sealed::meta_epoch;

/// A secret that opens a repository; wiped from memory when dropped and never shown.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Passphrase(String);

impl Passphrase {
    /// Takes the passphrase over.
    pub fn new(passphrase: impl Into<String>) -> Self {
        Self(passphrase.into())
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(…)")
    }
}

/// Cost of turning a passphrase into a key (Argon2id, RFC 9106).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Argon2Params {
    /// Memory in KiB, 8 × lanes to 4,194,304 (4 GiB). Default 65,536 (64 MiB).
    pub memory_kib: u32,
    /// Passes over the memory, 1 to 64. Default 3.
    pub passes: u32,
    /// Lanes, 1 to 16. Default 1.
    pub lanes: u32,
}

impl Default for Argon2Params {
    fn default() -> Self {
        Self {
            memory_kib: 64 * 1024,
            passes: 3,
            lanes: 1,
        }
    }
}

/// Most memory a stored slot may ask for: a damaged or hostile slot must not exhaust the machine.
const MAX_ARGON2_KIB: u32 = 4 * 1024 * 1024;
/// Most passes a stored slot may ask for.
const MAX_ARGON2_PASSES: u32 = 64;
/// Most lanes a stored slot may ask for.
const MAX_ARGON2_LANES: u32 = 16;

impl Argon2Params {
    /// Whether the parameters are inside the documented ranges.
    pub(crate) fn validate(&self) -> Result<()> {
        let ok = (1..=MAX_ARGON2_LANES).contains(&self.lanes)
            && (1..=MAX_ARGON2_PASSES).contains(&self.passes)
            && (8 * self.lanes..=MAX_ARGON2_KIB).contains(&self.memory_kib);
        if ok {
            Ok(())
        } else {
            Err(Error::invalid("Argon2 parameters are out of range"))
        }
    }

    /// Whether passphrases can be tried faster than is wise: below 19 MiB × 2 passes, the least
    /// that OWASP recommends (19 MiB × 2, 46 MiB × 1).
    pub fn is_weak(&self) -> bool {
        const LEAST_KIB_PASSES: u64 = 2 * 19 * 1024;
        const LEAST_KIB: u32 = 12 * 1024;
        u64::from(self.memory_kib) * u64::from(self.passes) < LEAST_KIB_PASSES
            || self.memory_kib < LEAST_KIB
    }

    /// Stretches a passphrase into a key-encryption key.
    pub(crate) fn stretch(&self, passphrase: &Passphrase, salt: &[u8; 16]) -> Result<Key> {
        self.validate()?;
        let params = Params::new(self.memory_kib, self.passes, self.lanes, Some(32))
            .map_err(|e| Error::invalid(format!("Argon2 parameters are refused: {e}")))?;
        let mut key = Key::zero();
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(passphrase.as_bytes(), salt, &mut key.0[..])
            .map_err(|e| Error::new(ErrorKind::Internal, format!("Argon2 failed: {e}")))?;
        Ok(key)
    }
}

/// A 256-bit secret, wiped when dropped.
#[derive(Clone)]
pub(crate) struct Key(Zeroizing<[u8; 32]>);

impl Key {
    fn zero() -> Self {
        Self(Zeroizing::new([0; 32]))
    }

    pub(crate) fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// HKDF-SHA256 with this key as input keying material.
    pub(crate) fn derive(&self, salt: &[u8], info: &[&[u8]]) -> Self {
        let mut out = Self::zero();
        // HKDF refuses only outputs above 255 hash lengths; 32 bytes is one.
        Hkdf::<Sha256>::new(Some(salt), self.as_bytes())
            .expand_multi_info(info, &mut out.0[..])
            .expect("32 bytes are within HKDF's limit");
        out
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

/// Most times that a repository's keys can be rotated: each slot wraps a key for every epoch.
pub(crate) const MAX_KEY_EPOCHS: usize = 256;

/// The keys of an open repository, one set an epoch.
#[derive(Clone, Debug)]
pub(crate) struct Keyring {
    repository: RepositoryId,
    secrets: Secrets,
    chunk_id: Key,
    content_root: Key,
    content: ContentKeys,
    /// Set when something was met that a later epoch's key has sealed.
    later_epoch_met: Arc<AtomicBool>,
}

/// What the keys of epochs are derived from, oldest first.
#[derive(Clone, Debug)]
enum Secrets {
    /// The master keys, from which everything follows.
    Masters(Vec<Key>),
    /// What a writer has.
    Writer {
        meta: Vec<Key>,
        /// For which sessions' keys of the newest epoch are encapsulated.
        public: [u8; 32],
        /// The parent of keys for local files.
        cache: Key,
    },
}

/// Keys in a writer's slot that belong to no epoch.
pub(crate) const WRITER_KEYS: usize = 3;

impl Keyring {
    /// What does not belong to an epoch comes from the first key: chunks stay what they are.
    ///
    /// # Panics
    /// If there is no key.
    pub(crate) fn new(repository: RepositoryId, masters: Vec<Key>) -> Self {
        let first = masters.first().expect("a repository has a first epoch");
        let sub = |info: &str| first.derive(&repository.to_bytes(), &[info.as_bytes()]);
        let content_root = sub("postkeep v1 content");
        Self {
            repository,
            chunk_id: sub("postkeep v1 chunk id"),
            content: ContentKeys::derive(content_root.as_bytes()),
            content_root,
            secrets: Secrets::Masters(masters),
            later_epoch_met: Arc::default(),
        }
    }

    /// The keys in a writer's slot ([`Keyring::writer_bytes`]); `None` if there are too few.
    pub(crate) fn of_writer(repository: RepositoryId, keys: &[Key], cache: Key) -> Option<Self> {
        let (fixed, meta) = keys.split_at_checked(WRITER_KEYS)?;
        let [chunk_id, content_root, public] = fixed else {
            return None;
        };
        meta.first()?;
        Some(Self {
            repository,
            chunk_id: chunk_id.clone(),
            content: ContentKeys::derive(content_root.as_bytes()),
            content_root: content_root.clone(),
            secrets: Secrets::Writer {
                meta: meta.to_vec(),
                public: *public.as_bytes(),
                cache,
            },
            later_epoch_met: Arc::default(),
        })
    }

    /// The same keys and one more epoch.
    ///
    /// # Errors
    /// `Sealed` for a writer.
    pub(crate) fn with_epoch(&self, master: Key) -> Result<Self> {
        let mut masters = self.masters()?.to_vec();
        masters.push(master);
        Ok(Self::new(self.repository, masters))
    }

    pub(crate) fn repository(&self) -> RepositoryId {
        self.repository
    }

    /// Whether these keys open contents.
    pub(crate) fn reads(&self) -> bool {
        matches!(self.secrets, Secrets::Masters(_))
    }

    /// # Errors
    /// `Sealed` for a writer; `what` follows on "a writer's key".
    pub(crate) fn refuse_writer(&self, what: &str) -> Result<()> {
        match self.reads() {
            true => Ok(()),
            false => Err(Error::sealed(what)),
        }
    }

    fn masters(&self) -> Result<&[Key]> {
        match &self.secrets {
            Secrets::Masters(masters) => Ok(masters),
            Secrets::Writer { .. } => Err(Error::sealed("does not change who opens it")),
        }
    }

    /// The epoch whose keys seal new objects.
    pub(crate) fn newest_epoch(&self) -> u32 {
        let keys = match &self.secrets {
            Secrets::Masters(keys) | Secrets::Writer { meta: keys, .. } => keys,
        };
        u32::try_from(keys.len()).unwrap_or(u32::MAX)
    }

    /// All master keys, oldest first: what a slot wraps.
    ///
    /// # Errors
    /// `Sealed` for a writer.
    pub(crate) fn masters_bytes(&self) -> Result<Zeroizing<Vec<u8>>> {
        let keys = self.masters()?.iter().map(|key| &key.as_bytes()[..]);
        Ok(Zeroizing::new(keys.collect::<Vec<_>>().concat()))
    }

    /// What a writer's slot wraps: chunk id key, content root, the public key for which sessions'
    /// keys are encapsulated, and the meta keys, oldest first.
    ///
    /// # Errors
    /// `Sealed` for a writer.
    pub(crate) fn writer_bytes(&self) -> Result<Zeroizing<Vec<u8>>> {
        self.masters()?;
        let newest = self.newest_epoch();
        let private = self.writers_private(newest);
        let private = private.ok_or_else(|| Error::internal("a full key derives all others"))?;
        let public = crate::encapsulation::public_of(private.as_bytes());
        let mut bytes = Zeroizing::new(Vec::with_capacity(32 * (WRITER_KEYS + newest as usize)));
        bytes.extend_from_slice(self.chunk_id.as_bytes());
        bytes.extend_from_slice(self.content_root.as_bytes());
        bytes.extend_from_slice(&public);
        for epoch in 1..=newest {
            bytes.extend_from_slice(self.meta_key(epoch).as_bytes());
        }
        Ok(bytes)
    }

    pub(crate) fn chunk_id_key(&self) -> &[u8; 32] {
        self.chunk_id.as_bytes()
    }

    pub(crate) fn content_keys(&self) -> &ContentKeys {
        &self.content
    }

    /// The key of an epoch for contents; `None` for who only writes. Those of sealed sessions are
    /// elsewhere ([`crate::sealed::DataKeys`]).
    pub(crate) fn data_key(&self, epoch: u32) -> Option<Key> {
        self.master_key(b"postkeep v1 data", epoch)
    }

    /// The key of an epoch for everything that describes contents; that of a sealed session is its
    /// epoch's.
    pub(crate) fn meta_key(&self, epoch: u32) -> Key {
        let epoch = meta_epoch(epoch);
        match &self.secrets {
            Secrets::Masters(_) => self.master_key(b"postkeep v1 meta", epoch),
            Secrets::Writer { meta, .. } => of_epoch(meta, epoch).cloned(),
        }
        .unwrap_or_else(Key::zero)
    }

    /// The private key to which writers of an epoch send their sessions' keys.
    pub(crate) fn writers_private(&self, epoch: u32) -> Option<Key> {
        self.master_key(b"postkeep v1 writers", epoch)
    }

    /// The public key for which a writer encapsulates its sessions' keys.
    pub(crate) fn writers_public(&self) -> Option<&[u8; 32]> {
        match &self.secrets {
            Secrets::Masters(_) => None,
            Secrets::Writer { public, .. } => Some(public),
        }
    }

    /// The Ed25519 seed of an epoch; `None` for who only writes.
    pub(crate) fn signing_seed(&self, epoch: u32) -> Option<Key> {
        self.master_key(b"postkeep v1 signature", epoch)
    }

    /// A key for something outside the repository, named by the caller.
    pub(crate) fn caller_key(&self, context: &str) -> Zeroizing<[u8; 32]> {
        let parent = match &self.secrets {
            Secrets::Masters(masters) => of_epoch(masters, 1),
            Secrets::Writer { cache, .. } => Some(cache),
        };
        let info: [&[u8]; 2] = [b"postkeep v1 caller\0", context.as_bytes()];
        let none = Key::zero();
        parent
            .unwrap_or(&none)
            .derive(&self.repository.to_bytes(), &info)
            .0
    }

    /// Whether something was met that a later epoch's key has sealed, since this was last asked.
    pub(crate) fn take_later_epoch_met(&self) -> bool {
        self.later_epoch_met.swap(false, Ordering::Relaxed)
    }

    /// Notes that an object claims a later epoch: it is damaged, or the keys were rotated.
    pub(crate) fn note_later_epoch(&self) {
        self.later_epoch_met.store(true, Ordering::Relaxed);
    }

    /// A wrong epoch gives a wrong key, which opens nothing.
    fn master_key(&self, info: &[u8], epoch: u32) -> Option<Key> {
        let Secrets::Masters(masters) = &self.secrets else {
            return None;
        };
        let master = of_epoch(masters, epoch)?;
        Some(master.derive(&self.repository.to_bytes(), &[info, &epoch.to_le_bytes()]))
    }

    /// All keys held, for the test of what a thief has.
    #[cfg(test)]
    pub(crate) fn held(&self) -> Vec<Key> {
        let mut held = vec![self.chunk_id.clone(), self.content_root.clone()];
        match &self.secrets {
            Secrets::Masters(masters) => held.extend(masters.iter().cloned()),
            Secrets::Writer {
                meta,
                public,
                cache,
            } => {
                held.extend(meta.iter().cloned());
                held.extend([Key::from_bytes(*public), cache.clone()]);
            }
        }
        held
    }
}

/// The key of an epoch, or the nearest: there is at least one.
fn of_epoch(keys: &[Key], epoch: u32) -> Option<&Key> {
    let index = (epoch as usize).saturating_sub(1);
    keys.get(index).or(keys.last())
}

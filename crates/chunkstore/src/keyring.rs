//! Keys: the master key, what is derived from it, and the passphrase slot that wraps it.

use std::fmt;

use argon2::{Algorithm, Argon2, Params, Version};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::chunks::ContentKeys;
use crate::config::RepositoryId;
use crate::error::{Error, ErrorKind, Result};

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

/// The keys of an open repository, all derived from the master key.
#[derive(Clone, Debug)]
pub(crate) struct Keyring {
    repository: RepositoryId,
    master: Key,
    chunk_id: Key,
    content: ContentKeys,
}

impl Keyring {
    pub(crate) fn new(repository: RepositoryId, master: Key) -> Self {
        let sub = |info: &str| master.derive(&repository.to_bytes(), &[info.as_bytes()]);
        Self {
            repository,
            chunk_id: sub("postkeep v1 chunk id"),
            content: ContentKeys::derive(sub("postkeep v1 content").as_bytes()),
            master,
        }
    }

    pub(crate) fn chunk_id_key(&self) -> &[u8; 32] {
        self.chunk_id.as_bytes()
    }

    pub(crate) fn content_keys(&self) -> &ContentKeys {
        &self.content
    }

    /// The key of an epoch for payload bytes: what sealed-mode writers will lack.
    pub(crate) fn data_key(&self, epoch: u32) -> Key {
        self.epoch_key(b"postkeep v1 data", epoch)
    }

    /// The key of an epoch for everything that describes payloads.
    pub(crate) fn meta_key(&self, epoch: u32) -> Key {
        self.epoch_key(b"postkeep v1 meta", epoch)
    }

    /// A key for something outside the repository, named by the caller.
    pub(crate) fn caller_key(&self, context: &str) -> Zeroizing<[u8; 32]> {
        let info: [&[u8]; 2] = [b"postkeep v1 caller\0", context.as_bytes()];
        self.master.derive(&self.repository.to_bytes(), &info).0
    }

    fn epoch_key(&self, info: &[u8], epoch: u32) -> Key {
        self.master
            .derive(&self.repository.to_bytes(), &[info, &epoch.to_le_bytes()])
    }
}

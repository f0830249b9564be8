//! Sealing: the clear preamble of every object, and the only place that makes nonces.

use std::fmt;

use aes_gcm::Aes256Gcm;
use aes_gcm::aead::{AeadInOut, KeyInit, Nonce, Tag};
use chacha20poly1305::ChaCha20Poly1305;
use serde::{Deserialize, Serialize};

use crate::config::RepositoryId;
use crate::error::{Error, ErrorKind, Result};
use crate::keyring::Key;

/// Bytes of an authentication tag, for either cipher.
pub(crate) const TAG_LEN: usize = 16;
/// Bytes of the clear preamble.
pub(crate) const PREAMBLE_LEN: usize = 64;
/// The version in every preamble that this crate writes and reads.
const VERSION: u8 = 1;
const MAGIC: &[u8; 8] = b"POSTKEEP";

/// The cipher of a repository, chosen at its creation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Suite {
    /// AES-256-GCM: fastest where the processor has AES instructions. Stored byte 1.
    #[serde(rename = "aes-256-gcm")]
    Aes256Gcm,
    /// ChaCha20-Poly1305: fastest everywhere else. Stored byte 2.
    #[serde(rename = "chacha20-poly1305")]
    ChaCha20Poly1305,
}

impl Suite {
    pub(crate) fn to_byte(self) -> u8 {
        match self {
            Self::Aes256Gcm => 1,
            Self::ChaCha20Poly1305 => 2,
        }
    }

    pub(crate) fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Aes256Gcm),
            2 => Some(Self::ChaCha20Poly1305),
            _ => None,
        }
    }
}

/// What an object is, in its preamble.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub(crate) enum ObjectKind {
    DataPack = 1,
    MetaPack = 2,
    Index = 3,
    SessionOpen = 4,
    SessionEnd = 5,
    Dictionary = 6,
    KeySlot = 7,
    Forget = 8,
    Condemned = 9,
    Doomed = 10,
    KeyEpoch = 11,
    Checkpoint = 12,
    SessionKey = 13,
    Note = 32,
}

impl ObjectKind {
    fn from_byte(byte: u8) -> Option<Self> {
        [
            Self::DataPack,
            Self::MetaPack,
            Self::Index,
            Self::SessionOpen,
            Self::SessionEnd,
            Self::Dictionary,
            Self::KeySlot,
            Self::Forget,
            Self::Condemned,
            Self::Doomed,
            Self::KeyEpoch,
            Self::Checkpoint,
            Self::SessionKey,
            Self::Note,
        ]
        .into_iter()
        .find(|kind| *kind as u8 == byte)
    }
}

/// The first 64 bytes of every object but `repository.json`, in clear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Preamble {
    pub(crate) kind: ObjectKind,
    pub(crate) suite: Suite,
    pub(crate) epoch: u32,
    pub(crate) repository: RepositoryId,
    pub(crate) salt: [u8; 16],
}

impl Preamble {
    pub(crate) fn encode(&self) -> [u8; PREAMBLE_LEN] {
        let mut out = [0; PREAMBLE_LEN];
        out[..8].copy_from_slice(MAGIC);
        out[8] = VERSION;
        out[9] = self.kind as u8;
        out[10] = self.suite.to_byte();
        out[12..16].copy_from_slice(&self.epoch.to_le_bytes());
        out[16..32].copy_from_slice(&self.repository.to_bytes());
        out[32..48].copy_from_slice(&self.salt);
        out
    }

    /// Reads the preamble of an object of a known kind and repository.
    ///
    /// # Errors
    /// `Corrupt` when it is anything else than a writer of this format makes, `Unsupported` for a
    /// newer version.
    pub(crate) fn decode(object: &str, bytes: &[u8]) -> Result<Self> {
        let damaged = |what: &str| Error::corrupt(object, what);
        let bytes: &[u8; PREAMBLE_LEN] = bytes
            .first_chunk()
            .ok_or_else(|| damaged("it is shorter than its preamble"))?;
        if &bytes[..8] != MAGIC {
            return Err(damaged(
                "it does not start with the mark of a stored object",
            ));
        }
        if bytes[8] > VERSION {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!(
                    "{object} is of version {}; this program knows {VERSION}",
                    bytes[8]
                ),
            ));
        }
        let array16 = |at: usize| -> [u8; 16] {
            let mut out = [0; 16];
            out.copy_from_slice(&bytes[at..at + 16]);
            out
        };
        let preamble = Self {
            kind: ObjectKind::from_byte(bytes[9]).ok_or_else(|| damaged("its kind is unknown"))?,
            suite: Suite::from_byte(bytes[10]).ok_or_else(|| damaged("its cipher is unknown"))?,
            epoch: u32::from_le_bytes([bytes[12], bytes[13], bytes[14], bytes[15]]),
            repository: RepositoryId(ulid::Ulid::from_bytes(array16(16))),
            salt: array16(32),
        };
        // Version and reserved bytes: only what we would write ourselves is accepted.
        if &preamble.encode() != bytes {
            return Err(damaged("its preamble has unexpected bytes"));
        }
        Ok(preamble)
    }

    /// The key for what follows: own for each object, since the salt is.
    pub(crate) fn key(&self, parent: &Key, purpose: &str) -> Key {
        parent.derive(
            &self.salt,
            &[
                b"postkeep v1 object ",
                purpose.as_bytes(),
                &[0, self.kind as u8, self.suite.to_byte()],
                &self.epoch.to_le_bytes(),
                &self.repository.to_bytes(),
            ],
        )
    }
}

/// A cipher with its key set up.
pub(crate) enum Cipher {
    Aes(Box<Aes256Gcm>),
    ChaCha(ChaCha20Poly1305),
}

impl Cipher {
    pub(crate) fn new(suite: Suite, key: &Key) -> Self {
        match suite {
            Suite::Aes256Gcm => Self::Aes(Box::new(Aes256Gcm::new(key.as_bytes().into()))),
            Suite::ChaCha20Poly1305 => Self::ChaCha(ChaCha20Poly1305::new(key.as_bytes().into())),
        }
    }

    /// Encrypts `buffer[start..]` where it stands and appends the tag.
    ///
    /// The nonce is the position of the sealed bytes in their object. A key belongs to one object,
    /// objects only grow while they are written and are never rewritten, so no nonce repeats under
    /// a key. This and [`Cipher::open`] are the only users of [`nonce`].
    fn seal(&self, start: usize, aad: &[u8], buffer: &mut Vec<u8>) -> Result<()> {
        let nonce = nonce(start as u64);
        let body = buffer.get_mut(start..).unwrap_or_default();
        let tag = match self {
            Self::Aes(cipher) => cipher
                .encrypt_inout_detached(&Nonce::<Aes256Gcm>::from(nonce), aad, body.into())
                .map(|tag| tag.to_vec()),
            Self::ChaCha(cipher) => cipher
                .encrypt_inout_detached(&Nonce::<ChaCha20Poly1305>::from(nonce), aad, body.into())
                .map(|tag| tag.to_vec()),
        }
        .map_err(|_| Error::internal("a message is too long for the cipher"))?;
        buffer.extend_from_slice(&tag);
        Ok(())
    }

    /// Verifies and decrypts bytes sealed at `position`; `None` when they are not what was sealed.
    pub(crate) fn open(&self, position: u64, aad: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let mut plain = Vec::new();
        self.open_into(position, aad, sealed, &mut plain)?;
        Some(plain)
    }

    /// As [`Cipher::open`], in place of what the buffer held; which is of no use after `None`.
    pub(crate) fn open_into(
        &self,
        position: u64,
        aad: &[u8],
        sealed: &[u8],
        plain: &mut Vec<u8>,
    ) -> Option<()> {
        let nonce = nonce(position);
        let (body, tag) = sealed.split_last_chunk::<TAG_LEN>()?;
        plain.clear();
        plain.extend_from_slice(body);
        match self {
            Self::Aes(cipher) => cipher.decrypt_inout_detached(
                &Nonce::<Aes256Gcm>::from(nonce),
                aad,
                plain.as_mut_slice().into(),
                &Tag::<Aes256Gcm>::from(*tag),
            ),
            Self::ChaCha(cipher) => cipher.decrypt_inout_detached(
                &Nonce::<ChaCha20Poly1305>::from(nonce),
                aad,
                plain.as_mut_slice().into(),
                &Tag::<ChaCha20Poly1305>::from(*tag),
            ),
        }
        .ok()
    }
}

impl fmt::Debug for Cipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cipher(…)")
    }
}

/// The 96-bit nonce of a position, big-endian.
fn nonce(position: u64) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&position.to_be_bytes());
    nonce
}

/// The bytes of an object being written: sealed pieces can only be appended.
pub(crate) struct SealedBuffer {
    bytes: Vec<u8>,
}

impl SealedBuffer {
    /// Starts with clear bytes.
    pub(crate) fn new(clear: &[u8]) -> Self {
        Self::within(Vec::new(), clear)
    }

    /// As [`SealedBuffer::new`], in an empty buffer that has room.
    pub(crate) fn within(mut bytes: Vec<u8>, clear: &[u8]) -> Self {
        bytes.extend_from_slice(clear);
        Self { bytes }
    }

    /// Appends one sealed piece and returns its position.
    pub(crate) fn append(&mut self, cipher: &Cipher, aad: &[u8], plain: &[u8]) -> Result<usize> {
        let start = self.bytes.len();
        self.bytes.reserve(plain.len() + TAG_LEN);
        self.bytes.extend_from_slice(plain);
        cipher.seal(start, aad, &mut self.bytes)?;
        Ok(start)
    }

    /// Appends a piece that was sealed in another object, with a key and nonce of there.
    pub(crate) fn append_sealed(&mut self, sealed: &[u8]) -> usize {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(sealed);
        start
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

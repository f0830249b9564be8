//! The key of a machine that writes and cannot read old contents.

use std::fmt;

use zeroize::Zeroizing;

use crate::config::RepositoryId;
use crate::encapsulation::{self, ENCAPSULATED_LEN, Purpose};
use crate::env::Environment;
use crate::error::Result;
use crate::key_text::KeyText;
use crate::keyring::Key;

/// Binds the key of a writer's slot to its purpose.
const INFO: &[u8] = b"postkeep v1 writer";
const EXPORT: &[u8] = b"postkeep v1 writer slot";
/// What the key for local caches is derived with.
const CACHE: &[u8] = b"postkeep v1 writer cache";

/// The secret of a writer's key file: an X25519 private key. Wiped when dropped and never shown.
///
/// Who has it adds to the repository, and lists folders, subjects and senders; contents that are
/// stored stay closed, those of its own ended sessions included.
#[derive(Clone)]
pub struct WriterKey(Zeroizing<[u8; 32]>);

/// The public half of a writer's key, for which slots are made.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WriterPublicKey(pub(crate) [u8; 32]);

impl WriterKey {
    /// Draws a new one.
    pub fn generate(env: &Environment) -> Self {
        Self(encapsulation::generate(env))
    }

    /// Whether a text, such as a key file's, is meant to be a writer's key.
    pub fn is_meant(text: &str) -> bool {
        KeyText::Writer.is_meant(text)
    }

    /// Reads the content of a key file; lines with `#` in front are passed over.
    ///
    /// # Errors
    /// `Invalid` for anything that [`WriterKey::to_text`] did not write.
    pub fn parse(text: &str) -> Result<Self> {
        KeyText::Writer.decode(text).map(Self)
    }

    /// The secret as text (`pkwriter1…`).
    pub fn to_text(&self) -> Zeroizing<String> {
        KeyText::Writer.encode(&self.0[..])
    }

    /// The public half.
    pub fn public_key(&self) -> WriterPublicKey {
        WriterPublicKey(encapsulation::public_of(&self.0))
    }

    /// The key that opens a slot made for this writer.
    pub(crate) fn slot_key(
        &self,
        encapsulated: &[u8; ENCAPSULATED_LEN],
        repository: RepositoryId,
    ) -> Option<Key> {
        encapsulation::decapsulate(&self.0, encapsulated, purpose(repository))
    }

    /// The parent of keys for local files of this writer.
    pub(crate) fn cache_key(&self, repository: RepositoryId) -> Key {
        Key::from_bytes(*self.0).derive(&repository.to_bytes(), &[CACHE])
    }
}

impl fmt::Debug for WriterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WriterKey(…)")
    }
}

impl fmt::Debug for WriterPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WriterPublicKey(…)")
    }
}

impl WriterPublicKey {
    /// A fresh key for a slot that only this writer opens, and what to put beside it.
    pub(crate) fn new_slot_key(
        &self,
        repository: RepositoryId,
        env: &Environment,
    ) -> Result<([u8; ENCAPSULATED_LEN], Key)> {
        encapsulation::encapsulate(&self.0, purpose(repository), env)
    }
}

fn purpose(repository: RepositoryId) -> Purpose<'static> {
    Purpose {
        info: INFO,
        export: EXPORT,
        repository,
    }
}

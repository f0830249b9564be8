//! Notes beside the snapshots: what programs keep in a repository about themselves.

use chunkstore::NoteId;

use crate::error::{Doing, Result};
use crate::vault::Vault;

/// How much a repository holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VaultSize {
    /// Bytes of all packs.
    pub stored_bytes: u64,
    /// Chunks.
    pub chunks: u64,
    /// Snapshots.
    pub snapshots: u64,
}

impl Vault {
    /// Keeps a note, sealed. Its topic, up to 16 lower-case letters, is stored in clear.
    ///
    /// # Errors
    /// `Invalid` for another topic and a note of more than 64 MiB; those of the destination.
    pub async fn add_note(&self, topic: &str, body: &[u8]) -> Result<NoteId> {
        self.repository
            .add_note(topic, body)
            .await
            .doing(|| "keep a note in the repository".into())
    }

    /// The notes of a topic, oldest first.
    ///
    /// # Errors
    /// `Invalid` for another topic; those of the destination.
    pub async fn notes(&self, topic: &str) -> Result<Vec<NoteId>> {
        self.repository
            .notes(topic)
            .await
            .doing(|| "list the repository's notes".into())
    }

    /// Reads a note.
    ///
    /// # Errors
    /// `NotFound`, `Corrupt`; those of the destination.
    pub async fn read_note(&self, note: &NoteId) -> Result<Vec<u8>> {
        self.repository
            .read_note(note)
            .await
            .doing(|| format!("read the note {note}"))
    }

    /// How much the repository holds, as far as is known since it was last read.
    pub fn size(&self) -> VaultSize {
        let stats = self.repository.stats();
        VaultSize {
            stored_bytes: stats.stored_bytes,
            chunks: stats.chunks,
            snapshots: self.repository.snapshots().len() as u64,
        }
    }
}

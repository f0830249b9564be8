//! Taking over what is elsewhere: chunks that another pack holds, snapshots with their ids.

use std::collections::HashSet;
use std::sync::PoisonError;

use super::{Inner, NewSnapshot, Session};
use crate::chunk_id::ChunkId;
use crate::chunks::ChunkKind;
use crate::error::{Error, Result};
use crate::layout::PackName;
use crate::pack::{Origin, PackEntry};
use crate::repairs;
use crate::repository::{SnapshotId, SnapshotInfo};

/// Longest name of what a snapshot is a state of, in bytes.
const MAX_NAME_BYTES: usize = 1024;
/// Longest metadata of a snapshot, in bytes.
const MAX_SNAPSHOT_VALUE_BYTES: usize = 16 << 20;

impl Session {
    /// Adds a snapshot that becomes visible with the commit.
    ///
    /// # Errors
    /// `Invalid` when the name or value is too long, or the name begins with a zero byte.
    pub fn add_snapshot(&self, snapshot: NewSnapshot) -> Result<SnapshotId> {
        let id = SnapshotId(self.store().env.random_array());
        self.add_snapshot_as(id, snapshot)?;
        Ok(id)
    }

    /// Adds a snapshot under an id that it has elsewhere: for copies of other repositories.
    ///
    /// # Errors
    /// `Invalid` when the name or value is too long, or the name begins with a zero byte.
    pub fn add_snapshot_as(&self, id: SnapshotId, snapshot: NewSnapshot) -> Result<()> {
        if repairs::is_own(&snapshot.name) {
            return Err(Error::invalid("this name of a snapshot is the store's own"));
        }
        if snapshot.name.len() > MAX_NAME_BYTES {
            return Err(Error::invalid("a snapshot's name has at most 1 KiB"));
        }
        if snapshot.value.len() > MAX_SNAPSHOT_VALUE_BYTES {
            return Err(Error::invalid("a snapshot's metadata has at most 16 MiB"));
        }
        self.add_any(id, snapshot);
        Ok(())
    }

    /// Adds a snapshot or a record of the store's own.
    pub(crate) fn add_any(&self, id: SnapshotId, snapshot: NewSnapshot) {
        self.inner.state().snapshots.push(SnapshotInfo {
            id,
            name: snapshot.name,
            time_unix_ms: snapshot.time_unix_ms,
            partial: snapshot.partial,
            root: snapshot.root,
            value: snapshot.value,
            session: self.inner.id,
        });
    }

    /// Whether a chunk needs no place in this session.
    pub(crate) fn has(&self, id: &ChunkId) -> bool {
        let known = self.inner.is_known(id);
        known || self.inner.state().chunks.contains_key(&id.short())
    }

    /// Takes over a chunk that is framed already, from another pack.
    pub(crate) async fn adopt(
        &self,
        (kind, id, plain_len): (ChunkKind, ChunkId, usize),
        frame: &[u8],
    ) -> Result<()> {
        self.inner.uploads.advance().await?;
        if kind == ChunkKind::Data {
            self.inner.establish().await?;
        }
        self.inner.adopt((kind, id, plain_len), frame)?;
        self.inner.uploads.advance().await
    }

    /// Takes over a data chunk as it was sealed in another pack, without opening it. Its pack has to
    /// be among those [counting](Session::counting).
    pub(crate) async fn adopt_sealed(
        &self,
        entry: &PackEntry,
        origin: Origin,
        sealed: &[u8],
    ) -> Result<()> {
        self.inner.uploads.advance().await?;
        // The padding of the new pack is sealed with it, if nothing else is.
        self.inner.establish().await?;
        self.inner.adopt_sealed(entry, origin, sealed)?;
        self.inner.uploads.advance().await
    }

    /// Those among some packs that this session may rely on: they are committed, and had not been
    /// condemned when the session was opened. Whoever condemns them later waits for this session.
    pub(crate) fn counting(&self, packs: &[PackName]) -> HashSet<PackName> {
        let committed = self.inner.repository.catalogue().packs();
        let counts = |pack: &&PackName| {
            committed.contains_key(*pack) && !self.inner.condemned.contains(*pack)
        };
        packs.iter().filter(counts).copied().collect()
    }
}

impl Inner {
    fn adopt(&self, (kind, id, len): (ChunkKind, ChunkId, usize), frame: &[u8]) -> Result<()> {
        let _gate = self.gate.read().unwrap_or_else(PoisonError::into_inner);
        let known = self.is_known(&id);
        let Some(lane) = self.reserve(&id, (kind, len), known) else {
            return Ok(());
        };
        let stored = self.append(lane, (id, kind), frame, len);
        if let Err(error) = &stored {
            self.uploads.fail(error);
        }
        stored
    }

    fn adopt_sealed(&self, entry: &PackEntry, origin: Origin, sealed: &[u8]) -> Result<()> {
        let _gate = self.gate.read().unwrap_or_else(PoisonError::into_inner);
        let known = self.is_known(&entry.id);
        let of = (entry.kind, entry.plain_len as usize);
        let Some(lane) = self.reserve(&entry.id, of, known) else {
            return Ok(());
        };
        let chunk = (entry.id, entry.kind);
        let stored = self.append_to(lane, chunk, |pack| pack.append_copy(entry, origin, sealed));
        if let Err(error) = &stored {
            self.uploads.fail(error);
        }
        stored
    }
}

//! Judging one pack.

use crate::check::describe;
use crate::error::Result;
use crate::layout::PackName;
use crate::offload::offload;
use crate::pack::{self, Blob, MAX_PACK_BYTES, verify_pack};
use crate::pack_index::{PackInfo, Slot};
use crate::repository::Repository;

/// What was found out about one pack.
pub(crate) struct PackVerdict {
    pub(crate) name: PackName,
    pub(crate) problems: Vec<String>,
    /// Starts of the ids of chunks that it should give and does not.
    pub(crate) bad_chunks: Vec<[u8; 16]>,
    pub(crate) bytes_read: u64,
}

/// Compares a pack with the listing, and decodes it if asked to.
pub(crate) async fn judge(
    repository: &Repository,
    name: PackName,
    (len, listed): (u64, Option<u64>),
    reads: bool,
) -> PackVerdict {
    let mut verdict = PackVerdict {
        name,
        problems: Vec::new(),
        bad_chunks: Vec::new(),
        bytes_read: 0,
    };
    let Some(there) = listed else {
        verdict.condemn(repository, format!("{} is missing", name.object()), 0);
        return verdict;
    };
    let other_length = format!("{} has {there} bytes instead of {len}", name.object());
    if reads {
        if there != len {
            verdict.problems.push(other_length);
        }
        if let Err(error) = verdict.read(repository, there).await {
            verdict.condemn(repository, describe(&error), 0);
        }
    } else if there != len {
        verdict.condemn(repository, other_length, there);
    }
    verdict
}

impl PackVerdict {
    /// Notes that only the first `readable` bytes can be read.
    fn condemn(&mut self, repository: &Repository, what: String, readable: u64) {
        self.problems.push(what);
        let described = repository.catalogue().index.pack_slots(&self.name);
        let slots = described.map_or_else(Vec::new, |(_, slots)| slots);
        let beyond = slots
            .iter()
            .filter(|slot| u64::from(slot.offset) + u64::from(slot.sealed_len()) > readable);
        self.bad_chunks.extend(beyond.map(|slot| slot.id));
    }

    async fn read(&mut self, repository: &Repository, len: u64) -> Result<()> {
        let object = self.name.object();
        let limit = len.min(MAX_PACK_BYTES);
        let bytes = repository.store().objects.get(&object, limit).await?;
        self.bytes_read = bytes.len() as u64;
        let (repository, name) = (repository.clone(), self.name);
        // Decoding takes tens of milliseconds a pack: not on an async thread.
        let (problems, bad_chunks) = offload(move || examine(&repository, &name, &bytes)).await?;
        self.problems.extend(problems);
        self.bad_chunks.extend(bad_chunks);
        Ok(())
    }
}

/// Decodes a whole pack. Where its header is damaged, the index tells where its chunks lie.
fn examine(repository: &Repository, name: &PackName, bytes: &[u8]) -> (Vec<String>, Vec<[u8; 16]>) {
    let store = repository.store();
    let mut problems = Vec::new();
    if pack::pack_name(bytes) != *name {
        problems.push(format!(
            "{} does not match its name: it was changed",
            name.object()
        ));
    }
    match verify_pack(name, bytes, &store.sealer, &store.codec) {
        Ok((_, bad)) => {
            problems.extend(bad.iter().map(|blob| describe(&blob.error)));
            (problems, bad.iter().map(|blob| blob.id.short()).collect())
        }
        Err(error) => {
            problems.push(describe(&error));
            let described = repository.catalogue().index.pack_slots(name);
            let (info, slots) = match described {
                Some(described) => described,
                None => return (problems, Vec::new()),
            };
            let bad = slots
                .iter()
                .filter(|slot| !opens(repository, (&info, bytes), slot))
                .map(|slot| slot.id);
            (problems, bad.collect())
        }
    }
}

/// Whether a blob can be read without the header of its pack.
fn opens(repository: &Repository, (info, bytes): (&PackInfo, &[u8]), slot: &Slot) -> bool {
    if slot.is_foreign() {
        return false;
    }
    let store = repository.store();
    let cipher = pack::blob_cipher(store.keyring(), &store.preamble_of(info));
    let start = slot.offset as usize;
    let blob = Blob {
        short_id: slot.id,
        kind: slot.kind(),
        position: u64::from(slot.offset),
        sealed: bytes
            .get(start..start.saturating_add(slot.sealed_len() as usize))
            .unwrap_or_default(),
    };
    blob.open("", &cipher, (&store.codec, store.keyring()))
        .is_ok()
}

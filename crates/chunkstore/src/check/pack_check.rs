//! Judging one pack.

use crate::check::describe;
use crate::error::{ErrorKind, Result};
use crate::layout::PackName;
use crate::offload::offload;
use crate::pack::{self, Blob, MAX_PACK_BYTES, verify_pack};
use crate::pack_index::{PackInfo, Slot};
use crate::repository::Repository;
use crate::sealed::{self, DataKeys};

/// What was found out about one pack.
pub(crate) struct PackVerdict {
    pub(crate) name: PackName,
    pub(crate) problems: Vec<String>,
    /// Starts of the ids of chunks that it should give and does not.
    pub(crate) bad_chunks: Vec<[u8; 16]>,
    /// Chunks that a writer's key does not open: the pack's hash alone speaks for them.
    pub(crate) closed_chunks: u64,
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
        closed_chunks: 0,
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
        let store = repository.store();
        let epochs = match pack::read_header(&object, &bytes, &store.sealer) {
            Ok((preamble, header)) => sealed::epochs_of(&preamble, &header),
            // Its own is known by the index; copied blobs cannot be told without the header.
            Err(_) => {
                let described = repository.catalogue().index.pack_slots(&name);
                described.map(|(info, _)| info.epoch).into_iter().collect()
            }
        };
        let data = store.data_keys(&epochs).await?;
        // Decoding takes tens of milliseconds a pack: not on an async thread.
        let found = offload(move || examine(&repository, &name, (&bytes, &data))).await?;
        self.problems.extend(found.problems);
        self.bad_chunks.extend(found.bad_chunks);
        self.closed_chunks = found.closed;
        Ok(())
    }
}

/// What is in a pack.
#[derive(Default)]
struct Found {
    problems: Vec<String>,
    bad_chunks: Vec<[u8; 16]>,
    closed: u64,
}

/// Decodes a whole pack. Where its header is damaged, the index tells where its chunks lie.
fn examine(repository: &Repository, name: &PackName, (bytes, data): (&[u8], &DataKeys)) -> Found {
    let store = repository.store();
    let mut found = Found::default();
    if pack::pack_name(bytes) != *name {
        found.problems.push(format!(
            "{} does not match its name: it was changed",
            name.object()
        ));
    }
    match verify_pack(name, bytes, (&store.sealer, data), &store.codec) {
        Ok(verified) => {
            let bad = verified.bad;
            let problems = bad.iter().map(|blob| describe(&blob.error));
            found.problems.extend(problems);
            found.bad_chunks = bad.iter().map(|blob| blob.id.short()).collect();
            found.closed = verified.closed;
        }
        Err(error) => {
            found.problems.push(describe(&error));
            let described = repository.catalogue().index.pack_slots(name);
            if let Some((info, slots)) = described {
                let bad = slots
                    .iter()
                    .filter(|slot| !opens(repository, (&info, bytes, data), slot));
                found.bad_chunks = bad.map(|slot| slot.id).collect();
            }
        }
    }
    found
}

/// Whether a blob can be read without the header of its pack, as far as the keys at hand tell.
fn opens(
    repository: &Repository,
    (info, bytes, data): (&PackInfo, &[u8], &DataKeys),
    slot: &Slot,
) -> bool {
    if slot.is_foreign() {
        return false;
    }
    let store = repository.store();
    let cipher = match pack::blob_cipher((store.keyring(), data), &store.preamble_of(info)) {
        Ok(cipher) => cipher,
        Err(error) => return error.kind() == ErrorKind::Sealed,
    };
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

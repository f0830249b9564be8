//! Decisions of the custodian: what is forgotten, condemned, doomed.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use futures::{StreamExt, TryStreamExt};

use crate::check::Problem;
use crate::error::{ErrorKind, Result};
use crate::layout::{self, GcObject, PackName, parse_ulid};
use crate::record::{RecordReader, RecordWriter, count};
use crate::repository::SnapshotId;
use crate::seal::ObjectKind;
use crate::store::Store;

/// Decisions read at the same time.
const PARALLEL_READS: usize = 8;

/// Encodes a list of snapshot ids: the content of `admin/forget/<ulid>`.
pub(crate) fn encode_forgotten(snapshots: &[SnapshotId]) -> Result<Vec<u8>> {
    let mut out = RecordWriter::default();
    out.u32(count(snapshots.len())?);
    for snapshot in snapshots {
        out.bytes(snapshot.as_bytes());
    }
    Ok(out.0)
}

pub(crate) fn decode_forgotten(object: &str, record: &[u8]) -> Result<Vec<SnapshotId>> {
    let mut fields = RecordReader::new(object, record);
    let count = fields.count(16)?;
    let ids = (0..count)
        .map(|_| fields.array().map(SnapshotId))
        .collect::<Result<_>>()?;
    fields.end()?;
    Ok(ids)
}

pub(crate) fn decode_packs(object: &str, record: &[u8]) -> Result<Vec<PackName>> {
    let mut fields = RecordReader::new(object, record);
    let count = fields.count(32)?;
    let packs = (0..count)
        .map(|_| fields.array().map(PackName))
        .collect::<Result<_>>()?;
    fields.end()?;
    Ok(packs)
}

/// The content of `admin/gc/<epoch>.condemned`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Condemned {
    /// What may be deleted unless a session that ended meanwhile refers to it.
    pub(crate) packs: Vec<PackName>,
    /// The snapshots that counted as forgotten when these packs were chosen. Those forgotten
    /// later still protect what they refer to: a session may build on one of them.
    pub(crate) forgotten: Vec<SnapshotId>,
}

impl Condemned {
    pub(crate) fn encode(&self) -> Result<Vec<u8>> {
        let mut out = encode_packs(&self.packs)?;
        out.extend_from_slice(&encode_forgotten(&self.forgotten)?);
        Ok(out)
    }

    pub(crate) fn decode(object: &str, record: &[u8]) -> Result<Self> {
        let mut fields = RecordReader::new(object, record);
        let mut condemned = Self::default();
        for _ in 0..fields.count(32)? {
            condemned.packs.push(PackName(fields.array()?));
        }
        for _ in 0..fields.count(16)? {
            condemned.forgotten.push(SnapshotId(fields.array()?));
        }
        fields.end()?;
        Ok(condemned)
    }
}

/// Encodes a list of packs: the content of `admin/gc/<epoch>.doomed`.
pub(crate) fn encode_packs(packs: &[PackName]) -> Result<Vec<u8>> {
    let mut out = RecordWriter::default();
    out.u32(count(packs.len())?);
    for pack in packs {
        out.bytes(&pack.0);
    }
    Ok(out.0)
}

/// The epochs of which there are decisions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Epochs {
    pub(crate) condemned: BTreeSet<u32>,
    pub(crate) doomed: BTreeSet<u32>,
}

/// Lists the decisions about packs.
pub(crate) async fn list_epochs(store: &Store) -> Result<Epochs> {
    let mut epochs = Epochs::default();
    for meta in store.objects.list(layout::GC).await? {
        match meta.location.filename().and_then(GcObject::parse) {
            Some(GcObject::Condemned(epoch)) => epochs.condemned.insert(epoch),
            Some(GcObject::Doomed(epoch)) => epochs.doomed.insert(epoch),
            None => false,
        };
    }
    Ok(epochs)
}

/// The packs that a session must count as absent: condemned without a decision yet, and doomed.
///
/// # Errors
/// A damaged decision is an error here: a session that ignored it could refer to a pack that is
/// about to be deleted.
pub(crate) async fn absent_packs(store: &Store) -> Result<HashSet<PackName>> {
    let epochs = list_epochs(store).await?;
    let undecided = epochs.condemned.difference(&epochs.doomed);
    let names: Vec<_> = undecided
        .map(|epoch| GcObject::Condemned(*epoch))
        .chain(epochs.doomed.iter().map(|epoch| GcObject::Doomed(*epoch)))
        .collect();
    let lists: Vec<Vec<PackName>> = futures::stream::iter(names)
        .map(|object| async move {
            match read_packs(store, object).await {
                // Deleted meanwhile: a checkpoint without these packs was there before, and is
                // read after this.
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
                read => read,
            }
        })
        .buffer_unordered(PARALLEL_READS)
        .try_collect()
        .await?;
    Ok(lists.into_iter().flatten().collect())
}

/// Reads the packs that a decision names.
pub(crate) async fn read_packs(store: &Store, object: GcObject) -> Result<Vec<PackName>> {
    match object {
        GcObject::Condemned(epoch) => Ok(read_condemned(store, epoch).await?.packs),
        GcObject::Doomed(epoch) => {
            let name = layout::doomed_name(epoch);
            let record = store.read_sealed(&name, ObjectKind::Doomed).await?;
            decode_packs(&name, &record)
        }
    }
}

pub(crate) async fn read_condemned(store: &Store, epoch: u32) -> Result<Condemned> {
    let name = layout::condemned_name(epoch);
    let record = store.read_sealed(&name, ObjectKind::Condemned).await?;
    Condemned::decode(&name, &record)
}

/// Names of all forget decisions.
pub(crate) async fn list_forgotten(store: &Store) -> Result<Vec<String>> {
    let listed = store.objects.list(layout::FORGET).await?;
    Ok(listed
        .iter()
        .filter_map(|meta| meta.location.filename())
        .filter_map(parse_ulid)
        .map(layout::forget_name)
        .collect())
}

/// Reads the forget decisions of a listing that are not in `known` yet, and adds them.
pub(crate) async fn read_forgotten(
    store: &Store,
    listed: Vec<String>,
    known: &mut BTreeMap<String, Vec<SnapshotId>>,
) -> Result<Vec<Problem>> {
    let new: Vec<String> = listed
        .into_iter()
        .filter(|name| !known.contains_key(name))
        .collect();
    let read_all: Vec<_> = futures::stream::iter(new)
        .map(|name| async move {
            let list = match store.read_sealed(&name, ObjectKind::Forget).await {
                Ok(record) => decode_forgotten(&name, &record),
                Err(error) => Err(error),
            };
            (name, list)
        })
        .buffer_unordered(PARALLEL_READS)
        .collect()
        .await;
    let mut unreadable = Vec::new();
    for (name, list) in read_all {
        match list {
            Ok(list) => drop(known.insert(name, list)),
            // Deleted meanwhile: a checkpoint took it over, and the caller has to look again.
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(error),
            // Forgetting less than was decided loses nothing.
            Err(error) if is_damage(error.kind()) => unreadable.push(Problem {
                object: name,
                what: error.to_string(),
            }),
            Err(error) => return Err(error),
        }
    }
    Ok(unreadable)
}

/// Whether an error concerns one object, so that the others can still be read.
pub(crate) fn is_damage(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::Corrupt | ErrorKind::NotFound | ErrorKind::Unsupported
    )
}

/// Reads one decision, to see whether it is good.
pub(crate) async fn inspect(store: &Store, name: &str) -> Result<()> {
    let file = name.rsplit('/').next().unwrap_or_default();
    match GcObject::parse(file) {
        Some(object) => read_packs(store, object).await.map(drop),
        None => {
            let record = store.read_sealed(name, ObjectKind::Forget).await?;
            decode_forgotten(name, &record).map(drop)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use bytes::Bytes;
    use object_store::memory::InMemory;

    use super::*;
    use crate::chunks::{ChunkKind, ChunkSink, ChunkSource};
    use crate::config::CreateOptions;
    use crate::env::Environment;
    use crate::keyring::{Argon2Params, Passphrase};
    use crate::repository::Repository;
    use crate::session::{SessionOptions, SessionStats};

    async fn repository() -> Repository {
        let drawn = AtomicU64::new(0);
        let env = Environment::new(
            || 1_790_000_000_000,
            move |buffer| {
                let nth = drawn.fetch_add(1, Ordering::Relaxed);
                blake3::Hasher::new()
                    .update(&nth.to_le_bytes())
                    .finalize_xof()
                    .fill(buffer);
            },
        );
        let argon2 = Argon2Params {
            memory_kib: 8,
            passes: 1,
            lanes: 1,
        };
        let options = CreateOptions {
            argon2,
            ..CreateOptions::default()
        };
        let passphrase = Passphrase::new("p");
        Repository::create(Arc::new(InMemory::new()), &passphrase, &options, env)
            .await
            .unwrap()
    }

    async fn decide(repository: &Repository, kind: ObjectKind, epoch: u32, packs: &[PackName]) {
        let (name, record) = match kind {
            ObjectKind::Condemned => {
                let condemned = Condemned {
                    packs: packs.to_vec(),
                    forgotten: Vec::new(),
                };
                (layout::condemned_name(epoch), condemned.encode().unwrap())
            }
            _ => (layout::doomed_name(epoch), encode_packs(packs).unwrap()),
        };
        repository
            .store()
            .write_sealed(&name, kind, &record)
            .await
            .unwrap();
    }

    /// Stores one chunk in a session of its own.
    async fn put(repository: &Repository) -> SessionStats {
        let session = repository.session(SessionOptions::default()).await.unwrap();
        let plain = Bytes::from_static(b"a chunk that lies in a pack about to be deleted");
        let id = session
            .put_chunk(ChunkKind::Data, plain.clone())
            .await
            .unwrap();
        let stats = session.commit().await.unwrap().stats;
        assert_eq!(repository.get_chunk(&id).await.unwrap(), plain);
        stats
    }

    #[tokio::test]
    async fn what_lies_only_in_condemned_or_doomed_packs_is_stored_again() {
        let repository = repository().await;
        assert_eq!(put(&repository).await.chunks_new, 1);
        assert_eq!(put(&repository).await.chunks_new, 0);
        let packs: Vec<_> = {
            let catalogue = repository.catalogue();
            catalogue
                .index
                .packs()
                .iter()
                .map(|pack| pack.name)
                .collect()
        };
        decide(&repository, ObjectKind::Condemned, 1, &packs).await;
        assert_eq!(put(&repository).await.chunks_new, 1, "condemned");
        assert_eq!(put(&repository).await.chunks_new, 0, "the new pack counts");
        // Rescued: the doomed list of the epoch decides, and does not name it.
        decide(&repository, ObjectKind::Doomed, 1, &[]).await;
        assert!(absent_packs(repository.store()).await.unwrap().is_empty());
        decide(&repository, ObjectKind::Doomed, 2, &packs).await;
        assert_eq!(absent_packs(repository.store()).await.unwrap().len(), 1);
        assert_eq!(
            put(&repository).await.chunks_new,
            0,
            "the second pack stays"
        );
    }
}

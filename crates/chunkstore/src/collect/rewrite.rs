//! Copying what is still needed out of packs that are mostly waste.

use std::collections::HashSet;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};

use crate::collect::mark::Live;
use crate::collect::{CollectHost, CollectStage};
use crate::error::{Error, Result};
use crate::layout::PackName;
use crate::pack::{self, Blob, OpenedBlob, Origin, PackCiphers, PackEntry, PackHeader};
use crate::ranges::coalesce;
use crate::repository::Repository;
use crate::seal::{ObjectKind, Preamble};
use crate::sealed;
use crate::session::{Session, SessionOptions};
use crate::store::Store;

/// Reads of one pack at the same time.
const PARALLEL_READS: usize = 2;

/// Copies the needed chunks of packs in a session of its own; returns the bytes copied.
///
/// `condemned` count as absent, so that a chunk with a place elsewhere is not copied.
pub(crate) async fn rewrite(
    repository: &Repository,
    live: &Live,
    (rewritten, condemned): (&[PackName], &[PackName]),
    options: &SessionOptions,
    (host, total): (&dyn CollectHost, u64),
) -> Result<u64> {
    let absent: HashSet<PackName> = condemned.iter().copied().collect();
    let session = Session::open_without(repository.clone(), options.clone(), absent).await?;
    let mut copied = 0;
    let counting = session.counting(rewritten);
    for name in rewritten {
        host.progress(CollectStage::Rewrite, copied, total);
        let pack = (name, counting.contains(name));
        match copy_pack(repository, &session, live, pack).await {
            Ok(bytes) => copied += bytes,
            Err(error) => {
                // Nobody should have to wait for it; if this fails too, somebody will end it.
                let _ = session.abandon().await;
                return Err(error);
            }
        }
    }
    session.commit().await?;
    Ok(copied)
}

async fn copy_pack(
    repository: &Repository,
    session: &Session,
    live: &Live,
    (name, counts): (&PackName, bool),
) -> Result<u64> {
    let store = repository.store();
    let object = name.object();
    let number = live.index().pack_number(name);
    let info = number.and_then(|number| live.index().packs().get(number as usize));
    let info = info.ok_or_else(|| Error::internal("a pack to be rewritten is not described"))?;
    let (_, header) = store.read_pack_header(name, u64::from(info.len)).await?;
    let preamble = store.preamble_of(info);
    let mut needed: Vec<&PackEntry> = header
        .entries
        .iter()
        .filter(|entry| live.contains(entry.id.short()) && !session.has(&entry.id))
        .collect();
    needed.sort_unstable_by_key(|entry| entry.offset);
    if info.kind == ObjectKind::DataPack && !store.keyring().reads() {
        let pack = (name, u64::from(info.len));
        // Others are about to end a pack that does not count: what is needed of it is theirs.
        return match counts {
            true => copy_sealed(session, pack, (&preamble, &header), needed).await,
            false => Ok(0),
        };
    }
    let data = store
        .data_keys(&sealed::epochs_of(&preamble, &header))
        .await?;
    let ciphers = PackCiphers::new((store.keyring(), &data), &preamble, &header);
    let ranges = needed.iter().map(|entry| {
        let start = u64::from(entry.offset);
        start..start + u64::from(entry.sealed_len)
    });
    let reads = coalesce(ranges.collect());
    let mut reads = futures::stream::iter(reads)
        .map(|range| read(store, &object, range))
        .buffered(PARALLEL_READS);
    let mut needed = needed.into_iter().peekable();
    let mut copied = 0;
    let mut opened = OpenedBlob::default();
    while let Some((start, bytes)) = reads.try_next().await? {
        let end = start + bytes.len() as u64;
        while let Some(entry) = needed.next_if(|entry| u64::from(entry.offset) < end) {
            let at = (u64::from(entry.offset) - start) as usize;
            let sealed = bytes
                .get(at..at + entry.sealed_len as usize)
                .ok_or_else(|| Error::internal("a read does not cover its chunks"))?;
            let blob = Blob {
                short_id: entry.id.short(),
                kind: entry.kind,
                position: entry.position,
                sealed,
            };
            let keys = (&store.codec, store.keyring());
            let id = blob.open_into(&object, ciphers.of(entry)?, keys, &mut opened)?;
            if id != entry.id {
                return Err(Error::corrupt(&object, "a chunk in it has another id"));
            }
            let copy = (entry.kind, id, opened.plain.len());
            session.adopt(copy, &opened.frame).await?;
            copied += u64::from(entry.sealed_len);
        }
    }
    Ok(copied)
}

/// Copies blobs as they are, for a custodian whose key does not open them. That they are whole is
/// known by the hash of their pack, so all of it is read.
async fn copy_sealed(
    session: &Session,
    (name, len): (&PackName, u64),
    (preamble, header): (&Preamble, &PackHeader),
    needed: Vec<&PackEntry>,
) -> Result<u64> {
    if needed.is_empty() {
        return Ok(0);
    }
    let object = name.object();
    let store = session.repository().store();
    let bytes = store.objects.get(&object, len).await?;
    if pack::pack_name(&bytes) != *name {
        let what =
            "its content does not match its name, and a writer's key cannot tell what is left";
        return Err(Error::corrupt(&object, what));
    }
    let own = Origin {
        epoch: preamble.epoch,
        suite: preamble.suite,
        salt: preamble.salt,
    };
    let mut copied = 0;
    for entry in needed {
        let origin = match usize::from(entry.origin).checked_sub(1) {
            None => Some(&own),
            Some(origin) => header.origins.get(origin),
        };
        let sealed = bytes.get(entry.range());
        let (Some(origin), Some(sealed)) = (origin, sealed) else {
            return Err(Error::corrupt(&object, "its header is impossible"));
        };
        session.adopt_sealed(entry, *origin, sealed).await?;
        copied += u64::from(entry.sealed_len);
    }
    Ok(copied)
}

async fn read(store: &Store, object: &str, range: std::ops::Range<u64>) -> Result<(u64, Bytes)> {
    let len = range.end - range.start;
    let bytes = store.objects.get_range(object, range.start, len).await?;
    Ok((range.start, bytes))
}

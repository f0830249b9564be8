//! Copying what is still needed out of packs that are mostly waste.

use std::collections::HashSet;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};

use crate::collect::mark::Live;
use crate::collect::{CollectHost, CollectStage};
use crate::error::{Error, Result};
use crate::layout::PackName;
use crate::pack::{self, Blob, PackEntry};
use crate::ranges::coalesce;
use crate::repository::Repository;
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
    for name in rewritten {
        host.progress(CollectStage::Rewrite, copied, total);
        match copy_pack(repository, &session, live, name).await {
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
    name: &PackName,
) -> Result<u64> {
    let store = repository.store();
    let object = name.object();
    let number = live.index().pack_number(name);
    let info = number.and_then(|number| live.index().packs().get(number as usize));
    let info = info.ok_or_else(|| Error::internal("a pack to be rewritten is not described"))?;
    let (_, header) = store.read_pack_header(name, u64::from(info.len)).await?;
    let preamble = store.preamble_of(info);
    let own = pack::blob_cipher(store.keyring(), &preamble);
    let mut needed: Vec<&PackEntry> = header
        .entries
        .iter()
        .filter(|entry| live.contains(entry.id.short()) && !session.has(&entry.id))
        .collect();
    needed.sort_unstable_by_key(|entry| entry.offset);
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
    while let Some((start, bytes)) = reads.try_next().await? {
        let end = start + bytes.len() as u64;
        while let Some(entry) = needed.next_if(|entry| u64::from(entry.offset) < end) {
            let at = (u64::from(entry.offset) - start) as usize;
            let sealed = bytes
                .get(at..at + entry.sealed_len as usize)
                .ok_or_else(|| Error::internal("a read does not cover its chunks"))?;
            let foreign = pack::origin_cipher(store.keyring(), &preamble, &header, entry);
            let blob = Blob {
                short_id: entry.id.short(),
                kind: entry.kind,
                position: entry.position,
                sealed,
            };
            let cipher = foreign.as_ref().unwrap_or(&own);
            let keys = (&store.codec, store.keyring());
            let opened = blob.open_frame(&object, cipher, keys)?;
            if opened.id != entry.id {
                return Err(Error::corrupt(&object, "a chunk in it has another id"));
            }
            let copy = (entry.kind, opened.id, opened.plain.len());
            session.adopt(copy, &opened.frame).await?;
            copied += u64::from(entry.sealed_len);
        }
    }
    Ok(copied)
}

async fn read(store: &Store, object: &str, range: std::ops::Range<u64>) -> Result<(u64, Bytes)> {
    let len = range.end - range.start;
    let bytes = store.objects.get_range(object, range.start, len).await?;
    Ok((range.start, bytes))
}

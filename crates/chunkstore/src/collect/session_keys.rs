//! Dropping the keys of sealed sessions of which no blob is left.
//!
//! A key goes when no committed pack holds a blob that it sealed, and its session has ended. Packs
//! stop being committed only when they are doomed, and before that every session was waited for
//! that was open when they were condemned; sessions opened later copy nothing out of them
//! ([`Session::counting`](crate::session::Session)). So nobody can still bring such a blob back.

use std::collections::{HashMap, HashSet};

use futures::{StreamExt, TryStreamExt};

use crate::admin::is_damage;
use crate::error::Result;
use crate::layout::PackName;
use crate::pack_index::Run;
use crate::repository::Repository;
use crate::seal::ObjectKind;
use crate::sealed;

/// Keys and pack headers read at the same time.
const PARALLEL_READS: usize = 8;

/// The names of objects in `sealed` that nothing needs any more, both copies of each key. None while
/// anything leaves open what is needed.
pub(crate) async fn needless(repository: &Repository) -> Result<Vec<String>> {
    let store = repository.store();
    let mut unused: HashSet<u32> = sealed::list(store).await?.into_iter().collect();
    let Some(packs) = Packs::of(repository, &mut unused) else {
        return Ok(Vec::new());
    };
    if !unused.is_empty() {
        packs.spare_copied(repository, &mut unused).await?;
    }
    let ended: Vec<Option<u32>> = futures::stream::iter(unused)
        .map(|epoch| async move {
            match sealed::read(store, epoch).await {
                Ok(record) => {
                    let ended = repository.catalogue().has_ended(&record.session);
                    Ok(ended.then_some(epoch))
                }
                // Another custodian was faster, or it cannot be said whose it is.
                Err(error) if is_damage(error.kind()) => Ok(None),
                Err(error) => Err(error),
            }
        })
        .buffer_unordered(PARALLEL_READS)
        .try_collect()
        .await?;
    let mut ended: Vec<u32> = ended.into_iter().flatten().collect();
    ended.sort_unstable();
    // The spare copy first: while the other one stands, the number is taken.
    let names = ended.into_iter().flat_map(|epoch| {
        let [decision, spare] = sealed::names(epoch);
        [spare, decision]
    });
    Ok(names.collect())
}

/// Packs that hold copied blobs, with their lengths: only their headers tell whose.
struct Packs(HashMap<PackName, u64>);

impl Packs {
    /// Leaves out the epochs that packs name themselves; `None` if a pack is not described.
    fn of(repository: &Repository, unused: &mut HashSet<u32>) -> Option<Self> {
        let (committed, index) = {
            let catalogue = repository.catalogue();
            (catalogue.packs(), catalogue.index.clone())
        };
        let described = index.packs();
        let known: HashSet<PackName> = described.iter().map(|pack| pack.name).collect();
        if committed.keys().any(|name| !known.contains(name)) {
            return None;
        }
        let counts = |name: &PackName| committed.contains_key(name);
        for pack in described.iter().filter(|pack| counts(&pack.name)) {
            unused.remove(&pack.epoch);
        }
        let mut copied = HashMap::new();
        for slot in index.runs().iter().flat_map(Run::slots) {
            if slot.is_foreign()
                && let Some(pack) = described.get(slot.pack as usize)
                && pack.kind == ObjectKind::DataPack
                && counts(&pack.name)
            {
                copied.insert(pack.name, u64::from(pack.len));
            }
        }
        Some(Self(copied))
    }

    /// Leaves out the epochs that copied blobs were sealed in; all, where a header cannot be read.
    async fn spare_copied(self, repository: &Repository, unused: &mut HashSet<u32>) -> Result<()> {
        let store = repository.store();
        let mut headers = futures::stream::iter(self.0)
            .map(|(name, len)| async move { store.read_pack_header(&name, len).await })
            .buffer_unordered(PARALLEL_READS);
        while let Some(read) = headers.next().await {
            match read {
                Ok((_, header)) => {
                    for origin in header.origins {
                        unused.remove(&origin.epoch);
                    }
                }
                Err(error) if is_damage(error.kind()) => {
                    unused.clear();
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

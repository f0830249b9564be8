//! Deleting what the newest checkpoint says may go.

use std::collections::HashSet;

use futures::{StreamExt, TryStreamExt};
use ulid::Ulid;

use crate::admin;
use crate::checkpoint;
use crate::collect::session_keys;
use crate::collect::survey::list_packs;
use crate::collect::{CollectHost, CollectReport, CollectStage};
use crate::error::{Error, ErrorKind, Result};
use crate::layout::{
    self, CheckpointCopy, PackName, SESSIONS, SessionId, SessionObject, parse_ulid,
};
use crate::repository::Repository;
use crate::store::Store;

/// Objects deleted at the same time.
const PARALLEL_DELETES: usize = 16;

/// Carries the newest checkpoint's decisions out. It may have been made by anybody, and may have
/// been carried out in part: deleting is idempotent, and nothing that may be deleted once is ever
/// needed again.
pub(crate) async fn sweep(
    repository: &Repository,
    host: &dyn CollectHost,
    report: &mut CollectReport,
) -> Result<()> {
    let store = repository.store();
    let Some(base) = repository.catalogue().base().cloned() else {
        return Ok(());
    };
    if checkpoint::newest_epoch(store).await? != Some(base.epoch) {
        return Ok(());
    }
    // Both copies must be there before anything that they replace goes.
    let base = checkpoint::write(store, &base).await?;
    let there = list_packs(&store.objects).await?;
    let dead: Vec<(PackName, u64)> = base
        .dead
        .iter()
        .filter_map(|name| Some((*name, *there.get(name)?)))
        .collect();
    let mut sweeper = Sweeper {
        store,
        host,
        done: 0,
        report,
    };
    for (name, len) in dead {
        // One by one in the report, since a lock may keep some of them.
        if sweeper.delete(vec![name.object()]).await? == 1 {
            sweeper.report.deleted_packs += 1;
            sweeper.report.deleted_bytes += len;
        }
    }
    let superseded: HashSet<_> = base.superseded.iter().copied().collect();
    let forgets: HashSet<_> = base.forgets.iter().copied().collect();
    let ulids = |folder, wanted: HashSet<[u8; 16]>, name: fn(Ulid) -> String| async move {
        let listed = store.objects.list(folder).await?;
        let ids = listed
            .iter()
            .filter_map(|meta| parse_ulid(meta.location.filename()?));
        let wanted = ids.filter(|id| wanted.contains(&id.to_bytes()));
        Ok::<Vec<String>, Error>(wanted.map(name).collect())
    };
    let mut small = ulids(layout::INDEX, superseded, layout::index_name).await?;
    small.extend(ulids(layout::FORGET, forgets, layout::forget_name).await?);
    // `.open` before `.end`: the other order would make a session look open.
    let (opened, ended) = sessions(store, &base.committed, &base.killed).await?;
    small.extend(opened);
    sweeper.sweep(small).await?;
    sweeper.sweep(ended).await?;
    let decisions = decisions(store, base.epoch).await?;
    sweeper.sweep(decisions).await?;
    let keys = session_keys::needless(repository).await?;
    sweeper.sweep(keys).await
}

struct Sweeper<'a> {
    store: &'a Store,
    host: &'a dyn CollectHost,
    done: u64,
    report: &'a mut CollectReport,
}

impl Sweeper<'_> {
    async fn sweep(&mut self, names: Vec<String>) -> Result<()> {
        let deleted = self.delete(names).await?;
        self.report.deleted_objects += deleted;
        Ok(())
    }

    /// Deletes objects; returns how many the destination let go.
    async fn delete(&mut self, names: Vec<String>) -> Result<u64> {
        let store = self.store;
        let all = names.len() as u64;
        let outcomes: Vec<bool> = futures::stream::iter(names)
            .map(|name| async move {
                match store.objects.delete(&name).await {
                    Ok(()) => Ok(true),
                    // A lock on objects: it goes when the lock has ended.
                    Err(error) if error.kind() == ErrorKind::Denied => Ok(false),
                    Err(error) => Err(error),
                }
            })
            .buffer_unordered(PARALLEL_DELETES)
            .try_collect()
            .await?;
        let deleted = outcomes.into_iter().filter(|gone| *gone).count() as u64;
        self.report.undeletable += all - deleted;
        self.done += all;
        self.host
            .progress(CollectStage::Delete, self.done, self.done);
        Ok(deleted)
    }
}

/// Session objects that a checkpoint sums up: `.open` objects, then `.end` objects.
async fn sessions(
    store: &Store,
    committed: &[SessionId],
    killed: &[SessionId],
) -> Result<(Vec<String>, Vec<String>)> {
    let committed: HashSet<_> = committed.iter().copied().collect();
    let killed: HashSet<_> = killed.iter().copied().collect();
    let (mut opened, mut ended) = (Vec::new(), Vec::new());
    for meta in store.objects.list(SESSIONS).await? {
        match meta.location.filename().and_then(SessionObject::parse) {
            Some(SessionObject::Open(id)) if committed.contains(&id) || killed.contains(&id) => {
                opened.push(id.open_name());
            }
            // That of a session without a commit stays for ever: a writer that comes back to life
            // must find it.
            Some(SessionObject::End(id)) if committed.contains(&id) => ended.push(id.end_name()),
            _ => {}
        }
    }
    Ok((opened, ended))
}

/// Decisions that a checkpoint has carried out, and older checkpoints.
async fn decisions(store: &Store, epoch: u32) -> Result<Vec<String>> {
    let epochs = admin::list_epochs(store).await?;
    let up_to = |all: std::collections::BTreeSet<u32>| all.into_iter().filter(move |e| *e <= epoch);
    let mut names: Vec<String> = up_to(epochs.condemned)
        .map(layout::condemned_name)
        .collect();
    names.extend(up_to(epochs.doomed).map(layout::doomed_name));
    let older = checkpoint::list(store).await?;
    for older in older.into_iter().filter(|older| *older < epoch) {
        names.push(layout::checkpoint_name(older, CheckpointCopy::Decision));
        names.push(layout::checkpoint_name(older, CheckpointCopy::Spare));
    }
    Ok(names)
}

//! Gives space back: plans a collection, and carries it out while backups run.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chunkstore::{CollectHost, CollectOptions, CollectStage, OnOpen, OpenSession};
use serde::Serialize;

use crate::error::{Doing, Result};
use crate::monitor::{Event, Monitor};
use crate::vault::Vault;

/// How often open sessions are looked at while they are waited for.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// How a prune goes about it.
#[derive(Clone, Debug)]
pub struct PruneOptions {
    /// Packs of which less than so many percent are still needed are rewritten. Default 50.
    pub rewrite_below_percent: u8,
    /// Bytes copied into new packs in one run, at most. Default 4 GiB.
    pub max_rewrite_bytes: u64,
    /// A backup that began longer ago than this and has not ended is taken for dead, and ended;
    /// should it be alive, it is told and writes its last half hour again. Default one hour.
    pub end_open_after: Duration,
    /// Waits for younger ones. Otherwise the run stops there, and the next one goes on.
    pub wait: bool,
}

impl Default for PruneOptions {
    fn default() -> Self {
        let collect = CollectOptions::default();
        Self {
            rewrite_below_percent: collect.rewrite_below_percent,
            max_rewrite_bytes: collect.max_rewrite_bytes,
            end_open_after: Duration::from_secs(60 * 60),
            wait: false,
        }
    }
}

/// What a prune would do.
#[derive(Clone, Debug, Default, Serialize)]
pub struct PrunePlan {
    /// Packs at the destination.
    pub packs: u64,
    /// Their bytes.
    pub stored_bytes: u64,
    /// Bytes that snapshots need.
    pub needed_bytes: u64,
    /// Snapshots forgotten since the last prune.
    pub forgotten: u64,
    /// Packs that nothing needs.
    pub dead_packs: u64,
    /// Their bytes.
    pub dead_bytes: u64,
    /// Packs of backups that never finished.
    pub stray_packs: u64,
    /// Their bytes.
    pub stray_bytes: u64,
    /// Packs of which little is needed, or that are small: that little is copied into new ones.
    pub rewrite_packs: u64,
    /// Their bytes.
    pub rewrite_bytes: u64,
    /// Bytes copied.
    pub copied_bytes: u64,
    /// Packs left for the next prune, because of the limits.
    pub left_packs: u64,
    /// Bytes that the repository is smaller afterwards.
    pub freed_bytes: u64,
    /// Chunks that snapshots need and that are nowhere: run a check.
    pub missing_chunks: u64,
}

/// A backup that has begun and not ended.
#[derive(Clone, Debug, Serialize)]
pub struct OpenBackup {
    /// Its session.
    pub session: String,
    /// What the writer calls itself.
    pub writer: String,
    /// When it began, in milliseconds since 1970-01-01T00:00:00Z; absent if that is unknown.
    pub opened_unix_ms: Option<i64>,
}

/// What a prune did.
#[derive(Clone, Debug, Default, Serialize)]
pub struct PruneReport {
    /// What was planned; absent when an interrupted prune was only carried to its end.
    pub plan: Option<PrunePlan>,
    /// Whether everything planned is done.
    pub finished: bool,
    /// Backups that are still running and have to end first.
    pub waiting_for: Vec<OpenBackup>,
    /// Sessions that were taken for dead and ended.
    pub ended: Vec<String>,
    /// Packs that were about to be deleted and turned out to be needed by a new snapshot.
    pub rescued_packs: u64,
    /// Bytes copied into new packs.
    pub copied_bytes: u64,
    /// Packs deleted.
    pub deleted_packs: u64,
    /// Their bytes.
    pub deleted_bytes: u64,
    /// Other objects deleted.
    pub deleted_objects: u64,
    /// Objects that the destination refused to delete.
    pub undeletable: u64,
    /// Half-written files of killed processes that were removed from a folder.
    pub half_written: u64,
    /// What became of object locks; absent where there are none.
    pub locks: Option<RenewedLocks>,
}

/// Object locks that a prune renewed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RenewedLocks {
    /// Objects that are needed.
    pub objects: u64,
    /// Those of them that are kept longer now.
    pub extended: u64,
    /// Those whose lock the destination did not let change.
    pub refused: u64,
}

impl Vault {
    /// Says what [`Vault::prune`] would do; changes nothing.
    ///
    /// # Errors
    /// `Corrupt` where damage leaves open what is needed; those of the destination.
    pub async fn plan_prune(
        &self,
        options: &PruneOptions,
        monitor: Arc<dyn Monitor>,
    ) -> Result<PrunePlan> {
        let host = Host::new(self, options, monitor);
        let plan = self
            .repository
            .plan_collection(&options.collect(), &host)
            .await
            .doing(|| "plan what can be deleted".into())?;
        Ok(shown(&plan))
    }

    /// Deletes what no snapshot needs any more. Backups may run at the same time.
    ///
    /// An interrupted prune loses nothing, and the next one goes on where it stopped.
    ///
    /// # Errors
    /// As for [`Vault::plan_prune`]; `Conflict` when another prune was faster.
    ///
    /// # Cancellation
    /// Safe at any point.
    pub async fn prune(
        &self,
        options: &PruneOptions,
        monitor: Arc<dyn Monitor>,
    ) -> Result<PruneReport> {
        let host = Host::new(self, options, Arc::clone(&monitor));
        let done = self
            .repository
            .collect(&options.collect(), &host)
            .await
            .doing(|| "delete what nothing needs any more".into())?;
        let locks = self.renew_locks(&*monitor).await?;
        let planned = done.plan != chunkstore::CollectPlan::default();
        Ok(PruneReport {
            plan: planned.then(|| shown(&done.plan)),
            finished: done.finished,
            waiting_for: done.waiting_for.iter().map(open_backup).collect(),
            ended: done.ended.iter().map(ToString::to_string).collect(),
            rescued_packs: done.rescued_packs,
            copied_bytes: done.copied_bytes,
            deleted_packs: done.deleted_packs,
            deleted_bytes: done.deleted_bytes,
            deleted_objects: done.deleted_objects,
            undeletable: done.undeletable,
            half_written: 0,
            locks,
        })
    }

    /// After what nothing needs is gone: its locks end when they end.
    async fn renew_locks(&self, monitor: &dyn Monitor) -> Result<Option<RenewedLocks>> {
        let Some(lock) = &self.object_lock else {
            return Ok(None);
        };
        let progress = |done, total| monitor.event(Event::Checked { done, total });
        let renewed = self.repository.renew_locks(lock, &progress).await;
        let report = renewed.doing(|| "renew the locks of what is needed".into())?;
        Ok(Some(RenewedLocks {
            objects: report.objects,
            extended: report.extended,
            refused: report.refused,
        }))
    }
}

impl PruneOptions {
    pub(crate) fn collect(&self) -> CollectOptions {
        CollectOptions {
            rewrite_below_percent: self.rewrite_below_percent,
            max_rewrite_bytes: self.max_rewrite_bytes,
            ..CollectOptions::default()
        }
    }
}

fn shown(plan: &chunkstore::CollectPlan) -> PrunePlan {
    PrunePlan {
        packs: plan.packs,
        stored_bytes: plan.stored_bytes,
        needed_bytes: plan.live_bytes,
        forgotten: plan.forgotten,
        dead_packs: plan.dead_packs,
        dead_bytes: plan.dead_bytes,
        stray_packs: plan.stray_packs,
        stray_bytes: plan.stray_bytes,
        rewrite_packs: plan.rewrite_packs,
        rewrite_bytes: plan.rewrite_bytes,
        copied_bytes: plan.copied_bytes,
        left_packs: plan.left_packs,
        freed_bytes: plan.freed_bytes(),
        missing_chunks: plan.missing_chunks,
    }
}

pub(crate) fn open_backup(open: &OpenSession) -> OpenBackup {
    OpenBackup {
        session: open.id.to_string(),
        writer: open.writer.clone(),
        opened_unix_ms: open.opened_unix_ms,
    }
}

/// Decides how long to wait. No safety hangs on its clock: ending a session that lives costs its
/// writer some work.
pub(crate) struct Host<'a> {
    vault: &'a Vault,
    options: &'a PruneOptions,
    monitor: Arc<dyn Monitor>,
}

impl<'a> Host<'a> {
    pub(crate) fn new(
        vault: &'a Vault,
        options: &'a PruneOptions,
        monitor: Arc<dyn Monitor>,
    ) -> Self {
        Self {
            vault,
            options,
            monitor,
        }
    }
}

#[async_trait]
impl CollectHost for Host<'_> {
    fn progress(&self, stage: CollectStage, done: u64, total: u64) {
        // Bytes and snapshots do not add up with objects: only what is looked at is shown.
        if stage == CollectStage::Mark {
            self.monitor.event(Event::Checked { done, total });
        }
    }

    async fn open_sessions(&self, open: &[OpenSession]) -> OnOpen {
        let patience = i64::try_from(self.options.end_open_after.as_millis()).unwrap_or(i64::MAX);
        let now = self.vault.now_unix_ms();
        let dead = open.iter().filter(|session| {
            let began = session.opened_unix_ms.unwrap_or(i64::MIN);
            now.saturating_sub(began) >= patience
        });
        let dead: Vec<_> = dead.map(|session| session.id).collect();
        if !dead.is_empty() {
            return OnOpen::End(dead);
        }
        if !self.options.wait {
            return OnOpen::Leave;
        }
        tokio::time::sleep(LOOK_EVERY).await;
        OnOpen::Wait
    }
}

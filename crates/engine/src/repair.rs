//! Mends what can be made anew from what is there, or brought back from elsewhere.

mod heal;
mod lost;
mod packs;
mod trees;

pub use packs::{Donors, PackRepairOptions, PackRepairReport, RebuiltSnapshot};
pub use trees::TreeSource;

use chunkstore::{IndexRepair, LeaveOpen, Problem};
use serde::Serialize;

use crate::check::DamagedObject;
use crate::error::{Doing, Result};
use crate::prune::{OpenBackup, open_backup};
use crate::vault::Vault;

/// What a repair of the index did, or would do.
#[derive(Clone, Debug, Default, Serialize)]
pub struct IndexRepairReport {
    /// Whether nothing was written because only a plan was asked for.
    pub dry_run: bool,
    /// Index objects that were damaged or missing.
    pub damaged: Vec<DamagedObject>,
    /// Packs that only these described, and whose headers were read instead.
    pub packs_read: u64,
    /// Packs that nothing describes any more.
    pub packs_lost: Vec<DamagedObject>,
    /// Whether the index at the destination is whole again.
    pub written: bool,
    /// Backups that a prune which was begun earlier waits for: it has to end first.
    pub waiting_for: Vec<OpenBackup>,
}

impl Vault {
    /// Writes the index anew where objects of it are damaged or missing, from the headers of
    /// packs. Backups may run meanwhile.
    ///
    /// # Errors
    /// `Corrupt` where sessions cannot be read; those of the destination.
    ///
    /// # Cancellation
    /// Safe at any point.
    pub async fn repair_index(&self, dry_run: bool) -> Result<IndexRepairReport> {
        let repaired = match dry_run {
            true => self.repository.plan_index_repair().await,
            false => self.repository.repair_index(&LeaveOpen).await,
        };
        let repair: IndexRepair = repaired.doing(|| "repair the index".into())?;
        let shown = |problems: Vec<Problem>| {
            let problems = problems.into_iter();
            let shown = problems.map(|problem| DamagedObject {
                object: problem.object,
                what: problem.what,
            });
            shown.collect()
        };
        Ok(IndexRepairReport {
            dry_run,
            damaged: shown(repair.damaged),
            packs_read: repair.packs_read,
            packs_lost: shown(repair.packs_lost),
            written: repair.written,
            waiting_for: repair.waiting_for.iter().map(open_backup).collect(),
        })
    }
}

//! Making the index anew from pack headers where objects of it are damaged or missing.

use std::collections::HashSet;

use futures::StreamExt;
use ulid::Ulid;

use crate::admin;
use crate::catalogue;
use crate::check::Problem;
use crate::collect::epoch::Custodian;
use crate::collect::{CollectHost, CollectOptions, OpenSession, refuse_damage};
use crate::error::Result;
use crate::layout::{self, PackName};
use crate::repository::Repository;

/// Index objects read at the same time.
const PARALLEL_SEGMENTS: usize = 4;

/// What a repair of the index found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IndexRepair {
    /// Index objects that were damaged or missing.
    pub damaged: Vec<Problem>,
    /// Packs that only these described: their headers were read.
    pub packs_read: u64,
    /// Packs that neither an index object nor their own header describes: what lies only in them
    /// cannot be found.
    pub packs_lost: Vec<Problem>,
    /// Whether the index is whole again at the destination. `false` after a plan.
    pub written: bool,
    /// Sessions that a collection which was begun earlier has to wait for: it has to end first.
    pub waiting_for: Vec<OpenSession>,
}

impl Repository {
    /// Reads all index objects and says what repairing them would take; changes nothing.
    ///
    /// # Errors
    /// `Corrupt` where sessions or the checkpoint cannot be read, otherwise from the destination.
    pub async fn plan_index_repair(&self) -> Result<IndexRepair> {
        self.refresh().await?;
        refuse_damage(self)?;
        let (objects, packs) = {
            let catalogue = self.catalogue();
            (catalogue.index_objects(), catalogue.packs())
        };
        let store = self.store();
        let mut repair = IndexRepair::default();
        let mut described: HashSet<PackName> = HashSet::new();
        let mut reads = futures::stream::iter(objects)
            .map(|id| async move {
                let name = layout::index_name(Ulid::from_bytes(id));
                let read = catalogue::read_segment(store, &name).await;
                (name, read)
            })
            .buffered(PARALLEL_SEGMENTS);
        while let Some((object, read)) = reads.next().await {
            match read {
                Ok(segment) => described.extend(segment.packs.iter().map(|pack| pack.name)),
                Err(error) if admin::is_damage(error.kind()) => {
                    let what = error.to_string();
                    repair.damaged.push(Problem { object, what });
                }
                Err(error) => return Err(error),
            }
        }
        drop(reads);
        let missing = packs
            .into_iter()
            .filter(|(name, _)| !described.contains(name));
        let missing: Vec<_> = missing.collect();
        repair.packs_read = missing.len() as u64;
        let (_, lost) = catalogue::read_headers(store, missing).await?;
        repair.packs_read -= lost.len() as u64;
        repair.packs_lost = lost;
        Ok(repair)
    }

    /// Writes the index anew where objects of it are damaged, from the headers of the packs that
    /// they described, and sums all of it up in a checkpoint. Sessions may be written meanwhile.
    ///
    /// # Errors
    /// As for [`Repository::plan_index_repair`].
    ///
    /// # Cancellation
    /// Safe at any point.
    pub async fn repair_index(&self, host: &dyn CollectHost) -> Result<IndexRepair> {
        let mut repair = self.plan_index_repair().await?;
        if repair.damaged.is_empty() {
            repair.written = true;
            return Ok(repair);
        }
        for problem in &repair.damaged {
            self.catalogue_mut().drop_segment(&problem.object);
        }
        let options = CollectOptions::default();
        let report = Custodian::new(self, &options, host).sum_up_only().await?;
        repair.written = report.finished;
        repair.waiting_for = report.waiting_for;
        Ok(repair)
    }
}

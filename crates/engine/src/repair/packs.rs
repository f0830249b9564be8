//! Heals damaged packs: what can be read of them, what a second repository, the local index or the
//! server still have, and a list of what is lost.

use std::collections::BTreeMap;
use std::sync::Arc;

use chunkstore::{CheckOptions, CheckReport, Repair, SessionOptions};
use serde::Serialize;

use super::heal::Healer;
use super::lost::Losses;
use super::trees::{Tree, TreeSource};
use crate::backup::one_line;
use crate::check::{DamagedItem, DamagedObject, ReadData};
use crate::copy::wanted::Wanted;
use crate::error::{Doing, Result};
use crate::monitor::{Event, Monitor};
use crate::source::Exchange;
use crate::vault::Vault;

/// Where a repair may take bytes from, beside the repository itself and the local indexes.
#[derive(Clone, Copy, Default)]
pub struct Donors<'a> {
    /// A second repository: a copy, or one that backs up the same mailboxes.
    pub other: Option<&'a Vault>,
    /// The server the mailboxes were read from.
    pub exchange: Option<&'a Exchange>,
}

/// How a repair goes about it.
#[derive(Clone, Copy, Debug, Default)]
pub struct PackRepairOptions {
    /// Believes packs that are there in their full length, instead of reading all of them.
    pub quick: bool,
    /// Only says what is damaged.
    pub dry_run: bool,
}

/// A snapshot whose tree was damaged.
#[derive(Clone, Debug, Serialize)]
pub struct RebuiltSnapshot {
    /// Its id, which stays.
    pub snapshot: String,
    /// The mailbox.
    pub mailbox: String,
    /// Where its entries were taken from.
    pub from: TreeSource,
    /// Entries that are lost all the same.
    pub entries_lost: u64,
}

/// What a repair of packs did, or would have to do.
#[derive(Clone, Debug, Default, Serialize)]
pub struct PackRepairReport {
    /// Whether nothing was written because only a list was asked for.
    pub dry_run: bool,
    /// Objects that are damaged or missing.
    pub objects_damaged: Vec<DamagedObject>,
    /// Packs that were given up: what could be read of them was stored again.
    pub packs_given_up: u64,
    /// Chunks that were taken out of damaged packs.
    pub chunks_salvaged: u64,
    /// Snapshots with damaged trees, which were written again.
    pub snapshots_rebuilt: Vec<RebuiltSnapshot>,
    /// Item versions that the second repository gave.
    pub items_from_repository: u64,
    /// Item versions that the server gave.
    pub items_from_server: u64,
    /// Summaries that were made anew from their items.
    pub summaries_made: u64,
    /// Bytes that were stored.
    pub bytes_stored: u64,
    /// Item versions that cannot be restored whole, each with the newest snapshot that has it.
    pub items_lost: Vec<DamagedItem>,
    /// Why a donor could not give what it may have.
    pub donors_failed: Vec<String>,
}

impl PackRepairReport {
    /// Whether every snapshot can be read whole.
    pub fn is_whole(&self) -> bool {
        let rebuilt = &self.snapshots_rebuilt;
        let is_left = self.dry_run && !self.objects_damaged.is_empty();
        !is_left
            && self.items_lost.is_empty()
            && rebuilt.iter().all(|snapshot| snapshot.entries_lost == 0)
    }

    /// Whether there was nothing to do.
    pub fn is_clean(&self) -> bool {
        self.objects_damaged.is_empty() && self.is_whole() && self.packs_given_up == 0
    }
}

impl Vault {
    /// Heals what damaged and missing packs cost, and writes down what cannot be healed.
    ///
    /// Nothing is deleted and nothing overwritten; the next prune removes packs of which nothing
    /// is needed any more. May be repeated, with other donors. Backups may run meanwhile.
    ///
    /// # Errors
    /// Those of the destination, `Sealed` where a writer's key opened this vault or the other one.
    /// Damage, and donors that cannot help, are part of the report.
    ///
    /// # Cancellation
    /// Before its end nothing counts.
    pub async fn repair_packs(
        &self,
        donors: Donors<'_>,
        options: PackRepairOptions,
        monitor: Arc<dyn Monitor>,
    ) -> Result<PackRepairReport> {
        self.refuse_writer("a repair of packs")?;
        if let Some(other) = donors.other {
            other.refuse_writer("a repository to repair from")?;
        }
        if options.dry_run {
            return self.plan_pack_repair(options, monitor).await;
        }
        let check = self.look_for_damage(options, monitor.as_ref()).await?;
        let mut report = PackRepairReport {
            objects_damaged: objects(&check),
            packs_given_up: check.damaged_packs.len() as u64,
            ..PackRepairReport::default()
        };
        if check.damaged_packs.is_empty() && !self.repository.has_repairs() {
            return Ok(report);
        }
        let session = SessionOptions {
            writer: "repair".to_owned(),
            ..SessionOptions::default()
        };
        let repair = self.repository.start_repair(&check, session).await;
        let mut repair = repair.doing(|| "begin the repair".into())?;
        match self.heal(&mut repair, donors, &mut report, &monitor).await {
            Ok(()) => {
                let done = repair.finish().await.doing(|| "commit the repair".into())?;
                report.bytes_stored = done.stats.stored_bytes;
                Ok(report)
            }
            Err(error) => {
                // Nobody should have to wait for it; if this fails too, somebody will end it.
                let _ = repair.abandon().await;
                Err(error)
            }
        }
    }

    async fn plan_pack_repair(
        &self,
        options: PackRepairOptions,
        monitor: Arc<dyn Monitor>,
    ) -> Result<PackRepairReport> {
        let read = match options.quick {
            true => ReadData::None,
            false => ReadData::All,
        };
        let check = self.check_data(read, monitor).await?;
        Ok(PackRepairReport {
            dry_run: true,
            objects_damaged: [check.objects_damaged, check.snapshots_damaged].concat(),
            items_lost: check.items_damaged,
            ..PackRepairReport::default()
        })
    }

    async fn look_for_damage(
        &self,
        options: PackRepairOptions,
        monitor: &dyn Monitor,
    ) -> Result<CheckReport> {
        let progress = |progress: chunkstore::CheckProgress| {
            monitor.event(Event::Checked {
                done: progress.objects,
                total: progress.objects_total,
            });
        };
        let check = CheckOptions {
            read_data: !options.quick,
            part: None,
        };
        let found = self.repository.check(&check, &progress).await;
        found.doing(|| "look for damage".into())
    }

    async fn heal(
        &self,
        repair: &mut Repair,
        donors: Donors<'_>,
        report: &mut PackRepairReport,
        monitor: &Arc<dyn Monitor>,
    ) -> Result<()> {
        let salvaged = repair.salvage().await;
        report.chunks_salvaged = salvaged.doing(|| "read what is left of packs".into())?;
        let mut healer = Healer::new(self, repair, donors);
        let mut trees: Vec<Tree> = Vec::new();
        let mut damaged: Vec<Wanted> = Vec::new();
        let mut losses = Losses::default();
        for wanted in self.repository.snapshots().into_iter().map(Wanted::of) {
            match losses
                .walk(self, repair, trees.len(), &wanted.info.root)
                .await
            {
                Ok(()) => trees.push(Tree::of(wanted)),
                Err(error) if error.is_damage() => damaged.push(wanted),
                Err(error) => return Err(error),
            }
        }
        for wanted in damaged {
            let rebuilt = healer.rebuild(wanted, &trees).await?;
            let root = healer.write(&rebuilt).await?;
            let info = &rebuilt.wanted.info;
            let value = info.value.clone();
            let replaced = repair.replace(info, root.clone(), value);
            replaced.doing(|| "write a snapshot again".into())?;
            report.snapshots_rebuilt.push(rebuilt.report());
            losses.note_entries(trees.len(), rebuilt.lost);
            losses.walk(self, repair, trees.len(), &root).await?;
            trees.push(Tree::rebuilt(rebuilt, root));
        }
        for (lost, there) in losses.take_twins() {
            let put = repair.put(&lost, there);
            put.doing(|| "write down what was healed".into())?;
        }
        let at_work = |mailbox: &str| monitor.event(Event::MailboxStarted { mailbox });
        healer.contents(&mut losses, &trees, &at_work).await?;
        report.items_from_repository = healer.counts.from_repository;
        report.items_from_server = healer.counts.from_server;
        report.summaries_made = healer.counts.summaries;
        report.donors_failed.clone_from(&healer.failures);
        healer.settle(&losses, repair).await?;
        self.write_down(repair, &losses, &trees, report).await
    }

    /// Says what is lost: to the repository, and by name.
    async fn write_down(
        &self,
        repair: &mut Repair,
        losses: &Losses,
        trees: &[Tree],
        report: &mut PackRepairReport,
    ) -> Result<()> {
        for lost in losses.left() {
            repair.give_up(&lost.content);
        }
        for (tree, count) in losses.entries_by_tree() {
            if let Some(tree) = trees.get(tree) {
                repair.note_lost_entries(tree.wanted.info.id, count);
            }
        }
        let mut folders: BTreeMap<usize, Vec<crate::list::StoredFolder>> = BTreeMap::new();
        for lost in losses.left() {
            let Some((at, tree)) = lost.newest().and_then(|at| Some((at, trees.get(at)?))) else {
                continue;
            };
            if let std::collections::btree_map::Entry::Vacant(missing) = folders.entry(at) {
                let snapshot = tree.snapshot();
                missing.insert(self.all_folders(&snapshot).await.unwrap_or_default());
            }
            let known = folders.get(&at).map_or(&[][..], Vec::as_slice);
            report
                .items_lost
                .push(self.name_lost(lost, tree, known).await);
        }
        report.items_lost.sort();
        report.items_lost.dedup();
        Ok(())
    }
}

/// All that a check says about objects, in one list.
fn objects(check: &CheckReport) -> Vec<DamagedObject> {
    let problems = check.problems.iter();
    let shown = problems.map(|problem| DamagedObject {
        object: problem.object.clone(),
        what: problem.what.clone(),
    });
    shown.collect()
}

/// A donor's failure, in one line.
pub(super) fn failed(donor: &str, error: &crate::error::Error) -> String {
    format!("{donor}: {}", one_line(error))
}

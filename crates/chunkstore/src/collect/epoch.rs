//! One custodian's way through an epoch.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::admin::{self, Condemned};
use crate::checkpoint;
use crate::collect::mark::{Live, mark};
use crate::collect::plan::{Choice, choose};
use crate::collect::survey::{Survey, list_packs};
use crate::collect::{
    CollectHost, CollectOptions, CollectPlan, CollectReport, CollectStage, OnOpen, OpenSession,
    refuse_damage, rewrite, sum_up, sweep,
};
use crate::error::{Error, ErrorKind, Result};
use crate::layout::{self, GcObject, PackName, SESSIONS, SessionId, SessionObject};
use crate::repository::{Repository, SnapshotId, SnapshotInfo};
use crate::seal::ObjectKind;
use crate::session_record::OpenRecord;

/// So many sessions, or one decision to forget, are worth a checkpoint even if no pack goes.
const SESSIONS_WORTH_A_CHECKPOINT: u64 = 16;

/// A plan with what it takes to carry it out.
pub(crate) struct Planned {
    pub(crate) plan: CollectPlan,
    choice: Choice,
    live: Live,
    /// The snapshots that counted as forgotten.
    forgotten: Vec<SnapshotId>,
    survey: Survey,
}

/// One process that collects.
pub(crate) struct Custodian<'a> {
    repository: &'a Repository,
    options: &'a CollectOptions,
    host: &'a dyn CollectHost,
    report: CollectReport,
    /// Steps that the model's test leaves out, to see that it notices.
    #[cfg(test)]
    pub(crate) left_out: super::model::LeftOut,
}

impl<'a> Custodian<'a> {
    pub(crate) fn new(
        repository: &'a Repository,
        options: &'a CollectOptions,
        host: &'a dyn CollectHost,
    ) -> Self {
        Self {
            repository,
            options,
            host,
            report: CollectReport::default(),
            #[cfg(test)]
            left_out: super::model::LeftOut::default(),
        }
    }

    /// The whole of a collection.
    pub(crate) async fn run(mut self) -> Result<CollectReport> {
        let store = self.repository.store();
        self.repository.refresh().await?;
        refuse_damage(self.repository)?;
        let epoch = self.repository.catalogue().epoch() + 1;
        self.report.epoch = epoch;
        sweep::sweep(self.repository, self.host, &mut self.report).await?;
        let begun = admin::list_epochs(store).await?;
        let mut survey = None;
        if !begun.condemned.contains(&epoch) && !begun.doomed.contains(&epoch) {
            let planned = self.plan().await?;
            self.report.plan = planned.plan;
            let plan = &planned.plan;
            let due = plan.sessions >= SESSIONS_WORTH_A_CHECKPOINT
                || plan.forgotten > 0
                || self.options.erase.is_some();
            if plan.is_empty() && !due {
                self.report.finished = true;
                return Ok(self.report);
            }
            survey = Some(planned.survey.clone());
            if !plan.is_empty() && !self.condemn(epoch, planned).await? {
                return Ok(self.report);
            }
        }
        self.finish(epoch, survey).await?;
        Ok(self.report)
    }

    /// Chooses no packs: ends an epoch that was begun, or makes a checkpoint and nothing else.
    pub(crate) async fn sum_up_only(mut self) -> Result<CollectReport> {
        self.repository.refresh().await?;
        refuse_damage(self.repository)?;
        let epoch = self.repository.catalogue().epoch() + 1;
        self.report.epoch = epoch;
        sweep::sweep(self.repository, self.host, &mut self.report).await?;
        self.finish(epoch, None).await?;
        Ok(self.report)
    }

    /// Marks and chooses.
    pub(crate) async fn plan(&self) -> Result<Planned> {
        // Packs first: a pack that is listed belongs to a session that is listed after it.
        let survey = Survey::make(&self.repository.store().objects).await?;
        self.repository.refresh().await?;
        refuse_damage(self.repository)?;
        let (snapshots, forgotten, committed, sessions, decisions) = {
            let catalogue = self.repository.catalogue();
            let forgotten = catalogue.forgotten();
            let known: HashSet<_> = catalogue.all_snapshots().map(|s| s.id).collect();
            (
                catalogue.snapshots(),
                forgotten.intersection(&known).copied().collect::<Vec<_>>(),
                catalogue.packs(),
                catalogue.commits().count() + catalogue.killed().count(),
                catalogue.forget_decisions().len(),
            )
        };
        let live = self.mark(&snapshots).await?;
        let mut choice = choose(&live, &survey, &committed, self.options);
        choice.plan.sessions = sessions as u64;
        choice.plan.forgotten = (forgotten.len() as u64).max(decisions as u64);
        Ok(Planned {
            plan: choice.plan,
            choice,
            live,
            forgotten,
            survey,
        })
    }

    async fn mark(&self, snapshots: &[SnapshotInfo]) -> Result<Live> {
        let total = snapshots.len() as u64;
        let on_done = |done| self.host.progress(CollectStage::Mark, done, total);
        let live = mark(self.repository, snapshots, &on_done).await?;
        match live.index().is_broken() {
            // What is not found is not marked, and would be deleted.
            true => Err(Error::corrupt(
                "the index's local file",
                "the next collection reads the index anew",
            )),
            false => Ok(live),
        }
    }

    /// Copies what has to be copied, then condemns; `false` when the epoch is over already.
    async fn condemn(&mut self, epoch: u32, mut planned: Planned) -> Result<bool> {
        let store = self.repository.store();
        if !planned.choice.rewritten.is_empty() {
            let packs = (
                planned.choice.rewritten.as_slice(),
                planned.choice.condemned.as_slice(),
            );
            let total = planned.plan.copied_bytes;
            self.report.copied_bytes = rewrite::rewrite(
                self.repository,
                &planned.live,
                packs,
                &self.options.session,
                (self.host, total),
            )
            .await?;
        }
        planned.forgotten.sort_unstable();
        let condemned = Condemned {
            packs: planned.choice.condemned,
            forgotten: planned.forgotten,
        };
        let name = layout::condemned_name(epoch);
        let sealed = store.seal(&name, ObjectKind::Condemned, &condemned.encode()?)?;
        // Refused: another custodian has condemned, and its list is as good.
        store.objects.create(&name, sealed).await?;
        self.is_current(epoch).await
    }

    /// Whether nobody has finished an epoch yet.
    async fn is_current(&self, epoch: u32) -> Result<bool> {
        let newest = checkpoint::newest_epoch(self.repository.store()).await?;
        Ok(newest.is_none_or(|newest| newest < epoch))
    }

    /// Takes an epoch from wherever it stands to its end.
    async fn finish(&mut self, epoch: u32, survey: Option<Survey>) -> Result<()> {
        let store = self.repository.store();
        let begun = admin::list_epochs(store).await?;
        if !begun.doomed.contains(&epoch)
            && begun.condemned.contains(&epoch)
            && !(self.wait(epoch).await? && self.doom(epoch).await?)
        {
            // Others have finished it, unless sessions are still waited for.
            self.report.finished = self.report.waiting_for.is_empty();
            return Ok(());
        }
        // Without a wait, what looks left over may belong to a session that is still open.
        let survey = survey.filter(|_| begun.condemned.contains(&epoch));
        let thorough = self.options.erase.is_some();
        let wanted = sum_up::sum_up(self.repository, epoch, survey, thorough).await?;
        if !self.is_current(epoch).await? {
            self.report.finished = true;
            return Ok(());
        }
        checkpoint::write(store, &wanted).await?;
        // What counts is the newest, whoever made it.
        self.repository.refresh().await?;
        refuse_damage(self.repository)?;
        sweep::sweep(self.repository, self.host, &mut self.report).await?;
        self.report.finished = true;
        Ok(())
    }

    /// Waits for the sessions that may not know what is condemned; `false` to stop here.
    async fn wait(&mut self, epoch: u32) -> Result<bool> {
        #[cfg(test)]
        if self.left_out == super::model::LeftOut::Wait {
            return Ok(true);
        }
        let mut open = list_open(self.repository).await?;
        while !open.is_empty() {
            let mut described = Vec::with_capacity(open.len());
            for id in &open {
                described.push(describe_open(self.repository, *id).await?);
            }
            match self.host.open_sessions(&described).await {
                OnOpen::Wait => {}
                OnOpen::Leave => {
                    self.report.waiting_for = described;
                    return Ok(false);
                }
                OnOpen::End(ids) => {
                    for id in ids.into_iter().filter(|id| open.contains(id)) {
                        if self.repository.end_session(id).await? {
                            self.report.ended.push(id);
                        }
                    }
                }
            }
            // Sessions opened since have seen what is condemned: only the first ones matter.
            let still = list_open(self.repository).await?;
            open.retain(|id| still.contains(id));
            if !self.is_current(epoch).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Marks again and decides; `false` when the epoch is over already.
    async fn doom(&mut self, epoch: u32) -> Result<bool> {
        let store = self.repository.store();
        let condemned = match admin::read_condemned(store, epoch).await {
            Ok(condemned) => condemned,
            // Tidied away: others have finished.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        let doomed = self.rescue(&condemned).await?;
        self.report.rescued_packs = (condemned.packs.len() - doomed.len()) as u64;
        let name = layout::doomed_name(epoch);
        let sealed = store.seal(&name, ObjectKind::Doomed, &admin::encode_packs(&doomed)?)?;
        // Refused: another custodian has decided. Its decision is read back by the checkpoint.
        store.objects.create(&name, sealed).await?;
        self.is_current(epoch).await
    }

    /// What is left of the condemned packs after a second mark.
    async fn rescue(&self, condemned: &Condemned) -> Result<Vec<PackName>> {
        #[cfg(test)]
        if self.left_out == super::model::LeftOut::SecondMark {
            return Ok(condemned.packs.clone());
        }
        self.repository.refresh().await?;
        refuse_damage(self.repository)?;
        let forgotten = self.forgotten(condemned);
        let snapshots: Vec<SnapshotInfo> = {
            let catalogue = self.repository.catalogue();
            let all = catalogue.all_snapshots();
            all.filter(|snapshot| !forgotten.contains(&snapshot.id))
                .cloned()
                .collect()
        };
        let live = self.mark(&snapshots).await?;
        let there = list_packs(&self.repository.store().objects).await?;
        Ok(doomed(&live, &there, &condemned.packs))
    }

    /// Only what was forgotten when the packs were chosen counts: a session that opened since may
    /// build on a snapshot that was forgotten after it looked.
    fn forgotten(&self, condemned: &Condemned) -> HashSet<SnapshotId> {
        #[cfg(test)]
        if self.left_out == super::model::LeftOut::ForgottenSince {
            return self.repository.catalogue().forgotten();
        }
        condemned.forgotten.iter().copied().collect()
    }
}

/// The condemned packs without those that are the last place of a needed chunk.
fn doomed(live: &Live, there: &BTreeMap<PackName, u64>, condemned: &[PackName]) -> Vec<PackName> {
    let mut doomed: BTreeSet<PackName> = condemned.iter().copied().collect();
    for id in live.chunks() {
        let places = live.places(id).map(|(pack, _)| pack);
        let mut places = places.filter(|pack| there.contains_key(pack)).peekable();
        let last_resort = places.peek().copied();
        if !places.any(|pack| !doomed.contains(&pack))
            && let Some(pack) = last_resort
        {
            doomed.remove(&pack);
        }
    }
    doomed.into_iter().collect()
}

/// The sessions that have begun and not ended.
pub(crate) async fn list_open(repository: &Repository) -> Result<Vec<SessionId>> {
    let mut open = BTreeSet::new();
    let mut ended = BTreeSet::new();
    for meta in repository.store().objects.list(SESSIONS).await? {
        match meta.location.filename().and_then(SessionObject::parse) {
            Some(SessionObject::Open(id)) => open.insert(id),
            Some(SessionObject::End(id)) => ended.insert(id),
            None => false,
        };
    }
    let catalogue = repository.catalogue();
    let open = open.difference(&ended);
    Ok(open
        .filter(|id| !catalogue.has_ended(id))
        .copied()
        .collect())
}

pub(crate) async fn describe_open(repository: &Repository, id: SessionId) -> Result<OpenSession> {
    let name = id.open_name();
    let store = repository.store();
    let record = match store.read_sealed(&name, ObjectKind::SessionOpen).await {
        Ok(record) => OpenRecord::decode(&name, &record),
        Err(error) => Err(error),
    };
    match record {
        Ok(record) => Ok(OpenSession {
            id,
            writer: record.writer,
            opened_unix_ms: Some(record.time_unix_ms),
        }),
        // Ended and tidied away this moment, or damaged: it is waited for all the same.
        Err(error) if admin::is_damage(error.kind()) => Ok(OpenSession {
            id,
            writer: String::new(),
            opened_unix_ms: None,
        }),
        Err(error) => Err(error),
    }
}

/// Reads the doomed list of an epoch; none means that nothing was condemned in it.
pub(crate) async fn read_doomed(repository: &Repository, epoch: u32) -> Result<Vec<PackName>> {
    match admin::read_packs(repository.store(), GcObject::Doomed(epoch)).await {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        read => read,
    }
}

//! Collection: deleting what no snapshot refers to, while backups run.
//!
//! One round is an *epoch*. Each step creates one object that only one custodian can create, so
//! that any number of custodians, dead ones come back to life among them, agree:
//!
//! 1. *mark* what committed, unforgotten snapshots refer to, and choose packs;
//! 2. create `condemned`: from here on new sessions do without these packs;
//! 3. wait for every session that was open then, or end it by creating its `.end`;
//! 4. *mark again*, and rescue what sessions that ended meanwhile refer to;
//! 5. create `doomed`: what is left of the condemned;
//! 6. create the checkpoint, a catalogue and index without the doomed;
//! 7. delete.
//!
//! No step looks at a clock. A custodian that finds a checkpoint of its epoch or a later one knows
//! that others have finished the epoch, and stops.

mod epoch;
mod locks;
pub(crate) mod mark;
#[cfg(test)]
mod model;
mod plan;
mod reindex;
mod rewrite;
mod session_keys;
mod sum_up;
mod survey;
mod sweep;

use async_trait::async_trait;

use crate::erase::SoleChunks;
use crate::error::{Error, ErrorKind, Result};
use crate::layout::{self, SESSIONS, SessionId};
use crate::repository::Repository;
use crate::session::SessionOptions;

use epoch::Custodian;
pub use locks::LockReport;
pub use reindex::IndexRepair;
pub(crate) use survey::list_packs;

/// How a collection goes about it.
#[derive(Clone, Debug)]
pub struct CollectOptions {
    /// Packs of which less than so many percent are still needed are rewritten, 0 to 100.
    /// Default 50; 0 rewrites none, small packs neither.
    pub rewrite_below_percent: u8,
    /// Bytes copied out of packs in one collection, at most. Default 4 GiB; the rest is left for
    /// the next one.
    pub max_rewrite_bytes: u64,
    /// Packs deleted in one collection, at most. Default 100,000.
    pub max_packs: usize,
    /// Chunks to be erased: every pack that holds one of them is rewritten without it, whatever the
    /// limits above say, and so is every index object. Default none.
    pub erase: Option<SoleChunks>,
    /// How rewritten packs are made.
    pub session: SessionOptions,
}

impl Default for CollectOptions {
    fn default() -> Self {
        Self {
            rewrite_below_percent: 50,
            max_rewrite_bytes: 4 << 30,
            max_packs: 100_000,
            erase: None,
            session: SessionOptions {
                writer: "collection".to_owned(),
                ..SessionOptions::default()
            },
        }
    }
}

/// What a collection is going to do, or would.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CollectPlan {
    /// Packs at the destination, and their bytes.
    pub packs: u64,
    /// Bytes of all packs.
    pub stored_bytes: u64,
    /// Sealed bytes of the chunks that snapshots need.
    pub live_bytes: u64,
    /// Chunks that snapshots need and the index does not know: damage.
    pub missing_chunks: u64,
    /// Packs of committed sessions that nothing refers to.
    pub dead_packs: u64,
    /// Their bytes.
    pub dead_bytes: u64,
    /// Packs that no committed session names: left by sessions that were never committed.
    pub stray_packs: u64,
    /// Their bytes.
    pub stray_bytes: u64,
    /// Packs whose needed chunks are copied into new ones.
    pub rewrite_packs: u64,
    /// Their bytes.
    pub rewrite_bytes: u64,
    /// Of these, bytes that are copied.
    pub copied_bytes: u64,
    /// Packs that should go too and are left for the next collection, because of the limits.
    pub left_packs: u64,
    /// Sessions that the next checkpoint sums up.
    pub sessions: u64,
    /// Snapshots forgotten since the last checkpoint.
    pub forgotten: u64,
}

impl CollectPlan {
    /// Bytes that the destination holds less afterwards.
    pub fn freed_bytes(&self) -> u64 {
        (self.dead_bytes + self.stray_bytes + self.rewrite_bytes).saturating_sub(self.copied_bytes)
    }

    /// Whether any pack goes.
    pub fn is_empty(&self) -> bool {
        self.dead_packs + self.stray_packs + self.rewrite_packs == 0
    }
}

/// A session that was begun and has not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenSession {
    /// Its id.
    pub id: SessionId,
    /// What the writer calls itself; empty if that cannot be read.
    pub writer: String,
    /// When the writer says it began; `None` if that cannot be read.
    pub opened_unix_ms: Option<i64>,
}

/// What to do about sessions that a collection has to wait for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OnOpen {
    /// Look again; the host has waited as long as it likes.
    Wait,
    /// End these sessions without a commit; their writers are told, and write again.
    End(Vec<SessionId>),
    /// Stop here. The next collection takes the epoch up where it stands.
    Leave,
}

/// What a collection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CollectStage {
    /// Reading snapshots, to see what they need.
    Mark,
    /// Copying chunks out of packs that are mostly waste, in bytes.
    Rewrite,
    /// Deleting, in objects.
    Delete,
}

/// The program around a collection: it watches, and it decides how long to wait.
#[async_trait]
pub trait CollectHost: Send + Sync {
    /// Told as work goes on.
    fn progress(&self, stage: CollectStage, done: u64, total: u64);

    /// Asked while sessions are open that began before the packs were condemned. Whatever the
    /// answer, nothing is lost; it only decides who waits for whom.
    async fn open_sessions(&self, open: &[OpenSession]) -> OnOpen;
}

/// Ends nothing and waits for nothing: a collection stops where a session is open.
#[derive(Clone, Copy, Debug, Default)]
pub struct LeaveOpen;

#[async_trait]
impl CollectHost for LeaveOpen {
    fn progress(&self, _stage: CollectStage, _done: u64, _total: u64) {}

    async fn open_sessions(&self, _open: &[OpenSession]) -> OnOpen {
        OnOpen::Leave
    }
}

/// What a collection did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CollectReport {
    /// What was planned; all zero when an epoch was found begun and was only taken up.
    pub plan: CollectPlan,
    /// The epoch worked on.
    pub epoch: u32,
    /// Whether the epoch was carried to its end. If not, the next collection goes on.
    pub finished: bool,
    /// Sessions it did not want to wait for.
    pub waiting_for: Vec<OpenSession>,
    /// Sessions it ended.
    pub ended: Vec<SessionId>,
    /// Packs that were condemned and turned out to be needed.
    pub rescued_packs: u64,
    /// Bytes copied into new packs.
    pub copied_bytes: u64,
    /// Packs deleted, of this epoch and of earlier ones.
    pub deleted_packs: u64,
    /// Their bytes.
    pub deleted_bytes: u64,
    /// Other objects deleted: sessions, index segments, decisions that a checkpoint sums up.
    pub deleted_objects: u64,
    /// Objects that the destination refused to delete (a lock on objects, a missing right); the
    /// next collection tries again.
    pub undeletable: u64,
}

impl Repository {
    /// Finds out what a collection would do; changes nothing.
    ///
    /// # Errors
    /// `Corrupt` where damage leaves open what is needed, otherwise from the destination.
    pub async fn plan_collection(
        &self,
        options: &CollectOptions,
        host: &dyn CollectHost,
    ) -> Result<CollectPlan> {
        validate(options)?;
        let custodian = Custodian::new(self, options, host);
        Ok(custodian.plan().await?.plan)
    }

    /// Deletes what no snapshot refers to, and sums up ended sessions in a checkpoint.
    ///
    /// Sessions may be written and committed, snapshots forgotten and other collections run at the
    /// same time. A collection that was interrupted anywhere is taken up by the next.
    ///
    /// # Errors
    /// `Corrupt` where damage leaves open what is needed: nothing is deleted then. `Conflict` when
    /// another custodian ended the session in which chunks were copied. Otherwise from the
    /// destination.
    ///
    /// # Cancellation
    /// Safe at any point.
    pub async fn collect(
        &self,
        options: &CollectOptions,
        host: &dyn CollectHost,
    ) -> Result<CollectReport> {
        validate(options)?;
        Custodian::new(self, options, host).run().await
    }

    /// The sessions that were begun and have not ended, oldest first.
    ///
    /// # Errors
    /// From the destination.
    pub async fn open_sessions(&self) -> Result<Vec<OpenSession>> {
        let mut open = Vec::new();
        for id in epoch::list_open(self).await? {
            open.push(epoch::describe_open(self, id).await?);
        }
        Ok(open)
    }
}

fn validate(options: &CollectOptions) -> Result<()> {
    if options.rewrite_below_percent > 100 {
        return Err(Error::invalid("a share is 0 to 100 percent"));
    }
    options.session.validate()
}

/// Refuses to decide about packs while something that may refer to them cannot be read.
fn refuse_damage(repository: &Repository) -> Result<()> {
    let concerns = |object: &str| {
        [SESSIONS, layout::CHECKPOINT]
            .iter()
            .any(|folder| object.starts_with(folder))
    };
    let problems = repository.problems();
    // A spare copy that was read in place of a damaged one is as good.
    let read = crate::layout::checkpoint_name(
        repository.catalogue().epoch(),
        crate::layout::CheckpointCopy::Decision,
    );
    match problems
        .iter()
        .find(|problem| concerns(&problem.object) && problem.object != read)
    {
        None => Ok(()),
        Some(problem) => Err(Error::new(
            ErrorKind::Corrupt,
            format!(
                "nothing can be collected while {} cannot be read ({})",
                problem.object, problem.what
            ),
        )),
    }
}

//! Copies snapshots, and what belongs to them, into another repository with other keys.
//!
//! Chunk ids are keyed and payloads are cut by a secret, so nothing stored fits into another
//! repository: items are read, verified, and stored anew. What the other repository has already is
//! found by comparing trees, without reading any item.

pub(crate) mod carry;
mod finish;
mod join;
mod known;
pub(crate) mod wanted;

use std::sync::Arc;

use chunkstore::{
    ChunkSink, ChunkSource, Content, Entry, Session, SessionOptions, TreeRoot, write_tree,
};
use futures::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use self::carry::{Carried, Carrier, Staged, StagedContent};
use self::join::{Join, Step};
use self::known::Known;
use self::wanted::{Wanted, choose};
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::monitor::{Event, Monitor};
use crate::report::ItemFailure;
use crate::vault::Vault;

/// Items read and stored at the same time.
const ITEMS_AT_ONCE: usize = 4;
/// What is copied is committed after so many items: they wait in memory until then.
const ROUND_ITEMS: u64 = 20_000;
/// Or after so many of their bytes: an interruption costs no more than that.
const ROUND_BYTES: u64 = 1 << 30;
/// Topics of notes that are copied.
const TOPICS: [&str; 1] = ["run"];

/// What is copied.
#[derive(Clone, Debug, Default)]
pub struct CopyOptions {
    /// Only these mailboxes, with what is kept and held of them; empty: all, and reports of runs.
    pub mailboxes: Vec<String>,
    /// Only snapshots with these ids, and nothing beside them; empty: all.
    pub snapshots: Vec<String>,
    /// Reads everything back that was copied.
    pub verify: bool,
    /// Only says what would be copied.
    pub dry_run: bool,
}

/// A snapshot that was copied, or would be.
#[derive(Clone, Debug, Serialize)]
pub struct CopiedSnapshot {
    /// Its id, the same in both repositories.
    pub id: String,
    /// The mailbox.
    pub mailbox: String,
    /// When it was made, milliseconds since 1970 UTC.
    pub time_unix_ms: i64,
    /// Items that had to be read from the source.
    pub items: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Whether it is there as a whole.
    pub complete: bool,
}

/// What a copy did, or would do.
#[derive(Clone, Debug, Default, Serialize)]
pub struct CopyReport {
    /// Whether nothing was written because only a plan was asked for.
    pub dry_run: bool,
    /// The snapshots, by mailbox and time.
    pub snapshots: Vec<CopiedSnapshot>,
    /// Snapshots that the destination had already.
    pub snapshots_there: u64,
    /// Snapshots that the destination has forgotten, and that were therefore left out.
    pub snapshots_forgotten: u64,
    /// Trees of kept items, holds and releases.
    pub records: u64,
    /// Reports of runs.
    pub reports: u64,
    /// Items read from the source and stored at the destination.
    pub items: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes added to the destination.
    pub bytes_stored: u64,
    /// Copied items that were read back from the destination.
    pub items_verified: u64,
    /// Items that could not be read. Their snapshots are incomplete at the destination, and the
    /// next copy tries again.
    pub failures: Vec<ItemFailure>,
    /// Whether it was stopped before its end; running it again continues.
    pub interrupted: bool,
}

impl CopyReport {
    /// Whether everything chosen is at the destination.
    pub fn is_complete(&self) -> bool {
        !self.interrupted && self.failures.is_empty()
    }
}

impl Vault {
    /// Copies snapshots, kept items, holds, releases and reports of runs into another repository.
    ///
    /// Snapshots keep their ids and times; what the other repository has is not copied again, and
    /// what it has forgotten is not brought back. Nothing is deleted. Backups into either may run.
    ///
    /// # Errors
    /// `Invalid` when both are the same repository, `Sealed` when a writer's key opened the source, or
    /// the destination where it is to be read back, `Conflict` when a custodian of the destination
    /// ended the session meanwhile, otherwise from the repositories. Damaged items end nothing.
    ///
    /// # Cancellation
    /// What was committed stays, and the next copy goes on from there.
    pub async fn copy_to(
        &self,
        to: &Vault,
        options: &CopyOptions,
        cancel: &CancellationToken,
        monitor: Arc<dyn Monitor>,
    ) -> Result<CopyReport> {
        if self.id() == to.id() {
            let message = "both are the same repository";
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        self.refuse_writer("a copy's source")?;
        if options.verify {
            to.refuse_writer("reading copied items back")?;
        }
        let choice = choose(self, to, options).await?;
        let mut copy = Copy {
            from: self,
            to,
            options,
            cancel,
            monitor,
            report: CopyReport {
                dry_run: options.dry_run,
                snapshots_there: choice.there,
                snapshots_forgotten: choice.forgotten,
                ..CopyReport::default()
            },
            round: None,
            known: Known::read(self, to),
        };
        for wanted in choice.wanted {
            if cancel.is_cancelled() {
                copy.report.interrupted = true;
                break;
            }
            let what = || format!("copy snapshot {}", wanted.info.id);
            copy.snapshot(&wanted).await.doing(what)?;
        }
        copy.seal().await?;
        if options.mailboxes.is_empty() && options.snapshots.is_empty() {
            copy.notes().await?;
        }
        Ok(copy.report)
    }
}

/// A copy in progress.
struct Copy<'a> {
    from: &'a Vault,
    to: &'a Vault,
    options: &'a CopyOptions,
    cancel: &'a CancellationToken,
    monitor: Arc<dyn Monitor>,
    report: CopyReport,
    round: Option<Round>,
    known: Known,
}

/// What waits for the next commit.
struct Round {
    session: Session,
    carrier: Arc<Carrier>,
    items: u64,
    bytes: u64,
    /// What is to be read back.
    copied: Vec<Content>,
    /// Unfinished copies that finished ones take the place of.
    superseded: Vec<String>,
}

impl Round {
    fn is_full(&self) -> bool {
        self.items >= ROUND_ITEMS || self.bytes >= ROUND_BYTES
    }
}

/// A tree that was copied as far as possible.
struct Tree {
    root: TreeRoot,
    changed: bool,
    items: u64,
    bytes: u64,
    failures: Vec<(Entry, String)>,
    /// Whether the rest is left for the next round.
    cut_short: bool,
}

impl Copy<'_> {
    async fn snapshot(&mut self, wanted: &Wanted) -> Result<()> {
        let mailbox = wanted.mailbox.clone();
        self.monitor
            .event(Event::MailboxStarted { mailbox: &mailbox });
        let mut copied = CopiedSnapshot {
            id: wanted.info.id.to_string(),
            mailbox: mailbox.clone(),
            time_unix_ms: wanted.info.time_unix_ms,
            items: 0,
            bytes: 0,
            complete: false,
        };
        loop {
            if !self.options.dry_run {
                self.open_round().await?;
            }
            let tree = match self.known.same_tree(&wanted.info.root) {
                Some(root) => unchanged(root),
                None => self.tree(wanted).await?,
            };
            copied.items += tree.items;
            copied.bytes += tree.bytes;
            let (cut_short, failed) = (tree.cut_short, !tree.failures.is_empty());
            if self.options.dry_run {
                let root = wanted.info.root.clone();
                self.known.add(wanted, root.clone(), root);
            } else {
                self.keep(wanted, tree).await?;
            }
            if cut_short {
                self.seal().await?;
                self.monitor.event(Event::Checkpoint);
                if !self.cancel.is_cancelled() {
                    continue;
                }
                self.report.interrupted = true;
            }
            copied.complete = !cut_short && !failed;
            break;
        }
        let complete = copied.complete;
        self.monitor.event(Event::MailboxFinished {
            mailbox: &mailbox,
            complete,
        });
        self.report.items += copied.items;
        self.report.bytes += copied.bytes;
        match wanted.is_state {
            true => self.report.snapshots.push(copied),
            false => self.report.records += 1,
        }
        if self.round.as_ref().is_some_and(Round::is_full) {
            self.seal().await?;
        }
        Ok(())
    }

    /// Opens a session, and only then looks at what is there: from now on it stays.
    async fn open_round(&mut self) -> Result<()> {
        if self.round.is_some() {
            return Ok(());
        }
        let options = SessionOptions {
            writer: "copy".to_owned(),
            ..SessionOptions::default()
        };
        let session = self.to.repository.session(options).await;
        let session = session.doing(|| "open a session at the destination".into())?;
        self.known = Known::read(self.from, self.to);
        self.round = Some(Round {
            carrier: Arc::new(Carrier::new(self.from, &session)),
            session,
            items: 0,
            bytes: 0,
            copied: Vec::new(),
            superseded: Vec::new(),
        });
        Ok(())
    }

    /// Copies a tree on top of what is there.
    async fn tree(&mut self, wanted: &Wanted) -> Result<Tree> {
        let donor = self.known.donor(wanted);
        let from = self.from.source();
        let there: Arc<dyn ChunkSource> = match &self.round {
            Some(round) => Arc::new(round.session.clone()),
            // A plan takes what it would have copied for copied.
            None if donor.source == donor.there => self.from.source(),
            None => self.to.source(),
        };
        let join = Join::new(
            (Arc::clone(&from), wanted.info.root.clone()),
            donor.source.map(|root| (from, root)),
            donor.there.clone().map(|root| (there, root)),
        );
        match self.round.take() {
            None => plan(join).await,
            Some(mut round) => {
                let parent = donor.there.filter(|_| wanted.is_state);
                let done = self.carry(&mut round, join, parent, wanted).await;
                self.round = Some(round);
                done
            }
        }
    }

    async fn carry(
        &self,
        round: &mut Round,
        join: Join,
        parent: Option<TreeRoot>,
        wanted: &Wanted,
    ) -> Result<Tree> {
        let carrier = Arc::clone(&round.carrier);
        let mut steps = steps(join)
            .map_ok(move |step| {
                let carrier = Arc::clone(&carrier);
                async move { carrier.carry(step).await }
            })
            .try_buffered(ITEMS_AT_ONCE);
        let mut tree = unchanged(TreeRoot::empty());
        let (mut staged, mut removed): (Vec<Staged>, Vec<Vec<u8>>) = Default::default();
        while let Some(carried) = steps.try_next().await? {
            match carried {
                Carried::Same => {}
                Carried::Removed(key) => removed.push(key),
                Carried::Reused(entry) => staged.push(entry),
                Carried::Copied(entry, bytes) => {
                    staged.push(entry);
                    tree.items += 1;
                    tree.bytes += bytes;
                    round.items += 1;
                    round.bytes += bytes;
                    self.transferred(wanted, bytes);
                }
                Carried::Failed(failed) => {
                    removed.extend(failed.there.then(|| failed.entry.key.clone()));
                    tree.failures.push((failed.entry, failed.reason));
                }
            }
            // A state can be half a copy; a record is copied as a whole.
            if wanted.is_state && (round.is_full() || self.cancel.is_cancelled()) {
                tree.cut_short = true;
                break;
            }
        }
        drop(steps);
        round.carrier.flush().await?;
        tree.changed = !staged.is_empty() || !removed.is_empty() || parent.is_none();
        tree.root = write(round, parent, staged, removed).await?;
        Ok(tree)
    }

    fn transferred(&self, wanted: &Wanted, bytes: u64) {
        self.monitor.event(Event::Transferred {
            mailbox: &wanted.mailbox,
            items: 1,
            bytes,
        });
    }
}

fn unchanged(root: TreeRoot) -> Tree {
    Tree {
        root,
        changed: false,
        items: 0,
        bytes: 0,
        failures: Vec::new(),
        cut_short: false,
    }
}

fn steps(join: Join) -> stream::BoxStream<'static, Result<Step>> {
    stream::try_unfold(join, |mut join| async move {
        let step = join.next().await.doing(|| "compare trees".into())?;
        Ok(step.map(|step| (step, join)))
    })
    .boxed()
}

/// What would have to be read.
async fn plan(join: Join) -> Result<Tree> {
    let mut tree = unchanged(TreeRoot::empty());
    let mut steps = steps(join);
    while let Some(step) = steps.try_next().await? {
        if let (Some(new), None) = (&step.new, step.reusable()) {
            tree.items += 1;
            tree.bytes += new.contents.iter().map(|content| content.len).sum::<u64>();
        }
    }
    Ok(tree)
}

/// Writes the new tree, as changes of its parent or on its own.
async fn write(
    round: &mut Round,
    parent: Option<TreeRoot>,
    staged: Vec<Staged>,
    removed: Vec<Vec<u8>>,
) -> Result<TreeRoot> {
    let mut changes: Vec<chunkstore::Change> = Vec::with_capacity(staged.len() + removed.len());
    for entry in staged {
        let coming = |content: &StagedContent| matches!(content, StagedContent::Coming(_));
        let copied = entry.contents.iter().any(coming);
        let entry = entry.settle()?;
        if copied {
            round.copied.extend(entry.contents.first().cloned());
        }
        changes.push(entry.into());
    }
    let removed = removed.into_iter().map(chunkstore::Change::remove);
    changes.extend(removed);
    changes.sort_by(|a, b| a.key.cmp(&b.key));
    let session = Arc::new(round.session.clone());
    let sink: Arc<dyn ChunkSink> = session.clone();
    let changes = changes.into_iter().map(Ok::<_, Error>);
    write_tree(
        sink,
        session,
        parent.as_ref(),
        stream::iter(changes).boxed(),
    )
    .await
}

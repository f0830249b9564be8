//! Erases one person's mail: every snapshot, every byte that only these refer to, and every record
//! that bears the name; then proves that none of it is left. `docs/decisions/0022` says why so.

mod locked;
mod redact;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use chunkstore::{CollectOptions, CollectReport, NoteId, SnapshotId, SnapshotInfo, SoleChunks};
use serde::Serialize;

use self::redact::{mentions, redact};
use crate::drill::SignedNote;
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::hold::Hold;
use crate::ledger::{Kind, is_mailbox};
use crate::mailbox_name::{MailboxName, MailboxPart};
use crate::monitor::Monitor;
use crate::prune::{Host, OpenBackup, PruneOptions, open_backup};
use crate::vault::Vault;

/// The topic of the notes that say what was erased.
const TOPIC: &str = "erasure";
/// Collections at most: the first may only end what another began, and one may be cut by limits.
const MAX_ROUNDS: usize = 8;
/// Longest who and why, in bytes.
const MAX_TEXT_BYTES: usize = 4096;

/// Whose mail is erased, and how.
#[derive(Clone, Debug)]
pub struct EraseOptions {
    /// The address. Its archive and the recoverable items of both go, too.
    pub mailbox: String,
    /// Who asks for it.
    pub who: String,
    /// Why. It stays in the repository, and must not say whose mail it was.
    pub why: String,
    /// Waits for backups that began before; otherwise they are left to the next call.
    pub wait: bool,
    /// Backups that began longer ago than this and have not ended are taken for dead.
    pub end_open_after: Duration,
}

/// What is to be erased.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ErasePlan {
    /// The address.
    pub mailbox: String,
    /// Snapshots of the mailbox, of its archive and of their recoverable items; those that were
    /// forgotten already and that no prune has taken away yet are counted.
    pub snapshots: u64,
    /// Trees of items that outlived their snapshots, holds that have ended, and runs of restores
    /// that name the mailbox.
    pub records: u64,
    /// Notes, such as reports of runs, that name it; they are written anew without it.
    pub notes: u64,
    /// Holds that are in the way.
    pub holds: Vec<Hold>,
    /// Chunks that nothing else refers to.
    pub chunks: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Packs that hold them, which are deleted or written anew.
    pub packs: u64,
    /// Bytes of these packs.
    pub pack_bytes: u64,
    /// Chunks that stay since others refer to them, too: the same attachment in another mailbox.
    pub shared_chunks: u64,
    /// Their bytes.
    pub shared_bytes: u64,
    /// Objects that earlier erasures, of this mailbox or of others, deleted and that locks at the
    /// destination kept: they are tried again.
    pub kept_before: u64,
    /// Whether an earlier erasure did not come to look at them, and this one cannot either: a right
    /// is missing.
    pub kept_unknown: bool,
}

impl ErasePlan {
    /// Whether there is nothing to be done.
    pub fn is_empty(&self) -> bool {
        self.has_nothing_stored() && self.kept_before == 0 && !self.kept_unknown
    }

    fn has_nothing_stored(&self) -> bool {
        self.snapshots + self.records + self.notes == 0
    }
}

/// What was erased, and what a look at everything that is left found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct EraseReport {
    /// What was planned.
    pub plan: ErasePlan,
    /// Whether everything is gone: the collection ended, and no pack, index object, snapshot or
    /// record was found that has or names any of it.
    pub erased: bool,
    /// Backups that are still running and have to end first.
    pub waiting_for: Vec<OpenBackup>,
    /// Sessions that were taken for dead and ended.
    pub ended: Vec<String>,
    /// Packs deleted.
    pub deleted_packs: u64,
    /// Their bytes.
    pub deleted_bytes: u64,
    /// Bytes copied out of them, since others need these.
    pub copied_bytes: u64,
    /// Notes written anew.
    pub notes: u64,
    /// Files removed from this machine's cache.
    pub local_files: u64,
    /// Packs and index objects that still hold or name what should be gone.
    pub left: Vec<String>,
    /// Objects that cannot be read, so that nobody can tell.
    pub unreadable: Vec<String>,
    /// Snapshots of the mailbox that are there all the same: a backup made them meanwhile.
    pub new_snapshots: u64,
    /// Chunks that another mailbox's backup has come to refer to meanwhile.
    pub needed_again: u64,
    /// Snapshots and records of others that name the address in their descriptions: they were left.
    pub mentions: Vec<String>,
    /// Objects that the destination refused to delete.
    pub undeletable: u64,
    /// Deleted objects that a lock at the destination keeps. The same call deletes them for good
    /// when their locks are over.
    pub kept: Vec<LockedObject>,
    /// Whether the destination does not say which deleted objects it keeps: a right is missing.
    pub kept_unknown: bool,
    /// The time at which the last of these locks ends, milliseconds since 1970 UTC; where it is
    /// unknown what is kept, when it ends at the latest.
    pub locked_until_unix_ms: Option<i64>,
    /// The note in the repository that says that something was erased, and not whose.
    pub note: Option<String>,
}

/// A deleted object that a lock keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LockedObject {
    /// Its name at the destination.
    pub name: String,
    /// Until when, milliseconds since 1970 UTC; absent where the destination refused to delete it and
    /// names no time.
    pub until_unix_ms: Option<i64>,
}

/// What is kept of it: everything but the name.
#[derive(Serialize)]
struct Erasure<'a> {
    version: u32,
    time_unix_ms: i64,
    who: &'a str,
    why: &'a str,
    snapshots: u64,
    records: u64,
    notes: u64,
    chunks: u64,
    bytes: u64,
    deleted_packs: u64,
    erased: bool,
    /// What locks kept, for a later call.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    kept: Vec<&'a str>,
    /// That this was not looked at, or not yet.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    kept_unknown: bool,
}

/// All that an erasure is about.
struct Concerned {
    plan: ErasePlan,
    /// The address and the names of all parts of its mail.
    names: Vec<String>,
    ids: Vec<SnapshotId>,
    notes: Vec<NoteId>,
    sole: SoleChunks,
    /// What earlier erasures deleted and locks kept.
    kept_before: HashSet<String>,
}

impl Vault {
    /// Says what [`Vault::erase`] would erase; changes nothing.
    ///
    /// # Errors
    /// `Invalid` for a name that is no address and for reasons that name the mailbox, `Corrupt` when
    /// a snapshot cannot be read, and those of the destination.
    pub async fn plan_erase(
        &self,
        options: &EraseOptions,
        monitor: Arc<dyn Monitor>,
    ) -> Result<ErasePlan> {
        Ok(self.concerned(options, monitor).await?.plan)
    }

    /// Erases all that the repository and this machine's cache have of one person's mail, and looks
    /// whether anything is left.
    ///
    /// Backups may run at the same time. Where some began before, the last step is left to the next
    /// call (or waited for): the report says so. An interrupted erasure is ended by the next call.
    ///
    /// # Errors
    /// `Denied` where a hold is in the way: nothing is changed then. `NotFound` where there is
    /// nothing of the mailbox, `Sealed` for a vault that a writer's key opened; otherwise as for [`Vault::plan_erase`].
    ///
    /// # Cancellation
    /// Safe at any point; call it again.
    pub async fn erase(
        &self,
        options: &EraseOptions,
        monitor: Arc<dyn Monitor>,
    ) -> Result<EraseReport> {
        // Signed results that name the mailbox are signed anew.
        self.refuse_writer("an erasure")?;
        let concerned = self.concerned(options, Arc::clone(&monitor)).await?;
        if concerned.plan.is_empty() {
            let message = format!("the repository has nothing of {}", concerned.plan.mailbox);
            return Err(Error::new(ErrorKind::NotFound, message));
        }
        if let Some(hold) = concerned.plan.holds.first() {
            let message = format!(
                "{} is held: {} ({})",
                concerned.plan.mailbox, hold.why, hold.who
            );
            return Err(Error::new(ErrorKind::Denied, message));
        }
        let mut report = EraseReport::default();
        let mut finished = true;
        if !concerned.plan.has_nothing_stored() {
            self.announce_hiding(options, &concerned.plan).await?;
            let ids: Vec<String> = concerned.ids.iter().map(ToString::to_string).collect();
            self.forget_ids(&ids).await?;
            report.notes = self.clean_notes(&concerned).await?;
            report.local_files = self.remove_local_files(&concerned.names).await?;
            finished = self
                .take_away(options, &concerned, monitor, &mut report)
                .await?;
            self.look_for_mentions(&concerned.names, &mut report)
                .await?;
        }
        self.delete_kept(&concerned, &mut report).await?;
        report.erased = finished
            && report.left.is_empty()
            && report.unreadable.is_empty()
            && report.mentions.is_empty()
            && report.kept.is_empty()
            && !report.kept_unknown
            && report.new_snapshots + report.undeletable == 0;
        report.plan = concerned.plan;
        let note = self.write_erasure(options, &report).await?;
        report.note = Some(note.to_string());
        Ok(report)
    }

    async fn concerned(
        &self,
        options: &EraseOptions,
        monitor: Arc<dyn Monitor>,
    ) -> Result<Concerned> {
        let names = names_of(&options.mailbox)?;
        let address = names.first().cloned().unwrap_or_default();
        check_reasons(options, &address)?;
        self.refresh().await?;
        let all = self.repository.snapshots_and_forgotten();
        let is_record = |info: &&SnapshotInfo| !is_mailbox(&info.name);
        let concerns = |info: &&SnapshotInfo| concerns(info, &names);
        let concerned: Vec<&SnapshotInfo> = all.iter().filter(concerns).collect();
        let records = concerned.iter().copied().filter(is_record).count() as u64;
        let ids: Vec<SnapshotId> = concerned.iter().map(|info| info.id).collect();
        let now = self.now_unix_ms();
        let mut holds = self.holds().await?;
        holds.retain(|hold| hold.is_active(now) && names.contains(&hold.mailbox.to_lowercase()));
        let notes = self.notes_with(&address).await?;
        let prune = prune_options(options);
        let host = Host::new(self, &prune, monitor);
        let sole = self.repository.sole_chunks(&ids, &host).await;
        let sole = sole.doing(|| "find what only this mailbox refers to".into())?;
        let kept_before = self.kept_before().await?;
        let plan = ErasePlan {
            kept_before: kept_before.names.len() as u64,
            kept_unknown: kept_before.is_unknown,
            snapshots: ids.len() as u64 - records,
            records,
            notes: notes.len() as u64,
            holds,
            chunks: sole.len() as u64,
            bytes: sole.bytes,
            packs: sole.packs,
            pack_bytes: sole.pack_bytes,
            shared_chunks: sole.shared,
            shared_bytes: sole.shared_bytes,
            mailbox: address,
        };
        Ok(Concerned {
            plan,
            names,
            ids,
            notes,
            sole,
            kept_before: kept_before.names,
        })
    }

    /// Collects until nothing of it is found; whether the last collection came to its end.
    async fn take_away(
        &self,
        options: &EraseOptions,
        concerned: &Concerned,
        monitor: Arc<dyn Monitor>,
        report: &mut EraseReport,
    ) -> Result<bool> {
        let prune = prune_options(options);
        let host = Host::new(self, &prune, monitor);
        let collect = CollectOptions {
            erase: Some(concerned.sole.clone()),
            ..prune.collect()
        };
        let mut before = None;
        for _ in 0..MAX_ROUNDS {
            let done = self.repository.collect(&collect, &host).await;
            let done = done.doing(|| "delete what only this mailbox referred to".into())?;
            report.add(&done);
            let traces = self.repository.traces(&concerned.sole, &host).await;
            let traces = traces.doing(|| "look for what is left".into())?;
            report.needed_again = traces.needed_again;
            report.left = [traces.packs.as_slice(), &traces.index].concat();
            report.unreadable.clone_from(&traces.unreadable);
            let is_clean = traces.is_clean();
            // Once more for what another's collection or a limit left; but not against a lock.
            if is_clean || !done.finished || before.as_ref() == Some(&traces) {
                return Ok(done.finished && traces.snapshots == 0);
            }
            before = Some(traces);
        }
        Ok(false)
    }

    /// The notes that name the address.
    async fn notes_with(&self, address: &str) -> Result<Vec<NoteId>> {
        let all = self.repository.all_notes().await;
        let mut found = Vec::new();
        for note in all.doing(|| "list the repository's notes".into())? {
            let body = match self.read_note(&note).await {
                // Deleted meanwhile.
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                read => read?,
            };
            if mentions(&String::from_utf8_lossy(&body), address) {
                found.push(note);
            }
        }
        Ok(found)
    }

    async fn clean_notes(&self, concerned: &Concerned) -> Result<u64> {
        let mut cleaned = 0;
        for note in &concerned.notes {
            let body = match self.read_note(note).await {
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                read => read?,
            };
            // What is no JSON cannot be written anew in part.
            let body = match SignedNote::parse(&body) {
                Some(note) => redact(note.document(), &concerned.names)
                    .map(|document| self.signed_anew(&document))
                    .transpose()?,
                None => redact(&body, &concerned.names),
            };
            let replaced = self.repository.replace_note(note, body.as_deref()).await;
            match replaced.doing(|| format!("write the note {note} anew")) {
                // A lock keeps it: it is found among what still names the address.
                Err(error) if error.kind() == ErrorKind::Denied => {}
                done => {
                    done?;
                    cleaned += 1;
                }
            }
        }
        Ok(cleaned)
    }

    async fn remove_local_files(&self, names: &[String]) -> Result<u64> {
        let mut removed = 0;
        for name in names {
            // What stands beside an index bears its name: an empty file for locking, and an index that
            // was found damaged.
            for suffix in ["", ".lock", ".damaged"] {
                let mut path = self.index_path(name).into_os_string();
                path.push(suffix);
                removed += remove_file(path.into()).await?;
            }
            removed += self.remove_search_indexes(name).await?;
        }
        Ok(removed)
    }

    /// What stays and names the address, and snapshots that were made meanwhile.
    async fn look_for_mentions(&self, names: &[String], report: &mut EraseReport) -> Result<()> {
        let address = names.first().map_or("", String::as_str);
        self.refresh().await?;
        for info in self.repository.snapshots() {
            if names.contains(&info.name) {
                report.new_snapshots += 1;
            } else if mentions(&String::from_utf8_lossy(&info.value), address) {
                let what = match is_mailbox(&info.name) {
                    true => format!("snapshot {} of {}", info.id, info.name),
                    false => format!("record {}", info.id),
                };
                report.mentions.push(what);
            }
        }
        for note in self.notes_with(address).await? {
            report.mentions.push(format!("note {note}"));
        }
        Ok(())
    }

    async fn write_erasure(&self, options: &EraseOptions, report: &EraseReport) -> Result<NoteId> {
        let erasure = Erasure {
            version: 1,
            time_unix_ms: self.now_unix_ms(),
            who: &options.who,
            why: &options.why,
            snapshots: report.plan.snapshots,
            records: report.plan.records,
            notes: report.notes,
            chunks: report.plan.chunks,
            bytes: report.plan.bytes,
            deleted_packs: report.deleted_packs,
            erased: report.erased,
            kept: report.kept.iter().map(|one| one.name.as_str()).collect(),
            kept_unknown: report.kept_unknown,
        };
        let body = serde_json::to_vec(&erasure).map_err(|error| {
            Error::with_source(ErrorKind::Internal, "write the note of an erasure", error)
        })?;
        self.add_note(TOPIC, &body).await
    }
}

impl EraseReport {
    fn add(&mut self, done: &CollectReport) {
        self.deleted_packs += done.deleted_packs;
        self.deleted_bytes += done.deleted_bytes;
        self.copied_bytes += done.copied_bytes;
        self.undeletable = done.undeletable;
        self.ended
            .extend(done.ended.iter().map(ToString::to_string));
        self.waiting_for = done.waiting_for.iter().map(open_backup).collect();
    }
}

/// Removes a file; returns how many there were.
async fn remove_file(path: std::path::PathBuf) -> Result<u64> {
    let work = move || match std::fs::remove_file(&path) {
        Ok(()) => Ok(1),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error).doing(|| format!("remove {}", path.display())),
    };
    crate::blocking::in_background(work).await
}

/// The names under which a person's mail stands, the address first.
fn names_of(mailbox: &str) -> Result<Vec<String>> {
    let name: MailboxName = mailbox.parse()?;
    match (name.address(), name.part()) {
        (Some(_), MailboxPart::Primary) => {}
        _ => {
            let message =
                format!("{mailbox} is no person's address: a person's mail is erased whole");
            return Err(Error::new(ErrorKind::Invalid, message));
        }
    }
    let parts = [
        MailboxPart::Primary,
        MailboxPart::Archive,
        MailboxPart::Recoverable,
        MailboxPart::ArchiveRecoverable,
    ];
    Ok(parts.map(|part| name.other(part).stored()).to_vec())
}

fn check_reasons(options: &EraseOptions, address: &str) -> Result<()> {
    let invalid = |message: &str| Err(Error::new(ErrorKind::Invalid, message));
    if options.why.trim().is_empty() || options.who.trim().is_empty() {
        return invalid("an erasure says who asks for it, and why");
    }
    if options.why.len() > MAX_TEXT_BYTES || options.who.len() > MAX_TEXT_BYTES {
        return invalid("who and why have at most 4,096 bytes each");
    }
    if mentions(&options.why, address) || mentions(&options.who, address) {
        return invalid("who and why stay in the repository: they must not say whose mail it was");
    }
    Ok(())
}

/// Whether a snapshot or a record goes with a mailbox.
fn concerns(info: &SnapshotInfo, names: &[String]) -> bool {
    if is_mailbox(&info.name) {
        return names.contains(&info.name.to_lowercase());
    }
    let about: HashSet<&str> = names.iter().map(String::as_str).collect();
    match Kind::of_name(&info.name) {
        Some(Kind::Kept(mailbox)) => about.contains(mailbox.to_lowercase().as_str()),
        Some(Kind::Hold | Kind::Release) => crate::hold::held_mailbox(info)
            .is_some_and(|mailbox| about.contains(mailbox.to_lowercase().as_str())),
        Some(Kind::Run) => {
            let value = String::from_utf8_lossy(&info.value);
            names
                .first()
                .is_some_and(|address| mentions(&value, address))
        }
        None => false,
    }
}

fn prune_options(options: &EraseOptions) -> PruneOptions {
    PruneOptions {
        // No more than has to be.
        rewrite_below_percent: 0,
        end_open_after: options.end_open_after,
        wait: options.wait,
        ..PruneOptions::default()
    }
}

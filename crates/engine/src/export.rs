//! Writes items of a snapshot as files, without any server.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fasttransfer::{Limits, read_message};
use futures::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::blocking::in_background;
use crate::catalog::shown_key;
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::list::{StoredFolder, StoredItem};
use crate::monitor::{Event, Monitor};
use crate::names::{item_name, safe_name};
use crate::path;
use crate::report::ItemFailure;
use crate::selection::Selection;
use crate::snapshot::Snapshot;
use crate::vault::Vault;

/// Items converted at the same time.
const AT_ONCE: usize = 4;

/// The largest native stream that is converted; each of those under way is held in memory.
const MAX_ITEM_BYTES: u64 = 256 << 20;

/// What an export wrote.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ExportReport {
    /// Files written.
    pub files: u64,
    /// Files that an earlier export had written already.
    pub skipped: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Items that could not be exported.
    pub failures: Vec<ItemFailure>,
    /// Items that were exported, though their stream holds parts that could not be read.
    pub incomplete: Vec<ItemFailure>,
    /// Whether it was stopped before its end; running it again continues.
    pub interrupted: bool,
}

enum Outcome {
    Written(u64),
    Incomplete(u64, ItemFailure),
    Skipped,
    Failed(ItemFailure),
}

impl Vault {
    /// Writes one file an item under `out/<mailbox>/<folder>/…`: mail as .eml, appointments as
    /// .ics, contacts as .vcf. Names are the same on every run; files that are there are left
    /// alone, so that an interrupted export continues.
    ///
    /// # Errors
    /// `NotFound` for a selection that is not in the snapshot, `NoSpace`, `Denied`.
    pub async fn export(
        &self,
        snapshot: &Snapshot,
        selection: &Selection,
        out: &Path,
        cancel: &CancellationToken,
        monitor: Arc<dyn Monitor>,
    ) -> Result<ExportReport> {
        let mut report = ExportReport::default();
        let root = out.join(safe_name(&snapshot.mailbox));
        let mut taken = HashSet::new();
        for (folder, items) in self.chosen(snapshot, selection).await? {
            let directory = directory_of(&root, &folder, &mut taken);
            create_directory(directory.clone()).await?;
            let event = Event::ItemsExpected {
                mailbox: &snapshot.mailbox,
                items: items.len() as u64,
            };
            monitor.event(event);
            let mut written = stream::iter(items)
                .map(|item| self.export_item(snapshot, &folder, item, &directory))
                .buffer_unordered(AT_ONCE);
            while let Some(outcome) = written.try_next().await? {
                report.count(outcome, snapshot, &*monitor);
                if cancel.is_cancelled() {
                    report.interrupted = true;
                    return Ok(report);
                }
            }
        }
        Ok(report)
    }

    async fn export_item(
        &self,
        snapshot: &Snapshot,
        folder: &StoredFolder,
        item: StoredItem,
        directory: &Path,
    ) -> Result<Outcome> {
        let summary = self.summary(&item.entry).await.unwrap_or_default();
        let ending = ending_of(&item.state.item_class);
        let name = item_name(&summary.subject, &shown_key(&item.key), ending);
        let path = directory.join(name);
        let failed = |reason: String| {
            Outcome::Failed(ItemFailure {
                mailbox: snapshot.mailbox.clone(),
                folder: folder.path.clone(),
                subject: summary.subject.clone(),
                item_id: item.state.item_id.clone(),
                reason,
            })
        };
        let read = match item.content() {
            Ok(content) => self.read_whole(content, MAX_ITEM_BYTES).await,
            Err(error) => Err(error),
        };
        let native = match read {
            Ok(native) => native,
            Err(error) => return Ok(failed(crate::backup::one_line(&error))),
        };
        let written = in_background(move || {
            if path.exists() {
                return Ok(Ok(Written::Before));
            }
            match convert(&native) {
                Ok((bytes, problem)) => {
                    write_whole(&path, &bytes)?;
                    Ok(Ok(Written::Now(bytes.len() as u64, problem)))
                }
                Err(error) => Ok(Err(crate::backup::one_line(&error))),
            }
        })
        .await?;
        Ok(match written {
            Ok(Written::Before) => Outcome::Skipped,
            Ok(Written::Now(bytes, None)) => Outcome::Written(bytes),
            Ok(Written::Now(bytes, Some(problem))) => match failed(problem) {
                Outcome::Failed(problem) => Outcome::Incomplete(bytes, problem),
                other => other,
            },
            Err(reason) => failed(reason),
        })
    }
}

/// What became of a file.
enum Written {
    Before,
    Now(u64, Option<String>),
}

impl ExportReport {
    fn count(&mut self, outcome: Outcome, snapshot: &Snapshot, monitor: &dyn Monitor) {
        let bytes = match outcome {
            Outcome::Written(bytes) => {
                self.files += 1;
                self.bytes += bytes;
                bytes
            }
            Outcome::Incomplete(bytes, problem) => {
                self.files += 1;
                self.bytes += bytes;
                self.incomplete.push(problem);
                bytes
            }
            Outcome::Skipped => {
                self.skipped += 1;
                0
            }
            Outcome::Failed(failure) => {
                monitor.event(Event::ItemFailed { failure: &failure });
                self.failures.push(failure);
                return;
            }
        };
        monitor.event(Event::Transferred {
            mailbox: &snapshot.mailbox,
            items: 1,
            bytes,
        });
    }
}

/// An item's MIME (or iCalendar, or vCard) form, from its native stream.
///
/// # Errors
/// `Corrupt` if the stream cannot be read at all.
pub fn to_file_bytes(native: &[u8]) -> Result<Vec<u8>> {
    convert(native).map(|(bytes, _)| bytes)
}

/// The same, with what of the stream could not be read.
fn convert(native: &[u8]) -> Result<(Vec<u8>, Option<String>)> {
    let parsed = read_message(native, &Limits::default()).map_err(|error| {
        Error::with_source(
            ErrorKind::Corrupt,
            "the item's native stream cannot be read",
            error,
        )
    })?;
    let problem = parsed.problems.first().map(ToString::to_string);
    Ok((fasttransfer::to_mime(&parsed.message), problem))
}

/// The ending of the file an item of a class becomes.
pub fn ending_of(item_class: &str) -> &'static str {
    let class = item_class.to_ascii_lowercase();
    if class.starts_with("ipm.appointment") {
        "ics"
    } else if class.starts_with("ipm.contact") {
        "vcf"
    } else {
        "eml"
    }
}

/// The directory of a folder; two folders whose names differ only in what a file system cannot
/// hold, or in case, get one each.
fn directory_of(root: &Path, folder: &StoredFolder, taken: &mut HashSet<String>) -> PathBuf {
    let mut directory = root.to_path_buf();
    for name in path::names(&folder.path) {
        // A slash that belongs to the name gets one that only looks like it.
        directory.push(safe_name(&name.replace('/', "\u{2215}")));
    }
    let mut distinct = directory.clone();
    let mut number = 2;
    while !taken.insert(distinct.to_string_lossy().to_lowercase()) {
        let name = directory
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        distinct = directory.with_file_name(format!("{name} ({number})"));
        number += 1;
    }
    distinct
}

async fn create_directory(directory: PathBuf) -> Result<()> {
    in_background(move || {
        std::fs::create_dir_all(&directory)
            .doing(|| format!("create the folder {}", directory.display()))
    })
    .await
}

/// Writes a file that is either whole or not there.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut partial = path.to_path_buf();
    partial.as_mut_os_string().push(".part");
    std::fs::write(&partial, bytes)
        .and_then(|()| std::fs::rename(&partial, path))
        .doing(|| format!("write {}", path.display()))
}

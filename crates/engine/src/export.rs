//! Writes items of a snapshot as files, without any server.

mod digest;
mod format;
mod layout;
mod ledger;
mod mbox;
mod page;
mod record;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use futures::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use self::format::{Converted, convert, write_whole};
use self::layout::{Layout, MBOX_FILE};
use self::ledger::{Head, Ledger};
use self::record::{Record, Subject};
use crate::blocking::in_background;
use crate::catalog::shown_key;
use crate::error::{Doing, Result};
use crate::list::{StoredFolder, StoredItem};
use crate::monitor::{Event, Monitor};
use crate::names::{item_name, safe_name};
use crate::report::ItemFailure;
use crate::selection::Selection;
use crate::snapshot::Snapshot;
use crate::vault::Vault;

pub use self::format::{ExportFormat, ending_of, to_file_bytes};

/// Items converted at the same time.
const AT_ONCE: usize = 4;

/// The largest native stream that is converted; each of those under way is held in memory.
const MAX_ITEM_BYTES: u64 = 256 << 20;

/// What is exported, and as what.
#[derive(Clone, Debug, Default)]
pub struct ExportOptions {
    /// Which items.
    pub selection: Selection,
    /// What files they become.
    pub format: ExportFormat,
}

/// What an export wrote.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ExportReport {
    /// Items written: files, or mails in files of several.
    pub files: u64,
    /// Items that an earlier export had written already.
    pub skipped: u64,
    /// Chosen items that the format is not for, such as mail in an export of contacts.
    pub others: u64,
    /// Bytes of the items written.
    pub bytes: u64,
    /// Items that could not be exported.
    pub failures: Vec<ItemFailure>,
    /// Items that were exported, though their stream holds parts that could not be read.
    pub incomplete: Vec<ItemFailure>,
    /// Whether it was stopped before its end; running it again continues.
    pub interrupted: bool,
}

impl Vault {
    /// Writes items under `out/<mailbox>/<folder>/…` in one of the forms of [`ExportFormat`],
    /// with a manifest of all files (`manifest.json`, `SHA256SUMS`) and a page to look at
    /// (`index.html`) in `out/<mailbox>`.
    ///
    /// Names are safe on Windows and Linux and the same on every run. What an earlier run wrote is
    /// left alone, also when it was interrupted; items that have changed since are written again.
    ///
    /// # Errors
    /// `NotFound` for a selection that is not in the snapshot, `Conflict` if there is an export in
    /// another form or of another mailbox, `NoSpace`, `Denied`, `Sealed` for a vault that a writer's
    /// key opened.
    pub async fn export(
        &self,
        snapshot: &Snapshot,
        options: &ExportOptions,
        out: &Path,
        cancel: &CancellationToken,
        monitor: Arc<dyn Monitor>,
    ) -> Result<ExportReport> {
        self.refuse_writer("an export")?;
        let layout = Layout::of(&self.stored_folders(snapshot).await?);
        let chosen = self.chosen(snapshot, &options.selection).await?;
        let root = out.join(safe_name(&snapshot.mailbox));
        let head = Head {
            mailbox: snapshot.mailbox.clone(),
            format: options.format,
            snapshot: snapshot.id.clone(),
            snapshot_time: record::time(snapshot.time_unix_ms).unwrap_or_default(),
        };
        let place = root.clone();
        let ledger = in_background(move || Ledger::open(&place, head)).await?;
        let run = Run {
            vault: self,
            snapshot,
            format: options.format,
            root,
            ledger: Arc::new(Mutex::new(ledger)),
            cancel,
            monitor: &*monitor,
        };
        let mut report = ExportReport::default();
        for (folder, mut items) in chosen {
            let before = items.len();
            items.retain(|item| options.format.takes(&item.state.item_class));
            report.others += (before - items.len()) as u64;
            let expected = items.len() as u64;
            monitor.event(Event::ItemsExpected {
                mailbox: &snapshot.mailbox,
                items: expected,
            });
            if items.is_empty() {
                continue;
            }
            let directory = layout.directory(folder.key);
            run.folder(&folder, items, &directory, &mut report).await?;
            if report.interrupted {
                return Ok(report);
            }
        }
        run.finish(&report).await?;
        Ok(report)
    }
}

/// One export of one mailbox.
struct Run<'a> {
    vault: &'a Vault,
    snapshot: &'a Snapshot,
    format: ExportFormat,
    /// The mailbox's directory.
    root: PathBuf,
    ledger: Arc<Mutex<Ledger>>,
    cancel: &'a CancellationToken,
    monitor: &'a dyn Monitor,
}

/// An item on its way into a file.
struct Written {
    record: Record,
    /// What goes to the end of a file of several.
    entry: Option<(Vec<u8>, usize)>,
}

impl Run<'_> {
    async fn folder(
        &self,
        folder: &StoredFolder,
        items: Vec<StoredItem>,
        directory: &str,
        report: &mut ExportReport,
    ) -> Result<()> {
        let (items, mut end) = self.missing(folder, items, directory, report);
        self.create(directory).await?;
        let mailbox = self.snapshot.mailbox.as_str();
        self.monitor.event(Event::Transferred {
            mailbox,
            items: report.skipped,
            bytes: 0,
        });
        let mut written = stream::iter(items)
            .map(|item| self.item(folder, item, directory))
            .buffered(AT_ONCE);
        while let Some(outcome) = written.try_next().await? {
            match outcome {
                Ok(written) => {
                    let bytes = written.record.bytes;
                    if written.record.problem.is_some() {
                        report.incomplete.push(self.problem(&written.record));
                    }
                    end = self.settle(written, end).await?;
                    report.files += 1;
                    report.bytes += bytes;
                    self.monitor.event(Event::Transferred {
                        mailbox,
                        items: 1,
                        bytes,
                    });
                }
                Err(failure) => {
                    self.monitor.event(Event::ItemFailed { failure: &failure });
                    report.failures.push(failure);
                }
            }
            if self.cancel.is_cancelled() {
                report.interrupted = true;
                break;
            }
        }
        Ok(())
    }

    /// The items that have to be written, and where in a file of several they go.
    fn missing(
        &self,
        folder: &StoredFolder,
        mut items: Vec<StoredItem>,
        directory: &str,
        report: &mut ExportReport,
    ) -> (Vec<StoredItem>, u64) {
        let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        let mut end = 0;
        if self.format == ExportFormat::Mbox {
            // Nothing can be taken out of an mbox file: if a mail in it is out of date, all of
            // them are written again.
            let anew = items.iter().any(|item| {
                let old = ledger.old(&folder.path, &shown_key(&item.key));
                old.is_some_and(|old| !old.is_of(item))
            });
            end = ledger.end_of(&join(directory, MBOX_FILE), anew);
        }
        let before = items.len();
        items.retain(|item| {
            let old = ledger.old(&folder.path, &shown_key(&item.key));
            old.is_none_or(|old| !old.is_of(item))
        });
        report.skipped += (before - items.len()) as u64;
        (items, end)
    }

    async fn create(&self, directory: &str) -> Result<()> {
        let directory = self.root.join(directory);
        let is_maildir = self.format == ExportFormat::Maildir;
        in_background(move || {
            let inner: &[&str] = if is_maildir { &mbox::MAILDIR } else { &[""] };
            inner.iter().try_for_each(|inner| {
                let directory = directory.join(inner);
                std::fs::create_dir_all(&directory)
                    .doing(|| format!("create the folder {}", directory.display()))
            })
        })
        .await
    }

    /// Reads and converts an item, and writes it if it gets a file of its own.
    async fn item(
        &self,
        folder: &StoredFolder,
        item: StoredItem,
        directory: &str,
    ) -> Result<Result<Written, ItemFailure>> {
        let summary = self.vault.summary(&item.entry).await.unwrap_or_default();
        let subject = Subject {
            folder: folder.path.clone(),
            key: shown_key(&item.key),
            state: item.state.clone(),
            summary,
        };
        let mailbox = self.snapshot.mailbox.clone();
        let read = match item.content() {
            Ok(content) => self.vault.read_whole(content, MAX_ITEM_BYTES).await,
            Err(error) => Err(error),
        };
        let native = match read {
            Ok(native) => native,
            Err(error) => return Ok(Err(subject.failure(mailbox, &error))),
        };
        let (format, root, directory) = (self.format, self.root.clone(), directory.to_owned());
        let old = {
            let ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
            ledger
                .old(&subject.folder, &subject.key)
                .map(|record| record.file.clone())
        };
        in_background(move || match convert(&native, format) {
            Ok(converted) => {
                drop(native);
                put(&subject, converted, format, &root, &directory, old).map(Ok)
            }
            Err(error) => Ok(Err(subject.failure(mailbox, &error))),
        })
        .await
    }

    /// Appends an item to its file of several, and notes that it is written. Returns where the
    /// next one goes.
    async fn settle(&self, written: Written, end: u64) -> Result<u64> {
        let ledger = Arc::clone(&self.ledger);
        let root = self.root.clone();
        in_background(move || {
            let Written { mut record, entry } = written;
            let mut end = end;
            if let Some((entry, start)) = entry {
                let path = root.join(&record.file);
                mbox::put_entry(&path, end, &entry)
                    .doing(|| format!("write {}", path.display()))?;
                record.offset = Some(end + start as u64);
                end += entry.len() as u64;
            }
            ledger
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .add(record)?;
            Ok(end)
        })
        .await
    }

    /// An item whose file lacks what could not be read.
    fn problem(&self, record: &Record) -> ItemFailure {
        ItemFailure {
            mailbox: self.snapshot.mailbox.clone(),
            folder: record.folder.clone(),
            subject: record.subject.clone(),
            item_id: record.key.clone(),
            reason: record.problem.clone().unwrap_or_default(),
        }
    }

    async fn finish(self, report: &ExportReport) -> Result<()> {
        let (ledger, failures) = (self.ledger, report.failures.clone());
        in_background(move || {
            let mut ledger = ledger.lock().unwrap_or_else(PoisonError::into_inner);
            ledger.finish(&failures)
        })
        .await
    }
}

/// Writes a converted item into its own file, or prepares it for one of several.
fn put(
    subject: &Subject,
    converted: Converted,
    format: ExportFormat,
    root: &Path,
    directory: &str,
    old: Option<String>,
) -> Result<Written> {
    let Converted {
        bytes,
        problem,
        flags,
        sender,
    } = converted;
    if format == ExportFormat::Mbox {
        let (entry, start) = mbox::mbox_entry(&bytes, &sender, subject.seconds());
        let stored = entry.get(start..entry.len() - 1).unwrap_or_default();
        let record = subject.record(join(directory, MBOX_FILE), stored, problem);
        return Ok(Written {
            record,
            entry: Some((entry, start)),
        });
    }
    let name = if format == ExportFormat::Maildir {
        mbox::maildir_name(
            &subject.key,
            subject.seconds(),
            subject.state.is_read,
            flags,
        )
    } else {
        let ending = format.ending(&subject.state.item_class);
        item_name(&subject.summary.subject, &subject.key, ending)
    };
    let file = join(directory, &name);
    let path = root.join(&file);
    let written = if format == ExportFormat::Maildir {
        let partial = root.join(join(directory, &format!("tmp/{}", subject.key)));
        std::fs::write(&partial, &bytes).and_then(|()| std::fs::rename(&partial, &path))
    } else {
        write_whole(&path, &bytes)
    };
    written.doing(|| format!("write {}", path.display()))?;
    // The same item in an older state, whose name was another.
    if let Some(old) = old.filter(|old| *old != file) {
        let old = root.join(old);
        std::fs::remove_file(&old).doing(|| format!("remove {}", old.display()))?;
    }
    Ok(Written {
        record: subject.record(file, &bytes, problem),
        entry: None,
    })
}

fn join(directory: &str, name: &str) -> String {
    match directory {
        "" => name.to_owned(),
        directory => format!("{directory}/{name}"),
    }
}

/// Makes a file of every kind of an item.
#[cfg(postkeep_fuzz)]
pub(crate) fn convert_all(item: &[u8]) {
    use ExportFormat::{Eml, Json, Maildir, Msg};
    for format in [Eml, Maildir, Json, Msg] {
        drop(format::convert(item, format));
    }
}

/// Reads bytes as the manifest and the journal of an export in a folder.
#[cfg(postkeep_fuzz)]
pub(crate) fn read_left_behind(data: &[u8], folder: &Path) {
    let head = Head {
        mailbox: "a".into(),
        format: ExportFormat::Eml,
        snapshot: "s".into(),
        snapshot_time: String::new(),
    };
    let (manifest, journal) = ledger::names();
    let written = std::fs::write(folder.join(manifest), data).is_ok();
    if !written || Ledger::open(folder, head.clone()).is_err() {
        drop(std::fs::remove_file(folder.join(manifest)));
    }
    drop(std::fs::write(folder.join(journal), data));
    drop(Ledger::open(folder, head));
}

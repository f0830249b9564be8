//! What an export has written so far: a journal while it runs, a manifest when it is done. Both
//! are read again, so that the next run writes only what is missing.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::digest::{sha256, sha256_of_file};
use super::format::{ExportFormat, write_whole};
use super::layout::{MANIFEST, PAGE, SUMS};
use super::page;
use super::record::Record;
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::report::ItemFailure;

/// The journal of an export that has not ended.
const JOURNAL: &str = ".postkeep-export.jsonl";

/// What an export is of; the first line of its journal, and the head of its manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    pub(super) mailbox: String,
    pub(super) format: ExportFormat,
    /// The snapshot the last run read.
    pub(super) snapshot: String,
    /// When it was made, in UTC.
    pub(super) snapshot_time: String,
}

/// The manifest, as programs read it.
#[derive(Serialize, Deserialize)]
struct Manifest {
    postkeep_export: u32,
    #[serde(flatten)]
    head: Head,
    items: u64,
    files: u64,
    bytes: u64,
    #[serde(default, skip_deserializing)]
    failures: Vec<ItemFailure>,
    entries: Vec<Record>,
}

/// The version of the manifest's form.
const VERSION: u32 = 1;

/// Records of all that is there, by folder and key.
pub(super) struct Ledger {
    root: PathBuf,
    head: Head,
    records: HashMap<(String, String), Record>,
    journal: File,
}

impl Ledger {
    /// Reads what an earlier run left in a directory, forgets what is no longer there, and begins
    /// or continues the journal.
    ///
    /// # Errors
    /// `Conflict` if the directory holds an export of another mailbox, or in another form.
    pub(super) fn open(root: &Path, head: Head) -> Result<Self> {
        std::fs::create_dir_all(root).doing(|| format!("create the folder {}", root.display()))?;
        let mut records = HashMap::new();
        if let Some(bytes) = read(&root.join(MANIFEST))? {
            let manifest: Manifest = serde_json::from_slice(&bytes).map_err(|error| {
                let message = format!(
                    "{} is not of an export: choose another folder",
                    root.join(MANIFEST).display()
                );
                Error::with_source(ErrorKind::Conflict, message, error)
            })?;
            head.check(&manifest.head, root)?;
            keep(&mut records, manifest.entries);
        }
        let journal = root.join(JOURNAL);
        let old = read(&journal)?.unwrap_or_default();
        let mut lines = old.split(|byte| *byte == b'\n');
        if let Some(first) = lines.next()
            && let Ok(old) = serde_json::from_slice::<Head>(first)
        {
            head.check(&old, root)?;
            // A line that was cut off in the middle is not a record.
            keep(
                &mut records,
                lines.filter_map(|line| serde_json::from_slice(line).ok()),
            );
        }
        forget_lost(root, &mut records);
        let journal =
            begin(&journal, &head, &records).doing(|| format!("write {}", journal.display()))?;
        Ok(Self {
            root: root.to_path_buf(),
            head,
            records,
            journal,
        })
    }

    /// What was written of an item before, perhaps of an older state.
    pub(super) fn old(&self, folder: &str, key: &str) -> Option<&Record> {
        self.records.get(&(folder.to_owned(), key.to_owned()))
    }

    /// Where the next item goes in a file of several, and forgets all items of a file that has to
    /// be written anew.
    pub(super) fn end_of(&mut self, file: &str, anew: bool) -> u64 {
        if anew {
            self.records.retain(|_, record| record.file != file);
        }
        let ends = self
            .records
            .values()
            .filter(|record| record.file == file)
            .map(end);
        ends.max().unwrap_or(0)
    }

    /// Notes an item that has been written.
    pub(super) fn add(&mut self, record: Record) -> Result<()> {
        line(&record)
            .and_then(|line| self.journal.write_all(&line))
            .doing(|| format!("write {}", self.root.join(JOURNAL).display()))?;
        keep(&mut self.records, [record]);
        Ok(())
    }

    /// Writes the manifest, the page and the sums in place of the journal.
    pub(super) fn finish(&mut self, failures: &[ItemFailure]) -> Result<()> {
        let (root, head) = (&self.root, &self.head);
        let mut entries: Vec<Record> = std::mem::take(&mut self.records).into_values().collect();
        entries.sort_by(|a, b| (&a.file, a.offset).cmp(&(&b.file, b.offset)));
        let write = |name: &str, bytes: &[u8]| {
            let path = root.join(name);
            write_whole(&path, bytes).doing(|| format!("write {}", path.display()))
        };
        let mut sums = sums(root, &entries)?;
        let files = sums.len() as u64;
        let page = page::page(head, &entries, failures);
        write(PAGE, page.as_bytes())?;
        sums.insert(PAGE.to_owned(), sha256(page.as_bytes()));
        let manifest = Manifest {
            postkeep_export: VERSION,
            head: head.clone(),
            items: entries.len() as u64,
            files,
            bytes: entries.iter().map(|entry| entry.bytes).sum(),
            failures: failures.to_vec(),
            entries,
        };
        let manifest = serde_json::to_vec_pretty(&manifest).map_err(|error| {
            Error::with_source(ErrorKind::Internal, "write the manifest", error)
        })?;
        write(MANIFEST, &manifest)?;
        sums.insert(MANIFEST.to_owned(), sha256(&manifest));
        let sums: String = sums
            .iter()
            .map(|(file, sum)| format!("{sum}  {file}\n"))
            .collect();
        write(SUMS, sums.as_bytes())?;
        let journal = root.join(JOURNAL);
        std::fs::remove_file(&journal).doing(|| format!("remove {}", journal.display()))
    }
}

impl Head {
    fn check(&self, old: &Self, root: &Path) -> Result<()> {
        let place = root.display();
        let message = if old.format != self.format {
            format!(
                "{place} holds an export as {}: choose another folder",
                old.format.name()
            )
        } else if old.mailbox != self.mailbox {
            format!(
                "{place} holds an export of {}: choose another folder",
                old.mailbox
            )
        } else {
            return Ok(());
        };
        Err(Error::new(ErrorKind::Conflict, message))
    }
}

fn keep(records: &mut HashMap<(String, String), Record>, new: impl IntoIterator<Item = Record>) {
    for record in new {
        records.insert((record.folder.clone(), record.key.clone()), record);
    }
}

/// Where an item ends in a file of several, the empty line behind it included.
fn end(record: &Record) -> u64 {
    record.offset.map_or(record.bytes, |offset| {
        offset.saturating_add(record.bytes).saturating_add(1)
    })
}

/// Forgets items whose files are gone or have another length, and all items of a file of several
/// that has become too short.
fn forget_lost(root: &Path, records: &mut HashMap<(String, String), Record>) {
    let lost: HashSet<String> = records
        .values()
        .filter(|record| {
            let length = match is_below(&record.file) {
                true => std::fs::metadata(root.join(&record.file))
                    .map(|file| file.len())
                    .ok(),
                false => None,
            };
            match record.offset {
                None => length != Some(record.bytes),
                Some(_) => length.is_none_or(|length| length < end(record)),
            }
        })
        .map(|record| record.file.clone())
        .collect();
    records.retain(|_, record| !lost.contains(&record.file));
}

/// Whether a path leads nowhere but down: a manifest could have been changed by anyone.
fn is_below(file: &str) -> bool {
    Path::new(file)
        .components()
        .all(|part| matches!(part, std::path::Component::Normal(_)))
}

/// Begins the journal anew with all that is known.
fn begin(
    path: &Path,
    head: &Head,
    records: &HashMap<(String, String), Record>,
) -> std::io::Result<File> {
    let mut bytes = line(head)?;
    for record in records.values() {
        bytes.extend(line(record)?);
    }
    write_whole(path, &bytes)?;
    File::options().append(true).open(path)
}

fn line(value: &impl Serialize) -> std::io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    Ok(line)
}

fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).doing(|| format!("read {}", path.display())),
    }
}

/// The digest of every file; those of several items are read for it.
fn sums(root: &Path, entries: &[Record]) -> Result<BTreeMap<String, String>> {
    let mut sums = BTreeMap::new();
    for entry in entries {
        if entry.offset.is_none() {
            sums.insert(entry.file.clone(), entry.sha256.clone());
        } else if !sums.contains_key(&entry.file) {
            let path = root.join(&entry.file);
            let sum = sha256_of_file(&path).doing(|| format!("read {}", path.display()))?;
            sums.insert(entry.file.clone(), sum);
        }
    }
    Ok(sums)
}

/// The names of the manifest and the journal.
#[cfg(postkeep_fuzz)]
pub(super) fn names() -> (&'static str, &'static str) {
    (MANIFEST, JOURNAL)
}

//! Opening a file of unknown state: a good one is used, a bad one is set aside.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use redb::{Builder, Database, Durability, ReadableDatabase, ReadableTableMetadata};

use crate::error::{Error, ErrorKind, Fault};
use crate::index::{MailIndex, commit};
use crate::index_file::IndexFile;
use crate::schema::{
    FOLDERS, FORMAT, ITEMS, KEY_FORMAT, KEY_IDENTITY, KEY_REBUILDING, MAX_NAME_BYTES, META,
    SNAPSHOTS, STAGED, TOTALS, VERSIONS, clear_contents, clear_staged, create_tables,
};

/// Page cache of one open file. A run has up to four mailboxes open and reads each mostly in key
/// order; redb's default is 1 GiB a file.
const CACHE_BYTES: usize = 4 * 1024 * 1024;

/// What an index belongs to; a file of another identity is replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The repository's id.
    pub repository: [u8; 16],
    /// The mailbox, in the form the caller always uses; at most 4096 bytes.
    pub mailbox: String,
}

/// What [`MailIndex::open`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opened {
    /// A good file.
    Existing,
    /// No file; an empty index was created.
    Created,
    /// A file that could not be used. It was renamed to `<file>.damaged`, replacing an earlier one
    /// of that name, and an empty index was created.
    Replaced {
        /// What was wrong with the file, for people.
        reason: String,
    },
}

impl MailIndex {
    /// Opens the index at `path`, creating it and its folder where needed.
    ///
    /// The whole file is read and checked against its checksums, so that damage shows here and not
    /// in the middle of a run. A file that is damaged, of another format or of another identity is
    /// set aside and replaced by an empty one. What an earlier process staged, or had rebuilt half,
    /// is discarded. A file `<file>.lock` beside it stays; it holds nothing.
    ///
    /// # Errors
    ///
    /// `Busy` if the file is open in this or another process; `Invalid` for a mailbox name that is
    /// too long; `Denied`, `NoSpace` and `Unavailable` from the operating system, in which case the
    /// file is left as it was.
    pub fn open(path: impl AsRef<Path>, identity: &Identity) -> Result<(Self, Opened), Error> {
        let path = path.as_ref();
        let fail = |fault| Error::new("open", path, fault);
        let ((database, file), opened) = open_or_replace(path, identity).map_err(fail)?;
        Ok((Self::new(database, file, path), opened))
    }
}

/// A database and the file it is in.
type Stored = (Database, IndexFile);

fn open_or_replace(path: &Path, identity: &Identity) -> Result<(Stored, Opened), Fault> {
    if identity.mailbox.len() > MAX_NAME_BYTES {
        return Err(Fault::Invalid(format!(
            "a mailbox name has at most {MAX_NAME_BYTES} bytes"
        )));
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(Fault::File)?;
    }
    let _lock = lock_opening(path)?;
    let reason = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok((create(path, identity)?, Opened::Created));
        }
        Err(error) => return Err(Fault::File(error)),
        Ok(found) if found.is_dir() => {
            return Err(Fault::Invalid("it is a folder".to_owned()));
        }
        // redb would take an empty file for a new one.
        Ok(found) if found.len() == 0 => "the file is empty".to_owned(),
        Ok(_) => match open_existing(path, identity)? {
            Verdict::Good(stored) => return Ok((stored, Opened::Existing)),
            Verdict::Bad(reason) => reason,
        },
    };
    fs::rename(path, with_suffix(path, ".damaged")).map_err(Fault::File)?;
    Ok((create(path, identity)?, Opened::Replaced { reason }))
}

/// Keeps a second opener out between judging a file and replacing it, when redb's own lock is on a
/// file that no longer has the name.
fn lock_opening(path: &Path) -> Result<File, Fault> {
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(with_suffix(path, ".lock"))
        .map_err(Fault::File)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Fault::Busy),
        // Some network file systems cannot lock; there redb's lock cannot work either.
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => Ok(file),
        Err(TryLockError::Error(error)) => Err(Fault::File(error)),
    }
}

enum Verdict {
    Good(Stored),
    Bad(String),
}

fn open_existing(path: &Path, identity: &Identity) -> Result<Verdict, Fault> {
    // redb documents that it may panic on a file that something else altered; its integrity check
    // finds most alterations first. What still panics is damage like any other.
    let opened = catch_unwind(AssertUnwindSafe(|| open_sound(path, identity)));
    match opened {
        Ok(Ok(verdict)) => Ok(verdict),
        Ok(Err(fault)) if fault.kind() == ErrorKind::Corrupt => Ok(Verdict::Bad(fault.to_string())),
        Ok(Err(fault)) => Err(fault),
        Err(_) => Ok(Verdict::Bad("the file's structure is damaged".to_owned())),
    }
}

fn open_sound(path: &Path, identity: &Identity) -> Result<Verdict, Fault> {
    let mut builder = builder();
    builder.set_check_integrity_on_open(true);
    let (database, file) = stored(path, &builder)?;
    if let Some(reason) = refusal(&database, identity)? {
        return Ok(Verdict::Bad(reason));
    }
    tidy(&database)?;
    Ok(Verdict::Good((database, file)))
}

/// Says why a sound redb file is not this mailbox's index.
fn refusal(database: &Database, identity: &Identity) -> Result<Option<String>, Fault> {
    let txn = database.begin_read()?;
    let meta = txn.open_table(META)?;
    let format = meta.get(KEY_FORMAT)?.map(|value| value.value().to_vec());
    let reason = match format.as_deref().map(<[u8; 4]>::try_from) {
        Some(Ok(bytes)) if u32::from_le_bytes(bytes) == FORMAT => {
            let found = meta.get(KEY_IDENTITY)?;
            let same = found.is_some_and(|found| found.value() == identity_bytes(identity));
            (!same).then(|| "it belongs to another repository or mailbox".to_owned())
        }
        Some(Ok(bytes)) => {
            let found = u32::from_le_bytes(bytes);
            Some(format!(
                "it has format {found}, this program writes format {FORMAT}"
            ))
        }
        _ => Some("it is not a mailbox index".to_owned()),
    };
    Ok(reason)
}

/// Removes what an earlier process left unfinished; writes nothing if there is nothing.
fn tidy(database: &Database) -> Result<(), Fault> {
    let (rebuilding, staged) = unfinished(database)?;
    if !rebuilding && !staged {
        return Ok(());
    }
    commit(database, Durability::Immediate, |txn| {
        if rebuilding {
            clear_contents(txn)
        } else {
            clear_staged(txn)
        }
    })
}

/// Says whether there is half a rebuild, and whether there are staged changes; a missing table or
/// one of another type is damage.
fn unfinished(database: &Database) -> Result<(bool, bool), Fault> {
    let txn = database.begin_read()?;
    txn.open_table(FOLDERS)?;
    txn.open_table(ITEMS)?;
    txn.open_table(TOTALS)?;
    txn.open_table(VERSIONS)?;
    txn.open_table(SNAPSHOTS)?;
    let rebuilding = txn.open_table(META)?.get(KEY_REBUILDING)?.is_some();
    let staged = !txn.open_table(STAGED)?.is_empty()?;
    Ok((rebuilding, staged))
}

fn create(path: &Path, identity: &Identity) -> Result<Stored, Fault> {
    let (database, file) = stored(path, &builder())?;
    commit(&database, Durability::Immediate, |txn| {
        create_tables(txn)?;
        let mut meta = txn.open_table(META)?;
        meta.insert(KEY_FORMAT, FORMAT.to_le_bytes().as_slice())?;
        meta.insert(KEY_IDENTITY, identity_bytes(identity).as_slice())?;
        Ok(())
    })?;
    Ok((database, file))
}

/// A missing file becomes an empty database.
fn stored(path: &Path, builder: &Builder) -> Result<Stored, Fault> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    let file = IndexFile::new(options.open(path).map_err(Fault::File)?)?;
    let database = builder.create_with_backend(file.clone())?;
    Ok((database, file))
}

fn builder() -> Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES);
    builder
}

fn identity_bytes(identity: &Identity) -> Vec<u8> {
    [&identity.repository[..], identity.mailbox.as_bytes()].concat()
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}

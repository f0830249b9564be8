//! What the daemon remembers, in one small file that is replaced as a whole.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use engine::{Error, ErrorKind, Result};

use crate::plan::State;
use crate::secret::io_error;

/// The file's name in the folder for states.
const FILE: &str = "daemon.json";
/// A file that is longer is none of ours.
const MAX_BYTES: u64 = 64 << 20;

/// The file. One daemon at a time holds it.
#[derive(Debug)]
pub struct Memory {
    file: PathBuf,
    /// Locked while a daemon runs; the system unlocks it when the process ends in any way.
    _lock: Option<std::fs::File>,
    /// What the file holds, as far as this process wrote it.
    saved: Mutex<Option<State>>,
}

impl Memory {
    /// The memory in a folder, for looking into.
    pub fn at(folder: &Path) -> Self {
        Self {
            file: folder.join(FILE),
            _lock: None,
            saved: Mutex::new(None),
        }
    }

    /// The memory in a folder, which is created if need be, for a daemon.
    ///
    /// # Errors
    /// `Busy` if another daemon holds it, `Denied`, `NoSpace`.
    pub fn hold(folder: &Path) -> Result<Self> {
        let what = format!("open the daemon's memory in {}", folder.display());
        std::fs::create_dir_all(folder).map_err(|error| io_error(&what, error))?;
        let lock = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(folder.join("daemon.lock"))
            .map_err(|error| io_error(&what, error))?;
        lock.try_lock().map_err(|error| match error {
            std::fs::TryLockError::WouldBlock => {
                Error::new(ErrorKind::Busy, "another daemon holds it").context(&what)
            }
            std::fs::TryLockError::Error(error) => io_error(&what, error),
        })?;
        Ok(Self {
            _lock: Some(lock),
            ..Self::at(folder)
        })
    }

    /// Reads what is remembered; nothing if there is no file yet.
    ///
    /// # Errors
    /// `Corrupt` if the file cannot be understood: to forget what was missed is for people to
    /// decide, by deleting it.
    pub fn load(&self) -> Result<State> {
        let what = format!("read {}", self.file.display());
        let length = match std::fs::metadata(&self.file) {
            Ok(meta) => meta.len(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(State::default());
            }
            Err(error) => return Err(io_error(&what, error)),
        };
        if length > MAX_BYTES {
            return Err(Error::new(ErrorKind::Corrupt, "it is too large").context(what));
        }
        let text = std::fs::read(&self.file).map_err(|error| io_error(&what, error))?;
        serde_json::from_slice(&text)
            .map_err(|error| Error::with_source(ErrorKind::Corrupt, what, error))
    }

    /// Replaces what is remembered, if it differs.
    ///
    /// # Errors
    /// From the file system.
    pub fn save(&self, state: &State) -> Result<()> {
        let mut saved = self.saved.lock().unwrap_or_else(PoisonError::into_inner);
        if saved.as_ref() == Some(state) {
            return Ok(());
        }
        let what = format!("write {}", self.file.display());
        let text = serde_json::to_vec_pretty(state)
            .map_err(|error| Error::with_source(ErrorKind::Internal, &what, error))?;
        let next = self.file.with_extension("json.new");
        let write = || {
            let mut file = std::fs::File::create(&next)?;
            file.write_all(&text)?;
            file.sync_all()?;
            std::fs::rename(&next, &self.file)
        };
        write().map_err(|error| io_error(&what, error))?;
        *saved = Some(state.clone());
        Ok(())
    }
}

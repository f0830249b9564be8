//! The file under an index: forced to the disk once a snapshot is published, and not otherwise.
//!
//! redb synchronises a file about ten times for each time that it is opened, written to and closed,
//! which cost half of the processor time of a mailbox without changes. An index is a cache of what
//! the repository holds and its checksums are verified whenever it is opened: a machine that loses
//! its power between two writes costs a rebuild, never a wrong answer. The end of a process, even by
//! a signal, loses nothing.

use std::fs::File;
use std::io;
use std::ops::Bound;
use std::sync::Arc;

use redb::backends::FileBackend;
use redb::{BackendError, DatabaseError, StorageBackend};

/// What redb reads and writes.
#[derive(Clone, Debug)]
pub(crate) struct IndexFile(Arc<FileBackend>);

impl IndexFile {
    pub(crate) fn new(file: File) -> Result<Self, DatabaseError> {
        FileBackend::new(file).map(|file| Self(Arc::new(file)))
    }

    /// Waits until everything written so far is on the disk.
    pub(crate) fn force(&self) -> io::Result<()> {
        self.0.sync_data()
    }
}

impl StorageBackend for IndexFile {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.0.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.try_lock_range(start, end)
    }

    fn try_lock_shared_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> Result<bool, BackendError> {
        self.0.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.query_lock_range(start, end)
    }
}

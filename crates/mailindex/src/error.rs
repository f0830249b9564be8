//! The crate's error, and the private faults it is made from.

use std::fmt;
use std::io;
use std::path::Path;

/// What a caller can do about an [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Another process, or another handle of this one, has the file open: try later.
    Busy,
    /// The operating system refuses access to the file or its folder.
    Denied,
    /// The disk or the quota is full.
    NoSpace,
    /// The disk failed in another way; the handle should be dropped and opened again.
    Unavailable,
    /// The file's contents are damaged: drop the handle, remove the file or call
    /// [`MailIndex::rebuild_start`](crate::MailIndex::rebuild_start), and fill it again.
    Corrupt,
    /// An argument or the order of calls is wrong; nothing was changed.
    Invalid,
    /// A mistake in this crate or in redb.
    Internal,
}

/// The reason why an index operation failed.
///
/// Its text names the operation and the file; the cause is in
/// [`source`](std::error::Error::source).
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    operation: &'static str,
    path: String,
    cause: Fault,
}

impl Error {
    /// Returns what the caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    pub(crate) fn new(operation: &'static str, path: &Path, cause: Fault) -> Self {
        Self(Box::new(Inner {
            kind: cause.kind(),
            operation,
            path: path.display().to_string(),
            cause,
        }))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "cannot {} mailbox index {}",
            self.0.operation, self.0.path
        )
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0.cause)
    }
}

/// What went wrong below the public surface, before operation and file are known.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error("it is open elsewhere")]
    Busy,
    // redb's errors carry no source of their own, so their text stands for the whole cause.
    #[error("{0}")]
    Database(redb::Error),
    #[error("{0}")]
    File(io::Error),
    #[error("{what} {key} is damaged: {reason}")]
    Row {
        what: &'static str,
        key: String,
        reason: &'static str,
    },
    #[error("{0}")]
    Invalid(String),
}

impl Fault {
    pub(crate) fn kind(&self) -> ErrorKind {
        match self {
            Self::Busy => ErrorKind::Busy,
            Self::Row { .. } => ErrorKind::Corrupt,
            Self::Invalid(_) => ErrorKind::Invalid,
            Self::File(error) => io_kind(error),
            Self::Database(error) => database_kind(error),
        }
    }
}

fn database_kind(error: &redb::Error) -> ErrorKind {
    match error {
        redb::Error::DatabaseAlreadyOpen | redb::Error::LockProtocolMismatch => ErrorKind::Busy,
        redb::Error::Corrupted(_)
        | redb::Error::RepairAborted
        | redb::Error::UpgradeRequired(_)
        | redb::Error::TableTypeMismatch { .. }
        | redb::Error::TableIsMultimap(_)
        | redb::Error::TableIsNotMultimap(_)
        | redb::Error::TypeDefinitionChanged { .. }
        | redb::Error::TableDoesNotExist(_) => ErrorKind::Corrupt,
        redb::Error::Io(error) => io_kind(error),
        redb::Error::PreviousIo | redb::Error::DatabaseClosed => ErrorKind::Unavailable,
        redb::Error::ValueTooLarge(_) => ErrorKind::Invalid,
        _ => ErrorKind::Internal,
    }
}

fn io_kind(error: &io::Error) -> ErrorKind {
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => ErrorKind::Denied,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            ErrorKind::NoSpace
        }
        // A file shorter than its own header says, or with a foreign one.
        io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData => ErrorKind::Corrupt,
        _ => ErrorKind::Unavailable,
    }
}

macro_rules! from_redb {
    ($($error:ident),*) => {$(
        impl From<redb::$error> for Fault {
            fn from(error: redb::$error) -> Self {
                Self::Database(error.into())
            }
        }
    )*};
}
from_redb!(
    DatabaseError,
    TransactionError,
    TableError,
    StorageError,
    CommitError,
    SetDurabilityError,
    CompactionError
);

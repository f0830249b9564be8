//! The crate's error, and the private faults it is made from.

use std::fmt;
use std::io;

/// What a caller can do about an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Another writer has the index open: try later.
    Busy,
    /// There is no index in the folder, or none that this key opens: build it.
    NotFound,
    /// The files are damaged: remove the index with [`remove_index`](crate::remove_index) and
    /// build it again.
    Corrupt,
    /// The operating system refuses access.
    Denied,
    /// The disk or the quota is full.
    NoSpace,
    /// The disk failed in another way.
    Unavailable,
    /// An argument makes no sense, such as a query with a word that is no date.
    Invalid,
    /// A limit of the index was reached, or a defect.
    Internal,
}

/// The reason why a search index could not be used.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    doing: String,
    fault: Fault,
}

/// A `Result` with the crate's error.
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Returns what the caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        self.0.fault.kind()
    }

    pub(crate) fn new(doing: impl Into<String>, fault: Fault) -> Self {
        Self(Box::new(Inner {
            doing: doing.into(),
            fault,
        }))
    }

    pub(crate) fn corrupt(what: &str, reason: &'static str) -> Self {
        Self::new(format!("read {what}"), Fault::Damaged(reason))
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new("understand the query", Fault::Invalid(message.into()))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.fault {
            Fault::Invalid(message) => f.write_str(message),
            _ => write!(f, "cannot {} of the search index", self.0.doing),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0.fault {
            Fault::Invalid(_) => None,
            fault => Some(fault),
        }
    }
}

/// What went wrong, before it is known with what.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error("another process writes it")]
    Busy,
    #[error("it is not there")]
    Missing,
    #[error("{0}")]
    Damaged(&'static str),
    #[error("{0}")]
    File(io::Error),
    #[error("{0}")]
    Invalid(String),
    #[error("{0}")]
    Limit(&'static str),
}

impl Fault {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Busy => ErrorKind::Busy,
            Self::Missing => ErrorKind::NotFound,
            Self::Damaged(_) => ErrorKind::Corrupt,
            Self::Invalid(_) => ErrorKind::Invalid,
            Self::Limit(_) => ErrorKind::Internal,
            Self::File(error) => match error.kind() {
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                    ErrorKind::Denied
                }
                io::ErrorKind::StorageFull
                | io::ErrorKind::QuotaExceeded
                | io::ErrorKind::FileTooLarge => ErrorKind::NoSpace,
                // A file that the manifest names and that is gone or short is damage.
                io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof => ErrorKind::Corrupt,
                _ => ErrorKind::Unavailable,
            },
        }
    }
}

/// Says what was being done when the file system failed.
pub(crate) trait Doing<T> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T> Doing<T> for io::Result<T> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| Error::new(what(), Fault::File(error)))
    }
}

//! The crate's one error type.

use std::error::Error as StdError;
use std::fmt;
use std::io;

/// What a caller can do about an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The passphrase opens none of the repository's key slots: ask again.
    Auth,
    /// The repository was opened with a writer's key, which does not do this: open it with a key
    /// that reads.
    Sealed,
    /// The object, snapshot, folder or repository named does not exist.
    NotFound,
    /// A repository already stands where one was to be created.
    AlreadyExists,
    /// The destination refused access: check credentials and permissions.
    Denied,
    /// Another process decided otherwise (a custodian ended this session): start again.
    Conflict,
    /// Stored bytes are damaged; the message names the object. Run a check.
    Corrupt,
    /// Written by a newer version, or the destination lacks what is needed.
    Unsupported,
    /// An argument is out of its documented range.
    Invalid,
    /// The destination is full: free space there and run again.
    NoSpace,
    /// The destination failed or could not be reached: try again later.
    Unavailable,
    /// A splitter does not reproduce its input: store the item as opaque bytes.
    SplitMismatch,
    /// A bug in this crate.
    Internal,
}

/// Why an operation on a repository failed.
///
/// [`Display`](fmt::Display) states this level only and names the object concerned; the cause, if
/// there is one, is the [`source`](StdError::source).
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// The result of this crate's operations.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Makes an error of a kind; `message` is lower case, without a full stop, and names what was touched.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        let message = message.into();
        Self(Box::new(Inner {
            kind,
            message,
            source: None,
        }))
    }

    /// Attaches the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// What the caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    pub(crate) fn corrupt(object: &str, what: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Corrupt, format!("{object} is damaged: {what}"))
    }

    /// What takes more than a writer's key.
    pub(crate) fn sealed(what: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Sealed, format!("a writer's key {what}"))
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, message)
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, message)
    }

    /// Translates an error of the destination; `operation` and `object` say what was being done.
    pub(crate) fn from_store(operation: &str, object: &str, source: object_store::Error) -> Self {
        use object_store::Error as Store;
        let (kind, what) = match &source {
            Store::NotFound { .. } => (ErrorKind::NotFound, "does not exist"),
            Store::AlreadyExists { .. } | Store::Precondition { .. } => {
                (ErrorKind::Conflict, "already exists")
            }
            Store::PermissionDenied { .. } | Store::Unauthenticated { .. } => {
                (ErrorKind::Denied, "access refused")
            }
            Store::NotSupported { .. } | Store::NotImplemented { .. } => {
                (ErrorKind::Unsupported, "not supported by the destination")
            }
            Store::InvalidPath { .. } => (ErrorKind::Invalid, "not a valid object name"),
            other => from_io(other),
        };
        Self::new(kind, format!("cannot {operation} {object}: {what}")).with_source(source)
    }
}

/// Looks for an operating system error in the chain: a full disk must not look like a network fault.
fn from_io(error: &(dyn StdError + 'static)) -> (ErrorKind, &'static str) {
    let mut next = Some(error);
    while let Some(cause) = next {
        if let Some(io) = cause.downcast_ref::<io::Error>() {
            return match io.kind() {
                io::ErrorKind::StorageFull
                | io::ErrorKind::QuotaExceeded
                | io::ErrorKind::FileTooLarge => (ErrorKind::NoSpace, "the destination is full"),
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                    (ErrorKind::Denied, "access refused")
                }
                io::ErrorKind::NotFound => (ErrorKind::NotFound, "does not exist"),
                _ => (ErrorKind::Unavailable, "the destination failed"),
            };
        }
        next = cause.source();
    }
    (ErrorKind::Unavailable, "the destination failed")
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("message", &self.0.message)
            .field("source", &self.0.source)
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0
            .source
            .as_ref()
            .map(|e| &**e as &(dyn StdError + 'static))
    }
}

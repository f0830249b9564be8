//! One opaque error for the whole engine.

use std::fmt;

/// What went wrong, from the caller's point of view.
///
/// The leaf crate's own error stays reachable through [`std::error::Error::source`].
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    message: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// A `Result` with the engine's error.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What the caller can do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The server or the repository is in use or overloaded; the same call may work later.
    Busy,
    /// A password or passphrase was not accepted.
    Auth,
    /// The account is known but lacks a right, such as impersonation.
    Denied,
    /// The repository was opened with a writer's key, and this takes one that reads.
    Sealed,
    /// A mailbox, folder, item, snapshot or repository does not exist.
    NotFound,
    /// The server or the destination cannot be reached.
    Unreachable,
    /// The address answers, but not as an Exchange Web Services server.
    NotEws,
    /// Something is there already, or somebody else ended what we had begun.
    Conflict,
    /// Stored bytes are damaged or missing.
    Corrupt,
    /// The other side cannot do what was asked.
    Unsupported,
    /// The destination is full or refuses to write.
    NoSpace,
    /// An argument makes no sense.
    Invalid,
    /// The caller asked to stop.
    Cancelled,
    /// Anything else: a local file, a broken answer, a defect.
    Internal,
}

impl Error {
    /// An error of this engine's own making.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            source: None,
        }))
    }

    /// An error that another one caused.
    pub fn with_source(
        kind: ErrorKind,
        message: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            source: Some(source.into()),
        }))
    }

    /// What the caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether stored bytes are damaged or missing.
    pub(crate) fn is_damage(&self) -> bool {
        matches!(self.0.kind, ErrorKind::Corrupt | ErrorKind::NotFound)
    }

    /// The same error, said one level higher: `context: what went wrong`.
    #[must_use]
    pub fn context(self, context: impl fmt::Display) -> Self {
        let kind = self.0.kind;
        Self::with_source(kind, context.to_string(), self)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.0.kind, self.0.message)?;
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            write!(f, ": {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0
            .source
            .as_ref()
            .map(|source| &**source as &(dyn std::error::Error + 'static))
    }
}

/// Says what was being done when a leaf crate failed.
pub(crate) trait Doing<T> {
    /// Maps the leaf's error to the engine's, keeping it as the source.
    fn doing(self, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T> Doing<T> for Result<T> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| error.context(what()))
    }
}

/// For what the store reports while it reads a stream of ours.
impl From<chunkstore::Error> for Error {
    fn from(error: chunkstore::Error) -> Self {
        match chunkstore::Result::<()>::Err(error).doing(|| "write the snapshot".into()) {
            Err(error) => error,
            Ok(()) => Error::new(ErrorKind::Internal, "write the snapshot"),
        }
    }
}

impl<T> Doing<T> for chunkstore::Result<T> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T> {
        use chunkstore::ErrorKind as Leaf;
        self.map_err(|error| {
            let kind = match error.kind() {
                Leaf::Auth => ErrorKind::Auth,
                Leaf::Sealed => ErrorKind::Sealed,
                Leaf::NotFound => ErrorKind::NotFound,
                Leaf::Conflict | Leaf::AlreadyExists => ErrorKind::Conflict,
                Leaf::Denied => ErrorKind::Denied,
                Leaf::Corrupt => ErrorKind::Corrupt,
                Leaf::Unsupported => ErrorKind::Unsupported,
                Leaf::NoSpace => ErrorKind::NoSpace,
                Leaf::Unavailable => ErrorKind::Unreachable,
                Leaf::Invalid => ErrorKind::Invalid,
                _ => ErrorKind::Internal,
            };
            Error::with_source(kind, what(), error)
        })
    }
}

impl<T> Doing<T> for Result<T, ews_client::Error> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| Error::with_source(kind_of_ews(error.kind()), what(), error))
    }
}

/// The engine's kind for one of the protocol's.
pub(crate) fn kind_of_ews(kind: ews_client::ErrorKind) -> ErrorKind {
    use ews_client::ErrorKind as Leaf;
    match kind {
        Leaf::Busy => ErrorKind::Busy,
        Leaf::Auth => ErrorKind::Auth,
        Leaf::Denied => ErrorKind::Denied,
        Leaf::NotFound => ErrorKind::NotFound,
        Leaf::Unreachable | Leaf::Timeout | Leaf::OldTls => ErrorKind::Unreachable,
        Leaf::NotEws => ErrorKind::NotEws,
        Leaf::Unsupported => ErrorKind::Unsupported,
        Leaf::Invalid => ErrorKind::Invalid,
        _ => ErrorKind::Internal,
    }
}

impl<T> Doing<T> for Result<T, mailindex::Error> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| {
            let kind = match error.kind() {
                mailindex::ErrorKind::Busy => ErrorKind::Busy,
                mailindex::ErrorKind::Corrupt => ErrorKind::Corrupt,
                _ => ErrorKind::Internal,
            };
            Error::with_source(kind, what(), error)
        })
    }
}

impl<T> Doing<T> for std::io::Result<T> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| {
            let kind = match error.kind() {
                std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                    ErrorKind::NoSpace
                }
                std::io::ErrorKind::NotFound => ErrorKind::NotFound,
                std::io::ErrorKind::PermissionDenied => ErrorKind::Denied,
                _ => ErrorKind::Internal,
            };
            Error::with_source(kind, what(), error)
        })
    }
}

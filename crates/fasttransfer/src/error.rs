//! The crate's error type.

use std::fmt;

/// What a caller can do about an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Stored bytes do not have the form this crate wrote: restore from another copy.
    Corrupt,
    /// A limit was reached; raise it if the data is trusted.
    Limit,
    /// The caller's value cannot be represented, or the calls came in the wrong order.
    Invalid,
    /// The output refused a write.
    Io,
}

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    what: String,
    source: Option<std::io::Error>,
}

impl fmt::Display for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Inner {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| source as _)
    }
}

impl Error {
    /// What kind of error this is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    pub(crate) fn corrupt(what: impl Into<String>) -> Self {
        Self::new(ErrorKind::Corrupt, what, None)
    }

    pub(crate) fn limit(what: impl Into<String>) -> Self {
        Self::new(ErrorKind::Limit, what, None)
    }

    pub(crate) fn invalid(what: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, what, None)
    }

    pub(crate) fn io(what: impl Into<String>, source: std::io::Error) -> Self {
        Self::new(ErrorKind::Io, what, Some(source))
    }

    fn new(kind: ErrorKind, what: impl Into<String>, source: Option<std::io::Error>) -> Self {
        Self(Box::new(Inner {
            kind,
            what: what.into(),
            source,
        }))
    }
}

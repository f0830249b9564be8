//! The crate's error.

use std::fmt;
use std::time::Duration;

use crate::response_code::ResponseCode;

/// The result of a whole call.
pub type Result<T> = std::result::Result<T, Error>;

/// What a caller does about an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The server asks to come back later; see [`Error::retry_after`]. The client's own retries
    /// are used up.
    Busy,
    /// The credentials were refused.
    Auth,
    /// Signed in, but not allowed: no right to impersonate, no right to the folder.
    Denied,
    /// The mailbox, folder or item does not exist.
    NotFound,
    /// No connection: name resolution, TCP or TLS failed.
    Unreachable,
    /// The server offers only TLS that this client does not speak, as Windows Server 2012 R2 does
    /// with its CBC cipher suites: [`crate::TlsSupport::Legacy`] does.
    OldTls,
    /// Something answered, but it does not speak EWS (an HTML page, a redirect, a 404, JSON).
    NotEws,
    /// The answer breaks SOAP or the schema beyond what leniency covers, or exceeds a limit.
    Protocol,
    /// The server does not know the operation or the feature.
    Unsupported,
    /// Nothing arrived in time, or the server's own time limit expired.
    Timeout,
    /// The request itself is wrong, or the server says so.
    Invalid,
    /// The connection broke, or the server stopped half-way.
    Interrupted,
}

impl ErrorKind {
    /// The kind as a lower-case word, for logs and reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            ErrorKind::Busy => "busy",
            ErrorKind::Auth => "auth",
            ErrorKind::Denied => "denied",
            ErrorKind::NotFound => "not-found",
            ErrorKind::Unreachable => "unreachable",
            ErrorKind::OldTls => "old-tls",
            ErrorKind::NotEws => "not-ews",
            ErrorKind::Protocol => "protocol",
            ErrorKind::Unsupported => "unsupported",
            ErrorKind::Timeout => "timeout",
            ErrorKind::Invalid => "invalid",
            ErrorKind::Interrupted => "interrupted",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

type Source = Box<dyn std::error::Error + Send + Sync>;

/// Why a call failed: operation, address (without credentials) and what happened, on one line.
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    message: String,
    operation: Option<&'static str>,
    url: Option<String>,
    attempts: u32,
    code: Option<ResponseCode>,
    status: Option<u16>,
    retry_after: Option<Duration>,
    source: Option<Source>,
}

/// Longest server text quoted in a message, in characters.
const MAX_QUOTED_CHARS: usize = 300;

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Error {
        Error(Box::new(Inner {
            kind,
            message: message.into(),
            operation: None,
            url: None,
            attempts: 0,
            code: None,
            status: None,
            retry_after: None,
            source: None,
        }))
    }

    pub(crate) fn protocol(message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Protocol, message)
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Invalid, message)
    }

    pub(crate) fn with_kind(mut self, kind: ErrorKind) -> Error {
        self.0.kind = kind;
        self
    }

    pub(crate) fn with_code(mut self, code: ResponseCode) -> Error {
        self.0.code = Some(code);
        self
    }

    pub(crate) fn with_status(mut self, status: u16) -> Error {
        self.0.status = Some(status);
        self
    }

    pub(crate) fn with_retry_after(mut self, wait: Option<Duration>) -> Error {
        self.0.retry_after = wait;
        self
    }

    pub(crate) fn with_source(mut self, source: impl Into<Source>) -> Error {
        self.0.source = Some(source.into());
        self
    }

    /// Adds what was being done, unless an inner layer already said so.
    pub(crate) fn in_call(mut self, operation: &'static str, url: &str, attempts: u32) -> Error {
        self.0.operation.get_or_insert(operation);
        self.0.url.get_or_insert_with(|| url.to_owned());
        self.0.attempts = self.0.attempts.max(attempts);
        self
    }

    /// What the caller does about it.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// How long the server asked to be left alone, to the millisecond, and at most an hour.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    pub(crate) fn message(&self) -> &str {
        &self.0.message
    }

    /// The EWS response code, where the server gave one.
    pub fn response_code(&self) -> Option<&ResponseCode> {
        self.0.code.as_ref()
    }

    /// The HTTP status, where the failure was one.
    pub fn http_status(&self) -> Option<u16> {
        self.0.status
    }

    /// The EWS operation under way, for example `GetFolder`.
    pub fn operation(&self) -> Option<&'static str> {
        self.0.operation
    }

    /// How often the request was sent before giving up; 0 where it never was.
    pub fn attempts(&self) -> u32 {
        self.0.attempts
    }
}

/// One line of foreign text, shortened, with control characters and line breaks made spaces.
pub(crate) fn quote(text: &str) -> String {
    let mut line = String::new();
    for (count, word) in text
        .split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|w| !w.is_empty())
        .enumerate()
    {
        if count > 0 {
            line.push(' ');
        }
        line.extend(word.chars().take(MAX_QUOTED_CHARS));
        if line.chars().count() >= MAX_QUOTED_CHARS {
            line = line.chars().take(MAX_QUOTED_CHARS).collect();
            line.push('…');
            break;
        }
    }
    line
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        match (inner.operation, &inner.url) {
            (Some(operation), Some(url)) => write!(f, "{operation} at {url}: ")?,
            (Some(operation), None) => write!(f, "{operation}: ")?,
            (None, Some(url)) => write!(f, "{url}: ")?,
            (None, None) => {}
        }
        f.write_str(&inner.message)?;
        if inner.attempts > 1 {
            write!(f, " (after {} attempts)", inner.attempts)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

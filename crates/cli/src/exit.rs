//! How the program ends: exit codes, and for each kind of error what to do next.

mod hint;

use engine::ErrorKind;
use serde::Serialize;

use crate::human::plain;

/// What scripts see of the program's end. `docs/exit-codes.md` explains each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    Done = 0,
    Internal = 1,
    Usage = 2,
    Incomplete = 3,
    Damage = 4,
    SignIn = 5,
    Denied = 6,
    NotFound = 7,
    Unreachable = 8,
    Conflict = 9,
    NoSpace = 10,
    Interrupted = 130,
}

/// The end of `postkeep --help`.
pub const CODES_HELP: &str = "\
Exit codes:
    0  done
    1  internal error, or something not supported
    2  the command line makes no sense, or a secret is missing
    3  finished, but some items are missing
    4  damage found in the repository
    5  sign-in refused: wrong password or passphrase
    6  a right is missing
    7  not found: mailbox, folder, item, snapshot or repository
    8  unreachable, or not an Exchange Web Services server
    9  conflict, or in use by somebody else
   10  no space left
  130  interrupted";

impl Code {
    /// The code as a word, for JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Internal => "internal",
            Self::Usage => "usage",
            Self::Incomplete => "incomplete",
            Self::Damage => "damage",
            Self::SignIn => "sign-in",
            Self::Denied => "denied",
            Self::NotFound => "not-found",
            Self::Unreachable => "unreachable",
            Self::Conflict => "conflict",
            Self::NoSpace => "no-space",
            Self::Interrupted => "interrupted",
        }
    }
}

impl From<Code> for std::process::ExitCode {
    fn from(code: Code) -> Self {
        Self::from(code as u8)
    }
}

/// Why a command could not do its work: printed as one line, and a second with what to do next.
#[derive(Debug)]
pub struct Failure {
    pub code: Code,
    pub message: String,
    pub hint: Option<String>,
}

pub type Result<T, E = Failure> = std::result::Result<T, E>;

/// A failure as `--json` shows it.
#[derive(Serialize)]
struct Document<'a> {
    error: Body<'a>,
}

#[derive(Serialize)]
struct Body<'a> {
    exit_code: u8,
    kind: &'static str,
    message: &'a str,
    hint: Option<&'a str>,
}

impl Failure {
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            hint: None,
        }
    }

    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Code::Usage, message)
    }

    /// A local file or socket that could not be used.
    pub fn io(what: impl Into<String>, error: &std::io::Error) -> Self {
        use std::io::ErrorKind as Io;
        let code = match error.kind() {
            Io::NotFound => Code::NotFound,
            Io::PermissionDenied => Code::Denied,
            Io::AddrInUse | Io::AlreadyExists => Code::Conflict,
            Io::StorageFull | Io::QuotaExceeded => Code::NoSpace,
            _ => Code::Internal,
        };
        Self::new(code, format!("{}: {error}", what.into()))
    }

    /// Something the simulator refused.
    pub fn sim(error: &ews_sim::Error) -> Self {
        let code = match error.kind() {
            ews_sim::ErrorKind::NotFound => Code::NotFound,
            ews_sim::ErrorKind::Invalid => Code::Usage,
            _ => Code::Internal,
        };
        Self::new(code, chain(error))
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same failure, where the account's name makes the hint more useful.
    #[must_use]
    pub fn for_user(mut self, user: &str) -> Self {
        if let Some(text) = &mut self.hint {
            *text = text.replace(hint::USER, user);
        }
        self
    }

    /// The same failure, where the repository's address makes the hint more useful.
    #[must_use]
    pub fn for_repository(mut self, url: &str) -> Self {
        if let Some(text) = &mut self.hint {
            *text = text.replace(hint::REPOSITORY, url);
        }
        self
    }

    /// What goes to standard error.
    pub fn lines(&self) -> String {
        let mut lines = format!("postkeep: {}\n", plain(&self.message));
        if let Some(hint) = &self.hint {
            lines.push_str(&format!("  try: {}\n", plain(hint)));
        }
        lines
    }

    /// What `--json` puts on standard output.
    pub fn document(&self) -> impl Serialize + '_ {
        Document {
            error: Body {
                exit_code: self.code as u8,
                kind: self.code.word(),
                message: &self.message,
                hint: self.hint.as_deref(),
            },
        }
    }
}

/// The code for a kind of error.
pub fn code_of(kind: ErrorKind) -> Code {
    match kind {
        ErrorKind::Auth => Code::SignIn,
        ErrorKind::Denied | ErrorKind::Sealed => Code::Denied,
        ErrorKind::NotFound => Code::NotFound,
        ErrorKind::Unreachable | ErrorKind::NotEws => Code::Unreachable,
        ErrorKind::Conflict | ErrorKind::Busy => Code::Conflict,
        ErrorKind::Corrupt => Code::Damage,
        ErrorKind::NoSpace => Code::NoSpace,
        ErrorKind::Invalid => Code::Usage,
        ErrorKind::Cancelled => Code::Interrupted,
        _ => Code::Internal,
    }
}

impl From<engine::Error> for Failure {
    fn from(error: engine::Error) -> Self {
        let code = code_of(error.kind());
        let hint = hint::next_step(&error);
        Self {
            code,
            message: chain(&error),
            hint: hint.map(str::to_owned),
        }
    }
}

impl From<engine::RepositoryError> for Failure {
    fn from(error: engine::RepositoryError) -> Self {
        use engine::RepositoryErrorKind as Kind;
        let kind = match error.kind() {
            Kind::NotFound => ErrorKind::NotFound,
            Kind::Denied => ErrorKind::Denied,
            Kind::Sealed => ErrorKind::Sealed,
            Kind::AlreadyExists => ErrorKind::Conflict,
            Kind::Unavailable => ErrorKind::Unreachable,
            Kind::NoSpace => ErrorKind::NoSpace,
            Kind::Invalid => ErrorKind::Invalid,
            Kind::Unsupported => ErrorKind::Invalid,
            Kind::Corrupt => ErrorKind::Corrupt,
            _ => ErrorKind::Internal,
        };
        engine::Error::with_source(kind, "open the repository", error).into()
    }
}

/// An error and its causes in one line; a cause that the line already tells is left out.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !line.contains(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
        cause = error.source();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_says_nothing_twice() {
        let inner = engine::Error::new(ErrorKind::Auth, "wrong passphrase");
        let error = inner
            .context("wrong passphrase")
            .context("open the repository");
        assert_eq!(chain(&error), "open the repository: wrong passphrase");
    }

    #[test]
    fn failures_are_one_line_and_a_hint() {
        let failure = Failure::usage("a\nb\u{1b}[31m")
            .hint("do <account>")
            .for_user("c");
        assert_eq!(failure.lines(), "postkeep: a b\u{fffd}[31m\n  try: do c\n");
    }

    #[test]
    fn help_lists_every_code() {
        let codes = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 130];
        for code in codes {
            let listed = CODES_HELP
                .lines()
                .any(|line| line.split_whitespace().next() == Some(&code.to_string()));
            assert!(listed, "{code}");
        }
    }
}

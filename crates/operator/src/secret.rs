//! Secrets: where they come from, never what they are.

use std::path::PathBuf;
use std::time::Duration;

use engine::{Error, ErrorKind, Result};
use zeroize::Zeroizing;

use crate::process::{self, Invocation};

/// No secret is longer; a file that is was named by mistake.
const MAX_BYTES: usize = 64 * 1024;
/// Longest time a command may take to print a secret: somebody may have to touch a key.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(60);

/// Where a secret comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// A file; one line ending at its end is dropped.
    File(PathBuf),
    /// An environment variable.
    Env(String),
    /// A command's standard output; one line ending at its end is dropped.
    Command(Vec<String>),
}

impl SecretSource {
    /// The one that is named, if any.
    pub(crate) fn of(
        file: &Option<PathBuf>,
        env: &Option<String>,
        command: &Option<Vec<String>>,
    ) -> Option<Self> {
        let command = || command.clone().map(Self::Command);
        let env = || env.clone().map(Self::Env);
        file.clone().map(Self::File).or_else(env).or_else(command)
    }

    /// Reads the secret. `what` names it in errors; `env` looks up environment variables.
    ///
    /// # Errors
    /// `Invalid` if it is empty, too long or no text; `NotFound`, `Denied` for files and variables.
    pub async fn read(
        &self,
        what: &str,
        env: &(dyn Fn(&str) -> Option<String> + Send + Sync),
    ) -> Result<Zeroizing<String>> {
        let (place, text) = match self {
            Self::File(file) => {
                let place = format!("read the {what} from {}", file.display());
                let bytes = tokio::fs::read(file)
                    .await
                    .map_err(|error| io_error(&place, error))?;
                (place, bytes)
            }
            Self::Env(name) => {
                let place = format!("take the {what} from the environment variable {name}");
                let value = env(name).ok_or_else(|| {
                    Error::new(ErrorKind::NotFound, "it is not set").context(&place)
                })?;
                (place, value.into_bytes())
            }
            Self::Command(command) => {
                let program = command.first().map_or("", String::as_str);
                let place = format!("take the {what} from the command {program}");
                let invocation = Invocation {
                    command,
                    stdin: &[],
                    timeout: COMMAND_TIMEOUT,
                };
                let done = process::run(&invocation).await?;
                if !done.success {
                    return Err(Error::new(ErrorKind::Invalid, done.summary()).context(place));
                }
                (place, done.stdout)
            }
        };
        let invalid = |why: &str| Error::new(ErrorKind::Invalid, why).context(&place);
        if text.len() > MAX_BYTES {
            return Err(invalid("it is too long to be one"));
        }
        let text = Zeroizing::new(String::from_utf8(text).map_err(|_| invalid("it is no text"))?);
        let trimmed = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let trimmed = trimmed.strip_suffix('\n').unwrap_or(trimmed);
        let trimmed = trimmed.strip_suffix('\r').unwrap_or(trimmed);
        if trimmed.is_empty() {
            return Err(invalid("it is empty"));
        }
        Ok(Zeroizing::new(trimmed.to_owned()))
    }
}

/// An error of the file system, in the engine's terms.
pub(crate) fn io_error(what: &str, error: std::io::Error) -> Error {
    let kind = match error.kind() {
        std::io::ErrorKind::NotFound => ErrorKind::NotFound,
        std::io::ErrorKind::PermissionDenied => ErrorKind::Denied,
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => ErrorKind::NoSpace,
        _ => ErrorKind::Internal,
    };
    Error::with_source(kind, what, error)
}

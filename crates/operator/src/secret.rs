//! Secrets: where they come from, never what they are.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use engine::{Error, ErrorKind, Result};
use zeroize::Zeroizing;

use crate::process::{self, Invocation};

/// No secret is longer; a file that is was named by mistake.
const MAX_BYTES: usize = 64 * 1024;
/// Longest time a command or a keyring may take to give a secret: somebody may have to touch a key.
const PERSON_TIMEOUT: Duration = Duration::from_secs(60);

/// Where a secret comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// A file; one line ending at its end is dropped.
    File(PathBuf),
    /// An environment variable.
    Env(String),
    /// A command's standard output; one line ending at its end is dropped.
    Command(Vec<String>),
    /// An entry of the system's keyring.
    Keyring(String),
}

/// Looks up an environment variable.
type Variables = dyn Fn(&str) -> Option<String> + Send + Sync;
/// Reads an entry of the system's keyring; may wait for somebody to unlock it.
type Keyring = dyn Fn(&str) -> Result<Zeroizing<String>> + Send + Sync;

/// What the program looks secrets up in: a library reads no environment of its own.
#[derive(Clone)]
pub struct Lookup {
    variables: Arc<Variables>,
    keyring: Arc<Keyring>,
}

impl Lookup {
    /// Looks up environment variables; there is no keyring.
    pub fn new(variables: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        Self {
            variables: Arc::new(variables),
            keyring: Arc::new(|_| {
                let message = "this program knows no keyring";
                Err(Error::new(ErrorKind::Unsupported, message))
            }),
        }
    }

    /// The same with a keyring. It is called where blocking is allowed.
    #[must_use]
    pub fn with_keyring(
        self,
        keyring: impl Fn(&str) -> Result<Zeroizing<String>> + Send + Sync + 'static,
    ) -> Self {
        let keyring = Arc::new(keyring);
        Self { keyring, ..self }
    }

    async fn in_keyring(&self, entry: &str) -> Result<Zeroizing<String>> {
        let (keyring, entry) = (Arc::clone(&self.keyring), entry.to_owned());
        let asked = tokio::task::spawn_blocking(move || keyring(&entry));
        match tokio::time::timeout(PERSON_TIMEOUT, asked).await {
            Ok(Ok(found)) => found,
            Ok(Err(panic)) => {
                let message = "a defect stopped the keyring";
                Err(Error::with_source(ErrorKind::Internal, message, panic))
            }
            Err(_) => {
                let message = "nobody unlocked the keyring";
                Err(Error::new(ErrorKind::Unreachable, message))
            }
        }
    }
}

impl SecretSource {
    /// Reads the secret. `what` names it in errors.
    ///
    /// # Errors
    /// `Invalid` if it is empty, too long or no text; `NotFound`, `Denied` for files, variables and
    /// keyrings.
    pub async fn read(&self, what: &str, lookup: &Lookup) -> Result<Zeroizing<String>> {
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
                let value = (lookup.variables)(name).ok_or_else(|| {
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
                    timeout: PERSON_TIMEOUT,
                };
                let done = process::run(&invocation).await?;
                if !done.success {
                    return Err(Error::new(ErrorKind::Invalid, done.summary()).context(place));
                }
                (place, done.stdout)
            }
            Self::Keyring(entry) => {
                let place = format!("take the {what} `{entry}` from the keyring");
                let found = lookup.in_keyring(entry).await;
                let secret = found.map_err(|error| error.context(&place))?;
                (place, secret.as_bytes().to_vec())
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

//! Making new keys.

use std::path::Path;

use engine::{KeyFile, NewKey, Passphrase, RecoveryPhrase, WriterKey};
use zeroize::Zeroizing;

use crate::args::NewKeyArgs;
use crate::config::Context;
use crate::exit::{Failure, Result};
use crate::secrets::{self, Secret};
use crate::{keyring, platform};

/// A key that is about to be added.
pub struct Made {
    pub key: NewKey,
    pub label: String,
    /// Words to be shown once, after the key was added.
    pub words: Option<Zeroizing<String>>,
    /// The file that was written for it.
    file: Option<std::path::PathBuf>,
}

impl Made {
    /// Takes back what was made for a key that could not be added.
    pub fn undo(&self) {
        if let Some(file) = &self.file {
            // Whoever finds it finds a secret that opens nothing.
            let _ = std::fs::remove_file(file);
        }
    }

    /// A passphrase: one that the keyring has, one from a file, or one that is asked for.
    pub fn passphrase(
        (file, kept): (Option<&Path>, Option<&str>),
        of: &str,
        label: String,
    ) -> Result<Self> {
        let text = match kept {
            Some(name) => keyring::read(name)?.to_string(),
            None => secrets::find_new(Secret::NewPassphrase, file, of)?,
        };
        Ok(Self {
            key: NewKey::from(Passphrase::new(text)),
            label,
            words: None,
            file: None,
        })
    }

    /// A recovery phrase.
    pub fn recovery_phrase(context: &Context, label: String) -> Self {
        let phrase = RecoveryPhrase::generate(&context.environment);
        Self {
            words: Some(phrase.to_words()),
            key: NewKey::RecoveryPhrase(phrase),
            label,
            file: None,
        }
    }

    fn key_file(context: &Context, file: &Path, label: String) -> Result<Self> {
        let secret = KeyFile::generate(&context.environment);
        let text = secret.to_text();
        let head = "postkeep key file: whoever has it opens the repository";
        Self::in_file((file, head, &text), NewKey::KeyFile(secret), label)
    }

    /// A writer's key.
    pub fn writer_file(context: &Context, file: &Path, label: String) -> Result<Self> {
        let secret = WriterKey::generate(&context.environment);
        let head = "postkeep writer's key file: whoever has it adds to the repository and lists it";
        let key = NewKey::Writer(secret.public_key());
        Self::in_file((file, head, &secret.to_text()), key, label)
    }

    fn in_file(
        (file, head, text): (&Path, &str, &str),
        key: NewKey,
        label: String,
    ) -> Result<Self> {
        write_secret(file, &Zeroizing::new(format!("# {head}\n{text}\n")))?;
        Ok(Self {
            key,
            label,
            words: None,
            file: Some(file.to_owned()),
        })
    }
}

/// Makes the key that the arguments ask for; a key file is written before the repository knows it.
pub fn make(context: &Context, args: &NewKeyArgs, of: &str) -> Result<Made> {
    let label = args.label.clone().unwrap_or_default();
    if let Some(file) = &args.new_key_file {
        return Made::key_file(context, file, label);
    }
    if args.new_recovery_phrase {
        return Ok(Made::recovery_phrase(context, label));
    }
    let from = (
        args.new_passphrase_file.as_deref(),
        args.new_passphrase_keyring.as_deref(),
    );
    Made::passphrase(from, of, label)
}

/// Writes a secret into a new file that only its owner can read.
pub fn write_secret(file: &Path, text: &str) -> Result<()> {
    platform::write_private(file, text.as_bytes()).map_err(|error| {
        let failure = Failure::io(format!("write {}", file.display()), &error);
        match error.kind() {
            std::io::ErrorKind::AlreadyExists => failure.hint("name a file that does not exist"),
            _ => failure,
        }
    })
}

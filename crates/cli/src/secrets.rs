//! Secrets: from a file, from the environment, or asked for; never from a plain argument, which
//! every user of the machine could read in the list of processes.

use std::io::{self, IsTerminal, Read};
use std::path::Path;

use crate::exit::{Failure, Result};

/// No secret is longer; a file that is was named by mistake.
const MAX_BYTES: u64 = 64 * 1024;

/// A secret the program may need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secret {
    /// The repository's passphrase.
    Passphrase,
    /// A passphrase to be added.
    NewPassphrase,
    /// What a key file holds.
    KeyFile,
    /// 24 words.
    RecoveryPhrase,
    /// An escrow's private key.
    EscrowKey,
    /// A share of an escrowed key.
    EscrowShare,
    /// The Exchange account's password.
    Password,
    /// One that the keyring is to keep.
    Kept,
}

impl Secret {
    fn name(self) -> &'static str {
        match self {
            Self::Passphrase | Self::NewPassphrase => "passphrase",
            Self::KeyFile => "key file",
            Self::RecoveryPhrase => "recovery phrase",
            Self::EscrowKey => "private key",
            Self::EscrowShare => "share",
            Self::Password => "password",
            Self::Kept => "secret",
        }
    }

    fn option(self) -> &'static str {
        match self {
            Self::Passphrase => "--passphrase-file",
            Self::NewPassphrase => "--new-passphrase-file",
            Self::KeyFile => "--key-file",
            Self::RecoveryPhrase => "--recovery-phrase-file",
            Self::EscrowKey => "--escrow-key-file",
            Self::EscrowShare => "--escrow-share-file",
            Self::Password => "--password-file",
            Self::Kept => "--secret-file",
        }
    }

    /// The environment variable it may come from; what is used once or seldom has none.
    fn variable(self) -> Option<&'static str> {
        match self {
            Self::Passphrase => Some("POSTKEEP_PASSPHRASE"),
            Self::Password => Some("POSTKEEP_PASSWORD"),
            _ => None,
        }
    }
}

/// Finds a secret; `of` says of what, for the prompt.
pub fn find(secret: Secret, file: Option<&Path>, of: &str) -> Result<String> {
    match given(secret, file)? {
        Some(value) => Ok(value),
        None => ask(secret, &format!("{} of {of}: ", capital(secret.name()))),
    }
}

/// Finds a new secret; one that is typed is typed twice.
pub fn find_new(secret: Secret, file: Option<&Path>, of: &str) -> Result<String> {
    if let Some(value) = given(secret, file)? {
        return Ok(value);
    }
    let name = secret.name();
    let first = ask(secret, &format!("New {name} of {of}: "))?;
    if first != ask(secret, &format!("Again, the {name}: "))? {
        return Err(Failure::usage(format!("the two {name}s differ")));
    }
    Ok(first)
}

fn given(secret: Secret, file: Option<&Path>) -> Result<Option<String>> {
    if let Some(file) = file {
        return from_file(secret, file).map(Some);
    }
    let Some(variable) = secret.variable() else {
        return Ok(None);
    };
    match std::env::var(variable) {
        Ok(value) if value.is_empty() => Err(Failure::usage(format!(
            "the environment variable {variable} is empty"
        ))),
        Ok(value) => Ok(Some(value)),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => Err(Failure::usage(format!(
            "the environment variable {variable} is not valid text"
        ))),
    }
}

/// A secret that a file holds; `-` asks for it, or reads standard input.
pub fn from_file(secret: Secret, file: &Path) -> Result<String> {
    if file == Path::new("-") && io::stdin().is_terminal() {
        return ask(secret, &format!("{}: ", capital(secret.name())));
    }
    let what = format!("read the {} from {}", secret.name(), file.display());
    let open = || {
        let mut text = String::new();
        if file == Path::new("-") {
            io::stdin().take(MAX_BYTES + 1).read_to_string(&mut text)?;
        } else {
            let file = std::fs::File::open(file)?;
            file.take(MAX_BYTES + 1).read_to_string(&mut text)?;
        }
        Ok::<_, io::Error>(text)
    };
    let text = open().map_err(|error| Failure::io(&what, &error))?;
    if text.len() as u64 > MAX_BYTES {
        return Err(Failure::usage(format!("{what}: the file is too large")));
    }
    let value = trimmed(&text);
    if value.is_empty() {
        return Err(Failure::usage(format!("{what}: the file is empty")));
    }
    Ok(value.to_owned())
}

/// A secret that a command prints: how keyrings and password managers of all systems are asked.
pub fn from_command(secret: Secret, command: &str) -> Result<String> {
    let what = format!("get the {} from the command", secret.name());
    let output = crate::platform::shell(command)
        .stdin(std::process::Stdio::inherit())
        .stderr(std::process::Stdio::inherit())
        .output()
        .map_err(|error| Failure::io(&what, &error))?;
    if !output.status.success() {
        return Err(Failure::usage(format!(
            "{what}: it failed ({})",
            output.status
        )));
    }
    let text = String::from_utf8(output.stdout)
        .map_err(|_| Failure::usage(format!("{what}: what it prints is not text")))?;
    let value = trimmed(&text);
    if value.is_empty() || value.len() as u64 > MAX_BYTES {
        return Err(Failure::usage(format!("{what}: it prints none")));
    }
    Ok(value.to_owned())
}

/// Without the mark and the line ending that editors add.
fn trimmed(text: &str) -> &str {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}

fn ask(secret: Secret, prompt: &str) -> Result<String> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        let (name, option) = (secret.name(), secret.option());
        let variable = secret.variable();
        let variable = variable.map(|name| format!(", or set {name}"));
        return Err(Failure::usage(format!("no {name} given")).hint(format!(
            "{option} FILE{}, or run it in a terminal to be asked",
            variable.unwrap_or_default()
        )));
    }
    let value = rpassword::prompt_password(prompt)
        .map_err(|error| Failure::io(format!("ask for the {}", secret.name()), &error))?;
    if value.is_empty() {
        return Err(Failure::usage(format!("the {} is empty", secret.name())));
    }
    Ok(value)
}

fn capital(word: &str) -> String {
    let mut chars = word.chars();
    chars
        .next()
        .map(|first| first.to_uppercase().chain(chars).collect())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_ending_is_dropped_and_nothing_else() {
        assert_eq!(trimmed("secret"), "secret");
        assert_eq!(trimmed("secret\n"), "secret");
        assert_eq!(trimmed("\u{feff} se cret \r\n"), " se cret ");
        assert_eq!(trimmed("secret\n\n"), "secret\n");
    }
}

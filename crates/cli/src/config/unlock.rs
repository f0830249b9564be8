//! What opens repositories.

use std::path::{Path, PathBuf};

use engine::{
    EscrowPrivateKey, EscrowShare, KeyFile, NewKey, Passphrase, RecoveryPhrase, Unlock, WriterKey,
};
use zeroize::Zeroizing;

use crate::args::AccessArgs;
use crate::exit::{Failure, Result};
use crate::keyring;
use crate::secrets::{self, Secret};

/// The passphrase of a repository that exists.
pub fn passphrase(repo: &str, access: &AccessArgs) -> Result<Passphrase> {
    if let Some(text) = elsewhere(access)? {
        return Ok(Passphrase::new(text));
    }
    let file = access.passphrase_file.as_deref();
    secrets::find(Secret::Passphrase, file, repo).map(Passphrase::new)
}

/// The passphrase, where a command or the keyring has it.
fn elsewhere(access: &AccessArgs) -> Result<Option<String>> {
    if let Some(name) = &access.passphrase_keyring {
        return keyring::read(name).map(|text| Some(text.to_string()));
    }
    let command = access.passphrase_command.as_deref();
    command
        .map(|command| secrets::from_command(Secret::Passphrase, command))
        .transpose()
}

/// The first key of a repository to be created: a new passphrase, or a key file that exists.
pub fn first_key(repo: &str, access: &AccessArgs) -> Result<NewKey> {
    if access.is_recovery() {
        return Err(
            Failure::usage("a repository is created with a passphrase or a key file").hint(
                "`postkeep key escrow` and init's --recovery-phrase add other ways to open it",
            ),
        );
    }
    if let Some(file) = key_file(access) {
        return match read_key_file(&file)? {
            Unlock::KeyFile(key) => Ok(NewKey::KeyFile(key)),
            _ => Err(Failure::usage(format!("{} is a writer's key", file.display()))
                .hint("create the repository with a passphrase or a full key file, then `postkeep key add --writer`")),
        };
    }
    if let Some(text) = elsewhere(access)? {
        return Ok(NewKey::from(Passphrase::new(text)));
    }
    let file = access.passphrase_file.as_deref();
    let text = secrets::find_new(Secret::Passphrase, file, repo)?;
    Ok(NewKey::from(Passphrase::new(text)))
}

/// What opens the repository, as the arguments, the environment or the user say.
pub fn unlock(repo: &str, access: &AccessArgs) -> Result<Unlock> {
    if let Some(file) = &access.recovery_phrase_file {
        let text = Zeroizing::new(secrets::from_file(Secret::RecoveryPhrase, file)?);
        let phrase = RecoveryPhrase::parse(&text).map_err(bad_secret(file))?;
        return Ok(Unlock::RecoveryPhrase(phrase));
    }
    if !access.escrow_key_file.is_empty() {
        let keys = access.escrow_key_file.iter().map(|file| {
            let text = Zeroizing::new(secrets::from_file(Secret::EscrowKey, file)?);
            EscrowPrivateKey::parse(&text).map_err(bad_secret(file))
        });
        return keys.collect::<Result<_>>().map(Unlock::Escrow);
    }
    if !access.escrow_share_file.is_empty() {
        let mut shares = Vec::new();
        for file in &access.escrow_share_file {
            let text = Zeroizing::new(secrets::from_file(Secret::EscrowShare, file)?);
            let lines = text.lines().map(str::trim);
            for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
                shares.push(EscrowShare::parse(line).map_err(bad_secret(file))?);
            }
        }
        return Ok(Unlock::EscrowShares(shares));
    }
    match key_file(access) {
        Some(file) => read_key_file(&file),
        None => passphrase(repo, access).map(Unlock::Passphrase),
    }
}

/// The key file that the arguments name, or else the environment.
fn key_file(access: &AccessArgs) -> Option<PathBuf> {
    let passphrase = access.names_passphrase() || std::env::var_os("POSTKEEP_PASSPHRASE").is_some();
    let from_environment = || std::env::var_os("POSTKEEP_KEY_FILE").map(PathBuf::from);
    access
        .key_file
        .clone()
        .or_else(|| if passphrase { None } else { from_environment() })
}

/// A key file of either kind.
fn read_key_file(file: &Path) -> Result<Unlock> {
    let text = Zeroizing::new(secrets::from_file(Secret::KeyFile, file)?);
    let unlock = match WriterKey::is_meant(&text) {
        true => WriterKey::parse(&text).map(Unlock::Writer),
        false => KeyFile::parse(&text).map(Unlock::KeyFile),
    };
    unlock.map_err(bad_secret(file))
}

/// A secret that is none; the message names the file and never the secret.
pub fn bad_secret(file: &Path) -> impl FnOnce(engine::RepositoryError) -> Failure {
    let file = file.display().to_string();
    move |error| Failure::usage(format!("{file}: {error}"))
}

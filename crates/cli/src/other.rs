//! A second repository, for commands that take two.

use engine::{Passphrase, Unlock, Vault};

use crate::args::{AccessArgs, OtherArgs, RepositoryArgs};
use crate::config::{self, Context};
use crate::exit::{Code, Failure, Result};

/// Environment variables with what opens the other repository.
const PASSPHRASE: &str = "POSTKEEP_OTHER_PASSPHRASE";
const KEY_FILE: &str = "POSTKEEP_OTHER_KEY_FILE";

/// Opens a repository, and another one beside it. Where nothing is said about what opens the
/// other one, what opens the first is tried.
pub async fn open_both(
    context: &Context,
    first: &RepositoryArgs,
    other: &OtherArgs,
    url: &str,
) -> Result<(Vault, Vault)> {
    let unlock = config::unlock(&first.repo, &first.access)?;
    let vault = config::open_vault_with(context, first, &unlock).await?;
    let access = AccessArgs {
        passphrase_file: other.other_passphrase_file.clone(),
        passphrase_command: other.other_passphrase_command.clone(),
        passphrase_keyring: other.other_passphrase_keyring.clone(),
        key_file: other.other_key_file.clone().or_else(key_file),
        destination_file: other.other_destination_file.clone(),
        cache_dir: first.access.cache_dir.clone(),
        ..AccessArgs::default()
    };
    let is_given = access.names_passphrase() || access.key_file.is_some();
    let own = match passphrase() {
        _ if is_given => Some(config::unlock(url, &access)?),
        given => given.map(Unlock::Passphrase),
    };
    let repository = RepositoryArgs {
        repo: url.to_owned(),
        repo_bandwidth: Vec::new(),
        access,
    };
    let opened = config::open_vault_with(context, &repository, own.as_ref().unwrap_or(&unlock));
    let opened = opened.await.map_err(|failure| match failure.code {
        Code::SignIn if own.is_none() => failure.hint(format!(
            "{url} is opened by something else: --other-passphrase-file FILE, --other-key-file \
             FILE or {PASSPHRASE}"
        )),
        _ => failure,
    })?;
    if opened.id() == vault.id() && url == first.repo {
        return Err(Failure::usage("both repositories are the same"));
    }
    Ok((vault, opened))
}

fn passphrase() -> Option<Passphrase> {
    std::env::var(PASSPHRASE).ok().map(Passphrase::new)
}

fn key_file() -> Option<std::path::PathBuf> {
    std::env::var_os(KEY_FILE).map(Into::into)
}

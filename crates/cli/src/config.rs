//! From arguments, files and the environment to what the engine takes.

mod account;
mod unlock;

use std::collections::BTreeSet;

use engine::{
    CreateOptions, Environment, MailboxName, NewKey, Selection, Snapshot, SnapshotSelector, Unlock,
    Vault, VaultOptions,
};
use jiff::tz::TimeZone;
use operator::{Pacer, RateRule, limit_store};

use crate::args::{AccessArgs, Cipher, RepositoryArgs, SelectionArgs, SnapshotArgs};
use crate::exit::{Code, Failure, Result};
use crate::output::Output;
use crate::{destination, platform, when};
pub use account::{Account, limited_account, server, server_url};
pub use unlock::{bad_secret, first_key, passphrase, unlock};

/// What every command gets.
#[derive(Clone)]
pub struct Context {
    pub output: Output,
    /// The real clock and real randomness.
    pub environment: Environment,
}

/// Opens the repository that the arguments name.
pub async fn open_vault(context: &Context, args: &RepositoryArgs) -> Result<Vault> {
    let failed = |failure: Failure| failure.for_repository(&args.repo);
    let access = &args.access;
    // A folder that is not there needs no passphrase to be told so.
    let found = destination::find(
        &args.repo,
        access.destination_file.as_deref(),
        &context.environment,
    )?;
    found.open().map_err(|e| failed(e.into()))?;
    let unlock = unlock(&args.repo, access)?;
    open_vault_with(context, args, &unlock).await
}

/// Opens the repository that the arguments name with a secret that is at hand.
pub async fn open_vault_with(
    context: &Context,
    args: &RepositoryArgs,
    unlock: &Unlock,
) -> Result<Vault> {
    let failed = |failure: Failure| failure.for_repository(&args.repo);
    let file = args.access.destination_file.as_deref();
    let destination = destination::find(&args.repo, file, &context.environment)?;
    let lock = destination.object_lock().map_err(|e| failed(e.into()))?;
    let destination = destination.open().map_err(|e| failed(e.into()))?;
    let destination = limit_store(destination, pacer(context, &args.repo_bandwidth));
    let options = vault_options(context, &args.access)?;
    Vault::open(destination, unlock, options)
        .await
        .map(|vault| vault.with_object_lock(lock))
        .map_err(|e| failed(e.into()))
}

/// Creates a repository where the arguments say.
pub async fn create_vault(
    context: &Context,
    repo: &str,
    access: &AccessArgs,
    first: impl Into<NewKey>,
    cipher: Cipher,
) -> Result<Vault> {
    let failed = |failure: Failure| match failure.code {
        Code::Conflict => failure.hint("use the repository that is there, or name another folder"),
        Code::NotFound => failure.hint("name a folder in one that exists and can be written to"),
        _ => failure.for_repository(repo),
    };
    let options = vault_options(context, access)?;
    let destination = destination::find(
        repo,
        access.destination_file.as_deref(),
        &context.environment,
    )?;
    let destination = destination.create().map_err(|e| failed(e.into()))?;
    let suite = match cipher {
        Cipher::Aes256Gcm => engine::Suite::Aes256Gcm,
        Cipher::ChaCha20Poly1305 => engine::Suite::ChaCha20Poly1305,
    };
    let create = CreateOptions {
        suite,
        ..CreateOptions::default()
    };
    Vault::create(destination, first, &create, options)
        .await
        .map_err(|e| failed(e.into()))
}

/// Lets bytes pass as fast as rules say, by this machine's clock.
fn pacer(context: &Context, rules: &[RateRule]) -> Option<Pacer> {
    Pacer::new(rules, &TimeZone::system(), &context.environment)
}

pub fn vault_options(context: &Context, access: &AccessArgs) -> Result<VaultOptions> {
    let cache_dir = access
        .cache_dir
        .clone()
        .or_else(platform::cache_dir)
        .ok_or_else(|| {
            Failure::usage("the environment names no folder for caches").hint("--cache-dir DIR")
        })?;
    Ok(VaultOptions {
        cache_dir,
        environment: context.environment.clone(),
    })
}

/// Mailboxes as typed: one, several with commas, or a file of them; each once. Patterns are among
/// them.
pub fn mailboxes(typed: &[String]) -> Result<Vec<String>> {
    let mut mailboxes = Vec::new();
    for text in typed {
        match text.strip_prefix('@') {
            Some(file) => {
                let list = std::fs::read_to_string(file)
                    .map_err(|error| Failure::io(format!("read mailboxes from {file}"), &error))?;
                let lines = list.trim_start_matches('\u{feff}').lines();
                let lines = lines.map(|line| line.split('#').next().unwrap_or_default());
                mailboxes.extend(lines.map(|line| line.trim().to_owned()));
            }
            None => mailboxes.extend(text.split(',').map(|part| part.trim().to_owned())),
        }
    }
    mailboxes.retain(|mailbox| !mailbox.is_empty());
    if !typed.is_empty() && mailboxes.is_empty() {
        return Err(Failure::usage("--mailbox names no mailbox"));
    }
    for mailbox in mailboxes.iter().filter(|mailbox| !is_pattern(mailbox)) {
        mailbox_name(mailbox)?;
    }
    let mut seen = BTreeSet::new();
    mailboxes.retain(|mailbox| seen.insert(mailbox.to_lowercase()));
    Ok(mailboxes)
}

/// Whether a name stands for all mailboxes whose addresses fit it.
pub fn is_pattern(typed: &str) -> bool {
    typed.contains(['*', '?'])
}

/// The name of a mailbox as typed.
pub fn mailbox_name(typed: &str) -> Result<MailboxName> {
    typed.parse().map_err(|_| {
        Failure::usage(format!("{typed} is not a mailbox address")).hint(
            "give primary SMTP addresses such as alice@example.com, with /archive or /recoverable \
             behind them for these parts, or example.com/public",
        )
    })
}

pub fn is_address(text: &str) -> bool {
    text.split_once('@')
        .is_some_and(|(name, host)| !name.is_empty() && !host.is_empty())
        && !text.contains(|c: char| c.is_whitespace() || c.is_control())
}

pub fn selection(args: &SelectionArgs) -> Selection {
    Selection {
        folders: args.folders.clone(),
        exclude_folders: args.exclude_folders.clone(),
        items: args.items.clone(),
        classes: args.classes.clone(),
        exclude_classes: args.exclude_classes.clone(),
        newer_than: args.newer_than.clone(),
        older_than: args.older_than.clone(),
        larger_than: args.larger_than,
        smaller_than: args.smaller_than,
    }
}

/// How the arguments name snapshots.
pub fn selector(args: &SnapshotArgs) -> Result<SnapshotSelector> {
    match &args.as_of {
        Some(time) => {
            let time = when::moment(time, &when::zone(None)?)?;
            Ok(SnapshotSelector::AsOf(time.as_millisecond()))
        }
        None => Ok(args.snapshot.parse()?),
    }
}

/// The snapshots that the arguments mean.
pub async fn snapshots(vault: &Vault, args: &SnapshotArgs) -> Result<Vec<Snapshot>> {
    let selector = selector(args)?;
    Ok(vault.select(&selector, args.mailbox.as_deref()).await?)
}

/// The one snapshot that the arguments mean, for commands that cannot take several.
pub async fn one_snapshot(vault: &Vault, args: &SnapshotArgs) -> Result<Snapshot> {
    let mut snapshots = snapshots(vault, args).await?;
    match snapshots.len() {
        1 => Ok(snapshots.remove(0)),
        many => Err(Failure::usage(format!(
            "`{}` means {many} snapshots, one of each mailbox",
            args.snapshot
        ))
        .hint(format!("--mailbox {}", snapshots[0].mailbox))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mailboxes_come_one_by_one_or_as_lists_and_count_once() {
        let typed = ["a@x,b@x".to_owned(), " A@X ".to_owned()];
        assert_eq!(mailboxes(&typed).unwrap(), ["a@x", "b@x"]);
        assert!(mailboxes(&["alice".to_owned()]).is_err());
        assert!(mailboxes(&[",".to_owned()]).is_err());
        assert!(mailboxes(&[]).unwrap().is_empty());
    }
}

//! The mailboxes of a set.

use std::collections::BTreeSet;

use engine::{Error, ErrorKind, Exchange, MailboxSelection, Result, Roster, Vault};

use crate::config::{SetConfig, is_pattern};
use crate::plan::Work;
use crate::report::recent_reports;
use crate::secret::io_error;

/// The mailboxes of a set, as the server knows them: groups, patterns and `all` included. What is
/// left out, other shards' mailboxes excepted, is told. Empty means the account's own mailbox;
/// nothing, that all belong to other shards.
///
/// # Errors
/// Those of [`mailboxes_of`] and of [`Exchange::roster`].
pub async fn roster_of(set: &SetConfig, exchange: &Exchange) -> Result<Option<Roster>> {
    if !set.asks_server() {
        let roster = |mailboxes| Roster {
            mailboxes,
            ..Roster::default()
        };
        return Ok(mailboxes_of(set).await?.map(roster));
    }
    let names = named(set).await?;
    let (patterns, addresses) = names.into_iter().partition(|name| is_pattern(name));
    let chosen = MailboxSelection {
        addresses,
        patterns,
        all: set.all,
        groups: set.groups.clone(),
        exclude: set.exclude_mailboxes.clone(),
        public_folders: set.public_folders,
    };
    let mut roster = exchange.roster(&chosen).await?;
    if let Some(shard) = set.shard {
        roster.mailboxes.retain(|mailbox| shard.has(mailbox));
        if roster.mailboxes.is_empty() {
            return Ok(None);
        }
    }
    Ok(Some(roster))
}

/// Runs whose mailboxes are taken for those of a set that leaves them to the server.
const LOOKED_AT_RUNS: usize = 10;

/// The mailboxes that the last backups of a set found, for work that asks no server.
pub(crate) async fn of_last_runs(set: &str, vault: &Vault) -> Result<BTreeSet<String>> {
    let reports = recent_reports(vault, LOOKED_AT_RUNS, |report| {
        report.set == set && report.work == Some(Work::Backup)
    });
    let mut found = BTreeSet::new();
    for report in reports.await? {
        let backups = report.destinations.into_iter().filter_map(|d| d.backup);
        let mailboxes = backups.flat_map(|backup| backup.mailboxes);
        found.extend(mailboxes.map(|mailbox| mailbox.mailbox));
    }
    Ok(found)
}

/// The names in a set and in its lists, patterns among them.
async fn named(set: &SetConfig) -> Result<Vec<String>> {
    let mut mailboxes = Vec::new();
    for entry in &set.mailboxes {
        match entry.strip_prefix('@') {
            Some(file) => mailboxes.extend(list(file).await?),
            None => mailboxes.push(entry.trim().to_owned()),
        }
    }
    let mut seen = BTreeSet::new();
    mailboxes.retain(|mailbox| seen.insert(mailbox.to_lowercase()));
    Ok(mailboxes)
}

/// The mailboxes that a set names itself: lists are read, each counts once, and those of other
/// shards are left out. Empty means the account's own mailbox, unless the set asks the server
/// ([`roster_of`]); nothing, that all belong to other shards.
///
/// # Errors
/// `NotFound`, `Denied` for files; `Invalid` for a line that is no address, and for a set whose
/// lists are all empty.
pub async fn mailboxes_of(set: &SetConfig) -> Result<Option<Vec<String>>> {
    let mut mailboxes = named(set).await?;
    mailboxes.retain(|name| !is_pattern(name));
    // An empty list must not turn into the account's own mailbox.
    if mailboxes.is_empty() && !set.mailboxes.is_empty() && !set.asks_server() {
        return Err(Error::new(
            ErrorKind::Invalid,
            "the set's lists name no mailbox",
        ));
    }
    if let Some(shard) = set.shard.filter(|_| !set.asks_server()) {
        if mailboxes.is_empty() {
            mailboxes.push(set.user.clone());
        }
        mailboxes.retain(|mailbox| shard.has(mailbox));
        if mailboxes.is_empty() {
            return Ok(None);
        }
    }
    Ok(Some(mailboxes))
}

async fn list(file: &str) -> Result<Vec<String>> {
    let what = format!("read mailboxes from {file}");
    let text = tokio::fs::read_to_string(file)
        .await
        .map_err(|error| io_error(&what, error))?;
    let mut mailboxes = Vec::new();
    for line in text.trim_start_matches('\u{feff}').lines() {
        let address = line.split('#').next().unwrap_or_default().trim();
        if address.is_empty() {
            continue;
        }
        let is_address = address.split_once('@').is_some_and(|(name, host)| {
            !name.is_empty() && !host.is_empty() && !address.contains(char::is_whitespace)
        });
        if is_pattern(address) {
            let message = format!("{address} is a pattern: write it into the set, not into a file");
            return Err(Error::new(ErrorKind::Invalid, message).context(what));
        }
        if !is_address {
            let message = format!("{address} is not a mailbox's address");
            return Err(Error::new(ErrorKind::Invalid, message).context(what));
        }
        mailboxes.push(address.to_owned());
    }
    Ok(mailboxes)
}

//! The mailboxes of a set.

use std::collections::BTreeSet;

use engine::{Error, ErrorKind, Result};

use crate::config::SetConfig;
use crate::secret::io_error;

/// The addresses of a set: lists are read, each counts once, and those of other shards are left
/// out. Empty means the account's own mailbox.
///
/// # Errors
/// `NotFound`, `Denied` for files; `Invalid` for a line that is no address, and for a set whose
/// lists are all empty.
pub async fn mailboxes_of(set: &SetConfig) -> Result<Vec<String>> {
    let mut mailboxes = Vec::new();
    for entry in &set.mailboxes {
        match entry.strip_prefix('@') {
            Some(file) => mailboxes.extend(list(file).await?),
            None => mailboxes.push(entry.trim().to_owned()),
        }
    }
    let mut seen = BTreeSet::new();
    mailboxes.retain(|mailbox| seen.insert(mailbox.to_lowercase()));
    // An empty list must not turn into the account's own mailbox.
    if mailboxes.is_empty() && !set.mailboxes.is_empty() {
        return Err(Error::new(
            ErrorKind::Invalid,
            "the set's lists name no mailbox",
        ));
    }
    if let Some(shard) = set.shard {
        if mailboxes.is_empty() {
            mailboxes.push(set.user.clone());
        }
        mailboxes.retain(|mailbox| shard.has(mailbox));
        if mailboxes.is_empty() {
            let message = format!("none of the set's mailboxes belongs to shard {shard}");
            return Err(Error::new(ErrorKind::NotFound, message));
        }
    }
    Ok(mailboxes)
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
        if !is_address {
            let message = format!("{address} is not a mailbox's address");
            return Err(Error::new(ErrorKind::Invalid, message).context(what));
        }
        mailboxes.push(address.to_owned());
    }
    Ok(mailboxes)
}

//! What a copy takes: snapshots, kept items, holds and their releases.

use std::collections::HashSet;

use chunkstore::SnapshotInfo;
use serde::Deserialize;

use super::CopyOptions;
use crate::error::Result;
use crate::ledger::{self, Kind};
use crate::mailbox_name::MailboxName;
use crate::snapshot::{About, Snapshot};
use crate::vault::Vault;

/// One snapshot of the store to be copied, whatever it means.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) info: SnapshotInfo,
    /// The mailbox it is about; empty where it is about none.
    pub(crate) mailbox: String,
    /// Whether it is the state of a mailbox, and no record beside.
    pub(crate) is_state: bool,
}

/// What is wanted, and what of it is there.
#[derive(Debug, Default)]
pub(super) struct Choice {
    /// In an order in which what is copied first helps what follows.
    pub(super) wanted: Vec<Wanted>,
    /// States that the destination has.
    pub(super) there: u64,
    /// States that were forgotten at the destination.
    pub(super) forgotten: u64,
}

/// The mailbox that a hold or a release names.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Named {
    mailbox: String,
}

impl Wanted {
    pub(crate) fn of(info: SnapshotInfo) -> Self {
        let is_state = ledger::is_mailbox(&info.name);
        let mailbox = match Kind::of_name(&info.name) {
            _ if is_state => info.name.clone(),
            Some(Kind::Kept(mailbox)) => mailbox,
            _ => serde_json::from_slice::<Named>(&info.value).map_or(String::new(), |n| n.mailbox),
        };
        Self {
            info,
            mailbox,
            is_state,
        }
    }

    /// As a snapshot to look into.
    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot {
            id: self.info.id.to_string(),
            mailbox: self.mailbox.clone(),
            time_unix_ms: self.info.time_unix_ms,
            partial: self.info.partial,
            kept: !self.is_state,
            lost: 0,
            about: self.about(),
            root: self.info.root.clone(),
        }
    }

    pub(crate) fn about(&self) -> About {
        serde_json::from_slice(&self.info.value).unwrap_or_default()
    }

    /// States first, by mailbox and time; a release after its hold.
    fn order(&self) -> (u8, &str, i64, &chunkstore::SnapshotId) {
        let class = match Kind::of_name(&self.info.name) {
            _ if self.is_state => 0,
            Some(Kind::Kept(_)) => 1,
            Some(Kind::Hold) => 2,
            _ => 3,
        };
        (class, &self.mailbox, self.info.time_unix_ms, &self.info.id)
    }
}

/// Chooses what to copy from one repository into another.
pub(super) async fn choose(from: &Vault, to: &Vault, options: &CopyOptions) -> Result<Choice> {
    from.refresh().await?;
    to.refresh().await?;
    let names = options.mailboxes.iter().map(|name| {
        let parsed = name.parse::<MailboxName>();
        parsed.map_or_else(|_| name.trim().to_lowercase(), |name| name.stored())
    });
    let names: HashSet<String> = names.collect();
    let ids: HashSet<&str> = options.snapshots.iter().map(String::as_str).collect();
    let known: HashSet<_> = to
        .repository
        .snapshots()
        .into_iter()
        .map(|s| s.id)
        .collect();
    let mut choice = Choice::default();
    for wanted in from.repository.snapshots().into_iter().map(Wanted::of) {
        let of_mailbox = names.is_empty() || names.contains(&wanted.mailbox);
        let named = ids.is_empty() || ids.contains(wanted.info.id.to_string().as_str());
        // An unfinished copy is no state of its own: what it is a copy of may be there, too.
        let unfinished = wanted.is_state && wanted.about().copy_of.is_some();
        if !of_mailbox || !named || unfinished {
            continue;
        }
        if known.contains(&wanted.info.id) {
            choice.there += u64::from(wanted.is_state);
        } else if to.repository.is_forgotten(&wanted.info.id) {
            choice.forgotten += u64::from(wanted.is_state);
        } else {
            choice.wanted.push(wanted);
        }
    }
    choice.wanted.sort_by(|a, b| a.order().cmp(&b.order()));
    Ok(choice)
}

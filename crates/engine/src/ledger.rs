//! Records that the engine keeps in the repository beside snapshots: holds, their releases,
//! restore runs, and trees of items that outlived their snapshots.
//!
//! Each is a snapshot to the store, under a name that no mailbox can have, so that collection
//! spares what it refers to and nothing is ever overwritten.

use std::collections::HashSet;

use chunkstore::{NewSnapshot, Session, SessionOptions, SnapshotId, SnapshotInfo, TreeRoot};
use serde::Serialize;

use crate::error::{Doing, Error, ErrorKind, Result};
use crate::vault::Vault;

/// What reserved names begin with. An address has no control characters.
const RESERVED: char = '\u{1}';

/// What a record is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A tree of items of this mailbox that outlived their snapshots.
    Kept(String),
    Hold,
    Release,
    /// What a restore did.
    Run,
}

impl Kind {
    fn name(&self) -> String {
        match self {
            Self::Kept(mailbox) => format!("{RESERVED}kept:{mailbox}"),
            Self::Hold => format!("{RESERVED}hold"),
            Self::Release => format!("{RESERVED}release"),
            Self::Run => format!("{RESERVED}run"),
        }
    }

    pub(crate) fn of_name(name: &str) -> Option<Self> {
        let name = name.strip_prefix(RESERVED)?;
        match name {
            "hold" => Some(Self::Hold),
            "release" => Some(Self::Release),
            "run" => Some(Self::Run),
            _ => Some(Self::Kept(name.strip_prefix("kept:")?.to_owned())),
        }
    }
}

/// Whether a stored name is a mailbox's. Reserved names of later versions are none either.
pub(crate) fn is_mailbox(name: &str) -> bool {
    !name.starts_with(RESERVED)
}

/// A record to be written.
pub(crate) struct Record {
    kind: Kind,
    time_unix_ms: i64,
    root: TreeRoot,
    value: Vec<u8>,
}

impl Record {
    pub(crate) fn new<T: Serialize>(
        kind: Kind,
        time_unix_ms: i64,
        root: TreeRoot,
        value: &T,
    ) -> Result<Self> {
        let value = serde_json::to_vec(value).map_err(|error| {
            Error::with_source(ErrorKind::Internal, "write a record's description", error)
        })?;
        Ok(Self {
            kind,
            time_unix_ms,
            root,
            value,
        })
    }

    /// Puts it into a session, whose commit makes it visible.
    pub(crate) fn add(self, session: &Session) -> Result<SnapshotId> {
        let snapshot = NewSnapshot {
            name: self.kind.name(),
            time_unix_ms: self.time_unix_ms,
            partial: false,
            root: self.root,
            value: self.value,
        };
        session
            .add_snapshot(snapshot)
            .doing(|| "add a record".into())
    }
}

impl Vault {
    /// All records, in the order of their times.
    pub(crate) async fn records(&self) -> Result<Vec<(Kind, SnapshotInfo)>> {
        self.refresh().await?;
        let infos = self.repository.snapshots().into_iter();
        Ok(infos
            .filter_map(|info| Some((Kind::of_name(&info.name)?, info)))
            .collect())
    }

    pub(crate) async fn refresh(&self) -> Result<()> {
        self.repository
            .refresh()
            .await
            .doing(|| "read the repository's sessions".into())
    }

    /// A session for records. What is read after it was opened stays until it has ended.
    pub(crate) async fn ledger_session(&self) -> Result<Session> {
        self.repository
            .session(SessionOptions::default())
            .await
            .doing(|| "open a session in the repository".into())
    }

    /// Writes one record; returns its id.
    pub(crate) async fn write_record(&self, record: Record) -> Result<String> {
        let session = self.ledger_session().await?;
        let id = record.add(&session)?;
        session.commit().await.doing(|| "write a record".into())?;
        Ok(id.to_string())
    }

    /// Forgets snapshots and records by their ids, those that are known.
    pub(crate) async fn forget_ids(&self, ids: &[String]) -> Result<()> {
        let wanted: HashSet<&str> = ids.iter().map(String::as_str).collect();
        let known: Vec<SnapshotId> = self
            .repository
            .snapshots()
            .into_iter()
            .map(|info| info.id)
            .filter(|id| wanted.contains(id.to_string().as_str()))
            .collect();
        self.repository
            .forget(&known)
            .await
            .doing(|| "forget snapshots".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_names_come_back_and_are_no_mailboxes() {
        let kept = Kind::Kept("alice@example.test".into());
        for kind in [kept, Kind::Hold, Kind::Release, Kind::Run] {
            assert!(!is_mailbox(&kind.name()));
            assert_eq!(Kind::of_name(&kind.name()), Some(kind));
        }
        assert!(is_mailbox("hold"));
        assert_eq!(Kind::of_name("hold"), None);
        assert_eq!(Kind::of_name("\u{1}of a later version"), None);
        assert!(!is_mailbox("\u{1}of a later version"));
    }
}

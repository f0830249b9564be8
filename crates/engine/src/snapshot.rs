//! Snapshots as users see them, and how they name one.

use chunkstore::{SnapshotInfo, TreeRoot};
use serde::{Deserialize, Serialize};

use crate::error::{Doing, Error, ErrorKind, Result};
use crate::mailbox_name::MailboxName;

/// The state of one mailbox at one time.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Its id; `Display` gives the text users type.
    pub id: String,
    /// The mailbox's address.
    pub mailbox: String,
    /// When it was made, milliseconds since 1970 UTC.
    pub time_unix_ms: i64,
    /// Whether the run that made it had not read everything yet.
    pub partial: bool,
    /// Whether it is no state of the mailbox but a tree of items that outlived their snapshots,
    /// by a rule about items or a hold on them.
    pub kept: bool,
    /// Entries of it that are lost: damage that a repair could not heal.
    pub lost: u64,
    /// What the run wrote down about it.
    pub about: About,
    pub(crate) root: TreeRoot,
}

/// What a run writes into a snapshot about itself. Stored as JSON inside the sealed session.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
#[serde(default)]
pub struct About {
    /// The endpoint the mailbox was read from.
    pub server: String,
    /// The version of the program.
    pub program: String,
    /// Folders in the snapshot.
    pub folders: u64,
    /// Items in the snapshot.
    pub items: u64,
    /// Bytes of all items in the snapshot as the server counts them.
    pub bytes: u64,
    /// Items that were selected but could not be read.
    pub failures: u64,
    /// The folders and items it was restricted to; empty for the whole mailbox.
    pub selection: Vec<String>,
    /// The reading of the mailbox's settings; `None` if it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settings: Option<SettingsRead>,
    /// As whom public folders were read, where a user was named: an address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reader: Option<String>,
    /// In an unfinished copy: the id of the snapshot that is being copied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copy_of: Option<String>,
}

/// When a mailbox's settings were read, and what of them could not be.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
#[serde(default)]
pub struct SettingsRead {
    /// When they were read, milliseconds since 1970 UTC: in this run or in an earlier one.
    pub read_unix_ms: i64,
    /// What could not be read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<SettingGap>,
}

/// A setting, or a part of one, that could not be read.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
#[serde(default)]
pub struct SettingGap {
    /// The kind's name.
    pub kind: String,
    /// What a report calls it.
    pub what: String,
    /// Why.
    pub reason: String,
}

impl About {
    /// The bytes that are stored with the snapshot.
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(|error| {
            let message = "write the snapshot's description";
            Error::with_source(ErrorKind::Internal, message, error)
        })
    }
}

impl Snapshot {
    pub(crate) fn from_stored(info: &SnapshotInfo) -> Result<Self> {
        let about = serde_json::from_slice(&info.value)
            .map_err(|error| {
                Error::with_source(
                    ErrorKind::Corrupt,
                    "a snapshot's description is damaged",
                    error,
                )
            })
            .doing(|| format!("read snapshot {}", info.id))?;
        Ok(Self {
            id: info.id.to_string(),
            mailbox: info.name.clone(),
            time_unix_ms: info.time_unix_ms,
            partial: info.partial,
            kept: false,
            lost: 0,
            about,
            root: info.root.clone(),
        })
    }

    /// A tree of items that outlived their snapshots.
    pub(crate) fn from_kept(mailbox: &str, info: &SnapshotInfo) -> Result<Self> {
        Ok(Self {
            mailbox: mailbox.to_owned(),
            kept: true,
            ..Self::from_stored(info)?
        })
    }

    /// The mailbox, with the user as whom its public folders were read.
    pub(crate) fn mailbox_name(&self) -> Result<MailboxName> {
        let name: MailboxName = self.mailbox.parse()?;
        Ok(name.read_by(self.about.reader.as_deref()))
    }

    /// The id in the length that listings show.
    pub fn short_id(&self) -> &str {
        self.id.get(..SHORT_ID).unwrap_or(&self.id)
    }
}

/// Characters of an id that listings show.
const SHORT_ID: usize = 10;

/// How a user names snapshots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SnapshotSelector {
    /// The newest of each mailbox; complete ones are preferred over partial ones.
    Latest,
    /// An id or its beginning.
    Id(String),
    /// The state at a time, milliseconds since 1970 UTC: of each mailbox the newest made then or
    /// before; complete ones are preferred over partial ones.
    AsOf(i64),
}

impl std::str::FromStr for SnapshotSelector {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.trim() {
            "" => Err(Error::new(ErrorKind::Invalid, "a snapshot's id is empty")),
            "latest" => Ok(Self::Latest),
            id => Ok(Self::Id(id.to_lowercase())),
        }
    }
}

impl SnapshotSelector {
    /// Chooses among all snapshots, oldest first.
    pub(crate) fn choose(
        &self,
        snapshots: Vec<Snapshot>,
        mailbox: Option<&str>,
    ) -> Result<Vec<Snapshot>> {
        // Whoever reads public folders, they are one mailbox.
        let wanted = mailbox.map(|name| {
            name.parse::<MailboxName>()
                .map_or_else(|_| name.to_lowercase(), |name| name.stored())
        });
        let in_mailbox = |snapshot: &Snapshot| {
            wanted
                .as_deref()
                .is_none_or(|wanted| snapshot.mailbox.to_lowercase() == wanted)
        };
        if snapshots.is_empty() {
            return Err(Error::new(
                ErrorKind::NotFound,
                "the repository holds no snapshot yet: run a backup first",
            ));
        }
        let chosen = match self {
            Self::Latest => latest(
                snapshots
                    .into_iter()
                    .filter(|s| in_mailbox(s) && !s.kept)
                    .collect(),
            ),
            Self::AsOf(time) => latest(
                snapshots
                    .into_iter()
                    .filter(|s| in_mailbox(s) && !s.kept && s.time_unix_ms <= *time)
                    .collect(),
            ),
            Self::Id(id) => {
                let fitting: Vec<_> = snapshots
                    .into_iter()
                    .filter(|s| in_mailbox(s) && s.id.to_lowercase().starts_with(id))
                    .collect();
                if fitting.len() > 1 {
                    return Err(Error::new(
                        ErrorKind::Invalid,
                        format!(
                            "{} snapshots begin with {id}: give more of the id",
                            fitting.len()
                        ),
                    ));
                }
                fitting
            }
        };
        if chosen.is_empty() {
            let what = match (self, mailbox) {
                (Self::Latest, Some(mailbox)) => format!("no snapshot of {mailbox}"),
                (Self::Latest, None) => "no snapshot".to_owned(),
                (Self::AsOf(_), Some(mailbox)) => {
                    format!("no snapshot of {mailbox} is as old as that")
                }
                (Self::AsOf(_), None) => "no snapshot is as old as that".to_owned(),
                (Self::Id(id), Some(mailbox)) => format!("no snapshot {id} of {mailbox}"),
                (Self::Id(id), None) => format!("no snapshot {id}"),
            };
            return Err(Error::new(ErrorKind::NotFound, what));
        }
        Ok(chosen)
    }
}

/// The newest snapshot of each mailbox, in the order of the mailboxes' names. A partial one
/// stands in only for a mailbox that has no complete one yet.
fn latest(mut snapshots: Vec<Snapshot>) -> Vec<Snapshot> {
    snapshots.sort_by(|a, b| {
        (&a.mailbox, !a.partial, a.time_unix_ms, &a.id).cmp(&(
            &b.mailbox,
            !b.partial,
            b.time_unix_ms,
            &b.id,
        ))
    });
    let mut latest: Vec<Snapshot> = Vec::new();
    for snapshot in snapshots {
        match latest.last_mut() {
            Some(last) if last.mailbox == snapshot.mailbox => *last = snapshot,
            _ => latest.push(snapshot),
        }
    }
    latest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(id: &str, mailbox: &str, time_unix_ms: i64, partial: bool) -> Snapshot {
        Snapshot {
            id: id.into(),
            mailbox: mailbox.into(),
            time_unix_ms,
            partial,
            kept: false,
            lost: 0,
            about: About::default(),
            root: TreeRoot::empty(),
        }
    }

    fn check(selector: &str, mailbox: Option<&str>, expected: Result<&[&str], ErrorKind>) {
        let all = vec![
            snapshot("01aa", "alice@x", 1, false),
            snapshot("01ab", "bob@x", 2, false),
            snapshot("02aa", "alice@x", 3, false),
            snapshot("03aa", "alice@x", 4, true),
            snapshot("04cc", "carol@x", 5, true),
        ];
        let chosen = selector
            .parse::<SnapshotSelector>()
            .unwrap()
            .choose(all, mailbox);
        let ids = chosen
            .as_ref()
            .map(|chosen| chosen.iter().map(|s| s.id.as_str()).collect::<Vec<_>>())
            .map_err(Error::kind);
        assert_eq!(ids, expected.map(<[_]>::to_vec), "{selector} {mailbox:?}");
    }

    #[test]
    fn a_point_in_time_chooses_for_each_mailbox() {
        let all = vec![
            snapshot("01", "alice@x", 1, false),
            snapshot("02", "alice@x", 3, false),
            snapshot("03", "alice@x", 4, true),
            snapshot("04", "bob@x", 2, false),
            snapshot("05", "carol@x", 4, true),
        ];
        let check = |time: i64, expected: &[&str]| {
            let chosen = SnapshotSelector::AsOf(time).choose(all.clone(), None);
            let ids: Vec<_> = chosen
                .unwrap_or_default()
                .into_iter()
                .map(|s| s.id)
                .collect();
            assert_eq!(ids, expected, "{time}");
        };
        check(0, &[]);
        check(1, &["01"]);
        check(2, &["01", "04"]);
        check(3, &["02", "04"]);
        check(9, &["02", "04", "05"]);
    }

    #[test]
    fn users_name_snapshots_by_latest_or_by_the_beginning_of_an_id() {
        check("latest", None, Ok(&["02aa", "01ab", "04cc"]));
        check("latest", Some("Alice@X"), Ok(&["02aa"]));
        check("02", None, Ok(&["02aa"]));
        check("02AA", Some("alice@x"), Ok(&["02aa"]));
        check("01", None, Err(ErrorKind::Invalid));
        check("01", Some("bob@x"), Ok(&["01ab"]));
        check("09", None, Err(ErrorKind::NotFound));
        check("latest", Some("dave@x"), Err(ErrorKind::NotFound));
    }
}

//! Holds: what no policy, no forgetting and no collection takes away.
//!
//! A hold is written once and released by another record; see `docs/format.md`. What it holds is
//! also the tree of its own record, so that the store itself spares it.

use std::sync::Arc;

use chunkstore::{SnapshotInfo, TreeReader, TreeRoot};
use serde::{Deserialize, Serialize};

use crate::error::{Doing, Error, ErrorKind, Result};
use crate::keys::TreeKey;
use crate::ledger::{Kind, Record};
use crate::search::SearchHit;
use crate::snapshot::{About, Snapshot};
use crate::vault::Vault;

/// Longest text of who and why, in bytes.
const MAX_TEXT_BYTES: usize = 4096;

/// What is held of a mailbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "what")]
pub enum Held {
    /// All its snapshots, those to come included.
    Mailbox,
    /// One snapshot.
    Snapshot {
        /// Its id.
        snapshot: String,
    },
    /// Items that a search found.
    Items {
        /// The search, as it was typed.
        query: String,
        /// How many items.
        items: u64,
    },
}

/// A hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Hold {
    /// Its id. One on items is the id of a tree that holds them, and can be named like a snapshot.
    pub id: String,
    /// The mailbox.
    pub mailbox: String,
    /// What of it.
    #[serde(flatten)]
    pub held: Held,
    /// When it was made, milliseconds since 1970 UTC.
    pub time_unix_ms: i64,
    /// Who asked for it.
    pub who: String,
    /// Why.
    pub why: String,
    /// When it ends by itself, milliseconds since 1970 UTC; `None`: when it is released.
    pub until_unix_ms: Option<i64>,
    /// How it was released, if it was.
    pub released: Option<Release>,
}

/// The end of a hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Release {
    /// When, milliseconds since 1970 UTC.
    pub time_unix_ms: i64,
    /// Who released it.
    pub who: String,
    /// Why.
    pub why: String,
}

/// What to hold.
#[derive(Clone, Debug)]
pub enum HoldTarget {
    /// A mailbox, by its address; it need not have been backed up yet.
    Mailbox(String),
    /// A snapshot.
    Snapshot(Box<Snapshot>),
    /// What a search found.
    Items {
        /// The search as it was typed.
        query: String,
        /// What it found.
        hits: Vec<SearchHit>,
    },
}

/// Who holds, why, and until when.
#[derive(Clone, Debug, Default)]
pub struct HoldOptions {
    /// Who asks for it.
    pub who: String,
    /// Why.
    pub why: String,
    /// When it ends by itself, milliseconds since 1970 UTC.
    pub until_unix_ms: Option<i64>,
}

/// A hold, and a release, as stored: JSON in the value of a record.
#[derive(Serialize, Deserialize)]
struct StoredHold {
    mailbox: String,
    #[serde(flatten)]
    held: Held,
    who: String,
    why: String,
    until_unix_ms: Option<i64>,
    /// In a release: the hold that it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ends: Option<Ended>,
}

#[derive(Serialize, Deserialize)]
struct Ended {
    hold: String,
    held_since_unix_ms: i64,
    who: String,
    why: String,
}

impl Hold {
    /// Whether it still holds at a time.
    pub fn is_active(&self, now_unix_ms: i64) -> bool {
        self.released.is_none() && self.until_unix_ms.is_none_or(|until| now_unix_ms < until)
    }
}

impl Vault {
    /// Holds a mailbox, a snapshot, or what a search found (one hold a mailbox).
    ///
    /// # Errors
    /// `Invalid` without a reason or for a time that has passed, `NotFound` if a snapshot was
    /// forgotten meanwhile or nothing was found, and those of the repository.
    pub async fn hold(&self, target: HoldTarget, options: &HoldOptions) -> Result<Vec<Hold>> {
        check_options(options, self.now_unix_ms())?;
        match target {
            HoldTarget::Mailbox(mailbox) => {
                let mailbox = mailbox.trim().to_lowercase();
                let root = TreeRoot::empty();
                let made = self.add_hold(mailbox, Held::Mailbox, root, options).await?;
                Ok(vec![made])
            }
            HoldTarget::Snapshot(snapshot) => {
                Ok(vec![self.hold_snapshot(&snapshot, options).await?])
            }
            HoldTarget::Items { query, hits } => self.hold_hits(&query, &hits, options).await,
        }
    }

    /// Opens a session before it looks whether the snapshot is there: what is there now cannot be
    /// collected until the session has ended, and by then the hold's own record has the tree. So a
    /// hold never refers to what is gone, whatever is forgotten and pruned meanwhile.
    async fn hold_snapshot(&self, snapshot: &Snapshot, options: &HoldOptions) -> Result<Hold> {
        let session = self.ledger_session().await?;
        let all = self.snapshots_and_kept().await?;
        if all.iter().all(|other| other.id != snapshot.id) {
            session
                .abandon()
                .await
                .doing(|| "close the session".into())?;
            let message = format!("snapshot {} was forgotten meanwhile", snapshot.short_id());
            return Err(Error::new(ErrorKind::NotFound, message));
        }
        let held = Held::Snapshot {
            snapshot: snapshot.id.clone(),
        };
        let hold = stored(snapshot.mailbox.clone(), held, options);
        let id = self
            .hold_record(Kind::Hold, snapshot.root.clone(), &hold)?
            .add(&session)?
            .to_string();
        session.commit().await.doing(|| "write the hold".into())?;
        let all = self.snapshots_and_kept().await?;
        if all.iter().any(|other| other.id == snapshot.id) {
            return self.find_hold(&id).await;
        }
        // Forgotten between the look and the commit: a hold on it would hold nothing to be seen.
        self.forget_ids(&[id]).await?;
        let message = format!("snapshot {} was forgotten meanwhile", snapshot.short_id());
        Err(Error::new(ErrorKind::NotFound, message))
    }

    async fn hold_hits(
        &self,
        query: &str,
        hits: &[SearchHit],
        options: &HoldOptions,
    ) -> Result<Vec<Hold>> {
        if hits.is_empty() {
            let message = format!("the search found nothing to hold: {query}");
            return Err(Error::new(ErrorKind::NotFound, message));
        }
        let mut mailboxes: Vec<&str> = hits.iter().map(|hit| hit.mailbox.as_str()).collect();
        mailboxes.sort_unstable();
        mailboxes.dedup();
        let mut made = Vec::new();
        for mailbox in mailboxes {
            let of_mailbox: Vec<_> = hits.iter().filter(|hit| hit.mailbox == mailbox).collect();
            made.push(
                self.hold_items(mailbox, query, &of_mailbox, options)
                    .await?,
            );
        }
        Ok(made)
    }

    /// Writes the tree of the items of one mailbox and the hold on it.
    async fn hold_items(
        &self,
        mailbox: &str,
        query: &str,
        hits: &[&SearchHit],
        options: &HoldOptions,
    ) -> Result<Hold> {
        let session = self.ledger_session().await?;
        let tree = match self.found_items(hits).await {
            Ok(tree) => tree,
            Err(error) => {
                session
                    .abandon()
                    .await
                    .doing(|| "close the session".into())?;
                return Err(error);
            }
        };
        let items = tree.items();
        let root = tree.write(self, Arc::new(session.clone())).await?;
        let held = Held::Items {
            query: query.to_owned(),
            items,
        };
        let hold = stored(mailbox.to_owned(), held, options);
        let record = self.hold_record(Kind::Hold, root, &hold)?;
        let id = record.add(&session)?;
        session.commit().await.doing(|| "write the hold".into())?;
        self.find_hold(&id.to_string()).await
    }

    /// The items that a search found, from the snapshots that are there now.
    async fn found_items(&self, hits: &[&SearchHit]) -> Result<crate::retention::KeptTree> {
        let mut tree = crate::retention::KeptTree::default();
        for snapshot in self.snapshots().await? {
            let reader = TreeReader::new(self.source(), snapshot.root.clone());
            for hit in hits.iter().filter(|hit| hit.snapshot == snapshot.id) {
                let key = TreeKey::Item(hit.item);
                let entry = reader
                    .get(&key.to_bytes())
                    .await
                    .doing(|| "read an item".into())?;
                let entry = entry.ok_or_else(|| {
                    Error::new(
                        ErrorKind::Corrupt,
                        "a search found an item that is not there",
                    )
                })?;
                tree.add(entry);
            }
            tree.add_folders(self, &snapshot).await?;
        }
        if tree.items() == 0 {
            let message = "what the search found was forgotten meanwhile: search again";
            return Err(Error::new(ErrorKind::NotFound, message));
        }
        Ok(tree)
    }

    async fn add_hold(
        &self,
        mailbox: String,
        held: Held,
        root: TreeRoot,
        options: &HoldOptions,
    ) -> Result<Hold> {
        let hold = stored(mailbox, held, options);
        let record = self.hold_record(Kind::Hold, root, &hold)?;
        let id = self.write_record(record).await?;
        self.find_hold(&id).await
    }

    fn hold_record(&self, kind: Kind, root: TreeRoot, hold: &StoredHold) -> Result<Record> {
        Record::new(kind, self.now_unix_ms(), root, hold)
    }

    async fn find_hold(&self, id: &str) -> Result<Hold> {
        let holds = self.holds().await?;
        let fitting: Vec<_> = holds
            .into_iter()
            .filter(|hold| hold.released.is_none() && hold.id.starts_with(&id.to_lowercase()))
            .collect();
        match fitting.len() {
            1 => fitting.into_iter().next().ok_or_else(|| no_hold(id)),
            0 => Err(no_hold(id)),
            many => Err(Error::new(
                ErrorKind::Invalid,
                format!("{many} holds begin with {id}: give more of the id"),
            )),
        }
    }

    /// All holds, oldest first, those that have ended included.
    ///
    /// # Errors
    /// `Corrupt` if one cannot be read: nothing is decided without it.
    pub async fn holds(&self) -> Result<Vec<Hold>> {
        let mut holds: Vec<Hold> = Vec::new();
        let mut released: Vec<Hold> = Vec::new();
        for (kind, info) in self.records().await? {
            match kind {
                Kind::Hold => holds.push(read_hold(&info)?),
                Kind::Release => released.push(read_hold(&info)?),
                _ => {}
            }
        }
        // A hold whose record could not be forgotten after its release is told once.
        holds.retain(|hold| released.iter().all(|other| other.id != hold.id));
        holds.extend(released);
        holds.sort_by(|a, b| (a.time_unix_ms, &a.id).cmp(&(b.time_unix_ms, &b.id)));
        Ok(holds)
    }

    /// The trees of holds on items, as snapshots.
    pub(crate) async fn held_snapshots(&self) -> Result<Vec<Snapshot>> {
        let mut trees = Vec::new();
        for (kind, info) in self.records().await? {
            if kind != Kind::Hold {
                continue;
            }
            let hold = read_hold(&info)?;
            if let Held::Items { items, .. } = hold.held {
                let about = About {
                    items,
                    ..About::default()
                };
                trees.push(Snapshot {
                    id: hold.id,
                    mailbox: hold.mailbox,
                    time_unix_ms: hold.time_unix_ms,
                    partial: false,
                    kept: true,
                    lost: self.repository.lost_entries(&info.id),
                    about,
                    root: info.root,
                });
            }
        }
        Ok(trees)
    }

    /// Releases a hold, named by its id or the beginning of it. What it held is subject to the
    /// policy again.
    ///
    /// # Errors
    /// `NotFound` if there is no such hold or it was released, `Invalid` without a reason.
    pub async fn release_hold(&self, id: &str, options: &HoldOptions) -> Result<Hold> {
        check_options(options, self.now_unix_ms())?;
        let hold = self.find_hold(id).await?;
        let release = StoredHold {
            mailbox: hold.mailbox.clone(),
            held: hold.held.clone(),
            who: options.who.clone(),
            why: options.why.clone(),
            until_unix_ms: hold.until_unix_ms,
            ends: Some(Ended {
                hold: hold.id.clone(),
                held_since_unix_ms: hold.time_unix_ms,
                who: hold.who.clone(),
                why: hold.why.clone(),
            }),
        };
        let record = self.hold_record(Kind::Release, TreeRoot::empty(), &release)?;
        self.write_record(record).await?;
        self.forget_ids(std::slice::from_ref(&hold.id)).await?;
        let released = Release {
            time_unix_ms: self.now_unix_ms(),
            who: options.who.clone(),
            why: options.why.clone(),
        };
        Ok(Hold {
            released: Some(released),
            ..hold
        })
    }
}

fn stored(mailbox: String, held: Held, options: &HoldOptions) -> StoredHold {
    StoredHold {
        mailbox,
        held,
        who: options.who.clone(),
        why: options.why.clone(),
        until_unix_ms: options.until_unix_ms,
        ends: None,
    }
}

fn read_hold(info: &SnapshotInfo) -> Result<Hold> {
    let stored: StoredHold = serde_json::from_slice(&info.value).map_err(|error| {
        Error::with_source(
            ErrorKind::Corrupt,
            format!("hold {} is damaged", info.id),
            error,
        )
    })?;
    let hold = Hold {
        id: info.id.to_string(),
        mailbox: stored.mailbox,
        held: stored.held,
        time_unix_ms: info.time_unix_ms,
        who: stored.who,
        why: stored.why,
        until_unix_ms: stored.until_unix_ms,
        released: None,
    };
    let Some(ends) = stored.ends else {
        return Ok(hold);
    };
    let released = Release {
        time_unix_ms: hold.time_unix_ms,
        who: hold.who,
        why: hold.why,
    };
    Ok(Hold {
        id: ends.hold,
        time_unix_ms: ends.held_since_unix_ms,
        who: ends.who,
        why: ends.why,
        released: Some(released),
        ..hold
    })
}

/// The mailbox that a stored hold or release is about, if that can be read.
pub(crate) fn held_mailbox(info: &SnapshotInfo) -> Option<String> {
    let stored: StoredHold = serde_json::from_slice(&info.value).ok()?;
    Some(stored.mailbox)
}

fn check_options(options: &HoldOptions, now_unix_ms: i64) -> Result<()> {
    let invalid = |message: &str| Err(Error::new(ErrorKind::Invalid, message));
    if options.why.trim().is_empty() || options.who.trim().is_empty() {
        return invalid("a hold and its release say who asks for it, and why");
    }
    if options.why.len() > MAX_TEXT_BYTES || options.who.len() > MAX_TEXT_BYTES {
        return invalid("who and why have at most 4,096 bytes each");
    }
    if options
        .until_unix_ms
        .is_some_and(|until| until <= now_unix_ms)
    {
        return invalid("the time at which the hold would end has passed");
    }
    Ok(())
}

fn no_hold(id: &str) -> Error {
    Error::new(
        ErrorKind::NotFound,
        format!("no hold {id} that is not released"),
    )
}

//! What the repository knows of restores.

use std::collections::HashMap;

use chunkstore::{SnapshotInfo, TreeReader};
use futures::TryStreamExt;
use mailindex::FolderKey;
use serde::Serialize;

use super::{Began, Ended, StoredRun, Undone, What};
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::keys::TreeKey;
use crate::ledger::Kind;
use crate::list::{StoredItem, stored_item};
use crate::snapshot::{About, Snapshot};
use crate::state::run_mark;
use crate::vault::Vault;

/// A restore that was recorded.
#[derive(Clone, Debug, Serialize)]
pub struct RestoreRun {
    /// Its id.
    pub id: String,
    /// When it began, milliseconds since 1970 UTC.
    pub time_unix_ms: i64,
    /// How it stands.
    pub state: RunState,
    /// The mailbox it wrote to.
    pub mailbox: String,
    /// As whom it opened public folders, where a user was named: an address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reader: Option<String>,
    /// The address of the EWS endpoint it wrote to.
    pub server: String,
    /// The mailbox of the snapshot.
    pub from_mailbox: String,
    /// The snapshot's id.
    pub snapshot: String,
    /// When the snapshot was made.
    pub snapshot_time_unix_ms: i64,
    /// What it did about live items: `missing`, `changed`, `overwrite` or `both`.
    pub mode: String,
    /// The folder below which it put everything.
    pub to_folder: Option<String>,
    /// What it was restricted to; empty for everything.
    pub selection: Vec<String>,
    /// The command that asked for it.
    pub command: String,
    /// Items it created; of a run that was killed, as many as it wrote down.
    pub items_created: u64,
    /// Items it replaced.
    pub items_replaced: u64,
    /// Folders it created.
    pub folders_created: u64,
    /// Items that failed.
    pub failures: u64,
    /// Trees that hold what the replaced items were before, to be named like snapshots.
    pub replaced_kept: Vec<String>,
    /// When it was taken back, once or in several goes.
    pub undone_unix_ms: Vec<i64>,
    #[serde(skip)]
    pub(super) trees: Trees,
}

/// How a restore stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum RunState {
    /// It did not come to its end: it runs still, or it was killed.
    Unfinished,
    /// It was interrupted, or an error stopped it.
    Stopped,
    /// It went through.
    Done,
    /// It was taken back, but not all of it.
    PartlyUndone,
    /// It was taken back.
    Undone,
}

/// An item that a restore made.
#[derive(Clone, Debug, Serialize)]
pub struct RunItem {
    /// The path of its folder.
    pub folder: String,
    /// Its EWS ItemId.
    pub item_id: String,
    /// Its change key right after it was made.
    pub change_key: String,
    /// Its class.
    pub class: String,
    /// Its origin, a named property that it carries.
    pub origin: String,
    /// Whether it took the place of another.
    pub replaced: bool,
}

/// The records of a run.
#[derive(Clone, Debug, Default)]
pub(super) struct Trees {
    pub(super) records: Vec<String>,
    pub(super) kept: Vec<SnapshotInfo>,
    pub(super) made: Vec<SnapshotInfo>,
    /// Whether the run came to its end.
    pub(super) ended: bool,
}

impl RestoreRun {
    fn new(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            time_unix_ms: 0,
            state: RunState::Unfinished,
            mailbox: String::new(),
            reader: None,
            server: String::new(),
            from_mailbox: String::new(),
            snapshot: String::new(),
            snapshot_time_unix_ms: 0,
            mode: String::new(),
            to_folder: None,
            selection: Vec::new(),
            command: String::new(),
            items_created: 0,
            items_replaced: 0,
            folders_created: 0,
            failures: 0,
            replaced_kept: Vec::new(),
            undone_unix_ms: Vec::new(),
            trees: Trees::default(),
        }
    }

    fn take(&mut self, info: &SnapshotInfo, what: What) {
        self.trees.records.push(info.id.to_string());
        match what {
            What::Began(began) => self.begin(info.time_unix_ms, began),
            What::Kept { .. } => {
                self.replaced_kept.push(info.id.to_string());
                self.trees.kept.push(info.clone());
            }
            What::Made {
                items_created,
                items_replaced,
            } => {
                self.trees.made.push(info.clone());
                if self.state == RunState::Unfinished {
                    self.items_created += items_created;
                    self.items_replaced += items_replaced;
                }
            }
            What::Ended(ended) => self.end(&ended),
            What::Undone(undone) => self.undo(info.time_unix_ms, &undone),
            What::Other => {}
        }
    }

    fn begin(&mut self, time_unix_ms: i64, began: Began) {
        self.time_unix_ms = time_unix_ms;
        self.mailbox = began.mailbox;
        self.reader = began.reader;
        self.server = began.server;
        self.from_mailbox = began.from_mailbox;
        self.snapshot = began.snapshot;
        self.snapshot_time_unix_ms = began.snapshot_time_unix_ms;
        self.mode = began.mode;
        self.to_folder = began.to_folder;
        self.selection = began.selection;
        self.command = began.command;
    }

    fn end(&mut self, ended: &Ended) {
        self.trees.ended = true;
        self.items_created = ended.items_created;
        self.items_replaced = ended.items_replaced;
        self.folders_created = ended.folders_created;
        self.failures = ended.failures;
        if self.state == RunState::Unfinished {
            self.state = match ended.complete {
                true => RunState::Done,
                false => RunState::Stopped,
            };
        }
    }

    fn undo(&mut self, time_unix_ms: i64, undone: &Undone) {
        self.undone_unix_ms.push(time_unix_ms);
        self.state = match undone.complete {
            true => RunState::Undone,
            false => RunState::PartlyUndone,
        };
    }
}

impl Vault {
    /// The restores that were recorded, oldest first.
    ///
    /// # Errors
    /// `Corrupt` if a record cannot be read.
    pub async fn restore_runs(&self) -> Result<Vec<RestoreRun>> {
        let mut runs: Vec<RestoreRun> = Vec::new();
        let mut places: HashMap<String, usize> = HashMap::new();
        let mut records = Vec::new();
        for (kind, info) in self.records().await? {
            if kind == Kind::Run {
                records.push((read_record(&info)?, info));
            }
        }
        // Records of one millisecond come in the order in which they are written.
        records.sort_by_key(|(stored, info)| (info.time_unix_ms, rank(&stored.what)));
        for (stored, info) in records {
            let id = stored.run.to_string();
            let at = *places.entry(id.clone()).or_insert(runs.len());
            if at == runs.len() {
                runs.push(RestoreRun::new(&id));
            }
            if let Some(run) = runs.get_mut(at) {
                run.take(&info, stored.what);
            }
        }
        Ok(runs)
    }

    /// One of them, by its id or the beginning of it, or `latest`.
    ///
    /// # Errors
    /// `NotFound` if there is none, `Invalid` if several begin with it.
    pub async fn restore_run(&self, id: &str) -> Result<RestoreRun> {
        let mut runs = self.restore_runs().await?;
        let wanted = id.trim().to_lowercase();
        if wanted == "latest" {
            return runs
                .pop()
                .ok_or_else(|| Error::new(ErrorKind::NotFound, "no restore was recorded"));
        }
        runs.retain(|run| !wanted.is_empty() && run.id.starts_with(&wanted));
        match runs.len() {
            0 | 1 => runs.pop().ok_or_else(|| {
                Error::new(ErrorKind::NotFound, format!("no restore {id} was recorded"))
            }),
            many => Err(Error::new(
                ErrorKind::Invalid,
                format!("{many} restores begin with {id}: give more of the id"),
            )),
        }
    }

    /// What a restore made, as far as it wrote that down.
    ///
    /// # Errors
    /// `Corrupt` if a record cannot be read.
    pub async fn restore_run_items(&self, run: &RestoreRun) -> Result<Vec<RunItem>> {
        let mut items = Vec::new();
        for info in &run.trees.made {
            let tree = snapshot(run, info);
            let folders = self.all_folders(&tree).await?;
            let paths: HashMap<FolderKey, String> = folders
                .into_iter()
                .map(|folder| (folder.key, folder.title()))
                .collect();
            for item in self.tree_items(info).await? {
                let mark = run_mark(&item.entry)?;
                items.push(RunItem {
                    folder: paths.get(&item.key.folder).cloned().unwrap_or_default(),
                    item_id: item.state.item_id,
                    change_key: item.state.change_key,
                    class: item.state.item_class,
                    origin: mark.origin.as_str().to_owned(),
                    replaced: mark.replaced,
                });
            }
        }
        Ok(items)
    }

    /// Forgets what is known of a restore: it cannot be taken back any more, and the versions that
    /// it replaced are no longer kept on its account.
    ///
    /// # Errors
    /// As for [`Vault::restore_run`].
    pub async fn forget_restore_run(&self, id: &str) -> Result<RestoreRun> {
        let run = self.restore_run(id).await?;
        self.forget_ids(&run.trees.records).await?;
        Ok(run)
    }

    /// The trees of what was replaced, as snapshots of the mailboxes written to.
    pub(crate) async fn replaced_snapshots(&self) -> Result<Vec<Snapshot>> {
        let runs = self.restore_runs().await?;
        let of_run = |run: &RestoreRun| -> Vec<Snapshot> {
            let kept = run.trees.kept.iter();
            kept.map(|info| snapshot(run, info)).collect()
        };
        Ok(runs.iter().flat_map(of_run).collect())
    }

    /// The items of a record's tree.
    pub(super) async fn tree_items(&self, info: &SnapshotInfo) -> Result<Vec<StoredItem>> {
        let mut entries = TreeReader::new(self.source(), info.root.clone()).all();
        let mut items = Vec::new();
        while let Some(entry) = entries
            .try_next()
            .await
            .doing(|| "read what a restore did".into())?
        {
            if matches!(TreeKey::from_bytes(&entry.key)?, TreeKey::Item(_)) {
                items.push(stored_item(entry)?);
            }
        }
        Ok(items)
    }
}

fn snapshot(run: &RestoreRun, info: &SnapshotInfo) -> Snapshot {
    Snapshot {
        id: info.id.to_string(),
        mailbox: run.mailbox.clone(),
        time_unix_ms: info.time_unix_ms,
        partial: false,
        kept: true,
        lost: 0,
        about: About {
            server: run.server.clone(),
            reader: run.reader.clone(),
            ..About::default()
        },
        root: info.root.clone(),
    }
}

/// The order of records of one time.
fn rank(what: &What) -> u8 {
    match what {
        What::Began(_) => 0,
        What::Kept { .. } => 1,
        What::Made { .. } => 2,
        What::Ended(_) => 3,
        What::Undone(_) | What::Other => 4,
    }
}

fn read_record(info: &SnapshotInfo) -> Result<StoredRun> {
    let stored: StoredRun = serde_json::from_slice(&info.value).map_err(|error| {
        let message = format!("record {} of a restore is damaged", info.id);
        Error::with_source(ErrorKind::Corrupt, message, error)
    })?;
    match stored.run.is_valid() {
        true => Ok(stored),
        false => Err(Error::new(
            ErrorKind::Corrupt,
            format!("record {} of a restore names no run", info.id),
        )),
    }
}

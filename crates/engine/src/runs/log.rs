//! Writes down what a restore does while it does it.

use std::collections::BTreeMap;
use std::sync::Arc;

use chunkstore::{Session, TreeRoot, write_tree};
use futures::{StreamExt, stream};
use mailindex::{FolderRow, ItemRow};

use super::{Began, Ended, StoredRun, What};
use crate::error::{Doing, Error, Result};
use crate::folders::RemoteFolder;
use crate::keys::{Holds, associated_key, folder_key, item_key};
use crate::ledger::{Kind, Record};
use crate::origin::{Origin, RunId};
use crate::state::{Form, RunMark, contents_to_bytes, folder_entry, item_entry, with_run};
use crate::vault::Vault;

/// Items after which what was made is written down: a kill leaves so many to be looked for.
const PART_ITEMS: usize = 5_000;

/// An item that was made.
pub(crate) struct MadeItem {
    pub(crate) folder_id: String,
    pub(crate) holds: Holds,
    pub(crate) item_id: String,
    pub(crate) change_key: String,
    pub(crate) class: String,
    pub(crate) origin: Origin,
    pub(crate) replaced: bool,
}

/// Whether the run is written down.
enum Recording {
    /// Nothing was written to the server yet, and so nothing to the repository.
    NotYet,
    On,
    /// The repository cannot be written to, for this reason.
    Off(String),
    /// Nobody could take the run back: the server ends with the program.
    Unwanted,
}

/// The log of one run.
pub(crate) struct RunLog {
    vault: Vault,
    run: RunId,
    began: Option<Began>,
    /// Whether the run must not go on without it.
    required: bool,
    recording: Recording,
    made: Vec<MadeItem>,
    ended: Ended,
}

impl RunLog {
    pub(crate) fn new(vault: &Vault, began: Began, required: bool) -> Self {
        let mut random = [0; 12];
        (vault.environment.random)(&mut random);
        Self {
            vault: vault.clone(),
            run: RunId::new(random),
            began: Some(began),
            required,
            recording: Recording::NotYet,
            made: Vec::new(),
            ended: Ended::default(),
        }
    }

    /// The same without writing anything down.
    pub(crate) fn unwanted(self) -> Self {
        Self {
            began: None,
            recording: Recording::Unwanted,
            ..self
        }
    }

    pub(crate) fn run(&self) -> &RunId {
        &self.run
    }

    /// The run's id, if it stands in the repository.
    pub(crate) fn recorded(&self) -> Option<String> {
        matches!(self.recording, Recording::On).then(|| self.run.to_string())
    }

    /// Why it does not, if it should.
    pub(crate) fn unrecorded(&self) -> Option<String> {
        match &self.recording {
            Recording::Off(reason) => Some(reason.clone()),
            _ => None,
        }
    }

    /// Writes the beginning down, once; to be called before anything is written to the server.
    ///
    /// # Errors
    /// Those of the repository, where the run must not go on without it.
    pub(crate) async fn begin(&mut self) -> Result<()> {
        let Some(began) = self.began.take() else {
            return Ok(());
        };
        let written = self.write(What::Began(began)).await;
        self.settle(written)
    }

    /// A repository that cannot be written to must not keep anybody from getting mail back.
    fn settle(&mut self, written: Result<()>) -> Result<()> {
        match written {
            Ok(()) => self.recording = Recording::On,
            Err(error) if self.required => return Err(error),
            Err(error) => self.recording = Recording::Off(crate::backup::one_line(&error)),
        }
        Ok(())
    }

    async fn write(&self, what: What) -> Result<()> {
        let record = self.record(what, TreeRoot::empty())?;
        self.vault.write_record(record).await?;
        Ok(())
    }

    pub(super) fn record(&self, what: What, root: TreeRoot) -> Result<Record> {
        let run = self.run.clone();
        let now = self.vault.now_unix_ms();
        Record::new(Kind::Run, now, root, &StoredRun { run, what })
    }

    /// Notes a folder that was created.
    pub(crate) fn folder_created(&mut self) {
        self.ended.folders_created += 1;
    }

    /// Notes an item that was made; from time to time what was noted has to be [sealed](Self::seal).
    pub(crate) fn note(&mut self, item: MadeItem) -> bool {
        match item.replaced {
            true => self.ended.items_replaced += 1,
            false => self.ended.items_created += 1,
        }
        self.made.push(item);
        self.made.len() >= PART_ITEMS
    }

    /// Writes down what was noted since the last time.
    pub(crate) async fn seal(&mut self, folders: &[RemoteFolder]) {
        let written = self.seal_with(folders, None).await;
        self.notice(written);
    }

    /// Writes down the end.
    pub(crate) async fn end(&mut self, folders: &[RemoteFolder], failures: u64, complete: bool) {
        self.ended.failures = failures;
        self.ended.complete = complete;
        let ended = self.ended.clone();
        let written = self.seal_with(folders, Some(ended)).await;
        self.notice(written);
    }

    /// What was made is there already, and found by its origin: the run goes on.
    fn notice(&mut self, written: Result<()>) {
        if let Err(error) = written {
            self.recording = Recording::Off(crate::backup::one_line(&error));
        }
    }

    async fn seal_with(&mut self, folders: &[RemoteFolder], ended: Option<Ended>) -> Result<()> {
        let made = std::mem::take(&mut self.made);
        if !matches!(self.recording, Recording::On) || (made.is_empty() && ended.is_none()) {
            return Ok(());
        }
        let session = self.vault.ledger_session().await?;
        if !made.is_empty() {
            let mut tree = Tree::default();
            for item in &made {
                tree.add_made(item, folders)?;
            }
            let root = tree.write(&self.vault, &session).await?;
            let items_replaced = made.iter().filter(|item| item.replaced).count() as u64;
            let what = What::Made {
                items_created: made.len() as u64 - items_replaced,
                items_replaced,
            };
            self.record(what, root)?.add(&session)?;
        }
        if let Some(ended) = ended {
            self.record(What::Ended(ended), TreeRoot::empty())?
                .add(&session)?;
        }
        session
            .commit()
            .await
            .doing(|| "write down what the restore did".into())?;
        Ok(())
    }
}

/// A tree of live items and the folders that lead to them.
#[derive(Default)]
pub(super) struct Tree(BTreeMap<Vec<u8>, chunkstore::Entry>);

impl Tree {
    pub(super) fn add(&mut self, entry: chunkstore::Entry) {
        self.0.insert(entry.key.clone(), entry);
    }

    fn add_made(&mut self, item: &MadeItem, folders: &[RemoteFolder]) -> Result<()> {
        let folder = self.add_folder(&item.folder_id, item.holds, folders);
        let row = ItemRow {
            item_id: item.item_id.clone(),
            change_key: item.change_key.clone(),
            item_class: item.class.clone(),
            content: contents_to_bytes(&[], Form::Native),
            ..ItemRow::default()
        };
        let mark = RunMark {
            origin: item.origin.clone(),
            replaced: item.replaced,
        };
        let entry = item_entry(item_key(folder, &item.item_id), &row)?;
        self.add(with_run(entry, &mark));
        Ok(())
    }

    /// Adds a folder with those above it; returns the key under which its items stand.
    pub(super) fn add_folder(
        &mut self,
        id: &str,
        holds: Holds,
        folders: &[RemoteFolder],
    ) -> mailindex::FolderKey {
        let key = folder_key(id);
        let mut at = folders.iter().find(|folder| folder.key == key);
        for _ in 0..folders.len() {
            let Some(folder) = at else { break };
            let entry = folder_entry(folder.key, &row(folder));
            if self.0.insert(entry.key.clone(), entry).is_some() {
                break;
            }
            let parent = folder.parent;
            at = parent.and_then(|parent| folders.iter().find(|other| other.key == parent));
        }
        if holds == Holds::Items {
            return key;
        }
        let hidden = associated_key(id);
        let row = FolderRow {
            folder_id: id.to_owned(),
            parent: Some(key),
            ..FolderRow::default()
        };
        self.add(folder_entry(hidden, &row));
        hidden
    }

    pub(super) async fn write(self, vault: &Vault, session: &Session) -> Result<TreeRoot> {
        let entries = self.0.into_values();
        let changes = entries.map(|entry| Ok::<_, Error>(entry.into()));
        let sink = Arc::new(session.clone());
        write_tree(sink, vault.source(), None, stream::iter(changes).boxed()).await
    }
}

fn row(folder: &RemoteFolder) -> FolderRow {
    FolderRow {
        folder_id: folder.id.clone(),
        parent: folder.parent,
        display_name: folder.name.clone(),
        folder_class: folder.class.clone(),
        distinguished: folder.distinguished.clone(),
        ..FolderRow::default()
    }
}

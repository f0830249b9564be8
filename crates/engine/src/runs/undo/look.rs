//! What of a restore is still there, and what may be taken back.

use std::collections::{HashMap, HashSet};

use ews_client::{FolderId, ItemId};
use futures::TryStreamExt;
use mailindex::{FolderKey, ItemKey};

use super::super::read::RestoreRun;
use super::Undo;
use crate::error::Result;
use crate::folders::{RemoteFolder, RemoteFolders};
use crate::keys::{Holds, item_key};
use crate::list::StoredItem;
use crate::origin::Origin;
use crate::report::ItemFailure;
use crate::restore::differs;
use crate::restore::live::{LiveRead, LiveReader, Wanted};
use crate::restore::present::{Live, Look, present_in};
use crate::state::{Form, run_mark};
use crate::vault::Vault;

/// Items read with one request to be compared.
const READ_ITEMS: usize = 25;

/// What the records say.
pub(super) struct Seen {
    /// The change keys of what was made.
    made: HashMap<ItemKey, MadeKey>,
    /// What was replaced, by where it lay, with the origin of what took its place.
    kept: HashMap<ItemKey, (StoredItem, Origin)>,
    folders: HashSet<FolderKey>,
    /// Whether there can be more than the records say.
    unfinished: bool,
}

struct MadeKey {
    change_key: String,
    replaced: bool,
}

/// What of a folder is to be taken back.
#[derive(Default)]
pub(super) struct Found {
    /// To be deleted.
    pub(super) created: Vec<ItemId>,
    /// To be put back, with the live item that took its place; none where that is gone.
    pub(super) replaced: Vec<(StoredItem, Option<ItemId>)>,
    pub(super) gone: u64,
    pub(super) left: Vec<ItemFailure>,
}

/// The snapshot's items that a run may have restored, by which items they are.
pub(super) type Origins = HashMap<String, StoredItem>;

/// What becomes of a live item that the run made.
struct Made {
    live: Live,
    /// What it replaced.
    old: Option<StoredItem>,
    /// Whether it is what the run made of it, as far as that is known by now.
    unchanged: Option<bool>,
}

impl Seen {
    pub(super) async fn read(vault: &Vault, run: &RestoreRun) -> Result<Self> {
        let mut seen = Self {
            made: HashMap::new(),
            kept: HashMap::new(),
            folders: HashSet::new(),
            unfinished: run.never_ended(),
        };
        for info in &run.trees.made {
            for item in vault.tree_items(info).await? {
                let mark = run_mark(&item.entry)?;
                let known = MadeKey {
                    change_key: item.state.change_key,
                    replaced: mark.replaced,
                };
                seen.folders.insert(item.key.folder);
                seen.made.insert(item.key, known);
            }
        }
        for info in &run.trees.kept {
            for item in vault.tree_items(info).await? {
                let mark = run_mark(&item.entry)?;
                seen.folders.insert(item.key.folder);
                seen.kept.insert(item.key, (item, mark.origin));
            }
        }
        Ok(seen)
    }

    /// Whether a folder can hold anything that the run made.
    pub(super) fn concerns(&self, folder: &RemoteFolder) -> bool {
        let may_hold = folder.holds == Holds::Items || folder.total > 0;
        self.folders.contains(&folder.key) || (self.unfinished && may_hold)
    }

    /// Items that went with their folders.
    pub(super) fn in_folders_that_are_gone(&self, remote: &RemoteFolders) -> u64 {
        let live: HashSet<FolderKey> = remote
            .folders
            .iter()
            .flat_map(|folder| [folder.key, folder.hidden().key])
            .collect();
        let made = self.made.keys().filter(|key| !live.contains(&key.folder));
        made.count() as u64
    }
}

impl Undo<'_> {
    /// Looks at a folder.
    pub(super) async fn look(
        &self,
        folder: &RemoteFolder,
        seen: &Seen,
        origins: &mut Option<Origins>,
    ) -> Result<Found> {
        let id = FolderId::new(folder.id.clone());
        let has_kept = seen.kept.keys().any(|key| key.folder == folder.key);
        let look = Look {
            folder: &id,
            path: &folder.path,
            holds: folder.holds,
            ids: has_kept,
            details: true,
            meetings: false,
        };
        let present =
            present_in(self.remote.routes.of(folder.key), &self.way.permits, look).await?;
        let mut by_origin: HashMap<&str, ItemKey> = HashMap::new();
        for (key, (_, origin)) in seen.kept.iter().filter(|(k, _)| k.folder == folder.key) {
            by_origin.insert(origin.as_str(), *key);
        }
        let (mut found, mut made, mut met) = (Found::default(), Vec::new(), HashSet::new());
        for live in present.live {
            let key = item_key(folder.key, &live.id.id);
            let Some(origin) = live.origin.as_ref().filter(|origin| origin.is_of(&self.id)) else {
                // What a run replaced and is what it was, or was put back, is left in peace.
                if seen.kept.contains_key(&key) {
                    met.insert(key);
                }
                if let Some(origin) = live.origin.as_ref().filter(|o| o.is_of(&self.id.undoing())) {
                    found.note_put_back(self, seen, origin, folder, &mut met);
                }
                continue;
            };
            let replaces = match seen.kept.contains_key(&key) {
                true => Some(key),
                false => by_origin.get(origin.as_str()).copied(),
            };
            let known = seen.made.get(&key);
            if known.is_none() && replaces.is_none() && !seen.unfinished {
                // All that the run made is known: somebody has moved or copied this one here.
                continue;
            }
            met.insert(key);
            met.extend(replaces);
            made.push(Made {
                old: replaces.and_then(|key| Some(seen.kept.get(&key)?.0.clone())),
                unchanged: known.map(|known| known.change_key == live.change_key()),
                live,
            });
        }
        found.missing(self, seen, folder, &met);
        self.compare_unknown(&mut made, origins).await?;
        found.sort(self, folder, made);
        Ok(found)
    }

    /// Compares what nobody wrote down with what was to be restored.
    async fn compare_unknown(
        &self,
        made: &mut [Made],
        origins: &mut Option<Origins>,
    ) -> Result<()> {
        if self.options.force {
            return Ok(());
        }
        let mut unknown: Vec<&mut Made> = made
            .iter_mut()
            .filter(|made| made.unchanged.is_none())
            .collect();
        if unknown.is_empty() {
            return Ok(());
        }
        let stored = match origins {
            Some(stored) => stored,
            None => origins.insert(self.stored_items().await?),
        };
        let reader = LiveReader {
            exchange: &self.way.exchange,
            routes: &self.remote.routes,
            permits: &self.way.permits,
        };
        for batch in unknown.chunks_mut(READ_ITEMS) {
            let item_of = |made: &Made| stored.get(made.live.origin.as_ref()?.which());
            let wanted: Vec<Wanted> = batch
                .iter()
                .map(|made| Wanted {
                    id: made.live.id.clone(),
                    folder: made.live.folder,
                    class: item_of(made)
                        .map(|item| item.state.item_class.clone())
                        .unwrap_or_default(),
                })
                .collect();
            let reads = reader.read(&wanted).await?;
            for (made, read) in batch.iter_mut().zip(reads) {
                let Some(item) = item_of(made) else { continue };
                made.unchanged = self.is_as_stored(item, read).await;
            }
        }
        Ok(())
    }

    async fn is_as_stored(&self, item: &StoredItem, read: LiveRead) -> Option<bool> {
        let LiveRead::Item(live, form) = read else {
            return None;
        };
        let stored = self.vault.stored_bytes(item).await.ok()?;
        let as_is = differs(item, &stored, &live, form).is_none();
        // What the server refused came from its portable form.
        let as_portable = || {
            item.state.form == Form::Native
                && crate::restore::differs_as_portable(item, &stored, &live).is_none()
        };
        Some(as_is || as_portable())
    }

    /// The items of the snapshot by their origins; none if it was forgotten.
    async fn stored_items(&self) -> Result<Origins> {
        let mut found = Origins::new();
        let all = self.vault.snapshots_and_kept().await?;
        let Some(snapshot) = all.iter().find(|other| other.id == self.run.snapshot) else {
            return Ok(found);
        };
        for folder in self.vault.all_folders(snapshot).await? {
            let mut items = self.vault.stored_items(snapshot, folder.key);
            while let Some(item) = items.try_next().await? {
                let origin = self.vault.origin(&snapshot.mailbox, &item, &self.id)?;
                found.insert(origin.which().to_owned(), item);
            }
        }
        Ok(found)
    }
}

impl Found {
    /// Sorts what the run made.
    fn sort(&mut self, undo: &Undo<'_>, folder: &RemoteFolder, made: Vec<Made>) {
        for made in made {
            let may_go = undo.options.force || made.unchanged == Some(true);
            match (may_go, made.old) {
                (true, Some(old)) => self.replaced.push((old, Some(made.live.id))),
                (true, None) => self.created.push(made.live.id),
                (false, _) => {
                    let reason = match made.unchanged {
                        Some(_) => "it was changed since: --force takes it back all the same",
                        None => {
                            "nothing tells whether it was changed since: --force takes it back all \
                             the same"
                        }
                    };
                    self.leave(undo, folder, made.live.id.id, reason);
                }
            }
        }
    }

    /// What was made or replaced and is not there.
    fn missing(
        &mut self,
        undo: &Undo<'_>,
        seen: &Seen,
        folder: &RemoteFolder,
        met: &HashSet<ItemKey>,
    ) {
        let made = seen
            .made
            .iter()
            .filter(|(key, made)| key.folder == folder.key && !made.replaced && !met.contains(key));
        self.gone += made.count() as u64;
        let kept = seen.kept.iter();
        for (_, (item, _)) in kept.filter(|(k, _)| k.folder == folder.key && !met.contains(k)) {
            if undo.options.force {
                self.replaced.push((item.clone(), None));
            } else {
                let reason = "it was replaced, and deleted or moved since: --force puts back what \
                              it was";
                self.leave(undo, folder, item.state.item_id.clone(), reason);
            }
        }
    }

    /// An item that an earlier try put back as a new one.
    fn note_put_back(
        &mut self,
        undo: &Undo<'_>,
        seen: &Seen,
        origin: &Origin,
        folder: &RemoteFolder,
        met: &mut HashSet<ItemKey>,
    ) {
        let mailbox = undo.kept_mailbox();
        let of_folder = seen.kept.iter().filter(|(k, _)| k.folder == folder.key);
        for (key, (item, _)) in of_folder {
            let known = undo.vault.origin(&mailbox, item, &undo.id.undoing());
            if known.is_ok_and(|known| known == *origin) {
                met.insert(*key);
            }
        }
    }

    fn leave(&mut self, undo: &Undo<'_>, folder: &RemoteFolder, item_id: String, reason: &str) {
        self.left.push(ItemFailure {
            mailbox: undo.run.mailbox.clone(),
            folder: folder.path.clone(),
            subject: String::new(),
            item_id,
            reason: reason.to_owned(),
        });
    }
}

impl RestoreRun {
    /// Whether the run did not live to write everything down.
    fn never_ended(&self) -> bool {
        !self.trees.ended
    }
}

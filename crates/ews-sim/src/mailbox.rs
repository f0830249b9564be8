//! One store: a primary mailbox, an archive or the public folders.

mod kept;
mod new_item;
mod origin;
mod paths;
mod rights;

pub(crate) use new_item::NewItem;
pub(crate) use origin::{Origin, Origins};

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use fasttransfer::Message;
use serde::{Deserialize, Serialize};

use crate::changes::{EventKind, LogEntry};
use crate::clock::Clock;
use crate::folder::{ARCHIVE, FIRST_FREE_FOLDER, Folder, PRIMARY, PUBLIC, WellKnown};
use crate::id::{ObjectId, StoreGuid};
use crate::item::{Content, Item, stamp};
use crate::language::Language;
use crate::payload::{LargeContent, Payload};
use crate::settings::Settings;

/// What a store is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StoreKind {
    Primary,
    Archive,
    Public,
}

/// A store behind its lock.
pub(crate) struct Store {
    pub(crate) address: String,
    pub(crate) kind: StoreKind,
    pub(crate) guid: StoreGuid,
    clock: Clock,
    state: RwLock<State>,
}

/// What changes in a store.
#[derive(Serialize, Deserialize)]
pub(crate) struct State {
    folders: BTreeMap<u64, Folder>,
    deleted_folders: Vec<DeletedFolder>,
    next_folder: u64,
    next_key: u64,
    change: u64,
    /// Last commit time given out; the next is later even if the clock stands still.
    last_time: u64,
    #[serde(skip)]
    clock: Clock,
    settings: Settings,
    origins: Origins,
}

/// A folder that is gone.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct DeletedFolder {
    pub(crate) number: u64,
    pub(crate) parents: Vec<u64>,
    pub(crate) created_change: u64,
    pub(crate) change: u64,
}

/// Why a change to a store was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    NoFolder,
    NoItem,
    Exists,
    WellKnown,
    Cycle,
}

impl Store {
    pub(crate) fn new(address: &str, kind: StoreKind, clock: Clock, language: Language) -> Store {
        let (kind_name, table) = match kind {
            StoreKind::Primary => ("primary", PRIMARY),
            StoreKind::Archive => ("archive", ARCHIVE),
            StoreKind::Public => ("public", PUBLIC),
        };
        let guid = StoreGuid::of(address, kind_name);
        let state = State::new(table, clock.clone(), language);
        Store {
            address: address.to_owned(),
            kind,
            guid,
            clock,
            state: RwLock::new(state),
        }
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    pub(crate) fn folder_id(&self, folder: u64) -> String {
        ObjectId::Folder {
            store: self.guid,
            folder,
        }
        .encode()
    }

    pub(crate) fn item_id(&self, folder: u64, key: u64) -> String {
        ObjectId::Item {
            store: self.guid,
            folder,
            key,
        }
        .encode()
    }
}

impl State {
    fn new(table: &'static [WellKnown], clock: Clock, language: Language) -> State {
        let mut state = State {
            folders: BTreeMap::new(),
            deleted_folders: Vec::new(),
            next_folder: FIRST_FREE_FOLDER,
            next_key: 1,
            change: 0,
            last_time: 0,
            clock,
            settings: Settings::default(),
            origins: Origins::default(),
        };
        let time = state.now();
        for (number, row) in (1..).zip(table) {
            state.change += 1;
            let parent = row.parent as u64 + 1;
            let mut folder = Folder::new(number, parent, language.name(row.name), row.class);
            folder.well_known = row.id;
            folder.change = state.change;
            folder.created_change = state.change;
            folder.created = time;
            folder.modified = time;
            folder.commit_time = time;
            state.folders.insert(number, folder);
        }
        state
    }

    /// All folders in the order of their numbers.
    pub(crate) fn folders(&self) -> impl Iterator<Item = &Folder> {
        self.folders.values()
    }

    /// Where items came from.
    pub(crate) fn origins(&self) -> &Origins {
        &self.origins
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(crate) fn settings_mut(&mut self) -> &mut Settings {
        &mut self.settings
    }

    /// The number of the last change.
    pub(crate) fn change(&self) -> u64 {
        self.change
    }

    fn now(&mut self) -> u64 {
        let time = self.clock.now().max(self.last_time + 1);
        self.last_time = time;
        time
    }

    fn next_change(&mut self) -> u64 {
        self.change += 1;
        self.change
    }

    pub(crate) fn folder(&self, number: u64) -> Option<&Folder> {
        self.folders.get(&number)
    }

    pub(crate) fn well_known(&self, id: &str) -> Option<&Folder> {
        let mut folders = self.folders.values();
        folders.find(|folder| !folder.well_known.is_empty() && folder.well_known == id)
    }

    pub(crate) fn deleted_folders(&self) -> &[DeletedFolder] {
        &self.deleted_folders
    }

    /// Folders directly in a folder.
    pub(crate) fn children(&self, parent: u64) -> impl Iterator<Item = &Folder> {
        self.folders
            .values()
            .filter(move |folder| folder.parent == parent && folder.number != parent)
    }

    /// Folders below a folder, each before its own children.
    pub(crate) fn descendants(&self, root: u64) -> Vec<&Folder> {
        let mut found = Vec::new();
        let mut stack: Vec<&Folder> = self.children(root).collect();
        stack.reverse();
        while let Some(folder) = stack.pop() {
            let mut children: Vec<&Folder> = self.children(folder.number).collect();
            children.reverse();
            found.push(folder);
            stack.extend(children);
        }
        found
    }

    /// The folders above a folder, the nearest first; the root has none.
    pub(crate) fn ancestors(&self, number: u64) -> Vec<u64> {
        let mut above = Vec::new();
        let mut at = number;
        while let Some(folder) = self.folders.get(&at) {
            if folder.parent == at {
                break;
            }
            at = folder.parent;
            above.push(at);
        }
        above
    }

    pub(crate) fn item(&self, folder: u64, key: u64) -> Option<Item> {
        self.folders.get(&folder)?.get(key)
    }

    pub(crate) fn create_folder(
        &mut self,
        parent: u64,
        name: &str,
        class: &str,
    ) -> Result<u64, Refused> {
        if !self.folders.contains_key(&parent) {
            return Err(Refused::NoFolder);
        }
        if self.has_child_called(parent, name) {
            return Err(Refused::Exists);
        }
        let number = self.next_folder;
        self.next_folder += 1;
        let change = self.next_change();
        let time = self.now();
        let mut folder = Folder::new(number, parent, name, class);
        folder.created_change = change;
        folder.change = change;
        folder.created = time;
        folder.modified = time;
        folder.commit_time = time;
        self.folders.insert(number, folder);
        Ok(number)
    }

    fn has_child_called(&self, parent: u64, name: &str) -> bool {
        self.children(parent)
            .any(|folder| folder.name.to_lowercase() == name.to_lowercase())
    }

    /// Changes a folder's own properties.
    pub(crate) fn edit_folder(
        &mut self,
        number: u64,
        edit: impl FnOnce(&mut Folder),
    ) -> Result<(), Refused> {
        let change = self.next_change();
        let time = self.now();
        let folder = self.folders.get_mut(&number).ok_or(Refused::NoFolder)?;
        edit(folder);
        folder.change = change;
        folder.modified = time;
        Ok(())
    }

    pub(crate) fn rename_folder(&mut self, number: u64, name: &str) -> Result<(), Refused> {
        let folder = self.folders.get(&number).ok_or(Refused::NoFolder)?;
        let (parent, same) = (
            folder.parent,
            folder.name.to_lowercase() == name.to_lowercase(),
        );
        if !same && self.has_child_called(parent, name) {
            return Err(Refused::Exists);
        }
        self.edit_folder(number, |folder| name.clone_into(&mut folder.name))
    }

    pub(crate) fn move_folder(&mut self, number: u64, target: u64) -> Result<(), Refused> {
        let folder = self.folders.get(&number).ok_or(Refused::NoFolder)?;
        if !self.folders.contains_key(&target) {
            return Err(Refused::NoFolder);
        }
        if !folder.well_known.is_empty() {
            return Err(Refused::WellKnown);
        }
        if target == number || self.ancestors(target).contains(&number) {
            return Err(Refused::Cycle);
        }
        let name = folder.name.clone();
        if self.has_child_called(target, &name) {
            return Err(Refused::Exists);
        }
        self.edit_folder(number, |folder| folder.parent = target)
    }

    /// Removes a folder with all below it; `bin` receives the items, if given.
    pub(crate) fn delete_folder(&mut self, number: u64, bin: Option<u64>) -> Result<(), Refused> {
        let folder = self.folders.get(&number).ok_or(Refused::NoFolder)?;
        if !folder.well_known.is_empty() {
            return Err(Refused::WellKnown);
        }
        let below = self.descendants(number);
        if below.iter().any(|folder| !folder.well_known.is_empty()) {
            return Err(Refused::WellKnown);
        }
        let mut numbers: Vec<u64> = below.iter().map(|folder| folder.number).collect();
        numbers.insert(0, number);
        for number in numbers.into_iter().rev() {
            self.empty_folder(number, bin)?;
            let parents = self.ancestors(number);
            let change = self.next_change();
            if let Some(folder) = self.folders.remove(&number) {
                self.deleted_folders.push(DeletedFolder {
                    number,
                    parents,
                    created_change: folder.created_change,
                    change,
                });
            }
        }
        Ok(())
    }

    /// Removes all items of a folder; `bin` receives them, if given.
    pub(crate) fn empty_folder(&mut self, number: u64, bin: Option<u64>) -> Result<(), Refused> {
        let folder = self.folders.get(&number).ok_or(Refused::NoFolder)?;
        let keys: Vec<u64> = folder
            .items_from(0, false)
            .chain(folder.items_from(0, true))
            .map(|item| item.key)
            .collect();
        for key in keys {
            match bin.filter(|&bin| bin != number) {
                Some(bin) => drop(self.move_item(number, key, bin)?),
                None => drop(self.remove_item(number, key)?),
            }
        }
        Ok(())
    }

    /// Puts a new item into a folder and returns its key.
    pub(crate) fn add_item(&mut self, folder: u64, new: NewItem) -> Result<u64, Refused> {
        if !self.folders.contains_key(&folder) {
            return Err(Refused::NoFolder);
        }
        let key = self.next_key;
        self.next_key += 1;
        let time = self.now();
        let created = new.created.unwrap_or(time);
        let content = match (new.message, new.payload) {
            (mut message, None) => {
                stamp(&mut message, new.is_read, created, time);
                Content::Message(Arc::new(message))
            }
            (mut message, Some(payload)) => {
                stamp(&mut message, new.is_read, created, time);
                Content::Large(Arc::new(LargeContent { message, payload }))
            }
        };
        let item = Item {
            key,
            content,
            is_read: new.is_read,
            associated: new.associated,
            events: Vec::new(),
            created,
            modified: time,
            occurrence: None,
        };
        self.place(folder, item, time);
        Ok(key)
    }

    fn place(&mut self, folder: u64, mut item: Item, time: u64) {
        let change = self.next_change();
        item.events = vec![(change, EventKind::Created)];
        if let Some(folder) = self.folders.get_mut(&folder) {
            let kind = EventKind::Created;
            folder.log.push(LogEntry::One {
                change,
                key: item.key,
                kind,
            });
            folder.commit_time = time;
            folder.put(item);
        }
    }

    /// Adds items that are computed when asked for.
    pub(crate) fn add_synthetic(
        &mut self,
        folder: u64,
        count: u64,
        seed: u64,
    ) -> Result<(), Refused> {
        if !self.folders.contains_key(&folder) {
            return Err(Refused::NoFolder);
        }
        if count == 0 {
            return Ok(());
        }
        let key = self.next_key;
        self.next_key += count;
        let change = self.change + 1;
        self.change += count;
        let time = self.now();
        self.last_time += count;
        if let Some(folder) = self.folders.get_mut(&folder) {
            folder.add_synthetic(key, count, change, seed, time);
            folder.commit_time = time + count;
        }
        Ok(())
    }

    /// Takes an item out of a folder for good.
    pub(crate) fn remove_item(&mut self, number: u64, key: u64) -> Result<Item, Refused> {
        let time = self.now();
        let change = self.change + 1;
        let folder = self.folders.get_mut(&number).ok_or(Refused::NoFolder)?;
        let item = folder.take(key).ok_or(Refused::NoItem)?;
        let kind = EventKind::Deleted {
            created: item.created_change(),
        };
        folder.log.push(LogEntry::One { change, key, kind });
        folder.commit_time = time;
        folder.deleted_total += 1;
        self.change = change;
        Ok(item)
    }

    /// Moves an item to another folder of this store, where it gets a new key.
    pub(crate) fn move_item(&mut self, from: u64, key: u64, to: u64) -> Result<u64, Refused> {
        if !self.folders.contains_key(&to) {
            return Err(Refused::NoFolder);
        }
        let item = self.remove_item(from, key)?;
        let left = Some(self.change);
        let moved = self.adopt(to, item)?;
        let origin = Origin {
            folder: from,
            key,
            left,
        };
        self.origins.note(self.change, origin);
        Ok(moved)
    }

    /// Puts an item from elsewhere into a folder under a new key, its times kept.
    pub(crate) fn adopt(&mut self, to: u64, mut item: Item) -> Result<u64, Refused> {
        if !self.folders.contains_key(&to) {
            return Err(Refused::NoFolder);
        }
        item.key = self.next_key;
        self.next_key += 1;
        let key = item.key;
        let time = self.now();
        self.place(to, item, time);
        Ok(key)
    }

    /// Copies an item into a folder.
    pub(crate) fn copy_item(&mut self, from: u64, key: u64, to: u64) -> Result<u64, Refused> {
        let item = self.item(from, key).ok_or(Refused::NoItem)?;
        let copy = self.adopt(to, item)?;
        let origin = Origin {
            folder: from,
            key,
            left: None,
        };
        self.origins.note(self.change, origin);
        Ok(copy)
    }

    /// Changes an item's content.
    pub(crate) fn edit_item(
        &mut self,
        folder: u64,
        key: u64,
        edit: impl FnOnce(&mut Message),
    ) -> Result<(), Refused> {
        self.change_item(folder, key, EventKind::Updated, |item, time| {
            let (mut message, payload) = unpack(item);
            edit(&mut message);
            item.modified = time;
            stamp(&mut message, item.is_read, item.created, time);
            item.content = match payload {
                None => Content::Message(Arc::new(message)),
                Some(payload) => Content::Large(Arc::new(LargeContent { message, payload })),
            };
        })
    }

    /// Replaces an item's content by an uploaded one.
    pub(crate) fn replace_item(
        &mut self,
        folder: u64,
        key: u64,
        new: NewItem,
    ) -> Result<(), Refused> {
        self.change_item(folder, key, EventKind::Updated, |item, time| {
            let mut message = new.message;
            item.modified = time;
            item.is_read = new.is_read;
            item.associated = new.associated;
            stamp(&mut message, item.is_read, item.created, time);
            item.content = match new.payload {
                None => Content::Message(Arc::new(message)),
                Some(payload) => Content::Large(Arc::new(LargeContent { message, payload })),
            };
        })
    }

    /// Sets an item's read flag; nothing happens if it has that state.
    pub(crate) fn set_read(&mut self, folder: u64, key: u64, is_read: bool) -> Result<(), Refused> {
        let item = self.item(folder, key).ok_or(Refused::NoItem)?;
        if item.is_read == is_read {
            return Ok(());
        }
        self.change_item(folder, key, EventKind::ReadFlag, |item, time| {
            item.is_read = is_read;
            item.modified = time;
            if matches!(item.content, Content::Synthetic { .. }) {
                // Stays computed; the read flag is patched in whenever it is looked at.
                return;
            }
            let (mut message, payload) = unpack(item);
            stamp(&mut message, is_read, item.created, time);
            item.content = match payload {
                None => Content::Message(Arc::new(message)),
                Some(payload) => Content::Large(Arc::new(LargeContent { message, payload })),
            };
        })
    }

    fn change_item(
        &mut self,
        number: u64,
        key: u64,
        kind: EventKind,
        edit: impl FnOnce(&mut Item, u64),
    ) -> Result<(), Refused> {
        let time = self.now();
        let change = self.change + 1;
        let folder = self.folders.get_mut(&number).ok_or(Refused::NoFolder)?;
        let mut item = folder.take(key).ok_or(Refused::NoItem)?;
        edit(&mut item, time);
        item.push_event(change, kind);
        folder.log.push(LogEntry::One { change, key, kind });
        folder.commit_time = time;
        folder.put(item);
        self.change = change;
        Ok(())
    }
}

fn unpack(item: &Item) -> (Message, Option<Payload>) {
    match &item.content {
        Content::Large(large) => (large.message.clone(), Some(large.payload)),
        _ => (item.message().into_owned(), None),
    }
}

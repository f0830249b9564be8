//! Looking into and changing a mailbox from code.

use std::sync::Arc;

use fasttransfer::{Message, tag};

use crate::error::Error;
use crate::export;
use crate::generate;
use crate::id::{ObjectId, change_key};
use crate::item::{Item, item_class, key_kind};
use crate::load;
use crate::mailbox::{NewItem, Refused, State, Store, StoreKind};
use crate::payload::Payload;
use crate::sim::Sim;

/// One mailbox (or archive, or the public folders), seen from code.
///
/// Folders are named by their path below the top of the mailbox (`Inbox`, `Inbox/Projects`) or by
/// a distinguished id (`inbox`, `recoverableitemsdeletions`); a path may begin with either.
/// Cheap to clone.
#[derive(Clone)]
pub struct MailboxHandle {
    sim: Sim,
    store: Arc<Store>,
}

/// A folder as [`MailboxHandle::folders`] lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FolderInfo {
    /// The EWS folder id.
    pub id: String,
    /// The names from the top of the mailbox down, joined by `/`; folders outside that tree,
    /// such as recoverable items, begin with `/`.
    pub path: String,
    /// The display name.
    pub name: String,
    /// The folder class, such as `IPF.Note`; may be empty.
    pub class: String,
    /// The distinguished id, if the folder has one.
    pub distinguished: Option<&'static str>,
    /// Number of items.
    pub total: u64,
    /// Number of unread items.
    pub unread: u64,
}

/// An item as [`MailboxHandle::items`] lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ItemInfo {
    /// The EWS item id.
    pub id: String,
    /// The change key.
    pub change_key: String,
    /// The subject; empty if the item has none.
    pub subject: String,
    /// The item class, such as `IPM.Note`.
    pub class: String,
    /// Whether the item is marked as read.
    pub is_read: bool,
    /// Number of attachments.
    pub attachments: usize,
    /// Size in bytes as EWS tells it.
    pub size: u64,
}

/// How an item is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// Into recoverable items.
    Soft,
    /// For good.
    Hard,
    /// Into Deleted Items.
    MoveToDeletedItems,
}

impl std::fmt::Debug for MailboxHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("MailboxHandle")
            .field(&self.store.address)
            .finish()
    }
}

impl MailboxHandle {
    pub(crate) fn new(sim: Sim, store: Arc<Store>) -> MailboxHandle {
        MailboxHandle { sim, store }
    }

    /// Returns the mailbox address.
    pub fn address(&self) -> &str {
        &self.store.address
    }

    /// Returns the simulator.
    pub fn sim(&self) -> &Sim {
        &self.sim
    }

    /// Lists all folders below the top of the mailbox, parents before children, then those
    /// outside (recoverable items).
    pub fn folders(&self) -> Vec<FolderInfo> {
        let state = self.store.read();
        let top = self.top(&state);
        let mut found = Vec::new();
        for (start, prefix) in [(top, ""), (1, "/")] {
            for folder in state.descendants(start) {
                let above = state.ancestors(folder.number);
                let inside = folder.number == top || above.contains(&top);
                if inside != (start == top) || folder.number == top {
                    continue;
                }
                let mut names: Vec<&str> = above
                    .iter()
                    .take_while(|&&number| number != start)
                    .filter_map(|&number| state.folder(number))
                    .map(|folder| folder.name.as_str())
                    .collect();
                names.reverse();
                names.push(&folder.name);
                found.push(FolderInfo {
                    id: self.store.folder_id(folder.number),
                    path: format!("{prefix}{}", names.join("/")),
                    name: folder.name.clone(),
                    class: folder.class.clone(),
                    distinguished: Some(folder.well_known).filter(|id| !id.is_empty()),
                    total: folder.total(),
                    unread: folder.unread(),
                });
            }
            if top == 1 {
                break;
            }
        }
        found
    }

    /// Lists the items of a folder in the order of their arrival.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no such folder.
    pub fn items(&self, folder: &str) -> Result<Vec<ItemInfo>, Error> {
        let state = self.store.read();
        let number = self.find(&state, folder)?;
        let found = state.folder(number).ok_or_else(|| no_folder(folder))?;
        Ok(found
            .items_from(0, false)
            .map(|item| self.info(number, &item))
            .collect())
    }

    /// Lists the folder-associated items of a folder in the order of their arrival.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no such folder.
    pub fn associated_items(&self, folder: &str) -> Result<Vec<ItemInfo>, Error> {
        let state = self.store.read();
        let number = self.find(&state, folder)?;
        let found = state.folder(number).ok_or_else(|| no_folder(folder))?;
        Ok(found
            .items_from(0, true)
            .map(|item| self.info(number, &item))
            .collect())
    }

    /// Describes one item.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no such item.
    pub fn item(&self, id: &str) -> Result<ItemInfo, Error> {
        let (folder, _, item) = self.get(id)?;
        Ok(self.info(folder, &item))
    }

    /// Counts the items of a folder.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no such folder.
    pub fn item_count(&self, folder: &str) -> Result<u64, Error> {
        let state = self.store.read();
        let number = self.find(&state, folder)?;
        Ok(state.folder(number).map_or(0, |folder| folder.total()))
    }

    /// Creates a folder with those above it, or returns the id of the one there is. Its class is
    /// its parent's. A path that begins with a slash begins at the root, beside what users see.
    ///
    /// # Errors
    ///
    /// `Invalid` if the path is empty.
    pub fn create_folder(&self, path: &str) -> Result<String, Error> {
        let number = self.ensure_folder(path, None)?;
        Ok(self.store.folder_id(number))
    }

    /// Renames a folder.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no such folder, `Invalid` if the name is taken.
    pub fn rename_folder(&self, folder: &str, name: &str) -> Result<(), Error> {
        let mut state = self.store.write();
        let number = self.find(&state, folder)?;
        state
            .rename_folder(number, name)
            .map_err(|refused| refusal(refused, folder))
    }

    /// Moves a folder into another.
    ///
    /// # Errors
    ///
    /// `NotFound` if either does not exist, `Invalid` if the move is impossible.
    pub fn move_folder(&self, folder: &str, into: &str) -> Result<(), Error> {
        let mut state = self.store.write();
        let number = self.find(&state, folder)?;
        let target = self.find(&state, into)?;
        state
            .move_folder(number, target)
            .map_err(|refused| refusal(refused, folder))
    }

    /// Deletes a folder with everything in it, for good.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no such folder, `Invalid` if it is a well-known one.
    pub fn delete_folder(&self, folder: &str) -> Result<(), Error> {
        let mut state = self.store.write();
        let number = self.find(&state, folder)?;
        state
            .delete_folder(number, None)
            .map_err(|refused| refusal(refused, folder))
    }

    /// Adds a mail from its MIME text, unread, and returns its id. The folder is created if
    /// missing.
    ///
    /// # Errors
    ///
    /// `Invalid` if the folder path is empty.
    pub fn add_mime(&self, folder: &str, raw: &[u8]) -> Result<String, Error> {
        self.add_message(folder, load::message_from_mime(raw))
    }

    /// Adds a calendar item from an iCalendar file; otherwise as [`MailboxHandle::add_mime`].
    ///
    /// # Errors
    ///
    /// `Invalid` if the folder path is empty.
    pub fn add_ics(&self, folder: &str, raw: &[u8]) -> Result<String, Error> {
        self.add_message(folder, load::from_ics(raw))
    }

    /// Adds a contact from a vCard file; otherwise as [`MailboxHandle::add_mime`].
    ///
    /// # Errors
    ///
    /// `Invalid` if the folder path is empty.
    pub fn add_vcf(&self, folder: &str, raw: &[u8]) -> Result<String, Error> {
        self.add_message(folder, load::from_vcf(raw))
    }

    /// Adds an item, read if its PidTagMessageFlags say so, and returns its id. The folder is
    /// created if missing.
    ///
    /// # Errors
    ///
    /// `Invalid` if the folder path is empty.
    pub fn add_message(&self, folder: &str, message: Message) -> Result<String, Error> {
        self.add(folder, NewItem::from_message(message))
    }

    /// Adds a folder-associated item, such as a view or a list of categories, and returns its id.
    /// The folder is created if missing.
    ///
    /// # Errors
    ///
    /// `Invalid` if the folder path is empty.
    pub fn add_associated(&self, folder: &str, message: Message) -> Result<String, Error> {
        let mut new = NewItem::from_message(message);
        new.associated = true;
        self.add(folder, new)
    }

    /// Adds items that are computed when asked for. The folder is created if missing.
    ///
    /// # Errors
    ///
    /// `Invalid` if the folder path is empty.
    pub fn add_synthetic(&self, folder: &str, count: u64, seed: u64) -> Result<(), Error> {
        let number = self.ensure_folder(folder, None)?;
        let mut state = self.store.write();
        let added = state.add_synthetic(number, count, seed);
        added.map_err(|refused| refusal(refused, folder))
    }

    /// Adds a mail with one attachment of any size that is computed while it is sent, and
    /// returns its id.
    ///
    /// # Errors
    ///
    /// `Invalid` if the folder path is empty.
    pub fn add_large(
        &self,
        folder: &str,
        subject: &str,
        bytes: u64,
        seed: u64,
    ) -> Result<String, Error> {
        let mut message = generate::synthetic(seed, 0);
        generate::edit_subject(&mut message, subject);
        load::forget_original(&mut message);
        message.attachments = vec![export::large_attachment(bytes)];
        let mut new = NewItem::from_message(message);
        new.payload = Some(Payload { seed, bytes });
        self.add(folder, new)
    }

    /// Changes an item's subject.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no such item.
    pub fn edit_subject(&self, id: &str, subject: &str) -> Result<(), Error> {
        self.edit(id, |message| generate::edit_subject(message, subject))
    }

    /// Changes an item's body to plain text.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no such item.
    pub fn edit_body(&self, id: &str, text: &str) -> Result<(), Error> {
        self.edit(id, |message| generate::edit_body(message, text))
    }

    /// Changes an item's properties.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no such item.
    pub fn edit(&self, id: &str, edit: impl FnOnce(&mut Message)) -> Result<(), Error> {
        let (folder, key, _) = self.get(id)?;
        let mut state = self.store.write();
        state
            .edit_item(folder, key, edit)
            .map_err(|refused| refusal(refused, id))
    }

    /// Moves an item into a folder (created if missing) and returns its new id.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no such item.
    pub fn move_item(&self, id: &str, folder: &str) -> Result<String, Error> {
        let (from, key, _) = self.get(id)?;
        let to = self.ensure_folder(folder, None)?;
        let mut state = self.store.write();
        let moved = state
            .move_item(from, key, to)
            .map_err(|refused| refusal(refused, id))?;
        Ok(self.store.item_id(to, moved))
    }

    /// Deletes an item.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no such item.
    pub fn delete(&self, id: &str, how: Deletion) -> Result<(), Error> {
        let (from, key, _) = self.get(id)?;
        let mut state = self.store.write();
        let bin = bin_of(&state, how);
        let done = match bin {
            Some(bin) if bin != from => state.move_item(from, key, bin).map(drop),
            _ => state.remove_item(from, key).map(drop),
        };
        done.map_err(|refused| refusal(refused, id))
    }

    /// Marks an item as read or unread.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no such item.
    pub fn set_read(&self, id: &str, is_read: bool) -> Result<(), Error> {
        let (folder, key, _) = self.get(id)?;
        let mut state = self.store.write();
        state
            .set_read(folder, key, is_read)
            .map_err(|refused| refusal(refused, id))
    }

    /// Returns an item's native stream, as ExportItems gives it.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no such item.
    pub fn export(&self, id: &str) -> Result<Vec<u8>, Error> {
        let (_, _, item) = self.get(id)?;
        Ok(export::to_vec(&item))
    }

    /// Returns an item's MIME (or iCalendar, or vCard) text: as loaded, byte for byte, or
    /// generated.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no such item.
    pub fn mime(&self, id: &str) -> Result<Vec<u8>, Error> {
        Ok(load::mime_of(&self.message(id)?))
    }

    /// Returns an item's properties, a huge attachment's bytes excepted.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no such item.
    pub fn message(&self, id: &str) -> Result<Message, Error> {
        let (_, _, item) = self.get(id)?;
        Ok(item.message().into_owned())
    }

    fn add(&self, folder: &str, new: NewItem) -> Result<String, Error> {
        let number = self.ensure_folder(folder, None)?;
        let mut state = self.store.write();
        let key = state
            .add_item(number, new)
            .map_err(|refused| refusal(refused, folder))?;
        Ok(self.store.item_id(number, key))
    }

    fn info(&self, folder: u64, item: &Item) -> ItemInfo {
        let message = item.message();
        let class = item_class(&message).into_owned();
        ItemInfo {
            id: self.store.item_id(folder, item.key),
            change_key: change_key(key_kind(&class), self.store.guid, item.change()),
            subject: message
                .props
                .text(tag::SUBJECT)
                .unwrap_or_default()
                .into_owned(),
            is_read: item.is_read,
            attachments: message.attachments.len(),
            size: item.size(&message),
            class,
        }
    }

    fn get(&self, id: &str) -> Result<(u64, u64, Item), Error> {
        match ObjectId::parse(id) {
            Some(ObjectId::Item { store, folder, key }) if store == self.store.guid => {
                let item = self.store.read().item(folder, key);
                let item = item.ok_or_else(|| Error::not_found(format!("no item {id}")))?;
                Ok((folder, key, item))
            }
            _ => Err(Error::not_found(format!(
                "no item {id} in {}",
                self.store.address
            ))),
        }
    }

    /// The folder paths begin below.
    fn top(&self, state: &State) -> u64 {
        let id = match self.store.kind {
            StoreKind::Primary => "msgfolderroot",
            StoreKind::Archive => "archivemsgfolderroot",
            StoreKind::Public => "publicfoldersroot",
        };
        state.well_known(id).map_or(1, |folder| folder.number)
    }

    fn find(&self, state: &State, path: &str) -> Result<u64, Error> {
        if let Some(ObjectId::Folder { store, folder }) = ObjectId::parse(path)
            && store == self.store.guid
            && state.folder(folder).is_some()
        {
            return Ok(folder);
        }
        let (first, rest) = path.split_once('/').unwrap_or((path, ""));
        if let Some(folder) = state.well_known(first)
            && let Some(number) = state.by_path(folder.number, rest)
        {
            return Ok(number);
        }
        let below = match path.strip_prefix('/') {
            Some(path) => state.by_path(1, path),
            None => state.by_path(self.top(state), path),
        };
        below.ok_or_else(|| no_folder(path))
    }

    /// Finds a folder or creates it with those above it.
    pub(crate) fn ensure_folder(&self, path: &str, class: Option<&str>) -> Result<u64, Error> {
        if path.is_empty() {
            return Err(Error::invalid("folder path is empty"));
        }
        let mut state = self.store.write();
        if let Ok(number) = self.find(&state, path) {
            return Ok(number);
        }
        // A path that begins with a slash begins at the root, where users do not look.
        let (mut at, mut so_far) = match path.starts_with('/') {
            true => (1, "/".to_owned()),
            false => (self.top(&state), String::new()),
        };
        for name in path.split('/').filter(|name| !name.is_empty()) {
            if !so_far.is_empty() && so_far != "/" {
                so_far.push('/');
            }
            so_far.push_str(name);
            at = match self.find(&state, &so_far) {
                Ok(number) => number,
                Err(_) => {
                    let inherited = state.folder(at).map(|folder| folder.class.clone());
                    let class = class.map(str::to_owned).or(inherited).unwrap_or_default();
                    let made = state.create_folder(at, name, &class);
                    made.map_err(|refused| refusal(refused, path))?
                }
            };
        }
        Ok(at)
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// The number of the folder that paths begin below.
    pub(crate) fn top_number(&self) -> u64 {
        self.top(&self.store.read())
    }
}

/// The folder that receives deleted items; none when they are gone for good.
pub(crate) fn bin_of(state: &State, how: Deletion) -> Option<u64> {
    let ids: &[&str] = match how {
        Deletion::Hard => &[],
        Deletion::Soft => &[
            "recoverableitemsdeletions",
            "archiverecoverableitemsdeletions",
        ],
        Deletion::MoveToDeletedItems => &["deleteditems", "archivedeleteditems"],
    };
    let mut found = ids.iter().filter_map(|id| state.well_known(id));
    found.next().map(|folder| folder.number)
}

fn no_folder(path: &str) -> Error {
    Error::not_found(format!("no folder {path}"))
}

fn refusal(refused: Refused, what: &str) -> Error {
    match refused {
        Refused::NoFolder => Error::not_found(format!("no folder for {what}")),
        Refused::NoItem => Error::not_found(format!("no item {what}")),
        Refused::Exists => Error::invalid(format!("{what}: a folder of that name exists")),
        Refused::WellKnown => Error::invalid(format!("{what} is a well-known folder")),
        Refused::Cycle => Error::invalid(format!("{what} cannot be moved below itself")),
    }
}

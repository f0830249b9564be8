//! A mailbox as plain data, and random changes that are made to it and to the simulator's.

use std::collections::BTreeMap;

use ews_sim::{Deletion, MailboxHandle};
use fasttransfer::tag;

/// Items of a mailbox, about; with more, new ones are deleted sooner.
const MANY: usize = 16;

/// A folder; its path is that of its parents and its name.
#[derive(Clone, Debug)]
pub struct Folder {
    pub name: String,
    pub parent: Option<String>,
    pub distinguished: Option<String>,
}

/// An item that is there.
#[derive(Clone, Debug)]
pub struct Item {
    pub folder: String,
    /// What tells its content from every other.
    pub subject: String,
    pub body: String,
    /// How often it was changed.
    pub edits: u32,
    pub is_read: bool,
    /// Whether its read state ever changed.
    pub flagged: bool,
    /// How often it was edited or its read state changed.
    pub touches: u32,
    /// Which item, with how many changes, it was restored from.
    pub origin: Option<(String, u32)>,
}

/// A mailbox: folders and items by the ids that the server gives them.
#[derive(Clone, Debug, Default)]
pub struct Live {
    pub folders: BTreeMap<String, Folder>,
    pub items: BTreeMap<String, Item>,
    /// The number that the last new thing got.
    pub next: u64,
}

impl Live {
    /// Takes the folders that a new mailbox has.
    pub fn of_new(handle: &MailboxHandle) -> Self {
        let mut live = Self::default();
        live.take_folders(handle);
        live
    }

    /// Takes folders that are new in the simulator.
    pub fn take_folders(&mut self, handle: &MailboxHandle) {
        let found = handle.folders();
        let seen = found.iter().filter(|folder| !folder.path.starts_with('/'));
        for folder in seen {
            let parent = folder.path.rsplit_once('/').map(|(parent, _)| parent);
            let parent = parent.and_then(|path| found.iter().find(|other| other.path == path));
            let folder_now = Folder {
                name: folder.name.clone(),
                parent: parent.map(|parent| parent.id.clone()),
                distinguished: folder.distinguished.map(str::to_owned),
            };
            self.folders.entry(folder.id.clone()).or_insert(folder_now);
        }
    }

    pub fn path(&self, folder: &str) -> String {
        let folder = &self.folders[folder];
        match &folder.parent {
            Some(parent) => format!("{}/{}", self.path(parent), folder.name),
            None => folder.name.clone(),
        }
    }

    /// Paths of all folders, with their distinguished names.
    pub fn paths(&self) -> BTreeMap<String, Option<String>> {
        let ids = self.folders.iter();
        ids.map(|(id, folder)| (self.path(id), folder.distinguished.clone()))
            .collect()
    }

    /// One random change; says what it was.
    pub fn change(&mut self, dice: &mut fastrand::Rng, handle: &MailboxHandle) -> String {
        let most = if self.items.len() > MANY { 70 } else { 100 };
        match dice.u32(0..most) {
            0..14 => self.edit(dice, handle),
            14..26 => self.flip(dice, handle),
            26..38 => self.shift(dice, handle),
            38..54 => self.delete(dice, handle),
            54..60 => self.add_folder(dice, handle),
            60..64 => self.rename_folder(dice, handle),
            64..67 => self.move_folder(dice, handle),
            67..70 => self.delete_folder(dice, handle),
            _ => self.create(dice, handle),
        }
    }

    fn create(&mut self, dice: &mut fastrand::Rng, handle: &MailboxHandle) -> String {
        let folder = any_key(dice, &self.folders).expect("a mailbox has folders");
        self.next += 1;
        let number = self.next;
        let (subject, body) = (format!("s{number}"), format!("body {number}"));
        let id = handle
            .add_mime(&folder, &mail(dice, &subject, &body))
            .unwrap();
        let said = format!("create {subject} in {}", self.path(&folder));
        let item = Item {
            folder,
            subject,
            body: handle
                .message(&id)
                .unwrap()
                .props
                .text(tag::BODY)
                .unwrap_or_default()
                .into_owned(),
            edits: 0,
            is_read: handle.item(&id).unwrap().is_read,
            flagged: false,
            touches: 0,
            origin: None,
        };
        self.items.insert(id, item);
        said
    }

    fn edit(&mut self, dice: &mut fastrand::Rng, handle: &MailboxHandle) -> String {
        let Some(id) = any_key(dice, &self.items) else {
            return self.create(dice, handle);
        };
        self.next += 1;
        let subject = format!("s{}", self.next);
        handle.edit_subject(&id, &subject).unwrap();
        let item = self.items.get_mut(&id).unwrap();
        let said = format!("edit {} to {subject}", item.subject);
        item.subject = subject;
        item.edits += 1;
        item.touches += 1;
        said
    }

    fn flip(&mut self, dice: &mut fastrand::Rng, handle: &MailboxHandle) -> String {
        let Some(id) = any_key(dice, &self.items) else {
            return self.create(dice, handle);
        };
        let item = self.items.get_mut(&id).unwrap();
        item.is_read = !item.is_read;
        item.flagged = true;
        item.touches += 1;
        handle.set_read(&id, item.is_read).unwrap();
        format!("{} is read: {}", item.subject, item.is_read)
    }

    fn shift(&mut self, dice: &mut fastrand::Rng, handle: &MailboxHandle) -> String {
        let (Some(id), Some(to)) = (any_key(dice, &self.items), any_key(dice, &self.folders))
        else {
            return self.create(dice, handle);
        };
        if self.items[&id].folder == to {
            return self.edit(dice, handle);
        }
        self.move_item(handle, &id, &to)
    }

    fn move_item(&mut self, handle: &MailboxHandle, id: &str, to: &str) -> String {
        let new_id = handle.move_item(id, to).unwrap();
        let mut item = self.items.remove(id).unwrap();
        to.clone_into(&mut item.folder);
        (item.edits, item.flagged) = (0, false);
        let said = format!("move {} to {}", item.subject, self.path(to));
        self.items.insert(new_id, item);
        said
    }

    fn delete(&mut self, dice: &mut fastrand::Rng, handle: &MailboxHandle) -> String {
        let Some(id) = any_key(dice, &self.items) else {
            return self.create(dice, handle);
        };
        let bin = self
            .folders
            .iter()
            .find(|(_, f)| f.distinguished.as_deref() == Some("deleteditems"));
        let bin = bin
            .map(|(id, _)| id.clone())
            .expect("every mailbox has deleted items");
        if dice.u32(0..3) == 0 && self.items[&id].folder != bin {
            return self.move_item(handle, &id, &bin);
        }
        let how = if dice.bool() {
            Deletion::Hard
        } else {
            Deletion::Soft
        };
        handle.delete(&id, how).unwrap();
        format!("delete {}", self.items.remove(&id).unwrap().subject)
    }

    fn add_folder(&mut self, dice: &mut fastrand::Rng, handle: &MailboxHandle) -> String {
        let parent = any_key(dice, &self.folders).filter(|_| dice.bool());
        let name = self.new_name(dice);
        let path = match &parent {
            Some(parent) => format!("{}/{name}", self.path(parent)),
            None => name.clone(),
        };
        let id = handle.create_folder(&path).unwrap();
        let folder = Folder {
            name,
            parent,
            distinguished: None,
        };
        self.folders.insert(id, folder);
        format!("create folder {path}")
    }

    fn rename_folder(&mut self, dice: &mut fastrand::Rng, handle: &MailboxHandle) -> String {
        let id = any_key(dice, &self.folders).expect("a mailbox has folders");
        let name = self.new_name(dice);
        let said = format!("rename folder {} to {name}", self.path(&id));
        handle.rename_folder(&id, &name).unwrap();
        self.folders.get_mut(&id).unwrap().name = name;
        said
    }

    fn move_folder(&mut self, dice: &mut fastrand::Rng, handle: &MailboxHandle) -> String {
        let (Some(id), Some(to)) = (self.own_folder(dice), any_key(dice, &self.folders)) else {
            return self.add_folder(dice, handle);
        };
        if self.is_below(&to, &id) {
            return self.add_folder(dice, handle);
        }
        let said = format!("move folder {} into {}", self.path(&id), self.path(&to));
        let clash = self.folders.values().any(|other| {
            other.parent.as_ref() == Some(&to) && other.name == self.folders[&id].name
        });
        if clash {
            return self.add_folder(dice, handle);
        }
        handle.move_folder(&id, &to).unwrap();
        self.folders.get_mut(&id).unwrap().parent = Some(to);
        said
    }

    fn delete_folder(&mut self, dice: &mut fastrand::Rng, handle: &MailboxHandle) -> String {
        let Some(id) = self.own_folder(dice) else {
            return self.add_folder(dice, handle);
        };
        let below = |folder: &str| self.is_below(folder, &id);
        // Exchange deletes no distinguished folder, and none that holds one.
        if self
            .folders
            .iter()
            .any(|(other, f)| f.distinguished.is_some() && below(other))
        {
            return self.add_folder(dice, handle);
        }
        let said = format!("delete folder {}", self.path(&id));
        let gone: Vec<String> = self
            .folders
            .keys()
            .filter(|folder| below(folder))
            .cloned()
            .collect();
        handle.delete_folder(&id).unwrap();
        self.items.retain(|_, item| !gone.contains(&item.folder));
        self.folders.retain(|folder, _| !gone.contains(folder));
        said
    }

    /// A folder that is not distinguished.
    fn own_folder(&self, dice: &mut fastrand::Rng) -> Option<String> {
        let own: Vec<&String> = self
            .folders
            .iter()
            .filter(|(_, folder)| folder.distinguished.is_none())
            .map(|(id, _)| id)
            .collect();
        dice.choice(own).cloned()
    }

    /// Whether a folder is another or lies below it.
    fn is_below(&self, folder: &str, other: &str) -> bool {
        folder == other
            || self.folders[folder]
                .parent
                .as_deref()
                .is_some_and(|parent| self.is_below(parent, other))
    }

    /// A name that no folder had, most of the time.
    fn new_name(&mut self, dice: &mut fastrand::Rng) -> String {
        self.next += 1;
        let old: Vec<char> = vec!['A', 'B', 'C'];
        let free = |name: &String| self.folders.values().all(|folder| folder.name != *name);
        let reused = dice
            .choice(old)
            .map(|letter| format!("Folder {letter}"))
            .filter(free);
        reused.unwrap_or_else(|| format!("Folder {}", self.next))
    }
}

fn any_key<T>(dice: &mut fastrand::Rng, map: &BTreeMap<String, T>) -> Option<String> {
    let nth = (!map.is_empty()).then(|| dice.usize(0..map.len()))?;
    map.keys().nth(nth).cloned()
}

/// A mail; some have an attachment that others have, too.
fn mail(dice: &mut fastrand::Rng, subject: &str, body: &str) -> Vec<u8> {
    let head = format!(
        "From: ann@example.test\r\nTo: bob@example.test\r\nSubject: {subject}\r\n\
         Date: Mon, 02 Nov 2026 10:00:00 +0000\r\nMIME-Version: 1.0\r\n"
    );
    if dice.u32(0..5) > 0 {
        return format!("{head}Content-Type: text/plain\r\n\r\n{body}").into_bytes();
    }
    let file = base64_simd::STANDARD.encode_to_string(vec![dice.u8(0..3); 12_000]);
    format!(
        "{head}Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\
         Content-Type: text/plain\r\n\r\n{body}\r\n--x\r\nContent-Type: application/pdf; name=a.pdf\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n{file}\r\n--x--\r\n"
    )
    .into_bytes()
}

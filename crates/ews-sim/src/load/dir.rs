//! Loads folders of files as mailboxes.

use std::fs;
use std::path::{Path, PathBuf};

use fasttransfer::Message;

use super::{from_ics, from_vcf, message_from_mime};
use crate::error::Error;

/// Deepest folder tree that is read.
const MAX_DEPTH: usize = 32;
/// Owner of files that lie in no `<address>` folder.
const DEFAULT_ADDRESS: &str = "alice@example.test";

/// A mailbox as found on disk or generated.
#[derive(Debug, Clone, Default)]
pub struct LoadedMailbox {
    /// Primary SMTP address.
    pub address: String,
    /// Top-level folders below the visible root, in name order.
    pub folders: Vec<LoadedFolder>,
}

impl LoadedMailbox {
    /// Number of items in all folders.
    pub fn item_count(&self) -> usize {
        self.folders.iter().map(LoadedFolder::item_count).sum()
    }
}

/// A folder with its items and subfolders.
#[derive(Debug, Clone, Default)]
pub struct LoadedFolder {
    /// Display name, as the folder on disk is called.
    pub name: String,
    /// What the folder holds; decides its container class.
    pub kind: FolderKind,
    /// Distinguished folder id (`inbox`) when a top-level name is a well-known English one.
    pub distinguished: Option<&'static str>,
    /// Items in file name order.
    pub items: Vec<LoadedItem>,
    /// Subfolders in name order.
    pub folders: Vec<LoadedFolder>,
}

impl LoadedFolder {
    /// Number of items in this folder and below.
    pub fn item_count(&self) -> usize {
        self.items.len() + self.folders.iter().map(Self::item_count).sum::<usize>()
    }
}

/// One item and where it came from.
#[derive(Debug, Clone)]
pub struct LoadedItem {
    /// The file; for generated items a made-up relative name. Stable, so usable as a key.
    pub source: PathBuf,
    /// The item.
    pub message: Message,
    /// Whether the item counts as read.
    pub is_read: bool,
}

/// What a folder holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum FolderKind {
    /// Mail and everything without a better place.
    #[default]
    Mail,
    /// Appointments.
    Calendar,
    /// Contacts.
    Contacts,
    /// Tasks.
    Tasks,
    /// Sticky notes.
    Notes,
}

impl FolderKind {
    /// PidTagContainerClass of such a folder ([MS-OXOSFLD] 2.2.2).
    pub fn container_class(self) -> &'static str {
        match self {
            Self::Mail => "IPF.Note",
            Self::Calendar => "IPF.Appointment",
            Self::Contacts => "IPF.Contact",
            Self::Tasks => "IPF.Task",
            Self::Notes => "IPF.StickyNote",
        }
    }
}

/// Distinguished id and kind of a well-known English folder name (any case).
pub(crate) fn well_known(name: &str) -> Option<(&'static str, FolderKind)> {
    Some(match name.to_ascii_lowercase().as_str() {
        "inbox" => ("inbox", FolderKind::Mail),
        "sent items" => ("sentitems", FolderKind::Mail),
        "drafts" => ("drafts", FolderKind::Mail),
        "deleted items" => ("deleteditems", FolderKind::Mail),
        "junk email" | "junk e-mail" => ("junkemail", FolderKind::Mail),
        "outbox" => ("outbox", FolderKind::Mail),
        "calendar" => ("calendar", FolderKind::Calendar),
        "contacts" => ("contacts", FolderKind::Contacts),
        "tasks" => ("tasks", FolderKind::Tasks),
        "notes" => ("notes", FolderKind::Notes),
        "journal" => ("journal", FolderKind::Mail),
        _ => return None,
    })
}

/// Loads `path` as mailboxes: `<address>/<folder>/…/*.eml|.ics|.vcf`.
///
/// A tree whose first level has no folder with an `@` in its name is one mailbox,
/// `alice@example.test`. Files that lie directly in a mailbox go to its Inbox. Other file types
/// are passed over. File and folder order is by name, so that positions are the same on every
/// machine.
///
/// # Errors
///
/// `Io` with the path when a folder or file cannot be read; `Invalid` when `path` is no folder or
/// the tree is nested deeper than 32 levels.
pub fn load_dir(path: impl AsRef<Path>) -> Result<Vec<LoadedMailbox>, Error> {
    let path = path.as_ref();
    if !path.is_dir() {
        return Err(Error::invalid(format!(
            "{} is not a folder",
            path.display()
        )));
    }
    let listing = Listing::read(path)?;
    let owned = |dir: &&PathBuf| name_of(dir).contains('@');
    let mut mailboxes = Vec::new();
    for dir in listing.dirs.iter().filter(owned) {
        mailboxes.push(mailbox(name_of(dir), Listing::read(dir)?)?);
    }
    let rest = Listing {
        dirs: listing.dirs.iter().filter(|d| !owned(d)).cloned().collect(),
        files: listing.files,
    };
    let loose = mailbox(DEFAULT_ADDRESS.to_owned(), rest)?;
    if mailboxes.is_empty() {
        mailboxes.push(loose);
    } else if loose.item_count() > 0 {
        merge(&mut mailboxes, loose);
    }
    Ok(mailboxes)
}

/// Loads one file by its extension; `None` when it is not of a known type.
///
/// # Errors
///
/// `Io` with the path when the file cannot be read.
pub(crate) fn load_file(path: &Path) -> Result<Option<Message>, Error> {
    let extension = path
        .extension()
        .map(|e| e.to_string_lossy().to_ascii_lowercase())
        .unwrap_or_default();
    let load: fn(&[u8]) -> Message = match extension.as_str() {
        "eml" => message_from_mime,
        "ics" => from_ics,
        "vcf" => from_vcf,
        _ => return Ok(None),
    };
    let raw =
        fs::read(path).map_err(|e| Error::io(format!("cannot read {}", path.display()), e))?;
    Ok(Some(load(&raw)))
}

/// What one folder on disk holds, sorted by name.
struct Listing {
    dirs: Vec<PathBuf>,
    files: Vec<PathBuf>,
}

impl Listing {
    fn read(path: &Path) -> Result<Self, Error> {
        let failed = |e| Error::io(format!("cannot list {}", path.display()), e);
        let mut listing = Self {
            dirs: Vec::new(),
            files: Vec::new(),
        };
        for entry in fs::read_dir(path).map_err(failed)? {
            let found = entry.map_err(failed)?.path();
            if found.is_dir() {
                listing.dirs.push(found);
            } else {
                listing.files.push(found);
            }
        }
        listing.dirs.sort();
        listing.files.sort();
        Ok(listing)
    }
}

fn name_of(path: &Path) -> String {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

fn mailbox(address: String, listing: Listing) -> Result<LoadedMailbox, Error> {
    let mut folders = Vec::new();
    for dir in &listing.dirs {
        folders.push(folder(dir, 1)?);
    }
    let loose = items(&listing.files)?;
    if !loose.is_empty() {
        inbox(&mut folders).items.extend(loose);
    }
    Ok(LoadedMailbox { address, folders })
}

fn inbox(folders: &mut Vec<LoadedFolder>) -> &mut LoadedFolder {
    let at = folders
        .iter()
        .position(|f| f.distinguished == Some("inbox"))
        .unwrap_or(folders.len());
    if at == folders.len() {
        folders.push(LoadedFolder {
            name: "Inbox".to_owned(),
            distinguished: Some("inbox"),
            ..LoadedFolder::default()
        });
    }
    &mut folders[at]
}

fn folder(path: &Path, depth: usize) -> Result<LoadedFolder, Error> {
    if depth > MAX_DEPTH {
        return Err(Error::invalid(format!(
            "{} is nested deeper than {MAX_DEPTH} folders",
            path.display()
        )));
    }
    let listing = Listing::read(path)?;
    let name = name_of(path);
    let known = if depth == 1 { well_known(&name) } else { None };
    let mut folders = Vec::new();
    for dir in &listing.dirs {
        folders.push(folder(dir, depth + 1)?);
    }
    Ok(LoadedFolder {
        name,
        kind: known.map_or_else(|| kind_by_files(&listing.files), |(_, kind)| kind),
        distinguished: known.map(|(id, _)| id),
        items: items(&listing.files)?,
        folders,
    })
}

fn items(files: &[PathBuf]) -> Result<Vec<LoadedItem>, Error> {
    let mut items = Vec::new();
    for file in files {
        if let Some(message) = load_file(file)? {
            items.push(LoadedItem {
                source: file.clone(),
                message,
                is_read: false,
            });
        }
    }
    Ok(items)
}

/// A folder of calendars or address cards is a calendar or an address book.
fn kind_by_files(files: &[PathBuf]) -> FolderKind {
    let count = |extension: &str| {
        files
            .iter()
            .filter(|f| {
                f.extension()
                    .is_some_and(|e| e.eq_ignore_ascii_case(extension))
            })
            .count()
    };
    let (mail, calendar, contacts) = (count("eml"), count("ics"), count("vcf"));
    if calendar > mail.max(contacts) {
        FolderKind::Calendar
    } else if contacts > mail.max(calendar) {
        FolderKind::Contacts
    } else {
        FolderKind::Mail
    }
}

fn merge(mailboxes: &mut Vec<LoadedMailbox>, loose: LoadedMailbox) {
    match mailboxes
        .iter_mut()
        .find(|m| m.address.eq_ignore_ascii_case(&loose.address))
    {
        Some(found) => {
            for folder in loose.folders {
                match found.folders.iter_mut().find(|f| f.name == folder.name) {
                    Some(same) => same.items.extend(folder.items),
                    None => found.folders.push(folder),
                }
            }
        }
        None => mailboxes.push(loose),
    }
}

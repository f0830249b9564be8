//! Folders and the well-known ones among them.

use std::collections::{BTreeMap, BTreeSet};

use fasttransfer::PropertyBag;
use serde::{Deserialize, Serialize};

use crate::changes::{EventLog, LogEntry};
use crate::item::{Content, Item};
use crate::settings::permission::Permission;
use crate::state::{bag_as_stream, known_folder_id};

/// A row of a store's table of well-known folders.
pub(crate) struct WellKnown {
    /// The distinguished id, the same in every language; empty if the folder has none.
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    /// PidTagContainerClass; empty for none.
    pub(crate) class: &'static str,
    /// Index of the parent in the table; the root names itself.
    pub(crate) parent: usize,
}

const fn row(
    id: &'static str,
    name: &'static str,
    class: &'static str,
    parent: usize,
) -> WellKnown {
    WellKnown {
        id,
        name,
        class,
        parent,
    }
}

/// Well-known folders of a primary mailbox; a folder's number is its index and 1.
pub(crate) const PRIMARY: &[WellKnown] = &[
    row("root", "Root", "", 0),
    row("msgfolderroot", "Top of Information Store", "IPF.Note", 0),
    row("searchfolders", "Finder", "", 0),
    row("recoverableitemsroot", "Recoverable Items", "", 0),
    row("recoverableitemsdeletions", "Deletions", "IPF.Note", 3),
    row("recoverableitemsversions", "Versions", "IPF.Note", 3),
    row("recoverableitemspurges", "Purges", "IPF.Note", 3),
    row("calendar", "Calendar", "IPF.Appointment", 1),
    row("contacts", "Contacts", "IPF.Contact", 1),
    row("deleteditems", "Deleted Items", "IPF.Note", 1),
    row("drafts", "Drafts", "IPF.Note", 1),
    row("inbox", "Inbox", "IPF.Note", 1),
    row("journal", "Journal", "IPF.Journal", 1),
    row("junkemail", "Junk Email", "IPF.Note", 1),
    row("notes", "Notes", "IPF.StickyNote", 1),
    row("outbox", "Outbox", "IPF.Note", 1),
    row("sentitems", "Sent Items", "IPF.Note", 1),
    row("tasks", "Tasks", "IPF.Task", 1),
];

/// Well-known folders of an archive mailbox.
pub(crate) const ARCHIVE: &[WellKnown] = &[
    row("archiveroot", "Root", "", 0),
    row(
        "archivemsgfolderroot",
        "Top of Information Store",
        "IPF.Note",
        0,
    ),
    row("archivedeleteditems", "Deleted Items", "IPF.Note", 1),
    row("archiverecoverableitemsroot", "Recoverable Items", "", 0),
    row(
        "archiverecoverableitemsdeletions",
        "Deletions",
        "IPF.Note",
        3,
    ),
    row("archiverecoverableitemsversions", "Versions", "IPF.Note", 3),
    row("archiverecoverableitemspurges", "Purges", "IPF.Note", 3),
];

/// Well-known folders of the public folder tree.
pub(crate) const PUBLIC: &[WellKnown] = &[row("publicfoldersroot", "IPM_SUBTREE", "", 0)];

/// First number of a folder that is not well known.
pub(crate) const FIRST_FREE_FOLDER: u64 = 0x100;

/// Items that are computed, not kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SyntheticRange {
    pub(crate) first_key: u64,
    pub(crate) count: u64,
    pub(crate) first_change: u64,
    pub(crate) seed: u64,
    pub(crate) created: u64,
    /// Keys that were changed or removed since, and so are kept as real items or not at all.
    replaced: BTreeSet<u64>,
}

impl SyntheticRange {
    fn get(&self, key: u64) -> Option<Item> {
        let number = key.checked_sub(self.first_key)?;
        if number >= self.count || self.replaced.contains(&key) {
            return None;
        }
        let created = self.created + number;
        Some(Item {
            key,
            content: Content::Synthetic {
                seed: self.seed,
                number,
            },
            is_read: !number.is_multiple_of(4),
            associated: false,
            events: vec![(
                self.first_change + number,
                crate::changes::EventKind::Created,
            )],
            created,
            modified: created,
            occurrence: None,
        })
    }

    fn len(&self) -> u64 {
        self.count - self.replaced.len() as u64
    }

    /// How many of the first items are unread, by the rule in [`SyntheticRange::get`].
    fn unread(&self) -> u64 {
        let replaced = self.replaced.iter();
        let gone = replaced
            .filter(|&&key| (key - self.first_key).is_multiple_of(4))
            .count();
        self.count.div_ceil(4) - gone as u64
    }
}

/// A distinguished id. Under this name serde does not try to borrow it from what it reads.
pub(crate) type FolderName = &'static str;

/// A folder with its items.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Folder {
    pub(crate) number: u64,
    /// The parent; the root is its own.
    pub(crate) parent: u64,
    pub(crate) name: String,
    pub(crate) class: String,
    /// The distinguished id; empty for none.
    #[serde(deserialize_with = "known_folder_id")]
    pub(crate) well_known: FolderName,
    pub(crate) created_change: u64,
    pub(crate) change: u64,
    pub(crate) created: u64,
    pub(crate) modified: u64,
    /// PidTagLocalCommitTimeMax: when anything in the folder last changed.
    pub(crate) commit_time: u64,
    /// PidTagDeletedCountTotal: items that ever left the folder.
    pub(crate) deleted_total: u64,
    /// Extended properties set by clients.
    #[serde(with = "bag_as_stream")]
    pub(crate) props: PropertyBag,
    /// Who may do what, once it was set.
    pub(crate) permissions: Option<Vec<Permission>>,
    pub(crate) log: EventLog,
    /// A state file keeps the items apart; both counts follow them.
    #[serde(skip)]
    items: BTreeMap<u64, Item>,
    synthetic: Vec<SyntheticRange>,
    #[serde(skip)]
    unread: u64,
    #[serde(skip)]
    associated: u64,
}

impl Folder {
    pub(crate) fn new(number: u64, parent: u64, name: &str, class: &str) -> Folder {
        Folder {
            number,
            parent,
            name: name.to_owned(),
            class: class.to_owned(),
            well_known: "",
            created_change: 0,
            change: 0,
            created: 0,
            modified: 0,
            commit_time: 0,
            deleted_total: 0,
            props: PropertyBag::new(),
            permissions: None,
            log: EventLog::default(),
            items: BTreeMap::new(),
            synthetic: Vec::new(),
            unread: 0,
            associated: 0,
        }
    }

    /// The items that are kept, not computed, in key order.
    pub(crate) fn kept(&self) -> impl Iterator<Item = &Item> {
        self.items.values()
    }

    /// The folder with its computed items alone.
    pub(crate) fn without_items(&self) -> Folder {
        Folder {
            number: self.number,
            parent: self.parent,
            name: self.name.clone(),
            class: self.class.clone(),
            well_known: self.well_known,
            created_change: self.created_change,
            change: self.change,
            created: self.created,
            modified: self.modified,
            commit_time: self.commit_time,
            deleted_total: self.deleted_total,
            props: self.props.clone(),
            permissions: self.permissions.clone(),
            log: self.log.clone(),
            items: BTreeMap::new(),
            synthetic: self.synthetic.clone(),
            unread: 0,
            associated: 0,
        }
    }

    /// Number of items, folder-associated ones left out.
    pub(crate) fn total(&self) -> u64 {
        let synthetic: u64 = self.synthetic.iter().map(SyntheticRange::len).sum();
        self.items.len() as u64 - self.associated + synthetic
    }

    /// Number of folder-associated items.
    pub(crate) fn associated(&self) -> u64 {
        self.associated
    }

    /// Number of unread items.
    pub(crate) fn unread(&self) -> u64 {
        self.unread
            + self
                .synthetic
                .iter()
                .map(SyntheticRange::unread)
                .sum::<u64>()
    }

    /// Looks an item up.
    pub(crate) fn get(&self, key: u64) -> Option<Item> {
        if let Some(item) = self.items.get(&key) {
            return Some(item.clone());
        }
        self.synthetic.iter().find_map(|range| range.get(key))
    }

    /// Puts an item in, over an older state of it.
    pub(crate) fn put(&mut self, item: Item) {
        self.take(item.key);
        self.unread += u64::from(!item.is_read && !item.associated);
        self.associated += u64::from(item.associated);
        self.items.insert(item.key, item);
    }

    /// Takes an item out.
    pub(crate) fn take(&mut self, key: u64) -> Option<Item> {
        if let Some(item) = self.items.remove(&key) {
            self.unread -= u64::from(!item.is_read && !item.associated);
            self.associated -= u64::from(item.associated);
            return Some(item);
        }
        for range in &mut self.synthetic {
            if let Some(item) = range.get(key) {
                range.replaced.insert(key);
                return Some(item);
            }
        }
        None
    }

    /// Adds computed items.
    pub(crate) fn add_synthetic(
        &mut self,
        key: u64,
        count: u64,
        change: u64,
        seed: u64,
        time: u64,
    ) {
        self.synthetic.push(SyntheticRange {
            first_key: key,
            count,
            first_change: change,
            seed,
            created: time,
            replaced: BTreeSet::new(),
        });
        self.log.push(LogEntry::Range { change, key, count });
    }

    /// Walks the items in key order from an offset, without visiting those before it where no
    /// synthetic range has holes.
    pub(crate) fn items_from(
        &self,
        offset: u64,
        associated: bool,
    ) -> Box<dyn Iterator<Item = Item> + '_> {
        let real = self
            .items
            .values()
            .filter(move |item| item.associated == associated);
        if associated || self.synthetic.is_empty() {
            return Box::new(
                real.skip(usize::try_from(offset).unwrap_or(usize::MAX))
                    .cloned(),
            );
        }
        let mut before = offset;
        let mut parts: Vec<Box<dyn Iterator<Item = Item> + '_>> = Vec::new();
        let real_count = self.items.len() as u64 - self.associated;
        let skip = before.min(real_count);
        before -= skip;
        parts.push(Box::new(
            real.skip(usize::try_from(skip).unwrap_or(usize::MAX))
                .cloned(),
        ));
        for range in &self.synthetic {
            let skip = before.min(range.len());
            before -= skip;
            parts.push(range_from(range, skip));
        }
        Box::new(parts.into_iter().flatten())
    }
}

fn range_from(range: &SyntheticRange, skip: u64) -> Box<dyn Iterator<Item = Item> + '_> {
    let keys = range.first_key..range.first_key + range.count;
    if range.replaced.is_empty() {
        return Box::new((keys.start + skip..keys.end).filter_map(|key| range.get(key)));
    }
    let kept = keys.filter_map(|key| range.get(key));
    Box::new(kept.skip(usize::try_from(skip).unwrap_or(usize::MAX)))
}

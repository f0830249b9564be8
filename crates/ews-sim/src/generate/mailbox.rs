//! Generated mailboxes.

use std::path::PathBuf;

use fasttransfer::{Message, PropValue, named, tag};

use super::mail::{Draft, Quoted, compose_with};
use super::rng::Rng;
use super::words::{self, CATEGORIES, Person, TOPICS};
use super::{card, event};
use crate::load::{
    FolderKind, LoadedFolder, LoadedItem, LoadedMailbox, from_ics, from_vcf, message_from_mime,
    put_i32,
};

/// People of a world beyond the owners of mailboxes.
const PEOPLE: u64 = 300;
/// Longest thread.
const MAX_THREAD: usize = 8;
/// 2024-01-01 00:00 UTC in seconds since 1970; a mailbox spans the year from there.
const FIRST_TIME: i64 = 1_704_067_200;
/// PidTagMessageFlags: a draft.
const MSGFLAG_UNSENT: i32 = 0x08;
const YEAR: usize = 31_536_000;
/// First names of the owners; further mailboxes are numbered.
const OWNERS: &[&str] = &[
    "alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi",
];

/// Realistic mailboxes made from a seed: threads with quoting, text and HTML, files that many
/// people have, appointments, contacts, read and unread, categories, folders in folders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mailboxes {
    /// The seed: the same seed gives the same bytes.
    pub seed: u64,
    /// Number of mailboxes: alice@example.test, bob@example.test and so on.
    pub mailboxes: usize,
    /// Items per mailbox, of all kinds.
    pub items: usize,
}

impl Default for Mailboxes {
    fn default() -> Self {
        Self {
            seed: 1,
            mailboxes: 3,
            items: 200,
        }
    }
}

impl Mailboxes {
    /// Makes them all.
    pub fn generate(&self) -> Vec<LoadedMailbox> {
        (0..self.mailboxes).map(|n| self.mailbox(n)).collect()
    }

    /// Makes mailbox number `n` alone; the others have no influence on it.
    pub fn mailbox(&self, n: usize) -> LoadedMailbox {
        let name = match OWNERS.get(n) {
            Some(name) => (*name).to_owned(),
            None => format!("user{n:04}"),
        };
        let mut owner = words::person(self.seed, u64::MAX - n as u64);
        owner.address = format!("{name}@example.test");
        let mut maker = Maker {
            seed: self.seed,
            rng: Rng::new(self.seed, &[0x4D, n as u64]),
            owner,
            made: 0,
        };
        maker.mailbox(self.items)
    }
}

struct Maker {
    seed: u64,
    rng: Rng,
    owner: Person,
    made: usize,
}

impl Maker {
    fn mailbox(&mut self, items: usize) -> LoadedMailbox {
        let (events, contacts, tasks) = (items * 12 / 100, items * 8 / 100, items * 3 / 100);
        let mail = items - events - contacts - tasks;
        let mut sent = Vec::new();
        let mut incoming = Vec::new();
        while sent.len() + incoming.len() < mail {
            let left = mail - sent.len() - incoming.len();
            self.thread(left, &mut incoming, &mut sent);
        }
        let mut parts = Parts::new(incoming);
        let sub = |name: &str, items| LoadedFolder {
            name: name.to_owned(),
            items,
            ..LoadedFolder::default()
        };
        let projects = vec![
            sub("Neckar", parts.take(12)),
            sub("Ångström & Söhne", parts.take(8)),
            sub("Archive 2023", parts.take(5)),
        ];
        let deleted = parts.take(4);
        let junk = parts.take(3);
        let mut inbox = known("Inbox", "inbox", FolderKind::Mail, parts.rest());
        inbox.folders.push(LoadedFolder {
            folders: projects,
            ..sub("Projects", Vec::new())
        });
        let drafts = sent.split_off(sent.len() - sent.len() / 20);
        let drafts = drafts.into_iter().map(unsent).collect();
        let calendar = (0..events).map(|_| self.event()).collect();
        let people = (0..contacts).map(|n| self.contact(n)).collect();
        let plans = (0..tasks).map(|_| self.task()).collect();
        LoadedMailbox {
            address: self.owner.address.clone(),
            folders: vec![
                inbox,
                known("Sent Items", "sentitems", FolderKind::Mail, sent),
                known("Drafts", "drafts", FolderKind::Mail, drafts),
                known("Deleted Items", "deleteditems", FolderKind::Mail, deleted),
                known("Junk Email", "junkemail", FolderKind::Mail, junk),
                known("Calendar", "calendar", FolderKind::Calendar, calendar),
                known("Contacts", "contacts", FolderKind::Contacts, people),
                known("Tasks", "tasks", FolderKind::Tasks, plans),
            ],
        }
    }

    /// A conversation between the owner and somebody else, one mail after the other.
    fn thread(&mut self, most: usize, incoming: &mut Vec<LoadedItem>, sent: &mut Vec<LoadedItem>) {
        let other = words::person(self.seed, self.rng.next() % PEOPLE);
        let mut copies: Vec<Person> = Vec::new();
        while copies.len() < 5 && self.rng.chance(30) {
            copies.push(words::person(self.seed, self.rng.next() % PEOPLE));
        }
        let topic = *self.rng.pick(TOPICS);
        let mut time = FIRST_TIME + self.rng.below(YEAR) as i64;
        let mut history: Vec<Quoted> = Vec::new();
        let mut theirs = self.rng.chance(70);
        let mut length = 1;
        while length < MAX_THREAD && self.rng.chance(40) {
            length += 1;
        }
        for n in 0..length.min(most) {
            let (from, to) = if theirs {
                (other.clone(), self.owner.clone())
            } else {
                (self.owner.clone(), other.clone())
            };
            let prefix = if n == 0 { "" } else { "RE: " };
            let paragraphs = words::letter(&mut self.rng, &to, &from);
            let mut people = vec![to];
            people.extend(copies.iter().cloned());
            let draft = Draft {
                seed: self.seed,
                subject: format!("{prefix}{topic}"),
                from,
                to: people,
                time,
                history: history.clone(),
                attachment: self.rng.chance(18).then(|| self.rng.next()),
            };
            let (quoted, raw) = compose_with(&mut self.rng, &draft, &paragraphs);
            history.insert(0, quoted);
            let item = self.item("eml", message_from_mime(&raw));
            if theirs {
                incoming.push(item)
            } else {
                sent.push(item)
            }
            theirs = !theirs;
            time += 600 + self.rng.below(200_000) as i64;
        }
    }

    fn event(&mut self) -> LoadedItem {
        let time = FIRST_TIME + self.rng.below(YEAR) as i64;
        let raw = event::appointment(&mut self.rng, self.seed, &self.owner, time);
        self.item("ics", from_ics(&raw))
    }

    fn task(&mut self) -> LoadedItem {
        let time = FIRST_TIME + self.rng.below(YEAR) as i64;
        let raw = event::task(&mut self.rng, time);
        self.item("ics", from_ics(&raw))
    }

    fn contact(&mut self, n: usize) -> LoadedItem {
        let person = words::person(self.seed, n as u64);
        let raw = card::contact(&mut self.rng, &person);
        self.item("vcf", from_vcf(&raw))
    }

    fn item(&mut self, extension: &str, mut message: Message) -> LoadedItem {
        let source = PathBuf::from(format!("{:06}.{extension}", self.made));
        self.made += 1;
        if self.rng.chance(6) {
            let category = (*self.rng.pick(CATEGORIES)).to_owned();
            message
                .props
                .set(named::keywords(), PropValue::MultiUnicode(vec![category]));
        }
        LoadedItem {
            source,
            message,
            is_read: extension != "eml" || self.rng.chance(75),
        }
    }
}

/// Makes a sent mail one that was never sent.
fn unsent(mut item: LoadedItem) -> LoadedItem {
    let flags = item.message.props.i32(tag::MESSAGE_FLAGS).unwrap_or(0);
    put_i32(
        &mut item.message.props,
        tag::MESSAGE_FLAGS,
        flags | MSGFLAG_UNSENT,
    );
    item
}

/// Deals out a list in shares.
struct Parts {
    items: Vec<LoadedItem>,
    total: usize,
}

impl Parts {
    fn new(items: Vec<LoadedItem>) -> Self {
        let total = items.len();
        Self { items, total }
    }

    /// The next share, in percent of the whole.
    fn take(&mut self, percent: usize) -> Vec<LoadedItem> {
        let count = (self.total * percent / 100).min(self.items.len());
        self.items.drain(..count).collect()
    }

    fn rest(&mut self) -> Vec<LoadedItem> {
        std::mem::take(&mut self.items)
    }
}

fn known(
    name: &str,
    distinguished: &'static str,
    kind: FolderKind,
    items: Vec<LoadedItem>,
) -> LoadedFolder {
    LoadedFolder {
        name: name.to_owned(),
        kind,
        distinguished: Some(distinguished),
        items,
        folders: Vec::new(),
    }
}

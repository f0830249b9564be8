//! A mailbox for a year: what its snapshots take, what reading one takes, and what is left when
//! half of them are forgotten.
//!
//! Keys and values have the sizes and the randomness of what `postkeep` stores for a mailbox of
//! Exchange (docs/format.md, "What postkeep keeps"). Bodies and summaries are tiny: what is counted
//! is what snapshots cost, with everything that a session writes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chunkstore::{
    Change, ChunkKind, CollectOptions, Content, Entry, Error, ItemWriter, LeaveOpen, NewSnapshot,
    Opaque, Repository, SegmentOptions, SegmentStore, Session, SnapshotId, TreeReader, TreeRoot,
    write_tree,
};
use futures::{StreamExt, TryStreamExt, stream};
use testkit::FaultyStore;

use crate::support::{create, noise, open, snapshot};

const DAYS: usize = 365;
const FIRST_ITEMS: usize = 60_000;
const FOLDERS: u64 = 40;
/// Folders in which something happens on a day.
const BUSY_FOLDERS: u64 = 12;
/// Skeletons of 15 KB that fill a segment of 4 MiB, and summaries of 200 bytes.
const SKELETONS: usize = 280;
const SUMMARIES: usize = 20_000;

const MAX_BYTES_A_DAY: u64 = 60_000;
const MAX_BYTES_READ: u64 = 5_000_000;
/// A day on which everything becomes a new base, of some 80,000 items by then.
const MAX_BYTES_WORST_DAY: u64 = 6_000_000;

/// What one snapshot of the mailbox holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Digest {
    entries: u64,
    /// The sum of all entries' hashes: a change to one entry is a change to the sum.
    sum: u128,
}

impl Digest {
    fn add(&mut self, entry: &Entry) {
        self.entries += 1;
        self.sum = self.sum.wrapping_add(hash(entry));
    }

    fn take(&mut self, entry: &Entry) {
        self.entries -= 1;
        self.sum = self.sum.wrapping_sub(hash(entry));
    }
}

fn hash(entry: &Entry) -> u128 {
    let mut hasher = blake3::Hasher::new();
    for field in [&entry.key, &entry.value] {
        hasher
            .update(&(field.len() as u64).to_le_bytes())
            .update(field);
    }
    for content in &entry.contents {
        hasher.update(&content.encode());
    }
    let digest = hasher.finalize();
    u128::from_le_bytes(*digest.as_bytes().first_chunk().unwrap())
}

/// A generator with a seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 += 1;
        let bytes = noise(self.0 ^ 0x6469_6365, 8);
        u64::from_le_bytes(bytes.as_ref().try_into().unwrap()) % below
    }
}

/// One change of a day: an item's key with its entry, or a removal.
enum Doing {
    /// A new item, or another content of one.
    Put(Vec<u8>, Vec<u8>),
    /// Another value; the contents stay.
    Mark(Vec<u8>, Vec<u8>),
    Remove(Vec<u8>),
}

/// The mailbox at the server.
struct Mailbox {
    dice: Dice,
    keys: Vec<Vec<u8>>,
    made: u64,
}

impl Mailbox {
    /// A key as of an item: 2, the folder's hash, the item's hash.
    fn new_item(&mut self) -> Doing {
        let folder = self.dice.roll(FOLDERS);
        self.made += 1;
        let key = [&[2], &noise(folder, 8)[..], &noise(self.made << 8, 16)].concat();
        self.keys.push(key.clone());
        Doing::Put(key, self.value(folder))
    }

    /// A value as of an item: ItemId, ChangeKey, class, read mark, size. Ids have the layout of
    /// Exchange's: the mailbox's GUID as text, entry ids with GUIDs of the store, counters.
    fn value(&mut self, folder: u64) -> Vec<u8> {
        self.made += 1;
        let counter = (0x0001_2345_0000 + self.made).to_be_bytes();
        let mut id = b"\x00\x03\x24\x004f3b8a51-9f1c-4f5c-8a8e-0d6f7f2f3e11".to_vec();
        id.extend_from_slice(b"\x00\x46\x00\x00\x00\x00\x00");
        id.extend_from_slice(&noise(1 << 40, 16));
        id.extend_from_slice(b"\x07\x00");
        id.extend_from_slice(&noise(2 << 40, 16));
        id.extend_from_slice(&(0x10c + folder).to_be_bytes()[2..]);
        id.extend_from_slice(b"\x00\x00");
        id.extend_from_slice(&noise(2 << 40, 16));
        id.extend_from_slice(&counter[2..]);
        id.extend_from_slice(b"\x00\x00");
        let mut change_key = b"\x09\x00\x00\x00\x16\x00\x00\x00".to_vec();
        change_key.extend_from_slice(&noise(2 << 40, 16));
        change_key.extend_from_slice(&self.dice.roll(1 << 32).to_be_bytes()[2..]);
        let read = [self.dice.roll(2) as u8];
        let size = varint(3_000 + self.dice.roll(40_000));
        let fields: [(u8, &[u8]); 5] = [
            (2, &id),
            (4, &change_key),
            (5, b"IPM.Note"),
            (6, &read),
            (7, &size),
        ];
        record(&fields)
    }

    /// What is there when the first backup runs, which reads folder after folder.
    fn first(&mut self) -> Vec<Doing> {
        let mut items: Vec<Doing> = (0..FIRST_ITEMS).map(|_| self.new_item()).collect();
        items.sort_by_key(|doing| match doing {
            Doing::Put(key, _) => key[..9].to_vec(),
            _ => Vec::new(),
        });
        items
    }

    fn take_key(&mut self) -> Vec<u8> {
        let at = self.dice.roll(self.keys.len() as u64) as usize;
        self.keys.swap_remove(at)
    }

    /// 150 new items, 30 deleted, 20 moved, 80 read marks, and 4 flags, for which the item comes
    /// anew.
    fn day(&mut self) -> Vec<Doing> {
        let mut marked = BTreeSet::new();
        while marked.len() < 84 {
            marked.insert(self.dice.roll(self.keys.len() as u64) as usize);
        }
        let mut day = Vec::new();
        for (nth, at) in marked.into_iter().enumerate() {
            let (key, value) = (self.keys[at].clone(), self.value(nth as u64 % FOLDERS));
            day.push(match nth {
                0..80 => Doing::Mark(key, value),
                _ => Doing::Put(key, value),
            });
        }
        // What was moved is gone from one folder and new in another.
        day.extend((0..50).map(|_| Doing::Remove(self.take_key())));
        day.extend((0..170).map(|_| self.new_item()));
        day
    }

    /// Entries as of folders in which something happened: names, counts, a new sync state.
    fn busy_folders(&mut self, day: usize) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let busy = (0..BUSY_FOLDERS).map(|_| self.dice.roll(FOLDERS));
        let busy: BTreeSet<u64> = busy.collect();
        let entry = |folder: u64| {
            let key = [&[1], &noise(folder, 8)[..]].concat();
            let state = noise(((day as u64) << 16) | folder, 200);
            let fields: [(u8, &[u8]); 5] = [
                (2, &noise(folder << 20, 80)),
                (4, b"Projects 2026"),
                (5, b"IPF.Note"),
                (9, &state),
                (11, &noise(day as u64, 8)),
            ];
            (key, record(&fields))
        };
        busy.into_iter().map(entry).collect()
    }
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

fn record(fields: &[(u8, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (tag, value) in fields {
        bytes.push(*tag);
        bytes.extend_from_slice(&varint(value.len() as u64));
        bytes.extend_from_slice(value);
    }
    bytes
}

/// The plain model: what the newest snapshot holds, and digests of all.
#[derive(Default)]
struct Model {
    entries: BTreeMap<Vec<u8>, Entry>,
    digest: Digest,
    days: Vec<(SnapshotId, Digest)>,
}

impl Model {
    fn apply(&mut self, change: &Change) {
        if let Some(old) = self.entries.remove(&change.key) {
            self.digest.take(&old);
        }
        if let Some((value, contents)) = change.entry.clone() {
            let key = change.key.clone();
            let entry = Entry {
                key: key.clone(),
                value,
                contents,
            };
            self.digest.add(&entry);
            self.entries.insert(key, entry);
        }
    }
}

/// Stores the bodies of a day's new items, in their order: of each its stream and its summary.
async fn store_bodies(session: &Arc<Session>, first: u64, count: usize) -> Vec<Vec<Content>> {
    let skeletons = SegmentStore::new(session.clone(), SegmentOptions::default());
    let summaries = SegmentOptions {
        kind: ChunkKind::Meta,
        ..SegmentOptions::default()
    };
    let summaries = SegmentStore::new(session.clone(), summaries);
    let mut pending = Vec::new();
    for nth in 0..count {
        let mut both = Vec::new();
        for (store, full) in [(&skeletons, SKELETONS), (&summaries, SUMMARIES)] {
            let mut writer = ItemWriter::new(store, 1, Arc::new(Opaque));
            writer
                .push(&(first + nth as u64).to_be_bytes())
                .await
                .unwrap();
            both.push(writer.finish().await.unwrap());
            if (nth + 1) % full == 0 {
                store.flush_all().await.unwrap();
            }
        }
        pending.push(both);
    }
    skeletons.flush_all().await.unwrap();
    summaries.flush_all().await.unwrap();
    let contents = pending.into_iter().map(|both| {
        let both = both.iter().map(|pending| pending.try_content().unwrap());
        both.collect()
    });
    contents.collect()
}

/// Backs a day up in a session of its own.
async fn back_up(
    repository: &Repository,
    parent: Option<&TreeRoot>,
    model: &mut Model,
    doings: Vec<Doing>,
    folders: BTreeMap<Vec<u8>, Vec<u8>>,
) -> TreeRoot {
    let session = Arc::new(repository.session(Default::default()).await.unwrap());
    let puts = doings
        .iter()
        .filter(|doing| matches!(doing, Doing::Put(..)));
    let first = (model.days.len() as u64) << 32;
    let mut bodies = store_bodies(&session, first, puts.count())
        .await
        .into_iter();
    let mut changes: BTreeMap<Vec<u8>, Change> = BTreeMap::new();
    for doing in doings {
        let change = match doing {
            Doing::Put(key, value) => Change::put(key, value, bodies.next().unwrap()),
            Doing::Mark(key, value) => {
                let contents = model.entries[&key].contents.clone();
                Change::put(key, value, contents)
            }
            Doing::Remove(key) => Change::remove(key),
        };
        changes.insert(change.key.clone(), change);
    }
    for (key, value) in folders {
        changes.insert(key.clone(), Change::put(key, value, Vec::new()));
    }
    changes.values().for_each(|change| model.apply(change));
    let sorted = stream::iter(changes.into_values().map(Ok::<_, Error>)).boxed();
    let root = write_tree(session.clone(), session.clone(), parent, sorted);
    let root = root.await.unwrap();
    let about = br#"{"server":"https://mail.example.test/EWS/Exchange.asmx","program":"postkeep 0.1.0","folders":40,"items":60000,"bytes":1234567890,"failures":0,"selection":[]}"#;
    let new = NewSnapshot {
        root: root.clone(),
        time_unix_ms: 1_790_000_000_000 + model.days.len() as i64 * 86_400_000,
        ..snapshot("alice@example.test", about)
    };
    let id = session.add_snapshot(new).unwrap();
    session.commit().await.unwrap();
    model.days.push((id, model.digest));
    root
}

async fn read_day(repository: &Arc<Repository>, id: SnapshotId) -> Digest {
    let info = repository.snapshots().into_iter().find(|s| s.id == id);
    let mut entries = TreeReader::new(repository.clone(), info.unwrap().root).all();
    let mut digest = Digest::default();
    while let Some(entry) = entries.try_next().await.unwrap() {
        digest.add(&entry);
    }
    digest
}

/// A year of backups: the model, and what each day stored, the first of all in front.
async fn a_year(store: &FaultyStore, mailbox: &mut Mailbox) -> (Model, Vec<u64>) {
    let repository = create(Arc::new(store.clone())).await;
    let mut model = Model::default();
    let mut root = None;
    let mut stored = Vec::new();
    for day in 0..=DAYS {
        let doings = match day {
            0 => mailbox.first(),
            _ => mailbox.day(),
        };
        let folders = mailbox.busy_folders(day);
        store.reset_counts();
        let written = back_up(&repository, root.as_ref(), &mut model, doings, folders).await;
        stored.push(store.counts().bytes_written);
        root = Some(written);
    }
    (model, stored)
}

/// Reads days as somebody does who has just opened the repository, and compares them.
async fn assert_days(store: &FaultyStore, seed: u64, days: Vec<(SnapshotId, Digest)>) {
    let repository = Arc::new(open(Arc::new(store.clone()), seed).await.unwrap());
    for (id, expected) in days {
        assert_eq!(read_day(&repository, id).await, expected, "{id}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_year_stores_60_kb_a_day_and_any_half_of_it_may_be_forgotten() {
    let store = FaultyStore::in_memory();
    let mut mailbox = Mailbox {
        dice: Dice(2026),
        keys: Vec::new(),
        made: 0,
    };
    let (model, stored) = a_year(&store, &mut mailbox).await;
    let (first, days) = stored.split_first().unwrap();
    let (mean, worst) = (days.iter().sum::<u64>() / DAYS as u64, days.iter().max());
    let worst = *worst.unwrap();
    println!("first {first}, a day {mean}, on the worst day {worst} bytes");
    assert!(mean <= MAX_BYTES_A_DAY, "{mean}");
    assert!(worst <= MAX_BYTES_WORST_DAY, "{worst}");

    let random = (0..20).map(|_| 1 + mailbox.dice.roll(DAYS as u64 - 1) as usize);
    let sampled: BTreeSet<usize> = [1, DAYS].into_iter().chain(random).collect();
    let mut most = 0;
    for day in sampled {
        let cold = open(Arc::new(store.clone()), 1000 + day as u64).await;
        let cold = Arc::new(cold.unwrap());
        store.reset_counts();
        let (id, expected) = model.days[day];
        assert_eq!(read_day(&cold, id).await, expected, "day {day}");
        // The mailbox grows by 120 items a day.
        let read = store.counts().bytes_read * FIRST_ITEMS as u64 / expected.entries;
        assert!(read <= MAX_BYTES_READ, "day {day}: {read}");
        most = most.max(read);
    }
    println!("any day is read with at most {most} bytes for each 60,000 items");

    let is_forgotten = model.days.iter().map(|_| mailbox.dice.roll(2) == 0);
    let is_forgotten: Vec<bool> = is_forgotten.collect();
    let (gone, left): (Vec<_>, Vec<_>) =
        (model.days.iter().zip(is_forgotten)).partition(|(_, is_forgotten)| *is_forgotten);
    let gone: Vec<SnapshotId> = gone.into_iter().map(|((id, _), _)| *id).collect();
    let mut left: Vec<_> = left.into_iter().map(|(day, _)| *day).collect();
    assert!(gone.len() > 120 && left.len() > 120);
    let custodian = open(Arc::new(store.clone()), 2000).await.unwrap();
    custodian.forget(&gone).await.unwrap();
    let options = CollectOptions::default();
    let report = custodian.collect(&options, &LeaveOpen).await.unwrap();
    assert!(report.finished && report.deleted_bytes > 0, "{report:?}");
    assert_eq!(custodian.snapshots().len(), left.len());
    let half = left.split_off(left.len() / 2);
    let (store, other) = (store.clone(), store);
    let first = tokio::spawn(async move { assert_days(&store, 3000, left).await });
    let second = tokio::spawn(async move { assert_days(&other, 3001, half).await });
    first.await.unwrap();
    second.await.unwrap();
}

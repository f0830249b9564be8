//! Where chunks lie: the bytes of index segments, and the index of an open repository.

mod cache;
mod disk_run;
mod run;
#[cfg(test)]
mod scale;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::chunk_id::ChunkId;
use crate::chunks::ChunkKind;
use crate::error::{Error, Result};
use crate::layout::PackName;
use crate::pack::{MAX_PACK_BYTES, PackEntry, PackHeader};
use crate::pack_writer::BlobPlace;
use crate::record::{RecordReader, RecordWriter, count};
use crate::seal::{ObjectKind, Preamble, Suite};

pub(crate) use cache::{Cached, IndexCache};
use run::Merged;
pub(crate) use run::Run;

/// Bytes of one entry of a segment.
const ENTRY_LEN: usize = 16 + 4 + 4 + 3 + 1;
/// Bytes of one pack of a segment's pack table.
const PACK_LEN: usize = 32 + 1 + 1 + 4 + 16 + 4 + 4;
/// Most entries that a writer puts into one segment: 28 MB.
const MAX_SEGMENT_ENTRIES: usize = 1_000_000;
/// Flag: the chunk is a tree node, run, summary or list.
const FLAG_META: u8 = 1;
/// Flag: the blob was sealed in another pack; this pack's header says where.
const FLAG_FOREIGN: u8 = 2;

/// What reading a pack takes beside the entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PackInfo {
    pub(crate) name: PackName,
    pub(crate) kind: ObjectKind,
    pub(crate) suite: Suite,
    pub(crate) epoch: u32,
    pub(crate) salt: [u8; 16],
    pub(crate) len: u32,
    pub(crate) header_len: u32,
}

impl PackInfo {
    pub(crate) fn new(
        name: PackName,
        preamble: &Preamble,
        (len, header_len): (u64, u32),
    ) -> Result<Self> {
        let len = u32::try_from(len)
            .map_err(|_| Error::corrupt(&name.object(), "it is longer than a pack can be"))?;
        Ok(Self {
            name,
            kind: preamble.kind,
            suite: preamble.suite,
            epoch: preamble.epoch,
            salt: preamble.salt,
            len,
            header_len,
        })
    }
}

/// One place of one chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Slot {
    pub(crate) id: [u8; 16],
    pub(crate) pack: u32,
    pub(crate) offset: u32,
    /// Sealed length in the low 24 bits, flags above.
    len_flags: u32,
}

impl Slot {
    pub(crate) fn new(entry: &PackEntry, pack: u32) -> Self {
        let meta = if entry.kind == ChunkKind::Meta {
            FLAG_META
        } else {
            0
        };
        let foreign = if entry.origin == 0 { 0 } else { FLAG_FOREIGN };
        Self {
            id: entry.id.short(),
            pack,
            offset: entry.offset,
            len_flags: (entry.sealed_len & 0xff_ffff) | u32::from(meta | foreign) << 24,
        }
    }

    /// A place in a pack that is given beside it.
    pub(crate) fn at(id: &ChunkId, place: BlobPlace) -> Self {
        let meta = if place.kind == ChunkKind::Meta {
            FLAG_META
        } else {
            0
        };
        Self {
            id: id.short(),
            pack: 0,
            offset: place.offset,
            len_flags: (place.sealed_len & 0xff_ffff) | u32::from(meta) << 24,
        }
    }

    pub(crate) fn sealed_len(&self) -> u32 {
        self.len_flags & 0xff_ffff
    }

    pub(crate) fn kind(&self) -> ChunkKind {
        if self.flags() & FLAG_META == 0 {
            ChunkKind::Data
        } else {
            ChunkKind::Meta
        }
    }

    pub(crate) fn is_foreign(&self) -> bool {
        self.flags() & FLAG_FOREIGN != 0
    }

    fn flags(&self) -> u8 {
        (self.len_flags >> 24) as u8
    }

    /// As in an index segment.
    fn to_bytes(self) -> [u8; ENTRY_LEN] {
        let mut bytes = [0; ENTRY_LEN];
        bytes[..16].copy_from_slice(&self.id);
        bytes[16..20].copy_from_slice(&self.pack.to_le_bytes());
        bytes[20..24].copy_from_slice(&self.offset.to_le_bytes());
        bytes[24..].copy_from_slice(&self.len_flags.to_le_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8; ENTRY_LEN]) -> Self {
        let number = |at: usize| {
            let bytes = bytes.get(at..at + 4).and_then(|b| b.try_into().ok());
            bytes.map_or(0, u32::from_le_bytes)
        };
        let mut id = [0; 16];
        id.copy_from_slice(&bytes[..16]);
        Self {
            id,
            pack: number(16),
            offset: number(20),
            len_flags: number(24),
        }
    }
}

/// The content of one index object: a table of packs and sorted entries that point into it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct IndexSegment {
    pub(crate) packs: Vec<PackInfo>,
    pub(crate) slots: Vec<Slot>,
}

impl IndexSegment {
    /// Leaves out packs that are not in `live`, and what lies in them.
    pub(crate) fn retain_packs(&mut self, live: &HashSet<PackName>) {
        if self.packs.iter().all(|pack| live.contains(&pack.name)) {
            return;
        }
        let mut numbers = Vec::with_capacity(self.packs.len());
        let mut packs = Vec::new();
        for pack in std::mem::take(&mut self.packs) {
            let stays = live.contains(&pack.name);
            numbers.push(stays.then_some(packs.len() as u32));
            if stays {
                packs.push(pack);
            }
        }
        self.packs = packs;
        // A table with gaps closed keeps the order of its packs, and so that of the entries.
        self.slots
            .retain_mut(|slot| match numbers.get(slot.pack as usize) {
                Some(Some(number)) => {
                    slot.pack = *number;
                    true
                }
                _ => false,
            });
    }

    /// Describes one pack by its header.
    pub(crate) fn of_pack(info: PackInfo, header: &PackHeader) -> Self {
        let mut slots: Vec<_> = header
            .entries
            .iter()
            .map(|entry| Slot::new(entry, 0))
            .collect();
        slots.sort_unstable();
        Self {
            packs: vec![info],
            slots,
        }
    }

    /// Joins the descriptions of packs into segments of a bounded size.
    pub(crate) fn join(parts: impl IntoIterator<Item = Self>) -> Vec<Self> {
        let mut segments: Vec<Self> = Vec::new();
        for part in parts {
            match segments.last_mut() {
                Some(last) if last.slots.len() + part.slots.len() <= MAX_SEGMENT_ENTRIES => {
                    last.append(part);
                }
                _ => segments.push(part),
            }
        }
        for segment in &mut segments {
            segment.slots.sort_unstable();
        }
        segments
    }

    fn append(&mut self, part: Self) {
        let base = self.packs.len() as u32;
        self.packs.extend(part.packs);
        let moved = part.slots.into_iter().map(|slot| Slot {
            pack: slot.pack + base,
            ..slot
        });
        self.slots.extend(moved);
    }

    pub(crate) fn encode(&self) -> Result<Vec<u8>> {
        let mut out = RecordWriter::default();
        out.u32(count(self.packs.len())?);
        for pack in &self.packs {
            write_pack(&mut out, pack);
        }
        out.u32(count(self.slots.len())?);
        for slot in &self.slots {
            out.bytes(&slot.to_bytes());
        }
        Ok(out.0)
    }

    pub(crate) fn decode(object: &str, record: &[u8]) -> Result<Self> {
        let mut fields = RecordReader::new(object, record);
        let mut segment = Self::default();
        for _ in 0..fields.count(PACK_LEN)? {
            let pack = read_pack(&mut fields)?;
            segment.packs.push(pack);
        }
        let entries = fields.count(ENTRY_LEN)?;
        segment.slots.reserve_exact(entries);
        for _ in 0..entries {
            let slot = Slot::from_bytes(&fields.array()?);
            if slot.pack as usize >= segment.packs.len() {
                return Err(fields.damaged("an entry names a pack that is not in its table"));
            }
            segment.slots.push(slot);
        }
        fields.end()?;
        if segment.slots.is_sorted() {
            Ok(segment)
        } else {
            Err(Error::corrupt(object, "its entries are not sorted"))
        }
    }
}

fn write_pack(out: &mut RecordWriter, pack: &PackInfo) {
    out.bytes(&pack.name.0)
        .u8(pack.kind as u8)
        .u8(pack.suite.to_byte());
    out.u32(pack.epoch).bytes(&pack.salt);
    out.u32(pack.len).u32(pack.header_len);
}

fn read_pack(fields: &mut RecordReader<'_>) -> Result<PackInfo> {
    let name = PackName(fields.array()?);
    let kind = match fields.u8()? {
        byte if byte == ObjectKind::DataPack as u8 => ObjectKind::DataPack,
        byte if byte == ObjectKind::MetaPack as u8 => ObjectKind::MetaPack,
        _ => return Err(fields.damaged("a pack is of an unknown kind")),
    };
    let suite = Suite::from_byte(fields.u8()?)
        .ok_or_else(|| fields.damaged("a pack has an unknown cipher"))?;
    let pack = PackInfo {
        name,
        kind,
        suite,
        epoch: fields.u32()?,
        salt: fields.array()?,
        len: fields.u32()?,
        header_len: fields.u32()?,
    };
    if u64::from(pack.len) > MAX_PACK_BYTES || pack.header_len >= pack.len {
        return Err(fields.damaged("a pack's length is impossible"));
    }
    Ok(pack)
}

/// All committed chunks.
///
/// Sorted runs, merged so that there are only ever a few: a look-up is a handful of binary
/// searches. Runs are in memory, 28 bytes an entry, or in files of an [`IndexCache`].
///
/// A clone shares the runs: it is a view that later additions do not change.
#[derive(Clone, Debug, Default)]
pub(crate) struct PackIndex {
    packs: Vec<PackInfo>,
    by_name: HashMap<PackName, u32>,
    /// Those in files come first, and their packs are the first packs.
    runs: Vec<Run>,
    /// Packs of files that are no longer there.
    gone: HashSet<u32>,
    /// Packs that a repair gave up, and the numbers of those among them that are described: what
    /// lies in them counts as absent, and is looked for there last.
    given_up: Arc<HashSet<PackName>>,
    given_up_numbers: HashSet<u32>,
}

/// A run is merged into its older neighbour once it is at least a quarter of its size.
const MERGE_RATIO: usize = 4;

impl PackIndex {
    /// Adds what a segment describes; packs already known are not added again.
    pub(crate) fn add(&mut self, segment: IndexSegment) {
        let mut numbers = Vec::with_capacity(segment.packs.len());
        for pack in segment.packs {
            let known = self.by_name.contains_key(&pack.name);
            let number = *self
                .by_name
                .entry(pack.name)
                .or_insert(self.packs.len() as u32);
            if !known {
                if self.given_up.contains(&pack.name) {
                    self.given_up_numbers.insert(number);
                }
                self.packs.push(pack);
            }
            numbers.push((number, known));
        }
        let mut run: Vec<Slot> = segment
            .slots
            .into_iter()
            .filter_map(|slot| match numbers.get(slot.pack as usize) {
                Some((number, false)) => Some(Slot {
                    pack: *number,
                    ..slot
                }),
                _ => None,
            })
            .collect();
        if run.is_empty() {
            return;
        }
        run.sort_unstable();
        while let Some(Run::Memory(last)) = self.runs.pop_if(
            |last| matches!(last, Run::Memory(last) if last.len() < run.len() * MERGE_RATIO),
        ) {
            run = merge(&last, &run);
        }
        self.runs.push(Run::Memory(Arc::new(run)));
    }

    /// Whether a file of the index turned out to be damaged: what it said since may lack something.
    pub(crate) fn is_broken(&self) -> bool {
        run::any_broken(&self.runs)
    }

    /// From now on, of the packs of files only these are there.
    pub(crate) fn retain_packs(&mut self, live: impl Fn(&PackName) -> bool) {
        let in_files = self.packs_in_files();
        let packs = (0u32..).zip(&self.packs).take(in_files);
        let gone = packs.filter(|(_, pack)| !live(&pack.name));
        self.gone = gone.map(|(number, _)| number).collect();
    }

    /// How many of the packs are those of files.
    fn packs_in_files(&self) -> usize {
        let disk = |run: &Run| match run {
            Run::Disk(run) => run.packs_end(),
            Run::Memory(_) => 0,
        };
        self.runs.iter().map(disk).max().unwrap_or(0)
    }

    /// The same index without what is in memory.
    pub(crate) fn files_only(&self) -> Self {
        let packs = self.packs.get(..self.packs_in_files()).unwrap_or_default();
        let files = self.runs.iter().filter(|run| matches!(run, Run::Disk(_)));
        let mut index = Self {
            packs: packs.to_vec(),
            by_name: (0u32..)
                .zip(packs)
                .map(|(n, pack)| (pack.name, n))
                .collect(),
            runs: files.cloned().collect(),
            gone: self.gone.clone(),
            ..Self::default()
        };
        index.give_up(Arc::clone(&self.given_up));
        index
    }

    /// From now on these packs are given up, and no others.
    pub(crate) fn give_up(&mut self, packs: Arc<HashSet<PackName>>) {
        let numbers = packs.iter().filter_map(|name| self.by_name.get(name));
        self.given_up_numbers = numbers.copied().collect();
        self.given_up = packs;
    }

    /// The packs that a repair gave up.
    pub(crate) fn given_up(&self) -> &Arc<HashSet<PackName>> {
        &self.given_up
    }

    /// Every known place of a chunk, those in packs that were given up last.
    pub(crate) fn find(&self, id: &ChunkId) -> Vec<(PackInfo, Slot)> {
        let mut places: Vec<_> = self
            .slots(id.short())
            .filter_map(|slot| Some((self.packs.get(slot.pack as usize)?.clone(), slot)))
            .collect();
        places.sort_by_key(|(_, slot)| self.given_up_numbers.contains(&slot.pack));
        places
    }

    /// One known place of a chunk.
    pub(crate) fn slot(&self, id: &ChunkId) -> Option<Slot> {
        self.ordinals(id.short()).next().map(|(_, _, slot)| slot)
    }

    /// Whether a chunk lies in a pack that was not given up and is not in `absent`.
    pub(crate) fn contains(&self, id: &ChunkId, absent: &HashSet<PackName>) -> bool {
        self.slots(id.short()).any(|slot| {
            !self.given_up_numbers.contains(&slot.pack)
                && (absent.is_empty()
                    || self
                        .packs
                        .get(slot.pack as usize)
                        .is_some_and(|pack| !absent.contains(&pack.name)))
        })
    }

    pub(crate) fn packs(&self) -> &[PackInfo] {
        &self.packs
    }

    /// The packs that hold a chunk, by the start of its id, without those that were given up.
    pub(crate) fn places(&self, id: [u8; 16]) -> impl Iterator<Item = &PackInfo> {
        self.slots(id)
            .filter(|slot| !self.given_up_numbers.contains(&slot.pack))
            .filter_map(|slot| self.packs.get(slot.pack as usize))
    }

    /// What the index says about one pack. Reads the whole index: for damaged packs only.
    pub(crate) fn pack_slots(&self, name: &PackName) -> Option<(PackInfo, Vec<Slot>)> {
        let number = *self.by_name.get(name)?;
        let info = self.packs.get(number as usize)?.clone();
        let slots = self.runs.iter().flat_map(Run::slots);
        Some((info, slots.filter(|slot| slot.pack == number).collect()))
    }

    /// The number of a pack in [`PackIndex::packs`].
    pub(crate) fn pack_number(&self, name: &PackName) -> Option<u32> {
        self.by_name.get(name).copied()
    }

    /// The sorted runs.
    pub(crate) fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// The places of a chunk: run, position in the run, and what stands there. Places in packs
    /// that were given up are left out, unless there are no others: then nothing must be deleted
    /// that may still turn out to be readable.
    pub(crate) fn ordinals(&self, id: [u8; 16]) -> impl Iterator<Item = (usize, usize, Slot)> {
        let given_up = |slot: &Slot| self.given_up_numbers.contains(&slot.pack);
        let elsewhere = !self.given_up_numbers.is_empty()
            && self.all_ordinals(id).any(|(_, _, slot)| !given_up(&slot));
        self.all_ordinals(id)
            .filter(move |(_, _, slot)| !elsewhere || !given_up(slot))
    }

    fn all_ordinals(&self, id: [u8; 16]) -> impl Iterator<Item = (usize, usize, Slot)> {
        let found = self.runs.iter().enumerate().flat_map(move |(number, run)| {
            run.find(id)
                .map(move |(position, slot)| (number, position, slot))
        });
        found.filter(|(_, _, slot)| self.gone.is_empty() || !self.gone.contains(&slot.pack))
    }

    pub(crate) fn chunk_count(&self) -> u64 {
        self.runs.iter().map(|run| run.len() as u64).sum()
    }

    fn slots(&self, id: [u8; 16]) -> impl Iterator<Item = Slot> {
        self.all_ordinals(id).map(|(_, _, slot)| slot)
    }
}

fn merge(old: &[Slot], new: &[Slot]) -> Vec<Slot> {
    let mut merged = Vec::with_capacity(old.len() + new.len());
    let (mut old, mut new) = (old.iter().peekable(), new.iter().peekable());
    while let (Some(a), Some(b)) = (old.peek(), new.peek()) {
        let next = if a <= b { old.next() } else { new.next() };
        merged.extend(next);
    }
    merged.extend(old);
    merged.extend(new);
    merged
}

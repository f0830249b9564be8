//! A sorted run of the index in a local file, for indexes that are too large for memory.
//!
//! Such a file is a cache and no part of a repository: it is written once, never changed, and made
//! anew from the repository when anything about it is wrong.
//!
//! ```text
//! pages, 4096 bytes each: 146 entries of 28 bytes, as in index segments | checksum 8
//! footer, as encoded below | its BLAKE3, 32 bytes | its length, u64
//! ```
//!
//! Held in memory are the first key of each page (8 bytes for 146 entries) and a binary fuse filter
//! (9 bits an entry), so that an absent id costs no read and a present one a single page.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use twox_hash::XxHash3_64;
use xorf::{BinaryFuse8, BinaryFuse8Ref, DmaSerializable, Filter, FilterRef};

use super::{ENTRY_LEN, PACK_LEN, PackInfo, Slot, read_pack, write_pack};
use crate::catalogue::SegmentInfo;
use crate::layout::PackName;
use crate::platform::read_exact_at;
use crate::record::{RecordReader, RecordWriter, count};

const PAGE_LEN: usize = 4096;
const CHECKSUM_LEN: usize = 8;
/// Entries of a page.
const PAGE_SLOTS: usize = (PAGE_LEN - CHECKSUM_LEN) / ENTRY_LEN;
/// Entries that share a filter: building one takes some 30 bytes an entry.
const SHARD_SLOTS: usize = 1 << 20;
/// Pages read at once when a whole run is gone through: 1 MiB.
const SCAN_PAGES: usize = 256;
/// Bytes of a filter's description.
const FILTER_HEAD: usize = 20;
/// Bytes behind the footer: its hash and its length.
const TRAILER_LEN: u64 = 40;
/// The first bytes of the footer, which change with the format.
const MAGIC: &[u8; 16] = b"postkeep run 2\0\0";
/// The largest footer that is read: 400 million entries.
const MAX_FOOTER_BYTES: u64 = 1 << 30;

/// What a run is about, beside its entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RunMeta {
    /// The repository it belongs to.
    pub(crate) repository: [u8; 16],
    /// The packs that entries name by their place here.
    pub(crate) packs: Vec<PackInfo>,
    /// The index objects that it stands for.
    pub(crate) segments: BTreeMap<[u8; 16], SegmentInfo>,
}

/// Entries that share a filter.
struct Shard {
    first_key: u64,
    head: [u8; FILTER_HEAD],
    fingerprints: Box<[u8]>,
}

impl Shard {
    fn may_have(&self, key: u64) -> bool {
        BinaryFuse8Ref::from_dma(&self.head, &self.fingerprints).contains(&key)
    }

    /// Whether the filter looks only where it has fingerprints.
    fn is_sound(&self) -> bool {
        let field = |at: usize| {
            let bytes = self.head.get(at..at + 4).and_then(|b| b.try_into().ok());
            u64::from(bytes.map_or(0, u32::from_le_bytes))
        };
        let (length, mask, segments) = (field(8), field(12), field(16));
        length.is_power_of_two()
            && mask == length - 1
            && segments > 0
            && self.fingerprints.len() as u64 >= segments + 2 * length
    }
}

/// A run in a file.
pub(crate) struct DiskRun {
    file: File,
    len: usize,
    /// The number of its first pack among those of the whole index, and that behind its last.
    base: u32,
    packs_end: u32,
    shards: Vec<Shard>,
    /// The first key of each page.
    fences: Vec<u64>,
    /// Whether a page could not be read: what was found since may lack something.
    broken: AtomicBool,
}

impl std::fmt::Debug for DiskRun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DiskRun({} entries)", self.len)
    }
}

/// What entries are sorted and filtered by: the first eight bytes of an id.
fn key_of(id: &[u8; 16]) -> u64 {
    id.first_chunk()
        .map_or(0, |first| u64::from_be_bytes(*first))
}

fn damaged(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

impl DiskRun {
    /// Opens a run whose packs begin at `base`, and reads its footer.
    pub(crate) fn open(path: &Path, base: u32) -> io::Result<(Self, RunMeta)> {
        let file = File::open(path)?;
        let len = file.metadata()?.len();
        let end = len
            .checked_sub(TRAILER_LEN)
            .ok_or_else(|| damaged("it is too short"))?;
        let mut trailer = [0; TRAILER_LEN as usize];
        read_exact_at(&file, &mut trailer, end)?;
        let (hash, footer_len) = trailer.split_at(32);
        let footer_len = footer_len.try_into().map_or(0, u64::from_le_bytes);
        let start = end
            .checked_sub(footer_len)
            .filter(|_| footer_len <= MAX_FOOTER_BYTES);
        let start = start.ok_or_else(|| damaged("its footer's length is impossible"))?;
        let mut footer = vec![0; footer_len as usize];
        read_exact_at(&file, &mut footer, start)?;
        if blake3::hash(&footer).as_bytes() != hash {
            return Err(damaged("its footer is damaged"));
        }
        let (mut run, meta) = Self::decode(file, &footer).map_err(|e| damaged(&e.to_string()))?;
        run.base = base;
        run.packs_end = base.saturating_add(meta.packs.len() as u32);
        let pages = run.len.div_ceil(PAGE_SLOTS);
        let is_whole = start == (pages * PAGE_LEN) as u64
            && run.fences.len() == pages
            && run.shards.iter().all(Shard::is_sound);
        match is_whole {
            true => Ok((run, meta)),
            false => Err(damaged("its parts do not fit together")),
        }
    }

    fn decode(file: File, footer: &[u8]) -> crate::error::Result<(Self, RunMeta)> {
        let mut fields = RecordReader::new("a run of the index", footer);
        if &fields.array::<16>()? != MAGIC {
            return Err(fields.damaged("it is of another version"));
        }
        let mut meta = RunMeta {
            repository: fields.array()?,
            ..RunMeta::default()
        };
        let len = fields.u64()? as usize;
        for _ in 0..fields.count(PACK_LEN)? {
            meta.packs.push(read_pack(&mut fields)?);
        }
        for _ in 0..fields.count(16 + 4 + 4)? {
            let id = fields.array()?;
            let entries = fields.u32()? as usize;
            let mut packs = Vec::new();
            for _ in 0..fields.count(32)? {
                packs.push(PackName(fields.array()?));
            }
            meta.segments.insert(id, SegmentInfo { entries, packs });
        }
        let mut shards = Vec::new();
        for _ in 0..fields.count(8 + FILTER_HEAD + 4)? {
            shards.push(Shard {
                first_key: fields.u64()?,
                head: fields.array()?,
                fingerprints: {
                    let len = fields.count(1)?;
                    fields.bytes(len)?.into()
                },
            });
        }
        let pages = fields.count(8)?;
        let mut fences = Vec::with_capacity(pages);
        for _ in 0..pages {
            fences.push(fields.u64()?);
        }
        fields.end()?;
        let run = Self {
            file,
            len,
            base: 0,
            packs_end: 0,
            shards,
            fences,
            broken: AtomicBool::new(false),
        };
        Ok((run, meta))
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The number behind that of its last pack.
    pub(crate) fn packs_end(&self) -> usize {
        self.packs_end as usize
    }

    /// Whether a page could not be read.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Relaxed)
    }

    /// The entries of an id, with their positions.
    pub(crate) fn find(&self, id: &[u8; 16]) -> Vec<(usize, Slot)> {
        let key = key_of(id);
        let shard = self.shards.partition_point(|shard| shard.first_key <= key);
        let shard = shard.checked_sub(1).and_then(|at| self.shards.get(at));
        if !shard.is_some_and(|shard| shard.may_have(key)) {
            return Vec::new();
        }
        let mut found = Vec::new();
        let mut page = self.first_page(key);
        let mut bytes = [0; PAGE_LEN];
        while self.fences.get(page).is_some_and(|first| *first <= key) {
            if !self.read_page(page, &mut bytes) {
                return found;
            }
            self.find_in_page(id, page, &bytes, &mut found);
            page += 1;
        }
        found
    }

    fn find_in_page(
        &self,
        id: &[u8; 16],
        page: usize,
        bytes: &[u8; PAGE_LEN],
        found: &mut Vec<(usize, Slot)>,
    ) {
        let first = page * PAGE_SLOTS;
        let entries: &[[u8; ENTRY_LEN]] = bytes.as_chunks().0;
        let count = PAGE_SLOTS.min(self.len.saturating_sub(first));
        let entries = entries.get(..count).unwrap_or_default();
        let start = entries.partition_point(|entry| entry[..16] < id[..]);
        for (at, entry) in entries.iter().enumerate().skip(start) {
            if entry[..16] != id[..] {
                break;
            }
            found.push((first + at, self.slot(entry)));
        }
    }

    fn slot(&self, entry: &[u8; ENTRY_LEN]) -> Slot {
        let slot = Slot::from_bytes(entry);
        Slot {
            // A number that is no pack's is passed over by whoever looks the pack up.
            pack: slot.pack.saturating_add(self.base),
            ..slot
        }
    }

    /// The first page that may hold a key. Keys are hashes, so where one stands can be told from
    /// its value; what is looked through is the little by which that is wrong.
    fn first_page(&self, key: u64) -> usize {
        let pages = self.fences.len();
        let guess = (u128::from(key) * pages as u128) >> 64;
        let guess = (guess as usize).min(pages.saturating_sub(1));
        let below = |at: usize| self.fences.get(at).is_some_and(|first| *first < key);
        let (mut low, mut high, mut step) = (guess, guess, 8);
        while low > 0 && !below(low) {
            low = low.saturating_sub(step);
            step *= 2;
        }
        step = 8;
        while high < pages && below(high) {
            high = (high + step).min(pages);
            step *= 2;
        }
        let within = self.fences.get(low..high).unwrap_or_default();
        (low + within.partition_point(|first| *first < key)).saturating_sub(1)
    }

    fn read_page(&self, page: usize, bytes: &mut [u8; PAGE_LEN]) -> bool {
        let read = read_exact_at(&self.file, bytes, (page * PAGE_LEN) as u64);
        let whole = read.is_ok() && is_whole(page, bytes);
        if !whole {
            self.broken.store(true, Ordering::Relaxed);
        }
        whole
    }

    /// All entries in order. Ends early where a page cannot be read; see [`DiskRun::is_broken`].
    pub(crate) fn slots(&self) -> impl Iterator<Item = Slot> + '_ {
        let pages = self.fences.len();
        (0..pages).step_by(SCAN_PAGES).flat_map(move |first| {
            let pages = SCAN_PAGES.min(pages - first);
            let mut bytes = vec![0; pages * PAGE_LEN];
            let at = (first * PAGE_LEN) as u64;
            let read = read_exact_at(&self.file, &mut bytes, at).is_ok();
            let chunks: &[[u8; PAGE_LEN]] = bytes.as_chunks().0;
            let whole = read
                && (first..)
                    .zip(chunks)
                    .all(|(page, bytes)| is_whole(page, bytes));
            let mut slots = Vec::new();
            if whole {
                let entries = chunks.iter().flat_map(|page| {
                    let entries: &[[u8; ENTRY_LEN]] = page.as_chunks().0;
                    entries.iter().take(PAGE_SLOTS)
                });
                let left = self.len.saturating_sub(first * PAGE_SLOTS);
                slots.extend(entries.take(left).map(|entry| self.slot(entry)));
            } else {
                self.broken.store(true, Ordering::Relaxed);
            }
            slots
        })
    }
}

/// XXH3 of the entries, with the page's number as its seed: a page in another's place is found out.
/// Damage, not malice: whoever can write here can read the mail as well. It is computed at every
/// read, and takes a tenth of what BLAKE3 takes.
fn checksum(page: usize, entries: &[u8]) -> [u8; CHECKSUM_LEN] {
    XxHash3_64::oneshot_with_seed(page as u64, entries).to_le_bytes()
}

fn is_whole(page: usize, bytes: &[u8; PAGE_LEN]) -> bool {
    let (entries, sum) = bytes.split_at(PAGE_LEN - CHECKSUM_LEN);
    checksum(page, entries) == sum
}

/// Writes a run.
pub(crate) struct DiskRunWriter {
    file: BufWriter<File>,
    page: Vec<u8>,
    len: usize,
    fences: Vec<u64>,
    /// The keys since the last filter was made, each once.
    keys: Vec<u64>,
    shards: Vec<Shard>,
}

impl DiskRunWriter {
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        Ok(Self {
            file: BufWriter::with_capacity(1 << 20, File::create_new(path)?),
            page: Vec::with_capacity(PAGE_LEN),
            len: 0,
            fences: Vec::new(),
            keys: Vec::new(),
            shards: Vec::new(),
        })
    }

    /// Adds an entry; they come in order.
    pub(crate) fn push(&mut self, slot: &Slot) -> io::Result<()> {
        let key = key_of(&slot.id);
        if self.keys.last() != Some(&key) {
            if self.keys.len() >= SHARD_SLOTS {
                self.close_shard()?;
            }
            self.keys.push(key);
        }
        if self.page.is_empty() {
            self.fences.push(key);
        }
        self.page.extend_from_slice(&slot.to_bytes());
        self.len += 1;
        if self.page.len() == PAGE_SLOTS * ENTRY_LEN {
            self.close_page()?;
        }
        Ok(())
    }

    fn close_page(&mut self) -> io::Result<()> {
        self.page.resize(PAGE_LEN - CHECKSUM_LEN, 0);
        let sum = checksum(self.fences.len() - 1, &self.page);
        self.file.write_all(&self.page)?;
        self.page.clear();
        self.file.write_all(&sum)
    }

    fn close_shard(&mut self) -> io::Result<()> {
        let Some(first_key) = self.keys.first().copied() else {
            return Ok(());
        };
        let filter = BinaryFuse8::try_from(&self.keys).map_err(damaged)?;
        let mut head = [0; FILTER_HEAD];
        filter.dma_copy_descriptor_to(&mut head);
        self.shards.push(Shard {
            first_key,
            head,
            fingerprints: filter.fingerprints,
        });
        self.keys.clear();
        Ok(())
    }

    /// Writes the footer, and makes all of it durable.
    pub(crate) fn finish(mut self, meta: &RunMeta) -> io::Result<()> {
        if !self.page.is_empty() {
            self.close_page()?;
        }
        self.close_shard()?;
        let footer = self.footer(meta).map_err(|e| damaged(&e.to_string()))?;
        self.file.write_all(&footer)?;
        self.file.write_all(blake3::hash(&footer).as_bytes())?;
        self.file.write_all(&(footer.len() as u64).to_le_bytes())?;
        self.file
            .into_inner()
            .map_err(io::IntoInnerError::into_error)?
            .sync_all()
    }

    fn footer(&self, meta: &RunMeta) -> crate::error::Result<Vec<u8>> {
        let mut out = RecordWriter::default();
        out.bytes(MAGIC)
            .bytes(&meta.repository)
            .u64(self.len as u64);
        out.u32(count(meta.packs.len())?);
        for pack in &meta.packs {
            write_pack(&mut out, pack);
        }
        out.u32(count(meta.segments.len())?);
        for (id, segment) in &meta.segments {
            out.bytes(id).u32(count(segment.entries)?);
            out.u32(count(segment.packs.len())?);
            for pack in &segment.packs {
                out.bytes(&pack.0);
            }
        }
        out.u32(count(self.shards.len())?);
        for shard in &self.shards {
            out.u64(shard.first_key).bytes(&shard.head);
            out.u32(count(shard.fingerprints.len())?);
            out.bytes(&shard.fingerprints);
        }
        out.u32(count(self.fences.len())?);
        for first in &self.fences {
            out.u64(*first);
        }
        Ok(out.0)
    }
}

//! One immutable file: terms with the numbers of the texts they occur in, and columns.
//!
//! Terms are sorted. An entry is the length of what it shares with the entry before, the rest of
//! the term, how many texts, and the differences between their numbers, counted from the
//! segment's first text. Entries fill blocks; the footer knows each block's first term.

use std::path::Path;

use crate::codec::{Cursor, put_bytes, put_varint};
use crate::columns::{ContentKeys, RowColumns, RowKeys, TextColumns, decode_keys};
use crate::document::RowKey;
use crate::error::{Error, Result};
use crate::manifest::{SegmentInfo, segment_path};
use crate::seal::{Block, IndexKey, Salt, SealedFile, SealedWriter};

const WHAT: &str = "a segment";
/// A block of terms is closed at this size: small enough that a look-up is one short read.
const TERM_BLOCK_BYTES: usize = 32 << 10;
/// Row keys in a block; only those of hits are read.
const KEYS_PER_BLOCK: usize = 4096;

/// What a segment holds besides terms.
#[derive(Clone, Debug, Default)]
pub(crate) struct Columns {
    pub(crate) texts: TextColumns,
    pub(crate) rows: RowColumns,
    pub(crate) row_keys: RowKeys,
    pub(crate) contents: ContentKeys,
}

/// Writes a segment, terms first and in order.
pub(crate) struct SegmentWriter {
    file: SealedWriter,
    salt: Salt,
    block: Vec<u8>,
    last: Vec<u8>,
    first: Vec<u8>,
    directory: Vec<(Vec<u8>, Block)>,
}

impl SegmentWriter {
    pub(crate) fn create(folder: &Path, key: &IndexKey, salt: Salt) -> Result<Self> {
        Ok(Self {
            file: SealedWriter::create(&segment_path(folder, &salt), key, &salt)?,
            salt,
            block: Vec::new(),
            last: Vec::new(),
            first: Vec::new(),
            directory: Vec::new(),
        })
    }

    /// `postings` are `count` differences as varints.
    pub(crate) fn term(&mut self, term: &[u8], count: u32, postings: &[u8]) -> Result<()> {
        if self.block.is_empty() {
            self.first = term.to_vec();
            self.last.clear();
        }
        let shared = std::iter::zip(term, &self.last)
            .take_while(|(a, b)| a == b)
            .count();
        put_varint(&mut self.block, shared as u64);
        put_bytes(&mut self.block, term.get(shared..).unwrap_or_default());
        put_varint(&mut self.block, u64::from(count));
        put_bytes(&mut self.block, postings);
        self.last.clear();
        self.last.extend_from_slice(term);
        if self.block.len() >= TERM_BLOCK_BYTES {
            self.close_block()?;
        }
        Ok(())
    }

    fn close_block(&mut self) -> Result<()> {
        if !self.block.is_empty() {
            let block = self.file.append(&self.block)?;
            self.directory
                .push((std::mem::take(&mut self.first), block));
            self.block.clear();
        }
        Ok(())
    }

    /// `row_base` is the number of the segment's first row.
    pub(crate) fn finish(mut self, row_base: u32, columns: &Columns) -> Result<SegmentInfo> {
        self.close_block()?;
        let texts = self.file.append(&columns.texts.encode())?;
        let rows = self.file.append(&columns.rows.encode(row_base))?;
        let contents = self.file.append(columns.contents.as_flattened())?;
        let mut keys = Vec::new();
        for piece in columns.row_keys.chunks(KEYS_PER_BLOCK) {
            keys.push(self.file.append(piece.as_flattened())?);
        }
        let mut footer = Vec::new();
        for block in [texts, rows, contents] {
            put_block(&mut footer, block);
        }
        put_varint(&mut footer, keys.len() as u64);
        for block in keys {
            put_block(&mut footer, block);
        }
        put_varint(&mut footer, self.directory.len() as u64);
        for (first, block) in &self.directory {
            put_bytes(&mut footer, first);
            put_block(&mut footer, *block);
        }
        let footer = self.file.append(&footer)?;
        Ok(SegmentInfo {
            salt: self.salt,
            footer,
            bytes: self.file.finish()?,
            texts: columns.contents.len() as u32,
            rows: columns.row_keys.len() as u32,
        })
    }
}

fn put_block(out: &mut Vec<u8>, block: Block) {
    put_varint(out, block.position);
    put_varint(out, u64::from(block.len));
}

fn take_block(cursor: &mut Cursor<'_>) -> Result<Block> {
    Ok(Block {
        position: cursor.varint()?,
        len: cursor.number()?,
    })
}

/// A segment to read from.
pub(crate) struct Segment {
    file: SealedFile,
    texts: Block,
    rows: Block,
    contents: Block,
    keys: Vec<Block>,
    directory: Vec<(Vec<u8>, Block)>,
    /// The number of its first text over all segments.
    pub(crate) text_base: u32,
    /// The number of its first row over all segments.
    pub(crate) row_base: u32,
}

/// A term with the texts it occurs in, numbered from the segment's first.
pub(crate) struct TermEntry {
    pub(crate) term: Vec<u8>,
    pub(crate) count: u32,
    pub(crate) postings: Vec<u8>,
}

impl TermEntry {
    /// Calls back with each text's number over all segments.
    pub(crate) fn each(&self, base: u32, mut each: impl FnMut(u32)) -> Result<()> {
        let mut cursor = Cursor::new(&self.postings, WHAT);
        let mut number = base;
        for _ in 0..self.count {
            number = number
                .checked_add(cursor.number()?)
                .ok_or_else(|| cursor.damaged())?;
            each(number);
        }
        Ok(())
    }
}

impl Segment {
    pub(crate) fn open(
        folder: &Path,
        key: &IndexKey,
        info: &SegmentInfo,
        text_base: u32,
        row_base: u32,
    ) -> Result<Self> {
        let file = SealedFile::open(&segment_path(folder, &info.salt), key)?;
        if file.salt != info.salt || file.len != info.bytes {
            return Err(Error::corrupt(
                WHAT,
                "the file is not the one that was written",
            ));
        }
        let footer = file.read(info.footer)?;
        let mut cursor = Cursor::new(&footer, WHAT);
        let texts = take_block(&mut cursor)?;
        let rows = take_block(&mut cursor)?;
        let contents = take_block(&mut cursor)?;
        let mut keys = Vec::new();
        for _ in 0..cursor.count()? {
            keys.push(take_block(&mut cursor)?);
        }
        let mut directory = Vec::new();
        for _ in 0..cursor.count()? {
            directory.push((cursor.bytes()?.to_vec(), take_block(&mut cursor)?));
        }
        Ok(Self {
            file,
            texts,
            rows,
            contents,
            keys,
            directory,
            text_base,
            row_base,
        })
    }

    pub(crate) fn read_texts(&self, onto: &mut TextColumns) -> Result<()> {
        onto.decode_onto(&self.file.read(self.texts)?)
    }

    pub(crate) fn read_rows(&self, onto: &mut RowColumns) -> Result<()> {
        onto.decode_onto(&self.file.read(self.rows)?, self.row_base)
    }

    pub(crate) fn read_contents(&self) -> Result<ContentKeys> {
        decode_keys(&self.file.read(self.contents)?)
    }

    pub(crate) fn read_row_keys(&self) -> Result<RowKeys> {
        let mut keys = RowKeys::new();
        for block in &self.keys {
            keys.extend(decode_keys::<24>(&self.file.read(*block)?)?);
        }
        Ok(keys)
    }

    /// The keys around one row of this segment, and the first of them.
    pub(crate) fn read_keys_near(&self, row: u32) -> Result<(u32, Vec<RowKey>)> {
        let local = row.wrapping_sub(self.row_base) as usize / KEYS_PER_BLOCK;
        let block = self
            .keys
            .get(local)
            .ok_or_else(|| Error::corrupt(WHAT, "a row has no key"))?;
        let first = self.row_base + (local * KEYS_PER_BLOCK) as u32;
        Ok((first, decode_keys(&self.file.read(*block)?)?))
    }

    /// All terms that begin with some bytes, in order, until `each` says enough.
    pub(crate) fn terms_from(
        &self,
        prefix: &[u8],
        each: &mut dyn FnMut(TermEntry) -> Result<bool>,
    ) -> Result<()> {
        let after = self
            .directory
            .partition_point(|(first, _)| first.as_slice() <= prefix);
        for (first, block) in self.directory.iter().skip(after.saturating_sub(1)) {
            if first.as_slice() > prefix && !first.starts_with(prefix) {
                break;
            }
            let bytes = self.file.read(*block)?;
            let mut entries = Entries::new(&bytes);
            while let Some(entry) = entries.next(prefix)? {
                if !each(entry)? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// The texts that a term occurs in.
    pub(crate) fn find(&self, term: &[u8]) -> Result<Option<TermEntry>> {
        let mut found = None;
        self.terms_from(term, &mut |entry| {
            if entry.term == term {
                found = Some(entry);
            }
            Ok(false)
        })?;
        Ok(found)
    }

    /// All terms, one block in memory at a time.
    pub(crate) fn all_terms(&self) -> TermStream<'_> {
        TermStream {
            segment: self,
            next_block: 0,
            ready: Vec::new().into_iter(),
        }
    }
}

/// Walks the entries of a block.
struct Entries<'a> {
    cursor: Cursor<'a>,
    term: Vec<u8>,
}

impl<'a> Entries<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self {
            cursor: Cursor::new(bytes, WHAT),
            term: Vec::new(),
        }
    }

    /// The next entry whose term begins so.
    fn next(&mut self, prefix: &[u8]) -> Result<Option<TermEntry>> {
        while !self.cursor.is_empty() {
            let shared = self.cursor.number()? as usize;
            if shared > self.term.len() {
                return Err(self.cursor.damaged());
            }
            self.term.truncate(shared);
            self.term.extend_from_slice(self.cursor.bytes()?);
            let count = self.cursor.number()?;
            let postings = self.cursor.bytes()?;
            if self.term.starts_with(prefix) {
                return Ok(Some(TermEntry {
                    term: self.term.clone(),
                    count,
                    postings: postings.to_vec(),
                }));
            }
            if self.term.as_slice() > prefix {
                return Ok(None);
            }
        }
        Ok(None)
    }
}

/// All terms of a segment in order.
pub(crate) struct TermStream<'a> {
    segment: &'a Segment,
    next_block: usize,
    ready: std::vec::IntoIter<TermEntry>,
}

impl TermStream<'_> {
    pub(crate) fn next(&mut self) -> Result<Option<TermEntry>> {
        loop {
            if let Some(entry) = self.ready.next() {
                return Ok(Some(entry));
            }
            let Some((_, block)) = self.segment.directory.get(self.next_block) else {
                return Ok(None);
            };
            self.next_block += 1;
            let bytes = self.segment.file.read(*block)?;
            let mut entries = Entries::new(&bytes);
            let mut ready = Vec::new();
            while let Some(entry) = entries.next(&[])? {
                ready.push(entry);
            }
            self.ready = ready.into_iter();
        }
    }
}

/// Walks a block of terms and all their texts.
#[cfg(postkeep_fuzz)]
pub(crate) fn walk_terms(bytes: &[u8]) -> Result<()> {
    let mut entries = Entries::new(bytes);
    while let Some(entry) = entries.next(&[])? {
        entry.each(0, |_| {})?;
    }
    Ok(())
}

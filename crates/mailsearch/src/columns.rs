//! What a segment holds besides words: a line for each text and each row, stored by column.

use crate::codec::{Cursor, put_bytes, put_varint};
use crate::document::{ContentKey, RowKey};
use crate::error::Result;

const WHAT: &str = "a segment's columns";

/// Stands for a date that is not known: such a text is neither before nor after anything.
pub(crate) const NO_DATE: i64 = i64::MIN;

/// Bits of [`TextColumns::flags`].
pub(crate) const HAS_ATTACHMENTS: u8 = 1;
pub(crate) const IS_FLAGGED: u8 = 2;
pub(crate) const IS_DRAFT: u8 = 4;
pub(crate) const IS_IMPORTANT: u8 = 8;

/// Values of [`RowColumns::read`].
pub(crate) const READ_UNKNOWN: u8 = 2;

/// Texts of one or more segments.
#[derive(Clone, Debug, Default)]
pub(crate) struct TextColumns {
    pub(crate) date: Vec<i64>,
    pub(crate) size: Vec<u64>,
    pub(crate) kind: Vec<u8>,
    pub(crate) flags: Vec<u8>,
}

/// Rows of one or more segments, and rows of these or earlier ones that ended.
#[derive(Clone, Debug, Default)]
pub(crate) struct RowColumns {
    /// The number of the text, over all segments.
    pub(crate) text: Vec<u32>,
    /// The number of the item's first row, over all segments: the same for all its versions.
    pub(crate) item: Vec<u32>,
    /// The first snapshot, as an index into the manifest's marks.
    pub(crate) from: Vec<u32>,
    /// The folder's number, over all segments.
    pub(crate) folder: Vec<u32>,
    /// 0 unread, 1 read, 2 unknown.
    pub(crate) read: Vec<u8>,
    /// Rows that ended, and the first snapshot without them.
    pub(crate) ended: Vec<(u32, u32)>,
    /// Paths of folders that earlier segments do not have.
    pub(crate) folders: Vec<String>,
}

impl TextColumns {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.date.len() * 12);
        put_varint(&mut out, self.date.len() as u64);
        put_dates(&mut out, &self.date);
        for size in &self.size {
            put_varint(&mut out, *size);
        }
        out.extend_from_slice(&self.kind);
        out.extend_from_slice(&self.flags);
        out
    }

    /// Appends what [`TextColumns::encode`] made.
    pub(crate) fn decode_onto(&mut self, bytes: &[u8]) -> Result<()> {
        let mut cursor = Cursor::new(bytes, WHAT);
        let count = cursor.count()?;
        take_dates(&mut cursor, count, &mut self.date)?;
        for _ in 0..count {
            self.size.push(cursor.varint()?);
        }
        self.kind.extend_from_slice(cursor.take(count)?);
        self.flags.extend_from_slice(cursor.take(count)?);
        Ok(())
    }
}

/// Bytes of a date.
const DATE_BYTES: usize = size_of::<i64>();

/// All first bytes, then all second ones and so on, since most of the higher ones are alike; in
/// seconds where nothing is finer, as in mail.
fn put_dates(out: &mut Vec<u8>, dates: &[i64]) {
    let in_seconds = dates
        .iter()
        .all(|date| *date == NO_DATE || date % 1_000 == 0);
    out.push(u8::from(in_seconds));
    for plane in 0..DATE_BYTES {
        out.extend(dates.iter().map(|date| {
            let stored = match *date {
                date if in_seconds && date != NO_DATE => date / 1_000,
                date => date,
            };
            stored.to_le_bytes()[plane]
        }));
    }
}

fn take_dates(cursor: &mut Cursor<'_>, count: usize, dates: &mut Vec<i64>) -> Result<()> {
    let [in_seconds] = cursor.array()?;
    let bytes = count
        .checked_mul(DATE_BYTES)
        .ok_or_else(|| cursor.damaged())?;
    let planes = cursor.take(bytes)?;
    dates.reserve(count);
    for at in 0..count {
        let stored = i64::from_le_bytes(std::array::from_fn(|plane| planes[plane * count + at]));
        dates.push(match stored {
            NO_DATE => NO_DATE,
            seconds if in_seconds == 1 => seconds.saturating_mul(1_000),
            stored => stored,
        });
    }
    Ok(())
}

impl RowColumns {
    /// `base` is the number of the first row.
    pub(crate) fn encode(&self, base: u32) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.text.len() * 8);
        put_varint(&mut out, self.text.len() as u64);
        // A new item has a new text, mostly: differences are ones and zeros.
        let mut last = 0_u32;
        for text in &self.text {
            put_varint(&mut out, u64::from(text.wrapping_sub(last)));
            last = *text;
        }
        for (row, item) in (base..).zip(&self.item) {
            put_varint(&mut out, u64::from(row.wrapping_sub(*item)));
        }
        for column in [&self.from, &self.folder] {
            for value in column {
                put_varint(&mut out, u64::from(*value));
            }
        }
        out.extend_from_slice(&self.read);
        put_varint(&mut out, self.ended.len() as u64);
        for (row, until) in &self.ended {
            put_varint(&mut out, u64::from(*row));
            put_varint(&mut out, u64::from(*until));
        }
        put_varint(&mut out, self.folders.len() as u64);
        for folder in &self.folders {
            put_bytes(&mut out, folder.as_bytes());
        }
        out
    }

    /// Appends what [`RowColumns::encode`] made.
    pub(crate) fn decode_onto(&mut self, bytes: &[u8], base: u32) -> Result<()> {
        let mut cursor = Cursor::new(bytes, WHAT);
        let count = cursor.count()?;
        let mut last = 0_u32;
        for _ in 0..count {
            last = last.wrapping_add(cursor.number()?);
            self.text.push(last);
        }
        for (row, _) in (base..).zip(0..count) {
            let item = row.wrapping_sub(cursor.number()?);
            self.item.push(item);
        }
        for column in [&mut self.from, &mut self.folder] {
            for _ in 0..count {
                column.push(cursor.number()?);
            }
        }
        self.read.extend_from_slice(cursor.take(count)?);
        for _ in 0..cursor.count()? {
            self.ended.push((cursor.number()?, cursor.number()?));
        }
        for _ in 0..cursor.count()? {
            self.folders.push(cursor.text()?);
        }
        if cursor.is_empty() {
            Ok(())
        } else {
            Err(cursor.damaged())
        }
    }
}

/// Fixed-size keys, one after another.
pub(crate) fn decode_keys<const N: usize>(bytes: &[u8]) -> Result<Vec<[u8; N]>> {
    let (keys, rest) = bytes.as_chunks::<N>();
    if rest.is_empty() {
        Ok(keys.to_vec())
    } else {
        Err(Cursor::new(bytes, WHAT).damaged())
    }
}

pub(crate) type RowKeys = Vec<RowKey>;
pub(crate) type ContentKeys = Vec<ContentKey>;

//! Row bytes.
//!
//! Every row starts with one version byte ([`ROW_VERSION`]) and one byte of flags; the fields
//! follow without names, in the order of the lists below. A number is a little-endian base-128
//! varint of at most ten bytes, a signed number is zigzag-coded first, a text or a byte string is
//! its length and its bytes, a key is its bytes. Nothing may follow the last field.
//!
//! Folder: flags (1 parent, 2 distinguished, 4 sync_state, 8 sync_done, 16 commit_time,
//! 32 deleted_count), folder_id, parent, display_name, folder_class, distinguished, total_count,
//! sync_state, commit_time (signed), deleted_count, last_full_sync_unix_ms (signed), extra.
//! A field with a flag is absent where its flag is clear.
//!
//! Item: flags (1 is_read is known, 2 is_read, 4 received, 8 sent), item_id, change_key,
//! item_class, size_bytes, received_unix_ms (signed), sent_unix_ms (signed), subject, sender,
//! content.
//!
//! Snapshot record: version byte, time_unix_ms (signed), stamp.

use crate::error::Fault;
use crate::row::{FolderRow, ItemRow, SnapshotRecord};
use crate::row_key::{FOLDER_KEY_BYTES, FolderKey};

/// First byte of every row this crate writes.
const ROW_VERSION: u8 = 1;

/// Largest encoded row in bytes. Exchange's synchronisation states, the largest field, stay below
/// a megabyte even for folders of a million items.
pub const MAX_ROW_BYTES: usize = 16 * 1024 * 1024;

const HAS_PARENT: u8 = 1;
const HAS_DISTINGUISHED: u8 = 2;
const HAS_SYNC_STATE: u8 = 4;
const SYNC_DONE: u8 = 8;
const HAS_COMMIT_TIME: u8 = 16;
const HAS_DELETED_COUNT: u8 = 32;
const FOLDER_FLAGS: u8 = 63;

const HAS_READ: u8 = 1;
const IS_READ: u8 = 2;
const HAS_RECEIVED: u8 = 4;
const HAS_SENT: u8 = 8;
const ITEM_FLAGS: u8 = 15;

/// Why bytes are not a row.
type Refusal = &'static str;

/// Appends a folder's row to `out`.
pub(crate) fn encode_folder(row: &FolderRow, out: &mut Vec<u8>) -> Result<(), Fault> {
    let start = out.len();
    let flag = |set: bool, bit: u8| if set { bit } else { 0 };
    out.push(ROW_VERSION);
    out.push(
        flag(row.parent.is_some(), HAS_PARENT)
            | flag(row.distinguished.is_some(), HAS_DISTINGUISHED)
            | flag(row.sync_state.is_some(), HAS_SYNC_STATE)
            | flag(row.sync_done, SYNC_DONE)
            | flag(row.commit_time.is_some(), HAS_COMMIT_TIME)
            | flag(row.deleted_count.is_some(), HAS_DELETED_COUNT),
    );
    put_bytes(out, row.folder_id.as_bytes());
    if let Some(parent) = &row.parent {
        out.extend_from_slice(&parent.0);
    }
    put_bytes(out, row.display_name.as_bytes());
    put_bytes(out, row.folder_class.as_bytes());
    if let Some(distinguished) = &row.distinguished {
        put_bytes(out, distinguished.as_bytes());
    }
    put_number(out, row.total_count.into());
    if let Some(sync_state) = &row.sync_state {
        put_bytes(out, sync_state.as_bytes());
    }
    if let Some(commit_time) = row.commit_time {
        put_signed(out, commit_time);
    }
    if let Some(deleted_count) = row.deleted_count {
        put_number(out, deleted_count.into());
    }
    put_signed(out, row.last_full_sync_unix_ms);
    put_bytes(out, &row.extra);
    check_size("folder row", out.len() - start)
}

/// Reads a folder's row.
pub(crate) fn decode_folder(bytes: &[u8]) -> Result<FolderRow, Refusal> {
    let mut input = Input(bytes);
    input.version()?;
    let flags = input.flags(FOLDER_FLAGS)?;
    let has = |bit: u8| flags & bit != 0;
    let row = FolderRow {
        folder_id: input.text()?,
        parent: when(has(HAS_PARENT), || input.folder_key())?,
        display_name: input.text()?,
        folder_class: input.text()?,
        distinguished: when(has(HAS_DISTINGUISHED), || input.text())?,
        total_count: input.small_number()?,
        sync_state: when(has(HAS_SYNC_STATE), || input.text())?,
        sync_done: has(SYNC_DONE),
        commit_time: when(has(HAS_COMMIT_TIME), || input.signed())?,
        deleted_count: when(has(HAS_DELETED_COUNT), || input.small_number())?,
        last_full_sync_unix_ms: input.signed()?,
        extra: input.bytes()?.to_vec(),
    };
    input.end()?;
    Ok(row)
}

/// Appends an item's row to `out`.
pub(crate) fn encode_item(row: &ItemRow, out: &mut Vec<u8>) -> Result<(), Fault> {
    let start = out.len();
    let read = match row.is_read {
        None => 0,
        Some(false) => HAS_READ,
        Some(true) => HAS_READ | IS_READ,
    };
    let received = row.received_unix_ms.map_or(0, |_| HAS_RECEIVED);
    let sent = row.sent_unix_ms.map_or(0, |_| HAS_SENT);
    out.push(ROW_VERSION);
    out.push(read | received | sent);
    put_bytes(out, row.item_id.as_bytes());
    put_bytes(out, row.change_key.as_bytes());
    put_bytes(out, row.item_class.as_bytes());
    put_number(out, row.size_bytes);
    for time in [row.received_unix_ms, row.sent_unix_ms]
        .into_iter()
        .flatten()
    {
        put_signed(out, time);
    }
    put_bytes(out, row.subject.as_bytes());
    put_bytes(out, row.sender.as_bytes());
    put_bytes(out, &row.content);
    check_size("item row", out.len() - start)
}

/// Reads an item's row.
pub(crate) fn decode_item(bytes: &[u8]) -> Result<ItemRow, Refusal> {
    let mut input = Input(bytes);
    input.version()?;
    let flags = input.flags(ITEM_FLAGS)?;
    let has = |bit: u8| flags & bit != 0;
    let row = ItemRow {
        item_id: input.text()?,
        change_key: input.text()?,
        item_class: input.text()?,
        is_read: has(HAS_READ).then(|| has(IS_READ)),
        size_bytes: input.number()?,
        received_unix_ms: when(has(HAS_RECEIVED), || input.signed())?,
        sent_unix_ms: when(has(HAS_SENT), || input.signed())?,
        subject: input.text()?,
        sender: input.text()?,
        content: input.bytes()?.to_vec(),
    };
    input.end()?;
    Ok(row)
}

/// Returns the bytes of a snapshot record.
pub(crate) fn encode_snapshot(record: &SnapshotRecord) -> Vec<u8> {
    let mut out = vec![ROW_VERSION];
    put_signed(&mut out, record.time_unix_ms);
    put_bytes(&mut out, record.stamp.as_bytes());
    out
}

/// Reads a snapshot record.
pub(crate) fn decode_snapshot(bytes: &[u8]) -> Result<SnapshotRecord, Refusal> {
    let mut input = Input(bytes);
    input.version()?;
    let time_unix_ms = input.signed()?;
    let stamp = input.text()?;
    input.end()?;
    Ok(SnapshotRecord {
        stamp,
        time_unix_ms,
    })
}

fn check_size(what: &str, bytes: usize) -> Result<(), Fault> {
    if bytes <= MAX_ROW_BYTES {
        return Ok(());
    }
    Err(Fault::Invalid(format!(
        "a {what} of {bytes} bytes is larger than {MAX_ROW_BYTES}"
    )))
}

fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn put_signed(out: &mut Vec<u8>, number: i64) {
    put_number(out, ((number << 1) ^ (number >> 63)) as u64);
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn when<T>(present: bool, read: impl FnOnce() -> Result<T, Refusal>) -> Result<Option<T>, Refusal> {
    if present { read().map(Some) } else { Ok(None) }
}

/// The part of a row that is not read yet.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn byte(&mut self) -> Result<u8, Refusal> {
        let (first, rest) = self.0.split_first().ok_or("it ends too early")?;
        self.0 = rest;
        Ok(*first)
    }

    fn version(&mut self) -> Result<(), Refusal> {
        match self.byte()? {
            ROW_VERSION => Ok(()),
            _ => Err("it has an unknown version"),
        }
    }

    fn flags(&mut self, known: u8) -> Result<u8, Refusal> {
        let flags = self.byte()?;
        if flags & !known == 0 {
            Ok(flags)
        } else {
            Err("it has unknown flags")
        }
    }

    fn number(&mut self) -> Result<u64, Refusal> {
        let mut number = 0u64;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            // The tenth byte has room for one bit only.
            if (bits << shift) >> shift != bits {
                return Err("it holds a number beyond 64 bits");
            }
            number |= bits << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err("it holds a number beyond 64 bits")
    }

    fn small_number(&mut self) -> Result<u32, Refusal> {
        u32::try_from(self.number()?).map_err(|_| "it holds a number beyond 32 bits")
    }

    fn signed(&mut self) -> Result<i64, Refusal> {
        let number = self.number()?;
        Ok((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Refusal> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or("it ends too early")?;
        self.0 = rest;
        Ok(taken)
    }

    fn bytes(&mut self) -> Result<&'a [u8], Refusal> {
        let length = usize::try_from(self.number()?).map_err(|_| "it ends too early")?;
        self.take(length)
    }

    fn text(&mut self) -> Result<String, Refusal> {
        let text =
            std::str::from_utf8(self.bytes()?).map_err(|_| "it holds text that is not UTF-8")?;
        Ok(text.to_owned())
    }

    fn folder_key(&mut self) -> Result<FolderKey, Refusal> {
        let mut key = [0; FOLDER_KEY_BYTES];
        key.copy_from_slice(self.take(FOLDER_KEY_BYTES)?);
        Ok(FolderKey(key))
    }

    fn end(&self) -> Result<(), Refusal> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err("it has bytes behind its end")
        }
    }
}

#[cfg(test)]
mod tests;

//! Small setters and value forms shared by the loaders.

use fasttransfer::{FileTime, PropId, PropValue, PropertyBag};

/// Longest string stored in a one-line property (names, subjects, ids), in characters. Exchange
/// cuts such values too; the full text stays in the transport headers.
const MAX_LINE_CHARS: usize = 4_096;
/// Seconds between 1601-01-01 and 1970-01-01.
const EPOCH_GAP_SECONDS: i64 = 11_644_473_600;

/// Sets a string; empty text sets nothing.
pub(crate) fn put_str(bag: &mut PropertyBag, id: impl Into<PropId>, text: &str) {
    if text.is_empty() {
        return;
    }
    let text = match text.char_indices().nth(MAX_LINE_CHARS) {
        Some((cut, _)) => text.get(..cut).unwrap_or(text),
        None => text,
    };
    bag.set(id, text);
}

/// Sets a string where there is one.
pub(crate) fn put_opt(bag: &mut PropertyBag, id: impl Into<PropId>, text: Option<String>) {
    if let Some(text) = text {
        put_str(bag, id, &text);
    }
}

/// Sets a 32-bit integer.
pub(crate) fn put_i32(bag: &mut PropertyBag, id: impl Into<PropId>, value: i32) {
    bag.set(id, value);
}

/// Sets a Boolean.
pub(crate) fn put_bool(bag: &mut PropertyBag, id: impl Into<PropId>, value: bool) {
    bag.set(id, value);
}

/// Sets a time given in seconds since 1970 UTC; times MAPI cannot hold set nothing.
pub(crate) fn put_time(bag: &mut PropertyBag, id: impl Into<PropId>, seconds: i64) {
    if let Some(time) = file_time(seconds) {
        bag.set(id, time);
    }
}

/// Sets a list of strings; an empty list sets nothing.
pub(crate) fn put_list(bag: &mut PropertyBag, id: impl Into<PropId>, list: Vec<String>) {
    if !list.is_empty() {
        bag.set(id, PropValue::MultiUnicode(list));
    }
}

/// Ticks of a time in seconds since 1970.
pub(crate) fn file_time(seconds: i64) -> Option<FileTime> {
    let ticks = seconds
        .checked_add(EPOCH_GAP_SECONDS)?
        .checked_mul(10_000_000)?;
    u64::try_from(ticks).ok().map(FileTime)
}

//! Two neighbouring segments become one: numbers stay as they are, so lists are put in a row.

use std::cmp::Ordering;
use std::path::Path;

use crate::codec::put_varint;
use crate::error::Result;
use crate::manifest::SegmentInfo;
use crate::seal::{IndexKey, Salt};
use crate::segment::{Columns, Segment, SegmentWriter, TermEntry};

/// A segment is merged into the one before it unless that is this many times larger: the number
/// of segments grows with the logarithm of the texts, and so does the work.
const RATIO: u64 = 4;

/// Whether the last two segments should be merged.
pub(crate) fn is_due(segments: &[SegmentInfo]) -> bool {
    match segments {
        [.., before, last] => last.bytes.saturating_mul(RATIO) >= before.bytes,
        _ => false,
    }
}

pub(crate) fn merge(
    folder: &Path,
    key: &IndexKey,
    salt: Salt,
    first: &Segment,
    second: &Segment,
) -> Result<SegmentInfo> {
    let mut writer = SegmentWriter::create(folder, key, salt)?;
    let (mut left, mut right) = (first.all_terms(), second.all_terms());
    let (mut a, mut b) = (left.next()?, right.next()?);
    while let Some(order) = order(a.as_ref(), b.as_ref()) {
        let from_left = if order.is_le() { a.take() } else { None };
        let from_right = if order.is_ge() { b.take() } else { None };
        write(
            &mut writer,
            first,
            second,
            from_left.as_ref(),
            from_right.as_ref(),
        )?;
        if from_left.is_some() {
            a = left.next()?;
        }
        if from_right.is_some() {
            b = right.next()?;
        }
    }
    let mut columns = Columns::default();
    for segment in [first, second] {
        segment.read_texts(&mut columns.texts)?;
        segment.read_rows(&mut columns.rows)?;
        columns.contents.extend(segment.read_contents()?);
        columns.row_keys.extend(segment.read_row_keys()?);
    }
    writer.finish(first.row_base, &columns)
}

fn order(a: Option<&TermEntry>, b: Option<&TermEntry>) -> Option<Ordering> {
    match (a, b) {
        (None, None) => None,
        (Some(_), None) => Some(Ordering::Less),
        (None, Some(_)) => Some(Ordering::Greater),
        (Some(a), Some(b)) => Some(a.term.cmp(&b.term)),
    }
}

fn write(
    writer: &mut SegmentWriter,
    first: &Segment,
    second: &Segment,
    left: Option<&TermEntry>,
    right: Option<&TermEntry>,
) -> Result<()> {
    let Some(term) = left.or(right).map(|entry| &entry.term) else {
        return Ok(());
    };
    let mut postings = Vec::new();
    let (mut count, mut last) = (0, first.text_base);
    for (entry, segment) in [(left, first), (right, second)] {
        if let Some(entry) = entry {
            count += entry.count;
            entry.each(segment.text_base, |number| {
                put_varint(&mut postings, u64::from(number.wrapping_sub(last)));
                last = number;
            })?;
        }
    }
    writer.term(term, count, &postings)
}

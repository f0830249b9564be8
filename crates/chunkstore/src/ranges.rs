//! Joining ranges of one object that are to be read. Pure.

use std::ops::Range;

/// Ranges closer than this are read as one: a request costs more than so many bytes.
pub(crate) const MAX_GAP_BYTES: u64 = 1 << 20;
/// The longest single read.
pub(crate) const MAX_READ_BYTES: u64 = 16 << 20;

/// Joins ranges into reads, in order.
///
/// Each read covers whole ranges, gaps included; only a single range may be longer than
/// [`MAX_READ_BYTES`].
pub(crate) fn coalesce(mut ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    ranges.sort_unstable_by_key(|range| (range.start, range.end));
    let mut reads: Vec<Range<u64>> = Vec::new();
    for range in ranges {
        match reads.last_mut() {
            Some(last)
                if range.start <= last.end.saturating_add(MAX_GAP_BYTES)
                    && range.end.max(last.end) - last.start <= MAX_READ_BYTES =>
            {
                last.end = last.end.max(range.end);
            }
            _ => reads.push(range),
        }
    }
    reads
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(ranges: &[(u64, u64)], expected: &[(u64, u64)]) {
        let ranges = ranges.iter().map(|(start, end)| *start..*end).collect();
        let reads: Vec<_> = coalesce(ranges).iter().map(|r| (r.start, r.end)).collect();
        assert_eq!(reads, expected);
    }

    #[test]
    fn neighbours_are_read_together_and_others_are_not() {
        let mib = 1 << 20;
        check(&[], &[]);
        check(&[(10, 20), (0, 5)], &[(0, 20)]);
        check(&[(0, 5), (5 + mib, 7 + mib)], &[(0, 7 + mib)]);
        check(&[(0, 5), (6 + mib, 7 + mib)], &[(0, 5), (6 + mib, 7 + mib)]);
        let long = [(0, 10 * mib), (10 * mib, 20 * mib)];
        check(&long, &long);
        check(&[(0, 9), (2, 4)], &[(0, 9)]);
    }
}

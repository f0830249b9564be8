//! Where payloads are cut: FastCDC with the repository's secret table. Pure.

use bytes::{Bytes, BytesMut};
use fastcdc::v2020::{Normalization, cut_gear, select_masks};

use crate::gear::GearTable;

/// A part up to this long stays whole: cutting it finds nothing and costs an index entry a piece.
pub(crate) const WHOLE_BYTES: usize = 256 << 10;

/// Smallest, wanted and greatest piece of a longer part, in bytes. Powers of two: the library
/// changed its cut points for other averages between versions, and wants even sizes.
const MIN_BYTES: usize = 64 << 10;
const AVERAGE_BYTES: usize = 256 << 10;
const MAX_BYTES: usize = 1 << 20;

/// Cuts one part while its bytes arrive; holds at most [`MAX_BYTES`] and what was pushed last.
#[derive(Default)]
pub(crate) struct Chunker {
    buffer: BytesMut,
    /// Whether a piece was cut off, so that the rest is no whole part.
    cut: bool,
}

impl Chunker {
    /// Appends bytes. Call [`Chunker::next_piece`] until it has none before the next push.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Returns the next piece that later bytes cannot change.
    pub(crate) fn next_piece(&mut self, gear: &GearTable) -> Option<Bytes> {
        (self.buffer.len() >= MAX_BYTES).then(|| self.cut_off(gear))
    }

    /// Returns the next piece after the last byte was pushed.
    pub(crate) fn next_rest(&mut self, gear: &GearTable) -> Option<Bytes> {
        if self.buffer.is_empty() {
            None
        } else if !self.cut && self.buffer.len() <= WHOLE_BYTES {
            Some(self.buffer.split().freeze())
        } else {
            Some(self.cut_off(gear))
        }
    }

    fn cut_off(&mut self, gear: &GearTable) -> Bytes {
        self.cut = true;
        let (strict, relaxed) = select_masks(AVERAGE_BYTES, Normalization::Level1);
        let (_, at) = cut_gear(
            &self.buffer,
            MIN_BYTES,
            AVERAGE_BYTES,
            MAX_BYTES,
            strict,
            relaxed,
            strict << 1,
            relaxed << 1,
            gear.words(),
            gear.shifted_words(),
        );
        // The library never answers 0 for a buffer with bytes; a loop without end would be the
        // price of trusting it blindly.
        let at = at.clamp(1, self.buffer.len());
        self.buffer.split_to(at).freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(data: &[u8], gear: &GearTable, step: usize) -> Vec<usize> {
        let mut chunker = Chunker::default();
        let mut lens = Vec::new();
        for slice in data.chunks(step) {
            chunker.push(slice);
            while let Some(piece) = chunker.next_piece(gear) {
                lens.push(piece.len());
            }
        }
        while let Some(piece) = chunker.next_rest(gear) {
            lens.push(piece.len());
        }
        lens
    }

    fn noise(len: usize) -> Vec<u8> {
        let mut data = vec![0; len];
        blake3::Hasher::new()
            .update(b"chunker noise")
            .finalize_xof()
            .fill(&mut data);
        data
    }

    #[test]
    fn cut_points_are_those_of_every_released_version() {
        // These numbers are part of the stored format: other cuts would end deduplication with
        // what older versions stored.
        let gear = GearTable::derive(&[7; 32]);
        assert_eq!(gear.words()[0], GOLDEN_WORD, "{:#x}", gear.words()[0]);
        assert_eq!(pieces(&noise(3 << 20), &gear, 1 << 20), GOLDEN_PIECES);
    }

    const GOLDEN_WORD: u64 = 0xe422_3c84_9286_dc29;
    const GOLDEN_PIECES: &[usize] = &[
        196_193, 252_600, 293_522, 136_599, 317_987, 383_758, 647_908, 156_908, 343_368, 416_885,
    ];

    #[test]
    fn cut_points_do_not_depend_on_how_bytes_arrive() {
        let gear = GearTable::derive(&[1; 32]);
        let data = noise((5 << 20) + 77);
        let whole = pieces(&data, &gear, data.len());
        for step in [1 << 16, 99_991, 1 << 20] {
            assert_eq!(pieces(&data, &gear, step), whole);
        }
        assert_eq!(whole.iter().sum::<usize>(), data.len());
        assert!(whole.iter().all(|len| *len <= MAX_BYTES));
    }

    #[test]
    fn short_parts_stay_whole_and_long_ones_do_not() {
        let gear = GearTable::derive(&[1; 32]);
        assert_eq!(pieces(&[], &gear, 1), [0usize; 0]);
        assert_eq!(pieces(&noise(WHOLE_BYTES), &gear, 1000), [WHOLE_BYTES]);
        assert!(pieces(&vec![0; WHOLE_BYTES + 1], &gear, 1000).len() <= 2);
        assert_eq!(
            pieces(&vec![0; 5 << 19], &gear, 1 << 16),
            [1 << 20, 1 << 20, 1 << 19]
        );
    }
}

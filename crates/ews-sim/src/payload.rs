//! Huge attachments that exist only while they are sent.

use fasttransfer::Message;
use serde::{Deserialize, Serialize};

/// An item with one attachment too big to keep.
#[derive(Debug)]
pub(crate) struct LargeContent {
    /// The item without the attachment's bytes: the attachment is the last in the list and has
    /// no data property.
    pub(crate) message: Message,
    pub(crate) payload: Payload,
}

/// Bytes computed from a seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Payload {
    pub(crate) seed: u64,
    pub(crate) bytes: u64,
}

/// Bytes that one step of the generator makes.
const BLOCK: usize = 8;

impl Payload {
    /// Fills a buffer with the bytes at an offset. Incompressible and without repeats, as real
    /// attachments mostly are.
    pub(crate) fn fill(&self, offset: u64, buffer: &mut [u8]) {
        let mut block = offset / BLOCK as u64;
        let mut skip = usize::try_from(offset % BLOCK as u64).unwrap_or(0);
        let mut rest = buffer;
        while !rest.is_empty() {
            let bytes = mix(self.seed, block).to_le_bytes();
            let piece = &bytes[skip..];
            let count = piece.len().min(rest.len());
            let (head, tail) = rest.split_at_mut(count);
            head.copy_from_slice(&piece[..count]);
            rest = tail;
            skip = 0;
            block += 1;
        }
    }
}

impl Payload {
    /// Finds out whether bytes are a payload's, whole; so an uploaded copy of a huge attachment
    /// needs no memory either.
    pub(crate) fn recognise(bytes: &[u8]) -> Option<Payload> {
        let first = bytes.first_chunk::<BLOCK>()?;
        let seed = unmix(u64::from_le_bytes(*first));
        let payload = Payload {
            seed,
            bytes: bytes.len() as u64,
        };
        let mut expected = vec![0; COMPARE_BYTES];
        let mut offset = 0;
        for piece in bytes.chunks(COMPARE_BYTES) {
            let expected = &mut expected[..piece.len()];
            payload.fill(offset, expected);
            if expected != piece {
                return None;
            }
            offset += piece.len() as u64;
        }
        Some(payload)
    }
}

/// Bytes compared at a time.
const COMPARE_BYTES: usize = 64 * 1024;
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// The seed whose first block is the given one: each step of [`mix`] can be undone.
fn unmix(block: u64) -> u64 {
    let undo_shift = |value: u64, shift: u32| {
        let mut undone = value;
        for _ in 0..64 / shift {
            undone = value ^ (undone >> shift);
        }
        undone
    };
    let mut z = undo_shift(block, 31);
    z = undo_shift(z.wrapping_mul(inverse(0x94D0_49BB_1331_11EB)), 27);
    z = undo_shift(z.wrapping_mul(inverse(0xBF58_476D_1CE4_E5B9)), 30);
    z.wrapping_sub(GOLDEN)
}

/// The inverse of an odd number modulo 2^64, by Newton's method.
fn inverse(odd: u64) -> u64 {
    let mut inverse = odd;
    for _ in 0..6 {
        inverse = inverse.wrapping_mul(2u64.wrapping_sub(odd.wrapping_mul(inverse)));
    }
    inverse
}

/// SplitMix64, addressed by counter.
fn mix(seed: u64, counter: u64) -> u64 {
    let mut z = seed.wrapping_add(counter.wrapping_add(1).wrapping_mul(GOLDEN));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_equal_the_whole() {
        let payload = Payload {
            seed: 5,
            bytes: 100,
        };
        let mut whole = [0; 100];
        payload.fill(0, &mut whole);
        let mut pieces = [0; 100];
        payload.fill(0, &mut pieces[..13]);
        payload.fill(13, &mut pieces[13..64]);
        payload.fill(64, &mut pieces[64..]);
        assert_eq!(whole, pieces);
    }

    #[test]
    fn payloads_are_recognised() {
        for seed in [0, 5, u64::MAX, 0x1234_5678_9abc_def0] {
            let payload = Payload {
                seed,
                bytes: 100_003,
            };
            let mut bytes = vec![0; 100_003];
            payload.fill(0, &mut bytes);
            assert_eq!(Payload::recognise(&bytes), Some(payload));
            bytes[99_999] ^= 1;
            assert_eq!(Payload::recognise(&bytes), None);
        }
    }
}

//! Huge attachments that exist only while they are sent.

use fasttransfer::Message;

/// An item with one attachment too big to keep.
#[derive(Debug)]
pub(crate) struct LargeContent {
    /// The item without the attachment's bytes: the attachment is the last in the list and has
    /// no data property.
    pub(crate) message: Message,
    pub(crate) payload: Payload,
}

/// Bytes computed from a seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

/// SplitMix64, addressed by counter.
fn mix(seed: u64, counter: u64) -> u64 {
    let mut z = seed.wrapping_add(counter.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_equal_the_whole() {
        let payload = Payload { seed: 5, bytes: 100 };
        let mut whole = [0; 100];
        payload.fill(0, &mut whole);
        let mut pieces = [0; 100];
        payload.fill(0, &mut pieces[..13]);
        payload.fill(13, &mut pieces[13..64]);
        payload.fill(64, &mut pieces[64..]);
        assert_eq!(whole, pieces);
    }
}

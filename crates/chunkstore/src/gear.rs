//! The secret table of the gear hash.

use zeroize::Zeroizing;

/// 256 random words for FastCDC, derived from the repository's secret.
///
/// The crate's own seed XORs one word into all 256 entries, of which 48 bits matter; a table of
/// its own costs nothing and has no such shortcut.
pub(crate) struct GearTable {
    gear: Zeroizing<Vec<u64>>,
    /// Each word shifted left by one: FastCDC takes two bytes at a time.
    shifted: Zeroizing<Vec<u64>>,
}

impl GearTable {
    /// Expands `key` into the table: 2,048 bytes of BLAKE3 keyed with `key` over the empty
    /// message, read as 256 little-endian words.
    pub(crate) fn derive(key: &[u8; 32]) -> Self {
        let mut bytes = Zeroizing::new([0u8; 256 * 8]);
        blake3::Hasher::new_keyed(key)
            .finalize_xof()
            .fill(&mut bytes[..]);
        let gear: Vec<u64> = bytes
            .as_chunks::<8>()
            .0
            .iter()
            .map(|word| u64::from_le_bytes(*word))
            .collect();
        let shifted = gear.iter().map(|word| word << 1).collect();
        Self {
            gear: Zeroizing::new(gear),
            shifted: Zeroizing::new(shifted),
        }
    }

    /// Returns the 256 words.
    pub(crate) fn words(&self) -> &[u64] {
        &self.gear
    }

    /// Returns the 256 words, each shifted left by one.
    pub(crate) fn shifted_words(&self) -> &[u64] {
        &self.shifted
    }
}

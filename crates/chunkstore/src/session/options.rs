//! How a session writes.

use crate::error::{Error, Result};

/// Longest name a writer gives itself, in bytes.
const MAX_WRITER_BYTES: usize = 256;
/// Sizes at which packs may be closed, in bytes.
const PACK_BYTES: std::ops::RangeInclusive<usize> = 64 << 10..=64 << 20;
/// zstd's levels that fit in the memory budget.
const ZSTD_LEVELS: std::ops::RangeInclusive<i32> = 1..=19;

/// How a session writes.
#[derive(Clone, Debug)]
pub struct SessionOptions {
    /// What the writer calls itself (a machine's name); sealed. At most 256 bytes. Default empty.
    pub writer: String,
    /// zstd level, 1 to 19. Default 3.
    pub zstd_level: i32,
    /// Bytes at which a data pack is closed, 64 KiB to 64 MiB. Default 16 MiB. Two are open at a
    /// time and two more may be on their way.
    pub data_pack_bytes: usize,
    /// Bytes at which a pack of tree nodes and lists is closed, same range. Default 8 MiB.
    pub meta_pack_bytes: usize,
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self {
            writer: String::new(),
            zstd_level: 3,
            data_pack_bytes: 16 << 20,
            meta_pack_bytes: 8 << 20,
        }
    }
}

impl SessionOptions {
    pub(crate) fn validate(&self) -> Result<()> {
        if self.writer.len() > MAX_WRITER_BYTES {
            return Err(Error::invalid("a writer's name has at most 256 bytes"));
        }
        if !ZSTD_LEVELS.contains(&self.zstd_level) {
            return Err(Error::invalid("the zstd level is 1 to 19"));
        }
        if !PACK_BYTES.contains(&self.data_pack_bytes)
            || !PACK_BYTES.contains(&self.meta_pack_bytes)
        {
            return Err(Error::invalid("packs are closed at 64 KiB to 64 MiB"));
        }
        Ok(())
    }
}

//! Bounded reading and writing of the small binary records: LEB128 numbers, fixed arrays, ids.

use crate::chunk_id::ChunkId;
use crate::error::{Error, Result};

/// Appends an unsigned number as LEB128: seven bits a byte, low bits first, at most ten bytes.
pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Reads a record front to back; every read is checked against what is left.
#[derive(Clone)]
pub(crate) struct RecordReader<'a> {
    rest: &'a [u8],
    /// What is being read, for messages: "tree node", "content record"…
    what: &'static str,
}

impl<'a> RecordReader<'a> {
    pub(crate) fn new(bytes: &'a [u8], what: &'static str) -> Self {
        Self { rest: bytes, what }
    }

    /// Returns the error for a record that says something impossible.
    pub(crate) fn damaged(&self, why: &str) -> Error {
        Error::corrupt(self.what, why)
    }

    /// Returns how many bytes are left.
    pub(crate) fn remaining(&self) -> usize {
        self.rest.len()
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Result<&'a [u8]> {
        match self.rest.split_at_checked(len) {
            Some((head, tail)) => {
                self.rest = tail;
                Ok(head)
            }
            None => Err(self.damaged("it ends too early")),
        }
    }

    pub(crate) fn byte(&mut self) -> Result<u8> {
        match self.rest.split_first() {
            Some((first, tail)) => {
                self.rest = tail;
                Ok(*first)
            }
            None => Err(self.damaged("it ends too early")),
        }
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        match self.rest.split_first_chunk::<N>() {
            Some((head, tail)) => {
                self.rest = tail;
                Ok(*head)
            }
            None => Err(self.damaged("it ends too early")),
        }
    }

    pub(crate) fn varint(&mut self) -> Result<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(self.damaged("a number is too large"));
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                // One spelling a number: otherwise equal records could have unequal bytes.
                if byte == 0 && shift > 0 {
                    return Err(self.damaged("a number is padded"));
                }
                return Ok(value);
            }
        }
        Err(self.damaged("a number is too large"))
    }

    /// Reads a number and refuses it above `limit`.
    pub(crate) fn count(&mut self, limit: usize, name: &str) -> Result<usize> {
        let value = self.varint()?;
        match usize::try_from(value) {
            Ok(count) if count <= limit => Ok(count),
            _ => Err(self.damaged(&format!("{name} {value} is above the limit {limit}"))),
        }
    }

    pub(crate) fn chunk_id(&mut self) -> Result<ChunkId> {
        Ok(ChunkId::from_bytes(self.array()?))
    }

    /// Ends the record: nothing may be left.
    pub(crate) fn end(self) -> Result<()> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(self.damaged("bytes follow its end"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_and_padded_or_overlong_ones_are_refused() {
        for value in [
            0,
            1,
            127,
            128,
            16_383,
            16_384,
            u64::from(u32::MAX),
            u64::MAX,
        ] {
            let mut out = Vec::new();
            put_varint(&mut out, value);
            let mut reader = RecordReader::new(&out, "number");
            assert_eq!(reader.varint().unwrap(), value);
            reader.end().unwrap();
        }
        for bad in [&[0x80, 0x00][..], &[0xff; 10], &[0x80; 11], &[0x80]] {
            assert!(RecordReader::new(bad, "number").varint().is_err());
        }
    }
}

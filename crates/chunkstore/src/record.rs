//! Bounded reading and writing of the little-endian records inside sealed objects.

use crate::error::{Error, Result};

/// Appends fields to a buffer.
#[derive(Default)]
pub(crate) struct RecordWriter(pub(crate) Vec<u8>);

impl RecordWriter {
    pub(crate) fn u8(&mut self, value: u8) -> &mut Self {
        self.bytes(&[value])
    }

    pub(crate) fn u32(&mut self, value: u32) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    pub(crate) fn u64(&mut self, value: u64) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    pub(crate) fn i64(&mut self, value: i64) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// A u32 length, then the bytes.
    pub(crate) fn blob(&mut self, bytes: &[u8]) -> Result<&mut Self> {
        let len = count(bytes.len())?;
        Ok(self.u32(len).bytes(bytes))
    }
}

/// A length as stored.
pub(crate) fn count(len: usize) -> Result<u32> {
    u32::try_from(len)
        .map_err(|_| Error::invalid("a record holds at most 4,294,967,295 bytes or entries"))
}

/// Takes fields off a buffer; every error names the object being read.
pub(crate) struct RecordReader<'a> {
    object: &'a str,
    rest: &'a [u8],
}

impl<'a> RecordReader<'a> {
    pub(crate) fn new(object: &'a str, bytes: &'a [u8]) -> Self {
        Self {
            object,
            rest: bytes,
        }
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self
            .rest
            .split_at_checked(len)
            .ok_or_else(|| self.damaged("it ends too early"))?;
        self.rest = rest;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (taken, rest) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or_else(|| self.damaged("it ends too early"))?;
        self.rest = rest;
        Ok(*taken)
    }

    pub(crate) fn u8(&mut self) -> Result<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(crate) fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(crate) fn i64(&mut self) -> Result<i64> {
        self.array().map(i64::from_le_bytes)
    }

    pub(crate) fn blob(&mut self) -> Result<&'a [u8]> {
        let len = self.u32()?;
        self.bytes(usize::try_from(len).unwrap_or(usize::MAX))
    }

    /// A count of entries of at least `min_bytes` each: never more than the rest can hold, so that
    /// a wrong count cannot reserve memory.
    pub(crate) fn count(&mut self, min_bytes: usize) -> Result<usize> {
        let count = usize::try_from(self.u32()?).unwrap_or(usize::MAX);
        if count > self.rest.len() / min_bytes.max(1) {
            return Err(self.damaged("it claims more entries than it holds"));
        }
        Ok(count)
    }

    /// Bytes that are left.
    pub(crate) fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// Everything that is left.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    pub(crate) fn end(self) -> Result<()> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(self.damaged("bytes follow its end"))
        }
    }

    pub(crate) fn damaged(&self, what: &str) -> Error {
        Error::corrupt(self.object, what)
    }
}

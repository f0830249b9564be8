//! LEB128 numbers, used by the compact form and the MIME skeleton.

/// Appends a number: seven bits a byte, lowest first, the top bit set on all but the last.
pub(crate) fn push(out: &mut Vec<u8>, mut value: u64) {
    loop {
        let low = (value & 0x7F) as u8;
        value >>= 7;
        if value == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

/// Reads a number and returns it with its length, `Ok(None)` when more bytes are needed, `Err`
/// when it does not fit 64 bits.
pub(crate) fn read(bytes: &[u8]) -> Result<Option<(u64, usize)>, Overflow> {
    let mut value = 0u64;
    for (i, byte) in bytes.iter().enumerate() {
        let bits = u64::from(byte & 0x7F);
        let shift = 7 * i;
        if shift > 63 || (shift == 63 && bits > 1) {
            return Err(Overflow);
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            return Ok(Some((value, i + 1)));
        }
    }
    Ok(None)
}

/// A number of more than 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Overflow;

/// Takes numbers and byte strings from the front of a slice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn number(&mut self) -> Option<u64> {
        let (value, len) = read(self.rest).ok()??;
        self.rest = &self.rest[len..];
        Some(value)
    }

    pub(crate) fn size(&mut self) -> Option<usize> {
        usize::try_from(self.number()?).ok()
    }

    pub(crate) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    pub(crate) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(taken)
    }

    /// A byte string with its length before it.
    pub(crate) fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = self.size()?;
        self.take(len)
    }

    /// What a count may be at most when each element takes at least a byte.
    pub(crate) fn count(&mut self) -> Option<usize> {
        self.size().filter(|count| *count <= self.rest.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back() {
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
            let mut bytes = Vec::new();
            push(&mut bytes, value);
            assert_eq!(read(&bytes), Ok(Some((value, bytes.len()))));
            assert_eq!(read(&bytes[..bytes.len() - 1]), Ok(None));
        }
    }

    #[test]
    fn numbers_of_more_than_64_bits_are_refused() {
        assert_eq!(read(&[0xFF; 11]), Err(Overflow));
        let mut bytes = [0xFF; 10];
        bytes[9] = 2;
        assert_eq!(read(&bytes), Err(Overflow));
    }
}

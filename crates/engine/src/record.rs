//! Bytes of the engine's own records: a folder's and an item's value in a snapshot's tree, and
//! the summary of an item.
//!
//! A record is a sequence of fields, each `tag: u8, length: varint, bytes`, in ascending order
//! of tags. A reader skips tags it does not know, so that fields can be added without a new
//! format; absent means the default. Numbers are varints (LEB128), times milliseconds since
//! 1970 in zig-zag form. EWS ids are base64 text: they are stored decoded where encoding them
//! again gives the same text (field `*_B64`), otherwise as they came.

use base64_simd::STANDARD;

use crate::error::{Error, ErrorKind, Result};

/// No field of a record is longer than this; ids are at most a few hundred bytes.
const MAX_FIELD_BYTES: usize = 1 << 20;

/// Writes fields in the order they are given.
#[derive(Default)]
pub(crate) struct FieldWriter(Vec<u8>);

impl FieldWriter {
    pub(crate) fn bytes(&mut self, tag: u8, value: &[u8]) -> &mut Self {
        self.0.push(tag);
        put_varint(&mut self.0, value.len() as u64);
        self.0.extend_from_slice(value);
        self
    }

    /// Leaves out the empty string, which is what a reader assumes.
    pub(crate) fn text(&mut self, tag: u8, value: &str) -> &mut Self {
        if !value.is_empty() {
            self.bytes(tag, value.as_bytes());
        }
        self
    }

    pub(crate) fn optional_text(&mut self, tag: u8, value: Option<&str>) -> &mut Self {
        if let Some(value) = value {
            self.bytes(tag, value.as_bytes());
        }
        self
    }

    pub(crate) fn number(&mut self, tag: u8, value: u64) -> &mut Self {
        let mut bytes = Vec::with_capacity(10);
        put_varint(&mut bytes, value);
        self.bytes(tag, &bytes)
    }

    pub(crate) fn optional_number(&mut self, tag: u8, value: Option<u64>) -> &mut Self {
        if let Some(value) = value {
            self.number(tag, value);
        }
        self
    }

    pub(crate) fn optional_signed(&mut self, tag: u8, value: Option<i64>) -> &mut Self {
        self.optional_number(
            tag,
            value.map(|value| ((value << 1) ^ (value >> 63)) as u64),
        )
    }

    /// An id: under `tag` as text, or under `tag + 1` as what its base64 stands for.
    pub(crate) fn id(&mut self, tag: u8, id: &str) -> &mut Self {
        match STANDARD.decode_to_vec(id.as_bytes()) {
            Ok(decoded) if STANDARD.encode_to_string(&decoded) == id => {
                self.bytes(tag + 1, decoded.as_slice())
            }
            _ => self.text(tag, id),
        }
    }

    pub(crate) fn finish(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.0)
    }
}

/// Reads the fields of a record.
pub(crate) struct Fields<'a> {
    fields: Vec<(u8, &'a [u8])>,
}

impl<'a> Fields<'a> {
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self> {
        Self::parse_within(bytes, MAX_FIELD_BYTES)
    }

    /// Reads a record whose fields may be longer than usual.
    pub(crate) fn parse_within(mut bytes: &'a [u8], max_field_bytes: usize) -> Result<Self> {
        let mut fields = Vec::new();
        while let Some((&tag, rest)) = bytes.split_first() {
            let (length, rest) = take_varint(rest)?;
            let length = usize::try_from(length)
                .ok()
                .filter(|length| *length <= max_field_bytes && *length <= rest.len())
                .ok_or_else(damaged)?;
            let (value, rest) = rest.split_at(length);
            fields.push((tag, value));
            bytes = rest;
        }
        Ok(Self { fields })
    }

    pub(crate) fn bytes(&self, tag: u8) -> Option<&'a [u8]> {
        self.fields
            .iter()
            .find(|(found, _)| *found == tag)
            .map(|(_, value)| *value)
    }

    /// All fields, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u8, &'a [u8])> + '_ {
        self.fields.iter().copied()
    }

    /// All values under one tag.
    pub(crate) fn all(&self, tag: u8) -> impl Iterator<Item = &'a [u8]> + '_ {
        self.fields
            .iter()
            .filter(move |(found, _)| *found == tag)
            .map(|(_, value)| *value)
    }

    pub(crate) fn optional_text(&self, tag: u8) -> Option<String> {
        self.bytes(tag)
            .map(|value| String::from_utf8_lossy(value).into_owned())
    }

    pub(crate) fn text(&self, tag: u8) -> String {
        self.optional_text(tag).unwrap_or_default()
    }

    pub(crate) fn optional_number(&self, tag: u8) -> Result<Option<u64>> {
        self.bytes(tag)
            .map(|value| Ok(take_varint(value)?.0))
            .transpose()
    }

    pub(crate) fn number(&self, tag: u8) -> Result<u64> {
        Ok(self.optional_number(tag)?.unwrap_or(0))
    }

    pub(crate) fn optional_signed(&self, tag: u8) -> Result<Option<i64>> {
        let number = self.optional_number(tag)?;
        Ok(number.map(|value| (value >> 1) as i64 ^ -((value & 1) as i64)))
    }

    pub(crate) fn id(&self, tag: u8) -> String {
        match self.bytes(tag + 1) {
            Some(decoded) => STANDARD.encode_to_string(decoded),
            None => self.text(tag),
        }
    }
}

pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub(crate) fn take_varint(bytes: &[u8]) -> Result<(u64, &[u8])> {
    let mut value = 0u64;
    for (at, byte) in bytes.iter().enumerate().take(10) {
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Ok((value, &bytes[at + 1..]));
        }
    }
    Err(damaged())
}

fn damaged() -> Error {
    Error::new(ErrorKind::Corrupt, "a record of a snapshot is damaged")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn fields_come_back(text in ".*", number: u64, signed: i64, id in "[A-Za-z0-9+/=]{0,40}") {
            let mut writer = FieldWriter::default();
            let bytes = writer.text(1, &text).number(2, number).optional_signed(3, Some(signed))
                .id(4, &id).finish();
            let fields = Fields::parse(&bytes).unwrap();
            prop_assert_eq!(fields.text(1), text);
            prop_assert_eq!(fields.number(2).unwrap(), number);
            prop_assert_eq!(fields.optional_signed(3).unwrap(), Some(signed));
            prop_assert_eq!(fields.id(4), id);
            prop_assert_eq!(fields.bytes(9), None);
        }

        #[test]
        fn damage_is_refused_or_read_but_never_panics(bytes: Vec<u8>) {
            if let Ok(fields) = Fields::parse(&bytes) {
                for tag in 0..=255 {
                    let _ = (fields.number(tag), fields.text(tag));
                }
            }
        }
    }
}

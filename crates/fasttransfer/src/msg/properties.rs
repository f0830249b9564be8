//! Properties of one object in a message file (MS-OXMSG 2.4): fixed values stand in one stream,
//! all others in a stream each.

use std::borrow::Cow;

use bytes::Bytes;

use super::compound::Storage;
use crate::wire::ptype;
use crate::{Error, PropValue, code_page};

/// Every property can be read and written.
const FLAGS: u32 = 6;
/// What an object's entry says instead of a length, and its kinds.
const OBJECT_LENGTH: u32 = u32::MAX;
pub(super) const OBJECT_MESSAGE: u32 = 1;
pub(super) const OBJECT_STORAGE: u32 = 4;

/// Collects the properties of one object.
pub(super) struct Properties<'a> {
    header: Vec<u8>,
    entries: Vec<(u32, [u8; 8])>,
    streams: Vec<(String, Cow<'a, [u8]>)>,
}

impl<'a> Properties<'a> {
    /// None yet, behind a header of that many bytes.
    pub(super) fn new(header: usize) -> Self {
        Self {
            header: vec![0; header],
            entries: Vec::new(),
            streams: Vec::new(),
        }
    }

    /// Sets a number in the header.
    pub(super) fn header(&mut self, at: usize, number: u32) {
        if let Some(place) = self.header.get_mut(at..at + 4) {
            place.copy_from_slice(&number.to_le_bytes());
        }
    }

    /// Adds a property, if it has an id in this file.
    pub(super) fn put(&mut self, id: Option<u16>, value: Cow<'a, PropValue>) -> Result<(), Error> {
        let Some(id) = id else { return Ok(()) };
        match value {
            Cow::Borrowed(value) => self.put_value(id, value),
            Cow::Owned(value) => {
                let mut own = Properties::new(0);
                own.put_value(id, &value)?;
                self.entries.extend(own.entries);
                let streams = own.streams.into_iter();
                self.streams
                    .extend(streams.map(|(name, data)| (name, Cow::Owned(data.into_owned()))));
                Ok(())
            }
        }
    }

    /// Adds an object: the storage that holds it is the caller's to add.
    pub(super) fn object(&mut self, id: u16, kind: u32) {
        self.entry(id, ptype::OBJECT, pair(OBJECT_LENGTH, kind));
    }

    /// Writes all of them.
    pub(super) fn finish(mut self, storage: &mut Storage<'a>) {
        self.entries.sort_by_key(|(tag, _)| *tag);
        let mut stream = self.header;
        for (tag, value) in self.entries {
            stream.extend_from_slice(&tag.to_le_bytes());
            stream.extend_from_slice(&FLAGS.to_le_bytes());
            stream.extend_from_slice(&value);
        }
        storage.add_stream("__properties_version1.0", stream);
        for (name, data) in self.streams {
            storage.add_stream_of(&name, data);
        }
    }

    fn entry(&mut self, id: u16, kind: u16, value: [u8; 8]) {
        self.entries
            .push((u32::from(id) << 16 | u32::from(kind), value));
    }

    fn put_value(&mut self, id: u16, value: &'a PropValue) -> Result<(), Error> {
        use PropValue as V;
        match value {
            V::Int16(number) => self.fixed(id, ptype::INT16, &number.to_le_bytes()),
            V::Int32(number) => self.fixed(id, ptype::INT32, &number.to_le_bytes()),
            V::Float(number) => self.fixed(id, ptype::FLOAT, &number.to_le_bytes()),
            V::Double(number) => self.fixed(id, ptype::DOUBLE, &number.to_le_bytes()),
            V::Currency(number) => self.fixed(id, ptype::CURRENCY, &number.to_le_bytes()),
            V::AppTime(number) => self.fixed(id, ptype::APP_TIME, &number.to_le_bytes()),
            V::Error(code) => self.fixed(id, ptype::ERROR, &code.to_le_bytes()),
            V::Boolean(yes) => self.fixed(id, ptype::BOOLEAN, &u16::from(*yes).to_le_bytes()),
            V::Int64(number) => self.fixed(id, ptype::INT64, &number.to_le_bytes()),
            V::Time(time) => self.fixed(id, ptype::TIME, &time.0.to_le_bytes()),
            V::Guid(guid) => return self.stream(id, ptype::GUID, Cow::Borrowed(&guid.0), 0),
            V::String8 { .. } | V::Unicode(_) => {
                let text = value.text().unwrap_or_default();
                return self.stream(id, ptype::UNICODE, Cow::Owned(utf16(&text)), 2);
            }
            V::Binary(bytes) => return self.stream(id, ptype::BINARY, Cow::Borrowed(bytes), 0),
            V::ServerId(bytes) => {
                return self.stream(id, ptype::SERVER_ID, Cow::Borrowed(bytes), 0);
            }
            V::Object(bytes) => return self.stream(id, ptype::OBJECT, Cow::Borrowed(bytes), 0),
            _ => return self.put_multi(id, value),
        }
        Ok(())
    }

    fn put_multi(&mut self, id: u16, value: &'a PropValue) -> Result<(), Error> {
        use PropValue as V;
        fn packed<T, const N: usize>(values: &[T], bytes: impl Fn(&T) -> [u8; N]) -> Vec<u8> {
            values.iter().flat_map(bytes).collect()
        }
        let (kind, data) = match value {
            V::MultiInt16(v) => (ptype::INT16, packed(v, |n| n.to_le_bytes())),
            V::MultiInt32(v) => (ptype::INT32, packed(v, |n| n.to_le_bytes())),
            V::MultiFloat(v) => (ptype::FLOAT, packed(v, |n| n.to_le_bytes())),
            V::MultiDouble(v) => (ptype::DOUBLE, packed(v, |n| n.to_le_bytes())),
            V::MultiCurrency(v) => (ptype::CURRENCY, packed(v, |n| n.to_le_bytes())),
            V::MultiAppTime(v) => (ptype::APP_TIME, packed(v, |n| n.to_le_bytes())),
            V::MultiInt64(v) => (ptype::INT64, packed(v, |n| n.to_le_bytes())),
            V::MultiTime(v) => (ptype::TIME, packed(v, |time| time.0.to_le_bytes())),
            V::MultiGuid(v) => (ptype::GUID, packed(v, |guid| guid.0)),
            V::MultiUnicode(texts) => {
                let texts: Vec<Vec<u8>> = texts.iter().map(|text| utf16z(text)).collect();
                return self.texts(id, texts);
            }
            V::MultiString8 { code_page, values } => {
                let decode =
                    |bytes: &Bytes| utf16z(&code_page::encoding(*code_page).decode(bytes).0);
                return self.texts(id, values.iter().map(decode).collect());
            }
            V::MultiBinary(values) => {
                let values = values
                    .iter()
                    .map(|value| Cow::Borrowed(&value[..]))
                    .collect();
                return self.elements(id, ptype::BINARY, values);
            }
            // Everything else has one value.
            _ => return Ok(()),
        };
        self.stream(id, ptype::MULTI | kind, Cow::Owned(data), 0)
    }

    fn texts(&mut self, id: u16, texts: Vec<Vec<u8>>) -> Result<(), Error> {
        self.elements(
            id,
            ptype::UNICODE,
            texts.into_iter().map(Cow::Owned).collect(),
        )
    }

    /// A value inside the property stream.
    fn fixed(&mut self, id: u16, kind: u16, bytes: &[u8]) {
        let mut value = [0; 8];
        value[..bytes.len()].copy_from_slice(bytes);
        self.entry(id, kind, value);
    }

    /// A value in a stream of its own; its length counts a terminator that is not there.
    fn stream(
        &mut self,
        id: u16,
        kind: u16,
        data: Cow<'a, [u8]>,
        terminator: u32,
    ) -> Result<(), Error> {
        self.entry(
            id,
            kind,
            pair(length(data.len())?.saturating_add(terminator), 0),
        );
        self.streams
            .push((format!("__substg1.0_{id:04X}{kind:04X}"), data));
        Ok(())
    }

    /// Values of different lengths: a stream of lengths, and a stream for each.
    fn elements(&mut self, id: u16, kind: u16, elements: Vec<Cow<'a, [u8]>>) -> Result<(), Error> {
        let kind = ptype::MULTI | kind;
        let mut lengths = Vec::new();
        for element in &elements {
            lengths.extend_from_slice(&length(element.len())?.to_le_bytes());
            if kind == ptype::MULTI | ptype::BINARY {
                lengths.extend_from_slice(&[0; 4]);
            }
        }
        for (number, element) in elements.into_iter().enumerate() {
            let name = format!("__substg1.0_{id:04X}{kind:04X}-{number:08X}");
            self.streams.push((name, element));
        }
        self.stream(id, kind, Cow::Owned(lengths), 0)
    }
}

fn length(bytes: usize) -> Result<u32, Error> {
    u32::try_from(bytes).map_err(|_| Error::limit("a value of more than 4 GiB"))
}

fn pair(first: u32, second: u32) -> [u8; 8] {
    let mut value = [0; 8];
    value[..4].copy_from_slice(&first.to_le_bytes());
    value[4..].copy_from_slice(&second.to_le_bytes());
    value
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// Elements of a multi-valued string end with their NUL, other than single strings.
fn utf16z(text: &str) -> Vec<u8> {
    let mut bytes = utf16(text);
    bytes.extend_from_slice(&[0, 0]);
    bytes
}

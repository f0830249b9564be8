//! The two things a restore changes in a native stream: it adds the item's origin as a named
//! property, and sets the read state the item had in the snapshot. All else is sent verbatim.
//!
//! The stream is framed (`opcode u32, length u32, bytes`, see MS-OXCFXICS 2.2.4 for what the
//! TransferBuffer records hold). The origin goes into a TransferBuffer record of its own in front
//! of the first one, or right behind MetaTagDnPrefix where the stream begins with that. A stream
//! that is not of this shape is sent as it is; its item is then recognised by other means.

use ews_client::{DistinguishedPropertySet, ExtendedPath, MapiType};

/// The name of the property, in PS_PUBLIC_STRINGS.
pub(super) const NAME: &str = "PostkeepOrigin";

/// PS_PUBLIC_STRINGS, {00020329-0000-0000-C000-000000000046}.
const SET: [u8; 16] = [0x29, 3, 2, 0, 0, 0, 0, 0, 0xC0, 0, 0, 0, 0, 0, 0, 0x46];

/// A property id in the named range; importers go by set and name.
const PROPERTY_ID: u16 = 0xFFF0;

/// PtypString as Exchange writes it: code page 1200.
const UNICODE: u16 = 0x84B0;

const TRANSFER_BUFFER: u32 = 2;

/// Properties looked at for the read state; PidTagMessageFlags is among the first hundred.
const MAX_PROPERTIES: usize = 2_000;

/// PidTagMessageFlags.
const MESSAGE_FLAGS: u32 = 0x0E07_0003;

/// mfRead.
const READ: u8 = 1;

/// How EWS names the property.
pub(super) fn origin_path() -> ExtendedPath {
    ExtendedPath::name(
        DistinguishedPropertySet::PublicStrings,
        NAME,
        MapiType::String,
    )
}

/// What a rewrite does.
#[derive(Clone, Copy)]
pub(super) struct Rewrite<'a> {
    /// The origin, as text of fixed length ([`crate::origin::Origin`]).
    pub(super) origin: &'a str,
    /// The read state to set, if it is known.
    pub(super) is_read: Option<bool>,
}

impl Rewrite<'_> {
    /// Rewrites the beginning of a stream (or all of it). What follows stays as it is.
    pub(super) fn apply(&self, head: &[u8]) -> Vec<u8> {
        let mut head = head.to_vec();
        let value = utf16(self.origin);
        let own = OwnProperties::find(&head, value.len());
        if let Some((is_read, flags)) = self
            .is_read
            .and_then(|is_read| Some((is_read, head.get_mut(own.flags?)?)))
        {
            *flags = if is_read {
                *flags | READ
            } else {
                *flags & !READ
            };
        }
        // An item that was restored before, and backed up since, carries an origin already: its
        // value is replaced in place, since all have the same length.
        if let Some(places) = own.origin {
            for (place, byte) in places.into_iter().zip(value) {
                if let Some(old) = head.get_mut(place) {
                    *old = byte;
                }
            }
            return head;
        }
        let Some(first) = first_buffer(&head) else {
            return head;
        };
        let record = self.record();
        match dn_prefix_end(&head, first) {
            None => [&head[..first], &record, &head[first..]].concat(),
            Some(end) => split_behind(&head, first, end, &record),
        }
    }

    /// How many bytes [`apply`](Self::apply) adds to this head.
    pub(super) fn growth(&self, head: &[u8]) -> usize {
        self.apply(head).len() - head.len()
    }

    fn record(&self) -> Vec<u8> {
        let mut atom = named_atom();
        let value = utf16(self.origin);
        atom.extend_from_slice(&(value.len() as u32).to_le_bytes());
        atom.extend_from_slice(&value);
        let mut record = header(atom.len());
        record.extend_from_slice(&atom);
        record
    }
}

/// Whether the beginning of a stream is long enough: it holds all properties of the message
/// itself, or is no stream that can be looked into.
pub(super) fn is_enough(head: &[u8]) -> bool {
    OwnProperties::find(head, 0).ended
}

/// The property's type, id, set and name, up to its value.
fn named_atom() -> Vec<u8> {
    let mut atom = Vec::new();
    atom.extend_from_slice(&UNICODE.to_le_bytes());
    atom.extend_from_slice(&PROPERTY_ID.to_le_bytes());
    atom.extend_from_slice(&name_bytes());
    atom
}

/// The property's set and name.
fn name_bytes() -> Vec<u8> {
    let mut name = SET.to_vec();
    name.push(1);
    name.extend_from_slice(&utf16(NAME));
    name
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16()
        .chain([0])
        .flat_map(u16::to_le_bytes)
        .collect()
}

fn header(length: usize) -> Vec<u8> {
    let mut header = TRANSFER_BUFFER.to_le_bytes().to_vec();
    header.extend_from_slice(&(length as u32).to_le_bytes());
    header
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes
        .get(at..)?
        .first_chunk()
        .map(|chunk| u32::from_le_bytes(*chunk))
}

/// Where the first TransferBuffer record begins.
fn first_buffer(head: &[u8]) -> Option<usize> {
    let mut at = 0usize;
    // Config, IsInterfaceOk and TellPartnerVersion come first; more is not a stream we know.
    for _ in 0..8 {
        let opcode = u32_at(head, at)?;
        let length = u32_at(head, at + 4)? as usize;
        match opcode {
            TRANSFER_BUFFER => return Some(at),
            1 | 3 | 4 => at = at.checked_add(8)?.checked_add(length)?,
            _ => return None,
        }
    }
    None
}

/// Where MetaTagDnPrefix ends, if the record that begins at `first` begins with it.
fn dn_prefix_end(head: &[u8], first: usize) -> Option<usize> {
    const DN_PREFIX: u32 = 0x4008;
    let atom = first + 8;
    let tag = u32_at(head, atom)?;
    if tag >> 16 != DN_PREFIX {
        return None;
    }
    let end = (atom + 8).checked_add(u32_at(head, atom + 4)? as usize)?;
    let record_end = atom.checked_add(u32_at(head, first + 4)? as usize)?;
    (end < record_end && end <= head.len()).then_some(end)
}

/// Cuts the record at `first` in two at `end` and puts `record` between the halves.
fn split_behind(head: &[u8], first: usize, end: usize, record: &[u8]) -> Vec<u8> {
    let Some(length) = u32_at(head, first + 4) else {
        return head.to_vec();
    };
    let front = end - (first + 8);
    [
        &head[..first],
        &header(front),
        &head[first + 8..end],
        record,
        &header(length as usize - front),
        &head[end..],
    ]
    .concat()
}

/// Where the message's own properties that a rewrite is about stand in the framed bytes. Those of
/// recipients and attachments, and so of messages within the message, are not looked at.
#[derive(Default)]
struct OwnProperties {
    /// PidTagMessageFlags: its lowest byte.
    flags: Option<usize>,
    /// The bytes of the origin's value, which may lie in several records.
    origin: Option<Vec<usize>>,
    /// Whether they were all looked at, or cannot be.
    ended: bool,
}

impl OwnProperties {
    /// Looks for them; an origin counts if its value has this many bytes.
    fn find(head: &[u8], origin_bytes: usize) -> Self {
        let mut found = Self::default();
        let Some(at) = first_buffer(head) else {
            found.ended = true;
            return found;
        };
        let mut cursor = Cursor { head, at, left: 0 };
        for _ in 0..MAX_PROPERTIES {
            match found.next(&mut cursor, origin_bytes) {
                Some(true) => {}
                Some(false) => {
                    found.ended = true;
                    break;
                }
                None => break,
            }
        }
        found
    }

    /// Looks at one property. `Some(false)` where there is none any more, `None` where the bytes
    /// end or make no sense.
    fn next(&mut self, cursor: &mut Cursor<'_>, origin_bytes: usize) -> Option<bool> {
        let definition = cursor.u32()?;
        let (kind, id) = (definition as u16, (definition >> 16) as u16);
        // Markers begin the recipients and attachments; DnPrefix and FXDelProp are properties.
        if (0x4000..0x4020).contains(&id) && kind == 3 && id != 0x4016 {
            return Some(false);
        }
        if definition == MESSAGE_FLAGS {
            cursor.enter()?;
            self.flags = (cursor.at < cursor.head.len()).then_some(cursor.at);
        }
        if id >= 0x8000 && cursor.is_origin()? && matches!(kind, UNICODE | 0x001F) {
            let length = cursor.u32()? as usize;
            if length != origin_bytes {
                cursor.skip(length)?;
                return Some(true);
            }
            let mut places = Vec::with_capacity(length);
            for _ in 0..length {
                cursor.enter()?;
                places.push(cursor.at);
                cursor.skip(1)?;
            }
            self.origin = Some(places);
            return Some(true);
        }
        cursor.skip_value(kind)?;
        Some(true)
    }
}

/// Walks the contents of the TransferBuffer records, stepping over their headers.
struct Cursor<'a> {
    head: &'a [u8],
    at: usize,
    /// Bytes left in the record.
    left: usize,
}

impl Cursor<'_> {
    /// Steps into the next record if this one is used up.
    fn enter(&mut self) -> Option<()> {
        while self.left == 0 {
            if u32_at(self.head, self.at)? != TRANSFER_BUFFER {
                return None;
            }
            self.left = u32_at(self.head, self.at + 4)? as usize;
            self.at += 8;
        }
        Some(())
    }

    fn u8(&mut self) -> Option<u8> {
        self.enter()?;
        let byte = *self.head.get(self.at)?;
        self.at += 1;
        self.left -= 1;
        Some(byte)
    }

    fn u16(&mut self) -> Option<u16> {
        Some(u16::from_le_bytes([self.u8()?, self.u8()?]))
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from(self.u16()?) | u32::from(self.u16()?) << 16)
    }

    /// Reads the set and the name behind the definition of a named property; whether they are the
    /// origin's.
    fn is_origin(&mut self) -> Option<bool> {
        let mut ours = true;
        for expected in SET {
            ours &= self.u8()? == expected;
        }
        if self.u8()? == 0 {
            self.skip(4)?;
            return Some(false);
        }
        let mut name = NAME.encode_utf16().chain([0]);
        loop {
            let unit = self.u16()?;
            ours &= name.next() == Some(unit);
            if unit == 0 {
                return Some(ours);
            }
        }
    }

    fn skip(&mut self, mut bytes: usize) -> Option<()> {
        while bytes > 0 {
            self.enter()?;
            let step = bytes.min(self.left);
            self.at = self.at.checked_add(step)?;
            self.left -= step;
            bytes -= step;
        }
        (self.at <= self.head.len()).then_some(())
    }

    fn skip_value(&mut self, kind: u16) -> Option<()> {
        let width = |kind: u16| match kind {
            0x0002 | 0x000B => Some(2),
            0x0003 | 0x0004 | 0x000A => Some(4),
            0x0005 | 0x0006 | 0x0007 | 0x0014 | 0x0040 => Some(8),
            0x0048 => Some(16),
            _ => None,
        };
        if kind & 0x8000 == 0 && kind & 0x1000 != 0 {
            let count = self.u32()? as usize;
            return match width(kind & !0x1000) {
                Some(width) => self.skip(count.checked_mul(width)?),
                None => (0..count).try_for_each(|_| self.skip_counted()),
            };
        }
        // Multi-valued text is seen in code page 1200 only; other types with these bits are single
        // values in code pages that use them.
        if kind == UNICODE | 0x1000 {
            let count = self.u32()? as usize;
            return (0..count).try_for_each(|_| self.skip_counted());
        }
        match width(kind) {
            Some(width) => self.skip(width),
            None => self.skip_counted(),
        }
    }

    fn skip_counted(&mut self) -> Option<()> {
        let length = self.u32()? as usize;
        self.skip(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fasttransfer::{
        Limits, Message, NamedProp, PropId, PropName, PropValue, WriteOptions, read_message,
        write_message,
    };
    use proptest::prelude::*;

    const ORIGIN: &str = "00112233445566778899aabbccddeeff";

    fn stream(flags: i32, body: &str) -> Vec<u8> {
        let mut message = Message::default();
        message
            .props
            .set(PropId::Tag(0x001A), PropValue::Unicode("IPM.Note".into()));
        message
            .props
            .set(PropId::Tag(0x0037), PropValue::Unicode("Hello".into()));
        message
            .props
            .set(PropId::Tag(0x0E07), PropValue::Int32(flags));
        message
            .props
            .set(PropId::Tag(0x1000), PropValue::Unicode(body.into()));
        write_message(&message, &WriteOptions::default())
    }

    fn read(stream: &[u8]) -> Message {
        let parsed = read_message(stream, &Limits::default()).unwrap();
        assert!(parsed.problems.is_empty(), "{:?}", parsed.problems);
        parsed.message
    }

    fn origin_of(message: &Message) -> Option<String> {
        let name = PropName::Name(NAME.into());
        let id = PropId::Named(NamedProp {
            guid: fasttransfer::Guid(SET),
            name,
        });
        match message.props.get(&id) {
            Some(PropValue::Unicode(text)) => Some(text.clone()),
            _ => None,
        }
    }

    #[test]
    fn the_origin_is_added_and_the_read_state_set() {
        let before = stream(0x20, "text");
        let after = Rewrite {
            origin: ORIGIN,
            is_read: Some(true),
        }
        .apply(&before);
        let message = read(&after);
        assert_eq!(origin_of(&message).as_deref(), Some(ORIGIN));
        assert_eq!(
            message.props.get(PropId::Tag(0x0E07)),
            Some(&PropValue::Int32(0x21))
        );
        assert_eq!(message.props.len(), read(&before).props.len() + 1);
    }

    #[test]
    fn an_older_origin_is_replaced() {
        let first = Rewrite {
            origin: ORIGIN,
            is_read: None,
        }
        .apply(&stream(1, "text"));
        let other = ORIGIN.replace('0', "f");
        let second = Rewrite {
            origin: &other,
            is_read: Some(false),
        }
        .apply(&first);
        assert_eq!(second.len(), first.len());
        assert_eq!(origin_of(&read(&second)), Some(other));
    }

    /// A stream in records of so many bytes.
    fn in_records_of(stream: &[u8], bytes: usize) -> Vec<u8> {
        let first = first_buffer(stream).unwrap();
        let (mut content, mut at) = (Vec::new(), first);
        while u32_at(stream, at) == Some(TRANSFER_BUFFER) {
            let length = u32_at(stream, at + 4).unwrap() as usize;
            content.extend_from_slice(&stream[at + 8..at + 8 + length]);
            at += 8 + length;
        }
        let records = content.chunks(bytes).flat_map(|chunk| {
            let mut record = header(chunk.len());
            record.extend_from_slice(chunk);
            record
        });
        let records: Vec<u8> = records.collect();
        [&stream[..first], &records, &stream[at..]].concat()
    }

    #[test]
    fn the_origin_of_an_attached_message_is_not_taken_for_the_messages_own() {
        let old = ORIGIN.replace('0', "f");
        let rewrite = |origin, stream: &[u8]| {
            let is_read = None;
            Rewrite { origin, is_read }.apply(stream)
        };
        let attached = read(&rewrite(&old, &stream(1, "inner")));
        let mut message = read(&stream(0, "outer"));
        message.attachments.push(fasttransfer::Attachment {
            embedded: Some(Box::new(attached)),
            ..fasttransfer::Attachment::default()
        });
        let whole = write_message(&message, &WriteOptions::default());
        assert!(is_enough(&whole) && !is_enough(&whole[..80]));
        let restored = read(&rewrite(ORIGIN, &whole));
        assert_eq!(origin_of(&restored).as_deref(), Some(ORIGIN));
        let inner = restored.attachments[0].embedded.as_ref().unwrap();
        assert_eq!(origin_of(inner), Some(old));
    }

    #[test]
    fn a_leading_dn_prefix_stays_first() {
        let plain = stream(1, "text");
        let first = first_buffer(&plain).unwrap();
        let mut atom = 0x4008_84E4u32.to_le_bytes().to_vec();
        atom.extend_from_slice(&4u32.to_le_bytes());
        atom.extend_from_slice(b"/O=\0");
        let length = u32_at(&plain, first + 4).unwrap() as usize + atom.len();
        let prefixed = [&plain[..first], &header(length), &atom, &plain[first + 8..]].concat();
        let after = Rewrite {
            origin: ORIGIN,
            is_read: Some(false),
        }
        .apply(&prefixed);
        assert_eq!(&after[first + 8..first + 12], &0x4008_84E4u32.to_le_bytes());
        let message = read(&after);
        assert_eq!(origin_of(&message).as_deref(), Some(ORIGIN));
        assert_eq!(
            message.props.get(PropId::Tag(0x0E07)),
            Some(&PropValue::Int32(0))
        );
    }

    proptest! {
        #[test]
        fn an_older_origin_is_replaced_wherever_records_end(bytes in 1usize..300) {
            let other = ORIGIN.replace('0', "f");
            let is_read = Some(true);
            // Behind the others, as a server puts it.
            let mut message = read(&stream(0, "text"));
            let name = NamedProp { guid: fasttransfer::Guid(SET), name: PropName::Name(NAME.into()) };
            message.props.set(PropId::Named(name), PropValue::Unicode(other));
            let records = in_records_of(&write_message(&message, &WriteOptions::default()), bytes);
            let after = Rewrite { origin: ORIGIN, is_read }.apply(&records);
            prop_assert_eq!(after.len(), records.len());
            let message = read(&after);
            prop_assert_eq!(origin_of(&message), Some(ORIGIN.to_owned()));
            prop_assert_eq!(message.props.get(PropId::Tag(0x0E07)), Some(&PropValue::Int32(1)));
        }

        #[test]
        fn anything_else_is_left_as_it_is_and_nothing_panics(bytes: Vec<u8>, cut in 0usize..2000) {
            let rewrite = Rewrite { origin: ORIGIN, is_read: Some(true) };
            let _ = rewrite.apply(&bytes);
            let whole = stream(0, &"long ".repeat(100));
            let part = &whole[..cut.min(whole.len())];
            let after = rewrite.apply(part);
            prop_assert_eq!(after.len(), part.len() + rewrite.growth(part));
        }
    }
}

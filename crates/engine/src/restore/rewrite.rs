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
    /// The origin, as text of fixed length.
    pub(super) origin: &'a str,
    /// The read state to set, if it is known.
    pub(super) is_read: Option<bool>,
}

impl Rewrite<'_> {
    /// Rewrites the beginning of a stream (or all of it). What follows stays as it is.
    pub(super) fn apply(&self, head: &[u8]) -> Vec<u8> {
        let mut head = head.to_vec();
        if let Some(is_read) = self.is_read
            && let Some(at) = find_message_flags(&head)
        {
            head[at] = if is_read {
                head[at] | READ
            } else {
                head[at] & !READ
            };
        }
        if self.replace_origin(&mut head) {
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

    /// An item that was restored before, and backed up since, carries an origin already: its
    /// value is replaced in place, since both have the same length.
    fn replace_origin(&self, head: &mut [u8]) -> bool {
        // Every store has an id of its own for the name, so only set and name are looked for.
        let value = utf16(self.origin);
        let mut wanted = name_bytes();
        wanted.extend_from_slice(&(value.len() as u32).to_le_bytes());
        let Some(found) = head
            .windows(wanted.len())
            .position(|window| window == wanted)
        else {
            return false;
        };
        let at = found + wanted.len();
        match head.get_mut(at..at + value.len()) {
            Some(old) => {
                old.copy_from_slice(&value);
                true
            }
            None => false,
        }
    }
}

/// Sets the value of every origin in a stream that passes in pieces: one that lies behind the
/// beginning, which [`Rewrite`] does not see, must not outdo the one in front.
pub(super) struct OriginMask {
    wanted: Vec<u8>,
    value: Vec<u8>,
    held: Vec<u8>,
}

impl OriginMask {
    pub(super) fn new(origin: &str) -> Self {
        let value = utf16(origin);
        let mut wanted = name_bytes();
        wanted.extend_from_slice(&(value.len() as u32).to_le_bytes());
        Self {
            wanted,
            value,
            held: Vec::new(),
        }
    }

    /// Takes a piece and gives what can be sent: all but the end, where an origin may begin.
    pub(super) fn push(&mut self, piece: &[u8]) -> Vec<u8> {
        self.held.extend_from_slice(piece);
        let whole = self.wanted.len() + self.value.len();
        let mut from = 0;
        while let Some(found) = self.find(from) {
            let at = found + self.wanted.len();
            let Some(old) = self.held.get_mut(at..at + self.value.len()) else {
                break;
            };
            old.copy_from_slice(&self.value);
            from = at;
        }
        let ready = self.held.len().saturating_sub(whole - 1);
        let rest = self.held.split_off(ready);
        std::mem::replace(&mut self.held, rest)
    }

    /// Gives what is left.
    pub(super) fn finish(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.held)
    }

    fn find(&self, from: usize) -> Option<usize> {
        let window = self.wanted.len();
        let found = self
            .held
            .get(from..)?
            .windows(window)
            .position(|w| w == self.wanted);
        found.map(|found| from + found)
    }
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

/// Where the value of the message's own PidTagMessageFlags is, in the framed bytes.
fn find_message_flags(head: &[u8]) -> Option<usize> {
    let mut cursor = Cursor {
        head,
        at: first_buffer(head)?,
        left: 0,
    };
    for _ in 0..MAX_PROPERTIES {
        let definition = cursor.u32()?;
        let (kind, id) = (definition as u16, (definition >> 16) as u16);
        if definition == MESSAGE_FLAGS {
            cursor.enter()?;
            return (cursor.at < head.len()).then_some(cursor.at);
        }
        // Markers begin the recipients and attachments; DnPrefix and FXDelProp are properties.
        if (0x4000..0x4020).contains(&id) && kind == 3 && id != 0x4016 {
            return None;
        }
        if id >= 0x8000 {
            cursor.skip(16)?;
            if cursor.u8()? == 0 {
                cursor.skip(4)?;
            } else {
                while cursor.u16()? != 0 {}
            }
        }
        cursor.skip_value(kind)?;
    }
    None
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
        fn an_origin_far_behind_is_replaced_wherever_the_pieces_end(
            before in 0usize..3_000, pieces in prop::collection::vec(1usize..200, 1..40)
        ) {
            let other = ORIGIN.replace('0', "f");
            let old = Rewrite { origin: &other, is_read: None }.record();
            let new = Rewrite { origin: ORIGIN, is_read: None }.record();
            let filling = vec![0x29; before];
            let stream = [filling.as_slice(), &old, b"between", &old, b"end"].concat();
            let expected = [filling.as_slice(), &new, b"between", &new, b"end"].concat();
            let mut mask = OriginMask::new(ORIGIN);
            let (mut sent, mut at, mut lengths) = (Vec::new(), 0, pieces.iter().cycle());
            while at < stream.len() {
                let end = (at + lengths.next().unwrap()).min(stream.len());
                sent.extend(mask.push(&stream[at..end]));
                at = end;
            }
            sent.extend(mask.finish());
            prop_assert_eq!(sent, expected);
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

//! Writing the native stream.
//!
//! A message is first laid out as a list of pieces (a few dozen bytes each; payloads are shared,
//! not copied), then cut into TransferBuffers. That gives the exact length before the first byte
//! is produced, and lets a server stream an item whose payload does not exist in memory.

use std::io::Write;

use bytes::Bytes;

use crate::wire::{self, marker, ptype};
use crate::{
    Attachment, Error, FileTime, Guid, Message, NamedProp, PropId, PropName, PropValue, Property,
    PropertyBag, tag,
};

/// How a stream is written.
#[derive(Clone, Debug)]
pub struct WriteOptions {
    /// The exporter's version words: `major << 8 | minor`, `0x8000 | build`, revision.
    pub version: [u16; 3],
    /// Bytes per TransferBuffer; default 31,680, at least 512.
    pub buffer_len: usize,
}

impl Default for WriteOptions {
    /// Exchange 2019 (15.2.1544.11) with the buffers Exchange Online writes.
    fn default() -> Self {
        Self {
            version: [0x0F02, 0x8000 | 1544, 11],
            buffer_len: wire::DEFAULT_BUFFER_LEN,
        }
    }
}

/// The smallest buffer: room for any property definition with a usual name.
const MIN_BUFFER_LEN: usize = 512;

/// The payload of an attachment that is produced while the stream is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExternalPayload {
    /// Index into the root message's attachments. The attachment's own
    /// `PidTagAttachDataBinary`, if any, is left out.
    pub attachment: usize,
    /// Length of the payload in bytes.
    pub len: u32,
}

/// Fills a buffer with an external payload's bytes: attachment index, offset, buffer.
pub type FillPayload<'a> = dyn FnMut(usize, u64, &mut [u8]) + 'a;

/// Writes a message as a native stream, in the form ExportItems returns it.
#[must_use]
pub fn write_message(message: &Message, options: &WriteOptions) -> Vec<u8> {
    let mut encoder = MessageEncoder::new(message, options);
    let mut out = Vec::with_capacity(usize::try_from(encoder.encoded_len()).unwrap_or(0));
    while let Some(frame) = encoder.next_frame(&mut |_, _, _| {}) {
        out.extend_from_slice(&frame);
    }
    out
}

/// Writes a message as a native stream to `out`, one buffer at a time.
///
/// # Errors
///
/// [`ErrorKind::Io`](crate::ErrorKind::Io) when the output refuses a write.
pub fn write_message_to(
    message: &Message,
    options: &WriteOptions,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let mut encoder = MessageEncoder::new(message, options);
    while let Some(frame) = encoder.next_frame(&mut |_, _, _| {}) {
        out.write_all(&frame)
            .map_err(|source| Error::io("write native stream", source))?;
    }
    Ok(())
}

/// The exact length in bytes of what [`write_message`] returns.
#[must_use]
pub fn encoded_len(message: &Message, options: &WriteOptions) -> u64 {
    MessageEncoder::new(message, options).encoded_len()
}

/// A native stream produced frame by frame.
#[derive(Clone, Debug)]
pub struct MessageEncoder {
    arena: Vec<u8>,
    pieces: Vec<Piece>,
    at: Cursor,
    buffer_len: usize,
    prologue: Option<[u8; wire::PROLOGUE_LEN]>,
}

#[derive(Clone, Debug)]
enum Piece {
    /// A range of the arena that must stay in one buffer.
    Atom { start: usize, len: usize },
    /// A range of the arena that may be split.
    Value { start: usize, len: usize },
    /// A value shared with the message.
    Shared(Bytes),
    /// A value the caller produces.
    External { attachment: usize, len: usize },
}

impl Piece {
    fn len(&self) -> usize {
        match self {
            Self::Atom { len, .. } | Self::Value { len, .. } | Self::External { len, .. } => *len,
            Self::Shared(bytes) => bytes.len(),
        }
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Cursor {
    piece: usize,
    offset: usize,
}

impl MessageEncoder {
    /// Prepares a message for writing.
    #[must_use]
    pub fn new(message: &Message, options: &WriteOptions) -> Self {
        Self::with_payloads(message, options, &[])
    }

    /// Prepares a message some of whose attachment payloads the caller produces while writing.
    #[must_use]
    pub fn with_payloads(
        message: &Message,
        options: &WriteOptions,
        payloads: &[ExternalPayload],
    ) -> Self {
        let mut layout = Layout::default();
        layout.message_content(message, payloads);
        Self {
            arena: layout.arena,
            pieces: layout.pieces,
            at: Cursor::default(),
            buffer_len: options.buffer_len.max(MIN_BUFFER_LEN),
            prologue: Some(wire::prologue(options.version)),
        }
    }

    /// The length of the whole stream in bytes, whatever has been produced already.
    #[must_use]
    pub fn encoded_len(&self) -> u64 {
        let mut total = wire::PROLOGUE_LEN as u64;
        let mut at = Cursor::default();
        while let Some((end, len)) = self.frame_extent(at) {
            total += (wire::RECORD_HEADER_LEN + len) as u64;
            at = end;
        }
        total
    }

    /// The next TransferBuffer with its header, the prologue before the first; `None` at the end.
    pub fn next_frame(&mut self, fill: &mut FillPayload<'_>) -> Option<Vec<u8>> {
        let (end, len) = self.frame_extent(self.at)?;
        let mut out = Vec::with_capacity(wire::PROLOGUE_LEN + wire::RECORD_HEADER_LEN + len);
        if let Some(prologue) = self.prologue.take() {
            out.extend_from_slice(&prologue);
        }
        out.extend_from_slice(&wire::opcode::TRANSFER_BUFFER.to_le_bytes());
        out.extend_from_slice(&saturate(len).to_le_bytes());
        while self.at.piece < end.piece {
            let piece_len = self.pieces.get(self.at.piece)?.len();
            self.copy(self.at, piece_len, &mut out, fill);
            self.at = Cursor {
                piece: self.at.piece + 1,
                offset: 0,
            };
        }
        if end.offset > self.at.offset {
            self.copy(self.at, end.offset, &mut out, fill);
        }
        self.at = end;
        Some(out)
    }

    fn copy(&self, from: Cursor, to: usize, out: &mut Vec<u8>, fill: &mut FillPayload<'_>) {
        match self.pieces.get(from.piece) {
            Some(Piece::Atom { start, .. } | Piece::Value { start, .. }) => {
                out.extend_from_slice(&self.arena[start + from.offset..start + to]);
            }
            Some(Piece::Shared(bytes)) => out.extend_from_slice(&bytes[from.offset..to]),
            Some(Piece::External { attachment, .. }) => {
                let start = out.len();
                out.resize(start + (to - from.offset), 0);
                fill(*attachment, from.offset as u64, &mut out[start..]);
            }
            None => {}
        }
    }

    /// Where the frame that starts at `at` ends, and its length.
    fn frame_extent(&self, mut at: Cursor) -> Option<(Cursor, usize)> {
        let mut len = 0;
        self.pieces.get(at.piece)?;
        while let Some(piece) = self.pieces.get(at.piece) {
            let left = piece.len() - at.offset;
            let room = self.buffer_len.saturating_sub(len);
            if left <= room || (len == 0 && matches!(piece, Piece::Atom { .. })) {
                len += left;
                at = Cursor {
                    piece: at.piece + 1,
                    offset: 0,
                };
                continue;
            }
            if !matches!(piece, Piece::Atom { .. }) {
                len += room;
                at.offset += room;
            }
            break;
        }
        Some((at, len))
    }
}

/// Collects the pieces of a stream.
#[derive(Default)]
struct Layout {
    arena: Vec<u8>,
    pieces: Vec<Piece>,
}

impl Layout {
    /// messageContent (MS-OXCFXICS 2.2.4.2). Message properties ascend by id, as Exchange's do.
    fn message_content(&mut self, message: &Message, payloads: &[ExternalPayload]) {
        let mut sorted: Vec<(u16, &Property)> =
            message.props.iter().map(|p| (wire_id(&p.id), p)).collect();
        // An embedded message announces itself by PidTagMid.
        sorted.sort_by_key(|(id, _)| if *id == tag::MID { 0 } else { *id });
        for (id, property) in sorted {
            self.property(id, &property.id, &property.value);
        }
        self.del_prop(marker::RECIPIENTS_TAG);
        for (row, recipient) in message.recipients.iter().enumerate() {
            self.atom(&marker::START_RECIP.to_le_bytes());
            self.numbered(recipient, tag::ROWID, row, None);
            self.atom(&marker::END_TO_RECIP.to_le_bytes());
        }
        self.del_prop(marker::ATTACHMENTS_TAG);
        for (number, attachment) in message.attachments.iter().enumerate() {
            let payload = payloads.iter().find(|p| p.attachment == number);
            self.attachment(number, attachment, payload);
        }
    }

    fn attachment(
        &mut self,
        number: usize,
        attachment: &Attachment,
        payload: Option<&ExternalPayload>,
    ) {
        self.atom(&marker::NEW_ATTACH.to_le_bytes());
        let skip = payload.map(|_| PropId::Tag(tag::ATTACH_DATA_BINARY));
        self.numbered(&attachment.props, tag::ATTACH_NUMBER, number, skip.as_ref());
        if let Some(payload) = payload {
            self.prop_def(ptype::BINARY, tag::ATTACH_DATA_BINARY, None);
            self.atom(&payload.len.to_le_bytes());
            self.pieces.push(Piece::External {
                attachment: number,
                len: payload.len as usize,
            });
        }
        if let Some(embedded) = &attachment.embedded {
            self.atom(&marker::START_EMBED.to_le_bytes());
            self.message_content(embedded, &[]);
            self.atom(&marker::END_EMBED.to_le_bytes());
        }
        self.atom(&marker::END_ATTACH.to_le_bytes());
    }

    /// A property list that begins with the row's number, from the bag or counted.
    fn numbered(&mut self, bag: &PropertyBag, id: u16, number: usize, skip: Option<&PropId>) {
        let counted = PropValue::Int32(i32::try_from(number).unwrap_or(i32::MAX));
        let first = PropId::Tag(id);
        self.property(id, &first, bag.get(id).unwrap_or(&counted));
        for property in bag {
            if property.id != first && Some(&property.id) != skip {
                self.property(wire_id(&property.id), &property.id, &property.value);
            }
        }
    }

    fn del_prop(&mut self, table: u32) {
        self.atom(&marker::FX_DEL_PROP.to_le_bytes());
        self.atom(&table.to_le_bytes());
    }

    fn property(&mut self, wire: u16, id: &PropId, value: &PropValue) {
        let Some(property_type) = type_of(value) else {
            return;
        };
        let named = match id {
            PropId::Tag(_) => None,
            PropId::Named(named) => Some(named),
        };
        self.prop_def(property_type, wire, named);
        self.value(value);
    }

    fn prop_def(&mut self, property_type: u16, id: u16, named: Option<&NamedProp>) {
        let mut atom = Vec::with_capacity(64);
        atom.extend_from_slice(&property_type.to_le_bytes());
        atom.extend_from_slice(&id.to_le_bytes());
        if let Some(named) = named {
            atom.extend_from_slice(&named.guid.0);
            match &named.name {
                PropName::Id(lid) => {
                    atom.push(0);
                    atom.extend_from_slice(&lid.to_le_bytes());
                }
                PropName::Name(name) => {
                    atom.push(1);
                    push_utf16(&mut atom, name);
                }
            }
        }
        self.atom(&atom);
    }

    fn value(&mut self, value: &PropValue) {
        match value {
            PropValue::Int16(v) => self.atom(&v.to_le_bytes()),
            PropValue::Int32(v) => self.atom(&v.to_le_bytes()),
            PropValue::Float(v) => self.atom(&v.to_le_bytes()),
            PropValue::Double(v) | PropValue::AppTime(v) => self.atom(&v.to_le_bytes()),
            PropValue::Currency(v) | PropValue::Int64(v) => self.atom(&v.to_le_bytes()),
            PropValue::Error(v) => self.atom(&v.to_le_bytes()),
            PropValue::Boolean(v) => self.atom(&u16::from(*v).to_le_bytes()),
            PropValue::Time(FileTime(v)) => self.atom(&v.to_le_bytes()),
            PropValue::Guid(Guid(v)) => self.atom(v),
            PropValue::String8 { bytes, .. } => self.string8(bytes),
            PropValue::Unicode(text) => self.utf16(text),
            PropValue::Binary(v) | PropValue::ServerId(v) | PropValue::Object(v) => self.shared(v),
            PropValue::MultiInt16(v) => self.multi(v, |l, v| l.atom(&v.to_le_bytes())),
            PropValue::MultiInt32(v) => self.multi(v, |l, v| l.atom(&v.to_le_bytes())),
            PropValue::MultiFloat(v) => self.multi(v, |l, v| l.atom(&v.to_le_bytes())),
            PropValue::MultiDouble(v) | PropValue::MultiAppTime(v) => {
                self.multi(v, |l, v| l.atom(&v.to_le_bytes()));
            }
            PropValue::MultiCurrency(v) | PropValue::MultiInt64(v) => {
                self.multi(v, |l, v| l.atom(&v.to_le_bytes()));
            }
            PropValue::MultiTime(v) => self.multi(v, |l, v| l.atom(&v.0.to_le_bytes())),
            PropValue::MultiGuid(v) => self.multi(v, |l, v| l.atom(&v.0)),
            PropValue::MultiString8 { values, .. } => self.multi(values, |l, v| l.string8(v)),
            PropValue::MultiUnicode(v) => self.multi(v, |l, v| l.utf16(v)),
            PropValue::MultiBinary(v) => self.multi(v, |l, v| l.shared(v)),
        }
    }

    fn multi<T>(&mut self, values: &[T], each: impl Fn(&mut Self, &T)) {
        let count = saturate(values.len());
        self.atom(&count.to_le_bytes());
        for value in values.iter().take(count as usize) {
            each(self, value);
        }
    }

    fn atom(&mut self, bytes: &[u8]) {
        let start = self.arena.len();
        self.arena.extend_from_slice(bytes);
        self.pieces.push(Piece::Atom {
            start,
            len: bytes.len(),
        });
    }

    /// Ends a variable value that was put into the arena from `start` on: length, then bytes.
    fn arena_value(&mut self, start: usize) {
        let len = self.arena.len() - start;
        self.atom(&saturate(len).to_le_bytes());
        self.pieces.push(Piece::Value { start, len });
    }

    fn string8(&mut self, bytes: &Bytes) {
        let start = self.arena.len();
        self.arena.extend_from_slice(bytes);
        self.arena.push(0);
        self.arena_value(start);
    }

    fn utf16(&mut self, text: &str) {
        let start = self.arena.len();
        push_utf16(&mut self.arena, text);
        self.arena_value(start);
    }

    fn shared(&mut self, bytes: &Bytes) {
        let len = saturate(bytes.len());
        self.atom(&len.to_le_bytes());
        self.pieces.push(Piece::Shared(bytes.slice(..len as usize)));
    }
}

/// Lengths are 32 bits on the wire; what exceeds them is cut, which only a value of more than
/// 4 GiB could meet.
fn saturate(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

fn push_utf16(out: &mut Vec<u8>, text: &str) {
    out.reserve(2 * text.len() + 2);
    for unit in text.encode_utf16() {
        out.extend_from_slice(&unit.to_le_bytes());
    }
    out.extend_from_slice(&[0, 0]);
}

/// The id written for a property. A named property's id is the writer's own affair since its
/// name stands beside it; a hash of the name makes equal properties equal bytes everywhere.
fn wire_id(id: &PropId) -> u16 {
    let named = match id {
        PropId::Tag(tag) => return *tag,
        PropId::Named(named) => named,
    };
    let mut hash = 0x811C_9DC5_u32;
    let mut step = |byte: u8| hash = (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    named.guid.0.iter().copied().for_each(&mut step);
    match &named.name {
        PropName::Id(lid) => lid.to_le_bytes().into_iter().for_each(&mut step),
        PropName::Name(name) => name.bytes().for_each(&mut step),
    }
    // 0xFFFF is reserved for a name that could not be mapped.
    0x8000 | ((hash ^ (hash >> 15)) % 0x7FFF) as u16
}

/// The wire type of a value, or `None` for an error code, which writers must omit.
fn type_of(value: &PropValue) -> Option<u16> {
    Some(match value {
        PropValue::Int16(_) => ptype::INT16,
        PropValue::Int32(_) => ptype::INT32,
        PropValue::Float(_) => ptype::FLOAT,
        PropValue::Double(_) => ptype::DOUBLE,
        PropValue::Currency(_) => ptype::CURRENCY,
        PropValue::AppTime(_) => ptype::APP_TIME,
        PropValue::Error(_) => return None,
        PropValue::Boolean(_) => ptype::BOOLEAN,
        PropValue::Int64(_) => ptype::INT64,
        PropValue::Time(_) => ptype::TIME,
        PropValue::Guid(_) => ptype::GUID,
        PropValue::String8 { code_page: 0, .. } => ptype::STRING8,
        PropValue::String8 { code_page, .. } => ptype::CODE_PAGE | code_page,
        PropValue::Unicode(_) => ptype::UTF16,
        PropValue::Binary(_) => ptype::BINARY,
        PropValue::ServerId(_) => ptype::SERVER_ID,
        PropValue::Object(_) => ptype::OBJECT,
        PropValue::MultiInt16(_) => ptype::MULTI | ptype::INT16,
        PropValue::MultiInt32(_) => ptype::MULTI | ptype::INT32,
        PropValue::MultiFloat(_) => ptype::MULTI | ptype::FLOAT,
        PropValue::MultiDouble(_) => ptype::MULTI | ptype::DOUBLE,
        PropValue::MultiCurrency(_) => ptype::MULTI | ptype::CURRENCY,
        PropValue::MultiAppTime(_) => ptype::MULTI | ptype::APP_TIME,
        PropValue::MultiInt64(_) => ptype::MULTI | ptype::INT64,
        PropValue::MultiTime(_) => ptype::MULTI | ptype::TIME,
        PropValue::MultiGuid(_) => ptype::MULTI | ptype::GUID,
        PropValue::MultiString8 { code_page, .. } => match *code_page & !ptype::CODE_PAGE {
            // A code page that uses the multi-value bit itself has no type of its own.
            0 => ptype::MULTI | ptype::STRING8,
            page if page & ptype::MULTI != 0 => ptype::MULTI | ptype::STRING8,
            page => ptype::MULTI | ptype::CODE_PAGE | page,
        },
        PropValue::MultiUnicode(_) => ptype::MULTI | ptype::UTF16,
        PropValue::MultiBinary(_) => ptype::MULTI | ptype::BINARY,
    })
}

//! `PidTagMimeSkeleton`: what is left of a MIME message when its bodies and attachments, which
//! are properties already, are taken out. With it MIME comes back byte for byte without the
//! stream carrying payloads twice.
//!
//! # Form
//!
//! `PKMS`, version byte 1, the length of the MIME message (LEB128), its FNV-1a-64 checksum
//! (8 bytes, little-endian), then operations until the end:
//!
//! | byte | operation | arguments |
//! | --- | --- | --- |
//! | 0 | literal | length, bytes |
//! | 1 | the text of PidTagTransportMessageHeaders | |
//! | 2 | PidTagBody in a charset, encoded | charset length, charset, transfer |
//! | 3 | PidTagHtml, encoded | transfer |
//! | 4 | an attachment's PidTagAttachDataBinary, encoded | attachment index, transfer |
//! | 5 | an attached message's own MIME, encoded | attachment index, transfer |
//!
//! A transfer is 0 (as is), 1 and a base64 layout, or 2 and a quoted-printable layout.
//! Numbers are LEB128. A base64 layout is flags (1 LF instead of CRLF, 2 padded, 4 last line
//! terminated), a count of runs, and per run line length and number of lines. A
//! quoted-printable layout is flags (1 LF soft breaks, 2 upper-case digits), 32 bytes of a
//! bitmap over byte values (escaped or not), and two counted lists of distances: bytes treated
//! against the bitmap, and soft breaks.
//!
//! The checksum makes a skeleton that no longer fits its message (because a property was
//! edited) detectable: it is then not used.

use encoding_rs::Encoding;

use crate::transfer::Transfer;
use crate::varint::{self, Cursor};
use crate::{Error, Message, PropValue, tag};

const MAGIC: &[u8; 5] = b"PKMS\x01";
/// Messages inside one another.
const DEPTH_LIMIT: usize = 32;
/// Work allowed beyond four times the length limit, in bytes.
const WORK_BASE: u64 = 1 << 20;
/// What an operation costs beside the bytes it writes, in bytes.
const OPERATION_WORK: u64 = 16;

mod op {
    pub const LITERAL: u8 = 0;
    pub const TRANSPORT_HEADERS: u8 = 1;
    pub const BODY_TEXT: u8 = 2;
    pub const BODY_HTML: u8 = 3;
    pub const ATTACHMENT: u8 = 4;
    pub const EMBEDDED: u8 = 5;
}

/// Builds a skeleton while a MIME message is taken apart, front to back.
#[derive(Clone, Debug, Default)]
pub struct SkeletonBuilder {
    ops: Vec<u8>,
    /// Literal bytes not written yet, so that neighbours become one operation.
    literal: Vec<u8>,
}

impl SkeletonBuilder {
    /// An empty skeleton.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Bytes that are in no property.
    pub fn literal(&mut self, bytes: &[u8]) -> &mut Self {
        self.literal.extend_from_slice(bytes);
        self
    }

    /// The UTF-8 text of `PidTagTransportMessageHeaders` stands here.
    pub fn transport_headers(&mut self) -> &mut Self {
        self.op(op::TRANSPORT_HEADERS);
        self
    }

    /// `PidTagBody` stands here, in `charset` (a label [`decode_text`] accepted) and encoded.
    pub fn body_text(&mut self, charset: &str, transfer: &Transfer) -> &mut Self {
        self.op(op::BODY_TEXT);
        varint::push(&mut self.ops, charset.len() as u64);
        self.ops.extend_from_slice(charset.as_bytes());
        transfer.write(&mut self.ops);
        self
    }

    /// The bytes of `PidTagHtml` stand here, encoded.
    pub fn body_html(&mut self, transfer: &Transfer) -> &mut Self {
        self.op(op::BODY_HTML);
        transfer.write(&mut self.ops);
        self
    }

    /// The bytes of the attachment at this index stand here, encoded.
    pub fn attachment(&mut self, index: usize, transfer: &Transfer) -> &mut Self {
        self.op(op::ATTACHMENT);
        varint::push(&mut self.ops, index as u64);
        transfer.write(&mut self.ops);
        self
    }

    /// The MIME form of the message attached at this index stands here, encoded. That message
    /// needs a skeleton of its own.
    pub fn embedded(&mut self, index: usize, transfer: &Transfer) -> &mut Self {
        self.op(op::EMBEDDED);
        varint::push(&mut self.ops, index as u64);
        transfer.write(&mut self.ops);
        self
    }

    /// Ends the skeleton of `original`, the MIME message that was taken apart. The result is the
    /// value of `PidTagMimeSkeleton`; [`expand`] proves it.
    #[must_use]
    pub fn finish(mut self, original: &[u8]) -> Vec<u8> {
        self.flush();
        let mut out = Vec::with_capacity(self.ops.len() + 32);
        out.extend_from_slice(MAGIC);
        varint::push(&mut out, original.len() as u64);
        out.extend_from_slice(&checksum(original).to_le_bytes());
        out.extend_from_slice(&self.ops);
        out
    }

    fn op(&mut self, op: u8) {
        self.flush();
        self.ops.push(op);
    }

    fn flush(&mut self) {
        if !self.literal.is_empty() {
            self.ops.push(op::LITERAL);
            varint::push(&mut self.ops, self.literal.len() as u64);
            self.ops.append(&mut self.literal);
        }
    }
}

/// Decodes text of a MIME charset if encoding it again gives the same bytes; such text can stand
/// in `PidTagBody` with [`SkeletonBuilder::body_text`].
#[must_use]
pub fn decode_text(bytes: &[u8], charset: &str) -> Option<String> {
    let encoding = Encoding::for_label_no_replacement(charset.as_bytes())?;
    let text = encoding
        .decode_without_bom_handling_and_without_replacement(bytes)?
        .into_owned();
    // A NUL would end the string in the eyes of MAPI clients.
    if text.contains('\0') {
        return None;
    }
    (encode_text(&text, charset)? == bytes).then_some(text)
}

fn encode_text(text: &str, charset: &str) -> Option<Vec<u8>> {
    let encoding = Encoding::for_label_no_replacement(charset.as_bytes())?;
    // encoding_rs writes UTF-8 in the name of UTF-16.
    if encoding.output_encoding() != encoding {
        return None;
    }
    let (bytes, _, unmappable) = encoding.encode(text);
    (!unmappable).then(|| bytes.into_owned())
}

/// The MIME message a message's skeleton describes; `None` when it has none.
///
/// # Errors
///
/// [`ErrorKind::Limit`](crate::ErrorKind::Limit) above `max_len` bytes;
/// [`ErrorKind::Corrupt`](crate::ErrorKind::Corrupt) when the skeleton is damaged or does not
/// fit the message any more.
#[must_use]
pub fn expand(message: &Message, max_len: u64) -> Option<Result<Vec<u8>, Error>> {
    let skeleton = message.props.binary(tag::MIME_SKELETON)?;
    let rest = skeleton.strip_prefix(MAGIC)?;
    let mut expansion = Expansion {
        max_len,
        work_left: max_len.saturating_mul(4).saturating_add(WORK_BASE),
        depth: 0,
    };
    Some(expansion.message(message, rest))
}

/// What an expansion may still cost. Messages that mention their attachments again and again
/// would otherwise grow exponentially with depth.
struct Expansion {
    max_len: u64,
    work_left: u64,
    depth: usize,
}

impl Expansion {
    fn message(&mut self, message: &Message, rest: &[u8]) -> Result<Vec<u8>, Error> {
        let mut input = Cursor::new(rest);
        let header = input.number().zip(input.take(8));
        let Some((len, sum)) = header else {
            return Err(misfit());
        };
        if len > self.max_len || self.depth > DEPTH_LIMIT {
            return Err(Error::limit("MIME message"));
        }
        let mut out = Vec::new();
        while !input.is_empty() {
            let before = out.len();
            self.operation(message, &mut input, &mut out)?;
            if out.len() as u64 > len {
                return Err(misfit());
            }
            let work = (out.len() - before) as u64 + OPERATION_WORK;
            self.work_left = self
                .work_left
                .checked_sub(work)
                .ok_or_else(|| Error::limit("MIME message"))?;
        }
        if out.len() as u64 != len || checksum(&out).to_le_bytes() != sum {
            return Err(misfit());
        }
        Ok(out)
    }

    fn operation(
        &mut self,
        message: &Message,
        input: &mut Cursor<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        match input.byte().ok_or_else(misfit)? {
            op::LITERAL => out.extend_from_slice(input.bytes().ok_or_else(misfit)?),
            op::TRANSPORT_HEADERS => {
                let text = message.props.str(tag::TRANSPORT_MESSAGE_HEADERS);
                out.extend_from_slice(text.ok_or_else(misfit)?.as_bytes());
            }
            op::BODY_TEXT => {
                let charset = input.bytes().and_then(|label| str::from_utf8(label).ok());
                let bytes = message
                    .props
                    .str(tag::BODY)
                    .zip(charset)
                    .and_then(|(text, charset)| encode_text(text, charset));
                encoded(input, bytes.as_deref(), out)?;
            }
            op::BODY_HTML => encoded(input, message.props.binary(tag::HTML), out)?,
            op::ATTACHMENT => {
                let attachment = input.size().and_then(|i| message.attachments.get(i));
                let bytes = attachment.and_then(|a| a.props.binary(tag::ATTACH_DATA_BINARY));
                encoded(input, bytes, out)?;
            }
            op::EMBEDDED => {
                let attachment = input.size().and_then(|i| message.attachments.get(i));
                let embedded = attachment
                    .and_then(|a| a.embedded.as_deref())
                    .ok_or_else(misfit)?;
                let rest = match embedded.props.get(tag::MIME_SKELETON) {
                    Some(PropValue::Binary(skeleton)) => skeleton.strip_prefix(MAGIC),
                    _ => None,
                };
                self.depth += 1;
                let bytes = self.message(embedded, rest.ok_or_else(misfit)?)?;
                self.depth -= 1;
                encoded(input, Some(&bytes), out)?;
            }
            _ => return Err(misfit()),
        }
        Ok(())
    }
}

fn encoded(input: &mut Cursor<'_>, bytes: Option<&[u8]>, out: &mut Vec<u8>) -> Result<(), Error> {
    let transfer = Transfer::read(input).ok_or_else(misfit)?;
    match (transfer, bytes) {
        (_, None) => return Err(misfit()),
        (Transfer::Raw, Some(bytes)) => out.extend_from_slice(bytes),
        (transfer, Some(bytes)) => out.append(&mut transfer.apply(bytes).ok_or_else(misfit)?),
    }
    Ok(())
}

fn misfit() -> Error {
    Error::corrupt("MIME skeleton does not fit its message")
}

fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3)
    })
}

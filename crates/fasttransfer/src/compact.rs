//! The compact form: a lossless transform of ExportItems data for storage.
//!
//! It separates large attachment payloads, which many items share, from the rest (the
//! skeleton), and makes the skeleton small: no buffer headers, UTF-16 strings as UTF-8. Whatever
//! the input is, also garbage or a truncated stream, expanding gives the same bytes back.
//!
//! # Form
//!
//! The skeleton is the version byte 1 and a sequence of tokens. Numbers are LEB128; `n` is a
//! length in bytes of what follows in the skeleton.
//!
//! | byte | arguments | what it stands for |
//! | --- | --- | --- |
//! | 0x00–0x7F | byte + 1 bytes | these bytes of the FastTransfer stream |
//! | 0x80 RAW | n, bytes | these bytes of the stream |
//! | 0x81 STR | n, UTF-8 | a u32 length, the text in UTF-16LE, a terminator of two zero bytes; the length counts text and terminator |
//! | 0x82 STRZ | n, UTF-8 | a u32 length and the text in UTF-16LE, without terminator |
//! | 0x83 TEXT | n, UTF-8 | the text in UTF-16LE |
//! | 0x84 NAME | n, UTF-8 | the text in UTF-16LE and a terminator |
//! | 0x85 PAYLOAD | length L | the u32 L, then the next payload, which has at most L bytes |
//! | 0x86 MORE | length L | the next payload, which has at most L bytes |
//! | 0x87 FRAME | length | the next TransferBuffer has this length |
//! | 0x88 PROLOGUE | 6 bytes | the 62 bytes every known server begins with; the argument is its last 6 bytes, the version |
//! | 0x89 OUTER | n, bytes | these bytes outside any TransferBuffer |
//!
//! RAW, STR, STRZ, TEXT, NAME and OUTER have at most 65,536 bytes (text: of UTF-16).
//!
//! # Frames
//!
//! The *stream* is the concatenation of all TransferBuffers. FRAME tokens are a queue of buffer
//! lengths: whenever the current buffer is full, the next length is taken from the queue and its
//! eight header bytes are written. A FRAME token may stand before stream bytes that still belong
//! to the buffer before it.
//!
//! Inside a payload the lengths are predicted, since a token there would cut the payload: when a
//! buffer is full, the queue empty, and the bytes left of the L announced are at least `cap`, the
//! next buffer has `cap` bytes. When fewer are left, the payload's remaining bytes wait for the
//! FRAME tokens that stand right behind the payload. Where the prediction is wrong, the payload
//! ends early; a FRAME token and MORE follow.
//!
//! `cap` is 31,680 at first. Of the FRAME tokens of a length n of 4,096 or more, the first sets
//! it to n unless 31,424 ≤ n ≤ 31,680; later ones raise it to n if n is greater. MORE sets it to
//! the length of the last FRAME token, whatever that is. Lengths above 65,536 count as 65,536 in
//! all this.
//!
//! # What becomes a payload
//!
//! Values of PidTagAttachDataBinary (PtypBinary or PtypObject) of 8,192 bytes or more, at any
//! depth. Strings of type 0x001F and 0x84B0, single or multi-valued, become STR, STRZ or TEXT
//! where that is lossless. From the first thing the lexer does not know, the rest of the stream
//! is RAW; from the first record that is no TransferBuffer, the rest of the data is OUTER.

use crate::varint;
use crate::wire::DEFAULT_BUFFER_LEN;

/// The format's version byte.
pub(crate) const VERSION: u8 = 1;
/// Attachment values of this many bytes or more become payloads.
pub(crate) const PAYLOAD_MIN: u32 = 8192;
/// The most bytes one token stands for.
pub(crate) const TOKEN_LIMIT: usize = 65_536;
/// A first buffer this much shorter than the default still announces the default.
const FIRST_SLACK: u32 = 256;
/// Buffers shorter than this say nothing about the others: a last one, or one that holds a
/// property somebody put in front.
const SMALL_FRAME: u32 = 4096;

pub(crate) mod token {
    pub const RAW: u8 = 0x80;
    pub const STR: u8 = 0x81;
    pub const STRZ: u8 = 0x82;
    pub const TEXT: u8 = 0x83;
    pub const NAME: u8 = 0x84;
    pub const PAYLOAD: u8 = 0x85;
    pub const MORE: u8 = 0x86;
    pub const FRAME: u8 = 0x87;
    pub const PROLOGUE: u8 = 0x88;
    pub const OUTER: u8 = 0x89;
}

/// The predicted length of the next buffer inside a payload. Compactor and expander keep the
/// same one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cap {
    len: u32,
    fresh: bool,
}

impl Cap {
    pub(crate) fn new() -> Self {
        Self {
            len: DEFAULT_BUFFER_LEN as u32,
            fresh: true,
        }
    }

    /// A FRAME token outside a payload.
    pub(crate) fn frame(&mut self, len: u32) {
        if len < SMALL_FRAME {
            return;
        }
        let len = len.min(TOKEN_LIMIT as u32);
        let default = DEFAULT_BUFFER_LEN as u32;
        if std::mem::replace(&mut self.fresh, false) {
            if !(default - FIRST_SLACK..=default).contains(&len) {
                self.len = len;
            }
        } else {
            self.len = self.len.max(len);
        }
    }

    /// A FRAME token between a payload and its continuation.
    pub(crate) fn correct(&mut self, len: u32) {
        self.fresh = false;
        self.len = len.min(TOKEN_LIMIT as u32);
    }

    pub(crate) fn len(&self) -> u32 {
        self.len
    }
}

/// Receives what a [`crate::Compactor`] produces, in input order.
pub trait CompactSink {
    /// More bytes of the skeleton.
    fn skeleton(&mut self, bytes: &[u8]);
    /// A payload begins.
    fn payload_start(&mut self);
    /// More bytes of the payload.
    fn payload(&mut self, bytes: &[u8]);
    /// The payload is complete.
    fn payload_end(&mut self);
}

/// Appends what stands in front of a token's byte string.
pub(crate) fn push_head(out: &mut Vec<u8>, token: u8, len: usize) {
    out.push(token);
    varint::push(out, len as u64);
}

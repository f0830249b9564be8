//! Reading the native stream into a message.

use std::fmt;

use crate::lexer::{Lexer, LexerStop};
use crate::tree_builder::TreeBuilder;
use crate::wire::{PROLOGUE_LEN, opcode, prologue};
use crate::{Deframer, Error, FrameEvent, FrameSink, FrameStop, Message, PropId};

/// What a reader accepts before it stops. What was read up to there is kept.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of property values kept in memory; default 256 MiB.
    pub value_bytes: u64,
    /// Embedded messages inside one another; default 32.
    pub depth: usize,
    /// Properties, recipients and attachments in the whole stream; default 1,000,000.
    pub objects: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            value_bytes: 256 << 20,
            depth: 32,
            objects: 1_000_000,
        }
    }
}

/// Something unusual in a stream. None of them loses what stands elsewhere in it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Problem {
    /// The records before the stream are not those every known server writes.
    UnusualPrologue,
    /// A record of an opcode item exports do not use; it was skipped.
    UnknownRecord {
        /// The opcode.
        opcode: u32,
    },
    /// The framing is damaged; what follows was not read.
    BadFraming(FrameStop),
    /// The stream has something unknown; what follows was not read.
    Unreadable {
        /// What it is.
        stop: LexerStop,
        /// Where, in bytes of the deframed stream.
        offset: u64,
    },
    /// The data ends in the middle.
    Truncated,
    /// A limit was reached; what follows was not read.
    LimitReached(&'static str),
    /// A marker where it makes no sense; it was ignored.
    UnexpectedMarker(u32),
    /// A string that is not valid UTF-16; U+FFFD stands for what is lost.
    InvalidString(PropId),
    /// A property that occurs twice in one list; the later one was kept.
    DuplicateProperty(PropId),
    /// A property of a type that cannot occur; it was skipped.
    SkippedProperty(PropId),
    /// MetaTagEcWarning: the server could not write everything.
    ServerWarning,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnusualPrologue => f.write_str("unusual prologue"),
            Self::UnknownRecord { opcode } => write!(f, "unknown record {opcode}"),
            Self::BadFraming(stop) => {
                write!(
                    f,
                    "bad framing: opcode {:#x} length {}",
                    stop.opcode, stop.len
                )
            }
            Self::Unreadable { stop, offset } => write!(f, "unreadable at {offset}: {stop:?}"),
            Self::Truncated => f.write_str("the data ends early"),
            Self::LimitReached(limit) => write!(f, "limit reached: {limit}"),
            Self::UnexpectedMarker(marker) => write!(f, "unexpected marker {marker:08x}"),
            Self::InvalidString(id) => write!(f, "invalid UTF-16 in {id:?}"),
            Self::DuplicateProperty(id) => write!(f, "duplicate property {id:?}"),
            Self::SkippedProperty(id) => write!(f, "property of impossible type {id:?}"),
            Self::ServerWarning => f.write_str("the server reports missing content"),
        }
    }
}

/// What a reader made of a stream.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parsed {
    /// The message, as far as it could be read.
    pub message: Message,
    /// The exporter's version words, see [`crate::WriteOptions::version`].
    pub version: Option<[u16; 3]>,
    /// What was unusual, at most [`Parsed::MAX_PROBLEMS`].
    pub problems: Vec<Problem>,
}

impl Parsed {
    /// How many problems are listed at most.
    pub const MAX_PROBLEMS: usize = 64;
}

/// Reads a native stream (the bytes of ExportItems, base64 decoded).
///
/// # Errors
///
/// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) when the data does not begin like a native
/// stream at all. Everything else is reported in [`Parsed::problems`].
pub fn read_message(data: &[u8], limits: &Limits) -> Result<Parsed, Error> {
    let mut reader = MessageReader::new(limits);
    reader.feed(data);
    reader.finish()
}

/// [`read_message`] for data that arrives in pieces.
#[derive(Debug)]
pub struct MessageReader {
    deframer: Deframer,
    inner: Inner,
}

#[derive(Debug)]
struct Inner {
    lexer: Lexer,
    builder: TreeBuilder,
    version: Option<[u16; 3]>,
    seen_prologue: Vec<u8>,
    /// The first buffer has begun.
    streaming: bool,
    records: u64,
    offset: u64,
    halted: bool,
}

impl MessageReader {
    /// A reader at the beginning of the data.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self {
            deframer: Deframer::new(),
            inner: Inner {
                lexer: Lexer::new(),
                builder: TreeBuilder::new(limits),
                version: None,
                seen_prologue: Vec::new(),
                streaming: false,
                records: 0,
                offset: 0,
                halted: false,
            },
        }
    }

    /// Reads more data.
    pub fn feed(&mut self, data: &[u8]) {
        if !self.inner.halted {
            self.deframer.feed(data, &mut self.inner);
        }
    }

    /// Ends the data and returns what was read.
    ///
    /// # Errors
    ///
    /// As [`read_message`].
    pub fn finish(self) -> Result<Parsed, Error> {
        let Self {
            deframer,
            inner: mut it,
        } = self;
        if it.records == 0 {
            return Err(Error::invalid("not a native stream"));
        }
        if let Some(stop) = deframer.stopped() {
            it.builder.problem(Problem::BadFraming(stop));
        } else {
            let complete = deframer.at_boundary() && it.lexer.at_boundary();
            if !complete && !it.halted {
                it.builder.problem(Problem::Truncated);
            }
        }
        let (message, problems) = it.builder.finish();
        Ok(Parsed {
            message,
            version: it.version,
            problems,
        })
    }
}

impl FrameSink for Inner {
    fn event(&mut self, event: FrameEvent<'_>) {
        match event {
            FrameEvent::Buffer(_) => {
                self.records += 1;
                self.check_prologue();
            }
            FrameEvent::Record { opcode, body } => {
                self.records += 1;
                self.record(opcode, body);
            }
            FrameEvent::Stream(bytes) => self.stream(bytes),
        }
    }
}

impl Inner {
    fn stream(&mut self, bytes: &[u8]) {
        if self.halted {
            return;
        }
        let taken = self.lexer.feed(bytes, &mut self.builder);
        self.offset += taken as u64;
        if let Some(stop) = self.lexer.stopped() {
            let offset = self.offset - self.lexer.pending().len() as u64;
            self.builder.problem(Problem::Unreadable { stop, offset });
            self.halted = true;
        }
        self.halted |= self.builder.halted();
    }

    fn record(&mut self, opcode: u32, body: &[u8]) {
        let known = [
            opcode::CONFIG,
            opcode::IS_INTERFACE_OK,
            opcode::TELL_PARTNER_VERSION,
        ];
        if !known.contains(&opcode) {
            self.builder.problem(Problem::UnknownRecord { opcode });
            return;
        }
        if opcode == opcode::TELL_PARTNER_VERSION && body.len() == 6 {
            let word = |at: usize| u16::from_le_bytes([body[at], body[at + 1]]);
            self.version = Some([word(0), word(2), word(4)]);
        }
        if self.seen_prologue.len() < PROLOGUE_LEN {
            self.seen_prologue.extend_from_slice(&opcode.to_le_bytes());
            let len = u32::try_from(body.len()).unwrap_or(u32::MAX);
            self.seen_prologue.extend_from_slice(&len.to_le_bytes());
            self.seen_prologue.extend_from_slice(body);
        }
    }

    /// Compares what came before the first buffer with what every known server writes.
    fn check_prologue(&mut self) {
        if std::mem::replace(&mut self.streaming, true) {
            return;
        }
        let seen = std::mem::take(&mut self.seen_prologue);
        if seen != prologue(self.version.unwrap_or_default()) {
            self.builder.problem(Problem::UnusualPrologue);
        }
    }
}

//! Writing the compact form.

use encoding_rs::{DecoderResult, UTF_16LE};

use crate::compact::{Cap, CompactSink, PAYLOAD_MIN, TOKEN_LIMIT, VERSION, push_head, token};
use crate::lexer::{Event, LexerSink, PropDef, u32_at};
use crate::wire::{PROLOGUE_LEN, PROLOGUE_VERSION_AT, RECORD_HEADER_LEN, opcode, prologue, ptype};
use crate::{Lexer, PropId, code_page, tag, varint};

/// Pending stream bytes become a token at this many.
const RAW_FLUSH: usize = 8192;
/// Tokens are handed on at this many bytes.
const TOKENS_FLUSH: usize = 16_384;
/// Bytes of UTF-16 a piece of a long string has.
const TEXT_PIECE: usize = 32_768;
/// Bytes of a value's length.
const PREFIX_LEN: usize = 4;
/// The longest run a one-byte token stands for.
const SHORT_RUN: usize = 128;

/// Turns ExportItems data into the compact form while it streams by.
///
/// Memory is constant, about 200 KiB. The events depend on the data only, not on how it is cut
/// into pushes.
#[derive(Debug)]
pub struct Compactor {
    state: State,
    /// A prologue or record header being collected.
    head: Vec<u8>,
    lexer: Lexer,
    lexing: bool,
    encoder: Encoder,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Prologue,
    Header,
    Stream {
        left: u32,
    },
    /// Whatever follows is kept as it is.
    Verbatim,
}

impl Default for Compactor {
    fn default() -> Self {
        Self::new()
    }
}

impl Compactor {
    /// A compactor at the beginning of the data.
    #[must_use]
    pub fn new() -> Self {
        let mut encoder = Encoder::default();
        encoder.tokens.push(VERSION);
        Self {
            state: State::Prologue,
            head: Vec::with_capacity(PROLOGUE_LEN),
            lexer: Lexer::new(),
            lexing: true,
            encoder,
        }
    }

    /// Takes more data.
    pub fn push(&mut self, input: &[u8], out: &mut dyn CompactSink) {
        let mut rest = input;
        while !rest.is_empty() {
            let taken = match self.state {
                State::Prologue => self.prologue(rest),
                State::Header => self.header(rest, out),
                State::Stream { left } => {
                    let taken = rest.len().min(left as usize);
                    self.stream(&rest[..taken], out);
                    let left = left - u32::try_from(taken).unwrap_or(left);
                    self.state = match left {
                        0 => State::Header,
                        left => State::Stream { left },
                    };
                    taken
                }
                State::Verbatim => {
                    self.encoder.outer(rest, out);
                    rest.len()
                }
            };
            rest = &rest[taken..];
        }
    }

    /// Ends the data.
    pub fn finish(mut self, out: &mut dyn CompactSink) {
        self.settle(out);
        let head = std::mem::take(&mut self.head);
        if !head.is_empty() {
            self.encoder.outer(&head, out);
        }
        self.encoder.flush_outer(out);
        self.encoder.flush_tokens(out);
    }

    fn collect(&mut self, input: &[u8], need: usize) -> usize {
        let taken = input.len().min(need.saturating_sub(self.head.len()));
        self.head.extend_from_slice(&input[..taken]);
        taken
    }

    fn prologue(&mut self, input: &[u8]) -> usize {
        let taken = self.collect(input, PROLOGUE_LEN);
        if self.head.len() == PROLOGUE_LEN {
            let head = std::mem::take(&mut self.head);
            let (fixed, version) = head.split_at(PROLOGUE_VERSION_AT);
            if fixed == &prologue([0; 3])[..PROLOGUE_VERSION_AT] {
                self.encoder.tokens.push(token::PROLOGUE);
                self.encoder.tokens.extend_from_slice(version);
                self.state = State::Header;
            } else {
                self.encoder.outer.extend_from_slice(&head);
                self.state = State::Verbatim;
            }
        }
        taken
    }

    fn header(&mut self, input: &[u8], out: &mut dyn CompactSink) -> usize {
        let taken = self.collect(input, RECORD_HEADER_LEN);
        if self.head.len() < RECORD_HEADER_LEN {
            return taken;
        }
        let len = u32_at(&self.head, 4);
        // An empty buffer has no place among the predicted ones; no server is known to write it.
        if u32_at(&self.head, 0) == opcode::TRANSFER_BUFFER && len > 0 {
            self.head.clear();
            self.encoder.frame(len, out);
            self.state = State::Stream { left: len };
        } else {
            self.settle(out);
            let head = std::mem::take(&mut self.head);
            self.encoder.outer(&head, out);
            self.state = State::Verbatim;
        }
        taken
    }

    fn stream(&mut self, bytes: &[u8], out: &mut dyn CompactSink) {
        let mut rest = bytes;
        if self.lexing {
            let mut sink = Pass {
                encoder: &mut self.encoder,
                out,
            };
            let taken = self.lexer.feed(bytes, &mut sink);
            rest = &bytes[taken..];
            if self.lexer.stopped().is_some() {
                self.settle(out);
            }
        }
        if !rest.is_empty() {
            self.encoder.raw(rest, out);
        }
    }

    /// Puts out everything held back; the stream is not analysed any further.
    fn settle(&mut self, out: &mut dyn CompactSink) {
        self.encoder.abandon_value(out);
        if std::mem::replace(&mut self.lexing, false) {
            self.encoder.raw(self.lexer.pending(), out);
        }
        self.encoder.flush_raw(out);
    }
}

/// What becomes of the current value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Mode {
    /// Stream bytes as they are.
    #[default]
    Raw,
    /// A string collected whole.
    Text,
    /// A long string, in pieces.
    LongText,
    /// A payload of which so much is left.
    Payload { left: u32 },
}

/// Writes tokens.
#[derive(Debug)]
struct Encoder {
    mode: Mode,
    /// What the values of the current property are.
    is_text: bool,
    is_payload: bool,
    raw: Vec<u8>,
    text: Vec<u8>,
    /// One text decoded: many are short, and room for each would cost more than they.
    decoded: String,
    outer: Vec<u8>,
    tokens: Vec<u8>,
    cap: Cap,
    /// Buffers that began inside the payload's last bytes.
    deferred: Vec<u32>,
    /// A predicted buffer of which no byte has come yet.
    predicted: Option<u32>,
}

impl Default for Encoder {
    fn default() -> Self {
        Self {
            mode: Mode::Raw,
            is_text: false,
            is_payload: false,
            raw: Vec::with_capacity(RAW_FLUSH),
            text: Vec::new(),
            decoded: String::new(),
            outer: Vec::new(),
            tokens: Vec::with_capacity(TOKENS_FLUSH),
            cap: Cap::new(),
            deferred: Vec::new(),
            predicted: None,
        }
    }
}

impl Encoder {
    /// A TransferBuffer of this length begins.
    fn frame(&mut self, len: u32, out: &mut dyn CompactSink) {
        match self.mode {
            Mode::Payload { left } if left < self.cap.len() => self.deferred.push(len),
            Mode::Payload { .. } if len == self.cap.len() => self.predicted = Some(len),
            Mode::Payload { left } => {
                out.payload_end();
                self.frame_token(len);
                self.tokens.push(token::MORE);
                varint::push(&mut self.tokens, u64::from(left));
                self.cap.correct(len);
                self.flush_tokens(out);
                out.payload_start();
            }
            Mode::Raw | Mode::Text | Mode::LongText => self.frame_token(len),
        }
    }

    fn frame_token(&mut self, len: u32) {
        self.tokens.push(token::FRAME);
        varint::push(&mut self.tokens, u64::from(len));
        self.cap.frame(len);
    }

    fn payload_start(&mut self, len: u32, out: &mut dyn CompactSink) {
        self.flush_raw(out);
        self.tokens.push(token::PAYLOAD);
        varint::push(&mut self.tokens, u64::from(len));
        self.flush_tokens(out);
        out.payload_start();
        self.mode = Mode::Payload { left: len };
    }

    fn payload_end(&mut self, out: &mut dyn CompactSink) {
        out.payload_end();
        self.mode = Mode::Raw;
        for len in std::mem::take(&mut self.deferred) {
            self.frame_token(len);
        }
        if let Some(len) = self.predicted.take() {
            self.frame_token(len);
        }
    }

    /// The current value ends here whatever was announced.
    fn abandon_value(&mut self, out: &mut dyn CompactSink) {
        match std::mem::take(&mut self.mode) {
            Mode::Raw => {}
            Mode::Text => {
                let text = std::mem::take(&mut self.text);
                self.raw(&text, out);
            }
            Mode::LongText => self.text_piece(true, out),
            Mode::Payload { .. } => self.payload_end(out),
        }
    }

    fn length(&mut self, len: u32, out: &mut dyn CompactSink) {
        if self.is_payload && len >= PAYLOAD_MIN {
            self.payload_start(len, out);
            return;
        }
        let prefix = len.to_le_bytes();
        if !self.is_text || len == 0 {
            self.raw(&prefix, out);
        } else if len as usize <= TOKEN_LIMIT {
            self.text.clear();
            self.text.extend_from_slice(&prefix);
            self.mode = Mode::Text;
        } else {
            self.raw(&prefix, out);
            self.flush_raw(out);
            self.text.clear();
            self.mode = Mode::LongText;
        }
    }

    fn value(&mut self, bytes: &[u8], out: &mut dyn CompactSink) {
        match &mut self.mode {
            Mode::Raw => self.raw(bytes, out),
            // As a rule it comes in one piece, which need not be kept.
            Mode::Text if is_whole(&self.text, bytes) => {
                self.mode = Mode::Raw;
                let prefix = std::mem::take(&mut self.text);
                self.string(&prefix, bytes, out);
                self.text = prefix;
            }
            Mode::Text => self.text.extend_from_slice(bytes),
            Mode::LongText => {
                // Pieces are cut where the text says, not where pushes end.
                let mut rest = bytes;
                while !rest.is_empty() {
                    let room = TEXT_PIECE - self.text.len();
                    let (now, later) = rest.split_at(rest.len().min(room));
                    self.text.extend_from_slice(now);
                    if self.text.len() == TEXT_PIECE {
                        self.text_piece(false, out);
                    }
                    rest = later;
                }
            }
            Mode::Payload { left } => {
                *left -= u32::try_from(bytes.len()).unwrap_or(*left);
                self.predicted = None;
                out.payload(bytes);
            }
        }
    }

    fn element_end(&mut self, out: &mut dyn CompactSink) {
        match self.mode {
            Mode::Raw => {}
            Mode::Text => {
                self.mode = Mode::Raw;
                let text = std::mem::take(&mut self.text);
                let (prefix, value) = text.split_at_checked(PREFIX_LEN).unwrap_or_default();
                self.string(prefix, value, out);
                self.text = text;
            }
            Mode::LongText => {
                self.mode = Mode::Raw;
                self.text_piece(true, out);
            }
            Mode::Payload { .. } => self.payload_end(out),
        }
    }

    /// A whole string, and its length before it.
    fn string(&mut self, prefix: &[u8], value: &[u8], out: &mut dyn CompactSink) {
        let (token, units) = match value.strip_suffix(&[0, 0]) {
            Some(units) if units.len().is_multiple_of(2) => (token::STR, units),
            _ => (token::STRZ, value),
        };
        if !self.text_token(token, units, out) {
            self.raw(prefix, out);
            self.raw(value, out);
        }
    }

    /// A token of text, if it is UTF-16.
    fn text_token(&mut self, token: u8, units: &[u8], out: &mut dyn CompactSink) -> bool {
        let mut decoder = UTF_16LE.new_decoder_without_bom_handling();
        let mut text = std::mem::take(&mut self.decoded);
        text.clear();
        let most = decoder.max_utf8_buffer_length_without_replacement(units.len());
        text.reserve(most.unwrap_or_default());
        let (ended, _) = decoder.decode_to_string_without_replacement(units, &mut text, true);
        let is_text = ended == DecoderResult::InputEmpty;
        if is_text {
            self.token(token, text.as_bytes(), out);
        }
        self.decoded = text;
        is_text
    }

    /// What has been collected of a long string, up to a whole character unless it is the last.
    fn text_piece(&mut self, last: bool, out: &mut dyn CompactSink) {
        let mut text = std::mem::take(&mut self.text);
        let mut keep = 0;
        if !last
            && let [.., high] = text.as_slice()
            && (0xD8..0xDC).contains(high)
        {
            keep = 2;
        }
        let rest = text.split_off(text.len() - keep);
        if !self.text_token(token::TEXT, &text, out) {
            self.raw(&text, out);
        }
        self.text = rest;
    }

    fn definition(&mut self, def: &PropDef, raw: &[u8], out: &mut dyn CompactSink) {
        /// Type, id, property set and kind come before a string name.
        const NAME_AT: usize = 21;
        let single = def.property_type & !ptype::MULTI;
        self.is_text = def.property_type == ptype::UTF16
            || single == ptype::UNICODE
            || (def.property_type & ptype::CODE_PAGE != 0
                && code_page::split_type(def.property_type) == (ptype::UTF16_CODE_PAGE, true));
        self.is_payload = def.id == PropId::Tag(tag::ATTACH_DATA_BINARY)
            && matches!(def.property_type, ptype::BINARY | ptype::OBJECT);
        let name = raw.get(NAME_AT..raw.len().saturating_sub(2));
        let is_string = raw.get(NAME_AT - 1) == Some(&1);
        if let Some(name) = name.filter(|_| is_string)
            && let Some(text) = UTF_16LE.decode_without_bom_handling_and_without_replacement(name)
        {
            self.raw(&raw[..NAME_AT], out);
            self.token(token::NAME, text.as_bytes(), out);
        } else {
            self.raw(raw, out);
        }
    }

    fn token(&mut self, token: u8, bytes: &[u8], out: &mut dyn CompactSink) {
        self.flush_raw(out);
        push_head(&mut self.tokens, token, bytes.len());
        if self.tokens.len() + bytes.len() >= TOKENS_FLUSH {
            self.flush_tokens(out);
            out.skeleton(bytes);
        } else {
            self.tokens.extend_from_slice(bytes);
        }
    }

    /// Bytes outside any buffer. Once there are some, no stream bytes follow.
    fn outer(&mut self, bytes: &[u8], out: &mut dyn CompactSink) {
        self.flush_raw(out);
        let mut rest = bytes;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(RAW_FLUSH - self.outer.len()));
            self.outer.extend_from_slice(now);
            if self.outer.len() == RAW_FLUSH {
                self.flush_outer(out);
            }
            rest = later;
        }
    }

    fn flush_outer(&mut self, out: &mut dyn CompactSink) {
        if !self.outer.is_empty() {
            let outer = std::mem::take(&mut self.outer);
            self.token(token::OUTER, &outer, out);
        }
    }

    fn raw(&mut self, bytes: &[u8], out: &mut dyn CompactSink) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let room = RAW_FLUSH - self.raw.len();
            let (now, later) = rest.split_at(rest.len().min(room));
            self.raw.extend_from_slice(now);
            if self.raw.len() == RAW_FLUSH {
                self.flush_raw(out);
            }
            rest = later;
        }
    }

    fn flush_raw(&mut self, out: &mut dyn CompactSink) {
        let len = self.raw.len();
        if len == 0 {
            return;
        }
        if len <= SHORT_RUN {
            self.tokens.push((len - 1) as u8);
        } else {
            push_head(&mut self.tokens, token::RAW, len);
        }
        self.tokens.extend_from_slice(&self.raw);
        self.raw.clear();
        if self.tokens.len() >= TOKENS_FLUSH {
            self.flush_tokens(out);
        }
    }

    fn flush_tokens(&mut self, out: &mut dyn CompactSink) {
        if !self.tokens.is_empty() {
            out.skeleton(&self.tokens);
            self.tokens.clear();
        }
    }
}

/// Whether nothing but its length has come of a value before, and now all of it.
fn is_whole(text: &[u8], value: &[u8]) -> bool {
    text.len() == PREFIX_LEN && u32_at(text, 0) as usize == value.len()
}

/// The encoder and where its output goes, as the lexer's sink.
struct Pass<'a> {
    encoder: &'a mut Encoder,
    out: &'a mut dyn CompactSink,
}

impl LexerSink for Pass<'_> {
    fn event(&mut self, event: Event<'_>) {
        let Self { encoder, out } = self;
        match event {
            Event::Marker(word) | Event::Count(word) => encoder.raw(&word.to_le_bytes(), *out),
            Event::Property { def, raw } => encoder.definition(def, raw, *out),
            Event::Length(len) => encoder.length(len, *out),
            Event::Bytes(bytes) => encoder.value(bytes, *out),
            Event::ElementEnd => encoder.element_end(*out),
            Event::PropertyEnd => {}
        }
    }
}

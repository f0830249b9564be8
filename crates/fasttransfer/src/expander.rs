//! Reading the compact form.

use std::collections::VecDeque;

use crate::Error;
use crate::compact::{Cap, TOKEN_LIMIT, VERSION, token};
use crate::varint::Cursor;
use crate::wire::{opcode, prologue};

/// How much of the skeleton is looked at in one go, in bytes.
const WINDOW: usize = 65_536;
/// The most bytes a token has after its length. UTF-8 takes at most half again of UTF-16.
const ARGUMENT_LIMIT: usize = TOKEN_LIMIT + TOKEN_LIMIT / 2;
/// Bytes of UTF-8 turned into UTF-16 at once, on the stack.
const PIECE: usize = 512;
/// Buffer lengths waiting at once: a token's worth of buffers of one byte.
const QUEUE_LIMIT: usize = 2 * TOKEN_LIMIT;

/// What an [`Expander`] wants next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// More skeleton; what was given is used up.
    NeedMore,
    /// The next payload: call [`Expander::payload`] with its bytes, [`Expander::payload_end`],
    /// and then [`Expander::skeleton`] with what follows the first `consumed` bytes given.
    Payload {
        /// How many bytes of the skeleton given were used.
        consumed: usize,
    },
}

/// Turns the compact form back into ExportItems data.
#[derive(Debug)]
pub struct Expander {
    /// The beginning of a token that is not complete yet.
    held: Vec<u8>,
    started: bool,
    frames: VecDeque<u32>,
    last_frame: u32,
    frame_left: u32,
    cap: Cap,
    /// Bytes announced for the current payload that have not come.
    payload_left: Option<u32>,
    /// Bytes at the end of a payload whose buffer's length is not known yet.
    waiting: Vec<u8>,
    /// The stream bytes of one text: many are short, and room for each would cost more than they.
    units: Vec<u8>,
}

impl Default for Expander {
    fn default() -> Self {
        Self::new()
    }
}

enum Token<'a> {
    Stream(&'a [u8]),
    Text { form: u8, text: &'a str },
    Payload { len: u32, more: bool },
    Frame(u32),
    Prologue([u8; 6]),
    Outer(&'a [u8]),
}

impl Expander {
    /// An expander at the beginning of a skeleton.
    #[must_use]
    pub fn new() -> Self {
        Self {
            held: Vec::new(),
            started: false,
            frames: VecDeque::new(),
            last_frame: 0,
            frame_left: 0,
            cap: Cap::new(),
            payload_left: None,
            waiting: Vec::new(),
            units: Vec::new(),
        }
    }

    /// Takes skeleton bytes and appends the data they stand for to `out`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Corrupt`](crate::ErrorKind::Corrupt) when this is no compact form, or a
    /// payload is still open. The expander is then of no further use.
    pub fn skeleton(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<Step, Error> {
        if self.payload_left.is_some() {
            return Err(Error::corrupt("skeleton inside a payload"));
        }
        let mut given = 0;
        for window in bytes.chunks(WINDOW) {
            given += window.len();
            // Behind the beginning of a token if there is one; as a rule there is none.
            let mut held = std::mem::take(&mut self.held);
            let is_joined = !held.is_empty();
            if is_joined {
                held.extend_from_slice(window);
            }
            let input = if is_joined { &held } else { window };
            let at = self.tokens(input, out)?;
            if self.payload_left.is_some() {
                let consumed = given - (input.len() - at);
                return Ok(Step::Payload { consumed });
            }
            if is_joined {
                held.drain(..at);
            } else {
                held.extend_from_slice(&window[at..]);
            }
            self.held = held;
        }
        Ok(Step::NeedMore)
    }

    /// Takes whole tokens up to the end or a payload; returns how many bytes they have.
    fn tokens(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<usize, Error> {
        let mut at = 0;
        if !self.started {
            if input.first() != Some(&VERSION) {
                return Err(Error::corrupt("unknown version of the compact form"));
            }
            self.started = true;
            at = 1;
        }
        while let Some((token, len)) = next_token(&input[at..])? {
            at += len;
            self.token(token, out)?;
            if self.payload_left.is_some() {
                break;
            }
        }
        Ok(at)
    }

    /// Takes bytes of the payload asked for.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Corrupt`](crate::ErrorKind::Corrupt) when no payload was asked for, or it is
    /// longer than announced.
    pub fn payload(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let left = self
                .payload_left
                .filter(|left| *left > 0)
                .ok_or_else(|| Error::corrupt("payload longer than announced"))?;
            let mut room = left;
            if self.frame_left == 0 && left >= self.cap.len() {
                let len = self.cap.len();
                self.frame_header(len, out);
            }
            if self.frame_left > 0 {
                room = room.min(self.frame_left);
            }
            let (now, later) = rest.split_at(rest.len().min(room as usize));
            let taken = u32::try_from(now.len()).unwrap_or(left);
            if self.frame_left > 0 {
                self.frame_left -= taken;
                out.extend_from_slice(now);
            } else {
                self.waiting.extend_from_slice(now);
            }
            self.payload_left = Some(left - taken);
            rest = later;
        }
        Ok(())
    }

    /// Ends the payload asked for.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Corrupt`](crate::ErrorKind::Corrupt) when none was asked for.
    pub fn payload_end(&mut self, _out: &mut Vec<u8>) -> Result<(), Error> {
        match self.payload_left.take() {
            Some(_) => Ok(()),
            None => Err(Error::corrupt("a payload nobody asked for")),
        }
    }

    /// Ends the skeleton.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Corrupt`](crate::ErrorKind::Corrupt) when it ends too early.
    pub fn finish(self, _out: &mut Vec<u8>) -> Result<(), Error> {
        let complete = self.held.is_empty()
            && self.frames.is_empty()
            && self.waiting.is_empty()
            && self.payload_left.is_none();
        if complete {
            Ok(())
        } else {
            Err(Error::corrupt("compact form ends early"))
        }
    }

    fn token(&mut self, token: Token<'_>, out: &mut Vec<u8>) -> Result<(), Error> {
        match token {
            Token::Stream(bytes) => self.stream(bytes, out),
            Token::Text { form, text } => {
                let mut units = std::mem::take(&mut self.units);
                utf16(form, text, &mut units);
                let done = self.stream(&units, out);
                self.units = units;
                done
            }
            Token::Payload { len, more } => {
                if more && self.last_frame == 0 {
                    return Err(Error::corrupt("a continued payload before any buffer"));
                }
                if more {
                    self.cap.correct(self.last_frame);
                } else {
                    self.stream(&len.to_le_bytes(), out)?;
                }
                if !self.waiting.is_empty() {
                    return Err(Error::corrupt("stream bytes outside any buffer"));
                }
                self.payload_left = Some(len);
                Ok(())
            }
            Token::Frame(len) => {
                if len == 0 || self.frames.len() >= QUEUE_LIMIT {
                    return Err(Error::corrupt("impossible buffer length"));
                }
                self.frames.push_back(len);
                self.last_frame = len;
                self.cap.frame(len);
                self.next_frame(out);
                while self.frame_left > 0 && !self.waiting.is_empty() {
                    let taken = self.waiting.len().min(self.frame_left as usize);
                    out.extend(self.waiting.drain(..taken));
                    self.frame_left -= u32::try_from(taken).unwrap_or(self.frame_left);
                    self.next_frame(out);
                }
                Ok(())
            }
            Token::Prologue(version) => {
                let at = out.len();
                out.extend_from_slice(&prologue([0; 3]));
                let end = out.len();
                if let Some(words) = out.get_mut(at..end).and_then(|p| p.last_chunk_mut::<6>()) {
                    *words = version;
                }
                Ok(())
            }
            Token::Outer(bytes) => {
                if self.frame_left > 0 || !self.waiting.is_empty() {
                    return Err(Error::corrupt("outer bytes inside a buffer"));
                }
                out.extend_from_slice(bytes);
                Ok(())
            }
        }
    }

    /// Puts stream bytes into buffers.
    fn stream(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.frame_left == 0 || !self.waiting.is_empty() {
                return Err(Error::corrupt("stream bytes outside any buffer"));
            }
            let (now, later) = rest.split_at(rest.len().min(self.frame_left as usize));
            out.extend_from_slice(now);
            self.frame_left -= u32::try_from(now.len()).unwrap_or(self.frame_left);
            self.next_frame(out);
            rest = later;
        }
        Ok(())
    }

    /// Begins the next buffer if the current one is full and its length is known.
    fn next_frame(&mut self, out: &mut Vec<u8>) {
        if self.frame_left == 0
            && let Some(len) = self.frames.pop_front()
        {
            self.frame_header(len, out);
        }
    }

    fn frame_header(&mut self, len: u32, out: &mut Vec<u8>) {
        out.extend_from_slice(&opcode::TRANSFER_BUFFER.to_le_bytes());
        out.extend_from_slice(&len.to_le_bytes());
        self.frame_left = len;
    }
}

/// The token at the front and its length, or `None` when it is not complete.
fn next_token(bytes: &[u8]) -> Result<Option<(Token<'_>, usize)>, Error> {
    let mut input = Cursor::new(bytes);
    let Some(kind) = input.byte() else {
        return Ok(None);
    };
    if kind < token::RAW {
        let len = usize::from(kind) + 1;
        return Ok(bytes.get(1..=len).map(|run| (Token::Stream(run), 1 + len)));
    }
    if kind == token::PROLOGUE {
        let version = bytes.get(1..).and_then(|rest| rest.first_chunk::<6>());
        return Ok(version.map(|version| (Token::Prologue(*version), 7)));
    }
    let number = crate::varint::read(&bytes[1..])
        .map_err(|_| Error::corrupt("number too large in compact form"))?;
    let Some((number, number_len)) = number else {
        return Ok(None);
    };
    let start = 1 + number_len;
    let small = || u32::try_from(number).map_err(|_| Error::corrupt("length above 4 GiB"));
    let token = match kind {
        token::PAYLOAD | token::MORE => Token::Payload {
            len: small()?,
            more: kind == token::MORE,
        },
        token::FRAME => Token::Frame(small()?),
        token::RAW | token::OUTER | token::STR | token::STRZ | token::TEXT | token::NAME => {
            let len = usize::try_from(number).unwrap_or(usize::MAX);
            if len > ARGUMENT_LIMIT {
                return Err(Error::corrupt("token too long in compact form"));
            }
            let Some(argument) = bytes.get(start..start + len) else {
                return Ok(None);
            };
            return with_bytes(kind, argument).map(|token| Some((token, start + len)));
        }
        _ => return Err(Error::corrupt("unknown token in compact form")),
    };
    Ok(Some((token, start)))
}

fn with_bytes(kind: u8, argument: &[u8]) -> Result<Token<'_>, Error> {
    Ok(match kind {
        token::RAW => Token::Stream(argument),
        token::OUTER => Token::Outer(argument),
        form => Token::Text {
            form,
            text: str::from_utf8(argument)
                .map_err(|_| Error::corrupt("invalid UTF-8 in compact form"))?,
        },
    })
}

/// The stream bytes a text token stands for, in place of what the buffer held.
fn utf16(form: u8, text: &str, out: &mut Vec<u8>) {
    out.clear();
    out.reserve(4 + 2 * text.len() + 2);
    let prefixed = matches!(form, token::STR | token::STRZ);
    if prefixed {
        out.extend_from_slice(&[0; 4]);
    }
    let mut rest = text;
    while !rest.is_empty() {
        let (now, later) = rest.split_at(rest.floor_char_boundary(PIECE));
        let mut units = [0; PIECE];
        let len = encoding_rs::mem::convert_str_to_utf16(now, &mut units);
        let mut bytes = [0; 2 * PIECE];
        for (pair, unit) in bytes.chunks_exact_mut(2).zip(units) {
            pair.copy_from_slice(&unit.to_le_bytes());
        }
        out.extend_from_slice(&bytes[..2 * len]);
        rest = later;
    }
    if matches!(form, token::STR | token::NAME) {
        out.extend_from_slice(&[0, 0]);
    }
    if prefixed {
        let len = u32::try_from(out.len() - 4).unwrap_or(u32::MAX);
        out[..4].copy_from_slice(&len.to_le_bytes());
    }
}

//! The outer framing around the FastTransfer stream as a push parser.

use crate::lexer::u32_at;
use crate::wire::{RECORD_HEADER_LEN, opcode};

/// The longest record that is not a TransferBuffer; genuine ones have at most 24 bytes.
const SMALL_RECORD_LIMIT: u32 = 4096;

/// What a [`Deframer`] finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameEvent<'a> {
    /// A TransferBuffer of this length begins.
    Buffer(u32),
    /// Bytes of the FastTransfer stream.
    Stream(&'a [u8]),
    /// Another record, whole.
    Record {
        /// Its opcode; unknown ones are passed on too.
        opcode: u32,
        /// Its body.
        body: &'a [u8],
    },
}

/// Receives the events of a [`Deframer`].
pub trait FrameSink {
    /// Takes one event.
    fn event(&mut self, event: FrameEvent<'_>);
}

impl<F: FnMut(FrameEvent<'_>)> FrameSink for F {
    fn event(&mut self, event: FrameEvent<'_>) {
        self(event);
    }
}

/// Why a deframer cannot go on: the opcode and length of a record that cannot be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameStop {
    /// The opcode read.
    pub opcode: u32,
    /// The length read.
    pub len: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Header,
    Record { opcode: u32, len: usize },
    Stream { left: u32 },
    Stopped(FrameStop),
}

/// A push parser of ExportItems data (after base64 decoding).
#[derive(Clone, Debug)]
pub struct Deframer {
    state: State,
    held: Vec<u8>,
}

impl Default for Deframer {
    fn default() -> Self {
        Self::new()
    }
}

impl Deframer {
    /// A deframer at the beginning of the data.
    #[must_use]
    pub fn new() -> Self {
        Self {
            state: State::Header,
            held: Vec::new(),
        }
    }

    /// Parses more bytes and returns how many were consumed: all, unless the deframer stops at
    /// something that is no record. An unknown opcode with a short body is passed on as a record.
    pub fn feed(&mut self, input: &[u8], sink: &mut dyn FrameSink) -> usize {
        let mut rest = input;
        loop {
            let taken = match self.state {
                State::Stopped(_) => 0,
                State::Header => self.collect(rest, RECORD_HEADER_LEN),
                State::Record { len, .. } => self.collect(rest, len),
                State::Stream { left } => {
                    let taken = rest.len().min(left as usize);
                    if taken > 0 {
                        sink.event(FrameEvent::Stream(&rest[..taken]));
                    }
                    let left = left - u32::try_from(taken).unwrap_or(left);
                    self.state = if left == 0 {
                        State::Header
                    } else {
                        State::Stream { left }
                    };
                    taken
                }
            };
            rest = &rest[taken..];
            let progressed = self.advance(sink);
            if !progressed && (taken == 0 || rest.is_empty()) {
                return input.len() - rest.len();
            }
        }
    }

    /// Why the deframer stopped, if it did.
    #[must_use]
    pub fn stopped(&self) -> Option<FrameStop> {
        match self.state {
            State::Stopped(stop) => Some(stop),
            _ => None,
        }
    }

    /// Whether the data may end here, between two records.
    #[must_use]
    pub fn at_boundary(&self) -> bool {
        self.state == State::Header && self.held.is_empty()
    }

    fn collect(&mut self, input: &[u8], need: usize) -> usize {
        let taken = input.len().min(need.saturating_sub(self.held.len()));
        self.held.extend_from_slice(&input[..taken]);
        taken
    }

    /// Leaves the current state if it is complete.
    fn advance(&mut self, sink: &mut dyn FrameSink) -> bool {
        match self.state {
            State::Header if self.held.len() == RECORD_HEADER_LEN => {
                let opcode = u32_at(&self.held, 0);
                let len = u32_at(&self.held, 4);
                self.held.clear();
                if opcode == opcode::TRANSFER_BUFFER {
                    sink.event(FrameEvent::Buffer(len));
                    self.state = if len == 0 {
                        State::Header
                    } else {
                        State::Stream { left: len }
                    };
                } else if len <= SMALL_RECORD_LIMIT && (1..=17).contains(&opcode) {
                    let len = len as usize;
                    self.state = State::Record { opcode, len };
                } else {
                    self.state = State::Stopped(FrameStop { opcode, len });
                }
                true
            }
            State::Record { opcode, len } if self.held.len() == len => {
                sink.event(FrameEvent::Record {
                    opcode,
                    body: &self.held,
                });
                self.held.clear();
                self.state = State::Header;
                true
            }
            _ => false,
        }
    }
}

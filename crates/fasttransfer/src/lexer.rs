//! The lexical layer of the FastTransfer stream (MS-OXCFXICS 2.2.4.1) as a push parser.
//!
//! Memory is constant whatever the stream holds: values arrive in the pieces they were fed in.

use crate::wire::{marker, ptype};
use crate::{Guid, NamedProp, PropId, PropName, code_page};

/// The longest string name of a named property in bytes of UTF-16, terminator included. MAPI
/// allows 254 characters; longer ones are taken for damage.
const NAME_LIMIT: usize = 1024;

/// The definition of a property: its type and what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PropDef {
    /// The type word as it stands in the stream.
    pub property_type: u16,
    /// The 16-bit id as it stands in the stream; meaningless when the property is named.
    pub wire_id: u16,
    /// Which property it is.
    pub id: PropId,
}

/// What a [`Lexer`] finds.
#[derive(Clone, Debug, PartialEq)]
pub enum Event<'a> {
    /// A marker, by its 32-bit value.
    Marker(u32),
    /// A property begins; `raw` is its definition on the wire.
    Property {
        /// The definition.
        def: &'a PropDef,
        /// The bytes of the definition.
        raw: &'a [u8],
    },
    /// The number of elements of a multi-valued property.
    Count(u32),
    /// The length of the variable-length element that follows.
    Length(u32),
    /// Bytes of the current element; a fixed-length element arrives whole, a variable-length
    /// one in any number of pieces, in none when it is empty.
    Bytes(&'a [u8]),
    /// The current element is complete.
    ElementEnd,
    /// The current property is complete.
    PropertyEnd,
}

/// Receives the events of a [`Lexer`].
pub trait LexerSink {
    /// Takes one event.
    fn event(&mut self, event: Event<'_>);
}

impl<F: FnMut(Event<'_>)> LexerSink for F {
    fn event(&mut self, event: Event<'_>) {
        self(event);
    }
}

/// Why a lexer cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LexerStop {
    /// A property type this crate does not know, so that the value's length is unknown.
    UnknownType {
        /// The type word.
        property_type: u16,
        /// The property's 16-bit id.
        wire_id: u16,
    },
    /// A named property whose kind byte is neither 0 nor 1.
    BadNameKind(u8),
    /// The name of a named property does not end within the limit.
    NameTooLong,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Collecting the first four bytes of an atom.
    Head,
    /// Collecting a property set GUID and the kind of name.
    NameSet,
    /// Collecting a numeric name.
    NameLid,
    /// Collecting a string name up to its terminator.
    NameString,
    /// Collecting the element count.
    Count,
    /// Collecting an element's length.
    Length,
    /// Collecting a fixed-length element.
    Fixed,
    /// Passing a variable-length element on.
    Variable,
    Stopped(LexerStop),
}

#[derive(Clone, Copy, Debug)]
enum Shape {
    Fixed(usize),
    Variable,
}

/// A push parser of the deframed stream.
#[derive(Clone, Debug)]
pub struct Lexer {
    state: State,
    /// Bytes of the atom being collected.
    held: Vec<u8>,
    def: PropDef,
    shape: Shape,
    elements_left: u32,
    value_left: u32,
}

impl Default for Lexer {
    fn default() -> Self {
        Self::new()
    }
}

impl Lexer {
    /// A lexer at the beginning of a stream.
    #[must_use]
    pub fn new() -> Self {
        Self {
            state: State::Head,
            held: Vec::with_capacity(64),
            def: PropDef {
                property_type: 0,
                wire_id: 0,
                id: PropId::Tag(0),
            },
            shape: Shape::Variable,
            elements_left: 0,
            value_left: 0,
        }
    }

    /// Parses more bytes and returns how many were consumed: all, unless the lexer stops.
    /// Once stopped it consumes nothing more; see [`Lexer::stopped`] and [`Lexer::pending`].
    pub fn feed(&mut self, input: &[u8], sink: &mut dyn LexerSink) -> usize {
        let mut rest = input;
        while !rest.is_empty() {
            let taken = self.step(rest, sink);
            if taken == 0 {
                break;
            }
            rest = &rest[taken..];
            if matches!(self.state, State::Stopped(_)) {
                break;
            }
        }
        input.len() - rest.len()
    }

    /// Why the lexer stopped, if it did.
    #[must_use]
    pub fn stopped(&self) -> Option<LexerStop> {
        match self.state {
            State::Stopped(stop) => Some(stop),
            _ => None,
        }
    }

    /// Bytes consumed that no event has shown yet: the beginning of an incomplete atom.
    #[must_use]
    pub fn pending(&self) -> &[u8] {
        &self.held
    }

    /// Whether the stream may end here, between two atoms.
    #[must_use]
    pub fn at_boundary(&self) -> bool {
        self.state == State::Head && self.held.is_empty()
    }

    /// How many bytes of the current variable-length element are still to come.
    #[must_use]
    pub fn value_left(&self) -> u32 {
        if self.state == State::Variable {
            self.value_left
        } else {
            0
        }
    }

    /// Consumes some input. The input is not empty.
    fn step(&mut self, input: &[u8], sink: &mut dyn LexerSink) -> usize {
        let need = match self.state {
            State::Stopped(_) => return 0,
            State::Variable => return self.variable(input, sink),
            State::NameString => return self.name_string(input, sink),
            State::Head | State::Count | State::Length => 4,
            State::NameSet => 4 + 17,
            State::NameLid => 4 + 17 + 4,
            State::Fixed => match self.shape {
                Shape::Fixed(len) => len,
                Shape::Variable => 0,
            },
        };
        let taken = input.len().min(need.saturating_sub(self.held.len()));
        self.held.extend_from_slice(&input[..taken]);
        if self.held.len() >= need {
            self.complete(sink);
        }
        taken
    }

    fn complete(&mut self, sink: &mut dyn LexerSink) {
        match self.state {
            State::Head => self.head(sink),
            State::NameSet => self.name_set(),
            State::NameLid => {
                let lid = u32_at(&self.held, 21);
                self.named(PropName::Id(lid), sink);
            }
            State::Count => {
                self.elements_left = u32_at(&self.held, 0);
                self.held.clear();
                sink.event(Event::Count(self.elements_left));
                self.next_element(sink);
            }
            State::Length => {
                self.value_left = u32_at(&self.held, 0);
                self.held.clear();
                sink.event(Event::Length(self.value_left));
                self.state = State::Variable;
                if self.value_left == 0 {
                    self.element_end(sink);
                }
            }
            State::Fixed => {
                sink.event(Event::Bytes(&self.held));
                self.held.clear();
                self.element_end(sink);
            }
            State::NameString | State::Variable | State::Stopped(_) => {}
        }
    }

    fn head(&mut self, sink: &mut dyn LexerSink) {
        let word = u32_at(&self.held, 0);
        if is_marker(word) {
            self.held.clear();
            sink.event(Event::Marker(word));
            return;
        }
        self.def.property_type = (word & 0xFFFF) as u16;
        self.def.wire_id = (word >> 16) as u16;
        let Some((shape, multi)) = shape_of(self.def.property_type) else {
            self.state = State::Stopped(LexerStop::UnknownType {
                property_type: self.def.property_type,
                wire_id: self.def.wire_id,
            });
            return;
        };
        self.shape = shape;
        // The count replaces this 1 when the property is multi-valued.
        self.elements_left = if multi { u32::MAX } else { 1 };
        if self.def.wire_id >= 0x8000 {
            self.state = State::NameSet;
        } else {
            self.def.id = PropId::Tag(self.def.wire_id);
            self.property(sink);
        }
    }

    fn name_set(&mut self) {
        self.state = match self.held.get(20) {
            Some(0) => State::NameLid,
            Some(1) => State::NameString,
            kind => State::Stopped(LexerStop::BadNameKind(kind.copied().unwrap_or(0))),
        };
    }

    fn name_string(&mut self, input: &[u8], sink: &mut dyn LexerSink) -> usize {
        const START: usize = 4 + 17;
        for (i, byte) in input.iter().enumerate() {
            self.held.push(*byte);
            let name = &self.held[START..];
            if name.len().is_multiple_of(2) && name.ends_with(&[0, 0]) {
                let units: Vec<u16> = name[..name.len() - 2]
                    .chunks_exact(2)
                    .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
                    .collect();
                self.named(PropName::Name(String::from_utf16_lossy(&units)), sink);
                return i + 1;
            }
            if name.len() >= NAME_LIMIT {
                self.state = State::Stopped(LexerStop::NameTooLong);
                return i + 1;
            }
        }
        input.len()
    }

    fn named(&mut self, name: PropName, sink: &mut dyn LexerSink) {
        let mut guid = [0; 16];
        if let Some(bytes) = self.held.get(4..20) {
            guid.copy_from_slice(bytes);
        }
        self.def.id = PropId::Named(NamedProp {
            guid: Guid(guid),
            name,
        });
        self.property(sink);
    }

    /// The definition is complete.
    fn property(&mut self, sink: &mut dyn LexerSink) {
        sink.event(Event::Property {
            def: &self.def,
            raw: &self.held,
        });
        self.held.clear();
        if self.elements_left == u32::MAX {
            self.state = State::Count;
        } else {
            self.next_element(sink);
        }
    }

    fn next_element(&mut self, sink: &mut dyn LexerSink) {
        if self.elements_left == 0 {
            sink.event(Event::PropertyEnd);
            self.state = State::Head;
            return;
        }
        self.elements_left -= 1;
        self.state = match self.shape {
            Shape::Fixed(_) => State::Fixed,
            Shape::Variable => State::Length,
        };
    }

    fn element_end(&mut self, sink: &mut dyn LexerSink) {
        sink.event(Event::ElementEnd);
        self.next_element(sink);
    }

    fn variable(&mut self, input: &[u8], sink: &mut dyn LexerSink) -> usize {
        let taken = input.len().min(self.value_left as usize);
        sink.event(Event::Bytes(&input[..taken]));
        self.value_left -= u32::try_from(taken).unwrap_or(self.value_left);
        if self.value_left == 0 {
            self.element_end(sink);
        }
        taken
    }
}

/// The little-endian word at `at`; zero where the bytes are missing.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes
        .get(at..)
        .and_then(|rest| rest.first_chunk::<4>())
        .map_or(0, |word| u32::from_le_bytes(*word))
}

fn is_marker(word: u32) -> bool {
    matches!(
        word,
        marker::START_TOP_FOLDER
            | marker::START_SUB_FOLDER
            | marker::END_FOLDER
            | marker::START_MESSAGE
            | marker::END_MESSAGE
            | marker::START_FAI_MESSAGE
            | marker::NEW_ATTACH
            | marker::END_ATTACH
            | marker::START_EMBED
            | marker::END_EMBED
            | marker::START_RECIP
            | marker::END_TO_RECIP
            | marker::FX_ERROR_INFO
    )
}

/// How values of a type are laid out, and whether there are several.
fn shape_of(property_type: u16) -> Option<(Shape, bool)> {
    if property_type & ptype::CODE_PAGE != 0 {
        return Some((Shape::Variable, code_page::split_type(property_type).1));
    }
    let shape = match property_type & !ptype::MULTI {
        ptype::INT16 | ptype::BOOLEAN => Shape::Fixed(2),
        ptype::INT32 | ptype::FLOAT | ptype::ERROR => Shape::Fixed(4),
        ptype::DOUBLE | ptype::CURRENCY | ptype::APP_TIME | ptype::INT64 | ptype::TIME => {
            Shape::Fixed(8)
        }
        ptype::GUID => Shape::Fixed(16),
        ptype::STRING8 | ptype::UNICODE | ptype::BINARY | ptype::SERVER_ID | ptype::OBJECT => {
            Shape::Variable
        }
        _ => return None,
    };
    Some((shape, property_type & ptype::MULTI != 0))
}

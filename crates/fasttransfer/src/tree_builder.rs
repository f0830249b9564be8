//! Builds a message from the lexer's events (the syntax of MS-OXCFXICS 2.2.4.2).

use crate::lexer::{Event, LexerSink, PropDef};
use crate::reader::{Limits, Parsed, Problem};
use crate::wire::marker;
use crate::{Attachment, Message, PropId, PropValue, Property, PropertyBag, decode};

/// A value is allocated as it arrives, at most this far ahead.
const RESERVE_LIMIT: u32 = 1 << 20;
/// Properties of one object. Bags are searched linearly, so this bounds the time a hostile
/// stream can cost; a mailbox item has a few hundred at most.
const BAG_LIMIT: usize = 8192;

#[derive(Debug)]
enum Node {
    Message(Message),
    Recipient(PropertyBag),
    Attachment(Attachment),
}

impl Node {
    fn props(&mut self) -> &mut PropertyBag {
        match self {
            Self::Message(message) => &mut message.props,
            Self::Recipient(props) => props,
            Self::Attachment(attachment) => &mut attachment.props,
        }
    }
}

/// The property being collected.
#[derive(Debug)]
struct Collecting {
    property_type: u16,
    id: PropId,
    wire_id: u16,
    element: Vec<u8>,
    elements: Vec<PropValue>,
    lossy: bool,
}

/// Takes the lexer's events and builds the message.
#[derive(Debug)]
pub(crate) struct TreeBuilder {
    root: Message,
    /// The open objects below the root, outermost first.
    stack: Vec<Node>,
    current: Option<Collecting>,
    problems: Vec<Problem>,
    limits: Limits,
    value_bytes: u64,
    objects: u64,
    halted: bool,
}

impl TreeBuilder {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            root: Message::default(),
            stack: Vec::new(),
            current: None,
            problems: Vec::new(),
            limits: limits.clone(),
            value_bytes: 0,
            objects: 0,
            halted: false,
        }
    }

    /// Whether a limit ended the reading.
    pub(crate) fn halted(&self) -> bool {
        self.halted
    }

    pub(crate) fn problem(&mut self, problem: Problem) {
        if self.problems.len() < Parsed::MAX_PROBLEMS {
            self.problems.push(problem);
        }
    }

    /// Closes what is open and returns the message.
    pub(crate) fn finish(mut self) -> (Message, Vec<Problem>) {
        if !self.stack.is_empty() && !self.problems.contains(&Problem::Truncated) && !self.halted {
            self.problem(Problem::Truncated);
        }
        while !self.stack.is_empty() {
            self.close();
        }
        (self.root, self.problems)
    }

    fn halt(&mut self, limit: &'static str) {
        self.halted = true;
        self.current = None;
        self.problem(Problem::LimitReached(limit));
    }

    fn count_object(&mut self) {
        self.objects += 1;
        if self.objects > self.limits.objects {
            self.halt("objects");
        }
    }

    fn marker(&mut self, value: u32) {
        let open = match (value, self.stack.last()) {
            (marker::START_RECIP, None | Some(Node::Message(_))) => {
                Some(Node::Recipient(PropertyBag::new()))
            }
            (marker::NEW_ATTACH, None | Some(Node::Message(_))) => {
                Some(Node::Attachment(Attachment::default()))
            }
            (marker::START_EMBED, Some(Node::Attachment(_))) => {
                Some(Node::Message(Message::default()))
            }
            _ => None,
        };
        if let Some(node) = open {
            // Each level of embedding takes two nodes.
            if self.stack.len() >= 2 * self.limits.depth + 2 {
                self.halt("depth");
            } else {
                self.count_object();
                self.stack.push(node);
            }
            return;
        }
        let is_match = |node: &Node| {
            matches!(
                (value, node),
                (marker::END_TO_RECIP, Node::Recipient(_))
                    | (marker::END_ATTACH, Node::Attachment(_))
                    | (marker::END_EMBED, Node::Message(_))
            )
        };
        match self.stack.iter().rposition(is_match) {
            Some(at) => {
                if at + 1 != self.stack.len() {
                    self.problem(Problem::UnexpectedMarker(value));
                }
                while self.stack.len() > at {
                    self.close();
                }
            }
            None => self.problem(Problem::UnexpectedMarker(value)),
        }
    }

    /// Closes the innermost object and hands it to the one around it.
    fn close(&mut self) {
        let Some(node) = self.stack.pop() else {
            return;
        };
        match node {
            Node::Message(message) => {
                if let Some(Node::Attachment(attachment)) = self.stack.last_mut() {
                    attachment.embedded = Some(Box::new(message));
                }
            }
            Node::Recipient(props) => self.message().recipients.push(props),
            Node::Attachment(attachment) => self.message().attachments.push(attachment),
        }
    }

    /// The innermost open message.
    fn message(&mut self) -> &mut Message {
        match self.stack.last_mut() {
            Some(Node::Message(message)) => message,
            _ => &mut self.root,
        }
    }

    fn property_start(&mut self, def: &PropDef) {
        self.count_object();
        self.current = Some(Collecting {
            property_type: def.property_type,
            id: def.id.clone(),
            wire_id: def.wire_id,
            element: Vec::new(),
            elements: Vec::new(),
            lossy: false,
        });
    }

    fn element_end(&mut self) {
        let Some(current) = &mut self.current else {
            return;
        };
        if let Some((value, lossy)) = decode::element(current.property_type, &mut current.element) {
            current.elements.push(value);
            current.lossy |= lossy;
        }
        current.element.clear();
        // What an element costs beside its bytes counts too, or a million empty ones were free.
        self.add_bytes(size_of::<PropValue>());
    }

    fn add_bytes(&mut self, len: usize) {
        self.value_bytes += len as u64;
        if self.value_bytes > self.limits.value_bytes {
            self.halt("value bytes");
        }
    }

    fn property_end(&mut self) {
        let Some(mut current) = self.current.take() else {
            return;
        };
        match current.wire_id {
            marker::FX_DEL_PROP_ID | marker::DN_PREFIX_ID => return,
            marker::EC_WARNING_ID => {
                self.problem(Problem::ServerWarning);
                return;
            }
            _ => {}
        }
        if current.lossy {
            self.problem(Problem::InvalidString(current.id.clone()));
        }
        let value = if decode::is_multi(current.property_type) {
            decode::multi(current.property_type, current.elements)
        } else {
            current.elements.pop()
        };
        let Some(value) = value else {
            self.problem(Problem::SkippedProperty(current.id));
            return;
        };
        let props = match self.stack.last_mut() {
            Some(node) => node.props(),
            None => &mut self.root.props,
        };
        let before = props.len();
        let id = current.id.clone();
        props.extend([Property {
            id: current.id,
            value,
        }]);
        let len = props.len();
        if len == before {
            self.problem(Problem::DuplicateProperty(id));
        }
        if len >= BAG_LIMIT {
            self.halt("properties of one object");
        }
    }
}

impl LexerSink for TreeBuilder {
    fn event(&mut self, event: Event<'_>) {
        if self.halted {
            return;
        }
        match event {
            Event::Marker(value) => self.marker(value),
            Event::Property { def, .. } => self.property_start(def),
            Event::Count(_) => {}
            Event::Length(len) => {
                if let Some(current) = &mut self.current {
                    current.element.reserve(len.min(RESERVE_LIMIT) as usize);
                }
            }
            Event::Bytes(bytes) => {
                self.add_bytes(bytes.len());
                if let Some(current) = &mut self.current {
                    current.element.extend_from_slice(bytes);
                }
            }
            Event::ElementEnd => self.element_end(),
            Event::PropertyEnd => self.property_end(),
        }
    }
}

//! A whole answer as a tree, within limits.
//!
//! Names are local names: servers differ in prefixes, some even in namespaces. The nodes lie in
//! one vector and borrow from the answer, so a page of items costs few allocations.

use std::borrow::Cow;

use memchr::{memchr, memchr3};
use quick_xml::Reader;
use quick_xml::events::attributes::Attribute;
use quick_xml::events::{BytesRef, BytesStart, Event};

use crate::error::{Error, Result};

/// Deepest nesting accepted. The deepest recorded answer has 22 levels; restrictions nest more.
pub(crate) const MAX_DEPTH: usize = 128;
/// Most elements of one answer: a FindFolder of 100,000 folders with 20 properties.
pub(crate) const MAX_NODES: usize = 2_000_000;
/// Most attributes of one element.
const MAX_ATTRIBUTES: usize = 64;

/// Bytes that an element takes as a rule, its end and its text included.
const BYTES_AN_ELEMENT: usize = 48;
/// Most elements that room is made for before they come.
const MAX_RESERVED: usize = 1 << 16;

/// A parsed answer.
#[derive(Debug)]
pub(crate) struct Document<'a> {
    nodes: Vec<NodeData<'a>>,
    attributes: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

#[derive(Debug)]
struct NodeData<'a> {
    name: Cow<'a, str>,
    text: Cow<'a, str>,
    attributes: (u32, u32),
    first_child: u32,
    last_child: u32,
    next_sibling: u32,
}

/// An element of a [`Document`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node<'d> {
    document: &'d Document<'d>,
    index: u32,
}

/// Marks the absence of a node: the root is nobody's child and nobody's sibling.
const NONE: u32 = 0;

impl<'a> Document<'a> {
    /// Parses one document; anything after its root element is ignored.
    pub(crate) fn parse(text: &'a str) -> Result<Document<'a>> {
        let text = text.trim_start_matches('\u{FEFF}').trim_start();
        let mut reader = Reader::from_str(text);
        let config = reader.config_mut();
        config.check_end_names = true;
        let mut building = Building {
            text,
            at: 0,
            document: Document {
                nodes: Vec::with_capacity((text.len() / BYTES_AN_ELEMENT).min(MAX_RESERVED)),
                attributes: Vec::new(),
            },
            open: Vec::new(),
        };
        loop {
            building.at = reader.buffer_position();
            let event = reader.read_event().map_err(|error| {
                Error::protocol(format!("malformed XML at byte {}", reader.error_position()))
                    .with_source(error)
            })?;
            if building.event(event)? {
                return Ok(building.document);
            }
        }
    }

    /// The root element.
    pub(crate) fn root(&self) -> Node<'_> {
        Node {
            document: self,
            index: 0,
        }
    }
}

struct Building<'a> {
    text: &'a str,
    /// Where the event under way begins, in bytes, for messages.
    at: u64,
    document: Document<'a>,
    open: Vec<u32>,
}

/// A part of the answer's text, borrowed for as long as the text: quick-xml lends names and
/// values only for as long as their event.
fn borrowed<'a>(text: &'a str, part: &str) -> Cow<'a, str> {
    let start = (part.as_ptr() as usize).wrapping_sub(text.as_ptr() as usize);
    match text.get(start..start.saturating_add(part.len())) {
        Some(same) if std::ptr::eq(same.as_ptr(), part.as_ptr()) => Cow::Borrowed(same),
        _ => Cow::Owned(part.to_owned()),
    }
}

impl<'a> Building<'a> {
    /// Takes one event; true once the root element has ended.
    fn event(&mut self, event: Event<'a>) -> Result<bool> {
        match event {
            Event::Start(start) => {
                let index = self.push(&start)?;
                self.open.push(index);
            }
            Event::Empty(start) => {
                self.push(&start)?;
                return Ok(self.open.is_empty());
            }
            Event::End(_) => {
                self.open.pop();
                return Ok(self.open.is_empty());
            }
            Event::Text(text) => self.text(text.xml10_content()),
            Event::CData(text) => self.text(text.xml10_content()),
            Event::GeneralRef(reference) => {
                self.text(resolve(&reference));
            }
            Event::DocType(_) => return Err(self.refused("has a document type")),
            Event::Eof => return Err(self.refused("ends inside an element")),
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
        }
        Ok(false)
    }

    fn push(&mut self, start: &BytesStart<'a>) -> Result<u32> {
        if self.open.len() >= MAX_DEPTH {
            return Err(self.refused(&format!("nests deeper than {MAX_DEPTH} elements")));
        }
        if self.document.nodes.len() >= MAX_NODES {
            return Err(self.refused(&format!("has more than {MAX_NODES} elements")));
        }
        // Both counts fit: MAX_NODES * MAX_ATTRIBUTES stays below 2^32.
        let first = self.document.attributes.len() as u32;
        for (count, attribute) in start.attributes().with_checks(false).enumerate() {
            let attribute = attribute
                .map_err(|error| self.refused("has a malformed attribute").with_source(error))?;
            // Namespaces are not told apart, and kept settings are free of their declarations.
            if attribute.key.as_namespace_binding().is_some() {
                continue;
            }
            if count >= MAX_ATTRIBUTES {
                let what = format!("has an element of more than {MAX_ATTRIBUTES} attributes");
                return Err(self.refused(&what));
            }
            let key = borrowed(self.text, attribute.key.local_name().into_inner());
            let value = self.value(&attribute);
            self.document.attributes.push((key, value));
        }
        let last = self.document.attributes.len() as u32;
        let nodes = &mut self.document.nodes;
        let index = nodes.len() as u32;
        nodes.push(NodeData {
            name: borrowed(self.text, start.local_name().into_inner()),
            text: Cow::Borrowed(""),
            attributes: (first, last),
            first_child: NONE,
            last_child: NONE,
            next_sibling: NONE,
        });
        self.link(index);
        Ok(index)
    }

    /// An attribute's value with its references resolved.
    fn value(&self, attribute: &Attribute<'_>) -> Cow<'a, str> {
        let value = attribute.value.as_bytes();
        let plain = memchr(b'&', value).is_none() && memchr3(b'\t', b'\n', b'\r', value).is_none();
        if plain {
            return borrowed(self.text, &attribute.value);
        }
        // A reference that no document type explains stays as it is, as in text.
        let version = quick_xml::XmlVersion::Implicit1_0;
        match attribute.normalized_value(version) {
            Ok(value) => Cow::Owned(value.into_owned()),
            Err(_) => Cow::Owned(attribute.value.to_string()),
        }
    }

    /// What is wrong with the answer, and where.
    fn refused(&self, what: &str) -> Error {
        Error::protocol(format!("the answer {what} at byte {}", self.at))
    }

    fn link(&mut self, index: u32) {
        let nodes = &mut self.document.nodes;
        let Some(&parent) = self.open.last() else {
            return;
        };
        let Some(parent) = nodes.get_mut(parent as usize) else {
            return;
        };
        let previous = std::mem::replace(&mut parent.last_child, index);
        if previous == NONE {
            parent.first_child = index;
        } else if let Some(previous) = nodes.get_mut(previous as usize) {
            previous.next_sibling = index;
        }
    }

    fn text(&mut self, text: Cow<'a, str>) {
        let Some(&index) = self.open.last() else {
            return;
        };
        let Some(node) = self.document.nodes.get_mut(index as usize) else {
            return;
        };
        if node.text.is_empty() {
            node.text = text;
        } else {
            node.text.to_mut().push_str(&text);
        }
    }
}

/// Resolves a reference: the five names of XML, and characters. Characters XML forbids become
/// U+FFFD, since Exchange escapes whatever a subject holds; unknown names stay as they are.
pub(crate) fn resolve(reference: &BytesRef<'_>) -> Cow<'static, str> {
    let name: &str = reference;
    if name.starts_with('#') {
        let character = reference.resolve_char_ref().ok().flatten();
        return Cow::Owned(character.unwrap_or('\u{FFFD}').to_string());
    }
    match quick_xml::escape::resolve_xml_entity(name) {
        Some(text) => Cow::Borrowed(text),
        None => Cow::Owned(format!("&{name};")),
    }
}

impl<'d> Node<'d> {
    fn data(self) -> Option<&'d NodeData<'d>> {
        self.document.nodes.get(self.index as usize)
    }

    /// The local name.
    pub(crate) fn name(self) -> &'d str {
        self.data().map_or("", |data| &data.name)
    }

    /// The element's own text, children's left out.
    pub(crate) fn text(self) -> &'d str {
        self.data().map_or("", |data| &data.text)
    }

    /// The attribute of that local name.
    pub(crate) fn attribute(self, name: &str) -> Option<&'d str> {
        let (first, last) = self.data()?.attributes;
        let attributes = self
            .document
            .attributes
            .get(first as usize..last as usize)?;
        attributes
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| &**value)
    }

    /// The attributes in order, by local name.
    pub(crate) fn attributes(self) -> impl Iterator<Item = (&'d str, &'d str)> {
        let (first, last) = self.data().map_or((0, 0), |data| data.attributes);
        let attributes = &self.document.attributes;
        let own = attributes.get(first as usize..last as usize);
        let own = own.unwrap_or_default().iter();
        own.map(|(name, value)| (&**name, &**value))
    }

    /// The child elements in order.
    pub(crate) fn children(self) -> impl Iterator<Item = Node<'d>> {
        let document = self.document;
        let at = move |index: u32| (index != NONE).then_some(Node { document, index });
        let first = self.data().and_then(|data| at(data.first_child));
        std::iter::successors(first, move |node| {
            node.data().and_then(|data| at(data.next_sibling))
        })
    }

    /// The first child of that name.
    pub(crate) fn child(self, name: &str) -> Option<Node<'d>> {
        self.children().find(|child| child.name() == name)
    }

    /// The text of the first child of that name.
    pub(crate) fn child_text(self, name: &str) -> Option<&'d str> {
        self.child(name).map(Node::text)
    }

    /// A child's text read as a number, a boolean and so on; `None` when absent or unreadable.
    pub(crate) fn child_value<T: std::str::FromStr>(self, name: &str) -> Option<T> {
        self.child_text(name)?.trim().parse().ok()
    }

    /// A child's text read as an XML boolean.
    pub(crate) fn child_bool(self, name: &str) -> Option<bool> {
        parse_bool(self.child_text(name)?)
    }

    /// An attribute read as an XML boolean.
    pub(crate) fn attribute_bool(self, name: &str) -> Option<bool> {
        parse_bool(self.attribute(name)?)
    }

    /// The first element of that name at any depth, this one included.
    pub(crate) fn find(self, name: &str) -> Option<Node<'d>> {
        // Children lie behind their parents in the vector, so a walk in order is depth-first;
        // it is bounded by the number of nodes.
        if self.name() == name {
            return Some(self);
        }
        self.children().find_map(|child| child.find(name))
    }
}

/// An XML boolean in any letter case.
pub(crate) fn parse_bool(text: &str) -> Option<bool> {
    match text.trim() {
        "1" => Some(true),
        "0" => Some(false),
        text if text.eq_ignore_ascii_case("true") => Some(true),
        text if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

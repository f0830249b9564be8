//! Bounded XML reading and writing.

use std::borrow::Cow;

use quick_xml::NsReader;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::ResolveResult;

use crate::soap::{NS_MESSAGES, NS_SOAP, NS_TYPES};

/// Deepest nesting of a request; the schema's deepest restriction needs far less.
const MAX_DEPTH: usize = 64;
/// Most elements of a request.
const MAX_ELEMENTS: usize = 500_000;

/// The namespaces that matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ns {
    Soap,
    Messages,
    Types,
    Other,
}

/// An element of a request.
#[derive(Debug)]
pub(crate) struct Element<'a> {
    pub(crate) ns: Ns,
    /// The local name.
    pub(crate) name: Cow<'a, str>,
    attrs: Vec<(String, String)>,
    pub(crate) children: Vec<Element<'a>>,
    /// All text directly inside.
    pub(crate) text: Cow<'a, str>,
}

impl<'a> Element<'a> {
    /// The first child of a name, whichever its namespace.
    pub(crate) fn child(&self, name: &str) -> Option<&Element<'a>> {
        self.children.iter().find(|child| child.name == name)
    }

    /// An attribute's value.
    pub(crate) fn attr(&self, name: &str) -> Option<&str> {
        let mut attrs = self.attrs.iter();
        attrs
            .find(|attr| attr.0 == name)
            .map(|attr| attr.1.as_str())
    }

    /// Replaces an attribute's value.
    pub(crate) fn set_attr(&mut self, name: &str, value: String) {
        if let Some(attr) = self.attrs.iter_mut().find(|attr| attr.0 == name) {
            attr.1 = value;
        }
    }

    /// The attributes by local name, namespace declarations left out.
    pub(crate) fn attrs(&self) -> &[(String, String)] {
        &self.attrs
    }

    /// A child's text, trimmed.
    pub(crate) fn child_text(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.trim())
    }

    /// The children of a child.
    pub(crate) fn list(&self, name: &str) -> &[Element<'a>] {
        self.child(name)
            .map_or(&[], |child| child.children.as_slice())
    }

    /// The children of a child that the schema requires.
    pub(crate) fn required_list(&self, name: &str) -> Result<&[Element<'a>], crate::soap::Fault> {
        match self.list(name) {
            [] => Err(crate::soap::Fault::schema(format!(
                "the element '{}' has incomplete content: '{name}' is missing or empty.",
                self.name
            ))),
            list => Ok(list),
        }
    }
}

/// Parses a document into elements that borrow from it.
pub(crate) fn parse(document: &[u8]) -> Result<Element<'_>, String> {
    let text = std::str::from_utf8(document).map_err(|_| "not UTF-8".to_owned())?;
    let mut reader = NsReader::from_str(text.trim_start_matches('\u{feff}'));
    reader.config_mut().expand_empty_elements = true;
    let mut open: Vec<Element<'_>> = Vec::new();
    let mut elements = 0;
    loop {
        let (resolved, event) = reader
            .read_resolved_event()
            .map_err(|error| error.to_string())?;
        match event {
            Event::Start(start) => {
                elements += 1;
                if open.len() >= MAX_DEPTH || elements > MAX_ELEMENTS {
                    return Err("too many or too deeply nested elements".to_owned());
                }
                open.push(element(ns_of(&resolved), &start)?);
            }
            Event::End(_) => {
                let done = open.pop().ok_or("unbalanced end tag")?;
                match open.last_mut() {
                    Some(parent) => parent.children.push(done),
                    None => return Ok(done),
                }
            }
            Event::Text(text) => {
                let text = text.into_inner();
                push_text(&mut open, text);
            }
            Event::CData(text) => push_text(&mut open, text.into_inner()),
            Event::GeneralRef(reference) => {
                let resolved = match reference.resolve_char_ref() {
                    Ok(Some(character)) => character,
                    Ok(None) => entity(reference.as_ref()).ok_or("unknown entity")?,
                    Err(error) => return Err(error.to_string()),
                };
                push_text(&mut open, Cow::Owned(resolved.to_string()));
            }
            Event::DocType(_) => return Err("document types are not allowed".to_owned()),
            Event::Eof => return Err("the document ends early".to_owned()),
            _ => {}
        }
    }
}

fn element<'a>(ns: Ns, start: &BytesStart<'a>) -> Result<Element<'a>, String> {
    let mut attrs = Vec::new();
    for attr in start.attributes() {
        let attr = attr.map_err(|error| error.to_string())?;
        if attr.key.as_namespace_binding().is_some() {
            continue;
        }
        let value = attr
            .normalized_value(quick_xml::XmlVersion::Implicit1_0)
            .map_err(|error| error.to_string())?;
        let name: &str = attr.key.local_name().into_inner();
        attrs.push((name.to_owned(), value.into_owned()));
    }
    Ok(Element {
        ns,
        name: Cow::Owned(start.local_name().as_ref().to_owned()),
        attrs,
        children: Vec::new(),
        text: Cow::Borrowed(""),
    })
}

fn ns_of(resolved: &ResolveResult<'_>) -> Ns {
    match resolved {
        ResolveResult::Bound(namespace) => match namespace.as_ref() {
            NS_SOAP => Ns::Soap,
            NS_MESSAGES => Ns::Messages,
            NS_TYPES => Ns::Types,
            _ => Ns::Other,
        },
        _ => Ns::Other,
    }
}

fn push_text<'a>(open: &mut [Element<'a>], text: Cow<'a, str>) {
    let Some(element) = open.last_mut() else {
        return;
    };
    if element.text.is_empty() {
        element.text = text;
    } else {
        element.text.to_mut().push_str(&text);
    }
}

fn entity(name: &str) -> Option<char> {
    Some(match name {
        "lt" => '<',
        "gt" => '>',
        "amp" => '&',
        "quot" => '"',
        "apos" => '\'',
        _ => return None,
    })
}

/// Writes XML into a string.
#[derive(Debug, Default)]
pub(crate) struct XmlWriter {
    out: String,
    /// Whether a start tag is still open for attributes.
    in_tag: bool,
}

impl XmlWriter {
    pub(crate) fn new() -> XmlWriter {
        XmlWriter {
            out: String::with_capacity(1024),
            in_tag: false,
        }
    }

    /// Begins an element.
    pub(crate) fn start(&mut self, name: &str) {
        self.close_tag();
        self.out.push('<');
        self.out.push_str(name);
        self.in_tag = true;
    }

    /// Adds an attribute to the element just begun.
    pub(crate) fn attr(&mut self, name: &str, value: &str) {
        self.out.push(' ');
        self.out.push_str(name);
        self.out.push_str("=\"");
        escape(&mut self.out, value, true);
        self.out.push('"');
    }

    /// Adds text.
    pub(crate) fn text(&mut self, text: &str) {
        self.close_tag();
        escape(&mut self.out, text, false);
    }

    /// Ends an element.
    pub(crate) fn end(&mut self, name: &str) {
        if self.in_tag {
            self.out.push_str("/>");
            self.in_tag = false;
            return;
        }
        self.out.push_str("</");
        self.out.push_str(name);
        self.out.push('>');
    }

    /// An element with text only.
    pub(crate) fn leaf(&mut self, name: &str, text: &str) {
        self.start(name);
        self.text(text);
        self.end(name);
    }

    /// A boolean element.
    pub(crate) fn flag(&mut self, name: &str, value: bool) {
        self.leaf(name, if value { "true" } else { "false" });
    }

    /// A number element.
    pub(crate) fn number(&mut self, name: &str, value: impl std::fmt::Display) {
        self.start(name);
        self.text(&value.to_string());
        self.end(name);
    }

    /// An element with base64 text.
    pub(crate) fn base64(&mut self, name: &str, bytes: &[u8]) {
        self.start(name);
        self.close_tag();
        base64_simd::STANDARD.encode_append(bytes, &mut self.out);
        self.end(name);
    }

    /// The text so far, for markup written by hand.
    pub(crate) fn raw(&mut self) -> &mut String {
        self.close_tag();
        &mut self.out
    }

    /// Takes back everything after a mark, which was the length of [`XmlWriter::raw`] then.
    pub(crate) fn rewind(&mut self, mark: usize) {
        self.in_tag = false;
        self.out.truncate(mark);
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.out.into_bytes()
    }

    fn close_tag(&mut self) {
        if self.in_tag {
            self.out.push('>');
            self.in_tag = false;
        }
    }
}

/// Escapes text; characters that XML 1.0 cannot hold become U+FFFD.
fn escape(out: &mut String, text: &str, in_attribute: bool) {
    let mut clean_from = 0;
    for (index, character) in text.char_indices() {
        let replacement = match character {
            '&' => "&amp;",
            '<' => "&lt;",
            '>' => "&gt;",
            '"' if in_attribute => "&quot;",
            '\n' | '\t' if !in_attribute => continue,
            '\n' => "&#xA;",
            '\t' => "&#x9;",
            '\r' => "&#xD;",
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => "\u{fffd}",
            _ => continue,
        };
        out.push_str(&text[clean_from..index]);
        out.push_str(replacement);
        clean_from = index + character.len_utf8();
    }
    out.push_str(&text[clean_from..]);
}

//! Elements kept as the schema spells them.

use crate::error::{Error, Result};
use crate::xml::{Document, Node, Writer};

/// Deepest nesting kept; the deepest of the schema's settings have 5 levels.
const MAX_DEPTH: usize = 16;
/// Longest name of an element or attribute kept, in bytes.
const MAX_NAME_BYTES: usize = 128;

/// An element of the types namespace with everything in it, for what has more parts than are
/// worth a type of their own, and for keeping a setting exactly: [`XmlElement::to_xml`] and
/// [`XmlElement::from_xml`] are inverse.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct XmlElement {
    /// The local name, for example `MoveToFolder`.
    pub name: String,
    /// The attributes in order, by local name; namespace declarations are left out.
    pub attributes: Vec<(String, String)>,
    /// The element's own text; empty where it has children, as space between them means nothing.
    pub text: String,
    /// The child elements in order.
    pub children: Vec<XmlElement>,
}

impl XmlElement {
    /// An element without content.
    pub fn new(name: impl Into<String>) -> XmlElement {
        XmlElement {
            name: name.into(),
            ..XmlElement::default()
        }
    }

    /// An element that holds only text.
    pub fn leaf(name: impl Into<String>, text: impl Into<String>) -> XmlElement {
        XmlElement {
            name: name.into(),
            text: text.into(),
            ..XmlElement::default()
        }
    }

    /// Adds an attribute.
    pub fn with_attribute(
        mut self,
        name: impl Into<String>,
        value: impl Into<String>,
    ) -> XmlElement {
        self.attributes.push((name.into(), value.into()));
        self
    }

    /// Adds child elements.
    pub fn with_children(mut self, children: impl IntoIterator<Item = XmlElement>) -> XmlElement {
        self.children.extend(children);
        self
    }

    /// The first child of that name.
    pub fn child(&self, name: &str) -> Option<&XmlElement> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The text of the first child of that name.
    pub fn child_text(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.as_str())
    }

    /// The attribute of that local name.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        let mut attributes = self.attributes.iter();
        attributes
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// Calls `visit` with every element of that name, this one included; for replacing ids.
    pub fn visit_mut(&mut self, name: &str, visit: &mut impl FnMut(&mut XmlElement)) {
        if self.name == name {
            visit(self);
        }
        for child in &mut self.children {
            child.visit_mut(name, visit);
        }
    }

    /// The element as text: one line, without namespaces, the same text for the same element.
    pub fn to_xml(&self) -> String {
        let mut writer = Writer::default();
        self.write_as(&mut writer, "");
        writer.finish()
    }

    /// Reads what [`XmlElement::to_xml`] wrote, or any other document; prefixes are passed over.
    ///
    /// # Errors
    ///
    /// `Protocol` for text that is no XML, nests deeper than 16 elements, or has more than
    /// 2,000,000 of them.
    pub fn from_xml(text: &str) -> Result<XmlElement> {
        let document = Document::parse(text)?;
        let element = XmlElement::read(document.root(), 0)?;
        Ok(element)
    }

    pub(crate) fn from_node(node: Node<'_>) -> Result<XmlElement> {
        XmlElement::read(node, 0)
    }

    fn read(node: Node<'_>, depth: usize) -> Result<XmlElement> {
        if depth > MAX_DEPTH {
            return Err(Error::protocol(format!(
                "{} nests deeper than {MAX_DEPTH} elements",
                crate::error::quote(node.name())
            )));
        }
        if !is_name(node.name()) {
            let name = crate::error::quote(node.name());
            return Err(Error::protocol(format!("{name} is no name of an element")));
        }
        // What could not be written again is left out now, so that writing and reading are inverse.
        let children = node.children().filter(|child| is_name(child.name()));
        let children = children.map(|child| Self::read(child, depth + 1));
        let children = children.collect::<Result<Vec<_>>>()?;
        let attributes = node.attributes().filter(|(name, _)| is_attribute(name));
        let own = |(name, value): (&str, &str)| (name.to_owned(), kept(value));
        Ok(XmlElement {
            name: node.name().to_owned(),
            attributes: attributes.map(own).collect(),
            text: if children.is_empty() {
                kept(node.text())
            } else {
                String::new()
            },
            children,
        })
    }

    /// Writes the element into a request, in the types namespace.
    pub(crate) fn write(&self, writer: &mut Writer) {
        self.write_as(writer, "t:");
    }

    /// Writes only the children that the schema knows, in its order: what was read leniently is
    /// written strictly.
    pub(crate) fn write_known(&self, writer: &mut Writer, known: &[&str]) {
        if !is_name(&self.name) {
            return;
        }
        writer.open(format!("t:{}", self.name));
        for name in known {
            if let Some(child) = self.child(name) {
                child.write(writer);
            }
        }
        writer.close();
    }

    fn write_as(&self, writer: &mut Writer, prefix: &str) {
        // A foreign name must not break the request open.
        if !is_name(&self.name) {
            return;
        }
        writer.open(format!("{prefix}{}", self.name));
        for (name, value) in self
            .attributes
            .iter()
            .filter(|(name, _)| is_attribute(name))
        {
            match name.as_str() {
                "nil" if !prefix.is_empty() => {
                    writer
                        .attribute("xmlns:xsi", "http://www.w3.org/2001/XMLSchema-instance")
                        .attribute("xsi:nil", value);
                }
                "lang" => {
                    writer.attribute("xml:lang", value);
                }
                name => {
                    writer.attribute(name, value);
                }
            }
        }
        if self.children.is_empty() {
            if !self.text.is_empty() {
                writer.text(&self.text);
            }
        } else {
            for child in &self.children {
                child.write_as(writer, prefix);
            }
        }
        writer.close();
    }
}

/// Text as it can be written: characters that XML cannot hold become U+FFFD.
fn kept(text: &str) -> String {
    text.chars().map(crate::xml::representable).collect()
}

fn is_name(name: &str) -> bool {
    name.len() <= MAX_NAME_BYTES
        && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
}

/// `xmlns` is no attribute: written without the prefix it was read with, it would declare a
/// namespace.
fn is_attribute(name: &str) -> bool {
    is_name(name) && name != "xmlns"
}

/// Collects the children of an element under construction, leaving out what is absent.
#[derive(Default)]
pub(crate) struct Parts(pub(crate) Vec<XmlElement>);

impl Parts {
    pub(crate) fn text(&mut self, name: &str, value: Option<&str>) {
        self.0
            .extend(value.map(|text| XmlElement::leaf(name, text)));
    }

    pub(crate) fn flag(&mut self, name: &str, value: Option<bool>) {
        self.text(
            name,
            value.map(|value| if value { "true" } else { "false" }),
        );
    }

    pub(crate) fn of(self, name: &str) -> XmlElement {
        XmlElement::new(name).with_children(self.0)
    }
}

/// A child's text, where it is not empty.
pub(crate) fn text_of(element: &XmlElement, name: &str) -> Option<String> {
    let text = element.child_text(name)?;
    (!text.trim().is_empty()).then(|| text.to_owned())
}

/// A child's text as a boolean.
pub(crate) fn flag_of(element: &XmlElement, name: &str) -> Option<bool> {
    crate::xml::parse_bool(element.child_text(name)?)
}

/// Refuses an element that is not the one expected.
pub(crate) fn expect_name(element: &XmlElement, names: &[&str]) -> Result<()> {
    if names.contains(&element.name.as_str()) {
        return Ok(());
    }
    Err(Error::protocol(format!(
        "expected {}, found {}",
        names.join(" or "),
        crate::error::quote(&element.name)
    )))
}

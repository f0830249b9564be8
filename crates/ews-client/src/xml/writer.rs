//! Writes requests: well-formed by construction, every name from this crate.

use std::borrow::Cow;
use std::fmt::Display;

/// An XML text under construction.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    text: String,
    open: Vec<Cow<'static, str>>,
    /// The last start tag still lacks its `>`.
    pending: bool,
}

impl Writer {
    /// Starts an element; attributes may follow until anything else is written.
    pub(crate) fn open(&mut self, name: impl Into<Cow<'static, str>>) -> &mut Writer {
        let name = name.into();
        self.settle();
        self.text.push('<');
        self.text.push_str(&name);
        self.open.push(name);
        self.pending = true;
        self
    }

    /// Adds an attribute to the element just opened.
    pub(crate) fn attribute(&mut self, name: &str, value: &str) -> &mut Writer {
        debug_assert!(self.pending, "attributes come directly after open()");
        self.text.push(' ');
        self.text.push_str(name);
        self.text.push_str("=\"");
        push_attribute(&mut self.text, value);
        self.text.push('"');
        self
    }

    /// Writes text content.
    pub(crate) fn text(&mut self, value: &str) -> &mut Writer {
        self.settle();
        push_text(&mut self.text, value);
        self
    }

    /// Ends the element opened last.
    pub(crate) fn close(&mut self) -> &mut Writer {
        if let Some(name) = self.open.pop() {
            if self.pending {
                self.text.push_str("/>");
                self.pending = false;
            } else {
                self.text.push_str("</");
                self.text.push_str(&name);
                self.text.push('>');
            }
        }
        self
    }

    /// Writes an element holding only text.
    pub(crate) fn leaf(&mut self, name: &'static str, value: impl Display) -> &mut Writer {
        self.open(name).text(&value.to_string()).close()
    }

    /// Writes text known to need no escaping, such as base64.
    pub(crate) fn raw(&mut self, write: impl FnOnce(&mut String)) -> &mut Writer {
        self.settle();
        write(&mut self.text);
        self
    }

    /// Takes what was written so far, leaving the open elements open; for payloads streamed
    /// between two pieces of XML.
    pub(crate) fn take(&mut self) -> String {
        self.settle();
        std::mem::take(&mut self.text)
    }

    /// The finished text.
    pub(crate) fn finish(mut self) -> String {
        while !self.open.is_empty() {
            self.close();
        }
        self.text
    }

    fn settle(&mut self) {
        if self.pending {
            self.text.push('>');
            self.pending = false;
        }
    }
}

/// Characters XML 1.0 cannot hold at all become U+FFFD: a request must stay well-formed.
pub(crate) fn representable(c: char) -> char {
    match c {
        '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'.. => c,
        _ => '\u{FFFD}',
    }
}

/// Appends element content.
pub(crate) fn push_text(text: &mut String, value: &str) {
    for c in value.chars() {
        match representable(c) {
            '&' => text.push_str("&amp;"),
            '<' => text.push_str("&lt;"),
            '>' => text.push_str("&gt;"),
            '\r' => text.push_str("&#xD;"),
            c => text.push(c),
        }
    }
}

/// Appends an attribute's value; white space is kept through XML's attribute normalisation.
fn push_attribute(text: &mut String, value: &str) {
    for c in value.chars() {
        match representable(c) {
            '"' => text.push_str("&quot;"),
            '\n' => text.push_str("&#xA;"),
            '\t' => text.push_str("&#x9;"),
            c => push_text(text, c.encode_utf8(&mut [0; 4])),
        }
    }
}

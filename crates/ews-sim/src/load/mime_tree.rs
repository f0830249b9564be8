//! Structure of a MIME message: which bytes are which entity.
//!
//! Everything is ranges into the one raw buffer. What is not inside a leaf's body range belongs to
//! the structure (headers, boundaries, preambles) and is kept literally, so a message that breaks
//! every rule merely has less structure and more literal bytes.

use std::ops::Range;

use mail_parser::ContentType;

use super::header::{Headers, line_break, line_end};

/// Deepest nesting of multiparts; what is nested deeper is one opaque leaf.
const MAX_DEPTH: usize = 24;
/// Most entities of one message; the rest stays inside the entity that holds it.
const MAX_ENTITIES: usize = 5_000;
/// Longest boundary honoured, in bytes (RFC 2046 allows 70; longer ones occur).
const MAX_BOUNDARY_BYTES: usize = 2_000;

/// One MIME entity: its header, and either its parts or its body.
#[derive(Debug)]
pub(crate) struct Entity<'a> {
    pub(crate) headers: Headers<'a>,
    /// Body bytes in the raw message, still transfer-encoded.
    pub(crate) body: Range<usize>,
    /// Lower-case `type/subtype`, with the default filled in.
    pub(crate) media_type: String,
    pub(crate) content_type: Option<ContentType<'static>>,
    pub(crate) disposition: Option<ContentType<'static>>,
    pub(crate) encoding: TransferEncoding,
    /// Parts, when this is a multipart that has a delimiter at all.
    pub(crate) parts: Vec<Entity<'a>>,
}

/// How a body travels (RFC 2045, 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TransferEncoding {
    /// 7bit, 8bit, binary and everything unknown: the bytes are what they are.
    Identity,
    Base64,
    QuotedPrintable,
}

impl Entity<'_> {
    /// A parameter of the Content-Type header.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.content_type.as_ref()?.attribute(name)
    }

    /// Whether the sender says: a file, not text to read.
    pub(crate) fn is_attachment(&self) -> bool {
        self.disposition
            .as_ref()
            .is_some_and(|d| d.ctype().eq_ignore_ascii_case("attachment"))
    }

    /// File name as the headers give it.
    pub(crate) fn file_name(&self) -> Option<String> {
        let name = self
            .disposition
            .as_ref()
            .and_then(|d| d.attribute("filename"))
            .or_else(|| self.parameter("name"))?;
        let name: String = name.chars().filter(|c| !c.is_control()).collect();
        let name = name.trim();
        (!name.is_empty()).then(|| name.to_owned())
    }
}

/// Parses the structure of a whole message.
pub(crate) fn parse(raw: &[u8]) -> Entity<'_> {
    let mut parser = Parser {
        raw,
        line_break: line_break(raw),
        budget: MAX_ENTITIES,
    };
    parser.entity(0..raw.len(), "text/plain", 0)
}

struct Parser<'a> {
    raw: &'a [u8],
    line_break: u8,
    /// Entities that may still be made.
    budget: usize,
}

impl<'a> Parser<'a> {
    fn entity(&mut self, within: Range<usize>, default_type: &str, depth: usize) -> Entity<'a> {
        self.budget = self.budget.saturating_sub(1);
        let headers = Headers::read(self.raw, self.line_break, within.clone());
        let content_type = headers.content_type("Content-Type");
        let mut found = Entity {
            body: headers.body_start..within.end,
            media_type: media_type(content_type.as_ref(), default_type),
            disposition: headers.content_type("Content-Disposition"),
            encoding: transfer_encoding(&headers),
            headers,
            content_type,
            parts: Vec::new(),
        };
        if found.media_type.starts_with("multipart/") && depth < MAX_DEPTH {
            let child_type = if found.media_type == "multipart/digest" {
                "message/rfc822"
            } else {
                "text/plain"
            };
            let boundary = found.parameter("boundary").unwrap_or_default().trim_end();
            for part in self.split(found.body.clone(), boundary.as_bytes()) {
                let child = self.entity(part, child_type, depth + 1);
                found.parts.push(child);
            }
        }
        found
    }

    /// Ranges of the parts between the delimiter lines of `boundary`. The line break before a
    /// delimiter belongs to the delimiter (RFC 2046, 5.1.1). A multipart that is cut off before
    /// its closing delimiter ends its last part where the data ends.
    fn split(&self, within: Range<usize>, boundary: &[u8]) -> Vec<Range<usize>> {
        let mut parts = Vec::new();
        if boundary.is_empty() || boundary.len() > MAX_BOUNDARY_BYTES {
            return parts;
        }
        let mut open: Option<usize> = None;
        let mut at = within.start;
        while at < within.end {
            let end = line_end(self.raw, self.line_break, at, within.end);
            let line = self.raw.get(at..end).unwrap_or_default();
            if let Some(last) = delimiter(line, boundary) {
                if let Some(start) = open.take() {
                    parts.push(start..before_line_break(self.raw, start, at));
                }
                if last || parts.len() >= self.budget {
                    return parts;
                }
                open = Some(end);
            }
            at = end;
        }
        if let Some(start) = open {
            parts.push(start..within.end);
        }
        parts
    }
}

fn media_type(content_type: Option<&ContentType<'_>>, default_type: &str) -> String {
    match content_type {
        Some(found) => match found.subtype() {
            Some(subtype) if !found.ctype().is_empty() => {
                format!("{}/{}", found.ctype().trim(), subtype.trim()).to_ascii_lowercase()
            }
            // RFC 2045, 5.2: what cannot be read as type/subtype is plain text.
            _ => "text/plain".to_owned(),
        },
        None => default_type.to_owned(),
    }
}

fn transfer_encoding(headers: &Headers<'_>) -> TransferEncoding {
    let value = headers
        .plain("Content-Transfer-Encoding")
        .unwrap_or_default();
    let word = value.split([';', ' ', '(']).next().unwrap_or_default();
    if word.eq_ignore_ascii_case("base64") {
        TransferEncoding::Base64
    } else if word.eq_ignore_ascii_case("quoted-printable") {
        TransferEncoding::QuotedPrintable
    } else {
        TransferEncoding::Identity
    }
}

/// `Some(true)` for a closing delimiter line, `Some(false)` for one that opens a part.
fn delimiter(line: &[u8], boundary: &[u8]) -> Option<bool> {
    let rest = line.strip_prefix(b"--")?.strip_prefix(boundary)?;
    let (rest, last) = match rest.strip_prefix(b"--") {
        Some(rest) => (rest, true),
        None => (rest, false),
    };
    rest.iter().all(|b| b.is_ascii_whitespace()).then_some(last)
}

fn before_line_break(raw: &[u8], start: usize, at: usize) -> usize {
    let line = raw.get(start..at).unwrap_or_default();
    let line = match line.strip_suffix(b"\n") {
        Some(rest) => rest.strip_suffix(b"\r").unwrap_or(rest),
        None => line.strip_suffix(b"\r").unwrap_or(line),
    };
    start + line.len()
}

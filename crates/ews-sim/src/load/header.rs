//! Header blocks: where the fields are, and what their values say.
//!
//! Field boundaries are found here; the decoding of addresses, dates, encoded words and
//! parameters is `mail-parser`'s, one field at a time, so that a malformed field costs that field
//! and nothing else.

use std::borrow::Cow;
use std::ops::Range;

use mail_parser::parsers::MessageStream;
use mail_parser::{Address, ContentType, HeaderValue};

use super::date;

/// Longest field value that is decoded, in bytes. Longer ones stay in the raw header block, where
/// nothing is lost; real servers refuse header fields far below this size.
const MAX_VALUE_BYTES: usize = 1 << 20;
/// Most fields kept per header block. The remainder stays in the raw block only.
const MAX_FIELDS: usize = 10_000;

/// One header field as offsets into the message.
#[derive(Debug, Clone)]
struct Field {
    name: Range<usize>,
    value: Range<usize>,
}

/// The header block of one entity.
#[derive(Debug, Clone)]
pub(crate) struct Headers<'a> {
    raw: &'a [u8],
    fields: Vec<Field>,
    /// The block's field lines, without the blank line that ends it.
    pub(crate) range: Range<usize>,
    /// Where the body starts.
    pub(crate) body_start: usize,
}

impl<'a> Headers<'a> {
    /// Reads the header block that starts at `within.start` of `raw`.
    ///
    /// The block ends at the first empty line. Lines that are neither a field nor a continuation
    /// are passed over, unless no field has been seen yet: then the entity has no header at all
    /// and is body from its first byte.
    pub(crate) fn read(raw: &'a [u8], line_break: u8, within: Range<usize>) -> Self {
        let mut fields: Vec<Field> = Vec::new();
        let mut at = within.start;
        let mut open = false;
        while at < within.end {
            let end = line_end(raw, line_break, at, within.end);
            let line = raw.get(at..end).unwrap_or_default();
            if is_blank_line(line) {
                return Self::new(raw, fields, within.start..at, end);
            }
            if matches!(line.first(), Some(b' ' | b'\t')) {
                if let (true, Some(last)) = (open, fields.last_mut()) {
                    last.value.end = end;
                }
            } else if let Some(colon) = field_colon(line) {
                open = fields.len() < MAX_FIELDS;
                if open {
                    fields.push(Field {
                        name: at..at + trimmed_len(&line[..colon]),
                        value: at + colon + 1..end,
                    });
                }
            } else if fields.is_empty()
                && !line.starts_with(b"From ")
                && !line.starts_with(b">From ")
            {
                return Self::new(raw, fields, within.start..within.start, within.start);
            } else {
                open = false;
            }
            at = end;
        }
        Self::new(raw, fields, within.clone(), within.end)
    }

    fn new(raw: &'a [u8], fields: Vec<Field>, range: Range<usize>, body_start: usize) -> Self {
        Self {
            raw,
            fields,
            range,
            body_start,
        }
    }

    /// Whether no field was found.
    pub(crate) fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// The block's bytes, field lines only.
    pub(crate) fn block(&self) -> &'a [u8] {
        self.raw.get(self.range.clone()).unwrap_or_default()
    }

    /// Raw values of every field of that name, in order; names compare without case.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        let raw = self.raw;
        self.fields
            .iter()
            .filter(move |field| {
                raw.get(field.name.clone())
                    .is_some_and(|found| found.eq_ignore_ascii_case(name.as_bytes()))
            })
            .map(move |field| raw.get(field.value.clone()).unwrap_or_default())
    }

    /// Raw value of the first field of that name.
    pub(crate) fn first(&self, name: &str) -> Option<&'a [u8]> {
        self.all(name).next()
    }

    /// Unfolded and decoded text of the first field of that name; `None` when absent or empty.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.first(name).and_then(decode_text)
    }

    /// The value as it stands, unfolded, without decoding encoded words.
    pub(crate) fn plain(&self, name: &str) -> Option<String> {
        let text = to_utf8(self.first(name)?).into_owned();
        let joined: Vec<&str> = text
            .lines()
            .map(str::trim)
            .filter(|l| !l.is_empty())
            .collect();
        let joined = joined.join(" ");
        (!joined.is_empty()).then_some(joined)
    }

    /// Mailboxes of every field of that name as (display name, address).
    pub(crate) fn mailboxes(&self, name: &str) -> Vec<Mailbox> {
        self.all(name).flat_map(decode_mailboxes).collect()
    }

    /// Seconds since 1970 of the first field of that name.
    pub(crate) fn date(&self, name: &str) -> Option<i64> {
        self.first(name).and_then(decode_date)
    }

    /// A value with parameters (`Content-Type`, `Content-Disposition`).
    pub(crate) fn content_type(&self, name: &str) -> Option<ContentType<'static>> {
        with_stream(self.first(name)?, |stream| stream.parse_content_type()).into_content_type()
    }
}

/// A person or list as a header names it. Either text may be empty, not both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mailbox {
    pub(crate) name: String,
    pub(crate) address: String,
}

impl Mailbox {
    /// The name people see: the display name, or the address where there is none.
    pub(crate) fn display(&self) -> &str {
        if self.name.is_empty() {
            &self.address
        } else {
            &self.name
        }
    }
}

/// Seconds since 1970 of a raw date value.
pub(crate) fn decode_date(value: &[u8]) -> Option<i64> {
    date::parse(&to_utf8(value))
}

fn decode_text(value: &[u8]) -> Option<String> {
    let text = match with_stream(value, |stream| stream.parse_unstructured()) {
        HeaderValue::Text(text) => text.into_owned(),
        _ => return None,
    };
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

fn decode_mailboxes(value: &[u8]) -> Vec<Mailbox> {
    let address = match with_stream(value, |stream| stream.parse_address()) {
        HeaderValue::Address(address) => address,
        _ => return Vec::new(),
    };
    let list = match address {
        Address::List(list) => list,
        Address::Group(groups) => groups
            .into_iter()
            .flat_map(|group| group.addresses)
            .collect(),
    };
    list.into_iter()
        .map(|addr| {
            let name = clean(addr.name.as_deref());
            let address = clean(addr.address.as_deref());
            // A lone word is the name of a local account.
            if address.is_empty() && !name.contains(' ') {
                return Mailbox {
                    name: String::new(),
                    address: name,
                };
            }
            Mailbox { name, address }
        })
        .filter(|mailbox| !mailbox.name.is_empty() || !mailbox.address.is_empty())
        .collect()
}

fn clean(text: Option<&str>) -> String {
    text.unwrap_or_default()
        .chars()
        .filter(|c| !c.is_control())
        .collect::<String>()
        .trim()
        .to_owned()
}

/// Runs one of `mail-parser`'s field decoders, which want UTF-8 and a line end.
fn with_stream<F>(value: &[u8], decode: F) -> HeaderValue<'static>
where
    F: for<'x> FnOnce(&mut MessageStream<'x>) -> HeaderValue<'x>,
{
    let value = value
        .get(..value.len().min(MAX_VALUE_BYTES))
        .unwrap_or_default();
    let mut text = known_charset(to_utf8(value).into_owned());
    if !text.contains('\n') {
        text = text.replace('\r', "\n");
    }
    if !text.ends_with('\n') {
        text.push('\n');
    }
    decode(&mut MessageStream::new(text.as_bytes())).into_owned()
}

/// Microsoft's name for Shift_JIS in encoded words, as the name that everybody knows.
fn known_charset(text: String) -> String {
    const MICROSOFTS: &str = "=?cp932?";
    match text.to_ascii_lowercase().contains(MICROSOFTS) {
        true => text
            .replace(MICROSOFTS, "=?shift_jis?")
            .replace("=?CP932?", "=?shift_jis?"),
        false => text,
    }
}

/// UTF-8 where the bytes are that, else read as windows-1252, which maps every byte.
pub(crate) fn to_utf8(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => {
            encoding_rs::WINDOWS_1252
                .decode_without_bom_handling(bytes)
                .0
        }
    }
}

/// The byte that ends lines: the line feed, or the carriage return in a file without line feeds.
pub(crate) fn line_break(raw: &[u8]) -> u8 {
    let mut breaks = raw.iter().filter(|b| matches!(b, b'\n' | b'\r'));
    if breaks.next() == Some(&b'\r') && !raw.contains(&b'\n') {
        b'\r'
    } else {
        b'\n'
    }
}

/// Offset after the line break that ends the line at `at`, or `end`.
pub(crate) fn line_end(raw: &[u8], line_break: u8, at: usize, end: usize) -> usize {
    raw.get(at..end)
        .and_then(|rest| rest.iter().position(|&b| b == line_break))
        .map_or(end, |n| at + n + 1)
}

fn is_blank_line(line: &[u8]) -> bool {
    matches!(line, b"\n" | b"\r\n" | b"\r")
}

/// Position of the colon when the line starts with a field name: printable ASCII, blanks allowed
/// only right before the colon.
fn field_colon(line: &[u8]) -> Option<usize> {
    let colon = line.iter().position(|&b| b == b':')?;
    let name = &line[..trimmed_len(&line[..colon])];
    (!name.is_empty() && name.iter().all(|b| (33..=126).contains(b))).then_some(colon)
}

fn trimmed_len(name: &[u8]) -> usize {
    name.iter()
        .rposition(|b| !matches!(b, b' ' | b'\t'))
        .map_or(0, |last| last + 1)
}

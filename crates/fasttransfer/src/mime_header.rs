//! Header fields of generated MIME: RFC 5322, 2047 and 2231.

use std::fmt::Write as _;

use base64_simd::STANDARD;
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Where lines are folded, in characters (RFC 5322 2.1.1).
const FOLD_AT: usize = 76;
/// Bytes of text in one encoded word: at most 75 characters with its frame (RFC 2047 2).
const WORD_BYTES: usize = 42;
/// Percent-encoded characters in one piece of a parameter (RFC 2231 3).
const PARAM_PIECE: usize = 54;

/// Appends `name: value` with an unstructured value of any characters.
pub(crate) fn unstructured(out: &mut Vec<u8>, name: &str, value: &str) {
    let value = one_line(value);
    let encoded = if is_plain(&value) && !value.split(' ').any(|word| word.len() > 900) {
        value
    } else {
        encoded_words(&value)
    };
    field(out, name, &encoded);
}

/// Appends `name: value`, folding at spaces; the value is ASCII already.
pub(crate) fn field(out: &mut Vec<u8>, name: &str, value: &str) {
    let mut line = name.len() + 1;
    out.extend_from_slice(name.as_bytes());
    out.push(b':');
    for (i, word) in value.split(' ').enumerate() {
        // A folded line must not consist of white space alone.
        if i > 0 && line + 1 + word.len() > FOLD_AT && !word.trim().is_empty() {
            out.extend_from_slice(b"\r\n");
            line = 0;
        }
        out.push(b' ');
        out.extend_from_slice(word.as_bytes());
        line += 1 + word.len();
    }
    out.extend_from_slice(b"\r\n");
}

/// The value without anything that could begin another header field.
pub(crate) fn one_line(value: &str) -> String {
    value
        .trim()
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

fn is_plain(value: &str) -> bool {
    value.bytes().all(|byte| matches!(byte, b' '..=b'~')) && !value.contains("=?")
}

/// Text as UTF-8 encoded words separated by spaces, which readers drop.
fn encoded_words(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while !rest.is_empty() {
        let mut cut = rest.len().min(WORD_BYTES);
        while !rest.is_char_boundary(cut) {
            cut -= 1;
        }
        let (now, later) = rest.split_at(cut);
        if !out.is_empty() {
            out.push(' ');
        }
        let _ = write!(out, "=?utf-8?B?{}?=", STANDARD.encode_to_string(now));
        rest = later;
    }
    out
}

/// An address with its display name; someone without an Internet address becomes an empty
/// group, which is the way RFC 5322 has to name people one cannot write to.
pub(crate) fn mailbox(name: Option<&str>, address: Option<&str>) -> Option<String> {
    let name = name.map(one_line).filter(|name| !name.is_empty());
    let address = address.map(one_line).filter(|address| is_address(address));
    match (name, address) {
        (None, None) => None,
        (None, Some(address)) => Some(address),
        (Some(name), Some(address)) if name == address => Some(address),
        (Some(name), Some(address)) => Some(format!("{} <{address}>", phrase(&name))),
        (Some(name), None) => Some(format!("{}:;", phrase(&name))),
    }
}

/// Whether a text can stand as an addr-spec.
pub(crate) fn is_address(address: &str) -> bool {
    address.contains('@')
        && !address
            .chars()
            .any(|c| c.is_whitespace() || matches!(c, '<' | '>' | ',' | ';' | '"' | '(' | ')'))
}

fn phrase(name: &str) -> String {
    if !is_plain(name) {
        return encoded_words(name);
    }
    if name
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, ' ' | '-' | '_' | '\''))
    {
        return name.to_owned();
    }
    quoted(name)
}

fn quoted(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{escaped}\"")
}

/// A parameter `; name=value` on a line of its own, in the form of RFC 2231 where needed.
pub(crate) fn parameter(name: &str, value: &str) -> String {
    let value = one_line(value);
    if is_plain(&value) && value.len() <= PARAM_PIECE {
        return format!(";\r\n {name}={}", quoted(&value));
    }
    let mut pieces = vec![String::from("utf-8''")];
    for byte in value.bytes() {
        let full = pieces.last().is_none_or(|p| p.len() + 3 > PARAM_PIECE);
        if full {
            pieces.push(String::new());
        }
        if let Some(piece) = pieces.last_mut() {
            if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_') {
                piece.push(char::from(byte));
            } else {
                let _ = write!(piece, "%{byte:02X}");
            }
        }
    }
    if let [only] = pieces.as_slice() {
        return format!(";\r\n {name}*={only}");
    }
    let mut out = String::new();
    for (i, piece) in pieces.iter().enumerate() {
        let _ = write!(out, ";\r\n {name}*{i}*={piece}");
    }
    out
}

/// A date in the form of RFC 5322.
pub(crate) fn date(time: Timestamp) -> String {
    time.to_zoned(TimeZone::UTC)
        .strftime("%a, %d %b %Y %H:%M:%S +0000")
        .to_string()
}

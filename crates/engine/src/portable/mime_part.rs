//! The parts of a MIME text (RFC 2045, RFC 2046), however damaged it is.
//!
//! Boundaries count at the beginning of a line only, headers end at the first empty line, and
//! what cannot be decoded stays as it is: no byte of a body is lost because a sender was careless.

use std::borrow::Cow;

use encoding_rs::{Encoding, SHIFT_JIS, UTF_8, WINDOWS_1252};
use mail_parser::{ContentType, Message, MessageParser, MimeHeaders};

/// Multiparts within multiparts; what is deeper is one part.
const MAX_DEPTH: usize = 24;
/// Parts of a message; what follows stays in the last of them.
const MAX_PARTS: usize = 5_000;
/// Headers are read up to this many bytes; servers refuse mail with a fraction of it.
const MAX_HEADER_BYTES: usize = 1 << 20;
/// Fields that a part has once: the first counts.
const SINGLE: [&[u8]; 8] = [
    b"subject",
    b"date",
    b"from",
    b"sender",
    b"message-id",
    b"content-type",
    b"content-disposition",
    b"content-transfer-encoding",
];

/// A message or a part of one.
pub(super) struct Part<'a> {
    /// What its fields say; `None` if it has none.
    pub(super) fields: Option<Message<'static>>,
    /// Its bytes behind the header, still encoded.
    body: &'a [u8],
    /// What a multipart consists of.
    pub(super) parts: Vec<Part<'a>>,
    /// Its type if it does not say: what the multipart around it says, in general text/plain.
    default_type: &'static str,
}

impl<'a> Part<'a> {
    /// Takes a message apart. Lines end with a line feed, with or without a carriage return.
    pub(super) fn parse(raw: &'a [u8]) -> Self {
        let mut left = MAX_PARTS;
        Self::read(raw, "text/plain", 0, &mut left)
    }

    fn read(raw: &'a [u8], default_type: &'static str, depth: usize, left: &mut usize) -> Self {
        let (header, body) = split_header(raw);
        let mut part = Part {
            fields: MessageParser::default()
                .parse_headers(&header)
                .map(Message::into_owned),
            body,
            parts: Vec::new(),
            default_type,
        };
        let kind = part.media_type();
        if depth < MAX_DEPTH && kind.starts_with("multipart/") {
            let inner = match kind.as_str() {
                "multipart/digest" => "message/rfc822",
                _ => "text/plain",
            };
            let boundary = part.parameter("boundary").unwrap_or_default();
            let pieces = split(body, boundary.trim_end().as_bytes(), left);
            part.parts = pieces
                .into_iter()
                .map(|piece| Self::read(piece, inner, depth + 1, left))
                .collect();
        }
        part
    }

    /// Its type, in small letters. What is not named in two words is plain text (RFC 2045 5.2).
    pub(super) fn media_type(&self) -> String {
        match self
            .content_type()
            .map(|kind| (kind.ctype(), kind.subtype()))
        {
            None => self.default_type.to_owned(),
            Some((main, Some(sub))) if !main.trim().is_empty() => {
                format!("{}/{}", main.trim(), sub.trim()).to_ascii_lowercase()
            }
            Some(_) => "text/plain".to_owned(),
        }
    }

    /// Whether it is to be shown as a file, not read as text.
    pub(super) fn is_attachment(&self) -> bool {
        let fields = self.fields.as_ref();
        fields
            .and_then(|fields| fields.content_disposition())
            .is_some_and(|place| place.ctype().eq_ignore_ascii_case("attachment"))
    }

    /// The name of the file it is, without the folders of whoever sent it.
    pub(super) fn file_name(&self) -> Option<String> {
        let name = self.fields.as_ref()?.attachment_name()?;
        let name: String = name.chars().filter(|c| !c.is_control()).collect();
        let name = name.rsplit(['/', '\\']).next().unwrap_or_default().trim();
        (!name.is_empty()).then(|| name.to_owned())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.body.is_empty()
    }

    fn content_type(&self) -> Option<&ContentType<'_>> {
        self.fields.as_ref()?.content_type()
    }

    fn parameter(&self, name: &str) -> Option<&str> {
        self.content_type()?.attribute(name)
    }

    /// Its bytes, decoded.
    pub(super) fn bytes(&self) -> Cow<'a, [u8]> {
        let encoding = self
            .fields
            .as_ref()
            .and_then(|fields| fields.content_transfer_encoding())
            .unwrap_or_default();
        // Comments and parameters occur behind the word.
        let word = encoding.split([';', ' ', '(']).next().unwrap_or_default();
        if word.eq_ignore_ascii_case("base64") {
            Cow::Owned(from_base64(self.body))
        } else if word.eq_ignore_ascii_case("quoted-printable") {
            Cow::Owned(from_quoted_printable(self.body))
        } else {
            Cow::Borrowed(self.body)
        }
    }

    /// Its text. Where the charset is missing, vague or unknown, UTF-8 if it is that, else
    /// windows-1252, in which every byte is something.
    pub(super) fn text(&self) -> String {
        let bytes = self.bytes();
        let label = self.parameter("charset").unwrap_or_default();
        let label = label.trim().to_ascii_lowercase();
        let stated = match label.as_str() {
            "" | "ascii" | "us-ascii" => None,
            // Microsoft's name for Shift_JIS.
            "cp932" => Some(SHIFT_JIS),
            label => Encoding::for_label(label.as_bytes()),
        };
        let encoding = stated.unwrap_or_else(|| guess(&bytes));
        encoding.decode(&bytes).0.replace('\0', "\u{FFFD}")
    }
}

fn guess(bytes: &[u8]) -> &'static Encoding {
    match std::str::from_utf8(bytes) {
        Ok(_) => UTF_8,
        Err(_) => WINDOWS_1252,
    }
}

/// Text as it stands in headers: UTF-8 if it is that, else windows-1252.
pub(super) fn header_text(bytes: &[u8]) -> Cow<'_, str> {
    guess(bytes).decode_without_bom_handling(bytes).0
}

/// The fields of a message or part, each whole, and its body. Lines that are no field are left
/// out; a part that begins with such a line has no header.
fn split_header(raw: &[u8]) -> (Vec<u8>, &[u8]) {
    let mut header = Vec::new();
    let mut seen = Vec::new();
    let mut rest = raw;
    let mut keeps = false;
    while !rest.is_empty() {
        let (line, behind) = cut_line(rest);
        if line.is_empty() {
            rest = behind;
            break;
        }
        if matches!(line, [b' ' | b'\t', ..]) {
            keeps &= !seen.is_empty();
        } else if let Some(name) = field_name(line) {
            keeps = !(SINGLE.contains(&name.as_slice()) && seen.contains(&name));
            seen.push(name);
        } else if seen.is_empty() && !line.starts_with(b"From ") && !line.starts_with(b">From ") {
            return (header, raw);
        } else {
            keeps = false;
        }
        if keeps && header.len() + line.len() < MAX_HEADER_BYTES {
            header.extend_from_slice(line);
            header.extend_from_slice(b"\r\n");
        }
        rest = behind;
    }
    header.extend_from_slice(b"\r\n");
    let text = header_text(&header).into_owned();
    (known_charset(text).into_bytes(), rest)
}

/// A field's name in small letters, if the line begins with one; blanks before the colon occur.
fn field_name(line: &[u8]) -> Option<Vec<u8>> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let name = line.get(..colon)?.trim_ascii_end();
    let is_name = !name.is_empty() && name.iter().all(u8::is_ascii_graphic);
    is_name.then(|| name.to_ascii_lowercase())
}

/// Microsoft's name for Shift_JIS in encoded words, as the name that everybody knows.
fn known_charset(text: String) -> String {
    if text.contains("=?cp932?") || text.contains("=?CP932?") {
        text.replace("=?cp932?", "=?shift_jis?")
            .replace("=?CP932?", "=?shift_jis?")
    } else {
        text
    }
}

/// The first line without its end, and what follows.
pub(super) fn cut_line(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|byte| *byte == b'\n');
    let (line, rest) = text.split_at(end.unwrap_or(text.len()));
    let rest = rest.strip_prefix(b"\n").unwrap_or(rest);
    (line.strip_suffix(b"\r").unwrap_or(line), rest)
}

/// What stands between the lines that are the boundary. The line end before such a line belongs
/// to it (RFC 2046 5.1.1); a body that is cut off ends its last part.
fn split<'a>(body: &'a [u8], boundary: &[u8], left: &mut usize) -> Vec<&'a [u8]> {
    let mut parts = Vec::new();
    if boundary.is_empty() {
        return parts;
    }
    // The part under way, with all that follows it.
    let mut open: Option<&[u8]> = None;
    let mut rest = body;
    while !rest.is_empty() {
        let (line, behind) = cut_line(rest);
        if let Some(is_last) = delimiter(line, boundary) {
            if let Some(part) = open.take() {
                let (part, _) = part.split_at(part.len() - rest.len());
                parts.push(without_line_end(part));
                *left = left.saturating_sub(1);
            }
            if is_last {
                return parts;
            }
            open = Some(behind);
            if *left == 0 {
                break;
            }
        }
        rest = behind;
    }
    parts.extend(open);
    parts
}

/// Whether a line is the boundary, and if so, whether the last.
fn delimiter(line: &[u8], boundary: &[u8]) -> Option<bool> {
    let rest = line.strip_prefix(b"--")?.strip_prefix(boundary)?;
    let (rest, is_last) = match rest.strip_prefix(b"--") {
        Some(rest) => (rest, true),
        None => (rest, false),
    };
    rest.trim_ascii().is_empty().then_some(is_last)
}

fn without_line_end(part: &[u8]) -> &[u8] {
    let part = part.strip_suffix(b"\n").unwrap_or(part);
    part.strip_suffix(b"\r").unwrap_or(part)
}

/// Undoes base64 whatever stands between its letters; after its padding it may begin anew.
fn from_base64(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut held, mut bits) = (0u32, 0u32);
    for letter in text {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => {
                (held, bits) = (0, 0);
                continue;
            }
            _ => continue,
        };
        held = (held << 6) | u32::from(value);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.extend((held >> bits).to_le_bytes().first());
        }
    }
    bytes
}

/// Undoes quoted-printable; an equals sign that begins nothing stays.
fn from_quoted_printable(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        if *first != b'=' {
            bytes.push(*first);
            continue;
        }
        let (line, after) = cut_line(behind);
        let digit = |at: usize| char::from(*behind.get(at)?).to_digit(16);
        if line.trim_ascii().is_empty() && after.len() < behind.len() {
            rest = after;
        } else if let (Some(high), Some(low)) = (digit(0), digit(1)) {
            bytes.extend(u8::try_from(high * 16 + low));
            rest = behind.get(2..).unwrap_or_default();
        } else {
            bytes.push(b'=');
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(part: &Part<'_>) -> String {
        match part.parts.as_slice() {
            [] => format!("{}:{}", part.media_type(), part.text()),
            parts => parts.iter().map(shown).collect::<Vec<_>>().join("|"),
        }
    }

    #[track_caller]
    fn check(mail: &str, expected: &str) {
        assert_eq!(shown(&Part::parse(mail.as_bytes())), expected);
        let crlf = mail.replace('\n', "\r\n");
        assert_eq!(
            shown(&Part::parse(crlf.as_bytes())),
            expected.replace('\n', "\r\n")
        );
    }

    #[test]
    fn a_boundary_counts_at_the_beginning_of_a_line_only() {
        check(
            "Content-Type: multipart/mixed; boundary=b\n\npreamble\n--b\n\nsays --b in a line\n\
             --b--and more\n--b \n\ntwo\n--b--\nepilogue",
            "text/plain:says --b in a line\n--b--and more|text/plain:two",
        );
    }

    #[test]
    fn what_is_cut_off_ends_the_last_part() {
        check(
            "Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\nContent-Type: text/html\n\ntwo",
            "text/plain:one|text/html:two",
        );
    }

    #[test]
    fn lines_that_are_no_field_do_not_end_the_header() {
        check(
            "From a@example.test Sat Jan 1 10:00:00 2022\nSubject: one\nnonsense\n more of it\n\
             Content-Type: text/html\nContent-Type: text/plain\n\nbody",
            "text/html:body",
        );
        check("no header\n\nat all", "text/plain:no header\n\nat all");
        check("Content-Type: text\n\nwords", "text/plain:words");
    }

    #[test]
    fn careless_encodings_lose_nothing_but_what_is_missing() {
        let decoded = |text: &str| from_quoted_printable(text.as_bytes());
        assert_eq!(decoded("a=3Db=\r\nc= \nd=zz=4"), b"a=bcd=zz=4");
        assert_eq!(from_base64(b"aGVs\r\nbG8=\r\naGk=!x"), b"hellohi");
        assert_eq!(from_base64(b"aGVsb"), b"hel");
    }

    #[test]
    fn charsets_are_guessed_where_they_are_missing_or_unknown() {
        let text = |charset: &str, body: &[u8]| {
            let head = format!("Content-Type: text/plain{charset}\n\n");
            Part::parse(&[head.as_bytes(), body].concat()).text()
        };
        assert_eq!(text("", "Grüße".as_bytes()), "Grüße");
        assert_eq!(text("", b"Gr\xfc\xdfe"), "Grüße");
        assert_eq!(text("; charset=unknown", b"Gr\xfc\xdfe"), "Grüße");
        assert_eq!(text("; charset=iso-8859-7", b"\xe1\xe2"), "αβ");
        assert_eq!(text("; charset=cp932", b"\x82\xb1"), "こ");
    }

    #[test]
    fn nesting_and_number_of_parts_are_bounded() {
        let mut mail = String::new();
        for level in 0..100 {
            mail += &format!("Content-Type: multipart/mixed; boundary=b{level}\n\n--b{level}\n");
        }
        let mut part = &Part::parse(mail.as_bytes());
        let mut depth = 0;
        while let Some(inner) = part.parts.first() {
            (part, depth) = (inner, depth + 1);
        }
        assert_eq!(depth, MAX_DEPTH);
        let many = "\n--b\n\nx".repeat(20_000);
        let mail = format!("Content-Type: multipart/mixed; boundary=b\n{many}");
        let parts = Part::parse(mail.as_bytes()).parts.len();
        assert!((1..=MAX_PARTS + 1).contains(&parts), "{parts}");
    }
}

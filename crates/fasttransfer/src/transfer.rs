//! Content transfer encodings taken off and put back without losing a byte.
//!
//! An encoded part is its decoded bytes and a small layout: how the lines were broken, what was
//! escaped. A layout is only returned after encoding by it gave the original back.

use base64_simd::{STANDARD, STANDARD_NO_PAD};

use crate::varint::{self, Cursor};

/// How bytes are encoded in a MIME part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transfer {
    /// 7bit, 8bit or binary: as they are.
    Raw,
    /// base64.
    Base64(Base64Layout),
    /// quoted-printable.
    QuotedPrintable(QpLayout),
}

/// How base64 text is broken into lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base64Layout {
    eol: Eol,
    /// Whether the text is padded with `=`.
    padded: bool,
    /// Whether the last line is terminated.
    final_eol: bool,
    /// Line lengths in characters and how many lines in a row have them.
    runs: Vec<(usize, usize)>,
}

/// How quoted-printable text was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QpLayout {
    /// The end of line of soft breaks.
    eol: Eol,
    upper: bool,
    /// Bit per byte value: escaped unless excepted.
    escaped: [u8; 32],
    /// Offsets, as distances, of bytes for which the opposite holds.
    exceptions: Vec<usize>,
    /// Offsets, as distances, before which a soft break stands.
    soft_breaks: Vec<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Eol {
    Crlf,
    Lf,
}

impl Eol {
    fn bytes(self) -> &'static [u8] {
        match self {
            Self::Crlf => b"\r\n",
            Self::Lf => b"\n",
        }
    }
}

impl Transfer {
    /// Takes the encoding named by a Content-Transfer-Encoding field off `raw`. Where that cannot
    /// be done without loss, the bytes stay as they are.
    #[must_use]
    pub fn strip(raw: &[u8], encoding: &str) -> (Vec<u8>, Self) {
        let encoding = encoding.trim();
        let stripped = if encoding.eq_ignore_ascii_case("base64") {
            strip_base64(raw).map(|(bytes, layout)| (bytes, Self::Base64(layout)))
        } else if encoding.eq_ignore_ascii_case("quoted-printable") {
            strip_quoted_printable(raw)
                .map(|(bytes, layout)| (bytes, Self::QuotedPrintable(layout)))
        } else {
            None
        };
        stripped.unwrap_or_else(|| (raw.to_vec(), Self::Raw))
    }

    /// Puts the encoding back on; `None` when the bytes do not fit the layout.
    #[must_use]
    pub fn apply(&self, decoded: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Raw => Some(decoded.to_vec()),
            Self::Base64(layout) => layout.reencode(decoded),
            Self::QuotedPrintable(layout) => layout.reencode(decoded),
        }
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Raw => out.push(0),
            Self::Base64(layout) => {
                out.push(1);
                layout.write(out);
            }
            Self::QuotedPrintable(layout) => {
                out.push(2);
                layout.write(out);
            }
        }
    }

    pub(crate) fn read(input: &mut Cursor<'_>) -> Option<Self> {
        match input.byte()? {
            0 => Some(Self::Raw),
            1 => Base64Layout::read(input).map(Self::Base64),
            2 => QpLayout::read(input).map(Self::QuotedPrintable),
            _ => None,
        }
    }
}

/// Takes base64 apart: its bytes, and how it was written. `None` when it cannot be rebuilt:
/// foreign characters, mixed line ends, stray padding.
#[must_use]
pub fn strip_base64(raw: &[u8]) -> Option<(Vec<u8>, Base64Layout)> {
    let eol = if raw.windows(2).any(|pair| pair == b"\r\n") {
        Eol::Crlf
    } else {
        Eol::Lf
    };
    let mut layout = Base64Layout {
        eol,
        padded: true,
        final_eol: raw.ends_with(eol.bytes()),
        runs: Vec::new(),
    };
    let mut text = Vec::with_capacity(raw.len());
    let body = if layout.final_eol {
        &raw[..raw.len() - eol.bytes().len()]
    } else {
        raw
    };
    for line in body.split(|byte| *byte == b'\n') {
        let line = match eol {
            Eol::Crlf => line.strip_suffix(b"\r").unwrap_or(line),
            Eol::Lf => line,
        };
        text.extend_from_slice(line);
        match layout.runs.last_mut() {
            Some((len, count)) if *len == line.len() => *count += 1,
            _ => layout.runs.push((line.len(), 1)),
        }
    }
    let decoded = match STANDARD.decode_to_vec(&text) {
        Ok(decoded) => decoded,
        Err(_) => {
            layout.padded = false;
            STANDARD_NO_PAD.decode_to_vec(&text).ok()?
        }
    };
    drop(text);
    (layout.reencode(&decoded)? == raw).then_some((decoded, layout))
}

impl Base64Layout {
    /// Encodes bytes by this layout; `None` when there are more or fewer than it describes.
    #[must_use]
    pub fn reencode(&self, decoded: &[u8]) -> Option<Vec<u8>> {
        let text = if self.padded {
            STANDARD.encode_to_string(decoded)
        } else {
            STANDARD_NO_PAD.encode_to_string(decoded)
        };
        let lines: usize = self
            .runs
            .iter()
            .try_fold(0usize, |sum, (_, count)| sum.checked_add(*count))?;
        // Blank lines are free in the layout: do not let a forged count allocate for them.
        if lines > text.len() + MAX_BLANK_LINES {
            return None;
        }
        let mut out = Vec::with_capacity(text.len() + 2 * lines);
        let mut rest = text.as_bytes();
        let mut left = lines;
        for &(len, count) in &self.runs {
            for _ in 0..count {
                let (line, tail) = rest.split_at_checked(len)?;
                out.extend_from_slice(line);
                rest = tail;
                left -= 1;
                if left > 0 || self.final_eol {
                    out.extend_from_slice(self.eol.bytes());
                }
            }
        }
        rest.is_empty().then_some(out)
    }

    fn write(&self, out: &mut Vec<u8>) {
        let flags = u8::from(self.eol == Eol::Lf)
            | u8::from(self.padded) << 1
            | u8::from(self.final_eol) << 2;
        out.push(flags);
        varint::push(out, self.runs.len() as u64);
        for (len, count) in &self.runs {
            varint::push(out, *len as u64);
            varint::push(out, *count as u64);
        }
    }

    fn read(input: &mut Cursor<'_>) -> Option<Self> {
        let flags = input.byte()?;
        let runs = input.count()?;
        Some(Self {
            eol: eol_of(flags),
            padded: flags & 2 != 0,
            final_eol: flags & 4 != 0,
            runs: (0..runs)
                .map(|_| Some((input.size()?, input.size()?)))
                .collect::<Option<_>>()?,
        })
    }
}

/// Lines a base64 layout may have beyond one per character.
const MAX_BLANK_LINES: usize = 4096;

fn eol_of(flags: u8) -> Eol {
    if flags & 1 != 0 { Eol::Lf } else { Eol::Crlf }
}

/// Takes quoted-printable apart: its bytes, and how it was written. Line ends of the text are
/// part of the bytes. `None` when it cannot be rebuilt exactly, or only by a layout so long that
/// keeping the text is better.
#[must_use]
pub fn strip_quoted_printable(raw: &[u8]) -> Option<(Vec<u8>, QpLayout)> {
    let mut decoded = Vec::with_capacity(raw.len());
    let mut was_escaped = Vec::with_capacity(raw.len());
    let mut soft_breaks = Vec::new();
    let mut eol = None;
    let mut upper = true;
    let mut rest = raw;
    while let Some((first, tail)) = rest.split_first() {
        if *first != b'=' {
            decoded.push(*first);
            was_escaped.push(false);
            rest = tail;
            continue;
        }
        let style = if tail.starts_with(b"\r\n") {
            Some(Eol::Crlf)
        } else if tail.starts_with(b"\n") {
            Some(Eol::Lf)
        } else {
            None
        };
        if let Some(style) = style {
            soft_breaks.push(decoded.len());
            eol.get_or_insert(style);
            rest = &tail[style.bytes().len()..];
        } else {
            let pair = tail.get(..2)?;
            decoded.push(hex(pair[0])? << 4 | hex(pair[1])?);
            was_escaped.push(true);
            upper &= !pair.iter().any(u8::is_ascii_lowercase);
            rest = &tail[2..];
        }
    }
    let escaped = majority(&decoded, &was_escaped);
    let exceptions: Vec<usize> = decoded
        .iter()
        .zip(&was_escaped)
        .enumerate()
        .filter(|(_, (byte, was))| bit(&escaped, **byte) != **was)
        .map(|(at, _)| at)
        .collect();
    if exceptions.len() > 64 + decoded.len() / 8 {
        return None;
    }
    let layout = QpLayout {
        eol: eol.unwrap_or(Eol::Crlf),
        upper,
        escaped,
        exceptions: distances(exceptions),
        soft_breaks: distances(soft_breaks),
    };
    (layout.reencode(&decoded)? == raw).then_some((decoded, layout))
}

/// For each byte value, whether it is escaped more often than not.
fn majority(decoded: &[u8], was_escaped: &[bool]) -> [u8; 32] {
    let mut balance = [0i64; 256];
    for (byte, was) in decoded.iter().zip(was_escaped) {
        balance[usize::from(*byte)] += if *was { 1 } else { -1 };
    }
    let mut bits = [0u8; 32];
    for (value, balance) in balance.iter().enumerate() {
        if *balance > 0 {
            bits[value / 8] |= 1 << (value % 8);
        }
    }
    bits
}

fn bit(bits: &[u8; 32], byte: u8) -> bool {
    bits[usize::from(byte / 8)] & (1 << (byte % 8)) != 0
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

fn distances(mut offsets: Vec<usize>) -> Vec<usize> {
    let mut last = 0;
    for offset in &mut offsets {
        let at = *offset;
        *offset -= last;
        last = at;
    }
    offsets
}

impl QpLayout {
    /// Encodes bytes by this layout; `None` when it speaks of bytes that are not there.
    #[must_use]
    pub fn reencode(&self, decoded: &[u8]) -> Option<Vec<u8>> {
        let digits: &[u8; 16] = if self.upper {
            b"0123456789ABCDEF"
        } else {
            b"0123456789abcdef"
        };
        let mut out = Vec::with_capacity(decoded.len() + decoded.len() / 8);
        let mut exceptions = Offsets::new(&self.exceptions);
        let mut soft_breaks = Offsets::new(&self.soft_breaks);
        for at in 0..=decoded.len() {
            while soft_breaks.hit(at) {
                out.push(b'=');
                out.extend_from_slice(self.eol.bytes());
            }
            let Some(byte) = decoded.get(at) else { break };
            if bit(&self.escaped, *byte) == exceptions.hit(at) {
                out.push(*byte);
            } else {
                out.push(b'=');
                out.push(digits[usize::from(byte >> 4)]);
                out.push(digits[usize::from(byte & 15)]);
            }
        }
        (exceptions.done() && soft_breaks.done()).then_some(out)
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.eol == Eol::Lf) | u8::from(self.upper) << 1);
        out.extend_from_slice(&self.escaped);
        for list in [&self.exceptions, &self.soft_breaks] {
            varint::push(out, list.len() as u64);
            list.iter()
                .for_each(|distance| varint::push(out, *distance as u64));
        }
    }

    fn read(input: &mut Cursor<'_>) -> Option<Self> {
        let flags = input.byte()?;
        let escaped = *input.take(32)?.first_chunk::<32>()?;
        let mut list = || {
            let count = input.count()?;
            (0..count).map(|_| input.size()).collect::<Option<Vec<_>>>()
        };
        Some(Self {
            eol: eol_of(flags),
            upper: flags & 2 != 0,
            escaped,
            exceptions: list()?,
            soft_breaks: list()?,
        })
    }
}

/// Walks a list of distances.
struct Offsets<'a> {
    rest: std::slice::Iter<'a, usize>,
    next: Option<usize>,
}

impl<'a> Offsets<'a> {
    fn new(distances: &'a [usize]) -> Self {
        let mut rest = distances.iter();
        let next = rest.next().copied();
        Self { rest, next }
    }

    /// Whether the next offset is `at`; if so, moves on.
    fn hit(&mut self, at: usize) -> bool {
        if self.next != Some(at) {
            return false;
        }
        self.next = self
            .rest
            .next()
            .and_then(|distance| at.checked_add(*distance));
        true
    }

    fn done(&self) -> bool {
        self.next.is_none() && self.rest.len() == 0
    }
}

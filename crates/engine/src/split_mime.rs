//! Base64 inside text as a format of the store.
//!
//! A run of lines of one length behind an empty line, all of them base64, is what attachments
//! look like in every MIME message, a broken one included. Such a run becomes a payload, decoded,
//! once 8 KiB of it are sure; the skeleton says how long the lines were. Everything else stays
//! text. Nothing is parsed, so nothing can be misunderstood, and memory is constant.
//!
//! The skeleton is a sequence of two things, numbers in LEB128: `n` > 0 and `n` bytes of text; or
//! 0, the length of a line in characters, and 0 for CRLF or 1 for LF: the next payload in base64,
//! without the end of its last line.

use base64_simd::STANDARD;
use chunkstore::{Format, Joiner, PartSink, SplitError, Splitter, Step};

use crate::record::put_varint;

/// Decoded bytes that make a run a payload; what is shorter stays text.
const MIN_PAYLOAD: usize = 8 << 10;

/// Lines may be this long; mail has at most 998 characters in a line, base64 76.
const MAX_LINE: usize = 1024;

/// Text is passed on in pieces of this size.
const PIECE: usize = 32 << 10;

/// Text with base64 in it (format number 2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MimeFormat;

impl MimeFormat {
    /// The stored number of this format.
    pub const ID: u8 = 2;
}

impl Format for MimeFormat {
    fn id(&self) -> u8 {
        Self::ID
    }

    fn splitter(&self) -> Box<dyn Splitter> {
        Box::new(MimeSplitter::default())
    }

    fn joiner(&self) -> Box<dyn Joiner> {
        Box::new(MimeJoiner::default())
    }
}

/// The lines of a run so far.
#[derive(Debug)]
struct Run {
    /// Characters in a line.
    width: usize,
    /// The end of its lines.
    eol: &'static [u8],
    /// The lines as they came, while the run may still turn out too short.
    text: Vec<u8>,
    decoded: Vec<u8>,
    /// Whether the payload has begun: `text` is empty then.
    begun: bool,
    /// Whether the line before ended with `eol`, which belongs to the text if no line follows.
    owes_eol: bool,
}

#[derive(Debug, Default)]
struct MimeSplitter {
    /// The line under way.
    line: Vec<u8>,
    /// Whether the line under way is longer than a run's may be, and partly passed on.
    long: bool,
    after_empty: bool,
    text: Vec<u8>,
    run: Option<Run>,
}

impl Splitter for MimeSplitter {
    fn push(&mut self, input: &[u8], out: &mut dyn PartSink) -> Result<(), SplitError> {
        for piece in input.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                let line = std::mem::take(&mut self.line);
                self.line(&line, out);
                self.line = line;
                self.line.clear();
            } else if self.line.len() > MAX_LINE + 2 {
                self.end_run(out);
                self.long = true;
                let line = std::mem::take(&mut self.line);
                self.literal(&line, out);
            }
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut dyn PartSink) -> Result<(), SplitError> {
        let line = std::mem::take(&mut self.line);
        if !line.is_empty() {
            self.line(&line, out);
        }
        self.end_run(out);
        self.flush(out);
        Ok(())
    }
}

impl MimeSplitter {
    /// Takes a line with its end; only the last of all may lack one.
    fn line(&mut self, line: &[u8], out: &mut dyn PartSink) {
        let (body, eol) = cut(line);
        if self.long {
            self.long = false;
            self.after_empty = false;
            self.literal(line, out);
            return;
        }
        if let Some(run) = &mut self.run {
            if run.takes(body, eol) {
                let last = body.len() < run.width || body.ends_with(b"=") || eol != run.eol;
                self.shift(out);
                if last {
                    self.end_run(out);
                }
                return;
            }
            self.end_run(out);
        }
        if self.after_empty
            && let Some(run) = Run::begin(body, eol)
        {
            self.run = Some(run);
        } else {
            self.literal(line, out);
        }
        self.after_empty = body.is_empty() && !eol.is_empty();
    }

    /// Begins the payload as soon as the run is long enough, and passes on what it has.
    fn shift(&mut self, out: &mut dyn PartSink) {
        let Some(mut run) = self.run.take() else {
            return;
        };
        if !run.begun && run.decoded.len() >= MIN_PAYLOAD {
            self.flush(out);
            let mut op = vec![0];
            put_varint(&mut op, run.width as u64);
            op.push(u8::from(run.eol == b"\n"));
            out.skeleton(&op);
            out.payload_start();
            run.begun = true;
            run.text = Vec::new();
        }
        if run.begun && run.decoded.len() >= MIN_PAYLOAD {
            out.payload(&run.decoded);
            run.decoded.clear();
        }
        self.run = Some(run);
    }

    fn end_run(&mut self, out: &mut dyn PartSink) {
        let Some(run) = self.run.take() else { return };
        self.after_empty = false;
        if run.begun {
            if !run.decoded.is_empty() {
                out.payload(&run.decoded);
            }
            out.payload_end();
            if run.owes_eol {
                self.literal(run.eol, out);
            }
        } else {
            self.literal(&run.text, out);
        }
    }

    fn literal(&mut self, bytes: &[u8], out: &mut dyn PartSink) {
        self.text.extend_from_slice(bytes);
        if self.text.len() >= PIECE {
            self.flush(out);
        }
    }

    fn flush(&mut self, out: &mut dyn PartSink) {
        if !self.text.is_empty() {
            let mut op = Vec::with_capacity(4);
            put_varint(&mut op, self.text.len() as u64);
            out.skeleton(&op);
            out.skeleton(&self.text);
            self.text.clear();
        }
    }
}

impl Run {
    fn begin(body: &[u8], eol: &[u8]) -> Option<Self> {
        let eol: &'static [u8] = match eol {
            b"\r\n" => b"\r\n",
            b"\n" => b"\n",
            _ => return None,
        };
        let full = !body.is_empty() && body.len() <= MAX_LINE && !body.ends_with(b"=");
        let decoded = full.then(|| decode(body)).flatten()?;
        let text = [body, eol].concat();
        Some(Self {
            width: body.len(),
            eol,
            text,
            decoded,
            begun: false,
            owes_eol: true,
        })
    }

    /// Takes a line if it continues the run.
    fn takes(&mut self, body: &[u8], eol: &[u8]) -> bool {
        if body.is_empty() || body.len() > self.width || !(eol == self.eol || eol.is_empty()) {
            return false;
        }
        let Some(mut decoded) = decode(body) else {
            return false;
        };
        self.decoded.append(&mut decoded);
        if !self.begun {
            self.text.extend_from_slice(body);
            self.text.extend_from_slice(eol);
        }
        self.owes_eol = !eol.is_empty();
        true
    }
}

/// Splits the end off a line.
fn cut(line: &[u8]) -> (&[u8], &[u8]) {
    let body = match line {
        [body @ .., b'\r', b'\n'] | [body @ .., b'\n'] => body,
        body => body,
    };
    line.split_at(body.len())
}

/// Decodes a line if encoding it again gives the same characters.
fn decode(line: &[u8]) -> Option<Vec<u8>> {
    if !line.len().is_multiple_of(4) {
        return None;
    }
    STANDARD.decode_to_vec(line).ok()
}

/// What the joiner reads next.
#[derive(Debug, Default, Clone, Copy)]
enum Place {
    #[default]
    Op,
    Width,
    Eol {
        width: usize,
    },
    Text {
        left: u64,
    },
}

#[derive(Debug, Default)]
struct MimeJoiner {
    place: Place,
    /// The number under way.
    number: u64,
    shift: u32,
    width: usize,
    eol: &'static [u8],
    /// Payload bytes that do not fill a line yet.
    rest: Vec<u8>,
    /// Whether a line of the payload was written, so that the next needs an end before it.
    any: bool,
}

impl MimeJoiner {
    fn varint(&mut self, byte: u8) -> Result<Option<u64>, SplitError> {
        if self.shift > 56 {
            return Err(damaged());
        }
        self.number |= u64::from(byte & 0x7f) << self.shift;
        self.shift += 7;
        if byte & 0x80 != 0 {
            return Ok(None);
        }
        self.shift = 0;
        Ok(Some(std::mem::take(&mut self.number)))
    }

    fn write_line(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        if self.any {
            out.extend_from_slice(self.eol);
        }
        self.any = true;
        STANDARD.encode_append(bytes, out);
    }
}

fn damaged() -> SplitError {
    SplitError::new("the skeleton of a portable item is damaged")
}

impl Joiner for MimeJoiner {
    fn skeleton(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<Step, SplitError> {
        let mut at = 0;
        while let Some(byte) = bytes.get(at).copied() {
            match self.place {
                Place::Op => {
                    at += 1;
                    match self.varint(byte)? {
                        Some(0) => self.place = Place::Width,
                        Some(left) => self.place = Place::Text { left },
                        None => {}
                    }
                }
                Place::Width => {
                    at += 1;
                    if let Some(width) = self.varint(byte)? {
                        let width = usize::try_from(width).ok();
                        let fits = |w: &usize| *w > 0 && *w <= MAX_LINE && w.is_multiple_of(4);
                        let width = width.filter(fits).ok_or_else(damaged)?;
                        self.place = Place::Eol { width };
                    }
                }
                Place::Eol { width } => {
                    at += 1;
                    self.eol = match byte {
                        0 => b"\r\n",
                        1 => b"\n",
                        _ => return Err(damaged()),
                    };
                    (self.width, self.any) = (width / 4 * 3, false);
                    self.place = Place::Op;
                    return Ok(Step::Payload { consumed: at });
                }
                Place::Text { left } => {
                    let rest = bytes.get(at..).unwrap_or_default();
                    let take = rest.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                    out.extend_from_slice(rest.get(..take).unwrap_or_default());
                    at += take;
                    let left = left - take as u64;
                    self.place = if left == 0 {
                        Place::Op
                    } else {
                        Place::Text { left }
                    };
                }
            }
        }
        Ok(Step::NeedMore)
    }

    fn payload(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let width = self.width.max(1);
        let mut bytes = bytes;
        if !self.rest.is_empty() {
            let (fill, left) = bytes.split_at(bytes.len().min(width - self.rest.len()));
            self.rest.extend_from_slice(fill);
            bytes = left;
            if self.rest.len() < width {
                return;
            }
            let line = std::mem::take(&mut self.rest);
            self.write_line(&line, out);
        }
        let mut lines = bytes.chunks_exact(width);
        for line in &mut lines {
            self.write_line(line, out);
        }
        self.rest.extend_from_slice(lines.remainder());
    }

    fn payload_end(&mut self, out: &mut Vec<u8>) {
        let line = std::mem::take(&mut self.rest);
        if !line.is_empty() {
            self.write_line(&line, out);
        }
    }

    fn finish(&mut self, _out: &mut Vec<u8>) -> Result<(), SplitError> {
        match self.place {
            Place::Op if self.shift == 0 => Ok(()),
            _ => Err(damaged()),
        }
    }
}

/// The hashes of the payloads a text holds.
pub(crate) fn payloads(text: &[u8]) -> Vec<[u8; 32]> {
    #[derive(Default)]
    struct Hashes {
        open: blake3::Hasher,
        done: Vec<[u8; 32]>,
    }
    impl PartSink for Hashes {
        fn skeleton(&mut self, _bytes: &[u8]) {}
        fn payload_start(&mut self) {
            self.open = blake3::Hasher::new();
        }
        fn payload(&mut self, bytes: &[u8]) {
            self.open.update(bytes);
        }
        fn payload_end(&mut self) {
            self.done.push(*self.open.finalize().as_bytes());
        }
    }
    let (mut splitter, mut hashes) = (MimeSplitter::default(), Hashes::default());
    // The splitter refuses nothing.
    let _ = splitter.push(text, &mut hashes);
    let _ = splitter.finish(&mut hashes);
    hashes.done
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Default)]
    struct Parts {
        skeleton: Vec<u8>,
        payloads: Vec<Vec<u8>>,
    }

    impl PartSink for Parts {
        fn skeleton(&mut self, bytes: &[u8]) {
            self.skeleton.extend_from_slice(bytes);
        }
        fn payload_start(&mut self) {
            self.payloads.push(Vec::new());
        }
        fn payload(&mut self, bytes: &[u8]) {
            self.payloads.last_mut().unwrap().extend_from_slice(bytes);
        }
        fn payload_end(&mut self) {}
    }

    fn split(input: &[u8], piece: usize) -> Parts {
        let mut parts = Parts::default();
        let mut splitter = MimeFormat.splitter();
        for piece in input.chunks(piece) {
            splitter.push(piece, &mut parts).unwrap();
        }
        splitter.finish(&mut parts).unwrap();
        parts
    }

    fn join(parts: &Parts, piece: usize) -> Vec<u8> {
        let (mut joiner, mut out) = (MimeFormat.joiner(), Vec::new());
        let mut payloads = parts.payloads.iter();
        for mut bytes in parts.skeleton.chunks(piece) {
            while let Step::Payload { consumed } = joiner.skeleton(bytes, &mut out).unwrap() {
                bytes = &bytes[consumed..];
                for piece in payloads.next().unwrap().chunks(piece) {
                    joiner.payload(piece, &mut out);
                }
                joiner.payload_end(&mut out);
            }
        }
        joiner.finish(&mut out).unwrap();
        out
    }

    fn base64(bytes: &[u8], width: usize, eol: &str) -> String {
        let text = STANDARD.encode_to_string(bytes);
        let lines: Vec<&str> = text
            .as_bytes()
            .chunks(width)
            .map(|l| str::from_utf8(l).unwrap())
            .collect();
        lines.join(eol)
    }

    fn noise(length: usize) -> Vec<u8> {
        (0..length).map(|n| (n * n / 7 + n) as u8).collect()
    }

    #[test]
    fn an_attachment_becomes_its_bytes_whatever_the_lines_are() {
        for length in [8 << 10, (8 << 10) + 1, 20_000, 57 * 1000] {
            for (width, eol) in [(76, "\r\n"), (60, "\n"), (72, "\r\n"), (64, "\n")] {
                let bytes = noise(length);
                let mail = format!(
                    "A: b{eol}{eol}{}{eol}--x--{eol}",
                    base64(&bytes, width, eol)
                );
                let parts = split(mail.as_bytes(), 1000);
                assert_eq!(parts.payloads, [bytes], "{length} {width} {eol:?}");
                assert_eq!(join(&parts, 77), mail.as_bytes());
            }
        }
    }

    #[test]
    fn short_and_odd_ones_stay_text() {
        let short = format!("\n{}\n", base64(&noise(4000), 76, "\n"));
        let no_gap = format!("a\n{}\n", base64(&noise(40_000), 76, "\n"));
        let endless = format!("\n{}\n", base64(&noise(40_000), 80_000, "\n"));
        for text in [short, no_gap, endless, String::new()] {
            let parts = split(text.as_bytes(), 100);
            assert!(parts.payloads.is_empty());
            assert_eq!(join(&parts, 100), text.as_bytes());
        }
    }

    proptest! {
        #[test]
        fn anything_comes_back(
            pieces in prop::collection::vec((0usize..12_000, 1usize..30, any::<bool>(), 0u8..6), 0..6),
            cut in 1usize..5000,
        ) {
            let mut text = Vec::new();
            for (length, width, crlf, spoil) in pieces {
                let eol = if crlf { "\r\n" } else { "\n" };
                text.extend_from_slice(eol.as_bytes());
                let mut part = base64(&noise(length), width * 4, eol).into_bytes();
                let middle = part.len() / 2;
                match spoil {
                    0 => part.insert(middle, b'='),
                    1 => part.insert(middle, b'\n'),
                    2 => drop(part.pop()),
                    _ => part.extend_from_slice(eol.as_bytes()),
                }
                text.append(&mut part);
            }
            prop_assert_eq!(join(&split(&text, cut), cut), text);
        }

        #[test]
        fn a_damaged_skeleton_never_panics(bytes: Vec<u8>) {
            let (mut joiner, mut out) = (MimeFormat.joiner(), Vec::new());
            let mut rest = &bytes[..];
            while let Ok(Step::Payload { consumed }) = joiner.skeleton(rest, &mut out) {
                joiner.payload(b"some bytes", &mut out);
                joiner.payload_end(&mut out);
                rest = &rest[consumed..];
            }
            let _ = joiner.finish(&mut out);
        }
    }
}

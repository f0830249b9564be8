//! Base64 of payloads too large to hold: encoding as they are sent, decoding as they arrive.

use std::io;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};

use crate::response_code::ResponseCode;

/// Bytes encoded at a time; a multiple of 3, so that no padding falls inside.
const ENCODE_BYTES: usize = 48 << 10;
/// Longest text kept from the first character that is no base64: the truncation mark has 21
/// without its spaces, a padding at most 2.
const MAX_TAIL_BYTES: usize = 64;
/// What Exchange writes after a payload that it could not finish.
const TRUNCATION_MARK: &[u8] = b"=== Truncated Data ===";

/// The length of that many bytes in base64, with padding.
pub(crate) const fn encoded_len(len: u64) -> u64 {
    len.div_ceil(3).saturating_mul(4)
}

struct Encoder {
    source: BoxStream<'static, io::Result<Bytes>>,
    /// Taken from the source, not yet encoded.
    pending: Bytes,
    /// Up to two bytes that did not fill a group of three.
    carry: Vec<u8>,
    /// How many bytes the source still owes.
    owed: u64,
    finished: bool,
}

/// Encodes a payload of a known length; one that turns out shorter or longer is an error.
pub(crate) fn encode(
    source: BoxStream<'static, io::Result<Bytes>>,
    len: u64,
) -> BoxStream<'static, io::Result<Bytes>> {
    let encoder = Encoder {
        source,
        pending: Bytes::new(),
        carry: Vec::new(),
        owed: len,
        finished: false,
    };
    stream::unfold(encoder, |mut encoder| async move {
        let piece = encoder.next().await?;
        encoder.finished |= piece.is_err();
        Some((piece, encoder))
    })
    .boxed()
}

impl Encoder {
    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        while !self.finished {
            if self.pending.is_empty() {
                match self.source.next().await {
                    Some(Ok(bytes)) => match self.owed.checked_sub(bytes.len() as u64) {
                        Some(owed) => {
                            self.owed = owed;
                            self.pending = bytes;
                        }
                        None => return Some(Err(length_error("longer"))),
                    },
                    Some(Err(error)) => return Some(Err(error)),
                    None => {
                        self.finished = true;
                        if self.owed > 0 {
                            return Some(Err(length_error("shorter")));
                        }
                        if self.carry.is_empty() {
                            return None;
                        }
                        return Some(Ok(encode_bytes(&std::mem::take(&mut self.carry))));
                    }
                }
            } else if let Some(piece) = self.piece() {
                return Some(Ok(piece));
            }
        }
        None
    }

    /// Encodes the next groups of three of what is pending.
    fn piece(&mut self) -> Option<Bytes> {
        let mut taken = std::mem::take(&mut self.carry);
        let room = ENCODE_BYTES - taken.len();
        taken.extend_from_slice(&self.pending.split_to(room.min(self.pending.len())));
        let whole = taken.len() - taken.len() % 3;
        self.carry = taken.split_off(whole);
        (whole > 0).then(|| encode_bytes(&taken))
    }
}

fn encode_bytes(bytes: &[u8]) -> Bytes {
    Bytes::from(base64_simd::STANDARD.encode_type::<Vec<u8>>(bytes))
}

fn length_error(how: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("the payload is {how} than announced"),
    )
}

/// Decodes base64 text piece by piece. Delivers only bytes from whole, valid quanta: neither the
/// truncation mark nor anything after it ever comes out as data.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    /// Fewer than four characters that did not fill a quantum.
    carry: Vec<u8>,
    /// From the first character outside the alphabet on, white space left out.
    tail: Vec<u8>,
    /// Inside a character reference.
    reference: Option<Vec<u8>>,
    /// The last bytes delivered, to recognise a mark that was itself encoded.
    end: Vec<u8>,
    /// Bytes delivered.
    pub(crate) delivered: u64,
}

impl Decoder {
    /// Takes the next text, of which there should be at most some tens of kilobytes at a time.
    pub(crate) fn push(&mut self, text: &[u8], out: &mut Vec<u8>) {
        let before = out.len();
        let mut text = self.complete_quantum(text, out);
        if self.carry.is_empty() && self.tail.is_empty() && self.reference.is_none() {
            text = self.fast(text, out);
        }
        let mut clean = std::mem::take(&mut self.carry);
        clean.reserve(text.len());
        for &byte in text {
            self.byte(byte, &mut clean);
        }
        let whole = clean.len() - clean.len() % 4;
        self.carry = clean.split_off(whole);
        // The alphabet was checked, so this cannot fail; if it did, the text would be corrupt.
        if base64_simd::STANDARD.decode_append(&clean, out).is_err() {
            self.tail.push(b'!');
        }
        self.note(out, before);
    }

    /// Ends the quantum that the text before began, so that all that follows is aligned; returns
    /// what follows.
    fn complete_quantum<'t>(&mut self, mut text: &'t [u8], out: &mut Vec<u8>) -> &'t [u8] {
        if self.carry.is_empty() || !self.tail.is_empty() || self.reference.is_some() {
            return text;
        }
        while let Some((byte, rest)) = text.split_first()
            && is_alphabet(*byte)
            && self.carry.len() < 4
        {
            self.carry.push(*byte);
            text = rest;
        }
        let whole = self.carry.len() == 4
            && base64_simd::STANDARD
                .decode_append(&self.carry, out)
                .is_ok();
        if whole {
            self.carry.clear();
        }
        text
    }

    /// The common case, text without line breaks: decodes what is aligned and clear, and returns
    /// what is left for the slow way, at most a padded quantum. Items are short, and two of three
    /// end in padding: they must not be read byte by byte on its account.
    fn fast<'t>(&mut self, text: &'t [u8], out: &mut Vec<u8>) -> &'t [u8] {
        let mut whole = text.len() - text.len() % 4;
        if text
            .get(..whole)
            .is_some_and(|quanta| quanta.ends_with(b"="))
        {
            whole -= 4;
        }
        let (quanta, rest) = text.split_at(whole);
        match base64_simd::STANDARD.decode_append(quanta, out) {
            Ok(()) => rest,
            Err(_) => text,
        }
    }

    fn byte(&mut self, byte: u8, clean: &mut Vec<u8>) {
        if let Some(reference) = &mut self.reference {
            if byte == b';' {
                let space = matches!(
                    reference.as_slice(),
                    b"#xD"
                        | b"#xd"
                        | b"#xA"
                        | b"#xa"
                        | b"#13"
                        | b"#10"
                        | b"#9"
                        | b"#x9"
                        | b"#32"
                        | b"#x20"
                );
                self.reference = None;
                if !space {
                    self.tail.push(b'!');
                }
            } else if reference.len() < 8 {
                reference.push(byte);
            }
        } else if byte.is_ascii_whitespace() {
        } else if byte == b'&' {
            self.reference = Some(Vec::new());
        } else if self.tail.is_empty() && is_alphabet(byte) {
            clean.push(byte);
        } else if self.tail.len() < MAX_TAIL_BYTES {
            self.tail.push(byte);
        }
    }

    fn note(&mut self, out: &[u8], before: usize) {
        let new = out.get(before..).unwrap_or_default();
        self.delivered += new.len() as u64;
        self.end.extend_from_slice(
            new.get(new.len().saturating_sub(TRUNCATION_MARK.len())..)
                .unwrap_or_default(),
        );
        let surplus = self.end.len().saturating_sub(TRUNCATION_MARK.len());
        self.end.drain(..surplus);
    }

    /// Ends the payload: its last bytes, or what is wrong with it.
    pub(crate) fn finish(mut self, out: &mut Vec<u8>) -> Result<(), ResponseCode> {
        if self.reference.is_some() {
            return Err(ResponseCode::CorruptData);
        }
        if is_truncation_mark(&self.tail) {
            return Err(ResponseCode::TruncatedData);
        }
        match (self.carry.len(), self.tail.as_slice()) {
            (0, b"") => {}
            // Text that stops inside a quantum was cut, even if the XML around it was not.
            (_, b"") => return Err(ResponseCode::TruncatedData),
            (3, b"=") | (2, b"==") => {
                let before = out.len();
                base64_simd::forgiving_decode_to_vec(&self.carry)
                    .map(|bytes| out.extend_from_slice(&bytes))
                    .map_err(|_| ResponseCode::CorruptData)?;
                self.note(out, before);
            }
            _ => return Err(ResponseCode::CorruptData),
        }
        if self.end == TRUNCATION_MARK {
            return Err(ResponseCode::TruncatedData);
        }
        Ok(())
    }
}

fn is_alphabet(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/'
}

/// Whether the text after the last base64 character is the mark, in any spacing and case.
fn is_truncation_mark(tail: &[u8]) -> bool {
    let word = b"truncated";
    tail.windows(word.len())
        .any(|window| window.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(text: &[u8], step: usize) -> Result<Vec<u8>, ResponseCode> {
        let mut decoder = Decoder::default();
        let mut out = Vec::new();
        for piece in text.chunks(step) {
            decoder.push(piece, &mut out);
        }
        decoder.finish(&mut out).map(|()| out)
    }

    #[test]
    fn text_in_pieces_of_any_size_decodes_to_the_same_bytes() {
        let bytes: Vec<u8> = (0..1000_u32).map(|n| (n * 7) as u8).collect();
        for len in [0, 1, 2, 3, 4, 5, 57, 58, 999, 1000] {
            let plain = base64_simd::STANDARD.encode_to_string(&bytes[..len]);
            let wrapped: String = plain
                .as_bytes()
                .chunks(76)
                .map(|line| format!("  {}&#xD;\r\n", String::from_utf8_lossy(line)))
                .collect();
            for text in [plain, wrapped] {
                for step in [1, 2, 3, 5, 64, 4096] {
                    assert_eq!(
                        decode(text.as_bytes(), step).as_deref(),
                        Ok(&bytes[..len]),
                        "{len} by {step}"
                    );
                }
            }
        }
    }

    #[test]
    fn the_truncation_mark_is_never_data() {
        for mark in [
            "=== Truncated Data ===",
            "===Truncated Data===",
            "AAAA=== Truncated Data ===",
            "AA\n=== Truncated Data ===\n",
        ] {
            for step in [1, 4, 100] {
                assert_eq!(
                    decode(mark.as_bytes(), step),
                    Err(ResponseCode::TruncatedData),
                    "{mark}"
                );
            }
        }
        let encoded = base64_simd::STANDARD.encode_to_string(b"data=== Truncated Data ===");
        assert_eq!(
            decode(encoded.as_bytes(), 5),
            Err(ResponseCode::TruncatedData)
        );
    }

    #[test]
    fn text_that_is_no_base64_is_refused() {
        for text in [
            "AAAA=", "A===", "AAAA*AAA", "AA==AAAA", "AA&#65;A", "=", "AAA==",
        ] {
            assert_eq!(
                decode(text.as_bytes(), 3),
                Err(ResponseCode::CorruptData),
                "{text}"
            );
        }
        assert_eq!(decode(b"AAAAA", 3), Err(ResponseCode::TruncatedData));
    }

    #[tokio::test]
    async fn an_encoded_stream_is_the_encoded_whole() {
        let bytes = Bytes::from(
            (0..200_000_u32)
                .map(|n| (n * 13) as u8)
                .collect::<Vec<u8>>(),
        );
        for step in [1000, 4097, 65536, 200_000] {
            let pieces: Vec<_> = bytes
                .chunks(step)
                .map(|piece| Ok(Bytes::copy_from_slice(piece)))
                .collect();
            let pieces: Vec<io::Result<Bytes>> =
                encode(stream::iter(pieces).boxed(), bytes.len() as u64)
                    .collect()
                    .await;
            let text: Vec<u8> = pieces
                .into_iter()
                .flat_map(|piece| piece.expect("encodes").to_vec())
                .collect();
            assert_eq!(
                text,
                base64_simd::STANDARD.encode_to_string(&bytes).into_bytes()
            );
            assert_eq!(text.len() as u64, encoded_len(bytes.len() as u64));
        }
    }

    #[tokio::test]
    async fn a_payload_of_another_length_than_announced_is_an_error() {
        for len in [4, 6] {
            let source = stream::iter([Ok(Bytes::from_static(b"12345"))]).boxed();
            let pieces: Vec<io::Result<Bytes>> = encode(source, len).collect().await;
            assert!(pieces.last().is_some_and(Result::is_err), "{len}");
        }
    }
}

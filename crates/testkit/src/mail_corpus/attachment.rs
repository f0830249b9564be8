//! Attachments: half are packed documents, a quarter pictures, a quarter compressible files.

use std::collections::VecDeque;
use std::sync::Arc;

use fastrand::Rng;

use super::prose::Prose;

/// Sizes are log-normal: half are below this.
const MEDIAN_BYTES: f64 = 34_000.0;
/// The standard deviation of the sizes' natural logarithm.
const SPREAD: f64 = 1.55;
const MAX_BYTES: f64 = 14_000_000.0;

/// What can be sent once more.
const REMEMBERED: usize = 500;

/// How many of a hundred attachments were sent before, besides those of copies.
const REPEATED: u8 = 5;

#[derive(Clone)]
pub(super) struct Attachment {
    pub(super) name: String,
    pub(super) kind: &'static str,
    pub(super) bytes: Arc<[u8]>,
}

/// What was sent so far.
#[derive(Default)]
pub(super) struct Attachments {
    recent: VecDeque<Attachment>,
    sent: usize,
}

impl Attachments {
    pub(super) fn next(&mut self, rng: &mut Rng, prose: &Prose) -> Attachment {
        self.sent += 1;
        if !self.recent.is_empty() && rng.u8(..100) < REPEATED {
            return self.recent[rng.usize(..self.recent.len())].clone();
        }
        let attachment = new(rng, prose, self.sent);
        if self.recent.len() == REMEMBERED {
            self.recent.pop_front();
        }
        self.recent.push_back(attachment.clone());
        attachment
    }

    /// Copies of a mail repeat its attachments.
    pub(super) fn count_again(&mut self, attachments: usize, copies: usize) {
        self.sent += attachments * copies;
    }
}

fn new(rng: &mut Rng, prose: &Prose, number: usize) -> Attachment {
    let wanted = (MEDIAN_BYTES.ln() + SPREAD * normal(rng)).exp();
    let len = wanted.clamp(600.0, MAX_BYTES) as usize;
    let (ending, kind, bytes) = match rng.u8(..100) {
        0..50 => (
            "docx",
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            packed(rng, b"PK\x03\x04\x14\x00\x06\x00\x08\x00", len),
        ),
        50..78 => ("png", "image/png", packed(rng, b"\x89PNG\r\n\x1a\n", len)),
        _ => ("csv", "text/csv", table(rng, prose, len)),
    };
    Attachment {
        name: format!("{}-{number}.{ending}", prose.plain_word(rng)),
        kind,
        bytes: bytes.into(),
    }
}

/// What a packer has been over already: nothing finds anything in it.
fn packed(rng: &mut Rng, magic: &[u8], len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    rng.fill(&mut bytes);
    for (byte, magic) in bytes.iter_mut().zip(magic) {
        *byte = *magic;
    }
    bytes
}

fn table(rng: &mut Rng, prose: &Prose, len: usize) -> Vec<u8> {
    let mut text = String::with_capacity(len + 200);
    while text.len() < len {
        let row = format!(
            "{};{};{}.{:02};{};{}\r\n",
            rng.u32(10_000..99_999),
            prose.name(rng),
            rng.u32(..5_000),
            rng.u8(..100),
            ["open", "paid", "late"][rng.usize(..3)],
            prose.title(rng)
        );
        text.push_str(&row);
    }
    text.into_bytes()
}

/// Box and Muller's way from two even numbers to a normal one.
fn normal(rng: &mut Rng) -> f64 {
    let (a, b) = (1.0 - rng.f64(), rng.f64());
    (-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos()
}

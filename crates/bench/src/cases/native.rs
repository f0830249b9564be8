//! The native stream: read, summarised, made compact, made MIME.

use std::hint::black_box;

use fasttransfer::{CompactSink, Compactor, Limits, read_message, summarise, to_mime};

use super::{Named, copy};
use crate::case::Prepared;
use crate::material::{message, stream};

pub(super) const CASES: &[Named] = &[
    ("native-parse", parse),
    ("native-summary", summary),
    ("native-compact", compact),
    ("mime-generation", mime),
];

const ATTACHMENT: usize = 60_000;

fn parse() -> Prepared {
    of_stream(|stream| {
        let parsed = read_message(stream, &Limits::default()).expect("a stream");
        assert!(black_box(parsed).problems.is_empty());
    })
}

fn summary() -> Prepared {
    of_stream(|stream| assert!(!black_box(summarise(stream)).partial))
}

fn compact() -> Prepared {
    of_stream(|stream| {
        let mut kept = Kept::default();
        let mut compactor = Compactor::new();
        compactor.push(stream, &mut kept);
        compactor.finish(&mut kept);
        assert!(kept.0.len() > ATTACHMENT);
    })
}

fn mime() -> Prepared {
    let message = message(ATTACHMENT);
    let bytes = to_mime(&message).len();
    Prepared {
        bytes,
        run: Box::new(move || {
            black_box(to_mime(&message));
        }),
        limit: copy(bytes),
    }
}

fn of_stream(work: fn(&[u8])) -> Prepared {
    let stream = stream(ATTACHMENT);
    let bytes = stream.len();
    Prepared {
        bytes,
        run: Box::new(move || work(&stream)),
        limit: copy(bytes),
    }
}

/// Keeps everything in one place, as a store would.
#[derive(Default)]
struct Kept(Vec<u8>);

impl CompactSink for Kept {
    fn skeleton(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn payload_start(&mut self) {}

    fn payload(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn payload_end(&mut self) {}
}

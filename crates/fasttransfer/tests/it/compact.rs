use fasttransfer::{
    CompactSink, Compactor, Expander, ExternalPayload, Message, MessageEncoder, PropValue, Step,
    WriteOptions, tag, write_message,
};
use proptest::prelude::*;

use crate::arbitrary::{mail, message, noise};

/// Runs an expander right behind the compactor, as a store does, and keeps the parts.
#[derive(Default)]
struct Behind {
    expander: Expander,
    output: Vec<u8>,
    skeleton: Vec<u8>,
    payloads: Vec<Vec<u8>>,
    asked: bool,
}

impl CompactSink for Behind {
    fn skeleton(&mut self, bytes: &[u8]) {
        self.skeleton.extend_from_slice(bytes);
        match self.expander.skeleton(bytes, &mut self.output).unwrap() {
            Step::NeedMore => {}
            Step::Payload { consumed } => {
                assert_eq!(
                    consumed,
                    bytes.len(),
                    "a payload token ends a piece of skeleton"
                );
                self.asked = true;
            }
        }
    }

    fn payload_start(&mut self) {
        assert!(std::mem::take(&mut self.asked), "the payload was announced");
        self.payloads.push(Vec::new());
    }

    fn payload(&mut self, bytes: &[u8]) {
        self.payloads.last_mut().unwrap().extend_from_slice(bytes);
        self.expander.payload(bytes, &mut self.output).unwrap();
    }

    fn payload_end(&mut self) {
        self.expander.payload_end(&mut self.output).unwrap();
    }
}

fn compact(input: &[u8], cuts: &[usize]) -> (Vec<u8>, Vec<Vec<u8>>) {
    let mut behind = Behind::default();
    let mut compactor = Compactor::new();
    let mut rest = input;
    let mut cuts = cuts.iter().cycle();
    while !rest.is_empty() {
        let cut = cuts
            .next()
            .copied()
            .unwrap_or(rest.len())
            .clamp(1, rest.len());
        let (now, later) = rest.split_at(cut);
        compactor.push(now, &mut behind);
        rest = later;
    }
    compactor.finish(&mut behind);
    behind.expander.finish(&mut behind.output).unwrap();
    assert!(behind.output == input, "the output differs from the input");
    (behind.skeleton, behind.payloads)
}

/// Expands from stored parts, the skeleton given in pieces of `step` bytes.
fn expand(skeleton: &[u8], payloads: &[Vec<u8>], step: usize) -> Vec<u8> {
    let mut expander = Expander::new();
    let mut out = Vec::new();
    let mut payloads = payloads.iter();
    for piece in skeleton.chunks(step.max(1)) {
        let mut rest = piece;
        while let Step::Payload { consumed } = expander.skeleton(rest, &mut out).unwrap() {
            rest = &rest[consumed..];
            for part in payloads.next().unwrap().chunks(1000) {
                expander.payload(part, &mut out).unwrap();
            }
            expander.payload_end(&mut out).unwrap();
        }
    }
    assert!(payloads.next().is_none());
    expander.finish(&mut out).unwrap();
    out
}

/// Compacts and expands in several ways, and returns the parts.
#[track_caller]
pub fn check(input: &[u8]) -> (Vec<u8>, Vec<Vec<u8>>) {
    let whole = compact(input, &[]);
    for step in [1, 7, 100_000] {
        assert!(expand(&whole.0, &whole.1, step) == input);
    }
    assert!(
        compact(input, &[1, 3, 1000, 17]) == whole,
        "the parts depend on how the input was cut"
    );
    whole
}

fn options(buffer_len: usize) -> WriteOptions {
    WriteOptions {
        buffer_len,
        ..WriteOptions::default()
    }
}

#[test]
fn nothing_comes_back_as_nothing() {
    let (skeleton, payloads) = check(&[]);
    assert_eq!((skeleton.len(), payloads.len()), (1, 0));
}

#[test]
fn an_attachment_is_one_payload_wherever_the_buffers_fall() {
    for before in [0, 1, 100, 8000, 31_000, 31_500] {
        for size in [8192, 20_000, 31_680, 31_681, 63_360, 100_000, 500_000] {
            let mut message = mail(&[size, size + 1]);
            message.props.set(tag::HTML, noise(3, before));
            let input = write_message(&message, &WriteOptions::default());
            let (_, payloads) = check(&input);
            let data = |i: usize| {
                message.attachments[i]
                    .props
                    .binary(tag::ATTACH_DATA_BINARY)
                    .unwrap()
                    .to_vec()
            };
            assert!(payloads == [data(0), data(1)], "{before} {size}");
        }
    }
}

#[test]
fn a_short_buffer_in_front_does_not_cut_payloads() {
    let message = mail(&[100_000, 100_000]);
    let mut input = write_message(&message, &WriteOptions::default());
    let tail = input.split_off(62);
    input.extend_from_slice(&[2, 0, 0, 0, 8, 0, 0, 0, 3, 0, 0x17, 0, 1, 0, 0, 0]);
    input.extend_from_slice(&tail);
    let (_, payloads) = check(&input);
    assert_eq!(payloads.len(), 2);
}

#[test]
fn small_attachments_stay_in_the_skeleton() {
    let (_, payloads) = check(&write_message(&mail(&[8191]), &WriteOptions::default()));
    assert!(payloads.is_empty());
}

#[test]
fn any_buffer_length_round_trips() {
    for buffer_len in [
        512,
        513,
        1000,
        8192,
        31_679,
        31_681,
        65_535,
        65_536,
        65_537,
        1 << 20,
    ] {
        let input = write_message(&mail(&[300_000, 9000, 70_000]), &options(buffer_len));
        check(&input);
    }
}

#[test]
fn every_truncation_round_trips() {
    let input = write_message(&mail(&[9000, 40_000]), &options(4096));
    for end in (0..400).chain((400..input.len()).step_by(61)) {
        let (skeleton, payloads) = compact(&input[..end], &[]);
        assert!(expand(&skeleton, &payloads, 50) == input[..end]);
    }
    for start in (0..input.len()).step_by(4104).chain([62, 62 + 4104]) {
        for end in start..(start + 40).min(input.len()) {
            compact(&input[..end], &[]);
        }
    }
}

#[test]
fn long_and_broken_strings_round_trip() {
    let long = "\u{1F600} a \u{e9} ".repeat(40_000);
    let mut message = mail(&[]);
    message.props.set(tag::BODY, long);
    let input = write_message(&message, &WriteOptions::default());
    let (skeleton, _) = check(&input);
    assert!(skeleton.len() * 4 < input.len() * 3);
    // A lone surrogate in a short string, in one that pushes cut or do not, and in a long one.
    for repeats in [1, 1_000, 10_000] {
        let text = "abcdefgh".repeat(repeats);
        message.props.set(tag::BODY, text);
        let mut input = write_message(&message, &WriteOptions::default());
        let at = input.windows(4).position(|w| w == b"g\0h\0").unwrap();
        input[at + 1] = 0xD8;
        check(&input);
    }
}

#[test]
fn a_record_in_the_middle_round_trips() {
    let mut input = write_message(&mail(&[20_000]), &options(1024));
    let tail = input.split_off(62 + 1032 * 3);
    for record in [
        [9u8, 0, 0, 0, 0, 0, 0, 0],
        [2, 0, 0, 0, 0, 0, 0, 0],
        [255; 8],
    ] {
        let mut input = input.clone();
        input.extend_from_slice(&record);
        input.extend_from_slice(&tail);
        check(&input);
    }
}

#[test]
fn the_skeleton_of_a_mail_is_half_its_stream() {
    let input = write_message(&mail(&[]), &WriteOptions::default());
    let (skeleton, _) = check(&input);
    assert!(
        skeleton.len() * 10 < input.len() * 6,
        "{} of {}",
        skeleton.len(),
        input.len()
    );
}

#[test]
fn forged_skeletons_are_refused_without_panic() {
    let input = write_message(&mail(&[40_000]), &WriteOptions::default());
    let (skeleton, payloads) = compact(&input, &[]);
    for at in 0..skeleton.len().min(3000) {
        let mut forged = skeleton.clone();
        forged[at] ^= 1 << (at % 8);
        let mut expander = Expander::new();
        let mut out = Vec::new();
        let mut rest = forged.as_slice();
        while let Ok(Step::Payload { consumed }) = expander.skeleton(rest, &mut out) {
            rest = &rest[consumed..];
            let _ = expander.payload(&payloads[0], &mut out);
            let _ = expander.payload_end(&mut out);
        }
        let _ = expander.finish(&mut out);
    }
}

/// Changes a stream here and there.
fn damage(mut input: Vec<u8>, damages: &[(usize, u8)]) -> Vec<u8> {
    if !input.is_empty() {
        for (at, byte) in damages {
            let at = at % input.len();
            input[at] = *byte;
        }
    }
    input
}

fn write(message: &Message, buffer_len: usize) -> Vec<u8> {
    write_message(message, &options(buffer_len))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn garbage_round_trips(
        input in proptest::collection::vec(any::<u8>(), 0..2000),
        cuts in proptest::collection::vec(1usize..300, 1..8),
    ) {
        prop_assert!(compact(&input, &cuts) == compact(&input, &[]));
    }

    #[test]
    fn garbage_inside_a_buffer_round_trips(
        body in proptest::collection::vec(any::<u8>(), 0..2000),
        claimed in 1u32..3000,
        cuts in proptest::collection::vec(1usize..300, 1..8),
    ) {
        let mut input = write(&Message::default(), 512)[..62].to_vec();
        input.extend_from_slice(&2u32.to_le_bytes());
        input.extend_from_slice(&claimed.to_le_bytes());
        input.extend_from_slice(&body);
        prop_assert!(compact(&input, &cuts) == compact(&input, &[]));
    }

    #[test]
    fn messages_round_trip_however_they_are_cut(
        message in message(),
        buffer_len in prop_oneof![512usize..2000, Just(8192), Just(31_680)],
        cuts in proptest::collection::vec(1usize..5000, 1..8),
        step in 1usize..500,
    ) {
        let input = write(&message, buffer_len);
        let parts = compact(&input, &cuts);
        prop_assert!(expand(&parts.0, &parts.1, step) == input);
    }

    #[test]
    fn damaged_and_truncated_messages_round_trip(
        message in message(),
        buffer_len in 512usize..40_000,
        damages in proptest::collection::vec((any::<usize>(), any::<u8>()), 0..6),
        end in 0.0..1.0f64,
        cuts in proptest::collection::vec(1usize..5000, 1..8),
    ) {
        let mut input = damage(write(&message, buffer_len), &damages);
        input.truncate((input.len() as f64 * end) as usize);
        let parts = compact(&input, &cuts);
        prop_assert!(expand(&parts.0, &parts.1, 1000) == input);
    }

    #[test]
    fn uneven_buffers_round_trip(
        size in 8192usize..200_000,
        lens in proptest::collection::vec(1usize..40_000, 1..20),
        end in 0.0..1.0f64,
    ) {
        // The stream of one buffer, cut again at arbitrary places.
        let whole = write(&mail(&[size, 10_000]), 1 << 24);
        let stream = &whole[70..];
        let mut input = whole[..62].to_vec();
        let mut rest = stream;
        let mut lens = lens.iter().cycle();
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(*lens.next().unwrap()));
            input.extend_from_slice(&2u32.to_le_bytes());
            input.extend_from_slice(&(now.len() as u32).to_le_bytes());
            input.extend_from_slice(now);
            rest = later;
        }
        let kept = (input.len() as f64 * end) as usize;
        compact(&input, &[]);
        compact(&input[..kept], &[1000]);
    }
}

/// Expands behind the compactor and keeps nothing but what has not been compared yet.
#[derive(Default)]
struct Constant {
    expander: Expander,
    output: Vec<u8>,
    payload_bytes: usize,
    payloads: usize,
}

impl CompactSink for Constant {
    fn skeleton(&mut self, bytes: &[u8]) {
        assert!(bytes.len() < 200_000);
        self.expander.skeleton(bytes, &mut self.output).unwrap();
    }

    fn payload_start(&mut self) {
        self.payloads += 1;
    }

    fn payload(&mut self, bytes: &[u8]) {
        self.payload_bytes += bytes.len();
        self.expander.payload(bytes, &mut self.output).unwrap();
    }

    fn payload_end(&mut self) {
        self.expander.payload_end(&mut self.output).unwrap();
    }
}

#[test]
fn a_large_attachment_passes_through_without_being_held() {
    const LEN: u32 = 150_000_000;
    let payload = ExternalPayload {
        attachment: 0,
        len: LEN,
    };
    let message = mail(&[0]);
    let mut encoder = MessageEncoder::with_payloads(&message, &options(31_680), &[payload]);
    let mut sink = Constant::default();
    let mut compactor = Compactor::new();
    let mut input: Vec<u8> = Vec::new();
    while let Some(frame) = encoder.next_frame(&mut |_, offset, buffer| {
        buffer.fill((offset / 31_680) as u8);
    }) {
        compactor.push(&frame, &mut sink);
        input.extend_from_slice(&frame);
        let done = sink.output.len();
        assert!(sink.output == input[..done]);
        sink.output.clear();
        input.drain(..done);
        assert!(input.len() < 100_000, "the output lags behind");
    }
    compactor.finish(&mut sink);
    sink.expander.finish(&mut sink.output).unwrap();
    assert!(sink.output == input);
    assert_eq!((sink.payloads, sink.payload_bytes), (1, LEN as usize));
}

#[test]
fn a_payload_object_is_a_payload_too() {
    let mut message = mail(&[1]);
    message.attachments[0].props.set(
        tag::ATTACH_DATA_BINARY,
        PropValue::Object(noise(1, 9000).into()),
    );
    let (_, payloads) = check(&write_message(&message, &WriteOptions::default()));
    assert_eq!(payloads.len(), 1);
}

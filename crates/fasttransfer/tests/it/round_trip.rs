use fasttransfer::{
    ExternalPayload, Limits, Message, MessageEncoder, MessageReader, WriteOptions, encoded_len,
    read_message, tag, write_message, write_message_to,
};
use proptest::prelude::*;

use crate::arbitrary::{mail, message, noise, sorted};

fn options(buffer_len: usize) -> WriteOptions {
    WriteOptions {
        buffer_len,
        ..WriteOptions::default()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn what_is_written_is_read_back(message in message(), buffer_len in 512usize..40_000) {
        let options = options(buffer_len);
        let data = write_message(&message, &options);
        prop_assert_eq!(encoded_len(&message, &options), data.len() as u64);
        let parsed = read_message(&data, &Limits::default()).unwrap();
        prop_assert_eq!(&parsed.problems, &[]);
        prop_assert_eq!(parsed.version, Some(options.version));
        prop_assert_eq!(sorted(&parsed.message), sorted(&message));
        // And again: the stream of what was read is the same stream.
        prop_assert!(write_message(&parsed.message, &options) == data);
        let mut streamed = Vec::new();
        write_message_to(&message, &options, &mut streamed).unwrap();
        prop_assert!(streamed == data);
    }

    #[test]
    fn a_reader_fed_in_pieces_reads_the_same(message in message(), step in 1usize..100) {
        let data = write_message(&message, &options(600));
        let mut reader = MessageReader::new(&Limits::default());
        data.chunks(step).for_each(|piece| reader.feed(piece));
        let whole = read_message(&data, &Limits::default()).unwrap();
        prop_assert_eq!(reader.finish().unwrap(), whole);
    }
}

#[test]
fn an_empty_message_ends_like_genuine_ones() {
    let data = write_message(&Message::default(), &WriteOptions::default());
    assert_eq!(data.len(), 62 + 8 + 16);
    let end = [
        0x03, 0x00, 0x16, 0x40, 0x0d, 0x00, 0x12, 0x0e, 0x03, 0x00, 0x16, 0x40, 0x0d, 0x00, 0x13,
        0x0e,
    ];
    assert_eq!(&data[70..], end);
    assert!(data.starts_with(&[1, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]));
}

#[test]
fn payloads_made_on_the_way_equal_payloads_in_memory() {
    let data = noise(9, 200_000);
    let mut whole = mail(&[10, 200_000]);
    let props = &mut whole.attachments[1].props;
    props.remove(tag::ATTACH_DATA_BINARY);
    let without = whole.clone();
    whole.attachments[1]
        .props
        .set(tag::ATTACH_DATA_BINARY, data.clone());
    let payload = ExternalPayload {
        attachment: 1,
        len: 200_000,
    };
    let options = WriteOptions::default();
    let mut encoder = MessageEncoder::with_payloads(&without, &options, &[payload]);
    let mut streamed = Vec::new();
    let announced = encoder.encoded_len();
    while let Some(frame) = encoder.next_frame(&mut |attachment, offset, buffer| {
        assert_eq!(attachment, 1);
        let offset = usize::try_from(offset).unwrap();
        buffer.copy_from_slice(&data[offset..offset + buffer.len()]);
    }) {
        assert!(frame.len() <= 62 + 8 + 31_680);
        streamed.extend_from_slice(&frame);
    }
    assert_eq!(announced, streamed.len() as u64);
    assert!(streamed == write_message(&whole, &options));
}

#[test]
fn file_times_and_timestamps_convert_both_ways() {
    let time: jiff::Timestamp = "2010-03-29T12:34:04Z".parse().unwrap();
    let file_time = fasttransfer::FileTime::from_timestamp(time);
    assert_eq!(file_time.0, 129_143_396_440_000_000);
    assert_eq!(file_time.to_timestamp(), Some(time));
    assert_eq!(fasttransfer::FileTime(u64::MAX).to_timestamp(), None);
    assert_eq!(
        fasttransfer::FileTime(0).to_timestamp(),
        Some("1601-01-01T00:00:00Z".parse().unwrap())
    );
}

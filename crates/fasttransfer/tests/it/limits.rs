use fasttransfer::{
    Attachment, ErrorKind, Limits, Message, Problem, WriteOptions, read_message, tag, write_message,
};
use proptest::prelude::*;

use crate::arbitrary::{mail, message};

fn nested(depth: usize) -> Message {
    let mut message = Message::default();
    for level in 0..depth {
        let mut outer = Message::default();
        outer.props.set(tag::SUBJECT, format!("level {level}"));
        outer.attachments.push(Attachment {
            embedded: Some(Box::new(message)),
            ..Attachment::default()
        });
        message = outer;
    }
    message
}

#[test]
fn deep_embedding_ends_at_the_limit_and_keeps_what_was_read() {
    let data = write_message(&nested(40), &WriteOptions::default());
    let parsed = read_message(&data, &Limits::default()).unwrap();
    assert_eq!(parsed.problems, [Problem::LimitReached("depth")]);
    assert_eq!(parsed.message.props.str(tag::SUBJECT), Some("level 39"));
    let limits = Limits {
        depth: 40,
        ..Limits::default()
    };
    assert_eq!(read_message(&data, &limits).unwrap().problems, []);
}

#[test]
fn large_values_end_at_the_limit() {
    let data = write_message(&mail(&[100_000]), &WriteOptions::default());
    let limits = Limits {
        value_bytes: 50_000,
        ..Limits::default()
    };
    let parsed = read_message(&data, &limits).unwrap();
    assert_eq!(parsed.problems, [Problem::LimitReached("value bytes")]);
    assert!(parsed.message.props.contains(tag::SUBJECT));
}

#[test]
fn a_huge_announced_value_allocates_nothing() {
    let mut data = write_message(&Message::default(), &WriteOptions::default());
    data.truncate(62);
    data.extend_from_slice(&[2, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF]);
    data.extend_from_slice(&[0x02, 0x11, 0x13, 0x10, 0xFF, 0xFF, 0xFF, 0xFF]);
    data.extend_from_slice(&[0xFF, 0xFF, 0xFF, 0xFF, 1, 2, 3]);
    let parsed = read_message(&data, &Limits::default()).unwrap();
    assert_eq!(parsed.problems, [Problem::Truncated]);
}

#[test]
fn many_properties_in_one_object_end_at_the_limit() {
    let properties = (1..9000u16).map(|id| fasttransfer::Property {
        id: id.into(),
        value: 1.into(),
    });
    let message = Message {
        props: properties.collect(),
        ..Message::default()
    };
    let data = write_message(&message, &WriteOptions::default());
    let parsed = read_message(&data, &Limits::default()).unwrap();
    assert_eq!(
        parsed.problems,
        [Problem::LimitReached("properties of one object")]
    );
}

#[test]
fn what_is_no_stream_is_refused() {
    for data in [&b""[..], b"=== Truncated Data ===", &[0; 100]] {
        let error = read_message(data, &Limits::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }
}

#[test]
fn an_unknown_record_is_skipped_and_reported() {
    let mut data = write_message(&mail(&[10]), &WriteOptions::default());
    let tail = data.split_off(62);
    data.extend_from_slice(&[12, 0, 0, 0, 2, 0, 0, 0, 5, 6]);
    data.extend_from_slice(&tail);
    let parsed = read_message(&data, &Limits::default()).unwrap();
    assert_eq!(parsed.problems, [Problem::UnknownRecord { opcode: 12 }]);
    assert_eq!(parsed.message.attachments.len(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn damaged_streams_never_panic(
        message in message(),
        damages in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..8),
    ) {
        let mut data = write_message(&message, &WriteOptions::default());
        for (at, byte) in damages {
            let at = at % data.len();
            data[at] = byte;
        }
        let _ = read_message(&data, &Limits::default());
    }
}

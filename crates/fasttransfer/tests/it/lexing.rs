use fasttransfer::{Deframer, FrameEvent, Lexer, LexerStop, Message, WriteOptions, write_message};
use proptest::prelude::*;

use crate::arbitrary::message;

/// The deframed stream.
fn stream(message: &Message) -> Vec<u8> {
    let data = write_message(message, &WriteOptions::default());
    let mut out = Vec::new();
    let mut deframer = Deframer::new();
    let taken = deframer.feed(&data, &mut |event: FrameEvent<'_>| {
        if let FrameEvent::Stream(bytes) = event {
            out.extend_from_slice(bytes);
        }
    });
    assert_eq!(taken, data.len());
    assert!(deframer.at_boundary());
    out
}

/// What the lexer says, pieces of values joined.
fn events(stream: &[u8], step: usize) -> (Vec<String>, Option<LexerStop>, Vec<u8>) {
    let mut lexer = Lexer::new();
    let mut events: Vec<String> = Vec::new();
    for piece in stream.chunks(step.max(1)) {
        lexer.feed(piece, &mut |event: fasttransfer::Event<'_>| {
            if let fasttransfer::Event::Bytes(bytes) = event {
                let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
                match events.last_mut() {
                    Some(last) if last.starts_with("bytes ") => last.push_str(&hex),
                    _ => events.push(format!("bytes {hex}")),
                }
            } else {
                events.push(format!("{event:?}"));
            }
        });
    }
    (events, lexer.stopped(), lexer.pending().to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_lexer_fed_bytewise_equals_one_fed_whole(message in message()) {
        let stream = stream(&message);
        let whole = events(&stream, stream.len());
        prop_assert_eq!(whole.1, None);
        prop_assert!(whole.2.is_empty());
        prop_assert!(events(&stream, 1) == whole);
        prop_assert!(events(&stream, 13) == whole);
    }

    #[test]
    fn garbage_is_lexed_the_same_bytewise(stream in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(events(&stream, 1) == events(&stream, stream.len()));
    }
}

#[test]
fn an_unknown_type_stops_the_lexer_and_nothing_is_lost() {
    let mut stream = stream(&Message::default());
    let good = stream.len();
    stream.extend_from_slice(&[0x34, 0x12, 0x37, 0x00, 1, 2, 3]);
    let (_, stop, pending) = events(&stream, 3);
    assert_eq!(
        stop,
        Some(LexerStop::UnknownType {
            property_type: 0x1234,
            wire_id: 0x37
        })
    );
    assert_eq!(pending, stream[good..good + 4]);
}

#[test]
fn an_overlong_name_stops_the_lexer() {
    let mut stream = vec![0x03, 0x00, 0x01, 0x80];
    stream.extend_from_slice(&[7; 16]);
    stream.push(1);
    stream.extend_from_slice(&[b'a', 0].repeat(600));
    assert_eq!(events(&stream, 10).1, Some(LexerStop::NameTooLong));
    stream[20] = 9;
    assert_eq!(events(&stream, 10).1, Some(LexerStop::BadNameKind(9)));
}

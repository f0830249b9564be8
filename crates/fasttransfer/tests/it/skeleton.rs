use fasttransfer::mime_skeleton::{SkeletonBuilder, decode_text, expand};
use fasttransfer::{
    Attachment, ErrorKind, Message, Transfer, strip_base64, strip_quoted_printable, tag, to_mime,
};
use proptest::prelude::*;

use crate::arbitrary::noise;

const LIMIT: u64 = 1 << 24;

fn base64(bytes: &[u8], width: usize, eol: &str) -> String {
    let text = base64_simd::STANDARD.encode_to_string(bytes);
    let lines: Vec<&str> = text
        .as_bytes()
        .chunks(width)
        .map(|line| str::from_utf8(line).unwrap())
        .collect();
    lines.join(eol)
}

#[track_caller]
fn check_base64(raw: &[u8], decoded: &[u8]) {
    let (bytes, layout) = strip_base64(raw).expect("reproducible");
    assert!(bytes == decoded);
    assert!(layout.reencode(&bytes).unwrap() == raw);
    assert_eq!(layout.reencode(&noise(1, decoded.len() + 30)), None);
}

#[test]
fn base64_of_many_shapes_comes_back() {
    for len in [1, 2, 3, 56, 57, 58, 1000] {
        let bytes = noise(len as u64, len);
        for width in [4, 60, 76, 1000] {
            for eol in ["\r\n", "\n"] {
                for tail in ["", eol, &eol.repeat(3)] {
                    let raw = base64(&bytes, width, eol) + tail;
                    check_base64(raw.as_bytes(), &bytes);
                }
            }
        }
    }
}

#[test]
fn base64_without_padding_and_with_ragged_lines_comes_back() {
    check_base64(b"QQ", b"A");
    check_base64(b"QUJD\r\n\r\nREVG\r\nR\r\n0g=\r\n", b"ABCDEFGH");
    check_base64(b"\r\nQUJD", b"ABC");
}

#[test]
fn what_is_no_clean_base64_is_left_alone() {
    for raw in ["QUJD!", "QUJD\r\nREVG\nR0hJ", "QQ==QQ==", "QR==", "QU JD"] {
        assert!(strip_base64(raw.as_bytes()).is_none(), "{raw}");
    }
    let (bytes, transfer) = Transfer::strip(b"QU JD", "Base64");
    assert_eq!((bytes.as_slice(), transfer), (&b"QU JD"[..], Transfer::Raw));
}

#[test]
fn quoted_printable_of_several_writers_comes_back() {
    for raw in [
        "Stra=C3=9Fe =\r\nund weiter=20\r\n",
        "Stra=c3=9fe =\nund weiter=20\n",
        "=46rom here, a=3Db, ends soft=\r\n",
        "no escapes at all",
        "",
        "=\r\n=\r\n",
    ] {
        let (bytes, layout) = strip_quoted_printable(raw.as_bytes()).expect(raw);
        assert_eq!(layout.reencode(&bytes).unwrap(), raw.as_bytes());
    }
    let (bytes, _) = strip_quoted_printable(b"Stra=C3=9Fe=\r\n!").unwrap();
    assert_eq!(bytes, "Stra\u{df}e!".as_bytes());
    for raw in ["a=G1", "a=\t\r\nb", "a=3d=3D", "a=\r\nb=\nc", "x="] {
        assert!(strip_quoted_printable(raw.as_bytes()).is_none(), "{raw}");
    }
}

#[test]
fn text_is_decoded_only_when_it_can_be_encoded_again() {
    assert_eq!(
        decode_text(b"stra\xdfe", "iso-8859-1").as_deref(),
        Some("stra\u{df}e")
    );
    assert_eq!(decode_text(b"plain", "us-ascii").as_deref(), Some("plain"));
    assert_eq!(decode_text(b"\xff\xfe", "utf-8"), None);
    assert_eq!(decode_text(b"a\0b", "utf-8"), None);
    assert_eq!(decode_text(b"a\0", "utf-16le"), None);
    assert_eq!(decode_text(b"x", "x-unknown"), None);
}

/// A MIME message with every kind of part, taken apart by hand.
fn taken_apart() -> (Message, String) {
    let headers = "From: a@example.test\r\nSubject: x\r\n\r\n";
    let text = "Gr=C3=BC=C3=9Fe\r\n";
    let html = "PGI+aGk8L2I+";
    let file = noise(5, 10_000);
    let encoded = base64(&file, 76, "\r\n");
    let inner = "Subject: inner\n\nbody\n";
    let raw =
        format!("{headers}--b\r\n{text}--b\r\n{html}\r\n--b\r\n{encoded}\r\n--b\r\n{inner}--b--");

    let mut embedded = Message::default();
    let mut builder = SkeletonBuilder::new();
    builder.literal(inner.as_bytes());
    embedded
        .props
        .set(tag::MIME_SKELETON, builder.finish(inner.as_bytes()));

    let mut message = Message::default();
    let (text_bytes, text_transfer) = Transfer::strip(text.as_bytes(), "Quoted-Printable");
    let (html_bytes, html_transfer) = Transfer::strip(html.as_bytes(), " base64 ");
    let (file_bytes, file_transfer) = Transfer::strip(encoded.as_bytes(), "BASE64");
    message.props.set(tag::TRANSPORT_MESSAGE_HEADERS, headers);
    message
        .props
        .set(tag::BODY, decode_text(&text_bytes, "utf-8").unwrap());
    message.props.set(tag::HTML, html_bytes);
    let mut attachment = Attachment::default();
    attachment.props.set(tag::ATTACH_DATA_BINARY, file_bytes);
    message.attachments.push(attachment);
    message.attachments.push(Attachment {
        embedded: Some(Box::new(embedded)),
        ..Attachment::default()
    });
    let mut builder = SkeletonBuilder::new();
    builder
        .transport_headers()
        .literal(b"--b\r\n")
        .body_text("utf-8", &text_transfer)
        .literal(b"--b\r\n")
        .body_html(&html_transfer)
        .literal(b"\r\n--b")
        .literal(b"\r\n")
        .attachment(0, &file_transfer)
        .literal(b"\r\n--b\r\n")
        .embedded(1, &Transfer::Raw)
        .literal(b"--b--");
    let skeleton = builder.finish(raw.as_bytes());
    assert!(skeleton.len() < 300, "{}", skeleton.len());
    message.props.set(tag::MIME_SKELETON, skeleton);
    (message, raw)
}

#[test]
fn a_message_taken_apart_comes_back() {
    let (message, raw) = taken_apart();
    assert_eq!(message.props.str(tag::BODY), Some("Gr\u{fc}\u{df}e\r\n"));
    assert!(expand(&message, LIMIT).unwrap().unwrap() == raw.as_bytes());
    assert!(to_mime(&message) == raw.as_bytes());
}

#[test]
fn an_edited_message_is_noticed_and_generated() {
    let (mut message, _) = taken_apart();
    message.props.set(tag::BODY, "changed");
    let error = expand(&message, LIMIT).unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    let mime = String::from_utf8(to_mime(&message)).unwrap();
    assert!(mime.contains("changed"));
}

#[test]
fn skeletons_obey_the_length_limit_and_foreign_values_are_not_skeletons() {
    let (mut message, raw) = taken_apart();
    let error = expand(&message, raw.len() as u64 - 1).unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit);
    message
        .props
        .set(tag::MIME_SKELETON, b"something else".to_vec());
    assert!(expand(&message, LIMIT).is_none());
}

#[test]
fn repeated_mentions_do_not_grow_exponentially() {
    let mut message = Message::default();
    let empty = SkeletonBuilder::new().finish(b"");
    message.props.set(tag::MIME_SKELETON, empty);
    for _ in 0..20 {
        let mut outer = Message::default();
        outer.attachments.push(Attachment {
            embedded: Some(Box::new(message)),
            ..Attachment::default()
        });
        let mut builder = SkeletonBuilder::new();
        for _ in 0..100 {
            builder.embedded(0, &Transfer::Raw);
        }
        outer.props.set(tag::MIME_SKELETON, builder.finish(b""));
        message = outer;
    }
    let error = expand(&message, 1 << 16).unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn whatever_is_stripped_comes_back(raw in "[A-Za-z0-9+/=\r\n \t\u{e9}-]{0,200}") {
        for encoding in ["base64", "quoted-printable", "8bit"] {
            let (bytes, transfer) = Transfer::strip(raw.as_bytes(), encoding);
            prop_assert_eq!(transfer.apply(&bytes).unwrap(), raw.as_bytes());
        }
    }

    #[test]
    fn damaged_skeletons_never_panic(at in 0usize..300, byte in any::<u8>(), cut in 0usize..300) {
        let (mut message, _) = taken_apart();
        let mut skeleton = message.props.binary(tag::MIME_SKELETON).unwrap().to_vec();
        let at = at % skeleton.len();
        skeleton[at] = byte;
        skeleton.truncate(skeleton.len().saturating_sub(cut % 40));
        message.props.set(tag::MIME_SKELETON, skeleton);
        let _ = expand(&message, LIMIT);
    }
}

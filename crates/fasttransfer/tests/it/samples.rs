use std::path::PathBuf;

use fasttransfer::{Limits, Parsed, Problem, PropValue, read_message, tag};

/// The shared samples, or `None` (said aloud) where they are absent outside CI.
pub fn shared(folder: &str) -> Option<PathBuf> {
    let root = std::env::var_os("POSTKEEP_SHARED").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    );
    let path = root.join(folder);
    if path.is_dir() {
        return Some(path);
    }
    assert!(
        std::env::var_os("CI").is_none(),
        "the shared samples are missing"
    );
    println!("skipped: no {}", path.display());
    None
}

fn sample(name: &str) -> Option<Vec<u8>> {
    let path = shared("ews/export-streams")?.join(name);
    Some(std::fs::read(path).unwrap())
}

fn parse(name: &str) -> Option<Parsed> {
    Some(read_message(&sample(name)?, &Limits::default()).unwrap())
}

#[test]
fn every_sample_is_read_without_panic() {
    let Some(folder) = shared("ews/export-streams") else {
        return;
    };
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "bin") {
            let data = std::fs::read(&path).unwrap();
            let parsed = read_message(&data, &Limits::default()).unwrap();
            // All of them were cut short for the documentation.
            assert!(!parsed.problems.is_empty(), "{}", path.display());
            count += 1;
        }
    }
    assert_eq!(count, 10);
}

#[test]
fn the_longest_2010_piece_gives_its_properties() {
    let Some(parsed) = parse("04.ExportItems-004.response.bin") else {
        return;
    };
    assert_eq!(parsed.version, Some([0x0E01, 0x8000 | 139, 0]));
    assert_eq!(parsed.problems, [Problem::Truncated]);
    let props = &parsed.message.props;
    assert_eq!(props.i32(tag::IMPORTANCE), Some(1));
    assert_eq!(props.str(tag::MESSAGE_CLASS), Some("IPM.Note"));
    assert_eq!(props.boolean(0x0023), Some(false));
    assert_eq!(props.str(tag::SUBJECT), Some("Interesting - from EWSMA"));
    assert_eq!(
        props.time(tag::CLIENT_SUBMIT_TIME).unwrap().0,
        129_145_436_440_000_000
    );
    let key = props.binary(tag::SENT_REPRESENTING_SEARCH_KEY).unwrap();
    assert_eq!(key.len(), 101);
    assert!(key.starts_with(b"EX:/O=FIRST ORGANIZATION/"));
    assert_eq!(props.get(0x003D), Some(&PropValue::Unicode(String::new())));
    assert!(!props.contains(0x4008), "the DN prefix is no property");
}

#[test]
fn the_uploads_and_the_online_pieces_give_their_properties() {
    let (Some(seven), Some(nine), Some(ten)) = (
        parse("07.UploadItems-002.request.bin"),
        parse("09.exo-graph-importItem.bin"),
        parse("10.exo-graph-exportItems.bin"),
    ) else {
        return;
    };
    assert_eq!(seven.message.props.i32(tag::PRIORITY), Some(0));
    assert_eq!(seven.message.props.i32(tag::SENSITIVITY), Some(0));
    assert_eq!(nine.version, Some([0x0F14, 0x8000 | 4566, 6022]));
    assert_eq!(nine.message.props.i32(tag::IMPORTANCE), Some(1));
    assert_eq!(ten.version.unwrap()[0], 0x0F14);
    assert_eq!(ten.problems, [Problem::Truncated]);
}

#[test]
fn the_tail_pieces_stop_with_a_reason() {
    for name in [
        "01.ExportItems-002.response.bin",
        "03.ExportItems-004.response.bin",
    ] {
        let Some(parsed) = parse(name) else {
            return;
        };
        assert!(
            matches!(parsed.problems[..], [Problem::BadFraming(_)]),
            "{name}: {:?}",
            parsed.problems
        );
    }
}

/// Piece 03 lost its middle, but its tail is a genuine embedded message: put behind a prologue
/// and made the inside of an attachment, it must read.
#[test]
fn the_genuine_embedded_message_is_read() {
    let Some(data) = sample("03.ExportItems-004.response.bin") else {
        return;
    };
    let (Some(online), start) = (
        sample("09.exo-graph-importItem.bin"),
        data.windows(8)
            .position(|w| w == [0x03, 0x00, 0x16, 0x40, 0x0d, 0x00, 0x13, 0x0e]),
    ) else {
        return;
    };
    let tail = &data[start.unwrap()..];
    let mut framed = online[..62].to_vec();
    framed.extend_from_slice(&2u32.to_le_bytes());
    framed.extend_from_slice(&(tail.len() as u32).to_le_bytes());
    framed.extend_from_slice(tail);
    let parsed = read_message(&framed, &Limits::default()).unwrap();
    let attachment = &parsed.message.attachments[0];
    assert_eq!(attachment.props.i32(tag::ATTACH_METHOD), Some(5));
    assert_eq!(
        attachment.props.str(tag::ATTACH_MIME_TAG),
        Some("message/rfc822")
    );
    let embedded = attachment.embedded.as_ref().unwrap();
    assert_eq!(embedded.props.str(tag::MESSAGE_CLASS), Some("IPM.Note"));
    assert_eq!(embedded.props.str(tag::SUBJECT), Some("Most fascinating"));
}

#[test]
fn every_sample_survives_the_compact_form() {
    let Some(folder) = shared("ews/export-streams") else {
        return;
    };
    for entry in std::fs::read_dir(folder).unwrap() {
        crate::compact::check(&std::fs::read(entry.unwrap().path()).unwrap());
    }
}

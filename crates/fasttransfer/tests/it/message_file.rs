use std::io::{Cursor, Read as _};

use bytes::Bytes;
use cfb::CompoundFile;
use fasttransfer::{
    Attachment, FileTime, Guid, Message, PropValue, PropertyBag, guid, named, tag, to_json, to_msg,
};

type File = CompoundFile<Cursor<Vec<u8>>>;

fn open(message: &Message) -> File {
    let bytes = to_msg(message).unwrap();
    assert_eq!(
        bytes,
        to_msg(message).unwrap(),
        "the same item gives the same file"
    );
    CompoundFile::open_strict(Cursor::new(bytes)).unwrap()
}

fn stream(file: &mut File, path: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut stream = file
        .open_stream(path)
        .unwrap_or_else(|_| panic!("no stream {path}"));
    stream.read_to_end(&mut bytes).unwrap();
    bytes
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// The value of a property in a property stream behind a header.
fn fixed(properties: &[u8], header: usize, wanted: u32) -> Option<[u8; 8]> {
    properties[header..].chunks_exact(16).find_map(|entry| {
        let found = u32::from_le_bytes(entry[..4].try_into().unwrap());
        (found == wanted).then(|| entry[8..].try_into().unwrap())
    })
}

/// A message with a property of every type, recipients, a file and a message attached.
fn full() -> Message {
    let mut message = Message::default();
    let props = &mut message.props;
    props.set(tag::MESSAGE_CLASS, "IPM.Note");
    props.set(tag::SUBJECT_PREFIX, "Re: ");
    props.set(tag::NORMALIZED_SUBJECT, "Gr\u{fc}\u{df}e");
    let code_page = 1251;
    props.set(
        tag::BODY,
        PropValue::String8 {
            code_page,
            bytes: Bytes::from_static(&[0xCF, 0xF0]),
        },
    );
    props.set(0x6601, PropValue::Int16(-2));
    props.set(0x6602, PropValue::Int32(-3));
    props.set(0x6603, PropValue::Float(1.5));
    props.set(0x6604, PropValue::Double(f64::NAN));
    props.set(0x6605, PropValue::Currency(i64::MIN));
    props.set(0x6606, PropValue::AppTime(2.25));
    props.set(0x6607, PropValue::Boolean(true));
    props.set(0x6608, PropValue::Int64(i64::MAX));
    props.set(0x6609, PropValue::Time(FileTime(133_500_000_000_000_001)));
    props.set(0x660A, PropValue::Guid(Guid([7; 16])));
    props.set(0x660B, PropValue::Binary(Bytes::from_static(b"binary")));
    props.set(0x660C, PropValue::MultiInt32(vec![1, -1]));
    props.set(
        0x660D,
        PropValue::MultiBinary(vec![Bytes::from_static(b"a"), Bytes::new()]),
    );
    props.set(0x660E, PropValue::MultiGuid(vec![Guid([8; 16])]));
    props.set(0x660F, PropValue::ServerId(Bytes::from_static(b"id")));
    props.set(0x6610, PropValue::Error(5));
    props.set(
        named::keywords(),
        PropValue::MultiUnicode(vec!["one".into(), "\u{4e8c}".into()]),
    );
    props.set(named::LOCATION, "Room 1");
    props.set(named::internet_header("X-Test"), "yes");
    let mut recipient = PropertyBag::new();
    recipient.set(tag::DISPLAY_NAME, "Eva");
    recipient.set(tag::SMTP_ADDRESS, "eva@example.test");
    message.recipients = vec![recipient];
    let mut inner = Message::default();
    inner.props.set(tag::SUBJECT, "inside");
    inner.props.set(named::LOCATION, "Room 2");
    inner.props.set(named::REMINDER_SET, true);
    let mut file = PropertyBag::new();
    file.set(
        tag::ATTACH_DATA_BINARY,
        PropValue::Binary(Bytes::from(vec![9; 9000])),
    );
    message.attachments = vec![
        Attachment {
            props: file,
            embedded: None,
        },
        Attachment {
            props: PropertyBag::new(),
            embedded: Some(Box::new(inner)),
        },
    ];
    message
}

#[test]
fn every_property_stands_where_the_format_has_it() {
    let mut file = open(&full());
    let clsid = file.root_entry().clsid().to_string();
    assert_eq!(clsid, "00020d0b-0000-0000-c000-000000000046");
    let properties = stream(&mut file, "/__properties_version1.0");
    assert_eq!(
        properties[8..24],
        [1, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0]
    );
    let check = |wanted: u32, expected: [u8; 8]| {
        assert_eq!(
            fixed(&properties, 32, wanted),
            Some(expected),
            "{wanted:08x}"
        );
    };
    check(0x6601_0002, [0xFE, 0xFF, 0, 0, 0, 0, 0, 0]);
    check(0x6602_0003, [0xFD, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0]);
    check(0x6603_0004, [0, 0, 0xC0, 0x3F, 0, 0, 0, 0]);
    check(0x6605_0006, i64::MIN.to_le_bytes());
    check(0x6607_000B, [1, 0, 0, 0, 0, 0, 0, 0]);
    check(0x6608_0014, i64::MAX.to_le_bytes());
    check(0x6609_0040, 133_500_000_000_000_001_u64.to_le_bytes());
    check(0x6610_000A, [5, 0, 0, 0, 0, 0, 0, 0]);
    // The length of a string counts the NUL that its stream leaves out.
    check(0x0037_001F, [20, 0, 0, 0, 0, 0, 0, 0]);
    check(0x660B_0102, [6, 0, 0, 0, 0, 0, 0, 0]);
    check(0x660A_0048, [16, 0, 0, 0, 0, 0, 0, 0]);
    check(0x340D_0003, [0x79, 0x0E, 4, 0, 0, 0, 0, 0]);
    let mut check = |name: &str, expected: &[u8]| {
        assert_eq!(
            stream(&mut file, &format!("/__substg1.0_{name}")),
            expected,
            "{name}"
        );
    };
    check("0037001F", &utf16("Re: Gr\u{fc}\u{df}e"));
    check("1000001F", &utf16("\u{41f}\u{440}"));
    check("0E04001F", &utf16("Eva"));
    check("660B0102", b"binary");
    check("660A0048", &[7; 16]);
    check("660C1003", &[1, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF]);
    check(
        "660D1102",
        &[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    );
    check("660D1102-00000000", b"a");
    check("660D1102-00000001", b"");
    check("660E1048", &[8; 16]);
    check("660F00FB", b"id");
}

#[test]
fn names_are_mapped_once_for_the_whole_file() {
    let mut file = open(&full());
    let guids = stream(&mut file, "/__nameid_version1.0/__substg1.0_00020102");
    let sets = [
        guid::PSETID_APPOINTMENT,
        guid::PS_INTERNET_HEADERS,
        guid::PSETID_COMMON,
    ];
    assert_eq!(guids, sets.map(|set| set.0).concat());
    let entries = stream(&mut file, "/__nameid_version1.0/__substg1.0_00030102");
    let expected: [[u8; 8]; 4] = [
        [0, 0, 0, 0, 5, 0, 0, 0],
        [0x08, 0x82, 0, 0, 6, 0, 1, 0],
        [20, 0, 0, 0, 9, 0, 2, 0],
        [0x03, 0x85, 0, 0, 10, 0, 3, 0],
    ];
    assert_eq!(entries, expected.concat());
    let strings = stream(&mut file, "/__nameid_version1.0/__substg1.0_00040102");
    assert_eq!(strings[..4], [16, 0, 0, 0]);
    assert_eq!(strings[4..20], utf16("Keywords"));
    assert_eq!(strings[20..24], [12, 0, 0, 0]);
    // PidLidLocation is found in the bucket that its number gives.
    // 0x1000 + (0x8208 ^ 6) % 0x1F, where the remainder happens to be 0.
    let bucket = 0x1000;
    let bucket = format!("/__nameid_version1.0/__substg1.0_{bucket:04X}0102");
    assert!(
        stream(&mut file, &bucket)
            .chunks(8)
            .any(|entry| entry == expected[1])
    );
    // The same name has the same id in the message and in the one inside it.
    assert_eq!(stream(&mut file, "/__substg1.0_8001001F"), utf16("Room 1"));
    let inside = "/__attach_version1.0_#00000001/__substg1.0_3701000D";
    assert_eq!(
        stream(&mut file, &format!("{inside}/__substg1.0_8001001F")),
        utf16("Room 2")
    );
    let first = stream(&mut file, "/__substg1.0_8000101F-00000000");
    assert_eq!(first, utf16("one\0"));
    let lengths = stream(&mut file, "/__substg1.0_8000101F");
    assert_eq!(lengths, [8, 0, 0, 0, 4, 0, 0, 0]);
    assert!(!file.exists(format!("{inside}/__nameid_version1.0")));
}

#[test]
fn recipients_and_attachments_have_their_own_storages() {
    let mut file = open(&full());
    let recipient = "/__recip_version1.0_#00000000";
    let name = stream(&mut file, &format!("{recipient}/__substg1.0_39FE001F"));
    assert_eq!(name, utf16("eva@example.test"));
    let properties = stream(&mut file, &format!("{recipient}/__properties_version1.0"));
    assert_eq!(fixed(&properties, 8, 0x3000_0003), Some([0; 8]));
    assert_eq!(
        fixed(&properties, 8, 0x0C15_0003),
        Some([1, 0, 0, 0, 0, 0, 0, 0])
    );
    let attachment = "/__attach_version1.0_#00000000";
    let data = stream(&mut file, &format!("{attachment}/__substg1.0_37010102"));
    assert_eq!(data, vec![9; 9000]);
    let attachment = "/__attach_version1.0_#00000001";
    let properties = stream(&mut file, &format!("{attachment}/__properties_version1.0"));
    assert_eq!(
        fixed(&properties, 8, 0x3705_0003),
        Some([5, 0, 0, 0, 0, 0, 0, 0])
    );
    let object = fixed(&properties, 8, 0x3701_000D);
    assert_eq!(object, Some([0xFF, 0xFF, 0xFF, 0xFF, 1, 0, 0, 0]));
    let inside = format!("{attachment}/__substg1.0_3701000D");
    let properties = stream(&mut file, &format!("{inside}/__properties_version1.0"));
    assert!(fixed(&properties, 24, 0x0037_001F).is_some());
}

#[test]
fn an_ole_object_is_unpacked_and_damage_is_kept_as_bytes() {
    let mut object = CompoundFile::create(Cursor::new(Vec::new())).unwrap();
    object.create_storage("/inner").unwrap();
    std::io::Write::write_all(&mut object.create_stream("/inner/data").unwrap(), b"ole").unwrap();
    object.flush().unwrap();
    let object = object.into_inner().into_inner();
    let with = |bytes: &[u8]| {
        let mut props = PropertyBag::new();
        props.set(tag::ATTACH_METHOD, 6);
        props.set(
            tag::ATTACH_DATA_OBJECT,
            PropValue::Object(Bytes::copy_from_slice(bytes)),
        );
        let attachments = vec![Attachment {
            props,
            embedded: None,
        }];
        open(&Message {
            attachments,
            ..Message::default()
        })
    };
    let attachment = "/__attach_version1.0_#00000000";
    let path = format!("{attachment}/__substg1.0_3701000D/inner/data");
    assert_eq!(stream(&mut with(&object), &path), b"ole");
    let path = format!("{attachment}/__substg1.0_37010102");
    assert_eq!(stream(&mut with(&object[..600]), &path), &object[..600]);
}

#[test]
fn very_many_recipients_make_a_file_that_is_still_shallow() {
    let recipients = vec![PropertyBag::new(); 3000];
    let mut file = open(&Message {
        recipients,
        ..Message::default()
    });
    assert!(file.is_storage("/__recip_version1.0_#00000BB7"));
    let properties = stream(&mut file, "/__properties_version1.0");
    assert_eq!(properties[8..12], 3000_u32.to_le_bytes());
}

#[test]
fn json_names_every_property_and_keeps_every_value() {
    let json: serde_json::Value = serde_json::from_slice(&to_json(&full())).unwrap();
    let properties = json["properties"].as_array().unwrap();
    assert_eq!(properties.len(), full().props.len());
    let check = |key: &str, id: &str, expected: serde_json::Value| {
        let found = properties.iter().find(|property| property[key] == id);
        assert_eq!(
            found.unwrap_or_else(|| panic!("no {id}"))["value"],
            expected,
            "{id}"
        );
    };
    let json_of = |text: &str| serde_json::from_str(text).unwrap();
    check(
        "name",
        "PidTagNormalizedSubject",
        json_of("\"Gr\u{fc}\u{df}e\""),
    );
    check("name", "PidLidLocation", json_of("\"Room 1\""));
    check("string", "Keywords", json_of("[\"one\",\"\u{4e8c}\"]"));
    check(
        "id",
        "0x1000",
        json_of(r#"{"code_page":1251,"text":"Пр","bytes":"z/A="}"#),
    );
    check("id", "0x6601", json_of("-2"));
    check("id", "0x6603", json_of("1.5"));
    check("id", "0x6604", json_of(r#"{"bits":"0x7ff8000000000000"}"#));
    check("id", "0x6605", json_of("\"-9223372036854775808\""));
    check("id", "0x6608", json_of("\"9223372036854775807\""));
    check("id", "0x6609", json_of("\"2024-01-17T21:20:00.0000001Z\""));
    check(
        "id",
        "0x660A",
        json_of("\"07070707-0707-0707-0707-070707070707\""),
    );
    check("id", "0x660D", json_of("[\"YQ==\",\"\"]"));
    assert_eq!(json["recipients"][0][0]["value"], "Eva");
    let inner = &json["attachments"][1]["message"]["properties"][0];
    assert_eq!(inner["value"], "inside");
}

#[test]
fn what_is_no_mail_is_carried_by_one() {
    let check = |class: &str, expected: &str| {
        let mut message = Message::default();
        message.props.set(tag::MESSAGE_CLASS, class);
        message.props.set(tag::SUBJECT, "Bridge");
        let mail = String::from_utf8(fasttransfer::to_mail(&message)).unwrap();
        assert!(mail.starts_with("Subject: Bridge\r\n"), "{mail}");
        assert!(
            mail.contains(&format!("Content-Type: text/{expected}; charset=")),
            "{mail}"
        );
    };
    check("IPM.Appointment", "calendar");
    check("IPM.Contact", "vcard");
    check("IPM.Note", "plain");
}

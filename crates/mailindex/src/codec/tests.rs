use proptest::prelude::*;

use super::*;

fn folder_row() -> impl Strategy<Value = FolderRow> {
    let names = (any::<String>(), any::<String>(), any::<String>());
    let options = (
        any::<Option<[u8; 8]>>(),
        any::<Option<String>>(),
        any::<Option<String>>(),
        any::<Option<i64>>(),
        any::<Option<u32>>(),
    );
    let rest = (any::<u32>(), any::<bool>(), any::<i64>(), any::<Vec<u8>>());
    (names, options, rest).prop_map(|(names, options, rest)| FolderRow {
        folder_id: names.0,
        parent: options.0.map(FolderKey),
        display_name: names.1,
        folder_class: names.2,
        distinguished: options.1,
        total_count: rest.0,
        sync_state: options.2,
        sync_done: rest.1,
        commit_time: options.3,
        deleted_count: options.4,
        last_full_sync_unix_ms: rest.2,
        extra: rest.3,
    })
}

fn item_row() -> impl Strategy<Value = ItemRow> {
    let names = (any::<String>(), any::<String>(), any::<String>());
    let texts = (any::<String>(), any::<String>(), any::<Vec<u8>>());
    let rest = (
        any::<Option<bool>>(),
        any::<u64>(),
        any::<Option<i64>>(),
        any::<Option<i64>>(),
    );
    (names, texts, rest).prop_map(|(names, texts, rest)| ItemRow {
        item_id: names.0,
        change_key: names.1,
        item_class: names.2,
        is_read: rest.0,
        size_bytes: rest.1,
        received_unix_ms: rest.2,
        sent_unix_ms: rest.3,
        subject: texts.0,
        sender: texts.1,
        content: texts.2,
    })
}

proptest! {
    #[test]
    fn a_folder_row_survives_its_bytes(row in folder_row()) {
        let mut bytes = Vec::new();
        encode_folder(&row, &mut bytes).unwrap();
        prop_assert_eq!(decode_folder(&bytes), Ok(row));
        bytes.push(0);
        prop_assert!(decode_folder(&bytes).is_err());
        bytes.truncate(bytes.len() - 2);
        prop_assert!(decode_folder(&bytes).is_err());
    }

    #[test]
    fn an_item_row_survives_its_bytes(row in item_row()) {
        let mut bytes = Vec::new();
        encode_item(&row, &mut bytes).unwrap();
        prop_assert_eq!(decode_item(&bytes), Ok(row));
        bytes.push(0);
        prop_assert!(decode_item(&bytes).is_err());
        bytes.truncate(bytes.len() - 2);
        prop_assert!(decode_item(&bytes).is_err());
    }

    #[test]
    fn no_bytes_make_a_decoder_panic(tail in any::<Vec<u8>>()) {
        let bytes = [&[ROW_VERSION][..], &tail].concat();
        let _ = (decode_folder(&bytes), decode_item(&bytes), decode_snapshot(&bytes));
        let _ = (decode_folder(&tail), decode_item(&tail), decode_snapshot(&tail));
    }
}

/// These bytes are in users' files: if this test fails, the format number has to change.
#[test]
fn the_bytes_of_an_item_row_are_fixed() {
    let row = ItemRow {
        item_id: "id".into(),
        change_key: "ck".into(),
        item_class: "IPM".into(),
        is_read: Some(true),
        size_bytes: 300,
        received_unix_ms: Some(-1),
        sent_unix_ms: None,
        subject: "s".into(),
        sender: String::new(),
        content: vec![9],
    };
    let mut bytes = Vec::new();
    encode_item(&row, &mut bytes).unwrap();
    assert_eq!(
        bytes,
        b"\x01\x07\x02id\x02ck\x03IPM\xac\x02\x01\x01s\x00\x01\x09"
    );
}

#[test]
fn a_length_beyond_the_row_allocates_nothing() {
    let bytes = [
        ROW_VERSION,
        0,
        0xff,
        0xff,
        0xff,
        0xff,
        0xff,
        0xff,
        0xff,
        0xff,
        0x7f,
    ];
    assert_eq!(decode_item(&bytes), Err("it ends too early"));
    let bytes = [&[ROW_VERSION, 0][..], &[0xff; 12]].concat();
    assert_eq!(decode_item(&bytes), Err("it holds a number beyond 64 bits"));
}

#[test]
fn a_row_beyond_the_limit_is_refused() {
    let row = ItemRow {
        content: vec![0; MAX_ROW_BYTES],
        ..ItemRow::default()
    };
    assert!(matches!(
        encode_item(&row, &mut Vec::new()),
        Err(Fault::Invalid(_))
    ));
}

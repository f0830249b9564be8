//! The rows' decoders, for `fuzz/`.

use crate::codec::{
    decode_folder, decode_item, decode_snapshot, encode_folder, encode_item, encode_snapshot,
};
use crate::row::{FolderRow, ItemRow};
use crate::row_key::RowKey;

/// Reads bytes as one of the rows, which the first byte chooses; what can be read is written and
/// read again the same.
pub fn row(data: &[u8]) {
    let Some((&which, data)) = data.split_first() else {
        return;
    };
    let mut out = Vec::new();
    match which % 4 {
        0 => {
            if let Ok(row) = decode_folder(data)
                && encode_folder(&row, &mut out).is_ok()
            {
                assert_eq!(decode_folder(&out).ok(), Some(row));
            }
        }
        1 => {
            if let Ok(row) = decode_item(data)
                && encode_item(&row, &mut out).is_ok()
            {
                assert_eq!(decode_item(&out).ok(), Some(row));
            }
        }
        2 => {
            if let Ok(record) = decode_snapshot(data) {
                assert_eq!(
                    decode_snapshot(&encode_snapshot(&record)).ok(),
                    Some(record)
                );
            }
        }
        _ => {
            if let Some(key) = RowKey::from_bytes(data) {
                assert_eq!(key.to_bytes(), data);
            }
        }
    }
}

/// Rows as they are written, to start from.
pub fn rows() -> Vec<Vec<u8>> {
    let folder = FolderRow {
        display_name: "Inbox".into(),
        sync_state: Some("state".into()),
        ..FolderRow::default()
    };
    let item = ItemRow {
        subject: "Hello".into(),
        is_read: Some(true),
        received_unix_ms: Some(1),
        ..ItemRow::default()
    };
    let (mut folder_row, mut item_row) = (vec![0], vec![1]);
    let written = encode_folder(&folder, &mut folder_row).and(encode_item(&item, &mut item_row));
    written.map_or_else(|_| Vec::new(), |()| vec![folder_row, item_row])
}

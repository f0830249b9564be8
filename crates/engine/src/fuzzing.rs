//! The decoders of what the engine keeps and of what exports left behind, for `fuzz/`.

use chunkstore::{Format, PartSink, Step};

use crate::export::read_left_behind;
use crate::portable;
use crate::split::FtsFormat;
use crate::split_mime::MimeFormat;
use crate::state::{self, ItemSummary, Reading};

/// Reads bytes as one of the engine's records, which the first byte chooses.
pub fn record(data: &[u8]) {
    let Some((&which, data)) = data.split_first() else {
        return;
    };
    match which % 6 {
        0 => same(data, ItemSummary::from_bytes, ItemSummary::to_bytes),
        1 => same(data, Reading::from_bytes, Reading::to_bytes),
        2 => drop(state::contents_from_bytes(data)),
        3 => {
            let entry = chunkstore::Entry {
                key: Vec::new(),
                value: data.to_vec(),
                contents: Vec::new(),
            };
            drop((state::item_state(&entry), state::folder_row(&entry)));
            drop(state::run_mark(&entry));
        }
        4 => drop(crate::keys::TreeKey::from_bytes(data)),
        _ => {
            if let Ok(item) = portable::from_bytes(data) {
                let written = portable::to_bytes(&item);
                let again = portable::from_bytes(&written).expect("what was written is read");
                assert_eq!(portable::to_bytes(&again), written);
            }
        }
    }
}

fn same<T: PartialEq + std::fmt::Debug>(
    data: &[u8],
    read: impl Fn(&[u8]) -> crate::Result<T>,
    write: impl Fn(&T) -> Vec<u8>,
) {
    if let Ok(value) = read(data) {
        assert_eq!(
            read(&write(&value)).expect("what was written is read"),
            value
        );
    }
}

/// Splits bytes as either format of an item, in pieces, and joins them again: the same bytes.
pub fn split_and_join(data: &[u8]) {
    let Some((&first, data)) = data.split_first() else {
        return;
    };
    let format: &dyn Format = if first & 1 == 0 {
        &FtsFormat
    } else {
        &MimeFormat
    };
    let mut parts = Parts::default();
    let mut splitter = format.splitter();
    let piece = usize::from(first >> 1) * 97 + 1;
    let pushed = data
        .chunks(piece)
        .try_for_each(|piece| splitter.push(piece, &mut parts));
    if pushed.and_then(|()| splitter.finish(&mut parts)).is_err() {
        return;
    }
    assert_eq!(join(format, &parts).as_deref(), Some(data));
}

/// Joins a skeleton and payloads that no splitter made.
pub fn join_anything(data: &[u8]) {
    let Some((&first, data)) = data.split_first() else {
        return;
    };
    let format: &dyn Format = if first & 1 == 0 {
        &FtsFormat
    } else {
        &MimeFormat
    };
    let (skeleton, payload) = data.split_at(data.len() * usize::from(first) / 256);
    let parts = Parts {
        skeleton: skeleton.to_vec(),
        payloads: vec![payload.to_vec(); 3],
    };
    drop(join(format, &parts));
}

#[derive(Default)]
struct Parts {
    skeleton: Vec<u8>,
    payloads: Vec<Vec<u8>>,
}

impl PartSink for Parts {
    fn skeleton(&mut self, bytes: &[u8]) {
        self.skeleton.extend_from_slice(bytes);
    }

    fn payload_start(&mut self) {
        self.payloads.push(Vec::new());
    }

    fn payload(&mut self, bytes: &[u8]) {
        let open = self.payloads.last_mut().expect("a payload is open");
        open.extend_from_slice(bytes);
    }

    fn payload_end(&mut self) {}
}

fn join(format: &dyn Format, parts: &Parts) -> Option<Vec<u8>> {
    let mut joiner = format.joiner();
    let (mut out, mut rest) = (Vec::new(), &parts.skeleton[..]);
    let mut payloads = parts.payloads.iter();
    loop {
        match joiner.skeleton(rest, &mut out).ok()? {
            Step::NeedMore => break,
            Step::Payload { consumed } => {
                rest = rest.get(consumed..)?;
                joiner.payload(payloads.next()?, &mut out);
                joiner.payload_end(&mut out);
            }
        }
    }
    joiner.finish(&mut out).ok()?;
    Some(out)
}

/// Reads an item in either form and makes every file of it.
pub fn item(data: &[u8]) {
    crate::export::convert_all(data);
}

/// Reads bytes as what an earlier export left in its folder, in a folder of the caller's.
pub fn export_folder(data: &[u8], folder: &std::path::Path) {
    read_left_behind(data, folder);
}

/// Reads texts that users give.
pub fn words(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    drop(crate::UserMap::parse(&text));
    drop(text.parse::<crate::MailboxName>());
    drop(text.parse::<crate::SnapshotSelector>());
    drop(text.parse::<crate::Period>());
    drop(text.parse::<crate::Age>());
    drop(text.parse::<crate::ByteCount>());
    drop(crate::search::document_text(data));
}

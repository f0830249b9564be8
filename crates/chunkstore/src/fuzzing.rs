//! The decoders of what lies at a destination, for `fuzz/`. What is sealed reaches them only after
//! it was authenticated; here they get anything.

use bytes::Bytes;

use crate::admin::{Condemned, decode_forgotten, decode_packs};
use crate::checkpoint::Checkpoint;
use crate::chunk_id::ChunkId;
use crate::chunks::MAX_CHUNK_BYTES;
use crate::config::{Config, RepositoryId};
use crate::content::Content;
use crate::error::Result;
use crate::frame::Codec;
use crate::key_slot::Slot;
use crate::layout::{self, SessionId};
use crate::pack::{PackHeader, header_range};
use crate::pack_index::IndexSegment;
use crate::seal::Preamble;
use crate::sealed::KeyRecord;
use crate::segment::skeleton_of;
use crate::session_record::{EndRecord, OpenRecord};
use crate::tree::{NodeRef, TreeRoot};
use crate::tree_node::{Node, decode_node};

const OBJECT: &str = "object";

/// Reads bytes as what a server answers about a destination.
pub fn answer(data: &[u8]) {
    crate::destination::fuzzing::answer(data);
}

/// Such answers, to start from.
pub fn answers() -> Vec<Vec<u8>> {
    crate::destination::fuzzing::answers()
}

/// Reads bytes as one of the stored records, which the first byte chooses.
pub fn record(data: &[u8]) {
    let Some((&which, data)) = data.split_first() else {
        return;
    };
    let session = SessionId(ulid::Ulid::from_bytes([1; 16]));
    match which % 17 {
        0 => twice(data, |b| PackHeader::decode(OBJECT, b), PackHeader::encode),
        1 => {
            let decode = |b: &[u8]| EndRecord::decode(OBJECT, b, session);
            twice(data, decode, EndRecord::encode);
        }
        2 => twice(data, |b| Checkpoint::decode(OBJECT, b), Checkpoint::encode),
        3 => twice(
            data,
            |b| IndexSegment::decode(OBJECT, b),
            IndexSegment::encode,
        ),
        4 => twice(data, |b| OpenRecord::decode(OBJECT, b), OpenRecord::encode),
        5 => twice(data, |b| Condemned::decode(OBJECT, b), Condemned::encode),
        6 => drop(decode_forgotten(OBJECT, data)),
        7 => drop(decode_packs(OBJECT, data)),
        8 => twice(data, Content::decode, |content| Ok(content.encode())),
        9 => twice(data, TreeRoot::decode, |root| Ok(root.encode())),
        10 => node(data),
        11 => slot(data),
        12 => drop(Codec::default().decode(OBJECT, data, MAX_CHUNK_BYTES)),
        13 => skeleton(data),
        14 => drop(Config::decode(data)),
        15 => twice(data, |b| KeyRecord::decode(OBJECT, b), KeyRecord::encode),
        _ => clear(data),
    }
}

/// What can be read is written and read again the same.
fn twice<T: PartialEq + std::fmt::Debug>(
    data: &[u8],
    decode: impl Fn(&[u8]) -> Result<T>,
    encode: impl Fn(&T) -> Result<Vec<u8>>,
) {
    let Ok(value) = decode(data) else { return };
    let written = encode(&value).expect("what was read fits what is written");
    assert_eq!(decode(&written).expect("what was written is read"), value);
}

fn node(data: &[u8]) {
    let Some((&height, _)) = data.get(1..).and_then(|rest| rest.split_first()) else {
        return;
    };
    let place = NodeRef {
        id: ChunkId::from_bytes([0; 32]),
        height,
        entries: 0,
        bytes: 0,
    };
    match decode_node(&place, data) {
        Ok(Node::Leaf(changes)) => assert!(!changes.is_empty()),
        Ok(Node::Inner(children)) => assert!(!children.is_empty()),
        Err(_) => {}
    }
}

fn slot(data: &[u8]) {
    let name = layout::key_slot_name(data);
    let bytes = Bytes::copy_from_slice(data);
    let repository = Preamble::decode(&name, data)
        .map_or(RepositoryId(ulid::Ulid::from_bytes([0; 16])), |preamble| {
            preamble.repository
        });
    if let Ok(Some(slot)) = Slot::parse(&name, bytes.clone(), repository) {
        assert_eq!(slot.bytes(), bytes);
        assert_eq!(Some(slot.id()), layout::parse_key_slot(&name));
    }
}

fn skeleton(data: &[u8]) {
    let plain = Bytes::copy_from_slice(data);
    for index in [0, 1, 7, u32::MAX] {
        if let Ok(found) = skeleton_of(&plain, index) {
            assert!(found.len() <= plain.len());
        }
    }
}

/// What is in clear: names, keys as text, lengths.
fn clear(data: &[u8]) {
    drop(Preamble::decode(OBJECT, data));
    if let Some((trailer, rest)) = data.split_first_chunk() {
        drop(header_range(OBJECT, rest.len() as u64, *trailer));
    }
    let text = String::from_utf8_lossy(data);
    drop(crate::KeyFile::parse(&text));
    drop(crate::RecoveryPhrase::parse(&text));
    drop(crate::EscrowPublicKey::parse(&text));
    drop(crate::EscrowPrivateKey::parse(&text));
    drop(crate::EscrowShare::parse(&text));
    drop(text.parse::<SessionId>());
    drop(text.parse::<ChunkId>());
    drop(crate::Destination::new(&text));
    let _ = layout::parse_checkpoint(&text);
    let _ = layout::parse_dictionary(&text);
    let _ = layout::parse_key_slot(&text);
    let _ = layout::parse_key_epoch(&text);
}

/// Records as they are written, to start from.
pub fn records() -> Vec<Vec<u8>> {
    let chunk = |byte| ChunkId::from_bytes([byte; 32]);
    let header = PackHeader {
        entries: vec![crate::pack::PackEntry {
            id: chunk(7),
            kind: crate::ChunkKind::Data,
            offset: 64,
            sealed_len: 100,
            plain_len: 90,
            origin: 0,
            position: 64,
        }],
        ..PackHeader::default()
    };
    let codec = Codec::default();
    let mut all = vec![
        (0, header.encode()),
        (1, EndRecord::encode(&ended())),
        (2, Checkpoint::default().encode()),
        (3, IndexSegment::default().encode()),
        (5, Condemned::default().encode()),
        (9, Ok(TreeRoot::default().encode())),
        (12, codec.encode(&[b'a'; 500], 1)),
        (12, codec.encode(b"a", 1)),
        (13, Ok(vec![1, 2, 1, 2, b'a', b'b', b'c'])),
        (15, Ok(b"pkfile1qqqq".to_vec())),
    ];
    let node = crate::tree_node::encode_inner(
        1,
        &[crate::tree_node::Child {
            first_key: b"key".to_vec(),
            node: NodeRef {
                id: chunk(9),
                height: 0,
                entries: 3,
                bytes: 40,
            },
        }],
    );
    all.push((10, Ok(node)));
    let tagged = |(tag, bytes): (u8, Result<Vec<u8>>)| Some([vec![tag], bytes.ok()?].concat());
    all.into_iter().filter_map(tagged).collect()
}

fn ended() -> EndRecord {
    EndRecord::Ended {
        nonce: [3; 16],
        time_unix_ms: 1_700_000_000_000,
    }
}

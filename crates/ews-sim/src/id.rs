//! Item, folder and attachment identifiers, shaped like Exchange's (MS-OXWSITEMID 2.2).
//!
//! An id is base64 of: a compression byte (0), a storage type (3: mailbox guid and entry id), the
//! mailbox guid as text with its length, the entry id with its length, and a processing
//! instruction (0); an attachment id ends with the count and the numbers of attachments on the
//! way. The entry id of an item names its folder, so an id changes when the item moves.

use std::fmt::Write as _;

/// Sixteen bytes that name one store (a primary mailbox, an archive, the public folders).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(crate) struct StoreGuid(pub [u8; 16]);

/// What an id names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ObjectId {
    /// A folder.
    Folder { store: StoreGuid, folder: u64 },
    /// An item in a folder.
    Item {
        store: StoreGuid,
        folder: u64,
        key: u64,
    },
    /// An occurrence of a series by its day, in minutes since 1601.
    Occurrence {
        store: StoreGuid,
        folder: u64,
        key: u64,
        day: u32,
    },
    /// An attachment of an item: the attachment numbers from the outermost inwards.
    Attachment {
        store: StoreGuid,
        folder: u64,
        key: u64,
        path: Vec<u32>,
    },
}

/// Attachments nested deeper than this have no id.
pub(crate) const MAX_ATTACHMENT_DEPTH: usize = 10;
/// Longest id text looked at.
const MAX_ID_CHARS: usize = 1024;
/// Provider identifier in entry ids; any constant does.
const PROVIDER: [u8; 16] = *b"\x1a\x44\x73\x90\xaa\x66\x11\xcd\x9b\xc8\x00\xaa\x00\x2f\xc4\x5a";
const FOLDER_ENTRY_BYTES: usize = 46;
const ITEM_ENTRY_BYTES: usize = 70;

impl StoreGuid {
    /// Derives the guid of a store from the mailbox address and the kind of store.
    pub(crate) fn of(address: &str, kind: &str) -> StoreGuid {
        let mut hasher = blake3::Hasher::new();
        hasher.update(address.to_ascii_lowercase().as_bytes());
        hasher.update(&[0]);
        hasher.update(kind.as_bytes());
        let mut guid = [0; 16];
        guid.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        StoreGuid(guid)
    }

    /// The guid in its usual text form.
    pub(crate) fn text(&self) -> String {
        let mut out = String::with_capacity(36);
        for (index, byte) in self.0.iter().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                out.push('-');
            }
            let _ = write!(out, "{byte:02x}");
        }
        out
    }

    fn parse(text: &[u8]) -> Option<StoreGuid> {
        let mut guid = [0; 16];
        let mut digits = text.iter().filter(|&&byte| byte != b'-');
        for byte in &mut guid {
            let high = char::from(*digits.next()?).to_digit(16)?;
            let low = char::from(*digits.next()?).to_digit(16)?;
            *byte = u8::try_from(high * 16 + low).ok()?;
        }
        digits.next().is_none().then_some(StoreGuid(guid))
    }
}

impl ObjectId {
    /// The store the object lives in.
    pub(crate) fn store(&self) -> StoreGuid {
        match self {
            ObjectId::Folder { store, .. }
            | ObjectId::Item { store, .. }
            | ObjectId::Occurrence { store, .. }
            | ObjectId::Attachment { store, .. } => *store,
        }
    }

    /// The id as clients see it.
    pub(crate) fn encode(&self) -> String {
        let entry = self.entry_id();
        let mut bytes = Vec::with_capacity(128);
        bytes.extend_from_slice(&[0, 3, 36, 0]);
        bytes.extend_from_slice(self.store().text().as_bytes());
        bytes.extend_from_slice(&u16::try_from(entry.len()).unwrap_or(0).to_le_bytes());
        bytes.extend_from_slice(&entry);
        // The processing instruction: 1 is an occurrence, whose day follows.
        bytes.push(u8::from(matches!(self, ObjectId::Occurrence { .. })));
        if let ObjectId::Occurrence { day, .. } = self {
            bytes.extend_from_slice(&u64::from(*day).to_be_bytes());
        }
        if let ObjectId::Attachment { path, .. } = self {
            bytes.push(u8::try_from(path.len()).unwrap_or(u8::MAX));
            for number in path {
                bytes.extend_from_slice(&4u16.to_le_bytes());
                bytes.extend_from_slice(&number.to_le_bytes());
            }
        }
        base64_simd::STANDARD.encode_to_string(&bytes)
    }

    /// The MAPI entry id of the object (of the item, for an attachment).
    pub(crate) fn entry_id(&self) -> Vec<u8> {
        let (folder, key) = match self {
            ObjectId::Folder { folder, .. } => (*folder, None),
            ObjectId::Item { folder, key, .. }
            | ObjectId::Occurrence { folder, key, .. }
            | ObjectId::Attachment { folder, key, .. } => (*folder, Some(*key)),
        };
        let store = self.store();
        let mut entry = Vec::with_capacity(ITEM_ENTRY_BYTES);
        entry.extend_from_slice(&[0; 4]);
        entry.extend_from_slice(&PROVIDER);
        entry.extend_from_slice(if key.is_some() { &[7, 0] } else { &[1, 0] });
        for counter in std::iter::once(folder).chain(key) {
            entry.extend_from_slice(&store.0);
            entry.extend_from_slice(&counter.to_be_bytes()[2..]);
            entry.extend_from_slice(&[0; 2]);
        }
        entry
    }

    /// Reads an id; `None` if it is not one of ours.
    pub(crate) fn parse(text: &str) -> Option<ObjectId> {
        let text = text.trim();
        if text.len() > MAX_ID_CHARS {
            return None;
        }
        let bytes = base64_simd::STANDARD.decode_to_vec(text.as_bytes()).ok()?;
        let rest = bytes.strip_prefix(&[0u8, 3, 36, 0])?;
        let (guid, rest) = rest.split_at_checked(36)?;
        let store = StoreGuid::parse(guid)?;
        let (length, rest) = rest.split_first_chunk::<2>()?;
        let (entry, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
        let object = ObjectId::from_entry_id(entry)?;
        if object.store() != store {
            return None;
        }
        let (&instruction, rest) = rest.split_first()?;
        match (object, instruction, rest) {
            (object, 0, []) => Some(object),
            (ObjectId::Item { store, folder, key }, 1, rest) => {
                let day = u64::from_be_bytes(rest.try_into().ok()?);
                Some(ObjectId::Occurrence {
                    store,
                    folder,
                    key,
                    day: u32::try_from(day).ok()?,
                })
            }
            (ObjectId::Item { store, folder, key }, 0, rest) => Some(ObjectId::Attachment {
                store,
                folder,
                key,
                path: attachment_path(rest)?,
            }),
            _ => None,
        }
    }

    /// Reads a MAPI entry id.
    pub(crate) fn from_entry_id(entry: &[u8]) -> Option<ObjectId> {
        let body = entry.strip_prefix(&[0u8; 4])?.strip_prefix(&PROVIDER)?;
        let (kind, body) = body.split_at_checked(2)?;
        let (folder, body) = body.split_at_checked(24)?;
        let store = StoreGuid(folder.get(..16)?.try_into().ok()?);
        let folder = counter(folder)?;
        match (kind, entry.len()) {
            ([1, 0], FOLDER_ENTRY_BYTES) => Some(ObjectId::Folder { store, folder }),
            ([7, 0], ITEM_ENTRY_BYTES) => Some(ObjectId::Item {
                store,
                folder,
                key: counter(body)?,
            }),
            _ => None,
        }
    }
}

/// Reads the six-byte counter behind a sixteen-byte guid.
fn counter(bytes: &[u8]) -> Option<u64> {
    let mut wide = [0; 8];
    wide[2..].copy_from_slice(bytes.get(16..22)?);
    Some(u64::from_be_bytes(wide))
}

fn attachment_path(bytes: &[u8]) -> Option<Vec<u32>> {
    let (&count, mut rest) = bytes.split_first()?;
    if count == 0 || usize::from(count) > MAX_ATTACHMENT_DEPTH {
        return None;
    }
    let mut path = Vec::new();
    for _ in 0..count {
        rest = rest.strip_prefix(&4u16.to_le_bytes())?;
        let (number, after) = rest.split_first_chunk::<4>()?;
        path.push(u32::from_le_bytes(*number));
        rest = after;
    }
    rest.is_empty().then_some(path)
}

/// The kinds of object that change keys tell apart by their first byte.
#[derive(Clone, Copy)]
pub(crate) enum KeyKind {
    Folder = 1,
    Message = 9,
    Calendar = 15,
    Contact = 17,
    Task = 19,
}

/// Writes the change key for a change number.
pub(crate) fn change_key(kind: KeyKind, store: StoreGuid, change: u64) -> String {
    let mut bytes = Vec::with_capacity(30);
    bytes.extend_from_slice(&[kind as u8, 0, 0, 0, 22, 0, 0, 0]);
    bytes.extend_from_slice(&store.0);
    bytes.extend_from_slice(&change.to_be_bytes()[2..]);
    base64_simd::STANDARD.encode_to_string(&bytes)
}

/// Reads the change number in a change key; `None` if it is malformed.
pub(crate) fn parse_change_key(text: &str) -> Option<u64> {
    if text.len() > MAX_ID_CHARS {
        return None;
    }
    let bytes = base64_simd::STANDARD
        .decode_to_vec(text.trim().as_bytes())
        .ok()?;
    if bytes.len() != 30 {
        return None;
    }
    counter(bytes.get(8..)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_back_and_look_like_exchange() {
        let store = StoreGuid::of("alice@example.test", "primary");
        let item = ObjectId::Item {
            store,
            folder: 13,
            key: 77,
        };
        let text = item.encode();
        assert!(text.starts_with("AAMk"));
        assert_eq!(text.len(), 152);
        assert_eq!(ObjectId::parse(&text), Some(item));
        let folder = ObjectId::Folder { store, folder: 13 };
        assert_eq!(ObjectId::parse(&folder.encode()), Some(folder));
        let attachment = ObjectId::Attachment {
            store,
            folder: 1,
            key: 2,
            path: vec![0, 3],
        };
        assert_eq!(ObjectId::parse(&attachment.encode()), Some(attachment));
    }

    #[test]
    fn garbage_is_no_id() {
        for text in ["", "DUMMY", "AAMk", "AAMkAAAA", "====", "AAMkAGE="] {
            assert_eq!(ObjectId::parse(text), None, "{text}");
        }
    }

    #[test]
    fn change_keys_read_back() {
        let store = StoreGuid::of("a", "primary");
        assert_eq!(
            parse_change_key(&change_key(KeyKind::Message, store, 99)),
            Some(99)
        );
        assert_eq!(parse_change_key("AQAAAA=="), None);
    }
}

//! The named property mapping of a message file (MS-OXMSG 2.2.3): one for the file's message and
//! all inside it.

use std::collections::HashMap;

use super::compound::Storage;
use crate::guid::{PS_MAPI, PS_PUBLIC_STRINGS};
use crate::{Error, Guid, Message, NamedProp, PropId, PropName, PropertyBag};

/// Where the ids of named properties begin.
const FIRST_ID: u16 = 0x8000;
/// How many there can be: ids end before 0xFFFF.
const MAX_NAMES: usize = 0x7FFE;
/// Buckets of the table that finds an id by name.
const BUCKETS: u32 = 0x1F;
/// The first bucket's stream id.
const FIRST_BUCKET: u32 = 0x1000;
/// Guid indexes below this one stand for sets that everybody knows.
const FIRST_GUID: usize = 3;

/// The ids that names have in one file.
pub(super) struct NameMap {
    ids: HashMap<NamedProp, u16>,
    /// In the order of their ids.
    names: Vec<NamedProp>,
}

impl NameMap {
    /// Gives an id to every name in a message and in the messages attached to it.
    pub(super) fn of(message: &Message) -> Result<Self, Error> {
        let mut map = Self {
            ids: HashMap::new(),
            names: Vec::new(),
        };
        let mut messages = vec![message];
        while let Some(message) = messages.pop() {
            map.add(&message.props);
            message.recipients.iter().for_each(|bag| map.add(bag));
            for attachment in &message.attachments {
                map.add(&attachment.props);
                messages.extend(attachment.embedded.as_deref());
            }
        }
        if map.names.len() > MAX_NAMES {
            return Err(Error::limit("named properties"));
        }
        Ok(map)
    }

    fn add(&mut self, bag: &PropertyBag) {
        for property in bag {
            if let PropId::Named(name) = &property.id
                && !self.ids.contains_key(name)
            {
                let index = u16::try_from(self.names.len()).unwrap_or(u16::MAX);
                self.ids
                    .insert(name.clone(), FIRST_ID.saturating_add(index));
                self.names.push(name.clone());
            }
        }
    }

    /// The id of a property in this file; `None` for a tag that could be taken for a name's id.
    pub(super) fn id(&self, id: &PropId) -> Option<u16> {
        match id {
            PropId::Tag(tag) => (*tag < FIRST_ID).then_some(*tag),
            PropId::Named(name) => self.ids.get(name).copied(),
        }
    }

    /// The mapping as it stands in the file.
    pub(super) fn storage(&self) -> Storage<'static> {
        let mut guids: Vec<Guid> = Vec::new();
        let mut entries = Vec::new();
        let mut strings = Vec::new();
        let mut buckets: HashMap<u32, Vec<u8>> = HashMap::new();
        for (index, name) in (0u16..).zip(&self.names) {
            let guid = guid_index(name.guid, &mut guids);
            let (first, hashed, kind) = match &name.name {
                PropName::Id(lid) => (*lid, *lid, 0),
                PropName::Name(text) => {
                    let at = u32::try_from(strings.len()).unwrap_or(u32::MAX);
                    let text: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
                    let len = u32::try_from(text.len()).unwrap_or(u32::MAX);
                    strings.extend_from_slice(&len.to_le_bytes());
                    strings.extend_from_slice(&text);
                    strings.resize(strings.len().next_multiple_of(4), 0);
                    (at, crc(&text), 1)
                }
            };
            let set_and_kind = u16::try_from(guid << 1).unwrap_or(u16::MAX) | kind;
            let entry = |first: u32| {
                let mut entry = first.to_le_bytes().to_vec();
                entry.extend_from_slice(&set_and_kind.to_le_bytes());
                entry.extend_from_slice(&index.to_le_bytes());
                entry
            };
            entries.extend(entry(first));
            let bucket = FIRST_BUCKET + (hashed ^ u32::from(set_and_kind)) % BUCKETS;
            buckets.entry(bucket).or_default().extend(entry(hashed));
        }
        let mut storage = Storage::default();
        let guids = guids.iter().flat_map(|guid| guid.0).collect();
        storage.add_stream("__substg1.0_00020102", guids);
        storage.add_stream("__substg1.0_00030102", entries);
        storage.add_stream("__substg1.0_00040102", strings);
        for (bucket, entries) in buckets {
            storage.add_stream(&format!("__substg1.0_{bucket:04X}0102"), entries);
        }
        storage
    }
}

fn guid_index(guid: Guid, guids: &mut Vec<Guid>) -> usize {
    match guid {
        PS_MAPI => 1,
        PS_PUBLIC_STRINGS => 2,
        _ => {
            let known = guids.iter().position(|known| *known == guid);
            FIRST_GUID
                + known.unwrap_or_else(|| {
                    guids.push(guid);
                    guids.len() - 1
                })
        }
    }
}

/// The CRC of MS-OXRTFCP 2.1.3.2, which Outlook uses for names too: CRC-32 without inversion.
fn crc(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_crc_is_the_one_of_compressed_rtf() {
        // CRC-32/JAMCRC without its initial value, of the usual check string.
        assert_eq!(crc(b"123456789"), 0x2DFD_2D88);
    }
}

//! The description in a state file, and the way from it to stores and back.

use std::collections::BTreeMap;
use std::sync::Arc;

use fasttransfer::{Message, MessageEncoder, PropertyBag, WriteOptions};
use serde::{Deserialize, Serialize};

use super::{Streams, message_of};
use crate::clock::Clock;
use crate::folder::{ARCHIVE, PRIMARY, PUBLIC};
use crate::item::{Content, Item};
use crate::language::Language;
use crate::mailbox::{State, Store, StoreKind};
use crate::payload::{LargeContent, Payload};
use crate::sim::{Mailbox, World};

/// Everything there is.
#[derive(Serialize, Deserialize)]
pub(super) struct WorldDocument {
    /// Where the logical clock stands; a clock that asks a function is not kept.
    clock: Option<u64>,
    mailboxes: Vec<MailboxDocument>,
    public: Option<StoreDocument>,
}

#[derive(Serialize, Deserialize)]
struct MailboxDocument {
    primary: StoreDocument,
    archive: Option<StoreDocument>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct StoreDocument {
    address: String,
    state: State,
    /// The items of each folder, by its number.
    items: BTreeMap<u64, Vec<ItemDocument>>,
}

/// An item without its properties.
#[derive(Serialize, Deserialize)]
struct ItemDocument {
    item: Item,
    content: ItemContent,
}

/// Where an item's properties come from.
#[derive(Serialize, Deserialize)]
pub(super) enum ItemContent {
    /// So many bytes of native stream.
    Stream(u64),
    /// The same, without the bytes of the last attachment, which are computed.
    Large { stream: u64, payload: Payload },
    /// Nowhere: they are computed.
    Synthetic { seed: u64, number: u64 },
}

/// What a state file gives back.
pub(crate) struct Restored {
    pub(crate) mailboxes: BTreeMap<String, Mailbox>,
    pub(crate) public: Option<Arc<Store>>,
}

impl WorldDocument {
    /// Describes a world and appends the streams of its items.
    pub(super) fn of(world: &World, streams: &mut Vec<u8>) -> WorldDocument {
        let mailboxes = world.all_mailboxes();
        WorldDocument {
            clock: world.clock.ticks(),
            mailboxes: mailboxes
                .iter()
                .map(|mailbox| MailboxDocument {
                    primary: StoreDocument::of(&mailbox.primary, streams),
                    archive: mailbox
                        .archive
                        .as_ref()
                        .map(|store| StoreDocument::of(store, streams)),
                })
                .collect(),
            public: world
                .public
                .as_ref()
                .map(|store| StoreDocument::of(store, streams)),
        }
    }

    /// Makes the stores again, taking the streams in the order in which they were written.
    pub(super) fn restore(
        self,
        streams: &mut Streams<'_>,
        clock: &Clock,
        language: Language,
    ) -> Option<Restored> {
        if let Some(ticks) = self.clock {
            clock.resume(ticks);
        }
        let mut mailboxes = BTreeMap::new();
        for document in self.mailboxes {
            let mut store = |document: StoreDocument, kind| {
                document
                    .restore(streams, kind, clock, language)
                    .map(Arc::new)
            };
            let primary = store(document.primary, StoreKind::Primary)?;
            let archive = match document.archive {
                Some(archive) => Some(store(archive, StoreKind::Archive)?),
                None => None,
            };
            let address = primary.address.to_lowercase();
            mailboxes.insert(address, Mailbox { primary, archive });
        }
        let public = match self.public {
            Some(public) => Some(public.restore(streams, StoreKind::Public, clock, language)?),
            None => None,
        };
        Some(Restored {
            mailboxes,
            public: public.map(Arc::new),
        })
    }
}

impl StoreDocument {
    fn of(store: &Store, streams: &mut Vec<u8>) -> StoreDocument {
        let state = store.read();
        let mut items = BTreeMap::new();
        for folder in state.folders() {
            let of = folder.kept().map(|item| ItemDocument {
                content: ItemContent::of(&item.content, streams),
                item: item.clone(),
            });
            items.insert(folder.number, of.collect());
        }
        StoreDocument {
            address: store.address.clone(),
            state: state.without_items(),
            items,
        }
    }

    fn restore(
        self,
        streams: &mut Streams<'_>,
        kind: StoreKind,
        clock: &Clock,
        language: Language,
    ) -> Option<Store> {
        let store = Store::new(&self.address, kind, clock.clone(), language);
        let mut state = self.state;
        state.tick_by(clock);
        for (folder, items) in self.items {
            for document in items {
                let mut item = document.item;
                item.content = document.content.restore(streams)?;
                state.folder_mut(folder)?.put(item);
            }
        }
        *store.write() = state;
        Some(store)
    }
}

impl ItemContent {
    fn of(content: &Content, streams: &mut Vec<u8>) -> ItemContent {
        let mut append = |message: &Message| {
            let stream = stream_of(message);
            streams.extend_from_slice(&stream);
            stream.len() as u64
        };
        match content {
            Content::Message(message) => ItemContent::Stream(append(message)),
            Content::Large(large) => ItemContent::Large {
                stream: append(&large.message),
                payload: large.payload,
            },
            Content::Synthetic { seed, number } => ItemContent::Synthetic {
                seed: *seed,
                number: *number,
            },
        }
    }

    fn restore(self, streams: &mut Streams<'_>) -> Option<Content> {
        Some(match self {
            ItemContent::Stream(bytes) => Content::Message(Arc::new(streams.take(bytes)?)),
            ItemContent::Large { stream, payload } => {
                let message = streams.take(stream)?;
                Content::Large(Arc::new(LargeContent { message, payload }))
            }
            ItemContent::Synthetic { seed, number } => Content::Synthetic { seed, number },
        })
    }
}

fn stream_of(message: &Message) -> Vec<u8> {
    let mut encoder = MessageEncoder::new(message, &WriteOptions::default());
    let mut out = Vec::new();
    while let Some(frame) = encoder.next_frame(&mut |_, _, _| {}) {
        out.extend_from_slice(&frame);
    }
    out
}

/// Keeps a bag of properties as the native stream of a message that has no others.
pub(crate) mod bag_as_stream {
    use serde::de::Error as _;
    use serde::{Deserializer, Serializer};

    use super::{Deserialize, Message, PropertyBag, message_of, stream_of};

    pub(crate) fn serialize<S: Serializer>(bag: &PropertyBag, to: S) -> Result<S::Ok, S::Error> {
        let message = Message {
            props: bag.clone(),
            ..Message::default()
        };
        to.serialize_str(&base64_simd::STANDARD.encode_to_string(stream_of(&message)))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<PropertyBag, D::Error> {
        let text = String::deserialize(from)?;
        let stream = base64_simd::STANDARD
            .decode_to_vec(text)
            .map_err(D::Error::custom)?;
        let message = message_of(&stream).ok_or_else(|| D::Error::custom("damaged properties"))?;
        Ok(message.props)
    }
}

/// Reads the distinguished id of a folder.
pub(crate) fn known_folder_id<'de, D: serde::Deserializer<'de>>(
    from: D,
) -> Result<&'static str, D::Error> {
    let text = String::deserialize(from)?;
    let mut rows = PRIMARY.iter().chain(ARCHIVE).chain(PUBLIC);
    let found = rows.find(|row| row.id == text).map(|row| row.id);
    Ok(found.unwrap_or_default())
}

/// Reads a word of permissions.
pub(crate) fn known_word<'de, D: serde::Deserializer<'de>>(
    from: D,
) -> Result<&'static str, D::Error> {
    const WORDS: [&str; 6] = [
        "None",
        "Owned",
        "All",
        "FullDetails",
        "TimeOnly",
        "TimeAndSubjectAndLocation",
    ];
    let text = String::deserialize(from)?;
    let found = WORDS.into_iter().find(|word| *word == text);
    found.ok_or_else(|| serde::de::Error::custom("an unknown word of permissions"))
}

//! Subscriptions and the events they are told, taken from the stores' change logs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use crate::changes::EventKind as Change;
use crate::clock::xml_time;
use crate::folder::Folder;
use crate::id::{KeyKind, StoreGuid, change_key};
use crate::item::{item_class, key_kind};
use crate::mailbox::{State, Store};
use crate::op::Failure;
use crate::shape::write_id;
use crate::xml::XmlWriter;

/// Most subscriptions at once, as the default policy's EwsMaxSubscriptions.
const MAX_SUBSCRIPTIONS: usize = 5000;
/// Most events in one notification.
pub(crate) const MAX_EVENTS: usize = 50;

/// A client's wish to be told.
#[derive(Clone)]
pub(crate) struct Subscription {
    pub(crate) id: String,
    /// The account that made it, in lower case: it may listen in anybody's name.
    pub(crate) owner: String,
    pub(crate) store: Arc<Store>,
    /// The folders; none for all of the mailbox.
    pub(crate) folders: Option<BTreeSet<u64>>,
    /// Names of event elements, such as `CreatedEvent`.
    pub(crate) events: BTreeSet<String>,
    pub(crate) is_streaming: bool,
    /// The store's change up to which a streaming subscription was told.
    pub(crate) position: u64,
    /// Which connection listens: a later one ends an earlier one.
    pub(crate) connection: u64,
}

/// All subscriptions there are.
#[derive(Default)]
pub(crate) struct Subscriptions(Mutex<Table>);

#[derive(Default)]
struct Table {
    by_id: BTreeMap<String, Subscription>,
    made: u64,
}

impl Subscriptions {
    /// Keeps a subscription and gives it its id.
    pub(crate) fn add(&self, mut subscription: Subscription) -> Result<String, Failure> {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if table.by_id.len() >= MAX_SUBSCRIPTIONS {
            return Err(Failure::new(
                "ErrorExceededSubscriptionCount",
                "There are too many subscriptions.",
            ));
        }
        table.made += 1;
        let mut bytes = b"sim".to_vec();
        bytes.extend_from_slice(&subscription.store.guid.0);
        bytes.extend_from_slice(&table.made.to_be_bytes());
        let id = base64_simd::STANDARD.encode_to_string(&bytes);
        subscription.id.clone_from(&id);
        table.by_id.insert(id.clone(), subscription);
        Ok(id)
    }

    pub(crate) fn get(&self, id: &str) -> Option<Subscription> {
        let table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        table.by_id.get(id).cloned()
    }

    pub(crate) fn remove(&self, id: &str) -> bool {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        table.by_id.remove(id).is_some()
    }

    /// Whether a subscription has anything to do for the connection that listens to it, told
    /// without copying it: thousands are looked at several times a second.
    pub(crate) fn is_quiet(&self, id: &str, connection: u64) -> bool {
        let table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        table.by_id.get(id).is_some_and(|found| {
            found.connection == connection && found.store.read().change() == found.position
        })
    }

    /// Forgets all subscriptions, as a server does that restarts.
    pub(crate) fn clear(&self) {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        table.by_id.clear();
    }

    /// Changes a subscription in place; `false` if it is gone.
    pub(crate) fn change(&self, id: &str, edit: impl FnOnce(&mut Subscription)) -> bool {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        table.by_id.get_mut(id).map(edit).is_some()
    }
}

/// A store's change as the opaque text that clients keep.
pub(crate) fn watermark(store: StoreGuid, change: u64) -> String {
    let mut bytes = b"wm".to_vec();
    bytes.extend_from_slice(&store.0);
    bytes.extend_from_slice(&change.to_be_bytes());
    base64_simd::STANDARD.encode_to_string(&bytes)
}

/// Reads a watermark of a store.
pub(crate) fn read_watermark(store: StoreGuid, text: &str) -> Option<u64> {
    let bytes = base64_simd::STANDARD.decode_to_vec(text.as_bytes()).ok()?;
    let rest = bytes.strip_prefix(b"wm")?.strip_prefix(&store.0)?;
    rest.try_into().ok().map(u64::from_be_bytes)
}

/// One event, as far as it is known before it is written.
struct Found<'s> {
    change: u64,
    name: &'static str,
    folder: &'s Folder,
    key: u64,
    /// The folder and key of the item before it was moved or copied.
    old: Option<(u64, u64)>,
}

/// A part of a subscription's events.
pub(crate) struct Told {
    /// The change up to which everything is told.
    pub(crate) until: u64,
    pub(crate) more: bool,
    pub(crate) count: usize,
}

impl Subscription {
    /// Writes the events after a change, each with its watermark where the subscription has them.
    pub(crate) fn write_events(&self, w: &mut XmlWriter, after: u64) -> Told {
        let state = self.store.read();
        let until = state.change();
        let mut found = Vec::new();
        for folder in state.folders() {
            // One more than can be told tells whether there is more.
            let events = folder.log.between(after, until);
            let events = events.flat_map(|event| self.meaning(&state, folder, event));
            found.extend(events.take(MAX_EVENTS + 1));
        }
        found.sort_by_key(|event| event.change);
        let rest = found.get(MAX_EVENTS).map(|event| event.change);
        let more = rest.is_some();
        found.truncate(MAX_EVENTS);
        // Two events of one change are told together, or the second would be passed over.
        while more && found.last().map(|event| event.change) == rest {
            found.pop();
        }
        let last = found.last().map_or(until, |event| event.change);
        for event in &found {
            self.write(w, &state, event);
        }
        Told {
            until: if more { last } else { until },
            more,
            count: found.len(),
        }
    }

    /// What an entry of a folder's log means to this subscription.
    fn meaning<'s>(
        &self,
        state: &State,
        folder: &'s Folder,
        event: crate::changes::Event,
    ) -> Vec<Found<'s>> {
        let here = self.covers(folder.number);
        let of = |name, old| Found {
            change: event.change,
            name,
            folder,
            key: event.key,
            old,
        };
        let mut list = Vec::new();
        match event.kind {
            Change::Deleted { .. } if state.origins().is_move(event.change) => {}
            Change::Deleted { .. } if here => list.push(of("DeletedEvent", None)),
            Change::Updated | Change::ReadFlag if here => list.push(of("ModifiedEvent", None)),
            Change::Created => match state.origins().of(event.change) {
                Some(origin) if here || self.covers(origin.folder) => {
                    let name = if origin.left.is_some() {
                        "MovedEvent"
                    } else {
                        "CopiedEvent"
                    };
                    list.push(of(name, Some((origin.folder, origin.key))));
                }
                None if here => {
                    list.push(of("CreatedEvent", None));
                    if folder.well_known == "inbox" {
                        list.push(of("NewMailEvent", None));
                    }
                }
                _ => {}
            },
            _ => {}
        }
        list.retain(|event| self.events.contains(event.name));
        list
    }

    fn covers(&self, folder: u64) -> bool {
        let folders = self.folders.as_ref();
        folders.is_none_or(|folders| folders.contains(&folder))
    }

    fn write(&self, w: &mut XmlWriter, state: &State, event: &Found<'_>) {
        let store = &self.store;
        let folder_key = |number: u64| {
            let change = state.folder(number).map_or(0, |folder| folder.change);
            change_key(KeyKind::Folder, store.guid, change)
        };
        let item = event.folder.get(event.key);
        let kind = item.as_ref().map_or(KeyKind::Message, |item| {
            key_kind(&item_class(&item.message()))
        });
        let key = change_key(kind, store.guid, event.change);
        let time = item.map_or(event.folder.commit_time, |item| item.modified);
        let name = format!("t:{}", event.name);
        w.start(&name);
        if !self.is_streaming {
            w.leaf("t:Watermark", &watermark(store.guid, event.change));
        }
        w.leaf("t:TimeStamp", &xml_time(time));
        let number = event.folder.number;
        write_id(w, "t:ItemId", &store.item_id(number, event.key), &key);
        let id = store.folder_id(number);
        write_id(w, "t:ParentFolderId", &id, &folder_key(number));
        if let Some((folder, item)) = event.old {
            write_id(w, "t:OldItemId", &store.item_id(folder, item), &key);
            let id = store.folder_id(folder);
            write_id(w, "t:OldParentFolderId", &id, &folder_key(folder));
        }
        w.end(&name);
    }
}

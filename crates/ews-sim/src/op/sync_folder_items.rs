//! SyncFolderItems (MS-OXWSSYNC 3.1.4.2).

use std::collections::HashSet;

use super::sync_folder_hierarchy::{bad_state, not_public};
use super::{Answer, Context, Failure, Oops, Reply};
use crate::changes::{Event, EventKind, SyncScope, SyncState};
use crate::folder::Folder;
use crate::id::{KeyKind, change_key};
use crate::item::Item;
use crate::mailbox::{State, StoreKind};
use crate::op::resolve::FolderRef;
use crate::shape::{ItemShape, View, write_id};
use crate::soap::Fault;
use crate::xml::{Element, XmlWriter};

/// Most changes in one answer, by the schema.
const MAX_CHANGES: u64 = 512;

pub(super) fn run(context: &Context<'_>, request: &Element<'_>) -> Result<Reply, Fault> {
    let mut answer = Answer::new(context);
    answer.message(|w| {
        let sync = Sync::read(request)?;
        let holder = request
            .child("SyncFolderId")
            .ok_or_else(|| Fault::schema("'SyncFolderId' is missing."))?;
        let found = context.target_folder(holder)?;
        if found.store.kind == StoreKind::Public {
            return Err(not_public().into());
        }
        let state = found.store.read();
        let folder = state.folder(found.number).ok_or(Failure::NO_FOLDER)?;
        let start = start(request, &found, &state)?;
        sync.answer(w, &found, folder, start);
        Ok(())
    })?;
    answer.finish()
}

/// The round to go on with.
fn start(request: &Element<'_>, found: &FolderRef, state: &State) -> Result<SyncState, Failure> {
    let current = state.change();
    let Some(text) = request
        .child_text("SyncState")
        .filter(|text| !text.is_empty())
    else {
        return Ok(SyncState {
            store: found.store.guid,
            folder: found.number,
            scope: SyncScope::Items,
            base: 0,
            as_of: current,
            position: 0,
        });
    };
    let known = SyncState::decode(text).ok_or_else(bad_state)?;
    let ours = known.scope == SyncScope::Items
        && known.store == found.store.guid
        && known.folder == found.number
        && known.as_of <= current;
    if ours {
        Ok(known.next_round(current))
    } else {
        Err(bad_state())
    }
}

/// What a SyncFolderItems asks for, apart from the place.
struct Sync {
    shape: ItemShape,
    max: usize,
    associated: bool,
    ignore: HashSet<String>,
}

impl Sync {
    fn read(request: &Element<'_>) -> Result<Sync, Oops> {
        let max = request
            .child_text("MaxChangesReturned")
            .and_then(|text| text.parse::<u64>().ok())
            .filter(|max| (1..=MAX_CHANGES).contains(max))
            .ok_or_else(|| Fault::schema("'MaxChangesReturned' must be between 1 and 512."))?;
        let shape = ItemShape::read(request, "ItemShape", true)?;
        if shape.includes_mime() {
            return Err(Failure::new(
                "ErrorInvalidPropertyForOperation",
                "MIME content cannot be had by this operation.",
            )
            .into());
        }
        let ignore = request.list("Ignore").iter();
        Ok(Sync {
            shape,
            max: usize::try_from(max).unwrap_or(1),
            associated: request.child_text("SyncScope") == Some("NormalAndAssociatedItems"),
            ignore: ignore
                .filter_map(|id| id.attr("Id"))
                .map(str::to_owned)
                .collect(),
        })
    }

    /// Walks the folder's events from the state's position and writes the changes.
    fn answer(&self, w: &mut XmlWriter, found: &FolderRef, folder: &Folder, mut at: SyncState) {
        let mut changes = Vec::new();
        let mut ended = true;
        for event in folder.log.between(at.position, at.as_of) {
            if changes.len() >= self.max {
                ended = false;
                break;
            }
            at.position = event.change;
            if let Some(change) = self.change_of(found, folder, event, at) {
                changes.push(change);
            }
        }
        if ended {
            at.position = at.as_of;
        }
        let more = !ended || folder.log.any_after(at.as_of);
        w.leaf("m:SyncState", &at.encode());
        w.flag("m:IncludesLastItemInRange", !more);
        w.start("m:Changes");
        for change in changes {
            self.write(w, found, folder, change);
        }
        w.end("m:Changes");
    }

    /// What an event means to the client; nothing if a later event of the round says it.
    fn change_of(
        &self,
        found: &FolderRef,
        folder: &Folder,
        event: Event,
        at: SyncState,
    ) -> Option<Change> {
        let change = match event.kind {
            EventKind::Deleted { created } => (created <= at.base).then_some(Change::Delete {
                key: event.key,
                at: event.change,
            })?,
            _ => {
                let item = folder.get(event.key)?;
                if item.change_as_of(at.as_of) != Some(event.change) {
                    return None;
                }
                if item.associated && !self.associated {
                    return None;
                }
                match item.classify(at.base, at.as_of) {
                    EventKind::Created => Change::Create(item),
                    EventKind::ReadFlag => Change::ReadFlag(item),
                    _ => Change::Update(item),
                }
            }
        };
        if !self.ignore.is_empty() {
            let id = found.store.item_id(folder.number, event.key);
            if self.ignore.contains(&id) {
                return None;
            }
        }
        Some(change)
    }

    fn write(&self, w: &mut XmlWriter, found: &FolderRef, folder: &Folder, change: Change) {
        let store = &found.store;
        let place = (folder.number, folder.change);
        let item_in = |w: &mut XmlWriter, name: &str, item: &Item| {
            let message = item.message();
            w.start(name);
            let view = View::of_item(store, place, item, &message, &self.shape);
            self.shape.write(w, &view);
            w.end(name);
        };
        match change {
            Change::Create(item) => item_in(w, "t:Create", &item),
            Change::Update(item) => item_in(w, "t:Update", &item),
            Change::ReadFlag(item) => {
                let message = item.message();
                let view = View::of_item(store, place, &item, &message, &self.shape);
                w.start("t:ReadFlagChange");
                if let Some(place) = &view.place {
                    write_id(w, "t:ItemId", &place.id, &place.change_key);
                }
                w.flag("t:IsRead", item.is_read);
                w.end("t:ReadFlagChange");
            }
            Change::Delete { key, at } => {
                w.start("t:Delete");
                let change_key = change_key(KeyKind::Message, store.guid, at);
                write_id(
                    w,
                    "t:ItemId",
                    &store.item_id(folder.number, key),
                    &change_key,
                );
                w.end("t:Delete");
            }
        }
    }
}

enum Change {
    Create(Item),
    Update(Item),
    ReadFlag(Item),
    Delete { key: u64, at: u64 },
}

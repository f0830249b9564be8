//! SyncFolderHierarchy (MS-OXWSSYNC 3.1.4.1).

use super::{Answer, Context, Failure, Oops, Reply};
use crate::changes::{SyncScope, SyncState};
use crate::id::{KeyKind, change_key};
use crate::mailbox::{State, Store, StoreKind};
use crate::op::resolve::FolderRef;
use crate::shape::{FolderShape, write_folder};
use crate::soap::Fault;
use crate::xml::{Element, XmlWriter};

pub(super) fn run(context: &Context<'_>, request: &Element<'_>) -> Result<Reply, Fault> {
    let mut answer = Answer::new(context);
    answer.message(|w| {
        let shape = FolderShape::read(request)?;
        let root = match request.child("SyncFolderId") {
            Some(holder) => context.target_folder(holder)?,
            None => default_root(context)?,
        };
        if root.store.kind == StoreKind::Public {
            return Err(not_public().into());
        }
        let state = root.store.read();
        let since = since(request, &root, &state)?;
        write_changes(w, &shape, &root, &state, since);
        Ok(())
    })?;
    answer.finish()
}

/// Clients may leave the folder out; they mean the root.
fn default_root(context: &Context<'_>) -> Result<FolderRef, Oops> {
    let mailbox = context.mailbox.as_ref().ok_or(Failure::NO_FOLDER)?;
    Ok(FolderRef {
        store: mailbox.primary.clone(),
        number: 1,
    })
}

pub(super) fn not_public() -> Failure {
    Failure::new(
        "ErrorInvalidOperation",
        "Public folders cannot be synchronised.",
    )
}

pub(super) fn bad_state() -> Failure {
    Failure::new(
        "ErrorInvalidSyncStateData",
        "Synchronization state data is corrupt or otherwise invalid.",
    )
}

/// The change number up to which the client knows the hierarchy.
fn since(request: &Element<'_>, root: &FolderRef, state: &State) -> Result<u64, Failure> {
    let Some(text) = request
        .child_text("SyncState")
        .filter(|text| !text.is_empty())
    else {
        return Ok(0);
    };
    let known = SyncState::decode(text).ok_or_else(bad_state)?;
    let ours = known.scope == SyncScope::Hierarchy
        && known.store == root.store.guid
        && known.folder == root.number
        && known.as_of <= state.change();
    if ours {
        Ok(known.as_of)
    } else {
        Err(bad_state())
    }
}

fn write_changes(
    w: &mut XmlWriter,
    shape: &FolderShape,
    root: &FolderRef,
    state: &State,
    since: u64,
) {
    let store: &Store = &root.store;
    let next = SyncState {
        store: store.guid,
        folder: root.number,
        scope: SyncScope::Hierarchy,
        base: state.change(),
        as_of: state.change(),
        position: state.change(),
    };
    w.leaf("m:SyncState", &next.encode());
    w.flag("m:IncludesLastFolderInRange", true);
    w.start("m:Changes");
    for folder in state.descendants(root.number) {
        let name = if folder.created_change > since {
            "t:Create"
        } else if folder.change > since {
            "t:Update"
        } else {
            continue;
        };
        w.start(name);
        write_folder(w, shape, store, state, folder);
        w.end(name);
    }
    for gone in state.deleted_folders() {
        let inside = gone.parents.contains(&root.number);
        if inside && gone.change > since && gone.created_change <= since {
            w.start("t:Delete");
            let key = change_key(KeyKind::Folder, store.guid, gone.change);
            crate::shape::write_id(w, "t:FolderId", &store.folder_id(gone.number), &key);
            w.end("t:Delete");
        }
    }
    w.end("m:Changes");
}

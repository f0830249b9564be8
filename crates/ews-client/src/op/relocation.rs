//! What CopyItem and MoveItem, CopyFolder and MoveFolder have in common: a target, what goes there,
//! and the ids it has then.

use crate::answer;
use crate::element;
use crate::error::Result;
use crate::model::{Folder, FolderIdRef, ItemId, Outcome};
use crate::op::get_folder::first_folder;
use crate::version::SchemaVersion;
use crate::xml::{Node, Writer};

/// The request for items (BaseMoveCopyItemType).
pub(super) fn write_items(
    writer: &mut Writer,
    name: &'static str,
    to: &FolderIdRef,
    ids: &[ItemId],
    version: SchemaVersion,
) {
    writer.open(name);
    element::target_folder(writer, "m:ToFolderId", to);
    element::item_ids(writer, "m:ItemIds", ids);
    if version >= SchemaVersion::Exchange2010_SP1 {
        writer.leaf("m:ReturnNewItemIds", true);
    }
    writer.close();
}

/// The items' new ids; `None` where the server gives none, as between mailboxes.
pub(super) fn read_items(response: Node<'_>, asked: usize) -> Result<Vec<Outcome<Option<ItemId>>>> {
    answer::outcomes(response, asked, |message| {
        let item = message
            .child("Items")
            .and_then(|items| items.children().next());
        Ok(item
            .and_then(|item| item.child("ItemId"))
            .and_then(answer::item_id))
    })
}

/// The request for folders (BaseMoveCopyFolderType).
pub(super) fn write_folders(
    writer: &mut Writer,
    name: &'static str,
    to: &FolderIdRef,
    ids: &[FolderIdRef],
) {
    writer.open(name);
    element::target_folder(writer, "m:ToFolderId", to);
    element::folder_refs(writer, "m:FolderIds", ids);
    writer.close();
}

/// The folders' ids.
pub(super) fn read_folders(response: Node<'_>, asked: usize) -> Result<Vec<Outcome<Folder>>> {
    answer::outcomes(response, asked, first_folder)
}

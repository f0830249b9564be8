//! MarkAsJunk (EWS reference) and ArchiveItem (MS-OXWSARCH 3.1.4.1).

use super::get_item::write_item;
use super::update_item::flag_attr;
use super::{Answer, Context, Failure, Oops, Reply};
use crate::id::change_key;
use crate::item::{item_class, key_kind};
use crate::op::answer::subject_of;
use crate::op::resolve::{FolderRef, ItemRef};
use crate::shape::{ItemShape, write_id};
use crate::soap::Fault;
use crate::xml::Element;

/// Moves what is junk into the folder for it, and what is not back into the inbox.
pub(super) fn junk(context: &Context<'_>, request: &Element<'_>) -> Result<Reply, Fault> {
    let is_junk = flag_attr(request, "IsJunk")
        .ok_or_else(|| Fault::schema("The required attribute 'IsJunk' is missing."))?;
    let moves = flag_attr(request, "MoveItem")
        .ok_or_else(|| Fault::schema("The required attribute 'MoveItem' is missing."))?;
    let mut answer = Answer::new(context);
    for id in request.required_list("ItemIds")? {
        answer.message(|w| {
            let found = context.item(id)?;
            context.check_change(&found)?;
            context.item_fault(&found.id, &subject_of(&found.item.message()))?;
            let place = if is_junk { "junkemail" } else { "inbox" };
            let mut state = found.store.write();
            let target = state.well_known(place).map(|folder| folder.number);
            let Some(target) = target.filter(|_| moves) else {
                return Ok(());
            };
            let key = match target == found.folder {
                true => found.item.key,
                false => state.move_item(found.folder, found.item.key, target)?,
            };
            let item = state.item(target, key).ok_or(Failure::NO_ITEM)?;
            let class = item_class(&item.message()).into_owned();
            let change = change_key(key_kind(&class), found.store.guid, item.change());
            let id = found.store.item_id(target, key);
            write_id(w, "m:MovedItemId", &id, &change);
            Ok(())
        })?;
    }
    answer.finish()
}

/// Moves items into the folder of the archive that has the path of the one they are in.
pub(super) fn archive(context: &Context<'_>, request: &Element<'_>) -> Result<Reply, Fault> {
    let mut answer = Answer::new(context);
    let source = request
        .child("ArchiveSourceFolderId")
        .ok_or_else(|| Fault::schema("'ArchiveSourceFolderId' is missing."))?;
    for id in request.required_list("ItemIds")? {
        answer.message(|w| {
            let source = context.target_folder(source)?;
            let found = context.item(id)?;
            context.check_change(&found)?;
            let moved = into_archive(context, &source, &found)?;
            w.start("m:Items");
            write_item(w, &ItemShape::id_only(), &moved)?;
            w.end("m:Items");
            Ok(())
        })?;
    }
    answer.finish()
}

fn into_archive(
    context: &Context<'_>,
    source: &FolderRef,
    found: &ItemRef,
) -> Result<ItemRef, Oops> {
    let mailbox = context.own_mailbox(None)?;
    let archive = mailbox.archive.clone().ok_or(Failure::new(
        "ErrorArchiveMailboxNotEnabled",
        "The mailbox has no archive.",
    ))?;
    if found.store.guid == archive.guid {
        return Err(Failure::new(
            "ErrorCannotArchiveItemsInArchiveMailbox",
            "The item is in the archive already.",
        )
        .into());
    }
    if found.store.guid != mailbox.primary.guid || source.store.guid != found.store.guid {
        return Err(Failure::new(
            "ErrorCannotArchiveItemsInPublicFolders",
            "The item is not in the mailbox.",
        )
        .into());
    }
    let path = {
        let state = source.store.read();
        let class = state.folder(source.number).map(|folder| &folder.class);
        if class.is_some_and(|class| {
            class.starts_with("IPF.Appointment")
                || class.starts_with("IPF.Contact")
                || class.starts_with("IPF.Task")
        }) {
            return Err(Failure::new(
                "ErrorCannotArchiveCalendarContactTaskFolderException",
                "Calendars, contacts and tasks are not archived.",
            )
            .into());
        }
        let top = state.well_known("msgfolderroot").map(|top| top.number);
        let above = state.ancestors(source.number).into_iter();
        let above = above.take_while(|number| Some(*number) != top);
        let numbers: Vec<u64> = std::iter::once(source.number).chain(above).collect();
        let folders = numbers
            .iter()
            .rev()
            .filter_map(|number| state.folder(*number));
        folders
            .map(|folder| (folder.name.clone(), folder.class.clone()))
            .collect::<Vec<_>>()
    };
    let mut state = archive.write();
    let top = state
        .well_known("archivemsgfolderroot")
        .map(|top| top.number);
    let mut at = top.ok_or(Failure::NO_FOLDER)?;
    for (name, class) in path {
        let there = state.children(at).find(|child| child.name == name);
        at = match there.map(|child| child.number) {
            Some(number) => number,
            None => state.create_folder(at, &name, &class)?,
        };
    }
    let item = found
        .store
        .write()
        .remove_item(found.folder, found.item.key)?;
    let key = state.adopt(at, item)?;
    drop(state);
    Ok(context.item_by_id(&archive.item_id(at, key))?)
}

//! DeleteItem, MoveItem, CopyItem, SendItem and MarkAllItemsAsRead (MS-OXWSCORE 3.1.4).

use fasttransfer::{PropValue, tag};

use super::update_item::flag_attr;
use super::{Answer, Context, Failure, Oops, Reply};
use crate::handle::{Deletion, bin_of};
use crate::item::FLAG_UNSENT;
use crate::op::answer::subject_of;
use crate::op::get_item::write_item;
use crate::op::resolve::{FolderRef, ItemRef};
use crate::prop::parse_bool;
use crate::series::{self, Series};
use crate::shape::ItemShape;
use crate::soap::Fault;
use crate::xml::{Element, XmlWriter};

/// Reads a DeleteType attribute.
pub(super) fn deletion(request: &Element<'_>) -> Result<Deletion, Fault> {
    match request.attr("DeleteType") {
        Some("HardDelete") => Ok(Deletion::Hard),
        Some("SoftDelete") => Ok(Deletion::Soft),
        Some("MoveToDeletedItems") => Ok(Deletion::MoveToDeletedItems),
        _ => Err(Fault::schema("The 'DeleteType' attribute is invalid.")),
    }
}

pub(super) fn delete(context: &Context<'_>, request: &Element<'_>) -> Result<Reply, Fault> {
    let how = deletion(request)?;
    let mut answer = Answer::new(context);
    for id in request.required_list("ItemIds")? {
        answer.message(|_| {
            let found = context.item(id)?;
            context.item_fault(&found.id, &subject_of(&found.item.message()))?;
            context.check_write(&found.store, found.folder)?;
            let mut state = found.store.write();
            if let Some(occurrence) = found.item.occurrence {
                let day = series::day_of(occurrence.day).ok_or(Failure::NO_ITEM)?;
                return Ok(state.edit_item(found.folder, found.item.key, |master| {
                    if let Some(mut series) = Series::of(master) {
                        series.delete(day);
                        series.put(master);
                    }
                })?);
            }
            match bin_of(&state, how) {
                Some(bin) if bin != found.folder => {
                    state.move_item(found.folder, found.item.key, bin)?;
                }
                _ => drop(state.remove_item(found.folder, found.item.key)?),
            }
            Ok(())
        })?;
    }
    answer.finish()
}

pub(super) fn relocate(context: &Context<'_>, request: &Element<'_>) -> Result<Reply, Fault> {
    transfer(context, request, |found, target| {
        if found.store.guid == target.store.guid {
            let mut state = found.store.write();
            return Ok(state.move_item(found.folder, found.item.key, target.number)?);
        }
        let item = found
            .store
            .write()
            .remove_item(found.folder, found.item.key)?;
        Ok(target.store.write().adopt(target.number, item)?)
    })
}

pub(super) fn copy(context: &Context<'_>, request: &Element<'_>) -> Result<Reply, Fault> {
    transfer(context, request, |found, target| {
        if found.store.guid == target.store.guid {
            let mut state = found.store.write();
            return Ok(state.copy_item(found.folder, found.item.key, target.number)?);
        }
        Ok(target
            .store
            .write()
            .adopt(target.number, found.item.clone())?)
    })
}

fn transfer(
    context: &Context<'_>,
    request: &Element<'_>,
    act: impl Fn(&ItemRef, &FolderRef) -> Result<u64, Oops>,
) -> Result<Reply, Fault> {
    let mut answer = Answer::new(context);
    let to = request
        .child("ToFolderId")
        .ok_or_else(|| Fault::schema("'ToFolderId' is missing."))?;
    let returns_ids = request.child_text("ReturnNewItemIds").and_then(parse_bool) != Some(false);
    for id in request.required_list("ItemIds")? {
        answer.message(|w| {
            let target = context.target_folder(to).map_err(to_folder)?;
            let found = context.item(id)?;
            context.check_write(&target.store, target.number)?;
            if context.operation == "MoveItem" {
                context.check_write(&found.store, found.folder)?;
            }
            context.item_fault(&found.id, &subject_of(&found.item.message()))?;
            let key = act(&found, &target)?;
            w.start("m:Items");
            if returns_ids {
                write_moved(w, context, &target, key)?;
            }
            w.end("m:Items");
            Ok(())
        })?;
    }
    answer.finish()
}

/// A missing target has a code of its own.
pub(super) fn to_folder(oops: Oops) -> Oops {
    match oops {
        Oops::Part(failure) if failure.code == "ErrorFolderNotFound" => Failure::new(
            "ErrorToFolderNotFound",
            "The destination folder could not be found.",
        )
        .into(),
        other => other,
    }
}

fn write_moved(
    w: &mut XmlWriter,
    context: &Context<'_>,
    target: &FolderRef,
    key: u64,
) -> Result<(), Oops> {
    let found = context.item_by_id(&target.store.item_id(target.number, key))?;
    write_item(w, &ItemShape::id_only(), &found)
}

pub(super) fn send(context: &Context<'_>, request: &Element<'_>) -> Result<Reply, Fault> {
    let saves = flag_attr(request, "SaveItemToFolder")
        .ok_or_else(|| Fault::schema("'SaveItemToFolder' is missing."))?;
    let mut answer = Answer::new(context);
    for id in request.required_list("ItemIds")? {
        answer.message(|_| {
            let found = context.item(id)?;
            let message = found.item.message();
            if crate::shape::element_name(&crate::item::item_class(&message)) != "t:Message" {
                return Err(Failure::WRONG_KIND.into());
            }
            if message.recipients.is_empty() {
                return Err(Failure::new(
                    "ErrorInvalidRecipients",
                    "At least one recipient is needed.",
                )
                .into());
            }
            let mut state = found.store.write();
            let sent = state.well_known("sentitems").map(|folder| folder.number);
            state.edit_item(found.folder, found.item.key, |message| {
                let flags = message.props.i32(tag::MESSAGE_FLAGS).unwrap_or(0);
                let sent = PropValue::Int32(flags & !FLAG_UNSENT);
                message.props.set(tag::MESSAGE_FLAGS, sent);
            })?;
            match sent.filter(|_| saves) {
                Some(sent) => drop(state.move_item(found.folder, found.item.key, sent)?),
                None => drop(state.remove_item(found.folder, found.item.key)?),
            }
            context
                .world
                .recorder
                .record(|stats| stats.sent_messages += 1);
            Ok(())
        })?;
    }
    answer.finish()
}

pub(super) fn mark_all(context: &Context<'_>, request: &Element<'_>) -> Result<Reply, Fault> {
    let is_read = request
        .child_text("ReadFlag")
        .and_then(parse_bool)
        .ok_or_else(|| Fault::schema("'ReadFlag' is missing."))?;
    let mut answer = Answer::new(context);
    for id in request.required_list("FolderIds")? {
        answer.message(|_| {
            let found = context.folder(id)?;
            let mut state = found.store.write();
            let folder = state.folder(found.number).ok_or(Failure::NO_FOLDER)?;
            let keys: Vec<u64> = folder
                .items_from(0, false)
                .filter(|item| item.is_read != is_read)
                .map(|item| item.key)
                .collect();
            for key in keys {
                state.set_read(found.number, key, is_read)?;
            }
            Ok(())
        })?;
    }
    answer.finish()
}

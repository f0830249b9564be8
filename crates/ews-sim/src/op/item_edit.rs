//! DeleteItem, MoveItem, CopyItem, SendItem and MarkAllItemsAsRead (MS-OXWSCORE 3.1.4).

use fasttransfer::{PropValue, tag};

use super::update_item::flag_attr;
use super::{Answer, Context, Failure, Oops, Reply};
use crate::handle::{Deletion, bin_of};
use crate::id::parse_change_key;
use crate::item::{FLAG_UNSENT, item_class};
use crate::op::answer::subject_of;
use crate::op::get_item::write_item;
use crate::op::resolve::{FolderRef, ItemRef};
use crate::prop::parse_bool;
use crate::series::{self, Series};
use crate::shape::{ItemShape, element_name};
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
            check_telling(request, &found)?;
            context.check_delete(&found)?;
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

/// Fails where an attribute is missing that says what else is to go, or who is told.
fn check_telling(request: &Element<'_>, found: &ItemRef) -> Result<(), Failure> {
    let class = item_class(&found.item.message()).into_owned();
    let lacks = |name: &str| request.attr(name).is_none();
    match element_name(&class) {
        "t:CalendarItem" if lacks("SendMeetingCancellations") => Err(Failure::new(
            "ErrorSendMeetingCancellationsRequired",
            "The SendMeetingCancellations attribute is required.",
        )),
        "t:Task" if lacks("AffectedTaskOccurrences") => Err(Failure::new(
            "ErrorAffectedTaskOccurrencesRequired",
            "The AffectedTaskOccurrences attribute is required.",
        )),
        _ => Ok(()),
    }
}

pub(super) fn relocate(context: &Context<'_>, request: &Element<'_>) -> Result<Reply, Fault> {
    transfer(context, request, shift)
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
            context.check_insert(&target.store, target.number)?;
            if context.operation == "MoveItem" {
                context.check_delete(&found)?;
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
    let saved = request.child("SavedItemFolderId");
    if saved.is_some() && !saves {
        let code = "ErrorInvalidSendItemSaveSettings";
        let failure = Failure::new(code, "A folder for a copy that is not to be kept.");
        return refuse_all(context, request, &failure);
    }
    let mut answer = Answer::new(context);
    for id in request.required_list("ItemIds")? {
        answer.message(|_| send_one(context, id, saved, saves))?;
    }
    answer.finish()
}

/// The same failure for every item of a request.
fn refuse_all(
    context: &Context<'_>,
    request: &Element<'_>,
    failure: &Failure,
) -> Result<Reply, Fault> {
    let mut answer = Answer::new(context);
    for _ in request.required_list("ItemIds")? {
        answer.message(|_| Err(failure.clone().into()))?;
    }
    answer.finish()
}

fn send_one(
    context: &Context<'_>,
    id: &Element<'_>,
    saved: Option<&Element<'_>>,
    saves: bool,
) -> Result<(), Oops> {
    let found = context.item(id)?;
    if id.attr("ChangeKey").is_none_or(str::is_empty) {
        return Err(Failure::new("ErrorChangeKeyRequired", "A change key is required.").into());
    }
    let known = id.attr("ChangeKey").and_then(parse_change_key);
    if known != Some(found.item.change()) {
        return Err(Failure::new(
            "ErrorStaleObject",
            "The item was changed since the change key was read.",
        )
        .into());
    }
    let message = found.item.message();
    if element_name(&item_class(&message)) != "t:Message" {
        return Err(Failure::WRONG_KIND.into());
    }
    context.check_delete(&found)?;
    let target = match saved {
        Some(holder) => Some(context.target_folder(holder)?),
        None => context.own_folder("sentitems"),
    };
    hand_over(context, &found, target.as_ref().filter(|_| saves))?;
    Ok(())
}

/// Sends an item: it is counted, and goes into a folder or away.
pub(super) fn hand_over(
    context: &Context<'_>,
    found: &ItemRef,
    target: Option<&FolderRef>,
) -> Result<Option<ItemRef>, Oops> {
    if found.item.message().recipients.is_empty() {
        return Err(Failure::new(
            "ErrorInvalidRecipients",
            "At least one recipient is needed.",
        )
        .into());
    }
    if let Some(target) = target {
        context.check_insert(&target.store, target.number)?;
    }
    found
        .store
        .write()
        .edit_item(found.folder, found.item.key, |message| {
            let flags = message.props.i32(tag::MESSAGE_FLAGS).unwrap_or(0);
            let sent = PropValue::Int32(flags & !FLAG_UNSENT);
            message.props.set(tag::MESSAGE_FLAGS, sent);
        })?;
    let left = match target {
        Some(target) => {
            let key = shift(found, target)?;
            Some(context.item_by_id(&target.store.item_id(target.number, key))?)
        }
        None => {
            let mut state = found.store.write();
            drop(state.remove_item(found.folder, found.item.key)?);
            None
        }
    };
    context
        .world
        .recorder
        .record(|stats| stats.sent_messages += 1);
    Ok(left)
}

/// Moves an item to another folder, of whichever store.
fn shift(found: &ItemRef, target: &FolderRef) -> Result<u64, Oops> {
    let (folder, key) = (found.folder, found.item.key);
    if found.store.guid == target.store.guid {
        return Ok(found.store.write().move_item(folder, key, target.number)?);
    }
    let item = found.store.write().remove_item(folder, key)?;
    Ok(target.store.write().adopt(target.number, item)?)
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
            context.check_owner(&found)?;
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

//! ApplyConversationAction (MS-OXWSCONV 3.1.4.1): one deed for all items of a conversation.

use fasttransfer::{NamedProp, PropValue, guid};

use super::{id_of, items_of, own_store};
use crate::handle::{Deletion, bin_of};
use crate::op::resolve::ItemRef;
use crate::op::{Answer, Context, Failure, Oops, Reply};
use crate::prop::parse_bool;
use crate::set;
use crate::soap::Fault;
use crate::xml::Element;

pub(in crate::op) fn apply(context: &Context<'_>, request: &Element<'_>) -> Result<Reply, Fault> {
    let mut answer = Answer::new(context);
    for action in request.required_list("ConversationActions")? {
        answer.message(|_| act(context, action))?;
    }
    answer.finish()
}

fn act(context: &Context<'_>, action: &Element<'_>) -> Result<(), Oops> {
    let id = id_of(action.child("ConversationId"))?;
    let store = own_store(context)?;
    let inside = match action.child("ContextFolderId") {
        Some(holder) => Some(context.target_folder(holder)?),
        None => None,
    };
    let found = items_of(&store, id, |number| {
        inside
            .as_ref()
            .is_none_or(|folder| folder.store.guid == store.guid && folder.number == number)
    });
    if found.is_empty() {
        return Err(Failure::NO_CONVERSATION.into());
    }
    for item in &found {
        deed(context, action, item)?;
    }
    Ok(())
}

/// What an action does to one item.
fn deed(context: &Context<'_>, action: &Element<'_>, item: &ItemRef) -> Result<(), Oops> {
    let (folder, key) = (item.folder, item.item.key);
    let state = || item.store.write();
    match action.child_text("Action").unwrap_or_default() {
        "AlwaysCategorize" => categorize(action, item),
        name @ ("AlwaysDelete" | "Delete") => {
            // To undo "always delete" leaves everything where it is.
            let always = action.child_text("EnableAlwaysDelete").and_then(parse_bool);
            if name == "AlwaysDelete" && always == Some(false) {
                return Ok(());
            }
            let how = match action.child_text("DeleteType") {
                Some("HardDelete") => Deletion::Hard,
                Some("SoftDelete") => Deletion::Soft,
                _ => Deletion::MoveToDeletedItems,
            };
            let mut state = state();
            match bin_of(&state, how).filter(|&bin| bin != folder) {
                Some(bin) => drop(state.move_item(folder, key, bin)?),
                None if how == Deletion::MoveToDeletedItems => {}
                None => drop(state.remove_item(folder, key)?),
            }
            Ok(())
        }
        name @ ("AlwaysMove" | "Move" | "Copy") => {
            let Some(holder) = action.child("DestinationFolderId") else {
                return match name {
                    // Without a destination, nothing is moved any more.
                    "AlwaysMove" => Ok(()),
                    _ => Err(Fault::schema("'DestinationFolderId' is missing.").into()),
                };
            };
            let target = context.target_folder(holder)?;
            if target.store.guid != item.store.guid {
                return Err(Failure::new(
                    "ErrorCrossMailboxMoveCopy",
                    "Conversations stay in their mailbox.",
                )
                .into());
            }
            match name {
                "Copy" => drop(state().copy_item(folder, key, target.number)?),
                _ if target.number == folder => {}
                _ => drop(state().move_item(folder, key, target.number)?),
            }
            Ok(())
        }
        "SetReadState" => {
            let is_read = action.child_text("IsRead").and_then(parse_bool);
            let is_read = is_read.ok_or_else(|| Fault::schema("'IsRead' is missing."))?;
            Ok(state().set_read(folder, key, is_read)?)
        }
        "Flag" => {
            let flag = action
                .child("Flag")
                .ok_or_else(|| Fault::schema("'Flag' is missing."))?;
            let mut message = item.item.message().into_owned();
            set::set_flag(&mut message, flag);
            Ok(state().edit_item(folder, key, |stored| *stored = message)?)
        }
        // No policies are kept here that an item could be given.
        "SetRetentionPolicy" => Ok(()),
        name => Err(Fault::schema(format!("'{name}' is no ConversationActionType.")).into()),
    }
}

fn categorize(action: &Element<'_>, item: &ItemRef) -> Result<(), Oops> {
    let words: Vec<String> = action
        .list("Categories")
        .iter()
        .map(|word| word.text.trim().to_owned())
        .collect();
    let keywords = NamedProp::named(guid::PS_PUBLIC_STRINGS, "Keywords");
    let mut state = item.store.write();
    Ok(state.edit_item(item.folder, item.item.key, |message| {
        match words.is_empty() {
            true => drop(message.props.remove(keywords)),
            false => drop(message.props.set(keywords, PropValue::MultiUnicode(words))),
        }
    })?)
}

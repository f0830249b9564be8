//! UploadItems (MS-OXWSBTRF 3.1.4.2).

use fasttransfer::{Limits, MessageReader, Parsed, Problem, PropValue, read_message, tag};

use super::{Answer, Context, Failure, Oops, Reply};
use crate::id::change_key;
use crate::item::{item_class, key_kind};
use crate::mailbox::NewItem;
use crate::op::answer::subject_of;
use crate::op::resolve::FolderRef;
use crate::payload::Payload;
use crate::prop::parse_bool;
use crate::shape::write_id;
use crate::soap::Fault;
use crate::xml::Element;

/// Properties that belong to the place an item was in, not to the item.
const PLACE_PROPERTIES: &[u16] = &[
    tag::ENTRY_ID,
    tag::PARENT_ENTRY_ID,
    tag::RECORD_KEY,
    tag::INSTANCE_KEY,
    tag::MAPPING_SIGNATURE,
    tag::SOURCE_KEY,
    tag::PARENT_SOURCE_KEY,
    tag::CHANGE_KEY,
    tag::PREDECESSOR_CHANGE_LIST,
    tag::MID,
    tag::FOLDER_ID,
];
/// Attachments of at least this many bytes are looked at for being computed ones.
const LARGE_BYTES: usize = 1024 * 1024;
/// Base64 characters decoded at a time; a multiple of four.
const DECODE_CHARS: usize = 256 * 1024;

pub(super) fn run(context: &Context<'_>, request: &Element<'_>) -> Result<Reply, Fault> {
    let mut answer = Answer::new(context);
    let items = request.required_list("Items")?;
    // The request is refused whole before anything is stored.
    for item in items {
        let updates = matches!(item.attr("CreateAction"), Some("Update" | "UpdateOrCreate"));
        if updates && item.child("ItemId").is_none() {
            return Err(Fault::schema(
                "'ItemId' is required for Update and UpdateOrCreate.",
            ));
        }
    }
    for item in items {
        answer.message(|w| {
            let (found, key, change, class) = upload(context, item)?;
            let id = found.store.item_id(found.number, key);
            let change_key = change_key(key_kind(&class), found.store.guid, change);
            write_id(w, "m:ItemId", &id, &change_key);
            context
                .world
                .recorder
                .record(|stats| stats.items_uploaded += 1);
            Ok(())
        })?;
    }
    answer.finish()
}

fn upload(
    context: &Context<'_>,
    item: &Element<'_>,
) -> Result<(FolderRef, u64, u64, String), Oops> {
    let parent = item
        .child("ParentFolderId")
        .and_then(|parent| parent.attr("Id"))
        .ok_or_else(|| Fault::schema("'ParentFolderId' is missing."))?;
    let parent = context.folder_by_id(parent)?;
    let data = item
        .child("Data")
        .ok_or_else(|| Fault::schema("'Data' is missing."))?;
    let mut new = read_data(
        &data.text,
        item.attr("IsAssociated").and_then(parse_bool) == Some(true),
    )?;
    let class = item_class(&new.message).into_owned();
    let old = item
        .child("ItemId")
        .and_then(|id| id.attr("Id"))
        .unwrap_or_default();
    context.item_fault(old, &subject_of(&new.message))?;
    let key = match item.attr("CreateAction") {
        Some("CreateNew") => {
            context.check_insert(&parent.store, parent.number)?;
            context.sign(&parent.store, &mut new.message);
            parent.store.write().add_item(parent.number, new)?
        }
        Some(action @ ("Update" | "UpdateOrCreate")) => {
            let existing = context
                .item_by_id(old)
                .ok()
                .filter(|old| old.store.guid == parent.store.guid && old.folder == parent.number);
            match &existing {
                Some(existing) => {
                    context.check_change(existing)?;
                    // Whoever made it, made it still.
                    if context.made(existing) {
                        context.sign(&parent.store, &mut new.message);
                    }
                }
                None => {
                    context.check_insert(&parent.store, parent.number)?;
                    context.sign(&parent.store, &mut new.message);
                }
            }
            let mut state = parent.store.write();
            match existing {
                Some(existing) => {
                    state.replace_item(parent.number, existing.item.key, new)?;
                    existing.item.key
                }
                None if action == "UpdateOrCreate" => state.add_item(parent.number, new)?,
                None => return Err(Failure::NO_ITEM.into()),
            }
        }
        _ => return Err(Fault::schema("The 'CreateAction' attribute is invalid.").into()),
    };
    let change = parent
        .store
        .read()
        .item(parent.number, key)
        .map_or(0, |item| item.change());
    Ok((parent, key, change, class))
}

fn corrupt() -> Failure {
    Failure::new("ErrorCorruptData", "The data is corrupt.")
}

fn read_data(text: &str, associated: bool) -> Result<NewItem, Failure> {
    let mut reader = MessageReader::new(&Limits::default());
    for piece in text.as_bytes().chunks(DECODE_CHARS) {
        match base64_simd::STANDARD.decode_to_vec(piece) {
            Ok(decoded) => reader.feed(&decoded),
            // White space is allowed, but rare.
            Err(_) => return read_spaced(text).and_then(|parsed| finish(parsed, associated)),
        }
    }
    finish(reader.finish().map_err(|_| corrupt())?, associated)
}

fn read_spaced(text: &str) -> Result<Parsed, Failure> {
    let compact: String = text.split_ascii_whitespace().collect();
    let decoded = base64_simd::STANDARD.decode_to_vec(compact.as_bytes());
    let decoded = decoded.map_err(|_| corrupt())?;
    read_message(&decoded, &Limits::default()).map_err(|_| corrupt())
}

fn finish(parsed: Parsed, associated: bool) -> Result<NewItem, Failure> {
    let damaged = parsed.problems.iter().any(|problem| {
        matches!(
            problem,
            Problem::BadFraming(_) | Problem::Unreadable { .. } | Problem::Truncated
        )
    });
    if damaged {
        return Err(corrupt());
    }
    let mut message = parsed.message;
    for id in PLACE_PROPERTIES {
        message.props.remove(*id);
    }
    let mut payload = None;
    if let Some(last) = message.attachments.last_mut()
        && let Some(PropValue::Binary(data)) = last.props.get(tag::ATTACH_DATA_BINARY)
        && data.len() >= LARGE_BYTES
        && let Some(found) = Payload::recognise(data)
    {
        payload = Some(found);
        last.props.remove(tag::ATTACH_DATA_BINARY);
    }
    let mut new = NewItem::from_message(message);
    new.payload = payload;
    new.associated = associated;
    Ok(new)
}

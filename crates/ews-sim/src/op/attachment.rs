//! CreateAttachment, GetAttachment and DeleteAttachment (MS-OXWSATT 3.1.4).

use fasttransfer::{Attachment, Message, PropValue, tag};

use super::{Answer, Context, Failure, Oops, Reply};
use crate::export::payload_bytes;
use crate::id::ObjectId;
use crate::item::{Content, item_class};
use crate::load;
use crate::op::resolve::ItemRef;
use crate::set;
use crate::shape::{
    ItemShape, Place, attachment_id, numbers, settle_numbers, write_attachment, write_attachment_id,
};
use crate::soap::Fault;
use crate::xml::Element;

/// Largest computed attachment that is built whole for GetAttachment.
const MAX_WHOLE_BYTES: u64 = 64 * 1024 * 1024;

pub(super) fn get(context: &Context<'_>, request: &Element<'_>) -> Result<Reply, Fault> {
    let mut answer = Answer::new(context);
    for id in request.required_list("AttachmentIds")? {
        answer.message(|w| {
            let shape = match request.child("AttachmentShape") {
                Some(_) => ItemShape::read(request, "AttachmentShape", false)?,
                None => ItemShape::everything(),
            };
            let id = id.attr("Id").unwrap_or_default();
            let (found, path) = context.attachment(id)?;
            let message = found.item.message();
            let attachment = walk(&message, &path).ok_or_else(missing)?;
            let content = content(&found, attachment)?;
            w.start("m:Attachments");
            let owner = ObjectId::Item {
                store: found.store.guid,
                folder: found.folder,
                key: found.item.key,
            };
            write_attachment(w, id, (attachment, &content), (owner, path), &shape);
            w.end("m:Attachments");
            Ok(())
        })?;
    }
    answer.finish()
}

fn missing() -> Failure {
    Failure::new("ErrorItemNotFound", "The attachment was not found.")
}

/// The place of the attachment of a number.
fn place(message: &Message, number: u32) -> Option<usize> {
    numbers(message).iter().position(|own| *own == number)
}

fn walk<'m>(message: &'m Message, path: &[u32]) -> Option<&'m Attachment> {
    let (first, rest) = path.split_first()?;
    let attachment = message.attachments.get(place(message, *first)?)?;
    match rest {
        [] => Some(attachment),
        rest => walk(attachment.embedded.as_deref()?, rest),
    }
}

fn content<'m>(
    found: &ItemRef,
    attachment: &'m Attachment,
) -> Result<std::borrow::Cow<'m, [u8]>, Failure> {
    if let Some(data) = attachment.props.binary(tag::ATTACH_DATA_BINARY) {
        return Ok(std::borrow::Cow::Borrowed(data));
    }
    match &found.item.content {
        Content::Large(large) if attachment.embedded.is_none() => {
            if large.payload.bytes > MAX_WHOLE_BYTES {
                return Err(Failure::new(
                    "ErrorAttachmentSizeLimitExceeded",
                    "The attachment is too large to be read by itself.",
                ));
            }
            Ok(std::borrow::Cow::Owned(
                payload_bytes(large.payload).to_vec(),
            ))
        }
        _ => Ok(std::borrow::Cow::Borrowed(&[])),
    }
}

pub(super) fn create(context: &Context<'_>, request: &Element<'_>) -> Result<Reply, Fault> {
    let mut answer = Answer::new(context);
    let parent = request
        .child("ParentItemId")
        .ok_or_else(|| Fault::schema("'ParentItemId' is missing."))?;
    for element in request.required_list("Attachments")? {
        answer.message(|w| {
            let found = context.item(parent)?;
            context.check_change(&found)?;
            not_large(&found)?;
            let attachment = set::new_attachment(element)?;
            let is_file = attachment.embedded.is_none();
            found
                .store
                .write()
                .edit_item(found.folder, found.item.key, |message| {
                    load::forget_original(message);
                    settle_numbers(message);
                    // No number is given twice while the item lives, as far as it can tell.
                    let next = numbers(message)
                        .into_iter()
                        .max()
                        .map_or(0, |last| last + 1);
                    let next = i32::try_from(next).unwrap_or(i32::MAX);
                    let mut attachment = attachment;
                    attachment
                        .props
                        .set(tag::ATTACH_NUMBER, PropValue::Int32(next));
                    message.attachments.push(attachment);
                })?;
            let place = place_of(context, &found.id)?;
            let message = context.item_by_id(&found.id)?.item.message().into_owned();
            let last = numbers(&message).last().copied().unwrap_or(0);
            let name = if is_file {
                "t:FileAttachment"
            } else {
                "t:ItemAttachment"
            };
            w.start("m:Attachments");
            w.start(name);
            write_attachment_id(w, &attachment_id(&place.object, &[last]), Some(&place));
            w.end(name);
            w.end("m:Attachments");
            Ok(())
        })?;
    }
    answer.finish()
}

pub(super) fn delete(context: &Context<'_>, request: &Element<'_>) -> Result<Reply, Fault> {
    let mut answer = Answer::new(context);
    for id in request.required_list("AttachmentIds")? {
        answer.message(|w| {
            let (found, path) = context.attachment(id.attr("Id").unwrap_or_default())?;
            context.check_change(&found)?;
            not_large(&found)?;
            let [number] = path.as_slice() else {
                return Err(missing().into());
            };
            let index = place(&found.item.message(), *number).ok_or_else(missing)?;
            found
                .store
                .write()
                .edit_item(found.folder, found.item.key, |message| {
                    load::forget_original(message);
                    settle_numbers(message);
                    if index < message.attachments.len() {
                        message.attachments.remove(index);
                    }
                })?;
            let place = place_of(context, &found.id)?;
            w.start("m:RootItemId");
            w.attr("RootItemId", &place.id);
            w.attr("RootItemChangeKey", &place.change_key);
            w.end("m:RootItemId");
            Ok(())
        })?;
    }
    answer.finish()
}

fn not_large(found: &ItemRef) -> Result<(), Failure> {
    match found.item.content {
        Content::Large(_) => Err(Failure::new(
            "ErrorInvalidOperation",
            "The attachments of this item cannot be changed.",
        )),
        _ => Ok(()),
    }
}

fn place_of(context: &Context<'_>, id: &str) -> Result<Place, Oops> {
    let found = context.item_by_id(id)?;
    let message = found.item.message();
    Ok(Place::new(
        &found.store,
        found.folder,
        0,
        &found.item,
        &item_class(&message),
    ))
}

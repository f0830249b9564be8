//! Attachments.

use fasttransfer::{Attachment, Message, PropValue, tag};

use super::{ItemShape, Place, View};
use crate::clock::xml_time;
use crate::id::ObjectId;
use crate::item::message_bytes;
use crate::xml::XmlWriter;

/// The id of an attachment of an item.
pub(crate) fn attachment_id(item: &ObjectId, path: &[u32]) -> String {
    match item {
        ObjectId::Item { store, folder, key } => ObjectId::Attachment {
            store: *store,
            folder: *folder,
            key: *key,
            path: path.to_vec(),
        }
        .encode(),
        other => other.encode(),
    }
}

/// Writes the list of an item's attachments without their content.
pub(super) fn write_attachments(w: &mut XmlWriter, view: &View<'_>) {
    let Some((object, outer)) = &view.owner else {
        return;
    };
    if !has_visible(view.message) {
        return;
    }
    w.start("t:Attachments");
    let attachments = numbers(view.message)
        .into_iter()
        .zip(&view.message.attachments);
    for (number, attachment) in attachments.filter(|(_, one)| !is_hidden(one)) {
        let name = start_attachment(w, attachment);
        let path = [outer.as_slice(), &[number]].concat();
        let id = attachment_id(object, &path);
        write_attachment_id(w, &id, None);
        write_description(w, attachment);
        w.end(name);
    }
    w.end("t:Attachments");
}

/// What names the attachments of a message: their own numbers, which stay when others go, or their
/// places where some have no number of their own.
pub(crate) fn numbers(message: &Message) -> Vec<u32> {
    let own = |attachment: &Attachment| {
        let number = attachment.props.i32(tag::ATTACH_NUMBER)?;
        u32::try_from(number).ok()
    };
    let all: Option<Vec<u32>> = message.attachments.iter().map(own).collect();
    let is_distinct = |all: &Vec<u32>| {
        let mut seen = std::collections::HashSet::new();
        all.iter().all(|number| seen.insert(*number))
    };
    let places = || (0..).take(message.attachments.len()).collect();
    all.filter(is_distinct).unwrap_or_else(places)
}

/// Gives all attachments the numbers that name them, so that they stay whatever goes or comes.
pub(crate) fn settle_numbers(message: &mut Message) {
    let all = numbers(message);
    for (number, attachment) in all.into_iter().zip(&mut message.attachments) {
        let number = i32::try_from(number).unwrap_or(i32::MAX);
        attachment
            .props
            .set(tag::ATTACH_NUMBER, PropValue::Int32(number));
    }
}

/// Whether an item has attachments that users see.
pub(crate) fn has_visible(message: &Message) -> bool {
    message.attachments.iter().any(|one| !is_hidden(one))
}

/// Whether an attachment is an exception of a series, which is none to users.
fn is_hidden(attachment: &Attachment) -> bool {
    let is_exception = attachment.embedded.is_some();
    is_exception && attachment.props.boolean(tag::ATTACHMENT_HIDDEN) == Some(true)
}

fn start_attachment(w: &mut XmlWriter, attachment: &Attachment) -> &'static str {
    let name = match attachment.embedded {
        Some(_) => "t:ItemAttachment",
        None => "t:FileAttachment",
    };
    w.start(name);
    name
}

/// Writes an AttachmentId element, with the item it belongs to where that changed.
pub(crate) fn write_attachment_id(w: &mut XmlWriter, id: &str, root: Option<&Place>) {
    w.start("t:AttachmentId");
    w.attr("Id", id);
    if let Some(root) = root {
        w.attr("RootItemId", &root.id);
        w.attr("RootItemChangeKey", &root.change_key);
    }
    w.end("t:AttachmentId");
}

/// Writes an attachment with its content.
pub(crate) fn write_attachment(
    w: &mut XmlWriter,
    id: &str,
    (attachment, content): (&Attachment, &[u8]),
    owner: (ObjectId, Vec<u32>),
    shape: &ItemShape,
) {
    let name = start_attachment(w, attachment);
    write_attachment_id(w, id, None);
    write_description(w, attachment);
    match &attachment.embedded {
        Some(message) => shape.write(w, &View::of_embedded(message, shape, owner)),
        None => {
            w.flag("t:IsContactPhoto", false);
            w.base64("t:Content", content);
        }
    }
    w.end(name);
}

fn write_description(w: &mut XmlWriter, attachment: &Attachment) {
    let props = &attachment.props;
    let text = |id: u16| props.text(id).filter(|text| !text.is_empty());
    let name = text(tag::ATTACH_LONG_FILENAME)
        .or_else(|| text(tag::DISPLAY_NAME))
        .or_else(|| text(tag::ATTACH_FILENAME))
        .or_else(|| {
            attachment
                .embedded
                .as_ref()
                .and_then(|message| message.props.text(tag::SUBJECT))
        });
    w.leaf("t:Name", name.as_deref().unwrap_or("attachment"));
    if let Some(kind) = text(tag::ATTACH_MIME_TAG) {
        w.leaf("t:ContentType", &kind);
    }
    if let Some(id) = text(tag::ATTACH_CONTENT_ID) {
        w.leaf("t:ContentId", &id);
    }
    if let Some(location) = text(tag::ATTACH_CONTENT_LOCATION) {
        w.leaf("t:ContentLocation", &location);
    }
    let size = match (&attachment.embedded, props.binary(tag::ATTACH_DATA_BINARY)) {
        (Some(message), _) => message_bytes(message),
        (None, Some(data)) => data.len() as u64,
        (None, None) => u64::try_from(props.i32(tag::ATTACH_SIZE).unwrap_or(0)).unwrap_or(0),
    };
    w.number("t:Size", size.min(i32::MAX as u64));
    let changed = props.time(tag::LAST_MODIFICATION_TIME);
    w.leaf(
        "t:LastModifiedTime",
        &xml_time(changed.map_or(0, |time| time.0)),
    );
    // attRenderedInBody (MS-OXCMSG 2.2.2.18): shown inside the body.
    let inline = props.i32(tag::ATTACH_FLAGS).unwrap_or(0) & 4 != 0;
    w.flag("t:IsInline", inline);
}

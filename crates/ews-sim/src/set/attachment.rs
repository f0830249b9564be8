//! Attachments.

use fasttransfer::{Attachment, PropValue, tag};

use super::new_item;
use crate::op::{Failure, Oops};
use crate::prop::parse_bool;
use crate::xml::Element;

/// Builds an attachment from its element.
pub(crate) fn new_attachment(element: &Element<'_>) -> Result<Attachment, Oops> {
    let mut attachment = Attachment::default();
    let props = &mut attachment.props;
    for (name, id) in [
        ("Name", tag::ATTACH_LONG_FILENAME),
        ("ContentType", tag::ATTACH_MIME_TAG),
        ("ContentId", tag::ATTACH_CONTENT_ID),
        ("ContentLocation", tag::ATTACH_CONTENT_LOCATION),
    ] {
        if let Some(text) = element.child_text(name) {
            props.set(id, text);
        }
    }
    if let Some(name) = element.child_text("Name") {
        props.set(tag::DISPLAY_NAME, name);
    }
    if element.child_text("IsInline").and_then(parse_bool) == Some(true) {
        props.set(tag::ATTACH_FLAGS, PropValue::Int32(4));
    }
    props.set(tag::RENDERING_POSITION, PropValue::Int32(-1));
    if element.name == "FileAttachment" {
        let text = element
            .child("Content")
            .map(|content| content.text.as_ref());
        let compact: String = text.unwrap_or_default().split_ascii_whitespace().collect();
        let data = base64_simd::STANDARD
            .decode_to_vec(compact.as_bytes())
            .map_err(|_| {
                Failure::new(
                    "ErrorInvalidValueForProperty",
                    "The attachment is not base64.",
                )
            })?;
        props.set(tag::ATTACH_METHOD, PropValue::Int32(1));
        props.set(
            tag::ATTACH_SIZE,
            i32::try_from(data.len()).unwrap_or(i32::MAX),
        );
        props.set(tag::ATTACH_DATA_BINARY, data);
        return Ok(attachment);
    }
    let described = [
        "Name",
        "ContentType",
        "ContentId",
        "ContentLocation",
        "IsInline",
        "AttachmentId",
    ];
    let inner = element
        .children
        .iter()
        .find(|child| !described.contains(&child.name.as_ref()) && !child.children.is_empty())
        .ok_or(Failure::new(
            "ErrorMissingItemForCreateItemAttachment",
            "The attachment has no item.",
        ))?;
    attachment
        .props
        .set(tag::ATTACH_METHOD, PropValue::Int32(5));
    let (message, _) = new_item(inner)?;
    attachment.embedded = Some(Box::new(message));
    Ok(attachment)
}

//! Attachment rows: names, types and flags ([MS-OXCMSG] 2.2.2).

use bytes::Bytes;
use fasttransfer::{Attachment, Message, PropertyBag, tag};

use super::mime_tree::Entity;
use super::props::{put_bool, put_i32, put_opt, put_str};

/// PidTagAttachMethod: the bytes are PidTagAttachDataBinary.
const ATTACH_BY_VALUE: i32 = 1;
/// PidTagAttachMethod: the attachment is a message.
const ATTACH_EMBEDDED: i32 = 5;
/// PidTagAttachFlags: the HTML body shows it.
const ATT_MHTML_REF: i32 = 4;
/// PidTagRenderingPosition: not placed in the text.
const NOT_RENDERED: i32 = -1;
/// Names for parts without one, by media type; Exchange makes up the same kind of name.
const EXTENSIONS: &[(&str, &str)] = &[
    ("text/plain", ".txt"),
    ("text/html", ".htm"),
    ("text/calendar", ".ics"),
    ("text/vcard", ".vcf"),
    ("text/x-vcard", ".vcf"),
    ("image/jpeg", ".jpg"),
    ("image/png", ".png"),
    ("image/gif", ".gif"),
    ("application/pdf", ".pdf"),
    ("application/zip", ".zip"),
    ("application/pgp-signature", ".asc"),
    ("application/pkcs7-signature", ".p7s"),
    ("application/ms-tnef", ".dat"),
];

/// An attachment that is bytes.
pub(crate) fn file(
    entity: &Entity<'_>,
    number: usize,
    in_related: bool,
    payload: Bytes,
) -> Attachment {
    let mut props = common(entity, number, in_related);
    put_i32(&mut props, tag::ATTACH_METHOD, ATTACH_BY_VALUE);
    let name = entity
        .file_name()
        .unwrap_or_else(|| made_up_name(&entity.media_type, number));
    put_name(&mut props, &name);
    props.set(tag::ATTACH_DATA_BINARY, payload);
    Attachment {
        props,
        embedded: None,
    }
}

/// An attachment that is a message.
pub(crate) fn message(entity: &Entity<'_>, number: usize, embedded: Message) -> Attachment {
    let mut props = common(entity, number, false);
    put_i32(&mut props, tag::ATTACH_METHOD, ATTACH_EMBEDDED);
    let name = entity
        .file_name()
        .or_else(|| embedded.props.str(tag::SUBJECT).map(str::to_owned))
        .unwrap_or_default();
    put_str(&mut props, tag::DISPLAY_NAME, &name);
    Attachment {
        props,
        embedded: Some(Box::new(embedded)),
    }
}

fn common(entity: &Entity<'_>, number: usize, in_related: bool) -> PropertyBag {
    let mut props = PropertyBag::new();
    let number = i32::try_from(number).unwrap_or(i32::MAX);
    put_i32(&mut props, tag::ATTACH_NUMBER, number);
    put_i32(&mut props, tag::RENDERING_POSITION, NOT_RENDERED);
    put_str(&mut props, tag::ATTACH_MIME_TAG, &entity.media_type);
    let id = entity.headers.plain("Content-ID");
    let id = id.map(|id| id.trim_start_matches('<').trim_end_matches('>').to_owned());
    let inline = in_related && id.is_some();
    put_opt(&mut props, tag::ATTACH_CONTENT_ID, id);
    put_opt(
        &mut props,
        tag::ATTACH_CONTENT_LOCATION,
        entity.headers.plain("Content-Location"),
    );
    put_i32(
        &mut props,
        tag::ATTACH_FLAGS,
        if inline { ATT_MHTML_REF } else { 0 },
    );
    put_bool(&mut props, tag::ATTACHMENT_HIDDEN, inline);
    props
}

fn put_name(props: &mut PropertyBag, name: &str) {
    // Paths are not names: what a sender's machine put before the last separator is dropped.
    let name = name.rsplit(['/', '\\']).next().unwrap_or(name);
    put_str(props, tag::ATTACH_LONG_FILENAME, name);
    put_str(props, tag::DISPLAY_NAME, name);
    let (stem, extension) = match name.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() => (stem, format!(".{extension}")),
        _ => (name, String::new()),
    };
    put_str(props, tag::ATTACH_EXTENSION, &extension);
    put_str(props, tag::ATTACH_FILENAME, &short_name(stem, &extension));
}

/// The 8.3 form of a name.
fn short_name(stem: &str, extension: &str) -> String {
    let plain = |text: &str, most| -> String {
        text.chars()
            .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
            .take(most)
            .collect()
    };
    let short = plain(stem, 8);
    let short = if short.len() < stem.len() {
        format!("{}~1", plain(stem, 6))
    } else {
        short
    };
    match plain(extension, 3) {
        ext if ext.is_empty() => short,
        ext => format!("{short}.{ext}"),
    }
}

fn made_up_name(media_type: &str, number: usize) -> String {
    let extension = EXTENSIONS
        .iter()
        .find(|(kind, _)| *kind == media_type)
        .map_or(".dat", |(_, extension)| *extension);
    format!("ATT{:05}{extension}", number + 1)
}

//! What events, tasks and journal entries have alike.

use jiff::Timestamp;

use super::event::moment;
use super::utc;
use crate::content_line::{ContentLines, escape, quoted_parameter};
use crate::{Attachment, Message, PropValue, PropertyBag, body, named, tag};

/// Larger attachments stay out of calendar files, which programs read whole.
const MAX_ATTACHED_BYTES: usize = 32 << 20;

/// When it was made and changed.
pub(super) fn stamps(props: &PropertyBag, lines: &mut ContentLines) {
    let stamp = [
        tag::LAST_MODIFICATION_TIME,
        tag::CREATION_TIME,
        tag::CLIENT_SUBMIT_TIME,
    ]
    .into_iter()
    .find_map(|id| props.time(id)?.to_timestamp());
    lines.raw("DTSTAMP", &utc(stamp.unwrap_or(Timestamp::UNIX_EPOCH)));
    for (name, id) in [
        ("CREATED", tag::CREATION_TIME),
        ("LAST-MODIFIED", tag::LAST_MODIFICATION_TIME),
    ] {
        if let Some(time) = moment(props.time(id)) {
            lines.raw(name, &time);
        }
    }
}

/// The body, plain and where there is one as HTML.
pub(super) fn texts(message: &Message, lines: &mut ContentLines) {
    lines.optional("DESCRIPTION", body::plain(message));
    if let Some(html) = body::html_text(message) {
        lines.optional("X-ALT-DESC;FMTTYPE=text/html", Some(html));
    }
}

/// Categories, secrecy and importance.
pub(super) fn labels(props: &PropertyBag, lines: &mut ContentLines) {
    if let Some(PropValue::MultiUnicode(words)) = props.get(named::keywords()) {
        let words: Vec<String> = words.iter().map(|word| escape(word)).collect();
        lines.raw("CATEGORIES", &words.join(","));
    }
    match props.i32(tag::SENSITIVITY) {
        Some(1 | 2) => lines.raw("CLASS", "PRIVATE"),
        Some(3) => lines.raw("CLASS", "CONFIDENTIAL"),
        _ => {}
    }
    match props.i32(tag::IMPORTANCE) {
        Some(0) => lines.raw("PRIORITY", "9"),
        Some(2) => lines.raw("PRIORITY", "1"),
        _ => {}
    }
}

/// A reminder that shows something.
pub(super) fn alarm(trigger: &str, value: &str, lines: &mut ContentLines) {
    lines.raw("BEGIN", "VALARM");
    lines.raw("ACTION", "DISPLAY");
    lines.raw("DESCRIPTION", "Reminder");
    lines.raw(trigger, value);
    lines.raw("END", "VALARM");
}

/// Attached files; modified occurrences and pictures within the text are no files.
pub(super) fn attachments(message: &Message, lines: &mut ContentLines) {
    for attachment in &message.attachments {
        let hidden = attachment.props.boolean(tag::ATTACHMENT_HIDDEN) == Some(true);
        if !hidden && attachment.embedded.is_none() {
            attach(attachment, lines);
        }
    }
}

fn attach(attachment: &Attachment, lines: &mut ContentLines) {
    let props = &attachment.props;
    let Some(data) = props
        .binary(tag::ATTACH_DATA_BINARY)
        .filter(|data| data.len() <= MAX_ATTACHED_BYTES)
    else {
        return;
    };
    let mut name = String::from("ATTACH");
    if let Some(kind) = props.text(tag::ATTACH_MIME_TAG).filter(|kind| {
        kind.contains('/')
            && kind
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && byte != b'"')
    }) {
        name.push_str(&format!(";FMTTYPE={}", quoted_parameter(&kind)));
    }
    name.push_str(";ENCODING=BASE64;VALUE=BINARY");
    let file = [tag::ATTACH_LONG_FILENAME, tag::ATTACH_FILENAME]
        .into_iter()
        .find_map(|id| props.text(id));
    if let Some(file) = file.filter(|file| !file.is_empty()) {
        name.push_str(&format!(";X-FILENAME={}", quoted_parameter(&file)));
    }
    lines.raw(&name, &base64_simd::STANDARD.encode_to_string(data));
}

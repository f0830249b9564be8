//! An item's texts, for the search index.

use fasttransfer::{
    Attachment, Message, PropValue, PropertyBag, html_text, named, plain_text, tag,
};
use mailsearch::{Document, Kind};

use super::office;
use crate::portable::read_properties;
use crate::state::ItemSummary;

/// Messages within messages that are looked into.
const MAX_DEPTH: usize = 8;
/// A text attachment is indexed up to this many bytes; the rest is a log or a dump.
const MAX_TEXT_BYTES: usize = 8 << 20;

/// Properties of people: names, telephone numbers, addresses, companies.
const PEOPLE_TAGS: std::ops::Range<u16> = 0x3A00..0x3A70;

/// Endings of files that are text whatever their media type says.
const TEXT_ENDINGS: [&str; 16] = [
    "txt", "text", "csv", "tsv", "log", "md", "html", "htm", "xml", "json", "yaml", "yml", "ics",
    "vcf", "ini", "eml",
];

/// The texts of an item, from its native stream or its portable form. One that cannot be read is
/// known by its summary alone.
pub(super) fn document(stored: &[u8], about: &About<'_>) -> Document {
    match read_properties(stored) {
        Ok(parsed) => from_message(&parsed.message, about),
        Err(_) => from_summary(about),
    }
}

/// What is known of an item without its stream.
pub(super) struct About<'a> {
    pub(super) class: &'a str,
    pub(super) size_bytes: u64,
    pub(super) summary: &'a ItemSummary,
}

/// What can be found of an item whose stream is too large or damaged.
pub(super) fn from_summary(about: &About<'_>) -> Document {
    let summary = about.summary;
    Document {
        subject: summary.subject.clone(),
        from: format!("{} {}", summary.sender, summary.sender_address),
        to: summary.to.clone(),
        texts: Vec::new(),
        date_unix_ms: summary.received_unix_ms.or(summary.sent_unix_ms),
        size_bytes: about.size_bytes,
        kind: kind_of(about.class),
        has_attachments: summary.has_attachments,
        ..Document::default()
    }
}

fn from_message(message: &Message, about: &About<'_>) -> Document {
    let mut document = from_summary(about);
    collect(message, 0, &mut document.texts);
    mark(&message.props, &mut document);
    // The portable form keeps people in its summary, too.
    document.from = format!("{}\n{}", senders(&message.props), document.from);
    document.to = format!("{}\n{}", recipients(message), document.to);
    document.date_unix_ms = document.date_unix_ms.or_else(|| other_date(&message.props));
    document
}

/// What a query can ask of an item besides words.
fn mark(props: &PropertyBag, document: &mut Document) {
    /// A bit of PidTagMessageFlags: not sent yet.
    const UNSENT: i32 = 8;
    /// The highest of PidTagImportance.
    const HIGH: i32 = 2;
    /// PidTagFlagStatus: to be followed up.
    const FOLLOW_UP: i32 = 2;
    document.is_draft = props.i32(tag::MESSAGE_FLAGS).unwrap_or(0) & UNSENT != 0;
    document.is_flagged = props.i32(tag::FLAG_STATUS) == Some(FOLLOW_UP);
    document.is_important = props.i32(tag::IMPORTANCE) == Some(HIGH);
}

/// For what is neither sent nor received: when it begins, or was made.
fn other_date(props: &PropertyBag) -> Option<i64> {
    let time = props
        .time(named::APPOINTMENT_START_WHOLE)
        .or_else(|| props.time(tag::CREATION_TIME))?;
    Some(time.to_timestamp()?.as_millisecond())
}

fn senders(props: &PropertyBag) -> String {
    joined(
        props,
        &[
            tag::SENT_REPRESENTING_NAME,
            tag::SENT_REPRESENTING_SMTP_ADDRESS,
            tag::SENT_REPRESENTING_EMAIL_ADDRESS,
            tag::SENDER_NAME,
            tag::SENDER_SMTP_ADDRESS,
            tag::SENDER_EMAIL_ADDRESS,
        ],
    )
}

fn recipients(message: &Message) -> String {
    let mut all = joined(
        &message.props,
        &[tag::DISPLAY_TO, tag::DISPLAY_CC, tag::DISPLAY_BCC],
    );
    for recipient in &message.recipients {
        let tags = [tag::DISPLAY_NAME, tag::SMTP_ADDRESS, tag::EMAIL_ADDRESS];
        all.push('\n');
        all.push_str(&joined(recipient, &tags));
    }
    all
}

fn joined(props: &PropertyBag, tags: &[u16]) -> String {
    let mut all: Vec<String> = Vec::new();
    for text in tags.iter().filter_map(|tag| props.text(*tag)) {
        if all.iter().all(|known| *known != text) {
            all.push(text.into_owned());
        }
    }
    all.join("\n")
}

/// Body, attachment names, texts of attachments; the same of messages within.
fn collect(message: &Message, depth: usize, texts: &mut Vec<String>) {
    let props = &message.props;
    texts.extend(plain_text(message));
    // What a contact, an appointment and a category say.
    for property in props {
        let is_told = match property.id {
            fasttransfer::PropId::Named(_) => true,
            fasttransfer::PropId::Tag(tag) => PEOPLE_TAGS.contains(&tag),
        };
        if is_told {
            match &property.value {
                value if value.text().is_some() => texts.extend(value.text().map(Into::into)),
                PropValue::MultiUnicode(list) => texts.extend(list.iter().cloned()),
                _ => {}
            }
        }
    }
    texts.extend(
        [tag::DISPLAY_NAME]
            .iter()
            .filter_map(|tag| props.text(*tag).map(Into::into)),
    );
    for attachment in &message.attachments {
        texts.extend(name(attachment));
        texts.extend(attached_text(attachment));
        if let Some(inner) = attachment.embedded.as_deref().filter(|_| depth < MAX_DEPTH) {
            texts.extend(inner.props.text(tag::SUBJECT).map(Into::into));
            texts.push(senders(&inner.props));
            texts.push(recipients(inner));
            collect(inner, depth + 1, texts);
        }
    }
}

fn name(attachment: &Attachment) -> Option<String> {
    let props = &attachment.props;
    [
        tag::ATTACH_LONG_FILENAME,
        tag::ATTACH_FILENAME,
        tag::DISPLAY_NAME,
    ]
    .into_iter()
    .find_map(|tag| props.text(tag).filter(|name| !name.is_empty()))
    .map(Into::into)
}

fn attached_text(attachment: &Attachment) -> Option<String> {
    let media_type = attachment
        .props
        .text(tag::ATTACH_MIME_TAG)
        .unwrap_or_default();
    let media_type = media_type.to_ascii_lowercase();
    let name = name(attachment).unwrap_or_default().to_lowercase();
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    let bytes = attachment.props.binary(tag::ATTACH_DATA_BINARY)?;
    // Whatever a document's media type says: half of them are application/octet-stream.
    if office::is_document(ending) || office::is_media_type(&media_type) {
        return Some(office::text(bytes));
    }
    if !media_type.starts_with("text/") && !TEXT_ENDINGS.contains(&ending) {
        return None;
    }
    let bytes = bytes.get(..bytes.len().min(MAX_TEXT_BYTES))?;
    let text = decode(bytes);
    if media_type == "text/html" || matches!(ending, "html" | "htm") {
        Some(html_text(&text))
    } else {
        Some(text)
    }
}

/// Decodes text as UTF-8 or UTF-16 if it is that, or as windows-1252, in which every byte is
/// something.
fn decode(bytes: &[u8]) -> String {
    if let [0xff, 0xfe, rest @ ..] = bytes {
        let (units, _) = rest.as_chunks::<2>();
        return char::decode_utf16(units.iter().map(|unit| u16::from_le_bytes(*unit)))
            .map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
            .collect();
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        return text.to_owned();
    }
    let bytes = bytes.to_vec().into();
    let value = PropValue::String8 {
        code_page: 1252,
        bytes,
    };
    value.text().map(Into::into).unwrap_or_default()
}

/// The kind of a message class.
pub(super) fn kind_of(class: &str) -> Kind {
    let class = class.to_ascii_lowercase();
    let families = [
        ("ipm.note", Kind::Mail),
        ("ipm.appointment", Kind::Appointment),
        ("ipm.contact", Kind::Contact),
        ("ipm.distlist", Kind::Contact),
        ("ipm.taskrequest", Kind::Task),
        ("ipm.task", Kind::Task),
        ("ipm.stickynote", Kind::Note),
        ("ipm.schedule", Kind::Meeting),
        ("ipm.activity", Kind::Journal),
        ("ipm.post", Kind::Post),
        ("report.ipm", Kind::Mail),
    ];
    families
        .into_iter()
        .find(|(family, _)| {
            let rest = class.strip_prefix(family);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
        .map_or(Kind::Other, |(_, kind)| kind)
}

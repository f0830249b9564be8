//! Items as the files a mail program would save.

use crate::icalendar::{self, Component};
use crate::{Message, distribution_list, mime, mime_skeleton, tag, vcard};

/// Longest MIME message put together from a skeleton, in bytes.
const MAX_MIME_BYTES: u64 = 1 << 30;

/// What kind of file [`to_mime`] makes of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FileKind {
    /// MIME: mail, and everything without a form of its own.
    Mail,
    /// iCalendar: appointments.
    Event,
    /// iCalendar: tasks.
    Task,
    /// iCalendar: journal entries.
    Journal,
    /// vCard: contacts.
    Contact,
    /// vCard: distribution lists, as groups.
    List,
}

impl FileKind {
    /// The kind for items of a message class.
    #[must_use]
    pub fn of_class(message_class: &str) -> Self {
        let class = message_class.to_ascii_lowercase();
        [
            ("ipm.appointment", Self::Event),
            ("ipm.task", Self::Task),
            ("ipm.activity", Self::Journal),
            ("ipm.contact", Self::Contact),
            ("ipm.distlist", Self::List),
        ]
        .into_iter()
        .find(|(family, _)| {
            let rest = class.strip_prefix(family);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
        .map_or(Self::Mail, |(_, kind)| kind)
    }

    /// Whether its files are iCalendar.
    #[must_use]
    pub fn is_calendar(self) -> bool {
        matches!(self, Self::Event | Self::Task | Self::Journal)
    }

    /// Whether its files are vCards.
    #[must_use]
    pub fn is_card(self) -> bool {
        matches!(self, Self::Contact | Self::List)
    }

    fn of(message: &Message) -> Self {
        Self::of_class(&message.props.text(tag::MESSAGE_CLASS).unwrap_or_default())
    }
}

/// Turns an item into the file a mail program would save.
///
/// If the item carries its original MIME ([`mime_skeleton`]), that comes back byte for byte.
/// Otherwise the file is generated from the properties: a vCard for a contact or distribution
/// list, iCalendar for an appointment, task or journal entry, MIME for everything else, with the
/// transport headers reused where they exist.
#[must_use]
pub fn to_mime(message: &Message) -> Vec<u8> {
    if let Some(original) = original(message) {
        return original;
    }
    match FileKind::of(message) {
        FileKind::Mail => mime::mail(message, 0),
        FileKind::Event => icalendar::generate(message, Component::Event),
        FileKind::Task => icalendar::generate(message, Component::Task),
        FileKind::Journal => icalendar::generate(message, Component::Journal),
        FileKind::Contact => vcard::generate(message),
        FileKind::List => distribution_list::generate(message),
    }
}

/// The file that the item came from, if it has it and it is of the item's kind.
fn original(message: &Message) -> Option<Vec<u8>> {
    // A skeleton that does not fit was left behind by an edit: the properties say what is true.
    let original = mime_skeleton::expand(message, MAX_MIME_BYTES)?.ok()?;
    match FileKind::of(message) {
        // Servers give these as mails that hold less than their properties.
        FileKind::Task | FileKind::Journal | FileKind::List => {
            begins(&original, b"BEGIN:V").then_some(original)
        }
        _ => Some(original),
    }
}

/// Turns an item into a mail, whatever it is: what mail folders in files (mbox, Maildir) can hold.
///
/// Mail is what [`to_mime`] makes of it. An appointment or contact becomes a mail that says who and
/// when in its headers, shows the item's text, and carries the iCalendar or vCard file.
#[must_use]
pub fn to_mail(message: &Message) -> Vec<u8> {
    let kind = FileKind::of(message);
    let file = to_mime(message);
    if kind.is_calendar() {
        mime::carrier(message, "calendar", &file)
    } else if kind.is_card() {
        mime::carrier(message, "vcard", &file)
    } else {
        file
    }
}

/// What stands inside message/rfc822, whatever the item is.
pub(crate) fn mail_inside(message: &Message, depth: usize) -> Vec<u8> {
    let kind = FileKind::of(message);
    match mime_skeleton::expand(message, MAX_MIME_BYTES) {
        Some(Ok(original)) if kind == FileKind::Mail => original,
        _ if kind.is_card() => mime::carrier(message, "vcard", &to_mime(message)),
        _ if kind.is_calendar() => mime::carrier(message, "calendar", &to_mime(message)),
        _ => mime::mail(message, depth),
    }
}

fn begins(file: &[u8], with: &[u8]) -> bool {
    let start = file.trim_ascii_start().get(..with.len());
    start.is_some_and(|start| start.eq_ignore_ascii_case(with))
}

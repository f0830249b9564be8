//! The forms items can be exported in.

use std::path::Path;

use fasttransfer::{FileKind, Message, tag, to_json, to_mail, to_mime, to_msg};
use serde::{Deserialize, Serialize};

use super::record::Flags;
use crate::error::{Error, ErrorKind, Result};

/// What files an export writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExportFormat {
    /// A file an item: mail as .eml; appointments, tasks and journal entries as .ics; contacts and
    /// distribution lists as .vcf.
    #[default]
    Eml,
    /// An mbox file a folder, in its `mboxrd` form; appointments and contacts as mails that carry
    /// them.
    Mbox,
    /// A Maildir a folder, with what is read, answered, flagged or a draft in the files' names;
    /// appointments and contacts as mails that carry them.
    Maildir,
    /// Appointments, tasks and journal entries only, as .ics.
    Ics,
    /// Contacts and distribution lists only, as .vcf.
    Vcf,
    /// An Outlook message file an item, with all properties.
    Msg,
    /// A JSON document an item, with all properties.
    Json,
}

impl ExportFormat {
    /// The name by which commands and manifests call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Eml => "eml",
            Self::Mbox => "mbox",
            Self::Maildir => "maildir",
            Self::Ics => "ics",
            Self::Vcf => "vcf",
            Self::Msg => "msg",
            Self::Json => "json",
        }
    }

    /// Whether items of a class can be written in this form.
    pub fn takes(self, item_class: &str) -> bool {
        match self {
            Self::Ics => FileKind::of_class(item_class).is_calendar(),
            Self::Vcf => FileKind::of_class(item_class).is_card(),
            _ => true,
        }
    }

    /// The ending of the file of an item; empty where items have no file of their own, or one
    /// without an ending.
    pub(super) fn ending(self, item_class: &str) -> &'static str {
        match self {
            Self::Msg => "msg",
            Self::Json => "json",
            Self::Mbox | Self::Maildir => "",
            Self::Eml | Self::Ics | Self::Vcf => ending_of(item_class),
        }
    }
}

/// The ending of the file an item of a class becomes.
pub fn ending_of(item_class: &str) -> &'static str {
    match FileKind::of_class(item_class) {
        kind if kind.is_calendar() => "ics",
        kind if kind.is_card() => "vcf",
        _ => "eml",
    }
}

/// An item in the form of its file.
pub(super) struct Converted {
    pub(super) bytes: Vec<u8>,
    /// What of the item could not be read.
    pub(super) problem: Option<String>,
    pub(super) flags: Flags,
    /// Who sent it, for the line that separates mails in an mbox file.
    pub(super) sender: String,
}

/// An item's MIME (or iCalendar, or vCard) form, from its native stream.
///
/// # Errors
/// `Corrupt` if the stream cannot be read at all.
pub fn to_file_bytes(native: &[u8]) -> Result<Vec<u8>> {
    convert(native, ExportFormat::Eml).map(|converted| converted.bytes)
}

/// An item in a form, from its native stream.
pub(super) fn convert(native: &[u8], format: ExportFormat) -> Result<Converted> {
    let parsed = match format {
        ExportFormat::Msg | ExportFormat::Json => crate::portable::read_properties(native)?,
        _ => crate::portable::read_any(native)?,
    };
    let message = &parsed.message;
    let bytes = match format {
        ExportFormat::Eml | ExportFormat::Ics | ExportFormat::Vcf => to_mime(message),
        ExportFormat::Mbox | ExportFormat::Maildir => to_mail(message),
        ExportFormat::Json => to_json(message),
        ExportFormat::Msg => to_msg(message).map_err(|error| {
            Error::with_source(
                ErrorKind::Unsupported,
                "the item does not fit a .msg file",
                error,
            )
        })?,
    };
    Ok(Converted {
        bytes,
        problem: parsed.problems.first().map(ToString::to_string),
        flags: flags(message),
        sender: sender(message),
    })
}

fn flags(message: &Message) -> Flags {
    /// A bit of PidTagMessageFlags: not sent yet.
    const UNSENT: i32 = 8;
    /// Values of PidTagFlagStatus and PidTagLastVerbExecuted.
    const FOLLOW_UP: i32 = 2;
    const REPLIED: [i32; 2] = [102, 103];
    const FORWARDED: i32 = 104;
    let props = &message.props;
    let verb = props.i32(tag::LAST_VERB_EXECUTED);
    Flags {
        draft: props.i32(tag::MESSAGE_FLAGS).unwrap_or(0) & UNSENT != 0,
        flagged: props.i32(tag::FLAG_STATUS) == Some(FOLLOW_UP),
        passed: verb == Some(FORWARDED),
        replied: verb.is_some_and(|verb| REPLIED.contains(&verb)),
    }
}

/// An address without blanks, or the name mbox files use where there is none.
fn sender(message: &Message) -> String {
    [
        tag::SENDER_SMTP_ADDRESS,
        tag::SENT_REPRESENTING_SMTP_ADDRESS,
        tag::SENDER_EMAIL_ADDRESS,
    ]
    .into_iter()
    .filter_map(|id| message.props.text(id))
    .find(|address| address.contains('@') && address.chars().all(|c| c.is_ascii_graphic()))
    .map_or_else(|| "MAILER-DAEMON".to_owned(), std::borrow::Cow::into_owned)
}

/// Writes a file that is either whole or not there.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut partial = path.to_path_buf();
    partial.as_mut_os_string().push(".part");
    std::fs::write(&partial, bytes).and_then(|()| std::fs::rename(&partial, path))
}

//! Turns files people have (MIME, iCalendar, vCard) into items as Exchange keeps them.
//!
//! A loaded item is a property bag with recipients and attachments. It also carries
//! `PidTagMimeSkeleton`: the literal bytes that no property holds (boundaries, odd headers, broken
//! encodings) with references to the properties that hold the rest, so that [`mime_of`] gives the
//! file back byte for byte while no attachment payload exists twice. The skeleton is a property
//! like any other and travels in the native stream.
//!
//! Nothing here fails on content: whatever does not parse becomes literal bytes.

mod attach;
mod body;
mod content_line;
mod date;
mod dir;
mod header;
mod ics;
mod mail;
mod mime_tree;
mod props;
mod recipients;
mod recur;
mod skeleton;
mod vcf;
mod zone;

pub use dir::{FolderKind, LoadedFolder, LoadedItem, LoadedMailbox, load_dir};
pub use ics::from_ics;
pub use mail::message_from_mime;
pub use skeleton::{forget_original, mime_of};
pub use vcf::from_vcf;

pub(crate) use header::Mailbox;
pub(crate) use ics::{Exception, is_exception};
pub(crate) use mail::split_prefix;
pub(crate) use props::{put_bool, put_i32, put_str, put_time};
pub(crate) use recipients::{RecipientType, add_recipients, display_names, put_sender};
pub(crate) use recur::{
    End as RuleEnd, Frequency, Pattern, Recurrence, date_of_minutes, minutes_of_day,
};

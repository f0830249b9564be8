//! The native stream of Exchange items: what ExportItems returns and UploadItems takes.
//!
//! The stream is the messageContent element of [MS-OXCFXICS] 2.2.4 in a framing Exchange puts
//! around it. This crate reads and writes it, picks summaries out of it, transforms it losslessly
//! for storage, and turns items into files other programs read (MIME, iCalendar, vCard,
//! Outlook message files, JSON). It does
//! no I/O, keeps no clock, and knows nothing of servers or stores.
//!
//! - [`Message`], [`PropertyBag`], [`PropValue`]: an item in memory; ids in [`tag`] and [`named`].
//! - [`write_message`], [`MessageEncoder`]: writing, with the exact length known beforehand.
//! - [`read_message`], [`MessageReader`]: reading within [`Limits`]; what is unusual is listed in
//!   [`Parsed::problems`], never fatal where something can be read.
//! - [`Deframer`], [`Lexer`]: the two layers below, as push parsers with constant memory.
//! - [`Summariser`]: subject, sender, times and the like while the bytes pass by.
//! - [`Compactor`], [`Expander`]: the storage form, for any input whatsoever.
//! - [`to_mime`], [`to_mail`], [`to_msg`], [`to_json`], [`mime_skeleton`]: items as files;
//!   [`plain_text`], [`html_body`]: what they say, from whichever body they have.
//!
//! ```
//! use fasttransfer::{Limits, Message, WriteOptions, read_message, tag, to_mime, write_message};
//!
//! let mut message = Message::default();
//! message.props.set(tag::MESSAGE_CLASS, "IPM.Note");
//! message.props.set(tag::SUBJECT, "Lunch?");
//! let stream = write_message(&message, &WriteOptions::default());
//!
//! let parsed = read_message(&stream, &Limits::default())?;
//! assert_eq!(parsed.message.props.str(tag::SUBJECT), Some("Lunch?"));
//! assert!(parsed.problems.is_empty());
//! assert!(to_mime(&parsed.message).starts_with(b"Subject: Lunch?"));
//! # Ok::<(), fasttransfer::Error>(())
//! ```
//!
//! Microsoft's advice is not to parse the stream (MS-OXCFXICS 3.3.4.2.1), so a backup keeps the
//! bytes as they came; everything read here is for showing, and a failure to read loses nothing.
//!
//! Errors are one [`Error`] with an [`ErrorKind`]. There are no features.
//!
//! [MS-OXCFXICS]: https://learn.microsoft.com/openspecs/exchange_server_protocols/ms-oxcfxics/

#![warn(missing_docs)]

mod body;
mod code_page;
mod compact;
mod compactor;
mod content_line;
mod decode;
mod deframer;
mod distribution_list;
mod error;
mod expander;
mod file;
pub mod guid;
mod html;
mod icalendar;
mod json;
mod lexer;
mod message;
mod mime;
mod mime_header;
pub mod mime_skeleton;
mod msg;
pub mod named;
mod property;
mod reader;
mod recurrence;
mod rtf;
mod summary;
pub mod tag;
mod time_zone;
mod transfer;
mod tree_builder;
mod value;
mod varint;
mod vcard;
mod wire;
mod writer;

pub use body::{html_text as html_body, plain as plain_text};
pub use compact::CompactSink;
pub use compactor::Compactor;
pub use deframer::{Deframer, FrameEvent, FrameSink, FrameStop};
pub use error::{Error, ErrorKind};
pub use expander::{Expander, Step};
pub use file::{FileKind, to_mail, to_mime};
pub use guid::Guid;
pub use html::html_text;
pub use json::to_json;
pub use lexer::{Event, Lexer, LexerSink, LexerStop, PropDef};
pub use message::{Attachment, Message};

pub use msg::to_msg;
pub use property::{NamedProp, PropId, PropName, Property, PropertyBag};
pub use reader::{Limits, MessageReader, Parsed, Problem, read_message};
pub use summary::{Summariser, Summary, summarise};
pub use transfer::{Base64Layout, QpLayout, Transfer, strip_base64, strip_quoted_printable};
pub use value::{FileTime, PropValue};
pub use writer::{
    ExternalPayload, FillPayload, MessageEncoder, WriteOptions, encoded_len, write_message,
    write_message_to,
};

//! Reads and writes the native stream of ExportItems and UploadItems (MS-OXCFXICS messageContent
//! in the framing Exchange puts around it).

#![warn(missing_docs)]

mod code_page;
mod compact;
mod compactor;
mod content_line;
mod decode;
mod deframer;
mod error;
mod expander;
pub mod guid;
mod icalendar;
mod lexer;
mod message;
mod mime;
mod mime_header;
pub mod mime_skeleton;
pub mod named;
mod property;
mod reader;
mod summary;
pub mod tag;
mod transfer;
mod tree_builder;
mod value;
mod varint;
mod vcard;
mod wire;
mod writer;

pub use compact::CompactSink;
pub use compactor::Compactor;
pub use deframer::{Deframer, FrameEvent, FrameSink, FrameStop};
pub use error::{Error, ErrorKind};
pub use expander::{Expander, Step};
pub use guid::Guid;
pub use lexer::{Event, Lexer, LexerSink, LexerStop, PropDef};
pub use message::{Attachment, Message};
pub use mime::to_mime;
pub use property::{NamedProp, PropId, PropName, Property, PropertyBag};
pub use reader::{Limits, MessageReader, Parsed, Problem, read_message};
pub use summary::{Summariser, Summary, summarise};
pub use transfer::{Base64Layout, QpLayout, Transfer, strip_base64, strip_quoted_printable};
pub use value::{FileTime, PropValue};
pub use writer::{
    ExternalPayload, FillPayload, MessageEncoder, WriteOptions, encoded_len, write_message,
    write_message_to,
};

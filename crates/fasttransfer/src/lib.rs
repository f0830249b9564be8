//! Reads and writes the native stream of ExportItems and UploadItems (MS-OXCFXICS messageContent
//! in the framing Exchange puts around it).

#![warn(missing_docs)]

mod code_page;
mod error;
pub mod guid;
mod message;
pub mod named;
mod property;
pub mod tag;
mod value;

pub use error::{Error, ErrorKind};
pub use guid::Guid;
pub use message::{Attachment, Message};
pub use property::{NamedProp, PropId, PropName, Property, PropertyBag};
pub use value::{FileTime, PropValue};

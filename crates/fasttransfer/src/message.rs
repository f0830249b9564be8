//! Messages, recipients and attachments.

use crate::PropertyBag;

/// A message: every mailbox item (mail, appointment, contact, task, note) is one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Message {
    /// The message's own properties.
    pub props: PropertyBag,
    /// One bag per recipient.
    pub recipients: Vec<PropertyBag>,
    /// The attachments in stream order.
    pub attachments: Vec<Attachment>,
}

/// An attachment of a [`Message`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Attachment {
    /// The attachment's properties; a file's bytes are `PidTagAttachDataBinary`.
    pub props: PropertyBag,
    /// The attached message, when the attachment is one (attach method 5).
    pub embedded: Option<Box<Message>>,
}

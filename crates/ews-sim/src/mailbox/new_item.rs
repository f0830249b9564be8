//! Items on their way into a store.

use fasttransfer::Message;

use crate::payload::Payload;

/// An item to be stored.
pub(crate) struct NewItem {
    pub(crate) message: Message,
    /// The bytes of the last attachment, when it is computed.
    pub(crate) payload: Option<Payload>,
    pub(crate) is_read: bool,
    pub(crate) associated: bool,
    /// Creation time to keep, in 100 ns ticks; the store's own if absent.
    pub(crate) created: Option<u64>,
}

impl NewItem {
    /// A normal item, read or unread as its own flags say.
    pub(crate) fn from_message(message: Message) -> NewItem {
        let flags = message.props.i32(fasttransfer::tag::MESSAGE_FLAGS);
        NewItem {
            is_read: flags.unwrap_or(0) & crate::item::FLAG_READ != 0,
            message,
            payload: None,
            associated: false,
            created: None,
        }
    }
}

//! People: senders and recipients.

use fasttransfer::{Message, PropertyBag, tag};

use crate::xml::XmlWriter;

/// A mailbox as EWS writes one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) name: String,
    pub(crate) email: String,
}

impl Address {
    fn from_bag(bag: &PropertyBag) -> Address {
        let text = |id: u16| bag.text(id).unwrap_or_default().into_owned();
        let smtp = text(tag::SMTP_ADDRESS);
        Address {
            name: text(tag::DISPLAY_NAME),
            email: if smtp.is_empty() {
                text(tag::EMAIL_ADDRESS)
            } else {
                smtp
            },
        }
    }

    /// The parts of an address in `props`: name, SMTP address, address.
    fn from_props(props: &PropertyBag, ids: [u16; 3]) -> Option<Address> {
        let text = |id: u16| props.text(id).filter(|text| !text.is_empty());
        let name = text(ids[0]);
        let email = text(ids[1]).or_else(|| text(ids[2]));
        if name.is_none() && email.is_none() {
            return None;
        }
        Some(Address {
            name: name.unwrap_or_default().into_owned(),
            email: email.unwrap_or_default().into_owned(),
        })
    }
}

/// The sender, or whom the sender stands for.
pub(crate) fn sender_of(message: &Message, representing: bool) -> Option<Address> {
    let props = &message.props;
    let sender = Address::from_props(
        props,
        [
            tag::SENDER_NAME,
            tag::SENDER_SMTP_ADDRESS,
            tag::SENDER_EMAIL_ADDRESS,
        ],
    );
    let represented = Address::from_props(
        props,
        [
            tag::SENT_REPRESENTING_NAME,
            tag::SENT_REPRESENTING_SMTP_ADDRESS,
            tag::SENT_REPRESENTING_EMAIL_ADDRESS,
        ],
    );
    if representing {
        represented.or(sender)
    } else {
        sender.or(represented)
    }
}

/// The recipients of a type: 1 to (or required), 2 copies (optional), 3 blind copies (resources).
pub(crate) fn people_of(message: &Message, kind: i32) -> Vec<Address> {
    message
        .recipients
        .iter()
        .filter(|bag| bag.i32(tag::RECIPIENT_TYPE).unwrap_or(1) & 0xF == kind)
        .map(Address::from_bag)
        .collect()
}

/// Writes a Mailbox element.
pub(crate) fn write_mailbox(w: &mut XmlWriter, address: &Address, full: bool) {
    w.start("t:Mailbox");
    let name = if address.name.is_empty() {
        &address.email
    } else {
        &address.name
    };
    if !name.is_empty() {
        w.leaf("t:Name", name);
    }
    if !address.email.is_empty() {
        w.leaf("t:EmailAddress", &address.email);
        w.leaf("t:RoutingType", "SMTP");
    }
    if full {
        w.leaf(
            "t:MailboxType",
            if address.email.is_empty() {
                "Unknown"
            } else {
                "OneOff"
            },
        );
    }
    w.end("t:Mailbox");
}

/// Writes an element that holds one mailbox, if there is one.
pub(super) fn write_one(w: &mut XmlWriter, name: &str, address: Option<Address>) {
    if let Some(address) = address {
        w.start(name);
        write_mailbox(w, &address, true);
        w.end(name);
    }
}

/// Writes a list of mailboxes, if there are any.
pub(super) fn write_many(w: &mut XmlWriter, name: &str, addresses: &[Address]) {
    if !addresses.is_empty() {
        w.start(name);
        for address in addresses {
            write_mailbox(w, address, true);
        }
        w.end(name);
    }
}

/// Writes a list of attendees, if there are any.
pub(super) fn write_attendees(w: &mut XmlWriter, name: &str, message: &Message, kind: i32) {
    let people: Vec<&PropertyBag> = message
        .recipients
        .iter()
        .filter(|bag| bag.i32(tag::RECIPIENT_TYPE).unwrap_or(1) & 0xF == kind)
        // The organizer is among the recipients but not among the attendees.
        .filter(|bag| bag.i32(tag::RECIPIENT_FLAGS).unwrap_or(0) & 0x2 == 0)
        .collect();
    if people.is_empty() {
        return;
    }
    w.start(name);
    for bag in people {
        w.start("t:Attendee");
        write_mailbox(w, &Address::from_bag(bag), true);
        let status = bag.i32(tag::RECIPIENT_TRACK_STATUS).unwrap_or(0);
        w.leaf(
            "t:ResponseType",
            super::item::pick(super::calendar::RESPONSES, status),
        );
        w.end("t:Attendee");
    }
    w.end(name);
}

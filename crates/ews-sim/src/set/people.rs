//! Senders and recipients.

use fasttransfer::{Message, PropValue, PropertyBag, tag};

use crate::shape::{Address, write_reply_to};
use crate::xml::Element;

/// Whether recipients take the place of those there are, or come behind them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placing {
    Instead,
    Behind,
}

/// Sets the recipients of a type.
pub(super) fn set_people(message: &mut Message, list: &Element<'_>, kind: i32, placing: Placing) {
    if placing == Placing::Instead {
        message.recipients.retain(|bag| kind_of(bag) != kind);
    }
    let mailboxes = list.children.iter().filter_map(mailbox_of);
    message
        .recipients
        .extend(mailboxes.map(|mailbox| recipient(mailbox, kind)));
    for (row, bag) in (0..).zip(&mut message.recipients) {
        bag.set(tag::ROWID, PropValue::Int32(row));
    }
    let names: Vec<String> = message
        .recipients
        .iter()
        .filter(|bag| kind_of(bag) == kind)
        .filter_map(|bag| bag.text(tag::DISPLAY_NAME))
        .map(|name| name.into_owned())
        .collect();
    let display = match kind {
        1 => tag::DISPLAY_TO,
        2 => tag::DISPLAY_CC,
        _ => tag::DISPLAY_BCC,
    };
    message.props.set(display, names.join("; "));
}

fn kind_of(bag: &PropertyBag) -> i32 {
    bag.i32(tag::RECIPIENT_TYPE).unwrap_or(1) & 0xF
}

/// The Mailbox of an entry, which an Attendee has inside.
fn mailbox_of<'e, 'a>(element: &'e Element<'a>) -> Option<&'e Element<'a>> {
    match element.name.as_ref() {
        "Attendee" => element.child("Mailbox"),
        _ => Some(element),
    }
}

fn recipient(mailbox: &Element<'_>, kind: i32) -> PropertyBag {
    let address = address(mailbox);
    let mut bag = PropertyBag::new();
    bag.set(tag::ROWID, PropValue::Int32(0));
    bag.set(tag::RECIPIENT_TYPE, PropValue::Int32(kind));
    bag.set(tag::DISPLAY_NAME, address.name);
    bag.set(tag::ADDRESS_TYPE, "SMTP");
    bag.set(tag::EMAIL_ADDRESS, address.email.as_str());
    bag.set(tag::SMTP_ADDRESS, address.email);
    bag
}

/// An address; it is its own name where it has none.
fn address(mailbox: &Element<'_>) -> Address {
    let email = mailbox.child_text("EmailAddress").unwrap_or_default();
    let name = mailbox
        .child_text("Name")
        .filter(|name| !name.is_empty())
        .unwrap_or(email);
    Address {
        name: name.to_owned(),
        email: email.to_owned(),
    }
}

/// Sets to whom replies go.
pub(super) fn set_reply_to(message: &mut Message, list: &Element<'_>) {
    let all: Vec<Address> = list.children.iter().map(address).collect();
    write_reply_to(message, &all);
}

/// Name, kind, address and SMTP address of a sender.
fn sender_ids(is_from: bool) -> [u16; 4] {
    match is_from {
        true => [
            tag::SENT_REPRESENTING_NAME,
            tag::SENT_REPRESENTING_ADDRESS_TYPE,
            tag::SENT_REPRESENTING_EMAIL_ADDRESS,
            tag::SENT_REPRESENTING_SMTP_ADDRESS,
        ],
        false => [
            tag::SENDER_NAME,
            tag::SENDER_ADDRESS_TYPE,
            tag::SENDER_EMAIL_ADDRESS,
            tag::SENDER_SMTP_ADDRESS,
        ],
    }
}

pub(super) fn set_sender(message: &mut Message, element: &Element<'_>) {
    let Some(mailbox) = element.child("Mailbox") else {
        return;
    };
    let Address { name, email } = address(mailbox);
    let texts = [name.as_str(), "SMTP", &email, &email];
    for (id, text) in sender_ids(element.name == "From").into_iter().zip(texts) {
        message.props.set(id, text);
    }
}

pub(super) fn clear_sender(message: &mut Message, is_from: bool) {
    for id in sender_ids(is_from) {
        message.props.remove(id);
    }
}

pub(super) fn clear_people(message: &mut Message, kind: i32) {
    message.recipients.retain(|bag| kind_of(bag) != kind);
    let display = [tag::DISPLAY_TO, tag::DISPLAY_CC, tag::DISPLAY_BCC];
    if let Some(id) = usize::try_from(kind - 1)
        .ok()
        .and_then(|index| display.get(index))
    {
        message.props.remove(*id);
    }
}

//! People on an item: recipient rows and the sender's properties.

use fasttransfer::{Message, PropertyBag, tag};

use super::header::Mailbox;
use super::props::{put_i32, put_str};

/// Most recipients kept as rows; further ones stay in the transport headers.
const MAX_RECIPIENTS: usize = 5_000;
/// Provider of one-off entry ids ([MS-OXCDATA] 2.2.5.1).
const ONE_OFF_PROVIDER: [u8; 16] = [
    0x81, 0x2B, 0x1F, 0xA4, 0xBE, 0xA3, 0x10, 0x19, 0x9D, 0x6E, 0x00, 0xDD, 0x01, 0x0F, 0x54, 0x02,
];
/// Version 0, then flags: Unicode strings, no rich text.
const ONE_OFF_VERSION_FLAGS: [u8; 4] = [0x00, 0x00, 0x01, 0x90];
/// PidTagObjectType of a mail user.
const MAPI_MAILUSER: i32 = 6;

/// PidTagRecipientType ([MS-OXOMSG] 2.2.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RecipientType {
    Originator = 0,
    To = 1,
    Cc = 2,
    Bcc = 3,
}

/// Appends recipient rows of one type.
pub(crate) fn add_recipients(message: &mut Message, kind: RecipientType, people: &[Mailbox]) {
    for person in people {
        if message.recipients.len() >= MAX_RECIPIENTS {
            return;
        }
        let row = recipient(message.recipients.len(), kind, person);
        message.recipients.push(row);
    }
}

fn recipient(row: usize, kind: RecipientType, person: &Mailbox) -> PropertyBag {
    let mut bag = PropertyBag::new();
    put_i32(&mut bag, tag::ROWID, i32::try_from(row).unwrap_or(i32::MAX));
    put_i32(&mut bag, tag::RECIPIENT_TYPE, kind as i32);
    put_i32(&mut bag, tag::OBJECT_TYPE, MAPI_MAILUSER);
    put_i32(&mut bag, tag::DISPLAY_TYPE, 0);
    put_str(&mut bag, tag::DISPLAY_NAME, person.display());
    put_str(&mut bag, tag::ADDRESS_TYPE, "SMTP");
    put_str(&mut bag, tag::EMAIL_ADDRESS, &person.address);
    put_str(&mut bag, tag::SMTP_ADDRESS, &person.address);
    bag.set(tag::ENTRY_ID, one_off_entry_id(person));
    bag.set(tag::SEARCH_KEY, search_key(&person.address));
    bag
}

/// PidTagDisplayTo and its like: names joined by semicolons.
pub(crate) fn display_names(people: &[Mailbox]) -> String {
    let names: Vec<&str> = people.iter().map(Mailbox::display).collect();
    names.join("; ")
}

/// Sets the sender (who sent it) and the sent-representing (in whose name) properties.
pub(crate) fn put_sender(bag: &mut PropertyBag, sender: &Mailbox, representing: &Mailbox) {
    put_str(bag, tag::SENDER_NAME, sender.display());
    put_str(bag, tag::SENDER_ADDRESS_TYPE, "SMTP");
    put_str(bag, tag::SENDER_EMAIL_ADDRESS, &sender.address);
    put_str(bag, tag::SENDER_SMTP_ADDRESS, &sender.address);
    bag.set(tag::SENDER_ENTRY_ID, one_off_entry_id(sender));
    bag.set(tag::SENDER_SEARCH_KEY, search_key(&sender.address));
    put_str(bag, tag::SENT_REPRESENTING_NAME, representing.display());
    put_str(bag, tag::SENT_REPRESENTING_ADDRESS_TYPE, "SMTP");
    put_str(
        bag,
        tag::SENT_REPRESENTING_EMAIL_ADDRESS,
        &representing.address,
    );
    put_str(
        bag,
        tag::SENT_REPRESENTING_SMTP_ADDRESS,
        &representing.address,
    );
    bag.set(
        tag::SENT_REPRESENTING_ENTRY_ID,
        one_off_entry_id(representing),
    );
    bag.set(
        tag::SENT_REPRESENTING_SEARCH_KEY,
        search_key(&representing.address),
    );
}

/// One-off entry id: provider, flags, then name, address type and address as UTF-16.
pub(crate) fn one_off_entry_id(person: &Mailbox) -> Vec<u8> {
    let mut id = vec![0; 4];
    id.extend(ONE_OFF_PROVIDER);
    id.extend(ONE_OFF_VERSION_FLAGS);
    for text in [person.display(), "SMTP", &person.address] {
        id.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
        id.extend([0, 0]);
    }
    id
}

fn search_key(address: &str) -> Vec<u8> {
    let mut key = format!("SMTP:{}", address.to_uppercase()).into_bytes();
    key.push(0);
    key
}

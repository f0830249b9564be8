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

/// PidTagReplyRecipientEntries begins an entry with this: a one-off entry id (MS-OXCDATA 2.2.5.1)
/// in Unicode that is sent as it is.
const ONE_OFF: [u8; 24] = [
    0, 0, 0, 0, 0x81, 0x2B, 0x1F, 0xA4, 0xBE, 0xA3, 0x10, 0x19, 0x9D, 0x6E, 0x00, 0xDD, 0x01, 0x0F,
    0x54, 0x02, 0, 0, 0x01, 0x90,
];

/// To whom replies go (MS-OXOMSG 2.2.1.43 and 2.2.1.44).
pub(crate) fn reply_to_of(message: &Message) -> Vec<Address> {
    let entries = message.props.binary(tag::REPLY_RECIPIENT_ENTRIES);
    let found = entries.and_then(|list| {
        // The number and the bytes of the entries come first, then each with its length.
        let mut rest = list.get(8..)?;
        let mut found = Vec::new();
        while let Some((length, after)) = rest.split_first_chunk::<4>() {
            let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
            found.push(read_one_off(after.get(..length)?)?);
            rest = after.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
        (!found.is_empty()).then_some(found)
    });
    let named = || {
        let names = message.props.text(tag::REPLY_RECIPIENT_NAMES)?;
        let name = names.into_owned();
        let email = match name.contains('@') {
            true => name.clone(),
            false => String::new(),
        };
        Some(vec![Address { name, email }])
    };
    found.or_else(named).unwrap_or_default()
}

fn read_one_off(entry: &[u8]) -> Option<Address> {
    let text = entry.strip_prefix(&ONE_OFF)?;
    let units: Vec<u16> = text
        .chunks_exact(2)
        .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
        .collect();
    let mut texts = units.split(|unit| *unit == 0).map(String::from_utf16_lossy);
    let (name, _, email) = (texts.next()?, texts.next()?, texts.next()?);
    Some(Address { name, email })
}

/// Keeps to whom replies go.
pub(crate) fn write_reply_to(message: &mut Message, all: &[Address]) {
    let mut entries = Vec::new();
    for address in all {
        let mut entry = ONE_OFF.to_vec();
        for text in [address.name.as_str(), "SMTP", &address.email] {
            entry.extend(text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes));
        }
        entries.extend(u32::try_from(entry.len()).unwrap_or(0).to_le_bytes());
        entry.resize(entry.len().next_multiple_of(4), 0);
        entries.extend(entry);
    }
    let count = u32::try_from(all.len()).unwrap_or(0);
    let bytes = u32::try_from(entries.len()).unwrap_or(0);
    let list = [&count.to_le_bytes()[..], &bytes.to_le_bytes(), &entries].concat();
    let names: Vec<&str> = all.iter().map(|address| address.name.as_str()).collect();
    message.props.set(tag::REPLY_RECIPIENT_ENTRIES, list);
    message
        .props
        .set(tag::REPLY_RECIPIENT_NAMES, names.join("; "));
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

//! Distribution lists as vCard groups (RFC 6350 6.1.4, 6.6.5; MS-OXOCNTC 2.2.2).

use crate::content_line::{ContentLines, escape};
use crate::mime_header::{is_address, one_line};
use crate::{Message, PropValue, PropertyBag, body, named, tag};

/// The provider of one-off entry ids (MS-OXCDATA 2.2.5.1).
const ONE_OFF: [u8; 16] = [
    0x81, 0x2B, 0x1F, 0xA4, 0xBE, 0xA3, 0x10, 0x19, 0x9D, 0x6E, 0x00, 0xDD, 0x01, 0x0F, 0x54, 0x02,
];
/// The provider of entry ids around others (MS-OXOCNTC 2.2.2.2.4.1.1).
const WRAPPED: [u8; 16] = [
    0xC0, 0x91, 0xAD, 0xD3, 0x51, 0x9D, 0xCF, 0x11, 0xA4, 0xA9, 0x00, 0xAA, 0x00, 0x47, 0xFA, 0xA4,
];
/// Of a one-off entry id: its texts are UTF-16.
const UNICODE: u16 = 0x8000;

/// Somebody in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Member {
    name: String,
    address: String,
}

/// Writes the list as a group, and a card for each member that has more than an address.
pub(crate) fn generate(message: &Message) -> Vec<u8> {
    let props = &message.props;
    let members = members(props);
    let mut lines = ContentLines::default();
    let name = props
        .text(named::DISTRIBUTION_LIST_NAME)
        .or_else(|| props.text(tag::DISPLAY_NAME))
        .or_else(|| props.text(tag::SUBJECT))
        .unwrap_or_default();
    lines.raw("BEGIN", "VCARD");
    lines.raw("VERSION", "4.0");
    lines.raw("KIND", "group");
    lines.text("FN", &name);
    for member in &members {
        if is_address(&member.address) {
            lines.raw("MEMBER", &format!("mailto:{}", member.address));
        } else {
            lines.text("X-MEMBER", &member.name);
        }
    }
    if let Some(PropValue::MultiUnicode(words)) = props.get(named::keywords()) {
        let words: Vec<String> = words.iter().map(|word| escape(word)).collect();
        lines.raw("CATEGORIES", &words.join(","));
    }
    lines.optional("NOTE", body::plain(message));
    lines.raw("END", "VCARD");
    for member in members {
        if !is_address(&member.address) || member.name.is_empty() || member.name == member.address {
            continue;
        }
        lines.raw("BEGIN", "VCARD");
        lines.raw("VERSION", "4.0");
        lines.text("FN", &member.name);
        lines.text("EMAIL", &member.address);
        lines.raw("END", "VCARD");
    }
    lines.finish()
}

/// The members by name and address. Those in the mailbox's own contacts have their address only
/// in the list of one-off ids beside the list itself.
fn members(props: &PropertyBag) -> Vec<Member> {
    let read = |id| match props.get(id) {
        Some(PropValue::MultiBinary(ids)) => ids.iter().filter_map(|id| member(id)).collect(),
        _ => Vec::new(),
    };
    let mut members: Vec<Member> = read(named::DISTRIBUTION_LIST_ONE_OFF_MEMBERS);
    if members.is_empty() {
        members = read(named::DISTRIBUTION_LIST_MEMBERS);
    }
    members
}

fn member(id: &[u8]) -> Option<Member> {
    let provider = id.get(4..20)?;
    if provider == WRAPPED {
        // One byte says of what kind the entry id inside is.
        return member(id.get(21..)?).filter(|_| id.get(25..41) == Some(&ONE_OFF));
    }
    if provider != ONE_OFF {
        return None;
    }
    let flags = u16::from_le_bytes(id.get(22..24)?.try_into().ok()?);
    let texts = id.get(24..)?;
    let (name, address) = if flags & UNICODE != 0 {
        let (units, _) = texts.as_chunks::<2>();
        let mut texts = units
            .split(|unit| *unit == [0, 0])
            .map(|text| -> Vec<u16> { text.iter().map(|unit| u16::from_le_bytes(*unit)).collect() })
            .map(|text| String::from_utf16_lossy(&text));
        (texts.next()?, texts.nth(1)?)
    } else {
        let mut texts = texts
            .split(|byte| *byte == 0)
            .map(|text| crate::code_page::encoding(1252).decode(text).0.into_owned());
        (texts.next()?, texts.nth(1)?)
    };
    Some(Member {
        name: one_line(&name),
        address: one_line(&address),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one_off(name: &str, address: &str) -> Vec<u8> {
        let mut id = vec![0; 4];
        id.extend(ONE_OFF);
        id.extend([0, 0, 0x01, 0x80]);
        for text in [name, "SMTP", address] {
            id.extend(text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes));
        }
        id
    }

    #[test]
    fn a_list_becomes_a_group_of_its_members() {
        let mut wrapped = vec![0; 4];
        wrapped.extend(WRAPPED);
        wrapped.push(0xB0);
        wrapped.extend(one_off("Björn, B.", "bjorn@example.test"));
        let mut message = Message::default();
        message.props.set(tag::MESSAGE_CLASS, "IPM.DistList");
        message.props.set(named::DISTRIBUTION_LIST_NAME, "Team");
        message.props.set(
            named::DISTRIBUTION_LIST_MEMBERS,
            PropValue::MultiBinary(vec![
                one_off("Ann", "ann@example.test").into(),
                wrapped.into(),
                vec![1, 2, 3].into(),
            ]),
        );
        let text = String::from_utf8(generate(&message)).unwrap();
        assert_eq!(
            text,
            "BEGIN:VCARD\r\nVERSION:4.0\r\nKIND:group\r\nFN:Team\r\n\
             MEMBER:mailto:ann@example.test\r\nMEMBER:mailto:bjorn@example.test\r\n\
             END:VCARD\r\nBEGIN:VCARD\r\nVERSION:4.0\r\nFN:Ann\r\n\
             EMAIL:ann@example.test\r\nEND:VCARD\r\nBEGIN:VCARD\r\nVERSION:4.0\r\n\
             FN:Björn\\, B.\r\nEMAIL:bjorn@example.test\r\nEND:VCARD\r\n"
        );
    }
}

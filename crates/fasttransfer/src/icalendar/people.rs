//! Organizer and attendees.

use crate::content_line::{ContentLines, quoted_parameter};
use crate::mime::address;
use crate::mime_header::one_line;
use crate::{Message, tag};

/// Bits of PidTagRecipientFlags: this recipient is the organizer; the occurrence leaves it out.
const ORGANIZER: i32 = 2;
const EXCEPTIONALLY_DELETED: i32 = 0x20;

pub(super) fn write(message: &Message, lines: &mut ContentLines) {
    let props = &message.props;
    if message.recipients.is_empty() {
        return;
    }
    let organizer = [
        tag::SENT_REPRESENTING_SMTP_ADDRESS,
        tag::SENT_REPRESENTING_EMAIL_ADDRESS,
        tag::SENDER_SMTP_ADDRESS,
        tag::SENDER_EMAIL_ADDRESS,
    ]
    .into_iter()
    .filter_map(|id| props.text(id))
    .find(|address| address.contains('@'));
    if let Some(organizer) = organizer {
        let name = props.text(tag::SENT_REPRESENTING_NAME);
        person(lines, "ORGANIZER", name.as_deref(), &organizer);
    }
    for recipient in &message.recipients {
        let flags = recipient.i32(tag::RECIPIENT_FLAGS).unwrap_or(0);
        let kind = recipient.i32(tag::RECIPIENT_TYPE).unwrap_or(1) & 0xF;
        // The organizer, in one of two ways.
        if kind == 0 || flags & (ORGANIZER | EXCEPTIONALLY_DELETED) != 0 {
            continue;
        }
        let Some(address) = address(recipient) else {
            continue;
        };
        let role = match kind {
            2 => "ATTENDEE;ROLE=OPT-PARTICIPANT",
            3 => "ATTENDEE;CUTYPE=RESOURCE;ROLE=NON-PARTICIPANT",
            _ => "ATTENDEE;ROLE=REQ-PARTICIPANT",
        };
        let status = match recipient.i32(tag::RECIPIENT_TRACK_STATUS) {
            Some(2) => ";PARTSTAT=TENTATIVE",
            Some(3) => ";PARTSTAT=ACCEPTED",
            Some(4) => ";PARTSTAT=DECLINED",
            Some(5) => ";PARTSTAT=NEEDS-ACTION",
            _ => "",
        };
        let name = recipient.text(tag::DISPLAY_NAME);
        person(lines, &format!("{role}{status}"), name.as_deref(), &address);
    }
}

pub(super) fn person(lines: &mut ContentLines, property: &str, name: Option<&str>, address: &str) {
    let name = name
        .map(one_line)
        .filter(|name| !name.is_empty())
        .map(|name| format!(";CN={}", quoted_parameter(&name)))
        .unwrap_or_default();
    let address = one_line(address);
    lines.raw(&format!("{property}{name}"), &format!("mailto:{address}"));
}

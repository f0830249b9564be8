//! Whether two native streams are the same item.
//!
//! A server gives every item ids, change numbers and times of its own; those are left out, and
//! so is the origin a restore adds. Everything else has to be equal, recipients, attachments and
//! embedded messages included.

use fasttransfer::{
    Attachment, Limits, Message, PropId, PropName, PropValue, PropertyBag, read_message,
};

use super::rewrite::NAME;

/// Properties that belong to the store and not to the item (MS-OXPROPS names).
const OF_THE_STORE: [u16; 24] = [
    0x0E05, // PidTagParentDisplay
    0x0E08, // PidTagMessageSize
    0x0E09, // PidTagParentEntryId
    0x0E0F, // PidTagResponsibility and other computed ones follow
    0x0E17, // PidTagMessageStatus
    0x0E23, // PidTagInternetArticleNumber
    0x0FF4, // PidTagAccess
    0x0FF5, // PidTagRowType
    0x0FF6, // PidTagInstanceKey
    0x0FF7, // PidTagAccessLevel
    0x0FF8, // PidTagMappingSignature
    0x0FF9, // PidTagRecordKey
    0x0FFA, // PidTagStoreRecordKey
    0x0FFB, // PidTagStoreEntryId
    0x0FFF, // PidTagEntryId
    0x3007, // PidTagCreationTime
    0x3008, // PidTagLastModificationTime
    0x65E0, // PidTagSourceKey
    0x65E1, // PidTagParentSourceKey
    0x65E2, // PidTagChangeKey
    0x65E3, // PidTagPredecessorChangeList
    0x6709, // PidTagLocalCommitTime
    0x674A, // PidTagMid
    0x67A4, // PidTagChangeNumber
];

/// PidTagMessageFlags; of its bits only mfRead is the item's own (MS-OXCMSG 2.2.1.6), the others
/// are computed by the store.
const MESSAGE_FLAGS: u16 = 0x0E07;

const READ: i32 = 1;

/// Says how a restored item differs from the stored one, or nothing if it does not.
///
/// `is_read` is the state the item should have; where it is not known, that of the stored stream.
pub(super) fn difference(stored: &[u8], live: &[u8], is_read: Option<bool>) -> Option<String> {
    if stored == live {
        return None;
    }
    let read = |stream: &[u8], which: &str| {
        read_message(stream, &Limits::default())
            .map(|parsed| parsed.message)
            .map_err(|error| format!("the {which} stream cannot be read: {error}"))
    };
    let (mut stored, live) = match (read(stored, "stored"), read(live, "restored")) {
        (Ok(stored), Ok(live)) => (stored, live),
        (Err(reason), _) | (_, Err(reason)) => return Some(reason),
    };
    let flags = PropId::Tag(MESSAGE_FLAGS);
    if let (Some(is_read), Some(PropValue::Int32(value))) = (is_read, stored.props.get(&flags)) {
        let value = if is_read { value | READ } else { value & !READ };
        stored.props.set(flags, PropValue::Int32(value));
    }
    messages(&stored, &live)
}

fn messages(stored: &Message, live: &Message) -> Option<String> {
    if let Some(difference) = bags(&stored.props, &live.props) {
        return Some(difference);
    }
    if stored.recipients.len() != live.recipients.len() {
        return Some(counts(
            "recipients",
            stored.recipients.len(),
            live.recipients.len(),
        ));
    }
    if stored.attachments.len() != live.attachments.len() {
        return Some(counts(
            "attachments",
            stored.attachments.len(),
            live.attachments.len(),
        ));
    }
    let recipients = stored.recipients.iter().zip(&live.recipients);
    for (number, (a, b)) in recipients.enumerate() {
        if let Some(difference) = bags(a, b) {
            return Some(format!("recipient {number}: {difference}"));
        }
    }
    let attachments = stored.attachments.iter().zip(&live.attachments);
    for (number, (a, b)) in attachments.enumerate() {
        if let Some(difference) = attachment(a, b) {
            return Some(format!("attachment {number}: {difference}"));
        }
    }
    None
}

fn attachment(stored: &Attachment, live: &Attachment) -> Option<String> {
    match (&stored.embedded, &live.embedded) {
        (None, None) => bags(&stored.props, &live.props),
        (Some(a), Some(b)) => bags(&stored.props, &live.props).or_else(|| messages(a, b)),
        _ => Some("only one has an embedded message".to_owned()),
    }
}

fn counts(what: &str, stored: usize, live: usize) -> String {
    format!("{stored} {what} were stored and {live} restored")
}

fn bags(stored: &PropertyBag, live: &PropertyBag) -> Option<String> {
    for property in stored
        .iter()
        .filter(|property| counts_for_equality(&property.id))
    {
        match live.get(&property.id) {
            None => return Some(format!("{} was not restored", name(&property.id))),
            Some(value) if *value == property.value => {}
            Some(PropValue::Int32(value)) if property.id == PropId::Tag(MESSAGE_FLAGS) => {
                if !matches!(property.value, PropValue::Int32(old) if old & READ == value & READ) {
                    return Some("the read state differs".to_owned());
                }
            }
            Some(_) => return Some(format!("{} differs", name(&property.id))),
        }
    }
    live.iter()
        .filter(|property| counts_for_equality(&property.id))
        .find(|property| stored.get(&property.id).is_none())
        .map(|property| format!("{} was added", name(&property.id)))
}

/// Whether a property belongs to the store and not to the item, or is our own.
pub(crate) fn is_of_the_store(id: &PropId) -> bool {
    !counts_for_equality(id)
}

fn counts_for_equality(id: &PropId) -> bool {
    match id {
        PropId::Tag(tag) => !OF_THE_STORE.contains(tag),
        PropId::Named(named) => !matches!(&named.name, PropName::Name(name) if name == NAME),
    }
}

fn name(id: &PropId) -> String {
    match id {
        PropId::Tag(tag) => format!("property 0x{tag:04X}"),
        PropId::Named(named) => match &named.name {
            PropName::Id(id) => format!("named property 0x{id:04X}"),
            PropName::Name(name) => format!("named property {name}"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fasttransfer::{WriteOptions, write_message};

    fn stream(change: impl FnOnce(&mut Message)) -> Vec<u8> {
        let mut message = Message::default();
        message
            .props
            .set(PropId::Tag(0x0037), PropValue::Unicode("Hello".into()));
        message
            .props
            .set(PropId::Tag(MESSAGE_FLAGS), PropValue::Int32(1));
        message.props.set(PropId::Tag(0x3008), PropValue::Int64(1));
        change(&mut message);
        write_message(&message, &WriteOptions::default())
    }

    #[test]
    fn only_what_is_the_items_own_counts() {
        let stored = stream(|_| {});
        let check = |live: Vec<u8>, is_read, expected: Option<&str>| {
            assert_eq!(difference(&stored, &live, is_read).as_deref(), expected);
        };
        check(stream(|_| {}), None, None);
        check(
            stream(|m| drop(m.props.set(PropId::Tag(0x3008), PropValue::Int64(2)))),
            None,
            None,
        );
        check(
            stream(|m| {
                drop(
                    m.props
                        .set(PropId::Tag(0x0037), PropValue::Unicode("Hallo".into())),
                )
            }),
            None,
            Some("property 0x0037 differs"),
        );
        check(
            stream(|m| m.recipients.push(PropertyBag::default())),
            None,
            Some("0 recipients were stored and 1 restored"),
        );
        let unread =
            || stream(|m| drop(m.props.set(PropId::Tag(MESSAGE_FLAGS), PropValue::Int32(0))));
        check(unread(), None, Some("the read state differs"));
        check(unread(), Some(false), None);
    }
}

use bytes::Bytes;
use fasttransfer::{
    Attachment, FileTime, Guid, Message, NamedProp, PropId, PropName, PropValue, Property,
    PropertyBag, tag,
};
use proptest::collection::vec;
use proptest::prelude::*;

/// A small xorshift generator, for bytes whose content does not matter.
pub fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed | 1;
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        })
        .collect()
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zA-Z0-9 .@<>/-]{0,40}",
        "\\PC{0,30}",
        vec(any::<char>(), 0..20).prop_map(|chars| {
            // A trailing NUL is indistinguishable from the terminator.
            let text: String = chars.into_iter().collect();
            text.trim_end_matches('\0').to_owned()
        }),
    ]
}

fn prop_id() -> impl Strategy<Value = PropId> {
    let guid = any::<[u8; 16]>().prop_map(Guid);
    prop_oneof![
        4 => (1u16..0x3FFF).prop_map(PropId::Tag),
        1 => (guid.clone(), any::<u32>()).prop_map(|(guid, lid)| {
            PropId::Named(NamedProp { guid, name: PropName::Id(lid) })
        }),
        1 => (guid, "[a-zA-Z\u{e9}\u{4e2d}-]{1,20}").prop_map(|(guid, name)| {
            PropId::Named(NamedProp { guid, name: PropName::Name(name) })
        }),
    ]
}

fn bytes(max: usize) -> impl Strategy<Value = Bytes> {
    prop_oneof![
        vec(any::<u8>(), 0..40),
        (any::<u64>(), 0..max).prop_map(|(s, n)| noise(s, n))
    ]
    .prop_map(Bytes::from)
}

fn string8() -> impl Strategy<Value = Bytes> {
    vec(1u8..=255, 0..20).prop_map(Bytes::from)
}

fn value() -> BoxedStrategy<PropValue> {
    prop_oneof![
        4 => text().prop_map(PropValue::Unicode),
        2 => any::<i32>().prop_map(PropValue::Int32),
        1 => any::<i16>().prop_map(PropValue::Int16),
        1 => any::<i64>().prop_map(PropValue::Int64),
        1 => any::<i64>().prop_map(PropValue::Currency),
        1 => (-1e9f32..1e9).prop_map(PropValue::Float),
        1 => (-1e9f64..1e9).prop_map(PropValue::Double),
        1 => (-1e9f64..1e9).prop_map(PropValue::AppTime),
        1 => any::<bool>().prop_map(PropValue::Boolean),
        1 => any::<u64>().prop_map(|t| PropValue::Time(FileTime(t))),
        1 => any::<[u8; 16]>().prop_map(|g| PropValue::Guid(Guid(g))),
        1 => (prop_oneof![Just(0u16), Just(1252), Just(932), Just(20866)], string8())
            .prop_map(|(code_page, bytes)| PropValue::String8 { code_page, bytes }),
        2 => bytes(3000).prop_map(PropValue::Binary),
        1 => bytes(100).prop_map(PropValue::ServerId),
        1 => bytes(100).prop_map(PropValue::Object),
        1 => vec(any::<i16>(), 0..4).prop_map(PropValue::MultiInt16),
        1 => vec(any::<i32>(), 0..4).prop_map(PropValue::MultiInt32),
        1 => vec(any::<i64>(), 0..4).prop_map(PropValue::MultiInt64),
        1 => vec(any::<u64>().prop_map(FileTime), 0..4).prop_map(PropValue::MultiTime),
        1 => vec(any::<[u8; 16]>().prop_map(Guid), 0..4).prop_map(PropValue::MultiGuid),
        1 => vec(text(), 0..4).prop_map(PropValue::MultiUnicode),
        1 => vec(bytes(50), 0..4).prop_map(PropValue::MultiBinary),
        1 => vec(string8(), 0..4)
            .prop_map(|values| PropValue::MultiString8 { code_page: 1252, values }),
    ]
    .boxed()
}

fn bag() -> impl Strategy<Value = PropertyBag> {
    vec((prop_id(), value()), 0..12).prop_map(|pairs| {
        let properties = pairs.into_iter().map(|(id, value)| Property { id, value });
        let mut bag: PropertyBag = properties.collect();
        for reserved in [tag::ATTACH_NUMBER, tag::ROWID, tag::MESSAGE_RECIPIENTS] {
            bag.remove(reserved);
        }
        bag
    })
}

/// Any message, up to two levels of embedding. Rows are numbered, as the writer would.
pub fn message() -> BoxedStrategy<Message> {
    let leaf = (bag(), vec(bag(), 0..3)).prop_map(|(props, recipients)| Message {
        props,
        recipients: numbered(recipients, tag::ROWID),
        attachments: Vec::new(),
    });
    leaf.prop_recursive(2, 8, 3, |inner| {
        let attachment = (bag(), bytes(100_000), proptest::option::of(inner.clone())).prop_map(
            |(mut props, data, embedded)| {
                if embedded.is_none() {
                    props.set(tag::ATTACH_DATA_BINARY, data);
                }
                Attachment {
                    props,
                    embedded: embedded.map(Box::new),
                }
            },
        );
        (inner, vec(attachment, 0..3)).prop_map(|(mut message, attachments)| {
            message.attachments = attachments;
            for (row, attachment) in message.attachments.iter_mut().enumerate() {
                let props = std::mem::take(&mut attachment.props);
                attachment.props = number(props, tag::ATTACH_NUMBER, row);
            }
            message
        })
    })
    .boxed()
}

fn numbered(bags: Vec<PropertyBag>, id: u16) -> Vec<PropertyBag> {
    bags.into_iter()
        .enumerate()
        .map(|(row, bag)| number(bag, id, row))
        .collect()
}

fn number(bag: PropertyBag, id: u16, row: usize) -> PropertyBag {
    let mut out = PropertyBag::new();
    out.set(id, row as i32);
    out.extend(bag);
    out
}

/// The same message with the properties of each message sorted, so that order does not count.
pub fn sorted(message: &Message) -> Message {
    let mut properties: Vec<Property> = message.props.iter().cloned().collect();
    properties.sort_by(|a, b| a.id.cmp(&b.id));
    Message {
        props: properties.into_iter().collect(),
        recipients: message.recipients.clone(),
        attachments: message
            .attachments
            .iter()
            .map(|attachment| Attachment {
                props: attachment.props.clone(),
                embedded: attachment.embedded.as_ref().map(|m| Box::new(sorted(m))),
            })
            .collect(),
    }
}

/// A mail like those in real mailboxes, with attachments of these sizes.
pub fn mail(attachment_sizes: &[usize]) -> Message {
    let mut message = Message::default();
    let props = &mut message.props;
    props.set(tag::MESSAGE_CLASS, "IPM.Note");
    props.set(tag::SUBJECT, "Offer for the new roof");
    props.set(tag::SENDER_NAME, "Ana Beispiel");
    props.set(
        tag::BODY,
        "Dear all,\r\n\r\nplease find the offer attached.\r\n".repeat(40),
    );
    props.set(
        fasttransfer::named::keywords(),
        PropValue::MultiUnicode(vec!["roof".into()]),
    );
    let mut recipient = PropertyBag::new();
    recipient.set(tag::ROWID, 0);
    recipient.set(tag::DISPLAY_NAME, "Karl Muster");
    message.recipients.push(recipient);
    for (number, size) in attachment_sizes.iter().enumerate() {
        let mut props = PropertyBag::new();
        props.set(tag::ATTACH_NUMBER, number as i32);
        props.set(tag::ATTACH_DATA_BINARY, noise(number as u64 + 7, *size));
        props.set(tag::ATTACH_LONG_FILENAME, format!("offer-{number}.pdf"));
        message.attachments.push(Attachment {
            props,
            embedded: None,
        });
    }
    message
}

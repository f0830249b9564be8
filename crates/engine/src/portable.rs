//! The portable form: an item as MIME text and properties, in one stream.
//!
//! The stream is a magic number and the fields of a record (see `record`), the MIME text among
//! them; it is what is stored for items of servers without ExportItems. An item in memory is the
//! protocol's own [`Item`], with what the shape of [`shape`] asks for.

mod convert;
mod create;
mod from_mime;
mod mime_part;
mod properties;

use bytes::Bytes;
use ews_client::{
    BaseShape, Body, EmailAddress, ExtendedKey, ExtendedPath, ExtendedProperty, Importance, Item,
    ItemField, ItemKind, ItemShape, MapiType, PropertyPath, PropertySet, PropertyValue,
    Sensitivity, Timestamp,
};
use fasttransfer::{Limits, Parsed, read_message};

pub(crate) use convert::from_message;
pub(crate) use create::{Extent, new_item};
pub(crate) use properties::Group;

use crate::error::{Error, ErrorKind, Result};
use crate::record::{FieldWriter, Fields};
use crate::state::ItemSummary;

/// What a portable item begins with; a native stream begins with a small number in 32 bits.
const MAGIC: &[u8; 5] = b"PKPI\x01";

/// The largest MIME text or body read back.
const MAX_FIELD_BYTES: usize = 1 << 30;

/// Fields inside fields.
const MAX_DEPTH: usize = 8;

mod field {
    pub(super) const KIND: u8 = 1;
    pub(super) const CLASS: u8 = 2;
    pub(super) const SUBJECT: u8 = 3;
    pub(super) const IMPORTANCE: u8 = 4;
    pub(super) const SENSITIVITY: u8 = 5;
    pub(super) const CATEGORY: u8 = 6;
    pub(super) const READ: u8 = 7;
    pub(super) const DRAFT: u8 = 8;
    pub(super) const RECEIVED: u8 = 9;
    pub(super) const SENT: u8 = 10;
    pub(super) const UID: u8 = 11;
    pub(super) const MESSAGE_ID: u8 = 12;
    pub(super) const FROM_NAME: u8 = 13;
    pub(super) const FROM_ADDRESS: u8 = 14;
    pub(super) const ATTACHMENTS: u8 = 15;
    pub(super) const ELEMENT: u8 = 20;
    pub(super) const PROPERTY: u8 = 21;
    pub(super) const HTML: u8 = 30;
    pub(super) const TEXT: u8 = 31;
    pub(super) const MIME: u8 = 40;
}

mod element {
    pub(super) const NAME: u8 = 1;
    pub(super) const ATTRIBUTE: u8 = 2;
    pub(super) const VALUE: u8 = 3;
    pub(super) const TEXT: u8 = 4;
    pub(super) const CHILD: u8 = 5;
}

mod property {
    pub(super) const TAG: u8 = 1;
    pub(super) const SET: u8 = 2;
    pub(super) const GUID: u8 = 3;
    pub(super) const NAME: u8 = 4;
    pub(super) const ID: u8 = 5;
    pub(super) const TYPE: u8 = 6;
    pub(super) const SINGLE: u8 = 7;
    pub(super) const LIST: u8 = 8;
    pub(super) const ENTRY: u8 = 9;
}

/// Whether these are the bytes of a portable item, and not of a native stream.
pub(crate) fn is_portable(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

/// The properties asked for of a group's items. Mail has its body in the MIME text; of the other
/// kinds the schema's own properties are asked for as a whole.
pub(crate) fn shape(group: Group, with_mime: bool) -> ItemShape {
    let base = match group {
        Group::Mail | Group::Meeting | Group::Calendar if with_mime => BaseShape::IdOnly,
        _ => BaseShape::AllProperties,
    };
    let mut fields = vec![
        "item:ItemClass",
        "item:Subject",
        "item:Sensitivity",
        "item:Importance",
        "item:Categories",
        "item:DateTimeReceived",
        "item:DateTimeSent",
        "item:HasAttachments",
        "item:IsDraft",
        "message:IsRead",
        "message:From",
        "message:InternetMessageId",
    ];
    if matches!(group, Group::Calendar | Group::Meeting) {
        fields.push("calendar:UID");
    }
    let paths = fields.into_iter().map(PropertyPath::field);
    let extended = group.paths().into_iter().map(PropertyPath::Extended);
    let shape = ItemShape::new(base).with(paths).with(extended);
    if with_mime { shape.with_mime() } else { shape }
}

/// What is stored of an item.
pub(crate) fn to_bytes(item: &Item) -> Vec<u8> {
    let mut writer = FieldWriter::default();
    let millis = |time: Option<Timestamp>| time.map(|time| time.as_millisecond());
    let from = item.from.clone().unwrap_or_default();
    writer
        .text(field::KIND, item.kind.as_str())
        .optional_text(field::CLASS, item.item_class.as_deref())
        .optional_text(field::SUBJECT, item.subject.as_deref())
        .optional_text(field::IMPORTANCE, item.importance.map(Importance::as_str))
        .optional_text(
            field::SENSITIVITY,
            item.sensitivity.map(Sensitivity::as_str),
        );
    for category in &item.categories {
        writer.bytes(field::CATEGORY, category.as_bytes());
    }
    writer
        .optional_number(field::READ, item.is_read.map(u64::from))
        .optional_number(field::DRAFT, item.is_draft.map(u64::from))
        .optional_signed(field::RECEIVED, millis(item.date_time_received))
        .optional_signed(field::SENT, millis(item.date_time_sent))
        .optional_text(field::UID, item.uid.as_deref())
        .optional_text(field::MESSAGE_ID, item.internet_message_id.as_deref())
        .optional_text(field::FROM_NAME, from.name.as_deref())
        .optional_text(field::FROM_ADDRESS, from.address.as_deref())
        .optional_number(field::ATTACHMENTS, item.has_attachments.map(u64::from));
    for element in &item.fields {
        writer.bytes(field::ELEMENT, &element_bytes(element));
    }
    for property in &item.extended {
        writer.bytes(field::PROPERTY, &property_bytes(property));
    }
    if let Some(body) = &item.body {
        let tag = if body.is_html {
            field::HTML
        } else {
            field::TEXT
        };
        writer.bytes(tag, body.text.as_bytes());
    }
    if let Some(mime) = &item.mime_content {
        writer.bytes(field::MIME, mime);
    }
    [MAGIC, &writer.finish()[..]].concat()
}

fn element_bytes(element: &ItemField) -> Vec<u8> {
    let mut writer = FieldWriter::default();
    writer.text(element::NAME, &element.name);
    for (name, _) in &element.attributes {
        writer.bytes(element::ATTRIBUTE, name.as_bytes());
    }
    for (_, value) in &element.attributes {
        writer.bytes(element::VALUE, value.as_bytes());
    }
    writer.text(element::TEXT, &element.text);
    for child in &element.children {
        writer.bytes(element::CHILD, &element_bytes(child));
    }
    writer.finish()
}

fn property_bytes(property: &ExtendedProperty) -> Vec<u8> {
    let mut writer = FieldWriter::default();
    match &property.path.key {
        ExtendedKey::Tag(tag) => drop(writer.number(property::TAG, u64::from(*tag))),
        ExtendedKey::Name { set, name } => {
            write_set(&mut writer, set);
            writer.bytes(property::NAME, name.as_bytes());
        }
        ExtendedKey::Id { set, id } => {
            write_set(&mut writer, set);
            writer.number(property::ID, u64::from(*id));
        }
    }
    writer.text(property::TYPE, property.path.kind.as_str());
    match &property.value {
        PropertyValue::Single(value) => drop(writer.bytes(property::SINGLE, value.as_bytes())),
        PropertyValue::Multiple(values) => {
            writer.number(property::LIST, values.len() as u64);
            for value in values {
                writer.bytes(property::ENTRY, value.as_bytes());
            }
        }
    }
    writer.finish()
}

fn write_set(writer: &mut FieldWriter, set: &PropertySet) {
    match set {
        PropertySet::Distinguished(set) => writer.text(property::SET, set.as_str()),
        PropertySet::Guid(guid) => writer.text(property::GUID, guid),
    };
}

/// Reads what [`to_bytes`] wrote.
///
/// # Errors
/// `Corrupt` for anything else.
pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Item> {
    let damaged = || {
        Error::new(
            ErrorKind::Corrupt,
            "the portable form of an item is damaged",
        )
    };
    let rest = bytes.strip_prefix(MAGIC).ok_or_else(damaged)?;
    let fields = Fields::parse_within(rest, MAX_FIELD_BYTES)?;
    let time = |tag| -> Result<Option<Timestamp>> {
        Ok(fields
            .optional_signed(tag)?
            .and_then(|ms| Timestamp::from_millisecond(ms).ok()))
    };
    let flag =
        |tag| -> Result<Option<bool>> { Ok(fields.optional_number(tag)?.map(|value| value != 0)) };
    let (name, address) = (
        fields.optional_text(field::FROM_NAME),
        fields.optional_text(field::FROM_ADDRESS),
    );
    let from = (name.is_some() || address.is_some()).then(|| EmailAddress {
        name,
        address,
        ..EmailAddress::default()
    });
    let body = |tag, is_html| fields.optional_text(tag).map(|text| Body { is_html, text });
    Ok(Item {
        kind: ItemKind::parse(&fields.text(field::KIND)),
        item_class: fields.optional_text(field::CLASS),
        subject: fields.optional_text(field::SUBJECT),
        importance: fields
            .optional_text(field::IMPORTANCE)
            .and_then(|t| Importance::parse(&t)),
        sensitivity: fields
            .optional_text(field::SENSITIVITY)
            .and_then(|t| Sensitivity::parse(&t)),
        categories: fields
            .all(field::CATEGORY)
            .map(|value| String::from_utf8_lossy(value).into_owned())
            .collect(),
        is_read: flag(field::READ)?,
        is_draft: flag(field::DRAFT)?,
        date_time_received: time(field::RECEIVED)?,
        date_time_sent: time(field::SENT)?,
        uid: fields.optional_text(field::UID),
        internet_message_id: fields.optional_text(field::MESSAGE_ID),
        from,
        has_attachments: flag(field::ATTACHMENTS)?,
        fields: fields
            .all(field::ELEMENT)
            .map(|bytes| read_element(bytes, 0))
            .collect::<Result<_>>()?,
        extended: fields
            .all(field::PROPERTY)
            .map(read_property)
            .filter_map(Result::transpose)
            .collect::<Result<_>>()?,
        body: body(field::HTML, true).or_else(|| body(field::TEXT, false)),
        mime_content: fields.bytes(field::MIME).map(Bytes::copy_from_slice),
        ..Item::default()
    })
}

fn read_element(bytes: &[u8], depth: usize) -> Result<ItemField> {
    if depth > MAX_DEPTH {
        return Err(Error::new(
            ErrorKind::Corrupt,
            "an element of an item nests too deep",
        ));
    }
    let fields = Fields::parse(bytes)?;
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    let names = fields.all(element::ATTRIBUTE).map(text);
    Ok(ItemField {
        name: fields.text(element::NAME),
        attributes: names.zip(fields.all(element::VALUE).map(text)).collect(),
        text: fields.text(element::TEXT),
        children: fields
            .all(element::CHILD)
            .map(|child| read_element(child, depth + 1))
            .collect::<Result<_>>()?,
    })
}

/// Reads a property; one of a set or type this program does not know is passed over.
fn read_property(bytes: &[u8]) -> Result<Option<ExtendedProperty>> {
    let fields = Fields::parse(bytes)?;
    let Some(kind) = MapiType::parse(&fields.text(property::TYPE)) else {
        return Ok(None);
    };
    let set = match (
        fields.optional_text(property::SET),
        fields.optional_text(property::GUID),
    ) {
        (Some(name), _) => {
            ews_client::DistinguishedPropertySet::parse(&name).map(PropertySet::Distinguished)
        }
        (None, guid) => guid.map(PropertySet::Guid),
    };
    let key = match (fields.optional_number(property::TAG)?, set) {
        (Some(tag), _) => u16::try_from(tag).ok().map(ExtendedKey::Tag),
        (None, Some(set)) => match fields.optional_number(property::ID)? {
            Some(id) => u32::try_from(id).ok().map(|id| ExtendedKey::Id { set, id }),
            None => Some(ExtendedKey::Name {
                set,
                name: fields.text(property::NAME),
            }),
        },
        (None, None) => None,
    };
    let value = match fields.optional_text(property::SINGLE) {
        Some(value) => PropertyValue::Single(value),
        None => PropertyValue::Multiple(
            fields
                .all(property::ENTRY)
                .map(|value| String::from_utf8_lossy(value).into_owned())
                .collect(),
        ),
    };
    Ok(key.map(|key| ExtendedProperty {
        path: ExtendedPath { key, kind },
        value,
    }))
}

/// What a listing shows of an item.
pub(crate) fn summary(item: &Item) -> ItemSummary {
    let text = |tag| {
        item.property(tag)
            .and_then(ExtendedProperty::as_str)
            .map(str::to_owned)
    };
    let millis = |tag, time: Option<Timestamp>| {
        let property = item.property(tag).and_then(ExtendedProperty::as_timestamp);
        property.or(time).map(|time| time.as_millisecond())
    };
    let from = item.from.clone().unwrap_or_default();
    ItemSummary {
        subject: item.subject.clone().unwrap_or_default(),
        sender: from
            .name
            .or_else(|| text(properties::FROM_NAME))
            .unwrap_or_default(),
        sender_address: from
            .address
            .or_else(|| text(properties::FROM_ADDRESS))
            .unwrap_or_default(),
        to: text(properties::DISPLAY_TO).unwrap_or_default(),
        sent_unix_ms: millis(properties::SUBMIT_TIME, item.date_time_sent),
        received_unix_ms: millis(properties::DELIVERY_TIME, item.date_time_received),
        message_id: item.internet_message_id.clone().unwrap_or_default(),
        importance: item.importance.map(|importance| match importance {
            Importance::Low => 0,
            Importance::High => 2,
            _ => 1,
        }),
        has_attachments: item.has_attachments.unwrap_or(false),
    }
}

/// Reads an item in either form as a message: of a portable one its MIME text comes back as it
/// is, and other files are made from its properties.
///
/// # Errors
/// `Corrupt` if it cannot be read at all.
pub(crate) fn read_any(bytes: &[u8]) -> Result<Parsed> {
    if is_portable(bytes) {
        let message = convert::to_message(&from_bytes(bytes)?);
        return Ok(Parsed {
            message,
            ..Parsed::default()
        });
    }
    read_message(bytes, &Limits::default()).map_err(|error| {
        let message = "the item's native stream cannot be read";
        Error::with_source(ErrorKind::Corrupt, message, error)
    })
}

/// The same for files that are made of properties: what a portable mail has in its MIME text only
/// is among the properties, too.
///
/// # Errors
/// `Corrupt` if it cannot be read at all.
pub(crate) fn read_properties(bytes: &[u8]) -> Result<Parsed> {
    let mut parsed = read_any(bytes)?;
    if is_portable(bytes) {
        let item = from_bytes(bytes)?;
        let class = item.item_class.as_deref().unwrap_or_default();
        let is_mail = matches!(Group::of_class(class), Group::Mail | Group::Meeting);
        if let Some(mime) = item.mime_content.as_deref().filter(|_| is_mail) {
            from_mime::fill(&mut parsed.message, mime);
        }
    }
    Ok(parsed)
}

#[cfg(test)]
mod tests {
    use ews_client::DistinguishedPropertySet as Set;
    use proptest::prelude::*;

    use super::*;

    fn item() -> Item {
        let entry = ItemField {
            name: "Entry".into(),
            attributes: vec![("Key".into(), "HomePhone".into())],
            text: "+41 1".into(),
            children: Vec::new(),
        };
        Item {
            kind: ItemKind::Contact,
            item_class: Some("IPM.Contact".into()),
            subject: Some(String::new()),
            importance: Some(Importance::High),
            sensitivity: Some(Sensitivity::Private),
            categories: vec!["a;b".into(), "c".into()],
            is_read: Some(false),
            is_draft: Some(true),
            date_time_received: Timestamp::from_millisecond(-5).ok(),
            uid: Some("u".into()),
            from: Some(EmailAddress {
                name: Some("Ann".into()),
                ..EmailAddress::default()
            }),
            fields: vec![ItemField {
                name: "PhoneNumbers".into(),
                children: vec![entry],
                ..ItemField::default()
            }],
            extended: vec![
                ExtendedProperty::single(ExtendedPath::tag(0x0E07, MapiType::Integer), "1"),
                ExtendedProperty::single(
                    ExtendedPath::id(Set::Common, 0x8503, MapiType::Boolean),
                    "true",
                ),
                ExtendedProperty {
                    path: ExtendedPath::name_in_guid(
                        "0006200e-0000-0000-c000-000000000046",
                        "x",
                        MapiType::StringArray,
                    ),
                    value: PropertyValue::Multiple(vec!["1".into(), String::new()]),
                },
            ],
            body: Some(Body {
                is_html: true,
                text: "<p>".into(),
            }),
            mime_content: Some(Bytes::from(vec![b'x'; 3 << 20])),
            ..Item::default()
        }
    }

    #[test]
    fn an_item_comes_back_as_it_was_stored() {
        assert_eq!(from_bytes(&to_bytes(&item())).unwrap(), item());
        assert_eq!(
            from_bytes(&to_bytes(&Item::default())).unwrap(),
            Item::default()
        );
    }

    proptest! {
        #[test]
        fn damage_is_refused_or_read_but_never_panics(at in 5usize..400, byte: u8) {
            let mut small = item();
            small.mime_content = None;
            let mut bytes = to_bytes(&small);
            if let Some(spoilt) = bytes.get_mut(at) {
                *spoilt = byte;
            }
            if let Ok(item) = from_bytes(&bytes) {
                let _ = (summary(&item), read_any(&to_bytes(&item)).unwrap());
            }
        }
    }
}

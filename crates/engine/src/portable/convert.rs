//! Between the portable form and the property bag of a native stream.

use bytes::Bytes;
use ews_client::{
    DistinguishedPropertySet as Set, ExtendedKey, ExtendedPath, ExtendedProperty, Importance, Item,
    ItemKind, MapiType, PropertySet, PropertyValue, Sensitivity, Timestamp,
};
use fasttransfer::mime_skeleton::SkeletonBuilder;
use fasttransfer::{
    FileTime, Guid, Message, NamedProp, PropId, PropName, PropValue, guid, named, tag, to_mime,
};

use super::properties::Group;

/// PSETID_CalendarAssistant, PSETID_UnifiedMessaging and PSETID_Sharing have no property here.
fn set_guid(set: &PropertySet) -> Option<Guid> {
    Some(match set {
        PropertySet::Distinguished(Set::Meeting) => guid::PSETID_MEETING,
        PropertySet::Distinguished(Set::Appointment) => guid::PSETID_APPOINTMENT,
        PropertySet::Distinguished(Set::Common) => guid::PSETID_COMMON,
        PropertySet::Distinguished(Set::PublicStrings) => guid::PS_PUBLIC_STRINGS,
        PropertySet::Distinguished(Set::Address) => guid::PSETID_ADDRESS,
        PropertySet::Distinguished(Set::InternetHeaders) => guid::PS_INTERNET_HEADERS,
        PropertySet::Distinguished(Set::Task) => guid::PSETID_TASK,
        PropertySet::Guid(text) => {
            let known = [guid::PSETID_NOTE, guid::PSETID_LOG];
            return known
                .into_iter()
                .find(|guid| guid.to_string().eq_ignore_ascii_case(text));
        }
        PropertySet::Distinguished(_) => return None,
    })
}

fn id_of(key: &ExtendedKey) -> Option<PropId> {
    Some(match key {
        ExtendedKey::Tag(tag) => PropId::Tag(*tag),
        ExtendedKey::Name { set, name } => {
            let name = PropName::Name(name.clone());
            PropId::Named(NamedProp {
                guid: set_guid(set)?,
                name,
            })
        }
        ExtendedKey::Id { set, id } => PropId::Named(NamedProp {
            guid: set_guid(set)?,
            name: PropName::Id(*id),
        }),
    })
}

/// The portable form of a native item: its MIME text and the listed properties.
pub(crate) fn from_message(message: &Message) -> Item {
    let props = &message.props;
    let class = props
        .text(tag::MESSAGE_CLASS)
        .unwrap_or_default()
        .into_owned();
    let group = Group::of_class(&class);
    let mut extended = Vec::new();
    for path in group.paths() {
        let value = id_of(&path.key).and_then(|id| to_text(props.get(id)?, path.kind));
        extended.extend(value.map(|value| ExtendedProperty { path, value }));
    }
    let categories = match props.get(named::keywords()) {
        Some(PropValue::MultiUnicode(words)) => words.clone(),
        _ => Vec::new(),
    };
    let flags = props.i32(tag::MESSAGE_FLAGS);
    let pick = |value: Option<i32>| value.and_then(|value| usize::try_from(value).ok());
    Item {
        kind: kind_of_class(&class),
        item_class: Some(class),
        subject: props.text(tag::SUBJECT).map(Into::into),
        importance: pick(props.i32(tag::IMPORTANCE))
            .and_then(|at| Importance::ALL.get(at).copied()),
        sensitivity: pick(props.i32(tag::SENSITIVITY))
            .and_then(|at| Sensitivity::ALL.get(at).copied()),
        is_read: flags.map(|flags| flags & 1 != 0),
        is_draft: flags.map(|flags| flags & 8 != 0),
        categories,
        extended,
        mime_content: Some(Bytes::from(to_mime(message))),
        body: props.text(tag::BODY).map(|text| ews_client::Body {
            is_html: false,
            text: text.into_owned(),
        }),
        ..Item::default()
    }
}

/// A property bag with what the item says. Its MIME text stands in it as the original, so that
/// its file is that text.
pub(crate) fn to_message(item: &Item) -> Message {
    let mut message = Message::default();
    let props = &mut message.props;
    if let Some(class) = &item.item_class {
        props.set(tag::MESSAGE_CLASS, class.as_str());
    }
    if let Some(subject) = &item.subject {
        props.set(tag::SUBJECT, subject.as_str());
    }
    if let Some(mime) = &item.mime_content {
        let mut original = SkeletonBuilder::new();
        original.literal(mime);
        props.set(tag::MIME_SKELETON, original.finish(mime));
    }
    match &item.body {
        Some(body) if body.is_html => {
            props.set(tag::HTML, body.text.as_bytes().to_vec());
            props.set(tag::INTERNET_CODEPAGE, 65001);
        }
        Some(body) => drop(props.set(tag::BODY, body.text.as_str())),
        None => {}
    }
    if !item.categories.is_empty() {
        props.set(
            named::keywords(),
            PropValue::MultiUnicode(item.categories.clone()),
        );
    }
    let number = |at: usize| i32::try_from(at).unwrap_or(0);
    if let Some(importance) = item.importance {
        let at = Importance::ALL
            .iter()
            .position(|known| *known == importance);
        props.set(tag::IMPORTANCE, number(at.unwrap_or(1)));
    }
    if let Some(sensitivity) = item.sensitivity {
        let at = Sensitivity::ALL
            .iter()
            .position(|known| *known == sensitivity);
        props.set(tag::SENSITIVITY, number(at.unwrap_or(0)));
    }
    let from = item.from.clone().unwrap_or_default();
    let texts = [
        (tag::SENDER_NAME, from.name),
        (tag::SENDER_SMTP_ADDRESS, from.address),
        (tag::INTERNET_MESSAGE_ID, item.internet_message_id.clone()),
    ];
    for (id, text) in texts {
        if let Some(text) = text {
            props.set(id, text);
        }
    }
    for property in &item.extended {
        if let (Some(id), Some(value)) = (id_of(&property.path.key), from_text(property)) {
            props.set(id, value);
        }
    }
    message
}

/// The element for items of a class.
fn kind_of_class(class: &str) -> ItemKind {
    match Group::of_class(class) {
        Group::Calendar => ItemKind::CalendarItem,
        Group::Contact => ItemKind::Contact,
        Group::List => ItemKind::DistributionList,
        Group::Task => ItemKind::Task,
        Group::Mail if class.to_ascii_lowercase().starts_with("ipm.post") => ItemKind::PostItem,
        Group::Mail | Group::Meeting | Group::Other => ItemKind::Message,
    }
}

fn time_text(time: FileTime) -> Option<String> {
    Some(time.to_timestamp()?.to_string())
}

fn base64(bytes: &[u8]) -> String {
    base64_simd::STANDARD.encode_to_string(bytes)
}

/// A value in XML's lexical form, if it is of the type.
fn to_text(value: &PropValue, kind: MapiType) -> Option<PropertyValue> {
    let one = match (value, kind) {
        (PropValue::Unicode(_) | PropValue::String8 { .. }, MapiType::String) => {
            value.text()?.into_owned()
        }
        (PropValue::Int16(number), MapiType::Short | MapiType::Integer) => number.to_string(),
        (PropValue::Int32(number), MapiType::Integer) => number.to_string(),
        (PropValue::Double(number), MapiType::Double) => number.to_string(),
        (PropValue::Boolean(value), MapiType::Boolean) => value.to_string(),
        (PropValue::Time(time), MapiType::SystemTime) => time_text(*time)?,
        (PropValue::Binary(bytes), MapiType::Binary) => base64(bytes),
        (PropValue::MultiUnicode(values), MapiType::StringArray) => {
            return Some(PropertyValue::Multiple(values.clone()));
        }
        (PropValue::MultiBinary(values), MapiType::BinaryArray) => {
            return Some(PropertyValue::Multiple(
                values.iter().map(|value| base64(value)).collect(),
            ));
        }
        _ => return None,
    };
    Some(PropertyValue::Single(one))
}

fn from_text(property: &ExtendedProperty) -> Option<PropValue> {
    let decode = |text: &str| {
        base64_simd::forgiving_decode_to_vec(text.as_bytes())
            .ok()
            .map(Bytes::from)
    };
    Some(match (&property.value, property.path.kind) {
        (PropertyValue::Multiple(values), MapiType::StringArray) => {
            PropValue::MultiUnicode(values.clone())
        }
        (PropertyValue::Multiple(values), MapiType::BinaryArray) => PropValue::MultiBinary(
            values
                .iter()
                .map(|value| decode(value))
                .collect::<Option<_>>()?,
        ),
        (PropertyValue::Single(text), MapiType::String) => PropValue::Unicode(text.clone()),
        (PropertyValue::Single(text), MapiType::Integer) => {
            PropValue::Int32(text.trim().parse().ok()?)
        }
        (PropertyValue::Single(text), MapiType::Short) => {
            PropValue::Int16(text.trim().parse().ok()?)
        }
        (PropertyValue::Single(text), MapiType::Double) => {
            PropValue::Double(text.trim().parse().ok()?)
        }
        (PropertyValue::Single(text), MapiType::Boolean) => {
            PropValue::Boolean(matches!(text.trim(), "true" | "1"))
        }
        (PropertyValue::Single(_), MapiType::SystemTime) => {
            PropValue::Time(FileTime::from_timestamp(property.as_timestamp()?))
        }
        (PropertyValue::Single(text), MapiType::Binary) => PropValue::Binary(decode(text)?),
        _ => return None,
    })
}

/// A time property's value.
pub(crate) fn time_property(tag: u16, time: Timestamp) -> ExtendedProperty {
    ExtendedProperty::single(
        ExtendedPath::tag(tag, MapiType::SystemTime),
        time.to_string(),
    )
}

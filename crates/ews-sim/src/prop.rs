//! Property paths (MS-OXWSCORE PathToUnindexedFieldType and its kin) and extended properties.

use bytes::Bytes;
use fasttransfer::guid::{
    PS_INTERNET_HEADERS, PS_PUBLIC_STRINGS, PSETID_ADDRESS, PSETID_APPOINTMENT, PSETID_COMMON,
    PSETID_MEETING, PSETID_TASK,
};
use fasttransfer::{FileTime, Guid, NamedProp, PropId, PropName, PropValue};

use crate::clock::{parse_xml_time, xml_time};
use crate::op::Failure;
use crate::xml::{Element, XmlWriter};

/// PSETID_CalendarAssistant.
const PSETID_CALENDAR_ASSISTANT: Guid =
    Guid::from_fields(0x1100_0001, 0, 0, [0xC0, 0, 0, 0, 0, 0, 0, 0x46]);
/// PSETID_UnifiedMessaging.
const PSETID_UNIFIED_MESSAGING: Guid = Guid::from_fields(
    0x4442_858E,
    0xA9E3,
    0x4E80,
    [0xB9, 0x00, 0x31, 0x7A, 0x21, 0x0C, 0xC1, 0x5B],
);
/// PSETID_Sharing.
const PSETID_SHARING: Guid = Guid::ole(0x0006_2040);

/// A property that a request names.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Path {
    /// A field by its URI, such as `item:Subject`.
    Field(String),
    /// A member of a dictionary, such as one phone number.
    Indexed { uri: String, index: String },
    /// A MAPI property.
    Extended(Extended),
}

/// A MAPI property with the type a client wants it in.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Extended {
    pub(crate) id: PropId,
    /// The MapiPropertyTypeType, such as `String`.
    pub(crate) kind: String,
    /// The attributes as they came, to be given back in the same form.
    attrs: Vec<(&'static str, String)>,
}

impl Path {
    /// Reads a FieldURI, IndexedFieldURI or ExtendedFieldURI element.
    pub(crate) fn read(element: &Element<'_>) -> Result<Path, Failure> {
        let attr = |name| element.attr(name).unwrap_or_default().to_owned();
        match element.name.as_ref() {
            "FieldURI" => Ok(Path::Field(attr("FieldURI"))),
            "IndexedFieldURI" => Ok(Path::Indexed {
                uri: attr("FieldURI"),
                index: attr("FieldIndex"),
            }),
            "ExtendedFieldURI" => Extended::read(element).map(Path::Extended),
            _ => Err(Failure::new(
                "ErrorInvalidRequest",
                "The property path is not known.",
            )),
        }
    }

    /// The paths among some elements.
    pub(crate) fn read_all(elements: &[Element<'_>]) -> Result<Vec<Path>, Failure> {
        elements.iter().map(Path::read).collect()
    }

    /// The path inside an element that holds one.
    pub(crate) fn inside(element: &Element<'_>) -> Result<Path, Failure> {
        let path = element
            .children
            .iter()
            .find(|child| child.name.ends_with("FieldURI") || child.name == "Path");
        let path = path
            .ok_or_else(|| Failure::new("ErrorInvalidRequest", "The property path is missing."))?;
        Path::read(path)
    }
}

impl Extended {
    fn read(element: &Element<'_>) -> Result<Extended, Failure> {
        let bad = || {
            Failure::new(
                "ErrorInvalidExtendedProperty",
                "The combination of extended property attributes is invalid.",
            )
        };
        let mut attrs = Vec::new();
        for name in [
            "DistinguishedPropertySetId",
            "PropertySetId",
            "PropertyTag",
            "PropertyName",
            "PropertyId",
            "PropertyType",
        ] {
            if let Some(value) = element.attr(name) {
                attrs.push((name, value.to_owned()));
            }
        }
        let kind = element.attr("PropertyType").ok_or_else(bad)?.to_owned();
        let set = match (
            element.attr("DistinguishedPropertySetId"),
            element.attr("PropertySetId"),
        ) {
            (Some(name), None) => Some(distinguished_set(name).ok_or_else(bad)?),
            (None, Some(text)) => Some(parse_guid(text).ok_or_else(bad)?),
            (None, None) => None,
            (Some(_), Some(_)) => return Err(bad()),
        };
        let tag = element.attr("PropertyTag");
        let id = match (
            set,
            tag,
            element.attr("PropertyName"),
            element.attr("PropertyId"),
        ) {
            (None, Some(tag), None, None) => PropId::Tag(parse_tag(tag).ok_or_else(bad)?),
            (Some(guid), None, Some(name), None) => PropId::Named(NamedProp {
                guid,
                name: PropName::Name(name.to_owned()),
            }),
            (Some(guid), None, None, Some(number)) => PropId::Named(NamedProp {
                guid,
                name: PropName::Id(number.parse().map_err(|_| bad())?),
            }),
            _ => return Err(bad()),
        };
        if matches!(id, PropId::Tag(tag) if tag >= 0x8000) {
            return Err(Failure::new(
                "ErrorNoPropertyTagForCustomProperties",
                "Custom properties must be specified using a property set and name or identifier.",
            ));
        }
        Ok(Extended { id, kind, attrs })
    }

    /// Writes an ExtendedProperty element with a value; nothing if the value is of another type.
    pub(crate) fn write(&self, w: &mut XmlWriter, value: &PropValue) {
        let Some(text) = to_text(value, &self.kind) else {
            return;
        };
        w.start("t:ExtendedProperty");
        w.start("t:ExtendedFieldURI");
        for (name, value) in &self.attrs {
            w.attr(name, value);
        }
        w.end("t:ExtendedFieldURI");
        match text {
            Text::One(text) => w.leaf("t:Value", &text),
            Text::Many(values) => {
                w.start("t:Values");
                for value in values {
                    w.leaf("t:Value", &value);
                }
                w.end("t:Values");
            }
        }
        w.end("t:ExtendedProperty");
    }

    /// Reads the value in an ExtendedProperty element.
    pub(crate) fn value_in(&self, property: &Element<'_>) -> Option<PropValue> {
        match property.child("Values") {
            Some(values) => {
                let texts: Vec<&str> = values
                    .children
                    .iter()
                    .map(|value| value.text.as_ref())
                    .collect();
                from_texts(&texts, &self.kind)
            }
            None => from_text(&property.child("Value")?.text, &self.kind),
        }
    }
}

fn distinguished_set(name: &str) -> Option<Guid> {
    Some(match name {
        "Meeting" => PSETID_MEETING,
        "Appointment" => PSETID_APPOINTMENT,
        "Common" => PSETID_COMMON,
        "PublicStrings" => PS_PUBLIC_STRINGS,
        "Address" => PSETID_ADDRESS,
        "InternetHeaders" => PS_INTERNET_HEADERS,
        "CalendarAssistant" => PSETID_CALENDAR_ASSISTANT,
        "UnifiedMessaging" => PSETID_UNIFIED_MESSAGING,
        "Task" => PSETID_TASK,
        "Sharing" => PSETID_SHARING,
        _ => return None,
    })
}

/// Reads `0x37`, `0x0037` or `55`.
fn parse_tag(text: &str) -> Option<u16> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => u16::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

/// Reads a guid in its text form.
fn parse_guid(text: &str) -> Option<Guid> {
    let text = text.trim().trim_start_matches('{').trim_end_matches('}');
    let mut parts = text.split('-');
    let a = u32::from_str_radix(parts.next()?, 16).ok()?;
    let b = u16::from_str_radix(parts.next()?, 16).ok()?;
    let c = u16::from_str_radix(parts.next()?, 16).ok()?;
    let d = u16::from_str_radix(parts.next()?, 16).ok()?;
    let e = parts.next().filter(|part| part.len() == 12)?;
    let e = u64::from_str_radix(e, 16).ok()?;
    if parts.next().is_some() {
        return None;
    }
    let tail = (u64::from(d) << 48) | e;
    Some(Guid::from_fields(a, b, c, tail.to_be_bytes()))
}

/// A value as EWS writes it.
pub(crate) enum Text {
    One(String),
    Many(Vec<String>),
}

fn base64(bytes: &[u8]) -> String {
    base64_simd::STANDARD.encode_to_string(bytes)
}

/// Writes a value in the wanted type; `None` where it cannot be.
pub(crate) fn to_text(value: &PropValue, kind: &str) -> Option<Text> {
    use PropValue as V;
    let many = |texts: Vec<String>| (!texts.is_empty()).then_some(Text::Many(texts));
    Some(Text::One(match (value, kind) {
        (V::Unicode(_) | V::String8 { .. }, "String") => value.text()?.into_owned(),
        (V::Int16(number), "Short" | "Integer" | "Long") => number.to_string(),
        (V::Int32(number), "Integer" | "Long") => number.to_string(),
        (V::Int64(number), "Long") => number.to_string(),
        (V::Error(number), "Error") => number.to_string(),
        (V::Currency(number), "Currency") => number.to_string(),
        (V::Float(number), "Float" | "Double") => number.to_string(),
        (V::Double(number), "Double") => number.to_string(),
        (V::AppTime(number), "ApplicationTime") => number.to_string(),
        (V::Boolean(value), "Boolean") => value.to_string(),
        (V::Time(time), "SystemTime") => xml_time(time.0),
        (V::Guid(guid), "CLSID") => guid.to_string(),
        (V::Binary(_) | V::ServerId(_) | V::Object(_), "Binary" | "Object") => {
            base64(value.bytes()?)
        }
        (V::MultiUnicode(values), "StringArray") => return many(values.clone()),
        (V::MultiInt16(values), "ShortArray") => return many(texts(values)),
        (V::MultiInt32(values), "IntegerArray") => return many(texts(values)),
        (V::MultiInt64(values), "LongArray") => return many(texts(values)),
        (V::MultiDouble(values), "DoubleArray") => return many(texts(values)),
        (V::MultiFloat(values), "FloatArray") => return many(texts(values)),
        (V::MultiGuid(values), "CLSIDArray") => return many(texts(values)),
        (V::MultiTime(values), "SystemTimeArray") => {
            return many(values.iter().map(|time| xml_time(time.0)).collect());
        }
        (V::MultiBinary(values), "BinaryArray") => {
            return many(values.iter().map(|bytes| base64(bytes)).collect());
        }
        _ => return None,
    }))
}

fn texts<T: ToString>(values: &[T]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}

fn decode(text: &str) -> Option<Bytes> {
    let compact: String = text.split_ascii_whitespace().collect();
    let bytes = base64_simd::STANDARD
        .decode_to_vec(compact.as_bytes())
        .ok()?;
    Some(bytes.into())
}

/// Reads a boolean as XML Schema writes them.
pub(crate) fn parse_bool(text: &str) -> Option<bool> {
    match text.trim() {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

/// Reads a single value of a type.
pub(crate) fn from_text(text: &str, kind: &str) -> Option<PropValue> {
    let trimmed = text.trim();
    Some(match kind {
        "String" => PropValue::Unicode(text.to_owned()),
        "Integer" => PropValue::Int32(trimmed.parse().ok()?),
        "Short" => PropValue::Int16(trimmed.parse().ok()?),
        "Long" => PropValue::Int64(trimmed.parse().ok()?),
        "Currency" => PropValue::Currency(trimmed.parse().ok()?),
        "Double" => PropValue::Double(trimmed.parse().ok()?),
        "Float" => PropValue::Float(trimmed.parse().ok()?),
        "ApplicationTime" => PropValue::AppTime(trimmed.parse().ok()?),
        "Boolean" => PropValue::Boolean(parse_bool(trimmed)?),
        "SystemTime" => PropValue::Time(FileTime(parse_xml_time(trimmed)?)),
        "CLSID" => PropValue::Guid(parse_guid(trimmed)?),
        "Binary" => PropValue::Binary(decode(text)?),
        _ => return None,
    })
}

/// Reads a list of values of an array type.
fn from_texts(list: &[&str], kind: &str) -> Option<PropValue> {
    fn each<T>(list: &[&str], read: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
        list.iter().map(|text| read(text)).collect()
    }
    let time = |text: &str| parse_xml_time(text).map(FileTime);
    Some(match kind {
        "StringArray" => PropValue::MultiUnicode(each(list, |text| Some(text.to_owned()))?),
        "IntegerArray" => PropValue::MultiInt32(each(list, |text| text.trim().parse().ok())?),
        "ShortArray" => PropValue::MultiInt16(each(list, |text| text.trim().parse().ok())?),
        "LongArray" => PropValue::MultiInt64(each(list, |text| text.trim().parse().ok())?),
        "DoubleArray" => PropValue::MultiDouble(each(list, |text| text.trim().parse().ok())?),
        "FloatArray" => PropValue::MultiFloat(each(list, |text| text.trim().parse().ok())?),
        "SystemTimeArray" => PropValue::MultiTime(each(list, time)?),
        "CLSIDArray" => PropValue::MultiGuid(each(list, parse_guid)?),
        "BinaryArray" => PropValue::MultiBinary(each(list, decode)?),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_read_in_any_form() {
        assert_eq!(parse_tag("0xe08"), Some(0x0E08));
        assert_eq!(parse_tag("0x0E08"), Some(0x0E08));
        assert_eq!(parse_tag("3592"), Some(0x0E08));
        assert_eq!(parse_tag("x"), None);
    }

    #[test]
    fn guids_are_read_as_they_are_written() {
        for guid in [PSETID_MEETING, PSETID_COMMON, PSETID_UNIFIED_MESSAGING] {
            assert_eq!(parse_guid(&guid.to_string()), Some(guid));
        }
        assert_eq!(
            parse_guid("00062008-0000-0000-C000-000000000046"),
            Some(PSETID_COMMON)
        );
    }
}

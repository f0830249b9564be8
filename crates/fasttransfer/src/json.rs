//! Items as JSON: every property with its type, nothing interpreted.

use std::fmt::Write as _;

use base64_simd::STANDARD;
use bytes::Bytes;

use crate::{FileTime, Message, PropId, PropName, PropValue, Property, PropertyBag, named, tag};

/// Messages inside one another; deeper ones appear without content.
const DEPTH_LIMIT: usize = 32;

/// Writes an item as a JSON document, one property a line.
///
/// `{"format": "postkeep-item", "version": 1, "properties": […], "recipients": [[…]…],
/// "attachments": [{"properties": […], "message": {…}}…]}`. A property is an object with
///
/// - `id`, the upper half of its tag such as `"0x0037"`; or `set` and `lid`, or `set` and `string`,
///   for a named one;
/// - `name`, as MS-OXPROPS calls it, where this crate knows it;
/// - `type`, as MS-OXCDATA 2.11.1 calls it;
/// - `value`. Numbers of 64 bits are strings of decimal digits, since many programs read JSON's
///   numbers as floating point; times are RFC 3339 in UTC to 100 ns (`{"ticks": "…"}` outside the
///   years to 9999); binary values are base64; strings of a code page are `{"code_page", "text",
///   "bytes"}`; floating-point values that are no number are `{"bits": "0x…"}`.
#[must_use]
pub fn to_json(message: &Message) -> Vec<u8> {
    let mut out = String::from("{\"format\":\"postkeep-item\",\"version\":1,");
    body(message, 0, &mut out);
    out.push_str("}\n");
    out.into_bytes()
}

fn body(message: &Message, depth: usize, out: &mut String) {
    out.push_str("\"properties\":");
    bag(&message.props, out);
    out.push_str(",\n\"recipients\":");
    list(&message.recipients, out, bag);
    out.push_str(",\n\"attachments\":");
    list(&message.attachments, out, |attachment, out| {
        out.push_str("{\"properties\":");
        bag(&attachment.props, out);
        if let Some(embedded) = attachment
            .embedded
            .as_deref()
            .filter(|_| depth < DEPTH_LIMIT)
        {
            out.push_str(",\"message\":{");
            body(embedded, depth + 1, out);
            out.push('}');
        }
        out.push('}');
    });
}

fn bag(bag: &PropertyBag, out: &mut String) {
    let properties: Vec<&Property> = bag.iter().collect();
    list(&properties, out, |property, out| {
        out.push_str("\n{");
        identity(&property.id, out);
        let _ = write!(
            out,
            "\"type\":\"{}\",\"value\":",
            type_name(&property.value)
        );
        value(&property.value, out);
        out.push('}');
    });
}

fn identity(id: &PropId, out: &mut String) {
    let name = match id {
        PropId::Tag(id) => {
            let _ = write!(out, "\"id\":\"0x{id:04X}\",");
            tag::name(*id)
        }
        PropId::Named(named) => {
            let _ = write!(out, "\"set\":\"{}\",", named.guid);
            match &named.name {
                PropName::Id(lid) => {
                    let _ = write!(out, "\"lid\":\"0x{lid:04X}\",");
                }
                PropName::Name(name) => {
                    out.push_str("\"string\":");
                    string(name, out);
                    out.push(',');
                }
            }
            named::name(named)
        }
    };
    if let Some(name) = name {
        let _ = write!(out, "\"name\":\"{name}\",");
    }
}

fn type_name(value: &PropValue) -> &'static str {
    use PropValue as V;
    match value {
        V::Int16(_) => "PtypInteger16",
        V::Int32(_) => "PtypInteger32",
        V::Float(_) => "PtypFloating32",
        V::Double(_) => "PtypFloating64",
        V::Currency(_) => "PtypCurrency",
        V::AppTime(_) => "PtypFloatingTime",
        V::Error(_) => "PtypErrorCode",
        V::Boolean(_) => "PtypBoolean",
        V::Int64(_) => "PtypInteger64",
        V::Time(_) => "PtypTime",
        V::Guid(_) => "PtypGuid",
        V::String8 { .. } => "PtypString8",
        V::Unicode(_) => "PtypString",
        V::Binary(_) => "PtypBinary",
        V::ServerId(_) => "PtypServerId",
        V::Object(_) => "PtypObject",
        V::MultiInt16(_) => "PtypMultipleInteger16",
        V::MultiInt32(_) => "PtypMultipleInteger32",
        V::MultiFloat(_) => "PtypMultipleFloating32",
        V::MultiDouble(_) => "PtypMultipleFloating64",
        V::MultiCurrency(_) => "PtypMultipleCurrency",
        V::MultiAppTime(_) => "PtypMultipleFloatingTime",
        V::MultiInt64(_) => "PtypMultipleInteger64",
        V::MultiTime(_) => "PtypMultipleTime",
        V::MultiGuid(_) => "PtypMultipleGuid",
        V::MultiString8 { .. } => "PtypMultipleString8",
        V::MultiUnicode(_) => "PtypMultipleString",
        V::MultiBinary(_) => "PtypMultipleBinary",
    }
}

fn value(value: &PropValue, out: &mut String) {
    use PropValue as V;
    match value {
        V::Int16(number) => plain(number, out),
        V::Int32(number) => plain(number, out),
        V::Error(code) => plain(code, out),
        V::Boolean(yes) => plain(yes, out),
        V::Float(number) => float32(number, out),
        V::Double(number) | V::AppTime(number) => float64(number, out),
        V::Currency(number) | V::Int64(number) => quoted(number, out),
        V::Time(time) => ticks(time, out),
        V::Guid(guid) => quoted(guid, out),
        V::String8 { code_page, bytes } => code_page_text(*code_page, bytes, out),
        V::Unicode(text) => string(text, out),
        V::Binary(bytes) | V::ServerId(bytes) | V::Object(bytes) => base64(bytes, out),
        V::MultiInt16(values) => list(values, out, plain),
        V::MultiInt32(values) => list(values, out, plain),
        V::MultiFloat(values) => list(values, out, float32),
        V::MultiDouble(values) | V::MultiAppTime(values) => list(values, out, float64),
        V::MultiCurrency(values) | V::MultiInt64(values) => list(values, out, quoted),
        V::MultiTime(values) => list(values, out, ticks),
        V::MultiGuid(values) => list(values, out, quoted),
        V::MultiString8 { code_page, values } => {
            list(values, out, |bytes, out| {
                code_page_text(*code_page, bytes, out)
            });
        }
        V::MultiUnicode(values) => list(values, out, |text: &String, out| string(text, out)),
        V::MultiBinary(values) => list(values, out, base64),
    }
}

fn list<T>(items: &[T], out: &mut String, write: impl Fn(&T, &mut String)) {
    out.push('[');
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        write(item, out);
    }
    out.push(']');
}

fn plain(value: &impl std::fmt::Display, out: &mut String) {
    let _ = write!(out, "{value}");
}

fn quoted(value: &impl std::fmt::Display, out: &mut String) {
    let _ = write!(out, "\"{value}\"");
}

fn float32(number: &f32, out: &mut String) {
    let _ = match number.is_finite() {
        // The debug form is the shortest that reads back as the same number.
        true => write!(out, "{number:?}"),
        false => write!(out, "{{\"bits\":\"{:#010x}\"}}", number.to_bits()),
    };
}

fn float64(number: &f64, out: &mut String) {
    let _ = match number.is_finite() {
        true => write!(out, "{number:?}"),
        false => write!(out, "{{\"bits\":\"{:#018x}\"}}", number.to_bits()),
    };
}

fn ticks(time: &FileTime, out: &mut String) {
    let _ = match time.to_timestamp() {
        Some(timestamp) => write!(out, "\"{timestamp}\""),
        None => write!(out, "{{\"ticks\":\"{}\"}}", time.0),
    };
}

fn code_page_text(code_page: u16, bytes: &Bytes, out: &mut String) {
    let _ = write!(out, "{{\"code_page\":{code_page},\"text\":");
    string(&crate::code_page::encoding(code_page).decode(bytes).0, out);
    out.push_str(",\"bytes\":");
    base64(bytes, out);
    out.push('}');
}

fn base64(bytes: &Bytes, out: &mut String) {
    out.push('"');
    out.push_str(&STANDARD.encode_to_string(bytes));
    out.push('"');
}

fn string(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

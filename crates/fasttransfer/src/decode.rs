//! From the bytes of elements to property values.

use std::mem;

use bytes::Bytes;
use encoding_rs::UTF_16LE;

use crate::wire::ptype;
use crate::{FileTime, Guid, PropValue, code_page};

/// Reads UTF-16LE without its terminator; the flag says whether anything was lost.
pub(crate) fn utf16(bytes: &[u8]) -> (String, bool) {
    let body = bytes.strip_suffix(&[0, 0]).unwrap_or(bytes);
    // An odd length, or a suffix that straddled two units, cannot be text.
    let body = if body.len().is_multiple_of(2) {
        body
    } else {
        bytes
    };
    let odd = body.len() % 2;
    let units = &body[..body.len() - odd];
    let (text, lossy) = UTF_16LE.decode_without_bom_handling(units);
    (text.into_owned(), lossy || odd != 0)
}

fn string8(mut bytes: Vec<u8>) -> Bytes {
    if bytes.last() == Some(&0) {
        bytes.pop();
    }
    bytes.into()
}

/// One element of a property of the given type (multi-valued bit or not), whose bytes are taken
/// where the value keeps them. The flag says whether anything was lost.
pub(crate) fn element(property_type: u16, bytes: &mut Vec<u8>) -> Option<(PropValue, bool)> {
    if property_type & ptype::CODE_PAGE != 0 {
        let (code_page, _) = code_page::split_type(property_type);
        if code_page == ptype::UTF16_CODE_PAGE {
            let (text, lossy) = utf16(bytes);
            return Some((PropValue::Unicode(text), lossy));
        }
        let bytes = string8(mem::take(bytes));
        return Some((PropValue::String8 { code_page, bytes }, false));
    }
    let value = match property_type & !ptype::MULTI {
        ptype::INT16 => PropValue::Int16(i16::from_le_bytes(array(bytes)?)),
        ptype::INT32 => PropValue::Int32(i32::from_le_bytes(array(bytes)?)),
        ptype::FLOAT => PropValue::Float(f32::from_le_bytes(array(bytes)?)),
        ptype::DOUBLE => PropValue::Double(f64::from_le_bytes(array(bytes)?)),
        ptype::CURRENCY => PropValue::Currency(i64::from_le_bytes(array(bytes)?)),
        ptype::APP_TIME => PropValue::AppTime(f64::from_le_bytes(array(bytes)?)),
        ptype::ERROR => PropValue::Error(u32::from_le_bytes(array(bytes)?)),
        ptype::BOOLEAN => PropValue::Boolean(u16::from_le_bytes(array(bytes)?) != 0),
        ptype::INT64 => PropValue::Int64(i64::from_le_bytes(array(bytes)?)),
        ptype::TIME => PropValue::Time(FileTime(u64::from_le_bytes(array(bytes)?))),
        ptype::GUID => PropValue::Guid(Guid(array(bytes)?)),
        ptype::STRING8 => PropValue::String8 {
            code_page: 0,
            bytes: string8(mem::take(bytes)),
        },
        ptype::UNICODE => {
            let (text, lossy) = utf16(bytes);
            return Some((PropValue::Unicode(text), lossy));
        }
        ptype::BINARY => PropValue::Binary(mem::take(bytes).into()),
        ptype::SERVER_ID => PropValue::ServerId(mem::take(bytes).into()),
        ptype::OBJECT => PropValue::Object(mem::take(bytes).into()),
        _ => return None,
    };
    Some((value, false))
}

fn array<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    bytes.first_chunk::<N>().copied()
}

/// Joins elements of one type into a multi-valued property.
pub(crate) fn multi(property_type: u16, elements: Vec<PropValue>) -> Option<PropValue> {
    macro_rules! collect {
        ($single:ident) => {
            elements
                .into_iter()
                .filter_map(|element| match element {
                    PropValue::$single(value) => Some(value),
                    _ => None,
                })
                .collect()
        };
    }
    let strings = |code_page, elements: Vec<PropValue>| PropValue::MultiString8 {
        code_page,
        values: elements
            .into_iter()
            .filter_map(|element| match element {
                PropValue::String8 { bytes, .. } => Some(bytes),
                _ => None,
            })
            .collect(),
    };
    if property_type & ptype::CODE_PAGE != 0 {
        let (code_page, _) = code_page::split_type(property_type);
        return Some(if code_page == ptype::UTF16_CODE_PAGE {
            PropValue::MultiUnicode(collect!(Unicode))
        } else {
            strings(code_page, elements)
        });
    }
    Some(match property_type & !ptype::MULTI {
        ptype::INT16 => PropValue::MultiInt16(collect!(Int16)),
        ptype::INT32 => PropValue::MultiInt32(collect!(Int32)),
        ptype::FLOAT => PropValue::MultiFloat(collect!(Float)),
        ptype::DOUBLE => PropValue::MultiDouble(collect!(Double)),
        ptype::CURRENCY => PropValue::MultiCurrency(collect!(Currency)),
        ptype::APP_TIME => PropValue::MultiAppTime(collect!(AppTime)),
        ptype::INT64 => PropValue::MultiInt64(collect!(Int64)),
        ptype::TIME => PropValue::MultiTime(collect!(Time)),
        ptype::GUID => PropValue::MultiGuid(collect!(Guid)),
        ptype::STRING8 => strings(0, elements),
        ptype::UNICODE => PropValue::MultiUnicode(collect!(Unicode)),
        ptype::BINARY => PropValue::MultiBinary(collect!(Binary)),
        // Arrays of booleans, error codes, server ids and objects do not exist in MAPI.
        _ => return None,
    })
}

/// Whether a type is multi-valued.
pub(crate) fn is_multi(property_type: u16) -> bool {
    if property_type & ptype::CODE_PAGE != 0 {
        code_page::split_type(property_type).1
    } else {
        property_type & ptype::MULTI != 0
    }
}

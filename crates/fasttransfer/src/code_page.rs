//! Windows code page numbers and the encodings behind them.
//!
//! A string type is `0x8000 | code page`, so numbers above 0x7FFF lose their top bit on the wire;
//! those numbers are recognised in both forms.

use encoding_rs as enc;
use encoding_rs::Encoding;

use crate::wire::ptype;

/// The encoding of a Windows code page; unknown numbers and 0 (unspecified) read as
/// windows-1252, which maps every byte.
pub(crate) fn encoding(code_page: u16) -> &'static Encoding {
    known(code_page).unwrap_or(enc::WINDOWS_1252)
}

/// Splits a string type with bit 15 set into its code page and whether it is multi-valued.
///
/// Bit 12 marks a multi-valued type, but is also part of code pages such as 20866 (KOI8-R):
/// a number that is a code page as it stands wins.
pub(crate) fn split_type(property_type: u16) -> (u16, bool) {
    let number = property_type & !ptype::CODE_PAGE;
    if number & ptype::MULTI != 0 && known(number).is_none() {
        (number & !ptype::MULTI, true)
    } else {
        (number, false)
    }
}

fn known(code_page: u16) -> Option<&'static Encoding> {
    Some(match code_page {
        866 => enc::IBM866,
        874 => enc::WINDOWS_874,
        932 => enc::SHIFT_JIS,
        936 => enc::GBK,
        949 | 51949 | 19181 => enc::EUC_KR,
        950 => enc::BIG5,
        1200 => enc::UTF_16LE,
        1201 => enc::UTF_16BE,
        1250 => enc::WINDOWS_1250,
        1251 => enc::WINDOWS_1251,
        1252 | 20127 | 28591 => enc::WINDOWS_1252,
        1253 => enc::WINDOWS_1253,
        1254 | 28599 => enc::WINDOWS_1254,
        1255 => enc::WINDOWS_1255,
        1256 => enc::WINDOWS_1256,
        1257 => enc::WINDOWS_1257,
        1258 => enc::WINDOWS_1258,
        10000 => enc::MACINTOSH,
        20866 => enc::KOI8_R,
        21866 => enc::KOI8_U,
        20932 | 51932 | 19164 => enc::EUC_JP,
        28592 => enc::ISO_8859_2,
        28593 => enc::ISO_8859_3,
        28594 => enc::ISO_8859_4,
        28595 => enc::ISO_8859_5,
        28596 => enc::ISO_8859_6,
        28597 => enc::ISO_8859_7,
        28598 => enc::ISO_8859_8,
        28603 => enc::ISO_8859_13,
        28605 => enc::ISO_8859_15,
        38598 | 5830 => enc::ISO_8859_8_I,
        50220..=50222 | 17452..=17454 => enc::ISO_2022_JP,
        54936 | 22168 => enc::GB18030,
        65001 | 32233 => enc::UTF_8,
        _ => return None,
    })
}

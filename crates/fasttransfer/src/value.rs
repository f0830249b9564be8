//! Property values and their types (MS-OXCDATA 2.11).

use std::borrow::Cow;

use bytes::Bytes;
use jiff::Timestamp;

use crate::Guid;

/// 100-nanosecond ticks between 1601-01-01 and 1970-01-01.
const UNIX_EPOCH_TICKS: i128 = 116_444_736_000_000_000;

/// A point in time as MAPI stores it: 100-nanosecond ticks since 1601-01-01 00:00 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileTime(pub u64);

impl FileTime {
    /// Converts, rounding down to 100 ns; times before 1601 become zero.
    #[must_use]
    pub fn from_timestamp(time: Timestamp) -> Self {
        let ticks = time.as_nanosecond().div_euclid(100) + UNIX_EPOCH_TICKS;
        Self(u64::try_from(ticks).unwrap_or(0))
    }

    /// Converts, or `None` when the value lies outside the years jiff covers (to 9999).
    #[must_use]
    pub fn to_timestamp(self) -> Option<Timestamp> {
        let nanoseconds = (i128::from(self.0) - UNIX_EPOCH_TICKS) * 100;
        Timestamp::from_nanosecond(nanoseconds).ok()
    }
}

impl From<Timestamp> for FileTime {
    fn from(time: Timestamp) -> Self {
        Self::from_timestamp(time)
    }
}

/// The value of a property.
///
/// Strings are held without their terminating NUL; the writer adds it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum PropValue {
    /// PtypInteger16, 0x0002.
    Int16(i16),
    /// PtypInteger32, 0x0003.
    Int32(i32),
    /// PtypFloating32, 0x0004.
    Float(f32),
    /// PtypFloating64, 0x0005.
    Double(f64),
    /// PtypCurrency, 0x0006, in ten-thousandths.
    Currency(i64),
    /// PtypFloatingTime, 0x0007, in days since 1899-12-30.
    AppTime(f64),
    /// PtypErrorCode, 0x000A. Read, but never written (MS-OXCFXICS 2.2.4.3.20).
    Error(u32),
    /// PtypBoolean, 0x000B.
    Boolean(bool),
    /// PtypInteger64, 0x0014.
    Int64(i64),
    /// PtypTime, 0x0040.
    Time(FileTime),
    /// PtypGuid, 0x0048.
    Guid(Guid),
    /// A string in an 8-bit code page: PtypString8 0x001E, whose code page is 0 here, or the
    /// stream's own 0x8000|code page.
    String8 {
        /// Windows code page number; 0 when the stream does not say.
        code_page: u16,
        /// The bytes without the terminating NUL.
        bytes: Bytes,
    },
    /// PtypString 0x001F, or 0x84B0, the form Exchange writes.
    Unicode(String),
    /// PtypBinary, 0x0102.
    Binary(Bytes),
    /// PtypServerId, 0x00FB.
    ServerId(Bytes),
    /// PtypObject, 0x000D.
    Object(Bytes),
    /// PtypMultipleInteger16, 0x1002.
    MultiInt16(Vec<i16>),
    /// PtypMultipleInteger32, 0x1003.
    MultiInt32(Vec<i32>),
    /// PtypMultipleFloating32, 0x1004.
    MultiFloat(Vec<f32>),
    /// PtypMultipleFloating64, 0x1005.
    MultiDouble(Vec<f64>),
    /// PtypMultipleCurrency, 0x1006.
    MultiCurrency(Vec<i64>),
    /// PtypMultipleFloatingTime, 0x1007.
    MultiAppTime(Vec<f64>),
    /// PtypMultipleInteger64, 0x1014.
    MultiInt64(Vec<i64>),
    /// PtypMultipleTime, 0x1040.
    MultiTime(Vec<FileTime>),
    /// PtypMultipleGuid, 0x1048.
    MultiGuid(Vec<Guid>),
    /// PtypMultipleString8, 0x101E or 0x9000|code page.
    MultiString8 {
        /// Windows code page number; 0 when the stream does not say.
        code_page: u16,
        /// The strings without their terminating NULs.
        values: Vec<Bytes>,
    },
    /// PtypMultipleString, 0x101F or 0x94B0.
    MultiUnicode(Vec<String>),
    /// PtypMultipleBinary, 0x1102.
    MultiBinary(Vec<Bytes>),
}

impl PropValue {
    /// The text of a string value of either kind; code pages are decoded, losses marked by
    /// U+FFFD.
    #[must_use]
    pub fn text(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Unicode(text) => Some(Cow::Borrowed(text)),
            Self::String8 { code_page, bytes } => {
                Some(crate::code_page::encoding(*code_page).decode(bytes).0)
            }
            _ => None,
        }
    }

    /// The bytes of a Binary, ServerId or Object value.
    #[must_use]
    pub fn bytes(&self) -> Option<&Bytes> {
        match self {
            Self::Binary(bytes) | Self::ServerId(bytes) | Self::Object(bytes) => Some(bytes),
            _ => None,
        }
    }
}

impl From<&str> for PropValue {
    fn from(text: &str) -> Self {
        Self::Unicode(text.to_owned())
    }
}

impl From<String> for PropValue {
    fn from(text: String) -> Self {
        Self::Unicode(text)
    }
}

impl From<i32> for PropValue {
    fn from(value: i32) -> Self {
        Self::Int32(value)
    }
}

impl From<bool> for PropValue {
    fn from(value: bool) -> Self {
        Self::Boolean(value)
    }
}

impl From<FileTime> for PropValue {
    fn from(value: FileTime) -> Self {
        Self::Time(value)
    }
}

impl From<Vec<u8>> for PropValue {
    fn from(value: Vec<u8>) -> Self {
        Self::Binary(value.into())
    }
}

impl From<Bytes> for PropValue {
    fn from(value: Bytes) -> Self {
        Self::Binary(value)
    }
}

//! Property paths and extended (MAPI) properties.

use std::borrow::Cow;

macro_rules! named {
    ($(#[$meta:meta])* $type:ident { $($name:ident,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        #[allow(missing_docs)] // the variants are the schema's own names
        pub enum $type { $($name,)* }

        impl $type {
            /// Every value of the schema.
            pub const ALL: &'static [$type] = &[$($type::$name,)*];

            /// The value as the schema spells it.
            pub const fn as_str(self) -> &'static str {
                match self { $($type::$name => stringify!($name),)* }
            }

            /// The value of that name; `None` for names the schema lacks.
            pub fn parse(text: &str) -> Option<$type> {
                let text = text.trim();
                Self::ALL.iter().copied().find(|value| value.as_str() == text)
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}
pub(crate) use named;

named! {
    /// The type of an extended property (`MapiPropertyTypeType`, MS-OXWSXPROP 2.1.8).
    MapiType {
        ApplicationTime, ApplicationTimeArray, Binary, BinaryArray, Boolean, CLSID, CLSIDArray,
        Currency, CurrencyArray, Double, DoubleArray, Error, Float, FloatArray, Integer,
        IntegerArray, Long, LongArray, Null, Object, ObjectArray, Short, ShortArray, SystemTime,
        SystemTimeArray, String, StringArray,
    }
}

named! {
    /// A property set with a name of its own (`DistinguishedPropertySetType`, in a
    /// `PathToExtendedFieldType`, MS-OXWSXPROP 2.1.6).
    DistinguishedPropertySet {
        Meeting, Appointment, Common, PublicStrings, Address, InternetHeaders, CalendarAssistant,
        UnifiedMessaging, Task, Sharing,
    }
}

/// The namespace of a named property (`PathToExtendedFieldType`, MS-OXWSXPROP 2.1.6).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PropertySet {
    /// One the schema names.
    Distinguished(DistinguishedPropertySet),
    /// Any other, as a GUID without braces: `00062008-0000-0000-c000-000000000046`.
    Guid(String),
}

/// How an extended property is identified (`PathToExtendedFieldType`, MS-OXWSXPROP 2.1.6).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ExtendedKey {
    /// By the upper half of its property tag: 0x0037 is PidTagSubject.
    Tag(u16),
    /// By name within a set.
    Name {
        /// The namespace.
        set: PropertySet,
        /// Case-sensitive.
        name: String,
    },
    /// By number (a "long id") within a set.
    Id {
        /// The namespace.
        set: PropertySet,
        /// The long id.
        id: u32,
    },
}

/// An extended property's path (`PathToExtendedFieldType`, MS-OXWSXPROP 2.1.6).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ExtendedPath {
    /// Which property.
    pub key: ExtendedKey,
    /// Of which type.
    pub kind: MapiType,
}

impl ExtendedPath {
    /// A property by the upper half of its tag.
    pub const fn tag(tag: u16, kind: MapiType) -> ExtendedPath {
        ExtendedPath {
            key: ExtendedKey::Tag(tag),
            kind,
        }
    }

    /// A property by name within a named set.
    pub fn name(
        set: DistinguishedPropertySet,
        name: impl Into<String>,
        kind: MapiType,
    ) -> ExtendedPath {
        ExtendedPath {
            key: ExtendedKey::Name {
                set: PropertySet::Distinguished(set),
                name: name.into(),
            },
            kind,
        }
    }

    /// A property by name within a set given as a GUID.
    pub fn name_in_guid(
        guid: impl Into<String>,
        name: impl Into<String>,
        kind: MapiType,
    ) -> ExtendedPath {
        ExtendedPath {
            key: ExtendedKey::Name {
                set: PropertySet::Guid(guid.into()),
                name: name.into(),
            },
            kind,
        }
    }

    /// A property by its long id within a named set.
    pub const fn id(set: DistinguishedPropertySet, id: u32, kind: MapiType) -> ExtendedPath {
        ExtendedPath {
            key: ExtendedKey::Id {
                set: PropertySet::Distinguished(set),
                id,
            },
            kind,
        }
    }
}

/// A property a request asks for, filters or sorts by (`BasePathToElementType`, MS-OXWSCDATA
/// 2.2.4.16).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PropertyPath {
    /// A schema property, for example `item:Subject` (`UnindexedFieldURIType`, MS-OXWSCDATA
    /// 2.2.5.26).
    FieldUri(Cow<'static, str>),
    /// One entry of a schema property, for example `item:InternetMessageHeader`, `X-Mailer`.
    Indexed {
        /// The property.
        uri: Cow<'static, str>,
        /// The entry.
        index: String,
    },
    /// A MAPI property.
    Extended(ExtendedPath),
}

impl PropertyPath {
    /// A schema property, for example `item:Subject`.
    pub const fn field(uri: &'static str) -> PropertyPath {
        PropertyPath::FieldUri(Cow::Borrowed(uri))
    }

    /// A MAPI property by the upper half of its tag.
    pub const fn tag(tag: u16, kind: MapiType) -> PropertyPath {
        PropertyPath::Extended(ExtendedPath::tag(tag, kind))
    }
}

impl From<ExtendedPath> for PropertyPath {
    fn from(path: ExtendedPath) -> PropertyPath {
        PropertyPath::Extended(path)
    }
}

/// The value of an extended property, in XML's lexical form (binary is base64, times are ISO 8601)
/// (`ExtendedPropertyType`, MS-OXWSXPROP 2.1.5).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PropertyValue {
    /// Of a single-valued type.
    Single(String),
    /// Of an array type.
    Multiple(Vec<String>),
}

/// An extended property with its value (`ExtendedPropertyType`, MS-OXWSXPROP 2.1.5).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ExtendedProperty {
    /// Which property.
    pub path: ExtendedPath,
    /// Its value.
    pub value: PropertyValue,
}

impl ExtendedProperty {
    /// A single-valued property.
    pub fn single(path: ExtendedPath, value: impl Into<String>) -> ExtendedProperty {
        ExtendedProperty {
            path,
            value: PropertyValue::Single(value.into()),
        }
    }

    /// The value of a single-valued property.
    pub fn as_str(&self) -> Option<&str> {
        match &self.value {
            PropertyValue::Single(text) => Some(text),
            PropertyValue::Multiple(_) => None,
        }
    }

    /// The value as a whole number, where it is one.
    pub fn as_i64(&self) -> Option<i64> {
        self.as_str()?.trim().parse().ok()
    }

    /// The value as a time, where it is one; in UTC where it names no zone.
    pub fn as_timestamp(&self) -> Option<jiff::Timestamp> {
        crate::model::time::parse(self.as_str()?)
    }

    /// The value as bytes, where it is valid base64.
    pub fn as_bytes(&self) -> Option<Vec<u8>> {
        base64_simd::forgiving_decode_to_vec(self.as_str()?.as_bytes()).ok()
    }
}

/// Finds the property with that tag.
pub(crate) fn find_tag(extended: &[ExtendedProperty], tag: u16) -> Option<&ExtendedProperty> {
    extended
        .iter()
        .find(|property| property.path.key == ExtendedKey::Tag(tag))
}

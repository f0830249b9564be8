//! Property identifiers and ordered property bags.

use std::borrow::Cow;

use crate::{FileTime, Guid, PropValue};

/// The name of a named property within its property set.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PropName {
    /// A numeric name, the "LID" of MS-OXPROPS.
    Id(u32),
    /// A string name.
    Name(String),
}

/// A named property: a property set and a name in it (MS-OXCDATA 2.6.1).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NamedProp {
    /// The property set.
    pub guid: Guid,
    /// The name within the set.
    pub name: PropName,
}

impl NamedProp {
    /// A property with a numeric name.
    #[must_use]
    pub const fn lid(guid: Guid, lid: u32) -> Self {
        Self {
            guid,
            name: PropName::Id(lid),
        }
    }

    /// A property with a string name.
    #[must_use]
    pub fn named(guid: Guid, name: &str) -> Self {
        Self {
            guid,
            name: PropName::Name(name.to_owned()),
        }
    }
}

/// What identifies a property: a 16-bit id below 0x8000, or a name.
///
/// The id a mailbox maps a named property to means nothing outside that mailbox and is not kept.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PropId {
    /// A tagged property: the upper half of its property tag, see [`crate::tag`].
    Tag(u16),
    /// A named property, see [`crate::named`].
    Named(NamedProp),
}

impl From<u16> for PropId {
    fn from(tag: u16) -> Self {
        Self::Tag(tag)
    }
}

impl From<NamedProp> for PropId {
    fn from(named: NamedProp) -> Self {
        Self::Named(named)
    }
}

impl From<&NamedProp> for PropId {
    fn from(named: &NamedProp) -> Self {
        Self::Named(named.clone())
    }
}

impl From<&PropId> for PropId {
    fn from(id: &PropId) -> Self {
        id.clone()
    }
}

/// A property with its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Property {
    /// Which property.
    pub id: PropId,
    /// Its value; the value's variant is the property's type.
    pub value: PropValue,
}

/// The properties of one object, in stream order, each id at most once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PropertyBag {
    properties: Vec<Property>,
}

impl PropertyBag {
    /// An empty bag.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The number of properties.
    #[must_use]
    pub fn len(&self) -> usize {
        self.properties.len()
    }

    /// Whether there is no property.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.properties.is_empty()
    }

    /// The properties in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Property> {
        self.properties.iter()
    }

    /// The value of a property.
    #[must_use]
    pub fn get(&self, id: impl Into<PropId>) -> Option<&PropValue> {
        let id = id.into();
        self.properties
            .iter()
            .find(|property| property.id == id)
            .map(|property| &property.value)
    }

    /// Sets a property in its old place, or appends it; returns the value it had.
    pub fn set(&mut self, id: impl Into<PropId>, value: impl Into<PropValue>) -> Option<PropValue> {
        let id = id.into();
        let value = value.into();
        match self.properties.iter_mut().find(|p| p.id == id) {
            Some(property) => Some(std::mem::replace(&mut property.value, value)),
            None => {
                self.properties.push(Property { id, value });
                None
            }
        }
    }

    /// Removes a property and returns its value.
    pub fn remove(&mut self, id: impl Into<PropId>) -> Option<PropValue> {
        let id = id.into();
        let position = self.properties.iter().position(|p| p.id == id)?;
        Some(self.properties.remove(position).value)
    }

    /// Whether the property is present.
    #[must_use]
    pub fn contains(&self, id: impl Into<PropId>) -> bool {
        self.get(id).is_some()
    }

    /// A Unicode string. See [`PropertyBag::text`] for strings of either kind.
    #[must_use]
    pub fn str(&self, id: impl Into<PropId>) -> Option<&str> {
        match self.get(id) {
            Some(PropValue::Unicode(text)) => Some(text),
            _ => None,
        }
    }

    /// A string of either kind, code pages decoded.
    #[must_use]
    pub fn text(&self, id: impl Into<PropId>) -> Option<Cow<'_, str>> {
        self.get(id).and_then(PropValue::text)
    }

    /// A 32-bit integer (a 16-bit one is widened).
    #[must_use]
    pub fn i32(&self, id: impl Into<PropId>) -> Option<i32> {
        match self.get(id) {
            Some(PropValue::Int32(value)) => Some(*value),
            Some(PropValue::Int16(value)) => Some(i32::from(*value)),
            _ => None,
        }
    }

    /// A boolean.
    #[must_use]
    pub fn boolean(&self, id: impl Into<PropId>) -> Option<bool> {
        match self.get(id) {
            Some(PropValue::Boolean(value)) => Some(*value),
            _ => None,
        }
    }

    /// A time.
    #[must_use]
    pub fn time(&self, id: impl Into<PropId>) -> Option<FileTime> {
        match self.get(id) {
            Some(PropValue::Time(value)) => Some(*value),
            _ => None,
        }
    }

    /// The bytes of a Binary, ServerId or Object value.
    #[must_use]
    pub fn binary(&self, id: impl Into<PropId>) -> Option<&[u8]> {
        self.get(id).and_then(PropValue::bytes).map(|b| &b[..])
    }
}

impl<'a> IntoIterator for &'a PropertyBag {
    type Item = &'a Property;
    type IntoIter = std::slice::Iter<'a, Property>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl IntoIterator for PropertyBag {
    type Item = Property;
    type IntoIter = std::vec::IntoIter<Property>;

    fn into_iter(self) -> Self::IntoIter {
        self.properties.into_iter()
    }
}

impl FromIterator<Property> for PropertyBag {
    fn from_iter<T: IntoIterator<Item = Property>>(properties: T) -> Self {
        let mut bag = Self::new();
        bag.extend(properties);
        bag
    }
}

impl Extend<Property> for PropertyBag {
    fn extend<T: IntoIterator<Item = Property>>(&mut self, properties: T) {
        for property in properties {
            self.set(property.id, property.value);
        }
    }
}

//! Properties carried as the schema spells them.

/// A property of a contact, a list or a task, as its element stands in the schema
/// (`ContactItemType`, MS-OXWSCONT 2.2.4.3; `DistributionListType`, MS-OXWSDLIST 2.2.4.1;
/// `TaskType`, MS-OXWSTASK 2.2.4.6). What an answer has can be given to
/// [`CreateItem`](crate::CreateItem) again; see [`ItemField::is_writable`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ItemField {
    /// The element's local name, for example `GivenName`.
    pub name: String,
    /// Its attributes in order, for example `Key`, `EmailAddress1`.
    pub attributes: Vec<(String, String)>,
    /// Its own text, in XML's lexical form.
    pub text: String,
    /// Its child elements in order.
    pub children: Vec<ItemField>,
}

impl ItemField {
    /// An element that holds only text.
    pub fn text(name: impl Into<String>, text: impl Into<String>) -> ItemField {
        ItemField {
            name: name.into(),
            text: text.into(),
            ..ItemField::default()
        }
    }
}

/// A body and its form (`BodyType`, MS-OXWSCDATA 2.2.4.19).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Body {
    /// Whether the text is HTML; plain text otherwise.
    pub is_html: bool,
    /// The text.
    pub text: String,
}

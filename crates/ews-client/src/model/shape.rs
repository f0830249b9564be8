//! Which properties an answer carries.

use crate::model::property::{PropertyPath, named};

named! {
    /// The base set of properties (`DefaultShapeNamesType`, MS-OXWSCDATA 2.2.5.7).
    BaseShape {
        IdOnly, Default, AllProperties,
    }
}

/// The properties wanted of folders (`FolderResponseShapeType`, MS-OXWSCDATA 2.2.4.37).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderShape {
    /// The base set.
    pub base: BaseShape,
    /// On top of it.
    pub additional: Vec<PropertyPath>,
}

impl FolderShape {
    /// A base set alone.
    pub const fn new(base: BaseShape) -> FolderShape {
        FolderShape {
            base,
            additional: Vec::new(),
        }
    }

    /// Adds properties.
    pub fn with(mut self, paths: impl IntoIterator<Item = PropertyPath>) -> FolderShape {
        self.additional.extend(paths);
        self
    }
}

/// The properties wanted of items (`ItemResponseShapeType`, MS-OXWSCDATA 2.2.4.44).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemShape {
    /// The base set.
    pub base: BaseShape,
    /// Whether to send the whole MIME text; only GetItem honours it.
    pub include_mime: bool,
    /// On top of the base set.
    pub additional: Vec<PropertyPath>,
}

impl ItemShape {
    /// A base set alone.
    pub const fn new(base: BaseShape) -> ItemShape {
        ItemShape {
            base,
            include_mime: false,
            additional: Vec::new(),
        }
    }

    /// Adds properties.
    pub fn with(mut self, paths: impl IntoIterator<Item = PropertyPath>) -> ItemShape {
        self.additional.extend(paths);
        self
    }

    /// Asks for the MIME text too.
    pub const fn with_mime(mut self) -> ItemShape {
        self.include_mime = true;
        self
    }
}

//! What a restore does about items that are live already: pure.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use crate::error::{Error, ErrorKind};

/// What a restore does where an item of the snapshot has a live counterpart, and where it has none.
///
/// In every mode the same restore a second time changes nothing more: each item carries where it
/// came from, and whatever is to be replaced is compared, property by property, before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RestoreMode {
    /// Creates what is missing; whatever is live is left alone.
    #[default]
    Missing,
    /// Replaces live items that are not as they were in the snapshot; creates nothing. An item
    /// whose change key and read state are those of the snapshot counts as unchanged.
    Changed,
    /// Both: afterwards every chosen item is as it was in the snapshot. Nothing is taken on trust:
    /// each live item is read and compared, whatever its change key says.
    Overwrite,
    /// Creates what is missing, and beside each live item that is not as it was a second one, which
    /// is.
    Both,
}

impl RestoreMode {
    /// All modes with the names users type.
    pub const ALL: [(&'static str, Self); 4] = [
        ("missing", Self::Missing),
        ("changed", Self::Changed),
        ("overwrite", Self::Overwrite),
        ("both", Self::Both),
    ];

    /// Whether items that have no live counterpart are created.
    pub(crate) fn creates(self) -> bool {
        self != Self::Changed
    }

    /// Whether live items can be replaced.
    pub(crate) fn replaces(self) -> bool {
        matches!(self, Self::Changed | Self::Overwrite)
    }

    /// Whether an unchanged change key is enough to leave a live item alone.
    pub(super) fn trusts_change_keys(self) -> bool {
        self != Self::Overwrite
    }
}

impl fmt::Display for RestoreMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = Self::ALL.iter().find(|(_, mode)| mode == self);
        f.write_str(found.map_or("missing", |(name, _)| name))
    }
}

impl FromStr for RestoreMode {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let found = Self::ALL.iter().find(|(name, _)| *name == text);
        found.map(|(_, mode)| *mode).ok_or_else(|| {
            let message = "a mode is missing, changed, overwrite or both";
            Error::new(ErrorKind::Invalid, message)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_read_as_they_are_written() {
        for (name, mode) in RestoreMode::ALL {
            assert_eq!(mode.to_string(), name);
            assert_eq!(name.parse::<RestoreMode>().unwrap(), mode);
        }
        assert!("all".parse::<RestoreMode>().is_err());
    }
}

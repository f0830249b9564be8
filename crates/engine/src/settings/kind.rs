//! The kinds of settings, and the keys under which they stand in a snapshot's tree.

use std::fmt;
use std::str::FromStr;

use ews_client::{DistinguishedFolder, UserConfigurationName};
use mailindex::FolderKey;
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};

/// A kind of setting; each is shown and restored on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum SettingKind {
    /// Who may do what in a folder; one setting a folder.
    Permissions,
    /// Who acts for the owner.
    Delegates,
    /// The inbox rules.
    Rules,
    /// The automatic replies of who is out of office.
    Oof,
    /// The list of categories and their colours.
    Categories,
    /// Time zone, formats, signature and the like of Outlook on the web.
    Regional,
    /// Working hours.
    WorkHours,
    /// How the calendar treats reminders and requests.
    Calendar,
}

impl SettingKind {
    /// All kinds, in the order in which they are listed and restored.
    pub const ALL: [Self; 8] = [
        Self::Permissions,
        Self::Delegates,
        Self::Rules,
        Self::Oof,
        Self::Categories,
        Self::Regional,
        Self::WorkHours,
        Self::Calendar,
    ];

    /// The word by which users name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Permissions => "permissions",
            Self::Delegates => "delegates",
            Self::Rules => "rules",
            Self::Oof => "oof",
            Self::Categories => "categories",
            Self::Regional => "regional",
            Self::WorkHours => "work-hours",
            Self::Calendar => "calendar",
        }
    }

    /// How a report calls it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Permissions => "folder permissions",
            Self::Delegates => "delegates",
            Self::Rules => "inbox rules",
            Self::Oof => "out-of-office replies",
            Self::Categories => "categories",
            Self::Regional => "regional settings",
            Self::WorkHours => "working hours",
            Self::Calendar => "calendar settings",
        }
    }

    /// The stored number.
    fn number(self) -> u8 {
        match self {
            Self::Permissions => 1,
            Self::Delegates => 2,
            Self::Rules => 3,
            Self::Oof => 4,
            Self::Categories => 5,
            Self::Regional => 6,
            Self::WorkHours => 7,
            Self::Calendar => 8,
        }
    }

    fn of_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }

    /// The user configuration object that is this setting; `None` for the others.
    pub(crate) fn configuration(self) -> Option<UserConfigurationName> {
        let (folder, name) = match self {
            Self::Categories => (DistinguishedFolder::Calendar, "CategoryList"),
            // Not below what users see: no backup of folders finds it.
            Self::Regional => (DistinguishedFolder::Root, "OWA.UserOptions"),
            Self::WorkHours => (DistinguishedFolder::Calendar, "WorkHours"),
            Self::Calendar => (DistinguishedFolder::Calendar, "Calendar"),
            Self::Permissions | Self::Delegates | Self::Rules | Self::Oof => return None,
        };
        Some(UserConfigurationName::new(folder, name))
    }
}

impl fmt::Display for SettingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for SettingKind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wanted = text.trim().to_lowercase();
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == wanted)
            .ok_or_else(|| {
                let known = Self::ALL.map(Self::name).join(", ");
                let message = format!("there is no setting {text}; there are {known}");
                Error::new(ErrorKind::Invalid, message)
            })
    }
}

/// Which setting of a mailbox: its kind, and for permissions the folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SettingKey {
    pub(crate) kind: SettingKind,
    pub(crate) folder: Option<FolderKey>,
}

impl SettingKey {
    pub(crate) fn of(kind: SettingKind) -> Self {
        Self { kind, folder: None }
    }

    pub(crate) fn permissions(folder: FolderKey) -> Self {
        Self {
            kind: SettingKind::Permissions,
            folder: Some(folder),
        }
    }

    /// What stands behind the first byte of a tree's key, for one piece of the setting.
    pub(crate) fn to_bytes(self, piece: u8) -> Vec<u8> {
        let mut bytes = vec![self.kind.number()];
        bytes.extend(self.folder.iter().flat_map(|folder| folder.0));
        bytes.push(piece);
        bytes
    }

    /// The setting and the piece; `None` for a kind that this version does not know.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<(Self, u8)> {
        let (number, rest) = bytes.split_first()?;
        let kind = SettingKind::of_number(*number)?;
        let (piece, folder) = rest.split_last()?;
        let folder = match folder {
            [] => None,
            folder => Some(FolderKey(folder.try_into().ok()?)),
        };
        let fits = (kind == SettingKind::Permissions) == folder.is_some();
        fits.then_some((Self { kind, folder }, *piece))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_names_are_read_as_they_are_written() {
        for kind in SettingKind::ALL {
            assert_eq!(kind.name().parse::<SettingKind>().unwrap(), kind);
            let folder = (kind == SettingKind::Permissions).then_some(FolderKey([7; 8]));
            let key = SettingKey { kind, folder };
            assert_eq!(SettingKey::from_bytes(&key.to_bytes(9)), Some((key, 9)));
        }
        assert!("permission".parse::<SettingKind>().is_err());
        for unknown in [&[][..], &[1, 0], &[2], &[2, 1, 0], &[99, 0]] {
            assert_eq!(SettingKey::from_bytes(unknown), None, "{unknown:?}");
        }
    }
}

//! How users name what is backed up, indexed and restored on its own: a primary mailbox, its
//! archive, the recoverable items of either, or an organisation's public folders.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, ErrorKind};

/// What a mailbox is a part of an account's or an organisation's mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MailboxPart {
    /// The folders a user sees.
    Primary,
    /// The archive mailbox's folders.
    Archive,
    /// What the user can no longer see and the server still keeps.
    Recoverable,
    /// The same of the archive mailbox.
    ArchiveRecoverable,
    /// The public folder tree.
    Public,
}

impl MailboxPart {
    /// What stands behind the address, its slash included; nothing for a primary mailbox.
    fn suffix(self) -> &'static str {
        match self {
            Self::Primary => "",
            Self::Archive => "/archive",
            Self::Recoverable => "/recoverable",
            Self::ArchiveRecoverable => "/archive/recoverable",
            Self::Public => "/public",
        }
    }

    /// The part that its items go back into: for what the server keeps of deleted items, the one
    /// that they were deleted from.
    pub(crate) fn restored_to(self) -> Self {
        match self {
            Self::Recoverable => Self::Primary,
            Self::ArchiveRecoverable => Self::Archive,
            part => part,
        }
    }

    /// Whether things can be put into it: what the server keeps of deleted items is its own.
    pub(crate) fn is_writable(self) -> bool {
        !matches!(self, Self::Recoverable | Self::ArchiveRecoverable)
    }
}

/// The name of a mailbox: `ann@example.org`, `ann@example.org/archive`,
/// `ann@example.org/recoverable`, `ann@example.org/archive/recoverable`, or for public folders
/// `example.org/public`; `ann@example.org/public` means the same, read as Ann sees them. Letter
/// case does not count.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MailboxName {
    owner: String,
    part: MailboxPart,
}

impl MailboxName {
    /// A part of the mail of an owner, who is an address or, for public folders, a domain.
    pub fn new(owner: impl Into<String>, part: MailboxPart) -> Self {
        Self {
            owner: owner.into().to_lowercase(),
            part,
        }
    }

    /// Which part of the owner's mail it is.
    pub fn part(&self) -> MailboxPart {
        self.part
    }

    /// The address in front, with which the server is asked; `None` where only a domain is known.
    pub fn address(&self) -> Option<&str> {
        Some(self.owner.as_str()).filter(|owner| owner.contains('@'))
    }

    /// Another part of the same owner's mail.
    #[must_use]
    pub fn other(&self, part: MailboxPart) -> Self {
        Self {
            owner: self.owner.clone(),
            part,
        }
    }

    /// The same, read as that user where the name is a domain's and does not say who reads: users
    /// of other domains have other public folders.
    #[must_use]
    pub(crate) fn read_by(self, reader: Option<&str>) -> Self {
        match reader {
            Some(reader)
                if self.part == MailboxPart::Public
                    && self.address().is_none()
                    && reader.rsplit_once('@').map(|(_, domain)| domain) == Some(&self.owner) =>
            {
                Self::new(reader, self.part)
            }
            _ => self,
        }
    }

    /// Who reads public folders, where the name says that.
    pub(crate) fn reader(&self) -> Option<&str> {
        self.address().filter(|_| self.part == MailboxPart::Public)
    }

    /// The name under which snapshots stand: whoever reads public folders, it is the domain's.
    pub fn stored(&self) -> String {
        let owner = match self.part {
            MailboxPart::Public => self.owner.rsplit('@').next().unwrap_or_default(),
            _ => &self.owner,
        };
        format!("{owner}{}", self.part.suffix())
    }
}

impl fmt::Display for MailboxName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.owner, self.part.suffix())
    }
}

impl FromStr for MailboxName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let text = text.trim().to_lowercase();
        let wrong = |why: &str| {
            let message = format!("{text} names no mailbox: {why}");
            Err(Error::new(ErrorKind::Invalid, message))
        };
        // A slash may stand in front of the @, but in no domain.
        let domain = text.rfind('@').map_or(0, |at| at + 1);
        let end = text[domain..]
            .find('/')
            .map_or(text.len(), |at| domain + at);
        let (owner, suffix) = text.split_at(end);
        let parts = [
            MailboxPart::Primary,
            MailboxPart::Archive,
            MailboxPart::Recoverable,
            MailboxPart::ArchiveRecoverable,
            MailboxPart::Public,
        ];
        let Some(part) = parts.into_iter().find(|part| part.suffix() == suffix) else {
            return wrong("behind the address may stand /archive, /recoverable or /public");
        };
        let has_name = domain > 1 && owner.len() > domain;
        let is_domain = domain == 0 && !owner.is_empty() && part == MailboxPart::Public;
        if !(has_name || is_domain) || owner.contains(|c: char| c.is_whitespace() || c.is_control())
        {
            return wrong("write an address such as alice@example.com");
        }
        Ok(Self {
            owner: owner.to_owned(),
            part,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_say_which_part_of_whose_mail() {
        let check = |text: &str, part: MailboxPart, stored: &str, address: Option<&str>| {
            let name: MailboxName = text.parse().unwrap();
            assert_eq!(name.part(), part, "{text}");
            assert_eq!(name.stored(), stored);
            assert_eq!(name.address(), address);
        };
        let ann = Some("ann@x.org");
        check(" Ann@X.org ", MailboxPart::Primary, "ann@x.org", ann);
        check(
            "ann@x.org/Archive",
            MailboxPart::Archive,
            "ann@x.org/archive",
            ann,
        );
        check(
            "ann@x.org/archive/recoverable",
            MailboxPart::ArchiveRecoverable,
            "ann@x.org/archive/recoverable",
            ann,
        );
        check("x.org/public", MailboxPart::Public, "x.org/public", None);
        check("ann@x.org/public", MailboxPart::Public, "x.org/public", ann);
        check(
            "a/b@x.org",
            MailboxPart::Primary,
            "a/b@x.org",
            Some("a/b@x.org"),
        );
        for bad in [
            "",
            "ann",
            "@x",
            "ann@",
            "ann@x/",
            "ann@x/inbox",
            "x.org/archive",
            "/public",
            "a b@x",
        ] {
            assert!(bad.parse::<MailboxName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_reader_is_taken_for_public_folders_of_the_own_domain_that_nobody_else_reads() {
        let check = |text: &str, reader: Option<&str>, expected: &str| {
            let name: MailboxName = text.parse().unwrap();
            let read = name.read_by(reader);
            assert_eq!(read.to_string(), expected);
            assert_eq!(read.stored(), text.parse::<MailboxName>().unwrap().stored());
        };
        check("x.org/public", Some("ann@x.org"), "ann@x.org/public");
        check("x.org/public", Some("ann@y.org"), "x.org/public");
        check("x.org/public", Some("x.org"), "x.org/public");
        check("x.org/public", None, "x.org/public");
        check("bob@x.org/public", Some("ann@x.org"), "bob@x.org/public");
        check("bob@x.org", Some("ann@x.org"), "bob@x.org");
    }

    proptest! {
        #[test]
        fn a_name_is_read_as_it_is_written(text in "[a-z/@.]{0,12}(/archive|/public|/recoverable)?") {
            if let Ok(name) = text.parse::<MailboxName>() {
                prop_assert_eq!(name.to_string(), text);
                let stored: MailboxName = name.stored().parse().unwrap();
                prop_assert_eq!(stored.stored(), name.stored());
            }
        }
    }
}

//! Which mailboxes of a server are meant.

use serde::{Deserialize, Serialize};

use super::Glob;

/// A choice of mailboxes: those of all the ways to name them together, less the excluded. Empty
/// means the account's own.
///
/// A name is an address for a primary mailbox, `address/archive` for its archive,
/// `address/recoverable` for what users can no longer see but the server still keeps, and
/// `domain/public` or `address/public` for the organisation's public folders (with an address: as
/// that user sees them).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct MailboxSelection {
    /// These, by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<String>,
    /// Every mailbox that the server lists for the account.
    #[serde(skip_serializing_if = "is_false")]
    pub all: bool,
    /// The members of these distribution groups, and of the groups in them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// Listed mailboxes whose address fits one of these patterns, such as `*@sales.example.org`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub patterns: Vec<String>,
    /// None whose address fits one of these patterns, however it was named.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
    /// The organisation's public folders too.
    #[serde(skip_serializing_if = "is_false")]
    pub public_folders: bool,
}

impl MailboxSelection {
    /// Mailboxes by name.
    pub fn of(addresses: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            addresses: addresses.into_iter().map(Into::into).collect(),
            ..Self::default()
        }
    }

    /// Whether the server has to be asked which mailboxes there are.
    pub fn needs_list(&self) -> bool {
        self.all || !self.patterns.is_empty()
    }

    /// Whether any mailbox is named, in whatever way.
    pub fn names_any(&self) -> bool {
        self.needs_list()
            || !self.addresses.is_empty()
            || !self.groups.is_empty()
            || self.public_folders
    }

    /// Whether a listed address is chosen by `all` or a pattern.
    pub fn chooses_listed(&self, address: &str) -> bool {
        self.all || self.patterns.iter().any(|p| Glob::new(p).matches(address))
    }

    /// The exclusion that an address fits, as the user wrote it.
    pub fn exclusion(&self, address: &str) -> Option<&str> {
        self.exclude
            .iter()
            .find(|pattern| Glob::new(pattern).matches(address))
            .map(String::as_str)
    }
}

fn is_false(value: &bool) -> bool {
    !*value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_chosen_by_pattern_and_excluded_likewise() {
        let selection = MailboxSelection {
            patterns: vec!["*@sales.example.org".into(), "ann?@*".into()],
            exclude: vec!["test*".into()],
            ..MailboxSelection::default()
        };
        assert!(selection.chooses_listed("Bob@Sales.example.org"));
        assert!(selection.chooses_listed("anna@example.org"));
        assert!(!selection.chooses_listed("ann@example.org"));
        assert_eq!(
            selection.exclusion("test1@sales.example.org"),
            Some("test*")
        );
        assert_eq!(selection.exclusion("bob@sales.example.org"), None);
        assert!(selection.needs_list() && selection.names_any());
        assert!(!MailboxSelection::default().names_any());
    }
}

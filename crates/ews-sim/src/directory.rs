//! The organisation's address book: mailboxes and groups.

use std::collections::BTreeMap;

use crate::sim::World;
use crate::xml::XmlWriter;

/// A distribution group.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) address: String,
    /// Addresses of mailboxes, of other groups, or of strangers.
    pub(crate) members: Vec<String>,
}

/// The groups by their address in lower case.
pub(crate) type Groups = BTreeMap<String, Group>;

/// Somebody the address book knows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entry {
    pub(crate) address: String,
    pub(crate) is_group: bool,
}

impl Entry {
    pub(crate) fn name(&self) -> &str {
        self.address.split('@').next().unwrap_or_default()
    }

    /// The legacy distinguished name.
    pub(crate) fn dn(&self) -> String {
        format!(
            "/o=First Organization/ou=Exchange Administrative Group (FYDIBOHF23SPDLT)/cn=Recipients/cn={}",
            self.address.to_lowercase()
        )
    }

    /// Writes an element of EmailAddressType.
    pub(crate) fn write(&self, w: &mut XmlWriter, element: &str) {
        w.start(element);
        w.leaf("t:Name", self.name());
        w.leaf("t:EmailAddress", &self.address);
        w.leaf("t:RoutingType", "SMTP");
        w.leaf(
            "t:MailboxType",
            if self.is_group { "PublicDL" } else { "Mailbox" },
        );
        w.end(element);
    }

    /// Whether part of the name or address is meant: a prefix, or one of its words.
    pub(crate) fn matches(&self, wanted: &str) -> bool {
        let address = self.address.to_lowercase();
        address.starts_with(wanted) || address.split(['.', '@']).any(|part| part == wanted)
    }
}

impl World {
    /// Everybody in the address book, in the order of the addresses.
    pub(crate) fn directory(&self) -> Vec<Entry> {
        let mailboxes = self.addresses().into_iter().map(|address| Entry {
            address,
            is_group: false,
        });
        let groups = self.groups.values().map(|group| Entry {
            address: group.address.clone(),
            is_group: true,
        });
        let mut all: Vec<Entry> = mailboxes.chain(groups).collect();
        all.sort();
        all
    }

    /// Whether an address is of a domain that mailboxes here have.
    pub(crate) fn is_own_domain(&self, address: &str) -> bool {
        let domain = |address: &str| {
            let domain = address.rsplit_once('@').map(|(_, domain)| domain);
            domain.unwrap_or_default().to_lowercase()
        };
        let wanted = domain(address);
        self.addresses().iter().any(|own| domain(own) == wanted)
    }

    /// The entry of an address; a stranger is no group.
    pub(crate) fn entry(&self, address: &str) -> Entry {
        let group = self.groups.get(&address.to_lowercase());
        Entry {
            address: group.map_or(address, |group| &group.address).to_owned(),
            is_group: group.is_some(),
        }
    }
}

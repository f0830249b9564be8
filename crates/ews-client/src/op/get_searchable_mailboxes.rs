//! GetSearchableMailboxes (MS-OXWSEDISC 3.1.4.4).

use crate::answer;
use crate::error::{Result, quote};
use crate::op::Operation;
use crate::version::SchemaVersion;
use crate::xml::{Node, Writer};

/// Asks which mailboxes the account may search for eDiscovery; needs that right
/// (GetSearchableMailboxes, MS-OXWSEDISC 3.1.4.4).
#[derive(Clone, Debug, Default)]
pub struct GetSearchableMailboxes {
    /// Part of a name or address; `None` for everything.
    pub filter: Option<String>,
    /// Whether groups come as their members.
    pub expand_groups: bool,
}

/// A mailbox, or a group, that can be searched (`SearchableMailboxType`, MS-OXWSEDISC 2.2.4.7).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SearchableMailbox {
    /// The directory's GUID.
    pub guid: String,
    /// The primary SMTP address; may be empty for external ones.
    pub primary_smtp_address: String,
    /// Whether it lies outside the organisation's servers.
    pub is_external: bool,
    /// Its address there.
    pub external_address: Option<String>,
    /// The display name.
    pub display_name: String,
    /// Whether it is a group.
    pub is_group: bool,
    /// The name the server uses for it (a legacy DN).
    pub reference_id: String,
}

/// What can be searched, and what could not be looked at (GetSearchableMailboxes' answer,
/// MS-OXWSEDISC 3.1.4.4).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SearchableMailboxes {
    /// The mailboxes in the server's order.
    pub mailboxes: Vec<SearchableMailbox>,
    /// Names of mailboxes that failed, each with the server's text.
    pub failed: Vec<(String, String)>,
}

impl Operation for GetSearchableMailboxes {
    const NAME: &'static str = "GetSearchableMailboxes";
    const IDEMPOTENT: bool = true;
    type Answer = SearchableMailboxes;

    fn write(&self, writer: &mut Writer, _version: SchemaVersion) {
        writer.open("m:GetSearchableMailboxes");
        // Exchange 2013 wants the element even where it filters nothing.
        let filter = self.filter.as_deref().unwrap_or_default();
        writer
            .leaf("m:SearchFilter", filter)
            .leaf("m:ExpandGroupMembership", self.expand_groups)
            .close();
    }

    fn read(&self, response: Node<'_>) -> Result<Self::Answer> {
        let message = answer::single(response)?;
        let list = |name| message.child(name).into_iter().flat_map(Node::children);
        let failed = list("FailedMailboxes").map(|node| {
            let text = |name| node.child_text(name).unwrap_or_default();
            (text("Mailbox").to_owned(), quote(text("ErrorMessage")))
        });
        Ok(SearchableMailboxes {
            mailboxes: list("SearchableMailboxes")
                .filter(|node| node.name() == "SearchableMailbox")
                .map(searchable)
                .collect(),
            failed: failed.collect(),
        })
    }
}

fn searchable(node: Node<'_>) -> SearchableMailbox {
    let text = |name| node.child_text(name).map(str::trim).unwrap_or_default();
    let external = text("ExternalEmailAddress");
    SearchableMailbox {
        guid: text("Guid").to_owned(),
        primary_smtp_address: text("PrimarySmtpAddress").to_owned(),
        is_external: node.child_bool("IsExternalMailbox").unwrap_or(false),
        external_address: Some(external.to_owned()).filter(|address| !address.is_empty()),
        display_name: text("DisplayName").to_owned(),
        is_group: node.child_bool("IsMembershipGroup").unwrap_or(false),
        reference_id: text("ReferenceId").to_owned(),
    }
}

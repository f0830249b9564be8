//! ExpandDL (MS-OXWSDLIST 3.1.4.1) and GetSearchableMailboxes (MS-OXWSEDISC 3.1.4.4), answered from
//! the address book.

use super::{Answer, Context, Failure, Reply};
use crate::directory::Entry;
use crate::id::StoreGuid;
use crate::soap::{self, Fault};
use crate::xml::{Element, XmlWriter};

/// Most members in one answer, as the default policy's ExpandGroupsLimit lets through.
const MAX_MEMBERS: usize = 10_000;

pub(super) fn expand_dl(context: &Context<'_>, request: &Element<'_>) -> Result<Reply, Fault> {
    let mut answer = Answer::new(context);
    answer.message(|w| {
        let mailbox = request
            .child("Mailbox")
            .ok_or_else(|| Fault::schema("'Mailbox' is missing."))?;
        let address = mailbox.child_text("EmailAddress").unwrap_or_default();
        let group = context.world.groups.get(&address.to_lowercase());
        let group = group.ok_or_else(|| {
            if context.world.mailbox(address).is_some() {
                Failure::new("ErrorInvalidMailbox", "The address is not that of a group.")
            } else {
                Failure::new("ErrorNameResolutionNoResults", "No results were found.")
            }
        })?;
        let shown = group.members.len().min(MAX_MEMBERS);
        w.start("m:DLExpansion");
        w.attr("TotalItemsInView", &group.members.len().to_string());
        let last = shown == group.members.len();
        w.attr(
            "IncludesLastItemInRange",
            if last { "true" } else { "false" },
        );
        for member in group.members.iter().take(shown) {
            context.world.entry(member).write(w, "t:Mailbox");
        }
        w.end("m:DLExpansion");
        Ok(())
    })?;
    answer.finish()
}

pub(super) fn searchable(context: &Context<'_>, request: &Element<'_>) -> Result<Reply, Fault> {
    if !context.may_discover {
        let denied = Failure::new(
            "ErrorAccessDenied",
            "The account is not a member of Discovery Management.",
        );
        let mut w = XmlWriter::new();
        let version = context.world.version;
        soap::begin_single(&mut w, version, context.operation, Some("Error"));
        denied.write(&mut w);
        // The schema wants the list even where there is none.
        w.leaf("m:SearchableMailboxes", "");
        soap::finish_single(&mut w, context.operation);
        return Ok(Reply::Whole(w.into_bytes()));
    }
    let filter = request.child_text("SearchFilter").unwrap_or_default();
    let filter = filter.trim_matches('*').to_lowercase();
    let expand = matches!(
        request.child_text("ExpandGroupMembership"),
        Some("true" | "1")
    );
    let mut w = XmlWriter::new();
    soap::begin_single(&mut w, context.world.version, context.operation, None);
    w.leaf("m:ResponseCode", "NoError");
    w.start("m:SearchableMailboxes");
    let entries = context.world.directory().into_iter();
    let wanted = |entry: &Entry| {
        let named = filter.is_empty() || entry.address.to_lowercase().contains(&filter);
        named && !(expand && entry.is_group)
    };
    for entry in entries.filter(wanted) {
        w.start("t:SearchableMailbox");
        w.leaf("t:Guid", &StoreGuid::of(&entry.address, "directory").text());
        w.leaf("t:PrimarySmtpAddress", &entry.address);
        w.flag("t:IsExternalMailbox", false);
        w.leaf("t:ExternalEmailAddress", "");
        w.leaf("t:DisplayName", entry.name());
        w.flag("t:IsMembershipGroup", entry.is_group);
        w.leaf("t:ReferenceId", &entry.dn());
        w.end("t:SearchableMailbox");
    }
    w.end("m:SearchableMailboxes");
    soap::finish_single(&mut w, context.operation);
    Ok(Reply::Whole(w.into_bytes()))
}

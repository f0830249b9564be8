//! ResolveNames (MS-OXWSRSLNM 3.1.4.1): looks names up in the address book and in contacts.

use fasttransfer::{named, tag};

use super::{Answer, Context, Failure, Reply};
use crate::directory::Entry;
use crate::id::change_key;
use crate::item::{Item, has_class, item_class, key_kind};
use crate::shape::write_id;
use crate::soap::Fault;
use crate::xml::{Element, XmlWriter};

/// Most names in one answer, as Exchange's.
const MAX_NAMES: usize = 100;

/// Somebody who may be meant.
enum Candidate {
    Directory(Entry),
    Contact {
        name: String,
        address: String,
        id: String,
        change_key: String,
    },
}

pub(super) fn run(context: &Context<'_>, request: &Element<'_>) -> Result<Reply, Fault> {
    let mut answer = Answer::new(context);
    let entry = request
        .child_text("UnresolvedEntry")
        .filter(|entry| !entry.is_empty())
        .ok_or_else(|| Fault::schema("'UnresolvedEntry' is missing or empty."))?;
    let with_data = matches!(request.attr("ReturnFullContactData"), Some("true" | "1"));
    let wanted = entry.to_lowercase();
    let wanted = wanted.strip_prefix("smtp:").unwrap_or(&wanted).to_owned();
    let directory = || -> Vec<Candidate> {
        let mut found = context.world.directory();
        found.retain(|entry| entry.matches(&wanted));
        found.into_iter().map(Candidate::Directory).collect()
    };
    let found: Vec<Candidate> = match request.attr("SearchScope") {
        Some("ActiveDirectory") => directory(),
        Some("Contacts") => contacts(context, &wanted),
        Some("ContactsActiveDirectory") => contacts(context, &wanted)
            .into_iter()
            .chain(directory())
            .collect(),
        _ => directory()
            .into_iter()
            .chain(contacts(context, &wanted))
            .collect(),
    };
    let count = found.len();
    answer.message(|w| {
        if found.is_empty() {
            return Err(
                Failure::new("ErrorNameResolutionNoResults", "No results were found.").into(),
            );
        }
        w.start("m:ResolutionSet");
        w.attr("TotalItemsInView", &count.min(MAX_NAMES).to_string());
        let last = if count <= MAX_NAMES { "true" } else { "false" };
        w.attr("IncludesLastItemInRange", last);
        for candidate in found.iter().take(MAX_NAMES) {
            w.start("t:Resolution");
            candidate.write(w, with_data);
            w.end("t:Resolution");
        }
        w.end("m:ResolutionSet");
        Ok(())
    })?;
    if count > 1 {
        answer.warn(
            "ErrorNameResolutionMultipleResults",
            "Multiple results were found.",
        );
    }
    answer.finish()
}

/// Contacts of the caller whose names or addresses begin like that.
fn contacts(context: &Context<'_>, wanted: &str) -> Vec<Candidate> {
    let Some(mailbox) = &context.mailbox else {
        return Vec::new();
    };
    let store = &mailbox.primary;
    let state = store.read();
    let Some(folder) = state.well_known("contacts") else {
        return Vec::new();
    };
    let candidate = |item: Item| {
        let message = item.message();
        let class = item_class(&message);
        let text = |id: fasttransfer::PropId| message.props.text(id).unwrap_or_default();
        let (name, address) = (
            text(tag::DISPLAY_NAME.into()),
            text((&named::EMAIL1_EMAIL_ADDRESS).into()),
        );
        let known = [
            &name,
            &address,
            &text(tag::GIVEN_NAME.into()),
            &text(tag::SURNAME.into()),
        ];
        let is_meant = known
            .iter()
            .any(|text| text.to_lowercase().starts_with(wanted));
        if !has_class(&class, "IPM.Contact") || address.is_empty() || !is_meant {
            return None;
        }
        Some(Candidate::Contact {
            name: name.into_owned(),
            address: address.into_owned(),
            id: store.item_id(folder.number, item.key),
            change_key: change_key(key_kind(&class), store.guid, item.change()),
        })
    };
    folder
        .items_from(0, false)
        .filter_map(candidate)
        .take(MAX_NAMES + 1)
        .collect()
}

impl Candidate {
    fn write(&self, w: &mut XmlWriter, with_data: bool) {
        let (name, address, source) = match self {
            Candidate::Directory(entry) => {
                entry.write(w, "t:Mailbox");
                (entry.name(), entry.address.as_str(), "ActiveDirectory")
            }
            Candidate::Contact {
                name,
                address,
                id,
                change_key,
            } => {
                w.start("t:Mailbox");
                w.leaf("t:Name", name);
                w.leaf("t:EmailAddress", address);
                w.leaf("t:RoutingType", "SMTP");
                w.leaf("t:MailboxType", "Contact");
                write_id(w, "t:ItemId", id, change_key);
                w.end("t:Mailbox");
                (name.as_str(), address.as_str(), "Store")
            }
        };
        if with_data {
            w.start("t:Contact");
            w.leaf("t:DisplayName", name);
            w.start("t:EmailAddresses");
            w.start("t:Entry");
            w.attr("Key", "EmailAddress1");
            w.text(address);
            w.end("t:Entry");
            w.end("t:EmailAddresses");
            w.leaf("t:ContactSource", source);
            w.end("t:Contact");
        }
    }
}

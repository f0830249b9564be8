//! Operations: a request body in, an answer out.

mod answer;
mod attachment;
mod conversation;
mod convert;
mod create_item;
mod delegate;
mod directory;
mod export_items;
mod find_folder;
mod find_item;
mod folder_edit;
mod folder_tree;
mod get_folder;
mod get_item;
mod grouping;
mod inbox_rules;
mod item_edit;
mod persona;
mod reminders;
mod resolve;
mod resolve_names;
mod respond;
mod rooms;
mod server_time_zones;
mod service;
mod streaming_events;
mod subscribe;
mod sync_folder_hierarchy;
mod sync_folder_items;
mod tidying;
mod unserved;
mod update_item;
mod upload_items;
mod user_availability;
mod user_configuration;
mod user_oof;

pub(crate) use answer::{Answer, Failure, Oops};
pub(crate) use export_items::ExportReply;
pub(crate) use streaming_events::EventsReply;

use std::cell::Cell;
use std::sync::Arc;

use crate::account::Account;
use crate::fault::{FaultAction, FaultTarget};
use crate::id::ObjectId;
use crate::public_folders::Route;
use crate::sim::{Mailbox, World};
use crate::soap::{self, Fault};
use crate::throttle::Asked;
use crate::xml::Element;

/// Who asks, and of which world.
pub(crate) struct Caller {
    pub(crate) world: Arc<World>,
    pub(crate) account: Account,
    /// Every response message says the server is busy, with this back-off.
    pub(crate) inner_busy: Option<u64>,
    /// How many ids of the request there is time for, where there is a limit.
    pub(crate) ids_in_time: Option<u32>,
    /// Where the request's headers sent it.
    pub(crate) route: Route,
}

/// An answer.
pub(crate) enum Reply {
    /// Bytes.
    Whole(Vec<u8>),
    /// Exports, made while they are sent.
    Export(Box<ExportReply>),
    /// Envelopes with events, as they happen.
    Events(Box<EventsReply>),
}

/// A request being answered.
pub(crate) struct Context<'a> {
    pub(crate) world: &'a Arc<World>,
    /// The mailbox that the caller acts for; none for an account without a mailbox.
    pub(crate) mailbox: Option<Mailbox>,
    /// Who signed in, in lower case.
    pub(crate) account: &'a str,
    pub(crate) operation: &'a str,
    pub(crate) inner_busy: Option<u64>,
    /// How many ids there still is time for, where there is a limit.
    pub(crate) ids_in_time: Cell<Option<u32>>,
    /// Whether the account may search all mailboxes.
    pub(crate) may_discover: bool,
    /// Where the request's headers sent it.
    pub(crate) route: &'a Route,
}

type Handler = fn(&Context<'_>, &Element<'_>) -> Result<Reply, Fault>;

/// The operations there are.
const OPERATIONS: &[(&str, Handler)] = &[
    ("GetFolder", get_folder::run),
    ("FindFolder", find_folder::run),
    ("SyncFolderHierarchy", sync_folder_hierarchy::run),
    ("SyncFolderItems", sync_folder_items::run),
    ("FindItem", find_item::run),
    ("GetItem", get_item::run),
    ("ExportItems", export_items::run),
    ("UploadItems", upload_items::run),
    ("CreateFolder", folder_edit::create),
    ("UpdateFolder", folder_edit::update),
    ("DeleteFolder", folder_edit::delete),
    ("EmptyFolder", folder_edit::empty),
    ("MoveFolder", folder_edit::relocate),
    ("CopyFolder", folder_tree::copy),
    ("CreateFolderPath", folder_tree::create_path),
    ("MarkAsJunk", tidying::junk),
    ("ArchiveItem", tidying::archive),
    ("GetReminders", reminders::get),
    ("PerformReminderAction", reminders::perform),
    ("GetServiceConfiguration", service::configuration),
    ("GetPasswordExpirationDate", service::password_expiration),
    ("GetUserRetentionPolicyTags", service::retention_tags),
    ("GetUserPhoto", service::photo),
    ("CreateManagedFolder", service::managed_folder),
    ("CreateItem", create_item::run),
    ("UpdateItem", update_item::run),
    ("DeleteItem", item_edit::delete),
    ("MoveItem", item_edit::relocate),
    ("CopyItem", item_edit::copy),
    ("SendItem", item_edit::send),
    ("MarkAllItemsAsRead", item_edit::mark_all),
    ("CreateAttachment", attachment::create),
    ("GetAttachment", attachment::get),
    ("DeleteAttachment", attachment::delete),
    ("ResolveNames", resolve_names::run),
    ("FindConversation", conversation::find),
    ("GetConversationItems", conversation::items),
    ("ApplyConversationAction", conversation::apply),
    ("ConvertId", convert::run),
    ("GetServerTimeZones", server_time_zones::run),
    ("GetUserAvailability", user_availability::run),
    ("GetRoomLists", rooms::lists),
    ("GetRooms", rooms::rooms),
    ("GetMailTips", rooms::mail_tips),
    ("ExpandDL", directory::expand_dl),
    ("GetSearchableMailboxes", directory::searchable),
    ("FindPeople", persona::find),
    ("GetPersona", persona::get),
    ("Subscribe", subscribe::subscribe),
    ("GetEvents", subscribe::get_events),
    ("Unsubscribe", subscribe::unsubscribe),
    ("GetStreamingEvents", streaming_events::run),
    ("GetDelegate", delegate::get),
    ("AddDelegate", delegate::add),
    ("UpdateDelegate", delegate::update),
    ("RemoveDelegate", delegate::remove),
    ("GetInboxRules", inbox_rules::get),
    ("UpdateInboxRules", inbox_rules::update),
    ("GetUserOofSettings", user_oof::get),
    ("SetUserOofSettings", user_oof::set),
    ("GetUserConfiguration", user_configuration::get),
    ("CreateUserConfiguration", user_configuration::create),
    ("UpdateUserConfiguration", user_configuration::update),
    ("DeleteUserConfiguration", user_configuration::delete),
];

/// Counts a request and finds the fault it shall get.
pub(crate) fn look(world: &World, body: &[u8]) -> Result<Option<FaultAction>, Fault> {
    if !world.faults.has_rules() {
        world.recorder.request(&peek_operation(body));
        return Ok(None);
    }
    let envelope = soap::parse(body)?;
    let name = &envelope.operation.name;
    world.recorder.request(name);
    if !world.faults.has_selectors() {
        return Ok(world.faults.for_request(name, &[]));
    }
    let mut found = Vec::new();
    collect_items(world, &envelope.operation, &mut found);
    let targets: Vec<FaultTarget<'_>> = found
        .iter()
        .map(|(id, subject)| FaultTarget { id, subject })
        .collect();
    Ok(world.faults.for_request(name, &targets))
}

/// Whose budget a request counts against, and how much it asks for; `None` for one that will be
/// refused anyway.
pub(crate) fn budgeted(account: &Account, body: &[u8]) -> Option<Asked> {
    let envelope = soap::parse(body).ok()?;
    let user = envelope.impersonate.as_deref().unwrap_or(account.user());
    let lists = envelope.operation.children.iter();
    let lists = lists.filter(|child| {
        let name = child.name.as_ref();
        matches!(
            name,
            "ItemIds" | "FolderIds" | "Items" | "ItemChanges" | "AttachmentIds"
        )
    });
    let ids: usize = lists.map(|list| list.children.len()).sum();
    Some(Asked {
        user: user.to_lowercase(),
        operation: envelope.operation.name.to_string(),
        ids: u32::try_from(ids).unwrap_or(u32::MAX),
    })
}

/// The ids of items anywhere in a request, with their subjects.
fn collect_items(world: &World, element: &Element<'_>, found: &mut Vec<(String, String)>) {
    if let Some(id) = element.attr("Id")
        && let Some(ObjectId::Item { store, folder, key }) = ObjectId::parse(id)
    {
        let item = world
            .store(store)
            .and_then(|store| store.read().item(folder, key));
        let subject = item
            .map(|item| answer::subject_of(&item.message()))
            .unwrap_or_default();
        found.push((id.to_owned(), subject));
    }
    for child in &element.children {
        collect_items(world, child, found);
    }
}

/// The operation's name, found without reading the whole request.
fn peek_operation(body: &[u8]) -> String {
    let name = || {
        let text = std::str::from_utf8(body).ok()?;
        let mut reader = quick_xml::Reader::from_str(text);
        let mut in_body = false;
        loop {
            match reader.read_event().ok()? {
                quick_xml::events::Event::Start(start) | quick_xml::events::Event::Empty(start) => {
                    let local = start.local_name();
                    if in_body {
                        return Some(local.as_ref().to_owned());
                    }
                    in_body = local.as_ref() == "Body";
                }
                quick_xml::events::Event::Eof => return None,
                _ => {}
            }
        }
    };
    // Names are counted, so a stranger must not choose them freely.
    name()
        .filter(|name: &String| name.len() <= 64 && name.bytes().all(|b| b.is_ascii_alphanumeric()))
        .unwrap_or_else(|| "invalid".to_owned())
}

/// Operations whose answer is one response message, which fails as a whole.
const IN_ONE: [&str; 4] = [
    "GetDelegate",
    "GetInboxRules",
    "FindPeople",
    "FindConversation",
];

/// Runs an operation.
pub(crate) fn run(caller: &Caller, body: &[u8]) -> Result<Reply, Fault> {
    let envelope = soap::parse(body)?;
    let world = &caller.world;
    let mailbox = acting_for(caller, envelope.impersonate.as_deref())?;
    let name = envelope.operation.name.as_ref();
    // The requests about replies and free times carry the word in their element's name.
    let name = name.strip_suffix("Request").unwrap_or(name);
    let exports = matches!(name, "ExportItems" | "UploadItems");
    let handler = OPERATIONS
        .iter()
        .find(|(known, _)| *known == name && (world.has_export || !exports));
    let Some((operation, handler)) = handler else {
        return unserved::answer(name);
    };
    let account = caller.account.user().to_lowercase();
    let context = Context {
        world,
        mailbox,
        account: &account,
        operation,
        inner_busy: caller.inner_busy,
        ids_in_time: Cell::new(caller.ids_in_time),
        may_discover: caller.account.may_impersonate(),
        route: &caller.route,
    };
    if IN_ONE.contains(operation)
        && let Err(failure) = context.item_fault("", "")
    {
        return Ok(answer::refused_single(&context, &failure));
    }
    handler(&context, &envelope.operation)
}

/// The mailbox a caller acts for.
fn acting_for(caller: &Caller, impersonate: Option<&str>) -> Result<Option<Mailbox>, Fault> {
    let Some(address) = impersonate else {
        return Ok(caller.world.mailbox(caller.account.user()));
    };
    let own = caller.account.user().eq_ignore_ascii_case(address);
    if !own && !caller.account.may_act_for(address) {
        return Err(Fault::new(
            "ErrorImpersonateUserDenied",
            "The account does not have permission to impersonate the requested user.",
        ));
    }
    let mailbox = caller.world.mailbox(address).ok_or_else(|| {
        Fault::new(
            "ErrorNonExistentMailbox",
            "The SMTP address has no mailbox associated with it.",
        )
    })?;
    Ok(Some(mailbox))
}

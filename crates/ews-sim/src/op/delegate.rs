//! GetDelegate, AddDelegate, UpdateDelegate and RemoveDelegate (MS-OXWSDLGM 3.1.4).

use super::{Context, Failure, Reply};
use crate::settings::Settings;
use crate::settings::permission::{Who, read_user};
use crate::sim::Mailbox;
use crate::soap::{self, Fault};
use crate::tree::Tree;
use crate::xml::{Element, XmlWriter};

type Each = Result<Option<Tree>, Failure>;

pub(super) fn get(context: &Context<'_>, request: &Element<'_>) -> Result<Reply, Fault> {
    let with_permissions = matches!(request.attr("IncludePermissions"), Some("true" | "1"));
    let mailbox = match mailbox(context, request) {
        Ok(mailbox) => mailbox,
        Err(failure) => return Ok(refused(context, &failure)),
    };
    let state = mailbox.primary.read();
    let settings = state.settings();
    let wanted = request.list("UserIds");
    let mut each: Vec<Each> = Vec::new();
    for user in wanted {
        let found = user_of(context, Some(user)).and_then(|who| {
            let place = find(settings, &who);
            place.ok_or(NOT_DELEGATE)
        });
        each.push(found.map(|place| settings.delegates.get(place).cloned()));
    }
    if wanted.is_empty() {
        each.extend(settings.delegates.iter().cloned().map(Some).map(Ok));
    }
    if !with_permissions {
        for tree in each.iter_mut().flatten().flatten() {
            tree.children.retain(|child| child.name == "UserId");
        }
    }
    let deliver = settings.deliver_meeting_requests.as_str();
    Ok(answer(context, &each, Some(deliver)))
}

pub(super) fn add(context: &Context<'_>, request: &Element<'_>) -> Result<Reply, Fault> {
    let users = request.required_list("DelegateUsers")?;
    Ok(change(context, request, |settings, owner| {
        let add = |user: &Element<'_>| {
            let who = user_of(context, user.child("UserId"))?;
            if who == Who::User(owner.to_owned()) {
                return Err(Failure::new(
                    "ErrorDelegateCannotAddOwner",
                    "The owner cannot be a delegate.",
                ));
            }
            if find(settings, &who).is_some() {
                return Err(Failure::new(
                    "ErrorDelegateAlreadyExists",
                    "The user is a delegate already.",
                ));
            }
            let tree = merged(new_delegate(&who), user)?;
            settings.delegates.push(tree.clone());
            Ok(Some(tree))
        };
        users.iter().map(add).collect()
    }))
}

pub(super) fn update(context: &Context<'_>, request: &Element<'_>) -> Result<Reply, Fault> {
    Ok(change(context, request, |settings, _| {
        let update = |user: &Element<'_>| {
            let who = user_of(context, user.child("UserId"))?;
            let place = find(settings, &who).ok_or(NOT_DELEGATE)?;
            let old = settings.delegates.get_mut(place).ok_or(NOT_DELEGATE)?;
            *old = merged(old.clone(), user)?;
            Ok(Some(old.clone()))
        };
        request.list("DelegateUsers").iter().map(update).collect()
    }))
}

pub(super) fn remove(context: &Context<'_>, request: &Element<'_>) -> Result<Reply, Fault> {
    let users = request.required_list("UserIds")?;
    Ok(change(context, request, |settings, _| {
        let remove = |user: &Element<'_>| {
            let who = user_of(context, Some(user))?;
            let place = find(settings, &who).ok_or(NOT_DELEGATE)?;
            settings.delegates.remove(place);
            Ok(None)
        };
        users.iter().map(remove).collect()
    }))
}

const NOT_DELEGATE: Failure = Failure::new("ErrorNotDelegate", "The user is not a delegate.");

fn change(
    context: &Context<'_>,
    request: &Element<'_>,
    edit: impl FnOnce(&mut Settings, &str) -> Vec<Each>,
) -> Reply {
    let mailbox = match mailbox(context, request) {
        Ok(mailbox) => mailbox,
        Err(failure) => return refused(context, &failure),
    };
    let mut state = mailbox.primary.write();
    let settings = state.settings_mut();
    let each = edit(settings, &mailbox.primary.address);
    if let Some(deliver) = request.child_text("DeliverMeetingRequests") {
        deliver.clone_into(&mut settings.deliver_meeting_requests);
    }
    answer(context, &each, None)
}

/// The mailbox whose delegates are meant: only its own may be looked at.
fn mailbox(context: &Context<'_>, request: &Element<'_>) -> Result<Mailbox, Failure> {
    let holder = request.child("Mailbox");
    let address = holder.and_then(|holder| holder.child_text("EmailAddress"));
    context.own_mailbox(address)
}

fn user_of(context: &Context<'_>, user: Option<&Element<'_>>) -> Result<Who, Failure> {
    let known = |address: &str| context.world.mailbox(address).is_some();
    match read_user(user, known) {
        Ok(Who::User(address)) => {
            let mailbox = context.world.mailbox(&address);
            let address = mailbox.map_or(address, |mailbox| mailbox.primary.address.clone());
            Ok(Who::User(address))
        }
        _ => Err(Failure::new(
            "ErrorDelegateNoUser",
            "The delegate does not map to a user in the Active Directory.",
        )),
    }
}

fn find(settings: &Settings, who: &Who) -> Option<usize> {
    let wanted = who.to_tree();
    let same = |tree: &Tree| tree.child("UserId") == Some(&wanted);
    settings.delegates.iter().position(same)
}

const FOLDERS: [&str; 6] = [
    "CalendarFolderPermissionLevel",
    "TasksFolderPermissionLevel",
    "InboxFolderPermissionLevel",
    "ContactsFolderPermissionLevel",
    "NotesFolderPermissionLevel",
    "JournalFolderPermissionLevel",
];

fn new_delegate(who: &Who) -> Tree {
    let levels = FOLDERS.iter().map(|name| Tree::leaf(name, "None"));
    Tree::of(
        "DelegateUser",
        vec![
            who.to_tree(),
            Tree::of("DelegatePermissions", levels.collect()),
            Tree::leaf("ReceiveCopiesOfMeetingMessages", "false"),
            Tree::leaf("ViewPrivateItems", "false"),
        ],
    )
}

/// A delegate with what a request changes.
fn merged(mut tree: Tree, user: &Element<'_>) -> Result<Tree, Failure> {
    let mut levels = tree
        .child("DelegatePermissions")
        .cloned()
        .unwrap_or_default();
    for level in user.list("DelegatePermissions") {
        if !matches!(level.text.trim(), "None" | "Reviewer" | "Author" | "Editor") {
            return Err(Failure::new(
                "ErrorInvalidDelegatePermission",
                "The permission level cannot be set.",
            ));
        }
        levels.set(Tree::read(level));
    }
    tree.set(levels);
    for name in ["ReceiveCopiesOfMeetingMessages", "ViewPrivateItems"] {
        if let Some(flag) = user.child_text(name) {
            tree.set(Tree::leaf(name, flag));
        }
    }
    Ok(tree)
}

fn answer(context: &Context<'_>, each: &[Each], deliver: Option<&str>) -> Reply {
    let mut w = XmlWriter::new();
    soap::begin_single(&mut w, context.world.version, context.operation, None);
    w.leaf("m:ResponseCode", "NoError");
    if !each.is_empty() {
        w.start("m:ResponseMessages");
        let name = "m:DelegateUserResponseMessageType";
        for one in each {
            w.start(name);
            match one {
                Ok(tree) => {
                    w.attr("ResponseClass", "Success");
                    w.leaf("m:ResponseCode", "NoError");
                    if let Some(tree) = tree {
                        tree.write_as(&mut w, "m:DelegateUser");
                    }
                }
                Err(failure) => {
                    w.attr("ResponseClass", "Error");
                    failure.write(&mut w);
                }
            }
            w.end(name);
        }
        w.end("m:ResponseMessages");
    }
    if let Some(deliver) = deliver {
        w.leaf("m:DeliverMeetingRequests", deliver);
    }
    soap::finish_single(&mut w, context.operation);
    Reply::Whole(w.into_bytes())
}

fn refused(context: &Context<'_>, failure: &Failure) -> Reply {
    super::answer::refused_single(context, failure)
}

//! CreateItem (MS-OXWSCORE 3.1.4.2). Nothing is ever delivered; what would be sent is counted.

use super::{Answer, Context, Failure, Oops, Reply};
use crate::item::{FLAG_UNSENT, has_class, item_class};
use crate::mailbox::NewItem;
use crate::op::answer::subject_of;
use crate::op::get_item::write_item;
use crate::op::resolve::FolderRef;
use crate::set;
use crate::shape::ItemShape;
use crate::soap::Fault;
use crate::xml::Element;

use fasttransfer::{PropValue, tag};

pub(super) fn run(context: &Context<'_>, request: &Element<'_>) -> Result<Reply, Fault> {
    let mut answer = Answer::new(context);
    for element in request.required_list("Items")? {
        answer.message(|w| {
            let stored = create(context, request, element)?;
            context
                .world
                .recorder
                .record(|stats| stats.items_created += 1);
            w.start("m:Items");
            if let Some((folder, key)) = stored {
                let found = context.item_by_id(&folder.store.item_id(folder.number, key))?;
                write_item(w, &ItemShape::id_only(), &found)?;
            }
            w.end("m:Items");
            Ok(())
        })?;
    }
    answer.finish()
}

fn create(
    context: &Context<'_>,
    request: &Element<'_>,
    element: &Element<'_>,
) -> Result<Option<(FolderRef, u64)>, Oops> {
    if is_response_object(&element.name) {
        return respond(context, request, element).map(|()| None);
    }
    let disposition = request.attr("MessageDisposition");
    let (mut message, outside) = set::new_item(element)?;
    context.item_fault("", &subject_of(&message))?;
    let class = item_class(&message).into_owned();
    let is_mail = element.name == "Message";
    if is_mail && disposition.is_none() {
        return Err(Failure::new(
            "ErrorMessageDispositionRequired",
            "The MessageDisposition attribute is required.",
        )
        .into());
    }
    let sends = is_mail && matches!(disposition, Some("SendOnly" | "SendAndSaveCopy"));
    let invites = has_class(&class, "IPM.Appointment")
        && !message.recipients.is_empty()
        && matches!(
            request.attr("SendMeetingInvitations"),
            Some("SendOnlyToAll" | "SendToAllAndSaveCopy")
        );
    if sends && message.recipients.is_empty() {
        return Err(Failure::new(
            "ErrorInvalidRecipients",
            "At least one recipient is needed.",
        )
        .into());
    }
    if sends || invites {
        context
            .world
            .recorder
            .record(|stats| stats.sent_messages += 1);
    }
    if disposition == Some("SendOnly") && is_mail {
        return Ok(None);
    }
    let from_mime = element.child("MimeContent").is_some();
    let has_flags = message.props.contains(tag::MESSAGE_FLAGS);
    if is_mail && !sends && !from_mime && !has_flags {
        message
            .props
            .set(tag::MESSAGE_FLAGS, PropValue::Int32(FLAG_UNSENT));
    }
    if !from_mime {
        default_times(context, &mut message);
    }
    let folder = match request.child("SavedItemFolderId") {
        Some(holder) => context.target_folder(holder)?,
        None => default_folder(context, &class, sends)?,
    };
    let mut new = NewItem::from_message(message);
    // Own drafts count as read, as does everything that is not mail.
    new.is_read = outside
        .is_read
        .unwrap_or(new.is_read || !is_mail || (!from_mime && !has_flags));
    new.associated = outside.associated;
    let key = folder.store.write().add_item(folder.number, new)?;
    Ok(Some((folder, key)))
}

fn default_times(context: &Context<'_>, message: &mut fasttransfer::Message) {
    let Some(mailbox) = &context.mailbox else {
        return;
    };
    let now = PropValue::Time(fasttransfer::FileTime(mailbox.primary.clock().now()));
    for id in [tag::CLIENT_SUBMIT_TIME, tag::MESSAGE_DELIVERY_TIME] {
        if !message.props.contains(id) {
            message.props.set(id, now.clone());
        }
    }
}

fn default_folder(context: &Context<'_>, class: &str, sends: bool) -> Result<FolderRef, Failure> {
    let id = if has_class(class, "IPM.Appointment") {
        "calendar"
    } else if has_class(class, "IPM.Contact") || has_class(class, "IPM.DistList") {
        "contacts"
    } else if has_class(class, "IPM.Task") {
        "tasks"
    } else if sends {
        "sentitems"
    } else {
        "drafts"
    };
    let mailbox = context.mailbox.as_ref().ok_or(Failure::NO_FOLDER)?;
    let number = mailbox
        .primary
        .read()
        .well_known(id)
        .map(|folder| folder.number);
    let number = number.ok_or(Failure::NO_FOLDER)?;
    Ok(FolderRef {
        store: mailbox.primary.clone(),
        number,
    })
}

fn is_response_object(name: &str) -> bool {
    const NAMES: &[&str] = &[
        "AcceptItem",
        "TentativelyAcceptItem",
        "DeclineItem",
        "CancelCalendarItem",
        "ReplyToItem",
        "ReplyAllToItem",
        "ForwardItem",
        "RemoveItem",
        "SuppressReadReceipt",
        "PostReplyItem",
        "AcceptSharingInvitation",
    ];
    NAMES.contains(&name)
}

/// A reply, forward or meeting response: it is counted as sent, and marks nothing else.
fn respond(
    context: &Context<'_>,
    request: &Element<'_>,
    element: &Element<'_>,
) -> Result<(), Oops> {
    if let Some(reference) = element.child("ReferenceItemId") {
        context.item_by_id(reference.attr("Id").unwrap_or_default())?;
    }
    let quiet = matches!(element.name.as_ref(), "SuppressReadReceipt" | "RemoveItem");
    if !quiet && request.attr("MessageDisposition") != Some("SaveOnly") {
        context
            .world
            .recorder
            .record(|stats| stats.sent_messages += 1);
    }
    Ok(())
}

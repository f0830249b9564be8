//! CreateItem (MS-OXWSCORE 3.1.4.2). Nothing is ever delivered; what would be sent is counted.

use super::{Answer, Context, Failure, Oops, Reply, respond};
use crate::item::{FLAG_UNSENT, has_class, item_class};
use crate::mailbox::NewItem;
use crate::op::answer::subject_of;
use crate::op::get_item::write_item;
use crate::op::resolve::FolderRef;
use crate::set;
use crate::shape::{ItemShape, sender_of};
use crate::soap::Fault;
use crate::xml::Element;

use fasttransfer::{Message, PropValue, named, tag};

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
    if respond::is_response(&element.name) {
        return respond::run(context, request, element);
    }
    let disposition = request.attr("MessageDisposition");
    let (mut message, outside) = set::new_item(element)?;
    context.item_fault("", &subject_of(&message))?;
    let class = item_class(&message).into_owned();
    let is_mail = element.name == "Message";
    check_telling(request, element)?;
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
    // Who puts an item back says all about it, in properties.
    if !from_mime && element.child("ExtendedProperty").is_none() {
        default_people(context, &mut message, &class);
    }
    let folder = match request.child("SavedItemFolderId") {
        Some(holder) => context.target_folder(holder)?,
        None => default_folder(context, &class, sends)?,
    };
    context.sign(&folder.store, &mut message);
    if has_class(&class, "IPM.Appointment") {
        give_uid(&folder, &mut message);
    }
    let mut new = NewItem::from_message(message);
    // Own drafts count as read, as does everything that is not mail.
    new.is_read = outside
        .is_read
        .unwrap_or(new.is_read || !is_mail || (!from_mime && !has_flags));
    new.associated = outside.associated;
    context.check_insert(&folder.store, folder.number)?;
    let key = folder.store.write().add_item(folder.number, new)?;
    // What was sent is saved later, by whoever delivers it, so its id is not known yet.
    Ok((!sends).then_some((folder, key)))
}

/// Fails where an attribute is missing that says whether others are told.
fn check_telling(request: &Element<'_>, element: &Element<'_>) -> Result<(), Failure> {
    let lacks = |name: &str| request.attr(name).is_none();
    match element.name.as_ref() {
        "Message" if lacks("MessageDisposition") => Err(Failure::new(
            "ErrorMessageDispositionRequired",
            "The MessageDisposition attribute is required.",
        )),
        "CalendarItem" if lacks("SendMeetingInvitations") => Err(Failure::new(
            "ErrorSendMeetingInvitationsRequired",
            "The SendMeetingInvitations attribute is required.",
        )),
        _ => Ok(()),
    }
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

/// Gives a new appointment an id of its own, as the organizer's program would (MS-OXOCAL
/// 2.2.1.27), unless it has one.
fn give_uid(folder: &FolderRef, message: &mut Message) {
    if message.props.contains(&named::GLOBAL_OBJECT_ID)
        || message.props.contains(&named::CLEAN_GLOBAL_OBJECT_ID)
    {
        return;
    }
    let change = folder.store.read().change();
    let seed = [&folder.store.guid.0[..], &change.to_le_bytes()].concat();
    let mut id = vec![
        0x04, 0x00, 0x00, 0x00, 0x82, 0x00, 0xE0, 0x00, 0x74, 0xC5, 0xB7, 0x10, 0x1A, 0x82, 0xE0,
        0x08, 0, 0, 0, 0,
    ];
    id.extend_from_slice(&folder.store.clock().now().to_le_bytes());
    id.extend_from_slice(&[0; 8]);
    id.extend_from_slice(&16u32.to_le_bytes());
    id.extend_from_slice(&blake3::hash(&seed).as_bytes()[..16]);
    message.props.set(&named::GLOBAL_OBJECT_ID, id.clone());
    message.props.set(&named::CLEAN_GLOBAL_OBJECT_ID, id);
}

/// Makes the owner the sender of a new mail and the organizer of a new appointment.
fn default_people(context: &Context<'_>, message: &mut Message, class: &str) {
    let is_appointment = has_class(class, "IPM.Appointment");
    if !is_appointment && !has_class(class, "IPM.Note") {
        return;
    }
    let own = context
        .mailbox
        .as_ref()
        .map(|mailbox| mailbox.primary.address.clone());
    if let Some(own) = own.filter(|_| sender_of(message, true).is_none()) {
        respond::sent_by(message, &own);
    }
    if is_appointment && !message.recipients.is_empty() {
        // 1 is a meeting, and its organizer.
        for id in [&named::APPOINTMENT_STATE_FLAGS, &named::RESPONSE_STATUS] {
            if !message.props.contains(id) {
                message.props.set(id, PropValue::Int32(1));
            }
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
    context.own_folder(id).ok_or(Failure::NO_FOLDER)
}

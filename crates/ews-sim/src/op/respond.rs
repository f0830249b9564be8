//! Response objects of CreateItem (MS-OXWSCDATA 2.2.4.62): replies, forwards, and answers to
//! meetings. Nothing is delivered; what would be sent is counted, and kept where that is asked.

use fasttransfer::{Message, PropValue, named, tag};

use super::resolve::{FolderRef, ItemRef};
use super::{Context, Failure, Oops};
use crate::handle::{Deletion, bin_of};
use crate::item::{FLAG_READ, FLAG_UNSENT, has_class, item_class};
use crate::load::{
    self, Mailbox, RecipientType, add_recipients, display_names, put_sender, put_str,
};
use crate::mailbox::NewItem;
use crate::set;
use crate::shape::{people_of, sender_of, text_of};
use crate::xml::Element;

/// The elements that this module answers.
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

pub(super) fn is_response(name: &str) -> bool {
    NAMES.contains(&name)
}

/// Carries a response out; gives what was stored by it.
pub(super) fn run(
    context: &Context<'_>,
    request: &Element<'_>,
    element: &Element<'_>,
) -> Result<Option<(FolderRef, u64)>, Oops> {
    let reference = element.child("ReferenceItemId");
    let original = match reference {
        Some(id) => Some(context.item_by_id(id.attr("Id").unwrap_or_default())?),
        None => None,
    };
    let disposition = request
        .attr("MessageDisposition")
        .unwrap_or("SendAndSaveCopy");
    let quiet = matches!(element.name.as_ref(), "SuppressReadReceipt" | "RemoveItem");
    if !quiet && disposition != "SaveOnly" {
        context
            .world
            .recorder
            .record(|stats| stats.sent_messages += 1);
    }
    let Some(original) = original else {
        return Ok(None);
    };
    let answered = match element.name.as_ref() {
        "ReplyToItem" | "ReplyAllToItem" | "ForwardItem" => written(context, element, &original)?,
        "AcceptItem" => answer(context, &original, 3)?,
        "TentativelyAcceptItem" => answer(context, &original, 2)?,
        "DeclineItem" => answer(context, &original, 4)?,
        "CancelCalendarItem" => {
            throw_away(&original)?;
            return Ok(None);
        }
        _ => return Ok(None),
    };
    keep(context, request, element, answered, disposition)
}

/// Stores a message that was written, as its disposition says.
fn keep(
    context: &Context<'_>,
    request: &Element<'_>,
    element: &Element<'_>,
    mut message: Message,
    disposition: &str,
) -> Result<Option<(FolderRef, u64)>, Oops> {
    let own = element
        .child("SavedItemFolderId")
        .or(request.child("SavedItemFolderId"));
    let (default, flags) = match disposition {
        "SendOnly" => return Ok(None),
        "SaveOnly" => ("drafts", FLAG_READ | FLAG_UNSENT),
        _ => ("sentitems", FLAG_READ),
    };
    message
        .props
        .set(tag::MESSAGE_FLAGS, PropValue::Int32(flags));
    let folder = match own {
        Some(holder) => context.target_folder(holder)?,
        None => {
            let mailbox = context.mailbox.as_ref().ok_or(Failure::NO_FOLDER)?;
            let number = mailbox
                .primary
                .read()
                .well_known(default)
                .map(|folder| folder.number);
            FolderRef {
                store: mailbox.primary.clone(),
                number: number.ok_or(Failure::NO_FOLDER)?,
            }
        }
    };
    let key = folder
        .store
        .write()
        .add_item(folder.number, NewItem::from_message(message))?;
    // What was sent is not told: its id is the sender's business.
    Ok((disposition == "SaveOnly").then_some((folder, key)))
}

/// A reply or a forward.
fn written(
    context: &Context<'_>,
    element: &Element<'_>,
    original: &ItemRef,
) -> Result<Message, Oops> {
    let old = original.item.message();
    let is_forward = element.name == "ForwardItem";
    let topic = old.props.text(tag::SUBJECT).unwrap_or_default();
    let (_, topic) = load::split_prefix(&topic);
    let mut message = Message::default();
    let prefix = if is_forward { "FW: " } else { "RE: " };
    let props = &mut message.props;
    put_str(props, tag::MESSAGE_CLASS, "IPM.Note");
    put_str(props, tag::SUBJECT, &format!("{prefix}{topic}"));
    put_str(props, tag::NORMALIZED_SUBJECT, topic);
    put_str(props, tag::CONVERSATION_TOPIC, topic);
    if let Some(id) = old
        .props
        .text(tag::INTERNET_MESSAGE_ID)
        .filter(|_| !is_forward)
    {
        let references = old.props.text(tag::INTERNET_REFERENCES).unwrap_or_default();
        put_str(props, tag::IN_REPLY_TO_ID, &id);
        put_str(
            props,
            tag::INTERNET_REFERENCES,
            format!("{references} {id}").trim(),
        );
    }
    let own = context
        .mailbox
        .as_ref()
        .map(|mailbox| mailbox.primary.address.clone());
    let own = own.unwrap_or_default();
    sent_by(&mut message, &own);
    let given = |name: &str| {
        element
            .child(name)
            .is_some_and(|list| !list.children.is_empty())
    };
    if !is_forward && !given("ToRecipients") {
        let mut to: Vec<Mailbox> = sender_of(&old, true).into_iter().map(mailbox).collect();
        let mut copies = Vec::new();
        if element.name == "ReplyAllToItem" {
            to.extend(people_of(&old, 1).into_iter().map(mailbox));
            copies.extend(people_of(&old, 2).into_iter().map(mailbox));
        }
        for list in [&mut to, &mut copies] {
            list.retain(|one| !one.address.eq_ignore_ascii_case(&own));
        }
        add_recipients(&mut message, RecipientType::To, &to);
        add_recipients(&mut message, RecipientType::Cc, &copies);
        put_str(&mut message.props, tag::DISPLAY_TO, &display_names(&to));
        put_str(&mut message.props, tag::DISPLAY_CC, &display_names(&copies));
    }
    if is_forward {
        message.attachments = old.attachments.clone();
    }
    set::apply(&mut message, element, set::Placing::Instead)?;
    write_body(&mut message, element.child("NewBodyContent"), &old);
    Ok(message)
}

/// Writes the new text above the old one.
fn write_body(message: &mut Message, new: Option<&Element<'_>>, old: &Message) {
    let text = new.map(|body| body.text.as_ref()).unwrap_or_default();
    let quoted = text_of(old);
    let from = sender_of(old, true)
        .map(|from| from.name)
        .unwrap_or_default();
    if new.and_then(|body| body.attr("BodyType")) == Some("HTML") {
        let mut html = format!("{text}<hr><p>From: ");
        escape(&mut html, &from);
        html.push_str("</p><pre>");
        escape(&mut html, &quoted);
        html.push_str("</pre>");
        message.props.set(tag::HTML, html.into_bytes());
        message.props.set(tag::INTERNET_CODEPAGE, 65_001);
        message.props.set(tag::NATIVE_BODY, 3);
    } else {
        let body = format!(
            "{text}\r\n\r\n________________________________\r\nFrom: {from}\r\n\r\n{quoted}"
        );
        put_str(&mut message.props, tag::BODY, &body);
        message.props.set(tag::NATIVE_BODY, 1);
    }
}

/// Makes somebody the sender of a message.
pub(super) fn sent_by(message: &mut Message, address: &str) {
    let owner = Mailbox {
        name: address.split('@').next().unwrap_or_default().to_owned(),
        address: address.to_owned(),
    };
    put_sender(&mut message.props, &owner, &owner);
}

fn mailbox(address: crate::shape::Address) -> Mailbox {
    Mailbox {
        name: address.name,
        address: address.email,
    }
}

fn escape(out: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            other => out.push(other),
        }
    }
}

/// Answers a meeting: the appointment says so, and a response goes to the organizer.
fn answer(context: &Context<'_>, original: &ItemRef, status: i32) -> Result<Message, Oops> {
    let old = original.item.message();
    let class = item_class(&old).into_owned();
    let is_request = has_class(&class, "IPM.Schedule.Meeting.Request");
    if !is_request && !has_class(&class, "IPM.Appointment") {
        return Err(Failure::new(
            "ErrorInvalidItemForOperationAcceptItem",
            "The item is no meeting that can be answered.",
        )
        .into());
    }
    if !is_request && old.props.i32(&named::RESPONSE_STATUS) == Some(1) {
        return Err(Failure::new(
            "ErrorCalendarIsOrganizerForAccept",
            "The organizer does not answer.",
        )
        .into());
    }
    let response = response_to(context, &old, status);
    match (is_request, status) {
        (true, 4) => throw_away(original)?,
        (true, _) => {
            enter(context, &old, status)?;
            throw_away(original)?;
        }
        (false, 4) => throw_away(original)?,
        (false, _) => {
            let mut state = original.store.write();
            state.edit_item(original.folder, original.item.key, |appointment| {
                appointment
                    .props
                    .set(&named::RESPONSE_STATUS, PropValue::Int32(status));
            })?;
        }
    }
    Ok(response)
}

/// What is sent to the organizer.
fn response_to(context: &Context<'_>, old: &Message, status: i32) -> Message {
    let (kind, word) = match status {
        3 => ("Pos", "Accepted"),
        2 => ("Tent", "Tentative"),
        _ => ("Neg", "Declined"),
    };
    let subject = old
        .props
        .text(tag::SUBJECT)
        .unwrap_or_default()
        .into_owned();
    let mut response = Message::default();
    let props = &mut response.props;
    put_str(
        props,
        tag::MESSAGE_CLASS,
        &format!("IPM.Schedule.Meeting.Resp.{kind}"),
    );
    put_str(props, tag::SUBJECT, &format!("{word}: {subject}"));
    for id in [
        &named::GLOBAL_OBJECT_ID,
        &named::CLEAN_GLOBAL_OBJECT_ID,
        &named::APPOINTMENT_START_WHOLE,
        &named::APPOINTMENT_END_WHOLE,
        &named::LOCATION,
    ] {
        if let Some(value) = old.props.get(id) {
            props.set(id, value.clone());
        }
    }
    let own = context
        .mailbox
        .as_ref()
        .map(|mailbox| mailbox.primary.address.clone());
    sent_by(&mut response, &own.unwrap_or_default());
    let organizer: Vec<Mailbox> = sender_of(old, true).into_iter().map(mailbox).collect();
    add_recipients(&mut response, RecipientType::To, &organizer);
    put_str(
        &mut response.props,
        tag::DISPLAY_TO,
        &display_names(&organizer),
    );
    response
}

/// Puts the appointment of a meeting request into the calendar, or marks the one there is.
fn enter(context: &Context<'_>, request: &Message, status: i32) -> Result<(), Oops> {
    let mailbox = context.mailbox.as_ref().ok_or(Failure::NO_FOLDER)?;
    let mut state = mailbox.primary.write();
    let calendar = state.well_known("calendar").ok_or(Failure::NO_FOLDER)?;
    let number = calendar.number;
    let id = request.props.binary(&named::CLEAN_GLOBAL_OBJECT_ID);
    let same = calendar.items_from(0, false).find(|item| {
        let message = item.message();
        id.is_some() && message.props.binary(&named::CLEAN_GLOBAL_OBJECT_ID) == id
    });
    if let Some(same) = same {
        return Ok(state.edit_item(number, same.key, |appointment| {
            appointment
                .props
                .set(&named::RESPONSE_STATUS, PropValue::Int32(status));
        })?);
    }
    let mut appointment = request.clone();
    load::forget_original(&mut appointment);
    put_str(
        &mut appointment.props,
        tag::MESSAGE_CLASS,
        "IPM.Appointment",
    );
    appointment
        .props
        .set(&named::RESPONSE_STATUS, PropValue::Int32(status));
    appointment
        .props
        .set(&named::APPOINTMENT_STATE_FLAGS, PropValue::Int32(3));
    let busy = if status == 2 { 1 } else { 2 };
    appointment
        .props
        .set(&named::BUSY_STATUS, PropValue::Int32(busy));
    let mut new = NewItem::from_message(appointment);
    new.is_read = true;
    state.add_item(number, new)?;
    Ok(())
}

fn throw_away(item: &ItemRef) -> Result<(), Oops> {
    let mut state = item.store.write();
    match bin_of(&state, Deletion::MoveToDeletedItems) {
        Some(bin) if bin != item.folder => {
            state.move_item(item.folder, item.item.key, bin)?;
        }
        _ => drop(state.remove_item(item.folder, item.item.key)?),
    }
    Ok(())
}

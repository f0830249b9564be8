//! GetRoomLists and GetRooms (MS-OXWSGTRM 3.1.4), and GetMailTips (MS-OXWSMTGS, EWS reference).

use super::{Context, Failure, Reply};
use crate::soap::{self, Fault};
use crate::xml::{Element, XmlWriter};

/// Part of a group's name that makes it a list of rooms.
const ROOM_LIST: &str = "rooms";
/// Bytes of the largest message, as Exchange's default.
pub(super) const MAX_MESSAGE_BYTES: u32 = 36 << 20;

/// Groups whose name says that they are of rooms are the lists of rooms.
pub(super) fn lists(context: &Context<'_>, _: &Element<'_>) -> Result<Reply, Fault> {
    let mut w = XmlWriter::new();
    soap::begin_single(&mut w, context.world.version, context.operation, None);
    w.leaf("m:ResponseCode", "NoError");
    w.start("m:RoomLists");
    for entry in context.world.directory() {
        if entry.is_group && entry.name().to_lowercase().contains(ROOM_LIST) {
            entry.write(&mut w, "t:Address");
        }
    }
    w.end("m:RoomLists");
    soap::finish_single(&mut w, context.operation);
    Ok(Reply::Whole(w.into_bytes()))
}

pub(super) fn rooms(context: &Context<'_>, request: &Element<'_>) -> Result<Reply, Fault> {
    let list = request
        .child("RoomList")
        .and_then(|list| list.child_text("EmailAddress"));
    let groups = &context.world.groups;
    let Some(group) = groups.get(&list.unwrap_or_default().to_lowercase()) else {
        let failure = Failure::new("ErrorNameResolutionNoResults", "No such list of rooms.");
        return Ok(super::answer::refused_single(context, &failure));
    };
    let mut w = XmlWriter::new();
    soap::begin_single(&mut w, context.world.version, context.operation, None);
    w.leaf("m:ResponseCode", "NoError");
    w.start("m:Rooms");
    for member in &group.members {
        w.start("t:Room");
        context.world.entry(member).write(&mut w, "t:Id");
        w.end("t:Room");
    }
    w.end("m:Rooms");
    soap::finish_single(&mut w, context.operation);
    Ok(Reply::Whole(w.into_bytes()))
}

pub(super) fn mail_tips(context: &Context<'_>, request: &Element<'_>) -> Result<Reply, Fault> {
    let recipients = request.required_list("Recipients")?;
    let mut w = XmlWriter::new();
    soap::begin_single(&mut w, context.world.version, context.operation, None);
    w.leaf("m:ResponseCode", "NoError");
    w.start("m:ResponseMessages");
    for recipient in recipients {
        let address = recipient.child_text("EmailAddress").unwrap_or_default();
        w.start("m:MailTipsResponseMessageType");
        w.attr("ResponseClass", "Success");
        w.leaf("m:ResponseCode", "NoError");
        write_tips(&mut w, context, address);
        w.end("m:MailTipsResponseMessageType");
    }
    w.end("m:ResponseMessages");
    soap::finish_single(&mut w, context.operation);
    Ok(Reply::Whole(w.into_bytes()))
}

fn write_tips(w: &mut XmlWriter, context: &Context<'_>, address: &str) {
    let entry = context.world.entry(address);
    let mailbox = context.world.mailbox(address);
    w.start("m:MailTips");
    entry.write(w, "t:RecipientAddress");
    w.leaf("t:PendingMailTips", "");
    if let Some(mailbox) = &mailbox {
        let state = mailbox.primary.read();
        let oof = state.settings().oof.as_ref();
        let is_away = oof.and_then(|oof| oof.child_text("OofState")) == Some("Enabled");
        let reply = oof.and_then(|oof| oof.child("InternalReply"));
        let text = reply
            .and_then(|reply| reply.child_text("Message"))
            .filter(|_| is_away);
        w.start("t:OutOfOffice");
        w.start("t:ReplyBody");
        w.leaf("t:Message", text.unwrap_or_default());
        w.end("t:ReplyBody");
        w.end("t:OutOfOffice");
        w.flag("t:MailboxFull", false);
    }
    let group = context.world.groups.get(&address.to_lowercase());
    let members = group.map_or(1, |group| group.members.len());
    let is_strange = |member: &&String| context.world.mailbox(member).is_none();
    let strangers = group.map_or(usize::from(mailbox.is_none()), |group| {
        group.members.iter().filter(is_strange).count()
    });
    w.number("t:TotalMemberCount", members);
    w.number("t:ExternalMemberCount", strangers);
    w.number("t:MaxMessageSize", MAX_MESSAGE_BYTES);
    w.flag("t:DeliveryRestricted", false);
    w.flag("t:IsModerated", false);
    let is_local = mailbox.is_some() || entry.is_group;
    w.flag(
        "t:InvalidRecipient",
        !is_local && context.world.is_own_domain(address),
    );
    w.end("m:MailTips");
}

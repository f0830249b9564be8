//! Properties that all items have.

use fasttransfer::named;
use fasttransfer::{Message, NamedProp, guid, tag};

use super::attachment::{has_visible, write_attachments};
use super::body;
use super::{BodyForm, Field, View, full, heavy, usual, write_id};
use crate::clock::xml_time;
use crate::item::{FLAG_UNSENT, has_class};
use crate::xml::XmlWriter;

/// Longest preview, in characters.
const PREVIEW_CHARS: usize = 255;

/// The names of PidTagFlagStatus.
pub(crate) const FLAG_STATUS: [&str; 3] = ["NotFlagged", "Complete", "Flagged"];
/// PidTagFlagCompleteTime.
pub(crate) const FLAG_COMPLETE_TIME: u16 = 0x1091;

/// The conversation that an item belongs to: that of all items of its topic.
pub(crate) fn conversation_of(message: &Message) -> Option<[u8; 16]> {
    let topic = message.props.text(tag::CONVERSATION_TOPIC)?;
    let hash = blake3::hash(topic.to_lowercase().as_bytes());
    let mut id = [0; 16];
    id.copy_from_slice(&hash.as_bytes()[..16]);
    (!topic.is_empty()).then_some(id)
}

/// In the order of the schema's ItemType, after MimeContent and ItemId.
pub(crate) const FIELDS: &[Field] = &[
    full("item:ParentFolderId", |w, v| {
        if let Some(place) = &v.place {
            write_id(
                w,
                "t:ParentFolderId",
                &place.parent_id,
                &place.parent_change_key,
            );
        }
    }),
    full("item:ItemClass", |w, v| w.leaf("t:ItemClass", &v.class)),
    usual("item:Subject", |w, v| {
        if let Some(subject) = v.text(tag::SUBJECT) {
            w.leaf("t:Subject", &subject);
        }
    }),
    usual("item:Sensitivity", |w, v| {
        let names = ["Normal", "Personal", "Private", "Confidential"];
        w.leaf(
            "t:Sensitivity",
            pick(&names, v.i32(tag::SENSITIVITY).unwrap_or(0)),
        );
    }),
    heavy("item:Body", |w, v| write_body(w, "t:Body", v, v.body)),
    heavy("item:Attachments", write_attachments),
    usual("item:DateTimeReceived", |w, v| {
        time(
            w,
            "t:DateTimeReceived",
            v.time(tag::MESSAGE_DELIVERY_TIME)
                .or(v.time(tag::CREATION_TIME)),
        );
    }),
    usual("item:Size", |w, v| {
        w.number("t:Size", v.size.min(i32::MAX as u64))
    }),
    full("item:Categories", |w, v| {
        let keywords = NamedProp::named(guid::PS_PUBLIC_STRINGS, "Keywords");
        strings(w, "t:Categories", v, keywords);
    }),
    full("item:Importance", |w, v| {
        w.leaf(
            "t:Importance",
            pick(
                &["Low", "Normal", "High"],
                v.i32(tag::IMPORTANCE).unwrap_or(1),
            ),
        );
    }),
    full("item:InReplyTo", |w, v| {
        text(w, "t:InReplyTo", v, tag::IN_REPLY_TO_ID)
    }),
    full("item:IsSubmitted", |w, v| {
        w.flag("t:IsSubmitted", flags(v) & 0x4 != 0)
    }),
    full("item:IsDraft", |w, v| {
        w.flag("t:IsDraft", flags(v) & FLAG_UNSENT != 0)
    }),
    full("item:IsFromMe", |w, v| {
        w.flag("t:IsFromMe", flags(v) & 0x20 != 0)
    }),
    full("item:IsResend", |w, v| {
        w.flag("t:IsResend", flags(v) & 0x80 != 0)
    }),
    full("item:IsUnmodified", |w, v| {
        w.flag("t:IsUnmodified", flags(v) & 0x2 != 0)
    }),
    heavy("item:InternetMessageHeaders", write_headers),
    usual("item:DateTimeSent", |w, v| {
        time(
            w,
            "t:DateTimeSent",
            v.time(tag::CLIENT_SUBMIT_TIME)
                .or(v.time(tag::CREATION_TIME)),
        );
    }),
    usual("item:DateTimeCreated", |w, v| {
        time(w, "t:DateTimeCreated", v.time(tag::CREATION_TIME));
    }),
    full("item:ResponseObjects", write_responses),
    full("item:ReminderDueBy", |w, v| {
        time(w, "t:ReminderDueBy", v.time(&named::REMINDER_TIME));
    }),
    full("item:ReminderIsSet", |w, v| {
        w.flag(
            "t:ReminderIsSet",
            v.flag(&named::REMINDER_SET).unwrap_or(false),
        );
    }),
    full("item:ReminderNextTime", |w, v| {
        let is_set = v.flag(&named::REMINDER_SET).unwrap_or(false);
        let next = v.time(&named::REMINDER_SIGNAL_TIME);
        time(w, "t:ReminderNextTime", next.filter(|_| is_set));
    }),
    full("item:ReminderMinutesBeforeStart", |w, v| {
        w.number(
            "t:ReminderMinutesBeforeStart",
            v.i32(&named::REMINDER_DELTA).unwrap_or(0).max(0),
        );
    }),
    full("item:DisplayCc", |w, v| {
        text(w, "t:DisplayCc", v, tag::DISPLAY_CC)
    }),
    full("item:DisplayTo", |w, v| {
        text(w, "t:DisplayTo", v, tag::DISPLAY_TO)
    }),
    full("item:DisplayBcc", |w, v| {
        text(w, "t:DisplayBcc", v, tag::DISPLAY_BCC)
    }),
    usual("item:HasAttachments", |w, v| {
        w.flag("t:HasAttachments", has_visible(v.message));
    }),
    full("item:Culture", |w, _| w.leaf("t:Culture", "en-US")),
    full("item:EffectiveRights", |w, _| write_rights(w)),
    full("item:LastModifiedName", |w, v| {
        text(w, "t:LastModifiedName", v, tag::LAST_MODIFIER_NAME)
    }),
    full("item:LastModifiedTime", |w, v| {
        time(w, "t:LastModifiedTime", v.time(tag::LAST_MODIFICATION_TIME));
    }),
    full("item:IsAssociated", |w, v| {
        w.flag("t:IsAssociated", v.associated)
    }),
    full("item:ConversationId", |w, v| {
        if let Some(id) = conversation_of(v.message).filter(|_| v.place.is_some()) {
            w.start("t:ConversationId");
            w.attr("Id", &base64_simd::STANDARD.encode_to_string(id));
            w.end("t:ConversationId");
        }
    }),
    only("item:UniqueBody", |w, v| {
        write_body(w, "t:UniqueBody", v, v.body)
    }),
    full("item:Flag", |w, v| {
        let status = v.i32(tag::FLAG_STATUS).unwrap_or(0);
        w.start("t:Flag");
        w.leaf("t:FlagStatus", pick(&FLAG_STATUS, status));
        // A task's dates are its own.
        let is_mail = !has_class(&v.class, "IPM.Task");
        if status == 2 && is_mail {
            time(w, "t:StartDate", v.time(&named::TASK_START_DATE));
            time(w, "t:DueDate", v.time(&named::TASK_DUE_DATE));
        }
        if status == 1 {
            time(w, "t:CompleteDate", v.time(FLAG_COMPLETE_TIME));
        }
        w.end("t:Flag");
    }),
    only("item:StoreEntryId", |w, v| {
        if let Some(place) = &v.place {
            w.base64("t:StoreEntryId", &place.object.entry_id());
        }
    }),
    full("item:InstanceKey", |w, v| {
        if let Some(place) = &v.place {
            w.base64("t:InstanceKey", &place.key.to_le_bytes());
        }
    }),
    only("item:NormalizedBody", |w, v| {
        write_body(w, "t:NormalizedBody", v, BodyForm::Html)
    }),
    full("item:Preview", |w, v| {
        let text = body::text_of(v.message);
        let preview: String = text.chars().take(PREVIEW_CHARS).collect();
        if !preview.is_empty() {
            w.leaf("t:Preview", &preview);
        }
    }),
    only("item:TextBody", |w, v| {
        write_body(w, "t:TextBody", v, BodyForm::Text)
    }),
];

/// Writes which answers an item can be given.
fn write_responses(w: &mut XmlWriter, view: &View<'_>) {
    if view.place.is_none() || view.associated {
        return;
    }
    let state = view.i32(&named::APPOINTMENT_STATE_FLAGS).unwrap_or(0);
    let is_invited = state & 2 != 0;
    let names: &[&str] = match super::element_name(&view.class) {
        "t:Message" if flags(view) & FLAG_UNSENT != 0 => &["ForwardItem"],
        "t:Message" => &["ReplyToItem", "ReplyAllToItem", "ForwardItem"],
        "t:PostItem" => &["PostReplyItem", "ReplyToItem", "ForwardItem"],
        "t:CalendarItem" if is_invited => &[
            "AcceptItem",
            "TentativelyAcceptItem",
            "DeclineItem",
            "ReplyToItem",
            "ReplyAllToItem",
            "ForwardItem",
        ],
        "t:CalendarItem" if state & 1 != 0 => {
            &["CancelCalendarItem", "ReplyAllToItem", "ForwardItem"]
        }
        "t:MeetingRequest" => &[
            "AcceptItem",
            "TentativelyAcceptItem",
            "DeclineItem",
            "ReplyToItem",
            "ReplyAllToItem",
            "ForwardItem",
        ],
        "t:MeetingCancellation" => &["RemoveItem", "ReplyToItem", "ForwardItem"],
        _ => &["ForwardItem"],
    };
    w.start("t:ResponseObjects");
    for name in names {
        let name = format!("t:{name}");
        w.start(&name);
        w.end(&name);
    }
    w.end("t:ResponseObjects");
}

/// A heavy property that no base shape includes.
const fn only(uri: &'static str, write: fn(&mut XmlWriter, &View<'_>)) -> Field {
    Field {
        heavy: true,
        base: super::Base::All,
        uri,
        write,
    }
}

fn flags(view: &View<'_>) -> i32 {
    view.i32(tag::MESSAGE_FLAGS).unwrap_or(0)
}

/// Picks a name by number; the first for numbers without one.
pub(crate) fn pick<'n>(names: &[&'n str], number: i32) -> &'n str {
    let index = usize::try_from(number).unwrap_or(0);
    names
        .get(index)
        .or(names.first())
        .copied()
        .unwrap_or_default()
}

/// Writes a time if there is one.
pub(crate) fn time(w: &mut XmlWriter, name: &str, ticks: Option<u64>) {
    if let Some(ticks) = ticks {
        w.leaf(name, &xml_time(ticks));
    }
}

/// Writes a text property if there is one.
pub(crate) fn text(
    w: &mut XmlWriter,
    name: &str,
    view: &View<'_>,
    id: impl Into<fasttransfer::PropId>,
) {
    if let Some(text) = view.text(id) {
        w.leaf(name, &text);
    }
}

/// Writes a list of strings if there is one.
pub(crate) fn strings(
    w: &mut XmlWriter,
    name: &str,
    view: &View<'_>,
    id: impl Into<fasttransfer::PropId>,
) {
    if let Some(fasttransfer::PropValue::MultiUnicode(values)) = view.message.props.get(id)
        && !values.is_empty()
    {
        w.start(name);
        for value in values {
            w.leaf("t:String", value);
        }
        w.end(name);
    }
}

fn write_body(w: &mut XmlWriter, name: &str, view: &View<'_>, form: BodyForm) {
    let (kind, text) = body::body_of(view.message, form);
    w.start(name);
    w.attr("BodyType", kind);
    w.text(&text);
    w.end(name);
}

/// Writes EffectiveRights: everything is allowed.
pub(crate) fn write_rights(w: &mut XmlWriter) {
    w.start("t:EffectiveRights");
    for right in [
        "CreateAssociated",
        "CreateContents",
        "CreateHierarchy",
        "Delete",
        "Modify",
        "Read",
    ] {
        w.flag(&format!("t:{right}"), true);
    }
    w.flag("t:ViewPrivateItems", true);
    w.end("t:EffectiveRights");
}

fn write_headers(w: &mut XmlWriter, view: &View<'_>) {
    let Some(headers) = view.text(tag::TRANSPORT_MESSAGE_HEADERS) else {
        return;
    };
    let unfolded = unfold(&headers);
    if unfolded.is_empty() {
        return;
    }
    w.start("t:InternetMessageHeaders");
    for (name, value) in unfolded {
        w.start("t:InternetMessageHeader");
        w.attr("HeaderName", &name);
        w.text(&value);
        w.end("t:InternetMessageHeader");
    }
    w.end("t:InternetMessageHeaders");
}

/// Splits header text into names and unfolded values.
fn unfold(headers: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    for line in headers.lines() {
        if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = found.last_mut() {
                value.push(' ');
                value.push_str(line.trim());
            }
        } else if let Some((name, value)) = line.split_once(':')
            && !name.trim().is_empty()
        {
            found.push((name.trim().to_owned(), value.trim().to_owned()));
        }
    }
    found
}

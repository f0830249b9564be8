//! Properties of mail.

use fasttransfer::tag;

use super::address::{Address, people_of, reply_to_of, sender_of, write_many, write_one};
use super::item::text;
use super::{Field, View, full, heavy, usual};

/// In the order of the schema's MessageType.
pub(crate) const FIELDS: &[Field] = &[
    full("message:Sender", |w, v| {
        write_one(w, "t:Sender", sender_of(v.message, false))
    }),
    heavy("message:ToRecipients", |w, v| {
        write_many(w, "t:ToRecipients", &people_of(v.message, 1));
    }),
    heavy("message:CcRecipients", |w, v| {
        write_many(w, "t:CcRecipients", &people_of(v.message, 2));
    }),
    heavy("message:BccRecipients", |w, v| {
        write_many(w, "t:BccRecipients", &people_of(v.message, 3));
    }),
    usual("message:IsReadReceiptRequested", |w, v| {
        let asked = v.flag(tag::READ_RECEIPT_REQUESTED).unwrap_or(false);
        w.flag("t:IsReadReceiptRequested", asked);
    }),
    full("message:IsDeliveryReceiptRequested", |w, v| {
        let asked = v
            .flag(tag::ORIGINATOR_DELIVERY_REPORT_REQUESTED)
            .unwrap_or(false);
        w.flag("t:IsDeliveryReceiptRequested", asked);
    }),
    full("message:ConversationIndex", |w, v| {
        if let Some(index) = v.message.props.binary(tag::CONVERSATION_INDEX) {
            w.base64("t:ConversationIndex", index);
        }
    }),
    full("message:ConversationTopic", |w, v| {
        text(w, "t:ConversationTopic", v, tag::CONVERSATION_TOPIC);
    }),
    usual("message:From", |w, v| {
        write_one(w, "t:From", sender_of(v.message, true))
    }),
    full("message:InternetMessageId", |w, v| {
        text(w, "t:InternetMessageId", v, tag::INTERNET_MESSAGE_ID);
    }),
    usual("message:IsRead", |w, v| w.flag("t:IsRead", v.is_read)),
    full("message:IsResponseRequested", |w, v| {
        w.flag(
            "t:IsResponseRequested",
            v.flag(tag::RESPONSE_REQUESTED).unwrap_or(false),
        );
    }),
    full("message:References", |w, v| {
        text(w, "t:References", v, tag::INTERNET_REFERENCES)
    }),
    heavy("message:ReplyTo", |w, v| {
        write_many(w, "t:ReplyTo", &reply_to_of(v.message));
    }),
    full("message:ReceivedBy", |w, v| {
        let ids = [tag::RECEIVED_BY_NAME, tag::RECEIVED_BY_SMTP_ADDRESS];
        write_one(w, "t:ReceivedBy", receiver(v, ids));
    }),
    full("message:ReceivedRepresenting", |w, v| {
        let ids = [
            tag::RECEIVED_REPRESENTING_NAME,
            tag::RECEIVED_REPRESENTING_SMTP_ADDRESS,
        ];
        write_one(w, "t:ReceivedRepresenting", receiver(v, ids));
    }),
];

/// Who received a mail, or for whom it was received.
fn receiver(view: &View<'_>, ids: [u16; 2]) -> Option<Address> {
    let name = view.text(ids[0])?.into_owned();
    let email = view.text(ids[1]).unwrap_or_default().into_owned();
    Some(Address { name, email })
}

/// In the order of the schema's PostItemType.
pub(crate) const POST_FIELDS: &[Field] = &[
    full("message:ConversationIndex", |w, v| {
        if let Some(index) = v.message.props.binary(tag::CONVERSATION_INDEX) {
            w.base64("t:ConversationIndex", index);
        }
    }),
    full("message:ConversationTopic", |w, v| {
        text(w, "t:ConversationTopic", v, tag::CONVERSATION_TOPIC);
    }),
    usual("message:From", |w, v| {
        write_one(w, "t:From", sender_of(v.message, true))
    }),
    full("message:InternetMessageId", |w, v| {
        text(w, "t:InternetMessageId", v, tag::INTERNET_MESSAGE_ID);
    }),
    usual("message:IsRead", |w, v| w.flag("t:IsRead", v.is_read)),
    full("postitem:PostedTime", |w, v| {
        super::item::time(w, "t:PostedTime", v.time(tag::CLIENT_SUBMIT_TIME));
    }),
    full("message:References", |w, v| {
        text(w, "t:References", v, tag::INTERNET_REFERENCES)
    }),
    full("message:Sender", |w, v| {
        write_one(w, "t:Sender", sender_of(v.message, false))
    }),
];

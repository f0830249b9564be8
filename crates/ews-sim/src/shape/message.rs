//! Properties of mail.

use fasttransfer::tag;

use super::address::{Address, people_of, sender_of, write_many, write_one};
use super::item::text;
use super::{Field, full, heavy, usual};

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
        if let Some(names) = v.text(tag::REPLY_RECIPIENT_NAMES) {
            let address = Address {
                name: names.clone().into_owned(),
                email: String::new(),
            };
            write_many(w, "t:ReplyTo", &[address]);
        }
    }),
    full("message:ReceivedBy", |w, v| {
        if let Some(name) = v.text(tag::RECEIVED_BY_NAME) {
            let email = v
                .text(tag::RECEIVED_BY_SMTP_ADDRESS)
                .unwrap_or_default()
                .into_owned();
            write_one(
                w,
                "t:ReceivedBy",
                Some(Address {
                    name: name.into_owned(),
                    email,
                }),
            );
        }
    }),
];

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

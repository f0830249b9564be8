//! What a conversation looks like in a list.

use std::collections::BTreeSet;

use fasttransfer::{NamedProp, PropValue, guid, tag};

use crate::clock::xml_time;
use crate::shape::{FLAG_STATUS, View, has_visible, people_of, pick, sender_of, write_id};
use crate::xml::XmlWriter;

/// Most ids of items in a summary, as Exchange's.
const MAX_IDS: usize = 500;

/// Sums up the messages of a conversation.
#[derive(Default)]
pub(super) struct Summary {
    topic: String,
    recipients: BTreeSet<String>,
    senders: BTreeSet<String>,
    unread_senders: BTreeSet<String>,
    categories: BTreeSet<String>,
    classes: BTreeSet<String>,
    delivered: u64,
    modified: u64,
    flag: i32,
    has_attachments: bool,
    count: u64,
    unread: u64,
    size: u64,
    importance: i32,
    ids: Vec<(String, String)>,
}

impl Summary {
    /// Takes a message in.
    pub(super) fn add(&mut self, view: &View<'_>) {
        let message = view.message;
        let named = |address: crate::shape::Address| match address.name.is_empty() {
            true => address.email,
            false => address.name,
        };
        if self.count == 0 {
            self.importance = 1;
        }
        let topic = message.props.text(tag::CONVERSATION_TOPIC);
        self.topic = topic.unwrap_or_default().into_owned();
        self.recipients
            .extend(people_of(message, 1).into_iter().map(named));
        let sender = sender_of(message, true).map(named);
        self.senders.extend(sender.clone());
        if !view.is_read {
            self.unread_senders.extend(sender);
            self.unread += 1;
        }
        let keywords = NamedProp::named(guid::PS_PUBLIC_STRINGS, "Keywords");
        if let Some(PropValue::MultiUnicode(words)) = message.props.get(keywords) {
            self.categories.extend(words.iter().cloned());
        }
        self.classes.insert(view.class.clone().into_owned());
        let time = |id: u16| message.props.time(id).map_or(0, |time| time.0);
        let delivered = match time(tag::MESSAGE_DELIVERY_TIME) {
            0 => time(tag::CREATION_TIME),
            ticks => ticks,
        };
        self.delivered = self.delivered.max(delivered);
        self.modified = self.modified.max(time(tag::LAST_MODIFICATION_TIME));
        self.flag = self.flag.max(view.i32(tag::FLAG_STATUS).unwrap_or(0));
        self.has_attachments |= has_visible(message);
        self.count += 1;
        self.size += view.size;
        self.importance = self
            .importance
            .max(view.i32(tag::IMPORTANCE).unwrap_or(1).clamp(0, 2));
        if let Some(place) = view.place.as_ref().filter(|_| self.ids.len() < MAX_IDS) {
            self.ids.push((place.id.clone(), place.change_key.clone()));
        }
    }

    /// When the last message came, in ticks.
    pub(super) fn last_delivery(&self) -> u64 {
        self.delivered
    }
}

/// Writes a Conversation: each property of the folder, then of the whole mailbox.
pub(super) fn write_pair(w: &mut XmlWriter, id: &[u8; 16], here: &Summary, all: &Summary) {
    w.start("t:Conversation");
    w.start("t:ConversationId");
    w.attr("Id", &base64_simd::STANDARD.encode_to_string(id));
    w.end("t:ConversationId");
    w.leaf("t:ConversationTopic", &here.topic);
    let mut texts = |name: &str, member: &str, of: fn(&Summary) -> &BTreeSet<String>| {
        strings(w, &format!("t:{name}"), member, of(here));
        strings(w, &format!("t:Global{name}"), member, of(all));
    };
    texts("UniqueRecipients", "t:String", |one| &one.recipients);
    texts("UniqueUnreadSenders", "t:String", |one| &one.unread_senders);
    texts("UniqueSenders", "t:String", |one| &one.senders);
    w.leaf("t:LastDeliveryTime", &xml_time(here.delivered));
    w.leaf("t:GlobalLastDeliveryTime", &xml_time(all.delivered));
    strings(w, "t:Categories", "t:String", &here.categories);
    strings(w, "t:GlobalCategories", "t:String", &all.categories);
    let mut pair = |name: &str, of: fn(&Summary) -> String| {
        w.leaf(&format!("t:{name}"), &of(here));
        w.leaf(&format!("t:Global{name}"), &of(all));
    };
    pair("FlagStatus", |one| pick(&FLAG_STATUS, one.flag).to_owned());
    pair("HasAttachments", |one| one.has_attachments.to_string());
    pair("MessageCount", |one| one.count.to_string());
    pair("UnreadCount", |one| one.unread.to_string());
    pair("Size", |one| one.size.min(i32::MAX as u64).to_string());
    strings(w, "t:ItemClasses", "t:ItemClass", &here.classes);
    strings(w, "t:GlobalItemClasses", "t:ItemClass", &all.classes);
    let mut pair = |name: &str, of: fn(&Summary) -> String| {
        w.leaf(&format!("t:{name}"), &of(here));
        w.leaf(&format!("t:Global{name}"), &of(all));
    };
    pair("Importance", |one| {
        pick(&["Low", "Normal", "High"], one.importance).to_owned()
    });
    ids(w, "t:ItemIds", here);
    ids(w, "t:GlobalItemIds", all);
    w.leaf("t:LastModifiedTime", &xml_time(here.modified));
    w.base64("t:InstanceKey", id);
    w.end("t:Conversation");
}

fn strings(w: &mut XmlWriter, name: &str, member: &str, texts: &BTreeSet<String>) {
    if texts.is_empty() {
        return;
    }
    w.start(name);
    for text in texts {
        w.leaf(member, text);
    }
    w.end(name);
}

fn ids(w: &mut XmlWriter, name: &str, of: &Summary) {
    if of.ids.is_empty() {
        return;
    }
    w.start(name);
    for (id, change_key) in &of.ids {
        write_id(w, "t:ItemId", id, change_key);
    }
    w.end(name);
}

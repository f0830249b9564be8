//! Reads items without any code of the product: SOAP over a plain socket, and the simulator's
//! own properties.

use std::collections::BTreeMap;

use base64_simd::STANDARD;
use fasttransfer::{Limits, Message, PropId, PropName, PropValue, PropertyBag, read_message, tag};
use quick_xml::events::Event;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::world::SERVICE;

/// What a look at an item shows: names of properties, and what they are.
pub type Facts = BTreeMap<String, String>;

/// Elements that say where an item is and when the server wrote it.
const OF_THE_PLACE: [&str; 8] = [
    "ItemId",
    "ParentFolderId",
    "DateTimeCreated",
    "LastModifiedTime",
    "InstanceKey",
    "Size",
    "AttachmentId",
    "StoreEntryId",
];

/// Every property of an item as GetItem tells it, with its file and its text.
pub async fn by_get_item(url: &str, mailbox: &str, id: &str) -> Facts {
    let body = format!(
        "<m:GetItem><m:ItemShape><t:BaseShape>AllProperties</t:BaseShape>\
         <t:IncludeMimeContent>true</t:IncludeMimeContent><t:AdditionalProperties>\
         <t:FieldURI FieldURI=\"item:Body\"/><t:FieldURI FieldURI=\"item:Flag\"/>\
         </t:AdditionalProperties></m:ItemShape>\
         <m:ItemIds><t:ItemId Id=\"{id}\"/></m:ItemIds></m:GetItem>"
    );
    let answer = post(url, mailbox, &body).await;
    let mut facts = Facts::new();
    for (path, text) in flatten(&answer) {
        let Some((_, below)) = path.split_once("/Items/") else {
            continue;
        };
        if OF_THE_PLACE.iter().any(|name| below.contains(name)) {
            continue;
        }
        let mut name = format!("GetItem {below}");
        while facts.contains_key(&name) {
            name.push('\'');
        }
        facts.insert(name, text);
    }
    assert!(!facts.is_empty(), "{answer}");
    facts
}

/// Every property of an item as its native stream has it.
pub async fn by_export(url: &str, mailbox: &str, id: &str) -> Facts {
    let body =
        format!("<m:ExportItems><m:ItemIds><t:ItemId Id=\"{id}\"/></m:ItemIds></m:ExportItems>");
    let answer = post(url, mailbox, &body).await;
    let data = answer
        .split_once("Data>")
        .and_then(|(_, rest)| rest.split_once('<'));
    let (data, _) = data.unwrap_or_else(|| panic!("{answer}"));
    let stream = STANDARD.decode_to_vec(data.trim()).unwrap();
    of_message(&read_message(&stream, &Limits::default()).unwrap().message)
}

/// Every property of an item, its recipients, attachments and what these hold.
pub fn of_message(message: &Message) -> Facts {
    let mut facts = Facts::new();
    add(&mut facts, "", message);
    facts
}

fn add(facts: &mut Facts, prefix: &str, message: &Message) {
    add_bag(facts, prefix, &message.props);
    facts.insert(
        format!("{prefix}recipients"),
        message.recipients.len().to_string(),
    );
    facts.insert(
        format!("{prefix}attachments"),
        message.attachments.len().to_string(),
    );
    for (number, recipient) in message.recipients.iter().enumerate() {
        add_bag(facts, &format!("{prefix}recipient {number}: "), recipient);
    }
    for (number, attachment) in message.attachments.iter().enumerate() {
        let prefix = format!("{prefix}attachment {number}: ");
        add_bag(facts, &prefix, &attachment.props);
        if let Some(embedded) = &attachment.embedded {
            add(facts, &prefix, embedded);
        }
    }
}

fn add_bag(facts: &mut Facts, prefix: &str, bag: &PropertyBag) {
    for property in bag {
        if is_of_the_store(&property.id) {
            continue;
        }
        let name = match &property.id {
            PropId::Tag(tag) => format!("0x{tag:04X}"),
            PropId::Named(named) => match &named.name {
                PropName::Id(id) => format!("lid 0x{id:04X}"),
                PropName::Name(name) => format!("named {name}"),
            },
        };
        let value = match &property.value {
            PropValue::Binary(bytes) => {
                format!("{} bytes {}", bytes.len(), blake3::hash(bytes).to_hex())
            }
            value => format!("{value:?}"),
        };
        facts.insert(format!("{prefix}{name}"), value);
    }
}

/// Times that a store gives to what it stores, and the mark that a restore adds.
fn is_of_the_store(id: &PropId) -> bool {
    match id {
        PropId::Tag(id) => [tag::CREATION_TIME, tag::LAST_MODIFICATION_TIME].contains(id),
        PropId::Named(named) => {
            matches!(&named.name, PropName::Name(name) if name == "PostkeepOrigin")
        }
    }
}

/// What differs: `name: before -> after`.
pub fn differences(before: &Facts, after: &Facts) -> Vec<(String, String)> {
    let names: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let short = |value: Option<&String>| match value {
        Some(value) => value.chars().take(120).collect::<String>(),
        None => "nothing".to_owned(),
    };
    names
        .into_iter()
        .filter(|name| before.get(*name) != after.get(*name))
        .map(|name| {
            (
                name.clone(),
                format!("{} -> {}", short(before.get(name)), short(after.get(name))),
            )
        })
        .collect()
}

async fn post(url: &str, mailbox: &str, body: &str) -> String {
    let envelope = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><s:Envelope \
         xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         xmlns:t=\"http://schemas.microsoft.com/exchange/services/2006/types\" \
         xmlns:m=\"http://schemas.microsoft.com/exchange/services/2006/messages\"><s:Header>\
         <t:RequestServerVersion Version=\"Exchange2013_SP1\"/><t:ExchangeImpersonation>\
         <t:ConnectingSID><t:PrimarySmtpAddress>{mailbox}</t:PrimarySmtpAddress></t:ConnectingSID>\
         </t:ExchangeImpersonation></s:Header><s:Body>{body}</s:Body></s:Envelope>"
    );
    let (host, path) = url
        .strip_prefix("http://")
        .unwrap()
        .split_once('/')
        .unwrap();
    let secret = STANDARD.encode_to_string(format!("{SERVICE}:secret"));
    let head = format!(
        "POST /{path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Basic {secret}\r\n\
         Content-Type: text/xml; charset=utf-8\r\nX-AnchorMailbox: {mailbox}\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        envelope.len()
    );
    let mut stream = TcpStream::connect(host).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(envelope.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let end = answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap();
    let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
    let body = answer.split_off(end + 4);
    let body = match head.contains("transfer-encoding: chunked") {
        true => joined(&body),
        false => body,
    };
    assert!(head.starts_with("http/1.1 200"), "{head}");
    String::from_utf8(body).unwrap()
}

/// The bytes of a chunked body.
fn joined(mut body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let line = body.windows(2).position(|two| two == b"\r\n").unwrap();
        let length =
            usize::from_str_radix(std::str::from_utf8(&body[..line]).unwrap().trim(), 16).unwrap();
        if length == 0 {
            return bytes;
        }
        bytes.extend(&body[line + 2..line + 2 + length]);
        body = &body[line + 4 + length..];
    }
}

/// Paths of elements with their text and attributes.
fn flatten(xml: &str) -> Vec<(String, String)> {
    let mut reader = quick_xml::Reader::from_str(xml);
    let (mut path, mut found, mut text) = (Vec::<String>::new(), Vec::new(), String::new());
    let name_of =
        |start: &quick_xml::events::BytesStart<'_>| start.local_name().as_ref().to_owned();
    loop {
        match reader.read_event().unwrap() {
            Event::Start(start) => {
                path.push(name_of(&start));
                text.clear();
            }
            Event::Empty(start) => found.push((
                format!("{}/{}", path.join("/"), name_of(&start)),
                String::new(),
            )),
            Event::Text(piece) => text.push_str(&piece),
            Event::CData(piece) => text.push_str(&piece),
            Event::GeneralRef(name) => text.push_str(&format!("&{};", &*name)),
            Event::End(_) => {
                found.push((path.join("/"), std::mem::take(&mut text)));
                path.pop();
            }
            Event::Eof => return found,
            _ => {}
        }
    }
}

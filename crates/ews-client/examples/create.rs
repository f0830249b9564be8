//! Creates an item of each kind from its portable form: MIME text, iCalendar, vCard, or elements and
//! MAPI properties. Nothing is sent to anybody.
//!
//! `cargo run -p ews-client --example create -- URL USER`, with the password in the environment
//! variable `EWS_PASSWORD`. Try it on `postkeep sim`.
#![allow(clippy::print_stdout, reason = "an example talks to its user")]

use ews_client::{
    Body, Bytes, Client, ClientOptions, CreateItem, Credentials, DistinguishedFolder, ExtendedPath,
    ExtendedProperty, ItemField, ItemKind, MapiType, NewItem,
};

const MAIL: &str =
    "From: ann@example.com\r\nTo: bob@example.com\r\nSubject: A mail\r\n\r\nHello\r\n";
const MEETING: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//example//EN\r\nBEGIN:VEVENT\r\n\
    UID:example-1\r\nDTSTAMP:20261101T080000Z\r\nDTSTART:20261102T090000Z\r\n\
    DTEND:20261102T100000Z\r\nSUMMARY:A meeting\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = connect()?;
    // A message is a draft unless its flags (PidTagMessageFlags) say that it was sent.
    let sent = ExtendedPath::tag(0x0E07, MapiType::Integer);
    let mail = NewItem {
        kind: ItemKind::Message,
        mime_content: Some(Bytes::from(MAIL)),
        extended: vec![ExtendedProperty::single(sent, "1")],
        is_read: Some(true),
        ..NewItem::default()
    };
    let meeting = NewItem {
        kind: ItemKind::CalendarItem,
        mime_content: Some(Bytes::from(MEETING)),
        ..NewItem::default()
    };
    let contact = NewItem {
        kind: ItemKind::Contact,
        subject: Some("Ann Example".into()),
        fields: vec![
            ItemField::text("GivenName", "Ann"),
            ItemField::text("Surname", "Example"),
        ],
        ..NewItem::default()
    };
    let task = NewItem {
        kind: ItemKind::Task,
        subject: Some("A task".into()),
        fields: vec![ItemField::text("DueDate", "2026-11-30T00:00:00Z")],
        ..NewItem::default()
    };
    let text = |kind, class: &str, subject: &str| NewItem {
        kind,
        item_class: Some(class.to_owned()),
        subject: Some(subject.to_owned()),
        body: Some(Body {
            is_html: false,
            text: "Some text".into(),
        }),
        ..NewItem::default()
    };
    let list = NewItem {
        kind: ItemKind::DistributionList,
        subject: Some("A list".into()),
        fields: vec![ItemField::text("DisplayName", "A list")],
        ..NewItem::default()
    };
    for (folder, item) in [
        (DistinguishedFolder::Inbox, mail),
        (DistinguishedFolder::Calendar, meeting),
        (DistinguishedFolder::Contacts, contact),
        (DistinguishedFolder::Contacts, list),
        (DistinguishedFolder::Tasks, task),
        (
            DistinguishedFolder::Notes,
            text(ItemKind::Item, "IPM.StickyNote", "A note"),
        ),
        (
            DistinguishedFolder::Inbox,
            text(ItemKind::PostItem, "IPM.Post", "A post"),
        ),
    ] {
        let kind = item.kind.clone();
        let request = CreateItem {
            folder: folder.into(),
            items: vec![item],
        };
        // CreateItem is never repeated blindly: `Interrupted` and `Timeout` leave open whether it
        // got through.
        let id = client.create_item(&request).await?.remove(0)?;
        println!("{}: {} characters of id", kind.as_str(), id.id.len());
    }
    Ok(())
}

/// URL and account from the command line, the password from the environment.
fn connect() -> Result<Client, Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: create URL USER, with EWS_PASSWORD set";
    let (url, user) = arguments.next().zip(arguments.next()).ok_or(usage)?;
    let password = std::env::var("EWS_PASSWORD").map_err(|_| usage)?;
    let credentials = Credentials::password(user, password);
    Ok(Client::new(ClientOptions::new(url.parse()?, credentials))?)
}

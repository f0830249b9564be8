//! Subscribes to the Inbox, creates a mail, and is told of it: by asking (pull) and by a stream.
//!
//! `cargo run -p ews-client --example notifications -- URL USER`, with the password in the environment
//! variable `EWS_PASSWORD`. Try it on `postkeep sim`.
#![allow(clippy::print_stdout, reason = "an example talks to its user")]

use ews_client::{
    Bytes, Client, ClientOptions, CreateItem, Credentials, Delivery, DistinguishedFolder,
    EventKind, GetEvents, ItemKind, NewItem, StreamEvent, Subscribe, Unsubscribe,
};

fn subscribe(delivery: Delivery) -> Subscribe {
    Subscribe {
        delivery,
        folders: vec![DistinguishedFolder::Inbox.into()],
        events: vec![EventKind::CreatedEvent, EventKind::DeletedEvent],
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = connect()?;
    let pull = Delivery::Pull {
        timeout_minutes: 10,
        watermark: None,
    };
    let pulled = client.subscribe(&subscribe(pull)).await?;
    let streamed = client.subscribe(&subscribe(Delivery::Streaming)).await?;
    let mut stream = client.stream_events([streamed.id], 1)?;

    let mail = "From: ann@example.com\r\nSubject: News\r\n\r\nHello\r\n";
    let request = CreateItem {
        folder: DistinguishedFolder::Inbox.into(),
        items: vec![NewItem {
            kind: ItemKind::Message,
            mime_content: Some(Bytes::from(mail)),
            ..NewItem::default()
        }],
    };
    client.create_item(&request).await?.remove(0)?;

    let told = client
        .get_events(&GetEvents {
            subscription_id: pulled.id.clone(),
            watermark: pulled.watermark.unwrap_or_default(),
        })
        .await?;
    for event in &told.events {
        println!("pulled: {}", event.kind);
    }
    client
        .unsubscribe(&Unsubscribe {
            subscription_id: pulled.id,
        })
        .await?;

    // A program would go on for ever; servers end each connection, and another one follows.
    while let Some(event) = stream.next().await? {
        match event {
            StreamEvent::Connected => println!("connected"),
            StreamEvent::Notification(told) => {
                for event in &told.events {
                    println!("streamed: {}", event.kind);
                }
                if told
                    .events
                    .iter()
                    .any(|e| e.kind == EventKind::CreatedEvent)
                {
                    break;
                }
            }
            // What happened meanwhile is found by a sync.
            StreamEvent::Broken => println!("broken: sync"),
            StreamEvent::Lost(ids) => println!("lost {}: subscribe again and sync", ids.len()),
            _ => {}
        }
    }
    Ok(())
}

/// URL and account from the command line, the password from the environment.
fn connect() -> Result<Client, Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: notifications URL USER, with EWS_PASSWORD set";
    let (url, user) = arguments.next().zip(arguments.next()).ok_or(usage)?;
    let password = std::env::var("EWS_PASSWORD").map_err(|_| usage)?;
    let credentials = Credentials::password(user, password);
    Ok(Client::new(ClientOptions::new(url.parse()?, credentials))?)
}

//! Finds unread mail of the last days by a restriction, newest first, and reads one with its MIME
//! text.
//!
//! `cargo run -p ews-client --example find -- URL USER`, with the password in the environment
//! variable `EWS_PASSWORD`. Try it on `postkeep sim`.
#![allow(clippy::print_stdout, reason = "an example talks to its user")]

use ews_client::{
    BaseShape, Client, ClientOptions, Credentials, DistinguishedFolder, FindItem, GetItem,
    ItemShape, Paging, PropertyPath, Restriction, SortDirection,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = connect()?;
    let received = PropertyPath::field("item:DateTimeReceived");
    let shape = ItemShape::new(BaseShape::IdOnly).with([
        PropertyPath::field("item:Subject"),
        PropertyPath::field("message:From"),
        received.clone(),
    ]);
    let mut request = FindItem::new(
        DistinguishedFolder::Inbox,
        shape,
        Paging {
            offset: 0,
            // Exchange gives 250 rows at most where there is a restriction.
            max_entries: 250,
        },
    );
    request.restriction = Some(Restriction::And(vec![
        Restriction::IsEqualTo(PropertyPath::field("message:IsRead"), "false".into()),
        Restriction::IsGreaterThan(received.clone(), "2000-01-01T00:00:00Z".into()),
    ]));
    request.sort = vec![(received, SortDirection::Descending)];
    let page = client.find_item(&request).await?;
    for item in &page.items {
        let from = item.from.as_ref().and_then(|from| from.address.as_deref());
        let subject = item.subject.as_deref().unwrap_or("(no subject)");
        println!(
            "{:?} {}: {subject}",
            item.date_time_received,
            from.unwrap_or("nobody")
        );
    }
    println!("{} unread", page.items.len());

    let Some(id) = page.items.into_iter().find_map(|item| item.id) else {
        return Ok(());
    };
    let request = GetItem {
        shape: ItemShape::new(BaseShape::Default).with_mime(),
        ids: vec![id],
    };
    let item = client.get_item(&request).await?.remove(0)?;
    let mime = item.mime_content.unwrap_or_default();
    println!("{} bytes of MIME text, which begins:", mime.len());
    let text = String::from_utf8_lossy(&mime);
    text.lines().take(3).for_each(|line| println!("  {line}"));
    Ok(())
}

/// URL and account from the command line, the password from the environment.
fn connect() -> Result<Client, Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: find URL USER, with EWS_PASSWORD set";
    let (url, user) = arguments.next().zip(arguments.next()).ok_or(usage)?;
    let password = std::env::var("EWS_PASSWORD").map_err(|_| usage)?;
    let credentials = Credentials::password(user, password);
    Ok(Client::new(ClientOptions::new(url.parse()?, credentials))?)
}

//! Changes items where they lie: marks one read and gives it a category, copies it, moves the copy,
//! and deletes it. Each item of a request has an outcome of its own.
//!
//! `cargo run -p ews-client --example change -- URL USER`, with the password in the environment
//! variable `EWS_PASSWORD`. Try it on `postkeep sim`.
#![allow(clippy::print_stdout, reason = "an example talks to its user")]

use ews_client::{
    BaseShape, Client, ClientOptions, ConflictResolution, CopyItem, Credentials, DeleteItem,
    DisposalType, DistinguishedFolder, FieldChange, FindItem, ItemShape, ItemUpdate, MoveItem,
    Paging, UpdateItem,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = connect()?;
    let first = Paging {
        offset: 0,
        max_entries: 1,
    };
    let shape = ItemShape::new(BaseShape::Default);
    let request = FindItem::new(DistinguishedFolder::Inbox, shape, first);
    let page = client.find_item(&request).await?;
    let Some((id, subject)) = page
        .items
        .into_iter()
        .find_map(|item| Some((item.id?, item.subject)))
    else {
        println!("the Inbox is empty");
        return Ok(());
    };

    let update = UpdateItem {
        items: vec![ItemUpdate {
            id,
            changes: vec![
                FieldChange::IsRead(true),
                FieldChange::Categories(vec!["Seen to".into()]),
            ],
        }],
        // Fails if somebody else changed the item since it was listed.
        conflict: ConflictResolution::NeverOverwrite,
    };
    // The answer has the new change key, which later changes are made with.
    let id = client.update_item(&update).await?.remove(0)?;
    println!("{subject:?} is read");

    let copy = CopyItem {
        to: DistinguishedFolder::Drafts.into(),
        ids: vec![id],
    };
    let copied = client.copy_item(&copy).await?.remove(0)?;
    println!("copied to Drafts");
    // A copy within one mailbox has an id at once; of one into another mailbox nothing is told.
    let moving = MoveItem {
        to: DistinguishedFolder::JunkEmail.into(),
        ids: copied.into_iter().collect(),
    };
    let moved = client.move_item(&moving).await?.remove(0)?;
    println!("moved to Junk Email: the old id is gone");
    let request = DeleteItem {
        ids: moved.into_iter().collect(),
        disposal: DisposalType::MoveToDeletedItems,
    };
    client.delete_item(&request).await?.remove(0)?;
    println!("deleted: it lies in Deleted Items");
    Ok(())
}

/// URL and account from the command line, the password from the environment.
fn connect() -> Result<Client, Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: change URL USER, with EWS_PASSWORD set";
    let (url, user) = arguments.next().zip(arguments.next()).ok_or(usage)?;
    let password = std::env::var("EWS_PASSWORD").map_err(|_| usage)?;
    let credentials = Credentials::password(user, password);
    Ok(Client::new(ClientOptions::new(url.parse()?, credentials))?)
}

//! Copies the newest items of the Inbox into a new folder in full fidelity: ExportItems gives their
//! native streams, UploadItems takes them.
//!
//! `cargo run -p ews-client --example export -- URL USER`, with the password in the environment
//! variable `EWS_PASSWORD`. Try it on `postkeep sim`.
#![allow(clippy::print_stdout, reason = "an example talks to its user")]

use ews_client::{
    BaseShape, Client, ClientOptions, CreateFolder, Credentials, DistinguishedFolder, ExportEvent,
    FindItem, FolderKind, ItemId, ItemShape, NewFolder, Paging, UploadAction, UploadData,
    UploadItem,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = connect()?;
    let paging = Paging {
        offset: 0,
        max_entries: 10,
    };
    let shape = ItemShape::new(BaseShape::IdOnly);
    let page = client
        .find_item(&FindItem::new(DistinguishedFolder::Inbox, shape, paging))
        .await?;
    let ids: Vec<ItemId> = page.items.into_iter().filter_map(|item| item.id).collect();
    if ids.is_empty() {
        println!("the Inbox is empty");
        return Ok(());
    }

    // Streams arrive piece by piece. Here they are kept; a backup writes them somewhere.
    let mut stream = client.export_items(&ids).await?;
    let (mut whole, mut open) = (Vec::new(), Vec::new());
    while let Some(event) = stream.next().await? {
        match event {
            ExportEvent::Start(_) => open.clear(),
            ExportEvent::Data(bytes) => open.extend_from_slice(&bytes),
            ExportEvent::End => whole.push(std::mem::take(&mut open)),
            ExportEvent::Failed { id, error } => println!("{id:?}: {error}"),
            _ => {}
        }
    }
    let bytes: usize = whole.iter().map(Vec::len).sum();
    println!("exported {} items, {bytes} bytes", whole.len());

    let folder = CreateFolder {
        parent: DistinguishedFolder::MsgFolderRoot.into(),
        folders: vec![NewFolder::new("Copies", FolderKind::Folder)],
    };
    let made = client.create_folder(&folder).await?.remove(0)?;
    let uploads = whole.into_iter().map(|stream| UploadItem {
        parent: made.id.clone(),
        action: UploadAction::CreateNew,
        associated: None,
        data: UploadData::Bytes(stream.into()),
    });
    let outcomes = client.upload_items(uploads.collect()).await?;
    let uploaded = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    println!("uploaded {uploaded} items into {:?}", "Copies");
    Ok(())
}

/// URL and account from the command line, the password from the environment.
fn connect() -> Result<Client, Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: export URL USER, with EWS_PASSWORD set";
    let (url, user) = arguments.next().zip(arguments.next()).ok_or(usage)?;
    let password = std::env::var("EWS_PASSWORD").map_err(|_| usage)?;
    let credentials = Credentials::password(user, password);
    Ok(Client::new(ClientOptions::new(url.parse()?, credentials))?)
}

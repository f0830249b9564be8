//! Synchronises the Inbox and prints what changed since the last time, which a file remembers:
//! `EWS_STATE` names it, `sync.state` otherwise.
//!
//! `cargo run -p ews-client --example sync -- URL USER`, with the password in the environment
//! variable `EWS_PASSWORD`. Try it on `postkeep sim`.
#![allow(clippy::print_stdout, reason = "an example talks to its user")]

use std::path::PathBuf;

use ews_client::{
    BaseShape, Client, ClientOptions, Credentials, DistinguishedFolder, ItemChange, ItemShape,
    PropertyPath, ResponseCode, SyncFolderItems, SyncState,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = connect()?;
    let file = std::env::var_os("EWS_STATE").map_or_else(|| "sync.state".into(), PathBuf::from);
    let mut state = std::fs::read_to_string(&file).ok().map(SyncState);
    loop {
        let mut request = SyncFolderItems::new(DistinguishedFolder::Inbox, state.clone());
        request.shape =
            ItemShape::new(BaseShape::IdOnly).with([PropertyPath::field("item:Subject")]);
        let page = match client.sync_folder_items(&request).await {
            Ok(page) => page,
            // The server no longer knows the state: everything comes again as created. Who keeps
            // items compares change keys and downloads nothing twice.
            Err(error)
                if state.is_some()
                    && error.response_code() == Some(&ResponseCode::ErrorInvalidSyncStateData) =>
            {
                println!("starting over: {error}");
                state = None;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        for change in &page.changes {
            match change {
                ItemChange::Create(item) => println!("new: {:?}", item.subject),
                ItemChange::Update(item) => println!("changed: {:?}", item.subject),
                ItemChange::Delete(id) => println!("gone: {}", id.id),
                ItemChange::ReadFlagChange { id, is_read } => {
                    println!("read {is_read}: {}", id.id);
                }
                other => println!("something else: {other:?}"),
            }
        }
        // Kept only when the page was dealt with: a crash then costs a page, and no change.
        std::fs::write(&file, page.sync_state.as_str())?;
        state = Some(page.sync_state);
        if page.includes_last {
            break;
        }
    }
    Ok(())
}

/// URL and account from the command line, the password from the environment.
fn connect() -> Result<Client, Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: sync URL USER, with EWS_PASSWORD set";
    let (url, user) = arguments.next().zip(arguments.next()).ok_or(usage)?;
    let password = std::env::var("EWS_PASSWORD").map_err(|_| usage)?;
    let credentials = Credentials::password(user, password);
    Ok(Client::new(ClientOptions::new(url.parse()?, credentials))?)
}

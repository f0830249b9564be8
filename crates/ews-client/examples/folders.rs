//! Lists the folders of a mailbox page by page, and shows what to do about errors.
//!
//! `cargo run -p ews-client --example folders -- URL USER`, with the password in the environment
//! variable `EWS_PASSWORD`. Try it on `postkeep sim`.
#![allow(clippy::print_stdout, reason = "an example talks to its user")]

use ews_client::{
    BaseShape, Client, ClientOptions, Credentials, DistinguishedFolder, ErrorKind, FindFolder,
    FolderId, FolderShape, GetFolder, Paging, PropertyPath,
};

/// Rows of one answer; Exchange gives 1,000 at most.
const PAGE: u32 = 10;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = connect()?;
    let shape = FolderShape::new(BaseShape::IdOnly).with([
        PropertyPath::field("folder:DisplayName"),
        PropertyPath::field("folder:TotalCount"),
    ]);
    let mut request = FindFolder::deep(DistinguishedFolder::MsgFolderRoot, shape);
    let mut offset = 0;
    loop {
        request.paging = Some(Paging {
            offset,
            max_entries: PAGE,
        });
        // A whole call fails with an `Error`; its kind says what to do. What the retry policy
        // allows was tried already.
        let page = match client.find_folder(&request).await {
            Ok(page) => page,
            Err(error) => {
                let advice = match error.kind() {
                    ErrorKind::Auth => "check the name and the password",
                    ErrorKind::Busy | ErrorKind::Timeout => "try again later",
                    ErrorKind::Unreachable | ErrorKind::NotEws => "check the address",
                    _ => "report it",
                };
                return Err(format!("{error} ({advice})").into());
            }
        };
        for folder in &page.folders {
            println!("{:?}: {:?} items", folder.display_name, folder.total_count);
        }
        offset += u32::try_from(page.folders.len())?;
        // Some servers claim the end too early: the total counts, where there is one.
        let all = page.total.is_none_or(|total| u64::from(offset) >= total);
        if page.folders.is_empty() || (page.includes_last && all) {
            break;
        }
        offset = page.next_offset.unwrap_or(offset);
    }
    println!("{offset} folders");

    // An entry of a batch fails alone, as an `ItemError` in its place.
    let batch = GetFolder {
        shape: FolderShape::new(BaseShape::Default),
        ids: vec![
            DistinguishedFolder::Inbox.into(),
            FolderId::new("AAMkNoSuchFolder").into(),
        ],
    };
    for outcome in client.get_folder(&batch).await? {
        match outcome {
            Ok(folder) => println!("found {:?}", folder.display_name),
            Err(error) => println!("not found: {}", error.code.as_str()),
        }
    }
    Ok(())
}

/// URL and account from the command line, the password from the environment.
fn connect() -> Result<Client, Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: folders URL USER, with EWS_PASSWORD set";
    let (url, user) = arguments.next().zip(arguments.next()).ok_or(usage)?;
    let password = std::env::var("EWS_PASSWORD").map_err(|_| usage)?;
    let credentials = Credentials::password(user, password);
    Ok(Client::new(ClientOptions::new(url.parse()?, credentials))?)
}

//! Finds mailboxes, works in one by impersonation, and lists its public folders with the mailboxes
//! that hold them.
//!
//! `cargo run -p ews-client --example mailboxes -- URL USER`, with the password in the environment
//! variable `EWS_PASSWORD`. Try it on `postkeep sim`.
#![allow(clippy::print_stdout, reason = "an example talks to its user")]

use ews_client::{
    Access, BaseShape, Client, ClientOptions, Credentials, DistinguishedFolder, ErrorKind,
    FindFolder, FolderShape, FolderTraversal, GetFolder, GetSearchableMailboxes, GroupRef,
    MapiType, PropertyPath, REPLICA_LIST, ResolveNames, SearchScope,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = connect()?;
    // What an account with the role Mailbox Search may see.
    let asked = GetSearchableMailboxes {
        filter: None,
        expand_groups: false,
    };
    let found = client.get_searchable_mailboxes(&asked).await?;
    for mailbox in &found.mailboxes {
        println!(
            "{} ({})",
            mailbox.primary_smtp_address, mailbox.display_name
        );
    }
    let Some(first) = found.mailboxes.iter().find(|mailbox| !mailbox.is_group) else {
        return Ok(());
    };
    let address = &first.primary_smtp_address;

    let names = ResolveNames {
        unresolved: address.clone(),
        scope: SearchScope::ActiveDirectory,
    };
    println!(
        "{address} means {} mailboxes",
        client.resolve_names(&names).await?.len()
    );
    match client
        .expand_group(GroupRef::Address(address.clone()))
        .await
    {
        Ok(group) => println!("{} members", group.members.len()),
        Err(error) => println!("{address} is no group ({})", error.kind()),
    }

    // Impersonation: the same connections, another mailbox.
    let theirs = client.for_mailbox(Access::Impersonate(address.clone()));
    let request = GetFolder {
        shape: FolderShape::new(BaseShape::Default),
        ids: vec![DistinguishedFolder::Inbox.into()],
    };
    let inbox = theirs.get_folder(&request).await?.remove(0)?;
    println!(
        "{address} has {:?} items in {:?}",
        inbox.total_count, inbox.display_name
    );

    // Public folders: the hierarchy in one mailbox, contents in others, level by level.
    let routing = theirs.public_folder_hierarchy(address).await?;
    let public = theirs.routed(routing.unwrap_or_default());
    let shape = FolderShape::new(BaseShape::IdOnly).with([
        PropertyPath::field("folder:DisplayName"),
        PropertyPath::tag(REPLICA_LIST, MapiType::Binary),
    ]);
    let mut list = FindFolder::deep(DistinguishedFolder::PublicFoldersRoot, shape);
    list.traversal = FolderTraversal::Shallow;
    let folders = match public.find_folder(&list).await {
        Ok(page) => page.folders,
        Err(error) if error.kind() != ErrorKind::Auth => {
            println!("no public folders: {}", error.kind());
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    };
    let domain = address.rsplit('@').next().unwrap_or_default();
    for folder in folders {
        let Some(mailbox) = folder.content_mailbox() else {
            println!("public: {:?}", folder.display_name);
            continue;
        };
        // Requests about items in this folder go through `public.routed(content)`.
        let content = public.public_folder_content(&mailbox, domain).await?;
        println!(
            "public: {:?} in {:?}",
            folder.display_name, content.anchor_mailbox
        );
    }
    Ok(())
}

/// URL and account from the command line, the password from the environment.
fn connect() -> Result<Client, Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: mailboxes URL USER, with EWS_PASSWORD set";
    let (url, user) = arguments.next().zip(arguments.next()).ok_or(usage)?;
    let password = std::env::var("EWS_PASSWORD").map_err(|_| usage)?;
    let credentials = Credentials::password(user, password);
    Ok(Client::new(ClientOptions::new(url.parse()?, credentials))?)
}

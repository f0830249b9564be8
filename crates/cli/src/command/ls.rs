//! `postkeep ls`: the folders of a snapshot, or the items of a folder.

use engine::{FolderEntry, ItemEntry, Selection, Snapshot};
use serde::Serialize;

use crate::args::LsArgs;
use crate::config::{self, Context};
use crate::exit::{Code, Failure, Result};
use crate::human::{Columns, bytes, count, cut, short_key, time};

#[derive(Serialize)]
struct Document {
    mailboxes: Vec<Mailbox>,
}

#[derive(Serialize)]
struct Mailbox {
    mailbox: String,
    snapshot: String,
    time_unix_ms: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    folders: Option<Vec<FolderEntry>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    items: Option<Vec<ItemEntry>>,
}

pub async fn run(context: &Context, args: LsArgs) -> Result<Code> {
    let vault = config::open_vault(context, &args.repository).await?;
    let snapshots = config::snapshots(&vault, &args.snapshot).await?;
    let several = snapshots.len() > 1;
    let mut mailboxes = Vec::new();
    let mut missing = None;
    for snapshot in snapshots {
        let Some(path) = &args.path else {
            let folders = vault.folders(&snapshot).await?;
            mailboxes.push(mailbox(snapshot, Some(folders), None));
            continue;
        };
        let selection = Selection::of_folders([path.clone()]);
        match vault.items(&snapshot, &selection).await {
            Ok(items) => mailboxes.push(mailbox(snapshot, None, Some(items))),
            // Not every mailbox has every folder; but one of them should.
            Err(error) if several && error.kind() == engine::ErrorKind::NotFound => {
                missing = Some(error);
            }
            Err(error) => return Err(error.into()),
        }
    }
    if let (true, Some(error)) = (mailboxes.is_empty(), missing) {
        return Err(Failure::from(error));
    }
    context.output.result(&Document { mailboxes }, people)?;
    Ok(Code::Done)
}

fn mailbox(
    snapshot: Snapshot,
    folders: Option<Vec<FolderEntry>>,
    items: Option<Vec<ItemEntry>>,
) -> Mailbox {
    Mailbox {
        mailbox: snapshot.mailbox,
        snapshot: snapshot.id,
        time_unix_ms: snapshot.time_unix_ms,
        folders,
        items,
    }
}

fn people(document: &Document) -> String {
    let mut parts = Vec::new();
    for mailbox in &document.mailboxes {
        let id = mailbox.snapshot.get(..10).unwrap_or(&mailbox.snapshot);
        let mut text = format!(
            "{}  {id}  {}\n\n",
            mailbox.mailbox,
            time(mailbox.time_unix_ms)
        );
        if let Some(folders) = &mailbox.folders {
            text.push_str(&folder_table(folders));
        }
        if let Some(items) = &mailbox.items {
            text.push_str(&item_tables(items));
        }
        parts.push(text);
    }
    parts.join("\n")
}

fn folder_table(folders: &[FolderEntry]) -> String {
    let mut table = Columns::new(&["FOLDER", ">ITEMS", ">SIZE"]);
    for folder in folders {
        let mark = if folder.associated {
            " (associated)"
        } else {
            ""
        };
        table.row([
            format!("{}{mark}", folder.path),
            count(folder.items),
            bytes(folder.bytes),
        ]);
    }
    let items = folders.iter().map(|folder| folder.items).sum();
    let size = folders.iter().map(|folder| folder.bytes).sum();
    table.row(["in all".to_owned(), count(items), bytes(size)]);
    table.to_string()
}

/// One table a folder; the items come folder by folder.
fn item_tables(items: &[ItemEntry]) -> String {
    if items.is_empty() {
        return "no items\n".to_owned();
    }
    let folders: Vec<String> = items
        .chunk_by(|a, b| a.folder == b.folder)
        .map(|items| {
            let mut table = Columns::new(&["ITEM", "DATE", "", "FROM", "SUBJECT", ">SIZE"]);
            for item in items {
                table.row(item_row(item));
            }
            let folder = items
                .first()
                .map(|item| cut(&item.folder, 200))
                .unwrap_or_default();
            format!("{folder}\n{table}")
        })
        .collect();
    folders.join("\n")
}

fn item_row(item: &ItemEntry) -> [String; 6] {
    let summary = &item.summary;
    let date = summary
        .received_unix_ms
        .or(summary.sent_unix_ms)
        .map(time)
        .unwrap_or_default();
    let from = match summary.sender.as_str() {
        "" => &summary.sender_address,
        sender => sender,
    };
    // As in a mail program: a dot for unread.
    let unread = if item.is_read == Some(false) {
        "•"
    } else {
        ""
    };
    [
        short_key(&item.key).to_owned(),
        date,
        unread.to_owned(),
        cut(from, 24),
        cut(&summary.subject, 60),
        bytes(item.bytes),
    ]
}

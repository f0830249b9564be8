//! The collected messages of real servers, documentation and other projects.

use std::fmt::Debug;
use std::path::PathBuf;

use ews_client::*;

use crate::support::{Answer, client, shared};

/// A sample response: its file, operation, whether a real server sent it, and its text.
pub struct Sample {
    pub file: String,
    pub operation: String,
    pub recorded: bool,
    pub text: String,
}

const OPERATIONS: [&str; 15] = [
    "GetFolder",
    "FindFolder",
    "SyncFolderHierarchy",
    "SyncFolderItems",
    "FindItem",
    "GetItem",
    "ExportItems",
    "UploadItems",
    "CreateFolder",
    "CreateItem",
    "DeleteItem",
    "MoveItem",
    "UpdateItem",
    "ResolveNames",
    "ConvertId",
];

/// The samples of our operations that are text at all.
pub fn samples() -> Vec<Sample> {
    let Some(root) = shared("ews/samples") else {
        return Vec::new();
    };
    let manifest = std::fs::read_to_string(root.join("manifest.csv")).unwrap();
    let mut samples = Vec::new();
    for line in manifest.lines().skip(1) {
        let mut fields = line.split(',');
        let (Some(file), Some(operation), Some(kind), Some(origin)) =
            (fields.next(), fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        let ours = OPERATIONS.contains(&operation) || operation == "_Fault";
        if !ours || kind != "response" {
            continue;
        }
        let bytes = std::fs::read(PathBuf::from(&root).join(file)).unwrap();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        samples.push(Sample {
            file: file.into(),
            operation: operation.into(),
            recorded: origin == "recorded",
            text,
        });
    }
    samples
}

/// How many entries the request must have had.
fn entries(text: &str) -> usize {
    text.matches("ResponseMessage ")
        .count()
        .max(text.matches("ResponseMessage>").count() / 2)
        .max(1)
}

fn shown<T: Debug>(result: Result<T>) -> Result<String> {
    result.map(|value| format!("{value:?}"))
}

/// Runs the client's own operation over an answer.
pub async fn run(operation: &str, text: &str) -> Result<String> {
    let (client, _, _) = client((0..10).map(|_| Answer::xml(text)));
    run_with(&client, operation, entries(text)).await
}

pub async fn run_with(client: &Client, operation: &str, count: usize) -> Result<String> {
    let folder = FolderShape::new(BaseShape::IdOnly);
    let item = ItemShape::new(BaseShape::IdOnly);
    let ids: Vec<ItemId> = (0..count)
        .map(|n| ItemId::new(format!("requested-{n}")))
        .collect();
    let inbox = FolderIdRef::from(DistinguishedFolder::Inbox);
    match operation {
        "FindFolder" => shown(client.find_folder(&FindFolder::deep(inbox, folder)).await),
        "SyncFolderHierarchy" => {
            let request = SyncFolderHierarchy {
                shape: folder,
                folder: None,
                sync_state: None,
            };
            shown(client.sync_folder_hierarchy(&request).await)
        }
        "SyncFolderItems" => shown(
            client
                .sync_folder_items(&SyncFolderItems::new(inbox, None))
                .await,
        ),
        "FindItem" => {
            let paging = Paging {
                offset: 0,
                max_entries: 1000,
            };
            shown(client.find_item(&FindItem::new(inbox, item, paging)).await)
        }
        "GetItem" => shown(client.get_item(&GetItem { shape: item, ids }).await),
        "ExportItems" => {
            let mut stream = client.export_items(&ids).await?;
            let mut events = Vec::new();
            while let Some(event) = stream.next().await? {
                events.push(event);
            }
            Ok(format!("{events:?}"))
        }
        "UploadItems" => {
            let item = |_| UploadItem {
                parent: FolderId::new("f"),
                action: UploadAction::CreateNew,
                associated: None,
                data: Bytes::new().into(),
            };
            shown(client.upload_items((0..count).map(item).collect()).await)
        }
        "CreateFolder" => {
            let folders = (0..count)
                .map(|_| NewFolder::new("x", FolderKind::Folder))
                .collect();
            shown(
                client
                    .create_folder(&CreateFolder {
                        parent: inbox,
                        folders,
                    })
                    .await,
            )
        }
        "CreateItem" => shown(
            client
                .create_item(&CreateItem {
                    folder: inbox,
                    items: vec![NewItem::default(); count],
                })
                .await,
        ),
        "DeleteItem" => shown(
            client
                .delete_item(&DeleteItem {
                    ids,
                    disposal: DisposalType::SoftDelete,
                })
                .await,
        ),
        "MoveItem" => shown(client.move_item(&MoveItem { to: inbox, ids }).await),
        "UpdateItem" => {
            let item = |id| ItemUpdate {
                id,
                changes: vec![FieldChange::IsRead(true)],
            };
            let items = ids.into_iter().map(item).collect();
            shown(
                client
                    .update_item(&UpdateItem {
                        items,
                        conflict: ConflictResolution::AutoResolve,
                    })
                    .await,
            )
        }
        "ResolveNames" => shown(
            client
                .resolve_names(&ResolveNames {
                    unresolved: "x".into(),
                    scope: SearchScope::ActiveDirectory,
                })
                .await,
        ),
        "ConvertId" => {
            let id = AlternateId {
                id: "x".into(),
                format: IdFormat::EwsId,
                mailbox: "a@example.test".into(),
                is_archive: None,
            };
            shown(
                client
                    .convert_id(&ConvertId {
                        ids: vec![id; count],
                        destination: IdFormat::EwsId,
                    })
                    .await,
            )
        }
        _ => shown(
            client
                .get_folder(&GetFolder {
                    shape: folder,
                    ids: vec![inbox; count],
                })
                .await,
        ),
    }
}

#[tokio::test]
async fn every_recorded_answer_parses() {
    let mut failures = Vec::new();
    let mut count = 0;
    for sample in samples().into_iter().filter(|sample| sample.recorded) {
        count += 1;
        match run(&sample.operation, &sample.text).await {
            Ok(text) if text.contains("CorruptData") => {
                failures.push(format!("{}: {text}", sample.file))
            }
            Ok(_) => {}
            // What the server itself reports is a parsed answer too.
            Err(error) if error.response_code().is_some() => {}
            Err(error) => failures.push(format!("{}: {error}", sample.file)),
        }
    }
    println!("{count} recorded answers");
    assert!(failures.is_empty(), "{failures:#?}");
}

#[tokio::test]
async fn every_other_answer_parses_or_is_refused_in_words() {
    let mut refused = Vec::new();
    for sample in samples() {
        if let Err(error) = run(&sample.operation, &sample.text).await {
            assert!(
                !error.to_string().contains('\n'),
                "{}: {error}",
                sample.file
            );
            if error.response_code().is_none() {
                refused.push(format!("{}: {error}", sample.file));
            }
        }
    }
    println!("refused: {refused:#?}");
    assert!(refused.len() < 40, "{refused:#?}");
}

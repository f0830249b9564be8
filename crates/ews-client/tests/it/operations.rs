//! Every operation of the client with a plain request, by name: for the collected samples, for
//! damaged ones, and for `fuzz/`, which includes this file.

use std::fmt::Debug;

use ews_client::*;

/// All operations.
pub const OPERATIONS: [&str; 38] = [
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
    "CopyItem",
    "UpdateItem",
    "ResolveNames",
    "ConvertId",
    "DeleteFolder",
    "MoveFolder",
    "CopyFolder",
    "UpdateFolder",
    "GetDelegate",
    "AddDelegate",
    "UpdateDelegate",
    "RemoveDelegate",
    "GetInboxRules",
    "UpdateInboxRules",
    "GetUserOofSettings",
    "SetUserOofSettings",
    "GetUserConfiguration",
    "CreateUserConfiguration",
    "GetSearchableMailboxes",
    "ExpandDL",
    "FindPeople",
    "GetPersona",
    "Subscribe",
    "GetEvents",
    "Unsubscribe",
    "GetStreamingEvents",
];

/// How many entries the request of an answer must have had.
pub fn entries(text: &str) -> usize {
    text.matches("ResponseMessage ")
        .count()
        .max(text.matches("ResponseMessage>").count() / 2)
        .max(1)
}

fn shown<T: Debug>(result: Result<T>) -> Result<String> {
    result.map(|value| format!("{value:?}"))
}

/// Runs an operation of that name with so many entries, and shows its answer.
pub async fn run(client: &Client, operation: &str, count: usize) -> Result<String> {
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
        "CopyItem" => shown(client.copy_item(&CopyItem { to: inbox, ids }).await),
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
        "GetFolder" => shown(
            client
                .get_folder(&GetFolder {
                    shape: folder,
                    ids: vec![inbox; count],
                })
                .await,
        ),
        _ => beside(client, operation, count).await,
    }
}

/// Operations about settings, discovery and notifications.
async fn beside(client: &Client, operation: &str, count: usize) -> Result<String> {
    let mailbox = || "a@example.test".to_owned();
    let inbox = || FolderIdRef::from(DistinguishedFolder::Inbox);
    match operation {
        "DeleteFolder" => {
            let request = DeleteFolder {
                ids: vec![inbox(); count],
                disposal: DisposalType::HardDelete,
            };
            shown(client.delete_folder(&request).await)
        }
        "MoveFolder" => {
            let ids = vec![inbox(); count];
            shown(client.move_folder(&MoveFolder { to: inbox(), ids }).await)
        }
        "CopyFolder" => {
            let ids = vec![inbox(); count];
            shown(client.copy_folder(&CopyFolder { to: inbox(), ids }).await)
        }
        "GetPersona" => {
            let id = "x".to_owned();
            shown(client.get_persona(&GetPersona { id }).await)
        }
        "UpdateFolder" => {
            let folder = FolderUpdate {
                id: DistinguishedFolder::Inbox.into(),
                kind: FolderKind::Folder,
                changes: vec![FolderFieldChange::DisplayName("x".into())],
            };
            let folders = vec![folder; count];
            shown(client.update_folder(&UpdateFolder { folders }).await)
        }
        "GetInboxRules" => shown(client.get_inbox_rules(&GetInboxRules::default()).await),
        "UpdateInboxRules" => {
            let request = UpdateInboxRules {
                mailbox: None,
                remove_outlook_rule_blob: true,
                operations: vec![RuleOperation::Delete("x".into())],
            };
            shown(client.update_inbox_rules(&request).await)
        }
        "GetUserOofSettings" => {
            let request = GetUserOofSettings { mailbox: mailbox() };
            shown(client.get_user_oof_settings(&request).await)
        }
        "SetUserOofSettings" => {
            let settings = OofSettings {
                state: OofState::Disabled,
                external_audience: ExternalAudience::None,
                duration: None,
                internal_reply: None,
                external_reply: None,
                other: Vec::new(),
            };
            let request = SetUserOofSettings {
                mailbox: mailbox(),
                settings,
            };
            shown(client.set_user_oof_settings(&request).await)
        }
        "GetUserConfiguration" | "CreateUserConfiguration" => {
            let name = UserConfigurationName::new(DistinguishedFolder::Inbox, "x");
            if operation == "GetUserConfiguration" {
                let request = GetUserConfiguration { name };
                return shown(client.get_user_configuration(&request).await);
            }
            let configuration = UserConfiguration::new(name);
            let request = CreateUserConfiguration { configuration };
            shown(client.create_user_configuration(&request).await)
        }
        "GetSearchableMailboxes" => {
            let request = GetSearchableMailboxes::default();
            shown(client.get_searchable_mailboxes(&request).await)
        }
        "ExpandDL" => {
            let group = GroupRef::Address(mailbox());
            shown(client.expand_dl(&ExpandDl { group }).await)
        }
        "FindPeople" => {
            let request = FindPeople {
                folder: DistinguishedFolder::Directory.into(),
                query: None,
                paging: Paging {
                    offset: 0,
                    max_entries: 100,
                },
            };
            shown(client.find_people(&request).await)
        }
        "Subscribe" | "GetEvents" | "Unsubscribe" | "GetStreamingEvents" => {
            notifications(client, operation).await
        }
        _ => delegates(client, operation, count).await,
    }
}

async fn delegates(client: &Client, operation: &str, count: usize) -> Result<String> {
    let mailbox = || "a@example.test".to_owned();
    let delegates = vec![Delegate::default(); count];
    match operation {
        "GetDelegate" => shown(client.get_delegate(&GetDelegate::all(mailbox())).await),
        "AddDelegate" => {
            let request = AddDelegate {
                mailbox: mailbox(),
                delegates,
                deliver_meeting_requests: None,
            };
            shown(client.add_delegate(&request).await)
        }
        "UpdateDelegate" => {
            let request = UpdateDelegate {
                mailbox: mailbox(),
                delegates,
                deliver_meeting_requests: None,
            };
            shown(client.update_delegate(&request).await)
        }
        _ => {
            let request = RemoveDelegate {
                mailbox: mailbox(),
                users: vec![UserId::default(); count],
            };
            shown(client.remove_delegate(&request).await)
        }
    }
}

async fn notifications(client: &Client, operation: &str) -> Result<String> {
    let subscription_id = "s".to_owned();
    match operation {
        "Subscribe" => {
            let request = Subscribe {
                delivery: Delivery::Streaming,
                folders: Vec::new(),
                events: vec![EventKind::CreatedEvent],
            };
            shown(client.subscribe(&request).await)
        }
        "GetEvents" => {
            let request = GetEvents {
                subscription_id,
                watermark: "w".into(),
            };
            shown(client.get_events(&request).await)
        }
        "Unsubscribe" => {
            let request = Unsubscribe { subscription_id };
            shown(client.unsubscribe(&request).await)
        }
        _ => {
            let mut stream = client.stream_events([subscription_id], 30)?;
            let connected = stream.next().await?;
            shown(stream.next().await.map(|event| (connected, event)))
        }
    }
}

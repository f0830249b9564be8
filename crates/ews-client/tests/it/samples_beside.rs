//! The collected answers about settings, discovery and notifications.

use std::fmt::Debug;

use ews_client::*;

use crate::support::{Answer, client};

/// The operations of this part.
pub const OPERATIONS: [&str; 20] = [
    "DeleteFolder",
    "MoveFolder",
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
    "Subscribe",
    "GetEvents",
    "Unsubscribe",
    "GetStreamingEvents",
];

fn shown<T: Debug>(result: Result<T>) -> Result<String> {
    result.map(|value| format!("{value:?}"))
}

/// Runs the client's own operation over an answer.
pub async fn run(operation: &str, text: &str, count: usize) -> Result<String> {
    let (client, _, _) = client((0..10).map(|_| Answer::xml(text)));
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
            notifications(&client, operation).await
        }
        _ => delegates(&client, operation, count).await,
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

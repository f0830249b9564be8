//! Gives mailboxes settings, and takes them away.

use ews_client::*;

use super::{ALICE, BOB};
use crate::world::Server;

pub(super) fn client(server: &Server, mailbox: &str) -> Client {
    server.exchange().mailbox(mailbox)
}

pub(super) async fn set_permissions(
    server: &Server,
    mailbox: &str,
    folder: DistinguishedFolder,
    entries: &[(&str, PermissionLevel)],
) {
    let is_calendar = folder == DistinguishedFolder::Calendar;
    let permissions = entries.iter();
    let permissions = permissions.map(|(who, level)| Permission::new(UserId::smtp(*who), *level));
    let update = FolderUpdate {
        id: FolderIdRef::from(folder),
        kind: if is_calendar {
            FolderKind::Calendar
        } else {
            FolderKind::Folder
        },
        changes: vec![FolderFieldChange::Permissions(FolderPermissions {
            is_calendar,
            permissions: permissions.collect(),
            unknown_entries: Vec::new(),
        })],
    };
    let request = UpdateFolder {
        folders: vec![update],
    };
    let done = client(server, mailbox)
        .update_folder(&request)
        .await
        .unwrap();
    assert!(done[0].is_ok(), "{done:?}");
}

fn delegate(who: &str, calendar: DelegateLevel) -> Delegate {
    Delegate {
        user: UserId::smtp(who),
        calendar: Some(calendar),
        ..Delegate::default()
    }
}

pub(super) async fn folder_id(server: &Server, mailbox: &str, path: &str) -> String {
    let found = server.sim.mailbox(mailbox).unwrap().folders();
    found
        .into_iter()
        .find(|folder| folder.path == path)
        .unwrap()
        .id
}

pub(super) fn rule(name: &str, folder: &str) -> InboxRule {
    let id = XmlElement::new("FolderId").with_attribute("Id", folder);
    let text = XmlElement::leaf("String", name);
    let subject = XmlElement::new("ContainsSubjectStrings").with_children([text]);
    InboxRule {
        display_name: name.to_owned(),
        priority: 1,
        is_enabled: true,
        conditions: Some(XmlElement::new("Conditions").with_children([subject])),
        actions: Some(
            XmlElement::new("Actions")
                .with_children([XmlElement::new("MoveToFolder").with_children([id])]),
        ),
        ..InboxRule::default()
    }
}

pub(super) async fn set_rules(server: &Server, mailbox: &str, operations: Vec<RuleOperation>) {
    let request = UpdateInboxRules {
        mailbox: Some(mailbox.to_owned()),
        remove_outlook_rule_blob: false,
        operations,
    };
    let errors = client(server, mailbox).update_inbox_rules(&request).await;
    assert_eq!(errors.unwrap(), []);
}

async fn set_oof(server: &Server, mailbox: &str, state: OofState, message: &str) {
    let reply = OofReply {
        message: message.to_owned(),
        lang: None,
    };
    let request = SetUserOofSettings {
        mailbox: mailbox.to_owned(),
        settings: OofSettings {
            state,
            external_audience: ExternalAudience::Known,
            duration: None,
            internal_reply: Some(reply.clone()),
            external_reply: Some(reply),
            other: Vec::new(),
        },
    };
    client(server, mailbox)
        .set_user_oof_settings(&request)
        .await
        .unwrap();
}

fn configuration(folder: DistinguishedFolder, name: &str, xml: &str) -> UserConfiguration {
    let mut object = UserConfiguration::new(UserConfigurationName::new(folder, name));
    object.xml_data = Some(xml.to_owned().into_bytes().into());
    object
}

const CATEGORIES: &str = "<?xml version=\"1.0\"?><categories default=\"Red\" \
    xmlns=\"CategoryList.xsd\"><category name=\"Red\" color=\"0\"/></categories>";

/// Gives a mailbox one of each setting.
pub(super) async fn furnish(server: &Server, mailbox: &str) {
    let reviewer = [(BOB, PermissionLevel::Reviewer)];
    set_permissions(server, mailbox, DistinguishedFolder::Inbox, &reviewer).await;
    let editor = [(BOB, PermissionLevel::Editor)];
    set_permissions(server, mailbox, DistinguishedFolder::Calendar, &editor).await;
    let request = AddDelegate {
        mailbox: mailbox.to_owned(),
        delegates: vec![delegate(BOB, DelegateLevel::Editor)],
        deliver_meeting_requests: Some(DeliverMeetingRequests::DelegatesAndMe),
    };
    client(server, mailbox)
        .add_delegate(&request)
        .await
        .unwrap();
    server
        .sim
        .mailbox(mailbox)
        .unwrap()
        .create_folder("Inbox/Bills")
        .unwrap();
    let bills = folder_id(server, mailbox, "Inbox/Bills").await;
    set_rules(
        server,
        mailbox,
        vec![RuleOperation::Create(rule("bill", &bills))],
    )
    .await;
    set_oof(server, mailbox, OofState::Enabled, "<p>In Rome</p>").await;
    let client = client(server, mailbox);
    for configuration in [
        configuration(DistinguishedFolder::Calendar, "CategoryList", CATEGORIES),
        configuration(
            DistinguishedFolder::Root,
            "OWA.UserOptions",
            "<o timezone=\"W. Europe\"/>",
        ),
        configuration(
            DistinguishedFolder::Calendar,
            "WorkHours",
            "<w><Start>08:00</Start></w>",
        ),
        configuration(DistinguishedFolder::Calendar, "Calendar", "<c/>"),
    ] {
        let request = CreateUserConfiguration { configuration };
        client.create_user_configuration(&request).await.unwrap();
    }
}

/// Takes away, or changes, one of each setting of Alice's.
pub(super) async fn take_away(server: &Server) {
    let none = [(BOB, PermissionLevel::None)];
    set_permissions(server, ALICE, DistinguishedFolder::Inbox, &none).await;
    set_permissions(server, ALICE, DistinguishedFolder::Calendar, &none).await;
    let alice = client(server, ALICE);
    let request = RemoveDelegate {
        mailbox: ALICE.to_owned(),
        users: vec![UserId::smtp(BOB)],
    };
    alice.remove_delegate(&request).await.unwrap();
    let rules = alice
        .get_inbox_rules(&GetInboxRules {
            mailbox: Some(ALICE.to_owned()),
        })
        .await;
    let id = rules.unwrap().rules[0].id.clone().unwrap();
    set_rules(server, ALICE, vec![RuleOperation::Delete(id)]).await;
    set_oof(server, ALICE, OofState::Disabled, "<p>Back</p>").await;
    let name = UserConfigurationName::new(DistinguishedFolder::Calendar, "CategoryList");
    alice
        .delete_user_configuration(&DeleteUserConfiguration { name })
        .await
        .unwrap();
}

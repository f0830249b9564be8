//! Settings beside items: every request, and that nothing of what was read is lost.

use ews_client::*;

use crate::requests::{properties, texts};
use crate::support::{Answer, client, envelope, message, response, shared};

fn element(name: &str, children: impl IntoIterator<Item = XmlElement>) -> XmlElement {
    XmlElement::new(name).with_children(children)
}

#[test]
fn an_attribute_that_would_become_a_namespace_is_not_kept() {
    let text = r#"<a p:xmlns="urn:other" p:Id="1"><b/></a>"#;
    let element = XmlElement::from_xml(text).unwrap();
    assert_eq!(element.attributes, [("Id".to_owned(), "1".to_owned())]);
    assert_eq!(XmlElement::from_xml(&element.to_xml()).unwrap(), element);
}

/// A rule with a part of every shape, one of which no schema knows.
fn rule() -> InboxRule {
    let folder = XmlElement::new("FolderId").with_attribute("Id", "AAMk=");
    let strings = |texts: [&str; 2]| texts.map(|text| XmlElement::leaf("String", text));
    let address = element(
        "Address",
        [
            XmlElement::leaf("Name", "Bob & <Co>"),
            XmlElement::leaf("EmailAddress", "bob@example.test"),
        ],
    );
    let conditions = [
        XmlElement::leaf("SentToMe", "true"),
        XmlElement::leaf("MadeUpLater", "true"),
        element("FromAddresses", [address]),
        element("ContainsSubjectStrings", strings(["a", "\"b\" & c"])),
    ];
    let size = [XmlElement::leaf("MinimumSize", "10")];
    let exceptions = [element("WithinSizeRange", size)];
    let actions = [
        XmlElement::leaf("StopProcessingRules", "true"),
        element(
            "MoveToFolder",
            [folder.with_attribute("ChangeKey", "AQAAAA==")],
        ),
    ];
    InboxRule {
        id: Some("AQAAAAAAASY=".into()),
        display_name: "Süd & <Nord>".into(),
        priority: 2,
        is_enabled: true,
        is_not_supported: Some(false),
        is_in_error: None,
        conditions: Some(element("Conditions", conditions)),
        exceptions: Some(element("Exceptions", exceptions)),
        actions: Some(element("Actions", actions)),
    }
}

fn permissions(is_calendar: bool) -> FolderPermissions {
    let mut custom = Permission::new(UserId::smtp("bob@example.test"), PermissionLevel::Custom);
    custom.can_create_items = Some(true);
    custom.can_create_sub_folders = Some(false);
    custom.is_folder_owner = Some(false);
    custom.is_folder_visible = Some(true);
    custom.is_folder_contact = Some(false);
    custom.edit_items = Some(PermissionAction::Owned);
    custom.delete_items = Some(PermissionAction::All);
    custom.read_items = Some(PermissionReadAccess::FullDetails);
    let everybody = UserId::distinguished(DistinguishedUser::Default);
    let mut default = Permission::new(everybody, PermissionLevel::Reviewer);
    default.can_create_items = Some(false);
    let mut list = vec![default, custom];
    if is_calendar {
        let anonymous = UserId::distinguished(DistinguishedUser::Anonymous);
        let level = PermissionLevel::FreeBusyTimeAndSubjectAndLocation;
        list.push(Permission::new(anonymous, level));
    }
    FolderPermissions {
        is_calendar,
        permissions: list,
        unknown_entries: vec!["S-1-5-21-1".into()],
    }
}

fn delegate() -> Delegate {
    Delegate {
        user: UserId::smtp("bob@example.test"),
        calendar: Some(DelegateLevel::Editor),
        journal: Some(DelegateLevel::None),
        view_private_items: Some(true),
        ..Delegate::default()
    }
}

fn oof() -> OofSettings {
    let reply = |message: &str, lang: Option<&str>| OofReply {
        message: message.into(),
        lang: lang.map(str::to_owned),
    };
    OofSettings {
        state: OofState::Scheduled,
        external_audience: ExternalAudience::Known,
        duration: Some((
            "2026-12-24T00:00:00Z".parse().unwrap(),
            "2027-01-02T00:00:00Z".parse().unwrap(),
        )),
        internal_reply: Some(reply("<p>Weg &amp; fort</p>", Some("de-CH"))),
        external_reply: Some(reply("", None)),
        other: vec![XmlElement::leaf("CreateOOFEvent", "false")],
    }
}

fn configuration() -> UserConfiguration {
    let object = |kind, values: &[&str]| DictionaryObject {
        kind,
        values: values.iter().map(|&value| value.to_owned()).collect(),
    };
    let entry = |key: &str, value| DictionaryEntry {
        key: object(DictionaryType::String, &[key]),
        value,
    };
    let name = UserConfigurationName::new(DistinguishedFolder::Calendar, "CategoryList");
    let mut configuration = UserConfiguration::new(name);
    configuration.dictionary = Some(vec![
        entry("piNoon", Some(object(DictionaryType::Integer32, &["720"]))),
        entry("nothing", None),
        entry(
            "list",
            Some(object(DictionaryType::StringArray, &["a", "", "b"])),
        ),
    ]);
    configuration.xml_data = Some(Bytes::from_static(b"<categories/>"));
    configuration.binary_data = Some(Bytes::from_static(&[0, 255, 7]));
    configuration
}

/// Every request of this subject, for the schema to judge.
pub async fn requests(list: &mut Vec<(&'static str, String)>) {
    let mailbox = || "a@example.test".to_owned();
    let mut changes = vec![
        FolderFieldChange::DisplayName("a & b".into()),
        FolderFieldChange::FolderClass("IPF.Note".into()),
        FolderFieldChange::Extended(properties()[1].clone()),
        FolderFieldChange::Delete(PropertyPath::tag(0x3613, MapiType::String)),
    ];
    for kind in [
        FolderKind::Folder,
        FolderKind::Calendar,
        FolderKind::Contacts,
        FolderKind::Tasks,
    ] {
        changes.truncate(4);
        let permissions = permissions(kind == FolderKind::Calendar);
        changes.push(FolderFieldChange::Permissions(permissions));
        let update = |id| FolderUpdate {
            id,
            kind,
            changes: changes.clone(),
        };
        let named = DistinguishedFolder::Calendar.into();
        let folders = vec![update(FolderId::new("f").into()), update(named)];
        texts!(list, ref update_folder, UpdateFolder { folders });
    }
    let ids = vec![FolderId::new("f").into(), DistinguishedFolder::Notes.into()];
    let to = DistinguishedFolder::Inbox.into();
    texts!(
        list,
        ref move_folder,
        MoveFolder {
            to,
            ids: ids.clone()
        }
    );
    texts!(
        list,
        ref copy_folder,
        CopyFolder {
            to: DistinguishedFolder::Inbox.into(),
            ids: ids.clone()
        }
    );
    for disposal in DisposalType::ALL {
        let request = DeleteFolder {
            ids: ids.clone(),
            disposal: *disposal,
        };
        texts!(list, ref delete_folder, request);
    }
    let mut one = GetDelegate::all(mailbox());
    texts!(list, ref get_delegate, one.clone());
    one.users = vec![delegate().user];
    one.include_permissions = false;
    texts!(list, ref get_delegate, one);
    let deliver = Some(DeliverMeetingRequests::DelegatesAndMe);
    let add = AddDelegate {
        mailbox: mailbox(),
        delegates: vec![delegate(), Delegate::default()],
        deliver_meeting_requests: deliver,
    };
    texts!(list, ref add_delegate, add);
    for delegates in [vec![delegate()], vec![]] {
        let update = UpdateDelegate {
            mailbox: mailbox(),
            delegates,
            deliver_meeting_requests: deliver,
        };
        texts!(list, ref update_delegate, update);
    }
    let remove = RemoveDelegate {
        mailbox: mailbox(),
        users: vec![delegate().user],
    };
    texts!(list, ref remove_delegate, remove);
    rule_requests(list).await;
    let get = GetUserOofSettings { mailbox: mailbox() };
    texts!(list, ref get_user_oof_settings, get);
    let set = SetUserOofSettings {
        mailbox: mailbox(),
        settings: oof(),
    };
    texts!(list, ref set_user_oof_settings, set);
    configuration_requests(list).await;
}

async fn rule_requests(list: &mut Vec<(&'static str, String)>) {
    for mailbox in [None, Some("a@example.test".to_owned())] {
        let get = GetInboxRules {
            mailbox: mailbox.clone(),
        };
        texts!(list, ref get_inbox_rules, get);
        let update = UpdateInboxRules {
            mailbox,
            remove_outlook_rule_blob: true,
            operations: vec![
                RuleOperation::Create(rule()),
                RuleOperation::Set(rule()),
                RuleOperation::Delete("AQ==".into()),
                RuleOperation::Create(InboxRule {
                    display_name: "bare".into(),
                    priority: 1,
                    ..InboxRule::default()
                }),
            ],
        };
        texts!(list, ref update_inbox_rules, update);
    }
}

async fn configuration_requests(list: &mut Vec<(&'static str, String)>) {
    let name = UserConfigurationName {
        folder: FolderIdRef::Distinguished {
            folder: DistinguishedFolder::Root,
            mailbox: Some("a@example.test".into()),
        },
        name: "OWA.UserOptions".into(),
    };
    let get = GetUserConfiguration { name: name.clone() };
    texts!(list, ref get_user_configuration, get);
    let by_id = UserConfigurationName::new(FolderId::new("f"), "x");
    let delete = DeleteUserConfiguration {
        name: by_id.clone(),
    };
    texts!(list, ref delete_user_configuration, delete);
    let bare = UserConfiguration::new(by_id);
    for configuration in [configuration(), bare] {
        let create = CreateUserConfiguration {
            configuration: configuration.clone(),
        };
        texts!(list, ref create_user_configuration, create);
        texts!(
            list,
            ref update_user_configuration,
            UpdateUserConfiguration { configuration }
        );
    }
}

/// An element as its text and back.
fn again(element: &XmlElement) -> XmlElement {
    let text = element.to_xml();
    let read = XmlElement::from_xml(&text).unwrap();
    assert_eq!(read.to_xml(), text);
    read
}

#[test]
fn a_kept_setting_is_the_same_when_read_again() {
    let rule = rule();
    let kept = InboxRule::from_element(&again(&rule.to_element()));
    assert_eq!(kept.unwrap(), rule);
    for is_calendar in [false, true] {
        let set = permissions(is_calendar);
        let kept = FolderPermissions::from_element(&again(&set.to_element()));
        assert_eq!(kept.unwrap(), set);
    }
    let kept = Delegate::from_element(&again(&delegate().to_element()));
    assert_eq!(kept.unwrap(), delegate());
    let kept = OofSettings::from_element(&again(&oof().to_element()));
    assert_eq!(kept.unwrap(), oof());
    let mut object = configuration();
    object.item_id = Some(ItemId::with_change_key("i", "k"));
    let kept = UserConfiguration::from_element(&again(&object.to_element()));
    assert_eq!(kept.unwrap(), object);
}

#[test]
fn another_element_is_no_setting() {
    let error = InboxRule::from_element(&XmlElement::new("Role")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
    assert!(error.to_string().contains("Role"), "{error}");
    let deep = format!("{}{}", "<a>".repeat(40), "</a>".repeat(40));
    assert!(XmlElement::from_xml(&deep).is_err());
    assert!(XmlElement::from_xml("no XML").is_err());
}

#[test]
fn the_folders_of_a_rule_can_be_exchanged() {
    let mut rule = rule();
    assert_eq!(rule.folder_ids(), ["AAMk="]);
    rule.map_folder_ids(|id| format!("new-{id}"));
    assert_eq!(rule.folder_ids(), ["new-AAMk="]);
    assert!(!rule.to_element().to_xml().contains("ChangeKey"));
}

/// The sample of that name.
fn sample(file: &str) -> Option<Answer> {
    let text = std::fs::read_to_string(shared("ews/samples")?.join(file));
    Some(Answer::xml(text.unwrap()))
}

#[tokio::test]
async fn a_rule_of_a_real_server_has_its_values() {
    let Some(answer) = sample("GetInboxRules/002.response.xml") else {
        return;
    };
    let (client, _, _) = client([answer]);
    let found = client
        .get_inbox_rules(&GetInboxRules::default())
        .await
        .unwrap();
    assert_eq!(found.outlook_rule_blob_exists, Some(false));
    let names: Vec<_> = found.rules.iter().map(|rule| &*rule.display_name).collect();
    assert_eq!(names, ["Alfred", "Important"]);
    let actions = found.rules[1].actions.as_ref().unwrap();
    assert_eq!(actions.child_text("MarkImportance"), Some("High"));
    assert_eq!(found.rules[0].folder_ids().len(), 1);
}

#[tokio::test]
async fn refused_rules_say_which_and_why() {
    let errors = "<m:RuleOperationErrors><t:RuleOperationError><t:OperationIndex>1</t:OperationIndex>\
        <t:ValidationErrors><t:Error><t:FieldURI>Action:MoveToFolder</t:FieldURI>\
        <t:ErrorCode>FolderDoesNotExist</t:ErrorCode><t:ErrorMessage>gone</t:ErrorMessage>\
        <t:FieldValue/></t:Error></t:ValidationErrors></t:RuleOperationError></m:RuleOperationErrors>";
    let text = envelope(&format!(
        "<m:UpdateInboxRulesResponse ResponseClass=\"Error\"><m:ResponseCode>\
         ErrorInboxRulesValidationError</m:ResponseCode>{errors}</m:UpdateInboxRulesResponse>"
    ));
    let (client, _, _) = client([Answer::xml(text)]);
    let request = UpdateInboxRules {
        mailbox: None,
        remove_outlook_rule_blob: false,
        operations: vec![RuleOperation::Create(rule())],
    };
    let errors = client.update_inbox_rules(&request).await.unwrap();
    let expected = RuleError {
        operation: 1,
        field: "Action:MoveToFolder".into(),
        code: "FolderDoesNotExist".into(),
        message: "gone".into(),
    };
    assert_eq!(errors, [expected]);
}

#[tokio::test]
async fn delegates_of_the_documentation_have_their_values() {
    let Some(answer) = sample("GetDelegate/002.response.xml") else {
        return;
    };
    let (client, _, _) = client([answer]);
    let found = client
        .get_delegate(&GetDelegate::all("a@example.test"))
        .await
        .unwrap();
    assert!(found.deliver_meeting_requests.is_some());
    let first = found.delegates[0].as_ref().unwrap();
    assert!(first.user.primary_smtp_address.is_some(), "{first:?}");
    assert!(first.view_private_items.is_some());
}

#[tokio::test]
async fn a_mailbox_without_delegates_has_an_empty_list() {
    let text = envelope(
        "<m:GetDelegateResponse ResponseClass=\"Success\"><m:ResponseCode>NoError</m:ResponseCode>\
         <m:DeliverMeetingRequests>NoForward</m:DeliverMeetingRequests></m:GetDelegateResponse>",
    );
    let denied = envelope(
        "<m:GetDelegateResponse ResponseClass=\"Error\"><m:ResponseCode>ErrorAccessDenied\
         </m:ResponseCode></m:GetDelegateResponse>",
    );
    let (client, _, _) = client([Answer::xml(text), Answer::xml(denied)]);
    let request = GetDelegate::all("a@example.test");
    let found = client.get_delegate(&request).await.unwrap();
    let expected = Delegates {
        delegates: vec![],
        deliver_meeting_requests: Some(DeliverMeetingRequests::NoForward),
    };
    assert_eq!(found, expected);
    let error = client.get_delegate(&request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
}

#[tokio::test]
async fn replies_and_user_configurations_have_their_values() {
    let found = sample("GetUserOofSettings/002.response.xml");
    let Some((oof, config)) = found.zip(sample("GetUserConfiguration/002.response.xml")) else {
        return;
    };
    let (client, _, _) = client([oof, config]);
    let request = GetUserOofSettings {
        mailbox: "a@example.test".into(),
    };
    let found = client.get_user_oof_settings(&request).await.unwrap();
    assert!(found.allow_external.is_some(), "{found:?}");
    assert!(found.settings.internal_reply.is_some(), "{found:?}");
    let name = UserConfigurationName::new(DistinguishedFolder::Drafts, "TestConfig");
    let request = GetUserConfiguration { name };
    let found = client.get_user_configuration(&request).await.unwrap();
    let parts = [&found.xml_data, &found.binary_data];
    let any = parts.iter().any(|part| part.is_some());
    assert!(any || found.dictionary.is_some(), "{found:?}");
}

#[tokio::test]
async fn permissions_come_with_their_folder() {
    let set = permissions(true).to_element().to_xml();
    let folder = format!(
        "<m:Folders><t:CalendarFolder><t:FolderId Id=\"f\"/><t:DisplayName>Calendar</t:DisplayName>\
         {set}</t:CalendarFolder></m:Folders>"
    );
    let text = response(
        "GetFolder",
        &[&message("GetFolder", "Success", "NoError", &folder)],
    );
    let (client, _, _) = client([Answer::xml(text)]);
    let request = GetFolder {
        shape: FolderShape::new(BaseShape::IdOnly)
            .with([PropertyPath::field("folder:PermissionSet")]),
        ids: vec![DistinguishedFolder::Calendar.into()],
    };
    let found = client
        .get_folder(&request)
        .await
        .unwrap()
        .remove(0)
        .unwrap();
    assert_eq!(found.permissions, Some(permissions(true)));
}

#[tokio::test]
async fn requests_go_where_they_are_routed() {
    let (client, playback, _) = client([Answer::with(404, ""), Answer::with(404, "")]);
    let impersonating = client.for_mailbox(Access::Impersonate("b@example.test".into()));
    let routed = impersonating.routed(Routing {
        anchor_mailbox: Some("pf1@example.test".into()),
        public_folder_mailbox: Some("pf2@example.test".into()),
    });
    let request = GetInboxRules::default();
    for client in [&impersonating, &routed] {
        client.get_inbox_rules(&request).await.unwrap_err();
    }
    let seen = playback.seen.lock().unwrap();
    let headers = |index: usize| -> Vec<(&str, &str)> {
        let all = seen.requests[index].headers.iter();
        all.filter(|(name, _)| name.starts_with("x-"))
            .map(|(name, value)| (*name, &**value))
            .collect()
    };
    assert_eq!(headers(0), [("x-anchormailbox", "b@example.test")]);
    let expected = [
        ("x-anchormailbox", "pf1@example.test"),
        ("x-publicfoldermailbox", "pf2@example.test"),
    ];
    assert_eq!(headers(1), expected);
}

#[test]
fn what_cannot_be_written_is_left_out_when_it_is_read() {
    let read = XmlElement::from_xml("<Rule><a\u{e9}/><Name x\u{e9}=\"1\">a\0b</Name></Rule>");
    let read = read.unwrap();
    assert_eq!(read.to_xml(), "<Rule><Name>a\u{fffd}b</Name></Rule>");
    assert_eq!(XmlElement::from_xml(&read.to_xml()).unwrap(), read);
    assert!(XmlElement::from_xml("<\u{e9}/>").is_err());
}

#[tokio::test]
async fn a_time_zone_travels_with_every_request() {
    let (client, playback, _) = client([Answer::with(404, ""), Answer::with(404, "")]);
    let zoned = client.in_time_zone("W. Europe <Standard> Time");
    let request = GetInboxRules::default();
    for client in [&client, &zoned] {
        client.get_inbox_rules(&request).await.unwrap_err();
    }
    let bodies = playback.bodies();
    assert!(!bodies[0].contains("TimeZoneContext"));
    let header = "<t:TimeZoneContext><t:TimeZoneDefinition \
                  Id=\"W. Europe &lt;Standard&gt; Time\"/></t:TimeZoneContext></soap:Header>";
    assert!(bodies[1].contains(header), "{}", bodies[1]);
}

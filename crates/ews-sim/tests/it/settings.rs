//! Settings beside items, each answer checked against the official schema.

use ews_sim::Sim;

use crate::support::{ALICE, Bench, between, envelope, validate_all};

const BOB: &str = "bob@example.com";

async fn bench() -> Bench {
    let sim = Sim::builder().mailbox(ALICE).mailbox(BOB).build().unwrap();
    Bench::start(sim).await
}

/// Sends operations as the owner of a mailbox, and checks all answers against the schema.
async fn ask_all(bench: &Bench, operations: &[String]) -> Vec<String> {
    let mut answers = Vec::new();
    for operation in operations {
        let answer = bench.post(ALICE, envelope("", operation)).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answers.push(answer.body);
    }
    validate_all(&answers);
    answers
}

fn code(answer: &str) -> &str {
    between(answer, "<m:ResponseCode>", "</m:ResponseCode>")
}

fn get_folder(id: &str) -> String {
    format!(
        "<m:GetFolder><m:FolderShape><t:BaseShape>AllProperties</t:BaseShape>\
         <t:AdditionalProperties><t:FieldURI FieldURI=\"folder:PermissionSet\"/>\
         </t:AdditionalProperties></m:FolderShape><m:FolderIds>\
         <t:DistinguishedFolderId Id=\"{id}\"/></m:FolderIds></m:GetFolder>"
    )
}

fn set_permissions(id: &str, element: &str, list: &str) -> String {
    format!(
        "<m:UpdateFolder><m:FolderChanges><t:FolderChange><t:DistinguishedFolderId Id=\"{id}\"/>\
         <t:Updates><t:SetFolderField><t:FieldURI FieldURI=\"folder:PermissionSet\"/><t:{element}>\
         <t:PermissionSet>{list}</t:PermissionSet></t:{element}></t:SetFolderField></t:Updates>\
         </t:FolderChange></m:FolderChanges></m:UpdateFolder>"
    )
}

fn permission(user: &str, level: &str) -> String {
    format!(
        "<t:Permission><t:UserId><t:PrimarySmtpAddress>{user}</t:PrimarySmtpAddress></t:UserId>\
         <t:PermissionLevel>{level}</t:PermissionLevel></t:Permission>"
    )
}

#[tokio::test]
async fn permissions_are_kept_and_roles_spelt_out() {
    let bench = bench().await;
    let editor = format!(
        "<t:Permissions>{}</t:Permissions>",
        permission(BOB, "PublishingEditor")
    );
    let stranger = format!(
        "<t:Permissions>{}</t:Permissions>",
        permission("nobody@example.com", "Editor")
    );
    let answers = ask_all(
        &bench,
        &[
            get_folder("calendar"),
            get_folder("inbox"),
            set_permissions("inbox", "Folder", &editor),
            get_folder("inbox"),
            set_permissions("inbox", "Folder", &stranger),
            set_permissions("calendar", "CalendarFolder", &editor),
        ],
    )
    .await;
    assert!(answers[0].contains("<t:CalendarPermissionLevel>FreeBusyTimeOnly<"));
    assert_eq!(answers[1].matches("<t:PermissionLevel>None<").count(), 2);
    assert_eq!(code(&answers[2]), "NoError");
    assert!(
        answers[3].contains(BOB) && answers[3].contains("<t:PermissionLevel>PublishingEditor<")
    );
    assert!(answers[3].contains("<t:EditItems>All<"), "{}", answers[3]);
    assert_eq!(code(&answers[4]), "ErrorInvalidUserInfo");
    assert_eq!(
        code(&answers[5]),
        "ErrorCannotSetNonCalendarPermissionOnCalendarFolder"
    );
}

fn delegates(operation: &str, attributes: &str, content: &str) -> String {
    format!(
        "<m:{operation}{attributes}><m:Mailbox><t:EmailAddress>{ALICE}</t:EmailAddress></m:Mailbox>\
         {content}</m:{operation}>"
    )
}

fn bob_as_delegate(level: &str) -> String {
    format!(
        "<m:DelegateUsers><t:DelegateUser><t:UserId><t:PrimarySmtpAddress>{BOB}</t:PrimarySmtpAddress>\
         </t:UserId><t:DelegatePermissions><t:CalendarFolderPermissionLevel>{level}\
         </t:CalendarFolderPermissionLevel></t:DelegatePermissions></t:DelegateUser></m:DelegateUsers>"
    )
}

#[tokio::test]
async fn delegates_come_change_and_go() {
    let bench = bench().await;
    let get = || delegates("GetDelegate", " IncludePermissions=\"true\"", "");
    let deliver = "<m:DeliverMeetingRequests>DelegatesAndMe</m:DeliverMeetingRequests>";
    let add = delegates(
        "AddDelegate",
        "",
        &format!("{}{deliver}", bob_as_delegate("Editor")),
    );
    let user = format!(
        "<m:UserIds><t:UserId><t:PrimarySmtpAddress>{BOB}</t:PrimarySmtpAddress></t:UserId></m:UserIds>"
    );
    let answers = ask_all(
        &bench,
        &[
            get(),
            add.clone(),
            get(),
            add,
            delegates("UpdateDelegate", "", &bob_as_delegate("Reviewer")),
            get(),
            delegates("RemoveDelegate", "", &user),
            delegates("RemoveDelegate", "", &user),
            get(),
            get().replace(ALICE, BOB),
        ],
    )
    .await;
    assert!(!answers[0].contains("DelegateUser"));
    assert!(answers[2].contains("<t:CalendarFolderPermissionLevel>Editor<"));
    assert!(answers[2].contains("<m:DeliverMeetingRequests>DelegatesAndMe<"));
    assert!(answers[3].contains("ErrorDelegateAlreadyExists"));
    assert!(answers[5].contains("<t:CalendarFolderPermissionLevel>Reviewer<"));
    assert!(answers[7].contains("ErrorNotDelegate"));
    assert!(!answers[8].contains(BOB));
    assert_eq!(code(&answers[9]), "ErrorAccessDenied");
}

fn rule(name: &str, priority: i32, actions: &str) -> String {
    format!(
        "<t:CreateRuleOperation><t:Rule><t:DisplayName>{name}</t:DisplayName><t:Priority>{priority}\
         </t:Priority><t:IsEnabled>true</t:IsEnabled><t:Conditions><t:SentToMe>true</t:SentToMe>\
         </t:Conditions>{actions}</t:Rule></t:CreateRuleOperation>"
    )
}

fn update_rules(operations: &str) -> String {
    format!(
        "<m:UpdateInboxRules><m:RemoveOutlookRuleBlob>true</m:RemoveOutlookRuleBlob><m:Operations>\
         {operations}</m:Operations></m:UpdateInboxRules>"
    )
}

#[tokio::test]
async fn rules_are_changed_all_or_none() {
    let bench = bench().await;
    let get = "<m:GetInboxRules/>".to_owned();
    let move_to = "<t:Actions><t:MoveToFolder><t:DistinguishedFolderId Id=\"junkemail\"/>\
        </t:MoveToFolder></t:Actions>";
    let stop = "<t:Actions><t:StopProcessingRules>true</t:StopProcessingRules></t:Actions>";
    let both = format!("{}{}", rule("second", 2, stop), rule("first", 1, move_to));
    let half = format!("{}{}", rule("third", 3, stop), rule("fourth", 4, ""));
    let answers = ask_all(
        &bench,
        &[
            get.clone(),
            update_rules(&both),
            get.clone(),
            update_rules(&half),
            get.clone(),
        ],
    )
    .await;
    assert!(answers[0].contains("<m:InboxRules/>"));
    assert_eq!(code(&answers[1]), "NoError");
    let list = &answers[2];
    assert!(list.find("first") < list.find("second") && list.contains("<t:SentToMe>true<"));
    assert_eq!(code(&answers[3]), "ErrorInboxRulesValidationError");
    assert!(answers[3].contains("<t:OperationIndex>1<") && answers[3].contains("MissingAction"));
    assert_eq!(answers[4], answers[2]);
    let id = between(list, "<t:RuleId>", "</t:RuleId>").to_owned();
    let delete =
        format!("<t:DeleteRuleOperation><t:RuleId>{id}</t:RuleId></t:DeleteRuleOperation>");
    let twice = [update_rules(&delete), update_rules(&delete), get];
    let answers = ask_all(&bench, &twice).await;
    assert!(answers[1].contains("RuleNotFound"));
    assert!(!answers[2].contains("first") && answers[2].contains("second"));
}

/// ews-javascript-api and the library it was made of write both states with every rule.
#[tokio::test]
async fn a_rule_may_say_that_nothing_is_wrong_with_it_and_not_that_something_is() {
    let bench = bench().await;
    let stop = "<t:Actions><t:StopProcessingRules>true</t:StopProcessingRules></t:Actions>";
    let said = |state: &str, value: &str| {
        let enabled = "<t:IsEnabled>true</t:IsEnabled>";
        let more = format!("{enabled}<t:{state}>{value}</t:{state}>");
        update_rules(&rule(state, 1, stop).replace(enabled, &more))
    };
    for state in ["IsNotSupported", "IsInError"] {
        let requests = [said(state, "false"), said(state, "true")];
        let answers = ask_all(&bench, &requests).await;
        assert_eq!(code(&answers[0]), "NoError", "{state}");
        assert_eq!(code(&answers[1]), "ErrorInboxRulesValidationError");
        assert!(
            answers[1].contains(&format!("<t:FieldURI>{state}<")),
            "{}",
            answers[1]
        );
        assert!(answers[1].contains("NotSettable"));
    }
}

#[tokio::test]
async fn replies_are_kept_with_their_language() {
    let bench = bench().await;
    let mailbox = format!("<t:Mailbox><t:Address>{ALICE}</t:Address></t:Mailbox>");
    let get = format!("<m:GetUserOofSettingsRequest>{mailbox}</m:GetUserOofSettingsRequest>");
    let set = |end: &str| {
        format!(
            "<m:SetUserOofSettingsRequest>{mailbox}<t:UserOofSettings><t:OofState>Scheduled</t:OofState>\
             <t:ExternalAudience>All</t:ExternalAudience><t:Duration><t:StartTime>2026-01-02T00:00:00Z\
             </t:StartTime><t:EndTime>{end}</t:EndTime></t:Duration><t:InternalReply xml:lang=\"de-CH\">\
             <t:Message>&lt;p&gt;Weg&lt;/p&gt;</t:Message></t:InternalReply></t:UserOofSettings>\
             </m:SetUserOofSettingsRequest>"
        )
    };
    let answers = ask_all(
        &bench,
        &[
            get.clone(),
            set("2026-01-03T00:00:00Z"),
            get,
            set("2026-01-01T00:00:00Z"),
        ],
    )
    .await;
    assert!(answers[0].contains("<t:OofState>Disabled<"));
    assert!(answers[2].contains("xml:lang=\"de-CH\"") && answers[2].contains("&lt;p&gt;Weg"));
    assert_eq!(code(&answers[3]), "ErrorInvalidScheduledOofDuration");
}

const FIND_HIDDEN: &str = "<m:FindItem Traversal=\"Associated\"><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape>\
        <t:AdditionalProperties><t:FieldURI FieldURI=\"item:ItemClass\"/></t:AdditionalProperties>\
        </m:ItemShape><m:ParentFolderIds><t:DistinguishedFolderId Id=\"inbox\"/></m:ParentFolderIds>\
        </m:FindItem>";

const CREATE_HIDDEN: &str = "<m:CreateItem MessageDisposition=\"SaveOnly\"><m:SavedItemFolderId>\
        <t:DistinguishedFolderId Id=\"inbox\"/></m:SavedItemFolderId><m:Items><t:Message>\
        <t:ItemClass>IPM.Custom.Hidden</t:ItemClass><t:Subject>hidden</t:Subject>\
        <t:IsAssociated>true</t:IsAssociated></t:Message></m:Items></m:CreateItem>";

#[tokio::test]
async fn user_configurations_are_hidden_items() {
    let bench = bench().await;
    let name = "<t:UserConfigurationName Name=\"Views\"><t:DistinguishedFolderId Id=\"inbox\"/>\
        </t:UserConfigurationName>";
    let in_messages = name.replace("t:UserConfigurationName", "m:UserConfigurationName");
    let entry = |value: &str| {
        format!(
            "<t:DictionaryEntry><t:DictionaryKey><t:Type>String</t:Type><t:Value>a &amp; b</t:Value>\
             </t:DictionaryKey>{value}</t:DictionaryEntry>"
        )
    };
    let array = entry(
        "<t:DictionaryValue><t:Type>StringArray</t:Type><t:Value>x:1</t:Value><t:Value>yy</t:Value>\
         </t:DictionaryValue>",
    );
    let write = |operation: &str, content: &str| {
        format!(
            "<m:{operation}><m:UserConfiguration>{name}{content}</m:UserConfiguration></m:{operation}>"
        )
    };
    let content = format!("<t:Dictionary>{array}</t:Dictionary><t:XmlData>PGEvPg==</t:XmlData>");
    let get = format!(
        "<m:GetUserConfiguration>{in_messages}<m:UserConfigurationProperties>All\
         </m:UserConfigurationProperties></m:GetUserConfiguration>"
    );
    let delete = format!("<m:DeleteUserConfiguration>{in_messages}</m:DeleteUserConfiguration>");
    let answers = ask_all(
        &bench,
        &[
            get.clone(),
            write("CreateUserConfiguration", &content),
            write("CreateUserConfiguration", &content),
            get.clone(),
            write(
                "UpdateUserConfiguration",
                "<t:BinaryData>AAEC</t:BinaryData>",
            ),
            get.clone(),
            CREATE_HIDDEN.to_owned(),
            FIND_HIDDEN.to_owned(),
            delete.clone(),
            delete,
        ],
    )
    .await;
    assert_eq!(code(&answers[0]), "ErrorItemNotFound");
    assert_eq!(code(&answers[2]), "ErrorItemSave");
    assert!(answers[3].contains("<t:Value>x:1</t:Value><t:Value>yy</t:Value>"));
    assert!(answers[3].contains("<t:XmlData>PGEvPg==<") && answers[3].contains("a &amp; b"));
    let both = answers[5].contains("<t:BinaryData>AAEC<") && answers[5].contains("PGEvPg==");
    assert!(both, "{}", answers[5]);
    assert!(answers[7].contains("IPM.Configuration.Views"));
    assert!(answers[7].contains("IPM.Custom.Hidden"));
    assert_eq!(code(&answers[8]), "NoError");
    assert_eq!(code(&answers[9]), "ErrorItemNotFound");
    assert!(
        bench
            .sim
            .mailbox(ALICE)
            .unwrap()
            .items("Inbox")
            .unwrap()
            .is_empty()
    );
}

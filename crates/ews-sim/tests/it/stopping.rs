//! State on disk: a simulator that is stopped and started is the same one.

use ews_sim::{Deletion, GenerateConfig, MailboxHandle, Sim, SimBuilder};

use crate::support::{ALICE, Bench, attrs, between};

const OTHER: &str = "other@example.com";

fn world() -> SimBuilder {
    let generated = GenerateConfig {
        seed: 11,
        mailboxes: 1,
        items: 60,
    };
    Sim::builder()
        .mailbox(ALICE)
        .mailbox(OTHER)
        .archive(ALICE)
        .public_folders()
        .generate(generated)
        .synthetic(ALICE, "Inbox/Computed", 300, 5)
        .large_item(ALICE, "Inbox/Large", "huge", 3_000_000, 9)
}

fn sync(folder: &str, state: &str) -> String {
    format!(
        "<m:SyncFolderItems><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape></m:ItemShape>\
         <m:SyncFolderId><t:FolderId Id=\"{folder}\"/></m:SyncFolderId>{state}\
         <m:MaxChangesReturned>512</m:MaxChangesReturned></m:SyncFolderItems>"
    )
}

/// Everything that can be seen of a mailbox: folders, items with their ids, keys and streams.
fn all_of(mailbox: &MailboxHandle) -> Vec<String> {
    let mut seen = Vec::new();
    for folder in mailbox.folders() {
        let items = mailbox.items(&folder.id).unwrap();
        let hidden = mailbox.associated_items(&folder.id).unwrap();
        for item in items.iter().chain(&hidden) {
            let hash = match item.size {
                0..1_000_000 => blake3::hash(&mailbox.export(&item.id).unwrap()).to_string(),
                _ => mailbox.export(&item.id).unwrap().len().to_string(),
            };
            seen.push(format!("{item:?} {hash}"));
        }
        seen.push(format!("{folder:?}"));
    }
    seen
}

/// What only the protocol shows: permissions, delegates, rules, replies, configurations, all
/// folders with all their properties.
fn questions() -> Vec<String> {
    let ids = "<m:ParentFolderIds><t:DistinguishedFolderId Id=\"root\"/></m:ParentFolderIds>";
    vec![
        format!(
            "<m:FindFolder Traversal=\"Deep\"><m:FolderShape><t:BaseShape>AllProperties</t:BaseShape>\
             <t:AdditionalProperties><t:ExtendedFieldURI PropertyTag=\"0x670A\" PropertyType=\"SystemTime\"/>\
             <t:ExtendedFieldURI PropertyTag=\"0x670B\" PropertyType=\"Integer\"/>\
             <t:ExtendedFieldURI PropertyTag=\"0x6815\" PropertyType=\"String\"/></t:AdditionalProperties>\
             </m:FolderShape>{ids}</m:FindFolder>"
        ),
        "<m:GetFolder><m:FolderShape><t:BaseShape>IdOnly</t:BaseShape><t:AdditionalProperties>\
         <t:FieldURI FieldURI=\"folder:PermissionSet\"/></t:AdditionalProperties></m:FolderShape>\
         <m:FolderIds><t:DistinguishedFolderId Id=\"calendar\"/></m:FolderIds></m:GetFolder>"
            .to_owned(),
        format!(
            "<m:GetDelegate IncludePermissions=\"true\"><m:Mailbox><t:EmailAddress>{ALICE}\
             </t:EmailAddress></m:Mailbox></m:GetDelegate>"
        ),
        "<m:GetInboxRules/>".to_owned(),
        format!(
            "<m:GetUserOofSettingsRequest><t:Mailbox><t:Address>{ALICE}</t:Address></t:Mailbox>\
             </m:GetUserOofSettingsRequest>"
        ),
        "<m:GetUserConfiguration><m:UserConfigurationName Name=\"Kept\"><t:DistinguishedFolderId \
         Id=\"inbox\"/></m:UserConfigurationName><m:UserConfigurationProperties>All\
         </m:UserConfigurationProperties></m:GetUserConfiguration>"
            .to_owned(),
    ]
}

/// Changes one of each kind of setting, and some items.
async fn change(bench: &Bench) {
    let alice = bench.sim.mailbox(ALICE).unwrap();
    let ids: Vec<String> = alice
        .items("Inbox/Computed")
        .unwrap()
        .into_iter()
        .map(|i| i.id)
        .collect();
    alice.edit_subject(&ids[3], "changed").unwrap();
    alice.set_read(&ids[4], true).unwrap();
    alice.move_item(&ids[5], "Inbox/Elsewhere").unwrap();
    alice.delete(&ids[6], Deletion::Soft).unwrap();
    alice.create_folder("Inbox/Gone").unwrap();
    alice.delete_folder("Inbox/Gone").unwrap();
    for request in [
        "<m:UpdateFolder><m:FolderChanges><t:FolderChange><t:DistinguishedFolderId Id=\"calendar\"/>\
         <t:Updates><t:SetFolderField><t:FieldURI FieldURI=\"folder:PermissionSet\"/><t:CalendarFolder>\
         <t:PermissionSet><t:CalendarPermissions><t:CalendarPermission><t:UserId>\
         <t:DistinguishedUser>Default</t:DistinguishedUser></t:UserId>\
         <t:CalendarPermissionLevel>FreeBusyTimeAndSubjectAndLocation</t:CalendarPermissionLevel>\
         </t:CalendarPermission></t:CalendarPermissions></t:PermissionSet></t:CalendarFolder>\
         </t:SetFolderField></t:Updates></t:FolderChange></m:FolderChanges></m:UpdateFolder>",
        "<m:UpdateFolder><m:FolderChanges><t:FolderChange><t:DistinguishedFolderId Id=\"inbox\"/>\
         <t:Updates><t:SetFolderField><t:ExtendedFieldURI PropertyTag=\"0x6815\" PropertyType=\"String\"/>\
         <t:Folder><t:ExtendedProperty><t:ExtendedFieldURI PropertyTag=\"0x6815\" PropertyType=\"String\"/>\
         <t:Value>kept</t:Value></t:ExtendedProperty></t:Folder></t:SetFolderField></t:Updates>\
         </t:FolderChange></m:FolderChanges></m:UpdateFolder>",
        "<m:UpdateInboxRules><m:RemoveOutlookRuleBlob>true</m:RemoveOutlookRuleBlob><m:Operations>\
         <t:CreateRuleOperation><t:Rule><t:DisplayName>r</t:DisplayName><t:Priority>1</t:Priority>\
         <t:IsEnabled>true</t:IsEnabled><t:Conditions><t:ContainsSubjectStrings><t:String>x</t:String>\
         </t:ContainsSubjectStrings></t:Conditions><t:Actions><t:MarkAsRead>true</t:MarkAsRead>\
         </t:Actions></t:Rule></t:CreateRuleOperation></m:Operations></m:UpdateInboxRules>",
    ] {
        let answer = bench.ask(ALICE, request).await;
        assert!(
            answer.contains("NoError") && !answer.contains("\"Error\""),
            "{answer}"
        );
    }
    let oof = format!(
        "<m:SetUserOofSettingsRequest><t:Mailbox><t:Address>{ALICE}</t:Address></t:Mailbox>\
         <t:UserOofSettings><t:OofState>Enabled</t:OofState><t:ExternalAudience>All</t:ExternalAudience>\
         <t:InternalReply><t:Message>away</t:Message></t:InternalReply></t:UserOofSettings>\
         </m:SetUserOofSettingsRequest>"
    );
    bench.ask(ALICE, &oof).await;
    let delegate = format!(
        "<m:AddDelegate><m:Mailbox><t:EmailAddress>{ALICE}</t:EmailAddress></m:Mailbox><m:DelegateUsers>\
         <t:DelegateUser><t:UserId><t:PrimarySmtpAddress>{OTHER}</t:PrimarySmtpAddress></t:UserId>\
         <t:DelegatePermissions><t:TasksFolderPermissionLevel>Author</t:TasksFolderPermissionLevel>\
         </t:DelegatePermissions></t:DelegateUser></m:DelegateUsers></m:AddDelegate>"
    );
    let configuration = "<m:CreateUserConfiguration><m:UserConfiguration>\
        <t:UserConfigurationName Name=\"Kept\"><t:DistinguishedFolderId Id=\"inbox\"/>\
        </t:UserConfigurationName><t:XmlData>PGEvPg==</t:XmlData></m:UserConfiguration>\
        </m:CreateUserConfiguration>";
    for request in [delegate.as_str(), configuration] {
        let answer = bench.ask(ALICE, request).await;
        assert!(!answer.contains("\"Error\""), "{answer}");
    }
}

async fn answers(bench: &Bench) -> Vec<String> {
    let mut answers = Vec::new();
    for question in questions() {
        answers.push(
            bench
                .post(ALICE, crate::support::envelope("", &question))
                .await
                .body,
        );
    }
    answers
}

#[tokio::test]
async fn what_is_stopped_and_started_is_the_same_to_the_last_byte() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::start(world().state(folder.path()).build().unwrap()).await;
    let people = bench.sim.mailboxes();
    let alice = bench.sim.mailbox(ALICE).unwrap();
    let computed = alice.create_folder("Inbox/Computed").unwrap();
    let first = bench.ask(ALICE, &sync(&computed, "")).await;
    let synced = between(&first, "<m:SyncState>", "</m:SyncState>").to_owned();
    change(&bench).await;
    let before: Vec<Vec<String>> = people
        .iter()
        .map(|who| all_of(&bench.sim.mailbox(who).unwrap()))
        .collect();
    let told = answers(&bench).await;
    let since = sync(&computed, &format!("<m:SyncState>{synced}</m:SyncState>"));
    let changes = bench.ask(ALICE, &since).await;
    bench.sim.save(folder.path()).unwrap();
    bench.server.stop().await;

    let bench = Bench::start(world().state(folder.path()).build().unwrap()).await;
    assert_eq!(bench.sim.mailboxes(), people);
    let after: Vec<Vec<String>> = people
        .iter()
        .map(|who| all_of(&bench.sim.mailbox(who).unwrap()))
        .collect();
    assert_eq!(after, before);
    assert_eq!(answers(&bench).await, told);
    assert!(
        told.iter()
            .any(|answer| answer.contains("<t:Value>kept</t:Value>"))
    );
    assert!(
        told.iter()
            .any(|answer| answer.contains("FreeBusyTimeAndSubjectAndLocation"))
    );
    assert_eq!(
        bench.ask(ALICE, &since).await,
        changes,
        "old sync states hold"
    );
    assert_eq!(changes.matches("<t:Delete>").count(), 2);
    // It goes on where it stood: new ids, new changes, later times.
    let alice = bench.sim.mailbox(ALICE).unwrap();
    let new = alice
        .add_mime("Inbox/Computed", b"Subject: new\r\n\r\nx")
        .unwrap();
    assert!(!before.iter().flatten().any(|seen| seen.contains(&new)));
    let state = between(&changes, "<m:SyncState>", "</m:SyncState>");
    let later = bench
        .ask(
            ALICE,
            &sync(&computed, &format!("<m:SyncState>{state}</m:SyncState>")),
        )
        .await;
    assert_eq!(attrs(&later, "t:ItemId", "Id"), [new]);
    assert!(bench.sim.archive(ALICE).is_ok() && bench.sim.public_folders().is_ok());
}

#[test]
fn a_damaged_state_is_refused_by_name_and_none_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let build = || Sim::builder().mailbox(ALICE).state(folder.path()).build();
    let sim = build().unwrap();
    sim.mailbox(ALICE)
        .unwrap()
        .add_mime("Inbox", b"Subject: x\r\n\r\ny")
        .unwrap();
    let before = sim.changes();
    sim.save(folder.path()).unwrap();
    assert_eq!(build().unwrap().changes(), before);
    let file = folder.path().join("ews-sim.state");
    let whole = std::fs::read(&file).unwrap();
    for at in [0, 20, whole.len() / 2, whole.len() - 1] {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        std::fs::write(&file, &bytes).unwrap();
        let error = build().unwrap_err();
        assert!(error.to_string().contains("ews-sim.state"), "{error}");
    }
    std::fs::write(&file, &whole[..10]).unwrap();
    assert!(build().is_err());
}

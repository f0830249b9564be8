//! Operations beyond the daily ones: conversations, people, reminders, copies of folders, paths,
//! junk, the archive, and what clients ask about the service.

use ews_sim::Sim;

use crate::support::{ALICE, Bench, attrs, between, validate_all};

const BOB: &str = "bob@example.com";

async fn bench() -> Bench {
    let sim = Sim::builder().mailbox(ALICE).archive(ALICE).mailbox(BOB);
    Bench::start(sim.build().unwrap()).await
}

/// Asks and checks what the answer says; all answers are validated in one run at the end.
struct Asking {
    bench: Bench,
    answers: Vec<String>,
}

impl Asking {
    async fn start() -> Asking {
        Asking {
            bench: bench().await,
            answers: Vec::new(),
        }
    }

    async fn ask(&mut self, operation: &str) -> String {
        let body = crate::support::envelope("", operation);
        let answer = self.bench.post(ALICE, body).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        self.answers.push(answer.body.clone());
        answer.body
    }

    fn done(&self) {
        validate_all(&self.answers);
    }
}

fn mail(subject: &str, id: u32) -> Vec<u8> {
    format!(
        "From: Bob <bob@example.com>\r\nTo: alice@example.com\r\nMessage-ID: <{id}@example.com>\r\n\
         Subject: {subject}\r\n\r\ntext\r\n"
    )
    .into_bytes()
}

fn in_folder(id: &str) -> String {
    format!("<t:DistinguishedFolderId Id=\"{id}\"/>")
}

#[tokio::test]
async fn conversations_are_listed_read_and_moved_as_one() {
    let mut asking = Asking::start().await;
    let alice = asking.bench.sim.mailbox(ALICE).unwrap();
    for (number, subject) in (0..).zip(["Plan", "Re: Plan", "Lunch"]) {
        alice.add_mime("Inbox", &mail(subject, number)).unwrap();
    }
    let find = format!(
        "<m:FindConversation><m:ParentFolderId>{}</m:ParentFolderId></m:FindConversation>",
        in_folder("inbox")
    );
    let found = asking.ask(&find).await;
    assert!(found.contains("<m:TotalConversationsInView>2<"), "{found}");
    let plan = found
        .split("<t:Conversation>")
        .find(|one| one.contains("Topic>Plan<"))
        .unwrap();
    assert_eq!(between(plan, "<t:MessageCount>", "<"), "2");
    assert_eq!(between(plan, "<t:UnreadCount>", "<"), "2");
    let id = between(plan, "<t:ConversationId Id=\"", "\"").to_owned();
    let items = asking
        .ask(&format!(
            "<m:GetConversationItems><m:ItemShape><t:BaseShape>Default</t:BaseShape></m:ItemShape>\
             <m:Conversations><t:Conversation><t:ConversationId Id=\"{id}\"/></t:Conversation>\
             </m:Conversations></m:GetConversationItems>"
        ))
        .await;
    assert_eq!(items.matches("<t:ConversationNode>").count(), 2, "{items}");
    let act = |what: &str| {
        format!(
            "<m:ApplyConversationAction><m:ConversationActions><t:ConversationAction>{what}\
             </t:ConversationAction></m:ConversationActions></m:ApplyConversationAction>"
        )
    };
    let read = format!(
        "<t:Action>SetReadState</t:Action><t:ConversationId Id=\"{id}\"/><t:IsRead>true</t:IsRead>"
    );
    asking.ask(&act(&read)).await;
    let moved = format!(
        "<t:Action>Move</t:Action><t:ConversationId Id=\"{id}\"/><t:DestinationFolderId>{}\
         </t:DestinationFolderId>",
        in_folder("notes")
    );
    asking.ask(&act(&moved)).await;
    assert_eq!(alice.item_count("Inbox").unwrap(), 1);
    assert_eq!(alice.item_count("Notes").unwrap(), 2);
    let unknown = asking
        .ask(&act(&read.replace(&id, "AAAAAAAAAAAAAAAAAAAAAA==")))
        .await;
    assert!(unknown.contains("ErrorItemNotFound"), "{unknown}");
    asking.done();
}

#[tokio::test]
async fn people_are_the_address_book_and_ones_contacts() {
    let mut asking = Asking::start().await;
    let contact = "<m:CreateItem><m:Items><t:Contact><t:DisplayName>Zora Neale</t:DisplayName>\
        <t:EmailAddresses><t:Entry Key=\"EmailAddress1\">zora@example.org</t:Entry></t:EmailAddresses>\
        </t:Contact></m:Items></m:CreateItem>";
    asking.ask(contact).await;
    let people = |id: &str, query: &str| {
        format!(
            "<m:FindPeople><m:PersonaShape><t:BaseShape>Default</t:BaseShape></m:PersonaShape>\
             <m:IndexedPageItemView MaxEntriesReturned=\"10\" Offset=\"0\" BasePoint=\"Beginning\"/>\
             <m:ParentFolderId>{}</m:ParentFolderId>{query}</m:FindPeople>",
            in_folder(id)
        )
    };
    let found = asking.ask(&people("contacts", "")).await;
    assert_eq!(between(&found, "<t:DisplayName>", "<"), "Zora Neale");
    let book = asking
        .ask(&people("directory", "<m:QueryString>bob</m:QueryString>"))
        .await;
    assert!(book.contains(BOB) && !book.contains("zora"), "{book}");
    let id = attrs(&found, "t:PersonaId", "Id").remove(0);
    let get = |what: &str| format!("<m:GetPersona>{what}</m:GetPersona>");
    let one = asking
        .ask(&get(&format!("<m:PersonaId Id=\"{id}\"/>")))
        .await;
    assert!(one.contains("zora@example.org"), "{one}");
    let by_address =
        format!("<m:EmailAddress><t:EmailAddress>{BOB}</t:EmailAddress></m:EmailAddress>");
    assert!(
        asking
            .ask(&get(&by_address))
            .await
            .contains("<t:DisplayName>bob<")
    );
    let nobody = asking.ask(&get("<m:PersonaId Id=\"AAAA\"/>")).await;
    assert!(nobody.contains("ErrorItemNotFound"), "{nobody}");
    asking.done();
}

#[tokio::test]
async fn folders_are_copied_with_all_below_and_paths_are_made_once() {
    let mut asking = Asking::start().await;
    let path = format!(
        "<m:CreateFolderPath><m:ParentFolderId>{}</m:ParentFolderId><m:RelativeFolderPath>\
         <t:Folder><t:DisplayName>One</t:DisplayName></t:Folder>\
         <t:Folder><t:DisplayName>Two</t:DisplayName></t:Folder></m:RelativeFolderPath>\
         </m:CreateFolderPath>",
        in_folder("msgfolderroot")
    );
    let first = attrs(&asking.ask(&path).await, "t:FolderId", "Id");
    let again = attrs(&asking.ask(&path).await, "t:FolderId", "Id");
    assert_eq!(first.len(), 2);
    assert_eq!(first, again);
    let alice = asking.bench.sim.mailbox(ALICE).unwrap();
    alice.add_mime("One/Two", &mail("inside", 1)).unwrap();
    let copy = |to: &str| {
        format!(
            "<m:CopyFolder><m:ToFolderId>{to}</m:ToFolderId><m:FolderIds><t:FolderId Id=\"{}\"/>\
             </m:FolderIds></m:CopyFolder>",
            first[0]
        )
    };
    assert!(
        asking
            .ask(&copy(&in_folder("inbox")))
            .await
            .contains("NoError")
    );
    assert_eq!(alice.item_count("Inbox/One/Two").unwrap(), 1);
    assert_eq!(alice.item_count("One/Two").unwrap(), 1);
    let twice = asking.ask(&copy(&in_folder("inbox"))).await;
    assert!(twice.contains("ErrorFolderExists"), "{twice}");
    let below = asking
        .ask(&copy(&format!("<t:FolderId Id=\"{}\"/>", first[1])))
        .await;
    assert!(below.contains("ErrorMoveCopyFailed"), "{below}");
    asking.done();
}

#[tokio::test]
async fn junk_and_what_is_archived_go_where_they_belong() {
    let mut asking = Asking::start().await;
    let alice = asking.bench.sim.mailbox(ALICE).unwrap();
    let junk = alice.add_mime("Inbox", &mail("Buy", 1)).unwrap();
    let mark = |id: &str, is_junk: bool| {
        format!(
            "<m:MarkAsJunk IsJunk=\"{is_junk}\" MoveItem=\"true\"><m:ItemIds><t:ItemId Id=\"{id}\"/>\
             </m:ItemIds></m:MarkAsJunk>"
        )
    };
    let marked = asking.ask(&mark(&junk, true)).await;
    assert_eq!(alice.item_count("Junk Email").unwrap(), 1);
    let moved = attrs(&marked, "m:MovedItemId", "Id").remove(0);
    asking.ask(&mark(&moved, false)).await;
    assert_eq!(alice.item_count("Inbox").unwrap(), 1);
    let old = alice.add_mime("Inbox", &mail("Old", 2)).unwrap();
    let archive = format!(
        "<m:ArchiveItem><m:ArchiveSourceFolderId>{}</m:ArchiveSourceFolderId><m:ItemIds>\
         <t:ItemId Id=\"{old}\"/></m:ItemIds></m:ArchiveItem>",
        in_folder("inbox")
    );
    let archived = asking.ask(&archive).await;
    assert!(archived.contains("NoError"), "{archived}");
    assert_eq!(alice.item_count("Inbox").unwrap(), 1);
    let find = format!(
        "<m:FindFolder Traversal=\"Deep\"><m:FolderShape><t:BaseShape>Default</t:BaseShape>\
         </m:FolderShape><m:ParentFolderIds>{}</m:ParentFolderIds></m:FindFolder>",
        in_folder("archivemsgfolderroot")
    );
    let folders = asking.ask(&find).await;
    let inbox = folders
        .split("<t:Folder>")
        .find(|one| one.contains("Name>Inbox<"))
        .unwrap();
    assert_eq!(between(inbox, "<t:TotalCount>", "<"), "1");
    asking.done();
}

#[tokio::test]
async fn reminders_are_told_put_off_and_ended() {
    let mut asking = Asking::start().await;
    let create = "<m:CreateItem SendMeetingInvitations=\"SendToNone\"><m:Items><t:CalendarItem>\
        <t:Subject>Dentist</t:Subject><t:ReminderIsSet>true</t:ReminderIsSet>\
        <t:ReminderMinutesBeforeStart>30</t:ReminderMinutesBeforeStart>\
        <t:Start>2026-03-02T10:00:00Z</t:Start><t:End>2026-03-02T11:00:00Z</t:End>\
        </t:CalendarItem></m:Items></m:CreateItem>";
    let id = attrs(&asking.ask(create).await, "t:ItemId", "Id").remove(0);
    let get = "<m:GetReminders/>";
    let due = asking.ask(get).await;
    assert_eq!(
        between(&due, "<t:ReminderTime>", "<"),
        "2026-03-02T09:30:00Z"
    );
    assert!(!between(&due, "<t:UID>", "<").is_empty());
    let act = |what: &str| {
        format!(
            "<m:PerformReminderAction><m:ReminderItemActions><t:ReminderItemAction>{what}\
             </t:ReminderItemAction></m:ReminderItemActions></m:PerformReminderAction>"
        )
    };
    let snooze = format!(
        "<t:ActionType>Snooze</t:ActionType><t:ItemId Id=\"{id}\"/>\
         <t:NewReminderTime>2026-03-02T09:55:00Z</t:NewReminderTime>"
    );
    asking.ask(&act(&snooze)).await;
    let due = asking.ask(get).await;
    assert_eq!(
        between(&due, "<t:ReminderTime>", "<"),
        "2026-03-02T09:55:00Z"
    );
    asking
        .ask(&act(&format!(
            "<t:ActionType>Dismiss</t:ActionType><t:ItemId Id=\"{id}\"/>"
        )))
        .await;
    assert!(!asking.ask(get).await.contains("<t:Reminder>"));
    asking.done();
}

#[tokio::test]
async fn questions_about_the_service_are_answered() {
    let mut asking = Asking::start().await;
    let tips = "<m:GetServiceConfiguration><m:RequestedConfiguration>\
        <m:ConfigurationName>MailTips</m:ConfigurationName>\
        <m:ConfigurationName>UnifiedMessagingConfiguration</m:ConfigurationName>\
        </m:RequestedConfiguration></m:GetServiceConfiguration>";
    let told = asking.ask(tips).await;
    assert!(told.contains("<t:Domain Name=\"example.com\""), "{told}");
    assert!(told.contains("<t:UmEnabled>false<"), "{told}");
    let expires = asking.ask("<m:GetPasswordExpirationDate/>").await;
    assert!(between(&expires, "<m:PasswordExpirationDate>", "<").ends_with('Z'));
    assert!(
        asking
            .ask("<m:GetUserRetentionPolicyTags/>")
            .await
            .contains("NoError")
    );
    let photo = asking
        .ask(&format!(
            "<m:GetUserPhoto><m:Email>{ALICE}</m:Email><m:SizeRequested>HR48x48</m:SizeRequested>\
             </m:GetUserPhoto>"
        ))
        .await;
    assert!(photo.contains("ErrorItemNotFound"), "{photo}");
    asking.done();
    let body = crate::support::envelope("", "<m:GetAppManifests/>");
    let refused = asking.bench.post(ALICE, body).await;
    assert_eq!(refused.status, 500);
    assert!(
        refused.body.contains("ErrorInvalidOperation"),
        "{}",
        refused.body
    );
}

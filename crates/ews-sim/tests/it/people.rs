//! Who may do what in whose mailbox, replies and answers to meetings, names and queries.

use ews_sim::{Account, Sim, ThrottlePolicy};
use std::time::Duration;

use crate::support::{ALICE, Bench, attrs, between, envelope, validate};

const BOB: &str = "bob@example.com";

async fn bench() -> Bench {
    let sim = Sim::builder()
        .mailbox(ALICE)
        .mailbox(BOB)
        .account(Account::impersonator_of(
            "limited@example.test",
            "secret",
            [BOB],
        ));
    Bench::start(sim.build().unwrap()).await
}

fn mail(subject: &str) -> Vec<u8> {
    format!(
        "From: Bob <bob@example.com>\r\nTo: alice@example.com, carol@example.org\r\nCc: dave@example.org\r\n\
         Message-ID: <7@example.com>\r\nSubject: {subject}\r\n\r\nThe old text.\r\n"
    )
    .into_bytes()
}

fn of(mailbox: &str, folder: &str) -> String {
    format!(
        "<m:FindItem Traversal=\"Shallow\"><m:ItemShape><t:BaseShape>Default</t:BaseShape></m:ItemShape>\
         <m:ParentFolderIds><t:DistinguishedFolderId Id=\"{folder}\"><t:Mailbox><t:EmailAddress>{mailbox}\
         </t:EmailAddress></t:Mailbox></t:DistinguishedFolderId></m:ParentFolderIds></m:FindItem>"
    )
}

fn delete(id: &str) -> String {
    format!(
        "<m:DeleteItem DeleteType=\"HardDelete\"><m:ItemIds><t:ItemId Id=\"{id}\"/></m:ItemIds></m:DeleteItem>"
    )
}

fn permit(level: &str) -> String {
    format!(
        "<m:UpdateFolder><m:FolderChanges><t:FolderChange><t:DistinguishedFolderId Id=\"inbox\"/><t:Updates>\
         <t:SetFolderField><t:FieldURI FieldURI=\"folder:PermissionSet\"/><t:Folder><t:PermissionSet>\
         <t:Permissions><t:Permission><t:UserId><t:PrimarySmtpAddress>{BOB}</t:PrimarySmtpAddress></t:UserId>\
         <t:PermissionLevel>{level}</t:PermissionLevel></t:Permission></t:Permissions></t:PermissionSet>\
         </t:Folder></t:SetFolderField></t:Updates></t:FolderChange></m:FolderChanges></m:UpdateFolder>"
    )
}

#[tokio::test]
async fn others_folders_are_open_as_far_as_their_permissions_say() {
    let bench = bench().await;
    let alice = bench.sim.mailbox(ALICE).unwrap();
    let id = alice.add_mime("Inbox", &mail("hers")).unwrap();
    let closed = bench.ask(BOB, &of(ALICE, "inbox")).await;
    assert!(closed.contains("ErrorFolderNotFound"), "{closed}");
    assert!(
        bench
            .ask(BOB, &delete(&id))
            .await
            .contains("ErrorAccessDenied")
    );
    bench.ask(ALICE, &permit("Reviewer")).await;
    let seen = bench.ask(BOB, &of(ALICE, "inbox")).await;
    assert_eq!(attrs(&seen, "t:ItemId", "Id"), [id.as_str()]);
    assert!(
        bench
            .ask(BOB, &of(ALICE, "drafts"))
            .await
            .contains("ErrorFolderNotFound")
    );
    assert!(
        bench
            .ask(BOB, &delete(&id))
            .await
            .contains("ErrorAccessDenied")
    );
    bench.ask(ALICE, &permit("Editor")).await;
    assert!(bench.ask(BOB, &delete(&id)).await.contains("NoError"));
    assert_eq!(alice.item_count("Inbox").unwrap(), 0);
}

#[tokio::test]
async fn delegates_see_the_calendar_that_they_keep() {
    let bench = bench().await;
    let add = format!(
        "<m:AddDelegate><m:Mailbox><t:EmailAddress>{ALICE}</t:EmailAddress></m:Mailbox><m:DelegateUsers>\
         <t:DelegateUser><t:UserId><t:PrimarySmtpAddress>{BOB}</t:PrimarySmtpAddress></t:UserId>\
         <t:DelegatePermissions><t:CalendarFolderPermissionLevel>Editor</t:CalendarFolderPermissionLevel>\
         </t:DelegatePermissions></t:DelegateUser></m:DelegateUsers></m:AddDelegate>"
    );
    assert!(
        bench
            .ask(BOB, &of(ALICE, "calendar"))
            .await
            .contains("ErrorFolderNotFound")
    );
    bench.ask(ALICE, &add).await;
    assert!(
        bench
            .ask(BOB, &of(ALICE, "calendar"))
            .await
            .contains("NoError")
    );
    assert!(
        bench
            .ask(BOB, &of(ALICE, "inbox"))
            .await
            .contains("ErrorFolderNotFound")
    );
}

#[tokio::test]
async fn an_account_impersonates_those_it_may_and_nobody_else() {
    let bench = bench().await;
    let get = "<m:GetFolder><m:FolderShape><t:BaseShape>Default</t:BaseShape></m:FolderShape>\
        <m:FolderIds><t:DistinguishedFolderId Id=\"inbox\"/></m:FolderIds></m:GetFolder>";
    for (address, status) in [(BOB, 200), (ALICE, 500)] {
        let header = format!(
            "<t:ExchangeImpersonation><t:ConnectingSID><t:SmtpAddress>{address}</t:SmtpAddress>\
             </t:ConnectingSID></t:ExchangeImpersonation>"
        );
        let answer = bench
            .post("limited@example.test", envelope(&header, get))
            .await;
        assert_eq!(answer.status, status, "{}", answer.body);
        assert_eq!(
            answer.body.contains("ErrorImpersonateUserDenied"),
            status == 500
        );
        validate(&answer.body);
    }
}

#[tokio::test]
async fn replies_and_forwards_are_written_from_what_they_answer() {
    let bench = bench().await;
    let alice = bench.sim.mailbox(ALICE).unwrap();
    let id = alice.add_mime("Inbox", &mail("RE: plans")).unwrap();
    let respond = |element: &str, to: &str, disposition: &str| {
        format!(
            "<m:CreateItem MessageDisposition=\"{disposition}\"><m:Items><t:{element}>{to}\
             <t:ReferenceItemId Id=\"{id}\"/><t:NewBodyContent BodyType=\"Text\">The new text.</t:NewBodyContent>\
             </t:{element}></m:Items></m:CreateItem>"
        )
    };
    let forward = "<t:ToRecipients><t:Mailbox><t:EmailAddress>eve@example.org</t:EmailAddress></t:Mailbox></t:ToRecipients>";
    for (element, to, subject, people) in [
        ("ReplyToItem", "", "RE: plans", vec!["bob@example.com"]),
        (
            "ReplyAllToItem",
            "",
            "RE: plans",
            vec!["bob@example.com", "carol@example.org", "dave@example.org"],
        ),
        ("ForwardItem", forward, "FW: plans", vec!["eve@example.org"]),
    ] {
        let answer = bench.ask(ALICE, &respond(element, to, "SaveOnly")).await;
        let made = attrs(&answer, "t:ItemId", "Id").remove(0);
        let message = alice.message(&made).unwrap();
        assert_eq!(
            message.props.text(fasttransfer::tag::SUBJECT).unwrap(),
            subject
        );
        let found: Vec<String> = message
            .recipients
            .iter()
            .map(|row| {
                row.text(fasttransfer::tag::EMAIL_ADDRESS)
                    .unwrap()
                    .into_owned()
            })
            .collect();
        assert_eq!(found, people, "{element}");
        let body = message
            .props
            .text(fasttransfer::tag::BODY)
            .unwrap()
            .into_owned();
        assert!(
            body.contains("The new text.") && body.contains("The old text."),
            "{body}"
        );
    }
    assert_eq!(
        (
            alice.item_count("Drafts").unwrap(),
            bench.sim.sent_messages()
        ),
        (3, 0)
    );
    bench
        .ask(ALICE, &respond("ReplyToItem", "", "SendAndSaveCopy"))
        .await;
    assert_eq!(
        (
            alice.item_count("Sent Items").unwrap(),
            bench.sim.sent_messages()
        ),
        (1, 1)
    );
}

#[tokio::test]
async fn an_accepted_meeting_stands_in_the_calendar() {
    let bench = bench().await;
    let alice = bench.sim.mailbox(ALICE).unwrap();
    let request = b"From: Bob <bob@example.com>\r\nTo: alice@example.com\r\nSubject: lunch\r\nMIME-Version: 1.0\r\n\
Content-Type: text/calendar; method=REQUEST; charset=utf-8\r\n\r\nBEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\n\
BEGIN:VEVENT\r\nUID:lunch-1\r\nDTSTART:20260401T100000Z\r\nDTEND:20260401T110000Z\r\nSUMMARY:lunch\r\n\
ORGANIZER:mailto:bob@example.com\r\nATTENDEE:mailto:alice@example.com\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
    let id = alice.add_mime("Inbox", request).unwrap();
    assert_eq!(
        alice.item(&id).unwrap().class,
        "IPM.Schedule.Meeting.Request"
    );
    let accept = format!(
        "<m:CreateItem MessageDisposition=\"SendAndSaveCopy\"><m:Items><t:AcceptItem><t:ReferenceItemId Id=\"{id}\"/>\
         </t:AcceptItem></m:Items></m:CreateItem>"
    );
    bench.ask(ALICE, &accept).await;
    let found = bench
        .ask(
            ALICE,
            &of(ALICE, "calendar").replace("Default", "AllProperties"),
        )
        .await;
    assert_eq!(between(&found, "<t:MyResponseType>", "<"), "Accept");
    assert_eq!(between(&found, "<t:Start>", "<"), "2026-04-01T10:00:00Z");
    assert_eq!(alice.item_count("Inbox").unwrap(), 0);
    let sent = alice.items("Sent Items").unwrap();
    assert_eq!(sent[0].class, "IPM.Schedule.Meeting.Resp.Pos");
}

#[tokio::test]
async fn names_are_resolved_from_the_directory_and_from_contacts() {
    let bench = bench().await;
    let alice = bench.sim.mailbox(ALICE).unwrap();
    let card = b"BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Bobby Tables\r\nN:Tables;Bobby\r\nEMAIL:bobby@example.org\r\nEND:VCARD\r\n";
    alice.add_vcf("Contacts", card).unwrap();
    let resolve = |name: &str, scope: &str| {
        format!(
            "<m:ResolveNames ReturnFullContactData=\"true\" SearchScope=\"{scope}\">\
             <m:UnresolvedEntry>{name}</m:UnresolvedEntry></m:ResolveNames>"
        )
    };
    for (name, scope, class, found) in [
        ("bob", "ActiveDirectoryContacts", "Warning", 2),
        ("bob", "ActiveDirectory", "Success", 1),
        ("bob", "Contacts", "Success", 1),
        ("tables", "ContactsActiveDirectory", "Success", 1),
        ("nobody", "ActiveDirectoryContacts", "Error", 0),
    ] {
        let answer = bench.ask(ALICE, &resolve(name, scope)).await;
        assert_eq!(
            answer.matches("<t:Resolution>").count(),
            found,
            "{name} {scope}: {answer}"
        );
        assert_eq!(
            between(&answer, "ResponseClass=\"", "\""),
            class,
            "{name} {scope}"
        );
        assert_eq!(
            answer.contains("ErrorNameResolutionMultipleResults"),
            class == "Warning"
        );
    }
}

#[tokio::test]
async fn queries_and_containment_find_what_they_say() {
    let bench = bench().await;
    let alice = bench.sim.mailbox(ALICE).unwrap();
    for subject in ["quarterly report", "reporting line", "lunch"] {
        alice.add_mime("Inbox", &mail(subject)).unwrap();
    }
    let find = |restriction: &str, query: &str| {
        format!(
            "<m:FindItem Traversal=\"Shallow\"><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape></m:ItemShape>\
             {restriction}<m:ParentFolderIds><t:DistinguishedFolderId Id=\"inbox\"/></m:ParentFolderIds>{query}\
             </m:FindItem>"
        )
    };
    for (query, found) in [
        ("report", 2),
        ("subject:report line", 1),
        ("subject:\"quarterly report\"", 1),
        ("from:bob", 3),
        ("from:eve", 0),
        ("report NOT line", 1),
        ("lunch OR quarterly", 2),
    ] {
        let query = format!("<m:QueryString>{query}</m:QueryString>");
        let answer = bench.ask(ALICE, &find("", &query)).await;
        assert_eq!(attrs(&answer, "t:ItemId", "Id").len(), found, "{query}");
    }
    for (mode, text, found) in [
        ("Substring", "port", 2),
        ("Prefixed", "report", 1),
        ("PrefixOnWords", "report", 2),
        ("ExactPhrase", "report", 1),
        ("FullString", "lunch", 1),
    ] {
        let restriction = format!(
            "<m:Restriction><t:Contains ContainmentMode=\"{mode}\" ContainmentComparison=\"IgnoreCase\">\
             <t:FieldURI FieldURI=\"item:Subject\"/><t:Constant Value=\"{text}\"/></t:Contains></m:Restriction>"
        );
        let answer = bench.ask(ALICE, &find(&restriction, "")).await;
        assert_eq!(attrs(&answer, "t:ItemId", "Id").len(), found, "{mode}");
    }
}

#[tokio::test]
async fn the_default_policy_limits_rows_and_stops_batches_after_a_minute() {
    let mut policy = ThrottlePolicy::exchange_default();
    policy.batch_time = Duration::from_millis(60);
    policy.item_time = Duration::from_millis(20);
    let sim = Sim::builder()
        .mailbox(ALICE)
        .synthetic(ALICE, "Inbox", 1500, 3)
        .throttle(Some(policy));
    let bench = Bench::start(sim.build().unwrap()).await;
    let find = |restriction: &str| {
        format!(
            "<m:FindItem Traversal=\"Shallow\"><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape></m:ItemShape>\
             <m:IndexedPageItemView MaxEntriesReturned=\"5000\" Offset=\"0\" BasePoint=\"Beginning\"/>{restriction}\
             <m:ParentFolderIds><t:DistinguishedFolderId Id=\"inbox\"/></m:ParentFolderIds></m:FindItem>"
        )
    };
    let all = bench.ask(ALICE, &find("")).await;
    let ids = attrs(&all, "t:ItemId", "Id");
    assert_eq!(ids.len(), 1000);
    assert!(
        all.contains("IndexedPagingOffset=\"1000\"") && all.contains("TotalItemsInView=\"1500\"")
    );
    let exists = "<m:Restriction><t:Exists><t:FieldURI FieldURI=\"item:Subject\"/></t:Exists></m:Restriction>";
    let searched = bench.ask(ALICE, &find(exists)).await;
    assert_eq!(attrs(&searched, "t:ItemId", "Id").len(), 250);
    let wanted: String = ids
        .iter()
        .take(5)
        .map(|id| format!("<t:ItemId Id=\"{id}\"/>"))
        .collect();
    for operation in ["ExportItems", "GetItem"] {
        let shape = match operation {
            "GetItem" => "<m:ItemShape><t:BaseShape>IdOnly</t:BaseShape></m:ItemShape>",
            _ => "",
        };
        let request =
            format!("<m:{operation}>{shape}<m:ItemIds>{wanted}</m:ItemIds></m:{operation}>");
        let answer = bench.ask(ALICE, &request).await;
        let classes = attrs(
            &answer,
            &format!("m:{operation}ResponseMessage"),
            "ResponseClass",
        );
        assert_eq!(
            classes,
            ["Success", "Success", "Warning", "Warning", "Warning"],
            "{operation}"
        );
        assert_eq!(answer.matches("ErrorBatchProcessingStopped").count(), 3);
    }
    let stopped: u32 = bench
        .sim
        .throttle_log()
        .iter()
        .map(|entry| entry.stopped)
        .sum();
    assert_eq!(stopped, 6);
}

#[tokio::test]
async fn an_author_makes_items_and_changes_only_the_own_ones() {
    let bench = bench().await;
    let alice = bench.sim.mailbox(ALICE).unwrap();
    let hers = alice.add_mime("Inbox", &mail("hers")).unwrap();
    bench.ask(ALICE, &permit("Author")).await;
    let inbox = format!(
        "<t:DistinguishedFolderId Id=\"inbox\"><t:Mailbox><t:EmailAddress>{ALICE}</t:EmailAddress>\
         </t:Mailbox></t:DistinguishedFolderId>"
    );
    let create = format!(
        "<m:CreateItem MessageDisposition=\"SaveOnly\"><m:SavedItemFolderId>{inbox}</m:SavedItemFolderId>\
         <m:Items><t:Message><t:Subject>his</t:Subject></t:Message></m:Items></m:CreateItem>"
    );
    let made = bench.ask(BOB, &create).await;
    let his = attrs(&made, "t:ItemId", "Id").remove(0);
    let attach = |id: &str| {
        format!(
            "<m:CreateAttachment><m:ParentItemId Id=\"{id}\"/><m:Attachments><t:FileAttachment>\
             <t:Name>a</t:Name><t:Content>AAAA</t:Content></t:FileAttachment></m:Attachments>\
             </m:CreateAttachment>"
        )
    };
    assert!(bench.ask(BOB, &attach(&his)).await.contains("NoError"));
    assert!(
        bench
            .ask(BOB, &attach(&hers))
            .await
            .contains("ErrorAccessDenied")
    );
    assert!(
        bench
            .ask(BOB, &delete(&hers))
            .await
            .contains("ErrorAccessDenied")
    );
    let folder = format!(
        "<m:CreateFolder><m:ParentFolderId>{inbox}</m:ParentFolderId><m:Folders><t:Folder>\
         <t:DisplayName>his</t:DisplayName></t:Folder></m:Folders></m:CreateFolder>"
    );
    let refused = bench.ask(BOB, &folder).await;
    assert!(
        refused.contains("ErrorCreateSubfolderAccessDenied"),
        "{refused}"
    );
    let empty = format!(
        "<m:EmptyFolder DeleteType=\"HardDelete\" DeleteSubFolders=\"false\"><m:FolderIds>{inbox}\
         </m:FolderIds></m:EmptyFolder>"
    );
    assert!(bench.ask(BOB, &empty).await.contains("ErrorAccessDenied"));
    assert!(bench.ask(BOB, &delete(&his)).await.contains("NoError"));
}

#[tokio::test]
async fn a_draft_is_sent_as_it_was_read_and_its_copy_goes_where_that_is_asked() {
    let bench = bench().await;
    let create = "<m:CreateItem MessageDisposition=\"SaveOnly\"><m:Items><t:Message><t:Subject>x</t:Subject>\
        <t:ToRecipients><t:Mailbox><t:EmailAddress>carol@example.org</t:EmailAddress></t:Mailbox>\
        </t:ToRecipients></t:Message></m:Items></m:CreateItem>";
    let made = bench.ask(ALICE, create).await;
    let id = attrs(&made, "t:ItemId", "Id").remove(0);
    let key = attrs(&made, "t:ItemId", "ChangeKey").remove(0);
    let send = |key: &str, saves: bool| {
        format!(
            "<m:SendItem SaveItemToFolder=\"{saves}\"><m:ItemIds><t:ItemId Id=\"{id}\"{key}/></m:ItemIds>\
             <m:SavedItemFolderId><t:DistinguishedFolderId Id=\"notes\"/></m:SavedItemFolderId></m:SendItem>"
        )
    };
    let keyed = format!(" ChangeKey=\"{key}\"");
    assert!(
        bench
            .ask(ALICE, &send("", true))
            .await
            .contains("ErrorChangeKeyRequired")
    );
    let wrong = bench.ask(ALICE, &send(&keyed, false)).await;
    assert!(
        wrong.contains("ErrorInvalidSendItemSaveSettings"),
        "{wrong}"
    );
    assert!(
        bench
            .ask(ALICE, &send(&keyed, true))
            .await
            .contains("NoError")
    );
    let alice = bench.sim.mailbox(ALICE).unwrap();
    assert_eq!(alice.item_count("Notes").unwrap(), 1);
    assert_eq!(alice.item_count("Drafts").unwrap(), 0);
    assert_eq!(bench.sim.sent_messages(), 1);
}

//! UploadItems and ExportItems into and out of mailboxes of others: by permissions, as a delegate,
//! and by impersonation.

use ews_sim::{Account, MailboxHandle, Sim};

use crate::support::{ALICE, Bench, attrs, between, envelope, validate};

const BOB: &str = "bob@example.com";
const LIMITED: &str = "limited@example.test";

async fn bench() -> Bench {
    let limited = Account::impersonator_of(LIMITED, "secret", [BOB]);
    let sim = Sim::builder().mailbox(ALICE).mailbox(BOB).account(limited);
    Bench::start(sim.build().unwrap()).await
}

fn mail(number: u32) -> Vec<u8> {
    format!("From: bob@example.com\r\nSubject: mail {number}\r\n\r\nText {number}.\r\n")
        .into_bytes()
}

fn inbox(mailbox: &MailboxHandle) -> String {
    let mut folders = mailbox.folders().into_iter();
    folders.find(|folder| folder.path == "Inbox").unwrap().id
}

/// The native stream of a mail that is in no mailbox of the test.
async fn stream() -> String {
    let bench = bench().await;
    let bob = bench.sim.mailbox(BOB).unwrap();
    let id = bob.add_mime("Drafts", &mail(1)).unwrap();
    let answer = bench.ask(BOB, &export(&id)).await;
    between(&answer, "<m:Data>", "</m:Data>").to_owned()
}

fn export(id: &str) -> String {
    format!("<m:ExportItems><m:ItemIds><t:ItemId Id=\"{id}\"/></m:ItemIds></m:ExportItems>")
}

fn upload(folder: &str, replaced: Option<&str>, data: &str) -> String {
    let (action, id) = match replaced {
        Some(id) => ("Update", format!("<t:ItemId Id=\"{id}\"/>")),
        None => ("CreateNew", String::new()),
    };
    format!(
        "<m:UploadItems><m:Items><t:Item CreateAction=\"{action}\"><t:ParentFolderId Id=\"{folder}\"/>\
         {id}<t:Data>{data}</t:Data></t:Item></m:Items></m:UploadItems>"
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

fn delegate(level: &str) -> String {
    format!(
        "<m:AddDelegate><m:Mailbox><t:EmailAddress>{ALICE}</t:EmailAddress></m:Mailbox><m:DelegateUsers>\
         <t:DelegateUser><t:UserId><t:PrimarySmtpAddress>{BOB}</t:PrimarySmtpAddress></t:UserId>\
         <t:DelegatePermissions><t:InboxFolderPermissionLevel>{level}</t:InboxFolderPermissionLevel>\
         </t:DelegatePermissions></t:DelegateUser></m:DelegateUsers></m:AddDelegate>"
    )
}

/// What Bob may do in Alice's inbox: upload a new item, replace it, replace hers, export hers.
async fn tried(grant: Option<String>, data: &str) -> [bool; 4] {
    let bench = bench().await;
    let alice = bench.sim.mailbox(ALICE).unwrap();
    let hers = alice.add_mime("Inbox", &mail(2)).unwrap();
    if let Some(grant) = grant {
        assert!(bench.ask(ALICE, &grant).await.contains("NoError"));
    }
    let folder = inbox(&alice);
    let fared = |answer: &str| {
        let code = between(answer, "<m:ResponseCode>", "<");
        assert!(["NoError", "ErrorAccessDenied"].contains(&code), "{answer}");
        code == "NoError"
    };
    let made = bench.ask(BOB, &upload(&folder, None, data)).await;
    let ids = attrs(&made, "m:ItemId", "Id");
    let replaced_own = match ids.first() {
        Some(id) => fared(&bench.ask(BOB, &upload(&folder, Some(id), data)).await),
        None => false,
    };
    let replaced_hers = fared(&bench.ask(BOB, &upload(&folder, Some(&hers), data)).await);
    let exported = fared(&bench.ask(BOB, &export(&hers)).await);
    // What is refused leaves no trace.
    assert_eq!(alice.items("Inbox").unwrap().len(), 1 + ids.len());
    let subject = if replaced_hers { "mail 1" } else { "mail 2" };
    assert_eq!(alice.item(&hers).unwrap().subject, subject);
    [fared(&made), replaced_own, replaced_hers, exported]
}

#[tokio::test]
async fn uploads_into_folders_of_others_go_as_far_as_their_permissions() {
    let data = stream().await;
    for (level, expected) in [
        (None, [false, false, false, false]),
        (Some("Reviewer"), [false, false, false, true]),
        (Some("Author"), [true, true, false, true]),
        (Some("Editor"), [true, true, true, true]),
    ] {
        let by_permission = tried(level.map(permit), &data).await;
        assert_eq!(by_permission, expected, "{level:?} by permission");
        let as_delegate = tried(level.map(delegate), &data).await;
        assert_eq!(as_delegate, expected, "{level:?} as a delegate");
    }
}

#[tokio::test]
async fn an_impersonator_uploads_as_those_it_may_be_and_where_they_may() {
    let data = stream().await;
    let bench = bench().await;
    let (alice, bob) = (
        bench.sim.mailbox(ALICE).unwrap(),
        bench.sim.mailbox(BOB).unwrap(),
    );
    let send = async |who: Option<&str>, folder: &str| {
        let header = who.map_or(String::new(), |address| {
            format!(
                "<t:ExchangeImpersonation><t:ConnectingSID><t:SmtpAddress>{address}</t:SmtpAddress>\
                 </t:ConnectingSID></t:ExchangeImpersonation>"
            )
        });
        let body = envelope(&header, &upload(folder, None, &data));
        let answer = bench.post(LIMITED, body).await;
        validate(&answer.body);
        answer
    };
    let taken = send(Some(BOB), &inbox(&bob)).await;
    assert_eq!(taken.status, 200);
    let id = attrs(&taken.body, "m:ItemId", "Id").remove(0);
    assert_eq!(bob.item(&id).unwrap().subject, "mail 1");

    // As somebody it may not be, as itself, and as Bob where Bob may not.
    let other = send(Some(ALICE), &inbox(&alice)).await;
    assert_eq!(other.status, 500);
    assert!(other.body.contains("ErrorImpersonateUserDenied"));
    for (who, folder) in [(None, inbox(&bob)), (Some(BOB), inbox(&alice))] {
        let refused = send(who, &folder).await;
        assert_eq!(refused.status, 200);
        let code = between(&refused.body, "<m:ResponseCode>", "<");
        assert_eq!(code, "ErrorAccessDenied", "as {who:?}");
    }
    let counts = [&alice, &bob].map(|mailbox| mailbox.item_count("Inbox").unwrap());
    assert_eq!(counts, [0, 1]);
}

//! Operations over HTTP, each answer checked against the official schema.

use ews_sim::{Deletion, Sim};

use crate::support::{ALICE, Bench, attrs, between, envelope, shared, validate, validate_all};

const MAIL: &[u8] = b"From: Bob <bob@example.com>\r\nTo: Alice <alice@example.com>\r\n\
Subject: quarterly figures\r\nMessage-ID: <1@example.com>\r\nDate: Mon, 5 Jan 2026 09:00:00 +0000\r\n\
MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\n\
The figures.\r\n--b\r\nContent-Type: application/pdf; name=a.pdf\r\n\
Content-Disposition: attachment; filename=a.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n\
AAECAwQFBgcICQ==\r\n--b--\r\n";

fn sync(folder: &str, state: &str, max: u32) -> String {
    let state = if state.is_empty() {
        String::new()
    } else {
        format!("<m:SyncState>{state}</m:SyncState>")
    };
    format!(
        "<m:SyncFolderItems><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape></m:ItemShape>\
         <m:SyncFolderId><t:DistinguishedFolderId Id=\"{folder}\"/></m:SyncFolderId>{state}\
         <m:MaxChangesReturned>{max}</m:MaxChangesReturned></m:SyncFolderItems>"
    )
}

fn item_ids(ids: &[&str]) -> String {
    let ids: Vec<String> = ids
        .iter()
        .map(|id| format!("<t:ItemId Id=\"{id}\"/>"))
        .collect();
    format!("<m:ItemIds>{}</m:ItemIds>", ids.concat())
}

async fn bench() -> Bench {
    let sim = Sim::builder().mailbox(ALICE).build().unwrap();
    Bench::start(sim).await
}

#[tokio::test]
async fn sync_tells_creations_changes_read_flags_moves_and_deletions() {
    let bench = bench().await;
    let alice = bench.sim.mailbox(ALICE).unwrap();
    let ids: Vec<String> = (0..5)
        .map(|_| alice.add_mime("Inbox", MAIL).unwrap())
        .collect();
    let first = bench.ask(ALICE, &sync("inbox", "", 512)).await;
    assert_eq!(first.matches("<t:Create>").count(), 5);
    let state = between(&first, "<m:SyncState>", "</m:SyncState>").to_owned();
    let quiet = bench.ask(ALICE, &sync("inbox", &state, 512)).await;
    assert!(quiet.contains("<m:Changes/>"), "{quiet}");
    alice.edit_subject(&ids[0], "changed").unwrap();
    alice.set_read(&ids[1], true).unwrap();
    let moved = alice.move_item(&ids[2], "Archive").unwrap();
    assert_ne!(moved, ids[2]);
    alice.delete(&ids[3], Deletion::Soft).unwrap();
    alice.add_mime("Inbox", MAIL).unwrap();
    let second = bench.ask(ALICE, &sync("inbox", &state, 512)).await;
    for (element, count) in [
        ("Create", 1),
        ("Update", 1),
        ("ReadFlagChange", 1),
        ("Delete", 2),
    ] {
        assert_eq!(
            second.matches(&format!("<t:{element}>")).count(),
            count,
            "{element}"
        );
    }
    assert_eq!(alice.items("recoverableitemsdeletions").unwrap().len(), 1);
}

#[tokio::test]
async fn sync_pages_never_lose_or_repeat_items_while_the_mailbox_changes() {
    let bench = bench().await;
    let alice = bench.sim.mailbox(ALICE).unwrap();
    let ids: Vec<String> = (0..10)
        .map(|_| alice.add_mime("Inbox", MAIL).unwrap())
        .collect();
    let mut created = Vec::new();
    let mut state = String::new();
    for page in 0..20 {
        let answer = bench.ask(ALICE, &sync("inbox", &state, 3)).await;
        between(&answer, "<m:SyncState>", "</m:SyncState>").clone_into(&mut state);
        for part in answer.split("<t:Create>").skip(1) {
            created.push(between(part, "Id=\"", "\"").to_owned());
        }
        if page == 0 {
            alice.edit_subject(&ids[0], "seen already").unwrap();
            alice.edit_subject(&ids[9], "not seen yet").unwrap();
        }
        if answer.contains("<m:IncludesLastItemInRange>true") {
            break;
        }
    }
    created.sort();
    let mut expected = ids.clone();
    expected.sort();
    assert_eq!(created, expected);
}

#[tokio::test]
async fn ids_and_sync_states_survive_a_restart_on_the_same_data() {
    let build = || {
        Sim::builder()
            .mailbox(ALICE)
            .synthetic(ALICE, "Inbox", 1000, 3)
            .build()
            .unwrap()
    };
    let bench = Bench::start(build()).await;
    let first = bench.ask(ALICE, &sync("inbox", "", 512)).await;
    assert_eq!(first.matches("<t:Create>").count(), 512);
    assert!(first.contains("<m:IncludesLastItemInRange>false"));
    let state = between(&first, "<m:SyncState>", "</m:SyncState>").to_owned();
    bench.server.stop().await;
    let bench = Bench::start(build()).await;
    let second = bench.ask(ALICE, &sync("inbox", &state, 512)).await;
    assert_eq!(second.matches("<t:Create>").count(), 488);
    assert!(second.contains("<m:IncludesLastItemInRange>true"));
    for bad in ["garbage", "AAAA", &state.replacen('A', "B", 1)] {
        let answer = bench.ask(ALICE, &sync("inbox", bad, 512)).await;
        assert!(answer.contains("ErrorInvalidSyncStateData"), "{answer}");
    }
}

#[tokio::test]
async fn an_export_uploaded_elsewhere_is_the_same_item() {
    let sim = Sim::builder()
        .mailbox(ALICE)
        .mailbox("bob@example.com")
        .build()
        .unwrap();
    let bench = Bench::start(sim).await;
    let alice = bench.sim.mailbox(ALICE).unwrap();
    let id = alice.add_mime("Inbox", MAIL).unwrap();
    let request = format!(
        "<m:ExportItems>{}</m:ExportItems>",
        item_ids(&[&id, "DUMMY"])
    );
    let answer = bench.ask(ALICE, &request).await;
    assert!(answer.contains("ErrorInvalidIdMalformed"));
    let data = between(&answer, "<m:Data>", "</m:Data>");
    assert!(data.starts_with(
        "AQAAAAgAAAAAAAAAAQAAAAMAAAAYAAAAAQAAAAcDAgAAAAAAwAAAAAAAAEYAJACABAAAAAYAAAA"
    ));
    let bob = bench.sim.mailbox("bob@example.com").unwrap();
    let inbox = bob
        .folders()
        .into_iter()
        .find(|folder| folder.path == "Inbox")
        .unwrap();
    let upload = format!(
        "<m:UploadItems><m:Items><t:Item CreateAction=\"CreateNew\"><t:ParentFolderId Id=\"{}\"/>\
         <t:Data>{data}</t:Data></t:Item></m:Items></m:UploadItems>",
        inbox.id
    );
    let answer = bench.ask("bob@example.com", &upload).await;
    let new = attrs(&answer, "m:ItemId", "Id").remove(0);
    assert_eq!(bob.mime(&new).unwrap(), MAIL);
    assert_eq!(
        bob.export(&new).unwrap().len(),
        alice.export(&id).unwrap().len()
    );
    let broken = upload.replace(data, &data[..data.len() / 8 * 4]);
    assert!(
        bench
            .ask("bob@example.com", &broken)
            .await
            .contains("ErrorCorruptData")
    );
    let stats = bench.sim.stats();
    assert_eq!((stats.items_exported, stats.items_uploaded), (1, 1));
}

#[tokio::test]
async fn items_are_created_read_changed_moved_and_deleted() {
    let bench = bench().await;
    let create = "<m:CreateItem MessageDisposition=\"SaveOnly\"><m:SavedItemFolderId>\
        <t:DistinguishedFolderId Id=\"drafts\"/></m:SavedItemFolderId><m:Items><t:Message>\
        <t:Subject>hi</t:Subject><t:Body BodyType=\"HTML\">&lt;b&gt;x&lt;/b&gt;</t:Body>\
        <t:ExtendedProperty><t:ExtendedFieldURI PropertySetId=\"11111111-2222-3333-4444-555555555555\" \
        PropertyName=\"k\" PropertyType=\"String\"/><t:Value>v</t:Value></t:ExtendedProperty>\
        <t:ToRecipients><t:Mailbox><t:EmailAddress>bob@example.com</t:EmailAddress></t:Mailbox>\
        </t:ToRecipients></t:Message></m:Items></m:CreateItem>";
    let answer = bench.ask(ALICE, create).await;
    let id = attrs(&answer, "t:ItemId", "Id").remove(0);
    let get = |id: &str| {
        format!(
            "<m:GetItem><m:ItemShape><t:BaseShape>AllProperties</t:BaseShape>\
             <t:IncludeMimeContent>true</t:IncludeMimeContent><t:AdditionalProperties>\
             <t:ExtendedFieldURI PropertySetId=\"11111111-2222-3333-4444-555555555555\" \
             PropertyName=\"k\" PropertyType=\"String\"/></t:AdditionalProperties></m:ItemShape>{}\
             </m:GetItem>",
            item_ids(&[id])
        )
    };
    let answer = bench.ask(ALICE, &get(&id)).await;
    assert!(answer.contains("<t:Value>v</t:Value>") && answer.contains("&lt;b&gt;x&lt;/b&gt;"));
    let update = format!(
        "<m:UpdateItem ConflictResolution=\"AlwaysOverwrite\" MessageDisposition=\"SaveOnly\">\
         <m:ItemChanges><t:ItemChange><t:ItemId Id=\"{id}\"/><t:Updates><t:SetItemField>\
         <t:FieldURI FieldURI=\"item:Subject\"/><t:Message><t:Subject>new &amp; old</t:Subject></t:Message>\
         </t:SetItemField></t:Updates></t:ItemChange></m:ItemChanges></m:UpdateItem>"
    );
    bench.ask(ALICE, &update).await;
    assert!(
        bench
            .ask(ALICE, &get(&id))
            .await
            .contains("<t:Subject>new &amp; old</t:Subject>")
    );
    let relocate = format!(
        "<m:MoveItem><m:ToFolderId><t:DistinguishedFolderId Id=\"inbox\"/></m:ToFolderId>{}</m:MoveItem>",
        item_ids(&[&id])
    );
    let moved = attrs(&bench.ask(ALICE, &relocate).await, "t:ItemId", "Id").remove(0);
    assert!(
        bench
            .ask(ALICE, &get(&id))
            .await
            .contains("ErrorItemNotFound")
    );
    let delete = format!(
        "<m:DeleteItem DeleteType=\"HardDelete\">{}</m:DeleteItem>",
        item_ids(&[&moved])
    );
    bench.ask(ALICE, &delete).await;
    assert!(
        bench
            .ask(ALICE, &get(&moved))
            .await
            .contains("ErrorItemNotFound")
    );
    assert_eq!(bench.sim.sent_messages(), 0);
}

#[tokio::test]
async fn generated_items_of_all_kinds_are_valid_in_all_shapes() {
    let config = ews_sim::GenerateConfig {
        seed: 5,
        mailboxes: 1,
        items: 60,
    };
    let bench = Bench::start(Sim::builder().generate(config).build().unwrap()).await;
    let user = bench.sim.mailboxes().remove(0);
    let mailbox = bench.sim.mailbox(&user).unwrap();
    let mut ids = Vec::new();
    for folder in mailbox.folders() {
        ids.extend(
            mailbox
                .items(&folder.id)
                .unwrap()
                .into_iter()
                .map(|item| item.id),
        );
    }
    assert!(ids.len() >= 50);
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let get = format!(
        "<m:GetItem><m:ItemShape><t:BaseShape>AllProperties</t:BaseShape></m:ItemShape>{}</m:GetItem>",
        item_ids(&ids)
    );
    let answer = bench.ask(&user, &get).await;
    assert_eq!(
        answer.matches("ResponseClass=\"Success\"").count(),
        ids.len()
    );
    let find = "<m:FindFolder Traversal=\"Deep\"><m:FolderShape><t:BaseShape>AllProperties</t:BaseShape>\
        <t:AdditionalProperties><t:ExtendedFieldURI PropertyTag=\"0x670A\" PropertyType=\"SystemTime\"/>\
        <t:ExtendedFieldURI PropertyTag=\"0x670B\" PropertyType=\"Integer\"/></t:AdditionalProperties>\
        </m:FolderShape><m:ParentFolderIds><t:DistinguishedFolderId Id=\"root\"/></m:ParentFolderIds></m:FindFolder>";
    let folders = bench.ask(&user, find).await;
    assert!(folders.contains("PropertyTag=\"0x670A\"") && folders.contains("recoverableitemsroot"));
    let hierarchy = "<m:SyncFolderHierarchy><m:FolderShape><t:BaseShape>Default</t:BaseShape>\
        </m:FolderShape></m:SyncFolderHierarchy>";
    bench.ask(&user, hierarchy).await;
}

#[tokio::test]
async fn impersonation_is_for_those_who_may() {
    let sim = Sim::builder()
        .mailbox(ALICE)
        .mailbox("bob@example.com")
        .build()
        .unwrap();
    let bench = Bench::start(sim).await;
    let get = "<m:GetFolder><m:FolderShape><t:BaseShape>Default</t:BaseShape></m:FolderShape>\
        <m:FolderIds><t:DistinguishedFolderId Id=\"inbox\"/></m:FolderIds></m:GetFolder>";
    let header = |address: &str| {
        format!(
            "<t:ExchangeImpersonation><t:ConnectingSID><t:SmtpAddress>{address}</t:SmtpAddress>\
             </t:ConnectingSID></t:ExchangeImpersonation>"
        )
    };
    for (user, address, status, code) in [
        ("svc@example.test", ALICE, 200, "NoError"),
        (
            "svc@example.test",
            "nobody@example.com",
            500,
            "ErrorNonExistentMailbox",
        ),
        (ALICE, "bob@example.com", 500, "ErrorImpersonateUserDenied"),
    ] {
        let answer = bench.post(user, envelope(&header(address), get)).await;
        assert_eq!(answer.status, status);
        assert!(answer.body.contains(code), "{}", answer.body);
        validate(&answer.body);
    }
    let alone = bench.ask("svc@example.test", get).await;
    assert!(alone.contains("ErrorMissingEmailAddress"));
    let wrong = bench
        .http()
        .get(bench.server.url())
        .basic_auth(ALICE, Some("no"))
        .send();
    let wrong = wrong.await.unwrap();
    assert_eq!(wrong.status(), 401);
    let offers = wrong.headers().get_all("www-authenticate");
    assert!(
        offers
            .iter()
            .any(|offer| offer.as_bytes().starts_with(b"Basic"))
    );
}

#[tokio::test]
async fn recorded_client_requests_get_valid_answers() {
    let Some(dir) = shared("ews/client-requests") else {
        return;
    };
    let bench = bench().await;
    let alice = bench.sim.mailbox(ALICE).unwrap();
    for _ in 0..3 {
        alice.add_mime("Inbox", MAIL).unwrap();
    }
    let mut answers = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for client in std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
    {
        let Ok(files) = std::fs::read_dir(&client) else {
            continue;
        };
        for file in files.map(|entry| entry.unwrap().path()) {
            let raw = std::fs::read_to_string(&file).unwrap();
            let Some(start) = raw
                .find("\r\n\r\n")
                .map(|at| at + 4)
                .or(raw.find("\n\n").map(|at| at + 2))
            else {
                continue;
            };
            let body = raw[start..].to_owned();
            if !body.contains("Envelope") || !seen.insert(body.clone()) {
                continue;
            }
            let answer = bench.post(ALICE, body).await;
            assert_eq!(answer.status, 200, "{}: {}", file.display(), answer.body);
            answers.push(answer.body);
        }
    }
    assert!(answers.len() > 40, "{}", answers.len());
    validate_all(&answers);
}

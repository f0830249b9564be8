//! ExportItems and UploadItems, requirement by requirement (MS-OXWSBTRF); which test stands for
//! which is in `tests/requirements`.

use ews_sim::{MailboxHandle, Sim};
use fasttransfer::tag;

use crate::support::{ALICE, Bench, attrs, between, envelope, validate};

const BOB: &str = "bob@example.com";

async fn bench() -> Bench {
    let sim = Sim::builder().mailbox(ALICE).mailbox(BOB);
    Bench::start(sim.build().unwrap()).await
}

fn mail(number: u32) -> Vec<u8> {
    format!("From: bob@example.com\r\nSubject: mail {number}\r\n\r\nText {number}.\r\n")
        .into_bytes()
}

fn export(ids: &[&str]) -> String {
    let ids: String = ids
        .iter()
        .map(|id| format!("<t:ItemId Id=\"{id}\"/>"))
        .collect();
    format!("<m:ExportItems><m:ItemIds>{ids}</m:ItemIds></m:ExportItems>")
}

/// One item to upload; `extra` stands between the folder and the data.
fn item(action: &str, attributes: &str, folder: &str, extra: &str, data: &str) -> String {
    format!(
        "<t:Item CreateAction=\"{action}\"{attributes}><t:ParentFolderId Id=\"{folder}\"/>{extra}\
         <t:Data>{data}</t:Data></t:Item>"
    )
}

fn upload(items: &[String]) -> String {
    format!(
        "<m:UploadItems><m:Items>{}</m:Items></m:UploadItems>",
        items.concat()
    )
}

fn folder_id(mailbox: &MailboxHandle, path: &str) -> String {
    let folders = mailbox.folders();
    folders
        .into_iter()
        .find(|folder| folder.path == path)
        .unwrap()
        .id
}

/// The exported data of an item.
async fn data_of(bench: &Bench, id: &str) -> String {
    let answer = bench.ask(ALICE, &export(&[id])).await;
    between(&answer, "<m:Data>", "</m:Data>").to_owned()
}

#[tokio::test]
async fn an_export_names_each_item_and_carries_its_data() {
    let bench = bench().await;
    let alice = bench.sim.mailbox(ALICE).unwrap();
    let ids: Vec<String> = (0..3)
        .map(|n| alice.add_mime("Inbox", &mail(n)).unwrap())
        .collect();
    let wanted = [ids[2].as_str(), ids[0].as_str()];
    let answer = bench.ask(ALICE, &export(&wanted)).await;
    assert_eq!(answer.matches("<m:ExportItemsResponse ").count(), 1);
    assert_eq!(answer.matches("<m:ResponseMessages>").count(), 1);
    assert_eq!(answer.matches("ResponseClass=\"Success\"").count(), 2);
    assert_eq!(
        answer
            .matches("<m:ResponseCode>NoError</m:ResponseCode>")
            .count(),
        2
    );
    assert_eq!(attrs(&answer, "m:ItemId", "Id"), wanted);
    for (id, part) in wanted.iter().zip(answer.split("<m:Data>").skip(1)) {
        let data = part.split("</m:Data>").next().unwrap();
        let data = base64_simd::STANDARD.decode_to_vec(data).unwrap();
        assert_eq!(data, alice.export(id).unwrap());
    }
}

#[tokio::test]
async fn an_item_that_cannot_be_exported_is_an_error_of_its_own() {
    let bench = bench().await;
    let alice = bench.sim.mailbox(ALICE).unwrap();
    let kept = alice.add_mime("Inbox", &mail(1)).unwrap();
    let gone = alice.add_mime("Inbox", &mail(2)).unwrap();
    alice.delete(&gone, ews_sim::Deletion::Hard).unwrap();
    let answer = bench.ask(ALICE, &export(&[&gone, &kept, "AAAA"])).await;
    let classes = attrs(&answer, "m:ExportItemsResponseMessage", "ResponseClass");
    assert_eq!(classes, ["Error", "Success", "Error"]);
    for code in ["ErrorItemNotFound", "NoError", "ErrorInvalidIdMalformed"] {
        assert!(
            answer.contains(&format!("<m:ResponseCode>{code}<")),
            "{answer}"
        );
    }
    assert_eq!(answer.matches("<m:Data>").count(), 1);
}

#[tokio::test]
async fn uploads_create_items_in_the_folder_that_is_named_and_say_their_ids() {
    let bench = bench().await;
    let alice = bench.sim.mailbox(ALICE).unwrap();
    let bob = bench.sim.mailbox(BOB).unwrap();
    let (mut ids, mut items) = (Vec::new(), Vec::new());
    for number in 0..3 {
        let id = alice.add_mime("Inbox", &mail(number)).unwrap();
        let folder = folder_id(&bob, ["Inbox", "Drafts", "Inbox"][number as usize]);
        items.push(item(
            "CreateNew",
            "",
            &folder,
            "",
            &data_of(&bench, &id).await,
        ));
        ids.push(id);
    }
    let answer = bench.ask(BOB, &upload(&items)).await;
    assert_eq!(answer.matches("ResponseClass=\"Success\"").count(), 3);
    assert_eq!(
        answer
            .matches("<m:ResponseCode>NoError</m:ResponseCode>")
            .count(),
        3
    );
    let made = attrs(&answer, "m:ItemId", "Id");
    assert_eq!(made.len(), 3);
    for (old, new) in ids.iter().zip(&made) {
        assert_ne!(old, new);
        assert_eq!(bob.mime(new).unwrap(), alice.mime(old).unwrap());
    }
    let count = |folder| bob.item_count(folder).unwrap();
    assert_eq!((count("Inbox"), count("Drafts")), (2, 1));
    assert_eq!(alice.item_count("Inbox").unwrap(), 3, "the originals stay");
}

#[tokio::test]
async fn an_upload_that_fails_is_an_error_of_its_own() {
    let bench = bench().await;
    let alice = bench.sim.mailbox(ALICE).unwrap();
    let id = alice.add_mime("Inbox", &mail(1)).unwrap();
    let data = data_of(&bench, &id).await;
    let inbox = folder_id(&alice, "Inbox");
    let items = [
        item("CreateNew", "", &inbox, "", "AAAA"),
        item("CreateNew", "", &inbox, "", &data),
        item("CreateNew", "", "AAAA", "", &data),
    ];
    let answer = bench.ask(ALICE, &upload(&items)).await;
    let classes = attrs(&answer, "m:UploadItemsResponseMessage", "ResponseClass");
    assert_eq!(classes, ["Error", "Success", "Error"]);
    for code in ["ErrorCorruptData", "ErrorInvalidIdMalformed"] {
        assert!(
            answer.contains(&format!("<m:ResponseCode>{code}<")),
            "{answer}"
        );
    }
    assert_eq!(alice.item_count("Inbox").unwrap(), 2);
}

#[tokio::test]
async fn an_associated_item_is_uploaded_as_one() {
    let bench = bench().await;
    let alice = bench.sim.mailbox(ALICE).unwrap();
    let id = alice.add_mime("Inbox", &mail(1)).unwrap();
    let data = data_of(&bench, &id).await;
    let drafts = folder_id(&alice, "Drafts");
    for (is_associated, normal, hidden) in [("true", 0, 1), ("false", 1, 1)] {
        let attributes = format!(" IsAssociated=\"{is_associated}\"");
        let items = [item("CreateNew", &attributes, &drafts, "", &data)];
        bench.ask(ALICE, &upload(&items)).await;
        assert_eq!(alice.items("Drafts").unwrap().len(), normal);
        assert_eq!(alice.associated_items("Drafts").unwrap().len(), hidden);
    }
}

#[tokio::test]
async fn an_update_changes_the_item_in_its_folder_and_nothing_elsewhere() {
    let bench = bench().await;
    let alice = bench.sim.mailbox(ALICE).unwrap();
    let id = alice.add_mime("Inbox", &mail(1)).unwrap();
    let data = data_of(&bench, &id).await;
    alice.edit_subject(&id, "changed since").unwrap();
    let old = format!("<t:ItemId Id=\"{id}\"/>");
    let inbox = folder_id(&alice, "Inbox");
    let answer = bench
        .ask(ALICE, &upload(&[item("Update", "", &inbox, &old, &data)]))
        .await;
    assert_eq!(attrs(&answer, "m:ItemId", "Id"), [id.as_str()]);
    assert_eq!(alice.item(&id).unwrap().subject, "mail 1");
    let drafts = folder_id(&alice, "Drafts");
    let answer = bench
        .ask(ALICE, &upload(&[item("Update", "", &drafts, &old, &data)]))
        .await;
    assert!(
        answer.contains("<m:ResponseCode>ErrorItemNotFound<"),
        "{answer}"
    );
    assert_eq!(alice.item_count("Drafts").unwrap(), 0);
    let nothing = upload(&[item("Update", "", &inbox, "", &data)]);
    let refused = bench.post(ALICE, envelope("", &nothing)).await;
    assert_eq!(refused.status, 500, "an update names its item");
    validate(&refused.body);
}

#[tokio::test]
async fn update_or_create_updates_in_the_folder_and_creates_elsewhere() {
    let bench = bench().await;
    let alice = bench.sim.mailbox(ALICE).unwrap();
    let id = alice.add_mime("Inbox", &mail(1)).unwrap();
    let data = data_of(&bench, &id).await;
    alice.edit_subject(&id, "changed since").unwrap();
    let old = format!("<t:ItemId Id=\"{id}\"/>");
    let here = item(
        "UpdateOrCreate",
        "",
        &folder_id(&alice, "Inbox"),
        &old,
        &data,
    );
    let answer = bench.ask(ALICE, &upload(&[here])).await;
    assert_eq!(attrs(&answer, "m:ItemId", "Id"), [id.as_str()]);
    assert_eq!(alice.item(&id).unwrap().subject, "mail 1");
    let there = item(
        "UpdateOrCreate",
        "",
        &folder_id(&alice, "Drafts"),
        &old,
        &data,
    );
    let answer = bench.ask(ALICE, &upload(&[there])).await;
    let made = attrs(&answer, "m:ItemId", "Id").remove(0);
    assert_ne!(made, id);
    assert_eq!(alice.item(&made).unwrap().subject, "mail 1");
    assert_eq!(
        (
            alice.item_count("Inbox").unwrap(),
            alice.item_count("Drafts").unwrap()
        ),
        (1, 1)
    );
}

#[tokio::test]
async fn every_answer_is_soap_that_follows_the_schema_and_names_the_server() {
    let bench = bench().await;
    let alice = bench.sim.mailbox(ALICE).unwrap();
    let id = alice.add_mime("Inbox", &mail(1)).unwrap();
    let data = data_of(&bench, &id).await;
    let inbox = folder_id(&alice, "Inbox");
    let sync = "<m:SyncFolderItems><m:ItemShape><t:BaseShape>AllProperties</t:BaseShape></m:ItemShape>\
         <m:SyncFolderId><t:DistinguishedFolderId Id=\"inbox\"/></m:SyncFolderId>\
         <m:MaxChangesReturned>10</m:MaxChangesReturned></m:SyncFolderItems>";
    let hierarchy = "<m:SyncFolderHierarchy><m:FolderShape><t:BaseShape>AllProperties</t:BaseShape>\
         </m:FolderShape></m:SyncFolderHierarchy>";
    for (operation, request) in [
        ("ExportItems", export(&[&id, "AAAA"])),
        (
            "UploadItems",
            upload(&[item("CreateNew", "", &inbox, "", &data)]),
        ),
        ("SyncFolderItems", sync.to_owned()),
        ("SyncFolderHierarchy", hierarchy.to_owned()),
    ] {
        // The schema is asked for each answer.
        let answer = bench.ask(ALICE, &request).await;
        assert!(answer.contains("http://schemas.xmlsoap.org/soap/envelope/"));
        let version = between(&answer, "<h:ServerVersionInfo ", "/>");
        assert!(
            version.contains("MajorVersion=\"15\" MinorVersion=\"1\""),
            "{version}"
        );
        let once = [
            format!("<m:{operation}Response "),
            "<m:ResponseMessages>".to_owned(),
            "<h:ServerVersionInfo ".to_owned(),
        ];
        for mark in once {
            assert_eq!(answer.matches(&mark).count(), 1, "{mark}");
        }
        assert!(!answer.contains("BaseResponseMessage"));
        let messages = answer
            .matches(&format!("<m:{operation}ResponseMessage "))
            .count();
        assert_eq!(answer.matches(" ResponseClass=\"").count(), messages);
    }
}

#[tokio::test]
async fn an_exported_item_keeps_what_only_its_stream_holds() {
    let bench = bench().await;
    let alice = bench.sim.mailbox(ALICE).unwrap();
    let id = alice.add_mime("Inbox", &mail(1)).unwrap();
    // A property that no element of EWS shows.
    let edit = |message: &mut fasttransfer::Message| {
        message.props.set(0x6815_u16, "kept");
    };
    alice.edit(&id, edit).unwrap();
    let data = data_of(&bench, &id).await;
    let drafts = folder_id(&alice, "Drafts");
    let answer = bench
        .ask(ALICE, &upload(&[item("CreateNew", "", &drafts, "", &data)]))
        .await;
    let made = alice.message(&attrs(&answer, "m:ItemId", "Id")[0]).unwrap();
    assert_eq!(made.props.text(0x6815_u16).as_deref(), Some("kept"));
    let created = |id| alice.message(id).unwrap().props.time(tag::CREATION_TIME);
    assert_ne!(created(&id), made.props.time(tag::CREATION_TIME));
}

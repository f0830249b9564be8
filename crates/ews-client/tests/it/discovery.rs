//! Finding mailboxes: requests, answers, and groups inside groups.

use ews_client::*;

use crate::requests::texts;
use crate::support::{Answer, client, message, response, shared};

/// Every request of this subject, for the schema to judge.
pub async fn requests(list: &mut Vec<(&'static str, String)>) {
    for filter in [None, Some("a & b".to_owned())] {
        let request = GetSearchableMailboxes {
            filter,
            expand_groups: true,
        };
        texts!(list, ref get_searchable_mailboxes, request);
    }
    for group in [
        GroupRef::Address("all@example.test".into()),
        GroupRef::Item(ItemId::with_change_key("i", "k")),
    ] {
        texts!(list, ref expand_dl, ExpandDl { group });
    }
    for query in [None, Some("ann".to_owned())] {
        let request = FindPeople {
            folder: DistinguishedFolder::Directory.into(),
            query,
            paging: Paging {
                offset: 0,
                max_entries: 100,
            },
        };
        texts!(list, ref find_people, request);
    }
}

/// An answer with members: name and type.
fn members(list: &[(&str, &str)]) -> Answer {
    let member = |(name, kind): &(&str, &str)| {
        format!(
            "<t:Mailbox><t:Name>{name}</t:Name><t:EmailAddress>{name}@example.test</t:EmailAddress>\
             <t:RoutingType>SMTP</t:RoutingType><t:MailboxType>{kind}</t:MailboxType></t:Mailbox>"
        )
    };
    let members: String = list.iter().map(member).collect();
    let content = format!(
        "<m:DLExpansion TotalItemsInView=\"{}\" IncludesLastItemInRange=\"true\">{members}</m:DLExpansion>",
        list.len()
    );
    Answer::xml(response(
        "ExpandDL",
        &[&message("ExpandDL", "Success", "NoError", &content)],
    ))
}

fn addresses(found: &GroupMembers) -> Vec<&str> {
    let members = found.members.iter();
    members
        .filter_map(|member| member.mailbox.address.as_deref())
        .collect()
}

#[tokio::test]
async fn groups_that_hold_one_another_are_expanded_once() {
    let (client, playback, _) = client([
        members(&[
            ("ann", "Mailbox"),
            ("inner", "PublicDL"),
            ("ANN", "Mailbox"),
        ]),
        members(&[("outer", "PublicDL"), ("bob", "Mailbox")]),
    ]);
    let group = GroupRef::Address("Outer@example.test".into());
    let found = client.expand_group(group).await.unwrap();
    assert_eq!(addresses(&found), ["ann@example.test", "bob@example.test"]);
    assert!(found.is_complete && found.failed.is_empty());
    assert_eq!(playback.count(), 2);
}

#[tokio::test]
async fn a_group_that_fails_is_named_and_the_others_are_still_expanded() {
    let text = response(
        "ExpandDL",
        &[&message(
            "ExpandDL",
            "Error",
            "ErrorNameResolutionNoResults",
            "",
        )],
    );
    let (client, _, _) = client([
        members(&[("gone", "PublicDL"), ("other", "PublicDL")]),
        Answer::xml(text),
        members(&[("bob", "Mailbox")]),
    ]);
    let group = GroupRef::Address("outer@example.test".into());
    let found = client.expand_group(group).await.unwrap();
    assert_eq!(addresses(&found), ["bob@example.test"]);
    assert!(!found.is_complete);
    let gone = GroupRef::Address("gone@example.test".into());
    assert_eq!(found.failed[0].0, gone);
}

#[tokio::test]
async fn searchable_mailboxes_of_the_documentation_have_their_values() {
    let Some(folder) = shared("ews/samples/GetSearchableMailboxes") else {
        return;
    };
    for (file, names) in [
        ("002.response.xml", &["LOLgroup"][..]),
        (
            "003.response.xml",
            &["Julia Smith", "Laura Moore", "Steven Brown"],
        ),
    ] {
        let text = std::fs::read_to_string(folder.join(file)).unwrap();
        let (client, _, _) = client([Answer::xml(text)]);
        let request = GetSearchableMailboxes::default();
        let found = client.get_searchable_mailboxes(&request).await.unwrap();
        let told: Vec<&str> = found.mailboxes.iter().map(|m| &*m.display_name).collect();
        assert_eq!(told, names);
        for mailbox in &found.mailboxes {
            assert!(mailbox.reference_id.starts_with("/o="), "{mailbox:?}");
            assert_eq!(mailbox.is_group, file.starts_with("002"));
        }
    }
    let text = std::fs::read_to_string(folder.join("004.response.xml")).unwrap();
    let (client, _, _) = client([Answer::xml(text)]);
    let request = GetSearchableMailboxes::default();
    let error = client.get_searchable_mailboxes(&request).await.unwrap_err();
    assert_eq!(
        error.response_code(),
        Some(&ResponseCode::ErrorInvalidArgument)
    );
}

#[tokio::test]
async fn a_persona_of_the_documentation_has_its_values() {
    let Some(folder) = shared("ews/samples/GetPersona") else {
        return;
    };
    let ask = async |file: &str| {
        let text = std::fs::read_to_string(folder.join(file)).unwrap();
        let (client, _, _) = client([Answer::xml(text)]);
        let id = "AAQkADEzAQAKtOtR=".to_owned();
        client.get_persona(&GetPersona { id }).await
    };
    let brian = ask("002.response.xml").await.unwrap();
    assert_eq!(brian.persona.display_name.as_deref(), Some("Brian Johnson"));
    assert_eq!(brian.company_name.as_deref(), Some("Contoso"));
    let phones = brian.element.child("MobilePhones").unwrap();
    assert!(phones.to_xml().contains("(425)555-0110"));
    let error = ask("003.response.xml").await.unwrap_err();
    let code = error.response_code().unwrap();
    assert_eq!(code, &ResponseCode::ErrorInvalidIdMalformed);
}

/// Settings in the plain form, with what is in the user and the account.
fn settings(user: &str, account: &str) -> Answer {
    Answer::xml(format!(
        "<Autodiscover xmlns=\"http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006\">\
         <Response xmlns=\"http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a\">\
         <User>{user}</User><Account><AccountType>email</AccountType><Action>settings</Action>{account}\
         </Account></Response></Autodiscover>"
    ))
}

#[tokio::test]
async fn mailboxes_of_public_folders_are_found_on_the_same_server() {
    const GUID: &str = "1ec2a236-ed93-4f88-b9c6-33e63fa4aa44";
    let information = "<PublicFolderInformation><SmtpAddress>pf@example.test</SmtpAddress>\
                       </PublicFolderInformation>";
    let server =
        format!("<Protocol><Type>EXCH</Type><Server>{GUID}@example.test</Server></Protocol>");
    let own = "<AutoDiscoverSMTPAddress>pf2@example.test</AutoDiscoverSMTPAddress>";
    let (client, playback, notes) = client([
        settings("", information),
        settings("", &server),
        settings(own, ""),
        Answer::with(404, ""),
        Answer::with(503, ""),
        Answer::with(200, "<html>"),
    ]);
    let hierarchy = client.public_folder_hierarchy("ann@example.test").await;
    let hierarchy = hierarchy.unwrap().unwrap();
    let named = format!("{GUID}@example.test");
    assert_eq!(hierarchy.anchor_mailbox.as_deref(), Some("pf@example.test"));
    assert_eq!(hierarchy.public_folder_mailbox, Some(named.clone()));
    let content = client.public_folder_content(GUID, "example.test").await;
    let content = content.unwrap();
    assert_eq!(content.anchor_mailbox.as_deref(), Some("pf2@example.test"));
    assert_eq!(content.public_folder_mailbox, content.anchor_mailbox);
    // A server without Autodiscover is asked by the GUID; one that is busy is asked again, and one
    // that answers something else has no public folders to tell of.
    let content = client.public_folder_content(GUID, "example.test").await;
    assert_eq!(content.unwrap().anchor_mailbox, Some(named));
    let none = client.public_folder_hierarchy("ann@example.test").await;
    assert_eq!(none.unwrap(), None);
    assert_eq!(notes.0.lock().unwrap().len(), 1);
    let seen = playback.seen.lock().unwrap();
    let urls = seen.requests.iter().map(|request| request.url.as_str());
    for url in urls {
        assert_eq!(
            url,
            "https://mail.example.test/autodiscover/autodiscover.xml"
        );
    }
    assert!(seen.bodies[2].contains(GUID), "{}", seen.bodies[2]);
    assert_eq!(client.stats().operations["Autodiscover"], 6);
}

#[test]
fn a_replica_list_names_a_mailbox_or_nothing() {
    let named = |text: &[u8]| {
        let value = base64_simd::STANDARD.encode_to_string(text);
        let path = ExtendedPath::tag(REPLICA_LIST, MapiType::Binary);
        let folder = Folder {
            extended: vec![ExtendedProperty::single(path, value)],
            ..empty_folder()
        };
        folder.content_mailbox()
    };
    let guid = b"1EC2A236-ed93-4f88-b9c6-33e63fa4aa44\0";
    assert_eq!(
        named(guid).as_deref(),
        Some("1ec2a236-ed93-4f88-b9c6-33e63fa4aa44")
    );
    assert_eq!(named(&guid[..35]), None);
    assert_eq!(
        named(b"/o=Example/ou=First/cn=Servers/cn=MBX1/cn=Public MDB\0"),
        None
    );
    assert_eq!(empty_folder().content_mailbox(), None);
}

fn empty_folder() -> Folder {
    Folder {
        id: FolderId::new("f"),
        parent: None,
        display_name: String::new(),
        class: None,
        distinguished_id: None,
        kind: FolderKind::Folder,
        total_count: None,
        unread_count: None,
        child_folder_count: None,
        permissions: None,
        replica_list: Vec::new(),
        extended: Vec::new(),
    }
}

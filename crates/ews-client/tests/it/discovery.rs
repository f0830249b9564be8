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

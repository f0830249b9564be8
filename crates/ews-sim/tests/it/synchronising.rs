//! SyncFolderItems, requirement by requirement (MS-OXWSSYNC); which test stands for which is in
//! `tests/requirements`.

use ews_sim::{Deletion, MailboxHandle, Sim};
use fasttransfer::{Message, tag};

use crate::support::{ALICE, Bench, attrs, between};

/// The kinds of items by their class.
const KINDS: [(&str, &str); 11] = [
    ("IPM.Note", "Message"),
    ("IPM.Appointment", "CalendarItem"),
    ("IPM.Contact", "Contact"),
    ("IPM.DistList", "DistributionList"),
    ("IPM.Schedule.Meeting.Notification", "MeetingMessage"),
    ("IPM.Schedule.Meeting.Request", "MeetingRequest"),
    ("IPM.Schedule.Meeting.Resp.Pos", "MeetingResponse"),
    ("IPM.Schedule.Meeting.Canceled", "MeetingCancellation"),
    ("IPM.Task", "Task"),
    ("IPM.Post", "PostItem"),
    ("REPORT.IPM.Note.NDR", "Message"),
];

async fn bench() -> (Bench, MailboxHandle) {
    let sim = Sim::builder().mailbox(ALICE).build().unwrap();
    let alice = sim.mailbox(ALICE).unwrap();
    (Bench::start(sim).await, alice)
}

fn item(class: &str, subject: &str) -> Message {
    let mut message = Message::default();
    message.props.set(tag::MESSAGE_CLASS, class);
    message.props.set(tag::SUBJECT, subject);
    message
}

/// A request; `rest` is what follows the folder.
fn sync(shape: &str, rest: &str) -> String {
    format!(
        "<m:SyncFolderItems><m:ItemShape>{shape}</m:ItemShape><m:SyncFolderId>\
         <t:DistinguishedFolderId Id=\"inbox\"/></m:SyncFolderId>{rest}</m:SyncFolderItems>"
    )
}

const IDS: &str = "<t:BaseShape>IdOnly</t:BaseShape>";
const MAX: &str = "<m:MaxChangesReturned>512</m:MaxChangesReturned>";

fn since(state: &str) -> String {
    format!("<m:SyncState>{state}</m:SyncState>{MAX}")
}

fn state_of(answer: &str) -> String {
    between(answer, "<m:SyncState>", "</m:SyncState>").to_owned()
}

/// The text of each change of a kind.
fn changes<'t>(answer: &'t str, kind: &str) -> Vec<&'t str> {
    let end = format!("</t:{kind}>");
    let begin = format!("<t:{kind}>");
    let parts = answer.split(&begin).skip(1);
    parts.map(|part| part.split(&end).next().unwrap()).collect()
}

#[tokio::test]
async fn items_of_every_kind_are_created_and_updated_under_their_own_name() {
    let (bench, alice) = bench().await;
    let ids: Vec<String> = KINDS
        .iter()
        .map(|(class, _)| alice.add_message("Inbox", item(class, "first")).unwrap())
        .collect();
    let first = bench.ask(ALICE, &sync(IDS, MAX)).await;
    let created = changes(&first, "Create");
    assert_eq!(created.len(), KINDS.len());
    for (((class, element), id), change) in KINDS.iter().zip(&ids).zip(&created) {
        assert!(
            change.starts_with(&format!("<t:{element}>")),
            "{class}: {change}"
        );
        assert!(change.contains(id.as_str()));
    }
    for id in &ids {
        alice.edit_subject(id, "second").unwrap();
    }
    let shape = "<t:BaseShape>Default</t:BaseShape>";
    let second = bench
        .ask(ALICE, &sync(shape, &since(&state_of(&first))))
        .await;
    let updated = changes(&second, "Update");
    assert_eq!(updated.len(), KINDS.len());
    for (((class, element), id), change) in KINDS.iter().zip(&ids).zip(&updated) {
        assert!(
            change.starts_with(&format!("<t:{element}>")),
            "{class}: {change}"
        );
        assert!(
            change.contains(id.as_str()) && change.contains("second"),
            "{change}"
        );
    }
    assert_eq!(changes(&second, "Create").len(), 0);
}

#[tokio::test]
async fn an_item_without_a_kind_becomes_a_message() {
    let (bench, _) = bench().await;
    let create = "<m:CreateItem MessageDisposition=\"SaveOnly\"><m:SavedItemFolderId>\
        <t:DistinguishedFolderId Id=\"inbox\"/></m:SavedItemFolderId><m:Items><t:Item>\
        <t:Subject>plain</t:Subject></t:Item></m:Items></m:CreateItem>";
    bench.ask(ALICE, create).await;
    let answer = bench.ask(ALICE, &sync(IDS, MAX)).await;
    assert_eq!(changes(&answer, "Create").len(), 1);
    assert!(
        changes(&answer, "Create")[0].starts_with("<t:Message>"),
        "{answer}"
    );
}

#[tokio::test]
async fn deletions_and_read_flags_name_their_items() {
    let (bench, alice) = bench().await;
    let ids: Vec<String> = (0..4)
        .map(|_| alice.add_message("Inbox", item("IPM.Note", "x")).unwrap())
        .collect();
    alice.set_read(&ids[1], true).unwrap();
    let state = state_of(&bench.ask(ALICE, &sync(IDS, MAX)).await);
    alice.set_read(&ids[0], true).unwrap();
    alice.set_read(&ids[1], false).unwrap();
    alice.delete(&ids[2], Deletion::Hard).unwrap();
    let answer = bench.ask(ALICE, &sync(IDS, &since(&state))).await;
    let flags = changes(&answer, "ReadFlagChange");
    assert_eq!(flags.len(), 2);
    for ((change, id), is_read) in flags.iter().zip(&ids).zip(["true", "false"]) {
        assert!(change.contains(&format!("Id=\"{id}\"")), "{change}");
        assert!(
            change.contains(&format!("<t:IsRead>{is_read}</t:IsRead>")),
            "{change}"
        );
    }
    let gone = changes(&answer, "Delete");
    assert_eq!(gone.len(), 1);
    assert!(gone[0].contains(&format!("Id=\"{}\"", ids[2])));
    assert_eq!(
        changes(&answer, "Create").len() + changes(&answer, "Update").len(),
        0
    );
}

#[tokio::test]
async fn pages_are_as_long_as_is_asked_and_the_last_says_so() {
    let (bench, alice) = bench().await;
    for _ in 0..5 {
        alice.add_message("Inbox", item("IPM.Note", "x")).unwrap();
    }
    let mut state = String::new();
    for (expected, last) in [(2, "false"), (2, "false"), (1, "true"), (0, "true")] {
        let state_element = match state.is_empty() {
            true => String::new(),
            false => format!("<m:SyncState>{state}</m:SyncState>"),
        };
        let rest = format!("{state_element}<m:MaxChangesReturned>2</m:MaxChangesReturned>");
        let answer = bench.ask(ALICE, &sync(IDS, &rest)).await;
        assert_eq!(changes(&answer, "Create").len(), expected);
        let told = between(&answer, "<m:IncludesLastItemInRange>", "<");
        assert_eq!(told, last);
        state = state_of(&answer);
        assert!(
            base64_simd::STANDARD.decode_to_vec(&state).is_ok(),
            "{state}"
        );
    }
    for (max, is_taken) in [("1", true), ("512", true), ("0", false), ("513", false)] {
        let rest = format!("<m:MaxChangesReturned>{max}</m:MaxChangesReturned>");
        let body = crate::support::envelope("", &sync(IDS, &rest));
        let answer = bench.post(ALICE, body).await;
        assert_eq!(answer.status == 200, is_taken, "{max}: {}", answer.body);
    }
}

#[tokio::test]
async fn without_a_sync_state_everything_is_new_and_with_one_only_what_changed() {
    let (bench, alice) = bench().await;
    for _ in 0..3 {
        alice.add_message("Inbox", item("IPM.Note", "x")).unwrap();
    }
    let first = bench.ask(ALICE, &sync(IDS, MAX)).await;
    let again = bench.ask(ALICE, &sync(IDS, MAX)).await;
    assert_eq!(changes(&first, "Create").len(), 3);
    assert_eq!(changes(&again, "Create").len(), 3);
    let none = bench
        .ask(ALICE, &sync(IDS, &since(&state_of(&first))))
        .await;
    assert!(none.contains("<m:Changes/>"), "{none}");
    for answer in [first, again, none] {
        assert!(answer.contains("<m:ResponseCode>NoError</m:ResponseCode>"));
    }
    for bad in ["garbage", "AAAA"] {
        let answer = bench.ask(ALICE, &sync(IDS, &since(bad))).await;
        assert!(
            answer.contains("<m:ResponseCode>ErrorInvalidSyncStateData<"),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn ignored_items_are_passed_over() {
    let (bench, alice) = bench().await;
    let ids: Vec<String> = (0..3)
        .map(|_| alice.add_message("Inbox", item("IPM.Note", "x")).unwrap())
        .collect();
    let rest = format!("<m:Ignore><t:ItemId Id=\"{}\"/></m:Ignore>{MAX}", ids[1]);
    let answer = bench.ask(ALICE, &sync(IDS, &rest)).await;
    assert_eq!(
        attrs(&answer, "t:ItemId", "Id"),
        [ids[0].as_str(), ids[2].as_str()]
    );
    assert!(answer.contains("<m:ResponseCode>NoError</m:ResponseCode>"));
}

#[tokio::test]
async fn shapes_decide_what_is_told_of_an_item() {
    let (bench, alice) = bench().await;
    let mut message = item("IPM.Note", "shown");
    message.props.set(0x6815_u16, "extended");
    alice.add_message("Inbox", message).unwrap();
    let of = async |shape: &str| bench.ask(ALICE, &sync(shape, MAX)).await;
    let ids = of(IDS).await;
    assert!(ids.contains("<t:ItemId ") && !ids.contains("<t:Subject>"));
    let usual = of("<t:BaseShape>Default</t:BaseShape>").await;
    assert!(usual.contains("<t:Subject>shown<") && !usual.contains("<t:Importance>"));
    let all = of("<t:BaseShape>AllProperties</t:BaseShape>").await;
    assert!(all.contains("<t:Subject>shown<") && all.contains("<t:Importance>"));
    let chosen = format!(
        "{IDS}<t:AdditionalProperties><t:FieldURI FieldURI=\"item:Importance\"/>\
         <t:ExtendedFieldURI PropertyTag=\"0x6815\" PropertyType=\"String\"/></t:AdditionalProperties>"
    );
    let chosen = of(&chosen).await;
    assert!(chosen.contains("<t:Importance>") && chosen.contains("<t:Value>extended<"));
    assert!(!chosen.contains("<t:Subject>"));
    let mime = of(&format!(
        "{IDS}<t:IncludeMimeContent>true</t:IncludeMimeContent>"
    ))
    .await;
    let code = between(&mime, "<m:ResponseCode>", "<");
    assert_eq!(code, "ErrorInvalidPropertyForOperation");
}

#[tokio::test]
async fn the_scope_says_whether_associated_items_are_told() {
    let (bench, alice) = bench().await;
    let normal = alice.add_message("Inbox", item("IPM.Note", "x")).unwrap();
    let hidden = item("IPM.Configuration.Test", "x");
    let hidden = alice.add_associated("Inbox", hidden).unwrap();
    for (scope, expected) in [
        ("<m:SyncScope>NormalItems</m:SyncScope>", vec![&normal]),
        ("", vec![&normal]),
        (
            "<m:SyncScope>NormalAndAssociatedItems</m:SyncScope>",
            vec![&normal, &hidden],
        ),
    ] {
        let answer = bench.ask(ALICE, &sync(IDS, &format!("{MAX}{scope}"))).await;
        assert_eq!(
            attrs(&answer, "t:ItemId", "Id").iter().collect::<Vec<_>>(),
            expected
        );
    }
}

#[tokio::test]
async fn the_folder_that_is_named_is_the_one_that_is_told_of() {
    let (bench, alice) = bench().await;
    alice.add_message("Inbox", item("IPM.Note", "x")).unwrap();
    let there = alice.add_message("Drafts", item("IPM.Note", "x")).unwrap();
    let request = sync(IDS, MAX).replace("inbox", "drafts");
    let answer = bench.ask(ALICE, &request).await;
    assert_eq!(attrs(&answer, "t:ItemId", "Id"), [there]);
}

//! Subscriptions, pulled and streamed events, and the address book.

use std::time::Duration;

use ews_sim::{Deletion, Sim};
use futures::StreamExt as _;

use crate::support::{ALICE, Bench, attrs, between, envelope, validate, validate_all};

const MAIL: &[u8] = b"Subject: news\r\n\r\nHi\r\n";
const ALL: &str = "all@example.com";
const EVENTS: &str = "<t:EventTypes><t:EventType>CreatedEvent</t:EventType>\
    <t:EventType>DeletedEvent</t:EventType><t:EventType>ModifiedEvent</t:EventType>\
    <t:EventType>MovedEvent</t:EventType><t:EventType>CopiedEvent</t:EventType></t:EventTypes>";
const INBOX: &str = "<t:FolderIds><t:DistinguishedFolderId Id=\"inbox\"/></t:FolderIds>";

async fn bench() -> Bench {
    let sim = Sim::builder()
        .mailbox(ALICE)
        .mailbox("bob@example.com")
        .group(ALL, [ALICE, "inner@example.com"])
        .group("inner@example.com", [ALL, "stranger@example.net"])
        .event_minute(Duration::from_millis(400))
        .build()
        .unwrap();
    Bench::start(sim).await
}

fn pull() -> String {
    format!(
        "<m:Subscribe><m:PullSubscriptionRequest>{INBOX}{EVENTS}<t:Timeout>10</t:Timeout>\
         </m:PullSubscriptionRequest></m:Subscribe>"
    )
}

fn get_events(id: &str, watermark: &str) -> String {
    format!(
        "<m:GetEvents><m:SubscriptionId>{id}</m:SubscriptionId><m:Watermark>{watermark}</m:Watermark>\
         </m:GetEvents>"
    )
}

fn id_of(answer: &str) -> &str {
    between(answer, "<m:SubscriptionId>", "</m:SubscriptionId>")
}

#[tokio::test]
async fn pulled_events_are_those_of_the_change_log() {
    let bench = bench().await;
    let alice = bench.sim.mailbox(ALICE).unwrap();
    let before = alice.add_mime("Inbox", MAIL).unwrap();
    let subscribed = bench.ask(ALICE, &pull()).await;
    let id = id_of(&subscribed).to_owned();
    let start = between(&subscribed, "<m:Watermark>", "</m:Watermark>").to_owned();
    let quiet = bench.ask(ALICE, &get_events(&id, &start)).await;
    assert!(quiet.contains("<t:StatusEvent>") && quiet.contains("<t:MoreEvents>false<"));
    let new = alice.add_mime("Inbox", MAIL).unwrap();
    alice.set_read(&before, true).unwrap();
    let moved = alice.move_item(&before, "Archive").unwrap();
    alice.delete(&new, Deletion::Hard).unwrap();
    alice.add_mime("Drafts", MAIL).unwrap();
    let told = bench.ask(ALICE, &get_events(&id, &start)).await;
    for (event, count) in [
        ("Created", 1),
        ("Modified", 1),
        ("Moved", 1),
        ("Deleted", 1),
    ] {
        assert_eq!(
            told.matches(&format!("<t:{event}Event>")).count(),
            count,
            "{event}"
        );
    }
    let moving = between(&told, "<t:MovedEvent>", "</t:MovedEvent>");
    assert_eq!(attrs(moving, "t:ItemId", "Id"), [moved]);
    assert_eq!(attrs(moving, "t:OldItemId", "Id"), [before]);
    let last = told.rfind("<t:Watermark>").unwrap();
    let last = between(&told[last..], "<t:Watermark>", "</t:Watermark>").to_owned();
    let after = bench.ask(ALICE, &get_events(&id, &last)).await;
    assert!(after.contains("<t:StatusEvent>"), "{after}");
}

#[tokio::test]
async fn many_events_come_in_parts_and_subscriptions_are_their_owners() {
    let bench = bench().await;
    let alice = bench.sim.mailbox(ALICE).unwrap();
    let subscribed = bench.ask(ALICE, &pull()).await;
    let id = id_of(&subscribed).to_owned();
    let mut watermark = between(&subscribed, "<m:Watermark>", "</m:Watermark>").to_owned();
    alice.add_synthetic("Inbox", 120, 1).unwrap();
    let mut told = 0;
    for part in [50, 50, 20, 0] {
        let answer = bench.ask(ALICE, &get_events(&id, &watermark)).await;
        let count = answer.matches("<t:CreatedEvent>").count();
        assert_eq!(count, part);
        told += count;
        let last = answer.rfind("<t:Watermark>").unwrap();
        watermark = between(&answer[last..], "<t:Watermark>", "</t:Watermark>").to_owned();
    }
    assert_eq!(told, 120);
    let foreign = bench
        .ask("bob@example.com", &get_events(&id, &watermark))
        .await;
    assert!(foreign.contains("ErrorSubscriptionAccessDenied"));
    let bad = bench.ask(ALICE, &get_events(&id, "nonsense")).await;
    assert!(bad.contains("ErrorInvalidWatermark"));
    let end = format!("<m:Unsubscribe><m:SubscriptionId>{id}</m:SubscriptionId></m:Unsubscribe>");
    assert!(bench.ask(ALICE, &end).await.contains("NoError"));
    assert!(
        bench
            .ask(ALICE, &end)
            .await
            .contains("ErrorSubscriptionNotFound")
    );
}

#[tokio::test]
async fn a_stream_is_envelopes_until_its_time_is_over() {
    let bench = bench().await;
    let alice = bench.sim.mailbox(ALICE).unwrap();
    let subscribe = format!(
        "<m:Subscribe><m:StreamingSubscriptionRequest>{INBOX}{EVENTS}\
         </m:StreamingSubscriptionRequest></m:Subscribe>"
    );
    let subscribed = bench.ask(ALICE, &subscribe).await;
    let id = id_of(&subscribed).to_owned();
    assert!(!subscribed.contains("Watermark"));
    let stream = format!(
        "<m:GetStreamingEvents><m:SubscriptionIds><t:SubscriptionId>{id}</t:SubscriptionId>\
         </m:SubscriptionIds><m:ConnectionTimeout>1</m:ConnectionTimeout></m:GetStreamingEvents>"
    );
    let request = bench
        .http()
        .post(bench.server.url())
        .basic_auth(ALICE, Some("secret"))
        .header("content-type", "text/xml; charset=utf-8")
        .body(envelope("", &stream));
    let mut body = request.send().await.unwrap().bytes_stream();
    let mut text = String::new();
    let mut added = None;
    while let Some(piece) = body.next().await {
        text.push_str(std::str::from_utf8(&piece.unwrap()).unwrap());
        if added.is_none() {
            added = Some(alice.add_mime("Inbox", MAIL).unwrap());
        }
    }
    let envelopes: Vec<String> = text
        .split_inclusive("</s:Envelope>")
        .map(str::to_owned)
        .collect();
    assert_eq!(envelopes.len(), 3, "{text}");
    validate_all(&envelopes);
    assert!(envelopes[0].contains("<m:ConnectionStatus>OK<"));
    assert_eq!(attrs(&envelopes[1], "t:ItemId", "Id"), [added.unwrap()]);
    assert!(envelopes[2].contains("<m:ConnectionStatus>Closed<"));
    bench.sim.forget_subscriptions();
    let lost = bench.ask(ALICE, &stream).await;
    assert!(lost.contains("ErrorInvalidSubscription") && lost.contains(&id));
}

#[tokio::test]
async fn the_address_book_knows_mailboxes_and_groups() {
    let bench = bench().await;
    let expand = |address: &str| {
        format!(
            "<m:ExpandDL><m:Mailbox><t:EmailAddress>{address}</t:EmailAddress></m:Mailbox></m:ExpandDL>"
        )
    };
    let all = bench.ask(ALICE, &expand("ALL@example.com")).await;
    assert!(all.contains("TotalItemsInView=\"2\"") && all.contains("<t:MailboxType>PublicDL<"));
    let nobody = bench.ask(ALICE, &expand("nobody@example.com")).await;
    assert!(nobody.contains("ErrorNameResolutionNoResults"));
    let people = "<m:FindPeople><m:IndexedPageItemView MaxEntriesReturned=\"2\" Offset=\"1\" \
        BasePoint=\"Beginning\"/><m:ParentFolderId><t:DistinguishedFolderId Id=\"directory\"/>\
        </m:ParentFolderId></m:FindPeople>";
    let found = bench.ask(ALICE, people).await;
    assert!(found.contains("<m:TotalNumberOfPeopleInView>4<"));
    assert_eq!(found.matches("<t:Persona>").count(), 2);
    let searchable = "<m:GetSearchableMailboxes><m:SearchFilter/><m:ExpandGroupMembership>true\
        </m:ExpandGroupMembership></m:GetSearchableMailboxes>";
    let denied = bench.ask(ALICE, searchable).await;
    assert!(denied.contains("ErrorAccessDenied"));
    let listed = bench
        .post("svc@example.test", envelope("", searchable))
        .await;
    validate(&listed.body);
    assert_eq!(listed.body.matches("<t:SearchableMailbox>").count(), 2);
    let resolve = "<m:ResolveNames ReturnFullContactData=\"false\"><m:UnresolvedEntry>all\
        </m:UnresolvedEntry></m:ResolveNames>";
    let resolved = bench.ask(ALICE, resolve).await;
    assert!(resolved.contains(ALL) && resolved.contains("PublicDL"));
}

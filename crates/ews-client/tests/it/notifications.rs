//! Notifications: requests, pulled events, and streams of concatenated envelopes.

use ews_client::*;

use crate::requests::texts;
use crate::support::{Answer, client, message, response};

/// Every request of this subject, for the schema to judge.
pub async fn requests(list: &mut Vec<(&'static str, String)>) {
    let deliveries = [
        Delivery::Streaming,
        Delivery::Pull {
            timeout_minutes: 30,
            watermark: None,
        },
        Delivery::Pull {
            timeout_minutes: 1440,
            watermark: Some("AQAAA=".into()),
        },
    ];
    for delivery in deliveries {
        for folders in [vec![], vec![DistinguishedFolder::Inbox.into()]] {
            let events = EventKind::ALL.iter().copied();
            let request = Subscribe {
                delivery: delivery.clone(),
                folders,
                events: events
                    .filter(|kind| *kind != EventKind::StatusEvent)
                    .collect(),
            };
            texts!(list, ref subscribe, request);
        }
    }
    let id = || "JwBiAHMAYgA=".to_owned();
    let get = GetEvents {
        subscription_id: id(),
        watermark: "AQAAA=".into(),
    };
    texts!(list, ref get_events, get);
    let end = Unsubscribe {
        subscription_id: id(),
    };
    texts!(list, ref unsubscribe, end);
    let call = async |client: Client| {
        let mut stream = client.stream_events(["a".into(), "b".into()], 30).unwrap();
        drop(stream.next().await.expect_err("no server"));
    };
    crate::requests::note(list, "get_streaming_events", call).await;
}

fn created(item: &str) -> String {
    format!(
        "<t:CreatedEvent><t:Watermark>w-{item}</t:Watermark><t:TimeStamp>2026-01-01T00:00:00Z</t:TimeStamp>\
         <t:ItemId Id=\"{item}\" ChangeKey=\"k\"/><t:ParentFolderId Id=\"f\"/></t:CreatedEvent>"
    )
}

fn notification(content: &str) -> String {
    format!(
        "<m:Notifications><m:Notification><t:SubscriptionId>s</t:SubscriptionId>{content}\
         </m:Notification></m:Notifications>"
    )
}

/// One envelope of a stream.
fn news(class: &str, code: &str, content: &str) -> String {
    let operation = "GetStreamingEvents";
    response(operation, &[&message(operation, class, code, content)])
}

fn ok(content: &str) -> String {
    news("Success", "NoError", content)
}

/// The items told until the stream ends or fails, `+` for each connection, `-` for a loss.
async fn story(stream: &mut EventStream) -> (Vec<String>, Option<Error>) {
    let mut told = Vec::new();
    loop {
        match stream.next().await {
            Ok(Some(StreamEvent::Connected)) => told.push("+".to_owned()),
            Ok(Some(StreamEvent::Notification(news))) => {
                let items = news.events.iter().filter_map(|event| event.item.clone());
                told.extend(items.map(|item| item.id));
            }
            Ok(Some(StreamEvent::Broken)) => told.push("!".to_owned()),
            Ok(Some(StreamEvent::Lost(ids))) => told.push(format!("-{}", ids.concat())),
            Ok(Some(_)) => {}
            Ok(None) => return (told, None),
            Err(error) => return (told, Some(error)),
        }
    }
}

#[tokio::test]
async fn concatenated_envelopes_are_told_apart_however_they_arrive() {
    let closed = ok("<m:ConnectionStatus>Closed</m:ConnectionStatus>");
    let heartbeat = ok("<m:ConnectionStatus>OK</m:ConnectionStatus>");
    let gone = news(
        "Error",
        "ErrorSubscriptionNotFound",
        "<m:ErrorSubscriptionIds><t:SubscriptionId>s</t:SubscriptionId></m:ErrorSubscriptionIds>",
    );
    let first = format!(
        "\u{FEFF}<?xml version=\"1.0\"?>{heartbeat}{}\r\n \r\n<?xml version=\"1.0\"?>{}{closed}",
        ok(&notification(&created("one"))),
        ok(&notification(&format!(
            "{}{}",
            created("two &lt;/s:Envelope>"),
            created("three")
        )))
    );
    for size in [1, 7, 64, 100_000] {
        let (client, _, notes) = client([
            Answer::xml(first.clone()).in_pieces(size),
            Answer::xml(gone.clone()),
        ]);
        let mut stream = client.stream_events(["s".into()], 1).unwrap();
        let (told, error) = story(&mut stream).await;
        assert!(error.is_none(), "{error:?}");
        let expected = ["+", "one", "two </s:Envelope>", "three", "+", "-s"];
        assert_eq!(told, expected, "{size}");
        assert!(notes.0.lock().unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_stream_that_breaks_is_connected_again_and_given_up_in_the_end() {
    let (client, playback, notes) = client([
        Answer::xml(ok(&notification(&created("one")))).then_broken(),
        Answer::xml("").then_broken(),
        Answer::xml("<s:Envelope xmlns:s=\"x\">"),
        Answer::xml(""),
    ]);
    let mut stream = client.stream_events(["s".into()], 30).unwrap();
    let (told, error) = story(&mut stream).await;
    // What was being told when it broke may be lost, and that is said.
    let expected = ["+", "one", "!", "+", "!", "+", "!", "+", "!"];
    assert_eq!(told, expected);
    assert_eq!(error.unwrap().kind(), ErrorKind::Interrupted);
    assert_eq!((playback.count(), notes.0.lock().unwrap().len()), (4, 1));
}

#[tokio::test]
async fn one_lost_subscription_leaves_the_others() {
    let gone = news(
        "Error",
        "ErrorInvalidSubscription",
        "<m:ErrorSubscriptionIds><t:SubscriptionId>a</t:SubscriptionId></m:ErrorSubscriptionIds>",
    );
    let all = news("Error", "ErrorReadEventsFailed", "");
    let denied = news("Error", "ErrorAccessDenied", "");
    let (client, playback, _) = client([Answer::xml(gone), Answer::xml(all), Answer::xml(denied)]);
    let both = ["a".to_owned(), "b".to_owned()];
    let mut stream = client.stream_events(both, 30).unwrap();
    assert_eq!(story(&mut stream).await.0, ["+", "-a", "+", "-b"]);
    assert!(!playback.bodies()[1].contains(">a<"));
    let mut stream = client.stream_events(["c".to_owned()], 30).unwrap();
    let (_, error) = story(&mut stream).await;
    assert_eq!(error.unwrap().kind(), ErrorKind::Denied);
    let error = client.stream_events([], 30).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(client.stream_events(["c".to_owned()], 31).is_err());
}

#[tokio::test]
async fn pulled_events_carry_where_to_continue() {
    let moved = "<t:MovedEvent><t:Watermark>w2</t:Watermark><t:TimeStamp>2026-01-01T00:00:00Z</t:TimeStamp>\
        <t:FolderId Id=\"x\"/><t:ParentFolderId Id=\"p\"/><t:OldFolderId Id=\"x\"/>\
        <t:OldParentFolderId Id=\"q\"/></t:MovedEvent><t:MadeUpEvent/>";
    let quiet = "<t:StatusEvent><t:Watermark>w3</t:Watermark></t:StatusEvent>";
    let answer = |events: &str| {
        let content = format!(
            "<m:Notification><t:SubscriptionId>s</t:SubscriptionId><t:PreviousWatermark>w1\
             </t:PreviousWatermark><t:MoreEvents>true</t:MoreEvents>{events}</m:Notification>"
        );
        let message = message("GetEvents", "Success", "NoError", &content);
        Answer::xml(response("GetEvents", &[&message]))
    };
    let (client, _, _) = client([answer(moved), answer(quiet), answer("")]);
    let request = GetEvents {
        subscription_id: "s".into(),
        watermark: "w1".into(),
    };
    let first = client.get_events(&request).await.unwrap();
    assert_eq!((first.watermark(), first.more_events), (Some("w2"), true));
    let event = &first.events[0];
    assert_eq!(first.events.len(), 1);
    assert_eq!(event.kind, EventKind::MovedEvent);
    assert_eq!(event.old_parent, Some(FolderId::new("q")));
    assert_eq!(event.folder, Some(FolderId::new("x")));
    let second = client.get_events(&request).await.unwrap();
    assert_eq!(second.watermark(), Some("w3"));
    let third = client.get_events(&request).await.unwrap();
    assert_eq!(third.watermark(), Some("w1"));
}

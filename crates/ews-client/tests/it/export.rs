use ews_client::{Bytes, ErrorKind, ExportEvent, ExportStream, ItemId, ResponseCode};

use crate::support::{Answer, client, envelope, fault, message, response};

fn ids(names: &[&str]) -> Vec<ItemId> {
    names.iter().map(|name| ItemId::new(*name)).collect()
}

fn exported(id: &str, data: &str) -> String {
    message(
        "ExportItems",
        "Success",
        "NoError",
        &format!("<m:ItemId Id=\"{id}\" ChangeKey=\"ck-{id}\"/><m:Data>{data}</m:Data>"),
    )
}

fn refused(code: &str) -> String {
    message("ExportItems", "Error", code, "")
}

/// The events with runs of data joined: the number of pieces depends on how they arrive.
async fn drain(
    stream: &mut ExportStream,
) -> Result<Vec<ExportEvent>, (Vec<ExportEvent>, ews_client::Error)> {
    let mut events: Vec<ExportEvent> = Vec::new();
    loop {
        match stream.next().await {
            Ok(Some(ExportEvent::Data(bytes))) => {
                assert!(
                    !bytes.is_empty() && bytes.len() <= 64 << 10,
                    "{} bytes",
                    bytes.len()
                );
                if let Some(ExportEvent::Data(before)) = events.last_mut() {
                    *before = Bytes::from([before.as_ref(), bytes.as_ref()].concat());
                } else {
                    events.push(ExportEvent::Data(bytes));
                }
            }
            Ok(Some(event)) => events.push(event),
            Ok(None) => return Ok(events),
            Err(error) => return Err((events, error)),
        }
    }
}

fn started(id: &str) -> ExportEvent {
    ExportEvent::Start(ItemId::with_change_key(id, format!("ck-{id}")))
}

fn code(event: &ExportEvent) -> Option<(Option<&str>, &ResponseCode)> {
    match event {
        ExportEvent::Failed { id, error } => {
            Some((id.as_ref().map(|id| id.id.as_str()), &error.code))
        }
        _ => None,
    }
}

#[tokio::test]
async fn a_mixed_batch_gives_the_same_events_however_it_arrives() {
    let big = "x".repeat(300_000);
    let encoded = base64_simd::STANDARD.encode_to_string(&big);
    let wrapped: String = encoded
        .as_bytes()
        .chunks(76)
        .map(|line| format!("\r\n   {}", std::str::from_utf8(line).unwrap()))
        .collect();
    let text = response(
        "ExportItems",
        &[
            &exported("a", "AAEC"),
            &refused("ErrorItemNotFound"),
            &exported("c", &wrapped),
            &exported("d", "<![CDATA[QUJD]]>RA<!-- x -->=="),
        ],
    );
    for size in [1, 2, 7, 1000, 65_536, 10_000_000] {
        let (client, _, _) = client([Answer::xml(text.clone()).in_pieces(size)]);
        let mut stream = client
            .export_items(&ids(&["a", "b", "c", "d"]))
            .await
            .unwrap();
        let events = drain(&mut stream).await.unwrap();
        assert_eq!(events.len(), 10, "{events:?}");
        assert_eq!(
            events[..3],
            [
                started("a"),
                ExportEvent::Data(Bytes::from_static(&[0, 1, 2])),
                ExportEvent::End
            ]
        );
        assert_eq!(
            code(&events[3]),
            Some((Some("b"), &ResponseCode::ErrorItemNotFound))
        );
        assert_eq!(
            events[4..7],
            [
                started("c"),
                ExportEvent::Data(Bytes::from(big.clone())),
                ExportEvent::End
            ]
        );
        assert_eq!(
            events[7..],
            [
                started("d"),
                ExportEvent::Data(Bytes::from_static(b"ABCD")),
                ExportEvent::End
            ]
        );
        assert_eq!(
            client.server_version().unwrap().to_string(),
            "15.2.1544.4 (V2017_07_11)"
        );
    }
}

#[tokio::test]
async fn a_truncated_item_fails_alone() {
    let marked = exported("a", "QUJDREVG=== Truncated Data ===");
    let cut = exported("b", "QUJDR");
    let bare = exported("c", "=== Truncated Data ===");
    let empty = exported("d", "");
    let broken = exported("e", "QUJD*");
    let text = response(
        "ExportItems",
        &[
            &marked,
            &cut,
            &bare,
            &empty,
            &broken,
            &exported("f", "QUJD"),
        ],
    );
    let (client, _, _) = client([Answer::xml(text).in_pieces(5)]);
    let mut stream = client
        .export_items(&ids(&["a", "b", "c", "d", "e", "f"]))
        .await
        .unwrap();
    let events = drain(&mut stream).await.unwrap();
    let failures: Vec<_> = events.iter().filter_map(code).collect();
    let truncated = &ResponseCode::TruncatedData;
    assert_eq!(
        failures,
        [
            (Some("a"), truncated),
            (Some("b"), truncated),
            (Some("c"), truncated),
            (Some("d"), truncated),
            (Some("e"), &ResponseCode::CorruptData)
        ]
    );
    assert_eq!(
        events
            .iter()
            .filter(|event| **event == ExportEvent::End)
            .count(),
        1
    );
}

#[tokio::test]
async fn a_cut_connection_keeps_the_items_that_ended() {
    let whole = response(
        "ExportItems",
        &[&exported("a", "QUJD"), &exported("b", "QUJDREVG")],
    );
    let end = whole.find("REVG").unwrap();
    for broken in [true, false] {
        let answer = Answer::xml(&whole[..end]);
        let (client, _, _) = client([if broken { answer.then_broken() } else { answer }]);
        let mut stream = client.export_items(&ids(&["a", "b"])).await.unwrap();
        let (events, error) = drain(&mut stream).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Interrupted);
        assert!(
            error
                .to_string()
                .starts_with("ExportItems at https://mail.example.test/"),
            "{error}"
        );
        assert_eq!(
            events
                .iter()
                .filter(|event| **event == ExportEvent::End)
                .count(),
            1
        );
        assert_eq!(stream.next().await.unwrap(), None);
    }
}

#[tokio::test]
async fn entries_are_found_by_id_and_silence_is_reported() {
    let without_id = message("ExportItems", "Success", "NoError", "<m:Data>QUJD</m:Data>");
    let text = response("ExportItems", &[&exported("c", "QUJD"), &without_id]);
    let (client, _, _) = client([Answer::xml(text)]);
    let mut stream = client.export_items(&ids(&["a", "b", "c"])).await.unwrap();
    let events = drain(&mut stream).await.unwrap();
    assert_eq!(events[0], started("c"));
    assert_eq!(events[3], ExportEvent::Start(ItemId::new("b")));
    assert_eq!(
        code(&events[6]),
        Some((Some("a"), &ResponseCode::NotAnswered))
    );
}

#[tokio::test]
async fn the_position_tells_which_entry_an_event_is_about() {
    let text = response(
        "ExportItems",
        &[&refused("ErrorAccessDenied"), &exported("b", "QUJD")],
    );
    let (client, _, _) = client([Answer::xml(text)]);
    let mut stream = client.export_items(&ids(&["a", "b"])).await.unwrap();
    assert_eq!(
        code(&stream.next().await.unwrap().unwrap()),
        Some((Some("a"), &ResponseCode::ErrorAccessDenied))
    );
    assert_eq!(stream.index(), 0);
    assert_eq!(stream.next().await.unwrap(), Some(started("b")));
    assert_eq!(stream.index(), 1);
}

#[tokio::test]
async fn one_error_for_a_whole_batch_and_a_fault_are_told_apart() {
    let (batch, _, _) = client([Answer::xml(response(
        "ExportItems",
        &[&refused("ErrorAccessDenied")],
    ))]);
    let mut stream = batch.export_items(&ids(&["a", "b"])).await.unwrap();
    let events = drain(&mut stream).await.unwrap();
    assert_eq!(events.len(), 2);
    assert_eq!(
        code(&events[0]).unwrap().1,
        &ResponseCode::ErrorAccessDenied
    );
    let unknown = response("ExportItems", &[&refused("ErrorInvalidOperation")]);
    let (unable, _, _) = client([Answer::xml(unknown)]);
    let error = unable.export_items(&ids(&["a"])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let (broken, _, _) = client([Answer::xml(fault(
        "ErrorInvalidOperation",
        "no such operation",
        "",
    ))]);
    let error = broken.export_items(&ids(&["a"])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn answers_that_are_no_export_are_refused_in_words() {
    for (text, kind) in [
        (
            "<!DOCTYPE html><html><body>Sign in</body></html>",
            ErrorKind::NotEws,
        ),
        ("<html><body>Sign in</body></html>", ErrorKind::NotEws),
        ("{\"error\": 1}", ErrorKind::NotEws),
        ("", ErrorKind::NotEws),
        (
            "<!DOCTYPE x [<!ENTITY e \"e\">]><x>&e;</x>",
            ErrorKind::Protocol,
        ),
        ("<s:Envelope><s:Body></s:Header>", ErrorKind::Protocol),
    ] {
        let (client, _, _) = client([Answer::xml(text)]);
        let error = client.export_items(&ids(&["a"])).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{text}: {error}");
    }
}

#[tokio::test]
async fn nothing_in_an_answer_takes_unbounded_memory() {
    let deep = envelope(&"<a>".repeat(10_000));
    let long = envelope(&format!("<a b=\"{}\"/>", "x".repeat(3 << 20)));
    let error = message(
        "ExportItems",
        "Error",
        "ErrorX",
        &"<m:MessageText>x</m:MessageText>".repeat(100_000),
    );
    let wordy = response("ExportItems", &[&error]);
    for text in [deep, long, wordy] {
        let (client, _, _) = client([Answer::xml(text).in_pieces(4096)]);
        let error = match client.export_items(&ids(&["a"])).await {
            Ok(mut stream) => drain(&mut stream).await.unwrap_err().1,
            Err(error) => error,
        };
        assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
    }
}

#[tokio::test]
async fn an_item_of_any_size_passes_in_small_pieces() {
    // 150 MB of base64, never held: each piece is made when it is asked for.
    const PIECES: usize = 2400;
    let head = response("ExportItems", &[&exported("a", "|")]);
    let (head, tail) = head
        .split_once('|')
        .map(|(head, tail)| (head.to_owned(), tail.to_owned()))
        .unwrap();
    let piece = Bytes::from(vec![b'Q'; 65_535]);
    let pieces = std::iter::once(Bytes::from(head))
        .chain(std::iter::repeat_n(piece, PIECES))
        .chain([Bytes::from(tail)]);
    let mut answer = Answer::xml("");
    answer.pieces = pieces.map(Ok).collect();
    let (client, _, _) = client([answer]);
    let mut stream = client.export_items(&ids(&["a"])).await.unwrap();
    let (mut bytes, mut ended) = (0_u64, false);
    while let Some(event) = stream.next().await.unwrap() {
        match event {
            ExportEvent::Data(data) => {
                assert!(data.len() <= 64 << 10);
                bytes += data.len() as u64;
            }
            ExportEvent::End => ended = true,
            other => assert_eq!(other, started("a")),
        }
    }
    assert!(ended);
    assert_eq!(bytes, 65_535 * PIECES as u64 / 4 * 3);
}

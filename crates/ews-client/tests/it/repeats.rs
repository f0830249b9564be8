use std::time::Duration;

use ews_client::{
    Access, BaseShape, Bytes, Client, DistinguishedFolder, ErrorKind, Folder, FolderId,
    FolderShape, GetFolder, ItemId, Outcome, SchemaVersion, TransportError, TransportErrorKind,
    UploadAction, UploadItem,
};

use crate::support::{Answer, client, fault, message, response, results};

const BACK_OFF: &str = "<t:Value Name=\"BackOffMilliseconds\">2749</t:Value>";

async fn get_inbox(client: &Client) -> ews_client::Result<Vec<Outcome<Folder>>> {
    let request = GetFolder {
        shape: FolderShape::new(BaseShape::IdOnly),
        ids: vec![DistinguishedFolder::Inbox.into()],
    };
    client.get_folder(&request).await
}

async fn upload(client: &Client) -> ews_client::Result<Vec<Outcome<ItemId>>> {
    let item = UploadItem {
        parent: FolderId::new("f"),
        action: UploadAction::CreateNew,
        associated: None,
        data: Bytes::from_static(b"x").into(),
    };
    client.upload_items(vec![item]).await
}

fn inbox() -> Answer {
    Answer::xml(response(
        "GetFolder",
        &[&message(
            "GetFolder",
            "Success",
            "NoError",
            "<m:Folders><t:Folder><t:FolderId Id=\"inbox\"/></t:Folder></m:Folders>",
        )],
    ))
}

fn uploaded() -> Answer {
    Answer::xml(response(
        "UploadItems",
        &[&message(
            "UploadItems",
            "Success",
            "NoError",
            "<m:ItemId Id=\"x\"/>",
        )],
    ))
}

fn inner_busy(operation: &str) -> Answer {
    let xml = format!("<m:MessageXml>{BACK_OFF}</m:MessageXml>");
    Answer::xml(response(
        operation,
        &[&message(operation, "Error", "ErrorServerBusy", &xml)],
    ))
}

fn broken() -> Result<Answer, TransportError> {
    Err(TransportError::new(
        TransportErrorKind::Interrupted,
        "the connection broke: reset",
    ))
}

#[tokio::test]
async fn the_three_shapes_of_busy_are_waited_out_to_the_millisecond() {
    let shapes = [
        Answer::with(503, "").header("retry-after", "7"),
        Answer::with(500, fault("ErrorServerBusy", "busy", BACK_OFF)),
        inner_busy("GetFolder"),
        Answer::with(200, fault("ErrorServerBusy", "busy", BACK_OFF)),
        Answer::with(503, "")
            .header("date", "Sun, 22 Nov 2026 12:00:00 GMT")
            .header("retry-after", "Sun, 22 Nov 2026 12:00:09 GMT"),
    ];
    let (client, playback, notes) = client(shapes.into_iter().chain([inbox()]));
    assert_eq!(get_inbox(&client).await.unwrap().len(), 1);
    let waits: Vec<u128> = notes
        .0
        .lock()
        .unwrap()
        .iter()
        .map(Duration::as_millis)
        .collect();
    assert_eq!(waits, [7000, 2749, 2749, 2749, 9000]);
    assert_eq!(playback.count(), 6);
    let stats = client.stats();
    assert_eq!((stats.requests, stats.retries, stats.waits), (6, 5, 5));
    assert_eq!(stats.operations.get("GetFolder"), Some(&6));
}

#[tokio::test]
async fn an_upload_refused_as_busy_is_repeated_and_a_broken_one_is_not() {
    let refusals = [Answer::with(503, ""), inner_busy("UploadItems"), uploaded()];
    let (patient, playback, _) = client(refusals);
    assert!(upload(&patient).await.unwrap()[0].is_ok());
    assert_eq!(playback.count(), 3);
    let (careful, playback, notes) = results([broken()]);
    assert_eq!(
        upload(&careful).await.unwrap_err().kind(),
        ErrorKind::Interrupted
    );
    assert_eq!((playback.count(), notes.0.lock().unwrap().len()), (1, 0));
    let never_sent = Err(TransportError::new(
        TransportErrorKind::Unreachable,
        "refused",
    ));
    let (eager, playback, _) = results([never_sent, Ok(uploaded())]);
    assert!(upload(&eager).await.is_ok());
    assert_eq!(playback.count(), 2);
}

#[tokio::test]
async fn reading_survives_broken_connections_up_to_a_limit() {
    let cut = Answer::xml("<s:Envelope><s:Bo").then_broken();
    let (stubborn, playback, _) =
        results([broken(), Ok(cut), Ok(Answer::with(502, "")), Ok(inbox())]);
    assert!(get_inbox(&stubborn).await.is_ok());
    assert_eq!(playback.count(), 4);
    let (client, _, _) = results((0..4).map(|_| broken()));
    let error = get_inbox(&client).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.attempts()),
        (ErrorKind::Interrupted, 4)
    );
    assert_eq!(
        error.to_string(),
        "GetFolder at https://mail.example.test/EWS/Exchange.asmx: the connection broke: reset (after 4 attempts)"
    );
}

#[tokio::test]
async fn a_busy_server_does_not_make_the_first_broken_connection_the_last() {
    let busy = || Ok(Answer::with(503, "").header("retry-after", "1"));
    let broken_three_times = [broken(), broken(), broken(), Ok(inbox())];
    let answers = (0..6).map(|_| busy()).chain(broken_three_times);
    let (client, playback, _) = results(answers);
    assert!(get_inbox(&client).await.is_ok());
    assert_eq!(playback.count(), 10);
    let answers = [busy()].into_iter().chain((0..4).map(|_| broken()));
    let (client, _, _) = results(answers);
    let error = get_inbox(&client).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.attempts()),
        (ErrorKind::Interrupted, 5)
    );
}

#[tokio::test]
async fn a_server_that_stays_busy_is_reported_as_such() {
    let (client, _, notes) = client((0..10).map(|_| inner_busy("GetFolder")));
    let error = get_inbox(&client).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy);
    assert_eq!(error.retry_after(), Some(Duration::from_millis(2749)));
    assert_eq!(notes.0.lock().unwrap().len(), 9);
}

#[tokio::test]
async fn a_busy_export_is_repeated_before_its_first_event_only() {
    let exported = message(
        "ExportItems",
        "Success",
        "NoError",
        "<m:ItemId Id=\"a\"/><m:Data>QUJD</m:Data>",
    );
    let late = message("ExportItems", "Error", "ErrorServerBusy", "");
    let answers = [
        inner_busy("ExportItems"),
        Answer::xml(response("ExportItems", &[&exported, &late])),
    ];
    let (client, playback, notes) = client(answers);
    let mut stream = client
        .export_items(&[ItemId::new("a"), ItemId::new("b")])
        .await
        .unwrap();
    let mut events = 0;
    while stream.next().await.unwrap().is_some() {
        events += 1;
    }
    assert_eq!(
        (events, playback.count(), notes.0.lock().unwrap().len()),
        (4, 2, 1)
    );
}

#[tokio::test]
async fn refused_credentials_and_rights_are_not_tried_again() {
    for (answer, kind) in [
        (
            Answer::with(401, "").header("www-authenticate", "Basic realm=\"x\""),
            ErrorKind::Auth,
        ),
        (Answer::with(403, ""), ErrorKind::Denied),
        (
            Answer::with(500, fault("ErrorImpersonateUserDenied", "no right", "")),
            ErrorKind::Denied,
        ),
        (
            Answer::with(500, fault("ErrorNonExistentMailbox", "no mailbox", "")),
            ErrorKind::NotFound,
        ),
        (Answer::with(404, "<html>"), ErrorKind::NotEws),
        (Answer::with(500, "Unknown request"), ErrorKind::Unsupported),
        (
            Answer::with(500, fault("ErrorInvalidOperation", "x", "")),
            ErrorKind::Unsupported,
        ),
        (
            Answer::with(302, "").header("location", "https://other.example.test/"),
            ErrorKind::NotEws,
        ),
        (Answer::with(413, ""), ErrorKind::Invalid),
        (
            Answer::with(200, "<html/>").header("content-type", "text/html"),
            ErrorKind::NotEws,
        ),
        (
            Answer::with(200, "{}").header("content-type", "application/json"),
            ErrorKind::NotEws,
        ),
    ] {
        let (client, playback, _) = client([answer]);
        let error = get_inbox(&client).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert_eq!(playback.count(), 1);
        assert!(!error.to_string().contains("secret"));
    }
}

#[tokio::test]
async fn an_older_server_is_met_at_its_own_version() {
    let wrong = |code: &str, text: &str| Answer::with(500, fault(code, text, ""));
    let (client, playback, notes) = client([
        wrong("ErrorInvalidServerVersion", "no"),
        wrong(
            "ErrorSchemaValidation",
            "The 'Version' attribute is invalid: ExchangeVersionType",
        ),
        inbox(),
        inbox(),
    ]);
    get_inbox(&client).await.unwrap();
    assert_eq!(client.schema_version(), SchemaVersion::Exchange2010_SP2);
    get_inbox(&client.for_mailbox(Access::Impersonate("a@example.test".into())))
        .await
        .unwrap();
    let versions: Vec<bool> = playback
        .bodies()
        .iter()
        .map(|body| body.contains("Exchange2010_SP2"))
        .collect();
    assert_eq!(versions, [false, false, true, true]);
    assert!(notes.0.lock().unwrap().is_empty());
}

#[tokio::test]
async fn impersonation_travels_with_its_routing_header() {
    let (client, playback, _) = client([inbox(), inbox()]);
    let other = client.for_mailbox(Access::Impersonate("o&b@example.test".into()));
    get_inbox(&other).await.unwrap();
    get_inbox(&client).await.unwrap();
    let seen = playback.seen.lock().unwrap();
    assert!(
        seen.bodies[0]
            .contains("<t:PrimarySmtpAddress>o&amp;b@example.test</t:PrimarySmtpAddress>")
    );
    assert!(
        seen.requests[0]
            .headers
            .contains(&("x-anchormailbox", "o&b@example.test".to_owned()))
    );
    assert!(!seen.bodies[1].contains("Impersonation"));
    assert!(
        !seen.requests[1]
            .headers
            .iter()
            .any(|(name, _)| *name == "x-anchormailbox")
    );
    assert!(!format!("{:?} {other:?}", seen.requests[0]).contains("c2VjcmV0"));
}

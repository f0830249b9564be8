use std::sync::Arc;

use ews_client::{Bytes, ErrorKind, FolderId, ItemId, UploadAction, UploadData, UploadItem};
use futures::StreamExt;

use crate::support::{Answer, client, message, response};

fn item(data: UploadData, action: UploadAction) -> UploadItem {
    UploadItem {
        parent: FolderId::new("folder"),
        action,
        associated: None,
        data,
    }
}

/// A stream of `len` bytes in pieces of 1000.
fn stream(len: u64, yields: u64) -> UploadData {
    let open = move || {
        let pieces = (0..yields.div_ceil(1000))
            .map(move |n| Ok(Bytes::from(vec![7; (yields - n * 1000).min(1000) as usize])));
        futures::stream::iter(pieces).boxed()
    };
    UploadData::Stream {
        len,
        open: Arc::new(open),
    }
}

fn done(ids: &[&str]) -> Answer {
    let messages: Vec<String> = ids
        .iter()
        .map(|id| {
            message(
                "UploadItems",
                "Success",
                "NoError",
                &format!("<m:ItemId Id=\"{id}\" ChangeKey=\"k\"/>"),
            )
        })
        .collect();
    let messages: Vec<&str> = messages.iter().map(String::as_str).collect();
    Answer::xml(response("UploadItems", &messages))
}

#[tokio::test]
async fn payloads_are_encoded_whole_and_the_length_is_declared() {
    let (client, playback, _) = client([done(&["x", "y", "z"])]);
    let items = vec![
        item(Bytes::from_static(b"ABCDE").into(), UploadAction::CreateNew),
        item(
            stream(10_001, 10_001),
            UploadAction::Update(ItemId::new("old")),
        ),
        item(
            UploadData::Bytes(Bytes::new()),
            UploadAction::UpdateOrCreate(ItemId::new("old")),
        ),
    ];
    let outcomes = client.upload_items(items).await.unwrap();
    assert_eq!(outcomes[2].as_ref().unwrap().id, "z");
    let body = playback.bodies().remove(0);
    assert!(body.contains("<t:Data>QUJDREU=</t:Data>"));
    assert!(body.contains(&base64_simd::STANDARD.encode_to_string(vec![7; 10_001])));
    assert!(body.contains("CreateAction=\"UpdateOrCreate\"") && body.contains("<t:Data></t:Data>"));
}

#[tokio::test]
async fn a_payload_of_another_length_fails_the_request_and_is_not_repeated() {
    for yields in [9_999, 10_002] {
        let (client, playback, _) = client([]);
        let error = client
            .upload_items(vec![item(stream(10_001, yields), UploadAction::CreateNew)])
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        assert_eq!(playback.count(), 0);
    }
}

#[tokio::test]
async fn a_mixed_answer_keeps_the_good_part() {
    let good = message("UploadItems", "Success", "NoError", "<m:ItemId Id=\"x\"/>");
    let bad = message("UploadItems", "Error", "ErrorQuotaExceeded", "");
    let (client, _, _) = client([Answer::xml(response("UploadItems", &[&good, &bad]))]);
    let items = (0..3)
        .map(|_| item(Bytes::from_static(b"A").into(), UploadAction::CreateNew))
        .collect();
    let outcomes = client.upload_items(items).await.unwrap();
    assert_eq!(outcomes[0].as_ref().unwrap().id, "x");
    assert_eq!(
        outcomes[1].as_ref().unwrap_err().code.as_str(),
        "ErrorQuotaExceeded"
    );
    assert_eq!(
        outcomes[2].as_ref().unwrap_err().code.as_str(),
        "NotAnswered"
    );
}

//! What a server sends: answers decoded by `ews-client`, from memory instead of a network.

use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;

use bytes::Bytes;
use ews_client::{
    BaseShape, Client, ClientOptions, Credentials, ExportEvent, FolderId, FolderIdRef, ItemId,
    ItemShape, SyncFolderItems, Transport, TransportError, TransportRequest, TransportResponse,
    Url, async_trait,
};
use futures::StreamExt;

use super::{Named, copy, runtime};
use crate::case::Prepared;
use crate::material::{noise, stream};

pub(super) const CASES: &[Named] = &[
    ("ews-sync-page", sync_page),
    ("ews-export", export),
    ("base64-long", base64_long),
];

/// Bytes that arrive at once.
const PIECE: usize = 16 << 10;

/// Gives the same answer to every request.
struct Canned(Bytes);

#[async_trait]
impl Transport for Canned {
    async fn send(&self, _request: TransportRequest) -> Result<TransportResponse, TransportError> {
        let answer = self.0.clone();
        let pieces = (0..answer.len().div_ceil(PIECE))
            .map(move |n| Ok(answer.slice(n * PIECE..((n + 1) * PIECE).min(answer.len()))));
        Ok(TransportResponse {
            status: 200,
            headers: vec![("content-type".into(), "text/xml; charset=utf-8".into())],
            body: futures::stream::iter(pieces).boxed(),
        })
    }
}

fn client(answer: String) -> Client {
    let url = Url::parse("http://localhost/EWS/Exchange.asmx").expect("an address");
    let options = ClientOptions::new(url, Credentials::basic("user", "password"));
    Client::with_transport(options, Arc::new(Canned(answer.into())))
}

fn envelope(operation: &str, messages: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\
         <s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Header>\
         <h:ServerVersionInfo MajorVersion=\"15\" MinorVersion=\"2\" MajorBuildNumber=\"1118\" \
         MinorBuildNumber=\"7\" Version=\"V2017_07_11\" \
         xmlns:h=\"http://schemas.microsoft.com/exchange/services/2006/types\"/></s:Header>\
         <s:Body><m:{operation}Response \
         xmlns:m=\"http://schemas.microsoft.com/exchange/services/2006/messages\" \
         xmlns:t=\"http://schemas.microsoft.com/exchange/services/2006/types\">\
         <m:ResponseMessages>{messages}</m:ResponseMessages></m:{operation}Response>\
         </s:Body></s:Envelope>"
    )
}

/// An id as long as Exchange's.
fn id(number: usize) -> String {
    format!("AAMkADA2{number:0>144}")
}

/// One page of 512 changes.
fn sync_page() -> Prepared {
    let mut changes = String::new();
    for number in 0..512 {
        let _ = write!(
            changes,
            "<t:Create><t:Message><t:ItemId Id=\"{}\" ChangeKey=\"CQAAABYAAADZ{number:0>28}\"/>\
             <t:Subject>Figures of week {number} &amp; more</t:Subject><t:Size>{}</t:Size>\
             <t:ItemClass>IPM.Note</t:ItemClass><t:IsRead>true</t:IsRead></t:Message></t:Create>",
            id(number),
            number * 100
        );
    }
    let answer = envelope(
        "SyncFolderItems",
        &format!(
            "<m:SyncFolderItemsResponseMessage ResponseClass=\"Success\">\
             <m:ResponseCode>NoError</m:ResponseCode><m:SyncState>{}</m:SyncState>\
             <m:IncludesLastItemInRange>false</m:IncludesLastItemInRange>\
             <m:Changes>{changes}</m:Changes></m:SyncFolderItemsResponseMessage>",
            id(1)
        ),
    );
    let (bytes, client, runtime) = (answer.len(), client(answer), runtime());
    let run = move || {
        let folder = FolderIdRef::Id(FolderId::new("folder"));
        let request = SyncFolderItems {
            shape: ItemShape::new(BaseShape::IdOnly),
            max_changes: 512,
            ..SyncFolderItems::new(folder, None)
        };
        let page = runtime.block_on(client.sync_folder_items(&request));
        assert_eq!(page.map(|page| page.changes.len()).ok(), Some(512));
    };
    Prepared {
        bytes,
        run: Box::new(run),
        limit: copy(bytes),
    }
}

/// Forty items of 40 KB, as an answer to ExportItems.
fn export() -> Prepared {
    exported(&vec![stream(10_000); 40])
}

/// One item of 4 MiB.
fn base64_long() -> Prepared {
    exported(&[noise(4 << 20)])
}

fn exported(items: &[Vec<u8>]) -> Prepared {
    let mut messages = String::new();
    let mut ids = Vec::new();
    let mut texts = Vec::new();
    for (number, item) in items.iter().enumerate() {
        let text = base64_simd::STANDARD.encode_to_string(item);
        let _ = write!(
            messages,
            "<m:ExportItemsResponseMessage ResponseClass=\"Success\">\
             <m:ResponseCode>NoError</m:ResponseCode><m:ItemId Id=\"{}\" ChangeKey=\"CQ\"/>\
             <m:Data>{text}</m:Data></m:ExportItemsResponseMessage>",
            id(number)
        );
        ids.push(ItemId::new(id(number)));
        texts.push(text);
    }
    let answer = envelope("ExportItems", &messages);
    let bytes: usize = items.iter().map(Vec::len).sum();
    let (client, runtime) = (client(answer), runtime());
    let run = move || {
        let read = runtime.block_on(async {
            let mut read = 0;
            let mut stream = client.export_items(&ids).await.expect("an answer");
            while let Some(event) = stream.next().await.expect("a whole answer") {
                if let ExportEvent::Data(data) = event {
                    read += data.len();
                }
            }
            read
        });
        assert_eq!(read, bytes);
    };
    let alone = move || {
        for text in &texts {
            black_box(base64_simd::STANDARD.decode_to_vec(text).ok());
        }
    };
    Prepared {
        bytes,
        run: Box::new(run),
        limit: ("base64 alone", Box::new(alone)),
    }
}

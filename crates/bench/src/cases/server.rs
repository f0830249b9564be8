//! What a server sends: answers decoded by `ews-client`, from memory instead of a network.

use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;

use bytes::Bytes;
use ews_client::{
    BaseShape, Client, ClientOptions, Credentials, ExportEvent, FolderId, FolderIdRef, GetItem,
    ItemId, ItemShape, SyncFolderItems, Transport, TransportError, TransportRequest,
    TransportResponse, Url, async_trait,
};
use futures::StreamExt;

use super::{Named, copy, runtime};
use crate::case::{Prepared, Work};
use crate::material::{noise, stream, text};

pub(super) const CASES: &[Named] = &[
    ("ews-sync-page", sync_page),
    ("ews-get-item", get_item),
    ("ews-export", export),
    ("base64-long", base64_long),
];

/// An answer of a server, for every reader of such answers alike.
pub(crate) struct Answer {
    /// The operation's name.
    pub(crate) operation: &'static str,
    /// The whole envelope.
    pub(crate) xml: String,
    /// Rows or items in it.
    pub(crate) rows: usize,
    /// Reads it by `ews-client`.
    pub(crate) read: Work,
}

/// One answer of each kind that a backup spends its time on.
pub(crate) fn answers() -> [Answer; 3] {
    let items = vec![stream(10_000); ITEMS];
    [synchronised(), got(), exported(&items).0]
}

/// Items in an answer that carries items.
const ITEMS: usize = 40;
/// Changes in a page: the most that Exchange gives.
const CHANGES: usize = 512;

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
    prepared(synchronised())
}

/// Forty mails of 40 KB with their MIME text, which lies in one piece in memory when it is read.
fn get_item() -> Prepared {
    prepared(got())
}

fn prepared(answer: Answer) -> Prepared {
    let bytes = answer.xml.len();
    Prepared {
        bytes,
        run: answer.read,
        limit: copy(bytes),
    }
}

fn synchronised() -> Answer {
    let mut changes = String::new();
    for number in 0..CHANGES {
        let _ = write!(
            changes,
            "<t:Create><t:Message><t:ItemId Id=\"{}\" ChangeKey=\"CQAAABYAAADZ{number:0>28}\"/>\
             <t:Subject>Figures of week {number} &amp; more</t:Subject><t:Size>{}</t:Size>\
             <t:ItemClass>IPM.Note</t:ItemClass><t:IsRead>true</t:IsRead></t:Message></t:Create>",
            id(number),
            number * 100
        );
    }
    let xml = envelope(
        "SyncFolderItems",
        &format!(
            "<m:SyncFolderItemsResponseMessage ResponseClass=\"Success\">\
             <m:ResponseCode>NoError</m:ResponseCode><m:SyncState>{}</m:SyncState>\
             <m:IncludesLastItemInRange>false</m:IncludesLastItemInRange>\
             <m:Changes>{changes}</m:Changes></m:SyncFolderItemsResponseMessage>",
            id(1)
        ),
    );
    let (client, runtime) = (client(xml.clone()), runtime());
    let read = move || {
        let folder = FolderIdRef::Id(FolderId::new("folder"));
        let request = SyncFolderItems {
            shape: ItemShape::new(BaseShape::IdOnly),
            max_changes: CHANGES as u32,
            ..SyncFolderItems::new(folder, None)
        };
        let page = runtime.block_on(client.sync_folder_items(&request));
        assert_eq!(page.map(|page| page.changes.len()).ok(), Some(CHANGES));
    };
    Answer {
        operation: "SyncFolderItems",
        xml,
        rows: CHANGES,
        read: Box::new(read),
    }
}

fn got() -> Answer {
    let mut messages = String::new();
    let mut length = 0;
    for number in 0..ITEMS {
        let mime = format!(
            "Subject: Figures\r\nMIME-Version: 1.0\r\n\r\n{}",
            text(40_000, number as u64)
        );
        length += mime.len();
        let _ = write!(
            messages,
            "<m:GetItemResponseMessage ResponseClass=\"Success\">\
             <m:ResponseCode>NoError</m:ResponseCode><m:Items><t:Message>\
             <t:MimeContent CharacterSet=\"UTF-8\">{}</t:MimeContent>\
             <t:ItemId Id=\"{}\" ChangeKey=\"CQ\"/><t:Subject>Figures</t:Subject>\
             <t:Size>{}</t:Size></t:Message></m:Items></m:GetItemResponseMessage>",
            base64_simd::STANDARD.encode_to_string(&mime),
            id(number),
            mime.len(),
        );
    }
    let xml = envelope("GetItem", &messages);
    let request = GetItem {
        shape: ItemShape::new(BaseShape::Default).with_mime(),
        ids: (0..ITEMS).map(|number| ItemId::new(id(number))).collect(),
    };
    let (client, runtime) = (client(xml.clone()), runtime());
    let read = move || {
        let items = runtime.block_on(client.get_item(&request));
        let items = items.expect("an answer").into_iter().flatten();
        let mimes = items.filter_map(|item| item.mime_content);
        assert_eq!(mimes.map(|mime| mime.len()).sum::<usize>(), length);
    };
    Answer {
        operation: "GetItem",
        xml,
        rows: ITEMS,
        read: Box::new(read),
    }
}

/// Forty items of 40 KB, as an answer to ExportItems.
fn export() -> Prepared {
    beside_base64(&vec![stream(10_000); ITEMS])
}

/// One item of 4 MiB.
fn base64_long() -> Prepared {
    beside_base64(&[noise(4 << 20)])
}

fn beside_base64(items: &[Vec<u8>]) -> Prepared {
    let (answer, texts) = exported(items);
    let alone = move || {
        for text in &texts {
            black_box(base64_simd::STANDARD.decode_to_vec(text).ok());
        }
    };
    Prepared {
        bytes: items.iter().map(Vec::len).sum(),
        run: answer.read,
        limit: ("base64 alone", Box::new(alone)),
    }
}

/// An answer to ExportItems, and the texts in it.
fn exported(items: &[Vec<u8>]) -> (Answer, Vec<String>) {
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
    let xml = envelope("ExportItems", &messages);
    let bytes: usize = items.iter().map(Vec::len).sum();
    let (client, runtime) = (client(xml.clone()), runtime());
    let read = move || {
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
    let answer = Answer {
        operation: "ExportItems",
        xml,
        rows: items.len(),
        read: Box::new(read),
    };
    (answer, texts)
}

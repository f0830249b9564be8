//! UploadItems (MS-OXWSBTRF 3.1.4.2).

use std::fmt;
use std::io;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};

use crate::answer;
use crate::base64_stream;
use crate::element;
use crate::error::{Error, Result};
use crate::model::{FolderId, ItemId, Outcome};
use crate::op::{Operation, require};
use crate::transport::{OpenStream, RequestBody};
use crate::version::SchemaVersion;
use crate::xml::{Node, Writer};

/// What an upload does (`CreateActionType`, MS-OXWSBTRF 3.1.4.2.4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UploadAction {
    /// Creates an item.
    CreateNew,
    /// Replaces an item; fails where it is gone.
    Update(ItemId),
    /// Replaces an item, or creates one where it is gone.
    UpdateOrCreate(ItemId),
}

/// An item's native stream (MS-OXWSBTRF 3.1.4.2).
#[derive(Clone)]
pub enum UploadData {
    /// In memory.
    Bytes(Bytes),
    /// Produced while it is sent; takes constant memory.
    Stream {
        /// Its exact length in bytes; a stream that differs fails the request.
        len: u64,
        /// Starts it from the beginning.
        open: OpenStream,
    },
}

impl UploadData {
    /// The length in bytes, before encoding.
    pub fn len(&self) -> u64 {
        match self {
            UploadData::Bytes(bytes) => bytes.len() as u64,
            UploadData::Stream { len, .. } => *len,
        }
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn encoded(&self) -> BoxStream<'static, io::Result<Bytes>> {
        match self {
            UploadData::Bytes(bytes) => {
                let once = stream::iter([Ok(bytes.clone())]).boxed();
                base64_stream::encode(once, bytes.len() as u64)
            }
            UploadData::Stream { len, open } => base64_stream::encode(open(), *len),
        }
    }
}

impl From<Bytes> for UploadData {
    fn from(bytes: Bytes) -> UploadData {
        UploadData::Bytes(bytes)
    }
}

impl fmt::Debug for UploadData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UploadData({} bytes)", self.len())
    }
}

/// An item to be uploaded (`UploadItemType`, MS-OXWSBTRF 3.1.4.2).
#[derive(Clone, Debug)]
pub struct UploadItem {
    /// Where it goes.
    pub parent: FolderId,
    /// Creates or replaces.
    pub action: UploadAction,
    /// Whether it belongs to the folder's hidden contents; `None` leaves the statement out.
    pub associated: Option<bool>,
    /// Its native stream.
    pub data: UploadData,
}

/// The whole batch; its body is streamed, so only the answer goes through [`Operation`].
#[derive(Clone, Debug)]
pub(crate) struct UploadItems(pub(crate) Vec<UploadItem>);

impl Operation for UploadItems {
    const NAME: &'static str = "UploadItems";
    const IDEMPOTENT: bool = false;
    /// The new ids.
    type Answer = Vec<Outcome<ItemId>>;

    fn validate(&self) -> Result<()> {
        require(!self.0.is_empty(), "no item given")
    }

    fn write(&self, _writer: &mut Writer, _version: SchemaVersion) {}

    fn body(&self, writer: Writer) -> RequestBody {
        upload_body(writer, &self.0)
    }

    fn read(&self, response: Node<'_>) -> Result<Self::Answer> {
        answer::outcomes(response, self.0.len(), |message| {
            let id = message.child("ItemId").and_then(answer::item_id);
            id.ok_or_else(|| Error::protocol("an uploaded item without an id"))
        })
    }
}

#[derive(Clone)]
enum Part {
    Text(Bytes),
    Payload(UploadData),
}

/// Completes an envelope whose body element is open in `writer` with the batch: XML and
/// payloads alternate, and the length is known before the first byte is sent.
fn upload_body(mut writer: Writer, items: &[UploadItem]) -> RequestBody {
    let mut parts = Vec::with_capacity(items.len() * 2 + 1);
    writer.open("m:UploadItems").open("m:Items");
    for item in items {
        let (action, id) = match &item.action {
            UploadAction::CreateNew => ("CreateNew", None),
            UploadAction::Update(id) => ("Update", Some(id)),
            UploadAction::UpdateOrCreate(id) => ("UpdateOrCreate", Some(id)),
        };
        writer.open("t:Item").attribute("CreateAction", action);
        if let Some(associated) = item.associated {
            writer.attribute("IsAssociated", if associated { "true" } else { "false" });
        }
        element::folder_id(&mut writer, "t:ParentFolderId", &item.parent);
        if let Some(id) = id {
            element::item_id(&mut writer, id);
        }
        writer.open("t:Data");
        parts.push(Part::Text(Bytes::from(writer.take())));
        parts.push(Part::Payload(item.data.clone()));
        writer.close().close();
    }
    parts.push(Part::Text(Bytes::from(writer.finish())));
    let len = parts
        .iter()
        .map(|part| match part {
            Part::Text(text) => text.len() as u64,
            Part::Payload(data) => base64_stream::encoded_len(data.len()),
        })
        .sum();
    let open: OpenStream = std::sync::Arc::new(move || {
        let parts = parts.clone();
        stream::iter(parts)
            .flat_map(|part| match part {
                Part::Text(text) => stream::iter([Ok(text)]).boxed(),
                Part::Payload(data) => data.encoded(),
            })
            .boxed()
    });
    RequestBody::Stream { len, open }
}

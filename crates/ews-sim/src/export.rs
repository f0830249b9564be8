//! Native streams of items, made while they are sent.

use bytes::Bytes;
use fasttransfer::{
    Attachment, ExternalPayload, Message, MessageEncoder, PropValue, WriteOptions, tag,
};

use crate::item::{Content, Item};
use crate::payload::Payload;

/// PidTagAttachMethod: afByValue.
const ATTACH_BY_VALUE: i32 = 1;
/// Name of the huge attachment of a large item.
const LARGE_NAME: &str = "large.bin";

/// An item's native stream, one transfer buffer at a time.
pub(crate) struct ExportStream {
    encoder: MessageEncoder,
    payload: Option<Payload>,
}

impl ExportStream {
    pub(crate) fn new(item: &Item) -> ExportStream {
        let options = WriteOptions::default();
        match &item.content {
            Content::Large(large) => ExportStream {
                encoder: MessageEncoder::with_payloads(
                    &large.message,
                    &options,
                    &external(&large.message, large.payload),
                ),
                payload: Some(large.payload),
            },
            _ => ExportStream {
                encoder: MessageEncoder::new(&item.message(), &options),
                payload: None,
            },
        }
    }

    /// The length of the whole stream.
    pub(crate) fn len(&self) -> u64 {
        self.encoder.encoded_len()
    }

    /// The next bytes; `None` at the end.
    pub(crate) fn next(&mut self) -> Option<Vec<u8>> {
        let payload = self.payload;
        self.encoder.next_frame(&mut |_, offset, buffer| {
            if let Some(payload) = payload {
                payload.fill(offset, buffer);
            }
        })
    }
}

fn external(message: &Message, payload: Payload) -> Vec<ExternalPayload> {
    let last = message.attachments.len().checked_sub(1);
    last.map(|attachment| ExternalPayload {
        attachment,
        len: u32::try_from(payload.bytes).unwrap_or(u32::MAX),
    })
    .into_iter()
    .collect()
}

/// The whole native stream of an item.
pub(crate) fn to_vec(item: &Item) -> Vec<u8> {
    let mut stream = ExportStream::new(item);
    let mut out = Vec::with_capacity(usize::try_from(stream.len()).unwrap_or(0));
    while let Some(frame) = stream.next() {
        out.extend_from_slice(&frame);
    }
    out
}

/// The bytes of a huge attachment, built whole: for GetAttachment only.
pub(crate) fn payload_bytes(payload: Payload) -> Bytes {
    let mut bytes = vec![0; usize::try_from(payload.bytes).unwrap_or(0)];
    payload.fill(0, &mut bytes);
    bytes.into()
}

/// The attachment of a large item, without its bytes.
pub(crate) fn large_attachment(bytes: u64) -> Attachment {
    let mut attachment = Attachment::default();
    let props = &mut attachment.props;
    props.set(tag::ATTACH_NUMBER, PropValue::Int32(0));
    props.set(tag::ATTACH_METHOD, PropValue::Int32(ATTACH_BY_VALUE));
    props.set(tag::ATTACH_LONG_FILENAME, LARGE_NAME);
    props.set(tag::DISPLAY_NAME, LARGE_NAME);
    props.set(tag::ATTACH_MIME_TAG, "application/octet-stream");
    let size = i32::try_from(bytes).unwrap_or(i32::MAX);
    props.set(tag::ATTACH_SIZE, PropValue::Int32(size));
    props.set(tag::RENDERING_POSITION, PropValue::Int32(-1));
    attachment
}

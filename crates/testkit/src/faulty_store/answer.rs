//! Damaging the bytes of an answer on their way to the caller.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use object_store::{GetResult, GetResultPayload};

use super::rule::Fault;

/// Applies a damaging fault to an answer; other faults leave it alone. The answer is read into
/// memory, which is fine for the sizes of tests.
pub(super) async fn damage(answer: GetResult, fault: &Fault) -> object_store::Result<GetResult> {
    if !matches!(fault, Fault::FlipByte { .. } | Fault::Truncate { .. }) {
        return Ok(answer);
    }
    // The parts that stay as they were: a lying store also tells the old length.
    let meta = answer.meta.clone();
    let range = answer.range.clone();
    let attributes = answer.attributes.clone();
    let extensions = answer.extensions.clone();
    let bytes = damaged(answer.bytes().await?, &range, fault);
    let stream = futures::stream::once(async move { Ok(bytes) }).boxed();
    Ok(GetResult {
        payload: GetResultPayload::Stream(stream),
        meta,
        range,
        attributes,
        extensions,
    })
}

/// `range` is where the bytes lie in the object, whose coordinates the fault uses.
fn damaged(bytes: Bytes, range: &Range<u64>, fault: &Fault) -> Bytes {
    match fault {
        Fault::FlipByte { offset } if range.contains(offset) => {
            let mut copy = BytesMut::from(&bytes[..]);
            if let Some(byte) = within(offset - range.start).and_then(|i| copy.get_mut(i)) {
                *byte ^= 0xff;
            }
            copy.freeze()
        }
        Fault::Truncate { bytes: length } => {
            let keep = within(length.saturating_sub(range.start));
            bytes.slice(..keep.map_or(bytes.len(), |keep| keep.min(bytes.len())))
        }
        _ => bytes,
    }
}

fn within(offset: u64) -> Option<usize> {
    usize::try_from(offset).ok()
}

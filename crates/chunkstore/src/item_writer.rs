//! The way of one item into the store.
//!
//! The splitter's parts go to chunks and segments and, at the same time, through the joiner: an
//! item whose joined bytes are not the bytes that came in is stored opaque.

use std::mem;
use std::sync::Arc;

use crate::buffers::Buffers;
use crate::chunks::ContentKeys;
use crate::content::part::PartWriter;
use crate::content::{
    ChunkRefs, Content, MAX_INLINE_CHUNKS, MAX_INLINE_TOTAL, MAX_PAYLOADS, Payload, Skeleton,
};
use crate::error::{Error, ErrorKind, Result};
use crate::format::{Format, Joiner, Opaque, PartSink, SplitError, Splitter, Step};
use crate::segment::{MAX_SEGMENT_SKELETON, PendingContent, SegmentStore, Slot};

/// Bytes given to the splitter at once: bounds what it can answer with.
const INPUT_BYTES: usize = 64 << 10;

/// An item up to this long is kept until it ends, so that it can be stored opaque without
/// fetching it again.
const RETAINED_BYTES: usize = 1 << 20;

/// Buffers for items above [`INPUT_BYTES`], of all mailboxes.
static LONG_ITEMS: Buffers = Buffers::new(8, RETAINED_BYTES);

/// Takes one item in pieces and stores it, in constant memory however long it is.
///
/// Needs at most some 5 MiB while it is open. What an unfinished writer stored is garbage that
/// nothing names.
pub struct ItemWriter {
    store: SegmentStore,
    group: u64,
    hasher: blake3::Hasher,
    len: u64,
    parts: Parts,
    /// All input so far, while the item may still have to be split again.
    retained: Option<Vec<u8>>,
}

/// Why parts could not be stored.
enum Fault {
    /// The format does not reproduce the item.
    Split(String),
    Store(Error),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

impl From<SplitError> for Fault {
    fn from(error: SplitError) -> Self {
        Self::Split(error.to_string())
    }
}

impl ItemWriter {
    /// Starts an item of `group`, taken apart by `format`.
    ///
    /// A group is whatever keeps similar skeletons together: a mailbox folder. Items of one group
    /// share segments in the order in which they are finished.
    pub fn new(store: &SegmentStore, group: u64, format: Arc<dyn Format>) -> Self {
        let retained = (format.id() != Opaque::ID).then(|| store.buffers().take());
        let keys = store.sink().content_keys();
        Self {
            store: store.clone(),
            group,
            hasher: keys.item_hasher(),
            len: 0,
            parts: Parts::new(format.as_ref(), keys, store.buffers()),
            retained,
        }
    }

    /// Takes the next bytes of the item, cut anywhere.
    ///
    /// # Errors
    ///
    /// `SplitMismatch` when the format does not reproduce the item and more than 1 MiB of it is
    /// gone: feed the item again with [`Opaque`]. Otherwise those of the sink. The writer is of
    /// no use after an error.
    ///
    /// # Cancellation
    ///
    /// The writer is of no use after a dropped call either.
    pub async fn push(&mut self, input: &[u8]) -> Result<()> {
        for slice in input.chunks(INPUT_BYTES) {
            self.len += slice.len() as u64;
            self.retain(slice);
            let input = self.retained.as_deref();
            match self.parts.push(&self.store, slice, input).await {
                Ok(()) => {}
                Err(Fault::Store(error)) => return Err(error),
                Err(Fault::Split(why)) => self.store_opaque(&why).await?,
            }
        }
        Ok(())
    }

    /// Keeps what came, or lets go of it where it becomes too much; the hash is of all that came
    /// and is not kept any more.
    fn retain(&mut self, slice: &[u8]) {
        match &mut self.retained {
            Some(kept) if kept.len() + slice.len() <= RETAINED_BYTES => {
                if kept.len() + slice.len() > kept.capacity() && kept.len() >= INPUT_BYTES {
                    // Twice as long each time, a long item would be copied several times.
                    let mut long = LONG_ITEMS.take();
                    long.reserve_exact(RETAINED_BYTES);
                    long.extend_from_slice(kept);
                    self.store.buffers().give_back(mem::replace(kept, long));
                }
                kept.extend_from_slice(slice);
            }
            kept => {
                if let Some(kept) = kept.take() {
                    self.parts.forget_input(&kept);
                    self.hasher.update(&kept);
                    LONG_ITEMS.give_back(kept);
                }
                self.hasher.update(slice);
            }
        }
    }

    /// Ends the item.
    ///
    /// # Errors
    ///
    /// As for [`ItemWriter::push`].
    ///
    /// # Cancellation
    ///
    /// The item may be stored or not; feeding it again is harmless.
    pub async fn finish(mut self) -> Result<PendingContent> {
        if let Some(kept) = &self.retained {
            // All at once: pieces of a few kilobytes take twice as long to hash.
            self.hasher.update(kept);
        }
        let hash = self.hasher.finalize();
        let input = self.retained.as_deref();
        let whole = match self.parts.finish(&self.store, input, &hash).await {
            Err(Fault::Split(why)) => {
                self.store_opaque(&why).await?;
                self.parts.finish(&self.store, None, &hash).await
            }
            other => other,
        };
        match whole {
            Ok(()) => {}
            Err(Fault::Store(error)) => return Err(error),
            Err(Fault::Split(why)) => return Err(mismatch(&why)),
        }
        let skeleton = mem::take(&mut self.parts.skeleton);
        let (skeleton, place) = skeleton.finish(&self.store, self.group).await?;
        match self.retained.take() {
            Some(kept) if kept.capacity() >= RETAINED_BYTES => LONG_ITEMS.give_back(kept),
            Some(kept) => self.store.buffers().give_back(kept),
            None => {}
        }
        let events = mem::take(&mut self.parts.events.bytes);
        self.store.buffers().give_back(events);
        if let Some(check) = self.parts.check.take() {
            self.store.buffers().give_back(check.out);
        }
        let mut short = [0; 16];
        short.copy_from_slice(&hash.as_bytes()[..16]);
        let content = Content {
            format: self.parts.format,
            len: self.len,
            hash: short,
            skeleton,
            payloads: self.parts.payloads,
        };
        Ok(PendingContent::new(content, place))
    }

    /// Starts again without a format, with what was retained.
    async fn store_opaque(&mut self, why: &str) -> Result<()> {
        let retained = self.retained.take().ok_or_else(|| mismatch(why))?;
        self.hasher.update(&retained);
        let keys = self.store.sink().content_keys();
        self.parts = Parts::new(&Opaque, keys, self.store.buffers());
        match self.parts.push(&self.store, &retained, None).await {
            Ok(()) => Ok(()),
            Err(Fault::Store(error)) => Err(error),
            Err(Fault::Split(why)) => Err(mismatch(&why)),
        }
    }
}

fn mismatch(why: &str) -> Error {
    Error::new(
        ErrorKind::SplitMismatch,
        format!("the item's format does not reproduce it: {why}"),
    )
}

/// One attempt to take the item apart.
struct Parts {
    format: u8,
    splitter: Box<dyn Splitter>,
    events: Events,
    check: Option<JoinCheck>,
    skeleton: SkeletonWriter,
    payload: Option<PartWriter>,
    payloads: Vec<Payload>,
    inline_ids: usize,
}

impl Parts {
    fn new(format: &dyn Format, keys: &ContentKeys, buffers: &Buffers) -> Self {
        // Opaque parts are the input itself: joining them proves nothing.
        let check = (format.id() != Opaque::ID).then(|| JoinCheck {
            joiner: format.joiner(),
            hasher: keys.item_hasher(),
            joined: 0,
            out: buffers.take(),
            at_payload: false,
        });
        Self {
            format: format.id(),
            splitter: format.splitter(),
            events: Events {
                list: Vec::new(),
                bytes: buffers.take(),
            },
            check,
            skeleton: SkeletonWriter::Small(buffers.take()),
            payload: None,
            payloads: Vec::new(),
            inline_ids: 0,
        }
    }

    /// Takes more of the item; `retained` is all of it so far, while that is kept.
    async fn push(
        &mut self,
        store: &SegmentStore,
        input: &[u8],
        retained: Option<&[u8]>,
    ) -> Result<(), Fault> {
        for slice in input.chunks(INPUT_BYTES) {
            self.splitter.push(slice, &mut self.events)?;
            self.take_events(store, retained).await?;
        }
        Ok(())
    }

    /// The beginning of the item is not kept any more: what follows is proved by its hash.
    fn forget_input(&mut self, retained: &[u8]) {
        if let Some(check) = &mut self.check {
            check
                .hasher
                .update(retained.get(..check.joined).unwrap_or_default());
        }
    }

    async fn finish(
        &mut self,
        store: &SegmentStore,
        retained: Option<&[u8]>,
        hash: &blake3::Hash,
    ) -> Result<(), Fault> {
        self.splitter.finish(&mut self.events)?;
        self.take_events(store, retained).await?;
        if self.payload.is_some() {
            return Err(Fault::Split("a payload does not end".into()));
        }
        match &mut self.check {
            Some(check) => check.finish(retained, hash),
            None => Ok(()),
        }
    }

    async fn take_events(
        &mut self,
        store: &SegmentStore,
        retained: Option<&[u8]>,
    ) -> Result<(), Fault> {
        let mut events = mem::take(&mut self.events);
        let mut start = 0;
        for event in &events.list {
            let bytes = events.bytes.get(start..event.end).unwrap_or_default();
            start = event.end;
            if let Some(check) = &mut self.check {
                check.event(event.what, bytes, retained)?;
            }
            self.take_event(store, event.what, bytes).await?;
        }
        events.list.clear();
        events.bytes.clear();
        self.events = events;
        Ok(())
    }

    async fn take_event(
        &mut self,
        store: &SegmentStore,
        what: What,
        bytes: &[u8],
    ) -> Result<(), Fault> {
        match (what, &mut self.payload) {
            (What::Skeleton, None) => self.skeleton.push(store, bytes).await?,
            (What::PayloadStart, None) => self.payload = Some(PartWriter::default()),
            (What::Payload, Some(payload)) => {
                payload
                    .push(store.sink().as_ref(), store.kind(), bytes)
                    .await?;
            }
            (What::PayloadEnd, payload @ Some(_)) => {
                if self.payloads.len() == MAX_PAYLOADS {
                    return Err(Fault::Split("it has too many payloads".into()));
                }
                let limit = (MAX_INLINE_TOTAL.saturating_sub(self.inline_ids)).max(1);
                let payload = payload.take().unwrap_or_default();
                let payload = payload
                    .finish(store.sink().as_ref(), store.kind(), limit)
                    .await?;
                if let ChunkRefs::Inline(ids) = &payload.chunks {
                    self.inline_ids += ids.len();
                }
                self.payloads.push(payload);
            }
            _ => return Err(Fault::Split("its parts are out of order".into())),
        }
        Ok(())
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Skeleton,
    PayloadStart,
    Payload,
    PayloadEnd,
}

/// What the splitter answered to one slice of input: splitters are synchronous, the store is not.
#[derive(Default)]
struct Events {
    list: Vec<Event>,
    bytes: Vec<u8>,
}

struct Event {
    what: What,
    /// Where this event's bytes end; they begin where the previous event's end.
    end: usize,
}

impl Events {
    fn add(&mut self, what: What, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        let end = self.bytes.len();
        match self.list.last_mut() {
            Some(last) if last.what == what && what == What::Skeleton => last.end = end,
            _ => self.list.push(Event { what, end }),
        }
    }
}

impl PartSink for Events {
    fn skeleton(&mut self, bytes: &[u8]) {
        self.add(What::Skeleton, bytes);
    }

    fn payload_start(&mut self) {
        self.add(What::PayloadStart, &[]);
    }

    fn payload(&mut self, bytes: &[u8]) {
        self.add(What::Payload, bytes);
    }

    fn payload_end(&mut self) {
        self.add(What::PayloadEnd, &[]);
    }
}

/// Joins the parts again while they are made, and compares the result: with the item while that
/// is kept, by its hash when it is too long for that.
struct JoinCheck {
    joiner: Box<dyn Joiner>,
    hasher: blake3::Hasher,
    /// Bytes joined and compared so far.
    joined: usize,
    out: Vec<u8>,
    at_payload: bool,
}

impl JoinCheck {
    fn event(&mut self, what: What, bytes: &[u8], retained: Option<&[u8]>) -> Result<(), Fault> {
        match what {
            What::Skeleton => {
                if !bytes.is_empty() {
                    self.skeleton(bytes)?;
                }
            }
            What::PayloadStart => {
                if !self.at_payload {
                    self.skeleton(&[])?;
                }
                if !mem::take(&mut self.at_payload) {
                    return Err(Fault::Split("a payload has no place".into()));
                }
            }
            What::Payload => self.joiner.payload(bytes, &mut self.out),
            What::PayloadEnd => self.joiner.payload_end(&mut self.out),
        }
        self.compare(retained)
    }

    fn compare(&mut self, retained: Option<&[u8]>) -> Result<(), Fault> {
        let end = self.joined + self.out.len();
        match retained {
            // The joiner runs behind the splitter: what it has made has been fed before.
            Some(item) if item.get(self.joined..end) == Some(&self.out) => {}
            Some(_) => return Err(differs()),
            None => {
                self.hasher.update(&self.out);
            }
        }
        self.joined = end;
        self.out.clear();
        Ok(())
    }

    fn skeleton(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        if self.at_payload {
            return Err(Fault::Split("a place has no payload".into()));
        }
        match self.joiner.skeleton(bytes, &mut self.out)? {
            Step::NeedMore => Ok(()),
            Step::Payload { consumed } if consumed == bytes.len() => {
                self.at_payload = true;
                Ok(())
            }
            Step::Payload { .. } => Err(Fault::Split("a payload comes too late".into())),
        }
    }

    fn finish(&mut self, retained: Option<&[u8]>, hash: &blake3::Hash) -> Result<(), Fault> {
        if self.at_payload {
            return Err(Fault::Split("a place has no payload".into()));
        }
        self.joiner.finish(&mut self.out)?;
        self.compare(retained)?;
        let same = match retained {
            Some(item) => item.len() == self.joined,
            None => self.hasher.finalize() == *hash,
        };
        if same { Ok(()) } else { Err(differs()) }
    }
}

fn differs() -> Fault {
    Fault::Split("its joined bytes differ".into())
}

/// Keeps a small skeleton for its segment, and stores a larger one in chunks of its own.
enum SkeletonWriter {
    Small(Vec<u8>),
    Large(PartWriter),
}

impl Default for SkeletonWriter {
    fn default() -> Self {
        Self::Small(Vec::new())
    }
}

impl SkeletonWriter {
    async fn push(&mut self, store: &SegmentStore, bytes: &[u8]) -> Result<()> {
        if let Self::Small(kept) = self {
            if kept.len() + bytes.len() <= MAX_SEGMENT_SKELETON {
                kept.extend_from_slice(bytes);
                return Ok(());
            }
            let kept = mem::take(kept);
            let mut part = PartWriter::default();
            part.push(store.sink().as_ref(), store.kind(), &kept)
                .await?;
            *self = Self::Large(part);
        }
        if let Self::Large(part) = self {
            part.push(store.sink().as_ref(), store.kind(), bytes)
                .await?;
        }
        Ok(())
    }

    async fn finish(
        self,
        store: &SegmentStore,
        group: u64,
    ) -> Result<(Skeleton, Option<(Arc<Slot>, u32)>)> {
        let nothing = Skeleton::Chunks(Payload::empty());
        match self {
            Self::Small(kept) if kept.is_empty() => Ok((nothing, None)),
            Self::Small(kept) => {
                let place = store.append(group, &kept).await?;
                store.buffers().give_back(kept);
                Ok((nothing, Some(place)))
            }
            Self::Large(part) => {
                let sink = store.sink().as_ref();
                let part = part.finish(sink, store.kind(), MAX_INLINE_CHUNKS).await?;
                Ok((Skeleton::Chunks(part), None))
            }
        }
    }
}

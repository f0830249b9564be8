//! Segments: small skeletons of one group, compressed together.
//!
//! Skeletons of one mailbox folder resemble one another; four mebibytes of them compress to
//! less than half of what they need one by one, and have one index entry instead of hundreds.
//!
//! # Stored form, version 1
//!
//! | field | bytes | meaning |
//! | --- | --- | --- |
//! | version | 1 | 1 |
//! | count | *n* | skeletons, 1 to 65,536 |
//! | lengths | *n* each | bytes of each skeleton |
//! | skeletons | … | one behind the other, to the end |
//!
//! *n* is LEB128. A segment is one chunk, of at most 4 MiB.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::Bytes;

use crate::buffers::Buffers;
use crate::chunk_id::ChunkId;
use crate::chunker::WHOLE_BYTES;
use crate::chunks::{ChunkKind, ChunkSink, MAX_CHUNK_BYTES};
use crate::content::codec::{RecordReader, put_varint};
use crate::content::{Content, Skeleton};
use crate::error::Result;

/// The longest skeleton that shares a segment, in bytes.
///
/// Longer ones are cut into chunks of their own, which may be found again in part. A long mail is
/// mostly quotation: beside the mails it quotes it compresses to a small share of itself.
pub(crate) const MAX_SEGMENT_SKELETON: usize = WHOLE_BYTES;

/// The most skeletons of one segment.
const MAX_SKELETONS: usize = 1 << 16;

/// Bytes of a length in a segment, at most.
const LENGTH_BYTES: usize = 3;

/// Bytes in front of the lengths, at most: version and count.
const HEAD_BYTES: usize = 4;

/// Bytes kept free for them in front of the skeletons, so that closing a segment copies nothing
/// unless it has more than some 1,300 of them.
const HEAD_ROOM: usize = 4 << 10;

const SEGMENT_VERSION: u8 = 1;

/// How segments are filled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentOptions {
    /// Plain bytes after which a segment is closed; default 4 MiB, held between 128 KiB and 4 MiB.
    pub target_bytes: usize,
    /// Plain bytes of all open segments together, above which the largest is closed early;
    /// default 32 MiB. Bounds memory when a mailbox has a thousand folders.
    pub max_open_bytes: usize,
    /// What segments and pieces of payloads are stored as; default [`ChunkKind::Data`].
    pub kind: ChunkKind,
}

impl Default for SegmentOptions {
    fn default() -> Self {
        Self {
            target_bytes: MAX_CHUNK_BYTES,
            max_open_bytes: 32 << 20,
            kind: ChunkKind::Data,
        }
    }
}

/// Collects small skeletons into segments, one open segment per group. Cheap to clone.
///
/// A skeleton's place is known only when its segment was closed and stored; until then its item
/// is a [`PendingContent`].
#[derive(Clone)]
pub struct SegmentStore {
    inner: Arc<Inner>,
}

struct Inner {
    sink: Arc<dyn ChunkSink>,
    options: SegmentOptions,
    state: Mutex<State>,
    buffers: Buffers,
}

/// Buffers kept for the next items, and the longest that is kept, in bytes: few items are longer,
/// and one megabyte in all is little.
const MAX_SPARE: usize = 16;
const MAX_SPARE_BYTES: usize = 64 << 10;

/// Buffers of segments that were stored, for those of all mailboxes.
static SPARE: Buffers = Buffers::new(2, HEAD_ROOM + MAX_CHUNK_BYTES);

#[derive(Default)]
struct State {
    open: HashMap<u64, OpenSegment>,
    open_bytes: usize,
    /// Closed, but not known to be stored: a failed or dropped call leaves them here, and the
    /// next flush stores them.
    closed: Vec<Arc<ClosedSegment>>,
}

#[derive(Default)]
struct OpenSegment {
    lengths: Vec<u32>,
    /// [`HEAD_ROOM`] and the skeletons.
    bytes: Vec<u8>,
    slot: Arc<Slot>,
}

struct ClosedSegment {
    group: u64,
    plain: Bytes,
    slot: Arc<Slot>,
}

impl ClosedSegment {
    /// Keeps its memory for the next segment, unless somebody still has it.
    fn reuse(self: Arc<Self>) {
        let plain = Arc::into_inner(self).map(|segment| segment.plain);
        if let Some(Ok(mut bytes)) = plain.map(Bytes::try_into_mut) {
            bytes.clear();
            SPARE.give_back(bytes.into());
        }
    }
}

/// Where a segment's id appears once it is stored.
#[derive(Default, Debug)]
pub(crate) struct Slot {
    id: OnceLock<ChunkId>,
}

impl SegmentStore {
    /// Creates a store that writes to `sink`.
    pub fn new(sink: Arc<dyn ChunkSink>, options: SegmentOptions) -> Self {
        let options = SegmentOptions {
            target_bytes: options.target_bytes.clamp(128 << 10, MAX_CHUNK_BYTES),
            ..options
        };
        Self {
            inner: Arc::new(Inner {
                sink,
                options,
                state: Mutex::default(),
                buffers: Buffers::new(MAX_SPARE, MAX_SPARE_BYTES),
            }),
        }
    }

    /// Closes a group's open segment; the contents waiting for it are then known.
    ///
    /// # Errors
    ///
    /// Those of [`ChunkSink::put_chunk`]; the segment stays and is written by the next flush.
    ///
    /// # Cancellation
    ///
    /// Nothing is lost; the next flush stores what this one did not.
    pub async fn flush_group(&self, group: u64) -> Result<()> {
        let closed = {
            let mut state = self.state();
            state.close(group);
            state.closed_where(|segment| segment.group == group)
        };
        self.store(closed).await
    }

    /// Closes all open segments: every content handed out so far is then known.
    ///
    /// # Errors
    ///
    /// As for [`SegmentStore::flush_group`].
    ///
    /// # Cancellation
    ///
    /// As for [`SegmentStore::flush_group`].
    pub async fn flush_all(&self) -> Result<()> {
        let closed = {
            let mut state = self.state();
            let mut groups: Vec<u64> = state.open.keys().copied().collect();
            // A fixed order: the same run writes the same packs.
            groups.sort_unstable();
            for group in groups {
                state.close(group);
            }
            state.closed_where(|_| true)
        };
        self.store(closed).await
    }

    pub(crate) fn sink(&self) -> &Arc<dyn ChunkSink> {
        &self.inner.sink
    }

    pub(crate) fn kind(&self) -> ChunkKind {
        self.inner.options.kind
    }

    /// Buffers for items.
    pub(crate) fn buffers(&self) -> &Buffers {
        &self.inner.buffers
    }

    /// Appends a skeleton of at most [`MAX_SEGMENT_SKELETON`] bytes to its group's segment.
    pub(crate) async fn append(&self, group: u64, skeleton: &[u8]) -> Result<(Arc<Slot>, u32)> {
        let (place, closed) = {
            let mut state = self.state();
            let before = state.closed.len();
            let place = state.append(&self.inner.options, group, skeleton);
            let closed = state.closed.get(before..).unwrap_or_default().to_vec();
            (place, closed)
        };
        self.store(closed).await?;
        Ok(place)
    }

    async fn store(&self, closed: Vec<Arc<ClosedSegment>>) -> Result<()> {
        for segment in closed {
            // Two flushes may store the same segment: the second finds it there.
            let sink = &self.inner.sink;
            let id = sink
                .put_chunk(self.inner.options.kind, segment.plain.clone())
                .await?;
            // Both would set the same id.
            let _ = segment.slot.id.set(id);
            self.state()
                .closed
                .retain(|other| !Arc::ptr_eq(other, &segment));
            segment.reuse();
        }
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves the state whole: each change is made in one step.
        self.inner
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for SegmentStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SegmentStore")
            .field("options", &self.inner.options)
            .finish_non_exhaustive()
    }
}

impl State {
    fn append(
        &mut self,
        options: &SegmentOptions,
        group: u64,
        skeleton: &[u8],
    ) -> (Arc<Slot>, u32) {
        let full = self
            .open
            .get(&group)
            .is_some_and(|open| !open.has_room(skeleton.len(), options.target_bytes));
        if full {
            self.close(group);
        }
        let open = self.open.entry(group).or_default();
        if open.bytes.capacity() == 0 {
            // Memory that is not written to costs nothing; growing by doubling copies.
            open.bytes = SPARE.take();
            open.bytes.reserve_exact(HEAD_ROOM + options.target_bytes);
            open.bytes.resize(HEAD_ROOM, 0);
        }
        let index = open.lengths.len() as u32;
        open.lengths.push(skeleton.len() as u32);
        open.bytes.extend_from_slice(skeleton);
        let slot = Arc::clone(&open.slot);
        self.open_bytes += skeleton.len();
        while self.open_bytes > options.max_open_bytes {
            let largest = self.open.iter().max_by_key(|(_, open)| open.len());
            let Some((&largest, _)) = largest else { break };
            self.close(largest);
        }
        (slot, index)
    }

    fn close(&mut self, group: u64) {
        if let Some(open) = self.open.remove(&group) {
            self.open_bytes -= open.len();
            self.closed.push(Arc::new(ClosedSegment {
                group,
                slot: Arc::clone(&open.slot),
                plain: open.encode(),
            }));
        }
    }

    fn closed_where(&self, wanted: impl Fn(&ClosedSegment) -> bool) -> Vec<Arc<ClosedSegment>> {
        let closed = self.closed.iter().filter(|segment| wanted(segment));
        closed.cloned().collect()
    }
}

impl OpenSegment {
    fn len(&self) -> usize {
        self.bytes.len() - HEAD_ROOM
    }

    fn has_room(&self, more: usize, target_bytes: usize) -> bool {
        let count = self.lengths.len() + 1;
        count <= MAX_SKELETONS
            && HEAD_BYTES + count * LENGTH_BYTES + self.len() + more <= target_bytes
    }

    fn encode(self) -> Bytes {
        let mut head = Vec::with_capacity(HEAD_BYTES + self.lengths.len() * LENGTH_BYTES);
        head.push(SEGMENT_VERSION);
        put_varint(&mut head, self.lengths.len() as u64);
        for length in &self.lengths {
            put_varint(&mut head, u64::from(*length));
        }
        let mut plain = self.bytes;
        let start = match HEAD_ROOM.checked_sub(head.len()) {
            Some(start) => start,
            None => {
                plain.splice(..0, (HEAD_ROOM..head.len()).map(|_| 0));
                0
            }
        };
        plain[start..start + head.len()].copy_from_slice(&head);
        Bytes::from(plain).slice(start..)
    }
}

/// Returns one skeleton of a segment.
pub(crate) fn skeleton_of(plain: &Bytes, index: u32) -> Result<Bytes> {
    let mut reader = RecordReader::new(plain, "segment");
    if reader.byte()? != SEGMENT_VERSION {
        return Err(reader.damaged("its version is unknown"));
    }
    let count = reader.count(MAX_SKELETONS, "the number of skeletons")?;
    let index = index as usize;
    if index >= count {
        return Err(reader.damaged("it has not as many skeletons"));
    }
    let mut start = 0;
    let mut len = 0;
    for at in 0..count {
        let next = reader.count(MAX_SEGMENT_SKELETON, "the length of a skeleton")?;
        if at < index {
            start += next;
        } else if at == index {
            len = next;
        }
    }
    reader.bytes(start)?;
    Ok(plain.slice_ref(reader.bytes(len)?))
}

/// The content of a finished item, whose segment may still be open. Cheap to clone.
#[derive(Clone, Debug)]
pub struct PendingContent {
    inner: Arc<Pending>,
}

#[derive(Debug)]
struct Pending {
    content: Content,
    /// Where the skeleton is, unless the content says so already.
    place: Option<(Arc<Slot>, u32)>,
}

impl PendingContent {
    pub(crate) fn new(content: Content, place: Option<(Arc<Slot>, u32)>) -> Self {
        Self {
            inner: Arc::new(Pending { content, place }),
        }
    }

    /// Returns the content, or `None` while the item's segment is open: flush its group.
    pub fn try_content(&self) -> Option<Content> {
        let mut content = self.inner.content.clone();
        if let Some((slot, index)) = &self.inner.place {
            content.skeleton = Skeleton::InSegment {
                segment: *slot.id.get()?,
                index: *index,
            };
        }
        Some(content)
    }

    /// Returns the item's length in bytes.
    pub fn item_bytes(&self) -> u64 {
        self.inner.content.len
    }

    /// Returns the item's hash, as in [`Content::hash`].
    pub fn item_hash(&self) -> [u8; 16] {
        self.inner.content.hash
    }

    /// Returns the number of the format the item was stored with: 0 if its own did not
    /// reproduce it.
    pub fn format(&self) -> u8 {
        self.inner.content.format
    }
}

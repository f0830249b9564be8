//! Items through segments and chunks and back, on a store in memory.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use chunkstore::{
    ChunkId, ChunkKind, ChunkRefs, ChunkSink, ChunkSource, Content, ContentKeys, Error, ErrorKind,
    Format, Formats, ItemWriter, Joiner, MAX_CHUNK_BYTES, MAX_PAYLOADS, Opaque, PartSink,
    PendingContent, SegmentOptions, SegmentStore, Skeleton, SplitError, Splitter, Step,
    content_chunks, read_content, read_content_to_vec,
};
use futures::TryStreamExt;
use proptest::prelude::*;

/// Chunks in a map; counts what the real store would keep of them.
pub struct MemoryChunks {
    keys: ContentKeys,
    chunks: Mutex<HashMap<ChunkId, Bytes>>,
    /// Compressed bytes, with what sealing, pack header and index add to each chunk.
    stored_bytes: AtomicUsize,
    reads: AtomicUsize,
    refuse: AtomicBool,
    compress: bool,
}

/// Tag 16, pack header entry 48, index entry 28.
const CHUNK_OVERHEAD: usize = 16 + 48 + 28;

fn stored_size(plain: &[u8]) -> usize {
    let packed = zstd::bulk::compress(plain, 3).unwrap().len();
    packed.min(plain.len()) + CHUNK_OVERHEAD
}

impl MemoryChunks {
    pub fn new() -> Arc<Self> {
        Self::with(false)
    }

    /// Measures compressed sizes too.
    pub fn measuring() -> Arc<Self> {
        Self::with(true)
    }

    fn with(compress: bool) -> Arc<Self> {
        Arc::new(Self {
            keys: ContentKeys::derive(&[42; 32]),
            chunks: Mutex::default(),
            stored_bytes: AtomicUsize::new(0),
            reads: AtomicUsize::new(0),
            refuse: AtomicBool::new(false),
            compress,
        })
    }

    pub fn count(&self) -> usize {
        self.chunks.lock().unwrap().len()
    }

    pub fn plain_bytes(&self) -> usize {
        self.chunks.lock().unwrap().values().map(Bytes::len).sum()
    }

    pub fn stored_bytes(&self) -> usize {
        self.stored_bytes.load(Ordering::Relaxed)
    }

    pub fn stored_size(&self, id: &ChunkId) -> usize {
        stored_size(&self.plain(id))
    }

    pub fn reads(&self) -> usize {
        self.reads.load(Ordering::Relaxed)
    }

    pub fn refuse(&self, refuse: bool) {
        self.refuse.store(refuse, Ordering::Relaxed);
    }

    pub fn ids(&self) -> Vec<ChunkId> {
        let mut ids: Vec<ChunkId> = self.chunks.lock().unwrap().keys().copied().collect();
        ids.sort();
        ids
    }

    pub fn plain(&self, id: &ChunkId) -> Bytes {
        self.chunks.lock().unwrap()[id].clone()
    }

    /// Puts other bytes in a chunk's place, as no sealed store would ever give them.
    pub fn falsify(&self, id: &ChunkId, plain: Option<Bytes>) {
        let mut chunks = self.chunks.lock().unwrap();
        match plain {
            Some(plain) => chunks.insert(*id, plain),
            None => chunks.remove(id),
        };
    }
}

#[async_trait]
impl ChunkSink for MemoryChunks {
    async fn put_chunk(&self, _kind: ChunkKind, plain: Bytes) -> Result<ChunkId, Error> {
        assert!(plain.len() <= MAX_CHUNK_BYTES, "a chunk of {}", plain.len());
        if self.refuse.load(Ordering::Relaxed) {
            return Err(Error::new(ErrorKind::NoSpace, "the map is full"));
        }
        let id = ChunkId::from_bytes(*blake3::keyed_hash(&[9; 32], &plain).as_bytes());
        let mut chunks = self.chunks.lock().unwrap();
        chunks.entry(id).or_insert_with(|| {
            if self.compress {
                self.stored_bytes
                    .fetch_add(stored_size(&plain), Ordering::Relaxed);
            }
            plain
        });
        Ok(id)
    }

    fn content_keys(&self) -> &ContentKeys {
        &self.keys
    }
}

#[async_trait]
impl ChunkSource for MemoryChunks {
    async fn get_chunk(&self, id: &ChunkId) -> Result<Bytes, Error> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let chunks = self.chunks.lock().unwrap();
        let plain = chunks.get(id).cloned();
        plain.ok_or_else(|| Error::new(ErrorKind::NotFound, format!("chunk {id} is not there")))
    }

    fn content_keys(&self) -> &ContentKeys {
        &self.keys
    }
}

/// A format of records: `S` or `P`, length (4 bytes), bytes; `P` records are payloads.
struct Records {
    /// Whether the joiner gets one byte wrong.
    lies: bool,
}

impl Records {
    const ID: u8 = 7;
}

impl Format for Records {
    fn id(&self) -> u8 {
        Self::ID
    }

    fn splitter(&self) -> Box<dyn Splitter> {
        Box::new(RecordParser::default())
    }

    fn joiner(&self) -> Box<dyn Joiner> {
        let lies = self.lies;
        Box::new(RecordJoiner {
            lies,
            ..RecordJoiner::default()
        })
    }
}

#[derive(Default)]
struct RecordParser {
    head: Vec<u8>,
    left: usize,
    in_payload: bool,
}

impl RecordParser {
    /// Takes header bytes; returns how many, and whether the header is whole.
    fn head(&mut self, input: &[u8]) -> Result<(usize, bool), SplitError> {
        let take = (5 - self.head.len()).min(input.len());
        self.head.extend_from_slice(&input[..take]);
        if self.head.len() < 5 {
            return Ok((take, false));
        }
        self.in_payload = match self.head[0] {
            b'S' => false,
            b'P' => true,
            _ => return Err(SplitError::new("neither S nor P")),
        };
        self.left = u32::from_be_bytes(self.head[1..].try_into().unwrap()) as usize;
        Ok((take, true))
    }
}

impl Splitter for RecordParser {
    fn push(&mut self, mut input: &[u8], out: &mut dyn PartSink) -> Result<(), SplitError> {
        while !input.is_empty() {
            if self.head.len() < 5 {
                let (taken, whole) = self.head(input)?;
                out.skeleton(&input[..taken]);
                input = &input[taken..];
                if whole && self.in_payload {
                    out.payload_start();
                }
            } else {
                let (now, rest) = input.split_at(self.left.min(input.len()));
                self.left -= now.len();
                input = rest;
                if self.in_payload {
                    out.payload(now);
                } else {
                    out.skeleton(now);
                }
            }
            if self.head.len() == 5 && self.left == 0 {
                if self.in_payload {
                    out.payload_end();
                }
                *self = Self::default();
            }
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut dyn PartSink) -> Result<(), SplitError> {
        if self.in_payload {
            out.payload_end();
        }
        Ok(())
    }
}

#[derive(Default)]
struct RecordJoiner {
    parser: RecordParser,
    lies: bool,
}

impl Joiner for RecordJoiner {
    fn skeleton(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<Step, SplitError> {
        let mut consumed = 0;
        while consumed < bytes.len() {
            let rest = &bytes[consumed..];
            if self.parser.head.len() < 5 {
                let (taken, whole) = self.parser.head(rest)?;
                out.extend_from_slice(&rest[..taken]);
                consumed += taken;
                if whole && self.parser.in_payload {
                    self.parser = RecordParser::default();
                    return Ok(Step::Payload { consumed });
                }
            } else {
                let now = self.parser.left.min(rest.len());
                out.extend_from_slice(&rest[..now]);
                self.parser.left -= now;
                consumed += now;
            }
            if self.parser.head.len() == 5 && self.parser.left == 0 {
                self.parser = RecordParser::default();
            }
        }
        Ok(Step::NeedMore)
    }

    fn payload(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(bytes);
        if std::mem::take(&mut self.lies)
            && let Some(last) = out.last_mut()
        {
            *last ^= 1;
        }
    }

    fn payload_end(&mut self, _out: &mut Vec<u8>) {}

    fn finish(&mut self, _out: &mut Vec<u8>) -> Result<(), SplitError> {
        Ok(())
    }
}

pub fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut data = vec![0; len];
    blake3::Hasher::new()
        .update(&seed.to_le_bytes())
        .finalize_xof()
        .fill(&mut data);
    data
}

fn record(kind: u8, data: &[u8]) -> Vec<u8> {
    let mut out = vec![kind];
    out.extend_from_slice(&(data.len() as u32).to_be_bytes());
    out.extend_from_slice(data);
    out
}

fn formats() -> Formats {
    Formats::new().with(Arc::new(Records { lies: false }))
}

fn segments(chunks: &Arc<MemoryChunks>) -> SegmentStore {
    SegmentStore::new(chunks.clone(), SegmentOptions::default())
}

async fn write(
    store: &SegmentStore,
    format: Arc<dyn Format>,
    item: &[u8],
    step: usize,
) -> Result<PendingContent, Error> {
    let mut writer = ItemWriter::new(store, 1, format);
    for slice in item.chunks(step.max(1)) {
        writer.push(slice).await?;
    }
    writer.finish().await
}

async fn write_records(store: &SegmentStore, item: &[u8]) -> Content {
    let format = Arc::new(Records { lies: false });
    let pending = write(store, format, item, 10_007).await.unwrap();
    store.flush_all().await.unwrap();
    let content = pending.try_content().unwrap();
    assert_eq!(Content::decode(&content.encode()).unwrap(), content);
    content
}

async fn read(chunks: &Arc<MemoryChunks>, content: &Content) -> Result<Vec<u8>, Error> {
    read_content_to_vec(chunks.clone(), formats(), content, u64::MAX).await
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

#[test]
fn an_attachment_sent_to_fifty_people_is_stored_once() {
    run(async {
        let chunks = MemoryChunks::new();
        let store = segments(&chunks);
        let attachment = noise(1, 100_000);
        let mut contents = Vec::new();
        for n in 0..50u64 {
            let head = record(b'S', &noise(100 + n, 3000));
            let item = [head, record(b'P', &attachment)].concat();
            contents.push((write_records(&store, &item).await, item));
        }
        assert!(chunks.plain_bytes() < 100_000 + 50 * 3100);
        for (content, item) in contents {
            assert_eq!(content.format, Records::ID);
            assert_eq!(read(&chunks, &content).await.unwrap(), item);
        }
    });
}

/// A segment's head, with a byte for each length here, has 4 KiB of room before its skeletons.
#[test]
fn a_segment_of_very_many_skeletons_comes_back_however_long_its_head_is() {
    run(async {
        for count in [1, 4_092, 4_093, 4_094, 6_000] {
            let chunks = MemoryChunks::new();
            let store = segments(&chunks);
            let mut written = Vec::new();
            for n in 0..count {
                let item = format!("item {n}").into_bytes();
                let pending = write(&store, Arc::new(Opaque), &item, 100).await.unwrap();
                written.push((pending, item));
            }
            store.flush_all().await.unwrap();
            assert_eq!(chunks.count(), 1, "{count}");
            for (pending, item) in written {
                let content = pending.try_content().unwrap();
                assert_eq!(read(&chunks, &content).await.unwrap(), item, "{count}");
            }
        }
    });
}

#[test]
fn a_content_is_known_when_its_segment_is_closed() {
    run(async {
        let chunks = MemoryChunks::new();
        let store = segments(&chunks);
        let first = write(&store, Arc::new(Opaque), b"first", 2).await.unwrap();
        let second = write(&store, Arc::new(Opaque), b"second", 2).await.unwrap();
        assert_eq!(first.try_content(), None);
        assert_eq!(first.item_bytes(), 5);
        store.flush_group(2).await.unwrap();
        assert_eq!(first.try_content(), None);
        store.flush_group(1).await.unwrap();
        let (first, second) = (first.try_content().unwrap(), second.try_content().unwrap());
        assert_eq!(chunks.count(), 1);
        assert_eq!(read(&chunks, &first).await.unwrap(), b"first");
        assert_eq!(read(&chunks, &second).await.unwrap(), b"second");
        assert!(matches!(
            second.skeleton,
            Skeleton::InSegment { index: 1, .. }
        ));
        assert_eq!(first.chunk_ids().collect::<Vec<_>>(), chunks.ids());
    });
}

#[test]
fn segments_close_by_themselves_when_full_or_when_too_many_are_open() {
    run(async {
        let chunks = MemoryChunks::new();
        let options = SegmentOptions {
            max_open_bytes: 200_000,
            ..SegmentOptions::default()
        };
        let store = SegmentStore::new(chunks.clone(), options);
        let mut pending = Vec::new();
        for n in 0..100u64 {
            let mut writer = ItemWriter::new(&store, n % 10, Arc::new(Opaque));
            let item = noise(n, 30_000);
            writer.push(&item).await.unwrap();
            pending.push((writer.finish().await.unwrap(), item));
        }
        let open = pending
            .iter()
            .filter(|(content, _)| content.try_content().is_none());
        assert!(open.count() <= 7);
        let store = segments(&chunks);
        for n in 0..100 {
            let item = noise(1000 + n, 60_000);
            let content = write(&store, Arc::new(Opaque), &item, 60_000)
                .await
                .unwrap();
            pending.push((content, item));
        }
        assert!(pending[100].0.try_content().is_some());
        assert!(pending[199].0.try_content().is_none());
        store.flush_all().await.unwrap();
        for (content, item) in &pending[100..] {
            let content = content.try_content().unwrap();
            assert_eq!(&read(&chunks, &content).await.unwrap(), item);
        }
    });
}

#[test]
fn a_refused_segment_is_stored_by_the_next_flush() {
    run(async {
        let chunks = MemoryChunks::new();
        let store = segments(&chunks);
        let content = write(&store, Arc::new(Opaque), b"kept", 4).await.unwrap();
        chunks.refuse(true);
        assert_eq!(
            store.flush_all().await.unwrap_err().kind(),
            ErrorKind::NoSpace
        );
        assert_eq!(content.try_content(), None);
        chunks.refuse(false);
        store.flush_all().await.unwrap();
        let content = content.try_content().unwrap();
        assert_eq!(read(&chunks, &content).await.unwrap(), b"kept");
    });
}

#[test]
fn a_small_item_that_its_format_alters_is_stored_opaque() {
    run(async {
        let chunks = MemoryChunks::new();
        let store = segments(&chunks);
        let altered = record(b'P', &noise(5, 500_000));
        let unsplittable = [record(b'S', b"fine"), b"Xnot a record".to_vec()].concat();
        let lying: Arc<dyn Format> = Arc::new(Records { lies: true });
        for item in [altered, unsplittable] {
            let pending = write(&store, lying.clone(), &item, 4096).await.unwrap();
            assert_eq!(pending.format(), Opaque::ID);
            store.flush_all().await.unwrap();
            let content = pending.try_content().unwrap();
            assert_eq!(read(&chunks, &content).await.unwrap(), item);
        }
    });
}

#[test]
fn a_large_item_that_its_format_alters_is_to_be_fed_again() {
    run(async {
        let chunks = MemoryChunks::new();
        let store = segments(&chunks);
        let late = [
            record(b'S', &noise(4, 1_200_000)),
            record(b'P', &noise(5, 300_000)),
        ]
        .concat();
        let lying: Arc<dyn Format> = Arc::new(Records { lies: true });
        let error = write(&store, lying.clone(), &late, 4096).await;
        assert_eq!(error.unwrap_err().kind(), ErrorKind::SplitMismatch);
        // What is altered while the beginning is still there is seen at once.
        let early = record(b'P', &noise(5, 1_500_000));
        let pending = write(&store, lying, &early, 4096).await.unwrap();
        assert_eq!(pending.format(), Opaque::ID);
        let content = pending.try_content().unwrap();
        assert_eq!(read(&chunks, &content).await.unwrap(), early);
        // One that turns out unsplittable early needs no second feeding, however long it is.
        let item = [b"X".to_vec(), noise(6, 3_000_000)].concat();
        let format: Arc<dyn Format> = Arc::new(Records { lies: false });
        let pending = write(&store, format, &item, 4096).await.unwrap();
        assert_eq!(pending.format(), Opaque::ID);
        let content = pending.try_content().unwrap();
        assert_eq!(read(&chunks, &content).await.unwrap(), item);
    });
}

#[test]
fn an_item_with_absurdly_many_payloads_is_stored_opaque() {
    run(async {
        let chunks = MemoryChunks::new();
        let store = segments(&chunks);
        let item = record(b'P', b"tiny").repeat(MAX_PAYLOADS + 1);
        let content = write_records(&store, &item).await;
        assert_eq!(content.format, Opaque::ID);
        assert_eq!(read(&chunks, &content).await.unwrap(), item);
        let item = record(b'P', b"tiny").repeat(MAX_PAYLOADS);
        let content = write_records(&store, &item).await;
        assert_eq!(content.payloads.len(), MAX_PAYLOADS);
        assert!(content.encode().len() < 128 << 10);
        assert_eq!(read(&chunks, &content).await.unwrap(), item);
    });
}

#[test]
fn a_long_payload_has_a_list_and_comes_back_in_small_pieces() {
    run(async {
        let chunks = MemoryChunks::new();
        let store = segments(&chunks);
        let item = [
            record(b'S', b"before"),
            record(b'P', &noise(8, 24 << 20)),
            record(b'S', &noise(9, 300_000)),
            record(b'P', &[]),
            record(b'P', b"end"),
        ]
        .concat();
        let content = write_records(&store, &item).await;
        assert_eq!(content.format, Records::ID);
        assert!(matches!(content.payloads[0].chunks, ChunkRefs::List(_)));
        assert!(content.encode().len() < 400);
        let mut ids: Vec<ChunkId> = content_chunks(chunks.clone(), &content)
            .try_collect()
            .await
            .unwrap();
        ids.sort();
        assert_eq!(ids, chunks.ids());
        let mut stream = read_content(chunks.clone(), formats(), &content);
        let mut joined = Vec::new();
        while let Some(piece) = stream.try_next().await.unwrap() {
            assert!(piece.len() <= 2 << 20);
            joined.extend_from_slice(&piece);
        }
        assert!(joined == item);
        let limit = item.len() as u64 - 1;
        let refused = read_content_to_vec(chunks, formats(), &content, limit).await;
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::Invalid);
    });
}

#[test]
fn an_empty_item_needs_no_chunk() {
    run(async {
        let chunks = MemoryChunks::new();
        let content = write_records(&segments(&chunks), &[]).await;
        assert_eq!((content.len, chunks.count()), (0, 0));
        assert_eq!(read(&chunks, &content).await.unwrap(), [0u8; 0]);
    });
}

#[test]
fn a_damaged_content_is_refused_and_never_panics() {
    run(async {
        let chunks = MemoryChunks::new();
        let store = segments(&chunks);
        let item = [
            record(b'S', b"skeleton"),
            record(b'P', &noise(3, 5 << 20)),
            record(b'P', &noise(4, 9000)),
        ]
        .concat();
        let content = write_records(&store, &item).await;
        let damaged = |change: fn(&mut Content)| {
            let mut content = content.clone();
            change(&mut content);
            content
        };
        for (content, kind) in [
            (damaged(|c| c.hash[0] ^= 1), ErrorKind::Corrupt),
            (damaged(|c| c.len += 1), ErrorKind::Corrupt),
            (damaged(|c| c.len -= 1), ErrorKind::Corrupt),
            (damaged(|c| c.format = 99), ErrorKind::Unsupported),
            (damaged(|c| c.payloads.truncate(1)), ErrorKind::Corrupt),
            (damaged(|c| c.payloads[0].len -= 1), ErrorKind::Corrupt),
            (damaged(|c| c.payloads[1].len += 1), ErrorKind::Corrupt),
            (damaged(|c| c.payloads.swap(0, 1)), ErrorKind::Corrupt),
            (
                damaged(|c| c.payloads.push(c.payloads[0].clone())),
                ErrorKind::Corrupt,
            ),
        ] {
            assert_eq!(read(&chunks, &content).await.unwrap_err().kind(), kind);
        }
        for id in chunks.ids() {
            let plain = chunks.plain(&id);
            chunks.falsify(&id, None);
            let error = read(&chunks, &content).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotFound);
            for bytes in [
                plain.slice(..plain.len() / 2),
                plain.slice(1..),
                Bytes::new(),
                Bytes::from_static(&[0xff; 40]),
            ] {
                chunks.falsify(&id, Some(bytes));
                let error = read(&chunks, &content).await.unwrap_err();
                assert!(matches!(
                    error.kind(),
                    ErrorKind::Corrupt | ErrorKind::NotFound
                ));
            }
            chunks.falsify(&id, Some(plain));
        }
        assert_eq!(read(&chunks, &content).await.unwrap(), item);
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_item_comes_back(
        records in proptest::collection::vec(
            (any::<bool>(), 0usize..200_000, any::<u64>()), 0..6,
        ),
        cut in 0usize..100,
        step in 1usize..100_000,
    ) {
        let mut item = Vec::new();
        for (payload, len, seed) in records {
            let kind = if payload { b'P' } else { b'S' };
            item.extend_from_slice(&record(kind, &noise(seed, len)));
        }
        item.truncate(item.len().saturating_sub(cut));
        run(async {
            let chunks = MemoryChunks::new();
            let store = segments(&chunks);
            let format = Arc::new(Records { lies: false });
            let pending = write(&store, format, &item, step).await.unwrap();
            store.flush_all().await.unwrap();
            let content = pending.try_content().unwrap();
            assert!(read(&chunks, &content).await.unwrap() == item);
        });
    }

    #[test]
    fn any_bytes_are_a_content_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(content) = Content::decode(&bytes) {
            prop_assert_eq!(content.encode(), bytes);
        }
    }
}

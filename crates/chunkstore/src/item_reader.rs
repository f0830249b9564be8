//! The way of one item out of the store.

use std::mem;
use std::sync::Arc;

use bytes::{Buf, Bytes};
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};

use crate::chunk_id::ChunkId;
use crate::chunks::ChunkSource;
use crate::content::list::ListReader;
use crate::content::part::PartReader;
use crate::content::{ChunkRefs, Content, Payload, Skeleton};
use crate::error::{Error, ErrorKind, Result};
use crate::format::{Formats, Joiner, SplitError, Step};
use crate::segment::skeleton_of;

/// Bytes given to the joiner at once: bounds what it can answer with.
const INPUT_BYTES: usize = 64 << 10;

/// A piece is handed on when it has this many bytes.
const PIECE_BYTES: usize = 64 << 10;

/// Returns an item's bytes in pieces, in constant memory however long it is.
///
/// Length and hash are verified behind the last piece: a stream that ends without an error gave
/// exactly the item that was stored.
///
/// # Errors
///
/// In the stream: `Unsupported` for a format that `formats` lacks, `Corrupt` for bytes that are
/// not the item's, and those of the source.
pub fn read_content(
    source: Arc<dyn ChunkSource>,
    formats: Formats,
    content: &Content,
) -> BoxStream<'static, Result<Bytes>> {
    let substitute = source.substitute(content);
    match ItemReader::new(source, &formats, substitute.as_ref().unwrap_or(content)) {
        Err(error) => stream::once(async { Err(error) }).boxed(),
        Ok(reader) => stream::try_unfold(reader, |mut reader| async move {
            let piece = reader.next().await?;
            Ok(piece.map(|piece| (piece, reader)))
        })
        .boxed(),
    }
}

/// Returns an item's bytes, verified, when there are at most `limit`.
///
/// # Errors
///
/// `Invalid` for a longer item, otherwise as for [`read_content`].
pub async fn read_content_to_vec(
    source: Arc<dyn ChunkSource>,
    formats: Formats,
    content: &Content,
    limit: u64,
) -> Result<Vec<u8>> {
    if content.len > limit {
        return Err(Error::invalid(format!(
            "the item has {} bytes, more than the {limit} allowed here",
            content.len
        )));
    }
    // The reader stops where the recorded length is passed, so the vector stays below the limit.
    let mut pieces = read_content(source, formats, content);
    let mut bytes = Vec::new();
    while let Some(piece) = pieces.try_next().await? {
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

/// Returns the ids of all chunks an item needs, chunk lists among them; some may come twice. Where
/// a repair put the item's bytes somewhere else, these are meant.
///
/// # Errors
///
/// In the stream: `Corrupt` for a damaged chunk list, and those of the source.
pub fn content_chunks(
    source: Arc<dyn ChunkSource>,
    content: &Content,
) -> BoxStream<'static, Result<ChunkId>> {
    let substitute = source.substitute(content);
    let content = substitute.as_ref().unwrap_or(content);
    let segment = match &content.skeleton {
        Skeleton::InSegment { segment, .. } => Some(Ok(*segment)),
        Skeleton::Chunks(_) => None,
    };
    let parts: Vec<ChunkRefs> = content.parts().map(|part| part.chunks.clone()).collect();
    let parts = stream::iter(parts).flat_map(move |refs| {
        let source = Arc::clone(&source);
        let reader = ListReader::new(&refs, true);
        stream::try_unfold((source, reader), |(source, mut reader)| async move {
            let id = reader.next(source.as_ref()).await?;
            Ok(id.map(|id| (id, (source, reader))))
        })
        .boxed()
    });
    stream::iter(segment).chain(parts).boxed()
}

struct ItemReader {
    source: Arc<dyn ChunkSource>,
    joiner: Box<dyn Joiner>,
    hasher: blake3::Hasher,
    hash: [u8; 16],
    /// Bytes not yet handed on.
    missing: u64,
    skeleton: SkeletonReader,
    /// Skeleton bytes not yet given to the joiner.
    piece: Bytes,
    payloads: std::vec::IntoIter<Payload>,
    payload: Option<PartReader>,
    out: Vec<u8>,
    ended: bool,
}

enum SkeletonReader {
    Segment(Option<(ChunkId, u32)>),
    Part(PartReader),
}

impl ItemReader {
    fn new(source: Arc<dyn ChunkSource>, formats: &Formats, content: &Content) -> Result<Self> {
        let format = formats.get(content.format).ok_or_else(|| {
            Error::new(
                ErrorKind::Unsupported,
                format!("item format {} is unknown to this program", content.format),
            )
        })?;
        let skeleton = match &content.skeleton {
            Skeleton::InSegment { segment, index } => {
                SkeletonReader::Segment(Some((*segment, *index)))
            }
            Skeleton::Chunks(part) => {
                SkeletonReader::Part(PartReader::new(Arc::clone(&source), part))
            }
        };
        Ok(Self {
            joiner: format.joiner(),
            hasher: source.content_keys().item_hasher(),
            hash: content.hash,
            missing: content.len,
            skeleton,
            piece: Bytes::new(),
            payloads: content.payloads.clone().into_iter(),
            payload: None,
            out: Vec::new(),
            ended: false,
            source,
        })
    }

    async fn next(&mut self) -> Result<Option<Bytes>> {
        while self.out.len() < PIECE_BYTES && !self.ended {
            if let Some(payload) = &mut self.payload {
                match payload.next().await? {
                    Some(piece) => self.joiner.payload(&piece, &mut self.out),
                    None => {
                        self.joiner.payload_end(&mut self.out);
                        self.payload = None;
                    }
                }
            } else {
                self.skeleton_step().await?;
            }
        }
        if self.out.is_empty() {
            let hash = self.hasher.finalize();
            return if self.missing == 0 && hash.as_bytes()[..16] == self.hash {
                Ok(None)
            } else {
                Err(corrupt("its bytes are not those that were stored"))
            };
        }
        let piece = Bytes::from(mem::take(&mut self.out));
        self.missing = self
            .missing
            .checked_sub(piece.len() as u64)
            .ok_or_else(|| corrupt("it is longer than it was"))?;
        self.hasher.update(&piece);
        Ok(Some(piece))
    }

    async fn skeleton_step(&mut self) -> Result<()> {
        if self.piece.is_empty() {
            self.piece = self.skeleton.next(self.source.as_ref()).await?;
        }
        let last = self.piece.is_empty();
        if last && self.payloads.len() == 0 {
            self.joiner.finish(&mut self.out).map_err(unreadable)?;
            self.ended = true;
            return Ok(());
        }
        let given = self.piece.len().min(INPUT_BYTES);
        let step = self
            .joiner
            .skeleton(self.piece.get(..given).unwrap_or_default(), &mut self.out)
            .map_err(unreadable)?;
        match step {
            Step::NeedMore if last => Err(corrupt("a payload has no place")),
            Step::NeedMore => {
                self.piece.advance(given);
                Ok(())
            }
            Step::Payload { consumed } if consumed <= given => {
                self.piece.advance(consumed);
                let payload = self.payloads.next();
                let payload = payload.ok_or_else(|| corrupt("a payload is missing"))?;
                let source = Arc::clone(&self.source);
                self.payload = Some(PartReader::new(source, &payload));
                Ok(())
            }
            Step::Payload { .. } => Err(Error::internal("a joiner took more than it was given")),
        }
    }
}

impl SkeletonReader {
    /// Returns the next piece, empty at the end.
    async fn next(&mut self, source: &dyn ChunkSource) -> Result<Bytes> {
        match self {
            Self::Part(part) => loop {
                match part.next().await? {
                    Some(piece) if piece.is_empty() => {}
                    piece => return Ok(piece.unwrap_or_default()),
                }
            },
            Self::Segment(place) => match place.take() {
                None => Ok(Bytes::new()),
                Some((segment, index)) => {
                    let plain = source.get_chunk(&segment).await?;
                    skeleton_of(&plain, index).map_err(|error| {
                        Error::new(
                            ErrorKind::Corrupt,
                            format!("cannot read an item from segment {segment}"),
                        )
                        .with_source(error)
                    })
                }
            },
        }
    }
}

fn corrupt(why: &str) -> Error {
    Error::corrupt("a stored item", why)
}

fn unreadable(error: SplitError) -> Error {
    corrupt("its parts cannot be joined").with_source(error)
}

//! Chunk lists: the ids of a long part's pieces, as chunks of their own.
//!
//! A list chunk is: version (1 byte, 1), height (1 byte), then ids of 32 bytes to its end, at most
//! 8,192. Height 0 names pieces; height *h* names lists of height *h* - 1. Lists are `Meta` chunks.

use bytes::Bytes;

use super::{ChunkRefs, MAX_INLINE_CHUNKS};
use crate::chunk_id::ChunkId;
use crate::chunks::{ChunkKind, ChunkSink, ChunkSource};
use crate::error::{Error, ErrorKind, Result};

/// Ids in one list chunk: 256 KiB.
const LIST_IDS: usize = 8192;

/// The highest list: 8,192^4 pieces are more than any disk holds.
const MAX_LIST_HEIGHT: u8 = 3;

const LIST_VERSION: u8 = 1;

/// Collects the ids of one part in constant memory.
#[derive(Default)]
pub(crate) struct ListWriter {
    /// Ids not yet written, by height.
    levels: Vec<Vec<ChunkId>>,
}

impl ListWriter {
    /// Adds the id of the next piece.
    pub(crate) async fn push(&mut self, sink: &dyn ChunkSink, id: ChunkId) -> Result<()> {
        self.push_at(sink, 0, id).await
    }

    async fn push_at(&mut self, sink: &dyn ChunkSink, height: usize, id: ChunkId) -> Result<()> {
        let mut id = id;
        for height in height.. {
            if self.levels.len() == height {
                self.levels.push(Vec::new());
            }
            let Some(level) = self.levels.get_mut(height) else {
                return Err(Error::internal("a chunk list lost a level"));
            };
            // A full level is written when the next id comes, so that a list of exactly one
            // chunk's length stays one chunk.
            if level.len() < LIST_IDS {
                level.push(id);
                break;
            }
            let full = std::mem::replace(level, vec![id]);
            id = write_list(sink, height, &full).await?;
        }
        Ok(())
    }

    /// Ends the part; at most `inline_limit` ids stay in the record.
    pub(crate) async fn finish(
        mut self,
        sink: &dyn ChunkSink,
        inline_limit: usize,
    ) -> Result<ChunkRefs> {
        let mut height = 0;
        while let Some(level) = self.levels.get_mut(height) {
            let ids = std::mem::take(level);
            let top = height + 1 == self.levels.len();
            if top && height == 0 && ids.len() <= inline_limit.min(MAX_INLINE_CHUNKS) {
                return Ok(ChunkRefs::Inline(ids));
            }
            let list = write_list(sink, height, &ids).await?;
            if top {
                return Ok(ChunkRefs::List(list));
            }
            height += 1;
            self.push_at(sink, height, list).await?;
        }
        Ok(ChunkRefs::Inline(Vec::new()))
    }
}

async fn write_list(sink: &dyn ChunkSink, height: usize, ids: &[ChunkId]) -> Result<ChunkId> {
    let height = u8::try_from(height)
        .ok()
        .filter(|height| *height <= MAX_LIST_HEIGHT)
        .ok_or_else(|| Error::invalid("an item has too many pieces"))?;
    let mut plain = Vec::with_capacity(2 + ids.len() * ChunkId::LEN);
    plain.extend_from_slice(&[LIST_VERSION, height]);
    for id in ids {
        plain.extend_from_slice(id.as_bytes());
    }
    sink.put_chunk(ChunkKind::Meta, Bytes::from(plain)).await
}

/// Walks the ids of one part, front to back.
pub(crate) struct ListReader {
    stack: Vec<Level>,
    /// Whether ids of lists are returned too, before what they name.
    with_lists: bool,
}

struct Level {
    ids: std::vec::IntoIter<ChunkId>,
    holds: Holds,
}

#[derive(Clone, Copy)]
enum Holds {
    Pieces,
    /// Lists; their height where it is known.
    Lists(Option<u8>),
}

impl ListReader {
    pub(crate) fn new(refs: &ChunkRefs, with_lists: bool) -> Self {
        let (ids, holds) = match refs {
            ChunkRefs::Inline(ids) => (ids.clone(), Holds::Pieces),
            ChunkRefs::List(id) => (vec![*id], Holds::Lists(None)),
        };
        Self {
            stack: vec![Level {
                ids: ids.into_iter(),
                holds,
            }],
            with_lists,
        }
    }

    /// Returns the next id.
    pub(crate) async fn next(&mut self, source: &dyn ChunkSource) -> Result<Option<ChunkId>> {
        while let Some(level) = self.stack.last_mut() {
            let Some(id) = level.ids.next() else {
                self.stack.pop();
                continue;
            };
            let Holds::Lists(expected) = level.holds else {
                return Ok(Some(id));
            };
            let (height, ids) = read_list(&source.get_chunk(&id).await?)
                .filter(|(height, _)| expected.is_none_or(|expected| expected == *height))
                .ok_or_else(|| {
                    Error::new(ErrorKind::Corrupt, format!("chunk {id} is no chunk list"))
                })?;
            self.stack.push(Level {
                ids: ids.into_iter(),
                holds: match height.checked_sub(1) {
                    None => Holds::Pieces,
                    Some(below) => Holds::Lists(Some(below)),
                },
            });
            if self.with_lists {
                return Ok(Some(id));
            }
        }
        Ok(None)
    }
}

fn read_list(plain: &[u8]) -> Option<(u8, Vec<ChunkId>)> {
    let ([version, height], ids) = plain.split_first_chunk()?;
    let (ids, rest) = ids.as_chunks::<{ ChunkId::LEN }>();
    let sound = *version == LIST_VERSION
        && *height <= MAX_LIST_HEIGHT
        && rest.is_empty()
        && (1..=LIST_IDS).contains(&ids.len());
    sound.then(|| {
        let ids = ids.iter().copied().map(ChunkId::from_bytes).collect();
        (*height, ids)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Mutex;

    use async_trait::async_trait;

    use super::*;
    use crate::chunks::ContentKeys;

    struct Lists {
        keys: ContentKeys,
        lists: Mutex<HashMap<ChunkId, Bytes>>,
    }

    #[async_trait]
    impl ChunkSink for Lists {
        async fn put_chunk(&self, kind: ChunkKind, plain: Bytes) -> Result<ChunkId> {
            assert_eq!(kind, ChunkKind::Meta);
            let id = ChunkId::from_bytes(*blake3::hash(&plain).as_bytes());
            self.lists.lock().unwrap().insert(id, plain);
            Ok(id)
        }

        fn content_keys(&self) -> &ContentKeys {
            &self.keys
        }
    }

    #[async_trait]
    impl ChunkSource for Lists {
        async fn get_chunk(&self, id: &ChunkId) -> Result<Bytes> {
            let lists = self.lists.lock().unwrap();
            let missing = || Error::new(ErrorKind::NotFound, "no such list");
            lists.get(id).cloned().ok_or_else(missing)
        }

        fn content_keys(&self) -> &ContentKeys {
            &self.keys
        }
    }

    fn id(n: usize) -> ChunkId {
        ChunkId::from_bytes(*blake3::hash(&n.to_le_bytes()).as_bytes())
    }

    #[tokio::test]
    async fn lists_of_any_length_come_back_in_order() {
        let full = LIST_IDS;
        for (count, lists) in [
            (0, 0),
            (16, 0),
            (17, 1),
            (full, 1),
            (full + 1, 3),
            (2 * full, 3),
            (2 * full + 7, 4),
        ] {
            let store = Lists {
                keys: ContentKeys::derive(&[0; 32]),
                lists: Mutex::default(),
            };
            let mut writer = ListWriter::default();
            for n in 0..count {
                writer.push(&store, id(n)).await.unwrap();
            }
            let refs = writer.finish(&store, usize::MAX).await.unwrap();
            assert_eq!(store.lists.lock().unwrap().len(), lists, "{count}");
            let mut reader = ListReader::new(&refs, false);
            for n in 0..count {
                assert_eq!(reader.next(&store).await.unwrap(), Some(id(n)));
            }
            assert_eq!(reader.next(&store).await.unwrap(), None);
        }
    }

    #[tokio::test]
    async fn lists_that_name_themselves_or_skip_a_level_end_in_an_error() {
        let store = Lists {
            keys: ContentKeys::derive(&[0; 32]),
            lists: Mutex::default(),
        };
        let entry = |height: u8, id: ChunkId| {
            let mut plain = vec![LIST_VERSION, height];
            plain.extend_from_slice(id.as_bytes());
            Bytes::from(plain)
        };
        for plain in [
            entry(1, id(1)),
            entry(MAX_LIST_HEIGHT, id(1)),
            entry(MAX_LIST_HEIGHT + 1, id(1)),
            Bytes::new(),
            Bytes::from_static(&[LIST_VERSION, 0]),
            Bytes::from_static(&[LIST_VERSION, 0, 1]),
            Bytes::from_static(&[LIST_VERSION + 1, 0]),
        ] {
            store.lists.lock().unwrap().insert(id(1), plain);
            let mut reader = ListReader::new(&ChunkRefs::List(id(1)), true);
            let error = loop {
                match reader.next(&store).await {
                    Ok(next) => assert!(next.is_some()),
                    Err(error) => break error,
                }
            };
            assert_eq!(error.kind(), ErrorKind::Corrupt);
        }
    }
}

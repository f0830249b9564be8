//! The way of bytes into a repository and out of it, in memory.

use std::hint::black_box;
use std::sync::{Arc, Mutex};

use aes_gcm::aead::{AeadInOut, KeyInit, Nonce};
use aes_gcm::{Aes256Gcm, Key};
use async_trait::async_trait;
use bytes::Bytes;
use chunkstore::{
    Argon2Params, Change, ChunkId, ChunkKind, ChunkSink, ChunkSource, ContentKeys, CreateOptions,
    Environment, ItemWriter, Opaque, Passphrase, Repository, Result, SegmentOptions, SegmentStore,
    Session, SessionOptions, TreeReader, TreeRoot, write_tree,
};
use futures::{StreamExt, TryStreamExt, stream};
use object_store::memory::InMemory;
use tokio::runtime::Runtime;

use super::{Named, copy, runtime, wait};
use crate::case::Prepared;
use crate::material::{noise, text};

pub(super) const CASES: &[Named] = &[
    ("chunking", chunking),
    ("hashing", hashing),
    ("store-zstd-1", || compression(1)),
    ("store-zstd-3", || compression(3)),
    ("store-zstd-6", || compression(6)),
    ("store-zstd-9", || compression(9)),
    ("sealing", sealing),
    ("chunk-read", chunk_read),
    ("index-look-up", look_up),
    ("manifest-write", manifest_write),
    ("manifest-read", manifest_read),
];

const ENTRIES: u32 = 5_000;

/// Takes chunks and forgets them.
struct Nowhere(ContentKeys);

#[async_trait]
impl ChunkSink for Nowhere {
    async fn put_chunk(&self, _kind: ChunkKind, plain: Bytes) -> Result<ChunkId> {
        black_box(plain);
        Ok(ChunkId::from_bytes([7; 32]))
    }

    fn content_keys(&self) -> &ContentKeys {
        &self.0
    }
}

/// A time that stands still, and randomness that repeats.
fn environment() -> Environment {
    let random = Mutex::new(blake3::Hasher::new().update(b"bench").finalize_xof());
    let random = move |bytes: &mut [u8]| random.lock().expect("nobody panics").fill(bytes);
    Environment::new(|| 1_700_000_000_000, random)
}

fn session(zstd_level: i32) -> (Runtime, Session) {
    let runtime = runtime();
    let create = CreateOptions {
        argon2: Argon2Params {
            memory_kib: 64,
            passes: 1,
            lanes: 1,
        },
        ..CreateOptions::default()
    };
    let session = runtime.block_on(async {
        let store = Arc::new(InMemory::new());
        let secret = Passphrase::new("bench");
        let repository = Repository::create(store, secret, &create, environment())
            .await
            .expect("a repository in memory");
        let options = SessionOptions {
            zstd_level,
            ..SessionOptions::default()
        };
        repository.session(options).await.expect("a session")
    });
    (runtime, session)
}

/// An attachment of 8 MiB: cut by content, and hashed as an item.
fn chunking() -> Prepared {
    let data = noise(8 << 20);
    let bytes = data.len();
    let again = data.clone();
    let sink: Arc<dyn ChunkSink> = Arc::new(Nowhere(ContentKeys::derive(&[1; 32])));
    let store = SegmentStore::new(sink, SegmentOptions::default());
    let runtime = runtime();
    let run = move || {
        runtime.block_on(async {
            let mut writer = ItemWriter::new(&store, 0, Arc::new(Opaque));
            writer.push(&data).await.expect("nothing refuses it");
            writer.finish().await.expect("nothing refuses it");
        });
    };
    Prepared {
        bytes,
        run: Box::new(run),
        limit: blake3_alone(again),
    }
}

/// A chunk of 4 MiB that is there already: its id is computed and found.
fn hashing() -> Prepared {
    let chunk = Bytes::from(noise(4 << 20));
    let (runtime, session) = session(3);
    let again = chunk.to_vec();
    let run = move || {
        let put = session.put_chunk(ChunkKind::Data, chunk.clone());
        black_box(runtime.block_on(put).expect("nothing refuses it"));
    };
    Prepared {
        bytes: again.len(),
        run: Box::new(run),
        limit: blake3_alone(again),
    }
}

fn blake3_alone(data: Vec<u8>) -> (&'static str, crate::case::Work) {
    let work = move || {
        black_box(blake3::keyed_hash(&[1; 32], &data));
    };
    ("BLAKE3 alone", Box::new(work))
}

/// A segment of 1 MiB of text, hashed, compressed, sealed and put into a pack.
fn compression(level: i32) -> Prepared {
    let mut segment = text(1 << 20, 3).into_bytes();
    let again = segment.clone();
    let (runtime, session) = session(level);
    let mut count = 0u64;
    let run = move || {
        // Another chunk each time, or it would be there already.
        count += 1;
        segment[..8].copy_from_slice(&count.to_le_bytes());
        let put = session.put_chunk(ChunkKind::Data, Bytes::copy_from_slice(&segment));
        runtime.block_on(put).expect("nothing refuses it");
    };
    let mut target = vec![0; zstd::zstd_safe::compress_bound(again.len())];
    let mut compressor = zstd::bulk::Compressor::new(level).expect("zstd starts");
    let bytes = again.len();
    let alone = move || {
        let written = compressor.compress_to_buffer(&again, &mut target);
        black_box(written.expect("there is room"));
    };
    Prepared {
        bytes,
        run: Box::new(run),
        limit: ("zstd alone", Box::new(alone)),
    }
}

/// A chunk of 1 MiB that does not compress: nearly all of its way is hash and cipher.
fn sealing() -> Prepared {
    let mut chunk = noise(1 << 20);
    let mut plain = chunk.clone();
    let (runtime, session) = session(1);
    let mut count = 0u64;
    let run = move || {
        count += 1;
        chunk[..8].copy_from_slice(&count.to_le_bytes());
        let put = session.put_chunk(ChunkKind::Data, Bytes::copy_from_slice(&chunk));
        runtime.block_on(put).expect("nothing refuses it");
    };
    let bytes = plain.len();
    let cipher = Aes256Gcm::new(&Key::<Aes256Gcm>::from([1; 32]));
    let alone = move || {
        let nonce = Nonce::<Aes256Gcm>::from([2; 12]);
        let tag = cipher.encrypt_inout_detached(&nonce, b"", plain.as_mut_slice().into());
        black_box(tag.is_ok());
    };
    Prepared {
        bytes,
        run: Box::new(run),
        limit: ("AES-256-GCM alone", Box::new(alone)),
    }
}

/// Sixteen chunks of 1 MiB read back from an open pack: opened, decompressed, compared with the id.
fn chunk_read() -> Prepared {
    let (runtime, session) = session(3);
    let ids: Vec<ChunkId> = (0..16)
        .map(|seed| {
            let chunk = Bytes::from(text(1 << 20, seed));
            runtime
                .block_on(session.put_chunk(ChunkKind::Data, chunk))
                .expect("nothing refuses it")
        })
        .collect();
    let plain = text(1 << 20, 1);
    let bytes = 16 * plain.len();
    let packed = zstd::bulk::compress(plain.as_bytes(), 3).expect("zstd compresses");
    let run = move || {
        for id in &ids {
            let chunk = runtime.block_on(session.get_piece(id));
            black_box(chunk.expect("it was stored"));
        }
    };
    let alone = move || {
        for _ in 0..16 {
            black_box(zstd::bulk::decompress(&packed, plain.len()).expect("it was compressed"));
        }
    };
    Prepared {
        bytes,
        run: Box::new(run),
        limit: ("zstd alone", Box::new(alone)),
    }
}

/// Ten thousand chunks of 64 bytes, all there already.
fn look_up() -> Prepared {
    let chunks: Vec<Bytes> = (0..10_000u64)
        .map(|number| {
            let mut chunk = vec![0; 64];
            chunk[..8].copy_from_slice(&number.to_le_bytes());
            chunk.into()
        })
        .collect();
    let (runtime, session) = session(3);
    let again = chunks.clone();
    let run = move || {
        runtime.block_on(async {
            for chunk in &chunks {
                let put = session.put_chunk(ChunkKind::Data, chunk.clone()).await;
                black_box(put.expect("nothing refuses it"));
            }
        });
    };
    let alone = move || {
        for chunk in &again {
            black_box(blake3::keyed_hash(&[1; 32], chunk));
        }
    };
    Prepared {
        bytes: 64 * 10_000,
        run: Box::new(run),
        limit: ("BLAKE3 alone", Box::new(alone)),
    }
}

fn changes() -> Vec<Change> {
    (0..ENTRIES)
        .map(|number| {
            let mut key = number.to_be_bytes().to_vec();
            key.extend_from_slice(blake3::hash(&key).as_bytes());
            Change::put(key, text(60, u64::from(number)).into_bytes(), Vec::new())
        })
        .collect()
}

fn changes_len() -> usize {
    let len = |change: &Change| {
        change.key.len() + change.entry.as_ref().map_or(0, |(value, _)| value.len())
    };
    changes().iter().map(len).sum()
}

async fn write(session: &Session, changes: &[Change]) -> TreeRoot {
    let sink: Arc<dyn ChunkSink> = Arc::new(session.clone());
    let source: Arc<dyn ChunkSource> = Arc::new(session.clone());
    let changes = stream::iter(changes.iter().cloned().map(Ok::<_, chunkstore::Error>));
    write_tree(sink, source, None, changes.boxed())
        .await
        .expect("nothing refuses it")
}

/// A tree of 5,000 entries.
fn manifest_write() -> Prepared {
    let bytes = changes_len();
    let mut changes = changes();
    let (runtime, session) = session(3);
    let mut count = 0u64;
    let run = move || {
        count += 1;
        for change in &mut changes {
            if let Some((value, _)) = &mut change.entry {
                value[..8].copy_from_slice(&count.to_le_bytes());
            }
        }
        black_box(runtime.block_on(write(&session, &changes)));
    };
    Prepared {
        bytes,
        run: Box::new(run),
        limit: copy(bytes),
    }
}

/// All entries of that tree.
fn manifest_read() -> Prepared {
    let bytes = changes_len();
    let (runtime, session) = session(3);
    let root = runtime.block_on(write(&session, &changes()));
    let reader = TreeReader::new(Arc::new(session), root);
    let run = move || {
        let entries: Vec<_> = wait(reader.all().try_collect()).expect("it was stored");
        assert_eq!(entries.len(), ENTRIES as usize);
    };
    Prepared {
        bytes,
        run: Box::new(run),
        limit: copy(bytes),
    }
}

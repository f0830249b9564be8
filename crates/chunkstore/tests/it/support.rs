//! A replayable environment, cheap keys, and stores to damage.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use bytes::Bytes;
use chunkstore::{
    Argon2Params, ChunkId, ChunkKind, ChunkSink, ChunkSource, CreateOptions, Environment, Error,
    NewSnapshot, ObjectStore, Passphrase, Repository, Session, SessionOptions, TreeRoot,
};
use futures::TryStreamExt;

/// A clock that ticks at every look, and a generator that never repeats: each environment has its
/// own seed, as two machines would.
pub fn environment(seed: u64) -> Environment {
    let clock = AtomicI64::new(1_790_000_000_000);
    let drawn = AtomicU64::new(0);
    Environment::new(
        move || clock.fetch_add(1, Ordering::Relaxed),
        move |buffer| {
            let nth = drawn.fetch_add(1, Ordering::Relaxed);
            let mut hasher = blake3::Hasher::new();
            hasher
                .update(&seed.to_le_bytes())
                .update(&nth.to_le_bytes());
            hasher.finalize_xof().fill(buffer);
        },
    )
}

pub fn passphrase() -> Passphrase {
    Passphrase::new("correct horse")
}

pub fn cheap() -> CreateOptions {
    CreateOptions {
        argon2: Argon2Params {
            memory_kib: 8,
            passes: 1,
            lanes: 1,
        },
        ..CreateOptions::default()
    }
}

/// Small packs, so that little data makes several.
pub fn small_packs() -> SessionOptions {
    SessionOptions {
        writer: "test".to_owned(),
        data_pack_bytes: 64 << 10,
        meta_pack_bytes: 64 << 10,
        ..SessionOptions::default()
    }
}

pub async fn create(store: Arc<dyn ObjectStore>) -> Repository {
    Repository::create(store, &passphrase(), &cheap(), environment(1))
        .await
        .unwrap()
}

pub async fn open(store: Arc<dyn ObjectStore>, seed: u64) -> Result<Repository, Error> {
    Repository::open(store, &passphrase(), environment(seed)).await
}

/// Incompressible bytes.
pub fn noise(seed: u64, len: usize) -> Bytes {
    let mut bytes = vec![0; len];
    blake3::Hasher::new()
        .update(&seed.to_le_bytes())
        .finalize_xof()
        .fill(&mut bytes);
    bytes.into()
}

/// Compressible bytes, different for each seed.
pub fn prose(seed: u64, len: usize) -> Bytes {
    let line = format!("line {seed} of a letter that says much the same as the others\r\n");
    line.bytes().cycle().take(len).collect()
}

pub fn snapshot(name: &str, value: &[u8]) -> NewSnapshot {
    NewSnapshot {
        name: name.to_owned(),
        time_unix_ms: 1_790_000_000_000,
        partial: false,
        root: TreeRoot::default(),
        value: value.to_vec(),
    }
}

/// Puts data and meta chunks of several sizes and commits them with a snapshot.
pub async fn fill(repository: &Repository, seed: u64, chunks: u64) -> Vec<(ChunkId, Bytes)> {
    let session = repository.session(small_packs()).await.unwrap();
    let put = put_all(&session, seed, chunks).await.unwrap();
    session
        .add_snapshot(snapshot("alice", &seed.to_le_bytes()))
        .unwrap();
    session.commit().await.unwrap();
    put
}

pub async fn put_all(
    session: &Session,
    seed: u64,
    chunks: u64,
) -> Result<Vec<(ChunkId, Bytes)>, Error> {
    let mut put = Vec::new();
    for n in 0..chunks {
        let seed = seed << 32 | n;
        let len = 100 + (n as usize * 7_919) % 20_000;
        let plain = if n % 3 == 0 {
            noise(seed, len)
        } else {
            prose(seed, len)
        };
        let kind = if n % 4 == 3 {
            ChunkKind::Meta
        } else {
            ChunkKind::Data
        };
        put.push((session.put_chunk(kind, plain.clone()).await?, plain));
    }
    Ok(put)
}

pub async fn assert_readable(source: &dyn ChunkSource, chunks: &[(ChunkId, Bytes)]) {
    for (id, plain) in chunks {
        assert_eq!(&source.get_chunk(id).await.unwrap(), plain);
    }
}

/// All object names, sorted.
pub async fn names(store: &dyn ObjectStore, folder: &str) -> Vec<String> {
    let prefix = (!folder.is_empty()).then(|| object_store::path::Path::from(folder));
    let listed: Vec<_> = store.list(prefix.as_ref()).try_collect().await.unwrap();
    let mut names: Vec<_> = listed
        .into_iter()
        .map(|meta| meta.location.to_string())
        .collect();
    names.sort();
    names
}

//! What a thief has who takes a writer's key and the whole repository.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use object_store::ObjectStore;
use object_store::memory::InMemory;

use super::*;
use crate::chunks::{ChunkKind, ChunkSink, ChunkSource};
use crate::config::CreateOptions;
use crate::env::Environment;
use crate::keyring::{Argon2Params, Passphrase};
use crate::pack::{self, Blob};
use crate::repository::Repository;
use crate::seal::Cipher;
use crate::session::SessionOptions;
use crate::unlock::{NewKey, Unlock};
use crate::writer_key::WriterKey;

fn environment(seed: u64) -> Environment {
    let drawn = AtomicU64::new(0);
    Environment::new(
        || 1_790_000_000_000,
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

async fn put(repository: &Repository, text: &'static [u8]) {
    let session = repository.session(SessionOptions::default()).await.unwrap();
    let bytes = Bytes::from_static(text);
    session.put_chunk(ChunkKind::Data, bytes).await.unwrap();
    session.commit().await.unwrap();
}

/// Every key that the opened repository holds, and what follows from these by any of the format's
/// derivations.
fn keys_of(repository: &Repository) -> Vec<Key> {
    let store = repository.store();
    let mut keys = store.keyring().held();
    keys.extend(store.session_keys.held());
    let id = repository.id().to_bytes();
    let derived: Vec<Key> = keys
        .iter()
        .flat_map(|key| {
            ["data", "meta", "writers", "chunk id", "content"].map(|purpose| {
                let info = format!("postkeep v1 {purpose}");
                let epoch = 1u32.to_le_bytes();
                let epoch: &[u8] = if purpose.len() > 7 { &[] } else { &epoch };
                key.derive(&id, &[info.as_bytes(), epoch])
            })
        })
        .collect();
    keys.extend(derived);
    keys
}

/// How many data blobs any of some keys opens, and how many there are.
async fn opened(repository: &Repository, keys: &[Key]) -> (usize, usize) {
    let store = repository.store();
    let packs = repository.catalogue().index.packs().to_vec();
    let (mut opened, mut all) = (0, 0);
    for info in packs.iter().filter(|one| one.kind == ObjectKind::DataPack) {
        let object = info.name.object();
        let bytes = store.objects.get(&object, 1 << 20).await.unwrap();
        let (preamble, header) = pack::read_header(&object, &bytes, &store.sealer).unwrap();
        // As the parent of the blobs' key, as that key itself, and as a private key to which the
        // session's key was sent.
        let mut candidates = keys.to_vec();
        for key in keys {
            candidates.push(preamble.key(key, "blob"));
            if let Ok(record) = read(store, preamble.epoch).await {
                let export = export(preamble.epoch);
                let sent = record.encapsulated;
                let purpose = store.purpose(&export);
                let key = encapsulation::decapsulate(key.as_bytes(), &sent, purpose);
                candidates.extend(key.map(|key| preamble.key(&key, "blob")));
            }
        }
        for entry in &header.entries {
            all += 1;
            let blob = Blob {
                short_id: entry.id.short(),
                kind: entry.kind,
                position: entry.position,
                sealed: &bytes[entry.range()],
            };
            let opens = |key: &Key| {
                let cipher = Cipher::new(preamble.suite, key);
                blob.open("", &cipher, (&store.codec, store.keyring()))
                    .is_ok()
            };
            opened += usize::from(candidates.iter().any(opens));
        }
    }
    (opened, all)
}

#[tokio::test]
async fn a_thief_with_a_writers_key_and_the_whole_repository_opens_no_content() {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let argon2 = Argon2Params {
        memory_kib: 8,
        passes: 1,
        lanes: 1,
    };
    let options = CreateOptions {
        argon2,
        ..CreateOptions::default()
    };
    let passphrase = Passphrase::new("p");
    let created = Repository::create(store.clone(), &passphrase, &options, environment(1));
    let reader = created.await.unwrap();
    let key = WriterKey::generate(&environment(2));
    let new = NewKey::Writer(key.public_key());
    reader.add_key(&new, "").await.unwrap();
    put(&reader, b"what the reader stored").await;
    let open = |seed| {
        let unlock = Unlock::Writer(key.clone());
        Repository::open(store.clone(), unlock, environment(seed))
    };
    // The machine itself, in whose memory nothing of its ended sessions is left, and a thief's.
    let machine = open(3).await.unwrap();
    put(&machine, b"what the writer stored").await;
    put(&machine, b"what it stored a day later").await;
    let thief = open(4).await.unwrap();
    for taken in [&machine, &thief] {
        let mut keys = keys_of(taken);
        let secret = Unlock::Writer(key.clone());
        let Unlock::Writer(secret) = secret else {
            unreachable!()
        };
        // The key file's own secret.
        let text = secret.to_text();
        let raw = crate::key_text::KeyText::Writer
            .decode::<32>(&text)
            .unwrap();
        keys.push(Key::from_bytes(*raw));
        assert_eq!(opened(taken, &keys).await, (0, 3));
    }
    // The same search finds every blob with the keys that do open them.
    reader.refresh().await.unwrap();
    let master = reader.store().keyring().held();
    let mut keys = keys_of(&reader);
    assert_eq!(master.len(), 3);
    assert_eq!(opened(&reader, &keys).await, (3, 3));
    // While a session is under way, its own key is there, and opens nothing of before.
    let session = machine.session(SessionOptions::default()).await.unwrap();
    let text = Bytes::from_static(b"what is under way");
    let id = session
        .put_chunk(ChunkKind::Data, text.clone())
        .await
        .unwrap();
    session.flush().await.unwrap();
    assert_eq!(session.get_chunk(&id).await.unwrap(), text);
    keys = keys_of(&machine);
    assert_eq!(machine.store().session_keys.held().len(), 1);
    assert_eq!(opened(&machine, &keys).await, (0, 3));
    drop(session);
    assert!(machine.store().session_keys.held().is_empty());
}

#[test]
fn epochs_of_sealed_sessions_tell_the_meta_key() {
    for epoch in [1, 2, 255, 256] {
        assert_eq!(meta_epoch(epoch), epoch);
        assert!(!is_sealed(epoch));
        for lot in [0, 1, LOT_MASK] {
            let sealed = SEALED | (epoch - 1) << EPOCH_SHIFT | lot;
            assert!(is_sealed(sealed));
            assert_eq!(meta_epoch(sealed), epoch);
        }
    }
}

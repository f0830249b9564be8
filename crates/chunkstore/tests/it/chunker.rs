//! Where long parts are cut, seen from outside.

use std::sync::Arc;

use chunkstore::{ItemWriter, Opaque, SegmentOptions, SegmentStore};

use crate::content::{MemoryChunks, noise};

async fn store(chunks: &Arc<MemoryChunks>, item: &[u8]) {
    let store = SegmentStore::new(chunks.clone(), SegmentOptions::default());
    let mut writer = ItemWriter::new(&store, 0, Arc::new(Opaque));
    writer.push(item).await.unwrap();
    writer.finish().await.unwrap();
}

#[tokio::test]
async fn bytes_put_in_front_of_a_long_part_store_little_again() {
    let chunks = MemoryChunks::new();
    let item = noise(77, 16 << 20);
    store(&chunks, &item).await;
    let before = chunks.plain_bytes();
    let shifted = [&b"a few bytes in front"[..], &item].concat();
    store(&chunks, &shifted).await;
    assert!(chunks.plain_bytes() - before < 2 << 20);
}

#[tokio::test]
async fn pieces_of_a_long_part_are_a_quarter_mebibyte_in_the_mean() {
    let chunks = MemoryChunks::new();
    store(&chunks, &noise(78, 32 << 20)).await;
    let mean = (32 << 20) / (chunks.count() - 1);
    assert!((200_000..420_000).contains(&mean), "{mean}");
}

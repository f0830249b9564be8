//! Lasting damage to stored objects, as a bad disk or a careless hand would do it.

use object_store::{ObjectStore, ObjectStoreExt, path::Path};

/// Replaces an object by what `change` makes of its bytes.
///
/// # Panics
///
/// When the object cannot be read or written.
pub async fn rewrite(
    store: &dyn ObjectStore,
    location: &Path,
    change: impl FnOnce(Vec<u8>) -> Vec<u8>,
) {
    let answer = store.get(location).await.expect("the object exists");
    let bytes = answer.bytes().await.expect("the object is readable");
    let changed = change(bytes.to_vec());
    store
        .put(location, changed.into())
        .await
        .expect("the object can be overwritten");
}

/// Inverts every bit of one byte; `offset` counts from the start of the object.
///
/// # Panics
///
/// When the object cannot be read or written, or is no longer than `offset`.
pub async fn flip_byte(store: &dyn ObjectStore, location: &Path, offset: u64) {
    rewrite(store, location, |mut bytes| {
        let index = usize::try_from(offset).expect("the offset fits into memory");
        bytes[index] ^= 0xff;
        bytes
    })
    .await;
}

/// Keeps the first `bytes` bytes of an object.
///
/// # Panics
///
/// When the object cannot be read or written, or is shorter than that already.
pub async fn truncate(store: &dyn ObjectStore, location: &Path, bytes: u64) {
    rewrite(store, location, |mut all| {
        let keep = usize::try_from(bytes).expect("the length fits into memory");
        assert!(keep <= all.len(), "{location} has {} bytes", all.len());
        all.truncate(keep);
        all
    })
    .await;
}

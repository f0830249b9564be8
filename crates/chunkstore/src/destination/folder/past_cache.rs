//! Large objects go to the disk past the system's cache.
//!
//! Nobody reads a pack soon after it was written, and where Exchange runs on the same machine, the
//! memory is better used by Exchange. It also spares a copy and a fresh page for every 4 KiB, a
//! tenth of a first backup's processor time (decision 16).

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use object_store::local::LocalFileSystem;
use object_store::path::Path as Location;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use crate::offload::offload;
use crate::platform::{past_the_cache, sync_folder};

/// Shorter objects are not worth the detour.
const MIN_BYTES: usize = 1 << 20;
/// Bytes written at once.
const BLOCK: usize = 256 << 10;
/// What addresses, places and lengths have to be multiples of; enough for every disk.
const ALIGNMENT: usize = 4096;

/// A folder whose large objects are created past the cache, where the file system can do that.
#[derive(Debug)]
pub(super) struct PastCache {
    folder: LocalFileSystem,
    root: PathBuf,
    /// Whether the file system has refused it.
    refused: AtomicBool,
}

impl PastCache {
    pub(super) fn new(folder: LocalFileSystem, root: &Path) -> Self {
        Self {
            folder,
            root: root.to_path_buf(),
            refused: AtomicBool::new(false),
        }
    }
}

/// Creates a file with all of `payload` in it, durable when this returns.
///
/// Like `LocalFileSystem`, it writes under a name that ends in `#` and a number and links that.
fn create(path: &Path, root: &Path, payload: &PutPayload) -> io::Result<()> {
    let folder = path.parent().ok_or(ErrorKind::InvalidInput)?;
    if !folder.is_dir() {
        std::fs::create_dir_all(folder)?;
        let made = folder.ancestors().take_while(|made| made.starts_with(root));
        made.skip(1).try_for_each(sync_folder)?;
    }
    let (file, staged) = stage(path)?;
    let done = fill(file, &staged, payload)
        .and_then(|()| std::fs::hard_link(&staged, path))
        .and_then(|()| sync_folder(folder));
    // What stays of it after a failure is found and removed like that of a killed process.
    let _ = std::fs::remove_file(&staged);
    done
}

fn stage(path: &Path) -> io::Result<(File, PathBuf)> {
    for number in 1u32.. {
        let mut staged = path.as_os_str().to_owned();
        staged.push(format!("#{number}"));
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        match past_the_cache(&mut options)?.open(&staged) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            other => return other.map(|file| (file, staged.into())),
        }
    }
    Err(ErrorKind::AlreadyExists.into())
}

fn fill(mut file: File, staged: &Path, payload: &PutPayload) -> io::Result<()> {
    let mut room = vec![0; BLOCK + ALIGNMENT];
    let aligned = room.as_ptr().align_offset(ALIGNMENT);
    let block = room
        .get_mut(aligned..aligned + BLOCK)
        .ok_or(ErrorKind::Unsupported)?;
    let mut filled = 0;
    for mut bytes in payload.iter().map(Bytes::as_ref) {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(BLOCK - filled));
            block[filled..filled + now.len()].copy_from_slice(now);
            filled += now.len();
            if filled == BLOCK {
                file.write_all(block)?;
                filled = 0;
            }
            bytes = later;
        }
    }
    let (whole, tail) = block[..filled].split_at(filled - filled % ALIGNMENT);
    file.write_all(whole)?;
    if !tail.is_empty() {
        drop(file);
        file = OpenOptions::new().append(true).open(staged)?;
        file.write_all(tail)?;
    }
    file.sync_all()
}

impl fmt::Display for PastCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.folder.fmt(f)
    }
}

#[async_trait]
impl ObjectStore for PastCache {
    async fn put_opts(
        &self,
        location: &Location,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        if options.mode == PutMode::Create
            && payload.content_length() >= MIN_BYTES
            && !self.refused.load(Ordering::Relaxed)
        {
            let path = self.folder.path_to_filesystem(location)?;
            let (there, root, payload) = (path.clone(), self.root.clone(), payload.clone());
            let created = offload(move || create(&path, &root, &payload)).await;
            match created.unwrap_or_else(|error| Err(io::Error::other(error))) {
                Ok(()) => {
                    return Ok(PutResult {
                        e_tag: None,
                        version: None,
                        extensions: Default::default(),
                    });
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                    return Err(object_store::Error::AlreadyExists {
                        path: location.to_string(),
                        source: Box::new(error),
                    });
                }
                // Its name may not last. Written once more, it would be taken for durable.
                Err(error) if there.exists() => {
                    return Err(object_store::Error::Generic {
                        store: "folder",
                        source: Box::new(error),
                    });
                }
                Err(error) => {
                    // The ordinary way works, or says why it does not.
                    tracing::debug!(%location, %error, "not written past the cache");
                    self.refused.store(true, Ordering::Relaxed);
                }
            }
        }
        self.folder.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Location,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.folder.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Location, options: GetOptions) -> Result<GetResult> {
        self.folder.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Location, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.folder.get_ranges(location, ranges).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Location>>,
    ) -> BoxStream<'static, Result<Location>> {
        self.folder.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Location>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.folder.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Location>) -> Result<ListResult> {
        self.folder.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Location, to: &Location, options: CopyOptions) -> Result<()> {
        self.folder.copy_opts(from, to, options).await
    }
}

#[cfg(test)]
mod tests {
    use object_store::ObjectStoreExt;

    use super::*;

    fn payload(lens: &[usize]) -> PutPayload {
        let piece = |len: &usize| -> Bytes { (0..*len).map(|at| (at / 3) as u8).collect() };
        lens.iter().map(piece).collect()
    }

    #[test]
    fn a_file_is_what_was_given_however_it_was_cut() {
        let folder = tempfile::tempdir().unwrap();
        for lens in [
            vec![0],
            vec![1],
            vec![ALIGNMENT],
            vec![ALIGNMENT + 1],
            vec![BLOCK],
            vec![BLOCK - 1, 2, BLOCK],
            vec![3 * BLOCK + 5 * ALIGNMENT, 77],
        ] {
            let path = folder.path().join("file");
            let payload = payload(&lens);
            fill(File::create(&path).unwrap(), &path, &payload).unwrap();
            assert_eq!(
                std::fs::read(&path).unwrap(),
                Bytes::from(payload),
                "{lens:?}"
            );
        }
    }

    #[tokio::test]
    async fn large_objects_are_created_once_and_nothing_half_written_stays() {
        let root = tempfile::tempdir().unwrap();
        let folder = LocalFileSystem::new_with_prefix(root.path()).unwrap();
        let store = PastCache::new(folder.with_fsync(true), root.path());
        for (number, refused) in [false, true].into_iter().enumerate() {
            // Also where the file system takes the ordinary way from its first object on.
            store.refused.fetch_or(refused, Ordering::Relaxed);
            let location = Location::from(format!("packs/{number}/pack"));
            let payload = payload(&[MIN_BYTES, 5]);
            let create = || {
                let options = PutOptions::from(PutMode::Create);
                store.put_opts(&location, payload.clone(), options)
            };
            create().await.unwrap();
            let again = create().await.unwrap_err();
            assert!(
                matches!(again, object_store::Error::AlreadyExists { .. }),
                "{again}"
            );
            let read = store.get(&location).await.unwrap().bytes().await.unwrap();
            assert_eq!(read, Bytes::from(payload));
            let folder = root.path().join(format!("packs/{number}"));
            assert_eq!(folder.read_dir().unwrap().count(), 1);
        }
    }
}

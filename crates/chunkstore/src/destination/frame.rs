//! The frame of the destinations that are our own code.
//!
//! Each says how it writes, reads and deletes one object and what is in one folder; the rest of what
//! `object_store` asks is the same for all of them, and is here.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    Attributes, CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult,
    MultipartUpload, ObjectMeta, ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload,
    PutResult, Result,
};

/// Folders below one another; a repository has three.
const MAX_DEPTH: usize = 16;

/// A destination, in what is its own.
#[async_trait]
pub(super) trait Backend: Sized + Send + Sync + 'static {
    /// What it is called in errors.
    const NAME: &'static str;
    /// Whether of several creates of one name exactly one succeeds. Elsewhere creates are refused,
    /// so that a repository never takes two writers by a lucky probe.
    const CREATES: bool = false;
    /// Folders listed at the same time.
    const AT_ONCE: usize = 1;

    /// Writes an object, all of it or nothing; with `is_create` only where nothing has its name.
    /// Returns its ETag.
    async fn put(&self, path: &Path, body: Bytes, is_create: bool) -> Result<Option<String>>;

    /// Reads an object, or a range of it, or only what it is.
    async fn get(&self, path: &Path, options: &GetOptions) -> Result<GetResult>;

    async fn delete(&self, path: &Path) -> Result<()>;

    /// What is in a folder; nothing in one that is not there.
    async fn folder(&self, folder: &Path) -> Result<ListResult>;

    /// Everything below a folder.
    async fn below(&self, folder: &Path) -> Result<Vec<ObjectMeta>> {
        walk(self, folder).await
    }

    /// Adds what listings do not tell.
    async fn complete(&self, found: Vec<ObjectMeta>) -> Result<Vec<ObjectMeta>> {
        Ok(found)
    }
}

/// A line of a listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) is_folder: bool,
    pub(super) size: u64,
    pub(super) modified: DateTime<Utc>,
    pub(super) e_tag: Option<String>,
}

/// Whether a listing may call something in a folder so: anything else would be taken for a path, or
/// is the folder itself.
#[cfg(any(feature = "webdav", feature = "web", feature = "ftp"))]
pub(super) fn is_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && !name.contains(['/', '\0'])
}

/// The entries of a folder, as objects and folders.
pub(super) fn listed(folder: &Path, entries: impl IntoIterator<Item = Entry>) -> ListResult {
    let mut list = ListResult {
        common_prefixes: Vec::new(),
        objects: Vec::new(),
        extensions: Default::default(),
    };
    for entry in entries {
        let location = folder.clone().join(entry.name.as_str());
        match entry.is_folder {
            true => list.common_prefixes.push(location),
            false => list.objects.push(ObjectMeta {
                location,
                last_modified: entry.modified,
                size: entry.size,
                e_tag: entry.e_tag,
                version: None,
            }),
        }
    }
    list
}

/// What is read of an object.
pub(super) fn reading(
    meta: ObjectMeta,
    range: Range<u64>,
    body: BoxStream<'static, Result<Bytes>>,
) -> GetResult {
    GetResult {
        payload: GetResultPayload::Stream(body),
        meta,
        range,
        attributes: Attributes::new(),
        extensions: Default::default(),
    }
}

pub(super) fn generic(
    store: &'static str,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> Error {
    let source = source.into();
    Error::Generic { store, source }
}

/// The store that a backend makes.
pub(super) fn framed<B: Backend>(backend: B) -> Arc<dyn ObjectStore> {
    Arc::new(Framed(Arc::new(backend)))
}

/// Everything below a folder, level by level.
async fn walk<B: Backend>(backend: &B, folder: &Path) -> Result<Vec<ObjectMeta>> {
    let mut found = Vec::new();
    let mut level = vec![folder.clone()];
    for _ in 0..MAX_DEPTH {
        let mut listings = stream::iter(std::mem::take(&mut level))
            .map(|folder| async move { backend.folder(&folder).await })
            .buffer_unordered(B::AT_ONCE);
        while let Some(list) = listings.try_next().await? {
            level.extend(list.common_prefixes);
            found.extend(list.objects);
        }
        if level.is_empty() {
            return Ok(found);
        }
    }
    Err(generic(B::NAME, "the folders are nested too deep"))
}

struct Framed<B>(Arc<B>);

impl<B: Backend> fmt::Debug for Framed<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}(…)", B::NAME)
    }
}

impl<B: Backend> fmt::Display for Framed<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(B::NAME)
    }
}

fn not_implemented<B: Backend>(operation: &str) -> Error {
    Error::NotImplemented {
        operation: operation.to_owned(),
        implementer: B::NAME.to_owned(),
    }
}

#[async_trait]
impl<B: Backend> ObjectStore for Framed<B> {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        let is_create = match options.mode {
            PutMode::Overwrite => false,
            PutMode::Create if B::CREATES => true,
            _ => return Err(not_implemented::<B>("conditional write")),
        };
        let body = Bytes::from(payload);
        Ok(PutResult {
            e_tag: self.0.put(location, body, is_create).await?,
            version: None,
            extensions: Default::default(),
        })
    }

    async fn put_multipart_opts(
        &self,
        _: &Path,
        _: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        Err(not_implemented::<B>("multipart upload"))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.0.get(location, &options).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let backend = Arc::clone(&self.0);
        locations
            .then(move |location| {
                let backend = Arc::clone(&backend);
                async move {
                    let location = location?;
                    backend.delete(&location).await.map(|()| location)
                }
            })
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let backend = Arc::clone(&self.0);
        let folder = prefix.cloned().unwrap_or_default();
        let found = async move {
            let found = backend.below(&folder).await?;
            let found = backend.complete(found).await?;
            let found = found.into_iter().map(Ok::<_, Error>);
            Ok::<_, Error>(stream::iter(found))
        };
        stream::once(found).try_flatten().boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let folder = prefix.cloned().unwrap_or_default();
        let mut list = self.0.folder(&folder).await?;
        list.objects = self.0.complete(list.objects).await?;
        Ok(list)
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        Err(not_implemented::<B>("copy"))
    }
}

//! FTP (RFC 959, 3659), with TLS (RFC 4217) and without, for one writer at a time.
//!
//! The adapter at hand loses step with the server after a ranged read, and panics on a certificate
//! that it does not like; this one does what a repository needs and nothing else. An object is
//! written under a temporary name, its length compared, and renamed: nobody sees half of one, even
//! though to FTP a broken connection is the end of a file.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{FutureExt, StreamExt};
use object_store::path::Path;
use object_store::{
    Attributes, CopyOptions, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult,
    Result,
};
use suppaftp::{FtpError, Status};

use super::Service;

mod connect;
mod listing;
mod transfer;

use connect::{Login, Server};
use listing::Entry;

const STORE: &str = "FTP";
/// Temporary names begin like this; listings pass over them.
const TEMPORARY: &str = ".postkeep-";
/// Folders below one another; a repository has three.
const MAX_DEPTH: usize = 16;
/// The largest range read at once: a pack.
const MAX_READ_BYTES: u64 = 512 << 20;

/// Opens a folder of a server; it is created by the first write. Nothing is connected yet.
pub(super) fn open(
    service: &Service,
    settings: &BTreeMap<String, String>,
) -> crate::error::Result<Arc<dyn ObjectStore>> {
    let login = Login::new(service, settings)?;
    Ok(Arc::new(Ftp {
        server: Arc::new(Server::new(login)),
        base: Arc::from(format!("/{}", service.path.join("/"))),
        lacks_mlsd: Arc::default(),
    }))
}

/// A folder on an FTP server.
#[derive(Clone)]
struct Ftp {
    server: Arc<Server>,
    base: Arc<str>,
    /// Whether the server said that it has no listing for machines.
    lacks_mlsd: Arc<AtomicBool>,
}

impl fmt::Debug for Ftp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ftp(…)")
    }
}

impl fmt::Display for Ftp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(STORE)
    }
}

fn generic(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> object_store::Error {
    object_store::Error::Generic {
        store: STORE,
        source: source.into(),
    }
}

fn not_implemented(operation: &str) -> object_store::Error {
    object_store::Error::NotImplemented {
        operation: operation.to_owned(),
        implementer: STORE.to_owned(),
    }
}

/// Says what a refusal means. 550 is both "not there" and "not allowed", and so is 501 with some
/// servers' MLSD; only the text tells.
fn failed(path: &str, error: FtpError) -> object_store::Error {
    let path = path.to_owned();
    let FtpError::UnexpectedResponse(response) = &error else {
        return generic(error);
    };
    let text = String::from_utf8_lossy(&response.body).to_ascii_lowercase();
    let is_denied = text.contains("denied") || text.contains("permission");
    match response.status {
        Status::NotLoggedIn => object_store::Error::Unauthenticated {
            path,
            source: Box::new(error),
        },
        Status::FileUnavailable | Status::BadFilename if is_denied => {
            object_store::Error::PermissionDenied {
                path,
                source: Box::new(error),
            }
        }
        Status::FileUnavailable => object_store::Error::NotFound {
            path,
            source: Box::new(error),
        },
        Status::BadArguments if text.contains("no such") => object_store::Error::NotFound {
            path,
            source: Box::new(error),
        },
        Status::ExceededStorage => generic(std::io::Error::from(std::io::ErrorKind::StorageFull)),
        _ => generic(error),
    }
}

/// Whether the server does not know a command (RFC 959, 4.2.1).
fn is_unknown_command(error: &FtpError) -> bool {
    matches!(
        error,
        FtpError::UnexpectedResponse(response) if matches!(
            response.status,
            Status::BadCommand | Status::NotImplemented | Status::NotImplementedParameter
        )
    )
}

impl Ftp {
    fn remote(&self, path: &Path) -> String {
        match path.as_ref() {
            "" => self.base.to_string(),
            path => format!("{}/{path}", self.base.trim_end_matches('/')),
        }
    }

    async fn put(&self, path: &Path, body: Bytes, mode: &PutMode) -> Result<()> {
        // No command of FTP creates a file only where there is none.
        if !matches!(mode, PutMode::Overwrite) {
            return Err(not_implemented("conditional write"));
        }
        let remote = self.remote(path);
        let folder = remote.rsplit_once('/').map_or("", |(folder, _)| folder);
        // The same for the same bytes: what a crash left is overwritten, and not piled up.
        let hash = blake3::Hasher::new()
            .update(remote.as_bytes())
            .update(&body)
            .finalize()
            .to_hex();
        let temporary = format!("{folder}/{TEMPORARY}{}", &hash[..16]);
        let mut uploaded = self.upload(&temporary, &body).await?;
        // 550 or 553: most likely the folder is not there. What else it may be shows again.
        if uploaded.is_err() {
            self.make_folders(folder).await?;
            uploaded = self.upload(&temporary, &body).await?;
        }
        uploaded.map_err(|error| failed(&remote, error))?;
        let renamed = self.server.run(0, |connection| {
            transfer::rename(connection, temporary.clone(), remote.clone()).boxed()
        });
        renamed.await?.map_err(|error| failed(&remote, error))
    }

    async fn upload(&self, name: &str, body: &Bytes) -> Result<Result<(), FtpError>> {
        let uploaded = self.server.run(body.len() as u64, |connection| {
            transfer::upload(connection, name.to_owned(), body.clone()).boxed()
        });
        uploaded.await
    }

    /// Makes all folders of a path. Whether one is there or cannot be made, the upload tells.
    async fn make_folders(&self, folder: &str) -> Result<()> {
        let mut made = String::new();
        for name in folder.split('/').filter(|name| !name.is_empty()) {
            made.push('/');
            made.push_str(name);
            let created = self.server.run(0, |connection| {
                let made = made.clone();
                async move { connection.stream.mkdir(made).await }.boxed()
            });
            if let Err(error) = created.await? {
                tracing::debug!(%error, "a folder on an FTP server was not made");
            }
        }
        Ok(())
    }

    async fn stat(&self, location: &Path) -> Result<ObjectMeta> {
        let remote = self.remote(location);
        let told = self.server.run(0, |connection| {
            transfer::stat(connection, remote.clone()).boxed()
        });
        let (size, modified) = told.await?.map_err(|error| failed(&remote, error))?;
        Ok(ObjectMeta {
            location: location.clone(),
            last_modified: modified,
            size,
            e_tag: None,
            version: None,
        })
    }

    async fn read(&self, location: &Path, range: Range<u64>, size: u64) -> Result<Bytes> {
        let remote = self.remote(location);
        let len = range.end - range.start;
        if len == 0 {
            return Ok(Bytes::new());
        }
        if len > MAX_READ_BYTES {
            return Err(generic(format!("{remote} is too large to be read at once")));
        }
        let read = self.server.run(len, |connection| {
            transfer::download(connection, remote.clone(), range.clone(), size).boxed()
        });
        read.await?.map_err(|error| failed(&remote, error))
    }

    /// One folder's entries; none for a folder that is not there.
    async fn list_folder(&self, folder: &Path) -> Result<Vec<Entry>> {
        let remote = self.remote(folder);
        let listing = |command: &'static str| {
            let line = format!("{command} {remote}");
            self.server
                .run(transfer::MAX_LISTING_BYTES, move |connection| {
                    transfer::listing(connection, line.clone()).boxed()
                })
        };
        let mut text = Err(FtpError::BadResponse);
        if !self.lacks_mlsd.load(Ordering::Relaxed) {
            text = listing("MLSD").await?;
            if text.as_ref().is_err_and(is_unknown_command) {
                self.lacks_mlsd.store(true, Ordering::Relaxed);
            }
        }
        let is_for_people = self.lacks_mlsd.load(Ordering::Relaxed);
        if is_for_people {
            text = listing("LIST").await?;
        }
        let text = match text.map_err(|error| failed(&remote, error)) {
            Ok(text) => text,
            Err(object_store::Error::NotFound { .. }) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let entries = match is_for_people {
            true => listing::parse_list(&text),
            false => listing::parse_mlsd(&text),
        };
        let mut entries = entries.map_err(generic)?;
        entries.retain(|entry| !entry.name.starts_with(TEMPORARY));
        Ok(entries)
    }

    async fn walk(&self, prefix: Path) -> Result<Vec<ObjectMeta>> {
        let mut found = Vec::new();
        let mut level = vec![prefix];
        for _ in 0..MAX_DEPTH {
            for folder in std::mem::take(&mut level) {
                for entry in self.list_folder(&folder).await? {
                    let location = folder.clone().join(entry.name.as_str());
                    match entry.is_folder {
                        true => level.push(location),
                        false => found.push(meta(location, &entry)),
                    }
                }
            }
            if level.is_empty() {
                return Ok(found);
            }
        }
        Err(generic("the folders are nested too deep"))
    }

    async fn remove(&self, location: &Path) -> Result<()> {
        let remote = self.remote(location);
        let removed = self.server.run(0, |connection| {
            let remote = remote.clone();
            async move { connection.stream.rm(remote).await }.boxed()
        });
        removed.await?.map_err(|error| failed(&remote, error))
    }
}

fn meta(location: Path, entry: &Entry) -> ObjectMeta {
    ObjectMeta {
        location,
        last_modified: entry.modified,
        size: entry.size,
        e_tag: None,
        version: None,
    }
}

#[async_trait]
impl ObjectStore for Ftp {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        let body = Bytes::from(payload);
        self.put(location, body, &options.mode).await?;
        Ok(PutResult {
            e_tag: None,
            version: None,
            extensions: Default::default(),
        })
    }

    async fn put_multipart_opts(
        &self,
        _: &Path,
        _: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        Err(not_implemented("multipart upload"))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let meta = self.stat(location).await?;
        options.check_preconditions(&meta)?;
        let range = match &options.range {
            Some(range) => range.as_range(meta.size).map_err(generic)?,
            None => 0..meta.size,
        };
        let bytes = match options.head {
            true => Bytes::new(),
            false => self.read(location, range.clone(), meta.size).await?,
        };
        Ok(GetResult {
            payload: GetResultPayload::Stream(stream::once(async { Ok(bytes) }).boxed()),
            meta,
            range,
            attributes: Attributes::new(),
            extensions: Default::default(),
        })
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let store = self.clone();
        locations
            .then(move |location| {
                let store = store.clone();
                async move {
                    let location = location?;
                    store.remove(&location).await.map(|()| location)
                }
            })
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let store = self.clone();
        let prefix = prefix.cloned().unwrap_or_default();
        let listed = async move {
            match store.walk(prefix).await {
                Ok(found) => stream::iter(found.into_iter().map(Ok)).boxed(),
                Err(error) => stream::once(async { Err(error) }).boxed(),
            }
        };
        stream::once(listed).flatten().boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let folder = prefix.cloned().unwrap_or_default();
        let (mut common_prefixes, mut objects) = (Vec::new(), Vec::new());
        for entry in self.list_folder(&folder).await? {
            let location = folder.clone().join(entry.name.as_str());
            match entry.is_folder {
                true => common_prefixes.push(location),
                false => objects.push(meta(location, &entry)),
            }
        }
        Ok(ListResult {
            common_prefixes,
            objects,
            extensions: Default::default(),
        })
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        Err(not_implemented("copy"))
    }
}

#[cfg(postkeep_fuzz)]
pub(super) fn fuzzed_mlsd(text: &str) -> Vec<String> {
    names(listing::parse_mlsd(text))
}

#[cfg(postkeep_fuzz)]
pub(super) fn fuzzed_list(text: &str) -> Vec<String> {
    names(listing::parse_list(text))
}

#[cfg(postkeep_fuzz)]
fn names(entries: std::result::Result<Vec<Entry>, String>) -> Vec<String> {
    let entries = entries.unwrap_or_default().into_iter();
    entries.map(|entry| entry.name).collect()
}

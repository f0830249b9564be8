//! SFTP (version 3, as OpenSSH serves it), in Rust alone.
//!
//! An object is written under a temporary name, flushed, and linked to its own name: the link fails
//! where the name is taken, so exactly one of several creates wins and nobody sees half an object.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::io::SeekFrom;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use object_store::path::Path;
use object_store::{
    Attributes, CopyOptions, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult,
    Result,
};
use russh_sftp::client::SftpSession;
use russh_sftp::client::error::Error as SftpError;
use russh_sftp::client::fs::Metadata;
use russh_sftp::protocol::{OpenFlags, StatusCode};
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};

use super::{Service, WAITS};

mod connect;

use connect::{Login, Server};

const STORE: &str = "SFTP";
/// Temporary names begin like this; listings pass over them.
const TEMPORARY: &str = ".postkeep-";
/// Temporary names tried for one object: some may be left over from crashes.
const MAX_TEMPORARY: u32 = 16;
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
    Ok(Arc::new(Sftp {
        server: Arc::new(Server::new(login)),
        base: Arc::from(format!("/{}", service.path.join("/"))),
    }))
}

/// A folder on an SSH server.
#[derive(Clone)]
struct Sftp {
    server: Arc<Server>,
    base: Arc<str>,
}

impl fmt::Debug for Sftp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sftp(…)")
    }
}

impl fmt::Display for Sftp {
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

fn failed(path: &str, error: SftpError) -> object_store::Error {
    let path = path.to_owned();
    match status(&error) {
        Some(StatusCode::NoSuchFile) => object_store::Error::NotFound {
            path,
            source: Box::new(error),
        },
        Some(StatusCode::PermissionDenied) => object_store::Error::PermissionDenied {
            path,
            source: Box::new(error),
        },
        _ => generic(error),
    }
}

fn status(error: &SftpError) -> Option<StatusCode> {
    match error {
        SftpError::Status(status) => Some(status.status_code),
        _ => None,
    }
}

fn not_implemented(operation: &str) -> object_store::Error {
    object_store::Error::NotImplemented {
        operation: operation.to_owned(),
        implementer: STORE.to_owned(),
    }
}

impl Sftp {
    fn remote(&self, path: &Path) -> String {
        match path.as_ref() {
            "" => self.base.to_string(),
            path => format!("{}/{path}", self.base.trim_end_matches('/')),
        }
    }

    /// Runs an operation that may be done twice; again over a new connection when the old one is gone.
    async fn run<T, F, R>(&self, path: &str, operation: F) -> Result<T>
    where
        F: Fn(Arc<SftpSession>) -> R,
        R: Future<Output = Result<T, SftpError>>,
    {
        let mut waits = WAITS.iter();
        loop {
            let error = match self.attempt(&operation).await {
                Ok(done) => return done.map_err(|error| failed(path, error)),
                Err(error) => error,
            };
            let is_refused = matches!(error, object_store::Error::Unauthenticated { .. });
            match waits.next() {
                Some(wait) if !is_refused => tokio::time::sleep(*wait).await,
                _ => return Err(error),
            }
            tracing::debug!(%error, "an SFTP connection is made anew");
        }
    }

    /// Runs an operation once; fails where there is no connection, or none any more.
    async fn attempt<T, F, R>(&self, operation: &F) -> Result<Result<T, SftpError>>
    where
        F: Fn(Arc<SftpSession>) -> R,
        R: Future<Output = Result<T, SftpError>>,
    {
        let session = self.server.session().await?;
        match operation(Arc::clone(&session)).await {
            Err(error) if status(&error).is_none() => {
                self.server.forget(&session).await;
                Err(generic(error))
            }
            done => Ok(done),
        }
    }

    async fn put(&self, path: &Path, body: Bytes, mode: &PutMode) -> Result<()> {
        let is_create = match mode {
            PutMode::Create => true,
            PutMode::Overwrite => false,
            PutMode::Update(_) => return Err(not_implemented("conditional update")),
        };
        let remote = self.remote(path);
        let folder = remote.rsplit_once('/').map_or("", |(folder, _)| folder);
        // The same for the same bytes: what a crash left is found again, and not piled up.
        let hash = blake3::Hasher::new()
            .update(remote.as_bytes())
            .update(&body)
            .finalize()
            .to_hex();
        let stem = format!("{folder}/{TEMPORARY}{}", &hash[..16]);
        let temporary = self.write_temporary(&stem, folder, &body).await?;
        let linked = match is_create {
            true => self.link(&temporary, &remote).await,
            false => self.replace(&temporary, &remote).await,
        };
        if linked.is_err() {
            let gone = self.run(&temporary, |session| {
                let temporary = temporary.clone();
                async move { session.remove_file(temporary).await }
            });
            drop(gone.await);
        }
        linked
    }

    /// Writes and flushes a file under a name that nobody else writes to.
    async fn write_temporary(&self, stem: &str, folder: &str, body: &Bytes) -> Result<String> {
        let mut made_folders = false;
        let mut number = 0;
        loop {
            let name = format!("{stem}-{number}");
            let begun = AtomicBool::new(false);
            let written = self.run(&name, |session| {
                let (name, body, begun) = (name.clone(), body.clone(), &begun);
                async move {
                    if begun.load(Ordering::Relaxed) {
                        // Half of it, from before the connection broke.
                        drop(session.remove_file(name.clone()).await);
                    }
                    let flags = OpenFlags::CREATE | OpenFlags::EXCLUDE | OpenFlags::WRITE;
                    let mut file = session.open_with_flags(name, flags).await?;
                    begun.store(true, Ordering::Relaxed);
                    file.write_all(&body).await?;
                    file.flush().await?;
                    // Servers without fsync@openssh.com say so and write through as they please.
                    if let Err(error) = file.sync_all().await
                        && status(&error).is_none_or(|code| code != StatusCode::OpUnsupported)
                    {
                        return Err(error);
                    }
                    file.shutdown().await?;
                    Ok(())
                }
            });
            match written.await {
                Ok(()) => return Ok(name),
                Err(object_store::Error::NotFound { .. }) if !made_folders => {
                    self.make_folders(folder).await?;
                    made_folders = true;
                }
                Err(error) if number >= MAX_TEMPORARY => return Err(error),
                Err(error) => {
                    // Version 3 has no code for "exists".
                    if !self.exists(&name).await? {
                        return Err(error);
                    }
                    number += 1;
                }
            }
        }
    }

    /// Gives a finished file its name if nothing has it.
    async fn link(&self, temporary: &str, remote: &str) -> Result<()> {
        let renamed = self.run(remote, |session| {
            let (temporary, remote) = (temporary.to_owned(), remote.to_owned());
            // Version 3 says that it fails where the name is taken; OpenSSH links and unlinks.
            async move { session.rename(temporary, remote).await }
        });
        match renamed.await {
            Ok(()) => Ok(()),
            Err(error) => match self.exists(remote).await? {
                true => Err(object_store::Error::AlreadyExists {
                    path: remote.to_owned(),
                    source: Box::new(error),
                }),
                false => Err(error),
            },
        }
    }

    /// Gives a finished file its name, whatever had it before.
    async fn replace(&self, temporary: &str, remote: &str) -> Result<()> {
        let removed = self.run(remote, |session| {
            let remote = remote.to_owned();
            async move { session.remove_file(remote).await }
        });
        match removed.await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => return Err(error),
        }
        self.link(temporary, remote).await
    }

    async fn exists(&self, remote: &str) -> Result<bool> {
        match self.stat(remote).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn stat(&self, remote: &str) -> Result<Metadata> {
        self.run(remote, |session| {
            let remote = remote.to_owned();
            async move { session.metadata(remote).await }
        })
        .await
    }

    async fn make_folders(&self, folder: &str) -> Result<()> {
        let mut made = String::new();
        for name in folder.split('/').filter(|name| !name.is_empty()) {
            made.push('/');
            made.push_str(name);
            if self.exists(&made).await? {
                continue;
            }
            let created = self.run(&made, |session| {
                let made = made.clone();
                async move { session.create_dir(made).await }
            });
            if let Err(error) = created.await
                && !self.exists(&made).await?
            {
                return Err(error);
            }
        }
        Ok(())
    }

    async fn read(&self, remote: &str, range: Range<u64>) -> Result<Bytes> {
        let len = range.end - range.start;
        if len > MAX_READ_BYTES {
            return Err(generic(format!("{remote} is too large to be read at once")));
        }
        let bytes = self.run(remote, |session| {
            let (remote, start) = (remote.to_owned(), range.start);
            async move {
                let mut file = session.open(remote).await?;
                file.seek(SeekFrom::Start(start)).await?;
                let mut bytes = Vec::new();
                (&mut file).take(len).read_to_end(&mut bytes).await?;
                file.shutdown().await?;
                Ok(bytes)
            }
        });
        let bytes = bytes.await?;
        if bytes.len() as u64 != len {
            return Err(generic(format!(
                "{remote} became shorter while it was read"
            )));
        }
        Ok(bytes.into())
    }

    /// One folder: names and what they are; none for a folder that is not there.
    async fn list_folder(&self, folder: &Path) -> Result<Vec<(Path, Metadata)>> {
        let remote = self.remote(folder);
        let listed = self.run(&remote, |session| {
            let remote = remote.clone();
            async move { session.read_dir(remote).await }
        });
        let entries = match listed.await {
            Ok(entries) => entries,
            Err(object_store::Error::NotFound { .. }) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let visible = entries
            .map(|entry| (entry.file_name(), entry.metadata()))
            .filter(|(name, _)| {
                !matches!(name.as_str(), "." | "..") && !name.starts_with(TEMPORARY)
            });
        Ok(visible
            .map(|(name, metadata)| (folder.clone().join(name.as_str()), metadata))
            .collect())
    }

    async fn walk(&self, prefix: Path) -> Result<Vec<ObjectMeta>> {
        let mut found = Vec::new();
        let mut level = vec![prefix];
        for _ in 0..MAX_DEPTH {
            for folder in std::mem::take(&mut level) {
                for (location, metadata) in self.list_folder(&folder).await? {
                    if metadata.is_dir() {
                        level.push(location);
                    } else {
                        found.push(meta(location, &metadata));
                    }
                }
            }
            if level.is_empty() {
                return Ok(found);
            }
        }
        Err(generic("the folders are nested too deep"))
    }
}

fn meta(location: Path, metadata: &Metadata) -> ObjectMeta {
    let modified = i64::from(metadata.mtime.unwrap_or(0));
    ObjectMeta {
        location,
        last_modified: chrono::DateTime::from_timestamp(modified, 0).unwrap_or_default(),
        size: metadata.len(),
        e_tag: None,
        version: None,
    }
}

#[async_trait]
impl ObjectStore for Sftp {
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
        let remote = self.remote(location);
        let meta = meta(location.clone(), &self.stat(&remote).await?);
        options.check_preconditions(&meta)?;
        let range = match &options.range {
            Some(range) => range.as_range(meta.size).map_err(generic)?,
            None => 0..meta.size,
        };
        let bytes = match options.head {
            true => Bytes::new(),
            false => self.read(&remote, range.clone()).await?,
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
                    let remote = store.remote(&location);
                    let removed = store.run(&remote, |session| {
                        let remote = remote.clone();
                        async move { session.remove_file(remote).await }
                    });
                    removed.await.map(|()| location)
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
        for (location, metadata) in self.list_folder(&folder).await? {
            if metadata.is_dir() {
                common_prefixes.push(location);
            } else {
                objects.push(meta(location, &metadata));
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

//! SFTP (version 3, as OpenSSH serves it), in Rust alone.
//!
//! An object is written under a temporary name, flushed, and linked to its own name: the link fails
//! where the name is taken, so exactly one of several creates wins and nobody sees half an object.

use std::collections::BTreeMap;
use std::future::Future;
use std::io::SeekFrom;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use object_store::path::Path;
use object_store::{GetOptions, GetResult, ListResult, ObjectMeta, ObjectStore, Result};
use russh_sftp::client::SftpSession;
use russh_sftp::client::error::Error as SftpError;
use russh_sftp::client::fs::Metadata;
use russh_sftp::protocol::{OpenFlags, StatusCode};
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};

use super::files::{self, Base, TEMPORARY, temporary};
use super::frame::{self, Backend, Entry, framed, listed};
use super::{Service, WAITS};

mod connect;

use connect::{Login, Server};

const STORE: &str = "SFTP";
/// Temporary names tried for one object: some may be left over from crashes.
const MAX_TEMPORARY: u32 = 16;

/// Opens a folder of a server; it is created by the first write. Nothing is connected yet.
pub(super) fn open(
    service: &Service,
    settings: &BTreeMap<String, String>,
) -> crate::error::Result<Arc<dyn ObjectStore>> {
    Ok(framed(Sftp {
        server: Server::new(Login::new(service, settings)?),
        base: Base::new(service),
    }))
}

/// A folder on an SSH server.
struct Sftp {
    server: Server,
    base: Base,
}

fn generic(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> object_store::Error {
    frame::generic(STORE, source)
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

impl Sftp {
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
        match self.remove(remote).await {
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

    async fn remove(&self, remote: &str) -> Result<()> {
        self.run(remote, |session| {
            let remote = remote.to_owned();
            async move { session.remove_file(remote).await }
        })
        .await
    }
}

fn modified(metadata: &Metadata) -> DateTime<Utc> {
    let seconds = i64::from(metadata.mtime.unwrap_or(0));
    DateTime::from_timestamp(seconds, 0).unwrap_or_default()
}

#[async_trait]
impl Backend for Sftp {
    const NAME: &'static str = STORE;
    const CREATES: bool = true;

    async fn put(&self, path: &Path, body: Bytes, is_create: bool) -> Result<Option<String>> {
        let remote = self.base.remote(path);
        let (folder, stem) = temporary(&remote, &body);
        let temporary = self.write_temporary(&stem, folder, &body).await?;
        let linked = match is_create {
            true => self.link(&temporary, &remote).await,
            false => self.replace(&temporary, &remote).await,
        };
        if linked.is_err() {
            drop(self.remove(&temporary).await);
        }
        linked.map(|()| None)
    }

    async fn get(&self, path: &Path, options: &GetOptions) -> Result<GetResult> {
        let remote = self.base.remote(path);
        let metadata = self.stat(&remote).await?;
        let meta = ObjectMeta {
            location: path.clone(),
            last_modified: modified(&metadata),
            size: metadata.len(),
            e_tag: None,
            version: None,
        };
        files::read(STORE, meta, options, |range| self.read(&remote, range)).await
    }

    async fn delete(&self, path: &Path) -> Result<()> {
        self.remove(&self.base.remote(path)).await
    }

    async fn folder(&self, folder: &Path) -> Result<ListResult> {
        let remote = self.base.remote(folder);
        let entries = self.run(&remote, |session| {
            let remote = remote.clone();
            async move { session.read_dir(remote).await }
        });
        let entries = match entries.await {
            Ok(entries) => entries,
            Err(object_store::Error::NotFound { .. }) => return Ok(listed(folder, [])),
            Err(error) => return Err(error),
        };
        let entries = entries.map(|entry| (entry.file_name(), entry.metadata()));
        let visible = entries.filter(|(name, _)| {
            !matches!(name.as_str(), "." | "..") && !name.starts_with(TEMPORARY)
        });
        let visible = visible.map(|(name, metadata)| Entry {
            name,
            is_folder: metadata.is_dir(),
            size: metadata.len(),
            modified: modified(&metadata),
            e_tag: None,
        });
        Ok(listed(folder, visible))
    }
}

//! FTP (RFC 959, 3659), with TLS (RFC 4217) and without, for one writer at a time.
//!
//! The adapter at hand loses step with the server after a ranged read, and panics on a certificate
//! that it does not like; this one does what a repository needs and nothing else. An object is
//! written under a temporary name, its length compared, and renamed: nobody sees half of one, even
//! though to FTP a broken connection is the end of a file.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use futures::FutureExt;
use object_store::path::Path;
use object_store::{GetOptions, GetResult, ListResult, ObjectMeta, ObjectStore, Result};
use suppaftp::{FtpError, Status};

use super::Service;
use super::files::{self, Base, TEMPORARY, temporary};
use super::frame::{self, Backend, framed, listed};

mod connect;
mod listing;
mod transfer;

use connect::{Login, Server};

const STORE: &str = "FTP";

/// Opens a folder of a server; it is created by the first write. Nothing is connected yet.
pub(super) fn open(
    service: &Service,
    settings: &BTreeMap<String, String>,
) -> crate::error::Result<Arc<dyn ObjectStore>> {
    Ok(framed(Ftp {
        server: Server::new(Login::new(service, settings)?),
        base: Base::new(service),
        lacks_mlsd: AtomicBool::new(false),
    }))
}

/// A folder on an FTP server.
struct Ftp {
    server: Server,
    base: Base,
    /// Whether the server said that it has no listing for machines.
    lacks_mlsd: AtomicBool,
}

fn generic(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> object_store::Error {
    frame::generic(STORE, source)
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

    async fn stat(&self, location: &Path, remote: &str) -> Result<ObjectMeta> {
        let told = self.server.run(0, |connection| {
            transfer::stat(connection, remote.to_owned()).boxed()
        });
        let (size, last_modified) = told.await?.map_err(|error| failed(remote, error))?;
        Ok(ObjectMeta {
            location: location.clone(),
            last_modified,
            size,
            e_tag: None,
            version: None,
        })
    }

    async fn read(&self, remote: &str, range: Range<u64>, size: u64) -> Result<Bytes> {
        let read = self.server.run(range.end - range.start, |connection| {
            transfer::download(connection, remote.to_owned(), range.clone(), size).boxed()
        });
        read.await?.map_err(|error| failed(remote, error))
    }
}

#[async_trait]
impl Backend for Ftp {
    const NAME: &'static str = STORE;
    // No command of FTP creates a file only where there is none.
    const CREATES: bool = false;

    async fn put(&self, path: &Path, body: Bytes, _: bool) -> Result<Option<String>> {
        let remote = self.base.remote(path);
        let (folder, temporary) = temporary(&remote, &body);
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
        renamed.await?.map_err(|error| failed(&remote, error))?;
        Ok(None)
    }

    async fn get(&self, path: &Path, options: &GetOptions) -> Result<GetResult> {
        let remote = self.base.remote(path);
        let meta = self.stat(path, &remote).await?;
        let size = meta.size;
        let read = |range| self.read(&remote, range, size);
        files::read(STORE, meta, options, read).await
    }

    async fn delete(&self, path: &Path) -> Result<()> {
        let remote = self.base.remote(path);
        let removed = self.server.run(0, |connection| {
            let remote = remote.clone();
            async move { connection.stream.rm(remote).await }.boxed()
        });
        removed.await?.map_err(|error| failed(&remote, error))
    }

    async fn folder(&self, folder: &Path) -> Result<ListResult> {
        let remote = self.base.remote(folder);
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
            Err(object_store::Error::NotFound { .. }) => return Ok(listed(folder, [])),
            Err(error) => return Err(error),
        };
        let entries = match is_for_people {
            true => listing::parse_list(&text),
            false => listing::parse_mlsd(&text),
        };
        let mut entries = entries.map_err(generic)?;
        entries.retain(|entry| !entry.name.starts_with(TEMPORARY));
        Ok(listed(folder, entries))
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
fn names(entries: std::result::Result<Vec<frame::Entry>, String>) -> Vec<String> {
    let entries = entries.unwrap_or_default().into_iter();
    entries.map(|entry| entry.name).collect()
}

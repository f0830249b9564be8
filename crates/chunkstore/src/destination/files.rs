//! What SFTP and FTP have in common: files of a server, with a length, under paths.

use std::future::Future;
use std::ops::Range;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream;
use object_store::path::Path;
use object_store::{GetOptions, GetResult, ObjectMeta, Result};

use super::Service;
use super::frame::{generic, reading};

/// Temporary names begin like this; listings pass over them.
pub(super) const TEMPORARY: &str = ".postkeep-";
/// The largest range read at once: a pack.
const MAX_READ_BYTES: u64 = 512 << 20;

/// The folder that the URL names.
pub(super) struct Base(String);

impl Base {
    pub(super) fn new(service: &Service) -> Self {
        Self(format!("/{}", service.path.join("/")))
    }

    pub(super) fn remote(&self, path: &Path) -> String {
        match path.as_ref() {
            "" => self.0.clone(),
            path => format!("{}/{path}", self.0.trim_end_matches('/')),
        }
    }
}

/// The folder of a file, and a temporary name in it: the same for the same bytes, so that what a
/// crash left is found again, and not piled up.
pub(super) fn temporary<'a>(remote: &'a str, body: &[u8]) -> (&'a str, String) {
    let folder = remote.rsplit_once('/').map_or("", |(folder, _)| folder);
    let hash = blake3::Hasher::new()
        .update(remote.as_bytes())
        .update(body)
        .finalize()
        .to_hex();
    (folder, format!("{folder}/{TEMPORARY}{}", &hash[..16]))
}

/// Reads what is asked for of a file whose length is known.
pub(super) async fn read<F>(
    store: &'static str,
    meta: ObjectMeta,
    options: &GetOptions,
    read: impl FnOnce(Range<u64>) -> F,
) -> Result<GetResult>
where
    F: Future<Output = Result<Bytes>>,
{
    options.check_preconditions(&meta)?;
    let range = match &options.range {
        Some(range) => range.as_range(meta.size).map_err(|e| generic(store, e))?,
        None => 0..meta.size,
    };
    let bytes = match range.end - range.start {
        _ if options.head => Bytes::new(),
        0 => Bytes::new(),
        len if len > MAX_READ_BYTES => {
            let path = &meta.location;
            let why = format!("{path} is too large to be read at once");
            return Err(generic(store, why));
        }
        _ => read(range.clone()).await?,
    };
    let body = stream::once(async { Ok(bytes) });
    Ok(reading(meta, range, body.boxed()))
}

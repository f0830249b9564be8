//! WebDAV (RFC 4918), for one writer at a time.
//!
//! The adapter at hand lists with `Depth: infinity`, which servers refuse; this one does what a
//! repository needs and nothing else.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    Attributes, CopyOptions, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult,
    Result,
};
use reqwest::header::{self, HeaderMap, HeaderValue};
use reqwest::{Method, Response, StatusCode, Url};

use super::{Service, http};

mod multistatus;

use http::answer::{describe, e_tag};
use http::body::read_body;
use http::retry::retrying;
use multistatus::Entry;

const STORE: &str = "WebDAV";
/// The longest listing of one folder: about 50,000 files.
const MAX_LISTING_BYTES: usize = 64 << 20;
/// Folders listed at the same time.
const PARALLEL_LISTINGS: usize = 8;
/// Folders below one another; a repository has three.
const MAX_DEPTH: usize = 16;

/// Opens a folder of a server; it is created by the first write.
pub(super) fn open(
    service: &Service,
    settings: &BTreeMap<String, String>,
) -> crate::error::Result<Arc<dyn ObjectStore>> {
    let client = http::client::client(settings, "webdav")?;
    let base = http::client::base(service)?;
    Ok(Arc::new(WebDav {
        inner: Arc::new(Inner { client, base }),
    }))
}

/// A folder on a WebDAV server.
#[derive(Clone)]
struct WebDav {
    inner: Arc<Inner>,
}

struct Inner {
    client: reqwest::Client,
    base: Url,
}

impl fmt::Debug for WebDav {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebDav(…)")
    }
}

impl fmt::Display for WebDav {
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

/// The error of an answer that is not what was asked for.
fn refused(path: &Path, status: StatusCode) -> object_store::Error {
    let path = path.to_string();
    let source = format!("the server answered {status}").into();
    match status {
        StatusCode::NOT_FOUND | StatusCode::GONE => object_store::Error::NotFound { path, source },
        StatusCode::UNAUTHORIZED => object_store::Error::Unauthenticated { path, source },
        StatusCode::FORBIDDEN => object_store::Error::PermissionDenied { path, source },
        StatusCode::PRECONDITION_FAILED => object_store::Error::AlreadyExists { path, source },
        StatusCode::INSUFFICIENT_STORAGE => {
            generic(std::io::Error::from(std::io::ErrorKind::StorageFull))
        }
        _ => generic(format!("{path}: the server answered {status}")),
    }
}

fn not_implemented(operation: &str) -> object_store::Error {
    object_store::Error::NotImplemented {
        operation: operation.to_owned(),
        implementer: STORE.to_owned(),
    }
}

impl Inner {
    fn url(&self, path: &Path) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty();
            for part in path.parts() {
                segments.push(part.as_ref());
            }
        }
        url
    }

    async fn send(
        &self,
        method: &Method,
        url: Url,
        headers: &HeaderMap,
        body: Option<Bytes>,
    ) -> Result<Response> {
        retrying(|| {
            let mut request = self
                .client
                .request(method.clone(), url.clone())
                .headers(headers.clone());
            if let Some(body) = &body {
                request = request.body(body.clone());
            }
            request.send()
        })
        .await
        // The URL may be long; what was being done is told above.
        .map_err(|error| generic(error.without_url()))
    }

    async fn put(&self, path: &Path, body: Bytes, mode: &PutMode) -> Result<PutResult> {
        // Apache looks for `If-None-Match` before it receives the body: of sixteen creates of one
        // name it refuses most, but not always all but one. What is only nearly atomic is not
        // offered, so that a repository here never takes two writers by a lucky probe.
        if !matches!(mode, PutMode::Overwrite) {
            return Err(not_implemented("conditional write"));
        }
        let headers = HeaderMap::new();
        let url = self.url(path);
        let mut response = self
            .send(&Method::PUT, url.clone(), &headers, Some(body.clone()))
            .await?;
        // RFC 4918, 9.7.1: a folder that is not there is a conflict; some say it is not found.
        if matches!(
            response.status(),
            StatusCode::CONFLICT | StatusCode::NOT_FOUND | StatusCode::FORBIDDEN
        ) {
            self.make_folders(path).await?;
            response = self.send(&Method::PUT, url, &headers, Some(body)).await?;
        }
        if !response.status().is_success() {
            return Err(refused(path, response.status()));
        }
        Ok(PutResult {
            e_tag: e_tag(response.headers()),
            version: None,
            extensions: Default::default(),
        })
    }

    /// Creates all folders above an object.
    async fn make_folders(&self, path: &Path) -> Result<()> {
        let method = Method::from_bytes(b"MKCOL").map_err(generic)?;
        let mut folders = Vec::new();
        let mut url = self.base.clone();
        let names: Vec<String> = self.base.path_segments().map_or_else(Vec::new, |segments| {
            segments
                .filter(|s| !s.is_empty())
                .map(str::to_owned)
                .collect()
        });
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.clear();
        }
        for name in names {
            // The base's segments are encoded already.
            let joined = format!("{}/{name}/", url.path().trim_end_matches('/'));
            url.set_path(&joined);
            folders.push(url.clone());
        }
        let parts: Vec<_> = path.parts().collect();
        for part in parts.iter().take(parts.len().saturating_sub(1)) {
            if let Ok(mut segments) = url.path_segments_mut() {
                segments.pop_if_empty().push(part.as_ref()).push("");
            }
            folders.push(url.clone());
        }
        // From the bottom: the first that is there, or can be made, tells where to go on.
        let mut missing = Vec::new();
        while let Some(folder) = folders.pop() {
            let none = HeaderMap::new();
            let answer = self.send(&method, folder.clone(), &none, None).await?;
            match answer.status() {
                status if status.is_success() => break,
                // It is there; made by somebody else just now, Apache says forbidden. Whether it
                // really is forbidden the upload will tell.
                StatusCode::METHOD_NOT_ALLOWED | StatusCode::FORBIDDEN => break,
                StatusCode::CONFLICT | StatusCode::NOT_FOUND => missing.push(folder),
                status => return Err(refused(path, status)),
            }
        }
        while let Some(folder) = missing.pop() {
            let answer = self.send(&method, folder, &HeaderMap::new(), None).await?;
            match answer.status() {
                status if status.is_success() => {}
                StatusCode::METHOD_NOT_ALLOWED | StatusCode::FORBIDDEN => {}
                status => return Err(refused(path, status)),
            }
        }
        Ok(())
    }

    /// One folder's entries, without itself; none for a folder that is not there.
    async fn list_folder(&self, folder: &Path) -> Result<Vec<Entry>> {
        let method = Method::from_bytes(b"PROPFIND").map_err(generic)?;
        let mut url = self.url(folder);
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("");
        }
        let mut headers = HeaderMap::new();
        headers.insert("depth", HeaderValue::from_static("1"));
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/xml"),
        );
        let asked = Bytes::from_static(multistatus::REQUEST);
        let response = self
            .send(&method, url.clone(), &headers, Some(asked))
            .await?;
        match response.status() {
            StatusCode::MULTI_STATUS => {}
            StatusCode::NOT_FOUND => return Ok(Vec::new()),
            status => return Err(refused(folder, status)),
        }
        let text = read_body(response, MAX_LISTING_BYTES).await;
        let text = text.map_err(|why| generic(format!("the listing of {folder}: {why}")))?;
        multistatus::parse(&text, &url).map_err(generic)
    }

    /// All objects below a folder.
    async fn walk(&self, prefix: Path) -> Result<Vec<ObjectMeta>> {
        let mut found = Vec::new();
        let mut level = vec![prefix];
        for _ in 0..MAX_DEPTH {
            let mut listings = stream::iter(std::mem::take(&mut level))
                .map(|folder| async move {
                    let entries = self.list_folder(&folder).await?;
                    Ok::<_, object_store::Error>((folder, entries))
                })
                .buffer_unordered(PARALLEL_LISTINGS);
            while let Some((folder, entries)) = listings.try_next().await? {
                for entry in entries {
                    let location = folder.clone().join(entry.name.as_str());
                    if entry.is_folder {
                        level.push(location);
                    } else {
                        found.push(entry.into_meta(location));
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

#[async_trait]
impl ObjectStore for WebDav {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        let body = Bytes::from(payload);
        self.inner.put(location, body, &options.mode).await
    }

    async fn put_multipart_opts(
        &self,
        _: &Path,
        _: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        Err(not_implemented("multipart upload"))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let mut headers = HeaderMap::new();
        if let Some(range) = &options.range {
            let value = HeaderValue::from_str(&range.to_string()).map_err(generic)?;
            headers.insert(header::RANGE, value);
        }
        let method = if options.head {
            Method::HEAD
        } else {
            Method::GET
        };
        let url = self.inner.url(location);
        let mut response = self
            .inner
            .send(&method, url.clone(), &headers, None)
            .await?;
        if options.head && !response.headers().contains_key(header::CONTENT_LENGTH) {
            // Apache leaves the length out of a HEAD's answer where it is zero.
            response = self.inner.send(&Method::GET, url, &headers, None).await?;
        }
        let status = response.status();
        if !matches!(status, StatusCode::OK | StatusCode::PARTIAL_CONTENT) {
            return Err(refused(location, status));
        }
        if options.range.is_some() && !options.head && status == StatusCode::OK {
            return Err(not_implemented("ranged read"));
        }
        let (meta, range) = describe(location, &response).map_err(generic)?;
        options.check_preconditions(&meta)?;
        let body = response
            .bytes_stream()
            .map_err(|error| generic(error.without_url()));
        Ok(GetResult {
            payload: GetResultPayload::Stream(body.boxed()),
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
        let inner = Arc::clone(&self.inner);
        locations
            .then(move |location| {
                let inner = Arc::clone(&inner);
                async move {
                    let location = location?;
                    let url = inner.url(&location);
                    let response = inner
                        .send(&Method::DELETE, url, &HeaderMap::new(), None)
                        .await?;
                    match response.status() {
                        status if status.is_success() => Ok(location),
                        status => Err(refused(&location, status)),
                    }
                }
            })
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let inner = Arc::clone(&self.inner);
        let prefix = prefix.cloned().unwrap_or_default();
        let listed = async move {
            match inner.walk(prefix).await {
                Ok(found) => stream::iter(found.into_iter().map(Ok)).boxed(),
                Err(error) => stream::once(async { Err(error) }).boxed(),
            }
        };
        stream::once(listed).flatten().boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let folder = prefix.cloned().unwrap_or_default();
        let (mut common_prefixes, mut objects) = (Vec::new(), Vec::new());
        for entry in self.inner.list_folder(&folder).await? {
            let location = folder.clone().join(entry.name.as_str());
            if entry.is_folder {
                common_prefixes.push(location);
            } else {
                objects.push(entry.into_meta(location));
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
pub(super) fn fuzzed_listing(data: &[u8], folder: &Url) -> Vec<String> {
    let entries = multistatus::parse(data, folder).unwrap_or_default();
    entries.into_iter().map(|entry| entry.name).collect()
}

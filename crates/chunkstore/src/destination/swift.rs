//! OpenStack Swift's own interface, for one writer at a time.
//!
//! The adapter at hand takes a token and cannot get a new one, while tokens live for hours.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::NaiveDateTime;
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
use serde::Deserialize;

use super::{Service, http};
use crate::error::Error as OwnError;

mod sign_in;

use http::answer::{describe, e_tag};
use http::body::read_body;
use http::retry::retrying;
use sign_in::SignIn;

const STORE: &str = "Swift";
/// A connection that gives nothing for so long is given up.
const READ_TIMEOUT: Duration = Duration::from_secs(60);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// Objects asked for in one page of a listing; servers give as many at most.
const PAGE: usize = 10_000;
/// The longest page: each entry takes some 300 bytes.
const MAX_PAGE_BYTES: usize = 32 << 20;

/// Opens a container, or a folder in one; the container is created by the first write.
pub(super) fn open(
    service: &Service,
    settings: &BTreeMap<String, String>,
) -> crate::error::Result<Arc<dyn ObjectStore>> {
    http::ensure_tls();
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(READ_TIMEOUT)
        .build()
        .map_err(|e| OwnError::internal("the HTTP client cannot be set up").with_source(e))?;
    let (container, prefix) = service
        .path
        .split_first()
        .ok_or_else(|| OwnError::invalid("the destination's URL names no container"))?;
    Ok(Arc::new(Swift {
        inner: Arc::new(Inner {
            client,
            sign_in: SignIn::new(settings)?,
            container: container.clone(),
            prefix: prefix.iter().map(|name| format!("{name}/")).collect(),
        }),
    }))
}

/// A folder of a container.
#[derive(Clone)]
struct Swift {
    inner: Arc<Inner>,
}

struct Inner {
    client: reqwest::Client,
    sign_in: SignIn,
    container: String,
    /// Empty, or ends in a slash.
    prefix: String,
}

impl fmt::Debug for Swift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Swift(…)")
    }
}

impl fmt::Display for Swift {
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

fn unauthenticated(what: &str) -> object_store::Error {
    object_store::Error::Unauthenticated {
        path: String::new(),
        source: what.into(),
    }
}

fn not_implemented(operation: &str) -> object_store::Error {
    object_store::Error::NotImplemented {
        operation: operation.to_owned(),
        implementer: STORE.to_owned(),
    }
}

/// The error of an answer that is not what was asked for.
fn refused(path: &str, status: StatusCode) -> object_store::Error {
    let path = path.to_owned();
    let source = format!("the server answered {status}").into();
    match status {
        StatusCode::NOT_FOUND => object_store::Error::NotFound { path, source },
        StatusCode::UNAUTHORIZED => object_store::Error::Unauthenticated { path, source },
        StatusCode::FORBIDDEN => object_store::Error::PermissionDenied { path, source },
        // A quota of the account or container is exceeded.
        StatusCode::PAYLOAD_TOO_LARGE | StatusCode::INSUFFICIENT_STORAGE => {
            generic(std::io::Error::from(std::io::ErrorKind::StorageFull))
        }
        _ => generic(format!("{path}: the server answered {status}")),
    }
}

/// A line of a listing: an object, or a folder.
#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Object {
        name: String,
        bytes: u64,
        last_modified: String,
        hash: Option<String>,
    },
    Folder {
        subdir: String,
    },
}

impl Inner {
    fn name(&self, path: &Path) -> String {
        format!("{}{path}", self.prefix)
    }

    /// Sends a request about the container (no name) or an object, with a token that is taken.
    async fn send(
        &self,
        method: Method,
        name: Option<&str>,
        headers: &HeaderMap,
        (query, body): (&[(&str, &str)], Option<Bytes>),
    ) -> Result<Response> {
        let mut token = self.sign_in.token(&self.client, None).await?;
        let mut renewed = false;
        loop {
            let mut url: Url = token.storage.clone();
            if let Ok(mut segments) = url.path_segments_mut() {
                segments.pop_if_empty().push(&self.container);
                // Slashes belong to the name, and are what folders are made of.
                segments.extend(name.iter().flat_map(|name| name.split('/')));
            }
            if !query.is_empty() {
                url.query_pairs_mut().extend_pairs(query);
            }
            let answer = retrying(|| {
                let mut request = self
                    .client
                    .request(method.clone(), url.clone())
                    .headers(headers.clone())
                    .header("x-auth-token", token.token.as_str());
                if let Some(body) = &body {
                    // Said of nothing, too: Swift wants a length.
                    request = request
                        .header(header::CONTENT_LENGTH, body.len())
                        .body(body.clone());
                }
                request.send()
            });
            let answer = answer.await.map_err(|error| generic(error.without_url()))?;
            if answer.status() != StatusCode::UNAUTHORIZED || renewed {
                return Ok(answer);
            }
            token = self.sign_in.token(&self.client, Some(&token)).await?;
            renewed = true;
        }
    }

    async fn put(&self, path: &Path, body: Bytes, mode: &PutMode) -> Result<PutResult> {
        // Swift looks for `If-None-Match` before it receives the body, on each of its copies: of
        // creates at the same time more than one may succeed.
        if !matches!(mode, PutMode::Overwrite) {
            return Err(not_implemented("conditional write"));
        }
        let name = self.name(path);
        let headers = HeaderMap::new();
        let put = || {
            self.send(
                Method::PUT,
                Some(&name),
                &headers,
                (&[], Some(body.clone())),
            )
        };
        let mut answer = put().await?;
        if answer.status() == StatusCode::NOT_FOUND {
            let made = self.send(Method::PUT, None, &headers, (&[], Some(Bytes::new())));
            let made = made.await?;
            if !made.status().is_success() {
                return Err(refused(&self.container, made.status()));
            }
            answer = put().await?;
        }
        match answer.status().is_success() {
            true => Ok(PutResult {
                e_tag: e_tag(answer.headers()),
                version: None,
                extensions: Default::default(),
            }),
            false => Err(refused(&name, answer.status())),
        }
    }

    /// A page of the listing behind `marker`.
    async fn page(&self, prefix: &str, marker: &str, delimiter: Option<&str>) -> Result<Vec<Line>> {
        let limit = PAGE.to_string();
        let mut query = vec![
            ("format", "json"),
            ("limit", limit.as_str()),
            ("prefix", prefix),
        ];
        if !marker.is_empty() {
            query.push(("marker", marker));
        }
        query.extend(delimiter.map(|text| ("delimiter", text)));
        let none = HeaderMap::new();
        let asked = self.send(Method::GET, None, &none, (query.as_slice(), None));
        let answer = asked.await?;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::NO_CONTENT | StatusCode::NOT_FOUND => return Ok(Vec::new()),
            status => return Err(refused(prefix, status)),
        }
        let text = read_body(answer, MAX_PAGE_BYTES).await.map_err(generic)?;
        serde_json::from_slice(&text).map_err(generic)
    }

    /// Everything below a folder; with a delimiter only what is in it.
    async fn list(&self, folder: &Path, delimiter: Option<&str>) -> Result<ListResult> {
        let prefix = match folder.as_ref() {
            "" => self.prefix.clone(),
            folder => format!("{}{folder}/", self.prefix),
        };
        let (mut objects, mut common_prefixes) = (Vec::new(), Vec::new());
        let mut marker = String::new();
        loop {
            let page = self.page(&prefix, &marker, delimiter).await?;
            let Some(last) = page.last() else { break };
            let next = match last {
                Line::Object { name, .. } => name,
                Line::Folder { subdir } => subdir,
            };
            // Names come in order; a server for which they do not would be asked for ever.
            if *next <= marker {
                return Err(generic("a listing does not go on behind its marker"));
            }
            marker.clone_from(next);
            for line in page {
                match line {
                    Line::Folder { subdir } => {
                        common_prefixes.extend(self.location(subdir.trim_end_matches('/')));
                    }
                    Line::Object {
                        name,
                        bytes,
                        last_modified,
                        hash,
                    } => objects.extend(self.location(&name).map(|location| ObjectMeta {
                        location,
                        last_modified: parse_time(&last_modified),
                        size: bytes,
                        e_tag: hash,
                        version: None,
                    })),
                }
            }
        }
        Ok(ListResult {
            common_prefixes,
            objects,
            extensions: Default::default(),
        })
    }

    /// What an object is called here; none for names that are no paths, and so not ours.
    fn location(&self, name: &str) -> Option<Path> {
        Path::parse(name.strip_prefix(&self.prefix)?).ok()
    }
}

#[cfg(postkeep_fuzz)]
pub(super) use sign_in::fuzzed_catalogue;

#[cfg(postkeep_fuzz)]
pub(super) fn fuzzed_page(data: &[u8]) {
    for line in serde_json::from_slice::<Vec<Line>>(data).unwrap_or_default() {
        if let Line::Object { last_modified, .. } = line {
            parse_time(&last_modified);
        }
    }
}

/// `2026-11-23T02:10:09.123456`, in UTC; a time that makes no sense is long ago.
fn parse_time(text: &str) -> chrono::DateTime<chrono::Utc> {
    let time = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f");
    time.map(|time| time.and_utc()).unwrap_or_default()
}

#[async_trait]
impl ObjectStore for Swift {
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
        let name = self.inner.name(location);
        let asked = self.inner.send(method, Some(&name), &headers, (&[], None));
        let response = asked.await?;
        let status = response.status();
        if !status.is_success() {
            return Err(refused(&name, status));
        }
        if options.range.is_some() && !options.head && status != StatusCode::PARTIAL_CONTENT {
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
                    let (name, none) = (inner.name(&location), HeaderMap::new());
                    let gone = inner.send(Method::DELETE, Some(&name), &none, (&[], None));
                    let gone = gone.await?;
                    match gone.status().is_success() {
                        true => Ok(location),
                        false => Err(refused(&name, gone.status())),
                    }
                }
            })
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let inner = Arc::clone(&self.inner);
        let prefix = prefix.cloned().unwrap_or_default();
        let listed = async move {
            match inner.list(&prefix, None).await {
                Ok(found) => stream::iter(found.objects.into_iter().map(Ok)).boxed(),
                Err(error) => stream::once(async { Err(error) }).boxed(),
            }
        };
        stream::once(listed).flatten().boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let folder = prefix.cloned().unwrap_or_default();
        self.inner.list(&folder, Some("/")).await
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        Err(not_implemented("copy"))
    }
}

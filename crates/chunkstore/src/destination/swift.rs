//! OpenStack Swift's own interface, for one writer at a time.
//!
//! The adapter at hand takes a token and cannot get a new one, while tokens live for hours.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::NaiveDateTime;
use object_store::path::Path;
use object_store::{GetOptions, GetResult, ListResult, ObjectMeta, ObjectStore, Result};
use reqwest::header::{self, HeaderMap};
use reqwest::{Method, Response, StatusCode, Url};
use serde::Deserialize;

use super::frame::{self, Backend, framed, listed};
use super::{Service, http};
use crate::error::Error as OwnError;

mod sign_in;

use http::answer::{e_tag, full};
use http::body::read_body;
use http::read::read;
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
    Ok(framed(Swift {
        client,
        sign_in: SignIn::new(settings)?,
        container: container.clone(),
        prefix: prefix.iter().map(|name| format!("{name}/")).collect(),
    }))
}

/// A folder of a container.
struct Swift {
    client: reqwest::Client,
    sign_in: SignIn,
    container: String,
    /// Empty, or ends in a slash.
    prefix: String,
}

fn generic(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> object_store::Error {
    frame::generic(STORE, source)
}

fn unauthenticated(what: &str) -> object_store::Error {
    object_store::Error::Unauthenticated {
        path: String::new(),
        source: what.into(),
    }
}

/// The error of an answer that is not what was asked for.
fn refused(path: &Path, status: StatusCode) -> object_store::Error {
    match status {
        // A quota of the account or container is exceeded.
        StatusCode::PAYLOAD_TOO_LARGE => full(STORE),
        _ => http::answer::refused(STORE, path, status),
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

impl Swift {
    fn name(&self, path: &Path) -> String {
        format!("{}{path}", self.prefix)
    }

    /// Sends a request about the container (no name) or an object, with a token that is taken.
    async fn send(
        &self,
        method: Method,
        name: Option<&str>,
        (query, headers, body): (&[(&str, &str)], HeaderMap, Option<Bytes>),
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
        let asked = (query.as_slice(), HeaderMap::new(), None);
        let answer = self.send(Method::GET, None, asked).await?;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::NO_CONTENT | StatusCode::NOT_FOUND => return Ok(Vec::new()),
            status => return Err(refused(&Path::from(prefix), status)),
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
        let mut list = listed(folder, []);
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
                        let folder = self.location(subdir.trim_end_matches('/'));
                        list.common_prefixes.extend(folder);
                    }
                    Line::Object {
                        name,
                        bytes,
                        last_modified,
                        hash,
                    } => list
                        .objects
                        .extend(self.location(&name).map(|location| ObjectMeta {
                            location,
                            last_modified: parse_time(&last_modified),
                            size: bytes,
                            e_tag: hash,
                            version: None,
                        })),
                }
            }
        }
        Ok(list)
    }

    /// Sends a request without anything about an object.
    async fn ask(&self, method: Method, path: &Path, body: Option<Bytes>) -> Result<Response> {
        let name = self.name(path);
        let bare = (&[][..], HeaderMap::new(), body);
        self.send(method, Some(&name), bare).await
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
impl Backend for Swift {
    const NAME: &'static str = STORE;
    // Swift looks for `If-None-Match` before it receives the body, on each of its copies: of creates
    // at the same time more than one may succeed.
    const CREATES: bool = false;

    async fn put(&self, path: &Path, body: Bytes, _: bool) -> Result<Option<String>> {
        let put = || self.ask(Method::PUT, path, Some(body.clone()));
        let mut answer = put().await?;
        if answer.status() == StatusCode::NOT_FOUND {
            let container = (&[][..], HeaderMap::new(), Some(Bytes::new()));
            let made = self.send(Method::PUT, None, container).await?.status();
            if !made.is_success() {
                return Err(refused(&Path::from(self.container.as_str()), made));
            }
            answer = put().await?;
        }
        match answer.status() {
            status if status.is_success() => Ok(e_tag(answer.headers())),
            status => Err(refused(path, status)),
        }
    }

    async fn get(&self, path: &Path, options: &GetOptions) -> Result<GetResult> {
        let name = self.name(path);
        let name = Some(name.as_str());
        let ask = |method, headers| self.send(method, name, (&[], headers, None));
        read(STORE, path, options, ask).await
    }

    async fn delete(&self, path: &Path) -> Result<()> {
        match self.ask(Method::DELETE, path, None).await?.status() {
            status if status.is_success() => Ok(()),
            status => Err(refused(path, status)),
        }
    }

    async fn folder(&self, folder: &Path) -> Result<ListResult> {
        self.list(folder, Some("/")).await
    }

    /// Swift knows no folders, so everything below one is one listing.
    async fn below(&self, folder: &Path) -> Result<Vec<ObjectMeta>> {
        Ok(self.list(folder, None).await?.objects)
    }
}

//! WebDAV (RFC 4918), for one writer at a time.
//!
//! The adapter at hand lists with `Depth: infinity`, which servers refuse; this one does what a
//! repository needs and nothing else.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use object_store::path::Path;
use object_store::{GetOptions, GetResult, ListResult, ObjectStore, Result};
use reqwest::header::{self, HeaderMap, HeaderValue};
use reqwest::{Method, Response, StatusCode, Url};

use super::frame::{self, Backend, framed, listed};
use super::{Service, http};

mod multistatus;

use http::answer::{e_tag, refused};
use http::body::read_body;
use http::site::Site;

const STORE: &str = "WebDAV";
/// The longest listing of one folder: about 50,000 files.
const MAX_LISTING_BYTES: usize = 64 << 20;

/// Opens a folder of a server; it is created by the first write.
pub(super) fn open(
    service: &Service,
    settings: &BTreeMap<String, String>,
) -> crate::error::Result<Arc<dyn ObjectStore>> {
    Ok(framed(WebDav {
        site: Site::new(service, settings, (STORE, "webdav"))?,
    }))
}

/// A folder on a WebDAV server.
struct WebDav {
    site: Site,
}

fn generic(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> object_store::Error {
    frame::generic(STORE, source)
}

impl WebDav {
    async fn send(&self, method: Method, url: Url, body: Option<Bytes>) -> Result<Response> {
        let headers = HeaderMap::new();
        self.site.send(method, url, (headers, body)).await
    }

    /// Creates all folders above an object.
    async fn make_folders(&self, path: &Path) -> Result<()> {
        let method = Method::from_bytes(b"MKCOL").map_err(generic)?;
        let mut folders = Vec::new();
        let mut url = self.site.base.clone();
        let names: Vec<String> = self
            .site
            .base
            .path_segments()
            .map_or_else(Vec::new, |segments| {
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
            let answer = self.send(method.clone(), folder.clone(), None).await?;
            match answer.status() {
                status if status.is_success() => break,
                // It is there; made by somebody else just now, Apache says forbidden. Whether it
                // really is forbidden the upload will tell.
                StatusCode::METHOD_NOT_ALLOWED | StatusCode::FORBIDDEN => break,
                StatusCode::CONFLICT | StatusCode::NOT_FOUND => missing.push(folder),
                status => return Err(refused(STORE, path, status)),
            }
        }
        while let Some(folder) = missing.pop() {
            let answer = self.send(method.clone(), folder, None).await?;
            match answer.status() {
                status if status.is_success() => {}
                StatusCode::METHOD_NOT_ALLOWED | StatusCode::FORBIDDEN => {}
                status => return Err(refused(STORE, path, status)),
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Backend for WebDav {
    const NAME: &'static str = STORE;
    // Apache looks for `If-None-Match` before it receives the body: of sixteen creates of one name
    // it refuses most, but not always all but one.
    const CREATES: bool = false;
    const AT_ONCE: usize = 8;

    async fn put(&self, path: &Path, body: Bytes, _: bool) -> Result<Option<String>> {
        let put = || self.send(Method::PUT, self.site.url(path), Some(body.clone()));
        let mut answer = put().await?;
        // RFC 4918, 9.7.1: a folder that is not there is a conflict; some say it is not found.
        if matches!(
            answer.status(),
            StatusCode::CONFLICT | StatusCode::NOT_FOUND | StatusCode::FORBIDDEN
        ) {
            self.make_folders(path).await?;
            answer = put().await?;
        }
        match answer.status() {
            status if status.is_success() => Ok(e_tag(answer.headers())),
            status => Err(refused(STORE, path, status)),
        }
    }

    async fn get(&self, path: &Path, options: &GetOptions) -> Result<GetResult> {
        self.site.read(path, options).await
    }

    async fn delete(&self, path: &Path) -> Result<()> {
        let url = self.site.url(path);
        match self.send(Method::DELETE, url, None).await?.status() {
            status if status.is_success() => Ok(()),
            status => Err(refused(STORE, path, status)),
        }
    }

    async fn folder(&self, folder: &Path) -> Result<ListResult> {
        let method = Method::from_bytes(b"PROPFIND").map_err(generic)?;
        let url = self.site.folder_url(folder);
        let mut headers = HeaderMap::new();
        headers.insert("depth", HeaderValue::from_static("1"));
        let xml = HeaderValue::from_static("application/xml");
        headers.insert(header::CONTENT_TYPE, xml);
        let asked = Some(Bytes::from_static(multistatus::REQUEST));
        let answer = self.site.send(method, url.clone(), (headers, asked));
        let answer = answer.await?;
        match answer.status() {
            StatusCode::MULTI_STATUS => {}
            StatusCode::NOT_FOUND => return Ok(listed(folder, [])),
            status => return Err(refused(STORE, folder, status)),
        }
        let text = read_body(answer, MAX_LISTING_BYTES).await;
        let text = text.map_err(|why| generic(format!("the listing of {folder}: {why}")))?;
        let entries = multistatus::parse(&text, &url).map_err(generic)?;
        Ok(listed(folder, entries))
    }
}

#[cfg(postkeep_fuzz)]
pub(super) fn fuzzed_listing(data: &[u8], folder: &Url) -> Vec<String> {
    let entries = multistatus::parse(data, folder).unwrap_or_default();
    entries.into_iter().map(|entry| entry.name).collect()
}

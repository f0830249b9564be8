//! A plain web server (RFC 9110), to read from.
//!
//! HTTP has no listings. Servers make pages of links for people, though (Apache's mod_autoindex,
//! nginx's autoindex, Python's `http.server` and others), and a link to something in the folder is an
//! entry of it. What would be taken for an empty folder and is none is an error: no page where the
//! folder above has one for it, half a page, a first page that does not name the repository, and a
//! page that is not of the first one's making.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream};
use futures::{FutureExt, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    Attributes, CopyOptions, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use reqwest::header::{self, HeaderMap, HeaderValue};
use reqwest::{Method, Response, StatusCode, Url};

use super::folder::percent_decode;
use super::{Service, http};
use crate::layout;

mod links;

use http::answer::describe;
use http::body::read_body;
use http::retry::retrying;
use links::{FirstPage, Link, Page};

const STORE: &str = "HTTP";
/// The longest page of one folder: some 300,000 files.
const MAX_PAGE_BYTES: usize = 64 << 20;
/// Folders and lengths asked for at the same time.
const PARALLEL: usize = 8;
/// Folders below one another; a repository has three.
const MAX_DEPTH: usize = 16;

/// Opens a folder of a server. Nothing is asked yet.
pub(super) fn open(
    service: &Service,
    settings: &BTreeMap<String, String>,
) -> crate::error::Result<Arc<dyn ObjectStore>> {
    Ok(Arc::new(Web {
        inner: Arc::new(Inner {
            client: http::client::client(settings, "http")?,
            base: http::client::base(service)?,
            first: OnceLock::new(),
        }),
    }))
}

/// A folder on a web server.
#[derive(Clone)]
struct Web {
    inner: Arc<Inner>,
}

struct Inner {
    client: reqwest::Client,
    base: Url,
    /// The first page, once it was seen to name the repository.
    first: OnceLock<FirstPage>,
}

impl fmt::Debug for Web {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Web(…)")
    }
}

impl fmt::Display for Web {
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

/// A writer meets the refusal of a server that lets nobody write.
fn read_only(path: &Path) -> object_store::Error {
    object_store::Error::PermissionDenied {
        path: path.to_string(),
        source: "http:// and https:// are only read from".into(),
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
        _ => generic(format!("{path}: the server answered {status}")),
    }
}

impl Inner {
    fn url(&self, path: &Path) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments
                .pop_if_empty()
                .extend(path.parts().map(|part| part.as_ref().to_owned()));
        }
        url
    }

    async fn send(&self, method: &Method, url: Url, headers: &HeaderMap) -> Result<Response> {
        let answer = retrying(|| {
            self.client
                .request(method.clone(), url.clone())
                .headers(headers.clone())
                .send()
        });
        answer.await.map_err(|error| generic(error.without_url()))
    }

    /// A folder's page; `None` where the server has nothing of that name.
    async fn page(&self, folder: &Path) -> Result<Option<Page>> {
        let mut url = self.url(folder);
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("");
        }
        let none = HeaderMap::new();
        let answer = self.send(&Method::GET, url.clone(), &none).await?;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND | StatusCode::GONE => return Ok(None),
            // What Apache and nginx say where their listings are switched off.
            StatusCode::FORBIDDEN => {
                return Err(object_store::Error::PermissionDenied {
                    path: folder.to_string(),
                    source: "the server shows no listing of its folders".into(),
                });
            }
            status => return Err(refused(folder, status)),
        }
        let failed = |why| generic(format!("the listing of /{folder}: {why}"));
        let text = read_body(answer, MAX_PAGE_BYTES).await.map_err(failed)?;
        links::parse(&text, &url).map(Some).map_err(failed)
    }

    /// A page is only believed of a server whose first one names the repository: others show
    /// anything for every name.
    async fn root(&self) -> Result<Vec<Link>> {
        let page = self.page(&Path::default()).await?;
        let page = page.ok_or_else(|| refused(&Path::default(), StatusCode::NOT_FOUND))?;
        if !page
            .links
            .iter()
            .any(|link| link.name == layout::REPOSITORY)
        {
            return Err(generic(
                "the server shows no listing of the repository's folder",
            ));
        }
        self.first.get_or_init(|| FirstPage {
            title: page.title,
            name: self.name(),
        });
        Ok(page.links)
    }

    /// The last name of the folder's URL.
    fn name(&self) -> String {
        let mut names = self.base.path_segments().into_iter().flatten();
        let last = names.rfind(|name| !name.is_empty()).unwrap_or_default();
        let name = percent_decode(last).ok().map(String::from_utf8);
        name.and_then(std::result::Result::ok).unwrap_or_default()
    }

    /// One folder's entries; none for a folder that is not there.
    fn folder<'a>(&'a self, folder: &'a Path) -> BoxFuture<'a, Result<Vec<Link>>> {
        async move {
            let Some(name) = folder.filename() else {
                return self.root().await;
            };
            if self.first.get().is_none() {
                self.root().await?;
            }
            let unlisted = || generic(format!("the server shows no listing of /{folder}"));
            if let Some(page) = self.page(folder).await? {
                let is_like = |first| page.is_made_like(first, folder.as_ref());
                return match self.first.get().is_some_and(is_like) {
                    true => Ok(page.links),
                    false => Err(unlisted()),
                };
            }
            let parts: Vec<_> = folder.parts().collect();
            let above: Path = parts.iter().take(parts.len() - 1).cloned().collect();
            let is_there = |link: &Link| link.is_folder && link.name == name;
            match self.folder(&above).await?.iter().any(is_there) {
                true => Err(unlisted()),
                false => Ok(Vec::new()),
            }
        }
        .boxed()
    }

    /// All names below a folder.
    async fn walk(&self, prefix: Path) -> Result<Vec<Path>> {
        let mut found = Vec::new();
        let mut level = vec![prefix];
        for _ in 0..MAX_DEPTH {
            let mut pages = stream::iter(std::mem::take(&mut level))
                .map(|folder| async move {
                    let links = self.folder(&folder).await?;
                    Ok::<_, object_store::Error>((links, folder))
                })
                .buffer_unordered(PARALLEL);
            while let Some((links, folder)) = pages.try_next().await? {
                for link in links {
                    let location = folder.clone().join(link.name.as_str());
                    match link.is_folder {
                        true => level.push(location),
                        false => found.push(location),
                    }
                }
            }
            if level.is_empty() {
                return Ok(found);
            }
        }
        Err(generic("the folders are nested too deep"))
    }

    /// Lengths and times, which pages of links do not tell; what is gone meanwhile is left out.
    async fn describe_all(self: Arc<Self>, found: Vec<Path>) -> Result<Vec<ObjectMeta>> {
        let asked = stream::iter(found).map(|location| {
            let inner = Arc::clone(&self);
            async move {
                match inner.head(&location).await {
                    Ok(meta) => Ok(Some(meta)),
                    Err(object_store::Error::NotFound { .. }) => Ok(None),
                    Err(error) => Err(error),
                }
            }
        });
        let asked = asked.buffered(PARALLEL);
        asked
            .try_filter_map(|meta| async move { Ok(meta) })
            .try_collect()
            .await
    }

    async fn head(&self, location: &Path) -> Result<ObjectMeta> {
        let url = self.url(location);
        let none = HeaderMap::new();
        let mut answer = self.send(&Method::HEAD, url.clone(), &none).await?;
        if !answer.headers().contains_key(header::CONTENT_LENGTH) {
            // Apache leaves the length out of a HEAD's answer where it is zero.
            answer = self.send(&Method::GET, url, &none).await?;
        }
        match answer.status() {
            StatusCode::OK => Ok(describe(location, &answer).map_err(generic)?.0),
            status => Err(refused(location, status)),
        }
    }
}

/// The part of a body that was asked for, of a server that always sends all of it. What comes behind
/// the part is not waited for.
fn part(
    body: BoxStream<'static, Result<Bytes>>,
    range: Range<u64>,
) -> BoxStream<'static, Result<Bytes>> {
    let pieces = stream::try_unfold((body, 0), move |(mut body, begin)| {
        let range = range.clone();
        async move {
            if begin >= range.end {
                return Ok(None);
            }
            let Some(piece) = body.try_next().await? else {
                return Ok(None);
            };
            let end = begin + piece.len() as u64;
            // Both are at most the length of the piece.
            let from = range.start.clamp(begin, end) - begin;
            let to = range.end.clamp(begin, end) - begin;
            Ok(Some((piece.slice(from as usize..to as usize), (body, end))))
        }
    });
    pieces.boxed()
}

#[async_trait]
impl ObjectStore for Web {
    async fn put_opts(&self, location: &Path, _: PutPayload, _: PutOptions) -> Result<PutResult> {
        Err(read_only(location))
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        _: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        Err(read_only(location))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        if options.head {
            let meta = self.inner.head(location).await?;
            options.check_preconditions(&meta)?;
            return Ok(GetResult {
                range: 0..meta.size,
                payload: GetResultPayload::Stream(stream::empty().boxed()),
                meta,
                attributes: Attributes::new(),
                extensions: Default::default(),
            });
        }
        let mut headers = HeaderMap::new();
        if let Some(range) = &options.range {
            let value = HeaderValue::from_str(&range.to_string()).map_err(generic)?;
            headers.insert(header::RANGE, value);
        }
        let url = self.inner.url(location);
        let response = self.inner.send(&Method::GET, url, &headers).await?;
        let status = response.status();
        if !matches!(status, StatusCode::OK | StatusCode::PARTIAL_CONTENT) {
            return Err(refused(location, status));
        }
        let (meta, mut range) = describe(location, &response).map_err(generic)?;
        options.check_preconditions(&meta)?;
        let body = response.bytes_stream();
        let mut body = body.map_err(|error| generic(error.without_url())).boxed();
        if let (Some(wanted), StatusCode::OK) = (&options.range, status) {
            range = wanted.as_range(meta.size).map_err(generic)?;
            body = part(body, range.clone());
        }
        Ok(GetResult {
            payload: GetResultPayload::Stream(body),
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
        locations.map(|location| Err(read_only(&location?))).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let inner = Arc::clone(&self.inner);
        let prefix = prefix.cloned().unwrap_or_default();
        let listed = async move {
            let found = match inner.walk(prefix).await {
                Ok(found) => inner.describe_all(found).await,
                Err(error) => Err(error),
            };
            match found {
                Ok(found) => stream::iter(found.into_iter().map(Ok)).boxed(),
                Err(error) => stream::once(async { Err(error) }).boxed(),
            }
        };
        stream::once(listed).flatten().boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let folder = prefix.cloned().unwrap_or_default();
        let links = self.inner.folder(&folder).await?;
        let (folders, files): (Vec<_>, Vec<_>) = links.into_iter().partition(|link| link.is_folder);
        let locations = |links: Vec<Link>| {
            let names = links.into_iter();
            names
                .map(|link| folder.clone().join(link.name.as_str()))
                .collect()
        };
        let inner = Arc::clone(&self.inner);
        Ok(ListResult {
            common_prefixes: locations(folders),
            objects: inner.describe_all(locations(files)).await?,
            extensions: Default::default(),
        })
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        Err(not_implemented("copy"))
    }
}

#[cfg(postkeep_fuzz)]
pub(super) fn fuzzed_page(data: &[u8], folder: &Url) -> Vec<String> {
    let Ok(page) = links::parse(data, folder) else {
        return Vec::new();
    };
    let first = FirstPage {
        title: "Index of /a b".to_owned(),
        name: "a b".to_owned(),
    };
    let _ = page.is_made_like(&first, "packs");
    page.links.into_iter().map(|link| link.name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_part_is_cut_out_of_pieces_and_what_follows_is_not_waited_for() {
        let whole: Vec<u8> = (0..100).collect();
        for piece in [1, 7, 100] {
            for range in [0..100, 0..1, 6..8, 99..100, 14..21, 50..50] {
                let pieces = whole.chunks(piece).map(|c| Ok(Bytes::copy_from_slice(c)));
                let pieces: Vec<_> = pieces.collect();
                let endless = stream::iter(pieces).chain(stream::pending());
                let body = part(endless.boxed(), range.start..range.end);
                let cut: Vec<Bytes> = body.try_collect().await.unwrap();
                let wanted = &whole[range.start as usize..range.end as usize];
                assert_eq!(cut.concat(), wanted, "{range:?} of pieces of {piece}");
            }
        }
    }
}

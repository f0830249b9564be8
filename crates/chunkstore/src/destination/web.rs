//! A plain web server (RFC 9110), to read from.
//!
//! HTTP has no listings. Servers make pages of links for people, though (Apache's mod_autoindex,
//! nginx's autoindex, Python's `http.server` and others), and a link to something in the folder is an
//! entry of it. What would be taken for an empty folder and is none is an error: no page where the
//! folder above has one for it, half a page, a first page that does not name the repository, and a
//! page that is not of the first one's making.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream;
use futures::{FutureExt, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{GetOptions, GetResult, ListResult, ObjectMeta, ObjectStore, Result};
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};

use super::folder::percent_decode;
use super::frame::{self, Backend, Entry, framed, listed};
use super::{Service, http};
use crate::layout;

mod links;

use http::answer::refused;
use http::body::read_body;
use http::site::Site;
use links::{FirstPage, Link, Page};

const STORE: &str = "HTTP";
/// The longest page of one folder: some 300,000 files.
const MAX_PAGE_BYTES: usize = 64 << 20;
/// Folders and lengths asked for at the same time.
const PARALLEL: usize = 8;

/// Opens a folder of a server. Nothing is asked yet.
pub(super) fn open(
    service: &Service,
    settings: &BTreeMap<String, String>,
) -> crate::error::Result<Arc<dyn ObjectStore>> {
    Ok(framed(Web {
        site: Site::new(service, settings, (STORE, "http"))?,
        first: OnceLock::new(),
    }))
}

/// A folder on a web server.
struct Web {
    site: Site,
    /// The first page, once it was seen to name the repository.
    first: OnceLock<FirstPage>,
}

fn generic(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> object_store::Error {
    frame::generic(STORE, source)
}

/// A writer meets the refusal of a server that lets nobody write.
fn read_only(path: &Path) -> object_store::Error {
    object_store::Error::PermissionDenied {
        path: path.to_string(),
        source: "http:// and https:// are only read from".into(),
    }
}

impl Web {
    /// A folder's page; `None` where the server has nothing of that name.
    async fn page(&self, folder: &Path) -> Result<Option<Page>> {
        let url = self.site.folder_url(folder);
        let nothing = (HeaderMap::new(), None);
        let answer = self.site.send(Method::GET, url.clone(), nothing).await?;
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
            status => return Err(refused(STORE, folder, status)),
        }
        let failed = |why| generic(format!("the listing of /{folder}: {why}"));
        let text = read_body(answer, MAX_PAGE_BYTES).await.map_err(failed)?;
        links::parse(&text, &url).map(Some).map_err(failed)
    }

    /// A page is only believed of a server whose first one names the repository: others show
    /// anything for every name.
    async fn root(&self) -> Result<Vec<Link>> {
        let page = self.page(&Path::default()).await?;
        let page = page.ok_or_else(|| refused(STORE, &Path::default(), StatusCode::NOT_FOUND))?;
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
        let mut names = self.site.base.path_segments().into_iter().flatten();
        let last = names.rfind(|name| !name.is_empty()).unwrap_or_default();
        let name = percent_decode(last).ok().map(String::from_utf8);
        name.and_then(std::result::Result::ok).unwrap_or_default()
    }

    /// One folder's entries; none for a folder that is not there.
    fn links<'a>(&'a self, folder: &'a Path) -> BoxFuture<'a, Result<Vec<Link>>> {
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
            match self.links(&above).await?.iter().any(is_there) {
                true => Err(unlisted()),
                false => Ok(Vec::new()),
            }
        }
        .boxed()
    }
}

#[async_trait]
impl Backend for Web {
    const NAME: &'static str = STORE;
    // Nobody writes at all, and is told so.
    const CREATES: bool = true;
    const AT_ONCE: usize = PARALLEL;

    async fn put(&self, path: &Path, _: Bytes, _: bool) -> Result<Option<String>> {
        Err(read_only(path))
    }

    async fn get(&self, path: &Path, options: &GetOptions) -> Result<GetResult> {
        self.site.read(path, options).await
    }

    async fn delete(&self, path: &Path) -> Result<()> {
        Err(read_only(path))
    }

    async fn folder(&self, folder: &Path) -> Result<ListResult> {
        let links = self.links(folder).await?.into_iter();
        let entries = links.map(|link| Entry {
            name: link.name,
            is_folder: link.is_folder,
            ..Entry::default()
        });
        Ok(listed(folder, entries))
    }

    /// Lengths and times, which pages of links do not tell; what is gone meanwhile is left out.
    async fn complete(&self, found: Vec<ObjectMeta>) -> Result<Vec<ObjectMeta>> {
        let asked = stream::iter(found).map(|object| async move {
            let head = GetOptions::default().with_head(true);
            match self.site.read(&object.location, &head).await {
                Ok(answer) => Ok(Some(answer.meta)),
                Err(object_store::Error::NotFound { .. }) => Ok(None),
                Err(error) => Err(error),
            }
        });
        let asked = asked.buffered(PARALLEL);
        asked
            .try_filter_map(|meta| async move { Ok(meta) })
            .try_collect()
            .await
    }
}

#[cfg(postkeep_fuzz)]
pub(super) fn fuzzed_page(data: &[u8], folder: &reqwest::Url) -> Vec<String> {
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

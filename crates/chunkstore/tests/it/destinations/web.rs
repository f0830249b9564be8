//! Repositories read from web servers: Apache with its index, Python's without ranges.

use std::sync::Arc;

use super::{Offer, offer};
use crate::support::{assert_readable, cheap, environment, fill, names, open, passphrase};
use bytes::Bytes;
use chunkstore::{CheckOptions, Destination, ErrorKind, Repository};
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectStore, ObjectStoreExt};

/// A folder of Apache's, to be written by WebDAV, and a web server that shows it.
fn both(web: &str, folder: &str) -> Option<(Arc<dyn ObjectStore>, Offer)> {
    Some((offer("apache")?.open(folder), offer(web)?))
}

async fn shows_a_repository(web: &str) {
    let folder = format!("of-{web}");
    let Some((written, offer)) = both(web, &folder) else {
        return;
    };
    let created = Repository::create(
        Arc::clone(&written),
        &passphrase(),
        &cheap(),
        environment(1),
    )
    .await;
    let chunks = fill(&created.unwrap(), 1, 30).await;
    let store = offer.open(&folder);
    assert_eq!(names(&*store, "").await, names(&*written, "").await);
    let listed: Vec<_> = store.list(None).try_collect().await.unwrap();
    for meta in listed {
        let there = written.head(&meta.location).await.unwrap();
        assert_eq!(meta.size, there.size, "{}", meta.location);
    }
    let repository = open(Arc::clone(&store), 2).await.unwrap();
    assert_readable(&repository, &chunks).await;
    let options = CheckOptions {
        read_data: true,
        part: None,
    };
    let report = repository.check(&options, &|_| {}).await.unwrap();
    assert!(report.is_clean(), "{web}: {report:?}");
    let refused = repository.session(Default::default()).await.err().unwrap();
    assert_eq!(refused.kind(), ErrorKind::Denied, "{refused:?}");
    let some = Path::from("repository.json");
    let denied = store.delete(&some).await.unwrap_err();
    assert!(matches!(
        denied,
        object_store::Error::PermissionDenied { .. }
    ));
    reads_parts(&written, &store).await;
}

/// Ranges, of a server that knows them and of one that sends everything.
async fn reads_parts(written: &Arc<dyn ObjectStore>, store: &Arc<dyn ObjectStore>) {
    let path = Path::from("parts/some");
    let body: Vec<u8> = (0..200_000_u32).map(|i| (i % 251) as u8).collect();
    let body = Bytes::from(body);
    written.put(&path, body.clone().into()).await.unwrap();
    for range in [0..1, 70_000..140_001, 199_999..200_000] {
        let (start, end) = (range.start as usize, range.end as usize);
        let part = store.get_range(&path, range).await.unwrap();
        assert!(part == body.slice(start..end), "{start}..{end}");
    }
    let options = GetOptions {
        range: Some(GetRange::Suffix(1_000)),
        ..GetOptions::default()
    };
    let last = store.get_opts(&path, options).await.unwrap();
    assert_eq!(last.range, 199_000..200_000);
    assert!(last.bytes().await.unwrap() == body.slice(199_000..));
    let gone = store.get(&Path::from("parts/none")).await.unwrap_err();
    assert!(matches!(gone, object_store::Error::NotFound { .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn apache_shows_a_repository_to_be_read() {
    shows_a_repository("apache-web").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pythons_web_server_shows_a_repository_to_be_read() {
    shows_a_repository("python-web").await;
}

/// The worst would be to take a repository for empty.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_lists_nothing_is_told_from_an_empty_repository() {
    let Some((written, offer)) = both("apache-web", "unlisted") else {
        return;
    };
    let created = Repository::create(
        Arc::clone(&written),
        &passphrase(),
        &cheap(),
        environment(1),
    )
    .await;
    fill(&created.unwrap(), 1, 3).await;
    assert!(open(offer.open("unlisted"), 2).await.is_ok());
    // Listings switched off: Apache says 403.
    let switched_off = offer.at(offer.url.replace("/web/", "/unlisted/"));
    let error = open(switched_off.open("unlisted"), 3).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied, "{error:?}");
    assert!(format!("{error:?}").contains("no listing"), "{error:?}");
    // A page of somebody's stands in the listing's place.
    let page = Bytes::from_static(b"<html><a href=\"about/\">Welcome</a></html>");
    let put = written.put(&Path::from("index.html"), page.into()).await;
    put.unwrap();
    let error = open(offer.open("unlisted"), 4).await.unwrap_err();
    assert!(format!("{error:?}").contains("no listing"), "{error:?}");
    written.delete(&Path::from("index.html")).await.unwrap();
    assert!(open(offer.open("unlisted"), 5).await.is_ok());
    // The same in a folder below, where no entry at all would be none too few.
    let page = Bytes::from_static(
        b"<html><head><title>Index</title></head><a href=\"00/\">Welcome</a></html>",
    );
    let index = Path::from("sessions/index.html");
    written.put(&index, page.into()).await.unwrap();
    let error = open(offer.open("unlisted"), 6).await.unwrap_err();
    assert!(
        format!("{error:?}").contains("no listing of /sessions"),
        "{error:?}"
    );
    let error = open(offer.open("nowhere"), 7).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
}

#[tokio::test]
async fn no_repository_is_created_at_a_web_server() {
    let destination = Destination::new("https://host.invalid/backup").unwrap();
    let error = destination.create().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error:?}");
}

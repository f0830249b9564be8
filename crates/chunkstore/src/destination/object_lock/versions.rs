//! What a bucket with object lock keeps of objects that were deleted.
//!
//! Deleting there only hides: the versions stay, and can be deleted by their ids when their locks
//! are over.

use std::collections::BTreeMap;

use bytes::Bytes;
use object_store::Result as StoreResult;
use object_store::path::Path;
use object_store::signer::Method;
use quick_xml::Reader;
use quick_xml::events::Event;
use reqwest::StatusCode;

use super::{LockedS3, S3Lock, generic, refusal};
use crate::destination::http::body::read_body;
use crate::destination::{Deleted, Hidden};
use crate::error::{Error, Result};

/// The longest page: a thousand versions of some 600 bytes each.
const MAX_PAGE_BYTES: usize = 16 << 20;
/// The longest text of one element that is of use: a key has at most 1,024 bytes.
const MAX_TEXT: usize = 8 << 10;

/// A line of the listing.
#[derive(Debug, Default, PartialEq, Eq)]
struct Version {
    key: String,
    id: String,
    is_latest: bool,
    is_marker: bool,
}

/// Part of the listing, and where the next part begins.
#[derive(Debug, Default, PartialEq, Eq)]
struct Page {
    versions: Vec<Version>,
    is_truncated: bool,
    next_key: String,
    next_version: String,
}

impl S3Lock {
    /// The objects below the repository's folder that were deleted and are kept all the same.
    ///
    /// # Errors
    /// `Denied` without `s3:ListBucketVersions`, `Unavailable`.
    pub(crate) async fn hidden(&self) -> Result<Vec<Hidden>> {
        let failed = |error| Error::from_store("list", "the versions of the bucket", error);
        let prefix = match self.prefix.as_ref() {
            "" => String::new(),
            prefix => format!("{prefix}/"),
        };
        let is_hidden = |versions: &Vec<Version>| {
            let mut markers = versions.iter().filter(|version| version.is_marker);
            markers.any(|marker| marker.is_latest)
        };
        let mut all: BTreeMap<String, Vec<Version>> = BTreeMap::new();
        let mut after = (String::new(), String::new());
        loop {
            let page = self.store.page(&prefix, &after).await.map_err(failed)?;
            for version in page.versions {
                all.entry(version.key.clone()).or_default().push(version);
            }
            if !page.is_truncated {
                break;
            }
            let next = (page.next_key, page.next_version);
            if next == after {
                return Err(failed(generic("a listing does not go on")));
            }
            after = next;
            // Most objects are not hidden; the next page may go on with the last one.
            all.retain(|key, versions| *key == after.0 || is_hidden(versions));
        }
        all.retain(|_, versions| is_hidden(versions));
        let hidden = all.into_iter().filter_map(|(key, versions)| {
            let (markers, versions): (Vec<_>, Vec<_>) =
                versions.into_iter().partition(|version| version.is_marker);
            let ids = |all: Vec<Version>| all.into_iter().map(|version| version.id).collect();
            Some(Hidden {
                name: key.strip_prefix(&prefix)?.to_owned(),
                path: Path::parse(&key).ok()?,
                versions: ids(versions),
                markers: ids(markers),
            })
        });
        // Where only the marker is left, nothing is kept.
        Ok(hidden
            .filter(|hidden| !hidden.versions.is_empty())
            .collect())
    }

    /// Deletes a hidden object for good, or says until when a lock keeps some of it.
    ///
    /// # Errors
    /// `Unavailable`.
    pub(crate) async fn delete_hidden(&self, hidden: &Hidden) -> Result<Deleted> {
        let failed = |error| Error::from_store("delete", &hidden.name, error);
        let mut deleted = Deleted::Gone;
        for id in &hidden.versions {
            match self.store.delete_version(&hidden.path, id).await {
                Ok(()) => {}
                Err(error) => {
                    let until = self.store.until(&hidden.path, &[("versionId", id)]).await;
                    // Who may not look at it is not told either.
                    let until = until.unwrap_or_default();
                    // Services do not agree on what they answer where a lock is.
                    let is_denied = matches!(error, object_store::Error::PermissionDenied { .. });
                    let now = (self.store.terms.now)();
                    if !is_denied && until.is_none_or(|until| until <= now) {
                        return Err(failed(error));
                    }
                    deleted = match deleted {
                        Deleted::Gone => Deleted::Kept(until),
                        Deleted::Kept(other) => Deleted::Kept(other.max(until)),
                    };
                }
            }
        }
        if deleted == Deleted::Gone {
            for id in &hidden.markers {
                let gone = self.store.delete_version(&hidden.path, id).await;
                gone.map_err(failed)?;
            }
        }
        Ok(deleted)
    }
}

impl LockedS3 {
    /// ListObjectVersions.
    async fn page(&self, prefix: &str, after: &(String, String)) -> StoreResult<Page> {
        let mut query = vec![("versions", ""), ("prefix", prefix)];
        if !after.0.is_empty() {
            query.push(("key-marker", &after.0));
        }
        // Services refuse an empty one.
        if !after.1.is_empty() {
            query.push(("version-id-marker", &after.1));
        }
        let bucket = Path::default();
        let asked = self.send((Method::GET, &bucket), &query, &[], Bytes::new());
        let answer = asked.await?;
        if !answer.status().is_success() {
            return Err(refusal(&bucket, answer).await);
        }
        let text = read_body(answer, MAX_PAGE_BYTES).await.map_err(generic)?;
        parse(&text).map_err(generic)
    }

    async fn delete_version(&self, path: &Path, id: &str) -> StoreResult<()> {
        let query = [("versionId", id)];
        let asked = self.send((Method::DELETE, path), &query, &[], Bytes::new());
        let answer = asked.await?;
        match answer.status() {
            status if status.is_success() || status == StatusCode::NOT_FOUND => Ok(()),
            _ => Err(refusal(path, answer).await),
        }
    }
}

/// Reads a page (Amazon S3 API reference, "ListObjectVersions").
fn parse(text: &[u8]) -> std::result::Result<Page, String> {
    let text = std::str::from_utf8(text).map_err(|_| "the listing is not UTF-8".to_owned())?;
    let broken = |error: quick_xml::Error| format!("the listing is not XML: {error}");
    let mut reader = Reader::from_str(text);
    let mut page = Page::default();
    let mut open: Option<Version> = None;
    let mut value = String::new();
    loop {
        match reader.read_event().map_err(broken)? {
            Event::DocType(_) => return Err("the listing has a document type".to_owned()),
            Event::Start(start) => {
                value.clear();
                let name = start.local_name();
                let is_marker = name.as_ref() == "DeleteMarker";
                if is_marker || name.as_ref() == "Version" {
                    open = Some(Version {
                        is_marker,
                        ..Version::default()
                    });
                }
            }
            Event::Text(part) if value.len() < MAX_TEXT => value.push_str(&part),
            Event::CData(part) if value.len() < MAX_TEXT => value.push_str(&part),
            Event::GeneralRef(entity) => match entity.resolve_char_ref().map_err(broken)? {
                Some(character) => value.push(character),
                None => value.push_str(
                    quick_xml::escape::resolve_predefined_entity(&entity)
                        .ok_or("the listing has an unknown entity")?,
                ),
            },
            Event::End(end) => {
                let name = end.local_name();
                if matches!(name.as_ref(), "Version" | "DeleteMarker") {
                    page.versions.extend(open.take());
                } else {
                    note(&mut page, open.as_mut(), name.as_ref(), value.trim());
                }
                value.clear();
            }
            Event::Eof => return Ok(page),
            _ => {}
        }
    }
}

/// Takes the text of one element.
fn note(page: &mut Page, open: Option<&mut Version>, name: &str, value: &str) {
    match (open, name) {
        (Some(version), "Key") => value.clone_into(&mut version.key),
        (Some(version), "VersionId") => value.clone_into(&mut version.id),
        (Some(version), "IsLatest") => version.is_latest = value == "true",
        (None, "IsTruncated") => page.is_truncated = value == "true",
        (None, "NextKeyMarker") => value.clone_into(&mut page.next_key),
        (None, "NextVersionIdMarker") => value.clone_into(&mut page.next_version),
        _ => {}
    }
}

#[cfg(postkeep_fuzz)]
pub(in crate::destination) fn fuzzed_page(data: &[u8]) {
    drop(parse(data));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_of_versions_is_read_and_broken_ones_are_errors() {
        let text = "<?xml version=\"1.0\"?><ListVersionsResult><IsTruncated>true</IsTruncated>\
            <NextKeyMarker>p/a&amp;b</NextKeyMarker><NextVersionIdMarker>2</NextVersionIdMarker>\
            <Version><Key>p/a&amp;b</Key><VersionId>1</VersionId><IsLatest>false</IsLatest>\
            <Owner><ID>x</ID></Owner></Version><DeleteMarker><Key>p/a&amp;b</Key>\
            <VersionId>2</VersionId><IsLatest>true</IsLatest></DeleteMarker></ListVersionsResult>";
        let page = parse(text.as_bytes()).unwrap();
        assert!(page.is_truncated);
        assert_eq!(
            (page.next_key.as_str(), page.next_version.as_str()),
            ("p/a&b", "2")
        );
        let version = |id: &str, is_marker| Version {
            key: "p/a&b".to_owned(),
            id: id.to_owned(),
            is_latest: is_marker,
            is_marker,
        };
        assert_eq!(page.versions, [version("1", false), version("2", true)]);
        for broken in [
            "<a",
            "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
            "<a>&b;</a>",
        ] {
            assert!(parse(broken.as_bytes()).is_err(), "{broken}");
        }
        assert!(parse(&[0xff]).is_err());
    }
}

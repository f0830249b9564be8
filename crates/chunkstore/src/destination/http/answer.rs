//! Answers: what their headers say of an object.

use std::io;
use std::ops::Range;

use chrono::{DateTime, Utc};
use object_store::path::Path;
use object_store::{Error, ObjectMeta};
use reqwest::header::{self, HeaderMap};
use reqwest::{Response, StatusCode};

use crate::destination::frame::generic;

pub(in crate::destination) fn e_tag(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::ETAG)?.to_str().ok()?;
    Some(value.to_owned())
}

/// The error of an answer that is not what was asked for.
pub(in crate::destination) fn refused(
    store: &'static str,
    path: &Path,
    status: StatusCode,
) -> Error {
    let path = path.to_string();
    let source = format!("the server answered {status}").into();
    match status {
        StatusCode::NOT_FOUND | StatusCode::GONE => Error::NotFound { path, source },
        StatusCode::UNAUTHORIZED => Error::Unauthenticated { path, source },
        StatusCode::FORBIDDEN => Error::PermissionDenied { path, source },
        StatusCode::PRECONDITION_FAILED => Error::AlreadyExists { path, source },
        StatusCode::INSUFFICIENT_STORAGE => full(store),
        _ => generic(store, format!("{path}: the server answered {status}")),
    }
}

/// The error of a server that has no room left.
pub(in crate::destination) fn full(store: &'static str) -> Error {
    generic(store, io::Error::from(io::ErrorKind::StorageFull))
}

/// What a GET or HEAD says of the object, and which bytes it brings.
///
/// # Errors
/// Text where the answer does not tell.
pub(in crate::destination) fn describe(
    path: &Path,
    response: &Response,
) -> Result<(ObjectMeta, Range<u64>), String> {
    let headers = response.headers();
    let number = |name| headers.get(name)?.to_str().ok()?.parse::<u64>().ok();
    let (range, size) = if response.status() == StatusCode::PARTIAL_CONTENT {
        let value = headers.get(header::CONTENT_RANGE);
        value
            .and_then(|value| content_range(value.to_str().ok()?))
            .ok_or_else(|| format!("{path}: the answer has no usable Content-Range"))?
    } else {
        let length = number(header::CONTENT_LENGTH)
            .ok_or_else(|| format!("{path}: the answer has no Content-Length"))?;
        (0..length, length)
    };
    let modified = headers.get(header::LAST_MODIFIED);
    let modified = modified.and_then(|value| http_date(value.to_str().ok()?));
    let meta = ObjectMeta {
        location: path.clone(),
        last_modified: modified.unwrap_or_default(),
        size,
        e_tag: e_tag(headers),
        version: None,
    };
    Ok((meta, range))
}

/// A date as HTTP writes it.
pub(in crate::destination) fn http_date(text: &str) -> Option<DateTime<Utc>> {
    let date = DateTime::parse_from_rfc2822(text).ok()?;
    Some(date.with_timezone(&Utc))
}

/// `bytes 0-99/1234`: which bytes, of how many.
fn content_range(text: &str) -> Option<(Range<u64>, u64)> {
    let (range, size) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
    let size = size.parse().ok()?;
    (first <= last && last < size).then_some((first..last + 1, size))
}

#[cfg(postkeep_fuzz)]
pub(in crate::destination) fn fuzzed_header(text: &str) {
    let _ = http_date(text);
    if let Some((range, size)) = content_range(text) {
        assert!(range.start < range.end && range.end <= size);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges_are_believed_only_when_they_make_sense() {
        assert_eq!(content_range("bytes 2-5/10"), Some((2..6, 10)));
        for bad in [
            "bytes */10",
            "bytes 5-2/10",
            "bytes 0-10/10",
            "items 0-1/2",
            "",
        ] {
            assert_eq!(content_range(bad), None, "{bad}");
        }
    }
}

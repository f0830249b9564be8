//! Local and mounted folders.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::local::LocalFileSystem;

use crate::error::{Error, ErrorKind, Result};

/// A path without a scheme, also one like `C:\backup`.
pub(super) fn parse_path(text: &str) -> Result<PathBuf> {
    match text.strip_prefix("file:") {
        Some(path) => file_path(path),
        None if text.is_empty() => Err(Error::invalid("the destination is empty")),
        None => Ok(PathBuf::from(text)),
    }
}

/// What follows `file://`.
pub(super) fn parse_url(rest: &str) -> Result<PathBuf> {
    file_path(rest.strip_prefix("localhost").unwrap_or(rest))
}

/// The path of a `file:` URL: percent-decoded, and without the slash before a drive letter.
fn file_path(encoded: &str) -> Result<PathBuf> {
    let path = String::from_utf8(percent_decode(encoded)?)
        .map_err(|_| Error::invalid("a file URL is not UTF-8 after decoding"))?;
    let is_drive =
        matches!(path.as_bytes(), [b'/', letter, b':', ..] if letter.is_ascii_alphabetic());
    let path = if is_drive { &path[1..] } else { path.as_str() };
    if path.is_empty() {
        return Err(Error::invalid("a file URL names no folder"));
    }
    Ok(PathBuf::from(path))
}

/// Decodes `%` sequences.
pub(super) fn percent_decode(encoded: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, tail) = rest.split_at_checked(2).unwrap_or_default();
        let text = std::str::from_utf8(digits).unwrap_or_default();
        let byte = u8::from_str_radix(text, 16)
            .map_err(|_| Error::invalid("a URL has an incomplete % sequence"))?;
        bytes.push(byte);
        rest = tail;
    }
    Ok(bytes)
}

pub(super) fn create(folder: &Path) -> Result<Arc<dyn ObjectStore>> {
    std::fs::create_dir_all(folder).map_err(|error| {
        let error = object_store::Error::Generic {
            store: "folder",
            source: Box::new(error),
        };
        Error::from_store("create the folder", &folder.display().to_string(), error)
    })?;
    open(folder)
}

pub(super) fn open(folder: &Path) -> Result<Arc<dyn ObjectStore>> {
    if !folder.is_dir() {
        return Err(Error::new(
            ErrorKind::NotFound,
            format!("the folder {} does not exist", folder.display()),
        ));
    }
    let store = LocalFileSystem::new_with_prefix(folder)
        .map_err(|e| Error::from_store("open", &folder.display().to_string(), e))?;
    // What a commit refers to must be on disk before the commit is.
    Ok(Arc::new(store.with_fsync(true)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(url: &str, folder: &str) {
        let parsed = match url.split_once("://") {
            Some((_, rest)) => parse_url(rest),
            None => parse_path(url),
        };
        assert_eq!(parsed.unwrap(), PathBuf::from(folder), "{url}");
    }

    #[test]
    fn paths_and_file_urls_name_folders() {
        check("/srv/backup", "/srv/backup");
        check("backup", "backup");
        check("C:\\backup", "C:\\backup");
        check("file:///srv/back%20up", "/srv/back up");
        check("file://localhost/srv", "/srv");
        check("file:///C:/backup", "C:/backup");
        check("file:/srv", "/srv");
        assert_eq!(parse_url("/a%2").unwrap_err().kind(), ErrorKind::Invalid);
        assert_eq!(parse_path("").unwrap_err().kind(), ErrorKind::Invalid);
    }
}

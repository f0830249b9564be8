//! Destinations by URL, and the only place that knows about local paths.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;

use crate::error::{Error, ErrorKind, Result};

/// Opens the destination of an existing repository.
///
/// | URL | destination |
/// | --- | --- |
/// | a path, `file:///path` | a local or mounted folder, every write flushed to disk |
/// | `memory://` | memory of this process, empty at first |
///
/// # Errors
/// `NotFound` when the folder does not exist, `Unsupported` for another scheme.
pub fn destination_from_url(url: &str) -> Result<Arc<dyn ObjectStore>> {
    match parse(url)? {
        Location::Memory => Ok(Arc::new(InMemory::new())),
        Location::Folder(folder) => open_folder(&folder),
    }
}

/// Like [`destination_from_url`], and creates the folder where it does not exist.
///
/// # Errors
/// `Denied`, `NoSpace`, `Unavailable` when it cannot be created.
pub fn create_destination_from_url(url: &str) -> Result<Arc<dyn ObjectStore>> {
    match parse(url)? {
        Location::Memory => Ok(Arc::new(InMemory::new())),
        Location::Folder(folder) => {
            std::fs::create_dir_all(&folder).map_err(|error| {
                let error = object_store::Error::Generic {
                    store: "folder",
                    source: Box::new(error),
                };
                Error::from_store("create the folder", &folder.display().to_string(), error)
            })?;
            open_folder(&folder)
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Location {
    Memory,
    Folder(PathBuf),
}

fn parse(url: &str) -> Result<Location> {
    let Some((scheme, rest)) = url.split_once("://") else {
        // No scheme: a path, also one like C:\backup.
        return match url.strip_prefix("file:") {
            Some(path) => Ok(Location::Folder(file_path(path)?)),
            None if url.is_empty() => Err(Error::invalid("the destination is empty")),
            None => Ok(Location::Folder(PathBuf::from(url))),
        };
    };
    match scheme.to_ascii_lowercase().as_str() {
        "memory" => Ok(Location::Memory),
        "file" => {
            let path = rest.strip_prefix("localhost").unwrap_or(rest);
            Ok(Location::Folder(file_path(path)?))
        }
        other => Err(Error::new(
            ErrorKind::Unsupported,
            format!("destinations of scheme {other}:// are not supported; give a folder"),
        )),
    }
}

/// The path of a `file:` URL: percent-decoded, and without the slash before a drive letter.
fn file_path(encoded: &str) -> Result<PathBuf> {
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
            .map_err(|_| Error::invalid("a file URL has an incomplete % sequence"))?;
        bytes.push(byte);
        rest = tail;
    }
    let path = String::from_utf8(bytes)
        .map_err(|_| Error::invalid("a file URL is not UTF-8 after decoding"))?;
    let is_drive =
        matches!(path.as_bytes(), [b'/', letter, b':', ..] if letter.is_ascii_alphabetic());
    let path = if is_drive { &path[1..] } else { path.as_str() };
    if path.is_empty() {
        return Err(Error::invalid("a file URL names no folder"));
    }
    Ok(PathBuf::from(path))
}

fn open_folder(folder: &Path) -> Result<Arc<dyn ObjectStore>> {
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
        assert_eq!(parse(url).unwrap(), Location::Folder(PathBuf::from(folder)));
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
        assert_eq!(parse("memory://").unwrap(), Location::Memory);
        assert_eq!(
            parse("gopher://x").unwrap_err().kind(),
            ErrorKind::Unsupported
        );
        assert_eq!(parse("file:///a%2").unwrap_err().kind(), ErrorKind::Invalid);
        assert_eq!(parse("").unwrap_err().kind(), ErrorKind::Invalid);
    }
}

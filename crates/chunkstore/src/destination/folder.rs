//! Local and mounted folders.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::local::LocalFileSystem;

use crate::error::{Error, ErrorKind, Result};

mod past_cache;

use past_cache::PastCache;

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
    Ok(Arc::new(PastCache::new(store.with_fsync(true), folder)))
}

/// Files are written under another name first, which ends in `#` and a number. What a killed
/// process leaves of them is never seen as an object; after this long nobody is writing it any more.
const HALF_WRITTEN_AFTER_MS: i64 = 24 * 60 * 60 * 1000;
/// Folders within folders that are looked into: packs have two levels.
const MAX_DEPTH: usize = 4;

/// Removes half-written files that are older than a day; returns how many.
pub(super) fn remove_half_written(folder: &Path, now_unix_ms: i64) -> Result<u64> {
    let failed = |path: &Path, error: std::io::Error| {
        let error = object_store::Error::Generic {
            store: "folder",
            source: Box::new(error),
        };
        Error::from_store("tidy up", &path.display().to_string(), error)
    };
    let mut removed = 0;
    let mut folders = vec![(folder.to_path_buf(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        for entry in std::fs::read_dir(&folder).map_err(|e| failed(&folder, e))? {
            let entry = entry.map_err(|e| failed(&folder, e))?;
            let path = entry.path();
            let Ok(about) = entry.metadata() else {
                continue;
            };
            if about.is_dir() && depth < MAX_DEPTH {
                folders.push((path, depth + 1));
            } else if about.is_file()
                && is_half_written(&path)
                && is_old(&about, now_unix_ms)
                && std::fs::remove_file(&path).is_ok()
            {
                removed += 1;
            }
        }
    }
    Ok(removed)
}

fn is_half_written(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    let number = name.and_then(|name| name.rsplit_once('#'));
    number.is_some_and(|(name, number)| {
        !name.is_empty() && !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit())
    })
}

fn is_old(about: &std::fs::Metadata, now_unix_ms: i64) -> bool {
    let changed = about.modified().ok();
    let since = changed.and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
    let changed = since.and_then(|since| i64::try_from(since.as_millis()).ok());
    changed.is_some_and(|changed| changed < now_unix_ms.saturating_sub(HALF_WRITTEN_AFTER_MS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_written_files_go_after_a_day_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let packs = folder.path().join("packs/aa");
        std::fs::create_dir_all(&packs).unwrap();
        for name in [
            "aabb#1",
            "aabb",
            "aabb#",
            "#1",
            "aabb#1x",
            "notes#of mine.txt",
        ] {
            std::fs::write(packs.join(name), b"x").unwrap();
        }
        let written = std::fs::metadata(packs.join("aabb"))
            .unwrap()
            .modified()
            .unwrap();
        let written = written.duration_since(std::time::UNIX_EPOCH).unwrap();
        let written = i64::try_from(written.as_millis()).unwrap();
        let remove = |now| remove_half_written(folder.path(), now).unwrap();
        assert_eq!(remove(written + HALF_WRITTEN_AFTER_MS - 10_000), 0);
        assert_eq!(remove(written + HALF_WRITTEN_AFTER_MS + 10_000), 1);
        assert!(!packs.join("aabb#1").exists());
        assert_eq!(std::fs::read_dir(&packs).unwrap().count(), 5);
    }

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

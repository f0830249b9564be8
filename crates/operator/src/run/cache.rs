//! Local index files within their limit: those that were not used for the longest time go.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Levels of folders that are looked at: repository, mailbox, its search index.
const MAX_DEPTH: usize = 4;

/// What belongs to one mailbox in one repository.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    used: SystemTime,
    bytes: u64,
    path: PathBuf,
}

/// Deletes what is too much, the oldest first. Whoever has one of these open goes on with it, and
/// who needs it later makes it anew.
pub(super) fn tidy(dir: &Path, limit: u64) -> io::Result<()> {
    for path in too_much(entries(dir)?, limit) {
        let deleted = match path.is_dir() {
            true => fs::remove_dir_all(&path),
            false => fs::remove_file(&path),
        };
        match deleted {
            // Another run may have tidied, and what cannot be deleted now can be the next time.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            deleted => deleted?,
        }
    }
    Ok(())
}

/// The files and folders of all repositories.
fn entries(dir: &Path) -> io::Result<Vec<Entry>> {
    let mut found = Vec::new();
    let repositories = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
        listed => listed?,
    };
    for repository in repositories {
        let repository = repository?;
        if !repository.file_type()?.is_dir() {
            continue;
        }
        for entry in fs::read_dir(repository.path())? {
            let path = entry?.path();
            if let Ok((used, bytes)) = weigh(&path, MAX_DEPTH) {
                found.push(Entry { used, bytes, path });
            }
        }
    }
    Ok(found)
}

/// When something was last written, and how large it is.
fn weigh(path: &Path, depth: usize) -> io::Result<(SystemTime, u64)> {
    let about = fs::symlink_metadata(path)?;
    let (mut used, mut bytes) = (about.modified()?, about.len());
    if about.is_dir() && depth > 0 {
        for entry in fs::read_dir(path)? {
            let (inner_used, inner_bytes) = weigh(&entry?.path(), depth - 1)?;
            (used, bytes) = (used.max(inner_used), bytes + inner_bytes);
        }
    }
    Ok((used, bytes))
}

/// What has to go so that the rest fits.
fn too_much(mut entries: Vec<Entry>, limit: u64) -> Vec<PathBuf> {
    entries.sort_by(|a, b| (a.used, &a.path).cmp(&(b.used, &b.path)));
    let mut total: u64 = entries.iter().map(|entry| entry.bytes).sum();
    let mut gone = Vec::new();
    for entry in entries {
        if total <= limit {
            break;
        }
        total -= entry.bytes;
        gone.push(entry.path);
    }
    gone
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_oldest_go_until_the_rest_fits() {
        let entry = |secs: u64, bytes: u64, name: &str| Entry {
            used: SystemTime::UNIX_EPOCH + Duration::from_secs(secs),
            bytes,
            path: name.into(),
        };
        let all = vec![entry(3, 10, "c"), entry(1, 10, "a"), entry(2, 10, "b")];
        let gone = |limit| too_much(all.clone(), limit);
        assert!(gone(30).is_empty());
        assert_eq!(gone(29), [PathBuf::from("a")]);
        assert_eq!(gone(10).len(), 2);
        assert_eq!(gone(0).len(), 3);
    }

    #[test]
    fn files_and_folders_of_a_cache_are_weighed_and_go_whole() {
        let dir = tempfile::tempdir().unwrap();
        let of_mailbox = dir.path().join("repository/alice.search");
        fs::create_dir_all(&of_mailbox).unwrap();
        fs::write(of_mailbox.join("segment"), vec![0; 5000]).unwrap();
        fs::write(dir.path().join("repository/alice.redb"), vec![0; 5000]).unwrap();
        fs::write(dir.path().join("not-ours"), vec![0; 5000]).unwrap();
        tidy(dir.path(), 1 << 20).unwrap();
        assert_eq!(entries(dir.path()).unwrap().len(), 2);
        tidy(dir.path(), 100).unwrap();
        assert_eq!(entries(dir.path()).unwrap(), []);
        assert!(dir.path().join("not-ours").exists());
        tidy(&dir.path().join("absent"), 0).unwrap();
    }
}

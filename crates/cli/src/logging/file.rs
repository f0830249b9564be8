//! A log file that is put aside when it is full: `log`, `log.1`, `log.2` and so on.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The file being written.
#[derive(Debug)]
pub(super) struct RotatedFile {
    path: PathBuf,
    file: File,
    bytes: u64,
    max_bytes: u64,
    keep: u32,
}

impl RotatedFile {
    /// Goes on with a file, or begins it. It is put aside before it would grow beyond `max_bytes`,
    /// and `keep` of those that were put aside stay.
    pub(super) fn open(path: &Path, max_bytes: u64, keep: u32) -> io::Result<Self> {
        let file = appended(path)?;
        Ok(Self {
            bytes: file.metadata()?.len(),
            path: path.to_owned(),
            file,
            max_bytes,
            keep,
        })
    }

    /// Puts the file aside and begins another.
    fn turn(&mut self) -> io::Result<()> {
        for number in (0..self.keep).rev() {
            match std::fs::rename(self.numbered(number), self.numbered(number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        if self.keep == 0 {
            std::fs::remove_file(&self.path)?;
        }
        self.file = appended(&self.path)?;
        self.bytes = 0;
        Ok(())
    }

    fn numbered(&self, number: u32) -> PathBuf {
        if number == 0 {
            return self.path.clone();
        }
        let mut name = OsString::from(&self.path);
        name.push(format!(".{number}"));
        name.into()
    }
}

fn appended(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    // A log names mailboxes. On Windows the folder's own permissions decide.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

impl Write for RotatedFile {
    /// Writes all of it: an event is never torn between two files.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let length = event.len() as u64;
        if self.bytes > 0 && self.bytes.saturating_add(length) > self.max_bytes {
            // A full file is better than a lost event.
            let _ = self.turn();
        }
        self.file.write_all(event)?;
        self.bytes = self.bytes.saturating_add(length);
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_file_is_put_aside_and_the_oldest_goes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).ok();
        let mut log = RotatedFile::open(&path, 10, 2).unwrap();
        for event in ["one\n", "two\n", "three\n", "a long event\n", "five\n"] {
            log.write_all(event.as_bytes()).unwrap();
        }
        drop(log);
        assert_eq!(read("log").as_deref(), Some("five\n"));
        assert_eq!(read("log.1").as_deref(), Some("a long event\n"));
        assert_eq!(read("log.2").as_deref(), Some("three\n"));
        assert_eq!(read("log.3"), None);
        // The next process goes on where this one ended.
        let mut log = RotatedFile::open(&path, 10, 0).unwrap();
        log.write_all(b"six\n").unwrap();
        assert_eq!(read("log").as_deref(), Some("five\nsix\n"));
        log.write_all(b"seven\n").unwrap();
        assert_eq!(read("log").as_deref(), Some("seven\n"));
        assert_eq!(
            read("log.1").as_deref(),
            Some("a long event\n"),
            "none is put aside"
        );
    }
}

//! Leaving the messages of a test run behind, for a judge that comes after the tests.

use std::fs;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

/// Writes one message into the folder that the environment variable `POSTKEEP_CAPTURE` names, as
/// `label-<process>-<number>.xml`; without the variable this does nothing. `cargo xtask ci` sets it
/// and validates what it finds there against the EWS schema.
///
/// `label` becomes part of a file name: an operation and a direction, such as `GetItem-request`.
///
/// # Panics
///
/// When the folder cannot be written to: a message that is not judged must not pass for a good one.
#[track_caller]
pub fn capture_message(label: &str, message: &[u8]) {
    if let Some(folder) = folder() {
        write(&folder, label, message);
    }
}

/// Tells whether messages are wanted, for callers to whom making them is work.
pub fn captures_messages() -> bool {
    folder().is_some()
}

fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os("POSTKEEP_CAPTURE")?;
    (!folder.is_empty()).then(|| folder.into())
}

#[track_caller]
fn write(folder: &Path, label: &str, message: &[u8]) {
    // Test binaries run side by side and number their messages each for itself.
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("{label}-{}-{number:06}.xml", process::id());
    let path = folder.join(name);
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(&path, message))
        .unwrap_or_else(|error| panic!("cannot capture {}: {error}", path.display()));
}

#[cfg(test)]
mod tests {
    use super::write;

    #[test]
    fn every_message_gets_a_file_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("wire");
        write(&inside, "GetItem-request", b"<a/>");
        write(&inside, "GetItem-request", b"<b/>");
        assert_eq!(std::fs::read_dir(inside).unwrap().count(), 2);
    }
}

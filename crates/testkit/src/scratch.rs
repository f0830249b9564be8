//! Folders for one test.

use tempfile::TempDir;

/// Creates an empty folder that is deleted when the handle is dropped.
///
/// With the environment variable `POSTKEEP_KEEP` set, the folder stays and its path is printed, so
/// that what a failing test left behind can be looked at.
///
/// # Panics
///
/// When the system's temporary folder cannot be written to.
#[track_caller]
pub fn temp_dir() -> TempDir {
    let mut folder = tempfile::Builder::new()
        .prefix("postkeep-test-")
        .tempdir()
        .expect("the system's temporary folder is writable");
    if std::env::var_os("POSTKEEP_KEEP").is_some() {
        eprintln!("kept: {}", folder.path().display());
        folder.disable_cleanup(true);
    }
    folder
}

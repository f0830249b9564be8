//! Where the corpora, schemas and samples are, which are too large and too private to check in.

use std::path::{Path, PathBuf};

/// Finds the folder that holds `ews/`, `corpus/` and the other shared test material.
///
/// It is the folder named by the environment variable `POSTKEEP_SHARED`, or else `shared` beside
/// the workspace. When there is none, this prints one line to standard error and returns `None`,
/// and the caller's test should end there: nothing was tested, and nothing was wrong.
///
/// # Panics
///
/// When the folder is missing and the environment variable `CI` is set (to anything but the empty
/// string): a build server that skips tests in silence is worse than one that fails.
#[track_caller]
pub fn shared_dir() -> Option<PathBuf> {
    let wanted = std::env::var_os("POSTKEEP_SHARED")
        .filter(|value| !value.is_empty())
        .map_or_else(beside_workspace, PathBuf::from);
    let in_ci = std::env::var_os("CI").is_some_and(|value| !value.is_empty());
    match decide(&wanted, in_ci) {
        Found::Yes => Some(wanted),
        Found::Skip => {
            eprintln!(
                "skipped: no test material at {} (set POSTKEEP_SHARED to its folder)",
                wanted.display()
            );
            None
        }
        Found::Refuse => panic!(
            "no test material at {}, and CI is set: skipping is not allowed",
            wanted.display()
        ),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Found {
    Yes,
    Skip,
    Refuse,
}

fn decide(folder: &Path, in_ci: bool) -> Found {
    // A folder without the schemas is some other folder that happens to be called "shared".
    if folder.join("ews").is_dir() {
        Found::Yes
    } else if in_ci {
        Found::Refuse
    } else {
        Found::Skip
    }
}

fn beside_workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_folder_is_skipped_at_a_desk_and_refused_in_ci() {
        let empty = tempfile::tempdir().unwrap();
        assert_eq!(decide(empty.path(), false), Found::Skip);
        assert_eq!(decide(empty.path(), true), Found::Refuse);
        std::fs::create_dir(empty.path().join("ews")).unwrap();
        assert_eq!(decide(empty.path(), true), Found::Yes);
    }
}

//! What the main job costs, against a general-purpose backup program on the same files.

mod cost;
mod export;
mod peer;
mod product;
mod report;
mod server;

use std::fs;
use std::path::{Path, PathBuf};

use cost::Series;
pub(crate) use export::export;

use crate::Result;
use crate::tool::Tool;
use crate::workspace::Workspace;

/// Enough for a median to throw out one disturbed run.
pub(crate) const DEFAULT_RUNS: usize = 3;

/// The files both programs back up.
struct Corpus {
    folder: PathBuf,
    files: u64,
    bytes: u64,
}

/// One program's measurements.
struct Outcome {
    program: &'static str,
    version: String,
    /// In the order in which they were run, with the command as a reader would type it.
    steps: Vec<Series>,
    /// Bytes of the repository's files after the last run.
    stored_bytes: u64,
}

/// Measures and writes `docs/benchmarks.md`.
pub(crate) fn main_job(workspace: &Workspace, runs: usize) -> Result {
    if runs == 0 {
        return Err("at least one run".to_owned());
    }
    Tool::cargo()
        .args(["build", "--release", "--package", "postkeep"])
        .current_dir(workspace.root())
        .run()?;
    let corpus = Corpus::of(workspace.shared_dir()?.join("corpus/mail"))?;
    let scratch = workspace.target_dir("bench");
    let mut outcomes = vec![product::measure(workspace, &corpus, &scratch, runs)?];
    match peer::measure(workspace, &corpus, &scratch, runs) {
        Ok(outcome) => outcomes.push(outcome),
        // The peer is a comparison, not a condition.
        Err(message) => println!("no comparison with restic: {message}"),
    }
    report::write(workspace, &corpus, runs, &outcomes)
}

impl Corpus {
    fn of(folder: PathBuf) -> Result<Self> {
        let (files, bytes) = measure_folder(&folder)?;
        Ok(Corpus {
            folder,
            files,
            bytes,
        })
    }
}

/// Counts the files below a folder and their bytes.
fn measure_folder(folder: &Path) -> Result<(u64, u64)> {
    let cannot = |error: std::io::Error| format!("cannot read {}: {error}", folder.display());
    let (mut files, mut bytes) = (0, 0);
    for entry in fs::read_dir(folder).map_err(cannot)? {
        let entry = entry.map_err(cannot)?;
        let metadata = entry.metadata().map_err(cannot)?;
        if metadata.is_dir() {
            let (inner_files, inner_bytes) = measure_folder(&entry.path())?;
            files += inner_files;
            bytes += inner_bytes;
        } else {
            files += 1;
            bytes += metadata.len();
        }
    }
    Ok((files, bytes))
}

fn clear(folder: &Path) -> Result {
    if folder.exists() {
        fs::remove_dir_all(folder)
            .map_err(|error| format!("cannot clear {}: {error}", folder.display()))?;
    }
    create(folder)
}

fn create(folder: &Path) -> Result {
    fs::create_dir_all(folder)
        .map_err(|error| format!("cannot create {}: {error}", folder.display()))
}

//! Independent programs that say whether our side keeps to the protocol.

use std::fs;
use std::path::{Path, PathBuf};

use crate::Result;
use crate::tool::Tool;
use crate::workspace::Workspace;

/// The client and its version; a newer one is a change to try deliberately.
const EXCHANGELIB: &str = "exchangelib==5.6.0";

/// Runs exchangelib, a client written by people who know nothing of us, against `postkeep sim`.
pub(crate) fn exchangelib(workspace: &Workspace) -> Result {
    let folder = workspace.target_dir("judges");
    let python = python_with(&folder.join("exchangelib-venv"), &[EXCHANGELIB])?;
    Tool::cargo()
        .args(["build", "--package", "postkeep"])
        .current_dir(workspace.root())
        .run()?;
    let script = workspace
        .root()
        .join("crates/xtask/judges/exchangelib_check.py");
    let scratch = folder.join("exchangelib");
    clear(&scratch)?;
    Tool::new(python)
        // The script lies among the sources, where no cache belongs.
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .arg(script)
        .arg("--postkeep")
        .arg(workspace.program("debug"))
        .arg("--scratch")
        .arg(&scratch)
        .run()
}

/// The system's Python 3, under the name it has here.
pub(crate) fn system_python() -> &'static str {
    if cfg!(windows) { "python" } else { "python3" }
}

/// An empty folder, whatever was there before.
pub(crate) fn fresh_folder(folder: &Path) -> Result {
    clear(folder)?;
    fs::create_dir_all(folder)
        .map_err(|error| format!("cannot create {}: {error}", folder.display()))
}

fn clear(folder: &Path) -> Result {
    if folder.exists() {
        fs::remove_dir_all(folder)
            .map_err(|error| format!("cannot clear {}: {error}", folder.display()))?;
    }
    Ok(())
}

/// A Python environment that has some packages, made when it is not there yet.
pub(crate) fn python_with(venv: &Path, packages: &[&str]) -> Result<PathBuf> {
    let python = if cfg!(windows) {
        venv.join("Scripts").join("python.exe")
    } else {
        venv.join("bin").join("python")
    };
    if !python.exists() {
        Tool::new(system_python())
            .args(["-m", "venv"])
            .arg(venv)
            .run()?;
    }
    Tool::new(&python)
        .args(["-m", "pip", "install", "--quiet"])
        .args(packages)
        .run()?;
    Ok(python)
}

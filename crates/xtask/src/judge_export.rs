//! Other people's programs open what `postkeep export` writes.

use std::path::Path;

use crate::Result;
use crate::cargo_steps;
use crate::judge::{fresh_folder, python_with};
use crate::tool::Tool;
use crate::workspace::Workspace;

/// The readers, and their versions; newer ones are a change to try deliberately.
const READERS: [&str; 4] = [
    "extract-msg==0.57.0",
    "icalendar==7.3.0",
    "mail-parser==4.8.0",
    "vobject==0.9.9",
];

/// Exports the whole corpus in every format, has the files opened, and writes the table of what
/// was compared.
pub(crate) fn run(workspace: &Workspace) -> Result {
    judge(workspace, &workspace.root().join("docs/export-judges.md"))
}

/// The same, without touching the documents: fails if a file cannot be opened that should be, or
/// if programs disagree for a reason that is not known.
pub(crate) fn check(workspace: &Workspace) -> Result {
    judge(workspace, &workspace.target_dir("export-judges.md"))
}

fn judge(workspace: &Workspace, table: &Path) -> Result {
    let folder = workspace.target_dir("judges");
    let python = python_with(&folder.join("export-venv"), &READERS)?;
    if Tool::new("msgconvert").arg("--help").capture().is_err() {
        return Err(
            "msgconvert is not installed (Debian: libemail-outlook-message-perl)".to_owned(),
        );
    }
    let program = cargo_steps::program(workspace)?;
    let scratch = folder.join("export");
    fresh_folder(&scratch)?;
    let judges = workspace.root().join("crates/xtask/judges");
    Tool::new(python)
        // The scripts lie among the sources, where no cache belongs.
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .arg(judges.join("export_check.py"))
        .arg("--postkeep")
        .arg(program)
        .arg("--corpus")
        .arg(workspace.shared_dir()?.join("corpus"))
        .arg("--scratch")
        .arg(&scratch)
        .arg("--table")
        .arg(table)
        .run()
}

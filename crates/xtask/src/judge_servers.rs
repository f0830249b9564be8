//! Odd servers, written apart from the simulator, that a backup must get along with.

use std::fs;

use crate::Result;
use crate::cargo_steps;
use crate::judge::system_python;
use crate::tool::Tool;
use crate::workspace::Workspace;

/// Runs `postkeep` against a small server of our own that behaves like the odd ones in the wild;
/// all oddities, those named, or with `--short` what CI has time for.
pub(crate) fn run(workspace: &Workspace, only: &[&str]) -> Result {
    let program = cargo_steps::program(workspace)?;
    let scratch = workspace.target_dir("judges").join("servers");
    if scratch.exists() {
        fs::remove_dir_all(&scratch)
            .map_err(|error| format!("cannot clear {}: {error}", scratch.display()))?;
    }
    let judges = workspace.root().join("crates/xtask/judges");
    let mut tool = Tool::new(system_python())
        // The scripts lie among the sources, where no cache belongs.
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .arg(judges.join("servers_check.py"))
        .arg("--postkeep")
        .arg(program)
        .arg("--scratch")
        .arg(&scratch);
    if let Ok(shared) = workspace.shared_dir() {
        tool = tool
            .arg("--schema")
            .arg(shared.join("ews/schema/ews-soap.xsd"));
    }
    for name in only {
        tool = match *name {
            "--short" => tool.arg("--short"),
            name => tool.args(["--only", name]),
        };
    }
    tool.run()
}

/// What CI has time for.
pub(crate) fn short(workspace: &Workspace) -> Result {
    run(workspace, &["--short"])
}

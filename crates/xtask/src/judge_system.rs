//! What stands around the program on a machine, judged by what is really there: a collector of
//! traces, a keyring, the system's package tools.

use crate::Result;
use crate::cargo_steps;
use crate::judge::{fresh_folder, python_with, system_python};
use crate::tool::Tool;
use crate::workspace::Workspace;

/// What reads traces; a newer one is a change to try deliberately.
const READER: &str = "opentelemetry-proto==1.45.2";

/// Sends traces to a small collector, which OpenTelemetry's own package reads.
pub(crate) fn traces(workspace: &Workspace) -> Result {
    let venv = workspace.target_dir("judges").join("traces-venv");
    let python = python_with(&venv, &[READER])?;
    judge(workspace, Tool::new(python), "traces")
}

/// Keeps secrets in a real keyring on a bus of its own.
pub(crate) fn keyring(workspace: &Workspace) -> Result {
    for (program, package) in [
        ("dbus-run-session", "dbus-daemon"),
        ("gnome-keyring-daemon", "gnome-keyring"),
        ("secret-tool", "libsecret-tools"),
    ] {
        if Tool::new(program).arg("--version").capture().is_err() {
            return Err(format!("{program} is not installed (Debian: {package})"));
        }
    }
    judge(workspace, Tool::new(system_python()), "keyring")
}

/// Runs a judge's script with the program as CI tests it, which has these features.
fn judge(workspace: &Workspace, python: Tool, name: &str) -> Result {
    cargo_steps::build_as_tested(workspace, "sign_in")?;
    let judges = workspace.root().join("crates/xtask/judges");
    let scratch = workspace.target_dir("judges").join(name);
    fresh_folder(&scratch)?;
    python
        // The script lies among the sources, where no cache belongs.
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .arg(judges.join(format!("{name}_check.py")))
        .arg("--postkeep")
        .arg(workspace.program("debug"))
        .arg("--scratch")
        .arg(&scratch)
        .run()
}

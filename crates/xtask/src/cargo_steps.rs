//! The steps that are one call of cargo.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::ChildStdout;

use crate::Result;
use crate::servers::{self, Servers};
use crate::tool::Tool;
use crate::workspace::Workspace;

pub(crate) fn fmt(workspace: &Workspace) -> Result {
    cargo(workspace, &["fmt", "--all", "--check"]).run()
}

pub(crate) fn clippy(workspace: &Workspace) -> Result {
    let arguments = ["clippy", "--workspace", "--all-targets"];
    cargo(workspace, &arguments)
        .args(EVERYTHING)
        .args(["--", "-D", "warnings"])
        .run()
}

/// Looks at each library without the others. In the whole workspace a crate gets every feature that
/// any other one asks its dependencies for; what it forgot to ask for itself shows only here.
pub(crate) fn alone(workspace: &Workspace) -> Result {
    for package in workspace.packages() {
        let folder = workspace.root().join("crates").join(&package.name);
        if !folder.join("src/lib.rs").is_file() {
            continue;
        }
        cargo(workspace, &["clippy", "--quiet", "--lib", "--package"])
            .arg(&package.name)
            .args(["--", "-D", "warnings"])
            .run()
            .map_err(|message| format!("{} alone: {message}", package.name))?;
    }
    Ok(())
}

pub(crate) fn doc(workspace: &Workspace) -> Result {
    cargo(workspace, &["doc", "--workspace", "--no-deps"])
        .env("RUSTDOCFLAGS", "-D warnings")
        .run()
}

/// CI looks at everything there is; at home one builds what one works on.
const EVERYTHING: [&str; 2] = [
    "--features",
    "postkeep/packaged,postkeep/legacy-tls,postkeep/kerberos,ews-client/kerberos",
];

/// Builds the program and an example just as the tests did, so that nothing is compiled twice.
pub(crate) fn build_as_tested(workspace: &Workspace, example: &str) -> Result {
    cargo(
        workspace,
        &[
            "build",
            "--workspace",
            "--bin",
            "postkeep",
            "--example",
            example,
        ],
    )
    .args(EVERYTHING)
    .run()
}

/// Builds the program for a judge and gives its path. CI judges the very program that it tested.
pub(crate) fn program(workspace: &Workspace) -> Result<PathBuf> {
    match std::env::var_os("CI") {
        Some(_) => build_as_tested(workspace, "sign_in")?,
        None => cargo(workspace, &["build", "--package", "postkeep"]).run()?,
    }
    Ok(workspace.program("debug"))
}

const TEST: [&str; 2] = ["test", "--workspace"];

pub(crate) fn test(workspace: &Workspace) -> Result {
    cargo(workspace, &TEST).run()
}

/// Every test in a process of its own; nextest does not run the examples in documentation.
pub(crate) fn nextest(workspace: &Workspace) -> Result {
    cargo(workspace, &["nextest", "run", "--workspace"]).run()?;
    cargo(workspace, &["test", "--workspace", "--doc"]).run()
}

/// Runs the tests with their messages captured into a folder, and holds back the last summary.
pub(crate) fn test_capturing(
    workspace: &Workspace,
    wire: &Path,
    servers: &Servers,
) -> Result<Summary> {
    let mut tool = cargo(workspace, &TEST)
        .args(EVERYTHING)
        .env("POSTKEEP_CAPTURE", wire)
        .env(servers::VARIABLE, &servers.list);
    let mut child = tool.spawn_piped()?;
    let mut summary = Summary::default();
    if let Some(output) = child.stdout.take() {
        summary.follow(output)?;
    }
    let status = child.wait().map_err(|error| error.to_string())?;
    if let Err(message) = tool.judge(status) {
        summary.print();
        return Err(message);
    }
    Ok(summary)
}

/// The last lines of the test runner. A log must end with them, and what is checked after the
/// tests, because the tests produce it, must be reported before them.
#[derive(Default)]
pub(crate) struct Summary {
    lines: Vec<String>,
}

impl Summary {
    pub(crate) fn print(self) {
        for line in self.lines {
            println!("{line}");
        }
    }

    fn follow(&mut self, output: ChildStdout) -> Result {
        let mut reader = BufReader::new(output);
        let mut line = Vec::new();
        // Bytes, not lines of text: a test may print anything.
        while reader
            .read_until(b'\n', &mut line)
            .map_err(|error| format!("cannot read the output of the tests: {error}"))?
            > 0
        {
            let text = String::from_utf8_lossy(&line);
            for free in self.hold(text.trim_end_matches(['\r', '\n'])) {
                println!("{free}");
            }
            line.clear();
        }
        Ok(())
    }

    /// Takes a line and returns those that turned out not to be the last ones.
    fn hold(&mut self, line: &str) -> Vec<String> {
        let belongs = line.is_empty() || line.starts_with("all doctests ran in");
        if belongs && !self.lines.is_empty() {
            self.lines.push(line.to_owned());
            return Vec::new();
        }
        let mut free = std::mem::take(&mut self.lines);
        if line.starts_with("test result:") {
            self.lines.push(line.to_owned());
        } else {
            free.push(line.to_owned());
        }
        free
    }
}

pub(crate) fn cargo(workspace: &Workspace, arguments: &[&str]) -> Tool {
    Tool::cargo().args(arguments).current_dir(workspace.root())
}

#[cfg(test)]
mod tests {
    use super::Summary;

    #[test]
    fn only_the_last_summary_is_held_back() {
        let lines = [
            "running 1 test",
            "test result: ok. 1 passed",
            "",
            "running 2 tests",
            "",
            "test result: ok. 2 passed",
            "",
            "all doctests ran in 0.1s",
        ];
        let mut summary = Summary::default();
        let printed: Vec<String> = lines.iter().flat_map(|line| summary.hold(line)).collect();
        assert_eq!(printed, lines[..5]);
        assert_eq!(summary.lines, lines[5..]);
    }
}

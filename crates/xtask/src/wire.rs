//! Judging captured messages by Microsoft's own schema.

use std::fs;
use std::path::{Path, PathBuf};

use crate::Result;
use crate::tool::Tool;
use crate::workspace::Workspace;

/// Files handed to one xmllint: reading the schema costs more than most messages, and a command
/// line has its limits.
const BATCH: usize = 200;

/// Invalid messages named before the rest is only counted.
const NAMED: usize = 20;

/// Characters of a complaint; xmllint lists every element that it would have liked instead.
const COMPLAINT: usize = 300;

/// Validates every `.xml` below a folder. No message at all is a failure too: it means that
/// nothing was captured, and that this check has checked nothing.
pub(crate) fn run(workspace: &Workspace, folder: &Path) -> Result {
    let schema = workspace.shared_dir()?.join("ews/schema/ews-soap.xsd");
    let mut files = Vec::new();
    collect(folder, &mut files)?;
    files.sort();
    if files.is_empty() {
        return Err(format!(
            "no captured message in {} (run the tests with POSTKEEP_CAPTURE naming it)",
            folder.display()
        ));
    }
    let mut invalid = Vec::new();
    for batch in files.chunks(BATCH) {
        let output = Tool::new("xmllint")
            .args(["--noout", "--nonet", "--huge", "--schema"])
            .arg(&schema)
            .args(batch)
            .capture()?;
        let report = String::from_utf8_lossy(&output.stderr);
        invalid.extend(complaints(&report, batch));
    }
    if invalid.is_empty() {
        println!("{} messages, all valid", files.len());
        return Ok(());
    }
    let mut message = format!("{} of {} messages invalid", invalid.len(), files.len());
    for line in invalid.iter().take(NAMED) {
        message.push_str("\n       ");
        message.push_str(line);
    }
    Err(message)
}

fn collect(folder: &Path, into: &mut Vec<PathBuf>) -> Result {
    let cannot = |error: std::io::Error| format!("cannot list {}: {error}", folder.display());
    for entry in fs::read_dir(folder).map_err(cannot)? {
        let path = entry.map_err(cannot)?.path();
        if path.is_dir() {
            collect(&path, into)?;
        } else if path.extension().is_some_and(|extension| extension == "xml") {
            into.push(path);
        }
    }
    Ok(())
}

/// The files for which xmllint does not say that they validate, each with its first complaint.
fn complaints(report: &str, files: &[PathBuf]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files {
        let name = file.to_string_lossy();
        let valid = format!("{name} validates");
        if report.lines().any(|line| line == valid) {
            continue;
        }
        let place = format!("{name}:");
        let first = report.lines().find(|line| line.starts_with(&place));
        found.push(match first {
            Some(line) => line.chars().take(COMPLAINT).collect(),
            None => format!("{name}: not judged"),
        });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::complaints;

    #[test]
    fn a_file_is_valid_only_when_xmllint_says_so() {
        let report = "a.xml validates\nb.xml:3: element Item: not expected\nb.xml:4: more\n\
                      b.xml fails to validate\n";
        let files = ["a.xml", "b.xml", "c.xml"].map(Into::into);
        let expected = ["b.xml:3: element Item: not expected", "c.xml: not judged"];
        assert_eq!(complaints(report, &files), expected);
    }
}

//! Paths that documents name must exist.

use super::Project;

/// Folders of the project. A path in backquotes that begins with one of them is meant as a path,
/// whether or not the folder exists; anything else may be the layout of a repository, a header
/// value or a shell command.
const FOLDERS: [&str; 8] = [
    ".cargo/",
    ".ci/",
    "benches/",
    "crates/",
    "docs/",
    "examples/",
    "fuzz/",
    "testdata/",
];

/// Documents that speak of the past, in which a path was right when it was written.
fn is_history(file: &str) -> bool {
    file == "CHANGELOG.md" || file.starts_with("docs/decisions/")
}

pub(super) fn check(project: &Project) -> Vec<String> {
    let mut found = Vec::new();
    for (file, text) in project.texts_ending(".md") {
        if is_history(file) {
            continue;
        }
        let mut in_block = false;
        for (index, line) in text.lines().enumerate() {
            if line.trim_start().starts_with("```") {
                in_block = !in_block;
            }
            if in_block {
                continue;
            }
            let spans = code_spans(line).filter(|span| is_path(span));
            let missing_spans = spans.filter(|span| !exists(project, span.trim_end_matches('/')));
            let links = link_targets(line).filter_map(|target| resolve(file, target));
            let missing_links = links.filter(|path| !exists(project, path));
            let missing = missing_spans.map(str::to_owned).chain(missing_links);
            found
                .extend(missing.map(|path| format!("{file}:{}: {path} does not exist", index + 1)));
        }
    }
    found
}

fn code_spans(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

fn is_path(span: &str) -> bool {
    let placeholder = |c: char| c.is_whitespace() || "<>*{}$…".contains(c);
    FOLDERS.iter().any(|folder| span.starts_with(folder)) && !span.contains(placeholder)
}

/// The targets of `[text](target)`.
fn link_targets(line: &str) -> impl Iterator<Item = &str> {
    line.split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')').map(|(target, _)| target))
}

/// A link's path relative to the root; nothing for other places and for the same document.
fn resolve(file: &str, target: &str) -> Option<String> {
    let path = target.split('#').next().unwrap_or(target);
    if path.is_empty() || path.contains(':') {
        return None;
    }
    let mut parts: Vec<&str> = file.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            // A link that climbs out of the project cannot be judged here.
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

fn exists(project: &Project, path: &str) -> bool {
    let folder = format!("{path}/");
    project.files.contains(path) || project.files.iter().any(|file| file.starts_with(&folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_line(line: &str, expected: &[&str]) {
        let project = Project::of(&[
            ("docs/a.md", line),
            ("crates/x/src/lib.rs", ""),
            ("B.md", ""),
        ]);
        assert_eq!(check(&project), expected, "{line}");
    }

    #[test]
    fn named_paths_and_links_must_lead_somewhere() {
        check_line("see `crates/x/src/lib.rs` and `crates/x/`", &[]);
        check_line("see `crates/y`", &["docs/a.md:1: crates/y does not exist"]);
        check_line("`crates/<name>/src`, `packs/00`, `cargo xtask ci`", &[]);
        check_line(
            "[b](../B.md#part), [c](https://c.example/x.md), [d](#d)",
            &[],
        );
        check_line("[c](../C.md)", &["docs/a.md:1: C.md does not exist"]);
        check_line("```\n`crates/y`\n```", &[]);
    }
}

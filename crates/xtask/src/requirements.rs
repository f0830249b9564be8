//! Which requirements of the specifications are covered by which test: `docs/requirements.md`,
//! made from Microsoft's tables of requirements and from the lists beside the tests.

mod mapping;
mod table;

use std::fmt::Write as _;
use std::fs;

use crate::Result;
use crate::workspace::Workspace;
use mapping::{Group, Standing};
use table::Requirement;

/// The page that is made.
const PAGE: &str = "docs/requirements.md";
/// Where the lists are.
const LISTS: &str = "crates/ews-sim/tests/requirements";
/// The specifications, with what they are about.
const SPECIFICATIONS: [(&str, &str); 2] = [
    ("MS-OXWSBTRF", "ExportItems and UploadItems"),
    ("MS-OXWSSYNC", "SyncFolderHierarchy and SyncFolderItems"),
];

const HEAD: &str = "\
# Requirements and tests

Made by `cargo xtask requirements`; CI checks that it is current. Microsoft publishes a table of the
requirements of each protocol document, with how each can be verified. Below are those marked
\"Test Case\" or \"Adapter\" (checked on every message), by their number, with the test that covers
them, or why they do not apply. The lists are in `crates/ews-sim/tests/requirements`.
";

/// Writes the page.
pub(crate) fn write(workspace: &Workspace) -> Result {
    let page = made(workspace)?;
    let path = workspace.root().join(PAGE);
    fs::write(&path, page).map_err(|error| format!("cannot write {PAGE}: {error}"))?;
    println!("{PAGE} is written");
    Ok(())
}

/// Fails if the page is not what would be written.
pub(crate) fn check(workspace: &Workspace) -> Result {
    let page = made(workspace)?;
    let found = read(workspace, PAGE)?;
    if found != page {
        return Err(format!(
            "{PAGE} is not current: run cargo xtask requirements"
        ));
    }
    println!("{PAGE} is current");
    Ok(())
}

fn read(workspace: &Workspace, name: &str) -> Result<String> {
    fs::read_to_string(workspace.root().join(name))
        .map_err(|error| format!("cannot read {name}: {error}"))
}

fn made(workspace: &Workspace) -> Result<String> {
    let mut page = HEAD.to_owned();
    for (name, title) in SPECIFICATIONS {
        let path = workspace
            .shared_dir()?
            .join(format!("ews/requirements/{name}.csv"));
        let csv = fs::read_to_string(&path)
            .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        let requirements = table::read(&csv)?;
        let list = read(workspace, &format!("{LISTS}/{name}.txt"))?;
        let groups =
            mapping::read(&list).map_err(|error| format!("{LISTS}/{name}.txt: {error}"))?;
        for test in groups.iter().flat_map(Group::tests) {
            exists(workspace, test)?;
        }
        section(&mut page, name, title, &requirements, &groups)?;
    }
    Ok(page)
}

/// Writes what is known of one specification.
fn section(
    page: &mut String,
    name: &str,
    title: &str,
    requirements: &[Requirement],
    groups: &[Group],
) -> Result {
    for number in groups.iter().flat_map(|group| &group.numbers) {
        if !requirements.iter().any(|known| known.number == *number) {
            return Err(format!("{name} has no requirement {number} to be verified"));
        }
    }
    let mut rows = String::new();
    let mut covered = 0;
    for requirement in requirements {
        let standings: Vec<&Group> = groups
            .iter()
            .filter(|group| group.numbers.contains(&requirement.number))
            .collect();
        let [group] = standings[..] else {
            let times = standings.len();
            return Err(format!(
                "{name}: requirement {} is listed {times} times, not once",
                requirement.number
            ));
        };
        covered += usize::from(matches!(group.standing, Standing::Covered(_)));
        let _ = writeln!(
            rows,
            "| R{} | {} | {} | {} |",
            requirement.number,
            requirement.section,
            requirement.verification,
            group.standing.told()
        );
    }
    let _ = writeln!(
        page,
        "\n## {name}: {title}\n\n{} requirements: {covered} covered, {} do not apply.\n\n\
         | number | section | verification | covered by |\n| --- | --- | --- | --- |\n{}",
        requirements.len(),
        requirements.len() - covered,
        rows.trim_end()
    );
    Ok(())
}

/// Fails unless a test of this name stands in the file that its name says.
fn exists(workspace: &Workspace, test: &str) -> Result {
    let parts = test.split_once('/');
    let parts = parts.and_then(|(package, rest)| Some((package, rest.rsplit_once("::")?)));
    let (package, (module, function)) =
        parts.ok_or_else(|| format!("'{test}' is no CRATE/MODULE::TEST"))?;
    let file = format!("crates/{package}/tests/it/{}.rs", module.replace("::", "/"));
    let text = read(workspace, &file)?;
    if is_test(&text, function) {
        return Ok(());
    }
    Err(format!("{file} has no test '{function}'"))
}

fn is_test(text: &str, function: &str) -> bool {
    let head = format!("fn {function}(");
    let mut attributes = String::new();
    for line in text.lines().map(str::trim) {
        if line.starts_with("#[") {
            attributes.push_str(line);
        } else if !line.starts_with("//") {
            if line.contains(&head) {
                return ["#[test]", "#[tokio::test"]
                    .iter()
                    .any(|mark| attributes.contains(mark));
            }
            attributes.clear();
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_is_a_function_that_is_marked_as_one() {
        let text =
            "#[tokio::test(start_paused = true)]\n// why\nasync fn one() {}\n\nfn two() {}\n";
        assert!(is_test(text, "one"));
        assert!(!is_test(text, "two"));
        assert!(!is_test(text, "three"));
    }

    #[test]
    fn a_requirement_is_listed_exactly_once() {
        let requirements = table::read(
            "req_id,doc_sect,verification\nX_R1,2.1,Adapter\nX_R2,2.1,Unverified\nX_R3,2.2,Test Case\n",
        )
        .unwrap();
        let of = |list: &str| {
            let mut page = String::new();
            let groups = mapping::read(list)?;
            section(&mut page, "X", "x", &requirements, &groups).map(|()| page)
        };
        let page = of("covered by a/b::c\n    1\ndoes not apply: no such thing\n    3\n").unwrap();
        assert!(
            page.contains("2 requirements: 1 covered, 1 do not apply."),
            "{page}"
        );
        assert!(page.contains("| R1 | 2.1 | Adapter | `a/b::c` |"), "{page}");
        assert!(
            of("covered by a/b::c\n    1\n")
                .unwrap_err()
                .contains("3 is listed 0 times")
        );
        assert!(
            of("covered by a/b::c\n    1 3 2\n")
                .unwrap_err()
                .contains("no requirement 2")
        );
        assert!(of("covered by a/b::c\n    1 3 3\n").is_err());
    }
}

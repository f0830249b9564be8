//! What small parts cost: in time beside their physical limits, and in instructions, which do not
//! depend on who else uses the machine and so can fail a build.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use super::report::{machine, put_section};
use crate::Result;
use crate::tool::Tool;
use crate::workspace::Workspace;

/// The recorded counts, a line each.
const COUNTS: &str = "crates/bench/counts.txt";

/// By how much a count may grow unnoticed. Sums of hash maps and threads differ by less than one in
/// a hundred from run to run.
const TOLERATED: f64 = 1.10;

/// Writes the section of `docs/benchmarks.md` about time.
pub(crate) fn micro(workspace: &Workspace) -> Result {
    let table = Tool::new(bench_program(workspace)?).arg("time").output()?;
    let section = format!(
        "## Small parts, and what the machine itself needs\n\nRelease build, one thread, in memory. \
         {}\n\n{table}",
        machine(workspace)
    );
    put_section(workspace, "micro", &section)
}

/// The crate `bench` as a program, built for speed.
pub(super) fn bench_program(workspace: &Workspace) -> Result<PathBuf> {
    let command = ["build", "--package", "bench", "--release"];
    built(workspace, &command, "release")
}

/// Counts instructions and compares them with the recorded ones, or records them anew.
pub(crate) fn counts(workspace: &Workspace, record: bool) -> Result {
    // What the tests build: another choice of packages would mean other features of the same
    // dependencies, and minutes of compiling.
    built(workspace, &["test", "--workspace", "--no-run"], "debug")?;
    counts_after_tests(workspace, record)
}

/// The same with the program that the tests have just built.
pub(crate) fn counts_after_tests(workspace: &Workspace, record: bool) -> Result {
    let program = program(workspace, "debug");
    let names = Tool::new(&program).arg("list").output()?;
    let mut counted = BTreeMap::new();
    for name in names.lines() {
        counted.insert(name.to_owned(), count(&program, name)?);
    }
    let path = workspace.root().join(COUNTS);
    let recorded = parse(&fs::read_to_string(&path).unwrap_or_default())?;
    let changelog = fs::read_to_string(workspace.root().join("CHANGELOG.md")).unwrap_or_default();
    let grown = grown(&recorded, &counted);
    for (name, now) in &counted {
        let before = recorded.get(name).copied().unwrap_or(0);
        println!("{name:<16} {now:>12} {before:>12}");
    }
    if record {
        if let Some(name) = grown.iter().find(|name| !is_told(&changelog, name)) {
            return Err(format!(
                "{name} takes more than a tenth more instructions than before: say why in a line \
                 of CHANGELOG.md below Unreleased that has the words instructions and `{name}`"
            ));
        }
        let lines = counted.iter().map(|(name, now)| format!("{name} {now}\n"));
        let text: String = lines.collect();
        return fs::write(&path, text)
            .map_err(|error| format!("cannot write {}: {error}", path.display()));
    }
    if let Some(name) = counted.keys().find(|name| !recorded.contains_key(*name)) {
        return Err(format!(
            "{COUNTS} does not know {name}: cargo xtask bench counts --record"
        ));
    }
    if grown.is_empty() {
        return Ok(());
    }
    Err(format!(
        "more than a tenth more instructions than {COUNTS} says: {}; make it cheaper, or say why in \
         CHANGELOG.md and run cargo xtask bench counts --record",
        grown.join(", ")
    ))
}

fn built(workspace: &Workspace, command: &[&str], folder: &str) -> Result<PathBuf> {
    Tool::cargo()
        .args(command)
        .arg("--quiet")
        .current_dir(workspace.root())
        .run()?;
    Ok(program(workspace, folder))
}

fn program(workspace: &Workspace, folder: &str) -> PathBuf {
    let name = format!("bench{}", std::env::consts::EXE_SUFFIX);
    workspace.program(folder).with_file_name(name)
}

/// The instructions of one run of a case, by callgrind.
fn count(program: &PathBuf, name: &str) -> Result<u64> {
    let output = Tool::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .args(["--collect-atstart=no", "--toggle-collect=bench::measured"])
        .arg(program)
        .args(["once", name])
        .capture()?;
    let log = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("{name} failed under valgrind: {}", log.trim()));
    }
    let collected = log.lines().find_map(|line| {
        let (_, count) = line.split_once("Collected :")?;
        count.trim().parse().ok()
    });
    match collected {
        Some(count) if count > 0 => Ok(count),
        _ => Err(format!(
            "valgrind counted nothing in {name}: {}",
            log.trim()
        )),
    }
}

fn parse(text: &str) -> Result<BTreeMap<String, u64>> {
    let line = |line: &str| {
        let (name, count) = line.split_once(' ')?;
        Some((name.to_owned(), count.trim().parse().ok()?))
    };
    text.lines()
        .map(|text| line(text).ok_or_else(|| format!("{COUNTS} has a line {text:?}")))
        .collect()
}

/// The cases that take more than is tolerated.
fn grown(recorded: &BTreeMap<String, u64>, counted: &BTreeMap<String, u64>) -> Vec<String> {
    let more = |name: &String, now: u64| {
        let before = recorded.get(name).copied();
        before.is_some_and(|before| now as f64 > before as f64 * TOLERATED)
    };
    let names = counted.iter().filter(|(name, now)| more(name, **now));
    names.map(|(name, _)| name.clone()).collect()
}

/// Whether the changelog's newest part tells why a case grew.
fn is_told(changelog: &str, name: &str) -> bool {
    let newest = changelog.split("\n## ").nth(1).unwrap_or_default();
    let mut entries = newest.split("\n- ");
    entries.any(|entry| entry.contains("instructions") && entry.contains(&format!("`{name}`")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_more_is_seen_and_has_to_be_told() {
        let recorded = parse("a 1000\nb 1000\nc 1000\n").unwrap();
        let counted = parse("a 1101\nb 1100\nc 10\nd 5\n").unwrap();
        assert_eq!(grown(&recorded, &counted), ["a"]);
        let told =
            "# Changelog\n\n## Unreleased\n\n- More instructions in `a`, since it\n  checks.\n";
        assert!(is_told(told, "a"));
        assert!(!is_told(told, "b"));
        let earlier = "# Changelog\n\n## Unreleased\n\n- x\n\n## 0.1\n\n- instructions of `a`\n";
        assert!(!is_told(earlier, "a"));
        assert!(parse("a x").is_err());
    }
}

//! Files a reader can take in at one sitting.

use super::Project;

/// Lines of a source file, its inline tests not counted. This number only ever goes down.
const CEILING: usize = 600;

/// A file that is one long table says so in a line of its own, and may be as long as the table.
const TABLE: &str = "// tidy: table";

pub(super) fn check(project: &Project) -> Vec<String> {
    let mut found = Vec::new();
    for (file, text) in project.texts_ending(".rs") {
        let is_tests = file.contains("/tests/") || file.ends_with("/tests.rs");
        if is_tests || text.lines().any(|line| line == TABLE) {
            continue;
        }
        let lines = lines_without_tests(text);
        if lines > CEILING {
            found.push(format!("{file}: {lines} lines, the ceiling is {CEILING}"));
        }
    }
    found
}

/// Inline tests stand last in a file, as rustfmt's and everybody's habit has it.
fn lines_without_tests(text: &str) -> usize {
    let lines: Vec<&str> = text.lines().collect();
    let begins = lines.windows(2).position(|pair| {
        pair[0].starts_with("#[cfg(") && pair[0].contains("test") && is_inline_module(pair[1])
    });
    begins.unwrap_or(lines.len())
}

fn is_inline_module(line: &str) -> bool {
    line.starts_with("mod ") && line.ends_with('{')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_and_tables_do_not_count() {
        let long = "fn f() {}\n".repeat(CEILING + 1);
        let short = "fn f() {}\n".repeat(CEILING);
        let tests = format!("{short}#[cfg(test)]\nmod tests {{\n{long}}}\n");
        let table = format!("{TABLE}\n{long}");
        let project = Project::of(&[
            ("crates/a/src/long.rs", &long),
            ("crates/a/src/short.rs", &short),
            ("crates/a/src/tested.rs", &tests),
            ("crates/a/src/table.rs", &table),
            ("crates/a/tests/it/long.rs", &long),
        ]);
        let found = check(&project);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("crates/a/src/long.rs"));
    }
}

//! Words that must not stand in the project.

use super::Project;

/// Where somebody's machine keeps things. Written in halves, so that this file may be checked too.
const MACHINE_PATHS: [&str; 3] = [
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/tmp", "/t-"),
];

/// Marks of unfinished work; each needs the number of the issue that will finish it.
const OPEN_ENDS: [&str; 2] = [concat!("TO", "DO"), concat!("FIX", "ME")];

pub(super) fn check(project: &Project) -> Vec<String> {
    let mut found = Vec::new();
    for (file, text) in &project.texts {
        // Written by cargo, and full of checksums in which any word may turn up.
        if file == "Cargo.lock" {
            continue;
        }
        for (index, line) in text.lines().enumerate() {
            let place = format!("{file}:{}", index + 1);
            for path in MACHINE_PATHS.iter().filter(|path| line.contains(*path)) {
                found.push(format!("{place}: {path} is a path of one machine"));
            }
            for mark in OPEN_ENDS.iter().filter(|mark| is_open_end(line, mark)) {
                found.push(format!("{place}: {mark} without an issue number"));
            }
        }
    }
    found
}

fn is_open_end(line: &str, mark: &str) -> bool {
    let stands_alone = |at: usize| {
        let before = line[..at].chars().next_back();
        let after = line[at + mark.len()..].chars().next();
        let in_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        !in_word(before) && !in_word(after)
    };
    let has_number = line
        .split('#')
        .skip(1)
        .any(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    !has_number && line.match_indices(mark).any(|(at, _)| stands_alone(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_ends_need_a_number_and_machine_paths_never_pass() {
        let mark = OPEN_ENDS[0];
        let text = format!(
            "// {mark}: later\n// {mark}(#12): later\nlet {mark}S = 1;\n// see {}x\n",
            MACHINE_PATHS[0]
        );
        let found = check(&Project::of(&[("a.rs", &text), ("Cargo.lock", &text)]));
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with("a.rs:1:") && found[1].starts_with("a.rs:4:"));
    }
}

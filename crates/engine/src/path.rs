//! Paths of folders: names joined by slashes. A slash or backslash that belongs to a name stands
//! behind a backslash, so that every path can be taken apart again.

/// What a folder without a name is called; servers do not let one be created.
pub(crate) const NO_NAME: &str = "(no name)";

/// A name as a level of a path.
pub(crate) fn level(name: &str) -> String {
    if name.is_empty() {
        return NO_NAME.to_owned();
    }
    // What a request cannot carry comes back replaced, and must be the same folder then.
    name.replace(is_unwritable, "\u{FFFD}")
        .replace('\\', "\\\\")
        .replace('/', "\\/")
}

/// Whether XML has no way to write this character.
fn is_unwritable(c: char) -> bool {
    matches!(c, '\0'..='\u{8}' | '\u{B}' | '\u{C}' | '\u{E}'..='\u{1F}' | '\u{FFFE}' | '\u{FFFF}')
}

/// The name that a level of a path stands for.
pub(crate) fn name_of(level: &str) -> String {
    let mut name = String::with_capacity(level.len());
    let mut chars = level.chars();
    while let Some(c) = chars.next() {
        name.push(if c == '\\' {
            chars.next().unwrap_or(c)
        } else {
            c
        });
    }
    name
}

/// Where the levels of a path end: each separator, and the end of the path.
pub(crate) fn ends(path: &str) -> Vec<usize> {
    let mut ends = Vec::new();
    let mut escaped = false;
    for (at, c) in path.char_indices() {
        if c == '/' && !escaped {
            ends.push(at);
        }
        escaped = c == '\\' && !escaped;
    }
    ends.push(path.len());
    ends
}

/// The length of what leads to a path's last level, its separator included.
pub(crate) fn parent_length(path: &str) -> usize {
    match ends(path).as_slice() {
        [.., before, _] => before + 1,
        _ => 0,
    }
}

/// A path's last level.
pub(crate) fn last_level(path: &str) -> &str {
    &path[parent_length(path)..]
}

/// The names of all levels.
pub(crate) fn names(path: &str) -> Vec<String> {
    let mut from = 0;
    let mut names = Vec::new();
    for end in ends(path) {
        names.push(name_of(&path[from..end]));
        from = end + 1;
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn slashes_and_backslashes_in_names_are_not_levels() {
        let path = ["Inbox", "A/B", "C\\", "D"].map(level).join("/");
        assert_eq!(path, "Inbox/A\\/B/C\\\\/D");
        assert_eq!(names(&path), ["Inbox", "A/B", "C\\", "D"]);
        assert_eq!(last_level("Inbox/A\\/B"), "A\\/B");
        assert_eq!(last_level("Inbox"), "Inbox");
        assert_eq!(level(""), NO_NAME);
        assert_eq!(level("bell\u{7} tab\t"), "bell\u{FFFD} tab\t");
    }

    proptest! {
        #[test]
        fn every_path_comes_apart_again(wanted in prop::collection::vec("[a\\\\/é]{1,5}", 1..5)) {
            let levels: Vec<String> = wanted.iter().map(|name| level(name)).collect();
            let path = levels.join("/");
            prop_assert_eq!(names(&path), wanted);
            prop_assert_eq!(last_level(&path), levels.last().unwrap());
        }
    }
}

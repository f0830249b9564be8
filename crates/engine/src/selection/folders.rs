//! Decides which folders of a mailbox are meant.

use std::collections::HashMap;

use super::Selection;
use super::pattern::Glob;
use crate::path::{ends, names};

/// Whether a folder is meant, and if not, why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FolderVerdict {
    Selected,
    /// No chosen folder is it or lies above it.
    NotSelected,
    /// The exclusion that names it or one above it, as the user wrote it.
    Excluded(String),
}

/// A pattern of folders, taken apart.
struct FolderPattern {
    levels: Vec<Level>,
    /// Whether the pattern is one plain word, which can also be a distinguished name.
    is_word: bool,
    text: String,
}

enum Level {
    /// `**`
    Any,
    Name(Glob),
    /// `@name`, at the front only.
    Distinguished(String),
}

impl FolderPattern {
    fn new(text: &str) -> Self {
        let trimmed = text.trim_matches('/');
        let mut levels = Vec::new();
        let mut from = 0;
        for end in ends(trimmed) {
            let level = trimmed.get(from..end).unwrap_or_default();
            from = end + 1;
            levels.push(match (level, level.strip_prefix('@')) {
                ("**", _) => Level::Any,
                (_, Some(name)) if levels.is_empty() => {
                    Level::Distinguished(name.to_ascii_lowercase())
                }
                _ => Level::Name(Glob::new(level)),
            });
        }
        Self {
            is_word: matches!(levels.as_slice(), [Level::Name(_)]),
            levels,
            text: text.to_owned(),
        }
    }

    /// Whether the pattern means a folder or one of those above it.
    fn matches(&self, folder: &Place) -> bool {
        folder.ways().any(|way| self.matches_way(way))
            || (self.is_word
                && folder
                    .distinguished
                    .iter()
                    .any(|(_, name)| name.eq_ignore_ascii_case(self.text.trim_matches('/').trim())))
    }

    /// Whether the pattern matches a beginning of this way, in one pass over its levels.
    fn matches_way(&self, way: Way<'_>) -> bool {
        let end = self.levels.len();
        let mut open = vec![false; end + 1];
        if let Some(first) = open.first_mut() {
            *first = true;
        }
        self.pass_over(&mut open);
        let steps = way.from.into_iter().map(Step::Distinguished);
        for step in steps.chain(way.names.iter().map(|name| Step::Name(name))) {
            let mut next = vec![false; end + 1];
            for (at, level) in self.levels.iter().enumerate() {
                if !open.get(at).copied().unwrap_or(false) {
                    continue;
                }
                let (stay, go) = match (level, &step) {
                    (Level::Any, _) => (true, at + 1 == end),
                    (Level::Name(glob), Step::Name(name)) => (false, glob.matches(name)),
                    (Level::Distinguished(wanted), Step::Distinguished(name)) => {
                        (false, wanted.eq_ignore_ascii_case(name))
                    }
                    _ => (false, false),
                };
                for (place, set) in [(at, stay), (at + 1, go)] {
                    if let Some(place) = next.get_mut(place) {
                        *place |= set;
                    }
                }
            }
            self.pass_over(&mut next);
            if next.last().copied().unwrap_or(false) {
                return true;
            }
            open = next;
        }
        false
    }

    /// `**` stands for no level too, except at the end, where it means what lies below.
    fn pass_over(&self, open: &mut [bool]) {
        for at in 0..self.levels.len().saturating_sub(1) {
            let skips = matches!(self.levels.get(at), Some(Level::Any));
            if skips
                && open.get(at).copied().unwrap_or(false)
                && let Some(next) = open.get_mut(at + 1)
            {
                *next = true;
            }
        }
    }
}

/// A folder as patterns see it: its names from the top down, and which of the folders on the way
/// have distinguished names.
struct Place {
    names: Vec<String>,
    /// How many names lead to it, and the name.
    distinguished: Vec<(usize, String)>,
}

/// One way to say where a folder is: from the top, or from a distinguished folder.
struct Way<'a> {
    from: Option<&'a str>,
    names: &'a [String],
}

enum Step<'a> {
    Distinguished(&'a str),
    Name(&'a str),
}

impl Place {
    fn ways(&self) -> impl Iterator<Item = Way<'_>> {
        let from_top = Way {
            from: None,
            names: &self.names,
        };
        let others = self.distinguished.iter().map(|(depth, name)| Way {
            from: Some(name),
            names: self.names.get(*depth..).unwrap_or_default(),
        });
        std::iter::once(from_top).chain(others)
    }
}

/// Decides for the folders of one mailbox.
pub(crate) struct FolderChooser {
    include: Vec<FolderPattern>,
    exclude: Vec<FolderPattern>,
    distinguished: HashMap<String, String>,
}

impl FolderChooser {
    /// Takes the mailbox's distinguished folders: their paths and names.
    pub(crate) fn new<'a>(
        selection: &Selection,
        distinguished: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        let patterns =
            |texts: &[String]| texts.iter().map(|text| FolderPattern::new(text)).collect();
        Self {
            include: patterns(&selection.folders),
            exclude: patterns(&selection.exclude_folders),
            distinguished: distinguished
                .map(|(path, name)| (path.to_lowercase(), name.to_owned()))
                .collect(),
        }
    }

    /// Whether the folder with this path is meant.
    pub(crate) fn verdict(&self, path: &str) -> FolderVerdict {
        let place = self.place(path);
        if let Some(pattern) = self.exclude.iter().find(|pattern| pattern.matches(&place)) {
            return FolderVerdict::Excluded(pattern.text.clone());
        }
        if self.include.is_empty() || self.include.iter().any(|pattern| pattern.matches(&place)) {
            FolderVerdict::Selected
        } else {
            FolderVerdict::NotSelected
        }
    }

    /// Whether the folder with this path is meant.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.verdict(path) == FolderVerdict::Selected
    }

    /// Chosen folders of which the mailbox has none, as the user wrote them.
    pub(crate) fn missing<'a>(&self, paths: impl Iterator<Item = &'a str>) -> Vec<String> {
        let mut missing: Vec<&FolderPattern> = self.include.iter().collect();
        for path in paths {
            if missing.is_empty() {
                break;
            }
            let place = self.place(path);
            missing.retain(|pattern| !pattern.matches(&place));
        }
        missing
            .into_iter()
            .map(|pattern| pattern.text.clone())
            .collect()
    }

    fn place(&self, path: &str) -> Place {
        let lower = path.to_lowercase();
        let distinguished = ends(&lower)
            .into_iter()
            .enumerate()
            .filter_map(|(n, end)| {
                let name = self.distinguished.get(lower.get(..end)?)?;
                Some((n + 1, name.clone()))
            })
            .collect();
        Place {
            names: names(path),
            distinguished,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The folders of a mailbox in German, with the names that every language shares.
    const DISTINGUISHED: [(&str, &str); 3] = [
        ("Posteingang", "inbox"),
        ("Gesendete Elemente", "sentitems"),
        ("Posteingang/Archiv", "archive"),
    ];

    fn chooser(include: &[&str], exclude: &[&str]) -> FolderChooser {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let selection = Selection {
            folders: texts(include),
            exclude_folders: texts(exclude),
            ..Selection::default()
        };
        FolderChooser::new(&selection, DISTINGUISHED.into_iter())
    }

    #[track_caller]
    fn check(pattern: &str, path: &str, expected: bool) {
        assert_eq!(
            chooser(&[pattern], &[]).has(path),
            expected,
            "{pattern} {path}"
        );
        let excluded = chooser(&[], &[pattern]).verdict(path);
        assert_eq!(
            excluded == FolderVerdict::Excluded(pattern.to_owned()),
            expected,
            "not {pattern} {path}"
        );
    }

    #[test]
    fn a_folder_is_chosen_by_path_or_distinguished_name_with_all_below() {
        check("Posteingang", "posteingang", true);
        check("/Posteingang/", "Posteingang/Projekte", true);
        check("Posteingang", "Posteingang2", false);
        check("Posteingang/Projekte", "Posteingang", false);
        check("inbox", "Posteingang", true);
        check("inbox", "Posteingang/Projekte", true);
        check("@inbox", "Posteingang/Projekte/Alt", true);
        check("@inbox/Projekte", "Posteingang/Projekte/Alt", true);
        check("@inbox/Projekte", "Posteingang/Anderes", false);
        check("@SentItems", "Gesendete Elemente", true);
        check("@sentitems", "Posteingang", false);
        check("@archive/x", "Posteingang/Archiv/x", true);
        check("@nowhere", "Posteingang", false);
    }

    #[test]
    fn patterns_reach_within_levels_and_over_them() {
        check("Post*", "Posteingang/Projekte", true);
        check("*/Projekte", "Posteingang/Projekte", true);
        check("*/Projekte", "Posteingang/A/Projekte", false);
        check("**/Projekte", "Posteingang/A/Projekte", true);
        check("**/Projekte", "Projekte", true);
        check("@inbox/**/Alt", "Posteingang/A/B/Alt", true);
        check("@inbox/**/Alt", "Posteingang/Alt", true);
        check("Posteingang/**", "Posteingang", false);
        check("Posteingang/**", "Posteingang/A", true);
        check("A\\/B", "A\\/B", true);
        check("A/B", "A\\/B", false);
        check("Pro?ekte", "Projekte", true);
    }

    #[test]
    fn an_exclusion_wins_and_is_named() {
        let chooser = chooser(&["@inbox"], &["@inbox/Alt"]);
        assert!(chooser.has("Posteingang/Neu"));
        assert_eq!(
            chooser.verdict("Posteingang/Alt/x"),
            FolderVerdict::Excluded("@inbox/Alt".into())
        );
        assert_eq!(chooser.verdict("Kalender"), FolderVerdict::NotSelected);
        let paths = ["Kalender", "Posteingang"];
        assert!(chooser.missing(paths.into_iter()).is_empty());
        assert_eq!(chooser.missing(["Kalender"].into_iter()), ["@inbox"]);
    }

    fn path() -> impl Strategy<Value = String> {
        prop::collection::vec("[ab]{1,2}", 1..5).prop_map(|names| names.join("/"))
    }

    fn pattern() -> impl Strategy<Value = String> {
        let level = prop_oneof![
            3 => "[ab]{1,2}",
            1 => "[ab*?]{1,3}".prop_filter("two stars are a level of another kind", |l| l != "**"),
            1 => Just("**".to_owned()),
        ];
        prop::collection::vec(level, 1..5).prop_map(|levels| levels.join("/"))
    }

    /// The meaning of a pattern, tried out in every way.
    fn slowly(levels: &[&str], names: &[&str]) -> bool {
        match (levels.split_first(), names.split_first()) {
            (None, _) => true,
            (Some((&"**", [])), left) => left.is_some(),
            (Some((&"**", rest)), left) => {
                slowly(rest, names) || left.is_some_and(|(_, fewer)| slowly(levels, fewer))
            }
            (Some((level, rest)), Some((name, fewer))) => {
                Glob::new(level).matches(name) && slowly(rest, fewer)
            }
            (Some(_), None) => false,
        }
    }

    proptest! {
        #[test]
        fn a_fast_match_says_what_a_slow_one_says(pattern in pattern(), path in path()) {
            let levels: Vec<&str> = pattern.split('/').collect();
            let names: Vec<&str> = path.split('/').collect();
            prop_assert_eq!(chooser(&[&pattern], &[]).has(&path), slowly(&levels, &names));
        }

        #[test]
        fn what_lies_below_a_chosen_folder_is_chosen(pattern in pattern(), path in path(), below in path()) {
            let chooser = chooser(&[&pattern], &[]);
            if chooser.has(&path) {
                let below = format!("{path}/{below}");
                prop_assert!(chooser.has(&below));
            }
        }

        #[test]
        fn more_inclusions_choose_more_and_more_exclusions_less(
            a in pattern(), b in pattern(), path in path()
        ) {
            prop_assert!(!chooser(&[&a], &[]).has(&path) || chooser(&[&a, &b], &[]).has(&path));
            prop_assert!(!chooser(&[&a], &[&b]).has(&path) || chooser(&[&a], &[]).has(&path));
            prop_assert!(!chooser(&[], &[&a, &b]).has(&path) || chooser(&[], &[&b]).has(&path));
        }
    }
}

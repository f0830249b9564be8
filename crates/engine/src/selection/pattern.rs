//! Patterns of names, paths and classes. Letter case never counts.

/// One level of a folder pattern, or a pattern of anything without levels: `*` stands for any
/// characters, `?` for one, and a backslash takes the next character as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Glob(Vec<Token>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Char(char),
    One,
    Any,
}

impl Glob {
    pub(crate) fn new(pattern: &str) -> Self {
        let mut tokens = Vec::new();
        let lower = pattern.to_lowercase();
        let mut chars = lower.chars();
        while let Some(c) = chars.next() {
            tokens.push(match c {
                '*' => Token::Any,
                '?' => Token::One,
                '\\' => Token::Char(chars.next().unwrap_or(c)),
                c => Token::Char(c),
            });
        }
        tokens.dedup_by(|a, b| *a == Token::Any && *b == Token::Any);
        Self(tokens)
    }

    /// Whether a text matches as a whole.
    pub(crate) fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.to_lowercase().chars().collect();
        let (mut at, mut token) = (0, 0);
        // Where the last star stands, and up to where it reaches so far: on a mismatch it takes
        // one character more. Earlier stars need no second look.
        let mut star: Option<(usize, usize)> = None;
        while at < text.len() {
            let fits = match self.0.get(token) {
                Some(Token::Any) => {
                    star = Some((token, at));
                    token += 1;
                    continue;
                }
                Some(Token::One) => true,
                Some(Token::Char(c)) => text.get(at) == Some(c),
                None => false,
            };
            if fits {
                at += 1;
                token += 1;
            } else if let Some((stands, reached)) = star {
                star = Some((stands, reached + 1));
                at = reached + 1;
                token = stands + 1;
            } else {
                return false;
            }
        }
        self.0
            .get(token..)
            .is_some_and(|rest| rest.iter().all(|token| *token == Token::Any))
    }
}

/// Whether an item class is meant: the class itself, one derived from it, or one that fits a
/// pattern. `IPM.Note` means `IPM.Note.SMIME` too, and not `IPM.NoteX`.
pub(crate) fn class_matches(wanted: &str, class: &str) -> bool {
    if Glob::new(wanted).matches(class) {
        return true;
    }
    let (wanted, class) = (wanted.to_lowercase(), class.to_lowercase());
    class
        .strip_prefix(&wanted)
        .is_some_and(|rest| rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn patterns_of_names() {
        let check = |pattern: &str, text: &str, expected: bool| {
            assert_eq!(
                Glob::new(pattern).matches(text),
                expected,
                "{pattern} {text}"
            );
        };
        check("Inbox", "inbox", true);
        check("In*", "Inbox", true);
        check("*box", "Inbox", true);
        check("*n*x", "Inbox", true);
        check("?nbox", "Inbox", true);
        check("?", "", false);
        check("*", "", true);
        check("In", "Inbox", false);
        check("a\\*", "a*", true);
        check("a\\*", "ab", false);
        check("ÜBER*", "übersicht", true);
    }

    #[test]
    fn a_class_means_those_derived_from_it() {
        assert!(class_matches("IPM.Note", "ipm.note"));
        assert!(class_matches("IPM.Note", "IPM.Note.SMIME"));
        assert!(!class_matches("IPM.Note", "IPM.NoteX"));
        assert!(class_matches("IPM.*", "IPM.Task"));
        assert!(class_matches("*.NDR", "REPORT.IPM.Note.NDR"));
    }

    /// The meaning of a pattern, tried out in every way.
    fn slowly(tokens: &[Token], text: &[char]) -> bool {
        match (tokens.split_first(), text.split_first()) {
            (None, None) => true,
            (Some((Token::Any, rest)), None) => slowly(rest, text),
            (Some((Token::Any, rest)), Some((_, shorter))) => {
                slowly(rest, text) || slowly(tokens, shorter)
            }
            (Some((Token::One, rest)), Some((_, shorter))) => slowly(rest, shorter),
            (Some((Token::Char(c), rest)), Some((first, shorter))) => {
                c == first && slowly(rest, shorter)
            }
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn a_fast_match_says_what_a_slow_one_says(pattern in "[ab*?]{0,8}", text in "[ab]{0,8}") {
            let glob = Glob::new(&pattern);
            let chars: Vec<char> = text.chars().collect();
            prop_assert_eq!(glob.matches(&text), slowly(&glob.0, &chars));
        }

        #[test]
        fn any_text_matches_itself_when_its_signs_are_escaped(text in "\\PC{0,20}") {
            let escaped: String = text.chars().flat_map(|c| ['\\', c]).collect();
            prop_assert!(Glob::new(&escaped).matches(&text));
        }
    }
}

//! File names that are safe on Windows and Linux alike, and the same on every run.

/// Bytes a name may have, its ending included: below the 255 of common file systems, and short
/// enough for a few levels within the 260 characters of older Windows programs.
const MAX_BYTES: usize = 100;

/// Names Windows keeps for devices, with or without an ending.
const RESERVED: [&str; 30] = [
    "con",
    "conin$",
    "conout$",
    "prn",
    "aux",
    "nul",
    "com\u{b9}",
    "com\u{b2}",
    "com\u{b3}",
    "lpt\u{b9}",
    "lpt\u{b2}",
    "lpt\u{b3}",
    "com1",
    "com2",
    "com3",
    "com4",
    "com5",
    "com6",
    "com7",
    "com8",
    "com9",
    "lpt1",
    "lpt2",
    "lpt3",
    "lpt4",
    "lpt5",
    "lpt6",
    "lpt7",
    "lpt8",
    "lpt9",
];

/// A text as a file or folder name. Different texts can give the same name.
pub(crate) fn safe_name(text: &str) -> String {
    let mut name: String = text
        .chars()
        .map(|c| match c {
            '<' | '>' | ':' | '"' | '/' | '\\' | '|' | '?' | '*' => '_',
            c if c.is_control() || ('\u{200b}'..='\u{200f}').contains(&c) => '_',
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' => '_',
            c => c,
        })
        .collect();
    cut(&mut name, MAX_BYTES);
    // Windows drops trailing dots and spaces, and so would find another file.
    name.truncate(name.trim_end_matches(['.', ' ']).len());
    let mut name = name.trim_start().to_owned();
    let stem = name
        .split('.')
        .next()
        .unwrap_or_default()
        .trim_end()
        .to_ascii_lowercase();
    if RESERVED.contains(&stem.as_str()) {
        name.insert(0, '_');
    }
    if name.is_empty() {
        "_".to_owned()
    } else {
        name
    }
}

/// A text as a folder's name that no other folder has: with its key behind it.
pub(crate) fn distinct_name(text: &str, key: &str) -> String {
    let mut name = safe_name(text);
    cut(&mut name, MAX_BYTES - key.len() - 3);
    format!("{} ({key})", name.trim_end_matches(['.', ' ']))
}

/// An item's file name: its subject, enough of its key to be unique, and an ending.
pub(crate) fn item_name(subject: &str, key: &str, ending: &str) -> String {
    const KEY: usize = 12;
    let mut subject = safe_name(if subject.is_empty() {
        "no subject"
    } else {
        subject
    });
    cut(&mut subject, MAX_BYTES - KEY - 2 - ending.len());
    let subject = subject.trim_end_matches(['.', ' ']);
    format!("{subject}-{}.{ending}", key.get(..KEY).unwrap_or(key))
}

fn cut(text: &mut String, bytes: usize) {
    if text.len() > bytes {
        let end = (0..=bytes)
            .rev()
            .find(|end| text.is_char_boundary(*end))
            .unwrap_or(0);
        text.truncate(end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_safe_on_windows() {
        let check = |text: &str, expected: &str| assert_eq!(safe_name(text), expected, "{text:?}");
        check("Re: plans?", "Re_ plans_");
        check("con", "_con");
        check("LPT1.txt", "_LPT1.txt");
        check("console", "console");
        check("dots...", "dots");
        check(" . ", "_");
        check("a\u{202e}b\0c", "a_b_c");
        assert_eq!(
            item_name("", "0123456789abcdef", "eml"),
            "no subject-0123456789ab.eml"
        );
    }

    /// What neither Windows nor Linux may have trouble with.
    fn is_safe(name: &str) -> bool {
        let stem = name.split('.').next().unwrap_or_default().trim_end();
        !name.is_empty()
            && name.len() <= MAX_BYTES
            && !name.contains(['/', '\\', ':', '*', '?', '"', '<', '>', '|'])
            && !name.chars().any(char::is_control)
            && !name.ends_with(['.', ' '])
            && !name.starts_with(' ')
            && !RESERVED.contains(&stem.to_ascii_lowercase().as_str())
    }

    /// Texts of any characters at all, and such as are known to make trouble.
    fn texts() -> impl Strategy<Value = String> {
        prop_oneof![
            any::<String>(),
            "[. \u{0}-\u{1f}/\\\\:*?\"<>|a]{0,120}",
            "(?i)(con|prn|aux|nul|com[1-9]|lpt[1-9])[. ]{0,3}[a-z. ]{0,5}",
            "(ä|語|\u{1f600}|x){60,200}",
        ]
    }

    proptest! {
        #[test]
        fn any_text_gives_a_safe_name(text in texts()) {
            for name in [
                safe_name(&text),
                distinct_name(&text, "0123456789ab"),
                item_name(&text, "0123456789abcdef", "eml"),
            ] {
                prop_assert!(is_safe(&name), "{name:?}");
            }
            // The same name every time, and no further change to a safe one.
            prop_assert_eq!(safe_name(&safe_name(&text)), safe_name(&text));
        }

        /// File systems that ignore case keep items apart, too.
        #[test]
        fn other_items_have_other_names(
            text in texts(),
            other in texts(),
            keys in proptest::collection::hash_set("[0-9a-f]{12}", 2),
        ) {
            let mut names = keys.iter().zip([&text, &other]).map(|(key, text)| {
                (item_name(text, key, "eml").to_lowercase(), distinct_name(text, key).to_lowercase())
            });
            let (first, second) = (names.next().unwrap(), names.next().unwrap());
            prop_assert_ne!(first.0, second.0);
            prop_assert_ne!(first.1, second.1);
        }

        #[test]
        fn any_subject_gives_a_usable_name(subject in "\\PC*") {
            let name = item_name(&subject, "0123456789abcdef", "eml");
            prop_assert!(name.len() <= MAX_BYTES);
            prop_assert!(!name.contains(['/', '\\', ':', '*', '?', '"', '<', '>', '|']));
            prop_assert!(!name.chars().any(char::is_control));
            prop_assert!(name.ends_with("-0123456789ab.eml"));
        }
    }
}

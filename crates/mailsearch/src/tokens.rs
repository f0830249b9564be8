//! What a word is. Documents and queries are cut the same way, so a change here needs a new
//! format version.

/// Characters of a word that count; longer words are cut, so that encoded data in a text does
/// not fill the index.
pub const MAX_WORD_CHARS: usize = 40;

/// Cuts a text into words, in order, in lower case.
///
/// A word is a run of letters and digits of any script. A character of a script that is written
/// without spaces (Han, Hiragana, Katakana) is a word of its own.
pub fn words(text: &str, mut each: impl FnMut(&str)) {
    let mut word = String::new();
    let mut chars = 0;
    for c in text.chars() {
        if c.is_ascii_alphanumeric() {
            if chars < MAX_WORD_CHARS {
                word.push(c.to_ascii_lowercase());
            }
            chars += 1;
        } else if c.is_alphanumeric() && !stands_alone(c) {
            if chars < MAX_WORD_CHARS {
                word.extend(c.to_lowercase().filter(|c| c.is_alphanumeric()));
            }
            chars += 1;
        } else {
            if !word.is_empty() {
                each(&word);
                word.clear();
            }
            chars = 0;
            if c.is_alphanumeric() && stands_alone(c) {
                each(c.encode_utf8(&mut [0; 4]));
            }
        }
    }
    if !word.is_empty() {
        each(&word);
    }
}

/// The words of a text as a list.
pub fn word_list(text: &str) -> Vec<String> {
    let mut list = Vec::new();
    words(text, |word| list.push(word.to_owned()));
    list
}

fn stands_alone(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}'
        | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        assert_eq!(word_list(text), expected, "{text}");
    }

    #[test]
    fn words_are_runs_of_letters_and_digits_in_lower_case() {
        check(
            "Re: Budget-2024 (final).PDF",
            &["re", "budget", "2024", "final", "pdf"],
        );
        check("Ärger über STRASSE", &["ärger", "über", "strasse"]);
        check("ann@example.test", &["ann", "example", "test"]);
        check("東京 tower 会議", &["東", "京", "tower", "会", "議"]);
        check("", &[]);
        check(" -- ", &[]);
        check(&"x".repeat(100), &[&"x".repeat(MAX_WORD_CHARS)]);
    }
}

//! What somebody may have meant.

/// The known word nearest to a mistyped one, if one is near enough to be a likely mistake.
pub(crate) fn nearest<'a>(typed: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let typed = typed.to_lowercase().replace('-', "_");
    // One slip in a short word, more in a long one.
    let allowed = match typed.chars().count() {
        0..=1 => return None,
        2..=4 => 1,
        5..=8 => 2,
        _ => 3,
    };
    known
        .map(|word| (strsim::osa_distance(&typed, &word.replace('-', "_")), word))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn only_a_word_that_is_near_is_suggested() {
        let known = ["schedule", "server", "shard"];
        let nearest = |typed| nearest(typed, known.into_iter());
        assert_eq!(nearest("shedule"), Some("schedule"));
        assert_eq!(nearest("Sever"), Some("server"));
        assert_eq!(nearest("retention"), None);
        assert_eq!(nearest("x"), None);
    }
}

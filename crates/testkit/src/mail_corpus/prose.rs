//! Sentences with the statistics of language: few words often, many words seldom, and words that
//! like to follow one another.

use fastrand::Rng;

/// As many words as an office uses in a few years.
const WORDS: usize = 24_000;

const ONSETS: [&str; 24] = [
    "b", "br", "ch", "d", "f", "fl", "g", "gr", "h", "k", "l", "m", "n", "p", "pr", "r", "s",
    "sch", "st", "t", "tr", "v", "w", "z",
];
const VOWELS: [&str; 10] = ["a", "e", "i", "o", "u", "ei", "au", "ie", "ä", "ea"];
const CODAS: [&str; 16] = [
    "", "", "", "n", "r", "s", "t", "l", "nd", "ng", "rt", "st", "m", "ck", "x", "ns",
];

/// Words that carry grammar rather than matter, the most frequent of all.
const SMALL: [&str; 40] = [
    "the", "to", "of", "and", "a", "in", "is", "we", "for", "that", "you", "on", "with", "it",
    "as", "are", "be", "this", "have", "from", "not", "will", "or", "by", "at", "your", "can",
    "if", "our", "please", "has", "all", "they", "was", "but", "an", "more", "which", "their",
    "would",
];

/// The vocabulary, the most frequent word first.
pub(super) struct Prose {
    words: Vec<String>,
}

impl Prose {
    pub(super) fn new(rng: &mut Rng) -> Self {
        let mut words: Vec<String> = SMALL.map(str::to_owned).into();
        while words.len() < WORDS {
            let syllables = if words.len() < 2_000 { 1..=2 } else { 2..=4 };
            words.push((0..rng.usize(syllables)).map(|_| syllable(rng)).collect());
        }
        Self { words }
    }

    /// A name: one word with a capital letter.
    pub(super) fn name(&self, rng: &mut Rng) -> String {
        capital(&self.words[rng.usize(200..4_000)])
    }

    /// A word fit for a host or file name.
    pub(super) fn plain_word(&self, rng: &mut Rng) -> String {
        let word = &self.words[rng.usize(40..4_000)];
        word.chars().filter(char::is_ascii).collect()
    }

    /// A few words with a capital letter, for a subject.
    pub(super) fn title(&self, rng: &mut Rng) -> String {
        let mut before = rng.usize(..WORDS);
        let words = (0..rng.usize(2..7)).map(|_| {
            before = self.after(before, rng);
            self.words[before].as_str()
        });
        capital(&words.collect::<Vec<_>>().join(" "))
    }

    /// One to six sentences.
    pub(super) fn paragraph(&self, rng: &mut Rng) -> String {
        let sentences = (0..rng.usize(1..7)).map(|_| self.sentence(rng));
        sentences.collect::<Vec<_>>().join(" ")
    }

    fn sentence(&self, rng: &mut Rng) -> String {
        let mut before = rng.usize(..WORDS);
        let mut text = String::new();
        let words = rng.usize(6..26);
        for n in 0..words {
            before = self.after(before, rng);
            if n > 0 {
                text.push_str(if rng.u8(..100) < 6 { ", " } else { " " });
            }
            if rng.u8(..100) < 2 {
                text.push_str(&rng.u32(1..100_000).to_string());
            } else {
                text.push_str(&self.words[before]);
            }
        }
        text.push('.');
        capital(&text)
    }

    /// The index of the word after another: one of its six friends, or any by its frequency.
    fn after(&self, before: usize, rng: &mut Rng) -> usize {
        if rng.u8(..100) < 55 {
            let friend = (before * 6 + rng.usize(..6)) as u64;
            let mixed = friend.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            return rank((mixed >> 11) as f64 / (1u64 << 53) as f64);
        }
        rank(rng.f64())
    }
}

/// Zipf's law: the word of rank *r* comes 1/*r* times as often as the first.
fn rank(uniform: f64) -> usize {
    ((WORDS as f64).powf(uniform) as usize).clamp(1, WORDS) - 1
}

fn syllable(rng: &mut Rng) -> String {
    let part = |list: &[&'static str], rng: &mut Rng| list[rng.usize(..list.len())];
    [part(&ONSETS, rng), part(&VOWELS, rng), part(&CODAS, rng)].concat()
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}

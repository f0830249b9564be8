//! Results equal to a slow scan over everything, for generated queries.

use std::collections::{BTreeSet, HashMap, HashSet};

use mailsearch::{
    Document, Hit, Index, IndexWriter, Mark, Offer, Query, Row, RowKey, Scope, remove_index,
};

use crate::corpus::{Dice, KEY, documents, random};

const DAY_MS: i64 = 86_400_000;
const SNAPSHOTS: usize = 6;
const FOLDERS: [&str; 5] = [
    "Inbox",
    "Inbox/Projects",
    "Inbox/Projects/Old",
    "Sent Items",
    "Archive",
];

/// What a mailbox held at one time.
type Snapshot = Vec<(Row, usize)>;

/// Six snapshots in which mails come, go, move, change and are read.
fn history(documents: &[Document], dice: &mut Dice) -> Vec<Snapshot> {
    let mut history: Vec<Snapshot> = Vec::new();
    let mut next = 0;
    for number in 0..SNAPSHOTS {
        let mut snapshot: Snapshot = Vec::new();
        for (row, text) in history.last().into_iter().flatten() {
            let (mut row, mut text) = (row.clone(), *text);
            match dice.roll(40) {
                0 | 1 => continue,
                2 => row.folder = (*dice.pick(&FOLDERS)).to_owned(),
                3 => row.is_read = Some(true),
                4 => text = dice.roll(documents.len()),
                5 => row.key = key(next * 1000 + snapshot.len()),
                _ => {}
            }
            row.content = content(text);
            snapshot.push((row, text));
        }
        let arriving = documents.len() * (number + 1) / SNAPSHOTS;
        for text in next..arriving {
            let row = Row {
                key: key(text),
                content: content(text),
                folder: (*dice.pick(&FOLDERS)).to_owned(),
                is_read: [None, Some(true), Some(false)][dice.roll(3)],
            };
            snapshot.push((row, text));
        }
        // Something that was deleted comes back.
        if let Some(old) = history.first() {
            let (row, text) = dice.pick(old).clone();
            if snapshot.iter().all(|(other, _)| other.key != row.key) {
                snapshot.push((row, text));
            }
        }
        next = arriving;
        history.push(snapshot);
    }
    history
}

fn key(number: usize) -> RowKey {
    let mut key = [0; 24];
    key.copy_from_slice(&blake3::hash(&number.to_le_bytes()).as_bytes()[..24]);
    key
}

fn content(number: usize) -> [u8; 10] {
    let mut content = [0; 10];
    content.copy_from_slice(&blake3::hash(format!("text {number}").as_bytes()).as_bytes()[..10]);
    content
}

fn mark(number: usize) -> Mark {
    Mark {
        id: format!("snapshot {number}"),
        time_unix_ms: number as i64 * DAY_MS,
    }
}

/// What a test asks for, apart from the text of its query.
struct Wanted {
    text: String,
    scope: Option<Vec<usize>>,
    conditions: Vec<(bool, Simple)>,
}

enum Simple {
    Word(&'static str, String),
    Prefix(String),
    Phrase(&'static str, String),
    Before(i64),
    After(i64),
    Kind(&'static str),
    Larger(u64),
    Smaller(u64),
    Read(bool),
    /// One of the marks that items have, by its name in queries.
    Marked(&'static str),
    Attachment,
    Folder(&'static str),
    DeletedSince(i64),
}

/// Words by another way than the index's: the whole text at once, then pieces.
fn naive_words(text: &str) -> Vec<String> {
    let alone = |c: char| {
        ('\u{3040}'..='\u{30ff}').contains(&c)
            || ('\u{3400}'..='\u{9fff}').contains(&c) && !('\u{4dc0}'..='\u{4dff}').contains(&c)
            || ('\u{f900}'..='\u{faff}').contains(&c)
            || c >= '\u{20000}'
    };
    let mut spaced = String::new();
    for c in text.chars() {
        if alone(c) {
            spaced.extend([' ', c, ' ']);
        } else {
            spaced.push(if c.is_alphanumeric() { c } else { ' ' });
        }
    }
    let words = spaced.split_whitespace();
    words
        .map(|word| {
            let cut: String = word.chars().take(40).collect();
            cut.chars()
                .flat_map(char::to_lowercase)
                .filter(|c| c.is_alphanumeric())
                .collect()
        })
        .filter(|word: &String| !word.is_empty())
        .collect()
}

/// A document's words, cut once.
struct Words {
    subject: Vec<String>,
    from: Vec<String>,
    to: Vec<String>,
    anywhere: Vec<Vec<String>>,
}

impl Words {
    fn new(document: &Document) -> Self {
        let texts = std::iter::once(&document.subject).chain(&document.texts);
        Self {
            subject: naive_words(&document.subject),
            from: naive_words(&document.from),
            to: naive_words(&document.to),
            anywhere: texts.map(|text| naive_words(text)).collect(),
        }
    }

    fn of(&self, field: &str) -> Vec<&Vec<String>> {
        match field {
            "subject:" => vec![&self.subject],
            "from:" => vec![&self.from],
            "to:" => vec![&self.to],
            _ => self.anywhere.iter().collect(),
        }
    }
}

fn has_text(simple: &Simple, document: &Document, words: &Words) -> Option<bool> {
    Some(match simple {
        Simple::Word(field, value) => naive_words(value)
            .iter()
            .all(|wanted| words.of(field).iter().any(|list| list.contains(wanted))),
        Simple::Prefix(value) => words
            .anywhere
            .iter()
            .flatten()
            .any(|w| w.starts_with(value)),
        Simple::Phrase(field, value) => {
            let phrase = naive_words(value);
            words
                .of(field)
                .iter()
                .any(|list| list.windows(phrase.len()).any(|w| w == phrase))
        }
        Simple::Before(time) => document.date_unix_ms.is_some_and(|date| date < *time),
        Simple::After(time) => document.date_unix_ms.is_some_and(|date| date >= *time),
        Simple::Kind(kind) => document.kind.name() == *kind,
        Simple::Larger(bytes) => document.size_bytes > *bytes,
        Simple::Smaller(bytes) => document.size_bytes < *bytes,
        Simple::Attachment => document.has_attachments,
        Simple::Marked("is:flagged") => document.is_flagged,
        Simple::Marked("is:draft") => document.is_draft,
        Simple::Marked(_) => document.is_important,
        Simple::Read(_) | Simple::Folder(_) | Simple::DeletedSince(_) => return None,
    })
}

/// Everything that any snapshot in scope holds and that fits: the item, with the last snapshot
/// that has it so.
fn scan(
    wanted: &Wanted,
    history: &[Snapshot],
    documents: &[Document],
    words: &[Words],
) -> BTreeSet<(RowKey, usize)> {
    let fits: Vec<bool> = std::iter::zip(documents, words)
        .map(|(document, words)| {
            wanted.conditions.iter().all(|(negated, simple)| {
                has_text(simple, document, words).is_none_or(|holds| holds != *negated)
            })
        })
        .collect();
    let last = history.last().unwrap();
    let live_keys: HashSet<RowKey> = last.iter().map(|(row, _)| row.key).collect();
    let live_texts: HashSet<usize> = last.iter().map(|(_, text)| *text).collect();
    let mut newest: HashMap<RowKey, usize> = HashMap::new();
    for (number, snapshot) in history.iter().enumerate() {
        if wanted
            .scope
            .as_ref()
            .is_some_and(|scope| !scope.contains(&number))
        {
            continue;
        }
        for (row, text) in snapshot.iter().filter(|(_, text)| fits[*text]) {
            let holds = wanted.conditions.iter().all(|(negated, simple)| {
                let holds = match simple {
                    Simple::Read(read) => row.is_read == Some(*read),
                    Simple::Folder(folder) => {
                        let path = format!("/{}/", row.folder.to_lowercase());
                        path.contains(&format!("/{}/", folder.to_lowercase()))
                    }
                    Simple::DeletedSince(time) => {
                        let gone = (number + 1..history.len()).find(|later| {
                            !history[*later].iter().any(|(other, other_text)| {
                                (&other.folder, other.key, other.is_read, *other_text)
                                    == (&row.folder, row.key, row.is_read, *text)
                            })
                        });
                        gone.is_some_and(|gone| mark(gone).time_unix_ms >= *time)
                            && !live_keys.contains(&row.key)
                            && !live_texts.contains(text)
                    }
                    _ => return true,
                };
                holds != *negated
            });
            if holds {
                newest.insert(row.key, number);
            }
        }
    }
    newest.into_iter().collect()
}

fn generate(dice: &mut Dice, documents: &[Document], words: &[Words]) -> Wanted {
    let mut wanted = Wanted {
        text: String::new(),
        scope: None,
        conditions: Vec::new(),
    };
    if dice.roll(3) == 0 {
        wanted.scope = Some((0..SNAPSHOTS).filter(|_| dice.roll(2) == 0).collect());
    }
    // Mostly about one mail, so that there is something to find.
    let at = dice.roll(documents.len());
    for _ in 0..1 + dice.roll(3) {
        let at = if dice.roll(6) == 0 {
            dice.roll(documents.len())
        } else {
            at
        };
        let Some((text, simple)) = one(dice, &documents[at], &words[at]) else {
            continue;
        };
        let negated = dice.roll(5) == 0;
        wanted.text.push_str(if negated { " -" } else { " " });
        wanted.text.push_str(&text);
        wanted.conditions.push((negated, simple));
    }
    wanted
}

fn one(dice: &mut Dice, document: &Document, words: &Words) -> Option<(String, Simple)> {
    let date = document.date_unix_ms.unwrap_or(0);
    let year = 1970 + date / (365 * DAY_MS + DAY_MS / 4);
    let year_start = |year: i64| {
        let years = year - 1970;
        let leap = (years + 1) / 4 - (years + 69) / 100 + (years + 369) / 400;
        (years * 365 + leap) * DAY_MS
    };
    let list = |dice: &mut Dice, field: &str| {
        let lists = words.of(field);
        let list = dice.pick(&lists).to_vec();
        (!list.is_empty()).then_some(list)
    };
    let field = *dice.pick(&["", "", "", "subject:", "from:", "to:"]);
    Some(match dice.roll(14) {
        0..=3 => {
            let list = list(dice, field)?;
            let word = dice.pick(&list).clone();
            (format!("{field}{word}"), Simple::Word(field, word))
        }
        4 => {
            let list = list(dice, "")?;
            let word = dice.pick(&list).clone();
            let cut: String = word.chars().take(1 + dice.roll(5)).collect();
            (format!("{cut}*"), Simple::Prefix(cut))
        }
        5 | 6 => {
            let list = list(dice, field)?;
            let len = 2 + dice.roll(3);
            let start = dice.roll(list.len());
            let phrase = list.get(start..start + len)?.join(" ");
            (
                format!("{field}\"{phrase}\""),
                Simple::Phrase(field, phrase),
            )
        }
        7 if (1971..2090).contains(&year) => match dice.roll(2) {
            0 => (format!("before:{year}"), Simple::Before(year_start(year))),
            _ => (format!("after:{year}"), Simple::After(year_start(year))),
        },
        8 => {
            let kinds = ["mail", "meeting", "contact", "appointment", "task"];
            let kind = *dice.pick(&kinds);
            (format!("kind:{kind}"), Simple::Kind(kind))
        }
        9 => {
            let size = document.size_bytes + dice.roll(3) as u64 - 1;
            match dice.roll(2) {
                0 => (format!("size>{size}"), Simple::Larger(size)),
                _ => (format!("size<:{size}"), Simple::Smaller(size)),
            }
        }
        10 => mark_of(dice),
        11 => ("has:attachment".to_owned(), Simple::Attachment),
        12 => {
            let folder = *dice.pick(&["Inbox", "inbox/projects", "Old", "Sent Items", "None"]);
            (format!("folder:\"{folder}\""), Simple::Folder(folder))
        }
        _ => {
            let day = dice.roll(SNAPSHOTS) as i64 + 1;
            (
                format!("deleted-since:1970-01-{day:02}"),
                Simple::DeletedSince((day - 1) * DAY_MS),
            )
        }
    })
}

/// One of the conditions that begin with `is:`.
fn mark_of(dice: &mut Dice) -> (String, Simple) {
    match dice.roll(4) {
        0 => ("is:read".to_owned(), Simple::Read(true)),
        1 => ("is:unread".to_owned(), Simple::Read(false)),
        _ => {
            let name = *dice.pick(&["is:flagged", "is:draft", "is:important"]);
            (name.to_owned(), Simple::Marked(name))
        }
    }
}

/// Adds all snapshots, some in one go and some by a writer of their own.
fn build(folder: &std::path::Path, history: &[Snapshot], documents: &[Document]) {
    for (part, snapshots) in history.chunks(2).enumerate() {
        let (writer, _) = IndexWriter::open(folder, &KEY, random()).unwrap();
        let mut update = writer.flush_at(3 << 20).update().unwrap();
        for (at, snapshot) in snapshots.iter().enumerate() {
            for (row, text) in snapshot {
                if update.offer(row).unwrap() == Offer::Wanted {
                    update.add(row, &documents[*text]).unwrap();
                }
            }
            update.end_snapshot(mark(part * 2 + at)).unwrap();
        }
        update.finish().unwrap();
    }
}

/// The hits as items with the last snapshot that has each so, phrases decided; checks that each
/// hit is true of the snapshot it names.
fn answer(
    hits: Vec<Hit>,
    query: &Query,
    history: &[Snapshot],
    documents: &[Document],
    numbers: &HashMap<RowKey, Vec<&(Row, usize)>>,
) -> BTreeSet<(RowKey, usize)> {
    let mut answer: HashMap<RowKey, usize> = HashMap::new();
    for hit in hits {
        let number: usize = hit
            .snapshot
            .strip_prefix("snapshot ")
            .unwrap()
            .parse()
            .unwrap();
        let in_snapshot = &history[number];
        let (_, text) = numbers[&hit.key]
            .iter()
            .find(|(row, text)| {
                row.folder == hit.folder
                    && row.is_read == hit.is_read
                    && documents[*text].date_unix_ms == hit.date_unix_ms
                    && documents[*text].size_bytes == hit.size_bytes
                    && in_snapshot
                        .iter()
                        .any(|entry| entry == &(row.clone(), *text))
            })
            .expect("the hit is in the snapshot it names");
        if query.has_phrases_of(&documents[*text]) {
            let newest = answer.entry(hit.key).or_insert(number);
            *newest = (*newest).max(number);
        }
    }
    answer.into_iter().collect()
}

#[test]
fn five_hundred_queries_find_what_a_scan_of_everything_finds() {
    let Some(documents) = documents(3) else {
        return;
    };
    let mut dice = Dice(20_261_122);
    let history = history(&documents, &mut dice);
    let folder = tempfile::tempdir().unwrap();
    build(folder.path(), &history, &documents);
    let index = Index::open(folder.path(), &KEY).unwrap();
    let words: Vec<Words> = documents.iter().map(Words::new).collect();
    let numbers: HashMap<RowKey, Vec<&(Row, usize)>> =
        history
            .iter()
            .flatten()
            .fold(HashMap::new(), |mut map, entry| {
                map.entry(entry.0.key).or_insert_with(Vec::new).push(entry);
                map
            });

    let (mut asked, mut found_something) = (0, 0);
    while asked < 500 {
        let wanted = generate(&mut dice, &documents, &words);
        if wanted.conditions.is_empty() {
            continue;
        }
        asked += 1;
        let query = Query::parse(&wanted.text, 0).unwrap();
        let scope = wanted.scope.as_ref().map_or(Scope::All, |numbers| {
            Scope::Of(numbers.iter().map(|number| mark(*number).id).collect())
        });
        let found = index.search(&query, &scope, usize::MAX).unwrap();
        assert_eq!(found.total, found.hits.len() as u64);
        assert!(
            found
                .hits
                .is_sorted_by(|a, b| a.date_unix_ms >= b.date_unix_ms)
        );
        let answer = answer(found.hits, &query, &history, &documents, &numbers);
        let expected = scan(&wanted, &history, &documents, &words);
        found_something += usize::from(!expected.is_empty());
        assert!(
            answer == expected,
            "{:?} in {:?}: {} found, {} expected",
            wanted.text,
            wanted.scope,
            answer.len(),
            expected.len()
        );
    }
    assert!(
        found_something > 250,
        "{found_something} queries found something"
    );
    remove_index(folder.path()).unwrap();
}

//! Hundreds of queries against a scan of exported files that knows nothing of the index.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use engine::{ExportOptions, SearchOptions, Snapshot, SnapshotSelector, Timestamp};
use ews_sim::{Deletion, MailboxHandle, Sim};
use tokio_util::sync::CancellationToken;

use crate::world::{Server, Store, backup, latest};

const ALICE: &str = "alice@example.test";
const QUERIES: usize = 500;
const SNAPSHOTS: usize = 3;
/// Mails that arrive before each backup.
const ARRIVING: usize = 90;
const FOLDERS: [&str; 4] = ["Inbox", "Inbox/Projects", "Inbox/Projects/Old", "Archive"];

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % sides as u64) as usize
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.roll(from.len())]
    }
}

/// The words of a mail that is plain enough to be read without any parser.
struct Plain {
    subject: Vec<String>,
    from: Vec<String>,
    to: Vec<String>,
    body: Vec<String>,
}

impl Plain {
    fn of(&self, field: &str) -> Vec<&Vec<String>> {
        match field {
            "subject:" => vec![&self.subject],
            "from:" => vec![&self.from],
            "to:" => vec![&self.to],
            _ => vec![&self.subject, &self.body],
        }
    }
}

fn words(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(|word| word.chars().take(40).collect::<String>().to_lowercase())
        .collect()
}

/// `name <a@b.c>` and `a@b.c`, between commas.
fn is_plain_list(list: &str) -> bool {
    let is_address = |text: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._+-".contains(c);
        text.split_once('@').is_some_and(|(local, domain)| {
            !local.is_empty()
                && !domain.is_empty()
                && (local.to_owned() + domain).chars().all(plain)
        })
    };
    list.split(',').map(str::trim).all(|person| {
        let named = person.strip_suffix('>').and_then(|p| p.split_once('<'));
        let Some((name, address)) = named else {
            return is_address(person);
        };
        let name = name.trim();
        let name = name
            .strip_prefix('"')
            .and_then(|name| name.strip_suffix('"'))
            .unwrap_or(name);
        let plain = |c: char| c.is_ascii_alphanumeric() || " .'-".contains(c);
        !name.is_empty() && name.chars().all(plain) && is_address(address)
    })
}

/// ASCII, one text, no encodings, people named simply; nothing else is for this test.
fn plain(mail: &[u8]) -> Option<Plain> {
    let text = std::str::from_utf8(mail)
        .ok()
        .filter(|text| text.is_ascii())?;
    let text = text.replace("\r\n", "\n");
    let (head, body) = text.split_once("\n\n")?;
    let head = head.replace("\n ", " ").replace("\n\t", " ");
    // ISO-2022-JP is ASCII with escape characters.
    let is_odd = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    if head.contains("=?") || text.contains(is_odd) {
        return None;
    }
    let mut fields: BTreeMap<String, String> = BTreeMap::new();
    for line in head.lines() {
        let (name, value) = line.split_once(':')?;
        let name = name.to_lowercase();
        let known = ["subject", "from", "to", "cc", "date"].contains(&name.as_str());
        match name.as_str() {
            "bcc" | "sender" | "keywords" | "content-disposition" => return None,
            "content-type" if !value.trim().to_lowercase().starts_with("text/plain") => {
                return None;
            }
            "content-type" if value.to_lowercase().contains("name=") => return None,
            "content-transfer-encoding"
                if !["7bit", "8bit"].contains(&value.trim().to_lowercase().as_str()) =>
            {
                return None;
            }
            _ => {}
        }
        if fields.insert(name, value.trim().to_owned()).is_some() && known {
            return None;
        }
    }
    let field = |name: &str| fields.get(name).cloned().unwrap_or_default();
    // A mail without a readable date is as old as its copy on the server.
    let is_year = |word: &str| word.parse().is_ok_and(|year| (1990..2030).contains(&year));
    if !field("date").split_whitespace().any(is_year) {
        return None;
    }
    for list in ["from", "to", "cc"] {
        if !field(list).is_empty() && !is_plain_list(&field(list)) {
            return None;
        }
    }
    Some(Plain {
        subject: words(&field("subject")),
        from: words(&field("from")),
        to: words(&(field("to") + " " + &field("cc"))),
        body: words(body),
    })
}

fn collect(folder: &Path, found: &mut Vec<Vec<u8>>) {
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            collect(&path, found);
        } else {
            let mail = std::fs::read(path).unwrap();
            found.extend(plain(&mail).is_some().then_some(mail));
        }
    }
}

/// An item of an exported snapshot.
struct Exported {
    key: String,
    folder: String,
    is_read: bool,
    date: Option<Timestamp>,
    text: Plain,
}

async fn exported(store: &Store, snapshot: &Snapshot) -> Vec<Exported> {
    let out = tempfile::tempdir().unwrap();
    let (cancel, silent) = (CancellationToken::new(), Arc::new(engine::Silent));
    let options = ExportOptions::default();
    let report = store
        .vault
        .export(snapshot, &options, out.path(), &cancel, silent)
        .await
        .unwrap();
    assert_eq!(report.failures, []);
    let root = out.path().join(ALICE);
    let manifest = std::fs::read(root.join("manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    let entries = manifest["entries"].as_array().unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    entries
        .iter()
        .map(|entry| {
            let file = std::fs::read(root.join(text(&entry["file"]))).unwrap();
            let date = entry["received"].as_str().or(entry["sent"].as_str());
            Exported {
                key: text(&entry["key"]),
                folder: text(&entry["folder"]).to_lowercase(),
                is_read: entry["is_read"] == true,
                date: date.map(|date| date.parse().unwrap()),
                text: plain(&file).expect("the file is the mail as it came"),
            }
        })
        .collect()
}

enum Simple {
    Word(&'static str, String),
    Prefix(String),
    Phrase(&'static str, Vec<String>),
    Folder(&'static str),
    Read(bool),
    Before(Timestamp),
    After(Timestamp),
}

impl Simple {
    fn holds(&self, item: &Exported) -> bool {
        match self {
            Self::Word(field, word) => item.text.of(field).iter().any(|list| list.contains(word)),
            Self::Prefix(begin) => item
                .text
                .of("")
                .iter()
                .any(|list| list.iter().any(|word| word.starts_with(begin.as_str()))),
            Self::Phrase(field, phrase) => item
                .text
                .of(field)
                .iter()
                .any(|list| list.windows(phrase.len()).any(|run| run == phrase)),
            Self::Folder(folder) => {
                let wanted = format!("/{}/", folder.to_lowercase());
                format!("/{}/", item.folder).contains(&wanted)
            }
            Self::Read(read) => item.is_read == *read,
            Self::Before(time) => item.date.is_some_and(|date| date < *time),
            Self::After(time) => item.date.is_some_and(|date| date >= *time),
        }
    }
}

/// A condition about an item, as a user types it and as this test understands it.
fn one(dice: &mut Dice, item: &Exported) -> Option<(String, Simple)> {
    let field = *dice.pick(&["", "", "", "subject:", "from:", "to:"]);
    let lists = item.text.of(field);
    let list = *dice.pick(&lists);
    if list.is_empty() {
        return None;
    }
    let year = 1998 + dice.roll(25);
    let start: Timestamp = format!("{year}-01-01T00:00:00Z").parse().unwrap();
    Some(match dice.roll(12) {
        0..=3 => {
            let word = dice.pick(list).clone();
            (format!("{field}{word}"), Simple::Word(field, word))
        }
        4 | 5 => {
            let lists = item.text.of("");
            let list = lists.iter().find(|list| !list.is_empty())?;
            let word = dice.pick(list).clone();
            let begin: String = word.chars().take(1 + dice.roll(5)).collect();
            (format!("{begin}*"), Simple::Prefix(begin))
        }
        6 | 7 => {
            let (from, len) = (dice.roll(list.len()), 2 + dice.roll(3));
            let phrase = list.get(from..from + len)?.to_vec();
            let text = format!("{field}\"{}\"", phrase.join(" "));
            (text, Simple::Phrase(field, phrase))
        }
        8 => {
            let folder = *dice.pick(&["Inbox", "projects", "Inbox/Projects/Old", "Archive", "No"]);
            (format!("folder:\"{folder}\""), Simple::Folder(folder))
        }
        9 => match dice.roll(2) {
            0 => ("is:read".to_owned(), Simple::Read(true)),
            _ => ("is:unread".to_owned(), Simple::Read(false)),
        },
        10 => (format!("before:{year}"), Simple::Before(start)),
        _ => (format!("after:{year}"), Simple::After(start)),
    })
}

/// Mails come, go, move and are read.
fn live(mailbox: &MailboxHandle, arriving: &[Vec<u8>], dice: &mut Dice) {
    for folder in FOLDERS {
        for item in mailbox.items(folder).unwrap_or_default() {
            match dice.roll(12) {
                0 => mailbox.delete(&item.id, Deletion::Hard).unwrap(),
                1 => drop(
                    mailbox
                        .move_item(&item.id, FOLDERS[dice.roll(FOLDERS.len())])
                        .unwrap(),
                ),
                2 => mailbox.set_read(&item.id, !item.is_read).unwrap(),
                _ => {}
            }
        }
    }
    for mail in arriving {
        mailbox
            .add_mime(FOLDERS[dice.roll(FOLDERS.len())], mail)
            .unwrap();
    }
}

/// A mailbox's snapshots, and what each holds.
type History = Vec<(Snapshot, Vec<Exported>)>;

/// Backs a mailbox up while mails come and go, and exports each snapshot.
async fn history(mails: &[Vec<u8>], dice: &mut Dice) -> (Store, History) {
    let sim = Sim::builder().mailbox(ALICE).build().unwrap();
    let server = Server::start(sim).await;
    let store = Store::create().await;
    let mut history = History::new();
    for arriving in mails.chunks(ARRIVING).take(SNAPSHOTS) {
        live(&server.sim.mailbox(ALICE).unwrap(), arriving, dice);
        backup(&store.vault, &server, &[ALICE]).await;
        let snapshot = latest(&store.vault, ALICE).await;
        let items = exported(&store, &snapshot).await;
        assert_eq!(items.len() as u64, snapshot.about.items);
        history.push((snapshot, items));
    }
    (store, history)
}

/// A query, and in which snapshot alone, if not in all.
struct Asked {
    text: String,
    conditions: Vec<(bool, Simple)>,
    only: Option<usize>,
}

fn ask(dice: &mut Dice, history: &History) -> Asked {
    let (_, about) = dice.pick(history);
    let about = dice.pick(about);
    let (mut text, mut conditions) = (String::new(), Vec::new());
    for _ in 0..1 + dice.roll(3) {
        let Some((typed, simple)) = one(dice, about) else {
            continue;
        };
        let negated = dice.roll(5) == 0;
        text += if negated { " -" } else { " " };
        text += &typed;
        conditions.push((negated, simple));
    }
    Asked {
        text,
        conditions,
        only: (dice.roll(3) == 0).then(|| dice.roll(history.len())),
    }
}

/// The items that fit, each with the newest snapshot that has it so.
fn scan<'a>(asked: &Asked, history: &'a History) -> BTreeSet<(&'a str, &'a str)> {
    let mut found: BTreeMap<&str, &str> = BTreeMap::new();
    for (at, (snapshot, items)) in history.iter().enumerate() {
        if asked.only.is_some_and(|only| only != at) {
            continue;
        }
        for item in items {
            let mut conditions = asked.conditions.iter();
            if conditions.all(|(negated, condition)| condition.holds(item) != *negated) {
                found.insert(&item.key, &snapshot.id);
            }
        }
    }
    found.into_iter().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_queries_find_what_a_scan_of_the_exported_files_finds() {
    let Some(shared) = testkit::shared_dir() else {
        return;
    };
    let mut mails = Vec::new();
    collect(&shared.join("corpus/mail"), &mut mails);
    let mut dice = Dice(20_261_122);
    let step = mails.len() / (SNAPSHOTS * ARRIVING);
    assert!(step > 0, "only {} plain mails", mails.len());
    let mails: Vec<Vec<u8>> = mails.into_iter().step_by(step).collect();
    let (store, history) = history(&mails, &mut dice).await;
    let (mut asked, mut found_something) = (0, 0);
    while asked < QUERIES {
        let wanted = ask(&mut dice, &history);
        if wanted.conditions.is_empty() {
            continue;
        }
        asked += 1;
        let text = &wanted.text;
        let selector = |at: usize| SnapshotSelector::Id(history[at].0.id.to_lowercase());
        let options = SearchOptions {
            mailbox: None,
            snapshot: wanted.only.map(selector),
            limit: usize::MAX,
        };
        let query = store.vault.parse_query(text).unwrap();
        let (cancel, silent) = (CancellationToken::new(), Arc::new(engine::Silent));
        let search = store.vault.search(&query, &options, &cancel, silent);
        let found = search.await.unwrap();
        assert_eq!(found.total, Some(found.hits.len() as u64), "{text}");
        let hits: BTreeSet<(&str, &str)> = found
            .hits
            .iter()
            .map(|hit| (hit.key.as_str(), hit.snapshot.as_str()))
            .collect();
        let expected = scan(&wanted, &history);
        assert!(
            hits == expected,
            "{text} in {:?}: {} found, {} expected",
            wanted.only,
            hits.len(),
            expected.len()
        );
        found_something += usize::from(!expected.is_empty());
    }
    assert!(
        found_something > QUERIES / 2,
        "{found_something} queries found something"
    );
}

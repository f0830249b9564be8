//! The query language.

use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::document::Kind;
use crate::error::{Error, Result};
use crate::query::{Clause, Condition, Field, Query};
use crate::tokens::word_list;

/// A query with more conditions than this is refused.
const MAX_CLAUSES: usize = 100;
const DAY_MS: i64 = 86_400_000;

impl Query {
    /// Understands what a user typed.
    ///
    /// ```text
    /// invoice acme            both words in subject, body, attachment names or attached texts
    /// "quarterly report"      the words next to one another
    /// invoi*                  words that begin so
    /// -draft                  not
    /// subject: from: to:      words, phrases or beginnings there
    /// before: after:          2024-05-31, 2024-05, 2024, or 30d for days before now
    /// kind:                   mail, appointment, contact, task, note, meeting, journal, post
    /// size>2M  size<10k       also size>:2M
    /// is:read is:unread is:flagged is:draft is:important has:attachment
    /// folder:Inbox/Projects   a folder and those below it; folder:"Sent Items"
    /// mailbox:ann@            part of a mailbox's address
    /// deleted-since:2024-05   gone in a snapshot made then or later
    /// ```
    ///
    /// `now_unix_ms` is what `30d` counts back from.
    ///
    /// # Errors
    /// `Invalid`, with a text for the user.
    pub fn parse(text: &str, now_unix_ms: i64) -> Result<Self> {
        let mut clauses = Vec::new();
        for piece in pieces(text)? {
            if let Some(condition) = condition(&piece, now_unix_ms)? {
                let negated = piece.negated;
                clauses.push(Clause { negated, condition });
            }
            if clauses.len() > MAX_CLAUSES {
                return Err(Error::invalid(format!(
                    "a query has at most {MAX_CLAUSES} conditions"
                )));
            }
        }
        Ok(Self { clauses })
    }
}

/// `-name:"value"`
#[derive(Debug, Default)]
struct Piece {
    negated: bool,
    name: Option<String>,
    value: String,
    quoted: bool,
}

fn pieces(text: &str) -> Result<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let mut piece = Piece::default();
        if let Some(after) = rest.strip_prefix('-') {
            piece.negated = true;
            rest = after;
        }
        let plain = rest
            .find(|c: char| c.is_whitespace() || c == '"')
            .unwrap_or(rest.len());
        let (head, _) = rest.split_at(plain);
        if let Some((name, skipped)) = operator(head) {
            piece.name = Some(name);
            rest = &rest[skipped..];
        }
        if let Some(after) = rest.strip_prefix('"') {
            let (value, after) = after
                .split_once('"')
                .ok_or_else(|| Error::invalid("a quotation mark is not closed"))?;
            piece.value = value.to_owned();
            piece.quoted = true;
            rest = after;
        } else {
            let end = rest
                .find(|c: char| c.is_whitespace() || c == '"')
                .unwrap_or(rest.len());
            let (value, after) = rest.split_at(end);
            piece.value = value.to_owned();
            rest = after;
        }
        pieces.push(piece);
        rest = rest.trim_start();
    }
    Ok(pieces)
}

/// The operator that a piece begins with, and its length.
fn operator(head: &str) -> Option<(String, usize)> {
    const NAMES: [&str; 15] = [
        "subject:",
        "from:",
        "to:",
        "before:",
        "after:",
        "kind:",
        "size>:",
        "size<:",
        "size>",
        "size<",
        "is:",
        "has:",
        "folder:",
        "mailbox:",
        "deleted-since:",
    ];
    let lower = head.to_ascii_lowercase();
    NAMES
        .into_iter()
        .find(|name| lower.starts_with(name))
        .map(|name| (name.trim_end_matches(':').to_owned(), name.len()))
}

fn condition(piece: &Piece, now_unix_ms: i64) -> Result<Option<Condition>> {
    let value = piece.value.as_str();
    let wrong = |what: &str, name: &str| {
        Err(Error::invalid(format!(
            "{name}{value} makes no sense: {what}"
        )))
    };
    let Some(name) = piece.name.as_deref() else {
        return Ok(of_words(Field::Anywhere, piece));
    };
    if value.is_empty() {
        return Err(Error::invalid(format!("{name}: needs a value")));
    }
    let date = || date(value, now_unix_ms);
    Ok(match name {
        "subject" => of_words(Field::Subject, piece),
        "from" => of_words(Field::From, piece),
        "to" => of_words(Field::To, piece),
        "before" => Some(Condition::Before(date()?)),
        "after" => Some(Condition::After(date()?)),
        "deleted-since" => Some(Condition::DeletedSince(date()?)),
        "size>" => Some(Condition::LargerThan(size(value)?)),
        "size<" => Some(Condition::SmallerThan(size(value)?)),
        "folder" => Some(Condition::Folder(value.trim_matches('/').to_lowercase())),
        "mailbox" => Some(Condition::Mailbox(value.to_lowercase())),
        "kind" => {
            let lower = value.to_lowercase();
            let known = Kind::NAMES.into_iter().find(|(name, _)| *name == lower);
            match known {
                Some((_, kind)) => Some(Condition::Kind(kind)),
                None => {
                    let names = Kind::NAMES.map(|(name, _)| name).join(", ");
                    return wrong(&format!("the kinds are {names}"), "kind:");
                }
            }
        }
        "is" => match value.to_lowercase().as_str() {
            "read" => Some(Condition::Read(true)),
            "unread" => Some(Condition::Read(false)),
            "flagged" => Some(Condition::Flagged),
            "draft" => Some(Condition::Draft),
            "important" => Some(Condition::Important),
            _ => return wrong("read, unread, flagged, draft or important", "is:"),
        },
        _ => match value.to_lowercase().as_str() {
            "attachment" | "attachments" => Some(Condition::HasAttachment),
            _ => return wrong("has:attachment", "has:"),
        },
    })
}

/// `None` where nothing of the value is a word.
fn of_words(field: Field, piece: &Piece) -> Option<Condition> {
    let mut words = word_list(&piece.value);
    match words.len() {
        0 => None,
        1 if !piece.quoted && piece.value.ends_with('*') => {
            Some(Condition::Prefix(field, words.remove(0)))
        }
        2.. if piece.quoted => Some(Condition::Phrase(field, words)),
        _ => Some(Condition::Words(field, words)),
    }
}

fn date(value: &str, now_unix_ms: i64) -> Result<i64> {
    let wrong = || {
        Error::invalid(format!(
            "{value} is no date: write 2024-05-31, 2024-05, 2024, or 30d for days before now"
        ))
    };
    if let Some(days) = value.strip_suffix('d').and_then(|n| n.parse::<u16>().ok()) {
        return Ok(now_unix_ms.saturating_sub(i64::from(days) * DAY_MS));
    }
    let full = match value.len() {
        4 => format!("{value}-01-01"),
        7 => format!("{value}-01"),
        _ => value.to_owned(),
    };
    let date: Date = full.parse().map_err(|_| wrong())?;
    let zoned = date.to_zoned(TimeZone::UTC).map_err(|_| wrong())?;
    Ok(zoned.timestamp().as_millisecond())
}

fn size(value: &str) -> Result<u64> {
    let lower = value.to_ascii_lowercase();
    let number = lower.trim_end_matches('b');
    let (digits, factor) = match number.as_bytes().last() {
        Some(b'k') => (&number[..number.len() - 1], 1 << 10),
        Some(b'm') => (&number[..number.len() - 1], 1 << 20),
        Some(b'g') => (&number[..number.len() - 1], 1 << 30),
        _ => (number, 1_u64),
    };
    digits
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(factor))
        .ok_or_else(|| Error::invalid(format!("{value} is no size: write 500, 10k, 2M or 1G")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[(bool, Condition)]) {
        let query = Query::parse(text, 100 * DAY_MS).unwrap();
        let found: Vec<_> = query
            .clauses
            .into_iter()
            .map(|clause| (clause.negated, clause.condition))
            .collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn each_operator_is_understood() {
        use Condition as C;
        let words = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
        check("", &[]);
        check(
            "Invoice",
            &[(false, C::Words(Field::Anywhere, words(&["invoice"])))],
        );
        check(
            "-re: ",
            &[(true, C::Words(Field::Anywhere, words(&["re"])))],
        );
        check(
            "invoi*",
            &[(false, C::Prefix(Field::Anywhere, "invoi".into()))],
        );
        check(
            "\"Quarterly  report\"",
            &[(
                false,
                C::Phrase(Field::Anywhere, words(&["quarterly", "report"])),
            )],
        );
        check(
            "from:ann@example.test SUBJECT:\"a b\"",
            &[
                (
                    false,
                    C::Words(Field::From, words(&["ann", "example", "test"])),
                ),
                (false, C::Phrase(Field::Subject, words(&["a", "b"]))),
            ],
        );
        check(
            "after:1970-01-02 before:1971 deleted-since:99d",
            &[
                (false, C::After(DAY_MS)),
                (false, C::Before(365 * DAY_MS)),
                (false, C::DeletedSince(DAY_MS)),
            ],
        );
        check(
            "size>:2M size<10kb kind:Mail is:unread -has:attachment is:Flagged",
            &[
                (false, C::LargerThan(2 << 20)),
                (false, C::SmallerThan(10 << 10)),
                (false, C::Kind(Kind::Mail)),
                (false, C::Read(false)),
                (true, C::HasAttachment),
                (false, C::Flagged),
            ],
        );
        check(
            "folder:\"Sent Items\"",
            &[(false, C::Folder("sent items".into()))],
        );
        for text in [
            "\"open",
            "before:soon",
            "kind:fax",
            "size>:x",
            "is:odd",
            "from:",
            "has:x",
        ] {
            assert!(Query::parse(text, 0).is_err(), "{text}");
        }
    }
}

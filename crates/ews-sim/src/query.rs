//! QueryString: Advanced Query Syntax, as far as mailboxes have words for it.
//!
//! `subject:report from:bob -draft "whole phrase" hasattachment:true received:2026-01-05..2026-01-09
//! (a OR b) NOT c`; words match from the beginning of words, as an index of them does.

use crate::clock::parse_xml_time;
use crate::prop::Path;
use crate::restriction::{Row, Value};

/// Most terms and deepest brackets of a query.
const MAX_TERMS: usize = 200;
const MAX_DEPTH: usize = 16;
const DAY_TICKS: u64 = 86_400 * 10_000_000;

/// A query.
#[derive(Debug)]
pub(crate) enum Query {
    All(Vec<Query>),
    Any(Vec<Query>),
    Not(Box<Query>),
    /// Text in some properties; a phrase, or the beginning of a word.
    Text(&'static [&'static str], String),
    Flag(&'static str, bool),
    /// A property's text is one of these.
    Name(&'static str, String),
    /// A time from and until, in ticks.
    Time(&'static str, u64, u64),
    /// More or fewer bytes.
    Size(bool, f64),
}

const ANYWHERE: &[&str] = &[
    "item:Subject",
    "item:Body",
    "message:From",
    "message:ToRecipients",
    "message:CcRecipients",
    "calendar:Location",
    "contacts:DisplayName",
    "contacts:CompanyName",
    "item:Categories",
];

impl Query {
    /// Reads a query; `None` if it is empty.
    pub(crate) fn read(text: &str) -> Option<Query> {
        let tokens: Vec<String> = tokens(text);
        let mut at = 0;
        let query = any(&tokens, &mut at, 0);
        match query {
            Query::All(terms) if terms.is_empty() => None,
            query => Some(query),
        }
    }

    /// Whether a row is meant.
    pub(crate) fn admits(&self, row: &dyn Row) -> bool {
        let value = |uri: &str| row.value(&Path::Field(uri.to_owned()));
        match self {
            Query::All(all) => all.iter().all(|one| one.admits(row)),
            Query::Any(any) => any.iter().any(|one| one.admits(row)),
            Query::Not(inner) => !inner.admits(row),
            Query::Text(uris, wanted) => uris.iter().any(|uri| match value(uri) {
                Some(Value::Text(text)) => has_words(&text.to_lowercase(), wanted),
                Some(Value::List(list)) => list
                    .iter()
                    .any(|text| has_words(&text.to_lowercase(), wanted)),
                _ => false,
            }),
            Query::Flag(uri, wanted) => value(uri) == Some(Value::Flag(*wanted)),
            Query::Name(uri, wanted) => match value(uri) {
                Some(Value::Text(text) | Value::Ranked(_, text)) => {
                    text.to_lowercase().starts_with(wanted.as_str())
                }
                _ => false,
            },
            Query::Time(uri, from, until) => match value(uri) {
                Some(Value::Time(ticks)) => ticks >= *from && ticks < *until,
                _ => false,
            },
            Query::Size(more, bytes) => match value("item:Size") {
                Some(Value::Number(size)) if *more => size > *bytes,
                Some(Value::Number(size)) => size < *bytes,
                _ => false,
            },
        }
    }
}

/// Whether words stand in a text from the beginning of a word on.
fn has_words(text: &str, wanted: &str) -> bool {
    let starts = |at: usize| {
        let before = text.get(..at).and_then(|text| text.chars().next_back());
        before.is_none_or(|character| !character.is_alphanumeric())
    };
    text.match_indices(wanted).any(|(at, _)| starts(at))
}

/// Words, phrases in quotes with what stands before them, and brackets.
fn tokens(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut word = String::new();
    let mut quoted = false;
    for character in text.chars() {
        match character {
            '"' => {
                quoted = !quoted;
                word.push('"');
            }
            '(' | ')' if !quoted => {
                // A bracket behind a colon groups values: the property is for the first alone.
                found.extend((!word.is_empty()).then(|| std::mem::take(&mut word)));
                found.push(character.to_string());
            }
            character if character.is_whitespace() && !quoted => {
                found.extend((!word.is_empty()).then(|| std::mem::take(&mut word)));
            }
            character => word.push(character),
        }
    }
    found.extend((!word.is_empty()).then_some(word));
    found.truncate(MAX_TERMS);
    found
}

fn any(tokens: &[String], at: &mut usize, depth: usize) -> Query {
    let mut parts = vec![all(tokens, at, depth)];
    while tokens.get(*at).is_some_and(|token| token == "OR") {
        *at += 1;
        parts.push(all(tokens, at, depth));
    }
    match parts.len() {
        1 => parts.remove(0),
        _ => Query::Any(parts),
    }
}

fn all(tokens: &[String], at: &mut usize, depth: usize) -> Query {
    let mut parts = Vec::new();
    while let Some(token) = tokens.get(*at) {
        match token.as_str() {
            "OR" | ")" => break,
            "AND" => *at += 1,
            _ => parts.extend(one(tokens, at, depth)),
        }
    }
    Query::All(parts)
}

fn one(tokens: &[String], at: &mut usize, depth: usize) -> Option<Query> {
    let token = tokens.get(*at)?;
    *at += 1;
    match token.as_str() {
        "NOT" | "-" => one(tokens, at, depth).map(|inner| Query::Not(Box::new(inner))),
        "(" if depth < MAX_DEPTH => {
            let inner = any(tokens, at, depth + 1);
            if tokens.get(*at).is_some_and(|token| token == ")") {
                *at += 1;
            }
            Some(inner)
        }
        "(" | ")" => None,
        word => match word.strip_prefix('-').filter(|rest| !rest.is_empty()) {
            Some(rest) => term(rest).map(|inner| Query::Not(Box::new(inner))),
            None => term(word),
        },
    }
}

fn term(word: &str) -> Option<Query> {
    let word = word.to_lowercase();
    let (property, value) = match word.split_once(':') {
        Some((property, value)) if !property.starts_with('"') => (property, value),
        _ => ("", word.as_str()),
    };
    let value = value.trim_matches('"').trim_end_matches('*');
    let is_yes = matches!(value, "true" | "yes" | "1");
    Some(match property {
        "" => Query::Text(ANYWHERE, non_empty(value)?),
        "subject" => Query::Text(&["item:Subject"], non_empty(value)?),
        "body" | "content" => Query::Text(&["item:Body"], non_empty(value)?),
        "from" | "sender" => Query::Text(&["message:From", "message:Sender"], non_empty(value)?),
        "to" => Query::Text(&["message:ToRecipients"], non_empty(value)?),
        "cc" => Query::Text(&["message:CcRecipients"], non_empty(value)?),
        "bcc" => Query::Text(&["message:BccRecipients"], non_empty(value)?),
        "participants" | "recipients" => Query::Text(
            &[
                "message:From",
                "message:ToRecipients",
                "message:CcRecipients",
                "message:BccRecipients",
            ],
            non_empty(value)?,
        ),
        "category" | "categories" => Query::Text(&["item:Categories"], non_empty(value)?),
        "location" => Query::Text(&["calendar:Location"], non_empty(value)?),
        "hasattachment" | "hasattachments" => Query::Flag("item:HasAttachments", is_yes),
        "isread" | "read" => Query::Flag("message:IsRead", is_yes),
        "importance" => Query::Name("item:Importance", non_empty(value)?),
        "kind" => Query::Name("item:ItemClass", class_of(value)?.to_owned()),
        "size" => {
            let more = !value.starts_with('<');
            Query::Size(more, value.trim_matches(['<', '>', '=']).parse().ok()?)
        }
        "received" => time("item:DateTimeReceived", value)?,
        "sent" => time("item:DateTimeSent", value)?,
        // A colon in what is only a word.
        _ => Query::Text(ANYWHERE, word.trim_matches('"').to_owned()),
    })
}

fn non_empty(value: &str) -> Option<String> {
    (!value.is_empty()).then(|| value.to_owned())
}

fn class_of(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "email" | "mail" | "message" => "ipm.note",
        "meetings" | "calendar" | "meeting" => "ipm.appointment",
        "contacts" | "contact" => "ipm.contact",
        "tasks" | "task" => "ipm.task",
        "notes" | "note" => "ipm.stickynote",
        "posts" | "post" => "ipm.post",
        _ => return None,
    })
}

/// A day, days from and until, or before and after one.
fn time(uri: &'static str, value: &str) -> Option<Query> {
    let day = |text: &str| {
        let text = text.trim_matches('"').to_uppercase();
        match text.contains('T') {
            true => parse_xml_time(&text),
            false => parse_xml_time(&format!("{}T00:00:00Z", spelt(&text)?)),
        }
    };
    let next = |ticks: u64| ticks.saturating_add(DAY_TICKS);
    Some(match value {
        range if range.contains("..") => {
            let (from, until) = range.split_once("..")?;
            Query::Time(uri, day(from)?, next(day(until)?))
        }
        after if after.starts_with(">=") => Query::Time(uri, day(after.get(2..)?)?, u64::MAX),
        before if before.starts_with("<=") => Query::Time(uri, 0, next(day(before.get(2..)?)?)),
        after if after.starts_with('>') => Query::Time(uri, next(day(after.get(1..)?)?), u64::MAX),
        before if before.starts_with('<') => Query::Time(uri, 0, day(before.get(1..)?)?),
        value => Query::Time(uri, day(value)?, next(day(value)?)),
    })
}

/// `2026-01-05` or `1/5/2026` as the former.
fn spelt(text: &str) -> Option<String> {
    match text.split('/').collect::<Vec<_>>()[..] {
        [month, day, year] => Some(format!("{year:0>4}-{month:0>2}-{day:0>2}")),
        [iso] => Some(iso.to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A mail of which only these are known.
    struct Mail;

    impl Row for Mail {
        fn value(&self, path: &Path) -> Option<Value> {
            let Path::Field(uri) = path else { return None };
            Some(match uri.as_str() {
                "item:Subject" => Value::Text("Quarterly Report".to_owned()),
                "item:Body" => Value::Text("the figures of spring".to_owned()),
                "message:From" => Value::Text("Bob Smith bob@example.com".to_owned()),
                "item:HasAttachments" => Value::Flag(true),
                "item:Size" => Value::Number(2000.0),
                "item:ItemClass" => Value::Text("IPM.Note".to_owned()),
                "item:DateTimeReceived" => Value::Time(parse_xml_time("2026-01-05T10:00:00Z")?),
                _ => return None,
            })
        }
    }

    #[test]
    fn words_properties_times_and_brackets_are_understood() {
        for (query, expected) in [
            ("report", true),
            ("rep", true),
            ("eport", false),
            ("subject:report", true),
            ("subject:figures", false),
            ("body:figures", true),
            ("from:bob quarterly", true),
            ("from:alice", false),
            ("\"quarterly report\"", true),
            ("\"report quarterly\"", false),
            ("subject:\"quarterly report\"", true),
            ("report AND spring", true),
            ("winter OR spring", true),
            ("winter OR autumn", false),
            ("NOT winter", true),
            ("-report", false),
            ("(winter OR spring) from:bob", true),
            ("hasattachment:true", true),
            ("hasattachments:no", false),
            ("kind:email", true),
            ("kind:tasks", false),
            ("size:>1000", true),
            ("size:<1000", false),
            ("received:2026-01-05", true),
            ("received:1/5/2026", true),
            ("received:2026-01-01..2026-01-04", false),
            ("received:>=2026-01-05", true),
            ("received:>2026-01-05", false),
        ] {
            let read = Query::read(query).unwrap();
            assert_eq!(read.admits(&Mail), expected, "{query}: {read:?}");
        }
        assert!(Query::read("  ").is_none());
    }
}

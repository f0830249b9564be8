//! What is searched for.

use crate::document::{Document, Kind};
use crate::tokens::word_list;

/// Which texts a word is looked for in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    /// Subject, body, attachment names, and the texts of attachments.
    Anywhere,
    /// The subject alone.
    Subject,
    /// The sender's name and address.
    From,
    /// The recipients' names and addresses.
    To,
}

impl Field {
    /// The first byte of the field's terms.
    pub(crate) fn byte(self) -> u8 {
        match self {
            Self::Anywhere => b'a',
            Self::Subject => b's',
            Self::From => b'f',
            Self::To => b't',
        }
    }

    pub(crate) fn term(self, word: &str) -> Vec<u8> {
        let mut term = Vec::with_capacity(word.len() + 1);
        term.push(self.byte());
        term.extend_from_slice(word.as_bytes());
        term
    }

    pub(crate) fn texts(self, document: &Document) -> impl Iterator<Item = &str> {
        let subject = matches!(self, Self::Anywhere | Self::Subject).then_some(&document.subject);
        let from = (self == Self::From).then_some(&document.from);
        let to = (self == Self::To).then_some(&document.to);
        let texts = match self {
            Self::Anywhere => document.texts.as_slice(),
            _ => &[],
        };
        let single = [subject, from, to].into_iter().flatten();
        single.chain(texts).map(String::as_str)
    }
}

/// One condition of a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// All these words occur, in any order.
    Words(Field, Vec<String>),
    /// A word that begins like this occurs.
    Prefix(Field, String),
    /// These words follow one another within one text.
    Phrase(Field, Vec<String>),
    /// The date is earlier than this, milliseconds since 1970 UTC.
    Before(i64),
    /// The date is this or later.
    After(i64),
    /// It is of this kind.
    Kind(Kind),
    /// It is larger than so many bytes.
    LargerThan(u64),
    /// It is smaller than so many bytes.
    SmallerThan(u64),
    /// It was read, or not.
    Read(bool),
    /// It has attachments.
    HasAttachment,
    /// It is flagged for follow-up.
    Flagged,
    /// It was not sent yet.
    Draft,
    /// It is of high importance.
    Important,
    /// It is in this folder or below it: a path, or any part of one, in lower case.
    Folder(String),
    /// It is in this mailbox, in lower case. The index knows one mailbox only: this is for the
    /// caller, and true here.
    Mailbox(String),
    /// It was seen last before, and was missing in, a snapshot made at this time or later.
    DeletedSince(i64),
}

/// A condition, or its opposite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clause {
    /// Whether the condition must not hold.
    pub negated: bool,
    /// The condition.
    pub condition: Condition,
}

/// Conditions that must all hold. An empty query finds everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// The conditions.
    pub clauses: Vec<Clause>,
}

impl Query {
    /// Whether the index alone cannot answer it: hits are candidates, and
    /// [`Query::has_phrases_of`] decides on the document.
    pub fn has_phrases(&self) -> bool {
        self.clauses
            .iter()
            .any(|clause| matches!(clause.condition, Condition::Phrase(..)))
    }

    /// Whether a mailbox can have hits at all, by the query's `mailbox:` conditions.
    pub fn admits_mailbox(&self, mailbox: &str) -> bool {
        let mailbox = mailbox.to_lowercase();
        self.clauses.iter().all(|clause| match &clause.condition {
            Condition::Mailbox(wanted) => mailbox.contains(wanted.as_str()) != clause.negated,
            _ => true,
        })
    }

    /// The conditions about deletion: the times, and whether each is negated. Callers who know
    /// better than an index when something was deleted ask [`Query::without_deletions`] of it.
    pub fn deletions(&self) -> Vec<(i64, bool)> {
        let times = self
            .clauses
            .iter()
            .filter_map(|clause| match clause.condition {
                Condition::DeletedSince(since_unix_ms) => Some((since_unix_ms, clause.negated)),
                _ => None,
            });
        times.collect()
    }

    /// The other conditions.
    pub fn without_deletions(&self) -> Self {
        let others = self
            .clauses
            .iter()
            .filter(|clause| !matches!(clause.condition, Condition::DeletedSince(_)));
        Self {
            clauses: others.cloned().collect(),
        }
    }

    /// Whether a document satisfies all conditions about phrases.
    pub fn has_phrases_of(&self, document: &Document) -> bool {
        self.clauses.iter().all(|clause| match &clause.condition {
            Condition::Phrase(field, phrase) => {
                let found = field.texts(document).any(|text| has_phrase(text, phrase));
                found != clause.negated
            }
            _ => true,
        })
    }
}

fn has_phrase(text: &str, phrase: &[String]) -> bool {
    let words = word_list(text);
    phrase.is_empty() || words.windows(phrase.len()).any(|window| window == phrase)
}

/// Whether a folder's path (in lower case) is, or is below, a wanted one.
pub(crate) fn in_folder(path: &str, wanted: &str) -> bool {
    format!("/{path}/").contains(&format!("/{wanted}/"))
}

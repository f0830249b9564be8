//! Compares a document with the table of settings, and remembers where everything is.

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::mistake::Mistake;
use super::spec::{Kind, Need, ROOT, Section};
use crate::suggest;

/// Most mistakes that are told: a file that is none of ours has one at every line.
const MAX_MISTAKES: usize = 100;

/// Where the settings are.
#[derive(Debug)]
pub(super) struct Places<'a> {
    text: &'a str,
    /// Byte offsets of values by path, such as `sets.office.destinations.0`.
    offsets: BTreeMap<String, usize>,
}

impl Places<'_> {
    /// A mistake in the value at a path, or in the nearest above it that is in the text.
    pub(super) fn mistake(&self, path: &str, message: impl Into<String>) -> Mistake {
        let mut path = path;
        let offset = loop {
            match (self.offsets.get(path), path.rsplit_once('.')) {
                (Some(offset), _) => break *offset,
                (None, Some((above, _))) => path = above,
                (None, None) => break 0,
            }
        };
        Mistake::at(self.text, offset, message)
    }

    /// The same with what to write instead.
    pub(super) fn wrong(
        &self,
        path: &str,
        message: impl Into<String>,
        suggestion: impl Into<String>,
    ) -> Mistake {
        self.mistake(path, message).suggest(Some(suggestion))
    }

    pub(super) fn has(&self, path: &str) -> bool {
        self.offsets.contains_key(path)
    }
}

/// What helps where one of two things is too much.
pub(super) const LEAVE_ONE_OUT: &str = "leave one of them out";

/// Finds the mistakes that need no more than the table.
pub(super) fn inspect(text: &str) -> Result<Places<'_>, Vec<Mistake>> {
    let (document, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        let mistake = |error: &toml::de::Error| {
            let start = error.span().map_or(0, |span| span.start);
            match error.message() {
                "duplicate key" => {
                    Mistake::at(text, start, "this is there twice").suggest(Some(LEAVE_ONE_OUT))
                }
                other => Mistake::at(text, start, other).suggest(expected(other)),
            }
        };
        return Err(sorted(errors.iter().map(mistake).collect()));
    }
    let mut inspector = Inspector {
        places: Places {
            text,
            offsets: BTreeMap::new(),
        },
        mistakes: Vec::new(),
    };
    inspector.section("", document.get_ref(), 0, &ROOT);
    match inspector.mistakes.is_empty() {
        true => Ok(inspector.places),
        false => Err(sorted(inspector.mistakes)),
    }
}

pub(super) fn sorted(mut mistakes: Vec<Mistake>) -> Vec<Mistake> {
    mistakes.sort();
    mistakes.dedup();
    mistakes.truncate(MAX_MISTAKES);
    mistakes
}

struct Inspector<'a> {
    places: Places<'a>,
    mistakes: Vec<Mistake>,
}

impl Inspector<'_> {
    fn wrong(&mut self, offset: usize, message: String, suggestion: Option<String>) {
        let mistake = Mistake::at(self.places.text, offset, message);
        self.mistakes.push(mistake.suggest(suggestion));
    }

    fn section(&mut self, path: &str, table: &DeTable<'_>, offset: usize, section: &Section) {
        for (name, value) in table {
            let place = name.span().start;
            let known = section
                .fields
                .iter()
                .find(|field| field.name == name.get_ref());
            match known {
                Some(field) => self.value(&join(path, field.name), value, &field.kind),
                None => self.unknown(place, name.get_ref(), path, section),
            }
        }
        for field in section.fields {
            if matches!(field.need, Need::Required) && !table.contains_key(field.name) {
                let whose = match path {
                    "" => "the file".to_owned(),
                    path => format!("[{path}]"),
                };
                let message = format!("{whose} needs `{}`: {}", field.name, lower(field.help));
                let suggestion = match (&field.kind, sample(&field.kind)) {
                    (Kind::Named(_), _) => Some(format!("[{}.NAME]", field.name)),
                    (_, sample) => sample.map(|value| format!("{} = {value}", field.name)),
                };
                self.wrong(offset, message, suggestion);
            }
        }
    }

    fn unknown(&mut self, place: usize, name: &str, path: &str, section: &Section) {
        let names = section.fields.iter().map(|field| field.name);
        let whose = match path {
            "" => "at the top of the file".to_owned(),
            path => format!("in [{path}]"),
        };
        let mistake = Mistake::at(
            self.places.text,
            place,
            format!("there is no setting `{name}` {whose}"),
        );
        let suggestion = match suggest::nearest(name, names.clone()) {
            Some(near) => near.to_owned(),
            None => format!("one of {}", names.collect::<Vec<_>>().join(", ")),
        };
        self.mistakes.push(mistake.suggest(Some(suggestion)));
    }

    fn value(&mut self, path: &str, value: &Spanned<DeValue<'_>>, kind: &Kind) {
        let offset = value.span().start;
        self.places.offsets.insert(path.to_owned(), offset);
        match (kind, value.get_ref()) {
            (Kind::List(one), DeValue::Array(values)) => self.each(path, values, one),
            (Kind::List(one), _) => self.value(path, value, one),
            (Kind::Section(section), DeValue::Table(table)) => {
                self.section(path, table, offset, section);
            }
            (Kind::Named(section), DeValue::Table(tables)) => {
                for (name, value) in tables {
                    self.named(path, name, value, section);
                }
            }
            (Kind::Many(section), DeValue::Array(tables)) => {
                for (n, value) in tables.iter().enumerate() {
                    let path = format!("{path}.{n}");
                    self.value(&path, value, &Kind::Section(section));
                }
            }
            (Kind::Command, DeValue::Array(words)) => {
                if words.is_empty() {
                    self.wrong(offset, "a command needs a program".to_owned(), sample(kind));
                }
                self.each(path, words, &Kind::Text);
            }
            (Kind::Flag, DeValue::Boolean(_)) => {}
            (Kind::Number(min, max), DeValue::Integer(number)) => {
                let parsed = i64::from_str_radix(number.as_str(), number.radix());
                if !matches!(&parsed, Ok(number) if (*min..=*max).contains(number)) {
                    let nearest = parsed.unwrap_or(*max).clamp(*min, *max);
                    let message = format!("give a whole number from {min} to {max}");
                    self.wrong(offset, message, Some(nearest.to_string()));
                }
            }
            (Kind::Text, DeValue::String(text)) => {
                if text.trim().is_empty() {
                    let suggestion = "write something between the quotes, or leave it out";
                    let message = "this must not be empty".to_owned();
                    self.wrong(offset, message, Some(suggestion.to_owned()));
                }
            }
            (Kind::OneOf(words), DeValue::String(text)) => {
                if !words.contains(&text.as_ref()) {
                    let message = format!("`{text}` is none of {}", words.join(", "));
                    let near = suggest::nearest(text, words.iter().copied());
                    let mistake = Mistake::at(self.places.text, offset, message).suggest(near);
                    self.mistakes.push(mistake);
                }
            }
            (Kind::Form(form), DeValue::String(text)) => {
                if let Err(why) = (form.check)(text) {
                    // An address may hold a password, which is for nobody's eyes.
                    let shown = match text.contains("://") && text.contains('@') {
                        true => "this".to_owned(),
                        false => format!("`{text}`"),
                    };
                    let message = format!("{shown} is not {}: {why}", form.what);
                    let meant = meant(&why).map(|meant| format!("\"{meant}\""));
                    self.wrong(offset, message, meant.or_else(|| sample(kind)));
                }
            }
            (kind, value) => {
                let message = format!("this must be {}, not {}", wanted(kind), found(value));
                let mistake = Mistake::at(self.places.text, offset, message);
                self.mistakes.push(mistake.suggest(sample(kind)));
            }
        }
    }

    fn each(&mut self, path: &str, values: &DeArray<'_>, one: &Kind) {
        for (n, value) in values.iter().enumerate() {
            self.value(&format!("{path}.{n}"), value, one);
        }
    }

    fn named(
        &mut self,
        path: &str,
        name: &Spanned<std::borrow::Cow<'_, str>>,
        value: &Spanned<DeValue<'_>>,
        section: &'static Section,
    ) {
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let text = name.get_ref();
        if text.is_empty() || text.len() > 64 || !text.chars().all(fits) {
            let message =
                format!("`{text}` cannot be a name: letters, digits, - and _, 64 at most");
            let fitting = text.chars().take(64);
            let fitting: String = fitting.map(|c| if fits(c) { c } else { '-' }).collect();
            let suggestion = Some(fitting).filter(|name| !name.is_empty());
            self.wrong(name.span().start, message, suggestion);
        }
        self.value(&join(path, text), value, &Kind::Section(section));
    }
}

fn join(path: &str, name: &str) -> String {
    match path {
        "" => name.to_owned(),
        path => format!("{path}.{name}"),
    }
}

fn lower(text: &str) -> String {
    let mut chars = text.trim_end_matches('.').chars();
    let first = chars.next().map(|first| first.to_lowercase().to_string());
    first.unwrap_or_default() + chars.as_str()
}

fn wanted(kind: &Kind) -> String {
    match kind {
        Kind::Text => "text in quotes".to_owned(),
        Kind::Flag => "true or false".to_owned(),
        Kind::Number(min, max) => format!("a number from {min} to {max}"),
        Kind::OneOf(words) => format!("one of {}", words.join(", ")),
        Kind::Form(form) => format!("{} in quotes", form.what),
        Kind::List(one) => wanted(one),
        Kind::Command => "a program and its arguments as an array".to_owned(),
        Kind::Section(_) => "a table".to_owned(),
        Kind::Named(_) => "a table of tables with names".to_owned(),
        Kind::Many(_) => "an array of tables, written with double brackets".to_owned(),
    }
}

fn found(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}

/// A value that would be right, as TOML.
fn sample(kind: &Kind) -> Option<String> {
    match kind {
        Kind::Form(form) => Some(format!("\"{}\"", form.example)),
        Kind::List(one) => sample(one),
        Kind::Command => Some("[\"program\", \"argument\"]".to_owned()),
        Kind::OneOf(words) => words.first().map(|word| format!("\"{word}\"")),
        Kind::Text => Some("\"...\"".to_owned()),
        Kind::Flag => Some("true".to_owned()),
        Kind::Number(min, _) => Some(min.to_string()),
        Kind::Section(_) | Kind::Named(_) | Kind::Many(_) => None,
    }
}

/// What a parser of TOML says that it expected, if that is one thing.
fn expected(message: &str) -> Option<String> {
    let (_, expected) = message.split_once("expected `")?;
    let (expected, rest) = expected.split_once('`')?;
    rest.is_empty().then(|| expected.to_owned())
}

/// What a check believes to have been meant.
fn meant(why: &str) -> Option<&str> {
    why.strip_prefix("did you mean `")?.strip_suffix("`?")
}

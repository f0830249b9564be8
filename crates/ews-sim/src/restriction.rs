//! Restrictions and sort orders (MS-OXWSSRCH): which rows a client wants, and in what order.

use std::borrow::Cow;
use std::cmp::Ordering;

use fasttransfer::{NamedProp, PropValue, named, tag};

use crate::clock::parse_xml_time;
use crate::op::{Failure, Oops};
use crate::prop::{Extended, Path, parse_bool, to_text};
use crate::set::{self, Kind};
use crate::shape::{View, conversation_of, people_of, sender_of, text_of, uid_of};
use crate::soap::Fault;
use crate::xml::Element;

/// Deepest nesting of a restriction.
const MAX_DEPTH: usize = 32;

/// A value that is compared.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Text(String),
    /// Texts of which each counts for itself, as categories.
    List(Vec<String>),
    /// A name with its place among its kind, which decides about the order.
    Ranked(i32, String),
    Number(f64),
    Flag(bool),
    /// 100 ns ticks since 1601.
    Time(u64),
    Bytes(Vec<u8>),
}

/// Something that has properties.
pub(crate) trait Row {
    /// The value of a property, if the row has it.
    fn value(&self, path: &Path) -> Option<Value>;
}

/// A condition on rows.
#[derive(Clone, Debug)]
pub(crate) enum Restriction {
    And(Vec<Restriction>),
    Or(Vec<Restriction>),
    Not(Box<Restriction>),
    Exists(Path),
    Compare {
        path: Path,
        wanted: Compare,
        with: Operand,
    },
    Contains {
        path: Path,
        text: String,
        how: Containment,
        ignore_case: bool,
    },
    Excludes {
        path: Path,
        mask: i64,
    },
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Compare {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

#[derive(Clone, Debug)]
pub(crate) enum Operand {
    Constant(String),
    Path(Path),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Containment {
    Full,
    Prefix,
    Substring,
    /// From the beginning of some word on.
    PrefixOnWords,
    /// Whole words, wherever they stand.
    Phrase,
}

impl Restriction {
    /// Reads the Restriction of a request, if it has one.
    pub(crate) fn read(request: &Element<'_>) -> Result<Option<Restriction>, Oops> {
        match request.child("Restriction") {
            None => Ok(None),
            Some(holder) => match holder.children.first() {
                Some(expression) => read(expression, 0).map(Some),
                None => Err(Fault::schema("'Restriction' is empty.").into()),
            },
        }
    }

    /// Tells whether a row meets the condition.
    pub(crate) fn admits(&self, row: &dyn Row) -> bool {
        match self {
            Restriction::And(all) => all.iter().all(|one| one.admits(row)),
            Restriction::Or(any) => any.iter().any(|one| one.admits(row)),
            Restriction::Not(inner) => !inner.admits(row),
            Restriction::Exists(path) => row.value(path).is_some(),
            Restriction::Compare { path, wanted, with } => {
                let Some(value) = row.value(path) else {
                    return matches!(wanted, Compare::NotEqual);
                };
                if let (Value::List(list), Operand::Constant(text)) = (&value, with) {
                    return holds_in(list, *wanted, text);
                }
                let ordering = match with {
                    Operand::Constant(text) => compare_text(&value, text),
                    Operand::Path(other) => {
                        row.value(other).and_then(|other| compare(&value, &other))
                    }
                };
                ordering.is_some_and(|ordering| holds(*wanted, ordering))
            }
            Restriction::Contains {
                path,
                text,
                how,
                ignore_case,
            } => match row.value(path) {
                Some(Value::Text(value)) => contains(&value, text, *how, *ignore_case),
                Some(Value::Ranked(_, name)) => contains(&name, text, *how, *ignore_case),
                Some(Value::List(list)) => list
                    .iter()
                    .any(|value| contains(value, text, *how, *ignore_case)),
                _ => false,
            },
            Restriction::Excludes { path, mask } => match row.value(path) {
                Some(Value::Number(number)) => (number as i64) & mask == 0,
                _ => true,
            },
        }
    }
}

fn read(element: &Element<'_>, depth: usize) -> Result<Restriction, Oops> {
    if depth > MAX_DEPTH {
        return Err(Failure::new(
            "ErrorRestrictionTooComplex",
            "The restriction is nested too deeply.",
        )
        .into());
    }
    let below = || -> Result<Vec<Restriction>, Oops> {
        element
            .children
            .iter()
            .map(|child| read(child, depth + 1))
            .collect()
    };
    let wanted = match element.name.as_ref() {
        "And" => return Ok(Restriction::And(below()?)),
        "Or" => return Ok(Restriction::Or(below()?)),
        "Not" => {
            let inner = below()?.into_iter().next();
            let inner = inner.ok_or_else(|| Fault::schema("'Not' is empty."))?;
            return Ok(Restriction::Not(Box::new(inner)));
        }
        "Exists" => return Ok(Restriction::Exists(Path::inside(element)?)),
        "Contains" => return Ok(read_contains(element)?),
        "Excludes" => return Ok(read_excludes(element)?),
        "IsEqualTo" => Compare::Equal,
        "IsNotEqualTo" => Compare::NotEqual,
        "IsGreaterThan" => Compare::Greater,
        "IsGreaterThanOrEqualTo" => Compare::GreaterOrEqual,
        "IsLessThan" => Compare::Less,
        "IsLessThanOrEqualTo" => Compare::LessOrEqual,
        name => {
            return Err(Fault::schema(format!("'{name}' is no search expression.")).into());
        }
    };
    let with = element
        .child("FieldURIOrConstant")
        .and_then(|holder| holder.children.first())
        .ok_or_else(|| Fault::schema("'FieldURIOrConstant' is missing."))?;
    let with = match with.name.as_ref() {
        "Constant" => Operand::Constant(with.attr("Value").unwrap_or_default().to_owned()),
        _ => Operand::Path(Path::read(with)?),
    };
    Ok(Restriction::Compare {
        path: Path::inside(element)?,
        wanted,
        with,
    })
}

fn read_contains(element: &Element<'_>) -> Result<Restriction, Failure> {
    let constant = element
        .child("Constant")
        .and_then(|constant| constant.attr("Value"));
    let comparison = element.attr("ContainmentComparison").unwrap_or("Exact");
    Ok(Restriction::Contains {
        path: Path::inside(element)?,
        text: constant.unwrap_or_default().to_owned(),
        how: match element.attr("ContainmentMode") {
            Some("Substring") => Containment::Substring,
            Some("Prefixed") => Containment::Prefix,
            Some("PrefixOnWords") => Containment::PrefixOnWords,
            Some("ExactPhrase") => Containment::Phrase,
            _ => Containment::Full,
        },
        ignore_case: comparison.contains("IgnoreCase") || comparison == "Loose",
    })
}

fn read_excludes(element: &Element<'_>) -> Result<Restriction, Failure> {
    let mask = element
        .child("Bitmask")
        .and_then(|mask| mask.attr("Value"))
        .unwrap_or("0");
    let parsed = match mask.strip_prefix("0x").or_else(|| mask.strip_prefix("0X")) {
        Some(hex) => i64::from_str_radix(hex, 16),
        None => mask.parse(),
    };
    let mask = parsed.map_err(|_| {
        Failure::new(
            "ErrorInvalidExcludesRestriction",
            "The bit mask is not a number.",
        )
    })?;
    Ok(Restriction::Excludes {
        path: Path::inside(element)?,
        mask,
    })
}

fn holds(wanted: Compare, ordering: Ordering) -> bool {
    match wanted {
        Compare::Equal => ordering.is_eq(),
        Compare::NotEqual => ordering.is_ne(),
        Compare::Greater => ordering.is_gt(),
        Compare::GreaterOrEqual => ordering.is_ge(),
        Compare::Less => ordering.is_lt(),
        Compare::LessOrEqual => ordering.is_le(),
    }
}

/// Whether a condition holds for a list of texts: for one of them, or that none is equal.
fn holds_in(list: &[String], wanted: Compare, text: &str) -> bool {
    let meets = |wanted: Compare| {
        let mut orderings = list
            .iter()
            .map(|one| one.to_lowercase().cmp(&text.to_lowercase()));
        orderings.any(|ordering| holds(wanted, ordering))
    };
    match wanted {
        Compare::NotEqual => !meets(Compare::Equal),
        wanted => meets(wanted),
    }
}

fn contains(value: &str, text: &str, how: Containment, ignore_case: bool) -> bool {
    let (value, text) = if ignore_case {
        (
            Cow::Owned(value.to_lowercase()),
            Cow::Owned(text.to_lowercase()),
        )
    } else {
        (Cow::Borrowed(value), Cow::Borrowed(text))
    };
    match how {
        Containment::Full => value == text,
        Containment::Prefix => value.starts_with(text.as_ref()),
        Containment::Substring => value.contains(text.as_ref()),
        Containment::PrefixOnWords => on_words(&value, &text, false),
        Containment::Phrase => on_words(&value, &text, true),
    }
}

/// Whether a text stands in a value from the beginning of a word on, and to the end of one.
fn on_words(value: &str, text: &str, to_the_end: bool) -> bool {
    let is_word = |character: Option<char>| character.is_some_and(char::is_alphanumeric);
    value.match_indices(text).any(|(at, found)| {
        let before = value.get(..at).and_then(|part| part.chars().next_back());
        let after = value
            .get(at + found.len()..)
            .and_then(|part| part.chars().next());
        !(is_word(before) || to_the_end && is_word(after))
    })
}

fn compare_text(value: &Value, text: &str) -> Option<Ordering> {
    match value {
        Value::Text(value) => Some(value.to_lowercase().cmp(&text.to_lowercase())),
        Value::Ranked(_, name) => Some(name.to_lowercase().cmp(&text.trim().to_lowercase())),
        Value::List(list) => Some(list.join("; ").to_lowercase().cmp(&text.to_lowercase())),
        Value::Number(number) => number.partial_cmp(&text.trim().parse().ok()?),
        // The schema knows `false`, and Exchange `False`, too, as a program of .NET writes it.
        Value::Flag(flag) => Some(flag.cmp(&parse_bool(&text.to_lowercase())?)),
        // Constants have whole seconds, stored times finer ones.
        Value::Time(ticks) => Some((ticks / 10_000_000).cmp(&(parse_xml_time(text)? / 10_000_000))),
        Value::Bytes(bytes) => {
            Some(bytes.cmp(&base64_simd::STANDARD.decode_to_vec(text.trim()).ok()?))
        }
    }
}

/// Compares two values of one kind.
pub(crate) fn compare(one: &Value, other: &Value) -> Option<Ordering> {
    match (one, other) {
        (Value::Text(a), Value::Text(b)) => Some(a.to_lowercase().cmp(&b.to_lowercase())),
        (Value::List(a), Value::List(b)) => Some(a.cmp(b)),
        (Value::Ranked(a, _), Value::Ranked(b, _)) => Some(a.cmp(b)),
        (Value::Number(a), Value::Number(b)) => a.partial_cmp(b),
        (Value::Flag(a), Value::Flag(b)) => Some(a.cmp(b)),
        (Value::Time(a), Value::Time(b)) => Some(a.cmp(b)),
        (Value::Bytes(a), Value::Bytes(b)) => Some(a.cmp(b)),
        _ => None,
    }
}

/// A sort order: properties with whether each descends.
#[derive(Debug, Default)]
pub(crate) struct SortOrder(Vec<(Path, bool)>);

impl SortOrder {
    /// Reads the SortOrder of a request.
    pub(crate) fn read(request: &Element<'_>) -> Result<SortOrder, Failure> {
        let mut order = Vec::new();
        for field in request.list("SortOrder") {
            order.push((
                Path::inside(field)?,
                field.attr("Order") == Some("Descending"),
            ));
        }
        Ok(SortOrder(order))
    }

    pub(crate) fn is_none(&self) -> bool {
        self.0.is_empty()
    }

    /// The values of a row that decide its place.
    pub(crate) fn key(&self, row: &dyn Row) -> Vec<Option<Value>> {
        self.0.iter().map(|(path, _)| row.value(path)).collect()
    }

    /// Compares two keys; rows without a value come first.
    pub(crate) fn compare(&self, one: &[Option<Value>], other: &[Option<Value>]) -> Ordering {
        for ((_, descending), (a, b)) in self.0.iter().zip(one.iter().zip(other)) {
            let ordering = match (a, b) {
                (Some(a), Some(b)) => compare(a, b).unwrap_or(Ordering::Equal),
                (a, b) => a.is_some().cmp(&b.is_some()),
            };
            let ordering = if *descending {
                ordering.reverse()
            } else {
                ordering
            };
            if ordering.is_ne() {
                return ordering;
            }
        }
        Ordering::Equal
    }
}

/// The value of a MAPI property in the type a path asks for.
pub(crate) fn extended_value(extended: &Extended, value: &PropValue) -> Option<Value> {
    to_text(value, &extended.kind)?;
    from_prop(value)
}

fn from_prop(value: &PropValue) -> Option<Value> {
    Some(match value {
        PropValue::Int16(number) => Value::Number(f64::from(*number)),
        PropValue::Int32(number) => Value::Number(f64::from(*number)),
        PropValue::Int64(number) | PropValue::Currency(number) => Value::Number(*number as f64),
        PropValue::Float(number) => Value::Number(f64::from(*number)),
        PropValue::Double(number) | PropValue::AppTime(number) => Value::Number(*number),
        PropValue::Boolean(flag) => Value::Flag(*flag),
        PropValue::Time(time) => Value::Time(time.0),
        PropValue::Guid(guid) => Value::Text(guid.to_string()),
        PropValue::MultiUnicode(values) => Value::List(values.clone()),
        value => match value.bytes() {
            Some(bytes) => Value::Bytes(bytes.to_vec()),
            None => Value::Text(value.text()?.into_owned()),
        },
    })
}

impl Row for View<'_> {
    fn value(&self, path: &Path) -> Option<Value> {
        match path {
            Path::Extended(extended) => extended_value(extended, &*self.extended(extended)?),
            Path::Indexed { uri, index } => {
                let id = set::member(uri, index)?;
                self.message.props.get(&id).and_then(from_prop)
            }
            Path::Field(uri) => field_value(self, uri).or_else(|| simple_value(self, uri)),
        }
    }
}

fn field_value(view: &View<'_>, uri: &str) -> Option<Value> {
    let props = &view.message.props;
    let prop = |id: u16| props.get(id).and_then(from_prop);
    let lid = |id: &NamedProp| props.get(id).and_then(from_prop);
    let people = |kind| {
        let people = people_of(view.message, kind);
        let texts: Vec<String> = people
            .iter()
            .map(|one| format!("{} {}", one.name, one.email))
            .collect();
        (!texts.is_empty()).then(|| Value::Text(texts.join("; ")))
    };
    match uri {
        "item:Subject" => prop(tag::SUBJECT),
        "item:ItemClass" => Some(Value::Text(view.class.clone().into_owned())),
        "item:DateTimeReceived" => prop(tag::MESSAGE_DELIVERY_TIME).or(prop(tag::CREATION_TIME)),
        "item:DateTimeSent" => prop(tag::CLIENT_SUBMIT_TIME).or(prop(tag::CREATION_TIME)),
        "item:DateTimeCreated" => prop(tag::CREATION_TIME),
        "item:LastModifiedTime" => prop(tag::LAST_MODIFICATION_TIME),
        "item:Size" => Some(Value::Number(view.size as f64)),
        "item:Importance" => {
            let number = view.i32(tag::IMPORTANCE).unwrap_or(1);
            let name = name_of(&["Low", "Normal", "High"], Some(number), 1);
            Some(Value::Ranked(number, name))
        }
        "item:HasAttachments" => Some(Value::Flag(!view.message.attachments.is_empty())),
        "item:IsAssociated" => Some(Value::Flag(view.associated)),
        "item:IsDraft" => {
            let flags = view.i32(tag::MESSAGE_FLAGS).unwrap_or(0);
            Some(Value::Flag(flags & crate::item::FLAG_UNSENT != 0))
        }
        "item:DisplayTo" => prop(tag::DISPLAY_TO),
        "item:DisplayCc" => prop(tag::DISPLAY_CC),
        "item:Body" | "item:TextBody" => Some(Value::Text(text_of(view.message).into_owned())),
        "message:IsRead" => Some(Value::Flag(view.is_read)),
        "message:From" | "message:Sender" | "calendar:Organizer" => {
            let sender = sender_of(view.message, uri != "message:Sender")?;
            Some(Value::Text(format!("{} {}", sender.name, sender.email)))
        }
        "message:ToRecipients" | "calendar:RequiredAttendees" => people(1),
        "message:CcRecipients" | "calendar:OptionalAttendees" => people(2),
        "message:BccRecipients" | "calendar:Resources" => people(3),
        "task:IsComplete" => lid(&named::TASK_COMPLETE),
        _ => computed_value(view, uri),
    }
}

/// What flags and ids say, and what follows from them.
fn computed_value(view: &View<'_>, uri: &str) -> Option<Value> {
    match uri {
        "item:ConversationId" => {
            let id = conversation_of(view.message)?;
            Some(Value::Text(base64_simd::STANDARD.encode_to_string(id)))
        }
        "calendar:UID" => uid_of(view.message).map(Value::Text),
        "calendar:IsCancelled" | "calendar:IsMeeting" => {
            let state = view.i32(&named::APPOINTMENT_STATE_FLAGS).unwrap_or(0);
            let bit = if uri == "calendar:IsMeeting" { 1 } else { 4 };
            Some(Value::Flag(state & bit != 0))
        }
        "calendar:IsRecurring" => Some(Value::Flag(view.occurrence.is_some())),
        "calendar:MeetingRequestWasSent" => {
            Some(Value::Flag(view.flag(&named::F_INVITED).unwrap_or(false)))
        }
        "task:IsRecurring" => Some(Value::Flag(
            view.flag(&named::TASK_F_RECURRING).unwrap_or(false),
        )),
        "item:IsSubmitted" | "item:IsUnmodified" | "item:IsFromMe" | "item:IsResend" => {
            let bit = match uri {
                "item:IsSubmitted" => 0x4,
                "item:IsUnmodified" => 0x2,
                "item:IsFromMe" => 0x20,
                _ => 0x80,
            };
            let flags = view.i32(tag::MESSAGE_FLAGS).unwrap_or(0);
            Some(Value::Flag(flags & bit != 0))
        }
        _ => None,
    }
}

/// The value of a property that is one value, by the table that also sets it.
fn simple_value(view: &View<'_>, uri: &str) -> Option<Value> {
    let (_, name) = uri.split_once(':')?;
    let (id, kind) = set::simple(name)?;
    let number = || view.message.props.i32(&id);
    match kind {
        Kind::Flag => Some(Value::Flag(
            view.message.props.boolean(&id).unwrap_or(false),
        )),
        Kind::Not => Some(Value::Flag(
            !view.message.props.boolean(&id).unwrap_or(false),
        )),
        Kind::Name(names) => Some(Value::Ranked(
            number().unwrap_or(0),
            name_of(names, number(), 0),
        )),
        Kind::Coded(names) => {
            let number = number()?;
            let known = names.iter().find(|(_, known)| *known == number)?;
            Some(Value::Text(known.0.to_owned()))
        }
        Kind::Percent => match view.message.props.get(&id)? {
            PropValue::Double(share) => Some(Value::Number(share * 100.0)),
            _ => None,
        },
        _ => view.message.props.get(&id).and_then(from_prop),
    }
}

fn name_of(names: &[&str], number: Option<i32>, default: usize) -> String {
    let index = number
        .and_then(|number| usize::try_from(number).ok())
        .unwrap_or(default);
    names.get(index).copied().unwrap_or_default().to_owned()
}

/// A time as a constant in a restriction, for tests of one operand against another.
#[cfg(test)]
pub(crate) fn constant_of(ticks: u64) -> String {
    crate::clock::xml_time(ticks)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(Value);

    impl Row for Fixed {
        fn value(&self, _: &Path) -> Option<Value> {
            Some(self.0.clone())
        }
    }

    fn check(value: Value, wanted: Compare, constant: &str) -> bool {
        Restriction::Compare {
            path: Path::Field("x".into()),
            wanted,
            with: Operand::Constant(constant.into()),
        }
        .admits(&Fixed(value))
    }

    #[test]
    fn values_compare_by_their_type() {
        assert!(check(Value::Text("Abc".into()), Compare::Equal, "aBC"));
        assert!(check(Value::Number(10.0), Compare::Greater, "9"));
        assert!(check(Value::Flag(false), Compare::NotEqual, "1"));
        let time = parse_xml_time("2026-01-05T08:00:00Z").unwrap();
        assert!(check(
            Value::Time(time + 5),
            Compare::Equal,
            &constant_of(time)
        ));
        assert!(!check(Value::Number(1.0), Compare::Equal, "x"));
    }
}

//! Schedules in words.

use jiff::civil::{Time, Weekday};

use super::days::DayRule;
use super::{MIN_EVERY_SECS, Rule};
use crate::suggest;
use crate::units::TimeSpan;

/// What a schedule in words begins with.
pub(super) const KEYWORDS: [&str; 5] = ["every", "hourly", "daily", "weekly", "monthly"];

const WEEKDAYS: [(&str, Weekday); 7] = [
    ("monday", Weekday::Monday),
    ("tuesday", Weekday::Tuesday),
    ("wednesday", Weekday::Wednesday),
    ("thursday", Weekday::Thursday),
    ("friday", Weekday::Friday),
    ("saturday", Weekday::Saturday),
    ("sunday", Weekday::Sunday),
];

/// Parses a schedule in words; `None` if it begins with none of the keywords.
pub(super) fn parse(text: &str) -> Result<Option<Rule>, String> {
    let (keyword, rest) = text.split_once(' ').unwrap_or((text, ""));
    let rule = match keyword {
        "every" => every(rest)?,
        "hourly" => Rule::Hourly(hourly(rest)?),
        "daily" => Rule::Days(DayRule::Daily, times(rest)?),
        "weekly" => {
            let (days, at) = rest.split_once(' ').unwrap_or((rest, ""));
            if days.is_empty() {
                return Err("name days after `weekly`, such as `weekly mon,thu 21:30`".to_owned());
            }
            Rule::Days(DayRule::Weekly(weekdays(days)?), times(at)?)
        }
        "monthly" => monthly(rest)?,
        _ => return Ok(None),
    };
    Ok(Some(rule))
}

fn every(rest: &str) -> Result<Rule, String> {
    let span: TimeSpan = rest.parse()?;
    let secs = span.as_ms() / 1000;
    if secs < MIN_EVERY_SECS {
        return Err("a minute is the shortest time between two runs".to_owned());
    }
    Ok(Rule::Every(secs))
}

fn hourly(rest: &str) -> Result<Vec<i8>, String> {
    if rest.is_empty() {
        return Ok(vec![0]);
    }
    let minute = |text: &str| {
        let text = text.strip_prefix(':').unwrap_or(text);
        match text.parse::<i8>() {
            Ok(minute @ 0..=59) => Ok(minute),
            _ => Err(format!("`{text}` is no minute: `hourly :15` is right")),
        }
    };
    rest.split(',').map(minute).collect()
}

fn monthly(rest: &str) -> Result<Rule, String> {
    let mut words = rest.split(' ');
    let first = words.next().unwrap_or_default();
    let nth = match first {
        "first" | "1st" => Some(1),
        "second" | "2nd" => Some(2),
        "third" | "3rd" => Some(3),
        "fourth" | "4th" => Some(4),
        "fifth" | "5th" => Some(5),
        "last" => Some(-1),
        _ => None,
    };
    let days = match nth {
        Some(nth) => match (nth, words.next().unwrap_or_default()) {
            (-1, "day") => DayRule::MonthDays {
                days: Vec::new(),
                last: true,
            },
            (nth, day) => DayRule::NthWeekday {
                nth,
                weekday: weekday(day)?,
            },
        },
        None => DayRule::MonthDays {
            days: first
                .split(',')
                .map(|day| match day.parse::<i8>() {
                    Ok(day @ 1..=31) => Ok(day),
                    _ => Err(format!(
                        "`{day}` is no day of a month: give numbers from 1 to 31, `last day`, or \
                         for example `last sun`"
                    )),
                })
                .collect::<Result<_, _>>()?,
            last: false,
        },
    };
    Ok(Rule::Days(
        days,
        times(&words.collect::<Vec<_>>().join(" "))?,
    ))
}

/// Times of the day with commas; midnight if there are none.
fn times(text: &str) -> Result<Vec<Time>, String> {
    let text = text.strip_prefix("at ").unwrap_or(text);
    if text.is_empty() {
        return Ok(vec![Time::midnight()]);
    }
    text.split(',')
        .map(|time| self::time(time.trim()))
        .collect()
}

/// A time of the day, `HH:MM`.
pub(super) fn time(text: &str) -> Result<Time, String> {
    let wrong = || format!("`{text}` is no time of the day: 00:00 to 23:59");
    let (hour, minute) = text.split_once(':').ok_or_else(wrong)?;
    if minute.len() != 2 || hour.is_empty() || hour.len() > 2 {
        return Err(wrong());
    }
    let number = |text: &str| text.parse::<i8>().map_err(|_| wrong());
    Time::new(number(hour)?, number(minute)?, 0, 0).map_err(|_| wrong())
}

/// Days of the week with commas and ranges: `mon,thu`, `mon-fri`, `weekdays`.
pub(super) fn weekdays(text: &str) -> Result<Vec<Weekday>, String> {
    let mut days = Vec::new();
    for part in text.split(',') {
        let (first, last) = match part {
            "weekdays" => (Weekday::Monday, Weekday::Friday),
            "weekends" | "weekend" => (Weekday::Saturday, Weekday::Sunday),
            _ => match part.split_once('-') {
                Some((first, last)) => (weekday(first)?, weekday(last)?),
                None => (weekday(part)?, weekday(part)?),
            },
        };
        let mut day = first;
        loop {
            if !days.contains(&day) {
                days.push(day);
            }
            if day == last {
                break;
            }
            day = day.next();
        }
    }
    Ok(days)
}

fn weekday(text: &str) -> Result<Weekday, String> {
    let known = WEEKDAYS
        .iter()
        .find(|(name, _)| text.len() >= 3 && name.starts_with(text));
    known.map(|(_, day)| *day).ok_or_else(|| {
        let names = WEEKDAYS.iter().flat_map(|(name, _)| [&name[..3], name]);
        match suggest::nearest(text, names) {
            Some(name) => format!("`{text}` is no day of the week; did you mean `{name}`?"),
            None => format!("`{text}` is no day of the week: mon, tue, wed, thu, fri, sat, sun"),
        }
    })
}

//! When something is due: rules, time zones, several rules together, and jitter. Pure.
//!
//! A [`Schedule`] is one rule, a cron expression or words. A [`Timetable`] is several of them in a
//! time zone. Rules that name a time of day follow the clock on the wall: `daily 22:00` is ten in
//! the evening in summer and in winter. A time that the clock skips in spring happens as much later
//! as the gap is long (a cron expression: at the gap's end), and one that comes twice in autumn
//! happens at the first. Rules that count (`every 4h`) follow real time, so that two neighbours are
//! always equally far apart.

mod days;
mod window;
mod words;

use std::fmt;
use std::str::FromStr;

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::Timestamp;
use jiff::civil::Time;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::units::{TimeSpan, as_text};
use days::DayRule;
pub use window::{Window, WindowRule};

/// Shortest time between two runs of a schedule that counts, in seconds.
pub(crate) const MIN_EVERY_SECS: i64 = 60;
/// Minutes looked at for the next run within an hour; clocks never jump this far.
const HOURLY_HORIZON_MINUTES: i64 = 36 * 60;

/// One rule, as `every 4h`, `daily 22:00`, `weekly mon,thu 21:30`, `monthly last sun 03:00` or a
/// cron expression of five fields.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Schedule {
    text: String,
    rule: Rule,
}

#[derive(Clone, Debug)]
enum Rule {
    /// At whole multiples of so many seconds since 1970.
    Every(i64),
    /// At these minutes of each hour of the local clock.
    Hourly(Vec<i8>),
    /// On some days at these times of the local clock.
    Days(DayRule, Vec<Time>),
    Cron(Box<Cron>),
}

impl PartialEq for Schedule {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Schedule {}

impl Schedule {
    /// The first time after `after`, or `None` if there is none in the next years.
    pub fn next_after(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        match &self.rule {
            Rule::Every(secs) => {
                let next = after.as_second().div_euclid(*secs).checked_add(1)?;
                Timestamp::from_second(next.checked_mul(*secs)?).ok()
            }
            Rule::Hourly(minutes) => {
                let first = after.as_second().div_euclid(60);
                (1..=HOURLY_HORIZON_MINUTES)
                    .filter_map(|n| Timestamp::from_second((first + n) * 60).ok())
                    .find(|time| minutes.contains(&time.to_zoned(zone.clone()).minute()))
            }
            Rule::Days(days, times) => days.next_after(times, after, zone),
            Rule::Cron(cron) => {
                // Seconds only: croner loses fractions, and would find `after` itself again.
                let after = Timestamp::from_second(after.as_second()).ok()?;
                let next = cron
                    .find_next_occurrence(&after.to_zoned(zone.clone()), false)
                    .ok()?;
                Some(next.timestamp()).filter(|next| *next > after)
            }
        }
    }
}

impl FromStr for Schedule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let rule = match words::parse(&text.to_lowercase())? {
            Some(rule) => rule,
            None => Rule::Cron(Box::new(parse_cron(&text)?)),
        };
        let schedule = Self { text, rule };
        // A date without a special meaning, before which nothing is ever scheduled.
        let some_day = Timestamp::from_second(1_704_067_200).map_err(|e| e.to_string())?;
        if schedule.next_after(some_day, &TimeZone::UTC).is_none() {
            return Err("this never happens".to_owned());
        }
        Ok(schedule)
    }
}

fn parse_cron(text: &str) -> Result<Cron, String> {
    let fields = text.split(' ').count();
    if !text.starts_with('@') && fields != 5 {
        let first = text.split(' ').next().unwrap_or_default();
        let nearest = crate::suggest::nearest(first, words::KEYWORDS.iter().copied());
        return Err(match nearest {
            Some(word) if first.chars().any(|c| c.is_ascii_alphabetic()) => {
                format!("`{first}` is no kind of schedule; did you mean `{word}`?")
            }
            _ => {
                "write it as `every 4h`, `daily 22:00`, `weekly mon,thu 21:30`, `monthly last sun \
                  03:00`, or as a cron expression of five fields"
                    .to_owned()
            }
        });
    }
    let parser = CronParser::builder()
        .seconds(Seconds::Disallowed)
        .year(Year::Disallowed)
        .build();
    parser
        .parse(text)
        .map_err(|error| format!("no valid cron expression: {error}"))
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

as_text!(Schedule);

/// When one thing is due: several rules in a time zone, each time put off by a little.
#[derive(Clone, Debug)]
pub struct Timetable {
    /// The rules; a time that several name counts once.
    pub schedules: Vec<Schedule>,
    /// The zone whose clock the rules follow.
    pub zone: TimeZone,
    /// Each time is put off by less than this, so that many machines do not begin at once.
    pub jitter: TimeSpan,
    /// Chooses by how much: the same seed gives the same times.
    pub seed: u64,
}

/// One time at which something is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Occurrence {
    /// When it begins, jitter included.
    pub at: Timestamp,
    /// The time that the rule names.
    pub nominal: Timestamp,
}

impl Timetable {
    /// Domain of the hash behind jitter.
    const CONTEXT: &'static str = "postkeep v1 jitter of a scheduled run";

    /// The first time after `after`.
    pub fn next_after(&self, after: Timestamp) -> Option<Occurrence> {
        let mut best: Option<Occurrence> = None;
        // A time that was named before `after` can be put off beyond it.
        let mut from = after - self.jitter.0.min(MAX_JITTER);
        while let Some(nominal) = self.next_nominal(from) {
            if best.is_some_and(|best| nominal > best.at) {
                break;
            }
            let at = nominal + self.delay(nominal);
            let found = Occurrence { at, nominal };
            if at > after && best.is_none_or(|best| found < best) {
                best = Some(found);
            }
            from = nominal;
        }
        best
    }

    /// The last time at or before `until` of those after `after`, and how many there were.
    pub fn last_between(&self, after: Timestamp, until: Timestamp) -> Option<(Occurrence, u64)> {
        let mut last = None;
        let mut from = after;
        let mut count = 0;
        while let Some(found) = self.next_after(from).filter(|found| found.at <= until) {
            count += 1;
            last = Some((found, count));
            from = found.at;
            if count >= MAX_COUNTED {
                // Far behind: what lies long back changes nothing any more.
                let recent = until - jiff::SignedDuration::from_hours(24 * 40);
                from = from.max(recent);
            }
        }
        last
    }

    fn next_nominal(&self, after: Timestamp) -> Option<Timestamp> {
        let next = |schedule: &Schedule| schedule.next_after(after, &self.zone);
        self.schedules.iter().filter_map(next).min()
    }

    fn delay(&self, nominal: Timestamp) -> std::time::Duration {
        let span = self.jitter.0.min(MAX_JITTER).as_secs();
        if span == 0 {
            return std::time::Duration::ZERO;
        }
        let mut hasher = blake3::Hasher::new_derive_key(Self::CONTEXT);
        hasher.update(&self.seed.to_le_bytes());
        hasher.update(&nominal.as_second().to_le_bytes());
        let mut first = [0; 8];
        first.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
        std::time::Duration::from_secs(u64::from_le_bytes(first) % span)
    }
}

/// Longest jitter: beyond a day it would be a schedule of its own.
pub(crate) const MAX_JITTER: std::time::Duration = std::time::Duration::from_secs(24 * 3600);
/// Missed times that are counted one by one.
const MAX_COUNTED: u64 = 100_000;

#[cfg(test)]
mod tests;

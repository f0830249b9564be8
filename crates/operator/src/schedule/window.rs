//! Backup windows: when work may be done.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::days::timestamp;
use super::words;
use crate::units::as_text;

/// Days looked at for the next opening: every rule opens at least once a week.
const HORIZON_DAYS: usize = 10;
/// Openings that may follow one another without a pause; beyond, the window never closes.
const MAX_JOINED: usize = 15;

/// One stretch of time that comes back every week: `22:00-06:00`, `mon-fri 20:00-06:00` or `sat,sun`.
/// The days are those on which it opens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WindowRule {
    text: String,
    /// Empty for every day.
    days: Vec<Weekday>,
    from: Time,
    /// `None` for the end of the day.
    to: Option<Time>,
}

impl WindowRule {
    /// When it opens and closes on a day on which it opens.
    fn on(&self, date: Date, zone: &TimeZone) -> Option<(Timestamp, Timestamp)> {
        if !self.days.is_empty() && !self.days.contains(&date.weekday()) {
            return None;
        }
        let end = match self.to {
            Some(to) if to > self.from => timestamp(date, to, zone)?,
            Some(to) => timestamp(date.tomorrow().ok()?, to, zone)?,
            None => timestamp(date.tomorrow().ok()?, Time::midnight(), zone)?,
        };
        let start = timestamp(date, self.from, zone)?;
        // A window that lies within the hour which a clock skips does not open.
        (start < end).then_some((start, end))
    }
}

impl FromStr for WindowRule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if text.is_empty() {
            return Err("give a window as `22:00-06:00` or `mon-fri 20:00-06:00`".to_owned());
        }
        let lower = text.to_lowercase();
        let (days, hours) = match lower.split_once(' ') {
            Some((days, hours)) => (days, hours),
            None if lower.contains(':') => ("", lower.as_str()),
            None => (lower.as_str(), ""),
        };
        let days = match days {
            "" | "daily" => Vec::new(),
            days => words::weekdays(days)?,
        };
        let (from, to) = match hours {
            "" => (Time::midnight(), None),
            hours => {
                let (from, to) = hours
                    .split_once('-')
                    .ok_or("give a window as `22:00-06:00` or `mon-fri 20:00-06:00`")?;
                let to = match to.trim() {
                    "24:00" => None,
                    to => Some(words::time(to)?),
                };
                (words::time(from.trim())?, to)
            }
        };
        if to == Some(from) {
            return Err("the window closes when it opens".to_owned());
        }
        Ok(Self {
            text,
            days,
            from,
            to,
        })
    }
}

impl fmt::Display for WindowRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

as_text!(WindowRule);

/// When work may be done: the stretches of several rules together. Without rules, always.
#[derive(Clone, Debug)]
pub struct Window {
    /// The rules.
    pub rules: Vec<WindowRule>,
    /// The zone whose clock they follow.
    pub zone: TimeZone,
}

impl Window {
    /// Whether work may be done at that time.
    pub fn is_open(&self, time: Timestamp) -> bool {
        self.rules.is_empty() || self.end_of_stretch(time).is_some()
    }

    /// When the window that is open at that time closes; `None` if it is closed, or never closes.
    pub fn closes_after(&self, time: Timestamp) -> Option<Timestamp> {
        let mut end = self.end_of_stretch(time)?;
        for _ in 0..MAX_JOINED {
            match self.end_of_stretch(end) {
                Some(further) => end = further,
                None => return Some(end),
            }
        }
        None
    }

    /// The first time at or after `time` at which work may be done; `None` if there is none.
    pub fn next_open(&self, time: Timestamp) -> Option<Timestamp> {
        if self.is_open(time) {
            return Some(time);
        }
        self.stretches(time)
            .map(|(start, _)| start)
            .filter(|start| *start > time)
            .min()
    }

    /// The latest end of the stretches around a time.
    fn end_of_stretch(&self, time: Timestamp) -> Option<Timestamp> {
        self.stretches(time)
            .filter(|(start, end)| *start <= time && time < *end)
            .map(|(_, end)| end)
            .max()
    }

    /// The stretches that begin on the days around a time.
    fn stretches(&self, time: Timestamp) -> impl Iterator<Item = (Timestamp, Timestamp)> {
        let first = time.to_zoned(self.zone.clone()).date();
        let first = first.yesterday().unwrap_or(first);
        let dates = std::iter::successors(Some(first), |date| date.tomorrow().ok());
        dates.take(HORIZON_DAYS).flat_map(move |date| {
            self.rules
                .iter()
                .filter_map(move |rule| rule.on(date, &self.zone))
        })
    }
}

//! Local times of a calendar file in UTC.

use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::TimeZone;

use super::content_line::Component;

/// The time zones one file defines (VTIMEZONE).
#[derive(Debug, Default)]
pub(crate) struct Zones {
    zones: Vec<(String, Vec<Observance>)>,
}

/// A STANDARD or DAYLIGHT section: from each onset on, local time is `offset_to` ahead of UTC.
#[derive(Debug)]
struct Observance {
    start: DateTime,
    rule: Option<YearlyRule>,
    offset_from: i64,
    offset_to: i64,
}

/// The one recurrence that time zones use: a weekday of a month, every year.
#[derive(Debug)]
struct YearlyRule {
    month: i8,
    weekday: Weekday,
    /// 1 to 5 from the month's start, -1 to -5 from its end.
    nth: i8,
    /// With a day of month: the first such weekday on or after it, whatever `nth` says.
    from_day: Option<i8>,
    last_year: i16,
}

impl Zones {
    /// Collects every VTIMEZONE directly below the calendar.
    pub(crate) fn read(calendar: &Component) -> Self {
        let zones = calendar
            .children
            .iter()
            .filter(|c| c.name == "VTIMEZONE")
            .filter_map(|zone| {
                let name = zone.text("TZID")?;
                let rules = zone.children.iter().filter_map(observance).collect();
                Some((name, rules))
            })
            .collect();
        Self { zones }
    }

    /// Seconds since 1970 of a local time. The file's own definition goes first, then the
    /// time zone database; a zone nobody knows and no zone at all (floating time) count as UTC.
    pub(crate) fn to_utc(&self, zone: Option<&str>, local: DateTime) -> i64 {
        let as_utc = utc_seconds(local);
        let Some(zone) = zone else { return as_utc };
        let defined = self.zones.iter().find(|(name, _)| name == zone);
        if let Some(offset) = defined.and_then(|(_, rules)| offset_at(rules, local)) {
            return as_utc - offset;
        }
        database_zone(zone)
            .and_then(|tz| local.to_zoned(tz).ok())
            .map_or(as_utc, |zoned| zoned.timestamp().as_second())
    }

    /// The local time of seconds since 1970.
    pub(crate) fn to_local(&self, zone: Option<&str>, seconds: i64) -> Option<DateTime> {
        let at = |seconds| {
            let time = jiff::Timestamp::from_second(seconds).ok()?;
            Some(TimeZone::UTC.to_datetime(time))
        };
        // The offset is known at local times: the second guess has the right one.
        let mut local = at(seconds)?;
        for _ in 0..2 {
            let offset = utc_seconds(local) - self.to_utc(zone, local);
            local = at(seconds.checked_add(offset)?)?;
        }
        Some(local)
    }
}

/// Looks a zone up by its name, which may stand behind a vendor's prefix
/// (`/vendor.example/Europe/Berlin`).
fn database_zone(name: &str) -> Option<TimeZone> {
    let mut rest = name.trim_matches('/');
    loop {
        if let Ok(zone) = TimeZone::get(rest) {
            return Some(zone);
        }
        rest = rest.split_once('/')?.1;
    }
}

/// Seconds since 1970 of a civil time read as UTC.
pub(crate) fn utc_seconds(local: DateTime) -> i64 {
    TimeZone::UTC
        .to_timestamp(local)
        .map_or(0, |timestamp| timestamp.as_second())
}

fn offset_at(rules: &[Observance], local: DateTime) -> Option<i64> {
    let current = rules
        .iter()
        .filter_map(|rule| Some((rule.onset_before(local)?, rule.offset_to)))
        .max_by_key(|(onset, _)| *onset);
    match current {
        Some((_, offset)) => Some(offset),
        // Before the first onset the earliest section's old offset held.
        None => rules.iter().min_by_key(|r| r.start).map(|r| r.offset_from),
    }
}

impl Observance {
    /// The latest onset at or before a local time.
    fn onset_before(&self, local: DateTime) -> Option<DateTime> {
        let Some(rule) = &self.rule else {
            return (self.start <= local).then_some(self.start);
        };
        let year = local.year().min(rule.last_year);
        [year, year.saturating_sub(1)]
            .into_iter()
            .filter_map(|year| Some(rule.day(year)?.to_datetime(self.start.time())))
            .find(|onset| *onset <= local && *onset >= self.start)
            .or_else(|| (self.start <= local).then_some(self.start))
    }
}

impl YearlyRule {
    fn day(&self, year: i16) -> Option<Date> {
        let first = Date::new(year, self.month, 1).ok()?;
        match self.from_day {
            Some(day) => {
                let from = Date::new(year, self.month, day).ok()?;
                (0..7)
                    .filter_map(|n| from.checked_add(jiff::Span::new().days(n)).ok())
                    .find(|d| d.weekday() == self.weekday)
            }
            None => first.nth_weekday_of_month(self.nth, self.weekday).ok(),
        }
    }
}

fn observance(section: &Component) -> Option<Observance> {
    if section.name != "STANDARD" && section.name != "DAYLIGHT" {
        return None;
    }
    let (start, _) = civil(&section.line("DTSTART")?.value)?;
    Some(Observance {
        start,
        rule: section.line("RRULE").and_then(|line| yearly(&line.value)),
        offset_from: offset(&section.line("TZOFFSETFROM")?.value)?,
        offset_to: offset(&section.line("TZOFFSETTO")?.value)?,
    })
}

fn yearly(rule: &str) -> Option<YearlyRule> {
    let part = |name: &str| {
        rule.split(';')
            .filter_map(|p| p.split_once('='))
            .find(|(n, _)| n.trim().eq_ignore_ascii_case(name))
            .map(|(_, v)| v.trim())
    };
    let (nth, weekday) = ordinal_weekday(part("BYDAY")?)?;
    let from_day = part("BYMONTHDAY").and_then(|days| {
        days.split(',')
            .filter_map(|d| d.parse::<i8>().ok())
            .filter(|d| *d > 0)
            .min()
    });
    Some(YearlyRule {
        month: part("BYMONTH")?.parse().ok()?,
        weekday,
        nth: nth.unwrap_or(1),
        from_day,
        last_year: part("UNTIL")
            .and_then(|u| u.get(..4)?.parse().ok())
            .unwrap_or(i16::MAX),
    })
}

/// `-1SU` or `SU`.
pub(crate) fn ordinal_weekday(text: &str) -> Option<(Option<i8>, Weekday)> {
    let text = text.trim();
    let split = text.len().checked_sub(2)?;
    let (ordinal, day) = (text.get(..split)?, text.get(split..)?);
    let weekday = match day.to_ascii_uppercase().as_str() {
        "MO" => Weekday::Monday,
        "TU" => Weekday::Tuesday,
        "WE" => Weekday::Wednesday,
        "TH" => Weekday::Thursday,
        "FR" => Weekday::Friday,
        "SA" => Weekday::Saturday,
        "SU" => Weekday::Sunday,
        _ => return None,
    };
    if ordinal.is_empty() {
        return Some((None, weekday));
    }
    let ordinal: i8 = ordinal.trim_start_matches('+').parse().ok()?;
    (1..=5)
        .contains(&ordinal.unsigned_abs())
        .then_some((Some(ordinal), weekday))
}

/// `+0200`, `-0530`, with seconds when given.
fn offset(text: &str) -> Option<i64> {
    let text = text.trim();
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let digits: String = digits.chars().filter(|c| *c != ':').collect();
    let field = |range| digits.get(range).and_then(|t: &str| t.parse::<i64>().ok());
    Some(sign * (field(0..2)? * 3600 + field(2..4)? * 60 + field(4..6).unwrap_or(0)))
}

/// A date or date-time in basic or extended form, and whether it ends in `Z`.
pub(crate) fn civil(value: &str) -> Option<(DateTime, bool)> {
    let value = value.trim();
    let (date, time) = match value.split_once(['T', 't', ' ']) {
        Some((date, time)) => (date, Some(time)),
        None => (value, None),
    };
    let date: String = date.chars().filter(|c| *c != '-').collect();
    let number = |text: Option<&str>| text.and_then(|t| t.parse::<i16>().ok());
    if date.len() != 8 {
        return None;
    }
    let small = |range| number(date.get(range)).and_then(|n| i8::try_from(n).ok());
    let day = Date::new(number(date.get(0..4))?, small(4..6)?, small(6..8)?).ok()?;
    let Some(time) = time else {
        return Some((day.to_datetime(jiff::civil::Time::midnight()), false));
    };
    let utc = time.ends_with(['Z', 'z']);
    let time: String = time.chars().filter(|c| *c != ':').collect();
    let field = |range| {
        time.get(range)
            .and_then(|t: &str| t.parse::<i8>().ok())
            .unwrap_or(0)
    };
    // A leap second and 24:00 occur; the nearest time a clock shows is good enough.
    let (hour, minute, second) = (
        field(0..2).min(23),
        field(2..4).min(59),
        field(4..6).min(59),
    );
    let time = jiff::civil::Time::new(hour, minute, second, 0).ok()?;
    Some((day.to_datetime(time), utc))
}
